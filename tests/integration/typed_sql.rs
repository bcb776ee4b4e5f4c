//! SQL sees the types that the columns of a plain load have. `expressions.rs` compares random expressions with SQLite.

use crate::common::{TestDir, assert_contains, query, rows_of, text};
use rusqlite::types::Value;

const PRICES: &str = "name,price\nApple,9.5\nAvocado,10.25\nAnise,100\nBanana,20\nAlmond,\n";

/// The names in a table, in order.
fn names(dir: &TestDir, database: &str, table: &str) -> String {
    query(&dir.open(database), &format!("SELECT group_concat(name, ' ') FROM {table}"))
}

#[test]
fn conditions_compare_numbers() {
    let dir = TestDir::with_input(PRICES);
    let condition = "price > 10 AND name LIKE 'A%'";
    let load = ["load", "people.csv", "out.db", "--where", condition];
    dir.run(&load).expect_code(0);
    assert_eq!(names(&dir, "out.db", "people"), "Avocado Anise");
    let pipeline =
        format!("CREATE TABLE t (name, price); INSERT INTO t SELECT * FROM input WHERE {condition}");
    dir.write("p.sql", pipeline);
    dir.run(&["run-pipeline", "p.sql", "-i", "people.csv"]).expect_code(0);
    assert_eq!(names(&dir, "p.db", "t"), "Avocado Anise");
    let prices = rows_of(&dir.open("p.db"), "SELECT price FROM t");
    assert_eq!(prices, [[Value::Real(10.25)], [Value::Real(100.0)]]);
    // An empty field of a numeric column is NULL.
    dir.run(&["load", "people.csv", "null.db", "--where", "price IS NULL"]).expect_code(0);
    assert_eq!(names(&dir, "null.db", "people"), "Almond");
}

#[test]
fn a_dirty_value_that_makes_numbers_text_is_reported() {
    let dir = TestDir::with_input("name,price\nApple,9.5\nAvocado,10.25\nAnise,n/a\n");
    let expressions = [
        ["--where", "price > 10"],
        ["--where", "(price) BETWEEN 1 AND 10"],
        ["--where", "price IN (9.5, 10)"],
        ["--where", "-10 < price"],
        ["--select", "price * 2 AS double"],
    ];
    for options in expressions {
        let load = [&["load", "people.csv", "out.db", "--replace"], &options[..]].concat();
        let outcome = dir.run(&load).expect_code(0);
        let parts = ["price", "n/a", "line 4", "try_real(price)", "--type price=REAL"];
        assert_contains(&outcome.stderr, parts);
    }
    for condition in ["price > '10'", "name > 10", "try_real(price) > 10", "price || 'x' = name"] {
        let load = ["load", "people.csv", "out.db", "--replace", "--where", condition];
        let outcome = dir.run(&load).expect_code(0);
        assert!(!outcome.stderr.contains("try_real"), "{condition}: {}", outcome.stderr);
    }
    let load = ["load", "people.csv", "out.db", "--replace", "--where", "try_real(price) > 10"];
    dir.run(&load).expect_code(0);
    assert_eq!(names(&dir, "out.db", "people"), "Avocado");
}

#[test]
fn the_records_that_a_condition_removes_count_for_types() {
    // More than is looked at before a load.
    let mut csv = "name,n,price\n".to_owned();
    for row in 0..200_000 {
        csv += &format!("row {row},{row},{}\n", row % 7);
    }
    csv += "last,x,1.5\n";
    let dir = TestDir::with_input(&csv);
    for jobs in ["1", "3"] {
        let load = [
            "load",
            "people.csv",
            "out.db",
            "--replace",
            "-j",
            jobs,
            "--where",
            "name IN ('row 9', 'row 10')",
            "--select",
            "name, n, price, n < '9' AS less, price / 2 AS half",
        ];
        dir.run(&load).expect_code(0);
        let row = |name: &str, n: &str, price: f64, half: f64| {
            let less = Value::Integer((n < "9").into());
            vec![text(name), text(n), Value::Real(price), less, Value::Real(half)]
        };
        let expected = [row("row 9", "9", 2.0, 1.0), row("row 10", "10", 3.0, 1.5)];
        assert_eq!(rows_of(&dir.open("out.db"), "SELECT * FROM people"), expected);
    }
}

