//! The options of `run-pipeline`.

use crate::common::{TWO_PEOPLE, TestDir, assert_contains, people_csv};
use serde_json::Value as Json;

/// Two bad records, one of which spans two lines, each followed by a good one.
const BAD: &str = concat!(
    "first_name,\"last_name\",age\r\n",
    "Ada,Lovelace,36\r\n",
    "\"too\nfew\",1\r\n",
    "Alan,Turing,41\r\n",
    "too,\"many\",1,\" 2\"\r\n",
    "Grace,Hopper,85",
);
const GOOD_OF_BAD: &str = "first_name,last_name,age\nAda,Lovelace,36\nAlan,Turing,41\nGrace,Hopper,85\n";

#[test]
fn tuning_options_do_not_change_the_table() {
    let dir = TestDir::new();
    dir.run(&["create-file", "-o", "people.csv", "--number-rows", "30000", "--seed", "2"]).expect_code(0);
    let csv = dir.read("people.csv");
    let lines: &[&[&str]] = &[
        &["-j", "1"],
        &["-j", "2"],
        &["--jobs", "8"],
        &["--synchronous", "off"],
        &["--synchronous", "normal"],
        &["--synchronous", "full", "--verify", "--vacuum"],
        &["--synchronous", "extra"],
        &["--cache-size", "0"],
        &["--cache-size", "100"],
        &["--cache-size", "4294967295"],
        &["--batch-rows", "1"],
        &["--batch-rows", "7"],
        &["--batch-rows", "100000"],
        &["--on-error", "abort", "--max-errors", "0"],
        &["-v"],
    ];
    for options in lines {
        println!("{options:?}");
        dir.load(options).expect_code(0);
        dir.assert_holds(&csv);
        assert_eq!(dir.file_names(), ["people.csv", "people.db"]);
        std::fs::remove_file(dir.path("people.db")).unwrap();
    }
}

#[test]
fn accepts_a_thousand_jobs() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    dir.load(&["-j", "1000"]).expect_code(0);
    dir.assert_holds(TWO_PEOPLE);
}

#[test]
fn too_many_jobs_are_refused_or_reduced() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    let outcome = dir.load(&["-j", "1000000"]);
    match outcome.code {
        Some(0) => dir.assert_holds(TWO_PEOPLE),
        code => assert!(matches!(code, Some(1 | 2)) && dir.file_names() == ["people.csv"], "{outcome:?}"),
    }
}

#[test]
fn page_size_sets_the_page_size_of_a_new_database() {
    for bytes in ["512", "1024", "4096", "65536"] {
        let dir = TestDir::with_input(people_csv(5_000));
        dir.load(&["--page-size", bytes]).expect_code(0);
        assert_eq!(dir.query("PRAGMA page_size"), bytes);
        dir.assert_holds(people_csv(5_000));
    }
}

#[test]
fn a_replaced_database_keeps_its_page_size_by_default() {
    let dir = TestDir::with_database(TWO_PEOPLE, "PRAGMA page_size = 8192; CREATE TABLE people (x)");
    for (options, bytes) in [(&[][..], "8192"), (&["--page-size", "1024"], "1024"), (&[], "1024")] {
        dir.load(options).expect_code(0);
        assert_eq!(dir.query("PRAGMA page_size"), bytes);
        dir.assert_holds(TWO_PEOPLE);
    }
}

#[test]
fn an_invalid_page_size_is_a_usage_error() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    for bytes in ["0", "1", "256", "1000", "4095", "131072", "4294967296", "-4096", "3k", "4x"] {
        dir.load(&["--page-size", bytes]).expect_code(2);
        assert_eq!(dir.file_names(), ["people.csv"], "{bytes}");
    }
    let outcome = dir.load(&["--page-size", "4095"]);
    outcome.assert_single_message(&["the page size must be a power of two from 512 to 65536, not 4095"]);
}

#[test]
fn a_decimal_mark_is_one_character() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    for option in ["--decimal", "--thousands"] {
        let outcome = dir.load(&[option, "comma"]).expect_code(2);
        assert_contains(&outcome.stderr, ["'comma'", "expected one character, such as a comma"]);
    }
}

#[test]
fn bad_records_are_skipped_reported_and_counted() {
    let dir = TestDir::with_input(BAD);
    for options in [&[][..], &["--on-error", "skip"], &["--max-errors", "2"], &["-j", "1"]] {
        let outcome = dir.load(options).expect_code(3);
        dir.assert_holds(GOOD_OF_BAD);
        let parts = [
            "people.csv: line 3 (record 2, byte 45): rejected: 2 fields, 3 expected",
            "people.csv: line 6 (record 4, byte 74): rejected: 4 fields, 3 expected",
            "read 5 records: 3 loaded, 2 rejected",
        ];
        assert_contains(&outcome.stderr, parts);
    }
}

