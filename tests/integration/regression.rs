//! Regression tests: each is named after what broke.

use crate::common::{TestDir, people_csv, query};
use std::io::Write;

fn query_out(dir: &TestDir, sql: &str) -> String {
    query(&dir.open("out.db"), sql)
}

#[test]
fn rejects_of_another_encoding_load_with_the_same_options() {
    let dir = TestDir::new();
    dir.write("in.csv", b"n\xe4me,v\n\xe4,1\n\xf6\n");
    let options = ["--encoding", "windows-1252", "-t", "t", "--on-error", "skip", "--rejects", "bad.csv"];
    dir.run(&[&["load", "in.csv", "out.db"], &options[..]].concat()).expect_code(3);
    let bad = dir.read("bad.csv");
    assert_eq!(bad, "\u{feff}näme,v\nö\n".as_bytes());
    dir.write("fixed.csv", String::from_utf8(bad).unwrap().replace("ö", "ö,2"));
    dir.run(&[&["load", "fixed.csv", "out.db", "--append"], &options[..4]].concat()).expect_code(0);
    assert_eq!(query_out(&dir, "SELECT group_concat(\"näme\" || v) FROM t"), "ä1,ö2");
}

#[test]
fn a_header_with_invalid_utf8_is_an_error() {
    let dir = TestDir::new();
    dir.write("in.csv", b"# note\na,n\xe4\n1,2\n");
    let load = ["load", "in.csv", "out.db", "--skip-lines", "1"];
    let parts = ["in.csv: line 2 (", "byte 10", "--encoding"];
    dir.run(&load).expect_code(1).assert_single_message(&parts);
    assert!(!dir.path("out.db").exists());
    let outcome = dir.run(&[&load[..], &["--invalid-utf8", "replace"]].concat()).expect_code(0);
    assert!(
        outcome.stderr.contains("invalid UTF-8 in the header was replaced with U+FFFD"),
        "{}",
        outcome.stderr
    );
    assert_eq!(query_out(&dir, "SELECT name FROM pragma_table_info('in') WHERE cid = 1"), "n\u{fffd}");
    std::fs::remove_file(dir.path("out.db")).unwrap();
    dir.run(&[&load[..], &["--encoding", "latin1"]].concat()).expect_code(0);
    assert_eq!(query_out(&dir, "SELECT name FROM pragma_table_info('in') WHERE cid = 1"), "nä");
}

#[test]
fn duplicate_names_in_an_archive_are_an_error() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, csv) in [("x.csv", "a\n1\n"), ("y.csv", "a\n2\n")] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(csv.as_bytes()).unwrap();
    }
    let mut bytes = archive.finish().unwrap().into_inner();
    let dir = TestDir::new();
    dir.write("in.zip", &bytes);
    dir.run(&["load", "in.zip", "out.db", "-t", "t"]).expect_code(0);
    assert_eq!(query_out(&dir, "SELECT group_concat(a) FROM t"), "1,2");
    while let Some(index) = bytes.windows(5).position(|name| name == b"y.csv") {
        bytes[index] = b'x';
    }
    dir.write("in.zip", &bytes);
    let load = ["load", "in.zip", "out.db", "-t", "t", "--replace"];
    dir.run(&load)
        .expect_code(1)
        .assert_single_message(&["in.zip", "two files in the archive have the same name"]);
}

#[test]
fn a_file_size_limit_fails_the_load_and_leaves_nothing() {
    let dir = TestDir::with_input(people_csv(300_000));
    let before = dir.snapshot();
    // Unless the program handles SIGXFSZ, the signal kills it.
    dir.load_after_setup("ulimit -f 2000", &[]).expect_code(1).assert_single_message(&["cannot write"]);
    dir.assert_unchanged(&before);
}

#[test]
fn skipping_more_lines_than_exist_is_an_empty_input() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\n1\n");
    let load = ["load", "in.csv", "out.db", "--skip-lines", "18446744073709551615"];
    dir.run(&load).expect_code(1).assert_single_message(&["in.csv", "empty"]);
}

#[test]
fn an_oversized_quoted_field_is_not_reported_as_unclosed() {
    let dir = TestDir::new();
    dir.write("in.csv", format!("a,b\n\"{}\",1\n", "y\n".repeat(5_000)));
    let load = ["load", "in.csv", "out.db", "--max-record-size", "1000"];
    dir.run(&load).expect_code(1).assert_single_message(&[
        "line 2 (record 1",
        "not closed within 1000 bytes",
        "--max-record-size",
    ]);
    dir.run(&["load", "in.csv", "out.db", "--max-record-size", "20000"]).expect_code(0);
}

