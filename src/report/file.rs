//! The report as a file in JSON, written at every end of a load.

use crate::error::{Error, Kind, Position, Result, with_causes};
use crate::files::output::OutputFile;
use crate::input::expand;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where the report of a load goes.
#[derive(Debug)]
pub(crate) struct ReportFile {
    path: PathBuf,
    /// `None` for standard output.
    output: Option<OutputFile>,
    is_durable: bool,
}

/// The outcome of a load, in JSON: its end, and whatever else is known.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome<'r, T: Serialize> {
    status: &'static str,
    exit_code: u8,
    error: Option<ErrorReport<'r>>,
    #[serde(flatten)]
    content: T,
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
    line: u64,
    offset: u64,
}

/// What a failed load was about.
#[derive(Debug, Serialize)]
pub(crate) struct LoadArguments {
    inputs: Vec<String>,
    database: String,
}

impl LoadArguments {
    pub(crate) fn new(inputs: &[PathBuf], database: &Path) -> Self {
        let inputs = inputs.iter().map(|path| path.display().to_string()).collect();
        Self { inputs, database: database.display().to_string() }
    }
}

impl<'r, T: Serialize> Outcome<'r, T> {
    pub(crate) fn success(status: &'static str, exit_code: u8, content: T) -> Self {
        Self { status, exit_code, error: None, content }
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
        Self { status, exit_code: error.exit_code(), error: Some(error_report), content }
    }
}

impl ReportFile {
    /// Prepares to write the report to `path`, which may be none of `others`; `-` is standard output.
    ///
    /// # Errors
    /// As [`OutputFile::open`].
    pub(crate) fn open(path: &Path, others: &[PathBuf], is_durable: bool) -> Result<Self> {
        let others: Vec<_> = others.iter().map(PathBuf::as_path).collect();
        let output = match path == Path::new("-") {
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

    /// Writes the report. A closed pipe is no error: whoever reads it has seen enough.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be written.
    pub(crate) fn write(self, report: &impl Serialize) -> Result<()> {
        let Self { path, output, is_durable } = self;
        let failed = |error| Error::io("write", &path, error);
        let mut json = serde_json::to_vec_pretty(report).map_err(|error| failed(error.into()))?;
        json.push(b'\n');
        let Some(mut output) = output else {
            let mut stdout = std::io::stdout();
            return match stdout.write_all(&json).and_then(|()| stdout.flush()) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                written => written.map_err(failed),
            };
        };
        output.start()?.write_all(&json).map_err(failed)?;
        output.complete(is_durable)?;
        output.publish(is_durable)
    }
}

/// Writes the report of a load that failed before it began, or that is ended at once, to `path`; `-` is standard output.
///
/// # Errors
/// [`Kind::Io`] if the report cannot be written; [`Kind::Usage`] if it would overwrite another file of the load.
pub fn write_failure(
    path: &Path,
    inputs: &[PathBuf],
    database: &Path,
    rejects: Option<&Path>,
    error: &Error,
) -> Result<()> {
    let report = Outcome::failure(error, LoadArguments::new(inputs, database));
    ReportFile::open(path, &other_files(inputs, database, rejects), false)?.write(&report)
}

/// The files of a load that its report must not overwrite.
pub(crate) fn other_files(inputs: &[PathBuf], database: &Path, rejects: Option<&Path>) -> Vec<PathBuf> {
    // An error in a pattern is reported.
    let mut files = expand(inputs).unwrap_or_else(|_| inputs.to_vec());
    files.push(database.to_owned());
    if let Some(path) = rejects {
        let mut reasons = path.as_os_str().to_owned();
        reasons.push(".reasons.jsonl");
        files.extend([path.to_owned(), reasons.into()]);
    }
    files
}
