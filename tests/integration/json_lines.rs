//! JSON Lines as inputs.

use crate::common::{TestDir, query, rows_of};
use rusqlite::types::Value::{self, Integer, Null, Real, Text};
use std::time::{Duration, Instant};

fn text(text: &str) -> Value {
    Text(text.to_owned())
}

/// Loads `lines` into the table `t`.
#[track_caller]
fn load(lines: &str, options: &[&str]) -> TestDir {
    let dir = TestDir::new();
    dir.write("t.jsonl", lines);
    dir.run(&[&["load", "t.jsonl", "x.db"], options].concat()).expect_code(0);
    dir
}

fn rows(dir: &TestDir) -> Vec<Vec<Value>> {
    rows_of(&dir.open("x.db"), "SELECT * FROM t")
}

#[test]
fn members_are_columns_with_the_types_of_their_values() {
    let lines = r#"{"id": 1, "price": 1.5, "code": "007", "ok": true, "tags": ["a", {"b": null}], "note": null}
{"id": 2, "price": 2, "code": "42", "ok": false, "tags": [], "note": "Zo\u00eb \"x\"\n"}

{"price": -0.25, "id": 3, "extra": {"a": 1.50}}
"#;
    let dir = load(lines, &[]);
    let sql = query(&dir.open("x.db"), "SELECT sql FROM sqlite_schema");
    assert_eq!(
        sql,
        "CREATE TABLE \"t\" (\"id\" INTEGER, \"price\" REAL, \"code\" TEXT, \"ok\" INTEGER, \"tags\" TEXT, \"note\" TEXT, \"extra\" TEXT)"
    );
    let first = [Integer(1), Real(1.5), text("007"), Integer(1), text("[\"a\", {\"b\": null}]"), Null, Null];
    let second = [Integer(2), Real(2.0), text("42"), Integer(0), text("[]"), text("Zo\u{eb} \"x\"\n"), Null];
    let third = [Integer(3), Real(-0.25), Null, Null, Null, Null, text("{\"a\": 1.50}")];
    assert_eq!(rows(&dir), [first, second, third]);
}

#[test]
fn a_string_that_looks_like_a_number_makes_a_column_text_wherever_it_is() {
    for lines in [2, 10_000] {
        let numbers: String = (0..lines).map(|n| format!("{{\"a\":{n}}}\n")).collect();
        let dir = load(&format!("{numbers}{{\"a\":\"42\"}}\n"), &[]);
        let last = rows(&dir).pop().unwrap();
        assert_eq!(last, [text("42")]);
        assert_eq!(rows(&dir)[1], [text("1")]);
        let dir = load(&format!("{numbers}{{\"a\":\"42\"}}\n"), &["--type", "a=INTEGER"]);
        assert_eq!(rows(&dir).pop().unwrap(), [Integer(42)]);
    }
}

#[test]
fn numbers_that_would_change_are_text() {
    let dir = load("{\"a\":1.50,\"b\":9223372036854775808}\n{\"a\":1e5,\"b\":1}\n", &[]);
    assert_eq!(rows(&dir), [[text("1.50"), text("9223372036854775808")], [text("1e5"), text("1")]]);
}

#[test]
fn one_line_is_enough() {
    let dir = load("\u{feff}{\"a\":1}", &[]);
    assert_eq!(rows(&dir), [[Integer(1)]]);
}

#[test]
fn a_member_that_appears_late_is_an_error_with_its_line() {
    let first: String = (0..100_000).map(|n| format!("{{\"a\":{n}}}\n")).collect();
    let dir = TestDir::new();
    dir.write("t.jsonl", format!("{first}{{\"a\":1,\"late\":2}}\n"));
    let outcome = dir.run(&["load", "t.jsonl", "x.db"]).expect_code(1);
    outcome.assert_single_message(&[
        "t.jsonl: line 100001 (record 100001, byte 1188890): the member \"late\" is not a column",
        "name all columns with --names",
    ]);
    dir.run(&["load", "t.jsonl", "x.db", "--names", "a,late"]).expect_code(0);
    assert_eq!(rows(&dir).pop().unwrap(), [Integer(1), Integer(2)]);
}

