//! Loads that are repeated day after day, by people and by programs.

use crate::common::{Running, TWO_PEOPLE, TestDir, assert_contains, query, rows_of, text};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::time::{Duration, Instant};

/// A directory with the file `in.csv`.
fn dir_with(csv: &str) -> TestDir {
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    dir
}

#[test]
fn rejects_are_fixed_and_loaded_with_the_same_options() {
    let dir = dir_with("# of today\nid;name\n1;Ada\n2\n3;Alan;x\n4;Grace\n");
    let options = ["out.db", "-t", "t", "-d", ";", "--skip-lines", "1", "--pk", "id", "--on-error", "skip"];
    let load = |input: &'static str, more: &[&str], code: i32| {
        dir.run(&[&["load", input], &options[..], &["--rejects", "bad.csv"], more].concat()).expect_code(code)
    };
    let outcome = load("in.csv", &[], 3);
    assert_contains(&outcome.stderr, ["the rejected records are in bad.csv\n"]);
    assert_eq!(dir.read("bad.csv"), b"# of today\nid;name\n2\n3;Alan;x\n");
    // One is fixed, the other stays in the file.
    dir.write("bad.csv", "# of today\nid;name\n2;Edsger\n3;Alan;x\n");
    load("bad.csv", &["--append"], 3);
    assert_eq!(dir.read("bad.csv"), b"# of today\nid;name\n3;Alan;x\n");
    let fixed = "# of today\nid;name\n3;Alan\n";
    dir.write("bad.csv", fixed);
    load("bad.csv", &["--append"], 0);
    assert_eq!(dir.read("bad.csv"), fixed.as_bytes());
    let names = rows_of(&dir.open("out.db"), "SELECT name FROM t ORDER BY id");
    assert_eq!(names, ["Ada", "Edsger", "Alan", "Grace"].map(|name| [text(name)]));
    // A load that fails leaves the file as it is.
    dir.write("bad.csv", "# of today\nid;name\n5;Barbara\n6\n");
    let before = dir.snapshot();
    load("bad.csv", &["--append", "--max-errors", "0"], 1);
    dir.assert_unchanged(&before);
    // Without such a file, the summary suggests one.
    let outcome =
        dir.run(&["load", "in.csv", "new.db", "-d", ";", "--skip-lines", "1", "--on-error", "skip"]);
    assert_contains(&outcome.expect_code(3).stderr, ["use --rejects FILE to keep the rejected records"]);
}

#[test]
fn text_in_a_column_of_numbers_without_a_type_is_noted() {
    let dir = dir_with("id,a,b,c\n1,2,3,4\n");
    let note = "id, b: TEXT among numbers, since the table declares no type; --type id=INTEGER loads numbers";
    let create = |rows: &str| {
        dir.open("out.db")
            .execute_batch(&format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t (id PRIMARY KEY, a INTEGER, b, c); INSERT INTO t VALUES {rows}"
            ))
            .unwrap();
    };
    let load = |more: &[&str]| {
        dir.run(&[&["load", "in.csv", "out.db", "-t", "t", "--append"], more].concat()).expect_code(0)
    };
    create("(1, 1, NULL, 'x'), (5, 1, 0.5, x'01')");
    assert_contains(&load(&["--upsert"]).stderr, [note]);
    assert_eq!(query(&dir.open("out.db"), "SELECT group_concat(typeof(id)) FROM t"), "integer,integer,text");
    create("(1, 1, 1, 1)");
    assert_contains(&load(&["--upsert", "--type", "id=INTEGER"]).stderr, ["b, c: TEXT among"]);
    assert_eq!(query(&dir.open("out.db"), "SELECT group_concat(id || a) FROM t"), "12");
    for (rows, more) in [("('1', 1, 'x', NULL)", &["--ignore"][..]), ("(2, 1, 1, 1)", &["--select", "a"])] {
        create(rows);
        let outcome = load(more);
        assert!(!outcome.stderr.contains("declares no type"), "{}", outcome.stderr);
    }
    // The numbers are deleted.
    create("(2, 1, 1, 1)");
    let outcome = dir.run(&["load", "in.csv", "out.db", "-t", "t", "--truncate"]).expect_code(0);
    assert!(!outcome.stderr.contains("declares no type"), "{}", outcome.stderr);
}

