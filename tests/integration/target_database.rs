//! The database that a load goes into: what survives, what is refused, what takes whose place.

use crate::common::{FEW, Running, TestDir, many, query, rows_of};
use rusqlite::Connection;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

const OTHERS: &str = "CREATE TABLE \"other table\" (id INTEGER PRIMARY KEY AUTOINCREMENT, x, y UNIQUE);
    CREATE INDEX other_x ON \"other table\" (x);
    INSERT INTO \"other table\" (x, y) VALUES (1, 'a'), (2, x'00ff'), (NULL, 1.5);
    CREATE VIEW names AS SELECT last_name FROM people;
    CREATE TABLE log (message);
    CREATE TRIGGER logged AFTER DELETE ON \"other table\" BEGIN INSERT INTO log VALUES (old.x); END;";

/// All of a database but for the table `people`, as text.
fn others(connection: &Connection) -> String {
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema
        WHERE tbl_name <> 'people' COLLATE NOCASE ORDER BY type, name";
    let mut others = format!("{:?}", rows_of(connection, schema));
    for table in ["\"other table\"", "log", "sqlite_sequence"] {
        others += &format!("{:?}", rows_of(connection, &format!("SELECT rowid, * FROM {table}")));
    }
    for pragma in ["user_version", "application_id", "encoding", "auto_vacuum", "page_size", "journal_mode"] {
        others += &format!("{pragma} = {}\n", query(connection, &format!("PRAGMA {pragma}")));
    }
    others
}

#[test]
fn everything_else_in_a_database_survives() {
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
            let place = TestDir::with_database(FEW, &format!("{sql}{OTHERS}"));
            let before = others(&place.database());
            place.load(options).expect(0);
            assert_eq!(others(&place.database()), before);
            place.holds(FEW);
            assert_eq!(place.query("SELECT group_concat(last_name) FROM names"), "LOVELACE,TURING");
            assert_eq!(place.names(), ["people.csv", "people.db"]);
        }
    }
}

#[test]
fn a_database_of_people_alone_is_replaced() {
    let place = TestDir::with_database(many(50_000), "CREATE TABLE people (x)");
    let inode = place.path("people.db").metadata().unwrap().ino();
    place.load(&[]).expect(0);
    place.holds(many(50_000));
    assert_ne!(place.path("people.db").metadata().unwrap().ino(), inode, "another file takes its place");
    place.write("people.csv", FEW);
    place.load(&["--verify"]).expect(0);
    place.holds(FEW);
    assert!(place.read("people.db").len() < 100_000, "nothing of the old is left");
}

#[test]
fn an_empty_file_is_an_empty_database() {
    let place = TestDir::with_input(FEW);
    place.write("people.db", "");
    place.load(&[]).expect(0);
    place.holds(FEW);
}

#[test]
fn a_table_people_of_other_case_is_replaced() {
    for sql in ["CREATE TABLE PeoPle (x)", "CREATE TABLE \"PEOPLE\" (x); CREATE TABLE other (x)"] {
        let place = TestDir::with_database(FEW, sql);
        place.load(&[]).expect(0);
        place.holds(FEW);
        let names = "SELECT group_concat(name) FROM sqlite_schema WHERE name LIKE 'people'";
        assert_eq!(place.query(names), "people");
    }
}

#[test]
fn settings_of_a_database_of_people_alone_are_kept() {
    for (sql, pragma, value) in [
        ("PRAGMA user_version = 7", "user_version", "7"),
        ("PRAGMA application_id = 9", "application_id", "9"),
        ("PRAGMA encoding = 'UTF-16be'", "encoding", "UTF-16be"),
        ("PRAGMA auto_vacuum = INCREMENTAL", "auto_vacuum", "2"),
        ("PRAGMA journal_mode = WAL", "journal_mode", "wal"),
        ("PRAGMA page_size = 512", "page_size", "512"),
    ] {
        let place = TestDir::with_database(FEW, &format!("{sql}; CREATE TABLE people (x)"));
        place.load(&[]).expect(0);
        assert_eq!(place.query(&format!("PRAGMA {pragma}")), value);
        place.holds(FEW);
    }
}

