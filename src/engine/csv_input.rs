//! CSV inputs whose headers have been read.

use super::record_log::RecordPlace;
use crate::batch::{RowOrigin, Span};
use crate::error::{Error, Position, Result};
use crate::format::csv::header::Header;
use crate::format::csv::lines::position;
use crate::format::csv::parse::RecordParser;
use crate::input::{Input, OpenInput};
use crate::plan::Plan;
use crate::report::Note;
use std::sync::OnceLock;

/// A CSV input whose header has been read.
#[derive(Debug)]
pub(crate) struct CsvInput {
    pub(super) input: Input,
    pub(super) header: Header,
    /// The number of its records, once it turns out that the footer to skip has more.
    pub(super) too_few_records: OnceLock<u64>,
}

impl CsvInput {
    /// An input whose text is `open`, and whose header has at most this many columns.
    ///
    /// # Errors
    /// As [`Header::read`].
    pub(super) fn read(input: Input, open: &OpenInput, plan: &Plan, max_columns: usize) -> Result<Self> {
        let header = Header::read(input.name(), open, plan, max_columns)?;
        Ok(Self::new(input, header))
    }

    /// An input with this header.
    pub(super) fn new(input: Input, header: Header) -> Self {
        Self { input, header, too_few_records: OnceLock::new() }
    }

    /// Whether the records of another input are read in the same way.
    pub(super) fn has_same_format(&self, other: &Self) -> bool {
        let [one, other] = [self, other].map(|csv| &csv.header);
        (one.dialect, one.width) == (other.dialect, other.width)
            && (&one.first, one.line_end) == (&other.first, other.line_end)
    }

    /// What is known about the input now that it has been read. `skip_footer` records are to be skipped at its end.
    pub(super) fn late_notes(&self, skip_footer: usize) -> impl Iterator<Item = Note> {
        let garbage = self.input.has_trailing_garbage();
        let garbage =
            garbage.then(|| Note::TrailingGarbage { file: self.input.path().to_string_lossy().into() });
        let skipped_all = self.too_few_records.get().map(|records| Note::SkippedAll {
            input: self.input.name().clone(),
            records: *records,
            skipped: skip_footer as u64,
            is_footer: true,
        });
        garbage.into_iter().chain(skipped_all)
    }

    /// The position of a record of an earlier chunk; `None` if the input can no longer be read.
    pub(super) fn position_of(&self, place: RecordPlace) -> Option<Position> {
        let name = self.input.name();
        let log = |error: &Error| tracing::debug!("{name}: cannot find a record again: {error}");
        let file = self.input.open().inspect_err(log).ok()?;
        let bytes = file.slice(place.bytes()).inspect_err(log).ok()?;
        let chunk = place.chunk(&bytes);
        let mut records = RecordParser::new(&bytes, self.header.dialect);
        let mut ranges = std::iter::from_fn(|| records.next_into(&mut Vec::new()));
        let range = ranges.nth(place.number as usize)?;
        let span = Span { start: range.start as u32, end: range.end as u32 };
        Some(position(name, &chunk, RowOrigin { number: place.number, span }))
    }
}
