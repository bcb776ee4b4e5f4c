//! Rejects: counts them, logs the first, writes them to a file, and ends the load when there are too many.

use super::output::RejectSink;
use super::source::RecordSource;
use crate::batch::Reject;
use crate::error::{Error, Kind, Position, Reason, Result};
use crate::files::descriptors::FileId;
use crate::files::output::{OutputFile, is_stdout};
use crate::plan::{Dialect, OnError, Policies};
use crate::report::RejectedRecord;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rejects that are logged one by one; the others are only counted, and written if there is a file for them.
const MAX_LOGGED: usize = 5;

/// Rejects that are kept for the report.
const MAX_KEPT: usize = 100;

/// Receives the rejects of a load, in input order.
#[derive(Debug)]
pub(crate) struct Rejects<'p> {
    policies: &'p Policies,
    inputs: &'p [RecordSource],
    /// True if the files must be on disk when the load ends.
    is_durable: bool,
    /// True if they replace an input: the rejects of an earlier load, which have been fixed.
    replaces_input: bool,
    count: u64,
    /// The first ones.
    first: Vec<RejectedRecord>,
    /// True if the last one ended the load. The error names it, so it is not logged.
    is_ended: bool,
    /// True if the load goes on past rejects that would end it.
    is_preview: bool,
    /// The error with which such a load would end.
    failure: Option<Error>,
    files: Vec<RejectFiles>,
    /// For each input the index of its files.
    file_of_input: Vec<usize>,
}

/// The files for the rejects of inputs with the same header.
#[derive(Debug)]
struct RejectFiles {
    head: Vec<u8>,
    /// `None` if the records are no CSV.
    dialect: Option<Dialect>,
    records: RejectFile,
    /// The reason for each, as a line of JSON; none if the records go to standard output, a terminal or a pipe.
    reasons: Option<RejectFile>,
}

/// A file of rejects or of reasons.
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
        // Flushes what an earlier attempt has buffered before the file is truncated.
        self.file = None;
        self.file = Some(BufWriter::new(self.output.start()?));
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        written.map_err(|error| Error::io("write", self.output.path(), error))
    }

    fn complete(&mut self, is_durable: bool) -> Result<()> {
        let flushed = self.file.as_mut().map_or(Ok(()), BufWriter::flush);
        flushed.map_err(|error| Error::io("write", self.output.path(), error))?;
        self.output.complete(is_durable)
    }
}

/// Why a record was rejected, for programs.
#[derive(Debug, Serialize)]
struct ReasonLine<'r> {
    input: &'r str,
    /// Counted from 1, without the header.
    record: u64,
    /// Counted from 1.
    line: Option<u64>,
    /// Bytes of the input before the record.
    offset: Option<u64>,
    /// The column that caused it.
    column: Option<&'r str>,
    kind: &'static str,
    message: String,
}

impl<'p> Rejects<'p> {
    /// Applies `policies` to the rejects of these inputs. They are written as they were read, after the header of their
    /// input, so that the file can be loaded once they are fixed. Inputs with another header than the first have a file of
    /// their own: FILE.2, FILE.3. If `separates_inputs`, so has every input.
    ///
    /// Regular files are staged until [`Rejects::publish`]. No file may be one of `others`; their paths are added to it.
    ///
    /// # Errors
    /// As [`OutputFile::open`].
    pub(crate) fn open(
        policies: &'p Policies,
        inputs: &'p [RecordSource],
        others: &mut Vec<PathBuf>,
        is_durable: bool,
        separates_inputs: bool,
    ) -> Result<Self> {
        let (count, first, mut files, mut file_of_input) = <(_, _, Vec<RejectFiles>, Vec<_>)>::default();
        for input in policies.rejects.iter().flat_map(|_| inputs) {
            let (head, dialect) = (input.head(), input.dialect());
            let has_same_head = |file: &RejectFiles| (&*file.head, file.dialect) == (head, dialect);
            let known = files.iter().position(has_same_head).filter(|_| !separates_inputs);
            // Standard output, a terminal or a pipe has no files beside it.
            let is_alone = files.first().is_some_and(|file| file.reasons.is_none());
            file_of_input.push(known.unwrap_or(if is_alone { 0 } else { files.len() }));
            let (Some(path), None, false) = (&policies.rejects, known, is_alone) else { continue };
            let path = match files.len() {
                0 => path.clone(),
                count => with_ending(path, &format!(".{}", count + 1)),
            };
            let records = RejectFile::open(&path, others)?;
            let reasons_path = records.output.is_staged().then(|| with_ending(&path, ".reasons.jsonl"));
            if !is_stdout(&path) {
                others.push(path);
            }
            let reasons = reasons_path.as_deref().map(|path| RejectFile::open(path, others)).transpose()?;
            others.extend(reasons_path);
            files.push(RejectFiles { head: head.to_vec(), dialect, records, reasons });
        }
        let (is_ended, is_preview, failure) = (false, false, None);
        let replaces_input = inputs.iter().any(|input| is_fixed_file(policies, Path::new(&**input.name())));
        Ok(Self {
            replaces_input,
            policies,
            inputs,
            is_durable,
            count,
            first,
            is_ended,
            is_preview,
            failure,
            files,
            file_of_input,
        })
    }

