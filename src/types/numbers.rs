//! Which texts are numbers: those whose value the number preserves, and no others.
//!
//! | text | is | because |
//! |---|---|---|
//! | `0`, `42`, `-7` | INTEGER | a canonical decimal within 64 bits |
//! | `1.5`, `-0.250`, `12` in a column with those | REAL | a plain decimal of at most 15 significant digits, which a 64-bit float represents |
//! | `007`, `+1`, ` 1`, `1_000`, `1e5`, `0x1F`, `.5`, `5.` | TEXT | the number does not give the text back |
//! | `-0`, `-0.0` | TEXT | SQLite does not store the sign of zero |
//! | `9223372036854775808`, `0.1234567890123456` | TEXT | the number would lose digits |

use std::fmt;

/// The number of significant decimal digits that every 64-bit float preserves (`DBL_DIG` in C).
pub(crate) const MAX_REAL_DIGITS: usize = 15;

/// With more fraction digits, a number can be too small for a 64-bit float.
const MAX_FRACTION_DIGITS: usize = 300;

/// Parses a canonical decimal integer within 64 bits; `None` for any other text.
#[inline]
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if !is_canonical_whole(digits) || text == b"-0" {
        return None;
    }
    // Up to 18 digits always fit.
    if digits.len() <= 18 {
        let magnitude = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        return Some(if digits.len() == text.len() { magnitude } else { -magnitude });
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The powers of ten that a 64-bit float represents exactly.
pub(crate) const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Parses a plain decimal that a 64-bit float preserves (see the module documentation); `None` for any other text.
#[inline]
pub(crate) fn real(text: &[u8]) -> Option<f64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.len() > MAX_REAL_DIGITS {
        return long_real(text);
    }
    let (mut mantissa, mut point) = (0_u64, digits.len());
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point == digits.len() => point = index,
            _ => return None,
        }
    }
    let has_fraction = point < digits.len();
    let is_plain =
        point > 0 && (point == 1 || digits[0] != b'0') && (!has_fraction || point + 1 < digits.len());
    let is_negative = digits.len() < text.len();
    if !is_plain || (mantissa == 0 && is_negative) {
        return None;
    }
    let magnitude = quotient(mantissa, digits.len() - point - usize::from(has_fraction));
    Some(if is_negative { -magnitude } else { magnitude })
}

/// The number with at most 15 `digits`, of which `fraction_digits` (at most 22) follow the decimal point. Both operands of
/// the division are exact, so the quotient is correctly rounded.
///
/// # Panics
/// If `fraction_digits` is more than 22.
#[inline(always)]
pub(crate) fn quotient(digits: u64, fraction_digits: usize) -> f64 {
    digits as f64 / POWERS_OF_TEN[fraction_digits]
}

/// Like [`real`], for texts of any length.
fn long_real(text: &[u8]) -> Option<f64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &digits[..0]),
    };
    let is_plain = is_canonical_whole(whole)
        && fraction.iter().all(u8::is_ascii_digit)
        && (digits.len() == whole.len() || !fraction.is_empty());
    if !is_plain || fraction.len() > MAX_FRACTION_DIGITS {
        return None;
    }
    let zeros = fraction.iter().rev().take_while(|digit| **digit == b'0').count();
    let fraction = &fraction[..fraction.len() - zeros];
    let digits_of_value = || whole.iter().chain(fraction);
    let significant = digits_of_value().skip_while(|digit| **digit == b'0').count();
    if significant > MAX_REAL_DIGITS {
        return None;
    }
    let mantissa = digits_of_value().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    if mantissa == 0 && digits.len() < text.len() {
        return None;
    }
    let magnitude = match POWERS_OF_TEN.get(fraction.len()) {
        Some(power) => mantissa as f64 / power,
        None => std::str::from_utf8(digits).ok()?.parse().ok()?,
    };
    Some(if digits.len() < text.len() { -magnitude } else { magnitude })
}

/// True for one or more digits without a leading zero.
#[inline]
fn is_canonical_whole(digits: &[u8]) -> bool {
    match digits {
        [] => false,
        [b'0', rest @ ..] => rest.is_empty(),
        _ => digits.iter().all(u8::is_ascii_digit),
    }
}

/// True if a text is a number or looks like one (see [`NotANumber`]).
pub(crate) fn is_like_number(text: &[u8]) -> bool {
    integer(text).is_some() || real(text).is_some() || NotANumber::reason(text).is_some()
}

/// True for the bytes that SQLite skips around a number (`sqlite3Isspace`).
#[inline]
pub(crate) fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// True if SQLite stores a text as a number in a column of numeric affinity. SQLite stops at a NUL, and counts vertical tab as
/// white space.
pub(crate) fn is_number_to_sqlite(text: &[u8]) -> bool {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let start = text.iter().take_while(|byte| is_space(byte)).count();
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    let text = &text[start..end];
    integer(text).is_some()
        || real(text).is_some()
        || NotANumber::reason(text).is_some_and(|reason| reason != NotANumber::Underscore)
}

/// True if an INTEGER has no more digits than every 64-bit float preserves.
#[inline]
pub(crate) fn is_exact_real(integer: i64) -> bool {
    integer.unsigned_abs() < 10_u64.pow(MAX_REAL_DIGITS as u32)
}

