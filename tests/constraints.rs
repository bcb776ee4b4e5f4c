//! Rows that break a constraint: rejects like others, or rows that give way.

mod common;

use common::{Place, each_way, query, rows_of, text};
use rusqlite::Connection;
use rusqlite::types::Value;

/// Rejects are kept.
const SKIP: [&str; 4] = ["--on-error", "skip", "--rejects", "bad.csv"];

/// The reasons that are kept beside `bad.csv`: record, line, offset, kind, column and message of each.
fn reasons(place: &Place) -> Vec<(u64, u64, u64, String, Option<String>, String)> {
    let lines = String::from_utf8(place.read("bad.csv.reasons.jsonl")).unwrap();
    let reason = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| line[name].as_u64().unwrap();
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let (record, line_number, offset) = (number("record"), number("line"), number("offset"));
        (record, line_number, offset, text("kind").unwrap(), text("column"), text("message").unwrap())
    };
    lines.lines().map(reason).collect()
}

/// What rows come to through plain SQL: they go in one by one. The table, and what is said of those that fail.
fn reference(create: &str, rows: &[[Value; 3]]) -> (Vec<Vec<Value>>, Vec<Option<String>>) {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(create).unwrap();
    let insert = |row: &[Value; 3]| connection.execute("INSERT INTO t VALUES (?, ?, ?)", row.clone()).err();
    let said = rows.iter().map(|row| insert(row).map(|error| error.to_string())).collect();
    (rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), said)
}

#[test]
fn rows_that_break_a_constraint_are_rejects() {
    // Every constraint, and more rows than a statement carries.
    let row = |number: i64| {
        let a = if number % 7 == 3 { number - 3 } else { number };
        let b = if number % 11 == 5 { String::new() } else { format!("b\n{number}") };
        let c = if number % 13 == 6 { 5 } else { number };
        let record = format!("{a},\"{b}\",{c}\n");
        (record, [a.into(), if b.is_empty() { Value::Null } else { Value::Text(b) }, c.into()])
    };
    let (records, rows): (Vec<_>, Vec<_>) = (0..1_000).map(row).unzip();
    let create = "CREATE TABLE t (a INTEGER, b TEXT NOT NULL, c INTEGER, PRIMARY KEY (a), UNIQUE (c))";
    let (expected, said) = reference(create, &rows);
    let messages: Vec<_> = said.iter().flatten().cloned().collect();
    assert!(messages.len() > 100);
    // With records between that are bad in another way.
    let (mut csv, mut bad) = ("a,b,c\n".to_owned(), "a,b,c\n".to_owned());
    for (number, (record, said)) in records.iter().zip(&said).enumerate() {
        let other = if number % 17 == 0 { "x\n" } else { "" };
        csv += &[record, other].concat();
        bad += &[said.as_ref().map_or("", |_| record), other].concat();
    }
    let options = [
        "--empty-null",
        "--null",
        "",
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
    let place = Place::empty();
    place.write("in.csv", &csv);
    for jobs in ["1", "3"] {
        for more in [&["--writer", "auto"][..], &["--writer", "statements", "--batch-rows", "7"]] {
            let load = ["load", "in.csv", "out.db", "--jobs", jobs, "--replace"];
            let said = place.run(&[&load[..], &options, &SKIP, more].concat()).expect(3).stderr;
            let connection = Connection::open(place.path("out.db")).unwrap();
            assert_eq!(rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), expected, "{said}");
            assert_eq!(String::from_utf8(place.read("bad.csv")).unwrap(), bad);
            let reasons = reasons(&place);
            let of_constraints = reasons.iter().filter(|reason| reason.3 == "constraint");
            let found: Vec<_> = of_constraints.map(|reason| reason.5.clone()).collect();
            assert_eq!(found, messages);
            assert_eq!(said.matches("rejected: ").count(), 5, "each is said once: {said}");
            if more[1] == "auto" {
                assert!(said.contains("statements writer: rows break a constraint: "), "{said}");
            }
        }
    }
}

