//! Chunks to decoded records: cuts records into fields, and separates those that cannot become rows.

use super::fields::CsvRecords;
use super::lines::{LineEnd, count_blank_lines, count_line_ends, count_lines, push_lines_before};
use super::oddities::OddityFinder;
use super::parse;
use super::split::last_opening_quote;
use super::unquote::escaped_byte;
use crate::batch::{Arena, Chunk, Oddities, RecordTexts, Reject, Repairs, RowOrigin, RowOrigins, Span};
use crate::error::Reason;
use crate::format::Decode;
use crate::plan::{Dialect, Escapes, InvalidUtf8, Policies, Ragged};
use std::ops::Range;
use std::sync::Arc;

/// Decodes the chunks of one input. Each worker has its own, which reuses its memory.
///
/// What a decoder holds belongs to the chunk that was decoded last.
#[derive(Debug)]
pub struct Decoder {
    input_name: Arc<str>,
    dialect: Dialect,
    /// The dialect, minus what has no effect on the records of the chunk.
    chunk_dialect: Dialect,
    width: usize,
    ragged: Ragged,
    invalid_utf8: InvalidUtf8,
    /// Whether records without a value are skipped, and how many were.
    skip_empty: bool,
    skipped: usize,
    /// The fields of the records that may become rows, `width` for each.
    fields: Vec<Span>,
    /// For each of these records, the number of records of the chunk before it.
    numbers: Vec<u32>,
    /// For each of them, its bytes in the chunk; empty if they extend from its first field to its last.
    spans: Vec<Span>,
    /// The numbers of the records with too few fields, each with how many it has; with too many; with invalid UTF-8.
    short: Vec<(u32, u32)>,
    long: Vec<u32>,
    invalid: Vec<u32>,
    /// For each record the line ends before it, if they are counted.
    lines: Vec<u64>,
    odd_records: OddityFinder,
    /// The records of the chunk that look wrong.
    oddities: Oddities,
}

impl Decoder {
    /// A decoder of records with `width` fields, which rejects all others.
    #[must_use]
    pub fn new(dialect: Dialect, width: usize) -> Self {
        let (fields, numbers, spans, short, long, invalid, lines) = Default::default();
        Self {
            input_name: "".into(),
            dialect,
            chunk_dialect: dialect,
            width,
            ragged: Ragged::Reject,
            invalid_utf8: InvalidUtf8::Reject,
            skip_empty: false,
            skipped: 0,
            fields,
            numbers,
            spans,
            short,
            long,
            invalid,
            lines,
            odd_records: OddityFinder::new(dialect, b"", None),
            oddities: Oddities::default(),
        }
    }

    /// The same for an input whose header starts with the record `header`, which ends with `line_end`.
    #[must_use]
    pub(crate) fn with_header(self, header: &[u8], line_end: Option<LineEnd>) -> Self {
        Self { odd_records: OddityFinder::new(self.dialect, header, line_end), ..self }
    }

    /// The same with the policies for records with too many or too few fields or invalid UTF-8.
    #[must_use]
    pub fn with_policies(self, policies: &Policies) -> Self {
        Self { ragged: policies.ragged, invalid_utf8: policies.invalid_utf8, ..self }
    }

    /// The same, skipping records without a value if `skip_empty`.
    pub(crate) fn with_skip_empty(self, skip_empty: bool) -> Self {
        Self { skip_empty, ..self }
    }

    /// The record that may become a row.
    fn origin(&self, row: usize) -> RowOrigin {
        let fields = &self.fields[row * self.width..][..self.width];
        let span = self.spans.get(row).copied().unwrap_or_else(|| whole_record(fields));
        RowOrigin { number: self.numbers[row], span }
    }

    fn clear(&mut self) {
        self.fields.clear();
        self.numbers.clear();
        self.spans.clear();
        self.short.clear();
        self.long.clear();
        self.invalid.clear();
        self.skipped = 0;
        self.oddities = Oddities::default();
    }

