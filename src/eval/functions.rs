//! The functions that sqload adds to SQL, for single values. Compiled expressions and SQLite call the same code.
//!
//! | function | value |
//! |---|---|
//! | `upper(x)`, `lower(x)` | upper or lower case with Unicode's full case mapping (SQLite's own functions map ASCII only) |
//! | `try_integer(x)` | the 64-bit INTEGER if `x` is an optional sign and digits, else NULL |
//! | `try_real(x)` | the REAL if `x` is an optional sign, digits with or without a decimal point, and an optional exponent, else NULL |
//! | `try_date(x, format)` | the date in ISO 8601 if `x` matches a `strptime` format, else NULL |
//! | `hash64(x, ...)` | the 64-bit XXH3 hash of all arguments, as INTEGER |
//! | `slug(x)` | `x` transliterated to lower-case ASCII letters and digits, separated by hyphens |

use crate::batch::Value;
use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use xxhash_rust::xxh3::Xxh3;

/// How many times longer a text can get in upper case: `ΐ` grows from two bytes to six, and no character grows more.
pub(crate) const MAX_UPPER_GROWTH: usize = 3;

/// Unicode upper case, character by character with the full case mapping: `ß` becomes `SS`. Invalid UTF-8 is kept.
pub(crate) fn upper(text: &[u8]) -> Vec<u8> {
    let mut upper = vec![0; MAX_UPPER_GROWTH * text.len()];
    let bytes = upper_to(text, &mut upper);
    upper.truncate(bytes);
    upper
}

/// Like [`upper`], but writes to the start of `output` and returns the number of bytes written.
///
/// # Panics
/// If `output` is too short; [`MAX_UPPER_GROWTH`] times the length of `text` is enough.
#[cold]
pub(crate) fn upper_to(text: &[u8], output: &mut [u8]) -> usize {
    // Nearly all texts are valid, and `from_utf8` is faster than `utf8_chunks`.
    if let Ok(valid) = std::str::from_utf8(text) {
        return upper_str_to(valid, output);
    }
    let mut written = 0;
    for chunk in text.utf8_chunks() {
        written += upper_str_to(chunk.valid(), &mut output[written..]);
        let invalid = chunk.invalid();
        output[written..written + invalid.len()].copy_from_slice(invalid);
        written += invalid.len();
    }
    written
}

fn upper_str_to(text: &str, output: &mut [u8]) -> usize {
    let upper = text.chars().flat_map(char::to_uppercase);
    upper.fold(0, |written, upper| written + upper.encode_utf8(&mut output[written..]).len())
}

/// Unicode lower case, character by character. Invalid UTF-8 is kept.
pub(crate) fn lower(text: &[u8]) -> Vec<u8> {
    let mut lower = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars().flat_map(char::to_lowercase) {
            lower.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
        lower.extend_from_slice(chunk.invalid());
    }
    lower
}

/// Parses an optional sign and ASCII digits; `None` for other texts, or beyond 64 bits.
#[inline]
pub(crate) fn try_integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
}

/// Parses an optional sign, digits with at most one decimal point, and an optional exponent; `None` for other texts, or if the
/// number overflows.
pub(crate) fn try_real(text: &[u8]) -> Option<f64> {
    // The standard library also parses `inf` and `nan`.
    let is_plain = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let text = std::str::from_utf8(text).ok().filter(|text| text.as_bytes().iter().all(is_plain))?;
    text.parse().ok().filter(|real: &f64| real.is_finite())
}

/// Parses a date with a `strptime` format to ISO 8601: `2024-01-31`, or `2024-01-31T18:30:00` if the format contains a time,
/// followed by the UTC offset if the format contains one. `None` if the text does not match.
///
/// A year has four digits, except that `%y` takes two.
pub(crate) fn try_date(text: &[u8], format: &[u8]) -> Option<String> {
    let parsed = BrokenDownTime::parse(format, text).ok()?;
    let date = parsed.to_date().ok()?;
    // The parser also takes the 24 of 31/01/24 as the year 24, and signs.
    if date.year() < 1000 {
        let year = format!("{:04}", date.year());
        if date.year() < 0 || !text.windows(year.len()).any(|part| part == year.as_bytes()) {
            return None;
        }
    }
    if parsed.hour().is_none() {
        return Some(date.to_string());
    }
    if is_leap_second(&parsed, text, format) {
        return None;
    }
    let offset = parsed.offset().map_or(String::new(), |offset| {
        let minutes = offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    });
    Some(format!("{}{offset}", parsed.to_datetime().ok()?))
}

