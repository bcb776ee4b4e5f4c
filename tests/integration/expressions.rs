//! Expressions have the same value and type whether compiled code, SQLite in the workers, or SQLite over the table of a plain
//! load evaluates them.
//!
//! `SQLOAD_EXPRESSIONS=100000 cargo test --release --test integration expressions::` tests 100 000 random expressions.

use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ffi};
use sqload::plan::{EvaluatorChoice, IfExists, OnError, Plan, Ragged, Tuning, WriterChoice};
use sqload::report::Report;
use sqload::sql::Pipeline;
use sqload::{Kind, Loader};
use std::num::NonZeroUsize;
use std::path::Path;

/// The text that stands for NULL.
const NULL: &str = "NULL";

/// The same as [`write_csv`] writes it: fields are compared as they are written.
const QUOTED_NULL: &str = "\"NULL\"";

/// The number of expressions in each load.
const COLUMNS: usize = 12;

/// Values of the columns of `input`: almost numbers, numbers at a limit, dates, and unusual text.
const TEXTS: [&str; 75] = [
    "",
    " ",
    "a",
    "A",
    "abc",
    "ABC",
    "abcabc",
    "aXbXc",
    "%",
    "_",
    "*a?",
    "[x]",
    "é",
    "É",
    "ß",
    "日本語",
    "e\u{301}",
    "İ",
    "\u{1F600}",
    "0",
    "1",
    "-1",
    "2",
    "10",
    "-0",
    "-0.0",
    "+5",
    "007",
    " 12",
    "12 ",
    "\t12\n",
    "12abc",
    "1.5",
    "1.50",
    "-1.5",
    ".5",
    "5.",
    ".",
    "-",
    "+",
    "1e3",
    "1E-2",
    "1e",
    "1e+",
    "1e400",
    "-1e400",
    "1e-400",
    "0x1F",
    "inf",
    "nan",
    "0.1",
    "0.30000000000000004",
    "123456789012345678",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999",
    "3.0",
    "2.5",
    "1_000",
    "x'41'",
    "2024-02-29",
    "2023-02-29",
    "2024-04-31",
    "0000-01-01",
    "9999-12-31 23:59:59",
    "1999-12-31T00:00",
    "2001-02-03 04:05:06",
    "2001-02-03 24:00:00",
    "2001-02-03 04:05:06.789",
    "12:34",
    "2024-1-5",
    NULL,
];

const LITERALS: [&str; 43] = [
    "NULL",
    "0",
    "1",
    "-1",
    "2",
    "3",
    "10",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "9007199254740993",
    "0x1F",
    "0X1f",
    "0.5",
    "1.5",
    "-1.5",
    "1e3",
    "1e308",
    "0.0",
    "3.0",
    "''",
    "'a'",
    "'A'",
    "'abc'",
    "'b'",
    "'1'",
    "'1.5'",
    "'12abc'",
    "' 1 '",
    "'%a%'",
    "'_b%'",
    "'*b?'",
    "'[a-c]*'",
    "'é'",
    "'it''s'",
    "'''''a'''",
    "'\\'''",
    "x'61'",
    "x''",
    "TRUE",
    "FALSE",
    "9223372036854775806",
    "'9223372036854775808'",
];

/// Generates random expressions.
struct ExpressionGenerator(ChaCha8Rng);