#[test]
fn append_accepts_what_the_table_has_already() {
    let dir = dir_with("id,name,mail\n1,Ada,a@x\n");
    let options = [
        "load",
        "in.csv",
        "out.db",
        "-t",
        "t",
        "--append",
        "--pk",
        "id",
        "--not-null",
        "name",
        "--unique",
        "mail,name",
        "--index",
        "name",
        "--strict",
        "--without-rowid",
    ];
    for id in 1..4 {
        dir.write("in.csv", format!("id,name,mail\n{id},Ada,{id}@x\n"));
        dir.run(&options).expect_code(0);
    }
    let connection = dir.open("out.db");
    assert_eq!(query(&connection, "SELECT count(*) FROM t"), "3");
    assert_eq!(
        query(&connection, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"),
        "1"
    );
    drop(connection);
    let before = dir.snapshot();
    for (more, missing) in [
        (&["--index", "mail,id"][..], "an index on (mail, id)"),
        (&["--unique", "name"], "a UNIQUE constraint on (name)"),
        (&["--not-null", "mail"], "NOT NULL for column \"mail\""),
    ] {
        let outcome = dir.run(&[&options[..], more].concat()).expect_code(2);
        outcome.assert_single_message(&["\"t\" already exists, and it lacks ", missing]);
        dir.assert_unchanged(&before);
    }
}

#[test]
fn a_limit_on_errors_means_that_errors_are_skipped() {
    let dir = dir_with("a,b\n1,2\n3\n");
    dir.run(&["load", "in.csv", "out.db", "--max-errors", "1"]).expect_code(3);
    dir.run(&["load", "in.csv", "new.db", "--max-errors", "1", "--on-error", "abort"]).expect_code(1);
    dir.run(&["load", "in.csv", "new.db", "--max-errors", "0"]).expect_code(1);
}

#[test]
fn a_locked_database_is_waited_for_as_long_as_requested() {
    let dir = dir_with("a\n1\n");
    let other = dir.open("out.db");
    other.execute_batch("CREATE TABLE x (y); BEGIN EXCLUSIVE").unwrap();
    let started = Instant::now();
    let load = ["load", "in.csv", "out.db", "--busy-timeout", "50ms"];
    dir.run(&load).expect_code(1).assert_single_message(&["out.db is locked by another program"]);
    assert!(started.elapsed() < Duration::from_secs(5));
    // Once, not for each of two reads.
    let started = Instant::now();
    dir.run(&["load", "in.csv", "out.db", "-t", "x", "--append", "--busy-timeout", "2"]).expect_code(1);
    assert!(started.elapsed() < Duration::from_millis(3_500), "{:?}", started.elapsed());
    let load = Running::start(dir.command(&["load", "in.csv", "out.db", "--busy-timeout", "20"]));
    other.execute_batch("ROLLBACK").unwrap();
    load.wait().expect_code(0);
}

#[test]
fn concurrent_loads_that_create_a_database_lose_no_table() {
    let dir = TestDir::new();
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| {
        dir.write(&format!("{name}.csv"), format!("id\n{}", format!("{name}\n").repeat(50_000)))
    });
    let command =
        |name: &str| dir.command(&["load", &format!("{name}.csv"), "all.db", "--busy-timeout", "25"]);
    let loads: Vec<_> = names.iter().map(|name| Running::start(command(name))).collect();
    loads.into_iter().for_each(|load| drop(load.wait().expect_code(0)));
    let connection = dir.open("all.db");
    for name in names {
        let sql = format!("SELECT count(*) FROM {name} WHERE id = '{name}'");
        assert_eq!(query(&connection, &sql), "50000");
    }
}

#[test]
fn an_empty_file_or_database_is_new() {
    for option in [&[][..], &["--append"], &["--truncate"], &["--replace"]] {
        let dir = dir_with("a\n1\n");
        dir.write("empty.db", "");
        dir.open("vacuumed.db").execute_batch("VACUUM").unwrap();
        for name in ["empty.db", "vacuumed.db"] {
            for more in [&["--dry-run"][..], &[]] {
                let outcome =
                    dir.run(&[&["load", "in.csv", name, "-t", "t"], option, more].concat()).expect_code(0);
                let output = outcome.stderr + &outcome.stdout;
                assert!(
                    output.contains("direct writer") && !output.contains("content"),
                    "{option:?} {name}: {output}"
                );
            }
            assert_eq!(query(&dir.open(name), "SELECT a FROM t"), "1");
        }
    }
}

