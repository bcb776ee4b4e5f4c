//! Rows whose values have types, as decoded records: those of record batches and of SQLite tables.

use super::{Decode, Records, reject};
use crate::batch::{
    Arena, Chunk, Nullable, Oddities, RecordTexts, Reject, Repairs, RowOrigins, Span, Value, Values, text_of,
};
use crate::error::Reason;
use crate::plan::Type;
use std::sync::Arc;

/// The rows of one chunk.
pub(crate) trait TypedRows: RecordTexts + Send {
    /// The number of rows.
    fn len(&self) -> usize;

    /// The values of the column with this index, as they suit a column of type `to`; `None` if there is no such column.
    fn values<'a>(&'a self, column: usize, to: Type, arena: &'a Arena) -> Option<Values<'a>>;

    /// The number of values that are NaN in the rows with these numbers.
    fn count_nans(&self, rows: &[u32]) -> u64;
}

/// Decodes rows whose values have types.
#[derive(Debug)]
pub(crate) struct TypedDecoder {
    input_name: Arc<str>,
    /// For each of the records that may become rows, the number of records of the chunk before it.
    numbers: Vec<u32>,
}

impl TypedDecoder {
    pub(crate) fn new() -> Self {
        Self { input_name: "".into(), numbers: Vec::new() }
    }
}

impl Decode for TypedDecoder {
    type Data<'a> = &'a dyn TypedRows;
    type Records<'r, 'a> = TypedRecords<'r, 'a>;

    fn set_input(&mut self, name: &Arc<str>) {
        self.input_name = name.clone();
    }

    fn decode<'a>(
        &mut self,
        _: &Chunk<'a>,
        rows: &'a dyn TypedRows,
        _: bool,
        _: &'a Arena,
    ) -> (&'a dyn TypedRows, Vec<Reject<'a>>) {
        self.numbers.clear();
        self.numbers.extend(0..rows.len() as u32);
        (rows, Vec::new())
    }

    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn records<'r, 'a>(&'r self, chunk: &Chunk<'a>, rows: &'a dyn TypedRows) -> TypedRecords<'r, 'a> {
        TypedRecords {
            rows,
            input_name: &self.input_name,
            numbers: &self.numbers,
            is_all: self.numbers.len() == rows.len(),
            first_load_record: chunk.first_load_record(),
            first_input_record: chunk.first_record,
        }
    }

    fn retain(&mut self, is_kept: impl Fn(usize) -> bool) {
        let mut row = 0;
        self.numbers.retain(|_| {
            row += 1;
            is_kept(row - 1)
        });
    }

    fn origins<'a>(&self, arena: &'a Arena) -> RowOrigins<'a> {
        let spans = arena.list(self.numbers.iter().map(|_| Span { start: 0, end: 0 }));
        RowOrigins::new(&self.numbers, spans, arena)
    }

    fn rejects_of<'a>(
        &self,
        chunk: &Chunk<'a>,
        rows: &'a dyn TypedRows,
        rejected: Vec<(usize, Reason)>,
    ) -> Vec<Reject<'a>> {
        rejected.into_iter().map(|(row, reason)| reject(chunk, rows, self.numbers[row], reason)).collect()
    }

    fn texts<'a>(_: &Chunk<'a>, rows: &'a dyn TypedRows) -> Option<&'a dyn RecordTexts> {
        Some(rows)
    }

    fn skipped(&self) -> usize {
        0
    }

    fn repairs(&self, rows: &dyn TypedRows) -> Repairs {
        Repairs { nan_nulls: rows.count_nans(&self.numbers), ..Repairs::default() }
    }

    fn oddities(&self) -> Oddities {
        Oddities::default()
    }
}

/// The records of a chunk that may become rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TypedRecords<'r, 'a> {
    rows: &'a dyn TypedRows,
    input_name: &'r str,
    numbers: &'r [u32],
    /// True if these are all rows of the batch.
    is_all: bool,
    first_load_record: u64,
    first_input_record: u64,
}

impl<'a> Records<'a> for TypedRecords<'_, 'a> {
    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn input_name(&self) -> &str {
        self.input_name
    }

    fn field(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        match self.value(index, Type::Text, arena) {
            texts @ (Values::Texts(_)
            | Values::Nullable(Nullable { values: Values::Texts(_), .. })
            | Values::Constant(Value::Null)) => texts,
            values => {
                let text = |row| match values.get(row) {
                    Value::Null => Value::Null,
                    value => Value::Text(text_of(value, arena)),
                };
                Values::Mixed(arena.list((0..self.len()).map(text)))
            }
        }
    }

    fn value(&self, index: usize, to: Type, arena: &'a Arena) -> Values<'a> {
        let Some(values) = self.rows.values(index, to, arena) else { return Values::Constant(Value::Null) };
        if self.is_all {
            return values;
        }
        let rows: Vec<_> = self.numbers.iter().map(|number| *number as usize).collect();
        values.select(&rows, arena)
    }

    fn written(&self, _: usize, _: usize) -> Option<&[u8]> {
        None
    }

    fn load_records(&self) -> impl ExactSizeIterator<Item = u64> {
        self.numbers.iter().map(|number| self.first_load_record + u64::from(*number))
    }

    fn input_records(&self) -> impl ExactSizeIterator<Item = u64> {
        self.numbers.iter().map(|number| self.first_input_record + u64::from(*number))
    }

    fn lines(&self) -> &[u64] {
        &[]
    }
}
