//! Named formats, and the options that describe what programs write.

use crate::common::{Running, TestDir, rows_of};
use rusqlite::types::Value;
use sqload::plan::{OnError, WriterChoice};
use sqload::{Format, Loader};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};

/// Loads `csv` with each writer. Returns the declared columns, and the rows as SQL literals.
#[track_caller]
fn loaded(csv: impl AsRef<[u8]>, options: &[&str]) -> (String, String) {
    let load = |writer| {
        let dir = TestDir::new();
        dir.write("in.csv", &csv);
        let load = ["load", "in.csv", "out.db", "-t", "t", "--writer", writer];
        dir.run(&[&load, options].concat()).expect_code(0);
        let connection = dir.open("out.db");
        let columns = rows_of(&connection, "SELECT name, type FROM pragma_table_info('t') ORDER BY cid");
        let quoted = |row: &Vec<Value>| match row.as_slice() {
            [Value::Text(name), Value::Text(declared)] => (name.clone(), format!("{name} {declared}")),
            other => panic!("{other:?}"),
        };
        let (names, columns): (Vec<_>, Vec<_>) = columns.iter().map(quoted).unzip();
        let literals: Vec<_> =
            names.iter().map(|name| format!("quote(\"{}\")", name.replace('"', "\"\""))).collect();
        let rows =
            rows_of(&connection, &format!("SELECT {} FROM t ORDER BY rowid", literals.join(" || ',' || ")));
        let rows: Vec<_> = rows
            .concat()
            .into_iter()
            .map(|row| match row {
                Value::Text(row) => row,
                other => panic!("{other:?}"),
            })
            .collect();
        (columns.join(", "), rows.join(" "))
    };
    let direct = load("direct");
    assert_eq!(load("statements"), direct);
    direct
}

#[track_caller]
fn assert_loads(csv: impl AsRef<[u8]>, options: &[&str], columns: &str, rows: &str) {
    let found = loaded(csv, options);
    assert_eq!((found.0.as_str(), found.1.as_str()), (columns, rows), "{options:?}");
}

#[test]
fn mysql_outfiles_load_as_mysql_reads_them() {
    let csv = "1\tAnn\t\\N\tfoo\\\nbar\n2\tBob\\\tX\t5\tback\\\\slash\n3\t\\N\t\\N\tok\\n\\t\\Z\\q\n4\t\\\\N\t6\tN\\N\n";
    let columns = "column1 INTEGER, column2 TEXT, column3 INTEGER, column4 TEXT";
    let rows =
        "1,'Ann',NULL,'foo\nbar' 2,'Bob\tX',5,'back\\slash' 3,NULL,NULL,'ok\n\t\u{1a}q' 4,'\\N',6,'NN'";
    assert_loads(csv, &["--format", "mysql"], columns, rows);
    // Single options win.
    assert_loads(
        "a;b\n\"x\\n;\";\\N\ny\\;z;2\n",
        &["--format", "mysql", "-d", ";", "--quote", "\"", "--header-rows", "1"],
        "a TEXT, b INTEGER",
        "'x\n;',NULL 'y;z',2",
    );
    assert_loads("1\t2\n", &["--format", "mysql", "--names", "a,b"], "a INTEGER, b INTEGER", "1,2");
    // MySQL escapes LF, but not CR.
    assert_loads(
        "first\r\\\nsecond\na\rb\n\r\n",
        &["--format", "mysql"],
        "column1 TEXT",
        "'first\r\nsecond' 'a\rb'",
    );
    assert_loads(
        "1\ta\rb\n\r\t2\n",
        &["--format", "mysql"],
        "column1 TEXT, column2 TEXT",
        "'1','a\rb' '\r','2'",
    );
    let crlf = "1\tx\r\n2\ty\r\n";
    assert_loads(crlf, &["--format", "mysql"], "column1 INTEGER, column2 TEXT", "1,'x' 2,'y'");
}

#[test]
fn an_escape_applies_everywhere_without_quotes() {
    let csv = "1\tAnn\t\\N\tfoo\\\nbar\n2\tBob\\\tX\t5\tback\\\\slash\n3\t\\N\t\\N\tok\\\r\n!\n";
    assert_loads(
        csv,
        &["--tsv", "--no-headers", "--quote", "none", "--escape", "\\", "--null", "\\N"],
        "column1 INTEGER, column2 TEXT, column3 INTEGER, column4 TEXT",
        "1,'Ann',NULL,'foo\nbar' 2,'Bob\tX',5,'back\\slash' 3,NULL,NULL,'ok\r\n!'",
    );
}

