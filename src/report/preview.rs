//! The preview of a load.

use super::file::Outcome;
use super::remarks::remarks;
use super::{Explanation, Note, Replaced, grouped, grouped_count};
use crate::error::{Error, Printable, Warning, printable_line};
use crate::plan::{Dialect, Escapes};
use serde::Serialize;
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

/// A preview for programs.
#[derive(Debug, Serialize)]
pub(crate) struct PreviewReport<'p> {
    #[serde(skip)]
    pub(super) preview: &'p Preview,
    is_preview: bool,
    pub(super) inputs: Vec<&'p str>,
    pub(super) database: String,
    table: &'p str,
    statements: &'p [String],
    replaced: Option<&'p Replaced>,
    pub(super) notes: &'p [Note],
    pub(super) warnings: &'p [Warning],
    records: u64,
    rejected: u64,
    filtered: u64,
    ignored: u64,
    is_complete: bool,
    writer: &'static str,
    writer_reason: Option<&'p str>,
    estimated_bytes: Option<u64>,
    free_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) other_tables: Vec<PreviewReport<'p>>,
}

/// The number of inputs to list.
const MAX_INPUTS: usize = 5;

/// What a load would do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Preview {
    /// The names of the inputs, and the dialects of those that are CSV.
    pub inputs: Vec<(String, Option<Dialect>)>,
    /// The database.
    pub database: PathBuf,
    /// The name of the table.
    pub table: String,
    /// Decisions about the inputs and columns.
    pub notes: Vec<Note>,
    /// What the load would replace or delete; `None` if it would not replace or empty a table.
    pub replaced: Option<Replaced>,
    /// What looks wrong in the inputs, as far as their records were tried.
    pub warnings: Vec<Warning>,
    /// True if rows would be added to an existing table.
    pub table_exists: bool,
    /// The SQL of the table and its indexes, followed by the statements that change an existing table.
    pub statements: Vec<String>,
    /// The expressions of the load, if it has any in SQL.
    pub explanation: Option<Explanation>,
    /// The names of the columns, followed by the first rows. Values are SQL literals; long ones are cut.
    pub rows: Vec<Vec<String>>,
    /// The number of records tried.
    pub records: u64,
    /// Tried records that would be rejected.
    pub rejected: u64,
    /// Tried records that do not meet the conditions of the plan.
    pub filtered: u64,
    /// Records without a value, which the plan skips.
    pub skipped: u64,
    /// Tried records that would be ignored because their key exists.
    pub ignored: u64,
    /// The error with which the load would end because of the rejected records.
    pub failure: Option<Arc<Error>>,
    /// True if all records were tried.
    pub is_complete: bool,
    /// True if the types of columns may change because of records that were not tried.
    pub types_may_change: bool,
    /// The writer: `direct` or `statements`.
    pub writer: &'static str,
    /// Why the statement path would be taken, unless the plan asks for it.
    pub writer_reason: Option<String>,
    /// An estimate of the bytes that the rows would take in the database; `None` if the size of an input is unknown.
    pub estimated_bytes: Option<u64>,
    /// The other tables, if each input has a table of its own.
    pub other_tables: Vec<Preview>,
    /// The free space in bytes on the file system of the database; `None` if it is unknown.
    pub free_bytes: Option<u64>,
}

impl Preview {
    /// The preview for people, with notes and warnings as these functions word them. `Display` gives the same with notes and
    /// warnings as they are.
    #[must_use]
    pub fn summary(
        &self,
        phrase_note: impl Fn(&Note) -> String,
        phrase_warning: impl Fn(&Warning) -> String,
    ) -> String {
        let mut text = String::new();
        let of_table = |table: &Self| remarks(&table.warnings, &table.notes, &phrase_note, &phrase_warning);
        let remarks: Vec<_> = self.tables().map(of_table).collect();
        // Writing to a String cannot fail.
        let printable = &mut Printable::new(&mut text);
        let tables = self.tables().enumerate();
        let _ = tables.zip(&remarks).try_for_each(|((number, table), remarks)| {
            printable.write_str(if number == 0 { "" } else { "\n" })?;
            table.write_plan(printable, remarks)?;
            table.write_outcome(printable)
        });
        text += "nothing was changed, and no rejects were written";
        text
    }

