//! Records that are loaded although there is something about them: too short, too long, not UTF-8, with NUL bytes.

mod common;
mod naive;

use common::{Place, rows_of};
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::Value as Json;
use sqload::Loader;
use sqload::plan::{Dialect, HeaderColumns, InvalidUtf8, OnError, Plan, Ragged, Table, WriterChoice};
use sqload::report::Report;
use std::num::NonZeroUsize;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Loads `csv` with these options in both ways, and hands on the rows, the report and what was said.
fn each_way(csv: &[u8], options: &[&str], code: i32, check: impl Fn(Vec<Vec<Value>>, Json, &str)) {
    let place = Place::empty();
    place.write("in.csv", csv);
    for writer in ["direct", "statements"] {
        let load = ["load", "in.csv", "out.db", "-t", "t", "--report", "-", "--writer", writer];
        let outcome = place.run(&[&load[..], options].concat()).expect(code);
        let connection = Connection::open(place.path("out.db")).unwrap();
        let rows = rows_of(&connection, "SELECT * FROM t ORDER BY rowid");
        check(rows, serde_json::from_str(&outcome.stdout).unwrap(), &outcome.stderr);
        std::fs::remove_file(place.path("out.db")).unwrap();
    }
}

fn counts(report: &Json) -> [u64; 6] {
    ["loaded", "rejected", "padded", "cut", "utf8_replaced", "nul_values"]
        .map(|key| report[key].as_u64().unwrap())
}

#[test]
fn ragged_records_are_padded_or_made_to_fit() {
    let csv = b"n,a,b\n1,x,y\n2,z\n3\n4,v,w,too much\n\"5\",,\n";
    let row = |n: i64, a: Value, b: Value| vec![Value::Integer(n), a, b];
    let padded = [
        row(1, text("x"), text("y")),
        row(2, text("z"), Value::Null),
        row(3, Value::Null, Value::Null),
        row(5, text(""), text("")),
    ];
    each_way(csv, &["--ragged", "pad", "--on-error", "skip"], 3, |rows, report, said| {
        assert_eq!(rows, padded);
        assert_eq!(counts(&report), [4, 1, 2, 0, 0, 0]);
        assert!(said.contains("2 too short, padded with NULL\n") && said.contains("4 fields"), "{said}");
    });
    each_way(csv, &["--ragged", "fit"], 0, |rows, report, said| {
        let expected = [&padded[..3], &[row(4, text("v"), text("w"))], &padded[3..]].concat();
        assert_eq!(rows, expected);
        assert_eq!(counts(&report), [5, 0, 2, 1, 0, 0]);
        assert!(said.contains("2 too short, padded with NULL; 1 too long, cut off\n"), "{said}");
    });
    each_way(csv, &["--on-error", "skip"], 3, |rows, report, said| {
        assert_eq!(rows.len(), 2);
        assert_eq!(counts(&report), [2, 3, 0, 0, 0, 0]);
        assert!(!said.contains("padded"), "{said}");
    });
}

#[test]
fn a_missing_field_is_null_whatever_an_empty_one_is() {
    let csv = b"a,b,c\n,,\n-\n";
    let (empty, null) = (text(""), Value::Null);
    let options = ["--ragged", "pad", "--null", "-", "--rename", "b=x"];
    each_way(csv, &options, 0, |rows, _, _| {
        assert_eq!(
            rows,
            [[empty.clone(), empty.clone(), empty.clone()], [null.clone(), null.clone(), null.clone()]]
        );
    });
    each_way(csv, &[&options[..], &["--empty-null"]].concat(), 0, |rows, _, _| {
        assert_eq!(
            rows,
            [[null.clone(), null.clone(), null.clone()], [null.clone(), null.clone(), null.clone()]]
        );
    });
}

#[test]
fn only_what_is_loaded_is_counted() {
    let csv = b"n,a,b\n1,\xff\nx,\xff\ny,1,2,3\nz,\0,\xff\n4,\0,\"\0\"\n";
    let options =
        ["--ragged", "fit", "--invalid-utf8", "replace", "--type", "n=INTEGER", "--on-error", "skip"];
    each_way(csv, &options, 3, |rows, report, said| {
        let expected =
            [[Value::Integer(1), text("\u{fffd}"), Value::Null], [Value::Integer(4), text("\0"), text("\0")]];
        assert_eq!(rows, expected);
        assert_eq!(counts(&report), [2, 3, 1, 0, 1, 2]);
        let odd =
            "1 too short, padded with NULL; 1 not UTF-8, mended with U+FFFD; 2 values with a NUL byte\n";
        assert!(said.contains(odd), "{said}");
    });
}

#[test]
fn what_is_not_utf8_is_mended_as_the_standard_library_does_it() {
    let values: [&[u8]; 6] =
        [b"caf\xe9", b"\xf0\x9f\x98", b"\xed\xa0\x80x", b"\xc0\x80", b"\xff\xfe", "plain é".as_bytes()];
    let quoted = |value: &&[u8]| [b"\"", *value, b"\",", *value, b"\n"].concat();
    let csv = [b"a,b\n".to_vec(), values.iter().map(quoted).collect::<Vec<_>>().concat()].concat();
    each_way(&csv, &["--invalid-utf8", "replace"], 0, |rows, report, _| {
        let mended = values.map(|value| vec![text(&String::from_utf8_lossy(value)); 2]);
        assert_eq!(rows, mended);
        assert_eq!(counts(&report), [6, 0, 0, 0, 5, 0]);
    });
    each_way(&csv, &["--on-error", "skip"], 3, |_, report, _| {
        assert_eq!(counts(&report), [1, 5, 0, 0, 0, 0]);
    });
}

