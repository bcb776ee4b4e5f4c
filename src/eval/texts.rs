//! Operations that produce columns of text: upper case, concatenation, integers to text.
//!
//! The texts of a column are written one after the other into one buffer. Short texts are copied as a fixed number of bytes,
//! which compiles to a few instructions; the excess bytes are overwritten by the next text. If a text can be NULL, or the
//! texts are too long for one buffer, each text is allocated on its own.

use super::compile::OpIndex;
use super::functions::{MAX_UPPER_GROWTH, upper_to};
use crate::batch::{
    Arena, ArenaVec, Copier, MAX_STRINGS_BYTES, PADDING_BYTES, Span, Strings, StringsBuilder, Value, Values,
    copy_text,
};

/// Unicode upper case, character by character with the full case mapping: `ß` becomes `SS`.
pub(super) fn upper<'a>(values: Values<'a>, row_count: usize, arena: &'a Arena) -> Values<'a> {
    let Some((texts, bytes)) = texts_of(values, row_count, MAX_STRINGS_BYTES / MAX_UPPER_GROWTH, arena)
    else {
        return each_text(row_count, arena, |row, upper| {
            let mut text = arena.vec(0);
            append_text(values.get(row), &mut text)?;
            let buffer = arena.zeros(MAX_UPPER_GROWTH * text.len());
            let bytes = upper_to(&text, buffer);
            upper.extend_from_slice_copy(&buffer[..bytes]);
            Some(())
        });
    };
    let copier = Copier::new(texts);
    let mut copies = StringsBuilder::new(row_count, bytes, arena);
    (0..row_count).for_each(|row| copies.push(|output| copier.copy(row, output)));
    let copied = &mut copies.bytes[..bytes];
    if copied.is_ascii() {
        copied.make_ascii_uppercase();
        return Values::Texts(copies.finish());
    }
    // Read the copies, not the originals, which may be in a mapped file that another process modifies.
    let copies = copies.finish();
    let mut uppers = StringsBuilder::new(row_count, MAX_UPPER_GROWTH * bytes, arena);
    (0..row_count).for_each(|row| uppers.push(|output| upper_to(copies.get(row), output)));
    Values::Texts(uppers.finish())
}

/// Constants of up to this many bytes are appended to the part before them.
const MAX_SUFFIX_BYTES: usize = 16;

/// An operand of a concatenation, and a constant that follows it.
struct ConcatPart<'a> {
    texts: Copier<'a>,
    /// The bytes of the constant, followed by arbitrary ones.
    suffix: [u8; MAX_SUFFIX_BYTES],
    suffix_bytes: usize,
    /// All ones if `texts` has a text for each row, zero if it has the same text for all rows.
    row_mask: usize,
}

/// Concatenates the operands as text; NULL if one is NULL.
pub(super) fn concat<'a>(
    operands: &[OpIndex],
    columns: &[Values<'a>],
    row_count: usize,
    arena: &'a Arena,
) -> Values<'a> {
    let Some((parts, bytes)) = concat_parts(operands, columns, row_count, arena) else {
        let append = |row: usize, text: &mut ArenaVec<'a, u8>| {
            operands.iter().try_for_each(|operand| append_text(columns[*operand].get(row), text))
        };
        return each_text(row_count, arena, append);
    };
    let mut texts = StringsBuilder::new(row_count, bytes, arena);
    for row in 0..row_count {
        texts.push(|mut output| {
            let available = output.len();
            for part in &parts {
                let bytes = part.texts.copy(row & part.row_mask, output);
                output = &mut output[bytes..];
                match output.first_chunk_mut() {
                    Some(output) => *output = part.suffix,
                    None => output[..part.suffix_bytes].copy_from_slice(&part.suffix[..part.suffix_bytes]),
                }
                output = &mut output[part.suffix_bytes..];
            }
            available - output.len()
        });
    }
    Values::Texts(texts.finish())
}

