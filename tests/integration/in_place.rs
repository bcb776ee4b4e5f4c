//! Loads that write pages into an existing database: what a failure at any moment leaves behind, and what keeps that safe.

mod campaign;
mod damage;
mod hazards;

use crate::common::{TestDir, query, rows_of};
use crate::faults::Call;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// Small, so that the database has many of them.
const PAGE_BYTES: usize = 1024;

/// The rows of the table before the load.
const OLD_ROWS: usize = 300;

/// The rows of the input.
const NEW_ROWS: usize = 1_000;

/// All calls that change the database, its journal or its log.
const CHANGES: Call<'_> =
    Call { name: "write,fsync,truncate,unlink", file: "out.db,out.db-journal,out.db-wal", number: 1 };

/// What a load does to the table `t`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    Create,
    Replace,
    /// Behind the last row; the entries of the index are merged.
    Append,
    /// Behind and among the rows, some of which are updated.
    Upsert,
}

impl Change {
    const ALL: [Self; 4] = [Self::Create, Self::Replace, Self::Append, Self::Upsert];

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Create => &["--pk", "id", "--index", "name"],
            Self::Replace => &["--replace", "--pk", "id", "--index", "name"],
            Self::Append => &["--append"],
            Self::Upsert => &["--append", "--pk", "id", "--upsert"],
        }
    }

    /// A directory with an input and a database that has another table and free pages, and the table `t` unless it is created.
    fn dir(self) -> TestDir {
        let dir = TestDir::new();
        let id = |row| if self == Self::Upsert { row * 7 % (OLD_ROWS + NEW_ROWS) } else { OLD_ROWS + row };
        let rows = (0..NEW_ROWS).map(|row| format!("{},name {}\n", id(row), row * 7907 % 3001));
        dir.write("in.csv", format!("id,name\n{}", rows.collect::<String>()));
        let count = "WITH n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 199)";
        let database = dir.open("out.db");
        database
            .execute_batch(&format!(
                "PRAGMA page_size = {PAGE_BYTES};
                CREATE TABLE other (a, b); {count} INSERT INTO other SELECT n, zeroblob(n) FROM n;
                CREATE TABLE gone AS SELECT * FROM other WHERE a < 100; CREATE INDEX other_b ON other (b);"
            ))
            .unwrap();
        if self != Self::Create {
            let last = OLD_ROWS - 1;
            database
                .execute_batch(&format!(
                    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX t_name ON t (name);
                    WITH n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {last})
                    INSERT INTO t SELECT n, printf('name %d%*s', n * 7919 % 1009, (n IN (59, 61)) * 2500, '') FROM n"
                ))
                .unwrap();
        }
        database.execute_batch("DROP TABLE gone").unwrap();
        dir
    }

    /// The load, with a small cache.
    fn load(self, dir: &TestDir, options: &[&str]) -> Command {
        let load = ["load", "in.csv", "out.db", "-t", "t", "--cache-size", "20"];
        dir.command(&[&load[..], self.options(), options].concat())
    }
}

/// The schema and all rows of all tables.
#[track_caller]
fn content(database: &Connection) -> Vec<Vec<Vec<Value>>> {
    let schema = rows_of(database, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name");
    let tables = rows_of(database, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    let rows = tables.iter().map(|table| {
        let [Value::Text(name)] = &table[..] else { panic!("{table:?}") };
        rows_of(database, &format!("SELECT rowid, * FROM \"{name}\" ORDER BY rowid"))
    });
    std::iter::once(schema).chain(rows).collect()
}

/// The content of an intact database.
#[track_caller]
fn intact_content(dir: &TestDir) -> Vec<Vec<Vec<Value>>> {
    let database = dir.open("out.db");
    let content = content(&database);
    assert_eq!(query(&database, "PRAGMA integrity_check"), "ok");
    content
}

/// The big-endian number at `at`.
fn number(bytes: &[u8], at: usize) -> usize {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The numbers of the leaf pages of the freelist of a database (file format 1.5). Their content is not part of the database.
fn free_leaves(database: &[u8]) -> BTreeSet<usize> {
    let (mut free, mut trunk) = (BTreeSet::new(), number(database, 32));
    while trunk != 0 {
        let page = &database[(trunk - 1) * PAGE_BYTES..];
        free.extend((0..number(page, 4)).map(|leaf| number(page, 8 + 4 * leaf)));
        trunk = number(page, 0);
    }
    free
}

/// Asserts that a rollback has left all pages as they were, except those that are `free`, and the file no longer than it was.
/// Fields that change with the journal mode may differ.
#[track_caller]
fn assert_same_pages(old: &[u8], now: &[u8], free: &BTreeSet<usize>) {
    /// The versions, which tell the journal mode; the change counter; and its copy (file format 1.3).
    const MODE_FIELDS: [std::ops::Range<usize>; 3] = [18..20, 24..28, 92..100];
    assert!(now.len() <= old.len(), "the file had {} bytes and has {}", old.len(), now.len());
    let [old, now] = [old, now].map(|database| {
        let mut database = database.to_vec();
        MODE_FIELDS.into_iter().for_each(|field| database[field].fill(0));
        database
    });
    for (index, page) in old.chunks(PAGE_BYTES).enumerate().filter(|(index, _)| !free.contains(&(index + 1)))
    {
        let same = now.get(index * PAGE_BYTES..(index + 1) * PAGE_BYTES) == Some(page);
        assert!(same, "page {} has changed", index + 1);
    }
}
