//! Arithmetic, and the conversion of texts to numbers.
//!
//! A text is converted here only if every correct algorithm gives the same result: integers of up to 18 digits, and decimals
//! of up to 15 digits whose power of ten a 64-bit float represents exactly. Other numbers are deferred to SQLite.

use super::{DeferToSqlite, OrDefer};
use crate::batch::Value;
use crate::plan::Function;
use crate::types::numbers::{MAX_REAL_DIGITS, POWERS_OF_TEN, is_space};

/// INTEGER or REAL.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    Real(f64),
}

impl Number {
    fn to_real(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Real(real) => real,
        }
    }

    /// Truncates towards zero, and saturates.
    fn to_integer(self) -> i64 {
        match self {
            Self::Integer(integer) => integer,
            Self::Real(real) => real as i64,
        }
    }
}

/// Numbers of this many digits fit in 64 bits.
const MAX_INTEGER_DIGITS: usize = 18;

/// The powers of ten by which digits may be scaled. Up to 22 they are exact. Down to -12, no quotient is so close to the middle
/// between two floats that its rounding depends on the algorithm.
const EXPONENTS: std::ops::RangeInclusive<i32> = -12..=22;

/// The number at the start of a text.
struct ParsedNumber {
    /// 0 if the text does not start with a number.
    number: Number,
    has_number: bool,
    /// True if only white space follows the number.
    is_whole_text: bool,
}

/// Parses the longest number at the start of a text, after white space (`sqlite3AtoF`).
fn parse(text: &[u8]) -> OrDefer<ParsedNumber> {
    let count_digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let spaces = text.iter().take_while(|byte| is_space(byte)).count();
    let mut rest = &text[spaces..];
    let is_negative = rest.first() == Some(&b'-');
    if matches!(rest.first(), Some(b'-' | b'+')) {
        rest = &rest[1..];
    }
    let (whole, mut rest) = rest.split_at(count_digits(rest));
    let mut fraction = &rest[..0];
    let mut is_real = false;
    if rest.first() == Some(&b'.') && (!whole.is_empty() || count_digits(&rest[1..]) > 0) {
        (fraction, rest) = rest[1..].split_at(count_digits(&rest[1..]));
        is_real = true;
    }
    if whole.is_empty() && fraction.is_empty() {
        return Ok(ParsedNumber { number: Number::Integer(0), has_number: false, is_whole_text: false });
    }
    let mut exponent = 0;
    if let [b'e' | b'E', after @ ..] = rest {
        let sign = usize::from(matches!(after.first(), Some(b'-' | b'+')));
        let digits = count_digits(&after[sign..]);
        if digits > 0 {
            let text = std::str::from_utf8(&after[..sign + digits]).map_err(|_| DeferToSqlite)?;
            exponent = text.parse().map_err(|_| DeferToSqlite)?;
            rest = &after[sign + digits..];
            is_real = true;
        }
    }
    let digits = || whole.iter().chain(fraction).skip_while(|digit| **digit == b'0');
    let max_digits = if is_real { MAX_REAL_DIGITS } else { MAX_INTEGER_DIGITS };
    if digits().count() > max_digits {
        return Err(DeferToSqlite);
    }
    let magnitude = digits().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    // The result could be a negative zero.
    if magnitude == 0 && is_negative {
        return Err(DeferToSqlite);
    }
    let signed = if is_negative { -magnitude } else { magnitude };
    let number = match is_real {
        false => Number::Integer(signed),
        true => Number::Real(scale(signed, exponent, fraction.len())?),
    };
    Ok(ParsedNumber { number, has_number: true, is_whole_text: rest.iter().all(is_space) })
}

/// The number `digits` * 10^`exponent` if its last `fraction_digits` digits follow the decimal point.
fn scale(digits: i64, exponent: i32, fraction_digits: usize) -> OrDefer<f64> {
    let fraction_digits = i32::try_from(fraction_digits).map_err(|_| DeferToSqlite)?;
    let exponent = exponent.checked_sub(fraction_digits).ok_or(DeferToSqlite)?;
    match digits {
        0 => Ok(0.0),
        _ if !EXPONENTS.contains(&exponent) => Err(DeferToSqlite),
        _ if exponent < 0 => Ok(digits as f64 / POWERS_OF_TEN[-exponent as usize]),
        _ => Ok(digits as f64 * POWERS_OF_TEN[exponent as usize]),
    }
}

