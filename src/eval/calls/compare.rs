//! What is equal, what is before what, and what is true.

use super::numbers::{self, Number};
use super::{DeferToSqlite, Result};
use crate::batch::Value;
use crate::plan::{ComparisonAffinity, Function};
use std::borrow::Cow;
use std::cmp::Ordering;

/// A call whose value is only whether something is so.
pub(super) enum Test {
    /// Whether two values are in such an order.
    Order(fn(Ordering) -> bool, ComparisonAffinity),
    /// Whether a value is true, or whether it is false.
    Truth(bool),
}

/// The test that a function is, if it is one of those.
pub(super) fn test(function: Function) -> Option<Test> {
    Some(match function {
        Function::Equal(affinity) => Test::Order(Ordering::is_eq, affinity),
        Function::NotEqual(affinity) => Test::Order(Ordering::is_ne, affinity),
        Function::Less(affinity) => Test::Order(Ordering::is_lt, affinity),
        Function::LessOrEqual(affinity) => Test::Order(Ordering::is_le, affinity),
        Function::Greater(affinity) => Test::Order(Ordering::is_gt, affinity),
        Function::GreaterOrEqual(affinity) => Test::Order(Ordering::is_ge, affinity),
        Function::IsTrue => Test::Truth(true),
        Function::IsFalse => Test::Truth(false),
        _ => return None,
    })
}

/// Whether two values are equal; nothing if one is NULL.
pub(super) fn equal(left: Value<'_>, right: Value<'_>, affinity: ComparisonAffinity) -> Result<Option<bool>> {
    Ok(order_of(left, right, affinity)?.map(Ordering::is_eq))
}

/// The order of two values after the affinity has been applied to them; nothing if one is NULL.
pub(super) fn order_of(
    left: Value<'_>,
    right: Value<'_>,
    affinity: ComparisonAffinity,
) -> Result<Option<Ordering>> {
    match (left, right, affinity) {
        (Value::Null, _, _) | (_, Value::Null, _) => Ok(None),
        (Value::Integer(left), Value::Integer(right), _) => Ok(Some(left.cmp(&right))),
        (_, _, ComparisonAffinity::Text) if is_text(left) || is_text(right) => {
            let (left, right) = (stringified(left)?, stringified(right)?);
            Ok(Some(order(left.value(), right.value())))
        }
        (_, _, ComparisonAffinity::Numeric) if is_text(left) || is_text(right) => {
            Ok(Some(order(numeric(left)?, numeric(right)?)))
        }
        _ => Ok(Some(order(left, right))),
    }
}

fn is_text(value: Value<'_>) -> bool {
    matches!(value, Value::Text(_))
}

/// A value, or the text that a number has become.
enum Stringified<'a> {
    Value(Value<'a>),
    Text(Cow<'a, [u8]>),
}

impl Stringified<'_> {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Value(value) => *value,
            Self::Text(text) => Value::Text(text),
        }
    }
}

fn stringified(value: Value<'_>) -> Result<Stringified<'_>> {
    match value {
        Value::Integer(integer) => {
            Ok(Stringified::Text(Cow::Owned(itoa::Buffer::new().format(integer).as_bytes().to_vec())))
        }
        Value::Real(_) => Err(DeferToSqlite),
        value => Ok(Stringified::Value(value)),
    }
}

/// The number that a text is, if all of it is one; other values as they are.
fn numeric(value: Value<'_>) -> Result<Value<'_>> {
    let Value::Text(text) = value else { return Ok(value) };
    Ok(match numbers::whole(text)? {
        Some(Number::Integer(integer)) => Value::Integer(integer),
        Some(Number::Real(real)) => Value::Real(real),
        None => value,
    })
}

/// The order of two values that are not NULL: numbers, texts, blobs.
pub(super) fn order(left: Value<'_>, right: Value<'_>) -> Ordering {
    let class = |value: Value<'_>| match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    };
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(&right),
        (Value::Real(left), Value::Real(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
        (Value::Integer(left), Value::Real(right)) => numbers::order(left, right),
        (Value::Real(left), Value::Integer(right)) => numbers::order(right, left).reverse(),
        (Value::Text(left), Value::Text(right)) | (Value::Blob(left), Value::Blob(right)) => left.cmp(right),
        _ => class(left).cmp(&class(right)),
    }
}

/// Whether a value is true; nothing for NULL.
pub(super) fn truth(value: Value<'_>) -> Result<Option<bool>> {
    Ok(match value {
        Value::Null => None,
        Value::Integer(integer) => Some(integer != 0),
        Value::Real(real) => Some(real != 0.0),
        Value::Text(text) => Some(match numbers::prefix(text)? {
            Number::Integer(integer) => integer != 0,
            Number::Real(real) => real != 0.0,
        }),
        Value::Blob(_) => return Err(DeferToSqlite),
    })
}
