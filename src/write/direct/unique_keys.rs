//! The unique keys of a table, and when rows with the same keys are left to SQLite.

use super::catalog::{ColumnSource, Schema};
use super::cell_order::CellOrder;
use super::duplicates::OnDuplicate;
use super::expressions::TableExpressions;
use super::indexes::Index;
use crate::plan::{OnConflict, Table};

/// The reason to leave duplicates to SQLite if the values of records change.
pub const OTHER_VALUES: &str =
    "rows have the same keys, and SQLite may compute other values in a second pass";

/// The reason to leave duplicates to SQLite if it chooses rowids that depend on which rows are left out, and that matter: others
/// are given, or an expression reads them.
pub(super) const CHOSEN_ROWIDS: &str = "rows have the same keys, and SQLite chooses some of the rowids";

/// True if an expression of the table reads the rowid.
pub(super) fn reads_rowid(schema: &Schema) -> bool {
    schema.expressions.as_ref().is_some_and(TableExpressions::reads_rowid)
}

/// A unique key.
#[derive(Debug)]
pub(super) struct UniqueKey {
    /// Its number among the indexes of the table; `None` for the rowid, and for the primary key of a WITHOUT ROWID table.
    pub(super) number: Option<usize>,
    /// True for the rowid.
    pub(super) is_rowid: bool,
    /// The order of the entries that the table has.
    pub(super) old_order: CellOrder,
    /// The columns of the key, and the number of a record.
    pub(super) index: Index,
}

impl UniqueKey {
    fn of_rowids(index: Index) -> Self {
        Self { number: None, is_rowid: true, old_order: CellOrder::Rowid, index }
    }

    fn of_index(number: Option<usize>, index: &Index) -> Self {
        Self { number, is_rowid: false, old_order: index.order(true), index: index.numbered() }
    }
}

/// The unique keys of a table in the order in which SQLite checks them, or why duplicates cannot be found.
pub(super) fn unique_keys(
    schema: &Schema,
    table: &Table,
    policy: OnDuplicate,
) -> std::result::Result<Vec<UniqueKey>, &'static str> {
    let rowid = schema.rowid_column.map(|column| Index::of_rowids(schema.root, column));
    let rowid = rowid.map(UniqueKey::of_rowids);
    let primary = schema.primary_key.as_ref().map(|index| UniqueKey::of_index(None, index));
    let unique = schema.indexes.iter().enumerate().filter(|(_, index)| index.is_unique);
    let indexes = unique.map(|(number, index)| UniqueKey::of_index(Some(number), index));
    let mut keys: Vec<_> = rowid.into_iter().chain(primary).chain(indexes).collect();
    keys.sort_by_key(|key| key.index.check_rank);
    let has_target = table.conflict_clause.as_ref().is_some_and(|clause| !clause.ignores_all());
    let mut columns =
        keys.iter().flat_map(|key| &key.index.keys).map(|key| &schema.columns[key.column].source);
    let is_repeatable = |source: &ColumnSource| match source {
        ColumnSource::Loaded(at) => table.columns[*at].value.is_repeatable(),
        ColumnSource::Default(_) | ColumnSource::Generated { .. } => true,
    };
    if !columns.all(is_repeatable) {
        Err(OTHER_VALUES)
    } else if schema.rowid_column.is_none() && reads_rowid(schema) {
        Err(CHOSEN_ROWIDS)
    } else if schema.has_deferred_unique() {
        Err("rows have the same keys, and a UNIQUE index is partial or on an expression")
    } else if (has_target || table.on_conflict == OnConflict::Update) && keys.len() != 1 {
        Err("ON CONFLICT names one of several keys")
    } else if let Some(reason) = schema.reason_against(policy, table) {
        Err(reason)
    } else if matches!(policy, OnDuplicate::Ignore | OnDuplicate::Update) && schema.sequence.is_some() {
        Err("ignored rows use up numbers of AUTOINCREMENT")
    } else {
        Ok(keys)
    }
}