#[test]
fn rejects_are_as_they_were_read_where_others_are_mended() {
    let place = Place::empty();
    place.write("in.csv", b"a,b\n\xff,1\n\xff\xfe\n");
    let load =
        ["load", "in.csv", "out.db", "--invalid-utf8", "replace", "--on-error", "skip", "--rejects", "bad"];
    let said = place.run(&load).expect(3).stderr;
    assert!(said.contains("line 3 (record 2, byte 8): rejected: 1 fields where the header has 2"), "{said}");
    assert_eq!(place.read("bad"), b"a,b\n\xff\xfe\n");
}

#[test]
fn a_nul_that_is_the_quote_or_the_delimiter_is_not_in_a_value() {
    let place = Place::empty();
    place.write("in.csv", "a\0b\n1\0\"\0\"\n");
    let columns = Some(HeaderColumns::default());
    let mut plan = Plan { columns, ..Plan::new(Table::new("t", Vec::new())) };
    plan.dialect.delimiter = 0.into();
    let report = Loader::from(plan).load(place.path("in.csv"), place.path("out.db")).unwrap();
    assert_eq!((report.loaded, report.repairs.nul_values), (1, 1));
}

#[test]
fn people_that_are_cut_short_have_nulls() {
    let place = Place::with_input("first_name,last_name,age\nAda\nAlan,Turing\n");
    place.load(&["--ragged", "pad"]).expect(0);
    let rows = rows_of(&place.database(), "SELECT first_name, last_name, age, email FROM people ORDER BY id");
    let ada = vec![text("Ada"), Value::Null, Value::Integer(0), Value::Null];
    let alan = vec![text("Alan"), text("TURING"), Value::Integer(0), text("Alan.Turing_0@somemail.com")];
    assert_eq!(rows, [ada, alan]);
}

/// Records of one to four fields, some of them not UTF-8.
fn csv_body() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        6 => "[a-zé]{0,8}".prop_map(String::into_bytes),
        2 => "\"([a-z,\n]|\"\"){0,8}\"".prop_map(String::into_bytes),
        1 => prop::collection::vec(prop_oneof![Just(0xff), Just(0xc3), Just(0xa9), Just(0xe2), Just(0)], 1..5),
    ];
    let record = prop::collection::vec(field, 1..5).prop_map(|fields| fields.join(&b','));
    prop::collection::vec(record, 0..60).prop_map(|records| records.join(&b'\n'))
}

/// What a load must come to: the rows, and how many are padded, cut, mended and hold a NUL.
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
        let is_odd = [width < 3, width > 3, !is_utf8];
        counts.iter_mut().zip(is_odd).for_each(|(count, is_odd)| *count += u64::from(is_odd));
        counts[3] += record.iter().filter(|value| value.contains(&0)).count() as u64;
        let mut row: Vec<_> = record.iter().map(|value| text(&String::from_utf8_lossy(value))).collect();
        row.resize(3, Value::Null);
        rows.push(row);
    }
    (rows, counts)
}

fn load(place: &Place, ragged: Ragged, utf8: InvalidUtf8, way: (WriterChoice, usize, usize)) -> Report {
    let (writer, jobs, chunk_bytes) = way;
    let columns = Some(HeaderColumns { all_text: true, ..HeaderColumns::default() });
    let loader = Loader::from(Plan { columns, ..Plan::new(Table::new("t", Vec::new())) });
    let loader = loader.ragged(ragged).invalid_utf8(utf8).on_error(OnError::Skip).writer(writer);
    let number = |number| NonZeroUsize::new(number).unwrap();
    let loader = loader.jobs(number(jobs)).chunk_bytes(number(chunk_bytes));
    loader.load(place.path("in.csv"), place.path("out.db")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn odd_records_become_what_the_rules_say(body in csv_body()) {
        let place = Place::empty();
        place.write("in.csv", [b"a,b,c\n", &body[..]].concat());
        let ways = [(WriterChoice::Direct, 1, 1), (WriterChoice::Statements, 2, 100), (WriterChoice::Direct, 8, 1 << 16)];
        for ragged in [Ragged::Reject, Ragged::Pad, Ragged::Fit] {
            for (utf8, way) in [InvalidUtf8::Reject, InvalidUtf8::Replace].into_iter().flat_map(|utf8| ways.map(|way| (utf8, way))) {
                let (rows, counts) = reference(&body, ragged, utf8);
                let report = load(&place, ragged, utf8, way);
                let odd = report.repairs;
                prop_assert_eq!([odd.padded, odd.cut, odd.utf8_replaced, odd.nul_values], counts);
                let connection = Connection::open(place.path("out.db")).unwrap();
                prop_assert_eq!(rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), rows);
                drop(connection);
                std::fs::remove_file(place.path("out.db")).unwrap();
            }
        }
    }
}
