//! Values and columns of values.

use super::{Arena, Span, Strings};
use rusqlite::types::{ToSqlOutput, ValueRef};
use std::cmp::Ordering;

/// A value of one of SQLite's five storage classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// INTEGER, 64 bits.
    Integer(i64),
    /// REAL, 64 bits.
    Real(f64),
    /// TEXT. Fields are checked to be UTF-8 when the record is decoded.
    Text(&'a [u8]),
    /// BLOB.
    Blob(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Converts a value read from SQLite.
    #[inline]
    pub(crate) fn from_sqlite(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(integer) => Self::Integer(integer),
            ValueRef::Real(real) => Self::Real(real),
            ValueRef::Text(text) => Self::Text(text),
            ValueRef::Blob(blob) => Self::Blob(blob),
        }
    }

    /// Converts to a value that can be bound to a statement or returned from an SQL function.
    #[inline]
    pub(crate) fn to_sqlite(self) -> ToSqlOutput<'a> {
        ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(integer) => ValueRef::Integer(integer),
            Self::Real(real) => ValueRef::Real(real),
            Self::Text(text) => ValueRef::Text(text),
            Self::Blob(blob) => ValueRef::Blob(blob),
        })
    }

    /// Copies the bytes of a TEXT or BLOB into `arena`.
    pub(crate) fn copy_to<'b>(self, arena: &'b Arena) -> Value<'b> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(integer) => Value::Integer(integer),
            Self::Real(real) => Value::Real(real),
            Self::Text(text) => Value::Text(arena.copy(text)),
            Self::Blob(blob) => Value::Blob(arena.copy(blob)),
        }
    }

    /// Compares two values in SQLite's sort order (Datatypes in SQLite, section 4.1) with BINARY collation: NULL, then
    /// numbers, TEXT and BLOB.
    #[inline]
    pub(crate) fn compare(&self, other: &Value<'_>) -> Ordering {
        match (self, other) {
            (Value::Blob(a), Value::Blob(b)) => {
                match (<&[u8; 16]>::try_from(*a), <&[u8; 16]>::try_from(*b)) {
                    // Most BLOB keys are UUIDs.
                    (Ok(a), Ok(b)) => u128::from_be_bytes(*a).cmp(&u128::from_be_bytes(*b)),
                    _ => a.cmp(b),
                }
            }
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
            (Value::Real(a), Value::Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Value::Integer(a), Value::Real(b)) => compare_integer_with_real(*a, *b),
            (Value::Real(a), Value::Integer(b)) => compare_integer_with_real(*b, *a).reverse(),
            _ => self.class_rank().cmp(&other.class_rank()),
        }
    }

    /// The rank of the storage class in SQLite's sort order: 0 for NULL, 1 for numbers, 2 for TEXT, 3 for BLOB.
    #[inline]
    pub(crate) fn class_rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Integer(_) | Self::Real(_) => 1,
            Self::Text(_) => 2,
            Self::Blob(_) => 3,
        }
    }
}

/// Compares without rounding the integer, which may have more digits than a REAL can hold.
fn compare_integer_with_real(integer: i64, real: f64) -> Ordering {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if real >= TWO_TO_63 {
        Ordering::Less
    } else if real < -TWO_TO_63 {
        Ordering::Greater
    } else {
        let whole = real.trunc();
        let by_fraction = whole.partial_cmp(&real).unwrap_or(Ordering::Equal);
        integer.cmp(&(whole as i64)).then(by_fraction)
    }
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
    /// Values of one of these storage classes, or NULL.
    Nullable(Nullable<'a>),
    /// Values of any storage class.
    Mixed(&'a [Value<'a>]),
}

/// A column of integers, of REALs, of TEXTs or of BLOBs, some of which are NULL instead.
#[derive(Debug, Clone, Copy)]
pub struct Nullable<'a> {
    /// All values. Instead of a NULL there is an empty string, or any number.
    pub values: &'a Values<'a>,
    /// True for each row with a NULL.
    pub is_null: &'a [bool],
}

impl<'a> Nullable<'a> {
    /// Returns the value of a row.
    ///
    /// # Panics
    /// If the column has no such row.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> Value<'a> {
        if self.is_null[row] { Value::Null } else { self.values.get(row) }
    }
}