/// The number at the start of a text, or 0: the value of the text in arithmetic.
pub(super) fn parse_prefix(text: &[u8]) -> OrDefer<Number> {
    Ok(parse(text)?.number)
}

/// The number that a text consists of, apart from white space around it; `None` if the text is not a number.
pub(super) fn parse_whole(text: &[u8]) -> OrDefer<Option<Number>> {
    let ParsedNumber { number, has_number, is_whole_text } = parse(text)?;
    Ok((has_number && is_whole_text).then_some(number))
}

/// The operators `+`, `-`, `*`, `/` and `%`.
pub(super) fn arithmetic<'a>(function: Function, left: Value<'a>, right: Value<'a>) -> OrDefer<Value<'a>> {
    let number = |value| match value {
        Value::Null => Ok(None),
        Value::Integer(integer) => Ok(Some(Number::Integer(integer))),
        Value::Real(real) => Ok(Some(Number::Real(real))),
        Value::Text(text) => parse_prefix(text).map(Some),
        Value::Blob(_) => Err(DeferToSqlite),
    };
    let operands = [left, right];
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
    let (left_real, right_real) = (to_real(operands[0], left)?, to_real(operands[1], right)?);
    let result = match function {
        Function::Add => left_real + right_real,
        Function::Subtract => left_real - right_real,
        Function::Multiply => left_real * right_real,
        Function::Divide if right_real == 0.0 => return Ok(Value::Null),
        Function::Divide => left_real / right_real,
        // SQLite may or may not take into account what follows the leading digits of a text.
        _ if operands.iter().any(|operand| matches!(operand, Value::Text(_))) => return Err(DeferToSqlite),
        _ if right.to_integer() == 0 => return Ok(Value::Null),
        _ => left.to_integer().wrapping_rem(right.to_integer()) as f64,
    };
    Ok(if result.is_nan() { Value::Null } else { Value::Real(result) })
}

/// Converts `number`, parsed from `value`, to a REAL. Defers for a text that is an integer of more than 53 bits, which SQLite may
/// parse as a REAL directly.
fn to_real(value: Value<'_>, number: Number) -> OrDefer<f64> {
    match (value, number) {
        (Value::Text(_), Number::Integer(integer)) if integer.unsigned_abs() >= 1 << f64::MANTISSA_DIGITS => {
            Err(DeferToSqlite)
        }
        _ => Ok(number.to_real()),
    }
}

/// Casts to numbers, `abs(X)` and `round(X)`.
pub(super) fn convert<'a>(function: Function, value: Value<'a>) -> OrDefer<Value<'a>> {
    let number = match value {
        Value::Null => return Ok(Value::Null),
        Value::Integer(integer) => Number::Integer(integer),
        Value::Real(real) => Number::Real(real),
        // A cast to INTEGER stops at a decimal point or an exponent.
        Value::Text(text) => match parse_prefix(text)? {
            Number::Real(_) if function == Function::CastInteger => return Err(DeferToSqlite),
            number => number,
        },
        Value::Blob(_) => return Err(DeferToSqlite),
    };
    Ok(match (function, number) {
        (Function::CastInteger, number) => Value::Integer(number.to_integer()),
        (Function::CastReal, number) => Value::Real(to_real(value, number)?),
        // SQLite reports an overflow for the least integer.
        (Function::Abs, Number::Integer(integer)) if matches!(value, Value::Integer(_)) => {
            Value::Integer(integer.checked_abs().ok_or(DeferToSqlite)?)
        }
        (Function::Abs, number) => match to_real(value, number)? {
            real if real < 0.0 => Value::Real(-real),
            real => Value::Real(real),
        },
        (_, number) => Value::Real(round(to_real(value, number)?)),
    })
}

/// Rounds to an integer, halves away from zero (`roundFunc`).
fn round(real: f64) -> f64 {
    /// Larger numbers have no fraction.
    const MAX_WITH_FRACTION: f64 = (1_i64 << 52) as f64;
    if !(-MAX_WITH_FRACTION..=MAX_WITH_FRACTION).contains(&real) {
        return real;
    }
    let half = if real < 0.0 { -0.5 } else { 0.5 };
    ((real + half) as i64) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_start_with_numbers() {
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
            assert_eq!(parse_prefix(text.as_bytes()).ok(), Some(expected), "{text:?}");
        }
        for text in
            ["9999999999999999999", "1e23", "1e-13", "-0", "-0.0", "0.1234567890123456", "1e99999999999"]
        {
            assert!(parse_prefix(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
