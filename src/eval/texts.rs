//! Texts: in capitals, of numbers, one behind the other.
//!
//! The texts of a column are made one behind the other in one run of bytes, so that a short one is copied as so many
//! bytes as the compiler knows, and what is too much of them is written over by the next. Where a text may be NULL, or
//! all are too long for that, each is made on its own.

use super::Slot;
use crate::batch::{
    Arena, ArenaVec, Copier, MAX_STRINGS_BYTES, PADDING_BYTES, Span, Strings, StringsBuilder, Value, Values,
    copy_text,
};

/// ΐ has two bytes and six in upper case; no character grows more.
pub(super) const MOST_GROWTH: usize = 3;

/// Unicode upper case, character by character (Unicode's full case mapping: `ß` becomes `SS`).
pub(super) fn upper<'a>(of: Values<'a>, rows: usize, arena: &'a Arena) -> Values<'a> {
    let Some((texts, bytes)) = texts_of(of, rows, MAX_STRINGS_BYTES / MOST_GROWTH, arena) else {
        return values(rows, arena, |row, upper| {
            let mut text = arena.vec(0);
            append_text(of.get(row), &mut text)?;
            let room = arena.zeros(MOST_GROWTH * text.len());
            let bytes = upper_to(&text, room);
            upper.extend_from_slice_copy(&room[..bytes]);
            Some(())
        });
    };
    let copier = Copier::new(texts);
    let mut copies = StringsBuilder::new(rows, bytes, arena);
    (0..rows).for_each(|row| copies.push(|to| copier.copy(row, to)));
    let made = &mut copies.bytes[..bytes];
    if made.is_ascii() {
        made.make_ascii_uppercase();
        return Values::Texts(copies.finish());
    }
    // They are read from the copies, not from where they came: that may be a file that somebody else writes to.
    let copies = copies.finish();
    let mut uppers = StringsBuilder::new(rows, MOST_GROWTH * bytes, arena);
    (0..rows).for_each(|row| uppers.push(|to| upper_to(copies.get(row), to)));
    Values::Texts(uppers.finish())
}

/// Writes the upper case of a text to the start of `to` and returns its bytes.
#[cold]
pub(super) fn upper_to(text: &[u8], to: &mut [u8]) -> usize {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let upper = text.chars().flat_map(char::to_uppercase);
    upper.fold(0, |used, upper| used + upper.encode_utf8(&mut to[used..]).len())
}

/// All parts as text, one after the other; NULL if any is NULL.
pub(super) fn concat<'a>(of: &[Slot], made: &[Values<'a>], rows: usize, arena: &'a Arena) -> Values<'a> {
    const SHORT_BYTES: usize = 16;
    /// Texts, each followed by one that is always the same.
    struct Part<'a> {
        texts: Copier<'a>,
        /// Its bytes with others behind them; a longer one is a part of its own.
        behind: [u8; SHORT_BYTES],
        behind_bytes: usize,
        /// Which text is a row's: that of its number, or always the first.
        row_mask: usize,
    }
    let general = || {
        let append = |row: usize, text: &mut ArenaVec<'a, u8>| {
            of.iter().try_for_each(|slot| append_text(made[*slot].get(row), text))
        };
        values(rows, arena, append)
    };
    let mut parts = arena.vec(of.len());
    let mut bytes = 0;
    for slot in of {
        let room = MAX_STRINGS_BYTES.saturating_sub(bytes);
        let is_constant = matches!(made[*slot], Values::Constant(_));
        let part_rows = if is_constant { 1 } else { rows };
        let Some((texts, part_bytes)) = texts_of(made[*slot], part_rows, room, arena) else {
            return general();
        };
        match parts.last_mut() {
            Some(Part { behind, behind_bytes: free @ 0, .. }) if is_constant && part_bytes <= SHORT_BYTES => {
                *behind = std::array::from_fn(|at| texts.bytes[at]);
                *free = part_bytes;
            }
            _ => parts.push(Part {
                texts: Copier::new(texts),
                behind: [0; SHORT_BYTES],
                behind_bytes: 0,
                row_mask: if is_constant { 0 } else { !0 },
            }),
        }
        bytes += if is_constant { rows * part_bytes } else { part_bytes };
    }
    if bytes > MAX_STRINGS_BYTES {
        return general();
    }
    let mut texts = StringsBuilder::new(rows, bytes, arena);
    for row in 0..rows {
        texts.push(|mut to| {
            let room = to.len();
            for part in &parts {
                let bytes = part.texts.copy(row & part.row_mask, to);
                to = &mut to[bytes..];
                match to.first_chunk_mut() {
                    Some(to) => *to = part.behind,
                    None => to[..part.behind_bytes].copy_from_slice(&part.behind[..part.behind_bytes]),
                }
                to = &mut to[part.behind_bytes..];
            }
            room - to.len()
        });
    }
    Values::Texts(texts.finish())
}

