//! `load`: columns, types and values of inputs, compared with the csv crate and a naive form of the inference rules.

use crate::common::{TestDir, load_with_each_writer, rows_of, text};
use crate::number_formats::{format, real};
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;
use sqload::Loader;
use sqload::plan::{IfExists, OnError, WriterChoice};
use std::num::NonZeroUsize;
use std::path::Path;

/// The declared types and the rows according to the rules: a column is TEXT unless every value can be given back.
fn reference(csv: &[u8]) -> (Vec<&'static str>, Vec<Vec<Value>>) {
    let mut reader = csv::ReaderBuilder::new().from_reader(csv);
    let width = reader.headers().unwrap().len();
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    let integer = |text: &str| text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    let types: Vec<_> = (0..width)
        .map(|index| {
            let values = || records.iter().map(|record| &record[index]).filter(|text| !text.is_empty());
            match () {
                () if values().next().is_none() => "TEXT",
                () if values().all(|text| integer(text).is_some()) => "INTEGER",
                () if values().all(|text| real(text).is_some()) && format(values()).is_some() => "REAL",
                () => "TEXT",
            }
        })
        .collect();
    let value = |(field, column_type): (&str, &&str)| match *column_type {
        "TEXT" => text(field),
        _ if field.is_empty() => Value::Null,
        "INTEGER" => Value::Integer(integer(field).unwrap()),
        _ => Value::Real(real(field).unwrap()),
    };
    let rows = records.iter().map(|record| record.iter().zip(&types).map(value).collect()).collect();
    (types, rows)
}

/// Loads `csv` with these settings.
fn load(csv: &[u8], jobs: usize, chunk_bytes: usize, writer: WriterChoice, database: &Path) {
    let input = database.with_extension("csv");
    std::fs::write(&input, csv).unwrap();
    let _ = std::fs::remove_file(database);
    let size = |number: usize| NonZeroUsize::new(number).unwrap();
    let loader = Loader::new("t")
        .if_exists(IfExists::Replace)
        .on_error(OnError::Skip)
        .jobs(size(jobs))
        .chunk_bytes(size(chunk_bytes))
        .writer(writer);
    loader.verify(true).load(&input, database).unwrap();
}

fn check(csv: &[u8], settings: &[(usize, usize)]) {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("out.db");
    let (types, rows) = reference(csv);
    for (jobs, chunk_bytes) in settings {
        for writer in [WriterChoice::Direct, WriterChoice::Statements] {
            load(csv, *jobs, *chunk_bytes, writer, &database);
            let connection = Connection::open(&database).unwrap();
            let declared = rows_of(&connection, "SELECT type FROM pragma_table_info('t') ORDER BY cid");
            let expected: Vec<_> = types.iter().map(|name| vec![text(name)]).collect();
            assert_eq!(declared, expected, "{}", String::from_utf8_lossy(csv));
            let setting = format!("{jobs} jobs, chunks of {chunk_bytes}, {writer:?}");
            assert_eq!(rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), rows, "{setting}");
        }
    }
}

/// Fields of one of eight kinds: numbers, optional numbers, numbers with exceptions, empty fields, prices, anything.
fn field(kind: usize) -> BoxedStrategy<String> {
    let integer = || prop_oneof![any::<i64>().prop_map(|number| number.to_string()), "-?[1-9][0-9]{0,3}"];
    let real = || "-?(0|[1-9][0-9]{0,6})\\.([0-9]{0,16}[1-9]|0)([eE]-[0-9])?";
    let unusual = "(0[0-9]{1,3}|\\+1|1e5|-0|-0\\.0|\\.5|5\\.| 1|1_0|9223372036854775808|0\\.1234567890123456|nan|inf|0x1f)";
    let text = "[a-z\", \n]{0,6}";
    match kind {
        0 => integer().boxed(),
        1 => prop_oneof!["-?[1-9][0-9]{0,3}\\.[0-9]{0,4}[1-9]", "-?[1-9][0-9]{0,8}"].boxed(),
        2 => prop_oneof![3 => integer().boxed(), 1 => Just(String::new()).boxed()].boxed(),
        3 => prop_oneof![3 => real().boxed(), 1 => Just(String::new()).boxed()].boxed(),
        4 => prop_oneof![30 => integer().boxed(), 1 => unusual.boxed()].boxed(),
        5 => Just(String::new()).boxed(),
        6 => "-?(0|[1-9][0-9]{0,3})\\.[0-9][0-9]".boxed(),
        _ => prop_oneof![integer().boxed(), real().boxed(), unusual.boxed(), text.boxed()].boxed(),
    }
}

