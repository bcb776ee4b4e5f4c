//! Loads that are killed, interrupted or run out of disk space load everything or nothing.

use crate::common::{Running, TWO_PEOPLE, TestDir, is_drained, people_csv, query};
use std::io::Write;

const ROWS: usize = 300_000;

/// A database that a load changes in place, because it contains more than people.
const OLD_DATABASE: &str = "CREATE TABLE other (x); INSERT INTO other VALUES ('kept');
    CREATE TABLE people (x); INSERT INTO people VALUES ('old')";

/// With a small cache SQLite writes to an existing database long before the commit.
const SMALL_CACHE: [&str; 2] = ["--cache-size", "200"];

const STAGED_PREFIX: &str = ".people.db.sqload-";

/// Loads are killed after they have written 0, 1/[`MOMENTS`], 2/[`MOMENTS`] ... of the output of a complete load.
const MOMENTS: u64 = 8;

/// The number of bytes by which a complete load grows the directory.
fn load_bytes(dir: &TestDir) -> u64 {
    let before = dir.total_bytes();
    dir.load(&SMALL_CACHE).expect_code(0);
    dir.total_bytes() - before
}

/// Kills a load after it has written `bytes`; false if it ended first.
fn kill_after(dir: &TestDir, bytes: u64) -> bool {
    let before = dir.total_bytes();
    let mut running = Running::start(dir.load_command(&SMALL_CACHE));
    running.wait_until(|_| dir.total_bytes() >= before + bytes);
    running.kill()
}

/// Whether the database contains the rows of a complete load.
fn is_new(dir: &TestDir) -> bool {
    dir.query("SELECT count(*) FROM people") == ROWS.to_string()
}

#[test]
fn a_new_database_is_complete_or_absent_after_a_kill_at_any_moment() {
    let dir = TestDir::with_input(people_csv(ROWS));
    let total_bytes = load_bytes(&dir);
    let (mut kills, mut leftovers) = (0, 0);
    for moment in 0..=MOMENTS {
        let _ = std::fs::remove_file(dir.path("people.db"));
        let leftover = dir.file_names().into_iter().find(|name| name.starts_with(STAGED_PREFIX));
        leftover.iter().for_each(|name| std::fs::remove_file(dir.path(name)).unwrap());
        kills += u64::from(kill_after(&dir, total_bytes * moment / MOMENTS));
        leftovers += u64::from(dir.file_names().iter().any(|name| name.starts_with(STAGED_PREFIX)));
        if dir.path("people.db").exists() {
            assert_eq!(dir.query("PRAGMA integrity_check"), "ok");
            assert!(is_new(&dir));
        }
    }
    assert!(kills >= MOMENTS / 4 && leftovers >= 1, "{kills} kills, {leftovers} with leftovers");
}

#[test]
fn an_existing_database_is_old_or_new_after_a_kill_at_any_moment() {
    let dir = TestDir::with_database(people_csv(ROWS), OLD_DATABASE);
    let old = dir.read("people.db");
    let total_bytes = load_bytes(&dir);
    let (mut kills, mut journals) = (0, 0);
    for moment in 0..=MOMENTS {
        dir.write("people.db", &old);
        let was_killed = kill_after(&dir, total_bytes * moment / MOMENTS);
        kills += u64::from(was_killed);
        journals += u64::from(dir.path("people.db-journal").exists());
        assert_eq!(dir.query("PRAGMA integrity_check"), "ok");
        assert_eq!(dir.query("SELECT x FROM other"), "kept");
        assert!(is_new(&dir) || dir.query("SELECT x FROM people") == "old");
        let _ = std::fs::remove_file(dir.path("people.db-journal"));
    }
    assert!(kills >= MOMENTS / 4 && journals >= 1, "{kills} kills, {journals} with a hot journal");
}

#[test]
fn a_wal_database_is_old_or_new_after_a_kill_at_any_moment() {
    for has_reader in [false, true] {
        let dir = TestDir::with_input(people_csv(ROWS));
        // The journal of a load that leaves WAL mode, and the log of one that cannot.
        let leftover = if has_reader { "people.db-wal" } else { "people.db-journal" };
        let (mut kills, mut leftovers, mut total_bytes) = (0, 0, 0);
        for moment in 0..=MOMENTS {
            for name in ["people.db", "people.db-wal", "people.db-shm", "people.db-journal"] {
                let _ = std::fs::remove_file(dir.path(name));
            }
            let database = dir.database();
            database.execute_batch(&format!("PRAGMA journal_mode = WAL; {OLD_DATABASE}")).unwrap();
            let reader = has_reader.then_some(database);
            if moment == 0 {
                total_bytes = load_bytes(&dir);
                continue;
            }
            kills += u64::from(kill_after(&dir, total_bytes * moment / MOMENTS));
            leftovers += u64::from(dir.path(leftover).exists());
            assert_eq!(dir.query("PRAGMA integrity_check"), "ok");
            assert_eq!(dir.query("SELECT x FROM other"), "kept");
            assert!(is_new(&dir) || dir.query("SELECT x FROM people") == "old");
            drop(reader);
        }
        assert!(kills >= MOMENTS / 4 && leftovers >= 1, "{kills} kills, {leftovers} with {leftover}");
    }
}

