//! Types inferred from the first chunks of an input that later records contradict, and which of those need a second load.

use crate::common::{TestDir, rows_of, text};
use rusqlite::types::Value;

/// A field so long that [`MANY`] records exceed the sample that types are inferred from.
const LONG: &str = "a field that only takes room so that few records fill many chunks";
const MANY: usize = 20_000;

/// The schema, and the rows with their types.
fn content(dir: &TestDir) -> Vec<Vec<Value>> {
    let connection = dir.open("out.db");
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut content = rows_of(&connection, "SELECT name, sql FROM sqlite_schema ORDER BY name");
    content.extend(rows_of(&connection, "SELECT DISTINCT a, typeof(a) FROM t ORDER BY rowid"));
    content.extend(rows_of(&connection, "SELECT a FROM t ORDER BY a"));
    content
}

/// Loads `inputs` with `writer`. Returns the content, and whether the load started over.
fn load(dir: &TestDir, inputs: &[&str], writer: &str, options: &[&str]) -> (Vec<Vec<Value>>, bool) {
    let _ = std::fs::remove_file(dir.path("out.db"));
    let rest = ["out.db", "-t", "t", "--writer", writer, "-v"];
    let arguments = [&["load"], inputs, &rest, options].concat();
    let stderr = dir.run(&arguments).expect_code(0).stderr;
    (content(dir), stderr.contains("starting the load again"))
}

#[test]
fn an_integer_column_becomes_real_without_a_second_load() {
    let integers = |count: usize| (0..count).map(|number| format!("{number},{LONG}\n")).collect::<String>();
    let dir = TestDir::new();
    // A REAL column stores the last value as an INTEGER of eight bytes.
    dir.write("in.csv", format!("a,b\n{}0.5,x\n-2.5,y\n999999999999999,z\n", integers(MANY)));
    for writer in ["direct", "statements"] {
        let cases: [&[&str]; 3] =
            [&[], &["--index", "a", "--not-null", "a"], &["--unique", "a", "--index", "b,a"]];
        for options in cases {
            let (inferred, is_reloaded) = load(&dir, &["in.csv"], writer, options);
            assert!(!is_reloaded, "{writer} {options:?}");
            let (given, _) = load(&dir, &["in.csv"], writer, &[options, &["--type", "a=REAL"]].concat());
            assert!(inferred == given, "{writer} {options:?}");
            assert!(inferred.contains(&vec![Value::Real(-2.5), text("real")]));
        }
        // A table whose declaration cannot be changed is loaded again.
        for options in [["--pk", "a"].as_slice(), &["--strict"]] {
            if writer == "direct" && options == ["--strict"] {
                continue;
            }
            let (inferred, is_reloaded) = load(&dir, &["in.csv"], writer, options);
            assert!(is_reloaded, "{writer} {options:?}");
            let (given, _) = load(&dir, &["in.csv"], writer, &[options, &["--type", "a=REAL"]].concat());
            assert!(inferred == given, "{writer} {options:?}");
        }
    }
}

#[test]
fn the_report_declares_a_late_real_column_as_real() {
    let dir = TestDir::new();
    dir.write("in.csv", format!("a,b,c\n{}0.5,1,\n", format!("1,1,{LONG}\n").repeat(MANY)));
    let select = ["--select", "a, b, a AS d", "--report", "-"];
    let load = [&["load", "in.csv", "out.db", "-t", "t"], &select[..]].concat();
    let report = dir.run(&load).expect_code(0).report();
    let declared = |index: usize| report["columns"][index]["declaration"].as_str().unwrap().to_owned();
    assert_eq!([declared(0), declared(1), declared(2)], ["REAL", "INTEGER", "REAL"]);
    let connection = dir.open("out.db");
    let types = rows_of(&connection, "SELECT DISTINCT typeof(a), typeof(b), typeof(d) FROM t");
    assert_eq!(types, [["real", "integer", "real"].map(text)]);
}

#[test]
fn integers_with_too_many_digits_for_a_real_become_text() {
    let dir = TestDir::new();
    dir.write("1.csv", "a,b\n9007199254740993,\n");
    dir.write("2.csv", format!("a,b\n{}0.5,\n", format!("1,{LONG}\n").repeat(MANY)));
    dir.write("3.csv", "a,b\n-9007199254740993,\n");
    for inputs in [["1.csv", "2.csv"], ["2.csv", "3.csv"]] {
        for writer in ["direct", "statements"] {
            let (content, _) = load(&dir, &inputs, writer, &[]);
            let sign = if inputs[0] == "1.csv" { "" } else { "-" };
            let long = format!("{sign}9007199254740993");
            assert!(content.contains(&vec![text(&long), text("text")]), "{inputs:?} {writer}");
            assert!(content.contains(&vec![text("0.5"), text("text")]), "{inputs:?} {writer}");
        }
    }
}

#[test]
fn an_initially_empty_column_is_reloaded_only_for_numbers() {
    let dir = TestDir::new();
    let cases = [("", false, "TEXT"), ("x", false, "TEXT"), ("7", true, "INTEGER"), ("007", true, "TEXT")];
    for (last, expects_reload, declared) in cases {
        dir.write("in.csv", format!("a,b,c\n{}{last},1,\n", format!(",1,{LONG}\n").repeat(MANY)));
        for writer in ["direct", "statements"] {
            let (content, is_reloaded) = load(&dir, &["in.csv"], writer, &[]);
            assert_eq!(is_reloaded, expects_reload, "{last:?} {writer}");
            let sql = format!("CREATE TABLE \"t\" (\"a\" {declared}, \"b\" INTEGER, \"c\" TEXT)");
            assert!(content.contains(&vec![text("t"), Value::Text(sql)]), "{last:?} {writer}");
        }
    }
}
