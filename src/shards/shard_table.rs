//! The table of a shard as SQLite describes it.

use crate::error::{Error, Result};
use crate::plan::{Column, Expr, IfExists, Table, Type};
use crate::schema::ddl::{quote_name, quote_names};
use crate::types::register_math_functions;
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// A table with its indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShardTable {
    /// The columns that take values: all except generated columns.
    pub(super) columns: Vec<String>,
    /// Their declared types, in the same order.
    declared_types: Vec<String>,
    /// The CREATE TABLE statement, followed by the CREATE INDEX statements.
    pub(super) schema: Vec<String>,
}

impl ShardTable {
    /// Reads the table `name`; `None` if there is no such table.
    ///
    /// # Errors
    /// The error of SQLite.
    pub(super) fn read(connection: &Connection, name: &str) -> rusqlite::Result<Option<Self>> {
        let texts = |sql: &str| -> rusqlite::Result<Vec<String>> {
            connection.prepare(sql)?.query_map([name], |row| row.get(0))?.collect()
        };
        let schema = texts(
            "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL
            AND type IN ('table', 'index') ORDER BY type = 'index', rowid",
        )?;
        let columns = texts("SELECT name FROM pragma_table_info(?1)")?;
        let declared_types = texts("SELECT type FROM pragma_table_info(?1)")?;
        Ok((!schema.is_empty()).then_some(Self { columns, declared_types, schema }))
    }

    /// The table `name` that these statements create, with another name in place of its own. Messages name the manifest `path`.
    ///
    /// # Errors
    /// [`Kind::Sqlite`](crate::Kind::Sqlite).
    pub(super) fn renamed(
        schema: &[String],
        name: &str,
        new_name: &str,
        path: &Path,
    ) -> Result<Option<Self>> {
        if schema.is_empty() {
            return Ok(None);
        }
        let read = || {
            let scratch = Connection::open_in_memory()?;
            register_math_functions(&scratch)?;
            schema.iter().try_for_each(|sql| scratch.execute_batch(sql))?;
            if !name.eq_ignore_ascii_case(new_name) {
                let (old, new) = (quote_name(name), quote_name(new_name));
                scratch.execute_batch(&format!("ALTER TABLE {old} RENAME TO {new}"))?;
            }
            Self::read(&scratch, new_name)
        };
        read().map_err(|source| Error::sqlite("read the schema of", path, source))
    }

    /// True if the table has a unique key of exactly these columns, for all of its rows.
    ///
    /// # Errors
    /// The error of SQLite.
    pub(super) fn has_key(connection: &Connection, name: &str, columns: &[String]) -> rusqlite::Result<bool> {
        let sql =
            "SELECT 1 FROM pragma_index_list(?1) AS list WHERE list.\"unique\" AND NOT list.partial AND ?2 =
            (SELECT group_concat(name, char(0)) FROM pragma_index_info(list.name))";
        let found = connection.query_row(sql, [name, &columns.join("\0")], |_| Ok(())).optional()?;
        Ok(found.is_some())
    }

    /// The statement that selects the rows in the order of their keys, from the table `name`.
    pub(super) fn select(&self, name: &str) -> String {
        // An index may have all columns, but not in this order.
        format!("SELECT {} FROM {} NOT INDEXED", quote_names(&self.columns), quote_name(name))
    }

    /// A table that takes the rows of this one unchanged.
    pub(super) fn target(mut self, name: &str, if_exists: IfExists) -> Table {
        let columns = self.columns.into_iter().zip(self.declared_types);
        let columns = columns.map(|(name, declared)| {
            let value = Expr::Value(name.clone(), Type::Blob);
            Column::new(name, declared, value)
        });
        let mut table = Table::new(name, columns.collect());
        table.indexes = self.schema.split_off(1);
        table.sql = self.schema.pop();
        table.if_exists = if_exists;
        table
    }
}
