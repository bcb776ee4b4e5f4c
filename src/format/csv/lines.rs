//! Lines and positions.

use crate::batch::{Chunk, RowOrigin};
use crate::error::Position;
use std::sync::Arc;

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    Lf,
    CrLf,
    /// A CR that no LF follows.
    Cr,
}

impl LineEnd {
    /// The line end at `at`.
    #[inline]
    pub(crate) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        match bytes.get(at..)? {
            [b'\n', ..] => Some(Self::Lf),
            [b'\r', b'\n', ..] => Some(Self::CrLf),
            [b'\r', ..] => Some(Self::Cr),
            _ => None,
        }
    }
}

/// The number of line ends in `bytes`: LF, CRLF and CR each count once.
pub(crate) fn count_line_ends(bytes: &[u8]) -> u64 {
    let is_end = |&at: &usize| bytes[at] == b'\r' || at == 0 || bytes[at - 1] != b'\r';
    memchr::memchr2_iter(b'\n', b'\r', bytes).filter(is_end).count() as u64
}

/// The number of blank lines in the bytes before a record or after the last one. They start with the end of the record before, if
/// they follow one.
pub(crate) fn count_blank_lines(between: &[u8], follows_record: bool) -> u64 {
    count_line_ends(between).saturating_sub(u64::from(follows_record))
}

/// The number of lines in `bytes`, with a last line that has no line end.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    let is_open = bytes.last().is_some_and(|byte| !matches!(byte, b'\n' | b'\r'));
    count_line_ends(bytes) + u64::from(is_open)
}

/// Appends to `lines` the number of line ends of the input before each of these offsets in `chunk`, which ascend.
pub(crate) fn push_lines_before(
    chunk: &Chunk<'_>,
    offsets: impl Iterator<Item = usize>,
    lines: &mut Vec<u64>,
) {
    let (mut line, mut counted) = (chunk.first_line, 0);
    lines.extend(offsets.map(|offset| {
        line += count_line_ends(&chunk.bytes[counted..offset]);
        counted = offset;
        line
    }));
}

/// The position in `input` of a record of `chunk`.
pub(crate) fn position(input: &Arc<str>, chunk: &Chunk<'_>, record: RowOrigin) -> Position {
    let start = record.span.start as usize;
    Position {
        input: input.clone(),
        record: chunk.first_record + u64::from(record.number) + 1,
        line: Some(chunk.first_line + count_line_ends(&chunk.bytes[..start]) + 1),
        offset: Some(chunk.offset + start as u64),
    }
}
