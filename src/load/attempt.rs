//! One attempt at a load, and whether another can do better.

use super::choice::{ChosenWriter, choose};
use super::resolve::ResolvedPlan;
use super::{Conductor, total_bytes, warnings};
use crate::database::{Committed, SchemaSnapshot, Target};
use crate::engine::inputs::{CsvInput, Inputs};
use crate::engine::output::{Counts, PipelineFailure};
use crate::engine::pipeline::PipelineRunner;
use crate::engine::record_log::RecordLog;
use crate::engine::rejects::Rejects;
use crate::engine::timers::StageTimers;
use crate::error::{Error, Kind, Result, Warning, with_causes};
use crate::eval::Seed;
use crate::plan::{OnConflict, OnError, Plan, Table, WriterChoice};
use crate::report::{Note, Phase, Report, ReportColumn};
use crate::schema::ddl::{quote_name, update_declaration_sql};
use crate::schema::table;
use crate::write::direct::{Direct, Schema, Sorting};
use crate::write::statements::Statements;
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// How a load is attempted, by what earlier attempts have shown.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// Why the direct path is not taken.
    statements_reason: Option<String>,
    /// Whether statements that fail can be undone, which takes a journal.
    keeps_journal: bool,
    /// Whether types are inferred from all records, not from the first chunks.
    scan_all: bool,
    /// The columns of numeric affinity that take only numbers which can be given back one by one.
    exact_columns: BTreeSet<usize>,
    /// How often another program has changed the database during an attempt.
    changes: usize,
}

/// How often a load starts again because another program has changed the database.
const MAX_CHANGES: usize = 5;

/// A way to attempt a load again after it failed.
#[derive(Debug)]
pub(super) enum Retry {
    /// Through statements: the rows cannot be sorted in memory.
    Statements(String),
    /// Through statements that can be undone one by one, so that the rows which break a constraint are known. The reason is
    /// that of the first failure, if it told which row.
    UndoableStatements(Option<String>),
    /// With types that are inferred from all records.
    ScanAll,
    /// With these columns of numeric affinity taking only numbers that can be given back one by one.
    ExactNumbers(BTreeSet<usize>),
    /// The same again, because another program has changed the database.
    ChangedDatabase,
}

impl Attempt {
    /// How to attempt the load again after this failure; nothing if no attempt can do better.
    pub(super) fn retry(&self, failure: &PipelineFailure, plan: &Plan) -> Option<Retry> {
        match failure {
            PipelineFailure::TooManyToSort { .. } if plan.tuning.writer == WriterChoice::Auto => {
                Some(Retry::Statements("the rows come in no order and are too many to be sorted".to_owned()))
            }
            PipelineFailure::Constraint { message, is_row_known, .. }
                if !self.keeps_journal
                    && plan.tuning.writer != WriterChoice::Direct
                    && (!is_row_known || skips_bad_rows(plan)) =>
            {
                let reason = is_row_known.then(|| format!("rows break a constraint: {message}"));
                Some(Retry::UndoableStatements(reason))
            }
            PipelineFailure::TypeMismatch if !self.scan_all => Some(Retry::ScanAll),
            PipelineFailure::MixedSpellings { columns } => Some(Retry::ExactNumbers(columns.clone())),
            PipelineFailure::Error(error) if matches!(error.kind(), Kind::DatabaseChanged { .. }) => {
                (self.changes < MAX_CHANGES).then_some(Retry::ChangedDatabase)
            }
            _ => None,
        }
    }

    /// Changes the next attempt.
    pub(super) fn apply(&mut self, retry: Retry) {
        match retry {
            Retry::Statements(reason) => self.statements_reason = Some(reason),
            Retry::UndoableStatements(reason) => {
                self.statements_reason = reason.or(self.statements_reason.take());
                self.keeps_journal = true;
            }
            Retry::ScanAll => self.scan_all = true,
            Retry::ExactNumbers(mut columns) => self.exact_columns.append(&mut columns),
            Retry::ChangedDatabase => self.changes += 1,
        }
    }
}

/// The error for a failure that no other attempt can avoid.
pub(super) fn into_error(failure: PipelineFailure) -> Error {
    match failure {
        PipelineFailure::Error(error) => error,
        PipelineFailure::Constraint { message, positions, .. } => {
            Kind::Constraint { message, positions }.into()
        }
        PipelineFailure::TooManyToSort { max_bytes } => {
            let reason = format!(
                "the rows are not in the order of their INTEGER PRIMARY KEY, and sorting them takes more than {max_bytes} bytes"
            );
            Kind::DirectUnsupported { reason }.into()
        }
        PipelineFailure::TypeMismatch | PipelineFailure::MixedSpellings { .. } => {
            Kind::Internal("a value is not of the type that all values of its column have".to_owned()).into()
        }
    }
}

