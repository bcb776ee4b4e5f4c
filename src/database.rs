//! The database's place: what is there, the file that is built aside, and how it takes its place.
//!
//! All or nothing. A new database is built in a file beside its place and renamed in when it is whole. An
//! existing database is changed in one transaction with its own journal; only if the table that is
//! replaced is all that it holds is it replaced as a file, under an exclusive lock on the old one.

mod dry_run;
mod inspect;

use crate::error::{Error, Kind, Result};
use crate::files::staged::{StagedFile, directory_of, remove_leftovers};
use crate::plan::{IfExists, OnConflict, Synchronous, Table, Tuning};
use crate::schema::ddl::{create_table_sql, quote_name};
use crate::write::direct::Schema;
pub(crate) use dry_run::Trial;
pub(crate) use inspect::{existing_columns, existing_names};
use inspect::{journals_of, refuse_name, refuse_too_many_columns, replaceable_page_bytes};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the rows go, and how that becomes the database that was asked for.
#[derive(Debug)]
pub(crate) struct Target {
    /// The database's place, without symbolic links.
    path: PathBuf,
    /// Open, but while somebody else writes to the new database. Declared first, so that SQLite closes a file
    /// before its lock and its name go.
    connection: Option<Connection>,
    /// The new database, unless an existing one is changed.
    staged: Option<StagedFile>,
    /// The database that is to be replaced by the new one, locked against everybody else.
    old: Option<Connection>,
    /// Rows that the table had and keeps; counted only if the end is to be verified.
    rows_before: u64,
    tuning: Tuning,
    stop: Arc<AtomicBool>,
}

