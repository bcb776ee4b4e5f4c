//! Opening databases for writing.

use super::inspect::{check_table_name, journal_paths, replaceable_page_bytes};
use crate::error::{Error, Kind, Result};
use crate::files::staged::{StagedFile, directory_of, remove_abandoned_files};
use crate::plan::{Table, Tuning};
use crate::types::register_math_functions;
use rusqlite::{Connection, OpenFlags};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long to wait for a database that another process has locked.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens the database at `path` to receive `table`, or creates it. Returns the connection, no transaction open; the
/// staged file if the database is new; and the database that it replaces, locked, if there is one.
pub(super) fn open_target(
    path: &Path,
    table: &Table,
    tuning: &Tuning,
    keeps_journal: bool,
) -> Result<(Connection, Option<StagedFile>, Option<Connection>)> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_no_stray_journal(path)?;
            let staged = StagedFile::create(path).map_err(|error| Error::io("create", path, error))?;
            let connection = open_staged(&staged, path, tuning.page_bytes, keeps_journal)?;
            return Ok((connection, Some(staged), None));
        }
        Err(error) => return Err(Error::io("open", path, error)),
    };
    let old = open_existing(path)?;
    check_table_name(&old, path, table)?;
    let page_bytes = match table.if_exists.fills_existing() {
        true => None,
        false => replaceable_page_bytes(&old, path, &metadata, table)?,
    };
    match page_bytes.and_then(|bytes| Some((bytes, StagedFile::create_like(path, &metadata).ok()?))) {
        Some((page_bytes, staged)) => {
            let page_bytes = tuning.page_bytes.or(Some(page_bytes));
            let connection = open_staged(&staged, path, page_bytes, keeps_journal)?;
            Ok((connection, Some(staged), Some(old)))
        }
        None => {
            remove_abandoned_files(path);
            old.execute_batch("ROLLBACK").map_err(|source| Error::sqlite("open", path, source))?;
            Ok((old, None, None))
        }
    }
}

/// Applies the settings that hold for the whole load.
pub(super) fn configure(
    connection: &mut Connection,
    tuning: &Tuning,
    stop: Arc<AtomicBool>,
) -> rusqlite::Result<()> {
    /// Virtual machine instructions between two checks of the stop flag: a fraction of a millisecond.
    const STOP_INTERVAL: std::ffi::c_int = 10_000;
    connection.pragma_update(None, "synchronous", tuning.synchronous.as_str())?;
    connection.pragma_update(None, "cache_size", -i64::from(tuning.cache_kib))?;
    connection.progress_handler(STOP_INTERVAL, Some(move || stop.load(Ordering::Relaxed)))
}

/// Opens the staged database for the destination `path`.
///
/// No other process sees this file, and it is discarded if the load fails. So it is locked once, not per transaction,
/// and it has no journal, which would cost a quarter of the time where keys are random, unless failed statements have
/// to be rolled back.
pub(super) fn open_staged(
    staged: &StagedFile,
    path: &Path,
    page_bytes: Option<u32>,
    keeps_journal: bool,
) -> Result<Connection> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(staged.path(), flags)?;
        register_math_functions(&connection)?;
        page_bytes.map_or(Ok(()), |page_bytes| connection.pragma_update(None, "page_size", page_bytes))?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", if keeps_journal { "MEMORY" } else { "OFF" })?;
        Ok(connection)
    };
    open().map_err(|source| Error::sqlite("create", path, source))
}

/// Opens the database at `path` and starts an exclusive transaction. Waits [`BUSY_TIMEOUT`] for locks.
pub(super) fn open_existing(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        register_math_functions(&connection)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(connection)
    };
    open().map_err(|source| Error::sqlite("open", path, source))
}

/// Resolves the symbolic links in `path`. The file itself need not exist.
///
/// # Errors
/// [`Kind::Io`] if its directory does not exist, or if `path` is a directory.
pub(super) fn resolve_path(path: &Path) -> Result<PathBuf> {
    let failed = |error| Error::io("open", path, error);
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to a file that does not exist yet.
            if let Ok(to) = path.read_link() {
                return resolve_path(&directory_of(path).join(to));
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

/// Checks that no journal or write-ahead log exists for a new database at `path`. SQLite would replay it into the new
/// database.
///
/// # Errors
/// [`Kind::StrayJournal`].
pub(super) fn check_no_stray_journal(path: &Path) -> Result<()> {
    match journal_paths(path).into_iter().find(|journal| journal.symlink_metadata().is_ok()) {
        Some(path) => Err(Kind::StrayJournal { path }.into()),
        None => Ok(()),
    }
}
