//! Other programs, and other threads of the same process, that use the database during a load.

use crate::common::{Running, TWO_PEOPLE, TestDir, people_csv};
use crate::faults::Call;
use rusqlite::Connection;
use sqload::plan::{Column, Expr, IfExists, Table};
use sqload::{Kind, Loader};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

const INSERT_OTHER: &str = "CREATE TABLE other (x); INSERT INTO other VALUES ('kept')";

/// A load that replaces the only table of `t.db`.
fn replace(dir: &TestDir) -> Command {
    dir.command(&["load", "people.csv", "t.db", "-t", "people", "--replace"])
}

fn dir_with_table(sql: &str) -> TestDir {
    let dir = TestDir::with_input(TWO_PEOPLE);
    dir.open("t.db").execute_batch(sql).unwrap();
    dir
}

fn count(dir: &TestDir, sql: &str) -> i64 {
    dir.open("t.db").query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_table_committed_into_a_replaced_file_is_kept() {
    let dir = dir_with_table("CREATE TABLE people (x)");
    // This load has opened the old file and is about to lock it.
    let lock = Call { name: "lock", file: "t.db", number: 1 };
    let second = lock.interrupt(&dir, replace(&dir), |_| {
        dir.write("new.db", "");
        let new = dir.open("new.db");
        new.execute_batch(&format!("CREATE TABLE people (x); {INSERT_OTHER}")).unwrap();
        new.close().unwrap();
        std::fs::rename(dir.path("new.db"), dir.path("t.db")).unwrap();
    });
    second.wait().expect_code(0);
    assert_eq!(count(&dir, "SELECT count(*) FROM other"), 1);
    assert_eq!(count(&dir, "SELECT count(*) FROM people"), 2);
}

#[test]
fn a_database_that_replaces_the_old_one_during_the_load_is_kept() {
    let dir = dir_with_table("CREATE TABLE people (x)");
    // The staged file is closed, for the check of `close`, shortly before the rename.
    let close = Call { name: "close", file: "t.db", number: 1 };
    let mut load = replace(&dir);
    load.args(["--writer", "statements"]);
    let load = close.interrupt(&dir, load, |_| {
        let new = dir.open("new.db");
        new.execute_batch(&format!("CREATE TABLE people (x); {INSERT_OTHER}")).unwrap();
        new.close().unwrap();
        std::fs::rename(dir.path("new.db"), dir.path("t.db")).unwrap();
    });
    load.wait().expect_code(0);
    assert_eq!(count(&dir, "SELECT count(*) FROM other"), 1);
    assert_eq!(count(&dir, "SELECT count(*) FROM people"), 2);
}

#[test]
fn concurrent_replacements_lose_no_table() {
    let dir = dir_with_table("CREATE TABLE people (x)");
    dir.write("people.csv", people_csv(20_000));
    for round in 0..4 {
        let loads: Vec<_> = (0..3).map(|_| Running::start(replace(&dir))).collect();
        let table = format!("other{round}");
        let sql = format!("CREATE TABLE {table} (x)");
        let created = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            // Opened anew each time, as a program that is not aware of the replacement would.
            let connection = dir.open("t.db");
            connection.execute_batch(&sql).is_ok()
        });
        let codes: Vec<_> = loads.into_iter().map(|load| load.wait().code).collect();
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 1))), "{codes:?}");
        assert!(created);
        // The program may have opened a file that was replaced before it took its lock, as any program may.
        assert_eq!(count(&dir, "SELECT count(*) FROM people"), 20_000, "{codes:?}");
        std::fs::remove_file(dir.path("t.db")).unwrap();
        dir.open("t.db").execute_batch("CREATE TABLE people (x)").unwrap();
    }
}

#[test]
fn a_table_that_appears_during_the_load_is_not_dropped() {
    let (mut number, mut created) = (0, 0);
    // Before each lock that the load takes.
    loop {
        number += 1;
        let dir = dir_with_table("CREATE TABLE other (x)");
        let share = Call { name: "share", file: "t.db", number };
        let load = dir.command(&["load", "people.csv", "t.db", "-t", "people"]);
        let mut is_created = false;
        let (load, is_reached) = share.interrupt_if_reached(&dir, load, |_| {
            let other = dir.open("t.db");
            other.busy_timeout(std::time::Duration::ZERO).unwrap();
            let sql = "CREATE TABLE people (x); INSERT INTO people VALUES ('precious')";
            // The load may hold its lock already.
            is_created = other.execute_batch(sql).is_ok();
        });
        let outcome = load.wait();
        if !is_reached {
            break;
        }
        if is_created {
            created += 1;
            outcome.expect_code(1).assert_single_message(&["people"]);
            assert_eq!(count(&dir, "SELECT count(*) FROM people WHERE x = 'precious'"), 1, "{number}");
        }
    }
    assert!(created > 0);
}

#[test]
fn a_table_that_is_recreated_during_the_load_gets_unaltered_values() {
    let dir = dir_with_table("CREATE TABLE people (code TEXT)");
    dir.write("people.csv", "code\n007\n");
    let load = dir.command(&["load", "people.csv", "t.db", "-t", "people", "--append"]);
    let open = Call { name: "open", file: "t.db", number: 1 };
    let load = open.interrupt(&dir, load, |_| {
        let sql = "DROP TABLE people; CREATE TABLE people (code INTEGER)";
        dir.open("t.db").execute_batch(sql).unwrap();
    });
    load.wait().expect_code(1).assert_single_message(&["line 2", "code"]);
    assert_eq!(count(&dir, "SELECT count(*) FROM people"), 0);
}

