//! Sorting: the rows of a chunk by a worker, and cells that came in any order when all are there.
//!
//! Each chunk's cells are a sorted run. When the last has come the runs are cut into ranges of keys, which
//! are sorted side by side, and handed on in order. What decides is nearly always the first bits of the first value
//! of a key, its prefix; only where these are equal whole keys are compared.

use super::cells::Cells;
use super::record::{Fields, compare, get_varint, prefix};
use crate::batch::Value;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;

/// Puts into `order` the numbers of the items whose prefixes are given, sorted by these and then by `compare`.
pub(super) fn sort_by_prefix(
    order: &mut Vec<(u64, u32)>,
    prefixes: impl Iterator<Item = u64>,
    compare: impl Fn(u32, u32) -> Ordering,
) {
    order.clear();
    order.extend(prefixes.zip(0..));
    order.sort_unstable();
    for equal in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|equal| equal.len() > 1) {
        equal.sort_by(|a, b| compare(a.1, b.1));
    }
}

/// What cells are sorted by.
#[derive(Debug, Clone)]
pub(super) enum Order {
    /// Rows, by rowid.
    Rowid,
    /// Entries of an index, by key and then by rowid.
    Key {
        /// For each value of the key.
        is_descending: Box<[bool]>,
        is_unique: bool,
    },
}

impl Order {
    /// The order of two whole cells.
    pub(super) fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::Rowid => rowid_of_row(a).cmp(&rowid_of_row(b)),
            Self::Key { is_descending, .. } => {
                let mut is_descending = is_descending.iter();
                let by_value = fields(a).zip(fields(b)).map(|(a, b)| {
                    let order = compare(&a, &b);
                    // Behind the key is the rowid.
                    if is_descending.next().is_some_and(|descending| *descending) {
                        order.reverse()
                    } else {
                        order
                    }
                });
                by_value.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }
        }
    }

    /// Whether two neighbours can not both be there.
    pub(super) fn is_duplicate(&self, a: &[u8], b: &[u8]) -> bool {
        match self {
            Self::Rowid => rowid_of_row(a) == rowid_of_row(b),
            Self::Key { is_unique: false, .. } => false,
            Self::Key { is_descending, .. } => {
                // NULLs are distinct.
                let is_same = |(a, b): (Value<'_>, Value<'_>)| a != Value::Null && compare(&a, &b).is_eq();
                fields(a).zip(fields(b)).take(is_descending.len()).all(is_same)
            }
        }
    }

    fn prefix(&self, cell: &[u8]) -> u64 {
        match self {
            Self::Rowid => rowid_of_row(cell).cast_unsigned() ^ 1 << 63,
            Self::Key { is_descending, .. } => {
                prefix(&fields(cell).next().unwrap_or(Value::Null), is_descending[0])
            }
        }
    }

    /// The rowid of a cell.
    pub(super) fn rowid(&self, cell: &[u8]) -> i64 {
        match self {
            Self::Rowid => rowid_of_row(cell),
            Self::Key { .. } => match fields(cell).last() {
                Some(Value::Integer(rowid)) => rowid,
                _ => 0,
            },
        }
    }
}

fn rowid_of_row(cell: &[u8]) -> i64 {
    let (_, read) = get_varint(cell);
    get_varint(&cell[read..]).0.cast_signed()
}

fn fields(cell: &[u8]) -> Fields<'_> {
    Fields::new(&cell[get_varint(cell).1..])
}

/// Sorted cells.
#[derive(Debug)]
struct Run {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Run {
    fn cell(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[number] as usize]
    }

    /// The numbers of the cells from `start` up to `end`.
    fn range(&self, start: Option<&[u8]>, end: Option<&[u8]>, order: &Order) -> Range<usize> {
        let first = start.map_or(0, |start| self.before(start, order));
        first..end.map_or(self.ends.len(), |end| self.before(end, order))
    }

