//! The writer's end of a pipeline: writes batches, passes rejects on, counts both, and tells why it stops.

use super::inputs::Inputs;
use super::record_log::RecordLog;
use super::timers::StageTimers;
use crate::batch::{Oddities, Reject, Repairs, Rows, TypeFeedback};
use crate::error::{Error, Position, Result};
use crate::format::{in_input_order, rejects_of_rows};
use crate::report::Progress;
use crate::write::{Appended, Cause, Encoded, WriteFailure, Writer};
use std::collections::{BTreeMap, BTreeSet};

/// The counts of a pipeline.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Bytes of input that were read.
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) loaded: u64,
    pub(crate) rejected: u64,
    /// The rejected records that the table did not take.
    pub(crate) rejected_by_table: u64,
    pub(crate) filtered: u64,
    pub(crate) skipped: u64,
    pub(crate) ignored: u64,
    /// The loaded records that updated a row.
    pub(crate) updated: u64,
    pub(crate) repairs: Repairs,
    /// By number of the input, those that have any.
    pub(crate) oddities: BTreeMap<usize, Oddities>,
    pub(crate) type_feedback: TypeFeedback,
}

/// Why a pipeline did not get to its end.
#[derive(Debug)]
pub(crate) enum PipelineFailure {
    /// The load fails.
    Error(Error),
    /// A value is not of the type that its column was inferred to have.
    TypeMismatch,
    /// Columns of numeric affinity have numbers that are spelled in ways that no format gives back.
    MixedSpellings {
        /// The indexes of the columns in the table.
        columns: BTreeSet<usize>,
    },
    /// A row breaks a constraint of the table.
    Constraint {
        /// The constraint, in the words of SQLite.
        message: String,
        /// What the writer knows about it.
        cause: Cause,
        /// Whether SQLite told which row.
        is_row_known: bool,
        /// The positions of the records of this row and of the one that it contradicts, as far as they are known.
        positions: Vec<Position>,
    },
    /// The direct path cannot take these rows, for this reason.
    Unsupported {
        /// The reason.
        reason: String,
    },
}

impl From<Error> for PipelineFailure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl PipelineFailure {
    /// The failure of a writer; `positions` finds the records of rows.
    pub(crate) fn of_writer(failure: WriteFailure, positions: impl FnOnce(&[u64]) -> Vec<Position>) -> Self {
        match failure {
            WriteFailure::Error(error) => Self::Error(error),
            WriteFailure::Unsupported { reason } => Self::Unsupported { reason },
            WriteFailure::Constraint { message, cause, rows } => {
                let positions = positions(&rows);
                Self::Constraint { message, cause, is_row_known: !rows.is_empty(), positions }
            }
        }
    }
}

/// Receives the rejects of a load, in input order.
pub(crate) trait RejectSink {
    /// Takes a reject of input `number`.
    ///
    /// # Errors
    /// If the load must not go on.
    fn take(&mut self, reject: &Reject<'_>, number: usize) -> Result<()>;
}

/// Ignores rejects.
impl RejectSink for () {
    fn take(&mut self, _: &Reject<'_>, _: usize) -> Result<()> {
        Ok(())
    }
}

/// Where the writer thread puts batches.
pub(super) struct Output<'o, 'i, W, R> {
    pub(super) inputs: &'o Inputs<'i>,
    pub(super) writer: &'o mut W,
    pub(super) rejects: &'o mut R,
    pub(super) log: &'o mut RecordLog,
    pub(super) progress: &'o Progress,
    pub(super) timers: &'o StageTimers,
    pub(super) counts: Counts,
}

impl<W: Writer, R: RejectSink> Output<'_, '_, W, R> {
    /// Writes the rows of the next batch, passes on its rejects, and counts both.
    pub(super) fn write(&mut self, rows: &Rows<'_>, encoded: &mut Encoded<W>) -> Result<(), PipelineFailure> {
        let Rows { chunk, origins, .. } = rows;
        self.counts.type_feedback += &rows.type_feedback;
        if self.counts.type_feedback.needs_inference() {
            return Err(PipelineFailure::TypeMismatch);
        }
        let mixed: BTreeSet<_> = self.counts.type_feedback.mixed_numeric_columns().collect();
        if !mixed.is_empty() {
            return Err(PipelineFailure::MixedSpellings { columns: mixed });
        }
        let appended = self.timers.write.time(|| self.writer.append(rows, encoded));
        let Appended { rejected, ignored, updated } =
            appended.map_err(|failure| self.failure(failure, rows))?;
        let loaded = (rows.len - rejected.len()) as u64 - ignored;
        self.counts.records += chunk.records as u64;
        self.counts.loaded += loaded;
        self.counts.rejected += (rows.rejects.len() + rejected.len()) as u64;
        self.counts.rejected_by_table += rejected.len() as u64;
        self.counts.filtered += rows.filtered as u64;
        self.counts.skipped += rows.skipped as u64;
        self.counts.ignored += ignored;
        self.counts.updated += updated;
        self.counts.repairs += rows.repairs;
        if !rows.oddities.is_empty() {
            *self.counts.oddities.entry(chunk.input).or_default() += rows.oddities;
        }
        let mut take = |reject: &Reject<'_>| self.rejects.take(reject, chunk.input);
        if rejected.is_empty() {
            rows.rejects.iter().try_for_each(take)?;
        } else {
            let rejected = rejects_of_rows(rows, rejected);
            in_input_order(rows.rejects.clone(), rejected).iter().try_for_each(&mut take)?;
        }
        if W::NAMES_EARLIER_ROWS {
            self.log.push(chunk, *origins);
        }
        self.progress.add(chunk.bytes.len() as u64, loaded);
        Ok(())
    }

    /// The failure of the writer on these rows, or the error of a reject before the row that it is about.
    #[cold]
    fn failure(&mut self, failure: WriteFailure, rows: &Rows<'_>) -> PipelineFailure {
        let Counts { loaded, rejected_by_table, ignored, .. } = self.counts;
        let rows_before = loaded + rejected_by_table + ignored;
        let row_here =
            |row: &u64| row.checked_sub(rows_before).map(|row| row as usize).filter(|row| *row < rows.len);
        let row = match &failure {
            // It may be any row.
            WriteFailure::Constraint { rows: failed, .. } if failed.is_empty() => (rows.len > 0).then_some(0),
            WriteFailure::Constraint { rows: failed, .. } => failed.last().and_then(row_here),
            WriteFailure::Error(_) | WriteFailure::Unsupported { .. } => None,
        };
        let end = row.map(|row| rows.chunk.first_record + u64::from(rows.origins.get(row).number));
        let mut before = rows.rejects.iter().filter(|reject| end.is_none_or(|end| reject.record < end));
        if let Err(error) = before.try_for_each(|reject| self.rejects.take(reject, rows.chunk.input)) {
            return error.into();
        }
        let source = &self.inputs.list[rows.chunk.input];
        PipelineFailure::of_writer(failure, |failed| {
            let position = |row: &u64| match row_here(row) {
                Some(row) => vec![source.position(&rows.chunk, rows.origins.get(row))],
                None => self.inputs.positions(&[*row], self.log),
            };
            failed.iter().flat_map(position).collect()
        })
    }
}
