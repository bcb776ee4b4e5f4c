//! Numbers in other notations than SQL's.

use crate::batch::{Arena, Value, Values};
use crate::plan::Notation;
use crate::types::notation::push_sql_text;

/// The texts, with numbers in the notation replaced by what SQL writes for them; see [`push_sql_text`].
pub(super) fn in_sql_notation<'a>(
    values: Values<'a>,
    notation: (Notation, bool),
    row_count: usize,
    arena: &'a Arena,
) -> Values<'a> {
    let value = |row| match values.get(row) {
        Value::Text(text) => {
            let mut number = arena.vec(text.len());
            match push_sql_text(text, notation, &mut number) {
                true => Value::Text(number.into_bump_slice()),
                false => Value::Text(text),
            }
        }
        other => other,
    };
    Values::Mixed(arena.list((0..row_count).map(value)))
}