/// True if the second of `parsed` is 60 in the text. The parser takes it for 59.
fn is_leap_second(parsed: &BrokenDownTime, text: &[u8], format: &[u8]) -> bool {
    let is_second = |at: usize| {
        let changed = [&text[..at], b"00", &text[at + 2..]].concat();
        BrokenDownTime::parse(format, changed).is_ok_and(|changed| changed.second() == Some(0))
    };
    let mut pairs = text.windows(2).enumerate();
    parsed.second() == Some(59) && pairs.any(|(at, pair)| pair == b"60" && is_second(at))
}

/// False if [`try_date`] finds no date in any text of this format: it has no directives or an unknown one, or lacks the year,
/// the month or the day.
pub(crate) fn is_date_format(format: &str) -> bool {
    let any_time = BrokenDownTime::from(&Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC));
    match any_time.to_string(format) {
        Err(_) => false,
        // What cannot be read back shows nothing.
        Ok(text) => BrokenDownTime::parse(format, &text).map_or(true, |parsed| parsed.to_date().is_ok()),
    }
}

/// Formats a time in UTC as SQLite does, with milliseconds; empty after the year 9999.
pub(crate) fn utc(unix_millis: u64) -> String {
    let time = i64::try_from(unix_millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    time.map_or(String::new(), |time| time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())
}

/// The 64-bit XXH3 hash, with seed 0, of the values in this encoding: one byte for the storage class (0 to 4: NULL, INTEGER,
/// REAL, TEXT, BLOB) and 8 bytes for a number (0 for NULL) or for the length of a TEXT or BLOB, whose bytes follow. Numbers are
/// little-endian.
pub(crate) fn hash64<'v>(values: impl Iterator<Item = Value<'v>>) -> i64 {
    let mut hasher = Xxh3::new();
    let mut add = |class: u8, number: [u8; 8], bytes: &[u8]| {
        hasher.update(&[class]);
        hasher.update(&number);
        hasher.update(bytes);
    };
    for value in values {
        match value {
            Value::Null => add(0, [0; 8], b""),
            Value::Integer(integer) => add(1, integer.to_le_bytes(), b""),
            // Hash negative zero as zero, since the two are equal.
            Value::Real(real) => add(2, (real + 0.0).to_le_bytes(), b""),
            Value::Text(text) => add(3, (text.len() as u64).to_le_bytes(), text),
            Value::Blob(blob) => add(4, (blob.len() as u64).to_le_bytes(), blob),
        }
    }
    hasher.digest().cast_signed()
}