impl ExpressionGenerator {
    fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        choices.choose(&mut self.0).unwrap()
    }

    fn leaf(&mut self) -> String {
        match self.0.random_range(0..5) {
            0..3 => self.pick(&["a", "b", "c"]).to_owned(),
            _ => self.pick(&LITERALS).to_owned(),
        }
    }

    /// An expression that both SQLite and the parser accept.
    fn valid(&mut self, connection: &Connection) -> String {
        loop {
            let depth = self.0.random_range(1..4);
            let expr = self.expr(depth);
            if is_expression(connection, &expr) {
                return expr;
            }
        }
    }

    /// An expression of at most this depth, mostly in parentheses; without them it tests precedence as well.
    fn expr(&mut self, depth: usize) -> String {
        if depth == 0 || self.0.random_ratio(1, 8) {
            return self.leaf();
        }
        let compound = self.compound(depth - 1);
        if self.0.random_ratio(3, 4) { format!("({compound})") } else { compound }
    }

    fn compound(&mut self, depth: usize) -> String {
        let x = self.expr(depth);
        let y = self.expr(depth);
        match self.0.random_range(0..22) {
            0..3 => {
                let operator = self.pick(&["+", "-", "*", "/", "%", "||", "&", "|", "<<"]);
                format!("{x} {operator} {y}")
            }
            3..7 => {
                let operator = self.pick(&["=", "==", "<>", "!=", "<", "<=", ">", ">=", "IS DISTINCT FROM"]);
                format!("{x} {operator} {y}")
            }
            7 => format!("{x} {} {y}", self.pick(&["AND", "OR"])),
            8 => {
                let operator = self.pick(&["NOT ", "-", "+", "~", "- -", "~~", "-~"]);
                format!("{operator}{x}")
            }
            9 => {
                let tests = ["IS NULL", "IS NOT NULL", "IS TRUE", "IS NOT TRUE", "IS FALSE"];
                let nulls = ["ISNULL", "NOTNULL", "NOT NULL"];
                let test = self.pick(&[&tests[..], &nulls].concat());
                // An operator after one of `nulls` applies to the result of the test.
                let suffix =
                    if nulls.contains(&test) { self.pick(&["", " + 1", " || 'x'", " < 1"]) } else { "" };
                format!("{x} {test}{suffix}")
            }
            10 => {
                let (not, z, n) = (self.pick(&["", "NOT "]), self.expr(depth), self.0.random_range(1..4));
                let list = [y, z, self.leaf()][..n].join(", ");
                format!("{x} {not}IN ({list})")
            }
            11 => {
                let (not, z) = (self.pick(&["", "NOT "]), self.expr(depth));
                format!("{x} {not}BETWEEN {y} AND {z}")
            }
            12 => {
                let operator = self.pick(&["LIKE", "NOT LIKE", "GLOB", "NOT GLOB"]);
                format!("{x} {operator} {y}")
            }
            13 => {
                let (z, w) = (self.expr(depth), self.expr(depth));
                let (operand, otherwise) =
                    (self.pick(&["", "a", "1", "CAST(b AS INTEGER)"]), self.pick(&["", "ELSE"]));
                let otherwise = if otherwise.is_empty() { String::new() } else { format!("ELSE {w}") };
                format!("CASE {operand} WHEN {x} THEN {y} WHEN {z} THEN {x} {otherwise} END")
            }
            14 | 15 => {
                let name = self.pick(&[
                    "TEXT",
                    "INTEGER",
                    "REAL",
                    "NUMERIC",
                    "BLOB",
                    "VARCHAR(10)",
                    "UNSIGNED BIG INT",
                ]);
                format!("CAST({x} AS {name})")
            }
            _ => self.call(x, y, depth),
        }
    }

    fn call(&mut self, x: String, y: String, depth: usize) -> String {
        let z = self.expr(depth);
        match self.0.random_range(0..20) {
            0 => format!("{}({x}, {y})", self.pick(&["coalesce", "ifnull", "nullif", "instr", "min", "max"])),
            1 => format!("{}({x}, {y}, {z})", self.pick(&["coalesce", "iif", "replace", "min", "max"])),
            2 => format!("iif({x}, {y})"),
            3 => {
                format!("{}({x})", self.pick(&["trim", "ltrim", "rtrim", "length", "abs", "round", "typeof"]))
            }
            4 => format!("{}({x}, {y})", self.pick(&["trim", "ltrim", "rtrim"])),
            5 => format!("substr({x}, {})", self.pick(&["0", "1", "2", "-1", "-2", "9", "b", "NULL"])),
            6 | 7 => {
                let start = self.pick(&["0", "1", "2", "-1", "-3", "9223372036854775807", "NULL", "2.5"]);
                let count =
                    self.pick(&["0", "1", "2", "-1", "-2", "9", "-9223372036854775808", "NULL", "'1'"]);
                format!("substr({x}, {start}, {count})")
            }
            // The compiled functions take text, and only SQLite converts a REAL to text like SQLite.
            8 | 9 => format!("{}(CAST({x} AS TEXT))", self.pick(&["upper", "lower"])),
            10 => format!("{}(a)", self.pick(&["upper", "lower", "trim", "abs", "length", "hex"])),
            11 => format!("hex({x})"),
            12 => format!("{}({x}) COLLATE NOCASE", self.pick(&["trim", "abs"])),
            13 => format!("{}({x})", self.pick(&["unicode", "quote", "likely", "json_quote", "sign"])),
            14 => format!("json_extract({x}, '$.a')"),
            15 => {
                format!("{}({})", self.pick(&["date", "time", "datetime"]), self.pick(&["a", "b", "c", "''"]))
            }
            16 => {
                let format =
                    self.pick(&["%Y", "%m/%d", "%F %T", "%H.%M.%S|%R", "%%", "%j", "", "é%Y%", "%Y\u{1}"]);
                format!("strftime('{format}', {})", self.pick(&["a", "b", "c", "substr(a, 1, 10)"]))
            }
            17 | 18 => {
                let formats = [
                    "%s",
                    "%s%d",
                    "<%5s|%-4s>",
                    "%05d:%-6i",
                    "%3d%%",
                    "é%s",
                    "%.2f",
                    "%s%",
                    "%x",
                    "%,d",
                    "%0s",
                    "",
                ];
                format!("{}('{}', {x}, {y})", self.pick(&["printf", "format"]), self.pick(&formats))
            }
            _ => format!("printf('%s|%d|%.3f', {x}, {y}, {z})"),
        }
    }
}

