//! The direct path at its limits: full pages, full levels of a tree, keys that stop ascending, too little memory; and the
//! tables that it does not support.

use crate::common::{rows_of, text};
use crate::twin::Case;
use rusqlite::types::Value;
use rusqlite::{Connection, ffi};
use sqload::plan::{Column, Expr, IfExists, OnConflict, OnError, Table, WriterChoice};
use sqload::write::WriteFailure;
use sqload::{Kind, Loader};
use std::path::Path;

fn padded_number(number: i64, bytes: usize) -> Value {
    Value::Text(format!("{number:0bytes$}"))
}

/// Rows that fill a page each, with keys of which four fill a page.
fn page_sized_rows(rows: i64) -> Vec<Vec<Value>> {
    (0..rows).map(|row| vec![padded_number(row, 400), padded_number(row * 7919 % 10_007, 80)]).collect()
}

#[test]
fn trees_of_up_to_four_levels_match_sqlite() {
    for rows in (0..150).chain([3_540, 3_541, 3_599, 3_600, 3_601, 3_720, 3_721]) {
        let case = Case::new(512, &[("a", "TEXT"), ("b", "TEXT")], page_sized_rows(rows), 10);
        case.index("CREATE INDEX i ON t (b)").index("CREATE UNIQUE INDEX u ON t (a DESC)").check();
    }
}

#[test]
fn exactly_full_pages_match_sqlite() {
    for page_bytes in [512, 4_096, 65_536] {
        let fitting = page_bytes as i64 / 6;
        for rows in (fitting - 30..fitting + 30).step_by(3).chain([2 * fitting]) {
            let rows = (0..rows).map(|row| vec![Value::Integer(row % 2)]).collect();
            Case::new(page_bytes, &[("a", "INTEGER")], rows, 1_000).index("CREATE INDEX i ON t (a)").check();
        }
    }
}

#[test]
fn values_around_every_cell_size_limit_match_sqlite() {
    for page_bytes in [512, 1_024, 4_096] {
        let page = page_bytes as usize;
        let limits =
            [100, 116, (page - 12) * 32 / 255 - 23, (page - 12) * 64 / 255 - 23, page - 35, page, 2 * page];
        let rows = limits.iter().flat_map(|limit| limit - 20..limit + 20);
        let rows = rows.map(|bytes| vec![padded_number(0, bytes), Value::Blob(vec![7; bytes])]).collect();
        Case::new(page_bytes, &[("a", "TEXT"), ("b", "")], rows, 7)
            .index("CREATE INDEX i ON t (a)")
            .index("CREATE INDEX j ON t (b DESC, a)")
            .check();
    }
}

/// Rows with several columns that take many overflow pages, with small ones between them.
fn large_rows(sizes: &[usize]) -> Vec<Vec<Value>> {
    let text = |number: i64, bytes: usize| Value::Text(format!("{number:04}{}", "x".repeat(bytes)));
    let row = |(number, bytes): (i64, &usize)| {
        let blob = (0..bytes / 3).map(|at| (at * 7 + number as usize) as u8).collect();
        vec![
            text(number * 7919 % 101, *bytes),
            Value::Integer(number << 33),
            Value::Blob(blob),
            Value::Real(number as f64 + 0.5),
            Value::Null,
            text(-number, bytes / 2),
            Value::Integer(number % 2),
        ]
    };
    (0..).zip(sizes).map(row).collect()
}

#[test]
fn rows_with_several_large_columns_match_sqlite() {
    let columns =
        [("a", "TEXT"), ("b", "INTEGER"), ("c", "BLOB"), ("d", "REAL"), ("e", ""), ("f", "TEXT"), ("g", "")];
    let sizes: Vec<_> = (0..40).map(|row| 1_000 + 3_001 * row).collect();
    for page_bytes in [512, 4_096, 65_536] {
        for chunk_rows in [1, 3, 40] {
            let case = Case::new(page_bytes, &columns, large_rows(&sizes), chunk_rows);
            case.index("CREATE INDEX i ON t (a)").index("CREATE INDEX j ON t (c DESC, f)").check();
        }
    }
}

