//! The command line itself, and `create-file`.

use crate::common::{FEW, Running, TestDir};

#[test]
fn without_a_subcommand_help_is_printed() {
    let outcome = TestDir::empty().run(&[]).expect(0);
    for part in ["Usage: sqload", "create-file", "run-pipeline", "Exit codes:"] {
        assert!(outcome.stdout.contains(part), "{part:?} is not in {:?}", outcome.stdout);
    }
    assert_eq!(outcome.stderr, "");
}

#[test]
fn help_and_version_are_printed_to_standard_output() {
    let place = TestDir::empty();
    let version = place.run(&["--version"]).expect(0);
    assert_eq!(version.stdout, concat!("sqload ", env!("CARGO_PKG_VERSION"), "\n"));
    for subcommand in ["create-file", "run-pipeline"] {
        let help = place.run(&[subcommand, "--help"]).expect(0);
        assert!(help.stdout.contains(&format!("Usage: sqload {subcommand}")), "{}", help.stdout);
    }
}

#[test]
fn wrong_usage_exits_with_2_and_touches_nothing() {
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
        &["run-pipeline", "--comment", "//"],
        &["run-pipeline", "--ragged", "skip"],
        &["run-pipeline", "--invalid-utf8", "fix"],
    ];
    let place = TestDir::empty();
    std::fs::create_dir(place.path("data")).unwrap();
    place.write("data/people.csv", FEW);
    for line in lines {
        let outcome = place.run(line).expect(2);
        assert!(!outcome.stderr.is_empty(), "{line:?} is refused without a word");
        assert!(!place.path("data/people.db").exists(), "{line:?}");
    }
}

fn create(place: &TestDir, options: &[&str]) -> String {
    place.run(&[&["create-file", "-o", "made.csv"], options].concat()).expect(0);
    String::from_utf8(place.read("made.csv")).unwrap()
}

#[test]
fn create_file_writes_as_many_people_as_asked_for() {
    let place = TestDir::empty();
    for rows in [0, 1, 12_345, 100_000] {
        let made = create(&place, &["--number-rows", &rows.to_string()]);
        let mut reader = csv::Reader::from_reader(made.as_bytes());
        assert_eq!(reader.headers().unwrap(), vec!["first_name", "last_name", "age"]);
        let ages = reader.records().map(|record| record.unwrap()[2].parse::<u32>().unwrap());
        assert_eq!(ages.filter(|age| (18..=65).contains(age)).count(), rows);
        assert_eq!(made.lines().count(), rows + 1);
        assert_eq!(place.names(), ["made.csv"]);
    }
}

#[test]
fn create_file_makes_the_same_file_of_the_same_seed() {
    let place = TestDir::empty();
    let made = |seed: &[&str]| create(&place, &[&["--number-rows", "1000"], seed].concat());
    assert_eq!(made(&["--seed", "7"]), made(&["--seed", "7"]));
    assert_ne!(made(&["--seed", "7"]), made(&["--seed", "8"]));
    assert_ne!(made(&[]), made(&[]), "without a seed files differ");
}

#[test]
fn create_file_writes_to_data_people_csv_by_default() {
    let place = TestDir::empty();
    std::fs::create_dir(place.path("data")).unwrap();
    place.run(&["create-file", "--number-rows", "3"]).expect(0);
    assert_eq!(place.read("data/people.csv").iter().filter(|byte| **byte == b'\n').count(), 4);
    assert_eq!(place.path("data").read_dir().unwrap().count(), 1);
}

#[test]
fn create_file_without_its_directory_names_it_and_leaves_nothing() {
    let place = TestDir::empty();
    place.run(&["create-file", "--number-rows", "3"]).expect(1).says_once(&["data/people.csv", "No such"]);
    assert!(place.names().is_empty());
}

#[test]
fn create_file_refuses_a_directory_and_leaves_nothing() {
    let place = TestDir::empty();
    std::fs::create_dir(place.path("data")).unwrap();
    let outcome = place.run(&["create-file", "--number-rows", "3", "-o", "data"]).expect(1);
    outcome.says_once(&["data", "directory"]);
    assert_eq!(place.names(), ["data"]);
    assert_eq!(place.path("data").read_dir().unwrap().count(), 0);
}

#[test]
fn create_file_replaces_a_file_that_is_there() {
    let place = TestDir::empty();
    place.write("made.csv", "x".repeat(100_000));
    assert_eq!(create(&place, &["--number-rows", "1"]).lines().count(), 2);
    assert_eq!(place.names(), ["made.csv"]);
}

const ENDLESS: [&str; 5] = ["create-file", "-o", "made.csv", "--number-rows", "100000000000"];

#[test]
fn create_file_interrupted_exits_with_130_and_leaves_the_old_file() {
    for signal in ["INT", "TERM"] {
        let place = TestDir::empty();
        place.write("made.csv", "old");
        let before = place.snapshot();
        let mut running = Running::start(place.command(&ENDLESS));
        assert!(running.wait_for_file(&place, ".made.csv.sqload-"));
        running.signal(signal);
        running.wait().expect(130).says_once(&["interrupted"]);
        place.is_as(&before);
    }
}

#[test]
fn create_file_killed_leaves_no_half_file() {
    let place = TestDir::empty();
    let mut running = Running::start(place.command(&ENDLESS));
    assert!(running.wait_for_file(&place, ".made.csv.sqload-"));
    assert!(running.kill());
    assert!(!place.path("made.csv").exists());
    create(&place, &["--number-rows", "1"]);
    assert_eq!(place.names(), ["made.csv"], "the next one removes what was left");
}

#[test]
fn a_standard_error_that_can_not_be_written_is_no_failure() {
    let place = TestDir::with_input(FEW);
    let mut load = place.load_command(&[]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(load.stderr(full).status().unwrap().code(), Some(0));
    place.holds(FEW);
}
