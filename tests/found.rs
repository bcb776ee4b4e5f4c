//! What was found wrong once, from the command line.

mod common;

use common::{Place, query};
use rusqlite::Connection;
use std::io::Write;

fn value(place: &Place, sql: &str) -> String {
    query(&Connection::open(place.path("out.db")).unwrap(), sql)
}

#[test]
fn rejects_of_another_encoding_are_loaded_with_the_same_options() {
    let place = Place::empty();
    place.write("in.csv", b"n\xe4me,v\n\xe4,1\n\xf6\n");
    let options = ["--encoding", "windows-1252", "-t", "t", "--on-error", "skip", "--rejects", "bad.csv"];
    place.run(&[&["load", "in.csv", "out.db"], &options[..]].concat()).expect(3);
    let bad = place.read("bad.csv");
    assert_eq!(bad, "\u{feff}näme,v\nö\n".as_bytes());
    place.write("mended.csv", String::from_utf8(bad).unwrap().replace("ö", "ö,2"));
    place.run(&[&["load", "mended.csv", "out.db", "--append"], &options[..4]].concat()).expect(0);
    assert_eq!(value(&place, "SELECT group_concat(\"näme\" || v) FROM t"), "ä1,ö2");
}

#[test]
fn a_header_that_is_no_utf_8_is_an_error() {
    let place = Place::empty();
    place.write("in.csv", b"# note\na,n\xe4\n1,2\n");
    let load = ["load", "in.csv", "out.db", "--skip-lines", "1"];
    let parts = ["in.csv: line 2 (", "byte 10", "--encoding"];
    place.run(&load).expect(1).says_once(&parts);
    assert!(!place.path("out.db").exists());
    let mended = place.run(&[&load[..], &["--invalid-utf8", "replace"]].concat()).expect(0);
    assert!(mended.stderr.contains("the header is not UTF-8"), "{}", mended.stderr);
    assert_eq!(value(&place, "SELECT name FROM pragma_table_info('in') WHERE cid = 1"), "n\u{fffd}");
    std::fs::remove_file(place.path("out.db")).unwrap();
    place.run(&[&load[..], &["--encoding", "latin1"]].concat()).expect(0);
    assert_eq!(value(&place, "SELECT name FROM pragma_table_info('in') WHERE cid = 1"), "nä");
}

#[test]
fn two_files_of_the_same_name_in_an_archive_are_an_error() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, csv) in [("x.csv", "a\n1\n"), ("y.csv", "a\n2\n")] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(csv.as_bytes()).unwrap();
    }
    let mut bytes = archive.finish().unwrap().into_inner();
    let place = Place::empty();
    place.write("in.zip", &bytes);
    place.run(&["load", "in.zip", "out.db", "-t", "t"]).expect(0);
    assert_eq!(value(&place, "SELECT group_concat(a) FROM t"), "1,2");
    while let Some(at) = bytes.windows(5).position(|name| name == b"y.csv") {
        bytes[at] = b'x';
    }
    place.write("in.zip", &bytes);
    let load = ["load", "in.zip", "out.db", "-t", "t", "--replace"];
    place.run(&load).expect(1).says_once(&["in.zip", "two files in the archive have the same name"]);
}

#[test]
fn a_limit_on_files_is_an_error_and_leaves_nothing() {
    let place = Place::with_input(common::many(300_000));
    let before = place.snapshot();
    // Without a trap the signal would end the program.
    place.load_after("ulimit -f 2000", &[]).expect(1).says_once(&["cannot write"]);
    place.is_as(&before);
}

#[test]
fn more_lines_are_skipped_than_there_are() {
    let place = Place::empty();
    place.write("in.csv", "a\n1\n");
    let load = ["load", "in.csv", "out.db", "--skip-lines", "18446744073709551615"];
    place.run(&load).expect(1).says_once(&["in.csv", "empty"]);
}

#[test]
fn a_field_too_long_is_not_said_to_be_never_closed() {
    let place = Place::empty();
    place.write("in.csv", format!("a,b\n\"{}\",1\n", "y\n".repeat(5_000)));
    let load = ["load", "in.csv", "out.db", "--max-record-size", "1000"];
    place.run(&load).expect(1).says_once(&[
        "line 2 (record 1",
        "not closed within 1000 bytes",
        "--max-record-size",
    ]);
    place.run(&["load", "in.csv", "out.db", "--max-record-size", "20000"]).expect(0);
}

