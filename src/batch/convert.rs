//! Converts typed values, such as those of an Arrow array, to the type of a column without altering them.

use super::{Arena, Nullable, Value, Values};
use crate::plan::Type;
use crate::types::integral;

/// The values as TEXT, and the rows of those that are no text.
pub(crate) fn to_texts<'a>(
    values: Values<'a>,
    row_count: usize,
    arena: &'a Arena,
    mut on_mismatch: impl FnMut(usize, &'a [u8]),
) -> Values<'a> {
    let is_text = |value: &Value<'_>| matches!(value, Value::Text(_) | Value::Null);
    match values {
        Values::Texts(_) | Values::Nullable(Nullable { values: Values::Texts(_), .. }) => return values,
        Values::Constant(value) if is_text(&value) => return values,
        Values::Mixed(values_of_rows) if values_of_rows.iter().all(is_text) => return values,
        _ => {}
    }
    let text = |row| {
        let value = values.get(row);
        convert(value, Type::Text, arena).unwrap_or_else(|| {
            on_mismatch(row, text_of(value, arena));
            Value::Null
        })
    };
    Values::Mixed(arena.list((0..row_count).map(text)))
}

/// A column of integers as REALs.
pub(crate) fn to_reals<'a>(integers: &[i64], arena: &'a Arena) -> Values<'a> {
    Values::Reals(arena.list(integers.iter().map(|integer| *integer as f64)))
}

/// A value that is not TEXT as a value for a column of type `to`, or any value as TEXT; `None` if that would alter it. A BLOB is
/// TEXT if it is UTF-8. An INTEGER is rounded to a REAL.
pub(crate) fn convert<'a>(value: Value<'a>, to: Type, arena: &'a Arena) -> Option<Value<'a>> {
    match (to, value) {
        (_, Value::Null)
        | (Type::Text, Value::Text(_))
        | (Type::Integer | Type::NumericAffinity | Type::ExactNumeric, Value::Integer(_))
        | (Type::Real, Value::Real(_))
        | (Type::Blob, Value::Blob(_)) => Some(value),
        (Type::Integer, Value::Real(real)) => integral(real).map(Value::Integer),
        (Type::NumericAffinity | Type::ExactNumeric, Value::Real(real)) => {
            Some(integral(real).map_or(value, Value::Integer))
        }
        (Type::Real, Value::Integer(integer)) => Some(Value::Real(integer as f64)),
        (Type::Text, Value::Integer(_) | Value::Real(_)) => Some(Value::Text(text_of(value, arena))),
        (Type::Text, Value::Blob(bytes)) => std::str::from_utf8(bytes).is_ok().then_some(Value::Text(bytes)),
        _ => None,
    }
}

/// The value as messages show it: a number in its shortest form, a BLOB as hexadecimal digits.
pub(crate) fn text_of<'a>(value: Value<'a>, arena: &'a Arena) -> &'a [u8] {
    match value {
        Value::Null => b"",
        Value::Integer(integer) => arena.copy(itoa::Buffer::new().format(integer).as_bytes()),
        Value::Real(real) => arena.copy(format!("{real:?}").as_bytes()),
        Value::Text(text) => text,
        Value::Blob(bytes) => {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            let pairs = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
            arena.copy(&pairs.collect::<Vec<_>>())
        }
    }
}
