//! SQL's operators and functions, as SQLite defines them.
//!
//! The plain algorithm computes one value from the arguments of each row. Comparisons of a column with a constant and tests
//! for truth have loops of their own if the column has one storage class.
//!
//! If a value might not be the one that SQLite computes, the call defers the chunk to SQLite.

mod compare;
mod format_strings;
mod numbers;
mod texts;

use super::compile::OpIndex;
use super::properties::ComparisonAffinity;
use super::typed::integers;
use crate::batch::{Arena, Span, Strings, Value, Values};
use crate::eval::functions::{self, hash64, try_date, try_real};
use crate::plan::Function;
use compare::{Predicate, equal, order, truth};
use std::cmp::Ordering;

/// The error of a call that SQLite must evaluate.
pub(super) struct DeferToSqlite;

type OrDefer<T> = std::result::Result<T, DeferToSqlite>;

/// The column that a call computes from its operands in `columns`; `None` if it defers the chunk to SQLite.
pub(super) fn call<'a>(
    (function, affinity): (Function, ComparisonAffinity),
    operands: &[OpIndex],
    columns: &[Values<'a>],
    row_count: usize,
    arena: &'a Arena,
) -> Option<Values<'a>> {
    if let Some(values) = call_on_one_class((function, affinity), operands, columns, arena) {
        return Some(values);
    }
    let arguments = arena.list(operands.iter().map(|_| Value::Null));
    let mut eval = |row: usize| {
        for (argument, operand) in arguments.iter_mut().zip(operands) {
            *argument = columns[*operand].get(row);
        }
        value((function, affinity), arguments, arena)
    };
    // Without rows, SQLite does not evaluate a constant expression.
    if operands.iter().all(|operand| matches!(columns[*operand], Values::Constant(_))) && row_count > 0 {
        return eval(0).ok().map(Values::Constant);
    }
    let mut values = arena.vec(row_count);
    for row in 0..row_count {
        values.push(eval(row).ok()?);
    }
    let values: &[_] = values.into_bump_slice();
    let integer = |value: &Value<'_>| match value {
        Value::Integer(integer) => Some(*integer),
        _ => None,
    };
    match values.first() {
        Some(Value::Integer(_)) => {
            integers(values.iter().map(integer), arena).or(Some(Values::Mixed(values)))
        }
        _ => Some(Values::Mixed(values)),
    }
}

/// Like [`call`], in a loop for operands of one storage class; `None` if there is no such loop.
fn call_on_one_class<'a>(
    (function, affinity): (Function, ComparisonAffinity),
    operands: &[OpIndex],
    columns: &[Values<'a>],
    arena: &'a Arena,
) -> Option<Values<'a>> {
    if let (Function::And | Function::Or, [left, right]) = (function, operands)
        && let (Values::Integers(left), Values::Integers(right)) = (columns[*left], columns[*right])
    {
        let pairs = left.iter().zip(right).map(|(left, right)| (*left != 0, *right != 0));
        return Some(match function {
            Function::And => flags(pairs.map(|(left, right)| left & right), arena),
            _ => flags(pairs.map(|(left, right)| left | right), arena),
        });
    }
    let predicate = Predicate::of_function(function, affinity)?;
    match (predicate, operands.iter().map(|operand| columns[*operand])) {
        (Predicate::Truth(expected), mut operands) => match operands.next()? {
            Values::Integers(integers) => {
                Some(flags(integers.iter().map(|integer| (*integer != 0) == expected), arena))
            }
            _ => None,
        },
        (Predicate::Order(matches, affinity), mut operands) => match (operands.next()?, operands.next()?) {
            (Values::Texts(texts), Values::Constant(Value::Text(other)))
                if affinity != ComparisonAffinity::Numeric =>
            {
                Some(compare_texts(texts, other, matches, arena))
            }
            (Values::Integers(integers), Values::Constant(Value::Integer(other))) => {
                Some(flags(integers.iter().map(|integer| matches(integer.cmp(&other))), arena))
            }
            (Values::Reals(reals), Values::Constant(other @ (Value::Integer(_) | Value::Real(_))))
                if affinity != ComparisonAffinity::Text =>
            {
                Some(flags(reals.iter().map(|real| matches(Value::Real(*real).compare(&other))), arena))
            }
            _ => None,
        },
    }
}

