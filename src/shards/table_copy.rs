//! Copies the rows of each key from one table to a database of its own, through SQLite.

use super::ShardKey;
use crate::error::{ColumnUse, Error, Kind, Result};
use crate::schema::ddl::{quote_name, quote_names};
use rusqlite::{Connection, Row, params_from_iter};
use std::path::{Path, PathBuf};

/// The index by key that the source gets.
const INDEX: &str = "sqload shards";

/// The memory of each connection for pages, in KiB.
const CACHE_KIB: u32 = 16 << 10;

/// A table with an index by the columns of the key.
#[derive(Debug)]
pub(super) struct KeyedTable {
    path: PathBuf,
    table: String,
    columns: Vec<String>,
    /// The columns of the key, as they are written in the table.
    key_columns: Vec<String>,
    /// Creates the table and its indexes.
    schema: Vec<String>,
    page_bytes: u32,
}

impl KeyedTable {
    /// Adds an index by `key_columns` to `table` of the database at `path`, which nobody else uses.
    ///
    /// # Errors
    /// [`Kind::NoSuchColumn`]; [`Kind::Sqlite`].
    pub(super) fn open(path: &Path, table: &str, key_columns: &[String]) -> Result<Self> {
        let failed = |source| Error::sqlite("read", path, source);
        let connection = Connection::open(path).map_err(failed)?;
        let texts = |sql: &str| -> rusqlite::Result<Vec<String>> {
            connection.prepare(sql)?.query_map([table], |row| row.get(0))?.collect()
        };
        let columns = texts("SELECT name FROM pragma_table_info(?1)").map_err(failed)?;
        let schema = "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL
            AND type IN ('table', 'index') ORDER BY type = 'index', rowid";
        let schema = texts(schema).map_err(failed)?;
        let find = |name: &String| {
            let found = columns.iter().find(|column| column.eq_ignore_ascii_case(name));
            found.cloned().ok_or_else(|| {
                let (column, found) = (name.clone(), columns.clone());
                Error::from(Kind::NoSuchColumn { column_use: ColumnUse::Shards, column, found })
            })
        };
        let key_columns = key_columns.iter().map(find).collect::<Result<Vec<_>>>()?;
        let page_bytes =
            connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(failed)?;
        let keyed =
            Self { path: path.to_owned(), table: table.to_owned(), columns, key_columns, schema, page_bytes };
        if !keyed.key_columns.is_empty() {
            let index = format!(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB};
                CREATE INDEX {} ON {} ({})",
                quote_name(INDEX),
                quote_name(table),
                keyed.key_texts().join(", ")
            );
            connection.execute_batch(&index).map_err(|source| Error::sqlite("index", path, source))?;
        }
        Ok(keyed)
    }

    /// The columns of the key.
    pub(super) fn key_columns(&self) -> &[String] {
        &self.key_columns
    }

    /// All keys, in their order, and the number of rows of each.
    ///
    /// # Errors
    /// [`Kind::Sqlite`].
    pub(super) fn keys(&self) -> Result<Vec<(ShardKey, u64)>> {
        let texts = self.key_texts();
        let list = texts.iter().map(|text| format!("{text}, ")).collect::<String>();
        let grouping = match texts.is_empty() {
            true => "HAVING count(*) > 0".to_owned(),
            false => format!("GROUP BY {0} ORDER BY {0}", texts.join(", ")),
        };
        let sql =
            format!("SELECT {list}count(*) FROM {}{} {grouping}", quote_name(&self.table), self.indexed());
        let key = |row: &Row<'_>| -> rusqlite::Result<(ShardKey, u64)> {
            let value =
                |(at, column): (usize, &String)| Ok((column.clone(), row.get::<_, Option<String>>(at)?));
            let values =
                self.key_columns.iter().enumerate().map(value).collect::<rusqlite::Result<Vec<_>>>()?;
            let rows: i64 = row.get(self.key_columns.len())?;
            Ok((ShardKey::columns(values), rows.unsigned_abs()))
        };
        let keys = || -> rusqlite::Result<Vec<_>> {
            Connection::open(&self.path)?.prepare(&sql)?.query_map([], key)?.collect()
        };
        keys().map_err(|source| Error::sqlite("read", &self.path, source))
    }

    /// Copies the rows with this key into the new database `to`, with the keys and indexes of the table. Returns their number.
    ///
    /// # Errors
    /// [`Kind::Sqlite`].
    pub(super) fn copy(&self, key: &ShardKey, to: &Path) -> Result<u64> {
        let values: &[_] = match key {
            ShardKey::Columns(columns) => columns,
            ShardKey::Bucket(_) => return Err(Kind::Internal("the table has no buckets".to_owned()).into()),
        };
        let conditions: Vec<_> = self.key_texts().iter().map(|text| format!("{text} IS ?")).collect();
        let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
        let (table, columns) = (quote_name(&self.table), quote_names(&self.columns));
        let insert = format!(
            "INSERT INTO main.{table} ({columns}) SELECT {columns} FROM source.{table}{} WHERE {condition}",
            self.indexed()
        );
        let copy = || -> rusqlite::Result<usize> {
            let connection = Connection::open(to)?;
            connection.execute_batch(&format!(
                "PRAGMA page_size = {}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                PRAGMA cache_size = -{CACHE_KIB}",
                self.page_bytes
            ))?;
            connection.execute("ATTACH ? AS source", [self.path.to_string_lossy()])?;
            let (first, indexes) = self.schema.split_at(1);
            connection.execute_batch(&format!("BEGIN; {}", first.concat()))?;
            let rows =
                connection.execute(&insert, params_from_iter(values.iter().map(|(_, value)| value)))?;
            indexes.iter().try_for_each(|sql| connection.execute_batch(sql))?;
            connection.execute_batch("COMMIT")?;
            connection.close().map_err(|(_, error)| error)?;
            Ok(rows)
        };
        copy().map(|rows| rows as u64).map_err(|source| Error::sqlite("write", to, source))
    }

    /// The texts of the key, by which rows are grouped: two values with the same text are in the same shard.
    fn key_texts(&self) -> Vec<String> {
        self.key_columns.iter().map(|column| format!("CAST({} AS TEXT)", quote_name(column))).collect()
    }

    fn indexed(&self) -> String {
        if self.key_columns.is_empty() { String::new() } else { format!(" INDEXED BY {}", quote_name(INDEX)) }
    }
}
