//! Opening databases for writing.

use super::file_control::has_moved;
use super::in_place::unsupported_reason;
use super::inspect::{check_table_name, keeps_rows, replaceable_page_bytes};
use super::snapshot::SchemaSnapshot;
use super::write_ahead_log::{LeftLog, has_log};
use crate::error::{Error, Kind, Result};
use crate::files::descriptors::{FileId, is_open_nowhere};
use crate::files::paths;
use crate::files::staged::{StagedFile, has_attributes_of, remove_abandoned_files};
use crate::plan::{Table, Tuning};
use crate::types::register_math_functions;
use rusqlite::{Connection, OpenFlags};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often to open a database that is replaced while this process waits for its lock.
const MAX_OPENS: usize = 8;

/// The size of the largest empty database: a page of the largest size.
pub(super) const MAX_EMPTY_BYTES: u64 = 65536;

/// A database that is open to receive tables.
#[derive(Debug)]
pub(super) struct OpenTarget {
    /// A connection to the new database, in which no transaction is open, or to the existing one, in an exclusive
    /// transaction.
    pub(super) connection: Connection,
    /// The new database; `None` if an existing one is changed.
    pub(super) staged: Option<StagedFile>,
    /// The database that the new one replaces, in an exclusive transaction.
    pub(super) old: Option<Connection>,
    /// An existing database returns to WAL mode when this is dropped, after the connection.
    pub(super) log: Option<LeftLog>,
    /// Why the direct path cannot write to an existing database.
    pub(super) statements_reason: Option<&'static str>,
}

impl OpenTarget {
    fn new(connection: Connection, staged: StagedFile, old: Option<Connection>) -> Self {
        Self { connection, staged: Some(staged), old, log: None, statements_reason: None }
    }
}

impl OpenTarget {
    /// Lets an existing database leave WAL mode if all tables take pages. Returns `None` if the database was changed meanwhile.
    fn leave_log(
        self,
        path: &Path,
        tables: &[&Table],
        tuning: &Tuning,
        takes_pages: &dyn Fn(&Table, &Connection, bool) -> Result<bool>,
    ) -> Result<Option<Self>> {
        let failed = |source| Error::sqlite("read", path, source);
        let takes = |table: &&Table| {
            let is_filled = keeps_rows(&self.connection, table).map_err(failed)?;
            takes_pages(table, &self.connection, is_filled)
        };
        if self.staged.is_some()
            || self.statements_reason.is_some()
            || !has_log(&self.connection).map_err(failed)?
            || !tables.iter().map(takes).collect::<Result<Vec<_>>>()?.into_iter().all(|takes| takes)
        {
            return Ok(Some(self));
        }
        let Some((connection, log)) = LeftLog::leave(self.connection, path, tuning)? else { return Ok(None) };
        let left = Self { connection, log, ..self };
        // In WAL mode, the file need not be as long as its header says.
        let statements_reason = unsupported_reason(&left.connection, path).map_err(failed)?;
        Ok(Some(Self { statements_reason, ..left }))
    }
}

/// Opens the database at `path` to receive `tables`, or creates it. All checks are made under the lock that is kept.
///
/// # Errors
/// [`Kind::DatabaseChanged`] if the schema is not `expected`, or if other programs replace the database again and again.
pub(super) fn open_target(
    path: &Path,
    tables: &[&Table],
    tuning: &Tuning,
    keeps_journal: bool,
    expected: Option<&SchemaSnapshot>,
    takes_pages: &dyn Fn(&Table, &Connection, bool) -> Result<bool>,
) -> Result<OpenTarget> {
    for _ in 0..MAX_OPENS {
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match check_no_stray_journal(path) {
                    // Another load has just created the database, and a third one changes it.
                    Err(_) if path.symlink_metadata().is_ok() => continue,
                    checked => checked?,
                }
                check_schema(path, &SchemaSnapshot::MISSING, expected)?;
                let staged = StagedFile::create(path).map_err(|error| Error::io("create", path, error))?;
                let connection = open_staged(&staged, path, tuning, tuning.page_bytes, keeps_journal)?;
                return Ok(OpenTarget::new(connection, staged, None));
            }
            Err(error) => return Err(Error::io("open", path, error)),
            Ok(metadata) => {
                let opened = open_existing_target(path, &metadata, tables, tuning, keeps_journal, expected)?;
                let opened = opened.map(|opened| opened.leave_log(path, tables, tuning, takes_pages));
                if let Some(opened) = opened.transpose()?.flatten() {
                    return Ok(opened);
                }
            }
        }
    }
    Err(Kind::DatabaseChanged { path: path.to_owned() }.into())
}

