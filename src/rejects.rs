//! What becomes of records that could not be loaded: counted, said, kept, and at some point too many.

use crate::batch::Reject;
use crate::error::{Error, Kind, Position, Result};
use crate::output::Output;
use crate::plan::{OnError, Policies};
use serde::Serialize;
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
    files: Option<Files>,
}

/// Where rejects are kept.
#[derive(Debug)]
struct Files {
    records: Kept,
    /// Why each is one, a line of JSON for each.
    reasons: Option<Kept>,
}

/// A file for the records, and one for the reasons if there is a place for that.
pub(crate) type RejectOutputs = (Output, Option<Output>);

/// A file that is being written.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Kept {
    fn start(mut output: Output) -> Result<Self> {
        let file = BufWriter::new(output.start()?);
        Ok(Self { path: output.path().to_owned(), file })
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        let written = self.file.write_all(line).and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|error| Error::io("write", &self.path, error))
    }

    fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(|error| Error::io("write", &self.path, error))
    }
}

/// Why a record is a reject, for programs.
#[derive(Debug, Serialize)]
struct Line<'r> {
    input: &'r str,
    /// Counted from 1, without the header.
    record: u64,
    /// Counted from 1.
    line: u64,
    /// Bytes of the input before the record.
    offset: u64,
    /// The column that is to blame.
    column: Option<&'r str>,
    kind: &'static str,
    message: String,
}

impl<'p> Rejects<'p> {
    /// Applies `policies` to rejects. They are kept in the first of `outputs`, behind `header` if there is one, so that
    /// they can be loaded as they are once they are mended, and in the second it is said why.
    ///
    /// # Errors
    /// [`Kind::Io`] if these can not be written.
    pub(crate) fn new(
        policies: &'p Policies,
        outputs: Option<RejectOutputs>,
        header: Option<&[u8]>,
    ) -> Result<Self> {
        let start = |(records, reasons): RejectOutputs| -> Result<_> {
            let reasons = reasons.map(Kept::start).transpose()?;
            let mut files = Files { records: Kept::start(records)?, reasons };
            header.map_or(Ok(()), |header| files.records.line(header))?;
            Ok(files)
        };
        Ok(Self { policies, count: 0, files: outputs.map(start).transpose()? })
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
        if let Some(Files { records, reasons }) = &mut self.files {
            records.line(reject.bytes)?;
            let line = Line {
                input,
                record: position.record,
                line: position.line,
                offset: position.offset,
                column: reason.column(),
                kind: reason.name(),
                message: reason.to_string(),
            };
            if let Some(reasons) = reasons {
                let line = serde_json::to_vec(&line).map_err(std::io::Error::from);
                reasons.line(&line.map_err(|error| Error::io("write", &reasons.path, error))?)?;
            }
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
        if let Some(Files { records, reasons }) = self.files {
            records.finish()?;
            reasons.map_or(Ok(()), Kept::finish)?;
        }
        Ok(self.count)
    }
}
