//! The parallel half: rows to cells.
//!
//! The rowids of a chunk depend on how many records before it became no row, which is not known while those are
//! still being parsed. So the worker counts the ones known so far; if that was wrong, which is rare, the writer
//! encodes the chunk once more.

use super::affinity::Converter;
use super::cells::{Cells, Kind, Limits};
use super::record::{
    BODY_SLACK, MAX_VARINT_BYTES, compare, header_bytes, prefix, put_body, put_varint, serial_type,
    varint_bytes,
};
use super::schema::{Index, Schema};
use super::sort::sort_by_prefix;
use crate::batch::{Arena, Rows, Value};
use crate::write;
use std::cmp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The cells of a chunk's rows, for the table and for each index, in the order of their keys.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The largest rowid before these rows, as far as the encoder could know.
    pub(super) guess: Option<i64>,
    /// Whether a row has a rowid that depends on it.
    pub(super) guess_matters: bool,
    /// The largest rowid of these rows.
    pub(super) largest_rowid: Option<i64>,
    pub(super) table: Cells,
    /// Entries with their whole payload, however large.
    pub(super) indexes: Vec<Cells>,
    pub(super) problem: Option<Problem>,
}

/// Rows that the table can not take.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) rows: Vec<usize>,
    pub(super) message: String,
}

impl Problem {
    fn new(row: usize, message: impl ToString) -> Self {
        Self { rows: vec![row], message: message.to_string() }
    }

    /// Two rows that have the same key in an index or, without one, the same rowid.
    fn duplicate(a: usize, b: usize, schema: &Schema, index: Option<usize>) -> Self {
        Self { rows: vec![a.min(b), a.max(b)], message: schema.duplicate_message(index) }
    }
}

/// Encodes rows; each worker has one.
#[derive(Debug)]
pub struct Encoder {
    schema: Arc<Schema>,
    limits: Limits,
    /// Records that became no row, as far as is known.
    missing: Arc<AtomicU64>,
    converter: Converter,
    arena: Arena,
    rowids: Vec<i64>,
    order: Vec<(u64, u32)>,
}

impl Encoder {
    pub(super) fn new(schema: Arc<Schema>, missing: Arc<AtomicU64>) -> Self {
        let limits = Limits::new(Kind::Table, schema.page_bytes);
        let (converter, arena, rowids, order) = Default::default();
        Self { schema, limits, missing, converter, arena, rowids, order }
    }

    /// Encodes `rows`. One without a rowid gets the one after the largest before it, which is `largest` at first.
    pub(super) fn encode_after(&mut self, largest: Option<i64>, rows: &Rows<'_>, encoded: &mut Encoded) {
        encoded.problem = self.try_encode(largest, rows, encoded).err();
    }

    fn try_encode(
        &mut self,
        largest: Option<i64>,
        rows: &Rows<'_>,
        encoded: &mut Encoded,
    ) -> Result<(), Problem> {
        let Self { schema, limits, converter, arena, rowids, order, .. } = self;
        arena.reset();
        let columns = stored(rows, schema, converter, arena)?;
        number(columns, schema, rows.len(), largest, rowids, encoded)?;
        let replaced = |value: fn(i64) -> Value<'static>| match schema.rowid_column {
            Some(rowid_column) => {
                let values: &[Value<'_>] = arena.list(rowids.iter().map(|rowid| value(*rowid)));
                let column = |(at, column)| if at == rowid_column { values } else { column };
                arena.list(columns.iter().copied().enumerate().map(column))
            }
            None => columns,
        };
        order.clear();
        if !rowids.is_sorted() {
            let prefix = |rowid: &i64| rowid.cast_unsigned() ^ 1 << 63;
            sort_by_prefix(order, rowids.iter().map(prefix), |a, b| a.cmp(&b));
        }
        if let Some((a, b)) = neighbours(order, rows.len()).find(|(a, b)| rowids[*a] == rowids[*b]) {
            return Err(Problem::duplicate(a, b, schema, None));
        }
        // An alias of the rowid is NULL in the table, where the cell has the rowid already.
        let columns = replaced(|_| Value::Null);
        let rows = Numbered { rowids, order };
        let mut sink = Sink { kind: Kind::Table, limits: *limits, cells: &mut encoded.table };
        let put = sink.put(columns, rows, schema.max_row_bytes);
        put.map_err(|row| Problem::new(row, "the row is too large for SQLite"))?;
        let columns = replaced(Value::Integer);
        encoded.indexes.resize_with(schema.indexes.len(), Cells::default);
        for (number, (index, cells)) in schema.indexes.iter().zip(&mut encoded.indexes).enumerate() {
            if let Some((a, b)) = find_order(index, columns, rowids, order) {
                return Err(Problem::duplicate(a, b, schema, Some(number)));
            }
            let keys = arena.list(index.keys.iter().map(|key| columns[key.column]));
            let rows = Numbered { rowids, order };
            // The row is no larger than the table takes, and an entry not larger than the row.
            let mut sink = Sink { kind: Kind::Index, limits: Limits::NONE, cells };
            let _ = sink.put(keys, rows, usize::MAX);
        }
        Ok(())
    }
}

