//! The statement path: inserts rows through SQLite.
//!
//! Two prepared INSERT statements are used for all rows: one inserts many rows, which spreads the cost of a step; the
//! other inserts one, for the rest of a batch. Values are bound without a copy. Whoever owns the connection manages
//! the transaction.
//!
//! If a row violates a constraint, the rows of its statement are inserted again one by one: the offending ones are
//! rejected. This takes a connection with a journal, in memory or on disk; without one, the effect of a failed statement
//! is undefined, and the load fails. A statement can fail and keep the rows that it has inserted before: under ON CONFLICT
//! FAIL, after RAISE(FAIL), and where SQLite expects no constraint to fail, in a STRICT table for example. A savepoint, which
//! takes time, undoes them. If rows are kept where that is not expected, the load fails.

use crate::batch::{Rows, Value};
use crate::error::{Error, PlanError, Reason, Result, printable};
use crate::plan::{ConflictClause, OnConflict, Table};
use crate::schema::ddl::{quote_name, quote_names};
use crate::write::{Appended, Cause, Encoder, WriteFailure, Writer, column_of, described, rowid_mismatch};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ffi};
use std::ffi::{CStr, c_int};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Inserts rows through SQLite.
#[derive(Debug)]
pub struct Statements<'c> {
    connection: &'c Connection,
    database: PathBuf,
    table: String,
    columns: Vec<String>,
    /// The column that is the rowid, if it is loaded.
    rowid_column: Option<usize>,
    keeps_journal: bool,
    /// True if a failing statement may keep the rows that it has inserted before.
    may_keep: bool,
    /// CREATE INDEX statements to run after the rows: sorting once is faster than inserting each key. UNIQUE indexes
    /// are created first, so that the row that violates one is known.
    indexes: Vec<String>,
    many_rows: usize,
    many: Insert<'c>,
    one: Insert<'c>,
    /// The number of rows that an ON CONFLICT clause has updated, failed statements included.
    updates: Arc<AtomicU64>,
}

/// The SQL function that counts the rows which an ON CONFLICT clause updates. Its value is true.
const COUNT_UPDATE: &str = "sqload_count_update";

impl<'c> Statements<'c> {
    /// Prepares statements that insert up to `batch_rows` rows into `table`, which exists.
    ///
    /// # Errors
    /// [`crate::error::Kind::Sqlite`] if SQLite cannot prepare the statements.
    pub fn new(
        connection: &'c Connection,
        database: &Path,
        table: &Table,
        batch_rows: usize,
    ) -> Result<Self> {
        let failed = |source| Error::sqlite("prepare an INSERT into", database, source);
        let is_unique = |sql: &&String| {
            sql.split_whitespace().nth(1).is_some_and(|word| word.eq_ignore_ascii_case("UNIQUE"))
        };
        let (unique, indexes): (Vec<_>, Vec<_>) = table.indexes.iter().partition(is_unique);
        let create = |sql: &String| {
            tracing::trace!("{}", printable(sql));
            connection.execute_batch(sql)
        };
        unique.into_iter().try_for_each(create).map_err(failed)?;
        let keeps_journal =
            connection.pragma_query_value(None, "journal_mode", |row| Ok(row.get::<_, String>(0)? != "off"));
        let rowids = column_names(connection, table, "pk AND type = 'INTEGER' COLLATE NOCASE");
        let rowids = rowids.map_err(failed)?;
        let may_keep = may_keep(connection, table, &rowids).map_err(failed)?;
        let key = match table.conflict_clause {
            Some(_) => Vec::new(),
            None => column_names(connection, table, "pk ORDER BY pk").map_err(failed)?,
        };
        let updates = count_updates(connection).map_err(failed)?;
        let conflict = conflict_sql(table, &key)?;
        let kept = kept_columns(connection, table).map_err(failed)?;
        let insert_sql = |rows: usize| insert_sql(table, rows, &key, &kept) + &conflict;
        let prepare = |rows: usize| Insert::prepare(connection, &insert_sql(rows)).map_err(failed);
        let columns = table.columns.len();
        let max_values = connection.limit(rusqlite::limits::Limit::SQLITE_LIMIT_VARIABLE_NUMBER);
        let max_values = usize::try_from(max_values.map_err(failed)?).unwrap_or(0);
        let many_rows = batch_rows.clamp(1, (max_values / columns).max(1));
        tracing::trace!(most_rows = many_rows, "{}", printable(&insert_sql(1)));
        Ok(Self {
            connection,
            database: database.to_owned(),
            table: table.name.clone(),
            columns: table.columns.iter().map(|column| column.name.clone()).collect(),
            rowid_column: table.columns.iter().position(|column| rowids.contains(&column.name)),
            keeps_journal: keeps_journal.map_err(failed)?,
            may_keep,
            indexes: indexes.into_iter().cloned().collect(),
            many_rows,
            many: prepare(many_rows)?,
            one: prepare(1)?,
            updates,
        })
    }
}

