//! Numbers: which columns are INTEGER or REAL, in which format, and what columns of a given type take.

use crate::common::{TestDir, assert_contains, load_with_each_writer, rows_of, text};
use proptest::prelude::*;
use rusqlite::types::Value;
use sqload::Loader;
use sqload::plan::{IfExists, WriterChoice};
use std::num::NonZeroUsize;

/// The number of a text that a REAL can give back, digit by digit, in the obvious form of the rules.
pub(crate) fn real(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "+0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_signed = exponent.starts_with(['-', '+']);
    if !is_digits(whole)
        || whole.len() > 1 && whole.starts_with('0')
        || !is_digits(fraction)
        || !is_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))
        || !is_signed && !mantissa.contains('.')
    {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    let is_kept = number.is_finite() && digits(&format!("{number:e}")) == digits(text);
    (is_kept && !(number == 0.0 && text.starts_with('-'))).then_some(number)
}

/// The digits of a number, without zeros at both ends.
fn digits(text: &str) -> String {
    text.split(['e', 'E']).next().unwrap().replace(['-', '.'], "").trim_matches('0').to_owned()
}

/// The format of a column of REALs.
pub(crate) fn format<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Option<String> {
    let mantissas = || texts.clone().map(|text| text.split(['e', 'E']).next().unwrap());
    let fraction = |text: &'t str| text.split_once('.').map(|(_, fraction)| fraction);
    let all = |is_fine: &dyn Fn(Option<&str>) -> bool| mantissas().all(|text| is_fine(fraction(text)));
    let is_shortest = |fraction: Option<&str>| fraction.is_none_or(|fraction| !fraction.ends_with('0'));
    let is_repr = |fraction: Option<&str>| fraction == Some("0") || is_shortest(fraction);
    let decimals = mantissas().next().and_then(fraction).map_or(0, str::len);
    if texts.clone().any(|text| text.contains(['e', 'E'])) {
        return all(&is_repr).then(|| "scientific".to_owned());
    }
    if all(&is_shortest) {
        Some("shortest".to_owned())
    } else if all(&|fraction| fraction.is_some() && is_repr(fraction)) {
        Some("repr".to_owned())
    } else {
        all(&|fraction| fraction.map_or(0, str::len) == decimals).then(|| format!("fixed({decimals})"))
    }
}

/// Prints a number in a format; in `scientific` only its digits.
fn print(number: f64, format: &str) -> String {
    let shortest = number.to_string();
    let decimals = shortest.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let with_zeros = |to: usize| {
        let point = if decimals == 0 { "." } else { "" };
        format!("{shortest}{point}{}", "0".repeat(to - decimals))
    };
    match format {
        "scientific" => digits(&format!("{number:e}")),
        "repr" if decimals == 0 => with_zeros(1),
        "shortest" | "repr" => shortest,
        fixed => with_zeros(fixed["fixed(".len()..fixed.len() - 1].parse().unwrap()),
    }
}

/// A column with its declared type, its format according to the report, and its values.
type Column = (String, Option<String>, Vec<Value>);

/// Loads a column of `texts` with these settings.
fn load(texts: &[String], writer: WriterChoice, jobs: usize, chunk_bytes: usize) -> Column {
    let directory = tempfile::tempdir().unwrap();
    let (input, database) = (directory.path().join("in.csv"), directory.path().join("out.db"));
    std::fs::write(
        &input,
        format!("n,x\n{}", texts.iter().map(|text| format!("{text},\n")).collect::<String>()),
    )
    .unwrap();
    let size = |number: usize| NonZeroUsize::new(number).unwrap();
    let loader =
        Loader::new("t").writer(writer).jobs(size(jobs)).chunk_bytes(size(chunk_bytes)).delimiter(b',');
    let report = loader.verify(true).load(&input, &database).unwrap();
    let connection = rusqlite::Connection::open(&database).unwrap();
    let values = rows_of(&connection, "SELECT n FROM t ORDER BY rowid");
    let column = &report.columns[0];
    let format = column.format.map(|format| format.to_string());
    (column.declaration.clone(), format, values.into_iter().flatten().collect())
}

