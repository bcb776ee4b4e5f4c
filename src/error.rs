//! The error type: what happened, where, and what caused it.
//!
//! Messages do not say which setting helps, because the program and the library name settings differently. [`Kind`],
//! [`PlanError`] and [`Reason`] carry the data that such advice needs.

mod file_format;
mod kind;
mod kind_name;
mod phrases;
mod plan_error;
mod printable;
mod reason;
mod sqlite;
mod warning;

use crate::plan::{ColumnRef, Delimiter};
pub use file_format::FileFormat;
pub use kind::Kind;
pub(crate) use phrases::{count, excerpt, nearest, nearest_above, with_causes};
pub use plan_error::{ColumnUse, PlanError};
pub use printable::printable;
pub(crate) use printable::{Printable, printable_line};
pub(crate) use reason::is_about_duplicate;
pub use reason::{FieldCountCause, Reason};
pub use sqlite::SqliteError;
use std::fmt::{self, Write};
use std::path::Path;
use std::sync::Arc;
pub(crate) use warning::quoted;
pub use warning::{Oddity, Warning};

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of a load, or of another function of this crate.
///
/// [`Error::kind`] says what happened, [`Error::position`] where in the input, and [`std::error::Error::source`] what caused
/// it. An `Error` is one pointer wide.
pub struct Error(Box<Details>);

/// What an [`Error`] knows.
struct Details {
    kind: Kind,
    /// The delimiter of the input whose header explains the error.
    delimiter: Option<Delimiter>,
    /// What looked wrong in the inputs.
    warnings: Vec<Warning>,
}

/// A position in an input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The name of the input: its path, or `-` for standard input.
    pub input: Arc<str>,
    /// The number of the record, counted from 1 after the header; 0 for the header itself.
    pub record: u64,
    /// The line, counted from 1. LF, CRLF and CR each end a line. `None` if the input has no lines.
    pub line: Option<u64>,
    /// The offset in bytes from the start of the input; `None` if the input has no lines.
    pub offset: Option<u64>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Printable::new(f);
        let Self { input, record, line, offset } = self;
        match (line.zip(*offset), record) {
            (Some((line, offset)), 0) => write!(f, "{input}: line {line} (header, byte {offset})"),
            (Some((line, offset)), _) => write!(f, "{input}: line {line} (record {record}, byte {offset})"),
            (None, _) => write!(f, "{input}: record {record}"),
        }
    }
}

impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// What looked wrong in the inputs before the error.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.0.warnings
    }

    /// Adds the delimiter of the header, if the error is about the columns of a header.
    pub(crate) fn with_delimiter(mut self, delimiter: Delimiter) -> Self {
        self.0.delimiter = self.0.delimiter.or(self.is_about_header().then_some(delimiter));
        self
    }

    /// Adds what looked wrong in the inputs, if it may explain the error and nothing has been added.
    pub(crate) fn with_warnings(mut self, warnings: Vec<Warning>) -> Self {
        if self.0.warnings.is_empty() && (self.is_about_header() || self.position().is_some()) {
            self.0.warnings = warnings;
        }
        self
    }

    fn is_about_header(&self) -> bool {
        matches!(
            self.kind(),
            Kind::MissingColumn { .. }
                | Kind::HeaderDiffers { .. }
                | Kind::NoSuchColumn { .. }
                | Kind::NotInTable { .. }
        )
    }

    /// The position in the input, if the error has one.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        match self.kind() {
            Kind::Constraint { positions, .. } => positions.first(),
            Kind::Rejected { position, .. }
            | Kind::TooManyErrors { position, .. }
            | Kind::NothingLoaded { position, .. }
            | Kind::HeaderNotUtf8 { position }
            | Kind::UnclosedQuote { position, .. }
            | Kind::RecordTooLarge { position, .. } => Some(position),
            _ => None,
        }
    }

    /// Why a record was rejected, if the error is about a rejected record.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match self.kind() {
            Kind::Rejected { reason, .. }
            | Kind::TooManyErrors { reason, .. }
            | Kind::NothingLoaded { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// SQLite's message, if a row violates a constraint.
    pub(crate) fn constraint_violation(&self) -> Option<&str> {
        match self.kind() {
            Kind::Sqlite { source, .. } => source.constraint_violation(),
            _ => None,
        }
    }

    /// Adds the place in SQL that refers to the column of the error.
    pub(crate) fn with_place(mut self, column_refs: &[ColumnRef]) -> Self {
        if let Kind::MissingColumn { place, missing: name, .. } | Kind::AmbiguousColumn { place, name, .. } =
            &mut self.0.kind
        {
            let column_ref = column_refs.iter().find(|column_ref| column_ref.column == *name);
            *place = column_ref.map(|column_ref| column_ref.place.clone());
        }
        self
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Kind::Io { action, path: path.to_owned(), source }.into()
    }

    /// Wraps an error of SQLite: [`Kind::Locked`] if the database is busy or locked, [`Kind::Interrupted`] after an interrupt,
    /// otherwise [`Kind::Sqlite`].
    pub(crate) fn sqlite(action: impl Into<String>, path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, OperationInterrupted};
        match source.sqlite_error_code() {
            Some(DatabaseBusy | DatabaseLocked) => Kind::Locked { path: path.to_owned() }.into(),
            Some(OperationInterrupted) => Kind::Interrupted.into(),
            _ => {
                let source = SqliteError::new(source);
                Kind::Sqlite { action: action.into(), path: path.to_owned(), source }.into()
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Printable::new(f);
        write!(f, "{}", self.0.kind)?;
        let delimiter = self.0.delimiter;
        delimiter.map_or(Ok(()), |delimiter| write!(f, "; fields are separated by {}", quoted(delimiter)))
    }
}

/// The message and its causes, as a `main` that returns the error prints it. [`Error::kind`] has the details.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable::new(f).write_str(&with_causes(self))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.kind.source()
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(Box::new(Details { kind, delimiter: None, warnings: Vec::new() }))
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        Kind::Plan(error).into()
    }
}
