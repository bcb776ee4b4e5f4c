//! What becomes of records that could not be loaded: counted, said, kept, and at some point too many.

use crate::batch::Reject;
use crate::error::{Error, Kind, Position, Reason, Result};
use crate::files::output::OutputFile;
use crate::format::csv::source::Source;
use crate::plan::{Dialect, OnError, Policies};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rejects that are said one by one; the others are only counted, and kept if they are to be kept.
const MAX_SAID: u64 = 5;

/// Takes the rejects of a load, in the order of the input.
#[derive(Debug)]
pub(crate) struct Rejects<'p> {
    policies: &'p Policies,
    count: u64,
    /// What there is to say of the first ones.
    messages: Vec<String>,
    files: Vec<Files>,
    /// For each input which of the files is its own.
    file_of_input: Vec<usize>,
}

/// Where the rejects of inputs with the same header are kept.
#[derive(Debug)]
struct Files {
    head: Vec<u8>,
    dialect: Dialect,
    records: RejectFile,
    /// Why each is one, a line of JSON for each, if there is a place for that.
    reasons: Option<RejectFile>,
}

/// A file that is to be written.
#[derive(Debug)]
struct RejectFile {
    output: OutputFile,
    file: Option<BufWriter<File>>,
}

impl RejectFile {
    fn open(path: &Path, others: &[PathBuf]) -> Result<Self> {
        let others: Vec<_> = others.iter().map(PathBuf::as_path).collect();
        Ok(Self { output: OutputFile::open(path, &others)?, file: None })
    }

    fn start(&mut self) -> Result<()> {
        // What an earlier attempt has left is written before the file is emptied.
        self.file = None;
        self.file = Some(BufWriter::new(self.output.truncate()?));
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        written.map_err(|error| Error::io("write", self.output.path(), error))
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.file.as_mut().map_or(Ok(()), BufWriter::flush);
        flushed.map_err(|error| Error::io("write", self.output.path(), error))
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
    /// Applies `policies` to the rejects of these inputs. They are kept as they were read behind the header of their input,
    /// so that they can be loaded once they are mended. Inputs with another header than the first have a file of their
    /// own: FILE.2, FILE.3.
    ///
    /// The paths of all files are added to `others`, none of which they may be.
    ///
    /// # Errors
    /// As [`OutputFile::open`].
    pub(crate) fn open(policies: &'p Policies, inputs: &[Source], others: &mut Vec<PathBuf>) -> Result<Self> {
        let (count, messages, mut files, mut file_of_input) = <(_, _, Vec<Files>, Vec<_>)>::default();
        for input in policies.rejects.iter().flat_map(|_| inputs) {
            let (head, dialect) = (&input.head, input.dialect);
            let known = files.iter().position(|file| (&file.head, file.dialect) == (head, dialect));
            // There is nothing beside a terminal or a pipe.
            let is_alone = files.first().is_some_and(|file| file.reasons.is_none());
            file_of_input.push(known.unwrap_or(if is_alone { 0 } else { files.len() }));
            let (Some(path), None, false) = (&policies.rejects, known, is_alone) else { continue };
            let path = match files.len() {
                0 => path.clone(),
                count => with_ending(path, &format!(".{}", count + 1)),
            };
            let records = RejectFile::open(&path, others)?;
            let reasons_path = path.is_file().then(|| with_ending(&path, ".reasons.jsonl"));
            others.push(path);
            let reasons = reasons_path.as_deref().map(|path| RejectFile::open(path, others)).transpose()?;
            others.extend(reasons_path);
            files.push(Files { head: head.clone(), dialect, records, reasons });
        }
        Ok(Self { policies, count, messages, files, file_of_input })
    }

    /// Begins, and forgets what an earlier attempt has left.
    ///
    /// # Errors
    /// [`Kind::Io`] if the files can not be written.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.count = 0;
        self.messages.clear();
        for Files { head, records, reasons, .. } in &mut self.files {
            records.start()?;
            reasons.as_mut().map_or(Ok(()), RejectFile::start)?;
            if !head.is_empty() {
                records.line(head)?;
            }
        }
        Ok(())
    }

    /// Takes one of input `number`, which is this.
    ///
    /// # Errors
    /// [`Kind::Rejected`] or [`Kind::TooManyErrors`] if this is one too many.
    pub(crate) fn take(&mut self, reject: &Reject<'_>, number: usize, input: &Source) -> Result<()> {
        let (reason, name) = (reject.reason.clone(), input.name());
        let of_header = match reason {
            Reason::InvalidUtf8 { field, .. } => input.names[..input.width].get(field - 1),
            _ => None,
        };
        let position = Position {
            input: name.clone(),
            record: reject.record + 1,
            line: reject.line + 1,
            offset: reject.offset,
        };
        self.count += 1;
        if let Some(file) = self.file_of_input.get(number) {
            let Files { records, reasons, .. } = &mut self.files[*file];
            records.line(reject.bytes)?;
            let line = Line {
                input: name,
                record: position.record,
                line: position.line,
                offset: position.offset,
                column: reason.column().or(of_header.map(String::as_str)),
                kind: reason.name(),
                message: reason.to_string(),
            };
            if let Some(reasons) = reasons {
                let line = serde_json::to_vec(&line).map_err(std::io::Error::from);
                reasons.line(&line.map_err(|error| Error::io("write", reasons.output.path(), error))?)?;
            }
        }
        if self.policies.on_error == OnError::Abort {
            return Err(Kind::Rejected { position, reason }.into());
        }
        if let Some(max_errors) = self.policies.max_errors.filter(|max| self.count > *max) {
            return Err(Kind::TooManyErrors { position, reason, max_errors }.into());
        }
        match self.count {
            ..=MAX_SAID => self.messages.push(format!("{position}: rejected: {reason}")),
            count if count == MAX_SAID + 1 => self.messages.push(format!("{name}: more rejects follow")),
            _ => {}
        }
        Ok(())
    }

    /// The number of rejects, when all that is to be kept is on file.
    ///
    /// # Errors
    /// [`Kind::Io`] if the file of rejects can not be written.
    pub(crate) fn finish(&mut self) -> Result<u64> {
        for Files { records, reasons, .. } in &mut self.files {
            records.flush()?;
            reasons.as_mut().map_or(Ok(()), RejectFile::flush)?;
        }
        Ok(self.count)
    }

    /// Says what the first rejects are.
    pub(crate) fn say(&self) {
        self.messages.iter().for_each(|message| tracing::warn!("{message}"));
    }
}

/// `path` with more at its end.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
