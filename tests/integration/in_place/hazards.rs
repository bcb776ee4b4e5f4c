//! The steps that let pages be written behind SQLite's back, each with a test that fails without it.

use super::{CHANGES, Change, PAGE_BYTES, assert_same_pages, free_leaves, intact_content};
use crate::common::{Outcome, Running, TestDir, query};
use crate::faults::{Call, LoggedCall};
use std::time::Duration;

/// Loads, and returns all calls that change something.
fn logged_load(change: Change, dir: &TestDir, options: &[&str]) -> Vec<LoggedCall> {
    let log = dir.path("calls");
    let mut load = change.load(dir, options);
    CHANGES.log(&mut load, &log);
    Running::start(load).wait().expect_code(0);
    LoggedCall::read_all(&log)
}

/// The writes behind the end of the old database that SQLite does not make: those of more than a page.
fn raw_writes(calls: &[LoggedCall], old_bytes: u64) -> Vec<usize> {
    let is_raw = |call: &LoggedCall| {
        (&*call.name, &*call.file) == ("write", "out.db")
            && call.position >= old_bytes
            && call.bytes > PAGE_BYTES as u64
    };
    let raw = calls.iter().enumerate().filter(|(_, call)| is_raw(call)).map(|(at, _)| at).collect::<Vec<_>>();
    assert!(!raw.is_empty(), "all pages were written through SQLite");
    raw
}

fn position(calls: &[LoggedCall], name: &str, file: &str) -> Option<usize> {
    calls.iter().position(|call| (&*call.name, &*call.file) == (name, file))
}

/// Loads with a fault in a call of a kind that `logged_load` has found.
fn load_with(
    change: Change,
    dir: &TestDir,
    options: &[&str],
    fault: impl FnOnce(&mut std::process::Command),
) -> Outcome {
    let mut load = change.load(dir, options);
    fault(&mut load);
    Running::start(load).wait()
}

#[test]
fn a_kill_behind_the_end_of_the_file_is_undone() {
    for synchronous in ["off", "normal", "full"] {
        let options = ["--synchronous", synchronous];
        for change in Change::ALL {
            let dir = change.dir();
            let old = dir.read("out.db");
            let calls = logged_load(change, &dir, &options);
            for number in raw_writes(&calls, old.len() as u64) {
                dir.write("out.db", &old);
                let call = Call { number: number as u32 + 1, ..CHANGES };
                load_with(change, &dir, &options, |load| call.kill(load));
                assert!(dir.read("out.db").len() > old.len(), "the call wrote nothing");
                assert_ne!(dir.read("out.db-journal")[0], 0, "the journal is not valid: {synchronous}");
                intact_content(&dir);
                assert_same_pages(&old, &dir.read("out.db"), &free_leaves(&old));
            }
        }
    }
}

#[test]
fn a_rollback_truncates_the_file_at_once() {
    for synchronous in ["off", "full"] {
        let options = ["--synchronous", synchronous];
        for change in Change::ALL {
            let dir = change.dir();
            let old = dir.read("out.db");
            let calls = logged_load(change, &dir, &options);
            let number = raw_writes(&calls, old.len() as u64).pop().unwrap() as u32 + 1;
            dir.write("out.db", &old);
            let call = Call { number, ..CHANGES };
            let outcome = load_with(change, &dir, &options, |load| call.fail_once(load)).expect_code(1);
            outcome.assert_single_message(&["out.db", "Input/output error"]);
            assert_same_pages(&old, &dir.read("out.db"), &free_leaves(&old));
            assert!(!dir.path("out.db-journal").exists());
        }
    }
}