#[test]
fn a_reject_says_which_constraint_and_where() {
    let csv = "a,b\n1,x\n1,y\n2,\n\n3,\"z\n\"\n3,w\n4\n";
    let options = ["--pk", "a", "--not-null", "b", "--empty-null"];
    let place = Place::empty();
    place.write("in.csv", csv);
    place.run(&[&["load", "in.csv", "out.db"][..], &options, &SKIP].concat()).expect(3);
    let expected = [
        (2, 3, 8, "constraint", Some("a"), "UNIQUE constraint failed: in.a"),
        (3, 4, 12, "constraint", Some("b"), "NOT NULL constraint failed: in.b"),
        (5, 8, 23, "constraint", Some("a"), "UNIQUE constraint failed: in.a"),
        (6, 9, 27, "field_count", None, "1 fields where the header has 2"),
    ];
    let expected = expected.map(|(record, line, offset, kind, column, message)| {
        (record, line, offset, kind.to_owned(), column.map(str::to_owned), message.to_owned())
    });
    assert_eq!(reasons(&place), expected);
    assert_eq!(place.read("bad.csv"), b"a,b\n1,y\n2,\n3,w\n4\n");
    // Mended they can be loaded as they are.
    place.write("bad.csv", String::from_utf8(place.read("bad.csv")).unwrap().replace("1,y", "9,y"));
    let again = ["load", "bad.csv", "out.db", "-t", "in", "--append", "--on-error", "skip", "--empty-null"];
    place.run(&again).expect(3);
    let connection = Connection::open(place.path("out.db")).unwrap();
    assert_eq!(query(&connection, "SELECT group_concat(a || b, ' ') FROM \"in\""), "1x 3z\n 9y");
}

#[test]
fn constraints_of_a_table_that_is_there_make_rejects() {
    let schema =
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT CHECK (b <> 'no'), c ANY) STRICT, WITHOUT ROWID;
        CREATE UNIQUE INDEX u ON t (b, c); INSERT INTO t VALUES (1, 'old', '2')";
    let csv = "a,b,c\n1,x,1\n2,no,1\n3,old,2\n4,old,3\nq,r,s\n,null,1\n5,ok,5\n";
    let place = Place::empty();
    Connection::open(place.path("out.db")).unwrap().execute_batch(schema).unwrap();
    place.write("in.csv", csv);
    let load = ["load", "in.csv", "out.db", "-t", "T", "--append"];
    let before = place.snapshot();
    place.run(&load).expect(1).says_once(&["line 2 (record 1, byte 6): UNIQUE constraint failed: t.a"]);
    place.run(&[&load[..], &SKIP, &["--max-errors", "4"]].concat()).expect(1).says_once(&["more than 4"]);
    assert_eq!(before["out.db"].as_deref(), Some(place.read("out.db").as_slice()));
    place.run(&[&load[..], &SKIP, &["--max-errors", "5", "--verify"]].concat()).expect(3);
    let connection = Connection::open(place.path("out.db")).unwrap();
    let rows = rows_of(&connection, "SELECT * FROM t ORDER BY a");
    assert_eq!(rows.len(), 3);
    assert_eq!(place.read("bad.csv"), b"a,b,c\n1,x,1\n2,no,1\n3,old,2\nq,r,s\n,null,1\n");
    let said: Vec<_> = reasons(&place).into_iter().map(|reason| (reason.4, reason.5)).collect();
    let expected = [
        (Some("a"), "UNIQUE constraint failed: t.a"),
        (None, "CHECK constraint failed: b <> 'no'"),
        (None, "UNIQUE constraint failed: t.b, t.c"),
        (Some("a"), "cannot store TEXT value in INTEGER column t.a"),
        (Some("a"), "NOT NULL constraint failed: t.a"),
    ];
    assert_eq!(said, expected.map(|(column, message)| (column.map(str::to_owned), message.to_owned())));
}

#[test]
fn abort_names_the_record_whichever_writer_runs() {
    let csv = format!("a,b\n{}7,x\n1\n", (0..5_000).map(|row| format!("{row},y\n")).collect::<String>());
    let place = Place::empty();
    place.write("in.csv", &csv);
    let before = place.snapshot();
    for (writer, jobs) in [("direct", "1"), ("direct", "4"), ("statements", "1"), ("statements", "4")] {
        let load = ["load", "in.csv", "out.db", "--pk", "b,a", "--writer", writer, "--jobs", jobs];
        place.run(&load).expect(1).says_once(&["line 5003 (record 5002", "1 fields"]);
        let load = ["load", "in.csv", "out.db", "--pk", "a", "--writer", writer, "--jobs", jobs];
        let parts = ["line 5002 (record 5001", "UNIQUE", "in.csv: line ", "--on-error skip"];
        place.run(&load).expect(1).says_once(&parts);
        place.is_as(&before);
    }
    // Nobody but the statement path can leave a row out.
    let load = ["load", "in.csv", "out.db", "--pk", "a", "--writer", "direct", "--on-error", "skip"];
    place.run(&load).expect(1).says_once(&["UNIQUE constraint failed: in.a", "--writer auto"]);
    place.is_as(&before);
}