/// Compares each text with `other`.
fn compare_texts<'a>(
    texts: Strings<'a>,
    other: &[u8],
    matches: fn(Ordering) -> bool,
    arena: &'a Arena,
) -> Values<'a> {
    if [Ordering::Less, Ordering::Equal, Ordering::Greater].map(matches) == [false, true, false] {
        return equal_texts(texts, other, arena);
    }
    let first = other.first().copied();
    let compared = texts.spans.iter().map(|span| {
        // Most texts differ in their first byte.
        let first_of_text = texts.bytes.get(span.start as usize).copied().filter(|_| span.len() > 0);
        let order = match first_of_text.cmp(&first) {
            Ordering::Equal => span.slice(texts.bytes).cmp(other),
            order => order,
        };
        matches(order)
    });
    flags(compared, arena)
}

/// Compares each text with `other` for equality. If `other` is short, texts are compared as one number, whether or not their
/// length matches: a branch on the length would be unpredictable.
fn equal_texts<'a>(texts: Strings<'a>, other: &[u8], arena: &'a Arena) -> Values<'a> {
    let is_other = |span: &Span| span.len() == other.len() && span.slice(texts.bytes) == other;
    let mut expected = [0; 8];
    let Some(prefix) = expected.get_mut(..other.len()) else {
        return flags(texts.spans.iter().map(is_other), arena);
    };
    prefix.copy_from_slice(other);
    let expected = u64::from_le_bytes(expected);
    let mask = u64::MAX.checked_shr(64 - 8 * other.len() as u32).unwrap_or(0);
    let is_equal = |span: &Span| {
        let start = span.start as usize;
        match texts.bytes.get(start..start + 8).and_then(|eight| eight.first_chunk()) {
            Some(eight) => {
                (span.len() == other.len()) & ((u64::from_le_bytes(*eight) ^ expected) & mask == 0)
            }
            None => is_other(span),
        }
    };
    flags(texts.spans.iter().map(is_equal), arena)
}

/// A column of INTEGERs: 1 for true, 0 for false.
fn flags<'a>(flags: impl ExactSizeIterator<Item = bool>, arena: &'a Arena) -> Values<'a> {
    Values::Integers(arena.list(flags.map(i64::from)))
}

/// 1 for true, 0 for false, and NULL for `None`.
fn flag<'a>(truth: Option<bool>) -> Value<'a> {
    truth.map_or(Value::Null, |is_true| Value::Integer(is_true.into()))
}

/// The value of a call with these arguments.
fn value<'a>(
    (function, affinity): (Function, ComparisonAffinity),
    arguments: &[Value<'a>],
    arena: &'a Arena,
) -> OrDefer<Value<'a>> {
    use Function as F;
    Ok(match (function, arguments) {
        (F::Add | F::Subtract | F::Multiply | F::Divide | F::Remainder, [left, right]) => {
            numbers::arithmetic(function, *left, *right)?
        }
        (F::Is | F::IsNot, [left, right]) => {
            let is_same = match (left, right) {
                (Value::Null, Value::Null) => true,
                (Value::Null, _) | (_, Value::Null) => false,
                _ => equal(*left, *right, affinity)? == Some(true),
            };
            flag(Some(is_same == (function == F::Is)))
        }
        (F::In, [value, list @ ..]) => is_in(*value, list, affinity)?,
        (F::And | F::Or, [left, right]) => {
            let decides = function == F::Or;
            match (truth(*left)?, truth(*right)?) {
                (Some(left), Some(right)) => flag(Some(if decides { left || right } else { left && right })),
                (Some(known), None) | (None, Some(known)) if known == decides => flag(Some(known)),
                _ => Value::Null,
            }
        }
        (F::Not, [value]) => flag(truth(*value)?.map(|is_true| !is_true)),
        (F::IsNull, [value]) => flag(Some(matches!(value, Value::Null))),
        (F::NotNull, [value]) => flag(Some(!matches!(value, Value::Null))),
        (F::IsTrue, [value]) => flag(Some(truth(*value)? == Some(true))),
        (F::IsFalse, [value]) => flag(Some(truth(*value)? == Some(false))),
        (F::Case, [cases @ .., otherwise]) => {
            for [condition, value] in cases.as_chunks().0 {
                if truth(*condition)? == Some(true) {
                    return Ok(*value);
                }
            }
            *otherwise
        }
        (F::NullIf, [value, other]) => match equal(*value, *other, ComparisonAffinity::None)? {
            Some(true) => Value::Null,
            _ => *value,
        },
        (F::Min | F::Max, values) => extreme(values, function == F::Max),
        (F::CastInteger | F::CastReal | F::Abs | F::Round, [value]) => numbers::convert(function, *value)?,
        (F::TypeOf, [value]) => Value::Text(match value {
            Value::Null => b"null",
            Value::Integer(_) => b"integer",
            Value::Real(_) => b"real",
            Value::Text(_) => b"text",
            Value::Blob(_) => b"blob",
        }),
        (F::TryReal, [value]) => match value {
            Value::Integer(integer) => Value::Real(*integer as f64),
            Value::Real(real) => Value::Real(*real),
            Value::Text(text) => try_real(text).map_or(Value::Null, Value::Real),
            Value::Null | Value::Blob(_) => Value::Null,
        },
        (F::Hash64, values) => Value::Integer(hash64(values.iter().copied())),
        (F::Hex, [value]) => texts::hex(*value, arena)?,
        (F::Printf, arguments) => format_strings::printf(arguments, arena)?,
        (F::Date | F::Time | F::DateTime | F::StrfTime, arguments) => {
            format_strings::date(function, arguments, arena)?
        }
        (function, arguments) => return value_of_texts((function, affinity), arguments, arena),
    })
}