#[test]
fn a_value_that_is_not_of_a_requested_type_is_rejected_before_conditions_are_tested() {
    let dir = TestDir::with_input("name,price\nApple,9.5\nAnise,n/a\nBanana,20\n");
    for options in [["--where", "price > 10"], ["--where", "name = 'Banana'"], ["--select", "name"]] {
        let load = ["load", "people.csv", "out.db", "--replace", "--type", "price=REAL"];
        let load = [&load[..], &options, &["--on-error", "skip", "--report", "-"]].concat();
        let outcome = dir.run(&load).expect_code(3);
        assert_contains(&outcome.stdout, ["\"rejected\": 1"]);
        assert!(!names(&dir, "out.db", "people").contains("Anise"), "{options:?}");
    }
}

#[test]
fn functions_of_fields_do_not_depend_on_types() {
    let list = "hash64(n) AS hash, try_integer(n) AS number, try_real(n) AS real";
    let load = |csv: &str| {
        let dir = TestDir::with_input(csv);
        dir.run(&["load", "people.csv", "out.db", "--select", list]).expect_code(0);
        let explained =
            dir.run(&["load", "people.csv", "out.db", "--replace", "--select", list, "--explain"]);
        assert!(!explained.expect_code(0).stdout.contains("column "));
        rows_of(&dir.open("out.db"), "SELECT * FROM people LIMIT 2")
    };
    let expected = load("n\n7\n1.50\nx\n");
    assert_eq!(load("n\n7\n1.50\n"), expected);
    assert_eq!(load("n\n7\n1.50\n007\n"), expected);
    // Anything else is hashed as the text that SQLite makes of it.
    let dir = TestDir::with_input("n\n7\n");
    dir.run(&[
        "load",
        "people.csv",
        "out.db",
        "--select",
        "hash64(n) = hash64(n || '') AS a, hash64(n + 0) = hash64('7') AS b",
    ])
    .expect_code(0);
    assert_eq!(query(&dir.open("out.db"), "SELECT a || b FROM people"), "11");
}

#[test]
fn explain_shows_the_types_of_the_columns_that_expressions_use() {
    let dir = TestDir::with_input("name,n,price\nApple,1,9.5\n");
    dir.write("p.sql", "CREATE TABLE t (a, b); INSERT INTO t SELECT upper(name), price * n FROM input");
    let parts = ["column    name  TEXT", "column    price  REAL", "column    n      INTEGER"];
    let outcome = dir.run(&["run-pipeline", "p.sql", "-i", "people.csv", "--explain"]).expect_code(0);
    for part in parts {
        let words: Vec<_> = part.split_whitespace().collect();
        let has_line =
            |output: &str| output.lines().any(|line| line.split_whitespace().eq(words.iter().copied()));
        assert!(has_line(&outcome.stdout), "{part}: {}", outcome.stdout);
        let check = dir.run(&["check", "p.sql", "-i", "people.csv"]).expect_code(0);
        assert!(has_line(&check.stdout), "{part}: {}", check.stdout);
    }
}

