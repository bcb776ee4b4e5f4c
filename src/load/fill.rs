//! Fills the tables of a target, one after the other.

use super::choice::ChosenWriter;
use crate::database::{PageAccess, Target};
use crate::engine::inputs::Inputs;
use crate::engine::output::{Counts, PipelineFailure};
use crate::engine::pipeline::PipelineRunner;
use crate::engine::record_log::RecordLog;
use crate::engine::rejects::{Rejects, RejectsFrom};
use crate::error::{Error, Kind, Result};
use crate::plan::{Plan, Table};
use crate::report::{Note, Phase, Replaced};
use crate::schema::ddl::{quote_name, update_declaration_sql};
use crate::schema::table;
use crate::write::Writer;
use crate::write::direct::{Direct, PageFile, Schema, Sorting};
use crate::write::statements::Statements;
use std::sync::atomic::Ordering;

/// A table that has its rows.
#[derive(Debug)]
pub(super) struct FilledTable {
    /// The table as it is.
    pub(super) table: Table,
    pub(super) counts: Counts,
    pub(super) writer: ChosenWriter,
    /// What the direct path did about WAL mode.
    pub(super) log_use: Option<&'static str>,
    /// What it replaces.
    pub(super) replaced: Option<Replaced>,
    /// Notes about views that read the replaced table, and cannot read this one.
    pub(super) broken_views: Vec<Note>,
}

/// Why the tables could not be filled.
#[derive(Debug)]
pub(super) struct FillFailure {
    /// The number of the table that is concerned; 0 if none is.
    pub(super) table: usize,
    pub(super) failure: PipelineFailure,
}

impl From<Error> for FillFailure {
    fn from(error: Error) -> Self {
        Self { table: 0, failure: error.into() }
    }
}

