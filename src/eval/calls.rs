//! Operators and functions of SQL, as SQLite defines them.
//!
//! The plain algorithm: each row's arguments, one value of them. Columns of one class that are compared with a constant,
//! or whose truth is asked for, go through loops of their own.
//!
//! Whatever SQLite would do otherwise, or where that is in doubt, has no value here, and then the chunk is SQLite's.

mod compare;
mod format_strings;
mod numbers;
mod texts;

use super::Slot;
use super::typed::integers;
use crate::batch::{Arena, Span, Strings, Value, Values};
use crate::eval::functions::{self, hash64, try_date, try_real};
use crate::plan::{ComparisonAffinity, Function};
use compare::{equal, order_of, truth};
use std::cmp::Ordering;

/// What is left to SQLite.
pub(super) struct DeferToSqlite;

type Result<T> = std::result::Result<T, DeferToSqlite>;

/// The values of a call; nothing if they are left to SQLite.
pub(super) fn call<'a>(
    function: Function,
    of: &[Slot],
    made: &[Values<'a>],
    rows: usize,
    arena: &'a Arena,
) -> Option<Values<'a>> {
    if let Some(values) = of_one_class(function, of, made, arena) {
        return Some(values);
    }
    let arguments = arena.list(of.iter().map(|_| Value::Null));
    let mut eval = |row: usize| {
        for (argument, slot) in arguments.iter_mut().zip(of) {
            *argument = made[*slot].get(row);
        }
        value(function, arguments, arena)
    };
    // SQLite does not evaluate what does not depend on the row where there is none.
    if of.iter().all(|slot| matches!(made[*slot], Values::Constant(_))) && rows > 0 {
        return eval(0).ok().map(Values::Constant);
    }
    let mut values = arena.vec(rows);
    for row in 0..rows {
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

/// As [`call`], in a loop that knows of which class the values are; nothing if there is none.
fn of_one_class<'a>(
    function: Function,
    of: &[Slot],
    made: &[Values<'a>],
    arena: &'a Arena,
) -> Option<Values<'a>> {
    if let (Function::And | Function::Or, [left, right]) = (function, of)
        && let (Values::Integers(left), Values::Integers(right)) = (made[*left], made[*right])
    {
        let pairs = left.iter().zip(right).map(|(left, right)| (*left != 0, *right != 0));
        return Some(match function {
            Function::And => flags(pairs.map(|(left, right)| left & right), arena),
            _ => flags(pairs.map(|(left, right)| left | right), arena),
        });
    }
    let test = compare::test(function)?;
    match (test, of.iter().map(|slot| made[*slot])) {
        (compare::Test::Truth(is_true), mut of) => match of.next()? {
            Values::Integers(of) => Some(flags(of.iter().map(|integer| (*integer != 0) == is_true), arena)),
            _ => None,
        },
        (compare::Test::Order(matches, ComparisonAffinity::None | ComparisonAffinity::Text), mut of) => {
            match (of.next()?, of.next()?) {
                (Values::Texts(texts), Values::Constant(Value::Text(other))) => {
                    Some(compare_texts(texts, other, matches, arena))
                }
                (Values::Integers(of), Values::Constant(Value::Integer(other))) => {
                    Some(flags(of.iter().map(|integer| matches(integer.cmp(&other))), arena))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

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
        // Most differ in their first byte already.
        let start = texts.bytes.get(span.start as usize).copied().filter(|_| span.len() > 0);
        let order = match start.cmp(&first) {
            Ordering::Equal => span.of(texts.bytes).cmp(other),
            order => order,
        };
        matches(order)
    });
    flags(compared, arena)
}

/// Which of the texts are `other`. A short one is looked at as one number, whether or not the length is the same: to ask for
/// that first would be a branch that goes either way.
fn equal_texts<'a>(texts: Strings<'a>, other: &[u8], arena: &'a Arena) -> Values<'a> {
    let is_other = |span: &Span| span.len() == other.len() && span.of(texts.bytes) == other;
    let mut expected = [0; 8];
    let Some(first) = expected.get_mut(..other.len()) else {
        return flags(texts.spans.iter().map(is_other), arena);
    };
    first.copy_from_slice(other);
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

/// INTEGERs, 1 for true and 0 for false.
fn flags<'a>(flags: impl ExactSizeIterator<Item = bool>, arena: &'a Arena) -> Values<'a> {
    Values::Integers(arena.list(flags.map(i64::from)))
}

/// What a truth is in SQL.
fn flag<'a>(truth: Option<bool>) -> Value<'a> {
    truth.map_or(Value::Null, |is_true| Value::Integer(is_true.into()))
}

/// The value of a call with these arguments.
fn value<'a>(function: Function, of: &[Value<'a>], arena: &'a Arena) -> Result<Value<'a>> {
    use Function as F;
    Ok(match (function, of) {
        (F::Add | F::Subtract | F::Multiply | F::Divide | F::Remainder, [left, right]) => {
            numbers::arithmetic(function, *left, *right)?
        }
        (F::Is(affinity) | F::IsNot(affinity), [left, right]) => {
            let are_same = match (left, right) {
                (Value::Null, Value::Null) => true,
                (Value::Null, _) | (_, Value::Null) => false,
                _ => equal(*left, *right, affinity)? == Some(true),
            };
            flag(Some(are_same == matches!(function, F::Is(_))))
        }
        (F::In(affinity), [of, others @ ..]) => is_in(*of, others, affinity)?,
        (F::And | F::Or, [left, right]) => {
            let decides = function == F::Or;
            match (truth(*left)?, truth(*right)?) {
                (Some(left), Some(right)) => flag(Some(if decides { left || right } else { left && right })),
                (Some(known), None) | (None, Some(known)) if known == decides => flag(Some(known)),
                _ => Value::Null,
            }
        }
        (F::Not, [of]) => flag(truth(*of)?.map(|is_true| !is_true)),
        (F::IsNull, [of]) => flag(Some(matches!(of, Value::Null))),
        (F::NotNull, [of]) => flag(Some(!matches!(of, Value::Null))),
        (F::IsTrue, [of]) => flag(Some(truth(*of)? == Some(true))),
        (F::IsFalse, [of]) => flag(Some(truth(*of)? == Some(false))),
        (F::Case, [cases @ .., otherwise]) => {
            for [condition, value] in cases.as_chunks().0 {
                if truth(*condition)? == Some(true) {
                    return Ok(*value);
                }
            }
            *otherwise
        }
        (F::NullIf, [of, other]) => match equal(*of, *other, ComparisonAffinity::None)? {
            Some(true) => Value::Null,
            _ => *of,
        },
        (F::Min | F::Max, of) => extreme(of, function == F::Max),
        (F::CastInteger | F::CastReal | F::Abs | F::Round, [of]) => numbers::converted(function, *of)?,
        (F::TypeOf, [of]) => Value::Text(match of {
            Value::Null => b"null",
            Value::Integer(_) => b"integer",
            Value::Real(_) => b"real",
            Value::Text(_) => b"text",
            Value::Blob(_) => b"blob",
        }),
        (F::TryReal, [of]) => match of {
            Value::Integer(integer) => Value::Real(*integer as f64),
            Value::Real(real) => Value::Real(*real),
            Value::Text(text) => try_real(text).map_or(Value::Null, Value::Real),
            Value::Null | Value::Blob(_) => Value::Null,
        },
        (F::Hash64, of) => Value::Integer(hash64(of.iter().copied())),
        (F::Hex, [of]) => texts::hex(*of, arena)?,
        (F::Printf, of) => format_strings::print(of, arena)?,
        (F::Date | F::Time | F::DateTime | F::StrfTime, of) => format_strings::date(function, of, arena)?,
        (function, of) => return of_texts(function, of, arena),
    })
}