#[test]
fn a_pipeline_declares_types_of_its_input() {
    let dir = TestDir::with_input("code,price,n\n1,9.5,7\n2,x,8\n3,10,9\n");
    let target = "CREATE TABLE t (a, b, c); INSERT INTO t SELECT code, price, n + 0 FROM input WHERE n <> 7";
    dir.write("p.sql", format!("create table Input (CODE text, price REAL, n); {target}"));
    let outcome = dir.run(&["run-pipeline", "p.sql", "-i", "people.csv"]).expect_code(3);
    assert_contains(&outcome.stderr, ["line 3", "price", "\"x\""]);
    let expected = [vec![text("3"), Value::Real(10.0), Value::Integer(9)]];
    assert_eq!(rows_of(&dir.open("p.db"), "SELECT * FROM t"), expected);
    assert_eq!(query(&dir.open("p.db"), "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'input'"), "0");
    // The same on the command line, which wins.
    dir.write("q.sql", target);
    let load = ["run-pipeline", "q.sql", "-i", "people.csv", "--type", "code=TEXT,price=REAL"];
    dir.run(&load).expect_code(3);
    assert_eq!(rows_of(&dir.open("q.db"), "SELECT * FROM t"), expected);
    let load = ["run-pipeline", "p.sql", "-i", "people.csv", "--type", "price=TEXT", "--database", "r.db"];
    dir.run(&load).expect_code(0);
    assert_eq!(query(&dir.open("r.db"), "SELECT group_concat(b) FROM t"), "x,10");
    let load = ["run-pipeline", "q.sql", "-i", "people.csv", "--all-text", "--database", "s.db"];
    dir.run(&load).expect_code(0);
    assert_eq!(query(&dir.open("s.db"), "SELECT typeof(a) FROM t LIMIT 1"), "text");
}

#[test]
fn a_declaration_of_input_types_has_only_names_and_types() {
    let rest = "; CREATE TABLE t (a); INSERT INTO t SELECT a FROM input";
    let only = "CREATE TABLE input declares only the names and types of columns";
    let cases = [
        ("CREATE TABLE input (a INTEGER PRIMARY KEY)", only),
        ("CREATE TABLE input (a TEXT CHECK (a > 1))", only),
        ("CREATE TABLE input (a TEXT, UNIQUE (a))", only),
        ("CREATE TABLE input (a TEXT, b INTEGER AS (1))", only),
        ("CREATE TABLE input (a TEXT) STRICT", only),
        ("CREATE TABLE input (a TEXT); CREATE TABLE input (a TEXT)", "only one CREATE TABLE input"),
        ("CREATE TABLE t (a); CREATE TABLE input (a TEXT)", "a pipeline has only one CREATE TABLE"),
        ("CREATE TABLE input (b TEXT)", "no column \"b\""),
    ];
    let dir = TestDir::with_input("a\n1\n");
    for (sql, message) in cases {
        dir.write("p.sql", format!("{sql}{rest}"));
        let outcome = dir.run(&["run-pipeline", "p.sql", "-i", "people.csv"]);
        assert!(outcome.stderr.contains(message), "{sql}: {}", outcome.stderr);
        outcome.expect_code(1);
    }
}

#[test]
fn a_column_of_numeric_affinity_has_the_values_that_the_table_stores() {
    let csv = "id,price\n1,12.50\n2,3.00\n3,7.25\n4,\n5,n/a\n6,-0.50\n";
    let select = "id, price, price || ' EUR' AS t, typeof(price) AS ty, 7 / price AS q";
    for declared in ["NUMERIC", "DECIMAL(10,2)", "DATE"] {
        let dir = TestDir::with_input(csv);
        let typed = format!("price={declared}");
        dir.run(&["load", "people.csv", "plain.db", "--type", &typed]).expect_code(0);
        let expected =
            rows_of(&dir.open("plain.db"), &format!("SELECT {select} FROM people WHERE price > 3.0"));
        assert_eq!(expected.len(), 3);
        let options = ["--type", &typed, "--select", select, "--where", "price > 3.0"];
        dir.run(&[&["load", "people.csv", "out.db"], &options[..]].concat()).expect_code(0);
        assert_eq!(rows_of(&dir.open("out.db"), "SELECT * FROM people"), expected, "{declared}");
        let pipeline = format!(
            "CREATE TABLE input (price {declared}); CREATE TABLE t (id, price, t, ty, q);
            INSERT INTO t SELECT {select} FROM input WHERE price > 3.0"
        );
        dir.write("p.sql", pipeline);
        dir.run(&["run-pipeline", "p.sql", "-i", "people.csv"]).expect_code(0);
        assert_eq!(rows_of(&dir.open("p.db"), "SELECT * FROM t"), expected, "{declared}");
    }
}

