//! Splitting: cuts an input into chunks at record boundaries.
//!
//! The plain algorithm: visit the bytes in order. A record starts at every byte that is not a line end and follows an
//! unquoted line end. Cut before the first record that starts `chunk_bytes` or more after the last cut. Every cut is
//! outside quotes and at the start of a record, so a chunk can be parsed on its own, and its records are those of the
//! whole input.
//!
//! Cuts are at the start of a record, not at the end of the one before it. This keeps CRLF and runs of blank lines
//! together, so that line numbers do not depend on the cuts.
//!
//! The implementation departs from this as follows:
//!
//! 1. It works on the masks of `crate::format::csv::scan`, 64 bytes at a time, and counts records and lines by
//!    counting bits.
//! 2. It skips the search for cuts in blocks that end before `chunk_bytes`.
//! 3. The input may still be arriving. If the search reaches the end of the bytes available so far, it waits for more
//!    and starts again at the last cut.

use super::lines::count_line_ends;
use crate::batch::Chunk;
use crate::error::{Error, Kind, Position};
use crate::format::csv::scan::{
    BLOCK_BYTES, Event, LOOKAHEAD_BYTES, ScalarScanner, Scan, Scanner, first_block, low_bits,
};
use crate::input::Incoming;
use crate::plan::Dialect;
use std::sync::Arc;

/// A chunk of this size may be cut after any line end, so that positions in it fit in 32 bits. Only runs of blank
/// lines or comments grow a chunk to this size.
const MAX_CHUNK_BYTES: usize = 1 << 31;

/// An iterator over the chunks of an input. It ends after the first error. If a record is bad, the complete records
/// before it are returned first.
#[derive(Debug)]
pub struct Split<'a> {
    input: Arc<str>,
    /// The source of further bytes; `None` if `rest` reaches the end of the input.
    incoming: Option<&'a dyn Incoming>,
    /// The bytes after the last cut that have arrived.
    rest: &'a [u8],
    dialect: Dialect,
    chunk_bytes: usize,
    max_chunk_bytes: usize,
    max_record_bytes: usize,
    /// The number of the next chunk.
    number: u64,
    /// Bytes of the input before `rest`.
    offset: u64,
    records_before_input: u64,
    /// Records before `rest`, without the header.
    record: u64,
    /// Line ends before `rest`.
    line: u64,
    in_header: bool,
    /// The error to return next, after the complete records before it.
    error: Option<Error>,
}

/// Counts for the bytes scanned since the last cut.
#[derive(Default)]
struct ScannedPart {
    /// Record starts.
    records: usize,
    /// Line ends, quoted or not.
    lines: u64,
    /// Offset of the last block in which a record starts.
    last_block: usize,
    /// The record starts in that block.
    last_starts: u64,
    /// The line ends outside quotes in that block, or all ones if a later block contains one.
    ends_since: u64,
}

impl ScannedPart {
    /// Offset of the last record start.
    fn last_start(&self) -> usize {
        self.last_block + self.last_starts.checked_ilog2().unwrap_or(0) as usize
    }

    /// True if the last record has started and not ended.
    fn is_open(&self) -> bool {
        self.last_starts != 0 && self.ends_since >> self.last_starts.ilog2() == 0
    }
}

impl<'a> Split<'a> {
    /// Splits `bytes`, which start at a record boundary `offset` bytes into the input named `input`.
    ///
    /// A chunk ends with the record that reaches `chunk_bytes` bytes. The search for the end of that record stops
    /// after `max_record_bytes` bytes, rounded up to a block of 64 bytes, so that a stray quote cannot swallow a
    /// whole file.
    #[must_use]
    pub fn new(
        input: Arc<str>,
        bytes: &'a [u8],
        offset: u64,
        dialect: Dialect,
        chunk_bytes: usize,
        max_record_bytes: usize,
    ) -> Self {
        let chunk_bytes = chunk_bytes.max(1);
        Self {
            input,
            incoming: None,
            rest: bytes,
            dialect,
            chunk_bytes,
            max_chunk_bytes: MAX_CHUNK_BYTES,
            max_record_bytes,
            number: 0,
            offset,
            records_before_input: 0,
            record: 0,
            line: 0,
            in_header: false,
            error: None,
        }
    }

