//! Bytes to chunks, cut at record boundaries only.
//!
//! The plain algorithm: walk over the bytes; where a byte that is no line end follows an unquoted line end, a
//! record starts; cut before the first start that lies `chunk_bytes` or more behind the last cut. Since a
//! cut is outside quotes and at a start, a chunk can be parsed alone, and its records are those of the whole.
//!
//! Cutting at starts rather than at ends keeps CRLF and runs of blank lines in one piece, so the chunks
//! also agree with the whole on line numbers. The walk is made on the masks of `crate::format::csv::scan`; records and
//! lines are counted on the way by counting bits.
//!
//! The end of an input that is still coming in is none: where a walk meets it, it is made again when there is more.

use super::lines::count_line_ends;
use crate::batch::Chunk;
use crate::error::{Error, Kind, Position};
use crate::format::csv::scan::{BLOCK_BYTES, Scan, Scanner, Step, Walker, block_of, low_bits};
use crate::input::Incoming;
use crate::plan::Dialect;
use std::sync::Arc;

/// A chunk of this size ends where it can, so that places in it fit in 32 bits. Only blank lines or comments without end make
/// one that large.
const MAX_CHUNK_BYTES: usize = 1 << 31;

/// The chunks of an input, an iterator. After an error it ends.
#[derive(Debug)]
pub struct Split<'a> {
    input: Arc<str>,
    /// Where more comes from, as long as `rest` does not end with the input.
    incoming: Option<&'a dyn Incoming>,
    rest: &'a [u8],
    dialect: Dialect,
    chunk_bytes: usize,
    max_chunk_bytes: usize,
    max_record_bytes: usize,
    number: u64,
    offset: u64,
    records_before_input: u64,
    record: u64,
    line: u64,
    in_header: bool,
    /// What the records that were still whole came before.
    error: Option<Error>,
}

/// What has been seen of the chunk that is being cut.
#[derive(Default)]
struct Tally {
    records: usize,
    lines: u64,
    /// Where the last block with a start begins, the starts in it, and the ends of records since.
    last_block: usize,
    last_starts: u64,
    ends_since: u64,
}

impl Tally {
    /// Where the last record seen starts.
    fn last_start(&self) -> usize {
        self.last_block + self.last_starts.checked_ilog2().unwrap_or(0) as usize
    }

    /// Whether no line end has been seen since the last record seen started.
    fn is_open(&self) -> bool {
        self.last_starts != 0 && self.ends_since >> self.last_starts.ilog2() == 0
    }
}

impl<'a> Split<'a> {
    /// Splits `bytes`, which begin at a record boundary `offset` bytes into the input named `input`.
    ///
    /// A chunk ends with the record that reaches `chunk_bytes`; `max_record_bytes` bounds the search for its
    /// end, to within one block of 64 bytes, so that a stray quote can not make a chunk of a whole file.
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

    /// The same, as the input that follows so many records of others in a load.
    #[must_use]
    pub fn with_records_before(self, records: u64) -> Self {
        Self { records_before_input: records, ..self }
    }

    /// The same, of an input whose bytes may still be coming in. Those that it was made of are the first of them.
    #[must_use]
    pub fn with_incoming(self, incoming: &'a dyn Incoming) -> Self {
        Self { incoming: Some(incoming), ..self }
    }

    /// Waits until `rest` is longer; not if it ends with the input.
    fn read_more(&mut self) -> Result<(), Error> {
        /// A walk that is made again is made over at least twice as many bytes, or over so many.
        const LEAST_BYTES: usize = 1 << 20;
        if let Some(incoming) = self.incoming {
            let offset = self.offset();
            let (bytes, is_all) = incoming.wait(offset + (2 * self.rest.len()).max(LEAST_BYTES))?;
            self.rest = &bytes[offset..];
            self.incoming = self.incoming.filter(|_| !is_all);
        }
        Ok(())
    }