#[test]
fn only_the_first_of_many_rejects_are_reported() {
    let dir = TestDir::with_input(TWO_PEOPLE.to_owned() + &"x\n".repeat(1_000));
    let outcome = dir.load(&[]).expect_code(3);
    assert!(outcome.stderr.contains("1 000 rejected"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("more rejects follow"), "{}", outcome.stderr);
    assert!(outcome.stderr.lines().count() < 20);
    dir.assert_holds(TWO_PEOPLE);
}

#[test]
fn rejects_are_kept_unchanged_after_the_header() {
    let dir = TestDir::with_input(BAD);
    dir.load(&["--rejects", "rejects.csv"]).expect_code(3);
    dir.assert_holds(GOOD_OF_BAD);
    let expected = "first_name,\"last_name\",age\n\"too\nfew\",1\ntoo,\"many\",1,\" 2\"\n";
    assert_eq!(String::from_utf8(dir.read("rejects.csv")).unwrap(), expected);
    assert_eq!(dir.file_names(), ["people.csv", "people.db", "rejects.csv", "rejects.csv.reasons.jsonl"]);
}

#[test]
fn a_load_without_rejects_leaves_the_file_of_an_earlier_load() {
    let dir = TestDir::with_input(format!("\u{feff}{TWO_PEOPLE}"));
    dir.load(&["--rejects", "new.csv"]).expect_code(0);
    dir.write("rejects.csv", "of yesterday\n");
    dir.load(&["--rejects", "rejects.csv"]).expect_code(0);
    assert_eq!(dir.read("rejects.csv"), b"of yesterday\n");
    assert_eq!(dir.file_names(), ["people.csv", "people.db", "rejects.csv"]);
}

#[test]
fn rejects_keep_the_input_order_at_any_number_of_jobs() {
    let bad = |number: usize| format!("bad{number}\n");
    let record =
        |number: usize| if number.is_multiple_of(7) { bad(number) } else { "Ada,Lovelace,36\n".to_owned() };
    let csv: String = (0..60_000).map(record).collect();
    let rejects: String = (0..60_000).step_by(7).map(bad).collect();
    let dir = TestDir::with_input(format!("first_name,last_name,age\n{csv}"));
    for jobs in ["1", "2", "8"] {
        dir.load(&["--rejects", "rejects.csv", "-q", "-j", jobs]).expect_code(3);
        let expected = format!("first_name,last_name,age\n{rejects}");
        assert!(dir.read("rejects.csv") == expected.as_bytes(), "-j {jobs}");
    }
}

#[test]
fn max_record_size_allows_records_that_fit() {
    let csv = format!("{TWO_PEOPLE}Ada,{},1\n", "x".repeat(100_000));
    let dir = TestDir::with_input(&csv);
    dir.load(&["--max-record-size", "200000"]).expect_code(0);
    dir.assert_holds(&csv);
}

#[test]
fn vacuum_leaves_no_free_page() {
    let sql = "CREATE TABLE other (x); INSERT INTO other VALUES (1); CREATE TABLE people (x);
        INSERT INTO people SELECT randomblob(1000) FROM generate_series(1, 1000)";
    let sql = sql.replace(
        "generate_series(1, 1000)",
        "json_each('[' || substr(replace(hex(zeroblob(999)), '00', ',0'), 2) || ']')",
    );
    let dir = TestDir::with_database(TWO_PEOPLE, &sql);
    dir.load(&[]).expect_code(0);
    assert_ne!(dir.query("PRAGMA freelist_count"), "0", "the first load leaves no free page");
    dir.load(&["--vacuum"]).expect_code(0);
    assert_eq!(dir.query("PRAGMA freelist_count"), "0");
    assert_eq!(dir.query("SELECT x FROM other"), "1");
    dir.assert_holds(TWO_PEOPLE);
}

/// Asserts that `json` is the report of a load of [`BAD`].
fn assert_report(json: &[u8]) {
    let report: Json = serde_json::from_slice(json).unwrap();
    let count = |key: &str| report[key].as_u64().unwrap_or_else(|| panic!("{key} in {report}"));
    assert_eq!(
        (report["inputs"][0].as_str(), report["table"].as_str()),
        (Some("people.csv"), Some("people"))
    );
    assert_eq!(report["database"].as_str(), Some("people.db"));
    assert!(report["writer"].is_string());
    assert_eq!((count("records"), count("loaded"), count("rejected")), (5, 3, 2));
    let sum = count("loaded") + count("rejected") + count("filtered") + count("ignored");
    assert_eq!(count("records"), sum);
    assert_eq!(count("jobs"), 2);
    assert_eq!(count("bytes"), BAD.len() as u64);
    for key in ["seconds", "rows_per_second", "megabytes_per_second"] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key} in {report}");
    }
    for key in ["split_seconds", "parse_seconds", "write_seconds", "finish_seconds"] {
        assert!(report["stages"][key].as_f64().unwrap() >= 0.0, "{key} in {report}");
    }
}