/// A CSV file whose columns have fields of one kind each.
fn csv_file() -> impl Strategy<Value = Vec<u8>> {
    let kinds = proptest::collection::vec(0..8_usize, 1..6);
    let table = kinds.prop_flat_map(|kinds| {
        let row: Vec<_> = kinds.iter().map(|kind| field(*kind)).collect();
        (Just(kinds.len()), proptest::collection::vec(row, 0..40))
    });
    table.prop_map(|(width, rows)| {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        writer.write_record((0..width).map(|index| format!("c{index}"))).unwrap();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        writer.into_inner().unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn inferred_types_and_values_match_the_reference(csv in csv_file()) {
        check(&csv, &[(1, 1), (2, 20), (8, 1 << 16)]);
    }
}

#[test]
fn a_late_value_changes_the_type() {
    // The last record contradicts the type inferred from the first chunks.
    for (last, note) in [("x", ""), ("1.5", ""), ("007", "a leading zero at line 5002: \"007\"")] {
        let csv = format!("a,b\n{}{last},1\n", "12,1\n".repeat(5_000));
        check(csv.as_bytes(), &[(1, 64), (2, 100)]);
        let dir = TestDir::new();
        dir.write("in.csv", &csv);
        let stderr = dir.run(&["load", "in.csv", "out.db"]).expect_code(0).stderr;
        assert!(stderr.contains(note) && stderr.contains("5 001 loaded"), "{stderr}");
    }
}

#[test]
fn an_initially_empty_column_gets_its_type_from_later_records() {
    let csv = format!("a,b,c\n{}1,2.5,\n", ",,\n".repeat(5_000));
    check(csv.as_bytes(), &[(2, 64)]);
}

#[test]
fn aborts_by_default_and_changes_nothing() {
    let dir = TestDir::new();
    dir.write("in.csv", "a,b\n1,2\n3\n");
    dir.run(&["load", "in.csv", "out.db"]).expect_code(1).assert_single_message(&[
        "line 3",
        "1 field,",
        "--on-error skip",
    ]);
    assert_eq!(dir.file_names(), ["in.csv"]);
    dir.run(&["load", "in.csv", "out.db", "--on-error", "skip"]).expect_code(3);
}

#[test]
fn several_inputs_load_into_one_table() {
    let dir = TestDir::new();
    dir.write("1.csv", "a,b\n1,x\n2,y\n");
    dir.write("2.csv", "b,a\nz,3\n");
    dir.write("3.csv", "a,b\n");
    dir.write("4.csv", "a,b\n4,\"w\n\"\n");
    for writer in ["direct", "statements"] {
        let inputs = ["load", "1.csv", "2.csv", "3.csv", "4.csv", "out.db", "-t", "t"];
        let options = ["--verify", "--replace", "--writer", writer, "--jobs", "3"];
        let stderr = dir.run(&[&inputs[..], &options].concat()).expect_code(0).stderr;
        assert!(stderr.contains("4 inputs -> out.db") && stderr.contains("4 loaded"), "{stderr}");
        let connection = dir.open("out.db");
        let rows = rows_of(&connection, "SELECT rowid, a, b FROM t ORDER BY rowid");
        let expected = [(1, "x"), (2, "y"), (3, "z"), (4, "w\n")];
        let row = |(a, b): (i64, &str)| vec![a.into(), a.into(), text(b)];
        assert_eq!(rows, expected.map(row));
        drop(connection);
        std::fs::remove_file(dir.path("out.db")).unwrap();
    }
}

#[test]
fn types_are_inferred_from_all_inputs() {
    let dir = TestDir::new();
    dir.write("1.csv", "a,b\n1,1\n");
    dir.write("2.csv", "a,b\n2,1.5\n");
    dir.write("3.csv", format!("a,b\n{}007,1\n", "1,1\n".repeat(500_000)));
    let stderr = dir.run(&["load", "1.csv", "2.csv", "3.csv", "out.db", "-t", "t"]).expect_code(0).stderr;
    assert!(stderr.contains("a: TEXT, a leading zero at line 500002 of 3.csv: \"007\""), "{stderr}");
    let connection = dir.open("out.db");
    let types = rows_of(&connection, "SELECT DISTINCT typeof(a), typeof(b) FROM t");
    assert_eq!(types, [["text", "real"].map(text)]);
}

#[test]
fn errors_name_the_input_of_the_record() {
    let dir = TestDir::new();
    dir.write("1.csv", "a,b\n1,x\n");
    dir.write("2.csv", "a,b\n2,y\n3\n");
    let load = ["load", "1.csv", "2.csv", "out.db"];
    dir.run(&load).expect_code(1).assert_single_message(&["2.csv: line 3 (record 2, byte 8)"]);
    let skip = ["--on-error", "skip", "--rejects", "bad.csv"];
    dir.run(&[&load[..], &skip].concat()).expect_code(3);
    assert_eq!(dir.read("bad.csv"), b"a,b\n3\n");
    dir.write("3.csv", "a,c\n1,2\n");
    let parts = ["3.csv: the columns differ from those of 1.csv", "it lacks b", "it also has c"];
    dir.run(&["load", "1.csv", "3.csv", "other.db"]).expect_code(1).assert_single_message(&parts);
    dir.run(&["load", "1.csv", "missing.csv", "other.db"])
        .expect_code(1)
        .assert_single_message(&["missing.csv"]);
}

#[test]
fn union_by_name_combines_the_columns_of_all_inputs() {
    let dir = TestDir::new();
    dir.write("1.csv", "id,Name\n1,a\n2,b\n");
    dir.write("2.csv", "extra,name,ID\n2.5,c,3\n,d,4\n");
    dir.write("3.csv", "id,other\n5,\"\"\n");
    for writer in ["direct", "statements"] {
        let inputs = ["load", "1.csv", "2.csv", "3.csv", "out.db", "-t", "t", "--replace", "--union-by-name"];
        let options: &[&str] = if writer == "direct" { &[] } else { &["--writer", writer] };
        dir.run(&[&inputs, options].concat()).expect_code(0);
        let connection = dir.open("out.db");
        let declared = rows_of(&connection, "SELECT name, type FROM pragma_table_info('t') ORDER BY cid");
        let expected = [("id", "INTEGER"), ("Name", "TEXT"), ("extra", "REAL"), ("other", "TEXT")];
        assert_eq!(declared, expected.map(|(name, column_type)| [text(name), text(column_type)]));
        let null = || Value::Null;
        let rows = [
            [1.into(), text("a"), null(), null()],
            [2.into(), text("b"), null(), null()],
            [3.into(), text("c"), 2.5.into(), null()],
            [4.into(), text("d"), null(), null()],
            [5.into(), null(), null(), text("")],
        ];
        assert_eq!(rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), rows, "{writer}");
    }
    // Names that differ only in case are equal, and need no union.
    dir.write("4.csv", "NAME,id\nd,6\n");
    dir.run(&["load", "1.csv", "4.csv", "case.db", "-t", "t"]).expect_code(0);
    let connection = dir.open("case.db");
    assert_eq!(rows_of(&connection, "SELECT sum(id), max(Name) FROM t"), [[9.into(), text("d")]]);
}

#[test]
fn keys_are_unique_across_inputs() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let inputs = ["1.csv", "2.csv", "3.csv"].map(path);
    for (number, input) in inputs.iter().enumerate() {
        let rows = format!("first_name,last_name,age\n{}", "a,b,1\n".repeat(1_000 + number));
        std::fs::write(input, rows).unwrap();
    }
    for writer in [WriterChoice::Direct, WriterChoice::Statements] {
        let loader = Loader::from(sqload::demo::people::table(sqload::plan::Expr::Uuid7)).writer(writer);
        let report = loader.verify(true).load_all(&inputs, path("out.db")).unwrap();
        assert_eq!((report.records, report.loaded), (3_003, 3_003));
        let connection = Connection::open(path("out.db")).unwrap();
        let sql = "SELECT count(*) FROM (SELECT id < lead(id) OVER (ORDER BY rowid) AS ascends FROM people) WHERE ascends";
        assert_eq!(rows_of(&connection, sql), [[Value::Integer(3_002)]]);
    }
}

