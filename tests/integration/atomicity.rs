//! Loads that are stopped: killed, interrupted, out of disk. All or nothing, always.

use crate::common::{FEW, Running, TestDir, is_drained, many};
use std::io::Write;

const ROWS: usize = 300_000;

/// The database that a load changes in place, since it holds more than people.
const OLD: &str = "CREATE TABLE other (x); INSERT INTO other VALUES ('kept');
    CREATE TABLE people (x); INSERT INTO people VALUES ('old')";

/// A small cache, so that an existing database is written to long before the commit.
const SPILLING: [&str; 2] = ["--cache-size", "200"];

const ASIDE: &str = ".people.db.sqload-";

/// Loads are killed when they have written 0, 1 ... [`MOMENTS`] parts of what a whole load writes.
const MOMENTS: u64 = 8;

/// The bytes by which a whole load makes the directory grow.
fn bytes_of_a_load(place: &TestDir) -> u64 {
    let before = place.bytes();
    place.load(&SPILLING).expect(0);
    place.bytes() - before
}

/// Kills a load that has written `bytes`; false if it ended first.
fn kill_after(place: &TestDir, bytes: u64) -> bool {
    let before = place.bytes();
    let mut running = Running::start(place.load_command(&SPILLING));
    running.wait_until(|_| place.bytes() >= before + bytes);
    running.kill()
}

/// Whether the database holds the rows of a whole load.
fn is_new(place: &TestDir) -> bool {
    place.query("SELECT count(*) FROM people") == ROWS.to_string()
}

#[test]
fn killed_at_any_moment_a_new_database_is_whole_or_absent() {
    let place = TestDir::with_input(many(ROWS));
    let whole = bytes_of_a_load(&place);
    let (mut kills, mut leftovers) = (0, 0);
    for moment in 0..=MOMENTS {
        let _ = std::fs::remove_file(place.path("people.db"));
        kills += u64::from(kill_after(&place, whole * moment / MOMENTS));
        leftovers += u64::from(place.names().iter().any(|name| name.starts_with(ASIDE)));
        if place.path("people.db").exists() {
            assert_eq!(place.query("PRAGMA integrity_check"), "ok");
            assert!(is_new(&place));
        }
    }
    assert!(kills >= MOMENTS / 4 && leftovers >= 1, "{kills} kills, {leftovers} with leftovers");
}

#[test]
fn killed_at_any_moment_an_existing_database_is_as_it_was() {
    let place = TestDir::with_database(many(ROWS), OLD);
    let old = place.read("people.db");
    let whole = bytes_of_a_load(&place);
    let (mut kills, mut journals) = (0, 0);
    for moment in 0..=MOMENTS {
        place.write("people.db", &old);
        let was_killed = kill_after(&place, whole * moment / MOMENTS);
        kills += u64::from(was_killed);
        journals += u64::from(place.path("people.db-journal").exists());
        assert_eq!(place.query("PRAGMA integrity_check"), "ok");
        assert_eq!(place.query("SELECT x FROM other"), "kept");
        assert!(is_new(&place) || place.query("SELECT x FROM people") == "old");
        let _ = std::fs::remove_file(place.path("people.db-journal"));
    }
    assert!(kills >= MOMENTS / 4 && journals >= 1, "{kills} kills, {journals} with a hot journal");
}

#[test]
fn killed_at_any_moment_a_database_in_wal_mode_is_as_it_was() {
    let place = TestDir::with_database(many(ROWS), &format!("PRAGMA journal_mode = WAL; {OLD}"));
    let whole = bytes_of_a_load(&place);
    let (mut kills, mut logs) = (0, 0);
    for moment in 0..=MOMENTS {
        place.database().execute_batch("DELETE FROM people WHERE rowid > 1").unwrap();
        kills += u64::from(kill_after(&place, whole * moment / MOMENTS));
        logs += u64::from(place.path("people.db-wal").exists());
        assert_eq!(place.query("PRAGMA integrity_check"), "ok");
        assert_eq!(place.query("SELECT x FROM other"), "kept");
        assert!(is_new(&place) || place.query("SELECT count(*) FROM people") == "1");
    }
    assert!(kills >= MOMENTS / 4 && logs >= 1, "{kills} kills, {logs} with a log");
}

#[test]
fn the_next_load_removes_what_a_killed_one_left() {
    let place = TestDir::with_input(many(ROWS));
    let mut running = Running::start(place.load_command(&[]));
    assert!(running.wait_for_file(&place, ASIDE));
    assert!(running.kill());
    assert!(place.names().iter().any(|name| name.starts_with(ASIDE)), "the kill came too late");
    place.write(".other.db.sqload-a1b2c3", "of another database");
    place.write("people.csv", FEW);
    place.load(&[]).expect(0);
    place.holds(FEW);
    assert_eq!(place.names(), [".other.db.sqload-a1b2c3", "people.csv", "people.db"]);
}

#[test]
fn a_load_leaves_alone_what_another_is_building() {
    let place = TestDir::with_input(many(ROWS));
    let mut first = Running::start(place.load_command(&[]));
    assert!(first.wait_for_file(&place, ASIDE));
    let second = place.load(&[]);
    let codes = [first.wait().code, second.code];
    assert!(codes.contains(&Some(0)) && codes.iter().all(|code| matches!(code, Some(0 | 1))), "{codes:?}");
    assert_eq!(place.query("PRAGMA integrity_check"), "ok");
    assert!(is_new(&place));
    assert_eq!(place.names(), ["people.csv", "people.db"]);
}

