//! The target database: inspected, locked, filled and committed.
//!
//! All or nothing. A new database is built in a staged file next to its destination, and renamed into place when it
//! is complete. An existing database is changed in one transaction with its own journal, with one exception: if it
//! holds only the table that is being replaced, and no other process has it open, a new database replaces the file, under an
//! exclusive lock on the old one.

mod commit;
mod conflict_clause;
mod dry_run;
mod file_control;
mod immutable;
mod in_place;
mod inspect;
mod open;
mod replaced;
mod snapshot;
mod sqlite_build;
mod write_ahead_log;

use crate::error::{Error, Kind, Result, printable};
use crate::files::growing_file::WritableFile;
use crate::files::staged::StagedFile;
use crate::plan::{IfExists, Table, Tuning};
use crate::report::{Note, Replaced};
use crate::schema::ddl::{create_table_sql, quote_name};
pub(crate) use commit::Committed;
use conflict_clause::has_on_conflict_replace;
pub(crate) use dry_run::DryRun;
pub(crate) use immutable::{immutable_uri, open_immutable};
pub(crate) use in_place::PageAccess;
use inspect::check_column_count;
pub(crate) use inspect::{
    columns_with_numbers, existing_columns, existing_keys, existing_names, existing_sql,
};
pub(crate) use open::check_path;
pub(crate) use open::interrupt_on;
use open::{OpenTarget, open_existing, open_staged, open_target, resolve_path};
use replaced::{Referrer, prepare_view, referrers, replaced};
use rusqlite::{Connection, OptionalExtension};
pub(crate) use snapshot::SchemaSnapshot;
pub use sqlite_build::SqliteBuild;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use write_ahead_log::{LeftLog, has_log};

/// The database that a load fills.
#[derive(Debug)]
pub(crate) struct Target {
    /// Path of the database, with symbolic links resolved.
    path: PathBuf,
    /// `None` while the direct path writes to the file. Declared first, so that SQLite closes the file before the
    /// staged file is removed and the lock on the old database is released.
    connection: Option<Connection>,
    /// The new database; `None` if an existing one is changed.
    staged: Option<StagedFile>,
    /// The database that the new one replaces, under an exclusive lock.
    old: Option<Connection>,
    /// The file of an existing database to which pages are written. Declared after the connection, whose locks it would drop.
    file: Option<WritableFile>,
    /// To be dropped after the connection.
    log: Option<LeftLog>,
    /// Why the direct path cannot write to an existing database.
    statements_reason: Option<&'static str>,
    /// What the load replaces, for each table.
    replaced: Vec<Option<Replaced>>,
    /// The other tables that refer to tables which the load replaces.
    referrers: Vec<Vec<Referrer>>,
    /// What the load found, for each table.
    before: Vec<TableBefore>,
    tuning: Tuning,
    stop: Arc<AtomicBool>,
}

impl Target {
    /// Opens or creates the database at `path`, starts a transaction, and prepares `tables` in it: creates, alters or
    /// empties each as the plan says.
    ///
    /// The plan was resolved against the schema `expected`, unless it did not depend on the schema.
    ///
    /// `takes_pages` tells whether the direct path can fill a table in the database of the connection, where the table exists
    /// (true) or is created (false). If it can fill all of them, a database in WAL mode leaves this mode during the load, unless
    /// others have it open.
    ///
    /// SQLite operations end soon after `stop` is set. In a new database, a failed statement can be rolled back only
    /// if the database `keeps_journal`.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::Sqlite`], [`Kind::Locked`], [`Kind::StrayJournal`], [`Kind::TableExists`],
    /// [`Kind::TooManyColumns`], [`Kind::Interrupted`]; [`Kind::Plan`] if a table is a view in the database.
    pub(crate) fn open(
        path: &Path,
        tables: &[&Table],
        tuning: &Tuning,
        keeps_journal: bool,
        expected: Option<&SchemaSnapshot>,
        takes_pages: impl Fn(&Table, &Connection, bool) -> Result<bool>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let path = resolve_path(path)?;
        let opened = open_target(&path, tables, tuning, keeps_journal, expected, &takes_pages)?;
        // The connection is dropped before `log`.
        let OpenTarget { log, mut connection, staged, mut old, statements_reason } = opened;
        tables.iter().try_for_each(|table| check_column_count(&connection, &path, table))?;
        let before = old.as_mut().unwrap_or(&mut connection);
        let replaced = tables.iter().map(|table| replaced(before, table)).collect::<Result<_, _>>();
        let read_failed = |source| Error::sqlite("read", &path, source);
        let replaced: Vec<Option<Replaced>> = replaced.map_err(read_failed)?;
        let referrers = tables.iter().zip(&replaced).map(|(table, replaced)| match replaced {
            Some(Replaced { keeps_table: false, .. }) => referrers(before, &table.name),
            _ => Ok(Vec::new()),
        });
        let referrers = referrers.collect::<Result<_, _>>().map_err(read_failed)?;
        let begin_sql = if staged.is_some() { "BEGIN EXCLUSIVE" } else { "" };
        interrupt_on(&mut connection, stop.clone())
            .and_then(|()| connection.execute_batch(begin_sql))
            .map_err(|source| Error::sqlite("open", &path, source))?;
        let prepare = |table: &&Table| {
            prepare_table(&connection, table, tuning.verify)
                .map_err(|source| Error::sqlite(format!("create table {:?} in", table.name), &path, source))
        };
        let before = tables.iter().map(prepare).collect::<Result<_>>()?;
        Ok(Self {
            path,
            connection: Some(connection),
            staged,
            old,
            file: None,
            log,
            statements_reason,
            replaced,
            referrers,
            before,
            tuning: tuning.clone(),
            stop,
        })
    }

