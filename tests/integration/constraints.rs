//! Rows that violate a constraint are rejected, ignored, or update the existing row.

use crate::common::{TestDir, assert_contains, load_with_each_writer, query, rows_of, text};
use rusqlite::Connection;
use rusqlite::types::Value;

/// Options that skip rejects and keep them in a file.
const KEEP_REJECTS: [&str; 4] = ["--on-error", "skip", "--rejects", "bad.csv"];

/// The reasons stored next to `bad.csv`: record, line, offset, kind, column and message.
fn reasons(dir: &TestDir) -> Vec<(u64, u64, u64, String, Option<String>, String)> {
    let reason = |reason: &serde_json::Value| {
        let number = |name: &str| reason[name].as_u64().unwrap();
        let text = |name: &str| reason[name].as_str().map(str::to_owned);
        let (record, line, offset) = (number("record"), number("line"), number("offset"));
        (record, line, offset, text("kind").unwrap(), text("column"), text("message").unwrap())
    };
    dir.reasons("bad.csv").iter().map(reason).collect()
}

/// Inserts the rows one by one with plain SQL. Returns the table and the error of each row, if any.
fn reference(create: &str, rows: &[[Value; 3]]) -> (Vec<Vec<Value>>, Vec<Option<String>>) {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(create).unwrap();
    let insert = |row: &[Value; 3]| connection.execute("INSERT INTO t VALUES (?, ?, ?)", row.clone()).err();
    let errors = rows.iter().map(|row| insert(row).map(|error| error.to_string())).collect();
    (rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), errors)
}

#[test]
fn rows_that_violate_a_constraint_are_rejected() {
    // Every kind of constraint, and more rows than one statement inserts.
    let row = |number: i64| {
        let a = if number % 7 == 3 { number - 3 } else { number };
        let b = if number % 11 == 5 { String::new() } else { format!("b\n{number}") };
        let c = if number % 13 == 6 { 5 } else { number };
        let record = format!("{a},\"{b}\",{c}\n");
        (record, [a.into(), if b.is_empty() { Value::Null } else { Value::Text(b) }, c.into()])
    };
    let (records, rows): (Vec<_>, Vec<_>) = (0..1_000).map(row).unzip();
    let create = "CREATE TABLE t (a INTEGER, b TEXT NOT NULL, c INTEGER, PRIMARY KEY (a), UNIQUE (c))";
    let (expected, errors) = reference(create, &rows);
    let messages: Vec<_> = errors.iter().flatten().cloned().collect();
    assert!(messages.len() > 100);
    // Interleave records that are bad for another reason.
    let (mut csv, mut bad) = ("a,b,c\n".to_owned(), "a,b,c\n".to_owned());
    for (number, (record, error)) in records.iter().zip(&errors).enumerate() {
        let other = if number % 17 == 0 { "x\n" } else { "" };
        csv += &[record, other].concat();
        bad += &[error.as_ref().map_or("", |_| record), other].concat();
    }
    let options = [
        "--empty-null",
        "--null",
        "\"\"",
        "--pk",
        "a",
        "--not-null",
        "b",
        "--unique",
        "c",
        "-t",
        "t",
        "--verify",
    ];
    let dir = TestDir::new();
    dir.write("in.csv", &csv);
    for jobs in ["1", "3"] {
        for more in [&["--writer", "auto"][..], &["--writer", "statements", "--batch-rows", "7"]] {
            let load = ["load", "in.csv", "out.db", "--jobs", jobs, "--replace"];
            let stderr = dir.run(&[&load[..], &options, &KEEP_REJECTS, more].concat()).expect_code(3).stderr;
            let connection = dir.open("out.db");
            assert_eq!(rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), expected, "{stderr}");
            assert_eq!(String::from_utf8(dir.read("bad.csv")).unwrap(), bad);
            let reasons = reasons(&dir);
            let constraint_reasons = reasons.iter().filter(|reason| reason.3 == "constraint");
            let found: Vec<_> = constraint_reasons.map(|reason| reason.5.clone()).collect();
            assert_eq!(found, messages);
            assert_eq!(stderr.matches("rejected: ").count(), 5, "each is reported once: {stderr}");
            if more[1] == "auto" {
                assert!(stderr.contains("(direct writer)"), "{stderr}");
            }
        }
    }
}

