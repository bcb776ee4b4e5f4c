//! The progress of a load while it runs, and its report at the end, in JSON or as a page of HTML.

mod explanation;
mod file;
mod html;
mod note;
mod outline;
mod page;
mod preview;
mod progress;
mod rejected;
mod remarks;
mod replaced;
mod table;
mod throughput;

pub use crate::types::RealFormat;
pub use explanation::{Evaluation, Explanation};
pub use file::write_failure;
pub(crate) use file::{LoadArguments, Outcome, ReportFile, other_files};
pub use note::{Note, NotedValue};
pub use page::Phrases;
pub(crate) use page::{ExplainedLoad, PageContext};
pub use preview::Preview;
pub use progress::{Phase, Progress};
pub(crate) use rejected::RejectedRecord;
use remarks::{is_usual, remarks};
pub use replaced::Replaced;
pub use table::TableReport;
pub(crate) use throughput::Throughput;

use crate::batch::{Repairs, TypeFeedback};
use crate::error::{Printable, Warning, count};
use crate::files::output::is_stdout;
use crate::plan::Column;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The report of a finished load.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The inputs.
    #[serde(serialize_with = "lossy_list")]
    pub inputs: Vec<PathBuf>,
    /// The database.
    #[serde(serialize_with = "lossy")]
    pub database: PathBuf,
    /// The name of the table; empty if each input has a table of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub table: String,
    /// The columns of the table; empty if each input has a table of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ReportColumn>,
    /// What the load has replaced or deleted; `None` if it has not replaced or emptied a table.
    pub replaced: Option<Replaced>,
    /// The tables, if each input has one of its own. The counts of the report are then the sums of theirs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableReport>,
    /// Decisions about the inputs and columns. In JSON they are texts.
    pub notes: Vec<Note>,
    /// The writer: `direct` or `statements`.
    pub writer: &'static str,
    /// Why the statement path was taken, unless the plan asked for it.
    pub writer_reason: Option<String>,
    /// The number of worker threads.
    pub jobs: usize,
    /// The size of the inputs in bytes.
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
    /// The files that keep the rejected records; `-` is standard output.
    #[serde(serialize_with = "lossy_list")]
    pub rejects: Vec<PathBuf>,
    /// True if the finished database was checked.
    pub is_verified: bool,
    /// True if rows with an existing key were to update its row.
    #[serde(skip)]
    pub(crate) is_upsert: bool,
    /// True if the rows are on disk; false if the system reported a failure after the commit, so that they may not be;
    /// `None` if the load did not wait for the disk.
    pub is_durable: Option<bool>,
    /// What looks wrong in the inputs, and what failed after the rows were loaded. In JSON they are texts.
    pub warnings: Vec<Warning>,
    /// The duration of the load in seconds.
    pub seconds: f64,
    /// Rows per second.
    pub rows_per_second: f64,
    /// Megabytes (10^6 bytes) of input per second.
    pub megabytes_per_second: f64,
    /// How long each stage was busy.
    pub stages: Stages,
}

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReportColumn {
    /// Its name.
    pub name: String,
    /// Its declaration.
    pub declaration: String,
    /// If its type was inferred to be REAL, or it has numeric affinity and a value with a fraction, the format that gives back
    /// its texts, such as `fixed(2)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<RealFormat>,
}

impl ReportColumn {
    /// The columns of a loaded table, of whose values `feedback` is known.
    pub(crate) fn list(columns: &[Column], feedback: &TypeFeedback) -> Vec<Self> {
        let column = |(index, Column { name, declaration, .. }): (usize, &Column)| {
            let format = match declaration.starts_with("REAL") {
                true => feedback.format(index),
                false => feedback.numeric_format(index),
            };
            Self { name: name.clone(), declaration: declaration.clone(), format }
        };
        columns.iter().enumerate().map(column).collect()
    }
}

/// Seconds for which each stage was busy. Stages overlap; the one closest to the duration of the load is the bottleneck.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[non_exhaustive]
pub struct Stages {
    /// Splitting the inputs into chunks, on one thread.
    pub split_seconds: f64,
    /// Parsing, evaluating and encoding, summed over the workers.
    pub parse_seconds: f64,
    /// Writing rows, on one thread.
    pub write_seconds: f64,
    /// Creating indexes, syncing, and putting the database into place.
    pub finish_seconds: f64,
}

impl Report {
    /// The summary for people, with notes and warnings as these functions word them. `Display` gives the same with notes and
    /// warnings as they are.
    #[must_use]
    pub fn summary(
        &self,
        phrase_note: impl Fn(&Note) -> String,
        phrase_warning: impl Fn(&Warning) -> String,
    ) -> String {
        let mut text = String::new();
        let of_table = |table: &TableReport| remarks(&[], &table.notes, &phrase_note, &phrase_warning);
        let table_remarks: Vec<_> = self.tables.iter().map(of_table).collect();
        let remarks = remarks(&self.warnings, &self.notes, phrase_note, phrase_warning);
        // Writing to a String cannot fail.
        let _ = self.write_summary(&mut Printable::new(&mut text), &remarks, &table_remarks);
        text
    }

