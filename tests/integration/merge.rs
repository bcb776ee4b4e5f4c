//! Merges of shards, compared with what SQLite itself reads from the shards.

use crate::common::{Running, TestDir, query, rows_of};
use rusqlite::Connection;
use rusqlite::types::Value;
use sqload::plan::IfExists;
use sqload::shards::{Manifest, ShardJob, ShardKey};
use sqload::{Kind, Loader};

/// Builds and commits a shard for each script of SQL. Returns the manifest.
fn build(dir: &TestDir, shards: &[&str]) -> Manifest {
    let job = ShardJob::new(dir.path("out"), "j", "t").unwrap().by(["c"]);
    let shard = |(number, sql): (usize, &&str)| {
        let key = ShardKey::columns([("c", Some(format!("k{number:05}/%")))]);
        let writer = job.writer(key, 1).unwrap();
        let connection = Connection::open(writer.path()).unwrap();
        connection.execute_batch(&format!("BEGIN; {sql}; COMMIT")).unwrap();
        let rows = query(&connection, "SELECT count(*) FROM t").parse().unwrap();
        drop(connection);
        writer.finish(rows).unwrap()
    };
    let receipts: Vec<_> = shards.iter().enumerate().map(shard).collect();
    job.commit(&receipts).unwrap()
}

fn merge(dir: &TestDir) -> sqload::Result<sqload::report::Report> {
    Loader::new("t").merge_shards(dir.path("out/manifest.json"), dir.path("all.db"))
}

/// The rows of the shards in order, by value and storage class, as SQLite reads them.
fn expected_rows(dir: &TestDir, manifest: &Manifest, columns: &str) -> Vec<Vec<Value>> {
    let types: String = columns.split(", ").map(|column| format!(", typeof({column})")).collect();
    let rows = |shard: &sqload::shards::Shard| {
        let database = Connection::open(dir.path("out").join(&shard.path)).unwrap();
        rows_of(&database, &format!("SELECT {columns}{types} FROM t NOT INDEXED"))
    };
    manifest.shards.iter().flat_map(rows).collect()
}

/// Merges the shards, and asserts that the result has their rows, through the table and through each index, and their schema.
#[track_caller]
fn assert_merged(dir: &TestDir, manifest: &Manifest, columns: &str) -> Connection {
    assert_merged_in_order(dir, manifest, columns, false)
}

/// The same; if the rows are in the order of their keys, that is the one of the second column.
#[track_caller]
fn assert_merged_in_order(
    dir: &TestDir,
    manifest: &Manifest,
    columns: &str,
    is_in_key_order: bool,
) -> Connection {
    let report = merge(dir).unwrap();
    assert_eq!((report.writer, report.loaded), ("direct", manifest.rows), "{:?}", report.writer_reason);
    let merged = dir.open("all.db");
    let types: String = columns.split(", ").map(|column| format!(", typeof({column})")).collect();
    let mut expected = expected_rows(dir, manifest, columns);
    if is_in_key_order {
        expected.sort_by_key(|row| format!("{:?}", row[1]));
    }
    let rows = rows_of(&merged, &format!("SELECT {columns}{types} FROM t NOT INDEXED"));
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(format!("{row:?}"), format!("{expected:?}"));
    }
    assert_eq!(query(&merged, "PRAGMA integrity_check"), "ok");
    let schema = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    if let Some(shard) = manifest.shards.first() {
        let shard = Connection::open(dir.path("out").join(&shard.path)).unwrap();
        assert_eq!(rows_of(&merged, schema), rows_of(&shard, schema));
    }
    merged
}

#[test]
fn a_merge_has_the_rows_of_all_shards_with_new_rowids() {
    let dir = TestDir::new();
    let rows: String = (0..5_000).map(|n| format!("{},{n},{}\n", n * 7 % 13, n * 31 % 5_000)).collect();
    dir.write("t.csv", format!("c,n,u\n{rows}"));
    let load = ["load", "t.csv", "--shards-by", "c", "--into", "out", "--index", "n", "--unique", "u,n"];
    dir.run(&load).expect_code(0);
    let manifest = Manifest::read(dir.path("out")).unwrap();
    assert_eq!(manifest.shards.len(), 13);
    let merged = assert_merged(&dir, &manifest, "c, n, u");
    assert_eq!(rows_of(&merged, "SELECT max(rowid), count(*) FROM t")[0], [5_000, 5_000].map(Value::Integer));
    let through =
        |index: &str| query(&merged, &format!("SELECT sum(n * u) FROM t INDEXED BY {index} WHERE n > 9"));
    assert_eq!(through("idx_t_n"), query(&merged, "SELECT sum(n * u) FROM t NOT INDEXED WHERE n > 9"));
}

