//! Oddities: records that can be parsed, but look wrong.
//!
//! To count them takes a second pass over a chunk, which is made only if the chunk contains one. The parser tells whether
//! it found text after a closing quote or a CR, and [`OddityFinder::is_odd`] looks at the first byte of each record.

use super::lines::{LineEnd, count_blank_lines, count_line_ends};
use super::parse::{RecordParser, trim};
use crate::batch::{Chunk, Oddities, Span};
use crate::error::{FieldCountCause, Oddity};
use crate::plan::Dialect;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Finds records that look wrong.
#[derive(Debug)]
pub(super) struct OddityFinder {
    dialect: Dialect,
    /// First record of the header; empty for an input without a header.
    header: Vec<u8>,
    /// How the first record of the input ends.
    line_end: Option<LineEnd>,
    /// The bytes that an odd record may start with.
    odd_starts: [bool; 256],
}

impl OddityFinder {
    /// A finder for records that follow this header, which ends with `line_end`.
    pub(super) fn new(dialect: Dialect, header: &[u8], line_end: Option<LineEnd>) -> Self {
        let starts = [b' ', b'\t', dialect.delimiter.as_bytes()[0], BYTE_ORDER_MARK[0]].into_iter();
        let starts = starts.chain(dialect.quote).chain(header.first().copied());
        let mut odd_starts = [false; 256];
        starts.for_each(|byte| odd_starts[usize::from(byte)] = true);
        Self { dialect, header: header.to_vec(), line_end, odd_starts }
    }

    /// True if a record with these fields looks wrong as a whole: it has no value, repeats the header, or starts with a byte
    /// order mark.
    #[inline]
    pub(super) fn is_odd(&self, chunk: &[u8], fields: &[Span]) -> bool {
        self.has_odd_start(chunk, fields[0]) && self.find(chunk, fields).is_some()
    }

    /// True if one of the records with `width` fields looks wrong as a whole.
    pub(super) fn is_any_odd(&self, chunk: &[u8], fields: &[Span], width: usize) -> bool {
        let mut first_fields = fields.iter().step_by(width);
        first_fields.any(|first| self.has_odd_start(chunk, *first))
            && fields.chunks_exact(width).any(|fields| self.is_odd(chunk, fields))
    }

    #[inline]
    fn has_odd_start(&self, chunk: &[u8], first_field: Span) -> bool {
        let first = chunk.get(first_field.start as usize);
        first.is_some_and(|first| self.odd_starts[usize::from(*first)])
    }

    fn find(&self, chunk: &[u8], fields: &[Span]) -> Option<Oddity> {
        let last = fields[fields.len() - 1];
        let record = Span { start: fields[0].start, end: last.end }.slice(chunk);
        let is_several = fields.len() > 1;
        // A single field may be blank, or contain its own name.
        if is_several && fields.iter().all(|field| self.is_blank(field.slice(chunk))) {
            Some(Oddity::EmptyRecord)
        } else if record.starts_with(BYTE_ORDER_MARK) {
            Some(Oddity::ByteOrderMark)
        } else {
            (is_several && record == self.header).then_some(Oddity::RepeatedHeader)
        }
    }

    fn is_blank(&self, field: &[u8]) -> bool {
        let quoted = strip_opening_quote(field, self.dialect.quote);
        let value = quoted.map_or(field, |(rest, quote)| rest.strip_suffix(&[quote]).unwrap_or(rest));
        value.iter().all(|byte| matches!(byte, b' ' | b'\t'))
    }

    /// What is odd about the end of the record that ends at `end`.
    #[inline]
    pub(super) fn odd_end(&self, chunk: &[u8], end: usize) -> Option<Oddity> {
        match (self.line_end, LineEnd::at(chunk, end)?) {
            (Some(LineEnd::Cr), _) => None,
            (_, LineEnd::Cr) => Some(Oddity::LoneCr),
            (Some(LineEnd::CrLf), LineEnd::Lf) => Some(Oddity::LoneLf),
            (Some(LineEnd::Lf), LineEnd::CrLf) => Some(Oddity::CrLf),
            _ => None,
        }
    }

    /// True if a chunk in which no record ends with a CRLF may have records that end oddly.
    pub(super) fn is_end_odd(&self, has_cr: bool) -> bool {
        self.line_end == Some(LineEnd::CrLf) || has_cr && self.line_end != Some(LineEnd::Cr)
    }

    /// What may have caused a record to have too many or too few fields.
    #[cold]
    pub(super) fn cause(&self, chunk: &[u8], fields: &[Span], end: usize) -> Option<FieldCountCause> {
        if self.count_texts_after_quote(chunk, &mut fields.to_vec()) > 0 {
            Some(FieldCountCause::TextAfterQuote)
        } else {
            match self.odd_end(chunk, end)? {
                Oddity::LoneCr => Some(FieldCountCause::LoneCr),
                Oddity::LoneLf => Some(FieldCountCause::LoneLf),
                _ => None,
            }
        }
    }

