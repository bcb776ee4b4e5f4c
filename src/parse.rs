//! A chunk to records, a record to fields.
//!
//! The plain algorithm: a field ends at every delimiter and line end outside quotes, a record at every line
//! end; a record that is nothing but its line end is no record. `crate::scan` gives the ends as masks, 64
//! bytes a step, and here they are taken off bit by bit. A field is remembered by where it starts and ends:
//! quotes are taken off only when its value is asked for, so fields that nobody reads cost nothing more.

use crate::batch::Arena;
use crate::plan::Dialect;
use crate::scan::{BLOCK_BYTES, Scanner, block_of};
use std::ops::Range;

/// Where a field lies in its chunk, quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    start: u32,
    end: u32,
}

/// The records of a chunk.
#[derive(Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    scanner: Scanner,
    /// Where the next block begins.
    next_block: usize,
    /// Field ends of the current block that are still to be visited, and those of all that end a record.
    pending: u64,
    ends: u64,
    /// Where the next field starts.
    start: usize,
}

impl<'a> Records<'a> {
    /// The records of `chunk`, which begins at a record boundary.
    ///
    /// # Panics
    /// If the chunk has 4 GiB or more; [`crate::split`] makes none of that size.
    #[must_use]
    pub fn new(chunk: &'a [u8], dialect: Dialect) -> Self {
        assert!(u32::try_from(chunk.len()).is_ok(), "a chunk has less than 4 GiB");
        Self { bytes: chunk, scanner: Scanner::new(dialect), next_block: 0, pending: 0, ends: 0, start: 0 }
    }

    /// Appends the fields of the next record to `fields` and returns where in the chunk the record lies,
    /// without its line end; `None` after the last.
    #[inline]
    pub fn next_into(&mut self, fields: &mut Vec<Field>) -> Option<Range<usize>> {
        let mut record_start = self.start;
        loop {
            while self.pending == 0 {
                if self.next_block >= self.bytes.len() {
                    return self.finish(record_start, fields);
                }
                self.load_block();
            }
            let bit = self.pending.trailing_zeros();
            self.pending &= self.pending - 1;
            let at = self.next_block - BLOCK_BYTES + bit as usize;
            let field = Field { start: self.start as u32, end: at as u32 };
            self.start = at + 1;
            if self.ends >> bit & 1 == 0 {
                fields.push(field);
            } else if at > record_start {
                fields.push(field);
                return Some(record_start..at);
            } else {
                record_start = self.start;
            }
        }
    }

    #[inline]
    fn load_block(&mut self) {
        let mut filled = [0; BLOCK_BYTES];
        let (block, real) = block_of(&self.bytes[self.next_block..], &mut filled);
        let marks = self.scanner.scan(block);
        self.pending = (marks.delimiters | marks.ends) & real;
        self.ends = marks.ends;
        self.next_block += BLOCK_BYTES;
    }

    /// The last record of a chunk that does not end with a line end.
    #[cold]
    fn finish(&mut self, record_start: usize, fields: &mut Vec<Field>) -> Option<Range<usize>> {
        let end = self.bytes.len();
        if record_start == end {
            return None;
        }
        fields.push(Field { start: self.start as u32, end: end as u32 });
        // An empty last field ends where it starts: step past it, so that it is not found again.
        (self.start, self.next_block) = (end, end);
        Some(record_start..end)
    }
}

/// The bytes of `field` in `chunk`, as they are, quotes included.
#[inline]
#[must_use]
pub fn raw(chunk: &[u8], field: Field) -> &[u8] {
    &chunk[field.start as usize..field.end as usize]
}

/// The value of a field: without its quotes, `""` inside them made `"`. It borrows `raw` where it can, else
/// it is made in `arena`.
///
/// What follows a closing quote belongs to the value as it is (`"a"b` is `ab`, as the `csv` crate reads it).
#[inline]
pub fn unquote<'a>(raw: &'a [u8], dialect: Dialect, arena: &'a Arena) -> &'a [u8] {
    match (raw, dialect.quote) {
        ([first, rest @ ..], Some(quote)) if *first == quote => unquote_rest(rest, quote, arena),
        _ => raw,
    }
}

/// As [`unquote`], for what follows the opening quote.
fn unquote_rest<'a>(rest: &'a [u8], quote: u8, arena: &'a Arena) -> &'a [u8] {
    let Some(closing) = memchr::memchr(quote, rest) else { return rest };
    if closing + 1 == rest.len() {
        return &rest[..closing];
    }
    let mut value = arena.vec(rest.len());
    let mut rest = rest;
    while let Some(at) = memchr::memchr(quote, rest) {
        value.extend_from_slice_copy(&rest[..at]);
        match rest[at + 1..].split_first() {
            Some((&next, after)) if next == quote => {
                value.push(quote);
                rest = after;
            }
            _ => {
                rest = &rest[at + 1..];
                break;
            }
        }
    }
    value.extend_from_slice_copy(rest);
    value.into_bump_slice()
}
