//! Evaluates expressions in SQLite. Each worker has a connection in memory, in which the records of a chunk are a table:
//!
//! ```text
//! SELECT json_extract("notes", '$.a'), "age" * 2 FROM input
//! ```
//!
//! `input` is a virtual table. SQLite scans it once per chunk and reads the fields that the expressions name. Its columns are
//! declared as `CREATE TABLE input (notes TEXT, age TEXT)` would declare them, so comparisons use the same affinities. If an
//! expression fails in a row, the scan continues after that row.
//!
//! SQLite reads copies of the values, and its results are copied: nothing is borrowed from SQLite or by it.

mod column_buffer;
mod functions;
mod input_table;

use crate::batch::{Arena, Value, Values};
use column_buffer::ColumnBuffer;
use input_table::SharedInput;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::ops::Range;

/// A column of the table `input`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputColumn {
    /// The name, of which expressions may use any ASCII case.
    pub(crate) name: String,
    /// True for TEXT affinity, false for none.
    pub(crate) is_text: bool,
}

/// An expression that failed in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EvalFailure {
    pub(crate) row: usize,
    /// The index of the expression.
    pub(crate) expression: usize,
    /// SQLite's message.
    pub(crate) message: String,
}

/// A connection with the table `input` and sqload's functions.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    input: SharedInput,
    results: Vec<ColumnBuffer>,
}

impl Session {
    /// Opens a connection whose table `input` has these columns.
    ///
    /// # Errors
    /// SQLite's message, for example if two columns have the same name.
    pub(crate) fn open(columns: &[InputColumn]) -> Result<Self, String> {
        Self::try_open(columns).map_err(|error| message(&error))
    }

    fn try_open(columns: &[InputColumn]) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_MEMORY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_in_memory_with_flags(flags)?;
        // A double-quoted word is a name, never a string.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        functions::register(&connection)?;
        let input = SharedInput::new(columns)?;
        input_table::register(&connection, &input)?;
        Ok(Self { connection, input, results: Vec::new() })
    }

    /// Checks that SQLite can prepare `expression`.
    ///
    /// # Errors
    /// SQLite's message.
    pub(crate) fn check(&self, expression: &str) -> Result<(), String> {
        self.connection.prepare(&select(&[expression])).map(drop).map_err(|error| message(&error))
    }

    /// Evaluates `expressions` over `row_count` rows of `input`, whose columns are `inputs`. If an expression fails in a row, all
    /// values of that row are NULL, and `on_failure` is called.
    ///
    /// # Errors
    /// SQLite's message if it cannot prepare an expression.
    pub(crate) fn eval<'a>(
        &mut self,
        expressions: &[&str],
        inputs: impl Iterator<Item = Values<'a>>,
        row_count: usize,
        arena: &'a Arena,
        mut on_failure: impl FnMut(EvalFailure),
    ) -> Result<&'a [Values<'a>], String> {
        self.input.update(|rows| rows.fill(inputs, row_count));
        self.results.resize_with(expressions.len(), ColumnBuffer::default);
        self.results.iter_mut().for_each(ColumnBuffer::clear);
        let sql = select(expressions);
        let mut next = 0;
        while next < row_count {
            let scanned = self.scan(&sql, next..row_count).map_err(|error| message(&error))?;
            let Err(error) = scanned else { break };
            let row = self.input.current_row();
            let (expression, message) = self.find_failure(expressions, row).unwrap_or((0, message(&error)));
            on_failure(EvalFailure { row, expression, message });
            for result in &mut self.results {
                result.truncate(row);
                result.push(Value::Null);
            }
            next = row + 1;
        }
        Ok(arena.list(self.results.iter().map(|result| result.to_values(arena))))
    }

    /// Runs a SELECT over a range of rows and appends its values to the results. The inner result is an error if evaluation fails
    /// in a row.
    fn scan(&mut self, sql: &str, rows: Range<usize>) -> rusqlite::Result<rusqlite::Result<()>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        self.input.set_range(rows);
        let mut rows = statement.query([])?;
        loop {
            match rows.next() {
                Ok(Some(row)) => {
                    for (index, result) in self.results.iter_mut().enumerate() {
                        result.push(Value::from_sqlite(row.get_ref(index)?));
                    }
                }
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// The first expression that fails in a row, with SQLite's message.
    #[cold]
    fn find_failure(&self, expressions: &[&str], row: usize) -> Option<(usize, String)> {
        let failure = |expression: &str| {
            let mut statement = self.connection.prepare_cached(&select(&[expression])).ok()?;
            self.input.set_range(row..row + 1);
            statement.query([]).ok()?.next().err().map(|error| message(&error))
        };
        expressions.iter().enumerate().find_map(|(index, expression)| Some((index, failure(expression)?)))
    }
}

/// The statement that evaluates `expressions` for each row.
fn select(expressions: &[&str]) -> String {
    format!("SELECT {} FROM input", expressions.join(", "))
}

/// SQLite's own message, without what `rusqlite` adds to it.
fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message))
        | rusqlite::Error::SqlInputError { msg: message, .. } => message.clone(),
        error => error.to_string(),
    }
}
