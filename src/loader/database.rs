//! Setters for how the database is written, and for the report.

use super::Loader;
use crate::plan::{Synchronous, WriterChoice};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// How the database is written, and the report.
impl Loader {
    /// The number of worker threads. Default: one for each core.
    pub fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.plan.tuning.jobs = Some(jobs);
        self
    }

    /// The size of a chunk, the unit of work, in bytes. Default: 64 KiB.
    pub fn chunk_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.plan.tuning.chunk_bytes = bytes.get();
        self
    }

    /// How rows are written. Default: [`WriterChoice::Auto`].
    pub fn writer(mut self, writer: WriterChoice) -> Self {
        self.plan.tuning.writer = writer;
        self
    }

    /// The memory for sorting keys in the direct writer, in bytes. SQLite sorts keys that need more. Default: 1 GiB.
    pub fn memory_bytes(mut self, bytes: usize) -> Self {
        self.plan.tuning.memory_bytes = bytes;
        self
    }

    /// When SQLite waits for the disk. Default: [`Synchronous::Off`].
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.plan.tuning.synchronous = synchronous;
        self
    }

    /// The page size of a new database in bytes: a power of two from 512 to 65536. Default: that of SQLite.
    pub fn page_bytes(mut self, bytes: u32) -> Self {
        self.plan.tuning.page_bytes = Some(bytes);
        self
    }

    /// The size of SQLite's page cache in KiB. Default: 40000.
    pub fn cache_kib(mut self, kib: u32) -> Self {
        self.plan.tuning.cache_kib = kib;
        self
    }

    /// How long to wait for a database that another program has locked. Default: 5 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.plan.tuning.busy_timeout = timeout;
        self
    }

    /// The number of rows in an INSERT statement. Default: 50.
    pub fn batch_rows(mut self, rows: NonZeroUsize) -> Self {
        self.plan.tuning.batch_rows = rows.get();
        self
    }

    /// Whether to check the integrity and the row count of the database before the load takes effect. Default: false.
    pub fn verify(mut self, verify: bool) -> Self {
        self.plan.tuning.verify = verify;
        self
    }

    /// Whether to run ANALYZE on the table at the end. Default: false.
    pub fn analyze(mut self, analyze: bool) -> Self {
        self.plan.tuning.analyze = analyze;
        self
    }

    /// Whether to run VACUUM at the end. Default: false; a new database is compact without it.
    pub fn vacuum(mut self, vacuum: bool) -> Self {
        self.plan.tuning.vacuum = vacuum;
        self
    }

    /// Makes the load reproducible: the same seed gives the same UUIDs and random numbers. Default: a random seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.tuning.seed = Some(seed);
        self
    }

    /// Whether to raise the limit on open files of the process. Default: true.
    pub fn raise_file_limit(mut self, raise: bool) -> Self {
        self.plan.tuning.raise_file_limit = raise;
        self
    }

    /// The file for the report: a page of HTML if its name ends in `.html`, otherwise JSON; `-` is standard output. Default: none.
    /// [`Loader::phrases`] words errors, warnings and notes of the page.
    pub fn report(mut self, path: impl Into<PathBuf>) -> Self {
        self.plan.report = Some(path.into());
        self
    }
}
