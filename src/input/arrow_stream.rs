//! Streams of Arrow record batches.
//!
//! A stream can be read once. If a load may have to start again, the batches are copied to a temporary file while they are read,
//! and read from there by a later attempt: as far as they have been read, and then on from the stream.

use super::file::{temporary_file, temporary_file_error};
use crate::error::{Error, Result};
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A stream of record batches.
pub(crate) struct ArrowStream {
    name: Arc<str>,
    schema: SchemaRef,
    state: Mutex<State>,
}

struct State {
    /// The stream; `None` when it has ended.
    reader: Option<Box<dyn RecordBatchReader + Send>>,
    /// The number of batches that have been read.
    read: usize,
    copy: Copy,
}

/// The batches that have been read.
enum Copy {
    /// None has been read.
    Empty,
    File {
        file: Arc<File>,
        writer: Box<StreamWriter<Arc<File>>>,
    },
    /// They were not kept.
    Lost,
}

impl fmt::Debug for ArrowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrowStream").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ArrowStream {
    /// The stream `reader`, which messages call `name`.
    pub(crate) fn new(name: &str, reader: Box<dyn RecordBatchReader + Send>) -> Self {
        let schema = reader.schema();
        let state = State { reader: Some(reader), read: 0, copy: Copy::Empty };
        Self { name: name.into(), schema, state: Mutex::new(state) }
    }

    /// The name that messages use.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The schema of all batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// False if batches have been read and not kept.
    pub(crate) fn can_be_read(&self) -> bool {
        !matches!(self.lock().copy, Copy::Lost)
    }

    /// The batches, from the first on. If `keeps_copy`, they can be read again.
    pub(crate) fn read(self: &Arc<Self>, keeps_copy: bool) -> Batches {
        Batches { stream: self.clone(), keeps_copy, taken: 0, copy: None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::io("read", Path::new(&*self.name), io::Error::other(error))
    }

    /// The error of the temporary file.
    fn copy_error(&self, error: ArrowError) -> Error {
        let error = match error {
            ArrowError::IoError(_, error) => temporary_file_error(&error),
            error => io::Error::other(error),
        };
        Error::io("read", Path::new(&*self.name), error)
    }
}

/// The batches of a stream.
pub(crate) struct Batches {
    stream: Arc<ArrowStream>,
    keeps_copy: bool,
    /// Batches that have been returned.
    taken: usize,
    /// Reads the copy.
    copy: Option<StreamReader<BufReader<FileAt>>>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let stream = self.stream.clone();
        let mut state = stream.lock();
        let batch = match self.taken < state.read {
            true => self.next_of_copy(&state),
            false => self.next_of_stream(&mut state),
        };
        self.taken += 1;
        batch.transpose()
    }
}

impl Batches {
    /// The next batch, which has been read before.
    fn next_of_copy(&mut self, state: &State) -> Result<Option<RecordBatch>> {
        let Copy::File { file, .. } = &state.copy else {
            return Err(self.stream.error("a stream can be read only once"));
        };
        let copy = match &mut self.copy {
            Some(copy) => copy,
            copy => {
                let file = BufReader::new(FileAt { file: file.clone(), offset: 0 });
                copy.insert(StreamReader::try_new(file, None).map_err(|error| self.stream.copy_error(error))?)
            }
        };
        copy.next().transpose().map_err(|error| self.stream.copy_error(error))
    }

    /// The next batch, which has not been read yet.
    fn next_of_stream(&self, state: &mut State) -> Result<Option<RecordBatch>> {
        let Some(reader) = &mut state.reader else { return Ok(None) };
        let Some(batch) = reader.next() else {
            state.reader = None;
            return Ok(None);
        };
        let batch = batch.map_err(|error| match error {
            ArrowError::ExternalError(error) => self.stream.error(error),
            error => self.stream.error(error),
        })?;
        state.read += 1;
        if !self.keeps_copy {
            state.copy = Copy::Lost;
        } else if matches!(state.copy, Copy::Empty) {
            let failed = |error| self.stream.copy_error(error);
            let file = temporary_file().map_err(|error| failed(ArrowError::IoError(String::new(), error)))?;
            let file = Arc::new(file);
            let writer = StreamWriter::try_new(file.clone(), self.stream.schema()).map_err(failed)?;
            state.copy = Copy::File { file, writer: Box::new(writer) };
        }
        if let Copy::File { writer, .. } = &mut state.copy {
            writer.write(&batch).map_err(|error| self.stream.copy_error(error))?;
        }
        Ok(Some(batch))
    }
}

/// Reads a file that another handle may append to.
#[derive(Debug)]
struct FileAt {
    file: Arc<File>,
    offset: u64,
}

impl Read for FileAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read_at(buffer, self.offset)?;
        self.offset += bytes as u64;
        Ok(bytes)
    }
}
