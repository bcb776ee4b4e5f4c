//! Which values go into which columns of a table.

use crate::error::{Kind, Result};
use crate::plan::{Column, Expr, Select, SelectItem, Table};

/// The columns of `table` that values go to, with the values, where the input has this header.
///
/// # Errors
/// [`Kind::Sql`] if there are not as many of these as of those.
pub(crate) fn filled(select: &Select, table: &Table, header: &[String]) -> Result<Vec<Column>> {
    let mut values = Vec::new();
    for item in &select.items {
        match item {
            SelectItem::All => values.extend(header.iter().cloned().map(Expr::Field)),
            SelectItem::Column { column, .. } => values.push(Expr::Field(column.clone())),
            SelectItem::Value { value, .. } => values.push(value.clone()),
        }
    }
    let (given, taken) = (values.len(), select.target_columns.len());
    if given != taken {
        let reason = format!("{given} values for {taken} columns of the table {}", table.name);
        return Err(Kind::Sql { place: select.place.clone(), reason }.into());
    }
    // In the order of the table, which is that of a row on a page.
    let nulls = select.null_columns.iter().map(|at| (at, Expr::Null));
    let mut filled: Vec<_> = select.target_columns.iter().zip(values).chain(nulls).collect();
    filled.sort_by_key(|(at, _)| **at);
    let column = |(at, value): (&usize, Expr)| Column { value, ..table.columns[*at].clone() };
    Ok(filled.into_iter().map(column).collect())
}
