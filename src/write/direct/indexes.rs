//! Indexes, and the keys of WITHOUT ROWID tables, as SQLite has understood them (file format 2.4, 2.5).
//!
//! | entries of | columns |
//! |---|---|
//! | an index | the key, the rowid |
//! | a WITHOUT ROWID table | the primary key, all other columns that rows contain |
//! | an index on a WITHOUT ROWID table | the key, the columns of the primary key that are missing |

use super::catalog::rows;
use super::cell_order::CellOrder;
use super::collation::{Collation, KeyOrder};
use crate::batch::Values;
use rusqlite::{Connection, OptionalExtension, Result, Row};

/// A tree of entries.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) root: u32,
    pub(super) is_unique: bool,
    /// SQLite checks indexes in the order of these numbers.
    pub(super) check_rank: i64,
    /// The columns that decide the order: the key, and those of the primary key of a WITHOUT ROWID table.
    pub(super) keys: Vec<KeyColumn>,
    /// How many of them are the key.
    declared: usize,
    /// Columns after those, in the tree of a WITHOUT ROWID table.
    others: Vec<usize>,
    has_rowid: bool,
}

/// An index that SQLite builds.
#[derive(Debug)]
pub(super) struct DeferredIndex {
    pub(super) name: String,
    pub(super) is_unique: bool,
}

/// A column of an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyColumn {
    /// The index of the column in the table.
    pub(super) column: usize,
    pub(super) order: KeyOrder,
}

impl Index {
    /// The rowids of a table as keys, which are in the column `rowid_column`.
    pub(super) fn of_rowids(root: u32, rowid_column: usize) -> Self {
        let order = KeyOrder { is_descending: false, collation: Collation::Binary };
        let keys = vec![KeyColumn { column: rowid_column, order }];
        let (name, others) = Default::default();
        Self { name, root, is_unique: true, check_rank: -1, keys, declared: 1, others, has_rowid: true }
    }

    /// The key alone, followed by a number: that of the row, or of its record.
    pub(super) fn numbered(&self) -> Self {
        let keys = self.declared().to_vec();
        Self { keys, others: Vec::new(), has_rowid: true, ..self.clone() }
    }

    /// The columns of the key.
    pub(super) fn declared(&self) -> &[KeyColumn] {
        &self.keys[..self.declared]
    }

    /// The order of its cells.
    pub(super) fn cell_order(&self) -> CellOrder {
        self.order(self.is_unique)
    }

    /// The same if the key `is_unique`, or need not be.
    pub(super) fn order(&self, is_unique: bool) -> CellOrder {
        let keys = self.keys.iter().map(|key| key.order).collect();
        let unique_keys = if is_unique { self.declared } else { 0 };
        CellOrder::Key { keys, unique_keys, has_rowid: self.has_rowid }
    }

    /// The columns of its entries, from those of the table and the rowids.
    pub(super) fn values<'a>(&self, columns: &[Values<'a>], rowids: &'a [i64]) -> Vec<Values<'a>> {
        let all = self.keys.iter().map(|key| key.column).chain(self.others.iter().copied());
        let rowids = self.has_rowid.then_some(Values::Integers(rowids));
        all.map(|column| columns[column]).chain(rowids).collect()
    }
}

/// The primary key of a WITHOUT ROWID table, whose tree is at `root`; nothing for other tables.
pub(super) fn read_primary_key(connection: &Connection, table: &str, root: u32) -> Result<Option<Index>> {
    const NAME: &str = "SELECT l.name, l.seq FROM pragma_table_list(?1) t, pragma_index_list(?1) l
        WHERE t.wr AND t.schema = 'main' AND l.origin = 'pk'";
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
    let Some((name, check_rank)) = connection.query_row(NAME, [table], read).optional()? else {
        return Ok(None);
    };
    let columns = columns(connection, &name, None)?;
    let declared = columns.iter().take_while(|(_, is_declared)| *is_declared).count();
    let mut keys: Vec<_> = columns.into_iter().filter_map(|(key, _)| key).collect();
    let others = keys.split_off(declared).iter().map(|key| key.column).collect();
    Ok(Some(Index { name, root, is_unique: true, check_rank, keys, declared, others, has_rowid: false }))
}

/// The indexes of a table, and those that SQLite builds: partial ones, and those with expressions. `rowid_column` is the rowid.
pub(super) fn read_indexes(
    connection: &Connection,
    table: &str,
    rowid_column: Option<usize>,
    has_rowid: bool,
) -> Result<(Vec<Index>, Vec<DeferredIndex>)> {
    const INDEXES: &str =
        "SELECT l.name, s.rootpage, l.\"unique\", l.partial, l.seq FROM pragma_index_list(?1) l
        JOIN sqlite_schema s ON s.name = l.name AND s.type = 'index' ORDER BY s.rootpage";
    let index = |row: &Row<'_>| {
        let name: String = row.get(0)?;
        Ok((name, row.get(1)?, row.get(2)?, row.get::<_, bool>(3)?, row.get(4)?))
    };
    let (mut indexes, mut deferred) = (Vec::new(), Vec::new());
    for (name, root, is_unique, is_partial, check_rank) in rows(connection, INDEXES, table, index)? {
        let mut columns = columns(connection, &name, rowid_column)?;
        if has_rowid {
            // The rowid is the last one.
            columns.retain(|(_, is_declared)| *is_declared);
        }
        let declared = columns.iter().filter(|(_, is_declared)| *is_declared).count();
        let keys: Option<Vec<_>> = columns.into_iter().map(|(key, _)| key).collect();
        match keys {
            Some(keys) if !is_partial => {
                let others = Vec::new();
                indexes.push(Index { name, root, is_unique, check_rank, keys, declared, others, has_rowid });
            }
            _ => deferred.push(DeferredIndex { name, is_unique }),
        }
    }
    Ok((indexes, deferred))
}

/// The columns of an index, and whether each is part of its key; nothing for an expression.
fn columns(
    connection: &Connection,
    index: &str,
    rowid_column: Option<usize>,
) -> Result<Vec<(Option<KeyColumn>, bool)>> {
    const COLUMNS: &str = "SELECT cid, \"desc\", coll, key FROM pragma_index_xinfo(?1) ORDER BY seqno";
    let column = |row: &Row<'_>| {
        // Others are refused before.
        let collation = Collation::from_name(&row.get::<_, String>(2)?).unwrap_or(Collation::Binary);
        let order = KeyOrder { is_descending: row.get(1)?, collation };
        let column = match row.get::<_, i64>(0)? {
            // -1 is the rowid, -2 an expression.
            -1 => rowid_column,
            column => usize::try_from(column).ok(),
        };
        Ok((column.map(|column| KeyColumn { column, order }), row.get(3)?))
    };
    rows(connection, COLUMNS, index, column)
}
