//! The rows of one chunk, in an arena, ready for a writer.
//!
//! A `Batch` owns its arena and borrows the input: a value is a slice of the input where nothing changed,
//! and of the arena where something was made. The arena comes back from a batch that has been written and is
//! used again, so the heap is asked for memory only while the first batches grow theirs.
//!
//! Rows lie column by column, and a column whose values are all of one class says so once: what is done with
//! it is then chosen once a chunk, and its texts are places in one run of bytes, which takes less room than a
//! slice each and lets a short one be copied as so many bytes as the compiler knows.

use crate::error::Reason;
use crate::split::Chunk;
use bumpalo::Bump;
use self_cell::self_cell;
use serde::Serialize;
use std::collections::BTreeSet;
use std::ops::AddAssign;

/// What goes to SQLite: one of its five storage classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// INTEGER, 64 bits.
    Integer(i64),
    /// REAL, 64 bits.
    Real(f64),
    /// TEXT; UTF-8, as was checked when the record was read.
    Text(&'a [u8]),
    /// BLOB.
    Blob(&'a [u8]),
}

/// Where bytes lie among others, from `start` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The first byte behind it.
    pub end: u32,
}

impl Span {
    /// How many bytes lie there.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    #[must_use]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// These bytes of `bytes`.
    #[inline]
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// Strings of bytes, each somewhere in `bytes`.
#[derive(Debug, Clone, Copy)]
pub struct Strings<'a> {
    /// What they lie in.
    pub bytes: &'a [u8],
    /// Where each lies.
    pub spans: &'a [Span],
}

impl<'a> Strings<'a> {
    /// The string of a row.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> &'a [u8] {
        self.spans[row].of(self.bytes)
    }
}

/// Bytes that may be written behind a copied string, and are best there to be read.
pub(crate) const PADDING_BYTES: usize = 64;

/// Copies strings. Where the longest is short all are copied as so many bytes as the compiler knows, and what
/// is too much of them is written over by what follows: that takes less time than to copy just a few.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copier<'a> {
    strings: Strings<'a>,
    /// The bytes of the longest.
    longest: usize,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(strings: Strings<'a>) -> Self {
        let longest = strings.spans.iter().fold(0, |longest, span| span.len().max(longest));
        Self { strings, longest }
    }

    /// A copier of only those strings that have no more than `longest` bytes.
    pub(crate) fn with_longest(strings: Strings<'a>, longest: usize) -> Self {
        Self { strings, longest }
    }

    /// Copies the string of a row to the start of `to` and returns its bytes; up to [`PADDING_BYTES`] may change.
    ///
    /// # Panics
    /// If there is not room for it.
    #[inline(always)]
    pub(crate) fn copy(&self, row: usize, to: &mut [u8]) -> usize {
        let span = self.strings.spans[row];
        match self.longest {
            0..=16 => self.copy_padded::<16>(span, to),
            17..=32 => self.copy_padded::<32>(span, to),
            33..=PADDING_BYTES => self.copy_padded::<PADDING_BYTES>(span, to),
            _ => to[..span.len()].copy_from_slice(span.of(self.strings.bytes)),
        }
        span.len()
    }

    #[inline(always)]
    fn copy_padded<const BYTES: usize>(&self, span: Span, to: &mut [u8]) {
        let (bytes, start) = (self.strings.bytes, span.start as usize);
        match (bytes.get(start..start + BYTES), to.get_mut(..BYTES)) {
            (Some(padded), Some(to)) => to.copy_from_slice(padded),
            _ => to[..span.len()].copy_from_slice(span.of(bytes)),
        }
    }
}

