//! What can go wrong.

use super::phrases::{
    count, differences, list, missing_header, nearest, nearest_or_text, place_prefix, positions_prefix,
};
use super::{FileFormat, PlanError, Position, Reason, SqliteError};
use crate::plan::Place;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// A file could not be opened, read, written or moved.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The failed action as a verb: "open", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// SQLite reported an error.
    #[error("SQLite could not {action} {}", path.display())]
    Sqlite {
        /// The failed action as a verb: "open", "insert into".
        action: String,
        /// The database.
        path: PathBuf,
        /// The error of SQLite.
        #[source]
        source: SqliteError,
    },
    /// The table exists, and the plan neither fills nor replaces it.
    #[error("{}the table {table:?} already exists in {}", place_prefix(place.as_ref()), path.display())]
    TableExists {
        /// The database.
        path: PathBuf,
        /// The name of the table.
        table: String,
        /// The place of CREATE TABLE, if the plan is a pipeline.
        place: Option<Place>,
    },
    /// A view exists that the plan creates and does not replace.
    #[error("the view {view:?} already exists in {}", path.display())]
    ViewExists {
        /// The database.
        path: PathBuf,
        /// The name of the view.
        view: String,
    },
    /// Another connection has locked the database.
    #[error("{} is locked by another program", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// The file is not a database.
    #[error("{} is not a SQLite database{}", path.display(), swapped_input(swapped.as_deref()))]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// An input that is a database.
        swapped: Option<PathBuf>,
    },
    /// This process already has the database open.
    #[error("{} is open in this process, and a load would drop its locks", path.display())]
    DatabaseOpenInProcess {
        /// The database.
        path: PathBuf,
    },
    /// Another program deleted, moved or replaced the database, or changed its schema, during the load.
    #[error("another program deleted, moved or changed {} during the load", path.display())]
    DatabaseChanged {
        /// The database.
        path: PathBuf,
    },
    /// The input ends before or within its header.
    #[error("{input}: {}", missing_header(*rows, *skipped_lines))]
    NoHeader {
        /// The input.
        input: Arc<str>,
        /// The number of records in the header.
        rows: usize,
        /// If the lines before the header are all that the input has: their number, and the number of lines to skip.
        skipped_lines: Option<(u64, u64)>,
    },
    /// The header is not valid UTF-8, so the names of the columns are unknown.
    #[error("{position}: the header is not valid UTF-8")]
    HeaderNotUtf8 {
        /// The position of the first invalid byte.
        position: Position,
    },
    /// SQL text is invalid, or uses something that is not supported.
    #[error("{place}: {reason}")]
    Sql {
        /// The place in the text.
        place: Place,
        /// What is wrong.
        reason: String,
    },
    /// A pipeline contains a statement that is not supported there.
    #[error("{place}: {statement} is not supported in a pipeline: {reason}")]
    UnsupportedStatement {
        /// The place of the statement.
        place: Place,
        /// The keywords that it begins with, such as `PRAGMA` or `CREATE TRIGGER`.
        statement: String,
        /// Why it is not supported, or what to use instead.
        reason: String,
    },
    /// The header lacks a column that the plan reads.
    #[error(
        "{}{input}: no column {missing:?} in the header, which has: {}{}",
        place_prefix(place.as_ref()),
        list(found),
        nearest_or_text(missing, found, place.is_some())
    )]
    MissingColumn {
        /// The place in SQL that refers to the column, if there is one.
        place: Option<Place>,
        /// The input.
        input: Arc<str>,
        /// The missing column.
        missing: String,
        /// The columns in the header, in input order.
        found: Vec<String>,
    },
    /// The columns of an input differ from those of the first input of the load.
    #[error("{input}: the columns differ from those of {first}: {}", differences(missing, extra))]
    HeaderDiffers {
        /// The input.
        input: Arc<str>,
        /// The first input of the load.
        first: Arc<str>,
        /// Columns that only the first input has.
        missing: Vec<String>,
        /// Columns that the first input lacks.
        extra: Vec<String>,
    },
    /// A setting names a column that does not exist.
    #[error("no column {column:?} {column_use}; the columns are: {}{}", list(found), nearest(column, found))]
    NoSuchColumn {
        /// What the column is needed for.
        column_use: super::ColumnUse,
        /// The name that no column has.
        column: String,
        /// The existing columns.
        found: Vec<String>,
    },
    /// The existing table lacks a column of the input.
    #[error("the table {table:?} has no column {column:?}, its columns are: {}", list(found))]
    NotInTable {
        /// The table.
        table: String,
        /// The column of the input.
        column: String,
        /// The columns of the table.
        found: Vec<String>,
    },
    /// The table would have more columns than SQLite allows.
    #[error("{found} columns are more than SQLite's limit of {limit} in a table")]
    TooManyColumns {
        /// The number of columns.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The header has several columns with a name that the plan reads.
    #[error(
        "{}{input}: the header names the column {name:?} more than once",
        place_prefix(place.as_ref())
    )]
    AmbiguousColumn {
        /// The place in SQL that refers to the column, if there is one.
        place: Option<Place>,
        /// The input.
        input: Arc<str>,
        /// The name.
        name: String,
    },
    /// A record was rejected, and the plan does not skip rejected records.
    #[error("{position}: {reason}")]
    Rejected {
        /// The position of the record.
        position: Position,
        /// Why it was rejected.
        reason: Reason,
    },
    /// More records were rejected than the plan allows.
    #[error("{position}: {reason}; nothing was loaded, because more than {} rejected", rejects(*max_errors))]
    TooManyErrors {
        /// The position of the first record over the limit.
        position: Position,
        /// Why that record was rejected.
        reason: Reason,
        /// The limit.
        max_errors: u64,
    },
    /// Records were rejected, and no record could be loaded.
    #[error("{position}: {reason}; nothing was loaded, because no record could be: {} rejected", rejects(*rejected))]
    NothingLoaded {
        /// The position of the first rejected record.
        position: Position,
        /// Why that record was rejected.
        reason: Reason,
        /// The number of rejected records.
        rejected: u64,
    },
    /// A quoted field is not closed before the end of the input, or within the largest record allowed.
    #[error("{position}: a quote opened here is {}", unclosed(*lines, *searched_bytes, *max_bytes))]
    UnclosedQuote {
        /// The position of the quote.
        position: Position,
        /// The number of lines searched, from the start of the record.
        lines: u64,
        /// The number of bytes searched.
        searched_bytes: u64,
        /// The size of the largest record allowed, if it ended the search.
        max_bytes: Option<usize>,
    },
    /// A record is larger than the largest record allowed.
    #[error("{position}: the record is larger than {max_bytes} bytes")]
    RecordTooLarge {
        /// The position of the record.
        position: Position,
        /// The limit.
        max_bytes: usize,
    },
    /// Rows violate a constraint of the table.
    #[error("{}{message}", positions_prefix(positions))]
    Constraint {
        /// SQLite's message, which names the constraint.
        message: String,
        /// The positions of the records; empty if SQLite does not tell which row is to blame.
        positions: Vec<Position>,
    },
    /// The plan requires the direct path, which cannot do this load.
    #[error("the direct writer cannot do this load: {reason}")]
    DirectUnsupported {
        /// Why not.
        reason: String,
    },
    /// An input has a compression format that was switched off when sqload was built.
    #[error(
        "{} is compressed with {feature}, and sqload was built without the Cargo feature {feature:?}", path.display()
    )]
    FormatDisabled {
        /// The input.
        path: PathBuf,
        /// The Cargo feature.
        feature: &'static str,
    },
    /// An input is not CSV.
    #[error("{input} is {format}")]
    NotCsv {
        /// The input.
        input: Arc<str>,
        /// Its format.
        format: FileFormat,
    },
    /// An input is a URL. Only files and standard input are read.
    #[error("{url} is a URL, and only files are read")]
    Url {
        /// The URL.
        url: String,
    },
    /// An input changed while it was being read.
    #[error("{} changed while it was being read", path.display())]
    InputChanged {
        /// The input.
        path: PathBuf,
    },
    /// A journal or write-ahead log exists without its database. SQLite would replay it into the new database.
    #[error("{} belongs to a database that does not exist, and would be replayed into a new one", path.display())]
    StrayJournal {
        /// The journal.
        path: PathBuf,
    },
    /// The directory has a manifest of shards, which is not to be replaced.
    #[error("{} already contains shards", path.display())]
    ManifestExists {
        /// The directory.
        path: PathBuf,
    },
    /// A shard, its receipt or its manifest is not as it has to be.
    #[error("{}: {problem}", path.display())]
    Shard {
        /// The file, or the directory of the shards.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Rows of a shard that must follow each other do not.
    #[error("the rows of {key} do not follow each other")]
    NotGrouped {
        /// The key.
        key: String,
    },
    /// The worker threads could not be started.
    #[error("cannot start {}", count(*jobs as u64, "worker thread"))]
    Threads {
        /// The number of workers.
        jobs: usize,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The plan contradicts itself, an input or the database.
    #[error(transparent)]
    Plan(PlanError),
    /// The request is invalid in another way.
    #[error("{0}")]
    Usage(String),
    /// The finished database failed its check. It was discarded.
    #[error("the finished database failed its check, so nothing was changed: {0}")]
    Verify(String),
    /// The stop flag was set. Nothing was changed.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// A bug in sqload.
    #[error("internal error: {0}; please report this bug")]
    Internal(String),
}

/// The input that is a database, as the end of a message.
fn swapped_input(input: Option<&Path>) -> String {
    input.map_or(String::new(), |input| format!(", but the input {} is one", input.display()))
}

/// The number of rejects, as the end of a clause: `1 record was`, `2 records were`.
fn rejects(number: u64) -> String {
    format!("{} {}", count(number, "record"), if number == 1 { "was" } else { "were" })
}

/// The extent of the search for the end of a quoted field.
fn unclosed(lines: u64, searched_bytes: u64, max_bytes: Option<usize>) -> String {
    match max_bytes {
        None => format!(
            "never closed; its record takes in the rest of the input, {} ({})",
            count(lines, "line"),
            count(searched_bytes, "byte")
        ),
        Some(max_bytes) => {
            format!("not closed within {}, the largest record allowed", count(max_bytes as u64, "byte"))
        }
    }
}
