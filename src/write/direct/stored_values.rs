//! The values of a chunk as the table stores them: those of its columns in their order, after affinity and in the encoding of the
//! database. Values that a column does not take are found here.

use super::affinity::{Converter, compact_reals};
use super::catalog::{ColumnSource, Schema, TableColumn};
use super::encode::Violation;
use super::text_encoding::TextEncoding;
use crate::batch::{Arena, Nullable, Rows, Value, Values};
use crate::types::ColumnAffinity;
use crate::write;

/// The columns after their affinity has been applied, with the first violation of a rule. Generated columns are NULL.
pub(super) fn apply_affinity<'a>(
    rows: &'a Rows<'_>,
    schema: &'a Schema,
    converter: &mut Converter,
    arena: &'a Arena,
) -> Result<(&'a mut [Values<'a>], Option<Violation>), Violation> {
    let values = |column: &'a TableColumn| match &column.source {
        ColumnSource::Loaded(at) => rows.columns[*at],
        ColumnSource::Default(value) => Values::Constant(value.get()),
        ColumnSource::Generated { .. } => Values::Constant(Value::Null),
    };
    let columns = arena.list(schema.columns.iter().map(values));
    // SQLite inserts row by row, and looks for NULLs first.
    let mut first: Option<(usize, Rule, usize)> = None;
    for (at, (values, column)) in columns.iter_mut().zip(&schema.columns).enumerate() {
        let is_loaded = matches!(column.source, ColumnSource::Loaded(_));
        let are_reals =
            matches!(values, Values::Reals(_) | Values::Nullable(Nullable { values: Values::Reals(_), .. }));
        if is_loaded && are_reals && column.affinity == ColumnAffinity::Real {
            *values = compact_reals(*values, rows.len, arena);
        } else if is_loaded && column.affinity.may_change(values) {
            let mut changed = arena.vec(rows.len);
            for row in 0..rows.len {
                let stored = converter.apply(values.get(row), column.affinity, arena);
                changed.push(stored.map_err(|error| Violation::new(row, error))?);
            }
            *values = Values::Mixed(changed.into_bump_slice());
        }
        if schema.rowid_column != Some(at) && !column.is_generated() {
            let null = if column.is_not_null { find_null(values, rows.len) } else { None };
            let other = column.strict_type.and_then(|strict_type| strict_type.find_other(values, rows.len));
            let null = null.map(|row| (row, Rule::NotNull, at));
            let other = other.map(|row| (row, Rule::StrictType, at));
            first = first.into_iter().chain(null).chain(other).min();
        }
    }
    let violation = first.map(|(row, rule, at)| {
        let message = rule.message(rows, row, schema, &schema.columns[at], columns[at].get(row));
        Violation::new(row, message)
    });
    Ok((columns, violation))
}

/// A row that breaks a constraint alone.
#[derive(Debug)]
pub(super) struct BrokenRow {
    pub(super) row: usize,
    pub(super) message: String,
    /// The column of the schema whose value breaks it, if that is known.
    pub(super) column: Option<usize>,
}

/// All rows that break a rule on a single value, in order, each with the first rule that SQLite checks. The columns are those of
/// [`apply_affinity`].
pub(super) fn rows_that_break_rules(
    rows: &Rows<'_>,
    schema: &Schema,
    columns: &[Values<'_>],
) -> Vec<BrokenRow> {
    let breaks = |row: usize, at: usize, column: &TableColumn| {
        let value = columns[at].get(row);
        let is_rowid = schema.rowid_column == Some(at);
        match column.strict_type {
            _ if is_rowid && matches!(value, Value::Integer(_) | Value::Null) => None,
            _ if is_rowid => Some((Rule::Rowid, at)),
            _ if column.is_generated() => None,
            _ if column.is_not_null && value == Value::Null => Some((Rule::NotNull, at)),
            Some(strict_type) if !strict_type.takes(&value) => Some((Rule::StrictType, at)),
            _ => None,
        }
    };
    let broken = |row: usize| {
        let columns_of_table = schema.columns.iter().enumerate();
        let (rule, at) = columns_of_table.filter_map(|(at, column)| breaks(row, at, column)).min()?;
        let message = rule.message(rows, row, schema, &schema.columns[at], columns[at].get(row));
        Some(BrokenRow { row, message, column: Some(at) })
    };
    (0..rows.len).filter_map(broken).collect()
}

/// Converts texts to the encoding of the database.
pub(super) fn encode_texts<'a>(
    columns: &mut [Values<'a>],
    schema: &Schema,
    rows: usize,
    converter: &mut Converter,
    arena: &'a Arena,
) -> Result<(), Violation> {
    if schema.encoding == TextEncoding::Utf8 {
        return Ok(());
    }
    // Generated values have this encoding.
    let converted = columns.iter_mut().zip(&schema.columns).filter(|(_, column)| !column.is_generated());
    for (values, _) in converted {
        let encoded = schema.encoding.encode(*values, rows, converter, arena);
        *values = encoded.map_err(|error| Violation::new(0, error))?;
    }
    Ok(())
}

/// A rule that a value breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    Rowid,
    NotNull,
    StrictType,
}

impl Rule {
    /// The message for the value `stored` of a row.
    fn message(
        self,
        rows: &Rows<'_>,
        row: usize,
        schema: &Schema,
        column: &TableColumn,
        stored: Value<'_>,
    ) -> String {
        let (table, name) = (&schema.table, &column.name);
        match (self, column.strict_type, &column.source) {
            (Self::Rowid, ..) => write::rowid_mismatch(table, name, stored),
            (Self::NotNull, ..) | (_, None, _) => format!("NOT NULL constraint failed: {table}.{name}"),
            (_, Some(strict_type), ColumnSource::Default(_) | ColumnSource::Generated { .. }) => {
                strict_type.message(&stored, table, name)
            }
            (_, Some(strict_type), ColumnSource::Loaded(at)) => {
                let value = write::described(rows.columns[*at].get(row));
                format!("{}: {value}", strict_type.message(&stored, table, name))
            }
        }
    }
}

/// The first row whose value is NULL.
fn find_null(values: &Values<'_>, rows: usize) -> Option<usize> {
    match values {
        Values::Integers(_) | Values::Reals(_) | Values::Texts(_) | Values::Blobs(_) => None,
        _ => (0..rows).find(|row| matches!(values.get(*row), Value::Null)),
    }
}
