//! Resolves a plan against the headers of its inputs, and infers the types of columns.

use super::Conductor;
use super::infer::{InferTypes, Inferred};
use crate::database::{existing_columns, existing_names};
use crate::engine::inputs::{CsvInput, Inputs};
use crate::engine::output::PipelineFailure;
use crate::engine::pipeline::PipelineRunner;
use crate::engine::record_log::RecordLog;
use crate::engine::timers::StageTimers;
use crate::error::{ColumnUse, Result};
use crate::eval::Seed;
use crate::plan::{Column, Expr, HeaderColumns, InputTypes, OnMismatch, Plan, SelectItem, Table, Type};
use crate::report::{Note, Progress};
use crate::schema::column_stats::ColumnStats;
use crate::schema::select::fill_columns;
use crate::schema::table::{self, ExistingColumn, InputColumn, find, position, with_nulls};
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Chunks of each input that types are inferred from before a load; what they show nearly always holds.
pub(super) const SAMPLE_CHUNKS: usize = 16;

/// A plan with columns.
#[derive(Debug)]
pub(super) struct ResolvedPlan {
    pub(super) plan: Plan,
    /// Notes about the columns for the user.
    pub(super) notes: Vec<Note>,
    /// Whether types were inferred from the first chunks only.
    pub(super) is_guess: bool,
    /// The columns of the inputs whose types matter to expressions, with these types.
    pub(super) used_columns: Vec<(String, Type)>,
}

/// The columns of the inputs that a plan refers to.
struct InputColumns {
    names: Vec<String>,
    inferred: Inferred,
    columns: Vec<InputColumn>,
    /// For each column, whether its type matters to an expression.
    is_used: Vec<bool>,
    is_guess: bool,
}

