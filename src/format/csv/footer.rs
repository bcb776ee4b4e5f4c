//! Leaves out the last records of an input.

use super::parse::RecordParser;
use crate::batch::Chunk;
use crate::error::Error;
use crate::plan::Dialect;
use std::collections::VecDeque;

/// The chunks of an input without its last records.
///
/// A chunk is held back until the chunks after it contain the footer.
#[derive(Debug)]
pub(crate) struct WithoutFooter<'a, S> {
    chunks: S,
    dialect: Dialect,
    /// The number of records to leave out.
    footer: usize,
    held: VecDeque<Chunk<'a>>,
    /// Records of all chunks in `held`.
    held_records: usize,
    /// The error that ends the input, to return after the chunks before it.
    error: Option<Error>,
}

impl<'a, S: Iterator<Item = Result<Chunk<'a>, Error>>> WithoutFooter<'a, S> {
    /// Leaves out the last `footer` records of `chunks`.
    pub(crate) fn new(chunks: S, dialect: Dialect, footer: usize) -> Self {
        Self { chunks, dialect, footer, held: VecDeque::new(), held_records: 0, error: None }
    }

    /// Leaves out the footer of the chunks that are held, which are the last.
    fn drop_footer(&mut self) {
        let mut kept = self.held_records.saturating_sub(self.footer);
        self.held_records = 0;
        self.footer = 0;
        for chunk in &mut self.held {
            *chunk = first_records(*chunk, kept, self.dialect);
            kept -= chunk.records;
        }
        self.held.retain(|chunk| chunk.records > 0);
    }
}

impl<'a, S: Iterator<Item = Result<Chunk<'a>, Error>>> Iterator for WithoutFooter<'a, S> {
    type Item = Result<Chunk<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.footer > 0 {
            let first = self.held.front().map_or(0, |chunk| chunk.records);
            if first > 0 && self.held_records - first >= self.footer {
                self.held_records -= first;
                return self.held.pop_front().map(Ok);
            }
            match self.chunks.next() {
                Some(Ok(chunk)) => {
                    self.held_records += chunk.records;
                    self.held.push_back(chunk);
                }
                end => {
                    self.error = end.and_then(Result::err);
                    self.drop_footer();
                }
            }
        }
        match self.held.pop_front() {
            Some(chunk) => Some(Ok(chunk)),
            None => self.error.take().map(Err).or_else(|| self.chunks.next()),
        }
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
    use crate::format::csv::split::Split;

    #[test]
    fn any_footer_of_any_chunks_is_left_out() {
        let csv = b"1\n\n22\n\"3\n3\"\n4\n\n55\n6";
        let dialect = Dialect::default();
        let split = |chunk_bytes| Split::new("in".into(), csv, 0, dialect, chunk_bytes, 1_000);
        let records = |chunks: &mut dyn Iterator<Item = Result<Chunk<'_>, Error>>| {
            let mut found = Vec::new();
            for chunk in chunks.map(Result::unwrap) {
                let mut records = RecordParser::new(chunk.bytes, dialect);
                let before = found.len();
                while let Some(range) = records.next_into(&mut Vec::new()) {
                    found.push(chunk.bytes[range].to_vec());
                }
                assert_eq!((chunk.first_record as usize, chunk.records), (before, found.len() - before));
            }
            found
        };
        let all = records(&mut split(1_000));
        for chunk_bytes in 1..30 {
            for footer in 0..10 {
                let mut rest = WithoutFooter::new(split(chunk_bytes), dialect, footer);
                assert_eq!(
                    records(&mut rest),
                    all[..all.len().saturating_sub(footer)],
                    "{chunk_bytes} {footer}"
                );
            }
        }
    }

    #[test]
    fn records_before_an_error_come_first() {
        let split = Split::new("in".into(), b"1\n2\n\"", 0, Dialect::default(), 1, 1_000);
        let chunks: Vec<_> =
            WithoutFooter::new(split, Dialect::default(), 1).map(|chunk| chunk.is_ok()).collect();
        assert_eq!(chunks, [true, false]);
    }
}
