//! WITHOUT ROWID tables: the direct path against the statement path.

use crate::common::{Outcome, TestDir, query, rows_of};
use crate::twin::Case;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::ops::Range;

/// Declarations of tables with columns `id`, `name`, `price` and `day`, and their primary keys.
const TABLES: [(&str, &str); 9] = [
    ("id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL, day", "id"),
    ("id INT, name TEXT, price REAL, day TEXT, PRIMARY KEY (name, id)", "name, id"),
    ("id, name TEXT COLLATE NOCASE, price, day UNIQUE, PRIMARY KEY (name DESC, price)", "name DESC, price"),
    ("id, name, price REAL, day, PRIMARY KEY (price, id, price), UNIQUE (name, id, day)", "price, id"),
    (
        "id, name COLLATE NOCASE, price, day, PRIMARY KEY (name COLLATE BINARY, name, id)",
        "name COLLATE BINARY, id",
    ),
    (
        "id INT, g AS (id + 1), s TEXT AS (g || name) STORED UNIQUE, name, price, day, PRIMARY KEY (name, id), CHECK (id > 0)",
        "name, id",
    ),
    ("id TEXT PRIMARY KEY DESC, more DEFAULT 7, name CHECK (name <> ''), price, day", "id DESC"),
    ("id INT UNIQUE, name TEXT, price REAL, day ANY, PRIMARY KEY (day, id DESC, name)", "day, id DESC, name"),
    ("id INTEGER NOT NULL, name BLOB, price, day DEFAULT 'x', PRIMARY KEY (id)", "id"),
];

const INDEXES: [&str; 5] = [
    "CREATE INDEX by_day ON t (day, name DESC)",
    "CREATE INDEX by_name ON t (name COLLATE NOCASE, id)",
    "CREATE UNIQUE INDEX by_id ON t (id DESC)",
    "CREATE INDEX by_length ON t (length(name), price)",
    "CREATE INDEX by_price ON t (price) WHERE day > '2024-01-15'",
];

fn csv(rows: impl Iterator<Item = usize>) -> String {
    let row = |row: usize| {
        let pad = "~".repeat(if row % 500 == 7 { 3_000 } else { row % 40 });
        let day = format!("2024-01-{:02} {row}{pad}", row * 7 % 31);
        format!("{},Name {},{row}.{},{day}\n", row * 3 + 1, row * 7919 % 10_007, row % 4 * 2 + 1)
    };
    "id,name,price,day\n".to_owned() + &rows.map(row).collect::<String>()
}

fn load(dir: &TestDir, writer: &str, more: &[&str]) -> Outcome {
    let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--jobs", "4", "--verify"];
    dir.run(&[&load[..], &["--writer", writer], more].concat())
}

/// All rows of `t` in the order of its primary key, and the entries of its indexes, of an intact database.
fn content(database: &Connection, key: &str) -> String {
    assert_eq!(query(database, "PRAGMA integrity_check"), "ok");
    let mut content =
        format!("{:?}", rows_of(database, &format!("SELECT * FROM t NOT INDEXED ORDER BY {key}")));
    for (index, order) in [
        ("by_day", "day, name DESC"),
        ("by_name", "name COLLATE NOCASE, id"),
        ("by_id", "id DESC"),
        ("by_length", "length(name), price"),
    ] {
        let sql = format!("SELECT id, name, day FROM t INDEXED BY {index} ORDER BY {order}, {key}");
        content += &format!("{:?}", rows_of(database, &sql));
    }
    content
}

