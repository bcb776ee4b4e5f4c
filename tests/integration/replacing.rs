//! Nothing is replaced unless the user asks for it, and a load says what it replaces.

use crate::common::{TWO_PEOPLE, TestDir, assert_contains, rows_of};
use rusqlite::types::Value;
use sqload::plan::{Column, Expr, Plan, Table};
use sqload::sql::Pipeline;
use sqload::{Kind, Loader};

const INSERT: &str = "INSERT INTO t SELECT age FROM input;";

/// A table with a row, an index, a trigger and a view.
const OLD: &str = "CREATE TABLE t (old, a); INSERT INTO t VALUES (1, 1), (2, 2); CREATE INDEX by_old ON t (old);
    CREATE TRIGGER guard AFTER DELETE ON t BEGIN SELECT 1; END;
    CREATE VIEW ages AS SELECT a FROM t; CREATE VIEW olds AS SELECT old FROM t; CREATE VIEW other AS SELECT 1 AS t;";

fn run(dir: &TestDir, create: &str, options: &[&str]) -> crate::common::Outcome {
    dir.write("people.sql", format!("{create}; {INSERT}"));
    dir.run(&[&["run-pipeline", "people.sql"], options].concat())
}

#[test]
fn a_plain_create_table_does_not_replace_a_table() {
    let dir = TestDir::with_database(TWO_PEOPLE, OLD);
    let before = dir.snapshot();
    let choices = ["DROP TABLE IF EXISTS", "--replace", "CREATE TABLE IF NOT EXISTS", "--append"];
    for create in ["CREATE TABLE t (a)", "CREATE TABLE T (a)", "CREATE TABLE main.t (a)"] {
        let outcome = run(&dir, create, &[]).expect_code(1);
        outcome.assert_single_message(&["people.sql: line 1, column 1", "already exists in", "people.db"]);
        outcome.assert_single_message(&choices);
        run(&dir, create, &["--dry-run"]).expect_code(1).assert_single_message(&choices);
        let sql = format!("{create}; {INSERT}");
        let loader = Loader::from(Pipeline::parse("people.sql", &sql).unwrap());
        let error = loader.load(dir.path("people.csv"), dir.path("people.db")).unwrap_err();
        assert!(matches!(error.kind(), Kind::TableExists { .. }), "{error}");
    }
    let column = Column::new("a", "", Expr::Field("age".into()));
    let loader = Loader::from(Plan::new(Table::new("t", vec![column])));
    let error = loader.load(dir.path("people.csv"), dir.path("people.db")).unwrap_err();
    assert!(matches!(error.kind(), Kind::TableExists { .. }), "{error}");
    std::fs::remove_file(dir.path("people.sql")).unwrap();
    dir.assert_unchanged(&before);
}

#[test]
fn drop_table_and_the_option_replace_a_table_and_say_what() {
    for (create, options) in [
        ("DROP TABLE IF EXISTS t; CREATE TABLE t (a)", &[][..]),
        ("drop table if exists main.\"T\"; CREATE TABLE t (a)", &[]),
        ("DROP TABLE IF EXISTS t; CREATE TABLE IF NOT EXISTS t (a)", &[]),
        ("CREATE TABLE t (a)", &["--replace"]),
        ("CREATE TABLE IF NOT EXISTS t (a)", &["--replace"]),
    ] {
        let dir = TestDir::with_database(TWO_PEOPLE, OLD);
        let replaced = "t: 2 rows, index by_old, trigger guard; read by the views ages, olds";
        let preview = run(&dir, create, &[options, &["--dry-run"]].concat()).expect_code(0);
        assert_contains(&preview.stdout, [format!("replaces {replaced}\n").as_str()]);
        let load = run(&dir, create, &[options, &["--report", "report.json"]].concat()).expect_code(0);
        assert_contains(
            &load.stderr,
            [format!("replaced {replaced}\n").as_str(), "the view \"olds\" cannot be read: no such column"],
        );
        assert!(!load.stderr.contains("view \"ages\""), "{}", load.stderr);
        let report: serde_json::Value = serde_json::from_slice(&dir.read("report.json")).unwrap();
        assert_eq!(
            report["replaced"],
            serde_json::json!({
                "rows": 2,
                "indexes": ["by_old"],
                "triggers": ["guard"],
                "views": ["ages", "olds"],
                "keeps_table": false,
            })
        );
        assert_eq!(
            rows_of(&dir.database(), "SELECT * FROM t"),
            [[36], [41]].map(|row: [i64; 1]| row.map(Value::Integer))
        );
    }
}