impl Statements<'_> {
    /// Inserts one row, or as many as the statement for many rows takes, and counts ignored rows. Returns the reason
    /// if SQLite rejects one of them.
    fn insert(
        &mut self,
        rows: &Rows<'_>,
        range: Range<usize>,
        appended: &mut Appended,
    ) -> Result<Option<Reason>, WriteFailure> {
        use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch, Unknown};
        let row_count = range.len() as u64;
        let insert = if row_count == 1 { &mut self.one } else { &mut self.many };
        let failed = |source| Error::sqlite("insert into", &self.database, source);
        let execute = |sql: &str| self.connection.prepare_cached(sql)?.execute([]);
        let has_savepoint = self.keeps_journal && self.may_keep;
        if has_savepoint {
            execute("SAVEPOINT statement").map_err(failed)?;
        }
        let updates_before = self.updates.load(Ordering::Relaxed);
        let inserted = insert.run(rows, range.clone());
        let changes = self.connection.changes();
        if has_savepoint && !self.connection.is_autocommit() {
            if inserted.is_err() {
                execute("ROLLBACK TO statement").map_err(failed)?;
            }
            execute("RELEASE statement").map_err(failed)?;
        }
        // Without a journal, the next attempt undoes the rows.
        let is_undone = !self.keeps_journal || has_savepoint || changes == 0;
        // A function that fails in CHECK or in a trigger is `Unknown`.
        let is_of_row =
            |code| is_undone && matches!(code, ConstraintViolation | TooBig | TypeMismatch | Unknown);
        match inserted {
            Ok(()) => {
                appended.ignored += row_count.saturating_sub(changes);
                appended.updated += self.updates.load(Ordering::Relaxed) - updates_before;
                Ok(None)
            }
            // ON CONFLICT ROLLBACK ends the whole transaction.
            Err(rusqlite::Error::SqliteFailure(error, Some(message)))
                if is_of_row(error.code) && !self.connection.is_autocommit() =>
            {
                match self.keeps_journal {
                    true => Ok(Some(self.reason(error.code, message, rows, range))),
                    false => Err(WriteFailure::Constraint { message, cause: Cause::Other, rows: Vec::new() }),
                }
            }
            Err(source) => {
                let action = format!("insert into table {:?} of", self.table);
                Err(Error::sqlite(action, &self.database, source).into())
            }
        }
    }

    /// The reason for rejecting the rows in `range`. If there is only one, and a value is not of the type of its column, the
    /// reason names both.
    fn reason(
        &self,
        code: rusqlite::ErrorCode,
        message: String,
        rows: &Rows<'_>,
        range: Range<usize>,
    ) -> Reason {
        let columns = self.columns.iter().map(String::as_str);
        let column = column_of(&message, &self.table, columns).map(str::to_owned);
        let value = |at: usize| rows.columns[at].get(range.start);
        match (code, self.rowid_column) {
            _ if range.len() > 1 => Reason::Constraint { column, message },
            (rusqlite::ErrorCode::TypeMismatch, Some(at)) => {
                let name = &self.columns[at];
                let message = rowid_mismatch(&self.table, name, value(at));
                Reason::Constraint { column: Some(name.clone()), message }
            }
            _ if message.starts_with("cannot store ") => {
                let at = self.columns.iter().position(|name| column.as_ref() == Some(name));
                let value = at.map_or(String::new(), |at| format!(": {}", described(value(at))));
                Reason::Constraint { column, message: message + &value }
            }
            _ => Reason::Constraint { column, message },
        }
    }
}

/// Whether a statement that inserts into `table` may fail and keep the rows that it has inserted before. SQLite opens a statement
/// journal only if it expects that a constraint ends the statement, so it does not undo them if a value in a STRICT table or, with
/// ON CONFLICT, a rowid (one of the columns `rowids`) is not of its type.
fn may_keep(connection: &Connection, table: &Table, rowids: &[String]) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE sql LIKE '%fail%')
        OR EXISTS (SELECT 1 FROM pragma_table_list(?1) WHERE strict)";
    let may_keep: bool = connection.query_row(sql, [&table.name], |row| row.get(0))?;
    Ok(may_keep || table.on_conflict != OnConflict::Reject && !rowids.is_empty())
}

/// Registers [`COUNT_UPDATE`], and returns its counter.
fn count_updates(connection: &Connection) -> rusqlite::Result<Arc<AtomicU64>> {
    let updates = Arc::new(AtomicU64::new(0));
    let counter = updates.clone();
    connection.create_scalar_function(COUNT_UPDATE, 0, FunctionFlags::SQLITE_UTF8, move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    })?;
    Ok(updates)
}

