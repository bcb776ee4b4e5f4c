//! Encodes values as cells: the innermost loop of the direct path.
//!
//! The plain algorithm encodes a row value by value. Rows are encoded in blocks to do better: first the lengths of
//! the values of each column in the block determine their serial types. Nearly always each serial type takes one
//! byte. Then the length of the header is known, serial types that are the same for all rows form a template, and
//! encoding a row is copying its values one after the other. Records that may not fit in their cells are built
//! elsewhere first. Other blocks are encoded by the plain algorithm.

use super::cells::{Cells, PayloadLimits, SpilledPayload, TreeKind};
use super::record::{
    MAX_VARINT_BYTES, REAL_BYTES, REAL_TYPE, front, header_bytes, integer_bytes, integer_type, put_body,
    put_integer, put_varint, serial_type, varint_bytes,
};
use super::sorted_numbers::SortedNumbers;
use crate::batch::{
    Arena, ArenaVec, Copier, HotLoop, Nullable, PADDING_BYTES, Strings, Value, Values, dispatch,
};
use std::ops::Range;

/// Rows with their rowids, and their order; empty for row order.
#[derive(Clone, Copy)]
pub(super) struct NumberedRows<'r> {
    pub(super) rowids: &'r [i64],
    pub(super) order: &'r SortedNumbers,
}

/// Receives cells of one kind of tree.
pub(super) struct CellSink<'c> {
    pub(super) kind: TreeKind,
    pub(super) limits: PayloadLimits,
    pub(super) cells: &'c mut Cells,
}

impl TreeKind {
    /// Writes what a cell of a leaf has before its payload to the start of `to`. Returns its size.
    #[inline]
    fn put_head(self, to: &mut [u8], payload_bytes: usize, rowid: i64) -> usize {
        let bytes = put_varint(to, payload_bytes as u64);
        match self {
            Self::Table => bytes + put_varint(&mut to[bytes..], rowid.cast_unsigned()),
            Self::Index => bytes,
        }
    }
}

/// Rows in a block. Its values are read twice and should stay in the first-level cache.
const BLOCK_ROWS: usize = 256;

