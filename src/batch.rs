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
mod strings;
mod strings_builder;
mod value;

pub use arena::Arena;
pub(crate) use arena::ArenaVec;
pub use chunk::{Chunk, RowOrigin, RowOrigins};
pub(crate) use strings::{Copier, PADDING_BYTES};
pub use strings::{Span, Strings};
pub(crate) use strings_builder::{MAX_STRINGS_BYTES, StringsBuilder, copy_text};
pub(crate) use value::null_where;
pub use value::{Value, Values};

use crate::error::Reason;
use serde::Serialize;
use std::collections::BTreeSet;
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
    /// The original bytes of the record, without its line end.
    pub bytes: &'a [u8],
    /// Why it was not loaded.
    pub reason: Reason,
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
}

impl AddAssign for Repairs {
    fn add_assign(&mut self, other: Self) {
        self.padded += other.padded;
        self.cut += other.cut;
        self.utf8_replaced += other.utf8_replaced;
        self.nul_values += other.nul_values;
    }
}

/// Evidence against inferred column types. Columns are numbered from 0, in the order of the table.
#[derive(Debug, Clone, Default)]
pub struct TypeFeedback {
    /// A column with a value that does not fit its type, other than the cases below.
    pub mismatched: Option<usize>,
    /// INTEGER columns that contain a REAL.
    pub real_columns: BTreeSet<usize>,
    /// INTEGER columns that contain an integer with more digits than a REAL preserves.
    pub long_integer_columns: BTreeSet<usize>,
}

impl TypeFeedback {
    /// Returns a column that can neither keep its type nor be widened from INTEGER to REAL. Its type must be inferred
    /// again.
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
}