#[test]
fn a_constraint_that_ends_the_transaction_ends_the_load() {
    let place = Place::empty();
    let schema = "CREATE TABLE t (a UNIQUE ON CONFLICT ROLLBACK); INSERT INTO t VALUES (1)";
    Connection::open(place.path("out.db")).unwrap().execute_batch(schema).unwrap();
    place.write("in.csv", "a\n0\n1\n2\n");
    let load =
        ["load", "in.csv", "out.db", "-t", "t", "--append", "--type", "a=INTEGER", "--on-error", "skip"];
    place.run(&load).expect(1).says_once(&["UNIQUE constraint failed: t.a"]);
    let connection = Connection::open(place.path("out.db")).unwrap();
    assert_eq!(query(&connection, "SELECT group_concat(a) FROM t"), "1");
    // One that leaves the row out is no reject, but counted.
    let schema = "DROP TABLE t; CREATE TABLE t (a UNIQUE ON CONFLICT IGNORE); INSERT INTO t VALUES (1)";
    connection.execute_batch(schema).unwrap();
    let said = place.run(&[&load[..], &["--verify"]].concat()).expect(0).stderr;
    assert!(said.contains("read 3 records: 2 loaded, 0 rejected, 1 ignored"), "{said}");
}

#[test]
fn a_pipeline_whose_table_replaces_rows_is_whole() {
    let sql = "CREATE TABLE t (x, y UNIQUE ON CONFLICT REPLACE);
        INSERT INTO t SELECT first_name, age FROM input";
    let place = Place::with_pipeline("first_name,age\nAda,1\nAlan,2\nGrace,1\n", sql);
    let run = ["run-pipeline", "people.sql", "-i", "people.csv", "--database", "people.db", "--verify"];
    place.run(&run).expect(0);
    assert_eq!(place.query("SELECT group_concat(x) FROM t"), "Alan,Grace");
}

#[test]
fn rejects_are_said_once_however_often_a_load_is_tried() {
    // The first chunks say INTEGER, the last record says otherwise: all is loaded once more.
    let csv = format!("a,b\n1\n{}x,1\n", "12,1\n".repeat(400_000));
    let place = Place::empty();
    place.write("in.csv", csv);
    let said = place.run(&[&["load", "in.csv", "out.db"][..], &SKIP].concat()).expect(3).stderr;
    assert_eq!(said.matches("rejected: ").count(), 1, "{said}");
    assert_eq!(place.read("bad.csv"), b"a,b\n1\n");
}

#[test]
fn rejects_lie_behind_the_header_of_their_input() {
    let place = Place::empty();
    place.write("1.csv", "a,b\n1,x\n2\n");
    place.write("2.csv", "b,a\ny,3\nz\n");
    place.write("3.csv", format!("a;b\n{}5\n", "4;w\n".repeat(20)));
    place.write("4.csv", "a,b\n6,v\n7\n");
    let inputs = ["load", "1.csv", "2.csv", "3.csv", "4.csv", "out.db", "-t", "t"];
    place.run(&[&inputs[..], &SKIP].concat()).expect(3);
    assert_eq!(place.read("bad.csv"), b"a,b\n2\n7\n");
    assert_eq!(place.read("bad.csv.2"), b"b,a\nz\n");
    assert_eq!(place.read("bad.csv.3"), b"a;b\n5\n");
    for (name, inputs) in
        [("bad.csv", &["1.csv", "4.csv"][..]), ("bad.csv.2", &["2.csv"]), ("bad.csv.3", &["3.csv"])]
    {
        let reasons = String::from_utf8(place.read(&format!("{name}.reasons.jsonl"))).unwrap();
        let found: Vec<_> = reasons
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["input"].clone())
            .collect();
        assert_eq!(found, inputs, "{name}");
    }
    // None of them is an input.
    let over = ["load", "1.csv", "bad.csv.2", "out.db", "-t", "t", "--rejects", "bad.csv"];
    place.run(&over).expect(2).says_once(&["would overwrite"]);
}