impl CellSink<'_> {
    /// Replaces the cells by those of the rows. Returns the first row whose payload is larger than `max_bytes`, if
    /// any.
    pub(super) fn put(
        mut self,
        columns: &[Values<'_>],
        rows: NumberedRows<'_>,
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
                *row = rows.order.get(at);
            }
            let rows_of_block = BlockRows { rows: block, are_run: rows.order.is_empty() };
            match Layout::new(columns, rows_of_block, &mut parts, arena) {
                Some(layout) if layout.payload.end <= max_short => {
                    let room = block.len() * (2 * MAX_VARINT_BYTES + layout.payload.end) + PADDING_BYTES;
                    self.cells.append_short(block.len(), room, |to, lengths| match self.kind {
                        TreeKind::Table => layout.put::<true>(block, rows.rowids, to, lengths),
                        TreeKind::Index => layout.put::<false>(block, rows.rowids, to, lengths),
                    });
                }
                Some(layout) if layout.payload.end <= max_bytes => {
                    let record = arena.zeros(layout.payload.end + PADDING_BYTES);
                    for (at, row) in block.iter().enumerate() {
                        let payload_bytes = layout.put_record(at, *row, record);
                        self.push_payload(&record[..payload_bytes], rows.rowids[*row]);
                    }
                }
                _ => {
                    for row in block {
                        let values = columns.iter().map(|column| column.get(*row));
                        if self.push_row(values, rows.rowids[*row], max_bytes) > max_bytes {
                            return Err(*row);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Appends the cell of a row or index entry by the plain algorithm, unless its payload is larger than `max_bytes`.
    /// Returns the size of the payload.
    pub(super) fn push_row<'v>(
        &mut self,
        values: impl Iterator<Item = Value<'v>> + Clone,
        rowid: i64,
        max_bytes: usize,
    ) -> usize {
        let (types_bytes, body_bytes) = values.clone().fold((0, 0), |(types, body), value| {
            let (serial_type, bytes) = serial_type(&value);
            (types + varint_bytes(serial_type), body + bytes)
        });
        let header_bytes = header_bytes(types_bytes);
        let payload_bytes = header_bytes + body_bytes;
        if payload_bytes > max_bytes {
            return payload_bytes;
        }
        if payload_bytes > self.limits.max_local {
            self.push_spilled_row(values, rowid, header_bytes, payload_bytes);
            return payload_bytes;
        }
        let cell = self.cells.room(2 * MAX_VARINT_BYTES + payload_bytes + PADDING_BYTES);
        let head_bytes = self.kind.put_head(cell, payload_bytes, rowid);
        put_record(&mut cell[head_bytes..], values, header_bytes);
        self.cells.finish_cell(head_bytes + payload_bytes);
        payload_bytes
    }

    /// Appends a cell with this payload.
    fn push_payload(&mut self, payload: &[u8], rowid: i64) {
        let mut head = [0; 2 * MAX_VARINT_BYTES];
        let head_bytes = self.kind.put_head(&mut head, payload.len(), rowid);
        let head = &head[..head_bytes];
        match payload.len() <= self.limits.max_local {
            true => self.cells.push_joined(head, payload),
            false => self.cells.push_spilled(head, payload.len(), self.limits, |to| to.put(payload)),
        }
    }

    /// As [`CellSink::push_row`], for a payload that does not fit in its cell. The bytes of a large one are copied once, to where
    /// they belong.
    #[cold]
    fn push_spilled_row<'v>(
        &mut self,
        values: impl Iterator<Item = Value<'v>> + Clone,
        rowid: i64,
        header_bytes: usize,
        payload_bytes: usize,
    ) {
        /// Smaller records are built whole: of many short values, each part that is put takes time.
        const MAX_WHOLE_BYTES: usize = 64 << 10;
        let mut head = [0; 2 * MAX_VARINT_BYTES];
        let head_bytes = self.kind.put_head(&mut head, payload_bytes, rowid);
        self.cells.push_spilled(&head[..head_bytes], payload_bytes, self.limits, |payload| {
            if payload_bytes <= MAX_WHOLE_BYTES {
                let mut record = vec![0; payload_bytes + PADDING_BYTES];
                put_record(&mut record, values, header_bytes);
                payload.put(&record[..payload_bytes]);
                return;
            }
            let mut varint = [0; MAX_VARINT_BYTES];
            let mut put = |payload: &mut SpilledPayload<'_>, value| {
                let bytes = put_varint(&mut varint, value);
                payload.put(&varint[..bytes]);
            };
            put(payload, header_bytes as u64);
            values.clone().for_each(|value| put(payload, serial_type(&value).0));
            for value in values {
                match value {
                    Value::Text(bytes) | Value::Blob(bytes) => payload.put(bytes),
                    number => {
                        let (mut body, bytes) = ([0; 8], serial_type(&number).1);
                        put_body(&mut body, &number, bytes);
                        payload.put(&body[..bytes]);
                    }
                }
            }
        });
    }
}

/// Writes a record whose header takes `header_bytes` bytes to the start of `to`, which has room for padding after it.
#[inline]
fn put_record<'v>(to: &mut [u8], values: impl Iterator<Item = Value<'v>>, header_bytes: usize) {
    let (header, mut body) = to.split_at_mut(header_bytes);
    let mut header_at = put_varint(header, header_bytes as u64);
    for value in values {
        let (serial_type, bytes) = serial_type(&value);
        header_at += put_varint(&mut header[header_at..], serial_type);
        put_body(body, &value, bytes);
        body = &mut body[bytes..];
    }
}

