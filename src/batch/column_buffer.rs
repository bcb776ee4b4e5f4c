//! Copies of a column's values: the input of SQLite, and its results.

use super::{Arena, PADDING_BYTES, Span, Strings, Value, Values};
use std::ops::Range;

/// A growing column that owns its values.
#[derive(Debug, Default)]
pub(crate) struct ColumnBuffer {
    /// The bytes of all TEXTs and BLOBs.
    bytes: Vec<u8>,
    values: Vec<BufferedValue>,
}

/// A value whose bytes are in a [`ColumnBuffer`].
#[derive(Debug, Clone)]
enum BufferedValue {
    Null,
    Integer(i64),
    Real(f64),
    Text(Range<usize>),
    Blob(Range<usize>),
}

impl ColumnBuffer {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.values.clear();
    }

    /// Keeps only the values of the first `row_count` rows.
    pub(crate) fn truncate(&mut self, row_count: usize) {
        self.values.truncate(row_count);
    }

    #[inline]
    pub(crate) fn push(&mut self, value: Value<'_>) {
        let value = match value {
            Value::Null => BufferedValue::Null,
            Value::Integer(integer) => BufferedValue::Integer(integer),
            Value::Real(real) => BufferedValue::Real(real),
            Value::Text(text) => BufferedValue::Text(self.copy(text)),
            Value::Blob(blob) => BufferedValue::Blob(self.copy(blob)),
        };
        self.values.push(value);
    }

    #[inline]
    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// The value of a row.
    ///
    /// # Panics
    /// If the buffer has no such row.
    #[inline]
    pub(super) fn get(&self, row: usize) -> Value<'_> {
        self.values[row].resolve(&self.bytes)
    }

    /// Copies the column to `arena`, as a column of one storage class if possible.
    pub(crate) fn to_values<'a>(&self, arena: &'a Arena) -> Values<'a> {
        use BufferedValue as B;
        let Self { bytes, values } = self;
        let copy = arena.zeros(bytes.len() + PADDING_BYTES);
        copy[..bytes.len()].copy_from_slice(bytes);
        let copy = &*copy;
        let fits_in_spans = u32::try_from(copy.len()).is_ok();
        let strings = || {
            let span = |value: &B| match value {
                B::Text(range) | B::Blob(range) => Span { start: range.start as u32, end: range.end as u32 },
                _ => Span { start: 0, end: 0 },
            };
            Strings { bytes: copy, spans: arena.list(values.iter().map(span)) }
        };
        let integer = |value: &B| match value {
            B::Integer(integer) => *integer,
            _ => 0,
        };
        let real = |value: &B| match value {
            B::Real(real) => *real,
            _ => 0.0,
        };
        match values.first() {
            Some(B::Integer(_)) if values.iter().all(|value| matches!(value, B::Integer(_))) => {
                Values::Integers(arena.list(values.iter().map(integer)))
            }
            Some(B::Real(_)) if values.iter().all(|value| matches!(value, B::Real(_))) => {
                Values::Reals(arena.list(values.iter().map(real)))
            }
            Some(B::Text(_)) if fits_in_spans && values.iter().all(|value| matches!(value, B::Text(_))) => {
                Values::Texts(strings())
            }
            Some(B::Blob(_)) if fits_in_spans && values.iter().all(|value| matches!(value, B::Blob(_))) => {
                Values::Blobs(strings())
            }
            _ => Values::Mixed(arena.list(values.iter().map(|value| value.resolve(copy)))),
        }
    }
}

impl BufferedValue {
    /// The value, whose bytes are a range of `bytes`.
    #[inline]
    fn resolve<'b>(&self, bytes: &'b [u8]) -> Value<'b> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(integer) => Value::Integer(*integer),
            Self::Real(real) => Value::Real(*real),
            Self::Text(range) => Value::Text(&bytes[range.clone()]),
            Self::Blob(range) => Value::Blob(&bytes[range.clone()]),
        }
    }
}
