//! The library interface: loads compared with the csv crate and plain rusqlite, for any chunk size and any number of jobs.

use crate::common::rows_of;
use proptest::prelude::*;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use sqload::plan::{Column, Escapes, Expr, IfExists, OnError, Plan, Table, WriterChoice};
use sqload::{Kind, Loader, demo::people};
use std::num::NonZeroUsize;
use std::path::Path;

/// The rows of `table` with their rowids, in rowid order.
fn content(database: &Path, table: &str) -> Vec<Vec<Value>> {
    let connection = Connection::open(database).unwrap();
    rows_of(&connection, &format!("SELECT rowid, * FROM {table} ORDER BY rowid"))
}

/// A table with plain and computed columns.
fn table() -> Table {
    let field = |name: &str| Expr::Field(name.into());
    let number = Expr::TryInteger(Box::new(field("b")));
    let joined = Expr::Concat(vec![field("c"), Expr::Text("/".into()), number.clone()]);
    Table::new(
        "t",
        vec![
            Column::new("a", "TEXT", field("a")),
            Column::new("number", "", number),
            Column::new("upper", "TEXT", Expr::Upper(Box::new(field("c")))),
            Column::new("joined", "TEXT", joined),
        ],
    )
}

/// The same rows, read by the csv crate and inserted by plain rusqlite.
fn reference(csv: &[u8], database: &Path) -> Vec<Vec<Value>> {
    let connection = Connection::open(database).unwrap();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    connection.execute_batch("CREATE TABLE t (a TEXT, number, upper TEXT, joined TEXT)").unwrap();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(csv);
    let width = reader.byte_headers().unwrap().len();
    for record in reader.byte_records().map(Result::unwrap) {
        let Ok(record) = csv::StringRecord::from_byte_record(record) else { continue };
        if record.len() != width {
            continue;
        }
        let number: Option<i64> = record[1].parse().ok();
        let values = [
            Value::Text(record[0].to_owned()),
            number.into(),
            Value::Text(record[2].to_uppercase()),
            number.map(|number| format!("{}/{number}", &record[2])).into(),
        ];
        connection.execute("INSERT INTO t VALUES (?, ?, ?, ?)", params_from_iter(values)).unwrap();
    }
    drop(connection);
    content(database, "t")
}

fn csv_file() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        4 => "[a-z]{0,6}",
        2 => "[+-]?[0-9]{1,20}",
        1 => "\"([a-z,\n]|\"\"){0,30}\"",
        1 => "[éßŉ ]{0,4}",
        1 => "\u{0}",
    ];
    let field = field.prop_map(String::into_bytes);
    let bad = prop_oneof![20 => Just(vec![]), 1 => Just(vec![0xff]), 1 => Just(b",".to_vec())];
    let line_end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r"), Just("\n\n")];
    let record = (field.clone(), field.clone(), field, bad, line_end)
        .prop_map(|(a, b, c, bad, end)| [a.as_slice(), b",", &b, b",", &c, &bad, end.as_bytes()].concat());
    prop::collection::vec(record, 0..120).prop_map(|records| [b"a,b,c\n".to_vec(), records.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn content_matches_plain_rusqlite(csv in csv_file(), chunk_bytes in 1..5_000usize, batch_rows in 1..60usize) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("in.csv"), &csv).unwrap();
        let expected = reference(&csv, &path("reference.db"));
        for jobs in [1, 2, 8] {
            let loader = Loader::from(table())
                .jobs(NonZeroUsize::new(jobs).unwrap())
                .chunk_bytes(NonZeroUsize::new(chunk_bytes).unwrap())
                .batch_rows(NonZeroUsize::new(batch_rows).unwrap())
                .if_exists(IfExists::Replace)
                .verify(true);
            let report = match loader.load(path("in.csv"), path("out.db")) {
                // All records were rejected.
                Err(error) if matches!(error.kind(), Kind::NothingLoaded { .. }) && expected.is_empty() => continue,
                report => report.unwrap(),
            };
            prop_assert_eq!(report.loaded, expected.len() as u64);
            prop_assert_eq!(report.records, report.loaded + report.rejected);
            prop_assert_eq!(&content(&path("out.db"), "t"), &expected);
        }
    }
}

