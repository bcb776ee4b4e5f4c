//! Numbers pages and writes them to the file.
//!
//! Page N starts at byte (N - 1) * page size. Pages are written once and in order, except for the roots and page 1,
//! which SQLite created, and for free pages, which are used first: those of the freelist of an existing database, and those of
//! an abandoned tree. The lock-byte page, which contains byte 2^30, is never used (file format 1.4).
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
//! A trunk page of the freelist (file format 1.5) has the number of the next trunk page, the count of leaf pages, and their
//! numbers, 4 bytes each.

use super::cells::{Cells, POINTER_BYTES};
use super::page_file::PageFile;
use crate::error::{Error, Kind, PlanError, Result};
use std::io::IoSlice;
use std::ops::Range;

/// The offset of the lock byte.
pub(super) const LOCK_BYTE: u64 = 1 << 30;

/// The largest page number (file format 1.3.9).
const MAX_PAGE: u32 = 0xffff_fffe;

const CHANGE_COUNTER: Range<usize> = 24..28;
const PAGE_COUNT: Range<usize> = 28..32;
const FREELIST: Range<usize> = 32..36;
const FREELIST_COUNT: Range<usize> = 36..40;
const VERSION_VALID_FOR: Range<usize> = 92..96;

/// The end of a growing database file.
#[derive(Debug)]
pub(super) struct Pages<'c> {
    file: PageFile<'c>,
    page_bytes: usize,
    lock_page: u64,
    next: u64,
    /// Free pages, to be used from the last to the first.
    free: Vec<u32>,
    /// The parts of unwritten pages that were built here.
    made: Vec<u8>,
    /// The unwritten pages, in order except for pages that were free.
    parts: Vec<Part>,
}

/// An unwritten page: bytes built here, followed by bytes of another buffer.
#[derive(Debug)]
struct Part {
    number: u32,
    made: Range<usize>,
    rest: Range<usize>,
    /// True for a page behind all others.
    is_last: bool,
}

impl<'c> Pages<'c> {
    /// Appends to `file`, which has `count` pages, after its free pages are used.
    ///
    /// # Errors
    /// [`Kind::Io`] or [`Kind::Sqlite`] if the file cannot be read; [`Kind::Io`] if its freelist is damaged.
    pub(super) fn new(file: PageFile<'c>, page_bytes: usize, count: u32, lock_byte: u64) -> Result<Self> {
        let mut pages = Self {
            file,
            page_bytes,
            lock_page: lock_byte / page_bytes as u64 + 1,
            next: u64::from(count) + 1,
            free: Vec::new(),
            made: Vec::new(),
            parts: Vec::new(),
        };
        pages.free = pages.read_freelist(count)?;
        pages.file.seek(count + 1, page_bytes);
        Ok(pages)
    }

    /// The pages on the freelist, in descending order.
    fn read_freelist(&self, count: u32) -> Result<Vec<u32>> {
        let damaged = || self.file.damaged("the freelist is damaged");
        let number = |page: &[u8], at: usize| {
            let bytes = page.get(at..).and_then(|rest| rest.first_chunk().copied());
            bytes.map(u32::from_be_bytes).ok_or_else(damaged)
        };
        let header = self.read(1)?;
        let total = number(&header, FREELIST_COUNT.start)?;
        if total > count {
            return Err(damaged());
        }
        let total = total as usize;
        let mut trunk = number(&header, FREELIST.start)?;
        let mut free = Vec::with_capacity(total);
        while trunk != 0 && free.len() < total {
            free.push(trunk);
            let page = self.read(trunk)?;
            for leaf in 0..number(&page, POINTER_BYTES)? as usize {
                free.push(number(&page, (leaf + 2) * POINTER_BYTES)?);
            }
            trunk = number(&page, 0)?;
        }
        free.sort_unstable_by(|a, b| b.cmp(a));
        let are_distinct = free.is_sorted_by(|a, b| a > b);
        let are_pages = free.iter().all(|page| (2..=count).contains(page));
        match free.len() == total && trunk == 0 && are_distinct && are_pages {
            true => Ok(free),
            false => Err(damaged()),
        }
    }

    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// The number of pages in the database.
    pub(super) fn count(&self) -> u64 {
        self.next - 1
    }