#[test]
fn what_is_wrong_behind_the_limit_is_not_read() {
    let place = Place::empty();
    place.write("in.csv", "a\n1\n2\n\"x\n");
    for limit in ["1", "2"] {
        place.run(&["load", "in.csv", "out.db", "-t", "t", "--replace", "--limit", limit]).expect(0);
        assert_eq!(value(&place, "SELECT max(a) FROM t"), limit);
    }
    place.run(&["load", "in.csv", "out.db", "-t", "t", "--replace", "--limit", "3"]).expect(1);
}

#[test]
fn a_note_on_a_type_names_the_input_where_there_are_several() {
    let place = Place::empty();
    place.write("1.csv", "n\n1\n");
    place.write("2.csv", "n\n2\n03\n");
    let said = place.run(&["load", "1.csv", "2.csv", "out.db"]).expect(0).stderr;
    assert!(said.contains("n: TEXT, a leading zero at line 3 of 2.csv"), "{said}");
}

#[test]
fn a_report_that_can_not_be_written_is_said_though_all_is_quiet() {
    let place = Place::empty();
    place.write("in.csv", "a\n1\n");
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let load = ["load", "in.csv", "out.db", "-q", "--report", "/dev/full"];
    let said = place.run(&load).expect(0).stderr;
    assert!(said.contains("the report could not be written"), "{said:?}");
}

#[test]
fn no_key_is_made_up_for_a_record_that_has_none() {
    let place = Place::empty();
    place.write("in.csv", "id,b\n1,x\n,y\n2,z\n");
    let new = ["load", "in.csv", "out.db", "-t", "t", "--replace", "--pk", "id"];
    let ways: [&[&str]; 5] =
        [&[], &["--writer", "statements"], &["--not-null", "id"], &["--strict"], &["--type", "id=INTEGER"]];
    for way in ways {
        let load = [&new[..], way].concat();
        place.run(&load).expect(1).says_once(&["line 3 (record 2", "NOT NULL constraint failed: t.id"]);
        place.run(&[&load[..], &["--on-error", "skip"]].concat()).expect(3);
        assert_eq!(value(&place, "SELECT group_concat(id || b) FROM t"), "1x,2z", "{way:?}");
    }
    for into in [&["--append", "--upsert"][..], &["--append", "--ignore"]] {
        let load = [&["load", "in.csv", "out.db", "-t", "t", "--on-error", "skip"], into].concat();
        let said = place.run(&load).expect(3).stderr;
        assert!(said.contains("rejected: NOT NULL constraint failed: t.id"), "{said}");
        assert_eq!(value(&place, "SELECT group_concat(id || b) FROM t"), "1x,2z", "{into:?}");
    }
    // A column that is not there at all is numbered.
    place.write("in.csv", "b\ny\n");
    place.run(&["load", "in.csv", "out.db", "-t", "t", "--append"]).expect(0);
    assert_eq!(value(&place, "SELECT group_concat(id || b) FROM t"), "1x,2z,3y");
}

