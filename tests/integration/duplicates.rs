//! Rows with the same keys, which the direct path leaves out, updates or replaces, compared with what SQLite does.

use crate::common::{TestDir, query, rows_of};
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rusqlite::types::Value;
use sqload::Loader;
use sqload::plan::{IfExists, OnConflict, OnError, WriterChoice};
use sqload::report::Report;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Declarations of the first column, the key.
const KEYS: [&str; 12] = [
    "INTEGER PRIMARY KEY",
    "INTEGER UNIQUE",
    "TEXT PRIMARY KEY",
    "TEXT COLLATE NOCASE UNIQUE",
    "INTEGER PRIMARY KEY DESC",
    "INTEGER PRIMARY KEY ON CONFLICT IGNORE",
    "TEXT UNIQUE ON CONFLICT IGNORE",
    "INTEGER PRIMARY KEY ON CONFLICT REPLACE",
    "TEXT UNIQUE ON CONFLICT REPLACE",
    "BLOB PRIMARY KEY",
    "TEXT COLLATE NOCASE PRIMARY KEY",
    "INTEGER",
];

/// Table constraints and indexes.
const UNIQUE: [&str; 7] = [
    "CREATE UNIQUE INDEX u0 ON t (b)",
    "CREATE UNIQUE INDEX u1 ON t (c COLLATE NOCASE)",
    "CREATE UNIQUE INDEX u2 ON t (b, c)",
    "CREATE UNIQUE INDEX u3 ON t (c DESC, a)",
    "CREATE UNIQUE INDEX u4 ON t (c COLLATE RTRIM, b)",
    "CREATE INDEX i0 ON t (b)",
    "CREATE INDEX i1 ON t (c, b DESC)",
];

/// A load into a table with several unique keys.
#[derive(Debug)]
struct Case {
    create: String,
    indexes: Vec<&'static str>,
    old_rows: Vec<[Value; 3]>,
    inputs: Vec<String>,
    on_conflict: OnConflict,
    /// Columns that are not loaded.
    excluded: &'static [&'static str],
    filter: Option<&'static str>,
    max_errors: Option<u64>,
    chunk_bytes: usize,
    jobs: usize,
    page_bytes: u32,
}

/// A value of each column. `range` is the number of different ones.
fn values(rng: &mut ChaCha8Rng, row: i64, range: i64, order: u32) -> [Value; 3] {
    let mut number = || match (order, rng.random_range(0..10)) {
        (_, 0) => rng.random_range(0..range),
        (0, _) => row,
        (1, _) => row.wrapping_mul(0x5851_f42d_4c95_7f2d) >> 20,
        _ => rng.random_range(0..range),
    };
    let (a, b, c) = (number(), number(), number());
    let text = ["x", "X", "x ", "ß", ""].choose(rng).unwrap().repeat(1 + rng.random_range(0..2));
    let c = if rng.random_bool(0.1) { Value::Null } else { Value::Text(format!("{text}{c}")) };
    let b = if rng.random_bool(0.1) { Value::Null } else { Value::Integer(b) };
    [Value::Integer(a), b, c]
}

