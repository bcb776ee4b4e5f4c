//! `load`: new tables and existing ones.

use crate::common::{TestDir, assert_contains, load_with_each_writer, query, rows_of, text};
use rusqlite::types::Value;

#[test]
fn an_existing_table_is_replaced_only_on_request() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\n1\n");
    dir.run(&["load", "in.csv", "out.db"]).expect_code(0);
    dir.write("in.csv", "a\nx\n");
    let before = dir.snapshot();
    dir.run(&["load", "in.csv", "out.db"])
        .expect_code(1)
        .assert_single_message(&["table \"in\" already", "--replace"]);
    dir.assert_unchanged(&before);
    dir.run(&["load", "in.csv", "out.db", "-t", "other"]).expect_code(0);
    dir.run(&["load", "in.csv", "out.db", "--replace"]).expect_code(0);
    let connection = dir.open("out.db");
    for table in ["\"in\"", "other"] {
        let rows = rows_of(&connection, &format!("SELECT * FROM {table}"));
        assert_eq!(rows, [[text("x")]], "{table}");
    }
}

/// Names that must be quoted, and some that look like SQL injection.
fn unusual_names() -> Vec<String> {
    let names = [
        "select",
        "a b",
        " ",
        "it's",
        "semi;--",
        "\"quoted\"",
        "\"",
        "\"\"",
        "straße",
        "\u{1f600}",
        "[x]",
        "`y`",
        "new\nline",
        "x\"); DROP TABLE t; --",
        "rowid",
        "oid",
        "main",
        "temp",
        "nocase",
        "sqlite",
        "a.b",
        "?1",
        "%s",
        "*",
        "0",
        "\\",
    ];
    names.iter().map(|name| (*name).to_owned()).chain(["n".repeat(200)]).collect()
}

#[test]
fn any_name_is_accepted_for_tables_and_columns() {
    let names = unusual_names();
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(&names).unwrap();
    writer.write_record(names.iter().map(|_| "1")).unwrap();
    writer.write_record(names.iter().map(|_| "2")).unwrap();
    let csv = writer.into_inner().unwrap();
    let dir = TestDir::new();
    dir.write("in.csv", &csv);
    let columns: Vec<_> = names.iter().map(|name| vec![text(name)]).collect();
    for table in &names {
        for writer in ["direct", "statements"] {
            let _ = std::fs::remove_file(dir.path("out.db"));
            let load = ["load", "in.csv", "out.db", "-t", table, "--writer", writer, "--verify", "--analyze"];
            let keys = [
                "--pk",
                table,
                "--index",
                table,
                "--unique",
                "oid",
                "--not-null",
                table,
                "--index",
                "main,temp",
            ];
            dir.run(&[&load[..], &keys].concat()).expect_code(0);
            let connection = dir.open("out.db");
            let literal = table.replace('\'', "''");
            let sql = format!("SELECT name FROM pragma_table_info('{literal}') ORDER BY cid");
            assert_eq!(rows_of(&connection, &sql), columns, "{table}");
            let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'";
            assert_eq!(rows_of(&connection, tables), [[text(table)]]);
            let quoted = table.replace('"', "\"\"");
            let rows = rows_of(&connection, &format!("SELECT * FROM \"{quoted}\" ORDER BY \"{quoted}\""));
            assert_eq!(rows, [1, 2].map(|row| vec![Value::Integer(row); names.len()]));
            drop(connection);
            let again = ["load", "in.csv", "out.db", "-t", table, "--append", "--upsert"];
            let stderr = dir.run(&again).expect_code(0).stderr;
            assert!(stderr.contains("2 loaded"), "{stderr}");
            let again = ["load", "in.csv", "out.db", "-t", table, "--replace", "--auto-id=\"; id"];
            dir.run(&again).expect_code(0);
        }
    }
}

