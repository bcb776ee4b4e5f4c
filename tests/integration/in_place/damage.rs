//! Databases that do not take pages behind SQLite's back, and damaged ones.

use super::{Change, PAGE_BYTES, assert_same_pages, free_leaves, intact_content, number};
use crate::common::{Running, TestDir, assert_contains, query, rows_of};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;

/// Changes bytes of the database file.
fn patch(dir: &TestDir, at: usize, bytes: &[u8]) {
    let mut database = dir.read("out.db");
    database[at..at + bytes.len()].copy_from_slice(bytes);
    dir.write("out.db", database);
}

/// Asserts that loads use statements for this reason, and that they work.
#[track_caller]
fn assert_takes_statements(change: Change, dir: &TestDir, reason: &str) {
    let before = dir.snapshot();
    let outcome = Running::start(change.load(dir, &["--writer", "direct"])).wait().expect_code(1);
    outcome.assert_single_message(&[reason]);
    dir.assert_unchanged(&before);
    let outcome = Running::start(change.load(dir, &["--verify"])).wait().expect_code(0);
    assert_contains(&outcome.stderr, [format!("statements writer: {reason}").as_str()]);
    intact_content(dir);
}

/// A file that is longer than its header says, an old schema format, and reserved bytes.
#[test]
fn databases_that_do_not_take_pages_take_statements() {
    for change in Change::ALL {
        let dir = change.dir();
        let mut bytes = dir.read("out.db");
        bytes.extend([7; 3 * PAGE_BYTES]);
        dir.write("out.db", bytes);
        assert_takes_statements(change, &dir, "the file is not as long as its header says");

        let dir = change.dir();
        patch(&dir, 44, &[0, 0, 0, 1]);
        assert_takes_statements(change, &dir, "the database has a schema format before 4");

        let dir = change.dir();
        dir.open("out.db").execute_batch("PRAGMA auto_vacuum = FULL; VACUUM").unwrap();
        assert_takes_statements(change, &dir, "the database is vacuumed automatically");

        let dir = change.dir();
        let database = dir.open("out.db");
        let mut reserved: std::ffi::c_int = 32;
        let argument = (&raw mut reserved).cast();
        // SAFETY: this operation reads and writes one `int`.
        let result = unsafe {
            let operation = rusqlite::ffi::SQLITE_FCNTL_RESERVE_BYTES;
            rusqlite::ffi::sqlite3_file_control(database.handle(), c"main".as_ptr(), operation, argument)
        };
        assert_eq!(result, rusqlite::ffi::SQLITE_OK);
        database.execute_batch("VACUUM").unwrap();
        database.close().unwrap();
        assert_eq!(dir.read("out.db")[20], 32);
        assert_takes_statements(change, &dir, "the pages of the database have reserved bytes");
    }
}

/// Leaving WAL mode does not shorten a file whose log is empty.
#[test]
fn a_file_in_wal_mode_that_is_too_long_takes_statements() {
    let dir = Change::Append.dir();
    dir.open("out.db").pragma_update(None, "journal_mode", "wal").unwrap();
    let mut bytes = dir.read("out.db");
    bytes.extend([7; 3 * PAGE_BYTES]);
    dir.write("out.db", bytes);
    let outcome = Running::start(Change::Append.load(&dir, &["--verify"])).wait().expect_code(0);
    assert_contains(&outcome.stderr, ["statements writer: the file is not as long as its header says"]);
    intact_content(&dir);
    assert_eq!(query(&dir.open("out.db"), "PRAGMA journal_mode"), "wal");
}

/// A number of four bytes.
fn big_endian(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_be_bytes()
}

fn root(dir: &TestDir, name: &str) -> usize {
    query(&dir.open("out.db"), &format!("SELECT rootpage FROM sqlite_schema WHERE name = '{name}'"))
        .parse()
        .unwrap()
}

/// Asserts that a load into a damaged database ends without a crash, soon, and that it either fails and changes nothing or keeps
/// the other table. The pages `free` were free before the damage.
#[track_caller]
fn assert_no_harm(change: Change, dir: &TestDir, free: &BTreeSet<usize>, damage: &str) {
    let rows = "SELECT rowid, * FROM other";
    let before = dir.read("out.db");
    let other = rows_of(&dir.open("out.db"), rows);
    let outcome = Running::start(change.load(dir, &[])).wait();
    match outcome.code {
        Some(0) => assert!(rows_of(&dir.open("out.db"), rows) == other, "{damage}: {outcome:?}"),
        Some(1) => {
            outcome.assert_single_message(&["out.db"]);
            assert_same_pages(&before, &dir.read("out.db"), free);
        }
        _ => panic!("{damage}: {outcome:?}"),
    }
}

