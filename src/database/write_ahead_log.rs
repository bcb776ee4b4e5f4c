//! WAL mode, which a load leaves while it writes pages to the file.
//!
//! In WAL mode, SQLite would write every page to the log first. If no other process has the database open, the load switches it to
//! DELETE mode and back afterwards. A load that is killed in between may leave it in DELETE mode.

use super::file_control::has_moved;
use super::open::open_existing;
use super::snapshot::SchemaSnapshot;
use crate::error::{Error, Result, with_causes};
use crate::plan::Tuning;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// True if the database is in WAL mode.
pub(super) fn has_log(connection: &Connection) -> rusqlite::Result<bool> {
    let mode = connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))?;
    Ok(mode == "wal")
}

/// A database that has left WAL mode. It returns when this is dropped, after the connection is closed.
#[derive(Debug)]
pub(super) struct LeftLog {
    path: PathBuf,
    tuning: Tuning,
    has_returned: bool,
}

impl LeftLog {
    /// Lets the database at `path` leave WAL mode unless others have it open. The connection is in an exclusive transaction
    /// before and after. Returns `None` instead of it if the database was changed meanwhile.
    ///
    /// # Errors
    /// If the transaction cannot be started again.
    pub(super) fn leave(
        connection: Connection,
        path: &Path,
        tuning: &Tuning,
    ) -> Result<Option<(Connection, Option<Self>)>> {
        let failed = |source| Error::sqlite("open", path, source);
        let schema = SchemaSnapshot::of(&connection).map_err(failed)?;
        let mut left = None;
        // To be closed before `left` is dropped.
        let connection = connection;
        connection.execute_batch("ROLLBACK").map_err(failed)?;
        connection.busy_timeout(Duration::ZERO).map_err(failed)?;
        // An error or another mode: others have the database open.
        let mode = connection
            .query_row("PRAGMA journal_mode = DELETE", [], |row| Ok(row.get::<_, String>(0)? == "delete"));
        if mode.unwrap_or(false) {
            left = Some(Self { path: path.to_owned(), tuning: tuning.clone(), has_returned: false });
        }
        connection.busy_timeout(tuning.busy_timeout).map_err(failed)?;
        connection.execute_batch("BEGIN EXCLUSIVE").map_err(failed)?;
        let is_unchanged = SchemaSnapshot::of(&connection).map_err(failed)? == schema
            && !has_moved(&connection).map_err(failed)?;
        Ok(is_unchanged.then_some((connection, left)))
    }

    /// Lets the database return to WAL mode. Waits for locks.
    ///
    /// # Errors
    /// If it cannot, because others have it open for too long, for example.
    pub(super) fn return_to_log(mut self) -> Result<()> {
        self.has_returned = true;
        self.change_mode()
    }

    fn change_mode(&self) -> Result<()> {
        let connection = open_existing(&self.path, &self.tuning)?;
        let change = connection.execute_batch("ROLLBACK; PRAGMA journal_mode = WAL");
        change.map_err(|source| Error::sqlite("change the journal mode of", &self.path, source))
    }
}

impl Drop for LeftLog {
    fn drop(&mut self) {
        if !self.has_returned
            && let Err(error) = self.change_mode()
        {
            tracing::warn!("the database is no longer in WAL mode: {}", with_causes(&error));
        }
    }
}
