//! Values to cells, the innermost loop of the direct path.
//!
//! Rows are made cells a block at a time. First each column is looked at: which lengths its values have in this block,
//! and so which serial types. Nearly always all serial types are one byte each. Then the length of the header is
//! known, those that are the same for all rows are a template, and what is left to do for a row is to copy its values
//! one behind the other. Any other block takes the plain way, value by value.

use super::cells::{Cells, Kind, Limits};
use super::record::{
    MAX_VARINT_BYTES, REAL_BYTES, REAL_TYPE, header_bytes, integer_bytes, integer_type, put_body,
    put_integer, put_varint, serial_type, varint_bytes,
};
use crate::batch::{Arena, ArenaVec, Copier, PADDING_BYTES, Strings, Value, Values};
use std::ops::Range;

/// Rows with their rowids, in some order; an empty one is that of the rows.
#[derive(Clone, Copy)]
pub(super) struct Numbered<'r> {
    pub(super) rowids: &'r [i64],
    pub(super) order: &'r [(u64, u32)],
}

/// Where cells of one kind go.
pub(super) struct Sink<'c> {
    pub(super) kind: Kind,
    pub(super) limits: Limits,
    pub(super) cells: &'c mut Cells,
}

/// Rows in a block: what is looked at twice is to stay in the first-level cache.
const BLOCK_ROWS: usize = 256;

