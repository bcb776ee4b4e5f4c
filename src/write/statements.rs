//! The statement path: rows go in through SQLite.
//!
//! Two prepared INSERT statements are made once and stepped over and over: one carries many rows, which
//! spreads the cost of a step, the other carries one, for the rest of a batch. Values are bound where they
//! lie, without a copy. Transactions are the business of whoever owns the connection.

use crate::batch::{Rows, Value};
use crate::error::{Error, Result};
use crate::plan::Table;
use crate::write::{Encoder, Writer, quote_name};
use rusqlite::{Connection, ffi};
use std::ffi::{CStr, c_int};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicBool;

/// Inserts rows through SQLite.
#[derive(Debug)]
pub struct Statements<'c> {
    database: PathBuf,
    table: String,
    /// Made after the rows: to sort them once is quicker than to find each one's place.
    indexes: Vec<String>,
    many_rows: usize,
    many: Insert<'c>,
    one: Insert<'c>,
}

impl<'c> Statements<'c> {
    /// Prepares to insert into `table`, which exists, `batch_rows` rows a statement.
    ///
    /// # Errors
    /// [`crate::error::Kind::Sqlite`] if SQLite refuses the statements.
    pub fn new(
        connection: &'c Connection,
        database: &Path,
        table: &Table,
        batch_rows: usize,
    ) -> Result<Self> {
        let failed = |source| Error::sqlite("prepare an INSERT into", database, source);
        let columns = table.columns.len();
        let max_values = connection.limit(rusqlite::limits::Limit::SQLITE_LIMIT_VARIABLE_NUMBER);
        let max_values = usize::try_from(max_values.map_err(failed)?).unwrap_or(0);
        let many_rows = batch_rows.clamp(1, (max_values / columns).max(1));
        Ok(Self {
            database: database.to_owned(),
            table: table.name.clone(),
            indexes: table.indexes.clone(),
            many_rows,
            many: Insert::prepare(connection, &insert_sql(table, many_rows)).map_err(failed)?,
            one: Insert::prepare(connection, &insert_sql(table, 1)).map_err(failed)?,
        })
    }
}

fn insert_sql(table: &Table, rows: usize) -> String {
    let names: Vec<_> = table.columns.iter().map(|column| quote_name(&column.name)).collect();
    let row = format!("({})", vec!["?"; names.len()].join(","));
    let rows = vec![row; rows].join(",");
    format!("INSERT INTO {} ({}) VALUES {rows}", quote_name(&table.name), names.join(","))
}

impl Writer for Statements<'_> {
    type Encoder = Unencoded;

    fn encoder(&self) -> Unencoded {
        Unencoded
    }

    fn append(&mut self, rows: &Rows<'_>, (): &mut ()) -> Result<()> {
        let mut run = || -> rusqlite::Result<()> {
            let ends_in_one = rows.len - rows.len % self.many_rows;
            for first in (0..ends_in_one).step_by(self.many_rows) {
                self.many.run(rows, first..first + self.many_rows)?;
            }
            (ends_in_one..rows.len).try_for_each(|row| self.one.run(rows, row..row + 1))
        };
        run().map_err(|source| {
            Error::sqlite(format!("insert into table {:?} of", self.table), &self.database, source)
        })
    }

    fn finish(self, _: &AtomicBool) -> Result<Vec<String>> {
        Ok(self.indexes)
    }
}

/// The statement path encodes nothing: SQLite does.
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

    /// Inserts the rows in `range`, as many as the statement carries.
    ///
    /// This is the one hot loop of the statement path. Its contract: SQLite is given the address of every
    /// text and blob, not a copy (`SQLITE_STATIC`), and reads them during the step alone. `rows` is
    /// borrowed until the bindings are cleared, before this returns, so no address outlives what it shows.
    fn run(&mut self, rows: &Rows<'_>, range: Range<usize>) -> rusqlite::Result<()> {
        let statement = self.statement.as_ptr();
        let values = range.flat_map(|row| rows.columns.iter().map(move |column| column.get(row)));
        for (value, parameter) in values.zip(1..) {
            // SAFETY: the statement is alive until `self` is dropped and is not running; pointers and lengths
            // come from slices that are borrowed until the bindings are cleared below.
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
        // SAFETY: the statement is alive and what is bound to it is borrowed.
        let stepped = unsafe { ffi::sqlite3_step(statement) };
        // The message is the step's, so it is asked for before the reset.
        let result = match stepped {
            ffi::SQLITE_DONE => Ok(()),
            code => Err(last_error(self.connection, code)),
        };
        // SAFETY: the statement is alive; after these calls it knows no address of ours.
        unsafe {
            ffi::sqlite3_reset(statement);
            ffi::sqlite3_clear_bindings(statement);
        }
        result
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: the statement came from prepare, its connection is still open, and nobody uses it again.
        unsafe { ffi::sqlite3_finalize(self.statement.as_ptr()) };
    }
}

/// What SQLite says of the call on `connection` that just failed with `code`.
fn last_error(connection: &Connection, code: c_int) -> rusqlite::Error {
    // SAFETY: the connection is open, and the message is copied before SQLite is called again.
    let message = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(connection.handle())) };
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(message.to_string_lossy().into_owned()))
}
