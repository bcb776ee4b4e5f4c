//! Leaves out the last records of an input: the one that ends the data of a PostgreSQL COPY, and a footer before it.

use super::parse::RecordParser;
use super::split::Split;
use crate::batch::Chunk;
use crate::error::Error;
use crate::input::Incoming;
use crate::plan::Dialect;
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// The chunks of an input without its last records.
///
/// A chunk is held back until the chunks after it contain the footer.
#[derive(Debug)]
pub(crate) struct WithoutFooter {
    split: Split<'static>,
    dialect: Dialect,
    /// The number of records to leave out.
    footer: usize,
}

/// Chunks that are held back.
#[derive(Debug, Default)]
struct Held {
    /// The bytes of each chunk, and the chunk without them.
    chunks: VecDeque<(Bytes, Chunk<'static>)>,
    /// The records of all of them.
    records: usize,
}

impl WithoutFooter {
    /// Leaves out the last `footer` records of `split`.
    pub(crate) fn new(split: Split<'static>, dialect: Dialect, footer: usize) -> Self {
        Self { split, dialect, footer }
    }

    /// Calls `take` as [`Split::for_each_chunk`] does. Returns the number of records if all of them are fewer than the footer.
    ///
    /// # Errors
    /// As [`Split::for_each_chunk`]. The chunks before the error are taken first, without a footer.
    pub(crate) fn for_each_chunk(
        self,
        input: &dyn Incoming,
        mut take: impl FnMut(Chunk<'_>, &Bytes) -> ControlFlow<()>,
    ) -> Result<Option<u64>, Error> {
        let Self { split, dialect, mut footer } = self;
        // The last record may end the data.
        let most = footer + usize::from(dialect.end_of_data().is_some());
        if most == 0 {
            return split.for_each_chunk(input, take).map(|()| None);
        }
        let mut held = Held::default();
        let mut flow = ControlFlow::Continue(());
        let end = split.for_each_chunk(input, |chunk, window| {
            held.push(chunk, window);
            while let (ControlFlow::Continue(()), Some((bytes, chunk))) = (flow, held.pop_before(most)) {
                flow = take(Chunk { bytes: &bytes, ..chunk }, &bytes);
            }
            flow
        });
        let end_of_data = usize::from(held.has_end_of_data(dialect));
        footer += end_of_data;
        // Until the footer is there, all records are held back.
        let missing = (held.records < footer).then(|| (held.records - end_of_data) as u64);
        let mut kept = held.records.saturating_sub(footer);
        for (bytes, chunk) in held.chunks {
            let chunk = first_records(Chunk { bytes: &bytes, ..chunk }, kept, dialect);
            if flow.is_break() || chunk.records == 0 {
                break;
            }
            kept -= chunk.records;
            flow = take(chunk, &bytes);
        }
        if flow.is_break() { Ok(None) } else { end.map(|()| missing) }
    }
}

impl Held {
    fn push(&mut self, chunk: Chunk<'_>, window: &Bytes) {
        self.records += chunk.records;
        self.chunks.push_back((window.slice_ref(chunk.bytes), Chunk { bytes: &[], ..chunk }));
    }

    /// The first chunk, if the others contain the footer.
    fn pop_before(&mut self, footer: usize) -> Option<(Bytes, Chunk<'static>)> {
        let (_, first) = self.chunks.front()?;
        let others = self.records - first.records;
        if others < footer {
            return None;
        }
        self.records = others;
        self.chunks.pop_front()
    }

    /// True if the last record is the one that ends the data.
    fn has_end_of_data(&self, dialect: Dialect) -> bool {
        let Some(end) = dialect.end_of_data() else { return false };
        let mut chunks = self.chunks.iter().rev();
        chunks.find(|(_, chunk)| chunk.records > 0).is_some_and(|(bytes, _)| {
            let mut records = RecordParser::new(bytes, dialect);
            let ranges = std::iter::from_fn(|| records.next_into(&mut Vec::new()));
            ranges.last().is_some_and(|range| &bytes[range] == end)
        })
    }
}

/// The chunk without records beyond its first `most`.
pub(crate) fn first_records(chunk: Chunk<'_>, most: usize, dialect: Dialect) -> Chunk<'_> {
    if most >= chunk.records {
        return chunk;
    }
    let mut records = RecordParser::new(chunk.bytes, dialect);
    let mut ranges = std::iter::from_fn(|| records.next_into(&mut Vec::new()));
    let end = ranges.nth(most).map_or(chunk.bytes.len(), |range| range.start);
    Chunk { bytes: &chunk.bytes[..end], records: most, ..chunk }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// An input that receives one more byte each time it is read.
    #[derive(Debug)]
    struct Trickle(&'static [u8], AtomicUsize);

    impl Incoming for Trickle {
        fn wait(&self, offset: usize, _: usize) -> Result<(Bytes, bool), Error> {
            let arrived = self.1.fetch_add(1, Ordering::Relaxed).clamp(offset, self.0.len());
            Ok((Bytes::from_static(&self.0[offset..arrived]), arrived == self.0.len()))
        }
    }

    /// The records without the footer, and whether the input ended without an error.
    fn records(csv: &'static [u8], chunk_bytes: usize, footer: usize) -> (Vec<Vec<u8>>, bool) {
        let dialect = Dialect::default();
        let split = Split::new("in".into(), &[], 0, dialect, chunk_bytes, 1_000);
        let mut found = Vec::new();
        let input = Trickle(csv, AtomicUsize::new(0));
        let end = WithoutFooter::new(split, dialect, footer).for_each_chunk(&input, |chunk, _| {
            let mut records = RecordParser::new(chunk.bytes, dialect);
            let before = found.len();
            while let Some(range) = records.next_into(&mut Vec::new()) {
                found.push(chunk.bytes[range].to_vec());
            }
            assert_eq!((chunk.first_record as usize, chunk.records), (before, found.len() - before));
            ControlFlow::Continue(())
        });
        (found, end.is_ok())
    }

    #[test]
    fn any_footer_of_any_chunks_is_left_out() {
        let csv = b"1\n\n22\n\"3\n3\"\n4\n\n55\n6";
        let (all, _) = records(csv, 1_000, 0);
        assert_eq!(all.len(), 6);
        for chunk_bytes in 1..30 {
            for footer in 0..10 {
                let rest = all[..all.len().saturating_sub(footer)].to_vec();
                assert_eq!(records(csv, chunk_bytes, footer), (rest, true), "{chunk_bytes} {footer}");
            }
        }
    }

    #[test]
    fn records_before_an_error_come_first() {
        assert_eq!(records(b"1\n2\n\"", 1, 1), (vec![b"1".to_vec()], false));
    }
}
