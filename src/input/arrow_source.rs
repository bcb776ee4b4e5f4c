//! Sources of Arrow record batches.

use super::arrow_stream::ArrowStream;
use crate::error::Result;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// A source of record batches with one schema.
#[derive(Debug)]
pub(crate) enum ArrowSource {
    Stream(Arc<ArrowStream>),
}

/// The batches of a source, in order.
pub(crate) type BatchIterator<'s> = Box<dyn Iterator<Item = Result<RecordBatch>> + 's>;

impl ArrowSource {
    /// The name that messages use.
    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Self::Stream(stream) => stream.name(),
        }
    }

    /// The schema of all batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        match self {
            Self::Stream(stream) => stream.schema(),
        }
    }

    /// The size of the source in bytes, if it is known.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match self {
            Self::Stream(_) => None,
        }
    }

    /// False if the batches have been read and cannot be read again.
    pub(crate) fn can_be_read(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.can_be_read(),
        }
    }

    /// The batches. If `keeps_copy`, those of a stream can be read again.
    ///
    /// # Errors
    /// [`Kind::Io`](crate::Kind::Io) if the source cannot be read.
    pub(crate) fn read(&self, keeps_copy: bool) -> Result<BatchIterator<'_>> {
        match self {
            Self::Stream(stream) => Ok(Box::new(stream.read(keeps_copy))),
        }
    }
}
