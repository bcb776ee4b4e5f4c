//! Shards: many databases that several processes build, and that one commit publishes.
//!
//! ```text
//!             ┌► ShardWriter ─► staged file, Receipt ┐
//! rows by key ┼► ShardWriter ─► staged file, Receipt ┼► commit ─► final files, manifest.json
//!             └► ShardWriter ─► staged file, Receipt ┘
//! ```
//!
//! A job has a directory that all its processes see, an id, a table, and the columns of the key:
//!
//! ```
//! # fn main() -> sqload::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let (input, directory) = (dir.path().join("paris.csv"), dir.path().join("shops"));
//! # std::fs::write(&input, "tenant,amount\nparis,7\nparis,9\n").unwrap();
//! use sqload::{Loader, shards::{ShardJob, ShardKey}};
//!
//! let job = ShardJob::new(&directory, "job-1", "sales")?.by(["tenant"]);
//! // On any machine. Receipts are plain data for serde.
//! let writer = job.writer(ShardKey::columns([("tenant", Some("paris"))]), 1)?;
//! let report = Loader::new("sales").load(&input, writer.path())?;
//! let receipt = writer.finish(report.loaded)?;
//! // Once, with all receipts.
//! let manifest = job.expected_rows(2).commit(&[receipt])?;
//! assert_eq!(manifest.shards[0].path, "tenant=paris/data.sqlite");
//! # assert!(directory.join("tenant=paris/data.sqlite").exists() && directory.join("manifest.json").exists());
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - **Attempts never share a file.** A staged file is `_staging/<job>/<attempt>-<uuid>.sqlite`.
//! - **Only the commit publishes.** Readers trust only `manifest.json`, which is renamed into place when all its shards are in place.
//!   They ignore every other file.
//! - **Final names come from the key**, never from the number of a partition: `tenant=X/data.sqlite`. If another job has left a file
//!   with other content there, the name is `tenant=X/data-<hash>.sqlite`. So a commit never changes a file that an earlier manifest
//!   names, and a manifest on disk always matches its shards.
//! - **One shard for each key.** The newest attempt wins. Two different shards of one key and attempt are an error, because one of
//!   them would lose rows.
//! - **Totals are checked** if the job says how many rows it expects.
//! - **A commit is idempotent.** After a crash anywhere in it, a commit with the same receipts ends in the same manifest.
//!
//! Of several jobs for one directory, the last commit counts. The shards of older jobs stay until [`ShardJob::clean`] removes them.

mod clean;
mod commit;
mod duplicate;
#[cfg(feature = "arrow")]
mod grouped;
mod key;
mod load;
mod manifest;
mod merge;
mod parallel;
mod shard_table;
mod table_copy;
mod writer;

use crate::error::{Kind, Result};
pub use key::ShardKey;
pub use manifest::{Manifest, Receipt, Shard};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::PathBuf;
pub use writer::ShardWriter;

/// The name of the manifest in the directory of a job.
pub const MANIFEST: &str = "manifest.json";

/// The directory of the staging areas, below that of a job.
pub const STAGING: &str = "_staging";

/// The largest number of characters of the id of a job.
const MAX_ID_CHARS: usize = 100;

/// A job that builds shards. All processes of the job have the same one, for example through serde.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShardJob {
    /// Where the shards go. All processes see this directory under the same path.
    pub directory: PathBuf,
    /// The id of the job, which no other job for this directory has.
    pub id: String,
    /// The table that every shard has.
    pub table: String,
    /// The columns of the key.
    pub columns: Vec<String>,
    /// The number of hash buckets, if the key is a bucket of the columns.
    pub buckets: Option<NonZeroU32>,
    /// The number of rows that all shards together must have, if it is known.
    pub expected_rows: Option<u64>,
    /// Whether the commit waits until everything is on disk.
    pub durable: bool,
    /// The statements that create the table and its indexes, if they are known.
    #[serde(default)]
    pub schema: Vec<String>,
}

impl ShardJob {
    /// A job with the id `id`, which builds shards of `table` in `directory`.
    ///
    /// # Errors
    /// [`Kind::Usage`] if the id is not 1 to 100 ASCII letters, digits, `-`, `_` and `.`, the first of them no `.`.
    pub fn new(
        directory: impl Into<PathBuf>,
        id: impl Into<String>,
        table: impl Into<String>,
    ) -> Result<Self> {
        let job = Self {
            directory: directory.into(),
            id: id.into(),
            table: table.into(),
            columns: Vec::new(),
            buckets: None,
            expected_rows: None,
            durable: false,
            schema: Vec::new(),
        };
        job.check_id()?;
        Ok(job)
    }

    /// The columns of the key. Default: none, so that all rows are one shard.
    #[must_use]
    pub fn by<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = columns.into_iter().map(C::into).collect();
        self
    }

    /// The key is one of this many buckets, by the hash of the columns. Default: the values of the columns.
    #[must_use]
    pub fn buckets(mut self, buckets: NonZeroU32) -> Self {
        self.buckets = Some(buckets);
        self
    }

    /// The number of rows that all shards together must have. Default: any.
    #[must_use]
    pub fn expected_rows(mut self, rows: u64) -> Self {
        self.expected_rows = Some(rows);
        self
    }

    /// Whether the commit waits until everything is on disk. Default: false.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// The CREATE TABLE statement of the table, followed by the CREATE INDEX statements. It goes into the manifest, so that
    /// [`Loader::merge_shards`](crate::Loader::merge_shards) knows the table even if there are no shards. Default: none.
    #[must_use]
    pub fn schema<S: Into<String>>(mut self, schema: impl IntoIterator<Item = S>) -> Self {
        self.schema = schema.into_iter().map(S::into).collect();
        self
    }

    /// Path of the manifest.
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        self.directory.join(MANIFEST)
    }

    /// The staging area of the job: the directory of its staged files.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.directory.join(STAGING).join(&self.id)
    }

    /// What the paths of staged files begin with.
    fn staging_prefix(&self) -> String {
        format!("{STAGING}/{}/", self.id)
    }

    /// Checks the id, which may come from elsewhere: the commit removes the directory with this name.
    fn check_id(&self) -> Result<()> {
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        if (1..=MAX_ID_CHARS).contains(&self.id.len())
            && self.id.chars().all(is_plain)
            && !self.id.starts_with('.')
        {
            return Ok(());
        }
        let message = format!(
            "the id of a job consists of 1 to {MAX_ID_CHARS} ASCII letters, digits, '-', '_' and '.', and does not begin with '.': {:?}",
            self.id
        );
        Err(Kind::Usage(message).into())
    }

    /// Checks that shards of this job can have `key`.
    fn check_key(&self, key: &ShardKey) -> Result<()> {
        self.check_id()?;
        let is_own = match (key, self.buckets) {
            (ShardKey::Bucket(bucket), Some(buckets)) => *bucket < buckets.get(),
            (ShardKey::Columns(columns), None) => columns.iter().map(|(column, _)| column).eq(&self.columns),
            _ => false,
        };
        if is_own {
            return key.directory().map(drop);
        }
        let problem = match self.buckets {
            Some(buckets) => format!("the key is not one of the {buckets} buckets of the job: {key}"),
            None => format!("the columns of the key are not those of the job, {:?}: {key}", self.columns),
        };
        Err(Kind::Shard { path: self.directory.clone(), problem }.into())
    }
}