/// Transliterates to lower-case ASCII letters and digits, separated by single hyphens.
pub(crate) fn slug(text: &[u8]) -> String {
    slug::slugify(String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_are_plain_decimals() {
        let cases = [
            ("1.5", Some(1.5)),
            ("-1.5e3", Some(-1500.0)),
            ("+.5", Some(0.5)),
            ("5.", Some(5.0)),
            ("7", Some(7.0)),
            ("1E-2", Some(0.01)),
            ("", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("1e400", None),
            ("inf", None),
            ("nan", None),
            (" 1", None),
            ("1_0", None),
            ("0x10", None),
        ];
        for (text, expected) in cases {
            assert_eq!(try_real(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn dates_are_parsed_with_their_format() {
        let cases = [
            ("31.01.2024", "%d.%m.%Y", Some("2024-01-31")),
            ("Jan 5, 2024", "%b %d, %Y", Some("2024-01-05")),
            ("01/02/2024 18:30", "%m/%d/%Y %H:%M", Some("2024-01-02T18:30:00")),
            ("2024-01-02 18:30:05 +0230", "%Y-%m-%d %H:%M:%S %z", Some("2024-01-02T18:30:05+02:30")),
            ("1960-12-31 23:59:59", "%Y-%m-%d %H:%M:%S", Some("1960-12-31T23:59:59")),
            ("2016-12-31 23:59:60", "%Y-%m-%d %H:%M:%S", None),
            ("60 31.12.2016 11", "%S %d.%m.%Y %H", None),
            ("30.02.2024", "%d.%m.%Y", None),
            ("31.01.2024 ", "%d.%m.%Y", None),
            ("", "%d.%m.%Y", None),
            ("2024", "%Y", None),
            ("x", "%", None),
        ];
        for (text, format, expected) in cases {
            assert_eq!(try_date(text.as_bytes(), format.as_bytes()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn times_are_formatted_as_in_sqlite() {
        assert_eq!(utc(0), "1970-01-01 00:00:00.000");
        assert_eq!(utc(1_706_725_800_007), "2024-01-31 18:30:00.007");
        assert_eq!(utc(u64::MAX), "");
    }

    #[test]
    fn hashes_depend_on_classes_and_boundaries_and_are_stable() {
        let hash = |values: &[Value<'_>]| hash64(values.iter().copied());
        let text = |text: &'static str| Value::Text(text.as_bytes());
        let all = [
            hash(&[]),
            hash(&[Value::Null]),
            hash(&[Value::Integer(0)]),
            hash(&[Value::Real(0.0)]),
            hash(&[text("")]),
            hash(&[Value::Blob(b"")]),
            hash(&[text("a"), text("bc")]),
            hash(&[text("ab"), text("c")]),
            hash(&[text("abc")]),
        ];
        assert!((1..all.len()).all(|index| !all[..index].contains(&all[index])));
        assert_eq!(hash(&[Value::Real(-0.0)]), hash(&[Value::Real(0.0)]));
        // The XXH3-64 hash of no bytes, from the specification.
        assert_eq!(all[0].cast_unsigned(), 0x2d06_8005_38d3_94c2);
    }

    #[test]
    fn slugs_are_ascii() {
        assert_eq!(slug("Größe & Maße: 日本".as_bytes()), "grosse-masse-ri-ben");
    }

    #[test]
    fn max_upper_growth_is_the_largest_growth() {
        let growth =
            |lower: char| lower.to_uppercase().map(char::len_utf8).sum::<usize>().div_ceil(lower.len_utf8());
        assert_eq!((char::MIN..=char::MAX).map(growth).max(), Some(MAX_UPPER_GROWTH));
    }

    #[test]
    fn case_mapping_is_unicodes_and_keeps_invalid_utf8() {
        assert_eq!(upper("straße é".as_bytes()), "STRASSE É".as_bytes());
        assert_eq!(lower("STRASSE É".as_bytes()), "strasse é".as_bytes());
        assert_eq!(upper(b"a\xffb"), b"A\xffB");
    }

    #[test]
    fn a_date_format_gives_a_date() {
        let formats = [
            ("%Y-%m-%d", "2024-02-29"),
            ("%d.%m.%y", "29.02.24"),
            ("%F", "2024-02-29"),
            ("%D", "02/29/24"),
            ("%b %d, %Y", "Feb 29, 2024"),
            ("%A, %e %B %Y", "Thursday, 29 February 2024"),
            ("%Y-%j", "2024-060"),
            ("%G-W%V-%u", "2024-W09-4"),
            ("%d/%m/%Y %I:%M %p", "29/02/2024 07:30 AM"),
            ("%Y-%m-%dT%H:%M:%S%.f%:z", "2024-02-29T07:30:00.25+01:00"),
            ("%Y%m%d%H%M%S%z", "20240229073000+0100"),
        ];
        for (format, text) in formats {
            assert!(try_date(text.as_bytes(), format.as_bytes()).is_some(), "{format}");
            assert!(is_date_format(format), "{format}");
        }
        for format in ["", "YYYY-MM-DD", "%K", "%d.%m", "%Y", "%Y-%m", "%H:%M", "%Y-%m-%d %"] {
            assert!(!is_date_format(format), "{format}");
        }
    }
}
