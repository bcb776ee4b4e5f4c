//! Where rows come from: found by reading the input once more, since nobody keeps count of what never fails.

use crate::batch::{Arena, Rows, Value};
use crate::error::{Position, Result, RowKey};
use crate::split::Split;
use crate::work::Worker;
use std::sync::Arc;

/// The positions of the records that became these rows, in the order of the input. A row given by rowid may be one of
/// several. Fewer if the input is not what it was.
///
/// # Errors
/// As those of the split.
pub(crate) fn positions(
    rows: &[RowKey],
    input: &Arc<str>,
    split: Split<'_>,
    mut worker: Worker<'_>,
) -> Result<Vec<Position>> {
    let mut found = Vec::new();
    let mut arena = Arena::default();
    let mut rows_before = 0;
    for chunk in split {
        let chunk = chunk?;
        let made = worker.rows(chunk, &arena);
        for row in 0..made.len {
            if rows.iter().any(|key| is_meant(key, &made, row, rows_before)) {
                found.push(worker.position(chunk, row, input));
            }
        }
        rows_before += made.len as u64;
        drop(made);
        arena.reset();
        if found.len() >= rows.len() {
            break;
        }
    }
    Ok(found)
}

fn is_meant(key: &RowKey, rows: &Rows<'_>, row: usize, rows_before: u64) -> bool {
    match key {
        RowKey::Number(number) => *number == rows_before + row as u64,
        RowKey::Rowid { column, rowid } => rows.columns[*column].get(row) == Value::Integer(*rowid),
    }
}
