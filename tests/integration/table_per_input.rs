//! `--table-per-input`: each input is a table, as if it had been loaded alone, and all of them are one load.

use crate::common::{TestDir, assert_contains, rows_of, text};
use rusqlite::Connection;
use serde_json::Value as Json;
use sqload::plan::{IfExists, WriterChoice};
use sqload::{Kind, Loader};

/// Every table of a database: its declaration, and its rows with their types.
fn content(database: &Connection) -> Vec<(String, String, Vec<Vec<rusqlite::types::Value>>)> {
    let sql =
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let tables: Vec<(String, String)> = database
        .prepare(sql)
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let rows = |name: &str| rows_of(database, &format!("SELECT rowid, * FROM \"{name}\" ORDER BY rowid"));
    tables.into_iter().map(|(name, sql)| (name.clone(), sql, rows(&name))).collect()
}

fn feed(rows: usize) -> [(&'static str, String); 3] {
    let stops = (0..rows).map(|row| format!("S{row},{}.5,00{row}\n", row % 90)).collect::<String>();
    let trips = (0..rows).rev().map(|row| format!("{row},{}\n", row * 7)).collect::<String>();
    [
        ("stops.txt", format!("stop_id,lat,code\n{stops}")),
        ("trips.csv", format!("id,route\n{trips}")),
        ("Routes.csv", "id;name\n1;a, b\n2.5;\n".to_owned()),
    ]
}

fn write_feed(dir: &TestDir, rows: usize) -> Vec<&'static str> {
    feed(rows).into_iter().map(|(name, csv)| (dir.write(name, csv), name).1).collect()
}

#[test]
fn each_table_is_that_of_a_load_of_its_own() {
    let dir = TestDir::new();
    let inputs = write_feed(&dir, 5_000);
    for (writer, options) in [
        ("direct", &[][..]),
        // Without memory SQLite builds the indexes, which may leave free pages.
        ("", &["--memory", "0", "--index", "code", "--index", "id"]),
        ("direct", &["--auto-id=number", "--analyze", "--vacuum"]),
        (
            "direct",
            &["--pk", "id", "--index", "route", "--index", "lat", "--unique", "code", "--type", "id=REAL"],
        ),
        ("direct", &["--strict", "--all-text"]),
        (
            "statements",
            &["--writer", "statements", "--file-column", "f", "--null", "S7", "--rename", "route=r"],
        ),
    ] {
        let load =
            [&["load", "--table-per-input"], &inputs[..], &["out.db", "--verify", "--replace"], options]
                .concat();
        let report = [&load[..], &["--report", "report.json"]].concat();
        dir.run(&report).expect_code(0);
        let report: Json = serde_json::from_slice(&dir.read("report.json")).unwrap();
        let mut expected = Vec::new();
        for input in &inputs {
            // Options that name columns of other tables are an error there.
            let text = String::from_utf8(dir.read(input)).unwrap();
            let header = text.lines().next().unwrap();
            let has = |column: &str| header.split([',', ';']).any(|name| name == column);
            let mut own = Vec::new();
            let mut rest = options.iter().copied().peekable();
            while let Some(option) = rest.next() {
                let value = rest.next_if(|value| !value.starts_with("--"));
                let column = value.map(|value| value.split('=').next().unwrap());
                let names_column = ["--pk", "--index", "--unique", "--type", "--rename"].contains(&option);
                if !names_column || column.is_some_and(has) {
                    own.push(option);
                    own.extend(value);
                }
            }
            let alone = [&["load", input, "alone.db", "--replace"], &own[..]].concat();
            dir.run(&alone).expect_code(0);
            expected.extend(content(&dir.open("alone.db")));
            std::fs::remove_file(dir.path("alone.db")).unwrap();
        }
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        let database = dir.open("out.db");
        assert!(content(&database) == expected, "{options:?}");
        assert_eq!(rows_of(&database, "PRAGMA integrity_check"), [[text("ok")]]);
        let tables = report["tables"].as_array().unwrap();
        let names: Vec<_> = tables.iter().map(|table| table["table"].as_str().unwrap()).collect();
        assert_eq!(names, ["stops", "trips", "Routes"]);
        assert!(
            tables.iter().all(|table| writer.is_empty() || table["writer"] == writer),
            "{options:?} {tables:?}"
        );
        assert_eq!(tables[1]["loaded"], 5_000);
        assert_eq!((&report["records"], &report["loaded"]), (&Json::from(10_002), &Json::from(10_002)));
        drop(database);
        std::fs::remove_file(dir.path("out.db")).unwrap();
    }
}

