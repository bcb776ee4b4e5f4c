//! Columns that are not loaded have their DEFAULT in all rows, if it is the same for all.

use super::affinity::Converter;
use super::text_encoding::TextEncoding;
use crate::batch::{Arena, Value};
use crate::types::{ColumnAffinity, register_math_functions};
use rusqlite::{Connection, Result, Row};

/// The value of a column that is not loaded, as it is stored.
#[derive(Debug)]
pub(super) enum DefaultValue {
    Plain(Value<'static>),
    Text(Box<[u8]>),
    Blob(Box<[u8]>),
}

impl DefaultValue {
    pub(super) const NULL: Self = Self::Plain(Value::Null);

    fn new(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Integer(integer) => Self::Plain(Value::Integer(integer)),
            Value::Real(real) => Self::Plain(Value::Real(real)),
            Value::Text(text) => Self::Text(text.into()),
            Value::Blob(blob) => Self::Blob(blob.into()),
        }
    }

    pub(super) fn get(&self) -> Value<'_> {
        match self {
            Self::Plain(value) => *value,
            Self::Text(text) => Value::Text(text),
            Self::Blob(blob) => Value::Blob(blob),
        }
    }
}

/// Has SQLite evaluate defaults in a database of its own.
#[derive(Debug)]
pub(super) struct Defaults {
    scratch: Connection,
    encoding: TextEncoding,
}

impl Defaults {
    pub(super) fn new(encoding: TextEncoding) -> Result<Self> {
        let scratch = encoding.open_in_memory()?;
        register_math_functions(&scratch)?;
        Ok(Self { scratch, encoding })
    }

    /// The value of `DEFAULT sql` in a column of this affinity; `None` if it may differ from row to row or cannot be evaluated.
    pub(super) fn value(&self, sql: &str, affinity: ColumnAffinity) -> Result<Option<DefaultValue>> {
        let declare = |default: &str| {
            let columns = format!("value {} DEFAULT {default}", affinity.as_str());
            self.scratch
                .execute_batch(&format!("DROP TABLE IF EXISTS defaults; CREATE TABLE defaults ({columns})"))
        };
        // SQLite reports expressions without their parentheses. Others are literals, such as a name.
        let is_expression = declare(&format!("({sql})")).is_ok();
        if !is_expression && declare(sql).is_err() || is_expression && !self.is_constant(sql)? {
            return Ok(None);
        }
        if self.scratch.execute("INSERT INTO defaults DEFAULT VALUES", []).is_err() {
            return Ok(None);
        }
        let arena = Arena::default();
        // A column of REAL affinity stores some as INTEGER.
        let value = |row: &Row<'_>| {
            let value = Value::from_sqlite(row.get_ref(0)?).copy_to(&arena);
            Converter::new(self.encoding).apply(value, affinity, &arena).map(DefaultValue::new)
        };
        self.scratch.query_row("SELECT value FROM defaults", [], value).map(Some)
    }

    /// True if an expression without columns always has the same value. Generated columns take no others: SQLite refuses some
    /// functions when the table is created, and those of date and time when they are evaluated.
    fn is_constant(&self, sql: &str) -> Result<bool> {
        self.scratch.execute_batch("DROP TABLE IF EXISTS constants")?;
        let sql = format!(
            "CREATE TABLE constants (other, value AS ({sql}) STORED); INSERT INTO constants VALUES (0)"
        );
        Ok(self.scratch.execute_batch(&sql).is_ok())
    }
}
