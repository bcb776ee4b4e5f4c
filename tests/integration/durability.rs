//! Failures of the operating system, and what the exit code says about the database afterwards.

use crate::common::{Running, TWO_PEOPLE, TestDir, assert_contains, people_csv, rows_of};
use crate::faults::Call;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

/// Databases that a load creates, replaces, and changes in place.
const TARGETS: [&str; 3] = ["", "CREATE TABLE people (x)", "CREATE TABLE people (x); CREATE TABLE other (x)"];

fn dir_with(sql: &str) -> TestDir {
    if sql.is_empty() { TestDir::with_input(TWO_PEOPLE) } else { TestDir::with_database(TWO_PEOPLE, sql) }
}

fn load_with_fault(dir: &TestDir, name: &str, file: &str, number: u32, options: &[&str]) -> Command {
    let mut command = dir.load_command(options);
    Call { name, file, number }.fail(&mut command);
    command
}

#[test]
fn an_error_of_close_fails_a_load_into_a_new_file() {
    for writer in ["direct", "statements"] {
        for sql in &TARGETS[..2] {
            let dir = dir_with(sql);
            let before = dir.snapshot();
            let load = load_with_fault(&dir, "close", "people.db", 1, &["--writer", writer]);
            Running::start(load)
                .wait()
                .expect_code(1)
                .assert_single_message(&["people.db", "Input/output error"]);
            dir.assert_unchanged(&before);
        }
    }
}

#[test]
fn an_error_of_close_after_the_commit_is_a_warning() {
    let dir = dir_with(TARGETS[2]);
    let outcome = Running::start(load_with_fault(&dir, "close", "people.db", 1, &[])).wait().expect_code(4);
    assert!(outcome.stderr.contains("not known to be on disk"), "{outcome:?}");
    dir.assert_holds(TWO_PEOPLE);
}

#[test]
fn an_error_of_close_fails_the_rejects() {
    let dir = TestDir::with_input(format!("{TWO_PEOPLE}bad\n"));
    dir.write("bad.csv", "of yesterday\n");
    let before = dir.snapshot();
    let load = load_with_fault(&dir, "close", "bad.csv", 1, &["--rejects", "bad.csv"]);
    Running::start(load).wait().expect_code(1).assert_single_message(&["bad.csv", "Input/output error"]);
    dir.assert_unchanged(&before);
}

#[test]
fn an_error_of_close_leaves_no_report() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    dir.write("report.json", "of yesterday\n");
    let load = load_with_fault(&dir, "close", "report.json", 1, &["--report", "report.json"]);
    let outcome = Running::start(load).wait().expect_code(0);
    assert!(outcome.stderr.contains("report could not be written"), "{outcome:?}");
    assert!(outcome.stderr.contains("Input/output error"), "the cause is missing: {outcome:?}");
    dir.assert_holds(TWO_PEOPLE);
    assert_eq!(dir.file_names(), ["people.csv", "people.db"]);
}

#[test]
fn a_directory_that_cannot_be_synced_is_exit_code_4_only_under_full() {
    for sql in TARGETS {
        let dir = dir_with(sql);
        let name = dir.path("").file_name().unwrap().to_str().unwrap().to_owned();
        let load = |synchronous: &str| {
            let options = ["--synchronous", synchronous, "--report", "-", "-q"];
            Running::start(load_with_fault(&dir, "fsync", &name, 1, &options)).wait()
        };
        let outcome = load("full").expect_code(4);
        assert!(outcome.stderr.contains("not known to be on disk"), "{outcome:?}");
        assert_eq!(outcome.report()["is_durable"], false);
        dir.assert_holds(TWO_PEOPLE);
        let outcome = load("off").expect_code(0);
        assert!(outcome.report()["is_durable"].is_null());
        dir.assert_holds(TWO_PEOPLE);
    }
}

#[test]
fn a_sync_that_fails_before_the_commit_leaves_the_database() {
    for sql in TARGETS {
        let dir = dir_with(sql);
        let before = dir.snapshot();
        let load = load_with_fault(&dir, "fsync", "people.db", 1, &["--synchronous", "full"]);
        Running::start(load).wait().expect_code(1).assert_single_message(&["people.db"]);
        if sql == TARGETS[2] {
            // The rollback could not be synced either: the journal is left for the next program that opens the database.
            assert_eq!(dir.query("SELECT group_concat(name) FROM pragma_table_info('people')"), "x");
        } else {
            dir.assert_unchanged(&before);
        }
    }
}

