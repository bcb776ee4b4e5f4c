//! What a load is doing, while it runs, and what it did, at its end.

mod explanation;
mod preview;

pub use explanation::{Evaluation, Explanation};
pub use preview::Preview;

use crate::batch::Repairs;
use crate::error::Printable;
use crate::plan::Column;
use serde::Serialize;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters of a running load, for whoever wants to watch it.
#[derive(Debug, Default)]
pub struct Progress {
    total_bytes: AtomicU64,
    bytes: AtomicU64,
    rows: AtomicU64,
    is_committing: AtomicBool,
}

impl Progress {
    /// Bytes of input in all; 0 until that is known.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of input whose rows have been written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Rows written.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// True once the load commits. It can then no longer be interrupted, and to end the process would hide that the rows
    /// are loaded.
    #[must_use]
    pub fn is_committing(&self) -> bool {
        self.is_committing.load(Ordering::SeqCst)
    }

    pub(crate) fn set_committing(&self, is_committing: bool) {
        self.is_committing.store(is_committing, Ordering::SeqCst);
    }

    pub(crate) fn set_total_bytes(&self, bytes: u64) {
        self.total_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Begins to count anew.
    pub(crate) fn restart(&self) {
        self.set_committing(false);
        self.bytes.store(0, Ordering::Relaxed);
        self.rows.store(0, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64, rows: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }
}

/// What a load did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The inputs.
    #[serde(serialize_with = "lossy_list")]
    pub inputs: Vec<PathBuf>,
    /// The database.
    #[serde(serialize_with = "lossy")]
    pub database: PathBuf,
    /// The table in it.
    pub table: String,
    /// Its columns.
    pub columns: Vec<ReportColumn>,
    /// What was decided about the columns and is worth to know.
    pub notes: Vec<String>,
    /// Which writer put the rows there.
    pub writer: &'static str,
    /// Why it was not the direct path, if that would have been taken.
    pub writer_reason: Option<String>,
    /// Worker threads.
    pub jobs: usize,
    /// Bytes of input.
    pub bytes: u64,
    /// Records read: always the sum of the following four.
    pub records: u64,
    /// Records that became rows.
    pub loaded: u64,
    /// Records that could not be loaded.
    pub rejected: u64,
    /// Records that the plan left out.
    pub filtered: u64,
    /// Records that met a row with their key and gave way.
    pub ignored: u64,
    /// What there is about the records that were not rejected for their form or types.
    #[serde(flatten)]
    pub repairs: Repairs,
    /// True if the rows are on disk; false if the system reported a failure after the commit, so that they may not be;
    /// `None` if the load was not told to wait for the disk.
    pub is_durable: Option<bool>,
    /// What failed after the rows were loaded.
    pub warnings: Vec<String>,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Rows loaded a second.
    pub rows_per_second: f64,
    /// Megabytes (10^6 bytes) of input a second.
    pub megabytes_per_second: f64,
    /// Where the time went.
    pub stages: Stages,
}

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportColumn {
    /// Its name.
    pub name: String,
    /// What it is declared as.
    pub declaration: String,
}

impl From<&Column> for ReportColumn {
    fn from(column: &Column) -> Self {
        Self { name: column.name.clone(), declaration: column.declaration.clone() }
    }
}

/// Seconds that the stages were at work. They overlap; whichever is nearest to the whole is the bottleneck.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Stages {
    /// Cutting the input into chunks, on one thread.
    pub split_seconds: f64,
    /// Parsing, transforming and encoding, summed over the workers.
    pub parse_seconds: f64,
    /// Writing rows, on one thread.
    pub write_seconds: f64,
    /// Making the result durable and putting it in its place.
    pub finish_seconds: f64,
}

impl Report {
    /// Writes it as JSON.
    pub(crate) fn write_json(&self, to: &mut impl Write) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        to.write_all(&json)?;
        to.flush()
    }
}

/// A path for JSON, which knows only Unicode.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn lossy_list<S: serde::Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.display().to_string()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Printable::new(f);
        let Self { records, loaded, rejected, filtered, ignored, stages, jobs, .. } = self;
        match self.inputs.as_slice() {
            [input] => write!(f, "{}", input.display())?,
            inputs => write!(f, "{} inputs", inputs.len())?,
        }
        writeln!(f, " -> {}, table {}", self.database.display(), self.table)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
        let counts =
            [(*loaded, "loaded"), (*rejected, "rejected"), (*filtered, "filtered"), (*ignored, "ignored")];
        let said = counts.iter().enumerate().filter(|(at, (count, _))| *at < 2 || *count > 0);
        let said: Vec<_> = said.map(|(_, (count, name))| format!("{} {name}", grouped(*count))).collect();
        writeln!(f, "read {} records: {}", grouped(*records), said.join(", "))?;
        let odd = odd(&self.repairs);
        if !odd.is_empty() {
            writeln!(f, "{odd}")?;
        }
        writeln!(
            f,
            "{:.3} s, {} rows/s, {:.1} MB/s ({} writer{})",
            self.seconds,
            grouped(self.rows_per_second as u64),
            self.megabytes_per_second,
            self.writer,
            self.writer_reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
        )?;
        let Stages { split_seconds, parse_seconds, write_seconds, finish_seconds } = stages;
        write!(
            f,
            "time at work: split {split_seconds:.3} s, parse {parse_seconds:.3} s on {jobs} {}, write {write_seconds:.3} s, finish {finish_seconds:.3} s",
            if *jobs == 1 { "thread" } else { "threads" },
        )
    }
}

/// What there is to say about the records that became rows.
fn odd(repairs: &Repairs) -> String {
    let Repairs { padded, cut, utf8_replaced, nul_values } = *repairs;
    let parts = [
        (padded, "too short, padded with NULL"),
        (cut, "too long, cut off"),
        (utf8_replaced, "not UTF-8, mended with U+FFFD"),
        (nul_values, "values with a NUL byte"),
    ];
    let said = parts.iter().filter(|(count, _)| *count > 0);
    said.map(|(count, what)| format!("{} {what}", grouped(*count))).collect::<Vec<_>>().join("; ")
}

/// A number with its digits in groups of three: `2_500_000` as `2 500 000`.
pub(crate) fn grouped(number: u64) -> String {
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
