//! The commit: verify, place, publish, remove the staging area. After a crash in any step, the next commit does what remains.

use super::clean::remove_staging;
use super::manifest::{content_of, differs};
use super::parallel::{for_each, jobs};
use super::{Manifest, Receipt, Shard, ShardJob, ShardKey};
use crate::error::{Error, Kind, Result, count};
use crate::files::paths::journals;
use crate::files::staged::{StagedFile, rename_new, sync_directory_of};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The shard of each key.
type Chosen<'r> = BTreeMap<&'r ShardKey, &'r Receipt>;

/// How often a commit looks for a free name, while other jobs take them.
const MAX_PLACINGS: usize = 100;

impl ShardJob {
    /// Publishes the shards of `receipts`, which may come in any order, several times, and from several attempts.
    ///
    /// # Errors
    /// [`Kind::Shard`] if a receipt is not of this job, a staged file is missing or differs from its receipt, one attempt has two
    /// shards of a key, or the rows are not as many as expected; [`Kind::Io`]. The manifest on disk is then the old one, and a commit
    /// that failed can be repeated or followed by [`ShardJob::abort`].
    pub fn commit(&self, receipts: &[Receipt]) -> Result<Manifest> {
        self.check_id()?;
        let chosen = self.choose(receipts)?;
        self.check_rows(&chosen)?;
        if let Some(manifest) = self.published(&chosen) {
            remove_staging(self)?;
            return Ok(manifest);
        }
        std::fs::create_dir_all(&self.directory)
            .map_err(|error| Error::io("create", &self.directory, error))?;
        // Nothing moves until every shard is known to be there.
        let receipts: Vec<_> = chosen.values().copied().collect();
        let sources = for_each(&receipts, jobs(None), &AtomicBool::new(false), |receipt| self.find(receipt))?;
        let place = |(receipt, source): (&Receipt, Source)| match source {
            Source::Staged => self.place(receipt),
            Source::Placed(path) => Ok(shard(receipt, path)),
        };
        let shards = receipts.into_iter().zip(sources).map(place).collect::<Result<Vec<_>>>()?;
        if self.durable {
            self.sync(&shards)?;
        }
        let manifest = Manifest::new(self, shards);
        self.publish(&manifest)?;
        remove_staging(self)?;
        Ok(manifest)
    }

