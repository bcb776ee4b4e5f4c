//! The lock-byte page, moved so that a small database reaches it. A separate binary, because the move affects every connection
//! of the process.

#[allow(dead_code, reason = "the integration tests use more of it")]
#[path = "integration/twin.rs"]
mod twin;

use rusqlite::ffi;
use rusqlite::types::Value;
use std::ffi::c_uint;
use twin::Case;

/// Moves the lock byte for all connections that are opened from now on.
fn move_lock_byte(to: u64) {
    // SAFETY: the call takes one integer, and no connection is open.
    unsafe { ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PENDING_BYTE, to as c_uint) };
}

#[test]
fn the_lock_byte_page_is_skipped_wherever_it_is() {
    let text = |number: i64, bytes: usize| Value::Text(format!("{number:0bytes$}"));
    // These rows give leaf and interior pages of all trees, overflow pages of both kinds, and sorted and unsorted keys.
    let rows = |row: i64| {
        vec![text(row, 300), text(row * 7919 % 10_007, 150), text(row, 700 + row as usize * 7 % 1_000)]
    };
    let rows: Vec<_> = (0..120).map(rows).collect();
    // With a lock byte below 64 KiB, SQLite reports its own databases as corrupt.
    for (page_bytes, pages) in [(512, 128..215), (4_096, 16..50), (65_536, 1..5)] {
        for page in pages {
            let columns = [("a", "TEXT UNIQUE"), ("b", "TEXT"), ("c", "TEXT")];
            let mut case = Case::new(page_bytes, &columns, rows.clone(), 4).index("CREATE INDEX i ON t (b)");
            case.lock_byte = u64::from(page_bytes) * page;
            move_lock_byte(case.lock_byte);
            case.check();
            // Half of the rows behind the others, through SQLite and behind its back.
            if page_bytes == 65_536 || page % 3 == 0 {
                assert!(case.check_append(15, page % 2 == 0));
            }
        }
    }
}
