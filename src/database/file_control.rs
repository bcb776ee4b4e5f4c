//! What SQLite knows about the file of a connection.

use rusqlite::{Connection, ffi};
use std::ffi::{CStr, c_char, c_int, c_void};

/// True if the database of `connection` is no longer the file at its path: deleted, moved or replaced.
///
/// While the connection is open, its inode is not used again. So this is exact, unlike two looks at the path.
pub(super) fn has_moved(connection: &Connection) -> rusqlite::Result<bool> {
    let mut has_moved: c_int = 0;
    // SAFETY: this operation writes one `int`.
    let is_known = unsafe { control(connection, ffi::SQLITE_FCNTL_HAS_MOVED, (&raw mut has_moved).cast()) }?;
    // Another VFS may not know.
    Ok(is_known && has_moved != 0)
}

/// True if a write that a power failure interrupts leaves the bytes around it as they were.
pub(super) fn is_powersafe(connection: &Connection) -> rusqlite::Result<bool> {
    // Negative: to ask, not to change.
    let mut is_powersafe: c_int = -1;
    let argument = (&raw mut is_powersafe).cast();
    // SAFETY: this operation reads and writes one `int`.
    let is_known = unsafe { control(connection, ffi::SQLITE_FCNTL_POWERSAFE_OVERWRITE, argument) }?;
    Ok(is_known && is_powersafe == 1)
}

/// The name of the VFS, or `None` if it does not tell.
pub(super) fn vfs_name(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut name: *mut c_char = std::ptr::null_mut();
    // SAFETY: this operation writes one pointer, to memory that the caller frees.
    unsafe { control(connection, ffi::SQLITE_FCNTL_VFSNAME, (&raw mut name).cast()) }?;
    if name.is_null() {
        return Ok(None);
    }
    // SAFETY: SQLite wrote a pointer to a NUL-terminated string that the caller owns.
    let owned = unsafe {
        let owned = CStr::from_ptr(name).to_string_lossy().into_owned();
        ffi::sqlite3_free(name.cast());
        owned
    };
    Ok(Some(owned))
}

/// Runs an operation on the file of the main database. Returns false if the VFS does not know it.
///
/// # Safety
/// `argument` must be what the operation `code` expects.
unsafe fn control(connection: &Connection, code: c_int, argument: *mut c_void) -> rusqlite::Result<bool> {
    // SAFETY: the handle is valid as long as the connection; the caller vouches for the argument.
    let result = unsafe { ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), code, argument) };
    match result {
        ffi::SQLITE_OK => Ok(true),
        ffi::SQLITE_NOTFOUND => Ok(false),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}
