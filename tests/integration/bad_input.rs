//! Input that cannot be loaded: one clear message, and every file stays unchanged.

use crate::common::{Running, TWO_PEOPLE, TestDir, people_csv};

/// A directory with a database of people that a failed load must not change.
fn dir_with_old_people(csv: impl AsRef<[u8]>) -> TestDir {
    TestDir::with_database(csv, "CREATE TABLE people (x); INSERT INTO people VALUES ('old')")
}

/// Enough records to fill every queue between the threads.
const MANY: usize = 300_000;

#[test]
fn a_missing_input_is_named() {
    let dir = dir_with_old_people(TWO_PEOPLE);
    std::fs::remove_file(dir.path("people.csv")).unwrap();
    dir.assert_load_fails(&[], &["people.csv", "No such file"]);
}

#[test]
fn rejects_a_directory_as_input() {
    let dir = dir_with_old_people(TWO_PEOPLE);
    std::fs::remove_file(dir.path("people.csv")).unwrap();
    std::fs::create_dir(dir.path("people.csv")).unwrap();
    dir.assert_load_fails(&[], &["people.csv", "directory"]);
}

#[test]
fn an_empty_device_is_reported_as_empty() {
    let dir = dir_with_old_people(TWO_PEOPLE);
    let before = dir.snapshot();
    let outcome = dir.run(&["run-pipeline", "-i", "/dev/null", "--database", "people.db"]).expect_code(1);
    outcome.assert_single_message(&["/dev/null", "empty"]);
    dir.assert_unchanged(&before);
}

#[test]
fn an_input_without_a_header_is_an_error() {
    for csv in ["", "\u{feff}", "\n", "\r\n\r\n\n"] {
        dir_with_old_people(csv).assert_load_fails(&[], &["people.csv", "empty", "header"]);
    }
}

#[test]
fn a_missing_column_is_reported_with_the_header() {
    let cases = [
        ("first_name,surname,age\n", "last_name", "first_name, surname, age"),
        ("first_name,last_name,Aged\n", "age", "first_name, last_name, Aged"),
        (" first_name,last_name,age\n", "first_name", " first_name, last_name, age"),
    ];
    for (csv, missing, header) in cases {
        let missing = format!("no column \"{missing}\"");
        let parts = ["people.csv", &missing, header, "; fields are separated by ','"];
        dir_with_old_people(csv).assert_load_fails(&[], &parts);
    }
    let parts = ["no column \"first_name\"", "first_name;last_name;age", "; fields are separated by ','"];
    dir_with_old_people("first_name;last_name;age\n").assert_load_fails(&["-d", ","], &parts);
}

#[test]
fn column_names_ignore_case_but_prefer_an_exact_match() {
    dir_with_old_people("first_name,LAST_NAME,Age,AGE,age\na,b,1,2,3\n").load(&[]);
    dir_with_old_people("first_name,last_name,Age,AGE\na,b,1,2\n")
        .assert_load_fails(&[], &["\"age\"", "more than once"]);
}

#[test]
fn a_very_wide_header_is_not_listed_in_full() {
    let header: String = (0..50_000).map(|number| format!("column{number},")).collect();
    dir_with_old_people(header)
        .assert_load_fails(&[], &["people.csv", "no column \"first_name\"", "column0, column1"]);
}

#[test]
fn a_duplicate_column_is_named() {
    dir_with_old_people("first_name,last_name,age,age\na,b,1,2\n")
        .assert_load_fails(&[], &["people.csv", "\"age\"", "once"]);
}

#[test]
fn an_unclosed_quote_is_reported_where_it_opens() {
    let header = "first_name,last_name,age\n";
    let cases = [
        (format!("{TWO_PEOPLE}\"Grace,Hopper,85\nA,B,1\n"), "line 4 (record 3, byte 56)"),
        (format!("{header}\"a\nb\",\"c\"\"\r\nd\",\"1\nA,B,2"), "line 4 (record 1, byte 40)"),
        (format!("{header}A,B,\""), "line 2 (record 1, byte 29)"),
        ("first_name,\"last_name,age\nA,B,1\n".to_owned(), "line 1 (header, byte 11)"),
        (
            format!("{}\"A,B,1\n{}", people_csv(MANY), "A,B,1\n".repeat(MANY)),
            "line 300002 (record 300001, byte 4800025)",
        ),
    ];
    for (csv, position) in cases {
        let dir = dir_with_old_people(csv);
        for jobs in ["1", "2"] {
            let position = format!("people.csv: {position}");
            let options = ["-j", jobs, "--on-error", "abort"];
            dir.assert_load_fails(&options, &[&position, "quote", "never closed", "--quote none"]);
        }
    }
}