#[test]
fn notes_do_not_contradict_the_table() {
    let dir = dir_with("a,b\n1,x\n007,y\n");
    let says_text = |options: &[&str]| {
        let outcome = dir.run(&[&["load", "in.csv"], options].concat()).expect_code(0);
        outcome.stderr.contains("a: TEXT")
    };
    assert!(says_text(&["1.db"]));
    assert!(says_text(&["2.db", "--rename", "a=c"]));
    assert!(!says_text(&["3.db", "--select", "CAST(a AS INTEGER) AS a, b"]));
    assert!(!says_text(&["4.db", "--columns", "b"]));
    dir.open("5.db").execute_batch("CREATE TABLE \"in\" (a BLOB, b TEXT)").unwrap();
    assert!(!says_text(&["5.db", "--append", "--add-columns"]));
}

#[test]
fn the_summary_of_a_plain_load_has_two_lines() {
    let dir = dir_with("a,b\n1,x\n");
    let stderr = dir.run(&["load", "in.csv", "out.db"]).expect_code(0).stderr;
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert_eq!(lines[0], "in.csv -> out.db, table in (fields are separated by ',')");
    assert!(lines[1].starts_with("read 1 record: 1 loaded, 0 rejected; 0."), "{stderr}");
    assert!(lines[1].ends_with(" MB/s (direct writer)"), "{stderr}");
    let stderr = dir.run(&["load", "in.csv", "out.db", "-t", "u", "--verify", "-v"]).expect_code(0).stderr;
    assert_contains(
        &stderr,
        ["\nverified the integrity of the database and the number of rows\n", "\nbusy: split "],
    );
}

/// Loads `csv` with an upsert of `load`, and returns the summary and the report.
fn upsert(dir: &TestDir, csv: &str, more: &[&str]) -> (String, serde_json::Value) {
    dir.write("in.csv", csv);
    let load = [
        "load", "in.csv", "out.db", "-t", "t", "--append", "--pk", "id", "--upsert", "--verify", "--report",
        "-",
    ];
    let outcome = dir.run(&[&load[..], more].concat()).expect_code(0);
    let report = outcome.report();
    (outcome.stderr, report)
}

#[test]
fn upserts_count_inserted_and_updated_rows() {
    for more in [&[][..], &["--without-rowid"], &["--batch-rows", "1"]] {
        let dir = TestDir::new();
        let counts = |report: &serde_json::Value| {
            ["loaded", "inserted", "updated"].map(|name| report[name].as_u64().unwrap())
        };
        let (summary, report) = upsert(&dir, "id,n\n1,a\n2,b\n3,c\n", more);
        assert_eq!(counts(&report), [3, 3, 0]);
        assert_contains(&summary, ["3 loaded (3 inserted, 0 updated), 0 rejected"]);
        let (summary, report) = upsert(&dir, "id,n\n2,B\n4,d\n2,BB\n3,C\n", more);
        assert_eq!(counts(&report), [4, 1, 3]);
        assert_contains(&summary, ["4 loaded (1 inserted, 3 updated), 0 rejected", "verified"]);
        let rows = rows_of(&dir.open("out.db"), "SELECT group_concat(n) FROM (SELECT n FROM t ORDER BY id)");
        assert_eq!(rows, [[text("a,BB,C,d")]]);
    }
}

#[test]
fn rows_that_fail_are_not_counted_as_updates() {
    let dir = TestDir::new();
    dir.open("out.db")
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 9)); INSERT INTO t VALUES (1, 1), (2, 2)",
        )
        .unwrap();
    dir.write("in.csv", "id,n\n1,5\n2,10\n3,6\n");
    let load = [
        "load",
        "in.csv",
        "out.db",
        "-t",
        "t",
        "--append",
        "--upsert",
        "--on-error",
        "skip",
        "--report",
        "-",
    ];
    let report = dir.run(&load).expect_code(3).report();
    assert_eq!(["inserted", "updated", "rejected"].map(|name| report[name].as_u64().unwrap()), [1, 1, 1]);
}