/// Around 126 columns, the length of a record's header takes a second byte; with 1,900, records exceed their cells.
#[test]
fn tables_with_many_columns_match_sqlite() {
    for (page_bytes, columns) in [
        (512, 40),
        (512, 125),
        (512, 126),
        (4_096, 127),
        (4_096, 128),
        (4_096, 800),
        (4_096, 1_900),
        (65_536, 1_900),
    ] {
        let names: Vec<_> = (0..columns).map(|number| format!("c{number}")).collect();
        let types = ["INTEGER", "TEXT", "REAL", "BLOB", ""];
        let declared: Vec<_> = names.iter().map(String::as_str).zip(types.into_iter().cycle()).collect();
        let value = |row: i64, column: i64| match column % 5 {
            0 => Value::Integer(row * column % 300),
            1 => Value::Text("x".repeat(((row + column) % 9) as usize)),
            2 => Value::Real(row as f64 / 8.0),
            3 => Value::Blob(vec![column as u8; 3]),
            // From the tenth row on, a serial type takes two bytes.
            _ if row >= 10 && column == 4 => Value::Text("y".repeat(60)),
            _ => Value::Null,
        };
        let rows = (0..13).map(|row| (0..columns).map(|column| value(row, column)).collect()).collect();
        Case::new(page_bytes, &declared, rows, 5).index("CREATE INDEX i ON t (c1, c2 DESC)").check();
    }
}

/// The cells of an index with such keys are more than a buffer keeps.
#[test]
fn keys_of_megabytes_match_sqlite() {
    let columns =
        [("a", "TEXT"), ("b", "INTEGER"), ("c", "BLOB UNIQUE"), ("d", "REAL"), ("e", ""), ("f", "TEXT")];
    for (chunk_rows, order) in [(1, 1), (1, -1), (6, 1), (40, -1)] {
        let mut rows = large_rows(&[3 << 20; 6]);
        rows.extend(large_rows(&[100; 34]).split_off(6));
        rows.iter_mut().for_each(|row| drop(row.pop()));
        if order < 0 {
            rows.reverse();
        }
        Case::new(4_096, &columns, rows, chunk_rows).index("CREATE INDEX i ON t (f, a)").check();
    }
}

#[test]
fn long_texts_that_start_like_numbers_match_sqlite() {
    let long = |text: &str, byte: &str| [text, &byte.repeat(2_000)].concat();
    let texts = [
        long("1", "0"),
        long("1.", "0"),
        long("0", "0") + "7",
        long("-1.5", " "),
        long(" ", "\u{b}") + "42",
        long("1", "x"),
        long("1", "e"),
        long("12\0", "x"),
        long("12x\0", "1"),
        long("+", "9") + ".5e-1990",
        long("1.5e", "0") + "3",
        long(" ", " "),
        long("1", "-"),
        long(".", "5"),
        long("1_", "0"),
        long("1", "é"),
    ];
    let columns = [("a", "NUMERIC"), ("b", "INTEGER"), ("c", "REAL"), ("d", "TEXT"), ("e", "BLOB")];
    let rows = texts.map(|text| vec![Value::Text(text); columns.len()]).to_vec();
    Case::new(4_096, &columns, rows, 5).index("CREATE INDEX i ON t (a, d)").check();
}

/// Rows with `count` ascending keys, followed by `late` keys that belong between them.
fn mostly_ascending_rows(count: i64, late: i64, bytes: usize) -> Vec<Vec<Value>> {
    let ascending = (0..count).map(|row| row * 10);
    let ids = ascending.chain((0..late).map(|row| row * 20 + 5));
    ids.map(|id| vec![Value::Integer(id), padded_number(id, bytes), padded_number(id, 3 * bytes)]).collect()
}

#[test]
fn keys_that_stop_ascending_match_sqlite() {
    for page_bytes in [512, 4_096] {
        for (count, late) in [(100, 1), (200, 1), (200, 40), (400, 3), (401, 300), (1_500, 1)] {
            for bytes in [5, 60, 300, 700] {
                for id in ["INTEGER PRIMARY KEY", "INTEGER"] {
                    let columns = [("a", id), ("b", "TEXT UNIQUE"), ("c", "TEXT")];
                    let mut case =
                        Case::new(page_bytes, &columns, mostly_ascending_rows(count, late, bytes), 5);
                    if bytes < 700 || count < 400 {
                        case = case.index("CREATE INDEX i ON t (c, a)");
                    }
                    case.check();
                }
            }
        }
    }
}

