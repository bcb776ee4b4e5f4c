//! One chunk to one batch: what a worker does, start to end. Pure: bytes in, rows out.

use crate::batch::{Arena, Batch, Oddities, Reject, Rows, Source, Span, Value, Values};
use crate::error::{Position, Reason};
use crate::parse;
use crate::plan::{Dialect, InvalidUtf8, Policies, Ragged};
use crate::split::{Chunk, count_line_ends};
use crate::transform::{self, Evaluator, Program};
use std::ops::Range;
use std::sync::Arc;

/// Makes batches of chunks; each worker thread has one, and uses its memory again.
#[derive(Debug)]
pub struct Worker<'p> {
    dialect: Dialect,
    /// That without what is not in the chunk at hand.
    of_chunk: Dialect,
    header_fields: usize,
    ragged: Ragged,
    invalid_utf8: InvalidUtf8,
    evaluator: Evaluator<'p>,
    /// The fields of the records that become rows, and how many of the chunk come before each record.
    fields: Vec<Span>,
    numbers: Vec<u32>,
    /// Of these the short ones, each with how many fields it has; the long ones; those that are not UTF-8.
    short: Vec<(u32, u32)>,
    long: Vec<u32>,
    invalid: Vec<u32>,
    /// For each of `numbers` the line ends before it, if an expression asks for them.
    lines: Vec<u64>,
}

impl<'p> Worker<'p> {
    /// A worker that evaluates `program` on records of `header_fields` fields, and rejects all others.
    #[must_use]
    pub fn new(program: &'p Program, dialect: Dialect, header_fields: usize) -> Self {
        Self {
            dialect,
            of_chunk: dialect,
            header_fields,
            ragged: Ragged::Reject,
            invalid_utf8: InvalidUtf8::Reject,
            evaluator: program.evaluator(),
            fields: Vec::new(),
            numbers: Vec::new(),
            short: Vec::new(),
            long: Vec::new(),
            invalid: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// The same, with the patience that `policies` have with records.
    #[must_use]
    pub fn with(self, policies: &Policies) -> Self {
        Self { ragged: policies.ragged, invalid_utf8: policies.invalid_utf8, ..self }
    }

    /// The batch of `chunk`, in `arena`.
    pub(crate) fn batch<'m>(&mut self, chunk: Chunk<'m>, arena: Arena) -> Batch<'m> {
        Batch::new(Source { chunk, arena }, |source| self.rows(source.chunk, &source.arena))
    }

    /// The rows of `chunk`, made in `arena`.
    pub fn rows<'a>(&mut self, chunk: Chunk<'a>, arena: &'a Arena) -> Rows<'a> {
        self.of_chunk = parse::of_chunk(chunk.bytes, self.dialect);
        let mut rejects = self.parse(chunk);
        if self.dialect.trims {
            parse::trim(chunk.bytes, &mut self.fields);
        }
        if self.evaluator.counts_lines() {
            self.count_lines(chunk);
        }
        let bytes =
            if self.invalid.is_empty() { chunk.bytes } else { mend(chunk.bytes, &mut self.fields, arena) };
        let filtered = self.filter(chunk, bytes, &mut rejects, arena);
        loop {
            let (records, evaluator) = self.records(chunk, bytes);
            let first_record = records.first_record;
            let (columns, misfits) = evaluator.eval(records, arena);
            if misfits.rejects.is_empty() || misfits.guesses.wrong.is_some() {
                return Rows {
                    len: self.numbers.len(),
                    columns,
                    first_record,
                    rejects,
                    filtered,
                    guesses: misfits.guesses,
                    oddities: self.oddities(bytes),
                };
            }
            rejects = self.reject(chunk, rejects, misfits.rejects);
        }
    }

