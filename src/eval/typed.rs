//! Texts to values of a type.

use crate::batch::{Arena, Span, Value, Values};
use crate::eval::functions::try_integer;
use crate::plan::{OnMismatch, Type};
use crate::types::numbers;

/// What is found among values that is not of their type, or may not be of the one that they get instead.
pub(super) enum Found {
    /// In this row, and it is of none.
    Other(usize),
    /// A REAL where an INTEGER was expected.
    Real,
    /// An INTEGER that is no REAL.
    LongInteger,
}

/// The values of this type that texts are, empty ones NULL; `found` is told of those that are none.
pub(super) fn typed<'a>(
    of: Values<'a>,
    (to, otherwise): (Type, OnMismatch),
    rows: usize,
    arena: &'a Arena,
    mut found: impl FnMut(Found),
) -> Values<'a> {
    if to == Type::Text {
        if otherwise == OnMismatch::TypeMismatch
            && let Some(row) = only_like_numbers(of, rows)
        {
            found(Found::Other(row));
        }
        return of;
    }
    let may_widen = otherwise == OnMismatch::Widen;
    let (mut has_real, mut has_long_integer) = (false, false);
    let number = |text: &[u8]| match to {
        Type::Integer => numbers::integer(text)
            .map(Value::Integer)
            .or_else(|| numbers::real(text).filter(|_| may_widen).map(Value::Real)),
        Type::Real => numbers::real(text).map(Value::Real),
        Type::Text => None,
        Type::Blob => blob(text, arena).map(Value::Blob),
        Type::NumericAffinity => {
            numbers::integer(text).map(Value::Integer).or_else(|| numbers::real(text).map(Value::Real))
        }
        Type::RealAffinity => numbers::real(text).map(Value::Real),
    };
    let is_kept = |text: &[u8]| {
        matches!(to, Type::NumericAffinity | Type::RealAffinity) && !numbers::is_number_to_sqlite(text)
    };
    if let (Type::Integer, Values::Texts(texts)) = (to, of) {
        let integer = |span: &Span| {
            let is_canonical =
                |short: &i64| *short == 0 && span.len() == 1 || texts.bytes[span.start as usize] != b'0';
            let short = short_integer(texts.bytes, *span).filter(is_canonical);
            short.or_else(|| {
                let integer = numbers::integer(span.of(texts.bytes))?;
                has_long_integer |= !numbers::is_real_too(integer);
                Some(integer)
            })
        };
        if let Some(integers) = integers(texts.spans.iter().map(integer), arena) {
            if may_widen && has_long_integer {
                found(Found::LongInteger);
            }
            return integers;
        }
    }
    if let (Type::Real, Values::Texts(texts)) = (to, of) {
        let real =
            |span: &Span| short_real(texts.bytes, *span).or_else(|| numbers::real(span.of(texts.bytes)));
        if let Some(reals) = all_of(texts.spans.iter().map(real), arena) {
            return Values::Reals(reals);
        }
    }
    let value = |row| match of.get(row) {
        Value::Text(b"") | Value::Null => Value::Null,
        Value::Text(text) => match number(text) {
            Some(value) => {
                has_real |= matches!(value, Value::Real(_));
                has_long_integer |=
                    matches!(value, Value::Integer(integer) if !numbers::is_real_too(integer));
                value
            }
            None if is_kept(text) => Value::Text(text),
            None => {
                found(Found::Other(row));
                Value::Null
            }
        },
        other => other,
    };
    let values = Values::Mixed(arena.list((0..rows).map(value)));
    if may_widen && has_real {
        found(Found::Real);
    }
    if may_widen && has_long_integer {
        found(Found::LongInteger);
    }
    values
}

/// The first of the texts that are not empty, if there are any and all look like numbers.
fn only_like_numbers(of: Values<'_>, rows: usize) -> Option<usize> {
    let text = |row: &usize| match of.get(*row) {
        Value::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    };
    let mut filled = (0..rows).filter(|row| text(row).is_some());
    let first = filled.next()?;
    std::iter::once(first)
        .chain(filled)
        .all(|row| text(&row).is_some_and(numbers::is_like_number))
        .then_some(first)
}