#[test]
fn all_tables_are_loaded_or_none() {
    let dir = TestDir::new();
    write_feed(&dir, 100);
    dir.write("bad.csv", "a,b\n1,2\n3\n");
    dir.database().execute_batch("CREATE TABLE old (a); INSERT INTO old VALUES (1)").unwrap();
    for database in ["people.db", "new.db"] {
        let before = dir.snapshot();
        let load = ["load", "--table-per-input", "stops.txt", "trips.csv", "bad.csv", database];
        dir.run(&load).expect_code(1).assert_single_message(&["bad.csv", "record 2"]);
        dir.assert_unchanged(&before);
    }
    // A table in the way is found before anything is loaded.
    dir.write("old.csv", "a\n2\n");
    let before = dir.snapshot();
    let load = ["load", "--table-per-input", "stops.txt", "old.csv", "people.db"];
    dir.run(&load).expect_code(1).assert_single_message(&["\"old\" already exists"]);
    dir.assert_unchanged(&before);
}

#[test]
fn tables_are_replaced_and_filled() {
    let dir = TestDir::new();
    dir.write("a.csv", "n\n1\n");
    dir.write("b.csv", "n\nx\n");
    let load = |options: &[&str]| {
        let load = ["load", "--table-per-input", "a.csv", "b.csv", "out.db", "--verify"];
        dir.run(&[&load[..], options].concat()).expect_code(0)
    };
    let count = |table: &str| {
        dir.open("out.db")
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, u32>(0))
            .unwrap()
    };
    load(&[]);
    load(&["--append"]);
    assert_eq!((count("a"), count("b")), (2, 2));
    load(&["--append", "--auto-id"][..1]);
    assert_eq!((count("a"), count("b")), (3, 3));
    let truncated = load(&["--truncate"]);
    assert_contains(&truncated.stderr, ["  deleted 3 rows of a\n", "  deleted 3 rows of b\n"]);
    assert_eq!((count("a"), count("b")), (1, 1));
    // A database with these tables only is replaced as a whole.
    assert!(load(&["--replace"]).stderr.clone().contains("direct writer"));
    dir.open("out.db").execute_batch("CREATE TABLE other (x)").unwrap();
    assert!(load(&["--replace"]).stderr.clone().contains("direct writer"));
    assert_eq!((count("a"), count("b"), count("other")), (1, 1, 0));
    assert!(load(&["--append"]).stderr.clone().contains("direct writer"));
    assert_eq!((count("a"), count("b"), count("other")), (2, 2, 0));
}

