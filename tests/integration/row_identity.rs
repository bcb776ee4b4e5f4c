//! Rows keep the identity of their records, also where evaluating an expression again would give other rows.

use crate::common::{TestDir, rows_of, text};
use rusqlite::types::Value;
use std::collections::{BTreeMap, HashSet};

/// A header and records `key,number` from `first` on, whose keys repeat after `keys` records.
fn numbered(first: usize, records: usize, keys: usize) -> String {
    let record = |number: usize| format!("{},{number}\n", number % keys);
    "k,n\n".to_owned() + &(first..first + records).map(record).collect::<String>()
}

#[test]
fn rejects_are_the_rows_that_the_table_did_not_take_under_a_random_condition() {
    let dir = TestDir::new();
    dir.write("in.csv", numbered(0, 40_000, 1_000));
    for writer in ["statements", "auto"] {
        let options = ["--on-error", "skip", "--writer", writer, "--pk", "k", "--rejects", "bad.csv"];
        let load = ["load", "in.csv", "out.db", "-t", "t", "--replace", "--report", "report.json"];
        let condition = ["--where", "randomblob(1) < x'80'"];
        dir.run(&[&load[..], &options, &condition].concat()).expect_code(3);
        let loaded: BTreeMap<i64, i64> = rows_of(&dir.open("out.db"), "SELECT k, n FROM t")
            .into_iter()
            .map(|row| match row[..] {
                [Value::Integer(key), Value::Integer(number)] => (key, number),
                _ => panic!("{row:?}"),
            })
            .collect();
        let bad = String::from_utf8(dir.read("bad.csv")).unwrap();
        let rejects: Vec<(i64, i64)> = bad
            .lines()
            .skip(1)
            .map(|line| line.split_once(',').unwrap())
            .map(|(key, number)| (key.parse().unwrap(), number.parse().unwrap()))
            .collect();
        // Of the records with one key the first that the condition kept is loaded, and later ones are rejected.
        for (key, number) in &rejects {
            assert!(loaded[key] < *number, "{writer}: {key},{number} was rejected, {} loaded", loaded[key]);
        }
        let distinct: HashSet<_> = rejects.iter().collect();
        assert_eq!(distinct.len(), rejects.len(), "{writer}");
        let report: serde_json::Value = serde_json::from_slice(&dir.read("report.json")).unwrap();
        let count = |name: &str| report[name].as_u64().unwrap() as usize;
        assert_eq!((count("loaded"), count("rejected")), (loaded.len(), rejects.len()), "{writer}");
        assert_eq!(count("records"), loaded.len() + rejects.len() + count("filtered"), "{writer}");
        let lines = dir.reasons("bad.csv");
        for ((_, number), reason) in rejects.iter().zip(&lines) {
            assert_eq!(reason["line"].as_i64().unwrap(), number + 2, "{writer}");
        }
    }
}

#[test]
fn constraint_errors_name_records_with_the_same_key_under_a_random_condition() {
    let dir = TestDir::new();
    let inputs = [numbered(0, 9_000, 7_000), numbered(9_000, 9_000, 7_000)];
    let conditions = ["random() % 3 = 0", "randomblob(1) < x'55'"];
    // A text key, an INTEGER PRIMARY KEY in order and out of order, and an index over both.
    let keys: [&[&str]; 4] = [
        &["--type", "k=TEXT", "--pk", "k"],
        &["--pk", "k"],
        &["--select", "7919 * k % 7001 AS k, n", "--type", "n=TEXT", "--unique", "k"],
        &["--unique", "k", "--auto-id"],
    ];
    for (number, input) in inputs.iter().enumerate() {
        dir.write(&format!("{number}.csv"), input);
    }
    for (condition, key) in conditions.iter().flat_map(|condition| keys.map(|key| (condition, key))) {
        for writer in ["direct", "statements"] {
            let load =
                ["load", "0.csv", "1.csv", "out.db", "-t", "t", "--writer", writer, "--where", condition];
            let outcome = dir.run(&[&load[..], key].concat()).expect_code(1);
            // "sqload: 0.csv: line 17 (record 16, byte 99) and 1.csv: line 8 (record 7, byte 50): UNIQUE ..."
            let (places, _) =
                outcome.stderr.split_once(": UNIQUE").unwrap_or_else(|| panic!("{}", outcome.stderr));
            let places: Vec<_> = places.trim_start_matches("sqload: ").split(" and ").collect();
            let key_at = |place: &&str| {
                let (file, rest) = place.split_once(": line ").unwrap();
                let line: usize = rest.split(' ').next().unwrap().parse().unwrap();
                let input = &inputs[file[..1].parse::<usize>().unwrap()];
                input.lines().nth(line - 1).unwrap().split(',').next().unwrap().to_owned()
            };
            let found: Vec<_> = places.iter().map(key_at).collect();
            let expected = if writer == "direct" { 2 } else { 1 };
            assert_eq!(found.len(), expected, "{condition} {key:?} {writer}: {}", outcome.stderr);
            assert!(
                found.iter().all(|key| *key == found[0]),
                "{condition} {key:?} {writer}: {}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn notes_name_the_line_that_makes_a_column_text() {
    let dir = TestDir::new();
    let record = |value: &str| vec![value; 20].join(",") + "\n";
    let header = (0..20).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",") + "\n";
    // Enough records that the first chunks do not show it.
    let records = record("123456789").repeat(20_000);
    dir.write("a.csv", format!("{header}{records}"));
    dir.write("b.csv", format!("{header}{records}{}", record("007")));
    let outcome = dir.run(&["load", "a.csv", "b.csv", "out.db", "-t", "t", "--report", "-"]).expect_code(0);
    let notes = outcome.report()["notes"].to_string();
    for column in 0..20 {
        let note = format!("c{column}: TEXT, a leading zero at line 20002 of b.csv: \\\"007\\\"");
        assert!(notes.contains(&note), "{note} is not in {notes}");
    }
    assert_eq!(rows_of(&dir.open("out.db"), "SELECT DISTINCT typeof(c7) FROM t"), [[text("text")]]);
}