    /// True if the database is a new file, which no other process has open.
    pub(crate) fn is_new(&self) -> bool {
        self.staged.is_some()
    }

    /// Why the direct path cannot write to the database; `None` if it can.
    pub(crate) fn statements_reason(&self) -> Option<&'static str> {
        self.statements_reason
    }

    /// What the load does about WAL mode to write pages; `None` if the database is not in this mode.
    ///
    /// # Errors
    /// [`Kind::Sqlite`].
    pub(crate) fn log_use(&self) -> Result<Option<&'static str>> {
        let has_log = match &self.connection {
            Some(connection) => has_log(connection),
            None => Ok(false),
        };
        let has_log = has_log.map_err(|source| Error::sqlite("read", &self.path, source))?;
        Ok(match (&self.log, has_log) {
            (Some(_), _) => Some("outside WAL mode"),
            (None, true) => Some("through the write-ahead log"),
            (None, false) => None,
        })
    }

    /// What the load replaces, for each table; `None` if it does not replace the table.
    pub(crate) fn replaced(&self) -> &[Option<Replaced>] {
        &self.replaced
    }

    /// A note for each view that the load has created with this table, or that read the table which it replaced, and that cannot be
    /// read; and for each other table whose triggers or foreign keys do not fit the new one. `number` is that of the table.
    ///
    /// # Errors
    /// [`Kind::Internal`] if there is something to check, and the database is detached.
    pub(crate) fn broken_references(&self, number: usize, table: &Table) -> Result<Vec<Note>> {
        let mut notes = Vec::new();
        for referrer in &self.referrers[number] {
            if let Some(error) = referrer.broken_by(self.connection()?) {
                notes.push(Note::BrokenTable { table: referrer.table.clone(), message: message(&error) });
            }
        }
        let old_views = self.replaced[number].iter().flat_map(|replaced| &replaced.views);
        for view in table.views.iter().map(|view| &view.name).chain(old_views) {
            if let Err(error) = prepare_view(self.connection()?, view) {
                notes.push(Note::BrokenView { view: view.clone(), message: message(&error) });
            }
        }
        Ok(notes)
    }

    /// True if `table` existed before the load, which fills it.
    pub(crate) fn fills(&self, table: &Table) -> bool {
        self.before.iter().any(|before| before.is_filled && before.table == table.name)
    }

    /// The connection to insert rows through.
    ///
    /// # Errors
    /// [`Kind::Internal`] between [`Target::detach`] and [`Target::finish_schema`].
    pub(crate) fn connection(&self) -> Result<&Connection> {
        self.connection.as_ref().ok_or_else(|| Kind::Internal("the database is detached".to_owned()).into())
    }

    /// Commits and closes a new database, and returns its file for the direct path to write to.
    ///
    /// # Errors
    /// [`Kind::Sqlite`], [`Kind::Io`], or [`Kind::Internal`] if the database is not new.
    pub(crate) fn detach(&mut self) -> Result<File> {
        let staged =
            self.staged.as_ref().ok_or_else(|| Kind::Internal("the database is not new".to_owned()))?;
        let file = staged.file().map_err(|error| Error::io("open", &self.path, error))?;
        self.execute("commit to", "COMMIT")?;
        // SQLite ignores the errors of `close`.
        staged.flush().map_err(|error| Error::io("write", &self.path, error))?;
        self.close()?;
        Ok(file)
    }

    fn close(&mut self) -> Result<()> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        connection.close().map_err(|(_, source)| Error::sqlite("close", &self.path, source))
    }

    /// Runs the `unfinished` statements of the schema. First reopens a database that [`Target::detach`] has closed.
    ///
    /// # Errors
    /// [`Kind::Sqlite`] or [`Kind::Interrupted`]; [`Kind::Constraint`] without rows if the rows violate a constraint.
    pub(crate) fn finish_schema(&mut self, unfinished: &[String]) -> Result<()> {
        if let (None, Some(staged)) = (&self.connection, &self.staged) {
            let mut connection = open_staged(staged, &self.path, &self.tuning, None, false)?;
            interrupt_on(&mut connection, self.stop.clone())
                .and_then(|()| connection.execute_batch("BEGIN EXCLUSIVE"))
                .map_err(|source| Error::sqlite("open", &self.path, source))?;
            self.connection = Some(connection);
        }
        unfinished.iter().try_for_each(|sql| self.execute("finish the schema of", sql))
    }

    /// Path of the database, with symbolic links resolved.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks the integrity of the whole database, and that each of `tables`, in the order of [`Target::open`], has as many
    /// more rows than before the load as were inserted, unless it has triggers.
    ///
    /// # Errors
    /// [`Kind::Verify`] if a check fails, [`Kind::Sqlite`] if it cannot be made.
    pub(crate) fn verify(&self, tables: &[(&Table, u64)]) -> Result<()> {
        let failed = |source| Error::sqlite("verify", &self.path, source);
        let check = "PRAGMA integrity_check(1)";
        let check = self.connection()?.query_row(check, [], |row| row.get::<_, String>(0));
        match check.map_err(failed)?.as_str() {
            "ok" => {}
            problem => return Err(Kind::Verify(problem.to_owned()).into()),
        }
        for ((table, inserted), TableBefore { rows_before, .. }) in tables.iter().zip(&self.before) {
            let count_sql = format!("SELECT count(*) FROM {}", quote_name(&table.name));
            let counted = self.connection()?.query_row(&count_sql, [], |row| row.get::<_, i64>(0));
            let counted = counted.map_err(failed)?;
            if self.has_trigger(table).map_err(failed)? {
                // It may add and remove rows.
                continue;
            }
            let most = rows_before + inserted;
            // By a constraint of the table itself, a new row may replace several others.
            let replaces = self.replaces_rows(table).map_err(failed)?;
            let least = if replaces { most.min(1) } else { most };
            if !(least..=most).contains(&counted.cast_unsigned()) {
                let expected =
                    if least == most { most.to_string() } else { format!("from {least} to {most}") };
                let table = &table.name;
                let message = format!("the row count of table {table:?} is {counted}, expected {expected}");
                return Err(Kind::Verify(message).into());
            }
        }
        Ok(())
    }

    /// True if `table` has a trigger.
    fn has_trigger(&self, table: &Table) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE)";
        self.connection
            .as_ref()
            .map_or(Ok(false), |connection| connection.query_row(sql, [&table.name], |row| row.get(0)))
    }

    /// True if a new row may replace others by a constraint of `table` itself.
    fn replaces_rows(&self, table: &Table) -> rusqlite::Result<bool> {
        let Some(connection) = &self.connection else { return Ok(false) };
        let sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
        let sql = connection.query_row(sql, [&table.name], |row| row.get::<_, String>(0)).optional()?;
        Ok(sql.is_some_and(|sql| has_on_conflict_replace(&sql)))
    }

    /// Ends the load and leaves the database unchanged.
    pub(crate) fn roll_back(self) {
        let Self { path, connection, staged, file, log, tuning, .. } = self;
        drop(connection);
        drop(file);
        if staged.is_none() {
            // If the rollback failed because the disk is full, its journal is still there. The next read rolls back.
            let read = open_existing(&path, &tuning).and_then(|connection| {
                let read = connection.execute_batch("ROLLBACK; SELECT count(*) FROM sqlite_schema");
                read.map_err(|source| Error::sqlite("roll back", &path, source))
            });
            let _ = read.inspect_err(|error| tracing::debug!("{error}"));
        }
        drop(log);
    }

    fn execute(&self, action: &str, sql: &str) -> Result<()> {
        execute(self.connection()?, sql).map_err(|source| Error::sqlite(action, &self.path, source))
    }
}

