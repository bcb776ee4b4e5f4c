//! The one error type: what happened, where, and what caused it.

mod phrases;
mod printable;
mod reason;

use crate::plan::{ColumnRef, Place};
pub(crate) use phrases::nearest;
use phrases::{listed, missing_close, missing_header, part, place_before, places};
pub(crate) use printable::Printable;
pub use reason::Reason;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of everything in sqload that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a load, or the making of a file, failed.
///
/// One pointer wide, so that a `Result` costs nothing on the way. [`Error::kind`] says what happened,
/// [`Error::position`] where, and [`std::error::Error::source`] what caused it.
#[derive(Debug)]
pub struct Error(Box<Kind>);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// A file could not be opened, read, written or moved.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb: "open", "write".
        action: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("SQLite could not {action} {}", path.display())]
    Sqlite {
        /// What was tried, as a verb: "open", "insert into".
        action: String,
        /// The database it was tried on.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// There is a table of that name, and it is not to be touched.
    #[error(
        "{} has a table {table:?} already: use --append or --truncate to fill it, --replace to put a new one in its place, or --table for another name", path.display()
    )]
    TableExists {
        /// The database.
        path: PathBuf,
        /// The name of the table.
        table: String,
    },
    /// Another connection holds the database.
    #[error("{} is locked by another program: close it, or wait for it, and try again", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// This process has the database open already.
    #[error("{} is open in this process: close it there first, because the load would drop its locks", path.display())]
    DatabaseOpenInProcess {
        /// The database.
        path: PathBuf,
    },
    /// Another program deleted, moved or replaced the database, or changed its schema, during the load.
    #[error("another program deleted, moved or changed {} during the load: try again", path.display())]
    DatabaseChanged {
        /// The database.
        path: PathBuf,
    },
    /// The input has no header record.
    #[error("{input}: {}", missing_header(*rows))]
    NoHeader {
        /// The input.
        input: Arc<str>,
        /// Records that were to make the header.
        rows: usize,
    },
    /// The header is not UTF-8, so that nobody can say what the columns are called.
    #[error(
        "{position}: the header is not UTF-8; name its encoding with --encoding, or use --invalid-utf8 replace"
    )]
    HeaderNotUtf8 {
        /// Where the first byte is that is not.
        position: Position,
    },
    /// SQL that says what to load can not be understood, or is not what a pipeline can do.
    #[error("{place}: {reason}")]
    Sql {
        /// Where it stands.
        place: Place,
        /// Why not.
        reason: String,
    },
    /// A column that the plan reads is not in the header.
    #[error(
        "{}{input}: no column {missing:?} in the header, which has: {}{}",
        place_before(place.as_ref()),
        listed(found),
        nearest(missing, found)
    )]
    MissingColumn {
        /// Where SQL names it, if that does.
        place: Option<Place>,
        /// The input.
        input: Arc<str>,
        /// The column that the plan reads.
        missing: String,
        /// The columns that the header names, in its order.
        found: Vec<String>,
    },
    /// The headers of two inputs of a load do not have the same columns.
    #[error(
        "{input}: its columns are not those of {first}:{}{} take the columns of all with --union-by-name",
        part(" it lacks ", missing),
        part(" it also has ", extra)
    )]
    HeaderDiffers {
        /// The input.
        input: Arc<str>,
        /// The first input of the load.
        first: Arc<str>,
        /// Columns of the first that the input does not have.
        missing: Vec<String>,
        /// Columns that the first does not have.
        extra: Vec<String>,
    },
    /// A column that an option names is not there.
    #[error(
        "{option} names the column {column:?}, but the columns are: {}{}",
        listed(found),
        nearest(column, found)
    )]
    NoSuchColumn {
        /// The option.
        option: &'static str,
        /// What it names.
        column: String,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// The table that is to be filled does not have a column of the input.
    #[error(
        "the table {table:?} has no column {column:?}, but: {}; leave it out with --columns, call it as one of these with --rename, or add it with --add-columns",
        listed(found)
    )]
    NotInTable {
        /// The table.
        table: String,
        /// The column of the input.
        column: String,
        /// The columns of the table.
        found: Vec<String>,
    },
    /// A table would have more columns than SQLite allows.
    #[error(
        "{found} columns are more than the {limit} that SQLite allows in a table: choose some with --columns"
    )]
    TooManyColumns {
        /// How many the table would have.
        found: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The header names a column that the plan reads twice, so which one is meant is unknown.
    #[error(
        "{}{input}: the header names the column {name:?} more than once: rename one of them",
        place_before(place.as_ref())
    )]
    AmbiguousColumn {
        /// Where SQL names it, if that does.
        place: Option<Place>,
        /// The input.
        input: Arc<str>,
        /// The name.
        name: String,
    },
    /// A record could not be loaded and the policy is to stop.
    #[error(
        "{position}: {reason}; fix the input{}, or use --on-error skip to load the other records",
        reason.remedy()
    )]
    Rejected {
        /// Where the record begins.
        position: Position,
        /// Why it could not be loaded.
        reason: Reason,
    },
    /// More records were rejected than allowed.
    #[error(
        "{position}: {reason}; more than {max_errors} records were rejected, so nothing was loaded (--max-errors)"
    )]
    TooManyErrors {
        /// The first reject over the limit.
        position: Position,
        /// Why that one could not be loaded.
        reason: Reason,
        /// The limit.
        max_errors: u64,
    },
    /// A quoted field is not closed before the input ends, or before the largest record allowed does.
    #[error(
        "{position}: a quote opened here is {}",
        missing_close(*searched_bytes, *max_bytes)
    )]
    UnclosedQuote {
        /// Where the quote stands.
        position: Position,
        /// How many bytes from the start of the record were looked through.
        searched_bytes: u64,
        /// How large a record may be, if that is why no more were.
        max_bytes: Option<usize>,
    },
    /// A record is larger than allowed.
    #[error("{position}: the record is larger than {max_bytes} bytes; allow more with --max-record-size")]
    RecordTooLarge {
        /// Where the record begins.
        position: Position,
        /// The limit.
        max_bytes: usize,
    },
    /// The rows that are named break a constraint of the table.
    #[error(
        "{}{message}; fix the input, or use --on-error skip (and --writer auto, if another is named) to load the other records",
        places(positions)
    )]
    Constraint {
        /// Which constraint, in the words of SQLite.
        message: String,
        /// Where the records of the rows begin; empty if SQLite does not tell which row it is.
        positions: Vec<Position>,
    },
    /// The direct path was asked for and can not do what else was asked for.
    #[error("--writer direct is not possible here: {reason}; use --writer auto")]
    DirectRefused {
        /// Why.
        reason: String,
    },
    /// The input was changed by someone else while it was read.
    #[error("{} changed while it was being read: load it again when nothing writes to it", path.display())]
    InputChanged {
        /// The input file.
        path: PathBuf,
    },
    /// A journal or write-ahead log lies beside the place of a new database.
    #[error("{} exists without its database and would be replayed into a new one: move it away first", path.display())]
    StrayJournal {
        /// The journal.
        path: PathBuf,
    },
    /// The system has no room for as many threads.
    #[error("cannot start {jobs} worker threads: ask for fewer with --jobs")]
    Threads {
        /// How many workers there were to be.
        jobs: usize,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// What was asked for makes no sense or is not possible.
    #[error("{0}")]
    Usage(String),
    /// The finished database failed its check.
    #[error("verification failed: {0}; the target is as it was")]
    Verify(String),
    /// The load was stopped from outside.
    #[error("interrupted: the target is as it was")]
    Interrupted,
    /// A defect in sqload itself.
    #[error("a defect in sqload: {0}; please report it")]
    Internal(String),
}

