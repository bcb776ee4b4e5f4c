//! The one file that knows every room: opens what is to be read and written, runs the threads, and makes the
//! result the database, or leaves it as it was.

use crate::batch::{Arena, Span};
use crate::columns::{self, Looker, Seen};
use crate::error::{Error, Kind, Result};
use crate::input::Input;
use crate::locate::positions;
use crate::output::Output;
use crate::parse::{Records, unquote};
use crate::pipeline::{Clocks, Counts, Pipeline};
use crate::plan::{Column, Expr, HeaderColumns, Plan, Table, WriterChoice};
use crate::rejects::Rejects;
use crate::report::{Progress, Report, ReportColumn};
use crate::split::Split;
use crate::target::Target;
use crate::transform::{Program, Seed};
use crate::work::Worker;
use crate::write::direct::{Direct, Sorting};
use crate::write::statements::Statements;
use crate::write::{Choice, choose};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// The UTF-8 byte order mark, which some programs put before the header.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Chunks that are looked at for the types of columns before a load, since what they show nearly always holds.
const SAMPLE_CHUNKS: usize = 16;

/// Loads the file `input` into the database `database`, all or nothing, as `plan` says.
pub(crate) fn load(
    plan: &Plan,
    input: &Path,
    database: &Path,
    progress: &Progress,
    stop: &Arc<AtomicBool>,
) -> Result<Report> {
    run(plan, input, database, progress, stop, Attempt::default())
}

/// What earlier attempts at a load have taught.
#[derive(Default)]
struct Attempt {
    /// Why the direct path is not to be taken.
    refused: Option<String>,
    /// Whether the types of columns are to be found in the whole input, not in the first chunks.
    looks_at_all: bool,
}

impl Attempt {
    /// The next attempt after this error; nothing if there is none that could do better.
    fn after(&self, error: &Error, plan: &Plan) -> Option<Self> {
        match error.kind() {
            Kind::TooManyToSort { .. } if plan.tuning.writer == WriterChoice::Auto => {
                let reason = "the rows come in no order and are too many to be sorted".to_owned();
                Some(Self { refused: Some(reason), ..*self })
            }
            Kind::Misfit { .. } if plan.columns.is_some() && !self.looks_at_all => {
                Some(Self { refused: self.refused.clone(), looks_at_all: true })
            }
            _ => None,
        }
    }
}

fn run(
    plan_as_given: &Plan,
    input: &Path,
    database: &Path,
    progress: &Progress,
    stop: &Arc<AtomicBool>,
    attempt: Attempt,
) -> Result<Report> {
    let plan = plan_as_given;
    let started = Instant::now();
    let file = Input::open(input)?;
    let bytes = file.bytes();
    progress.set_total_bytes(bytes.len() as u64);
    let mut split = split_of(&file, plan);
    let header = read_header(&mut split, plan, file.name())?;
    let jobs = plan.tuning.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, usize::from);
    let (plan, notes) = &with_columns(plan, &header, &file, jobs, stop, attempt.looks_at_all)?;
    let policies = &plan.policies;
    let (rejects_output, report_output) = open_outputs(plan, input, database)?;
    let seed = plan.tuning.seed.map_or_else(Seed::random, Seed::fixed);
    let program = Program::compile(&plan.table, &header.names, file.name(), seed)?;
    let mut target = Target::open(database, &plan.table, &plan.tuning, stop.clone())?;
    let mut rejects = Rejects::new(file.name().clone(), policies, rejects_output, header.bytes)?;
    tracing::debug!(jobs, chunk_bytes = plan.tuning.chunk_bytes, database = %target.path().display(), "loading");

    let worker = || Worker::new(&program, plan.dialect, header.names.len());
    let clocks = Clocks::default();
    let pipeline = Pipeline { jobs, progress, stop, clocks: &clocks };
    let choice = match &attempt.refused {
        Some(_) => Ok(Choice::Statements(attempt.refused.clone())),
        None => choose(plan.tuning.writer, &plan.table, target.path(), target.is_new()),
    };
    let filled = choice.and_then(|choice| {
        let written = write(&mut target, plan, &choice, pipeline, split, worker, &mut rejects);
        let counts = finish(&mut target, plan, pipeline, written, rejects, &file)?;
        Ok((counts, choice))
    });
    let (counts, choice) = match filled {
        Ok(filled) => filled,
        Err(error) => {
            target.roll_back();
            if let Some(next) = attempt.after(&error, plan) {
                tracing::debug!("{error}: once more");
                progress.restart();
                return run(plan_as_given, input, database, progress, stop, next);
            }
            return Err(error.with_positions(|rows| {
                let mut split = split_of(&file, plan);
                split.take_header().and_then(|_| positions(rows, file.name(), split, worker()))
            }));
        }
    };
    clocks.finish.time(|| target.commit())?;
    let seconds = started.elapsed().as_secs_f64();
    let report = Report {
        input: input.to_owned(),
        database: database.to_owned(),
        table: plan.table.name.clone(),
        columns: plan.table.columns.iter().map(ReportColumn::from).collect(),
        notes: notes.clone(),
        writer: choice.name(),
        writer_reason: choice.reason(),
        jobs,
        bytes: bytes.len() as u64,
        records: counts.records,
        loaded: counts.loaded,
        rejected: counts.rejected,
        filtered: 0,
        ignored: 0,
        seconds,
        rows_per_second: counts.loaded as f64 / seconds,
        megabytes_per_second: bytes.len() as f64 / 1e6 / seconds,
        stages: clocks.read(),
    };
    // The load has happened, and an error would say that it had not.
    if let Err(error) = write_report(&report, plan, report_output) {
        tracing::warn!("loaded, but the report could not be written: {error}");
    }
    Ok(report)
}

