//! Resolves a plan against the headers of its inputs, and infers the types of columns.

use super::infer::{InferTypes, Inferred};
use super::tables::{LoadInputs, TablePlan};
use super::{Conductor, in_context};
use crate::database::{columns_with_numbers, existing_columns, existing_keys, existing_names, existing_sql};
use crate::engine::inputs::Inputs;
use crate::engine::output::PipelineFailure;
use crate::engine::pipeline::PipelineRunner;
use crate::engine::record_log::RecordLog;
use crate::engine::source::{RecordSource, declared_type, distinguishes_strings, header_notes};
use crate::engine::timers::StageTimers;
use crate::error::{ColumnUse, Kind, Result};
use crate::eval::Seed;
use crate::plan::{
    Column, Expr, HeaderColumns, IfExists, InputTypes, Notation, OnMismatch, Plan, SelectItem, Table, Type,
};
use crate::report::{Note, NotedValue, Progress};
use crate::schema::column_stats::{ColumnStats, Example, TextReason};
use crate::schema::input_column::{InputColumn, check_nulls, with_nulls};
use crate::schema::names::NameIndex;
use crate::schema::select::fill_columns;
use crate::schema::table::{self, ExistingColumn, find, loaded_columns};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::atomic::Ordering;

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
    /// The columns of the inputs whose types matter to expressions, with these types as they are declared.
    pub(super) used_columns: Vec<(String, String)>,
}

/// The columns of the inputs that a plan refers to. They are numbered as in `names`.
struct InputColumns<'n> {
    names: NameIndex<'n>,
    inferred: Inferred,
    /// The columns that are loaded, used by expressions, or given a type.
    columns: HashMap<usize, InputColumn>,
    /// The columns whose types matter to an expression.
    used: BTreeSet<usize>,
    is_guess: bool,
}