#[test]
fn the_delimiter_is_detected_and_reported() {
    let dir = TestDir::new();
    for (name, delimiter) in [("semicolon", ';'), ("tab", '\t'), ("pipe", '|'), ("comma", ',')] {
        let row = |fields: [&str; 3]| format!("{}\n", fields.join(&delimiter.to_string()));
        dir.write("in.csv", row(["a", "b", "c"]) + &row(["1", "\"x,;|\ty\"", "2.5"]));
        let stderr = dir.run(&["load", "in.csv", "out.db", "-t", name]).expect_code(0).stderr;
        let escaped = delimiter.escape_default();
        assert!(stderr.contains(&format!("fields are separated by '{escaped}'")), "{stderr}");
        assert_eq!(stderr.contains("if that is wrong, use --delimiter"), delimiter != ',', "{stderr}");
        let connection = dir.open("out.db");
        let rows = rows_of(&connection, &format!("SELECT a, b, c FROM {name}"));
        assert_eq!(rows, [[Value::Integer(1), text("x,;|\ty"), Value::Real(2.5)]]);
    }
    // One column, unless the header may have another delimiter.
    let warned =
        "no delimiter was found in the first lines, so ',' is assumed; if that is wrong, use --delimiter";
    for (csv, is_warned) in
        [("größe_1\n1:2\n", false), ("\"id\"\r\n1", false), ("a:b\n1:2\n", true), ("a b\n", true)]
    {
        dir.write("in.csv", csv);
        let stderr = dir.run(&["load", "in.csv", "out.db", "--replace"]).expect_code(0).stderr;
        assert_eq!(stderr.contains(warned), is_warned, "{stderr}");
    }
    // Both give three fields.
    dir.write("in.csv", "a,b;c,d;e\n1,5;2,5;3\n");
    let stderr = dir.run(&["load", "in.csv", "out.db", "--replace"]).expect_code(0).stderr;
    let note = "separated by ',', but ';' would give all records the same number of fields, too; if that is wrong, use --delimiter";
    assert!(stderr.contains(note), "{stderr}");
    // A delimiter that is given is not detected.
    dir.write("in.csv", "a;b\n1;2\n");
    dir.run(&["load", "in.csv", "out.db", "--replace", "-d", ","]).expect_code(0);
    let connection = dir.open("out.db");
    assert_eq!(rows_of(&connection, "SELECT \"a;b\" FROM \"in\""), [[text("1;2")]]);
}

