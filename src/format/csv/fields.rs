//! Decoded records: fields as values, without their quotes.

use super::unquote::{unquote_into, verbatim};
use crate::batch::{Arena, Span, Strings, StringsBuilder, Value, Values, copy_text, null_where};
use crate::format::Records;
use crate::plan::Dialect;

/// The records of a chunk that may become rows, cut into fields.
#[derive(Debug, Clone, Copy)]
pub struct CsvRecords<'r, 'a> {
    /// The bytes that the fields are slices of: the chunk, or a copy of it with invalid UTF-8 replaced.
    pub bytes: &'a [u8],
    /// The name of the input.
    pub input_name: &'r str,
    /// The dialect, minus what has no effect on the records of the chunk.
    pub dialect: Dialect,
    /// The fields, record after record; empty where one is missing.
    pub fields: &'r [Span],
    /// The number of fields in each record.
    pub width: usize,
    /// Records of the load before the chunk.
    pub first_load_record: u64,
    /// Records of the input before the chunk.
    pub first_input_record: u64,
    /// For each record, the number of records of the chunk before it, rejected ones included.
    pub numbers: &'r [u32],
    /// The numbers of the records that lack fields, in order, each with the number of fields it has.
    pub short: &'r [(u32, u32)],
    /// For each record, the line ends of the input before it; empty unless an expression needs them.
    pub lines: &'r [u64],
}

impl<'a> Records<'a> for CsvRecords<'_, 'a> {
    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn input_name(&self) -> &str {
        self.input_name
    }

    fn field(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        if index >= self.width {
            return Values::Constant(Value::Null);
        }
        let texts = self.texts(index, arena);
        if self.short.is_empty() {
            return texts;
        }
        let is_missing = |row: usize| {
            let found = self.short.binary_search_by_key(&self.numbers[row], |(number, _)| *number);
            found.is_ok_and(|at| self.short[at].1 as usize <= index)
        };
        null_where(texts, is_missing, self.len(), arena)
    }

    fn field_or_null(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        if index >= self.width {
            return Values::Constant(Value::Null);
        }
        let is_empty = |row: usize| self.fields[row * self.width + index].len() == 0;
        null_where(self.texts(index, arena), is_empty, self.len(), arena)
    }

    fn written(&self, index: usize, record: usize) -> Option<&[u8]> {
        Some(match index < self.width {
            true => self.fields[record * self.width + index].slice(self.bytes),
            false => &[],
        })
    }

    fn load_records(&self) -> impl ExactSizeIterator<Item = u64> {
        self.numbers.iter().map(|number| self.first_load_record + u64::from(*number))
    }

    fn input_records(&self) -> impl ExactSizeIterator<Item = u64> {
        self.numbers.iter().map(|number| self.first_input_record + u64::from(*number))
    }

    fn lines(&self) -> &[u64] {
        self.lines
    }
}

impl<'a> CsvRecords<'_, 'a> {
    /// The texts of field `index`, as slices of the chunk where possible.
    fn texts(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        let Self { bytes, dialect, fields, width, .. } = *self;
        let spans = arena.list(fields.chunks_exact(width).map(|fields| fields[index]));
        let may_differ = dialect.quote.is_some() || dialect.escape.is_some();
        let (quote, escapes_everywhere) = (dialect.quote, dialect.escapes_everywhere());
        for span in if may_differ { &mut *spans } else { &mut [] } {
            let raw = span.slice(bytes);
            let is_quoted = quote.is_some() && raw.first().copied() == quote;
            if !is_quoted && !escapes_everywhere {
                continue;
            }
            let Some(range) = verbatim(raw, dialect) else { return self.unquoted_texts(index, arena) };
            span.end = span.start + range.end as u32;
            span.start += range.start as u32;
        }
        Values::Texts(Strings { bytes, spans })
    }

    /// As [`CsvRecords::texts`], copied, where quotes or escapes keep a value from being a slice.
    fn unquoted_texts(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        let Self { bytes, dialect, fields, width, .. } = *self;
        let fields = || fields.chunks_exact(width).map(|fields| fields[index]);
        let mut texts = StringsBuilder::new(self.len(), fields().map(Span::len).sum(), arena);
        for span in fields() {
            let raw = span.slice(bytes);
            texts.push(|to| match verbatim(raw, dialect) {
                Some(range) => copy_text(&raw[range], to),
                None => unquote_into(raw, dialect, to),
            });
        }
        Values::Texts(texts.finish())
    }
}