impl Target {
    /// Opens `path` to receive `table`, which is made anew, in a transaction that [`Target::commit`] ends.
    /// SQLite stops what it does soon after `stop` is set. In a new database statements that fail can be gone on after
    /// only if it `keeps_journal` what they did.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::Sqlite`], [`Kind::Locked`] or [`Kind::StrayJournal`].
    pub(crate) fn open(
        path: &Path,
        table: &Table,
        tuning: &Tuning,
        keeps_journal: bool,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let path = real_path(path)?;
        let (mut connection, staged, old) = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_stray_journals(&path)?;
                let staged = StagedFile::create(&path).map_err(|error| Error::io("create", &path, error))?;
                (open_new(&staged, &path, tuning.page_bytes, keeps_journal)?, Some(staged), None)
            }
            Err(error) => return Err(Error::io("open", &path, error)),
            Ok(metadata) => {
                let old = open_existing(&path)?;
                refuse_name(&old, &path, table)?;
                let page_bytes = match table.if_exists.fills_existing() {
                    true => None,
                    false => replaceable_page_bytes(&old, &path, &metadata, table)?,
                };
                match page_bytes
                    .and_then(|bytes| Some((bytes, StagedFile::create_like(&path, &metadata).ok()?)))
                {
                    Some((page_bytes, staged)) => {
                        let connection =
                            open_new(&staged, &path, tuning.page_bytes.or(Some(page_bytes)), keeps_journal)?;
                        (connection, Some(staged), Some(old))
                    }
                    None => {
                        remove_leftovers(&path);
                        old.execute_batch("ROLLBACK")
                            .map_err(|source| Error::sqlite("open", &path, source))?;
                        (old, None, None)
                    }
                }
            }
        };
        refuse_too_many_columns(&connection, &path, table)?;
        let mut run = || -> rusqlite::Result<u64> {
            configure(&mut connection, tuning, stop.clone())?;
            // Dropping a table must not reach into the tables that refer to it.
            connection.pragma_update(None, "foreign_keys", false)?;
            connection.execute_batch("BEGIN EXCLUSIVE")?;
            let name = quote_name(&table.name);
            for view in &table.views {
                connection.execute_batch(&format!("DROP VIEW IF EXISTS {}", quote_name(view)))?;
            }
            if table.if_exists.fills_existing() && connection.table_exists(None, table.name.as_str())? {
                table.alterations.iter().try_for_each(|sql| connection.execute_batch(sql))?;
                if table.if_exists == IfExists::Truncate {
                    connection.execute_batch(&format!("DELETE FROM {name}"))?;
                }
                if !tuning.verify {
                    return Ok(0);
                }
                let count =
                    connection.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0));
                return count.map(i64::cast_unsigned);
            }
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {name}"))?;
            connection.execute_batch(&create_table_sql(table)).map(|()| 0)
        };
        let made = run();
        let rows_before =
            made.map_err(|source| Error::sqlite(format!("make table {:?} in", table.name), &path, source))?;
        Ok(Self {
            path,
            connection: Some(connection),
            staged,
            old,
            rows_before,
            tuning: tuning.clone(),
            stop,
        })
    }

    /// Whether the database is a new file, which nobody else has opened.
    pub(crate) fn is_new(&self) -> bool {
        self.staged.is_some()
    }

    /// The connection that the rows go in through.
    ///
    /// # Errors
    /// [`Kind::Internal`] while SQLite has let go of the file.
    pub(crate) fn connection(&self) -> Result<&Connection> {
        self.connection.as_ref().ok_or_else(|| Kind::Internal("no connection is open".to_owned()).into())
    }

    /// Prepares the new database for somebody else to fill `table` and its indexes, and makes SQLite let go of it.
    ///
    /// # Errors
    /// [`Kind::Sqlite`], [`Kind::Io`], or [`Kind::Internal`] if that is not possible.
    pub(crate) fn release(&mut self, table: &Table) -> Result<(Schema, File)> {
        let impossible =
            |reason: String| Kind::Internal(format!("the table can not be written as pages: {reason}"));
        let staged =
            self.staged.as_ref().ok_or_else(|| impossible("it is not in a new database".to_owned()))?;
        let file = staged.file().map_err(|error| Error::io("open", &self.path, error))?;
        self.complete(&table.indexes)?;
        let schema = Schema::read(self.connection()?, table);
        let schema =
            schema.map_err(|source| Error::sqlite("read", &self.path, source))?.map_err(impossible)?;
        self.run("commit to", "COMMIT")?;
        self.close()?;
        Ok((schema, file))
    }

    fn close(&mut self) -> Result<()> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        connection.close().map_err(|(_, source)| Error::sqlite("close", &self.path, source))
    }

    /// Opens a new database again after [`Target::release`], unless it is open, and runs `unfinished`.
    ///
    /// # Errors
    /// [`Kind::Sqlite`] or [`Kind::Interrupted`].
    pub(crate) fn complete(&mut self, unfinished: &[String]) -> Result<()> {
        if let (None, Some(staged)) = (&self.connection, &self.staged) {
            let mut connection = open_new(staged, &self.path, None, false)?;
            configure(&mut connection, &self.tuning, self.stop.clone())
                .and_then(|()| connection.execute_batch("BEGIN EXCLUSIVE"))
                .map_err(|source| Error::sqlite("open", &self.path, source))?;
            self.connection = Some(connection);
        }
        unfinished.iter().try_for_each(|sql| self.run("complete", sql)).map_err(|error| match error.kind() {
            // Of an index that is made only now nobody knows which rows are to blame.
            Kind::Sqlite { source: rusqlite::Error::SqliteFailure(code, Some(message)), .. }
                if code.code == rusqlite::ErrorCode::ConstraintViolation =>
            {
                Error::of_unknown_row(message.clone())
            }
            _ => error,
        })
    }

    /// The database's place.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks the whole database, and that `table` has `rows` rows more than before.
    ///
    /// # Errors
    /// [`Kind::Verify`] with what SQLite found.
    pub(crate) fn verify(&self, table: &Table, rows: u64) -> Result<()> {
        let failed = |source| Error::sqlite("verify", &self.path, source);
        let count_sql = format!("SELECT count(*) FROM {}", quote_name(&table.name));
        let connection = self.connection()?;
        let check = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
        let counted = connection.query_row(&count_sql, [], |row| row.get::<_, i64>(0));
        let most = self.rows_before + rows;
        // Rows that are updated are not more than before, nor are those that a constraint of the table itself replaces.
        let replaces = table.sql.as_ref().is_some_and(|sql| sql.to_ascii_uppercase().contains("REPLACE"));
        let least = if table.on_conflict == OnConflict::Update || replaces { self.rows_before } else { most };
        match (check.map_err(failed)?.as_str(), counted.map_err(failed)?) {
            ("ok", counted) if (least..=most).contains(&counted.cast_unsigned()) => Ok(()),
            ("ok", counted) => {
                let before = self.rows_before;
                let message = format!("{counted} rows where there were {before} and {rows} were loaded");
                Err(Kind::Verify(message).into())
            }
            (problem, _) => Err(Kind::Verify(problem.to_owned()).into()),
        }
    }

    /// Makes the rows the content of the database.
    ///
    /// # Errors
    /// As [`Target::open`]. The database is then as it was.
    pub(crate) fn commit(mut self) -> Result<()> {
        let vacuum = self.tuning.vacuum;
        if self.connection.is_some() {
            if let Err(error) = self.run("commit to", "COMMIT") {
                self.roll_back();
                return Err(error);
            }
            match &self.staged {
                // A journal of that would be the whole database.
                Some(_) if vacuum => self.run("vacuum", "PRAGMA journal_mode = OFF; VACUUM")?,
                None if vacuum => self.vacuum_committed(),
                _ => {}
            }
            self.close()?;
        }
        let Self { path, staged, old, tuning, .. } = self;
        staged.map_or(Ok(()), |staged| put_in_place(staged, &path, old.is_some(), tuning.synchronous))
    }

    /// The load has happened: from here on a stop comes too late, and a failure is none of the load's.
    fn vacuum_committed(&mut self) {
        let vacuum = |connection: &mut Connection| {
            connection.progress_handler(0, None::<fn() -> bool>)?;
            connection.execute_batch("VACUUM")
        };
        if let Some(Err(error)) = self.connection.as_mut().map(vacuum) {
            tracing::warn!("loaded, but not vacuumed: {error}");
        }
    }

    /// Gives up; the database is as it was.
    pub(crate) fn roll_back(self) {
        let Self { path, connection, staged, .. } = self;
        drop(connection);
        if staged.is_none() {
            // If the roll-back itself met a full disk, its journal is still there: to read is to roll back.
            let read = open_existing(&path).and_then(|connection| {
                let read = connection.execute_batch("ROLLBACK; SELECT count(*) FROM sqlite_schema");
                read.map_err(|source| Error::sqlite("roll back", &path, source))
            });
            let _ = read.inspect_err(|error| tracing::debug!("{error}"));
        }
    }

    fn run(&self, action: &str, sql: &str) -> Result<()> {
        self.connection()?.execute_batch(sql).map_err(|source| Error::sqlite(action, &self.path, source))
    }
}