#[test]
fn skipped_lines_count_as_lines() {
    let dir = TestDir::new();
    for line_end in ["\n", "\r\n", "\r"] {
        let lines = ["a report; of \"things", "", "a;b", "1;2", "3"];
        let more = format!("1;2{line_end}").repeat(20);
        dir.write("in.csv", lines.map(|line| format!("{line}{line_end}")).concat() + &more);
        let load = ["load", "in.csv", "out.db", "--replace", "--skip-lines", "2"];
        dir.run(&load)
            .expect_code(1)
            .assert_single_message(&["line 5 (record 2, byte", "1 field, 2 expected"]);
        dir.run(&[&load[..], &["--on-error", "skip"]].concat()).expect_code(3);
        let connection = dir.open("out.db");
        assert_eq!(rows_of(&connection, "SELECT DISTINCT a, b FROM \"in\""), [[1, 2].map(Value::Integer)]);
    }
    let past_the_end = ["load", "in.csv", "other.db", "--skip-lines", "99"];
    dir.run(&past_the_end).expect_code(1).assert_single_message(&["empty"]);
}

#[test]
fn columns_are_numbered_without_a_header() {
    let dir = TestDir::new();
    dir.write("in.csv", "1,x\n2,y\n3\n");
    let load = ["load", "in.csv", "out.db", "--no-headers", "--on-error", "skip", "--rejects", "bad.csv"];
    dir.run(&load).expect_code(3);
    let connection = dir.open("out.db");
    let rows = rows_of(&connection, "SELECT column1, column2 FROM \"in\" ORDER BY rowid");
    assert_eq!(rows, [(1, "x"), (2, "y")].map(|(a, b)| vec![Value::Integer(a), text(b)]));
    assert_eq!(dir.read("bad.csv"), b"3\n");
}

