//! One chunk to one batch: what a worker does from start to end. Pure: bytes in, rows out.

use crate::batch::{Arena, Chunk, Reject, Rows, Value, Values};
use crate::error::{Reason, Result};
use crate::eval::{Evaluator, Program};
use crate::format::csv::decode::{Decoder, in_input_order};
use crate::plan::{Dialect, Policies};
use std::sync::Arc;

/// Turns chunks of one input into rows. Each worker thread has its own, which reuses its memory.
#[derive(Debug)]
pub struct Worker<'p> {
    decoder: Decoder,
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

    /// The same, skipping records without a value if `skip_empty`.
    pub(super) fn with_skip_empty(self, skip_empty: bool) -> Self {
        Self { decoder: self.decoder.with_skip_empty(skip_empty), ..self }
    }

    /// Sets the name of the input that the next chunks belong to.
    pub fn set_input(&mut self, name: &Arc<str>) {
        self.decoder.set_input(name);
    }

    /// The rows of `chunk`, whose memory is in `arena`.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub fn rows<'a>(&mut self, chunk: Chunk<'a>, arena: &'a Arena) -> Result<Rows<'a>> {
        let (bytes, mut rejects) = self.decoder.decode(&chunk, self.evaluator.counts_lines(), arena);
        let filtered = self.filter(&chunk, bytes, &mut rejects, arena)?;
        loop {
            let (columns, mismatches) = self.evaluator.eval(&self.decoder.records(&chunk, bytes), arena)?;
            if mismatches.rejects.is_empty() || mismatches.type_feedback.mismatched.is_some() {
                return Ok(Rows {
                    chunk,
                    len: self.decoder.len(),
                    columns,
                    origins: self.decoder.origins(arena),
                    rejects,
                    filtered,
                    skipped: self.decoder.skipped(),
                    type_feedback: mismatches.type_feedback,
                    repairs: self.decoder.repairs(bytes),
                });
            }
            rejects = self.reject(&chunk, rejects, mismatches.rejects);
        }
    }

    /// Keeps only the records that meet all conditions of the plan, and returns the number of the others.
    fn filter<'a>(
        &mut self,
        chunk: &Chunk<'a>,
        bytes: &'a [u8],
        rejects: &mut Vec<Reject<'a>>,
        arena: &'a Arena,
    ) -> Result<usize> {
        let mut filtered = 0;
        for condition in 0..self.evaluator.condition_count() {
            let records = self.decoder.records(chunk, bytes);
            let (is_kept, failures) = self.evaluator.eval_condition(condition, &records, arena)?;
            let before = self.decoder.len() - failures.len();
            if !failures.is_empty() {
                let failed = self.decoder.rejects_of(chunk, failures);
                *rejects = in_input_order(std::mem::take(rejects), failed);
            }
            match is_kept {
                Values::Integers(is_kept) => self.decoder.retain(|row| is_kept[row] == 1),
                is_kept => self.decoder.retain(|row| is_kept.get(row) == Value::Integer(1)),
            }
            filtered += before - self.decoder.len();
        }
        Ok(filtered)
    }

    /// Turns rows into rejects, each with a reason, and merges them with the others.
    #[cold]
    fn reject<'a>(
        &mut self,
        chunk: &Chunk<'a>,
        others: Vec<Reject<'a>>,
        mut rows: Vec<(usize, Reason)>,
    ) -> Vec<Reject<'a>> {
        rows.sort_by_key(|(row, _)| *row);
        rows.dedup_by_key(|(row, _)| *row);
        let rejects = self.decoder.rejects_of(chunk, rows.iter().cloned());
        self.decoder.retain(|row| rows.binary_search_by_key(&row, |(row, _)| *row).is_err());
        in_input_order(others, rejects)
    }
}