#[test]
fn a_new_file_in_place_of_the_old_one_is_reported_as_a_replacement() {
    let dir = TestDir::with_database(TWO_PEOPLE, "CREATE TABLE people (x); INSERT INTO people VALUES (1)");
    let outcome = dir.load(&[]).expect_code(0);
    assert_contains(&outcome.stderr, ["replaced people: 1 row\n", "direct writer"]);
    dir.assert_holds(TWO_PEOPLE);
    let new = TestDir::with_input(TWO_PEOPLE);
    assert!(!new.load(&[]).expect_code(0).stderr.contains("replaced"));
}

#[test]
fn if_not_exists_and_the_option_append_again_and_again() {
    for (create, options) in
        [("CREATE TABLE IF NOT EXISTS t (a)", &[][..]), ("CREATE TABLE t (a)", &["--append"])]
    {
        let dir = TestDir::with_input(TWO_PEOPLE);
        let after = "CREATE INDEX by_a ON t (a); CREATE VIEW v AS SELECT count(*) FROM t; ANALYZE";
        dir.write("people.sql", format!("{create}; {INSERT} {after}"));
        for count in ["2", "4", "6"] {
            let outcome = dir.run(&[&["run-pipeline", "people.sql"], options].concat()).expect_code(0);
            assert!(!outcome.stderr.contains("replaced"), "{}", outcome.stderr);
            assert_eq!(dir.query("SELECT * FROM v"), count);
        }
        dir.write("people.sql", format!("{create}; {INSERT} CREATE VIEW v AS SELECT sum(a) FROM t"));
        let before = dir.snapshot();
        let outcome = dir.run(&[&["run-pipeline", "people.sql"], options].concat()).expect_code(1);
        outcome.assert_single_message(&["view \"v\" already exists", "DROP VIEW IF EXISTS", "IF NOT EXISTS"]);
        dir.assert_unchanged(&before);
        for (create_view, count) in [("CREATE VIEW", 4), ("CREATE VIEW", 5), ("CREATE VIEW IF NOT EXISTS", 6)]
        {
            let drop = format!("DROP VIEW IF EXISTS v; {create_view} v AS SELECT sum(a) FROM t");
            dir.write("people.sql", format!("{create}; {INSERT} {drop}"));
            dir.run(&[&["run-pipeline", "people.sql"], options].concat()).expect_code(0);
            assert_eq!(dir.query("SELECT * FROM v"), (77 * count).to_string());
        }
    }
}

#[test]
fn a_load_of_rejects_alone_fails() {
    let csv = "first_name,last_name,age\nbad\nworse\n";
    let dir = TestDir::with_database(csv, "CREATE TABLE people (x); INSERT INTO people VALUES (1)");
    let before = dir.snapshot();
    let parts =
        ["people.csv: line 2", "1 field, 3 expected", "nothing was loaded", "2 records were rejected"];
    for options in [&[][..], &["--max-errors", "5"], &["--writer", "statements"], &["--dry-run"]] {
        dir.load(options).expect_code(1).assert_single_message(&parts);
        dir.assert_unchanged(&before);
    }
    dir.load(&["--rejects", "bad.csv"]).expect_code(1).assert_single_message(&parts);
    assert_eq!(dir.read("bad.csv"), csv.as_bytes());
    // Records that the table has already, or that WHERE removes, are no reason to fail.
    let dir = TestDir::new();
    dir.write("in.csv", "a\n1\n");
    dir.run(&["load", "in.csv", "out.db", "-t", "t", "--pk", "a"]).expect_code(0);
    dir.write("in.csv", "a\n1\n1,2\n");
    let again = ["load", "in.csv", "out.db", "-t", "t", "--append", "--ignore", "--on-error", "skip"];
    dir.run(&again).expect_code(3);
    dir.write("in.csv", "a\n");
    dir.run(&again).expect_code(0);
}