    /// The newest receipt of each key.
    fn choose<'r>(&self, receipts: &'r [Receipt]) -> Result<Chosen<'r>> {
        let mut chosen = Chosen::new();
        for receipt in receipts {
            self.check_key(&receipt.key)?;
            let name = receipt.staged.strip_prefix(&self.staging_prefix());
            if name.is_none_or(|name| name.contains('/') || name.starts_with('.') || name.is_empty()) {
                let problem = format!("the receipt is not of the job {:?}", self.id);
                return Err(Kind::Shard { path: receipt.staged.clone().into(), problem }.into());
            }
            match chosen.get(&receipt.key) {
                Some(other) if other.staged == receipt.staged && *other != receipt => {
                    let problem = "its receipts differ".to_owned();
                    return Err(Kind::Shard { path: receipt.staged.clone().into(), problem }.into());
                }
                Some(other)
                    if other.attempt == receipt.attempt
                        && (other.bytes, &other.hash) != (receipt.bytes, &receipt.hash) =>
                {
                    let problem = format!(
                        "attempt {} has two different shards of {}; the other is {}",
                        receipt.attempt, receipt.key, other.staged
                    );
                    return Err(Kind::Shard { path: receipt.staged.clone().into(), problem }.into());
                }
                // The order of receipts does not matter.
                Some(other) if (other.attempt, &other.staged) >= (receipt.attempt, &receipt.staged) => {}
                _ => drop(chosen.insert(&receipt.key, receipt)),
            }
        }
        Ok(chosen)
    }

    fn check_rows(&self, chosen: &Chosen<'_>) -> Result<()> {
        let rows = chosen.values().map(|receipt| receipt.rows).sum();
        match self.expected_rows {
            Some(expected) if expected != rows => {
                let (rows, shards) = (count(rows, "row"), count(chosen.len() as u64, "shard"));
                let problem = format!("{shards} with {rows}, expected {}", count(expected, "row"));
                Err(Kind::Shard { path: self.directory.clone(), problem }.into())
            }
            _ => Ok(()),
        }
    }

    /// The manifest on disk, if an earlier commit of these shards has published it.
    fn published(&self, chosen: &Chosen<'_>) -> Option<Manifest> {
        let manifest = Manifest::read(self.manifest_path()).ok()?;
        let shards = chosen.values().zip(&manifest.shards);
        let shards = shards.map(|(receipt, published)| shard(receipt, published.path.clone()));
        let expected = Manifest::new(self, shards.collect());
        (expected == manifest).then_some(manifest)
    }

    /// Finds the file of a receipt, and verifies it: staged, or where an interrupted commit has put it.
    fn find(&self, receipt: &Receipt) -> Result<Source> {
        let staged = self.directory.join(&receipt.staged);
        match content_of(&staged) {
            Ok(found) if found == (receipt.bytes, receipt.hash.clone()) => return Ok(Source::Staged),
            Ok(found) => return Err(differs(&staged, &found, (receipt.bytes, &receipt.hash))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &staged, error)),
        }
        for path in final_paths(receipt)? {
            if self.has_content(&path, receipt)? {
                return Ok(Source::Placed(path));
            }
        }
        let problem = "the staged file is missing".to_owned();
        Err(Kind::Shard { path: staged, problem }.into())
    }

    /// Moves a staged file to its final name. No file with other content is replaced.
    fn place(&self, receipt: &Receipt) -> Result<Shard> {
        let staged = self.directory.join(&receipt.staged);
        for _ in 0..MAX_PLACINGS {
            for path in final_paths(receipt)? {
                if self.has_content(&path, receipt)? {
                    return Ok(shard(receipt, path));
                }
                let destination = self.directory.join(&path);
                // SQLite would replay the journal of a database that is gone.
                if journals(&destination).iter().any(|journal| journal.exists()) {
                    continue;
                }
                match self.move_new(&staged, &destination) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    moved => {
                        moved.map_err(|error| Error::io("create", &destination, error))?;
                        return Ok(shard(receipt, path));
                    }
                }
            }
        }
        let problem = format!("the final names for {} are taken by other files", receipt.key);
        Err(Kind::Shard { path: staged, problem }.into())
    }

    fn move_new(&self, staged: &Path, destination: &Path) -> io::Result<()> {
        let directory = destination.parent().unwrap_or(&self.directory);
        std::fs::create_dir_all(directory)?;
        rename_new(staged, destination)
    }

    /// Waits until the shards are on disk, with their names.
    fn sync(&self, shards: &[Shard]) -> Result<()> {
        let mut synced = HashSet::new();
        for shard in shards {
            let file = self.directory.join(&shard.path);
            for path in file.ancestors().take_while(|path| path.starts_with(&self.directory)) {
                if synced.insert(path.to_owned()) {
                    let sync = || File::open(path)?.sync_all();
                    sync().map_err(|error| Error::io("sync", path, error))?;
                }
            }
        }
        Ok(())
    }

    /// True if the file at `path` is the one of `receipt`.
    fn has_content(&self, path: &str, receipt: &Receipt) -> Result<bool> {
        let path = self.directory.join(path);
        match path.metadata() {
            Ok(metadata) if metadata.is_file() && metadata.len() == receipt.bytes => {}
            _ => return Ok(false),
        }
        let found = content_of(&path).map_err(|error| Error::io("read", &path, error))?;
        Ok(found.1 == receipt.hash)
    }

    fn publish(&self, manifest: &Manifest) -> Result<()> {
        let path = self.manifest_path();
        let write = || {
            let mut text = serde_json::to_vec_pretty(manifest)?;
            text.push(b'\n');
            let mut file = StagedFile::create(&path)?;
            file.writer().write_all(&text)?;
            if self.durable {
                file.sync()?;
            }
            file.persist(&path, true)?;
            if self.durable { sync_directory_of(&path) } else { Ok(()) }
        };
        write().map_err(|error| Error::io("write", &path, error))
    }
}

/// Where the file of a receipt is.
enum Source {
    Staged,
    /// At this final path.
    Placed(String),
}

/// The final paths of a shard: the second one is for when the first one is taken.
fn final_paths(receipt: &Receipt) -> Result<[String; 2]> {
    let directory = receipt.key.directory()?;
    let separator = if directory.is_empty() { "" } else { "/" };
    let path = |name: &str| format!("{directory}{separator}{name}");
    Ok([path("data.sqlite"), path(&format!("data-{}.sqlite", receipt.hash))])
}

fn shard(Receipt { key, rows, bytes, hash, .. }: &Receipt, path: String) -> Shard {
    Shard { path, key: key.clone(), rows: *rows, bytes: *bytes, hash: hash.clone() }
}
