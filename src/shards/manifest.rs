//! Receipts of shards, and the manifest.

use super::{MANIFEST, ShardKey};
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// The version of the manifest that this version of sqload writes and reads.
const VERSION: u32 = 1;

/// What a [`ShardWriter`](super::ShardWriter) has built. It travels to the process that commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Path of the staged file, relative to the directory of the job.
    pub staged: String,
    /// The key of the shard.
    pub key: ShardKey,
    /// The number of rows.
    pub rows: u64,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The hash of the file: 128 bits of XXH3 as 32 hexadecimal digits.
    pub hash: String,
    /// The attempt that built the shard. The newest one of a key wins.
    pub attempt: u64,
}

/// The shards of a job that is complete. Readers trust only the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The version of this format.
    pub version: u32,
    /// The id of the job.
    pub job: String,
    /// The table that every shard has.
    pub table: String,
    /// The columns of the key.
    pub columns: Vec<String>,
    /// The number of hash buckets, if the key is a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u32>,
    /// The statements that create the table and its indexes, if the job knew them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema: Vec<String>,
    /// The number of rows of all shards.
    pub rows: u64,
    /// The size of all shards in bytes.
    pub bytes: u64,
    /// The shards, in the order of their keys.
    pub shards: Vec<Shard>,
}

/// A shard of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Shard {
    /// Path of the database, relative to the directory of the manifest.
    pub path: String,
    /// Its key.
    pub key: ShardKey,
    /// The number of rows.
    pub rows: u64,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The hash of the file, as in [`Receipt::hash`].
    pub hash: String,
}

impl Manifest {
    /// The manifest of a job with these shards.
    pub(super) fn new(job: &super::ShardJob, shards: Vec<Shard>) -> Self {
        Self {
            version: VERSION,
            job: job.id.clone(),
            table: job.table.clone(),
            columns: job.columns.clone(),
            buckets: job.buckets.map(u32::from),
            schema: job.schema.clone(),
            rows: shards.iter().map(|shard| shard.rows).sum(),
            bytes: shards.iter().map(|shard| shard.bytes).sum(),
            shards,
        }
    }

    /// Reads the manifest at `path`, or in this directory.
    ///
    /// # Errors
    /// [`Kind::Io`] if the file cannot be read; [`Kind::Shard`] if it is not a manifest, or one of a later version.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let (path, _) = &Self::locate(path.as_ref());
        let text = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
        let wrong = |problem| Error::from(Kind::Shard { path: path.clone(), problem });
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("not a manifest of shards: {error}")))?;
        match manifest.version {
            VERSION => Ok(manifest),
            other => Err(wrong(format!(
                "the manifest has version {other}, and this version of sqload reads version {VERSION}"
            ))),
        }
    }

    /// The path of the manifest at `path`, or in this directory, and the directory of its shards.
    pub(super) fn locate(path: &Path) -> (PathBuf, &Path) {
        match path.is_dir() {
            true => (path.join(MANIFEST), path),
            false => (path.to_owned(), path.parent().unwrap_or(path)),
        }
    }

    /// Checks that the shard of this manifest, which is in `directory`, has the content that the manifest describes.
    ///
    /// # Errors
    /// [`Kind::Shard`] if it does not; [`Kind::Io`] if it cannot be read.
    pub fn verify(directory: &Path, shard: &Shard) -> Result<()> {
        let path = directory.join(&shard.path);
        match content_of(&path).map_err(|error| Error::io("read", &path, error))? {
            found if found == (shard.bytes, shard.hash.clone()) => Ok(()),
            found => Err(differs(&path, &found, (shard.bytes, &shard.hash))),
        }
    }
}

/// The error for a file whose size or hash are not as expected.
pub(super) fn differs(path: &Path, found: &(u64, String), expected: (u64, &str)) -> Error {
    let problem = if found.0 == expected.0 {
        format!("its hash is {}, expected {}", found.1, expected.1)
    } else {
        format!("its size is {} bytes, expected {}", found.0, expected.0)
    };
    Kind::Shard { path: path.to_owned(), problem }.into()
}

/// The size of the file at `path`, and its hash.
pub(super) fn content_of(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash) = (File::open(path)?, Xxh3::new());
    let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, format!("{:032x}", hash.digest128()))),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}
