//! `--report` at every end of a load.

use crate::common::{Running, TWO_PEOPLE, TestDir};
use serde_json::{Value as Json, json};
use std::process::{Command, Stdio};

/// Runs a load over a report of yesterday, and returns the new report.
fn report(dir: &TestDir, arguments: &[&str], code: i32) -> Json {
    dir.write("report.json", "of yesterday");
    dir.run(&[arguments, &["--report", "report.json"]].concat()).expect_code(code);
    let report: Json = serde_json::from_slice(&dir.read("report.json")).unwrap();
    assert_eq!(report["exit_code"], code, "{report}");
    report
}

#[test]
fn a_failed_load_is_reported_with_its_error() {
    let dir = TestDir::with_input("first_name,last_name,age\nbad\nAda,Lovelace,36\n");
    dir.write("broken.sql", "CREATE TABL t");
    let load = ["load", "people.csv", "out.db"];
    let failed = report(&dir, &load, 1);
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"]["kind"], "rejected");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("people.csv: line 2 (record 1, byte 25): 1 field, 3 expected"), "{message}");
    assert_eq!(
        failed["error"]["position"],
        json!({"input": "people.csv", "record": 1, "line": 2, "offset": 25})
    );
    assert_eq!((&failed["inputs"], &failed["database"]), (&json!(["people.csv"]), &json!("out.db")));
    for (arguments, code, kind) in [
        (&["load", "none.csv", "out.db"][..], 1, "io"),
        (&["load", "no*.csv", "out.db"], 1, "io"),
        (&["load", "people.csv", "missing/out.db"], 1, "io"),
        (&["load", "people.csv", "out.db", "--pk", "x"], 1, "no_such_column"),
        (&["load", "people.csv", "out.db", "--where", "("], 1, "sql"),
        (&["load", "people.csv", "out.db", "-t", ""], 2, "plan"),
        (&["load", "people.csv", "out.db", "--page-size", "3"], 2, "usage"),
        (&["run-pipeline", "none.sql"], 1, "io"),
        (&["run-pipeline", "broken.sql"], 1, "unsupported_statement"),
        (&["check", "broken.sql"], 1, "unsupported_statement"),
        (&["load", "people.csv", "out.db", "--dry-run"], 1, "rejected"),
        (&["load", "people.csv", "out.db", "--limit", "1", "--on-error", "skip"], 1, "nothing_loaded"),
    ] {
        let report = report(&dir, arguments, code);
        assert_eq!(
            (&report["status"], &report["error"]["kind"]),
            (&json!("failed"), &json!(kind)),
            "{report}"
        );
        assert!(report["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    assert_eq!(dir.file_names(), ["broken.sql", "people.csv", "report.json"]);
}

#[test]
fn other_ends_are_reported_with_their_exit_code() {
    let dir = TestDir::with_input(format!("{TWO_PEOPLE}bad\n"));
    let loaded = report(&dir, &["load", "people.csv", "out.db", "--on-error", "skip"], 3);
    assert_eq!(
        (&loaded["status"], &loaded["error"], &loaded["loaded"]),
        (&json!("loaded"), &Json::Null, &json!(2))
    );
    let checked = report(&dir, &["load", "people.csv", "out2.db", "--on-error", "skip", "--dry-run"], 3);
    assert_eq!((&checked["status"], &checked["is_preview"]), (&json!("checked"), &json!(true)));
    assert_eq!((&checked["records"], &checked["rejected"]), (&json!(3), &json!(1)));
    let explained = report(&dir, &["load", "people.csv", "out2.db", "--where", "age > 1", "--explain"], 0);
    assert_eq!(explained["status"], "explained");
    let outcome = dir.run(&["load", "people.csv", "out2.db", "--report", "-"]).expect_code(1);
    assert_eq!(outcome.report()["error"]["kind"], "rejected");
    assert!(!dir.path("out2.db").exists());
}

#[test]
fn an_interrupted_load_is_reported() {
    for signals in [1, 2] {
        let dir = TestDir::new();
        assert!(Command::new("mkfifo").arg(dir.path("in.csv")).status().unwrap().success());
        dir.write("report.json", "of yesterday");
        let load = dir.command(&["load", "in.csv", "out.db", "--report", "report.json"]);
        let mut load = Running::start_with_stdin(load, Stdio::null());
        assert!(load.wait_until(|load| load.handles_interrupts() && load.has_open(&dir.path("in.csv"))));
        (0..signals).for_each(|_| load.signal("INT"));
        load.wait().expect_code(130);
        let report: Json = serde_json::from_slice(&dir.read("report.json")).unwrap();
        assert_eq!((&report["status"], &report["exit_code"]), (&json!("interrupted"), &json!(130)));
        assert_eq!(report["error"]["kind"], "interrupted");
        assert!(!dir.path("out.db").exists());
    }
}

#[test]
fn a_killed_load_leaves_no_report_of_an_earlier_one() {
    let dir = TestDir::new();
    assert!(Command::new("mkfifo").arg(dir.path("in.csv")).status().unwrap().success());
    dir.write("report.json", "of yesterday");
    let mut load = Running::start(dir.command(&["load", "in.csv", "out.db", "--report", "report.json"]));
    assert!(load.wait_until(|load| load.has_open(&dir.path("in.csv"))));
    assert!(load.kill());
    assert!(!dir.path("report.json").exists());
}

#[test]
fn a_report_never_overwrites_another_file_of_the_load() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    dir.run(&["load", "people.csv", "out.db", "-t", "t"]).expect_code(0);
    dir.write("bad.csv", "rejects");
    dir.write("bad.csv.reasons.jsonl", "reasons");
    let before = dir.snapshot();
    for report in ["people.csv", "./people.csv", "out.db", "bad.csv", "bad.csv.reasons.jsonl"] {
        for input in ["people.csv", "p*.csv"] {
            let load = ["load", input, "out.db", "--rejects", "bad.csv", "--report", report];
            dir.run(&load).expect_code(2).assert_single_message(&["would overwrite"]);
        }
        dir.run(&[
            "load",
            "people.csv",
            "out.db",
            "--where",
            "(",
            "--rejects",
            "bad.csv",
            "--report",
            report,
        ]);
        dir.assert_unchanged(&before);
    }
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_before_the_load() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    std::fs::create_dir(dir.path("folder")).unwrap();
    let before = dir.snapshot();
    for report in ["missing/report.json", "folder", "people.csv/report.json"] {
        let load = ["load", "people.csv", "out.db", "--report", report];
        dir.run(&load).expect_code(1).assert_single_message(&[report]);
        dir.assert_unchanged(&before);
    }
}
