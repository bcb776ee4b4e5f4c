//! One chunk to one batch: what a worker does, start to end. Pure: bytes in, rows out.

use crate::batch::{Arena, Batch, Reject, Rows, Source, Span};
use crate::error::{Position, Reason};
use crate::parse;
use crate::plan::Dialect;
use crate::split::{Chunk, count_line_ends};
use crate::transform::{self, Evaluator, Program};
use std::ops::Range;
use std::sync::Arc;

/// Makes batches of chunks; each worker thread has one, and uses its memory again.
#[derive(Debug)]
pub struct Worker<'p> {
    dialect: Dialect,
    header_fields: usize,
    evaluator: Evaluator<'p>,
    fields: Vec<Span>,
    numbers: Vec<u32>,
}

impl<'p> Worker<'p> {
    /// A worker that evaluates `program` on records of `header_fields` fields.
    #[must_use]
    pub fn new(program: &'p Program, dialect: Dialect, header_fields: usize) -> Self {
        Self {
            dialect,
            header_fields,
            evaluator: program.evaluator(),
            fields: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// The batch of `chunk`, in `arena`.
    pub(crate) fn batch<'m>(&mut self, chunk: Chunk<'m>, arena: Arena) -> Batch<'m> {
        Batch::new(Source { chunk, arena }, |source| self.rows(source.chunk, &source.arena))
    }

    /// The rows of `chunk`, made in `arena`.
    pub fn rows<'a>(&mut self, chunk: Chunk<'a>, arena: &'a Arena) -> Rows<'a> {
        let mut rejects = self.parse(chunk);
        if self.dialect.trims {
            parse::trim(chunk.bytes, &mut self.fields);
        }
        let first_record = chunk.records_before_input + chunk.first_record;
        loop {
            let records = transform::Records {
                chunk: chunk.bytes,
                dialect: self.dialect,
                fields: &self.fields,
                width: self.header_fields,
                first_record,
                numbers: &self.numbers,
            };
            let (columns, misfits) = self.evaluator.eval(records, arena);
            if misfits.rejects.is_empty() || misfits.guess.is_some() {
                return Rows {
                    len: self.numbers.len(),
                    columns,
                    first_record,
                    rejects,
                    misfit: misfits.guess,
                };
            }
            rejects = self.reject(chunk, rejects, misfits.rejects);
        }
    }