#[test]
fn a_database_that_is_deleted_or_moved_during_the_load_is_an_error() {
    for moves in [false, true] {
        let dir = dir_with_table("CREATE TABLE people (x); CREATE TABLE other (x)");
        let first_write = Call { name: "write", file: "t.db-journal", number: 1 };
        let load = first_write.interrupt(&dir, replace(&dir), |_| {
            if moves {
                std::fs::rename(dir.path("t.db"), dir.path("moved.db")).unwrap();
            } else {
                std::fs::remove_file(dir.path("t.db")).unwrap();
            }
        });
        load.wait().expect_code(1).assert_single_message(&["t.db"]);
        assert!(!dir.path("t.db").exists());
    }
}

#[test]
fn a_database_that_others_have_open_is_changed_in_place() {
    let dir = dir_with_table("CREATE TABLE people (x)");
    let inode = || dir.path("t.db").metadata().unwrap().ino();
    let before = inode();
    let reader = dir.open("t.db");
    let rows =
        |reader: &Connection| reader.query_row("SELECT count(*) FROM people", [], |row| row.get::<_, i64>(0));
    assert_eq!(rows(&reader).unwrap(), 0);
    Running::start(replace(&dir)).wait().expect_code(0);
    assert_eq!((inode(), rows(&reader).unwrap()), (before, 2));
}

#[test]
fn a_database_with_extended_attributes_keeps_them() {
    let dir = dir_with_table("CREATE TABLE people (x)");
    let path = dir.path("t.db");
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(&path, "user.origin", b"nightly", flags).is_err() {
        return;
    }
    Running::start(replace(&dir)).wait().expect_code(0);
    let mut value = [0; 16];
    let bytes = rustix::fs::getxattr(&path, "user.origin", &mut value[..]).unwrap();
    assert_eq!(&value[..bytes], b"nightly");
    assert_eq!(count(&dir, "SELECT count(*) FROM people"), 2);
}

#[test]
fn files_that_only_look_staged_are_left_alone() {
    let dir = dir_with_table("CREATE TABLE people (x); CREATE TABLE other (x)");
    dir.write(".t.db.sqload-notes.txt", "notes");
    std::os::unix::fs::symlink("t.db", dir.path(".t.db.sqload-symlnk")).unwrap();
    let fifo = dir.path(".t.db.sqload-fifo01");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    Running::start(replace(&dir)).wait().expect_code(0);
    let names = dir.file_names();
    for name in [".t.db.sqload-notes.txt", ".t.db.sqload-symlnk", ".t.db.sqload-fifo01"] {
        assert!(names.iter().any(|other| other == name), "{name} was removed");
    }
}

#[test]
fn a_database_whose_name_looks_like_a_uri_can_be_loaded_twice() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    for name in ["file:x.db", "file:y.db?mode=memory", "./:memory:"] {
        let load = |options: &[&str], rows: i64| {
            dir.run(&[&["load", "people.csv", name, "-t", "t"], options].concat()).expect_code(0);
            let path = std::path::Path::new(".").join(name);
            std::fs::copy(dir.path("").join(path), dir.path("copy.db")).unwrap();
            let count = dir.open("copy.db").query_row("SELECT count(*) FROM t", [], |row| row.get(0));
            assert_eq!(count, Ok(rows), "{name} {options:?}");
        };
        load(&["--replace", "--index", "age"], 2);
        load(&["--append"], 4);
        load(&["--replace", "--index", "age"], 2);
    }
}

#[test]
fn devices_as_the_database_are_errors() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    assert!(Command::new("mkfifo").arg(dir.path("fifo")).status().unwrap().success());
    for name in ["/dev/null", "/dev/zero", "fifo"] {
        for option in ["--replace", "--append", "--dry-run"] {
            let load = ["load", "people.csv", name, "-t", "t", option];
            dir.run(&load).expect_code(1).assert_single_message(&[name, "not a regular file"]);
        }
    }
}

/// The table `t` with the column `a` of the input.
fn loader() -> Loader {
    let column = Column::new("a", "TEXT", Expr::Field("a".into()));
    Loader::from(Table::new("t", vec![column])).if_exists(IfExists::Append)
}

#[test]
fn a_database_that_is_open_in_the_process_is_refused() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\n1\n");
    let host = dir.open("t.db");
    host.execute_batch("CREATE TABLE t (a TEXT); BEGIN IMMEDIATE").unwrap();
    let (input, database) = (dir.path("in.csv"), dir.path("t.db"));
    let results = [
        loader().load(&input, &database).map(|_| ()),
        loader().preview(std::slice::from_ref(&input), &database).map(|_| ()),
        loader().explain(std::slice::from_ref(&input), &database).map(|_| ()),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert!(matches!(error.kind(), Kind::DatabaseOpenInProcess { .. }), "{error}");
    }
    // The lock of the host program is still there.
    let insert = dir.command(&["load", "in.csv", "t.db", "-t", "t", "--append"]);
    Running::start(insert).wait().expect_code(1).assert_single_message(&["locked"]);
    host.execute_batch("COMMIT").unwrap();
    drop(host);
    loader().load(&input, &database).unwrap();
    assert_eq!(count(&dir, "SELECT count(*) FROM t"), 1);
}

#[test]
fn verify_knows_a_constraint_that_replaces_rows() {
    for (declaration, code) in
        [("k TEXT UNIQUE ON CONFLICT REPLACE", 0), ("k TEXT, \"on conflict replace\"", 0)]
    {
        let dir = dir_with_table(&format!(
            "CREATE TABLE people ({declaration}); INSERT INTO people (k) VALUES ('a')"
        ));
        dir.write("people.csv", "k\na\nb\n");
        let load = ["load", "people.csv", "t.db", "-t", "people", "--append", "--verify"];
        dir.run(&load).expect_code(code);
    }
}
