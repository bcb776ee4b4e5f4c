//! The database's place: what is there, the file that is built aside, and how it takes its place.
//!
//! All or nothing. A new database is built in a file beside its place and renamed in when it is whole. An
//! existing database is changed in one transaction with its own journal; only if the table that is
//! replaced is all that it holds is it replaced as a file, under an exclusive lock on the old one.
//!
//! A file built aside is named `.NAME.sqload-XXXXXX` and locked (`flock`) while it is being built; one that
//! is not locked was left by a load that was killed, and the next load into the same place removes it.

use crate::error::{Error, Kind, Result};
use crate::plan::{Synchronous, Table, Tuning};
use crate::write::quote_name;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::NamedTempFile;

/// Where the rows go, and how that becomes the database that was asked for.
#[derive(Debug)]
pub(crate) struct Target {
    /// The database's place, without symbolic links.
    path: PathBuf,
    /// Declared first, so that SQLite closes a file before its lock and its name go.
    connection: Connection,
    aside: Option<Aside>,
    synchronous: Synchronous,
}

/// A database file that is being built beside its place.
#[derive(Debug)]
struct Aside {
    /// Locked. Removed when dropped.
    file: NamedTempFile,
    /// The database that is to be replaced, locked against everybody else.
    old: Option<Connection>,
}

impl Target {
    /// Opens `path` to receive `table`, which is made anew, in a transaction that [`Target::commit`] ends.
    /// SQLite stops what it does soon after `stop` is set.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::Sqlite`], [`Kind::Locked`] or [`Kind::StrayJournal`].
    pub(crate) fn open(path: &Path, table: &Table, tuning: &Tuning, stop: Arc<AtomicBool>) -> Result<Self> {
        let path = real_path(path)?;
        remove_leftovers(&path);
        let mut target = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_stray_journals(&path)?;
                Self::aside(path, None, tuning.page_bytes, tuning.synchronous)?
            }
            Err(error) => return Err(Error::io("open", &path, error)),
            Ok(metadata) => {
                let old = open_existing(&path)?;
                match replaceable_page_bytes(&old, &path, &metadata, table)? {
                    Some(page_bytes) => {
                        let page_bytes = tuning.page_bytes.or(Some(page_bytes));
                        Self::aside(path, Some(old), page_bytes, tuning.synchronous)?
                    }
                    None => Self { path, connection: old, aside: None, synchronous: tuning.synchronous },
                }
            }
        };
        target.begin(table, tuning, stop)?;
        Ok(target)
    }

    fn aside(
        path: PathBuf,
        old: Option<Connection>,
        page_bytes: Option<u32>,
        synchronous: Synchronous,
    ) -> Result<Self> {
        let file = create_aside(&path).map_err(|error| Error::io("create", &path, error))?;
        if old.is_some() {
            let permissions =
                path.metadata().and_then(|old| file.as_file().set_permissions(old.permissions()));
            permissions.map_err(|error| Error::io("create", &path, error))?;
        }
        let failed = |source| Error::sqlite("create", &path, source);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file.path(), flags).map_err(failed)?;
        if let Some(page_bytes) = page_bytes {
            connection.pragma_update(None, "page_size", page_bytes).map_err(failed)?;
        }
        // Nobody else sees this file, and if the load fails it is thrown away: no lock to take again for
        // each transaction, no journal to go back with.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "OFF").map_err(failed)?;
        Ok(Self { path, connection, aside: Some(Aside { file, old }), synchronous })
    }

    fn begin(&mut self, table: &Table, tuning: &Tuning, stop: Arc<AtomicBool>) -> Result<()> {
        /// Virtual machine instructions between two looks at the stop flag: a fraction of a millisecond.
        const STOP_INTERVAL: std::ffi::c_int = 10_000;
        let connection = &mut self.connection;
        let run = || {
            connection.pragma_update(None, "synchronous", tuning.synchronous.as_str())?;
            connection.pragma_update(None, "cache_size", -i64::from(tuning.cache_kib))?;
            // Dropping a table must not reach into the tables that refer to it.
            connection.pragma_update(None, "foreign_keys", false)?;
            connection.progress_handler(STOP_INTERVAL, Some(move || stop.load(Ordering::Relaxed)))?;
            connection.execute_batch("BEGIN EXCLUSIVE")?;
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", quote_name(&table.name)))?;
            connection.execute_batch(&create_table_sql(table))
        };
        run().map_err(|source| Error::sqlite(format!("make table {:?} in", table.name), &self.path, source))
    }

    /// The connection that the rows go in through.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The database's place.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks the whole database, and that `table` has `rows` rows.
    ///
    /// # Errors
    /// [`Kind::Verify`] with what SQLite found.
    pub(crate) fn verify(&self, table: &Table, rows: u64) -> Result<()> {
        let failed = |source| Error::sqlite("verify", &self.path, source);
        let count_sql = format!("SELECT count(*) FROM {}", quote_name(&table.name));
        let check = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
        let counted = self.connection.query_row(&count_sql, [], |row| row.get::<_, i64>(0));
        match (check.map_err(failed)?.as_str(), counted.map_err(failed)?) {
            ("ok", counted) if u64::try_from(counted) == Ok(rows) => Ok(()),
            ("ok", counted) => Err(Kind::Verify(format!("{counted} rows where {rows} were loaded")).into()),
            (problem, _) => Err(Kind::Verify(problem.to_owned()).into()),
        }
    }

    /// Makes the rows the content of the database.
    ///
    /// # Errors
    /// As [`Target::open`]. The database is then as it was.
    pub(crate) fn commit(mut self, vacuum: bool) -> Result<()> {
        let failed = |source| Error::sqlite("commit to", &self.path, source);
        let close = |connection: Connection| connection.close().map_err(|(_, source)| failed(source));
        let Some(aside) = self.aside else {
            self.connection.execute_batch("COMMIT").map_err(failed)?;
            if vacuum {
                // From here on the load has happened, so a stop comes too late.
                self.connection.progress_handler(0, None::<fn() -> bool>).map_err(failed)?;
                self.connection.execute_batch("VACUUM").map_err(failed)?;
            }
            return close(self.connection);
        };
        self.connection.execute_batch("COMMIT").map_err(failed)?;
        if vacuum {
            self.connection.execute_batch("VACUUM").map_err(failed)?;
        }
        close(self.connection)?;
        aside.take_place(&self.path, self.synchronous)
    }
}

