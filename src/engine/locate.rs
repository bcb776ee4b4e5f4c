//! Where rows come from: found by reading the input once more, since nobody keeps count of what never fails.

use crate::batch::Chunk;
use crate::batch::{Arena, Rows, Value};
use crate::engine::worker::Worker;
use crate::error::{Position, Result, RowKey};
use crate::format::csv::lines::position;
use std::sync::Arc;

/// An input that can be read once more.
pub(crate) struct Again<'p, C> {
    pub(crate) input: Arc<str>,
    /// The chunks that were read of it.
    pub(crate) chunks: C,
    pub(crate) worker: Worker<'p>,
}

/// The positions of the records that became these rows, in the order of the inputs. A row given by rowid may be one of
/// several. Fewer if the inputs are not what they were.
///
/// # Errors
/// As those of the split.
pub(crate) fn positions<'f, 'p, C: Iterator<Item = Result<Chunk<'f>>>>(
    rows: &[RowKey],
    inputs: impl Iterator<Item = Result<Again<'p, C>>>,
) -> Result<Vec<Position>> {
    let mut found = Vec::new();
    let mut arena = Arena::default();
    let mut rows_before = 0;
    for input in inputs {
        let Again { input, chunks, mut worker } = input?;
        for chunk in chunks {
            if found.len() >= rows.len() {
                return Ok(found);
            }
            let chunk = chunk?;
            arena.reset();
            let made = worker.rows(chunk, &arena);
            for row in 0..made.len {
                if rows.iter().any(|key| is_meant(key, &made, row, rows_before)) {
                    found.push(position(&input, &chunk, made.origins.get(row)));
                }
            }
            rows_before += made.len as u64;
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
