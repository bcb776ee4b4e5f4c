//! Parquet files as record batches.
//!
//! Threads decode row groups, each the next one that none has taken. The batches of a row group go through a channel of its own,
//! and are received in the order of the file. All channels are bounded, so a thread that is far ahead waits, and memory is bounded
//! by the batches that each thread holds.

use super::Input;
use super::arrow_file::{ReadAt, file_batches, read_error};
use super::arrow_source::BatchIterator;
use super::file::catch_panic;
use super::open_input::OpenInput;
use crate::error::{Error, Kind, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
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
        let projection =
            (!is_all).then(|| ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied()));
        let groups = self.metadata.metadata().num_row_groups();
        let (senders, receivers): (Vec<_>, VecDeque<_>) =
            (0..groups).map(|_| sync_channel(WAITING_BATCHES)).unzip();
        let decoding = Arc::new(Decoding {
            bytes: FileBytes::of(&open)?,
            metadata: self.metadata.clone(),
            projection,
            next_group: AtomicUsize::new(0),
            senders: senders.into_iter().map(|sender| Mutex::new(Some(sender))).collect(),
            stop: self.input.stop().clone(),
        });
        for _ in 0..self.threads.get().min(groups) {
            let decoding = decoding.clone();
            let spawned = thread::Builder::new().name("parquet".into()).spawn(move || decoding.run());
            spawned.map_err(|source| Error::from(Kind::Threads { jobs: self.threads.get(), source }))?;
        }
        let batches = GroupBatches { receivers, name: self.input.name().clone(), is_failed: false };
        Ok(file_batches(batches, open, self.schema().clone(), (!is_all).then(|| columns.to_vec())))
    }
}

/// What the threads share.
struct Decoding {
    bytes: FileBytes,
    metadata: ArrowReaderMetadata,
    /// The columns to decode; `None` means all.
    projection: Option<ProjectionMask>,
    next_group: AtomicUsize,
    /// The sender of each row group, until a thread takes it.
    senders: Vec<Mutex<Option<SyncSender<io::Result<RecordBatch>>>>>,
    stop: Arc<AtomicBool>,
}

impl Decoding {
    /// Decodes row groups until none is left, or the receiver is gone.
    fn run(&self) {
        loop {
            let group = self.next_group.fetch_add(1, Ordering::Relaxed);
            let Some(sender) = self.senders.get(group) else { return };
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
            let is_wanted = sender.is_some_and(|sender| {
                let decoded = catch_panic(|| self.decode(group, &sender));
                decoded.unwrap_or_else(|error| sender.send(Err(error)).is_ok())
            });
            if !is_wanted {
                return;
            }
        }
    }

    /// Decodes a row group. Returns false if the receiver is gone.
    fn decode(&self, group: usize, sender: &SyncSender<io::Result<RecordBatch>>) -> io::Result<bool> {
        for batch in self.reader(group).map_err(io::Error::other)? {
            let batch = batch.map_err(io::Error::other);
            if self.stop.load(Ordering::Relaxed) || sender.send(batch).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn reader(&self, group: usize) -> Result<ParquetRecordBatchReader, ParquetError> {
        let (bytes, metadata) = (self.bytes.clone(), self.metadata.clone());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata);
        let builder = builder.with_row_groups(vec![group]).with_batch_size(BATCH_ROWS);
        match &self.projection {
            Some(projection) => builder.with_projection(projection.clone()).build(),
            None => builder.build(),
        }
    }
}

/// The batches of all row groups, in order.
struct GroupBatches {
    /// Those of the row groups that are not complete yet.
    receivers: VecDeque<Receiver<io::Result<RecordBatch>>>,
    name: Arc<str>,
    is_failed: bool,
}

impl Iterator for GroupBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(receiver) = self.receivers.front().filter(|_| !self.is_failed) {
            match receiver.recv() {
                Ok(Ok(batch)) => return Some(Ok(batch)),
                Ok(Err(error)) => {
                    self.is_failed = true;
                    return Some(Err(read_error(&self.name, error)));
                }
                // Its thread has sent all.
                Err(_) => {
                    self.receivers.pop_front();
                }
            }
        }
        None
    }
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