impl write::Encoder for Encoder {
    type Encoded = Encoded;

    fn encode(&mut self, rows: &Rows<'_>, encoded: &mut Encoded) {
        let rows_before = rows.first_record.saturating_sub(self.missing.load(Ordering::Relaxed));
        let largest = i64::try_from(rows_before).ok().filter(|rows| *rows > 0);
        self.encode_after(largest, rows, encoded);
    }
}

/// The columns as the table stores them.
fn stored<'a>(
    rows: &'a Rows<'_>,
    schema: &Schema,
    converter: &mut Converter,
    arena: &'a Arena,
) -> Result<&'a [&'a [Value<'a>]], Problem> {
    let mut columns: crate::batch::ArenaVec<'_, &[Value<'_>]> = arena.vec(rows.columns.len());
    for (at, (values, column)) in rows.columns.iter().zip(&schema.columns).enumerate() {
        let mut values: &[Value<'_>] = values;
        if values.iter().any(|value| column.affinity.may_change(value)) {
            let mut changed = arena.vec(values.len());
            for (row, value) in values.iter().enumerate() {
                let stored = converter.stored(*value, column.affinity, arena);
                changed.push(stored.map_err(|error| Problem::new(row, error))?);
            }
            values = changed.into_bump_slice();
        }
        let is_checked = column.is_not_null && schema.rowid_column != Some(at);
        let null = |value: &Value<'_>| is_checked && matches!(value, Value::Null);
        if let Some(row) = values.iter().position(null) {
            let message = format!("NOT NULL constraint failed: {}.{}", schema.table, column.name);
            return Err(Problem::new(row, message));
        }
        columns.push(values);
    }
    Ok(columns.into_bump_slice())
}

