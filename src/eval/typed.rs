//! Parses columns of texts to typed values.

use crate::batch::{Arena, Nullable, Span, Strings, Value, Values, convert, text_of, to_reals, to_texts};
use crate::eval::functions::try_integer;
use crate::plan::{OnMismatch, Type};
use crate::types::{RealFormat, Spellings, integral, is_like_number, numbers};

/// What the values of a column tell about its type.
pub(super) enum Mismatch<'a> {
    /// The text in this row, which the input writes like this, is not of the type.
    NotOfType { row: usize, text: &'a [u8], written: &'a [u8] },
    /// A REAL where INTEGER was expected.
    Real,
    /// An INTEGER whose digits a REAL does not preserve.
    LongInteger,
    /// The number of REALs that do not have the digits of their texts.
    Rounded(u64),
    /// How the numbers are spelled. Their column has a type that not all spellings fit.
    Spelled(Spellings),
}

/// Parses `values` to type `to`. An empty text becomes NULL. A text that is not of the type also becomes NULL, and
/// `on_mismatch` is called for it.
pub(super) fn parse_typed<'a>(
    values: Values<'a>,
    (to, otherwise): (Type, OnMismatch),
    row_count: usize,
    arena: &'a Arena,
    mut on_mismatch: impl FnMut(Mismatch<'a>),
) -> Values<'a> {
    match (to, values) {
        (Type::Text, _) => {
            if otherwise == OnMismatch::TypeMismatch
                && let Some((row, text)) = first_if_all_like_numbers(values, row_count)
            {
                on_mismatch(Mismatch::NotOfType { row, text, written: text });
            }
            let not_text = |row, text| on_mismatch(Mismatch::NotOfType { row, text, written: text });
            return to_texts(values, row_count, arena, not_text);
        }
        (Type::Integer | Type::NumericAffinity | Type::ExactNumeric, Values::Integers(_))
        | (Type::Real, Values::Reals(_))
        | (Type::Blob, Values::Blobs(_)) => return values,
        (_, Values::Nullable(Nullable { values, is_null })) => match (to, values) {
            // A NULL is an empty text there, which becomes NULL again.
            (_, Values::Texts(_)) => {
                return parse_typed(*values, (to, otherwise), row_count, arena, on_mismatch);
            }
            (Type::Integer | Type::NumericAffinity | Type::ExactNumeric, Values::Integers(_))
            | (Type::Real, Values::Integers(_) | Values::Reals(_))
            | (Type::Blob, Values::Blobs(_)) => {
                let values = parse_typed(*values, (to, otherwise), row_count, arena, on_mismatch);
                return values.with_nulls(is_null, arena);
            }
            _ => {}
        },
        (Type::Real, Values::Integers(integers)) => return to_reals(integers, arena),
        (Type::Integer | Type::NumericAffinity | Type::ExactNumeric, Values::Texts(texts)) => {
            if let Some((integers, has_long_integer)) = parse_integers(texts, arena) {
                let may_widen = otherwise == OnMismatch::Widen;
                if may_widen && has_long_integer {
                    on_mismatch(Mismatch::LongInteger);
                }
                let is_spelled = (may_widen || to == Type::NumericAffinity) && to != Type::ExactNumeric;
                if is_spelled && texts.spans.iter().any(|span| span.len() > 0) {
                    on_mismatch(Mismatch::Spelled(Spellings::WHOLE));
                }
                return integers;
            }
        }
        (Type::Real, Values::Texts(texts)) if otherwise == OnMismatch::Reject => {
            if let Some((reals, rounded)) = round_reals(texts, arena) {
                if rounded > 0 {
                    on_mismatch(Mismatch::Rounded(rounded));
                }
                return reals;
            }
        }
        (Type::Real, Values::Texts(texts)) => {
            if let Some((reals, spellings)) = parse_reals(texts, arena) {
                on_mismatch(Mismatch::Spelled(spellings));
                return reals;
            }
        }
        _ => {}
    }
    parse_each(values, (to, otherwise), row_count, arena, on_mismatch)
}

