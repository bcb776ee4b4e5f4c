//! Sorts the rows of a chunk, and cells that arrived out of order.
//!
//! The cells of each chunk are a sorted run. When the last one has arrived, the runs are cut into key ranges, which
//! are sorted in parallel and passed on in order. Nearly always the first bits of the first value of a key, its
//! prefix, decide; only for equal prefixes whole keys are compared.

use super::cells::Cells;
use super::collation::KeyOrder;
use super::record::{Fields, get_varint};
use crate::batch::Value;
use rayon::prelude::*;
use std::cmp::Ordering;

/// Stores the indexes of items in `order`, sorted by prefix and then by `compare`.
pub(super) fn sort_by_prefix(
    order: &mut Vec<(u64, u32)>,
    prefixes: impl Iterator<Item = u64>,
    compare: impl Fn(u32, u32) -> Ordering,
) {
    order.clear();
    order.extend(prefixes.zip(0..));
    order.sort_unstable_by_key(|(prefix, _)| *prefix);
    for equal in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|equal| equal.len() > 1) {
        equal.sort_by(|a, b| compare(a.1, b.1));
    }
}

/// Neighbours in this order that have the same prefix.
pub(super) fn same_prefix(order: &[(u64, u32)]) -> impl Iterator<Item = (usize, usize)> {
    let same = order.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    same.map(|pair| (pair[0].1 as usize, pair[1].1 as usize))
}

/// The order of cells.
#[derive(Debug, Clone)]
pub(super) enum CellOrder {
    /// Rows, by rowid.
    Rowid,
    /// Entries of an index, by key and then by rowid.
    Key {
        /// The order of each column of the key.
        keys: Box<[KeyOrder]>,
        /// How many of them must be unique together; 0 if they need not.
        unique_keys: usize,
    },
}

impl CellOrder {
    /// Compares two complete cells.
    pub(super) fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::Rowid => rowid_of_row(a).cmp(&rowid_of_row(b)),
            Self::Key { keys, .. } => {
                let mut keys = keys.iter();
                let by_value = fields(a).zip(fields(b)).map(|(a, b)| match keys.next() {
                    Some(key) => key.compare(&a, &b),
                    // The rowid follows the key.
                    None => a.compare(&b),
                });
                by_value.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }
        }
    }

    /// True if two neighbours violate uniqueness.
    pub(super) fn is_duplicate(&self, a: &[u8], b: &[u8]) -> bool {
        match self {
            Self::Rowid => rowid_of_row(a) == rowid_of_row(b),
            Self::Key { unique_keys: 0, .. } => false,
            Self::Key { keys, unique_keys } => {
                // NULLs are distinct.
                let is_same = |((a, b), key): ((Value<'_>, Value<'_>), &KeyOrder)| {
                    a != Value::Null && key.compare(&a, &b).is_eq()
                };
                fields(a).zip(fields(b)).zip(&keys[..*unique_keys]).all(is_same)
            }
        }
    }

    /// A number that decides the order of two cells unless it is the same for both.
    pub(super) fn prefix(&self, cell: &[u8]) -> u64 {
        match self {
            Self::Rowid => rowid_of_row(cell).cast_unsigned() ^ 1 << 63,
            Self::Key { keys, .. } => keys[0].prefix(&fields(cell).next().unwrap_or(Value::Null)),
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

#[inline]
fn fields(cell: &[u8]) -> Fields<'_> {
    Fields::new(&cell[get_varint(cell).1..])
}

/// Sorted cells.
#[derive(Debug)]
struct Run {
    bytes: Vec<u8>,
    /// The end of each cell.
    ends: Vec<u32>,
}

impl Run {
    fn cell(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[number] as usize]
    }

    /// The number of cells that are less than each of `splitters`.
    fn cuts(&self, splitters: &[Splitter<'_>], order: &CellOrder) -> Vec<u32> {
        let mut cut = 0;
        let next = |splitter: &Splitter<'_>| {
            let (mut low, mut high) = (cut, self.ends.len());
            while low < high {
                let middle = low.midpoint(high);
                let cell = self.cell(middle);
                let by_prefix = order.prefix(cell).cmp(&splitter.prefix);
                let is_before = by_prefix.then_with(|| order.compare(cell, splitter.cell)).is_lt();
                if is_before { low = middle + 1 } else { high = middle }
            }
            cut = low;
            cut as u32
        };
        splitters.iter().map(next).collect()
    }
}

/// A cell that starts a part.
struct Splitter<'c> {
    prefix: u64,
    cell: &'c [u8],
}

/// Sorts cells that arrive in sorted runs.
#[derive(Debug)]
pub(super) struct Sorter {
    order: CellOrder,
    runs: Vec<Run>,
    bytes: usize,
    cells: usize,
}

impl Sorter {
    pub(super) fn new(order: CellOrder) -> Self {
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

    /// Size of the memory that they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + size_of::<u32>() * self.cells
    }

    /// The first cell that was added; empty if there is none.
    pub(super) fn first_cell(&self) -> &[u8] {
        self.runs.first().map_or(&[], |run| run.cell(0))
    }

    /// The cell that was added last; empty if there is none.
    pub(super) fn last_cell(&self) -> &[u8] {
        self.runs.last().map_or(&[], |run| run.cell(run.ends.len() - 1))
    }