/// As [`value`], for what SQLite takes the text of.
fn of_texts<'a>(function: Function, of: &[Value<'a>], arena: &'a Arena) -> Result<Value<'a>> {
    use Function as F;
    if let Some(test) = compare::test(function) {
        return match (test, of) {
            (compare::Test::Order(matches, affinity), [left, right]) => {
                Ok(flag(order_of(*left, *right, affinity)?.map(matches)))
            }
            _ => Err(DeferToSqlite),
        };
    }
    // Where there is nothing to replace, it does not matter by what; a NUL is the end of that to SQLite.
    if matches!((function, of), (F::Replace, [_, Value::Text(b"" | [0, ..]), _])) {
        return Err(DeferToSqlite);
    }
    if of.iter().any(|of| matches!(of, Value::Null)) {
        return Ok(Value::Null);
    }
    let text = |at: usize| texts::text(of[at], arena);
    Ok(match (function, of) {
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

/// Whether a value is among others.
fn is_in<'a>(of: Value<'a>, others: &[Value<'a>], affinity: ComparisonAffinity) -> Result<Value<'a>> {
    let mut found = Some(false);
    for other in others {
        match equal(of, *other, affinity)? {
            Some(true) => found = Some(true),
            None if found == Some(false) => found = None,
            _ => {}
        }
    }
    Ok(flag(found))
}

/// The least or the greatest, or NULL if any is.
fn extreme<'a>(of: &[Value<'a>], is_greatest: bool) -> Value<'a> {
    if of.iter().any(|of| matches!(of, Value::Null)) {
        return Value::Null;
    }
    let mut best = of[0];
    for of in &of[1..] {
        // Of equal ones the last is the least, and the first the greatest.
        let is_better = match compare::order(best, *of) {
            Ordering::Less => is_greatest,
            Ordering::Equal | Ordering::Greater => !is_greatest,
        };
        if is_better {
            best = *of;
        }
    }
    best
}
