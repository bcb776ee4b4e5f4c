//! Parsing: cuts a chunk into records, and records into fields.
//!
//! The plain algorithm: a field ends at every delimiter and line end outside quotes, and a record at every line end
//! outside quotes. A record that consists of nothing but its line end is skipped.
//!
//! The implementation departs from this as follows:
//!
//! 1. `crate::format::csv::scan` finds the field ends as masks, 64 bytes at a time. The parser visits only the set
//!    bits.
//! 2. A field is stored as its span in the chunk. Quotes and escapes are removed only when its value is needed, so
//!    unused fields cost nothing more.
//! 3. [`parse_rectangular`] does not look at each record's fields, but only checks at the end that every record has
//!    the expected number.

use super::unquote::{unquote_into, verbatim};
use crate::batch::{Arena, HotLoop, Span, dispatch};
use crate::format::csv::scan::{BLOCK_BYTES, Scan, Scanner, first_block, is_blank};
use crate::plan::{Delimiter, Dialect, Escapes};
use std::ops::Range;

/// Parses the records of a chunk one by one.
#[derive(Debug)]
pub struct RecordParser<'a> {
    bytes: &'a [u8],
    scanner: Scanner,
    /// Offset of the next block.
    next_block: usize,
    /// The field ends in the current block that have not been visited.
    pending: u64,
    /// The line ends in the current block.
    ends: u64,
    /// Where fields begin and end, relative to the delimiters that the scanner reports.
    edges: Edges,
    /// Offset of the next field.
    start: usize,
}

impl<'a> RecordParser<'a> {
    /// Creates a parser for `chunk`, which starts at a record boundary.
    ///
    /// # Panics
    /// If `chunk` has 4 GiB or more. Chunks from [`crate::format::csv::split`] are always smaller.
    #[must_use]
    pub fn new(chunk: &'a [u8], dialect: Dialect) -> Self {
        assert!(u32::try_from(chunk.len()).is_ok(), "a chunk has less than 4 GiB");
        let (scanner, edges) = (Scanner::new(dialect), Edges::new(dialect.delimiter));
        Self { bytes: chunk, scanner, next_block: 0, pending: 0, ends: 0, edges, start: 0 }
    }

    /// Parses the next record. Appends the spans of its fields, quotes included, to `fields`. Returns the byte range
    /// of the record without its line end, or `None` after the last record. All positions are relative to the chunk.
    #[inline]
    pub fn next_into(&mut self, fields: &mut Vec<Span>) -> Option<Range<usize>> {
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
            let field = Span { start: self.start as u32, end: at as u32 };
            self.start = at + 1;
            if self.ends >> bit & 1 == 0 {
                fields.push(Span { end: field.end - self.edges.overhang, ..field });
                self.start -= self.edges.overlap as usize;
            } else if at > record_start {
                fields.push(field);
                return Some(record_start..at);
            } else {
                record_start = self.start;
            }
        }
    }

    /// True if a record so far has a field with text after its closing quote; for a dialect that trims or has a delimiter of
    /// several bytes, perhaps none has.
    pub(crate) fn may_have_text_after_quote(&self) -> bool {
        self.scanner.has_text_after_quote()
    }

    #[inline]
    fn load_block(&mut self) {
        let mut buffer = [0; BLOCK_BYTES];
        let rest = &self.bytes[self.next_block..];
        let (block, valid) = first_block(rest, &mut buffer);
        let masks = self.scanner.scan(block, rest);
        self.pending = (masks.delimiters | masks.ends) & valid;
        self.ends = masks.ends;
        self.next_block += BLOCK_BYTES;
    }

    /// Returns the last record of a chunk if it has no line end.
    #[cold]
    fn finish(&mut self, record_start: usize, fields: &mut Vec<Span>) -> Option<Range<usize>> {
        let end = self.bytes.len();
        if record_start == end {
            return None;
        }
        fields.push(Span { start: self.start as u32, end: end as u32 });
        // Mark the last field as visited, even if it is empty.
        (self.start, self.next_block) = (end, end);
        Some(record_start..end)
    }
}

/// What [`parse_rectangular`] found in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RectangularChunk {
    /// The number of records.
    pub records: usize,
    /// True if a field has text after its closing quote; for a dialect that trims, perhaps none has.
    pub may_have_text_after_quote: bool,
    /// True if the chunk contains a CR.
    pub has_cr: bool,
}

/// Where fields begin and end, relative to the bytes at which the scanner reports delimiters.
#[derive(Debug, Clone, Copy)]
struct Edges {
    /// Bytes of a delimiter before the byte at which it is reported.
    overhang: u32,
    /// 1 if that byte belongs to the next field, otherwise 0.
    overlap: u32,
}

impl Edges {
    fn new(delimiter: Delimiter) -> Self {
        Self { overhang: delimiter.as_bytes().len() as u32 - 1, overlap: u32::from(delimiter.is_blanks()) }
    }

