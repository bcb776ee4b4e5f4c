//! Which record each row of a load came from, for failures that show only when the row is long written.
//!
//! A chunk whose records all became rows takes a fixed number of bytes; any other also one bit for each record.

use crate::batch::{Chunk, RowOrigins};
use std::ops::Range;

/// The chunks of a load whose rows have been written, in order.
#[derive(Debug, Default)]
pub(crate) struct RecordLog {
    chunks: Vec<LoggedChunk>,
    rows: u64,
}

#[derive(Debug)]
struct LoggedChunk {
    first_row: u64,
    /// The chunk, without its bytes.
    chunk: Chunk<'static>,
    chunk_bytes: usize,
    /// A bit for each record that became a row; `None` if all did.
    is_row: Option<Box<[u64]>>,
}

/// A record of an earlier chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordPlace {
    /// The number of the input in the load.
    pub(crate) input: usize,
    /// Records of the chunk before this one.
    pub(crate) number: u32,
    chunk: Chunk<'static>,
    chunk_bytes: usize,
}

impl RecordPlace {
    /// Where in the input the chunk is.
    pub(crate) fn bytes(&self) -> Range<usize> {
        let start = self.chunk.offset as usize;
        start..start + self.chunk_bytes
    }

    /// The chunk, whose bytes are these.
    pub(crate) fn chunk<'a>(&self, bytes: &'a [u8]) -> Chunk<'a> {
        Chunk { bytes, ..self.chunk }
    }
}

impl RecordLog {
    /// Logs the rows of the chunk that comes next.
    pub(super) fn push(&mut self, chunk: &Chunk<'_>, origins: RowOrigins<'_>) {
        let rows = origins.spans.len();
        if rows == 0 {
            return;
        }
        // Records may be missing after the last row only, too.
        let is_row = (rows < chunk.records).then(|| {
            let mut bits = vec![0_u64; chunk.records.div_ceil(64)].into_boxed_slice();
            (0..rows)
                .map(|row| origins.get(row).number)
                .for_each(|number| bits[number as usize / 64] |= 1 << (number % 64));
            bits
        });
        let (chunk, chunk_bytes) = (Chunk { bytes: &[], ..*chunk }, chunk.bytes.len());
        self.chunks.push(LoggedChunk { first_row: self.rows, chunk, chunk_bytes, is_row });
        self.rows += rows as u64;
    }

    /// The record that became row `row` of the load.
    pub(crate) fn find(&self, row: u64) -> Option<RecordPlace> {
        let at = self.chunks.partition_point(|chunk| chunk.first_row <= row).checked_sub(1)?;
        let LoggedChunk { first_row, chunk, chunk_bytes, is_row } = &self.chunks[at];
        let number = match is_row {
            None => row - first_row,
            Some(bits) => nth_bit(bits, row - first_row)?,
        };
        let is_there = row < self.rows;
        let place = RecordPlace {
            input: chunk.input,
            number: number as u32,
            chunk: *chunk,
            chunk_bytes: *chunk_bytes,
        };
        is_there.then_some(place)
    }
}

/// The number of the bit that is set after `rank` others.
fn nth_bit(bits: &[u64], mut rank: u64) -> Option<u64> {
    for (word, at) in bits.iter().zip(0..) {
        let ones = u64::from(word.count_ones());
        if rank < ones {
            return (0..64).filter(|bit| word >> bit & 1 == 1).nth(rank as usize).map(|bit| at * 64 + bit);
        }
        rank -= ones;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Span;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_the_record_of_every_row(chunks in prop::collection::vec(prop::collection::vec(any::<bool>(), 0..200), 0..6)) {
            let mut log = RecordLog::default();
            let mut expected = Vec::new();
            let mut first_record = 0;
            for (input, is_row) in chunks.iter().enumerate() {
                let numbers: Vec<_> = (0..).zip(is_row).filter(|(_, is_row)| **is_row).map(|(at, _)| at).collect();
                let spans = vec![Span { start: 0, end: 0 }; numbers.len()];
                let chunk = Chunk { input, first_record, records: is_row.len(), ..Chunk::default() };
                log.push(&chunk, RowOrigins { numbers: Some(&numbers), spans: &spans });
                expected.extend(numbers.iter().map(|number| (input, *number)));
                first_record += is_row.len() as u64;
            }
            let found = (0..).map_while(|row| log.find(row)).map(|place| (place.input, place.number));
            prop_assert_eq!(found.collect::<Vec<_>>(), expected);
        }
    }
}
