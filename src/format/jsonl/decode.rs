//! Lines to decoded records.

use super::object::members;
use crate::batch::{
    Arena, Chunk, Oddities, RecordTexts, Reject, Repairs, RowOrigin, RowOrigins, Span, Strings, Value, Values,
};
use crate::error::Reason;
use crate::format::csv::decode::rejects_of_rows;
use crate::format::csv::lines::push_lines_before;
use crate::format::csv::parse::RecordParser;
use crate::format::{Decode, Records};
use crate::plan::{Dialect, Type};
use std::collections::HashMap;
use std::sync::Arc;

/// Decodes chunks of JSON Lines.
///
/// Values are spans of the text until an expression reads them.
#[derive(Debug)]
pub(crate) struct JsonDecoder {
    input_name: Arc<str>,
    /// Cuts lines.
    dialect: Dialect,
    /// The number of each column, by name.
    columns: HashMap<String, usize>,
    names: Vec<String>,
    /// The values of the records that may become rows, one for each column; empty where one is missing.
    values: Vec<Span>,
    /// For each of these records, the number of records of the chunk before it, and its line.
    numbers: Vec<u32>,
    spans: Vec<Span>,
    /// For each record the line ends before it, if they are counted.
    lines: Vec<u64>,
    /// Blank lines.
    skipped: usize,
}

impl JsonDecoder {
    /// A decoder of lines in this dialect, whose members are columns with these names.
    pub(crate) fn new(dialect: Dialect, names: &[String]) -> Self {
        let columns = names.iter().cloned().zip(0..).collect();
        let (values, numbers, spans, lines) = Default::default();
        let names = names.to_vec();
        Self { input_name: "".into(), dialect, columns, names, values, numbers, spans, lines, skipped: 0 }
    }

    /// The number of columns.
    fn width(&self) -> usize {
        self.names.len()
    }

    /// Reads the members of a record, which is the line `span` of the chunk.
    fn read(&mut self, bytes: &[u8], span: Span) -> Result<(), Reason> {
        let first = self.values.len();
        self.values.resize(first + self.width(), MISSING);
        let Self { values, columns, names, .. } = self;
        let values = &mut values[first..];
        let base = bytes.as_ptr().addr();
        let mut expected = 0;
        let read = members(span.slice(bytes), |name, value| {
            // Members nearly always come in the same order.
            let at = match names.get(expected) {
                Some(next) if next == name => expected,
                _ => *columns.get(name).ok_or_else(|| Reason::UnknownMember { member: name.to_owned() })?,
            };
            expected = at + 1;
            if values[at] != MISSING {
                return Err(Reason::InvalidJson { message: format!("the object has two members {name:?}") });
            }
            if has_lone_surrogate(value) {
                let message = format!("the string of the member {name:?} has half of a surrogate pair");
                return Err(Reason::InvalidJson { message });
            }
            let start = (value.as_ptr().addr() - base) as u32;
            values[at] = Span { start, end: start + value.len() as u32 };
            Ok(())
        });
        read.inspect_err(|_| self.values.truncate(first))
    }
}

/// The span of a member that a record lacks. No value is empty.
const MISSING: Span = Span { start: 0, end: 0 };

impl Decode for JsonDecoder {
    type Data<'a> = &'a [u8];
    type Records<'r, 'a> = JsonRecords<'r, 'a>;

    fn set_input(&mut self, name: &Arc<str>) {
        self.input_name = name.clone();
    }

    fn decode<'a>(
        &mut self,
        chunk: &Chunk<'a>,
        bytes: &'a [u8],
        counts_lines: bool,
        _: &'a Arena,
    ) -> (&'a [u8], Vec<Reject<'a>>) {
        self.values.clear();
        self.numbers.clear();
        self.spans.clear();
        self.lines.clear();
        self.skipped = 0;
        let mut lines = RecordParser::new(bytes, self.dialect);
        let (mut fields, mut bad, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0.. {
            fields.clear();
            let Some(range) = lines.next_into(&mut fields) else { break };
            let span = Span { start: range.start as u32, end: range.end as u32 };
            if span.slice(bytes).trim_ascii().is_empty() {
                self.skipped += 1;
                continue;
            }
            match self.read(bytes, span) {
                Ok(()) => {
                    self.numbers.push(number);
                    self.spans.push(span);
                }
                Err(reason) => {
                    bad.push(RowOrigin { number, span });
                    reasons.push(reason);
                }
            }
        }
        if counts_lines {
            push_lines_before(chunk, self.spans.iter().map(|span| span.start as usize), &mut self.lines);
        }
        (bytes, rejects_of_rows(chunk, |at| bad[at], reasons.into_iter().enumerate()))
    }

    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn records<'r, 'a>(&'r self, chunk: &Chunk<'a>, bytes: &'a [u8]) -> JsonRecords<'r, 'a> {
        JsonRecords {
            decoder: self,
            bytes,
            first_load_record: chunk.first_load_record(),
            first_input_record: chunk.first_record,
        }
    }

    fn retain(&mut self, is_kept: impl Fn(usize) -> bool) {
        let (width, mut kept) = (self.width(), 0);
        for row in (0..self.numbers.len()).filter(|row| is_kept(*row)) {
            self.numbers[kept] = self.numbers[row];
            self.spans[kept] = self.spans[row];
            self.values.copy_within(row * width..(row + 1) * width, kept * width);
            if let Some(line) = self.lines.get(row).copied() {
                self.lines[kept] = line;
            }
            kept += 1;
        }
        self.numbers.truncate(kept);
        self.spans.truncate(kept);
        self.values.truncate(kept * width);
        self.lines.truncate(kept);
    }

    fn origins<'a>(&self, arena: &'a Arena) -> RowOrigins<'a> {
        RowOrigins::new(&self.numbers, arena.copy_list(&self.spans), arena)
    }

    fn rejects_of<'a>(&self, chunk: &Chunk<'a>, _: &'a [u8], rows: Vec<(usize, Reason)>) -> Vec<Reject<'a>> {
        let origin = |row: usize| RowOrigin { number: self.numbers[row], span: self.spans[row] };
        rejects_of_rows(chunk, origin, rows)
    }

    fn texts<'a>(_: &Chunk<'a>, _: &'a [u8]) -> Option<&'a dyn RecordTexts> {
        None
    }

    fn skipped(&self) -> usize {
        self.skipped
    }

    fn repairs(&self, _: &[u8]) -> Repairs {
        Repairs::default()
    }

    fn oddities(&self) -> Oddities {
        Oddities::default()
    }
}

