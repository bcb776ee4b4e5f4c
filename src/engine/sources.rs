//! The inputs of a load, one after the other, and what makes rows of their records.

use crate::batch::Chunk;
use crate::engine::locate::{Again, positions};
use crate::engine::pipeline::{Counts, Pipeline};
use crate::engine::rejects::Rejects;
use crate::engine::worker::Worker;
use crate::error::{Kind, Position, Result, RowKey};
use crate::eval::{Program, Seed};
use crate::format::csv::parse::Records;
use crate::format::csv::source::Source;
use crate::plan::{ColumnRef, Dialect, Plan, Table};
use crate::write::Writer;
use std::collections::{HashMap, HashSet};

/// Spells the names of all inputs as the first one that has each, in whatever case (of ASCII letters, as SQLite has it), and
/// gives each input those that only others have, if it `union_by_name`.
///
/// # Errors
/// [`Kind::HeaderDiffers`] if it is none, and an input does not have the columns of the first.
pub(crate) fn unify_columns(inputs: &mut [Source], union_by_name: bool) -> Result<()> {
    let Some((first, others)) = inputs.split_first() else { return Ok(()) };
    let of_first = first.names.len();
    let (first_name, mut all) = (first.name().clone(), first.names.clone());
    let mut places: HashMap<_, _> = all.iter().map(|name| name.to_ascii_lowercase()).zip(0..).collect();
    for source in others {
        let mut missing = all[..of_first].to_vec();
        let mut extra = Vec::new();
        for name in &source.names {
            let at = *places.entry(name.to_ascii_lowercase()).or_insert(all.len());
            if at == all.len() {
                all.push(name.clone());
            }
            match at < of_first {
                true => missing.retain(|name| *name != all[at]),
                false => extra.push(name.clone()),
            }
        }
        if !(union_by_name || missing.is_empty() && extra.is_empty()) {
            let input = source.name().clone();
            return Err(Kind::HeaderDiffers { input, first: first_name, missing, extra }.into());
        }
    }
    for source in inputs {
        let own: Vec<_> = source.names.iter().map(|name| places[&name.to_ascii_lowercase()]).collect();
        let is_own: HashSet<_> = own.iter().copied().collect();
        let absent = (0..all.len()).filter(|at| !is_own.contains(at));
        source.names = own.iter().copied().chain(absent).map(|at| all[at].clone()).collect();
    }
    Ok(())
}

/// Inputs and the programs that make rows of their records.
#[derive(Debug)]
pub(crate) struct Sources<'s> {
    pub(crate) list: &'s [Source],
    programs: Vec<Program>,
    pub(crate) plan: &'s Plan,
}

impl<'s> Sources<'s> {
    /// With what makes rows of `table`.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub(crate) fn new(list: &'s [Source], plan: &'s Plan, table: &Table, seed: Seed) -> Result<Self> {
        for ColumnRef { column, place, .. } in
            plan.column_refs.iter().filter(|column_ref| column_ref.is_boolean_literal)
        {
            let mut names = list.iter().flat_map(|source| &source.names);
            if names.any(|name| name.eq_ignore_ascii_case(column)) {
                let reason = format!("a column is called {column}: write \"{column}\" for it, or 1 or 0");
                return Err(Kind::Sql { place: place.clone(), reason }.into());
            }
        }
        let evaluator = plan.tuning.evaluator;
        let program = |source: &Source| {
            Program::with_conditions(table, &plan.conditions, evaluator, &source.names, source.name(), seed)
                .map_err(|error| error.with_place(&plan.column_refs))
        };
        Ok(Self { list, programs: list.iter().map(program).collect::<Result<_>>()?, plan })
    }

    fn worker(&self, number: usize) -> Worker<'_> {
        let source = &self.list[number];
        Worker::new(&self.programs[number], source.dialect, source.width).with_policies(&self.plan.policies)
    }

    /// At most `max_chunks` chunks of an input, which follows so many records of others, as far as the plan's limit goes.
    fn chunks(
        &self,
        source: &'s Source,
        max_chunks: usize,
        records_before: u64,
    ) -> Result<impl Iterator<Item = Result<Chunk<'s>>> + Send + use<'s>> {
        let most =
            self.plan.input_options.max_records.map_or(u64::MAX, |most| most.saturating_sub(records_before));
        let mut split = source.split(self.plan, records_before)?.take(max_chunks);
        let mut records = 0;
        Ok(std::iter::from_fn(move || {
            // What is wrong behind the last record that is read is of no interest.
            if records == most {
                return None;
            }
            let chunk = split.next()?.map(|chunk| first_records(chunk, most - records, source.dialect));
            records += chunk.as_ref().map_or(0, |chunk| chunk.records as u64);
            Some(chunk)
        }))
    }

    /// Whether no input has more chunks than that.
    ///
    /// # Errors
    /// As those of the split.
    pub(crate) fn fits_in_chunks(&self, chunks: usize) -> Result<bool> {
        for source in self.list {
            if self.chunks(source, usize::MAX, 0)?.nth(chunks).transpose()?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands the rows of all inputs to `writer`, of each at most `max_chunks` chunks.
    ///
    /// # Errors
    /// As [`Pipeline::run`].
    pub(crate) fn run<W: Writer>(
        &self,
        pipeline: Pipeline<'_>,
        writer: &mut W,
        max_chunks: usize,
        mut rejects: Option<&mut Rejects<'_>>,
    ) -> Result<Counts> {
        let mut counts = Counts::default();
        for (number, source) in self.list.iter().enumerate() {
            let chunks = self.chunks(source, max_chunks, counts.records)?;
            counts += pipeline.run(
                chunks,
                || self.worker(number),
                writer,
                |reject| rejects.as_mut().map_or(Ok(()), |rejects| rejects.take(reject, number, source)),
            )?;
            if let Some(column) = counts.type_feedback.mismatch() {
                return Err(Kind::TypeMismatch { column }.into());
            }
        }
        Ok(counts)
    }

    /// Where the records of these rows lie, which are of at most `max_chunks` chunks of each input.
    ///
    /// # Errors
    /// As those of the split.
    pub(crate) fn positions(&self, rows: &[RowKey], max_chunks: usize) -> Result<Vec<Position>> {
        let again = |(number, source): (usize, &'s Source)| {
            let chunks = self.chunks(source, max_chunks, 0)?;
            Ok(Again { input: source.name().clone(), chunks, worker: self.worker(number) })
        };
        positions(rows, self.list.iter().enumerate().map(again))
    }
}

/// The chunk without records beyond its first `most`.
fn first_records(chunk: Chunk<'_>, most: u64, dialect: Dialect) -> Chunk<'_> {
    let Some(most) = usize::try_from(most).ok().filter(|most| *most < chunk.records) else { return chunk };
    let mut records = Records::new(chunk.bytes, dialect);
    let mut ranges = std::iter::from_fn(|| records.next_into(&mut Vec::new()));
    let end = ranges.nth(most).map_or(chunk.bytes.len(), |range| range.start);
    Chunk { bytes: &chunk.bytes[..end], records: most, ..chunk }
}
