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
//! 3. The bytes may be a part of the input. If the search reaches their end, it ends, and starts again at the last cut when
//!    there are more.

use super::lines::{count_line_ends, count_lines};
use crate::batch::{Chunk, HotLoop, dispatch};
use crate::error::{Error, Kind, Position};
use crate::format::csv::scan::{
    BLOCK_BYTES, Event, LOOKAHEAD_BYTES, ScalarScanner, Scan, Scanner, first_block, low_bits,
};
use crate::input::Incoming;
use crate::plan::Dialect;
use bytes::Bytes;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A chunk of this size may be cut after any line end, so that positions in it fit in 32 bits. Only runs of blank
/// lines or comments grow a chunk to this size.
const MAX_CHUNK_BYTES: usize = 1 << 31;

/// A search covers at least this many bytes if they have to be waited for. Each further search covers at least twice as many.
pub(crate) const MIN_SEARCH_BYTES: usize = 1 << 20;

/// An iterator over the chunks of an input, or of the beginning of one. It ends after the first error. If a record is bad,
/// the complete records before it are returned first.
#[derive(Debug)]
pub struct Split<'a> {
    input: Arc<str>,
    /// The bytes after the last cut.
    rest: &'a [u8],
    /// True if `rest` reaches the end of the input.
    is_all: bool,
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
    /// The largest record with a quote that is never closed to return as a chunk instead of an error, in bytes.
    max_unclosed_bytes: Option<u64>,
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

/// The result of [`Split::find_cut`].
type FoundCut = Option<Result<(usize, ScannedPart), (ScannedPart, Error)>>;

/// The search for the end of the next chunk.
struct FindCut<'s, 'a, S> {
    split: &'s Split<'a>,
    scanner: S,
}

impl<S: Scan> HotLoop for FindCut<'_, '_, S> {
    type Output = FoundCut;

