//! Assigns the values of a SELECT to the columns of a table.

use crate::error::{Kind, Result, count};
use crate::plan::{Column, Expr, Select, SelectItem, Table};

/// The target columns of `table` with their values, in table order; `*` stands for the columns of `header`.
///
/// # Errors
/// [`Kind::Sql`] if the number of values differs from the number of target columns.
pub(crate) fn fill_columns(select: &Select, table: &Table, header: &[String]) -> Result<Vec<Column>> {
    let mut values = Vec::new();
    for item in &select.items {
        match item {
            SelectItem::All => values.extend(header.iter().cloned().map(Expr::Column)),
            SelectItem::Column { column, .. } => values.push(Expr::Column(column.clone())),
            SelectItem::Value { value, .. } => values.push(value.clone()),
        }
    }
    let (value_count, column_count) = (values.len(), select.target_columns.len());
    if value_count != column_count {
        let (values, columns) = (count(value_count as u64, "value"), count(column_count as u64, "column"));
        let reason = format!("{values} for {columns} of the table {:?}", table.name);
        return Err(Kind::Sql { place: select.place.clone(), reason }.into());
    }
    // A row on a page has the columns in table order.
    let nulls = select.null_columns.iter().map(|at| (at, Expr::Null, true));
    let assigned = select.target_columns.iter().zip(values).map(|(at, value)| (at, value, false));
    let mut filled: Vec<_> = assigned.chain(nulls).collect();
    filled.sort_by_key(|(at, ..)| **at);
    let column = |(at, value, is_unassigned): (&usize, Expr, bool)| Column {
        value,
        is_unassigned,
        ..table.columns[*at].clone()
    };
    Ok(filled.into_iter().map(column).collect())
}