impl Conductor<'_> {
    /// The plan with the columns of the inputs, if it is to have those, with the types of the columns that expressions use, and
    /// with the NULLs that it asks for.
    pub(super) fn resolve(&self, list: &[CsvInput], jobs: usize, scan_all: bool) -> Result<ResolvedPlan> {
        let mut plan = self.plan.clone();
        let Some(first) = list.first() else {
            return Ok(ResolvedPlan { plan, notes: Vec::new(), is_guess: false, used_columns: Vec::new() });
        };
        let names = &first.header.names;
        if let Some(select) = plan.select.take() {
            plan.table.columns = fill_columns(&select, &plan.table, names)?;
        }
        let existing = match plan.columns.is_some() && plan.table.if_exists.fills_existing() {
            true => existing_columns(self.database, &plan.table)?,
            false => None,
        };
        let needs_all = match &plan.columns {
            Some(options) => needs_types(options, names, existing.as_deref())?,
            None => false,
        };
        let inputs = self.input_columns(&plan, needs_all, list, jobs, scan_all)?;
        let mut notes = header_notes(list);
        if let Some(options) = plan.columns.take() {
            notes.extend(text_notes(&inputs, &plan, list.len() > 1));
            plan.table = self.table(&plan.table, &options, &inputs, existing.as_deref())?;
            plan.columns = Some(options);
        } else {
            notes.clear();
        }
        notes.extend(number_notes(&inputs, &plan, list.len() > 1));
        let mut plan = with_input_types(plan, &inputs);
        apply_nulls(&mut plan);
        let used =
            inputs.names.iter().zip(&inputs.columns).zip(&inputs.is_used).filter(|(_, is_used)| **is_used);
        let used_columns = used.map(|((name, column), _)| (name.clone(), column.column_type)).collect();
        Ok(ResolvedPlan { plan, notes, is_guess: inputs.is_guess, used_columns })
    }

    /// The columns of the inputs that the plan refers to, with their types; all columns if `needs_all`.
    fn input_columns(
        &self,
        plan: &Plan,
        needs_all: bool,
        list: &[CsvInput],
        jobs: usize,
        scan_all: bool,
    ) -> Result<InputColumns> {
        let InputTypes { all_text, types } = &plan.input_types;
        let header = list.first().map_or(&[][..], |first| &first.header.names);
        let used = used_names(plan);
        let names = match plan.columns {
            Some(_) => header.to_vec(),
            None => {
                for (name, _) in types {
                    find(ColumnUse::Type, name, header)?;
                }
                let referred = used.iter().copied().chain(types.iter().map(|(name, _)| name.as_str()));
                let spelled = referred.map(|name| position(name, header).map_or(name, |at| &header[at]));
                distinct(spelled.map(str::to_owned))
            }
        };
        let mut is_used = vec![false; names.len()];
        for at in used.iter().filter_map(|name| position(name, &names)) {
            is_used[at] = true;
        }
        let mut is_inferred: Vec<_> =
            is_used.iter().map(|is_used| (needs_all || *is_used) && !all_text).collect();
        for (name, _) in types {
            is_inferred[find(ColumnUse::Type, name, &names)?] = false;
        }
        let inferred = self.infer_types(plan, (&names, &is_inferred), list, jobs, scan_all)?;
        let columns = table::input_columns(&names, &inferred.columns, &plan.input_types)?;
        let is_guess = is_inferred.contains(&true) && !scan_all;
        Ok(InputColumns { names, inferred, columns, is_used, is_guess })
    }

    /// Infers the types of the columns that are marked among the columns `names`: from all records, or from the first chunks.
    fn infer_types(
        &self,
        plan: &Plan,
        (names, is_inferred): (&[String], &[bool]),
        list: &[CsvInput],
        jobs: usize,
        scan_all: bool,
    ) -> Result<Inferred> {
        let mut all = Inferred::nothing(names.len());
        let places: Vec<_> = (0..names.len()).filter(|at| is_inferred[*at]).collect();
        if places.is_empty() {
            return Ok(all);
        }
        let names: Vec<_> = places.iter().map(|at| names[*at].clone()).collect();
        let mut inferred = Inferred::nothing(names.len());
        for max_chunks in if scan_all { &[usize::MAX][..] } else { &[1, SAMPLE_CHUNKS] } {
            inferred = self.infer(plan, &names, list, jobs, *max_chunks)?;
            // Nothing can show that such a column is of another type.
            if inferred.columns.iter().all(|stats| stats.first_non_number.is_some()) {
                break;
            }
        }
        all.positions = inferred.positions;
        for (at, stats) in places.into_iter().zip(inferred.columns) {
            all.columns[at] = stats;
        }
        Ok(all)
    }

    /// Infers the types of the columns `names` from at most `max_chunks` chunks of each input.
    fn infer(
        &self,
        plan: &Plan,
        names: &[String],
        list: &[CsvInput],
        jobs: usize,
        max_chunks: usize,
    ) -> Result<Inferred> {
        let field = |name: &String| with_nulls(Expr::Field(name.clone()), &plan.nulls);
        let fields = names.iter().map(|name| Column::new(name, "TEXT", field(name)));
        let text_table = Table::new("", fields.collect());
        // The records that do not meet the conditions count.
        let all_records = Plan { conditions: Vec::new(), ..plan.clone() };
        let inputs =
            Inputs::new(list, &all_records, &text_table, Seed::fixed(0))?.with_max_chunks(max_chunks);
        let (progress, timers) = (Progress::default(), StageTimers::default());
        let pipeline = PipelineRunner { jobs, progress: &progress, stop: self.stop, timers: &timers };
        let mut writer = InferTypes::new(inputs.names(), names.len());
        match pipeline.run(&inputs, &mut writer, &mut (), &mut RecordLog::default()) {
            Err(PipelineFailure::Error(error)) => Err(error),
            // All columns are TEXT, and no table takes the rows.
            _ => Ok(writer.inferred()),
        }
    }

    /// The table with the columns of the inputs.
    fn table(
        &self,
        table: &Table,
        options: &HeaderColumns,
        inputs: &InputColumns,
        existing: Option<&[ExistingColumn]>,
    ) -> Result<Table> {
        let columns = table::columns(&inputs.names, &inputs.columns, options)?;
        if let Some(existing) = existing {
            return table::match_existing(columns, options, table, existing);
        }
        let names = match options.indexes.is_empty() {
            true => Vec::new(),
            false => existing_names(self.database, table)?,
        };
        table::new_table(columns, options, table, names)
    }
}

/// Whether the types of all columns are to be inferred.
fn needs_types(
    options: &HeaderColumns,
    names: &[String],
    existing: Option<&[ExistingColumn]>,
) -> Result<bool> {
    // A table that exists has its types.
    let Some(existing) = existing else { return Ok(true) };
    let untyped: Vec<_> =
        names.iter().map(|name| InputColumn::new(name, &ColumnStats::default(), None, true)).collect();
    let columns = table::columns(names, &untyped, options)?;
    let is_known = |column: &Column| existing.iter().any(|existing| existing.has_name(&column.name));
    Ok(options.add_columns && !columns.iter().all(is_known))
}

/// The names of the columns whose types matter to an expression of the plan, as they are written there.
fn used_names(plan: &Plan) -> Vec<&str> {
    let select_list = plan.columns.iter().flat_map(|columns| &columns.select_list);
    let selected = select_list.filter_map(|item| match item {
        SelectItem::Value { value, .. } => Some(value),
        _ => None,
    });
    let mut names = Vec::new();
    for expr in
        plan.conditions.iter().chain(selected).chain(plan.table.columns.iter().map(|column| &column.value))
    {
        expr.visit_leaves(&mut |leaf| {
            if let Expr::Column(name) = leaf {
                names.push(name.as_str());
            }
        });
    }
    distinct(names)
}