/// Interrupts a load of many rows when a file that begins with `sign` shows that it is on its way.
#[track_caller]
fn interrupted(place: &TestDir, sign: &str, signal: &str) {
    let before = place.snapshot();
    let mut running = Running::start(place.load_command(&SPILLING));
    assert!(running.wait_for_file(place, sign), "the load ended without {sign}");
    running.signal(signal);
    running.wait().expect(130).says_once(&["interrupted"]);
    place.is_as(&before);
}

#[test]
fn an_interrupt_leaves_no_new_database() {
    for signal in ["INT", "TERM"] {
        interrupted(&TestDir::with_input(many(3 * ROWS)), ASIDE, signal);
    }
}

#[test]
fn an_interrupt_leaves_a_replaced_database_as_it_was() {
    let sql = "CREATE TABLE people (x); INSERT INTO people VALUES ('old')";
    for signal in ["INT", "TERM"] {
        interrupted(&TestDir::with_database(many(3 * ROWS), sql), ASIDE, signal);
    }
}

#[test]
fn an_interrupt_leaves_a_changed_database_as_it_was() {
    for signal in ["INT", "TERM"] {
        interrupted(&TestDir::with_database(many(3 * ROWS), OLD), "people.db-journal", signal);
    }
}

#[test]
fn an_interrupt_ends_the_wait_for_a_pipe() {
    // Nothing has come yet; a header and a record; the beginning of a zip archive.
    for come in ["", "a,b\n1,2\n", "PK\u{3}\u{4} and more"] {
        let place = TestDir::with_input(FEW);
        let before = place.snapshot();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(come.as_bytes()).unwrap();
        let load = place.command(&["load", "-", "people.db"]);
        let mut running = Running::start_with_stdin(load, reader);
        assert!(running.wait_until(|running| running.handles_interrupts() && is_drained(&writer)));
        running.signal("INT");
        running.wait().expect(130).says_once(&["interrupted"]);
        place.is_as(&before);
    }
}

/// Files can not grow beyond this many blocks, of 512 bytes or of 1024, in the shells that there are.
const NO_SPACE: &str = "ulimit -f 2000; trap '' XFSZ";

/// A load that meets a full disk.
#[track_caller]
fn runs_out_of_space(place: &TestDir, options: &[&str]) {
    let before = place.snapshot();
    place.load_after(NO_SPACE, options).expect(1).says_once(&["people.db", "because"]);
    place.is_as(&before);
}

#[test]
fn a_full_disk_leaves_no_new_database() {
    runs_out_of_space(&TestDir::with_input(many(ROWS)), &[]);
    runs_out_of_space(&TestDir::with_input(many(ROWS)), &SPILLING);
}

#[test]
fn a_full_disk_leaves_a_replaced_database_as_it_was() {
    let sql = "CREATE TABLE people (x); INSERT INTO people VALUES ('old')";
    runs_out_of_space(&TestDir::with_database(many(ROWS), sql), &[]);
    runs_out_of_space(&TestDir::with_database(many(ROWS), sql), &SPILLING);
}

#[test]
fn a_full_disk_at_the_commit_leaves_a_changed_database_as_it_was() {
    runs_out_of_space(&TestDir::with_database(many(ROWS), OLD), &[]);
}

#[test]
fn a_full_disk_before_the_commit_leaves_a_changed_database_as_it_was() {
    runs_out_of_space(&TestDir::with_database(many(ROWS), OLD), &SPILLING);
}

#[test]
fn a_full_disk_leaves_a_database_in_wal_mode_as_it_was() {
    let sql = format!("PRAGMA journal_mode = WAL; {OLD}");
    runs_out_of_space(&TestDir::with_database(many(ROWS), &sql), &[]);
    runs_out_of_space(&TestDir::with_database(many(ROWS), &sql), &SPILLING);
}

/// VACUUM comes after the commit, so its failure is either no failure of the load, or has to undo it.
#[test]
fn a_vacuum_that_runs_out_of_space_leaves_what_the_exit_code_says() {
    const ROWS: usize = 8_000;
    const BLOCK_BYTES: usize = 512;
    const SPARE_BLOCKS: usize = 8;
    const COLUMNS: &str = "SELECT group_concat(name) FROM pragma_table_info('people')";
    let place = TestDir::with_database(FEW, "CREATE TABLE other (x); CREATE TABLE people (x)");
    let database = place.database();
    database.execute_batch("BEGIN; INSERT INTO people VALUES (1)").unwrap();
    let mut insert = database.prepare("INSERT INTO other VALUES (randomblob(4050))").unwrap();
    (0..ROWS).for_each(|_| assert_eq!(insert.execute([]).unwrap(), 1));
    database.execute_batch("COMMIT").unwrap();
    let blocks = place.read("people.db").len() / BLOCK_BYTES + SPARE_BLOCKS;
    let outcome = place.load_after(&format!("ulimit -f {blocks}; trap '' XFSZ"), &["--vacuum"]);
    match outcome.code {
        Some(0) => place.holds(FEW),
        _ => {
            outcome.expect(1).says_once(&["people.db"]);
            assert_eq!(place.query(COLUMNS), "x", "the database is as it was");
        }
    }
}

#[test]
fn a_limit_that_is_not_reached_is_no_matter() {
    let place = TestDir::with_input(many(1_000));
    place.load_after(NO_SPACE, &[]).expect(0);
    place.holds(many(1_000));
}

#[test]
fn a_full_disk_leaves_no_created_file() {
    let place = TestDir::empty();
    let program = env!("CARGO_BIN_EXE_sqload");
    let line = format!("{NO_SPACE}; exec {program} create-file --number-rows 1000000 -o made.csv");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &line]).current_dir(place.path(""));
    Running::start(shell).wait().expect(1).says_once(&["made.csv", "File too large"]);
    assert!(place.names().is_empty());
}