fn case(seed: u64) -> Case {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let key = *KEYS.choose(rng).unwrap();
    let count = *[1, 5, 40, 300, 800].choose(rng).unwrap();
    let range = (count as f64 * [0.3, 1.0, 20.0].choose(rng).unwrap()) as i64 + 1;
    let order = rng.random_range(0..3);
    let is_append = rng.random_bool(0.5);
    let old_count = if is_append { count / *[1, 2, 4].choose(rng).unwrap() } else { 0 };
    let row = |rng: &mut ChaCha8Rng, at: i64| {
        let row = values(rng, at, range, order);
        // Rows behind those that are there.
        match &row {
            [Value::Integer(a), b, c] if key == KEYS[0] && at >= old_count && order == 0 => {
                [Value::Integer(a + range), b.clone(), c.clone()]
            }
            _ => row,
        }
    };
    let old_rows = (0..old_count).map(|at| row(rng, at)).collect();
    let inputs = (0..rng.random_range(1..4)).map(|_| {
        let mut csv = "a,b,c\n".to_owned();
        for at in 0..count {
            let [a, b, c] = row(rng, old_count + at).map(|value| match value {
                Value::Integer(integer) => integer.to_string(),
                Value::Text(text) => text,
                _ => "NULL".to_owned(),
            });
            match rng.random_range(0..30) {
                0 => writeln!(csv, "{a},{b}").unwrap(),
                1 => writeln!(csv, "{a},{b},\"{c}\nsecond line\"").unwrap(),
                _ => writeln!(csv, "{a},{b},{c}").unwrap(),
            }
        }
        csv
    });
    let inputs = inputs.collect();
    let clause = key.find(" ON CONFLICT").map_or("", |at| &key[at..]);
    let not_null = if clause.is_empty() && rng.random_bool(0.2) { " NOT NULL" } else { "" };
    let strict = if !key.starts_with("BLOB") && rng.random_bool(0.2) { " STRICT" } else { "" };
    let on_conflict = match rng.random_range(0..10) {
        0..3 => OnConflict::Ignore,
        3..7 if key.contains("PRIMARY KEY") && (clause.is_empty() || rng.random_bool(0.1)) => {
            OnConflict::Update
        }
        _ => OnConflict::Reject,
    };
    let excluded = match (on_conflict, rng.random_range(0..10)) {
        (OnConflict::Update, 0..3) => &["c"][..],
        (OnConflict::Update, 3) => &["b", "c"],
        _ => &[],
    };
    let c_not_null = if !excluded.is_empty() && rng.random_bool(0.3) { " NOT NULL" } else { "" };
    // Rows with another unique key are updated through statements.
    let has_unique = on_conflict != OnConflict::Update || rng.random_bool(0.1);
    let pair = match has_unique && rng.random_bool(0.3) {
        true => format!(", UNIQUE (b, a){clause}"),
        false => String::new(),
    };
    // SQLite evaluates these; only some of them are broken by a row.
    let expression = match rng.random_range(0..7) {
        _ if !clause.is_empty() => "",
        0 => ", CHECK (b IS NULL OR a <> b + 1000000)",
        4 => ", CHECK (b % 3 IS NOT 1)",
        1 if has_unique => ", g INT AS (a % 40) UNIQUE",
        2 if has_unique => ", g TEXT AS (b || c) STORED, UNIQUE (g, a), CHECK (a <> 7)",
        3 => ", g TEXT AS (b || c) STORED, CHECK (a <> 7)",
        _ => "",
    };
    let constraints = format!("{pair}{expression}");
    // Generated columns come before the constraints of the table.
    let constraints = if expression.starts_with(", g") { format!("{expression}{pair}") } else { constraints };
    let is_keyed = key.contains("PRIMARY KEY") && !key.ends_with("IGNORE") && rng.random_bool(0.4);
    let options = match (is_keyed, strict) {
        (true, "") => " WITHOUT ROWID",
        (true, _) => " STRICT, WITHOUT ROWID",
        (false, strict) => strict,
    };
    Case {
        create: format!(
            "CREATE TABLE t (a {key}, b INTEGER{not_null}, c TEXT{c_not_null}{constraints}){options}"
        ),
        // An index has no ON CONFLICT clause.
        indexes: UNIQUE
            .into_iter()
            .filter(|sql| has_unique || !sql.contains("UNIQUE"))
            .filter(|sql| {
                rng.random_bool(if clause.is_empty() || !sql.contains("UNIQUE") { 0.3 } else { 0.02 })
            })
            .collect(),
        old_rows,
        inputs,
        on_conflict,
        excluded,
        filter: rng.random_bool(0.3).then_some("a % 7 <> 3"),
        max_errors: rng.random_bool(0.2).then(|| rng.random_range(0..count as u64)),
        chunk_bytes: *[1, 50, 700, 1 << 16].choose(rng).unwrap(),
        jobs: *[1, 4].choose(rng).unwrap(),
        page_bytes: *[512, 4096].choose(rng).unwrap(),
    }
}