/// The items, each once.
fn distinct<T: Clone + Eq + Hash>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut known = HashSet::new();
    items.into_iter().filter(|item| known.insert(item.clone())).collect()
}

/// The plan with typed values for the columns that its expressions use, and with checks of these types.
fn with_input_types(mut plan: Plan, inputs: &InputColumns) -> Plan {
    let typed = |leaf| match leaf {
        Expr::Column(name) => match position(&name, &inputs.names) {
            Some(at) => inputs.columns[at].value.clone(),
            None => Expr::Field(name),
        },
        leaf => leaf,
    };
    plan.conditions = plan.conditions.into_iter().map(|condition| condition.map_leaves(&typed)).collect();
    let used = inputs.columns.iter().zip(&inputs.is_used).filter(|(_, is_used)| **is_used);
    let used: Vec<_> = used.map(|(column, _)| column.value.clone()).collect();
    let is_requested = |value: &&Expr| matches!(value, Expr::Typed { on_mismatch: OnMismatch::Reject, .. });
    let requested: Vec<_> =
        inputs.columns.iter().map(|column| &column.value).filter(is_requested).cloned().collect();
    for column in &mut plan.table.columns {
        column.value = std::mem::replace(&mut column.value, Expr::Null).map_leaves(&typed);
        if let Expr::Typed { expr, to, on_mismatch: on_mismatch @ OnMismatch::Widen } = &mut column.value {
            // An expression would compute something else with a REAL.
            let same = Expr::Typed { expr: expr.clone(), to: *to, on_mismatch: OnMismatch::TypeMismatch };
            if used.contains(&same) {
                *on_mismatch = OnMismatch::TypeMismatch;
            }
        }
    }
    // A value that the table does not take matters only in records that become rows.
    let inferred = plan.table.columns.iter().map(|column| &column.value).filter(|value| !is_requested(value));
    let all = used.into_iter().chain(requested).chain(inferred.cloned());
    plan.checks = all.filter(|value| matches!(value, Expr::Typed { .. })).collect();
    plan
}

/// Applies the NULLs that the plan asks for.
fn apply_nulls(plan: &mut Plan) {
    let nulls = &plan.nulls;
    let values = plan.table.columns.iter_mut().map(|column| &mut column.value);
    for expr in values.chain(&mut plan.conditions).chain(&mut plan.checks) {
        *expr = with_nulls(std::mem::replace(expr, Expr::Null), nulls);
    }
}

/// The notes about the headers, each once.
fn header_notes(list: &[CsvInput]) -> Vec<Note> {
    distinct(list.iter().flat_map(|input| input.header.notes.iter().cloned()))
}

/// Notes about the columns that are TEXT although they begin with numbers.
fn text_notes(inputs: &InputColumns, plan: &Plan, names_inputs: bool) -> Vec<Note> {
    let is_requested =
        |name: &String| plan.input_types.types.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let note = |(name, stats): (&String, &ColumnStats)| {
        let (reason, row) = stats.reason().filter(|_| !is_requested(name))?;
        let (line, input) = inputs.place(row, names_inputs);
        Some(Note::TextColumn { column: name.clone(), reason, line, input })
    };
    inputs.names.iter().zip(&inputs.inferred.columns).filter_map(note).collect()
}

/// Notes about the columns that begin with numbers and are used as numbers, but are TEXT.
fn number_notes(inputs: &InputColumns, plan: &Plan, names_inputs: bool) -> Vec<Note> {
    let used_as_numbers = plan.column_refs.iter().filter(|column_ref| column_ref.is_number);
    let places = distinct(used_as_numbers.filter_map(|used| position(&used.column, &inputs.names)));
    let note = |at: usize| {
        let (reason, row) = inputs.inferred.columns[at].reason()?;
        let (line, input) = inputs.place(row, names_inputs);
        Some(Note::TextUsedAsNumber { column: inputs.names[at].clone(), reason, line, input })
    };
    places.into_iter().filter_map(note).collect()
}

impl InputColumns {
    /// The line of a row that the statistics name, and its input if `names_inputs`.
    fn place(&self, row: u64, names_inputs: bool) -> (Option<u64>, Option<Arc<str>>) {
        let position = self.inferred.positions.get(&row);
        let input = position.filter(|_| names_inputs).map(|position| position.input.clone());
        (position.map(|position| position.line), input)
    }
}
