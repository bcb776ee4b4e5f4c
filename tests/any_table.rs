//! `load`: the table that is made, and the one that is there already.

mod common;

use common::{Place, each_way, rows_of, text};
use rusqlite::Connection;
use rusqlite::types::Value;

#[test]
fn a_table_that_is_there_is_replaced_only_if_asked() {
    let place = Place::empty();
    place.write("in.csv", "a\n1\n");
    place.run(&["load", "in.csv", "out.db"]).expect(0);
    place.write("in.csv", "a\nx\n");
    let before = place.snapshot();
    place.run(&["load", "in.csv", "out.db"]).expect(1).says_once(&["table \"in\" already", "--replace"]);
    place.is_as(&before);
    place.run(&["load", "in.csv", "out.db", "-t", "other"]).expect(0);
    place.run(&["load", "in.csv", "out.db", "--replace"]).expect(0);
    let connection = Connection::open(place.path("out.db")).unwrap();
    for table in ["\"in\"", "other"] {
        let rows = rows_of(&connection, &format!("SELECT * FROM {table}"));
        assert_eq!(rows, [[Value::Text("x".to_owned())]], "{table}");
    }
}

#[test]
fn any_name_is_a_name() {
    let place = Place::empty();
    let long = "n".repeat(200);
    let names =
        ["select", "a b", "it's", "semi;--", "\"quoted\"", "straße", "\u{1f600}", "[x]", "`y`", &long];
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(names).unwrap();
    writer.write_record(names.map(|_| "1")).unwrap();
    place.write("in.csv", writer.into_inner().unwrap());
    for (table, writer) in names.iter().zip(["direct", "statements"].iter().cycle()) {
        place
            .run(&["load", "in.csv", "out.db", "-t", table, "--writer", writer, "--replace"])
            .expect(if *writer == "direct" && *table != names[0] { 1 } else { 0 });
        place.run(&["load", "in.csv", "out.db", "-t", table, "--replace"]).expect(0);
    }
    let connection = Connection::open(place.path("out.db")).unwrap();
    for table in names {
        let quoted = table.replace('\'', "''");
        let sql = format!("SELECT name FROM pragma_table_info('{quoted}') ORDER BY cid");
        let expected: Vec<_> = names.iter().map(|name| vec![Value::Text((*name).to_owned())]).collect();
        assert_eq!(rows_of(&connection, &sql), expected, "{table}");
    }
}

#[test]
fn a_table_has_the_keys_and_indexes_that_are_asked_for() {
    let csv = "b,a,c\nx,2,1\ny,1,2\nz,3,1\n";
    let options = ["--pk", "a", "--unique", "b,c", "--index", "c", "--index", "c,b", "--not-null", "b,c"];
    each_way(csv, &options, 0, |connection, _| {
        let rows = rows_of(connection, "SELECT rowid, b FROM t ORDER BY rowid");
        assert_eq!(rows, [(1, "y"), (2, "x"), (3, "z")].map(|(rowid, b)| vec![rowid.into(), text(b)]));
        let names = rows_of(connection, "SELECT name FROM pragma_index_list('t') ORDER BY name");
        assert_eq!(names, ["idx_t_c", "idx_t_c_b", "sqlite_autoindex_t_1"].map(|name| vec![text(name)]));
        let sql = "SELECT group_concat(name || \"notnull\" || pk, ' ') FROM pragma_table_info('t')";
        assert_eq!(rows_of(connection, sql), [[text("b10 a01 c10")]]);
    });
    let place = Place::empty();
    place.write("in.csv", csv);
    let twice = place.run(&["load", "in.csv", "out.db", "--pk", "c"]).expect(1);
    twice.says_once(&["UNIQUE constraint failed: in.c", "line 2", "line 4"]);
    place.run(&["load", "in.csv", "out.db", "--pk", "d"]).expect(1).says_once(&["--pk", "b, a, c"]);
    place.run(&["load", "in.csv", "out.db", "--pk", "c,b", "--strict"]).expect(0);
    let connection = Connection::open(place.path("out.db")).unwrap();
    let strict = rows_of(&connection, "SELECT strict FROM pragma_table_list('in')");
    assert_eq!(strict, [[Value::Integer(1)]]);
}

#[test]
fn columns_are_selected_and_renamed() {
    let csv = "a,b,c\n1,x,2\n3,y,4\n";
    each_way(csv, &["--columns", "c,a", "--rename", "a=first \"one\"", "--pk", "c"], 0, |connection, _| {
        let rows = rows_of(connection, "SELECT c, \"first \"\"one\"\"\" FROM t ORDER BY rowid");
        assert_eq!(rows, [[2, 1], [4, 3]].map(|row| row.map(Value::Integer)));
    });
}

