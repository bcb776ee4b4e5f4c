//! The target database: what survives a load, what is replaced, and which targets are errors.

use crate::common::{Running, TWO_PEOPLE, TestDir, people_csv, query, rows_of};
use rusqlite::Connection;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

const OTHER_OBJECTS: &str =
    "CREATE TABLE \"other table\" (id INTEGER PRIMARY KEY AUTOINCREMENT, x, y UNIQUE);
    CREATE INDEX other_x ON \"other table\" (x);
    INSERT INTO \"other table\" (x, y) VALUES (1, 'a'), (2, x'00ff'), (NULL, 1.5);
    CREATE VIEW names AS SELECT last_name FROM people;
    CREATE TABLE log (message);
    CREATE TRIGGER logged AFTER DELETE ON \"other table\" BEGIN INSERT INTO log VALUES (old.x); END;";

/// Everything in a database except the table `people`, as text.
fn other_content(connection: &Connection) -> String {
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema
        WHERE tbl_name <> 'people' COLLATE NOCASE ORDER BY type, name";
    let mut content = format!("{:?}", rows_of(connection, schema));
    for table in ["\"other table\"", "log", "sqlite_sequence"] {
        content += &format!("{:?}", rows_of(connection, &format!("SELECT rowid, * FROM {table}")));
    }
    for pragma in ["user_version", "application_id", "encoding", "auto_vacuum", "page_size", "journal_mode"] {
        content += &format!("{pragma} = {}\n", query(connection, &format!("PRAGMA {pragma}")));
    }
    content
}

#[test]
fn other_objects_in_the_database_survive() {
    let settings = [
        "",
        "CREATE TABLE people (x);",
        "CREATE TABLE PEOPLE (x); CREATE INDEX people_x ON people (x);",
        "PRAGMA user_version = 7; PRAGMA application_id = 9;",
        "PRAGMA journal_mode = WAL;",
        "PRAGMA auto_vacuum = FULL;",
        "PRAGMA encoding = 'UTF-16le';",
        "PRAGMA page_size = 1024;",
    ];
    for sql in settings {
        for options in [&[][..], &["--vacuum", "--verify", "--synchronous", "full"]] {
            println!("{sql} {options:?}");
            let dir = TestDir::with_database(TWO_PEOPLE, &format!("{sql}{OTHER_OBJECTS}"));
            let before = other_content(&dir.database());
            dir.load(options).expect_code(0);
            assert_eq!(other_content(&dir.database()), before);
            dir.assert_holds(TWO_PEOPLE);
            assert_eq!(dir.query("SELECT group_concat(last_name) FROM names"), "LOVELACE,TURING");
            assert_eq!(dir.file_names(), ["people.csv", "people.db"]);
        }
    }
}

#[test]
fn a_database_with_only_people_is_replaced() {
    let dir = TestDir::with_database(people_csv(50_000), "CREATE TABLE people (x)");
    let inode = dir.path("people.db").metadata().unwrap().ino();
    dir.load(&[]).expect_code(0);
    dir.assert_holds(people_csv(50_000));
    assert_ne!(dir.path("people.db").metadata().unwrap().ino(), inode, "the file is not replaced");
    dir.write("people.csv", TWO_PEOPLE);
    dir.load(&["--verify"]).expect_code(0);
    dir.assert_holds(TWO_PEOPLE);
    assert!(dir.read("people.db").len() < 100_000, "old pages are left");
}

#[test]
fn an_empty_file_is_an_empty_database() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    dir.write("people.db", "");
    dir.load(&[]).expect_code(0);
    dir.assert_holds(TWO_PEOPLE);
}

#[test]
fn a_people_table_in_another_case_is_replaced() {
    for sql in ["CREATE TABLE PeoPle (x)", "CREATE TABLE \"PEOPLE\" (x); CREATE TABLE other (x)"] {
        let dir = TestDir::with_database(TWO_PEOPLE, sql);
        dir.load(&[]).expect_code(0);
        dir.assert_holds(TWO_PEOPLE);
        let names = "SELECT group_concat(name) FROM sqlite_schema WHERE name LIKE 'people'";
        assert_eq!(dir.query(names), "people");
    }
}

#[test]
fn a_replaced_database_keeps_its_settings() {
    for (sql, pragma, value) in [
        ("PRAGMA user_version = 7", "user_version", "7"),
        ("PRAGMA application_id = 9", "application_id", "9"),
        ("PRAGMA encoding = 'UTF-16be'", "encoding", "UTF-16be"),
        ("PRAGMA auto_vacuum = INCREMENTAL", "auto_vacuum", "2"),
        ("PRAGMA journal_mode = WAL", "journal_mode", "wal"),
        ("PRAGMA page_size = 512", "page_size", "512"),
    ] {
        let dir = TestDir::with_database(TWO_PEOPLE, &format!("{sql}; CREATE TABLE people (x)"));
        dir.load(&[]).expect_code(0);
        assert_eq!(dir.query(&format!("PRAGMA {pragma}")), value);
        dir.assert_holds(TWO_PEOPLE);
    }
}

