//! Record batches to decoded records.

use super::json;
use super::values::values;
use crate::batch::{
    Arena, Chunk, Oddities, RecordTexts, Reject, Repairs, RowOrigins, Span, Value, Values, text_of,
};
use crate::error::Reason;
use crate::format::{Decode, Records, reject};
use crate::plan::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use std::sync::Arc;

/// The rows of a record batch that are one chunk.
#[derive(Debug)]
pub(crate) struct ArrowRows {
    pub(crate) batch: RecordBatch,
}

impl RecordTexts for ArrowRows {
    /// The row as a JSON object.
    fn text(&self, number: u32) -> Vec<u8> {
        // To prepare a dictionary takes time in proportion to its rows.
        let row = self.batch.slice(number as usize, 1);
        let (arena, schema, mut text) = (Arena::default(), row.schema(), Vec::new());
        let names = schema.fields().iter().map(|field| field.name().as_str());
        // Columns that were not read are null.
        let members = names.zip(row.columns()).filter(|(_, array)| array.data_type() != &DataType::Null);
        let push = json::object(members, &arena);
        push(0, &mut text);
        drop(push);
        text
    }
}

/// Decodes the rows of record batches.
#[derive(Debug)]
pub(crate) struct ArrowDecoder {
    input_name: Arc<str>,
    /// For each of the records that may become rows, the number of records of the chunk before it.
    numbers: Vec<u32>,
}

impl ArrowDecoder {
    pub(crate) fn new() -> Self {
        Self { input_name: "".into(), numbers: Vec::new() }
    }
}

impl Decode for ArrowDecoder {
    type Data<'a> = &'a ArrowRows;
    type Records<'r, 'a> = ArrowRecords<'r, 'a>;

    fn set_input(&mut self, name: &Arc<str>) {
        self.input_name = name.clone();
    }

    fn decode<'a>(
        &mut self,
        _: &Chunk<'a>,
        rows: &'a ArrowRows,
        _: bool,
        _: &'a Arena,
    ) -> (&'a ArrowRows, Vec<Reject<'a>>) {
        self.numbers.clear();
        self.numbers.extend(0..rows.batch.num_rows() as u32);
        (rows, Vec::new())
    }

    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn records<'r, 'a>(&'r self, chunk: &Chunk<'a>, rows: &'a ArrowRows) -> ArrowRecords<'r, 'a> {
        ArrowRecords {
            rows,
            input_name: &self.input_name,
            numbers: &self.numbers,
            is_all: self.numbers.len() == rows.batch.num_rows(),
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
        rows: &'a ArrowRows,
        rejected: Vec<(usize, Reason)>,
    ) -> Vec<Reject<'a>> {
        rejected.into_iter().map(|(row, reason)| reject(chunk, rows, self.numbers[row], reason)).collect()
    }

    fn texts<'a>(_: &Chunk<'a>, rows: &'a ArrowRows) -> Option<&'a dyn RecordTexts> {
        Some(rows)
    }

    fn skipped(&self) -> usize {
        0
    }

    fn repairs(&self, rows: &ArrowRows) -> Repairs {
        let nan_nulls = rows.batch.columns().iter().map(|array| self.count_nans(array)).sum();
        Repairs { nan_nulls, ..Repairs::default() }
    }

    fn oddities(&self) -> Oddities {
        Oddities::default()
    }
}

impl ArrowDecoder {
    /// The number of values of an array that are NaN, in the records that may become rows.
    fn count_nans(&self, array: &dyn Array) -> u64 {
        match array.data_type() {
            DataType::Float16 => self.count::<Float16Type>(array, |real| real.is_nan()),
            DataType::Float32 => self.count::<Float32Type>(array, |real| real.is_nan()),
            DataType::Float64 => self.count::<Float64Type>(array, |real| real.is_nan()),
            _ => 0,
        }
    }

    fn count<T: ArrowPrimitiveType>(&self, array: &dyn Array, is_nan: impl Fn(&T::Native) -> bool) -> u64 {
        let array = array.as_primitive::<T>();
        // Most arrays have none.
        if !array.values().iter().any(&is_nan) {
            return 0;
        }
        let is_counted = |row: usize| array.is_valid(row) && is_nan(&array.values()[row]);
        self.numbers.iter().filter(|number| is_counted(**number as usize)).count() as u64
    }
}

/// The records of a chunk that may become rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArrowRecords<'r, 'a> {
    rows: &'a ArrowRows,
    input_name: &'r str,
    numbers: &'r [u32],
    /// True if these are all rows of the batch.
    is_all: bool,
    first_load_record: u64,
    first_input_record: u64,
}

impl<'a> Records<'a> for ArrowRecords<'_, 'a> {
    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn input_name(&self) -> &str {
        self.input_name
    }

    fn field(&self, index: usize, arena: &'a Arena) -> Values<'a> {
        match self.value(index, Type::Text, arena) {
            texts @ (Values::Texts(_) | Values::Constant(Value::Null)) => texts,
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
        let Some(array) = self.rows.batch.columns().get(index) else { return Values::Constant(Value::Null) };
        let values = values(array, to, arena);
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
