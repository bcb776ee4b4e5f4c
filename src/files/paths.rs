//! Paths: symbolic links, and the files that SQLite keeps next to a database.

use super::descriptors::{FileId, open_without_waiting};
use super::staged::directory_of;
use crate::error::{Error, Kind, Result};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Suffixes of the files that SQLite keeps next to a database.
const SIDECAR_SUFFIXES: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The first bytes of a database (file format section 1.3.1).
const DATABASE_MAGIC: [u8; 16] = *b"SQLite format 3\0";

/// Resolves the symbolic links in `path`. The file itself need not exist.
///
/// # Errors
/// [`Kind::Io`] if its directory does not exist, or if `path` is a directory.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf> {
    let failed = |error| Error::io("open", path, error);
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to a file that does not exist yet.
            if let Ok(to) = path.read_link() {
                return resolve(&directory_of(path).join(to));
            }
            let name =
                path.file_name().ok_or_else(|| failed(io::Error::other("the path has no file name")))?;
            let directory =
                directory_of(path).canonicalize().map_err(|error| Error::io("create", path, error))?;
            Ok(directory.join(name))
        }
        Ok(real) if real.is_dir() => Err(failed(io::Error::other("it is a directory"))),
        real => real.map_err(failed),
    }
}

/// Paths of the rollback journal and the write-ahead log of the database at `path`.
pub(crate) fn journals(path: &Path) -> [PathBuf; 2] {
    ["-journal", "-wal"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// Checks that the file at the resolved path `path`, which is to be written, is not the journal, write-ahead log or
/// shared memory of a database: of an existing one, or of one of `targets`.
///
/// # Errors
/// [`Kind::Usage`] if it is.
pub(crate) fn check_not_sidecar(path: &Path, targets: &[PathBuf]) -> Result<()> {
    let database = SIDECAR_SUFFIXES.iter().find_map(|suffix| {
        let name = path.as_os_str().as_bytes().strip_suffix(suffix.as_bytes())?;
        let database = PathBuf::from(OsStr::from_bytes(name));
        let is_target = || targets.contains(&database);
        (is_target() || is_database(&database, path)).then_some(database)
    });
    match database {
        Some(database) => {
            let (path, database) = (path.display(), database.display());
            let message = format!(
                "{path} belongs to the database {database}, and SQLite writes to it: choose another path"
            );
            Err(Kind::Usage(message).into())
        }
        None => Ok(()),
    }
}

/// True if the file at `path` exists, is not empty, and does not begin as a database does.
pub(crate) fn is_not_a_database(path: &Path) -> bool {
    let Some(metadata) = path.metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() > 0)
    else {
        return false;
    };
    !FileId::from(&metadata).is_open_in_process() && has_magic(path) == Some(false)
}

/// True if the file at `path` begins as a database does; `None` if it cannot be read.
pub(crate) fn has_magic(path: &Path) -> Option<bool> {
    let mut magic = [0; DATABASE_MAGIC.len()];
    let real = path.canonicalize();
    match real.and_then(|path| open_without_waiting(&path)).and_then(|mut file| file.read_exact(&mut magic)) {
        Ok(()) => Some(magic == DATABASE_MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some(false),
        Err(_) => None,
    }
}

/// True if `path` is a database, or an empty file next to which there is a `sidecar`.
fn is_database(path: &Path, sidecar: &Path) -> bool {
    let Some(metadata) = path.metadata().ok().filter(std::fs::Metadata::is_file) else { return false };
    if metadata.len() == 0 {
        return sidecar.exists();
    }
    // To close it would drop the locks that this process has on it.
    if FileId::from(&metadata).is_open_in_process() {
        return true;
    }
    has_magic(path) == Some(true)
}