    /// Makes rejects of rows, each with a column that is to blame, and puts them among the others.
    #[cold]
    fn reject<'a>(
        &mut self,
        chunk: Chunk<'a>,
        others: Vec<Reject<'a>>,
        mut rows: Vec<(usize, usize)>,
    ) -> Vec<Reject<'a>> {
        rows.sort_unstable();
        rows.dedup_by_key(|(row, _)| *row);
        let reasons = rows.iter().map(|(row, column)| (*row, self.evaluator.reason(*column)));
        let rejects = self.rejects(chunk, reasons);
        let is_left = |row: usize| rows.binary_search_by_key(&row, |(row, _)| *row).is_err();
        let mut row = 0;
        self.numbers.retain(|_| (is_left(row), row += 1).0);
        let mut at = 0;
        let width = self.header_fields;
        self.fields.retain(|_| (is_left(at / width), at += 1).0);
        in_order(others, rejects)
    }

    /// The records of these rows, in order, of the chunk whose rows were made last.
    fn rejects<'a>(&self, chunk: Chunk<'a>, rows: impl Iterator<Item = (usize, Reason)>) -> Vec<Reject<'a>> {
        let mut rejects = Rejects::new(chunk);
        let mut records = parse::Records::new(chunk.bytes, self.dialect);
        let mut ranges = std::iter::from_fn(|| records.next_into(&mut Vec::new())).zip(0..);
        for (row, reason) in rows {
            let number = self.numbers[row];
            if let Some((range, number)) = ranges.find(|(_, other)| *other == number) {
                rejects.push(number, range, reason);
            }
        }
        rejects.list
    }

    /// All rejects of `chunk`: those known, and the records of these rows, in order. Makes its rows once more to know which
    /// records those are.
    #[cold]
    pub(crate) fn refuse<'a>(
        mut self,
        chunk: Chunk<'a>,
        known: &[Reject<'a>],
        rows: Vec<(usize, Reason)>,
    ) -> Vec<Reject<'a>> {
        self.rows(chunk, &Arena::default());
        in_order(known.to_vec(), self.rejects(chunk, rows.into_iter()))
    }

    /// Where in `input` the record of a row lies, of the chunk whose rows were made last.
    pub(crate) fn position(&self, chunk: Chunk<'_>, row: usize, input: &Arc<str>) -> Position {
        let number = self.numbers[row];
        let mut records = parse::Records::new(chunk.bytes, self.dialect);
        let mut starts = std::iter::from_fn(|| records.next_into(&mut Vec::new())).map(|range| range.start);
        let start = starts.nth(number as usize).unwrap_or_default();
        Position {
            input: input.clone(),
            record: chunk.first_record + u64::from(number) + 1,
            line: chunk.first_line + count_line_ends(&chunk.bytes[..start]) + 1,
            offset: chunk.offset + start as u64,
        }
    }

    /// Leaves the records that can become rows in `fields` and `numbers`, and returns the others.
    fn parse<'a>(&mut self, chunk: Chunk<'a>) -> Vec<Reject<'a>> {
        self.fields.clear();
        self.numbers.clear();
        // Most are ASCII, which is sooner seen.
        let chunk_is_utf8 = chunk.bytes.is_ascii() || std::str::from_utf8(chunk.bytes).is_ok();
        if chunk_is_utf8
            && let Some(count) =
                parse::regular(chunk.bytes, self.dialect, self.header_fields, &mut self.fields)
        {
            self.numbers.extend(0..count as u32);
            return Vec::new();
        }
        self.fields.clear();
        let mut rejects = Rejects::new(chunk);
        let mut records = parse::Records::new(chunk.bytes, self.dialect);
        let mut number = 0;
        loop {
            let first_field = self.fields.len();
            let Some(range) = records.next_into(&mut self.fields) else { break };
            let found = self.fields.len() - first_field;
            let reason = if found != self.header_fields {
                Some(Reason::FieldCount { expected: self.header_fields, found })
            } else if chunk_is_utf8 {
                None
            } else {
                invalid_utf8(chunk, range.clone())
            };
            match reason {
                None => self.numbers.push(number),
                Some(reason) => {
                    self.fields.truncate(first_field);
                    rejects.push(number, range, reason);
                }
            }
            number += 1;
        }
        rejects.list
    }
}

fn in_order<'a>(some: Vec<Reject<'a>>, others: Vec<Reject<'a>>) -> Vec<Reject<'a>> {
    let mut all = [some, others].concat();
    all.sort_by_key(|reject| reject.record);
    all
}

#[cold]
fn invalid_utf8(chunk: Chunk<'_>, record: Range<usize>) -> Option<Reason> {
    let error = std::str::from_utf8(&chunk.bytes[record.clone()]).err()?;
    Some(Reason::InvalidUtf8 { offset: chunk.offset + (record.start + error.valid_up_to()) as u64 })
}

/// The rejects of a chunk; counts lines from one to the next.
struct Rejects<'a> {
    chunk: Chunk<'a>,
    /// Line ends of the input before the byte `counted` of the chunk.
    line: u64,
    counted: usize,
    list: Vec<Reject<'a>>,
}

impl<'a> Rejects<'a> {
    fn new(chunk: Chunk<'a>) -> Self {
        Self { chunk, line: chunk.first_line, counted: 0, list: Vec::new() }
    }

    #[cold]
    fn push(&mut self, number: u32, range: Range<usize>, reason: Reason) {
        self.line += count_line_ends(&self.chunk.bytes[self.counted..range.start]);
        self.counted = range.start;
        let record = self.chunk.first_record + u64::from(number);
        let offset = self.chunk.offset + range.start as u64;
        self.list.push(Reject { record, line: self.line, offset, bytes: &self.chunk.bytes[range], reason });
    }
}
