//! Input that can not be loaded: one clear message, and every file as it was.

use crate::common::{FEW, Running, TestDir, many};

/// A place with a database of people that is to stay as it is.
fn place_with(csv: impl AsRef<[u8]>) -> TestDir {
    TestDir::with_database(csv, "CREATE TABLE people (x); INSERT INTO people VALUES ('old')")
}

/// Enough records that every queue between the threads is full.
const MANY: usize = 300_000;

#[test]
fn a_missing_file_is_named() {
    let place = place_with(FEW);
    std::fs::remove_file(place.path("people.csv")).unwrap();
    place.load_fails(&[], &["people.csv", "No such file"]);
}

#[test]
fn a_directory_is_no_input() {
    let place = place_with(FEW);
    std::fs::remove_file(place.path("people.csv")).unwrap();
    std::fs::create_dir(place.path("people.csv")).unwrap();
    place.load_fails(&[], &["people.csv", "directory"]);
}

#[test]
fn a_device_may_be_empty() {
    let place = place_with(FEW);
    let before = place.snapshot();
    let outcome = place.run(&["run-pipeline", "-i", "/dev/null", "--database", "people.db"]).expect(1);
    outcome.says_once(&["/dev/null", "empty"]);
    place.is_as(&before);
}

#[test]
fn an_empty_file_lacks_a_header() {
    for csv in ["", "\u{feff}", "\n", "\r\n\r\n\n"] {
        place_with(csv).load_fails(&[], &["people.csv", "empty", "header"]);
    }
}

#[test]
fn a_missing_column_is_named_and_the_header_listed() {
    let cases = [
        ("first_name,surname,age\n", "last_name", "first_name, surname, age"),
        ("first_name;last_name;age\n", "first_name", "first_name;last_name;age"),
        ("first_name,last_name,Aged\n", "age", "first_name, last_name, Aged"),
        (" first_name,last_name,age\n", "first_name", " first_name, last_name, age"),
    ];
    for (csv, missing, header) in cases {
        let missing = format!("no column \"{missing}\"");
        place_with(csv).load_fails(&[], &["people.csv", &missing, header]);
    }
}

#[test]
fn names_are_columns_in_any_case_but_in_their_own_first() {
    place_with("first_name,LAST_NAME,Age,AGE,age\na,b,1,2,3\n").load(&[]);
    place_with("first_name,last_name,Age,AGE\na,b,1,2\n").load_fails(&[], &["\"age\"", "more than once"]);
}

#[test]
fn a_header_of_very_many_columns_is_not_listed_in_full() {
    let header: String = (0..50_000).map(|number| format!("column{number},")).collect();
    place_with(header).load_fails(&[], &["people.csv", "no column \"first_name\"", "column0, column1"]);
}

#[test]
fn a_duplicate_column_is_named() {
    place_with("first_name,last_name,age,age\na,b,1,2\n").load_fails(&[], &["people.csv", "\"age\"", "once"]);
}

#[test]
fn an_unclosed_quote_is_reported_where_it_opened() {
    let header = "first_name,last_name,age\n";
    let cases = [
        (format!("{FEW}\"Grace,Hopper,85\nA,B,1\n"), "line 4 (record 3, byte 56)"),
        (format!("{header}\"a\nb\",\"c\"\"\r\nd\",\"1\nA,B,2"), "line 4 (record 1, byte 40)"),
        (format!("{header}A,B,\""), "line 2 (record 1, byte 29)"),
        ("first_name,\"last_name,age\nA,B,1\n".to_owned(), "line 1 (header, byte 11)"),
        (
            format!("{}\"A,B,1\n{}", many(MANY), "A,B,1\n".repeat(MANY)),
            "line 300002 (record 300001, byte 4800025)",
        ),
    ];
    for (csv, position) in cases {
        let place = place_with(csv);
        for jobs in ["1", "2"] {
            let position = format!("people.csv: {position}");
            place.load_fails(&["-j", jobs], &[&position, "quote", "never closed", "--quote none"]);
        }
    }
}

