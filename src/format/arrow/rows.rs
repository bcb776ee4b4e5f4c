//! Record batches as rows whose values have types.

use super::json;
use super::values::values;
use crate::batch::{Arena, RecordTexts, Values};
use crate::format::typed_rows::TypedRows;
use crate::plan::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

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

impl TypedRows for ArrowRows {
    fn len(&self) -> usize {
        self.batch.num_rows()
    }

    fn values<'a>(&'a self, column: usize, to: Type, arena: &'a Arena) -> Option<Values<'a>> {
        self.batch.columns().get(column).map(|array| values(array, to, arena))
    }

    fn count_nans(&self, rows: &[u32]) -> u64 {
        self.batch.columns().iter().map(|array| count_nans(array, rows)).sum()
    }
}

/// The number of values of an array that are NaN, in these rows.
fn count_nans(array: &dyn Array, rows: &[u32]) -> u64 {
    match array.data_type() {
        DataType::Float16 => count::<Float16Type>(array, rows, |real| real.is_nan()),
        DataType::Float32 => count::<Float32Type>(array, rows, |real| real.is_nan()),
        DataType::Float64 => count::<Float64Type>(array, rows, |real| real.is_nan()),
        _ => 0,
    }
}

fn count<T: ArrowPrimitiveType>(array: &dyn Array, rows: &[u32], is_nan: impl Fn(&T::Native) -> bool) -> u64 {
    let array = array.as_primitive::<T>();
    // Most arrays have none.
    if !array.values().iter().any(&is_nan) {
        return 0;
    }
    let is_counted = |row: usize| array.is_valid(row) && is_nan(&array.values()[row]);
    rows.iter().filter(|row| is_counted(**row as usize)).count() as u64
}
