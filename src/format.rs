//! Input formats: bytes to records, and records to decoded fields.

#[cfg(feature = "arrow")]
pub(crate) mod arrow;
pub mod csv;
pub(crate) mod jsonl;
pub(crate) mod recognize;
pub(crate) mod sqlite;
pub(crate) mod typed_rows;

use crate::batch::{
    Arena, Chunk, Oddities, RecordTexts, Reject, Repairs, RowOrigins, Rows, Value, Values, null_where,
};
use crate::error::Reason;
use crate::plan::Type;
use std::sync::Arc;

/// Decodes the chunks of one input. Each worker has its own, which reuses its memory.
///
/// What a decoder holds belongs to the chunk that was decoded last.
pub trait Decode {
    /// What the values of the records are read from: the bytes of a chunk, or something else that its input keeps.
    type Data<'a>: Copy;

    /// The records of a chunk.
    type Records<'r, 'a>: Records<'a>
    where
        Self: 'r;

    /// Sets the name of the input that the next chunks belong to.
    fn set_input(&mut self, name: &Arc<str>);

    /// Decodes `chunk`. Returns the data that the values are read from, and the records that cannot become rows.
    fn decode<'a>(
        &mut self,
        chunk: &Chunk<'a>,
        data: Self::Data<'a>,
        counts_lines: bool,
        arena: &'a Arena,
    ) -> (Self::Data<'a>, Vec<Reject<'a>>);

    /// The number of records that may become rows.
    fn len(&self) -> usize;

    /// Whether no record may become a row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records that may become rows, whose values are read from `data`.
    fn records<'r, 'a>(&'r self, chunk: &Chunk<'a>, data: Self::Data<'a>) -> Self::Records<'r, 'a>;

    /// Keeps only the records for which `is_kept` is true.
    fn retain(&mut self, is_kept: impl Fn(usize) -> bool);

    /// The records that may become rows, in `arena`.
    fn origins<'a>(&self, arena: &'a Arena) -> RowOrigins<'a>;

    /// The records that may become these rows as rejects. The rows are in input order.
    fn rejects_of<'a>(
        &self,
        chunk: &Chunk<'a>,
        data: Self::Data<'a>,
        rows: Vec<(usize, Reason)>,
    ) -> Vec<Reject<'a>>;

    /// The texts of the records, if they are not bytes of the chunk.
    fn texts<'a>(chunk: &Chunk<'a>, data: Self::Data<'a>) -> Option<&'a dyn RecordTexts>;

    /// The number of records that were skipped because they have no value.
    fn skipped(&self) -> usize;

    /// The number of repairs in the records that may become rows, whose values are read from `data`.
    fn repairs(&self, data: Self::Data<'_>) -> Repairs;

    /// The records of the chunk that look wrong, rejected ones included.
    fn oddities(&self) -> Oddities;
}

/// Merges two lists of rejects of one chunk, in input order.
pub(crate) fn in_input_order<'a>(mut some: Vec<Reject<'a>>, others: Vec<Reject<'a>>) -> Vec<Reject<'a>> {
    some.extend(others);
    some.sort_by_key(|reject| reject.record);
    some
}

/// The records that the rows of a chunk came from as rejects, for these rows in input order.
pub(crate) fn rejects_of_rows<'a>(rows: &Rows<'a>, rejected: Vec<(usize, Reason)>) -> Vec<Reject<'a>> {
    let Rows { chunk, origins, .. } = rows;
    match rows.texts {
        None => csv::decode::rejects_of_rows(chunk, |row| origins.get(row), rejected),
        Some(texts) => rejected
            .into_iter()
            .map(|(row, reason)| reject(chunk, texts, origins.get(row).number, reason))
            .collect(),
    }
}

/// A record of a chunk as a reject, by the number of records of the chunk before it.
pub(crate) fn reject<'a>(
    chunk: &Chunk<'_>,
    texts: &dyn RecordTexts,
    number: u32,
    reason: Reason,
) -> Reject<'a> {
    Reject {
        record: chunk.first_record + u64::from(number),
        line: 0,
        offset: 0,
        bytes: texts.text(number).into(),
        reason,
    }
}

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

    /// As [`Records::field`], with NULL where the field is empty and not quoted. By default, quotes are not known.
    fn field_or_null(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        let field = self.field(index, arena);
        null_where(field, |row| field.get(row) == Value::Text(b""), self.len(), arena)
    }

    /// Column `index` of the header with the types that the input knows, for a column of type `to`. By default its text.
    fn value(&self, index: usize, to: Type, arena: &'a Arena) -> Values<'a> {
        let _ = to;
        self.field(index, arena)
    }

    /// Field `index` of a record as it is written in the input, quotes and escapes included; empty if the record lacks it. `None`
    /// if the input does not write values as text.
    fn written(&self, index: usize, record: usize) -> Option<&[u8]>;

    /// The number of records of the load before each of these. Random streams are addressed by it.
    fn load_records(&self) -> impl ExactSizeIterator<Item = u64>;

    /// The number of records of the input before each of these.
    fn input_records(&self) -> impl ExactSizeIterator<Item = u64>;

    /// The number of line ends of the input before each of these; nothing if lines were not counted.
    fn lines(&self) -> &[u64];
}
