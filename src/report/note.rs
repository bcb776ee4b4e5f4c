//! Decisions of a load that the user should know of.

use super::ReportColumn;
use crate::error::{count, quoted};
use crate::input::name_list;
use crate::plan::Delimiter;
use crate::types::RealFormat;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A decision of a load that the user should know of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Note {
    /// A column could not keep its name from the header: what is wrong with that name, and the name it got.
    HeaderName(String),
    /// Members of an archive are no inputs.
    SkippedMembers {
        /// The path of the archive.
        archive: Arc<str>,
        /// The names of these members.
        members: Vec<String>,
    },
    /// Bytes that follow the compressed ones in a file were ignored.
    TrailingGarbage {
        /// The path of the file.
        file: Arc<str>,
    },
    /// An input is empty, so it has no table of its own.
    EmptyInput {
        /// The input.
        input: Arc<str>,
    },
    /// An input has fewer records than are to be skipped, so none is loaded.
    SkippedAll {
        /// The input.
        input: Arc<str>,
        /// The number of its records.
        records: u64,
        /// The number of records that are to be skipped.
        skipped: u64,
        /// True if they are to be skipped at the end, false if after the header.
        is_footer: bool,
    },
    /// The table of an input has another name than the input suggests, because that name is in use or reserved.
    TableName {
        /// The input.
        input: Arc<str>,
        /// The name of its table.
        table: String,
    },
    /// Invalid UTF-8 in the header was replaced with U+FFFD.
    HeaderUtf8Replaced,
    /// The delimiter was detected in the first records.
    DetectedDelimiter(Delimiter),
    /// The delimiter was detected, but another one separates the first records, too.
    AmbiguousDelimiter {
        /// The delimiter that was chosen.
        delimiter: Delimiter,
        /// The other one.
        other: Delimiter,
    },
    /// The first line of the input names the delimiter, as in `sep=;`.
    NamedDelimiter(Delimiter),
    /// No delimiter was detected, so records have one field.
    NoDelimiter,
    /// A column starts with numbers, but its type is TEXT.
    TextColumn {
        /// The column.
        column: String,
        /// Why it cannot be INTEGER or REAL.
        reason: String,
        /// The values that show it: one, or two that contradict each other.
        examples: Vec<NotedValue>,
    },
    /// A column starts with numbers and is compared or computed with numbers in SQL, but its type is TEXT.
    TextUsedAsNumber {
        /// The column.
        column: String,
        /// Why it cannot be INTEGER or REAL.
        reason: String,
        /// The values that show it: one, or two that contradict each other.
        examples: Vec<NotedValue>,
    },
    /// Columns of an existing table without a declared type have numbers, and get TEXT.
    TextAmongNumbers(Vec<String>),
    /// Numbers in a declared REAL column have more digits than a 64-bit float preserves.
    RoundedReals {
        /// The column.
        column: String,
        /// How many were rounded.
        count: u64,
    },
    /// A table that rows were to be added to did not exist.
    CreatedTable(String),
    /// A table had rows that were replaced or deleted, and has none now.
    EmptiedTable(String),
    /// A view of the table cannot be read.
    BrokenView {
        /// The view.
        view: String,
        /// SQLite's message.
        message: String,
    },
    /// A table has triggers or foreign keys that refer to the replaced table, and do not fit the new one.
    BrokenTable {
        /// The table that has them.
        table: String,
        /// SQLite's message.
        message: String,
    },
    /// The columns whose type was inferred to be REAL, each with the format that gives back its texts.
    RealColumns(Vec<(String, RealFormat)>),
    /// The same for columns with a declared type of numeric affinity.
    NumericColumns(Vec<(String, RealFormat)>),
}

/// A value of the input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NotedValue {
    /// Its text, or the first characters if it is long.
    pub text: String,
    /// Its line, counted from 1.
    pub line: Option<u64>,
    /// Its input, if the load has several inputs.
    pub input: Option<Arc<str>>,
}

impl NotedValue {
    /// Where it is, with a space before it.
    fn place(&self) -> String {
        let line = self.line.map_or(String::new(), |line| format!(" at line {line}"));
        let input = self.input.as_ref().map_or(String::new(), |input| format!(" of {input}"));
        line + &input
    }
}

impl fmt::Display for NotedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.text, self.place())
    }
}

