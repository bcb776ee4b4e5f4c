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

mod functions;

use crate::batch::{Arena, ColumnBuffer, SharedInput, Value, Values};
use crate::error::Error;
use crate::eval::properties::column_affinity;
use crate::plan::Expr;
use crate::schema::ddl::quote_name;
use crate::types::ColumnAffinity;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Instructions of SQLite between two checks of the stop flag. An expression can take milliseconds per instruction.
const STOP_INTERVAL: i32 = 100;

/// A column of the table `input`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputColumn {
    /// The name, of which expressions may use any ASCII case.
    pub(crate) name: String,
    affinity: ColumnAffinity,
}

impl InputColumn {
    /// The column `name`, which has the values of `expr`.
    pub(crate) fn new(name: &str, expr: &Expr) -> Self {
        Self { name: name.to_owned(), affinity: column_affinity(expr) }
    }
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
    /// Opens a connection whose table `input` has these columns, to check expressions.
    ///
    /// # Errors
    /// SQLite's message, for example if two columns have the same name.
    pub(crate) fn open(columns: &[InputColumn]) -> Result<Self, String> {
        Self::try_open(columns).map_err(|error| message(&error))
    }

    /// As [`Session::open`], to evaluate expressions until `stop` is set.
    ///
    /// # Errors
    /// If SQLite runs out of memory.
    pub(super) fn open_until(columns: &[InputColumn], stop: &Arc<AtomicBool>) -> Result<Self, Error> {
        let open = || -> rusqlite::Result<Self> {
            let mut session = Self::try_open(columns)?;
            let stop = stop.clone();
            session.connection.progress_handler(STOP_INTERVAL, Some(move || stop.load(Ordering::Relaxed)))?;
            Ok(session)
        };
        open().map_err(evaluation_error)
    }

    fn try_open(columns: &[InputColumn]) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_MEMORY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_in_memory_with_flags(flags)?;
        // A double-quoted word is a name, never a string.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        functions::register(&connection)?;
        let declaration = |InputColumn { name, affinity }: &InputColumn| {
            format!("{} {}", quote_name(name), affinity.as_str())
        };
        let input = SharedInput::new(&columns.iter().map(declaration).collect::<Vec<_>>())?;
        input.register(&connection, "input")?;
        Ok(Self { connection, input, results: Vec::new() })
    }

    /// Checks that SQLite can prepare `expression`.
    ///
    /// # Errors
    /// SQLite's message.
    pub(crate) fn check(&self, expression: &str) -> Result<(), String> {
        self.connection.prepare(&select(&[expression])).map(drop).map_err(|error| message(&error))
    }

    /// The names of all scalar functions, or none if they cannot be read.
    pub(crate) fn functions(&self) -> Vec<String> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let sql = "SELECT DISTINCT name FROM pragma_function_list WHERE type = 's'";
            self.connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        read().unwrap_or_default()
    }

    /// Evaluates `expressions` over `row_count` rows of `input`, whose columns are `inputs`. If an expression fails in a row, all
    /// values of that row are NULL, and `on_failure` is called.
    ///
    /// # Errors
    /// [`Kind::Interrupted`](crate::Kind::Interrupted) after a stop; [`Kind::Sqlite`](crate::Kind::Sqlite) if SQLite runs out
    /// of memory or cannot prepare an expression.
    pub(crate) fn eval<'a>(
        &mut self,
        expressions: &[&str],
        inputs: impl ExactSizeIterator<Item = Values<'a>>,
        row_count: usize,
        arena: &'a Arena,
        mut on_failure: impl FnMut(EvalFailure),
    ) -> Result<&'a [Values<'a>], Error> {
        self.input.fill(inputs, row_count);
        self.results.resize_with(expressions.len(), ColumnBuffer::default);
        self.results.iter_mut().for_each(ColumnBuffer::clear);
        let sql = select(expressions);
        let mut next = 0;
        while next < row_count {
            let scanned = self.scan(&sql, next..row_count).map_err(evaluation_error)?;
            let Err(error) = scanned else { break };
            if !is_about_row(&error) {
                return Err(evaluation_error(error));
            }
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
            let prepared = self.connection.prepare_cached(&select(&[expression]));
            let mut statement =
                prepared.inspect_err(|error| tracing::debug!("{expression}: {error}")).ok()?;
            self.input.set_range(row..row + 1);
            let evaluated = statement.query([]).and_then(|mut rows| rows.next().map(drop));
            evaluated.err().map(|error| message(&error))
        };
        expressions.iter().enumerate().find_map(|(index, expression)| Some((index, failure(expression)?)))
    }
}

/// The largest number of columns in a table.
///
/// # Errors
/// If SQLite runs out of memory.
pub(crate) fn column_limit() -> Result<usize, Error> {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    if let Some(limit) = LIMIT.get() {
        return Ok(*limit);
    }
    let limit =
        Connection::open_in_memory().and_then(|connection| connection.limit(Limit::SQLITE_LIMIT_COLUMN));
    let limit = limit.map_err(|source| Error::sqlite("open", Path::new(":memory:"), source))?;
    Ok(*LIMIT.get_or_init(|| usize::try_from(limit).unwrap_or(usize::MAX)))
}

/// The statement that evaluates `expressions` for each row.
fn select(expressions: &[&str]) -> String {
    format!("SELECT {} FROM input", expressions.join(", "))
}

/// True if an error depends on the values of a row, and not on the state of the process.
fn is_about_row(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{OperationInterrupted, OutOfMemory};
    !matches!(error.sqlite_error_code(), Some(OperationInterrupted | OutOfMemory))
}

fn evaluation_error(source: rusqlite::Error) -> Error {
    Error::sqlite("evaluate expressions in", Path::new(":memory:"), source)
}

/// SQLite's own message, without what `rusqlite` adds to it.
fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message))
        | rusqlite::Error::SqlInputError { msg: message, .. } => message.clone(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn session(stop: bool) -> Session {
        let columns = [InputColumn::new("a", &Expr::Field("a".to_owned()))];
        Session::open_until(&columns, &Arc::new(AtomicBool::new(stop))).unwrap()
    }

    const ENDLESS: &str =
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n)";

    #[test]
    fn a_stop_ends_an_endless_expression() {
        let arena = Arena::default();
        let inputs = [Values::Constant(Value::Text(b"x"))];
        let error = session(true).eval(&[ENDLESS], inputs.into_iter(), 2, &arena, |_| {}).unwrap_err();
        assert!(matches!(error.kind(), Kind::Interrupted), "{error}");
    }

    #[test]
    fn a_running_statement_does_not_keep_the_rows_of_its_chunk() {
        let Session { connection, input, .. } = session(false);
        let inputs = |text| [Values::Constant(Value::Text(text))].into_iter();
        input.fill(inputs(b"old"), 2);
        let mut statement = connection.prepare("SELECT a FROM input").unwrap();
        let mut running = statement.query([]).unwrap();
        let old: String = running.next().unwrap().unwrap().get(0).unwrap();
        input.fill(inputs(b"new"), 3);
        let mut statement = connection.prepare("SELECT a FROM input").unwrap();
        let new: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!((old.as_str(), new.as_slice()), ("old", &["new", "new", "new"].map(str::to_owned)[..]));
        let still_old: String = running.next().unwrap().unwrap().get(0).unwrap();
        assert_eq!(still_old, "old");
    }
}