#[test]
fn the_reason_of_a_reject_names_the_constraint_and_the_position() {
    let csv = "a,b\n1,x\n1,y\n2,\n\n3,\"z\n\"\n3,w\n4\n";
    let options = ["--pk", "a", "--not-null", "b", "--empty-null"];
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    dir.run(&[&["load", "in.csv", "out.db"][..], &options, &KEEP_REJECTS].concat()).expect_code(3);
    let expected = [
        (2, 3, 8, "constraint", Some("a"), "UNIQUE constraint failed: in.a"),
        (3, 4, 12, "constraint", Some("b"), "NOT NULL constraint failed: in.b"),
        (5, 8, 23, "constraint", Some("a"), "UNIQUE constraint failed: in.a"),
        (6, 9, 27, "field_count", None, "1 field, 2 expected, separated by ','"),
    ];
    let expected = expected.map(|(record, line, offset, kind, column, message)| {
        (record, line, offset, kind.to_owned(), column.map(str::to_owned), message.to_owned())
    });
    assert_eq!(reasons(&dir), expected);
    assert_eq!(dir.read("bad.csv"), b"a,b\n1,y\n2,\n3,w\n4\n");
    // Once corrected, the rejects load unchanged.
    dir.write("bad.csv", String::from_utf8(dir.read("bad.csv")).unwrap().replace("1,y", "9,y"));
    let again = ["load", "bad.csv", "out.db", "-t", "in", "--append", "--on-error", "skip", "--empty-null"];
    dir.run(&again).expect_code(3);
    let connection = dir.open("out.db");
    assert_eq!(query(&connection, "SELECT group_concat(a || b, ' ') FROM \"in\""), "1x 3z\n 9y");
}

#[test]
fn constraints_of_an_existing_table_reject_rows() {
    let schema =
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT CHECK (b <> 'no'), c ANY) STRICT, WITHOUT ROWID;
        CREATE UNIQUE INDEX u ON t (b, c); INSERT INTO t VALUES (1, 'old', '2')";
    let csv = "a,b,c\n1,x,1\n2,no,1\n3,old,2\n4,old,3\nq,r,s\n,null,1\n5,ok,5\n";
    let dir = TestDir::new();
    dir.open("out.db").execute_batch(schema).unwrap();
    dir.write("in.csv", csv);
    let load = ["load", "in.csv", "out.db", "-t", "T", "--append"];
    let before = dir.snapshot();
    dir.run(&load)
        .expect_code(1)
        .assert_single_message(&["line 3 (record 2, byte 12): CHECK constraint failed: b <> 'no'"]);
    dir.run(&[&load[..], &KEEP_REJECTS, &["--max-errors", "4"]].concat())
        .expect_code(1)
        .assert_single_message(&["more than 4"]);
    assert_eq!(before["out.db"].as_deref(), Some(dir.read("out.db").as_slice()));
    dir.run(&[&load[..], &KEEP_REJECTS, &["--max-errors", "5", "--verify"]].concat()).expect_code(3);
    let connection = dir.open("out.db");
    let rows = rows_of(&connection, "SELECT * FROM t ORDER BY a");
    assert_eq!(rows.len(), 3);
    assert_eq!(dir.read("bad.csv"), b"a,b,c\n1,x,1\n2,no,1\n3,old,2\nq,r,s\n,null,1\n");
    let found: Vec<_> = reasons(&dir).into_iter().map(|reason| (reason.4, reason.5)).collect();
    let expected = [
        (Some("a"), "UNIQUE constraint failed: t.a"),
        (None, "CHECK constraint failed: b <> 'no'"),
        (None, "UNIQUE constraint failed: t.b, t.c"),
        (Some("a"), "the value \"q\" of column \"a\" is not an INTEGER"),
        (Some("a"), "NOT NULL constraint failed: t.a"),
    ];
    assert_eq!(found, expected.map(|(column, message)| (column.map(str::to_owned), message.to_owned())));
}

