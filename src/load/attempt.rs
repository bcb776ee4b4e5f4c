//! One attempt at a load, and whether another can do better.

use super::choice::{ChosenWriter, choose};
use super::fill::{FillFailure, FilledTable, fill};
use super::resolve::ResolvedPlan;
use super::tables::LoadInputs;
use super::{Conductor, record_warnings, total_bytes};
use crate::batch::Repairs;
use crate::database::{Committed, SchemaSnapshot, Target};
use crate::engine::inputs::Inputs;
use crate::engine::output::PipelineFailure;
use crate::engine::pipeline::PipelineRunner;
use crate::engine::rejects::Rejects;
use crate::engine::source::header_warnings;
use crate::engine::timers::StageTimers;
use crate::error::{ColumnUse, Error, Kind, Result, Warning, with_causes};
use crate::eval::Seed;
use crate::plan::{Expr, OnConflict, OnError, Plan, Table, Type, WriterChoice};
use crate::report::{Note, Report, ReportColumn, TableReport};
use crate::write::Cause;
use crate::write::direct::Schema;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// For each table, by its number, the indexes of columns that take only numbers which can be given back one by one.
pub(super) type ExactColumns = BTreeMap<usize, BTreeSet<usize>>;

/// How a load is attempted, by what earlier attempts have shown.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// Why the direct path is not taken although it could be.
    statements_reason: Option<String>,
    /// Whether the direct path looks for rows that have the key of another one or break a constraint before it writes any.
    looks_ahead: bool,
    /// Whether statements that fail can be undone, which takes a journal.
    keeps_journal: bool,
    /// Whether types are inferred from all records, not from the first chunks.
    scan_all: bool,
    /// The columns of numeric affinity that take only numbers which can be given back one by one.
    exact_columns: ExactColumns,
    /// How often another program has changed the database during an attempt.
    changes: usize,
}

/// How often a load starts again because another program has changed the database.
const MAX_CHANGES: usize = 5;

/// The largest number of tables for the direct path. For each table SQLite opens the database and reads the schema of all.
const MAX_DIRECT_TABLES: usize = 100;

/// A way to attempt a load again after it failed.
#[derive(Debug)]
pub(super) enum Retry {
    /// Through statements, for this reason.
    Statements(String),
    /// By the direct path, which looks first for rows that have the key of another one or break a constraint.
    LookingAhead,
    /// Through statements that can be undone one by one, so that the rows which break a constraint are known. The reason is
    /// that of the failure.
    UndoableStatements(String),
    /// With types that are inferred from all records.
    ScanAll,
    /// With these columns of numeric affinity taking only numbers that can be given back one by one: the number of the
    /// table, and the indexes of the columns.
    ExactNumbers(usize, BTreeSet<usize>),
    /// The same again, because another program has changed the database.
    ChangedDatabase,
}

impl Attempt {
    /// How to attempt the load again after this failure; nothing if no attempt can do better.
    pub(super) fn retry(&self, failure: &FillFailure, plan: &Plan) -> Option<Retry> {
        match &failure.failure {
            PipelineFailure::Unsupported { reason } if plan.tuning.writer == WriterChoice::Auto => {
                Some(match self.looks_ahead {
                    true => Retry::UndoableStatements(reason.clone()),
                    false => Retry::Statements(reason.clone()),
                })
            }
            PipelineFailure::Constraint { cause, .. }
                if !self.looks_ahead && self.statements_reason.is_none() && goes_on_after(*cause, plan) =>
            {
                Some(Retry::LookingAhead)
            }
            PipelineFailure::Constraint { message, is_row_known, .. }
                if !self.keeps_journal
                    && plan.tuning.writer != WriterChoice::Direct
                    && (!is_row_known || skips_bad_rows(plan)) =>
            {
                Some(Retry::UndoableStatements(format!("rows break a constraint: {message}")))
            }
            PipelineFailure::TypeMismatch if !self.scan_all => Some(Retry::ScanAll),
            PipelineFailure::MixedSpellings { columns } => {
                Some(Retry::ExactNumbers(failure.table, columns.clone()))
            }
            PipelineFailure::Error(error) if matches!(error.kind(), Kind::DatabaseChanged { .. }) => {
                (self.changes < MAX_CHANGES).then_some(Retry::ChangedDatabase)
            }
            _ => None,
        }
    }

    /// The writer of a table.
    fn choose_writer(&self, choice: WriterChoice, target: &Target, table: &Table) -> Result<ChosenWriter> {
        let check = || Schema::check(table, target.connection()?, target.fills(table), target.path());
        let chosen = choose(choice, target.statements_reason(), check)?;
        Ok(match (&self.statements_reason, chosen) {
            (Some(reason), ChosenWriter::Direct) => ChosenWriter::Statements(Some(reason.clone())),
            (_, chosen) => chosen,
        })
    }

