//! The columns that keep their values when rows are updated: those that are not loaded, and those that ON CONFLICT DO UPDATE does
//! not set. An updated row is made of its old record and of the new one.

use super::catalog::{ColumnSource, Schema, TableColumn};
use super::cells::{Cells, PayloadLimits, TreeKind};
use super::layout::CellSink;
use super::record::Fields;
use super::text_encoding::TextEncoding;
use crate::batch::Value;
use crate::plan::{ConflictClause, Table};
use std::sync::Arc;

/// The columns of a table that updates keep.
#[derive(Debug)]
pub(super) struct KeptColumns {
    schema: Arc<Schema>,
    /// For each column, whether it is kept.
    is_kept: Vec<bool>,
}

/// For each column of the schema of `table`, whether updates keep it.
pub(super) fn find_kept(schema: &Schema, table: &Table) -> Vec<bool> {
    let key = schema.key_columns();
    let assigned = table.conflict_clause.as_ref().and_then(ConflictClause::assigned);
    let is_assigned = |name: &str| {
        assigned.is_none_or(|assigned| assigned.iter().any(|column| column.eq_ignore_ascii_case(name)))
    };
    let is_kept = |(at, column): (usize, &TableColumn)| match column.source {
        _ if key.contains(&at) => false,
        ColumnSource::Default(_) => true,
        ColumnSource::Loaded(_) => !is_assigned(&column.name),
        ColumnSource::Generated { .. } => false,
    };
    schema.columns.iter().enumerate().map(is_kept).collect()
}

impl KeptColumns {
    /// The columns that updates of `table` keep; nothing if there are none.
    pub(super) fn new(schema: &Arc<Schema>, table: &Table) -> Option<Self> {
        let is_kept = find_kept(schema, table);
        is_kept.contains(&true).then(|| Self { schema: schema.clone(), is_kept })
    }

    /// True if one of these columns is kept.
    pub(super) fn contain_any(&self, mut columns: impl Iterator<Item = usize>) -> bool {
        columns.any(|column| self.is_kept[column])
    }

    /// True if a column is kept although it is loaded.
    pub(super) fn contain_loaded(&self) -> bool {
        let columns = self.schema.columns.iter().zip(&self.is_kept);
        columns
            .into_iter()
            .any(|(column, is_kept)| *is_kept && matches!(column.source, ColumnSource::Loaded(_)))
    }

    /// The cell of a row with the kept values of the record `old`, and all other values of the record `new`; nothing if it is not
    /// known here: the old record may lack columns that were added later, whose values SQLite takes from their default.
    pub(super) fn update(&self, rowid: i64, old: &[u8], new: &[u8], limits: PayloadLimits) -> Option<Cells> {
        let mut old = Fields::new(old);
        let mut values = Vec::with_capacity(self.is_kept.len());
        for ((column, is_kept), new) in self.schema.columns.iter().zip(&self.is_kept).zip(Fields::new(new)) {
            let old = match (old.next(), &column.source) {
                (Some(value), _) => Some(value),
                (None, ColumnSource::Default(default)) => match default.get() {
                    Value::Text(_) if self.schema.encoding != TextEncoding::Utf8 => None,
                    value => Some(value),
                },
                (None, _) => None,
            };
            values.push(if *is_kept { old? } else { new });
        }
        let mut cells = Cells::default();
        let mut sink = CellSink { kind: TreeKind::Table, limits, cells: &mut cells };
        let max_bytes = self.schema.max_row_bytes;
        (sink.push_row(values.iter().copied(), rowid, max_bytes) <= max_bytes).then_some(cells)
    }
}