/// The text form of the values of so many rows, and their bytes; nothing if a value may have none, or if they have more
/// than `max_bytes`.
pub(super) fn texts_of<'a>(
    of: Values<'a>,
    rows: usize,
    max_bytes: usize,
    arena: &'a Arena,
) -> Option<(Strings<'a>, usize)> {
    let texts = match of {
        Values::Texts(strings) | Values::Blobs(strings) => strings,
        Values::Integers(integers) => integer_texts(integers, max_bytes, arena)?,
        Values::Reals(_) | Values::Mixed(_) | Values::Constant(Value::Null) => return None,
        Values::Constant(value) => {
            let mut text = arena.vec(0);
            append_text(value, &mut text)?;
            let span = Span { start: 0, end: u32::try_from(text.len()).ok()? };
            text.extend_from_slice_copy(&[0; PADDING_BYTES]);
            Strings { bytes: text.into_bump_slice(), spans: arena.list(std::iter::repeat_n(span, rows)) }
        }
    };
    let bytes = texts.spans.iter().map(|span| span.len()).sum();
    (bytes <= max_bytes).then_some((texts, bytes))
}

/// Integers in digits.
pub(super) fn integer_texts<'a>(integers: &[i64], max_bytes: usize, arena: &'a Arena) -> Option<Strings<'a>> {
    /// i64::MIN has so many.
    const MOST_DIGITS: usize = 20;
    let bytes = MOST_DIGITS * integers.len();
    if bytes > max_bytes {
        return None;
    }
    let mut texts = StringsBuilder::new(integers.len(), bytes, arena);
    for integer in integers {
        texts.push(|to| match (integer, to.first_chunk_mut()) {
            (10..100, Some(to)) => {
                *to = [b'0' + (integer / 10) as u8, b'0' + (integer % 10) as u8];
                2
            }
            _ => copy_text(itoa::Buffer::new().format(*integer).as_bytes(), to),
        });
    }
    Some(texts.finish())
}

/// The general form of a column of texts: `append` appends each, or answers with nothing if it is NULL.
pub(super) fn values<'a>(
    rows: usize,
    arena: &'a Arena,
    append: impl Fn(usize, &mut ArenaVec<'a, u8>) -> Option<()>,
) -> Values<'a> {
    let value = |row| {
        let mut text = arena.vec(0);
        append(row, &mut text).map_or(Value::Null, |()| Value::Text(text.into_bump_slice()))
    };
    Values::Mixed(arena.list((0..rows).map(value)))
}