/// Copies a WAL database and its log while it is open, as they would be found after a crash.
fn with_log(sql: &str) -> TestDir {
    let place = TestDir::with_input(FEW);
    let open = place.open("open.db");
    open.execute_batch(&format!("PRAGMA journal_mode = WAL; {sql}")).unwrap();
    for (from, to) in [("open.db", "people.db"), ("open.db-wal", "people.db-wal")] {
        std::fs::copy(place.path(from), place.path(to)).unwrap();
    }
    drop(open);
    std::fs::remove_file(place.path("open.db")).unwrap();
    assert_ne!(place.read("people.db-wal").len(), 0);
    place
}

#[test]
fn a_log_that_is_not_yet_in_its_database_does_not_resurrect_old_rows() {
    let place = with_log("CREATE TABLE people (first_name); INSERT INTO people VALUES ('old')");
    place.load(&[]).expect(0);
    place.holds(FEW);
    place.holds(FEW);
}

#[test]
fn a_log_that_is_not_yet_in_its_database_is_kept() {
    let place = with_log(OTHERS);
    place.load(&[]).expect(0);
    place.holds(FEW);
    assert_eq!(place.query("SELECT count(*) FROM \"other table\""), "3");
}

#[test]
fn a_stray_journal_beside_a_missing_database_is_refused() {
    for journal in ["people.db-wal", "people.db-journal"] {
        let place = TestDir::with_input(FEW);
        place.write(journal, "of a database that is gone");
        place.load_fails(&[], &[journal, "move it away"]);
        std::fs::remove_file(place.path(journal)).unwrap();
        place.load(&[]).expect(0);
    }
}

#[test]
fn a_locked_database_is_reported() {
    for (sql, lock) in [
        ("CREATE TABLE people (x)", "BEGIN EXCLUSIVE"),
        ("CREATE TABLE people (x)", "BEGIN; SELECT * FROM people"),
        (OTHERS, "BEGIN IMMEDIATE"),
    ] {
        let place = TestDir::with_database(FEW, sql);
        let before = place.snapshot();
        let other = place.database();
        other.execute_batch(lock).unwrap();
        // To read the file here and now would end the lock: it is this process's, whichever handle it used.
        place.load(&[]).expect(1).says_once(&["people.db", "locked"]);
        other.execute_batch("ROLLBACK").unwrap();
        place.is_as(&before);
        place.load(&[]).expect(0);
        place.holds(FEW);
    }
}

#[test]
fn a_lock_that_is_soon_released_is_waited_for() {
    let place = TestDir::with_database(FEW, "CREATE TABLE people (x)");
    let other = place.database();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut load = Running::start(place.load_command(&[]));
    assert!(load.wait_until(|load| load.has_open(&place.path("people.db"))), "the load did not wait");
    other.execute_batch("ROLLBACK").unwrap();
    load.wait().expect(0);
    place.holds(FEW);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let place = TestDir::with_input(FEW);
    for bytes in [FEW.repeat(100), "xy".to_owned(), "\0".repeat(5_000)] {
        place.write("people.db", bytes);
        place.load_fails(&[], &["people.db", "not a database"]);
    }
}

#[test]
fn the_input_as_its_own_database_is_refused() {
    let place = TestDir::with_input(FEW);
    let before = place.snapshot();
    place
        .run(&["run-pipeline", "-i", "people.csv", "--database", "people.csv"])
        .expect(1)
        .says_once(&["people.csv", "not a database"]);
    place.is_as(&before);
}

#[test]
fn a_view_named_people_is_not_dropped() {
    let place =
        TestDir::with_database(FEW, "CREATE TABLE other (x); CREATE VIEW people AS SELECT x FROM other");
    let before = place.snapshot();
    place.load(&[]).expect(2).says_once(&["people.db", "\"people\" is a view"]);
    place.is_as(&before);
}

#[test]
fn a_directory_is_no_database() {
    let place = TestDir::with_input(FEW);
    std::fs::create_dir(place.path("people.db")).unwrap();
    place.load_fails(&[], &["people.db", "directory"]);
}

#[test]
fn a_database_without_its_directory_is_refused() {
    let place = TestDir::with_input(FEW);
    let before = place.snapshot();
    let outcome = place.run(&["run-pipeline", "-i", "people.csv", "--database", "missing/people.db"]);
    outcome.expect(1).says_once(&["missing/people.db", "No such file"]);
    place.is_as(&before);
}

#[test]
fn a_symbolic_link_stays_one() {
    let place = TestDir::with_input(FEW);
    std::fs::create_dir(place.path("real")).unwrap();
    std::os::unix::fs::symlink("real/real.db", place.path("people.db")).unwrap();
    for sql in ["CREATE TABLE people (x)", "CREATE TABLE other (x)"] {
        place.open("real/real.db").execute_batch(sql).unwrap();
        place.load(&[]).expect(0);
        place.holds(FEW);
        assert_eq!(place.path("people.db").read_link().unwrap().to_str(), Some("real/real.db"));
        assert_eq!(place.path("real").read_dir().unwrap().count(), 1);
    }
}

