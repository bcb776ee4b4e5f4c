//! Inputs in unusual dialects: loads compared with a naive parser.

use crate::common::{TestDir, load_with_each_writer, rows_of, text};
use crate::naive;
use proptest::prelude::*;
use rusqlite::types::Value;
use sqload::plan::{CommentPrefix, Delimiter, Dialect, Escapes, IfExists, OnError, Plan, WriterChoice};
use sqload::{Kind, Loader};
use std::num::NonZeroUsize;

/// Asserts that both writers load `csv` as `expected`: the column names, then the rows, all of type TEXT.
#[track_caller]
fn assert_loads_as(csv: &str, options: &[&str], expected: &[&[&str]]) {
    load_with_each_writer(csv, &[&["--all-text"], options].concat(), 0, |connection, _| {
        let names = rows_of(connection, "SELECT name FROM pragma_table_info('t') ORDER BY cid");
        let mut found = vec![names.concat()];
        found.extend(rows_of(connection, "SELECT * FROM t ORDER BY rowid"));
        let expected: Vec<Vec<_>> =
            expected.iter().map(|row| row.iter().map(|value| text(value)).collect()).collect();
        assert_eq!(found, expected, "{csv:?} {options:?}");
    });
}

#[test]
fn a_delimiter_may_have_several_bytes() {
    let names: &[&str] = &["a", "b"];
    assert_loads_as("a, b\n1, \"x, y\"\n2,3, 4\n", &["-d", ", "], &[names, &["1", "x, y"], &["2,3", "4"]]);
    assert_loads_as(
        "a||b\n|x|||\n\"y||\"\"\"||\"z\"\n",
        &["-d", "||"],
        &[names, &["|x", "|"], &["y||\"", "z"]],
    );
    assert_loads_as("a§b\n1§\"§\"\n", &["-d", "§"], &[names, &["1", "§"]]);
    assert_loads_as("a\tb\n1\t2\n", &["-d", "tab"], &[names, &["1", "2"]]);
    assert_loads_as("a\tb\n1\t2\n", &["-d", "\\t"], &[names, &["1", "2"]]);
    assert_loads_as("a12345678b\n112345678\n", &["-d", "12345678"], &[names, &["1", ""]]);
}

#[test]
fn an_escape_applies_only_inside_quotes() {
    let csv = "a,b\n\"5\\\" pipe\",\"c:\\\\d\"\n\"x\"\"\\,\",\\\"\n\"\\n\",\"y\"\\z\n";
    let rows: &[&[&str]] = &[&["a", "b"], &["5\" pipe", "c:\\d"], &["x\",", "\\\""], &["n", "y\\z"]];
    assert_loads_as(csv, &["--escape", "\\"], rows);
}

#[test]
fn comments_count_as_lines_but_not_as_records() {
    let csv = "# made \"by hand\na,b\n#1,2\r\n1,#2\n \n#\n\"#\",4\n#the end";
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    let load = ["load", "in.csv", "out.db", "-t", "t", "--comment", "#"];
    dir.run(&load).expect_code(1).assert_single_message(&["line 5 (record 2, byte 31)", "1 field,"]);
    assert_loads_as(
        &csv.replace(" \n", "\n"),
        &["--comment", "#"],
        &[&["a", "b"], &["1", "#2"], &["#", "4"]],
    );
    // A CR ends a comment.
    assert_loads_as("a\r#x\ry\r", &["--comment", "#"], &[&["a"], &["y"]]);
}

#[test]
fn trim_removes_blanks_around_fields() {
    let csv = " a ,\"b \"\t, c\n 1\t, \"x, \"\"y\" ,\n  ,\" 2 \",\"z\" w \n";
    let names: &[&str] = &["a", "b ", "c"];
    assert_loads_as(csv, &["--trim", "-d", ","], &[names, &["1", "x, \"y", ""], &["", " 2 ", "z w"]]);
    assert_loads_as("a | b\n 1 |\" 2\"\n", &["--trim", "-d", "|"], &[&["a", "b"], &["1", " 2"]]);
    // Trimmed numbers are numbers.
    let dir = TestDir::new();
    dir.write("in.csv", "a, b\n1 , 2.5\n 3,\" 4\"\n");
    dir.run(&["load", "in.csv", "out.db", "-t", "t", "--trim"]).expect_code(0);
    let connection = dir.open("out.db");
    let rows = rows_of(&connection, "SELECT a, b FROM t");
    assert_eq!(rows, [[Value::Integer(1), text("2.5")], [Value::Integer(3), text(" 4")]]);
}

