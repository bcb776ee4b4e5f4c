//! Numbers in other notations than SQL's, such as `1.234,50`.

use super::is_like_number;
use crate::plan::Notation;

/// Appends what SQL is to see in place of `text` to `to`: a number in `notation` as SQL writes it. Returns false, and appends
/// nothing, if SQL is to see the text itself.
///
/// That is so for other texts, except those that SQL would take for a number. If the others may be stored as text
/// (`keeps_text`), these get a space behind them, otherwise two points: neither is a number, and the first is not text to SQLite either.
pub(crate) fn push_sql_text(
    text: &[u8],
    (notation, keeps_text): (Notation, bool),
    to: &mut impl Extend<u8>,
) -> bool {
    if std::str::from_utf8(text).is_ok_and(|text| push_sql_number(text, notation, to)) {
        return true;
    }
    if !is_like_number(text) {
        return false;
    }
    to.extend(text.iter().copied());
    to.extend(if keeps_text { b" ".iter() } else { b"..".iter() }.copied());
    true
}

/// Appends the number that `text` is in `notation` to `to`, as SQL writes it: without thousands separators, and with a
/// decimal point. Returns false, and appends nothing, if `text` does not have the form of a number in this notation.
///
/// Separators are accepted only between groups of three digits of the whole part, and either between all of them or between
/// none.
pub(crate) fn push_sql_number(text: &str, notation: Notation, to: &mut impl Extend<u8>) -> bool {
    let is_sign = |char: char| matches!(char, '-' | '+');
    let unsigned = text.strip_prefix(is_sign).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_at(unsigned.find(['e', 'E']).unwrap_or(unsigned.len()));
    let (whole, fraction) = match mantissa.split_once(notation.decimal) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_digits = exponent.get(1..).map(|digits| digits.strip_prefix(is_sign).unwrap_or(digits));
    let is_number = is_grouped(whole, notation.thousands)
        && fraction.is_none_or(is_digits)
        && exponent_digits.is_none_or(|digits| !digits.is_empty() && is_digits(digits))
        && mantissa.bytes().any(|byte| byte.is_ascii_digit());
    if is_number {
        to.extend(text.bytes().take(text.len() - unsigned.len()));
        to.extend(whole.bytes().filter(u8::is_ascii_digit));
        to.extend(fraction.map(|_| b'.'));
        to.extend(fraction.unwrap_or_default().bytes());
        to.extend(exponent.bytes());
    }
    is_number
}

/// True for digits, alone or in groups of three that are separated by `separator`.
fn is_grouped(whole: &str, separator: Option<char>) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match separator.and_then(|separator| Some((separator, whole.split_once(separator)?))) {
        None => is_digits(whole),
        Some((separator, (first, others))) => {
            (1..=3).contains(&first.len())
                && is_digits(first)
                && others.split(separator).all(|group| group.len() == 3 && is_digits(group))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql_number(text: &str, decimal: char, thousands: Option<char>) -> Option<String> {
        let mut number = Vec::new();
        let is_number = push_sql_number(text, Notation { decimal, thousands }, &mut number);
        is_number.then(|| String::from_utf8(number).unwrap())
    }

    #[test]
    fn numbers_lose_their_separators_and_get_a_decimal_point() {
        let cases = [
            ("1,50", "1.50"),
            ("-1.234,5", "-1234.5"),
            ("1.234.567", "1234567"),
            ("1234567,8", "1234567.8"),
            ("1,5e-3", "1.5e-3"),
            ("007", "007"),
            (",5", ".5"),
        ];
        for (text, expected) in cases {
            assert_eq!(sql_number(text, ',', Some('.')).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(sql_number("1\u{202f}000,5", ',', Some('\u{202f}')).as_deref(), Some("1000.5"));
        assert_eq!(sql_number("1'000.5", '.', Some('\'')).as_deref(), Some("1000.5"));
    }

    #[test]
    fn other_texts_are_not_numbers() {
        for text in [
            "",
            "-",
            "1.5",
            "1.23,4",
            "12.34.567",
            "1234.567",
            "1,234.5",
            "1,2,3",
            "1e",
            "a",
            ",",
            ".123",
            "1.",
        ] {
            assert_eq!(sql_number(text, ',', Some('.')), None, "{text}");
        }
        assert_eq!(sql_number("1.5", ',', None), None);
    }
}
