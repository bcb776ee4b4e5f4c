//! The parallel half of the direct path: encodes rows as cells.
//!
//! The rowids of a chunk depend on how many earlier records did not become rows, which is not known while those are
//! still being parsed. So the worker assumes the number that all workers have reported to a [`MissingRows`] so far;
//! if it turns out to be wrong, which is rare, the writer encodes the chunk again.

use super::affinity::Converter;
use super::catalog::Schema;
use super::cells::{Cells, PayloadLimits, TreeKind};
use super::duplicates::{self, Duplicates, Fate};
use super::expressions::{ExpressionEvaluator, evaluate};
use super::indexes::{Index, KeyColumn};
use super::layout::{CellSink, NumberedRows};
use super::sorted_numbers::SortedNumbers;
use super::stored_values::{apply_affinity, encode_texts};
use crate::batch::{Arena, Rows, Value, Values};
use crate::write::{self, Cause};
use std::cmp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The cells of a chunk, for the table and for each index, in key order.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The largest rowid before these rows that the encoder assumed.
    pub(super) assumed_rowid: Option<i64>,
    /// True if a rowid depends on this assumption.
    pub(super) assumption_matters: bool,
    /// The largest rowid of these rows.
    pub(super) largest_rowid: Option<i64>,
    /// How rows that have the key of another are treated.
    pub(super) fates: Vec<(usize, Fate)>,
    /// The rowid of each row that is stored.
    pub(super) rowids: Vec<i64>,
    pub(super) table: Cells,
    /// Index entries with their whole payload; overflow pages come later.
    pub(super) indexes: Vec<Cells>,
    pub(super) violation: Option<Violation>,
}

/// Rows that violate a constraint.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) rows: Vec<usize>,
    pub(super) message: String,
    /// True if SQLite may be able to store the row, through statements.
    pub(super) is_left_to_sqlite: bool,
    /// Two rows have the same key, or one row breaks the constraint alone.
    pub(super) cause: Cause,
}

impl Violation {
    pub(super) fn new(row: usize, message: impl ToString) -> Self {
        let (is_left_to_sqlite, cause) = (false, Cause::Row);
        Self { rows: vec![row], message: message.to_string(), is_left_to_sqlite, cause }
    }

    /// SQLite may be able to store the row, through statements, for this reason.
    pub(super) fn left_to_sqlite(row: usize, reason: impl ToString) -> Self {
        Self { is_left_to_sqlite: true, ..Self::new(row, reason) }
    }

    /// No rowid comes after the largest. SQLite takes any free one, except with AUTOINCREMENT.
    fn no_rowid(row: usize, schema: &Schema) -> Self {
        let is_left_to_sqlite = schema.sequence.is_none();
        Self { is_left_to_sqlite, ..Self::new(row, "no rowid is left after the largest") }
    }

    /// Two rows with the same key in an index or, for `None`, with the same rowid.
    fn duplicate(a: usize, b: usize, schema: &Schema, index: Option<usize>) -> Self {
        let rows = vec![a.min(b), a.max(b)];
        let message = schema.duplicate_message(index);
        Self { rows, message, is_left_to_sqlite: false, cause: Cause::SameKey }
    }

    /// The failure of a writer. `rows_before` rows were written before those of this chunk.
    pub(super) fn into_failure(self, rows_before: u64, schema: &Schema) -> write::WriteFailure {
        let Self { rows, message, is_left_to_sqlite, cause } = self;
        let rows = rows.iter().map(|row| rows_before + *row as u64).collect();
        match is_left_to_sqlite {
            true => write::WriteFailure::Unsupported { reason: message },
            false => write::WriteFailure::Constraint { message, cause: schema.cause(cause), rows },
        }
    }
}

/// The number of records that did not become rows, in the chunks that have been parsed.
#[derive(Debug, Default)]
pub(super) struct MissingRows(Mutex<MissingRowsState>);

#[derive(Debug, Default)]
struct MissingRowsState {
    /// All chunks before this record have been parsed.
    next_record: u64,
    missing: u64,
    /// Later chunks by first record: the number of records, and how many did not become rows.
    ahead: BTreeMap<u64, (u64, u64)>,
}

impl MissingRows {
    /// Records the result of a chunk, of whose rows `unnumbered` get no rowid of their own, and returns the number of earlier records
    /// that are known not to have one.
    fn missing_before(&self, rows: &Rows<'_>, unnumbered: usize) -> u64 {
        let not_rows = (rows.rejects.len() + rows.filtered + rows.skipped) as u64;
        let (records, missing) = (rows.len as u64 + not_rows, not_rows + unnumbered as u64);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead: u64 =
            state.ahead.range(..rows.chunk.first_load_record()).map(|(_, (_, missing))| missing).sum();
        let before = state.missing + ahead;
        if records > 0 {
            state.ahead.insert(rows.chunk.first_load_record(), (records, missing));
        }
        loop {
            let next_record = state.next_record;
            let Some((records, missing)) = state.ahead.remove(&next_record) else { break };
            state.next_record += records;
            state.missing += missing;
        }
        before
    }
}