    #[inline(always)]
    fn run(self) -> FoundCut {
        self.split.find_cut_with(self.scanner)
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
            rest: bytes,
            is_all: true,
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
            max_unclosed_bytes: None,
        }
    }

    /// Makes chunks larger for records of more than 256 fields, so that a chunk still has many records: what is done once for
    /// each column of a chunk would take most of the time.
    pub(crate) fn with_width(self, width: usize) -> Self {
        const FIELDS: usize = 256;
        Self { chunk_bytes: self.chunk_bytes.saturating_mul(width.div_ceil(FIELDS).max(1)), ..self }
    }

    /// Returns a record with a quote that is never closed as a chunk of its own, unless it is larger than this. Default: such
    /// a record is an error.
    #[must_use]
    pub(crate) fn with_max_unclosed_bytes(self, bytes: u64) -> Self {
        Self { max_unclosed_bytes: Some(bytes), ..self }
    }

    /// Sets the number of records that the load reads from other inputs before this one. Default: 0.
    #[must_use]
    pub fn with_records_before(self, records: u64) -> Self {
        Self { records_before_input: records, ..self }
    }

    /// Continues with `bytes`, which start at [`Split::offset`]. Unless they are all that is left (`is_all`), the iterator ends
    /// where the next cut depends on bytes after them.
    #[must_use]
    pub fn resume<'b>(self, bytes: &'b [u8], is_all: bool) -> Split<'b> {
        Split { rest: bytes, is_all, ..self.suspend() }
    }

    /// The state of the split without the bytes.
    pub(crate) fn suspend(self) -> Split<'static> {
        Split { rest: &[], ..self }
    }

    /// Skips `lines` lines, whatever they contain. Quotes have no meaning in them. Skips the whole input if it has
    /// fewer. Returns `None` if that depends on bytes that are not there.
    #[must_use]
    pub fn skip_lines(mut self, lines: u64) -> Option<Self> {
        for _ in 0..lines {
            let end = memchr::memchr2(b'\n', b'\r', self.rest).map_or(self.rest.len(), |at| at + 1);
            // A CR at the end of the bytes may be half of a CRLF.
            if end == self.rest.len() && !self.is_all {
                return None;
            }
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
        Some(self)
    }

    /// Lines of the input before the next chunk.
    pub(crate) fn lines(&self) -> u64 {
        self.line
    }

    /// Bytes of the input before the next chunk.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset as usize
    }

    /// The bytes not yet split.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True if the bytes reach the end of the input.
    pub(crate) fn is_all(&self) -> bool {
        self.is_all
    }

    /// Cuts off the header, which is the first `rows` records, and returns it. Header records are not counted.
    /// Returns `None` if the bytes have fewer records, or if `rows` is 0.
    ///
    /// # Errors
    /// The same as the iterator's.
    pub fn take_header(&mut self, rows: usize) -> Result<Option<Chunk<'a>>, Error> {
        let (whole, start) = (self.rest, self.offset());
        let chunk_bytes = std::mem::replace(&mut self.chunk_bytes, 1);
        self.in_header = true;
        let mut header: Option<Chunk<'a>> = None;
        for _ in 0..rows {
            let Some(row) = self.next().transpose()? else { break };
            let first = header.unwrap_or(Chunk { records: 0, ..row });
            let bytes = &whole[..self.offset() - start];
            header = Some(Chunk { bytes, records: first.records + row.records, ..first });
        }
        self.in_header = false;
        self.chunk_bytes = chunk_bytes;
        (self.number, self.record) = (0, 0);
        Ok(header.filter(|header| header.records == rows))
    }

    /// Finds the end of the next chunk. Returns its length in bytes and its counts; or, if a record is bad, the
    /// counts up to and including that record, and the error. Returns `None` if the end depends on bytes that are
    /// not there.
    fn find_cut(&self) -> FoundCut {
        match Scanner::new(self.dialect) {
            Scanner::Quoteless(scanner) => dispatch(FindCut { split: self, scanner }),
            Scanner::Plain(scanner) => dispatch(FindCut { split: self, scanner }),
            Scanner::General(scanner) => dispatch(FindCut { split: self, scanner }),
        }
    }

    #[inline(always)]
    fn find_cut_with(&self, mut scanner: impl Scan) -> FoundCut {
        let mut part = ScannedPart::default();
        let (mut after_end, mut after_cr) = (1, 0);
        let mut buffer = [0; BLOCK_BYTES];
        let mut at = 0;
        // The bytes after a block show whether its last bytes start a comment, or a CRLF.
        let has_long_prefix = self.dialect.comment.is_some_and(|comment| comment.as_bytes().len() > 1);
        let needs_lookahead = !self.is_all && (has_long_prefix || self.dialect.has_lone_crs());
        while at < self.rest.len() {
            if needs_lookahead && self.rest.len() < at + BLOCK_BYTES + LOOKAHEAD_BYTES {
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
        if !self.is_all {
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
        let (lines, searched_bytes) = (count_lines(record), record.len() as u64);
        Kind::UnclosedQuote { position, lines, searched_bytes, max_bytes }.into()
    }

    /// The size of the record, if the error is about a quote that is never closed and the record may be a chunk.
    fn acceptable_bytes(&self, error: &Error) -> Option<usize> {
        match error.kind() {
            Kind::UnclosedQuote { searched_bytes, max_bytes: None, .. } if !self.in_header => {
                let max_bytes = self.max_unclosed_bytes.unwrap_or(0);
                (*searched_bytes <= max_bytes).then_some(*searched_bytes as usize)
            }
            _ => None,
        }
    }

    /// The last `record_bytes` of `bytes`, in which a quote is never closed, as a chunk. Blank lines and comments may precede
    /// them.
    #[cold]
    fn unclosed_record(&self, bytes: &'a [u8], record_bytes: usize) -> Chunk<'a> {
        let (before, record) = bytes.split_at(bytes.len() - record_bytes);
        Chunk {
            input: 0,
            number: self.number,
            bytes: record,
            offset: self.offset + before.len() as u64,
            records_before_input: self.records_before_input,
            first_record: self.record,
            records: 1,
            first_line: self.line + count_line_ends(before),
            is_unclosed: true,
        }
    }

    fn position(&self, part: &ScannedPart, at: usize) -> Position {
        Position {
            input: self.input.clone(),
            record: if self.in_header { 0 } else { self.record + part.records as u64 },
            line: Some(self.line + count_line_ends(&self.rest[..at]) + 1),
            offset: Some(self.offset + at as u64),
        }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = Result<Chunk<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            let bytes = std::mem::take(&mut self.rest);
            self.is_all = true;
            return Some(match self.acceptable_bytes(&error) {
                Some(record_bytes) => Ok(self.unclosed_record(bytes, record_bytes)),
                None => Err(error),
            });
        }
        if self.rest.is_empty() {
            return None;
        }
        let found = self.find_cut()?;
        let (length, part) = match found {
            Ok(found) => found,
            // The records before the bad one are complete, and are returned first.
            Err((mut part, error)) => {
                self.error = Some(error);
                part.records = part.records.saturating_sub(1);
                if part.records == 0 {
                    return self.next();
                }
                part.lines = count_line_ends(&self.rest[..part.last_start()]);
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
            is_unclosed: false,
        };
        self.rest = rest;
        self.number += 1;
        self.offset += length as u64;
        self.record += part.records as u64;
        self.line += part.lines;
        Some(Ok(chunk))
    }
}

impl Split<'static> {
    /// Calls `take` with each chunk of `input` from [`Split::offset`] on, and with bytes that contain the chunk, until it
    /// breaks.
    ///
    /// # Errors
    /// The same as the iterator's, and if the input cannot be read.
    pub fn for_each_chunk(
        self,
        input: &dyn Incoming,
        mut take: impl FnMut(Chunk<'_>, &Bytes) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (mut state, mut wanted_bytes) = (self, 1);
        loop {
            let (bytes, is_all) = input.wait(state.offset(), wanted_bytes)?;
            let mut split = state.resume(&bytes, is_all);
            while let Some(chunk) = split.next().transpose()? {
                if take(chunk, &bytes).is_break() {
                    return Ok(());
                }
            }
            if is_all {
                return Ok(());
            }
            wanted_bytes = (2 * split.rest.len()).max(MIN_SEARCH_BYTES);
            state = split.suspend();
        }
    }
}

/// Offset of the quote that is open at the end of `record`.
pub(super) fn last_opening_quote(record: &[u8], dialect: Dialect) -> usize {
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
