//! Warnings about inputs that look wrong, and silence about those that do not.

use crate::common::{TestDir, assert_contains, people_csv, rows_of, text};
use proptest::prelude::*;
use rusqlite::types::Value;
use sqload::demo::people;
use sqload::plan::{Column, Expr, IfExists, OnError, Table};
use sqload::{Kind, Loader, Oddity, Warning, sql::Pipeline};
use std::num::NonZeroUsize;

/// The warnings in the report of a load that ends with this code.
#[track_caller]
fn warnings(csv: impl AsRef<[u8]>, options: &[&str], code: i32) -> Vec<String> {
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    let load = ["load", "in.csv", "out.db", "-t", "t", "--report", "-"];
    let report = dir.run(&[&load[..], options].concat()).expect_code(code).report();
    let warnings = report["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning.as_str().unwrap().to_owned()).collect()
}

/// What `load` prints on standard error.
#[track_caller]
fn printed(csv: &str, options: &[&str], code: i32) -> String {
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    dir.run(&[&["load", "in.csv", "out.db", "-t", "t"][..], options].concat()).expect_code(code).stderr
}

#[test]
fn each_oddity_is_counted_and_has_advice() {
    let cases = [
        (
            "id,txt,n\n1,\"say \\\"hi\\\" ok\",2\n2,\"plain\",3\n",
            "in.csv: 1 value has text after its closing quote (line 2)",
            "--escape '\\'",
        ),
        ("id,name\n1,a\nid,name\n2,b\n", "in.csv: 1 record repeats the header (line 3)", "--where"),
        (
            "\u{feff}id,name\n1,a\n\u{feff}id,name\n2,b\n\u{feff}3,c\n",
            "in.csv: 2 records start with a byte order mark (the first at line 3)",
            "--where",
        ),
        (
            "id,name,qty\n1,a,5\n2,b,6\n,,\n,,\n , ,\n",
            "in.csv: 3 records have no value in any field (the first at line 4)",
            "--skip-empty",
        ),
        ("name\nfoo\rbar\nok\n", "in.csv: 1 record ends with a CR instead of an LF (line 2)", "in quotes"),
    ];
    for (csv, warning, advice) in cases {
        assert_eq!(warnings(csv, &[], 0), [warning], "{csv:?}");
        assert_contains(&printed(csv, &[], 0), [&*format!("warning: {warning}; "), advice]);
    }
}

#[test]
fn headers_that_look_wrong_have_advice() {
    let cases = [
        (
            "1,Ann,3.5\n2,Bob,4.5\n3,Cy,5.5\n",
            &[][..],
            0,
            ["\"1\" is like the values below it", "--no-headers"],
        ),
        (
            "Report\na,b\n1,2\n3,4\n",
            &["-d", ",", "--on-error", "skip", "--ragged", "fit"],
            0,
            ["the first line has 1 field, but most records after line 1 have 2", "--skip-lines 1"],
        ),
        (
            "a,b\n1,2,\n3,4,\n",
            &["--ragged", "fit"],
            0,
            ["records end with the delimiter ','", "--ragged fit"],
        ),
        (
            "a;b\n1;2\n",
            &["-d", ","],
            0,
            ["',' does not occur in the header; ';' would give 2 fields", "--delimiter"],
        ),
    ];
    for (csv, options, code, parts) in cases {
        assert_contains(&printed(csv, options, code), parts);
    }
}

#[test]
fn a_failing_load_warns_about_the_header() {
    let account = "Account report\nFrom: 2024-01-01, to: 2024-02-01\n\nDate;Text;Amount\n\
        01.01.2024;\"Rent; flat\";-500,00\n02.01.2024;Food;-20,10\n";
    let stderr = printed(account, &[], 1);
    assert_contains(
        &stderr,
        ["WARN", "separated by ';'", "--skip-lines 3", "2 fields, 1 expected, separated by ','"],
    );
    let dir = TestDir::new();
    dir.write("in.csv", account);
    dir.run(&["load", "in.csv", "out.db", "-t", "t", "--skip-lines", "3"]).expect_code(0);
    let rows = rows_of(&dir.open("out.db"), "SELECT \"Date\", \"Text\" FROM t LIMIT 1");
    assert_eq!(rows, [[text("01.01.2024"), text("Rent; flat")]]);
    let error = Loader::new("u").load(dir.path("in.csv"), dir.path("out.db")).unwrap_err();
    assert!(matches!(error.warnings(), [Warning::ShortFirstLine { lines: 3, .. }]), "{error:?}");
}

#[test]
fn a_rejected_record_tells_what_may_have_split_it() {
    let cases = [
        ("id,txt,n\n1,\"say \\\"hi\\\", ok\",2\n", ["text after its closing quote", "--escape '\\'"]),
        ("id,name,n\n1,foo\rbar,2\n2,ok,3\n", ["ends with a CR instead of an LF", "in quotes"]),
        ("id,name,n\r\n1,foo\nbar,2\r\n2,ok,3\r\n", ["ends with an LF instead of a CRLF", "in quotes"]),
    ];
    for (csv, parts) in cases {
        assert_contains(&printed(csv, &[], 1), parts);
    }
}

#[test]
fn a_file_that_is_loaded_twice_is_noticed() {
    let dir = TestDir::new();
    dir.write("in.csv", "id,name\n1,a\n2,b\n");
    std::fs::hard_link(dir.path("in.csv"), dir.path("link.txt")).unwrap();
    for inputs in
        [&["in.csv", "in.csv"][..], &["in.csv", "./in.csv"], &["*.csv", "in.csv"], &["in.csv", "link.txt"]]
    {
        let load = [&["load"], inputs, &["out.db", "-t", "t", "--replace"]].concat();
        let stderr = dir.run(&load).expect_code(0).stderr;
        assert_contains(&stderr, ["warning: in.csv: the same file is loaded 2 times; name it once"]);
        assert_eq!(rows_of(&dir.open("out.db"), "SELECT count(*) FROM t"), [[Value::Integer(4)]]);
    }
}

/// A line of a file of two columns, and what is odd about it.
fn line() -> impl Strategy<Value = (&'static str, Option<Oddity>)> {
    prop_oneof![
        6 => Just(("1,x\n", None)),
        2 => Just(("\"a \"\"b\"\"\",\"c\nd\"\n", None)),
        1 => Just((",é\n", None)),
        1 => Just(("\n", None)),
        1 => Just(("1,2,3\n", None)),
        1 => Just(("a,bc\n", None)),
        1 => Just(("a,b\n", Some(Oddity::RepeatedHeader))),
        1 => Just(("\u{feff}a,b\n", Some(Oddity::ByteOrderMark))),
        1 => Just((",\n", Some(Oddity::EmptyRecord))),
        1 => Just((" ,\"\"\n", Some(Oddity::EmptyRecord))),
        1 => Just(("1,\"x\"y\n", Some(Oddity::TextAfterQuote))),
        1 => Just(("1,\"x\"y,z\n", Some(Oddity::TextAfterQuote))),
        1 => Just(("1,x\r", Some(Oddity::LoneCr))),
        1 => Just(("1,x\r\n", Some(Oddity::CrLf))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn oddities_are_counted_the_same_at_any_chunk_size_and_number_of_jobs(
        lines in prop::collection::vec(line(), 0..60),
        repeats in 1_usize..40,
    ) {
        let dir = TestDir::new();
        let lines = lines.repeat(repeats);
        // A load in which all records are rejected fails.
        let head = ["a,b\n", "8,9\n"];
        let csv: String = head.into_iter().chain(lines.iter().map(|(line, _)| *line)).collect();
        dir.write("in.csv", &csv);
        let mut expected: Vec<(Oddity, u64, u64)> = Vec::new();
        let mut line_number = 3;
        for (index, (line, oddity)) in lines.iter().enumerate() {
            if let Some(oddity) = *oddity {
                match expected.iter_mut().find(|(known, ..)| *known == oddity) {
                    Some((_, count, _)) => *count += 1,
                    None => expected.push((oddity, 1, line_number)),
                }
            }
            // A CR before a blank line is half of a CRLF.
            let is_crlf = line.ends_with('\r') && lines.get(index + 1).is_some_and(|(next, _)| *next == "\n");
            prop_assume!(!is_crlf);
            line_number += line.replace("\r\n", "\n").matches(['\n', '\r']).count() as u64;
        }
        expected.sort_by_key(|(oddity, ..)| *oddity as usize);
        for (chunk_bytes, jobs) in [(1, 1), (7, 3), (1_000, 2), (65_536, 1)] {
            let number = |number| NonZeroUsize::new(number).unwrap();
            let loader = Loader::new("t").on_error(OnError::Skip).if_exists(sqload::plan::IfExists::Replace);
            let loader = loader.delimiter(b',').chunk_bytes(number(chunk_bytes)).jobs(number(jobs));
            let report = loader.load(dir.path("in.csv"), dir.path("out.db")).unwrap();
            let records = report.warnings.iter().filter_map(|warning| match warning {
                Warning::Records { oddity, count, line, .. } => Some((*oddity, *count, *line)),
                _ => None,
            });
            prop_assert_eq!(records.collect::<Vec<_>>(), expected.clone(), "{:?}", csv);
        }
    }
}

#[test]
fn line_ends_and_blank_lines_that_may_be_data_are_counted() {
    let cases = [
        ("note\r\nfirst\nsecond\r\nx\r\n", &[][..], "1 record ends with an LF instead of a CRLF (line 2)"),
        ("note\nfirst\r\nx\n", &[], "1 record ends with a CRLF instead of an LF (line 2)"),
        (
            "a\n\nb\n\\N\n\n",
            &["--format", "postgres"],
            "2 lines are blank, and no records (the first at line 2)",
        ),
    ];
    for (csv, options, message) in cases {
        assert_contains(&printed(csv, options, 0), [message]);
    }
    assert_eq!(warnings("a\n\nb\n\n", &["--skip-empty"], 0), [""; 0]);
    assert_eq!(warnings("a\n#\n\nb\n\n", &["--comment", "#"], 0), [""; 0]);
}

#[test]
fn ordinary_files_give_no_warnings() {
    let numbers = "name,x,y\na,1,-0.5\nb,2,1e-05\n,,3\n";
    let cases = [
        people_csv(3_000),
        numbers.to_owned(),
        numbers.replace('\n', "\r\n"),
        numbers.replace('\n', "\r"),
        numbers.replace(',', ";"),
        numbers.replace(',', "\t"),
        format!("\u{feff}{numbers}"),
        "a,b\n\"x \"\"y\"\"\",\"line\nbreak\"\n\"\",\"é,\r\n\"\n".to_owned(),
        "\"id\",\"name\"\n\"1\",\"Ann\"\n\"2\",\"Bob\"\n".to_owned(),
        "a,b\n\n1,2\n\n\n3,4\n\n".to_owned(),
        "word\nword\napple\n".to_owned(),
        "text\nHello, world\nHello; world\n".replace(',', ""),
        "Region,2019,2020\nNorth,1,2\nSouth,3,4\n".to_owned(),
        "date,open\n2024-01-01,1.5\n2024-01-02,2.5\n".to_owned(),
        ",0,1\n0,5,6\n1,8,9\n".to_owned(),
        "a,b\n1,5'10\"\n2,6'2\"\n".to_owned(),
        "id,when,where\n1,2024-01-01 10:00:00,\"Paris, France\"\n2,,\n".to_owned(),
    ];
    for csv in cases {
        assert_eq!(warnings(&csv, &[], 0), [""; 0], "{csv:?}");
    }
}

#[test]
fn the_files_of_the_repository_give_no_warnings() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let examples = std::fs::read_dir(data.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let inputs = examples.filter(|path| path.extension().is_some_and(|extension| extension == "csv"));
    let mut count = 0;
    for input in inputs {
        let dir = TestDir::new();
        let report = Loader::new("t").load(&input, dir.path("out.db")).unwrap();
        assert_eq!(report.warnings, [], "{}", input.display());
        count += 1;
    }
    assert!(count >= 6, "{count}");
}

#[test]
fn at_most_ten_notes_are_printed() {
    let dir = TestDir::new();
    let names: Vec<_> = (0..200).map(|number| format!("c{number}")).collect();
    let csv = format!("{}\n{}\n{}\n", names.join(","), vec!["1"; 200].join(","), vec!["x"; 200].join(","));
    dir.write("in.csv", csv);
    let outcome = dir.run(&["load", "in.csv", "out.db", "-t", "t", "--report", "-"]).expect_code(0);
    assert_eq!(outcome.report()["notes"].as_array().unwrap().len(), 201);
    assert_eq!(
        outcome.stderr.lines().filter(|line| line.contains(": TEXT, ")).count(),
        10,
        "{}",
        outcome.stderr
    );
    assert_contains(&outcome.stderr, ["and 190 more columns of this kind"]);
}

#[test]
fn a_first_line_may_name_the_delimiter() {
    let dir = TestDir::new();
    for (csv, delimiter) in [
        ("sep=;\r\nname;qty;price\r\nbolt;4;1,50\r\n", ";"),
        ("\u{feff}\"sep=,\"\nname,qty,price\nbolt,4,\"1,50\"\n", ","),
        ("sep=^\nname^qty^price\nbolt^4^1,50\n", "^"),
    ] {
        dir.write("in.csv", csv);
        for options in [&[][..], &["-d", delimiter], &["--skip-lines", "1"]] {
            if options.first() == Some(&"--skip-lines") && delimiter == "^" {
                continue;
            }
            let load = [&["load", "in.csv", "out.db", "-t", "t", "--replace"], options].concat();
            dir.run(&load).expect_code(0);
            let rows = rows_of(&dir.open("out.db"), "SELECT name, qty, price FROM t");
            assert_eq!(rows, [[text("bolt"), Value::Integer(4), text("1,50")]], "{csv:?} {options:?}");
        }
    }
    let stderr = dir.run(&["load", "in.csv", "out.db", "-t", "t", "--replace"]).expect_code(0).stderr;
    assert_contains(&stderr, ["separated by '^', as the first line says"]);
    // Lines are counted from the start of the file, and rejects can be loaded like the file.
    dir.write("in.csv", "sep=;\na;b\n1;2\n3\n");
    let skip = ["load", "in.csv", "out.db", "-t", "r", "--on-error", "skip", "--rejects", "bad.csv"];
    assert_contains(&dir.run(&skip).expect_code(3).stderr, ["line 4 (record 2"]);
    assert_eq!(dir.read("bad.csv"), b"sep=;\na;b\n3\n");
}

#[test]
fn delimiters_may_be_written_as_escapes() {
    let dir = TestDir::new();
    dir.write("in.csv", "1\x01Ann\x015\n2\x01Bob\x017\n");
    let load =
        |delimiter| ["load", "in.csv", "out.db", "-t", "t", "--no-headers", "--replace", "-d", delimiter];
    for delimiter in ["\\x01", "\x01", "\\001"] {
        dir.run(&load(delimiter)).expect_code(0);
        let rows = rows_of(&dir.open("out.db"), "SELECT column2 FROM t");
        assert_eq!(rows, [[text("Ann")], [text("Bob")]]);
    }
    let stderr = dir.run(&load("\\q")).expect_code(2).stderr;
    assert_contains(&stderr, ["unknown escape \\q"]);
}

#[test]
fn pipelines_and_the_library_detect_the_delimiter() {
    let dir = TestDir::with_input("first_name;last_name;age\nAda;Lovelace;36\n");
    let outcome = dir.load(&["--report", "-"]).expect_code(0);
    assert_eq!(outcome.report()["notes"], serde_json::json!(["fields are separated by ';'"]));
    assert_eq!(dir.query("SELECT email FROM people"), "Ada.Lovelace_36@somemail.com");
    let pipeline = Loader::from(Pipeline::parse("people.sql", people::SQL).unwrap());
    let columns = vec![Column::new("age", "INTEGER", Expr::Field("age".into()))];
    for loader in [pipeline.clone(), Loader::from(Table::new("people", columns))] {
        let loader = loader.if_exists(IfExists::Replace);
        assert_eq!(loader.load(dir.path("people.csv"), dir.path("out.db")).unwrap().loaded, 1);
    }
    // A delimiter that is given wins, and the error names it.
    let error = pipeline.delimiter(b',').load(dir.path("people.csv"), dir.path("out.db")).unwrap_err();
    assert!(matches!(error.kind(), Kind::MissingColumn { .. }), "{error}");
    assert!(error.to_string().ends_with("; fields are separated by ','"), "{error}");
    assert!(matches!(error.warnings(), [Warning::OtherDelimiter { fields: 3, .. }]), "{error:?}");
}

#[test]
fn a_ragged_file_is_not_one_column() {
    let cases = [
        (
            "\"x\";\"y\";\"obj\"\n\"1\";\"2\";\"3\";\n\"4\";\"5\";\"6\";\"7\"\n\"8\";\"9\"\n",
            "4 fields, 3 expected, separated by ';'",
        ),
        ("name;qty;note\nbolt;4;a;b\nnut;7\nrod;1;2;3;4\n", "4 fields, 3 expected, separated by ';'"),
        ("a\tb\tc\n1\t2\n3\t4\t5\t6\n7\n", "2 fields, 3 expected, separated by '\\t'"),
    ];
    for (csv, message) in cases {
        assert_contains(&printed(csv, &[], 1), [message]);
    }
}

#[test]
fn a_quote_that_is_never_closed_is_a_reject_if_records_are_skipped() {
    let dir = TestDir::new();
    dir.write("in.csv", "id;name;v\n1;a;5\n2;b;6\n\"\n");
    let load = ["load", "in.csv", "out.db", "-t", "t", "--replace"];
    let stderr = dir.run(&load).expect_code(1).stderr;
    assert_contains(
        &stderr,
        ["line 4 (record 3, byte 22)", "the rest of the input, 1 line (2 bytes)", "--on-error skip"],
    );
    for jobs in ["1", "3"] {
        let skip = ["--on-error", "skip", "--rejects", "bad.csv", "-j", jobs];
        let stderr = dir.run(&[&load[..], &skip].concat()).expect_code(3).stderr;
        assert_contains(
            &stderr,
            ["line 4 (record 3, byte 22): rejected: a quote that is opened at line 4 is never closed"],
        );
        let rows = rows_of(&dir.open("out.db"), "SELECT id, name, v FROM t");
        assert_eq!(
            rows,
            [
                [Value::Integer(1), text("a"), Value::Integer(5)],
                [Value::Integer(2), text("b"), Value::Integer(6)]
            ]
        );
        assert_eq!(dir.read("bad.csv"), b"id;name;v\n\"\n");
        assert_eq!(dir.reasons("bad.csv")[0]["kind"], "unclosed_quote");
    }
}

#[test]
fn a_quote_that_takes_in_more_than_64_kib_ends_a_load_that_does_not_ask_to_skip() {
    let people = people_csv(5);
    for (rest, code) in [(60 << 10, 3), (70 << 10, 1)] {
        let dir = TestDir::with_input(format!("{people}\"Ada,{}\n", "x,\n".repeat(rest / 3)));
        let outcome = dir.load(&[]).expect_code(code);
        if code == 3 {
            assert_eq!(dir.query("SELECT count(*) FROM people"), "5");
            continue;
        }
        outcome.assert_single_message(&["never closed", "lines (7", "bytes)", "--on-error skip"]);
        dir.load(&["--on-error", "skip"]).expect_code(3);
        assert_eq!(dir.query("SELECT count(*) FROM people"), "5");
    }
}

#[test]
fn the_other_inputs_are_loaded_after_a_quote_that_is_never_closed() {
    let dir = TestDir::new();
    dir.write("a.csv", "x,y\n1,2\n\n\"3,4\n5,6\n");
    dir.write("b.csv", "x,y\n7,8\n");
    for chunk_bytes in [1, 1 << 16] {
        let loader = Loader::new("t").on_error(OnError::Skip).if_exists(sqload::plan::IfExists::Replace);
        let loader = loader.chunk_bytes(NonZeroUsize::new(chunk_bytes).unwrap());
        let report = loader.load_all(&[dir.path("a.csv"), dir.path("b.csv")], dir.path("out.db")).unwrap();
        assert_eq!((report.records, report.loaded, report.rejected), (3, 2, 1));
    }
    // The header must be complete.
    dir.write("a.csv", "x,\"y\n1,2\n");
    let error =
        Loader::new("t").on_error(OnError::Skip).load(dir.path("a.csv"), dir.path("new.db")).unwrap_err();
    assert!(matches!(error.kind(), Kind::UnclosedQuote { .. }), "{error}");
}

#[test]
fn a_blank_before_a_quote_is_reported() {
    let csv = "id, name, \"x, y\"\n1, a, \"b, c\"\n";
    let dir = TestDir::with_input(csv);
    let load = ["load", "people.csv", "out.db", "--replace"];
    let outcome = dir.run(&load).expect_code(0);
    assert_contains(&outcome.stderr, ["a quote after a blank", "line 1", "--trim"]);
    for options in [["--trim", "-q"], ["--quote", "none"]] {
        let outcome = dir.run(&[&load[..], &options].concat()).expect_code(0);
        assert!(!outcome.stderr.contains("after a blank"), "{}", outcome.stderr);
    }
}

#[test]
fn byte_order_marks_are_not_part_of_a_name() {
    let csv = "\u{feff}\u{feff}id,name\n1,a\n";
    assert_eq!(
        warnings(csv, &[], 0),
        ["in.csv: the input starts with 2 byte order marks, which are left out"]
    );
    for encoding in [&[][..], &["--encoding", "utf-8"]] {
        let dir = TestDir::new();
        dir.write("in.csv", csv);
        dir.run(&[&["load", "in.csv", "out.db", "-t", "t"][..], encoding].concat()).expect_code(0);
        assert_eq!(rows_of(&dir.open("out.db"), "SELECT id, name FROM t"), [[1.into(), text("a")]]);
    }
    assert_eq!(warnings("\u{feff}id,name\n1,a\n", &[], 0), [""; 0]);
}

#[test]
fn names_with_blanks_around_them_have_advice() {
    let cases = [
        ("id, Title ,Year\n1, a ,2\n", &[][..], "the name of a column has blanks around it: \" Title \""),
        ("a, b,c \n1, x,y\n", &[], "the names of 2 columns have blanks around them, such as \" b\""),
        ("x,\ty\nm,n\n1,2\n", &["--header-rows", "2"], "the name of a column has blanks around it: \"\ty\""),
    ];
    for (csv, options, warning) in cases {
        let expected = format!("in.csv: {}", warning.replace('\t', "\\t"));
        assert_eq!(warnings(csv, options, 0), [&*expected]);
        assert_contains(&printed(csv, options, 0), [&*expected, "; use --trim to remove"]);
        assert_eq!(warnings(csv, &[options, &["--trim"]].concat(), 0), [""; 0], "{csv:?}");
    }
    for csv in ["a b,c\n1,2\n", "\" a\",b\n1,2\n", "a,,b\n1,2,3\n", "a, b\n1,\n"] {
        let options: &[&str] = if csv.contains(", b") { &["--no-headers"] } else { &[] };
        assert_eq!(warnings(csv, options, 0), [""; 0], "{csv:?}");
    }
}

#[test]
fn a_vcf_file_has_advice() {
    let vcf = "##fileformat=VCFv4.2\n##INFO=<ID=NS,Number=1,Type=Integer>\n#CHROM\tPOS\tID\n20\t14370\trs6\n20\t17330\t.\n";
    let advice = ["in.csv: the first line is that of a VCF file", "--format vcf"];
    let stderr = printed(vcf, &[], 1);
    assert_contains(&stderr, advice);
    assert!(!stderr.contains("--skip-lines"), "{stderr}");
    assert_contains(&printed(vcf, &["--on-error", "skip"], 3), advice);
    for options in [&["--format", "vcf"][..], &["--comment", "##", "--tsv"], &["--skip-lines", "2", "--tsv"]]
    {
        assert_eq!(warnings(vcf, options, 0), [""; 0], "{options:?}");
    }
}

#[test]
fn skipping_more_than_an_input_has_is_noted() {
    let csv = "a,b\n1,2\n3,4\n";
    let of_rows = "in.csv: nothing is left after 9 records before the others, since the input has 2 records";
    let of_footer = "in.csv: nothing is left after 9 records at its end, since the input has 2 records";
    for (options, parts) in [
        (&["--skip-rows", "9"][..], [of_rows, "use a smaller --skip-rows"]),
        (&["--skip-footer", "9"], [of_footer, "use a smaller --skip-footer"]),
        (&["--skip-rows", "9", "--names", "a,b"], [&*of_rows.replace("2 r", "3 r"), "smaller --skip-rows"]),
    ] {
        assert_contains(&printed(csv, options, 0), parts);
        let dir = TestDir::new();
        dir.write("in.csv", csv);
        let preview = [&["load", "in.csv", "out.db", "--dry-run"][..], options].concat();
        assert_contains(&dir.run(&preview).expect_code(0).stdout, parts);
    }
    for options in
        [&["--skip-rows", "2"][..], &["--skip-footer", "2"], &["--skip-rows", "1", "--skip-footer", "1"]]
    {
        let stderr = printed(csv, options, 0);
        assert!(!stderr.contains("nothing is left"), "{stderr}");
    }
    let stderr = printed(csv, &["--skip-lines", "9"], 1);
    let parts =
        ["in.csv: the input is empty after 9 lines before the header, since it has 3 lines", "--skip-lines"];
    assert_contains(&stderr, parts);
}