#[test]
fn abort_names_the_record_with_either_writer() {
    let csv = format!("a,b\n{}7,x\n1\n", (0..5_000).map(|row| format!("{row},y\n")).collect::<String>());
    let dir = TestDir::new();
    dir.write("in.csv", &csv);
    let before = dir.snapshot();
    for (writer, jobs) in [("direct", "1"), ("direct", "4"), ("statements", "1"), ("statements", "4")] {
        let load = ["load", "in.csv", "out.db", "--pk", "b,a", "--writer", writer, "--jobs", jobs];
        dir.run(&load).expect_code(1).assert_single_message(&["line 5003 (record 5002", "1 field,"]);
        let load = ["load", "in.csv", "out.db", "--pk", "a", "--writer", writer, "--jobs", jobs];
        let parts = ["line 5002 (record 5001", "UNIQUE", "in.csv: line ", "--on-error skip"];
        dir.run(&load).expect_code(1).assert_single_message(&parts);
        dir.assert_unchanged(&before);
    }
    for writer in ["direct", "statements"] {
        let load = ["load", "in.csv", "out.db", "--pk", "a", "--writer", writer, "--on-error", "skip"];
        let not_null = [&load[..], &["--null", "x", "--not-null", "b"]].concat();
        let stderr = dir.run(&not_null).expect_code(3).stderr;
        assert!(stderr.contains("line 5002 (record 5001, byte 33894): rejected: NOT NULL"), "{stderr}");
        std::fs::remove_file(dir.path("out.db")).unwrap();
    }
}

#[test]
fn a_constraint_that_rolls_back_fails_the_load() {
    let dir = TestDir::new();
    let schema = "CREATE TABLE t (a UNIQUE ON CONFLICT ROLLBACK); INSERT INTO t VALUES (1)";
    dir.open("out.db").execute_batch(schema).unwrap();
    dir.write("in.csv", "a\n0\n1\n2\n");
    let load =
        ["load", "in.csv", "out.db", "-t", "t", "--append", "--type", "a=INTEGER", "--on-error", "skip"];
    dir.run(&load).expect_code(1).assert_single_message(&["UNIQUE constraint failed: t.a"]);
    let connection = dir.open("out.db");
    assert_eq!(query(&connection, "SELECT group_concat(a) FROM t"), "1");
    // A row that ON CONFLICT IGNORE skips is not a reject, but it is counted.
    let schema = "DROP TABLE t; CREATE TABLE t (a UNIQUE ON CONFLICT IGNORE); INSERT INTO t VALUES (1)";
    connection.execute_batch(schema).unwrap();
    let stderr = dir.run(&[&load[..], &["--verify"]].concat()).expect_code(0).stderr;
    assert!(stderr.contains("read 3 records: 2 loaded, 0 rejected, 1 ignored"), "{stderr}");
}

#[test]
fn a_pipeline_loads_a_table_with_on_conflict_replace() {
    let sql = "CREATE TABLE t (x, y UNIQUE ON CONFLICT REPLACE);
        INSERT INTO t SELECT first_name, age FROM input";
    let dir = TestDir::with_pipeline("first_name,age\nAda,1\nAlan,2\nGrace,1\n", sql);
    let run = ["run-pipeline", "people.sql", "-i", "people.csv", "--database", "people.db", "--verify"];
    dir.run(&run).expect_code(0);
    assert_eq!(dir.query("SELECT group_concat(x) FROM t"), "Alan,Grace");
}

