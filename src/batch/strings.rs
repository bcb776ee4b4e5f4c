//! Strings as spans of one byte slice, and fast copies of them.
//!
//! The plain algorithm of [`Copier::copy`]: copy the bytes of the span. The implementation departs from it as
//! follows: if the longest string is short, it copies a fixed number of bytes, which the compiler turns into a few
//! vector moves. The caller writes strings one after the other, so each string overwrites the excess bytes of the one
//! before it.

use super::{HotLoop, dispatch};

/// A range of byte offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// Length in bytes.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "no caller needs it")]
    #[must_use]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Returns this range of `bytes`.
    ///
    /// # Panics
    /// If the span is not within `bytes`.
    #[inline]
    #[must_use]
    pub fn slice(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// Byte strings stored as spans of one slice.
#[derive(Debug, Clone, Copy)]
pub struct Strings<'a> {
    /// The slice that the spans refer to.
    pub bytes: &'a [u8],
    /// The span of each string.
    pub spans: &'a [Span],
}

impl<'a> Strings<'a> {
    /// Returns the string of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> &'a [u8] {
        self.spans[row].slice(self.bytes)
    }
}

/// [`Copier::copy`] may overwrite up to this many bytes from the start of a string on. It is fastest if source and
/// destination both extend this far.
pub(crate) const PADDING_BYTES: usize = 64;

/// Copies strings one by one; see the module documentation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copier<'a> {
    strings: Strings<'a>,
    /// Length of the longest string in bytes.
    longest: usize,
}

/// The search for the length of the longest string.
struct Longest<'s>(&'s [Span]);

impl HotLoop for Longest<'_> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        self.0.iter().fold(0, |longest, span| longest.max(span.end - span.start)) as usize
    }
}

impl<'a> Copier<'a> {
    pub(crate) fn new(strings: Strings<'a>) -> Self {
        Self { strings, longest: dispatch(Longest(strings.spans)) }
    }

    /// Creates a copier for strings whose longest has `longest` bytes. Longer strings must not be copied.
    pub(crate) fn with_longest(strings: Strings<'a>, longest: usize) -> Self {
        Self { strings, longest }
    }

    /// Copies the string of a row to the start of `to` and returns its length in bytes. May overwrite the first
    /// [`PADDING_BYTES`] bytes of `to`.
    ///
    /// # Panics
    /// If `to` is shorter than the string.
    #[inline(always)]
    pub(crate) fn copy(&self, row: usize, to: &mut [u8]) -> usize {
        let span = self.strings.spans[row];
        match self.longest {
            0..=16 => self.copy_padded::<16>(span, to),
            17..=32 => self.copy_padded::<32>(span, to),
            33..=PADDING_BYTES => self.copy_padded::<PADDING_BYTES>(span, to),
            _ => to[..span.len()].copy_from_slice(span.slice(self.strings.bytes)),
        }
        span.len()
    }

    #[inline(always)]
    fn copy_padded<const BYTES: usize>(&self, span: Span, to: &mut [u8]) {
        let (bytes, start) = (self.strings.bytes, span.start as usize);
        let padded = bytes.get(start..).and_then(<[u8]>::first_chunk::<BYTES>);
        match (padded, to.first_chunk_mut::<BYTES>()) {
            (Some(padded), Some(to)) => *to = *padded,
            _ => to[..span.len()].copy_from_slice(span.slice(bytes)),
        }
    }
}