    /// The free pages. The last one is used first.
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
            let number = self.next as u32;
            self.parts.push(Part { number, made: start..self.made.len(), rest: 0..0, is_last: true });
            self.next += 1;
        }
        let number = u32::try_from(self.next).ok().filter(|number| *number <= MAX_PAGE);
        self.next += 1;
        number.ok_or_else(|| PlanError::TooManyPages.into())
    }

    /// Adds a page and returns its number. `make` appends its first bytes to a buffer; the remaining ones are the
    /// bytes `rest` of the buffer that is passed to [`Pages::write`].
    pub(super) fn append(&mut self, rest: Range<usize>, make: impl FnOnce(&mut Vec<u8>)) -> Result<u32> {
        let free = self.free.pop();
        let number = free.map_or_else(|| self.next_number(), Ok)?;
        let start = self.made.len();
        make(&mut self.made);
        self.parts.push(Part { number, made: start..self.made.len(), rest, is_last: free.is_none() });
        Ok(number)
    }

    /// Writes the pages added since the last call. The bytes that were not built here are in `elsewhere`.
    pub(super) fn write(&mut self, elsewhere: &[u8]) -> Result<()> {
        let mut slices = Vec::with_capacity(2 * self.parts.len());
        for Part { number, made, rest, is_last } in &self.parts {
            let parts = [&self.made[made.clone()], &elsewhere[rest.clone()]];
            match *is_last && self.file.is_in_file(*number) {
                true => slices.extend(parts.map(IoSlice::new)),
                false if u64::from(*number) == self.lock_page => {}
                false => self.file.write(*number, &parts.concat())?,
            }
        }
        self.file.append(&mut slices)?;
        self.made.clear();
        self.parts.clear();
        Ok(())
    }

    /// The error for a damaged row or index entry.
    pub(super) fn damaged_payload(&self) -> Error {
        self.file.damaged("a row or an index entry is damaged")
    }

    /// The error for a damaged page.
    pub(super) fn damaged(&self, number: u32) -> Error {
        self.file.damaged(&format!("page {number} is damaged"))
    }

    /// Reads a page that has been written.
    pub(super) fn read(&self, number: u32) -> Result<Vec<u8>> {
        self.file.read(number, self.page_bytes)
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

    /// Overwrites a page that SQLite created, or a free one.
    pub(super) fn replace(&self, number: u32, page: &[u8]) -> Result<()> {
        self.file.write(number, page)
    }

    /// Puts the free pages on the freelist. Returns its first trunk page, or 0.
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

    /// Lets [`Pages::read`] read all pages that have been written.
    ///
    /// # Errors
    /// If pages cannot be written.
    pub(super) fn make_readable(&mut self) -> Result<()> {
        self.file.flush()?;
        let last = (self.next - 1) as u32;
        if !self.file.is_in_file(last) {
            self.change_header(|header| header[PAGE_COUNT].copy_from_slice(&last.to_be_bytes()))?;
            self.file.refresh_page_count()?;
        }
        Ok(())
    }

    /// Completes the database header.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::Sqlite`]; [`Kind::Internal`] if the database is new and SQLite has not just written the header.
    pub(super) fn finish(mut self) -> Result<()> {
        self.file.flush()?;
        let first_trunk = self.write_freelist()?;
        let last = (self.next - 1) as u32;
        if self.file.is_existing() && self.file.is_in_file(last) {
            // SQLite truncates the file behind the last page that it knows.
            self.file.write_journaled(last, &self.read(last)?)?;
        }
        let is_valid = self.change_header(|header| {
            header[PAGE_COUNT].copy_from_slice(&last.to_be_bytes());
            header[FREELIST].copy_from_slice(&first_trunk.to_be_bytes());
            header[FREELIST_COUNT].copy_from_slice(&(self.free.len() as u32).to_be_bytes());
            header[CHANGE_COUNTER] == header[VERSION_VALID_FOR]
        })?;
        // SQLite updates both when it commits to an existing database.
        match is_valid || self.file.is_existing() {
            true => Ok(()),
            false => Err(Kind::Internal("the change counter is not valid".to_owned()).into()),
        }
    }

    fn change_header<T>(&self, change: impl FnOnce(&mut [u8]) -> T) -> Result<T> {
        let mut page = self.read(1)?;
        let changed = change(&mut page);
        self.file.write(1, &page).map(|()| changed)
    }
}