    /// Changes the next attempt.
    pub(super) fn apply(&mut self, retry: Retry) {
        match retry {
            Retry::LookingAhead => self.looks_ahead = true,
            Retry::Statements(reason) => self.statements_reason = Some(reason),
            Retry::UndoableStatements(reason) => {
                self.statements_reason.get_or_insert(reason);
                self.keeps_journal = true;
            }
            Retry::ScanAll => self.scan_all = true,
            Retry::ExactNumbers(table, mut columns) => {
                self.exact_columns.entry(table).or_default().append(&mut columns);
            }
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
        PipelineFailure::Unsupported { reason } => Kind::DirectUnsupported { reason }.into(),
        PipelineFailure::TypeMismatch | PipelineFailure::MixedSpellings { .. } => {
            Kind::Internal("a value is not of the type that all values of its column have".to_owned()).into()
        }
    }
}

/// Whether a load goes on without rows that the table does not take.
pub(super) fn skips_bad_rows(plan: &Plan) -> bool {
    plan.policies.on_error == OnError::Skip || plan.table.on_conflict != OnConflict::Reject
}

/// Whether a load goes on after the direct path has found that rows break a constraint, for this cause.
fn goes_on_after(cause: Cause, plan: &Plan) -> bool {
    match cause {
        Cause::SameKey => skips_bad_rows(plan),
        Cause::Row => plan.policies.on_error == OnError::Skip,
        Cause::Other => false,
    }
}

impl Conductor<'_> {
    /// Attempts the load once.
    pub(super) fn attempt(
        self,
        inputs: &LoadInputs,
        attempt: &Attempt,
        rejects: &mut Rejects<'_>,
        started: Instant,
    ) -> Result<Report, FillFailure> {
        self.progress.set_total_bytes(total_bytes(&inputs.list).unwrap_or(0));
        let tuning = &self.plan.tuning;
        let jobs = self.jobs();
        // Before the plan is resolved against it.
        let schema = self
            .depends_on_schema()
            .then(|| SchemaSnapshot::read(self.database, tuning.busy_timeout))
            .transpose()?;
        let resolved = self.resolve_exact(inputs, attempt.scan_all, &attempt.exact_columns)?;
        resolved.iter().try_for_each(|resolved| self.check_shard_columns(&resolved.plan.table))?;
        let seed = tuning.seed.map_or_else(Seed::random, Seed::fixed);
        let (mut programs, mut tables) = (Vec::new(), Vec::new());
        for (table, ResolvedPlan { plan, .. }) in inputs.tables.iter().zip(&resolved) {
            programs.push(Inputs::new(inputs.of_table(table), plan, &plan.table, seed)?);
            tables.push(&plan.table);
        }
        let (journal, stop) = (attempt.keeps_journal, self.stop.clone());
        let takes_pages = |table: &Table, connection: &_, is_filled| {
            let takes = attempt.statements_reason.is_none()
                && !attempt.keeps_journal
                && tuning.writer != WriterChoice::Statements;
            Ok(takes && Schema::check(table, connection, is_filled, self.database)?.is_ok())
        };
        let mut target =
            Target::open(self.database, &tables, tuning, journal, schema.as_ref(), takes_pages, stop)?;
        rejects.start()?;
        tracing::debug!(jobs, chunk_bytes = tuning.chunk_bytes, database = %target.path().display(), "loading");

        let timers = StageTimers::default();
        let pipeline = PipelineRunner { jobs, progress: self.progress, stop: self.stop, timers: &timers };
        let are_many = programs.len() > MAX_DIRECT_TABLES && tuning.writer == WriterChoice::Auto;
        let choose =
            |target: &Target, table: &Table| match attempt.choose_writer(tuning.writer, target, table)? {
                ChosenWriter::Direct if are_many => {
                    let reason = format!("the load has more than {MAX_DIRECT_TABLES} tables");
                    ChosenWriter::instead_of_direct(reason, tuning.writer)
                }
                writer => Ok(writer),
            };
        let looks_ahead = attempt.looks_ahead;
        let filled = match fill(&mut target, pipeline, &programs, rejects, choose, looks_ahead) {
            Ok(filled) => filled,
            Err(failure) => {
                target.roll_back();
                return Err(failure);
            }
        };
        let committed = timers.finish.time(|| self.commit(target, rejects))?;
        let seconds = started.elapsed().as_secs_f64();
        let mut warnings = header_warnings(&inputs.list);
        for (table, filled) in inputs.tables.iter().zip(&filled) {
            warnings.extend(record_warnings(inputs.of_table(table), &filled.counts.oddities));
        }
        warnings.extend(committed.warnings.iter().cloned().map(Warning::AfterCommit));
        warnings.extend(rejects.old_file().map(|file| Warning::OldRejects { file: file.to_owned() }));
        let name = |table| inputs.of_table(table).first().map_or("", |input| &**input.name());
        let inputs_and_notes = inputs.tables.iter().map(name).zip(&resolved);
        let tables = filled.into_iter().zip(inputs_and_notes);
        let tables = tables.map(|(filled, (input, resolved))| table_report(filled, &resolved.notes, input));
        let report = self.report(tables.collect(), committed, &timers, seconds);
        Ok(Report { rejects: rejects.files(), warnings, ..report })
    }

