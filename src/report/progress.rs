//! The progress of a load.

use super::RejectedRecord;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counters of a running load, to be read from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    total_bytes: AtomicU64,
    bytes: AtomicU64,
    rows: AtomicU64,
    phase: AtomicU8,
    is_committing: AtomicBool,
    /// The first rejected records, once the load has ended.
    first_rejects: Mutex<Vec<RejectedRecord>>,
}

/// What a load is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Inputs are read and rows are written.
    Loading,
    /// All inputs are read, and keys that did not come in order are sorted.
    SortingKeys,
    /// Indexes are created, and the database is completed.
    Writing,
}

impl Progress {
    /// The size of all inputs in bytes; 0 while it is unknown.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    /// The number of input bytes whose rows have been written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The number of rows written.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// True once the load commits. It can then no longer be interrupted, and to end the process would hide that the rows
    /// are loaded.
    #[must_use]
    pub fn is_committing(&self) -> bool {
        self.is_committing.load(Ordering::SeqCst)
    }

    /// What the load is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            phase if phase == Phase::SortingKeys as u8 => Phase::SortingKeys,
            phase if phase == Phase::Writing as u8 => Phase::Writing,
            _ => Phase::Loading,
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn set_committing(&self, is_committing: bool) {
        self.is_committing.store(is_committing, Ordering::SeqCst);
    }

    pub(crate) fn set_total_bytes(&self, bytes: u64) {
        self.total_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Resets everything but the number of all bytes.
    pub(crate) fn restart(&self) {
        self.set_committing(false);
        self.set_phase(Phase::Loading);
        self.bytes.store(0, Ordering::Relaxed);
        self.rows.store(0, Ordering::Relaxed);
        self.first_rejects().clear();
    }

    pub(crate) fn set_first_rejects(&self, rejects: Vec<RejectedRecord>) {
        *self.first_rejects() = rejects;
    }

    pub(super) fn first_rejects(&self) -> MutexGuard<'_, Vec<RejectedRecord>> {
        self.first_rejects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, bytes: u64, rows: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }
}