#[test]
fn a_value_that_does_not_fit_the_given_type_is_rejected() {
    let csv = "id,price,hex\n1,1.5,00ff\n2,x,\n\"3\n\",2,zz\n4\n5,,0F\n6,7,123\n";
    let types = ["--type", "ID=integer", "--type", "price=REAL", "--type", "hex=BLOB"];
    let skip = ["--on-error", "skip", "--rejects", "bad.csv", "--jobs", "2"];
    load_with_each_writer(csv, &[&types[..], &skip].concat(), 3, |connection, dir| {
        let rows = rows_of(connection, "SELECT rowid, * FROM t ORDER BY rowid");
        let expected = [
            vec![1.into(), 1.into(), 1.5.into(), Value::Blob(vec![0, 255])],
            vec![2.into(), 5.into(), Value::Null, Value::Blob(vec![15])],
        ];
        assert_eq!(rows, expected);
        let rejects = "id,price,hex\n2,x,\n\"3\n\",2,zz\n4\n6,7,123\n";
        assert_eq!(String::from_utf8(dir.read("bad.csv")).unwrap(), rejects);
    });
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    let load = ["load", "in.csv", "out.db", "--type", "price=INTEGER"];
    dir.run(&load).expect_code(1).assert_single_message(&[
        "line 2 (record 1, byte 13)",
        "the value \"1.5\" of column \"price\" is not an INTEGER",
        "--type price=TEXT",
    ]);
    dir.run(&["load", "in.csv", "out.db", "--type", "prize=REAL"]).expect_code(1).assert_single_message(&[
        "--type",
        "\"prize\"",
        "id, price, hex",
    ]);
    dir.run(&["load", "in.csv", "out.db", "--type", "price=MONEY)"]).expect_code(2);
}

#[test]
fn options_define_which_fields_are_null() {
    let csv = "n,t\n1,\n,\"\"\nNA,NA\n-,x\n";
    let rows = |connection: &Connection| rows_of(connection, "SELECT n, t FROM t ORDER BY rowid");
    load_with_each_writer(csv, &["--null", "NA", "--null", "-"], 0, |connection, _| {
        let expected = [
            [1.into(), text("")],
            [Value::Null, text("")],
            [Value::Null, Value::Null],
            [Value::Null, text("x")],
        ];
        assert_eq!(rows(connection), expected);
    });
    load_with_each_writer(csv, &["--null", "NA", "--null", "-", "--empty-null"], 0, |connection, _| {
        let expected = [
            [1.into(), Value::Null],
            [Value::Null, text("")],
            [Value::Null, Value::Null],
            [Value::Null, text("x")],
        ];
        assert_eq!(rows(connection), expected);
    });
    load_with_each_writer(csv, &["--all-text"], 0, |connection, _| {
        let expected = [["1", ""], ["", ""], ["NA", "NA"], ["-", "x"]];
        assert_eq!(rows(connection), expected.map(|row| row.map(text)));
    });
}

/// The cases in docs/loading.md in which CSV readers disagree.
#[test]
fn ambiguous_csv_is_read_as_documented() {
    let cases: [(&str, &[&[&str]]); 8] = [
        ("a,b,c\r1,2,3\n4,5,6\r\n7,8,9", &[&["1", "2", "3"], &["4", "5", "6"], &["7", "8", "9"]]),
        ("a,b\n\n\r\n1,2\n\n", &[&["1", "2"]]),
        ("a,b,c\n1,2,", &[&["1", "2", ""]]),
        ("a\n\"a\"b\n", &[&["ab"]]),
        ("a\na\"b\n", &[&["a\"b"]]),
        ("a,b\n \"a\",x\n", &[&[" \"a\"", "x"]]),
        ("a,b\nx\0y,\0\n", &[&["x\0y", "\0"]]),
        ("\u{feff}a,b\n1,2\n", &[&["1", "2"]]),
    ];
    for (csv, expected) in cases {
        load_with_each_writer(csv, &["--all-text", "-d", ","], 0, |connection, _| {
            let rows = rows_of(connection, "SELECT * FROM t ORDER BY rowid");
            let expected: Vec<Vec<_>> =
                expected.iter().map(|row| row.iter().map(|field| text(field)).collect()).collect();
            assert_eq!(rows, expected, "{csv:?}");
            let names = rows_of(connection, "SELECT name FROM pragma_table_info('t') WHERE cid = 0");
            assert_eq!(names, [[text("a")]]);
        });
    }
    let dir = TestDir::new();
    dir.write("in.csv", "a,b\n1,2\n3,\"4\n5,6\n");
    dir.run(&["load", "in.csv", "out.db"])
        .expect_code(1)
        .assert_single_message(&["line 3 (record 2, byte 10)", "quote"]);
}