#[test]
fn the_journal_is_on_disk_before_the_file_grows_and_the_file_before_the_commit() {
    for synchronous in ["normal", "full"] {
        for change in Change::ALL {
            let dir = change.dir();
            let old_bytes = dir.read("out.db").len() as u64;
            let calls = logged_load(change, &dir, &["--synchronous", synchronous]);
            let raw = raw_writes(&calls, old_bytes);
            // The header of the journal, at its start, with the number of pages in it, and a sync after it.
            let before = &calls[..raw[0]];
            let is_header = |call: &&LoggedCall| {
                (&*call.name, &*call.file, call.position) == ("write", "out.db-journal", 0)
            };
            assert_eq!(before.iter().filter(is_header).count(), 2, "{before:?}");
            let header = before.iter().rposition(|call| is_header(&call)).unwrap();
            assert!(position(&before[header..], "fsync", "out.db-journal").is_some(), "{before:?}");
            let first_write = position(&calls, "write", "out.db").unwrap();
            assert!(position(&calls[..first_write], "fsync", "out.db-journal").is_some(), "{before:?}");
            // The commit is the removal of the journal.
            let commit = position(&calls, "unlink", "out.db-journal").unwrap();
            let sync =
                calls.iter().rposition(|call| (&*call.name, &*call.file) == ("fsync", "out.db")).unwrap();
            let last_write =
                calls.iter().rposition(|call| (&*call.name, &*call.file) == ("write", "out.db")).unwrap();
            assert!(*raw.last().unwrap() <= last_write && last_write < sync && sync < commit, "{calls:?}");
        }
    }
}

/// What needs the rows inside the transaction does not see the old content of pages.
#[test]
fn sqlite_forgets_the_pages_that_were_written_behind_its_back() {
    let pipeline = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, name TEXT);
        INSERT INTO t SELECT id, name FROM input;
        CREATE INDEX IF NOT EXISTS t_upper ON t (upper(name));
        CREATE INDEX IF NOT EXISTS t_name ON t (name); CREATE VIEW names AS SELECT count(*) AS n FROM t";
    for (options, in_log) in [(&["--append"][..], false), (&["--replace"], false), (&["--append"], true)] {
        for cache in ["20", "40000"] {
            let dir = Change::Append.dir();
            dir.write("t.sql", pipeline);
            let database = dir.open("out.db");
            database.execute_batch("CREATE INDEX t_upper ON t (upper(name)); ANALYZE").unwrap();
            if in_log {
                database.pragma_update(None, "journal_mode", "wal").unwrap();
            }
            let reader = in_log.then_some(database);
            let load =
                ["run-pipeline", "t.sql", "-i", "in.csv", "--database", "out.db", "--writer", "direct"];
            let load = [&load[..], &["--verify", "--analyze", "--cache-size", cache], options].concat();
            dir.run(&load).expect_code(0);
            drop(reader);
            intact_content(&dir);
            let rows = dir.open("out.db");
            let count = query(&rows, "SELECT n FROM names");
            assert_eq!(query(&rows, "SELECT count(*) FROM t INDEXED BY t_name WHERE name > ''"), count);
            assert_eq!(
                query(&rows, "SELECT count(*) FROM t INDEXED BY t_upper WHERE upper(name) > ''"),
                count
            );
            let statistics = "SELECT stat + 0 FROM sqlite_stat1 WHERE idx = 't_upper'";
            assert_eq!(query(&rows, statistics), count);
        }
    }
}

/// Several tables, so that pages are written in turn by SQLite and behind its back.
#[test]
fn the_next_table_starts_behind_the_pages_of_the_one_before() {
    for writer in ["direct", "auto"] {
        let dir = Change::Create.dir();
        for (name, rows) in [("a", 900), ("b", 300), ("c", 1_200), ("d", 3)] {
            let lines = (0..rows).map(|row| format!("{},{name} {row}\n", rows - row)).collect::<String>();
            dir.write(&format!("{name}.csv"), format!("id,name\n{lines}"));
        }
        let load =
            ["load", "a.csv", "b.csv", "c.csv", "d.csv", "out.db", "--table-per-input", "--index", "id"];
        let load = [&load[..], &["--writer", writer, "--verify", "--cache-size", "20"]].concat();
        dir.run(&load).expect_code(0);
        intact_content(&dir);
        for (name, rows) in [("a", "900"), ("b", "300"), ("c", "1200"), ("d", "3")] {
            assert_eq!(
                dir.open("out.db")
                    .query_row(&format!("SELECT count(DISTINCT id) || '' FROM {name}"), [], |row| row
                        .get::<_, String>(0))
                    .unwrap(),
                rows
            );
        }
    }
}

