//! Databases that no program changes.

use rusqlite::{Connection, OpenFlags, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The URI by which SQLite opens the database at `path` for reading, without locks and without looking for a journal. No program
/// may change it.
pub(crate) fn immutable_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Opens the database at `path` as [`immutable_uri`] says.
///
/// # Errors
/// The error of SQLite.
pub(crate) fn open_immutable(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(immutable_uri(path), flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_contain_any_character_and_a_journal_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a=%2F ?#&ä.sqlite");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (7)")
            .unwrap();
        let journal = directory.path().join("a=%2F ?#&ä.sqlite-journal");
        std::fs::write(&journal, "not a journal").unwrap();
        let connection = open_immutable(&path).unwrap();
        assert_eq!(connection.query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)), Ok(7));
        assert!(connection.execute_batch("DELETE FROM t").is_err());
        assert!(journal.exists());
    }
}