#[test]
fn errors_beyond_the_limit_are_not_reported() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\n1\n2\n\"x\n");
    for limit in ["1", "2"] {
        dir.run(&["load", "in.csv", "out.db", "-t", "t", "--replace", "--limit", limit]).expect_code(0);
        assert_eq!(query_out(&dir, "SELECT max(a) FROM t"), limit);
    }
    dir.run(&["load", "in.csv", "out.db", "-t", "t", "--replace", "--limit", "3"]).expect_code(1);
}

#[test]
fn a_type_note_names_the_input_if_there_are_several() {
    let dir = TestDir::new();
    dir.write("1.csv", "n\n1\n");
    dir.write("2.csv", "n\n2\n03\n");
    let stderr = dir.run(&["load", "1.csv", "2.csv", "out.db"]).expect_code(0).stderr;
    assert!(stderr.contains("n: TEXT, a leading zero at line 3 of 2.csv: \"03\""), "{stderr}");
}

#[test]
fn quiet_still_reports_an_unwritable_report() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\n1\n");
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let load = ["load", "in.csv", "out.db", "-q", "--report", "/dev/full"];
    let stderr = dir.run(&load).expect_code(0).stderr;
    assert!(stderr.contains("the report could not be written"), "{stderr:?}");
}

#[test]
fn a_record_without_a_key_is_not_given_one() {
    let dir = TestDir::new();
    dir.write("in.csv", "id,b\n1,x\n,y\n2,z\n");
    let new = ["load", "in.csv", "out.db", "-t", "t", "--replace", "--pk", "id"];
    let key_options: [&[&str]; 5] =
        [&[], &["--writer", "statements"], &["--not-null", "id"], &["--strict"], &["--type", "id=INTEGER"]];
    for options in key_options {
        let load = [&new[..], options].concat();
        dir.run(&load)
            .expect_code(1)
            .assert_single_message(&["line 3 (record 2", "NOT NULL constraint failed: t.id"]);
        dir.run(&[&load[..], &["--on-error", "skip"]].concat()).expect_code(3);
        assert_eq!(query_out(&dir, "SELECT group_concat(id || b) FROM t"), "1x,2z", "{options:?}");
    }
    for into in [&["--append", "--upsert"][..], &["--append", "--ignore"]] {
        let load = [&["load", "in.csv", "out.db", "-t", "t", "--on-error", "skip"], into].concat();
        let stderr = dir.run(&load).expect_code(3).stderr;
        assert!(stderr.contains("rejected: NOT NULL constraint failed: t.id"), "{stderr}");
        assert_eq!(query_out(&dir, "SELECT group_concat(id || b) FROM t"), "1x,2z", "{into:?}");
    }
    // If the input lacks the key column, SQLite numbers the rows.
    dir.write("in.csv", "b\ny\n");
    dir.run(&["load", "in.csv", "out.db", "-t", "t", "--append"]).expect_code(0);
    assert_eq!(query_out(&dir, "SELECT group_concat(id || b) FROM t"), "1x,2z,3y");
}

#[test]
fn a_generated_column_must_be_left_out() {
    let dir = TestDir::new();
    dir.open("out.db").execute_batch("CREATE TABLE t (a, b AS (a + 1))").unwrap();
    dir.write("in.csv", "a,b\n1,2\n");
    let load = ["load", "in.csv", "out.db", "-t", "t", "--append"];
    for more in [&[][..], &["--add-columns"]] {
        dir.run(&[&load[..], more].concat()).expect_code(2).assert_single_message(&[
            "computes its column",
            "\"b\"",
            "--columns",
        ]);
    }
    dir.run(&[&load[..], &["--columns", "a"]].concat()).expect_code(0);
    assert_eq!(query_out(&dir, "SELECT b FROM t"), "2");
}

