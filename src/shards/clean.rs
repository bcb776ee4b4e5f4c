//! Removes what jobs leave behind.

use super::{MANIFEST, Manifest, STAGING, ShardJob};
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::fs::read_dir;
use std::io;
use std::path::{Path, PathBuf};

impl ShardJob {
    /// Ends the job without publishing anything: removes its staging area. Other jobs, and what is published, are not touched.
    ///
    /// # Errors
    /// [`Kind::Io`](crate::Kind::Io).
    pub fn abort(&self) -> Result<()> {
        self.check_id()?;
        remove_staging(self)
    }

    /// Removes what dead jobs have left in `directory`: the staging areas of all jobs that are not in `live`. If none is left, no
    /// commit is under way, and the databases that the manifest does not name are removed, too: `data.sqlite` and
    /// `data-<hash>.sqlite` in directories with names of shards. Returns the paths of what was removed.
    ///
    /// Readers of an older manifest lose its shards, unless they have them open.
    ///
    /// # Errors
    /// [`Kind::Io`](crate::Kind::Io); [`Kind::Shard`](crate::Kind::Shard) if the manifest cannot be understood.
    pub fn clean(directory: impl AsRef<Path>, live: &[impl AsRef<str>]) -> Result<Vec<PathBuf>> {
        let directory = directory.as_ref();
        let failed = |error| Error::io("clean", directory, error);
        let staging = directory.join(STAGING);
        let mut removed = Vec::new();
        let is_live =
            |job: &Path| job.file_name().is_some_and(|name| live.iter().any(|live| name == live.as_ref()));
        for job in entries(&staging).map_err(failed)?.into_iter().filter(|job| !is_live(job)) {
            std::fs::remove_dir_all(&job).map_err(failed)?;
            removed.push(job);
        }
        let _ = std::fs::remove_dir(&staging);
        removed.extend(remove_superseded(directory)?);
        Ok(removed)
    }
}

/// Removes the databases of shards that the manifest in `directory` does not name, if no job is under way.
pub(super) fn remove_superseded(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io("clean", directory, error);
    if directory.join(STAGING).exists() {
        return Ok(Vec::new());
    }
    let path = directory.join(MANIFEST);
    let shards = if path.exists() { Manifest::read(path)?.shards } else { Vec::new() };
    let named: HashSet<_> = shards.iter().map(|shard| directory.join(&shard.path)).collect();
    let mut removed = Vec::new();
    remove_below(directory, &named, &mut removed).map_err(failed)?;
    Ok(removed)
}

fn remove_below(directory: &Path, named: &HashSet<PathBuf>, removed: &mut Vec<PathBuf>) -> io::Result<()> {
    for path in entries(directory)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.contains('=') && path.is_dir() && !path.is_symlink() {
            remove_below(&path, named, removed)?;
            // It stays if it is not empty.
            let _ = std::fs::remove_dir(&path);
        } else if is_shard(name) && !named.contains(&path) {
            std::fs::remove_file(&path)?;
            removed.push(path);
        }
    }
    Ok(())
}

/// True for the names that the commit gives to shards.
fn is_shard(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".sqlite") else { return false };
    let is_hash = |hash: &str| hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    stem == "data" || stem.strip_prefix("data-").is_some_and(is_hash)
}

/// The entries of a directory, in a fixed order; none if it does not exist.
pub(super) fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Removes the staging area of a job.
pub(super) fn remove_staging(job: &ShardJob) -> Result<()> {
    let area = job.staging();
    match std::fs::remove_dir_all(&area) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &area, error)),
        _ => {
            // It stays if other jobs are under way.
            let _ = std::fs::remove_dir(job.directory.join(STAGING));
            Ok(())
        }
    }
}
