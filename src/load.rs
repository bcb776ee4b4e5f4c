//! The one file that knows every room: opens what is to be read and written, runs the threads, and makes the
//! result the database, or leaves it as it was.

mod choice;
mod explain;
mod infer;
mod preview;

use crate::database::{Target, existing_columns, existing_names};
use crate::engine::pipeline::{Counts, Pipeline};
use crate::engine::rejects::Rejects;
use crate::engine::sources::{Sources, unify_columns};
use crate::engine::timers::StageTimers;
use crate::error::{Error, Kind, Result};
use crate::eval::Seed;
use crate::files::output::Output;
use crate::format::csv::source::Source;
use crate::plan::{Column, Expr, HeaderColumns, OnConflict, OnError, Plan, Table, WriterChoice};
use crate::report::{Progress, Report, ReportColumn};
use crate::schema::column_stats::ColumnStats;
use crate::schema::ddl::{quote_name, update_declaration_sql};
use crate::schema::select::fill_columns;
use crate::schema::table::{self, with_nulls};
use crate::write::direct::{Direct, Sorting};
use crate::write::statements::Statements;
use choice::{Choice, choose};
use infer::InferTypes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// Chunks that are looked at for the types of columns before a load, since what they show nearly always holds.
pub(crate) const SAMPLE_CHUNKS: usize = 16;

/// A load that is to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'l> {
    pub(crate) plan: &'l Plan,
    pub(crate) inputs: &'l [PathBuf],
    pub(crate) database: &'l Path,
    pub(crate) progress: &'l Progress,
    pub(crate) stop: &'l Arc<AtomicBool>,
}

/// A plan with columns.
#[derive(Debug)]
pub(crate) struct ResolvedPlan {
    pub(crate) plan: Plan,
    /// What there is to say of the columns.
    pub(crate) notes: Vec<String>,
    /// Whether types are those of the first chunks only.
    pub(crate) is_guess: bool,
}

/// What earlier attempts at a load have taught.
#[derive(Debug, Default)]
struct Attempt {
    /// Why the direct path is not to be taken.
    refused: Option<String>,
    /// Whether rows break constraints, so that statements have to be taken back.
    keeps_journal: bool,
    /// Whether the types of columns are to be found in all records, not in the first chunks.
    scan_all: bool,
}

impl Attempt {
    /// The next attempt after this error; nothing if there is none that could do better.
    fn after(&self, error: &Error, plan: &Plan) -> Option<Self> {
        match error.kind() {
            Kind::TooManyToSort { .. } if plan.tuning.writer == WriterChoice::Auto => {
                let reason = "the rows come in no order and are too many to be sorted".to_owned();
                Some(Self { refused: Some(reason), ..*self })
            }
            // Whose rows are not known could not be taken back. That of the direct path is an error if it is to be one.
            Kind::Constraint { message, rows, .. }
                if !self.keeps_journal
                    && plan.tuning.writer != WriterChoice::Direct
                    && (error.is_of_unknown_row() || skips_bad_rows(plan)) =>
            {
                let reason = (!rows.is_empty()).then(|| format!("rows break a constraint: {message}"));
                Some(Self { refused: reason.or(self.refused.clone()), keeps_journal: true, ..*self })
            }
            Kind::TypeMismatch { .. } if plan.columns.is_some() && !self.scan_all => {
                Some(Self { refused: self.refused.clone(), scan_all: true, ..*self })
            }
            _ => None,
        }
    }
}

/// Whether a load goes on without rows that the table does not take.
pub(crate) fn skips_bad_rows(plan: &Plan) -> bool {
    plan.policies.on_error == OnError::Skip || plan.table.on_conflict != OnConflict::Reject
}

