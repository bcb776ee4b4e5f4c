//! Applies column affinity to values before they are stored (SQLite's datatypes 3).
//!
//! Values that do not change, and integers, are handled here. SQLite itself decides whether a text is a number, and
//! formats REALs as text; such values are rare.

use super::text_encoding::TextEncoding;
use crate::batch::{Arena, HotLoop, Nullable, Value, Values, dispatch};
use crate::types::numbers::is_space;
use crate::types::{ColumnAffinity, integral};
use rusqlite::{Connection, Result};

impl ColumnAffinity {
    /// True if this affinity may change a value of `column`.
    pub(super) fn may_change(self, column: &Values<'_>) -> bool {
        match column {
            Values::Constant(value) => self.may_change_value(value),
            Values::Mixed(values) => values.iter().any(|value| self.may_change_value(value)),
            Values::Integers(_) => self.may_change_value(&Value::Integer(0)),
            Values::Reals(reals) => match self {
                Self::Blob => reals.iter().any(|real| real.is_nan()),
                Self::Real => dispatch(AnyWhole(reals)),
                Self::Text | Self::Numeric | Self::Integer => true,
            },
            Values::Texts(texts) => {
                !matches!(self, Self::Blob | Self::Text)
                    && texts.spans.iter().any(|span| may_be_number(span.slice(texts.bytes)))
            }
            Values::Blobs(_) => false,
            Values::Nullable(Nullable { values: Values::Reals(_), is_null }) => {
                (0..is_null.len()).any(|row| self.may_change_value(&column.get(row)))
            }
            Values::Nullable(Nullable { values, .. }) => self.may_change(values),
        }
    }

    #[inline]
    fn may_change_value(self, value: &Value<'_>) -> bool {
        match value {
            Value::Null | Value::Blob(_) => false,
            Value::Integer(_) => matches!(self, Self::Text | Self::Real),
            Value::Real(real) => match self {
                Self::Blob => real.is_nan(),
                Self::Real => real.is_nan() || compact(integral(*real)).is_some(),
                Self::Text | Self::Numeric | Self::Integer => true,
            },
            Value::Text(text) => !matches!(self, Self::Blob | Self::Text) && may_be_number(text),
        }
    }
}

/// Whether a REAL has no fraction, or is not a number.
struct AnyWhole<'r>(&'r [f64]);

impl HotLoop for AnyWhole<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        // Without branches, so that several are compared at once.
        let has_fraction = |real: &f64| (real - real.trunc()).abs() > 0.0;
        !self.0.iter().fold(true, |all, real| all & has_fraction(real))
    }
}

/// True if a text starts like a number. A long one, of which SQLite would take copies, must also have only bytes of numbers
/// up to the first NUL, where SQLite stops.
fn may_be_number(text: &[u8]) -> bool {
    const LONG_BYTES: usize = 1 << 10;
    let is_of_number =
        |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') || is_space(byte);
    text.first().is_some_and(|first| !matches!(first, b'e' | b'E') && is_of_number(first))
        && (text.len() < LONG_BYTES || text.iter().take_while(|byte| **byte != 0).all(is_of_number))
}

/// Applies affinities, with the help of SQLite where needed.
#[derive(Debug)]
pub(super) struct Converter {
    /// The encoding of the database.
    encoding: TextEncoding,
    sqlite: Option<Connection>,
}

impl Converter {
    pub(super) fn new(encoding: TextEncoding) -> Self {
        Self { encoding, sqlite: None }
    }

    /// `value` as a column of this affinity stores it. An integral REAL is stored as an INTEGER, also in a column of
    /// REAL affinity if it fits into six bytes; SQLite converts it back when it reads the column.
    ///
    /// # Errors
    /// The error of SQLite.
    #[inline]
    pub(super) fn apply<'a>(
        &mut self,
        value: Value<'a>,
        to: ColumnAffinity,
        arena: &'a Arena,
    ) -> Result<Value<'a>> {
        let value = match (value, to) {
            (Value::Real(real), _) if real.is_nan() => return Ok(Value::Null),
            (Value::Integer(integer), ColumnAffinity::Text) => {
                Value::Text(arena.copy(itoa::Buffer::new().format(integer).as_bytes()))
            }
            (Value::Real(_), ColumnAffinity::Text) => self.ask(value, to, arena)?,
            (Value::Text(text), ColumnAffinity::Numeric | ColumnAffinity::Integer | ColumnAffinity::Real)
                if may_be_number(text) =>
            {
                self.ask(value, to, arena)?
            }
            _ => value,
        };
        Ok(match (value, to) {
            (Value::Real(real), ColumnAffinity::Numeric | ColumnAffinity::Integer) => {
                integral(real).map_or(value, Value::Integer)
            }
            (Value::Real(real), ColumnAffinity::Real) => compact(integral(real)).unwrap_or(value),
            (Value::Integer(integer), ColumnAffinity::Real) => {
                compact(Some(integer)).unwrap_or(Value::Real(integer as f64))
            }
            _ => value,
        })
    }

    /// `value` as SQLite stores it in a column of this affinity.
    fn ask<'a>(&mut self, value: Value<'a>, affinity: ColumnAffinity, arena: &'a Arena) -> Result<Value<'a>> {
        let sql =
            format!("REPLACE INTO t (rowid, \"{affinity:?}\") VALUES (1, ?) RETURNING \"{affinity:?}\"");
        let stored = |row: &rusqlite::Row<'_>| Ok(Value::from_sqlite(row.get_ref(0)?).copy_to(arena));
        self.sqlite()?.prepare_cached(&sql)?.query_row([value.to_sqlite()], stored)
    }

    /// A text in the encoding of the database.
    ///
    /// # Errors
    /// The error of SQLite.
    pub(super) fn encode<'a>(&mut self, text: &[u8], arena: &'a Arena) -> Result<Value<'a>> {
        let stored = |row: &rusqlite::Row<'_>| Ok(Value::Text(arena.copy(row.get_ref(0)?.as_blob()?)));
        let text = Value::Text(text).to_sqlite();
        self.sqlite()?.prepare_cached("SELECT CAST(? AS BLOB)")?.query_row([text], stored)
    }

    fn sqlite(&mut self) -> Result<&Connection> {
        Ok(match &mut self.sqlite {
            Some(sqlite) => sqlite,
            none => {
                let sqlite = self.encoding.open_in_memory()?;
                sqlite.execute_batch(
                    "CREATE TABLE t (\"Text\" TEXT, \"Numeric\" NUMERIC, \"Integer\" INTEGER, \"Real\" REAL)",
                )?;
                none.insert(sqlite)
            }
        })
    }
}

/// The numbers and NULLs of a column of REAL affinity as it stores them.
pub(super) fn compact_reals<'a>(values: Values<'a>, rows: usize, arena: &'a Arena) -> Values<'a> {
    let stored = |value| match value {
        Value::Real(real) if real.is_nan() => Value::Null,
        Value::Real(real) => compact(integral(real)).unwrap_or(value),
        _ => value,
    };
    if !ColumnAffinity::Real.may_change(&values) {
        return values;
    }
    Values::Mixed(arena.list((0..rows).map(|row| stored(values.get(row)))))
}

/// The INTEGER that a column of REAL affinity stores, if it fits into six bytes.
fn compact<'a>(integer: Option<i64>) -> Option<Value<'a>> {
    const SIX_BYTES: std::ops::Range<i64> = -(1 << 47)..1 << 47;
    integer.filter(|integer| SIX_BYTES.contains(integer)).map(Value::Integer)
}
