//! `printf`, `date`, `time`, `datetime` and `strftime`, for common formats and dates.

use super::{DeferToSqlite, OrDefer, numbers, texts};
use crate::batch::{Arena, ArenaVec, Value};
use crate::eval::format_strings::{
    Padding, PrintfPiece, StrftimePiece, parse_printf_piece, parse_strftime_piece,
};
use crate::plan::Function;

/// `printf(FORMAT, ...)`. Missing arguments are NULL.
pub(super) fn printf<'a>(arguments: &[Value<'a>], arena: &'a Arena) -> OrDefer<Value<'a>> {
    let [Value::Text(format), arguments @ ..] = arguments else { return Err(DeferToSqlite) };
    let mut format = std::str::from_utf8(format).map_err(|_| DeferToSqlite)?;
    let mut arguments = arguments.iter().copied();
    let mut output = arena.vec(format.len());
    while !format.is_empty() {
        let (piece, rest) = parse_printf_piece(format).ok_or(DeferToSqlite)?;
        match piece {
            PrintfPiece::Literal(text) => output.extend_from_slice_copy(text.as_bytes()),
            PrintfPiece::Text(padding, width) => {
                let text = match arguments.next() {
                    None | Some(Value::Null) => b"",
                    Some(value) => texts::text(value, arena)?,
                };
                // SQLite ends the text at a NUL, and a width can count bytes or characters.
                if text.contains(&0) || (width > 0 && !text.is_ascii()) {
                    return Err(DeferToSqlite);
                }
                pad(text, padding, width, &mut output);
            }
            PrintfPiece::Integer(padding, width) => {
                let value = arguments.next().unwrap_or(Value::Null);
                let integer = match numbers::convert(Function::CastInteger, value)? {
                    Value::Integer(integer) => integer,
                    _ => 0,
                };
                pad(itoa::Buffer::new().format(integer).as_bytes(), padding, width, &mut output);
            }
        }
        format = rest;
    }
    // SQLite may return NULL for an empty result.
    if output.is_empty() { Err(DeferToSqlite) } else { Ok(Value::Text(output.into_bump_slice())) }
}

/// Appends a text, padded to `width` bytes.
fn pad(text: &[u8], padding: Padding, width: usize, output: &mut ArenaVec<'_, u8>) {
    let missing = width.saturating_sub(text.len());
    let bytes_before_fill = match padding {
        Padding::Zeros => usize::from(text.starts_with(b"-")),
        Padding::Left => 0,
        Padding::Right => text.len(),
    };
    let fill = if padding == Padding::Zeros { b'0' } else { b' ' };
    output.extend_from_slice_copy(&text[..bytes_before_fill]);
    output.extend(std::iter::repeat_n(fill, missing));
    output.extend_from_slice_copy(&text[bytes_before_fill..]);
}

/// `date(T)`, `time(T)`, `datetime(T)` and `strftime(FORMAT, T)` of a date with or without a time.
pub(super) fn date<'a>(function: Function, arguments: &[Value<'a>], arena: &'a Arena) -> OrDefer<Value<'a>> {
    let (format, time) = match (function, arguments) {
        (Function::Date, [time]) => ("%F", time),
        (Function::Time, [time]) => ("%T", time),
        (Function::DateTime, [time]) => ("%F %T", time),
        (Function::StrfTime, [Value::Text(format), time]) => {
            (std::str::from_utf8(format).map_err(|_| DeferToSqlite)?, time)
        }
        _ => return Err(DeferToSqlite),
    };
    let timestamp = match time {
        Value::Null | Value::Text(b"") => return Ok(Value::Null),
        Value::Text(text) => parse_timestamp(text).ok_or(DeferToSqlite)?,
        _ => return Err(DeferToSqlite),
    };
    let (mut output, mut format) = (arena.vec(format.len()), format);
    while !format.is_empty() {
        let (piece, rest) = parse_strftime_piece(format).ok_or(DeferToSqlite)?;
        match piece {
            StrftimePiece::Literal(text) => output.extend_from_slice_copy(text.as_bytes()),
            StrftimePiece::Field(range) => output.extend_from_slice_copy(&timestamp[range]),
        }
        format = rest;
    }
    Ok(Value::Text(output.into_bump_slice()))
}

/// Completes `YYYY-MM-DD`, `YYYY-MM-DD HH:MM` or `YYYY-MM-DD HH:MM:SS`, with a space or a T before the time, to
/// `YYYY-MM-DD HH:MM:SS`. Returns `None` for other forms, and if the day (in the proleptic Gregorian calendar) or the time does not
/// exist.
fn parse_timestamp(text: &[u8]) -> Option<[u8; 19]> {
    let mut timestamp = *b"0000-00-00 00:00:00";
    if !matches!(text.len(), 10 | 16 | 19) {
        return None;
    }
    for (index, byte) in text.iter().enumerate() {
        let is_valid = match timestamp[index] {
            b'0' => byte.is_ascii_digit(),
            b' ' => matches!(byte, b' ' | b'T'),
            separator => *byte == separator,
        };
        if !is_valid {
            return None;
        }
        if timestamp[index] == b'0' {
            timestamp[index] = *byte;
        }
    }
    let number =
        |start: usize| u32::from(timestamp[start] - b'0') * 10 + u32::from(timestamp[start + 1] - b'0');
    let (year, month, day) = (100 * number(0) + number(2), number(5), number(8));
    let is_leap_year = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(is_leap_year),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let exists = (1..=days).contains(&day) && number(11) < 24 && number(14) < 60 && number(17) < 60;
    exists.then_some(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: OrDefer<Value<'_>>) -> Option<String> {
        match value {
            Ok(Value::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    #[test]
    fn printf_supports_common_formats() {
        let arena = Arena::default();
        let printf = |format: &'static str| {
            text(super::printf(
                &[Value::Text(format.as_bytes()), Value::Text(b"-7x"), Value::Integer(-42)],
                &arena,
            ))
        };
        let cases = [
            ("%s", Some("-7x")),
            ("%d%%", Some("-7%")),
            ("<%5s|%05i|%s|%d>", Some("<  -7x|-0042||0>")),
            ("%-5s.%-5d.", Some("-7x  .-42  .")),
            ("%.2f", None),
            ("%05s", None),
            ("%-05d", None),
            ("%", None),
        ];
        for (format, expected) in cases {
            assert_eq!(printf(format).as_deref(), expected, "{format}");
        }
    }

    #[test]
    fn strftime_supports_common_formats_and_dates() {
        let arena = Arena::default();
        let strftime = |format: &'static str, time: &'static str| {
            text(date(
                Function::StrfTime,
                &[Value::Text(format.as_bytes()), Value::Text(time.as_bytes())],
                &arena,
            ))
        };
        let cases = [
            ("%Y/%m/%d", "2024-02-29", Some("2024/02/29")),
            ("%F %T", "1900-12-31T23:59", Some("1900-12-31 23:59:00")),
            ("%H.%M.%S", "2001-02-03 04:05:06", Some("04.05.06")),
            ("%F", "1900-02-29", None),
            ("%F", "2024-04-31", None),
            ("%F", "2024-13-01", None),
            ("%F", "2024-00-01", None),
            ("%F", "2001-02-03 24:00:00", None),
            ("%F", "2001-02-03x04:05", None),
            ("%F", "12:34", None),
            ("%j", "2024-02-29", None),
        ];
        for (format, time, expected) in cases {
            assert_eq!(strftime(format, time).as_deref(), expected, "{format} {time}");
        }
    }
}
