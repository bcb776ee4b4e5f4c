//! Texts, taken apart and searched.
//!
//! SQLite ends some texts at a NUL and not others, so texts with one are left to it. Characters are code points.

use super::{DeferToSqlite, Result};
use crate::batch::{Arena, Value};
use crate::plan::Function;

/// Longer patterns than these are an error of SQLite's.
const MAX_PATTERN_BYTES: usize = 50_000;

/// Longer texts are not made here: SQLite has a limit.
const MAX_TEXT_BYTES: usize = 100 << 20;

/// What SQLite takes a value for that is to be a text.
pub(super) fn text<'a>(value: Value<'a>, arena: &'a Arena) -> Result<&'a [u8]> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Integer(integer) => Ok(arena.copy(itoa::Buffer::new().format(integer).as_bytes())),
        Value::Null | Value::Real(_) | Value::Blob(_) => Err(DeferToSqlite),
    }
}

/// A text as characters, if there is no NUL in it.
fn chars(text: &[u8]) -> Result<&str> {
    if text.contains(&0) {
        return Err(DeferToSqlite);
    }
    std::str::from_utf8(text).map_err(|_| DeferToSqlite)
}

/// Hexadecimal digits of the bytes of a value.
pub(super) fn hex<'a>(value: Value<'a>, arena: &'a Arena) -> Result<Value<'a>> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = match value {
        Value::Null => b"",
        Value::Blob(blob) => blob,
        value => text(value, arena)?,
    };
    let mut digits = arena.vec(2 * bytes.len());
    for byte in bytes {
        digits.extend_from_slice_copy(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    Ok(Value::Text(digits.into_bump_slice()))
}

/// A text without the characters in `chars` at its ends, or at one of them.
pub(super) fn trim<'a>(text: &'a [u8], chars: &[u8], function: Function) -> Result<&'a [u8]> {
    let (text, set) = (self::chars(text)?, self::chars(chars)?);
    let is_in = |char: char| set.contains(char);
    Ok(match function {
        Function::TrimStart => text.trim_start_matches(is_in),
        Function::TrimEnd => text.trim_end_matches(is_in),
        _ => text.trim_matches(is_in),
    }
    .as_bytes())
}

/// So many characters of a text from one on, counted from 1, or from the end if negative; all that follow where it is
/// not said how many, and those before if that is negative (`substrFunc`).
pub(super) fn substr<'a>(text: &'a [u8], start: Value<'_>, count: Option<Value<'_>>) -> Result<&'a [u8]> {
    const FAR: i64 = 1 << 40;
    let number = |value| match value {
        Value::Integer(integer) if (-FAR..=FAR).contains(&integer) => Ok(integer),
        _ => Err(DeferToSqlite),
    };
    let text = chars(text)?;
    let (mut start, mut count) = (number(start)?, count.map_or(Ok(2 * FAR), number)?);
    if start < 0 {
        start += text.chars().count() as i64;
        if start < 0 {
            count = if count < 0 { 0 } else { count + start };
            start = 0;
        }
    } else if start > 0 {
        start -= 1;
    } else if count > 0 {
        count -= 1;
    }
    if count < 0 {
        count = if count < -start { start } else { -count };
        start -= count;
    }
    let end = start + count;
    let at = |chars: i64| {
        let nth = text.char_indices().nth(usize::try_from(chars).unwrap_or(0));
        nth.map_or(text.len(), |(at, _)| at)
    };
    Ok(&text.as_bytes()[at(start)..at(end)])
}

/// A text with another in each place of a third.
pub(super) fn replace<'a>(text: &[u8], pattern: &[u8], by: &[u8], arena: &'a Arena) -> Result<&'a [u8]> {
    let (text, pattern, by) = (chars(text)?, chars(pattern)?, chars(by)?);
    let most = text.len().saturating_mul(by.len().max(1));
    if most > MAX_TEXT_BYTES {
        return Err(DeferToSqlite);
    }
    Ok(arena.copy(text.replace(pattern, by).as_bytes()))
}

/// The place of a text in another, in characters counted from 1; 0 if it is not there.
pub(super) fn instr(text: &[u8], part: &[u8]) -> Result<i64> {
    let (text, part) = (chars(text)?, chars(part)?);
    Ok(text.find(part).map_or(0, |at| text[..at].chars().count() as i64 + 1))
}

/// The number of characters.
pub(super) fn length(text: &[u8]) -> Result<i64> {
    Ok(chars(text)?.chars().count() as i64)
}

/// Whether a text is as a pattern of LIKE says: `%` for any characters, `_` for one, ASCII letters in any case.
pub(super) fn like(text: &[u8], pattern: &[u8]) -> Result<bool> {
    is_match(text, pattern, '%', '_', |one, other| one.eq_ignore_ascii_case(&other))
}

/// Whether a text is as a pattern of GLOB says: `*` for any characters, `?` for one. Those with sets are left to SQLite.
pub(super) fn glob(text: &[u8], pattern: &[u8]) -> Result<bool> {
    if pattern.contains(&b'[') {
        return Err(DeferToSqlite);
    }
    is_match(text, pattern, '*', '?', |one, other| one == other)
}

fn is_match(
    text: &[u8],
    pattern: &[u8],
    any: char,
    one: char,
    is_same: impl Fn(char, char) -> bool,
) -> Result<bool> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(DeferToSqlite);
    }
    let (mut text, mut pattern) = (chars(text)?.chars(), chars(pattern)?.chars());
    // Behind the last `any`, and where it was last tried.
    let mut retry = None;
    loop {
        let before = (text.clone(), pattern.clone());
        match (pattern.next(), text.next()) {
            (None, None) => return Ok(true),
            (Some(wanted), found) if wanted == any => {
                let _ = found;
                text = before.0;
                retry = Some((text.clone(), pattern.clone()));
            }
            (Some(wanted), Some(found)) if wanted == one || is_same(wanted, found) => {}
            _ => {
                let Some((mut from, behind)) = retry.take() else { return Ok(false) };
                if from.next().is_none() {
                    return Ok(false);
                }
                (text, pattern) = (from.clone(), behind.clone());
                retry = Some((from, behind));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_they_say() {
        let cases = [
            ("", "", true),
            ("a", "", false),
            ("", "%", true),
            ("abc", "A%C", true),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("abcabd", "%abd", true),
            ("aab", "%ab", true),
            ("é", "_", true),
            ("É", "é", false),
            ("ab", "%%_%", true),
            ("", "_%", false),
        ];
        for (text, pattern, expected) in cases {
            assert_eq!(
                like(text.as_bytes(), pattern.as_bytes()).ok(),
                Some(expected),
                "{text:?} {pattern:?}"
            );
        }
        assert_eq!(glob(b"abc", b"A*").ok(), Some(false));
        assert_eq!(glob(b"abc", b"a*c").ok(), Some(true));
        assert!(glob(b"abc", b"[a]bc").is_err());
    }

    #[test]
    fn parts_of_a_text_are_counted_in_characters() {
        let cases = [
            (1, None, "häß"),
            (2, Some(1), "ä"),
            (-1, None, "ß"),
            (0, Some(2), "h"),
            (2, Some(-1), "h"),
            (-5, Some(3), "h"),
            (9, None, ""),
            (-9, None, "häß"),
        ];
        for (start, count, expected) in cases {
            let count = count.map(Value::Integer);
            let part = substr("häß".as_bytes(), Value::Integer(start), count).ok();
            assert_eq!(part, Some(expected.as_bytes()), "{start} {count:?}");
        }
    }
}
