//! Which texts are numbers: those whose value the number preserves, and no others.
//!
//! | text | is | because |
//! |---|---|---|
//! | `0`, `42`, `-7` | INTEGER | a canonical decimal within 64 bits |
//! | `1.5`, `-0.250`, `-73.97492218017578`, `1e-05`, `1.0E10`, `12` in a column with those | REAL | a decimal with the digits of the shortest form of its double |
//! | `007`, `+1`, ` 1`, `1_000`, `1e5`, `0x1F`, `.5`, `5.` | TEXT | the number does not give the text back |
//! | `-0`, `-0.0` | TEXT | SQLite does not store the sign of zero |
//! | `9223372036854775808`, `0.12345678901234567`, `1e400`, `1e-400` | TEXT | the number would lose digits |
//!
//! Whether a column of such texts is REAL also depends on how they are spelled: see [`RealFormat`](super::RealFormat).
//!
//! The *shortest form* of a double is the decimal with the fewest digits that reads back as the same double, and of these the
//! closest. A decimal of at most 15 significant digits always has the digits of the shortest form: two such decimals never
//! have the same nearest double (`DBL_DIG` of C is 15), so the shortest form, which has at most as many digits and the same
//! nearest double, is the same decimal. This holds for normal doubles; subnormal ones have less precision and are compared.

use super::spellings::Spellings;

/// The number of significant decimal digits that every normal 64-bit float preserves (`DBL_DIG` in C).
pub(crate) const MAX_REAL_DIGITS: usize = 15;

/// The number of significant digits that the shortest form of a 64-bit float has at most.
const MAX_SHORTEST_DIGITS: usize = 17;

/// Parses a canonical decimal integer within 64 bits; `None` for any other text.
#[inline]
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_negative = digits.len() < text.len();
    let has_leading_zero = digits.first() == Some(&b'0') && (digits.len() > 1 || is_negative);
    if digits.is_empty() || has_leading_zero {
        return None;
    }
    // Up to 18 digits always fit.
    if digits.len() > 18 {
        return std::str::from_utf8(text).ok().filter(|_| is_canonical_whole(digits))?.parse().ok();
    }
    let mut magnitude = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + i64::from(digit);
    }
    Some(if is_negative { -magnitude } else { magnitude })
}

/// The powers of ten that a 64-bit float represents exactly.
pub(crate) const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// A number that keeps the digits of its text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Real {
    pub(crate) value: f64,
    /// How the text spells it.
    pub(crate) spelling: Spellings,
}

/// Parses a decimal whose digits a 64-bit float preserves (see the module documentation); `None` for any other text.
#[inline]
pub(crate) fn real(text: &[u8]) -> Option<Real> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.len() > MAX_REAL_DIGITS {
        return long_real(text);
    }
    let (mut mantissa, mut point) = (0_u64, digits.len());
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point == digits.len() => point = index,
            b'e' | b'E' => return long_real(text),
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
    let decimals = digits.len() - point - usize::from(has_fraction);
    let magnitude = quotient(mantissa, decimals);
    let spelling = Spellings::of_decimal(decimals, digits.ends_with(b"0"), false);
    Some(Real { value: if is_negative { -magnitude } else { magnitude }, spelling })
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
fn long_real(text: &[u8]) -> Option<Real> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    if let Some(spelling) = printed_spelling(text, value) {
        return Some(Real { value, spelling });
    }
    let Decimal { whole, fraction, exponent } = Decimal::parse(text.strip_prefix(b"-").unwrap_or(text))?;
    // `1e5` may as well be a code.
    let has_plain_exponent = matches!(exponent, [_, b'0'..=b'9', ..]) && fraction.is_empty();
    if !is_canonical_whole(whole) || has_plain_exponent {
        return None;
    }
    let (digits, digit_count) = significant_digits(whole.iter().chain(fraction))?;
    let is_exact = match digit_count {
        0 => !text.starts_with(b"-"),
        1..=MAX_REAL_DIGITS if value.is_normal() => true,
        _ => value != 0.0 && shortest_digits(value) == Some(digits),
    };
    let ends_in_zero = fraction.ends_with(b"0");
    let spelling = Spellings::of_decimal(fraction.len(), ends_in_zero, !exponent.is_empty());
    is_exact.then_some(Real { value, spelling })
}

/// The spelling of a text that is the shortest form of its number as most programs print it, such as `-73.97492218017578`;
/// `None` for any other text.
fn printed_spelling(text: &[u8], value: f64) -> Option<Spellings> {
    let mut buffer = zmij::Buffer::new();
    let is_printed = value.is_finite() && value != 0.0 && buffer.format_finite(value).as_bytes() == text;
    let point = text.iter().rposition(|byte| *byte == b'.').filter(|_| is_printed)?;
    let fraction = &text[point + 1..];
    // A shortest form of more digits has an exponent.
    fraction
        .iter()
        .all(u8::is_ascii_digit)
        .then(|| Spellings::of_decimal(fraction.len(), fraction.ends_with(b"0"), false))
}