#[test]
fn both_writers_store_the_same_rows() {
    // The rows of each load: in order, among the others, and behind them.
    let loads: [&dyn Fn() -> String; 3] =
        [&|| csv((0..1_000).map(|row| row * 2)), &|| csv((0..1_000).map(|row| row * 2 + 1)), &|| {
            csv(2_000..3_500)
        }];
    let dir = TestDir::new();
    for (number, (table, key)) in TABLES.iter().enumerate() {
        for encoding in ["UTF-8", "UTF-16le"] {
            if encoding != "UTF-8" && (number % 2 == 0 || table.contains("NOCASE")) {
                continue;
            }
            let contents = ["direct", "statements"].map(|writer| {
                let page_bytes = [512, 1024, 4096, 65536][number % 4];
                let strict = if table.contains("ANY") { "STRICT, " } else { "" };
                let indexes = INDEXES.iter().filter(|sql| encoding == "UTF-8" || !sql.contains("NOCASE"));
                let indexes: Vec<_> = indexes.copied().collect();
                let sql = format!(
                    "PRAGMA encoding = '{encoding}'; PRAGMA page_size = {page_bytes};
                    CREATE TABLE t ({table}) {strict}WITHOUT ROWID; CREATE TABLE other (x); {}",
                    indexes.join(";")
                );
                dir.open("out.db").execute_batch(&sql).unwrap_or_else(|error| panic!("{table}: {error}"));
                let mut contents = Vec::new();
                for csv in &loads {
                    dir.write("in.csv", csv());
                    load(&dir, writer, &[]).expect_code(0);
                    let database = dir.open("out.db");
                    if encoding != "UTF-8" {
                        database
                            .execute_batch("CREATE INDEX by_name ON t (name COLLATE NOCASE, id)")
                            .unwrap();
                    }
                    contents.push(content(&database, key));
                    if encoding != "UTF-8" {
                        database.execute_batch("DROP INDEX by_name").unwrap();
                    }
                }
                let database = dir.open("out.db");
                let changes = "UPDATE t SET price = price + 1; DELETE FROM t WHERE id % 5 = 0;
                    UPDATE t SET day = 'x' || day WHERE id % 7 = 1; CREATE INDEX IF NOT EXISTS by_name
                    ON t (name COLLATE NOCASE, id); VACUUM";
                database.execute_batch(changes).unwrap();
                contents.push(content(&database, key));
                std::fs::remove_file(dir.path("out.db")).unwrap();
                contents
            });
            assert!(contents[0] == contents[1], "{table} in {encoding}");
        }
    }
}

#[test]
fn new_databases_have_the_same_rows() {
    let dir = TestDir::new();
    dir.write("in.csv", csv(0..5_000));
    for options in [
        &["--pk", "id"][..],
        &["--pk", "name", "--pk", "id", "--index", "day"],
        &["--pk", "name", "--strict"],
    ] {
        let contents = ["direct", "statements"].map(|writer| {
            let load =
                ["load", "in.csv", "out.db", "-t", "t", "--without-rowid", "--replace", "--writer", writer];
            dir.run(&[&load[..], &["--verify"], options].concat()).expect_code(0);
            let database = dir.open("out.db");
            assert_eq!(query(&database, "PRAGMA integrity_check"), "ok");
            rows_of(&database, "SELECT *, typeof(price) FROM t")
        });
        assert!(contents[0] == contents[1], "{options:?}");
    }
}

/// The entries of some values take three bytes, and a cell of a leaf at least four.
#[test]
fn keys_of_one_short_value_match_sqlite() {
    let text = |text: &str| Value::Text(text.to_owned());
    for integers in (0..240).step_by(13).chain([3_000]) {
        let texts = (0..integers % 70 + 2).map(|row| text(&format!("{row:03}")));
        let short = [text(""), Value::Blob(Vec::new())];
        let mut rows: Vec<_> = (-60..integers).map(Value::Integer).chain(texts).chain(short).collect();
        for step in [1, 7] {
            let mixed = (0..rows.len()).map(|row| vec![rows[row * step % rows.len()].clone()]).collect();
            let mut case = Case::new(512, &[("a", "")], mixed, 20);
            case.primary_key = ["a", "a DESC"][step % 2].to_owned();
            if rows.len() % 7 == 0 {
                break;
            }
            let case = case.index("CREATE INDEX i ON t (a DESC)").index("CREATE UNIQUE INDEX u ON t (a)");
            case.check();
            case.check_append(case.chunks.len() / 2, integers % 2 == 0);
        }
        // In the order of the key.
        let last = rows.split_off(rows.len() - 2);
        rows.splice((60 + integers) as usize..(60 + integers) as usize, last[..1].to_vec());
        rows.extend(last[1..].to_vec());
        let mut case = Case::new(512, &[("a", "")], rows.into_iter().map(|value| vec![value]).collect(), 9);
        case.primary_key = "a".to_owned();
        let case = case.index("CREATE INDEX i ON t (a)");
        case.check();
        case.check_append(case.chunks.len() / 2, false);
    }
}

