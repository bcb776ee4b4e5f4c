//! A database in memory, where SQLite says what a user's statements make.

use crate::types::register_math_functions;
use rusqlite::Connection;

/// A database that nobody keeps.
#[derive(Debug)]
pub(crate) struct Scratch(Connection);

/// Why SQLite refuses a statement, and where in it, in bytes.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) offset: usize,
}

/// A column as SQLite has understood it.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: String,
    /// Its declared type, which may be empty.
    pub(crate) declaration: String,
    pub(crate) has_default: bool,
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqlInputError { msg, offset, .. } => {
                Self { message: msg, offset: usize::try_from(offset).unwrap_or_default() }
            }
            rusqlite::Error::SqliteFailure(_, Some(message)) => Self { message, offset: 0 },
            rusqlite::Error::QueryReturnedNoRows => {
                Self { message: "nothing that stays in the database is made".to_owned(), offset: 0 }
            }
            other => Self { message: other.to_string(), offset: 0 },
        }
    }
}

impl Scratch {
    /// An empty one.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn new() -> Result<Self, Refusal> {
        let connection = Connection::open_in_memory()?;
        register_math_functions(&connection)?;
        Ok(Self(connection))
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn run(&self, sql: &str) -> Result<(), Refusal> {
        self.0.execute(sql, []).map(drop).map_err(Refusal::from)
    }

    /// The name of the `kind` ("table", "view") that was made last.
    ///
    /// # Errors
    /// If there is none, which is so after one was made in a temporary database.
    pub(crate) fn last(&self, kind: &str) -> Result<String, Refusal> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite%' ORDER BY rowid DESC LIMIT 1";
        self.0.query_row(sql, [kind], |row| row.get(0)).map_err(Refusal::from)
    }

    /// The columns of `table` that rows can be put into: all but generated ones.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn columns(&self, table: &str) -> Result<Vec<Declared>, Refusal> {
        let sql = "SELECT name, type, dflt_value IS NOT NULL FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid";
        let mut select = self.0.prepare(sql)?;
        let columns = select.query_map([table], |row| {
            Ok(Declared { name: row.get(0)?, declaration: row.get(1)?, has_default: row.get(2)? })
        })?;
        columns.collect::<Result<_, _>>().map_err(Refusal::from)
    }
}