#[test]
fn rejects_are_reported_once_when_a_load_is_retried() {
    // The first chunks suggest INTEGER and the last record does not fit, so the load starts over.
    let csv = format!("a,b\n1\n{}x,1\n", "12,1\n".repeat(400_000));
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    let stderr = dir.run(&[&["load", "in.csv", "out.db"][..], &KEEP_REJECTS].concat()).expect_code(3).stderr;
    assert_eq!(stderr.matches("rejected: ").count(), 1, "{stderr}");
    assert_eq!(dir.read("bad.csv"), b"a,b\n1\n");
}

#[test]
fn rejects_follow_the_header_of_their_input() {
    let dir = TestDir::new();
    dir.write("1.csv", "a,b\n1,x\n2\n");
    dir.write("2.csv", "b,a\ny,3\nz\n");
    dir.write("3.csv", format!("a;b\n{}5\n", "4;w\n".repeat(20)));
    dir.write("4.csv", "a,b\n6,v\n7\n");
    let inputs = ["load", "1.csv", "2.csv", "3.csv", "4.csv", "out.db", "-t", "t"];
    dir.run(&[&inputs[..], &KEEP_REJECTS].concat()).expect_code(3);
    assert_eq!(dir.read("bad.csv"), b"a,b\n2\n7\n");
    assert_eq!(dir.read("bad.csv.2"), b"b,a\nz\n");
    assert_eq!(dir.read("bad.csv.3"), b"a;b\n5\n");
    for (name, inputs) in
        [("bad.csv", &["1.csv", "4.csv"][..]), ("bad.csv.2", &["2.csv"]), ("bad.csv.3", &["3.csv"])]
    {
        let found: Vec<_> = dir.reasons(name).iter().map(|reason| reason["input"].clone()).collect();
        assert_eq!(found, inputs, "{name}");
    }
    // A rejects file cannot also be an input.
    let over = ["load", "1.csv", "bad.csv.2", "out.db", "-t", "t", "--rejects", "bad.csv"];
    dir.run(&over).expect_code(2).assert_single_message(&["would overwrite"]);
}

#[test]
fn text_in_a_rowid_column_is_rejected() {
    load_with_each_writer("a,b\n1,x\n2,y\n", &["--pk", "a"], 0, |connection, _| {
        assert_eq!(rows_of(connection, "SELECT a FROM t"), [[Value::Integer(1)], [Value::Integer(2)]]);
    });
    let dir = TestDir::new();
    let schema = "CREATE TABLE t (a INTEGER PRIMARY KEY, b)";
    dir.open("out.db").execute_batch(schema).unwrap();
    dir.write("in.csv", "a,b\n1,x\nword,y\n3,z\n");
    dir.run(&[&["load", "in.csv", "out.db", "-t", "t", "--append"][..], &KEEP_REJECTS].concat())
        .expect_code(3);
    assert_eq!(dir.read("bad.csv"), b"a,b\nword,y\n");
    assert_eq!(reasons(&dir)[0].5, "the value \"word\" of column \"a\" is not an INTEGER");
    let connection = dir.open("out.db");
    assert_eq!(rows_of(&connection, "SELECT b FROM t"), [[text("x")], [text("z")]]);
}

