//! The rows of one chunk with all that they borrow from.

use crate::batch::Chunk;
use crate::batch::{Arena, Rows};
use self_cell::self_cell;

/// What the rows of a batch borrow from.
#[derive(Debug)]
pub(super) struct Source<'m> {
    pub(crate) chunk: Chunk<'m>,
    pub(crate) arena: Arena,
}

self_cell!(
    /// The rows of one chunk with all that they borrow from.
    pub(super) struct Batch<'m> {
        owner: Source<'m>,
        #[covariant]
        dependent: Rows,
    }
);
