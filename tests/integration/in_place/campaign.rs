//! Every call that changes the database, its journal or its log fails or is the last one of a killed program.
//!
//! `SQLOAD_FAULTS=all cargo test --test integration in_place::` tries all faults in all calls; otherwise it is a sample of each
//! run of equal calls.

use super::{CHANGES, Change, assert_same_pages, content, free_leaves, intact_content};
use crate::common::{Outcome, Running, TestDir, query};
use crate::faults::{Call, LoggedCall};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::process::Command;

/// True if all faults are tried in all calls.
fn is_complete() -> bool {
    std::env::var("SQLOAD_FAULTS").is_ok_and(|faults| faults == "all")
}

/// How the database is used.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Rollback,
    Log,
    /// In WAL mode, with another connection in a read transaction.
    LogWithReader,
}

/// What happens in a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It fails, and all later ones do.
    Fail,
    /// It fails once.
    FailOnce,
    /// The program is killed.
    Kill,
}

impl Fault {
    const ALL: [Self; 3] = [Self::Fail, Self::FailOnce, Self::Kill];

    fn set(self, call: Call<'_>, command: &mut Command) {
        match self {
            Self::Fail => call.fail(command),
            Self::FailOnce => call.fail_once(command),
            Self::Kill => call.kill(command),
        }
    }
}

/// Loads of one kind, with a fault each.
struct Campaign {
    change: Change,
    mode: Mode,
    options: [&'static str; 2],
    dir: TestDir,
    /// The database before the load.
    old: Vec<u8>,
    old_content: Vec<Vec<Vec<Value>>>,
    new_content: Vec<Vec<Vec<Value>>>,
}

impl Campaign {
    fn new(change: Change, mode: Mode, options: [&'static str; 2]) -> Self {
        let dir = change.dir();
        if mode != Mode::Rollback {
            dir.open("out.db").pragma_update(None, "journal_mode", "wal").unwrap();
        }
        let old = dir.read("out.db");
        let old_content = intact_content(&dir);
        let load = change.load(&dir, &["--writer", "statements"]);
        Running::start(load).wait().expect_code(0);
        let new_content = intact_content(&dir);
        Self { change, mode, options, dir, old, old_content, new_content }
    }

    /// Restores the old database.
    fn reset(&self) -> Option<Connection> {
        for name in self.dir.file_names().iter().filter(|name| name.starts_with("out.db")) {
            std::fs::remove_file(self.dir.path(name)).unwrap();
        }
        self.dir.write("out.db", &self.old);
        (self.mode == Mode::LogWithReader).then(|| {
            let reader = self.dir.open("out.db");
            reader.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").unwrap();
            reader
        })
    }

    fn load(&self) -> Command {
        self.change.load(&self.dir, &[&["--writer", "direct"], &self.options[..]].concat())
    }

    /// Loads without a fault. Returns the numbers of the calls to try.
    fn calls(&self) -> Vec<u32> {
        let reader = self.reset();
        let log = self.dir.path("calls");
        let mut load = self.load();
        CHANGES.log(&mut load, &log);
        let outcome = Running::start(load).wait().expect_code(0);
        drop(reader);
        self.check(&outcome, None);
        let calls = LoggedCall::read_all(&log);
        std::fs::remove_file(log).unwrap();
        if is_complete() {
            return (1..=calls.len() as u32).collect();
        }
        // The first and the last call of each run of equal ones, and one between them if there are many.
        let mut sample = Vec::new();
        let mut first = 0;
        for run in calls.chunk_by(|a, b| (&a.name, &a.file) == (&b.name, &b.file)) {
            let last = first + run.len() - 1;
            let middle = if run.len() > 8 { (first + last) / 2 } else { first };
            sample.extend([first, middle, last].map(|call| call as u32 + 1));
            first = last + 1;
        }
        sample.dedup();
        sample
    }

    /// Loads with a fault.
    fn try_fault(&self, fault: Fault, number: u32) {
        let reader = self.reset();
        let mut load = self.load();
        fault.set(Call { number, ..CHANGES }, &mut load);
        let outcome = Running::start(load).wait();
        if let Some(reader) = &reader {
            assert!(content(reader) == self.old_content, "what the reader sees has changed");
        }
        drop(reader);
        self.check(&outcome, Some(fault));
    }

    /// Asserts that the database has the old or the new content, as the exit code says.
    fn check(&self, outcome: &Outcome, fault: Option<Fault>) {
        // Unless the program is killed or cannot roll back, it leaves the file as it was.
        let is_rolled_back = fault == Some(Fault::FailOnce) && self.mode == Mode::Rollback;
        if is_rolled_back && outcome.code == Some(1) {
            assert_same_pages(&self.old, &self.dir.read("out.db"), &free_leaves(&self.old));
        }
        let content = intact_content(&self.dir);
        let [is_old, is_new] = [&self.old_content, &self.new_content].map(|expected| content == *expected);
        assert!(is_old || is_new, "the content is neither old nor new: {outcome:?}");
        if is_old {
            assert_same_pages(&self.old, &self.dir.read("out.db"), &free_leaves(&self.old));
        }
        let is_in_log_mode = query(&self.dir.open("out.db"), "PRAGMA journal_mode") == "wal";
        let says_mode = outcome.stderr.contains("journal mode") || outcome.stderr.contains("WAL mode");
        if self.mode != Mode::Rollback && fault != Some(Fault::Kill) {
            assert!(is_in_log_mode || says_mode, "not in WAL mode: {outcome:?}");
        }
        match (outcome.code, fault) {
            (None, Some(Fault::Kill)) => assert_eq!(outcome.signal, Some(libc::SIGKILL), "{outcome:?}"),
            (Some(0), None | Some(Fault::Fail | Fault::FailOnce)) => assert!(is_new, "{outcome:?}"),
            (Some(4), Some(Fault::Fail | Fault::FailOnce)) => {
                assert!(is_new && self.options[1] == "full", "{outcome:?}");
                assert!(outcome.stderr.contains("not known to be on disk"), "{outcome:?}");
            }
            (Some(1), Some(Fault::Fail | Fault::FailOnce)) => {
                assert!(is_old, "{outcome:?}");
                outcome.assert_single_message(&["out.db", "because"]);
            }
            _ => panic!("{outcome:?}"),
        }
    }
}

fn run_campaign(mode: Mode) {
    for change in Change::ALL {
        for synchronous in ["off", "full"] {
            let campaign = Campaign::new(change, mode, ["--synchronous", synchronous]);
            for number in campaign.calls() {
                let turn = number as usize % 2;
                let faults = if is_complete() { &Fault::ALL[..] } else { &[Fault::ALL[turn], Fault::Kill] };
                for &fault in faults {
                    let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        campaign.try_fault(fault, number);
                    }));
                    assert!(tried.is_ok(), "{change:?}, {mode:?}, {synchronous}, {fault:?} in call {number}");
                }
            }
        }
    }
}

#[test]
fn any_call_may_fail_or_be_the_last_in_rollback_mode() {
    run_campaign(Mode::Rollback);
}

#[test]
fn any_call_may_fail_or_be_the_last_in_wal_mode() {
    run_campaign(Mode::Log);
}

#[test]
fn any_call_may_fail_or_be_the_last_with_a_reader_in_wal_mode() {
    run_campaign(Mode::LogWithReader);
}
