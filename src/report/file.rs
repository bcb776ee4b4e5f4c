//! The report as a file in JSON or HTML, written at every end of a load.

use super::page::{Content, PageContext, Phrases};
use crate::error::{Error, Kind, Position, Result, with_causes};
use crate::files::output::{OutputFile, is_stdout};
use crate::input::expand;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the report of a load goes.
#[derive(Debug)]
pub(crate) struct ReportFile {
    path: PathBuf,
    /// `None` for standard output.
    output: Option<OutputFile>,
    is_durable: bool,
}

/// The outcome of a load: its end, and whatever else is known.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome<'r, T> {
    pub(super) status: &'static str,
    pub(super) exit_code: u8,
    error: Option<ErrorReport<'r>>,
    #[serde(skip)]
    pub(super) cause: Option<&'r Error>,
    #[serde(flatten)]
    pub(super) content: T,
}

/// An error, for programs.
#[derive(Debug, Serialize)]
struct ErrorReport<'r> {
    kind: &'static str,
    message: String,
    position: Option<PositionReport<'r>>,
}

#[derive(Debug, Serialize)]
struct PositionReport<'r> {
    input: &'r str,
    record: u64,
    line: Option<u64>,
    offset: Option<u64>,
}

/// What a failed load was about.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LoadArguments {
    pub(super) inputs: Vec<String>,
    pub(super) database: String,
}

impl LoadArguments {
    pub(crate) fn new(inputs: &[PathBuf], database: &Path) -> Self {
        let inputs = inputs.iter().map(|path| path.display().to_string()).collect();
        Self { inputs, database: database.display().to_string() }
    }
}

impl<'r, T: Content> Outcome<'r, T> {
    pub(crate) fn success(status: &'static str, exit_code: u8, content: T) -> Self {
        Self { status, exit_code, error: None, cause: None, content }
    }

    pub(crate) fn failure(error: &'r Error, content: T) -> Self {
        let position = error.position().map(|Position { input, record, line, offset }| PositionReport {
            input,
            record: *record,
            line: *line,
            offset: *offset,
        });
        let status = if matches!(error.kind(), Kind::Interrupted) { "interrupted" } else { "failed" };
        let error_report = ErrorReport { kind: error.kind().name(), message: with_causes(error), position };
        let exit_code = error.exit_code();
        Self { status, exit_code, error: Some(error_report), cause: Some(error), content }
    }
}

impl<T: Serialize> Outcome<'_, T> {
    pub(crate) fn json(&self) -> io::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

impl ReportFile {
    /// Prepares to write the report to `path`, which may be none of `others`; `-` is standard output.
    ///
    /// # Errors
    /// As [`OutputFile::open`].
    pub(crate) fn open(path: &Path, others: &[PathBuf], is_durable: bool) -> Result<Self> {
        let others: Vec<_> = others.iter().map(PathBuf::as_path).collect();
        let output = match is_stdout(path) {
            true => None,
            false => Some(OutputFile::open(path, &others)?),
        };
        Ok(Self { path: path.to_owned(), output, is_durable })
    }

    /// Removes the report of an earlier load, which must not pass for that of a load that is killed.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be removed.
    pub(crate) fn remove_old(&self) -> Result<()> {
        self.output.as_ref().map_or(Ok(()), OutputFile::remove_old)
    }

    /// True if the report is a page of HTML, which the name of the file says.
    pub(crate) fn is_page(&self) -> bool {
        self.path.as_os_str().as_encoded_bytes().ends_with(b".html")
    }

    /// Writes the report. A closed pipe is no error: whoever reads it has seen enough.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be written.
    pub(crate) fn write<T: Content>(self, outcome: &Outcome<'_, T>, context: &PageContext<'_>) -> Result<()> {
        let is_page = self.is_page();
        let Self { path, output, is_durable } = self;
        let failed = |error| Error::io("write", &path, error);
        let report = match is_page {
            true => outcome.page(context).into_bytes(),
            false => outcome.json().map_err(failed)?,
        };
        let Some(mut output) = output else {
            let mut stdout = io::stdout();
            return match stdout.write_all(&report).and_then(|()| stdout.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written.map_err(failed),
            };
        };
        output.start()?.write_all(&report).map_err(failed)?;
        output.complete(is_durable)?;
        output.publish(is_durable)
    }
}

/// Writes the report of a load that failed before it began, or that is ended at once, to `path`; `-` is standard output. A page of HTML words
/// the error with `phrases`.
///
/// # Errors
/// [`Kind::Io`] if the report cannot be written; [`Kind::Usage`] if it would overwrite another file of the load.
pub fn write_failure(
    path: &Path,
    inputs: &[PathBuf],
    database: &Path,
    rejects: Option<&Path>,
    error: &Error,
    phrases: Phrases,
) -> Result<()> {
    let outcome = Outcome::failure(error, LoadArguments::new(inputs, database));
    let file = ReportFile::open(path, &other_files(inputs, database, rejects), false)?;
    file.write(&outcome, &PageContext { phrases, ..PageContext::default() })
}

/// The files of a load that its report must not overwrite.
pub(crate) fn other_files(inputs: &[PathBuf], database: &Path, rejects: Option<&Path>) -> Vec<PathBuf> {
    // An error in a pattern is reported.
    let mut files = expand(inputs).unwrap_or_else(|_| inputs.to_vec());
    files.push(database.to_owned());
    if let Some(path) = rejects.filter(|path| !is_stdout(path)) {
        let mut reasons = path.as_os_str().to_owned();
        reasons.push(".reasons.jsonl");
        files.extend([path.to_owned(), reasons.into()]);
    }
    files
}