/// Why a text that looks like a number is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotANumber {
    LeadingZero,
    PlusSign,
    WhiteSpace,
    Underscore,
    Exponent,
    NegativeZero,
    /// No digits on one side of the decimal point.
    BarePoint,
    TooManyDigits,
}

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeadingZero => "a leading zero",
            Self::PlusSign => "a plus sign",
            Self::WhiteSpace => "white space around a number",
            Self::Underscore => "an underscore",
            Self::Exponent => "an exponent",
            Self::NegativeZero => "a negative zero",
            Self::BarePoint => "a decimal point without digits on both sides",
            Self::TooManyDigits => "more digits than a number can hold",
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
        } else if !exponent.is_empty() {
            Self::Exponent
        } else if mantissa.starts_with(b".") || mantissa.ends_with(b".") {
            Self::BarePoint
        } else if mantissa.starts_with(b"0") && mantissa.get(1).is_some_and(u8::is_ascii_digit) {
            Self::LeadingZero
        } else if mantissa.iter().all(|byte| matches!(byte, b'0' | b'.')) {
            Self::NegativeZero
        } else {
            Self::TooManyDigits
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_canonical() {
        let cases = [
            ("0", Some(0)),
            ("7", Some(7)),
            ("-7", Some(-7)),
            ("999999999999999999", Some(999_999_999_999_999_999)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text.as_bytes()), expected, "{text}");
        }
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "-01",
            "+1",
            " 1",
            "1 ",
            "1_0",
            "1.0",
            "1e1",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "\u{663}",
            "1\0",
        ] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn reals_are_plain_decimals_that_floats_preserve() {
        let cases = [
            ("0", 0.0),
            ("0.0", 0.0),
            ("1.5", 1.5),
            ("-1.50", -1.5),
            ("0.1", 0.1),
            ("123456789012345", 123_456_789_012_345.0),
            ("1.23456789012345", 1.234_567_890_123_45),
            ("0.00000000000000000000000000123", 1.23e-27),
            ("12345.6700000000000000000000", 12345.67),
        ];
        for (text, expected) in cases {
            assert_eq!(real(text.as_bytes()), Some(expected), "{text}");
            assert_eq!(long_real(text.as_bytes()), Some(expected), "{text}");
        }
        let tiny = format!("0.{}1", "0".repeat(400));
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "-.5",
            "01.5",
            "00.5",
            "+1.5",
            " 1.5",
            "1.5 ",
            "1e5",
            "inf",
            "nan",
            "0x1p3",
            "1.2.3",
            "-0",
            "-0.0",
            "-0.000",
            "1234567890123456",
            "1.234567890123456",
            "1,5",
            tiny.as_str(),
        ] {
            assert_eq!(real(text.as_bytes()), None, "{text}");
            assert_eq!(long_real(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn rejected_number_like_texts_have_a_reason() {
        let cases = [
            ("007", NotANumber::LeadingZero),
            ("-01.5", NotANumber::LeadingZero),
            ("+1", NotANumber::PlusSign),
            (" 1", NotANumber::WhiteSpace),
            ("1\t", NotANumber::WhiteSpace),
            ("1_000", NotANumber::Underscore),
            ("1e400", NotANumber::Exponent),
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
        fn integers_print_as_the_text_they_were_parsed_from(text in "-?[0-9]{1,20}") {
            let expected = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
            prop_assert_eq!(integer(text.as_bytes()), expected);
        }

        #[test]
        fn reals_are_correctly_rounded_and_print_with_the_same_digits(text in "-?(0|[1-9][0-9]{0,16})(\\.[0-9]{1,30})?") {
            let digits = text.trim_start_matches('-');
            let fraction = digits.split_once('.').map_or("", |(_, fraction)| fraction.trim_end_matches('0'));
            let whole = digits.split('.').next().unwrap_or_default();
            let significant = format!("{whole}{fraction}").trim_start_matches('0').len();
            let number: f64 = text.parse().unwrap();
            let expected = (significant <= 15 && !(number == 0.0 && text.starts_with('-'))).then_some(number);
            prop_assert_eq!(real(text.as_bytes()), expected);
            if let (Some(number), true) = (expected, whole.len() < 16) {
                let written = format!("{number:.precision$}", precision = fraction.len());
                prop_assert_eq!(written, format!("{}{whole}{}{fraction}", if text.starts_with('-') { "-" } else { "" }, if fraction.is_empty() { "" } else { "." }));
            }
        }

        #[test]
        fn short_and_long_reals_parse_alike(text in "-?[0-9.]{0,16}") {
            prop_assert_eq!(real(text.as_bytes()), long_real(text.as_bytes()));
        }

        #[test]
        fn texts_that_rust_parses_are_numbers_or_have_a_reason(text in "[-+ ]?[0-9._eE]{0,12}") {
            let is_number = integer(text.as_bytes()).is_some() || real(text.as_bytes()).is_some();
            if !is_number && text.trim().parse::<f64>().is_ok() {
                prop_assert!(NotANumber::reason(text.as_bytes()).is_some());
            }
        }
    }
}
