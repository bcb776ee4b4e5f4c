//! The one file that knows every room: threads, queue, shutdown.
//!
//! A leader thread splits the input; workers turn chunks into batches; the caller's thread writes them, in
//! order. What bounds memory is a fixed number of [`Parts`]: the leader takes one for each chunk, in order,
//! it travels with the chunk and comes back when its rows are written. So the chunk that the writer waits for
//! always has its parts, nothing can lock up, and no queue needs a bound of its own.
//!
//! Every end is the same end: whoever stops drops its ends of the channels, and the others find them closed.

use crate::batch::{Arena, Batch};
use crate::error::{Error, Kind, Result};
use crate::input::Input;
use crate::order::Order;
use crate::output::Output;
use crate::parse::{Records, raw, unquote};
use crate::plan::Plan;
use crate::rejects::Rejects;
use crate::report::{Progress, Report, Stages, Stopwatch};
use crate::split::{Chunk, Split};
use crate::target::Target;
use crate::transform::{Program, Seed};
use crate::work::Worker;
use crate::write::statements::Statements;
use crate::write::{Encoded, Encoder, Writer};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// Chunks that are ready, or on their way, while each worker has one in hand and the writer another.
const QUEUED_CHUNKS: usize = 2;

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
    let started = Instant::now();
    let file = Input::open(input)?;
    let bytes = file.bytes();
    progress.set_total_bytes(bytes.len() as u64);
    let mark_bytes = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let policies = &plan.policies;
    let mut split = Split::new(
        file.name().clone(),
        &bytes[mark_bytes..],
        mark_bytes as u64,
        plan.dialect,
        plan.tuning.chunk_bytes,
        policies.max_record_bytes,
    );
    let header = read_header(&mut split, plan, file.name())?;
    let (rejects_output, report_output) = open_outputs(plan, input, database)?;
    let seed = plan.tuning.seed.map_or_else(Seed::random, Seed::fixed);
    let program = Program::compile(&plan.table, &header.names, file.name(), seed)?;
    let target = Target::open(database, &plan.table, &plan.tuning, stop.clone())?;
    let rejects = Rejects::new(file.name().clone(), policies, rejects_output, header.bytes)?;
    let jobs = plan.tuning.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, usize::from);
    tracing::debug!(jobs, chunk_bytes = plan.tuning.chunk_bytes, database = %target.path().display(), "loading");

    let worker = || Worker::new(&program, plan.dialect, header.names.len());
    let clocks = Clocks::default();
    let pipeline = Pipeline { jobs, progress, stop, clocks: &clocks };
    let counts = match fill(&target, plan, pipeline, split, worker, rejects, &file) {
        Ok(counts) => counts,
        Err(error) => {
            target.roll_back();
            return Err(error);
        }
    };
    clocks.finish.time(|| target.commit(plan.tuning.vacuum))?;
    let seconds = started.elapsed().as_secs_f64();
    let report = Report {
        input: input.to_owned(),
        database: database.to_owned(),
        table: plan.table.name.clone(),
        writer: "statements",
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

/// Puts every row into `target`, checked as far as the plan wants.
fn fill<'p>(
    target: &Target,
    plan: &Plan,
    pipeline: Pipeline<'_>,
    split: Split<'_>,
    worker: impl Fn() -> Worker<'p>,
    mut rejects: Rejects<'_>,
    file: &Input,
) -> Result<Counts> {
    let writer = Statements::new(target.connection(), target.path(), &plan.table, plan.tuning.batch_rows)?;
    let counts = pipeline.run(split, worker, writer, &mut rejects);
    // Rejects are kept even if the load fails because of them, and a file that was cut short says so before
    // anything that was made of what was not there.
    file.check()?;
    let rejected = rejects.finish();
    let counts = Counts { rejected: rejected?, ..counts? };
    if counts.records != counts.loaded + counts.rejected {
        return Err(Kind::Internal(format!("records were lost: {counts:?}")).into());
    }
    if plan.tuning.verify {
        pipeline.clocks.finish.time(|| target.verify(&plan.table, counts.loaded))?;
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
    let name = |field| unquote(raw(chunk.bytes, field), plan.dialect, &arena);
    let names = fields.iter().map(|field| String::from_utf8_lossy(name(*field)).into_owned()).collect();
    Ok(Header { bytes: &chunk.bytes[range], names })
}

/// How long each stage was at work.
#[derive(Default)]
struct Clocks {
    split: Stopwatch,
    parse: Stopwatch,
    write: Stopwatch,
    finish: Stopwatch,
}

impl Clocks {
    fn read(&self) -> Stages {
        Stages {
            split_seconds: self.split.seconds(),
            parse_seconds: self.parse.seconds(),
            write_seconds: self.write.seconds(),
            finish_seconds: self.finish.seconds(),
        }
    }
}

/// What went through a pipeline.
#[derive(Debug, Default)]
struct Counts {
    records: u64,
    loaded: u64,
    rejected: u64,
}

/// The memory that a chunk needs on its way, used again and again.
#[derive(Default)]
struct Parts<E> {
    arena: Arena,
    encoded: E,
}

/// What the writer is handed for a chunk.
struct Parcel<'m, E> {
    batch: Batch<'m>,
    encoded: E,
}

