//! The columns of a table that an input describes itself: names from the header, types from the values.
//!
//! A column is INTEGER or REAL only if that loses nothing (see `crate::types::numbers`) in any record of the whole
//! input; otherwise it is TEXT. Empty fields say nothing about a type.

use crate::batch::{Rows, Value};
use crate::error::Result;
use crate::schema::column_stats::ColumnStats;
use crate::write::{Appended, Encoder, Writer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Looks at rows instead of writing them.
pub(crate) struct InferTypes<'s> {
    seen: &'s mut [ColumnStats],
    rows: u64,
    /// For each column the first record of the chunk that shows that it is no number, as far as that is known: nobody needs
    /// to look at chunks behind that.
    first_non_numbers: Arc<[AtomicU64]>,
}

impl<'s> InferTypes<'s> {
    /// Puts what it sees into `seen`, a column each.
    pub(crate) fn new(seen: &'s mut [ColumnStats]) -> Self {
        let first_non_numbers = seen.iter().map(|_| AtomicU64::new(u64::MAX)).collect();
        Self { seen, rows: 0, first_non_numbers }
    }
}

impl Writer for InferTypes<'_> {
    type Encoder = InferEncoder;

    fn encoder(&self) -> InferEncoder {
        InferEncoder { first_non_numbers: self.first_non_numbers.clone() }
    }

    fn append(&mut self, rows: &Rows<'_>, seen: &mut Vec<ColumnStats>) -> Result<Appended> {
        self.seen.iter_mut().zip(seen).for_each(|(all, seen)| all.merge(seen, self.rows));
        self.rows += rows.len as u64;
        Ok(Appended::default())
    }

    fn finish(self, _: &AtomicBool) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The parallel half of a [`InferTypes`].
pub(crate) struct InferEncoder {
    first_non_numbers: Arc<[AtomicU64]>,
}

impl Encoder for InferEncoder {
    type Encoded = Vec<ColumnStats>;

    fn encode(&mut self, rows: &Rows<'_>, seen: &mut Vec<ColumnStats>) {
        seen.clear();
        seen.extend(rows.columns.iter().zip(&*self.first_non_numbers).map(|(values, first_non_numbers)| {
            let mut seen = ColumnStats::default();
            if first_non_numbers.load(Ordering::Relaxed) < rows.chunk.first_load_record() {
                return seen;
            }
            for row in 0..rows.len {
                if let Value::Text(text) = values.get(row) {
                    seen.add_value(text, row);
                }
                if seen.first_non_number.is_some() {
                    first_non_numbers.fetch_min(rows.chunk.first_load_record(), Ordering::Relaxed);
                    break;
                }
            }
            seen
        }));
    }
}
