//! One chunk to one batch: what a worker does from start to end. Pure: records in, rows out.

use crate::batch::{Arena, Chunk, Reject, Rows, TypeFeedback, Value, Values};
use crate::error::{Reason, Result};
use crate::eval::{Evaluator, Program};
use crate::format::csv::decode::Decoder;
use crate::format::csv::lines::LineEnd;
use crate::format::jsonl::decode::JsonDecoder;
use crate::format::typed_rows::TypedDecoder;
use crate::format::{Decode, in_input_order};
use crate::plan::{Dialect, Policies};
use std::sync::Arc;

/// Turns chunks of one input into rows. Each worker thread has its own, which reuses its memory.
#[derive(Debug)]
pub struct Worker<'p, D = Decoder> {
    decoder: D,
    evaluator: Evaluator<'p>,
}

impl<'p> Worker<'p> {
    /// A worker that evaluates `program` on records of `width` fields, and rejects all others.
    #[must_use]
    pub fn new(program: &'p Program, dialect: Dialect, width: usize) -> Self {
        Self { decoder: Decoder::new(dialect, width), evaluator: program.evaluator() }
    }

    /// The same with the policies for records with too many or too few fields or invalid UTF-8.
    #[must_use]
    pub fn with_policies(self, policies: &Policies) -> Self {
        Self { decoder: self.decoder.with_policies(policies), ..self }
    }

    /// The same for an input whose header starts with the record `header`, which ends with `line_end`.
    #[must_use]
    pub(crate) fn with_header(self, header: &[u8], line_end: Option<LineEnd>) -> Self {
        Self { decoder: self.decoder.with_header(header, line_end), ..self }
    }

    /// The same, skipping records without a value if `skip_empty`.
    pub(super) fn with_skip_empty(self, skip_empty: bool) -> Self {
        Self { decoder: self.decoder.with_skip_empty(skip_empty), ..self }
    }

    /// The rows of `chunk`, whose memory is in `arena`.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub fn rows<'a>(&mut self, chunk: Chunk<'a>, arena: &'a Arena) -> Result<Rows<'a>> {
        self.rows_of(chunk, chunk.bytes, arena)
    }
}

impl<'p> Worker<'p, JsonDecoder> {
    /// A worker that evaluates `program` on lines in this dialect, whose members with these names are columns.
    pub(super) fn of_json(program: &'p Program, dialect: Dialect, members: &[String]) -> Self {
        Self { decoder: JsonDecoder::new(dialect, members), evaluator: program.evaluator() }
    }
}

impl<'p> Worker<'p, TypedDecoder> {
    /// A worker that evaluates `program` on rows whose values have types.
    pub(super) fn of_typed(program: &'p Program) -> Self {
        Self { decoder: TypedDecoder::new(), evaluator: program.evaluator() }
    }
}

impl<D: Decode> Worker<'_, D> {
    /// Sets the name of the input that the next chunks belong to.
    pub fn set_input(&mut self, name: &Arc<str>) {
        self.decoder.set_input(name);
    }

    /// The rows of `chunk`, whose values are read from `data` and whose memory is in `arena`.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub(super) fn rows_of<'a>(
        &mut self,
        chunk: Chunk<'a>,
        data: D::Data<'a>,
        arena: &'a Arena,
    ) -> Result<Rows<'a>> {
        let (data, mut rejects) = self.decoder.decode(&chunk, data, self.evaluator.counts_lines(), arena);
        let (filtered, mut type_feedback) = self.filter(&chunk, data, &mut rejects, arena)?;
        loop {
            let (columns, mismatches) = self.evaluator.eval(&self.decoder.records(&chunk, data), arena)?;
            if mismatches.rejects.is_empty() || mismatches.type_feedback.is_mismatched {
                type_feedback += &mismatches.type_feedback;
                return Ok(Rows {
                    chunk,
                    len: self.decoder.len(),
                    columns,
                    origins: self.decoder.origins(arena),
                    texts: D::texts(&chunk, data),
                    rejects,
                    filtered,
                    skipped: self.decoder.skipped(),
                    type_feedback,
                    repairs: self.decoder.repairs(data),
                    oddities: self.decoder.oddities(),
                });
            }
            let rejected = self.rejects_of(&chunk, data, mismatches.rejects, &mut rejects);
            self.decoder.retain(|row| rejected.binary_search(&row).is_err());
        }
    }

    /// Keeps only the records that meet all conditions of the plan, and returns the number of the others with evidence against
    /// inferred types.
    fn filter<'a>(
        &mut self,
        chunk: &Chunk<'a>,
        data: D::Data<'a>,
        rejects: &mut Vec<Reject<'a>>,
        arena: &'a Arena,
    ) -> Result<(usize, TypeFeedback)> {
        let (mut filtered, mut type_feedback) = (0, TypeFeedback::default());
        for condition in 0..self.evaluator.condition_count() {
            let records = self.decoder.records(chunk, data);
            let (is_kept, mismatches) = self.evaluator.eval_condition(condition, &records, arena)?;
            drop(records);
            let before = self.decoder.len();
            let is_rejected = self.rejects_of(chunk, data, mismatches.rejects, rejects);
            type_feedback += &mismatches.type_feedback;
            match is_kept {
                Values::Integers(is_kept) if is_rejected.is_empty() => {
                    self.decoder.retain(|row| is_kept[row] == 1);
                }
                is_kept => self.decoder.retain(|row| {
                    is_kept.get(row) == Value::Integer(1) && is_rejected.binary_search(&row).is_err()
                }),
            }
            filtered += before - is_rejected.len() - self.decoder.len();
        }
        Ok((filtered, type_feedback))
    }

    /// Adds rejects for these rows, each with a reason, and returns the rows in ascending order.
    fn rejects_of<'a>(
        &self,
        chunk: &Chunk<'a>,
        data: D::Data<'a>,
        mut rows: Vec<(usize, Reason)>,
        rejects: &mut Vec<Reject<'a>>,
    ) -> Vec<usize> {
        if rows.is_empty() {
            return Vec::new();
        }
        // The sort is stable: the first reason for a row stays first.
        rows.sort_by_key(|(row, _)| *row);
        rows.dedup_by_key(|(row, _)| *row);
        let numbers = rows.iter().map(|(row, _)| *row).collect();
        let rejected = self.decoder.rejects_of(chunk, data, rows);
        *rejects = in_input_order(std::mem::take(rejects), rejected);
        numbers
    }
}
