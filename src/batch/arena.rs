//! The arena that holds the values of a batch.

use bumpalo::Bump;

/// A growable list that is allocated in an arena.
pub(crate) type ArenaVec<'a, T> = bumpalo::collections::Vec<'a, T>;

/// A bump allocator: memory is allocated piece by piece and freed all at once. Values in it are not dropped.
#[derive(Debug, Default)]
pub struct Arena(Bump);

impl Arena {
    /// Creates an empty list with room for `capacity` items.
    #[inline]
    pub(crate) fn vec<T>(&self, capacity: usize) -> ArenaVec<'_, T> {
        ArenaVec::with_capacity_in(capacity, &self.0)
    }

    /// Moves an item here.
    #[inline]
    pub(crate) fn one<T>(&self, item: T) -> &T {
        self.0.alloc(item)
    }

    /// Collects an iterator into a slice.
    #[inline]
    pub(crate) fn list<T>(&self, items: impl ExactSizeIterator<Item = T>) -> &mut [T] {
        self.0.alloc_slice_fill_iter(items)
    }

    /// Returns a slice of `count` zeros.
    pub(crate) fn zeros<T: Copy + From<u8>>(&self, count: usize) -> &mut [T] {
        self.0.alloc_slice_fill_copy(count, T::from(0))
    }

    /// Copies `bytes`.
    #[inline]
    pub(crate) fn copy(&self, bytes: &[u8]) -> &[u8] {
        self.0.alloc_slice_copy(bytes)
    }

    /// Copies `items`.
    pub(crate) fn copy_list<T: Copy>(&self, items: &[T]) -> &[T] {
        self.0.alloc_slice_copy(items)
    }

    /// Frees all allocations, and keeps the memory for the next batch unless a large value needed it.
    pub fn reset(&mut self) {
        const MAX_KEPT_BYTES: usize = 16 << 20;
        if self.0.allocated_bytes() > MAX_KEPT_BYTES {
            self.0 = Bump::new();
        } else {
            self.0.reset();
        }
    }
}