/// The message of an error, without the position in SQL that SQLite may add.
fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

/// Runs statements, and shows them in diagnostics.
fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    tracing::trace!("{}", printable(sql));
    connection.execute_batch(sql)
}

/// A table before the load.
#[derive(Debug)]
struct TableBefore {
    table: String,
    /// True if the rows go into a table that existed.
    is_filled: bool,
    /// The rows that it had and keeps. 0 unless the result is to be verified.
    rows_before: u64,
}

/// Creates, alters or empties the table, in the open transaction. Counts the rows that it keeps only if this is wanted.
fn prepare_table(connection: &Connection, table: &Table, counts_rows: bool) -> rusqlite::Result<TableBefore> {
    let name = quote_name(&table.name);
    let replaces = table.if_exists == IfExists::Replace;
    let execute = |sql: &str| execute(connection, sql);
    for view in table.views.iter().filter(|view| replaces || view.is_replaced) {
        execute(&format!("DROP VIEW IF EXISTS {}", quote_name(&view.name)))?;
    }
    if replaces {
        execute(&format!("DROP TABLE IF EXISTS {name}"))?;
    }
    let is_filled = table.if_exists.fills_existing() && connection.table_exists(None, table.name.as_str())?;
    let mut before = TableBefore { table: table.name.clone(), is_filled, rows_before: 0 };
    if !is_filled {
        execute(&create_table_sql(table))?;
        return Ok(before);
    }
    table.alterations.iter().try_for_each(|sql| execute(sql))?;
    if table.if_exists == IfExists::Truncate {
        execute(&format!("DELETE FROM {name}"))?;
    }
    if counts_rows {
        let count = connection.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0));
        before.rows_before = i64::cast_unsigned(count?);
    }
    Ok(before)
}
