//! The report on one of several tables.

use super::{Note, Replaced, Report, ReportColumn, counts_text, grouped_count, repairs_text};
use crate::batch::Repairs;
use serde::Serialize;
use std::fmt;

/// The report on one of the tables of a load.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TableReport {
    /// The name of the input.
    pub input: String,
    /// The name of the table.
    pub table: String,
    /// The columns of the table.
    pub columns: Vec<ReportColumn>,
    /// What the load has replaced or deleted; `None` if it has not replaced or emptied a table.
    pub replaced: Option<Replaced>,
    /// Decisions about the columns. In JSON they are texts.
    pub notes: Vec<Note>,
    /// The writer: `direct` or `statements`.
    pub writer: &'static str,
    /// Why the statement path was taken, unless the plan asked for it.
    pub writer_reason: Option<String>,
    /// The size of the input in bytes.
    pub bytes: u64,
    /// The number of records read: loaded, rejected, filtered, skipped and ignored.
    pub records: u64,
    /// Records that became rows: the sum of the two numbers that follow.
    pub loaded: u64,
    /// Records that became new rows.
    pub inserted: u64,
    /// Records that updated the row with their key.
    pub updated: u64,
    /// Records that were rejected.
    pub rejected: u64,
    /// Records that do not meet the conditions of the plan.
    pub filtered: u64,
    /// Records without a value, which the plan skips.
    pub skipped: u64,
    /// Records whose key already existed, and that the plan ignores for that reason.
    pub ignored: u64,
    /// How many of the other records were repaired, or are unusual.
    #[serde(flatten)]
    pub repairs: Repairs,
}

impl TableReport {
    /// Writes a line about the table, what it replaces, and these remarks.
    pub(super) fn write_summary(
        &self,
        text: &mut impl fmt::Write,
        remarks: &[String],
        is_upsert: bool,
    ) -> fmt::Result {
        let Self { input, table, records, loaded, rejected, filtered, skipped, ignored, .. } = self;
        let upserted = is_upsert.then_some([self.inserted, self.updated]);
        let counts = counts_text([*loaded, *rejected, *filtered, *skipped, *ignored], upserted);
        write!(text, "{table} from {input}: read {}: {counts}", grouped_count(*records, "record"))?;
        let repairs = repairs_text(&self.repairs);
        let separator = if repairs.is_empty() { "" } else { "; " };
        writeln!(text, "{separator}{repairs}")?;
        self.replaced.iter().try_for_each(|replaced| writeln!(text, "  {}", replaced.in_past(table)))?;
        remarks.iter().try_for_each(|remark| writeln!(text, "  {remark}"))
    }
}

impl Report {
    /// Adds the counts of a table.
    pub(crate) fn add(&mut self, table: &TableReport) {
        self.bytes += table.bytes;
        self.records += table.records;
        self.loaded += table.loaded;
        self.inserted += table.inserted;
        self.updated += table.updated;
        self.rejected += table.rejected;
        self.filtered += table.filtered;
        self.skipped += table.skipped;
        self.ignored += table.ignored;
        self.repairs += table.repairs;
        // The writer of the first table that the direct path did not fill.
        if self.writer == "direct" {
            self.writer = table.writer;
            self.writer_reason.clone_from(&table.writer_reason);
        }
    }
}