    fn write_summary(
        &self,
        text: &mut impl fmt::Write,
        remarks: &[String],
        table_remarks: &[Vec<String>],
    ) -> fmt::Result {
        let inputs = match self.inputs.as_slice() {
            [input] => input.display().to_string(),
            inputs => count(inputs.len() as u64, "input"),
        };
        let commas = self.notes.iter().find(|note| is_usual(note));
        let commas = commas.map_or(String::new(), |note| format!(" ({note})"));
        let table = match self.table.as_str() {
            "" => count(self.tables.len() as u64, "table"),
            table => format!("table {table}"),
        };
        writeln!(text, "{inputs} -> {}, {table}{commas}", self.database.display())?;
        if let Some(replaced) = &self.replaced {
            writeln!(text, "{}", replaced.in_past(&self.table))?;
        }
        remarks.iter().try_for_each(|remark| writeln!(text, "{remark}"))?;
        for (table, remarks) in self.tables.iter().zip(table_remarks) {
            table.write_summary(text, remarks, self.is_upsert)?;
        }
        let repairs = repairs_text(&self.repairs);
        if !repairs.is_empty() {
            writeln!(text, "{repairs}")?;
        }
        if let [first, others @ ..] = self.rejects.as_slice() {
            let more = if others.is_empty() {
                String::new()
            } else {
                format!(" and {}", count(others.len() as u64, "more file"))
            };
            match is_stdout(first) {
                true => writeln!(text, "the rejected records are on standard output")?,
                false => writeln!(text, "the rejected records are in {}{more}", first.display())?,
            }
        }
        if self.is_verified {
            writeln!(text, "verified the integrity of the database and the number of rows")?;
        }
        write!(
            text,
            "read {}: {}; {:.3} s, {} rows/s, {:.1} MB/s ({} writer{})",
            grouped_count(self.records, "record"),
            self.counts(),
            self.seconds,
            grouped(self.rows_per_second as u64),
            self.megabytes_per_second,
            self.writer,
            self.writer_reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
        )
    }

    /// How long each stage was busy, for people.
    #[must_use]
    pub fn stages_text(&self) -> String {
        let Stages { split_seconds, parse_seconds, write_seconds, finish_seconds } = self.stages;
        format!(
            "busy: split {split_seconds:.3} s, parse {parse_seconds:.3} s on {}, write {write_seconds:.3} s, finish {finish_seconds:.3} s",
            count(self.jobs as u64, "thread"),
        )
    }

    /// Makes this the duration of the load.
    pub(crate) fn finished_after(&mut self, duration: Duration) {
        self.seconds = duration.as_secs_f64();
        self.rows_per_second = self.loaded as f64 / self.seconds;
        self.megabytes_per_second = self.bytes as f64 / 1e6 / self.seconds;
    }

    /// What became of the records.
    fn counts(&self) -> String {
        let upserted = self.is_upsert.then_some([self.inserted, self.updated]);
        counts_text([self.loaded, self.rejected, self.filtered, self.skipped, self.ignored], upserted)
    }

    /// The exit code of the program after this load: 0, 3 if records were rejected, or 4 if the rows are not known to be on
    /// disk.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.is_durable {
            Some(false) => 4,
            _ if self.rejected > 0 => 3,
            _ => 0,
        }
    }

    pub(crate) fn outcome(&self) -> Outcome<'_, &Self> {
        Outcome::success("loaded", self.exit_code(), self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary(Note::to_string, Warning::to_string))
    }
}

/// Serializes a path, with U+FFFD in place of invalid Unicode.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn lossy_list<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.display().to_string()))
}

/// What became of records: how many were loaded, rejected, filtered, skipped and ignored. The first two are always mentioned.
/// For an upsert also how many were inserted and updated.
fn counts_text(counts: [u64; 5], upserted: Option<[u64; 2]>) -> String {
    let loaded = upserted.map_or("loaded".to_owned(), |[inserted, updated]| {
        format!("loaded ({} inserted, {} updated)", grouped(inserted), grouped(updated))
    });
    let names = [
        (loaded.as_str(), true),
        ("rejected", true),
        ("filtered", false),
        ("skipped without a value", false),
        ("ignored", false),
    ];
    let counts = counts.into_iter().zip(names);
    let counts = counts.filter(|(count, (_, is_always_shown))| *is_always_shown || *count > 0);
    counts.map(|(count, (name, _))| format!("{} {name}", grouped(count))).collect::<Vec<_>>().join(", ")
}

/// The repairs that were made; empty if none were.
fn repairs_text(repairs: &Repairs) -> String {
    let Repairs { padded, cut, utf8_replaced, nul_values, nan_nulls } = *repairs;
    let parts = [
        (padded, grouped_count(padded, "record"), "too short, padded with NULL"),
        (cut, grouped_count(cut, "record"), "too long, extra fields dropped"),
        (utf8_replaced, grouped_count(utf8_replaced, "record"), "with invalid UTF-8, replaced with U+FFFD"),
        (nul_values, grouped_count(nul_values, "value"), "with a NUL byte"),
        (nan_nulls, grouped_count(nan_nulls, "NaN"), "stored as NULL"),
    ];
    let parts = parts.iter().filter(|(number, ..)| *number > 0);
    parts.map(|(_, count, repair)| format!("{count} {repair}")).collect::<Vec<_>>().join("; ")
}

/// The number of things with this noun, with the digits in groups: `2 500 000 records`.
#[must_use]
pub fn grouped_count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with its digits in groups of three: `2_500_000` as `2 500 000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped_from_the_right() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1 000"), (2_500_000, "2 500 000")];
        for (number, expected) in cases {
            assert_eq!(grouped(number), expected);
        }
    }
}