/// A record that breaks a constraint after `rows` others, of a table with a row before.
fn broken(rows: Range<usize>) -> [(&'static str, String, &'static str); 5] {
    let rows: String = rows.map(|row| format!("{row},b{row}\n")).collect();
    let csv = |record: &str| format!("a,b\n{rows}{record}\n");
    [
        ("a INT PRIMARY KEY, b", csv("12,x"), "UNIQUE constraint failed: t.a"),
        ("a INT, b, PRIMARY KEY (b, a)", csv("12,b12"), "UNIQUE constraint failed: t.b, t.a"),
        ("a INT, b UNIQUE, PRIMARY KEY (a DESC)", csv("999999,b17"), "UNIQUE constraint failed: t.b"),
        ("a INT PRIMARY KEY, b UNIQUE", csv("3,old"), "UNIQUE constraint failed: t."),
        ("a INT PRIMARY KEY, b CHECK (b <> 'no')", csv("999999,no"), "CHECK constraint failed: b <> 'no'"),
    ]
}

#[test]
fn records_that_break_a_constraint_are_named() {
    let dir = TestDir::new();
    for rows in [10..40, 10..20_000] {
        for (table, csv, message) in broken(rows.clone()) {
            dir.write("in.csv", &csv);
            let line = rows.len() + 2;
            for writer in ["auto", "statements"] {
                let sql = format!("CREATE TABLE t ({table}) WITHOUT ROWID; INSERT INTO t VALUES (3, 'old')");
                dir.open("out.db").execute_batch(&sql).unwrap();
                let place = format!("line {line} (record {},", line - 1);
                load(&dir, writer, &[]).expect_code(1).assert_single_message(&[&place, message]);
                assert_eq!(query(&dir.open("out.db"), "SELECT group_concat(b) FROM t"), "old");
                let skip = ["--on-error", "skip", "--rejects", "bad.csv"];
                load(&dir, writer, &skip).expect_code(3);
                let count = query(&dir.open("out.db"), "SELECT count(*) FROM t");
                assert_eq!(count, (rows.len() + 1).to_string(), "{table}");
                assert_eq!(dir.reasons("bad.csv").len(), 1);
                std::fs::remove_file(dir.path("out.db")).unwrap();
            }
        }
    }
}

#[test]
fn a_key_has_no_nulls() {
    let dir = TestDir::new();
    dir.write("in.csv", "a,b\n1,x\n,y\n");
    for writer in ["direct", "statements"] {
        dir.open("out.db").execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY, b) WITHOUT ROWID").unwrap();
        let message = ["line 3 (record 2,", "NOT NULL constraint failed: t.a"];
        load(&dir, writer, &["--empty-null"]).expect_code(1).assert_single_message(&message);
        std::fs::remove_file(dir.path("out.db")).unwrap();
    }
}

#[test]
fn unsorted_rows_beyond_the_memory_limit_take_statements() {
    let dir = TestDir::new();
    dir.write("in.csv", csv((0..5_000).rev()));
    let load = ["load", "in.csv", "out.db", "--pk", "id", "--without-rowid", "--memory", "64K"];
    let reason =
        "the rows are not in the order of their PRIMARY KEY, and sorting them takes more than 65536 bytes";
    assert!(dir.run(&load).expect_code(0).stderr.contains(reason));
    assert_eq!(query(&dir.open("out.db"), "SELECT count(*) FROM \"in\""), "5000");
}
