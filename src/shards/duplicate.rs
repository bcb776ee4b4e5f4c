//! Finds the row that another one contradicts, where SQLite names only one of them.

use super::shard_table::ShardTable;
use crate::database::open_immutable;
use crate::engine::sqlite_input::SqliteInput;
use crate::error::{Error, Kind, Position, Reason};
use crate::plan::Plan;
use crate::schema::ddl::{quote_name, quote_names};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params_from_iter};

/// The error of a merge; if it is about a row whose key an earlier row of the shards has, also with the position of that one.
pub(super) fn with_both(error: Error, plan: &Plan, inputs: &[SqliteInput]) -> Error {
    let Kind::Rejected { position: second, reason: Reason::Constraint { message, .. } } = error.kind() else {
        return error;
    };
    match find_first(message, second, plan, inputs) {
        Ok(Some(first)) => {
            Kind::Constraint { message: message.clone(), positions: vec![first, second.clone()] }.into()
        }
        // The error is right without it.
        Ok(None) => error,
        Err(source) => {
            tracing::debug!("cannot find the other row: {source}");
            error
        }
    }
}

/// The position of the first row of `inputs` with the key of the row at `second`.
fn find_first(
    message: &str,
    second: &Position,
    plan: &Plan,
    inputs: &[SqliteInput],
) -> rusqlite::Result<Option<Position>> {
    let Some(number) = inputs.iter().position(|input| input.name == second.input) else { return Ok(None) };
    let connection = open_immutable(&inputs[number].path)?;
    let table = inputs[number].table();
    let prefix = format!("{}.", plan.table.name);
    let Some(columns) = message.strip_prefix("UNIQUE constraint failed: ") else { return Ok(None) };
    let columns = columns.split(", ").map(|column| column.strip_prefix(&prefix).map(str::to_owned));
    let Some(columns) = columns.collect::<Option<Vec<_>>>() else { return Ok(None) };
    if !ShardTable::has_key(&connection, table, &columns)? {
        return Ok(None);
    }
    let table = quote_name(table);
    let row = format!("SELECT {} FROM {table} NOT INDEXED LIMIT 1 OFFSET ?", quote_names(&columns));
    let key: Vec<Value> = connection.query_row(&row, [second.record.cast_signed() - 1], |row| {
        (0..columns.len()).map(|at| row.get(at)).collect()
    })?;
    let terms: Vec<_> = columns.iter().map(|column| format!("{} IS ?", quote_name(column))).collect();
    let condition = terms.join(" AND ");
    for input in &inputs[..number] {
        let connection = open_immutable(&input.path)?;
        let find = format!("SELECT 1 FROM {table} WHERE {condition}");
        if connection.query_row(&find, params_from_iter(&key), |_| Ok(())).optional()?.is_none() {
            continue;
        }
        let find = format!("SELECT {condition} FROM {table} NOT INDEXED");
        let mut statement = connection.prepare(&find)?;
        let rows = statement.query_map(params_from_iter(&key), |row| row.get(0))?;
        for (is_same, record) in rows.zip(1..) {
            if is_same? {
                return Ok(Some(Position { input: input.name.clone(), record, line: None, offset: None }));
            }
        }
    }
    Ok(None)
}