/// Rows of up to three texts. Missing texts and [`NULL`] are NULL.
fn rows(rng: &mut ChaCha8Rng) -> Vec<Vec<&'static str>> {
    let count = rng.random_range(1..40);
    let text = |rng: &mut ChaCha8Rng| *TEXTS.choose(rng).unwrap();
    // Columns with values of one kind, as is common in practice.
    let dates = ["2024-02-29", "1999-12-31 23:59:59", "2001-02-03T04:05", "0001-01-01", "", NULL];
    let kinds: [&[&str]; 8] = [
        &TEXTS,
        &["1", "2", "10", "-1", "007"],
        &["1", "2", "10", "-1", "0", "9007199254740993", ""],
        &["1.5", "0.25", "-3.5", "100.75", "3", ""],
        &["1.0", "2.5", "-10.0", "0.1", NULL],
        &["a", "abc", "é", "ABC"],
        &["", NULL],
        &dates,
    ];
    let columns = [0, 1, 2].map(|_| *kinds.choose(rng).unwrap());
    let has_dirty_values = rng.random_ratio(1, 4);
    (0..count)
        .map(|_| {
            let width = *[3, 3, 3, 2, 1].choose(rng).unwrap();
            let mut row: Vec<_> = columns[..width].iter().map(|kind| *kind.choose(rng).unwrap()).collect();
            if has_dirty_values && rng.random_ratio(1, 8) {
                row[0] = text(rng);
            }
            row
        })
        .collect()
}

/// A TEXT that may be invalid UTF-8, or NULL.
struct SqlText(Option<Vec<u8>>);

impl ToSql for SqlText {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0.as_deref().map_or(ValueRef::Null, ValueRef::Text)))
    }
}

/// A connection to a database whose table `input` is that of a plain load of `csv`, and sqload's definitions of `upper` and
/// `lower`.
fn oracle(csv: &Path) -> Connection {
    /// Replaces a column by a constant that it equals (`SQLITE_PropagateConst`). With this optimization, the planner would
    /// decide which of two conditions fails.
    const PROPAGATE_CONSTANTS: std::ffi::c_uint = 0x8000;
    let database = csv.with_extension("plain.db");
    let plain = Loader::new("input").delimiter(b',').ragged(Ragged::Pad).null(QUOTED_NULL);
    plain.if_exists(IfExists::Replace).load(csv, &database).unwrap();
    let connection = Connection::open(database).unwrap();
    // SAFETY: the connection is open, and the last argument is the set of optimizations to turn off.
    unsafe {
        let handle = connection.handle();
        ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_OPTIMIZATIONS, handle, PROPAGATE_CONSTANTS);
    }
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let map = |name, map: fn(&str) -> String| {
        // Converts numbers to text.
        let converter = std::panic::AssertUnwindSafe(Connection::open_in_memory().unwrap());
        let call = move |context: &rusqlite::functions::Context<'_>| {
            let value: Value = context.get_raw(0).try_into()?;
            let text = converter
                .query_row("SELECT CAST(? AS BLOB)", [value], |row| row.get::<_, Option<Vec<u8>>>(0))?;
            // Invalid UTF-8, which CAST can produce from a BLOB, is kept.
            let mapped = |text: Vec<u8>| {
                let chunks = text.utf8_chunks();
                chunks.flat_map(|chunk| [map(chunk.valid()).as_bytes(), chunk.invalid()].concat()).collect()
            };
            Ok(SqlText(text.map(mapped)))
        };
        connection.create_scalar_function(name, 1, flags, call).unwrap();
    };
    map("upper", |text| text.chars().flat_map(char::to_uppercase).collect());
    map("lower", |text| text.chars().flat_map(char::to_lowercase).collect());
    connection
}

/// The expected fate of a record.
enum Expected {
    Row(Vec<Value>),
    Rejected,
    Filtered,
}