/// The names of the columns of the table for which `condition` holds; it may end with ORDER BY.
fn column_names(connection: &Connection, table: &Table, condition: &str) -> rusqlite::Result<Vec<String>> {
    let sql = format!("SELECT name FROM pragma_table_info(?1) WHERE {condition}");
    connection.prepare(&sql)?.query_map([&table.name], |row| row.get(0))?.collect()
}

/// The NOT NULL columns that are not loaded and have no default. An upsert keeps their values.
fn kept_columns(connection: &Connection, table: &Table) -> rusqlite::Result<Vec<String>> {
    if table.on_conflict != OnConflict::Update || table.conflict_clause.is_some() {
        return Ok(Vec::new());
    }
    let needed = "\"notnull\" AND dflt_value IS NULL AND NOT pk ORDER BY cid";
    let mut names = column_names(connection, table, needed)?;
    names.retain(|name| table.columns.iter().all(|column| column.name != *name));
    Ok(names)
}

/// The ON CONFLICT clause of the INSERT.
///
/// # Errors
/// [`PlanError`] if rows are to be updated and the table has no primary key that is loaded.
fn conflict_sql(table: &Table, key: &[String]) -> Result<String> {
    if let Some(ConflictClause { sql, condition, .. }) = &table.conflict_clause {
        return Ok(match (table.on_conflict, condition) {
            (OnConflict::Update, Some(condition)) => {
                format!(" {sql} WHERE ({condition}) AND {COUNT_UPDATE}()")
            }
            (OnConflict::Update, None) => format!(" {sql} WHERE {COUNT_UPDATE}()"),
            _ => format!(" {sql}"),
        });
    }
    let is_loaded = |name: &String| table.columns.iter().any(|column| column.name == *name);
    match table.on_conflict {
        OnConflict::Reject => Ok(String::new()),
        OnConflict::Ignore => Ok(" ON CONFLICT DO NOTHING".to_owned()),
        OnConflict::Update if key.is_empty() || !key.iter().all(is_loaded) => {
            let (table, key) = (table.name.clone(), key.to_vec());
            Err(match key.is_empty() {
                true => PlanError::UpdateNeedsKey { table, exists: true }.into(),
                false => PlanError::UpdateNeedsWholeKey { table, key }.into(),
            })
        }
        OnConflict::Update => {
            let others = table.columns.iter().filter(|column| !key.contains(&column.name));
            let set =
                others.map(|column| quote_name(&column.name)).map(|name| format!("{name} = excluded.{name}"));
            let set = set.collect::<Vec<_>>().join(", ");
            let action = if set.is_empty() {
                "NOTHING".to_owned()
            } else {
                format!("UPDATE SET {set} WHERE {COUNT_UPDATE}()")
            };
            Ok(format!(" ON CONFLICT ({}) DO {action}", quote_names(key)))
        }
    }
}

/// The INSERT of this many rows. It gives the `kept` columns the values of the existing row with the same key,
/// because SQLite checks NOT NULL before it detects the conflict.
fn insert_sql(table: &Table, rows: usize, key: &[String], kept: &[String]) -> String {
    let into = quote_name(&table.name);
    let names: Vec<_> = table.columns.iter().map(|column| &column.name).collect();
    let row = |row: usize| {
        let parameter = |at: usize| format!("?{}", row * names.len() + at + 1);
        let same = |column: &String| {
            let at = names.iter().position(|name| *name == column).unwrap_or_default();
            format!("{} = {}", quote_name(column), parameter(at))
        };
        let keep = |name: &String| {
            let same_key = key.iter().map(same).collect::<Vec<_>>().join(" AND ");
            format!("(SELECT {} FROM {into} WHERE {same_key})", quote_name(name))
        };
        let values = (0..names.len()).map(parameter).chain(kept.iter().map(keep));
        format!("({})", values.collect::<Vec<_>>().join(","))
    };
    let rows = (0..rows).map(row).collect::<Vec<_>>().join(",");
    format!("INSERT INTO {into} ({}) VALUES {rows}", quote_names(names.iter().copied().chain(kept)))
}

