//! The rowids of AUTOINCREMENT, which SQLite remembers in the table `sqlite_sequence` (file format 2.6.2).

use crate::schema::ddl::quote_text;
use rusqlite::{Connection, OptionalExtension, Result};

/// What `sqlite_sequence` has for a table before the load.
#[derive(Debug)]
pub(super) struct Sequence {
    /// The row of the table. It has none until a row is inserted.
    entry: Option<i64>,
    /// The largest rowid that was ever used.
    pub(super) largest: i64,
}

impl Sequence {
    /// Reads what SQLite would: the first row with the name of the table.
    pub(super) fn read(connection: &Connection, table: &str) -> Result<Self> {
        let sql = "SELECT q.rowid, ifnull(CAST(q.seq AS INTEGER), 0) FROM sqlite_schema s
            JOIN sqlite_sequence q ON q.name = s.name
            WHERE s.type = 'table' AND s.name = ?1 COLLATE NOCASE ORDER BY q.rowid LIMIT 1";
        let entry: Option<(i64, i64)> =
            connection.query_row(sql, [table], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(match entry {
            Some((rowid, largest)) => Self { entry: Some(rowid), largest },
            None => Self { entry: None, largest: 0 },
        })
    }

    /// The SQL that has SQLite remember the largest rowid of `rows` rows that were inserted into `table`; nothing if the
    /// number stays the same.
    pub(super) fn update_sql(&self, table: &str, rows: u64, largest_rowid: Option<i64>) -> Option<String> {
        let largest = largest_rowid.unwrap_or(0).max(self.largest);
        match self.entry {
            _ if rows == 0 => None,
            Some(_) if largest == self.largest => None,
            Some(rowid) => {
                Some(format!("UPDATE main.sqlite_sequence SET seq = {largest} WHERE rowid = {rowid}"))
            }
            None => Some(format!(
                "INSERT INTO main.sqlite_sequence (name, seq) SELECT name, {largest} FROM main.sqlite_schema
                WHERE type = 'table' AND name = {} COLLATE NOCASE",
                quote_text(table)
            )),
        }
    }
}
