//! The build of SQLite that the library contains.

use crate::error::{Error, Result};
use rusqlite::Connection;
use std::path::Path;

/// The version of the bundled SQLite, and how it was compiled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqliteBuild {
    /// The version, such as `3.50.2`.
    pub version: &'static str,
    /// The rows of `PRAGMA compile_options`.
    pub compile_options: Vec<String>,
}

impl SqliteBuild {
    /// Asks SQLite.
    ///
    /// # Errors
    /// [`Kind::Sqlite`](crate::Kind::Sqlite) if SQLite cannot open a database in memory.
    pub fn read() -> Result<Self> {
        let compile_options = compile_options()
            .map_err(|error| Error::sqlite("read the compile options of", Path::new(":memory:"), error))?;
        Ok(Self { version: rusqlite::version(), compile_options })
    }
}

fn compile_options() -> rusqlite::Result<Vec<String>> {
    let connection = Connection::open_in_memory()?;
    let mut statement = connection.prepare("PRAGMA compile_options")?;
    statement.query_map([], |row| row.get(0))?.collect()
}
