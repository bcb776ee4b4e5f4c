//! A load that is only tried: what it would do, said before it is done.

use crate::aside::directory_of;
use crate::error::Result;
use crate::explain::Explanation;
use crate::load::{Load, SAMPLE_CHUNKS, leaves_rows_out, total_bytes};
use crate::pipeline::{Clocks, Pipeline};
use crate::plan::{Dialect, OnError, Plan, Policies};
use crate::rejects::Rejects;
use crate::report::{Progress, grouped};
use crate::sources::Sources;
use crate::target::Trial;
use crate::transform::Seed;
use crate::write::statements::Statements;
use crate::write::{Choice, choose};
use std::fmt;
use std::path::PathBuf;

/// Inputs that are named.
const MAX_INPUTS: usize = 5;

/// Rows that are shown.
const MAX_ROWS: u32 = 5;

/// Characters of a value that are shown.
const MAX_CHARS: u32 = 40;

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
    pub is_too_much: bool,
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

impl Load<'_> {
    /// Tries the first records in memory, and says what a load would do. Nothing is changed, and no file is made.
    pub(crate) fn preview(self) -> Result<Preview> {
        let list = self.open_inputs()?;
        let jobs = self.jobs();
        let described = self.describe(&list, jobs, false)?;
        let Plan { table, tuning, .. } = &described.plan;
        let sources = Sources::new(&list, &described.plan, table, Seed::fixed(0))?;
        let trial = Trial::open(self.database, table, tuning)?;
        let choice = choose(tuning.writer, table, &trial.path, trial.is_new)?;

        // All inputs together are to fit in memory.
        let max_chunks = (SAMPLE_CHUNKS / list.len().max(1)).max(1);
        let (progress, clocks) = (Progress::default(), Clocks::default());
        let pipeline = Pipeline { jobs, progress: &progress, stop: self.stop, clocks: &clocks };
        let mut writer = Statements::new(&trial.connection, &trial.path, table, tuning.batch_rows)?;
        // It goes on past records that a load may end for, and keeps none.
        let policies = Policies::default();
        let mut rejects = Rejects::open(&policies, &list, &mut Vec::new())?;
        let counts = sources.run(pipeline, &mut writer, max_chunks, Some(&mut rejects));
        rejects.say();
        let counts = counts?;
        let choice = match choice {
            Choice::Direct if counts.refused + counts.ignored > 0 && leaves_rows_out(self.plan) => {
                Choice::Statements(Some("rows break a constraint".to_owned()))
            }
            choice => choice,
        };
        let allowed = match self.plan.policies.on_error {
            OnError::Abort => 0,
            OnError::Skip => self.plan.policies.max_errors.unwrap_or(u64::MAX),
        };
        let is_all = sources.have_no_more_than(max_chunks)?;
        let unfinished = pipeline.finish(writer)?;
        let rows = trial.rows(table, MAX_ROWS, MAX_CHARS)?;
        let tried_bytes = trial.finish(&unfinished)?;
        let estimated_bytes = match (is_all, self.plan.head.max_records) {
            (true, _) => Some(tried_bytes),
            (false, Some(most)) => scaled(tried_bytes, most, counts.records),
            (false, None) => total_bytes(&list).and_then(|all| scaled(tried_bytes, all, progress.bytes())),
        };
        let free = rustix::fs::statvfs(directory_of(&trial.path));
        Ok(Preview {
            inputs: list.iter().map(|source| (source.name().to_string(), source.dialect)).collect(),
            database: self.database.to_owned(),
            table: table.name.clone(),
            notes: described.notes,
            is_there: trial.is_there,
            statements: [trial.statements, table.after.clone()].concat(),
            explanation: (!described.plan.mentions.is_empty()).then(|| Explanation::of(&described.plan)),
            rows,
            records: counts.records,
            rejected: counts.rejected,
            filtered: counts.filtered,
            ignored: counts.ignored,
            is_too_much: counts.rejected > allowed,
            is_all,
            types_may_change: described.is_guess && !is_all,
            writer: choice.name(),
            writer_reason: choice.reason(),
            estimated_bytes,
            free_bytes: free.ok().map(|space| space.f_bavail * space.f_frsize),
        })
    }
}

/// What `bytes` come to if there are so many of what only a part was seen of.
fn scaled(bytes: u64, all: u64, part: u64) -> Option<u64> {
    (part > 0).then(|| (bytes as f64 * (all as f64 / part as f64)) as u64)
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        write!(f, "{}", if self.is_too_much { ", for which the load ends" } else { "" })?;
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
    let Dialect { delimiter, quote, escape, comment, trims } = dialect;
    let mut said = format!("fields separated by {}", text(delimiter.as_bytes()));
    said += &quote.map_or(", no quotes".to_owned(), |quote| format!(", quoted by {}", byte(quote)));
    said += &escape.map_or(String::new(), |escape| format!(", escaped by {}", byte(escape)));
    said += &comment.map_or(String::new(), |comment| format!(", comments after {}", byte(comment)));
    if *trims {
        said += ", trimmed";
    }
    said
}

/// Rows below each other, the first of which are the names of the columns.
fn write_rows(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
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
