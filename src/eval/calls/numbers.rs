//! Numbers, and the texts that SQLite takes for numbers.
//!
//! A text is read here only if its digits are few enough that there is but one way to read them: integers of up to 18
//! digits, and decimals of up to 15 whose exponent a 64-bit float holds without rounding. All else is left to SQLite.

use super::{DeferToSqlite, Result};
use crate::batch::Value;
use crate::plan::Function;
use crate::types::numbers::{POWERS_OF_TEN, is_space};

/// INTEGER or REAL.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    Real(f64),
}

impl Number {
    fn real(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Real(real) => real,
        }
    }

    /// Towards zero, and as near as 64 bits come.
    fn integer(self) -> i64 {
        match self {
            Self::Integer(integer) => integer,
            Self::Real(real) => real as i64,
        }
    }
}

/// Digits of which every number fits in 64 bits.
const MOST_DIGITS: usize = 18;

/// Digits that a 64-bit float holds (`DBL_DIG` of C).
const MOST_REAL_DIGITS: usize = 15;

/// Powers of ten that a 64-bit float holds as they are; below, by which quotients are not so near to the middle between
/// two floats that it matters how they are rounded.
const EXPONENTS: std::ops::RangeInclusive<i32> = -12..=22;

/// A number at the start of a text.
struct Parsed {
    /// 0 if there is none.
    number: Number,
    /// Whether there is one.
    is_there: bool,
    /// Whether nothing but blanks follows.
    is_all: bool,
}

/// Reads the longest number that a text begins with, behind blanks (`sqlite3AtoF`).
fn parse(text: &[u8]) -> Result<Parsed> {
    let count = |of: &[u8]| of.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let blanks = text.iter().take_while(|byte| is_space(byte)).count();
    let mut rest = &text[blanks..];
    let is_negative = rest.first() == Some(&b'-');
    if matches!(rest.first(), Some(b'-' | b'+')) {
        rest = &rest[1..];
    }
    let (whole, mut rest) = rest.split_at(count(rest));
    let mut fraction = &rest[..0];
    let mut is_real = false;
    if rest.first() == Some(&b'.') && (!whole.is_empty() || count(&rest[1..]) > 0) {
        (fraction, rest) = rest[1..].split_at(count(&rest[1..]));
        is_real = true;
    }
    if whole.is_empty() && fraction.is_empty() {
        return Ok(Parsed { number: Number::Integer(0), is_there: false, is_all: false });
    }
    let mut exponent = 0;
    if let [b'e' | b'E', behind @ ..] = rest {
        let sign = usize::from(matches!(behind.first(), Some(b'-' | b'+')));
        let digits = count(&behind[sign..]);
        if digits > 0 {
            let text = std::str::from_utf8(&behind[..sign + digits]).map_err(|_| DeferToSqlite)?;
            exponent = text.parse().map_err(|_| DeferToSqlite)?;
            rest = &behind[sign + digits..];
            is_real = true;
        }
    }
    let digits = || whole.iter().chain(fraction).skip_while(|digit| **digit == b'0');
    let most = if is_real { MOST_REAL_DIGITS } else { MOST_DIGITS };
    if digits().count() > most {
        return Err(DeferToSqlite);
    }
    let magnitude = digits().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    // It may become a zero with a sign.
    if magnitude == 0 && is_negative {
        return Err(DeferToSqlite);
    }
    let signed = if is_negative { -magnitude } else { magnitude };
    let number = match is_real {
        false => Number::Integer(signed),
        true => Number::Real(scaled(signed, exponent, fraction.len())?),
    };
    Ok(Parsed { number, is_there: true, is_all: rest.iter().all(is_space) })
}

/// A decimal with so many digits behind the point.
fn scaled(digits: i64, exponent: i32, fraction_digits: usize) -> Result<f64> {
    let fraction_digits = i32::try_from(fraction_digits).map_err(|_| DeferToSqlite)?;
    let exponent = exponent.checked_sub(fraction_digits).ok_or(DeferToSqlite)?;
    match digits {
        0 => Ok(0.0),
        _ if !EXPONENTS.contains(&exponent) => Err(DeferToSqlite),
        _ if exponent < 0 => Ok(digits as f64 / POWERS_OF_TEN[-exponent as usize]),
        _ => Ok(digits as f64 * POWERS_OF_TEN[exponent as usize]),
    }
}

/// What arithmetic makes of a text: the number that it begins with, or 0.
pub(super) fn prefix(text: &[u8]) -> Result<Number> {
    Ok(parse(text)?.number)
}

/// The number that a text is, if it is nothing else.
pub(super) fn whole(text: &[u8]) -> Result<Option<Number>> {
    let Parsed { number, is_there, is_all } = parse(text)?;
    Ok((is_there && is_all).then_some(number))
}

