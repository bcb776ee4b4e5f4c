//! The threads of a load: which ones run, what they hand each other, and how they end.
//!
//! A leader thread splits the inputs, one after the other; workers turn chunks into batches; the caller's thread writes
//! them, in order. A fixed number of [`ChunkBuffers`] bounds memory: the leader takes one for each chunk, in order, it
//! travels with the chunk and comes back when its rows are written. So the chunk that the writer waits for always has its
//! buffers, nothing can deadlock, and no queue needs a bound of its own.
//!
//! Every end is the same end: the thread that stops drops its ends of the channels, and the others find them closed.

use super::encoded_batch::{Batch, EncodedBatch, OpenChunk, Source};
use super::input_worker::InputWorker;
use super::inputs::Inputs;
use super::output::{Counts, Output, PipelineFailure, RejectSink};
use super::record_log::RecordLog;
use super::reorder::ReorderBuffer;
use super::timers::StageTimers;
use crate::batch::Arena;
use crate::error::{Error, Kind, Result};
use crate::input::OpenInput;
use crate::report::{Phase, Progress};
use crate::write::{Encoded, Encoder, Writer};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Chunks on their way while each worker has one in hand and another that is ready: enough for all to have work
/// while one of the threads waits for a core.
const QUEUED_CHUNKS: usize = 4;

/// The memory that a chunk needs on its way, used again and again.
#[derive(Default)]
struct ChunkBuffers<E> {
    arena: Arena,
    encoded: E,
}

/// The result of a chunk, or the end after the last one.
enum Step<E> {
    Batch(EncodedBatch<E>),
    Failed(Error),
    /// All inputs were read; the number of bytes.
    End(u64),
}

/// A step and the number of chunks before it.
type NumberedStep<E> = (u64, Step<E>);

/// A chunk with its number in the load and its buffers.
type Work<E> = (u64, OpenChunk, ChunkBuffers<E>);

/// The threads of a load.
#[derive(Clone, Copy)]
pub(crate) struct PipelineRunner<'l> {
    pub(crate) jobs: usize,
    pub(crate) progress: &'l Progress,
    pub(crate) stop: &'l AtomicBool,
    pub(crate) timers: &'l StageTimers,
}

