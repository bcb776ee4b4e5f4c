//! Infers the types of columns: a writer that looks at rows instead of writing them.
//!
//! A column is INTEGER or REAL only if that loses nothing (see `crate::types::numbers`) in any record of all inputs;
//! otherwise it is TEXT. Empty fields say nothing about a type.

use crate::batch::{Rows, Value};
use crate::error::Position;
use crate::format::csv::lines::position;
use crate::plan::Notation;
use crate::schema::column_stats::ColumnStats;
use crate::types::notation::push_sql_text;
use crate::write::{Appended, Encoder, WriteFailure, Writer};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Statistics of the columns of the inputs.
#[derive(Debug, Default)]
pub(super) struct Inferred {
    /// For each column that was looked at, by its number, statistics of its values.
    pub(super) columns: HashMap<usize, ColumnStats>,
    /// The positions of the records that became the rows which the statistics name.
    pub(super) positions: HashMap<u64, Position>,
}

/// Collects statistics of columns.
pub(super) struct InferTypes {
    names: Vec<Arc<str>>,
    notation: Notation,
    columns: Vec<ColumnStats>,
    positions: HashMap<u64, Position>,
    rows: u64,
    /// For each column the first record of a chunk that shows that it is TEXT, as far as that is known: later chunks need
    /// not be looked at.
    first_non_numbers: Arc<[AtomicU64]>,
}

impl InferTypes {
    /// Collects statistics of this many columns, whose numbers are in `notation`; `names` are those of the inputs.
    pub(super) fn new(names: Vec<Arc<str>>, columns: usize, notation: Notation) -> Self {
        let first_non_numbers = (0..columns).map(|_| AtomicU64::new(u64::MAX)).collect();
        let columns = vec![ColumnStats::default(); columns];
        Self { names, notation, columns, positions: HashMap::new(), rows: 0, first_non_numbers }
    }

    /// The statistics of the rows so far; the columns have these numbers.
    pub(super) fn inferred(self, numbers: impl IntoIterator<Item = usize>) -> Inferred {
        Inferred { columns: numbers.into_iter().zip(self.columns).collect(), positions: self.positions }
    }
}

impl Writer for InferTypes {
    type Encoder = InferEncoder;

    fn encoder(&self) -> InferEncoder {
        InferEncoder { first_non_numbers: self.first_non_numbers.clone(), notation: self.notation }
    }

    fn append(&mut self, rows: &Rows<'_>, stats: &mut Vec<ColumnStats>) -> Result<Appended, WriteFailure> {
        let Self { columns, positions, .. } = self;
        for (column, stats) in columns.iter_mut().zip(stats) {
            column.merge(stats, self.rows);
            for row in column.example_rows().filter(|row| *row >= self.rows) {
                positions.entry(row).or_insert_with(|| {
                    let origin = rows.origins.get((row - self.rows) as usize);
                    position(&self.names[rows.chunk.input], &rows.chunk, origin)
                });
            }
        }
        self.rows += rows.len as u64;
        Ok(Appended::default())
    }

    fn finish(self, _: &AtomicBool) -> Result<Vec<String>, WriteFailure> {
        Ok(Vec::new())
    }
}

/// The parallel half of [`InferTypes`].
pub(super) struct InferEncoder {
    first_non_numbers: Arc<[AtomicU64]>,
    notation: Notation,
}

impl Encoder for InferEncoder {
    type Encoded = Vec<ColumnStats>;

    fn encode(&mut self, rows: &Rows<'_>, columns: &mut Vec<ColumnStats>) {
        let first_record = rows.chunk.first_load_record();
        let notation = Some(self.notation).filter(|notation| *notation != Notation::default());
        let mut number = Vec::new();
        columns.clear();
        columns.extend(rows.columns.iter().zip(&*self.first_non_numbers).map(
            |(values, first_non_number)| {
                let mut stats = ColumnStats::default();
                if first_non_number.load(Ordering::Relaxed) < first_record {
                    return stats;
                }
                for row in 0..rows.len {
                    match values.get(row) {
                        Value::Text(text) => {
                            number.clear();
                            let is_number = |notation| push_sql_text(text, (notation, false), &mut number);
                            match notation.is_some_and(is_number) {
                                true => stats.add_value_of(text, &number, row),
                                false => stats.add_value(text, row),
                            }
                        }
                        // A string of an input that has numbers, too.
                        Value::Blob(text) => stats.add_string(text, row),
                        _ => {}
                    }
                    if stats.has_non_number() {
                        first_non_number.fetch_min(first_record, Ordering::Relaxed);
                        break;
                    }
                }
                stats
            },
        ));
    }
}
