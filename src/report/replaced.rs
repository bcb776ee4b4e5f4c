//! What a load replaces.

use super::grouped_count;
use serde::Serialize;
use std::fmt;

/// What a load has replaced or deleted, or would, in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Replaced {
    /// The number of rows of the old table.
    pub rows: u64,
    /// The indexes of the old table, without those that SQLite creates for keys.
    pub indexes: Vec<String>,
    /// The triggers of the old table.
    pub triggers: Vec<String>,
    /// Views that read the old table, and now read the new one.
    pub views: Vec<String>,
    /// True if the table is kept, and only its rows are deleted. Then no indexes, triggers and views are listed.
    pub keeps_table: bool,
}

impl Replaced {
    /// What has happened to `table`.
    pub(super) fn in_past(&self, table: &str) -> String {
        match self.keeps_table {
            true => format!("deleted {self} of {table}"),
            false => format!("replaced {table}: {self}"),
        }
    }

    /// What would happen to `table`.
    pub(super) fn in_present(&self, table: &str) -> String {
        match self.keeps_table {
            true => format!("deletes {self} of {table}"),
            false => format!("replaces {table}: {self}"),
        }
    }
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", grouped_count(self.rows, "row"))?;
        for (names, one, several) in
            [(&self.indexes, "index", "indexes"), (&self.triggers, "trigger", "triggers")]
        {
            if !names.is_empty() {
                write!(f, ", {} {}", if names.len() == 1 { one } else { several }, names.join(", "))?;
            }
        }
        if !self.views.is_empty() {
            let noun = if self.views.len() == 1 { "the view" } else { "the views" };
            write!(f, "; read by {noun} {}", self.views.join(", "))?;
        }
        Ok(())
    }
}