impl PipelineRunner<'_> {
    /// Runs every chunk of `inputs` through workers into `writer`, and hands rejects on. `log` notes which records became
    /// rows, if the writer may need to know.
    ///
    /// # Errors
    /// The first in the order of the input, at any number of jobs.
    pub(crate) fn run<W: Writer>(
        self,
        inputs: &Inputs<'_>,
        writer: &mut W,
        rejects: &mut impl RejectSink,
        log: &mut RecordLog,
    ) -> Result<Counts, PipelineFailure> {
        let buffers = 2 * self.jobs + QUEUED_CHUNKS;
        let (free_sender, free) = bounded(buffers);
        let (chunk_sender, chunks) = bounded(buffers);
        // The end needs no buffers, so it is one more.
        let (done_sender, done) = bounded(buffers + 1);
        for _ in 0..buffers {
            free_sender.send(ChunkBuffers::default()).expect("the receiver is in this scope");
        }
        // Each end of a channel is moved to the thread that uses it, so that it closes when that one stops.
        thread::scope(move |scope| {
            let failed = |source| Error::from(Kind::Threads { jobs: self.jobs, source });
            for _ in 0..self.jobs {
                let (chunks, done, encoder) = (chunks.clone(), done_sender.clone(), writer.encoder());
                let work = move || self.work(inputs, &chunks, &done, encoder);
                thread::Builder::new().name("worker".into()).spawn_scoped(scope, work).map_err(failed)?;
            }
            drop(chunks);
            let lead = move || self.lead(inputs, &free, &chunk_sender, &done_sender);
            thread::Builder::new().name("leader".into()).spawn_scoped(scope, lead).map_err(failed)?;
            let (progress, timers, counts) = (self.progress, self.timers, Counts::default());
            let output = Output { inputs, writer, rejects, log, progress, timers, counts };
            self.write(done, free_sender, output)
        })
    }

    /// Ends the load; returns the SQL that is still to be run.
    ///
    /// # Errors
    /// As the writer.
    pub(crate) fn finish<W: Writer>(
        self,
        writer: W,
        inputs: &Inputs<'_>,
        log: &RecordLog,
    ) -> Result<Vec<String>, PipelineFailure> {
        self.progress.set_phase(Phase::SortingKeys);
        let finished = self.timers.write.time(|| writer.finish(self.stop));
        finished.map_err(|failure| PipelineFailure::of_writer(failure, |rows| inputs.positions(rows, log)))
    }

    /// The leader: splits, and hands each chunk on with the buffers that it needs.
    fn lead<E>(
        self,
        inputs: &Inputs<'_>,
        free: &Receiver<ChunkBuffers<E>>,
        chunks: &Sender<Work<E>>,
        done: &Sender<NumberedStep<E>>,
    ) {
        let mut number = 0;
        let mut is_closed = false;
        let mut clock = self.timers.split.start();
        let split = inputs.split(self.jobs, |chunk| {
            clock.pause();
            let is_sent = free.recv().is_ok_and(|buffers| {
                !self.stop.load(Ordering::Relaxed) && chunks.send((number, chunk, buffers)).is_ok()
            });
            if !is_sent {
                is_closed = true;
                return ControlFlow::Break(());
            }
            number += 1;
            clock.resume();
            ControlFlow::Continue(())
        });
        drop(clock);
        let step = match split {
            _ if self.stop.load(Ordering::Relaxed) => Step::Failed(Kind::Interrupted.into()),
            _ if is_closed => return,
            Ok(bytes) => Step::End(bytes),
            Err(error) => Step::Failed(error),
        };
        // The writer may have stopped already.
        let _ = done.send((number, step));
    }

    /// A worker: makes batches of chunks until there are no more.
    fn work<E: Encoder>(
        self,
        inputs: &Inputs<'_>,
        chunks: &Receiver<Work<E::Encoded>>,
        done: &Sender<NumberedStep<E::Encoded>>,
        mut encoder: E,
    ) {
        let mut current: Option<(usize, InputWorker<'_>)> = None;
        for (number, chunk, ChunkBuffers { arena, mut encoded }) in chunks {
            let input = chunk.input();
            let make = || -> Result<EncodedBatch<E::Encoded>> {
                let worker = worker_for(input, inputs, &mut current);
                let source = Source { chunk, arena };
                let batch = Batch::try_new(source, |source| worker.rows(&source.chunk, &source.arena))?;
                batch.borrow_owner().chunk.release_if_large();
                encoder.encode(batch.borrow_dependent(), &mut encoded);
                batch.borrow_owner().chunk.release_if_large();
                Ok(EncodedBatch { batch, encoded })
            };
            // The writer would wait forever for a chunk that never comes, so a panic is a result like others.
            let step = match catch_unwind(AssertUnwindSafe(|| self.timers.parse.time(make))) {
                Ok(Ok(batch)) => Step::Batch(batch),
                Ok(Err(error)) => Step::Failed(error),
                Err(panic) => Step::Failed(panic_error(&*panic, inputs.list[input].name())),
            };
            let is_last = matches!(step, Step::Failed(_));
            if done.send((number, step)).is_err() || is_last {
                return;
            }
        }
    }

    /// The writer: takes batches in order and gives their buffers back.
    fn write<W: Writer, R: RejectSink>(
        self,
        done: Receiver<NumberedStep<Encoded<W>>>,
        free: Sender<ChunkBuffers<Encoded<W>>>,
        mut output: Output<'_, '_, W, R>,
    ) -> Result<Counts, PipelineFailure> {
        let mut reorder_buffer = ReorderBuffer::new(done.capacity().unwrap_or_default());
        // The input whose chunks are being written. It must not have changed by the time the last of them is written.
        let mut current = CurrentInput::default();
        for (number, step) in done {
            reorder_buffer.put(number, step);
            while let Some(step) = reorder_buffer.take() {
                let EncodedBatch { batch, mut encoded } = match step {
                    Step::Batch(batch) => batch,
                    Step::Failed(error) => {
                        current.check()?;
                        return Err(error.into());
                    }
                    Step::End(bytes) => {
                        current.check()?;
                        return Ok(Counts { bytes, ..output.counts });
                    }
                };
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Error::from(Kind::Interrupted).into());
                }
                current.switch_to(&batch.borrow_owner().chunk)?;
                if let Err(failure) = output.write(batch.borrow_dependent(), &mut encoded) {
                    // A truncated file reads as zeros: that it was truncated is the better error.
                    current.check()?;
                    return Err(failure);
                }
                let Source { chunk, mut arena } = batch.into_owner();
                chunk.release_if_large();
                current.release_before(chunk.end());
                arena.reset();
                // If the leader has ended, its end is on the way.
                let _ = free.send(ChunkBuffers { arena, encoded });
            }
        }
        Err(Error::from(Kind::Internal("a thread ended early".to_owned())).into())
    }
}

/// The input whose chunks are being written.
#[derive(Default)]
struct CurrentInput {
    number: Option<usize>,
    file: Option<Arc<OpenInput>>,
    /// The memory of the bytes before this offset has been given back.
    released: usize,
}

impl CurrentInput {
    /// Switches to the input of a chunk, after checking the one before it.
    fn switch_to(&mut self, chunk: &OpenChunk) -> Result<()> {
        if self.number != Some(chunk.input()) {
            self.check()?;
            *self = Self { number: Some(chunk.input()), file: chunk.file().cloned(), released: 0 };
        }
        Ok(())
    }

    /// Gives back the memory of the bytes before `offset`, whose rows have been written. All of them at the end would take this
    /// thread longer.
    fn release_before(&mut self, offset: usize) {
        /// To give back less at once would often interrupt the other threads.
        const STEP_BYTES: usize = 4 << 20;
        let end = offset / STEP_BYTES * STEP_BYTES;
        if let Some(file) = self.file.as_ref().filter(|_| end > self.released) {
            file.release(self.released..end);
            self.released = end;
        }
    }

