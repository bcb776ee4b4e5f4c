//! Mapped files that survive truncation and read errors.

use super::sigbus::Watch;
use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};
use std::fs::File;
use std::io;
use std::ops::Range;

/// A read-only mapping of a file whose faults do not kill the process: see [`super::sigbus`].
#[derive(Debug)]
pub(super) struct GuardedMap {
    /// Declared before the mapping, so that it is dropped first. `None` if faults are not caught.
    watch: Option<Watch>,
    map: MmapRaw,
}

impl GuardedMap {
    /// Maps the first `bytes` bytes of `file`, which may be more than it has. Faults are caught only if `is_guarded`, which
    /// installs a signal handler.
    ///
    /// # Errors
    /// If the file cannot be mapped.
    pub(super) fn new(file: &File, bytes: usize, is_guarded: bool) -> io::Result<Self> {
        let map = MmapOptions::new().len(bytes).map_raw_read_only(file)?;
        // SAFETY: the mapping belongs to the result, which drops the watch first. It is reachable only through
        // `GuardedMap::bytes`, whose callers do not rely on values.
        let watch = || unsafe { Watch::new(map.as_ptr(), map.len()) };
        let watch = is_guarded.then(watch).transpose()?;
        Ok(Self { watch, map })
    }

    /// Tells the kernel that the file is read from start to end.
    pub(super) fn advise_sequential(&self) -> io::Result<()> {
        self.map.advise(Advice::Sequential)
    }

    /// Gives back the memory of these bytes, which stay readable: the next access maps their pages again.
    pub(super) fn release(&self, bytes: Range<usize>) {
        let end = bytes.end.min(self.map.len());
        if bytes.start < end {
            // SAFETY: the advice discards what was written to memory only. Nobody writes to this mapping of a file, so its
            // pages are the same when they are read again; a zero page that replaces one that could not be read is zero
            // again.
            let released = unsafe {
                self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, bytes.start, end - bytes.start)
            };
            // The memory is given back later then.
            let _ = released.inspect_err(|error| tracing::debug!("cannot release mapped memory: {error}"));
        }
    }

    /// The size of the mapping in bytes.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// True if a page could not be read, so that bytes are zero which are not zero in the file.
    pub(super) fn is_torn(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_torn)
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
        // SAFETY: the range is mapped as long as `self` lives, and the watch, if any, keeps every page readable. The caller
        // vouches for the rest.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), bytes) }
    }
}
