//! Imperfect records that can be loaded: too short, too long, invalid UTF-8, NUL bytes.

use crate::common::{TestDir, rows_of, text};
use crate::naive;
use proptest::prelude::*;
use rusqlite::types::Value;
use serde_json::Value as Json;
use sqload::plan::{Dialect, IfExists, InvalidUtf8, OnError, Ragged, WriterChoice};
use sqload::report::Report;
use sqload::{Kind, Loader};
use std::num::NonZeroUsize;

/// Loads `csv` with these options and each writer, and passes the rows, the report and stderr to `check`.
fn load_and_report(csv: &[u8], options: &[&str], code: i32, check: impl Fn(Vec<Vec<Value>>, Json, &str)) {
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    for writer in ["direct", "statements"] {
        let load = ["load", "in.csv", "out.db", "-t", "t", "--report", "-", "--writer", writer];
        let outcome = dir.run(&[&load[..], options].concat()).expect_code(code);
        let connection = dir.open("out.db");
        let rows = rows_of(&connection, "SELECT * FROM t ORDER BY rowid");
        check(rows, outcome.report(), &outcome.stderr);
        std::fs::remove_file(dir.path("out.db")).unwrap();
    }
}

fn counts(report: &Json) -> [u64; 6] {
    ["loaded", "rejected", "padded", "cut", "utf8_replaced", "nul_values"]
        .map(|key| report[key].as_u64().unwrap())
}

#[test]
fn ragged_pads_or_truncates_records() {
    let csv = b"n,a,b\n1,x,y\n2,z\n3\n4,v,w,too much\n\"5\",,\n";
    let row = |n: i64, a: Value, b: Value| vec![Value::Integer(n), a, b];
    let padded = [
        row(1, text("x"), text("y")),
        row(2, text("z"), Value::Null),
        row(3, Value::Null, Value::Null),
        row(5, text(""), text("")),
    ];
    load_and_report(csv, &["--ragged", "pad", "--on-error", "skip"], 3, |rows, report, stderr| {
        assert_eq!(rows, padded);
        assert_eq!(counts(&report), [4, 1, 2, 0, 0, 0]);
        assert!(
            stderr.contains("2 records too short, padded with NULL\n") && stderr.contains("4 fields"),
            "{stderr}"
        );
    });
    load_and_report(csv, &["--ragged", "fit"], 0, |rows, report, stderr| {
        let expected = [&padded[..3], &[row(4, text("v"), text("w"))], &padded[3..]].concat();
        assert_eq!(rows, expected);
        assert_eq!(counts(&report), [5, 0, 2, 1, 0, 0]);
        assert!(
            stderr
                .contains("2 records too short, padded with NULL; 1 record too long, extra fields dropped\n"),
            "{stderr}"
        );
    });
    load_and_report(csv, &["--on-error", "skip"], 3, |rows, report, stderr| {
        assert_eq!(rows.len(), 2);
        assert_eq!(counts(&report), [2, 3, 0, 0, 0, 0]);
        assert!(!stderr.contains("padded"), "{stderr}");
    });
}

#[test]
fn a_missing_field_is_null_even_if_empty_fields_are_not() {
    let csv = b"a,b,c\n,,\n-\n";
    let (empty, null) = (text(""), Value::Null);
    let options = ["--ragged", "pad", "--null", "-", "--rename", "b=x"];
    load_and_report(csv, &options, 0, |rows, _, _| {
        assert_eq!(
            rows,
            [[empty.clone(), empty.clone(), empty.clone()], [null.clone(), null.clone(), null.clone()]]
        );
    });
    load_and_report(csv, &[&options[..], &["--empty-null"]].concat(), 0, |rows, _, _| {
        assert_eq!(
            rows,
            [[null.clone(), null.clone(), null.clone()], [null.clone(), null.clone(), null.clone()]]
        );
    });
}

#[test]
fn repairs_of_rejected_records_are_not_counted() {
    let csv = b"n,a,b\n1,\xff\nx,\xff\ny,1,2,3\nz,\0,\xff\n4,\0,\"\0\"\n";
    let options =
        ["--ragged", "fit", "--invalid-utf8", "replace", "--type", "n=INTEGER", "--on-error", "skip"];
    load_and_report(csv, &options, 3, |rows, report, stderr| {
        let expected =
            [[Value::Integer(1), text("\u{fffd}"), Value::Null], [Value::Integer(4), text("\0"), text("\0")]];
        assert_eq!(rows, expected);
        assert_eq!(counts(&report), [2, 3, 1, 0, 1, 2]);
        let counts_line = "1 record too short, padded with NULL; 1 record with invalid UTF-8, replaced with U+FFFD; 2 values with a NUL byte\n";
        assert!(stderr.contains(counts_line), "{stderr}");
    });
}

#[test]
fn invalid_utf8_is_replaced_like_the_standard_library_does() {
    let values: [&[u8]; 6] =
        [b"caf\xe9", b"\xf0\x9f\x98", b"\xed\xa0\x80x", b"\xc0\x80", b"\xff\xfe", "plain é".as_bytes()];
    let quoted = |value: &&[u8]| [b"\"", *value, b"\",", *value, b"\n"].concat();
    let csv = [b"a,b\n".to_vec(), values.iter().map(quoted).collect::<Vec<_>>().concat()].concat();
    load_and_report(&csv, &["--invalid-utf8", "replace"], 0, |rows, report, _| {
        let replaced = values.map(|value| vec![text(&String::from_utf8_lossy(value)); 2]);
        assert_eq!(rows, replaced);
        assert_eq!(counts(&report), [6, 0, 0, 0, 5, 0]);
    });
    load_and_report(&csv, &["--on-error", "skip"], 3, |_, report, _| {
        assert_eq!(counts(&report), [1, 5, 0, 0, 0, 0]);
    });
}