#[test]
fn a_lock_that_cannot_be_released_after_the_commit_is_a_warning() {
    for (sql, options) in [(TARGETS[1], &[][..]), (TARGETS[2], &[]), (TARGETS[2], &["--synchronous", "full"])]
    {
        for call in ["share", "unlock"] {
            // The first shared locks are those of opening and of BEGIN.
            for number in 1..12 {
                let dir = dir_with(sql);
                let before = dir.snapshot();
                let outcome =
                    Running::start(load_with_fault(&dir, call, "people.db", number, options)).wait();
                match outcome.code {
                    Some(0 | 4) => dir.assert_holds(TWO_PEOPLE),
                    Some(1) => dir.assert_unchanged(&before),
                    _ => panic!("{outcome:?}"),
                }
            }
        }
    }
}

#[test]
fn full_syncs_the_names_the_rejects_and_the_report() {
    for sql in TARGETS {
        let dir = dir_with(sql);
        dir.write("people.csv", format!("{TWO_PEOPLE}bad\n"));
        let options = [
            "--synchronous",
            "full",
            "--rejects",
            "bad.csv",
            "--report",
            "report.json",
            "--on-error",
            "skip",
        ];
        let load = |options: &[&str], file: &str| {
            let code = Running::start(load_with_fault(&dir, "fsync", file, 1, options)).wait().code;
            code.unwrap()
        };
        assert_eq!(load(&options, "bad.csv"), 1, "the rejects are not synced");
        assert_eq!(load(&options, "bad.csv.reasons.jsonl"), 1, "the reasons are not synced");
        let outcome = Running::start(load_with_fault(&dir, "fsync", "report.json", 1, &options)).wait();
        assert!(outcome.stderr.contains("report could not be written"), "{outcome:?}");
        assert_eq!(load(&options[2..], "bad.csv"), 3, "synced although the load does not wait for the disk");
    }
}

