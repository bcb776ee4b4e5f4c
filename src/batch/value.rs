//! Values and columns of values.

use super::{Arena, Strings};

/// A SQLite value, in one of the five storage classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// INTEGER, 64 bits.
    Integer(i64),
    /// REAL, 64 bits.
    Real(f64),
    /// TEXT. The bytes are UTF-8: the parser has checked the record.
    Text(&'a [u8]),
    /// BLOB.
    Blob(&'a [u8]),
}

/// The values of a column, one for each row.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// The same value in all rows.
    Constant(Value<'a>),
    /// INTEGERs only.
    Integers(&'a [i64]),
    /// REALs only.
    Reals(&'a [f64]),
    /// TEXTs only.
    Texts(Strings<'a>),
    /// BLOBs only.
    Blobs(Strings<'a>),
    /// Values of any storage class.
    Mixed(&'a [Value<'a>]),
}

impl<'a> Values<'a> {
    /// Returns the value of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> Value<'a> {
        match self {
            Self::Constant(value) => *value,
            Self::Integers(integers) => Value::Integer(integers[row]),
            Self::Reals(reals) => Value::Real(reals[row]),
            Self::Texts(texts) => Value::Text(texts.get(row)),
            Self::Blobs(blobs) => Value::Blob(blobs.get(row)),
            Self::Mixed(values) => values[row],
        }
    }
}

/// Replaces the values of the rows for which `is_null` returns true with NULL.
pub(crate) fn null_where<'a>(
    values: Values<'a>,
    is_null: impl Fn(usize) -> bool,
    rows: usize,
    arena: &'a Arena,
) -> Values<'a> {
    if !(0..rows).any(&is_null) {
        return values;
    }
    Values::Mixed(arena.list((0..rows).map(|row| if is_null(row) { Value::Null } else { values.get(row) })))
}
