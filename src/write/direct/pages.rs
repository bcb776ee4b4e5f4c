//! Numbers pages and writes them to the file.
//!
//! Page N starts at byte (N - 1) * page size. Pages are written once and in order, except for the roots and page 1,
//! which SQLite created, and for pages of an abandoned tree, which are reused. The lock-byte page, which contains
//! byte 2^30, is never used (file format 1.4).
//!
//! Fields of the database header that are completed at the end (file format 1.3):
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 24 | 4 | change counter |
//! | 28 | 4 | pages in the file; valid if the change counter equals that at 92 |
//! | 32 | 4 | first trunk page of the freelist, 0 without one |
//! | 36 | 4 | pages in the freelist, its trunk pages included |
//! | 92 | 4 | change counter when the number of pages was written |
//!
//! The freelist is empty unless SQLite still has to build an abandoned tree. A trunk page (file format 1.5) has the
//! number of the next trunk page, the count of leaf pages, and their numbers, 4 bytes each.

use super::cells::{Cells, POINTER_BYTES};
use crate::error::{Error, Kind, PlanError, Result};
use std::fs::File;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The offset of the lock byte.
pub(super) const LOCK_BYTE: u64 = 1 << 30;

/// The largest page number (file format 1.3.9).
const MAX_PAGE: u32 = 0xffff_fffe;

const CHANGE_COUNTER: Range<usize> = 24..28;
const PAGE_COUNT: Range<usize> = 28..32;
const FREELIST: Range<usize> = 32..36;
const FREELIST_COUNT: Range<usize> = 36..40;
const VERSION_VALID_FOR: Range<usize> = 92..96;
const HEADER_BYTES: usize = 100;

/// The end of a growing database file.
#[derive(Debug)]
pub(super) struct Pages {
    file: File,
    path: PathBuf,
    page_bytes: usize,
    lock_page: u64,
    next: u64,
    /// Pages of abandoned trees, to be reused.
    free: Vec<u32>,
    /// The parts of unwritten pages that were built here.
    made: Vec<u8>,
    /// The unwritten pages, in order except for reused ones.
    parts: Vec<Part>,
}

/// An unwritten page: bytes built here, followed by bytes of another buffer.
#[derive(Debug)]
struct Part {
    made: Range<usize>,
    rest: Range<usize>,
    /// Its number, if it is a reused page.
    used_again: Option<u32>,
}