#[test]
fn the_sample_is_loaded_until_people_are_created() {
    let dir = TestDir::new();
    std::fs::create_dir_all(dir.path("data/sample")).unwrap();
    dir.write("data/sample/people.csv", TWO_PEOPLE);
    let note =
        "data/people.csv does not exist (create-file creates it): loading data/sample/people.csv instead\n";
    let count = || {
        let connection = dir.open("data/people.db");
        crate::common::query(&connection, "SELECT count(*) FROM people")
    };
    for pipeline in [&[][..], &["--id", "v4"]] {
        let outcome = dir.run(&[&["run-pipeline"], pipeline].concat()).expect_code(0);
        assert!(outcome.stderr.starts_with(note), "{}", outcome.stderr);
        assert_eq!(count(), "2");
    }
    assert_contains(&dir.run(&["check"]).expect_code(0).stderr, [note]);
    let created = dir.run(&["create-file", "--number-rows", "1234"]).expect_code(0);
    assert_eq!(created.stderr, "created data/people.csv: 1 234 records\n");
    let outcome = dir.run(&["run-pipeline"]).expect_code(0);
    assert!(!outcome.stderr.contains("sample"), "{}", outcome.stderr);
    assert_eq!(count(), "1234");
    let created = dir.run(&["create-file", "--number-rows", "1"]).expect_code(0);
    assert_eq!(created.stderr, "replaced data/people.csv: 1 record\n");
}

#[test]
fn other_tables_that_do_not_fit_the_new_one_are_noted() {
    let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);
        CREATE TABLE fine (x REFERENCES t); CREATE TABLE broken (x REFERENCES absent (y));
        CREATE TABLE k (x REFERENCES t (id)); CREATE TABLE o (x);
        CREATE TRIGGER r AFTER DELETE ON o BEGIN UPDATE t SET b = 1 WHERE id = old.x; END;
        CREATE TRIGGER q AFTER INSERT ON fine BEGIN UPDATE t SET a = 1; END";
    let dir = TestDir::new();
    dir.write("in.csv", "id,a\n1,x\n");
    let load = |options: &[&str]| {
        std::fs::remove_file(dir.path("out.db")).unwrap_or_default();
        dir.open("out.db").execute_batch(schema).unwrap();
        let load = [&["load", "in.csv", "out.db", "-t", "t", "--replace"], options].concat();
        dir.run(&load).expect_code(0).stderr
    };
    let stderr = load(&["--pk", "id"]);
    let trigger =
        "the triggers or foreign keys of the table \"o\" do not fit the new table: no such column: b\n";
    assert_contains(&stderr, [trigger]);
    assert_eq!(stderr.matches("do not fit").count(), 1, "{stderr}");
    let stderr = load(&[]);
    assert_contains(&stderr, [trigger, "of the table \"k\" do not fit the new table: foreign key mismatch"]);
    assert_eq!(stderr.matches("do not fit").count(), 3, "{stderr}");
}

