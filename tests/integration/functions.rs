//! The functions that sqload adds to SQL, and expressions that fail.

use crate::common::{rows_of, text};
use rusqlite::Connection;
use rusqlite::types::Value;
use sqload::plan::{EvaluatorChoice, IfExists, OnError, Plan, Tuning, WriterChoice};
use sqload::report::Report;
use sqload::sql::Pipeline;
use sqload::{Kind, Loader, Result};
use std::num::NonZeroUsize;
use std::path::PathBuf;

struct Inputs {
    directory: tempfile::TempDir,
    paths: Vec<PathBuf>,
}

impl Inputs {
    fn new(csvs: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |index: usize| directory.path().join(format!("{index}.csv"));
        let paths = (0..csvs.len()).map(path).collect();
        csvs.iter().enumerate().for_each(|(index, csv)| std::fs::write(path(index), csv).unwrap());
        Self { directory, paths }
    }

    fn load(&self, sql: &str, change: impl FnOnce(&mut Plan)) -> Result<(Vec<Vec<Value>>, Report)> {
        let database = self.directory.path().join("out.db");
        let mut plan = Pipeline::parse("test", sql)?.into_plan();
        plan.table.if_exists = IfExists::Replace;
        change(&mut plan);
        let report = Loader::from(plan).load_all(&self.paths, &database)?;
        let connection = Connection::open(database).unwrap();
        Ok((rows_of(&connection, "SELECT * FROM t ORDER BY rowid"), report))
    }
}

fn pipeline(exprs: &[&str]) -> String {
    let names: Vec<_> = (0..exprs.len()).map(|index| format!("c{index}")).collect();
    format!("CREATE TABLE t ({}); INSERT INTO t SELECT {} FROM input", names.join(", "), exprs.join(", "))
}

#[test]
fn values_depend_only_on_the_record_with_any_evaluator() {
    let exprs = [
        "uuid4()",
        "uuid7()",
        "hex(uuid4()) || a",
        "hex(uuid7())",
        "random()",
        "random() % 10 + 5",
        "iif(a % 2 = 0, uuid4(), random())",
        "input_name() || ':' || record_number() || ':' || line_number()",
        "record_number() = a",
        "try_integer(a)",
        "try_integer(b)",
        "try_real(a)",
        "try_real(b)",
        "try_real(record_number())",
        "try_date(b, '%d.%m.%Y')",
        "try_date(a, b)",
        "hash64(a, b)",
        "hash64(a, NULL, 1, 1.5, x'00')",
        "hash64()",
        "slug(b)",
        "slug(a + 0)",
        "upper(b)",
        "lower(b)",
        "upper(a + 0.5)",
        "lower(x'41')",
        "try_real(b) * 2 + length(slug(b))",
        "json_array(a, b, record_number())",
    ];
    let field = |row: usize| {
        [
            "",
            "Größe & Maß",
            "31.01.2024",
            "1.5e3",
            "\"two\nlines\"",
            "\"say \"\"ÄÖÜ\"\"\"",
            "-7",
            "%Y",
            "ǅ日本",
        ][row % 9]
    };
    let csv = |rows: std::ops::Range<usize>| {
        rows.fold("a,b\n".to_owned(), |csv, row| format!("{csv}{row},{}\n", field(row)))
    };
    let inputs = Inputs::new(&[&csv(0..150), &csv(150..170)]);
    let sql = pipeline(&exprs);
    let load = |evaluator, jobs, chunk_bytes| {
        let mut tuning = Tuning::default();
        (tuning.evaluator, tuning.jobs) = (evaluator, NonZeroUsize::new(jobs));
        (tuning.chunk_bytes, tuning.seed) = (chunk_bytes, Some(7));
        inputs.load(&sql, |plan| plan.tuning = tuning).unwrap().0
    };
    let rows = load(EvaluatorChoice::Auto, 1, 1 << 20);
    for evaluator in [EvaluatorChoice::Auto, EvaluatorChoice::Sqlite] {
        for (jobs, chunk_bytes) in [(1, 1 << 20), (2, 1), (8, 100), (3, 1_000)] {
            let others = load(evaluator, jobs, chunk_bytes);
            for (row, (values, others)) in rows.iter().zip(&others).enumerate() {
                for (index, expr) in exprs.iter().enumerate() {
                    assert_eq!(
                        values[index], others[index],
                        "{evaluator:?}, {jobs} jobs: {expr} in row {row}"
                    );
                }
            }
            assert_eq!(rows.len(), others.len());
        }
    }
    // Every call in every row returns another value.
    for column in [0, 1, 4] {
        let mut seen: Vec<_> = rows.iter().map(|row| format!("{:?}", row[column])).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), rows.len());
    }
    // One field in nine contains a line end.
    let position_of = |row: usize| {
        let (input, first) = if row < 150 { (0, 0) } else { (1, 150) };
        let lines = 2 + (row - first) + (first..row).filter(|row| row % 9 == 4).count();
        format!("{}:{}:{lines}", inputs.paths[input].display(), row - first + 1)
    };
    for (row, values) in rows.iter().enumerate() {
        assert_eq!(values[7], text(&position_of(row)));
        assert_eq!(values[9], Value::Integer(row as i64));
    }
    assert_eq!(rows[2][14], text("2024-01-31"));
    assert_eq!(rows[3][12], Value::Real(1500.0));
    assert_eq!(rows[1][19], text("grosse-mass"));
    assert_eq!((&rows[1][21], &rows[1][22]), (&text("GRÖSSE & MASS"), &text("größe & maß")));
}