/// Asserts that the column gives back every text.
fn assert_given_back(texts: &[String], (declared, format, values): &Column) {
    for (expected, value) in texts.iter().zip(values) {
        match (value, format) {
            (Value::Real(number), Some(format)) if format == "scientific" => {
                assert_eq!(print(*number, format), digits(expected));
            }
            (Value::Real(number), Some(format)) => assert_eq!(print(*number, format), *expected),
            (Value::Integer(number), None) => assert_eq!(number.to_string(), *expected),
            (Value::Text(found), None) => assert_eq!(found, expected),
            other => panic!("{expected:?} is {other:?} in a column {declared}"),
        }
    }
    assert_eq!(values.len(), texts.len());
}

#[test]
fn columns_of_many_programs_have_the_expected_type() {
    let cases: [(&str, &[&str], &str); 26] = [
        ("shortest decimals", &["0.1", "12.25", "3"], "REAL shortest"),
        ("pandas and Python floats", &["0.1", "12.0", "0.30000000000000004"], "REAL repr"),
        ("pandas, small floats", &["0.1", "1e-05", "1.5e-07", "12.0"], "REAL scientific"),
        ("R doubles", &["1e+05", "1e-05", "0.5", "12"], "REAL scientific"),
        ("Java doubles", &["1.0E10", "1.0E-5", "0.5", "12.0"], "REAL scientific"),
        ("integers as floats", &["1.0", "2.0"], "REAL repr"),
        ("prices", &["12.50", "0.99", "3.00"], "REAL fixed(2)"),
        ("coordinates", &["-73.97492218017578", "-73.993896484375", "40.7501106262207"], "REAL shortest"),
        ("17 digits", &["0.12345678901234568", "0.1"], "REAL shortest"),
        ("more digits than a double has", &["0.12345678901234567", "0.1"], "TEXT"),
        ("float32 as double", &["0.10000000149011612"], "REAL shortest"),
        ("the largest and the smallest", &["1.7976931348623157e+308", "5e-324"], "REAL scientific"),
        ("versions", &["3.9", "3.10", "3.11"], "TEXT"),
        ("sections", &["1.1", "1.2", "1.10"], "TEXT"),
        ("whole numbers and fractions with zeros", &["12", "1.0"], "TEXT"),
        ("printf %.3e", &["1.500e+00", "2.250e-01"], "TEXT"),
        ("exponents without a sign", &["1e5", "1e6"], "TEXT"),
        ("negative zero", &["-0.0", "1.5"], "TEXT"),
        ("overflow", &["1.5", "1e+400"], "TEXT"),
        ("underflow", &["1.5", "1e-400"], "TEXT"),
        ("not a number", &["NaN", "1.5"], "TEXT"),
        ("infinity", &["1.5", "inf"], "TEXT"),
        ("a point without digits on both sides", &[".5", "5."], "TEXT"),
        ("integers of 16 digits and a fraction", &["1234567890123456", "0.5"], "REAL shortest"),
        ("integers beyond 2^53 and a fraction", &["9007199254740993", "0.5"], "TEXT"),
        ("integers beyond 2^53", &["9007199254740993", "1"], "INTEGER"),
    ];
    for (name, texts, expected) in cases {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        for writer in [WriterChoice::Direct, WriterChoice::Statements] {
            let column = load(&texts, writer, 1, 1 << 16);
            let (declared, format, _) = &column;
            let found = format!("{declared} {}", format.as_deref().unwrap_or_default());
            assert_eq!(found.trim_end(), expected, "{name}: {texts:?}");
            assert_given_back(&texts, &column);
        }
    }
}