    /// The number of cells that come before `splitter`.
    fn before(&self, splitter: &[u8], order: &Order) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            if order.compare(self.cell(middle), splitter).is_lt() { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// The first cell of a part, and the first behind it.
type Bounds<'c> = (Option<&'c [u8]>, Option<&'c [u8]>);

/// Sorts cells that come in sorted runs.
#[derive(Debug)]
pub(super) struct Sorter {
    order: Order,
    runs: Vec<Run>,
    bytes: usize,
    cells: usize,
}

impl Sorter {
    pub(super) fn new(order: Order) -> Self {
        Self { order, runs: Vec::new(), bytes: 0, cells: 0 }
    }

    /// The number of runs.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// The number of cells.
    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    /// Bytes of the cells.
    pub(super) fn cell_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + size_of::<u32>() * self.cells
    }

    /// Takes cells, which are in order.
    pub(super) fn push(&mut self, cells: &Cells) {
        /// A longer run is cut, so that places in it fit in 32 bits.
        const MAX_RUN_BYTES: usize = 1 << 30;
        let mut rest = (cells.bytes(), cells.lengths.as_slice());
        while !rest.1.is_empty() {
            let mut end = 0;
            let ends = rest.1.iter().map_while(|length| {
                let is_first_or_fits = end == 0 || end + *length as usize <= MAX_RUN_BYTES;
                end += *length as usize;
                is_first_or_fits.then_some(end as u32)
            });
            let ends: Vec<_> = ends.collect();
            let (bytes, after) = rest.0.split_at(ends.last().map_or(0, |end| *end as usize));
            rest = (after, &rest.1[ends.len()..]);
            self.bytes += bytes.len();
            self.cells += ends.len();
            self.runs.push(Run { bytes: bytes.to_vec(), ends });
        }
    }

    /// Hands on all cells, part by part, in the order of the runs.
    pub(super) fn unsorted<E>(self, mut take: impl FnMut(&mut Cells) -> Result<(), E>) -> Result<(), E> {
        let mut part = Cells::default();
        for run in self.runs {
            part.clear();
            (0..run.ends.len()).for_each(|number| part.push(run.cell(number)));
            take(&mut part)?;
        }
        Ok(())
    }

    /// Hands on all cells, part by part, in their order, sorted by the threads of `pool`.
    ///
    /// # Errors
    /// What `take` says, or what `duplicate` makes of the rowids of two cells of which there can be only one.
    pub(super) fn sorted<E: Send>(
        self,
        pool: &rayon::ThreadPool,
        mut take: impl FnMut(&mut Cells) -> Result<(), E> + Send,
        duplicate: impl Fn([i64; 2]) -> E + Send + Sync,
    ) -> Result<(), E> {
        let mut last = Vec::new();
        let mut take = |part: &mut Result<Cells, [i64; 2]>| {
            let cells = part.as_mut().map_err(|rowids| duplicate(*rowids))?;
            if let Some(first) = cells.iter().next() {
                self.check(&last, first).map_err(&duplicate)?;
                last.clear();
                last.extend_from_slice(cells.last());
            }
            take(cells)
        };
        let splitters = self.splitters();
        let ends = splitters.iter().copied().map(Some).chain([None]);
        let starts = [None].into_iter().chain(splitters.iter().copied().map(Some));
        let parts: Vec<_> = starts.zip(ends).collect();
        let sort =
            |parts: &[Bounds<'_>]| -> Vec<_> { parts.par_iter().map(|bounds| self.part(*bounds)).collect() };
        pool.install(|| {
            let mut ready = Vec::new();
            // While some are handed on the next are sorted.
            for parts in parts.chunks(pool.current_num_threads()).chain([&[][..]]) {
                let (taken, next) = rayon::join(|| ready.iter_mut().try_for_each(&mut take), || sort(parts));
                taken?;
                ready = next;
            }
            Ok(())
        })
    }

    /// Cells that divide all into parts of about the same size.
    fn splitters(&self) -> Vec<&[u8]> {
        /// A part of this many is sorted within the caches of a core.
        const PART_CELLS: usize = 16 << 10;
        /// Each part looks for its place in each run.
        const MAX_PARTS: usize = 64;
        const SAMPLES_PER_PART: usize = 32;
        let parts = (self.cells / PART_CELLS).clamp(1, MAX_PARTS);
        let step = (self.cells / (parts * SAMPLES_PER_PART)).max(1);
        let mut samples = Vec::new();
        let mut next = step / 2;
        for run in &self.runs {
            while next < run.ends.len() {
                samples.push(run.cell(next));
                next += step;
            }
            next -= run.ends.len();
        }
        samples.sort_by(|a, b| self.order.compare(a, b));
        (1..parts).map(|part| samples[part * samples.len() / parts]).collect()
    }

    /// Whether two neighbours can both be there; else their rowids. There is none before the first.
    fn check(&self, a: &[u8], b: &[u8]) -> Result<(), [i64; 2]> {
        if a.is_empty() || !self.order.is_duplicate(a, b) {
            return Ok(());
        }
        Err([a, b].map(|cell| self.order.rowid(cell)))
    }

    /// The cells from `start` up to `end`, sorted; or the rowids of two of which there can be only one.
    fn part(&self, (start, end): Bounds<'_>) -> Result<Cells, [i64; 2]> {
        let ranges: Vec<_> = self.runs.iter().map(|run| run.range(start, end, &self.order)).collect();
        let mut found = Vec::with_capacity(ranges.iter().map(Range::len).sum());
        for (run, range) in self.runs.iter().zip(ranges) {
            found.extend(range.map(|number| run.cell(number)));
        }
        let mut order = Vec::with_capacity(found.len());
        let prefixes = found.iter().map(|cell| self.order.prefix(cell));
        sort_by_prefix(&mut order, prefixes, |a, b| self.order.compare(found[a as usize], found[b as usize]));
        for equal in order.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            self.check(found[equal[0].1 as usize], found[equal[1].1 as usize])?;
        }
        let mut cells = Cells::with_capacity(found.len(), found.iter().map(|cell| cell.len()).sum());
        order.iter().for_each(|(_, number)| cells.push(found[*number as usize]));
        Ok(cells)
    }
}