impl Conductor<'_> {
    /// Resolves the plans of all tables, as [`Conductor::resolve`] does. Errors say what the inputs of the table look like.
    pub(super) fn resolve_all(
        &self,
        inputs: &LoadInputs,
        jobs: usize,
        scan_all: bool,
    ) -> Result<Vec<ResolvedPlan>> {
        let tables = &inputs.tables;
        let names = tables.iter().map(|table| table.plan.table.name.clone());
        let has_indexes = self.plan.columns.as_ref().is_some_and(|options| !options.indexes.is_empty());
        let mut taken_names: Vec<_> = names.filter(|_| has_indexes).collect();
        if has_indexes {
            taken_names.extend(existing_names(self.database, &taken_names, self.plan.tuning.busy_timeout)?);
        }
        let resolve = |table: &TablePlan| {
            let conductor = Conductor { plan: &table.plan, ..*self };
            let list = inputs.of_table(table);
            let resolved = conductor.resolve(list, jobs, scan_all, &mut taken_names);
            resolved.map_err(|error| in_context(error, list))
        };
        tables.iter().map(resolve).collect()
    }

    /// The plan with the columns of the inputs, if it is to have those, with the types of the columns that expressions use, and
    /// with the NULLs that it asks for. The names of new indexes differ from `taken_names`, and are added to them.
    fn resolve(
        &self,
        list: &[RecordSource],
        jobs: usize,
        scan_all: bool,
        taken_names: &mut Vec<String>,
    ) -> Result<ResolvedPlan> {
        let mut plan = self.plan.clone();
        let Some(first) = list.first() else {
            return Ok(ResolvedPlan {
                plan,
                notes: header_notes(list),
                is_guess: false,
                used_columns: Vec::new(),
            });
        };
        let header = first.names();
        check_nulls(&plan.nulls, header)?;
        if let Some(select) = plan.select.take() {
            plan.table.columns = fill_columns(&select, &plan.table, header)?;
        }
        let (fills_existing, timeout) = (plan.table.if_exists.fills_existing(), plan.tuning.busy_timeout);
        let existing = match plan.columns.is_some() && fills_existing {
            true => existing_columns(self.database, &plan.table, timeout)?,
            false => None,
        };
        if plan.columns.is_none() && fills_existing {
            remove_existing(&mut plan.table, &existing_sql(self.database, timeout)?);
            if existing_columns(self.database, &plan.table, timeout)?.is_some() {
                plan.table.columns.retain(|column| !column.is_unassigned);
            }
        }
        let names = input_names(&plan, header)?;
        let inputs = self.input_columns(&plan, &names, existing.as_deref(), (list, jobs), scan_all)?;
        if self.stop.load(Ordering::Relaxed) {
            return Err(Kind::Interrupted.into());
        }
        let mut notes = header_notes(list);
        if let Some(options) = plan.columns.take() {
            plan.table =
                self.new_or_existing(&plan.table, &options, &inputs, existing.as_deref(), taken_names)?;
            notes.extend(inputs.text_notes(&plan.table.columns, list.len() > 1));
            if let (IfExists::Append, Some(existing)) = (plan.table.if_exists, &existing) {
                notes.extend(self.note_among_numbers(&plan.table, existing)?);
            }
            plan.columns = Some(options);
        }
        notes.extend(inputs.number_notes(&plan, list.len() > 1));
        let mut plan = with_input_types(plan, &inputs);
        apply_nulls_and_notation(&mut plan);
        let used =
            inputs.used.iter().map(|at| (names[*at].clone(), inputs.columns[at].declared_type.clone()));
        Ok(ResolvedPlan { plan, notes, is_guess: inputs.is_guess, used_columns: used.collect() })
    }

    /// The columns of the inputs that the plan refers to, with their types.
    fn input_columns<'n>(
        &self,
        plan: &Plan,
        names: &'n [String],
        existing: Option<&[ExistingColumn]>,
        (list, jobs): (&[RecordSource], usize),
        scan_all: bool,
    ) -> Result<InputColumns<'n>> {
        let InputTypes { all_text, types } = &plan.input_types;
        let names = NameIndex::new(names);
        let used: BTreeSet<_> = used_names(plan).into_iter().filter_map(|name| names.find(name)).collect();
        let mut requested = HashMap::new();
        for (name, to) in types {
            requested.insert(find(ColumnUse::Type, name, &names)?, to.as_str());
        }
        let has_types = list.iter().any(RecordSource::declares_types);
        let loaded = match &plan.columns {
            Some(options) if has_types || needs_types(options, &names, existing)? => {
                loaded_columns(&names, options)?
            }
            _ => BTreeSet::new(),
        };
        let mut numbers = &loaded | &used;
        numbers.retain(|at| !all_text && !requested.contains_key(at) && !has_types);
        let is_guess = !numbers.is_empty() && !scan_all;
        let inferred = self.infer_types(plan, (names.names(), numbers), list, jobs, scan_all)?;
        let no_values = ColumnStats::default();
        let column = |at: usize| {
            let name = &names.names()[at];
            let is_strict = plan.table.is_strict;
            let column = match (requested.get(&at), all_text) {
                (Some(declared), _) if has_types => {
                    declared_type(list, name, true)?;
                    InputColumn::redeclared(name, declared, is_strict)
                }
                (Some(declared), _) => InputColumn::requested(name, declared, is_strict),
                (None, _) if has_types => {
                    let own = declared_type(list, name, *all_text)?;
                    InputColumn::declared(name, if *all_text { Type::Text } else { own })
                }
                (None, true) => InputColumn::text(name),
                (None, false) => {
                    let stats = inferred.columns.get(&at).unwrap_or(&no_values);
                    InputColumn::inferred(name, stats, distinguishes_strings(list))
                }
            };
            Ok((at, column))
        };
        let all = loaded.iter().chain(&used).chain(requested.keys());
        let columns = all.copied().map(column).collect::<Result<_>>()?;
        Ok(InputColumns { names, inferred, columns, used, is_guess })
    }

    /// Infers the types of the columns with these numbers among `names`: from all records, or from the first chunks.
    fn infer_types(
        &self,
        plan: &Plan,
        (names, numbers): (&[String], BTreeSet<usize>),
        list: &[RecordSource],
        jobs: usize,
        scan_all: bool,
    ) -> Result<Inferred> {
        let mut inferred = Inferred::default();
        if numbers.is_empty() {
            return Ok(inferred);
        }
        for max_chunks in if scan_all { &[usize::MAX][..] } else { &[1, SAMPLE_CHUNKS] } {
            inferred = self.infer(plan, names, &numbers, (list, jobs), *max_chunks)?;
            // No other value can change the type of such a column.
            if inferred.columns.values().all(ColumnStats::has_non_number) {
                break;
            }
        }
        Ok(inferred)
    }

    /// Infers the types of columns from at most `max_chunks` chunks of each input.
    fn infer(
        &self,
        plan: &Plan,
        names: &[String],
        numbers: &BTreeSet<usize>,
        (list, jobs): (&[RecordSource], usize),
        max_chunks: usize,
    ) -> Result<Inferred> {
        let has_strings = distinguishes_strings(list);
        let field = |name: &String| {
            let name = name.clone();
            with_nulls(
                if has_strings { Expr::Value(name, Type::Real) } else { Expr::Field(name) },
                &plan.nulls,
            )
        };
        let fields = numbers.iter().map(|at| &names[*at]).map(|name| Column::new(name, "TEXT", field(name)));
        let text_table = Table::new("", fields.collect());
        // The records that do not meet the conditions count.
        let all_records = Plan { conditions: Vec::new(), ..plan.clone() };
        let inputs =
            Inputs::new(list, &all_records, &text_table, Seed::fixed(0))?.with_max_chunks(max_chunks);
        let (progress, timers) = (Progress::default(), StageTimers::default());
        let pipeline = PipelineRunner { jobs, progress: &progress, stop: self.stop, timers: &timers };
        let mut writer = InferTypes::new(inputs.names(), numbers.len(), plan.notation);
        match pipeline.run(&inputs, &mut writer, &mut (), &mut RecordLog::default()) {
            Err(PipelineFailure::Error(error)) => Err(error),
            // All columns are TEXT, and no table takes the rows.
            _ => Ok(writer.inferred(numbers.iter().copied())),
        }
    }

    /// The table with the columns of the inputs.
    fn new_or_existing(
        &self,
        table: &Table,
        options: &HeaderColumns,
        inputs: &InputColumns<'_>,
        existing: Option<&[ExistingColumn]>,
        taken_names: &mut Vec<String>,
    ) -> Result<Table> {
        let columns = table::columns(&inputs.names, &inputs.columns, options)?;
        match existing {
            Some(existing) => {
                let keys = existing_keys(self.database, table, self.plan.tuning.busy_timeout)?;
                table::match_existing(columns, options, table, existing, &keys)
            }
            None => table::new_table(columns, options, table, taken_names),
        }
    }

    /// A note about columns that have numbers and no declared type, and get TEXT. `table` exists, and rows are added to it.
    fn note_among_numbers(&self, table: &Table, existing: &[ExistingColumn]) -> Result<Option<Note>> {
        let has_no_type = |column: &&Column| {
            let declared = existing.iter().find(|existing| existing.has_name(&column.name));
            declared.is_some_and(|existing| existing.declared_type.is_empty())
        };
        let gets_text = |column: &&Column| matches!(column.value, Expr::Field(_));
        let columns = table.columns.iter().filter(gets_text).filter(has_no_type);
        let names: Vec<_> = columns.map(|column| column.name.as_str()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        let names = columns_with_numbers(self.database, table, &names, self.plan.tuning.busy_timeout)?;
        Ok((!names.is_empty()).then_some(Note::TextAmongNumbers(names)))
    }
}

