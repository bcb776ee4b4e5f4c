//! A chunk to records, a record to fields.
//!
//! The plain algorithm: a field ends at every delimiter and line end outside quotes, a record at every line
//! end; a record that is nothing but its line end is no record. `crate::format::csv::scan` gives the ends as masks, 64
//! bytes a step, and here they are taken off bit by bit. A field is remembered by where it starts and ends:
//! quotes and escapes are taken off only when its value is asked for, so fields that nobody reads cost nothing more.

use crate::batch::{Arena, Span};
use crate::format::csv::scan::{BLOCK_BYTES, Scan, Scanner, block_of};
use crate::plan::Dialect;
use std::ops::Range;

/// The records of a chunk.
#[derive(Debug)]
pub struct RecordParser<'a> {
    bytes: &'a [u8],
    scanner: Scanner,
    /// Where the next block begins.
    next_block: usize,
    /// Field ends of the current block that are still to be visited, and those of all that end a record.
    pending: u64,
    ends: u64,
    /// Bytes of a delimiter before its last.
    overhang: u32,
    /// Where the next field starts.
    start: usize,
}

impl<'a> RecordParser<'a> {
    /// The records of `chunk`, which begins at a record boundary.
    ///
    /// # Panics
    /// If the chunk has 4 GiB or more; [`crate::format::csv::split`] makes none of that size.
    #[must_use]
    pub fn new(chunk: &'a [u8], dialect: Dialect) -> Self {
        assert!(u32::try_from(chunk.len()).is_ok(), "a chunk has less than 4 GiB");
        let overhang = dialect.delimiter.as_bytes().len() as u32 - 1;
        let scanner = Scanner::new(dialect);
        Self { bytes: chunk, scanner, next_block: 0, pending: 0, ends: 0, overhang, start: 0 }
    }

    /// Appends where in the chunk the fields of the next record lie, quotes included, to `fields` and returns where in the chunk the record lies,
    /// without its line end; `None` after the last.
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
                fields.push(Span { end: field.end - self.overhang, ..field });
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
    fn finish(&mut self, record_start: usize, fields: &mut Vec<Span>) -> Option<Range<usize>> {
        let end = self.bytes.len();
        if record_start == end {
            return None;
        }
        fields.push(Span { start: self.start as u32, end: end as u32 });
        // An empty last field ends where it starts: step past it, so that it is not found again.
        (self.start, self.next_block) = (end, end);
        Some(record_start..end)
    }
}

/// Appends where the fields of all records of `chunk` lie to `fields`, if every record has `width` of them and there is
/// nothing between the records: then there is no need to look at each field's place in its record. Returns the number
/// of records; nothing, and some fields appended, if that is not so.
pub fn parse_rectangular(
    chunk: &[u8],
    dialect: Dialect,
    width: usize,
    fields: &mut Vec<Span>,
) -> Option<usize> {
    // A record of one field that is empty is no record, and a longer delimiter does not begin where it is found, which
    // nothing below would see.
    if width < 2 || dialect.delimiter.as_bytes().len() > 1 || u32::try_from(chunk.len()).is_err() {
        return None;
    }
    match Scanner::new(dialect) {
        Scanner::Masks(masks) => regular_with(masks, chunk, width, fields),
        Scanner::Walker(walker) => regular_with(walker, chunk, width, fields),
    }
}

fn regular_with(mut scanner: impl Scan, chunk: &[u8], width: usize, fields: &mut Vec<Span>) -> Option<usize> {
    let known = fields.len();
    let (mut records, mut start) = (0, 0);
    let mut filled = [0; BLOCK_BYTES];
    for first in (0..chunk.len()).step_by(BLOCK_BYTES) {
        let (block, real) = block_of(&chunk[first..], &mut filled);
        let marks = scanner.scan(block);
        records += (marks.ends & real).count_ones() as usize;
        let mut all = (marks.delimiters | marks.ends) & real;
        fields.extend((0..all.count_ones()).map(|_| {
            let end = first as u32 + all.trailing_zeros();
            all &= all - 1;
            let field = Span { start, end };
            start = end + 1;
            field
        }));
        // The fields of the record that goes on behind this block. More often than not this shows what is not regular.
        let open_fields = (fields.len() - known).wrapping_sub(records * width);
        if open_fields >= width {
            return None;
        }
    }
    let end = chunk.len() as u32;
    if start < end {
        fields.push(Span { start, end });
        records += 1;
    }
    // There are as many ends as records, so if each record ends with one, there is none anywhere else.
    let ends_record =
        |field: &Span| chunk.get(field.end as usize).is_none_or(|byte| matches!(byte, b'\n' | b'\r'));
    let is_regular = fields.len() - known == records * width
        && fields[known..].iter().skip(width - 1).step_by(width).all(ends_record);
    is_regular.then_some(records)
}

/// Takes blanks off both ends of each field, as a dialect that trims says.
pub fn trim(chunk: &[u8], fields: &mut [Span]) {
    let is_blank = |at: u32| matches!(chunk[at as usize], b' ' | b'\t');
    for Span { start, end } in fields {
        while start < end && is_blank(*start) {
            *start += 1;
        }
        while start < end && is_blank(*end - 1) {
            *end -= 1;
        }
    }
}

