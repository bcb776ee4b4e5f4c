//! The rows of one chunk with all that they borrow from.

use crate::batch::{Arena, Chunk, Rows};
#[cfg(feature = "arrow")]
use crate::format::arrow::decode::ArrowRows;
use crate::input::OpenInput;
#[cfg(feature = "arrow")]
use arrow_array::RecordBatch;
use bytes::Bytes;
use self_cell::self_cell;
use std::sync::Arc;

/// A chunk that keeps its input open and its records readable.
#[derive(Debug)]
pub(crate) struct OpenChunk {
    /// The chunk, without its bytes.
    chunk: Chunk<'static>,
    data: ChunkData,
}

/// Where the records of a chunk are.
#[derive(Debug)]
pub(super) enum ChunkData {
    /// In these bytes of a file.
    Bytes { file: Arc<OpenInput>, bytes: Bytes },
    /// In record batches.
    #[cfg(feature = "arrow")]
    Arrow(ArrowRows),
}

impl OpenChunk {
    /// `chunk` of `file`, which lies in `bytes`.
    pub(super) fn new(file: Arc<OpenInput>, chunk: Chunk<'_>, bytes: &Bytes) -> Self {
        let bytes = bytes.slice_ref(chunk.bytes);
        Self { chunk: Chunk { bytes: &[], ..chunk }, data: ChunkData::Bytes { file, bytes } }
    }

    /// The chunk whose records are the rows of a record batch.
    #[cfg(feature = "arrow")]
    pub(super) fn of_batch(chunk: Chunk<'static>, batch: RecordBatch) -> Self {
        Self { chunk, data: ChunkData::Arrow(ArrowRows { batch }) }
    }

    /// The number of the input in the load.
    pub(super) fn input(&self) -> usize {
        self.chunk.input
    }

    /// The input, if the chunk is in a file.
    pub(super) fn file(&self) -> Option<&Arc<OpenInput>> {
        match &self.data {
            ChunkData::Bytes { file, .. } => Some(file),
            #[cfg(feature = "arrow")]
            ChunkData::Arrow(_) => None,
        }
    }

    /// The chunk.
    pub(super) fn get(&self) -> Chunk<'_> {
        let bytes = match &self.data {
            ChunkData::Bytes { bytes, .. } => bytes,
            #[cfg(feature = "arrow")]
            ChunkData::Arrow(_) => &[][..],
        };
        Chunk { bytes, ..self.chunk }
    }

    /// The records.
    pub(super) fn data(&self) -> &ChunkData {
        &self.data
    }

    /// Gives back the memory of a large chunk between two stages: the next one seldom reads all of it again. Small chunks stay
    /// in the caches.
    pub(super) fn release_if_large(&self) {
        const LARGE_BYTES: usize = 1 << 20;
        match &self.data {
            ChunkData::Bytes { file, bytes } if bytes.len() >= LARGE_BYTES => {
                let start = self.chunk.offset as usize;
                file.release(start..start + bytes.len());
            }
            _ => {}
        }
    }
}

/// The memory that the rows of a chunk borrow from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) chunk: OpenChunk,
    pub(super) arena: Arena,
}

self_cell!(
    /// The rows of one chunk with all that they borrow from.
    pub(super) struct Batch {
        owner: Source,
        #[covariant]
        dependent: Rows,
    }
);

/// A batch with what the encoder of the writer made of it.
pub(super) struct EncodedBatch<E> {
    pub(super) batch: Batch,
    pub(super) encoded: E,
}