/// Opens an existing database to be changed or to be replaced. Returns `None` if the file at `path` was replaced while
/// this process waited for its lock.
fn open_existing_target(
    path: &Path,
    metadata: &Metadata,
    tables: &[&Table],
    tuning: &Tuning,
    keeps_journal: bool,
    expected: Option<&SchemaSnapshot>,
) -> Result<Option<OpenTarget>> {
    let fills_existing = tables.iter().any(|table| table.if_exists.fills_existing());
    // An empty database is one page at most.
    let may_replace = !fills_existing || metadata.len() <= MAX_EMPTY_BYTES;
    // To be asked before SQLite opens the file.
    let open_nowhere = may_replace && check_open_nowhere(path);
    let failed = |source| Error::sqlite("open", path, source);
    // To lock an empty file, SQLite starts a journal, which would be in the way of a new file.
    let is_empty = metadata.len() == 0 && open_nowhere;
    let old = match if is_empty { open_empty(path, tuning) } else { open_existing(path, tuning) } {
        // Deleted meanwhile.
        Err(_) if !path.exists() => return Ok(None),
        opened => opened?,
    };
    if has_moved(&old).map_err(failed)? || FileId::at(path) != Some(FileId::from(metadata)) {
        return Ok(None);
    }
    check_schema(path, &SchemaSnapshot::of(&old).map_err(failed)?, expected)?;
    tables.iter().try_for_each(|table| check_table_name(&old, path, table))?;
    let keeps = tables.iter().map(|table| keeps_rows(&old, table)).collect::<Result<Vec<_>, _>>();
    let has_rows_to_keep =
        keeps.map_err(|source| Error::sqlite("read", path, source))?.into_iter().any(|keeps| keeps);
    let replaceable = match open_nowhere && !has_rows_to_keep {
        true => replaceable_page_bytes(&old, path, metadata, tables)?,
        false => None,
    };
    let staged = replaceable.and_then(|page_bytes| Some((page_bytes, stage_like(path, metadata)?)));
    Ok(Some(match staged {
        Some((page_bytes, staged)) => {
            let page_bytes = tuning.page_bytes.or(Some(page_bytes));
            let connection = open_staged(&staged, path, tuning, page_bytes, keeps_journal)?;
            OpenTarget::new(connection, staged, Some(old))
        }
        None => {
            remove_abandoned_files(path);
            if is_empty {
                // To be changed in place, it needs a journal on disk.
                let restart = "ROLLBACK; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE";
                old.execute_batch(restart).map_err(failed)?;
                check_schema(path, &SchemaSnapshot::of(&old).map_err(failed)?, expected)?;
                tables.iter().try_for_each(|table| check_table_name(&old, path, table))?;
            }
            let statements_reason = unsupported_reason(&old, path).map_err(failed)?;
            OpenTarget { connection: old, staged: None, old: None, log: None, statements_reason }
        }
    }))
}

/// True if no process has the database at `path` open. One that has it open would keep reading the old file if a new one
/// replaced it. False if this is not known.
///
/// A program may still open the file between this check and the lock on the database.
pub(super) fn check_open_nowhere(path: &Path) -> bool {
    // Another program may be about to close it.
    const TRIES: usize = 5;
    const WAIT: Duration = Duration::from_millis(10);
    for tried in 0..TRIES {
        match is_open_nowhere(path) {
            Ok(true) => return true,
            Ok(false) if tried + 1 < TRIES => std::thread::sleep(WAIT),
            _ => break,
        }
    }
    false
}

/// Creates the staged file that replaces the database at `path`; `None` if it cannot be created or cannot have all attributes
/// of the old one.
fn stage_like(path: &Path, metadata: &Metadata) -> Option<StagedFile> {
    let staged = StagedFile::create_like(path, metadata).ok()?;
    has_attributes_of(staged.path(), path).ok()?.then_some(staged)
}

fn check_schema(path: &Path, found: &SchemaSnapshot, expected: Option<&SchemaSnapshot>) -> Result<()> {
    match expected {
        Some(expected) if expected != found => Err(Kind::DatabaseChanged { path: path.to_owned() }.into()),
        _ => Ok(()),
    }
}

