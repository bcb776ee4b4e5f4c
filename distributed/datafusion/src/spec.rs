//! What a statement asks for, as plain data.

use crate::external;
use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result};
use serde::{Deserialize, Serialize};
use sqload::plan::Synchronous;
use sqload::shards::{Manifest, STAGING, ShardJob};
use sqload::{Kind, Loader};
use std::num::NonZeroUsize;

/// The memory for sorting keys and indexes of all shards that are built at the same time in one process.
const SORT_BYTES: usize = 1 << 30;

/// The job of a statement, and its tables. All processes have the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShardSpec {
    /// The job: the directory, the table and the key.
    pub job: ShardJob,
    /// The table of every shard.
    pub table: TableOptions,
    /// Whether the shards of an earlier job may be replaced.
    pub replace: bool,
}

/// Keys, indexes and kind of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableOptions {
    /// The columns of the primary key.
    pub primary_key: Vec<String>,
    /// The columns of each UNIQUE constraint.
    pub unique: Vec<Vec<String>>,
    /// The columns of each index.
    pub indexes: Vec<Vec<String>>,
    /// Whether the table is STRICT.
    pub strict: bool,
    /// Whether the table is WITHOUT ROWID.
    pub without_rowid: bool,
}

impl ShardSpec {
    /// A loader for one shard, of which `concurrent` are built at the same time.
    pub(crate) fn loader(&self, concurrent: usize) -> Loader {
        let table = &self.table;
        let synchronous = if self.job.durable { Synchronous::Full } else { Synchronous::Off };
        let mut loader = Loader::new(&self.job.table)
            .jobs(NonZeroUsize::MIN)
            .memory_bytes(SORT_BYTES / concurrent.max(1))
            .synchronous(synchronous)
            .strict(table.strict)
            .without_rowid(table.without_rowid);
        if !table.primary_key.is_empty() {
            loader = loader.primary_key(&table.primary_key);
        }
        let loader = table.unique.iter().fold(loader, |loader, columns| loader.unique(columns));
        table.indexes.iter().fold(loader, |loader, columns| loader.index(columns))
    }

    /// An error if there are shards of another job that may not be replaced.
    pub(crate) fn check_directory(&self) -> Result<()> {
        let path = self.job.manifest_path();
        if self.replace || !path.exists() || Manifest::read(&path).is_ok_and(|old| old.job == self.job.id) {
            return Ok(());
        }
        let error = sqload::Error::from(Kind::ManifestExists { path: self.job.directory.clone() });
        exec_err!("{error}; use OPTIONS (replace true) to replace them, or choose another directory")
    }

    /// Creates the staging area of the job, for engines that run its nodes in several processes; see
    /// [`WriteExec::new`](crate::WriteExec::new). `ShardJob::abort` removes it.
    ///
    /// # Errors
    /// If there are shards that may not be replaced, or the directory cannot be created.
    pub fn create_staging(&self) -> Result<()> {
        self.check_directory()?;
        Ok(std::fs::create_dir_all(self.job.staging())?)
    }

    /// An error if the staging area is gone, because the job has ended.
    pub(crate) fn check_staging(&self) -> Result<()> {
        match self.job.staging().is_dir() {
            true => Ok(()),
            false => exec_err!("the job {} has ended", self.job.id),
        }
    }

    /// Removes the shards of earlier jobs that the new manifest does not name, unless a job is under way.
    pub(crate) fn remove_superseded(&self) -> Result<()> {
        // All jobs are named, because others may be alive. Then nothing is removed but superseded shards.
        let staging = self.job.directory.join(STAGING);
        let names = staging.read_dir().map(|entries| {
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        });
        let live: Vec<String> = names.unwrap_or_default();
        ShardJob::clean(&self.job.directory, &live).map(drop).map_err(external)
    }
}

/// An error in a statement.
pub(crate) fn plan_error(message: String) -> DataFusionError {
    DataFusionError::Plan(message)
}