#[test]
fn ignore_skips_rows_whose_key_exists() {
    let csv = "a,b\n1,x\n2,y\n1,z\n3,\n2,w\n4,v\n";
    let options = ["--pk", "a", "--not-null", "b", "--empty-null", "--ignore"];
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    for more in [&[][..], &["--batch-rows", "1"], &["--writer", "statements"]] {
        let load = ["load", "in.csv", "out.db", "--replace", "--verify"];
        let stderr = dir.run(&[&load[..], &options, &KEEP_REJECTS, more].concat()).expect_code(3).stderr;
        assert!(stderr.contains("read 6 records: 3 loaded, 1 rejected, 2 ignored"), "{stderr}");
        let connection = dir.open("out.db");
        assert_eq!(query(&connection, "SELECT group_concat(a || b, ' ') FROM \"in\""), "1x 2y 4v");
        assert_eq!(dir.read("bad.csv"), b"a,b\n3,\n");
    }
    // Violations of other constraints are still errors.
    let load = ["load", "in.csv", "out.db", "--replace"];
    dir.run(&[&load[..], &options].concat())
        .expect_code(1)
        .assert_single_message(&["line 5", "NOT NULL constraint failed: in.b"]);
    // Without duplicates the direct path is used.
    dir.write("in.csv", "a,b\n1,x\n2,y\n");
    let stderr = dir.run(&[&load[..], &options].concat()).expect_code(0).stderr;
    assert!(stderr.contains("(direct writer)"), "{stderr}");
    // The same command again, with the existing table.
    dir.write("in.csv", "b,A\nq,2\nr,5\n");
    let append = ["load", "in.csv", "out.db", "--append", "--pk", "a", "--ignore", "--report", "-"];
    let report = dir.run(&append).expect_code(0).report();
    assert_eq!([&report["loaded"], &report["ignored"]], [1, 1]);
    let connection = dir.open("out.db");
    assert_eq!(query(&connection, "SELECT group_concat(a || b, ' ') FROM \"in\""), "1x 2y 5r");
}

#[test]
fn upsert_updates_rows_whose_key_exists() {
    let schema = "CREATE TABLE t (a, b, c DEFAULT 'c', d, PRIMARY KEY (b, a)) WITHOUT ROWID;
        INSERT INTO t VALUES (1, 'x', 'old', 'old'), (2, 'x', 'old', 'old')";
    let dir = TestDir::new();
    dir.open("out.db").execute_batch(schema).unwrap();
    let rows: String = (3..500).map(|a| format!("first,{a},x\nsecond,{a},x\n")).collect();
    dir.write("in.csv", format!("d,a,b\nnew,2,x\nnewer,2,x\nnew,2,y\n{rows}"));
    let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--upsert", "--verify"];
    dir.run(&[&load[..], &["--type", "a=INTEGER"]].concat()).expect_code(0);
    let connection = dir.open("out.db");
    let few = "SELECT group_concat(a || b || c || d, ' ') FROM t WHERE a < 3 OR a = 499";
    assert_eq!(query(&connection, few), "1xoldold 2xoldnewer 499xcsecond 2ycnew");
    assert_eq!(query(&connection, "SELECT count(*) FROM t WHERE d = 'second'"), "497");
    let before = dir.snapshot();
    dir.run(&[&load[..], &["--columns", "a,d"]].concat()).expect_code(2).assert_single_message(&[
        "--upsert",
        "not all columns of the key",
        "are loaded: b, a",
    ]);
    dir.run(&["load", "in.csv", "out.db", "-t", "u", "--upsert"])
        .expect_code(2)
        .assert_single_message(&["--upsert", "--pk"]);
    dir.run(&[&load[..], &["--ignore"]].concat()).expect_code(2);
    dir.assert_unchanged(&before);
    dir.run(&["load", "in.csv", "out.db", "-t", "u", "--upsert", "--pk", "a"]).expect_code(0);
    assert_eq!(query(&connection, "SELECT count(*) || max(d) || max(b) FROM u"), "498secondy");
}

