//! What SQLite makes of expressions: one connection in memory for each worker, in which the records of a chunk are a
//! table.
//!
//! ```text
//! SELECT json_extract("notes", '$.a'), "age" * 2 FROM input
//! ```
//!
//! `input` is a virtual table: SQLite walks over it once a chunk and asks for the fields that the expressions name.
//! Its columns are declared as what a plain `CREATE TABLE input (notes TEXT, age TEXT)` would declare, so that
//! comparisons have the same affinities there and here. An expression that fails ends the walk; it then goes on
//! behind that row.
//!
//! SQLite is given copies of the values, and gives copies back: nothing is borrowed across its border.

mod cells;
mod functions;
mod table;

use crate::batch::{Arena, Value, Values};
use cells::Cells;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::ops::Range;
use table::Shared;

/// A column of the table `input`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputColumn {
    /// What the expressions call it, in any case.
    pub(crate) name: String,
    /// Whether it has TEXT affinity; otherwise it has none.
    pub(crate) is_text: bool,
}

/// Why an expression has no value in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) row: usize,
    /// The number of the expression.
    pub(crate) expression: usize,
    /// What SQLite says.
    pub(crate) message: String,
}

/// A connection that knows `input` and our functions.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    shared: Shared,
    results: Vec<Cells>,
}

impl Session {
    /// Opens one whose `input` has these columns.
    ///
    /// # Errors
    /// What SQLite says, for one if two columns have the same name.
    pub(crate) fn open(columns: &[InputColumn]) -> Result<Self, String> {
        Self::try_open(columns).map_err(|error| message(&error))
    }

    fn try_open(columns: &[InputColumn]) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_MEMORY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_in_memory_with_flags(flags)?;
        // What is in double quotes is a name, or an error.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        functions::register(&connection)?;
        let shared = Shared::new(columns)?;
        table::register(&connection, &shared)?;
        Ok(Self { connection, shared, results: Vec::new() })
    }

    /// Whether SQLite can evaluate `expression`.
    ///
    /// # Errors
    /// What it says if not.
    pub(crate) fn check(&self, expression: &str) -> Result<(), String> {
        self.connection.prepare(&select(&[expression])).map(drop).map_err(|error| message(&error))
    }

    /// The values of `expressions` over so many rows, whose columns of `input` have these values. A row in which one of
    /// them fails has NULLs; `failed` is told of it.
    ///
    /// # Errors
    /// If SQLite does not know an expression.
    pub(crate) fn eval<'a>(
        &mut self,
        expressions: &[&str],
        inputs: impl Iterator<Item = Values<'a>>,
        rows: usize,
        arena: &'a Arena,
        mut failed: impl FnMut(Failure),
    ) -> Result<&'a [Values<'a>], String> {
        self.shared.show(|window| window.fill(inputs, rows));
        self.results.resize_with(expressions.len(), Cells::default);
        self.results.iter_mut().for_each(Cells::clear);
        let sql = select(expressions);
        let mut next = 0;
        while next < rows {
            let walked = self.walk(&sql, next..rows).map_err(|error| message(&error))?;
            let Err(error) = walked else { break };
            let row = self.shared.row();
            let (expression, message) = self.cause(expressions, row).unwrap_or((0, message(&error)));
            failed(Failure { row, expression, message });
            for result in &mut self.results {
                result.truncate(row);
                result.push(Value::Null);
            }
            next = row + 1;
        }
        Ok(arena.list(self.results.iter().map(|result| result.values(arena))))
    }

    /// Walks over rows and keeps the values of a SELECT.
    fn walk(&mut self, sql: &str, rows: Range<usize>) -> rusqlite::Result<rusqlite::Result<()>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        self.shared.set_range(rows);
        let mut found = statement.query([])?;
        loop {
            match found.next() {
                Ok(Some(row)) => {
                    for (at, result) in self.results.iter_mut().enumerate() {
                        result.push(Value::from_sqlite(row.get_ref(at)?));
                    }
                }
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// The first expression that fails in a row, and what SQLite says of it.
    #[cold]
    fn cause(&self, expressions: &[&str], row: usize) -> Option<(usize, String)> {
        let fails = |expression: &str| {
            let mut statement = self.connection.prepare_cached(&select(&[expression])).ok()?;
            self.shared.set_range(row..row + 1);
            statement.query([]).ok()?.next().err().map(|error| message(&error))
        };
        expressions.iter().enumerate().find_map(|(at, expression)| Some((at, fails(expression)?)))
    }
}

/// The statement that evaluates `expressions` in each row.
fn select(expressions: &[&str]) -> String {
    format!("SELECT {} FROM input", expressions.join(", "))
}

/// What SQLite says of an error, without what the library adds.
fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message))
        | rusqlite::Error::SqlInputError { msg: message, .. } => message.clone(),
        error => error.to_string(),
    }
}