/// The fate of each record according to SQLite. A record with a failing expression is rejected.
fn expected(connection: &Connection, exprs: &[String], filter: &str) -> Vec<Expected> {
    let count: i64 = connection.query_row("SELECT count(*) FROM input", [], |row| row.get(0)).unwrap();
    let sql = format!("SELECT {} FROM input WHERE rowid = ?", exprs.join(", "));
    let mut values = connection.prepare(&sql).unwrap();
    let mut filters =
        connection.prepare(&format!("SELECT 1 FROM input WHERE rowid = ? AND ({filter})")).unwrap();
    let of_row = |row: &rusqlite::Row<'_>| values_of(row, exprs.len());
    let mut fate = |rowid: i64| match filters.exists([rowid]) {
        Ok(false) => Expected::Filtered,
        Ok(true) => values.query_row([rowid], of_row).map_or(Expected::Rejected, Expected::Row),
        Err(_) => Expected::Rejected,
    };
    (1..=count).map(&mut fate).collect()
}

/// The values of a row. Text that is invalid UTF-8, which CAST can produce from a BLOB, is returned as its bytes.
fn values_of(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Vec<Value>> {
    let value = |index| {
        Ok(match row.get_ref(index)? {
            ValueRef::Text(text) => String::from_utf8(text.to_vec())
                .map_or_else(|error| Value::Blob(error.into_bytes()), Value::Text),
            other => other.try_into()?,
        })
    };
    (0..columns).map(value).collect()
}

/// Runs a pipeline.
fn run(csv: &Path, sql: &str, tuning: Tuning) -> Option<(Vec<Vec<Value>>, Report)> {
    let plan = Pipeline::parse("test", sql).unwrap_or_else(|error| panic!("{error}: {sql}")).into_plan();
    load(csv, plan, tuning)
}

/// The rows and the report of a load; `None` if every record was rejected.
fn load(csv: &Path, mut plan: Plan, tuning: Tuning) -> Option<(Vec<Vec<Value>>, Report)> {
    let database = csv.with_extension("db");
    let _ = std::fs::remove_file(&database);
    (plan.tuning, plan.policies.ragged) = (tuning, Ragged::Pad);
    plan.nulls.texts = vec![NULL.to_owned(), QUOTED_NULL.to_owned()];
    let report = match Loader::from(plan.clone()).load(csv, &database) {
        Err(error) if matches!(error.kind(), Kind::NothingLoaded { .. }) => return None,
        loaded => loaded.unwrap_or_else(|error| panic!("{error}: {plan:?}")),
    };
    let connection = Connection::open(database).unwrap();
    let mut statement = connection.prepare("SELECT * FROM t ORDER BY rowid").unwrap();
    let columns = statement.column_count();
    let rows =
        statement.query_map([], |row| values_of(row, columns)).unwrap().collect::<Result<_, _>>().unwrap();
    Some((rows, report))
}

fn write_csv(path: &Path, rows: &[Vec<&str>]) {
    let mut csv = "a,b,c\n".to_owned();
    for row in rows {
        let fields: Vec<_> = row.iter().map(|text| format!("\"{}\"", text.replace('"', "\"\""))).collect();
        csv += &format!("{}\n", fields.join(","));
    }
    std::fs::write(path, csv).unwrap();
}

/// Whether both SQLite and the parser accept the expression.
fn is_expression(connection: &Connection, expr: &str) -> bool {
    let pipeline = format!("CREATE TABLE t (x); INSERT INTO t SELECT {expr} FROM input");
    connection.prepare(&format!("SELECT {expr} FROM input")).is_ok()
        && Pipeline::parse("test", &pipeline).is_ok()
}

#[test]
fn all_evaluators_agree() {
    let required = std::env::var("SQLOAD_EXPRESSIONS").map_or(1_500, |count| count.parse().unwrap());
    let seed = std::env::var("SQLOAD_SEED").map_or(0, |seed| seed.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("in.csv");
    let (mut tested, mut compiled, mut filtered, mut round) = (0, 0, 0, seed);
    while tested < required {
        round += 1;
        let mut generator = ExpressionGenerator(ChaCha8Rng::seed_from_u64(round));
        let rows = rows(&mut generator.0);
        write_csv(&csv, &rows);
        let connection = oracle(&csv);
        let exprs: Vec<_> = (0..COLUMNS).map(|_| generator.valid(&connection)).collect();
        let conditions =
            (0..generator.0.random_range(0..4)).map(|_| format!("({})", generator.valid(&connection)));
        let filter = std::iter::once("1".to_owned()).chain(conditions).collect::<Vec<_>>().join(" AND ");
        let names: Vec<_> = (0..COLUMNS).map(|index| format!("c{index}")).collect();
        let (names, values) = (names.join(", "), exprs.join(", "));
        let sql =
            format!("CREATE TABLE t ({names}); INSERT INTO t SELECT {values} FROM input WHERE {filter}");
        let pipeline = Pipeline::parse("test", &sql).unwrap().into_plan();
        let list: Vec<_> =
            exprs.iter().enumerate().map(|(index, expr)| format!("{expr} AS c{index}")).collect();
        let loader = Loader::new("t").delimiter(b',').on_error(OnError::Skip);
        let selection = loader.select(&list.join(", ")).unwrap().filter(&filter).unwrap();
        compiled +=
            pipeline.table.columns.iter().filter(|column| column.value.evaluator() == "compiled").count();
        let fates = expected(&connection, &exprs, &filter);
        let rejected = fates.iter().filter(|row| matches!(row, Expected::Rejected)).count() as u64;
        let filtered_rows = fates.iter().filter(|row| matches!(row, Expected::Filtered)).count() as u64;
        filtered += filtered_rows;
        let row = |row| match row {
            Expected::Row(values) => Some(values),
            _ => None,
        };
        let expected: Vec<_> = fates.into_iter().filter_map(row).collect();
        let plans = [
            (EvaluatorChoice::Auto, &pipeline),
            (EvaluatorChoice::Sqlite, &pipeline),
            (EvaluatorChoice::Auto, selection.plan()),
        ];
        for (evaluator, plan) in plans {
            let mut tuning = Tuning::default();
            tuning.evaluator = evaluator;
            tuning.jobs = NonZeroUsize::new(generator.0.random_range(1..4));
            tuning.chunk_bytes = *[1, 100, 1 << 20].choose(&mut generator.0).unwrap();
            tuning.writer =
                *[WriterChoice::Direct, WriterChoice::Statements].choose(&mut generator.0).unwrap();
            let Some((found, report)) = load(&csv, plan.clone(), tuning) else {
                assert!(expected.is_empty() && rejected > 0, "round {round}, {evaluator:?}: {sql}");
                continue;
            };
            for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
                for (index, expr) in exprs.iter().enumerate() {
                    assert_eq!(
                        found[index], expected[index],
                        "round {round}, {evaluator:?}: {expr}, WHERE {filter}, row {row} of {rows:?}"
                    );
                }
            }
            assert_eq!(
                (found.len(), report.rejected, report.filtered),
                (expected.len(), rejected, filtered_rows),
                "round {round}, {evaluator:?}: {sql}, {rows:?}"
            );
        }
        tested += COLUMNS;
    }
    // Otherwise the test covers less than it claims.
    assert!(compiled * 2 > tested, "{compiled} of {tested} expressions are compiled");
    assert!(filtered > 0);
}

#[test]
fn filters_short_circuit_like_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("in.csv");
    std::fs::write(&csv, "a,b\nno JSON,1\n{},2\n").unwrap();
    let connection = oracle(&csv);
    let filters = [
        // A value below the lower bound is not compared with the upper bound, which would fail.
        ("0 NOT BETWEEN b AND json_extract(a, '$.x')", 2),
        ("b = '2' AND json_extract(a, '$.x') IS NULL", 1),
        // The same if the first condition is NULL instead of false.
        ("nullif(b, 1) AND (json_extract(a, '$.x') IS NULL AND b)", 1),
        ("nullif(b, 1) AND +b AND json_type(a) = 'object'", 1),
        // Constant conditions are evaluated first.
        ("json_extract(a, '$.x') IS NULL AND 'a' = 'b'", 0),
        ("json_extract(a, '$.x') AND 'x'", 0),
        ("0 AND json_extract('no JSON', '$.x')", 0),
    ];
    for (filter, rows) in filters {
        let query = format!("SELECT a FROM input WHERE {filter}");
        let mut select = connection.prepare(&query).unwrap();
        let kept = select.query_map([], |row| row.get(0)).unwrap();
        let kept: Vec<Vec<Value>> = kept.map(|value| vec![value.unwrap()]).collect();
        assert_eq!(kept.len(), rows);
        for evaluator in [EvaluatorChoice::Auto, EvaluatorChoice::Sqlite] {
            let sql = format!("CREATE TABLE t (a); INSERT INTO t {query}");
            let mut tuning = Tuning::default();
            tuning.evaluator = evaluator;
            let (found, report) = run(&csv, &sql, tuning).unwrap();
            assert_eq!((found, report.rejected), (kept.clone(), 0), "{filter}");
        }
    }
}