#[test]
fn the_next_load_removes_the_staged_file_of_a_killed_load() {
    let dir = TestDir::with_input(people_csv(ROWS));
    let mut running = Running::start(dir.load_command(&[]));
    assert!(running.wait_for_file(&dir, STAGED_PREFIX));
    assert!(running.kill());
    assert!(dir.file_names().iter().any(|name| name.starts_with(STAGED_PREFIX)), "the kill came too late");
    dir.write(".other.db.sqload-a1b2c3", "of another database");
    dir.write("people.csv", TWO_PEOPLE);
    dir.load(&[]).expect_code(0);
    dir.assert_holds(TWO_PEOPLE);
    assert_eq!(dir.file_names(), [".other.db.sqload-a1b2c3", "people.csv", "people.db"]);
}

#[test]
fn a_load_does_not_remove_the_staged_file_of_a_running_load() {
    let dir = TestDir::with_input(people_csv(ROWS));
    let mut first = Running::start(dir.load_command(&[]));
    assert!(first.wait_for_file(&dir, STAGED_PREFIX));
    let second = dir.load(&[]);
    let codes = [first.wait().code, second.code];
    assert!(codes.contains(&Some(0)) && codes.iter().all(|code| matches!(code, Some(0 | 1))), "{codes:?}");
    assert_eq!(dir.query("PRAGMA integrity_check"), "ok");
    assert!(is_new(&dir));
    assert_eq!(dir.file_names(), ["people.csv", "people.db"]);
}

/// Interrupts a load of many rows once a file whose name starts with `prefix` shows that it has started to write.
#[track_caller]
fn assert_interrupt_changes_nothing(dir: &TestDir, prefix: &str, signal: &str) {
    let before = dir.snapshot();
    let mut running = Running::start(dir.load_command(&SMALL_CACHE));
    assert!(running.wait_for_file(dir, prefix), "the load ended without {prefix}");
    running.signal(signal);
    running.wait().expect_code(130).assert_single_message(&["interrupted"]);
    dir.assert_unchanged(&before);
}

#[test]
fn an_interrupt_leaves_no_new_database() {
    for signal in ["INT", "TERM"] {
        assert_interrupt_changes_nothing(&TestDir::with_input(people_csv(3 * ROWS)), STAGED_PREFIX, signal);
    }
}

#[test]
fn an_interrupt_leaves_a_database_to_be_replaced_unchanged() {
    let sql = "CREATE TABLE people (x); INSERT INTO people VALUES ('old')";
    for signal in ["INT", "TERM"] {
        assert_interrupt_changes_nothing(
            &TestDir::with_database(people_csv(3 * ROWS), sql),
            STAGED_PREFIX,
            signal,
        );
    }
}

#[test]
fn an_interrupt_rolls_back_a_load_into_an_existing_database() {
    for signal in ["INT", "TERM"] {
        assert_interrupt_changes_nothing(
            &TestDir::with_database(people_csv(3 * ROWS), OLD_DATABASE),
            "people.db-journal",
            signal,
        );
    }
}

#[test]
fn an_interrupt_ends_a_wait_for_pipe_input() {
    // The pipe has delivered nothing, a header and a record, or the start of a zip archive.
    for received in ["", "a,b\n1,2\n", "PK\u{3}\u{4} and more"] {
        let dir = TestDir::with_input(TWO_PEOPLE);
        let before = dir.snapshot();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(received.as_bytes()).unwrap();
        let load = dir.command(&["load", "-", "people.db"]);
        let mut running = Running::start_with_stdin(load, reader);
        assert!(running.wait_until(|running| running.handles_interrupts() && is_drained(&writer)));
        running.signal("INT");
        running.wait().expect_code(130).assert_single_message(&["interrupted"]);
        dir.assert_unchanged(&before);
    }
}

/// Limits the size of files. Depending on the shell, a block has 512 or 1024 bytes.
const FILE_SIZE_LIMIT: &str = "ulimit -f 2000; trap '' XFSZ";

/// A load that reaches the file size limit must fail and leave every file unchanged.
#[track_caller]
fn assert_full_disk_changes_nothing(dir: &TestDir, options: &[&str]) {
    let before = dir.snapshot();
    dir.load_after_setup(FILE_SIZE_LIMIT, options)
        .expect_code(1)
        .assert_single_message(&["people.db", "because"]);
    dir.assert_unchanged(&before);
}