#[test]
fn a_header_may_span_several_rows() {
    let csv = "sales,,2024;q1\n north , south,\"\"\n\"n,1\",n2\n1,2,3\n";
    let names: &[&str] = &["sales  north  n,1", "sales  south n2", "2024;q1"];
    assert_loads_as(csv, &["--header-rows", "3"], &[names, &["1", "2", "3"]]);
    let names: &[&str] = &["sales north n,1", "sales south n2", "2024;q1"];
    assert_loads_as(csv, &["--header-rows", "3", "--trim"], &[names, &["1", "2", "3"]]);
    assert_loads_as("x\na;b\n1;2\n", &["--header-rows", "2"], &[&["x a", "b"], &["1", "2"]]);
    assert_loads_as("1,2\n", &["--header-rows", "0"], &[&["column1", "column2"], &["1", "2"]]);
    let dir = TestDir::new();
    dir.write("in.csv", "a\nb\n");
    let load = ["load", "in.csv", "out.db", "--header-rows"];
    dir.run(&[&load[..], &["3"]].concat()).expect_code(1).assert_single_message(&[
        "in.csv",
        "3 records",
        "--header-rows",
    ]);
    dir.run(&[&load[..], &["1", "--no-headers"]].concat()).expect_code(2);
}

#[test]
fn rejects_load_with_the_options_of_their_input() {
    let cases: [(&str, &[&str], &str); 4] = [
        ("a\n# b\n\n\"c\"\n1,2\n3\n", &["--header-rows", "2", "--comment", "#"], "a\n# b\n\n\"c\"\n1,2\n"),
        ("\u{feff}two\r\nlines\r\na\r\n1,2\r\n3\r\n", &["--skip-lines", "2"], "two\r\nlines\r\na\n1,2\n"),
        ("line\r\n1\r\n2,3\r\n", &["--skip-lines", "1", "--no-headers"], "line\n2,3\n"),
        ("1\n2,3\n", &["--no-headers"], "2,3\n"),
    ];
    for (csv, options, rejects) in cases {
        let dir = TestDir::new();
        dir.write("in.csv", csv);
        let options = [options, &["-d", ",", "-t", "t"]].concat();
        let skip = ["load", "in.csv", "out.db", "--on-error", "skip", "--rejects", "bad.csv"];
        dir.run(&[&skip, &options[..]].concat()).expect_code(3);
        assert_eq!(String::from_utf8(dir.read("bad.csv")).unwrap(), rejects);
        dir.write("fixed.csv", rejects.replace(",", ""));
        dir.run(&[&["load", "fixed.csv", "out.db", "--append"], &options[..]].concat()).expect_code(0);
        let connection = dir.open("out.db");
        assert_eq!(rows_of(&connection, "SELECT count(*) FROM t"), [[Value::Integer(2)]]);
    }
}

#[test]
fn contradictory_dialects_are_usage_errors() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\n1\n");
    let cases: [(&[&str], &str); 6] = [
        (&["--escape", "\""], "must differ"),
        (&["--comment", ",", "-d", ","], "must differ"),
        (&["-d", ", \""], "must differ"),
        (&["-d", "a\nb"], "line end"),
        (&["--trim", "--quote", " "], "trimmed"),
        (&["-d", "123456789"], "1 to 8 bytes"),
    ];
    for (options, message) in cases {
        let outcome = dir.run(&[&["load", "in.csv", "out.db"], options].concat()).expect_code(2);
        assert!(outcome.stderr.contains(message), "{options:?}: {}", outcome.stderr);
    }
    assert_eq!(dir.file_names(), ["in.csv"]);
}

