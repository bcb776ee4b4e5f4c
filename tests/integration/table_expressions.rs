//! Generated columns and CHECK constraints: the direct path against the statement path.

use crate::common::{Outcome, TestDir, query, rows_of, text};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use std::ops::Range;

/// Declarations of tables with columns `id`, `name`, `price` and `day`.
const TABLES: [&str; 13] = [
    "id INTEGER PRIMARY KEY, name TEXT, price REAL, day DATE, g AS (price * 2), CHECK (id > 0 AND price < 1e9))",
    "id INTEGER, name TEXT NOT NULL, price REAL NOT NULL, day, g REAL NOT NULL AS (id + 1) STORED, h INTEGER AS (g) UNIQUE)",
    "g TEXT AS (upper(name)) STORED, id INT, name TEXT COLLATE NOCASE CHECK (name <> 'NONE'), price TEXT, day BLOB)",
    // As texts, some ids are greater.
    "id TEXT CHECK (id > 0), name TEXT, price NUMERIC, day TEXT, g AS (id < 10), h AS (id + 0) UNIQUE)",
    "id, name, price DATE CHECK (typeof(price) <> 'text'), day, c TEXT DEFAULT 'x' CHECK (c = 'x'), d AS (c || id))",
    "id INTEGER PRIMARY KEY AUTOINCREMENT, name, price, day, g AS (id || name) STORED UNIQUE, CHECK (rowid = id))",
    "id, name, price, day, rowid AS (id + 1), CHECK (oid < 1000000))",
    "id, name, price, day, g AS (length(name)) NOT NULL, CHECK (_rowid_ BETWEEN 1 AND 30000))",
    "a AS (b + 1), b AS (id * 2) STORED, id INT, name TEXT, price REAL, day TEXT, c AS (hex(a || b)) STORED)",
    "id INT, name TEXT, price REAL, day ANY, g TEXT AS (day || name) STORED, h ANY AS (price), CHECK (h < 1e9)) STRICT",
    "id INT, name TEXT, price REAL NOT NULL, day TEXT NOT NULL, g BLOB AS (CAST(name AS BLOB)), CHECK (length(g) < 99)) STRICT",
    "id, name, price, day, g AS (CAST(x'00d8' AS TEXT)) STORED, h AS (g || name), CHECK (day IS NOT NULL))",
    "\"i\"\"d\" DEFAULT 4, id, name CHECK (name NOT LIKE '%''%'), price REAL, day, [a b] AS (\"i\"\"d\" + id), c REAL AS (price) STORED)",
];

/// A database with the empty table `t`, an index, and another table.
fn create(dir: &TestDir, table: &str, first: &str) {
    let database = dir.open("out.db");
    let indexes = if table.contains(" g ") { "CREATE INDEX by_g ON t (g DESC, day)" } else { "" };
    let sql = format!(
        "{first}; CREATE TABLE t ({table}; CREATE INDEX by_day ON t (day, name); {indexes}; CREATE TABLE other (x)"
    );
    database.execute_batch(&sql).unwrap_or_else(|error| panic!("{table}: {error}"));
}

fn csv(rows: Range<usize>) -> String {
    let row = |row: usize| {
        format!(
            "{},Name {},{row}.{},2024-01-{}\n",
            row * 3 + 1,
            row * 7 % 1009,
            row % 4 * 2 + 1,
            row % 21 + 10
        )
    };
    "id,name,price,day\n".to_owned() + &rows.map(row).collect::<String>()
}

fn load(dir: &TestDir, writer: &str, more: &[&str]) -> Outcome {
    let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--jobs", "4"];
    dir.run(&[&load[..], &["--verify", "--writer", writer], more].concat())
}

