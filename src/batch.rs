//! Batches: the rows of one chunk, column by column, ready for a writer.
//!
//! The values of a batch live in an arena or in the input. A value is a slice of the input if the input contains it
//! unchanged, and a slice of the arena otherwise. When a batch has been written, its arena is reused, so the heap is
//! used only while the first batches grow their arenas.
//!
//! A column whose values all have one storage class is stored as such ([`Values`]). Code that handles a column can
//! then branch once per chunk instead of once per value. The texts of a column are spans of one byte slice
//! ([`Strings`]), which takes half the memory of a slice each, and allows short texts to be copied with a fixed
//! length (see `strings`).

mod arena;
mod chunk;
mod column_buffer;
mod convert;
mod dispatch;
mod input_table;
mod strings;
mod strings_builder;
mod value;

pub use arena::Arena;
pub(crate) use arena::ArenaVec;
pub use chunk::{Chunk, RowOrigin, RowOrigins};
pub(crate) use column_buffer::ColumnBuffer;
pub(crate) use convert::{convert, text_of, to_reals, to_texts};
pub(crate) use dispatch::{HotLoop, dispatch};
pub(crate) use input_table::SharedInput;
pub(crate) use strings::{Copier, PADDING_BYTES};
pub use strings::{Span, Strings};
pub(crate) use strings_builder::{MAX_STRINGS_BYTES, StringsBuilder, copy_text};
pub(crate) use value::null_where;
pub use value::{Nullable, Value, Values};

use crate::error::{Oddity, Reason};
use crate::types::{RealFormat, Spellings};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::AddAssign;

/// A record that was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject<'a> {
    /// Records of the input before this one.
    pub record: u64,
    /// Line ends of the input before this record.
    pub line: u64,
    /// Bytes of the input before this record.
    pub offset: u64,
    /// The original bytes of the record, without its line end; its text if the input is not text.
    pub bytes: Cow<'a, [u8]>,
    /// Why it was not loaded.
    pub reason: Reason,
}

/// Texts for the records of a chunk whose input is not text.
pub trait RecordTexts: Debug + Sync {
    /// The text of a record, by the number of records of the chunk before it.
    fn text(&self, number: u32) -> Vec<u8>;
}

/// Counts of irregularities in accepted records. Includes records whose rows a constraint of the table later rejects
/// or ignores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Repairs {
    /// Records with too few fields. The missing fields are NULL.
    pub padded: u64,
    /// Records with too many fields. The extra fields were dropped.
    pub cut: u64,
    /// Records with invalid UTF-8, which was replaced with U+FFFD.
    pub utf8_replaced: u64,
    /// Fields whose value contains a NUL byte.
    pub nul_values: u64,
    /// Values that are NaN, which SQLite cannot store. They are NULL.
    pub nan_nulls: u64,
}

impl AddAssign for Repairs {
    fn add_assign(&mut self, other: Self) {
        self.padded += other.padded;
        self.cut += other.cut;
        self.utf8_replaced += other.utf8_replaced;
        self.nul_values += other.nul_values;
        self.nan_nulls += other.nan_nulls;
    }
}

/// How many records look wrong, for each way in which they can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Oddities([OddityCount; Oddity::ALL.len()]);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct OddityCount {
    count: u64,
    /// Line of the first such record, counted from 1; 0 if there are no such records.
    first_line: u64,
}

impl Oddities {
    /// Adds records that follow those counted so far; the first is at `line`, counted from 1.
    pub(crate) fn add(&mut self, oddity: Oddity, count: u64, line: u64) {
        let known = &mut self.0[oddity as usize];
        if known.count == 0 {
            known.first_line = line;
        }
        known.count += count;
    }

    /// Each oddity that occurs, with its count and the line of the first record.
    pub fn iter(&self) -> impl Iterator<Item = (Oddity, u64, u64)> {
        let found = Oddity::ALL.into_iter().zip(self.0).filter(|(_, found)| found.count > 0);
        found.map(|(oddity, OddityCount { count, first_line })| (oddity, count, first_line))
    }

    /// True if no record looks wrong.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Oddities {
    /// Adds those of records that follow.
    fn add_assign(&mut self, other: Self) {
        other.iter().for_each(|(oddity, count, line)| self.add(oddity, count, line));
    }
}