#[test]
fn a_text_where_the_rowid_belongs_is_a_reject() {
    each_way("a,b\n1,x\n2,y\n", &["--pk", "a"], 0, |connection, _| {
        assert_eq!(rows_of(connection, "SELECT a FROM t"), [[Value::Integer(1)], [Value::Integer(2)]]);
    });
    let place = Place::empty();
    let schema = "CREATE TABLE t (a INTEGER PRIMARY KEY, b)";
    Connection::open(place.path("out.db")).unwrap().execute_batch(schema).unwrap();
    place.write("in.csv", "a,b\n1,x\nword,y\n3,z\n");
    place.run(&[&["load", "in.csv", "out.db", "-t", "t", "--append"][..], &SKIP].concat()).expect(3);
    assert_eq!(place.read("bad.csv"), b"a,b\nword,y\n");
    assert_eq!(reasons(&place)[0].5, "datatype mismatch");
    let connection = Connection::open(place.path("out.db")).unwrap();
    assert_eq!(rows_of(&connection, "SELECT b FROM t"), [[text("x")], [text("z")]]);
}

#[test]
fn rows_with_a_key_that_is_there_give_way() {
    let csv = "a,b\n1,x\n2,y\n1,z\n3,\n2,w\n4,v\n";
    let options = ["--pk", "a", "--not-null", "b", "--empty-null", "--ignore"];
    let place = Place::empty();
    place.write("in.csv", csv);
    for more in [&[][..], &["--batch-rows", "1"], &["--writer", "statements"]] {
        let load = ["load", "in.csv", "out.db", "--replace", "--verify"];
        let said = place.run(&[&load[..], &options, &SKIP, more].concat()).expect(3).stderr;
        assert!(said.contains("read 6 records: 3 loaded, 1 rejected, 2 ignored"), "{said}");
        let connection = Connection::open(place.path("out.db")).unwrap();
        assert_eq!(query(&connection, "SELECT group_concat(a || b, ' ') FROM \"in\""), "1x 2y 4v");
        assert_eq!(place.read("bad.csv"), b"a,b\n3,\n");
    }
    // What breaks another constraint is not hidden by that.
    let load = ["load", "in.csv", "out.db", "--replace"];
    place
        .run(&[&load[..], &options].concat())
        .expect(1)
        .says_once(&["line 5", "NOT NULL constraint failed: in.b"]);
    // Without duplicates nothing keeps it from the direct path.
    place.write("in.csv", "a,b\n1,x\n2,y\n");
    let said = place.run(&[&load[..], &options].concat()).expect(0).stderr;
    assert!(said.contains("(direct writer)"), "{said}");
    // The same command again, into the table that is there.
    place.write("in.csv", "b,A\nq,2\nr,5\n");
    let append = ["load", "in.csv", "out.db", "--append", "--pk", "a", "--ignore", "--report", "-"];
    let report = place.run(&append).expect(0).stdout;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!([&report["loaded"], &report["ignored"]], [1, 1]);
    let connection = Connection::open(place.path("out.db")).unwrap();
    assert_eq!(query(&connection, "SELECT group_concat(a || b, ' ') FROM \"in\""), "1x 2y 5r");
}

#[test]
fn rows_with_a_key_that_is_there_change_the_row() {
    let schema = "CREATE TABLE t (a, b, c DEFAULT 'c', d, PRIMARY KEY (b, a)) WITHOUT ROWID;
        INSERT INTO t VALUES (1, 'x', 'old', 'old'), (2, 'x', 'old', 'old')";
    let place = Place::empty();
    Connection::open(place.path("out.db")).unwrap().execute_batch(schema).unwrap();
    let rows: String = (3..500).map(|a| format!("first,{a},x\nsecond,{a},x\n")).collect();
    place.write("in.csv", format!("d,a,b\nnew,2,x\nnewer,2,x\nnew,2,y\n{rows}"));
    let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--upsert", "--verify"];
    place.run(&[&load[..], &["--type", "a=INTEGER"]].concat()).expect(0);
    let connection = Connection::open(place.path("out.db")).unwrap();
    let few = "SELECT group_concat(a || b || c || d, ' ') FROM t WHERE a < 3 OR a = 499";
    assert_eq!(query(&connection, few), "1xoldold 2xoldnewer 499xcsecond 2ycnew");
    assert_eq!(query(&connection, "SELECT count(*) FROM t WHERE d = 'second'"), "497");
    let before = place.snapshot();
    place
        .run(&[&load[..], &["--columns", "a,d"]].concat())
        .expect(2)
        .says_once(&["--upsert", "not all are loaded"]);
    place
        .run(&["load", "in.csv", "out.db", "-t", "u", "--upsert"])
        .expect(2)
        .says_once(&["--upsert", "--pk"]);
    place.run(&[&load[..], &["--ignore"]].concat()).expect(2);
    place.is_as(&before);
    place.run(&["load", "in.csv", "out.db", "-t", "u", "--upsert", "--pk", "a"]).expect(0);
    assert_eq!(query(&connection, "SELECT count(*) || max(d) || max(b) FROM u"), "498secondy");
}