    /// This preview and those of the other tables.
    fn tables(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.other_tables)
    }

    /// The error with which the load would end because of the rejected records of any table.
    #[must_use]
    pub fn load_failure(&self) -> Option<&Error> {
        self.tables().find_map(|table| table.failure.as_deref())
    }

    /// The exit code of the load that this is a preview of, as far as the tried records show: 0, 1, or 3 if records would be
    /// rejected.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.load_failure() {
            Some(error) => error.exit_code(),
            None if self.tables().any(|table| table.rejected > 0) => 3,
            None => 0,
        }
    }

    pub(crate) fn outcome(&self) -> Outcome<'_, PreviewReport<'_>> {
        let report = self.report();
        match self.load_failure() {
            Some(error) => Outcome::failure(error, report),
            None => Outcome::success("checked", self.exit_code(), report),
        }
    }

    fn report(&self) -> PreviewReport<'_> {
        PreviewReport {
            preview: self,
            is_preview: true,
            inputs: self.inputs.iter().map(|(name, _)| name.as_str()).collect(),
            database: self.database.display().to_string(),
            table: &self.table,
            statements: &self.statements,
            replaced: self.replaced.as_ref(),
            notes: &self.notes,
            warnings: &self.warnings,
            records: self.records,
            rejected: self.rejected,
            filtered: self.filtered,
            ignored: self.ignored,
            is_complete: self.is_complete,
            writer: self.writer,
            writer_reason: self.writer_reason.as_deref(),
            estimated_bytes: self.estimated_bytes,
            free_bytes: self.free_bytes,
            other_tables: self.other_tables.iter().map(Self::report).collect(),
        }
    }

    /// Writes what would be loaded, and how.
    fn write_plan(&self, text: &mut impl fmt::Write, remarks: &[String]) -> fmt::Result {
        for (input, dialect) in self.inputs.iter().take(MAX_INPUTS) {
            let dialect = dialect.as_ref().map_or("columns with types".to_owned(), describe);
            writeln!(text, "{input}: {dialect}")?;
        }
        if self.inputs.len() > MAX_INPUTS {
            let others = grouped_count((self.inputs.len() - MAX_INPUTS) as u64, "more input");
            writeln!(text, "and {others}")?;
        }
        remarks.iter().try_for_each(|remark| writeln!(text, "{remark}"))?;
        let state = if self.table_exists { " (exists)" } else { "" };
        writeln!(text, "{}, table {}{state}:", self.database.display(), self.table)?;
        if let Some(replaced) = &self.replaced {
            writeln!(text, "{}", replaced.in_present(&self.table))?;
        }
        self.statements.iter().try_for_each(|sql| writeln!(text, "{sql};"))?;
        self.explanation.iter().try_for_each(|explanation| writeln!(text, "\n{explanation}"))?;
        writeln!(text)?;
        write_rows(text, &self.rows)?;
        writeln!(text)
    }

    /// Writes the outcome for the records that were tried, and the space that is needed.
    fn write_outcome(&self, text: &mut impl fmt::Write) -> fmt::Result {
        let records = match (self.is_complete, self.records) {
            (true, 1) => "1 record".to_owned(),
            (true, number) => format!("all {}", grouped_count(number, "record")),
            (false, number) => format!("the first {}", grouped_count(number, "record")),
        };
        write!(text, "tried {records}: {} rejected", grouped(self.rejected))?;
        write!(text, "{}", if self.failure.is_some() { ", which would end the load" } else { "" })?;
        let others = [(self.filtered, "filtered"), (self.skipped, "skipped"), (self.ignored, "ignored")];
        for (count, name) in others {
            if count > 0 {
                write!(text, ", {} {name}", grouped(count))?;
            }
        }
        let types =
            if self.types_may_change { "; later records may change the type of a column" } else { "" };
        writeln!(text, "{types}")?;
        if self.table_exists {
            writeln!(text, "the existing rows of the table were not tried")?;
        }
        write!(text, "{} writer", self.writer)?;
        self.writer_reason.iter().try_for_each(|reason| write!(text, ": {reason}"))?;
        writeln!(text)?;
        let needed = self
            .estimated_bytes
            .map_or("an unknown amount of space".to_owned(), |bytes| format!("about {}", size(bytes)));
        let free = self.free_bytes.map_or(String::new(), |bytes| format!("; {} are free", size(bytes)));
        let is_short = self.estimated_bytes > self.free_bytes && self.free_bytes.is_some();
        let warning = if is_short { ", which is not enough" } else { "" };
        writeln!(text, "the rows take {needed}{free}{warning}")
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary(Note::to_string, Warning::to_string))
    }
}

/// A dialect in words.
pub(super) fn describe(dialect: &Dialect) -> String {
    let text = |bytes: &[u8]| {
        format!("'{}'", String::from_utf8_lossy(bytes).escape_debug().to_string().replace("\\\"", "\""))
    };
    let byte = |byte: u8| text(&[byte]);
    let Dialect { delimiter, quote, escape, escapes, comment, trim } = dialect;
    let mut description = match delimiter.is_blanks() {
        true => "fields separated by blanks".to_owned(),
        false => format!("fields separated by {}", text(delimiter.as_bytes())),
    };
    description += &quote.map_or(", no quotes".to_owned(), |quote| format!(", quoted by {}", byte(quote)));
    let escapes = match escapes {
        Escapes::Quoted => "",
        Escapes::MySql => " as in MySQL",
        Escapes::Postgres => " as in PostgreSQL",
    };
    description += &escape.map_or(String::new(), |escape| format!(", escaped by {}{escapes}", byte(escape)));
    let comment = comment.map(|prefix| format!(", comments start with {}", text(prefix.as_bytes())));
    description += &comment.unwrap_or_default();
    if *trim {
        description += ", trimmed";
    }
    description
}

/// Writes rows as a table. The first row is the names of the columns.
fn write_rows(text: &mut impl fmt::Write, rows: &[Vec<String>]) -> fmt::Result {
    let rows: Vec<Vec<_>> =
        rows.iter().map(|row| row.iter().map(|value| printable_line(value)).collect()).collect();
    let width =
        |column: usize| rows.iter().map(|row: &Vec<String>| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(text, "{}", cells.join(" | ").trim_end())?;
    }
    Ok(())
}

fn size(bytes: u64) -> String {
    match bytes {
        ..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