/// The layout of the records of a block whose serial types take one byte each.
struct Layout<'p, 'c> {
    parts: &'p [ColumnEncoder<'c>],
    /// The header that all rows start from, and zeros up to [`SHORT_BYTES`] bytes.
    template: &'p [u8],
    header_bytes: usize,
    /// Where the serial types begin.
    types_at: usize,
    /// The smallest and the largest size of a payload.
    payload: Range<usize>,
}

/// Nearly all headers are not longer than this.
const SHORT_BYTES: usize = 16;

/// The longest text or blob whose serial type takes one byte.
const MAX_SHORT_BYTES: usize = 57;

/// How the values of a column are written.
enum ColumnEncoder<'c> {
    /// Strings, with the serial type of an empty one.
    Strings(Copier<'c>, u8),
    /// The same, with NULL in the rows for which this is true.
    NullableStrings(Copier<'c>, u8, &'c [bool]),
    /// INTEGERs that all take this many bytes.
    Fixed(&'c [i64], usize),
    Reals(&'c [f64]),
    /// Other numbers, or NULLs: the serial type of each row of the block, and its value in the first bytes of a number.
    Numbers(&'c [u8], &'c [u64]),
    Any(Values<'c>),
}

impl<'p, 'c> Layout<'p, 'c> {
    /// The layout of these rows; `None` if a serial type takes more than a byte.
    fn new(
        columns: &[Values<'c>],
        rows: BlockRows<'_>,
        parts: &'p mut ArenaVec<'_, ColumnEncoder<'c>>,
        arena: &'c Arena,
    ) -> Option<Self> {
        let header_bytes = header_bytes(columns.len());
        let template = arena.zeros(header_bytes.max(SHORT_BYTES));
        let types_at = put_varint(template, header_bytes as u64);
        let mut payload = header_bytes..header_bytes;
        parts.clear();
        for (values, template) in columns.iter().zip(&mut template[types_at..]) {
            let (part, bytes) = match values {
                Values::Texts(texts) => ColumnEncoder::strings(*texts, 13, None, rows)?,
                Values::Blobs(blobs) => ColumnEncoder::strings(*blobs, 12, None, rows)?,
                Values::Integers(integers) => match ColumnEncoder::fixed(integers, rows) {
                    Some(fixed) => fixed,
                    None => ColumnEncoder::numbers(|row| Value::Integer(integers[row]), rows.rows, arena)?,
                },
                Values::Reals(reals) => (ColumnEncoder::Reals(reals), REAL_BYTES..REAL_BYTES),
                Values::Nullable(nullable) => ColumnEncoder::nullable(*nullable, rows, arena)?,
                Values::Mixed(mixed) => match ColumnEncoder::numbers(|row| mixed[row], rows.rows, arena) {
                    Some(numbers) => numbers,
                    None => ColumnEncoder::any(*values, rows.rows)?,
                },
                Values::Constant(_) => ColumnEncoder::any(*values, rows.rows)?,
            };
            match part {
                ColumnEncoder::Fixed(integers, _) => *template = integer_type(integers[rows.rows[0]]),
                ColumnEncoder::Reals(_) => *template = REAL_TYPE,
                ColumnEncoder::Strings(..)
                | ColumnEncoder::NullableStrings(..)
                | ColumnEncoder::Numbers(..)
                | ColumnEncoder::Any(_) => {}
            }
            payload = payload.start + bytes.start..payload.end + bytes.end;
            parts.push(part);
        }
        Some(Self { parts, template, header_bytes, types_at, payload })
    }

    /// Writes the cells of these rows to the start of `to`, and their lengths to `lengths`. Returns the total.
    ///
    /// Not inlined, so that the values used for each row stay in registers.
    #[inline(never)]
    fn put<const HAS_ROWID: bool>(
        &self,
        rows: &[usize],
        rowids: &[i64],
        to: &mut [u8],
        lengths: &mut [u32],
    ) -> usize {
        let length_bytes = varint_bytes(self.payload.end as u64);
        let mut used = 0;
        for ((at, row), length) in rows.iter().enumerate().zip(lengths) {
            let cell = &mut to[used..];
            let mut before = length_bytes;
            if HAS_ROWID {
                before += put_varint(&mut cell[before..], rowids[*row].cast_unsigned());
            }
            let payload_bytes = self.put_record(at, *row, &mut cell[before..]);
            let mut bytes = before + payload_bytes;
            let missing = length_bytes - put_varint(cell, payload_bytes as u64);
            if missing > 0 {
                // The varint of this length is shorter than that of the largest.
                cell.copy_within(length_bytes..bytes, length_bytes - missing);
                bytes -= missing;
            }
            *length = bytes as u32;
            used += bytes;
        }
        used
    }

    /// Writes the record of a row, number `at` of the block, to the start of `record`, possibly with padding after it. Returns its
    /// size.
    #[inline(always)]
    fn put_record(&self, at: usize, row: usize, record: &mut [u8]) -> usize {
        // The padding has room for this, which nearly always is the whole header.
        record[..SHORT_BYTES].copy_from_slice(&self.template[..SHORT_BYTES]);
        if self.header_bytes > SHORT_BYTES {
            record[SHORT_BYTES..self.header_bytes].copy_from_slice(&self.template[SHORT_BYTES..]);
        }
        let (header, mut body) = record.split_at_mut(self.header_bytes);
        let room = body.len();
        for (part, serial_type) in self.parts.iter().zip(&mut header[self.types_at..]) {
            let bytes = part.put(at, row, serial_type, body);
            body = &mut body[bytes..];
        }
        self.header_bytes + room - body.len()
    }
}

/// The rows of a block.
#[derive(Clone, Copy)]
struct BlockRows<'r> {
    rows: &'r [usize],
    /// True if they are consecutive.
    are_run: bool,
}

impl BlockRows<'_> {
    /// The minimum and the maximum of `key` over these rows of a column.
    fn range<T, V: Ord + Copy>(self, column: &[T], key: impl Fn(&T) -> V) -> (V, V) {
        dispatch(FindRange { rows: self, column, key })
    }
}

/// The search for the minimum and the maximum of `key` over rows of a column.
struct FindRange<'r, 'c, T, K> {
    rows: BlockRows<'r>,
    column: &'c [T],
    key: K,
}

impl<T, V: Ord + Copy, K: Fn(&T) -> V> HotLoop for FindRange<'_, '_, T, K> {
    type Output = (V, V);

    #[inline(always)]
    fn run(self) -> (V, V) {
        let Self { rows: BlockRows { rows, are_run }, column, key } = self;
        let first = key(&column[rows[0]]);
        let wider = |(least, most): (V, V), value| (least.min(value), most.max(value));
        if are_run {
            let run = &column[rows[0]..][..rows.len()];
            run.iter().map(key).fold((first, first), wider)
        } else {
            rows.iter().map(|row| key(&column[*row])).fold((first, first), wider)
        }
    }
}

impl<'c> ColumnEncoder<'c> {
    /// Strings, with the range of their lengths; `None` if a serial type takes more than a byte.
    fn strings(
        strings: Strings<'c>,
        serial_type_of_empty: u8,
        is_null: Option<&'c [bool]>,
        rows: BlockRows<'_>,
    ) -> Option<(Self, Range<usize>)> {
        let (least, most) = rows.range(strings.spans, |span| span.end - span.start);
        let copier = Copier::with_longest(strings, most as usize);
        let bytes = least as usize..most as usize;
        let part = match is_null {
            None => Self::Strings(copier, serial_type_of_empty),
            Some(is_null) => Self::NullableStrings(copier, serial_type_of_empty, is_null),
        };
        (bytes.end <= MAX_SHORT_BYTES).then_some((part, bytes))
    }

    /// Numbers, strings or NULLs, with the range of their lengths; `None` if a serial type takes more than a byte.
    fn nullable(
        nullable: Nullable<'c>,
        rows: BlockRows<'_>,
        arena: &'c Arena,
    ) -> Option<(Self, Range<usize>)> {
        let Nullable { values, is_null } = nullable;
        let or_null = |row: usize, value| if is_null[row] { Value::Null } else { value };
        match values {
            Values::Texts(texts) => Self::strings(*texts, 13, Some(is_null), rows),
            Values::Blobs(blobs) => Self::strings(*blobs, 12, Some(is_null), rows),
            Values::Integers(integers) => {
                Self::numbers(|row| or_null(row, Value::Integer(integers[row])), rows.rows, arena)
            }
            Values::Reals(reals) => {
                Self::numbers(|row| or_null(row, Value::Real(reals[row])), rows.rows, arena)
            }
            _ => Self::any(Values::Nullable(nullable), rows.rows),
        }
    }

    /// INTEGERs of the same length, with the range of their lengths; `None` if they are not.
    fn fixed(integers: &'c [i64], rows: BlockRows<'_>) -> Option<(Self, Range<usize>)> {
        let (least, most) = rows.range(integers, |integer| *integer);
        // The range excludes 0 and 1, which have serial types of their own, and other lengths.
        let is_fixed = (least > 1 || most < 0) && integer_type(least) == integer_type(most);
        let bytes = integer_bytes(integer_type(most));
        is_fixed.then_some((Self::Fixed(integers, bytes), bytes..bytes))
    }

    /// Numbers and NULLs, with the range of their lengths; `None` if another value is among them.
    #[inline]
    fn numbers<'v>(
        value: impl Fn(usize) -> Value<'v>,
        rows: &[usize],
        arena: &'c Arena,
    ) -> Option<(Self, Range<usize>)> {
        let (types, bodies) = (arena.zeros::<u8>(rows.len()), arena.zeros::<u64>(rows.len()));
        let (mut least, mut most) = (REAL_BYTES, 0);
        for (row, (number_type, body)) in rows.iter().zip(types.iter_mut().zip(&mut *bodies)) {
            let bytes = match value(*row) {
                Value::Null => 0,
                Value::Integer(integer) => {
                    *number_type = integer_type(integer);
                    let bytes = integer_bytes(*number_type);
                    *body = front(integer, bytes);
                    bytes
                }
                Value::Real(real) => {
                    (*number_type, *body) = (REAL_TYPE, real.to_bits());
                    REAL_BYTES
                }
                Value::Text(_) | Value::Blob(_) => return None,
            };
            (least, most) = (least.min(bytes), most.max(bytes));
        }
        Some((Self::Numbers(types, bodies), least..most))
    }

    /// Values of any class, with the range of their lengths; `None` if a serial type takes more than a byte.
    fn any(values: Values<'c>, rows: &[usize]) -> Option<(Self, Range<usize>)> {
        let (least, most) = rows.iter().fold((usize::MAX, 0), |(least, most), row| {
            let (_, bytes) = serial_type(&values.get(*row));
            (least.min(bytes), most.max(bytes))
        });
        (most <= MAX_SHORT_BYTES).then_some((Self::Any(values), least..most))
    }

    /// Writes the value of a row, number `at` of the block, to the start of `to`, possibly with padding after it, and its serial type
    /// unless the template has it. Returns the length of the value.
    #[inline(always)]
    fn put(&self, at: usize, row: usize, serial_type: &mut u8, to: &mut [u8]) -> usize {
        match self {
            Self::Strings(strings, serial_type_of_empty) => {
                let bytes = strings.copy(row, to);
                *serial_type = serial_type_of_empty + 2 * bytes as u8;
                bytes
            }
            Self::NullableStrings(strings, serial_type_of_empty, is_null) => {
                // The string is empty then.
                let bytes = strings.copy(row, to);
                *serial_type = if is_null[row] { 0 } else { serial_type_of_empty + 2 * bytes as u8 };
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
            Self::Numbers(types, bodies) => {
                *serial_type = types[at];
                to[..8].copy_from_slice(&bodies[at].to_be_bytes());
                integer_bytes(types[at])
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
