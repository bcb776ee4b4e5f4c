//! Workers for inputs of any format.

use super::encoded_batch::{ChunkData, OpenChunk};
use super::worker::Worker;
use crate::batch::{Arena, Rows};
use crate::error::{Kind, Result};
use crate::format::jsonl::decode::JsonDecoder;
use crate::format::typed_rows::TypedDecoder;
use std::sync::Arc;

/// A worker for the chunks of inputs of one format.
#[derive(Debug)]
pub(super) enum InputWorker<'p> {
    Csv(Box<Worker<'p>>),
    Json(Box<Worker<'p, JsonDecoder>>),
    Typed(Box<Worker<'p, TypedDecoder>>),
}

impl InputWorker<'_> {
    /// As [`Worker::set_input`].
    pub(super) fn set_input(&mut self, name: &Arc<str>) {
        match self {
            Self::Csv(worker) => worker.set_input(name),
            Self::Json(worker) => worker.set_input(name),
            Self::Typed(worker) => worker.set_input(name),
        }
    }

    /// The rows of `chunk`, whose memory is in `arena`.
    ///
    /// # Errors
    /// As [`Worker::rows_of`].
    pub(super) fn rows<'a>(&mut self, chunk: &'a OpenChunk, arena: &'a Arena) -> Result<Rows<'a>> {
        match (self, chunk.data()) {
            (Self::Csv(worker), _) => worker.rows(chunk.get(), arena),
            (Self::Json(worker), _) => worker.rows_of(chunk.get(), chunk.get().bytes, arena),
            (Self::Typed(worker), ChunkData::Rows(rows)) => worker.rows_of(chunk.get(), &**rows, arena),
            (Self::Typed(_), ChunkData::Bytes { .. }) => {
                Err(Kind::Internal("a chunk is of another format than its input".to_owned()).into())
            }
        }
    }
}
