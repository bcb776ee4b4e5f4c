//! Fields as they lie in the chunk, without their quotes.

use super::Records;
use super::texts::{Texts, copy};
use super::typed::null_where;
use crate::batch::{Arena, Span, Strings, Values};
use crate::parse::{plain_bytes, quoted, unquote_to};

/// The values of field `index`.
pub(super) fn field<'a>(index: usize, records: Records<'_, 'a>, arena: &'a Arena) -> Values<'a> {
    let Records { chunk, dialect, fields, width, .. } = records;
    if dialect.escape.is_some() {
        return made_field(index, records, arena);
    }
    let spans = arena.list(fields.chunks_exact(width).map(|fields| fields[index]));
    let spans_of_quoted = if dialect.quote.is_some() { &mut *spans } else { &mut [] };
    for span in spans_of_quoted {
        let Some((rest, quote)) = quoted(span.of(chunk), dialect.quote) else { continue };
        let Some(bytes) = plain_bytes(rest, quote) else { return made_field(index, records, arena) };
        span.start += 1;
        span.end = span.start + bytes as u32;
    }
    Values::Texts(Strings { bytes: chunk, spans })
}

/// The values of field `index`, NULL in the records that lack it.
pub(super) fn null_if_missing<'a>(
    of: Values<'a>,
    index: usize,
    records: Records<'_, 'a>,
    arena: &'a Arena,
) -> Values<'a> {
    let Records { numbers, short, .. } = records;
    if short.is_empty() {
        return of;
    }
    let is_missing = |row: usize| {
        let found = short.binary_search_by_key(&numbers[row], |(number, _)| *number);
        found.is_ok_and(|at| short[at].1 as usize <= index)
    };
    null_where(of, is_missing, numbers.len(), arena)
}

/// As [`field`], where quotes or escapes inside of quotes make that a value is not a piece of the chunk.
fn made_field<'a>(index: usize, records: Records<'_, 'a>, arena: &'a Arena) -> Values<'a> {
    let Records { chunk, dialect, fields, width, .. } = records;
    let fields = || fields.chunks_exact(width).map(|fields| fields[index]);
    let mut texts = Texts::new(records.numbers.len(), fields().map(Span::len).sum(), arena);
    for span in fields() {
        let raw = span.of(chunk);
        let quoted = quoted(raw, dialect.quote);
        texts.push(|to| match quoted {
            Some((rest, quote)) => unquote_to(rest, quote, dialect.escape, to),
            None => copy(raw, to),
        });
    }
    Values::Texts(texts.finish())
}
