//! Lines to decoded records.

use super::object::members;
use crate::batch::{
    Arena, Chunk, Oddities, RecordTexts, Reject, Repairs, RowOrigin, RowOrigins, Span, Strings, Value,
    Values, null_where,
};
use crate::error::Reason;
use crate::format::csv::decode::rejects_of_rows;
use crate::format::csv::lines::count_line_ends;
use crate::format::csv::parse::RecordParser;
use crate::format::{Decode, Records, in_input_order};
use crate::plan::{Dialect, Type};
use std::collections::HashMap;
use std::sync::Arc;

/// Decodes chunks of JSON Lines.
///
/// A value is kept as the span of its text, and parsed when it is asked for.
#[derive(Debug)]
pub(crate) struct JsonDecoder {
    input_name: Arc<str>,
    /// Cuts lines.
    dialect: Dialect,
    width: usize,
    /// The number of each column, by name.
    columns: HashMap<String, usize>,
    names: Vec<String>,
    /// The values of the records that may become rows, `width` for each; empty where one is missing.
    values: Vec<Span>,
    /// For each of these records, the record in the chunk.
    origins: Vec<RowOrigin>,
    /// For each record the line ends before it, if they are counted.
    lines: Vec<u64>,
    /// Blank lines.
    skipped: usize,
}

impl JsonDecoder {
    /// A decoder of lines in this dialect, whose members are columns with these names.
    pub(crate) fn new(dialect: Dialect, names: &[String]) -> Self {
        let columns = names.iter().cloned().zip(0..).collect();
        let (values, origins, lines) = Default::default();
        let (width, names) = (names.len(), names.to_vec());
        Self { input_name: "".into(), dialect, width, columns, names, values, origins, lines, skipped: 0 }
    }

    /// Reads the members of a record, which is the line `span` of the chunk.
    fn read(&mut self, bytes: &[u8], span: Span) -> Result<(), Reason> {
        let first = self.values.len();
        self.values.resize(first + self.width, MISSING);
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
        self.origins.clear();
        self.lines.clear();
        self.skipped = 0;
        let mut lines = RecordParser::new(bytes, self.dialect);
        let (mut fields, mut rejects) = (Vec::new(), Vec::new());
        for number in 0.. {
            fields.clear();
            let Some(range) = lines.next_into(&mut fields) else { break };
            let span = Span { start: range.start as u32, end: range.end as u32 };
            let origin = RowOrigin { number, span };
            if span.slice(bytes).trim_ascii().is_empty() {
                self.skipped += 1;
                continue;
            }
            match self.read(bytes, span) {
                Ok(()) => self.origins.push(origin),
                Err(reason) => {
                    let rejected = rejects_of_rows(chunk, |_| origin, [(0, reason)]);
                    rejects = in_input_order(rejects, rejected);
                }
            }
        }
        if counts_lines {
            let (mut line, mut counted) = (chunk.first_line, 0);
            for RowOrigin { span, .. } in &self.origins {
                line += count_line_ends(&bytes[counted..span.start as usize]);
                counted = span.start as usize;
                self.lines.push(line);
            }
        }
        (bytes, rejects)
    }

    fn len(&self) -> usize {
        self.origins.len()
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
        let mut kept = 0;
        for row in (0..self.origins.len()).filter(|row| is_kept(*row)) {
            self.origins[kept] = self.origins[row];
            self.values.copy_within(row * self.width..(row + 1) * self.width, kept * self.width);
            if let Some(line) = self.lines.get(row).copied() {
                self.lines[kept] = line;
            }
            kept += 1;
        }
        self.origins.truncate(kept);
        self.values.truncate(kept * self.width);
        self.lines.truncate(kept);
    }

    fn origins<'a>(&self, arena: &'a Arena) -> RowOrigins<'a> {
        RowOrigins {
            numbers: Some(arena.list(self.origins.iter().map(|origin| origin.number))),
            spans: arena.list(self.origins.iter().map(|origin| origin.span)),
        }
    }

    fn rejects_of<'a>(&self, chunk: &Chunk<'a>, _: &'a [u8], rows: Vec<(usize, Reason)>) -> Vec<Reject<'a>> {
        rejects_of_rows(chunk, |row| self.origins[row], rows)
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
        for values in self.decoder.values.chunks_exact(self.decoder.width) {
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
        match self.decoder.values[row * self.decoder.width + index].slice(self.bytes) {
            b"" | b"null" => Written::Null,
            b"true" => Written::Text(b"1"),
            b"false" => Written::Text(b"0"),
            [b'"', string @ .., b'"'] => Written::String(string),
            text => Written::Text(text),
        }
    }

    /// The values, of which strings become `string`.
    fn values(&self, index: usize, arena: &'a Arena, string: impl Fn(&'a [u8]) -> Value<'a>) -> Values<'a> {
        if index >= self.decoder.width {
            return Values::Constant(Value::Null);
        }
        let is_string_text = string(b"") == Value::Text(b"");
        if let Some(spans) = self.plain_spans(index, is_string_text, arena) {
            return Values::Texts(Strings { bytes: self.bytes, spans });
        }
        Values::Mixed(arena.list((0..self.len()).map(|row| match self.get(index, row) {
            Written::Null => Value::Null,
            Written::Text(text) => Value::Text(text),
            Written::String(text) => string(unescape(text, arena)),
        })))
    }
}

impl<'a> Records<'a> for JsonRecords<'_, 'a> {
    fn len(&self) -> usize {
        self.decoder.origins.len()
    }

    fn input_name(&self) -> &str {
        &self.decoder.input_name
    }

    fn field(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        self.values(index, arena, Value::Text)
    }

    fn field_or_null(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        let field = self.field(index, arena);
        null_where(field, |row| field.get(row) == Value::Text(b""), self.len(), arena)
    }

    /// For a column of numbers, strings are BLOBs, so that they are not taken for numbers.
    fn value(&self, index: usize, to: Type, arena: &'a Arena) -> Values<'a> {
        match to {
            Type::Integer | Type::Real => self.values(index, arena, Value::Blob),
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
        self.decoder.origins.iter().map(|origin| self.first_load_record + u64::from(origin.number))
    }

    fn input_records(&self) -> impl ExactSizeIterator<Item = u64> {
        self.decoder.origins.iter().map(|origin| self.first_input_record + u64::from(origin.number))
    }

    fn lines(&self) -> &[u64] {
        &self.decoder.lines
    }
}

/// The text of a string that is written like this between its quotes. The string has been parsed before.
fn unescape<'a>(written: &'a [u8], arena: &'a Arena) -> &'a [u8] {
    if !written.contains(&b'\\') {
        return written;
    }
    let quoted = [b"\"", written, b"\""].concat();
    // A lone surrogate is no character.
    let text: Result<String, _> = serde_json::from_slice(&quoted);
    text.map_or(written, |text| arena.copy(text.as_bytes()))
}
