//! Inputs of Arrow record batches.

use crate::batch::{Chunk, RowOrigin};
use crate::error::{Kind, Position, Result};
use crate::format::arrow::declared_type;
use crate::input::ArrowSource;
use crate::plan::{Expr, Plan, Type};
use crate::report::Note;
use crate::schema::input_column::DeclaredType;
use crate::schema::names::unique_names;
use arrow_array::RecordBatch;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Chunks have at most this many rows: dictionaries and lists can be much larger than they look.
const MAX_CHUNK_ROWS: usize = 16 << 10;

/// An input of record batches.
#[derive(Debug)]
pub(crate) struct ArrowInput {
    pub(super) source: ArrowSource,
    /// The names of its columns, followed by those that only other inputs of the load have.
    pub(super) names: Vec<String>,
    /// The type of each of its columns.
    pub(super) types: Vec<DeclaredType>,
    pub(super) notes: Vec<Note>,
    pub(super) stop: Arc<AtomicBool>,
}

impl ArrowInput {
    /// An input whose batches have at most this many columns.
    ///
    /// # Errors
    /// [`Kind::TooManyColumns`].
    pub(crate) fn new(
        source: ArrowSource,
        plan: &Plan,
        max_columns: usize,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let schema = source.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
        if names.len() > max_columns {
            return Err(Kind::TooManyColumns { found: names.len(), limit: max_columns }.into());
        }
        let types = schema.fields().iter().map(|field| declared_type(field.data_type())).collect();
        let (names, renamed) =
            if plan.depends_on_header() { unique_names(&names) } else { (names, Vec::new()) };
        let notes = renamed.into_iter().map(Note::HeaderName).collect();
        Ok(Self { source, names, types, notes, stop: stop.clone() })
    }

    /// The position of a record of `chunk`.
    pub(super) fn position(&self, chunk: &Chunk<'_>, record: RowOrigin) -> Position {
        let record = chunk.first_record + u64::from(record.number) + 1;
        Position { input: self.source.name().clone(), record, line: None, offset: None }
    }

    /// Cuts the batches into chunks, until `take` breaks.
    ///
    /// # Errors
    /// As [`ArrowSource::read`].
    pub(super) fn split(
        &self,
        (number, records_before_input): (usize, u64),
        (plan, columns): (&Plan, &[usize]),
        mut take: impl FnMut(Chunk<'static>, RecordBatch) -> ControlFlow<()>,
    ) -> Result<()> {
        let (mut first_record, mut chunks) = (0, 0);
        for batch in self.source.read(may_read_again(plan), columns)? {
            let batch = batch?;
            let chunk_rows = chunk_rows(&batch, plan.tuning.chunk_bytes);
            for start in (0..batch.num_rows()).step_by(chunk_rows) {
                let records = chunk_rows.min(batch.num_rows() - start);
                let chunk = Chunk {
                    input: number,
                    number: chunks,
                    records_before_input,
                    first_record,
                    records,
                    ..Chunk::default()
                };
                if take(chunk, batch.slice(start, records)).is_break() {
                    return Ok(());
                }
                chunks += 1;
                first_record += records as u64;
            }
        }
        Ok(())
    }
}

/// The rows of a batch that have about this many bytes.
fn chunk_rows(batch: &RecordBatch, chunk_bytes: usize) -> usize {
    /// A value has an entry in the batch of rows, whatever its size.
    const MIN_VALUE_BYTES: usize = 2;
    let rows = batch.num_rows().max(1);
    let bytes: usize =
        batch.columns().iter().map(|array| array.to_data().get_slice_memory_size().unwrap_or_default()).sum();
    let row_bytes = (bytes / rows).max(MIN_VALUE_BYTES * batch.num_columns()).max(1);
    (chunk_bytes / row_bytes).clamp(1, MAX_CHUNK_ROWS)
}

/// True if the load may have to read its inputs again. A new table without keys and indexes takes all rows at the first attempt.
fn may_read_again(plan: &Plan) -> bool {
    let Plan { table, .. } = plan;
    let is_mixed =
        |value: &Expr| matches!(value, Expr::Typed { to: Type::NumericAffinity | Type::ExactNumeric, .. });
    let declares_more = table.columns.iter().any(|column| {
        let words = column.declaration.to_ascii_uppercase();
        ["PRIMARY", "UNIQUE", "CHECK", "REFERENCES", "NOT NULL"].iter().any(|word| words.contains(word))
    });
    table.if_exists.fills_existing()
        || table.is_strict
        || table.sql.is_some()
        || !table.constraints.is_empty()
        || !table.indexes.is_empty()
        || declares_more
        || table.columns.iter().any(|column| is_mixed(&column.value))
}
