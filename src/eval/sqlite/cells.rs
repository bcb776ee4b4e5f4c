//! Values of a column, copied: what SQLite reads, and what it gives back.

use crate::batch::{Arena, PADDING_BYTES, Span, Strings, Value, Values};
use std::ops::Range;

/// Values of a column, with the bytes of their texts and blobs.
#[derive(Debug, Default)]
pub(super) struct Cells {
    bytes: Vec<u8>,
    cells: Vec<Cell>,
}

#[derive(Debug, Clone)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Range<usize>),
    Blob(Range<usize>),
}

impl Cells {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.cells.clear();
    }

    /// Takes all but the first `rows` values away.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.cells.truncate(rows);
    }

    #[inline]
    pub(super) fn push(&mut self, value: Value<'_>) {
        let cell = match value {
            Value::Null => Cell::Null,
            Value::Integer(integer) => Cell::Integer(integer),
            Value::Real(real) => Cell::Real(real),
            Value::Text(text) => Cell::Text(self.copy(text)),
            Value::Blob(blob) => Cell::Blob(self.copy(blob)),
        };
        self.cells.push(cell);
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
    /// If there is no such row.
    #[inline]
    pub(super) fn get(&self, row: usize) -> Value<'_> {
        self.cells[row].over(&self.bytes)
    }

    /// All of them, in `arena`; as a column of one class where they are.
    pub(super) fn values<'a>(&self, arena: &'a Arena) -> Values<'a> {
        let Self { bytes, cells } = self;
        let copy = arena.zeros(bytes.len() + PADDING_BYTES);
        copy[..bytes.len()].copy_from_slice(bytes);
        let copy = &*copy;
        // Spans have 32 bits.
        let is_short = u32::try_from(copy.len()).is_ok();
        let spans = |cells: &[Cell]| {
            let span = |cell: &Cell| match cell {
                Cell::Text(range) | Cell::Blob(range) => {
                    Span { start: range.start as u32, end: range.end as u32 }
                }
                _ => Span { start: 0, end: 0 },
            };
            Strings { bytes: copy, spans: arena.list(cells.iter().map(span)) }
        };
        let integer = |cell: &Cell| match cell {
            Cell::Integer(integer) => *integer,
            _ => 0,
        };
        let real = |cell: &Cell| match cell {
            Cell::Real(real) => *real,
            _ => 0.0,
        };
        match cells.first() {
            Some(Cell::Integer(_)) if cells.iter().all(|cell| matches!(cell, Cell::Integer(_))) => {
                Values::Integers(arena.list(cells.iter().map(integer)))
            }
            Some(Cell::Real(_)) if cells.iter().all(|cell| matches!(cell, Cell::Real(_))) => {
                Values::Reals(arena.list(cells.iter().map(real)))
            }
            Some(Cell::Text(_)) if is_short && cells.iter().all(|cell| matches!(cell, Cell::Text(_))) => {
                Values::Texts(spans(cells))
            }
            Some(Cell::Blob(_)) if is_short && cells.iter().all(|cell| matches!(cell, Cell::Blob(_))) => {
                Values::Blobs(spans(cells))
            }
            _ => Values::Mixed(arena.list(cells.iter().map(|cell| cell.over(copy)))),
        }
    }
}

impl Cell {
    #[inline]
    fn over<'b>(&self, bytes: &'b [u8]) -> Value<'b> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(integer) => Value::Integer(*integer),
            Self::Real(real) => Value::Real(*real),
            Self::Text(range) => Value::Text(&bytes[range.clone()]),
            Self::Blob(range) => Value::Blob(&bytes[range.clone()]),
        }
    }
}