#[test]
fn keys_beyond_the_memory_limit_are_left_to_sqlite() {
    for max_bytes in [0, 2_000, 20_000] {
        let columns = [("a", "INTEGER"), ("b", "TEXT UNIQUE"), ("c", "TEXT")];
        let mut case = Case::new(1_024, &columns, mostly_ascending_rows(300, 100, 30), 5)
            .index("CREATE INDEX i ON t (c)");
        case.sorting.max_bytes = max_bytes;
        case.check();
    }
    let mut case = Case::new(
        512,
        &[("a", "INTEGER PRIMARY KEY"), ("b", ""), ("c", "")],
        mostly_ascending_rows(300, 100, 9),
        5,
    );
    case.sorting.max_bytes = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let error = case.direct(&directory.path().join("direct.db")).unwrap_err();
    assert!(matches!(error, WriteFailure::Unsupported { .. }), "{error:?}");
    // There are 400 rows of less than 60 bytes each.
    case.sorting.max_bytes = 24_000;
    case.check();
}

#[test]
fn a_stop_interrupts_the_sorting_of_keys() {
    let directory = tempfile::tempdir().unwrap();
    let case = Case::new(4_096, &[("a", "TEXT"), ("b", "TEXT")], page_sized_rows(100), 10);
    let sorted =
        case.clone().index("CREATE INDEX i ON t (b)").direct_until(&directory.path().join("sorted.db"), true);
    let WriteFailure::Error(error) = sorted.unwrap_err() else { panic!("another failure") };
    assert!(matches!(error.kind(), Kind::Interrupted));
    // With nothing to sort, the load completes.
    case.direct_until(&directory.path().join("plain.db"), true).unwrap();
}

/// Loads `csv` into a table whose columns have the names of the header and these declarations.
fn load(
    directory: &Path,
    csv: &str,
    declarations: &[&str],
    change: impl FnOnce(Loader) -> Loader,
) -> sqload::Result<sqload::report::Report> {
    let (input, database) = (directory.join("in.csv"), directory.join("out.db"));
    std::fs::write(&input, csv).unwrap();
    let names = csv.lines().next().unwrap().split(',');
    let columns = names.zip(declarations).map(|(name, declaration)| {
        let field = Expr::Field(name.to_owned());
        let is_number = declaration.starts_with("INTEGER");
        Column::new(name, *declaration, if is_number { Expr::TryInteger(Box::new(field)) } else { field })
    });
    let loader =
        Loader::from(Table::new("t", columns.collect())).verify(true).chunk_bytes(5.try_into().unwrap());
    let loader = loader.if_exists(IfExists::Replace);
    change(loader).load(input, database)
}