#[test]
fn column_names_compare_like_in_sqlite() {
    let dir = TestDir::new();
    dir.write("1.csv", "É,a\n1,2\n");
    dir.write("2.csv", "é,A\n3,4\n");
    dir.run(&["load", "1.csv", "2.csv", "out.db", "-t", "t"])
        .expect_code(1)
        .assert_single_message(&["2.csv", "É", "é"]);
    dir.run(&["load", "1.csv", "2.csv", "out.db", "-t", "t", "--union-by-name"]).expect_code(0);
    dir.run(&["load", "1.csv", "2.csv", "out.db", "-t", "t", "--union-by-name", "--append"]).expect_code(0);
    assert_eq!(query_out(&dir, "SELECT group_concat(name) FROM pragma_table_info('t')"), "É,a,é");
    assert_eq!(query_out(&dir, "SELECT count(É) || count(a) || count(é) FROM t"), "242");
}

#[test]
fn an_empty_input_without_a_header_has_no_records() {
    let dir = TestDir::new();
    dir.write("a.csv", "a,b\n1,2\n");
    dir.write("empty.csv", "");
    for inputs in [["a.csv", "empty.csv"], ["empty.csv", "a.csv"]] {
        dir.run(&[&["load"], &inputs[..], &["out.db", "-t", "t", "--no-headers", "--replace"]].concat())
            .expect_code(0);
        assert_eq!(query_out(&dir, "SELECT group_concat(column1 || column2) FROM t"), "ab,12");
    }
    let load = ["load", "empty.csv", "out.db", "-t", "t", "--no-headers", "--replace"];
    dir.run(&load).expect_code(1).assert_single_message(&[
        "empty.csv",
        "the input is empty",
        "the number of columns",
    ]);
    assert_eq!(query_out(&dir, "SELECT count(*) FROM t"), "2");
}

#[test]
fn options_accept_names_with_commas_and_equal_signs() {
    let dir = TestDir::new();
    dir.write("in.csv", "\"a,b\",\"c=d\",e\n1,2,3\n");
    let load = ["load", "in.csv", "out.db", "-t", "t", "--pk", "\"a,b\",e", "--index", "e,\"a,b\""];
    let more = ["--columns", "e,\"a,b\",c=d", "--rename", "\"c=d\"=f", "--not-null", "f,\"a,b\""];
    dir.run(&[&load[..], &more].concat()).expect_code(0);
    assert_eq!(query_out(&dir, "SELECT group_concat(name) FROM pragma_table_info('t')"), "e,a,b,f");
    assert_eq!(query_out(&dir, "SELECT group_concat(name) FROM pragma_table_info('t') WHERE pk"), "e,a,b");
}

#[test]
fn index_names_are_unique() {
    let dir = TestDir::new();
    dir.write("sales.csv", "north_id,a\n1,2\n");
    dir.write("sales_north.csv", "id,b\n1,2\n");
    dir.run(&["load", "sales.csv", "out.db", "--index", "north_id"]).expect_code(0);
    for _ in 0..2 {
        dir.run(&["load", "sales_north.csv", "out.db", "--index", "id", "--replace"]).expect_code(0);
        let names = "SELECT group_concat(name, ' ') FROM sqlite_schema WHERE type = 'index' ORDER BY name";
        assert_eq!(query_out(&dir, names), "idx_sales_north_id idx_sales_north_id_2");
    }
}

#[test]
fn obstacles_in_the_target_are_named() {
    let dir = TestDir::new();
    dir.write("a.csv", "a,b\n1,2\n");
    // The name belongs to a view.
    dir.open("out.db").execute_batch("CREATE VIEW a AS SELECT 1").unwrap();
    for into in ["--quiet", "--replace", "--append", "--truncate"] {
        dir.run(&["load", "a.csv", "out.db", into])
            .expect_code(2)
            .assert_single_message(&["\"a\" is a view"]);
        dir.run(&["load", "a.csv", "out.db", into, "--dry-run"])
            .expect_code(2)
            .assert_single_message(&["\"a\" is a view"]);
    }
    // Upsert needs a key, in the first load and in later ones.
    for _ in 0..2 {
        let load = ["load", "a.csv", "out.db", "-t", "t", "--append", "--upsert"];
        dir.run(&load).expect_code(2).assert_single_message(&["--upsert", "--pk"]);
    }
    dir.run(&["load", "a.csv", "out.db", "--file-column", ""])
        .expect_code(2)
        .assert_single_message(&["needs a name"]);
    // The database is a link to a file that does not exist yet.
    std::os::unix::fs::symlink("real.db", dir.path("link.db")).unwrap();
    for into in ["--replace", "--append"] {
        dir.run(&["load", "a.csv", "link.db", into]).expect_code(0);
    }
    let connection = dir.open("real.db");
    assert_eq!(query(&connection, "SELECT count(*) FROM a"), "2");
    assert!(dir.path("link.db").is_symlink());
}

