//! What the direct path needs of an existing database, and how it starts to write pages there.
//!
//! Pages behind the end of the file are written to the file, behind SQLite's back. So that a rollback truncates the file, also
//! after a crash, the rollback journal must have a valid header on disk before. The steps are those that SQLite itself takes
//! when its cache overflows.

use super::Target;
use super::file_control::{has_moved, is_powersafe, vfs_name};
use super::write_ahead_log::has_log;
use crate::error::{Error, Kind, Result};
use crate::files::descriptors::FileId;
use crate::files::growing_file::WritableFile;
use crate::files::paths;
use crate::plan::Table;
use rusqlite::{Connection, OptionalExtension};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// Offset of the number of reserved bytes per page in the database header (file format 1.3.4).
const RESERVED_BYTES: usize = 20;

/// Bytes of the schema format number in the database header (file format 1.3.10). Older ones than 4 ignore DESC.
const SCHEMA_FORMAT: Range<usize> = 44..48;

/// Why pages cannot be written to the existing database of `connection` at `path`; `None` if they can.
///
/// # Errors
/// If the database cannot be read.
pub(super) fn unsupported_reason(
    connection: &Connection,
    path: &Path,
) -> rusqlite::Result<Option<&'static str>> {
    let integer = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    if vfs_name(connection)?.as_deref() != Some("unix") {
        return Ok(Some("the database is not accessed through SQLite's VFS `unix`"));
    }
    if !is_powersafe(connection)? {
        return Ok(Some("a power failure may damage bytes next to those that are written"));
    }
    if integer("auto_vacuum")? != 0 {
        return Ok(Some("the database is vacuumed automatically"));
    }
    let modules = "SELECT count(*) > 0 FROM pragma_module_list WHERE name = 'sqlite_dbpage'";
    if !connection.query_row(modules, [], |row| row.get::<_, bool>(0))? {
        return Ok(Some("SQLite was built without SQLITE_ENABLE_DBPAGE_VTAB"));
    }
    let header = "SELECT data FROM sqlite_dbpage WHERE pgno = 1";
    let header: Option<Vec<u8>> = connection.query_row(header, [], |row| row.get(0)).optional()?;
    if let Some(page) = header {
        if page.get(RESERVED_BYTES) != Some(&0) {
            return Ok(Some("the pages of the database have reserved bytes"));
        }
        if page.get(SCHEMA_FORMAT) != Some(&[0, 0, 0, 4]) {
            return Ok(Some("the database has a schema format before 4"));
        }
    }
    let bytes = integer("page_count")? * integer("page_size")?;
    let is_as_long = path.metadata().is_ok_and(|metadata| metadata.len() == bytes.cast_unsigned());
    Ok((!has_log(connection)? && !is_as_long).then_some("the file is not as long as its header says"))
}

/// How pages are written to an existing database.
#[derive(Debug)]
pub(crate) struct PageAccess<'t> {
    /// The connection, in an exclusive transaction.
    pub(crate) connection: &'t Connection,
    /// The path of the database.
    pub(crate) path: &'t Path,
    /// The file, and the first page that may be written to it. `None` if SQLite has to write all pages.
    pub(crate) file: Option<(WritableFile, u32)>,
}

impl Target {
    /// Lets pages be written to an existing database: behind the end of the file from now on, and elsewhere through
    /// `sqlite_dbpage`. Until [`Target::forget_pages`], SQLite must not use `table`, which exists.
    ///
    /// # Errors
    /// [`Kind::Sqlite`]; [`Kind::Io`] if the file cannot be opened; [`Kind::DatabaseChanged`] if it was moved.
    pub(crate) fn page_access(&mut self, table: &Table) -> Result<PageAccess<'_>> {
        let failed = |source| Error::sqlite("write", &self.path, source);
        let connection = self.connection()?;
        if has_log(connection).map_err(failed)? || !self.sync_journal(table)? {
            return Ok(PageAccess { connection: self.connection()?, path: &self.path, file: None });
        }
        if self.file.is_none() {
            let file = File::options().read(true).write(true).open(&self.path);
            let file = file.map_err(|error| Error::io("open", &self.path, error))?;
            // Kept in any case: to close it would drop the locks of the connection.
            let file = self.file.insert(file.into());
            let id = file.file().metadata().map(|metadata| FileId::from(&metadata)).ok();
            if has_moved(self.connection()?).map_err(failed)? || id != FileId::at(&self.path) {
                return Err(Kind::DatabaseChanged { path: self.path.clone() }.into());
            }
        }
        let connection = self.connection()?;
        let count = connection.pragma_query_value(None, "page_count", |row| row.get::<_, u32>(0));
        let first_page = count.map_err(failed)? + 1;
        let file = self.file.clone().map(|file| (file, first_page));
        Ok(PageAccess { connection, path: &self.path, file })
    }

    /// Writes changed pages to the file and, before them, the journal. Returns false if the journal would not undo what is
    /// written behind the end of the file.
    fn sync_journal(&self, table: &Table) -> Result<bool> {
        // Without a changed page other than page 1, which is in use, SQLite would not write the journal.
        let change_root =
            "INSERT INTO sqlite_dbpage (pgno, data) SELECT pgno, data FROM sqlite_dbpage WHERE pgno =
            (SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE)";
        let flush = |connection: &Connection| {
            connection.execute(change_root, [&table.name])?;
            connection.cache_flush()
        };
        flush(self.connection()?).map_err(|source| Error::sqlite("write", &self.path, source))?;
        let [journal, _] = paths::journals(&self.path);
        // SQLite writes the magic of the header when the journal is complete; it is zero before.
        let mut magic = [0];
        let read = File::open(journal).and_then(|mut journal| journal.read_exact(&mut magic));
        Ok(read.is_ok() && magic[0] != 0)
    }

    /// Lets SQLite see the pages that were written to an existing database: it must not have the old content of a page in its
    /// cache, nor an old page count. Does nothing to a new database, which is closed.
    ///
    /// # Errors
    /// [`Kind::Sqlite`].
    pub(crate) fn forget_pages(&self) -> Result<()> {
        let forget = |connection: &Connection| {
            connection.execute_batch("SAVEPOINT pages; RELEASE pages")?;
            connection.cache_flush()?;
            connection.execute_batch("PRAGMA shrink_memory")
        };
        let Some(connection) = &self.connection else { return Ok(()) };
        forget(connection).map_err(|source| Error::sqlite("write", &self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::OpenFlags;

    /// The reason for a database that is opened with these parameters of a URI.
    fn reason(parameters: &str) -> Option<&'static str> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let uri = format!("file:{}?{parameters}", path.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri, flags).unwrap();
        unsupported_reason(&connection, &path).unwrap()
    }

    #[test]
    fn pages_are_written_only_through_the_unix_vfs_to_powersafe_devices() {
        let option = "SELECT sqlite_compileoption_used('ENABLE_DBPAGE_VTAB')";
        let memory = Connection::open_in_memory().unwrap();
        let has_pages: bool = memory.query_row(option, [], |row| row.get(0)).unwrap();
        let missing = (!has_pages).then_some("SQLite was built without SQLITE_ENABLE_DBPAGE_VTAB");
        assert_eq!(reason("psow=1"), missing);
        // A sector, which is then larger than a page, would have to be journaled as a whole.
        assert_eq!(reason("psow=0"), Some("a power failure may damage bytes next to those that are written"));
        let other = Some("the database is not accessed through SQLite's VFS `unix`");
        assert_eq!(reason("vfs=unix-none"), other);
        assert_eq!(reason("vfs=unix-dotfile"), other);
    }
}