/// What a load does, apart from the writer.
#[derive(Debug, PartialEq)]
struct Effect {
    result: Result<Vec<u64>, String>,
    rejects: Option<[String; 2]>,
    rows: Vec<Vec<Value>>,
}

impl Case {
    /// Loads with this writer. Returns the effect, and the writer that ran with the reason for it.
    fn load(&self, writer: WriterChoice) -> (Effect, Option<(&'static str, Option<String>)>) {
        let dir = TestDir::new();
        let database = dir.open("out.db");
        database.pragma_update(None, "page_size", self.page_bytes).unwrap();
        database.pragma_update(None, "synchronous", "off").unwrap();
        let setup = [&[&*self.create][..], &self.indexes].concat().join(";");
        database.execute_batch(&setup).unwrap();
        database.execute_batch("BEGIN").unwrap();
        for row in &self.old_rows {
            database.execute("INSERT OR IGNORE INTO t (a, b, c) VALUES (?, ?, ?)", row.clone()).unwrap();
        }
        database.execute_batch("COMMIT").unwrap();
        drop(database);
        let report = self.loader(writer, &dir).load_all(&self.paths(&dir), dir.path("out.db"));
        let ran = report.as_ref().ok().map(|report| (report.writer, report.writer_reason.clone()));
        let counts = |report: Report| {
            let Report { records, loaded, rejected, filtered, ignored, updated, .. } = report;
            vec![records, loaded, rejected, filtered, ignored, updated]
        };
        let read = |name: &str| String::from_utf8(dir.read(name)).unwrap();
        let database = dir.open("out.db");
        assert_eq!(query(&database, "PRAGMA integrity_check"), "ok");
        let effect = Effect {
            // The directories differ.
            result: report
                .map(counts)
                .map_err(|error| error.to_string().replace(&*dir.path("").to_string_lossy(), "")),
            rejects: dir
                .path("bad.csv")
                .exists()
                .then(|| ["bad.csv", "bad.csv.reasons.jsonl"].map(read))
                .map(|files| files.map(|file| file.replace(&*dir.path("").to_string_lossy(), ""))),
            rows: match self.create.contains("WITHOUT ROWID") {
                true => rows_of(&database, "SELECT * FROM t NOT INDEXED"),
                false => rows_of(&database, "SELECT rowid, * FROM t ORDER BY rowid"),
            },
        };
        (effect, ran)
    }

    fn paths(&self, dir: &TestDir) -> Vec<PathBuf> {
        let write = |(number, csv): (usize, &String)| {
            let name = format!("{number}.csv");
            dir.write(&name, csv);
            dir.path(&name)
        };
        self.inputs.iter().enumerate().map(write).collect()
    }

    fn loader(&self, writer: WriterChoice, dir: &TestDir) -> Loader {
        let number = |number| NonZeroUsize::new(number).unwrap();
        let loader = Loader::new("t").if_exists(IfExists::Append).on_error(OnError::Skip).null("NULL");
        let loader = loader.rejects(dir.path("bad.csv")).writer(writer).jobs(number(self.jobs)).verify(true);
        let loader = loader.chunk_bytes(number(self.chunk_bytes));
        let loader = loader.on_conflict(self.on_conflict);
        let loader = loader.exclude(self.excluded.iter().copied());
        let loader = self.max_errors.map_or(loader.clone(), |max_errors| loader.max_errors(max_errors));
        self.filter.map_or(loader.clone(), |filter| loader.filter(filter).unwrap())
    }
}

/// The number of random loads, and the first seed.
fn seeds() -> std::ops::Range<u64> {
    let number = |name, default| std::env::var(name).map_or(default, |number| number.parse().unwrap());
    let first = number("SQLOAD_TWINS_FROM", 0);
    first..first + number("SQLOAD_TWINS", 100)
}

#[test]
fn rows_with_the_same_keys_have_the_effect_that_they_have_in_sqlite() {
    let (mut with_duplicates, mut direct, mut updating) = (0, 0, 0);
    for seed in seeds() {
        let case = case(seed);
        let (expected, _) = case.load(WriterChoice::Statements);
        let (found, writer) = case.load(WriterChoice::Auto);
        let Ok(counts) = &expected.result else {
            // Too many rejects. The direct path may count other rejects before it meets a duplicate.
            assert!(found.result.is_err() && found.rows == expected.rows, "seed {seed}: {case:?}");
            continue;
        };
        assert_eq!(found, expected, "seed {seed}: {case:?} with {writer:?}");
        let has_duplicates = counts[2] + counts[4] + counts[5] > 0;
        let is_direct = writer.is_some_and(|(writer, _)| writer == "direct");
        with_duplicates += u32::from(has_duplicates);
        direct += u32::from(has_duplicates && is_direct);
        updating += u32::from(counts[5] > 0 && is_direct);
    }
    assert!(updating > 0, "no load has updated rows by the direct path");
    assert!(direct * 3 > with_duplicates * 2, "{direct} of {with_duplicates} loads took the direct path");
}

/// Loads that meet duplicates take statements for the documented reason, or the direct path.
#[test]
fn reasons_against_leaving_out_duplicates_are_documented() {
    let docs = include_str!("../../docs/how-it-works.md");
    let pipeline = |create: &str, insert: &str| format!("CREATE TABLE t ({create}); INSERT INTO t {insert}");
    let rows = "SELECT a, b FROM input";
    let ignored = |target: &str| format!("{rows} WHERE true ON CONFLICT {target} DO NOTHING");
    let chosen = "rows have the same keys, and SQLite chooses some of the rowids";
    let partial = "rows have the same keys, and a UNIQUE index is partial or on an expression";
    let other_values = "rows have the same keys, and SQLite may compute other values in a second pass";
    for (sql, reason) in [
        (pipeline("a UNIQUE, b", rows), None),
        (pipeline("a INTEGER UNIQUE, b", &ignored("")), None),
        (pipeline("a INTEGER PRIMARY KEY, b", &ignored("(a)")), None),
        (pipeline("a UNIQUE ON CONFLICT IGNORE, b", rows), None),
        (
            pipeline("a UNIQUE ON CONFLICT IGNORE, b UNIQUE", rows),
            Some("the table has the clause ON CONFLICT IGNORE or REPLACE"),
        ),
        (
            pipeline("a UNIQUE ON CONFLICT IGNORE, b NOT NULL ON CONFLICT IGNORE", rows),
            Some("the table has the clause ON CONFLICT IGNORE or REPLACE"),
        ),
        (pipeline("a UNIQUE, b CHECK (b <> '7')", rows), None),
        (pipeline("a UNIQUE, b CHECK (b <> '7')", &ignored("")), None),
        (pipeline("a, b, g UNIQUE AS (a || b)", rows.replace("SELECT a", "(a, b) SELECT a").as_str()), None),
        (pipeline("a UNIQUE, b, CHECK (rowid < 100)", rows), Some(chosen)),
        (
            "CREATE TABLE t (b, a PRIMARY KEY) WITHOUT ROWID; INSERT INTO t (a, b) SELECT a, b FROM input"
                .to_owned(),
            None,
        ),
        (pipeline("a UNIQUE, b UNIQUE", &ignored("(a)")), Some("ON CONFLICT names one of several keys")),
        (
            pipeline("a INTEGER PRIMARY KEY AUTOINCREMENT, b UNIQUE", &ignored("")),
            Some("ignored rows use up numbers of AUTOINCREMENT"),
        ),
        (pipeline("a UNIQUE, b", &format!("{rows}; CREATE UNIQUE INDEX i ON t (abs(a))")), Some(partial)),
        (pipeline("a, b", &format!("{rows}; CREATE UNIQUE INDEX i ON t (a) WHERE a > 0")), Some(partial)),
        (pipeline("id INTEGER PRIMARY KEY, b UNIQUE", "SELECT nullif(a, 2), b FROM input"), Some(chosen)),
        (pipeline("a UNIQUE, b", &format!("{rows} WHERE random() <> a || 'x'")), Some(other_values)),
        (pipeline("a UNIQUE, b", "SELECT iif(a < date(), a, 'x'), b FROM input"), Some(other_values)),
        (pipeline("a UNIQUE, b", "SELECT a, CURRENT_TIME || b FROM input"), None),
    ] {
        let dir = TestDir::with_pipeline("a,b\n1,1\n2,2\n1,1\n3,2\n4,4\n", &sql);
        let load =
            ["run-pipeline", "people.sql", "--on-error", "skip", "--report", "report.json", "--verify"];
        dir.run(&load);
        let report: serde_json::Value = serde_json::from_slice(&dir.read("report.json")).unwrap();
        assert_eq!(report["writer_reason"].as_str(), reason, "{sql}");
        assert_ne!(report["rejected"].as_u64().max(report["ignored"].as_u64()), Some(0), "{sql}");
        let is_documented = |reason: &str| docs.contains(&format!("\n| {reason} | "));
        assert!(reason.is_none_or(is_documented), "{sql}");
    }
}

/// Pipelines whose ON CONFLICT clause sets some or all columns, into a table with long values, some of which were added later.
#[test]
fn updates_in_pipelines_have_the_effect_that_they_have_in_sqlite() {
    let (mut direct, mut reasons) = (0, BTreeSet::new());
    let seeds = seeds();
    for seed in seeds.clone() {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let key = *["a INTEGER PRIMARY KEY", "a TEXT PRIMARY KEY", "a INTEGER UNIQUE"].choose(rng).unwrap();
        let (old_rows, new_rows) = (rng.random_range(1..80), rng.random_range(1..200));
        let default = *["", " DEFAULT 7", " DEFAULT 'x'"].choose(rng).unwrap();
        let mut indexes = vec!["CREATE INDEX i ON t (b, d)", "CREATE INDEX j ON t (c DESC)"];
        indexes.retain(|_| rng.random_bool(0.5));
        let long = |rng: &mut ChaCha8Rng| {
            let length = *[1, 5, 100, 300, 2_000].choose(rng).unwrap();
            format!("{}{}", "x".repeat(length), rng.random_range(0..9))
        };
        let mut setup = format!("PRAGMA page_size = 512; BEGIN; CREATE TABLE t ({key}, b, c); ");
        for row in 0..old_rows {
            writeln!(setup, "INSERT INTO t VALUES ({row}, '{}', '{}');", long(rng), long(rng)).unwrap();
        }
        write!(setup, "ALTER TABLE t ADD COLUMN d{default}; {}", indexes.join(";")).unwrap();
        for row in old_rows..old_rows + 20 {
            write!(setup, "; INSERT INTO t VALUES ({row}, '{}', NULL, '{}')", long(rng), long(rng)).unwrap();
        }
        setup.push_str("; COMMIT");
        let mut csv = "a,b,c\n".to_owned();
        let are_distinct = rng.random_bool(0.6);
        for row in 0..new_rows {
            let id = if are_distinct { row * 37 % 499 } else { rng.random_range(0..old_rows + 400) };
            writeln!(csv, "{id},{},{}", long(rng), long(rng)).unwrap();
        }
        let set = *[
            "b = excluded.b, c = excluded.c",
            "c = excluded.C",
            "b = excluded.b",
            "a = excluded.a, b = excluded.b",
            "b = b || 'x'",
        ]
        .choose(rng)
        .unwrap();
        let pipeline = format!(
            "CREATE TABLE t (a, b, c, d); INSERT INTO t (a, b, c) SELECT CAST(a AS INTEGER), b, c FROM input WHERE true
            ON CONFLICT (a) DO UPDATE SET {set}"
        );
        let mut effects = Vec::new();
        for writer in ["auto", "statements"] {
            let dir = TestDir::with_pipeline(
                &csv,
                &pipeline.replace("(a, b, c, d)", &format!("({key}, b, c, d{default})")),
            );
            dir.open("people.db").execute_batch(&setup).unwrap();
            let load =
                ["run-pipeline", "people.sql", "--append", "--report", "-", "--verify", "--writer", writer];
            let report = dir.run(&load).expect_code(0).report();
            if writer == "auto" {
                direct += usize::from(report["writer"] == "direct");
                reasons.extend(report["writer_reason"].as_str().map(str::to_owned));
            }
            let database = dir.open("people.db");
            assert_eq!(query(&database, "PRAGMA integrity_check"), "ok", "seed {seed}");
            effects.push((
                report["updated"].clone(),
                rows_of(&database, "SELECT rowid, * FROM t ORDER BY rowid"),
            ));
        }
        assert!(effects[0] == effects[1], "seed {seed}: {setup}\n{pipeline}");
    }
    assert!(direct > seeds.count() / 2, "{direct} loads took the direct path: {reasons:?}");
    let docs = include_str!("../../docs/how-it-works.md");
    assert!(reasons.iter().all(|reason| docs.contains(&format!("\n| {reason} | "))), "{reasons:?}");
}

/// A load with `--upsert` takes statements for the documented reason, or the direct path.
#[test]
fn reasons_against_updating_rows_are_documented() {
    let docs = include_str!("../../docs/how-it-works.md");
    let clause = "the table has the clause ON CONFLICT IGNORE or REPLACE";
    let several = "ON CONFLICT names one of several keys";
    let without_rowid = "rows of a WITHOUT ROWID table that has indexes are updated or replaced";
    for (table, reason) in [
        ("(k TEXT PRIMARY KEY, v)", None),
        ("(v, k INTEGER PRIMARY KEY)", None),
        ("(k, v, g AS (k || v), PRIMARY KEY (k)) WITHOUT ROWID", None),
        (
            "(k TEXT PRIMARY KEY, v TEXT, g AS (v || 'x') STORED, CHECK (v <> g)); CREATE INDEX i ON t (g)",
            None,
        ),
        ("(k TEXT PRIMARY KEY, v); CREATE INDEX i ON t (v || 'x') WHERE v > 'b'", None),
        ("(k TEXT PRIMARY KEY, v, other DEFAULT 5); CREATE INDEX i ON t (other, v)", None),
        (
            "(k TEXT PRIMARY KEY, v, other CHECK (other > 4) DEFAULT 5)",
            Some("rows that are updated keep values, and the table has expressions"),
        ),
        (
            "(k TEXT PRIMARY KEY, v, other) WITHOUT ROWID",
            Some("rows of a WITHOUT ROWID table are updated and keep values"),
        ),
        (
            "(k TEXT PRIMARY KEY COLLATE NOCASE, v)",
            Some("rows that are updated have another spelling of their key"),
        ),
        ("(k TEXT PRIMARY KEY, v UNIQUE)", Some(several)),
        ("(k TEXT PRIMARY KEY, v) WITHOUT ROWID; CREATE INDEX i ON t (v)", Some(without_rowid)),
        ("(k TEXT PRIMARY KEY ON CONFLICT REPLACE, v)", Some(clause)),
        ("(k INTEGER PRIMARY KEY AUTOINCREMENT, v)", Some("ignored rows use up numbers of AUTOINCREMENT")),
        (
            "(k TEXT PRIMARY KEY, v CHECK (rowid < 100000))",
            Some("rows have the same keys, and SQLite chooses some of the rowids"),
        ),
    ] {
        let dir = TestDir::new();
        let key =
            |number: i64| if table.contains("TEXT") { format!("k{number}") } else { number.to_string() };
        let other_case = if table.contains("NOCASE") { key(1).to_uppercase() } else { key(1) };
        let others: String = (100..500).map(|number| format!("{},b{number}\n", key(number))).collect();
        dir.write("in.csv", format!("k,v\n{other_case},new\n{others}{},c\n", key(100)));
        let rows = (1..9).map(|number| format!("('{}', 'old {number}')", key(number))).collect::<Vec<_>>();
        let setup = format!("CREATE TABLE t {table}; INSERT INTO t (k, v) VALUES {}", rows.join(","));
        let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--upsert", "--report", "-"];
        let mut content = Vec::new();
        for writer in ["auto", "statements"] {
            let _ = std::fs::remove_file(dir.path("out.db"));
            dir.open("out.db").execute_batch(&setup).unwrap();
            let report = dir.run(&[&load[..], &["--writer", writer]].concat()).expect_code(0).report();
            if writer == "auto" {
                assert_eq!(report["writer_reason"].as_str(), reason, "{table}");
            }
            content.push((report["updated"].clone(), rows_of(&dir.open("out.db"), "SELECT * FROM t")));
        }
        assert_eq!(content[0], content[1], "{table}");
        let is_documented = |reason: &str| docs.contains(&format!("\n| {reason} | "));
        assert!(reason.is_none_or(is_documented), "{table}");
    }
}

/// A pipeline with ON CONFLICT DO UPDATE takes statements for the documented reason, or the direct path.
#[test]
fn reasons_against_on_conflict_clauses_are_documented() {
    let docs = include_str!("../../docs/how-it-works.md");
    for (csv, set, reason) in [
        ("1,2\n9,9\n", "b = excluded.b", None),
        ("1,2\n9,9\n", "b = excluded.b WHERE b < 7", Some("SQLite evaluates ON CONFLICT DO UPDATE")),
        ("1,2\n9,9\n", "b = b || excluded.b", Some("SQLite evaluates ON CONFLICT DO UPDATE")),
        (
            "1,2\n9,9\n9,8\n",
            "a = excluded.a",
            Some("rows have the same keys, and ON CONFLICT keeps values of the first one"),
        ),
        ("1,2\n9,9\n9,8\n", "b = excluded.b", None),
        (
            "1,2\n9,9\n",
            "a = excluded.a",
            Some("rows that are updated keep values of columns that were added to the table"),
        ),
    ] {
        let sql = format!(
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b);
            INSERT INTO t SELECT a, b FROM input WHERE true ON CONFLICT (a) DO UPDATE SET {set}"
        );
        let rows = ["auto", "statements"].map(|writer| {
            let dir = TestDir::with_pipeline(&format!("a,b\n{csv}"), &sql);
            let setup = "CREATE TABLE t (a INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ADD COLUMN b";
            dir.open("people.db").execute_batch(setup).unwrap();
            let load = ["run-pipeline", "people.sql", "--append", "--report", "-", "--writer", writer];
            let report = dir.run(&load).expect_code(0).report();
            if writer == "auto" {
                assert_eq!(report["writer_reason"].as_str(), reason, "{csv:?}: {set}");
            }
            rows_of(&dir.open("people.db"), "SELECT * FROM t ORDER BY a")
        });
        assert_eq!(rows[0], rows[1], "{csv:?}: {set}");
        assert!(reason.is_none_or(|reason| docs.contains(&format!("\n| {reason} | "))), "{set}");
    }
}