#[test]
fn constraint_violations_name_the_records() {
    let rows =
        |ids: &[u32]| ids.iter().fold("a,b\n".to_owned(), |csv, id| csv + &format!("{id},\"{id}\n\"\n"));
    let ascending: Vec<u32> = (100..200).collect();
    let early = [&[150], &ascending[..]].concat();
    let late = [&ascending[..], &[150]].concat();
    for (csv, declaration, places, message) in [
        (rows(&[1, 1]), "TEXT UNIQUE", &[1, 2][..], "UNIQUE constraint failed: t.a"),
        (rows(&[1, 2, 3, 2]), "TEXT UNIQUE", &[2, 4], "UNIQUE constraint failed: t.a"),
        (rows(&[1, 2, 3, 3]), "INTEGER PRIMARY KEY", &[3, 4], "UNIQUE constraint failed: t.a"),
        (rows(&[3, 2, 1, 3]), "INTEGER PRIMARY KEY", &[1, 4], "UNIQUE constraint failed: t.a"),
        (rows(&early), "INTEGER PRIMARY KEY", &[1, 52], "UNIQUE constraint failed: t.a"),
        (rows(&late), "INTEGER PRIMARY KEY", &[51, 101], "UNIQUE constraint failed: t.a"),
        (rows(&early), "TEXT PRIMARY KEY", &[1, 52], "UNIQUE constraint failed: t.a"),
        (rows(&late), "INTEGER UNIQUE", &[51, 101], "UNIQUE constraint failed: t.a"),
        ("a,b\n1,1\n\"\n\",x\nx,2\n".to_owned(), "INTEGER NOT NULL", &[2], "NOT NULL constraint failed: t.a"),
        (
            "a,b\n1,1\nx,2\n".to_owned(),
            " INTEGER PRIMARY KEY",
            &[2],
            "datatype mismatch: the INTEGER PRIMARY KEY t.a cannot be \"x\"",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in.csv");
        let error = load(directory.path(), &csv, &[declaration, "TEXT"], |loader| {
            loader.writer(WriterChoice::Direct).on_error(OnError::Abort)
        });
        let error = error.unwrap_err();
        let Kind::Constraint { positions, .. } = error.kind() else { panic!("{error}") };
        let records: Vec<_> = positions.iter().map(|position| position.record).collect();
        assert_eq!(records, places, "{error}");
        for position in positions {
            // The position is that of the first field of the record.
            let (number, offset) = position.line.zip(position.offset).unwrap();
            let line = csv.split('\n').nth(number as usize - 1).unwrap();
            assert!(csv[offset as usize..].starts_with(line), "{error}");
            assert!(error.to_string().contains(&format!("{}: line {}", path.display(), number)));
        }
        assert!(error.to_string().ends_with(&format!(": {message}")), "{error}");
        assert!(!directory.path().join("out.db").exists());
    }
}

#[test]
fn rejects_leave_no_gap_in_the_rowids() {
    let directory = tempfile::tempdir().unwrap();
    let csv = "a,b\n1,1\n2\n3,3\n4,4,4\n5\n6,6\n";
    for writer in [WriterChoice::Direct, WriterChoice::Statements] {
        let report =
            load(directory.path(), csv, &["TEXT", "TEXT UNIQUE"], |loader| loader.writer(writer)).unwrap();
        assert_eq!((report.records, report.loaded, report.rejected), (6, 3, 3));
        let connection = Connection::open(directory.path().join("out.db")).unwrap();
        let rowids = rows_of(&connection, "SELECT group_concat(rowid || ':' || a) FROM t");
        assert_eq!(rowids, [[text("1:1,2:3,3:6")]]);
    }
}

#[test]
fn unsupported_tables_are_left_to_the_statement_writer() {
    for (declarations, reason) in [
        (
            ["TEXT UNIQUE", "TEXT UNIQUE ON CONFLICT REPLACE"],
            "the table has the clause ON CONFLICT IGNORE or REPLACE",
        ),
        (
            ["INTEGER PRIMARY KEY ON CONFLICT REPLACE", "TEXT NOT NULL"],
            "the table has the clause ON CONFLICT IGNORE or REPLACE",
        ),
        (
            ["TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 1", "TEXT"],
            "the table has the clause ON CONFLICT IGNORE or REPLACE",
        ),
        (
            ["TEXT UNIQUE ON CONFLICT FAIL", "TEXT UNIQUE ON CONFLICT IGNORE"],
            "the table has the clause ON CONFLICT IGNORE or REPLACE",
        ),
        (
            ["TEXT NOT NULL ON CONFLICT IGNORE", "TEXT"],
            "the table has the clause ON CONFLICT IGNORE or REPLACE",
        ),
        (["TEXT", "TEXT, c DEFAULT CURRENT_TIMESTAMP"], "the default of the column \"c\" is not constant"),
        (["TEXT", "TEXT, c DEFAULT (random())"], "the default of the column \"c\" is not constant"),
        (["TEXT", "TEXT, c DEFAULT (date('now'))"], "the default of the column \"c\" is not constant"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let load = |writer| {
            load(directory.path(), "a,b\n1,one\n2,two\n", &declarations, |loader| loader.writer(writer))
        };
        let error = load(WriterChoice::Direct).unwrap_err();
        assert_eq!(error.to_string(), format!("the direct writer cannot do this load: {reason}"));
        assert!(!directory.path().join("out.db").exists());
        let report = load(WriterChoice::Auto).unwrap();
        assert_eq!(
            (report.writer, report.writer_reason.as_deref(), report.loaded),
            ("statements", Some(reason), 2)
        );
    }
    // Others do not prevent the direct path, nor do names that look like clauses.
    for declarations in [
        ["TEXT COLLATE NOCASE", "TEXT COLLATE rtrim UNIQUE"],
        ["TEXT", "TEXT COLLATE NOCASE UNIQUE"],
        ["TEXT", "TEXT CHECK (length(b) < 9)"],
        ["TEXT", "TEXT, c AS (a || b)"],
        ["TEXT", "\"CHECK\""],
        ["TEXT NOT NULL", "TEXT UNIQUE"],
        ["TEXT", "TEXT) STRICT --"],
        ["TEXT PRIMARY KEY", "TEXT) WITHOUT ROWID --"],
        ["INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT"],
        ["TEXT UNIQUE ON CONFLICT FAIL", "TEXT NOT NULL ON CONFLICT ROLLBACK"],
        ["INTEGER PRIMARY KEY ON CONFLICT ROLLBACK", "TEXT NOT NULL ON CONFLICT FAIL CHECK (b > '')"],
        ["TEXT PRIMARY KEY ON CONFLICT ABORT", "TEXT UNIQUE ON CONFLICT ROLLBACK) WITHOUT ROWID --"],
        ["TEXT", "TEXT REFERENCES t (a)"],
        ["TEXT", "TEXT REFERENCES missing (a) ON DELETE CASCADE"],
        ["TEXT", "TEXT, c DEFAULT 3, d NOT NULL DEFAULT (date('2020-01-01', '+1 day'))"],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let report = load(directory.path(), "a,b\n1,one\n2,two\n", &declarations, |loader| {
            loader.writer(WriterChoice::Direct)
        });
        assert_eq!(report.unwrap().writer, "direct");
    }
}

/// SQLite does not insert into such a table without the collation, which the program that made it has.
#[test]
fn other_collations_are_left_to_the_statement_writer() {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(directory.path().join("out.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (a TEXT COLLATE nocase UNIQUE); PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = replace(sql, 'nocase', 'backwards')",
        )
        .unwrap();
    drop(connection);
    let append = |loader: Loader| loader.if_exists(IfExists::Append).writer(WriterChoice::Direct);
    let error = load(directory.path(), "a\n1\n", &["TEXT"], append).unwrap_err();
    let reason = "an index has a collation other than BINARY, NOCASE and RTRIM";
    assert!(error.to_string().ends_with(reason), "{error}");
}

#[test]
fn duplicates_by_nocase_and_rtrim_are_found() {
    for (declaration, second) in
        [("TEXT COLLATE NOCASE UNIQUE", "AB"), ("TEXT COLLATE RTRIM PRIMARY KEY", "ab  ")]
    {
        for between in [0, 300] {
            let rows = (0..between).map(|row| format!("x{row:04}\n")).collect::<String>();
            let csv = format!("a\nab\n{rows}{second}\n");
            let directory = tempfile::tempdir().unwrap();
            let error = load(directory.path(), &csv, &[declaration], |loader| {
                loader.writer(WriterChoice::Direct).on_error(OnError::Abort)
            });
            let error = error.unwrap_err();
            let Kind::Constraint { positions, .. } = error.kind() else { panic!("{error}") };
            let records: Vec<_> = positions.iter().map(|position| position.record).collect();
            assert_eq!(records, [1, between + 2], "{error}");
        }
    }
}

#[test]
fn both_writers_name_values_that_strict_types_do_not_take() {
    for (declarations, message) in [
        (["INT", "TEXT) STRICT --"], "cannot store TEXT value in INT column t.a: \"x\""),
        (["REAL", "INTEGER) STRICT --"], "cannot store TEXT value in REAL column t.a: \"x\""),
        (["ANY", "REAL) STRICT --"], "cannot store TEXT value in REAL column t.b: \"y\""),
        (["blob", "TEXT) STRICT --"], "cannot store TEXT value in BLOB column t.a: \"1\""),
        // SQLite looks for NULLs first.
        (["INT", "INTEGER NOT NULL) STRICT --"], "NOT NULL constraint failed: t.b"),
        (["TEXT", "TEXT, c INT DEFAULT 'z') STRICT --"], "cannot store TEXT value in INT column t.c"),
    ] {
        let errors = [WriterChoice::Direct, WriterChoice::Statements].map(|writer| {
            let directory = tempfile::tempdir().unwrap();
            let error = load(directory.path(), "a,b\n1,2\nx,y\n", &declarations, |loader| {
                loader.writer(writer).on_error(OnError::Abort)
            });
            let error = error.unwrap_err().to_string();
            error.replace(directory.path().to_str().unwrap(), "")
        });
        assert_eq!(errors[0], errors[1]);
        assert!(errors[0].ends_with(message), "{}", errors[0]);
    }
}

/// Loads rows into a table that counts with AUTOINCREMENT, and compares what the writers leave.
#[test]
fn autoincrement_counts_as_in_sqlite() {
    let ids = |ids: &[Option<i64>]| -> Vec<Vec<Value>> {
        let id = |id: &Option<i64>| vec![id.map_or(Value::Null, Value::Integer), Value::Integer(7)];
        ids.iter().map(id).collect()
    };
    let rows = [
        ids(&[]),
        ids(&[None, None, None]),
        ids(&[Some(-3), None, Some(90), None]),
        ids(&[Some(-3), Some(-2)]),
        ids(&[Some(5), Some(3), None]),
        ids(&[Some(i64::MAX)]),
    ];
    for rows in rows {
        for setup in ["", "('t', 40)", "('t', -40)", "('t', '7x')", "('T', 40)", "('other', 1), ('t', NULL)"]
        {
            for (chunk_rows, loaded) in [(1, vec![0, 1]), (10, vec![0, 1]), (2, vec![1])] {
                let at = |row: &Vec<Value>| loaded.iter().map(|at| row[*at].clone()).collect();
                let rows = rows.iter().map(at).collect();
                let columns = [("a", "INTEGER PRIMARY KEY AUTOINCREMENT"), ("b", "")];
                let mut case = Case::new(512, &columns, rows, chunk_rows);
                case.loaded = Some(loaded);
                if !setup.is_empty() {
                    case.setup.push(format!("INSERT INTO sqlite_sequence VALUES {setup}"));
                }
                case.check();
                case.check_append(case.chunks.len() / 2, false);
            }
        }
    }
}

/// Many rows come after those of a table, and then some that do not. Some have overflow pages, those at its old end included.
#[test]
fn trees_that_were_continued_are_merged_if_cells_arrive_out_of_order() {
    let rows = |number: fn(i64) -> [i64; 2]| -> Vec<Vec<Value>> {
        let row = |at: i64| {
            let [a, b] = number(at);
            let length = if at % 3 == 0 || at == 199 { 900 } else { 1 };
            vec![Value::Integer(a), text(&format!("{:05}{}", b + 1000, "x".repeat(length)))]
        };
        (0..400).map(row).collect()
    };
    for (name, number) in [
        ("index", (|at| [at, if at < 385 { at } else { at - 390 }]) as fn(i64) -> [i64; 2]),
        ("rows", |at| [if at < 385 { at } else { 20 - at }, at]),
        ("both", |at| [if at < 385 { at } else { 20 - at }, if at < 385 { at } else { at - 390 }]),
    ] {
        for in_log in [false, true] {
            let key = if name == "index" { "INTEGER" } else { "INTEGER PRIMARY KEY" };
            let case = Case::new(512, &[("a", key), ("b", "TEXT")], rows(number), 10);
            let case = case.index("CREATE INDEX t_b ON t (b)");
            assert!(case.check_append(20, in_log), "{name}, {in_log}");
            let mut case = Case::new(512, &[("a", "INTEGER"), ("b", "TEXT")], rows(number), 10);
            case.primary_key = if name == "rows" { "a" } else { "b" }.to_owned();
            assert!(case.check_append(20, in_log), "{name} without rowid, {in_log}");
        }
    }
}

#[test]
fn some_databases_take_statements() {
    let docs = include_str!("../../docs/how-it-works.md");
    for (reserved, sql, reason) in [
        (0, "PRAGMA auto_vacuum = INCREMENTAL", "the database is vacuumed automatically"),
        (8, "SELECT 1", "the pages of the database have reserved bytes"),
    ] {
        assert!(docs.contains(&format!("\n| {reason} | ")), "{reason}");
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("out.db")).unwrap();
        let mut bytes: std::ffi::c_int = reserved;
        // SAFETY: this call takes an integer, and the connection is open.
        unsafe {
            ffi::sqlite3_file_control(
                connection.handle(),
                c"main".as_ptr(),
                ffi::SQLITE_FCNTL_RESERVE_BYTES,
                (&raw mut bytes).cast(),
            )
        };
        connection.execute_batch(&format!("{sql}; CREATE TABLE other (x)")).unwrap();
        drop(connection);
        let load = |writer| load(directory.path(), "a\n1\n", &["TEXT"], |loader| loader.writer(writer));
        let error = load(WriterChoice::Direct).unwrap_err();
        assert!(matches!(error.kind(), Kind::DirectUnsupported { .. }), "{error}");
        let report = load(WriterChoice::Auto).unwrap();
        assert_eq!(report.writer_reason.as_deref(), Some(reason));
    }
}

#[test]
fn databases_in_utf_16_take_the_direct_path() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("out.db")).unwrap();
        let sql = format!("PRAGMA encoding = '{encoding}'; CREATE TABLE other (x)");
        connection.execute_batch(&sql).unwrap();
        drop(connection);
        let load = |declaration, writer| {
            let csv = "a,b\n1,b\n2,é\n3,\u{1f600}\n4,\u{ffe0}\n";
            load(directory.path(), csv, &["INTEGER", declaration], |loader| loader.writer(writer))
        };
        load("TEXT UNIQUE, c DEFAULT 'ü'", WriterChoice::Direct).unwrap();
        let connection = Connection::open(directory.path().join("out.db")).unwrap();
        let rows = rows_of(&connection, "SELECT group_concat(a || b || c) FROM (SELECT * FROM t ORDER BY b)");
        let order = match encoding {
            // BINARY compares the bytes that are stored.
            "UTF-16le" => "3\u{1f600}ü,1bü,4\u{ffe0}ü,2éü",
            _ => "1bü,2éü,3\u{1f600}ü,4\u{ffe0}ü",
        };
        assert_eq!(rows, [[text(order)]], "{encoding}");
        drop(connection);
        let report = load("TEXT COLLATE NOCASE UNIQUE", WriterChoice::Auto).unwrap();
        let reason = "an index has a collation other than BINARY, and the database is not UTF-8";
        assert_eq!(report.writer_reason.as_deref(), Some(reason));
    }
}