#[test]
fn lines_that_are_no_objects_are_rejected_unchanged() {
    let dir = TestDir::new();
    dir.write("t.jsonl", "{\"a\":1}\n{\"a\":2\n[3]\n{\"a\":4,\"a\":5}\n{\"a\":\"\\ud800\"}\n{\"a\":6}\n");
    dir.run(&["load", "t.jsonl", "x.db"])
        .expect_code(1)
        .assert_single_message(&["t.jsonl: line 2", "not a JSON object"]);
    let skip = ["load", "t.jsonl", "x.db", "--on-error", "skip", "--rejects", "bad.jsonl"];
    dir.run(&skip).expect_code(3);
    assert_eq!(rows(&dir), [[Integer(1)], [Integer(6)]]);
    let rejects = "{\"a\":2\n[3]\n{\"a\":4,\"a\":5}\n{\"a\":\"\\ud800\"}\n";
    assert_eq!(String::from_utf8(dir.read("bad.jsonl")).unwrap(), rejects);
    assert_eq!(dir.reasons("bad.jsonl").len(), 4);
    // A whole pair, and a backslash before `ud800`.
    let dir = load("{\"a\":\"\\ud83d\\ude00 \\\\ud800\"}\n", &[]);
    assert_eq!(rows(&dir), [[text("\u{1f600} \\ud800")]]);
}

/// They once took time in proportion to the square of their number in a chunk: 25 s here.
#[test]
fn many_bad_lines_take_little_time() {
    let dir = TestDir::new();
    let bad = "{x}\n".repeat(100_000);
    dir.write("t.jsonl", format!("{{\"a\":1}}\n{{\"a\":2}}\n{bad}"));
    let started = Instant::now();
    dir.run(&["load", "t.jsonl", "x.db", "--on-error", "skip", "--rejects", "bad.jsonl"]).expect_code(3);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(rows(&dir), [[Integer(1)], [Integer(2)]]);
    assert_eq!(String::from_utf8(dir.read("bad.jsonl")).unwrap(), bad);
    let lines = dir.reasons("bad.jsonl").into_iter().map(|reason| reason["line"].as_u64().unwrap());
    assert!(lines.eq(3..100_003));
}

#[test]
fn options_for_columns_and_sql_apply() {
    let lines = "{\"id\":1,\"name\":\"a\",\"n\":\"NA\"}\n{\"id\":2,\"name\":\"\",\"n\":\"5\"}\n{\"id\":3,\"name\":\"c\",\"n\":\"7\"}\n";
    let dir = load(lines, &["--pk", "id", "--null", "NA", "--empty-null", "--type", "n=INTEGER"]);
    let expected =
        [[Integer(1), text("a"), Null], [Integer(2), Null, Integer(5)], [Integer(3), text("c"), Integer(7)]];
    assert_eq!(rows(&dir), expected);
    let select = "id * 2 AS double, upper(name) AS name, line_number() AS line";
    let dir = load(lines, &["--select", select, "--where", "id > 1"]);
    assert_eq!(rows(&dir), [[Integer(4), text(""), Integer(2)], [Integer(6), text("C"), Integer(3)]]);
    let dir = TestDir::new();
    dir.write("a.jsonl", "{\"x\":1}\n");
    dir.write("b.jsonl", "{\"y\":2,\"x\":3}\n");
    dir.run(&["load", "a.jsonl", "b.jsonl", "x.db", "-t", "t", "--union-by-name"]).expect_code(0);
    assert_eq!(rows(&dir), [[Integer(1), Null], [Integer(3), Integer(2)]]);
    dir.run(&["load", "a.jsonl", "y.db", "--skip-lines", "1"])
        .expect_code(2)
        .assert_single_message(&["a.jsonl is not CSV"]);
}

#[test]
fn other_json_is_refused_as_before() {
    let dir = TestDir::new();
    dir.write("t.json", "{\n  \"a\": 1\n}\n");
    dir.run(&["load", "t.json", "x.db"]).expect_code(1).assert_single_message(&["t.json is a JSON document"]);
}
