//! What SQLite knows about the file of a connection.

use rusqlite::{Connection, ffi};
use std::ffi::c_int;

/// True if the database of `connection` is no longer the file at its path: deleted, moved or replaced.
///
/// While the connection is open, its inode is not used again. So this is exact, unlike two looks at the path.
pub(super) fn has_moved(connection: &Connection) -> rusqlite::Result<bool> {
    let mut has_moved: c_int = 0;
    // SAFETY: the handle is valid as long as the connection, and this operation writes one `int` and keeps no pointer.
    let code = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_HAS_MOVED,
            (&raw mut has_moved).cast(),
        )
    };
    match code {
        ffi::SQLITE_OK => Ok(has_moved != 0),
        // Another VFS may not know.
        ffi::SQLITE_NOTFOUND => Ok(false),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}