#[test]
fn rows_and_keys_do_not_depend_on_chunk_size_or_jobs() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let people = sqload::demo::generate::Sample { rows: 3_000, seed: Some(5) };
    sqload::demo::generate::create_file(&path("in.csv"), people, true, &Default::default(), &false.into())
        .unwrap();
    for id in [Expr::Uuid7, Expr::Uuid4] {
        let mut first = None;
        for (jobs, chunk_bytes) in [(1, 1 << 20), (1, 1), (2, 100), (8, 1), (3, 4_096)] {
            let number = |number| NonZeroUsize::new(number).unwrap();
            let loader = Loader::from(people::table(id.clone())).seed(9);
            let loader = loader.jobs(number(jobs)).chunk_bytes(number(chunk_bytes));
            loader.load(path("in.csv"), path("out.db")).unwrap();
            let people = content(&path("out.db"), "people");
            assert_eq!(people.len(), 3_000);
            assert!(
                first.get_or_insert_with(|| people.clone()) == &people,
                "{jobs} jobs, {chunk_bytes} bytes"
            );
        }
    }
}

#[test]
fn returns_the_first_error_at_any_number_of_jobs() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut csv = b"a,b,c\n".to_vec();
    (0..2_000).for_each(|_| csv.extend_from_slice(b"x,1,\"two\nlines\"\n"));
    csv.extend_from_slice(b"x,1\ny\n");
    (0..2_000).for_each(|_| csv.extend_from_slice(b"x,1,z\n"));
    csv.extend_from_slice(b"x,\"never closed\n");
    std::fs::write(path("bad.csv"), &csv).unwrap();
    let good = String::from_utf8(csv).unwrap().replace("x,1\ny\n", "x,1,z\nx,y,z\n");
    std::fs::write(path("open.csv"), good).unwrap();
    for (name, expected) in [
        ("bad.csv", "line 4002 (record 2001, byte 32006): 2 fields, 3 expected, separated by ','"),
        (
            "open.csv",
            "line 6004 (record 4003, byte 44020): a quote opened here is never closed; its record takes in the rest of the input, 1 line (16 bytes)",
        ),
    ] {
        let input = path(name);
        for (jobs, chunk_bytes) in [(1, 1 << 20), (2, 1), (8, 500)] {
            let number = |number| NonZeroUsize::new(number).unwrap();
            let loader = Loader::from(table()).on_error(OnError::Abort);
            let loader = loader.jobs(number(jobs)).chunk_bytes(number(chunk_bytes));
            let error = loader.load(&input, path("out.db")).unwrap_err();
            assert_eq!(error.to_string(), format!("{}: {expected}", input.display()));
            assert!(!path("out.db").exists());
        }
    }
}

#[test]
fn a_new_loader_has_the_defaults_of_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("in.csv"), "a;b\n1;x\n2;y\n").unwrap();
    let report = Loader::new("t").load(path("in.csv"), path("out.db")).unwrap();
    assert_eq!((report.columns.len(), report.loaded), (2, 2), "the delimiter is detected");
    let error = Loader::new("t").load(path("in.csv"), path("out.db")).unwrap_err();
    assert!(matches!(error.kind(), Kind::TableExists { .. }), "{error}");
    std::fs::write(path("in.csv"), "a;b\n1;x\n2\n").unwrap();
    let error = Loader::new("u").load(path("in.csv"), path("out.db")).unwrap_err();
    assert!(matches!(error.kind(), Kind::Rejected { .. }), "{error}");
    let report = Loader::new("u").detect_delimiter(false).load(path("in.csv"), path("out.db")).unwrap();
    assert_eq!((report.columns.len(), report.loaded), (1, 2));
}

#[test]
fn settings_without_an_option_are_part_of_the_plan() {
    let number = |number| NonZeroUsize::new(number).unwrap();
    let loader = Loader::new("t").detect_delimiter(false).chunk_bytes(number(9)).seed(7);
    let loader = loader.map_inputs(false).raise_file_limit(false);
    let mut plan = Plan::with_header_columns("t");
    (plan.input_options.detect_delimiter, plan.input_options.map) = (false, false);
    (plan.tuning.chunk_bytes, plan.tuning.seed, plan.tuning.raise_file_limit) = (9, Some(7), false);
    assert_eq!(*loader.plan(), plan);
}