/// Applies the settings that hold for the whole load. No transaction may be open.
fn configure(connection: &Connection, tuning: &Tuning) -> rusqlite::Result<()> {
    register_math_functions(connection)?;
    connection.pragma_update(None, "synchronous", tuning.synchronous.as_str())?;
    connection.pragma_update(None, "cache_size", -i64::from(tuning.cache_kib))?;
    // The direct path writes to the file itself.
    connection.pragma_update(None, "mmap_size", 0)?;
    // DROP TABLE must not delete or change rows of tables that refer to this one.
    connection.pragma_update(None, "foreign_keys", false)
}

/// Has SQLite operations end soon after `stop` is set.
pub(crate) fn interrupt_on(connection: &mut Connection, stop: Arc<AtomicBool>) -> rusqlite::Result<()> {
    /// Virtual machine instructions between two checks of the stop flag: a fraction of a millisecond.
    const STOP_INTERVAL: std::ffi::c_int = 10_000;
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
    tuning: &Tuning,
    page_bytes: Option<u32>,
    keeps_journal: bool,
) -> Result<Connection> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(staged.path(), flags)?;
        page_bytes.map_or(Ok(()), |page_bytes| connection.pragma_update(None, "page_size", page_bytes))?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", if keeps_journal { "MEMORY" } else { "OFF" })?;
        configure(&connection, tuning)?;
        Ok(connection)
    };
    open().map_err(|source| Error::sqlite("create", path, source))
}

/// Opens the empty file at `path` and starts an exclusive transaction with a journal in memory.
fn open_empty(path: &Path, tuning: &Tuning) -> Result<Connection> {
    let connection = open_existing(path, tuning)?;
    let restart = "ROLLBACK; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE";
    connection.execute_batch(restart).map_err(|source| Error::sqlite("open", path, source))?;
    Ok(connection)
}

/// Opens the database at `path` and starts an exclusive transaction. Waits for locks as `tuning` says.
pub(super) fn open_existing(path: &Path, tuning: &Tuning) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(tuning.busy_timeout)?;
        configure(&connection, tuning)?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(connection)
    };
    open().map_err(|source| Error::sqlite("open", path, source))
}

/// Resolves the symbolic links in the `path` of a database, which need not exist.
///
/// # Errors
/// [`Kind::Io`] if its directory does not exist, or if `path` is a directory or a device; [`Kind::Usage`] if it is the
/// journal or write-ahead log of another database.
pub(super) fn resolve_path(path: &Path) -> Result<PathBuf> {
    let real = paths::resolve(path)?;
    match real.symlink_metadata() {
        Ok(metadata) if !metadata.is_file() => {
            Err(Error::io("open", path, io::Error::other("it is not a regular file")))
        }
        _ => paths::check_not_sidecar(&real, &[]).map(|()| real),
    }
}

/// Checks the `path` of the database before a load opens any file: that a database is or can be there, and that this process
/// does not have it open. POSIX locks belong to the process: to close any descriptor of the file would drop the locks of
/// whoever has it open.
///
/// # Errors
/// [`Kind::DatabaseOpenInProcess`]; [`Kind::NotADatabase`], and the one of `inputs` that is one; [`Kind::Usage`] if the path
/// is a special name of SQLite or of standard output; otherwise as [`resolve_path`].
pub(crate) fn check_path(path: &Path, inputs: &[PathBuf]) -> Result<()> {
    let special = [
        ("-", "the database must be a file, and cannot be standard output (\"-\")"),
        (
            ":memory:",
            "the database must be a file: one in memory (\":memory:\") would be lost when the load ends",
        ),
    ];
    if let Some((_, problem)) = special.iter().find(|(name, _)| path == Path::new(name)) {
        return Err(Kind::Usage((*problem).to_owned()).into());
    }
    let real = resolve_path(path)?;
    match FileId::at(&real) {
        Some(id) if id.is_open_in_process() => {
            Err(Kind::DatabaseOpenInProcess { path: path.to_owned() }.into())
        }
        Some(_) if paths::is_not_a_database(&real) => {
            let is_database = |input: &&PathBuf| input.is_file() && paths::has_magic(input) == Some(true);
            let swapped = inputs.iter().find(is_database).cloned();
            Err(Kind::NotADatabase { path: path.to_owned(), swapped }.into())
        }
        _ => Ok(()),
    }
}

/// Checks that no journal or write-ahead log exists for a new database at `path`. SQLite would replay it into the new
/// database.
///
/// # Errors
/// [`Kind::StrayJournal`].
pub(super) fn check_no_stray_journal(path: &Path) -> Result<()> {
    match paths::journals(path).into_iter().find(|journal| journal.symlink_metadata().is_ok()) {
        Some(path) => Err(Kind::StrayJournal { path }.into()),
        None => Ok(()),
    }
}
