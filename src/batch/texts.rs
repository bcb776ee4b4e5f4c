//! Texts that are made one behind the other.

use super::{Arena, ArenaVec, PADDING_BYTES, Span, Strings};

/// Texts that are made one behind the other.
pub(crate) struct StringsBuilder<'a> {
    pub(crate) bytes: &'a mut [u8],
    used: usize,
    spans: ArenaVec<'a, Span>,
}

impl<'a> StringsBuilder<'a> {
    /// None yet; room for so many, of so many bytes together, which must be fewer than [`MAX_STRINGS_BYTES`].
    pub(crate) fn new(rows: usize, bytes: usize, arena: &'a Arena) -> Self {
        Self { bytes: arena.zeros(bytes + PADDING_BYTES), used: 0, spans: arena.vec(rows) }
    }

    /// Appends the text that `put` writes to the start of what it is given, and whose bytes it returns.
    #[inline(always)]
    pub(crate) fn push(&mut self, put: impl FnOnce(&mut [u8]) -> usize) {
        let start = self.used;
        self.used += put(&mut self.bytes[start..]);
        self.spans.push(Span { start: start as u32, end: self.used as u32 });
    }

    pub(crate) fn finish(self) -> Strings<'a> {
        Strings { bytes: self.bytes, spans: self.spans.into_bump_slice() }
    }
}

/// What the spans of a column can reach.
pub(crate) const MAX_STRINGS_BYTES: usize = u32::MAX as usize - PADDING_BYTES;

/// Copies a text to the start of `to` and returns its bytes.
#[inline]
pub(crate) fn copy_text(text: &[u8], to: &mut [u8]) -> usize {
    to[..text.len()].copy_from_slice(text);
    text.len()
}
