//! Copies the rows of each key from one table to a database of its own, through SQLite.

use super::ShardKey;
use super::shard_table::ShardTable;
use crate::database::{immutable_uri, interrupt_on, open_immutable};
use crate::error::{ColumnUse, Error, Kind, Result};
use crate::schema::ddl::{quote_name, quote_names};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The index by key that the source gets.
const INDEX: &str = "sqload shards";

/// The SQL function of texts that returns the number of their bucket.
const BUCKET: &str = "sqload_bucket";

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
    /// The number of hash buckets, if they are the keys.
    buckets: Option<NonZeroU32>,
    /// Creates the table and its indexes.
    schema: Vec<String>,
    page_bytes: u32,
    stop: Arc<AtomicBool>,
}

impl KeyedTable {
    /// Opens the database at `path`, which no one else has open, and indexes `table` by `key_columns` or by their bucket.
    ///
    /// # Errors
    /// [`Kind::NoSuchColumn`]; [`Kind::Sqlite`], also soon after `stop` is set.
    pub(super) fn open(
        path: &Path,
        table: &str,
        (key_columns, buckets): (&[String], Option<NonZeroU32>),
        stop: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let failed = |source| Error::sqlite("read", path, source);
        let connection = Connection::open(path).map_err(failed)?;
        let found = ShardTable::read(&connection, table).map_err(failed)?;
        let Some(ShardTable { columns, schema, .. }) = found else {
            return Err(Kind::Internal(format!("the load has created no table {table:?}")).into());
        };
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
        let (path, table, stop) = (path.to_owned(), table.to_owned(), stop.clone());
        let keyed = Self { path, table, columns, key_columns, buckets, schema, page_bytes, stop };
        keyed.index(connection).map_err(|source| Error::sqlite("index", &keyed.path, source))?;
        Ok(keyed)
    }

    /// Creates the index by key.
    fn index(&self, connection: Connection) -> rusqlite::Result<()> {
        if self.key_columns.is_empty() {
            return Ok(());
        }
        self.prepare(connection)?.execute_batch(&format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB};
            CREATE INDEX {} ON {} ({})",
            quote_name(INDEX),
            quote_name(&self.table),
            self.key_values().join(", ")
        ))
    }

    /// The statements that create the table and its indexes.
    pub(super) fn schema(&self) -> &[String] {
        &self.schema
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
        let values = self.key_values();
        let list = values.iter().map(|value| format!("{value}, ")).collect::<String>();
        let grouping = match values.is_empty() {
            true => "HAVING count(*) > 0".to_owned(),
            false => format!("GROUP BY {0} ORDER BY {0}", values.join(", ")),
        };
        let sql =
            format!("SELECT {list}count(*) FROM {}{} {grouping}", quote_name(&self.table), self.indexed());
        let key = |row: &Row<'_>| -> rusqlite::Result<(ShardKey, u64)> {
            let key = match self.buckets {
                Some(_) => ShardKey::Bucket(row.get(0)?),
                None => {
                    let value = |(at, column): (usize, &String)| Ok((column.clone(), row.get(at)?));
                    let columns = self.key_columns.iter().enumerate().map(value);
                    ShardKey::Columns(columns.collect::<rusqlite::Result<_>>()?)
                }
            };
            let rows: i64 = row.get(values.len())?;
            Ok((key, rows.unsigned_abs()))
        };
        let keys = || -> rusqlite::Result<Vec<_>> {
            self.prepare(open_immutable(&self.path)?)?.prepare(&sql)?.query_map([], key)?.collect()
        };
        keys().map_err(|source| Error::sqlite("read", &self.path, source))
    }

    /// Copies the rows with this key into the new database `to`, with the keys and indexes of the table. Returns their number.
    ///
    /// # Errors
    /// [`Kind::Sqlite`].
    pub(super) fn copy(&self, key: &ShardKey, to: &Path) -> Result<u64> {
        let values: Vec<_> = match key {
            ShardKey::Columns(columns) => columns.iter().map(|(_, text)| Value::from(text.clone())).collect(),
            ShardKey::Bucket(bucket) => vec![Value::from(*bucket)],
        };
        let conditions: Vec<_> = self.key_values().iter().map(|value| format!("{value} IS ?")).collect();
        let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
        let (table, columns) = (quote_name(&self.table), quote_names(&self.columns));
        let insert = format!(
            "INSERT INTO main.{table} ({columns}) SELECT {columns} FROM source.{table}{} WHERE {condition}",
            self.indexed()
        );
        let copy = || -> rusqlite::Result<usize> {
            let connection = self.prepare(Connection::open(to)?)?;
            connection.execute_batch(&format!(
                "PRAGMA page_size = {}; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF;
                PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB}",
                self.page_bytes
            ))?;
            connection.execute("ATTACH ? AS source", [immutable_uri(&self.path)])?;
            let (first, indexes) = self.schema.split_at(1);
            connection.execute_batch(&format!("BEGIN; {}", first.concat()))?;
            let rows = connection.execute(&insert, params_from_iter(values))?;
            indexes.iter().try_for_each(|sql| connection.execute_batch(sql))?;
            connection.execute_batch("COMMIT")?;
            connection.close().map_err(|(_, error)| error)?;
            Ok(rows)
        };
        copy().map(|rows| rows as u64).map_err(|source| Error::sqlite("write", to, source))
    }

    /// The values by which rows are grouped: the texts of the key columns, so that two values with the same text are in the same
    /// shard, or their bucket.
    fn key_values(&self) -> Vec<String> {
        let texts = self.key_columns.iter().map(|column| format!("CAST({} AS TEXT)", quote_name(column)));
        match self.buckets {
            None => texts.collect(),
            Some(_) => vec![format!("{BUCKET}({})", texts.collect::<Vec<_>>().join(", "))],
        }
    }

    /// The connection, with the function that the index may need, and whose statements end soon after the stop flag is set.
    fn prepare(&self, mut connection: Connection) -> rusqlite::Result<Connection> {
        interrupt_on(&mut connection, self.stop.clone())?;
        if let Some(buckets) = self.buckets {
            let bucket = move |context: &Context<'_>| -> rusqlite::Result<Option<u32>> {
                let texts = (0..context.len()).map(|at| context.get(at));
                let texts = texts.collect::<rusqlite::Result<Vec<Option<String>>>>()?;
                let key = ShardKey::hashed(texts.iter().map(Option::as_deref), buckets);
                Ok(if let ShardKey::Bucket(bucket) = key { Some(bucket) } else { None })
            };
            let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
            connection.create_scalar_function(BUCKET, -1, flags, bucket)?;
        }
        Ok(connection)
    }

    fn indexed(&self) -> String {
        if self.key_columns.is_empty() { String::new() } else { format!(" INDEXED BY {}", quote_name(INDEX)) }
    }
}
