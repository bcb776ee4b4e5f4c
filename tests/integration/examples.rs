//! The worked examples in data/examples, with their expected results.

use crate::common::{TestDir, query, rows_of};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;

/// Runs an example in an empty directory, and returns the directory and the database.
fn run(name: &str, writer: &str) -> (TestDir, Connection) {
    let dir = TestDir::new();
    for ending in ["sql", "csv"] {
        let file = format!("{name}.{ending}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/examples").join(&file);
        std::fs::copy(path, dir.path(&file)).unwrap();
    }
    dir.run(&["run-pipeline", &format!("{name}.sql"), "--writer", writer, "--verify"]).expect_code(0);
    let database = dir.open(&format!("{name}.db"));
    (dir, database)
}

/// Asserts that `sql` yields these rows with each writer. Values are written as SQL literals.
#[track_caller]
fn assert_yields(name: &str, sql: &str, expected: &[&str]) {
    for writer in ["auto", "statements"] {
        let (_place, database) = run(name, writer);
        let quoted = |row: &Vec<Value>| -> String {
            let quoted = row.iter().map(|value| {
                database.query_row("SELECT quote(?1)", [value], |row| row.get::<_, String>(0)).unwrap()
            });
            quoted.collect::<Vec<_>>().join(" ")
        };
        let rows: Vec<_> = rows_of(&database, sql).iter().map(quoted).collect();
        assert_eq!(rows, expected, "{writer}");
        assert_eq!(query(&database, "PRAGMA integrity_check"), "ok");
    }
}

#[test]
fn dates() {
    let expected = [
        "1 '2024-01-31' '2024-02-02T09:15:00' '2024-01' 2",
        "2 '2024-02-29' NULL '2024-02' NULL",
        "3 NULL '2024-03-01T00:00:00' NULL NULL",
    ];
    assert_yields("dates", "SELECT * FROM orders", &expected);
}

#[test]
fn json() {
    assert_yields("json", "SELECT * FROM events", &["1 'Ada' 2 12.0", "2 'Alan' NULL 7.5"]);
}

#[test]
fn filter() {
    let expected = ["'10:02' '/api/orders' 500", "'10:03' '/api/users' 404", "'10:04' '/health' 503"];
    assert_yields("filter", "SELECT * FROM failures", &expected);
    assert_yields("filter", "SELECT * FROM worst", &["503 1", "500 1", "404 1"]);
    assert_yields(
        "filter",
        "SELECT path FROM failures INDEXED BY failures_by_status WHERE status = 404",
        &["'/api/users'"],
    );
}

#[test]
fn hash_keys() {
    let expected = [
        "'Berlin' 'apple' 0.5 'hash_keys.csv' 2",
        "'Berlin' 'pear' 0.7 'hash_keys.csv' 3",
        "'Paris' 'apple' 0.6 'hash_keys.csv' 4",
    ];
    assert_yields(
        "hash_keys",
        "SELECT store, item, price, source, line FROM prices ORDER BY line",
        &expected,
    );
    assert_yields("hash_keys", "SELECT count(DISTINCT id), min(typeof(id)) FROM prices", &["3 'integer'"]);
    let keys = |writer| rows_of(&run("hash_keys", writer).1, "SELECT id FROM prices ORDER BY line");
    assert_eq!(keys("auto"), keys("statements"), "keys do not depend on the writer");
}

#[test]
fn cleaning() {
    let expected = ["1 'Ada' 36 1.65", "2 'Alan' NULL 1.8", "3 NULL 41 NULL", "4 NULL NULL 2.0"];
    assert_yields("cleaning", "SELECT * FROM people", &expected);
}

#[test]
fn slugs() {
    let expected = [
        "'uber-den-wolken' 'Über den Wolken' 'ÜBER DEN WOLKEN / reinhard mey' 'ÜR' 3",
        "'ca-va-paris' 'Ça va, Paris?' 'ÇA VA, PARIS? / zoé' 'ÇZ' 3",
        "'strasse-7' 'Straße 7' 'STRASSE 7 / öz' ' Ö' 2",
    ];
    assert_yields("slugs", "SELECT * FROM articles ORDER BY rowid", &expected);
}

#[test]
fn the_readme_shows_the_built_in_pipeline() {
    assert!(include_str!("../../README.md").contains(sqload::demo::people::SQL));
}

#[test]
fn every_example_has_a_test() {
    let tests = include_str!("examples.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/examples");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 12);
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(tests.contains(&format!("assert_yields(\"{name}\"")), "{}", file.display());
    }
}
