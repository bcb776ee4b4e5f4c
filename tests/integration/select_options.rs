//! SQL in `load`: --select and --where, and what `check` and --explain say about expressions.

use crate::common::{TWO_PEOPLE, TestDir, assert_contains, rows_of, text};
use rusqlite::Connection;
use rusqlite::types::Value;

/// Loads the table `people`. Returns the names and types of its columns, and its rows.
fn load_people(dir: &TestDir, options: &[&str]) -> (String, Vec<Vec<Value>>) {
    dir.run(&[&["load", "people.csv", "people.db", "--replace"], options].concat()).expect_code(0);
    let columns = "SELECT group_concat(name || ' ' || type, ', ') FROM pragma_table_info('people')";
    (dir.query(columns), rows_of(&dir.database(), "SELECT * FROM people"))
}

#[test]
fn select_determines_the_columns() {
    let dir = TestDir::with_input("name,n,r,zip\nAda,1,1.5,007\nAlan,22,2,08\nNoor,,,\n");
    let cases = [
        ("*", "name TEXT, n INTEGER, r REAL, zip TEXT"),
        ("n, name", "n INTEGER, name TEXT"),
        ("N AS number, (r) x, \"name\"", "number INTEGER, x REAL, name TEXT"),
        ("input.zip, n || 'x', length(name) AS size", "zip TEXT, n || 'x' , size "),
        ("CAST(n AS INT) a, CAST(r AS varchar(9)) b, (CAST(zip AS REAL)) c", "a INTEGER, b TEXT, c REAL"),
        ("upper( name ) -- comment\n, 'a' \"x y\"", "upper( name ) , x y "),
        ("*, n AS m", "name TEXT, n INTEGER, r REAL, zip TEXT, m INTEGER"),
    ];
    for (list, columns) in cases {
        for writer in ["direct", "statements"] {
            let (found, rows) = load_people(&dir, &["--select", list, "--writer", writer]);
            assert_eq!(found, columns, "{list}");
            // The reference: SQLite selects from a table with the inferred types.
            let typed = Connection::open_in_memory().unwrap();
            typed.execute_batch(
                "CREATE TABLE input (name TEXT, n INTEGER, r REAL, zip TEXT);
                INSERT INTO input VALUES ('Ada', 1, 1.5, '007'), ('Alan', 22, 2, '08'), ('Noor', NULL, NULL, '')",
            ).unwrap();
            if !list.contains("n ||") && !list.contains("CAST") {
                assert_eq!(rows, rows_of(&typed, &format!("SELECT {list}\n FROM input")), "{list}");
            }
        }
    }
    let (_, rows) = load_people(
        &dir,
        &["--select", "typeof(n) a, typeof(r) b, typeof(CAST(n AS INTEGER)) c", "--limit", "1"],
    );
    assert_eq!(rows, [["integer", "real", "integer"].map(text)]);
}

#[test]
fn where_filters_the_records() {
    let dir = TestDir::with_input("name,n\nAda,1\nAlan,x\nNoor,3\n");
    // Types are inferred from all records.
    let (columns, rows) = load_people(&dir, &["--where", "try_integer(n) IS NOT NULL"]);
    assert_eq!(columns, "name TEXT, n TEXT");
    assert_eq!(rows, [[text("Ada"), text("1")], [text("Noor"), text("3")]]);
    let (columns, rows) = load_people(&dir, &["--where", "n IS NULL", "--null", "x", "--select", "name"]);
    assert_eq!((columns.as_str(), rows), ("name TEXT", vec![vec![text("Alan")]]));
    let before = dir.snapshot();
    let cases = [
        (&["--where", "nam = 1"][..], "--where: line 1, column 1: people.csv: no column \"nam\""),
        (&["--where", "count(*) > 1"], "--where: line 1, column 1: count() is an aggregate"),
        (&["--where", "n >"], "--where: line 1, column"),
        (
            &["--select", "n, nam"],
            "no column \"nam\" to select; the columns are: name, n (did you mean \"name\"?); fields are separated by ','; correct --select",
        ),
        (&["--select", "n,"], "--select: line 1, column"),
        (&["--select", "DISTINCT n"], "--select: line 1, column 1: DISTINCT is not supported in a pipeline"),
        (&["--select", "n FROM input"], "--select: line 1, column 3: FROM is not expected here"),
    ];
    for (options, expected) in cases {
        let load = [&["load", "people.csv", "people.db", "--replace"], options].concat();
        dir.run(&load).expect_code(1).assert_single_message(&[expected]);
        dir.assert_unchanged(&before);
    }
    dir.run(&["load", "people.csv", "people.db", "--select", "n", "--columns", "n"]).expect_code(2);
}

#[test]
fn explain_names_the_evaluators_without_loading() {
    let sql = "CREATE TABLE t (a, b, c);
        INSERT INTO t (a, c) SELECT upper(first_name), strftime('%j', age) FROM input WHERE age > '1' AND (last_name GLOB '*' AND 1);
        CREATE INDEX by_a ON t (a); CREATE VIEW v AS SELECT a FROM t";
    let dir = TestDir::with_pipeline(TWO_PEOPLE, sql);
    let outcome = dir.run(&["run-pipeline", "people.sql", "--explain"]).expect_code(0);
    let words: Vec<Vec<_>> =
        outcome.stdout.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    let expected = [
        ["compiled", "WHERE", "1"],
        ["compiled", "AND", "\"age\""],
        ["compiled", "AND", "\"last_name\""],
        ["compiled", "a", "upper(CAST(\"first_name\""],
    ];
    assert_eq!(words[..4], expected);
    assert_eq!((words[4][0], words[5][..2].to_vec()), ("compiled", vec!["SQLite", "c"]));
    let outcome = dir.run(&["check", "people.sql", "--input", "people.csv"]).expect_code(0);
    let parts = [
        "CREATE TABLE t (a, b, c);",
        "CREATE INDEX by_a",
        "CREATE VIEW v",
        "SQLite    c",
        "'ALAN' | NULL | ",
    ];
    assert_contains(&outcome.stdout, parts);
    dir.write("other.csv", "first_name\nAda\n");
    let check = ["check", "people.sql", "-i", "other.csv"];
    dir.run(&check)
        .expect_code(1)
        .assert_single_message(&["people.sql: line 2, column", "no column \"age\" in the header"]);
    assert_eq!(dir.file_names(), ["other.csv", "people.csv", "people.sql"]);
    let list = "upper(age) AS x, age, uuid7() AS id, 'it''s' AS t, line_number() AS n";
    let load = ["load", "people.csv", "people.db", "--explain", "--select", list];
    let expected = [
        "compiled  x    upper(CAST(\"age\" AS TEXT))",
        "compiled  age  age as INTEGER",
        "compiled  id   uuid7()",
        "compiled  t    'it''s'",
        "compiled  n    line_number()",
        "column    age  INTEGER",
    ];
    assert_eq!(dir.run(&load).expect_code(0).stdout.lines().collect::<Vec<_>>(), expected);
    assert_eq!(dir.file_names(), ["other.csv", "people.csv", "people.sql"]);
}
