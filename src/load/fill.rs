//! Fills the tables of a target, one after the other.

use super::choice::ChosenWriter;
use crate::database::{PageAccess, Target};
use crate::engine::inputs::Inputs;
use crate::engine::output::{Counts, PipelineFailure, RejectSink};
use crate::engine::pipeline::PipelineRunner;
use crate::engine::record_log::RecordLog;
use crate::engine::rejects::{Rejects, RejectsFrom};
use crate::error::{Error, Kind, Result, is_about_duplicate};
use crate::plan::{Expr, OnConflict, OnError, Plan, Synchronous, Table, Tuning};
use crate::report::{Note, Phase, Replaced};
use crate::schema::ddl::{quote_name, update_declaration_sql};
use crate::schema::table;
use crate::write::direct::{
    Direct, DuplicateFinder, Duplicates, OTHER_VALUES, OnDuplicate, PageFile, Schema, Sorting,
};
use crate::write::statements::Statements;
use crate::write::{Cause, Writer};
use std::sync::Arc;
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
    /// What has become of the table, and of views and tables that refer to it.
    pub(super) notes: Vec<Note>,
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
/// If it `looks_ahead`, the direct path looks for rows with the key of another one, or that break a constraint, before it writes any.
pub(super) fn fill(
    target: &mut Target,
    pipeline: PipelineRunner<'_>,
    tables: &[Inputs<'_>],
    rejects: &mut Rejects<'_>,
    choose: impl Fn(&Target, &Table) -> Result<ChosenWriter>,
    looks_ahead: bool,
) -> Result<Vec<FilledTable>, FillFailure> {
    let filled = fill_all(target, pipeline, tables, rejects, choose, looks_ahead);
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
        table.notes.extend(target.broken_references(number, &table.table)?);
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
    looks_ahead: bool,
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
        let table = &inputs.plan.table;
        let looks_ahead = looks_ahead || table.on_conflict != OnConflict::Reject && target.fills(table);
        let written = match writer {
            ChosenWriter::Direct => write_pages(target, pipeline, inputs, &mut rejects_from, looks_ahead),
            ChosenWriter::Statements(_) => insert(target, pipeline, inputs, &mut rejects_from),
        };
        pipeline.progress.set_phase(Phase::Writing);
        let (counts, unfinished) = written.map_err(failed)?;
        accepted += counts.loaded + counts.ignored;
        if number + 1 == tables.len()
            && let Some(error) = rejects.failure(accepted)
        {
            return Err(error.into());
        }
        let table = finish_table(target, pipeline, inputs.plan, &counts, unfinished);
        let table = table.map_err(|error| failed(constraint_of_unknown_row(error, &writer)))?;
        let replaced = target.replaced().get(number).cloned().flatten();
        let notes = notes(target, inputs.plan, &counts, replaced.as_ref());
        let log_use = if matches!(writer, ChosenWriter::Direct) { target.log_use()? } else { None };
        filled.push(FilledTable { table, counts, writer, log_use, replaced, notes });
        first_input += inputs.list.len();
    }
    Ok(filled)
}

/// What a user may not expect of a table that has its rows.
fn notes(target: &Target, plan: &Plan, counts: &Counts, replaced: Option<&Replaced>) -> Vec<Note> {
    let table = &plan.table;
    let is_created = table.if_exists.fills_existing() && !target.fills(table);
    let is_emptied = counts.loaded == 0 && replaced.is_some_and(|replaced| replaced.rows > 0);
    let notes = [
        is_created.then(|| Note::CreatedTable(table.name.clone())),
        is_emptied.then(|| Note::EmptiedTable(table.name.clone())),
    ];
    notes.into_iter().flatten().collect()
}

/// Completes the schema of a table with the `unfinished` statements. Returns the table as it is.
fn finish_table(
    target: &mut Target,
    pipeline: PipelineRunner<'_>,
    plan: &Plan,
    counts: &Counts,
    mut unfinished: Vec<String>,
) -> Result<Table> {
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
        return Err(Kind::Internal(format!("records were lost: {counts:?}")).into());
    }
    if !unfinished.is_empty() {
        pipeline.timers.finish.time(|| target.finish_schema(&unfinished))?;
    }
    Ok(table)
}

/// Puts every row into `target` through statements. Returns what went through, and what is left to SQLite.
fn insert(
    target: &Target,
    pipeline: PipelineRunner<'_>,
    inputs: &Inputs<'_>,
    rejects: &mut RejectsFrom<'_, '_>,
) -> Result<(Counts, Vec<String>), PipelineFailure> {
    let Plan { table, tuning, .. } = inputs.plan;
    let (connection, path) = (target.connection()?, target.path());
    run(Statements::new(connection, path, table, tuning.batch_rows)?, pipeline, inputs, rejects)
}

