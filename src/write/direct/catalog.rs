//! The schema of a table as SQLite has understood it: tree roots, column affinities, indexes, and whether the direct
//! path supports all of it. SQLite is the authority: nothing here parses SQL.

use crate::error::Error;
use crate::plan::{OnConflict, Table};
use crate::schema::ddl::{create_table_sql, quote_name};
use crate::types::{ColumnAffinity, register_math_functions};
use rusqlite::{Connection, Result, Row};
use std::path::Path;

/// The parts of a table's schema that its rows depend on.
#[derive(Debug)]
pub struct Schema {
    pub(super) page_bytes: usize,
    /// Pages of the database so far.
    pub(super) page_count: u32,
    pub(super) root: u32,
    pub(super) table: String,
    pub(super) columns: Vec<TableColumn>,
    /// The column that is an alias of the rowid (INTEGER PRIMARY KEY).
    pub(super) rowid_column: Option<usize>,
    pub(super) indexes: Vec<Index>,
    /// Names of the indexes that SQLite builds.
    pub(super) deferred: Vec<String>,
    /// The size limit of a row in bytes.
    pub(super) max_row_bytes: usize,
}

#[derive(Debug)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) affinity: ColumnAffinity,
    pub(super) is_not_null: bool,
    is_key: bool,
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) root: u32,
    pub(super) is_unique: bool,
    pub(super) keys: Vec<KeyColumn>,
}

/// A column of an index key. The rowid follows the last one.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyColumn {
    /// The index of the column in the table.
    pub(super) column: usize,
    pub(super) is_descending: bool,
}

impl Schema {
    /// Reads the schema of `table`, which exists, or returns the reason why the direct path cannot fill it.
    ///
    /// # Errors
    /// The error of SQLite.
    pub fn read(connection: &Connection, table: &Table) -> Result<std::result::Result<Self, String>> {
        let name = table.name.as_str();
        if let Some(reason) = unsupported_feature(connection, name)? {
            return Ok(Err(reason.to_owned()));
        }
        let columns = columns(connection, name)?;
        if !columns.iter().map(|column| &column.name).eq(table.columns.iter().map(|column| &column.name)) {
            return Ok(Err("the table has columns that are not loaded".to_owned()));
        }
        let may_change_rows = table.on_conflict != OnConflict::Reject || table.conflict_clause.is_some();
        let has_rows = format!("SELECT EXISTS (SELECT 1 FROM {})", quote_name(name));
        if may_change_rows && connection.query_row(&has_rows, [], |row| row.get(0))? {
            return Ok(Err("the table has rows that may have the same keys".to_owned()));
        }
        let integer = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        // A primary key without an index is the rowid.
        let is_rowid = count(connection, "pragma_index_list(?1) WHERE origin = 'pk'", name)? == 0;
        let rowid_column = columns.iter().position(|column| column.is_key).filter(|_| is_rowid);
        let mut schema = Self {
            page_bytes: integer("page_size")? as usize,
            page_count: integer("page_count")? as u32,
            root: connection.query_row(
                "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
                [name],
                |row| row.get(0),
            )?,
            table: name.to_owned(),
            columns,
            rowid_column,
            indexes: Vec::new(),
            deferred: Vec::new(),
            max_row_bytes: connection.limit(rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH)? as usize,
        };
        schema.read_indexes(connection)?;
        Ok(Ok(schema))
    }

    /// Checks that the direct path can fill `table`, which exists in the database of `filled` or is created; if not, returns the
    /// reason. Messages name the database `path`.
    ///
    /// # Errors
    /// [`crate::Kind::Sqlite`] if SQLite cannot create or read the table.
    pub fn check(
        table: &Table,
        filled: Option<&Connection>,
        path: &Path,
    ) -> crate::Result<std::result::Result<(), String>> {
        let read = || match filled {
            Some(connection) => Self::read(connection, table),
            None => {
                let scratch = Connection::open_in_memory()?;
                register_math_functions(&scratch)?;
                scratch.execute_batch(&create_table_sql(table))?;
                table.indexes.iter().try_for_each(|sql| scratch.execute_batch(sql))?;
                Self::read(&scratch, table)
            }
        };
        let read =
            read().map_err(|source| Error::sqlite(format!("make table {:?} in", table.name), path, source));
        Ok(read?.map(drop))
    }