/// The records of a chunk that may become rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JsonRecords<'r, 'a> {
    decoder: &'r JsonDecoder,
    bytes: &'a [u8],
    first_load_record: u64,
    first_input_record: u64,
}

/// What is written for a value.
enum Written<'a> {
    Null,
    /// A number, or a list or an object.
    Text(&'a [u8]),
    /// A string without its quotes.
    String(&'a [u8]),
}

impl<'a> JsonRecords<'_, 'a> {
    /// The texts of the values as parts of the lines, if all are numbers, or strings without escapes if `takes_strings`.
    fn plain_spans(&self, index: usize, takes_strings: bool, arena: &'a Arena) -> Option<&'a [Span]> {
        let mut spans = arena.vec(self.len());
        for values in self.decoder.values.chunks_exact(self.decoder.width()) {
            let span = values[index];
            spans.push(match span.slice(self.bytes) {
                [b'-' | b'0'..=b'9', ..] => span,
                [b'"', string @ .., b'"'] if takes_strings && !string.contains(&b'\\') => {
                    Span { start: span.start + 1, end: span.end - 1 }
                }
                _ => return None,
            });
        }
        Some(spans.into_bump_slice())
    }

    /// A value as it is written, apart from booleans, which are numbers.
    fn get(&self, index: usize, row: usize) -> Written<'a> {
        match self.decoder.values[row * self.decoder.width() + index].slice(self.bytes) {
            b"" | b"null" => Written::Null,
            b"true" => Written::Text(b"1"),
            b"false" => Written::Text(b"0"),
            [b'"', string @ .., b'"'] => Written::String(string),
            text => Written::Text(text),
        }
    }

    /// The values: texts, or BLOBs in place of strings if these `are_blobs`.
    fn values(&self, index: usize, are_blobs: bool, arena: &'a Arena) -> Values<'a> {
        if index >= self.decoder.width() {
            return Values::Constant(Value::Null);
        }
        if let Some(spans) = self.plain_spans(index, !are_blobs, arena) {
            return Values::Texts(Strings { bytes: self.bytes, spans });
        }
        Values::Mixed(arena.list((0..self.len()).map(|row| match self.get(index, row) {
            Written::Null => Value::Null,
            Written::Text(text) => Value::Text(text),
            Written::String(text) if are_blobs => Value::Blob(unescape(text, arena)),
            Written::String(text) => Value::Text(unescape(text, arena)),
        })))
    }
}

impl<'a> Records<'a> for JsonRecords<'_, 'a> {
    fn len(&self) -> usize {
        self.decoder.len()
    }

    fn input_name(&self) -> &str {
        &self.decoder.input_name
    }

    fn field(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        self.values(index, false, arena)
    }

    /// For a column of numbers, strings are BLOBs, so that they are not taken for numbers.
    fn value(&self, index: usize, to: Type, arena: &'a Arena) -> Values<'a> {
        match to {
            Type::Integer | Type::Real => self.values(index, true, arena),
            _ => self.field(index, arena),
        }
    }

    /// The text of a value, without the quotes of a string.
    fn written(&self, index: usize, record: usize) -> Option<&[u8]> {
        Some(match self.get(index, record) {
            Written::Null => b"null",
            Written::Text(text) | Written::String(text) => text,
        })
    }

    fn load_records(&self) -> impl ExactSizeIterator<Item = u64> {
        self.decoder.numbers.iter().map(|number| self.first_load_record + u64::from(*number))
    }

    fn input_records(&self) -> impl ExactSizeIterator<Item = u64> {
        self.decoder.numbers.iter().map(|number| self.first_input_record + u64::from(*number))
    }

    fn lines(&self) -> &[u64] {
        &self.decoder.lines
    }
}

/// True for a string with an escape of half of a surrogate pair, which is no character (RFC 8259, section 8.2).
fn has_lone_surrogate(value: &str) -> bool {
    let is_surrogate = |rest: &str| {
        matches!(rest.as_bytes(), [b'u', b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..])
    };
    value.starts_with('"')
        && value.split('\\').skip(1).any(is_surrogate)
        && serde_json::from_str::<String>(value).is_err()
}

/// The text of a string that is written like this between its quotes. The string has been parsed before.
fn unescape<'a>(written: &'a [u8], arena: &'a Arena) -> &'a [u8] {
    if !written.contains(&b'\\') {
        return written;
    }
    let quoted = [b"\"", written, b"\""].concat();
    let text: Result<String, _> = serde_json::from_slice(&quoted);
    arena.copy(text.expect("the string was parsed").as_bytes())
}
