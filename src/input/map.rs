//! Mapped files that survive truncation and read errors.

use super::sigbus::Watch;
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::fs::File;
use std::io;

/// A read-only mapping of a file whose faults do not kill the process: see [`super::sigbus`].
#[derive(Debug)]
pub(super) struct GuardedMap {
    /// Declared before the mapping, so that it is dropped first.
    watch: Watch,
    map: MmapRaw,
}

impl GuardedMap {
    /// Maps the first `bytes` bytes of `file`, which may be more than it has.
    ///
    /// # Errors
    /// If the file cannot be mapped.
    pub(super) fn new(file: &File, bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(bytes).map_raw_read_only(file)?;
        // SAFETY: the mapping belongs to the result, which drops the watch first. It is reachable only through
        // `GuardedMap::bytes`, whose callers do not rely on values.
        let watch = unsafe { Watch::new(map.as_ptr(), map.len()) }?;
        Ok(Self { watch, map })
    }

    /// Tells the kernel that the file is read from start to end.
    pub(super) fn advise_sequential(&self) -> io::Result<()> {
        self.map.advise(Advice::Sequential)
    }

    /// The size of the mapping in bytes.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// True if a page could not be read, so that bytes are zero which are not zero in the file.
    pub(super) fn is_torn(&self) -> bool {
        self.watch.is_torn()
    }

    /// The first `bytes` bytes.
    ///
    /// # Panics
    /// If the mapping has fewer.
    ///
    /// # Safety
    /// The caller must know that the file had this many bytes. If another process may change the file, every use of the bytes
    /// must be sound for any values, even if they change between two reads.
    pub(super) unsafe fn bytes(&self, bytes: usize) -> &[u8] {
        assert!(bytes <= self.map.len());
        // SAFETY: the range is mapped as long as `self` lives, and the watch keeps every page of it readable. The caller
        // vouches for the rest.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), bytes) }
    }
}