    /// Sets the number of records that the load reads from other inputs before this one. Default: 0.
    #[must_use]
    pub fn with_records_before(self, records: u64) -> Self {
        Self { records_before_input: records, ..self }
    }

    /// Sets the source of further bytes for an input that is still arriving. The bytes passed to [`Split::new`] are
    /// its first bytes.
    #[must_use]
    pub fn with_incoming(self, incoming: &'a dyn Incoming) -> Self {
        Self { incoming: Some(incoming), ..self }
    }

    /// Waits until `rest` is longer. Returns at once if it reaches the end of the input.
    fn read_more(&mut self) -> Result<(), Error> {
        /// A repeated search covers at least this many bytes, and at least twice as many as the last one.
        const MIN_SEARCH_BYTES: usize = 1 << 20;
        if let Some(incoming) = self.incoming {
            let offset = self.offset();
            let (bytes, is_all) = incoming.wait(offset + (2 * self.rest.len()).max(MIN_SEARCH_BYTES))?;
            self.rest = &bytes[offset..];
            self.incoming = self.incoming.filter(|_| !is_all);
        }
        Ok(())
    }

    /// Skips `lines` lines, whatever they contain. Quotes have no meaning in them. Skips the whole input if it has
    /// fewer.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn skip_lines(mut self, lines: u64) -> Result<Self, Error> {
        for _ in 0..lines {
            // A CR at the end of the available bytes may be half of a CRLF.
            while memchr::memchr2(b'\n', b'\r', self.rest).is_none_or(|at| at + 1 == self.rest.len())
                && self.incoming.is_some()
            {
                self.read_more()?;
            }
            let end = memchr::memchr2(b'\n', b'\r', self.rest).map_or(self.rest.len(), |at| at + 1);
            let end = if self.rest[..end].ends_with(b"\r") && self.rest[end..].starts_with(b"\n") {
                end + 1
            } else {
                end
            };
            if end == 0 {
                break;
            }
            self.rest = &self.rest[end..];
            self.offset += end as u64;
            self.line += 1;
        }
        Ok(self)
    }

    /// Bytes of the input before the next chunk.
    pub(crate) fn offset(&self) -> usize {
        self.offset as usize
    }

    /// Returns the bytes not yet split, at least `min_bytes` of them if the input has that many, and true if they
    /// reach the end of the input.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub(crate) fn peek(&mut self, min_bytes: usize) -> Result<(&'a [u8], bool), Error> {
        while self.rest.len() < min_bytes && self.incoming.is_some() {
            self.read_more()?;
        }
        Ok((self.rest, self.incoming.is_none()))
    }

    /// Cuts off the header, which is the first `rows` records, and returns it. Header records are not counted.
    /// Returns `None` if the input has fewer records, or if `rows` is 0.
    ///
    /// # Errors
    /// The same as the iterator's.
    pub fn take_header(&mut self, rows: usize) -> Result<Option<Chunk<'a>>, Error> {
        let (whole, incoming, start) = (self.rest, self.incoming, self.offset());
        let chunk_bytes = std::mem::replace(&mut self.chunk_bytes, 1);
        self.in_header = true;
        let mut header: Option<Chunk<'a>> = None;
        for _ in 0..rows {
            let Some(row) = self.next().transpose()? else { break };
            let first = header.unwrap_or(Chunk { records: 0, ..row });
            // `next` may have waited for bytes that `whole` does not have.
            let bytes = match incoming {
                Some(incoming) => &incoming.wait(self.offset())?.0[start..self.offset()],
                None => &whole[..self.offset() - start],
            };
            header = Some(Chunk { bytes, records: first.records + row.records, ..first });
        }
        self.in_header = false;
        self.chunk_bytes = chunk_bytes;
        (self.number, self.record) = (0, 0);
        Ok(header.filter(|header| header.records == rows))
    }

    /// Finds the end of the next chunk. Returns its length in bytes and its counts; or, if a record is bad, the
    /// counts up to and including that record, and the error. Returns `None` if the end depends on bytes that have
    /// not arrived.
    fn find_cut(&self) -> Option<Result<(usize, ScannedPart), (ScannedPart, Error)>> {
        match Scanner::new(self.dialect) {
            Scanner::Plain(scanner) => self.find_cut_with(scanner),
            Scanner::General(scanner) => self.find_cut_with(scanner),
        }
    }

    fn find_cut_with(
        &self,
        mut scanner: impl Scan,
    ) -> Option<Result<(usize, ScannedPart), (ScannedPart, Error)>> {
        let mut part = ScannedPart::default();
        let (mut after_end, mut after_cr) = (1, 0);
        let mut buffer = [0; BLOCK_BYTES];
        let mut at = 0;
        while at < self.rest.len() {
            if self.incoming.is_some() && self.rest.len() < at + BLOCK_BYTES + LOOKAHEAD_BYTES {
                return None;
            }
            // A cut between CR and LF would count the line twice.
            if at >= self.max_chunk_bytes
                && !self.in_header
                && after_end & !after_cr != 0
                && !scanner.is_in_comment()
            {
                return Some(Ok((at, part)));
            }
            let rest = &self.rest[at..];
            let (block, valid) = first_block(rest, &mut buffer);
            let masks = scanner.scan_ends(block, rest);
            let starts = !masks.ends & (masks.ends << 1 | after_end) & valid;
            let breaks = (masks.cr | masks.lf & !(masks.cr << 1 | after_cr)) & valid;
            if at + BLOCK_BYTES > self.chunk_bytes {
                let too_early = low_bits(self.chunk_bytes.saturating_sub(at));
                // The first record of the chunk is not a cut, even after blank lines.
                let first = if part.records == 0 { starts & starts.wrapping_neg() } else { 0 };
                let cuts = starts & !too_early & !first;
                if cuts != 0 {
                    let cut = cuts.trailing_zeros() as usize;
                    part.records += (starts & low_bits(cut)).count_ones() as usize;
                    part.lines += u64::from((breaks & low_bits(cut)).count_ones());
                    return Some(Ok((at + cut, part)));
                }
            }
            part.records += starts.count_ones() as usize;
            part.lines += u64::from(breaks.count_ones());
            if starts != 0 {
                (part.last_block, part.last_starts, part.ends_since) = (at, starts, masks.ends);
            } else if masks.ends != 0 {
                part.ends_since = !0;
            } else if at - part.last_start() > self.max_record_bytes
                && (part.is_open() || at > self.max_chunk_bytes)
            {
                let error = self.too_large(&part, at, scanner.is_in_quotes());
                return Some(Err((part, error)));
            }
            (after_end, after_cr) = (masks.ends >> 63, masks.cr >> 63);
            at += BLOCK_BYTES;
        }
        if self.incoming.is_some() {
            return None;
        }
        if scanner.is_in_quotes() {
            let error = self.unclosed_quote(&part, self.rest.len(), None);
            return Some(Err((part, error)));
        }
        Some(Ok((self.rest.len(), part)))
    }

    #[cold]
    fn too_large(&self, part: &ScannedPart, end: usize, in_quotes: bool) -> Error {
        if in_quotes {
            return self.unclosed_quote(part, end, Some(self.max_record_bytes));
        }
        let position = self.position(part, part.last_start());
        Kind::RecordTooLarge { position, max_bytes: self.max_record_bytes }.into()
    }

    #[cold]
    fn unclosed_quote(&self, part: &ScannedPart, end: usize, max_bytes: Option<usize>) -> Error {
        let record = &self.rest[part.last_start()..end];
        let position = self.position(part, part.last_start() + last_opening_quote(record, self.dialect));
        Kind::UnclosedQuote { position, searched_bytes: record.len() as u64, max_bytes }.into()
    }

    fn position(&self, part: &ScannedPart, at: usize) -> Position {
        Position {
            input: self.input.clone(),
            record: if self.in_header { 0 } else { self.record + part.records as u64 },
            line: self.line + count_line_ends(&self.rest[..at]) + 1,
            offset: self.offset + at as u64,
        }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = Result<Chunk<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            (self.rest, self.incoming) = (&[], None);
            return Some(Err(error));
        }
        let found = loop {
            if self.rest.is_empty() && self.incoming.is_none() {
                return None;
            }
            match self.find_cut() {
                Some(found) => break found,
                None => self.error = self.read_more().err(),
            }
            if self.error.is_some() {
                return self.next();
            }
        };
        let (length, part) = match found {
            Ok(found) => found,
            // The records before the bad one are complete, and are returned first.
            Err((mut part, error)) => {
                self.error = Some(error);
                part.records = part.records.saturating_sub(1);
                if part.records == 0 {
                    return self.next();
                }
                (part.last_start(), part)
            }
        };
        let (bytes, rest) = self.rest.split_at(length);
        let chunk = Chunk {
            input: 0,
            number: self.number,
            bytes,
            offset: self.offset,
            records_before_input: self.records_before_input,
            first_record: self.record,
            records: part.records,
            first_line: self.line,
        };
        self.rest = rest;
        self.number += 1;
        self.offset += length as u64;
        self.record += part.records as u64;
        self.line += part.lines;
        Some(Ok(chunk))
    }
}

