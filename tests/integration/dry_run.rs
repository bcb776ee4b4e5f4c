//! `--dry-run` predicts what a load does, and changes nothing.

use crate::common::{TWO_PEOPLE, TestDir, assert_contains, query, rows_of};
use rusqlite::types::Value;

#[test]
fn dry_run_predicts_the_load_and_changes_nothing() {
    let dir = TestDir::new();
    let rows: String = (0..50_000).map(|row| format!("{row};\"a\n{row}\";1.50;007\n")).collect();
    dir.write("in.csv", format!("id;te\"xt;real;zip\nbad\n{rows}"));
    let load =
        ["load", "in.csv", "out.db", "-t", "it's", "--pk", "id", "--index", "zip", "--on-error", "skip"];
    let more = ["--rejects", "bad.csv"];
    let before = dir.snapshot();
    let preview = dir.run(&[&load[..], &more, &["--dry-run"]].concat()).expect_code(3);
    dir.assert_unchanged(&before);
    let reject = "in.csv: line 2 (record 1, byte 18): rejected: 1 field, 4 expected, separated by ';'";
    assert_eq!(preview.stderr, format!(" WARN {reject}\n"));
    let expected = "\
in.csv: fields separated by ';', quoted by '\"'
fields are separated by ';'; if that is wrong, use --delimiter
zip: TEXT, a leading zero at line 3: \"007\"
REAL: real (fixed(2))
out.db, table it's:
CREATE TABLE \"it's\" (\"id\" INTEGER, \"te\"\"xt\" TEXT, \"real\" REAL, \"zip\" TEXT, PRIMARY KEY (\"id\"));
CREATE INDEX \"idx_it's_zip\" ON \"it's\" (\"zip\");

id | te\"xt          | real | zip
0  | 'a\\n0'        | 1.5  | '007'
";
    let lines = |text: &str, count: usize| text.lines().take(count).map(str::to_owned).collect::<Vec<_>>();
    let (found, expected) = (lines(&preview.stdout, 8), lines(expected, 8));
    assert_eq!(found, expected, "{}", preview.stdout);
    assert_contains(
        &preview.stdout,
        ["1 rejected; later records may change the type of a column", "direct writer", " are free"],
    );
    // The load has the predicted rows and schema, and about the predicted size.
    dir.run(&[&load[..], &more].concat()).expect_code(3);
    let connection = dir.open("out.db");
    for row in
        rows_of(&connection, "SELECT id || ',' || quote(zip) || ',' || quote(real) FROM \"it's\" LIMIT 5")
    {
        let Value::Text(row) = &row[0] else { panic!("{row:?}") };
        let fields: Vec<_> = row.split(',').collect();
        let is_shown = |line: &str| {
            line.starts_with(&format!("{} ", fields[0]))
                && line.ends_with(
                    &format!("{} | {}", fields[2].trim_end(), fields[1]).replace("1.5 |", "1.5  |"),
                )
        };
        assert!(preview.stdout.lines().any(is_shown), "{row}: {}", preview.stdout);
    }
    for sql in rows_of(&connection, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL") {
        let Value::Text(sql) = &sql[0] else { panic!("{sql:?}") };
        assert!(preview.stdout.contains(&format!("{sql};\n")), "{sql}");
    }
    let size: f64 = preview
        .stdout
        .split("the rows take about ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let real = dir.read("out.db").len() as f64 / 1e6;
    assert!((size / real - 1.0).abs() < 0.1, "estimated {size} MB, got {real} MB");
    // As in a load, an existing table needs an option.
    dir.run(&[&load[..], &["--dry-run"]].concat())
        .expect_code(1)
        .assert_single_message(&["already", "--replace"]);
}

#[test]
fn dry_run_tries_an_existing_table() {
    for mode in ["delete", "wal"] {
        let dir = TestDir::new();
        let schema =
            "CREATE TABLE t (b INTEGER PRIMARY KEY, a TEXT COLLATE nocase NOT NULL, c DEFAULT 'none');
            CREATE UNIQUE INDEX u ON t (a); INSERT INTO t VALUES (1, 'old', 2)";
        let connection = dir.open("o?t.db");
        connection.pragma_update(None, "journal_mode", mode).unwrap();
        connection.execute_batch(schema).unwrap();
        connection.close().unwrap();
        dir.write("in.csv", "a,d\n007,1.5\nx,2\nX,3\n");
        let load = ["load", "in.csv", "o?t.db", "-t", "T", "--append", "--add-columns", "--dry-run"];
        let before = dir.snapshot();
        let stdout = dir.run(&load).expect_code(1).stdout;
        dir.assert_unchanged(&before);
        assert_contains(
            &stdout,
            [
                "table T (exists):\nCREATE TABLE t (b INTEGER",
                "CREATE UNIQUE INDEX u ON t (a);\nALTER TABLE \"T\" ADD COLUMN \"d\" REAL;\n",
                "b | a     | c      | d\n1 | '007' | 'none' | 1.5\n2 | 'x'   | 'none' | 2.0\n",
                "tried all 3 records: 1 rejected, which would end the load\n",
                "direct writer\n",
            ],
        );
        let connection = dir.open("o?t.db");
        assert_eq!(query(&connection, "SELECT count(*) FROM t"), "1");
    }
}

#[test]
fn dry_run_accepts_pipelines_and_table_options() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    let before = dir.snapshot();
    let stdout = dir.load(&["--dry-run"]).expect_code(0).stdout;
    dir.assert_unchanged(&before);
    assert!(
        stdout.contains("'Ada.Lovelace_36@somemail.com'") && stdout.contains("tried all 2 records"),
        "{stdout}"
    );
    assert!(stdout.contains("CREATE TABLE people (id BLOB PRIMARY KEY"), "{stdout}");
    for option in [&["--replace"][..], &["--limit", "1"], &["--pk", "age", "--without-rowid"]] {
        let load = ["load", "people.csv", "out.db", "--dry-run"];
        dir.run(&[&load[..], option].concat()).expect_code(0);
        dir.assert_unchanged(&before);
    }
    dir.run(&["load", "people.csv", "missing/out.db", "--dry-run"]).expect_code(1);
    let create = "CREATE TABLE t (first_name UNIQUE ON CONFLICT REPLACE, last_name UNIQUE, age)";
    dir.open("conflicts.db").execute_batch(create).unwrap();
    let before = dir.snapshot();
    let load =
        ["load", "people.csv", "conflicts.db", "-t", "t", "--append", "--dry-run", "--writer", "direct"];
    dir.run(&load).expect_code(1);
    dir.assert_unchanged(&before);
}

