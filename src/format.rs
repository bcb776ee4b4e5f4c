//! Input formats: bytes to records, and records to decoded fields.

pub mod csv;
pub(crate) mod recognize;

use crate::batch::{Arena, Values};

/// The records of one chunk that may become rows, as evaluation sees them, whatever their format.
///
/// `'a` is the lifetime of the chunk and of the arena that holds what is decoded.
pub trait Records<'a> {
    /// The number of records.
    fn len(&self) -> usize;

    /// Whether there are no records.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the input, as `input_name()` returns it.
    fn input_name(&self) -> &str;

    /// Column `index` of the header as TEXT; NULL in records that lack this field, and in all of them if the input has no
    /// such column.
    fn field(&self, index: usize, arena: &'a Arena) -> Values<'a>;

    /// As [`Records::field`], with NULL where the field is empty and not quoted.
    fn field_or_null(&self, index: usize, arena: &'a Arena) -> Values<'a>;

    /// Field `index` of a record as it is written in the input, quotes and escapes included; empty if the record lacks it.
    fn written(&self, index: usize, record: usize) -> &[u8];

    /// The number of records of the load before each of these. Random streams are addressed by it.
    fn load_records(&self) -> impl ExactSizeIterator<Item = u64>;

    /// The number of records of the input before each of these.
    fn input_records(&self) -> impl ExactSizeIterator<Item = u64>;

    /// The number of line ends of the input before each of these; nothing if lines were not counted.
    fn lines(&self) -> &[u64];
}