    fn read_indexes(&mut self, connection: &Connection) -> Result<()> {
        const INDEXES: &str =
            "SELECT l.name, s.rootpage, l.\"unique\", l.partial FROM pragma_index_list(?1) l
            JOIN sqlite_schema s ON s.name = l.name AND s.type = 'index' ORDER BY s.rootpage";
        const KEYS: &str = "SELECT cid, \"desc\" FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno";
        let index =
            |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get::<_, bool>(3)?));
        for (name, root, is_unique, is_partial) in rows(connection, INDEXES, &self.table, index)? {
            let key = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
            let keys = rows(connection, KEYS, &name, key)?;
            let key = |(column, is_descending)| match (usize::try_from(column), self.rowid_column) {
                (Ok(column), _) => Some(KeyColumn { column, is_descending }),
                // -1 is the rowid, -2 an expression.
                (Err(_), Some(column_of_rowid)) if column == -1 => {
                    Some(KeyColumn { column: column_of_rowid, is_descending })
                }
                _ => None,
            };
            match keys.into_iter().map(key).collect() {
                Some(keys) if !is_partial => self.indexes.push(Index { name, root, is_unique, keys }),
                _ => self.deferred.push(name),
            }
        }
        Ok(())
    }

    /// The message of SQLite for two rows with the same key in an index or, for `None`, with the same rowid.
    pub(super) fn duplicate_message(&self, index: Option<usize>) -> String {
        let name = |column: usize| format!("{}.{}", self.table, self.columns[column].name);
        let columns = match (index, self.rowid_column) {
            (Some(index), _) => {
                let keys = self.indexes[index].keys.iter();
                keys.map(|key| name(key.column)).collect::<Vec<_>>().join(", ")
            }
            (None, Some(column)) => name(column),
            (None, None) => format!("{}.rowid", self.table),
        };
        format!("UNIQUE constraint failed: {columns}")
    }
}

/// The first reason why the direct path cannot fill a table.
fn unsupported_feature(connection: &Connection, table: &str) -> Result<Option<&'static str>> {
    const REASONS: [(&str, &str); 6] = [
        ("pragma_table_list(?1) WHERE wr", "the table is WITHOUT ROWID"),
        ("pragma_table_list(?1) WHERE strict", "the table is STRICT"),
        ("sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE", "the table has a trigger"),
        ("pragma_foreign_key_list(?1)", "the table has a foreign key"),
        ("pragma_table_xinfo(?1) WHERE hidden", "the table has a generated column"),
        (
            "pragma_index_list(?1) l, pragma_index_xinfo(l.name) x WHERE x.key AND x.coll <> 'BINARY'",
            "an index has a collation other than BINARY",
        ),
    ];
    for (from, reason) in REASONS {
        if count(connection, from, table)? > 0 {
            return Ok(Some(reason));
        }
    }
    Ok(if is_autoincrement(connection, table)? {
        Some("the table is AUTOINCREMENT")
    } else if has_check(connection, table)? {
        Some("the table has a CHECK constraint")
    } else if has_conflict_clause(connection, table)? {
        Some("the table has an ON CONFLICT clause")
    } else {
        None
    })
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<TableColumn>> {
    let column = |row: &Row<'_>| {
        Ok(TableColumn {
            name: row.get(0)?,
            affinity: ColumnAffinity::from_declared_type(&row.get::<_, String>(1)?),
            is_not_null: row.get(2)?,
            is_key: row.get(3)?,
        })
    };
    rows(connection, "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1)", table, column)
}

fn count(connection: &Connection, from: &str, argument: &str) -> Result<i64> {
    connection.query_row(&format!("SELECT count(*), ?1 FROM {from}"), [argument], |row| row.get(0))
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    argument: &str,
    row: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare(sql)?.query_map([argument], row)?.collect()
}

/// True if the table has CHECK constraints: the program that inserts a row differs when they are ignored.
fn has_check(connection: &Connection, table: &str) -> Result<bool> {
    let with = insert_program(connection, "INSERT", table)?;
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    let without = insert_program(connection, "INSERT", table);
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    Ok(with != without?)
}

/// True if the INTEGER PRIMARY KEY is AUTOINCREMENT: the program that inserts a row remembers the largest rowid.
fn is_autoincrement(connection: &Connection, table: &str) -> Result<bool> {
    let program = insert_program(connection, "INSERT", table)?;
    Ok(program.iter().any(|(operation, [_, _, remembered, _])| operation == "NewRowid" && *remembered != 0))
}

/// True if a constraint has an ON CONFLICT clause: the program that inserts a row differs from that of INSERT OR
/// ABORT.
fn has_conflict_clause(connection: &Connection, table: &str) -> Result<bool> {
    let declared = insert_program(connection, "INSERT", table)?;
    Ok(declared != insert_program(connection, "INSERT OR ABORT", table)?)
}

/// The bytecode that inserts a row into `table`: opcodes and operands without texts and comments.
fn insert_program(connection: &Connection, insert: &str, table: &str) -> Result<Vec<(String, [i64; 4])>> {
    let columns = count(connection, "pragma_table_info(?1)", table)?;
    let values = vec!["?"; columns as usize].join(",");
    let sql = format!("EXPLAIN {insert} INTO {} VALUES ({values})", quote_name(table));
    let mut statement = connection.prepare(&sql)?;
    // EXPLAIN returns addr, opcode, p1, p2, p3, p4, p5, comment.
    let operation = |row: &Row<'_>| Ok((row.get(1)?, [row.get(2)?, row.get(3)?, row.get(4)?, row.get(6)?]));
    let nulls = vec![rusqlite::types::Null; columns as usize];
    statement.query_map(rusqlite::params_from_iter(nulls), operation)?.collect()
}
