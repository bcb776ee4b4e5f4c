//! The threads of a load: who runs, what they hand each other, and how they end.
//!
//! A leader thread splits the input; workers turn chunks into batches; the caller's thread writes them, in
//! order. What bounds memory is a fixed number of [`ChunkBuffers`]: the leader takes one for each chunk, in order,
//! it travels with the chunk and comes back when its rows are written. So the chunk that the writer waits for
//! always has its parts, nothing can lock up, and no queue needs a bound of its own.
//!
//! Every end is the same end: whoever stops drops its ends of the channels, and the others find them closed.

use super::encoded_batch::{Batch, Source};
use super::timers::StageTimers;
use crate::batch::Chunk;
use crate::batch::{Arena, Reject, Repairs, TypeFeedback};
use crate::engine::reorder::ReorderBuffer;
use crate::engine::worker::Worker;
use crate::error::{Error, Kind, Result};
use crate::format::csv::decode::{in_input_order, rejects_of_rows};
use crate::report::Progress;
use crate::write::{Appended, Encoded, Encoder, Writer};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Chunks on their way while each worker has one in hand and another that is ready: enough for all to have work
/// while one of the threads waits for a core.
const QUEUED_CHUNKS: usize = 4;

/// What went through a pipeline.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) records: u64,
    pub(crate) loaded: u64,
    pub(crate) rejected: u64,
    /// Those of the rejected that the table did not take.
    pub(crate) refused: u64,
    pub(crate) filtered: u64,
    pub(crate) ignored: u64,
    pub(crate) repairs: Repairs,
    pub(crate) type_feedback: TypeFeedback,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.loaded += other.loaded;
        self.rejected += other.rejected;
        self.refused += other.refused;
        self.filtered += other.filtered;
        self.ignored += other.ignored;
        self.repairs += other.repairs;
        self.type_feedback += other.type_feedback;
    }
}

/// The memory that a chunk needs on its way, used again and again.
#[derive(Default)]
struct ChunkBuffers<E> {
    arena: Arena,
    encoded: E,
}

/// What the writer is handed for a chunk.
struct EncodedBatch<'m, E> {
    batch: Batch<'m>,
    encoded: E,
}

/// What comes out for each chunk number, and after the last an end.
enum Step<T> {
    Batch(T),
    Failed(Error),
    End,
}

type Numbered<'m, E> = (u64, Step<EncodedBatch<'m, E>>);

/// The threads of a load.
#[derive(Clone, Copy)]
pub(crate) struct Pipeline<'l> {
    pub(crate) jobs: usize,
    pub(crate) progress: &'l Progress,
    pub(crate) stop: &'l AtomicBool,
    pub(crate) clocks: &'l StageTimers,
}