impl Note {
    /// The notes about the formats of the numbers of a table.
    pub(crate) fn number_formats(columns: &[ReportColumn]) -> impl Iterator<Item = Self> {
        let (reals, others): (Vec<_>, Vec<_>) =
            columns.iter().partition(|column| column.declaration.starts_with("REAL"));
        let formats = |columns: Vec<&ReportColumn>| -> Vec<_> {
            columns.into_iter().filter_map(|column| Some((column.name.clone(), column.format?))).collect()
        };
        let notes = [Self::RealColumns(formats(reals)), Self::NumericColumns(formats(others))];
        let has_columns = |note: &Self| !matches!(note, Self::RealColumns(columns) | Self::NumericColumns(columns) if columns.is_empty());
        notes.into_iter().filter(has_columns)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderName(change) => f.write_str(change),
            Self::SkippedMembers { archive, members } => {
                let count = count(members.len() as u64, "member");
                write!(f, "{archive}: skipped {count}: {}; {archive}//NAME selects one", name_list(members))
            }
            Self::TrailingGarbage { file } => {
                write!(f, "{file}: ignored what follows the compressed data, which is not gzip")
            }
            Self::EmptyInput { input } => write!(f, "{input} is empty and has no table"),
            Self::SkippedAll { input, records, skipped, is_footer } => {
                let (skipped, records) = (count(*skipped, "record"), count(*records, "record"));
                let place = if *is_footer { "at its end" } else { "before the others" };
                write!(f, "{input}: nothing is left after {skipped} {place}, since the input has {records}")
            }
            Self::TableName { input, table } => {
                write!(
                    f,
                    "{input}: its table is named {table:?}, since the name of the file is in use or reserved"
                )
            }
            Self::HeaderUtf8Replaced => f.write_str("invalid UTF-8 in the header was replaced with U+FFFD"),
            Self::DetectedDelimiter(delimiter) => {
                write!(f, "fields are separated by {}", quoted(*delimiter))
            }
            Self::AmbiguousDelimiter { delimiter, other } => write!(
                f,
                "fields are separated by {}, but {} would give all records the same number of fields, too",
                quoted(*delimiter),
                quoted(*other)
            ),
            Self::NamedDelimiter(delimiter) => {
                write!(f, "fields are separated by {}, as the first line says", quoted(*delimiter))
            }
            Self::NoDelimiter => f.write_str("no delimiter was found in the first lines, so ',' is assumed"),
            Self::TextAmongNumbers(columns) => {
                write!(f, "{}: TEXT among numbers, since the table declares no type", columns.join(", "))
            }
            Self::RoundedReals { column, count: number } => {
                let numbers = count(*number, "number");
                write!(f, "{column}: {numbers} of more digits than a REAL preserves, rounded")
            }
            Self::CreatedTable(table) => write!(f, "the table {table:?} did not exist, so it was created"),
            Self::EmptiedTable(table) => {
                write!(f, "the table {table:?} is empty now, since no row was loaded")
            }
            Self::BrokenTable { table, message } => {
                write!(
                    f,
                    "the triggers or foreign keys of the table {table:?} do not fit the new table: {message}"
                )
            }
            Self::BrokenView { view, message } => {
                write!(f, "the view {view:?} cannot be read: {message}")
            }
            Self::TextColumn { column, reason, examples } => {
                write!(f, "{column}: TEXT, {}", text_reason(reason, examples))
            }
            Self::TextUsedAsNumber { column, reason, examples } => {
                write!(f, "{column} is used as a number, but is TEXT: {}", text_reason(reason, examples))
            }
            Self::RealColumns(columns) => write!(f, "REAL: {}", by_format(columns)),
            Self::NumericColumns(columns) => write!(f, "numbers: {}", by_format(columns)),
        }
    }
}

/// Why a column is TEXT, with the values that show it.
pub(super) fn text_reason(reason: &str, examples: &[NotedValue]) -> String {
    match examples {
        [value] => format!("{reason}{}: {:?}", value.place(), value.text),
        values => {
            let values: Vec<_> = values.iter().map(NotedValue::to_string).collect();
            format!("{}: {reason}", values.join(", "))
        }
    }
}

/// The columns by format.
fn by_format(columns: &[(String, RealFormat)]) -> String {
    /// The number of columns to name for each format.
    const MAX_NAMES: usize = 5;
    let mut by_format: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, format) in columns {
        by_format.entry(*format).or_default().push(name.as_str());
    }
    let list = by_format.iter().map(|(format, names)| {
        let shown = &names[..names.len().min(MAX_NAMES)];
        let more = match names.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let detail = match format {
            RealFormat::Scientific => "; the digits are kept, the spelling of exponents is not",
            _ => "",
        };
        format!("{}{more} ({format}{detail})", shown.join(", "))
    });
    list.collect::<Vec<_>>().join(", ")
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
