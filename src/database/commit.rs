//! The end of a load: the commit of an existing database, or the rename of a new one.
//!
//! Until then, a failure leaves the database unchanged. What fails afterwards is a warning: the rows are loaded.

use super::Target;
use super::file_control::has_moved;
use super::open::check_no_stray_journal;
use super::write_ahead_log::{LeftLog, has_log};
use crate::error::{Error, Kind, Result};
use crate::files::descriptors::{FileId, flush_descriptors};
use crate::files::staged::{StagedFile, sync_directory_of};
use crate::plan::Synchronous;
use rusqlite::{Connection, ffi};
use std::fmt::Display;
use std::io;
use std::path::Path;

/// How a load was committed.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// False if the system reported a failure after the commit, so that the rows may not be on disk; true if they are;
    /// `None` if the load was not told to wait for the disk.
    pub(crate) is_durable: Option<bool>,
    /// What failed after the commit.
    pub(crate) warnings: Vec<String>,
}

impl Committed {
    fn new(synchronous: Synchronous) -> Self {
        Self { is_durable: (synchronous >= Synchronous::Full).then_some(true), warnings: Vec::new() }
    }

    fn warn(&mut self, what: &str, error: impl Display) {
        let warning = format!("the rows are loaded, but {what}: {error}");
        tracing::warn!("{warning}");
        self.warnings.push(warning);
    }

    fn warn_not_durable(&mut self, what: &str, error: impl Display) {
        self.is_durable = Some(false);
        let warning = format!("the rows are loaded, but not known to be on disk: {what}: {error}");
        tracing::error!("{warning}");
        self.warnings.push(warning);
    }

    /// Syncs the directory of the database if the load waits for the disk: for the new name of a renamed database, or for
    /// the name of a deleted journal, which would undo the load after a crash.
    fn sync_directory(&mut self, path: &Path) {
        if self.is_durable.is_some()
            && let Err(error) = sync_directory_of(path)
        {
            self.warn_not_durable("its directory cannot be synced", error);
        }
    }
}

impl Target {
    /// Commits the load: the transaction of an existing database, or the rename of a new one.
    ///
    /// # Errors
    /// [`Kind::Sqlite`], [`Kind::Io`], [`Kind::StrayJournal`] or [`Kind::Interrupted`];
    /// [`Kind::DatabaseChanged`] if the database that is to be replaced is no longer at its path, or if one exists now. It is
    /// then unchanged.
    pub(crate) fn commit(mut self) -> Result<Committed> {
        match self.staged.take() {
            Some(staged) => self.commit_new(staged),
            None => self.commit_existing(),
        }
    }

    fn commit_new(mut self, staged: StagedFile) -> Result<Committed> {
        let path = self.path.clone();
        let failed = |error| Error::io("write", &path, error);
        if self.connection.is_some() {
            self.execute("commit to", "COMMIT")?;
            if self.tuning.vacuum {
                // The journal of VACUUM would be as large as the database.
                self.execute("vacuum", "PRAGMA journal_mode = OFF; VACUUM")?;
            }
            // SQLite ignores the errors of `close`.
            staged.flush().map_err(failed)?;
            self.close()?;
        }
        let mut committed = Committed::new(self.tuning.synchronous);
        if committed.is_durable.is_some() {
            staged.sync().map_err(failed)?;
        }
        match check_no_stray_journal(&path) {
            // Another program has created the database meanwhile, and a third one changes it.
            Err(_) if self.old.is_none() && path.symlink_metadata().is_ok() => {
                return Err(Kind::DatabaseChanged { path }.into());
            }
            checked => checked?,
        }
        if let Some(old) = &self.old {
            let moved = has_moved(old).map_err(|source| Error::sqlite("open", &self.path, source))?;
            if moved {
                return Err(Kind::DatabaseChanged { path: self.path.clone() }.into());
            }
        }
        staged.persist(&self.path, self.old.is_some()).map_err(|error| match error.kind() {
            // Another program created it meanwhile.
            io::ErrorKind::AlreadyExists => Kind::DatabaseChanged { path: self.path.clone() }.into(),
            _ => failed(error),
        })?;
        committed.sync_directory(&self.path);
        if let Some(Err((_, error))) = self.old.take().map(Connection::close) {
            committed.warn("the old database cannot be closed", error);
        }
        Ok(committed)
    }

    fn commit_existing(mut self) -> Result<Committed> {
        let mut committed = Committed::new(self.tuning.synchronous);
        let Some(connection) = self.connection.take() else {
            return Err(Kind::Internal("the database is detached".to_owned()).into());
        };
        let moved = || io::Error::other("another program deleted or moved it during the load");
        if has_moved(&connection).unwrap_or(false) {
            self.connection = Some(connection);
            let error = Error::io("commit to", &self.path, moved());
            self.roll_back();
            return Err(error);
        }
        if let Err(error) = connection.execute_batch("COMMIT") {
            match failed_after_commit(&error) {
                Some(true) => committed.warn("a lock cannot be released", error),
                Some(false) if committed.is_durable.is_some() => {
                    committed.warn_not_durable("the directory of its journal cannot be synced", error);
                }
                Some(false) => committed.warn("the directory of its journal cannot be synced", error),
                None => {
                    let error = Error::sqlite("commit to", &self.path, error);
                    self.connection = Some(connection);
                    self.roll_back();
                    return Err(error);
                }
            }
        }
        if has_moved(&connection).unwrap_or(false) {
            committed.warn("the database is no longer at its path", moved());
        }
        self.finish_existing(connection, &mut committed);
        Ok(committed)
    }

    /// Does what remains after the commit of an existing database.
    fn finish_existing(mut self, mut connection: Connection, committed: &mut Committed) {
        if self.tuning.vacuum
            && let Err(error) = vacuum(&mut connection)
        {
            committed.warn("VACUUM failed", error);
        }
        // With a write-ahead log, the connection keeps a lock that must not be dropped.
        if has_log(&connection).is_ok_and(|has_log| !has_log)
            && let Some(id) = FileId::at(&self.path)
            && let Err(error) = flush_descriptors(id)
        {
            committed.warn_not_durable("a write failed", error);
        }
        if let Err((_, error)) = connection.close() {
            committed.warn("the database cannot be closed", error);
        }
        self.file = None;
        if let Some(Err(error)) = self.log.take().map(LeftLog::return_to_log) {
            committed.warn("the database is no longer in WAL mode", error);
        }
        committed.sync_directory(&self.path);
    }
}

/// Runs VACUUM. It cannot be interrupted.
fn vacuum(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.progress_handler(0, None::<fn() -> bool>)?;
    connection.execute_batch("VACUUM")
}

/// Whether COMMIT failed only after the commit: `Some(true)` if a lock could not be released, `Some(false)` if the directory
/// could not be synced after the journal was deleted. The load holds an exclusive lock, so that before the commit SQLite
/// neither takes nor releases a lock.
fn failed_after_commit(error: &rusqlite::Error) -> Option<bool> {
    match error.sqlite_error()?.extended_code {
        ffi::SQLITE_IOERR_UNLOCK | ffi::SQLITE_IOERR_RDLOCK => Some(true),
        ffi::SQLITE_IOERR_DIR_FSYNC => Some(false),
        _ => None,
    }
}