#[test]
fn impossible_names_are_usage_errors() {
    let dir = TestDir::new();
    dir.write("in.csv", "a,b\n1,2\n");
    dir.write("sqlite_x.csv", "a,b\n1,2\n");
    let before = dir.snapshot();
    for (load, parts) in [
        (&["load", "in.csv", "out.db", "-t", ""][..], &["no name", "--table"][..]),
        (&["load", "in.csv", "out.db", "-t", "SQLite_x"], &["sqlite_", "--table"]),
        (&["load", "sqlite_x.csv", "out.db"], &["sqlite_", "--table"]),
        (&["load", "in.csv", "out.db", "--rename", "a=B"], &["two columns", "\"b\""]),
        (&["load", "in.csv", "out.db", "--columns", "a,b,a"], &["two columns", "\"a\""]),
        (
            &["load", "in.csv", "out.db", "--auto-id", "A"],
            &["two columns", "\"a\"", "--auto-id=NAME", "--rename"],
        ),
        (&["load", "in.csv", "out.db", "--file-column", "A"], &["two columns", "--file-column"]),
    ] {
        dir.run(load).expect_code(2).assert_single_message(parts);
        dir.assert_unchanged(&before);
    }
    // SQLite names end at a NUL, so NULs are replaced.
    load_with_each_writer("a\0b,a\0b,c\n1,2,3\n", &["--pk", "a_b"], 0, |connection, _| {
        let names = rows_of(connection, "SELECT name FROM pragma_table_info('t')");
        assert_eq!(names, ["a_b", "a_b_2", "c"].map(|name| [text(name)]));
    });
}

#[test]
fn rejects_more_columns_than_sqlite_allows() {
    let row = |width: usize, cell: &dyn Fn(usize) -> String| {
        (0..width).map(cell).collect::<Vec<_>>().join(",") + "\n"
    };
    let csv =
        |width: usize| row(width, &|index| format!("c{index}")) + &row(width, &|index| index.to_string());
    load_with_each_writer(&csv(2_000), &[], 0, |connection, _| {
        assert_eq!(rows_of(connection, "SELECT c0, c1999 FROM t"), [[0, 1999].map(Value::Integer)]);
    });
    let dir = TestDir::new();
    dir.write("in.csv", csv(2_001));
    let parts = ["2001 columns", "2000", "--columns"];
    dir.run(&["load", "in.csv", "out.db"]).expect_code(1).assert_single_message(&parts);
    dir.run(&["load", "in.csv", "out.db", "--columns", "c2000,c7"]).expect_code(0);
    let before = dir.snapshot();
    dir.run(&["load", "in.csv", "out.db", "--append", "--add-columns"])
        .expect_code(1)
        .assert_single_message(&parts);
    dir.assert_unchanged(&before);
}

#[test]
fn selects_columns_of_a_very_wide_input_quickly() {
    let dir = TestDir::new();
    let line = |field: &dyn Fn(usize) -> String| (0..100_000).map(field).collect::<Vec<_>>().join(",");
    let header = line(&|index| format!("c{index}"));
    dir.write("in.csv", format!("{header}\n{}\n", line(&|index| index.to_string())));
    // A search through all names for each name would exceed the time limit.
    dir.run(&["load", "in.csv", "people.db", "--columns", "c99999,C7", "-t", "t"]).expect_code(0);
    assert_eq!(dir.query("SELECT c99999 || ' ' || c7 FROM t"), "99999 7");
}

#[test]
fn auto_id_numbers_the_rows() {
    let csv = format!("a,b\n{}", "x,1\ny\nz,2\n".repeat(20_000));
    load_with_each_writer(
        &csv,
        &["--auto-id", "--index", "b,id", "--on-error", "skip"],
        3,
        |connection, dir| {
            let rows = rows_of(
                connection,
                "SELECT min(id), max(id), count(DISTINCT id), sum(id % 2 = b % 2) FROM t",
            );
            assert_eq!(rows, [[1, 40_000, 40_000, 40_000].map(Value::Integer)]);
            let sql = "SELECT name || ' ' || type || ' ' || pk FROM pragma_table_info('t') WHERE cid = 0";
            assert_eq!(rows_of(connection, sql), [[text("id INTEGER 1")]]);
            // Numbering continues, whether the option is given again or not.
            dir.write("more.csv", "b,a\n7,w\n");
            for more in [&[][..], &["--auto-id"], &["--auto-id=ID"]] {
                let append = ["load", "more.csv", "out.db", "-t", "t", "--append"];
                dir.run(&[&append[..], more].concat()).expect_code(0);
            }
            let rows = rows_of(connection, "SELECT group_concat(id) FROM t WHERE a = 'w'");
            assert_eq!(rows, [[text("40001,40002,40003")]]);
            let other = ["load", "more.csv", "out.db", "-t", "t", "--append", "--auto-id=b"];
            dir.run(&other).expect_code(2).assert_single_message(&["primary key", "(id)"]);
        },
    );
}