/// Offset of the quote that is open at the end of `record`.
fn last_opening_quote(record: &[u8], dialect: Dialect) -> usize {
    let mut scanner = ScalarScanner::new(dialect);
    let mut opens = |at: &usize| {
        matches!(scanner.advance(&record[*at..]), Event::OpeningQuote | Event::DelimiterAndQuote)
    };
    // The filter must see every byte, from the front, because the scanner keeps state.
    let opening = (0..record.len()).filter(|at| opens(at)).last();
    opening.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::csv::parse::RecordParser;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    /// The number, bytes and line of every record.
    fn records(split: Split<'_>, dialect: Dialect) -> Vec<(u64, Vec<u8>, u64)> {
        let mut all = Vec::new();
        for chunk in split.map(Result::unwrap) {
            let mut records = RecordParser::new(chunk.bytes, dialect);
            let mut number = chunk.first_record;
            while let Some(range) = records.next_into(&mut Vec::new()) {
                let line = chunk.first_line + count_line_ends(&chunk.bytes[..range.start]);
                all.push((number, chunk.bytes[range].to_vec(), line));
                number += 1;
            }
            assert_eq!(number - chunk.first_record, chunk.records as u64);
        }
        all
    }

    #[test]
    fn long_runs_of_lines_without_records_are_cut() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut cuts = 0;
        for comment in [None, Some(b'#'.into())] {
            let dialect = Dialect { comment, ..Dialect::default() };
            for _ in 0..300 {
                let mut csv = Vec::new();
                for _ in 0..20 {
                    let lines: [&[u8]; 6] = [b"\n", b"\r\n", b"\r", b"# \"\n", b"a,\"\n\"\n", b"x\r\n"];
                    let line = lines[rng.random_range(0..if comment.is_some() { 6 } else { 3 })];
                    csv.extend(line.repeat(rng.random_range(1..90)));
                    csv.extend_from_slice(b"1,2\n");
                }
                let split = |max_chunk_bytes| Split {
                    max_chunk_bytes,
                    ..Split::new("in".into(), &csv, 0, dialect, 1_000_000, 1_000_000)
                };
                let whole = records(split(usize::MAX), dialect);
                assert_eq!(records(split(64), dialect), whole);
                cuts += split(64).count() - 1;
            }
        }
        assert!(cuts > 1_000, "{cuts}");
    }
}
