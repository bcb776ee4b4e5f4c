//! The file that receives pages: a new database, which SQLite has closed, or an existing one in an exclusive transaction.
//!
//! In an existing database, pages behind its end are written to the file. All others are written through the virtual table
//! `sqlite_dbpage` (<https://sqlite.org/dbpage.html>): SQLite journals them, and undoes them if the transaction is rolled
//! back.

use crate::error::{Error, Result};
use rusqlite::{Connection, OptionalExtension};
use std::fs::File;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A database file that receives pages.
#[derive(Debug)]
pub struct PageFile<'c> {
    /// For messages.
    path: PathBuf,
    file: Option<FileEnd>,
    /// Takes the pages before `file`.
    connection: Option<&'c Connection>,
}

/// The pages that are written to a file.
#[derive(Debug)]
struct FileEnd {
    /// To close it would drop the locks that SQLite has on an existing database, so that others keep it open, too.
    file: Arc<File>,
    first_page: u32,
}

impl<'c> PageFile<'c> {
    /// A new database, whose pages are all written to `file`. Messages name it `path`.
    pub fn new(file: File, path: &Path) -> Self {
        let file = FileEnd { file: Arc::new(file), first_page: 1 };
        Self { path: path.to_owned(), file: Some(file), connection: None }
    }

    /// An existing database at `path`, in a transaction of `connection`. Its pages from `first_page` are written to `file`, all
    /// others through the connection.
    pub fn existing(connection: &'c Connection, path: &Path, file: Option<(Arc<File>, u32)>) -> Self {
        let file = file.map(|(file, first_page)| FileEnd { file, first_page });
        Self { path: path.to_owned(), file, connection: Some(connection) }
    }

    /// True if the database is in a transaction.
    pub(super) fn is_existing(&self) -> bool {
        self.connection.is_some()
    }

    /// The file, if page `number` is written to it.
    fn file_of(&self, number: u32) -> Option<&File> {
        self.file.as_ref().filter(|end| number >= end.first_page).map(|end| &*end.file)
    }

    /// True if page `number` is written to the file.
    pub(super) fn is_in_file(&self, number: u32) -> bool {
        self.file_of(number).is_some()
    }

    /// Lets [`PageFile::append`] start with this page.
    pub(super) fn seek(&mut self, number: u32, page_bytes: usize) -> Result<()> {
        match self.file_of(number) {
            Some(mut file) => {
                let sought = file.seek(SeekFrom::Start(offset(number, page_bytes)));
                sought.map(drop).map_err(|error| self.failed(error))
            }
            None => Ok(()),
        }
    }

    /// Appends whole pages to the file.
    pub(super) fn append(&mut self, mut slices: &mut [IoSlice<'_>]) -> Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        let Some(FileEnd { file, .. }) = &self.file else { return Ok(()) };
        while !slices.is_empty() {
            match (&**file).write_vectored(slices) {
                Ok(0) => return Err(self.failed(io::ErrorKind::WriteZero.into())),
                Ok(written) => IoSlice::advance_slices(&mut slices, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    /// Reads a page of `page_bytes` bytes.
    pub(super) fn read(&self, number: u32, page_bytes: usize) -> Result<Vec<u8>> {
        let damaged = || self.damaged(&format!("page {number} does not exist"));
        match (self.file_of(number), self.connection) {
            (None, Some(connection)) => {
                let select = connection.prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1");
                let page =
                    select.and_then(|mut select| select.query_row([number], |row| row.get(0)).optional());
                let page = page.map_err(|source| Error::sqlite("read", &self.path, source))?;
                page.ok_or_else(damaged)
            }
            (None, None) => Err(damaged()),
            (Some(file), _) => {
                let mut page = vec![0; page_bytes];
                let read = file.read_exact_at(&mut page, offset(number, page_bytes));
                read.map(|()| page).map_err(|error| Error::io("read", &self.path, error))
            }
        }
    }

    /// Writes a page that exists.
    pub(super) fn write(&self, number: u32, page: &[u8]) -> Result<()> {
        match self.file_of(number) {
            Some(file) => {
                file.write_all_at(page, offset(number, page.len())).map_err(|error| self.failed(error))
            }
            None => self.write_journaled(number, page),
        }
    }

    /// Writes a page through SQLite, which also learns that the database has at least `number` pages.
    pub(super) fn write_journaled(&self, number: u32, page: &[u8]) -> Result<()> {
        let Some(connection) = self.connection else { return Ok(()) };
        let insert = connection.prepare_cached("INSERT INTO sqlite_dbpage (pgno, data) VALUES (?1, ?2)");
        let inserted = insert.and_then(|mut insert| insert.execute((number, page)));
        inserted.map(drop).map_err(|source| Error::sqlite("write", &self.path, source))
    }

    /// Has SQLite read the page count from page 1, which was changed behind its back.
    pub(super) fn refresh_page_count(&self) -> Result<()> {
        let Some(connection) = self.connection else { return Ok(()) };
        let refreshed = connection.execute_batch("SAVEPOINT pages; RELEASE pages");
        refreshed.map_err(|source| Error::sqlite("write", &self.path, source))
    }

    /// The error for a damaged database.
    pub(super) fn damaged(&self, what: &str) -> Error {
        Error::io("read", &self.path, io::Error::new(io::ErrorKind::InvalidData, what))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write", &self.path, error)
    }
}

/// The offset of a page in the file.
fn offset(number: u32, page_bytes: usize) -> u64 {
    u64::from(number - 1) * page_bytes as u64
}