/// As [`insert`], as pages.
fn write_pages(
    target: &mut Target,
    pipeline: PipelineRunner<'_>,
    inputs: &Inputs<'_>,
    rejects: &mut RejectsFrom<'_, '_>,
    looks_ahead: bool,
) -> Result<(Counts, Vec<String>), PipelineFailure> {
    let Plan { table, tuning, .. } = inputs.plan;
    let sorting = Sorting { max_bytes: tuning.memory_bytes, jobs: pipeline.jobs };
    let schema = Arc::new(read_schema(target, table)?);
    let find = |file| match looks_ahead || schema.on_duplicate().is_some() {
        true => find_duplicates(&schema, file, sorting, pipeline, inputs).map(Some),
        false => Ok(None),
    };
    let (writer, duplicates) = if target.is_new() {
        let duplicates = find(None)?;
        let file = target.detach()?;
        let file = with_tuning(PageFile::new(file, target.path()), tuning);
        (Direct::new(schema.clone(), file, sorting)?, duplicates)
    } else {
        let PageAccess { connection, path, file } = target.page_access(table)?;
        let open = || with_tuning(PageFile::existing(connection, path, file.clone()), tuning);
        let duplicates = find(Some(open()))?;
        (Direct::new(schema.clone(), open(), sorting)?, duplicates)
    };
    let filled = match duplicates {
        Some(duplicates) => run(writer.resolving(duplicates, table), pipeline, inputs, rejects)?,
        None => run(writer, pipeline, inputs, rejects)?,
    };
    target.forget_pages()?;
    Ok(filled)
}

/// The same file. A load that waits for the disk at the end writes to it from the beginning.
fn with_tuning<'c>(file: PageFile<'c>, tuning: &Tuning) -> PageFile<'c> {
    if tuning.synchronous >= Synchronous::Full { file.with_cached_bytes(0) } else { file }
}

/// Finds the records whose rows have the key of another row: one of the load, or one of an existing table in `file`. If records
/// are skipped, also those whose rows break a constraint alone. Values depend only on the record, so that the pass which writes
/// rows finds the same.
fn find_duplicates(
    schema: &Arc<Schema>,
    file: Option<PageFile<'_>>,
    sorting: Sorting,
    pipeline: PipelineRunner<'_>,
    inputs: &Inputs<'_>,
) -> Result<Duplicates, PipelineFailure> {
    let Plan { table, conditions, checks, .. } = inputs.plan;
    if !conditions.iter().chain(checks).all(Expr::is_repeatable) {
        return Err(PipelineFailure::Unsupported { reason: OTHER_VALUES.to_owned() });
    }
    let policy = match table.on_conflict {
        OnConflict::Reject => schema.on_duplicate().unwrap_or(OnDuplicate::Reject),
        OnConflict::Ignore => OnDuplicate::Ignore,
        // As for statements, which have nothing to set.
        OnConflict::Update if table.conflict_clause.is_none() && schema.loads_only_key() => {
            OnDuplicate::Ignore
        }
        OnConflict::Update => OnDuplicate::Update,
    };
    let rejects_rows = inputs.plan.policies.on_error == OnError::Skip;
    let mut found = Duplicates::new(policy, rejects_rows);
    let finder = DuplicateFinder::new(schema.clone(), table, file, sorting, &mut found);
    let finder = finder.map_err(|failure| PipelineFailure::of_writer(failure, |_| Vec::new()))?;
    run(finder, pipeline, inputs, &mut ())?;
    pipeline.progress.restart();
    Ok(found)
}

/// Runs the pipeline into `writer` and finishes it.
fn run(
    mut writer: impl Writer,
    pipeline: PipelineRunner<'_>,
    inputs: &Inputs<'_>,
    rejects: &mut impl RejectSink,
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
fn constraint_of_unknown_row(error: Error, writer: &ChosenWriter) -> PipelineFailure {
    match error.constraint_violation() {
        Some(message) => PipelineFailure::Constraint {
            message: message.to_owned(),
            cause: match matches!(writer, ChosenWriter::Direct) && is_about_duplicate(message) {
                true => Cause::SameKey,
                false => Cause::Other,
            },
            is_row_known: false,
            positions: Vec::new(),
        },
        None => error.into(),
    }
}