#[test]
fn the_summary_has_a_line_for_each_table() {
    let dir = TestDir::new();
    dir.write("zip.csv", "zip,n\n1,2\n007,3\n");
    std::fs::create_dir(dir.path("more")).unwrap();
    dir.write("more/ZIP.csv", "n\n1\n2,3\n");
    let load = ["load", "--table-per-input", "zip.csv", "more/ZIP.csv", "out.db", "--on-error", "skip"];
    let outcome = dir.run(&load).expect_code(3);
    let summary = outcome.stderr.clone();
    for line in [
        "2 inputs -> out.db, 2 tables\n",
        "more/ZIP.csv: its table is named \"ZIP_2\", since the name of the file is in use or reserved\n",
        "zip from zip.csv: read 2 records: 2 loaded, 0 rejected\n",
        "  zip: TEXT, a leading zero at line 3: \"007\"\n",
        "ZIP_2 from more/ZIP.csv: read 2 records: 1 loaded, 1 rejected\n",
        "read 4 records: 3 loaded, 1 rejected; ",
    ] {
        assert!(summary.contains(line), "{line:?} is not in {summary}");
    }
    let preview = dir.run(&[&load[..], &["--dry-run", "--replace"]].concat()).expect_code(3);
    let preview = preview.stdout.clone();
    for part in [
        "table zip:\nreplaces zip: 2 rows\nCREATE TABLE \"zip\" ",
        "table ZIP_2:\nreplaces ZIP_2: 1 row\nCREATE TABLE \"ZIP_2\" ",
    ] {
        assert!(preview.contains(part), "{part:?} is not in {preview}");
    }
    assert_eq!(preview.matches("nothing was changed").count(), 1);
    let outcome = dir.run(&[&load[..], &["--replace", "--report", "report.json"]].concat()).expect_code(3);
    for replaced in ["  replaced zip: 2 rows\n", "  replaced ZIP_2: 1 row\n"] {
        assert!(outcome.stderr.contains(replaced), "{replaced:?} is not in {}", outcome.stderr);
    }
    let report: Json = serde_json::from_slice(&dir.read("report.json")).unwrap();
    assert_eq!((&report["status"], &report["exit_code"]), (&Json::from("loaded"), &Json::from(3)));
    assert_eq!(report["tables"][1]["replaced"]["rows"], 1);
}

#[test]
fn numbers_are_exact_in_the_tables_that_need_it() {
    let dir = TestDir::new();
    dir.write("a.csv", "n\n1.50\n2.25\n");
    dir.write("b.csv", "n\n1.50\n2.5\n1.125\n");
    let options = ["--type", "n=DECIMAL(10,2)", "--on-error", "skip"];
    let load = [&["load", "--table-per-input", "a.csv", "b.csv", "out.db"], &options[..]].concat();
    dir.run(&[&load[..], &["--dry-run"]].concat()).expect_code(3);
    dir.run(&load).expect_code(3);
    for (input, code) in [("a.csv", 0), ("b.csv", 3)] {
        dir.run(&[&["load", input, "alone.db"], &options[..]].concat()).expect_code(code);
    }
    assert!(content(&dir.open("out.db")) == content(&dir.open("alone.db")));
}

#[test]
fn nothing_loaded_into_any_table_is_an_error() {
    let dir = TestDir::new();
    dir.write("a.csv", "x,y\n1\n");
    dir.write("b.csv", "x,y\n2\n");
    dir.write("good.csv", "x,y\n2,3\n");
    let load = |inputs: &[&str], options: &[&str]| {
        let load = [&["load", "--table-per-input", "--on-error", "skip"], inputs, &["out.db"], options];
        dir.run(&load.concat()).code.unwrap()
    };
    assert_eq!((load(&["a.csv", "b.csv"], &[]), load(&["a.csv", "b.csv"], &["--dry-run"])), (1, 1));
    assert!(!dir.path("out.db").exists());
    for inputs in [["a.csv", "good.csv"], ["good.csv", "b.csv"]] {
        assert_eq!((load(&inputs, &["--dry-run"]), load(&inputs, &["--replace"])), (3, 3), "{inputs:?}");
        std::fs::remove_file(dir.path("out.db")).unwrap();
    }
}

