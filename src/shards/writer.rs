//! One shard of one attempt.

use super::manifest::content_of;
use super::{Receipt, ShardJob, ShardKey};
use crate::error::{Error, Result};
use crate::files::paths::journals;
#[cfg(feature = "arrow")]
use crate::loader::Loader;
#[cfg(feature = "arrow")]
use crate::report::Report;
use std::path::{Path, PathBuf};

/// One shard that one attempt builds: a staged file, which nobody reads before the commit.
///
/// The file is `_staging/<job>/<attempt>-<uuid>.sqlite`, so attempts never share one. It is removed if the writer is dropped before
/// it has a receipt.
#[derive(Debug)]
#[must_use = "a shard has no rows until it is written"]
pub struct ShardWriter {
    key: ShardKey,
    attempt: u64,
    staged: String,
    path: PathBuf,
    is_finished: bool,
}

impl ShardJob {
    /// A writer for the shard `key`.
    ///
    /// `attempt` orders the attempts of the job: each retry of a task needs a larger number, since the newest shard of a key wins.
    ///
    /// # Errors
    /// [`Kind::Shard`](crate::Kind::Shard) if the key has other columns than the job; [`Kind::Io`](crate::Kind::Io) if the staging
    /// area cannot be created.
    pub fn writer(&self, key: ShardKey, attempt: u64) -> Result<ShardWriter> {
        self.check_key(&key)?;
        let area = self.staging();
        std::fs::create_dir_all(&area).map_err(|error| Error::io("create", &area, error))?;
        let random = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        let staged = format!("{}{attempt}-{random}.sqlite", self.staging_prefix());
        let path = self.directory.join(&staged);
        Ok(ShardWriter { key, attempt, staged, path, is_finished: false })
    }
}

impl ShardWriter {
    /// Path of the staged file. It does not exist until something writes it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills the shard with the record batches of `reader`, as [`Loader::load_arrow`] does. The table of `loader` must be that of the
    /// job.
    ///
    /// # Errors
    /// As [`Loader::load_arrow`].
    #[cfg(feature = "arrow")]
    pub fn load_arrow(
        self,
        loader: &Loader,
        reader: impl arrow_array::RecordBatchReader + Send + 'static,
    ) -> Result<(Receipt, Report)> {
        let report = loader.load_arrow(reader, &self.path)?;
        Ok((self.finish(report.loaded)?, report))
    }

    /// The receipt of the shard, whose database is complete at [`ShardWriter::path`] and has this number of rows.
    ///
    /// # Errors
    /// [`Kind::Io`](crate::Kind::Io) if the file cannot be read.
    pub fn finish(mut self, rows: u64) -> Result<Receipt> {
        let (bytes, hash) = content_of(&self.path).map_err(|error| Error::io("read", &self.path, error))?;
        self.is_finished = true;
        let (staged, key) = (self.staged.clone(), self.key.clone());
        Ok(Receipt { staged, key, rows, bytes, hash, attempt: self.attempt })
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            for path in journals(&self.path).iter().chain([&self.path]) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}