/// The plan with the columns of the input, if it is to have those, and what there is to say of them.
fn with_columns(
    plan: &Plan,
    header: &Header<'_>,
    file: &Input,
    jobs: usize,
    stop: &AtomicBool,
    looks_at_all: bool,
) -> Result<(Plan, Vec<String>)> {
    let Some(options) = &plan.columns else { return Ok((plan.clone(), Vec::new())) };
    let width = header.names.len();
    let (names, mut notes) = columns::names(&header.names);
    let fields = (0..width).map(|at| Column::new(&names[at], "TEXT", Expr::FieldAt(at))).collect();
    let program = Program::compile(&Table::new("", fields), &header.names, file.name(), Seed::fixed(0))?;
    let worker = || Worker::new(&program, plan.dialect, width);
    let (progress, clocks) = (Progress::default(), Clocks::default());
    let pipeline = Pipeline { jobs, progress: &progress, stop, clocks: &clocks };
    let look = |chunks: usize| -> Result<Vec<Seen>> {
        let mut seen = vec![Seen::default(); width];
        let mut split = split_of(file, plan);
        split.take_header()?;
        pipeline.run(split.take(chunks), worker, Looker::new(&mut seen), |_| Ok(()))?;
        Ok(seen)
    };
    let seen = match options {
        HeaderColumns { all_text: true } => vec![Seen::default(); width],
        _ if looks_at_all => look(usize::MAX)?,
        _ => match look(SAMPLE_CHUNKS)? {
            sample if sample.iter().any(Seen::is_empty) => look(usize::MAX)?,
            sample => sample,
        },
    };
    for (name, seen) in names.iter().zip(&seen) {
        let Some((reason, row)) = seen.reason() else { continue };
        let mut split = split_of(file, plan);
        split.take_header()?;
        let place = positions(row.as_slice(), file.name(), split, worker())?;
        let place = place.first().map_or(String::new(), |position| format!(" at line {}", position.line));
        notes.push(format!("{name}: TEXT, {reason}{place}"));
    }
    let types: Vec<_> = seen.iter().map(Seen::column_type).collect();
    let table = Table { columns: columns::columns(names, &types), ..plan.table.clone() };
    Ok((Plan { table, ..plan.clone() }, notes))
}

/// The chunks of an input, the header in the first.
fn split_of<'f>(file: &'f Input, plan: &Plan) -> Split<'f> {
    let bytes = file.bytes();
    let mark_bytes = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    Split::new(
        file.name().clone(),
        &bytes[mark_bytes..],
        mark_bytes as u64,
        plan.dialect,
        plan.tuning.chunk_bytes,
        plan.policies.max_record_bytes,
    )
}