/// Sets what holds for the whole load.
fn configure(connection: &mut Connection, tuning: &Tuning, stop: Arc<AtomicBool>) -> rusqlite::Result<()> {
    /// Virtual machine instructions between two looks at the stop flag: a fraction of a millisecond.
    const STOP_INTERVAL: std::ffi::c_int = 10_000;
    connection.pragma_update(None, "synchronous", tuning.synchronous.as_str())?;
    connection.pragma_update(None, "cache_size", -i64::from(tuning.cache_kib))?;
    connection.progress_handler(STOP_INTERVAL, Some(move || stop.load(Ordering::Relaxed)))
}

/// The new database in `staged`, ready to be filled, for the place `path`.
fn open_new(
    staged: &StagedFile,
    path: &Path,
    page_bytes: Option<u32>,
    keeps_journal: bool,
) -> Result<Connection> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(staged.path(), flags)?;
        page_bytes.map_or(Ok(()), |page_bytes| connection.pragma_update(None, "page_size", page_bytes))?;
        // Nobody else sees this file, and if the load fails it is thrown away: no lock to take again for
        // each transaction, and no journal, which costs a quarter where keys are random, but to take single
        // statements back with.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", if keeps_journal { "MEMORY" } else { "OFF" })?;
        Ok(connection)
    };
    open().map_err(|source| Error::sqlite("create", path, source))
}

fn put_in_place(staged: StagedFile, path: &Path, replaces: bool, synchronous: Synchronous) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    let is_durable = synchronous >= Synchronous::Full;
    if is_durable {
        staged.sync().map_err(failed)?;
    }
    refuse_stray_journals(path)?;
    staged.take_place(path, replaces).map_err(failed)?;
    if is_durable {
        File::open(directory_of(path)).and_then(|directory| directory.sync_all()).map_err(failed)?;
    }
    Ok(())
}

/// `path` with its symbolic links followed, whether or not there is a file yet.
fn real_path(path: &Path) -> Result<PathBuf> {
    let failed = |error| Error::io("open", path, error);
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to a file that is not there yet.
            if let Ok(to) = path.read_link() {
                return real_path(&directory_of(path).join(to));
            }
            let name = path.file_name().ok_or_else(|| failed(io::Error::other("it names no file")))?;
            let directory =
                directory_of(path).canonicalize().map_err(|error| Error::io("create", path, error))?;
            Ok(directory.join(name))
        }
        Ok(real) if real.is_dir() => Err(failed(io::Error::other("it is a directory"))),
        real => real.map_err(failed),
    }
}

/// Opens the database at `path` in a transaction that keeps everybody else out, for which it waits a little.
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

/// A journal that lies beside the place of a new database would be played into it.
fn refuse_stray_journals(path: &Path) -> Result<()> {
    match journals_of(path).into_iter().find(|journal| journal.symlink_metadata().is_ok()) {
        Some(path) => Err(Kind::StrayJournal { path }.into()),
        None => Ok(()),
    }
}