#[test]
fn a_view_of_a_pipeline_that_cannot_be_read_is_noted() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    dir.write("people.sql", format!("CREATE TABLE t (a); {INSERT} CREATE VIEW v AS SELECT nope FROM t; CREATE VIEW w AS SELECT a FROM t"));
    let stderr = dir.run(&["run-pipeline", "people.sql"]).expect_code(0).stderr;
    assert_contains(&stderr, ["\nthe view \"v\" cannot be read: no such column: nope\n"]);
    assert!(!stderr.contains("view \"w\""), "{stderr}");
}

/// An extract without records, and a mistake in the name of a table, are successes that may not be meant.
#[test]
fn a_table_that_is_emptied_or_created_unexpectedly_is_noted() {
    let dir = TestDir::new();
    dir.open("out.db")
        .execute_batch("CREATE TABLE t (id INTEGER, a); INSERT INTO t VALUES (1, 'x')")
        .unwrap();
    dir.write("in.csv", "id,a\n");
    dir.write("two.csv", "id,a\n1,x\n2,y\n");
    let notes = |options: &[&str]| {
        let load = [&["load", "--report", "-"], options].concat();
        dir.run(&load).expect_code(0).report()["notes"].clone()
    };
    let emptied = serde_json::json!(["the table \"t\" is empty now, since no row was loaded"]);
    let usual = "fields are separated by ','";
    let without_usual = |notes: serde_json::Value| {
        notes.as_array().unwrap().iter().filter(|note| **note != usual).cloned().collect::<Vec<_>>().into()
    };
    let noted = |options: &[&str]| -> serde_json::Value { without_usual(notes(options)) };
    assert_eq!(noted(&["in.csv", "out.db", "-t", "t", "--truncate"]), emptied);
    assert_eq!(noted(&["in.csv", "out.db", "-t", "t", "--truncate"]), serde_json::json!([]));
    assert_eq!(noted(&["two.csv", "out.db", "-t", "t", "--append"]), serde_json::json!([]));
    assert_eq!(noted(&["two.csv", "out.db", "-t", "t", "--replace", "--where", "id > 5"]), emptied);
    let created = serde_json::json!(["the table \"tt\" did not exist, so it was created"]);
    assert_eq!(noted(&["two.csv", "out.db", "-t", "tt", "--append"]), created);
    assert_eq!(noted(&["two.csv", "out.db", "-t", "tt", "--append"]), serde_json::json!([]));
    let load = ["load", "two.csv", "new.db", "-t", "t", "--append"];
    assert_contains(
        &dir.run(&load).expect_code(0).stderr,
        ["\nthe table \"t\" did not exist, so it was created\n"],
    );
}

#[test]
fn create_file_overwrites_a_given_file_only_if_told_to() {
    let dir = TestDir::new();
    dir.write("made.csv", "precious");
    let before = dir.snapshot();
    let create = ["create-file", "--number-rows", "2", "--seed", "1", "-o"];
    dir.run(&[&create[..], &["made.csv"]].concat()).expect_code(1).assert_single_message(&[
        "made.csv",
        "already exists",
        "--force",
    ]);
    dir.assert_unchanged(&before);
    let outcome = dir.run(&[&create[..], &["made.csv", "--force"]].concat()).expect_code(0);
    assert_eq!(outcome.stderr, "replaced made.csv: 2 records\n");
    let printed = dir.run(&[&create[..], &["-"]].concat()).expect_code(0);
    assert_eq!((printed.stdout.as_bytes(), printed.stderr.as_str()), (&*dir.read("made.csv"), ""));
    assert_eq!(dir.file_names(), ["made.csv"]);
}

#[test]
fn the_repository_ignores_what_its_readme_creates() {
    let root = env!("CARGO_MANIFEST_DIR");
    let ignored = std::fs::read_to_string(format!("{root}/.gitignore")).unwrap();
    for file in ["/data/people.csv", "/data/*.db", "/data/examples/*.db"] {
        assert!(ignored.lines().any(|line| line == file), "{file}");
    }
    assert!(std::path::Path::new(&format!("{root}/data/sample/people.csv")).exists());
}