#[test]
fn rejects_keep_their_invalid_utf8() {
    let dir = TestDir::new();
    dir.write("in.csv", b"a,b\n\xff,1\n\xff\xfe\n");
    let load =
        ["load", "in.csv", "out.db", "--invalid-utf8", "replace", "--on-error", "skip", "--rejects", "bad"];
    let stderr = dir.run(&load).expect_code(3).stderr;
    assert!(stderr.contains("line 3 (record 2, byte 8): rejected: 1 field, 2 expected"), "{stderr}");
    assert_eq!(dir.read("bad"), b"a,b\n\xff\xfe\n");
}

#[test]
fn a_nul_delimiter_is_not_counted_as_part_of_a_value() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\0b\n1\0\"\0\"\n");
    let report = Loader::new("t").delimiter(0).load(dir.path("in.csv"), dir.path("out.db")).unwrap();
    assert_eq!((report.loaded, report.repairs.nul_values), (1, 1));
}

#[test]
fn missing_fields_of_people_are_null() {
    let dir = TestDir::with_input("first_name,last_name,age\nAda\nAlan,Turing\n");
    dir.load(&["--ragged", "pad"]).expect_code(0);
    let rows = rows_of(&dir.database(), "SELECT first_name, last_name, age, email FROM people ORDER BY id");
    let ada = vec![text("Ada"), Value::Null, Value::Integer(0), Value::Null];
    let alan = vec![text("Alan"), text("TURING"), Value::Integer(0), text("Alan.Turing_0@somemail.com")];
    assert_eq!(rows, [ada, alan]);
}

/// Records of one to four fields, some of them invalid UTF-8.
fn csv_body() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        6 => "[a-zé]{0,8}".prop_map(String::into_bytes),
        2 => "\"([a-z,\n]|\"\"){0,8}\"".prop_map(String::into_bytes),
        1 => prop::collection::vec(prop_oneof![Just(0xff), Just(0xc3), Just(0xa9), Just(0xe2), Just(0)], 1..5),
    ];
    let record = prop::collection::vec(field, 1..5).prop_map(|fields| fields.join(&b','));
    prop::collection::vec(record, 0..60).prop_map(|records| records.join(&b'\n'))
}

/// The expected rows, and how many records are padded, cut and repaired, and how many values contain a NUL.
fn reference(body: &[u8], ragged: Ragged, invalid_utf8: InvalidUtf8) -> (Vec<Vec<Value>>, [u64; 4]) {
    let (mut rows, mut counts) = (Vec::new(), [0; 4]);
    for mut record in naive::records(body, Dialect::default()).0 {
        let width = record.len();
        let is_utf8 = record.iter().all(|value| std::str::from_utf8(value).is_ok());
        let fits = width == 3 || ragged == Ragged::Fit || ragged == Ragged::Pad && width < 3;
        if !fits || !is_utf8 && invalid_utf8 == InvalidUtf8::Reject {
            continue;
        }
        record.truncate(3);
        let is_repaired = [width < 3, width > 3, !is_utf8];
        counts.iter_mut().zip(is_repaired).for_each(|(count, is_repaired)| *count += u64::from(is_repaired));
        counts[3] += record.iter().filter(|value| value.contains(&0)).count() as u64;
        let mut row: Vec<_> = record.iter().map(|value| text(&String::from_utf8_lossy(value))).collect();
        row.resize(3, Value::Null);
        rows.push(row);
    }
    (rows, counts)
}

fn load(
    dir: &TestDir,
    ragged: Ragged,
    utf8: InvalidUtf8,
    setting: (WriterChoice, usize, usize),
) -> Option<Report> {
    let (writer, jobs, chunk_bytes) = setting;
    let loader = Loader::new("t").delimiter(b',').all_text(true).if_exists(IfExists::Replace);
    let loader = loader.ragged(ragged).invalid_utf8(utf8).on_error(OnError::Skip).writer(writer);
    let number = |number| NonZeroUsize::new(number).unwrap();
    let loader = loader.jobs(number(jobs)).chunk_bytes(number(chunk_bytes));
    match loader.load(dir.path("in.csv"), dir.path("out.db")) {
        Err(error) if matches!(error.kind(), Kind::NothingLoaded { .. }) => None,
        loaded => Some(loaded.unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_ragged_records_match_the_reference(body in csv_body()) {
        let dir = TestDir::new();
        dir.write("in.csv", [b"a,b,c\n", &body[..]].concat());
        let settings = [(WriterChoice::Direct, 1, 1), (WriterChoice::Statements, 2, 100), (WriterChoice::Direct, 8, 1 << 16)];
        for ragged in [Ragged::Reject, Ragged::Pad, Ragged::Fit] {
            for (utf8, setting) in [InvalidUtf8::Reject, InvalidUtf8::Replace].into_iter().flat_map(|utf8| settings.map(|setting| (utf8, setting))) {
                let (rows, counts) = reference(&body, ragged, utf8);
                let Some(report) = load(&dir, ragged, utf8, setting) else {
                    prop_assert!(rows.is_empty());
                    continue;
                };
                let repairs = report.repairs;
                prop_assert_eq!([repairs.padded, repairs.cut, repairs.utf8_replaced, repairs.nul_values], counts);
                let connection = dir.open("out.db");
                prop_assert_eq!(rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), rows);
                drop(connection);
                std::fs::remove_file(dir.path("out.db")).unwrap();
            }
        }
    }
}
