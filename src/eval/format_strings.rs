//! The formats of `printf` and `strftime` that there is code for; what they say more is left to SQLite.

use std::ops::Range;

/// The widest that a value is padded to.
const MAX_WIDTH_DIGITS: usize = 3;

/// How a value is made as wide as it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// By blanks before it.
    Before,
    /// By blanks behind it.
    Behind,
    /// By zeros behind its sign.
    Zeros,
}

/// A part of a format of `printf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Printed<'f> {
    Literal(&'f str),
    /// `%s`, and the least width.
    Text(Padding, usize),
    /// `%d` or `%i`, and the least width.
    Integer(Padding, usize),
}

/// The first part of a format of `printf`, and what follows it; nothing if it is not one of those, or if there is none.
pub(crate) fn parse_printf_piece(format: &str) -> Option<(Printed<'_>, &str)> {
    let Some(directive) = format.strip_prefix('%') else { return literal(format, Printed::Literal) };
    let (padding, rest) = match directive.as_bytes().first()? {
        b'%' => return Some((Printed::Literal(&directive[..1]), &directive[1..])),
        // A zero behind it would be more than the begin of the width.
        b'-' if directive.as_bytes().get(1) != Some(&b'0') => (Padding::Behind, &directive[1..]),
        b'0' => (Padding::Zeros, &directive[1..]),
        _ => (Padding::Before, directive),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let width =
        if digits == 0 { 0 } else { rest[..digits].parse().ok().filter(|_| digits <= MAX_WIDTH_DIGITS)? };
    let piece = match (rest.as_bytes().get(digits)?, padding) {
        (b's', Padding::Before | Padding::Behind) => Printed::Text(padding, width),
        (b'd' | b'i', _) => Printed::Integer(padding, width),
        _ => return None,
    };
    Some((piece, &rest[digits + 1..]))
}

/// A part of a format of `strftime`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dated<'f> {
    Literal(&'f str),
    /// These bytes of `YYYY-MM-DD HH:MM:SS`.
    Part(Range<usize>),
}

/// As [`parse_printf_piece`], for `strftime`.
pub(crate) fn parse_strftime_piece(format: &str) -> Option<(Dated<'_>, &str)> {
    let Some(directive) = format.strip_prefix('%') else { return literal(format, Dated::Literal) };
    let piece = match directive.as_bytes().first()? {
        b'%' => Dated::Literal(&directive[..1]),
        b'Y' => Dated::Part(0..4),
        b'm' => Dated::Part(5..7),
        b'd' => Dated::Part(8..10),
        b'H' => Dated::Part(11..13),
        b'M' => Dated::Part(14..16),
        b'S' => Dated::Part(17..19),
        b'F' => Dated::Part(0..10),
        b'T' => Dated::Part(11..19),
        b'R' => Dated::Part(11..16),
        _ => return None,
    };
    Some((piece, &directive[1..]))
}

/// What comes before the first directive, if anything does.
fn literal<'f, P>(format: &'f str, of: fn(&'f str) -> P) -> Option<(P, &'f str)> {
    let (text, rest) = format.split_at(format.find('%').unwrap_or(format.len()));
    (!text.is_empty()).then(|| (of(text), rest))
}

/// Whether there is a format, and code for all of it, where `part` finds its first part.
pub(crate) fn is_known<'f, P: 'f>(mut format: &'f str, part: fn(&'f str) -> Option<(P, &'f str)>) -> bool {
    let is_empty = format.is_empty() || format.contains('\0');
    while let Some((_, rest)) = part(format) {
        format = rest;
    }
    format.is_empty() && !is_empty
}