fn write_report(report: &Report, plan: &Plan, output: Option<Output>) -> Result<()> {
    let written = match (&plan.report, output) {
        (_, Some(mut output)) => report.write_json(output.start()?),
        (Some(_), None) => report.write_json(std::io::stdout()),
        (None, None) => Ok(()),
    };
    written.map_err(|error| Error::io("write", plan.report.as_deref().unwrap_or(Path::new("-")), error))
}

/// The files that a load writes beside the database: rejects, report. Neither may be the other, nor the input,
/// nor the database.
fn open_outputs(plan: &Plan, input: &Path, database: &Path) -> Result<(Option<Output>, Option<Output>)> {
    let rejects = plan.policies.rejects.as_deref();
    let report = plan.report.as_deref().filter(|path| *path != Path::new("-"));
    let open =
        |path: Option<&Path>, others: &[&Path]| path.map(|path| Output::open(path, others)).transpose();
    let rejects_output = open(rejects, &[input, database])?;
    let report_output = open(report, &[input, database, rejects.unwrap_or(input)])?;
    Ok((rejects_output, report_output))
}

/// Puts every row into `target`. Returns what went through, and what is left to SQLite.
fn write<'p>(
    target: &mut Target,
    plan: &Plan,
    choice: &Choice,
    pipeline: Pipeline<'_>,
    split: Split<'_>,
    worker: impl Fn() -> Worker<'p>,
    rejects: &mut Rejects<'_>,
) -> Result<(Counts, Vec<String>)> {
    let Plan { table, tuning, .. } = plan;
    match choice {
        Choice::Direct => {
            let (schema, database) = target.release(table)?;
            let sorting = Sorting { max_bytes: tuning.memory_bytes, jobs: pipeline.jobs };
            let writer = Direct::new(schema, database, target.path(), sorting)?;
            pipeline.run(split, worker, writer, |reject| rejects.take(reject))
        }
        Choice::Statements(_) => {
            let writer = Statements::new(target.connection()?, target.path(), table, tuning.batch_rows)?;
            pipeline.run(split, worker, writer, |reject| rejects.take(reject))
        }
    }
}

/// Completes what was `written`, and checks it as far as the plan wants.
fn finish(
    target: &mut Target,
    plan: &Plan,
    pipeline: Pipeline<'_>,
    written: Result<(Counts, Vec<String>)>,
    rejects: Rejects<'_>,
    file: &Input,
) -> Result<Counts> {
    let Plan { table, tuning, .. } = plan;
    // Rejects are kept even if the load fails because of them, and a file that was cut short says so before
    // anything that was made of what was not there.
    file.check()?;
    let rejected = rejects.finish()?;
    let (counts, unfinished) = written?;
    let counts = Counts { rejected, ..counts };
    if counts.records != counts.loaded + counts.rejected {
        return Err(Kind::Internal(format!("records were lost: {counts:?}")).into());
    }
    if !unfinished.is_empty() || tuning.verify || tuning.vacuum {
        pipeline.clocks.finish.time(|| target.complete(&unfinished))?;
    }
    if tuning.verify {
        pipeline.clocks.finish.time(|| target.verify(table, counts.loaded))?;
    }
    if pipeline.stop.load(Ordering::Relaxed) {
        return Err(Kind::Interrupted.into());
    }
    Ok(counts)
}

/// The first record of an input.
struct Header<'a> {
    bytes: &'a [u8],
    names: Vec<String>,
}

fn read_header<'a>(split: &mut Split<'a>, plan: &Plan, input: &Arc<str>) -> Result<Header<'a>> {
    let chunk = split.take_header()?.ok_or_else(|| Kind::NoHeader { input: input.clone() })?;
    let mut fields = Vec::new();
    let range = Records::new(chunk.bytes, plan.dialect).next_into(&mut fields);
    let range = range.ok_or_else(|| Kind::Internal("a header without a record".to_owned()))?;
    let arena = Arena::default();
    let name = |field: Span| unquote(field.of(chunk.bytes), plan.dialect, &arena);
    let names = fields.iter().map(|field| String::from_utf8_lossy(name(*field)).into_owned()).collect();
    Ok(Header { bytes: &chunk.bytes[range], names })
}