/// Parses a column of INTEGERs, and tells whether a REAL does not preserve one; `None` if a text is neither empty nor an INTEGER.
fn parse_integers<'a>(texts: Strings<'a>, arena: &'a Arena) -> Option<(Values<'a>, bool)> {
    let mut has_long_integer = false;
    let integer = |span: &Span| {
        let short = eight_bytes(texts.bytes, *span).and_then(|(eight, trailing_bits)| {
            let has_leading_zero = eight as u8 == b'0' && span.len() > 1;
            if has_leading_zero { None } else { parse_digits(eight, trailing_bits) }
        });
        short.or_else(|| {
            let integer = numbers::integer(span.slice(texts.bytes))?;
            has_long_integer |= !numbers::is_exact_real(integer);
            Some(integer)
        })
    };
    let integers = numbers_or_nulls(texts, integer, Values::Integers, arena)?;
    Some((integers, has_long_integer))
}

/// Parses a column of REALs, and tells how they are spelled; `None` if a text is neither empty nor a REAL.
fn parse_reals<'a>(texts: Strings<'a>, arena: &'a Arena) -> Option<(Values<'a>, Spellings)> {
    let (mut short_texts, mut spellings) = (ShortTexts::default(), Spellings::default());
    let real = |span: &Span| {
        short_real(texts.bytes, *span, &mut short_texts).or_else(|| {
            let real = numbers::real(span.slice(texts.bytes))?;
            spellings.merge(&real.spelling);
            Some(real.value)
        })
    };
    let reals = numbers_or_nulls(texts, real, Values::Reals, arena)?;
    spellings.merge(&short_texts.spellings(texts));
    Some((reals, spellings))
}

/// Parses a column of numbers, rounded to REALs, and counts those whose digits change; `None` if a text is neither empty nor a
/// number.
fn round_reals<'a>(texts: Strings<'a>, arena: &'a Arena) -> Option<(Values<'a>, u64)> {
    let mut rounded = 0;
    let real = |span: &Span| {
        let short = short_real(texts.bytes, *span, &mut ShortTexts::default());
        short.or_else(|| {
            let (real, is_rounded) = rounded_real(span.slice(texts.bytes))?;
            rounded += u64::from(is_rounded);
            Some(real)
        })
    };
    let reals = numbers_or_nulls(texts, real, Values::Reals, arena)?;
    Some((reals, rounded))
}

/// The numbers that `parse` makes of the texts, with NULL for an empty one; `None` if it returns `None` for another.
#[inline]
fn numbers_or_nulls<'a, T: Copy + Default>(
    texts: Strings<'a>,
    mut parse: impl FnMut(&Span) -> Option<T>,
    of_numbers: fn(&'a [T]) -> Values<'a>,
    arena: &'a Arena,
) -> Option<Values<'a>> {
    let mut has_empty = false;
    let number = |span: &Span| {
        if span.len() == 0 {
            has_empty = true;
            return Some(T::default());
        }
        parse(span)
    };
    let numbers = collect_all(texts.spans.iter().map(number), arena)?;
    if !has_empty {
        return Some(of_numbers(numbers));
    }
    let is_null = arena.list(texts.spans.iter().map(|span| span.len() == 0));
    Some(of_numbers(numbers).with_nulls(is_null, arena))
}

/// Any number in the range of REAL, rounded, and whether its digits change.
fn rounded_real(text: &[u8]) -> Option<(f64, bool)> {
    // Most numbers keep their digits, which is faster to find out.
    numbers::real(text).map(|real| (real.value, false)).or_else(|| {
        let real = numbers::any_number(text).filter(|number| number.is_finite())?;
        Some((real, numbers::is_rounded(text, real)))
    })
}