#[test]
fn a_column_that_the_table_makes_itself_is_to_be_left_out() {
    let place = Place::empty();
    Connection::open(place.path("out.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (a, b AS (a + 1))")
        .unwrap();
    place.write("in.csv", "a,b\n1,2\n");
    let load = ["load", "in.csv", "out.db", "-t", "t", "--append"];
    for more in [&[][..], &["--add-columns"]] {
        place.run(&[&load[..], more].concat()).expect(2).says_once(&[
            "makes the values",
            "\"b\"",
            "--columns",
        ]);
    }
    place.run(&[&load[..], &["--columns", "a"]].concat()).expect(0);
    assert_eq!(value(&place, "SELECT b FROM t"), "2");
}

#[test]
fn names_are_the_same_wherever_sqlite_takes_them_for_the_same() {
    let place = Place::empty();
    place.write("1.csv", "É,a\n1,2\n");
    place.write("2.csv", "é,A\n3,4\n");
    place.run(&["load", "1.csv", "2.csv", "out.db", "-t", "t"]).expect(1).says_once(&["2.csv", "É", "é"]);
    place.run(&["load", "1.csv", "2.csv", "out.db", "-t", "t", "--union-by-name"]).expect(0);
    place.run(&["load", "1.csv", "2.csv", "out.db", "-t", "t", "--union-by-name", "--append"]).expect(0);
    assert_eq!(value(&place, "SELECT group_concat(name) FROM pragma_table_info('t')"), "É,a,é");
    assert_eq!(value(&place, "SELECT count(É) || count(a) || count(é) FROM t"), "242");
}

#[test]
fn an_empty_input_has_no_records_where_there_is_no_header() {
    let place = Place::empty();
    place.write("a.csv", "a,b\n1,2\n");
    place.write("empty.csv", "");
    for inputs in [["a.csv", "empty.csv"], ["empty.csv", "a.csv"]] {
        place
            .run(&[&["load"], &inputs[..], &["out.db", "-t", "t", "--no-headers", "--replace"]].concat())
            .expect(0);
        assert_eq!(value(&place, "SELECT group_concat(column1 || column2) FROM t"), "ab,12");
    }
    let load = ["load", "empty.csv", "out.db", "-t", "t", "--no-headers", "--replace"];
    place.run(&load).expect(1).says_once(&["empty.csv", "the input is empty", "how many columns"]);
    assert_eq!(value(&place, "SELECT count(*) FROM t"), "2");
}

#[test]
fn names_with_commas_and_equal_signs_can_be_given() {
    let place = Place::empty();
    place.write("in.csv", "\"a,b\",\"c=d\",e\n1,2,3\n");
    let load = ["load", "in.csv", "out.db", "-t", "t", "--pk", "\"a,b\",e", "--index", "e,\"a,b\""];
    let more = ["--columns", "e,\"a,b\",c=d", "--rename", "\"c=d\"=f", "--not-null", "f,\"a,b\""];
    place.run(&[&load[..], &more].concat()).expect(0);
    assert_eq!(value(&place, "SELECT group_concat(name) FROM pragma_table_info('t')"), "e,a,b,f");
    assert_eq!(value(&place, "SELECT group_concat(name) FROM pragma_table_info('t') WHERE pk"), "e,a,b");
}

#[test]
fn an_index_has_a_name_that_nothing_else_has() {
    let place = Place::empty();
    place.write("sales.csv", "north_id,a\n1,2\n");
    place.write("sales_north.csv", "id,b\n1,2\n");
    place.run(&["load", "sales.csv", "out.db", "--index", "north_id"]).expect(0);
    for _ in 0..2 {
        place.run(&["load", "sales_north.csv", "out.db", "--index", "id", "--replace"]).expect(0);
        let names = "SELECT group_concat(name, ' ') FROM sqlite_schema WHERE type = 'index' ORDER BY name";
        assert_eq!(value(&place, names), "idx_sales_north_id idx_sales_north_id_2");
    }
}

#[test]
fn what_stands_in_the_way_is_named() {
    let place = Place::empty();
    place.write("a.csv", "a,b\n1,2\n");
    // A view is no table.
    Connection::open(place.path("out.db")).unwrap().execute_batch("CREATE VIEW a AS SELECT 1").unwrap();
    for into in ["--replace", "--append", "--truncate"] {
        place.run(&["load", "a.csv", "out.db", into]).expect(2).says_once(&["\"a\" is a view"]);
        place.run(&["load", "a.csv", "out.db", into, "--dry-run"]).expect(2).says_once(&["\"a\" is a view"]);
    }
    // There is no key to find a row by, on this day as on the next.
    for _ in 0..2 {
        let load = ["load", "a.csv", "out.db", "-t", "t", "--append", "--upsert"];
        place.run(&load).expect(2).says_once(&["--upsert", "--pk"]);
    }
    place.run(&["load", "a.csv", "out.db", "--file-column", ""]).expect(2).says_once(&["needs a name"]);
    // A link to a database that is not there yet.
    std::os::unix::fs::symlink("real.db", place.path("link.db")).unwrap();
    for into in ["--replace", "--append"] {
        place.run(&["load", "a.csv", "link.db", into]).expect(0);
    }
    let connection = Connection::open(place.path("real.db")).unwrap();
    assert_eq!(query(&connection, "SELECT count(*) FROM a"), "2");
    assert!(place.path("link.db").is_symlink());
}

#[test]
fn a_dry_run_shows_texts_that_are_no_utf_8() {
    let place = Place::empty();
    place.write("a.csv", "a\n1\n");
    let load = ["load", "a.csv", "out.db", "--select", "CAST(x'61ff' AS TEXT) AS q", "--dry-run"];
    let said = place.run(&load).expect(0).stdout;
    assert!(said.contains("'a\u{fffd}'"), "{said}");
}

#[test]
fn a_column_that_begins_with_numbers_says_where_they_end() {
    let place = Place::empty();
    // Words in many chunks, which any worker may see first.
    let rows: String = (0..300_000)
        .map(|row| match row {
            250_000.. if row % 7 == 0 => format!("N/A,x{row},0{row},9223372036854775807\n"),
            _ => format!("{row},x{row},{row},{row}.5\n"),
        })
        .collect();
    place.write("in.csv", format!("n,t,zip,large\n,,,9223372036854775807\n{rows}"));
    for jobs in ["1", "2", "8"] {
        let said =
            place.run(&["load", "in.csv", "out.db", "-t", "t", "--replace", "-j", jobs]).expect(0).stderr;
        let notes: Vec<_> = said.lines().filter(|line| line.contains(": TEXT, ")).collect();
        let expected = [
            "n: TEXT, a value that is not a number at line 250008",
            "zip: TEXT, a leading zero at line 250008",
            "large: TEXT, integers of more than 15 digits mixed with fractions at line 3",
        ];
        assert_eq!(notes, expected, "{jobs}: {said}");
    }
}

#[test]
fn the_first_record_that_is_wrong_ends_the_load_whatever_is_wrong_with_it() {
    let place = Place::empty();
    let good = "1,2\n".repeat(3_000);
    for (wrong, kind) in [(",3\n4\n", "NOT NULL"), ("4\n,3\n", "1 fields")] {
        place.write("in.csv", format!("a,b\n{good}{wrong}{good}"));
        for writer in ["direct", "statements"] {
            for jobs in ["1", "4"] {
                let load = ["load", "in.csv", "out.db", "--not-null", "a", "--writer", writer, "-j", jobs];
                place.run(&load).expect(1).says_once(&["in.csv: line 3002 (record 3001", kind]);
            }
        }
    }
}

#[test]
fn what_a_killed_writer_has_left_is_taken_back() {
    let place = Place::empty();
    let connection = Connection::open(place.path("whole.db")).unwrap();
    connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    // A writer in the middle of a transaction that is on the disk already.
    let rows = "PRAGMA cache_size = 1; BEGIN;
        WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 5000)
        INSERT INTO t SELECT hex(randomblob(200)) FROM s";
    connection.execute_batch(rows).unwrap();
    place.write("a.csv", "a\n2\n");
    let loads = [
        (&["--append", "-t", "t"][..], "1 2"),
        (&["-t", "other"], "1"),
        (&["--replace", "-t", "t"], "2"),
        (&["--append", "-t", "t", "--dry-run"], "1"),
    ];
    for (load, rows) in loads {
        std::fs::copy(place.path("whole.db"), place.path("out.db")).unwrap();
        std::fs::copy(place.path("whole.db-journal"), place.path("out.db-journal")).unwrap();
        place.run(&[&["load", "a.csv", "out.db"], load].concat()).expect(0);
        assert_eq!(value(&place, "PRAGMA integrity_check"), "ok");
        assert_eq!(value(&place, "SELECT group_concat(a, ' ') FROM t"), rows, "{load:?}");
        std::fs::remove_file(place.path("out.db")).unwrap();
    }
}

#[test]
fn a_value_without_a_type_goes_into_a_strict_table() {
    let place = Place::empty();
    place.write("a.csv", "a,b\n1,x\n");
    let load =
        ["load", "a.csv", "out.db", "-t", "t", "--strict", "--select", "a, length(b) AS n, b || a AS x"];
    place.run(&load).expect(0);
    assert_eq!(value(&place, "SELECT typeof(a) || typeof(n) || n || x FROM t"), "integerinteger1x1");
}