/// The file is opened a second time. To close it would drop SQLite's locks, which belong to the process.
#[test]
fn another_process_finds_the_database_locked_until_the_commit() {
    for in_log in [false, true] {
        for change in [Change::Create, Change::Append] {
            let dir = change.dir();
            let is_locked = || {
                let other = dir.open("out.db");
                other.busy_timeout(Duration::ZERO).unwrap();
                let read = other.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
                let write = other.execute_batch("BEGIN IMMEDIATE");
                read.is_err() && write.is_err()
            };
            if in_log {
                dir.open("out.db").pragma_update(None, "journal_mode", "wal").unwrap();
            }
            let old = dir.read("out.db");
            let calls = logged_load(change, &dir, &["--writer", "direct"]);
            // The journal of the load, not that of leaving WAL mode.
            let first = calls.iter().rposition(|call| {
                (&*call.name, &*call.file, call.position) == ("write", "out.db-journal", 0)
            });
            let commit =
                calls.iter().rposition(|call| (&*call.name, &*call.file) == ("unlink", "out.db-journal"));
            let (first, commit) = (first.unwrap(), commit.unwrap());
            let first_raw = raw_writes(&calls, old.len() as u64)[0];
            let between = (first..commit).step_by(12);
            for number in between.chain([first_raw, first_raw + 1, commit - 1, commit]) {
                dir.write("out.db", &old);
                let call = Call { number: number as u32 + 1, ..CHANGES };
                let load = change.load(&dir, &["--writer", "direct"]);
                let load =
                    call.interrupt(&dir, load, |_| assert!(is_locked(), "not locked in call {number}"));
                load.wait().expect_code(0);
                intact_content(&dir);
                for name in ["continue", "continue.reached"] {
                    std::fs::remove_file(dir.path(name)).unwrap();
                }
            }
        }
    }
}

/// A table that is replaced every night reuses the pages of the night before.
#[test]
fn a_file_stops_growing_when_a_table_is_replaced_again_and_again() {
    for (in_log, has_reader) in [(false, false), (true, false), (true, true)] {
        let dir = Change::Replace.dir();
        if in_log {
            dir.open("out.db").pragma_update(None, "journal_mode", "wal").unwrap();
        }
        let mut pages = Vec::new();
        for night in 0..6 {
            let rows = (0..2_000).map(|row| format!("{row},{}\n", "x".repeat((row * 7 + night) % 90)));
            dir.write("in.csv", format!("id,name\n{}", rows.collect::<String>()));
            let reader = has_reader.then(|| dir.open("out.db"));
            if let Some(reader) = &reader {
                query(reader, "SELECT count(*) FROM t");
            }
            let load = Change::Replace.load(&dir, &["--writer", "direct"]);
            Running::start(load).wait().expect_code(0);
            drop(reader);
            intact_content(&dir);
            let database = dir.open("out.db");
            assert_eq!(query(&database, "SELECT count(*) FROM t"), "2000");
            let free: u64 = query(&database, "PRAGMA freelist_count").parse().unwrap();
            pages.push((query(&database, "PRAGMA page_count").parse::<u64>().unwrap(), free));
            drop(database);
            assert_eq!(dir.read("out.db").len() as u64, pages[night].0 * PAGE_BYTES as u64);
        }
        // The second night needs a new table beside the pages of the first, if it is not freed first.
        let most = pages[1].0 + 4;
        assert!(pages[2..].iter().all(|(pages, _)| *pages <= most), "{pages:?}");
    }
}
