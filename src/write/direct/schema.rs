//! What SQLite made of a table's declaration: the tree roots, what each column does to its values, and whether the
//! direct path can do it all. SQLite is the authority: nothing here reads SQL.

use super::affinity::Affinity;
use crate::plan::Table;
use crate::write::quote_name;
use rusqlite::{Connection, Result, Row};

/// A table, as far as its rows depend on it.
#[derive(Debug)]
pub struct Schema {
    pub(super) page_bytes: usize,
    /// Pages that SQLite has made.
    pub(super) page_count: u32,
    pub(super) root: u32,
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
    /// The column that is an alias of the rowid (INTEGER PRIMARY KEY).
    pub(super) rowid_column: Option<usize>,
    pub(super) indexes: Vec<Index>,
    /// Names of the indexes that are left to SQLite.
    pub(super) left: Vec<String>,
    /// The largest row, in bytes.
    pub(super) max_row_bytes: usize,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) affinity: Affinity,
    pub(super) is_not_null: bool,
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) root: u32,
    pub(super) is_unique: bool,
    pub(super) keys: Vec<Key>,
}

/// A part of an index's key; the rowid follows them all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// The number of the column.
    pub(super) column: usize,
    pub(super) is_descending: bool,
}

impl Schema {
    /// Reads how the empty table `table` is to be filled; or the reason why the direct path can not do it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn read(connection: &Connection, table: &Table) -> Result<std::result::Result<Self, String>> {
        let name = table.name.as_str();
        let integer = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let encoding: String = connection.pragma_query_value(None, "encoding", |row| row.get(0))?;
        let is_strange =
            encoding != "UTF-8" || integer("auto_vacuum")? != 0 || integer("freelist_count")? != 0;
        let refusals = [
            (is_strange, "the database is not UTF-8, or not plain"),
            (count(connection, "pragma_table_list(?1) WHERE wr", name)? > 0, "the table is WITHOUT ROWID"),
            (count(connection, "pragma_table_list(?1) WHERE strict", name)? > 0, "the table is STRICT"),
            (
                count(connection, "sqlite_schema WHERE type = 'trigger' AND ?1", "1")? > 0,
                "there is a trigger",
            ),
            (
                count(connection, "sqlite_schema WHERE name = ?1", "sqlite_sequence")? > 0,
                "the table is AUTOINCREMENT",
            ),
            (count(connection, "pragma_foreign_key_list(?1)", name)? > 0, "the table has a foreign key"),
            (
                count(connection, "pragma_table_xinfo(?1) WHERE hidden", name)? > 0,
                "the table has a generated column",
            ),
            (has_check(connection, name)?, "the table has a CHECK constraint"),
            (has_conflict_clause(connection, name)?, "the table has an ON CONFLICT clause"),
            (
                count(
                    connection,
                    "pragma_index_list(?1) l, pragma_index_xinfo(l.name) x WHERE x.key AND x.coll <> 'BINARY'",
                    name,
                )? > 0,
                "an index has a collation other than BINARY",
            ),
        ];
        if let Some((_, reason)) = refusals.into_iter().find(|(applies, _)| *applies) {
            return Ok(Err(reason.to_owned()));
        }
        let columns =
            rows(connection, "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1)", name, |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, bool>(2)?,
                    row.get::<_, bool>(3)?,
                ))
            })?;
        if !columns.iter().map(|column| &column.0).eq(table.columns.iter().map(|column| &column.name)) {
            return Ok(Err("the table has columns that are not loaded".to_owned()));
        }
        let keys = columns.iter().filter(|column| column.3).count();
        let has_key_index = count(connection, "pragma_index_list(?1) WHERE origin = 'pk'", name)? > 0;
        let rowid_column =
            if keys == 1 && !has_key_index { columns.iter().position(|column| column.3) } else { None };
        let column = |(name, declared, is_not_null, _): (String, String, bool, bool)| Column {
            name,
            affinity: Affinity::of(&declared),
            is_not_null,
        };
        let mut schema = Self {
            page_bytes: integer("page_size")? as usize,
            page_count: integer("page_count")? as u32,
            root: connection.query_row(
                "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
                [name],
                |row| row.get(0),
            )?,
            table: name.to_owned(),
            columns: columns.into_iter().map(column).collect(),
            rowid_column,
            indexes: Vec::new(),
            left: Vec::new(),
            max_row_bytes: connection.limit(rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH)? as usize,
        };
        for (name, root, is_unique, is_partial) in rows(
            connection,
            "SELECT l.name, s.rootpage, l.\"unique\", l.partial FROM pragma_index_list(?1) l
             JOIN sqlite_schema s ON s.name = l.name AND s.type = 'index' ORDER BY s.rootpage",
            name,
            |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get::<_, bool>(3)?)),
        )? {
            let keys = rows(
                connection,
                "SELECT cid, \"desc\" FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno",
                &name,
                |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)),
            )?;
            let key = |(column, is_descending)| match (column, rowid_column) {
                (-1, Some(column)) => Some(Key { column, is_descending }),
                _ => usize::try_from(column).ok().map(|column| Key { column, is_descending }),
            };
            match keys.into_iter().map(key).collect() {
                Some(keys) if !is_partial => schema.indexes.push(Index { name, root, is_unique, keys }),
                _ => schema.left.push(name),
            }
        }
        Ok(Ok(schema))
    }

    /// The columns of an index or, without one, of the rowid, as SQLite names them in its messages.
    pub(super) fn columns_of(&self, index: Option<usize>) -> String {
        let name = |column: usize| format!("{}.{}", self.table, self.columns[column].name);
        match (index, self.rowid_column) {
            (Some(index), _) => {
                let keys = self.indexes[index].keys.iter();
                keys.map(|key| name(key.column)).collect::<Vec<_>>().join(", ")
            }
            (None, Some(column)) => name(column),
            (None, None) => format!("{}.rowid", self.table),
        }
    }
}