#[test]
fn numbers_of_numeric_affinity_that_no_format_gives_back_are_rejected_in_conditions_too() {
    let dir = TestDir::with_input("id,price\n1,12.50\n2,3\n3,4.5\n");
    let typed =
        ["load", "people.csv", "out.db", "--replace", "--on-error", "skip", "--type", "price=NUMERIC"];
    for options in [
        &[][..],
        &["--columns", "id"],
        &["--where", "id > 0"],
        &["--where", "price > 0"],
        &["--select", "id"],
        &["--select", "price, id", "--where", "price > 0"],
    ] {
        let outcome = dir.run(&[&typed[..], options].concat()).expect_code(3);
        assert!(
            outcome.stderr.contains("3 records: 2 loaded, 1 rejected"),
            "{options:?}: {}",
            outcome.stderr
        );
        let ids = query(&dir.open("out.db"), "SELECT group_concat(id, ' ') FROM people");
        assert_eq!(ids, "2 3", "{options:?}");
    }
    dir.write(
        "p.sql",
        "CREATE TABLE input (price NUMERIC); CREATE TABLE t (id); INSERT INTO t SELECT id FROM input",
    );
    for command in ["check", "run-pipeline"] {
        dir.run(&[command, "p.sql", "-i", "people.csv"]).expect_code(3);
    }
}

#[test]
fn the_format_of_a_column_of_numeric_affinity_is_reported() {
    let dir = TestDir::with_input("id,price\n1,12.50\n2,3.00\n");
    let load = ["load", "people.csv", "out.db", "--type", "price=DECIMAL(10,2)", "--report", "r.json"];
    let outcome = dir.run(&load).expect_code(0);
    assert!(outcome.stderr.contains("numbers: price (fixed(2))"), "{}", outcome.stderr);
    let report: serde_json::Value = serde_json::from_slice(&dir.read("r.json")).unwrap();
    assert_eq!(report["columns"][1]["format"], "fixed(2)");
    let load = ["load", "people.csv", "ids.db", "--type", "id=NUMERIC", "--exclude", "price"];
    let outcome = dir.run(&load).expect_code(0);
    assert!(!outcome.stderr.contains("numbers:"), "{}", outcome.stderr);
}

#[test]
fn computed_values_are_appended_as_sqlite_converts_them() {
    let csv = "id,price,name\n1,2.5,x\n2,4,7\n";
    let dir = TestDir::with_input(csv);
    let select = "id * 2 AS i, price * 2 AS r, upper(name) AS n, CAST(price AS REAL) AS c, 'a' || id AS t";
    let create = "CREATE TABLE people (i INTEGER, r REAL, n NUMERIC, c REAL, t TEXT)";
    dir.open("out.db").execute_batch(create).unwrap();
    dir.run(&["load", "people.csv", "plain.db"]).expect_code(0);
    let database = dir.open("plain.db");
    database.execute_batch(&create.replace("people", "expected")).unwrap();
    for _ in 0..2 {
        dir.run(&["load", "people.csv", "out.db", "--append", "--select", select]).expect_code(0);
        database.execute_batch(&format!("INSERT INTO expected SELECT {select} FROM people")).unwrap();
    }
    let expected = rows_of(&database, "SELECT * FROM expected");
    assert_eq!(rows_of(&dir.open("out.db"), "SELECT * FROM people"), expected);
    dir.run(&["load", "people.csv", "out.db", "--truncate", "--select", select]).expect_code(0);
    assert_eq!(rows_of(&dir.open("out.db"), "SELECT * FROM people"), expected[..2]);
}