impl Writer for Statements<'_> {
    type Encoder = Unencoded;

    fn encoder(&self) -> Unencoded {
        Unencoded
    }

    fn append(&mut self, rows: &Rows<'_>, (): &mut ()) -> Result<Appended, WriteFailure> {
        let mut appended = Appended::default();
        for first in (0..rows.len).step_by(self.many_rows) {
            let range = first..rows.len.min(first + self.many_rows);
            if range.len() == self.many_rows && self.insert(rows, range.clone(), &mut appended)?.is_none() {
                continue;
            }
            for row in range {
                if let Some(reason) = self.insert(rows, row..row + 1, &mut appended)? {
                    appended.rejected.push((row, reason));
                }
            }
        }
        Ok(appended)
    }

    fn finish(self, _: &AtomicBool) -> Result<Vec<String>, WriteFailure> {
        Ok(self.indexes)
    }
}

/// The statement path leaves encoding to SQLite.
#[derive(Debug, Clone, Copy)]
pub struct Unencoded;

impl Encoder for Unencoded {
    type Encoded = ();

    fn encode(&mut self, _: &Rows<'_>, (): &mut ()) {}
}

/// A prepared statement that inserts a fixed number of values.
#[derive(Debug)]
struct Insert<'c> {
    connection: &'c Connection,
    statement: NonNull<ffi::sqlite3_stmt>,
}

impl<'c> Insert<'c> {
    fn prepare(connection: &'c Connection, sql: &str) -> rusqlite::Result<Self> {
        let mut statement = null_mut();
        let length = c_int::try_from(sql.len()).map_err(|_| rusqlite::Error::QueryReturnedNoRows)?;
        // SAFETY: the connection is open for as long as it is borrowed, and `sql` is `length` readable bytes.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(
                connection.handle(),
                sql.as_ptr().cast(),
                length,
                ffi::SQLITE_PREPARE_PERSISTENT,
                &raw mut statement,
                null_mut(),
            )
        };
        match NonNull::new(statement) {
            Some(statement) if code == ffi::SQLITE_OK => Ok(Self { connection, statement }),
            _ => Err(last_error(connection, code)),
        }
    }

    /// Inserts the rows in `range`, as many as the statement has parameters for.
    ///
    /// This is the hot loop of the statement path. Its contract: SQLite gets the address of every text and blob, not
    /// a copy (`SQLITE_STATIC`), and reads them during the step only. `rows` is borrowed until the bindings are
    /// cleared, before this returns, so no address outlives its bytes.
    fn run(&mut self, rows: &Rows<'_>, range: Range<usize>) -> rusqlite::Result<()> {
        let statement = self.statement.as_ptr();
        let result = self.bind(rows, range).and_then(|()| {
            // SAFETY: the statement is alive, and the bytes bound to it are borrowed.
            match unsafe { ffi::sqlite3_step(statement) } {
                ffi::SQLITE_DONE => Ok(()),
                // Reads the message before the reset replaces it.
                code => Err(last_error(self.connection, code)),
            }
        });
        // SAFETY: the statement is alive; after these calls it holds no address of ours.
        unsafe {
            ffi::sqlite3_reset(statement);
            ffi::sqlite3_clear_bindings(statement);
        }
        result
    }

    #[inline(always)]
    fn bind(&mut self, rows: &Rows<'_>, range: Range<usize>) -> rusqlite::Result<()> {
        let statement = self.statement.as_ptr();
        let values = range.flat_map(|row| rows.columns.iter().map(move |column| column.get(row)));
        for (value, parameter) in values.zip(1..) {
            // SAFETY: the statement is alive until `self` is dropped and is not running; pointers and lengths
            // come from slices that the caller has borrowed until it clears the bindings.
            let code = unsafe {
                match value {
                    Value::Null => ffi::sqlite3_bind_null(statement, parameter),
                    Value::Integer(integer) => ffi::sqlite3_bind_int64(statement, parameter, integer),
                    Value::Real(real) => ffi::sqlite3_bind_double(statement, parameter, real),
                    Value::Text(text) => ffi::sqlite3_bind_text64(
                        statement,
                        parameter,
                        text.as_ptr().cast(),
                        text.len() as u64,
                        ffi::SQLITE_STATIC(),
                        ffi::SQLITE_UTF8 as u8,
                    ),
                    Value::Blob(blob) => ffi::sqlite3_bind_blob64(
                        statement,
                        parameter,
                        blob.as_ptr().cast(),
                        blob.len() as u64,
                        ffi::SQLITE_STATIC(),
                    ),
                }
            };
            if code != ffi::SQLITE_OK {
                return Err(last_error(self.connection, code));
            }
        }
        Ok(())
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: the statement came from prepare, its connection is still open, and it is not used again.
        unsafe { ffi::sqlite3_finalize(self.statement.as_ptr()) };
    }
}

/// The error of the last call on `connection`, which failed with `code`.
fn last_error(connection: &Connection, code: c_int) -> rusqlite::Error {
    // SAFETY: the connection is open, and the message is copied before SQLite is called again.
    let message = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(connection.handle())) };
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(message.to_string_lossy().into_owned()))
}