#[test]
fn a_failing_expression_rejects_the_record() {
    let csv = "a,b\n1,\"{\"\"x\"\": 1}\"\n2,oops\n3,\"{\"\"x\"\": 3}\"\n4,\n-9223372036854775808,{}\n";
    let inputs = Inputs::new(&[csv]);
    let sql = pipeline(&["try_integer(a)", "json_extract(b, '$.x')", "abs(try_integer(a))"]);
    for writer in [WriterChoice::Direct, WriterChoice::Statements] {
        for evaluator in [EvaluatorChoice::Auto, EvaluatorChoice::Sqlite] {
            let rejects = inputs.directory.path().join("rejects.csv");
            let (rows, report) = inputs
                .load(&sql, |plan| {
                    (plan.tuning.writer, plan.tuning.evaluator) = (writer, evaluator);
                    plan.policies.rejects = Some(rejects.clone());
                })
                .unwrap();
            let row = |number| vec![Value::Integer(number); 3];
            assert_eq!(rows, [row(1), row(3)]);
            assert_eq!((report.records, report.loaded, report.rejected), (5, 2, 3));
            let kept = std::fs::read_to_string(&rejects).unwrap();
            assert_eq!(kept, "a,b\n2,oops\n4,\n-9223372036854775808,{}\n");
            let reasons = std::fs::read_to_string(rejects.with_extension("csv.reasons.jsonl")).unwrap();
            let reasons: Vec<serde_json::Value> =
                reasons.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let expected = [
                (2, 3, "c1", "the expression of column \"c1\": malformed JSON"),
                (4, 5, "c1", "the expression of column \"c1\": malformed JSON"),
                (5, 6, "c2", "the expression of column \"c2\": integer overflow"),
            ];
            for (reason, (record, line, column, message)) in reasons.iter().zip(expected) {
                assert_eq!(reason["record"], record);
                assert_eq!(reason["line"], line);
                assert_eq!(reason["column"], column);
                assert_eq!(reason["kind"], "expression");
                assert_eq!(reason["message"], message);
            }
            assert_eq!(reasons.len(), expected.len());
        }
    }
    let error = inputs.load(&sql, |plan| plan.policies.on_error = OnError::Abort).unwrap_err();
    let message = "line 3 (record 2, byte 19): the expression of column \"c1\": malformed JSON";
    assert!(error.to_string().ends_with(message), "{error}");
}