/// Parses value by value; see [`parse_typed`].
fn parse_each<'a>(
    values: Values<'a>,
    (to, otherwise): (Type, OnMismatch),
    row_count: usize,
    arena: &'a Arena,
    mut on_mismatch: impl FnMut(Mismatch<'a>),
) -> Values<'a> {
    let may_widen = otherwise == OnMismatch::Widen;
    let is_kept = |text: &[u8]| {
        matches!(to, Type::NumericAffinity | Type::ExactNumeric) && !numbers::is_number_to_sqlite(text)
    };
    let (mut has_real, mut has_long_integer, mut spellings) = (false, false, Spellings::default());
    let (rounds, mut rounded) = (to == Type::Real && otherwise == OnMismatch::Reject, 0);
    let value = |row| match values.get(row) {
        Value::Text(b"") | Value::Null => Value::Null,
        Value::Text(text) => match parse(text, (to, otherwise), arena) {
            Some((value, spelling)) => {
                has_real |= matches!(value, Value::Real(_));
                rounded += u64::from(
                    matches!(value, Value::Real(real) if rounds && numbers::is_rounded(text, real)),
                );
                has_long_integer |=
                    matches!(value, Value::Integer(integer) if !numbers::is_exact_real(integer));
                spellings.merge(&spelling);
                value
            }
            None if is_kept(text) => Value::Text(text),
            None => {
                on_mismatch(Mismatch::NotOfType { row, text, written: text });
                Value::Null
            }
        },
        other => convert(other, to, arena).unwrap_or_else(|| {
            let text = text_of(other, arena);
            on_mismatch(Mismatch::NotOfType { row, text, written: text });
            Value::Null
        }),
    };
    let parsed = Values::Mixed(arena.list((0..row_count).map(value)));
    if may_widen && has_real {
        on_mismatch(Mismatch::Real);
    }
    if may_widen && has_long_integer {
        on_mismatch(Mismatch::LongInteger);
    }
    if rounded > 0 {
        on_mismatch(Mismatch::Rounded(rounded));
    }
    if !spellings.is_empty() {
        on_mismatch(Mismatch::Spelled(spellings));
    }
    parsed
}

/// Parses a text that is not empty, and tells how it is spelled if that matters for its column; `None` if it is not of the type.
fn parse<'a>(
    text: &[u8],
    (to, otherwise): (Type, OnMismatch),
    arena: &'a Arena,
) -> Option<(Value<'a>, Spellings)> {
    let unspelled = |value| (value, Spellings::default());
    let integer = || numbers::integer(text).map(|integer| (Value::Integer(integer), Spellings::WHOLE));
    let real = || numbers::real(text).map(|real| (Value::Real(real.value), real.spelling));
    // A column of numeric affinity stores `1e-05` as a number too, but shows it as another text.
    let plain_real = || real().filter(|(_, spelling)| !spelling.has_exponent);
    let stored = |(value, spelling)| match value {
        Value::Real(real) => (integral(real).map_or(value, Value::Integer), spelling),
        other => (other, spelling),
    };
    match to {
        Type::NumericAffinity => integer().or_else(plain_real).map(stored),
        Type::ExactNumeric => {
            let is_exact = |spelling: Spellings| spelling.format() == Some(RealFormat::Shortest);
            let exact = integer().or_else(|| plain_real().filter(|(_, spelling)| is_exact(*spelling)));
            exact.map(stored).map(|(value, _)| unspelled(value))
        }
        Type::Integer if otherwise == OnMismatch::Widen => integer().or_else(real),
        Type::Integer => integer().map(|(value, _)| unspelled(value)),
        Type::Real if otherwise == OnMismatch::Reject => {
            rounded_real(text).map(|(real, _)| unspelled(Value::Real(real)))
        }
        Type::Real => real(),
        Type::Blob => parse_hex(text, arena).map(|blob| unspelled(Value::Blob(blob))),
        Type::Text => None,
    }
}

/// The row of the first text that is not empty, and this text, if there is one and all such texts look like numbers.
fn first_if_all_like_numbers(values: Values<'_>, row_count: usize) -> Option<(usize, &[u8])> {
    let text = |row: &usize| match values.get(*row) {
        Value::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    };
    let mut filled = (0..row_count).filter(|row| text(row).is_some());
    let first = filled.next()?;
    std::iter::once(first)
        .chain(filled)
        .all(|row| text(&row).is_some_and(is_like_number))
        .then_some((first, text(&first)?))
}

/// Decodes pairs of hexadecimal digits.
fn parse_hex<'a>(text: &[u8], arena: &'a Arena) -> Option<&'a [u8]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    match text.as_chunks::<2>() {
        (pairs, []) if text.iter().all(u8::is_ascii_hexdigit) => {
            Some(arena.list(pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low))))
        }
        _ => None,
    }
}

/// Collects a column of INTEGERs; `None` if an item is `None`.
#[inline]
pub(super) fn integers<'a>(
    items: impl ExactSizeIterator<Item = Option<i64>>,
    arena: &'a Arena,
) -> Option<Values<'a>> {
    collect_all(items, arena).map(Values::Integers)
}