#[test]
fn the_report_contains_everything_in_the_summary() {
    let dir = TestDir::new();
    dir.write("in.csv", "a;zip;a\n1;007;x\n1;008;y\n2\n");
    let load =
        ["load", "in.csv", "out.db", "-t", "t", "-d", ";", "--pk", "a", "--ignore", "--on-error", "skip"];
    let outcome = dir.run(&[&load[..], &["--report", "-"]].concat()).expect_code(3);
    let report = outcome.report();
    let columns = serde_json::json!([
        { "name": "a", "declaration": "INTEGER" },
        { "name": "zip", "declaration": "TEXT" },
        { "name": "a_2", "declaration": "TEXT" },
    ]);
    assert_eq!(report["columns"], columns);
    let counts =
        ["records", "loaded", "rejected", "filtered", "ignored"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [3, 1, 1, 0, 1]);
    assert!(outcome.stderr.contains("read 3 records: 1 loaded, 1 rejected, 1 ignored"), "{}", outcome.stderr);
    let notes = report["notes"].as_array().unwrap();
    assert_eq!((notes.len(), report["writer_reason"].as_str()), (2, None));
    let texts = notes.iter().map(|note| note.as_str().unwrap()).chain(["direct writer"]);
    for text in
        texts.chain(["inputs", "database", "table"].map(|name| report[name].as_str().unwrap_or("in.csv")))
    {
        assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
    }
    for name in ["seconds", "rows_per_second", "megabytes_per_second", "jobs", "stages", "bytes"] {
        assert!(!report[name].is_null(), "{name}");
    }
}

#[test]
fn dry_run_counts_rows_and_chooses_the_writer_like_a_load() {
    let dir = TestDir::new();
    dir.write("in.csv", "a,b\n1,2\n1,3\n");
    let load = ["load", "in.csv", "out.db", "--pk", "a"];
    for (code, options, parts) in [
        (0, &["--where", "b > 2"][..], ["0 rejected, 1 filtered\n", "direct writer\n"]),
        (0, &["--ignore"], ["0 rejected, 1 ignored\n", "direct writer\n"]),
        (3, &["--on-error", "skip"], ["1 rejected\n", "direct writer\n"]),
        (3, &["--on-error", "skip", "--null", "2", "--not-null", "b"], ["1 rejected\n", "direct writer\n"]),
        (1, &[], ["1 rejected, which would end the load\n", "direct writer\n"]),
    ] {
        let stdout = dir.run(&[&load[..], options, &["--dry-run"]].concat()).expect_code(code).stdout;
        assert!(parts.iter().all(|part| stdout.contains(part)), "{parts:?} are not in {stdout}");
    }
}