#[test]
fn sqlite_math_functions_are_available() {
    let inputs = Inputs::new(&["a\n4\n"]);
    let (rows, _) =
        inputs.load(&pipeline(&["sqrt(a)", "ceil(a / 3.0)", "pow(a, 2)", "mod(a, 3)"]), |_| {}).unwrap();
    assert_eq!(rows, [[2.0, 2.0, 16.0, 1.0].map(Value::Real)]);
}

#[test]
fn a_failing_condition_rejects_and_a_false_one_filters() {
    let inputs = Inputs::new(&[
        "a\n\"{\"\"keep\"\": 1}\"\n{}\n\"{\"\"keep\"\": 0}\"\n{\n\"{\"\"keep\"\": \"\"x\"\"}\"\n",
    ]);
    let sql = pipeline(&["record_number()"]) + " WHERE a ->> '$.keep'";
    let (rows, report) = inputs.load(&sql, |_| {}).unwrap();
    assert_eq!(rows, [[Value::Integer(1)]]);
    assert_eq!((report.records, report.loaded, report.rejected, report.filtered), (5, 1, 1, 3));
    let error = inputs.load(&sql, |plan| plan.policies.on_error = OnError::Abort).unwrap_err();
    assert!(
        error.to_string().contains("record 4") && error.to_string().contains("WHERE: malformed JSON"),
        "{error}"
    );
}

#[test]
fn a_failing_constant_rejects_every_record() {
    let inputs = Inputs::new(&["a\n1\n2\n3\n"]);
    let error = inputs.load(&pipeline(&["a", "json('oops')"]), |_| {}).unwrap_err();
    assert!(matches!(error.kind(), Kind::NothingLoaded { rejected: 3, .. }), "{error}");
}

#[test]
fn filtered_rows_do_not_change_record_numbers() {
    let csv = (0..5_000).fold("a\n".to_owned(), |csv, row| format!("{csv}{row}\n"));
    let inputs = Inputs::new(&[&csv]);
    let sql = "CREATE TABLE t (a TEXT PRIMARY KEY, n, id BLOB UNIQUE);
        INSERT INTO t SELECT a, record_number(), uuid7() FROM input WHERE try_integer(a) % 3 = 0";
    for writer in [WriterChoice::Direct, WriterChoice::Statements] {
        for chunk_bytes in [1, 1_000] {
            let (rows, report) = inputs
                .load(sql, |plan| {
                    (plan.tuning.writer, plan.tuning.chunk_bytes) = (writer, chunk_bytes);
                    plan.tuning.verify = true;
                })
                .unwrap();
            assert_eq!((report.loaded, report.filtered), (1_667, 3_333));
            for (index, row) in rows.iter().enumerate() {
                let number = 3 * index as i64;
                assert_eq!(row[..2], [text(&number.to_string()), Value::Integer(number + 1)]);
            }
        }
    }
}

#[test]
fn the_current_time_is_constant_during_a_load() {
    let csv = (0..300).fold("now,n\n".to_owned(), |csv, row| format!("{csv}now,{row}\n"));
    let inputs = Inputs::new(&[&csv]);
    let exprs = [
        "current_timestamp",
        "current_date || ' ' || current_time",
        "datetime('now', '+1 day')",
        "strftime('%Y-%m')",
        "unixepoch()",
        "n || ' ' || time('NOW')",
        "'now' || now",
    ];
    for jobs in [1, 2] {
        let mut tuning = Tuning::default();
        (tuning.seed, tuning.chunk_bytes) = (Some(1_706_725_800_007), 100);
        tuning.jobs = NonZeroUsize::new(jobs);
        let rows = inputs.load(&pipeline(&exprs), |plan| plan.tuning = tuning).unwrap().0;
        for (number, row) in rows.iter().enumerate() {
            let expected = [
                text("2024-01-31 18:30:00"),
                text("2024-01-31 18:30:00"),
                text("2024-02-01 18:30:00"),
                text("2024-01"),
                Value::Integer(1_706_725_800),
                text(&format!("{number} 18:30:00")),
                text("nownow"),
            ];
            assert_eq!(row[..], expected);
        }
        assert_eq!(rows.len(), 300);
    }
}
