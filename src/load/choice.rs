//! Which writer takes the rows of a load.

use crate::error::{Kind, Result};
use crate::plan::WriterChoice;

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

/// Chooses the writer for a table in a database to which pages cannot be written for a reason. `check` returns why the direct
/// path cannot fill the table.
///
/// # Errors
/// Those of `check`; [`Kind::DirectUnsupported`].
pub(crate) fn choose(
    choice: WriterChoice,
    database_reason: Option<&str>,
    check: impl FnOnce() -> Result<std::result::Result<(), String>>,
) -> Result<ChosenWriter> {
    if choice == WriterChoice::Statements {
        return Ok(ChosenWriter::Statements(None));
    }
    if let Some(reason) = database_reason {
        return ChosenWriter::instead_of_direct(reason, choice);
    }
    match check()? {
        Ok(()) => Ok(ChosenWriter::Direct),
        Err(reason) => ChosenWriter::instead_of_direct(reason, choice),
    }
}