/// A directory with a WAL database and its log, copied while open, as a crash would leave them.
fn dir_with_wal(sql: &str) -> TestDir {
    let dir = TestDir::with_input(TWO_PEOPLE);
    let open = dir.open("open.db");
    open.execute_batch(&format!("PRAGMA journal_mode = WAL; {sql}")).unwrap();
    for (from, to) in [("open.db", "people.db"), ("open.db-wal", "people.db-wal")] {
        std::fs::copy(dir.path(from), dir.path(to)).unwrap();
    }
    drop(open);
    std::fs::remove_file(dir.path("open.db")).unwrap();
    assert_ne!(dir.read("people.db-wal").len(), 0);
    dir
}

#[test]
fn an_old_wal_does_not_resurrect_old_rows() {
    let dir = dir_with_wal("CREATE TABLE people (first_name); INSERT INTO people VALUES ('old')");
    dir.load(&[]).expect_code(0);
    dir.assert_holds(TWO_PEOPLE);
    dir.assert_holds(TWO_PEOPLE);
}

#[test]
fn the_content_of_an_old_wal_is_kept() {
    let dir = dir_with_wal(OTHER_OBJECTS);
    dir.load(&[]).expect_code(0);
    dir.assert_holds(TWO_PEOPLE);
    assert_eq!(dir.query("SELECT count(*) FROM \"other table\""), "3");
}

#[test]
fn a_stray_journal_without_its_database_is_an_error() {
    for journal in ["people.db-wal", "people.db-journal"] {
        let dir = TestDir::with_input(TWO_PEOPLE);
        dir.write(journal, "of a database that is gone");
        dir.assert_load_fails(&[], &[journal, "move it away"]);
        std::fs::remove_file(dir.path(journal)).unwrap();
        dir.load(&[]).expect_code(0);
    }
}

#[test]
fn a_locked_database_is_reported() {
    for (sql, lock) in [
        ("CREATE TABLE people (x)", "BEGIN EXCLUSIVE"),
        ("CREATE TABLE people (x)", "BEGIN; SELECT * FROM people"),
        (OTHER_OBJECTS, "BEGIN IMMEDIATE"),
    ] {
        let dir = TestDir::with_database(TWO_PEOPLE, sql);
        let before = dir.snapshot();
        let other = dir.database();
        other.execute_batch(lock).unwrap();
        // Do not read the file here: closing it would drop the lock, because POSIX locks belong to the process.
        dir.load(&[]).expect_code(1).assert_single_message(&["people.db", "locked"]);
        other.execute_batch("ROLLBACK").unwrap();
        dir.assert_unchanged(&before);
        dir.load(&[]).expect_code(0);
        dir.assert_holds(TWO_PEOPLE);
    }
}

#[test]
fn waits_for_a_short_lock() {
    let dir = TestDir::with_database(TWO_PEOPLE, "CREATE TABLE people (x)");
    let other = dir.database();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut load = Running::start(dir.load_command(&[]));
    assert!(load.wait_until(|load| load.has_open(&dir.path("people.db"))), "the load did not wait");
    other.execute_batch("ROLLBACK").unwrap();
    load.wait().expect_code(0);
    dir.assert_holds(TWO_PEOPLE);
}

#[test]
fn a_file_that_is_not_a_database_is_an_error() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    for bytes in [TWO_PEOPLE.repeat(100), "xy".to_owned(), "\0".repeat(5_000)] {
        dir.write("people.db", bytes);
        dir.assert_load_fails(&[], &["people.db", "not a SQLite database"]);
    }
}

#[test]
fn the_input_as_the_database_is_an_error() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    let before = dir.snapshot();
    dir.run(&["run-pipeline", "-i", "people.csv", "--database", "people.csv"])
        .expect_code(1)
        .assert_single_message(&["people.csv", "not a SQLite database"]);
    dir.assert_unchanged(&before);
}

#[test]
fn does_not_drop_a_view_named_people() {
    let dir = TestDir::with_database(
        TWO_PEOPLE,
        "CREATE TABLE other (x); CREATE VIEW people AS SELECT x FROM other",
    );
    let before = dir.snapshot();
    dir.load(&[]).expect_code(2).assert_single_message(&["people.db", "\"people\" is a view"]);
    dir.assert_unchanged(&before);
}

#[test]
fn a_directory_as_the_database_is_an_error() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    std::fs::create_dir(dir.path("people.db")).unwrap();
    dir.assert_load_fails(&[], &["people.db", "directory"]);
}

#[test]
fn a_database_in_a_missing_directory_is_an_error() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    let before = dir.snapshot();
    let outcome = dir.run(&["run-pipeline", "-i", "people.csv", "--database", "missing/people.db"]);
    outcome.expect_code(1).assert_single_message(&["missing/people.db", "No such file"]);
    dir.assert_unchanged(&before);
}

