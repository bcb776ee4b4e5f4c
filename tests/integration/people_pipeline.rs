//! `run-pipeline`: the values and types of the people table, compared with a naive reference.

use crate::common::{TWO_PEOPLE, TestDir, people_csv, rows_of};
use rusqlite::types::Value;
use std::collections::BTreeSet;

#[track_caller]
fn load_csv(csv: &str) -> TestDir {
    let dir = TestDir::with_input(csv);
    dir.load(&[]).expect_code(0);
    dir.assert_holds(csv);
    assert_eq!(dir.file_names(), ["people.csv", "people.db"]);
    dir
}

/// The values of a column in row order.
fn column(dir: &TestDir, name: &str) -> Vec<Value> {
    let rows = rows_of(&dir.database(), &format!("SELECT {name} FROM people ORDER BY rowid"));
    rows.into_iter().flatten().collect()
}

fn texts(dir: &TestDir, name: &str) -> Vec<String> {
    let text = |value| match value {
        Value::Text(text) => text,
        other => panic!("{other:?} is not text"),
    };
    column(dir, name).into_iter().map(text).collect()
}

#[test]
fn without_a_pipeline_and_without_its_default_input_the_user_names_one() {
    let dir = TestDir::new();
    for command in ["run-pipeline", "check"] {
        let outcome = dir.run(&[command]).expect_code(2);
        outcome.assert_single_message(&["no pipeline is named", "data/people.csv", "create-file"]);
        assert!(dir.file_names().is_empty());
    }
}

#[test]
fn loads_data_people_csv_into_data_people_db_by_default() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.path("data")).unwrap();
    dir.write("data/people.csv", TWO_PEOPLE);
    dir.run(&["run-pipeline"]).expect_code(0);
    std::fs::rename(dir.path("data/people.db"), dir.path("people.db")).unwrap();
    dir.assert_holds(TWO_PEOPLE);
    let row =
        "SELECT first_name || '|' || last_name || '|' || age || '|' || email FROM people WHERE rowid = 1";
    assert_eq!(dir.query(row), "Ada|LOVELACE|36|Ada.Lovelace_36@somemail.com");
    assert_eq!(dir.path("data").read_dir().unwrap().count(), 1, "other files than the input are left");
}

#[test]
fn a_created_file_loads_like_the_reference() {
    let dir = TestDir::new();
    dir.run(&["create-file", "-o", "people.csv", "--number-rows", "60000", "--seed", "1"]).expect_code(0);
    dir.load(&[]).expect_code(0);
    dir.assert_holds(dir.read("people.csv"));
    assert_eq!(dir.query("SELECT count(*) FROM people"), "60000");
}

#[test]
fn ages_are_integers_or_0() {
    let cases = [
        ("0", 0),
        ("42", 42),
        ("042", 42),
        ("+5", 5),
        ("-5", -5),
        ("\" 42\"", 0),
        ("42 ", 0),
        ("4x", 0),
        ("", 0),
        ("\"\"", 0),
        ("\"4\"\"2\"", 0),
        ("\"42\"", 42),
        ("+", 0),
        ("4.0", 0),
        ("1e3", 0),
        ("0x10", 0),
        ("٤٢", 0),
        ("9223372036854775807", i64::MAX),
        ("9223372036854775808", 0),
        ("-9223372036854775808", i64::MIN),
        ("-9223372036854775809", 0),
        ("00000000000000000000000000042", 42),
    ];
    let records: String = cases.iter().map(|(age, _)| format!("Ada,Lovelace,{age}\n")).collect();
    let dir = load_csv(&format!("first_name,last_name,age\n{records}"));
    assert_eq!(column(&dir, "age"), cases.map(|(_, age)| Value::Integer(age)));
    assert_eq!(texts(&dir, "email"), cases.map(|(_, age)| format!("Ada.Lovelace_{age}@somemail.com")));
}

#[test]
fn last_names_are_uppercased_except_in_the_email_address() {
    let cases = [
        ("straße", "STRASSE"),
        ("Béla", "BÉLA"),
        ("ŉ", "ʼN"),
        ("ﬃ", "FFI"),
        ("ΐ", "Ι\u{308}\u{301}"),
        ("日本", "日本"),
        ("👩‍🔬", "👩‍🔬"),
        ("o' sullivan", "O' SULLIVAN"),
        ("", ""),
        ("007", "007"),
    ];
    let records: String = cases.iter().map(|(name, _)| format!("é,{name},1\n")).collect();
    let dir = load_csv(&format!("first_name,last_name,age\n{records}"));
    assert_eq!(texts(&dir, "last_name"), cases.map(|(_, upper)| upper.to_owned()));
    assert_eq!(texts(&dir, "email"), cases.map(|(name, _)| format!("é.{name}_1@somemail.com")));
}

