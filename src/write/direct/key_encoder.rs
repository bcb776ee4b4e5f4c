//! The parallel half of the finder of duplicates: encodes the unique keys of rows, and finds rows that break a constraint alone.

use super::affinity::Converter;
use super::catalog::Schema;
use super::cells::{Cells, PayloadLimits, TreeKind};
use super::duplicates;
use super::encode::{Violation, find_order};
use super::expressions::{ExpressionEvaluator, evaluate, find_broken};
use super::layout::{CellSink, NumberedRows};
use super::sorted_numbers::SortedNumbers;
use super::stored_values::{BrokenRow, apply_affinity, encode_texts, rows_that_break_rules};
use super::unique_keys::{CHOSEN_ROWIDS, UniqueKey, reads_rowid};
use crate::batch::{Arena, Rows, Value};
use crate::write::{self, Cause};
use std::sync::Arc;

/// Encodes the unique keys of rows.
#[derive(Debug)]
pub struct KeyEncoder {
    schema: Arc<Schema>,
    keys: Arc<[UniqueKey]>,
    /// Whether rows that break a constraint alone are left out.
    rejects_rows: bool,
    converter: Converter,
    evaluator: Option<ExpressionEvaluator>,
    arena: Arena,
    /// For the rows of a chunk that are not left out.
    kept_arena: Arena,
    order: SortedNumbers,
}

/// The entries of a chunk for each unique key, in order.
#[derive(Debug, Default)]
pub struct EncodedKeys {
    pub(super) keys: Vec<Cells>,
    pub(super) has_rowids: bool,
    pub(super) lacks_rowids: bool,
    /// The records whose rows break a constraint alone, in order.
    pub(super) broken: Vec<(u64, BrokenRow)>,
    pub(super) violation: Option<Violation>,
}

/// The record of a row.
fn record_of(rows: &Rows<'_>, row: usize) -> u64 {
    let in_chunk = rows.origins.numbers.map_or(row as u64, |numbers| u64::from(numbers[row]));
    rows.chunk.first_load_record() + in_chunk
}

impl KeyEncoder {
    /// An encoder for one worker. If it `rejects_rows`, it leaves out those that break a constraint alone.
    pub(super) fn new(schema: Arc<Schema>, keys: Arc<[UniqueKey]>, rejects_rows: bool) -> Self {
        let converter = Converter::new(schema.encoding);
        let (evaluator, arena, kept_arena, order) = Default::default();
        Self { schema, keys, rejects_rows, converter, evaluator, arena, kept_arena, order }
    }

    /// Encodes the rows that break no constraint alone, after `violation` has shown that others are among them.
    #[cold]
    fn encode_others(
        &mut self,
        violation: Violation,
        rows: &Rows<'_>,
        encoded: &mut EncodedKeys,
    ) -> std::result::Result<(), Violation> {
        let broken = self.find_broken(rows)?;
        if broken.is_empty() {
            return Err(violation);
        }
        let mut arena = std::mem::take(&mut self.kept_arena);
        let others = duplicates::others(rows.len, broken.iter().map(|broken| broken.row), &arena);
        let selected = duplicates::select(rows, others, &arena);
        let result = self.try_encode(&selected, |row| record_of(rows, others[row]), encoded);
        encoded.broken.extend(broken.into_iter().map(|broken| (record_of(rows, broken.row), broken)));
        arena.reset();
        self.kept_arena = arena;
        result
    }

    /// All rows that break a constraint alone, in order.
    fn find_broken(&mut self, rows: &Rows<'_>) -> std::result::Result<Vec<BrokenRow>, Violation> {
        let Self { schema, converter, evaluator, arena, .. } = self;
        arena.reset();
        let (columns, _) = apply_affinity(rows, schema, converter, arena)?;
        let mut broken = rows_that_break_rules(rows, schema, columns);
        let others = duplicates::others(rows.len, broken.iter().map(|broken| broken.row), arena);
        let columns: Vec<_> = columns.iter().map(|values| values.select(others, arena)).collect();
        let rowid = |row: usize| match schema.rowid_column.map(|column| columns[column].get(row)) {
            Some(Value::Integer(rowid)) => rowid,
            _ => 0,
        };
        let rowids: Vec<_> = (0..others.len()).map(rowid).collect();
        let by_expression = find_broken(schema, evaluator, &columns, &rowids)?;
        let broken_row = |(row, message): (usize, _)| BrokenRow { row: others[row], message, column: None };
        broken.extend(by_expression.into_iter().map(broken_row));
        broken.sort_unstable_by_key(|broken| broken.row);
        Ok(broken)
    }

    /// Encodes rows. `record` returns the record of a row.
    fn try_encode(
        &mut self,
        rows: &Rows<'_>,
        record: impl Fn(usize) -> u64,
        encoded: &mut EncodedKeys,
    ) -> std::result::Result<(), Violation> {
        let Self { schema, keys, converter, evaluator, arena, order, .. } = self;
        arena.reset();
        let (columns, broken_rule) = apply_affinity(rows, schema, converter, arena)?;
        broken_rule.map_or(Ok(()), Err)?;
        let rowids = arena.zeros(rows.len);
        if let Some(column) = schema.rowid_column {
            for (row, rowid) in rowids.iter_mut().enumerate() {
                match columns[column].get(row) {
                    Value::Integer(given) => (*rowid, encoded.has_rowids) = (given, true),
                    Value::Null => encoded.lacks_rowids = true,
                    _ => encoded.has_rowids = true,
                }
            }
            if encoded.lacks_rowids && reads_rowid(schema) {
                return Err(Violation::left_to_sqlite(0, CHOSEN_ROWIDS));
            }
        }
        // Before it looks for keys, as SQLite does.
        evaluate(schema, evaluator, columns, rowids, arena)?;
        encode_texts(columns, schema, rows.len, converter, arena)?;
        let records = arena.list((0..rows.len).map(|row| record(row).cast_signed()));
        encoded.keys.resize_with(keys.len(), Cells::default);
        for (UniqueKey { index, .. }, cells) in keys.iter().zip(&mut encoded.keys) {
            // Rows with the same key are found later.
            let _ = find_order(index, columns, records, order);
            let entries = index.values(columns, records);
            let sink = CellSink { kind: TreeKind::Index, limits: PayloadLimits::NONE, cells };
            let put = sink.put(&entries, NumberedRows { rowids: records, order }, usize::MAX, arena);
            put.map_err(|row| Violation::new(row, "the row is too large for SQLite"))?;
        }
        Ok(())
    }
}

impl write::Encoder for KeyEncoder {
    type Encoded = EncodedKeys;

    fn encode(&mut self, rows: &Rows<'_>, encoded: &mut EncodedKeys) {
        let clear = |encoded: &mut EncodedKeys| (encoded.has_rowids, encoded.lacks_rowids) = (false, false);
        encoded.broken.clear();
        clear(encoded);
        let mut result = self.try_encode(rows, |row| record_of(rows, row), encoded);
        if let Err(violation) = result {
            let is_of_row = violation.cause == Cause::Row && !violation.is_left_to_sqlite;
            clear(encoded);
            result = match self.rejects_rows && is_of_row {
                true => self.encode_others(violation, rows, encoded),
                false => Err(violation),
            };
        }
        encoded.violation = result.err();
    }
}