/// Gives each row its rowid.
fn number(
    columns: &[&[Value<'_>]],
    schema: &Schema,
    rows: usize,
    mut largest: Option<i64>,
    rowids: &mut Vec<i64>,
    encoded: &mut Encoded,
) -> Result<(), Problem> {
    (encoded.guess, encoded.guess_matters, encoded.largest_rowid) = (largest, false, None);
    rowids.clear();
    let Some(column) = schema.rowid_column else {
        let first = largest.unwrap_or(0) + 1;
        rowids.extend(first..first + rows as i64);
        (encoded.guess_matters, encoded.largest_rowid) = (true, rowids.last().copied());
        return Ok(());
    };
    for (row, given) in columns[column].iter().enumerate() {
        let rowid = match given {
            Value::Integer(rowid) => *rowid,
            Value::Null => {
                let next = largest.map_or(Some(1), |largest| largest.checked_add(1));
                let next = next.ok_or_else(|| Problem::new(row, "no rowid is left after the largest"))?;
                encoded.guess_matters = true;
                next
            }
            _ => return Err(Problem::new(row, "datatype mismatch: the rowid is an INTEGER")),
        };
        largest = largest.max(Some(rowid));
        encoded.largest_rowid = encoded.largest_rowid.max(Some(rowid));
        rowids.push(rowid);
    }
    Ok(())
}

/// The numbers of the rows in this order; an empty one is that of the rows.
fn in_order(order: &[(u64, u32)], rows: usize) -> impl Iterator<Item = usize> {
    (0..rows).map(|at| order.get(at).map_or(at, |(_, row)| *row as usize))
}

/// Each row with the next one in this order.
fn neighbours(order: &[(u64, u32)], rows: usize) -> impl Iterator<Item = (usize, usize)> {
    in_order(order, rows).zip(in_order(order, rows).skip(1))
}

/// Puts into `order` the order of the entries of an index, or nothing if it is that of the rows. Returns two rows of
/// which there can be only one, if there are such.
fn find_order(
    index: &Index,
    columns: &[&[Value<'_>]],
    rowids: &[i64],
    order: &mut Vec<(u64, u32)>,
) -> Option<(usize, usize)> {
    let compare_keys = |a: usize, b: usize| {
        let mut by_value = index.keys.iter().map(|key| {
            let order = compare(&columns[key.column][a], &columns[key.column][b]);
            if key.is_descending { order.reverse() } else { order }
        });
        by_value.find(|order| order.is_ne()).unwrap_or(cmp::Ordering::Equal)
    };
    order.clear();
    if (1..rowids.len()).all(|row| compare_keys(row - 1, row).is_lt()) {
        return None;
    }
    let compare = |a: usize, b: usize| compare_keys(a, b).then_with(|| rowids[a].cmp(&rowids[b]));
    if !(1..rowids.len()).all(|row| compare(row - 1, row).is_lt()) {
        let first = index.keys[0];
        let prefixes = columns[first.column].iter().map(|value| prefix(value, first.is_descending));
        sort_by_prefix(order, prefixes, |a, b| compare(a as usize, b as usize));
    }
    let is_null = |row: usize| index.keys.iter().any(|key| matches!(columns[key.column][row], Value::Null));
    let is_duplicate = |&(a, b): &(usize, usize)| compare_keys(a, b).is_eq() && !is_null(a);
    if index.is_unique { neighbours(order, rowids.len()).find(is_duplicate) } else { None }
}

/// Rows with their rowids, in some order.
#[derive(Clone, Copy)]
struct Numbered<'r> {
    rowids: &'r [i64],
    order: &'r [(u64, u32)],
}

/// Where cells of one kind go.
struct Sink<'c> {
    kind: Kind,
    limits: Limits,
    cells: &'c mut Cells,
}

impl Sink<'_> {
    /// Puts a cell of each row in place of those that are there; or the first row whose payload has more than
    /// `max_bytes`.
    fn put(&mut self, columns: &[&[Value<'_>]], rows: Numbered<'_>, max_bytes: usize) -> Result<(), usize> {
        // A loop that knows the number of columns takes half the time.
        let put = match columns.len() {
            1 => Self::put_narrow::<1>,
            2 => Self::put_narrow::<2>,
            3 => Self::put_narrow::<3>,
            4 => Self::put_narrow::<4>,
            5 => Self::put_narrow::<5>,
            6 => Self::put_narrow::<6>,
            7 => Self::put_narrow::<7>,
            8 => Self::put_narrow::<8>,
            _ => Self::put_wide,
        };
        self.cells.clear();
        put(self, columns, rows, max_bytes)
    }

    fn put_narrow<const COLUMNS: usize>(
        &mut self,
        columns: &[&[Value<'_>]],
        rows: Numbered<'_>,
        max_bytes: usize,
    ) -> Result<(), usize> {
        let columns: [&[Value<'_>]; COLUMNS] = std::array::from_fn(|at| &columns[at][..rows.rowids.len()]);
        for row in in_order(rows.order, rows.rowids.len()) {
            if self.put_cell(columns.map(|column| &column[row]), rows.rowids[row]) > max_bytes {
                return Err(row);
            }
        }
        Ok(())
    }

    fn put_wide(
        &mut self,
        columns: &[&[Value<'_>]],
        rows: Numbered<'_>,
        max_bytes: usize,
    ) -> Result<(), usize> {
        for row in in_order(rows.order, rows.rowids.len()) {
            if self.put_any_cell(columns.iter().map(|column| &column[row]), rows.rowids[row]) > max_bytes {
                return Err(row);
            }
        }
        Ok(())
    }

    /// Appends the cell of a row or an entry; returns the bytes of its payload.
    ///
    /// Nearly all have short values only. Then each serial type is one byte, and the length of the header is known.
    #[inline(always)]
    fn put_cell<const VALUES: usize>(&mut self, values: [&Value<'_>; VALUES], rowid: i64) -> usize {
        let types = values.map(serial_type);
        let all_types = types.iter().fold(0, |all, (serial_type, _)| all | serial_type);
        if all_types >= 0x80 {
            return self.put_any_cell(values.into_iter(), rowid);
        }
        // An entry of an index ends with the rowid; the cell of a row has it before the payload.
        let is_index = self.kind == Kind::Index;
        let (rowid_type, rowid_bytes) = if is_index { serial_type(&Value::Integer(rowid)) } else { (0, 0) };
        let header_bytes = 1 + VALUES + usize::from(is_index);
        let payload_bytes = header_bytes + types.iter().map(|(_, bytes)| bytes).sum::<usize>() + rowid_bytes;
        let (payload, cell) = self.begin(payload_bytes, rowid);
        let (header, mut body) = cell.split_at_mut(header_bytes);
        header[0] = header_bytes as u8;
        for (at, (value, (serial_type, bytes))) in values.iter().zip(types).enumerate() {
            header[1 + at] = serial_type as u8;
            put_body(body, value, bytes);
            body = &mut body[bytes..];
        }
        if is_index {
            header[1 + VALUES] = rowid_type as u8;
            put_body(body, &Value::Integer(rowid), rowid_bytes);
        }
        self.cells.close(payload + payload_bytes, payload, self.limits);
        payload_bytes
    }

    /// As [`Sink::put_cell`], for any values.
    fn put_any_cell<'v, 'd: 'v>(
        &mut self,
        values: impl Iterator<Item = &'v Value<'d>> + Clone,
        rowid: i64,
    ) -> usize {
        let last = Value::Integer(rowid);
        let values = values.copied().chain((self.kind == Kind::Index).then_some(last));
        let (types_bytes, body_bytes) = values.clone().fold((0, 0), |(types, body), value| {
            let (serial_type, bytes) = serial_type(&value);
            (types + varint_bytes(serial_type), body + bytes)
        });
        let header_bytes = header_bytes(types_bytes);
        let payload_bytes = header_bytes + body_bytes;
        let (payload, cell) = self.begin(payload_bytes, rowid);
        let (header, mut body) = cell.split_at_mut(header_bytes);
        let mut header_at = put_varint(header, header_bytes as u64);
        for value in values {
            let (serial_type, bytes) = serial_type(&value);
            header_at += put_varint(&mut header[header_at..], serial_type);
            put_body(body, &value, bytes);
            body = &mut body[bytes..];
        }
        self.cells.close(payload + payload_bytes, payload, self.limits);
        payload_bytes
    }

    /// Begins a cell with what precedes its payload. Returns how many bytes that is, and room for the payload.
    #[inline(always)]
    fn begin(&mut self, payload_bytes: usize, rowid: i64) -> (usize, &mut [u8]) {
        let cell = self.cells.room(2 * MAX_VARINT_BYTES + payload_bytes + BODY_SLACK);
        let mut payload = put_varint(cell, payload_bytes as u64);
        if self.kind == Kind::Table {
            payload += put_varint(&mut cell[payload..], rowid.cast_unsigned());
        }
        (payload, &mut cell[payload..])
    }
}
