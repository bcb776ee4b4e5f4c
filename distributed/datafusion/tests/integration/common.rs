//! What the tests share.

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::error::Result;
use datafusion::prelude::{CsvReadOptions, SessionConfig, SessionContext};
use rusqlite::Connection;
use rusqlite::types::Value;
use sqload::shards::{MANIFEST, Manifest, ShardKey};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A row with the type of each value.
pub(crate) type Row = Vec<Value>;

/// A directory, an engine, and a database with the same tables.
pub(crate) struct Twin {
    pub(crate) dir: TempDir,
    pub(crate) context: SessionContext,
    pub(crate) oracle: Connection,
}

impl Twin {
    /// Queries run in this many partitions, with small batches.
    pub(crate) fn new(partitions: usize) -> Self {
        let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(100);
        let context = SessionContext::new_with_config(config);
        sqload_datafusion::register(&context).unwrap();
        Self { dir: TempDir::new().unwrap(), context, oracle: Connection::open_in_memory().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Creates a table of a CSV file for the engine, and of its fields for SQLite. Fields have no quotes; an empty one is NULL.
    pub(crate) async fn table(&self, name: &str, declared: &str, csv: &str) {
        let path = self.path(&format!("{name}.csv"));
        std::fs::write(&path, csv).unwrap();
        let options = CsvReadOptions::new();
        self.context.register_csv(name, path.to_str().unwrap(), options).await.unwrap();
        self.oracle.execute_batch(&format!("BEGIN; CREATE TABLE {name} ({declared})")).unwrap();
        for line in csv.lines().skip(1) {
            let fields = line.split(',').map(|field| Some(field).filter(|field| !field.is_empty()));
            let fields: Vec<_> = fields.collect();
            let marks = vec!["?"; fields.len()].join(",");
            let insert = format!("INSERT INTO {name} VALUES ({marks})");
            self.oracle.prepare_cached(&insert).unwrap().execute(rusqlite::params_from_iter(fields)).unwrap();
        }
        self.oracle.execute_batch("COMMIT").unwrap();
    }

    /// Runs a statement, in which `{dir}` is the directory of the test.
    pub(crate) async fn run(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        self.context.sql(&sql.replace("{dir}", self.dir.path().to_str().unwrap())).await?.collect().await
    }

    /// Copies a query to shards in `out`, with what follows the directory. Returns the manifest, which is checked with all shards.
    pub(crate) async fn copy(&self, query: &str, rest: &str) -> Result<Manifest> {
        let result = self.run(&format!("COPY ({query}) TO '{{dir}}/out/' STORED AS SQLITE {rest}")).await?;
        let manifest = checked_manifest(&self.path("out"));
        let count = result[0].column(0).as_any().downcast_ref::<UInt64Array>().unwrap().value(0);
        assert_eq!(count, manifest.rows);
        assert!(!self.path("out/_staging").exists());
        Ok(manifest)
    }

    /// Copies a query to shards by `key`, and compares the rows of each with those of the same query in SQLite.
    pub(crate) async fn assert_same(&self, query: &str, key: &str, options: &str) -> Manifest {
        let manifest = self.copy(query, &format!("PARTITIONED BY ({key}) {options}")).await.unwrap();
        let keys =
            rows(&self.oracle, &format!("SELECT DISTINCT CAST({key} AS TEXT) FROM ({query}) ORDER BY 1"));
        let built: Vec<Row> =
            manifest.shards.iter().map(|shard| vec![text(only_value(&shard.key))]).collect();
        assert_eq!(built, keys);
        for shard in &manifest.shards {
            let mut statement = self
                .oracle
                .prepare(&format!("SELECT * FROM ({query}) WHERE CAST({key} AS TEXT) IS ?"))
                .unwrap();
            let width = statement.column_count();
            let expected = statement.query_map([only_value(&shard.key)], |row| values(row, width)).unwrap();
            let expected = sorted(expected.map(Result::unwrap).collect());
            let found = rows(
                &open(&self.path("out").join(&shard.path)),
                &format!("SELECT * FROM {}", manifest.table),
            );
            assert_eq!(sorted(found), expected, "{}", shard.key);
        }
        manifest
    }
}

/// The manifest in `directory`. All its shards have the content that it describes.
pub(crate) fn checked_manifest(directory: &Path) -> Manifest {
    let manifest = Manifest::read(directory.join(MANIFEST)).unwrap();
    let mut total = 0;
    for shard in &manifest.shards {
        Manifest::verify(directory, shard).unwrap();
        let database = open(&directory.join(&shard.path));
        assert_eq!(rows(&database, "PRAGMA integrity_check"), [[Value::from("ok".to_owned())]]);
        let count = rows(&database, &format!("SELECT count(*) FROM \"{}\"", manifest.table));
        assert_eq!(count, [[Value::from(shard.rows as i64)]]);
        total += shard.rows;
    }
    assert_eq!(total, manifest.rows);
    manifest
}

pub(crate) fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// The rows of a query.
pub(crate) fn rows(database: &Connection, sql: &str) -> Vec<Row> {
    let mut statement = database.prepare(sql).unwrap();
    let width = statement.column_count();
    statement.query_map([], |row| values(row, width)).unwrap().map(Result::unwrap).collect()
}

fn values(row: &rusqlite::Row<'_>, width: usize) -> rusqlite::Result<Row> {
    (0..width).map(|at| row.get(at)).collect()
}

pub(crate) fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| format!("{row:?}"));
    rows
}

/// The value of a key with one column.
pub(crate) fn only_value(key: &ShardKey) -> Option<&str> {
    match key {
        ShardKey::Columns(columns) if columns.len() == 1 => columns[0].1.as_deref(),
        key => panic!("{key}"),
    }
}

pub(crate) fn text(value: Option<&str>) -> Value {
    value.map_or(Value::Null, |value| Value::Text(value.to_owned()))
}

/// The paths of all files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in directory.read_dir().into_iter().flatten().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => files.extend(self::files(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    files
}