/// Two records of five fields and one were taken for two of three.
#[test]
fn a_cr_after_blanks_ends_no_record_of_mysql() {
    let dir = TestDir::new();
    dir.write("in.csv", "a b c\n1 2 3\na b c \r d\ne\n");
    let load =
        ["load", "in.csv", "out.db", "-t", "t", "--format", "mysql", "-d", "blanks", "--header-rows", "1"];
    dir.run(&[&load[..], &["--on-error", "skip"]].concat()).expect_code(3);
    assert_eq!(rows_of(&dir.open("out.db"), "SELECT * FROM t"), [[1, 2, 3].map(Value::Integer)]);
}

/// A dialect, and a text of characters that are special in it.
fn dialect_and_csv() -> impl Strategy<Value = (Dialect, String)> {
    let delimiters = prop::sample::select(vec![",", ", ", "||", "§", "::", "\t", "blanks"]);
    let byte = |byte| prop::option::of(Just(byte));
    let escapes = prop::sample::select(vec![Escapes::Quoted, Escapes::MySql, Escapes::Postgres]);
    let comment = prop::sample::select(vec![None, CommentPrefix::new(b"#"), CommentPrefix::new(b"##")]);
    (delimiters, byte(b'"'), byte(b'\\'), escapes, comment, any::<bool>()).prop_flat_map(
        |(delimiter, quote, escape, escapes, comment, trim)| {
            let (delimiter, delimiter_text) = match delimiter {
                "blanks" => (Delimiter::BLANKS, " "),
                text => (Delimiter::new(text.as_bytes()).unwrap(), text),
            };
            let dialect = Dialect { delimiter, quote, escape, escapes, comment, trim };
            let field = prop_oneof![
                8 => "[a-c|,:#\\\\ é]{0,6}",
                1 => "[a-c\"]{0,3}",
                2 => "\"[a-c|,:#§ \n\r]{0,20}(\\\\\"|\"\"|)[a-c]{0,3}\"",
                1 => "[ \t]\"[a-c,]{0,4}\"[ \t]?[x]?",
                1 => "[a-c]{60,70}",
            ];
            let record =
                prop::collection::vec(field, 2..4).prop_map(move |fields| fields.join(delimiter_text));
            let line = prop_oneof![10 => record, 1 => Just(String::new()), 1 => "##?[a-c\"]{0,80}", 2 => Just("\\.".to_owned())];
            let end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
            let lines = prop::collection::vec((line, end), 0..60);
            let csv = lines.prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect());
            (Just(dialect), csv)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn random_dialects_load_the_records_of_the_naive_parser((dialect, body) in dialect_and_csv()) {
        let delimiter = String::from_utf8_lossy(dialect.delimiter.as_bytes()).into_owned();
        let csv = format!("n1{delimiter}n2{delimiter}n3\n{body}");
        let (records, open) = naive::data_records(csv.as_bytes(), dialect);
        // The record with a quote that is never closed is rejected.
        let closed = records.len() - usize::from(open.is_some());
        let expected: Vec<Vec<Value>> = records[1..closed]
            .iter()
            .filter(|record| record.len() == 3)
            .map(|record| record.iter().map(|value| text(&String::from_utf8_lossy(value))).collect())
            .collect();
        let dir = TestDir::new();
        dir.write("in.csv", &csv);
        for (writer, jobs, chunk_bytes) in
            [(WriterChoice::Direct, 1, 1), (WriterChoice::Statements, 2, 100), (WriterChoice::Direct, 8, 1 << 16)]
        {
            let mut plan = Plan::with_header_columns("t");
            plan.dialect = dialect;
            let loader = Loader::from(plan)
                .detect_delimiter(false)
                .if_exists(IfExists::Replace)
                .all_text(true)
                .writer(writer)
                .on_error(OnError::Skip)
                .jobs(NonZeroUsize::new(jobs).unwrap())
                .chunk_bytes(NonZeroUsize::new(chunk_bytes).unwrap());
            match loader.load(dir.path("in.csv"), dir.path("out.db")) {
                Ok(report) => {
                    prop_assert_eq!(report.records as usize, records.len() - 1);
                    let connection = dir.open("out.db");
                    prop_assert_eq!(&rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), &expected);
                    drop(connection);
                    std::fs::remove_file(dir.path("out.db")).unwrap();
                }
                Err(error) => {
                    prop_assert!(matches!(error.kind(), Kind::NothingLoaded { .. }), "{}", error);
                    prop_assert!(expected.is_empty());
                }
            }
        }
    }
}