    /// Moves the edges of fields that were cut as if a delimiter were the one byte at which it is reported. There are
    /// `width` fields in each record.
    fn adjust(self, fields: &mut [Span], width: usize) {
        if self.overhang == 0 && self.overlap == 0 {
            return;
        }
        for record in fields.chunks_exact_mut(width) {
            record[..width - 1].iter_mut().for_each(|field| field.end -= self.overhang);
            record[1..].iter_mut().for_each(|field| field.start -= self.overlap);
        }
    }
}

/// Parses all records of `chunk` at once, provided that every record has `width` fields and that there are no blank
/// lines or comments. Appends the spans of the fields, quotes included, to `fields`.
///
/// Returns `None` if the chunk is not rectangular in this sense, if `width` is below 2, or if the chunk has 4 GiB or more.
/// `fields` may then have grown.
pub fn parse_rectangular(
    chunk: &[u8],
    dialect: Dialect,
    width: usize,
    fields: &mut Vec<Span>,
) -> Option<RectangularChunk> {
    // The code below would take a blank line for a record with one empty field, and a CR after blanks for a line end.
    let is_cr_field = dialect.has_lone_crs() && dialect.delimiter.is_blanks();
    if width < 2 || is_cr_field || u32::try_from(chunk.len()).is_err() {
        return None;
    }
    let fields_before = fields.len();
    let rectangle = match Scanner::new(dialect) {
        Scanner::Quoteless(scanner) => dispatch(ParseRectangular { scanner, chunk, width, fields }),
        Scanner::Plain(scanner) => dispatch(ParseRectangular { scanner, chunk, width, fields }),
        Scanner::General(scanner) => dispatch(ParseRectangular { scanner, chunk, width, fields }),
    }?;
    Edges::new(dialect.delimiter).adjust(&mut fields[fields_before..], width);
    Some(rectangle)
}

struct ParseRectangular<'c, 'f, S> {
    scanner: S,
    chunk: &'c [u8],
    width: usize,
    fields: &'f mut Vec<Span>,
}

impl<S: Scan> HotLoop for ParseRectangular<'_, '_, S> {
    type Output = Option<RectangularChunk>;

    #[inline(always)]
    fn run(self) -> Option<RectangularChunk> {
        parse_rectangular_with(self.scanner, self.chunk, self.width, self.fields)
    }
}

#[inline(always)]
fn parse_rectangular_with(
    mut scanner: impl Scan,
    chunk: &[u8],
    width: usize,
    fields: &mut Vec<Span>,
) -> Option<RectangularChunk> {
    let fields_before = fields.len();
    let (mut records, mut start, mut crs) = (0, 0, 0);
    let mut buffer = [0; BLOCK_BYTES];
    for first in (0..chunk.len()).step_by(BLOCK_BYTES) {
        let rest = &chunk[first..];
        let (block, valid) = first_block(rest, &mut buffer);
        let masks = scanner.scan(block, rest);
        records += (masks.ends & valid).count_ones() as usize;
        crs |= masks.cr;
        let mut pending = (masks.delimiters | masks.ends) & valid;
        fields.extend((0..pending.count_ones()).map(|_| {
            let end = first as u32 + pending.trailing_zeros();
            pending &= pending - 1;
            let field = Span { start, end };
            start = end + 1;
            field
        }));
        // Fields of the record that continues after this block. Irregular records usually show here, before the end.
        let open_fields = (fields.len() - fields_before).wrapping_sub(records * width);
        if open_fields >= width {
            return None;
        }
    }
    let end = chunk.len() as u32;
    if start < end {
        fields.push(Span { start, end });
        records += 1;
    }
    let is_rectangular =
        fields.len() - fields_before == records * width && is_aligned(&fields[fields_before..], width, chunk);
    let may_have_text_after_quote = scanner.has_text_after_quote();
    is_rectangular.then_some(RectangularChunk { records, may_have_text_after_quote, has_cr: crs != 0 })
}

/// True if the last field of each record ends with the record. There are as many line ends as records, so if each record ends
/// with one, there are no others.
fn is_aligned(fields: &[Span], width: usize, chunk: &[u8]) -> bool {
    let ends_record =
        |field: &Span| chunk.get(field.end as usize).is_none_or(|byte| matches!(byte, b'\n' | b'\r'));
    fields.iter().skip(width - 1).step_by(width).all(ends_record)
}

/// Removes blanks from both ends of each field, except a blank that is escaped. For dialects that trim.
///
/// # Panics
/// If a span is not within `chunk`.
pub fn trim(chunk: &[u8], dialect: Dialect, fields: &mut [Span]) {
    let is_blank = |at: u32| is_blank(chunk[at as usize]);
    let escape = dialect.escape.filter(|_| dialect.escapes_everywhere());
    for field in fields {
        let Span { start, end } = field;
        while start < end && is_blank(*start) {
            *start += 1;
        }
        let untrimmed_end = *end;
        while start < end && is_blank(*end - 1) {
            *end -= 1;
        }
        if *end < untrimmed_end && escape.is_some_and(|escape| ends_in_escape(field.slice(chunk), escape)) {
            field.end += 1;
        }
    }
}

