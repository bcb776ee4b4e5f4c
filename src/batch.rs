//! The rows of one chunk, in an arena, ready for a writer.
//!
//! A `Batch` owns its arena and borrows the input: a value is a slice of the input where nothing changed,
//! and of the arena where something was made. The arena comes back from a batch that has been written and is
//! used again, so the heap is asked for memory only while the first batches grow theirs.
//!
//! Rows lie column by column, and a column whose values are all of one class says so once: what is done with
//! it is then chosen once a chunk, and its texts are places in one run of bytes, which takes less room than a
//! slice each and lets a short one be copied as so many bytes as the compiler knows.

mod arena;
mod chunk;
mod strings;
mod texts;
mod value;

pub use arena::Arena;
pub(crate) use arena::ArenaVec;
pub use chunk::{Chunk, RowOrigin, RowOrigins};
pub(crate) use strings::{Copier, PADDING_BYTES};
pub use strings::{Span, Strings};
pub(crate) use texts::{MAX_STRINGS_BYTES, StringsBuilder, copy_text};
pub(crate) use value::null_where;
pub use value::{Value, Values};

use crate::error::Reason;
use serde::Serialize;
use std::collections::BTreeSet;
use std::ops::AddAssign;

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
pub struct Repairs {
    /// Records with too few fields, and NULL in those that are missing.
    pub padded: u64,
    /// Records with too many fields, which were cut off.
    pub cut: u64,
    /// Records that were not UTF-8, with U+FFFD where that was so.
    pub utf8_replaced: u64,
    /// Fields that hold a NUL byte.
    pub nul_values: u64,
}

impl AddAssign for Repairs {
    fn add_assign(&mut self, other: Self) {
        self.padded += other.padded;
        self.cut += other.cut;
        self.utf8_replaced += other.utf8_replaced;
        self.nul_values += other.nul_values;
    }
}

/// How the types of columns bear out that are guesses, by the numbers of the columns.
#[derive(Debug, Clone, Default)]
pub struct TypeFeedback {
    /// One with a value that is not of its type.
    pub mismatched: Option<usize>,
    /// Those taken to be INTEGER in which there is a REAL.
    pub real_columns: BTreeSet<usize>,
    /// Those taken to be INTEGER in which there is one with more digits than a REAL gives back.
    pub long_integer_columns: BTreeSet<usize>,
}

impl TypeFeedback {
    /// A column that can be neither what it was taken to be nor anything that its values are good for as they are.
    pub(crate) fn column_to_reinfer(&self) -> Option<usize> {
        self.mismatched.or_else(|| self.real_columns.intersection(&self.long_integer_columns).next().copied())
    }
}

impl AddAssign for TypeFeedback {
    fn add_assign(&mut self, mut other: Self) {
        self.mismatched = self.mismatched.or(other.mismatched);
        self.real_columns.append(&mut other.real_columns);
        self.long_integer_columns.append(&mut other.long_integer_columns);
    }
}

/// The rows of a chunk, column by column, and the records of it that became no row.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// The chunk that they come from.
    pub chunk: Chunk<'a>,
    /// The number of rows.
    pub len: usize,
    /// The values of each column.
    pub columns: &'a [Values<'a>],
    /// For each row, the record that it came from.
    pub origins: RowOrigins<'a>,
    /// The records that became no row, in the order of the input.
    pub rejects: Vec<Reject<'a>>,
    /// Records that the plan left out.
    pub filtered: usize,
    /// How the types bear out that are guesses.
    pub type_feedback: TypeFeedback,
    /// What there is about the records that were not rejected for their form or types.
    pub repairs: Repairs,
}
