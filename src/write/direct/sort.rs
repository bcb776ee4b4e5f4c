//! Sorts the rows of a chunk, and cells that arrived out of order.
//!
//! The cells of each chunk are a sorted run. When the last one has arrived, the runs are cut into key ranges, which
//! are sorted in parallel and passed on in order. Nearly always the first bits of the first value of a key, its
//! prefix, decide; only for equal prefixes whole keys are compared.

use super::cells::Cells;
use super::collation::KeyOrder;
use super::record::{Fields, big_endian, body_bytes, get_varint};
use crate::batch::Value;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

/// For each thread, the parts that are sorted before they are passed on.
const PARTS_AHEAD: usize = 8;

/// The numbers of items in sorted order.
#[derive(Debug, Default)]
pub(super) struct SortedNumbers {
    /// For each item, the first bits of its prefix that are not the same for all, and its number in the last bits.
    packed: Vec<u64>,
    number_bits: u32,
}

impl SortedNumbers {
    /// Removes all numbers.
    pub(super) fn clear(&mut self) {
        self.packed.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Sorts items, which are numbered from 0, by prefix and then by `compare`.
    pub(super) fn sort(
        &mut self,
        prefixes: impl Iterator<Item = u64>,
        compare: impl Fn(usize, usize) -> Ordering,
    ) {
        self.packed.clear();
        self.packed.extend(prefixes);
        let Some(first) = self.packed.first().copied() else { return };
        let different = self.packed.iter().fold(0, |bits, prefix| bits | (prefix ^ first));
        let same_bits = different.leading_zeros().min(u64::BITS - 1);
        self.number_bits = usize::BITS - (self.packed.len() - 1).leading_zeros();
        for (number, packed) in (0..).zip(&mut self.packed) {
            *packed = (*packed << same_bits) >> self.number_bits << self.number_bits | number;
        }
        self.packed.sort_unstable();
        // Items with equal keys are in the order of their numbers, which nearly always is the right one.
        let (shift, number) = (self.number_bits, |packed: &u64| Self::number(*packed, self.number_bits));
        for tied in self.packed.chunk_by_mut(|a, b| a >> shift == b >> shift) {
            if !tied.is_sorted_by(|a, b| compare(number(a), number(b)).is_le()) {
                tied.sort_by(|a, b| compare(number(a), number(b)));
            }
        }
    }

    fn number(packed: u64, number_bits: u32) -> usize {
        (packed & ((1 << number_bits) - 1)) as usize
    }

    /// The number at place `at`; `at` itself if there are no numbers.
    #[inline]
    pub(super) fn get(&self, at: usize) -> usize {
        self.packed.get(at).map_or(at, |packed| Self::number(*packed, self.number_bits))
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.packed.iter().map(|packed| Self::number(*packed, self.number_bits))
    }

    /// Neighbours whose prefixes do not differ in the bits that were compared.
    pub(super) fn same_prefix(&self) -> impl Iterator<Item = (usize, usize)> {
        let pairs = self.packed.windows(2).map(|pair| (pair[0], pair[1]));
        let same = pairs.filter(|(a, b)| a >> self.number_bits == b >> self.number_bits);
        same.map(|(a, b)| (Self::number(a, self.number_bits), Self::number(b, self.number_bits)))
    }
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
        /// Whether each cell ends with a rowid, which is not part of the key.
        has_rowid: bool,
    },
}