/// True if the last byte of `bytes` is an escape that is not escaped itself.
fn ends_in_escape(bytes: &[u8], escape: u8) -> bool {
    bytes.iter().rev().take_while(|byte| **byte == escape).count() % 2 == 1
}

/// Returns the value of a field. `raw` is the field as written, quotes included.
///
/// Removes the quotes, replaces `""` inside them with `"`, and replaces escapes. Text after the closing quote belongs to the
/// value: `"a"b` is `ab`, as the `csv` crate reads it. The value is a slice of `raw` where possible, and otherwise a copy in
/// `arena`.
#[inline]
pub fn unquote<'a>(raw: &'a [u8], dialect: Dialect, arena: &'a Arena) -> &'a [u8] {
    match verbatim(raw, dialect) {
        Some(range) => &raw[range],
        None => {
            let value = arena.zeros(raw.len());
            let bytes = unquote_into(raw, dialect, value);
            &value[..bytes]
        }
    }
}

/// The dialect, minus what has no effect on the records of `chunk`.
pub(crate) fn chunk_dialect(chunk: &[u8], dialect: Dialect) -> Dialect {
    let occurs = |byte: &u8| memchr::memchr(*byte, chunk).is_some();
    let quote = dialect.quote.filter(occurs);
    let has_escapes = dialect.escapes_everywhere() || quote.is_some();
    let escape = dialect.escape.filter(|escape| has_escapes && occurs(escape));
    let comment = dialect.comment.filter(|comment| occurs(&comment.as_bytes()[0]));
    // Blanks matter to the scanner only before a quote.
    let trim = dialect.trim && quote.is_some();
    let keeps_escapes = escape.is_some() || !dialect.has_lone_crs() || occurs(&b'\r');
    let escapes = if keeps_escapes { dialect.escapes } else { Escapes::Quoted };
    Dialect { quote, escape, escapes, comment, trim, ..dialect }
}

/// Returns the number of fields whose value contains a NUL byte. The `fields` are spans of `bytes`.
pub(crate) fn count_nul_values(bytes: &[u8], dialect: Dialect, fields: &[Span]) -> usize {
    /// Above this number, one search of all bytes is faster than one search per field.
    const MANY_FIELDS: usize = 256;
    let contains_nul = |bytes: &[u8]| memchr::memchr(0, bytes).is_some();
    let has_nul = match fields.len() > MANY_FIELDS {
        // Some escapes stand for a NUL.
        _ if dialect.escape.is_some() && dialect.escapes != Escapes::Quoted => true,
        true => contains_nul(bytes),
        false => fields.iter().any(|field| contains_nul(field.slice(bytes))),
    };
    if !has_nul {
        return 0;
    }
    let arena = Arena::default();
    fields.iter().filter(|field| unquote(field.slice(bytes), dialect, &arena).contains(&0)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of each record, parsed one by one.
    fn by_record(chunk: &[u8]) -> Vec<Vec<Span>> {
        let mut records = RecordParser::new(chunk, Dialect::default());
        let next = || {
            let mut fields = Vec::new();
            records.next_into(&mut fields).map(|_| fields)
        };
        std::iter::from_fn(next).collect()
    }

    fn check(chunk: &[u8]) {
        let records = by_record(chunk);
        for width in 1..4 {
            let mut fields = Vec::new();
            if let Some(rectangle) = parse_rectangular(chunk, Dialect::default(), width, &mut fields) {
                assert_eq!(rectangle.records, records.len(), "{:?}", chunk.escape_ascii().to_string());
                let rectangular: Vec<_> = fields.chunks(width).map(<[Span]>::to_vec).collect();
                assert_eq!(rectangular, records, "{:?}", chunk.escape_ascii().to_string());
            }
        }
    }

    #[test]
    fn rectangular_records_equal_those_parsed_one_by_one() {
        for length in 0..8 {
            for number in 0..5_usize.pow(length) {
                let byte = |at| b"\",\n\ra"[number / 5_usize.pow(at) % 5];
                let chunk: Vec<u8> = (0..length).map(byte).collect();
                check(&chunk);
                // The same bytes across a block boundary.
                let front = "abcdefgh,12345\n".repeat(4);
                check(&[front.as_bytes(), &chunk, b"1,2\n"].concat());
            }
        }
    }

    #[test]
    fn records_of_equal_width_are_rectangular() {
        for end in ["", "\n"] {
            let chunk = format!("{}a,\"b\n\",c{end}", "some,longer \"\" text,\n".repeat(20));
            let mut fields = Vec::new();
            let rectangle = parse_rectangular(chunk.as_bytes(), Dialect::default(), 3, &mut fields);
            assert_eq!((rectangle.unwrap().records, fields.len()), (21, 63));
        }
    }
}