/// The value of a field: without its quotes, `""` inside them made `"`, and what follows an escape there as it is. It
/// borrows `raw` where it can, else it is made in `arena`.
///
/// What follows a closing quote belongs to the value as it is (`"a"b` is `ab`, as the `csv` crate reads it).
#[inline]
pub fn unquote<'a>(raw: &'a [u8], dialect: Dialect, arena: &'a Arena) -> &'a [u8] {
    let Some((rest, quote)) = strip_opening_quote(raw, dialect.quote) else { return raw };
    match verbatim_len(rest, quote).filter(|_| dialect.escape.is_none()) {
        Some(bytes) => &rest[..bytes],
        None => {
            let value = arena.zeros(rest.len());
            let bytes = unquote_into(rest, quote, dialect.escape, value);
            &value[..bytes]
        }
    }
}

/// The dialect without the quote, if there is none in `chunk`, and without the escape likewise.
pub(crate) fn chunk_dialect(chunk: &[u8], dialect: Dialect) -> Dialect {
    let is_there = |byte: &u8| memchr::memchr(*byte, chunk).is_some();
    Dialect { quote: dialect.quote.filter(is_there), escape: dialect.escape.filter(is_there), ..dialect }
}

/// How many of the fields hold a NUL byte in their values.
pub(crate) fn count_nul_values(bytes: &[u8], dialect: Dialect, fields: &[Span]) -> usize {
    /// Fewer are looked at sooner than all bytes.
    const MANY_FIELDS: usize = 256;
    let is_there = |bytes: &[u8]| memchr::memchr(0, bytes).is_some();
    let has_nul = match fields.len() > MANY_FIELDS {
        true => is_there(bytes),
        false => fields.iter().any(|field| is_there(field.slice(bytes))),
    };
    if !has_nul {
        return 0;
    }
    let arena = Arena::default();
    fields.iter().filter(|field| unquote(field.slice(bytes), dialect, &arena).contains(&0)).count()
}

/// What follows the quote that a field begins with, if it does, and that quote.
#[inline]
pub(crate) fn strip_opening_quote(raw: &[u8], quote: Option<u8>) -> Option<(&[u8], u8)> {
    match (raw, quote) {
        ([first, rest @ ..], Some(quote)) if *first == quote => Some((rest, quote)),
        _ => None,
    }
}

/// How many bytes that follow the opening quote are the value, if it is one piece of them and there are no escapes.
#[inline]
pub(crate) fn verbatim_len(rest: &[u8], quote: u8) -> Option<usize> {
    match memchr::memchr(quote, rest) {
        None => Some(rest.len()),
        Some(closing) => (closing + 1 == rest.len()).then_some(closing),
    }
}

/// Writes the value of a field, of which `rest` is what follows the opening quote, to the start of `to`, and returns
/// its bytes, which are no more than those of `rest`.
pub(crate) fn unquote_into(mut rest: &[u8], quote: u8, escape: Option<u8>, to: &mut [u8]) -> usize {
    let mut used = 0;
    let mut put = |part: &[u8]| {
        to[used..used + part.len()].copy_from_slice(part);
        used += part.len();
    };
    let special = |rest: &[u8]| match escape {
        None => memchr::memchr(quote, rest),
        Some(escape) => memchr::memchr2(quote, escape, rest),
    };
    // Bytes of `rest` that mean themselves, since an escape came before.
    let mut literal = 0;
    while let Some(at) = special(&rest[literal..]).map(|at| at + literal) {
        let is_escape = rest[at] != quote;
        // Of two quotes the first is left, of an escape or a closing quote nothing.
        let is_doubled = !is_escape && rest.get(at + 1) == Some(&quote);
        put(&rest[..at + usize::from(is_doubled)]);
        rest = &rest[at + 1 + usize::from(is_doubled)..];
        if !is_escape && !is_doubled {
            break;
        }
        literal = usize::from(is_escape).min(rest.len());
    }
    put(rest);
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of each record, one by one.
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
            if let Some(count) = parse_rectangular(chunk, Dialect::default(), width, &mut fields) {
                assert_eq!(count, records.len(), "{:?}", chunk.escape_ascii().to_string());
                let parse_rectangular: Vec<_> = fields.chunks(width).map(<[Span]>::to_vec).collect();
                assert_eq!(parse_rectangular, records, "{:?}", chunk.escape_ascii().to_string());
            }
        }
    }

    #[test]
    fn regular_records_are_those_found_one_by_one() {
        for length in 0..8 {
            for number in 0..5_usize.pow(length) {
                let byte = |at| b"\",\n\ra"[number / 5_usize.pow(at) % 5];
                let chunk: Vec<u8> = (0..length).map(byte).collect();
                check(&chunk);
                // The same where a block ends.
                let front = "abcdefgh,12345\n".repeat(4);
                check(&[front.as_bytes(), &chunk, b"1,2\n"].concat());
            }
        }
    }

    #[test]
    fn plain_records_are_regular() {
        for end in ["", "\n"] {
            let chunk = format!("{}a,\"b\n\",c{end}", "some,longer \"\" text,\n".repeat(20));
            let mut fields = Vec::new();
            let count = parse_rectangular(chunk.as_bytes(), Dialect::default(), 3, &mut fields);
            assert_eq!((count, fields.len()), (Some(21), 63));
        }
    }
}