#[test]
fn pipelines_update_rows_on_conflict_like_sqlite() {
    let csv = "id,n,word\n1,5,a\n2,7,b\n1,9,c\n3,1,d\n2,2,e\n";
    let (create, old) = (
        "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER, word TEXT)",
        "(1, 6, 'old'), (9, 9, 'kept')",
    );
    for (clause, updated) in [
        ("ON CONFLICT (id) DO UPDATE SET n = excluded.n, word = excluded.word", 3),
        (
            "on conflict(\"id\") do update set n = max(n, excluded.n), word = word || excluded.word WHERE excluded.n > 4 OR n = 7",
            3,
        ),
        (
            "ON CONFLICT DO UPDATE SET word = 'it''s ' || (CASE WHEN excluded.n > 6 THEN 'WHERE' ELSE 'SET' END)",
            3,
        ),
        ("ON CONFLICT (id) DO NOTHING", 0),
        ("ON CONFLICT DO NOTHING", 0),
    ] {
        for filter in ["", "WHERE try_integer(id) < 3"] {
            let expected = Connection::open_in_memory().unwrap();
            let values = csv.lines().skip(1).map(|line| {
                let fields: Vec<_> = line.split(',').collect();
                format!("({}, {}, '{}')", fields[0], fields[1], fields[2])
            });
            let values = values.filter(|row| filter.is_empty() || !row.starts_with("(3"));
            let values = values.collect::<Vec<_>>().join(", ");
            expected
                .execute_batch(&format!(
                    "{create}; INSERT INTO t VALUES {old}; INSERT INTO t VALUES {values} {clause}"
                ))
                .unwrap();
            let dir = TestDir::with_input(csv);
            let insert = format!(
                "{create}; INSERT INTO t SELECT try_integer(id), try_integer(n), word FROM input {filter} {clause}"
            );
            dir.write("people.sql", insert);
            dir.database().execute_batch(&format!("{create}; INSERT INTO t VALUES {old}")).unwrap();
            let report = dir.run(&["run-pipeline", "people.sql", "--report", "-"]).expect_code(0).report();
            let rows = "SELECT * FROM t ORDER BY id";
            assert_eq!(rows_of(&dir.database(), rows), rows_of(&expected, rows), "{clause} {filter}");
            let [records, loaded, updated_rows, ignored, filtered] =
                ["records", "loaded", "updated", "ignored", "filtered"]
                    .map(|name| report[name].as_u64().unwrap());
            assert_eq!(records, loaded + ignored + filtered, "{clause}: {report}");
            assert_eq!(updated_rows, updated, "{clause}: {report}");
        }
    }
    // A new table takes the same path when the first duplicate appears.
    let dir = TestDir::with_input(csv);
    let sql = "CREATE TABLE t (id TEXT UNIQUE, n); INSERT INTO t SELECT id, n FROM input ON CONFLICT (id) DO UPDATE SET n = excluded.n";
    dir.write("people.sql", sql);
    let report = dir.run(&["run-pipeline", "people.sql", "--report", "-"]).expect_code(0).report();
    assert_eq!(["inserted", "updated"].map(|name| report[name].as_u64().unwrap()), [3, 2]);
    assert_eq!(dir.query("SELECT group_concat(n) FROM t"), "9,2,1");
}

#[test]
fn mistakes_in_the_arguments_have_clear_messages() {
    let dir = dir_with("id,name\n1,a\n");
    dir.write("in2.csv", "id,name\n2,b\n");
    std::fs::create_dir(dir.path("folder")).unwrap();
    dir.run(&["load", "in.csv", "out.db"]).expect_code(0);
    let before = dir.snapshot();
    for (load, code, parts) in [
        (&["load", "in.csv", "in2.csv"][..], 1, &["in2.csv is not a SQLite database", "last argument"][..]),
        (&["load", "out.db", "in.csv"], 1, &["in.csv is not a SQLite database", "out.db is one"]),
        (&["load", "in.csv", "folder"], 1, &["folder", "directory"]),
        (&["load", "folder", "new.db"], 1, &["folder", "directory", "use a pattern such as 'folder/*.csv'"]),
        (&["run-pipeline", "in.csv"], 2, &["in.csv is not a pipeline in SQL", "--input", "use load"]),
        (
            &["load", "in.csv", "new.db", "--where", "name = Oslo"],
            1,
            &["no column \"Oslo\"", "(a text is written in single quotes: 'Oslo')"],
        ),
        (&["load", "in.csv", ":memory:"], 2, &[":memory:", "must be a file"]),
        (&["load", "in.csv", "-"], 2, &["standard output", "must be a file"]),
        (&["load", "none-*.csv", "new.db"], 1, &["none-*.csv", "no file matches this pattern"]),
        (
            &["load", "--auto-id", "in.csv", "in2.csv", "new.db"],
            2,
            &["--auto-id", "\"in.csv\"", "is a file", "--auto-id=NAME"],
        ),
    ] {
        dir.run(load).expect_code(code).assert_single_message(parts);
        dir.assert_unchanged(&before);
    }
    for (load, has_auto_id) in
        [(&["load", "in.csv"][..], false), (&["load", "--auto-id", "in.csv", "new.db"], true)]
    {
        let outcome = dir.run(load).expect_code(2);
        assert_contains(&outcome.stderr, ["the database is missing: sqload load <INPUT>... <DATABASE>"]);
        assert_eq!(outcome.stderr.contains("--auto-id=NAME"), has_auto_id, "{}", outcome.stderr);
        dir.assert_unchanged(&before);
    }
}