    /// Resolves the plans of all tables. These columns take only numbers that can be given back one by one.
    pub(super) fn resolve_exact(
        &self,
        inputs: &LoadInputs,
        scan_all: bool,
        exact_columns: &ExactColumns,
    ) -> Result<Vec<ResolvedPlan>> {
        let mut resolved = self.resolve_all(inputs, self.jobs(), scan_all)?;
        for (table, columns) in exact_columns {
            make_exact(&mut resolved[*table].plan, columns);
        }
        Ok(resolved)
    }

    /// Checks that `table` has the columns to build shards by.
    fn check_shard_columns(self, table: &Table) -> Result<()> {
        let has = |name: &&String| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let Some(missing) = self.shard_columns.iter().find(|name| !has(name)) else { return Ok(()) };
        let found = table.columns.iter().map(|column| column.name.clone()).collect();
        Err(Kind::NoSuchColumn { column_use: ColumnUse::Shards, column: missing.clone(), found }.into())
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
        tables: Vec<TableReport>,
        committed: Committed,
        timers: &StageTimers,
        seconds: f64,
    ) -> Report {
        let mut report = Report {
            inputs: self.inputs.to_vec(),
            database: self.database.to_owned(),
            table: String::new(),
            columns: Vec::new(),
            replaced: None,
            tables: Vec::new(),
            notes: Vec::new(),
            writer: ChosenWriter::Direct.name(),
            writer_reason: None,
            jobs: self.jobs(),
            bytes: 0,
            records: 0,
            loaded: 0,
            inserted: 0,
            updated: 0,
            rejected: 0,
            filtered: 0,
            skipped: 0,
            ignored: 0,
            repairs: Repairs::default(),
            rejects: Vec::new(),
            is_verified: self.plan.tuning.verify,
            is_upsert: self.plan.table.on_conflict == OnConflict::Update,
            is_durable: committed.is_durable,
            warnings: Vec::new(),
            seconds,
            rows_per_second: 0.0,
            megabytes_per_second: 0.0,
            stages: timers.read(),
        };
        for table in &tables {
            report.add(table);
        }
        report.rows_per_second = report.loaded as f64 / seconds;
        report.megabytes_per_second = report.bytes as f64 / 1e6 / seconds;
        if self.has_table_per_input() {
            report.tables = tables;
        } else if let Some(TableReport { table, columns, notes, replaced, .. }) = tables.into_iter().next() {
            (report.table, report.columns, report.notes) = (table, columns, notes);
            report.replaced = replaced;
        }
        report
    }
}

/// Lets these values of numeric affinity take only numbers that can be given back one by one. The columns of the table come
/// first, then the checks.
fn make_exact(plan: &mut Plan, columns: &BTreeSet<usize>) {
    let values = plan.table.columns.iter().map(|column| &column.value).chain(&plan.checks);
    let mixed = values.enumerate().filter(|(at, _)| columns.contains(at)).map(|(_, value)| value.clone());
    let mixed: Vec<_> = mixed.collect();
    let exact = |value: Expr| match value {
        Expr::Typed { expr, on_mismatch, .. } if mixed.contains(&value) => {
            Expr::Typed { expr, to: Type::ExactNumeric, on_mismatch }
        }
        other => other,
    };
    let values = plan.table.columns.iter_mut().map(|column| &mut column.value);
    for value in values.chain(&mut plan.conditions).chain(&mut plan.checks) {
        *value = std::mem::replace(value, Expr::Null).map_all(&exact);
    }
}

/// The report on a table.
fn table_report(filled: FilledTable, notes: &[Note], input: &str) -> TableReport {
    let FilledTable { table, counts, writer, log_use, replaced, notes: of_table } = filled;
    let columns = ReportColumn::list(&table.columns, &counts.type_feedback);
    let rounded = counts.type_feedback.rounded.iter().map(|(column, count)| Note::RoundedReals {
        column: table.columns[*column].name.clone(),
        count: *count,
    });
    let notes = notes.iter().cloned().chain(Note::number_formats(&columns)).chain(rounded).chain(of_table);
    TableReport {
        input: input.to_owned(),
        notes: notes.collect(),
        columns,
        table: table.name,
        replaced,
        writer: writer.name(),
        writer_reason: writer.reason().or(log_use.map(str::to_owned)),
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
    }
}