/// The parts of a concatenation and the total bytes of its texts; `None` if an operand can be NULL, or the texts are too long.
fn concat_parts<'a>(
    operands: &[OpIndex],
    columns: &[Values<'a>],
    row_count: usize,
    arena: &'a Arena,
) -> Option<(ArenaVec<'a, ConcatPart<'a>>, usize)> {
    let mut parts: ArenaVec<'a, ConcatPart<'a>> = arena.vec(operands.len());
    let mut bytes = 0;
    for operand in operands {
        let max_bytes = MAX_STRINGS_BYTES.saturating_sub(bytes);
        let is_boolean_literal = matches!(columns[*operand], Values::Constant(_));
        let text_count = if is_boolean_literal { 1 } else { row_count };
        let (texts, text_bytes) = texts_of(columns[*operand], text_count, max_bytes, arena)?;
        match parts.last_mut() {
            Some(ConcatPart { suffix, suffix_bytes: suffix_bytes @ 0, .. })
                if is_boolean_literal && text_bytes <= MAX_SUFFIX_BYTES =>
            {
                *suffix = std::array::from_fn(|index| texts.bytes[index]);
                *suffix_bytes = text_bytes;
            }
            _ => parts.push(ConcatPart {
                texts: Copier::new(texts),
                suffix: [0; MAX_SUFFIX_BYTES],
                suffix_bytes: 0,
                row_mask: if is_boolean_literal { 0 } else { !0 },
            }),
        }
        bytes += if is_boolean_literal { row_count * text_bytes } else { text_bytes };
    }
    (bytes <= MAX_STRINGS_BYTES).then_some((parts, bytes))
}

/// The values as text, and their total bytes; `None` if a value can be NULL or REAL, or they have more than `max_bytes`.
fn texts_of<'a>(
    values: Values<'a>,
    row_count: usize,
    max_bytes: usize,
    arena: &'a Arena,
) -> Option<(Strings<'a>, usize)> {
    let texts = match values {
        Values::Texts(strings) | Values::Blobs(strings) => strings,
        Values::Integers(integers) => integer_texts(integers, max_bytes, arena)?,
        Values::Reals(_) | Values::Nullable(_) | Values::Mixed(_) | Values::Constant(Value::Null) => {
            return None;
        }
        Values::Constant(value) => {
            let mut text = arena.vec(0);
            append_text(value, &mut text)?;
            let span = Span { start: 0, end: u32::try_from(text.len()).ok()? };
            text.extend_from_slice_copy(&[0; PADDING_BYTES]);
            Strings { bytes: text.into_bump_slice(), spans: arena.list(std::iter::repeat_n(span, row_count)) }
        }
    };
    let bytes = texts.spans.iter().map(|span| span.len()).sum();
    (bytes <= max_bytes).then_some((texts, bytes))
}

/// Integers in decimal; `None` if they could need more than `max_bytes`.
fn integer_texts<'a>(integers: &[i64], max_bytes: usize, arena: &'a Arena) -> Option<Strings<'a>> {
    /// The length of `i64::MIN` in decimal.
    const MAX_INTEGER_BYTES: usize = 20;
    let bytes = MAX_INTEGER_BYTES * integers.len();
    if bytes > max_bytes {
        return None;
    }
    let mut texts = StringsBuilder::new(integers.len(), bytes, arena);
    for integer in integers {
        texts.push(|output| match (integer, output.first_chunk_mut()) {
            (10..100, Some(output)) => {
                *output = [b'0' + (integer / 10) as u8, b'0' + (integer % 10) as u8];
                2
            }
            _ => copy_text(itoa::Buffer::new().format(*integer).as_bytes(), output),
        });
    }
    Some(texts.finish())
}

/// Allocates a text for each row. `append` writes the text of a row, or returns `None` for NULL.
fn each_text<'a>(
    row_count: usize,
    arena: &'a Arena,
    append: impl Fn(usize, &mut ArenaVec<'a, u8>) -> Option<()>,
) -> Values<'a> {
    let value = |row| {
        let mut text = arena.vec(0);
        append(row, &mut text).map_or(Value::Null, |()| Value::Text(text.into_bump_slice()))
    };
    Values::Mixed(arena.list((0..row_count).map(value)))
}