impl CellOrder {
    /// Compares two complete cells.
    pub(super) fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::Rowid => rowid_of_row(a).cmp(&rowid_of_row(b)),
            Self::Key { keys, has_rowid, .. } => {
                if *has_rowid && let Some(by_rowid) = compare_same_keys(a, b) {
                    return by_rowid;
                }
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
            Self::Key { keys, unique_keys, .. } => {
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

/// Compares the rowids at the end of two index entries with the same serial types and key; `None` for others.
fn compare_same_keys(a: &[u8], b: &[u8]) -> Option<Ordering> {
    let [a, b] = [a, b].map(|cell| &cell[get_varint(cell).1..]);
    let (header_bytes, _) = get_varint(a);
    let ((types, a), (other_types, b)) =
        (a.split_at(header_bytes as usize), b.split_at_checked(header_bytes as usize)?);
    if types != other_types {
        return None;
    }
    // The serial type of a rowid takes one byte.
    let rowid_bytes = body_bytes(u64::from(*types.last()?));
    let (a, b) = (a.split_at(a.len() - rowid_bytes), b.split_at(b.len() - rowid_bytes));
    (a.0 == b.0).then(|| big_endian(a.1).cmp(&big_endian(b.1)))
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
        /// A part of this size is sorted within the caches of a core.
        const PART_CELLS: usize = 4 << 10;
        /// Every part searches every run for its bounds.
        const MAX_PARTS: usize = 1024;
        const SAMPLES_PER_PART: usize = 8;
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
        let parts = self.runs.iter().zip(cuts).map(|(run, cuts)| {
            let start = part.checked_sub(1).map_or(0, |before| cuts[before] as usize);
            run.part(start..cuts.get(part).map_or(run.ends.len(), |cut| *cut as usize))
        });
        // The cells are copied to one place first, because each is read more than once, in another order.
        let (mut count, mut bytes) = (0, 0);
        parts.clone().for_each(|part| (count, bytes) = (count + part.ends.len(), bytes + part.bytes.len()));
        let mut unsorted = Cells::with_capacity(count, bytes);
        parts.for_each(|part| unsorted.extend(part.bytes, part.lengths()));
        let found: Vec<_> = unsorted.iter().collect();
        let mut order = SortedNumbers::default();
        let prefixes = found.iter().map(|cell| self.order.prefix(cell));
        order.sort(prefixes, |a, b| self.order.compare(found[a], found[b]));
        order.same_prefix().try_for_each(|(a, b)| self.check(found[a], found[b]))?;
        let mut cells = Cells::with_capacity(count, bytes);
        order.iter().for_each(|number| cells.push(found[number]));
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::super::collation::Collation;
    use super::super::record::{header_bytes, put_body, put_varint, serial_type};
    use super::*;
    use proptest::prelude::*;

    /// The cell of an index entry.
    fn entry(values: &[Value<'_>]) -> Vec<u8> {
        let (mut header, mut body) = (vec![header_bytes(values.len()) as u8], Vec::new());
        for value in values {
            let (serial_type, bytes) = serial_type(value);
            let mut padded = [0; 64];
            put_body(&mut padded, value, bytes);
            header.push(serial_type as u8);
            body.extend_from_slice(&padded[..bytes]);
        }
        let mut cell = vec![0; 1];
        put_varint(&mut cell, (header.len() + body.len()) as u64);
        [cell, header, body].concat()
    }

    proptest! {
        #[test]
        fn numbers_are_in_the_order_of_a_stable_sort(
            keys in prop::collection::vec((prop::sample::select(vec![0, 1, 2, 255, 1 << 40, u64::MAX >> 1, u64::MAX]), 0..3_u8), 0..300),
            shift in 0..60_u32,
        ) {
            let keys: Vec<_> = keys.iter().map(|(prefix, rest)| (prefix >> shift, *rest)).collect();
            let mut sorted = SortedNumbers::default();
            sorted.sort(keys.iter().map(|(prefix, _)| *prefix), |a, b| keys[a].cmp(&keys[b]));
            let mut expected: Vec<_> = (0..keys.len()).collect();
            expected.sort_by_key(|number| keys[*number]);
            prop_assert_eq!(sorted.iter().collect::<Vec<_>>(), expected);
            let same: Vec<_> = sorted.same_prefix().collect();
            for pair in (0..keys.len()).map(|at| sorted.get(at)).collect::<Vec<_>>().windows(2) {
                prop_assert!(keys[pair[0]].0 != keys[pair[1]].0 || same.contains(&(pair[0], pair[1])));
            }
        }

        #[test]
        fn entries_are_in_the_order_of_their_values(
            rows in prop::collection::vec((prop::sample::select(vec!["", "a", "A", "ab", "abcdefgh", "abcdefghi"]), -1..2_i64, prop::sample::select(vec![-300, -1, 0, 1, 2, 127, 128, 70_000])), 2..12),
            is_descending: bool,
        ) {
            let key = |collation, is_descending| KeyOrder { is_descending, collation };
            let keys = [key(Collation::Binary, is_descending), key(Collation::NoCase, false)];
            let order = CellOrder::Key { keys: keys.into(), unique_keys: 0, has_rowid: true };
            for [a, b] in rows.iter().flat_map(|a| rows.iter().map(move |b| [a, b])) {
                let values = |(text, number, rowid): &(&'static str, i64, i64)| {
                    [Value::Text(text.as_bytes()), Value::Integer(*number), Value::Integer(*rowid)]
                };
                let by_text = if is_descending { b.0.cmp(a.0) } else { a.0.cmp(b.0) };
                let expected = by_text.then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2));
                prop_assert_eq!(order.compare(&entry(&values(a)), &entry(&values(b))), expected, "{:?} and {:?}", a, b);
            }
        }
    }
}