#[test]
fn a_quote_open_beyond_the_record_size_limit_is_reported_where_it_opens() {
    let csv = format!("{TWO_PEOPLE}\"Grace,Hopper,85\n{}", "A,B,1\n".repeat(1_000));
    let parts = ["people.csv: line 4 (record 3, byte 56)", "quote", "--quote none"];
    dir_with_old_people(csv).assert_load_fails(&["--max-record-size", "1000"], &parts);
}

#[test]
fn an_oversized_record_is_reported_where_it_starts() {
    let csv = format!("{TWO_PEOPLE}A,{},1\nA,B,2\n", "x".repeat(5_000));
    let parts = ["people.csv: line 4 (record 3, byte 56)", "1000 bytes", "--max-record-size"];
    dir_with_old_people(csv).assert_load_fails(&["--max-record-size", "1000"], &parts);
}

#[test]
fn an_oversized_last_record_is_reported_where_it_starts() {
    let csv = format!("{TWO_PEOPLE}A,{},1", "x".repeat(5_000));
    dir_with_old_people(csv)
        .assert_load_fails(&["--max-record-size", "1000"], &["people.csv: line 4 (record 3", "1000 bytes"]);
}

#[test]
fn invalid_utf8_is_rejected_with_its_offset_and_kept_unchanged() {
    let bad: [&[u8]; 4] = [b"Jos\xe9,B,1", b"A,\xc3,\xa9", b"A,\xed\xa0\x80,1", b"A,B\xf0\x9f\x98,1"];
    let places = [(1, 3), (2, 2), (2, 2), (2, 3)];
    for (bad, (field, offset)) in bad.into_iter().zip(places) {
        let csv = [TWO_PEOPLE.as_bytes(), bad, b"\nGr\xc3\xa4ce,Hopper,85\n"].concat();
        let dir = TestDir::with_input(csv);
        let outcome = dir.load(&["--rejects", "rejects.csv"]).expect_code(3);
        let offset = TWO_PEOPLE.len() + offset;
        let rejected = format!(
            "people.csv: line 4 (record 3, byte 56): rejected: invalid UTF-8 in field {field}, at byte offset {offset}"
        );
        assert!(outcome.stderr.contains(&rejected), "{}", outcome.stderr);
        assert_eq!(dir.read("rejects.csv"), [b"first_name,last_name,age\n", bad, b"\n"].concat());
        dir.assert_holds(format!("{TWO_PEOPLE}Gräce,Hopper,85\n"));
    }
}

#[test]
fn line_numbers_of_rejects_count_quoted_line_ends_and_blank_lines() {
    let csv = "\nfirst_name,last_name,age\n\"a\nb\r\nc\rd\",x,1\n\r\n\rfew\nA,B,1\n\"\n\n\",few\nlast";
    let dir = TestDir::with_input(csv);
    let outcome = dir.load(&[]).expect_code(3);
    for position in
        ["line 9 (record 2, byte 44)", "line 11 (record 4, byte 54)", "line 14 (record 5, byte 63)"]
    {
        assert!(outcome.stderr.contains(position), "{position} is not in {:?}", outcome.stderr);
    }
    assert_eq!(dir.query("SELECT count(*) FROM people"), "2");
}

#[test]
fn line_numbers_of_rejects_are_exact_in_a_large_file() {
    let csv = format!("{}few\n", "\"Gr\nace\",Hopper,85\n".repeat(100_000));
    let dir = TestDir::with_input(format!("first_name,last_name,age\r\n{csv}"));
    for jobs in ["1", "2", "8"] {
        let outcome = dir.load(&["-j", jobs]).expect_code(3);
        assert!(outcome.stderr.contains("line 200002 (record 100001, byte 1900026)"), "{}", outcome.stderr);
    }
}

#[test]
fn on_error_abort_reports_the_first_bad_record() {
    let dir = dir_with_old_people(format!("{TWO_PEOPLE}too,few\nfour\n"));
    let parts = ["people.csv: line 4 (record 3, byte 56)", "2 fields, 3 expected", "--on-error skip"];
    dir.assert_load_fails(&["--on-error", "abort"], &parts);
    dir.assert_load_fails(&["--on-error", "abort", "-j", "1"], &parts);
}

