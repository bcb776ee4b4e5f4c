//! The values of fields: removes quotes and replaces escapes.

use crate::plan::{Dialect, Escapes};
use std::ops::Range;

/// If the value of a field is a part of the field as written, returns this part. Returns `None` if the value has to be
/// copied, because the field contains a quote or an escape inside.
#[inline]
pub(crate) fn verbatim(raw: &[u8], dialect: Dialect) -> Option<Range<usize>> {
    match (raw, dialect.quote) {
        ([first, rest @ ..], Some(quote)) if *first == quote => {
            let closing = match dialect.escape {
                None => memchr::memchr(quote, rest),
                Some(escape) => memchr::memchr2(quote, escape, rest),
            };
            match closing {
                None => Some(1..raw.len()),
                Some(at) => (at + 1 == rest.len() && rest[at] == quote).then_some(1..at + 1),
            }
        }
        _ => {
            let escape = dialect.escape.filter(|_| dialect.escapes_everywhere());
            let has_escape = escape.is_some_and(|escape| memchr::memchr(escape, raw).is_some());
            (!has_escape).then_some(0..raw.len())
        }
    }
}

/// Writes bytes one part after the other.
struct Output<'t> {
    to: &'t mut [u8],
    used: usize,
}

impl Output<'_> {
    fn put(&mut self, part: &[u8]) {
        self.to[self.used..self.used + part.len()].copy_from_slice(part);
        self.used += part.len();
    }
}

/// Writes the value of a field to the start of `to`, and returns its length in bytes. The value is never longer than `raw`,
/// the field as written.
///
/// # Panics
/// If `to` is shorter than the value.
pub(crate) fn unquote_into(raw: &[u8], dialect: Dialect, to: &mut [u8]) -> usize {
    let mut output = Output { to, used: 0 };
    let rest = match (raw, dialect.quote) {
        ([first, rest @ ..], Some(quote)) if *first == quote => {
            unquote_section(rest, quote, dialect, &mut output)
        }
        _ => raw,
    };
    match dialect.escape.filter(|_| dialect.escapes_everywhere()) {
        Some(escape) => unescape(rest, escape, dialect.escapes, &mut output),
        None => output.put(rest),
    }
    output.used
}

/// Writes the value of a quoted section, which `rest` is after its opening quote. Returns what follows the closing quote.
fn unquote_section<'r>(mut rest: &'r [u8], quote: u8, dialect: Dialect, output: &mut Output<'_>) -> &'r [u8] {
    let special = |rest: &[u8]| match dialect.escape {
        None => memchr::memchr(quote, rest),
        Some(escape) => memchr::memchr2(quote, escape, rest),
    };
    while let Some(at) = special(rest) {
        output.put(&rest[..at]);
        let is_quote = rest[at] == quote;
        rest = &rest[at + 1..];
        if !is_quote {
            rest = put_escaped(rest, dialect.escapes, output);
        } else if let [next, after @ ..] = rest
            && *next == quote
        {
            output.put(&[quote]);
            rest = after;
        } else {
            return rest;
        }
    }
    output.put(rest);
    &[]
}

/// Writes `rest`, which is outside quotes, with its escapes replaced.
fn unescape(mut rest: &[u8], escape: u8, escapes: Escapes, output: &mut Output<'_>) {
    while let Some(at) = memchr::memchr(escape, rest) {
        // At the end of the input, an escape stands for itself.
        let is_last = at + 1 == rest.len();
        output.put(&rest[..at + usize::from(is_last)]);
        rest = put_escaped(&rest[at + 1..], escapes, output);
    }
    output.put(rest);
}

/// Writes the byte that an escape stands for. `rest` is what follows the escape. Returns what follows the escaped byte.
fn put_escaped<'r>(rest: &'r [u8], escapes: Escapes, output: &mut Output<'_>) -> &'r [u8] {
    let Some((byte, bytes)) = escaped_byte(rest, escapes) else { return rest };
    output.put(&[byte]);
    &rest[bytes..]
}

/// The byte that an escape before `rest` stands for, and the number of bytes of `rest` that belong to the escape. `None` if
/// `rest` is empty.
pub(crate) fn escaped_byte(rest: &[u8], escapes: Escapes) -> Option<(u8, usize)> {
    let first = *rest.first()?;
    let control = |byte| Some((byte, 1));
    match (escapes, first) {
        (Escapes::Quoted, _) => Some((first, 1)),
        (_, b'b') => control(8),
        (_, b't') => control(b'\t'),
        (_, b'n') => control(b'\n'),
        (_, b'r') => control(b'\r'),
        (Escapes::MySql, b'0') => control(0),
        (Escapes::MySql, b'Z') => control(26),
        (Escapes::Postgres, b'v') => control(11),
        (Escapes::Postgres, b'f') => control(12),
        (Escapes::Postgres, b'0'..=b'7') => Some(number(rest, 3, 8)),
        (Escapes::Postgres, b'x') => {
            let (byte, digits) = number(&rest[1..], 2, 16);
            Some(if digits > 0 { (byte, digits + 1) } else { (first, 1) })
        }
        _ => Some((first, 1)),
    }
}

/// The lowest byte of the number that `text` starts with, which has at most `most` digits, and the number of its digits.
fn number(text: &[u8], most: usize, radix: u32) -> (u8, usize) {
    let digits = text.iter().take(most).map_while(|byte| char::from(*byte).to_digit(radix));
    let (number, count) = digits.fold((0, 0), |(number, count), digit| (number * radix + digit, count + 1));
    (number as u8, count)
}