#[test]
fn options_apply_to_the_tables_that_have_their_columns() {
    let dir = TestDir::new();
    dir.write("a.csv", "id,x\n1,2\n");
    dir.write("b.csv", "id,y\n1,2\n1,3\n");
    let load = ["load", "--table-per-input", "a.csv", "b.csv", "out.db"];
    for (options, column) in [
        (&["--pk", "id,z"][..], "\"z\""),
        (&["--pk", "x,y"], "\"x, y\""),
        (&["--type", "z=TEXT"], "\"z\""),
        (&["--rename", "z=a"], "\"z\""),
        (&["--index", "z"], "\"z\""),
        (&["--exclude", "z"], "\"z\""),
        (&["--null", "z=2"], "\"z\""),
        (&["--rename", "x=z", "--not-null", "x"], "\"x\""),
    ] {
        dir.run(&[&load[..], options].concat()).expect_code(1).assert_single_message(&[column]);
    }
    for option in [
        &["-t", "t"][..],
        &["--columns", "id"],
        &["--select", "id"],
        &["--where", "id > 1"],
        &["--union-by-name"],
    ] {
        dir.run(&[&load[..], option].concat()).expect_code(2);
    }
    let options = ["--pk", "x", "--without-rowid", "--index", "id", "--index", "y"];
    dir.run(&[&load[..], &options].concat()).expect_code(0);
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'idx%' ORDER BY name";
    assert_eq!(
        rows_of(&dir.open("out.db"), sql),
        ["idx_a_id", "idx_b_id", "idx_b_y"].map(|name| [text(name)])
    );
    dir.run(&[&load[..], &["--replace", "--exclude", "y", "--null", "x=2"]].concat()).expect_code(0);
    assert_eq!(rows_of(&dir.open("out.db"), "SELECT * FROM b").concat().len(), 2);
    assert_eq!(
        rows_of(&dir.open("out.db"), "SELECT x IS NULL FROM a"),
        rows_of(&dir.open("out.db"), "SELECT 1")
    );
    dir.run(&[&load[..], &["--replace"], &options].concat()).expect_code(0);
    let without_rowid = "SELECT name FROM pragma_table_list WHERE wr AND schema = 'main'";
    assert_eq!(rows_of(&dir.open("out.db"), without_rowid), [[text("a")]]);
}

#[test]
fn rows_that_break_a_constraint_are_rejected_in_their_table() {
    let dir = TestDir::new();
    dir.write("a.csv", "id\n1\n2\n");
    dir.write("b.csv", "id\n1\n1\n2\n");
    let load = ["load", "--table-per-input", "a.csv", "b.csv", "out.db", "--pk", "id"];
    dir.run(&load)
        .expect_code(1)
        .assert_single_message(&["b.csv: line 2 (record 1", "b.csv: line 3 (record 2"]);
    let options = ["--on-error", "skip", "--rejects", "bad.csv", "--verify"];
    dir.run(&[&load[..], &options].concat()).expect_code(3);
    // The rejects of each input are apart, although the headers are the same.
    assert_eq!(dir.read("bad.csv"), b"id\n");
    assert_eq!(dir.read("bad.csv.2"), b"id\n1\n");
    assert_eq!(dir.reasons("bad.csv.2")[0]["input"], "b.csv");
    assert_eq!(
        rows_of(&dir.open("out.db"), "SELECT count(*) FROM a UNION ALL SELECT count(*) FROM b").len(),
        2
    );
}

#[test]
fn an_empty_input_has_no_table() {
    let dir = TestDir::new();
    dir.write("a.csv", "1\n");
    dir.write("empty.csv", "");
    let load = ["load", "--table-per-input", "empty.csv", "a.csv", "out.db"];
    dir.run(&load).expect_code(1).assert_single_message(&["empty.csv: the input is empty"]);
    let outcome = dir.run(&[&load[..], &["--no-headers"]].concat()).expect_code(0);
    assert!(outcome.stderr.contains("empty.csv is empty and has no table"), "{outcome:?}");
    assert!(outcome.stderr.contains("2 inputs -> out.db, 1 table\n"), "{outcome:?}");
}