/// True if another decimal with as many digits is the same number, such as 567958085108913.2 and 567958085108913.3. Rust prints
/// either, and a REAL column gives back the one with the even digit.
fn has_two_shortest_forms(number: f64) -> bool {
    let digits = |text: String| -> String {
        text.split('e').next().unwrap().chars().filter(char::is_ascii_digit).collect()
    };
    let (shortest, exact) = (digits(format!("{number:e}")), digits(format!("{number:.800e}")));
    // The number is halfway between two decimals with as many digits as the shortest one.
    exact[shortest.len()..].trim_end_matches('0') == "5"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]
    #[test]
    fn a_real_column_printed_in_its_format_gives_back_every_text(
        numbers in proptest::collection::vec((any::<u64>(), -999_999..999_999_i32, 0..5_usize), 1..40),
        kind in 0..7,
        jobs in 1..4_usize,
        chunk_bytes in 1..200_usize,
    ) {
        let texts: Vec<_> = numbers.iter().map(|(bits, number, decimals)| {
            let double = f64::from_bits(*bits);
            let is_usable = double.is_finite() && !has_two_shortest_forms(double);
            let double = if is_usable { double } else { 0.5 };
            match kind {
                0 => format!("{:.2}", f64::from(*number) / 100.0 + 1e6),
                1 => format!("{double:?}"),
                2 => format!("{double:e}").replace("e-", "E-"),
                3 => (f64::from(*number) / 1e3).to_string(),
                4 => format!("{:?}", f64::from(*number) / 7.0),
                5 => format!("{:.decimals$}", f64::from(*number) / 1e4),
                _ => (double.abs() / 2_f64.powi(double.abs().log2() as i32)).to_string(),
            }
        }).collect();
        let integer = |text: &String| text.parse::<i64>().is_ok_and(|number| number.to_string() == *text);
        let expected = match () {
            () if texts.iter().all(integer) => ("INTEGER", None),
            () if texts.iter().all(|text| real(text).is_some()) => {
                let format = format(texts.iter().map(String::as_str));
                (if format.is_some() { "REAL" } else { "TEXT" }, format)
            }
            () => ("TEXT", None),
        };
        for writer in [WriterChoice::Direct, WriterChoice::Statements] {
            let column = load(&texts, writer, jobs, chunk_bytes);
            prop_assert_eq!((column.0.as_str(), column.1.clone()), expected.clone(), "{:?}", texts);
            assert_given_back(&texts, &column);
        }
    }
}

/// A field so long that [`MANY`] records exceed the sample that types are inferred from.
const LONG: &str = "a field that only takes room so that few records fill many chunks";
const MANY: usize = 20_000;

#[test]
fn a_late_value_that_contradicts_the_format_makes_the_column_text() {
    let note = |first: &str, last: &str| {
        format!(
            "a: TEXT, \"{first}\" at line 2, \"{last}\" at line {}: a trailing zero would be lost",
            MANY + 2
        )
    };
    let cases = [
        ("3.1", "3.10", "TEXT", true),
        ("3", "1.0", "TEXT", true),
        ("1.50", "1.5", "TEXT", true),
        ("1.0", "12", "TEXT", true),
        // The sample allows several formats, and the last value is not in the first of them.
        ("0.5", "12.0", "REAL repr", false),
        ("0.25", "12.50", "REAL fixed(2)", false),
        ("12.5", "1e-05", "REAL scientific", false),
        ("12", "0.5", "REAL shortest", false),
    ];
    for (first, last, expected, is_reloaded) in cases {
        let dir = TestDir::new();
        dir.write("in.csv", format!("a,b\n{}{last},x\n", format!("{first},{LONG}\n").repeat(MANY)));
        for (writer, jobs) in [("direct", "1"), ("direct", "4"), ("statements", "2")] {
            let load = ["load", "in.csv", "out.db", "-t", "t", "--replace", "--report", "-", "-v"];
            let outcome = dir.run(&[&load[..], &["--writer", writer, "-j", jobs]].concat()).expect_code(0);
            let column = &outcome.report()["columns"][0];
            let declared = column["declaration"].as_str().unwrap();
            let found = format!("{declared} {}", column["format"].as_str().unwrap_or_default());
            assert_eq!(found.trim_end(), expected, "{first} {last}");
            assert_eq!(outcome.stderr.contains("starting the load again"), is_reloaded, "{first} {last}");
            if declared == "TEXT" {
                assert!(outcome.stderr.contains(&note(first, last)), "{}", outcome.stderr);
                let sql = "SELECT DISTINCT a FROM t ORDER BY rowid";
                assert_eq!(rows_of(&dir.open("out.db"), sql), [[text(first)], [text(last)]]);
            }
            std::fs::remove_file(dir.path("out.db")).unwrap();
        }
    }
}

