//! Which writer takes the rows of a load.

use crate::error::{Error, Kind, Result};
use crate::plan::{Table, WriterChoice};
use crate::write::direct::Schema;
use std::path::Path;

/// The writer of a load.
#[derive(Debug)]
pub(crate) enum ChosenWriter {
    Direct,
    /// Statements, and the reason unless the user asked for them.
    Statements(Option<String>),
}

impl ChosenWriter {
    /// The name of the writer.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Statements(_) => "statements",
        }
    }

    /// Statements for this reason.
    ///
    /// # Errors
    /// [`Kind::DirectUnsupported`] if the user asked for the direct path.
    pub(crate) fn instead_of_direct(reason: impl Into<String>, choice: WriterChoice) -> Result<Self> {
        let reason = reason.into();
        match choice {
            WriterChoice::Direct => Err(Kind::DirectUnsupported { reason }.into()),
            _ => Ok(Self::Statements(Some(reason))),
        }
    }

    /// Why it is not the direct path.
    pub(crate) fn reason(self) -> Option<String> {
        match self {
            Self::Direct => None,
            Self::Statements(reason) => reason,
        }
    }
}

/// Chooses the writer for `table`, which will be created in `database`: in a new file, or in place for a reason.
///
/// # Errors
/// [`Kind::Sqlite`] if SQLite cannot create such a table; [`Kind::DirectUnsupported`].
pub(crate) fn choose(
    choice: WriterChoice,
    table: &Table,
    database: &Path,
    in_place_reason: Option<&str>,
) -> Result<ChosenWriter> {
    if choice == WriterChoice::Statements {
        return Ok(ChosenWriter::Statements(None));
    }
    if let Some(reason) = in_place_reason {
        return ChosenWriter::instead_of_direct(reason, choice);
    }
    let failed = |source| Error::sqlite(format!("make table {:?} in", table.name), database, source);
    match Schema::check(table).map_err(failed)? {
        Ok(()) => Ok(ChosenWriter::Direct),
        Err(reason) => ChosenWriter::instead_of_direct(reason, choice),
    }
}