/// Like [`value`], for comparisons and for functions whose arguments are converted to text.
fn value_of_texts<'a>(
    (function, affinity): (Function, ComparisonAffinity),
    arguments: &[Value<'a>],
    arena: &'a Arena,
) -> OrDefer<Value<'a>> {
    use Function as F;
    if let Some(predicate) = Predicate::of_function(function, affinity) {
        return match (predicate, arguments) {
            (Predicate::Order(matches, affinity), [left, right]) => {
                Ok(flag(order(*left, *right, affinity)?.map(matches)))
            }
            _ => Err(DeferToSqlite),
        };
    }
    // If the pattern is empty or starts with a NUL, SQLite ignores the replacement, even a NULL.
    if matches!((function, arguments), (F::Replace, [_, Value::Text(b"" | [0, ..]), _])) {
        return Err(DeferToSqlite);
    }
    if contains_null(arguments) {
        return Ok(Value::Null);
    }
    let text = |index: usize| texts::text(arguments[index], arena);
    Ok(match (function, arguments) {
        (F::CastText, [_]) => Value::Text(text(0)?),
        (F::Lower, [_]) => Value::Text(arena.copy(&functions::lower(text(0)?))),
        (F::Slug, [_]) => Value::Text(arena.copy(functions::slug(text(0)?).as_bytes())),
        (F::TryDate, [_, _]) => match try_date(text(0)?, text(1)?) {
            Some(date) => Value::Text(arena.copy(date.as_bytes())),
            None => Value::Null,
        },
        (F::Like, [_, _]) => flag(Some(texts::like(text(0)?, text(1)?)?)),
        (F::Glob, [_, _]) => flag(Some(texts::glob(text(0)?, text(1)?)?)),
        (F::Trim | F::TrimStart | F::TrimEnd, [_, rest @ ..]) => {
            let chars = if rest.is_empty() { b" " } else { text(1)? };
            Value::Text(texts::trim(text(0)?, chars, function)?)
        }
        (F::Substr, [_, start, rest @ ..]) => {
            Value::Text(texts::substr(text(0)?, *start, rest.first().copied())?)
        }
        (F::Replace, [_, _, _]) => Value::Text(texts::replace(text(0)?, text(1)?, text(2)?, arena)?),
        (F::Instr, [_, _]) => Value::Integer(texts::instr(text(0)?, text(1)?)?),
        (F::Length, [_]) => Value::Integer(texts::length(text(0)?)?),
        _ => return Err(DeferToSqlite),
    })
}

fn contains_null(values: &[Value<'_>]) -> bool {
    values.iter().any(|value| matches!(value, Value::Null))
}

/// `value IN (list)`: NULL if the value is not in the list, but it or an item is NULL.
fn is_in<'a>(value: Value<'a>, list: &[Value<'a>], affinity: ComparisonAffinity) -> OrDefer<Value<'a>> {
    let mut is_in = Some(false);
    for item in list {
        match equal(value, *item, affinity)? {
            Some(true) => is_in = Some(true),
            None if is_in == Some(false) => is_in = None,
            _ => {}
        }
    }
    Ok(flag(is_in))
}

/// The least or the greatest value; NULL if one is NULL.
fn extreme<'a>(values: &[Value<'a>], is_greatest: bool) -> Value<'a> {
    if contains_null(values) {
        return Value::Null;
    }
    let mut best = values[0];
    for value in &values[1..] {
        // Of equal values, min() returns the last one and max() the first one, as in SQLite.
        let is_better = match best.compare(value) {
            Ordering::Less => is_greatest,
            Ordering::Equal | Ordering::Greater => !is_greatest,
        };
        if is_better {
            best = *value;
        }
    }
    best
}