/// A table `t` with rows takes statements, for the documented reason, if it or its database has a trait that the direct path
/// does not support.
#[test]
fn reasons_for_statements_are_documented() {
    let docs = include_str!("../../docs/how-it-works.md");
    let many_rows = "CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (b);
        WITH n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 900) INSERT INTO t SELECT n, 'y' || n FROM n";
    for (sql, reason) in [
        (
            "CREATE TABLE t (a, b); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
            "the load fires a trigger of the table",
        ),
        ("CREATE VIRTUAL TABLE t USING fts5(a, b)", "the table is virtual"),
        (
            "CREATE TABLE t (a UNIQUE, b UNIQUE ON CONFLICT REPLACE)",
            "the table has the clause ON CONFLICT IGNORE or REPLACE",
        ),
        (
            "PRAGMA encoding = 'UTF-16'; CREATE TABLE t (a, b UNIQUE COLLATE RTRIM)",
            "an index has a collation other than BINARY, and the database is not UTF-8",
        ),
        ("CREATE TABLE t (a, b, c DEFAULT CURRENT_DATE)", "the default of the column \"c\" is not constant"),
        (many_rows, "few rows go into a table with many rows and indexes"),
        ("PRAGMA auto_vacuum = FULL; CREATE TABLE t (a, b)", "the database is vacuumed automatically"),
    ] {
        assert!(docs.contains(&format!("\n| {reason} | ")), "{reason}");
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("out.db")).unwrap();
        connection.execute_batch(&format!("{sql}; CREATE TABLE other (x)")).unwrap();
        drop(connection);
        let load = |writer| {
            load(directory.path(), "a,b\n1001,x\n", &["INTEGER", "TEXT"], |loader| {
                loader.writer(writer).if_exists(IfExists::Append)
            })
        };
        let error = load(WriterChoice::Direct).unwrap_err();
        assert_eq!(error.to_string(), format!("the direct writer cannot do this load: {reason}"), "{sql}");
        let report = load(WriterChoice::Auto).unwrap();
        assert_eq!((report.writer_reason.as_deref(), report.loaded), (Some(reason), 1), "{sql}");
    }
}