    /// Rejects the only record of `chunk`, in which a quote is never closed.
    #[cold]
    fn reject_unclosed<'a>(&mut self, chunk: &Chunk<'a>) -> Vec<Reject<'a>> {
        self.clear();
        let quote = last_opening_quote(chunk.bytes, self.dialect);
        let record = chunk.bytes.strip_suffix(b"\n").unwrap_or(chunk.bytes);
        let record = record.strip_suffix(b"\r").unwrap_or(record);
        let reason = Reason::UnclosedQuote {
            line: chunk.first_line + count_line_ends(&chunk.bytes[..quote]) + 1,
            lines: count_lines(chunk.bytes),
            bytes: chunk.bytes.len() as u64,
        };
        let mut rejects = RejectList::new(chunk);
        rejects.push(0, Span { start: 0, end: record.len() as u32 }, reason);
        rejects.list
    }

    /// Parses `chunk` into the records that may become rows, and returns the others.
    fn parse<'a>(&mut self, chunk: &Chunk<'a>) -> Vec<Reject<'a>> {
        self.clear();
        // Most chunks are ASCII, which is faster to check.
        let chunk_is_utf8 = chunk.bytes.is_ascii() || std::str::from_utf8(chunk.bytes).is_ok();
        if chunk_is_utf8
            && let Some(rectangle) =
                parse::parse_rectangular(chunk.bytes, self.chunk_dialect, self.width, &mut self.fields)
            && !self.has_irregular_record(chunk)
        {
            self.numbers.extend(0..rectangle.records as u32);
            if rectangle.may_have_text_after_quote
                || self.odd_records.is_end_odd(rectangle.has_cr)
                || self.odd_records.is_any_odd(chunk.bytes, &self.fields, self.width)
            {
                self.count_oddities(chunk);
            }
            if self.dialect.trims() {
                self.spans.extend(self.fields.chunks_exact(self.width).map(whole_record));
            }
            return Vec::new();
        }
        self.fields.clear();
        let may_escape_bytes = may_escape_bytes(chunk.bytes, self.chunk_dialect);
        let mut rejects = RejectList::new(chunk);
        let mut records = parse::RecordParser::new(chunk.bytes, self.chunk_dialect);
        let (mut is_odd, mut parsed) = (false, 0);
        let counts_blank_lines = self.counts_blank_lines();
        for number in 0.. {
            let first_field = self.fields.len();
            let Some(range) = records.next_into(&mut self.fields) else { break };
            let fields = &self.fields[first_field..];
            if self.skip_empty && is_empty_record(chunk.bytes, self.dialect, fields) {
                self.fields.truncate(first_field);
                self.skipped += 1;
                continue;
            }
            let (expected, found) = (self.width, fields.len());
            is_odd |= self.odd_records.is_odd(chunk.bytes, fields)
                || self.odd_records.odd_end(chunk.bytes, range.end).is_some()
                || counts_blank_lines && count_blank_lines(&chunk.bytes[parsed..range.start], parsed > 0) > 0;
            parsed = range.end;
            let invalid = if chunk_is_utf8 { None } else { invalid_utf8(chunk, range.clone(), fields) };
            let invalid_escape =
                if may_escape_bytes { invalid_escape(chunk, self.chunk_dialect, fields) } else { None };
            let has_too_many = found > expected && self.ragged != Ragged::Fit;
            let reason = if self.dialect.end_of_data() == Some(&chunk.bytes[range.clone()]) {
                Some(Reason::EndOfData)
            } else if has_too_many || found < expected && self.ragged == Ragged::Reject {
                let cause = self.odd_records.cause(chunk.bytes, fields, range.end);
                Some(Reason::FieldCount { expected, found, delimiter: self.dialect.delimiter, cause })
            } else {
                invalid.clone().filter(|_| self.invalid_utf8 == InvalidUtf8::Reject).or(invalid_escape)
            };
            let span = Span { start: range.start as u32, end: range.end as u32 };
            if let Some(reason) = reason {
                self.fields.truncate(first_field);
                rejects.push(number, span, reason);
                continue;
            }
            self.numbers.push(number);
            self.spans.push(span);
            if found != expected {
                self.fit(number, first_field, found);
            }
            self.invalid.extend(invalid.map(|_| number));
        }
        is_odd |= counts_blank_lines && count_blank_lines(&chunk.bytes[parsed..], parsed > 0) > 0;
        if is_odd || records.may_have_text_after_quote() {
            self.count_oddities(chunk);
        }
        rejects.list
    }

    /// True if a blank line may be meant as a record: it has one field, which is empty.
    fn counts_blank_lines(&self) -> bool {
        self.width == 1
            && !self.skip_empty
            && self.dialect.comment.is_none()
            && !self.dialect.delimiter.is_blanks()
    }

    /// Counts the records that look wrong, without those that are skipped.
    #[cold]
    fn count_oddities(&mut self, chunk: &Chunk<'_>) {
        let is_skipped =
            |fields: &[Span]| self.skip_empty && is_empty_record(chunk.bytes, self.dialect, fields);
        self.oddities = self.odd_records.count(chunk, is_skipped, self.counts_blank_lines());
    }

    /// True if a record has to be looked at on its own, although all records have the width of the header.
    fn has_irregular_record(&self, chunk: &Chunk<'_>) -> bool {
        let mut records = self.fields.chunks_exact(self.width);
        self.skip_empty && records.any(|record| is_empty_record(chunk.bytes, self.dialect, record))
            || may_escape_bytes(chunk.bytes, self.chunk_dialect)
            || self.width == 1 && may_end_data(chunk.bytes, self.chunk_dialect)
    }

    /// Pads or cuts the last record to the width of the header.
    #[cold]
    fn fit(&mut self, number: u32, first_field: usize, found: usize) {
        if found < self.width {
            self.short.push((number, found as u32));
        } else {
            self.long.push(number);
        }
        self.fields.resize(first_field + self.width, Span { start: 0, end: 0 });
    }
}

