//! SQL in `load`, and what is said of expressions without a load.

mod common;

use common::{FEW, Place, rows_of};
use rusqlite::Connection;
use rusqlite::types::Value;

/// What `load` makes of a table `people`, but for its name: names and types of columns, and rows.
fn loaded(place: &Place, options: &[&str]) -> (String, Vec<Vec<Value>>) {
    place.run(&[&["load", "people.csv", "people.db", "--replace"], options].concat()).expect(0);
    let columns = "SELECT group_concat(name || ' ' || type, ', ') FROM pragma_table_info('people')";
    (place.query(columns), rows_of(&place.database(), "SELECT * FROM people"))
}

#[test]
fn load_makes_the_columns_that_are_selected() {
    let place = Place::with_input("name,n,r,zip\nAda,1,1.5,007\nAlan,22,2,08\nNoor,,,\n");
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
            let (found, rows) = loaded(&place, &["--select", list, "--writer", writer]);
            assert_eq!(found, columns, "{list}");
            // SQLite itself selects from a table of the types that load finds.
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
    // In expressions columns are TEXT.
    let (_, rows) = loaded(
        &place,
        &["--select", "typeof(n) a, typeof(r) b, typeof(CAST(n AS INTEGER)) c", "--limit", "1"],
    );
    assert_eq!(rows, [["text", "text", "integer"].map(|name| Value::Text(name.to_owned()))]);
}

#[test]
fn load_leaves_out_what_is_not_asked_for() {
    let place = Place::with_input("name,n\nAda,1\nAlan,x\nNoor,3\n");
    let text = |text: &str| Value::Text(text.to_owned());
    // The types are those of the records that are loaded.
    let (columns, rows) = loaded(&place, &["--where", "try_integer(n) IS NOT NULL"]);
    assert_eq!(columns, "name TEXT, n INTEGER");
    assert_eq!(rows, [[text("Ada"), Value::Integer(1)], [text("Noor"), Value::Integer(3)]]);
    let (columns, rows) = loaded(&place, &["--where", "n IS NULL", "--null", "x", "--select", "name"]);
    assert_eq!((columns.as_str(), rows), ("name TEXT", vec![vec![text("Alan")]]));
    let before = place.snapshot();
    let cases = [
        (&["--where", "nam = 1"][..], "--where: line 1, column 1: people.csv: no column \"nam\""),
        (&["--where", "count(*) > 1"], "--where: line 1, column 1: count() is an aggregate"),
        (&["--where", "n >"], "--where: line 1, column"),
        (
            &["--select", "n, nam"],
            "--select names the column \"nam\", but the columns are: name, n; is \"name\" meant?",
        ),
        (&["--select", "n,"], "--select: line 1, column"),
        (&["--select", "DISTINCT n"], "--select: line 1, column 1: DISTINCT is not supported in a pipeline"),
        (&["--select", "n FROM input"], "--select: line 1, column 3: FROM is not expected here"),
    ];
    for (options, expected) in cases {
        let load = [&["load", "people.csv", "people.db", "--replace"], options].concat();
        place.run(&load).expect(1).says_once(&[expected]);
        place.is_as(&before);
    }
    place.run(&["load", "people.csv", "people.db", "--select", "n", "--columns", "n"]).expect(2);
}

#[test]
fn what_evaluates_an_expression_is_said_and_nothing_is_loaded() {
    let sql = "CREATE TABLE t (a, b, c);
        INSERT INTO t (a, c) SELECT upper(first_name), strftime('%j', age) FROM input WHERE age > '1' AND (last_name GLOB '*' AND 1);
        CREATE INDEX by_a ON t (a); CREATE VIEW v AS SELECT a FROM t";
    let place = Place::with_pipeline(FEW, sql);
    let outcome = place.run(&["run-pipeline", "people.sql", "--explain"]).expect(0);
    let words: Vec<Vec<_>> =
        outcome.stdout.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    let expected = [
        ["compiled", "WHERE", "1"],
        ["compiled", "AND", "\"age\""],
        ["compiled", "AND", "\"last_name\""],
        ["compiled", "a", "upper(\"first_name\")"],
    ];
    assert_eq!(words[..4], expected);
    assert_eq!((words[4][0], words[5][..2].to_vec()), ("compiled", vec!["SQLite", "c"]));
    let outcome = place.run(&["check", "people.sql", "--input", "people.csv"]).expect(0);
    let parts = [
        "CREATE TABLE t (a, b, c);",
        "CREATE INDEX by_a",
        "CREATE VIEW v",
        "SQLite    c",
        "'ALAN' | NULL | ",
    ];
    for part in parts {
        assert!(outcome.stdout.contains(part), "{part} is not in {}", outcome.stdout);
    }
    place.write("other.csv", "first_name\nAda\n");
    let check = ["check", "people.sql", "-i", "other.csv"];
    place.run(&check).expect(1).says_once(&["people.sql: line 2, column", "no column \"age\" in the header"]);
    assert_eq!(place.names(), ["other.csv", "people.csv", "people.sql"]);
    let list = "upper(age) AS x, age, uuid7() AS id, 'it''s' AS t, line_number() AS n";
    let load = ["load", "people.csv", "people.db", "--explain", "--select", list];
    let expected = [
        "compiled  x    upper(\"age\")",
        "compiled  age  age as INTEGER",
        "compiled  id   uuid7()",
        "compiled  t    'it''s'",
        "compiled  n    line_number()",
    ];
    assert_eq!(place.run(&load).expect(0).stdout.lines().collect::<Vec<_>>(), expected);
    assert_eq!(place.names(), ["other.csv", "people.csv", "people.sql"]);
}
