//! Numbers in other notations than SQL's.

use crate::batch::{Arena, Value, Values};
use crate::plan::Notation;
use crate::types::notation::push_sql_number;
use crate::types::numbers::is_like_number;

/// The texts, with numbers in `notation` replaced by what SQL writes for them.
///
/// Other texts stay, except those that SQL would take for a number. If the others may be stored as text (`keeps_text`), these
/// get a space behind them, otherwise two points: neither is a number, and the first is not text to SQLite either.
pub(super) fn in_sql_notation<'a>(
    values: Values<'a>,
    (notation, keeps_text): (Notation, bool),
    row_count: usize,
    arena: &'a Arena,
) -> Values<'a> {
    let value = |row| match values.get(row) {
        Value::Text(text) => {
            let mut number = arena.vec(text.len());
            let is_number =
                std::str::from_utf8(text).is_ok_and(|text| push_sql_number(text, notation, &mut number));
            if !is_number && !is_like_number(text) {
                return Value::Text(text);
            }
            if !is_number {
                number.extend_from_slice_copy(text);
                number.extend_from_slice_copy(if keeps_text { b" " } else { b".." });
            }
            Value::Text(number.into_bump_slice())
        }
        other => other,
    };
    Values::Mixed(arena.list((0..row_count).map(value)))
}