#[test]
fn a_constraint_that_keeps_what_a_statement_did_loads_no_row_twice() {
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
        let place = Place::empty();
        let connection = Connection::open(place.path("out.db")).unwrap();
        connection.execute_batch(table).unwrap();
        // A key that is there before the record whose own it is.
        let bad = if bad == 1 && table.contains("KEY") { 2 } else { bad };
        place.write("in.csv", format!("a,b\n{}", rows(bad)));
        let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--empty-null", "--verify"];
        let line = format!("line {} (record {bad}", bad + 1);
        place.run(&load).expect(1).says_once(&[&line]);
        let said = place.run(&[&load[..], &SKIP].concat()).expect(3).stderr;
        assert!(said.contains("read 120 records: 119 loaded, 1 rejected"), "{table}: {said}");
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
fn a_row_that_is_changed_keeps_what_is_not_loaded() {
    let schema = "CREATE TABLE t (id INTEGER, k TEXT, name TEXT NOT NULL, price INT, note NOT NULL DEFAULT 'n', PRIMARY KEY (id, k));
        WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 200)
        INSERT INTO t SELECT i, 'k', 'pen' || i, 10, 'old' FROM s";
    let rows: String = (1..=200).map(|row| format!("k,{},{row}\n", row * 2)).collect();
    let place = Place::empty();
    let connection = Connection::open(place.path("out.db")).unwrap();
    connection.execute_batch(schema).unwrap();
    place.write("in.csv", format!("k,price,id\n{rows}k,1,999\n"));
    let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--upsert", "--verify"];
    place.run(&load).expect(1).says_once(&["line 202 (record 201", "NOT NULL constraint failed: t.name"]);
    place.run(&[&load[..], &["--on-error", "skip"]].concat()).expect(3);
    let wrong =
        "SELECT count(*), sum(name = 'pen' || id AND price = id * 2 AND note = 'old' AND k = 'k') FROM t";
    assert_eq!(rows_of(&connection, wrong), [[200, 200].map(Value::Integer)]);
}

#[test]
fn a_function_that_fails_in_the_table_makes_a_reject() {
    let tables = [
        "CREATE TABLE t (a INTEGER, b CHECK (json_type(b) <> 'x'))",
        "CREATE TABLE t (a INTEGER, b, c AS (json_type(b)) STORED)",
        "CREATE TABLE t (a INTEGER, b); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT json(new.b); END",
    ];
    for table in tables {
        let place = Place::empty();
        let connection = Connection::open(place.path("out.db")).unwrap();
        connection.execute_batch(table).unwrap();
        let value = |row| if row == 77 { "{bad" } else { "[]" };
        let rows: String = (0..200).map(|row| format!("{row},{}\n", value(row))).collect();
        place.write("in.csv", format!("a,b\n{rows}"));
        let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--verify"];
        place.run(&load).expect(1).says_once(&["line 79 (record 78", "malformed JSON"]);
        place.run(&[&load[..], &SKIP].concat()).expect(3);
        assert_eq!(place.read("bad.csv"), b"a,b\n77,{bad\n", "{table}");
        let counts = rows_of(&connection, "SELECT count(*), count(DISTINCT a) FROM t");
        assert_eq!(counts, [[199, 199].map(Value::Integer)], "{table}");
    }
}

#[test]
fn a_duplicate_among_keys_that_sqlite_sorts_is_a_reject() {
    let rows: String = (0..60_000).map(|row| format!("{}\n", row * 7_919 % 59_999)).collect();
    let place = Place::empty();
    place.write("in.csv", format!("id\n{rows}"));
    for key in [&["--unique", "id"][..], &["--type", "id=TEXT", "--pk", "id"]] {
        let load = [&["load", "in.csv", "out.db", "--replace", "--memory", "1"], key].concat();
        place
            .run(&load)
            .expect(1)
            .says_once(&["line 60001 (record 60000", "UNIQUE constraint failed: in.id"]);
        let said = place.run(&[&load[..], &SKIP].concat()).expect(3).stderr;
        assert!(said.contains("59 999 loaded, 1 rejected"), "{said}");
        assert_eq!(place.read("bad.csv"), b"id\n0\n");
    }
}
