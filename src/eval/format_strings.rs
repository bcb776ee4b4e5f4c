//! Parses the formats of `printf` and `strftime` that compiled expressions support. SQLite evaluates the others.

use std::ops::Range;

/// A width has at most this many digits.
const MAX_WIDTH_DIGITS: usize = 3;

/// How a value is padded to its minimum width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// With spaces before it.
    Left,
    /// With spaces after it.
    Right,
    /// With zeros after its sign.
    Zeros,
}

/// A piece of a `printf` format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrintfPiece<'f> {
    Literal(&'f str),
    /// `%s`, with the minimum width.
    Text(Padding, usize),
    /// `%d` or `%i`, with the minimum width.
    Integer(Padding, usize),
}

/// The first piece of a `printf` format, and the rest of the format; `None` if the format is empty or the piece is not supported.
pub(crate) fn parse_printf_piece(format: &str) -> Option<(PrintfPiece<'_>, &str)> {
    let Some(directive) = format.strip_prefix('%') else { return literal(format, PrintfPiece::Literal) };
    let (padding, rest) = match directive.as_bytes().first()? {
        b'%' => return Some((PrintfPiece::Literal(&directive[..1]), &directive[1..])),
        // `%-05d` has both flags, which is not supported.
        b'-' if directive.as_bytes().get(1) != Some(&b'0') => (Padding::Right, &directive[1..]),
        b'0' => (Padding::Zeros, &directive[1..]),
        _ => (Padding::Left, directive),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let width =
        if digits == 0 { 0 } else { rest[..digits].parse().ok().filter(|_| digits <= MAX_WIDTH_DIGITS)? };
    let piece = match (rest.as_bytes().get(digits)?, padding) {
        (b's', Padding::Left | Padding::Right) => PrintfPiece::Text(padding, width),
        (b'd' | b'i', _) => PrintfPiece::Integer(padding, width),
        _ => return None,
    };
    Some((piece, &rest[digits + 1..]))
}

/// A piece of a `strftime` format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StrftimePiece<'f> {
    Literal(&'f str),
    /// A range of bytes of `YYYY-MM-DD HH:MM:SS`.
    Field(Range<usize>),
}

/// The first piece of a `strftime` format, and the rest of the format; `None` if the format is empty or the piece is not
/// supported.
pub(crate) fn parse_strftime_piece(format: &str) -> Option<(StrftimePiece<'_>, &str)> {
    let Some(directive) = format.strip_prefix('%') else { return literal(format, StrftimePiece::Literal) };
    let piece = match directive.as_bytes().first()? {
        b'%' => StrftimePiece::Literal(&directive[..1]),
        b'Y' => StrftimePiece::Field(0..4),
        b'm' => StrftimePiece::Field(5..7),
        b'd' => StrftimePiece::Field(8..10),
        b'H' => StrftimePiece::Field(11..13),
        b'M' => StrftimePiece::Field(14..16),
        b'S' => StrftimePiece::Field(17..19),
        b'F' => StrftimePiece::Field(0..10),
        b'T' => StrftimePiece::Field(11..19),
        b'R' => StrftimePiece::Field(11..16),
        _ => return None,
    };
    Some((piece, &directive[1..]))
}

/// The text before the first directive as a piece, and the rest; `None` if there is no such text.
fn literal<'f, P>(format: &'f str, piece: fn(&'f str) -> P) -> Option<(P, &'f str)> {
    let (text, rest) = format.split_at(format.find('%').unwrap_or(format.len()));
    (!text.is_empty()).then(|| (piece(text), rest))
}

/// True if a format is supported, where `parse_piece` parses its first piece. Empty formats and those with NUL are not.
pub(crate) fn is_supported<'f, P: 'f>(
    mut format: &'f str,
    parse_piece: fn(&'f str) -> Option<(P, &'f str)>,
) -> bool {
    if format.is_empty() || format.contains('\0') {
        return false;
    }
    while let Some((_, rest)) = parse_piece(format) {
        format = rest;
    }
    format.is_empty()
}