#[test]
fn values_of_all_storage_classes_stay_as_they_are() {
    let dir = TestDir::new();
    let table = "CREATE TABLE t (c, i INTEGER, r REAL, x TEXT, n NUMERIC, b BLOB)";
    let values = "(NULL, 1, 1, '007', '007', x'00ff'), (1.0, 9223372036854775807, 9007199254740993, 1.5, 1.5, 'a'),
        (-0.0, 'abc', 'abc', x'616200', 9e999, 7), ('a' || char(0) || 'b', 1.5, -9e999, CAST(x'ff41' AS TEXT), '1e3', 1.0),
        (0, 0, -0.0, '', 1e300, zeroblob(10000)), (1, -1, 0.1, printf('%9000d', 7), 281474976710656, '')";
    let manifest = build(
        &dir,
        &[
            &format!("{table}; INSERT INTO t VALUES {values}"),
            table,
            &format!("{table}; INSERT INTO t SELECT * FROM (VALUES {values}) ORDER BY column2 DESC"),
        ],
    );
    assert_merged(&dir, &manifest, "c, i, r, x, n, b");
}

#[test]
fn a_merge_keeps_all_kinds_of_tables() {
    for (table, columns) in [
        ("t (n INTEGER PRIMARY KEY, c TEXT NOT NULL, v REAL DEFAULT 7)", "n, c, v"),
        ("t (n INT, c TEXT, v REAL, PRIMARY KEY (c, n)) WITHOUT ROWID, STRICT", "n, c, v"),
        (
            "t (n INT, c ANY, v REAL CHECK (v > -1)) STRICT; CREATE UNIQUE INDEX u ON t (n, v); CREATE INDEX i ON t (v DESC)",
            "n, c, v",
        ),
        (
            "t (n INT, c TEXT COLLATE NOCASE UNIQUE, v REAL, g AS (n + 1), s AS (upper(c)) STORED)",
            "n, c, v, g, s",
        ),
        ("\"t\" (\"n\" INT, \"c\" TEXT, \"v\" REAL DEFAULT (1 + 1) NOT NULL)", "n, c, v"),
    ] {
        let dir = TestDir::new();
        let shard = |first: i64| {
            format!(
                "CREATE TABLE {table};
                WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s LIMIT 1000)
                INSERT INTO t (n, c, v) SELECT n, 'v' || n, n / 2.0 FROM s ORDER BY n * 7 % 100;
                DELETE FROM t WHERE n % 10 = 3"
            )
        };
        let shards = [0, 1_000, 2_000].map(shard);
        let manifest = build(&dir, &shards.each_ref().map(String::as_str));
        assert_merged_in_order(&dir, &manifest, columns, table.contains("WITHOUT ROWID"));
    }
}

#[test]
fn what_the_direct_path_cannot_do_statements_do() {
    let dir = TestDir::new();
    let sql = |n: i64| {
        format!(
            "CREATE TABLE t (n, c, g AS (n + 1)); CREATE UNIQUE INDEX e ON t (n + 1) WHERE c IS NOT NULL; INSERT INTO t VALUES ({n}, 'x')"
        )
    };
    let shards = [1, 2].map(sql);
    let manifest = build(&dir, &shards.each_ref().map(String::as_str));
    merge(&dir).unwrap();
    let merged = dir.open("all.db");
    assert_eq!(
        rows_of(&merged, "SELECT n, c, g, typeof(n), typeof(c), typeof(g) FROM t"),
        expected_rows(&dir, &manifest, "n, c, g")
    );
}

#[test]
fn a_key_in_two_shards_is_an_error_that_names_both() {
    for table in [
        "t (n INT UNIQUE, c)",
        "t (n INTEGER PRIMARY KEY, c)",
        "t (n INT PRIMARY KEY, c) WITHOUT ROWID",
        "t (n INT, c); CREATE UNIQUE INDEX u ON t (n, c)",
        "t (n INT, c TEXT COLLATE NOCASE, PRIMARY KEY (c, n)) WITHOUT ROWID",
    ] {
        let dir = TestDir::new();
        let shard = |numbers: &str| {
            format!("CREATE TABLE {table}; INSERT INTO t SELECT value, 'x' FROM json_each('{numbers}')")
        };
        let shards = [shard("[1,2,3]"), shard("[9,8]"), shard("[4,5,2,6]")];
        build(&dir, &shards.each_ref().map(String::as_str));
        let before = dir.snapshot();
        let outcome = dir.run(&["merge", "out", "all.db"]).expect_code(1);
        outcome.assert_single_message(&[
            "c=k00000%2F%25/data.sqlite",
            "c=k00002%2F%25/data.sqlite",
            "UNIQUE constraint failed",
        ]);
        assert!(!outcome.stderr.contains("--on-error"), "{}", outcome.stderr);
        assert_eq!(dir.snapshot(), before, "{table}");
    }
}

