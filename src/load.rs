//! The conductor: opens the inputs, resolves the plan, infers types, attempts the load, and reports.

mod attempt;
mod choice;
mod explain;
mod fill;
mod infer;
mod preview;
mod resolve;
mod tables;

use crate::batch::Oddities;
use crate::database::check_path;
use crate::engine::rejects::{Rejects, is_fixed_file};
use crate::engine::source::{RecordSource, header_warnings};
use crate::engine::sqlite_input::SqliteInput;
use crate::error::{Error, Kind, Result, Warning, with_causes};
use crate::files::output::is_stdout;
#[cfg(feature = "arrow")]
use crate::input::ArrowStream;
use crate::input::file_path;
use crate::plan::{Plan, Synchronous};
use crate::report::{Note, Progress, Report};
use attempt::Attempt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;
use tables::LoadInputs;

/// A load that is to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conductor<'l> {
    pub(crate) plan: &'l Plan,
    pub(crate) inputs: &'l [PathBuf],
    pub(crate) database: &'l Path,
    pub(crate) progress: &'l Progress,
    pub(crate) stop: &'l Arc<AtomicBool>,
    /// Columns that the table must have to build shards by.
    pub(crate) shard_columns: &'l [String],
    /// The records, if they are rows of SQLite tables.
    pub(crate) tables: Option<&'l [SqliteInput]>,
    /// The only input, if it is a stream of record batches.
    #[cfg(feature = "arrow")]
    pub(crate) arrow_stream: Option<&'l Arc<ArrowStream>>,
}

impl Conductor<'_> {
    /// Loads the inputs into the database, all or nothing, as the plan says.
    pub(crate) fn run(self) -> Result<Report> {
        let started = Instant::now();
        check_path(self.database, self.inputs)?;
        self.progress.restart();
        self.with_inputs(|inputs| self.load(inputs, started))
    }

    fn load(self, inputs: &LoadInputs, started: Instant) -> Result<Report> {
        let report = self.plan.report.as_deref().filter(|path| !is_stdout(path));
        let inputs_to_keep = self.inputs.iter().filter(|input| !is_fixed_file(&self.plan.policies, input));
        let others = inputs_to_keep.map(|path| file_path(path)).chain(report).chain([self.database]);
        let mut others: Vec<_> = others.map(Path::to_owned).collect();
        let (policies, separates_inputs) = (&self.plan.policies, self.has_table_per_input());
        let mut rejects =
            Rejects::open(policies, &inputs.list, &mut others, self.is_durable(), separates_inputs)?;
        let report = self.attempt_until_done(inputs, &mut rejects, started);
        rejects.log_first();
        self.progress.set_first_rejects(rejects.take_first());
        let mut report = report?;
        let mut notes = self.late_notes(inputs);
        notes.dedup();
        notes.extend(inputs.notes.iter().cloned());
        report.notes.splice(0..0, notes);
        Ok(report)
    }

    /// What is known about the inputs now that they have been read.
    fn late_notes(&self, inputs: &LoadInputs) -> Vec<Note> {
        let skip_footer = self.plan.input_options.skip_footer;
        inputs.list.iter().flat_map(|input| input.late_notes(skip_footer)).collect()
    }

    /// Whether the load ends only when everything is on disk.
    fn is_durable(&self) -> bool {
        self.plan.tuning.synchronous >= Synchronous::Full
    }

    /// Calls `run` with the inputs. Errors say what the inputs look like.
    fn with_inputs<T>(&self, run: impl FnOnce(&LoadInputs) -> Result<T>) -> Result<T> {
        // Once for all attempts: a pipe cannot be read again.
        let inputs = self.open_inputs()?;
        run(&inputs).map_err(|error| in_context(error, &inputs.list))
    }

    /// Attempts the load until it succeeds or another attempt cannot do better.
    fn attempt_until_done(
        self,
        inputs: &LoadInputs,
        rejects: &mut Rejects<'_>,
        started: Instant,
    ) -> Result<Report> {
        let mut attempt = Attempt::default();
        loop {
            let failure = match self.attempt(inputs, &attempt, rejects, started) {
                Ok(report) => return Ok(report),
                Err(failure) => failure,
            };
            let can_start_again = inputs.list.iter().all(RecordSource::can_be_read);
            match attempt.retry(&failure, self.plan).filter(|_| can_start_again) {
                Some(retry) => {
                    tracing::debug!(?retry, "starting the load again");
                    attempt.apply(retry);
                }
                None => {
                    let error = attempt::into_error(failure.failure);
                    if let Kind::Rejected { .. } | Kind::TooManyErrors { .. } | Kind::NothingLoaded { .. } =
                        error.kind()
                        && let Err(error) = rejects.publish()
                    {
                        tracing::error!("{}", with_causes(&error));
                    }
                    return Err(error);
                }
            }
            self.progress.restart();
        }
    }

    /// The number of workers.
    pub(crate) fn jobs(&self) -> usize {
        let jobs = self.plan.tuning.jobs.or_else(|| thread::available_parallelism().ok());
        jobs.map_or(1, usize::from)
    }
}

/// The error with the delimiter and the warnings of the inputs, if they may explain it.
fn in_context(error: Error, inputs: &[RecordSource]) -> Error {
    let delimiter = |input: &RecordSource| input.dialect().map(|dialect| dialect.delimiter);
    let input = match error.kind() {
        Kind::MissingColumn { input, .. } | Kind::HeaderDiffers { input, .. } => {
            inputs.iter().find(|other| other.name() == input)
        }
        // The error may concern any of them.
        _ => inputs.first().filter(|first| inputs.iter().all(|input| delimiter(input) == delimiter(first))),
    };
    let error = match input.and_then(delimiter) {
        Some(delimiter) => error.with_delimiter(delimiter),
        None => error,
    };
    error.with_warnings(header_warnings(inputs))
}

/// What looks wrong in the records of these inputs.
fn record_warnings(inputs: &[RecordSource], oddities: &BTreeMap<usize, Oddities>) -> Vec<Warning> {
    let warnings = oddities.iter().flat_map(|(number, oddities)| {
        let input = inputs[*number].name();
        oddities.iter().map(|(oddity, count, line)| Warning::Records {
            input: input.clone(),
            oddity,
            count,
            line,
        })
    });
    warnings.collect()
}

/// Bytes of all inputs; nothing if the size of one is not known.
fn total_bytes(inputs: &[RecordSource]) -> Option<u64> {
    inputs.iter().map(RecordSource::bytes).sum()
}
