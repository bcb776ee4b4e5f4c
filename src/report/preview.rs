//! What a load would do.

use super::{Explanation, grouped};
use crate::error::Printable;
use crate::plan::Dialect;
use std::fmt::{self, Write};
use std::path::PathBuf;

/// Inputs that are named.
const MAX_INPUTS: usize = 5;

/// What a load would do.
#[derive(Debug, Clone)]
pub struct Preview {
    /// What each input is called, and how it is written.
    pub inputs: Vec<(String, Dialect)>,
    /// The database.
    pub database: PathBuf,
    /// The table in it.
    pub table: String,
    /// What was decided about the columns and is worth to know.
    pub notes: Vec<String>,
    /// Whether the table is there already and is filled further.
    pub is_there: bool,
    /// The SQL that makes the table and its indexes, or has made them, and what changes one that is there.
    pub statements: Vec<String>,
    /// What the columns are filled with, if that is said in SQL.
    pub explanation: Option<Explanation>,
    /// The names of the table's columns, and its first rows with each value as SQL writes it, cut if it is long.
    pub rows: Vec<Vec<String>>,
    /// Records of the inputs that were tried.
    pub records: u64,
    /// Those of them that can not be loaded.
    pub rejected: u64,
    /// Those that are left out, since the plan says so.
    pub filtered: u64,
    /// Those that give way to rows with their key.
    pub ignored: u64,
    /// Whether a load ends for those that can not be loaded.
    pub exceeds_limit: bool,
    /// Whether there are no others.
    pub is_all: bool,
    /// Whether others may still change the type of a column.
    pub types_may_change: bool,
    /// Which writer would put the rows there.
    pub writer: &'static str,
    /// Why it would not be the direct path.
    pub writer_reason: Option<String>,
    /// Bytes that the rows would take in the database, as far as those that were tried are like the others; `None`: the
    /// size of an input is not known.
    pub estimated_bytes: Option<u64>,
    /// Bytes that are free where the database lies; `None`: the system does not say.
    pub free_bytes: Option<u64>,
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Printable::new(f);
        for (input, dialect) in self.inputs.iter().take(MAX_INPUTS) {
            writeln!(f, "{input}: {}", said(dialect))?;
        }
        if self.inputs.len() > MAX_INPUTS {
            writeln!(f, "and {} inputs more", self.inputs.len() - MAX_INPUTS)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
        let state = if self.is_there { ", which is there already" } else { "" };
        writeln!(f, "{}, table {}{state}:", self.database.display(), self.table)?;
        self.statements.iter().try_for_each(|sql| writeln!(f, "{sql};"))?;
        self.explanation.iter().try_for_each(|values| writeln!(f, "\n{values}"))?;
        writeln!(f)?;
        write_rows(f, &self.rows)?;
        writeln!(f)?;
        let which = if self.is_all { "all" } else { "the first" };
        write!(f, "tried {which} {} records: {} rejected", grouped(self.records), grouped(self.rejected))?;
        write!(f, "{}", if self.exceeds_limit { ", for which the load ends" } else { "" })?;
        for (count, what) in [(self.filtered, "filtered"), (self.ignored, "ignored")] {
            if count > 0 {
                write!(f, ", {} {what}", grouped(count))?;
            }
        }
        writeln!(
            f,
            "{}",
            if self.types_may_change { "; others may still change a column's type" } else { "" }
        )?;
        if self.is_there {
            writeln!(f, "the rows that are there already were not looked at")?;
        }
        write!(f, "{} writer", self.writer)?;
        self.writer_reason.iter().try_for_each(|reason| write!(f, ": {reason}"))?;
        writeln!(f)?;
        let needed = self
            .estimated_bytes
            .map_or("of unknown size".to_owned(), |bytes| format!("about {}", size(bytes)));
        let free = self.free_bytes.map_or(String::new(), |bytes| format!("; {} are free there", size(bytes)));
        let is_short = self.estimated_bytes > self.free_bytes && self.free_bytes.is_some();
        let warning = if is_short { ", which is not enough" } else { "" };
        writeln!(f, "the rows take {needed}{free}{warning}")?;
        write!(f, "nothing was changed, and no report or rejects were written (--dry-run)")
    }
}

/// How an input is written, in words.
fn said(dialect: &Dialect) -> String {
    let text = |bytes: &[u8]| {
        format!("'{}'", String::from_utf8_lossy(bytes).escape_debug().to_string().replace("\\\"", "\""))
    };
    let byte = |byte: u8| text(&[byte]);
    let Dialect { delimiter, quote, escape, comment, trim } = dialect;
    let mut said = format!("fields separated by {}", text(delimiter.as_bytes()));
    said += &quote.map_or(", no quotes".to_owned(), |quote| format!(", quoted by {}", byte(quote)));
    said += &escape.map_or(String::new(), |escape| format!(", escaped by {}", byte(escape)));
    said += &comment.map_or(String::new(), |comment| format!(", comments after {}", byte(comment)));
    if *trim {
        said += ", trimmed";
    }
    said
}

/// Rows below each other, the first of which are the names of the columns.
fn write_rows(f: &mut impl Write, rows: &[Vec<String>]) -> fmt::Result {
    let printable = |text: &String| -> String {
        let escaped = |char: char| match char.is_control() {
            true => char.escape_default().to_string(),
            false => char.to_string(),
        };
        text.chars().map(escaped).collect()
    };
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(printable).collect()).collect();
    let width =
        |column: usize| rows.iter().map(|row: &Vec<String>| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(f, "{}", cells.join(" | ").trim_end())?;
    }
    Ok(())
}

fn size(bytes: u64) -> String {
    match bytes {
        ..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