/// SQLite runs triggers for each row, so a load that fires none can write pages.
#[test]
fn triggers_matter_only_if_the_load_fires_them() {
    let update =
        "CREATE TRIGGER r AFTER UPDATE OF b ON t BEGIN UPDATE t SET b = b || '!' WHERE a = new.a; END";
    let delete = "CREATE TRIGGER r BEFORE DELETE ON t BEGIN INSERT INTO deleted VALUES (old.a); END";
    let insert =
        "CREATE TRIGGER r BEFORE INSERT ON t WHEN new.a = 2 BEGIN INSERT INTO deleted VALUES (0); END";
    let fired = Some("the load fires a trigger of the table");
    for (trigger, if_exists, on_conflict, reason, expected) in [
        (update, IfExists::Append, OnConflict::Reject, None, "1x 2z"),
        (update, IfExists::Append, OnConflict::Ignore, None, "1x 2z"),
        (update, IfExists::Append, OnConflict::Update, fired, "1x 2z"),
        (delete, IfExists::Append, OnConflict::Update, None, "1x 2z"),
        (delete, IfExists::Truncate, OnConflict::Reject, None, "2z"),
        (insert, IfExists::Append, OnConflict::Reject, fired, "1x 2z"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("out.db")).unwrap();
        let schema = "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x'); CREATE TABLE deleted (a)";
        connection.execute_batch(&format!("{schema}; {trigger}")).unwrap();
        drop(connection);
        let report = load(directory.path(), "a,b\n2,z\n", &["INTEGER PRIMARY KEY", "TEXT"], |loader| {
            loader.if_exists(if_exists).on_conflict(on_conflict)
        });
        assert_eq!(
            report.unwrap().writer_reason.as_deref(),
            reason,
            "{trigger} {if_exists:?} {on_conflict:?}"
        );
        let connection = Connection::open(directory.path().join("out.db")).unwrap();
        let rows = rows_of(&connection, "SELECT group_concat(a || b, ' ' ORDER BY a) FROM t");
        assert_eq!(rows, [[text(expected)]], "{trigger}");
        let deleted = rows_of(&connection, "SELECT count(*) FROM deleted");
        let is_fired = trigger == insert || if_exists == IfExists::Truncate;
        assert_eq!(deleted, [[Value::Integer(is_fired.into())]], "{trigger}");
    }
}