#[test]
fn shards_that_are_not_as_the_manifest_says_are_errors_and_nothing_changes() {
    let dir = TestDir::new();
    let manifest = build(&dir, &["CREATE TABLE t (c, n INT); INSERT INTO t VALUES ('x', 1)"; 2]);
    let path = dir.path("out").join(&manifest.shards[1].path);
    let good = std::fs::read(&path).unwrap();
    let assert_fails = |parts: &[&str]| {
        let outcome = dir.run(&["merge", "out/manifest.json", "all.db"]).expect_code(1);
        outcome.assert_single_message(&[&["c=k00001%2F%25/data.sqlite"], parts].concat());
        assert!(!dir.path("all.db").exists());
    };
    let mut bad = good.clone();
    bad[5_000] ^= 1;
    std::fs::write(&path, bad).unwrap();
    assert_fails(&["its hash is", "expected"]);
    std::fs::write(&path, &good[..4096]).unwrap();
    assert_fails(&["its size is 4096 bytes, expected 8192"]);
    std::fs::remove_file(&path).unwrap();
    assert_fails(&["cannot read", "No such file"]);
    std::fs::write(&path, &good).unwrap();
    dir.run(&["merge", "out", "all.db"]).expect_code(0);
    let outcome = dir.run(&["merge", "out", path.to_str().unwrap(), "--append"]).expect_code(1);
    outcome.assert_single_message(&["because it is one of them"]);
    assert_eq!(std::fs::read(&path).unwrap(), good);
}

#[test]
fn shards_with_other_tables_or_counts_are_errors() {
    for (second, rows, part) in [
        ("CREATE TABLE t (c, n TEXT)", 0, "differs from that of"),
        ("CREATE TABLE t (c, n INT); CREATE INDEX i ON t (n)", 0, "it has other indexes"),
        ("CREATE TABLE u (c, n INT)", 0, "it has no table \"t\""),
        ("CREATE TABLE t (c, n INT); INSERT INTO t VALUES (1, 2)", 2, "it has 1 row, expected 2 rows"),
    ] {
        let dir = TestDir::new();
        let job = ShardJob::new(dir.path("out"), "j", "t").unwrap().by(["c"]);
        let shard = |(key, sql, rows): (&str, &str, u64)| {
            let writer = job.writer(ShardKey::columns([("c", Some(key))]), 1).unwrap();
            Connection::open(writer.path()).unwrap().execute_batch(sql).unwrap();
            writer.finish(rows).unwrap()
        };
        job.commit(&[("a", "CREATE TABLE t (c, n INT)", 0), ("b", second, rows)].map(shard)).unwrap();
        let error = merge(&dir).unwrap_err();
        assert!(
            matches!(error.kind(), Kind::Shard { path, .. } if path.ends_with("c=b/data.sqlite")),
            "{error}"
        );
        assert!(error.to_string().contains(part) && !dir.path("all.db").exists(), "{error}");
    }
}

#[test]
fn a_merge_without_rows_or_shards_has_the_table() {
    let dir = TestDir::new();
    assert_merged(&dir, &build(&dir, &["CREATE TABLE t (c, n INT); CREATE INDEX i ON t (n)"; 2]), "c, n");

    let dir = TestDir::new();
    dir.write("t.csv", "c,n\n");
    dir.run(&["load", "t.csv", "--shards-by", "c", "--into", "out", "--index", "n"]).expect_code(0);
    dir.run(&["merge", "out", "all.db", "-t", "u"]).expect_code(0);
    let schema = rows_of(&dir.open("all.db"), "SELECT sql FROM sqlite_schema");
    let expected =
        ["CREATE TABLE \"u\" (\"c\" TEXT, \"n\" TEXT)", "CREATE INDEX \"idx_t_n\" ON \"u\" (\"n\")"];
    assert_eq!(schema, expected.map(|sql| vec![Value::Text(sql.to_owned())]));

    let dir = TestDir::new();
    build(&dir, &[]);
    assert!(merge(&dir).unwrap_err().to_string().contains("neither shards nor a schema"));
}