impl Pipeline<'_> {
    /// Runs every chunk of an input through workers into `writer`, and hands on its rejects.
    ///
    /// Returns what went through. The error is the first in the order of the input, at any number of jobs.
    pub(crate) fn run<'m, 'p, W: Writer>(
        self,
        chunks_of_input: impl Iterator<Item = Result<Chunk<'m>>> + Send,
        worker: impl Fn() -> Worker<'p>,
        writer: &mut W,
        take_reject: impl FnMut(&Reject<'_>) -> Result<()>,
    ) -> Result<Counts> {
        let parts = 2 * self.jobs + QUEUED_CHUNKS;
        let (free_sender, free) = bounded(parts);
        let (chunk_sender, chunks) = bounded(parts);
        // The end needs no parts, so it is one more.
        let (done_sender, done) = bounded(parts + 1);
        for _ in 0..parts {
            free_sender.send(ChunkBuffers::default()).expect("the receiver is in this scope");
        }
        // Each end of a channel is moved to the one that uses it, so that it closes when that one stops.
        thread::scope(move |scope| {
            let failed = |source| Kind::Threads { jobs: self.jobs, source };
            for _ in 0..self.jobs {
                let (chunks, done) = (chunks.clone(), done_sender.clone());
                let (worker, encoder) = (worker(), writer.encoder());
                let work = move || self.work(&chunks, &done, worker, encoder);
                thread::Builder::new().name("worker".into()).spawn_scoped(scope, work).map_err(failed)?;
            }
            drop(chunks);
            let lead = move || self.lead(chunks_of_input, &free, &chunk_sender, &done_sender);
            thread::Builder::new().name("leader".into()).spawn_scoped(scope, lead).map_err(failed)?;
            self.write(done, free_sender, writer, take_reject)
        })
    }

    /// Ends the load; returns the SQL that is still to be run.
    ///
    /// # Errors
    /// As those of the writer.
    pub(crate) fn finish<W: Writer>(self, writer: W) -> Result<Vec<String>> {
        self.clocks.write.time(|| writer.finish(self.stop))
    }

    /// The leader: splits, and hands each chunk on with the parts that it needs.
    fn lead<'m, E>(
        self,
        mut split: impl Iterator<Item = Result<Chunk<'m>>>,
        free: &Receiver<ChunkBuffers<E>>,
        chunks: &Sender<(Chunk<'m>, ChunkBuffers<E>)>,
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
        chunks: &Receiver<(Chunk<'m>, ChunkBuffers<E::Encoded>)>,
        done: &Sender<Numbered<'m, E::Encoded>>,
        mut worker: Worker<'_>,
        mut encoder: E,
    ) {
        for (chunk, ChunkBuffers { arena, mut encoded }) in chunks {
            let make = || {
                let batch =
                    Batch::new(Source { chunk, arena }, |source| worker.rows(source.chunk, &source.arena));
                encoder.encode(batch.borrow_dependent(), &mut encoded);
                EncodedBatch { batch, encoded }
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
        free: Sender<ChunkBuffers<Encoded<W>>>,
        writer: &mut W,
        mut take_reject: impl FnMut(&Reject<'_>) -> Result<()>,
    ) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut order = ReorderBuffer::new(done.capacity().unwrap_or_default());
        for (number, step) in done {
            order.put(number, step);
            while let Some(step) = order.take() {
                let EncodedBatch { batch, mut encoded } = match step {
                    Step::Batch(parcel) => parcel,
                    Step::Failed(error) => return Err(error),
                    Step::End => return Ok(counts),
                };
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Kind::Interrupted.into());
                }
                let rows = batch.borrow_dependent();
                let chunk = batch.borrow_owner().chunk;
                counts.type_feedback += rows.type_feedback.clone();
                if let Some(column) = counts.type_feedback.column_to_reinfer() {
                    return Err(Kind::TypeMismatch { column }.into());
                }
                let appended = self.clocks.write.time(|| writer.append(rows, &mut encoded));
                let Appended { refused, ignored } = match appended {
                    Ok(appended) => appended,
                    // Whether it is the first error is known when its record is.
                    Err(error) if error.is_of_unknown_row() => return Err(error),
                    Err(error) => {
                        let rows_before = counts.loaded + counts.refused + counts.ignored;
                        let row = error.last_row().and_then(|row| row.checked_sub(rows_before));
                        let row = row.filter(|row| *row < rows.len as u64);
                        // What is wrong behind the record that it is about is not the first error.
                        let end =
                            row.map(|row| chunk.first_record + u64::from(rows.origins.numbers[row as usize]));
                        let mut before =
                            rows.rejects.iter().filter(|reject| end.is_none_or(|end| reject.record < end));
                        before.try_for_each(&mut take_reject)?;
                        return Err(error);
                    }
                };
                let loaded = (rows.len - refused.len()) as u64 - ignored;
                counts += Counts {
                    records: chunk.records as u64,
                    loaded,
                    rejected: (rows.rejects.len() + refused.len()) as u64,
                    refused: refused.len() as u64,
                    filtered: rows.filtered as u64,
                    ignored,
                    repairs: rows.repairs,
                    type_feedback: TypeFeedback::default(),
                };
                match refused.is_empty() {
                    true => rows.rejects.iter().try_for_each(&mut take_reject)?,
                    false => {
                        let refused = rejects_of_rows(&chunk, rows.origins, refused);
                        let rejects = in_input_order(rows.rejects.clone(), refused);
                        rejects.iter().try_for_each(&mut take_reject)?;
                    }
                }
                self.progress.add(chunk.bytes.len() as u64, loaded);
                let mut arena = batch.into_owner().arena;
                arena.reset();
                // If the leader has ended, its end is on the way.
                let _ = free.send(ChunkBuffers { arena, encoded });
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
    use crate::eval::{Program, Seed};
    use crate::format::csv::split::Split;
    use crate::plan::{Column, Dialect, Expr, Table};
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
            *encoded = rows.len as u64;
            assert!(self.panics_at != Some(*encoded), "the encoder dies");
        }
    }

    impl Writer for Dying {
        type Encoder = Fake;

        fn encoder(&self) -> Fake {
            Fake { panics_at: None }
        }

        fn append(&mut self, rows: &Rows<'_>, encoded: &mut u64) -> Result<Appended> {
            assert_eq!(rows.len as u64, *encoded);
            if self.batches_left == 0 {
                assert!(!self.with_panic, "the writer dies");
                return Err(Kind::Verify("the disk is gone".to_owned()).into());
            }
            self.batches_left -= 1;
            Ok(Appended::default())
        }

        fn finish(self, _: &AtomicBool) -> Result<Vec<String>> {
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

        fn append(&mut self, _: &Rows<'_>, _: &mut u64) -> Result<Appended> {
            Ok(Appended::default())
        }

        fn finish(self, _: &AtomicBool) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
    }

    /// Runs 10 000 records in as many chunks through `writer`, on another thread, since it must not hang.
    fn run<W: Writer + Send + 'static>(writer: W, jobs: usize, stop: bool) -> thread::Result<Result<Counts>> {
        let (sender, receiver) = bounded(1);
        let runner = thread::spawn(move || {
            let csv = b"x\n".repeat(10_000);
            let split = Split::new("in".into(), &csv, 0, Dialect::default(), 1, 100);
            let column = Column::new("a", "TEXT", Expr::Field("a".into()));
            let table = Table::new("t", vec![column]);
            let program = Program::compile(&table, &["a".to_owned()], &"in".into(), Seed::fixed(1)).unwrap();
            let (progress, stop, clocks) =
                (Progress::default(), AtomicBool::new(stop), StageTimers::default());
            let worker = || Worker::new(&program, Dialect::default(), 1);
            let pipeline = Pipeline { jobs, progress: &progress, stop: &stop, clocks: &clocks };
            let mut writer = writer;
            let result = pipeline.run(split, worker, &mut writer, |_| Ok(()));
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
