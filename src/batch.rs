//! The rows of one chunk, in an arena, ready for a writer.
//!
//! A `Batch` owns its arena and borrows the input: a value is a slice of the input where nothing changed,
//! and of the arena where something was made. The arena comes back from a batch that has been written and is
//! used again, so the heap is asked for memory only while the first batches grow theirs.

use crate::error::Reason;
use crate::split::Chunk;
use bumpalo::Bump;
use self_cell::self_cell;

/// What goes to SQLite: one of its five storage classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// INTEGER, 64 bits.
    Integer(i64),
    /// REAL, 64 bits.
    Real(f64),
    /// TEXT; UTF-8, as was checked when the record was read.
    Text(&'a [u8]),
    /// BLOB.
    Blob(&'a [u8]),
}

/// A growing list that lives as long as the arena that it was made in.
pub(crate) type ArenaVec<'a, T> = bumpalo::collections::Vec<'a, T>;

/// Memory that is handed out piece by piece and taken back all at once.
#[derive(Debug, Default)]
pub struct Arena(Bump);

impl Arena {
    /// An empty list with room for `capacity` items.
    #[inline]
    pub(crate) fn vec<T>(&self, capacity: usize) -> ArenaVec<'_, T> {
        ArenaVec::with_capacity_in(capacity, &self.0)
    }

    /// The items of an iterator, side by side.
    #[inline]
    pub(crate) fn list<T>(&self, items: impl ExactSizeIterator<Item = T>) -> &[T] {
        self.0.alloc_slice_fill_iter(items)
    }

    /// A copy of `bytes`.
    #[inline]
    pub(crate) fn copy(&self, bytes: &[u8]) -> &[u8] {
        self.0.alloc_slice_copy(bytes)
    }

    /// Takes all memory back, and keeps it for the next batch.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// A record that could not be loaded, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject<'a> {
    /// Records of the input before this one.
    pub record: u64,
    /// Line ends of the input before this record.
    pub line: u64,
    /// Bytes of the input before this record.
    pub offset: u64,
    /// The record, without its line end.
    pub bytes: &'a [u8],
    /// Why it could not be loaded.
    pub reason: Reason,
}

/// The rows of a chunk, column by column, and the records of it that became no row.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// The values of each column, all of the same number.
    pub columns: &'a [&'a [Value<'a>]],
    /// Records of the load before this chunk's.
    pub first_record: u64,
    /// The records that became no row, in the order of the input.
    pub rejects: Vec<Reject<'a>>,
}

impl Rows<'_> {
    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |column| column.len())
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the rows of a batch borrow from.
#[derive(Debug)]
pub(crate) struct Source<'m> {
    pub(crate) chunk: Chunk<'m>,
    pub(crate) arena: Arena,
}

self_cell!(
    /// The rows of one chunk with all that they borrow from.
    pub(crate) struct Batch<'m> {
        owner: Source<'m>,
        #[covariant]
        dependent: Rows,
    }
);
