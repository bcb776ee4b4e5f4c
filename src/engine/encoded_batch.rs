//! The rows of one chunk with all that they borrow from.

use crate::batch::{Arena, Chunk, Rows};
use crate::input::OpenInput;
use bytes::Bytes;
use self_cell::self_cell;
use std::sync::Arc;

/// A chunk that keeps its input open and its bytes readable.
#[derive(Debug)]
pub(crate) struct OpenChunk {
    file: Arc<OpenInput>,
    /// The chunk, without its bytes.
    chunk: Chunk<'static>,
    bytes: Bytes,
}

impl OpenChunk {
    /// `chunk` of `file`, which lies in `bytes`.
    pub(super) fn new(file: Arc<OpenInput>, chunk: Chunk<'_>, bytes: &Bytes) -> Self {
        let bytes = bytes.slice_ref(chunk.bytes);
        Self { file, bytes, chunk: Chunk { bytes: &[], ..chunk } }
    }

    /// The number of the input in the load.
    pub(super) fn input(&self) -> usize {
        self.chunk.input
    }

    /// The input.
    pub(super) fn file(&self) -> &Arc<OpenInput> {
        &self.file
    }

    /// The chunk.
    pub(super) fn get(&self) -> Chunk<'_> {
        Chunk { bytes: &self.bytes, ..self.chunk }
    }

    /// Gives back the memory of a large chunk between two stages: the next one seldom reads all of it again. Small chunks stay
    /// in the caches.
    pub(super) fn release_if_large(&self) {
        const LARGE_BYTES: usize = 1 << 20;
        if self.bytes.len() >= LARGE_BYTES {
            let start = self.chunk.offset as usize;
            self.file.release(start..start + self.bytes.len());
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
