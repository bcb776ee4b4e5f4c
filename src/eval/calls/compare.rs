//! Comparisons, and the truth of values.

use super::numbers::{self, Number};
use super::{DeferToSqlite, OrDefer};
use crate::batch::Value;
use crate::eval::properties::ComparisonAffinity;
use crate::plan::Function;
use std::cmp::Ordering;

/// A comparison, or a test for truth.
pub(super) enum Predicate {
    /// Compares two values after the affinity has been applied to them.
    Order(fn(Ordering) -> bool, ComparisonAffinity),
    /// Tests whether a value has this truth.
    Truth(bool),
}

impl Predicate {
    /// The predicate that a function computes, if it is one.
    pub(super) fn of_function(function: Function, affinity: ComparisonAffinity) -> Option<Self> {
        Some(match function {
            Function::Equal => Self::Order(Ordering::is_eq, affinity),
            Function::NotEqual => Self::Order(Ordering::is_ne, affinity),
            Function::Less => Self::Order(Ordering::is_lt, affinity),
            Function::LessOrEqual => Self::Order(Ordering::is_le, affinity),
            Function::Greater => Self::Order(Ordering::is_gt, affinity),
            Function::GreaterOrEqual => Self::Order(Ordering::is_ge, affinity),
            Function::IsTrue => Self::Truth(true),
            Function::IsFalse => Self::Truth(false),
            _ => return None,
        })
    }
}

/// Compares two values for equality; `None` if one is NULL.
pub(super) fn equal(
    left: Value<'_>,
    right: Value<'_>,
    affinity: ComparisonAffinity,
) -> OrDefer<Option<bool>> {
    Ok(order(left, right, affinity)?.map(Ordering::is_eq))
}

/// Compares two values after applying the affinity to them (Datatypes in SQLite, section 4.2); `None` if one is NULL.
pub(super) fn order(
    left: Value<'_>,
    right: Value<'_>,
    affinity: ComparisonAffinity,
) -> OrDefer<Option<Ordering>> {
    match (left, right, affinity) {
        (Value::Null, _, _) | (_, Value::Null, _) => Ok(None),
        (Value::Integer(left), Value::Integer(right), _) => Ok(Some(left.cmp(&right))),
        (_, _, ComparisonAffinity::Text) if is_text(left) || is_text(right) => {
            let (left, right) = (with_text_affinity(left)?, with_text_affinity(right)?);
            Ok(Some(left.value().compare(&right.value())))
        }
        (_, _, ComparisonAffinity::Numeric) if is_text(left) || is_text(right) => {
            Ok(Some(with_numeric_affinity(left)?.compare(&with_numeric_affinity(right)?)))
        }
        _ => Ok(Some(left.compare(&right))),
    }
}

fn is_text(value: Value<'_>) -> bool {
    matches!(value, Value::Text(_))
}

/// A value after TEXT affinity has been applied to it.
enum WithTextAffinity<'a> {
    Unchanged(Value<'a>),
    /// An integer as text.
    Text(Vec<u8>),
}

impl WithTextAffinity<'_> {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Unchanged(value) => *value,
            Self::Text(text) => Value::Text(text),
        }
    }
}

/// Converts a number to text. Defers for a REAL.
fn with_text_affinity(value: Value<'_>) -> OrDefer<WithTextAffinity<'_>> {
    match value {
        Value::Integer(integer) => {
            Ok(WithTextAffinity::Text(itoa::Buffer::new().format(integer).as_bytes().to_vec()))
        }
        Value::Real(_) => Err(DeferToSqlite),
        value => Ok(WithTextAffinity::Unchanged(value)),
    }
}

/// Converts a text to a number if all of it is one.
fn with_numeric_affinity(value: Value<'_>) -> OrDefer<Value<'_>> {
    let Value::Text(text) = value else { return Ok(value) };
    Ok(match numbers::parse_whole(text)? {
        Some(Number::Integer(integer)) => Value::Integer(integer),
        Some(Number::Real(real)) => Value::Real(real),
        None => value,
    })
}

/// True if a value is not zero when converted to a number; `None` for NULL. Defers for a BLOB.
pub(super) fn truth(value: Value<'_>) -> OrDefer<Option<bool>> {
    Ok(match value {
        Value::Null => None,
        Value::Integer(integer) => Some(integer != 0),
        Value::Real(real) => Some(real != 0.0),
        Value::Text(text) => Some(match numbers::parse_prefix(text)? {
            Number::Integer(integer) => integer != 0,
            Number::Real(real) => real != 0.0,
        }),
        Value::Blob(_) => return Err(DeferToSqlite),
    })
}