#[test]
fn quoted_fields_keep_delimiters_quotes_line_ends_and_nul_bytes() {
    let dir = load_csv(concat!(
        "\"first_name\",\"last_name\",\"age\"\n",
        "\"a,b\",\"say \"\"hi\"\"\",1\n",
        "\"two\nlines\",\"cr\rlf\r\nend\",2\n",
        "\"\"\"\",\"\",3\n",
        "in\"side,x\"\"y,4\n",
        "nul\0nul,\"\0\",5\n",
        "  spaces  ,\ttab\t,6\n",
    ));
    let first = ["a,b", "two\nlines", "\"", "in\"side", "nul\0nul", "  spaces  "];
    let last = ["SAY \"HI\"", "CR\rLF\r\nEND", "", "X\"\"Y", "\0", "\tTAB\t"];
    assert_eq!(texts(&dir, "first_name"), first);
    assert_eq!(texts(&dir, "last_name"), last);
}

#[test]
fn accepts_any_line_end() {
    let records = ["first_name,last_name,age", "Ada,Lovelace,36", "Alan,Turing,41"];
    let ends = [
        ("LF", "\n"),
        ("CRLF", "\r\n"),
        ("lone CR", "\r"),
        ("blank lines", "\n\n\n"),
        ("blank lines of CRLF", "\r\n\r\n"),
    ];
    for (name, end) in ends {
        for last in ["", end] {
            println!("{name}, {last:?} at the end");
            let dir = load_csv(&(records.join(end) + last));
            assert_eq!(texts(&dir, "last_name"), ["LOVELACE", "TURING"]);
            assert_eq!(column(&dir, "age"), [36, 41].map(Value::Integer));
        }
    }
}

#[test]
fn skips_a_byte_order_mark_and_blank_lines_before_the_header() {
    for start in ["\u{feff}", "\n\r\n", "\u{feff}\n\n"] {
        let dir = load_csv(&format!("{start}{TWO_PEOPLE}"));
        assert_eq!(texts(&dir, "first_name"), ["Ada", "Alan"], "{start:?}");
    }
}

#[test]
fn a_header_without_records_creates_an_empty_table() {
    for csv in
        ["first_name,last_name,age\n", "first_name,last_name,age", "\u{feff}first_name,last_name,age\r\n"]
    {
        let dir = load_csv(csv);
        assert_eq!(dir.query("SELECT count(*) FROM people"), "0");
    }
}

#[test]
fn finds_columns_by_name_in_any_order() {
    let dir = load_csv(concat!(
        "x,age,FIRST_NAME,last_name,,first_name,x\n",
        "1,36,no,Lovelace,,Ada,\"2,3\"\n",
        "\"\n\",41,no,Turing,a,Alan,\n",
    ));
    assert_eq!(texts(&dir, "first_name"), ["Ada", "Alan"]);
    assert_eq!(texts(&dir, "last_name"), ["LOVELACE", "TURING"]);
}

#[test]
fn long_records_that_span_chunks_are_complete() {
    let long = "ä\"\"\n,".repeat(60_000);
    let csv = format!("first_name,last_name,age\n{}", format!("Ada,\"{long}\",1\nb,c,2\n").repeat(4));
    let dir = load_csv(&csv);
    assert_eq!(dir.query("SELECT length(last_name) FROM people LIMIT 1"), "240000");
}

/// The keys in row order. Asserts that they are distinct UUIDs of this version.
fn keys(dir: &TestDir, version: u8, rows: usize) -> Vec<Vec<u8>> {
    let key = |value| match value {
        Value::Blob(key) => key,
        other => panic!("{other:?} is not a blob"),
    };
    let keys: Vec<_> = column(dir, "id").into_iter().map(key).collect();
    assert_eq!(keys.len(), rows);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), rows, "the keys are not unique");
    let is_uuid = |key: &Vec<u8>| key.len() == 16 && key[6] >> 4 == version && key[8] >> 6 == 0b10;
    assert!(keys.iter().all(is_uuid), "some keys are not UUIDs of version {version}");
    keys
}

const KEY_ROWS: usize = 50_000;

#[test]
fn version_7_keys_sort_by_row_and_contain_the_time() {
    let dir = TestDir::with_input(people_csv(KEY_ROWS));
    for options in [&["-j", "1"][..], &["-j", "8"], &["--id", "v7"]] {
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let started = now();
        dir.load(options).expect_code(0);
        let keys = keys(&dir, 7, KEY_ROWS);
        assert!(keys.is_sorted(), "{options:?}");
        let millis = keys[0][..6].iter().fold(0, |millis, byte| millis << 8 | u128::from(*byte));
        assert!((started..=now()).contains(&millis), "{millis} is not the time of the load");
    }
}

#[test]
fn version_4_keys_are_random() {
    let dir = TestDir::with_input(people_csv(KEY_ROWS));
    let runs = [(); 2].map(|()| {
        dir.load(&["--id", "v4"]).expect_code(0);
        keys(&dir, 4, KEY_ROWS)
    });
    assert!(!runs[0].is_sorted());
    assert!(runs[0].iter().collect::<BTreeSet<_>>().is_disjoint(&runs[1].iter().collect()));
    dir.assert_holds(people_csv(KEY_ROWS));
}