    /// Counts the odd records of `chunk`, rejected ones included, except those whose fields are `is_skipped`; and the blank lines
    /// if it `counts_blank_lines`.
    #[cold]
    pub(super) fn count(
        &self,
        chunk: &Chunk<'_>,
        is_skipped: impl Fn(&[Span]) -> bool,
        counts_blank_lines: bool,
    ) -> Oddities {
        let mut oddities = Oddities::default();
        let mut records = RecordParser::new(chunk.bytes, self.dialect);
        let mut fields = Vec::new();
        let (mut line, mut counted) = (chunk.first_line + 1, 0);
        // `parsed` is the end of the record before.
        let mut parsed = 0;
        let count_blank = |oddities: &mut Oddities, between: &[u8], parsed: usize, next_line: u64| {
            let blank = count_blank_lines(between, parsed > 0);
            if counts_blank_lines && blank > 0 {
                oddities.add(Oddity::BlankLine, blank, next_line - blank);
            }
        };
        while let Some(range) = records.next_into(&mut fields) {
            line += count_line_ends(&chunk.bytes[counted..range.start]);
            counted = range.start;
            count_blank(&mut oddities, &chunk.bytes[parsed..range.start], parsed, line);
            parsed = range.end;
            if is_skipped(&fields) {
                fields.clear();
                continue;
            }
            if let Some(oddity) = self.find(chunk.bytes, &fields) {
                oddities.add(oddity, 1, line);
            }
            if let Some(oddity) = self.odd_end(chunk.bytes, range.end) {
                oddities.add(oddity, 1, line);
            }
            match self.count_texts_after_quote(chunk.bytes, &mut fields) {
                0 => {}
                count => oddities.add(Oddity::TextAfterQuote, count, line),
            }
            fields.clear();
        }
        let last_line = line + count_line_ends(&chunk.bytes[counted..]);
        count_blank(&mut oddities, &chunk.bytes[parsed..], parsed, last_line);
        oddities
    }

    fn count_texts_after_quote(&self, chunk: &[u8], fields: &mut [Span]) -> u64 {
        if self.dialect.trims() {
            trim(chunk, self.dialect, fields);
        }
        let is_odd = |field: &&Span| has_text_after_quote(field.slice(chunk), self.dialect);
        fields.iter().filter(is_odd).count() as u64
    }
}

/// If a field starts with a quote, returns the rest of the field and the quote.
fn strip_opening_quote(raw: &[u8], quote: Option<u8>) -> Option<(&[u8], u8)> {
    match (raw, quote) {
        ([first, rest @ ..], Some(quote)) if *first == quote => Some((rest, quote)),
        _ => None,
    }
}

/// True if a field has text after its closing quote.
fn has_text_after_quote(raw: &[u8], dialect: Dialect) -> bool {
    let Some((mut rest, quote)) = strip_opening_quote(raw, dialect.quote) else { return false };
    while let Some(at) = rest.iter().position(|byte| *byte == quote || Some(*byte) == dialect.escape) {
        let is_pair = rest[at] != quote || rest.get(at + 1) == Some(&quote);
        if !is_pair {
            return at + 1 < rest.len();
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(csv: &str, dialect: Dialect) -> Vec<(Oddity, u64, u64)> {
        let bytes = csv.as_bytes();
        let header_end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap();
        let line_end = LineEnd::at(bytes, header_end);
        let start = header_end + 1 + usize::from(line_end == Some(LineEnd::CrLf));
        let chunk = Chunk { bytes: &bytes[start..], first_line: 1, ..Chunk::default() };
        let finder = OddityFinder::new(dialect, &bytes[..header_end], line_end);
        finder.count(&chunk, |_| false, !csv.contains(',')).iter().collect()
    }

    #[test]
    fn each_oddity_is_counted_with_its_first_line() {
        let usual = Dialect::default();
        let cases = [
            ("id,t\n1,\"say \\\"hi\\\" ok\"\n2,\"a\"b\n", usual, (Oddity::TextAfterQuote, 2, 2)),
            ("a,b\n1,2\na,b\n3,4\na,b\n", usual, (Oddity::RepeatedHeader, 2, 3)),
            ("a,b\n1,2\n\u{feff}a,b\n", usual, (Oddity::ByteOrderMark, 1, 3)),
            ("a,b,c\n\n1,2,3\n,,\n , ,\n\"\",,\" \"\n", usual, (Oddity::EmptyRecord, 3, 4)),
            ("a,b\n1,x\ry,2\n", usual, (Oddity::LoneCr, 1, 2)),
            ("a,b\r\n1,x\ry,2\r\n", usual, (Oddity::LoneCr, 1, 2)),
            ("a,b\r\n1,2\r\n3,x\ny,2\r\n5,z\n", usual, (Oddity::LoneLf, 2, 3)),
            ("a,b\n1,2\n3,x\r\n", usual, (Oddity::CrLf, 1, 3)),
            ("a\n1\n\n2\n\n\n", usual, (Oddity::BlankLine, 3, 3)),
            ("a\r\n\r\n1\r\n2", usual, (Oddity::BlankLine, 1, 2)),
        ];
        for (csv, dialect, expected) in cases {
            assert_eq!(count(csv, dialect), [expected], "{csv:?}");
        }
    }

    #[test]
    fn ordinary_records_are_not_odd() {
        let usual = Dialect::default();
        let escape = Dialect { escape: Some(b'\\'), ..usual };
        let trim = Dialect { trim: true, ..usual };
        let cases = [
            ("a,b\n1,2\n\"x \"\"y\"\"\",\"\"\"\"\n\"\"\"\",\"\"\n", usual),
            ("a,b\n\"x \\\"y\\\" z\",2\n", escape),
            ("a,b\n \"x\" , \"y\"\t\n", trim),
            ("a,b\n\"x\r\ny\r\",2\n", usual),
            ("a,b\r\n1,2\r\n", usual),
            ("a,b\r1,2\r3,4\r", usual),
            ("a,b\n,2\n 1,\n", usual),
            ("word\nword\n \n\"\"\n", usual),
        ];
        for (csv, dialect) in cases {
            assert_eq!(count(csv, dialect), [], "{csv:?}");
        }
    }
}