#[test]
fn a_damaged_freelist_is_an_error() {
    for change in Change::ALL {
        let intact = change.dir();
        let old = intact.read("out.db");
        let (trunk, count, pages) = (number(&old, 32), number(&old, 36), old.len() / PAGE_BYTES);
        let trunk_at = (trunk - 1) * PAGE_BYTES;
        let free = free_leaves(&old);
        let leaf = *free.first().unwrap();
        let other = root(&intact, "other");
        for (damage, at, value) in [
            ("the trunk does not exist", 32, pages + 1),
            ("the trunk is far away", 32, u32::MAX as usize),
            ("the trunk is page 1", 32, 1),
            ("the freelist has no trunk", 32, 0),
            ("too few pages", 36, count - 1),
            ("too many pages", 36, count + 1),
            ("as many pages as there can be", 36, u32::MAX as usize),
            ("a cycle", trunk_at, trunk),
            ("a trunk that is a table", trunk_at, other),
            ("too many leaves", trunk_at + 4, u32::MAX as usize),
            ("more leaves than fit", trunk_at + 4, PAGE_BYTES / 4),
            ("a leaf that does not exist", trunk_at + 8, pages + 1),
            ("page 0", trunk_at + 8, 0),
            ("page 1", trunk_at + 8, 1),
            ("a page twice", trunk_at + 12, leaf),
        ] {
            let dir = change.dir();
            patch(&dir, at, &big_endian(value));
            assert_no_harm(change, &dir, &free, damage);
        }
        // The most memory: a cycle of pages without leaves, and the largest number of them.
        let dir = change.dir();
        patch(&dir, trunk_at, &[big_endian(trunk), big_endian(0)].concat());
        patch(&dir, 36, &big_endian(u32::MAX as usize));
        assert_no_harm(change, &dir, &free, "a cycle of empty trunks");
    }
}

/// Random bytes in the pages of the table and of its index.
#[test]
fn a_damaged_tree_is_an_error() {
    damage_trees(Change::Append);
}

#[test]
fn a_damaged_tree_whose_rows_are_updated_is_an_error() {
    damage_trees(Change::Upsert);
}

fn damage_trees(change: Change) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let intact = change.dir();
    let old = intact.read("out.db");
    let free = free_leaves(&old);
    for name in ["t", "t_name"] {
        let root = root(&intact, name);
        let root_at = (root - 1) * PAGE_BYTES;
        let cells = usize::from(old[root_at + 3]) << 8 | usize::from(old[root_at + 4]);
        let rightmost = number(&old, root_at + 8);
        let child_at = |cell: usize| {
            let pointer = root_at + 12 + 2 * cell;
            root_at + (usize::from(old[pointer]) << 8 | usize::from(old[pointer + 1]))
        };
        // All children are the root: a cycle.
        let dir = change.dir();
        (0..cells).for_each(|cell| patch(&dir, child_at(cell), &big_endian(root)));
        patch(&dir, root_at + 8, &big_endian(root));
        assert_no_harm(change, &dir, &free, "a cycle");
        // All children but the last are the root.
        let dir = change.dir();
        (0..cells).for_each(|cell| patch(&dir, child_at(cell), &big_endian(root)));
        assert_no_harm(change, &dir, &free, "a cycle with an end");
        // The same leaf twice.
        let dir = change.dir();
        patch(&dir, child_at(0), &big_endian(rightmost));
        assert_no_harm(change, &dir, &free, "a leaf twice");
        // A leaf of another tree of this kind.
        let dir = change.dir();
        let other = if name == "t" { "other" } else { "other_b" };
        let other = number(&old, (self::root(&dir, other) - 1) * PAGE_BYTES + 8);
        patch(&dir, root_at + 8, &big_endian(other));
        assert_no_harm(change, &dir, &free, "the last leaf of another tree");
        for round in 0..40 {
            let page = if round % 2 == 0 { root } else { rightmost };
            let dir = change.dir();
            let bytes = rng.random_range(1..200);
            let start = [0, rng.random_range(0..PAGE_BYTES - bytes)][round / 2 % 2];
            let garbage: Vec<u8> = (0..bytes).map(|_| rng.random()).collect();
            patch(&dir, (page - 1) * PAGE_BYTES + start, &garbage);
            assert_no_harm(change, &dir, &free, &format!("{name}: {garbage:?} at {start} of page {page}"));
        }
    }
}
