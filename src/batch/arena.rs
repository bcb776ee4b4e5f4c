//! The memory of a batch.

use bumpalo::Bump;

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
    pub(crate) fn list<T>(&self, items: impl ExactSizeIterator<Item = T>) -> &mut [T] {
        self.0.alloc_slice_fill_iter(items)
    }

    /// So many zeros.
    pub(crate) fn zeros<T: Copy + From<u8>>(&self, count: usize) -> &mut [T] {
        self.0.alloc_slice_fill_copy(count, T::from(0))
    }

    /// A copy of `bytes`.
    #[inline]
    pub(crate) fn copy(&self, bytes: &[u8]) -> &[u8] {
        self.0.alloc_slice_copy(bytes)
    }

    /// A copy of `items`.
    pub(crate) fn copy_list<T: Copy>(&self, items: &[T]) -> &[T] {
        self.0.alloc_slice_copy(items)
    }

    /// Takes all memory back, and keeps it for the next batch.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}