/// The bytes that pairs of hexadecimal digits are.
pub(super) fn blob<'a>(text: &[u8], arena: &'a Arena) -> Option<&'a [u8]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    match text.as_chunks::<2>() {
        (pairs, []) if text.iter().all(u8::is_ascii_hexdigit) => {
            Some(arena.list(pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low))))
        }
        _ => None,
    }
}

/// A column of INTEGERs, if every item is one.
#[inline]
pub(super) fn integers<'a>(
    items: impl ExactSizeIterator<Item = Option<i64>>,
    arena: &'a Arena,
) -> Option<Values<'a>> {
    all_of(items, arena).map(Values::Integers)
}

/// The items, if there is none that is nothing.
#[inline]
fn all_of<T>(items: impl ExactSizeIterator<Item = Option<T>>, arena: &Arena) -> Option<&[T]> {
    let count = items.len();
    let mut all = arena.vec(count);
    all.extend(items.map_while(|item| item));
    (all.len() == count).then(|| all.into_bump_slice() as &[T])
}

/// The values as [`try_integer`] reads them.
pub(super) fn try_integers<'a>(of: Values<'a>, rows: usize, arena: &'a Arena) -> Values<'a> {
    if let Values::Texts(texts) = of {
        let integer =
            |span: &Span| short_integer(texts.bytes, *span).or_else(|| try_integer(span.of(texts.bytes)));
        if let Some(integers) = integers(texts.spans.iter().map(integer), arena) {
            return integers;
        }
    }
    Values::Mixed(arena.list((0..rows).map(|row| {
        let integer = match of.get(row) {
            Value::Integer(integer) => Some(integer),
            Value::Text(text) => try_integer(text),
            _ => None,
        };
        integer.map_or(Value::Null, Value::Integer)
    })))
}

/// As [`try_integer`], for a text of one to eight digits with something behind it, as nearly all are in practice; nothing for
/// others.
#[inline(always)]
pub(super) fn short_integer(bytes: &[u8], span: Span) -> Option<i64> {
    let (eight, bits_behind) = eight_bytes(bytes, span)?;
    // Zeros in front, and the last digit in the highest byte.
    number_of((eight ^ ZEROS) << bits_behind)
}

/// As [`numbers::real`], for a text of three to eight bytes, one a point, with something behind it; nothing for others.
#[inline(always)]
pub(super) fn short_real(bytes: &[u8], span: Span) -> Option<f64> {
    let (eight, bits_behind) = eight_bytes(bytes, span)?;
    let text = eight << bits_behind;
    // The high bit of the lowest byte that is a point.
    let others = text ^ every(b'.');
    let points = others.wrapping_sub(every(1)) & !others & every(0x80);
    let bits_before = points.trailing_zeros().checked_sub(7)?;
    let whole_bytes = (bits_before - bits_behind) / 8;
    let fraction_bytes = (span.len() - 1).checked_sub(whole_bytes as usize)?;
    let has_leading_zero = eight as u8 == b'0' && whole_bytes > 1;
    if whole_bytes == 0 || fraction_bytes == 0 || has_leading_zero {
        return None;
    }
    // The digits before the point move up to those behind it.
    let before = text & ((1 << bits_before) - 1);
    let behind = text >> (bits_before + 8) << (bits_before + 8);
    let mantissa = number_of((before << 8 | behind) ^ ZEROS << (bits_behind + 8))?;
    Some(numbers::quotient(mantissa.cast_unsigned(), fraction_bytes))
}

const ZEROS: u64 = every(b'0');