/// SQLite looks for NULLs before it looks for keys. An upsert that does not load a NOT NULL column updates rows nevertheless.
#[test]
fn updates_keep_not_null_columns_that_are_not_loaded() {
    let reason = "rows that are updated keep values of NOT NULL columns without a default";
    assert!(include_str!("../../docs/how-it-works.md").contains(&format!("\n| {reason} | ")));
    let contents = ["auto", "statements"].map(|writer| {
        let dir = TestDir::new();
        dir.write("in.csv", format!("a,b\n{}", (0..200).map(|row| format!("{row},new\n")).collect::<String>()));
        let setup = "CREATE TABLE t (a INTEGER PRIMARY KEY, b, c NOT NULL);
            WITH n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100) INSERT INTO t SELECT n, 'old', n FROM n";
        dir.open("out.db").execute_batch(setup).unwrap();
        let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--upsert", "--on-error", "skip"];
        let stderr = dir.run(&[&load[..], &["--writer", writer]].concat()).expect_code(3).stderr;
        assert!(stderr.contains("100 loaded (0 inserted, 100 updated), 100 rejected"), "{stderr}");
        assert!(writer != "auto" || stderr.contains(reason), "{stderr}");
        rows_of(&dir.open("out.db"), "SELECT * FROM t ORDER BY a")
    });
    assert_eq!(contents[0], contents[1]);
}

