//! The rows of one chunk with all that they borrow from.

use crate::batch::{Arena, Chunk, Rows};
use crate::format::typed_rows::TypedRows;
use crate::input::OpenInput;
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
    /// Rows whose values have types.
    Rows(Box<dyn TypedRows>),
}

impl OpenChunk {
    /// `chunk` of `file`, which lies in `bytes`.
    pub(super) fn new(file: Arc<OpenInput>, chunk: Chunk<'_>, bytes: &Bytes) -> Self {
        let bytes = bytes.slice_ref(chunk.bytes);
        Self { chunk: Chunk { bytes: &[], ..chunk }, data: ChunkData::Bytes { file, bytes } }
    }

    /// The chunk whose records are these rows.
    pub(super) fn of_rows(chunk: Chunk<'static>, rows: impl TypedRows + 'static) -> Self {
        Self { chunk, data: ChunkData::Rows(Box::new(rows)) }
    }

    /// The number of the input in the load.
    pub(super) fn input(&self) -> usize {
        self.chunk.input
    }

    /// The input, if the chunk is in a file.
    pub(super) fn file(&self) -> Option<&Arc<OpenInput>> {
        match &self.data {
            ChunkData::Bytes { file, .. } => Some(file),
            ChunkData::Rows(_) => None,
        }
    }

    /// The chunk.
    pub(super) fn get(&self) -> Chunk<'_> {
        let bytes = match &self.data {
            ChunkData::Bytes { bytes, .. } => bytes,
            ChunkData::Rows(_) => &[][..],
        };
        Chunk { bytes, ..self.chunk }
    }

    /// The records.
    pub(super) fn data(&self) -> &ChunkData {
        &self.data
    }

    /// The offset of its end in its input.
    pub(super) fn end(&self) -> usize {
        self.chunk.offset as usize + self.get().bytes.len()
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