#[test]
fn a_dry_run_shows_text_with_invalid_utf8() {
    let dir = TestDir::new();
    dir.write("a.csv", "a\n1\n");
    let load = ["load", "a.csv", "out.db", "--select", "CAST(x'61ff' AS TEXT) AS q", "--dry-run"];
    let stdout = dir.run(&load).expect_code(0).stdout;
    assert!(stdout.contains("'a\u{fffd}'"), "{stdout}");
}

#[test]
fn a_type_note_names_the_first_non_number_at_any_number_of_jobs() {
    let dir = TestDir::new();
    // Many chunks contain words, and any worker may find the first.
    let rows: String = (0..300_000)
        .map(|row| match row {
            250_000.. if row % 7 == 0 => format!("N/A,x{row},0{row},9223372036854775807\n"),
            _ => format!("{row},x{row},{row},{row}.5\n"),
        })
        .collect();
    dir.write("in.csv", format!("n,t,zip,large\n,,,9223372036854775807\n{rows}"));
    for jobs in ["1", "2", "8"] {
        let stderr =
            dir.run(&["load", "in.csv", "out.db", "-t", "t", "--replace", "-j", jobs]).expect_code(0).stderr;
        let notes: Vec<_> = stderr.lines().filter(|line| line.contains(": TEXT, ")).collect();
        let expected = [
            "n: TEXT, a value that is not a number at line 250008: \"N/A\"",
            "zip: TEXT, a leading zero at line 250008: \"0250005\"",
            "large: TEXT, \"9223372036854775807\" at line 2, \"0.5\" at line 3: a fraction, and an integer with more digits than a REAL can hold",
        ];
        assert_eq!(notes, expected, "{jobs}: {stderr}");
    }
}

#[test]
fn the_first_bad_record_fails_the_load_whatever_its_error() {
    let dir = TestDir::new();
    let good = "1,2\n".repeat(3_000);
    for (wrong, kind) in [(",3\n4\n", "NOT NULL"), ("4\n,3\n", "1 field,")] {
        dir.write("in.csv", format!("a,b\n{good}{wrong}{good}"));
        for writer in ["direct", "statements"] {
            for jobs in ["1", "4"] {
                let load = ["load", "in.csv", "out.db", "--not-null", "a", "--writer", writer, "-j", jobs];
                dir.run(&load)
                    .expect_code(1)
                    .assert_single_message(&["in.csv: line 3002 (record 3001", kind]);
            }
        }
    }
}

#[test]
fn the_hot_journal_of_a_killed_writer_is_rolled_back() {
    let dir = TestDir::new();
    let connection = dir.open("whole.db");
    connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    // A writer in the middle of a transaction that has already been written to disk.
    let rows = "PRAGMA cache_size = 1; BEGIN;
        WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 5000)
        INSERT INTO t SELECT hex(randomblob(200)) FROM s";
    connection.execute_batch(rows).unwrap();
    dir.write("a.csv", "a\n2\n");
    let loads = [
        (&["--append", "-t", "t"][..], "1 2"),
        (&["-t", "other"], "1"),
        (&["--replace", "-t", "t"], "2"),
        (&["--append", "-t", "t", "--dry-run"], "1"),
    ];
    for (load, rows) in loads {
        std::fs::copy(dir.path("whole.db"), dir.path("out.db")).unwrap();
        std::fs::copy(dir.path("whole.db-journal"), dir.path("out.db-journal")).unwrap();
        dir.run(&[&["load", "a.csv", "out.db"], load].concat()).expect_code(0);
        assert_eq!(query_out(&dir, "PRAGMA integrity_check"), "ok");
        assert_eq!(query_out(&dir, "SELECT group_concat(a, ' ') FROM t"), rows, "{load:?}");
        std::fs::remove_file(dir.path("out.db")).unwrap();
    }
}

#[test]
fn an_untyped_value_loads_into_a_strict_table() {
    let dir = TestDir::new();
    dir.write("a.csv", "a,b\n1,x\n");
    let load =
        ["load", "a.csv", "out.db", "-t", "t", "--strict", "--select", "a, length(b) AS n, b || a AS x"];
    dir.run(&load).expect_code(0);
    assert_eq!(query_out(&dir, "SELECT typeof(a) || typeof(n) || n || x FROM t"), "integerinteger1x1");
}