/// What comes out for each chunk number, and after the last an end.
enum Step<T> {
    Batch(T),
    Failed(Error),
    End,
}

type Numbered<'m, E> = (u64, Step<Parcel<'m, E>>);

/// The threads of a load.
#[derive(Clone, Copy)]
struct Pipeline<'l> {
    jobs: usize,
    progress: &'l Progress,
    stop: &'l AtomicBool,
    clocks: &'l Clocks,
}

impl Pipeline<'_> {
    /// Runs every chunk of `split` through workers into `writer`.
    ///
    /// The error is the first in the order of the input, at any number of jobs.
    fn run<'p, W: Writer>(
        self,
        split: Split<'_>,
        worker: impl Fn() -> Worker<'p>,
        writer: W,
        rejects: &mut Rejects<'_>,
    ) -> Result<Counts> {
        let parts = self.jobs + QUEUED_CHUNKS;
        let (free_sender, free) = bounded(parts);
        let (chunk_sender, chunks) = bounded(parts);
        // The end needs no parts, so it is one more.
        let (done_sender, done) = bounded(parts + 1);
        for _ in 0..parts {
            free_sender.send(Parts::default()).expect("the receiver is in this scope");
        }
        // Each end of a channel is moved to the one that uses it, so that it closes when that one stops.
        thread::scope(move |scope| {
            for _ in 0..self.jobs {
                let (chunks, done) = (chunks.clone(), done_sender.clone());
                let (worker, encoder) = (worker(), writer.encoder());
                scope.spawn(move || self.work(&chunks, &done, worker, encoder));
            }
            drop(chunks);
            scope.spawn(move || self.lead(split, &free, &chunk_sender, &done_sender));
            self.write(done, free_sender, writer, rejects)
        })
    }

    /// The leader: splits, and hands each chunk on with the parts that it needs.
    fn lead<'m, E>(
        self,
        mut split: Split<'m>,
        free: &Receiver<Parts<E>>,
        chunks: &Sender<(Chunk<'m>, Parts<E>)>,
        done: &Sender<Numbered<'m, E>>,
    ) {
        let mut number = 0;
        loop {
            let Ok(parts) = free.recv() else { return };
            let step = match self.clocks.split.time(|| split.next()) {
                _ if self.stop.load(Ordering::Relaxed) => Step::Failed(Kind::Interrupted.into()),
                Some(Ok(chunk)) => {
                    number = chunk.number + 1;
                    if chunks.send((chunk, parts)).is_err() {
                        return;
                    }
                    continue;
                }
                Some(Err(error)) => Step::Failed(error),
                None => Step::End,
            };
            // Whether or not somebody is still there to hear it.
            let _ = done.send((number, step));
            return;
        }
    }

    /// A worker: makes batches of chunks until there are no more.
    fn work<'m, E: Encoder>(
        self,
        chunks: &Receiver<(Chunk<'m>, Parts<E::Encoded>)>,
        done: &Sender<Numbered<'m, E::Encoded>>,
        mut worker: Worker<'_>,
        mut encoder: E,
    ) {
        for (chunk, Parts { arena, mut encoded }) in chunks {
            let make = || {
                let batch = worker.batch(chunk, arena);
                encoder.encode(batch.borrow_dependent(), &mut encoded);
                Parcel { batch, encoded }
            };
            // A chunk that never comes would leave the writer waiting, so a panic is a result like others.
            let step = match catch_unwind(AssertUnwindSafe(|| self.clocks.parse.time(make))) {
                Ok(parcel) => Step::Batch(parcel),
                Err(panic) => Step::Failed(Kind::Internal(panic_message(&*panic)).into()),
            };
            let is_last = matches!(step, Step::Failed(_));
            if done.send((chunk.number, step)).is_err() || is_last {
                return;
            }
        }
    }

    /// The writer: takes batches in order and gives their parts back.
    fn write<W: Writer>(
        self,
        done: Receiver<Numbered<'_, Encoded<W>>>,
        free: Sender<Parts<Encoded<W>>>,
        mut writer: W,
        rejects: &mut Rejects<'_>,
    ) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut order = Order::new(done.capacity().unwrap_or_default());
        for (number, step) in done {
            order.put(number, step);
            while let Some(step) = order.take() {
                let Parcel { batch, encoded } = match step {
                    Step::Batch(parcel) => parcel,
                    Step::Failed(error) => return Err(error),
                    Step::End => {
                        self.clocks.write.time(|| writer.finish())?;
                        return Ok(counts);
                    }
                };
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Kind::Interrupted.into());
                }
                let rows = batch.borrow_dependent();
                let chunk = batch.borrow_owner().chunk;
                rows.rejects.iter().try_for_each(|reject| rejects.take(reject))?;
                self.clocks.write.time(|| writer.append(rows, &encoded))?;
                counts.records += chunk.records as u64;
                counts.loaded += rows.len() as u64;
                self.progress.add(chunk.bytes.len() as u64, rows.len() as u64);
                let mut arena = batch.into_owner().arena;
                arena.reset();
                // If the leader has ended, its end is on the way.
                let _ = free.send(Parts { arena, encoded });
            }
        }
        Err(Kind::Internal("a thread ended early".to_owned()).into())
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a worker panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Rows;
    use crate::plan::{Column, Dialect, Expr, Policies, Table};
    use std::time::Duration;

    /// Takes so many batches and then dies, with an error or with a panic.
    struct Dying {
        batches_left: usize,
        with_panic: bool,
    }

    struct Fake {
        panics_at: Option<u64>,
    }

    impl Encoder for Fake {
        type Encoded = u64;

        fn encode(&mut self, rows: &Rows<'_>, encoded: &mut u64) {
            *encoded = rows.len() as u64;
            assert!(self.panics_at != Some(*encoded), "the encoder dies");
        }
    }

    impl Writer for Dying {
        type Encoder = Fake;

        fn encoder(&self) -> Fake {
            Fake { panics_at: None }
        }

        fn append(&mut self, rows: &Rows<'_>, encoded: &u64) -> Result<()> {
            assert_eq!(rows.len() as u64, *encoded);
            if self.batches_left == 0 {
                assert!(!self.with_panic, "the writer dies");
                return Err(Kind::Verify("the disk is gone".to_owned()).into());
            }
            self.batches_left -= 1;
            Ok(())
        }

        fn finish(self) -> Result<()> {
            Ok(())
        }
    }

    /// Only its encoder is of interest: it panics.
    struct Panicking;

    impl Writer for Panicking {
        type Encoder = Fake;

        fn encoder(&self) -> Fake {
            Fake { panics_at: Some(1) }
        }

        fn append(&mut self, _: &Rows<'_>, _: &u64) -> Result<()> {
            Ok(())
        }

        fn finish(self) -> Result<()> {
            Ok(())
        }
    }

    /// Runs 10 000 records in as many chunks through `writer`, on another thread, since it must not hang.
    fn run<W: Writer + Send + 'static>(writer: W, jobs: usize, stop: bool) -> thread::Result<Result<Counts>> {
        let (sender, receiver) = bounded(1);
        let runner = thread::spawn(move || {
            let csv = b"x\n".repeat(10_000);
            let split = Split::new("in".into(), &csv, 0, Dialect::default(), 1, 100);
            let column = Column::new("a", "TEXT", Expr::Field("a".into()));
            let table = Table { name: "t".into(), columns: vec![column] };
            let program = Program::compile(&table, &["a".to_owned()], &"in".into(), Seed::fixed(1)).unwrap();
            let policies = Policies::default();
            let mut rejects = Rejects::new("in".into(), &policies, None, b"a").unwrap();
            let (progress, stop, clocks) = (Progress::default(), AtomicBool::new(stop), Clocks::default());
            let worker = || Worker::new(&program, Dialect::default(), 1);
            let pipeline = Pipeline { jobs, progress: &progress, stop: &stop, clocks: &clocks };
            let result = pipeline.run(split, worker, writer, &mut rejects);
            sender.send(()).unwrap();
            result
        });
        let _ = receiver.recv_timeout(Duration::from_secs(20)).map_err(|error| {
            assert!(!error.is_timeout(), "the pipeline hangs");
        });
        runner.join()
    }

    #[test]
    fn a_dying_writer_ends_the_load_and_nothing_hangs() {
        for (jobs, batches_left) in [(1, 0), (2, 0), (8, 1), (2, 100), (8, 9_999)] {
            let result = run(Dying { batches_left, with_panic: false }, jobs, false).unwrap();
            assert!(matches!(result.unwrap_err().kind(), Kind::Verify(_)));
            run(Dying { batches_left, with_panic: true }, jobs, false).unwrap_err();
        }
    }

    #[test]
    fn a_writer_that_lives_gets_every_record() {
        let counts = run(Dying { batches_left: 10_000, with_panic: false }, 3, false).unwrap().unwrap();
        assert_eq!((counts.records, counts.loaded), (10_000, 10_000));
    }

    #[test]
    fn a_panicking_worker_is_an_error_and_nothing_hangs() {
        for jobs in [1, 2, 8] {
            let error = run(Panicking, jobs, false).unwrap().unwrap_err();
            assert_eq!(error.to_string(), "a defect in sqload: the encoder dies; please report it");
        }
    }

    #[test]
    fn a_stop_ends_the_load() {
        let error = run(Dying { batches_left: 10_000, with_panic: false }, 2, true).unwrap().unwrap_err();
        assert!(matches!(error.kind(), Kind::Interrupted));
    }
}