#[test]
fn the_report_is_json_in_a_file_or_alone_on_stdout() {
    let dir = TestDir::with_input(BAD);
    let outcome = dir.load(&["-j", "2", "--report", "report.json"]).expect_code(3);
    assert_eq!(outcome.stdout, "");
    assert_report(&dir.read("report.json"));
    for verbosity in ["-q", "-v"] {
        assert_report(dir.load(&["-j", "2", "--report", "-", verbosity]).expect_code(3).stdout.as_bytes());
    }
    assert_eq!(dir.file_names(), ["people.csv", "people.db", "report.json"]);
}

#[test]
fn a_report_in_a_missing_directory_fails_without_changes() {
    let dir = TestDir::with_database(TWO_PEOPLE, "CREATE TABLE people (x)");
    dir.assert_load_fails(&["--report", "missing/report.json"], &["missing/report.json", "No such"]);
}

#[test]
fn quiet_prints_nothing_and_verbose_prints_more() {
    let dir = TestDir::with_input(BAD);
    let [quiet, plain, verbose] = [&["-q"][..], &[], &["-v"]].map(|options| dir.load(options).expect_code(3));
    assert_eq!((quiet.stderr, quiet.stdout), (String::new(), String::new()));
    assert_eq!((plain.stdout, verbose.stdout), (String::new(), String::new()));
    assert!(!plain.stderr.contains("DEBUG") && verbose.stderr.contains("DEBUG"), "{}", verbose.stderr);
    assert!(!plain.stderr.contains('\u{1b}'), "a file has no colours");
}

#[test]
fn quiet_still_reports_errors() {
    TestDir::new().load(&["-q"]).expect_code(1).assert_single_message(&["people.csv"]);
}

#[test]
fn delimiter_and_quote_are_configurable() {
    let dialect = |delimiter: u8, quote: u8| {
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(delimiter).quote(quote);
        builder
    };
    let mut unquoted = dialect(b',', b'"');
    unquoted.quoting(false);
    let cases: &[(&[&str], &str, csv::ReaderBuilder)] = &[
        (&["-d", ";"], "a,b;\"c;d\";1", dialect(b';', b'"')),
        (&["-d", "tab"], "a,b\t\"c\td\"\t1", dialect(b'\t', b'"')),
        (&["-d", "\\t"], "a,b\t\"c\td\"\t1", dialect(b'\t', b'"')),
        (&["-d", "\t"], "a,b\t\"c\td\"\t1", dialect(b'\t', b'"')),
        (&["--tsv"], "a,b\t\"c\td\"\t1", dialect(b'\t', b'"')),
        (&["--delimiter", "|"], "a,b|\"c|d\"|1", dialect(b'|', b'"')),
        (&["--quote", "'"], "\"a',',''b\n','1'", dialect(b',', b'\'')),
        (&["--quote", "none"], "\"a,\"\"b\"\",1", unquoted),
    ];
    for (options, record, dialect) in cases {
        println!("{options:?}");
        let delimiter = char::from(record.as_bytes()[3]);
        let delimiter =
            if delimiter.is_ascii_alphanumeric() || "\",'".contains(delimiter) { ',' } else { delimiter };
        let csv = format!("{}\n{record}\n", ["first_name", "last_name", "age"].join(&delimiter.to_string()));
        let dir = TestDir::with_input(&csv);
        dir.load(options).expect_code(0);
        dir.assert_holds_as_parsed_by(&csv, dialect);
        assert_eq!(dir.query("SELECT age FROM people"), "1");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_failure_to_start_threads_is_an_error_not_a_panic() {
    // Enough memory for some stacks of 2 MiB, but not for 1024.
    let dir = TestDir::with_input(TWO_PEOPLE);
    let outcome = dir.load_after_setup("ulimit -v 3000000", &["-j", "1024"]);
    outcome.expect_code(1).assert_single_message(&["cannot start 1024 worker threads", "--jobs"]);
    assert_eq!(dir.file_names(), ["people.csv"]);
}
