//! The columns of a table that an input describes itself: names from the header, types from the values.
//!
//! A column is INTEGER or REAL only if that loses nothing (see `crate::types::numbers`) in any record of the whole
//! input; otherwise it is TEXT. Empty fields say nothing about a type.

use crate::batch::{Rows, Value};
use crate::error::Result;
use crate::schema::column_stats::Seen;
use crate::write::{Appended, Encoder, Writer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Looks at rows instead of writing them.
pub(crate) struct Looker<'s> {
    seen: &'s mut [Seen],
    rows: u64,
    /// For each column the first record of the chunk that shows that it is no number, as far as that is known: nobody needs
    /// to look at chunks behind that.
    words: Arc<[AtomicU64]>,
}

impl<'s> Looker<'s> {
    /// Puts what it sees into `seen`, a column each.
    pub(crate) fn new(seen: &'s mut [Seen]) -> Self {
        let words = seen.iter().map(|_| AtomicU64::new(u64::MAX)).collect();
        Self { seen, rows: 0, words }
    }
}

impl Writer for Looker<'_> {
    type Encoder = Look;

    fn encoder(&self) -> Look {
        Look { words: self.words.clone() }
    }

    fn append(&mut self, rows: &Rows<'_>, seen: &mut Vec<Seen>) -> Result<Appended> {
        self.seen.iter_mut().zip(seen).for_each(|(all, seen)| all.merge(seen, self.rows));
        self.rows += rows.len as u64;
        Ok(Appended::default())
    }

    fn finish(self, _: &AtomicBool) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The parallel half of a [`Looker`].
pub(crate) struct Look {
    words: Arc<[AtomicU64]>,
}

impl Encoder for Look {
    type Encoded = Vec<Seen>;

    fn encode(&mut self, rows: &Rows<'_>, seen: &mut Vec<Seen>) {
        seen.clear();
        seen.extend(rows.columns.iter().zip(&*self.words).map(|(values, words)| {
            let mut seen = Seen::default();
            if words.load(Ordering::Relaxed) < rows.chunk.first_load_record() {
                return seen;
            }
            for row in 0..rows.len {
                if let Value::Text(text) = values.get(row) {
                    seen.add(text, row);
                }
                if seen.word.is_some() {
                    words.fetch_min(rows.chunk.first_load_record(), Ordering::Relaxed);
                    break;
                }
            }
            seen
        }));
    }
}
