//! Resolves a plan against the headers of its inputs, and infers the types of columns.

use super::Conductor;
use super::infer::{InferTypes, Inferred};
use crate::database::{existing_columns, existing_names};
use crate::engine::inputs::{CsvInput, Inputs};
use crate::engine::output::PipelineFailure;
use crate::engine::pipeline::PipelineRunner;
use crate::engine::record_log::RecordLog;
use crate::engine::timers::StageTimers;
use crate::error::Result;
use crate::eval::Seed;
use crate::plan::{Column, Expr, HeaderColumns, Notation, Plan, Table};
use crate::report::{Note, Progress};
use crate::schema::column_stats::ColumnStats;
use crate::schema::select::fill_columns;
use crate::schema::table::{self, ExistingColumn, with_nulls};
use std::collections::HashSet;

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
}

impl Conductor<'_> {
    /// The plan with the columns of the inputs, if it is to have those, and with the NULLs that it asks for.
    pub(super) fn resolve(&self, list: &[CsvInput], jobs: usize, scan_all: bool) -> Result<ResolvedPlan> {
        let (nulls, mut plan) = (&self.plan.nulls, self.plan.clone());
        let in_notation = |expr: Expr| match self.plan.notation == Notation::default() {
            true => expr,
            false => expr.with_notation(self.plan.notation),
        };
        let condition = |condition| in_notation(with_nulls(condition, nulls));
        plan.conditions = plan.conditions.into_iter().map(condition).collect();
        if let Some(first) = list.first() {
            table::check_nulls(nulls, &first.header.names)?;
        }
        let mut resolved = self.with_columns(plan, list, jobs, scan_all)?;
        for column in &mut resolved.plan.table.columns {
            column.value = in_notation(with_nulls(column.value.clone(), nulls));
        }
        Ok(resolved)
    }

    fn with_columns(
        &self,
        mut plan: Plan,
        list: &[CsvInput],
        jobs: usize,
        scan_all: bool,
    ) -> Result<ResolvedPlan> {
        if let (Some(select), Some(first)) = (plan.select.take(), list.first()) {
            plan.table.columns = fill_columns(&select, &plan.table, &first.header.names)?;
        }
        let (Some(options), Some(first)) = (&plan.columns, list.first()) else {
            return Ok(ResolvedPlan { plan, notes: Vec::new(), is_guess: false });
        };
        let names = &first.header.names;
        let known = match plan.table.if_exists.fills_existing() {
            true => existing_columns(self.database, &plan.table)?,
            false => None,
        };
        let max_chunks = if scan_all { usize::MAX } else { SAMPLE_CHUNKS };
        let needs_types = needs_types(options, names, known.as_deref())?;
        let inferred = match needs_types {
            true => self.infer(&plan, names, list, jobs, max_chunks)?,
            false => Inferred::nothing(names.len()),
        };
        let mut known_notes = HashSet::new();
        let notes = list.iter().flat_map(|input| &input.header.notes);
        let mut notes: Vec<_> = notes.filter(|note| known_notes.insert(*note)).cloned().collect();
        notes.extend(type_notes(&inferred, options, names, list.len() > 1));
        let columns = table::columns(names, &inferred.columns, options)?;
        let table = match &known {
            Some(known) => table::match_existing(columns, options, &plan.table, known)?,
            None => {
                let names = match options.indexes.is_empty() {
                    true => Vec::new(),
                    false => existing_names(self.database, &plan.table)?,
                };
                table::new_table(columns, options, &plan.table, names)?
            }
        };
        let is_guess = needs_types && !scan_all;
        Ok(ResolvedPlan { plan: Plan { table, ..plan }, notes, is_guess })
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
        let field = |name: &String| {
            let field = with_nulls(Expr::Field(name.clone()), &plan.nulls);
            let (notation, keeps_text) = (plan.notation, false);
            match notation == Notation::default() {
                true => field,
                false => Expr::InSqlNotation { expr: field.into(), notation, keeps_text },
            }
        };
        let fields = names.iter().map(|name| Column::new(name, "TEXT", field(name)));
        let text_table = Table::new("", fields.collect());
        let inputs = Inputs::new(list, plan, &text_table, Seed::fixed(0))?.with_max_chunks(max_chunks);
        let (progress, timers) = (Progress::default(), StageTimers::default());
        let pipeline = PipelineRunner { jobs, progress: &progress, stop: self.stop, timers: &timers };
        let mut writer = InferTypes::new(inputs.names(), names.len());
        match pipeline.run(&inputs, &mut writer, &mut (), &mut RecordLog::default()) {
            Err(PipelineFailure::Error(error)) => Err(error),
            // All columns are TEXT, and no table takes the rows.
            _ => Ok(writer.inferred()),
        }
    }
}

/// Whether the types of columns are to be inferred.
fn needs_types(options: &HeaderColumns, names: &[String], known: Option<&[ExistingColumn]>) -> Result<bool> {
    if options.all_text {
        return Ok(false);
    }
    // A table that exists has its types.
    let Some(known) = known else { return Ok(true) };
    let nothing = Inferred::nothing(names.len());
    let columns = table::columns(names, &nothing.columns, options)?;
    let is_known = |column: &Column| known.iter().any(|known| known.has_name(&column.name));
    Ok(options.add_columns && !columns.iter().all(is_known))
}

/// Notes about the columns that are TEXT although they begin with numbers.
fn type_notes(
    inferred: &Inferred,
    options: &HeaderColumns,
    names: &[String],
    names_inputs: bool,
) -> Vec<Note> {
    let note = |(name, stats): (&String, &ColumnStats)| {
        let is_given = options.types.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let (reason, row) = stats.reason().filter(|_| !is_given)?;
        let position = inferred.positions.get(&row);
        let input = position.filter(|_| names_inputs).map(|position| position.input.clone());
        let line = position.map(|position| position.line);
        Some(Note::TextColumn { column: name.clone(), reason, line, input })
    };
    names.iter().zip(&inferred.columns).filter_map(note).collect()
}