/// Collects the items; `None` if an item is `None`.
#[inline]
fn collect_all<T: Default>(items: impl ExactSizeIterator<Item = Option<T>>, arena: &Arena) -> Option<&[T]> {
    let mut is_complete = true;
    let item = |item: Option<T>| {
        is_complete &= item.is_some();
        item.unwrap_or_default()
    };
    let collected = arena.list(items.map(item));
    is_complete.then_some(collected)
}

/// Applies [`try_integer`] to a column.
pub(super) fn try_integers<'a>(values: Values<'a>, row_count: usize, arena: &'a Arena) -> Values<'a> {
    // A NULL is an empty text there.
    let all = if let Values::Nullable(Nullable { values, .. }) = values { *values } else { values };
    if let Values::Texts(texts) = all {
        let mut is_null = arena.vec(row_count);
        let integer = |span: &Span| {
            let short = short_integer(texts.bytes, *span);
            let integer = short.or_else(|| try_integer(span.slice(texts.bytes)));
            is_null.push(integer.is_none());
            integer.unwrap_or_default()
        };
        let integers = Values::Integers(arena.list(texts.spans.iter().map(integer)));
        return match is_null.contains(&true) {
            true => integers.with_nulls(is_null.into_bump_slice(), arena),
            false => integers,
        };
    }
    Values::Mixed(arena.list((0..row_count).map(|row| {
        let integer = match values.get(row) {
            Value::Integer(integer) => Some(integer),
            Value::Text(text) => try_integer(text),
            _ => None,
        };
        integer.map_or(Value::Null, Value::Integer)
    })))
}

/// Like [`try_integer`], for a text of one to eight digits in a buffer with at least eight bytes from its start on, as nearly all
/// are in practice. Returns `None` for other texts.
#[inline(always)]
fn short_integer(bytes: &[u8], span: Span) -> Option<i64> {
    let (eight, trailing_bits) = eight_bytes(bytes, span)?;
    parse_digits(eight, trailing_bits)
}

/// The number that [`eight_bytes`] has loaded; `None` if a byte is not a digit.
#[inline(always)]
fn parse_digits(eight: u64, trailing_bits: u32) -> Option<i64> {
    // Shifting fills the front with zeros and moves the last digit to the highest byte.
    parse_eight_digits((eight ^ ZEROS) << trailing_bits)
}

/// What is known about the texts that [`short_real`] has parsed; enough to tell how they are spelled, at a few instructions each.
struct ShortTexts {
    /// The places of the points. A text ends in the highest byte, so its point is in byte `7 - decimals`.
    points: u64,
    /// The smallest digits, the last one of which is the highest byte.
    least_digits: u64,
}

impl Default for ShortTexts {
    fn default() -> Self {
        Self { points: 0, least_digits: u64::MAX }
    }
}

impl ShortTexts {
    /// How they are spelled. They are among `texts`.
    fn spellings(&self, texts: Strings<'_>) -> Spellings {
        let mut spellings = Spellings::default();
        let ends_in_zero = self.least_digits < 1 << 56;
        let have_same_decimals = self.points.is_power_of_two();
        for decimals in (1..7).filter(|decimals| self.points >> (8 * (7 - decimals)) & 0xff != 0) {
            spellings.merge(&Spellings::of_decimal(decimals, ends_in_zero && have_same_decimals, false));
        }
        if ends_in_zero && !have_same_decimals {
            let texts = texts.spans.iter().map(|span| span.slice(texts.bytes));
            let with_zero = texts.filter(|text| text.len() <= 8 && text.ends_with(b"0"));
            with_zero.filter_map(numbers::real).for_each(|real| spellings.merge(&real.spelling));
        }
        spellings
    }
}

