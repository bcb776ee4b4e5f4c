//! Decimals: exact texts, or numbers where the column takes them.

use crate::batch::{Arena, Value};
use crate::plan::Type;

/// The value of a decimal for a column of type `to`: `mantissa`, which is an optional sign and digits, divided by ten to the
/// power of `scale`.
pub(super) fn value<'a>(mantissa: &str, scale: i8, to: Type, arena: &'a Arena) -> Value<'a> {
    let text = text(mantissa, scale);
    let whole = match text.split_once('.') {
        None => Some(text.as_str()),
        Some((whole, fraction)) => fraction.bytes().all(|digit| digit == b'0').then_some(whole),
    };
    let integer = || whole.and_then(|whole| whole.parse().ok()).map(Value::Integer);
    let number = match to {
        Type::Integer => integer(),
        Type::NumericAffinity | Type::ExactNumeric if scale <= 0 => integer(),
        Type::Real => text.parse().ok().filter(|real: &f64| real.is_finite()).map(Value::Real),
        _ => None,
    };
    number.unwrap_or_else(|| Value::Text(arena.copy(text.as_bytes())))
}

/// All digits of a decimal, `scale` of them behind the point.
fn text(mantissa: &str, scale: i8) -> String {
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    match usize::try_from(scale) {
        Ok(0) => mantissa.to_owned(),
        Ok(scale) => {
            let digits = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) if digits == "0" => mantissa.to_owned(),
        Err(_) => format!("{mantissa}{}", "0".repeat(scale.unsigned_abs().into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_all_digits() {
        let cases = [
            ("12345", 2, "123.45"),
            ("-5", 2, "-0.05"),
            ("0", 3, "0.000"),
            ("7", 0, "7"),
            ("7", -3, "7000"),
            ("0", -3, "0"),
            ("-123", 3, "-0.123"),
        ];
        for (mantissa, scale, expected) in cases {
            assert_eq!(text(mantissa, scale), expected);
        }
    }

    #[test]
    fn numbers_are_exact_or_rounded_once() {
        let arena = Arena::default();
        assert_eq!(value("1200", 2, Type::Integer, &arena), Value::Integer(12));
        assert_eq!(value("1250", 2, Type::Integer, &arena), Value::Text(b"12.50"));
        assert_eq!(value("1250", 2, Type::Real, &arena), Value::Real(12.5));
        assert_eq!(value("1250", 2, Type::NumericAffinity, &arena), Value::Text(b"12.50"));
        assert_eq!(
            value("9223372036854775808", 0, Type::Integer, &arena),
            Value::Text(b"9223372036854775808")
        );
    }
}
