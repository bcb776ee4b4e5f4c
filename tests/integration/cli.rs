//! The command line in general, and `create-file`.

use crate::common::{Running, TWO_PEOPLE, TestDir, assert_contains, people_csv};

#[test]
fn prints_help_without_a_subcommand() {
    let outcome = TestDir::new().run(&[]).expect_code(0);
    assert_contains(&outcome.stdout, ["Usage: sqload", "create-file", "run-pipeline", "Exit codes:"]);
    assert_eq!(outcome.stderr, "");
}

#[test]
fn prints_help_and_version_to_stdout() {
    let dir = TestDir::new();
    let version = dir.run(&["--version"]).expect_code(0);
    assert_eq!(version.stdout, concat!("sqload ", env!("CARGO_PKG_VERSION"), "\n"));
    for subcommand in ["create-file", "run-pipeline"] {
        let help = dir.run(&[subcommand, "--help"]).expect_code(0);
        assert!(help.stdout.contains(&format!("Usage: sqload {subcommand}")), "{}", help.stdout);
    }
}

#[test]
fn usage_errors_exit_with_2_and_change_nothing() {
    let lines: &[&[&str]] = &[
        &["--nonsense"],
        &["nonsense"],
        &["create-file"],
        &["create-file", "--number-rows", "-1"],
        &["create-file", "--number-rows", "many"],
        &["create-file", "--number-rows", "1", "--seed", "x"],
        &["run-pipeline", "--nonsense"],
        &["run-pipeline", "-q", "-v"],
        &["run-pipeline", "--id", "v5"],
        &["run-pipeline", "-j", "0"],
        &["run-pipeline", "-j", "x"],
        &["run-pipeline", "--synchronous", "maybe"],
        &["run-pipeline", "--cache-size", "-1"],
        &["run-pipeline", "--batch-rows", "0"],
        &["run-pipeline", "--on-error", "ignore"],
        &["run-pipeline", "--max-errors", "-1"],
        &["run-pipeline", "--max-record-size", "big"],
        &["run-pipeline", "--max-record-size", "99999999999"],
        &["run-pipeline", "-d", ""],
        &["run-pipeline", "-d", ";;;;;;;;;"],
        &["run-pipeline", "-d", ";\n"],
        &["run-pipeline", "-d", "\n"],
        &["run-pipeline", "-d", "\""],
        &["run-pipeline", "-d", ";", "--quote", ";"],
        &["run-pipeline", "-d", ";", "--tsv"],
        &["run-pipeline", "--quote", "''"],
        &["run-pipeline", "--quote", "\r"],
        &["run-pipeline", "--escape", "é"],
        &["run-pipeline", "--comment", ""],
        &["run-pipeline", "--comment", "123456789"],
        &["run-pipeline", "--thousands", "."],
        &["run-pipeline", "--format", "xlsx"],
        &["run-pipeline", "--ragged", "skip"],
        &["run-pipeline", "--invalid-utf8", "fix"],
    ];
    let dir = TestDir::new();
    std::fs::create_dir(dir.path("data")).unwrap();
    dir.write("data/people.csv", TWO_PEOPLE);
    for line in lines {
        let outcome = dir.run(line).expect_code(2);
        assert!(!outcome.stderr.is_empty(), "{line:?} fails without a message");
        assert!(!dir.path("data/people.db").exists(), "{line:?}");
    }
}

#[test]
fn options_that_contradict_each_other_are_usage_errors() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    let cases: [(&[&str], [&str; 2]); 5] = [
        (&["--type", "age=TEXT", "--type", "Age=REAL"], ["--type", "\"Age\" two types, TEXT and REAL"]),
        (&["--type", "age=TEXT,first_name=TEXT,age=INT"], ["\"age\" two types", "TEXT and INT"]),
        (&["--add-columns"], ["--append", "--truncate"]),
        (&["--add-columns", "--replace"], ["--append", "--truncate"]),
        (&["--rejects", "-", "--report", "-"], ["rejected records", "cannot both go to standard output"]),
    ];
    for (options, parts) in cases {
        let load = [&["load", "people.csv", "people.db"][..], options].concat();
        let outcome = dir.run(&load).expect_code(2);
        assert_contains(&outcome.stderr, parts);
        assert_eq!(dir.file_names(), ["people.csv"], "{options:?}");
    }
    let types = ["--type", "age=INT", "--type", "AGE=int,age=INT"];
    dir.run(&[&["load", "people.csv", "people.db"][..], &types].concat()).expect_code(0);
    dir.run(&["load", "people.csv", "people.db", "--truncate", "--add-columns"]).expect_code(0);
}