impl<'a> Values<'a> {
    /// Returns the value of a row.
    ///
    /// # Panics
    /// If the column has no such row.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> Value<'a> {
        match self {
            Self::Constant(value) => *value,
            Self::Integers(integers) => Value::Integer(integers[row]),
            Self::Reals(reals) => Value::Real(reals[row]),
            Self::Texts(texts) => Value::Text(texts.get(row)),
            Self::Blobs(blobs) => Value::Blob(blobs.get(row)),
            Self::Nullable(nullable) => nullable.get(row),
            Self::Mixed(values) => values[row],
        }
    }

    /// The same with NULL in the rows for which `is_null` is true, where strings are empty. There are no NULLs yet.
    pub(crate) fn with_nulls(self, is_null: &'a [bool], arena: &'a Arena) -> Self {
        Self::Nullable(Nullable { values: arena.one(self), is_null })
    }

    /// The values of these rows.
    pub(crate) fn select(self, rows: &[usize], arena: &'a Arena) -> Self {
        let strings = |Strings { bytes, spans }: Strings<'a>| {
            let spans = arena.list(rows.iter().map(|row| spans[*row]));
            Strings { bytes, spans }
        };
        match self {
            Self::Constant(value) => Self::Constant(value),
            Self::Integers(integers) => Self::Integers(arena.list(rows.iter().map(|row| integers[*row]))),
            Self::Reals(reals) => Self::Reals(arena.list(rows.iter().map(|row| reals[*row]))),
            Self::Texts(texts) => Self::Texts(strings(texts)),
            Self::Blobs(blobs) => Self::Blobs(strings(blobs)),
            Self::Nullable(Nullable { values, is_null }) => {
                let is_null = arena.list(rows.iter().map(|row| is_null[*row]));
                values.select(rows, arena).with_nulls(is_null, arena)
            }
            Self::Mixed(values) => Self::Mixed(arena.list(rows.iter().map(|row| values[*row]))),
        }
    }
}

/// Replaces the values for which `is_null` is true by NULL.
pub(crate) fn null_where<'a>(
    values: Values<'a>,
    is_null: impl FnMut(usize) -> bool,
    rows: usize,
    arena: &'a Arena,
) -> Values<'a> {
    let is_null = &*arena.list((0..rows).map(is_null));
    if !is_null.contains(&true) {
        return values;
    }
    let filled = |Strings { bytes, spans }: Strings<'a>| {
        let span = |(span, is_null): (&Span, &bool)| if *is_null { Span { start: 0, end: 0 } } else { *span };
        Strings { bytes, spans: arena.list(spans.iter().zip(is_null).map(span)) }
    };
    let values = match values {
        Values::Integers(_) | Values::Reals(_) => values,
        Values::Texts(texts) => Values::Texts(filled(texts)),
        Values::Blobs(blobs) => Values::Blobs(filled(blobs)),
        Values::Constant(_) | Values::Nullable(_) | Values::Mixed(_) => {
            let value = |row| if is_null[row] { Value::Null } else { values.get(row) };
            return Values::Mixed(arena.list((0..rows).map(value)));
        }
    };
    values.with_nulls(is_null, arena)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_by_nulls_in_columns_of_every_form() {
        let spans = [(0, 1), (1, 1), (1, 3)].map(|(start, end)| Span { start, end });
        let strings = Strings { bytes: b"abc", spans: &spans };
        let mixed = [Value::Integer(1), Value::Null, Value::Text(b"x")];
        let nullable = Nullable { values: &Values::Reals(&[0.5, 1.0, -2.0]), is_null: &[false, false, true] };
        let columns = [
            Values::Constant(Value::Text(b"same")),
            Values::Integers(&[7, 8, 9]),
            Values::Reals(&[0.5, 1.0, -2.0]),
            Values::Texts(strings),
            Values::Blobs(strings),
            Values::Nullable(nullable),
            Values::Mixed(&mixed),
        ];
        let arena = Arena::default();
        for (values, nulls) in
            columns.into_iter().flat_map(|values| (0..8_usize).map(move |nulls| (values, nulls)))
        {
            let is_null = |row: usize| nulls >> row & 1 == 1;
            let with_nulls = null_where(values, is_null, 3, &arena);
            let selected = with_nulls.select(&[2, 0], &arena);
            for row in 0..3 {
                let expected = if is_null(row) { Value::Null } else { values.get(row) };
                assert_eq!(with_nulls.get(row), expected, "row {row} of {values:?}");
            }
            assert_eq!([selected.get(0), selected.get(1)], [with_nulls.get(2), with_nulls.get(0)]);
            if let Values::Nullable(Nullable {
                values: Values::Texts(texts) | Values::Blobs(texts), ..
            }) = with_nulls
            {
                assert!((0..3).filter(|row| is_null(*row)).all(|row| texts.get(row).is_empty()));
            }
        }
    }

    #[test]
    fn integers_and_reals_compare_without_rounding() {
        let compare = compare_integer_with_real;
        assert_eq!(compare(i64::MAX, 9_223_372_036_854_775_807.0), Ordering::Less);
        assert_eq!(compare(i64::MIN, -9_223_372_036_854_775_808.0), Ordering::Equal);
        assert_eq!(compare(9_007_199_254_740_993, 9_007_199_254_740_992.0), Ordering::Greater);
        assert_eq!(compare(1, 1.5), Ordering::Less);
        assert_eq!(compare(-1, -1.5), Ordering::Greater);
        assert_eq!(compare(3, 3.0), Ordering::Equal);
        assert_eq!(compare(0, f64::INFINITY), Ordering::Less);
        assert_eq!(compare(0, f64::NEG_INFINITY), Ordering::Greater);
    }
}
