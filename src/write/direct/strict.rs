//! The types of STRICT tables (<https://sqlite.org/stricttables.html>).

use crate::batch::{Nullable, Value, Values};

/// The type of a column in a STRICT table, except ANY, which accepts every value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StrictType {
    Int,
    Integer,
    Real,
    Text,
    Blob,
}

impl StrictType {
    /// The type of this name; `None` for ANY.
    pub(super) fn from_declared(declared: &str) -> Option<Self> {
        let all = [Self::Int, Self::Integer, Self::Real, Self::Text, Self::Blob];
        all.into_iter().find(|known| known.name().eq_ignore_ascii_case(declared))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
        }
    }

    /// True if a column takes `value`, to which its affinity has been applied.
    pub(super) fn takes(self, value: &Value<'_>) -> bool {
        match value {
            Value::Null => true,
            Value::Integer(_) => matches!(self, Self::Int | Self::Integer | Self::Real),
            Value::Real(_) => self == Self::Real,
            Value::Text(_) => self == Self::Text,
            Value::Blob(_) => self == Self::Blob,
        }
    }

    /// The first row whose value a column does not take.
    pub(super) fn find_other(self, values: &Values<'_>, rows: usize) -> Option<usize> {
        let is_of_type = match values {
            Values::Integers(_) => self.takes(&Value::Integer(0)),
            Values::Reals(_) => self.takes(&Value::Real(0.0)),
            Values::Texts(_) => self.takes(&Value::Text(b"")),
            Values::Blobs(_) => self.takes(&Value::Blob(b"")),
            Values::Constant(value) => self.takes(value),
            Values::Nullable(Nullable { values, is_null }) => {
                let is_of_type = self.find_other(values, rows).is_none();
                return is_null[..rows].iter().position(|is_null| !is_null && !is_of_type);
            }
            Values::Mixed(values) => return values[..rows].iter().position(|value| !self.takes(value)),
        };
        (!is_of_type && rows > 0).then_some(0)
    }

    /// The message of SQLite for a value that a column does not take.
    pub(super) fn message(self, value: &Value<'_>, table: &str, column: &str) -> String {
        let class = match value {
            Value::Null => "NULL",
            Value::Integer(_) => "INT",
            Value::Real(_) => "REAL",
            Value::Text(_) => "TEXT",
            Value::Blob(_) => "BLOB",
        };
        format!("cannot store {class} value in {} column {table}.{column}", self.name())
    }
}