/// Evidence against the types of columns. Columns are numbered from 0, in the order of the table.
#[derive(Debug, Clone, Default)]
pub struct TypeFeedback {
    /// True if a value does not fit the inferred type of its column, other than in the cases below.
    pub is_mismatched: bool,
    /// INTEGER columns that contain a REAL.
    pub real_columns: BTreeSet<usize>,
    /// INTEGER columns that contain an integer whose digits a REAL does not preserve.
    pub long_integer_columns: BTreeSet<usize>,
    /// For each declared REAL column, the number of values whose digits a REAL does not preserve, unless it is 0.
    pub rounded: BTreeMap<usize, u64>,
    /// How the numbers of each inferred column are spelled. Columns behind the last one with numbers can be absent.
    pub(crate) spellings: Vec<Spellings>,
    /// The same for columns of numeric affinity.
    pub(crate) numeric_spellings: Vec<Spellings>,
}

impl TypeFeedback {
    /// True if a column can neither keep its type nor be widened from INTEGER to REAL, so that types must be inferred again.
    pub(crate) fn needs_inference(&self) -> bool {
        self.is_mismatched
            || !self.real_columns.is_disjoint(&self.long_integer_columns)
            || without_format(&self.spellings).next().is_some()
    }

    /// The columns of numeric affinity whose numbers are spelled in ways that no format gives back.
    pub(crate) fn mixed_numeric_columns(&self) -> impl Iterator<Item = usize> {
        without_format(&self.numeric_spellings)
    }

    /// The format of a REAL column with an inferred type, if it has values.
    pub(crate) fn format(&self, column: usize) -> Option<RealFormat> {
        self.spellings.get(column).filter(|spellings| !spellings.is_empty())?.format()
    }

    /// The format of a column of numeric affinity, if it has values that are not whole.
    pub(crate) fn numeric_format(&self, column: usize) -> Option<RealFormat> {
        self.numeric_spellings.get(column).filter(|spellings| !spellings.is_whole())?.format()
    }

    /// Adds spellings of numbers in `column`.
    pub(crate) fn add_spellings(&mut self, column: usize, is_numeric_affinity: bool, other: &Spellings) {
        let all = if is_numeric_affinity { &mut self.numeric_spellings } else { &mut self.spellings };
        if all.len() <= column {
            all.resize(column + 1, Spellings::default());
        }
        all[column].merge(other);
    }
}

/// The columns whose spellings have no format.
fn without_format(spellings: &[Spellings]) -> impl Iterator<Item = usize> {
    spellings
        .iter()
        .enumerate()
        .filter(|(_, spellings)| spellings.format().is_none())
        .map(|(column, _)| column)
}

impl AddAssign<&Self> for TypeFeedback {
    fn add_assign(&mut self, other: &Self) {
        self.is_mismatched = self.is_mismatched || other.is_mismatched;
        self.real_columns.extend(&other.real_columns);
        self.long_integer_columns.extend(&other.long_integer_columns);
        for (column, count) in &other.rounded {
            *self.rounded.entry(*column).or_default() += count;
        }
        for (is_numeric_affinity, all) in [(false, &other.spellings), (true, &other.numeric_spellings)] {
            for (column, spellings) in all.iter().enumerate() {
                self.add_spellings(column, is_numeric_affinity, spellings);
            }
        }
    }
}

/// The rows of a chunk, column by column, and its rejects.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// The chunk that the rows come from.
    pub chunk: Chunk<'a>,
    /// The number of rows.
    pub len: usize,
    /// The values of each column.
    pub columns: &'a [Values<'a>],
    /// The record of each row.
    pub origins: RowOrigins<'a>,
    /// The texts of the records, if they are not bytes of the chunk.
    pub texts: Option<&'a dyn RecordTexts>,
    /// The rejected records, in input order.
    pub rejects: Vec<Reject<'a>>,
    /// Records that the conditions of the plan excluded.
    pub filtered: usize,
    /// Records without a value, which the plan skips.
    pub skipped: usize,
    /// Evidence against inferred column types.
    pub type_feedback: TypeFeedback,
    /// Counts for the records that were not rejected for their form or types.
    pub repairs: Repairs,
    /// The records that look wrong, rejected ones included.
    pub oddities: Oddities,
}