/// Encodes rows. Each worker has its own.
#[derive(Debug)]
pub struct Encoder {
    schema: Arc<Schema>,
    limits: PayloadLimits,
    /// The largest rowid before the load.
    largest_before: Option<i64>,
    missing_rows: Arc<MissingRows>,
    /// The records whose rows have the key of another row.
    duplicates: Option<Arc<Duplicates>>,
    converter: Converter,
    evaluator: Option<ExpressionEvaluator>,
    arena: Arena,
    /// For the rows of a chunk that are not left out.
    kept_arena: Arena,
    order: SortedNumbers,
}

impl Encoder {
    /// An encoder for rows behind the rowid `largest_before`.
    pub(super) fn new(
        schema: Arc<Schema>,
        largest_before: Option<i64>,
        missing_rows: Arc<MissingRows>,
    ) -> Self {
        let limits = PayloadLimits::new(TreeKind::Table, schema.page_bytes);
        let converter = Converter::new(schema.encoding);
        let (evaluator, duplicates, arena, kept_arena, order) = Default::default();
        Self {
            schema,
            limits,
            largest_before,
            missing_rows,
            duplicates,
            converter,
            evaluator,
            arena,
            kept_arena,
            order,
        }
    }

    /// The same for rows of which these have the key of another row.
    pub(super) fn resolving(self, duplicates: Arc<Duplicates>) -> Self {
        Self { duplicates: Some(duplicates), ..self }
    }

    /// An encoder for another thread.
    pub(super) fn for_another_thread(&self) -> Self {
        let encoder = Self::new(self.schema.clone(), self.largest_before, self.missing_rows.clone());
        Self { duplicates: self.duplicates.clone(), ..encoder }
    }

    /// Encodes those of `rows` that are stored. A row without a rowid gets the one after the largest before it, starting with
    /// `largest`.
    pub(super) fn encode_after(&mut self, largest: Option<i64>, rows: &Rows<'_>, encoded: &mut Encoded) {
        encoded.violation = if encoded.fates.is_empty() {
            self.try_encode(largest, rows, encoded).err()
        } else {
            let mut arena = std::mem::take(&mut self.kept_arena);
            let kept = duplicates::stored(rows, &encoded.fates, &arena);
            let violation = self.try_encode(largest, &kept, encoded).err();
            arena.reset();
            self.kept_arena = arena;
            violation
        };
    }

    fn try_encode(
        &mut self,
        largest: Option<i64>,
        rows: &Rows<'_>,
        encoded: &mut Encoded,
    ) -> Result<(), Violation> {
        let Self { schema, limits, converter, evaluator, arena, order, .. } = self;
        arena.reset();
        let (columns, mut broken_rule) = apply_affinity(rows, schema, converter, arena)?;
        let assigned = assign_rowids(columns, schema, rows.len, largest, encoded);
        if schema.expressions.is_some() {
            let sound = broken_rule.as_ref().map_or(rows.len, |violation| violation.rows[0]);
            let sound = sound.min(encoded.rowids.len());
            evaluate(schema, evaluator, columns, &encoded.rowids[..sound], arena)?;
        }
        broken_rule.take().map_or(assigned, Err)?;
        encode_texts(columns, schema, rows.len, converter, arena)?;
        let rowids = &encoded.rowids;
        order.clear();
        let may_be_unordered = schema.rowid_column.is_some() || !encoded.fates.is_empty();
        if may_be_unordered && schema.primary_key.is_none() && !rowids.is_sorted_by(|a, b| a < b) {
            let prefix = |rowid: &i64| rowid.cast_unsigned() ^ 1 << 63;
            order.sort(rowids.iter().map(prefix), |a, b| rowids[a].cmp(&rowids[b]));
            let is_duplicate = |&(a, b): &(usize, usize)| rowids[a] == rowids[b];
            if let Some((a, b)) = order.same_prefix().find(is_duplicate) {
                return Err(Violation::duplicate(a, b, schema, None));
            }
        }
        // The record has NULL for an alias of the rowid, because the cell contains the rowid.
        if let Some(alias) = schema.rowid_column {
            columns[alias] = Values::Constant(Value::Null);
        }
        let put = if let Some(key) = &schema.primary_key {
            if let Some((a, b)) = find_order(key, columns, rowids, order) {
                return Err(Violation::duplicate(a, b, schema, None));
            }
            let limits = PayloadLimits::NONE;
            let sink = CellSink { kind: TreeKind::Index, limits, cells: &mut encoded.table };
            let entries = key.values(columns, rowids);
            let put = sink.put(&entries, NumberedRows { rowids, order }, schema.max_row_bytes, arena);
            encoded.table.pad_short();
            put
        } else {
            let numbered = NumberedRows { rowids, order };
            let sink = CellSink { kind: TreeKind::Table, limits: *limits, cells: &mut encoded.table };
            match &schema.expressions {
                None => sink.put(columns, numbered, schema.max_row_bytes, arena),
                Some(_) => sink.put(&stored_columns(columns, schema), numbered, schema.max_row_bytes, arena),
            }
        };
        put.map_err(|row| Violation::new(row, "the row is too large for SQLite"))?;
        if let Some(alias) = schema.rowid_column {
            columns[alias] = Values::Integers(rowids);
        }
        encoded.indexes.resize_with(schema.indexes.len(), Cells::default);
        for (number, (index, cells)) in schema.indexes.iter().zip(&mut encoded.indexes).enumerate() {
            if let Some((a, b)) = find_order(index, columns, rowids, order) {
                return Err(Violation::duplicate(a, b, schema, Some(number)));
            }
            let entries = index.values(columns, rowids);
            // The row is within the limit, and an index entry is not larger than the row.
            let sink = CellSink { kind: TreeKind::Index, limits: PayloadLimits::NONE, cells };
            let _ = sink.put(&entries, NumberedRows { rowids, order }, usize::MAX, arena);
            if entries.len() == 1 {
                cells.pad_short();
            }
        }
        Ok(())
    }
}