    /// The same, without the first `lines` lines, whatever is in them.
    ///
    /// # Errors
    /// If the input can not be read.
    pub fn skip_lines(mut self, lines: u64) -> Result<Self, Error> {
        for _ in 0..lines {
            // A line end that is the last byte there may be half of one.
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

    /// Bytes of the input before what is still to be split.
    pub(crate) fn offset(&self) -> usize {
        self.offset as usize
    }

    /// What is still to be split: so many bytes of it at least, and whether it is all.
    ///
    /// # Errors
    /// If the input can not be read.
    pub(crate) fn peek(&mut self, bytes: usize) -> Result<(&'a [u8], bool), Error> {
        while self.rest.len() < bytes && self.incoming.is_some() {
            self.read_more()?;
        }
        Ok((self.rest, self.incoming.is_none()))
    }

    /// Cuts the first `rows` records off, the header, and leaves the rest to be split; they do not count as records.
    /// Nothing if there are fewer.
    ///
    /// # Errors
    /// As the iterator's.
    pub fn take_header(&mut self, rows: usize) -> Result<Option<Chunk<'a>>, Error> {
        let (whole, incoming, start) = (self.rest, self.incoming, self.offset());
        let chunk_bytes = std::mem::replace(&mut self.chunk_bytes, 1);
        self.in_header = true;
        let mut header: Option<Chunk<'a>> = None;
        for _ in 0..rows {
            let Some(row) = self.next().transpose()? else { break };
            let first = header.unwrap_or(Chunk { records: 0, ..row });
            // More of it may have come in meanwhile.
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

    /// Length and contents of the next chunk; or what was seen until a record, the last, turned out bad. Nothing if that
    /// can not be told before more comes in.
    fn measure(&self) -> Option<Result<(usize, Tally), (Tally, Error)>> {
        match Scanner::new(self.dialect) {
            Scanner::Masks(masks) => self.measure_with(masks),
            Scanner::Walker(walker) => self.measure_with(walker),
        }
    }

    fn measure_with(&self, mut scanner: impl Scan) -> Option<Result<(usize, Tally), (Tally, Error)>> {
        let mut tally = Tally::default();
        let (mut after_end, mut after_cr) = (1, 0);
        let mut filled = [0; BLOCK_BYTES];
        let mut at = 0;
        while at < self.rest.len() {
            // Between a CR and its LF lines would be counted twice.
            if at >= self.max_chunk_bytes
                && !self.in_header
                && after_end & !after_cr != 0
                && !scanner.is_in_comment()
            {
                return Some(Ok((at, tally)));
            }
            let (block, real) = block_of(&self.rest[at..], &mut filled);
            let marks = scanner.scan_ends(block);
            let starts = !marks.ends & (marks.ends << 1 | after_end) & real;
            let breaks = (marks.cr | marks.lf & !(marks.cr << 1 | after_cr)) & real;
            if at + BLOCK_BYTES > self.chunk_bytes {
                let too_early = low_bits(self.chunk_bytes.saturating_sub(at));
                // The first start of all is where the chunk begins, and no cut, whatever blank lines precede it.
                let first = if tally.records == 0 { starts & starts.wrapping_neg() } else { 0 };
                let cuts = starts & !too_early & !first;
                if cuts != 0 {
                    let cut = cuts.trailing_zeros() as usize;
                    tally.records += (starts & low_bits(cut)).count_ones() as usize;
                    tally.lines += u64::from((breaks & low_bits(cut)).count_ones());
                    return Some(Ok((at + cut, tally)));
                }
            }
            tally.records += starts.count_ones() as usize;
            tally.lines += u64::from(breaks.count_ones());
            if starts != 0 {
                (tally.last_block, tally.last_starts, tally.ends_since) = (at, starts, marks.ends);
            } else if marks.ends != 0 {
                tally.ends_since = !0;
            } else if at - tally.last_start() > self.max_record_bytes
                && (tally.is_open() || at > self.max_chunk_bytes)
            {
                let error = self.too_large(&tally, at, scanner.is_inside());
                return Some(Err((tally, error)));
            }
            (after_end, after_cr) = (marks.ends >> 63, marks.cr >> 63);
            at += BLOCK_BYTES;
        }
        if self.incoming.is_some() {
            return None;
        }
        if scanner.is_inside() {
            let error = self.unclosed_quote(&tally, self.rest.len(), None);
            return Some(Err((tally, error)));
        }
        Some(Ok((self.rest.len(), tally)))
    }

    #[cold]
    fn too_large(&self, tally: &Tally, end: usize, is_inside: bool) -> Error {
        if is_inside {
            return self.unclosed_quote(tally, end, Some(self.max_record_bytes));
        }
        let position = self.position(tally, tally.last_start());
        Kind::RecordTooLarge { position, max_bytes: self.max_record_bytes }.into()
    }

    #[cold]
    fn unclosed_quote(&self, tally: &Tally, end: usize, max_bytes: Option<usize>) -> Error {
        let record = &self.rest[tally.last_start()..end];
        let position = self.position(tally, tally.last_start() + last_opening_quote(record, self.dialect));
        Kind::UnclosedQuote { position, searched_bytes: record.len() as u64, max_bytes }.into()
    }

    fn position(&self, tally: &Tally, at: usize) -> Position {
        Position {
            input: self.input.clone(),
            record: if self.in_header { 0 } else { self.record + tally.records as u64 },
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
        let measured = loop {
            if self.rest.is_empty() && self.incoming.is_none() {
                return None;
            }
            match self.measure() {
                Some(measured) => break measured,
                None => self.error = self.read_more().err(),
            }
            if self.error.is_some() {
                return self.next();
            }
        };
        let (length, tally) = match measured {
            Ok(measured) => measured,
            // The records before the bad one are whole: they come first, wherever the cuts are.
            Err((mut tally, error)) => {
                self.error = Some(error);
                tally.records = tally.records.saturating_sub(1);
                if tally.records == 0 {
                    return self.next();
                }
                (tally.last_start(), tally)
            }
        };
        let (bytes, rest) = self.rest.split_at(length);
        let chunk = Chunk {
            number: self.number,
            bytes,
            offset: self.offset,
            records_before_input: self.records_before_input,
            first_record: self.record,
            records: tally.records,
            first_line: self.line,
        };
        self.rest = rest;
        self.number += 1;
        self.offset += length as u64;
        self.record += tally.records as u64;
        self.line += tally.lines;
        Some(Ok(chunk))
    }
}

/// Where the quoted field begins that `record`, which ends inside quotes, ends in.
fn last_opening_quote(record: &[u8], dialect: Dialect) -> usize {
    let mut walker = Walker::new(dialect);
    // Each is stepped over, as the state is all of them.
    let opening = record.iter().enumerate().filter(|(_, byte)| walker.step(**byte) == Step::Opening).last();
    opening.map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::csv::parse::RecordParser;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    /// The records of each chunk, with the number of the first and the lines before the chunk.
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
    fn a_run_of_lines_without_records_is_cut_as_well() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut cuts = 0;
        for comment in [None, Some(b'#')] {
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