/// Removes the indexes and views that the database has already, so that a pipeline can add rows again and again. Views that it drops
/// first stay.
fn remove_existing(table: &mut Table, existing_sql: &HashSet<String>) {
    table.indexes.retain(|sql| !existing_sql.contains(sql));
    let replaced: HashSet<_> =
        table.views.iter().filter(|view| view.is_replaced).map(|view| &view.sql).collect();
    table.final_statements.retain(|sql| replaced.contains(sql) || !existing_sql.contains(sql));
    let statements = &table.final_statements;
    table.views.retain(|view| view.is_replaced || statements.contains(&view.sql));
}

/// Whether the types of the columns to load are to be inferred.
fn needs_types(
    options: &HeaderColumns,
    names: &NameIndex<'_>,
    existing: Option<&[ExistingColumn]>,
) -> Result<bool> {
    // A table that exists has its types.
    let Some(existing) = existing else { return Ok(true) };
    let columns = table::columns(names, &HashMap::new(), options)?;
    let existing: HashSet<_> = existing.iter().map(|existing| existing.name.to_ascii_lowercase()).collect();
    let is_known = |column: &Column| existing.contains(&column.name.to_ascii_lowercase());
    Ok(options.add_columns && !columns.iter().all(is_known))
}

/// The names of the columns that the plan may refer to: those of the header if the table has its columns, otherwise those in
/// expressions and with a requested type, spelled as in the header.
///
/// # Errors
/// [`Kind::NoSuchColumn`] if a type is requested for a column that is not in the header.
fn input_names(plan: &Plan, header: &[String]) -> Result<Vec<String>> {
    if plan.columns.is_some() {
        return Ok(header.to_vec());
    }
    let index = NameIndex::new(header);
    let types = &plan.input_types.types;
    types.iter().try_for_each(|(name, _)| find(ColumnUse::Type, name, &index).map(drop))?;
    let referred = used_names(plan).into_iter().chain(types.iter().map(|(name, _)| name.as_str()));
    let spelled = referred.map(|name| index.find(name).map_or(name, |at| &header[at]).to_owned());
    Ok(distinct(spelled))
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
fn with_input_types(mut plan: Plan, inputs: &InputColumns<'_>) -> Plan {
    let typed = |leaf| match leaf {
        Expr::Column(name) => match inputs.names.find(&name) {
            Some(at) => inputs.columns[&at].value.clone(),
            None => Expr::Field(name),
        },
        leaf => leaf,
    };
    plan.conditions = plan.conditions.into_iter().map(|condition| condition.map_leaves(&typed)).collect();
    let used: Vec<_> = inputs.used.iter().map(|at| inputs.columns[at].value.clone()).collect();
    let is_requested = |value: &&Expr| matches!(value, Expr::Typed { on_mismatch: OnMismatch::Reject, .. });
    let values = inputs.columns.values().map(|column| &column.value);
    let requested: Vec<_> = values.filter(is_requested).cloned().collect();
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

/// Applies the NULLs and the notation of numbers that the plan asks for.
fn apply_nulls_and_notation(plan: &mut Plan) {
    let Plan { nulls, notation, .. } = plan;
    let values = plan.table.columns.iter_mut().map(|column| &mut column.value);
    for expr in values.chain(&mut plan.conditions).chain(&mut plan.checks) {
        *expr = with_nulls(std::mem::replace(expr, Expr::Null), nulls);
        if *notation != Notation::default() {
            *expr = std::mem::replace(expr, Expr::Null).with_notation(*notation);
        }
    }
}

impl InputColumns<'_> {
    /// Notes about the columns of the table that are TEXT although they begin with numbers.
    fn text_notes(&self, columns: &[Column], names_inputs: bool) -> Vec<Note> {
        let fields = columns.iter().filter_map(|column| match &column.value {
            Expr::Field(name) if column.declaration.starts_with("TEXT") => self.names.find(name),
            _ => None,
        });
        let note = |at: usize| {
            let (column, reason, examples) = self.text_reason(at, names_inputs)?;
            Some(Note::TextColumn { column, reason, examples })
        };
        distinct(fields).into_iter().filter_map(note).collect()
    }

    /// Notes about the columns that begin with numbers and are used as numbers, but are TEXT.
    fn number_notes(&self, plan: &Plan, names_inputs: bool) -> Vec<Note> {
        let used_as_numbers = plan.column_refs.iter().filter(|column_ref| column_ref.is_number);
        let note = |at: usize| {
            let (column, reason, examples) = self.text_reason(at, names_inputs)?;
            Some(Note::TextUsedAsNumber { column, reason, examples })
        };
        let numbers = distinct(used_as_numbers.filter_map(|used| self.names.find(&used.column)));
        numbers.into_iter().filter_map(note).collect()
    }

    /// A column that is TEXT although it begins with numbers: its name, the reason, and the values that show it, with their
    /// input if `names_inputs`.
    fn text_reason(&self, at: usize, names_inputs: bool) -> Option<(String, String, Vec<NotedValue>)> {
        let TextReason { reason, examples } = self.inferred.columns.get(&at)?.text_reason()?;
        let noted = |Example { row, text }: Example| {
            let position = self.inferred.positions.get(&row);
            let input = position.filter(|_| names_inputs).map(|position| position.input.clone());
            NotedValue { text: text.into(), line: position.and_then(|position| position.line), input }
        };
        let examples = examples.into_iter().map(noted).collect();
        Some((self.names.names()[at].clone(), reason, examples))
    }
}