#[test]
fn max_errors_is_the_number_of_rejects_allowed() {
    let dir = dir_with_old_people(format!("{TWO_PEOPLE}bad\nworse\nworst\n"));
    for max in ["0", "1", "2"] {
        let limit = format!("more than {max} record{}", if max == "1" { " was" } else { "s were" });
        dir.assert_load_fails(&["--max-errors", max], &["people.csv: line", &limit, "--max-errors"]);
    }
    dir.assert_load_fails(&["--max-errors", "2"], &["line 6 (record 5, byte 66)", "1 field,"]);
    dir.load(&["--max-errors", "3"]).expect_code(3);
    dir.assert_holds(TWO_PEOPLE);
}

#[test]
fn an_early_error_in_a_large_file_does_not_hang() {
    let dir =
        dir_with_old_people(format!("first_name,last_name,age\nbad\n{}", "Grace,Hopper,85\n".repeat(MANY)));
    for jobs in ["1", "2", "8"] {
        dir.assert_load_fails(
            &["-j", jobs, "--on-error", "abort"],
            &["people.csv: line 2 (record 1, byte 25)"],
        );
        dir.assert_load_fails(
            &["-j", jobs, "--max-errors", "0"],
            &["people.csv: line 2 (record 1, byte 25)"],
        );
    }
}

#[test]
fn reports_the_first_error_at_any_number_of_jobs() {
    let csv = format!("{}bad\n{}\"", people_csv(MANY), "Grace,Hopper,85\n".repeat(MANY / 10));
    let dir = dir_with_old_people(csv);
    for jobs in ["1", "2", "8"] {
        let parts = ["people.csv: line 300002 (record 300001, byte 4800025)", "1 field,"];
        dir.assert_load_fails(&["-j", jobs, "--on-error", "abort"], &parts);
    }
}

#[test]
fn rejects_never_overwrite_the_input() {
    let dir = dir_with_old_people(format!("{TWO_PEOPLE}bad\n"));
    let before = dir.snapshot();
    let outcome = dir.load(&["--rejects", "people.csv"]);
    dir.assert_unchanged(&before);
    assert!(matches!(outcome.code, Some(1 | 2)), "{outcome:?}");
    outcome.assert_single_message(&["people.csv"]);
}

#[test]
fn unwritable_rejects_fail_the_load() {
    let dir = dir_with_old_people(format!("{TWO_PEOPLE}bad\n"));
    dir.assert_load_fails(&["--rejects", "missing/rejects.csv"], &["missing/rejects.csv", "No such file"]);
    dir.assert_load_fails(&["--rejects", "/dev/full"], &["/dev/full", "No space left"]);
}

/// Starts a load and waits until it has created its staged file.
fn start_load(dir: &TestDir) -> Option<Running> {
    let mut running = Running::start(dir.load_command(&[]));
    running.wait_for_file(dir, ".people.db.sqload-").then_some(running)
}

/// Asserts that a load notices that its input changes its length. If the load ends first, tries another one.
fn assert_change_is_noticed(length: impl Fn(u64) -> u64) {
    const ROWS: &str = "3000000";
    const TRIES: u32 = 5;
    let dir = dir_with_old_people(TWO_PEOPLE);
    let database = dir.read("people.db");
    let is_noticed = |_| {
        dir.write("people.db", &database);
        dir.run(&["create-file", "--force", "-o", "people.csv", "--number-rows", ROWS]).expect_code(0);
        let running = start_load(&dir).expect("the load builds a staged file");
        let input = std::fs::OpenOptions::new().write(true).open(dir.path("people.csv")).unwrap();
        input.set_len(length(input.metadata().unwrap().len())).unwrap();
        let outcome = running.wait();
        if outcome.code == Some(0) {
            return false;
        }
        outcome.expect_code(1).assert_single_message(&["people.csv", "changed while it was being read"]);
        true
    };
    assert!((0..TRIES).any(is_noticed), "every load ended before its input changed");
    assert_eq!(dir.file_names(), ["people.csv", "people.db"]);
    assert_eq!(dir.read("people.db"), database);
}

#[test]
fn an_input_truncated_during_the_load_is_an_error_not_a_signal() {
    assert_change_is_noticed(|_| 100_000);
}

#[test]
fn an_input_emptied_during_the_load_is_an_error_not_a_signal() {
    assert_change_is_noticed(|_| 0);
}

#[test]
fn an_input_that_grows_during_the_load_is_an_error() {
    assert_change_is_noticed(|bytes| bytes + 1);
}