#[test]
fn a_quote_open_past_the_largest_record_is_reported_where_it_opened() {
    let csv = format!("{FEW}\"Grace,Hopper,85\n{}", "A,B,1\n".repeat(1_000));
    let parts = ["people.csv: line 4 (record 3, byte 56)", "quote", "--quote none"];
    place_with(csv).load_fails(&["--max-record-size", "1000"], &parts);
}

#[test]
fn a_record_too_large_is_reported_where_it_begins() {
    let csv = format!("{FEW}A,{},1\nA,B,2\n", "x".repeat(5_000));
    let parts = ["people.csv: line 4 (record 3, byte 56)", "1000 bytes", "--max-record-size"];
    place_with(csv).load_fails(&["--max-record-size", "1000"], &parts);
}

#[test]
fn a_last_record_too_large_is_reported_like_any_other() {
    let csv = format!("{FEW}A,{},1", "x".repeat(5_000));
    place_with(csv)
        .load_fails(&["--max-record-size", "1000"], &["people.csv: line 4 (record 3", "1000 bytes"]);
}

#[test]
fn invalid_utf_8_is_rejected_with_its_offset_and_kept_as_it_is() {
    let bad: [&[u8]; 4] = [b"Jos\xe9,B,1", b"A,\xc3,\xa9", b"A,\xed\xa0\x80,1", b"A,B\xf0\x9f\x98,1"];
    let places = [(1, 3), (2, 2), (2, 2), (2, 3)];
    for (bad, (field, offset)) in bad.into_iter().zip(places) {
        let csv = [FEW.as_bytes(), bad, b"\nGr\xc3\xa4ce,Hopper,85\n"].concat();
        let place = TestDir::with_input(csv);
        let outcome = place.load(&["--rejects", "rejects.csv"]).expect(3);
        let offset = FEW.len() + offset;
        let said = format!(
            "people.csv: line 4 (record 3, byte 56): rejected: invalid UTF-8 in field {field}, at byte offset {offset}"
        );
        assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
        assert_eq!(place.read("rejects.csv"), [b"first_name,last_name,age\n", bad, b"\n"].concat());
        place.holds(format!("{FEW}Gräce,Hopper,85\n"));
    }
}

#[test]
fn lines_of_rejects_are_right_after_quoted_line_ends_and_blank_lines() {
    let csv = "\nfirst_name,last_name,age\n\"a\nb\r\nc\rd\",x,1\n\r\n\rfew\nA,B,1\n\"\n\n\",few\nlast";
    let place = TestDir::with_input(csv);
    let outcome = place.load(&[]).expect(3);
    for position in
        ["line 9 (record 2, byte 44)", "line 11 (record 4, byte 54)", "line 14 (record 5, byte 63)"]
    {
        assert!(outcome.stderr.contains(position), "{position} is not in {:?}", outcome.stderr);
    }
    assert_eq!(place.query("SELECT count(*) FROM people"), "2");
}

#[test]
fn lines_of_rejects_are_right_far_into_a_large_file() {
    let csv = format!("{}few\n", "\"Gr\nace\",Hopper,85\n".repeat(100_000));
    let place = TestDir::with_input(format!("first_name,last_name,age\r\n{csv}"));
    for jobs in ["1", "2", "8"] {
        let outcome = place.load(&["-j", jobs]).expect(3);
        assert!(outcome.stderr.contains("line 200002 (record 100001, byte 1900026)"), "{}", outcome.stderr);
    }
}

#[test]
fn on_error_abort_reports_the_first_bad_record() {
    let place = place_with(format!("{FEW}too,few\nfour\n"));
    let parts =
        ["people.csv: line 4 (record 3, byte 56)", "2 fields where the header has 3", "--on-error skip"];
    place.load_fails(&["--on-error", "abort"], &parts);
    place.load_fails(&["--on-error", "abort", "-j", "1"], &parts);
}