#[test]
fn filters_add_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("in.csv"), "a,b\n1,x\n2,x\n2,y\n").unwrap();
    let loader = Loader::new("t").filter("a = '2'").unwrap().filter("b = 'x'").unwrap();
    let report = loader.load(path("in.csv"), path("out.db")).unwrap();
    assert_eq!((report.loaded, report.filtered), (1, 2));
}

#[test]
fn sqlite_errors_have_a_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("in.csv"), "a\n1\n").unwrap();
    std::fs::write(path("out.db"), format!("SQLite format 3\0{}", "no database ".repeat(100))).unwrap();
    let error = Loader::new("t").load(path("in.csv"), path("out.db")).unwrap_err();
    let Kind::Sqlite { source, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(source.code(), Some(rusqlite::ffi::SQLITE_NOTADB));
    assert_eq!(source.to_string(), "file is not a database");
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "file is not a database");
    assert!(cause.source().is_none(), "the message is not repeated");
}

#[test]
fn a_main_that_returns_an_error_prints_its_message_and_causes() {
    let error = Loader::from(table()).load("missing.csv", "missing.db").unwrap_err();
    assert_eq!(format!("{error:?}"), "cannot read missing.csv: No such file or directory (os error 2)");
}

#[test]
fn contradictory_settings_are_usage_errors() {
    let loader = || Loader::from(table());
    let no_columns = Table::new("t", Vec::new());
    for loader in [
        loader().delimiter(b'\n'),
        loader().quote(Some(b',')),
        loader().delimiter(0xff),
        loader().escape(Some(b'"')),
        loader().comment(Some(b','.into())),
        loader().comment(Some(0xff.into())),
        loader().thousands(Some('.')),
        loader().decimal('1'),
        loader().escapes(Escapes::Postgres).delimiter(b'a'),
        loader().column_names(["a"]).header_rows(1),
        loader().quote(Some(b' ')).trim(true),
        loader().page_bytes(1000),
        loader().page_bytes(256),
        loader().max_record_bytes(NonZeroUsize::MAX),
        Loader::from(no_columns),
    ] {
        let error = loader.load("missing.csv", "missing.db").unwrap_err();
        assert!(matches!(error.kind(), Kind::Usage(_)), "{error}");
    }
}

#[test]
fn quotes_table_and_column_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let name = "select \"; DROP TABLE x; --";
    std::fs::write(path("in.csv"), "a\n1\n").unwrap();
    let column = Column::new(name, "TEXT", Expr::Field("a".into()));
    Loader::from(Table::new(name, vec![column])).load(path("in.csv"), path("out.db")).unwrap();
    let connection = Connection::open(path("out.db")).unwrap();
    let found: (String, String) = connection
        .query_row("SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(found, (name.to_owned(), name.to_owned()));
}

#[test]
fn a_constraint_violation_fails_the_load() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("in.csv"), "a\n1\n2\n1\n").unwrap();
    let column = Column::new("a", "TEXT UNIQUE", Expr::Field("a".into()));
    let loader = Loader::from(Table::new("t", vec![column])).on_error(OnError::Abort);
    let input = path("in.csv").display().to_string();
    let (first, second) =
        (format!("{input}: line 2 (record 1, byte 2)"), format!("{input}: line 4 (record 3, byte 6)"));
    for (writer, places) in
        [(WriterChoice::Statements, second.clone()), (WriterChoice::Direct, format!("{first} and {second}"))]
    {
        let error = loader.clone().writer(writer).load(path("in.csv"), path("out.db")).unwrap_err();
        let expected = format!("{places}: UNIQUE constraint failed: t.a");
        assert_eq!(error.to_string(), expected);
        assert!(!path("out.db").exists());
    }
}

#[test]
fn each_load_counts_its_progress_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (input, database) = (directory.path().join("in.csv"), directory.path().join("out.db"));
    std::fs::write(&input, "a\n1\n2\n").unwrap();
    let loader = Loader::new("t").if_exists(IfExists::Append);
    for _ in 0..2 {
        loader.load(&input, &database).unwrap();
        assert_eq!(loader.progress().rows(), 2);
    }
}