#[test]
fn a_link_to_nothing_stays_one() {
    let place = TestDir::with_input(FEW);
    std::os::unix::fs::symlink("nothing.db", place.path("people.db")).unwrap();
    let outcome = place.load(&[]);
    assert_eq!(place.path("people.db").read_link().unwrap().to_str(), Some("nothing.db"));
    match outcome.code {
        Some(0) => place.holds(FEW),
        _ => outcome.expect(1).says_once(&["people.db"]),
    }
}

#[test]
fn hard_links_stay_in_step() {
    let place = TestDir::with_database(FEW, "CREATE TABLE people (x)");
    std::fs::hard_link(place.path("people.db"), place.path("same.db")).unwrap();
    place.load(&[]).expect(0);
    place.holds(FEW);
    assert_eq!(place.read("people.db"), place.read("same.db"));
    assert_eq!(place.path("people.db").metadata().unwrap().nlink(), 2);
}

fn mode(place: &TestDir) -> u32 {
    place.path("people.db").metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn the_mode_of_a_replaced_database_is_kept() {
    for bits in [0o600, 0o640, 0o666] {
        let place = TestDir::with_database(FEW, "CREATE TABLE people (x)");
        std::fs::set_permissions(place.path("people.db"), PermissionsExt::from_mode(bits)).unwrap();
        place.load_after("umask 022", &[]).expect(0);
        assert_eq!(mode(&place), bits);
        place.holds(FEW);
    }
}

#[test]
fn the_mode_of_a_new_database_respects_the_umask() {
    for (umask, bits) in [("022", 0o644), ("027", 0o640), ("077", 0o600), ("000", 0o666)] {
        let place = TestDir::with_input(FEW);
        place.load_after(&format!("umask {umask}"), &[]).expect(0);
        assert_eq!(mode(&place), bits, "umask {umask}");
    }
}

#[test]
fn rows_that_refer_to_people_survive() {
    let place = TestDir::with_database(
        FEW,
        "PRAGMA foreign_keys = ON;
        CREATE TABLE people (id BLOB PRIMARY KEY);
        CREATE TABLE letters (person REFERENCES people (id) ON DELETE CASCADE, body);
        INSERT INTO people VALUES (x'01'), (x'02');
        INSERT INTO letters VALUES (x'01', 'a'), (x'02', 'b');",
    );
    place.load(&[]).expect(0);
    place.holds(FEW);
    assert_eq!(place.query("SELECT group_concat(body) FROM letters"), "a,b");
}

#[test]
fn rejects_and_reports_are_never_written_over_the_database() {
    for (sql, option) in
        [(OTHERS, "--rejects"), (OTHERS, "--report"), ("CREATE TABLE people (x)", "--report")]
    {
        let place = TestDir::with_database(format!("{FEW}bad\n"), sql);
        let before = place.snapshot();
        let outcome = place.load(&[option, "people.db"]);
        assert!(matches!(outcome.code, Some(1 | 2)), "{option}: {outcome:?}");
        place.is_as(&before);
    }
}

#[test]
fn names_of_any_bytes_will_do() {
    use std::os::unix::ffi::OsStrExt;
    let place = TestDir::with_input(FEW);
    let names: [&[u8]; 5] = [b":memory:", b"file:x?mode=memory", b"-x", b"a b'\"%\n.db", b"\xff.db"];
    for name in names {
        let name = std::ffi::OsStr::from_bytes(name);
        let mut command = place.command(&["run-pipeline", "-i", "people.csv"]);
        command.arg("--database").arg(std::path::Path::new(".").join(name));
        Running::start(command).wait().expect(0);
        std::fs::rename(place.path(".").join(name), place.path("people.db")).unwrap();
        place.holds(FEW);
    }
}

#[test]
fn a_report_can_name_files_of_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let place = TestDir::with_input(FEW);
    let mut command = place.command(&["run-pipeline", "-q", "-i", "people.csv", "--report", "-"]);
    command.arg("--database").arg(std::ffi::OsStr::from_bytes(b"\xff.db"));
    let outcome = Running::start(command).wait().expect(0);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["loaded"], 2);
}
