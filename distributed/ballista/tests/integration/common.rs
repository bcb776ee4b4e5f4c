//! Inputs, and the comparison of shards with SQLite.

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use sqload::shards::{MANIFEST, Manifest, ShardKey};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) type Row = Vec<Value>;

/// A directory with `sales.csv`, and a database with the same rows.
pub(crate) struct Inputs {
    pub(crate) dir: TempDir,
    oracle: Connection,
}

impl Inputs {
    /// Sales of this many tenants, and some without a tenant.
    pub(crate) fn new(rows: usize, tenants: usize) -> Self {
        let (dir, oracle) = (TempDir::new().unwrap(), Connection::open_in_memory().unwrap());
        oracle.execute_batch("BEGIN; CREATE TABLE sales (id INTEGER, tenant TEXT, amount INTEGER)").unwrap();
        let mut csv = "id,tenant,amount\n".to_owned();
        for id in 1..=rows {
            let tenant =
                if id.is_multiple_of(101) { String::new() } else { format!("t{}", id * 7 % tenants) };
            let amount = id * id % 1000;
            csv += &format!("{id},{tenant},{amount}\n");
            let tenant = Some(tenant).filter(|tenant| !tenant.is_empty());
            let mut insert = oracle.prepare_cached("INSERT INTO sales VALUES (?, ?, ?)").unwrap();
            insert.execute(rusqlite::params![id as i64, tenant, amount as i64]).unwrap();
        }
        oracle.execute_batch("COMMIT").unwrap();
        std::fs::write(dir.path().join("sales.csv"), csv).unwrap();
        Self { dir, oracle }
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// A statement that copies a query over `sales` to shards, and what follows STORED AS SQLITE.
    pub(crate) fn copy(&self, query: &str, rest: &str) -> String {
        format!("COPY ({query}) TO '{}' STORED AS SQLITE {rest}", self.out().display())
    }

    /// The option that names the input.
    pub(crate) fn named(&self) -> (String, String) {
        ("sales".to_owned(), self.dir.path().join("sales.csv").to_str().unwrap().to_owned())
    }

    /// Asserts that the shards have the rows of a query, each of which has the key of its shard. Nothing else is left.
    pub(crate) fn assert_complete(&self, query: &str) -> Manifest {
        let (out, manifest) = (self.out(), self.assert_rows(query));
        let mut expected: Vec<_> = manifest.shards.iter().map(|shard| out.join(&shard.path)).collect();
        expected.push(out.join(MANIFEST));
        expected.sort();
        assert_eq!(files(&out), expected);
        manifest
    }

    /// Asserts that the shards of the manifest have the rows of a query, each of which has the key of its shard.
    pub(crate) fn assert_rows(&self, query: &str) -> Manifest {
        let out = self.out();
        let manifest = Manifest::read(out.join(MANIFEST)).unwrap();
        let mut found = Vec::new();
        for shard in &manifest.shards {
            Manifest::verify(&out, shard).unwrap();
            let database =
                Connection::open_with_flags(out.join(&shard.path), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
            let shard_rows = rows(&database, &format!("SELECT * FROM {}", manifest.table));
            assert_eq!(shard_rows.len() as u64, shard.rows);
            if let ShardKey::Columns(columns) = &shard.key
                && let [(column, value)] = &columns[..]
            {
                let key = rows(&database, &format!("SELECT DISTINCT {column} FROM {}", manifest.table));
                assert_eq!(key, [[value.clone().map_or(Value::Null, Value::Text)]]);
            }
            found.extend(shard_rows);
        }
        let sort = |mut rows: Vec<Row>| {
            rows.sort_by_key(|row| format!("{row:?}"));
            rows
        };
        assert_eq!(sort(found), sort(rows(&self.oracle, query)));
        manifest
    }
}

pub(crate) fn rows(database: &Connection, sql: &str) -> Vec<Row> {
    let mut statement = database.prepare(sql).unwrap();
    let width = statement.column_count();
    let values = |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get(at)).collect();
    statement.query_map([], values).unwrap().map(Result::unwrap).collect()
}

/// The paths of all files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => files.extend(self::files(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    files
}