/// Fills a table from each of `tables`, and checks the result as far as the plan wants. `choose` chooses the writer of each.
pub(super) fn fill(
    target: &mut Target,
    pipeline: PipelineRunner<'_>,
    tables: &[Inputs<'_>],
    rejects: &mut Rejects<'_>,
    choose: impl Fn(&Target, &Table) -> Result<ChosenWriter>,
) -> Result<Vec<FilledTable>, FillFailure> {
    let filled = fill_all(target, pipeline, tables, rejects, choose);
    // Rejects are kept even if the load fails because of them.
    let rejected = rejects.finish()?;
    let mut filled = filled?;
    let counted: u64 = filled.iter().map(|table| table.counts.rejected).sum();
    if counted != rejected {
        return Err(
            Error::from(Kind::Internal(format!("{counted} of {rejected} rejects were counted"))).into()
        );
    }
    let Some(tuning) = tables.first().map(|inputs| &inputs.plan.tuning) else { return Ok(filled) };
    let finish = &pipeline.timers.finish;
    if tuning.verify || tuning.vacuum {
        finish.time(|| target.finish_schema(&[]))?;
    }
    if tuning.verify {
        let inserted = |counts: &Counts| counts.loaded - counts.updated;
        let tables: Vec<_> = filled.iter().map(|filled| (&filled.table, inserted(&filled.counts))).collect();
        finish.time(|| target.verify(&tables))?;
    }
    if pipeline.stop.load(Ordering::Relaxed) {
        return Err(Error::from(Kind::Interrupted).into());
    }
    for (number, table) in filled.iter_mut().enumerate() {
        table.broken_views = target.broken_views(number)?;
    }
    Ok(filled)
}

/// Fills the tables one by one.
fn fill_all(
    target: &mut Target,
    pipeline: PipelineRunner<'_>,
    tables: &[Inputs<'_>],
    rejects: &mut Rejects<'_>,
    choose: impl Fn(&Target, &Table) -> Result<ChosenWriter>,
) -> Result<Vec<FilledTable>, FillFailure> {
    let (mut filled, mut first_input, mut accepted) = (Vec::new(), 0, 0);
    for (number, inputs) in tables.iter().enumerate() {
        let failed = |failure| FillFailure { table: number, failure };
        if number > 0 {
            pipeline.progress.set_phase(Phase::Loading);
            // Of a new database, the direct path has closed the connection.
            target.finish_schema(&[])?;
        }
        let writer = choose(target, &inputs.plan.table)?;
        let mut rejects_from = RejectsFrom { rejects: &mut *rejects, first_input };
        let written = write(target, &writer, pipeline, inputs, &mut rejects_from);
        pipeline.progress.set_phase(Phase::Writing);
        let (counts, unfinished) = written.map_err(failed)?;
        accepted += counts.loaded + counts.ignored;
        if number + 1 == tables.len()
            && let Some(error) = rejects.failure(accepted)
        {
            return Err(error.into());
        }
        let table = finish_table(target, pipeline, inputs.plan, &counts, unfinished).map_err(failed)?;
        let replaced = target.replaced().get(number).cloned().flatten();
        let log_use = if matches!(writer, ChosenWriter::Direct) { target.log_use()? } else { None };
        filled.push(FilledTable { table, counts, writer, log_use, replaced, broken_views: Vec::new() });
        first_input += inputs.list.len();
    }
    Ok(filled)
}

/// Completes the schema of a table with the `unfinished` statements. Returns the table as it is.
fn finish_table(
    target: &mut Target,
    pipeline: PipelineRunner<'_>,
    plan: &Plan,
    counts: &Counts,
    mut unfinished: Vec<String>,
) -> Result<Table, PipelineFailure> {
    let Plan { table, tuning, .. } = plan;
    let table = table::widen_to_real(table, &counts.type_feedback.real_columns);
    if !counts.type_feedback.real_columns.is_empty() {
        unfinished.insert(0, update_declaration_sql(&table));
    }
    unfinished.extend_from_slice(&table.final_statements);
    if tuning.analyze {
        unfinished.push(format!("ANALYZE main.{}", quote_name(&table.name)));
    }
    let Counts { records, loaded, rejected, filtered, skipped, ignored, .. } = *counts;
    if records != loaded + rejected + filtered + skipped + ignored {
        return Err(Error::from(Kind::Internal(format!("records were lost: {counts:?}"))).into());
    }
    if !unfinished.is_empty() {
        let finished = pipeline.timers.finish.time(|| target.finish_schema(&unfinished));
        finished.map_err(constraint_of_unknown_row)?;
    }
    Ok(table)
}

/// Puts every row into `target`. Returns what went through, and what is left to SQLite.
fn write(
    target: &mut Target,
    writer: &ChosenWriter,
    pipeline: PipelineRunner<'_>,
    inputs: &Inputs<'_>,
    rejects: &mut RejectsFrom<'_, '_>,
) -> Result<(Counts, Vec<String>), PipelineFailure> {
    let Plan { table, tuning, .. } = inputs.plan;
    match writer {
        ChosenWriter::Direct => {
            let sorting = Sorting { max_bytes: tuning.memory_bytes, jobs: pipeline.jobs };
            let schema = read_schema(target, table)?;
            let writer = if target.is_new() {
                let file = target.detach()?;
                Direct::new(schema, PageFile::new(file, target.path()), sorting)?
            } else {
                let PageAccess { connection, path, file } = target.page_access(table)?;
                Direct::new(schema, PageFile::existing(connection, path, file), sorting)?
            };
            let filled = run(writer, pipeline, inputs, rejects)?;
            target.forget_pages()?;
            Ok(filled)
        }
        ChosenWriter::Statements(_) => {
            let (connection, path) = (target.connection()?, target.path());
            run(Statements::new(connection, path, table, tuning.batch_rows)?, pipeline, inputs, rejects)
        }
    }
}

/// Runs the pipeline into `writer` and finishes it.
fn run(
    mut writer: impl Writer,
    pipeline: PipelineRunner<'_>,
    inputs: &Inputs<'_>,
    rejects: &mut RejectsFrom<'_, '_>,
) -> Result<(Counts, Vec<String>), PipelineFailure> {
    let mut log = RecordLog::default();
    let counts = pipeline.run(inputs, &mut writer, rejects, &mut log)?;
    Ok((counts, pipeline.finish(writer, inputs, &log)?))
}

/// Has SQLite create the indexes, and returns the schema of the table.
fn read_schema(target: &mut Target, table: &Table) -> Result<Schema> {
    let impossible = |reason: String| {
        Error::from(Kind::Internal(format!("the table cannot be written as pages: {reason}")))
    };
    target.finish_schema(&table.indexes)?;
    let schema = Schema::read(target.connection()?, table);
    schema.map_err(|source| Error::sqlite("read", target.path(), source))?.map_err(impossible)
}

/// The failure of statements that run when all rows are there: SQLite does not tell which rows break a UNIQUE index that is
/// created only now.
fn constraint_of_unknown_row(error: Error) -> PipelineFailure {
    match error.constraint_violation() {
        Some(message) => PipelineFailure::Constraint {
            message: message.to_owned(),
            is_row_known: false,
            positions: Vec::new(),
        },
        None => error.into(),
    }
}