#[test]
fn the_summary_and_the_report_name_formats_and_contradictions() {
    let dir = TestDir::new();
    dir.write(
        "in.csv",
        "lon,lat,price,p,v,id\n-73.5,40.25,1.50,1e-05,3.1,1\n-73.97492218017578,40.1,2.00,0.5,3.10,2\n",
    );
    let outcome = dir.run(&["load", "in.csv", "out.db", "--report", "-"]).expect_code(0);
    let lines = [
        "v: TEXT, \"3.1\" at line 2, \"3.10\" at line 3: a trailing zero would be lost\n",
        "REAL: lon, lat (shortest), price (fixed(2)), \
         p (scientific; the digits are kept, the spelling of exponents is not)\n",
    ];
    for line in lines {
        assert!(outcome.stderr.contains(line), "{}", outcome.stderr);
    }
    let report = outcome.report();
    let formats: Vec<_> = (0..6).map(|column| report["columns"][column]["format"].clone()).collect();
    let expected = ["shortest", "shortest", "fixed(2)", "scientific"].map(serde_json::Value::from);
    assert_eq!(formats[..4], expected);
    assert!(formats[4].is_null() && formats[5].is_null());
    // Types that the user chose have no format, and need no reason.
    let types = ["--type", "v=REAL,lon=REAL,lat=TEXT,price=DECIMAL(10,2)", "--replace"];
    let outcome = dir.run(&[&["load", "in.csv", "out.db"], &types[..]].concat()).expect_code(0);
    assert!(
        outcome.stderr.contains("REAL: p (scientific;") && !outcome.stderr.contains("TEXT"),
        "{}",
        outcome.stderr
    );
}

/// Texts that SQLite takes for numbers, and the numbers.
const NUMBERS: [(&str, f64); 14] = [
    ("1", 1.0),
    ("007", 7.0),
    ("+1.5", 1.5),
    (" 2 ", 2.0),
    ("1e5", 1e5),
    ("1e-05", 1e-5),
    ("1.0E10", 1e10),
    (".5", 0.5),
    ("5.", 5.0),
    ("-0.0", 0.0),
    ("3.10", 3.1),
    ("1e-400", 0.0),
    ("0.1000000000000000055511151231257827", 0.1),
    ("9223372036854775808", 9_223_372_036_854_775_808.0),
];

#[test]
fn a_given_real_column_takes_every_number() {
    let csv: String = NUMBERS.iter().map(|(text, _)| format!("{text},\n")).collect();
    let rejected = ["1e400", "-1e400", "x", "1,5", "1_000", "0x10", "nan", "inf", "1.5.2", "1\0"];
    let bad: String = rejected.iter().map(|text| format!("\"{text}\",\n")).collect();
    let csv = format!("r,x\n{csv}{bad},\n");
    let check = |rows: Vec<Vec<Value>>| {
        let expected = NUMBERS.iter().map(|(_, number)| vec![Value::Real(*number)]);
        assert_eq!(rows, expected.chain([vec![Value::Null]]).collect::<Vec<_>>());
    };
    for declared in ["REAL", "real", "DOUBLE PRECISION", "FLOAT"] {
        let types = format!("r={declared}");
        let options = ["--type", &types, "--on-error", "skip", "--rejects", "bad.csv"];
        load_with_each_writer(&csv, &options, 3, |connection, dir| {
            check(rows_of(connection, "SELECT r FROM t ORDER BY rowid"));
            let sql = format!("CREATE TABLE \"t\" (\"r\" {declared}, \"x\" TEXT)");
            assert_eq!(rows_of(connection, "SELECT sql FROM sqlite_schema"), [[text(&sql)]]);
            let reasons = dir.reasons("bad.csv");
            for (reason, value) in reasons.iter().zip(rejected) {
                let problem =
                    if value.contains("e400") { "is too large for a REAL" } else { "is not a number" };
                let expected = format!("the value {value:?} of column \"r\" {problem}");
                assert_eq!(reason["message"].as_str(), Some(expected.as_str()));
            }
            assert_eq!(reasons.len(), rejected.len());
        });
    }
    for strict in ["", "STRICT"] {
        let dir = TestDir::new();
        dir.open("out.db").execute_batch(&format!("CREATE TABLE t (r REAL, x TEXT) {strict}")).unwrap();
        dir.write("in.csv", &csv);
        let append = ["load", "in.csv", "out.db", "-t", "t", "--append"];
        let stderr = dir.run(&[&append[..], &["--on-error", "skip"]].concat()).expect_code(3).stderr;
        assert_contains(&stderr, ["\nr: 3 numbers of more digits than a REAL preserves, rounded\n"]);
        check(rows_of(&dir.open("out.db"), "SELECT r FROM t ORDER BY rowid"));
        dir.run(&append).expect_code(1).assert_single_message(&[
            "line 16",
            "\"1e400\"",
            "\"r\"",
            "--type r=TEXT",
        ]);
    }
}