impl Sink<'_> {
    /// Puts a cell of each row in place of those that are there; or the first row whose payload has more than
    /// `max_bytes`.
    pub(super) fn put(
        mut self,
        columns: &[Values<'_>],
        rows: Numbered<'_>,
        max_bytes: usize,
        arena: &Arena,
    ) -> Result<(), usize> {
        self.cells.clear();
        let max_short = max_bytes.min(self.limits.max_local);
        let count = rows.rowids.len();
        let all: &mut [usize] = arena.zeros(BLOCK_ROWS);
        let mut parts = arena.vec(columns.len());
        for first in (0..count).step_by(BLOCK_ROWS) {
            let block = &mut all[..BLOCK_ROWS.min(count - first)];
            for (row, at) in block.iter_mut().zip(first..) {
                *row = rows.order.get(at).map_or(at, |(_, row)| *row as usize);
            }
            let rows_of_block = BlockRows { rows: block, are_run: rows.order.is_empty() };
            match Layout::new(columns, rows_of_block, max_short, &mut parts) {
                Some(layout) => {
                    let room = block.len() * (2 * MAX_VARINT_BYTES + layout.payload.end) + PADDING_BYTES;
                    self.cells.append_short(block.len(), room, |to, lengths| match self.kind {
                        Kind::Table => layout.put::<true>(block, rows.rowids, to, lengths),
                        Kind::Index => layout.put::<false>(block, rows.rowids, to, lengths),
                    });
                }
                None => {
                    for row in block {
                        let values = columns.iter().map(|column| column.get(*row));
                        if self.put_any(values, rows.rowids[*row]) > max_bytes {
                            return Err(*row);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Appends the cell of any row or entry; returns the bytes of its payload.
    fn put_any<'v>(&mut self, values: impl Iterator<Item = Value<'v>> + Clone, rowid: i64) -> usize {
        let (types_bytes, body_bytes) = values.clone().fold((0, 0), |(types, body), value| {
            let (serial_type, bytes) = serial_type(&value);
            (types + varint_bytes(serial_type), body + bytes)
        });
        let header_bytes = header_bytes(types_bytes);
        let payload_bytes = header_bytes + body_bytes;
        let cell = self.cells.room(2 * MAX_VARINT_BYTES + payload_bytes + PADDING_BYTES);
        let mut head_bytes = put_varint(cell, payload_bytes as u64);
        if self.kind == Kind::Table {
            head_bytes += put_varint(&mut cell[head_bytes..], rowid.cast_unsigned());
        }
        let (header, mut body) = cell[head_bytes..].split_at_mut(header_bytes);
        let mut header_at = put_varint(header, header_bytes as u64);
        for value in values {
            let (serial_type, bytes) = serial_type(&value);
            header_at += put_varint(&mut header[header_at..], serial_type);
            put_body(body, &value, bytes);
            body = &mut body[bytes..];
        }
        self.cells.close(head_bytes + payload_bytes, head_bytes, self.limits);
        payload_bytes
    }
}

/// How the records of a block are laid out whose serial types are one byte each.
struct Layout<'p, 'c> {
    parts: &'p [Part<'c>],
    /// A header.
    template: [u8; MAX_HEADER_BYTES],
    header_bytes: usize,
    /// From the least to the most bytes of a payload.
    payload: Range<usize>,
}

/// The longest header whose length is one byte.
const MAX_HEADER_BYTES: usize = 127;

/// The longest text or blob whose serial type is one byte.
const MAX_SHORT_BYTES: usize = 57;

/// How the values of a column are written.
enum Part<'c> {
    /// Strings with the serial type that an empty one has.
    Strings(Copier<'c>, u8),
    /// INTEGERs which all take so many bytes.
    Fixed(&'c [i64], usize),
    Reals(&'c [f64]),
    Any(Values<'c>),
}

impl<'p, 'c> Layout<'p, 'c> {
    /// That of some rows; nothing if a serial type is longer or a payload may have more than `max_bytes`.
    fn new(
        columns: &[Values<'c>],
        rows: BlockRows<'_>,
        max_bytes: usize,
        parts: &'p mut ArenaVec<'_, Part<'c>>,
    ) -> Option<Self> {
        let header_bytes = 1 + columns.len();
        let mut template = [0; MAX_HEADER_BYTES];
        *template.get_mut(..header_bytes)?.first_mut()? = header_bytes as u8;
        let mut payload = header_bytes..header_bytes;
        parts.clear();
        for (values, template) in columns.iter().zip(&mut template[1..]) {
            let (part, bytes) = match values {
                Values::Texts(texts) => Part::strings(*texts, 13, rows)?,
                Values::Blobs(blobs) => Part::strings(*blobs, 12, rows)?,
                Values::Integers(integers) => Part::integers(integers, rows),
                Values::Reals(reals) => (Part::Reals(reals), REAL_BYTES..REAL_BYTES),
                Values::Constant(_) | Values::Mixed(_) => Part::any(*values, rows.rows)?,
            };
            match part {
                Part::Fixed(integers, _) => *template = integer_type(integers[rows.rows[0]]),
                Part::Reals(_) => *template = REAL_TYPE,
                Part::Strings(..) | Part::Any(_) => {}
            }
            payload = payload.start + bytes.start..payload.end + bytes.end;
            parts.push(part);
        }
        (payload.end <= max_bytes).then_some(Self { parts, template, header_bytes, payload })
    }

    /// Writes the cells of these rows to the start of `to`, the bytes of each to `lengths`, and returns the bytes of all.
    ///
    /// Alone, so that what is used in each row has a place in a register.
    #[inline(never)]
    fn put<const HAS_ROWID: bool>(
        &self,
        rows: &[usize],
        rowids: &[i64],
        to: &mut [u8],
        lengths: &mut [u32],
    ) -> usize {
        const SHORT_BYTES: usize = 16;
        let short_template: [u8; SHORT_BYTES] = std::array::from_fn(|at| self.template[at]);
        let length_bytes = varint_bytes(self.payload.end as u64);
        let mut used = 0;
        for (row, length) in rows.iter().zip(lengths) {
            let cell = &mut to[used..];
            let mut before = length_bytes;
            if HAS_ROWID {
                before += put_varint(&mut cell[before..], rowids[*row].cast_unsigned());
            }
            let record = &mut cell[before..];
            // There is padding enough for the first, and nearly always it is all.
            record[..SHORT_BYTES].copy_from_slice(&short_template);
            if self.header_bytes > SHORT_BYTES {
                record[SHORT_BYTES..self.header_bytes]
                    .copy_from_slice(&self.template[SHORT_BYTES..self.header_bytes]);
            }
            let (header, mut body) = record.split_at_mut(self.header_bytes);
            let room = body.len();
            for (part, serial_type) in self.parts.iter().zip(&mut header[1..]) {
                let bytes = part.put(*row, serial_type, body);
                body = &mut body[bytes..];
            }
            let payload_bytes = self.header_bytes + room - body.len();
            let mut bytes = before + payload_bytes;
            let missing = length_bytes - put_varint(cell, payload_bytes as u64);
            if missing > 0 {
                // The length is shorter than that of others.
                cell.copy_within(length_bytes..bytes, length_bytes - missing);
                bytes -= missing;
            }
            *length = bytes as u32;
            used += bytes;
        }
        used
    }
}

/// The rows of a block.
#[derive(Clone, Copy)]
struct BlockRows<'r> {
    rows: &'r [usize],
    /// Whether they follow each other.
    are_run: bool,
}

impl BlockRows<'_> {
    /// The least and the most that `of` finds in the rows of a column.
    fn extent<T, V: Ord + Copy>(self, column: &[T], of: impl Fn(&T) -> V) -> (V, V) {
        let first = of(&column[self.rows[0]]);
        let wider = |(least, most): (V, V), value| (least.min(value), most.max(value));
        if self.are_run {
            let run = &column[self.rows[0]..][..self.rows.len()];
            run.iter().map(of).fold((first, first), wider)
        } else {
            self.rows.iter().map(|row| of(&column[*row])).fold((first, first), wider)
        }
    }
}

impl<'c> Part<'c> {
    /// Strings, and from the fewest to the most bytes of one; nothing if a serial type is longer.
    fn strings(
        strings: Strings<'c>,
        serial_type_of_empty: u8,
        rows: BlockRows<'_>,
    ) -> Option<(Self, Range<usize>)> {
        let (least, most) = rows.extent(strings.spans, |span| span.end - span.start);
        let copier = Copier::with_longest(strings, most as usize);
        let bytes = least as usize..most as usize;
        (bytes.end <= MAX_SHORT_BYTES).then_some((Self::Strings(copier, serial_type_of_empty), bytes))
    }

    fn integers(integers: &'c [i64], rows: BlockRows<'_>) -> (Self, Range<usize>) {
        let (least, most) = rows.extent(integers, |integer| *integer);
        // Between these are neither 0 nor 1, which have serial types of their own, nor other lengths.
        let is_fixed = (least > 1 || most < 0) && integer_type(least) == integer_type(most);
        let bytes = integer_bytes(integer_type(most));
        if is_fixed {
            (Self::Fixed(integers, bytes), bytes..bytes)
        } else {
            (Self::Any(Values::Integers(integers)), 0..8)
        }
    }

    /// Any values, and from the fewest to the most bytes of one; nothing if a serial type is longer.
    fn any(values: Values<'c>, rows: &[usize]) -> Option<(Self, Range<usize>)> {
        let (least, most) = rows.iter().fold((usize::MAX, 0), |(least, most), row| {
            let (_, bytes) = serial_type(&values.get(*row));
            (least.min(bytes), most.max(bytes))
        });
        (most <= MAX_SHORT_BYTES).then_some((Self::Any(values), least..most))
    }

    /// Writes a row's value to the start of `to`, and perhaps more behind it, and its serial type unless that is in the
    /// template. Returns the bytes of the value.
    #[inline(always)]
    fn put(&self, row: usize, serial_type: &mut u8, to: &mut [u8]) -> usize {
        match self {
            Self::Strings(strings, serial_type_of_empty) => {
                let bytes = strings.copy(row, to);
                *serial_type = serial_type_of_empty + 2 * bytes as u8;
                bytes
            }
            Self::Fixed(integers, bytes) => {
                put_integer(to, integers[row], *bytes);
                *bytes
            }
            Self::Reals(reals) => {
                to[..REAL_BYTES].copy_from_slice(&reals[row].to_be_bytes());
                REAL_BYTES
            }
            Self::Any(values) => {
                let value = values.get(row);
                let (value_type, bytes) = super::record::serial_type(&value);
                *serial_type = value_type as u8;
                put_body(to, &value, bytes);
                bytes
            }
        }
    }
}