/// The values of a column, one for each row.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// The same for all.
    Constant(Value<'a>),
    /// INTEGERs only.
    Integers(&'a [i64]),
    /// REALs only.
    Reals(&'a [f64]),
    /// TEXTs only.
    Texts(Strings<'a>),
    /// BLOBs only.
    Blobs(Strings<'a>),
    /// Any.
    Mixed(&'a [Value<'a>]),
}

impl<'a> Values<'a> {
    /// The value of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> Value<'a> {
        match self {
            Self::Constant(value) => *value,
            Self::Integers(integers) => Value::Integer(integers[row]),
            Self::Reals(reals) => Value::Real(reals[row]),
            Self::Texts(texts) => Value::Text(texts.get(row)),
            Self::Blobs(blobs) => Value::Blob(blobs.get(row)),
            Self::Mixed(values) => values[row],
        }
    }
}

/// A growing list that lives as long as the arena that it was made in.
pub(crate) type ArenaVec<'a, T> = bumpalo::collections::Vec<'a, T>;

/// Memory that is handed out piece by piece and taken back all at once.
#[derive(Debug, Default)]
pub struct Arena(Bump);

impl Arena {
    /// An empty list with room for `capacity` items.
    #[inline]
    pub(crate) fn vec<T>(&self, capacity: usize) -> ArenaVec<'_, T> {
        ArenaVec::with_capacity_in(capacity, &self.0)
    }

    /// The items of an iterator, side by side.
    #[inline]
    pub(crate) fn list<T>(&self, items: impl ExactSizeIterator<Item = T>) -> &mut [T] {
        self.0.alloc_slice_fill_iter(items)
    }

    /// So many zeros.
    pub(crate) fn zeros<T: Copy + From<u8>>(&self, count: usize) -> &mut [T] {
        self.0.alloc_slice_fill_copy(count, T::from(0))
    }

    /// A copy of `bytes`.
    #[inline]
    pub(crate) fn copy(&self, bytes: &[u8]) -> &[u8] {
        self.0.alloc_slice_copy(bytes)
    }

    /// Takes all memory back, and keeps it for the next batch.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// A record that could not be loaded, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject<'a> {
    /// Records of the input before this one.
    pub record: u64,
    /// Line ends of the input before this record.
    pub line: u64,
    /// Bytes of the input before this record.
    pub offset: u64,
    /// The record, without its line end.
    pub bytes: &'a [u8],
    /// Why it could not be loaded.
    pub reason: Reason,
}

/// How much there is about records that were taken all the same. Whether the constraints of the table let them in, or they
/// give way to others there, makes no difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Oddities {
    /// Records with too few fields, and NULL in those that are missing.
    pub padded: u64,
    /// Records with too many fields, which were cut off.
    pub cut: u64,
    /// Records that were not UTF-8, with U+FFFD where that was so.
    pub mended: u64,
    /// Fields that hold a NUL byte.
    pub nul_values: u64,
}

impl AddAssign for Oddities {
    fn add_assign(&mut self, other: Self) {
        self.padded += other.padded;
        self.cut += other.cut;
        self.mended += other.mended;
        self.nul_values += other.nul_values;
    }
}

/// How the types of columns bear out that are guesses, by the numbers of the columns.
#[derive(Debug, Clone, Default)]
pub struct Guesses {
    /// One with a value that is not of its type.
    pub wrong: Option<usize>,
    /// Those taken to be INTEGER in which there is a REAL.
    pub reals: BTreeSet<usize>,
    /// Those taken to be INTEGER in which there is one with more digits than a REAL gives back.
    pub long_integers: BTreeSet<usize>,
}

impl Guesses {
    /// A column that can be neither what it was taken to be nor anything that its values are good for as they are.
    pub(crate) fn misfit(&self) -> Option<usize> {
        self.wrong.or_else(|| self.reals.intersection(&self.long_integers).next().copied())
    }
}

impl AddAssign for Guesses {
    fn add_assign(&mut self, mut other: Self) {
        self.wrong = self.wrong.or(other.wrong);
        self.reals.append(&mut other.reals);
        self.long_integers.append(&mut other.long_integers);
    }
}

/// The rows of a chunk, column by column, and the records of it that became no row.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// The number of rows.
    pub len: usize,
    /// The values of each column.
    pub columns: &'a [Values<'a>],
    /// Records of the load before this chunk's.
    pub first_record: u64,
    /// The records that became no row, in the order of the input.
    pub rejects: Vec<Reject<'a>>,
    /// Records that the plan left out.
    pub filtered: usize,
    /// How the types bear out that are guesses.
    pub guesses: Guesses,
    /// What there is about the records that were not rejected for their form or types.
    pub oddities: Oddities,
}

/// What the rows of a batch borrow from.
#[derive(Debug)]
pub(crate) struct Source<'m> {
    pub(crate) chunk: Chunk<'m>,
    pub(crate) arena: Arena,
}

self_cell!(
    /// The rows of one chunk with all that they borrow from.
    pub(crate) struct Batch<'m> {
        owner: Source<'m>,
        #[covariant]
        dependent: Rows,
    }
);