#[test]
fn declared_types_go_into_the_table_as_written() {
    let cases = [
        ("DATE", "2024-01-01", text("2024-01-01")),
        ("Datetime", "2024-01-01 10:00", text("2024-01-01 10:00")),
        ("NUMERIC", "12.5", Value::Real(12.5)),
        ("DECIMAL(10,2)", "12.50", Value::Real(12.5)),
        ("decimal(10, 2)", "12.00", Value::Integer(12)),
        ("BOOLEAN", "true", text("true")),
        ("BOOLEAN", "1", Value::Integer(1)),
        ("STRING", "a1", text("a1")),
        ("VARCHAR(10)", "007", text("007")),
        ("character varying (255)", "1.10", text("1.10")),
        ("int", "42", Value::Integer(42)),
        ("BIGINT", "-9223372036854775808", Value::Integer(i64::MIN)),
        ("any", "12", Value::Integer(12)),
        ("blob", "00ff", Value::Blob(vec![0, 255])),
    ];
    for (declared, field, expected) in cases {
        let types = format!("d={declared}");
        load_with_each_writer(&format!("d,x\n{field},\n"), &["--type", &types], 0, |connection, _| {
            let sql = format!("CREATE TABLE \"t\" (\"d\" {declared}, \"x\" TEXT)");
            assert_eq!(rows_of(connection, "SELECT sql FROM sqlite_schema"), [[text(&sql)]]);
            assert_eq!(rows_of(connection, "SELECT d FROM t"), [[expected.clone()]], "{declared}");
        });
    }
    load_with_each_writer("a,b\n1,2\n", &["--type", "a=integer,b=DATE", "--pk", "a"], 0, |connection, _| {
        assert_eq!(rows_of(connection, "SELECT rowid, a, b FROM t"), [[1, 1, 2].map(Value::Integer)]);
    });
}

#[test]
fn invalid_declared_types_are_usage_errors() {
    let dir = TestDir::new();
    dir.write("in.csv", "a,b\n1,2\n");
    let load = |types: &str, options: &[&str]| {
        let load = ["load", "in.csv", "out.db", "-t", "t", "--replace", "--type", types];
        dir.run(&[&load[..], options].concat())
    };
    for types in
        ["a=INT, b INT", "a=INT)", "a=INT(1,2,3)", "a=", "a=INT PRIMARY KEY", "a=TEXT DEFAULT 1", "a=x'y"]
    {
        load(types, &[]).expect_code(2);
    }
    load("a=INT NOT NULL", &[]).expect_code(2).assert_single_message(&[
        "\"a\"",
        "\"INT NOT NULL\"",
        "--type",
    ]);
    let strict = load("a=INT,b=DATE", &["--strict"]).expect_code(2);
    strict.assert_single_message(&[
        "\"b\"",
        "STRICT",
        "\"DATE\"",
        "INT, INTEGER, REAL, TEXT, BLOB or ANY",
        "--strict",
    ]);
    load("a=int,b=ANY", &["--strict"]).expect_code(0);
    let types = rows_of(&dir.open("out.db"), "SELECT typeof(a), typeof(b) FROM t");
    assert_eq!(types, [["integer", "text"].map(text)]);
}

#[test]
fn a_numeric_column_takes_what_it_gives_back() {
    let kept = ["2024-01-01", "abc", "1", "-7", "1.5", "0.25"];
    let rejected = [
        ("007", "a leading zero"),
        ("1.50", "a trailing zero"),
        ("+1", "a plus sign"),
        ("1e5", "an exponent without a sign"),
        ("1e-05", "an exponent"),
        ("0.12345678901234567", "more digits than a number can hold"),
    ];
    let rows = kept.iter().chain(rejected.iter().map(|(value, _)| value));
    let csv = format!("d,x\n{}", rows.map(|value| format!("{value},\n")).collect::<String>());
    let check = |connection: &rusqlite::Connection, dir: &TestDir| {
        let found = rows_of(connection, "SELECT CAST(d AS TEXT) FROM t ORDER BY rowid");
        assert_eq!(found, kept.map(|value| [text(value)]));
        let reasons = dir.reasons("bad.csv");
        for (reason, (value, why)) in reasons.iter().zip(rejected) {
            let problem = "would change in a column that stores numbers";
            let expected = format!("the value {value:?} of column \"d\" {problem} ({why})");
            assert_eq!(reason["message"].as_str(), Some(expected.as_str()));
        }
        assert_eq!(reasons.len(), rejected.len());
    };
    let skip = ["--on-error", "skip", "--rejects", "bad.csv"];
    load_with_each_writer(&csv, &[&["--type", "d=DATE"], &skip[..]].concat(), 3, check);
    for declared in ["DATE", "STRING", "INT"] {
        let dir = TestDir::new();
        dir.open("out.db").execute_batch(&format!("CREATE TABLE t (d {declared}, x)")).unwrap();
        dir.write("in.csv", &csv);
        let append = ["load", "in.csv", "out.db", "-t", "t", "--append"];
        dir.run(&[&append[..], &skip].concat()).expect_code(3);
        check(&dir.open("out.db"), &dir);
        dir.run(&append).expect_code(1).assert_single_message(&["line 8", "\"007\"", "--type d=REAL"]);
        dir.run(&[&append[..], &["--type", "d=TEXT"]].concat()).expect_code(1);
    }
}