/// Like [`numbers::real`], for a text of three to eight bytes with a decimal point, in a buffer with at least eight bytes from its
/// start on. Returns `None` for other texts.
#[inline(always)]
fn short_real(bytes: &[u8], span: Span, short_texts: &mut ShortTexts) -> Option<f64> {
    let (eight, trailing_bits) = eight_bytes(bytes, span)?;
    let text = eight << trailing_bits;
    // Sets the high bit of each byte that is a point. Borrows can set bits above the lowest one.
    let others = text ^ every(b'.');
    let points = others.wrapping_sub(every(1)) & !others & every(0x80);
    let point_bit = points.trailing_zeros().checked_sub(7)?;
    let whole_bytes = (point_bit - trailing_bits) / 8;
    let fraction_bytes = (span.len() - 1).checked_sub(whole_bytes as usize)?;
    let has_leading_zero = eight as u8 == b'0' && whole_bytes > 1;
    if whole_bytes == 0 || fraction_bytes == 0 || has_leading_zero {
        return None;
    }
    // Move the digits before the point up by a byte, over the point.
    let whole = text & ((1 << point_bit) - 1);
    let fraction = text >> (point_bit + 8) << (point_bit + 8);
    let digits = (whole << 8 | fraction) ^ ZEROS << (trailing_bits + 8);
    let mantissa = parse_eight_digits(digits)?;
    // All other bytes are digits, so nothing is borrowed, and only the point has its bit set.
    short_texts.points |= points;
    short_texts.least_digits = short_texts.least_digits.min(digits);
    Some(numbers::quotient(mantissa.cast_unsigned(), fraction_bytes))
}

const ZEROS: u64 = every(b'0');

/// This byte in all eight places.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Loads eight bytes from the start of a text of one to eight bytes, in little-endian order, and returns them with the number
/// of bits that follow the text. Returns `None` if the text is longer, or fewer bytes are there.
#[inline(always)]
fn eight_bytes(bytes: &[u8], span: Span) -> Option<(u64, u32)> {
    let start = span.start as usize;
    let eight = u64::from_le_bytes(bytes.get(start..start + 8)?.try_into().ok()?);
    let trailing_bits = 64_u32.checked_sub(8 * span.len() as u32).filter(|bits| *bits < 64)?;
    Some((eight, trailing_bits))
}