#[test]
fn years_have_the_digits_of_their_format() {
    let dir = dir_with("d\n31/12/2024\n1/2/24\n01/02/0024\n");
    let select = "try_date(d, '%d/%m/%Y') AS long, try_date(d, '%d/%m/%y') AS short";
    dir.run(&["load", "in.csv", "out.db", "-t", "t", "--select", select]).expect_code(0);
    let rows = rows_of(&dir.open("out.db"), "SELECT * FROM t");
    assert_eq!(
        rows,
        [
            [text("2024-12-31"), Value::Null],
            [Value::Null, text("2024-02-01")],
            [text("0024-02-01"), Value::Null],
        ]
    );
    for (expr, parts) in [
        (
            "try_date(d, 'DD.MM.YYYY')",
            ["--select: line 1, column 1", "\"DD.MM.YYYY\"", "directives such as %Y-%m-%d"],
        ),
        ("strptime(d, '%Y')", ["no such function: strptime", "did you mean", "\"try_date\""]),
        ("uper(d)", ["no such function: uper", "did you mean", "\"upper\""]),
    ] {
        dir.run(&["load", "in.csv", "new.db", "--select", expr]).expect_code(1).assert_single_message(&parts);
    }
}

#[test]
fn help_and_usage_errors_follow_the_option_for_colours() {
    let dir = TestDir::new();
    for (arguments, code, is_coloured) in [
        (&["load", "--color", "always", "--help"][..], 0, true),
        (&["load", "--help", "--color=always"], 0, true),
        (&["load", "--help", "--color", "never"], 0, false),
        (&["load", "--help"], 0, false),
        (&["load", "in.csv", "--color=always"], 2, true),
        (&["load", "--nonsense", "--color=always"], 2, true),
        (&["load", "--nonsense"], 2, false),
    ] {
        let outcome = dir.run(arguments).expect_code(code);
        let text = format!("{}{}", outcome.stdout, outcome.stderr);
        assert_eq!(text.contains('\u{1b}'), is_coloured, "{arguments:?}: {text}");
    }
}

#[test]
fn options_may_be_written_between_paths() {
    let dir = TestDir::new();
    dir.write("1.csv", "a\n1\n");
    dir.write("2.csv", "a\n2\n");
    for load in [
        &["load", "1.csv", "--all-text", "2.csv", "-t", "t", "out.db", "--replace"][..],
        &["load", "-t", "t", "1.csv", "2.csv", "--replace", "out.db"],
        &["load", "--replace", "1.csv", "-t", "t", "--", "2.csv", "out.db"],
    ] {
        dir.run(load).expect_code(0);
        let rows = rows_of(&dir.open("out.db"), "SELECT group_concat(a) FROM t");
        assert_eq!(rows, [[text("1,2")]], "{load:?}");
    }
    let help = dir.run(&["load", "-h"]).expect_code(0).stdout.clone();
    assert!(help.contains("Usage: sqload load [OPTIONS] <INPUT>... <DATABASE>"), "{help}");
}

#[test]
fn colours_follow_the_environment_and_the_option() {
    let dir = TestDir::with_input(format!("{TWO_PEOPLE}bad\n"));
    for (options, environment, is_coloured) in [
        (&[][..], "", false),
        (&["--color", "always"], "", true),
        (&["--color", "always"], "1", true),
        (&["--color", "never"], "", false),
    ] {
        let mut load = dir.load_command(options);
        load.env("NO_COLOR", environment);
        let stderr = Running::start(load).wait().expect_code(3).stderr;
        assert_eq!(stderr.contains('\u{1b}'), is_coloured, "{options:?}: {stderr}");
    }
}

#[test]
fn rejects_of_an_earlier_load_are_pointed_out() {
    let dir = TestDir::with_input("a,b\n1,2\n3\n");
    let load = ["load", "people.csv", "out.db", "--replace", "--on-error", "skip", "--rejects", "bad.csv"];
    let outcome = dir.run(&load).expect_code(3);
    assert!(!outcome.stderr.contains("earlier load"), "{}", outcome.stderr);
    dir.write("people.csv", "a,b\n1,2\n");
    let outcome = dir.run(&load).expect_code(0);
    assert!(
        outcome.stderr.contains("nothing was rejected; bad.csv is from an earlier load"),
        "{}",
        outcome.stderr
    );
    assert_eq!(dir.read("bad.csv"), b"a,b\n3\n");
}