#[test]
fn diagnostics_show_the_sql_that_runs() {
    let dir = TestDir::with_input(people_csv(500));
    let load = ["load", "people.csv", "people.db", "-t", "p", "--index", "age", "--unique", "age,last_name"];
    let load = [&load[..], &["--limit", "1", "--replace", "--writer", "statements"]].concat();
    let sql = [
        "TRACE DROP TABLE IF EXISTS \"p\"\n",
        "TRACE CREATE TABLE \"p\" (\"first_name\" TEXT, ",
        "TRACE INSERT INTO \"p\" (\"first_name\", \"last_name\", \"age\") VALUES (?1,?2,?3) most_rows=50\n",
        "TRACE CREATE INDEX",
        "TRACE COMMIT\n",
    ];
    let traced = dir.run(&[&load[..], &["-vv"]].concat()).expect_code(0).stderr;
    assert_contains(&traced, sql);
    assert_eq!(traced.matches("INSERT INTO").count(), 1, "{traced}");
    let debugged = dir.run(&[&load[..], &["-v"]].concat()).expect_code(0).stderr;
    assert!(!debugged.contains("INSERT"), "{debugged}");
}

fn create(dir: &TestDir, options: &[&str]) -> String {
    dir.run(&[&["create-file", "--force", "-o", "made.csv"], options].concat()).expect_code(0);
    String::from_utf8(dir.read("made.csv")).unwrap()
}

#[test]
fn create_file_writes_the_requested_number_of_people() {
    let dir = TestDir::new();
    for rows in [0, 1, 12_345, 100_000] {
        let created = create(&dir, &["--number-rows", &rows.to_string()]);
        let mut reader = csv::Reader::from_reader(created.as_bytes());
        assert_eq!(reader.headers().unwrap(), vec!["first_name", "last_name", "age"]);
        let ages = reader.records().map(|record| record.unwrap()[2].parse::<u32>().unwrap());
        assert_eq!(ages.filter(|age| (18..=65).contains(age)).count(), rows);
        assert_eq!(created.lines().count(), rows + 1);
        assert_eq!(dir.file_names(), ["made.csv"]);
    }
}

#[test]
fn create_file_is_reproducible_with_a_seed() {
    let dir = TestDir::new();
    let created = |seed: &[&str]| create(&dir, &[&["--number-rows", "1000"], seed].concat());
    assert_eq!(created(&["--seed", "7"]), created(&["--seed", "7"]));
    assert_ne!(created(&["--seed", "7"]), created(&["--seed", "8"]));
    assert_ne!(created(&[]), created(&[]), "without a seed files differ");
}

#[test]
fn create_file_writes_data_people_csv_by_default() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.path("data")).unwrap();
    dir.run(&["create-file", "--number-rows", "3"]).expect_code(0);
    assert_eq!(dir.read("data/people.csv").iter().filter(|byte| **byte == b'\n').count(), 4);
    assert_eq!(dir.path("data").read_dir().unwrap().count(), 1);
}

#[test]
fn create_file_reports_a_missing_directory() {
    let dir = TestDir::new();
    dir.run(&["create-file", "--number-rows", "3"])
        .expect_code(1)
        .assert_single_message(&["data/people.csv", "No such"]);
    assert!(dir.file_names().is_empty());
}

#[test]
fn create_file_does_not_write_to_a_directory() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.path("data")).unwrap();
    let outcome = dir.run(&["create-file", "--number-rows", "3", "-o", "data"]).expect_code(1);
    outcome.assert_single_message(&["data", "directory"]);
    assert_eq!(dir.file_names(), ["data"]);
    assert_eq!(dir.path("data").read_dir().unwrap().count(), 0);
}

#[test]
fn create_file_replaces_an_existing_file() {
    let dir = TestDir::new();
    dir.write("made.csv", "x".repeat(100_000));
    assert_eq!(create(&dir, &["--number-rows", "1"]).lines().count(), 2);
    assert_eq!(dir.file_names(), ["made.csv"]);
}

const ENDLESS_CREATE_FILE: [&str; 6] =
    ["create-file", "--force", "-o", "made.csv", "--number-rows", "100000000000"];

#[test]
fn interrupted_create_file_exits_with_130_and_keeps_the_old_file() {
    for signal in ["INT", "TERM"] {
        let dir = TestDir::new();
        dir.write("made.csv", "old");
        let before = dir.snapshot();
        let mut running = Running::start(dir.command(&ENDLESS_CREATE_FILE));
        assert!(running.wait_for_file(&dir, ".made.csv.sqload-"));
        running.signal(signal);
        running.wait().expect_code(130).assert_single_message(&["interrupted"]);
        dir.assert_unchanged(&before);
    }
}

#[test]
fn killed_create_file_leaves_no_partial_file() {
    let dir = TestDir::new();
    let mut running = Running::start(dir.command(&ENDLESS_CREATE_FILE));
    assert!(running.wait_for_file(&dir, ".made.csv.sqload-"));
    assert!(running.kill());
    assert!(!dir.path("made.csv").exists());
    create(&dir, &["--number-rows", "1"]);
    assert_eq!(dir.file_names(), ["made.csv"], "the next run removes the staged file");
}

#[test]
fn an_unwritable_stderr_is_not_a_failure() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    let mut load = dir.load_command(&[]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(load.stderr(full).status().unwrap().code(), Some(0));
    dir.assert_holds(TWO_PEOPLE);
}