/// Eight times this byte.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The first eight bytes from where a text of one to eight begins, the first the lowest, and how many bits are those that
/// follow it.
#[inline(always)]
fn eight_bytes(bytes: &[u8], span: Span) -> Option<(u64, u32)> {
    let start = span.start as usize;
    let eight = u64::from_le_bytes(bytes.get(start..start + 8)?.try_into().ok()?);
    let bits_behind = 64_u32.checked_sub(8 * span.len() as u32).filter(|bits| *bits < 64)?;
    Some((eight, bits_behind))
}

/// The number of eight digits, each the value of a byte, the last one the highest; nothing if one is no digit. All are looked
/// at together: the pairs are added up, then the fours, then the eight.
#[inline(always)]
fn number_of(digits: u64) -> Option<i64> {
    if (digits | digits.wrapping_add(every(0x76))) & every(0x80) != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul((10 << 8) + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul((100 << 16) + 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul((10_000 << 32) + 1) >> 32).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Strings;
    use crate::eval::texts::tests::made;

    #[test]
    fn integers_are_a_sign_and_digits_within_64_bits() {
        let cases: [(&str, Option<i64>); 18] = [
            ("42", Some(42)),
            ("042", Some(42)),
            ("12345678", Some(12_345_678)),
            ("123456789", Some(123_456_789)),
            ("00000000", Some(0)),
            ("+5", Some(5)),
            ("-5", Some(-5)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            (" 42", None),
            ("42 ", None),
            ("4x", None),
            ("", None),
            ("+", None),
            ("1_000", None),
            ("12345:78", None),
            ("\u{663}", None),
        ];
        let arena = Arena::default();
        for (text, expected) in cases {
            let expected = expected.map_or(Value::Null, Value::Integer);
            // With more behind it and without.
            for texts in [&[text, "1234567890"][..], &[text]] {
                let integers = try_integers(made(texts, &arena), texts.len(), &arena);
                assert_eq!(integers.get(0), expected, "{text:?}");
            }
            let at_the_end = Span { start: 0, end: text.len() as u32 };
            let texts = Strings { bytes: text.as_bytes(), spans: &[at_the_end] };
            assert_eq!(try_integers(Values::Texts(texts), 1, &arena).get(0), expected, "{text:?}");
        }
    }

    #[test]
    fn reals_of_up_to_eight_bytes_are_read_as_others() {
        let mut read = 0;
        for length in 1..8_u32 {
            for number in 0..7_usize.pow(length) {
                let byte = |at| b"019.-x/"[number / 7_usize.pow(at) % 7];
                let text: Vec<u8> = (0..length).map(byte).collect();
                for behind in ["12345678", ".0000000", ",0.5,1.2"] {
                    let bytes = [&text, behind.as_bytes()].concat();
                    if let Some(real) = short_real(&bytes, Span { start: 0, end: length }) {
                        assert_eq!(numbers::real(&text), Some(real), "{}", text.escape_ascii());
                        read += 1;
                    }
                }
            }
        }
        assert!(read > 1_000, "short ones are read: {read}");
        for text in ["0.5", "12.25", "99.99999", "1234.567", "0.000001"] {
            let bytes = format!("{text},and more");
            let real = short_real(bytes.as_bytes(), Span { start: 0, end: text.len() as u32 });
            assert_eq!(real, text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn integers_of_up_to_eight_digits_are_read_at_once() {
        let text = |number: u64| format!("{number}rest of it");
        for number in (0..=8).flat_map(|power| [10_u64.pow(power), 10_u64.pow(power) - 1]).chain([12_345_670])
        {
            let (text, digits) = (text(number), number.to_string().len() as u32);
            let read = short_integer(text.as_bytes(), Span { start: 0, end: digits });
            assert_eq!(read, (digits <= 8).then_some(number as i64), "{number}");
            assert_eq!(short_integer(text.as_bytes(), Span { start: 0, end: digits + 1 }), None);
            for at in 0..digits as usize {
                // Every byte that is no digit is seen, in every place.
                for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                    let mut text = text.clone().into_bytes();
                    text[at] = byte;
                    assert_eq!(short_integer(&text, Span { start: 0, end: digits }), None);
                }
            }
        }
    }
}
