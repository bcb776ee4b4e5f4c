//! Loads inputs into shards on one machine: an ordinary load into a staged database, then a shard for each key.

use super::clean::{entries, remove_superseded};
use super::parallel::for_each;
use super::table_copy::KeyedTable;
use super::{Manifest, Receipt, STAGING, ShardJob, ShardKey};
use crate::error::{Error, Kind, Result};
use crate::loader::Loader;
use crate::plan::{IfExists, Synchronous};
use crate::report::Report;
use std::fs::File;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A file in the staging area that is locked while the job is alive.
const LOCK: &str = "lock";

/// What the ids of these jobs begin with.
const ID_PREFIX: &str = "load-";

impl Loader {
    /// Loads `inputs` as [`Loader::load_all`] does, into one database for each key in `columns`, below `directory`.
    ///
    /// The rows first go to a staged database in `directory`, which needs as much space again. Each shard has the table with its keys
    /// and indexes. The manifest is published when all shards are complete; until then, an earlier one is valid. What killed loads
    /// have left in `directory` is removed.
    ///
    /// # Errors
    /// As [`Loader::load_all`]; [`Kind::ManifestExists`] unless existing tables are to be replaced; [`Kind::NoSuchColumn`];
    /// [`Kind::Shard`].
    pub fn load_shards(
        &self,
        inputs: &[PathBuf],
        directory: impl AsRef<Path>,
        columns: &[String],
    ) -> Result<(Report, Manifest)> {
        self.load_shards_by(inputs, directory.as_ref(), (columns, None))
    }

    /// As [`Loader::load_shards`], with one database for each of this many hash buckets of the columns that has rows.
    ///
    /// # Errors
    /// As [`Loader::load_shards`].
    pub fn load_bucket_shards(
        &self,
        inputs: &[PathBuf],
        directory: impl AsRef<Path>,
        columns: &[String],
        buckets: NonZeroU32,
    ) -> Result<(Report, Manifest)> {
        self.load_shards_by(inputs, directory.as_ref(), (columns, Some(buckets)))
    }

    fn load_shards_by(
        &self,
        inputs: &[PathBuf],
        directory: &Path,
        (columns, buckets): (&[String], Option<NonZeroU32>),
    ) -> Result<(Report, Manifest)> {
        let (started, plan) = (Instant::now(), self.plan());
        let replaces = plan.table.if_exists == IfExists::Replace;
        if plan.table.if_exists.fills_existing()
            || plan.columns.as_ref().is_some_and(|columns| columns.table_per_input)
        {
            return Err(Kind::Usage("shards are built of one new table".to_owned()).into());
        }
        let random = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        let job = ShardJob::new(directory, format!("{ID_PREFIX}{random}"), &plan.table.name)?
            .durable(plan.tuning.synchronous >= Synchronous::Full);
        let job = ShardJob { buckets, ..job };
        if job.manifest_path().exists() && !replaces {
            return Err(Kind::ManifestExists { path: job.directory }.into());
        }
        let area = Area::create(&job)?;
        let mut manifest = None;
        let staged = job.staging().join("rows.sqlite");
        let report = self.load_and(inputs, (&staged, columns), &job.directory, |report, stop| {
            let job = job.clone().expected_rows(report.inserted);
            // SQLite calls it an error of its own if it is interrupted.
            let stopped = |error| match stop.load(Ordering::Relaxed) {
                true => Kind::Interrupted.into(),
                false => error,
            };
            manifest = Some(build(job, &staged, columns, report.jobs, stop).map_err(stopped)?);
            report.finished_after(started.elapsed());
            Ok(())
        })?;
        drop(area);
        if replaces {
            // What remains is not part of the result.
            let _ = remove_superseded(&job.directory);
        }
        let manifest = manifest.ok_or_else(|| Kind::Internal("the shards were not built".to_owned()))?;
        Ok((report, manifest))
    }
}

/// Builds and commits a shard for each key of the staged table.
fn build(
    job: ShardJob,
    staged: &Path,
    columns: &[String],
    jobs: usize,
    stop: &Arc<AtomicBool>,
) -> Result<Manifest> {
    let source = KeyedTable::open(staged, &job.table, (columns, job.buckets), stop)?;
    let job = job.by(source.key_columns()).schema(source.schema());
    let keys = source.keys()?;
    let receipts = for_each(&keys, jobs, stop, |(key, rows)| build_one(&job, &source, key, *rows))?;
    job.commit(&receipts)
}

fn build_one(job: &ShardJob, source: &KeyedTable, key: &ShardKey, rows: u64) -> Result<Receipt> {
    let writer = job.writer(key.clone(), 1)?;
    let copied = source.copy(key, writer.path())?;
    if copied != rows {
        let problem = format!("{copied} rows of {key} were copied, expected {rows}");
        return Err(Kind::Shard { path: writer.path().to_owned(), problem }.into());
    }
    writer.finish(copied)
}

/// The staging area of a load, which is removed on drop.
struct Area<'j> {
    job: &'j ShardJob,
    /// Locked until the area is removed.
    _lock: File,
}

impl<'j> Area<'j> {
    /// Creates the staging area, and removes those of loads that were killed.
    fn create(job: &'j ShardJob) -> Result<Self> {
        let path = job.staging();
        let failed = |error| Error::io("create", &path, error);
        std::fs::create_dir_all(&path).map_err(failed)?;
        let lock = File::create(path.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        remove_dead(&job.directory.join(STAGING));
        Ok(Self { job, _lock: lock })
    }
}

impl Drop for Area<'_> {
    fn drop(&mut self) {
        let _ = self.job.abort();
    }
}

/// Removes the staging areas of loads that were killed. Ignores errors.
fn remove_dead(staging: &Path) {
    for area in entries(staging).unwrap_or_default() {
        let is_load = area.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ID_PREFIX));
        // A load that is starting has not locked its file yet.
        let Some(lock) = File::open(area.join(LOCK)).ok().filter(|_| is_load) else { continue };
        if lock.try_lock().is_ok() {
            tracing::debug!(path = %area.display(), "removing what a killed load left");
            let _ = std::fs::remove_dir_all(&area);
        }
    }
}
