//! Building [`Strings`] one after the other in one buffer.

use super::{Arena, ArenaVec, PADDING_BYTES, Span, Strings};

/// Builds a column of strings in row order.
pub(crate) struct StringsBuilder<'a> {
    /// The buffer: the strings so far, then free space.
    pub(crate) bytes: &'a mut [u8],
    /// Bytes of the buffer that hold strings.
    used: usize,
    spans: ArenaVec<'a, Span>,
}

impl<'a> StringsBuilder<'a> {
    /// Creates a builder for `rows` strings of `bytes` bytes in total, which must not exceed [`MAX_STRINGS_BYTES`].
    pub(crate) fn new(rows: usize, bytes: usize, arena: &'a Arena) -> Self {
        Self { bytes: arena.zeros(bytes + PADDING_BYTES), used: 0, spans: arena.vec(rows) }
    }

    /// Appends a string. `put` writes it to the start of the free space and returns its length in bytes.
    #[inline(always)]
    pub(crate) fn push(&mut self, put: impl FnOnce(&mut [u8]) -> usize) {
        let start = self.used;
        self.used += put(&mut self.bytes[start..]);
        self.spans.push(Span { start: start as u32, end: self.used as u32 });
    }

    /// Returns the strings.
    pub(crate) fn finish(self) -> Strings<'a> {
        Strings { bytes: self.bytes, spans: self.spans.into_bump_slice() }
    }
}

/// Maximum total size of the strings of a column, in bytes, so that spans and padding fit in 32 bits.
pub(crate) const MAX_STRINGS_BYTES: usize = u32::MAX as usize - PADDING_BYTES;

/// Copies a text to the start of `to` and returns its length in bytes.
#[inline]
pub(crate) fn copy_text(text: &[u8], to: &mut [u8]) -> usize {
    to[..text.len()].copy_from_slice(text);
    text.len()
}