impl Load<'_> {
    /// Loads the inputs into the database, all or nothing, as the plan says.
    pub(crate) fn run(self) -> Result<Report> {
        let started = Instant::now();
        // Once for all attempts: a pipe can not be read again.
        let list = self.open_inputs()?;
        let mut others: Vec<_> = self.inputs.iter().cloned().chain([self.database.to_owned()]).collect();
        let mut rejects = Rejects::open(&self.plan.policies, &list, &mut others)?;
        let report_output = self.open_report(&others)?;
        let mut attempt = Attempt::default();
        let report = loop {
            match self.attempt(&list, &attempt, &mut rejects, started) {
                Err(error) => match attempt.after(&error, self.plan) {
                    Some(next) => attempt = next,
                    None => break Err(error),
                },
                report => break report,
            }
            tracing::debug!(?attempt, "once more");
            self.progress.restart();
        };
        rejects.say();
        // The load has happened, and an error would say that it had not.
        if let Some(Err(error)) = report.as_ref().ok().map(|report| self.write_report(report, report_output))
        {
            tracing::error!("loaded, but the report could not be written: {error}");
        }
        report
    }

    /// Opens the inputs, and makes them agree on their columns.
    pub(crate) fn open_inputs(&self) -> Result<Vec<Source>> {
        let open = |path: &PathBuf| Source::open(path, self.plan, self.stop);
        let mut list: Vec<_> =
            self.inputs.iter().map(open).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        if let Some(first) = list.first().filter(|_| list.iter().all(|source| source.width == 0)) {
            return Err(Kind::NoHeader { input: first.name().clone(), rows: 0 }.into());
        }
        list.retain(|source| source.width > 0);
        if self.plan.depends_on_header() {
            unify_columns(
                &mut list,
                self.plan.columns.as_ref().is_some_and(|options| options.union_by_name),
            )?;
        }
        Ok(list)
    }

    /// How many workers there are.
    pub(crate) fn jobs(&self) -> usize {
        let jobs = self.plan.tuning.jobs.or_else(|| thread::available_parallelism().ok());
        jobs.map_or(1, usize::from)
    }

    fn attempt(
        self,
        list: &[Source],
        attempt: &Attempt,
        rejects: &mut Rejects<'_>,
        started: Instant,
    ) -> Result<Report> {
        self.progress.set_total_bytes(total_bytes(list).unwrap_or(0));
        let tuning = &self.plan.tuning;
        let jobs = self.jobs();
        let ResolvedPlan { plan, notes, .. } = &self.resolve(list, jobs, attempt.scan_all)?;
        let seed = tuning.seed.map_or_else(Seed::random, Seed::fixed);
        let sources = Sources::new(list, plan, &plan.table, seed)?;
        let mut target =
            Target::open(self.database, &plan.table, tuning, attempt.keeps_journal, self.stop.clone())?;
        rejects.start()?;
        tracing::debug!(jobs, chunk_bytes = tuning.chunk_bytes, database = %target.path().display(), "loading");

        let clocks = StageTimers::default();
        let pipeline = Pipeline { jobs, progress: self.progress, stop: self.stop, clocks: &clocks };
        let choice = match &attempt.refused {
            reason if attempt.keeps_journal || reason.is_some() => Ok(Choice::Statements(reason.clone())),
            _ => choose(tuning.writer, &plan.table, target.path(), target.is_new()),
        };
        let filled = choice.and_then(|choice| {
            let written = write(&mut target, &choice, pipeline, &sources, rejects);
            let (counts, table) = finish(&mut target, pipeline, written, rejects, &sources)?;
            Ok((counts, table, choice))
        });
        let (counts, table, choice) = match filled {
            Ok(filled) => filled,
            Err(error) => {
                target.roll_back();
                return Err(error.with_positions(|rows| sources.positions(rows, usize::MAX)));
            }
        };
        clocks.finish.time(|| target.commit())?;
        let seconds = started.elapsed().as_secs_f64();
        let bytes = list.iter().map(|source| source.bytes().0).sum();
        Ok(Report {
            inputs: self.inputs.to_vec(),
            database: self.database.to_owned(),
            columns: table.columns.iter().map(ReportColumn::from).collect(),
            table: table.name,
            notes: notes.clone(),
            writer: choice.name(),
            writer_reason: choice.reason(),
            jobs,
            bytes,
            records: counts.records,
            loaded: counts.loaded,
            rejected: counts.rejected,
            filtered: counts.filtered,
            ignored: counts.ignored,
            repairs: counts.repairs,
            seconds,
            rows_per_second: counts.loaded as f64 / seconds,
            megabytes_per_second: bytes as f64 / 1e6 / seconds,
            stages: clocks.read(),
        })
    }

    /// The plan with the columns of the inputs, if it is to have those, and with NULLs where it is to have them.
    pub(crate) fn resolve(&self, list: &[Source], jobs: usize, scan_all: bool) -> Result<ResolvedPlan> {
        let (nulls, mut plan) = (&self.plan.nulls, self.plan.clone());
        plan.conditions = plan.conditions.into_iter().map(|condition| with_nulls(condition, nulls)).collect();
        let mut resolved = self.with_columns(plan, list, jobs, scan_all)?;
        for column in &mut resolved.plan.table.columns {
            column.value = with_nulls(column.value.clone(), nulls);
        }
        Ok(resolved)
    }

    fn with_columns(
        &self,
        mut plan: Plan,
        list: &[Source],
        jobs: usize,
        scan_all: bool,
    ) -> Result<ResolvedPlan> {
        if let (Some(select), Some(first)) = (plan.select.take(), list.first()) {
            plan.table.columns = fill_columns(&select, &plan.table, &first.names)?;
        }
        let (Some(options), Some(first)) = (&plan.columns, list.first()) else {
            return Ok(ResolvedPlan { plan, notes: Vec::new(), is_guess: false });
        };
        let existing = match plan.table.if_exists.fills_existing() {
            true => existing_columns(self.database, &plan.table)?,
            false => None,
        };
        let field = |name: &String| with_nulls(Expr::Field(name.clone()), &plan.nulls);
        let fields = first.names.iter().map(|name| Column::new(name, "TEXT", field(name)));
        let text_table = Table::new("", fields.collect());
        let sources = Sources::new(list, &plan, &text_table, Seed::fixed(0))?;
        let (progress, clocks) = (Progress::default(), StageTimers::default());
        let pipeline = Pipeline { jobs, progress: &progress, stop: self.stop, clocks: &clocks };
        let look = |max_chunks: usize| -> Result<Vec<ColumnStats>> {
            let mut seen = vec![ColumnStats::default(); first.names.len()];
            sources.run(pipeline, &mut InferTypes::new(&mut seen), max_chunks, None)?;
            Ok(seen)
        };
        let nothing = || vec![ColumnStats::default(); first.names.len()];
        let has_types = match &existing {
            None => false,
            Some(known) => {
                let columns = table::columns(&first.names, &nothing(), options)?;
                columns.iter().all(|column| known.iter().any(|known| known.has_name(&column.name)))
            }
        };
        let (seen, max_chunks) = match options {
            // A table that is there has its types.
            _ if has_types || (existing.is_some() && !options.add_columns) => (nothing(), 0),
            HeaderColumns { all_text: true, .. } => (nothing(), 0),
            _ if scan_all => (look(usize::MAX)?, usize::MAX),
            _ => (look(SAMPLE_CHUNKS)?, SAMPLE_CHUNKS),
        };
        let mut notes: Vec<_> = list.iter().flat_map(|source| source.notes.clone()).collect();
        notes.dedup();
        for (name, seen) in first.names.iter().zip(&seen) {
            let is_given = options.types.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
            let Some((reason, row)) = seen.text_reason().filter(|_| !is_given) else { continue };
            let place = sources.positions(&[row], max_chunks)?;
            let of = |input: &str| if list.len() > 1 { format!(" of {input}") } else { String::new() };
            let place = place.first().map_or(String::new(), |position| {
                format!(" at line {}{}", position.line, of(&position.input))
            });
            notes.push(format!("{name}: TEXT, {reason}{place}"));
        }
        let columns = table::columns(&first.names, &seen, options)?;
        let table = match &existing {
            Some(known) => table::match_existing(columns, options, &plan.table, known)?,
            None => {
                let names = match options.indexes.is_empty() {
                    true => Vec::new(),
                    false => existing_names(self.database, &plan.table)?,
                };
                table::new_table(columns, options, &plan.table, names)?
            }
        };
        Ok(ResolvedPlan { plan: Plan { table, ..plan }, notes, is_guess: max_chunks == SAMPLE_CHUNKS })
    }

    /// The file that the report is written to, which may be none of `others`, if it is to be written to a file.
    fn open_report(&self, others: &[PathBuf]) -> Result<Option<Output>> {
        let path = self.plan.report.as_deref().filter(|path| *path != Path::new("-"));
        let others: Vec<_> = others.iter().map(PathBuf::as_path).collect();
        path.map(|path| Output::open(path, &others)).transpose()
    }

    fn write_report(&self, report: &Report, output: Option<Output>) -> Result<()> {
        let written = match (&self.plan.report, output) {
            (_, Some(mut output)) => report.write_json(output.start()?),
            (Some(_), None) => report.write_json(std::io::stdout()),
            (None, None) => Ok(()),
        };
        written
            .map_err(|error| Error::io("write", self.plan.report.as_deref().unwrap_or(Path::new("-")), error))
    }
}