#[test]
fn trailing_zeros_fit_a_numeric_column_if_all_numbers_have_them() {
    let prices = format!("p,x\n{}3.00,\n", format!("12.50,{LONG}\n").repeat(MANY));
    load_with_each_writer(&prices, &["--type", "p=DECIMAL(10,2)"], 0, |connection, _| {
        let found = rows_of(connection, "SELECT DISTINCT p FROM t");
        assert_eq!(found, [[Value::Real(12.5)], [Value::Integer(3)]]);
    });
    // Keys of which two would be equal.
    let dir = TestDir::new();
    dir.open("out.db").execute_batch("CREATE TABLE t (id STRING PRIMARY KEY, x)").unwrap();
    let sections =
        format!("{}3.1,\n3.10,\n", (0..MANY).map(|row| format!("1{row}.5,{LONG}\n")).collect::<String>());
    dir.write("in.csv", format!("id,x\n{sections}"));
    let append = ["load", "in.csv", "out.db", "-t", "t", "--append"];
    let message = ["line 20003", "\"3.10\"", "\"id\"", "a trailing zero"];
    dir.run(&append).expect_code(1).assert_single_message(&message);
    let preview = dir.run(&[&append[..], &["--dry-run"]].concat()).expect_code(0);
    assert!(preview.stdout.contains(": 0 rejected"), "{}", preview.stdout);
    dir.run(&[&append[..], &["--on-error", "skip"]].concat()).expect_code(3);
    let found = rows_of(&dir.open("out.db"), "SELECT count(*), count(DISTINCT id) FROM t WHERE id < 4");
    assert_eq!(found, [[1, 1].map(Value::Integer)]);
    // A preview finds it in the first records.
    dir.write("in.csv", "id,x\n5.1,\n5.10,\n");
    let preview = dir.run(&[&append[..], &["--dry-run"]].concat()).expect_code(1);
    assert!(preview.stdout.contains(": 1 rejected"), "{}", preview.stdout);
}

#[test]
fn excluded_columns_are_not_loaded() {
    let dir = TestDir::new();
    dir.write("in.csv", "id,name,zip,\"a,b\"\n1,x,1,2\n2,y,007,3\n");
    let load = ["load", "in.csv", "out.db", "-t", "t", "--replace"];
    let outcome = dir.run(&[&load[..], &["--exclude", "ZIP,\"a,b\""]].concat()).expect_code(0);
    assert!(!outcome.stderr.contains("zip"), "{}", outcome.stderr);
    let columns = |sql| rows_of(&dir.open("out.db"), sql).concat();
    assert_eq!(columns("SELECT name FROM pragma_table_info('t')"), ["id", "name"].map(text));
    let unknown = dir.run(&[&load[..], &["--exclude", "zop"]].concat()).expect_code(1);
    unknown.assert_single_message(&["\"zop\" to leave out", "--exclude"]);
    dir.run(&[&load[..], &["--exclude", "id,name,zip", "--exclude", "\"a,b\""]].concat()).expect_code(2);
    dir.run(&[&load[..], &["--exclude", "id", "--columns", "id"]].concat()).expect_code(2);
    let loader = Loader::new("t").if_exists(IfExists::Replace).exclude(["id"]).exclude(["name"]);
    loader.load(dir.path("in.csv"), dir.path("out.db")).unwrap();
    assert_eq!(columns("SELECT name FROM pragma_table_info('t')"), ["zip", "a,b"].map(text));
}
