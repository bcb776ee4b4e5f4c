//! Rows of SQLite tables as rows whose values have types.

use super::typed_rows::TypedRows;
use crate::batch::{Arena, ColumnBuffer, RecordTexts, Value, Values};
use crate::plan::Type;

/// A value has an entry in the batch of rows, whatever its size.
const MIN_VALUE_BYTES: usize = 8;

/// The rows of a table that are one chunk.
#[derive(Debug)]
pub(crate) struct SqliteRows {
    columns: Vec<ColumnBuffer>,
    rows: usize,
    bytes: usize,
}

impl SqliteRows {
    /// No rows of this many columns.
    pub(crate) fn new(width: usize) -> Self {
        let columns = std::iter::repeat_with(ColumnBuffer::default).take(width).collect();
        Self { columns, rows: 0, bytes: 0 }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If one of its values is an error.
    pub(crate) fn push<'v, E>(&mut self, value: impl Fn(usize) -> Result<Value<'v>, E>) -> Result<(), E> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let value = value(at)?;
            self.bytes += MIN_VALUE_BYTES;
            if let Value::Text(bytes) | Value::Blob(bytes) = value {
                self.bytes += bytes.len();
            }
            column.push(value);
        }
        self.rows += 1;
        Ok(())
    }

    /// About the memory that the values take in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl RecordTexts for SqliteRows {
    /// The values as SQL literals.
    fn text(&self, number: u32) -> Vec<u8> {
        let (arena, mut text) = (Arena::default(), Vec::new());
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            match column.to_values(&arena).get(number as usize) {
                Value::Null => text.extend(b"NULL"),
                Value::Integer(integer) => text.extend(integer.to_string().bytes()),
                Value::Real(real) => text.extend(format!("{real:?}").bytes()),
                Value::Text(bytes) => {
                    text.push(b'\'');
                    let escaped = bytes
                        .iter()
                        .flat_map(|byte| std::iter::repeat_n(*byte, if *byte == b'\'' { 2 } else { 1 }));
                    text.extend(escaped);
                    text.push(b'\'');
                }
                Value::Blob(bytes) => {
                    text.extend(b"x'");
                    bytes.iter().for_each(|byte| text.extend(format!("{byte:02x}").bytes()));
                    text.push(b'\'');
                }
            }
        }
        text
    }
}

impl TypedRows for SqliteRows {
    fn len(&self) -> usize {
        self.rows
    }

    fn values<'a>(&'a self, column: usize, _: Type, arena: &'a Arena) -> Option<Values<'a>> {
        self.columns.get(column).map(|column| column.to_values(arena))
    }

    fn count_nans(&self, _: &[u32]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_as_literals() {
        let values =
            [Value::Null, Value::Integer(-1), Value::Real(1.0), Value::Text(b"it's"), Value::Blob(b"\x01a")];
        let mut rows = SqliteRows::new(values.len());
        rows.push(|at| Ok::<_, ()>(values[at])).unwrap();
        assert_eq!(rows.text(0), b"NULL,-1,1.0,'it''s',x'0161'");
        assert_eq!((rows.len(), rows.bytes()), (1, 5 * MIN_VALUE_BYTES + 6));
    }
}