#[test]
fn creates_a_table_without_rowid() {
    let dir = TestDir::new();
    dir.write("in.csv", "a,b\ny,1\nx,2\n");
    for (options, wr) in [(&["--without-rowid"][..], "1 0"), (&["--without-rowid", "--strict"], "1 1")] {
        let load = ["load", "in.csv", "out.db", "--pk", "a", "--replace", "--verify"];
        let stderr = dir.run(&[&load[..], options].concat()).expect_code(0).stderr;
        assert!(stderr.contains("direct writer"), "{stderr}");
        let connection = dir.open("out.db");
        let sql = "SELECT wr || ' ' || strict FROM pragma_table_list('in')";
        assert_eq!(rows_of(&connection, sql), [[text(wr)]]);
        assert_eq!(rows_of(&connection, "SELECT a FROM \"in\""), [[text("x")], [text("y")]]);
    }
    dir.run(&["load", "in.csv", "other.db", "--without-rowid"]).expect_code(2);
}

#[test]
fn add_columns_adds_missing_columns() {
    let schema = "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('old')";
    let dir = TestDir::new();
    dir.open("out.db").execute_batch(schema).unwrap();
    // The last record contradicts the types inferred from the first.
    let rows = "007,1,1.5,x\n".repeat(400_000);
    dir.write("in.csv", format!("A,n,r,late\"\n{rows}008,2,3,\n").replace("late\"", "\"late\"\"\""));
    let load = ["load", "in.csv", "out.db", "-t", "t", "--append", "--verify"];
    let before = dir.snapshot();
    dir.run(&load).expect_code(1).assert_single_message(&["no column \"n\"", "--add-columns"]);
    dir.run(&[&load[..], &["--add-columns", "--type", "late\"=INTEGER"]].concat()).expect_code(1);
    dir.assert_unchanged(&before);
    dir.run(&[&load[..], &["--add-columns"]].concat()).expect_code(0);
    let connection = dir.open("out.db");
    let types = rows_of(&connection, "SELECT name || ' ' || type FROM pragma_table_info('t')");
    assert_eq!(types, ["a TEXT", "n INTEGER", "r REAL", "late\" TEXT"].map(|column| [text(column)]));
    let rows = rows_of(&connection, "SELECT * FROM t ORDER BY rowid");
    let null = Value::Null;
    assert_eq!(rows[0], [text("old"), null.clone(), null.clone(), null]);
    assert_eq!(rows[400_001], [text("008"), 2.into(), 3.0.into(), text("")]);
    // A wrongly inferred type is rolled back together with the rows.
    dir.write("in.csv", format!("a,z\n{}1,no\n", "1,1\n".repeat(400_000)));
    dir.run(&[&load[..], &["--add-columns"]].concat()).expect_code(0);
    let types = rows_of(
        &connection,
        "SELECT type, (SELECT count(*) FROM t) FROM pragma_table_info('t') WHERE name = 'z'",
    );
    assert_eq!(types, [[text("TEXT"), 800_003.into()]]);
}

#[test]
fn does_not_load_into_a_view() {
    let dir = TestDir::new();
    dir.open("out.db").execute_batch("CREATE VIEW t AS SELECT 1 AS a").unwrap();
    dir.write("in.csv", "a\n1\n");
    dir.run(&["load", "in.csv", "out.db", "-t", "T", "--append"])
        .expect_code(2)
        .assert_single_message(&["is a view"]);
}