/// Whether a load goes on without rows that the table does not take.
pub(super) fn skips_bad_rows(plan: &Plan) -> bool {
    plan.policies.on_error == OnError::Skip || plan.table.on_conflict != OnConflict::Reject
}

impl Conductor<'_> {
    /// Attempts the load once.
    pub(super) fn attempt(
        self,
        list: &[CsvInput],
        attempt: &Attempt,
        rejects: &mut Rejects<'_>,
        started: Instant,
    ) -> Result<Report, PipelineFailure> {
        self.progress.set_total_bytes(total_bytes(list).unwrap_or(0));
        let tuning = &self.plan.tuning;
        let jobs = self.jobs();
        // Before the plan is resolved against it.
        let schema = self
            .depends_on_schema()
            .then(|| SchemaSnapshot::read(self.database, tuning.busy_timeout))
            .transpose()?;
        let mut resolved = self.resolve(list, jobs, attempt.scan_all)?;
        table::make_exact(&mut resolved.plan.table, &attempt.exact_columns);
        let ResolvedPlan { plan, notes, .. } = &resolved;
        let seed = tuning.seed.map_or_else(Seed::random, Seed::fixed);
        let inputs = Inputs::new(list, plan, &plan.table, seed)?;
        let mut target = Target::open(
            self.database,
            &plan.table,
            tuning,
            attempt.keeps_journal,
            schema.as_ref(),
            self.stop.clone(),
        )?;
        rejects.start()?;
        tracing::debug!(jobs, chunk_bytes = tuning.chunk_bytes, database = %target.path().display(), "loading");

        let timers = StageTimers::default();
        let pipeline = PipelineRunner { jobs, progress: self.progress, stop: self.stop, timers: &timers };
        let choice = match &attempt.statements_reason {
            reason if attempt.keeps_journal || reason.is_some() => {
                Ok(ChosenWriter::Statements(reason.clone()))
            }
            _ => choose(tuning.writer, &plan.table, target.path(), target.in_place_reason()),
        };
        let replaced = target.replaced().cloned();
        let filled = choice.map_err(PipelineFailure::from).and_then(|choice| {
            let written = write(&mut target, &choice, pipeline, &inputs, rejects);
            let (counts, table) = finish(&mut target, pipeline, written, rejects, plan)?;
            Ok((counts, table, choice, target.broken_views()?))
        });
        let (counts, table, choice, broken_views) = match filled {
            Ok(filled) => filled,
            Err(failure) => {
                target.roll_back();
                return Err(failure);
            }
        };
        let committed = timers.finish.time(|| self.commit(target, rejects))?;
        let seconds = started.elapsed().as_secs_f64();
        let mut warnings = warnings(list, &counts.oddities);
        warnings.extend(committed.warnings.iter().cloned().map(Warning::AfterCommit));
        let report = self.report(counts, table, choice, committed, &timers, seconds);
        let rejects = rejects.files();
        let notes = notes.iter().cloned().chain(Note::real_columns(&report.columns)).chain(broken_views);
        Ok(Report { rejects, notes: notes.collect(), warnings, replaced, ..report })
    }

    /// Whether the resolved plan depends on what the database contains.
    fn depends_on_schema(self) -> bool {
        let has_indexes = self.plan.columns.as_ref().is_some_and(|columns| !columns.indexes.is_empty());
        self.plan.table.if_exists.fills_existing() || has_indexes
    }

    /// Renames the rejects file into place, then commits the rows. In this order no record is lost if the process is killed.
    fn commit(self, target: Target, rejects: &mut Rejects<'_>) -> Result<Committed> {
        self.progress.set_committing(true);
        // After the flag was set: an interrupt that is seen only later is ignored.
        let ready = match self.stop.load(Ordering::SeqCst) {
            true => Err(Kind::Interrupted.into()),
            false => rejects.publish(),
        };
        let committed = match ready {
            Ok(()) => target.commit(),
            Err(error) => {
                target.roll_back();
                Err(error)
            }
        };
        self.progress.set_committing(committed.is_ok());
        let mut committed = committed?;
        if let Err(error) = rejects.publish_over_input() {
            let warning =
                format!("the rows are loaded, but the rejects could not be written: {}", with_causes(&error));
            tracing::error!("{warning}");
            committed.warnings.push(warning);
        }
        Ok(committed)
    }

    fn report(
        self,
        counts: Counts,
        table: Table,
        choice: ChosenWriter,
        committed: Committed,
        timers: &StageTimers,
        seconds: f64,
    ) -> Report {
        Report {
            inputs: self.inputs.to_vec(),
            database: self.database.to_owned(),
            columns: ReportColumn::list(&table.columns, &counts.type_feedback),
            table: table.name,
            replaced: None,
            notes: Vec::new(),
            writer: choice.name(),
            writer_reason: choice.reason(),
            jobs: self.jobs(),
            bytes: counts.bytes,
            records: counts.records,
            loaded: counts.loaded,
            inserted: counts.loaded - counts.updated,
            updated: counts.updated,
            rejected: counts.rejected,
            filtered: counts.filtered,
            skipped: counts.skipped,
            ignored: counts.ignored,
            repairs: counts.repairs,
            rejects: Vec::new(),
            is_verified: self.plan.tuning.verify,
            is_upsert: self.plan.table.on_conflict == OnConflict::Update,
            is_durable: committed.is_durable,
            warnings: Vec::new(),
            seconds,
            rows_per_second: counts.loaded as f64 / seconds,
            megabytes_per_second: counts.bytes as f64 / 1e6 / seconds,
            stages: timers.read(),
        }
    }
}