#[test]
fn on_conflict_fail_loads_no_row_twice() {
    let rows = |bad: usize| -> String {
        (1..=120)
            .map(|row| if row == bad { format!("{},\n", row - 1) } else { format!("{row},x\n") })
            .collect()
    };
    let tables = [
        "CREATE TABLE t (a INTEGER, b NOT NULL ON CONFLICT FAIL)",
        "CREATE TABLE t (a INTEGER PRIMARY KEY ON CONFLICT FAIL, b)",
        "CREATE TABLE t (a INTEGER, b); CREATE TRIGGER g BEFORE INSERT ON t WHEN new.b IS NULL BEGIN SELECT RAISE(FAIL, 'no b'); END",
        "CREATE TABLE t (a INTEGER, b); CREATE TRIGGER g AFTER INSERT ON t WHEN new.b IS NULL BEGIN SELECT RAISE(FAIL, 'no b'); END",
    ];
    for (table, bad) in tables.into_iter().flat_map(|table| [1, 31, 120].map(|bad| (table, bad))) {
        let dir = TestDir::new();
        let connection = dir.open("out.db");
        connection.execute_batch(table).unwrap();
        // The duplicate of an earlier key needs an earlier record.
        let bad = if bad == 1 && table.contains("KEY") { 2 } else { bad };
        dir.write("in.csv", format!("a,b\n{}", rows(bad)));
        let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--empty-null", "--verify"];
        let line = format!("line {} (record {bad}", bad + 1);
        dir.run(&load).expect_code(1).assert_single_message(&[&line]);
        let stderr = dir.run(&[&load[..], &KEEP_REJECTS].concat()).expect_code(3).stderr;
        assert!(stderr.contains("read 120 records: 119 loaded, 1 rejected"), "{table}: {stderr}");
        let expected: Vec<i64> = (1..=120).filter(|row| *row != bad as i64).collect();
        let found: Vec<_> = rows_of(&connection, "SELECT a FROM t ORDER BY rowid");
        assert_eq!(
            found,
            expected.iter().map(|row| vec![Value::Integer(*row)]).collect::<Vec<_>>(),
            "{table}"
        );
    }
}

#[test]
fn upsert_keeps_the_columns_that_are_not_loaded() {
    let schema = "CREATE TABLE t (id INTEGER, k TEXT, name TEXT NOT NULL, price INT, note NOT NULL DEFAULT 'n', PRIMARY KEY (id, k));
        WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 200)
        INSERT INTO t SELECT i, 'k', 'pen' || i, 10, 'old' FROM s";
    let rows: String = (1..=200).map(|row| format!("k,{},{row}\n", row * 2)).collect();
    let dir = TestDir::new();
    let connection = dir.open("out.db");
    connection.execute_batch(schema).unwrap();
    dir.write("in.csv", format!("k,price,id\n{rows}k,1,999\n"));
    let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--upsert", "--verify"];
    dir.run(&load)
        .expect_code(1)
        .assert_single_message(&["line 202 (record 201", "NOT NULL constraint failed: t.name"]);
    dir.run(&[&load[..], &["--on-error", "skip"]].concat()).expect_code(3);
    let wrong =
        "SELECT count(*), sum(name = 'pen' || id AND price = id * 2 AND note = 'old' AND k = 'k') FROM t";
    assert_eq!(rows_of(&connection, wrong), [[200, 200].map(Value::Integer)]);
}

#[test]
fn a_function_that_fails_in_the_schema_rejects_the_row() {
    let tables = [
        "CREATE TABLE t (a INTEGER, b CHECK (json_type(b) <> 'x'))",
        "CREATE TABLE t (a INTEGER, b, c AS (json_type(b)) STORED)",
        "CREATE TABLE t (a INTEGER, b); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT json(new.b); END",
    ];
    for table in tables {
        let dir = TestDir::new();
        let connection = dir.open("out.db");
        connection.execute_batch(table).unwrap();
        let value = |row| if row == 77 { "{bad" } else { "[]" };
        let rows: String = (0..200).map(|row| format!("{row},{}\n", value(row))).collect();
        dir.write("in.csv", format!("a,b\n{rows}"));
        let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--verify"];
        dir.run(&load).expect_code(1).assert_single_message(&["line 79 (record 78", "malformed JSON"]);
        dir.run(&[&load[..], &KEEP_REJECTS].concat()).expect_code(3);
        assert_eq!(dir.read("bad.csv"), b"a,b\n77,{bad\n", "{table}");
        let counts = rows_of(&connection, "SELECT count(*), count(DISTINCT a) FROM t");
        assert_eq!(counts, [[199, 199].map(Value::Integer)], "{table}");
    }
}