impl Pages {
    /// Appends to `file`, which has `count` pages. Messages name it `path`.
    ///
    /// # Errors
    /// [`Kind::Io`].
    pub(super) fn new(
        file: File,
        path: &Path,
        page_bytes: usize,
        count: u32,
        lock_byte: u64,
    ) -> Result<Self> {
        let mut pages = Self {
            file,
            path: path.to_owned(),
            page_bytes,
            lock_page: lock_byte / page_bytes as u64 + 1,
            next: u64::from(count) + 1,
            free: Vec::new(),
            made: Vec::new(),
            parts: Vec::new(),
        };
        let end = u64::from(count) * page_bytes as u64;
        pages.file.seek(SeekFrom::Start(end)).map_err(|error| pages.failed(error))?;
        Ok(pages)
    }

    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write", &self.path, error)
    }

    /// The pages to be reused.
    pub(super) fn free(&mut self) -> &mut Vec<u32> {
        &mut self.free
    }

    /// The number of a new page at the end of the file.
    ///
    /// # Errors
    /// [`PlanError::TooManyPages`] if the database has reached its largest size.
    fn next_number(&mut self) -> Result<u32> {
        if self.next == self.lock_page {
            let start = self.made.len();
            self.made.resize(start + self.page_bytes, 0);
            self.parts.push(Part { made: start..self.made.len(), rest: 0..0, used_again: None });
            self.next += 1;
        }
        let number = u32::try_from(self.next).ok().filter(|number| *number <= MAX_PAGE);
        self.next += 1;
        number.ok_or_else(|| PlanError::TooManyPages.into())
    }

    /// Adds a page and returns its number. `make` appends its first bytes to a buffer; the remaining ones are the
    /// bytes `rest` of the buffer that is passed to [`Pages::write`].
    pub(super) fn append(&mut self, rest: Range<usize>, make: impl FnOnce(&mut Vec<u8>)) -> Result<u32> {
        let used_again = self.free.pop();
        let number = used_again.map_or_else(|| self.next_number(), Ok)?;
        let start = self.made.len();
        make(&mut self.made);
        self.parts.push(Part { made: start..self.made.len(), rest, used_again });
        Ok(number)
    }

    /// Writes the pages added since the last call. The bytes that were not built here are in `elsewhere`.
    pub(super) fn write(&mut self, elsewhere: &[u8]) -> Result<()> {
        let mut slices = Vec::with_capacity(2 * self.parts.len());
        for Part { made, rest, used_again } in &self.parts {
            let parts = [&self.made[made.clone()], &elsewhere[rest.clone()]];
            match used_again {
                Some(number) => self.replace(*number, &parts.concat())?,
                None => slices.extend(parts.map(IoSlice::new)),
            }
        }
        let mut slices = slices.as_mut_slice();
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match (&self.file).write_vectored(slices) {
                Ok(0) => return Err(self.failed(io::ErrorKind::WriteZero.into())),
                Ok(written) => IoSlice::advance_slices(&mut slices, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.made.clear();
        self.parts.clear();
        Ok(())
    }

    /// Reads a page that has been written.
    pub(super) fn read(&self, number: u32) -> Result<Vec<u8>> {
        let mut page = vec![0; self.page_bytes];
        let offset = u64::from(number - 1) * self.page_bytes as u64;
        let read = self.file.read_exact_at(&mut page, offset);
        read.map(|()| page).map_err(|error| Error::io("read", &self.path, error))
    }

    /// Writes the overflow pages of `cells`, and stores their numbers in the cells.
    pub(super) fn write_overflow(&mut self, cells: &mut Cells) -> Result<()> {
        let (bytes, overflow, chains) = cells.overflow();
        for chain in chains {
            for page in chain.pages.clone().step_by(self.page_bytes) {
                let number = self.append(page..page + self.page_bytes, |_| ())?.to_be_bytes();
                let pointer = match page == chain.pages.start {
                    true => &mut bytes[chain.pointer_at..],
                    false => &mut overflow[page - self.page_bytes..],
                };
                pointer[..POINTER_BYTES].copy_from_slice(&number);
            }
        }
        if !chains.is_empty() {
            self.write(overflow)?;
            cells.clear_overflow();
        }
        Ok(())
    }

    /// Overwrites a page that SQLite created, or a reused one.
    pub(super) fn replace(&self, number: u32, page: &[u8]) -> Result<()> {
        let offset = u64::from(number - 1) * self.page_bytes as u64;
        self.file.write_all_at(page, offset).map_err(|error| self.failed(error))
    }

    /// Puts pages that were not reused on the freelist. Returns its first trunk page, or 0.
    fn write_freelist(&self) -> Result<u32> {
        // SQLite leaves the last six places of a trunk page empty (file format 1.5).
        let max_leaves = self.page_bytes / POINTER_BYTES - 8;
        let mut next_trunk = 0_u32;
        for pages in self.free.chunks(max_leaves + 1) {
            let numbers = [next_trunk, pages.len() as u32 - 1].into_iter().chain(pages[1..].iter().copied());
            let mut trunk: Vec<u8> = numbers.flat_map(u32::to_be_bytes).collect();
            trunk.resize(self.page_bytes, 0);
            self.replace(pages[0], &trunk)?;
            next_trunk = pages[0];
        }
        Ok(next_trunk)
    }

    /// Completes the database header.
    ///
    /// # Errors
    /// [`Kind::Io`]; [`Kind::Internal`] if SQLite has not just written the header.
    pub(super) fn finish(self) -> Result<()> {
        let first_trunk = self.write_freelist()?;
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut header, 0).map_err(|error| Error::io("read", &self.path, error))?;
        if header[CHANGE_COUNTER] != header[VERSION_VALID_FOR] {
            return Err(Kind::Internal("the change counter is not valid".to_owned()).into());
        }
        let count = (self.next - 1) as u32;
        header[PAGE_COUNT].copy_from_slice(&count.to_be_bytes());
        header[FREELIST].copy_from_slice(&first_trunk.to_be_bytes());
        header[FREELIST_COUNT].copy_from_slice(&(self.free.len() as u32).to_be_bytes());
        self.file.write_all_at(&header, 0).map_err(|error| self.failed(error))
    }
}