#[test]
fn a_second_interrupt_during_the_commit_waits_for_its_end() {
    for sql in TARGETS {
        let dir = dir_with(sql);
        let name = dir.path("").file_name().unwrap().to_str().unwrap().to_owned();
        let load = dir.load_command(&["--synchronous", "full"]);
        let call = Call { name: "fsync", file: &name, number: if sql == TARGETS[2] { 2 } else { 1 } };
        let running = call.interrupt(&dir, load, |running| {
            for _ in 0..3 {
                running.signal("INT");
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        running.wait().expect_code(0);
        dir.assert_holds(TWO_PEOPLE);
    }
}

#[test]
fn rejects_are_written_if_they_end_the_load_and_only_then() {
    let dir = TestDir::with_input("first_name,last_name,age\nGrace,Hopper,85\nbad\nbad\n");
    let rejects = |options: &[&str], code: i32| {
        dir.write("bad.csv", "of yesterday\n");
        dir.load(&[&["--rejects", "bad.csv"], options].concat()).expect_code(code);
        String::from_utf8(dir.read("bad.csv")).unwrap()
    };
    assert_eq!(rejects(&["--on-error", "abort"], 1), "first_name,last_name,age\nbad\n");
    assert_eq!(rejects(&["--max-errors", "1"], 1), "first_name,last_name,age\nbad\nbad\n");
    assert_eq!(dir.file_names(), ["bad.csv", "bad.csv.reasons.jsonl", "people.csv"]);
    // A directory that is not there fails the load for another reason.
    assert_eq!(rejects(&["--report", "missing/report.json"], 1), "of yesterday\n");
    dir.database().execute_batch("CREATE VIEW people AS SELECT 1").unwrap();
    assert_eq!(rejects(&[], 2), "of yesterday\n");
    std::fs::remove_file(dir.path("people.db")).unwrap();
    assert_eq!(rejects(&[], 3), "first_name,last_name,age\nbad\nbad\n");

    // A full disk ends this load after it has found a reject.
    let dir = TestDir::with_input(format!("first_name,last_name,age\nbad\n{}", people_csv(300_000)));
    dir.write("bad.csv", "of yesterday\n");
    let before = dir.snapshot();
    dir.load_after_setup("ulimit -f 2000; trap '' XFSZ", &["--rejects", "bad.csv"]).expect_code(1);
    dir.assert_unchanged(&before);
}

#[test]
fn rejects_into_a_pipe_are_written_directly() {
    let dir = TestDir::with_input(format!("{TWO_PEOPLE}bad\n"));
    let outcome = dir.load(&["--rejects", "/dev/stdout", "-q"]).expect_code(3);
    assert_eq!(outcome.stdout, "first_name,last_name,age\nbad\n");
}

#[test]
fn rejects_go_to_standard_output_once() {
    let dir = TestDir::new();
    // The last value changes the type of its column, so that the load starts again.
    dir.write("a.csv", format!("a,b\nbad\n{}1,x\n2,3,4\n", "1,2\n".repeat(400_000)));
    dir.write("b.csv", "b,a\nworse\n5,6\n");
    let load = ["load", "a.csv", "b.csv", "out.db", "-t", "t", "--on-error", "skip", "--rejects", "-"];
    let outcome = dir.run(&load).expect_code(3);
    assert_eq!(outcome.stdout, "a,b\nbad\n2,3,4\nworse\n");
    assert_contains(&outcome.stderr, ["the rejected records are on standard output", "3 rejected"]);
    assert_eq!(dir.file_names(), ["a.csv", "b.csv", "out.db"]);
    dir.write("none.csv", "a\n1\n");
    let load = ["load", "none.csv", "out.db", "--rejects", "-"];
    assert_eq!(dir.run(&load).expect_code(0).stdout, "");
    dir.write("all.csv", "a,b\n1\n2\n");
    let load = ["load", "all.csv", "out.db", "--on-error", "skip", "--rejects", "-"];
    assert_eq!(dir.run(&load).expect_code(1).stdout, "a,b\n1\n2\n");
}

#[test]
fn a_private_file_of_rejects_stays_private() {
    let dir = TestDir::with_input(format!("{TWO_PEOPLE}bad\n"));
    dir.write("bad.csv", "of yesterday\n");
    std::fs::set_permissions(dir.path("bad.csv"), PermissionsExt::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("bad.csv", dir.path("link.csv")).unwrap();
    dir.load(&["--rejects", "link.csv"]).expect_code(3);
    assert_eq!(dir.path("bad.csv").metadata().unwrap().mode() & 0o777, 0o600);
    assert!(dir.path("link.csv").symlink_metadata().unwrap().is_symlink());
    assert!(dir.read("bad.csv").ends_with(b"bad\n"));
}

#[test]
fn outputs_never_overwrite_the_files_next_to_a_database() {
    let dir =
        TestDir::with_database(format!("{TWO_PEOPLE}bad\n"), "PRAGMA journal_mode = WAL; CREATE TABLE x (y)");
    let other = dir.open("other.db");
    other
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE kept (x); INSERT INTO kept VALUES (1)")
        .unwrap();
    let log = dir.read("other.db-wal");
    std::os::unix::fs::symlink("other.db-wal", dir.path("link")).unwrap();
    for name in
        ["other.db-wal", "other.db-shm", "other.db-journal", "link", "people.db-wal", "people.db-journal"]
    {
        for option in ["--rejects", "--report"] {
            dir.load(&[option, name]).expect_code(2).assert_single_message(&["belongs to the database"]);
        }
        let database = ["run-pipeline", "-i", "people.csv", "--database", name];
        dir.run(&database).expect_code(2).assert_single_message(&["belongs to the database"]);
        let create = ["create-file", "--number-rows", "1", "-o", name];
        dir.run(&create).expect_code(2).assert_single_message(&["belongs to the database"]);
    }
    assert!(dir.read("other.db-wal") == log, "the log has changed");
    // A name that only looks like one.
    dir.load(&["--rejects", "my-journal"]).expect_code(3);
}

#[test]
fn output_into_a_closed_pipe_is_no_error() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    for options in [&["--dry-run"][..], &["--report", "-"], &["--explain"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let stderr = tempfile::tempfile().unwrap();
        let mut load = dir.load_command(options);
        load.arg("-q").stdin(Stdio::null()).stdout(writer).stderr(stderr.try_clone().unwrap());
        assert_eq!(load.status().unwrap().code(), Some(0), "{options:?}");
        assert_eq!(stderr.metadata().unwrap().len(), 0, "{options:?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_names_its_cause() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    for path in ["/dev/full", "-"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut load = dir.load_command(&["--report", path]);
        let output = load.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && stderr.contains("No space left"), "{stderr}");
    }
}

#[test]
fn the_cause_of_an_sqlite_error_is_printed_once() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    dir.write("people.db", format!("SQLite format 3\0{}", TWO_PEOPLE.repeat(100)));
    let stderr = dir.load(&[]).expect_code(1).stderr;
    assert_eq!(stderr.matches("because: ").count(), 1, "{stderr}");
    assert_eq!(stderr.matches("not a database").count(), 1, "{stderr}");
}

#[test]
fn a_note_on_the_header_is_printed_once_for_all_inputs() {
    let dir = TestDir::new();
    let inputs = ["1.csv", "2.csv", "3.csv", "4.csv"];
    inputs.iter().for_each(|name| dir.write(name, "a,a,,b\n1,2,3,4\n"));
    let stderr = dir.run(&[&["load"], &inputs[..], &["out.db", "-t", "t"]].concat()).expect_code(0).stderr;
    for column in ["column 2", "column 3"] {
        assert_eq!(stderr.matches(column).count(), 1, "{stderr}");
    }
}

#[test]
fn rates_count_what_was_read() {
    let dir = TestDir::with_input(people_csv(500_000));
    let report = dir.load(&["--report", "-", "-q"]).expect_code(0).report();
    let bytes = dir.read("people.csv").len() as u64;
    assert_eq!(report["bytes"], bytes);
    let load = ["load", "people.csv", "limited.db", "--limit", "10", "--report", "-", "-q"];
    let report = dir.run(&load).expect_code(0).report();
    assert!(report["bytes"].as_u64().unwrap() < bytes / 10, "{report}");
    let rate = report["bytes"].as_f64().unwrap() / 1e6 / report["seconds"].as_f64().unwrap();
    assert!((report["megabytes_per_second"].as_f64().unwrap() - rate).abs() < 1e-3 * rate, "{report}");
}

#[test]
fn names_from_an_input_do_not_control_the_terminal() {
    const ESCAPE: &str = "\u{1b}]0;title\u{7}\u{1b}[31m\u{9b}2J";
    let dir = TestDir::new();
    dir.write("in.csv", format!("a{ESCAPE},a{ESCAPE},n{ESCAPE}\n1,2,007\n"));
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, csv) in [("m", "a,b\n1,2\n3\n"), ("n", "a,c\n1,2\n"), ("empty", "")] {
        zip.start_file(format!("{name}{ESCAPE}.csv"), zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, csv.as_bytes()).unwrap();
    }
    dir.write("in.zip", zip.finish().unwrap().into_inner());
    let key = format!("n{ESCAPE}");
    let loads: [&[&str]; 9] = [
        &["load", "in.csv", "out.db", "-t", "t"],
        &["load", "in.csv", "out.db", "-t", "t", "--dry-run"],
        &["load", "in.csv", "out.db", "-t", "t", "--explain"],
        &["load", "in.csv", "in.csv", "out.db", "-t", "u", "--pk", &key],
        &["load", "in.csv", "in.csv", "out.db", "-t", "v", "--pk", &key, "--on-error", "skip"],
        &["load", "in.csv", "out.db", "-t", "w", "--select", "missing"],
        &["load", "in.zip", "out.db", "-t", "x"],
        &["load", "in.zip", "out.db", "-t", "y", "--union-by-name", "--on-error", "skip"],
        &["load", "in.zip", "out.db", "-t", "y", "--union-by-name", "--dry-run"],
    ];
    for load in loads {
        let outcome = dir.run(load);
        let printed = outcome.stdout + &outcome.stderr;
        let control = |char: &char| char.is_control() && *char != '\n';
        // Diagnostics may be coloured by the program itself, which it does only on a terminal.
        assert_eq!(printed.chars().find(control), None, "{load:?}: {printed:?}");
        assert!(!printed.is_empty());
    }
    assert_eq!(rows_of(&dir.open("out.db"), "SELECT count(*) FROM t").len(), 1);
}
