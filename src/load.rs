//! The one file that knows every room: opens what is to be read and written, runs the threads, and makes the
//! result the database, or leaves it as it was.

use crate::batch::{Arena, Span};
use crate::error::{Error, Kind, Result};
use crate::input::Input;
use crate::locate::positions;
use crate::output::Output;
use crate::parse::{Records, unquote};
use crate::pipeline::{Clocks, Counts, Pipeline};
use crate::plan::{Plan, WriterChoice};
use crate::rejects::Rejects;
use crate::report::{Progress, Report};
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

/// Loads the file `input` into the database `database`, all or nothing, as `plan` says.
pub(crate) fn load(
    plan: &Plan,
    input: &Path,
    database: &Path,
    progress: &Progress,
    stop: &Arc<AtomicBool>,
) -> Result<Report> {
    run(plan, input, database, progress, stop, None)
}

/// Loads; through statements if the direct path is `refused`.
fn run(
    plan: &Plan,
    input: &Path,
    database: &Path,
    progress: &Progress,
    stop: &Arc<AtomicBool>,
    refused: Option<String>,
) -> Result<Report> {
    let started = Instant::now();
    let file = Input::open(input)?;
    let bytes = file.bytes();
    progress.set_total_bytes(bytes.len() as u64);
    let policies = &plan.policies;
    let mut split = split_of(&file, plan);
    let header = read_header(&mut split, plan, file.name())?;
    let (rejects_output, report_output) = open_outputs(plan, input, database)?;
    let seed = plan.tuning.seed.map_or_else(Seed::random, Seed::fixed);
    let program = Program::compile(&plan.table, &header.names, file.name(), seed)?;
    let mut target = Target::open(database, &plan.table, &plan.tuning, stop.clone())?;
    let mut rejects = Rejects::new(file.name().clone(), policies, rejects_output, header.bytes)?;
    let jobs = plan.tuning.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, usize::from);
    tracing::debug!(jobs, chunk_bytes = plan.tuning.chunk_bytes, database = %target.path().display(), "loading");

    let worker = || Worker::new(&program, plan.dialect, header.names.len());
    let clocks = Clocks::default();
    let pipeline = Pipeline { jobs, progress, stop, clocks: &clocks };
    let choice = match refused {
        Some(_) => Ok(Choice::Statements(refused)),
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
            if plan.tuning.writer == WriterChoice::Auto && matches!(error.kind(), Kind::TooManyToSort { .. })
            {
                progress.restart();
                let reason = "the rows come in no order and are too many to be sorted".to_owned();
                return run(plan, input, database, progress, stop, Some(reason));
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
            pipeline.run(split, worker, writer, rejects)
        }
        Choice::Statements(_) => {
            let writer = Statements::new(target.connection()?, target.path(), table, tuning.batch_rows)?;
            pipeline.run(split, worker, writer, rejects)
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
