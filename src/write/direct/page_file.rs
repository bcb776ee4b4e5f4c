//! The file that receives pages: a new database, which SQLite has closed, or an existing one in an exclusive transaction.
//!
//! In an existing database, pages behind its end are written to the file. All others are written through the virtual table
//! `sqlite_dbpage` (<https://sqlite.org/dbpage.html>): SQLite journals them, and undoes them if the transaction is rolled
//! back.

use crate::error::{Error, Result};
use crate::files::growing_file::{GrowingFile, WritableFile, cached_bytes};
use rusqlite::{Connection, OptionalExtension};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A database file that receives pages.
#[derive(Debug)]
pub struct PageFile<'c> {
    /// For messages.
    path: PathBuf,
    /// To close it would drop the locks that SQLite has on an existing database, so that others keep it open, too.
    file: Option<WritableFile>,
    /// The first page that is written to the file.
    first_page: u32,
    /// The end of the file.
    end: Option<GrowingFile>,
    /// Bytes that go through the page cache before others go past it.
    cached_bytes: u64,
    /// Takes the pages before the first one.
    connection: Option<&'c Connection>,
}

impl<'c> PageFile<'c> {
    /// A new database, whose pages are all written to `file`. Messages name it `path`.
    pub fn new(file: File, path: &Path) -> Self {
        Self::open(path, Some((file.into(), 1)), None)
    }

    /// An existing database at `path`, in a transaction of `connection`. Its pages from a number on are written to `file`, all
    /// others through the connection.
    pub fn existing(connection: &'c Connection, path: &Path, file: Option<(WritableFile, u32)>) -> Self {
        Self::open(path, file, Some(connection))
    }

    fn open(path: &Path, file: Option<(WritableFile, u32)>, connection: Option<&'c Connection>) -> Self {
        let (file, first_page) = file.map_or((None, u32::MAX), |(file, first_page)| (Some(file), first_page));
        let cached_bytes = cached_bytes();
        Self { path: path.to_owned(), file, first_page, end: None, cached_bytes, connection }
    }

    /// The same with another number of bytes that go through the page cache.
    #[must_use]
    pub fn with_cached_bytes(self, cached_bytes: u64) -> Self {
        Self { cached_bytes, ..self }
    }

    /// True if the database is in a transaction.
    pub(super) fn is_existing(&self) -> bool {
        self.connection.is_some()
    }

    /// The file, if page `number` is written to it.
    fn file_of(&self, number: u32) -> Option<&File> {
        self.file.as_ref().filter(|_| number >= self.first_page).map(WritableFile::file)
    }

    /// True if page `number` is written to the file.
    pub(super) fn is_in_file(&self, number: u32) -> bool {
        self.file_of(number).is_some()
    }

    /// Lets [`PageFile::append`] start with this page.
    pub(super) fn seek(&mut self, number: u32, page_bytes: usize) {
        let file = self.file.clone().filter(|_| number >= self.first_page);
        self.end = file.map(|file| GrowingFile::new(file, offset(number, page_bytes), self.cached_bytes));
    }

    /// Appends whole pages to the file. They can be read and overwritten after [`PageFile::flush`].
    pub(super) fn append(&mut self, slices: &mut [IoSlice<'_>]) -> Result<()> {
        let appended = self.end.as_mut().map_or(Ok(()), |end| end.append(slices));
        appended.map_err(|error| self.failed(error))
    }

    /// Writes the pages that wait in memory.
    pub(super) fn flush(&mut self) -> Result<()> {
        let flushed = self.end.as_mut().map_or(Ok(()), GrowingFile::flush);
        flushed.map_err(|error| self.failed(error))
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