/// A place in an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The input's name: its path, or `-` for standard input.
    pub input: Arc<str>,
    /// The record, counted from 1; the header is not counted. 0 is the header itself.
    pub record: u64,
    /// The line, counted from 1; LF, CRLF and CR each end one.
    pub line: u64,
    /// Bytes from the start of the input.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Printable::new(f);
        let Self { input, record, line, offset } = self;
        match record {
            0 => write!(f, "{input}: line {line} (header, byte {offset})"),
            _ => write!(f, "{input}: line {line} (record {record}, byte {offset})"),
        }
    }
}

impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.0
    }

    /// Where in the input it went wrong, if it was there.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        match self.kind() {
            Kind::Constraint { positions, .. } => positions.first(),
            Kind::Rejected { position, .. }
            | Kind::TooManyErrors { position, .. }
            | Kind::HeaderNotUtf8 { position }
            | Kind::UnclosedQuote { position, .. }
            | Kind::RecordTooLarge { position, .. } => Some(position),
            _ => None,
        }
    }

    /// The message of SQLite, if rows break a constraint.
    pub(crate) fn constraint_violation(&self) -> Option<&str> {
        match self.kind() {
            Kind::Sqlite { source: rusqlite::Error::SqliteFailure(code, Some(message)), .. }
                if code.code == rusqlite::ErrorCode::ConstraintViolation =>
            {
                Some(message)
            }
            _ => None,
        }
    }

    /// With the place in SQL where the column is named that it speaks of.
    pub(crate) fn with_place(mut self, column_refs: &[ColumnRef]) -> Self {
        if let Kind::MissingColumn { place, missing: name, .. } | Kind::AmbiguousColumn { place, name, .. } =
            &mut *self.0
        {
            let column_ref = column_refs.iter().find(|column_ref| column_ref.column == *name);
            *place = column_ref.map(|column_ref| column_ref.place.clone());
        }
        self
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Kind::Io { action, path: path.to_owned(), source }.into()
    }

    /// Wraps what SQLite said; busy and locked become [`Kind::Locked`], an interrupt [`Kind::Interrupted`].
    pub(crate) fn sqlite(action: impl Into<String>, path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, OperationInterrupted};
        match source.sqlite_error_code() {
            Some(DatabaseBusy | DatabaseLocked) => Kind::Locked { path: path.to_owned() }.into(),
            Some(OperationInterrupted) => Kind::Interrupted.into(),
            _ => Kind::Sqlite { action: action.into(), path: path.to_owned(), source }.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Printable::new(f), "{}", self.0)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(Box::new(kind))
    }
}