    /// As [`OpenInput::check`].
    fn check(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())
    }
}

/// The worker for an input: the current one if it can take its chunks.
fn worker_for<'w, 'i>(
    number: usize,
    inputs: &'i Inputs<'_>,
    current: &'w mut Option<(usize, InputWorker<'i>)>,
) -> &'w mut InputWorker<'i> {
    let is_same = current.as_ref().is_some_and(|(current, _)| inputs.has_same_worker(*current, number));
    if !is_same {
        *current = None;
    }
    let (current, worker) = current.get_or_insert_with(|| (usize::MAX, inputs.worker(number)));
    if *current != number {
        *current = number;
        worker.set_input(inputs.list[number].name());
    }
    worker
}

/// The error for a panic while a chunk of the input `name` was processed.
fn panic_error(panic: &(dyn std::any::Any + Send), name: &str) -> Error {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    match text {
        // An arena panics like this.
        Some("out of memory") => {
            Error::io("process", Path::new(name), std::io::ErrorKind::OutOfMemory.into())
        }
        text => Kind::Internal(text.unwrap_or("a worker panicked").to_owned()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Rows;
    use crate::engine::source::RecordSource;
    use crate::eval::Seed;
    use crate::plan::{Column, Expr, Plan, Table};
    use crate::write::{Appended, WriteFailure};
    use std::time::Duration;

    /// Accepts a number of batches and then fails, with an error or a panic.
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
            *encoded = rows.len as u64;
            assert!(self.panics_at != Some(*encoded), "the encoder dies");
        }
    }

    impl Writer for Dying {
        type Encoder = Fake;

        fn encoder(&self) -> Fake {
            Fake { panics_at: None }
        }

        fn append(&mut self, rows: &Rows<'_>, encoded: &mut u64) -> Result<Appended, WriteFailure> {
            assert_eq!(rows.len as u64, *encoded);
            if self.batches_left == 0 {
                assert!(!self.with_panic, "the writer dies");
                return Err(Error::from(Kind::Verify("the disk is gone".to_owned())).into());
            }
            self.batches_left -= 1;
            Ok(Appended::default())
        }

        fn finish(self, _: &AtomicBool) -> Result<Vec<String>, WriteFailure> {
            Ok(Vec::new())
        }
    }

    /// Only its encoder is of interest: it panics.
    struct Panicking;

    impl Writer for Panicking {
        type Encoder = Fake;

        fn encoder(&self) -> Fake {
            Fake { panics_at: Some(1) }
        }

        fn append(&mut self, _: &Rows<'_>, _: &mut u64) -> Result<Appended, WriteFailure> {
            Ok(Appended::default())
        }

        fn finish(self, _: &AtomicBool) -> Result<Vec<String>, WriteFailure> {
            Ok(Vec::new())
        }
    }

    /// Runs 10 000 records in as many chunks through `writer`, on another thread, since it must not hang.
    fn run<W: Writer + Send + 'static>(
        writer: W,
        jobs: usize,
        stop: bool,
    ) -> thread::Result<Result<Counts, PipelineFailure>> {
        let (sender, receiver) = bounded(1);
        let runner = thread::spawn(move || {
            let column = Column::new("a", "TEXT", Expr::Field("a".into()));
            let mut plan = Plan::new(Table::new("t", vec![column]));
            plan.tuning.chunk_bytes = 1;
            let csv = [&b"a\n"[..], &b"x\n".repeat(10_000)].concat();
            let list = [RecordSource::of_bytes("in", csv, &plan)];
            let inputs = Inputs::new(&list, &plan, &plan.table, Seed::fixed(1)).unwrap();
            let (progress, stop, timers) =
                (Progress::default(), AtomicBool::new(stop), StageTimers::default());
            let pipeline = PipelineRunner { jobs, progress: &progress, stop: &stop, timers: &timers };
            let (mut writer, mut log) = (writer, RecordLog::default());
            let result = pipeline.run(&inputs, &mut writer, &mut (), &mut log);
            sender.send(()).unwrap();
            result
        });
        let _ = receiver.recv_timeout(Duration::from_secs(20)).map_err(|error| {
            assert!(!error.is_timeout(), "the pipeline hangs");
        });
        runner.join()
    }

    fn error(result: Result<Counts, PipelineFailure>) -> Error {
        match result.unwrap_err() {
            PipelineFailure::Error(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_dying_writer_ends_the_load_and_nothing_hangs() {
        for (jobs, batches_left) in [(1, 0), (2, 0), (8, 1), (2, 100), (8, 9_999)] {
            let result = run(Dying { batches_left, with_panic: false }, jobs, false).unwrap();
            assert!(matches!(error(result).kind(), Kind::Verify(_)));
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
            let error = error(run(Panicking, jobs, false).unwrap());
            assert_eq!(error.to_string(), "internal error: the encoder dies; please report this bug");
        }
    }

    #[test]
    fn a_stop_ends_the_load() {
        let error = error(run(Dying { batches_left: 10_000, with_panic: false }, 2, true).unwrap());
        assert!(matches!(error.kind(), Kind::Interrupted));
    }
}
