//! Sources of Arrow record batches.

use super::arrow_file::ArrowFile;
use super::arrow_stream::ArrowStream;
#[cfg(feature = "parquet")]
use super::parquet::ParquetFile;
use super::{Input, OpenInput};
use crate::error::Result;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// A source of record batches with one schema.
#[derive(Debug)]
pub(crate) enum ArrowSource {
    Stream(Arc<ArrowStream>),
    File(Box<ArrowFile>),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetFile>),
}

/// The batches of a source, in order.
pub(crate) type BatchIterator<'s> = Box<dyn Iterator<Item = Result<RecordBatch>> + 's>;

impl ArrowSource {
    /// The name that messages use.
    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Self::Stream(stream) => stream.name(),
            Self::File(file) => file.input().name(),
            #[cfg(feature = "parquet")]
            Self::Parquet(file) => file.input().name(),
        }
    }

    /// The schema of all batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        match self {
            Self::Stream(stream) => stream.schema(),
            Self::File(file) => file.schema(),
            #[cfg(feature = "parquet")]
            Self::Parquet(file) => file.schema(),
        }
    }

    /// The size of the source in bytes, if it is known.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.input().and_then(Input::bytes)
    }

    /// The file that the batches come from.
    pub(crate) fn input(&self) -> Option<&Input> {
        match self {
            Self::Stream(_) => None,
            Self::File(file) => Some(file.input()),
            #[cfg(feature = "parquet")]
            Self::Parquet(file) => Some(file.input()),
        }
    }

    /// False if the batches have been read and cannot be read again.
    pub(crate) fn can_be_read(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.can_be_read(),
            Self::File(_) => true,
            #[cfg(feature = "parquet")]
            Self::Parquet(_) => true,
        }
    }

    /// The batches. If `keeps_copy`, those of a stream can be read again. Columns that are not among `columns` may be null.
    ///
    /// # Errors
    /// [`Kind::Io`](crate::Kind::Io) if the source cannot be read; [`Kind::InputChanged`](crate::Kind::InputChanged).
    pub(crate) fn read(&self, keeps_copy: bool, columns: &[usize]) -> Result<BatchIterator<'_>> {
        match self {
            Self::Stream(stream) => Ok(Box::new(stream.read(keeps_copy))),
            Self::File(file) => file.read(columns),
            #[cfg(feature = "parquet")]
            Self::Parquet(file) => file.read(columns),
        }
    }

    /// The source that is the file `input`, which is open as `open` and starts with these bytes; gives the input back if it is
    /// none.
    ///
    /// # Errors
    /// [`Kind::Io`](crate::Kind::Io) if it cannot be read, or does not keep what it begins with.
    pub(crate) fn find(
        input: Input,
        open: &Arc<OpenInput>,
        start: &[u8],
        threads: Option<NonZeroUsize>,
    ) -> Result<std::result::Result<Self, Input>> {
        #[cfg(feature = "parquet")]
        if start.starts_with(b"PAR1") {
            return Ok(Ok(Self::Parquet(Box::new(ParquetFile::new(input, open, threads)?))));
        }
        let _ = threads;
        if [&b"ARROW1\0\0"[..], b"\xff\xff\xff\xff"].iter().any(|signature| start.starts_with(signature)) {
            return Ok(Ok(Self::File(Box::new(ArrowFile::new(input, open)?))));
        }
        Ok(Err(input))
    }
}