fn count(connection: &Connection, from: &str, argument: &str) -> Result<i64> {
    connection.query_row(&format!("SELECT count(*) FROM {from}"), [argument], |row| row.get(0))
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    argument: &str,
    row: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare(sql)?.query_map([argument], row)?.collect()
}

/// Whether a row is checked: whether the program that inserts one is another without the checks.
fn has_check(connection: &Connection, table: &str) -> Result<bool> {
    let with = insert_program(connection, "INSERT", table)?;
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    let without = insert_program(connection, "INSERT", table);
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    Ok(with != without?)
}

/// Whether a constraint does something else than end the statement: whether the program that inserts a row is
/// another if all of them must.
fn has_conflict_clause(connection: &Connection, table: &str) -> Result<bool> {
    let declared = insert_program(connection, "INSERT", table)?;
    Ok(declared != insert_program(connection, "INSERT OR ABORT", table)?)
}

/// The program that inserts a row into `table`: opcodes and operands, but for texts and comments.
fn insert_program(connection: &Connection, insert: &str, table: &str) -> Result<Vec<(String, [i64; 4])>> {
    let columns = count(connection, "pragma_table_info(?1)", table)?;
    let values = vec!["?"; columns as usize].join(",");
    let sql = format!("EXPLAIN {insert} INTO {} VALUES ({values})", quote_name(table));
    let mut statement = connection.prepare(&sql)?;
    // The columns: addr, opcode, p1, p2, p3, p4, p5, comment.
    let operation = |row: &Row<'_>| Ok((row.get(1)?, [row.get(2)?, row.get(3)?, row.get(4)?, row.get(6)?]));
    let nulls = vec![rusqlite::types::Null; columns as usize];
    statement.query_map(rusqlite::params_from_iter(nulls), operation)?.collect()
}