/// Appends the text form of a value; NULL has none.
pub(super) fn append_text(value: Value<'_>, result: &mut ArenaVec<'_, u8>) -> Option<()> {
    match value {
        Value::Null => return None,
        Value::Text(bytes) | Value::Blob(bytes) => result.extend_from_slice_copy(bytes),
        Value::Integer(integer) => {
            result.extend_from_slice_copy(itoa::Buffer::new().format(integer).as_bytes());
        }
        // The shortest text that gives the number back; no expression makes a REAL yet.
        Value::Real(real) => result.extend_from_slice_copy(format!("{real:?}").as_bytes()),
    }
    Some(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn all<'a>(values: Values<'a>, rows: usize) -> Vec<Value<'a>> {
        (0..rows).map(|row| values.get(row)).collect()
    }

    /// Texts as a made column has them.
    pub(in crate::eval) fn made<'a>(texts: &[&str], arena: &'a Arena) -> Values<'a> {
        let mut made = StringsBuilder::new(texts.len(), texts.concat().len(), arena);
        texts.iter().for_each(|text| made.push(|to| copy_text(text.as_bytes(), to)));
        Values::Texts(made.finish())
    }

    #[test]
    fn upper_is_what_the_standard_library_says() {
        let arena = Arena::default();
        for text in ["", "abc", "O' Sullivan", "straße", "ŉ", "ﬃ", "éàü", "ǆ", "日本", "ΐ", "a\0b"]
        {
            let texts = ["a", text, "zz"];
            let uppers = texts.map(str::to_uppercase);
            let [a, upper_text, zz] = uppers.each_ref().map(|text| Value::Text(text.as_bytes()));
            assert_eq!(all(upper(made(&texts, &arena), 3, &arena), 3), [a, upper_text, zz]);
            let mixed = [Value::Text(b"a"), Value::Text(text.as_bytes()), Value::Null, Value::Integer(-7)];
            let expected = [a, upper_text, Value::Null, Value::Text(b"-7")];
            assert_eq!(all(upper(Values::Mixed(&mixed), 4, &arena), 4), expected);
        }
    }

    #[test]
    fn no_character_grows_more_in_upper_case_than_there_is_room() {
        let growth =
            |lower: char| lower.to_uppercase().map(char::len_utf8).sum::<usize>().div_ceil(lower.len_utf8());
        assert_eq!((char::MIN..=char::MAX).map(growth).max(), Some(MOST_GROWTH));
    }

    #[test]
    fn concat_is_null_if_any_part_is() {
        let arena = Arena::default();
        let constants = [Value::Text(b"a"), Value::Integer(i64::MIN), Value::Null, Value::Text(b"")];
        let parts = constants.map(Values::Constant);
        let texts = concat(&[0, 1, 3], &parts, 2, &arena);
        assert_eq!(all(texts, 2), [Value::Text(b"a-9223372036854775808"); 2]);
        assert_eq!(all(concat(&[0, 2], &parts, 1, &arena), 1), [Value::Null]);
        let some = [Value::Text(b"b"), Value::Null, Value::Integer(7)];
        let parts = [Values::Constant(Value::Text(b"a")), Values::Mixed(&some)];
        let expected = [Value::Text(b"ab"), Value::Null, Value::Text(b"a7")];
        assert_eq!(all(concat(&[0, 1], &parts, 3, &arena), 3), expected);
    }

    #[test]
    fn texts_of_any_length_are_joined() {
        let arena = Arena::default();
        // Around the numbers of bytes that are copied at once.
        for longest in [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200] {
            let long = "x".repeat(longest);
            let parts = [
                made(&["é", &long, ""], &arena),
                Values::Constant(Value::Text(b"-")),
                Values::Integers(&[-3, 42, i64::MIN]),
                made(&["", "end", &long], &arena),
            ];
            let expected = ["é--3".to_owned(), format!("{long}-42end"), format!("-{}{long}", i64::MIN)];
            let expected = expected.each_ref().map(|text| Value::Text(text.as_bytes()));
            assert_eq!(all(concat(&[0, 1, 2, 3], &parts, 3, &arena), 3), expected, "{longest}");
        }
    }

    #[test]
    fn texts_too_long_for_spans_have_another_form() {
        let arena = Arena::default();
        let texts = made(&["abc", "de"], &arena);
        assert!(texts_of(texts, 2, 5, &arena).is_some_and(|(_, bytes)| bytes == 5));
        assert!(texts_of(texts, 2, 4, &arena).is_none());
        assert!(texts_of(Values::Integers(&[1]), 1, 0, &arena).is_none());
        assert!(texts_of(Values::Constant(Value::Text(b"abc")), 2, 5, &arena).is_none());
    }
}