impl write::Encoder for Encoder {
    type Encoded = Encoded;

    fn encode(&mut self, rows: &Rows<'_>, encoded: &mut Encoded) {
        let find = |duplicates: &Arc<Duplicates>| duplicates.find_in(rows);
        encoded.fates = self.duplicates.as_ref().map(find).unwrap_or_default();
        let unnumbered = encoded.fates.iter().filter(|(_, fate)| !fate.takes_rowid()).count();
        let missing = self.missing_rows.missing_before(rows, unnumbered);
        let rows_before = rows.chunk.first_load_record().saturating_sub(missing);
        let largest = match i64::try_from(rows_before).unwrap_or(i64::MAX) {
            0 => self.largest_before,
            rows => {
                let first = self.schema.next_rowid(self.largest_before).unwrap_or(i64::MAX);
                Some((first - 1).saturating_add(rows))
            }
        };
        self.encode_after(largest, rows, encoded);
    }
}

/// The columns that rows contain.
fn stored_columns<'a>(columns: &[Values<'a>], schema: &Schema) -> Vec<Values<'a>> {
    let stored = columns.iter().zip(&schema.columns).filter(|(_, column)| column.is_stored());
    stored.map(|(values, _)| *values).collect()
}

/// Assigns rowids. In a WITHOUT ROWID table, they are the numbers of the rows.
fn assign_rowids(
    columns: &[Values<'_>],
    schema: &Schema,
    rows: usize,
    mut largest: Option<i64>,
    encoded: &mut Encoded,
) -> Result<(), Violation> {
    (encoded.assumed_rowid, encoded.assumption_matters, encoded.largest_rowid) = (largest, false, None);
    encoded.rowids.clear();
    if schema.primary_key.is_some() {
        encoded.rowids.extend(0..rows as i64);
        return Ok(());
    }
    let Some(column) = schema.rowid_column else {
        return number_rows(schema, rows, largest, encoded);
    };
    for row in 0..rows {
        let rowid = match columns[column].get(row) {
            Value::Integer(rowid) => rowid,
            Value::Null => {
                let next = schema.next_rowid(largest).ok_or_else(|| Violation::no_rowid(row, schema))?;
                encoded.assumption_matters = true;
                next
            }
            other => {
                let name = &schema.columns[column].name;
                return Err(Violation::new(row, write::rowid_mismatch(&schema.table, name, other)));
            }
        };
        largest = largest.max(Some(rowid));
        encoded.largest_rowid = encoded.largest_rowid.max(Some(rowid));
        encoded.rowids.push(rowid);
    }
    Ok(())
}

/// Assigns the rowids that SQLite chooses to the `rows` rows that are stored. A row that updates another has its rowid.
fn number_rows(
    schema: &Schema,
    rows: usize,
    largest: Option<i64>,
    encoded: &mut Encoded,
) -> Result<(), Violation> {
    let count =
        |is_counted: fn(Fate) -> bool| encoded.fates.iter().filter(|(_, fate)| is_counted(*fate)).count();
    let numbered = rows - count(Fate::is_stored) + count(Fate::takes_rowid);
    if numbered == 0 && rows == 0 {
        return Ok(());
    }
    let first = schema.next_rowid(largest);
    let end = first.and_then(|first| first.checked_add(numbered as i64));
    let (Some(mut next), Some(end)) = (first, end) else { return Err(Violation::no_rowid(0, schema)) };
    let mut row = 0;
    for (fated, fate) in &encoded.fates {
        let others = (fated - row) as i64;
        encoded.rowids.extend(next..next + others);
        next += others + i64::from(fate.takes_rowid());
        if let Fate::Updates { rowid } = fate {
            encoded.rowids.push(*rowid);
        }
        row = fated + 1;
    }
    encoded.rowids.extend(next..end);
    encoded.assumption_matters = numbered > 0;
    encoded.largest_rowid = (numbered > 0).then_some(end - 1);
    Ok(())
}

/// True if each value is greater than the one before it.
fn ascends(values: &Values<'_>, rows: usize) -> bool {
    match values {
        Values::Integers(integers) => integers.is_sorted_by(|a, b| a < b),
        Values::Texts(strings) | Values::Blobs(strings) => (1..rows).all(|row| {
            let (a, b) = (strings.get(row - 1), strings.get(row));
            match (a.first_chunk(), b.first_chunk()) {
                // The first 16 bytes nearly always decide; a UUID has no more.
                (Some(first_a), Some(first_b)) if first_a != first_b => {
                    u128::from_be_bytes(*first_a) < u128::from_be_bytes(*first_b)
                }
                _ => a < b,
            }
        }),
        _ => (1..rows).all(|row| values.get(row - 1).compare(&values.get(row)).is_lt()),
    }
}

/// Stores the order of the entries of an index in `order`, or nothing if they are in row order. Returns two rows that
/// violate UNIQUE, if there are any.
pub(super) fn find_order(
    index: &Index,
    columns: &[Values<'_>],
    rowids: &[i64],
    order: &mut SortedNumbers,
) -> Option<(usize, usize)> {
    let by_value = |keys: &[KeyColumn], a: usize, b: usize| {
        let mut by_value = keys
            .iter()
            .map(|key| key.order.compare(&columns[key.column].get(a), &columns[key.column].get(b)));
        by_value.find(|order| order.is_ne()).unwrap_or(cmp::Ordering::Equal)
    };
    let compare_keys = |a: usize, b: usize| by_value(index.declared(), a, b);
    order.clear();
    let is_ascending = match index.declared() {
        [key] if key.order.is_plain() => ascends(&columns[key.column], rowids.len()),
        _ => (1..rowids.len()).all(|row| compare_keys(row - 1, row).is_lt()),
    };
    if is_ascending {
        return None;
    }
    let compare = |a: usize, b: usize| by_value(&index.keys, a, b).then_with(|| rowids[a].cmp(&rowids[b]));
    if !(1..rowids.len()).all(|row| compare(row - 1, row).is_lt()) {
        let first = index.keys[0];
        let prefix = |row| first.order.prefix(&columns[first.column].get(row));
        order.sort((0..rowids.len()).map(prefix), compare);
    }
    let is_null =
        |row: usize| index.declared().iter().any(|key| matches!(columns[key.column].get(row), Value::Null));
    let is_duplicate = |&(a, b): &(usize, usize)| compare_keys(a, b).is_eq() && !is_null(a);
    match (index.is_unique, order.is_empty()) {
        (false, _) => None,
        (true, true) => (1..rowids.len()).map(|row| (row - 1, row)).find(is_duplicate),
        (true, false) => order.same_prefix().find(is_duplicate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Chunk, RowOrigins, TypeFeedback};

    #[test]
    fn a_tally_knows_what_all_chunks_that_were_parsed_have_lost() {
        let rows = |first_record, len, filtered| Rows {
            len,
            columns: &[],
            chunk: Chunk { first_record, ..Chunk::default() },
            origins: RowOrigins::default(),
            texts: None,
            rejects: Vec::new(),
            filtered,
            skipped: 0,
            type_feedback: TypeFeedback::default(),
            repairs: crate::batch::Repairs::default(),
            oddities: crate::batch::Oddities::default(),
        };
        let missing_rows = MissingRows::default();
        // Chunks of the records 0 to 9, 10 to 12, none, 13 to 20, and 21, in which 7, 3, 0, 1 and 0 are missing.
        assert_eq!(missing_rows.missing_before(&rows(0, 3, 7), 0), 0);
        assert_eq!(missing_rows.missing_before(&rows(13, 7, 1), 0), 7);
        assert_eq!(missing_rows.missing_before(&rows(13, 0, 0), 0), 7);
        assert_eq!(missing_rows.missing_before(&rows(10, 0, 3), 0), 7);
        assert_eq!(missing_rows.missing_before(&rows(21, 1, 0), 0), 11);
        let state = missing_rows.0.into_inner().unwrap();
        assert_eq!((state.next_record, state.missing, state.ahead.len()), (22, 11, 0));
    }
}