#[test]
fn a_full_disk_leaves_no_new_database() {
    assert_full_disk_changes_nothing(&TestDir::with_input(people_csv(ROWS)), &[]);
    assert_full_disk_changes_nothing(&TestDir::with_input(people_csv(ROWS)), &SMALL_CACHE);
}

#[test]
fn a_full_disk_leaves_a_database_to_be_replaced_unchanged() {
    let sql = "CREATE TABLE people (x); INSERT INTO people VALUES ('old')";
    assert_full_disk_changes_nothing(&TestDir::with_database(people_csv(ROWS), sql), &[]);
    assert_full_disk_changes_nothing(&TestDir::with_database(people_csv(ROWS), sql), &SMALL_CACHE);
}

#[test]
fn a_full_disk_at_commit_rolls_back_the_load() {
    assert_full_disk_changes_nothing(&TestDir::with_database(people_csv(ROWS), OLD_DATABASE), &[]);
}

#[test]
fn a_full_disk_before_commit_rolls_back_the_load() {
    assert_full_disk_changes_nothing(&TestDir::with_database(people_csv(ROWS), OLD_DATABASE), &SMALL_CACHE);
}

#[test]
fn a_full_disk_rolls_back_a_load_into_a_wal_database() {
    let sql = format!("PRAGMA journal_mode = WAL; {OLD_DATABASE}");
    for options in [&[][..], &SMALL_CACHE] {
        let dir = TestDir::with_database(people_csv(ROWS), &sql);
        let load = dir.load_after_setup(FILE_SIZE_LIMIT, options).expect_code(1);
        load.assert_single_message(&["people.db", "because"]);
        // The header was written when the load left WAL mode and returned to it.
        assert_eq!(dir.query("PRAGMA integrity_check"), "ok");
        assert_eq!(dir.query("PRAGMA journal_mode"), "wal");
        assert_eq!(dir.query("SELECT (SELECT x FROM other) || (SELECT x FROM people)"), "keptold");
        assert_eq!(dir.file_names(), ["people.csv", "people.db"]);
        // With a reader, the log takes all pages.
        let reader = dir.database();
        let pages = query(&reader, "PRAGMA page_count");
        dir.load_after_setup(FILE_SIZE_LIMIT, options).expect_code(1);
        assert_eq!(query(&reader, "PRAGMA page_count"), pages);
        assert_eq!(query(&reader, "SELECT x FROM people"), "old");
    }
}

/// VACUUM runs after the commit: if it fails, either the load still succeeds or it is undone.
#[test]
fn a_failed_vacuum_leaves_the_state_that_the_exit_code_reports() {
    const ROWS: usize = 8_000;
    const BLOCK_BYTES: usize = 512;
    const SPARE_BLOCKS: usize = 8;
    const COLUMNS: &str = "SELECT group_concat(name) FROM pragma_table_info('people')";
    let dir = TestDir::with_database(TWO_PEOPLE, "CREATE TABLE other (x); CREATE TABLE people (x)");
    let database = dir.database();
    database.execute_batch("BEGIN; INSERT INTO people VALUES (1)").unwrap();
    let mut insert = database.prepare("INSERT INTO other VALUES (randomblob(4050))").unwrap();
    (0..ROWS).for_each(|_| assert_eq!(insert.execute([]).unwrap(), 1));
    database.execute_batch("COMMIT").unwrap();
    let blocks = dir.read("people.db").len() / BLOCK_BYTES + SPARE_BLOCKS;
    let outcome = dir.load_after_setup(&format!("ulimit -f {blocks}; trap '' XFSZ"), &["--vacuum"]);
    match outcome.code {
        Some(0) => dir.assert_holds(TWO_PEOPLE),
        _ => {
            outcome.expect_code(1).assert_single_message(&["people.db"]);
            assert_eq!(dir.query(COLUMNS), "x", "the database has changed");
        }
    }
}

#[test]
fn a_file_size_limit_that_is_not_reached_has_no_effect() {
    let dir = TestDir::with_input(people_csv(1_000));
    dir.load_after_setup(FILE_SIZE_LIMIT, &[]).expect_code(0);
    dir.assert_holds(people_csv(1_000));
}

#[test]
fn create_file_leaves_nothing_on_a_full_disk() {
    let dir = TestDir::new();
    let program = env!("CARGO_BIN_EXE_sqload");
    let line = format!("{FILE_SIZE_LIMIT}; exec {program} create-file --number-rows 1000000 -o made.csv");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &line]).current_dir(dir.path(""));
    Running::start(shell).wait().expect_code(1).assert_single_message(&["made.csv", "File too large"]);
    assert!(dir.file_names().is_empty());
}