/// Bytes of all inputs; nothing if one is still coming in, which has no size.
pub(crate) fn total_bytes(list: &[Source]) -> Option<u64> {
    list.iter().map(|source| Some(source.bytes()).filter(|(_, is_all)| *is_all).map(|(bytes, _)| bytes)).sum()
}

/// Puts every row into `target`. Returns what went through, and what is left to SQLite.
fn write(
    target: &mut Target,
    choice: &Choice,
    pipeline: Pipeline<'_>,
    sources: &Sources<'_>,
    rejects: &mut Rejects<'_>,
) -> Result<(Counts, Vec<String>)> {
    let Plan { table, tuning, .. } = sources.plan;
    match choice {
        Choice::Direct => {
            let (schema, database) = target.release(table)?;
            let sorting = Sorting { max_bytes: tuning.memory_bytes, jobs: pipeline.jobs };
            let mut writer = Direct::new(schema, database, target.path(), sorting)?;
            let counts = sources.run(pipeline, &mut writer, usize::MAX, Some(rejects))?;
            Ok((counts, pipeline.finish(writer)?))
        }
        Choice::Statements(_) => {
            let (connection, path) = (target.connection()?, target.path());
            let mut writer = Statements::new(connection, path, table, tuning.batch_rows)?;
            let counts = sources.run(pipeline, &mut writer, usize::MAX, Some(rejects))?;
            Ok((counts, pipeline.finish(writer)?))
        }
    }
}