    /// The records that can become rows, whose fields lie in `bytes`, and what makes rows of them.
    fn records<'r, 'a>(
        &'r mut self,
        chunk: Chunk<'a>,
        bytes: &'a [u8],
    ) -> (transform::Records<'r, 'a>, &'r mut Evaluator<'p>) {
        let Self { of_chunk, header_fields, evaluator, fields, numbers, short, lines, .. } = self;
        let records = transform::Records {
            chunk: bytes,
            dialect: *of_chunk,
            fields,
            width: *header_fields,
            first_record: chunk.records_before_input + chunk.first_record,
            before_input: chunk.records_before_input,
            numbers,
            short,
            lines,
        };
        (records, evaluator)
    }

    /// Leaves only the records that the plan does not leave out, and returns the number of those.
    fn filter<'a>(
        &mut self,
        chunk: Chunk<'a>,
        bytes: &'a [u8],
        rejects: &mut Vec<Reject<'a>>,
        arena: &'a Arena,
    ) -> usize {
        let mut filtered = 0;
        for condition in 0..self.evaluator.conditions() {
            let (records, evaluator) = self.records(chunk, bytes);
            let (is_kept, failures) = evaluator.meets(condition, records, arena);
            let before = self.numbers.len() - failures.len();
            if !failures.is_empty() {
                let failed = self.rejects(chunk, failures.into_iter());
                *rejects = in_order(std::mem::take(rejects), failed);
            }
            match is_kept {
                Values::Integers(is_kept) => self.retain(|row| is_kept[row] == 1),
                is_kept => self.retain(|row| is_kept.get(row) == Value::Integer(1)),
            }
            filtered += before - self.numbers.len();
        }
        filtered
    }

    /// Leaves only these records.
    fn retain(&mut self, is_left: impl Fn(usize) -> bool) {
        let width = self.header_fields;
        let mut left = 0;
        for row in 0..self.numbers.len() {
            if is_left(row) {
                self.numbers[left] = self.numbers[row];
                self.fields.copy_within(row * width..(row + 1) * width, left * width);
                if let Some(line) = self.lines.get(row).copied() {
                    self.lines[left] = line;
                }
                left += 1;
            }
        }
        self.numbers.truncate(left);
        self.fields.truncate(left * width);
        self.lines.truncate(left);
        let is_left = |number: &u32| self.numbers.binary_search(number).is_ok();
        self.short.retain(|(number, _)| is_left(number));
        self.long.retain(is_left);
        self.invalid.retain(is_left);
    }

    /// Counts the line ends before each record.
    fn count_lines(&mut self, chunk: Chunk<'_>) {
        let (mut line, mut counted) = (chunk.first_line, 0);
        self.lines.clear();
        for fields in self.fields.chunks_exact(self.header_fields) {
            let start = fields[0].start as usize;
            line += count_line_ends(&chunk.bytes[counted..start]);
            counted = start;
            self.lines.push(line);
        }
    }

    /// Makes rejects of rows, each with a reason, and puts them among the others.
    #[cold]
    fn reject<'a>(
        &mut self,
        chunk: Chunk<'a>,
        others: Vec<Reject<'a>>,
        mut rows: Vec<(usize, Reason)>,
    ) -> Vec<Reject<'a>> {
        rows.sort_by_key(|(row, _)| *row);
        rows.dedup_by_key(|(row, _)| *row);
        let rejects = self.rejects(chunk, rows.iter().cloned());
        self.retain(|row| rows.binary_search_by_key(&row, |(row, _)| *row).is_err());
        in_order(others, rejects)
    }

    /// The records of these rows, in order, of the chunk whose rows were made last.
    fn rejects<'a>(&self, chunk: Chunk<'a>, rows: impl Iterator<Item = (usize, Reason)>) -> Vec<Reject<'a>> {
        let mut rejects = Rejects::new(chunk);
        let mut records = parse::Records::new(chunk.bytes, self.of_chunk);
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

    /// How many records of the input come before that of a row of `chunk`. Makes its rows once more to know that.
    #[cold]
    pub(crate) fn record_of(mut self, chunk: Chunk<'_>, row: usize) -> u64 {
        self.rows(chunk, &Arena::default());
        chunk.first_record + u64::from(self.numbers[row])
    }

    /// What there is about the records that became rows, whose fields lie in `bytes`.
    fn oddities(&self, bytes: &[u8]) -> Oddities {
        Oddities {
            padded: self.short.len() as u64,
            cut: self.long.len() as u64,
            mended: self.invalid.len() as u64,
            nul_values: parse::with_nul(bytes, self.of_chunk, &self.fields) as u64,
        }
    }

    /// Where in `input` the record of a row lies, of the chunk whose rows were made last.
    pub(crate) fn position(&self, chunk: Chunk<'_>, row: usize, input: &Arc<str>) -> Position {
        let number = self.numbers[row];
        let mut records = parse::Records::new(chunk.bytes, self.of_chunk);
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
        self.short.clear();
        self.long.clear();
        self.invalid.clear();
        // Most are ASCII, which is sooner seen.
        let chunk_is_utf8 = chunk.bytes.is_ascii() || std::str::from_utf8(chunk.bytes).is_ok();
        if chunk_is_utf8
            && let Some(count) =
                parse::regular(chunk.bytes, self.of_chunk, self.header_fields, &mut self.fields)
        {
            self.numbers.extend(0..count as u32);
            return Vec::new();
        }
        self.fields.clear();
        let mut rejects = Rejects::new(chunk);
        let mut records = parse::Records::new(chunk.bytes, self.of_chunk);
        for number in 0.. {
            let first_field = self.fields.len();
            let Some(range) = records.next_into(&mut self.fields) else { break };
            let (expected, found) = (self.header_fields, self.fields.len() - first_field);
            let invalid = if chunk_is_utf8 {
                None
            } else {
                invalid_utf8(chunk, range.clone(), &self.fields[first_field..])
            };
            let is_too_much = found > expected && self.ragged != Ragged::Fit;
            let reason = if is_too_much || found < expected && self.ragged == Ragged::Reject {
                Some(Reason::FieldCount { expected, found })
            } else {
                invalid.clone().filter(|_| self.invalid_utf8 == InvalidUtf8::Reject)
            };
            if let Some(reason) = reason {
                self.fields.truncate(first_field);
                rejects.push(number, range, reason);
                continue;
            }
            self.numbers.push(number);
            if found != expected {
                self.fit(number, first_field, found);
            }
            self.invalid.extend(invalid.map(|_| number));
        }
        rejects.list
    }

    /// Makes the last record as wide as the header.
    #[cold]
    fn fit(&mut self, number: u32, first_field: usize, found: usize) {
        if found < self.header_fields {
            self.short.push((number, found as u32));
        } else {
            self.long.push(number);
        }
        self.fields.resize(first_field + self.header_fields, Span { start: 0, end: 0 });
    }
}

/// The fields of `chunk`, one behind the other, with U+FFFD where they are not UTF-8; they lie there then.
#[cold]
fn mend<'a>(chunk: &[u8], fields: &mut [Span], arena: &'a Arena) -> &'a [u8] {
    let mut bytes = arena.vec(chunk.len());
    for field in fields {
        let start = bytes.len() as u32;
        bytes.extend_from_slice_copy(String::from_utf8_lossy(field.of(chunk)).as_bytes());
        *field = Span { start, end: bytes.len() as u32 };
    }
    bytes.into_bump_slice()
}

fn in_order<'a>(some: Vec<Reject<'a>>, others: Vec<Reject<'a>>) -> Vec<Reject<'a>> {
    let mut all = [some, others].concat();
    all.sort_by_key(|reject| reject.record);
    all
}

#[cold]
fn invalid_utf8(chunk: Chunk<'_>, record: Range<usize>, fields: &[Span]) -> Option<Reason> {
    let error = std::str::from_utf8(&chunk.bytes[record.clone()]).err()?;
    let at = record.start + error.valid_up_to();
    let field = fields.partition_point(|field| field.end as usize <= at) + 1;
    Some(Reason::InvalidUtf8 { field, offset: chunk.offset + at as u64 })
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