    /// Applies `policies` in a preview: no reject is written, and none ends the load.
    ///
    /// # Errors
    /// As [`Rejects::open`].
    pub(crate) fn preview(policies: &'p Policies, inputs: &'p [RecordSource]) -> Result<Self> {
        let without_files = Self::open(policies, inputs, &mut Vec::new(), false, false)?;
        Ok(Self { is_preview: true, ..without_files })
    }

    /// The error with which the load ends, if it loaded or ignored `accepted` records, and if it is one of
    /// [`Rejects::preview`] because of a reject.
    pub(crate) fn failure(&mut self, accepted: u64) -> Option<Error> {
        let nothing_loaded = || {
            let RejectedRecord { position, reason, .. } =
                self.first.first().filter(|_| accepted == 0)?.clone();
            Some(Kind::NothingLoaded { position, reason, rejected: self.count }.into())
        };
        self.failure.take().or_else(nothing_loaded)
    }

    /// Starts an attempt, and discards the rejects of an earlier one.
    ///
    /// # Errors
    /// [`Kind::Io`] if the files cannot be written.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.count = 0;
        self.first.clear();
        self.is_ended = false;
        for RejectFiles { head, records, reasons, .. } in &mut self.files {
            records.start()?;
            reasons.as_mut().map_or(Ok(()), RejectFile::start)?;
            if !head.is_empty() {
                records.line(head)?;
            }
        }
        Ok(())
    }

    /// Completes the files, and returns the number of rejects.
    ///
    /// # Errors
    /// [`Kind::Io`] if the files cannot be written.
    pub(crate) fn finish(&mut self) -> Result<u64> {
        for RejectFiles { records, reasons, .. } in &mut self.files {
            records.complete(self.is_durable)?;
            reasons.iter_mut().try_for_each(|reasons| reasons.complete(self.is_durable))?;
        }
        Ok(self.count)
    }

    /// Puts the files in their places if there are rejects; otherwise those of an earlier load stay. The files are complete
    /// ([`Rejects::finish`]). Does nothing if they replace an input.
    ///
    /// # Errors
    /// [`Kind::Io`] if a file cannot be renamed.
    pub(crate) fn publish(&mut self) -> Result<()> {
        if self.replaces_input { Ok(()) } else { self.rename() }
    }

    /// As [`Rejects::publish`], only if the files replace an input: not before the other records of that input are loaded.
    ///
    /// # Errors
    /// [`Kind::Io`] if a file cannot be renamed.
    pub(crate) fn publish_over_input(&mut self) -> Result<()> {
        if self.replaces_input { self.rename() } else { Ok(()) }
    }

    fn rename(&mut self) -> Result<()> {
        let files = self.files.iter_mut().filter(|_| self.count > 0);
        for RejectFiles { records, reasons, .. } in files {
            records.output.publish(self.is_durable)?;
            reasons.iter_mut().try_for_each(|reasons| reasons.output.publish(self.is_durable))?;
        }
        Ok(())
    }

    /// The error of a load that ends because of this reject, if it is one too many.
    fn too_many(&self, position: &Position, reason: &Reason) -> Option<Error> {
        let Policies { on_error, max_errors, .. } = self.policies;
        let max_errors = max_errors.filter(|max| self.count > *max);
        if *on_error == OnError::Skip && max_errors.is_none() {
            return None;
        }
        let (position, reason) = (position.clone(), reason.clone());
        Some(match (on_error, max_errors) {
            (OnError::Skip, Some(max_errors)) => Kind::TooManyErrors { position, reason, max_errors }.into(),
            _ => Kind::Rejected { position, reason }.into(),
        })
    }

    /// The files that keep the rejects of the load; none if nothing was rejected.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let files = self.files.iter().filter(|_| self.count > 0);
        files.map(|files| files.records.output.path().to_owned()).collect()
    }

    /// The file of an earlier load that is left, because nothing was rejected in this one.
    pub(crate) fn old_file(&self) -> Option<&Path> {
        let outputs = self.files.iter().map(|files| &files.records.output);
        let mut left = outputs.filter(|output| output.is_staged() && output.path().exists());
        left.next().filter(|_| self.count == 0 && !self.replaces_input).map(OutputFile::path)
    }

    /// Logs the first rejects.
    pub(crate) fn log_first(&self) {
        let logged = &self.first[..self.first.len() - usize::from(self.is_ended)];
        for RejectedRecord { position, reason, .. } in logged.iter().take(MAX_LOGGED) {
            tracing::warn!("{position}: rejected: {reason}");
        }
        if let Some(next) = logged.get(MAX_LOGGED) {
            tracing::warn!("{}: more rejects follow", next.position.input);
        }
    }

    /// The first rejects, which are then forgotten.
    pub(crate) fn take_first(&mut self) -> Vec<RejectedRecord> {
        std::mem::take(&mut self.first)
    }
}

