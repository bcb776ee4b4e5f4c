//! The schema that a plan was resolved against.

use super::inspect::open_to_read;
use crate::error::{Error, Result};
use crate::files::paths;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;
use std::time::Duration;

/// The schema of a database at one moment, to find out later whether another program has changed it.
#[derive(Debug, PartialEq)]
pub(crate) struct SchemaSnapshot(Option<SchemaContent>);

#[derive(Debug, PartialEq)]
struct SchemaContent {
    /// SQLite increments it with each change.
    version: i64,
    /// The rows of `sqlite_schema`.
    objects: Vec<[Value; 4]>,
}

impl SchemaSnapshot {
    /// The schema of a database that does not exist.
    pub(super) const MISSING: Self = Self(None);

    /// Reads the schema of the database at `path`, which need not exist.
    ///
    /// # Errors
    /// [`crate::Kind::Sqlite`] or [`crate::Kind::Locked`] if the database cannot be read.
    pub(crate) fn read(path: &Path, busy_timeout: Duration) -> Result<Self> {
        let path = &paths::resolve(path)?;
        if !path.exists() {
            return Ok(Self::MISSING);
        }
        let read = open_to_read(path, busy_timeout).and_then(|connection| Self::of(&connection));
        read.map_err(|source| Error::sqlite("read", path, source))
    }

    /// Reads the schema of an open database.
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let version = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
        let mut select =
            connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")?;
        let object =
            |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Value>(3)?]);
        let objects = select.query_map([], object)?.collect::<rusqlite::Result<_>>()?;
        Ok(Self(Some(SchemaContent { version, objects })))
    }
}