/// Puts every row into `target`. Returns what went through, and what is left to SQLite.
fn write(
    target: &mut Target,
    choice: &ChosenWriter,
    pipeline: PipelineRunner<'_>,
    inputs: &Inputs<'_>,
    rejects: &mut Rejects<'_>,
) -> Result<(Counts, Vec<String>), PipelineFailure> {
    let Plan { table, tuning, .. } = inputs.plan;
    let mut log = RecordLog::default();
    match choice {
        ChosenWriter::Direct => {
            let (schema, file) = detach(target, table)?;
            let sorting = Sorting { max_bytes: tuning.memory_bytes, jobs: pipeline.jobs };
            let mut writer = Direct::new(schema, file, target.path(), sorting)?;
            let counts = pipeline.run(inputs, &mut writer, rejects, &mut log)?;
            Ok((counts, pipeline.finish(writer, inputs, &log)?))
        }
        ChosenWriter::Statements(_) => {
            let (connection, path) = (target.connection()?, target.path());
            let mut writer = Statements::new(connection, path, table, tuning.batch_rows)?;
            let counts = pipeline.run(inputs, &mut writer, rejects, &mut log)?;
            Ok((counts, pipeline.finish(writer, inputs, &log)?))
        }
    }
}

/// Has SQLite create the indexes and close the new database, for the direct path to fill it.
fn detach(target: &mut Target, table: &Table) -> Result<(Schema, File)> {
    let impossible = |reason: String| {
        Error::from(Kind::Internal(format!("the table cannot be written as pages: {reason}")))
    };
    target.finish_schema(&table.indexes)?;
    let schema = Schema::read(target.connection()?, table);
    let schema =
        schema.map_err(|source| Error::sqlite("read", target.path(), source))?.map_err(impossible)?;
    Ok((schema, target.detach()?))
}

/// Completes what was `written`, and checks it as far as the plan wants. Returns what went through, and the table as it is.
fn finish(
    target: &mut Target,
    pipeline: PipelineRunner<'_>,
    written: Result<(Counts, Vec<String>), PipelineFailure>,
    rejects: &mut Rejects<'_>,
    plan: &Plan,
) -> Result<(Counts, Table), PipelineFailure> {
    let Plan { table, tuning, .. } = plan;
    pipeline.progress.set_phase(Phase::Writing);
    // Rejects are kept even if the load fails because of them.
    let rejected = rejects.finish()?;
    let (counts, mut unfinished) = written?;
    if let Some(error) = rejects.failure(counts.loaded + counts.ignored) {
        return Err(error.into());
    }
    let table = table::widen_to_real(table, &counts.type_feedback.real_columns);
    if !counts.type_feedback.real_columns.is_empty() {
        unfinished.insert(0, update_declaration_sql(&table));
    }
    unfinished.extend_from_slice(&table.final_statements);
    if tuning.analyze {
        unfinished.push(format!("ANALYZE main.{}", quote_name(&table.name)));
    }
    let Counts { records, loaded, filtered, skipped, ignored, .. } = counts;
    if records != loaded + rejected + filtered + skipped + ignored || rejected != counts.rejected {
        return Err(Error::from(Kind::Internal(format!("records were lost: {counts:?}"))).into());
    }
    if !unfinished.is_empty() || tuning.verify || tuning.vacuum {
        pipeline
            .timers
            .finish
            .time(|| target.finish_schema(&unfinished))
            .map_err(constraint_of_unknown_row)?;
    }
    if tuning.verify {
        pipeline.timers.finish.time(|| target.verify(&table, counts.loaded - counts.updated))?;
    }
    if pipeline.stop.load(Ordering::Relaxed) {
        return Err(Error::from(Kind::Interrupted).into());
    }
    Ok((counts, table))
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
