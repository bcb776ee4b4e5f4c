//! Arrow IPC files and streams as record batches.

use super::Input;
use super::arrow_source::BatchIterator;
use super::file::catch_panic;
use super::incoming::Incoming;
use super::open_input::OpenInput;
use crate::error::{Error, Result};
use arrow_array::{Array, NullArray, RecordBatch, RecordBatchOptions};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// The first bytes of a file. A stream has none.
const FILE_SIGNATURE: &[u8] = b"ARROW1";

/// Bytes to read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// An IPC file or stream.
#[derive(Debug)]
pub(crate) struct ArrowFile {
    input: Input,
    schema: SchemaRef,
}

impl ArrowFile {
    /// The file `input`, which is open as `open`.
    ///
    /// # Errors
    /// [`Kind::Io`](crate::Kind::Io) if it cannot be read, or is not an IPC file or stream.
    pub(crate) fn new(input: Input, open: &Arc<OpenInput>) -> Result<Self> {
        let schema = open_batches(open, None).map(|(schema, _)| schema);
        let schema = schema.map_err(|error| read_error(input.name(), error))?;
        Ok(Self { input, schema })
    }

    /// The input.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// The schema of all batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batches of the file. Columns that are not among `columns` are null.
    ///
    /// # Errors
    /// As [`ArrowFile::new`]; [`Kind::InputChanged`](crate::Kind::InputChanged).
    pub(crate) fn read(&self, columns: &[usize]) -> Result<BatchIterator<'_>> {
        let open = self.input.open()?;
        let is_all = columns.len() == self.schema.fields().len();
        let columns = (!is_all).then(|| columns.to_vec());
        let failed = |error| read_error(self.input.name(), error);
        let (_, mut batches) = open_batches(&open, columns.clone()).map_err(failed)?;
        let mut next =
            move || catch_panic(|| batches.next().transpose().map_err(io::Error::other)).transpose();
        let batches = std::iter::from_fn(move || Some(next()?.map_err(failed)));
        Ok(file_batches(batches, open, self.schema.clone(), columns))
    }
}

type OpenBatches = (SchemaRef, Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>);

/// The schema and the batches of a file or a stream.
fn open_batches(open: &Arc<OpenInput>, columns: Option<Vec<usize>>) -> io::Result<OpenBatches> {
    let is_file = open.wait(0, FILE_SIGNATURE.len()).map_err(io::Error::other)?.0.starts_with(FILE_SIGNATURE);
    let reader = BufReader::with_capacity(BUFFER_BYTES, ReadAt::new(open, 0));
    catch_panic(|| {
        if is_file {
            let reader = FileReader::try_new(reader, columns).map_err(io::Error::other)?;
            return Ok((reader.schema(), Box::new(reader) as _));
        }
        let reader = StreamReader::try_new(reader, columns).map_err(io::Error::other)?;
        Ok((reader.schema(), Box::new(reader) as _))
    })
}

/// The error for an input that cannot be read.
pub(super) fn read_error(name: &str, error: io::Error) -> Error {
    Error::io("read", Path::new(name), error)
}

/// The batches of the file `open`, which must not have changed when they end. If they have only the `columns` with these numbers,
/// the others are added as nulls.
pub(super) fn file_batches<'s>(
    mut batches: impl Iterator<Item = Result<RecordBatch>> + 's,
    open: Arc<OpenInput>,
    schema: SchemaRef,
    columns: Option<Vec<usize>>,
) -> BatchIterator<'s> {
    let mut is_checked = false;
    Box::new(std::iter::from_fn(move || match batches.next() {
        Some(Ok(batch)) => Some(match &columns {
            Some(columns) => with_nulls(&batch, &schema, columns)
                .map_err(|error| read_error(open.name(), io::Error::other(error))),
            None => Ok(batch),
        }),
        // That the file has changed is the better error.
        Some(Err(error)) => Some(Err(open.check().err().unwrap_or(error))),
        None if is_checked => None,
        None => {
            is_checked = true;
            open.check().err().map(Err)
        }
    }))
}

/// A batch with nulls in place of the columns of `schema` that it lacks.
fn with_nulls(batch: &RecordBatch, schema: &Schema, columns: &[usize]) -> Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows();
    let mut found = batch.columns().iter();
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (at, field) in schema.fields().iter().enumerate() {
        let array = if columns.contains(&at) { found.next() } else { None };
        let array = array.cloned().unwrap_or_else(|| Arc::new(NullArray::new(rows)));
        let data_type = match array.data_type() {
            DataType::Null => Field::new(field.name(), DataType::Null, true),
            data_type => Field::new(field.name(), data_type.clone(), field.is_nullable()),
        };
        fields.push(data_type);
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

/// Reads the bytes of an input.
#[derive(Debug)]
pub(super) struct ReadAt {
    open: Arc<OpenInput>,
    offset: u64,
}

impl ReadAt {
    /// Reads from this offset on.
    pub(super) fn new(open: &Arc<OpenInput>, offset: u64) -> Self {
        Self { open: open.clone(), offset }
    }
}

impl Read for ReadAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, _) = self.open.wait(self.offset as usize, buffer.len()).map_err(io::Error::other)?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.offset += count as u64;
        Ok(count)
    }
}

impl Seek for ReadAt {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(offset) => (0, offset.cast_signed()),
            SeekFrom::Current(by) => (self.offset, by),
            SeekFrom::End(by) => (self.open.wait_for_all().map_err(io::Error::other)?, by),
        };
        self.offset = from.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}