#[test]
fn creates_the_requested_keys_and_indexes() {
    let csv = "b,a,c\nx,2,1\ny,1,2\nz,3,1\n";
    let options = ["--pk", "a", "--unique", "b,c", "--index", "c", "--index", "c,b", "--not-null", "b,c"];
    load_with_each_writer(csv, &options, 0, |connection, _| {
        let rows = rows_of(connection, "SELECT rowid, b FROM t ORDER BY rowid");
        assert_eq!(rows, [(1, "y"), (2, "x"), (3, "z")].map(|(rowid, b)| vec![rowid.into(), text(b)]));
        let names = rows_of(connection, "SELECT name FROM pragma_index_list('t') ORDER BY name");
        assert_eq!(names, ["idx_t_c", "idx_t_c_b", "sqlite_autoindex_t_1"].map(|name| vec![text(name)]));
        let sql = "SELECT group_concat(name || \"notnull\" || pk, ' ') FROM pragma_table_info('t')";
        assert_eq!(rows_of(connection, sql), [[text("b10 a01 c10")]]);
    });
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    let twice = dir.run(&["load", "in.csv", "out.db", "--pk", "c"]).expect_code(1);
    twice.assert_single_message(&["UNIQUE constraint failed: in.c", "line 2", "line 4"]);
    dir.run(&["load", "in.csv", "out.db", "--pk", "d"])
        .expect_code(1)
        .assert_single_message(&["--pk", "b, a, c"]);
    dir.run(&["load", "in.csv", "out.db", "--pk", "c,b", "--strict"]).expect_code(0);
    let connection = dir.open("out.db");
    let strict = rows_of(&connection, "SELECT strict FROM pragma_table_list('in')");
    assert_eq!(strict, [[Value::Integer(1)]]);
}

#[test]
fn selects_and_redepends_on_header() {
    let csv = "a,b,c\n1,x,2\n3,y,4\n";
    load_with_each_writer(
        csv,
        &["--columns", "c,a", "--rename", "a=first \"one\"", "--pk", "c"],
        0,
        |connection, _| {
            let rows = rows_of(connection, "SELECT c, \"first \"\"one\"\"\" FROM t ORDER BY rowid");
            assert_eq!(rows, [[2, 1], [4, 3]].map(|row| row.map(Value::Integer)));
        },
    );
}

#[test]
fn rowids_behind_the_largest_one_are_left_to_sqlite() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\nx\ny\n");
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (9223372036854775806, 'old')";
    dir.open("out.db").execute_batch(sql).unwrap();
    let load = dir.run(&["load", "in.csv", "out.db", "-t", "t", "--append"]).expect_code(0);
    assert_contains(&load.stderr, ["statements writer: no rowid is left after the largest"]);
    assert_eq!(query(&dir.open("out.db"), "SELECT count(*) FROM t WHERE a IN ('x', 'y')"), "2");
}

#[test]
fn an_upsert_needs_a_key_even_if_the_table_is_empty() {
    let dir = TestDir::new();
    dir.write("in.csv", "id,a\n1,x\n");
    dir.open("out.db").execute_batch("CREATE TABLE t (id INTEGER, a)").unwrap();
    let before = dir.snapshot();
    for options in [&[][..], &["--dry-run"], &["--writer", "statements"]] {
        let load = [&["load", "in.csv", "out.db", "-t", "t", "--append", "--upsert"], options].concat();
        let message = ["the table \"t\" has none; give the table a primary key, or leave out --upsert"];
        dir.run(&load).expect_code(2).assert_single_message(&message);
        dir.assert_unchanged(&before);
    }
    let load = dir.run(&["load", "in.csv", "new.db", "--upsert"]).expect_code(2);
    load.assert_single_message(&["name the key of a new table with --pk, add --append"]);
}