#[test]
fn updates_need_a_primary_key_that_is_loaded() {
    for (table, names) in [
        ("(a INTEGER UNIQUE, b)", "a,b"),
        ("(a TEXT PRIMARY KEY, b)", "b"),
        ("(a INTEGER PRIMARY KEY, b)", "b"),
        ("(a, c DEFAULT 7, b, PRIMARY KEY (a, c))", "a,b"),
        ("(a, b)", "a,b"),
    ] {
        let dir = TestDir::new();
        dir.write("in.csv", format!("{names}\n{}\n", names.replace(|char| char != ',', "1")));
        dir.open("out.db")
            .execute_batch(&format!("CREATE TABLE t {table}; INSERT INTO t DEFAULT VALUES"))
            .unwrap();
        let before = dir.snapshot();
        let messages = ["auto", "statements"].map(|writer| {
            let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--upsert", "--writer", writer];
            dir.run(&load).expect_code(2).stderr
        });
        assert_eq!(messages[0], messages[1], "{table}");
        dir.assert_unchanged(&before);
    }
}

/// SQLite checks constraints before it looks for keys, so a row that breaks both kinds does not count as a duplicate.
#[test]
fn a_duplicate_that_breaks_another_constraint_is_reported_as_such() {
    for constraint in ["CHECK (b <> 'bad')", "NOT NULL"] {
        for writer in ["auto", "statements"] {
            let dir = TestDir::new();
            let schema = format!(
                "CREATE TABLE t (a INTEGER UNIQUE, b TEXT {constraint}); INSERT INTO t VALUES (7, 'x')"
            );
            dir.open("out.db").execute_batch(&schema).unwrap();
            dir.write("in.csv", "a,b\n1,x\n7,bad\n1,x\n2,x\n");
            let load =
                ["load", "in.csv", "out.db", "-t", "t", "--append", "--null", "bad", "--writer", writer];
            let load = if constraint == "NOT NULL" { &load[..] } else { &[&load[..6], &load[8..]].concat() };
            let ignored = dir.run(&[load, &["--ignore"]].concat());
            ignored.expect_code(1).assert_single_message(&["line 3 (record 2", "constraint failed"]);
            let skipped = dir.run(&[load, &["--on-error", "skip"]].concat()).expect_code(3).stderr;
            let name = constraint.split(' ').next().unwrap();
            assert!(skipped.contains(&format!("(record 2, byte 8): rejected: {name} ")), "{skipped}");
            assert!(skipped.contains("(record 3, byte 14): rejected: UNIQUE "), "{skipped}");
        }
    }
}

#[test]
fn keys_beyond_the_memory_limit_take_statements() {
    let dir = TestDir::new();
    let rows: String = (0..2_000).map(|row| format!("{}\n", row * 7_919 % 1_999)).collect();
    dir.write("in.csv", "a\n".to_owned() + &rows);
    let loader = Loader::new("t").unique(["a"]).on_error(OnError::Skip).memory_bytes(1_000);
    let report = loader.load(dir.path("in.csv"), dir.path("out.db")).unwrap();
    assert_eq!((report.loaded, report.rejected, report.writer), (1_999, 1, "statements"));
    let reason = "rows have the same keys, and sorting all keys takes more than 1000 bytes";
    assert_eq!(report.writer_reason.as_deref(), Some(reason));
    assert!(include_str!("../../docs/how-it-works.md").contains(&format!("\n| {reason} | ")));
}
