//! Chunks, and the records of a chunk that rows come from.

use super::{Arena, Span};

/// A run of whole records of one input; the unit of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The number of the input in the load, which the engine sets.
    pub input: usize,
    /// Chunks of the input before this one.
    pub number: u64,
    /// The records, with the line ends and blank lines after each.
    pub bytes: &'a [u8],
    /// Bytes of the input before this chunk.
    pub offset: u64,
    /// Records of the load before this input.
    pub records_before_input: u64,
    /// Records of the input before this chunk.
    pub first_record: u64,
    /// Records in this chunk.
    pub records: usize,
    /// Line ends of the input before this chunk.
    pub first_line: u64,
    /// True if this is a single record with a quote that is never closed.
    pub is_unclosed: bool,
}

impl Chunk<'_> {
    /// Records of the load before this chunk.
    #[must_use]
    pub fn first_load_record(&self) -> u64 {
        self.records_before_input + self.first_record
    }
}

/// The record of a chunk that a row came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowOrigin {
    /// Records of the chunk before it.
    pub number: u32,
    /// The record in the chunk, without its line end.
    pub span: Span,
}

/// The records that the rows of a chunk came from, one for each row.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowOrigins<'a> {
    /// For each row, the records of the chunk before its own; `None` if row n came from record n.
    pub numbers: Option<&'a [u32]>,
    /// For each row, its record in the chunk, without the line end.
    pub spans: &'a [Span],
}

impl<'a> RowOrigins<'a> {
    /// The records of the chunk with these numbers, in order, and these spans.
    pub(crate) fn new(numbers: &[u32], spans: &'a [Span], arena: &'a Arena) -> Self {
        let is_gapless = numbers.last().is_none_or(|last| *last as usize + 1 == numbers.len());
        Self { numbers: if is_gapless { None } else { Some(arena.copy_list(numbers)) }, spans }
    }

    /// The record that a row came from.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> RowOrigin {
        let number = self.numbers.map_or(row as u32, |numbers| numbers[row]);
        RowOrigin { number, span: self.spans[row] }
    }
}