#[test]
fn append_and_truncate_load_into_an_existing_table() {
    let schema =
        "CREATE TABLE t (ID INTEGER PRIMARY KEY, name TEXT, \"when\" DATE, price REAL, note DEFAULT 'none');
        CREATE TABLE other (x); INSERT INTO other VALUES (1);
        INSERT INTO t (name) VALUES ('old')";
    let csv = "Name,id,when,price\n007,5,2024-01-02,1\nx,6,12,2.5\n";
    for (option, old_rows) in [("--append", 1), ("--truncate", 0)] {
        let dir = TestDir::new();
        dir.open("out.db").execute_batch(schema).unwrap();
        dir.write("in.csv", csv);
        let load = ["load", "in.csv", "out.db", "-t", "T", option];
        let deletes = option == "--truncate";
        let preview = dir.run(&[&load[..], &["--dry-run"]].concat()).expect_code(0);
        assert_eq!(preview.stdout.contains("\ndeletes 1 row of T\n"), deletes, "{}", preview.stdout);
        let loaded = dir.run(&[&load[..], &["--verify", "--report", "report.json"]].concat()).expect_code(0);
        assert_eq!(loaded.stderr.contains("\ndeleted 1 row of T\n"), deletes, "{}", loaded.stderr);
        let report: serde_json::Value = serde_json::from_slice(&dir.read("report.json")).unwrap();
        let replaced =
            serde_json::json!({"rows": 1, "indexes": [], "triggers": [], "views": [], "keeps_table": true});
        assert_eq!(report["replaced"], if deletes { replaced } else { serde_json::Value::Null });
        let connection = dir.open("out.db");
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
fn values_that_an_existing_table_would_alter_are_rejected() {
    let dir = TestDir::new();
    let schema = "CREATE TABLE t (n INTEGER, r STRING, d DECIMAL(10, 2), s TEXT)";
    dir.open("out.db").execute_batch(schema).unwrap();
    let altered = [
        "1.50",
        "1e-05",
        "1.0E10",
        "007",
        "+1",
        " 1",
        "1e5",
        "-0",
        ".5",
        "9223372036854775808",
        "0.12345678901234567",
        "1\0",
        "1\0abc",
        "1.5\0",
        "\u{b}1",
        "7\u{b}",
        "\u{c}1",
        " 1 \0",
    ];
    let kept = [
        "1",
        "1.5",
        "abc",
        "1_000",
        "0x10",
        "nan",
        "2024-01-01",
        "123456789012345",
        "\0",
        "a\0",
        "\u{b}",
        "1a\0",
    ];
    let rows = |column: usize| {
        let row = |value: &&str| {
            (0..4).map(|index| if index == column { value } else { "" }).collect::<Vec<_>>().join(",")
        };
        altered.iter().chain(&kept).map(row).collect::<Vec<_>>().join("\n")
    };
    for (column, name) in ["n", "r", "d", "s"].iter().enumerate() {
        dir.write("in.csv", format!("n,r,d,s\n{}\n", rows(column)));
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
        dir.run(&load).expect_code(if *name == "s" { 0 } else { 3 });
        let connection = dir.open("out.db");
        let found = rows_of(&connection, &format!("SELECT {name} || '', {name} FROM t ORDER BY rowid"));
        let expected: Vec<_> =
            if *name == "s" { altered.iter().chain(&kept).collect() } else { kept.iter().collect() };
        for (row, expected) in found.iter().zip(&expected) {
            let is_same = row[0] == text(expected) || row[0] == text(&format!("{expected}.0"));
            assert!(is_same, "{name}: {expected:?} is {row:?}");
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}

#[test]
fn an_any_column_takes_the_original_text_only_if_strict() {
    for (strict, code, loaded) in [("STRICT", 0, "007 +1 x"), ("", 3, "x")] {
        let dir = TestDir::new();
        dir.database().execute_batch(&format!("CREATE TABLE t (v ANY) {strict}")).unwrap();
        dir.write("in.csv", "v\n007\n+1\nx\n");
        dir.run(&["load", "in.csv", "people.db", "-t", "t", "--append", "--on-error", "skip"])
            .expect_code(code);
        assert_eq!(dir.query("SELECT group_concat(v, ' ') FROM t"), loaded);
    }
}

#[test]
fn append_reports_unknown_columns_and_conflicting_options() {
    let dir = TestDir::new();
    dir.write("in.csv", "a,b\n1,2\n");
    dir.run(&["load", "in.csv", "out.db", "-t", "t", "--append"]).expect_code(0);
    dir.write("more.csv", "a,c\n1,2\n");
    let load = ["load", "more.csv", "out.db", "-t", "t", "--append"];
    let before = dir.snapshot();
    dir.run(&load).expect_code(1).assert_single_message(&["\"t\" has no column \"c\"", "a, b", "--rename"]);
    dir.run(&[&load[..], &["--columns", "a", "--pk", "a"]].concat()).expect_code(2);
    dir.run(&[&load[..], &["--replace"]].concat()).expect_code(2);
    dir.assert_unchanged(&before);
    dir.run(&[&load[..], &["--rename", "c=b"]].concat()).expect_code(0);
    let connection = dir.open("out.db");
    assert_eq!(rows_of(&connection, "SELECT count(*), sum(b) FROM t"), [[2, 4].map(Value::Integer)]);
}

#[test]
fn analyze_collects_statistics() {
    load_with_each_writer("a,b\n1,2\n3,4\n", &["--analyze", "--index", "a"], 0, |connection, _| {
        let rows = rows_of(connection, "SELECT tbl, idx, stat FROM sqlite_stat1");
        assert_eq!(rows, [["t", "idx_t_a", "2 1"].map(text)]);
    });
}