#[test]
fn an_existing_table_is_replaced_or_filled_only_on_request() {
    let dir = TestDir::new();
    build(&dir, &["CREATE TABLE t (c, n INT); CREATE INDEX i ON t (n); INSERT INTO t VALUES ('x', 1)"]);
    let run = |options: &[&str]| dir.run(&[&["merge", "out", "all.db"], options].concat());
    dir.open("all.db").execute_batch("CREATE TABLE other (x); INSERT INTO other VALUES (7)").unwrap();
    run(&[]).expect_code(0);
    run(&[]).expect_code(1).assert_single_message(&[
        "the table \"t\" already exists",
        "--append",
        "--replace",
    ]);
    run(&["--append"]).expect_code(0);
    let count = || query(&dir.open("all.db"), "SELECT count(*) FROM t INDEXED BY i WHERE n = 1");
    assert_eq!(count(), "2");
    run(&["--truncate"]).expect_code(0);
    assert_eq!(count(), "1");
    run(&["--replace", "--verify"]).expect_code(0);
    assert_eq!(count(), "1");
    assert_eq!(query(&dir.open("all.db"), "SELECT x FROM other"), "7");
    dir.open("all.db").execute_batch("CREATE TABLE u (n TEXT, c TEXT, d DEFAULT 'd')").unwrap();
    run(&["--append", "-t", "u"]).expect_code(1);
    dir.open("all.db").execute_batch("DROP TABLE t").unwrap();
    run(&["--append", "-t", "u"]).expect_code(0);
    assert_eq!(
        rows_of(&dir.open("all.db"), "SELECT n, c, d FROM u"),
        [["1", "x", "d"].map(|text| Value::Text(text.into()))]
    );
}

#[test]
fn a_merge_has_a_report_and_settings_of_its_own() {
    let dir = TestDir::new();
    build(&dir, &["CREATE TABLE t (c, n INT); INSERT INTO t VALUES ('x', 1)"]);
    let outcome = dir.run(&["merge", "out", "all.db", "--report", "-", "-q"]).expect_code(0);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&report["status"], &report["loaded"], &report["inputs"][0]),
        (&"loaded".into(), &1.into(), &"out".into())
    );
    assert_eq!(report["columns"][1], serde_json::json!({"name": "n", "declaration": "INT"}));
    assert_eq!(outcome.stderr, "");
    let outcome = dir.run(&["merge", "missing", "all.db", "--report", "-"]).expect_code(1);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["status"], "failed");
    let error =
        Loader::new("t").primary_key(["n"]).merge_shards(dir.path("out"), dir.path("b.db")).unwrap_err();
    assert!(matches!(error.kind(), Kind::Usage(_)), "{error}");
    Loader::new("T").if_exists(IfExists::Append).merge_shards(dir.path("out"), dir.path("all.db")).unwrap();
    assert_eq!(query(&dir.open("all.db"), "SELECT count(*) FROM t"), "2");
}

#[test]
fn a_merge_that_is_killed_or_interrupted_changes_nothing() {
    const MOMENTS: u64 = 6;
    let dir = TestDir::new();
    let shard = "CREATE TABLE t (c, n INT); CREATE INDEX i ON t (c, n);
        WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT 40000)
        INSERT INTO t SELECT hex(n * 7919 % 40009), n FROM s";
    let manifest = build(&dir, &[shard; 6]);
    let start = || Running::start(dir.command(&["merge", "out", "all.db"]));
    let (before, count) = (dir.total_bytes(), manifest.rows.to_string());
    start().wait().expect_code(0);
    let total_bytes = dir.total_bytes() - before;
    let mut stopped = 0;
    for moment in 0..=MOMENTS {
        for signal in ["KILL", "INT"] {
            dir.file_names().iter().filter(|name| name.contains("all.db")).for_each(|name| {
                std::fs::remove_file(dir.path(name)).unwrap();
            });
            let mut running = start();
            running.wait_until(|running| {
                running.handles_interrupts() && dir.total_bytes() >= before + total_bytes * moment / MOMENTS
            });
            running.signal(signal);
            let outcome = running.wait();
            stopped += u64::from(outcome.code != Some(0));
            assert!(signal == "KILL" || matches!(outcome.code, Some(0 | 130)), "{outcome:?}");
            if dir.path("all.db").exists() {
                assert_eq!(query(&dir.open("all.db"), "SELECT count(*) FROM t"), count);
                assert_eq!(query(&dir.open("all.db"), "PRAGMA integrity_check"), "ok");
            } else {
                assert_ne!(outcome.code, Some(0));
            }
        }
    }
    assert!(stopped >= MOMENTS / 2, "{stopped} merges were stopped");
    manifest.shards.iter().for_each(|shard| Manifest::verify(&dir.path("out"), shard).unwrap());
}

#[test]
fn a_merge_of_many_shards_keeps_few_files_open() {
    let dir = TestDir::new();
    let rows: String = (0..4_000).map(|n| format!("k{},{n}\n", n % 2_000)).collect();
    dir.write("t.csv", format!("c,n\n{rows}"));
    dir.run(&["load", "t.csv", "--shards-by", "c", "--into", "out"]).expect_code(0);
    let mut command = std::process::Command::new("sh");
    let merge = format!("ulimit -n 64; exec {} merge out all.db", env!("CARGO_BIN_EXE_sqload"));
    command.args(["-c", &merge]).current_dir(dir.path("."));
    Running::start(command).wait().expect_code(0);
    assert_eq!(query(&dir.open("all.db"), "SELECT count(*) || ' ' || sum(n) FROM t"), "4000 7998000");
}