impl Decode for Decoder {
    type Data<'a> = &'a [u8];
    type Records<'r, 'a> = CsvRecords<'r, 'a>;

    fn set_input(&mut self, name: &Arc<str>) {
        self.input_name = name.clone();
    }

    fn decode<'a>(
        &mut self,
        chunk: &Chunk<'a>,
        _: &'a [u8],
        counts_lines: bool,
        arena: &'a Arena,
    ) -> (&'a [u8], Vec<Reject<'a>>) {
        self.chunk_dialect = parse::chunk_dialect(chunk.bytes, self.dialect);
        let rejects = match chunk.is_unclosed {
            false => self.parse(chunk),
            true => self.reject_unclosed(chunk),
        };
        if self.dialect.trims() {
            parse::trim(chunk.bytes, self.dialect, &mut self.fields);
        }
        self.lines.clear();
        if counts_lines {
            let mut lines = std::mem::take(&mut self.lines);
            let starts = (0..self.len()).map(|row| self.origin(row).span.start as usize);
            push_lines_before(chunk, starts, &mut lines);
            self.lines = lines;
        }
        let bytes = match self.invalid.as_slice() {
            [] => chunk.bytes,
            _ => replace_invalid_utf8(chunk.bytes, &mut self.fields, arena),
        };
        (bytes, rejects)
    }

    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn records<'r, 'a>(&'r self, chunk: &Chunk<'a>, bytes: &'a [u8]) -> CsvRecords<'r, 'a> {
        CsvRecords {
            bytes,
            input_name: &self.input_name,
            dialect: self.chunk_dialect,
            fields: &self.fields,
            width: self.width,
            first_load_record: chunk.first_load_record(),
            first_input_record: chunk.first_record,
            numbers: &self.numbers,
            short: &self.short,
            lines: &self.lines,
        }
    }

    fn retain(&mut self, is_kept: impl Fn(usize) -> bool) {
        let width = self.width;
        let mut kept = 0;
        for row in 0..self.numbers.len() {
            if is_kept(row) {
                self.numbers[kept] = self.numbers[row];
                if let Some(span) = self.spans.get(row).copied() {
                    self.spans[kept] = span;
                }
                self.fields.copy_within(row * width..(row + 1) * width, kept * width);
                if let Some(line) = self.lines.get(row).copied() {
                    self.lines[kept] = line;
                }
                kept += 1;
            }
        }
        self.numbers.truncate(kept);
        self.spans.truncate(kept);
        self.fields.truncate(kept * width);
        self.lines.truncate(kept);
        let is_kept = |number: &u32| self.numbers.binary_search(number).is_ok();
        self.short.retain(|(number, _)| is_kept(number));
        self.long.retain(is_kept);
        self.invalid.retain(is_kept);
    }

    fn origins<'a>(&self, arena: &'a Arena) -> RowOrigins<'a> {
        let spans = match self.spans.as_slice() {
            [] => arena.list(self.fields.chunks_exact(self.width).map(whole_record)),
            spans => arena.copy_list(spans),
        };
        RowOrigins::new(&self.numbers, spans, arena)
    }

    fn rejects_of<'a>(&self, chunk: &Chunk<'a>, _: &'a [u8], rows: Vec<(usize, Reason)>) -> Vec<Reject<'a>> {
        rejects_of_rows(chunk, |row| self.origin(row), rows)
    }

    fn texts<'a>(_: &Chunk<'a>, _: &'a [u8]) -> Option<&'a dyn RecordTexts> {
        None
    }

    fn skipped(&self) -> usize {
        self.skipped
    }

    fn repairs(&self, bytes: &[u8]) -> Repairs {
        Repairs {
            padded: self.short.len() as u64,
            cut: self.long.len() as u64,
            utf8_replaced: self.invalid.len() as u64,
            nul_values: parse::count_nul_values(bytes, self.chunk_dialect, &self.fields) as u64,
            nan_nulls: 0,
        }
    }

    fn oddities(&self) -> Oddities {
        self.oddities
    }
}

/// True if the fields of a record are all empty, consist of blanks, or are empty quotes.
fn is_empty_record(bytes: &[u8], dialect: Dialect, fields: &[Span]) -> bool {
    fields.iter().all(|field| match field.slice(bytes).trim_ascii() {
        [] => true,
        [first, last] => dialect.quote == Some(*first) && first == last,
        _ => false,
    })
}