/// The digits of a decimal without leading and trailing zeros, as a number, and their count; `None` if there are more than a
/// shortest form has.
fn significant_digits<'d>(all: impl Iterator<Item = &'d u8>) -> Option<(u64, usize)> {
    let (mut digits, mut count, mut zeros) = (0, 0, 0);
    for digit in all.map(|digit| u64::from(digit - b'0')) {
        if digit == 0 {
            zeros += usize::from(count > 0);
            continue;
        }
        count += zeros + 1;
        if count > MAX_SHORTEST_DIGITS {
            return None;
        }
        digits = digits * 10_u64.pow(zeros as u32 + 1) + digit;
        zeros = 0;
    }
    Some((digits, count))
}

/// The digits of the shortest form of a number, as [`significant_digits`]; `None` for infinity.
fn shortest_digits(value: f64) -> Option<u64> {
    let mut buffer = zmij::Buffer::new();
    let shortest = value.is_finite().then(|| buffer.format_finite(value.abs()))?;
    let mantissa = shortest.as_bytes().iter().take_while(|byte| **byte != b'e');
    significant_digits(mantissa.filter(|byte| byte.is_ascii_digit())).map(|(digits, _)| digits)
}

/// The parts of an unsigned decimal.
struct Decimal<'t> {
    /// The digits before the point.
    whole: &'t [u8],
    /// The digits after the point.
    fraction: &'t [u8],
    /// Exponent with its letter; empty for a number without an exponent.
    exponent: &'t [u8],
}

impl<'t> Decimal<'t> {
    /// Parses `digits [. digits] [(e | E) [+ | -] digits]`; `None` for any other text.
    fn parse(text: &'t [u8]) -> Option<Self> {
        let (whole, rest) = split_digits(text)?;
        let (fraction, exponent) = match rest {
            [b'.', rest @ ..] => split_digits(rest)?,
            rest => (&rest[..0], rest),
        };
        let is_exponent = match exponent {
            [] => true,
            [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => {
                split_digits(digits).is_some_and(|(_, rest)| rest.is_empty())
            }
            _ => false,
        };
        is_exponent.then_some(Self { whole, fraction, exponent })
    }
}

/// The digits at the start of a text, and the rest; `None` if there are no digits.
fn split_digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| text.split_at(count))
}

/// Parses any number that SQLite recognises in a text, rounded to the nearest 64-bit float; `None` for any other text. The
/// result can be infinite.
pub(crate) fn any_number(text: &[u8]) -> Option<f64> {
    let text = trim_spaces(text);
    let unsigned = match text {
        [b'+' | b'-', unsigned @ ..] => unsigned,
        unsigned => unsigned,
    };
    // Rust also parses names such as `inf`.
    let starts_as_number = matches!(unsigned, [b'0'..=b'9' | b'.', ..]);
    std::str::from_utf8(text).ok().filter(|_| starts_as_number)?.parse().ok()
}

/// True if the shortest form of `value`, the number that [`any_number`] parses in `text`, has other digits than the text.
pub(crate) fn is_rounded(text: &[u8], value: f64) -> bool {
    let mantissa = text.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    match significant_digits(mantissa.filter(|byte| byte.is_ascii_digit())) {
        None => true,
        Some((_, 0)) => false,
        Some((_, 1..=MAX_REAL_DIGITS)) if value.is_normal() => false,
        Some((digits, _)) => shortest_digits(value) != Some(digits),
    }
}