#[test]
fn postgres_copies_load_as_postgres_reads_them() {
    let csv = "\\N\ta\\tb\\x41\\101\n1\t\\\\N\\v\\303\\251\\xz\n";
    assert_loads(
        csv,
        &["--format", "postgres"],
        "column1 INTEGER, column2 TEXT",
        "NULL,'a\tbAA' 1,'\\N\u{b}éxz'",
    );
    let dir = TestDir::new();
    dir.write("in.csv", "a\tb\n1\t\\xff\n2\tc\n");
    let load = ["load", "in.csv", "out.db", "--format", "postgres", "-t", "t"];
    dir.run(&load).expect_code(1).assert_single_message(&["line 2", "UTF-8", "field 2"]);
    dir.run(&[&load[..], &["--on-error", "skip"]].concat()).expect_code(3);
    dir.run(&[&load[..], &["-d", "a"]].concat()).expect_code(2);
}

/// Loads `csv` as PostgreSQL writes it, with each writer and any number of jobs and size of chunks. Returns the rows, which are
/// the same each time.
#[track_caller]
fn loaded_copy(csv: &str, set_options: impl Fn(Loader) -> Loader) -> String {
    let loader = set_options(Loader::new("t").format(Format::Postgres));
    let number = |number| NonZeroUsize::new(number).unwrap();
    let mut all_rows = BTreeSet::new();
    for (chunk_bytes, jobs, writer) in [
        (1, 1, WriterChoice::Statements),
        (1, 3, WriterChoice::Direct),
        (4, 2, WriterChoice::Direct),
        (20, 3, WriterChoice::Statements),
        (1 << 16, 2, WriterChoice::Direct),
    ] {
        let dir = TestDir::new();
        dir.write("in.csv", csv);
        let loader = loader.clone().writer(writer).jobs(number(jobs)).chunk_bytes(number(chunk_bytes));
        loader.load(dir.path("in.csv"), dir.path("out.db")).unwrap();
        all_rows.insert(format!("{:?}", rows_of(&dir.open("out.db"), "SELECT * FROM t ORDER BY rowid")));
    }
    assert_eq!(all_rows.len(), 1, "{csv:?}: {all_rows:?}");
    all_rows.pop_first().unwrap()
}

