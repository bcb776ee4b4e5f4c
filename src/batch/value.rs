//! Values and columns of values.

use super::{Arena, Strings};

/// What goes to SQLite: one of its five storage classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// INTEGER, 64 bits.
    Integer(i64),
    /// REAL, 64 bits.
    Real(f64),
    /// TEXT; UTF-8, as was checked when the record was read.
    Text(&'a [u8]),
    /// BLOB.
    Blob(&'a [u8]),
}

/// The values of a column, one for each row.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// The same for all.
    Constant(Value<'a>),
    /// INTEGERs only.
    Integers(&'a [i64]),
    /// REALs only.
    Reals(&'a [f64]),
    /// TEXTs only.
    Texts(Strings<'a>),
    /// BLOBs only.
    Blobs(Strings<'a>),
    /// Any.
    Mixed(&'a [Value<'a>]),
}

impl<'a> Values<'a> {
    /// The value of a row.
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

/// The values with NULL in the rows that are said.
pub(crate) fn null_where<'a>(
    of: Values<'a>,
    is_null: impl Fn(usize) -> bool,
    rows: usize,
    arena: &'a Arena,
) -> Values<'a> {
    if !(0..rows).any(&is_null) {
        return of;
    }
    Values::Mixed(arena.list((0..rows).map(|row| if is_null(row) { Value::Null } else { of.get(row) })))
}