/// Headers that say what SQLite does not expect of a database that it has just written.
#[test]
fn unusual_headers_take_statements() {
    let docs = include_str!("../../docs/how-it-works.md");
    for (change, reason) in [
        (
            (|bytes| bytes[44..48].copy_from_slice(&[0, 0, 0, 1])) as fn(&mut Vec<u8>),
            "the database has a schema format before 4",
        ),
        (|bytes| bytes.resize(bytes.len() + 4096, 0), "the file is not as long as its header says"),
    ] {
        assert!(docs.contains(&format!("\n| {reason} | ")), "{reason}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let report = load(directory.path(), "a\n1\n", &["TEXT"], |loader| loader).unwrap();
        assert_eq!(report.writer_reason.as_deref(), Some(reason));
    }
}

#[test]
fn unsorted_rows_beyond_the_memory_limit_take_statements() {
    let directory = tempfile::tempdir().unwrap();
    let csv = (0..2_000)
        .fold("a,b\n".to_owned(), |csv, row| csv + &format!("{},{row}\nbad\n", row * 7919 % 10_007));
    let declarations = ["INTEGER PRIMARY KEY", "TEXT"];
    let load = |writer| {
        load(directory.path(), &csv, &declarations, |loader| loader.writer(writer).memory_bytes(1_000))
    };
    let error = load(WriterChoice::Direct).unwrap_err();
    assert!(matches!(error.kind(), Kind::DirectUnsupported { .. }), "{error}");
    assert!(error.to_string().contains("sorting them takes more than 1000 bytes"), "{error}");
    let report = load(WriterChoice::Auto).unwrap();
    assert_eq!(
        (report.writer, report.records, report.loaded, report.rejected),
        ("statements", 4_000, 2_000, 2_000)
    );
    assert!(report.writer_reason.is_some());
}