/// `+`, `-`, `*`, `/`, `%`.
pub(super) fn arithmetic<'a>(function: Function, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>> {
    let number = |value| match value {
        Value::Null => Ok(None),
        Value::Integer(integer) => Ok(Some(Number::Integer(integer))),
        Value::Real(real) => Ok(Some(Number::Real(real))),
        Value::Text(text) => prefix(text).map(Some),
        Value::Blob(_) => Err(DeferToSqlite),
    };
    let of = [left, right];
    let (Some(left), Some(right)) = (number(left)?, number(right)?) else { return Ok(Value::Null) };
    if let (Number::Integer(left), Number::Integer(right)) = (left, right) {
        let result = match function {
            Function::Add => left.checked_add(right),
            Function::Subtract => left.checked_sub(right),
            Function::Multiply => left.checked_mul(right),
            _ if right == 0 => return Ok(Value::Null),
            Function::Divide => left.checked_div(right),
            _ => Some(left.wrapping_rem(right)),
        };
        if let Some(result) = result {
            return Ok(Value::Integer(result));
        }
    }
    let (left_real, right_real) = (real(of[0], left)?, real(of[1], right)?);
    let result = match function {
        Function::Add => left_real + right_real,
        Function::Subtract => left_real - right_real,
        Function::Multiply => left_real * right_real,
        Function::Divide if right_real == 0.0 => return Ok(Value::Null),
        Function::Divide => left_real / right_real,
        // What follows the first digits of a text counts for SQLite, or does not.
        _ if of.iter().any(|of| matches!(of, Value::Text(_))) => return Err(DeferToSqlite),
        _ if right.integer() == 0 => return Ok(Value::Null),
        _ => left.integer().wrapping_rem(right.integer()) as f64,
    };
    Ok(if result.is_nan() { Value::Null } else { Value::Real(result) })
}

/// The REAL that a value is which is this number. A long text is read otherwise for a REAL than for an INTEGER.
fn real(value: Value<'_>, number: Number) -> Result<f64> {
    match (value, number) {
        (Value::Text(_), Number::Integer(integer)) if integer.unsigned_abs() >= 1 << f64::MANTISSA_DIGITS => {
            Err(DeferToSqlite)
        }
        _ => Ok(number.real()),
    }
}

/// Casts to numbers, `abs` and `round`.
pub(super) fn converted<'a>(function: Function, of: Value<'a>) -> Result<Value<'a>> {
    let number = match of {
        Value::Null => return Ok(Value::Null),
        Value::Integer(integer) => Number::Integer(integer),
        Value::Real(real) => Number::Real(real),
        // An integer ends before a point or an exponent, where SQLite has more to say.
        Value::Text(text) => match prefix(text)? {
            Number::Real(_) if function == Function::CastInteger => return Err(DeferToSqlite),
            number => number,
        },
        Value::Blob(_) => return Err(DeferToSqlite),
    };
    Ok(match (function, number) {
        (Function::CastInteger, number) => Value::Integer(number.integer()),
        (Function::CastReal, number) => Value::Real(real(of, number)?),
        // That of the least integer is an error.
        (Function::Abs, Number::Integer(integer)) if matches!(of, Value::Integer(_)) => {
            Value::Integer(integer.checked_abs().ok_or(DeferToSqlite)?)
        }
        (Function::Abs, number) => match real(of, number)? {
            real if real < 0.0 => Value::Real(-real),
            real => Value::Real(real),
        },
        (_, number) => Value::Real(rounded(real(of, number)?)),
    })
}

/// To a whole number, halves away from zero (`roundFunc`).
fn rounded(real: f64) -> f64 {
    const WHOLE: f64 = (1_i64 << 52) as f64;
    if !(-WHOLE..=WHOLE).contains(&real) {
        return real;
    }
    let half = if real < 0.0 { -0.5 } else { 0.5 };
    ((real + half) as i64) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_texts_are_numbers() {
        let cases = [
            ("12", Number::Integer(12)),
            (" \t-12abc", Number::Integer(-12)),
            ("+7", Number::Integer(7)),
            ("", Number::Integer(0)),
            ("abc", Number::Integer(0)),
            ("-", Number::Integer(0)),
            (".", Number::Integer(0)),
            ("1e", Number::Integer(1)),
            ("1.", Number::Real(1.0)),
            (".5x", Number::Real(0.5)),
            ("1.5e2", Number::Real(150.0)),
            ("1e5", Number::Real(100_000.0)),
            ("0x1F", Number::Integer(0)),
            ("999999999999999999", Number::Integer(999_999_999_999_999_999)),
        ];
        for (text, expected) in cases {
            assert_eq!(prefix(text.as_bytes()).ok(), Some(expected), "{text:?}");
        }
        for text in
            ["9999999999999999999", "1e23", "1e-13", "-0", "-0.0", "0.1234567890123456", "1e99999999999"]
        {
            assert!(prefix(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