/// True if escapes may stand for bytes that are not UTF-8.
fn may_escape_bytes(bytes: &[u8], dialect: Dialect) -> bool {
    let Some(escape) = dialect.escape.filter(|_| dialect.escapes == Escapes::Postgres) else { return false };
    memchr::memchr_iter(escape, bytes).any(|at| {
        escaped_byte(&bytes[at + 1..], dialect.escapes).is_some_and(|(byte, bytes)| bytes > 1 && byte >= 0x80)
    })
}

/// True if a record may be the one that ends the data.
fn may_end_data(bytes: &[u8], dialect: Dialect) -> bool {
    dialect.end_of_data().is_some_and(|end| memchr::memmem::find(bytes, end).is_some())
}

/// The reason to reject a record with a field that is not UTF-8 when its escapes are replaced.
fn invalid_escape(chunk: &Chunk<'_>, dialect: Dialect, fields: &[Span]) -> Option<Reason> {
    let arena = Arena::default();
    // Blanks around it do not matter.
    let is_invalid = |field: &Span| {
        std::str::from_utf8(parse::unquote(field.slice(chunk.bytes), dialect, &arena)).is_err()
    };
    let at = fields.iter().position(is_invalid)?;
    Some(Reason::InvalidUtf8 { field: at + 1, offset: chunk.offset + u64::from(fields[at].start) })
}

/// The bytes of a record whose fields have not been changed.
fn whole_record(fields: &[Span]) -> Span {
    Span { start: fields[0].start, end: fields[fields.len() - 1].end }
}

/// The records of `chunk` that rows came from as rejects. The rows are in input order.
pub(crate) fn rejects_of_rows<'a>(
    chunk: &Chunk<'a>,
    origin: impl Fn(usize) -> RowOrigin,
    rows: impl IntoIterator<Item = (usize, Reason)>,
) -> Vec<Reject<'a>> {
    let mut rejects = RejectList::new(chunk);
    for (row, reason) in rows {
        let origin = origin(row);
        rejects.push(origin.number, origin.span, reason);
    }
    rejects.list
}

/// Copies all fields of `chunk` into `arena`, with U+FFFD in place of invalid UTF-8, and moves the spans there.
#[cold]
fn replace_invalid_utf8<'a>(chunk: &[u8], fields: &mut [Span], arena: &'a Arena) -> &'a [u8] {
    let length = |field: &Span| utf8_parts(field.slice(chunk)).map(str::len).sum::<usize>();
    let mut bytes = arena.vec(fields.iter().map(length).sum());
    for field in fields {
        let start = bytes.len() as u32;
        utf8_parts(field.slice(chunk)).for_each(|part| bytes.extend_from_slice_copy(part.as_bytes()));
        *field = Span { start, end: bytes.len() as u32 };
    }
    bytes.into_bump_slice()
}

/// `bytes` with U+FFFD in place of invalid UTF-8, in parts.
fn utf8_parts(bytes: &[u8]) -> impl Iterator<Item = &str> {
    bytes
        .utf8_chunks()
        .flat_map(|part| [part.valid(), if part.invalid().is_empty() { "" } else { "\u{FFFD}" }])
}

#[cold]
fn invalid_utf8(chunk: &Chunk<'_>, record: Range<usize>, fields: &[Span]) -> Option<Reason> {
    let error = std::str::from_utf8(&chunk.bytes[record.clone()]).err()?;
    let at = record.start + error.valid_up_to();
    let field = fields.partition_point(|field| field.end as usize <= at) + 1;
    Some(Reason::InvalidUtf8 { field, offset: chunk.offset + at as u64 })
}

/// Collects the rejects of a chunk, and counts lines from one to the next.
struct RejectList<'a> {
    chunk: Chunk<'a>,
    /// Line ends of the input before byte `counted` of the chunk.
    line: u64,
    counted: usize,
    list: Vec<Reject<'a>>,
}

impl<'a> RejectList<'a> {
    fn new(chunk: &Chunk<'a>) -> Self {
        Self { chunk: *chunk, line: chunk.first_line, counted: 0, list: Vec::new() }
    }

    #[cold]
    fn push(&mut self, number: u32, span: Span, reason: Reason) {
        let start = span.start as usize;
        self.line += count_line_ends(&self.chunk.bytes[self.counted..start]);
        self.counted = start;
        self.list.push(Reject {
            record: self.chunk.first_record + u64::from(number),
            line: self.line,
            offset: self.chunk.offset + u64::from(span.start),
            bytes: span.slice(self.chunk.bytes).into(),
            reason,
        });
    }
}