/// Appends a value as text; `None` for NULL.
fn append_text(value: Value<'_>, output: &mut ArenaVec<'_, u8>) -> Option<()> {
    match value {
        Value::Null => return None,
        Value::Text(bytes) | Value::Blob(bytes) => output.extend_from_slice_copy(bytes),
        Value::Integer(integer) => {
            output.extend_from_slice_copy(itoa::Buffer::new().format(integer).as_bytes());
        }
        // Not how SQLite prints a REAL, so the SQL compiler never passes one.
        Value::Real(real) => output.extend_from_slice_copy(format!("{real:?}").as_bytes()),
    }
    Some(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn collect<'a>(values: Values<'a>, row_count: usize) -> Vec<Value<'a>> {
        (0..row_count).map(|row| values.get(row)).collect()
    }

    /// A column of these texts, padded as computed columns are.
    pub(in crate::eval) fn text_column<'a>(texts: &[&str], arena: &'a Arena) -> Values<'a> {
        let mut column = StringsBuilder::new(texts.len(), texts.concat().len(), arena);
        texts.iter().for_each(|text| column.push(|output| copy_text(text.as_bytes(), output)));
        Values::Texts(column.finish())
    }

    #[test]
    fn upper_agrees_with_the_standard_library() {
        let arena = Arena::default();
        for text in ["", "abc", "O' Sullivan", "straße", "ŉ", "ﬃ", "éàü", "ǆ", "日本", "ΐ", "a\0b"]
        {
            let texts = ["a", text, "zz"];
            let uppers = texts.map(str::to_uppercase);
            let [a, upper_text, zz] = uppers.each_ref().map(|text| Value::Text(text.as_bytes()));
            assert_eq!(collect(upper(text_column(&texts, &arena), 3, &arena), 3), [a, upper_text, zz]);
            let mixed = [Value::Text(b"a"), Value::Text(text.as_bytes()), Value::Null, Value::Integer(-7)];
            let expected = [a, upper_text, Value::Null, Value::Text(b"-7")];
            assert_eq!(collect(upper(Values::Mixed(&mixed), 4, &arena), 4), expected);
        }
    }

    #[test]
    fn concat_is_null_if_any_part_is() {
        let arena = Arena::default();
        let constants = [Value::Text(b"a"), Value::Integer(i64::MIN), Value::Null, Value::Text(b"")];
        let parts = constants.map(Values::Constant);
        let texts = concat(&[0, 1, 3], &parts, 2, &arena);
        assert_eq!(collect(texts, 2), [Value::Text(b"a-9223372036854775808"); 2]);
        assert_eq!(collect(concat(&[0, 2], &parts, 1, &arena), 1), [Value::Null]);
        let some = [Value::Text(b"b"), Value::Null, Value::Integer(7)];
        let parts = [Values::Constant(Value::Text(b"a")), Values::Mixed(&some)];
        let expected = [Value::Text(b"ab"), Value::Null, Value::Text(b"a7")];
        assert_eq!(collect(concat(&[0, 1], &parts, 3, &arena), 3), expected);
    }

    #[test]
    fn concat_handles_texts_of_any_length() {
        let arena = Arena::default();
        // Lengths around the numbers of bytes that `Copier` copies at once.
        for length in [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200] {
            let long = "x".repeat(length);
            let parts = [
                text_column(&["é", &long, ""], &arena),
                Values::Constant(Value::Text(b"-")),
                Values::Integers(&[-3, 42, i64::MIN]),
                text_column(&["", "end", &long], &arena),
            ];
            let expected = ["é--3".to_owned(), format!("{long}-42end"), format!("-{}{long}", i64::MIN)];
            let expected = expected.each_ref().map(|text| Value::Text(text.as_bytes()));
            assert_eq!(collect(concat(&[0, 1, 2, 3], &parts, 3, &arena), 3), expected, "{length}");
        }
    }

    #[test]
    fn texts_of_is_none_above_the_limit() {
        let arena = Arena::default();
        let texts = text_column(&["abc", "de"], &arena);
        assert!(texts_of(texts, 2, 5, &arena).is_some_and(|(_, bytes)| bytes == 5));
        assert!(texts_of(texts, 2, 4, &arena).is_none());
        assert!(texts_of(Values::Integers(&[1]), 1, 0, &arena).is_none());
        assert!(texts_of(Values::Constant(Value::Text(b"abc")), 2, 5, &arena).is_none());
    }
}