#[test]
fn a_table_that_is_there_is_filled_further() {
    let schema =
        "CREATE TABLE t (ID INTEGER PRIMARY KEY, name TEXT, \"when\" DATE, price REAL, note DEFAULT 'none');
        CREATE TABLE other (x); INSERT INTO other VALUES (1);
        INSERT INTO t (name) VALUES ('old')";
    let csv = "Name,id,when,price\n007,5,2024-01-02,1\nx,,12,2.5\n";
    for (option, old_rows) in [("--append", 1), ("--truncate", 0)] {
        let place = Place::empty();
        Connection::open(place.path("out.db")).unwrap().execute_batch(schema).unwrap();
        place.write("in.csv", csv);
        place.run(&["load", "in.csv", "out.db", "-t", "T", option, "--verify"]).expect(0);
        let connection = Connection::open(place.path("out.db")).unwrap();
        let rows = rows_of(&connection, "SELECT * FROM t ORDER BY id");
        let (n, none) = (Value::Null, text("none"));
        let mut expected = vec![
            vec![1.into(), text("old"), n.clone(), n, none.clone()],
            vec![5.into(), text("007"), text("2024-01-02"), 1.0.into(), none.clone()],
            vec![6.into(), text("x"), 12.into(), 2.5.into(), none],
        ];
        assert_eq!(rows, expected.split_off(1 - old_rows), "{option}");
        assert_eq!(rows_of(&connection, "SELECT x FROM other"), [[Value::Integer(1)]]);
    }
}

#[test]
fn what_a_table_that_is_there_would_bend_is_a_reject() {
    let place = Place::empty();
    let schema = "CREATE TABLE t (n INTEGER, r REAL, d DECIMAL(10, 2), s TEXT)";
    Connection::open(place.path("out.db")).unwrap().execute_batch(schema).unwrap();
    let bent = ["007", "+1", " 1", "1e5", "-0", ".5", "9223372036854775808", "0.12345678901234567"];
    let kept = ["1", "1.5", "abc", "1_000", "0x10", "nan", "2024-01-01", "123456789012345"];
    let rows = |column: usize| {
        let row = |value: &&str| {
            (0..4).map(|at| if at == column { value } else { "" }).collect::<Vec<_>>().join(",")
        };
        bent.iter().chain(&kept).map(row).collect::<Vec<_>>().join("\n")
    };
    for (column, name) in ["n", "r", "d", "s"].iter().enumerate() {
        place.write("in.csv", format!("n,r,d,s\n{}\n", rows(column)));
        let load = [
            "load",
            "in.csv",
            "out.db",
            "-t",
            "t",
            "--truncate",
            "--on-error",
            "skip",
            "--rejects",
            "bad.csv",
        ];
        place.run(&load).expect(if *name == "s" { 0 } else { 3 });
        let connection = Connection::open(place.path("out.db")).unwrap();
        let found =
            rows_of(&connection, &format!("SELECT CAST({name} AS TEXT), {name} FROM t ORDER BY rowid"));
        let expected: Vec<_> =
            if *name == "s" { bent.iter().chain(&kept).collect() } else { kept.iter().collect() };
        for (row, expected) in found.iter().zip(&expected) {
            let is_same = row[0] == text(expected) || row[0] == text(&format!("{expected}.0"));
            assert!(is_same, "{name}: {expected:?} is {row:?}");
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}

#[test]
fn what_can_not_be_appended_is_an_error() {
    let place = Place::empty();
    place.write("in.csv", "a,b\n1,2\n");
    place.run(&["load", "in.csv", "out.db", "-t", "t", "--append"]).expect(0);
    place.write("more.csv", "a,c\n1,2\n");
    let load = ["load", "more.csv", "out.db", "-t", "t", "--append"];
    let before = place.snapshot();
    place.run(&load).expect(1).says_once(&["\"t\" has no column \"c\"", "a, b", "--rename"]);
    place.run(&[&load[..], &["--columns", "a", "--pk", "a"]].concat()).expect(2);
    place.run(&[&load[..], &["--replace"]].concat()).expect(2);
    place.run(&[&load[..], &["--columns", "a", "--writer", "direct"]].concat()).expect(1);
    place.is_as(&before);
    place.run(&[&load[..], &["--rename", "c=b"]].concat()).expect(0);
    let connection = Connection::open(place.path("out.db")).unwrap();
    assert_eq!(rows_of(&connection, "SELECT count(*), sum(b) FROM t"), [[2, 4].map(Value::Integer)]);
}

#[test]
fn statistics_are_made_if_asked_for() {
    each_way("a,b\n1,2\n3,4\n", &["--analyze", "--index", "a"], 0, |connection, _| {
        let rows = rows_of(connection, "SELECT tbl, idx, stat FROM sqlite_stat1");
        assert_eq!(rows, [["t", "idx_t_a", "2 1"].map(text)]);
    });
}