#[test]
fn a_duplicate_key_is_rejected_when_sqlite_builds_the_index() {
    let rows: String = (0..60_000).map(|row| format!("{}\n", row * 7_919 % 59_999)).collect();
    let dir = TestDir::new();
    dir.write("in.csv", format!("id\n{rows}"));
    for key in [&["--unique", "id"][..], &["--type", "id=TEXT", "--pk", "id"]] {
        let load = [&["load", "in.csv", "out.db", "--replace", "--memory", "1"], key].concat();
        dir.run(&load)
            .expect_code(1)
            .assert_single_message(&["line 60001 (record 60000", "UNIQUE constraint failed: in.id"]);
        let stderr = dir.run(&[&load[..], &KEEP_REJECTS].concat()).expect_code(3).stderr;
        assert!(stderr.contains("59 999 loaded, 1 rejected"), "{stderr}");
        assert_eq!(dir.read("bad.csv"), b"id\n0\n");
    }
}

#[test]
fn a_strict_table_has_each_row_once_if_a_value_of_another_row_is_not_of_its_type() {
    // SQLite keeps the rows that a statement has inserted before such a value.
    let record = |row: usize| format!("{row},{}\n", if row == 30 { "x".to_owned() } else { row.to_string() });
    let csv = format!("k,v\n{}", (1..=100).map(record).collect::<String>());
    let expected: Vec<_> =
        (1..=100_i64).filter(|row| *row != 30).map(|row| vec![Value::from(row), Value::from(row)]).collect();
    let table = "CREATE TABLE t (k INTEGER, v INTEGER) STRICT";
    let insert = "INSERT INTO t SELECT k, v FROM input";
    for (create, conflict) in [
        (table.to_owned(), ""),
        (table.to_owned(), " ON CONFLICT DO NOTHING"),
        (table.replace("TABLE", "TABLE IF NOT EXISTS"), ""),
    ] {
        let dir = TestDir::with_pipeline(&csv, &format!("{create}; {insert}{conflict}"));
        if create.contains("IF NOT") {
            dir.database().execute_batch(table).unwrap();
        }
        let load = ["run-pipeline", "people.sql", "-i", "people.csv", "--verify"];
        dir.run(&load).expect_code(3);
        assert_eq!(rows_of(&dir.database(), "SELECT * FROM t"), expected, "{create}{conflict}");
    }
}

#[test]
fn a_table_has_each_row_once_if_another_rowid_is_not_an_integer() {
    let record = |row: usize| format!("{row},{}\n", if row == 30 { "x".to_owned() } else { row.to_string() });
    let csv = format!("k,v\n{}", (1..=100).map(record).collect::<String>());
    let expected: Vec<_> =
        (1..=100_i64).filter(|row| *row != 30).map(|row| vec![Value::from(row), Value::from(row)]).collect();
    for conflict in ["", " ON CONFLICT DO NOTHING", " ON CONFLICT (k) DO UPDATE SET v = excluded.v"] {
        let create = "CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER)";
        let dir = TestDir::with_pipeline(
            &csv,
            &format!("{create}; INSERT INTO t SELECT v, k FROM input{conflict}"),
        );
        let load = ["run-pipeline", "people.sql", "-i", "people.csv", "--verify", "--writer", "statements"];
        let outcome = dir.run(&load).expect_code(3);
        assert!(outcome.stderr.contains("99 loaded"), "{conflict}: {}", outcome.stderr);
        assert_eq!(rows_of(&dir.database(), "SELECT * FROM t"), expected, "{conflict}");
    }
}

#[test]
fn a_missing_rowid_is_not_invented_in_an_existing_table() {
    for table in ["(id INTEGER PRIMARY KEY, name)", "(id INTEGER PRIMARY KEY AUTOINCREMENT, name)"] {
        for options in [&["--append"][..], &["--truncate"], &["--append", "--null", "NA"]] {
            let csv = if options.len() > 1 { "id,name\n2,b\nNA,c\n" } else { "id,name\n2,b\n,c\n" };
            let dir = TestDir::with_database(csv, &format!("CREATE TABLE people {table}"));
            let load = ["load", "people.csv", "people.db", "--on-error", "skip"];
            let outcome = dir.run(&[&load[..], options].concat()).expect_code(3);
            assert!(outcome.stderr.contains("1 rejected"), "{}", outcome.stderr);
            let rows = rows_of(&dir.database(), "SELECT * FROM people");
            assert_eq!(rows, [[Value::Integer(2), text("b")]], "{table} {options:?}");
        }
    }
}