#[test]
fn many_tables_are_loaded_through_statements() {
    let dir = TestDir::new();
    let names: Vec<_> = (0..150).map(|number| format!("t{number}.csv")).collect();
    for name in &names {
        dir.write(name, format!("n\n{name}\n"));
    }
    let inputs: Vec<_> = names.iter().map(|name| dir.path(name)).collect();
    let loader = Loader::new("").table_per_input(true).verify(true);
    let report = loader.clone().load_all(&inputs, dir.path("out.db")).unwrap();
    assert_eq!((report.tables.len(), report.loaded, report.writer), (150, 150, "statements"));
    assert_eq!(report.writer_reason.as_deref(), Some("the load has more than 100 tables"));
    let direct = loader.writer(WriterChoice::Direct).if_exists(IfExists::Replace);
    let before = content(&dir.open("out.db"));
    let report = direct.load_all(&inputs, dir.path("out.db")).unwrap();
    assert_eq!((report.tables.len(), report.writer), (150, "direct"));
    assert!(content(&dir.open("out.db")) == before);
}

#[test]
fn an_error_names_the_delimiter_of_the_input_that_it_concerns() {
    let dir = TestDir::new();
    dir.write("a.csv", "n,x\n1,2\n");
    dir.write("b.csv", "n;y\n1;2\n");
    let load = ["load", "--table-per-input", "a.csv", "b.csv", "out.db"];
    dir.open("out.db").execute_batch("CREATE TABLE a (n, x); CREATE TABLE b (n)").unwrap();
    let append = [&load[..], &["--append"]].concat();
    dir.run(&append).expect_code(1).assert_single_message(&[
        "\"b\"",
        "\"y\"",
        "; fields are separated by ';'",
    ]);
    // All inputs lack the column.
    let unknown = [&load[..], &["--not-null", "z"]].concat();
    let outcome = dir.run(&unknown).expect_code(1);
    assert!(!outcome.stderr.contains("separated by"), "{}", outcome.stderr);
}

#[test]
fn advice_names_only_options_that_can_be_given() {
    let dir = TestDir::new();
    dir.open("out.db").execute_batch("CREATE TABLE old (a); CREATE VIEW v AS SELECT 1 AS a").unwrap();
    dir.write("old.csv", "a,b\n2,3\n");
    dir.write("other.csv", "c\n2\n");
    dir.write("v.csv", "a\n2\n");
    let cases = [
        (&["old.csv", "--table-per-input"][..], 1, ["--replace", "or rename the input"], &["--table "][..]),
        (&["v.csv", "--table-per-input", "--replace"], 2, ["is a view", "rename the input"], &["--table"]),
        (
            &["old.csv", "--table-per-input", "--append"],
            1,
            ["--exclude, rename it with --rename", "--add-columns"],
            &[" --columns"],
        ),
        (&["old.csv", "--append"], 1, ["--exclude or --columns", "--add-columns"], &[]),
        (
            &["old.csv", "--append", "--select", "a, b"],
            1,
            ["leave it out of --select", "--add-columns"],
            &["--exclude", " --columns"],
        ),
        (&["old.csv", "other.csv"], 1, ["--union-by-name", "--table-per-input"], &[]),
        (
            &["old.csv", "other.csv", "-t", "t"],
            1,
            ["columns differ", "--union-by-name"],
            &["--table-per-input"],
        ),
    ];
    for (arguments, code, parts, absent) in cases {
        let outcome = dir.run(&[&["load"][..], arguments, &["out.db"]].concat()).expect_code(code);
        outcome.assert_single_message(&parts);
        for part in absent {
            assert!(!outcome.stderr.contains(part), "{part:?} in {}", outcome.stderr);
        }
    }
}

#[test]
fn the_library_checks_the_plan() {
    let dir = TestDir::new();
    dir.write("a.csv", "n\n1\n");
    let loader = Loader::new("t").table_per_input(true);
    for loader in
        [loader.clone().columns(["n"]), loader.clone().union_by_name(true), loader.filter("n > 1").unwrap()]
    {
        let error = loader.load(dir.path("a.csv"), dir.path("out.db")).unwrap_err();
        assert!(matches!(error.kind(), Kind::Usage(_)), "{error}");
    }
}
