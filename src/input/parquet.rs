//! Parquet files as record batches.
//!
//! Threads decode row groups, each the next one that none has taken. If a file has fewer row groups than there are threads, each
//! thread decodes some of the columns of a row group, and the batches are joined. The batches of a task go through a channel of
//! its own, and are received in the order of the file. All channels are bounded, so a thread that is far ahead waits, and memory is
//! bounded by the batches that each thread holds.
//!
//! Tasks are taken in order, and a row group has at most as many tasks as there are threads. So when the batches of a row group are
//! received, all of its tasks are being run: none waits behind tasks of later row groups.

use super::Input;
use super::arrow_file::{ReadAt, file_batches, read_error};
use super::arrow_source::BatchIterator;
use super::file::catch_panic;
use super::open_input::OpenInput;
use crate::error::{Error, Kind, Result};
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The rows of a batch.
const BATCH_ROWS: usize = 8 << 10;

/// The batches of a row group that may wait until it is their turn.
const WAITING_BATCHES: usize = 4;

/// A Parquet file.
#[derive(Debug)]
pub(crate) struct ParquetFile {
    input: Input,
    metadata: ArrowReaderMetadata,
    threads: NonZeroUsize,
}

impl ParquetFile {
    /// The file `input`, which is open as `open`. `None` threads means one for each core.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read, or is not a Parquet file.
    pub(crate) fn new(input: Input, open: &Arc<OpenInput>, threads: Option<NonZeroUsize>) -> Result<Self> {
        let bytes = FileBytes::of(open)?;
        let load = || ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).map_err(io::Error::other);
        let metadata = catch_panic(load).map_err(|error| read_error(input.name(), error))?;
        let threads = threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        Ok(Self { input, metadata, threads })
    }

    /// The input.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// The schema of all batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// The batches of the file. Columns that are not among `columns` are null.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::InputChanged`].
    pub(crate) fn read(&self, columns: &[usize]) -> Result<BatchIterator<'_>> {
        let open = self.input.open()?;
        let is_all = columns.len() == self.schema().fields().len();
        let groups = self.metadata.metadata().num_row_groups();
        let threads = self.threads.get();
        let project = |columns| ProjectionMask::roots(self.metadata.parquet_schema(), columns);
        let parts = column_parts(columns, threads.div_ceil(groups.max(1)));
        let projections: Vec<_> = parts.into_iter().map(project).collect();
        let channels =
            (0..groups).map(|_| (0..projections.len()).map(|_| sync_channel(WAITING_BATCHES)).unzip());
        let (senders, receivers): (Vec<Vec<_>>, VecDeque<Vec<_>>) = channels.unzip();
        let senders: Vec<_> = senders.into_iter().flatten().map(|sender| Mutex::new(Some(sender))).collect();
        let threads = threads.min(senders.len());
        let decoding = Arc::new(Decoding {
            bytes: FileBytes::of(&open)?,
            metadata: self.metadata.clone(),
            projections,
            next_task: AtomicUsize::new(0),
            senders,
            stop: self.input.stop().clone(),
        });
        for _ in 0..threads {
            let decoding = decoding.clone();
            let spawned = thread::Builder::new().name("parquet".into()).spawn(move || decoding.run());
            spawned.map_err(|source| Error::from(Kind::Threads { jobs: self.threads.get(), source }))?;
        }
        let (stop, name) = (self.input.stop().clone(), self.input.name().clone());
        let batches = GroupBatches { receivers, stop, name, is_failed: false };
        Ok(file_batches(batches, open, self.schema().clone(), (!is_all).then(|| columns.to_vec())))
    }
}

/// The columns in at most `parts` parts, in the order of the file. No columns are one part.
fn column_parts(columns: &[usize], parts: usize) -> Vec<Vec<usize>> {
    let mut columns = columns.to_vec();
    columns.sort_unstable();
    match columns.len() {
        0 => vec![columns],
        count => columns.chunks(count.div_ceil(parts)).map(<[usize]>::to_vec).collect(),
    }
}

/// What the threads share. A task decodes a part of the columns of a row group.
struct Decoding {
    bytes: FileBytes,
    metadata: ArrowReaderMetadata,
    /// The columns of each part.
    projections: Vec<ProjectionMask>,
    next_task: AtomicUsize,
    /// The sender of each task, by row group and part, until a thread takes it.
    senders: Vec<Mutex<Option<Sender>>>,
    stop: Arc<AtomicBool>,
}