#[test]
fn a_symbolic_link_stays_a_link() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    std::fs::create_dir(dir.path("real")).unwrap();
    std::os::unix::fs::symlink("real/real.db", dir.path("people.db")).unwrap();
    for sql in ["CREATE TABLE people (x)", "CREATE TABLE other (x)"] {
        dir.open("real/real.db").execute_batch(sql).unwrap();
        dir.load(&[]).expect_code(0);
        dir.assert_holds(TWO_PEOPLE);
        assert_eq!(dir.path("people.db").read_link().unwrap().to_str(), Some("real/real.db"));
        assert_eq!(dir.path("real").read_dir().unwrap().count(), 1);
    }
}

#[test]
fn a_dangling_link_stays_a_link() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    std::os::unix::fs::symlink("nothing.db", dir.path("people.db")).unwrap();
    let outcome = dir.load(&[]);
    assert_eq!(dir.path("people.db").read_link().unwrap().to_str(), Some("nothing.db"));
    match outcome.code {
        Some(0) => dir.assert_holds(TWO_PEOPLE),
        _ => outcome.expect_code(1).assert_single_message(&["people.db"]),
    }
}

#[test]
fn hard_links_stay_in_sync() {
    let dir = TestDir::with_database(TWO_PEOPLE, "CREATE TABLE people (x)");
    std::fs::hard_link(dir.path("people.db"), dir.path("same.db")).unwrap();
    dir.load(&[]).expect_code(0);
    dir.assert_holds(TWO_PEOPLE);
    assert_eq!(dir.read("people.db"), dir.read("same.db"));
    assert_eq!(dir.path("people.db").metadata().unwrap().nlink(), 2);
}

fn mode(dir: &TestDir) -> u32 {
    dir.path("people.db").metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_replaced_database_keeps_its_mode() {
    for bits in [0o600, 0o640, 0o666] {
        let dir = TestDir::with_database(TWO_PEOPLE, "CREATE TABLE people (x)");
        std::fs::set_permissions(dir.path("people.db"), PermissionsExt::from_mode(bits)).unwrap();
        dir.load_after_setup("umask 022", &[]).expect_code(0);
        assert_eq!(mode(&dir), bits);
        dir.assert_holds(TWO_PEOPLE);
    }
}

#[test]
fn a_new_database_respects_the_umask() {
    for (umask, bits) in [("022", 0o644), ("027", 0o640), ("077", 0o600), ("000", 0o666)] {
        let dir = TestDir::with_input(TWO_PEOPLE);
        dir.load_after_setup(&format!("umask {umask}"), &[]).expect_code(0);
        assert_eq!(mode(&dir), bits, "umask {umask}");
    }
}

#[test]
fn rows_that_reference_people_survive() {
    let dir = TestDir::with_database(
        TWO_PEOPLE,
        "PRAGMA foreign_keys = ON;
        CREATE TABLE people (id BLOB PRIMARY KEY);
        CREATE TABLE letters (person REFERENCES people (id) ON DELETE CASCADE, body);
        INSERT INTO people VALUES (x'01'), (x'02');
        INSERT INTO letters VALUES (x'01', 'a'), (x'02', 'b');",
    );
    dir.load(&[]).expect_code(0);
    dir.assert_holds(TWO_PEOPLE);
    assert_eq!(dir.query("SELECT group_concat(body) FROM letters"), "a,b");
}

#[test]
fn rejects_and_reports_never_overwrite_the_database() {
    for (sql, option) in
        [(OTHER_OBJECTS, "--rejects"), (OTHER_OBJECTS, "--report"), ("CREATE TABLE people (x)", "--report")]
    {
        let dir = TestDir::with_database(format!("{TWO_PEOPLE}bad\n"), sql);
        let before = dir.snapshot();
        let outcome = dir.load(&[option, "people.db"]);
        assert!(matches!(outcome.code, Some(1 | 2)), "{option}: {outcome:?}");
        dir.assert_unchanged(&before);
    }
}

#[test]
fn accepts_database_names_of_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let dir = TestDir::with_input(TWO_PEOPLE);
    let names: [&[u8]; 5] = [b":memory:", b"file:x?mode=memory", b"-x", b"a b'\"%\n.db", b"\xff.db"];
    for name in names {
        let name = std::ffi::OsStr::from_bytes(name);
        let mut command = dir.command(&["run-pipeline", "-i", "people.csv"]);
        command.arg("--database").arg(std::path::Path::new(".").join(name));
        Running::start(command).wait().expect_code(0);
        std::fs::rename(dir.path(".").join(name), dir.path("people.db")).unwrap();
        dir.assert_holds(TWO_PEOPLE);
    }
}

#[test]
fn the_report_accepts_file_names_of_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let dir = TestDir::with_input(TWO_PEOPLE);
    let mut command = dir.command(&["run-pipeline", "-q", "-i", "people.csv", "--report", "-"]);
    command.arg("--database").arg(std::ffi::OsStr::from_bytes(b"\xff.db"));
    let outcome = Running::start(command).wait().expect_code(0);
    let report = outcome.report();
    assert_eq!(report["loaded"], 2);
}