#[test]
fn file_column_stores_the_input_of_each_row() {
    let dir = TestDir::new();
    dir.write("1.csv", "a\n1\n2\n");
    dir.write("2.csv", "a\n3\n");
    dir.run(&["load", "1.csv", "2.csv", "out.db", "-t", "t", "--file-column", "from", "--index", "from"])
        .expect_code(0);
    let connection = dir.open("out.db");
    let rows = rows_of(&connection, "SELECT a, \"from\" FROM t ORDER BY rowid");
    assert_eq!(rows, [(1, "1.csv"), (2, "1.csv"), (3, "2.csv")].map(|(a, from)| vec![a.into(), text(from)]));
}

#[test]
fn limit_counts_the_records_read() {
    let dir = TestDir::new();
    let many = (1..=30_000).fold("a,b\n".to_owned(), |csv, row| csv + &format!("{row},\"x\n\"\n\n"));
    dir.write("1.csv", &many);
    dir.write("2.csv", "a,b\n-1,y\n-2,y\n");
    for (limit, loaded, sum) in [
        (0, 0, None),
        (1, 1, Some(1)),
        (20_000, 20_000, Some(200_010_000)),
        (30_001, 30_001, Some(450_014_999)),
        (99_999, 30_002, Some(450_014_997)),
    ] {
        let load = [
            "load",
            "1.csv",
            "2.csv",
            "out.db",
            "-t",
            "t",
            "--type",
            "a=INTEGER",
            "--verify",
            "--replace",
            "--limit",
        ];
        let stderr = dir.run(&[&load[..], &[&limit.to_string()]].concat()).expect_code(0).stderr;
        let connection = dir.open("out.db");
        let rows = rows_of(&connection, "SELECT count(*), sum(a) FROM t");
        assert_eq!(rows, [[Value::Integer(loaded), sum.map_or(Value::Null, Value::Integer)]], "{stderr}");
    }
}

#[test]
fn reasons_are_kept_next_to_the_rejects() {
    let dir = TestDir::new();
    dir.write("in.csv", b"a,b\n1,\"x\n\"\n2\ny,z\n3,\xff\n");
    let load =
        ["load", "in.csv", "out.db", "--type", "a=INTEGER", "--on-error", "skip", "--rejects", "bad.csv"];
    dir.run(&load).expect_code(3);
    assert_eq!(dir.read("bad.csv"), b"a,b\n2\ny,z\n3,\xff\n");
    let reasons = dir.reasons("bad.csv");
    let expected = [
        (2, 4, 11, "field_count", None),
        (3, 5, 13, "not_of_type", Some("a")),
        (4, 6, 17, "invalid_utf8", Some("b")),
    ];
    assert_eq!(reasons.len(), expected.len());
    for (reason, (record, line, offset, kind, column)) in reasons.iter().zip(expected) {
        assert_eq!((&reason["input"], &reason["kind"]), (&"in.csv".into(), &kind.into()));
        assert_eq!((&reason["record"], &reason["line"]), (&record.into(), &line.into()));
        assert_eq!((&reason["offset"], &reason["column"]), (&offset.into(), &column.into()));
        assert!(reason["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    dir.run(&["load", "in.csv", "out.db", "--rejects", "r", "--report", "r.reasons.jsonl"]).expect_code(2);
}

#[test]
fn the_note_on_a_text_column_counts_lines_per_input() {
    let dir = TestDir::new();
    // More records than the sample that types are inferred from.
    dir.write("1.csv", format!("a,b\n{}", "1,1\n".repeat(500_000)));
    dir.write("2.csv", "a,b\n1,1\n1,+1\n007,1\n");
    let stderr = dir.run(&["load", "1.csv", "2.csv", "out.db"]).expect_code(0).stderr;
    assert!(stderr.contains("a: TEXT, a leading zero at line 4 of 2.csv: \"007\""), "{stderr}");
    assert!(stderr.contains("b: TEXT, a plus sign at line 3 of 2.csv: \"+1\""), "{stderr}");
}