type Sender = SyncSender<io::Result<RecordBatch>>;

impl Decoding {
    /// Runs tasks until none is left, or the receiver is gone.
    fn run(&self) {
        loop {
            let task = self.next_task.fetch_add(1, Ordering::Relaxed);
            let Some(sender) = self.senders.get(task) else { return };
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
            let is_wanted = sender.is_some_and(|sender| {
                let decoded = catch_panic(|| self.decode(task, &sender));
                decoded.unwrap_or_else(|error| sender.send(Err(error)).is_ok())
            });
            if !is_wanted {
                return;
            }
        }
    }

    /// Runs a task. Returns false if the receiver is gone.
    fn decode(&self, task: usize, sender: &Sender) -> io::Result<bool> {
        for batch in self.reader(task).map_err(io::Error::other)? {
            let batch = batch.map_err(io::Error::other);
            if self.stop.load(Ordering::Relaxed) || sender.send(batch).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn reader(&self, task: usize) -> Result<ParquetRecordBatchReader, ParquetError> {
        let (group, part) = (task / self.projections.len(), task % self.projections.len());
        let (bytes, metadata) = (self.bytes.clone(), self.metadata.clone());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata);
        let builder = builder.with_row_groups(vec![group]).with_batch_size(BATCH_ROWS);
        builder.with_projection(self.projections[part].clone()).build()
    }
}

/// The batches of all row groups, in order.
struct GroupBatches {
    /// Those of the row groups that are not complete yet, by part.
    receivers: VecDeque<Vec<Receiver<io::Result<RecordBatch>>>>,
    stop: Arc<AtomicBool>,
    name: Arc<str>,
    is_failed: bool,
}

impl GroupBatches {
    /// The next batch of a row group, or `None` at its end.
    fn next_of(&self, parts: &[Receiver<io::Result<RecordBatch>>]) -> io::Result<Option<RecordBatch>> {
        // A task without a sender has sent all.
        let batches = parts.iter().filter_map(|part| part.recv().ok()).collect::<io::Result<Vec<_>>>()?;
        match batches.len() {
            0 => Ok(None),
            // Tasks end early after a stop.
            count if count < parts.len() && self.stop.load(Ordering::Relaxed) => Ok(None),
            count if count < parts.len() => {
                Err(io::Error::other("its columns have different numbers of rows"))
            }
            _ => joined(batches).map(Some).map_err(io::Error::other),
        }
    }
}

impl Iterator for GroupBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(parts) = self.receivers.front().filter(|_| !self.is_failed) {
            match self.next_of(parts).transpose() {
                Some(Ok(batch)) => return Some(Ok(batch)),
                Some(Err(error)) => {
                    self.is_failed = true;
                    return Some(Err(read_error(&self.name, error)));
                }
                None => {
                    self.receivers.pop_front();
                }
            }
        }
        None
    }
}

/// A batch with the columns of all batches.
fn joined(mut batches: Vec<RecordBatch>) -> Result<RecordBatch, ArrowError> {
    if batches.len() == 1 {
        return Ok(batches.remove(0));
    }
    let fields: Vec<_> = batches.iter().flat_map(|batch| batch.schema().fields().to_vec()).collect();
    let columns = batches.iter().flat_map(|batch| batch.columns().to_vec()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The bytes of a file, at any place.
#[derive(Debug, Clone)]
struct FileBytes {
    open: Arc<OpenInput>,
    length: u64,
}

impl FileBytes {
    /// Waits until all bytes have arrived.
    fn of(open: &Arc<OpenInput>) -> Result<Self> {
        Ok(Self { open: open.clone(), length: open.wait_for_all()? })
    }
}

impl Length for FileBytes {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for FileBytes {
    type T = ReadAt;

    fn get_read(&self, start: u64) -> Result<ReadAt, ParquetError> {
        Ok(ReadAt::new(&self.open, start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let start = start as usize;
        let end = start.checked_add(length).filter(|end| *end as u64 <= self.length);
        let end =
            end.ok_or_else(|| ParquetError::EOF("a page extends beyond the end of the file".to_owned()))?;
        self.open.slice(start..end).map_err(|error| ParquetError::External(Box::new(error)))
    }
}
