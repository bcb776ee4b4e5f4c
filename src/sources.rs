//! The inputs of a load, one after the other, and what makes rows of their records.

use crate::error::{Position, Result, RowKey};
use crate::locate::{Again, positions};
use crate::parse::Records;
use crate::pipeline::{Counts, Pipeline};
use crate::plan::{Dialect, Plan, Table};
use crate::rejects::Rejects;
use crate::source::Source;
use crate::split::Chunk;
use crate::transform::{Program, Seed};
use crate::work::Worker;
use crate::write::Writer;

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
        let program = |source: &Source| Program::compile(table, &source.names, source.name(), seed);
        Ok(Self { list, programs: list.iter().map(program).collect::<Result<_>>()?, plan })
    }

    fn worker(&self, number: usize) -> Worker<'_> {
        let source = &self.list[number];
        Worker::new(&self.programs[number], source.dialect, source.names.len())
    }

    /// At most `max_chunks` chunks of an input, which follows so many records of others, as far as the plan's limit goes.
    fn chunks(
        &self,
        source: &'s Source,
        max_chunks: usize,
        records_before: u64,
    ) -> Result<impl Iterator<Item = Result<Chunk<'s>>> + Send + use<'s>> {
        let most = self.plan.head.max_records.map_or(u64::MAX, |most| most.saturating_sub(records_before));
        let split = source.split(self.plan, records_before)?.take(max_chunks);
        Ok(split.map_while(move |chunk| first_records(chunk, most, source.dialect)))
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
                |reject| {
                    rejects.as_mut().map_or(Ok(()), |rejects| rejects.take(reject, number, source.name()))
                },
            )?;
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

/// The chunk without records beyond the first `most` of its input; nothing if none is left.
fn first_records(chunk: Result<Chunk<'_>>, most: u64, dialect: Dialect) -> Option<Result<Chunk<'_>>> {
    let Ok(whole) = chunk else { return Some(chunk) };
    let left = usize::try_from(most.saturating_sub(whole.first_record)).unwrap_or(usize::MAX);
    match left {
        0 => None,
        _ if whole.records <= left => Some(chunk),
        _ => {
            let mut records = Records::new(whole.bytes, dialect);
            let mut ranges = std::iter::from_fn(|| records.next_into(&mut Vec::new()));
            let end = ranges.nth(left).map_or(whole.bytes.len(), |range| range.start);
            Some(Ok(Chunk { bytes: &whole.bytes[..end], records: left, ..whole }))
        }
    }
}