impl RejectSink for Rejects<'_> {
    /// # Errors
    /// [`Kind::Rejected`] or [`Kind::TooManyErrors`] if this is one too many.
    fn take(&mut self, reject: &Reject<'_>, number: usize) -> Result<()> {
        let source = &self.inputs[number];
        let (reason, name) = (reject.reason.clone(), source.name());
        let header_name = match reason {
            Reason::InvalidUtf8 { field, .. } => source.names()[..source.width()].get(field - 1),
            _ => None,
        };
        let (line, offset) = source.line_and_offset(reject.line, reject.offset).unzip();
        let position = Position { input: name.clone(), record: reject.record + 1, line, offset };
        self.count += 1;
        if let Some(file) = self.file_of_input.get(number) {
            let RejectFiles { records, reasons, .. } = &mut self.files[*file];
            records.line(&reject.bytes)?;
            let line = ReasonLine {
                input: name,
                record: position.record,
                line: position.line,
                offset: position.offset,
                column: reason.column().or(header_name.map(String::as_str)),
                kind: reason.name(),
                message: reason.to_string(),
            };
            if let Some(reasons) = reasons {
                let line = serde_json::to_vec(&line).map_err(std::io::Error::from);
                reasons.line(&line.map_err(|error| Error::io("write", reasons.output.path(), error))?)?;
            }
        }
        if self.first.len() < MAX_KEPT {
            self.first.push(RejectedRecord::new(position.clone(), reason.clone(), &reject.bytes));
        }
        match (self.too_many(&position, &reason), self.is_preview) {
            (Some(error), false) => {
                self.is_ended = true;
                return Err(error);
            }
            (Some(error), true) => {
                self.failure.get_or_insert(error);
            }
            (None, _) => {}
        }
        Ok(())
    }
}

/// True if `input` is the file for rejects, and holds those of an earlier load, with reasons beside it.
pub(crate) fn is_fixed_file(policies: &Policies, input: &Path) -> bool {
    let is_same = |path: &PathBuf| FileId::at(path).is_some() && FileId::at(path) == FileId::at(input);
    policies.rejects.as_ref().is_some_and(|path| {
        !is_stdout(path) && is_same(path) && with_ending(path, ".reasons.jsonl").is_file()
    })
}

/// Receives the rejects of some of the inputs.
#[derive(Debug)]
pub(crate) struct RejectsFrom<'r, 'p> {
    pub(crate) rejects: &'r mut Rejects<'p>,
    /// The number of the first of these inputs.
    pub(crate) first_input: usize,
}

impl RejectSink for RejectsFrom<'_, '_> {
    fn take(&mut self, reject: &Reject<'_>, number: usize) -> Result<()> {
        self.rejects.take(reject, self.first_input + number)
    }
}

/// `path` with `ending` appended.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