/// Completes what was `written`, and checks it as far as the plan wants. Returns what went through, and the table as it is.
fn finish(
    target: &mut Target,
    pipeline: Pipeline<'_>,
    written: Result<(Counts, Vec<String>)>,
    rejects: &mut Rejects<'_>,
    sources: &Sources<'_>,
) -> Result<(Counts, Table)> {
    let Plan { table, tuning, .. } = sources.plan;
    // Rejects are kept even if the load fails because of them, and a file that was cut short says so before
    // anything that was made of what was not there.
    sources.list.iter().try_for_each(Source::check)?;
    let rejected = rejects.finish()?;
    let (counts, mut unfinished) = written?;
    let table = table::widen_to_real(table, &counts.type_feedback.reals);
    if !counts.type_feedback.reals.is_empty() {
        unfinished.insert(0, update_declaration_sql(&table));
    }
    unfinished.extend_from_slice(&table.final_statements);
    if tuning.analyze {
        unfinished.push(format!("ANALYZE main.{}", quote_name(&table.name)));
    }
    let Counts { records, loaded, filtered, ignored, .. } = counts;
    if records != loaded + rejected + filtered + ignored || rejected != counts.rejected {
        return Err(Kind::Internal(format!("records were lost: {counts:?}")).into());
    }
    if !unfinished.is_empty() || tuning.verify || tuning.vacuum {
        pipeline.clocks.finish.time(|| target.complete(&unfinished))?;
    }
    if tuning.verify {
        pipeline.clocks.finish.time(|| target.verify(&table, counts.loaded))?;
    }
    if pipeline.stop.load(Ordering::Relaxed) {
        return Err(Kind::Interrupted.into());
    }
    Ok((counts, table))
}