#[test]
fn a_value_that_is_not_of_the_type_of_its_column_is_named() {
    let csv = "a,b\n1,x\n2y,z\n";
    let cases = [
        (
            "id INTEGER PRIMARY KEY, b TEXT)",
            "datatype mismatch: the INTEGER PRIMARY KEY t.id cannot be \"2y!\"",
        ),
        ("id INTEGER, b TEXT) STRICT", "cannot store TEXT value in INTEGER column t.id: \"2y!\""),
    ];
    for (columns, message) in cases {
        for writer in ["auto", "statements"] {
            let sql = format!(
                "CREATE TABLE t ({columns}; INSERT INTO t SELECT iif(b = 'x', 1, a || '!'), b FROM input"
            );
            let dir = TestDir::with_pipeline(csv, &sql);
            let load = ["run-pipeline", "people.sql", "--writer", writer];
            dir.run(&[&load[..], &KEEP_REJECTS].concat()).expect_code(3);
            let (.., column, reason) = reasons(&dir).remove(0);
            assert_eq!((column.as_deref(), reason.as_str()), (Some("id"), message), "{writer}");
        }
    }
}

#[test]
fn the_summary_names_the_reason_for_statements_even_if_rows_are_rejected() {
    let cases = [(
        "id TEXT UNIQUE, b UNIQUE ON CONFLICT IGNORE)",
        "the table has the clause ON CONFLICT IGNORE or REPLACE",
    )];
    for (columns, reason) in cases {
        for (csv, code) in [("a,b\n1,2\n", 0), ("a,b\n1,2\n1,3\n", 3)] {
            let sql = format!("CREATE TABLE t ({columns}; INSERT INTO t SELECT a, nullif(b, 3) FROM input");
            let dir = TestDir::with_pipeline(csv, &sql);
            let load = ["run-pipeline", "people.sql", "--on-error", "skip", "--report", "report.json"];
            let outcome = dir.run(&load).expect_code(code);
            assert_contains(&outcome.stderr, [&*format!("(statements writer: {reason})")]);
            let report: serde_json::Value = serde_json::from_slice(&dir.read("report.json")).unwrap();
            assert_eq!(report["writer_reason"], reason);
        }
    }
}

/// A row may replace several others, and a trigger may add rows or remove them.
#[test]
fn loads_whose_number_of_rows_depends_on_the_table_can_be_verified() {
    for (schema, expected) in [
        (
            "CREATE TABLE t (id TEXT PRIMARY KEY ON CONFLICT REPLACE, name TEXT UNIQUE ON CONFLICT REPLACE);
            INSERT INTO t VALUES ('1', 'b'), ('2', 'q'), ('3', 'a')",
            "1a 2b",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TRIGGER r AFTER INSERT ON t WHEN new.id < 1000 BEGIN INSERT INTO t VALUES (new.id + 1000, 'copy'); END",
            "1a 2b 1001copy 1002copy",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (-1, 'x');
            CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t WHERE id < new.id; END",
            "2b",
        ),
    ] {
        for writer in ["auto", "statements"] {
            let dir = TestDir::new();
            dir.open("out.db").execute_batch(schema).unwrap();
            dir.write("in.csv", "id,name\n1,a\n2,b\n");
            let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--verify", "--writer", writer];
            dir.run(&load).expect_code(0);
            let rows = "SELECT group_concat(id || name, ' ' ORDER BY CAST(id AS INTEGER)) FROM t";
            assert_eq!(query(&dir.open("out.db"), rows), expected);
        }
    }
}
