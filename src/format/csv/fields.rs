//! Decoded records: fields as values, without their quotes.

use super::parse::{strip_opening_quote, unquote_into, verbatim_len};
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
    /// The dialect, minus quote and escape if the chunk contains neither.
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
        if dialect.escape.is_some() {
            return self.unquoted_texts(index, arena);
        }
        let spans = arena.list(fields.chunks_exact(width).map(|fields| fields[index]));
        let may_be_quoted = if dialect.quote.is_some() { &mut *spans } else { &mut [] };
        for span in may_be_quoted {
            let Some((rest, quote)) = strip_opening_quote(span.slice(bytes), dialect.quote) else { continue };
            let Some(length) = verbatim_len(rest, quote) else { return self.unquoted_texts(index, arena) };
            span.start += 1;
            span.end = span.start + length as u32;
        }
        Values::Texts(Strings { bytes, spans })
    }

    /// As [`CsvRecords::texts`], copied, where quotes or escapes inside quotes keep a value from being a slice.
    fn unquoted_texts(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        let Self { bytes, dialect, fields, width, .. } = *self;
        let fields = || fields.chunks_exact(width).map(|fields| fields[index]);
        let mut texts = StringsBuilder::new(self.len(), fields().map(Span::len).sum(), arena);
        for span in fields() {
            let raw = span.slice(bytes);
            let quoted = strip_opening_quote(raw, dialect.quote);
            texts.push(|to| match quoted {
                Some((rest, quote)) => unquote_into(rest, quote, dialect.escape, to),
                None => copy_text(raw, to),
            });
        }
        Values::Texts(texts.finish())
    }
}
