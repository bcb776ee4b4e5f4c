//! Why texts are not numbers, or not of a numeric type.

use super::numbers::{any_number, integer, is_number_to_sqlite, real};
use crate::plan::Type;
use std::fmt;

/// True if a text is a number or looks like one (see [`NotANumber`]).
pub(crate) fn is_like_number(text: &[u8]) -> bool {
    integer(text).is_some() || real(text).is_some() || NotANumber::reason(text).is_some()
}

/// Why a text is not of a numeric type, as a predicate.
pub(crate) fn type_problem(text: &[u8], to: Type) -> String {
    let reason = NotANumber::reason(text);
    match to {
        Type::Integer => match reason {
            Some(reason) if real(text).is_none() => format!("would change as an INTEGER ({reason})"),
            _ => "is not an INTEGER".to_owned(),
        },
        Type::NumericAffinity | Type::ExactNumeric if is_number_to_sqlite(text) => {
            let reason = match (real(text), reason) {
                (Some(real), _) if real.spelling.has_exponent => "an exponent".to_owned(),
                (Some(_), _) => "a trailing zero".to_owned(),
                (None, Some(reason)) => reason.to_string(),
                (None, None) if text.contains(&0) => "a NUL byte".to_owned(),
                (None, None) => NotANumber::WhiteSpace.to_string(),
            };
            format!("would change in a column that stores numbers ({reason})")
        }
        Type::Text => "is not UTF-8".to_owned(),
        _ => match any_number(text) {
            Some(_) => "is too large for a REAL".to_owned(),
            None => "is not a number".to_owned(),
        },
    }
}

/// Why a text that looks like a number is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotANumber {
    LeadingZero,
    PlusSign,
    WhiteSpace,
    Underscore,
    /// A whole number with an exponent without a sign, such as `1e5`.
    PlainExponent,
    NegativeZero,
    /// No digits on one side of the decimal point.
    BarePoint,
    TooManyDigits,
    TooLarge,
    TooSmall,
}

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeadingZero => "a leading zero",
            Self::PlusSign => "a plus sign",
            Self::WhiteSpace => "white space around a number",
            Self::Underscore => "an underscore",
            Self::PlainExponent => "an exponent without a sign",
            Self::NegativeZero => "a negative zero",
            Self::BarePoint => "a decimal point without digits on both sides",
            Self::TooManyDigits => "more digits than a number can hold",
            Self::TooLarge => "a number too large for a REAL",
            Self::TooSmall => "a number too close to zero for a REAL",
        })
    }
}

impl NotANumber {
    /// Why `text` is not a number although it looks like one; `None` if it does not look like one.
    ///
    /// The reason is meaningless for a text that is a number.
    pub(crate) fn reason(text: &[u8]) -> Option<Self> {
        let trimmed = text.trim_ascii();
        let unsigned = trimmed.strip_prefix(b"-").or_else(|| trimmed.strip_prefix(b"+")).unwrap_or(trimmed);
        let mantissa_end = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = unsigned.split_at(mantissa_end.unwrap_or(unsigned.len()));
        let exponent_digits = match exponent {
            [] => &b"0"[..],
            [_, b'+' | b'-', digits @ ..] | [_, digits @ ..] => digits,
        };
        let points = mantissa.iter().filter(|byte| **byte == b'.').count();
        let is_digits = |bytes: &[u8], others: &[u8]| {
            bytes.iter().any(u8::is_ascii_digit)
                && bytes.iter().all(|byte| byte.is_ascii_digit() || others.contains(byte))
        };
        if points > 1 || !is_digits(mantissa, b"._") || !is_digits(exponent_digits, b"") {
            return None;
        }
        Some(if trimmed.len() < text.len() {
            Self::WhiteSpace
        } else if trimmed.starts_with(b"+") {
            Self::PlusSign
        } else if mantissa.contains(&b'_') {
            Self::Underscore
        } else if mantissa.starts_with(b".") || mantissa.ends_with(b".") {
            Self::BarePoint
        } else if mantissa.starts_with(b"0") && mantissa.get(1).is_some_and(u8::is_ascii_digit) {
            Self::LeadingZero
        } else if mantissa.iter().all(|byte| matches!(byte, b'0' | b'.')) && trimmed.len() > unsigned.len() {
            Self::NegativeZero
        } else if matches!(exponent, [_, b'0'..=b'9', ..]) && !mantissa.contains(&b'.') {
            Self::PlainExponent
        } else {
            match any_number(text) {
                Some(value) if value.is_infinite() => Self::TooLarge,
                Some(0.0) => Self::TooSmall,
                _ => Self::TooManyDigits,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rejected_number_like_texts_have_a_reason() {
        let cases = [
            ("007", NotANumber::LeadingZero),
            ("-01.5", NotANumber::LeadingZero),
            ("+1", NotANumber::PlusSign),
            (" 1", NotANumber::WhiteSpace),
            ("1\t", NotANumber::WhiteSpace),
            ("1_000", NotANumber::Underscore),
            ("1e5", NotANumber::PlainExponent),
            ("1e400", NotANumber::PlainExponent),
            ("1e+400", NotANumber::TooLarge),
            ("1.0e-400", NotANumber::TooSmall),
            ("-0e-5", NotANumber::NegativeZero),
            ("01e-5", NotANumber::LeadingZero),
            ("0.12345678901234567", NotANumber::TooManyDigits),
            ("-0.0", NotANumber::NegativeZero),
            (".5", NotANumber::BarePoint),
            ("5.", NotANumber::BarePoint),
            ("9223372036854775808", NotANumber::TooManyDigits),
        ];
        for (text, expected) in cases {
            assert_eq!(NotANumber::reason(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "-", "abc", "1.2.3", "e5", "1e", "12/5", "2024-01-01", "inf"] {
            assert_eq!(NotANumber::reason(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn texts_that_rust_parses_are_numbers_or_have_a_reason(text in "[-+ ]?[0-9._eE]{0,12}") {
            let is_number = integer(text.as_bytes()).is_some() || real(text.as_bytes()).is_some();
            if !is_number && text.trim().parse::<f64>().is_ok() {
                prop_assert!(NotANumber::reason(text.as_bytes()).is_some());
            }
        }
    }
}
