//! Functions on texts.
//!
//! Some functions of SQLite end a text at a NUL and others do not, so texts with a NUL are deferred. Characters are code points.

use super::{DeferToSqlite, OrDefer};
use crate::batch::{Arena, Value};
use crate::plan::Function;

/// SQLite reports an error for longer patterns (`SQLITE_LIMIT_LIKE_PATTERN_LENGTH`).
const MAX_PATTERN_BYTES: usize = 50_000;

/// Longer results are deferred, since SQLite limits the length of a text.
const MAX_TEXT_BYTES: usize = 100 << 20;

/// Converts an argument to text. Defers for a REAL or a BLOB.
pub(super) fn text<'a>(value: Value<'a>, arena: &'a Arena) -> OrDefer<&'a [u8]> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Integer(integer) => Ok(arena.copy(itoa::Buffer::new().format(integer).as_bytes())),
        Value::Null | Value::Real(_) | Value::Blob(_) => Err(DeferToSqlite),
    }
}

/// A text without NUL as a string. Defers for others.
fn chars(text: &[u8]) -> OrDefer<&str> {
    if text.contains(&0) {
        return Err(DeferToSqlite);
    }
    std::str::from_utf8(text).map_err(|_| DeferToSqlite)
}

/// `hex(X)`.
pub(super) fn hex<'a>(value: Value<'a>, arena: &'a Arena) -> OrDefer<Value<'a>> {
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

/// `trim(X, Y)`, `ltrim(X, Y)` and `rtrim(X, Y)`.
pub(super) fn trim<'a>(text: &'a [u8], chars: &[u8], function: Function) -> OrDefer<&'a [u8]> {
    let (text, set) = (self::chars(text)?, self::chars(chars)?);
    let is_in_set = |char: char| set.contains(char);
    Ok(match function {
        Function::TrimStart => text.trim_start_matches(is_in_set),
        Function::TrimEnd => text.trim_end_matches(is_in_set),
        _ => text.trim_matches(is_in_set),
    }
    .as_bytes())
}

/// `substr(X, Y, Z)` and `substr(X, Y)` (`substrFunc`).
pub(super) fn substr<'a>(text: &'a [u8], start: Value<'_>, count: Option<Value<'_>>) -> OrDefer<&'a [u8]> {
    /// Larger numbers are deferred, so that sums do not overflow.
    const MAX_NUMBER: i64 = 1 << 40;
    let number = |value| match value {
        Value::Integer(integer) if (-MAX_NUMBER..=MAX_NUMBER).contains(&integer) => Ok(integer),
        _ => Err(DeferToSqlite),
    };
    let text = chars(text)?;
    let (mut start, mut count) = (number(start)?, count.map_or(Ok(2 * MAX_NUMBER), number)?);
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
    let byte_offset = |chars: i64| {
        let nth = text.char_indices().nth(usize::try_from(chars).unwrap_or(0));
        nth.map_or(text.len(), |(offset, _)| offset)
    };
    Ok(&text.as_bytes()[byte_offset(start)..byte_offset(end)])
}

/// `replace(X, Y, Z)`.
pub(super) fn replace<'a>(
    text: &[u8],
    pattern: &[u8],
    replacement: &[u8],
    arena: &'a Arena,
) -> OrDefer<&'a [u8]> {
    let (text, pattern, replacement) = (chars(text)?, chars(pattern)?, chars(replacement)?);
    if text.len().saturating_mul(replacement.len().max(1)) > MAX_TEXT_BYTES {
        return Err(DeferToSqlite);
    }
    Ok(arena.copy(text.replace(pattern, replacement).as_bytes()))
}

/// `instr(X, Y)`.
pub(super) fn instr(text: &[u8], part: &[u8]) -> OrDefer<i64> {
    let (text, part) = (chars(text)?, chars(part)?);
    Ok(text.find(part).map_or(0, |offset| text[..offset].chars().count() as i64 + 1))
}

/// `length(X)` of a text.
pub(super) fn length(text: &[u8]) -> OrDefer<i64> {
    Ok(chars(text)?.chars().count() as i64)
}

/// `LIKE`: `%` matches any characters, `_` matches one, and ASCII letters match in either case.
pub(super) fn like(text: &[u8], pattern: &[u8]) -> OrDefer<bool> {
    is_match(text, pattern, '%', '_', |one, other| one.eq_ignore_ascii_case(&other))
}

/// `GLOB`: `*` matches any characters, `?` matches one. Defers for patterns with a set of characters.
pub(super) fn glob(text: &[u8], pattern: &[u8]) -> OrDefer<bool> {
    if pattern.contains(&b'[') {
        return Err(DeferToSqlite);
    }
    is_match(text, pattern, '*', '?', |one, other| one == other)
}

/// Matches a text against a pattern, in which `any` matches any characters and `one` matches one.
fn is_match(
    text: &[u8],
    pattern: &[u8],
    any: char,
    one: char,
    is_same: impl Fn(char, char) -> bool,
) -> OrDefer<bool> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(DeferToSqlite);
    }
    let (mut text, mut pattern) = (chars(text)?.chars(), chars(pattern)?.chars());
    // The rest of the text and of the pattern to continue with after the last `any`.
    let mut retry = None;
    loop {
        let text_before = text.clone();
        match (pattern.next(), text.next()) {
            (None, None) => return Ok(true),
            (Some(expected), _) if expected == any => {
                text = text_before;
                retry = Some((text.clone(), pattern.clone()));
            }
            (Some(expected), Some(char)) if expected == one || is_same(expected, char) => {}
            _ => {
                let Some((mut text_rest, pattern_rest)) = retry.take() else { return Ok(false) };
                if text_rest.next().is_none() {
                    return Ok(false);
                }
                (text, pattern) = (text_rest.clone(), pattern_rest.clone());
                retry = Some((text_rest, pattern_rest));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
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
    fn substr_counts_characters() {
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