/// A text without the spaces around it, as SQLite sees them.
fn trim_spaces(text: &[u8]) -> &[u8] {
    let start = text.iter().take_while(|byte| is_space(byte)).count();
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &text[start..end]
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

/// True for the bytes that SQLite skips around a number (`sqlite3Isspace`).
#[inline]
pub(crate) fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// True if SQLite stores a text as a number in a column of numeric affinity. SQLite stops at a NUL, and counts vertical tab as
/// white space.
pub(crate) fn is_number_to_sqlite(text: &[u8]) -> bool {
    any_number(text.split(|byte| *byte == 0).next().unwrap_or_default()).is_some()
}

/// True if a REAL preserves the digits of an INTEGER.
#[inline]
pub(crate) fn is_exact_real(integer: i64) -> bool {
    // Up to 2^53 all integers are doubles, and the shortest form of such a double is the integer.
    integer.unsigned_abs() <= 1 << 53 || real(itoa::Buffer::new().format(integer).as_bytes()).is_some()
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

    /// The digits of a decimal without its sign, point, exponent, and leading and trailing zeros.
    fn digits(text: &str) -> String {
        let mantissa = text.split(['e', 'E']).next().unwrap();
        mantissa.replace(['-', '.'], "").trim_matches('0').to_owned()
    }

    /// The obvious implementation of [`real`], with the shortest form that the standard library prints.
    fn naive_real(text: &str) -> Option<f64> {
        let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let is_canonical = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
        let is_exponent = exponent.is_none_or(|exponent| {
            let unsigned = exponent.strip_prefix(['-', '+']);
            is_digits(unsigned.unwrap_or(exponent)) && (unsigned.is_some() || fraction.is_some())
        });
        if !is_canonical || !fraction.is_none_or(is_digits) || !is_exponent {
            return None;
        }
        let number: f64 = text.parse().unwrap();
        let is_kept = digits(&format!("{number:e}")) == digits(text) && number.is_finite();
        (is_kept && !(number == 0.0 && text.starts_with('-'))).then_some(number)
    }

    /// Calls `check` with every text of these bytes up to a length.
    fn each_text(alphabet: &[u8], max_length: u32, mut check: impl FnMut(&str)) {
        for length in 0..=max_length {
            for number in 0..alphabet.len().pow(length) {
                let byte = |place| alphabet[number / alphabet.len().pow(place) % alphabet.len()];
                let text: Vec<u8> = (0..length).map(byte).collect();
                check(std::str::from_utf8(&text).unwrap());
            }
        }
    }

    #[test]
    fn reals_are_those_of_the_naive_implementation_for_every_short_text() {
        let mut reals = 0;
        each_text(b"01.e-+", 7, |text| {
            let real = real(text.as_bytes()).map(|real| real.value);
            assert_eq!(real, naive_real(text), "{text}");
            reals += u32::from(real.is_some());
        });
        assert!(reals > 1_000, "only {reals} texts are REALs");
    }

    #[test]
    fn any_number_is_what_sqlite_takes_for_a_number() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n NUMERIC); BEGIN").unwrap();
        let insert = "REPLACE INTO t (rowid, n) VALUES (1, ?) RETURNING typeof(n) <> 'text', CAST(n AS REAL)";
        let mut insert = connection.prepare(insert).unwrap();
        each_text(b"05.e-+ x", 5, |text| {
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, f64>(1)?));
            let (is_number, number): (bool, f64) = insert.query_row([text], row).unwrap();
            assert_eq!(any_number(text.as_bytes()), is_number.then_some(number), "{text:?}");
            assert_eq!(is_number_to_sqlite(text.as_bytes()), is_number, "{text:?}");
        });
    }

    #[test]
    fn numbers_of_many_programs_are_reals() {
        let cases = [
            // Python, numpy, R, Java, SQLite; prices; coordinates of 14 to 17 digits.
            ("0.1", 0.1),
            ("0.30000000000000004", 0.1 + 0.2),
            ("1e-05", 1e-5),
            ("1.5e-07", 1.5e-7),
            ("1e+16", 1e16),
            ("1e+05", 1e5),
            ("1.0E10", 1e10),
            ("1.0E-5", 1e-5),
            ("1.7976931348623157E308", f64::MAX),
            ("2.2250738585072014E-308", f64::MIN_POSITIVE),
            ("5e-324", 5e-324),
            ("12.50", 12.5),
            ("-0.250", -0.25),
            ("48.8583736", 48.858_373_6),
            ("-73.97492218017578", -73.974_922_180_175_78),
            ("40.7501106262207", 40.750_110_626_220_7),
            ("-73.993896484375", -73.993_896_484_375),
            ("0.12345678901234568", 0.123_456_789_012_345_68),
            ("0.00000000000000000000000000123", 1.23e-27),
            ("12345.6700000000000000000000", 12_345.67),
            ("9007199254740992", 9_007_199_254_740_992.0),
            ("10000000000000000000", 1e19),
            ("0e+00", 0.0),
        ];
        for (text, expected) in cases {
            assert_eq!(real(text.as_bytes()).map(|real| real.value), Some(expected), "{text}");
            assert_eq!(naive_real(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn texts_that_a_double_does_not_give_back_are_no_reals() {
        let tiny = format!("0.{}1", "0".repeat(400));
        let others = [
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
            "1E5",
            "inf",
            "nan",
            "NaN",
            "Infinity",
            "0x1p3",
            "1.2.3",
            "-0",
            "-0.0",
            "-0.000",
            "-0e-5",
            "1,5",
            "1e400",
            "-1.0E400",
            "1e-400",
            "4.9E-324",
            "1.0e",
            "1.0e+",
            "9007199254740993",
            "9223372036854775808",
            "0.12345678901234567",
            "0.1000000000000000055511151231257827",
        ];
        for text in others.iter().copied().chain([tiny.as_str()]) {
            assert_eq!(real(text.as_bytes()), None, "{text}");
            assert_eq!(naive_real(text), None, "{text}");
        }
    }

    #[test]
    fn any_number_rounds_to_the_nearest_double() {
        let cases = [
            ("007", 7.0),
            ("+1", 1.0),
            (" 1.50 ", 1.5),
            ("1e5", 1e5),
            (".5", 0.5),
            ("5.", 5.0),
            ("-0.0", -0.0),
            ("1e-400", 0.0),
            ("1e400", f64::INFINITY),
            ("1.000000000000000000e+00", 1.0),
            ("0.1000000000000000055511151231257827", 0.1),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
        ];
        for (text, expected) in cases {
            assert_eq!(any_number(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "-", ".", "inf", "-inf", "nan", "1_000", "0x10", "1,5", "e5", "12a", "1\0"] {
            assert_eq!(any_number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_rounded_if_its_digits_change() {
        let cases = [
            ("1.5", false),
            ("+007.50", false),
            ("1e300", false),
            ("0.30000000000000004", false),
            ("-73.97492218017578", false),
            ("9007199254740992", false),
            ("9007199254740993", true),
            ("0.1234567890123456789", true),
            ("0.1000000000000000055511151231257827", true),
            ("1.00000000000000000000", false),
            ("1e-400", true),
            ("0e-400", false),
            (".1234567890123456", false),
            (".123456789012345678", true),
        ];
        for (text, expected) in cases {
            let value = any_number(text.as_bytes()).unwrap();
            assert_eq!(is_rounded(text.as_bytes(), value), expected, "{text}");
        }
    }

    #[test]
    fn integers_are_exact_reals_if_their_digits_are_kept() {
        let large = (0..64).flat_map(|power| [-1, 0, 1].map(|step| (1_i64 << power).wrapping_add(step)));
        let others =
            [1_234_567_890_123_456, 9_007_199_254_740_993, 9_000_000_000_000_000_100, i64::MIN, i64::MAX];
        for integer in large.chain(others) {
            let expected = naive_real(&integer.to_string()).is_some();
            assert_eq!(is_exact_real(integer), expected, "{integer}");
        }
    }

    /// True if another decimal with as many digits is the same number, such as 567958085108913.2 and 567958085108913.3.
    /// Rust prints either; the shortest form of a column is that with the even digit, as Python prints it.
    fn has_two_shortest_forms(number: f64) -> bool {
        let digits = |text: String| -> String {
            text.split('e').next().unwrap().chars().filter(char::is_ascii_digit).collect()
        };
        let (shortest, exact) = (digits(format!("{number:e}")), digits(format!("{number:.800e}")));
        // The number is halfway between two decimals with as many digits as the shortest one.
        exact[shortest.len()..].trim_end_matches('0') == "5"
    }

    #[test]
    fn the_even_one_of_two_shortest_forms_is_a_real() {
        assert!(has_two_shortest_forms("567958085108913.25".parse().unwrap()));
        assert!(real(b"567958085108913.2").is_some() && real(b"567958085108913.3").is_none());
    }

    proptest! {
        #[test]
        fn integers_print_as_the_text_they_were_parsed_from(text in "-?[0-9]{1,20}") {
            let expected = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
            prop_assert_eq!(integer(text.as_bytes()), expected);
        }

        #[test]
        fn reals_are_those_of_the_naive_implementation(text in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?") {
            let number: f64 = text.parse().unwrap();
            prop_assume!(!(number.is_finite() && has_two_shortest_forms(number)));
            prop_assert_eq!(real(text.as_bytes()).map(|real| real.value), naive_real(&text));
        }

        #[test]
        fn doubles_are_reals_in_their_shortest_form(bits in any::<u64>(), last in b'0'..=b'9') {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite() && number != 0.0 && !has_two_shortest_forms(number));
            for text in [format!("{number}"), format!("{number:?}"), format!("{number:.1e}"), format!("{number:e}")] {
                prop_assert_eq!(real(text.as_bytes()).map(|real| real.value), naive_real(&text), "{}", text);
            }
            // Another last digit is another double, or none.
            let (mantissa, exponent) = format!("{number:e}").split_once('e').map(|(m, e)| (m.to_owned(), e.to_owned())).unwrap();
            let text = format!("{}{}e{exponent}", &mantissa[..mantissa.len() - 1], char::from(last));
            prop_assume!(!has_two_shortest_forms(text.parse().unwrap()));
            prop_assert_eq!(real(text.as_bytes()).map(|real| real.value), naive_real(&text), "{}", text);
        }

        #[test]
        fn short_and_long_reals_parse_alike(text in "-?[0-9.]{0,16}") {
            prop_assert_eq!(real(text.as_bytes()), long_real(text.as_bytes()));
        }
    }
}