#[test]
fn max_errors_are_allowed_but_not_one_more() {
    let place = place_with(format!("{FEW}bad\nworse\nworst\n"));
    for max in ["0", "1", "2"] {
        let said = format!("more than {max} records");
        place.load_fails(&["--max-errors", max], &["people.csv: line", &said, "--max-errors"]);
    }
    place.load_fails(&["--max-errors", "2"], &["line 6 (record 5, byte 66)", "1 fields"]);
    place.load(&["--max-errors", "3"]).expect(3);
    place.holds(FEW);
}

#[test]
fn an_early_end_of_a_large_file_does_not_hang() {
    let place = place_with(format!("first_name,last_name,age\nbad\n{}", "Grace,Hopper,85\n".repeat(MANY)));
    for jobs in ["1", "2", "8"] {
        place.load_fails(&["-j", jobs, "--on-error", "abort"], &["people.csv: line 2 (record 1, byte 25)"]);
        place.load_fails(&["-j", jobs, "--max-errors", "0"], &["people.csv: line 2 (record 1, byte 25)"]);
    }
}

#[test]
fn the_first_error_in_the_input_is_reported_at_any_number_of_jobs() {
    let csv = format!("{}bad\n{}\"", many(MANY), "Grace,Hopper,85\n".repeat(MANY / 10));
    let place = place_with(csv);
    for jobs in ["1", "2", "8"] {
        let parts = ["people.csv: line 300002 (record 300001, byte 4800025)", "1 fields"];
        place.load_fails(&["-j", jobs, "--on-error", "abort"], &parts);
    }
}

#[test]
fn rejects_are_never_written_over_the_input() {
    let place = place_with(format!("{FEW}bad\n"));
    let before = place.snapshot();
    let outcome = place.load(&["--rejects", "people.csv"]);
    place.is_as(&before);
    assert!(matches!(outcome.code, Some(1 | 2)), "{outcome:?}");
    outcome.says_once(&["people.csv"]);
}

#[test]
fn rejects_that_can_not_be_written_are_a_failure() {
    let place = place_with(format!("{FEW}bad\n"));
    place.load_fails(&["--rejects", "missing/rejects.csv"], &["missing/rejects.csv", "No such file"]);
    place.load_fails(&["--rejects", "/dev/full"], &["/dev/full", "No space left"]);
}

/// A load that has just begun to build its database, of an input that takes a while.
fn started(place: &TestDir) -> Option<Running> {
    let mut running = Running::start(place.load_command(&[]));
    running.wait_for_file(place, ".people.db.sqload-").then_some(running)
}

/// Changes the length of the input while it is loaded. If the load wins that race, another is tried.
fn input_changes(length: impl Fn(u64) -> u64) {
    const ROWS: &str = "3000000";
    const TRIES: u32 = 5;
    let place = place_with(FEW);
    let database = place.read("people.db");
    let is_noticed = |_| {
        place.write("people.db", &database);
        place.run(&["create-file", "-o", "people.csv", "--number-rows", ROWS]).expect(0);
        let running = started(&place).expect("a database is built aside");
        let input = std::fs::OpenOptions::new().write(true).open(place.path("people.csv")).unwrap();
        input.set_len(length(input.metadata().unwrap().len())).unwrap();
        let outcome = running.wait();
        if outcome.code == Some(0) {
            return false;
        }
        outcome.expect(1).says_once(&["people.csv", "changed while it was being read"]);
        true
    };
    assert!((0..TRIES).any(is_noticed), "every load ended before its input changed");
    assert_eq!(place.names(), ["people.csv", "people.db"]);
    assert_eq!(place.read("people.db"), database);
}

#[test]
fn an_input_cut_short_while_it_is_read_is_an_error_and_no_signal() {
    input_changes(|_| 100_000);
}

#[test]
fn an_input_emptied_while_it_is_read_is_an_error_and_no_signal() {
    input_changes(|_| 0);
}

#[test]
fn an_input_that_grows_while_it_is_read_is_an_error() {
    input_changes(|bytes| bytes + 1);
}
