//! `printf`, `date`, `time`, `datetime` and `strftime`, of what is plain.

use super::{DeferToSqlite, Result, numbers, texts};
use crate::batch::{Arena, ArenaVec, Value};
use crate::eval::format_strings::{Dated, Padding, Printed, parse_printf_piece, parse_strftime_piece};
use crate::plan::Function;

/// What `printf` makes of a format and its arguments; those that are not there are NULL.
pub(super) fn print<'a>(of: &[Value<'a>], arena: &'a Arena) -> Result<Value<'a>> {
    let [Value::Text(format), arguments @ ..] = of else { return Err(DeferToSqlite) };
    let mut format = std::str::from_utf8(format).map_err(|_| DeferToSqlite)?;
    let mut arguments = arguments.iter().copied();
    let mut made = arena.vec(format.len());
    while !format.is_empty() {
        let (part, rest) = parse_printf_piece(format).ok_or(DeferToSqlite)?;
        match part {
            Printed::Literal(text) => made.extend_from_slice_copy(text.as_bytes()),
            Printed::Text(padding, width) => {
                let text = match arguments.next() {
                    None | Some(Value::Null) => b"",
                    Some(value) => texts::text(value, arena)?,
                };
                // A text ends at a NUL there, and a width is one of bytes or of characters.
                if text.contains(&0) || (width > 0 && !text.is_ascii()) {
                    return Err(DeferToSqlite);
                }
                pad(text, padding, width, &mut made);
            }
            Printed::Integer(padding, width) => {
                let value = arguments.next().unwrap_or(Value::Null);
                let integer = match numbers::converted(Function::CastInteger, value)? {
                    Value::Integer(integer) => integer,
                    _ => 0,
                };
                pad(itoa::Buffer::new().format(integer).as_bytes(), padding, width, &mut made);
            }
        }
        format = rest;
    }
    // What SQLite makes of nothing is its own.
    if made.is_empty() { Err(DeferToSqlite) } else { Ok(Value::Text(made.into_bump_slice())) }
}

fn pad(text: &[u8], padding: Padding, width: usize, made: &mut ArenaVec<'_, u8>) {
    let missing = width.saturating_sub(text.len());
    let signs = match padding {
        Padding::Zeros => usize::from(text.starts_with(b"-")),
        Padding::Before => 0,
        Padding::Behind => text.len(),
    };
    let fill = if padding == Padding::Zeros { b'0' } else { b' ' };
    made.extend_from_slice_copy(&text[..signs]);
    made.extend(std::iter::repeat_n(fill, missing));
    made.extend_from_slice_copy(&text[signs..]);
}

/// What `date`, `time`, `datetime` or `strftime` makes of a date, or of a date and a time of day.
pub(super) fn date<'a>(function: Function, of: &[Value<'a>], arena: &'a Arena) -> Result<Value<'a>> {
    let (format, time) = match (function, of) {
        (Function::Date, [of]) => ("%F", of),
        (Function::Time, [of]) => ("%T", of),
        (Function::DateTime, [of]) => ("%F %T", of),
        (Function::StrfTime, [Value::Text(format), of]) => {
            (std::str::from_utf8(format).map_err(|_| DeferToSqlite)?, of)
        }
        _ => return Err(DeferToSqlite),
    };
    let moment = match time {
        Value::Null | Value::Text(b"") => return Ok(Value::Null),
        Value::Text(text) => moment(text).ok_or(DeferToSqlite)?,
        _ => return Err(DeferToSqlite),
    };
    let (mut made, mut format) = (arena.vec(format.len()), format);
    while !format.is_empty() {
        let (part, rest) = parse_strftime_piece(format).ok_or(DeferToSqlite)?;
        match part {
            Dated::Literal(text) => made.extend_from_slice_copy(text.as_bytes()),
            Dated::Part(part) => made.extend_from_slice_copy(&moment[part]),
        }
        format = rest;
    }
    Ok(Value::Text(made.into_bump_slice()))
}

/// A text of the form `YYYY-MM-DD`, `YYYY-MM-DD HH:MM` or `YYYY-MM-DD HH:MM:SS`, or with a T for the blank, in its longest
/// form, if there is such a day (proleptic Gregorian calendar) and such a time on it.
fn moment(text: &[u8]) -> Option<[u8; 19]> {
    let mut moment = *b"0000-00-00 00:00:00";
    if !matches!(text.len(), 10 | 16 | 19) {
        return None;
    }
    for (at, byte) in text.iter().enumerate() {
        let is_right = match moment[at] {
            b'0' => byte.is_ascii_digit(),
            b' ' => matches!(byte, b' ' | b'T'),
            separator => *byte == separator,
        };
        if !is_right {
            return None;
        }
        if moment[at] == b'0' {
            moment[at] = *byte;
        }
    }
    let number = |at: usize| u32::from(moment[at] - b'0') * 10 + u32::from(moment[at + 1] - b'0');
    let (year, month, day) = (100 * number(0) + number(2), number(5), number(8));
    let is_leap_year = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(is_leap_year),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let is_real = (1..=days).contains(&day) && number(11) < 24 && number(14) < 60 && number(17) < 60;
    is_real.then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Result<Value<'_>>) -> Option<String> {
        match value {
            Ok(Value::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    #[test]
    fn plain_formats_are_printed_here() {
        let arena = Arena::default();
        let print = |format: &'static str| {
            text(super::print(
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
            assert_eq!(print(format).as_deref(), expected, "{format}");
        }
    }

    #[test]
    fn plain_dates_are_known_here() {
        let arena = Arena::default();
        let format = |format: &'static str, of: &'static str| {
            text(date(
                Function::StrfTime,
                &[Value::Text(format.as_bytes()), Value::Text(of.as_bytes())],
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
        for (of_format, of, expected) in cases {
            assert_eq!(format(of_format, of).as_deref(), expected, "{of_format} {of}");
        }
    }
}
