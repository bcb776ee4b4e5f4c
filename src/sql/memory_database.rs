//! An in-memory database that validates the statements of a pipeline and reports what they create.

use crate::plan::ConflictClause;
use crate::schema::ddl::{quote_name, quote_names};
use crate::types::register_math_functions;
use rusqlite::Connection;

/// An empty in-memory database.
#[derive(Debug)]
pub(crate) struct MemoryDatabase(Connection);

/// An error of SQLite, with its byte offset in the statement; 0 if SQLite names no offset.
#[derive(Debug)]
pub(crate) struct StatementError {
    pub(crate) message: String,
    pub(crate) offset: usize,
}

/// A column as SQLite understands its declaration.
#[derive(Debug)]
pub(crate) struct DeclaredColumn {
    pub(crate) name: String,
    /// Its declared type; may be empty.
    pub(crate) declared_type: String,
    pub(crate) has_default: bool,
}

impl From<rusqlite::Error> for StatementError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqlInputError { msg, offset, .. } => {
                Self { message: msg, offset: usize::try_from(offset).unwrap_or_default() }
            }
            rusqlite::Error::SqliteFailure(_, Some(message)) => Self { message, offset: 0 },
            rusqlite::Error::QueryReturnedNoRows => Self {
                message: "this statement creates nothing that stays in the database".to_owned(),
                offset: 0,
            },
            other => Self { message: other.to_string(), offset: 0 },
        }
    }
}

impl MemoryDatabase {
    /// Opens an empty database.
    ///
    /// # Errors
    /// If SQLite cannot allocate it.
    pub(crate) fn open() -> Result<Self, StatementError> {
        let connection = Connection::open_in_memory()?;
        register_math_functions(&connection)?;
        Ok(Self(connection))
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// The error of SQLite.
    pub(crate) fn execute(&self, sql: &str) -> Result<(), StatementError> {
        self.0.execute(sql, []).map(drop).map_err(StatementError::from)
    }

    /// The name of the most recently created object of type `kind` ("table", "view").
    ///
    /// # Errors
    /// If there is none, as after the creation of an object in the temporary database.
    pub(crate) fn last_created(&self, kind: &str) -> Result<String, StatementError> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite%' ORDER BY rowid DESC LIMIT 1";
        self.0.query_row(sql, [kind], |row| row.get(0)).map_err(StatementError::from)
    }

    /// The SQL of the most recently created object of type `kind`, as SQLite stores it.
    ///
    /// # Errors
    /// As [`MemoryDatabase::last_created`].
    pub(crate) fn last_created_sql(&self, kind: &str) -> Result<String, StatementError> {
        let sql =
            "SELECT sql FROM sqlite_schema WHERE type = ?1 AND sql IS NOT NULL ORDER BY rowid DESC LIMIT 1";
        self.0.query_row(sql, [kind], |row| row.get(0)).map_err(StatementError::from)
    }

    /// Checks that an INSERT into `table` may have this clause.
    ///
    /// # Errors
    /// The error of SQLite.
    pub(crate) fn check_conflict_clause(
        &self,
        table: &str,
        clause: &ConflictClause,
    ) -> Result<(), StatementError> {
        let columns = self.columns(table)?;
        let names = quote_names(columns.iter().map(|column| &column.name));
        let values = vec!["NULL"; columns.len()].join(", ");
        let ConflictClause { sql, condition, .. } = clause;
        let filter = condition.as_ref().map_or(String::new(), |condition| format!(" WHERE {condition}"));
        let insert = format!("INSERT INTO {} ({names}) VALUES ({values}) {sql}{filter}", quote_name(table));
        self.0.prepare(&insert).map(drop).map_err(StatementError::from)
    }

    /// The columns of `table` that accept values: all except generated columns.
    ///
    /// # Errors
    /// The error of SQLite.
    pub(crate) fn columns(&self, table: &str) -> Result<Vec<DeclaredColumn>, StatementError> {
        let sql = "SELECT name, type, dflt_value IS NOT NULL FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid";
        let mut select = self.0.prepare(sql)?;
        let columns = select.query_map([table], |row| {
            Ok(DeclaredColumn { name: row.get(0)?, declared_type: row.get(1)?, has_default: row.get(2)? })
        })?;
        columns.collect::<Result<_, _>>().map_err(StatementError::from)
    }
}