/// The number with eight digits, one per byte as its value, the last digit in the highest byte; `None` if a byte is more than 9.
/// All digits are combined in parallel: to pairs, then to fours, then to eight.
#[inline(always)]
fn parse_eight_digits(digits: u64) -> Option<i64> {
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
    use crate::batch::null_where;
    use crate::eval::texts::tests::text_column;
    use proptest::prelude::*;

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
            // With and without text after it.
            for texts in [&[text, "1234567890"][..], &[text]] {
                let integers = try_integers(text_column(texts, &arena), texts.len(), &arena);
                assert_eq!(integers.get(0), expected, "{text:?}");
            }
            let at_the_end = Span { start: 0, end: text.len() as u32 };
            let texts = Strings { bytes: text.as_bytes(), spans: &[at_the_end] };
            assert_eq!(try_integers(Values::Texts(texts), 1, &arena).get(0), expected, "{text:?}");
        }
    }

    proptest! {
        /// The plain algorithm parses value by value.
        #[test]
        fn columns_are_parsed_as_their_values(
            texts in prop::collection::vec(
                prop::sample::select(vec![None, Some(""), Some("0"), Some("1"), Some("-12"), Some("1.5"), Some("2.50"), Some("3.0"), Some("1e-05"), Some("12345678901"), Some("9223372036854775807"), Some("007"), Some("x")]),
                1..7,
            ),
            to in prop::sample::select(vec![Type::Integer, Type::Real, Type::NumericAffinity, Type::ExactNumeric, Type::Blob]),
            otherwise in prop::sample::select(vec![OnMismatch::TypeMismatch, OnMismatch::Widen, OnMismatch::Reject]),
        ) {
            let arena = Arena::default();
            let values: Vec<_> = texts.iter().map(|text| text.map_or(Value::Null, |text| Value::Text(text.as_bytes()))).collect();
            let filled: Vec<_> = texts.iter().map(|text| text.unwrap_or_default()).collect();
            let column = null_where(text_column(&filled, &arena), |row| texts[row].is_none(), texts.len(), &arena);
            let noted = |mismatch: Mismatch<'_>| match mismatch {
                Mismatch::NotOfType { row, .. } => Some(format!("row {row}")),
                Mismatch::Real => Some("real".to_owned()),
                Mismatch::LongInteger => Some("long integer".to_owned()),
                Mismatch::Rounded(count) => Some(format!("{count} rounded")),
                Mismatch::Spelled(_) => None,
            };
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            // Only INTEGER columns are widened.
            let otherwise = if otherwise == OnMismatch::Widen && to != Type::Integer { OnMismatch::Reject } else { otherwise };
            let (types, rows) = ((to, otherwise), texts.len());
            let parsed = parse_typed(column, types, rows, &arena, |mismatch| found.extend(noted(mismatch)));
            let plain = parse_each(Values::Mixed(&values), types, rows, &arena, |mismatch| expected.extend(noted(mismatch)));
            let all = |column: Values<'_>| format!("{:?}", (0..rows).map(|row| column.get(row)).collect::<Vec<_>>());
            prop_assert_eq!(all(parsed), all(plain));
            prop_assert_eq!(found, expected);
            let integers = try_integers(column, texts.len(), &arena);
            let each = |row: usize| texts[row].and_then(|text| try_integer(text.as_bytes())).map_or(Value::Null, Value::Integer);
            prop_assert!((0..rows).all(|row| integers.get(row) == each(row)));
        }
    }

    #[test]
    fn short_reals_parse_as_others_do() {
        let mut parsed = 0;
        for length in 1..8_u32 {
            for number in 0..7_usize.pow(length) {
                let byte = |place| b"019.-x/"[number / 7_usize.pow(place) % 7];
                let text: Vec<u8> = (0..length).map(byte).collect();
                for suffix in ["12345678", ".0000000", ",0.5,1.2"] {
                    let bytes = [&text, suffix.as_bytes()].concat();
                    let mut short_texts = ShortTexts::default();
                    let span = Span { start: 0, end: length };
                    if let Some(value) = short_real(&bytes, span, &mut short_texts) {
                        let spelling = short_texts.spellings(Strings { bytes: &bytes, spans: &[span] });
                        let real = Some(numbers::Real { value, spelling });
                        assert_eq!(numbers::real(&text), real, "{}", text.escape_ascii());
                        parsed += 1;
                    }
                }
            }
        }
        assert!(parsed > 1_000, "only {parsed} short reals were parsed");
        for text in ["0.5", "12.25", "99.99999", "1234.567", "0.000001"] {
            let bytes = format!("{text},suffix");
            let span = Span { start: 0, end: text.len() as u32 };
            let real = short_real(bytes.as_bytes(), span, &mut ShortTexts::default());
            assert_eq!(real, text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn columns_of_reals_are_spelled_as_their_texts() {
        let texts = ["1.5", "2.0", "0.50", "12.250", "12", "10", "1e-05", "12345.6789", "100.0000", "0.0"];
        let arena = Arena::default();
        for column in 0..1_u32 << texts.len() {
            let texts: Vec<_> =
                (0..texts.len()).filter(|at| column >> at & 1 == 1).map(|at| texts[at]).collect();
            let mut expected = Spellings::default();
            for text in &texts {
                expected.merge(&numbers::real(text.as_bytes()).unwrap().spelling);
            }
            let Values::Texts(strings) =
                text_column(&[&texts[..], &["padding for the last text"]].concat(), &arena)
            else {
                panic!("not a column of texts")
            };
            let strings = Strings { spans: &strings.spans[..texts.len()], ..strings };
            let (_, spellings) = parse_reals(strings, &arena).unwrap();
            assert_eq!(spellings, expected, "{texts:?}");
        }
    }

    #[test]
    fn short_integers_have_up_to_eight_digits() {
        let text = |number: u64| format!("{number} suffix");
        for number in (0..=8).flat_map(|power| [10_u64.pow(power), 10_u64.pow(power) - 1]).chain([12_345_670])
        {
            let (text, digits) = (text(number), number.to_string().len() as u32);
            let parsed = short_integer(text.as_bytes(), Span { start: 0, end: digits });
            assert_eq!(parsed, (digits <= 8).then_some(number as i64), "{number}");
            assert_eq!(short_integer(text.as_bytes(), Span { start: 0, end: digits + 1 }), None);
            for index in 0..digits as usize {
                // A byte other than a digit is detected in every place.
                for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                    let mut text = text.clone().into_bytes();
                    text[index] = byte;
                    assert_eq!(short_integer(&text, Span { start: 0, end: digits }), None);
                }
            }
        }
    }
}
