//! Sorts cells that arrived out of order.
//!
//! The cells of each chunk are a sorted run. When the last one has arrived, the runs are cut into key ranges, which
//! are sorted in parallel and passed on in order.

use super::cell_order::CellOrder;
use super::cells::Cells;
use super::sorted_numbers::SortedNumbers;
use rayon::prelude::*;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

/// For each thread, the parts that are sorted before they are passed on.
const PARTS_AHEAD: usize = 8;

/// Sorted cells.
#[derive(Debug)]
struct Run {
    bytes: Vec<u8>,
    /// The end of each cell.
    ends: Vec<u32>,
}

impl Run {
    /// Where a cell begins.
    fn start(&self, number: usize) -> usize {
        number.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    fn cell(&self, number: usize) -> &[u8] {
        &self.bytes[self.start(number)..self.ends[number] as usize]
    }

    /// A part of the cells.
    fn part(&self, numbers: Range<usize>) -> RunPart<'_> {
        let start = self.start(numbers.start);
        let ends = &self.ends[numbers];
        let end = ends.last().map_or(start, |end| *end as usize);
        RunPart { bytes: &self.bytes[start..end], start: start as u32, ends }
    }

    /// The number of cells that are less than each of `splitters`, which are in order.
    fn cuts(&self, splitters: &[Splitter<'_>], order: &CellOrder) -> Vec<u32> {
        let cells = self.ends.len();
        let cells_per_part = cells / (splitters.len() + 1) + 1;
        let mut cut = 0;
        let next = |splitter: &Splitter<'_>| {
            let is_before = |number: usize| {
                let cell = self.cell(number);
                let by_prefix = order.prefix(cell).cmp(&splitter.prefix);
                by_prefix.then_with(|| order.compare(cell, splitter.cell)).is_lt()
            };
            // The next cut is not far, so the search begins with a small range.
            let (mut low, mut range) = (cut, cells_per_part);
            while low + range < cells && is_before(low + range) {
                low += range + 1;
                range *= 2;
            }
            let mut high = cells.min(low + range);
            while low < high {
                let middle = low.midpoint(high);
                if is_before(middle) { low = middle + 1 } else { high = middle }
            }
            cut = low;
            cut as u32
        };
        splitters.iter().map(next).collect()
    }
}

/// Consecutive cells of a run.
struct RunPart<'r> {
    bytes: &'r [u8],
    /// Where the first one begins in the run.
    start: u32,
    ends: &'r [u32],
}

impl RunPart<'_> {
    fn lengths(&self) -> impl Iterator<Item = u32> {
        let starts = std::iter::once(self.start).chain(self.ends.iter().copied());
        self.ends.iter().zip(starts).map(|(end, start)| end - start)
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

    /// The first cell added; empty if there are none.
    pub(super) fn first_cell(&self) -> &[u8] {
        self.runs.first().map_or(&[], |run| run.cell(0))
    }

    /// The cell that comes first in their order; empty if there are none.
    pub(super) fn least_cell(&self) -> &[u8] {
        let firsts = self.runs.iter().map(|run| run.cell(0));
        firsts.min_by(|a, b| self.order.compare(a, b)).unwrap_or_default()
    }

    /// The last cell added; empty if there are none.
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
        for run in self.runs {
            let lengths = run.part(0..run.ends.len()).lengths().collect();
            let bytes = run.bytes;
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
        let parts = splitters.len() + 1;
        let (sender, sorted) = mpsc::channel();
        let (sort, sender) = (|part| self.part(part, &cuts), &sender);
        // While a part is passed on, the next ones are sorted.
        let ahead = PARTS_AHEAD * pool.current_num_threads();
        pool.in_place_scope(|scope| {
            let start = |part| {
                let sender = sender.clone();
                scope.spawn(move |_| {
                    // A panic goes on where the part is waited for.
                    let cells = catch_unwind(AssertUnwindSafe(|| sort(part)));
                    let _ = sender.send((part, cells));
                });
            };
            (0..parts.min(ahead)).for_each(start);
            let mut ready: Vec<_> = (0..parts).map(|_| None).collect();
            for next in 0..parts {
                let mut cells = loop {
                    match ready[next].take() {
                        Some(cells) => break cells,
                        None => {
                            let (part, cells) = sorted.recv().expect("a sender is in this function");
                            ready[part] = Some(cells.unwrap_or_else(|panic| resume_unwind(panic)));
                        }
                    }
                };
                if next + ahead < parts {
                    start(next + ahead);
                }
                take(&mut cells)?;
            }
            Ok(())
        })
    }

    /// Cells that divide all into parts of similar size.
    fn splitters(&self) -> Vec<Splitter<'_>> {
        /// Parts up to these sizes are sorted within the caches of a core.
        const PART_CELLS: usize = 16 << 10;
        const PART_BYTES: usize = 1 << 20;
        /// Every part searches every run for its bounds.
        const MAX_PARTS: usize = 1024;
        const SAMPLES_PER_PART: usize = 8;
        let parts =
            (self.cells / PART_CELLS).max(self.bytes / PART_BYTES).min(self.cells).clamp(1, MAX_PARTS);
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
        let parts = self.runs.iter().zip(cuts).map(|(run, cuts)| {
            let start = part.checked_sub(1).map_or(0, |before| cuts[before] as usize);
            run.part(start..cuts.get(part).map_or(run.ends.len(), |cut| *cut as usize))
        });
        // The cells are copied to one place first, because each is read more than once, in another order.
        let (mut count, mut bytes) = (0, 0);
        parts.clone().for_each(|part| (count, bytes) = (count + part.ends.len(), bytes + part.bytes.len()));
        let (mut all, mut lengths) = (Vec::with_capacity(bytes), Vec::with_capacity(count));
        parts.for_each(|part| {
            all.extend_from_slice(part.bytes);
            lengths.extend(part.lengths());
        });
        let unsorted = Cells::of_bytes(all, lengths);
        let starts: Vec<_> = unsorted.starts().collect();
        let cell = |number: usize| unsorted.cell(starts[number], number);
        let mut order = SortedNumbers::default();
        let prefixes = (0..count).map(|number| self.order.prefix(cell(number)));
        order.sort(prefixes, |a, b| self.order.compare(cell(a), cell(b)));
        order.same_prefix().try_for_each(|(a, b)| self.check(cell(a), cell(b)))?;
        let mut cells = Cells::with_capacity(count, bytes);
        order.iter().for_each(|number| cells.push_from(&unsorted, starts[number], number));
        Ok(cells)
    }
}