    /// Adds a run of cells, which are in order. May take them away.
    pub(super) fn push(&mut self, cells: &mut Cells) {
        /// Longer runs are cut, so that offsets fit in 32 bits.
        const MAX_RUN_BYTES: usize = 1 << 30;
        let ends_of = |lengths: &[u32]| -> Vec<_> {
            let mut end = 0;
            let ends = lengths.iter().map_while(|length| {
                let is_first_or_fits = end == 0 || end + *length as usize <= MAX_RUN_BYTES;
                end += *length as usize;
                is_first_or_fits.then_some(end as u32)
            });
            ends.collect()
        };
        let ends = ends_of(&cells.lengths);
        if ends.len() == cells.lengths.len() {
            if !ends.is_empty() {
                self.push_run(Run { bytes: cells.keep_bytes(), ends });
            }
            return;
        }
        let mut rest = (cells.bytes(), cells.lengths.as_slice());
        while !rest.1.is_empty() {
            let ends = ends_of(rest.1);
            let (bytes, after) = rest.0.split_at(ends.last().map_or(0, |end| *end as usize));
            rest = (after, &rest.1[ends.len()..]);
            self.push_run(Run { bytes: bytes.to_vec(), ends });
        }
    }

    fn push_run(&mut self, run: Run) {
        self.bytes += run.bytes.len();
        self.cells += run.ends.len();
        self.runs.push(run);
    }

    /// Passes on all cells, part by part, in the order of the runs.
    pub(super) fn unsorted<E>(self, mut take: impl FnMut(&mut Cells) -> Result<(), E>) -> Result<(), E> {
        for Run { bytes, ends } in self.runs {
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let lengths = ends.iter().zip(starts).map(|(end, start)| end - start).collect();
            take(&mut Cells::of_bytes(bytes, lengths))?;
        }
        Ok(())
    }

    /// Passes on all cells, part by part, sorted by the threads of `pool`. Calls `take` on this thread.
    ///
    /// # Errors
    /// The error of `take`, or that which `duplicate` makes of the rowids of two cells with the same key.
    pub(super) fn sorted<E>(
        self,
        pool: &rayon::ThreadPool,
        mut take: impl FnMut(&mut Cells) -> Result<(), E>,
        duplicate: impl Fn([i64; 2]) -> E,
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
        let cuts: Vec<_> =
            pool.install(|| self.runs.par_iter().map(|run| run.cuts(&splitters, &self.order)).collect());
        let parts: Vec<_> = (0..=splitters.len()).collect();
        let mut ready = Vec::new();
        // The next parts are sorted while some are passed on.
        for parts in parts.chunks(pool.current_num_threads()).chain([&[][..]]) {
            let mut next: Vec<_> = Vec::new();
            pool.in_place_scope(|scope| {
                scope.spawn(|_| next = parts.par_iter().map(|part| self.part(*part, &cuts)).collect());
                ready.iter_mut().try_for_each(&mut take)
            })?;
            ready = next;
        }
        Ok(())
    }

    /// Cells that divide all into parts of similar size.
    fn splitters(&self) -> Vec<Splitter<'_>> {
        /// A part of this size is sorted within the caches of a core.
        const PART_CELLS: usize = 16 << 10;
        /// Every part searches every run for its bounds.
        const MAX_PARTS: usize = 256;
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
        let cells = (1..parts).map(|part| samples[part * samples.len() / parts]);
        cells.map(|cell| Splitter { prefix: self.order.prefix(cell), cell }).collect()
    }

    /// Checks two neighbours. Returns their rowids if they violate uniqueness.
    fn check(&self, a: &[u8], b: &[u8]) -> Result<(), [i64; 2]> {
        if a.is_empty() || !self.order.is_duplicate(a, b) {
            return Ok(());
        }
        Err([a, b].map(|cell| self.order.rowid(cell)))
    }

    /// The sorted cells of part `part`, or the rowids of two with the same key. For each run, `cuts` has the number
    /// of cells before each of the other parts.
    fn part(&self, part: usize, cuts: &[Vec<u32>]) -> Result<Cells, [i64; 2]> {
        let ranges = self.runs.iter().zip(cuts).map(|(run, cuts)| {
            let start = part.checked_sub(1).map_or(0, |before| cuts[before] as usize);
            (run, start..cuts.get(part).map_or(run.ends.len(), |cut| *cut as usize))
        });
        let mut found = Vec::with_capacity(ranges.clone().map(|(_, range)| range.len()).sum());
        for (run, range) in ranges {
            found.extend(range.map(|number| run.cell(number)));
        }
        let mut order = Vec::with_capacity(found.len());
        let prefixes = found.iter().map(|cell| self.order.prefix(cell));
        sort_by_prefix(&mut order, prefixes, |a, b| self.order.compare(found[a as usize], found[b as usize]));
        same_prefix(&order).try_for_each(|(a, b)| self.check(found[a], found[b]))?;
        let mut cells = Cells::with_capacity(found.len(), found.iter().map(|cell| cell.len()).sum());
        order.iter().for_each(|(_, number)| cells.push(found[*number as usize]));
        Ok(cells)
    }
}