/// All rows of `t` in the order of their rowids, and the entries of its indexes, of an intact database.
fn content(database: &Connection) -> String {
    assert_eq!(query(database, "PRAGMA integrity_check"), "ok");
    let rows = rows_of(database, "SELECT _rowid_, * FROM t NOT INDEXED ORDER BY _rowid_");
    let by_day =
        rows_of(database, "SELECT day, name, _rowid_ FROM t INDEXED BY by_day ORDER BY day, name, _rowid_");
    let has_g = query(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'by_g'") == "1";
    let by_g = "SELECT g, day, _rowid_ FROM t INDEXED BY by_g ORDER BY g DESC, day, _rowid_";
    let by_g = if has_g { rows_of(database, by_g) } else { Vec::new() };
    format!("{rows:?}\n{by_day:?}\n{by_g:?}")
}

#[test]
fn both_writers_store_the_same_rows() {
    let dir = TestDir::new();
    for (number, table) in TABLES.iter().enumerate() {
        for encoding in ["UTF-8", ["UTF-16le", "UTF-16be"][number % 2]] {
            if encoding != "UTF-8" && table.contains("NOCASE") {
                continue;
            }
            let contents = ["direct", "statements"].map(|writer| {
                let page_bytes = [512, 4096, 65536][number % 3];
                create(
                    &dir,
                    table,
                    &format!("PRAGMA encoding = '{encoding}'; PRAGMA page_size = {page_bytes}"),
                );
                // Into the empty table, then behind its rows.
                let mut contents = String::new();
                for rows in [0..2_000, 2_000..3_500] {
                    dir.write("in.csv", csv(rows));
                    load(&dir, writer, &[]).expect_code(0);
                    contents += &content(&dir.open("out.db"));
                }
                let database = dir.open("out.db");
                database
                    .execute_batch("UPDATE t SET id = id + 1; DELETE FROM t WHERE id % 5 = 0; VACUUM")
                    .unwrap();
                contents += &content(&database);
                std::fs::remove_file(dir.path("out.db")).unwrap();
                contents
            });
            assert_eq!(contents[0], contents[1], "{table} in {encoding}");
        }
    }
}

#[test]
fn new_databases_have_the_same_rows() {
    let dir = TestDir::new();
    for table in TABLES {
        let sql = format!(
            "CREATE TABLE t ({table}; INSERT INTO t (name, id, day, price)
            SELECT name, id, day, price FROM input; CREATE INDEX by_day ON t (day, name)"
        );
        dir.write("p.sql", sql);
        dir.write("in.csv", csv(0..5_000));
        let contents = ["direct", "statements"].map(|writer| {
            let run =
                ["run-pipeline", "p.sql", "-i", "in.csv", "--database", "out.db", "--replace", "--jobs", "3"];
            dir.run(&[&run[..], &["--writer", writer]].concat()).expect_code(0);
            content(&dir.open("out.db"))
        });
        assert_eq!(contents[0], contents[1], "{table}");
    }
}

/// The names have a meaning in the SQL that evaluates expressions.
#[test]
fn tables_and_columns_may_have_any_name() {
    for (table, column) in [
        ("input", "column0"),
        ("excluded", "excluded"),
        ("kept", "input"),
        ("a\"b", "sqload_keep"),
        ("T", "oid"),
        ("input_rows", "kept"),
    ] {
        let dir = TestDir::new();
        let quoted = table.replace('"', "\"\"");
        let sql = format!(
            "CREATE TABLE \"{quoted}\" (\"{column}\" INT CHECK (\"{column}\" > 5), b TEXT,
            g AS (\"{column}\" * 10) STORED, rowid AS (b || b))"
        );
        dir.open("out.db").execute_batch(&sql).unwrap();
        let load = ["load", "in.csv", "out.db", "-t", table, "--append", "--writer", "direct"];
        dir.write("in.csv", format!("{column},b\n7,x\n8,y\n"));
        dir.run(&load).expect_code(0);
        let rows = rows_of(&dir.open("out.db"), &format!("SELECT * FROM \"{quoted}\""));
        assert_eq!(format!("{rows:?}").matches(['7', '8']).count(), 4, "{rows:?}");
        assert_eq!(rows[1][2..], [Value::Integer(80), text("yy")]);
        dir.write("in.csv", format!("{column},b\n7,x\n5,y\n"));
        dir.run(&load)
            .expect_code(1)
            .assert_single_message(&["line 3 (record 2", "CHECK constraint failed: "]);
    }
}

/// Declarations, and the message for the record 9000 of 12,000, whose fields are `x` and `-1`.
const BROKEN: [(&str, &str); 13] = [
    ("a, b INT CHECK (b >= 0))", "CHECK constraint failed: b >= 0"),
    ("a, b INT, CONSTRAINT \"the rule\" CHECK (a <> 'x'))", "CHECK constraint failed: the rule"),
    ("a, b INT, CHECK (b > 0 OR a IS NULL), CHECK (b <> -1))", "CHECK constraint failed: b > 0 OR a IS NULL"),
    ("a, b INT, g INT NOT NULL AS (nullif(b, -1)))", "NOT NULL constraint failed: t.g"),
    ("a, b INT, g INT NOT NULL AS (nullif(b, -1)) STORED)", "NOT NULL constraint failed: t.g"),
    (
        "a ANY, b INT, g INT AS (iif(b < 0, 'text', b)) STORED) STRICT",
        "cannot store TEXT value in INT column t.g",
    ),
    ("a ANY, b INT, g INT AS (iif(b < 0, x'00', b))) STRICT", "cannot store BLOB value in INT column t.g"),
    ("a, b INT, g AS (json(iif(b < 0, '{', '[]'))))", "malformed JSON"),
    ("a, b INT CHECK (abs(iif(b < 0, -9223372036854775807 - 1, 1)) > 0))", "integer overflow"),
    ("a, b CHECK (b <> '-1'), g AS (b + 1))", "CHECK constraint failed: b <> '-1'"),
    // Only the rowid shows which row it is.
    (
        "a, b INT, g INT AS (nullif(b, -1)) NOT NULL ON CONFLICT FAIL, CHECK (b < 20000))",
        "NOT NULL constraint failed: t.g",
    ),
    ("a, b, CHECK (rowid <> 9000))", "CHECK constraint failed: rowid <> 9000"),
    (
        "a CHECK (b > 20000), b NOT NULL CHECK (b IS NOT '-1'), c DEFAULT 2)",
        "CHECK constraint failed: b IS NOT '-1'",
    ),
];

#[test]
fn both_writers_name_the_record_that_breaks_a_rule() {
    let dir = TestDir::new();
    let row = |row: usize| if row == 9_000 { "x,-1\n".to_owned() } else { format!("a{row},{row}\n") };
    dir.write("in.csv", "a,b\n".to_owned() + &(1..=12_000).map(row).collect::<String>());
    for (table, message) in BROKEN {
        let messages = ["direct", "statements"].map(|writer| {
            dir.open("out.db").execute_batch(&format!("CREATE TABLE t ({table}")).unwrap();
            let outcome = load(&dir, writer, &[]).expect_code(1);
            outcome.assert_single_message(&["line 9001 (record 9000", message]);
            std::fs::remove_file(dir.path("out.db")).unwrap();
            outcome.stderr.split("; fix").next().unwrap().to_owned()
        });
        assert_eq!(messages[0], messages[1], "{table}");
    }
}

#[test]
fn rejects_are_the_same_with_either_writer() {
    let dir = TestDir::new();
    let row = |row: usize| if row % 997 == 4 { "x,-1\n".to_owned() } else { format!("a{row},{row}\n") };
    dir.write("in.csv", "a,b\n".to_owned() + &(1..=9_000).map(row).collect::<String>());
    for (table, _) in BROKEN.iter().filter(|(table, _)| !table.contains("rowid")) {
        let outcomes = ["auto", "statements"].map(|writer| {
            dir.open("out.db").execute_batch(&format!("CREATE TABLE t ({table}")).unwrap();
            let skip = ["--on-error", "skip", "--rejects", "bad.csv"];
            let outcome = load(&dir, writer, &skip).expect_code(3);
            if writer == "auto" {
                assert!(outcome.stderr.contains("(direct writer)"), "{}", outcome.stderr);
            }
            let rows = rows_of(&dir.open("out.db"), "SELECT rowid, * FROM t ORDER BY rowid");
            std::fs::remove_file(dir.path("out.db")).unwrap();
            (rows, dir.read("bad.csv"), dir.reasons("bad.csv"))
        });
        assert_eq!(outcomes[0], outcomes[1], "{table}");
        assert_eq!(outcomes[0].2.len(), 10, "{table}");
    }
}

/// A rule of a single value and one of the whole row: the earlier row counts, in one chunk.
#[test]
fn the_first_row_that_breaks_any_rule_is_named() {
    let dir = TestDir::new();
    for (table, csv, line, message) in [
        ("a INT NOT NULL, b CHECK (b > 0))", "1,1\n2,-1\n,1\n", 3, "CHECK constraint failed: b > 0"),
        ("a INT NOT NULL, b CHECK (b > 0))", "1,1\n,-1\n2,-1\n", 3, "NOT NULL constraint failed: t.a"),
        ("a INTEGER PRIMARY KEY, b CHECK (b > 0))", "1,-1\nx,1\n", 2, "CHECK constraint failed: b > 0"),
        ("a INTEGER PRIMARY KEY, b CHECK (b > 0))", "1,1\nx,-1\n", 3, "datatype mismatch"),
        ("a INT, b INT CHECK (b > 0)) STRICT", "1,1\n2,-1\nx,1\n", 3, "CHECK constraint failed: b > 0"),
    ] {
        for writer in ["direct", "statements"] {
            dir.write("in.csv", format!("a,b\n{csv}"));
            let sql = format!(
                "CREATE TABLE input (a TEXT, b INT); CREATE TABLE t ({table};
                INSERT INTO t SELECT nullif(a, ''), b FROM input"
            );
            dir.write("p.sql", sql);
            let run =
                ["run-pipeline", "p.sql", "-i", "in.csv", "--database", "out.db", "--on-error", "abort"];
            let place = format!("line {line} ");
            let outcome = dir.run(&[&run[..], &["--writer", writer]].concat());
            outcome.expect_code(1).assert_single_message(&[&place, message]);
        }
    }
}

/// The program that made the table has a function of its own.
#[test]
fn expressions_that_sqlite_cannot_evaluate_take_statements() {
    let docs = include_str!("../../docs/how-it-works.md");
    let reason = "an expression of the table cannot be evaluated";
    assert!(docs.contains(&format!("\n| {reason} | ")));
    for table in ["a, b CHECK (mine(b) > 0)", "a, b AS (mine(a)) STORED"] {
        let dir = TestDir::new();
        let database = dir.open("out.db");
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        database.create_scalar_function("mine", 1, flags, |_| Ok(1)).unwrap();
        database.execute_batch(&format!("CREATE TABLE t ({table})")).unwrap();
        drop(database);
        dir.write("in.csv", "a\n1\n");
        load(&dir, "direct", &[]).expect_code(1).assert_single_message(&[reason, "mine"]);
        load(&dir, "statements", &[]).expect_code(1).assert_single_message(&["prepare an INSERT", "mine"]);
    }
}
