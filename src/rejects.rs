//! What becomes of records that could not be loaded: counted, said, kept, and at some point too many.

use crate::batch::Reject;
use crate::error::{Error, Kind, Position, Result};
use crate::output::Output;
use crate::plan::{OnError, Policies};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Rejects that are said one by one; the others are only counted, and kept if they are to be kept.
const MAX_SAID: u64 = 5;

/// Takes the rejects of a load, in the order of the input.
#[derive(Debug)]
pub(crate) struct Rejects<'p> {
    policies: &'p Policies,
    count: u64,
    file: Option<(PathBuf, BufWriter<File>)>,
}

impl<'p> Rejects<'p> {
    /// Applies `policies` to rejects. What is kept of them in `output` begins with `header`, if there is one, so that it
    /// can be loaded as it is once it is mended.
    ///
    /// # Errors
    /// [`Kind::Io`] if that file can not be written.
    pub(crate) fn new(policies: &'p Policies, output: Option<Output>, header: Option<&[u8]>) -> Result<Self> {
        let start = |mut output: Output| -> Result<_> {
            let mut file = BufWriter::new(output.start()?);
            header
                .map_or(Ok(()), |header| write_line(&mut file, header))
                .map_err(|error| Error::io("write", output.path(), error))?;
            Ok((output.path().to_owned(), file))
        };
        let file = output.map(start).transpose()?;
        Ok(Self { policies, count: 0, file })
    }

    /// Takes one of `input`.
    ///
    /// # Errors
    /// [`Kind::Rejected`] or [`Kind::TooManyErrors`] if this is one too many.
    pub(crate) fn take(&mut self, reject: &Reject<'_>, input: &Arc<str>) -> Result<()> {
        let reason = reject.reason.clone();
        let position = Position {
            input: input.clone(),
            record: reject.record + 1,
            line: reject.line + 1,
            offset: reject.offset,
        };
        self.count += 1;
        if let Some((path, file)) = &mut self.file {
            write_line(file, reject.bytes).map_err(|error| Error::io("write", path, error))?;
        }
        if self.policies.on_error == OnError::Abort {
            return Err(Kind::Rejected { position, reason }.into());
        }
        if let Some(max_errors) = self.policies.max_errors.filter(|max| self.count > *max) {
            return Err(Kind::TooManyErrors { position, reason, max_errors }.into());
        }
        match self.count {
            ..=MAX_SAID => tracing::warn!("{position}: rejected: {reason}"),
            count if count == MAX_SAID + 1 => tracing::warn!("{input}: more rejects follow"),
            _ => {}
        }
        Ok(())
    }

    /// The number of rejects, when all that is to be kept is on file.
    ///
    /// # Errors
    /// [`Kind::Io`] if the file of rejects can not be written.
    pub(crate) fn finish(self) -> Result<u64> {
        if let Some((path, mut file)) = self.file {
            file.flush().map_err(|error| Error::io("write", &path, error))?;
        }
        Ok(self.count)
    }
}

fn write_line(file: &mut BufWriter<File>, line: &[u8]) -> std::io::Result<()> {
    file.write_all(line)?;
    file.write_all(b"\n")
}