impl Aside {
    fn take_place(self, path: &Path, synchronous: Synchronous) -> Result<()> {
        let failed = |error| Error::io("write", path, error);
        let is_durable = synchronous >= Synchronous::Full;
        if is_durable {
            self.file.as_file().sync_all().map_err(failed)?;
        }
        refuse_stray_journals(path)?;
        let replaced = match self.old {
            Some(_) => self.file.persist(path),
            None => self.file.persist_noclobber(path),
        };
        replaced.map_err(|error| failed(error.error))?;
        if is_durable {
            File::open(directory_of(path)).and_then(|directory| directory.sync_all()).map_err(failed)?;
        }
        Ok(())
    }
}

/// CREATE TABLE for `table`.
fn create_table_sql(table: &Table) -> String {
    let columns =
        table.columns.iter().map(|column| format!("{} {}", quote_name(&column.name), column.declaration));
    format!("CREATE TABLE {} ({})", quote_name(&table.name), columns.collect::<Vec<_>>().join(", "))
}

/// `path` with its symbolic links followed, whether or not there is a file yet.
fn real_path(path: &Path) -> Result<PathBuf> {
    let failed = |error| Error::io("open", path, error);
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or_else(|| failed(io::Error::other("it names no file")))?;
            let directory =
                directory_of(path).canonicalize().map_err(|error| Error::io("create", path, error))?;
            Ok(directory.join(name))
        }
        Ok(real) if real.is_dir() => Err(failed(io::Error::other("it is a directory"))),
        real => real.map_err(failed),
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Opens the database at `path` and waits, a little, for the lock that keeps everybody else out.
fn open_existing(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(2))?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(connection)
    };
    open().map_err(|source| Error::sqlite("open", path, source))
}

/// If the database at `path` holds nothing but `table`, and nothing else that a new file would lack: its page
/// size in bytes. The connection is then still in its exclusive transaction, otherwise in none.
fn replaceable_page_bytes(
    connection: &Connection,
    path: &Path,
    metadata: &std::fs::Metadata,
    table: &Table,
) -> Result<Option<u32>> {
    let check = || -> rusqlite::Result<Option<u32>> {
        let integer = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let text = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, String>(0));
        let others: i64 = connection.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE tbl_name <> ?1 COLLATE NOCASE OR type NOT IN ('table', 'index')",
            [&table.name],
            |row| row.get(0),
        )?;
        let is_plain = others == 0
            && metadata.nlink() == 1
            && text("journal_mode")? == "delete"
            && text("encoding")? == "UTF-8"
            && integer("auto_vacuum")? == 0
            && integer("user_version")? == 0
            && integer("application_id")? == 0
            && !journals_of(path).iter().any(|journal| journal.exists());
        if is_plain {
            return integer("page_size").map(|bytes| u32::try_from(bytes).ok());
        }
        connection.execute_batch("ROLLBACK")?;
        Ok(None)
    };
    check().map_err(|source| Error::sqlite("read", path, source))
}

fn journals_of(path: &Path) -> [PathBuf; 2] {
    ["-journal", "-wal"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// A journal that lies beside the place of a new database would be played into it.
fn refuse_stray_journals(path: &Path) -> Result<()> {
    match journals_of(path).into_iter().find(|journal| journal.symlink_metadata().is_ok()) {
        Some(path) => Err(Kind::StrayJournal { path }.into()),
        None => Ok(()),
    }
}

/// What the names of files built aside begin with.
fn aside_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".sqload-");
    prefix
}

/// A new, locked, empty file beside `path`.
fn create_aside(path: &Path) -> io::Result<NamedTempFile> {
    const READ_WRITE_BUT_FOR_UMASK: u32 = 0o666;
    loop {
        let file = tempfile::Builder::new()
            .prefix(&aside_prefix(path))
            .permissions(Permissions::from_mode(READ_WRITE_BUT_FOR_UMASK))
            .tempfile_in(directory_of(path))?;
        file.as_file().lock()?;
        // Between its creation and its lock another load may have taken it for a leftover.
        if file.as_file().metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// Removes what killed loads into `path` left beside it. What can not be removed is let lie.
fn remove_leftovers(path: &Path) {
    let prefix = aside_prefix(path);
    let Ok(entries) = directory_of(path).read_dir() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        // The lock is held until the file is gone, so that nobody takes it for their own meanwhile.
        if file.try_lock().is_ok() {
            tracing::debug!(path = %entry.path().display(), "removing what a killed load left");
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
