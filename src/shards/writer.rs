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

/// A shard built by one attempt: a staged file that no one reads before the commit.
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
        // A load looks for what killed loads have left next to its database. In the staging area, which has a file for each shard, all
        // loads together would take quadratic time.
        let directory = self.path.with_extension("load");
        std::fs::create_dir(&directory).map_err(|error| Error::io("create", &directory, error))?;
        let loaded = self.load_in(&directory, loader, reader);
        let removed = std::fs::remove_dir_all(&directory);
        let report = loaded?;
        removed.map_err(|error| Error::io("remove", &directory, error))?;
        Ok((self.finish(report.loaded)?, report))
    }

    /// Loads into a database in `directory`, and moves it to its path.
    #[cfg(feature = "arrow")]
    fn load_in(
        &self,
        directory: &Path,
        loader: &Loader,
        reader: impl arrow_array::RecordBatchReader + Send + 'static,
    ) -> Result<Report> {
        let database = directory.join("data.sqlite");
        let mut report = loader.load_arrow(reader, &database)?;
        std::fs::rename(&database, &self.path).map_err(|error| Error::io("create", &self.path, error))?;
        report.database.clone_from(&self.path);
        Ok(report)
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