#[test]
fn the_end_of_the_data_of_a_postgres_copy_is_not_loaded() {
    for end in ["\\.", "\\.\n", "\\.\r\n", "\\.\n\n\r\n\n", "\n\\.\n"] {
        let rows = loaded_copy(&format!("1\ta\n2\tb\n{end}"), |loader| loader);
        assert_eq!(rows, r#"[[Integer(1), Text("a")], [Integer(2), Text("b")]]"#);
        let rows = loaded_copy(&format!("1\n2\n{end}"), |loader| loader);
        assert_eq!(rows, "[[Integer(1)], [Integer(2)]]");
        // The footer precedes it.
        let rows = loaded_copy(&format!("1\n2\n3\n{end}"), |loader| loader.skip_footer(2));
        assert_eq!(rows, "[[Integer(1)]]");
        assert_eq!(loaded_copy(end, |loader| loader.column_names(["a"])), "[]");
    }
    // Not a record of its own.
    for (csv, rows) in [
        ("a\\\n\\.\n", r#"[[Text("a\n.")]]"#),
        ("\\.a\n", r#"[[Text(".a")]]"#),
        ("\\.\t1\n", r#"[[Text("."), Integer(1)]]"#),
    ] {
        assert_eq!(loaded_copy(csv, |loader| loader), rows);
    }
}

#[test]
fn an_end_of_the_data_that_records_follow_is_rejected() {
    for (csv, line) in [("1\n\\.\n2\n", 2), ("\\.\n1\n2\n\\.\n", 1), ("1\n2\n\\.\n\\.\n", 3)] {
        let rows = loaded_copy(csv, |loader| loader.on_error(OnError::Skip));
        assert_eq!(rows, "[[Integer(1)], [Integer(2)]]");
        let dir = TestDir::new();
        dir.write("in.csv", csv);
        let before = dir.snapshot();
        let parts = [&format!("line {line} "), r"\. ends the data, but records follow"];
        let load = ["load", "in.csv", "out.db", "--format", "postgres"];
        dir.run(&load).expect_code(1).assert_single_message(&parts);
        dir.assert_unchanged(&before);
    }
}

#[test]
fn hive_excel_and_vcf_files_load() {
    assert_loads(
        "1\u{1}\\N\n2\u{1}a\"b\n",
        &["--format", "hive"],
        "column1 INTEGER, column2 TEXT",
        "1,NULL 2,'a\"b'",
    );
    assert_loads("a;b\n1;\"x;y\"\n;\n", &["--format", "excel"], "a INTEGER, b TEXT", "1,'x;y'");
    assert_loads("a\tb\n1\t2,5\n\t\n", &["--format", "excel"], "a INTEGER, b TEXT", "1,'2,5'");
    let vcf = "##fileformat=VCFv4.2\n##contig=<ID=1,length=5>\n#CHROM\tPOS\tID\n1\t100\trs1\n1\t200\t.\n";
    assert_loads(vcf, &["--format", "vcf"], "CHROM INTEGER, POS INTEGER, ID TEXT", "1,100,'rs1' 1,200,NULL");
    assert_loads(vcf, &["--comment", "##"], "#CHROM INTEGER, POS INTEGER, ID TEXT", "1,100,'rs1' 1,200,'.'");
    assert_loads("a,b\n1,2\n", &["--format", "csv"], "a INTEGER, b INTEGER", "1,2");
    assert_loads("a\tb\n1\t2\n", &["--format", "tsv"], "a INTEGER, b INTEGER", "1,2");
}

#[test]
fn runs_of_blanks_delimit_fields() {
    let csv = "  a b\t c \n\n1   2\t\"x  y\"\n \t \n  3 4 z\t\n";
    for name in ["blanks", "whitespace"] {
        assert_loads(csv, &["-d", name], "a INTEGER, b INTEGER, c TEXT", "1,2,'x  y' 3,4,'z'");
    }
}

#[test]
fn rows_after_the_header_and_at_the_end_are_skipped() {
    let csv =
        "date,temp\nyyyy-mm-dd,\"deg\nC\"\n2024-01-01,3.5\n2024-01-02,4.5\n\"Total: 8.0\",,\nPage 1 of 1\n";
    let options = ["-d", ",", "--skip-rows", "1", "--skip-footer", "2"];
    let rows = "'2024-01-01',3.5 '2024-01-02',4.5";
    assert_loads(csv, &options, "date TEXT, temp REAL", rows);
    assert_loads(
        "x,1\ny,2\nz,3\n",
        &["--skip-rows", "1", "--skip-footer", "1", "--names", "a,b"],
        "a TEXT, b INTEGER",
        "'y',2",
    );
    assert_loads("a,b\nm,s\n", &["--skip-rows", "3", "--skip-footer", "3"], "a TEXT, b TEXT", "");
    // The footer of each input.
    let dir = TestDir::new();
    dir.write("1.csv", "a\n1\ntotal\n");
    dir.write("2.csv", format!("a\n{}total\n", "2\n".repeat(100_000)));
    let load = ["load", "1.csv", "2.csv", "out.db", "-t", "t", "--skip-footer", "1"];
    dir.run(&load).expect_code(0);
    let rows = rows_of(&dir.open("out.db"), "SELECT typeof(a), count(*) FROM t GROUP BY 1");
    assert_eq!(rows, [[Value::Text("integer".to_owned()), 100_001.into()]]);
}

#[test]
fn rejects_keep_the_rows_after_the_header() {
    let dir = TestDir::new();
    dir.write("in.csv", "a,b\nm,s\n1,2\n3\n");
    let options = ["-t", "t", "-d", ",", "--skip-rows", "1"];
    let load = ["load", "in.csv", "out.db", "--on-error", "skip", "--rejects", "bad.csv"];
    dir.run(&[&load[..], &options].concat()).expect_code(3);
    assert_eq!(dir.read("bad.csv"), b"a,b\nm,s\n3\n");
    dir.write("bad.csv", "a,b\nm,s\n3,4\n");
    dir.run(&[&["load", "bad.csv", "out.db", "--append"], &options[..]].concat()).expect_code(0);
}

#[test]
fn records_without_a_value_are_skipped_and_counted() {
    let csv = "id,name,qty\n1,a,5\n2,b,6\n,,\n,,\n , ,\n\"\",,\n,,,,\n";
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    let load = ["load", "in.csv", "out.db", "-t", "t", "--skip-empty", "--pk", "id", "--report", "-"];
    for writer in ["direct", "statements"] {
        let outcome = dir.run(&[&load[..], &["--writer", writer, "--replace"]].concat()).expect_code(0);
        let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(
            (&report["records"], &report["loaded"], &report["skipped"]),
            (&7.into(), &2.into(), &5.into())
        );
        assert!(outcome.stderr.contains("5 skipped without a value"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
        std::fs::remove_file(dir.path("out.db")).unwrap();
    }
    let many = format!("a,b\n{}", "1,2\n,\n".repeat(50_000));
    assert_eq!(loaded(many, &["--skip-empty"]).1, ["1,2"; 50_000].join(" "));
}

#[test]
fn merged_cells_of_a_header_name_all_their_columns() {
    assert_loads(
        "Region,2019,,2020,\n,Sales,Cost,Sales,Cost\nNorth,1,2,3,4\n",
        &["--header-rows", "2"],
        "Region TEXT, 2019 Sales INTEGER, 2019 Cost INTEGER, 2020 Sales INTEGER, 2020 Cost INTEGER",
        "'North',1,2,3,4",
    );
}

#[test]
fn names_replace_a_header() {
    assert_loads("1,x\n2,y\n", &["--names", "id,\"a,b\""], "id INTEGER, a,b TEXT", "1,'x' 2,'y'");
    let dir = TestDir::new();
    dir.write("in.csv", "1,x\n");
    dir.run(&["load", "in.csv", "out.db", "--names", "a"])
        .expect_code(1)
        .assert_single_message(&["2 fields"]);
    dir.run(&["load", "in.csv", "out.db", "--names", "a,b", "--header-rows", "1"]).expect_code(2);
}

#[test]
fn numbers_may_be_written_with_other_marks() {
    let csv = "name;price;count\nbolt;1,50;1.000\nnut;0,20;999\nrod;12,00;-1.234.567\n;;\n";
    let options = ["-d", ";", "--decimal", ",", "--thousands", "."];
    let rows = "'bolt',1.5,1000 'nut',0.2,999 'rod',12.0,-1234567 '',NULL,NULL";
    assert_loads(csv, &options, "name TEXT, price REAL, count INTEGER", rows);
    // Texts stay as they are, and numbers in SQL's notation are texts.
    assert_loads(
        "a;b\n1,5;1.5\nx;2.5\n",
        &["-d", ";", "--decimal", ","],
        "a TEXT, b TEXT",
        "'1,5','1.5' 'x','2.5'",
    );
    assert_loads("a;b\n1.50;x\n12.34,5;y\n", &options, "a TEXT, b TEXT", "'1.50','x' '12.34,5','y'");
    assert_loads("a;b\n1'000.5;2\n", &["--thousands", "'"], "a REAL, b INTEGER", "1000.5,2");
    let dir = TestDir::new();
    dir.write("in.csv", "a;b\n1,5;2\n");
    dir.write("point.csv", "a;b\n1.5;2\n");
    let load = ["load", "in.csv", "out.db", "-t", "t", "-d", ";", "--decimal", ","];
    dir.run(&load).expect_code(0);
    dir.run(&[&load[..], &["--append"]].concat()).expect_code(0);
    let rows = rows_of(&dir.open("out.db"), "SELECT a FROM t");
    assert_eq!(rows, [[Value::Real(1.5)], [Value::Real(1.5)]]);
    let append = ["load", "point.csv", "out.db", "-t", "t", "-d", ";", "--decimal", ",", "--append"];
    let outcome = dir.run(&append).expect_code(1);
    outcome.assert_single_message(&["record 1", "\"1.5\"", "\"a\""]);
    dir.run(&[&load[..], &["--thousands", ","]].concat()).expect_code(2);
}

#[test]
fn sql_sees_numbers_that_are_written_with_other_marks() {
    let dir = TestDir::new();
    dir.write("in.csv", "name;price;code\nbolt;1.234,50;1.5\nnut;9,75;2,50\n;;\n");
    let select = "name, price * 2 AS double, price || '' AS text, code, typeof(price) AS type";
    let load = ["load", "in.csv", "out.db", "-t", "t", "--replace", "-d", ";", "--decimal", ","];
    let text = |text: &str| Value::Text(text.to_owned());
    // SQLite evaluates the second condition.
    for condition in ["price > 10", "price > 10 AND json_type('[]') = 'array'"] {
        let options = ["--thousands", ".", "--select", select, "--where", condition];
        dir.run(&[&load[..], &options].concat()).expect_code(0);
        let rows = rows_of(&dir.open("out.db"), "SELECT * FROM t");
        let expected = [text("bolt"), Value::Real(2469.0), text("1234.5"), text("1.5"), text("real")];
        assert_eq!(rows, [expected], "{condition}");
    }
    // Messages quote a value as it is written.
    dir.write("in.csv", "price\n1,5\n2.5\n");
    let outcome = dir.run(&load).expect_code(0);
    assert!(outcome.stderr.contains("a value that is not a number at line 3: \"2.5\""), "{}", outcome.stderr);
}

#[test]
fn a_footer_is_left_out_of_an_input_that_is_read_in_parts() {
    let dir = TestDir::new();
    let rows = "1,some text to fill the parts of an input that is read in parts\n".repeat(60_000);
    dir.write("in.csv", format!("a,b\nunit,unit\n{rows}total,60000\n\nend,\n"));
    let load = ["load", "-", "out.db", "-t", "t", "--skip-rows", "1", "--skip-footer", "2", "--replace"];
    for (limit, count) in [("1", 1), ("70000", 60_000), ("60000", 60_000), ("59999", 59_999)] {
        let mut pipe = Command::new("cat").arg(dir.path("in.csv")).stdout(Stdio::piped()).spawn().unwrap();
        let command = dir.command(&[&load[..], &["--limit", limit]].concat());
        Running::start_with_stdin(command, pipe.stdout.take().unwrap()).wait().expect_code(0);
        pipe.wait().unwrap();
        let found = rows_of(&dir.open("out.db"), "SELECT sum(a), typeof(a) FROM t GROUP BY 2");
        assert_eq!(found, [[Value::Integer(count), Value::Text("integer".to_owned())]], "{limit}");
    }
}

#[test]
fn a_null_may_apply_to_one_column_and_not_to_quoted_fields() {
    let csv = "code,name,score\nNA,Namibia,1\nUS,\"NA\",NA\n";
    let columns = "code TEXT, name TEXT, score INTEGER";
    assert_loads(csv, &["--null", "NA"], columns, "NULL,'Namibia',1 'US','NA',NULL");
    assert_loads(csv, &["--null", "SCORE=NA"], columns, "'NA','Namibia',1 'US','NA',NULL");
    assert_loads(
        csv,
        &["--null", "score=NA", "--null", "=\"NA\""],
        columns,
        "'NA','Namibia',1 'US',NULL,NULL",
    );
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    dir.run(&["load", "in.csv", "out.db", "--null", "scores=NA"])
        .expect_code(1)
        .assert_single_message(&["scores", "--null"]);
}

#[test]
fn encodings_have_the_names_that_python_and_iconv_use() {
    let cases: [(&[u8], &[&str], &str); 6] = [
        (b"caf\xe9", &["latin-1", "latin1", "iso8859-1", "cp1252", "cp1250", "windows-1250"], "café"),
        (b"caf\x82", &["cp437", "cp850", "ibm437", "CP858"], "café"),
        (b"caf\x8e", &["mac-roman", "macintosh"], "café"),
        (b"\xc7\xd1", &["cp949", "euc-kr", "uhc"], "한"),
        ("\u{feff}é".as_bytes(), &["utf-8-sig", "utf_8"], "é"),
        (b"\x93\xfa", &["cp932", "shift_jis"], "日"),
    ];
    for (text, names, expected) in cases {
        for name in names {
            // A byte order mark precedes the header.
            let mark = text.strip_prefix("\u{feff}".as_bytes());
            let start = if mark.is_some() { "\u{feff}a,b\n" } else { "a,b\n" }.as_bytes();
            let csv = [start, mark.unwrap_or(text), b",1\n"].concat();
            let rows = format!("'{expected}',1");
            assert_loads(csv, &["--encoding", name], "a TEXT, b INTEGER", &rows);
        }
    }
}
