//! Strings of bytes, and how they are copied.

/// Where bytes lie among others, from `start` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The first byte behind it.
    pub end: u32,
}

impl Span {
    /// How many bytes lie there.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    #[must_use]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// These bytes of `bytes`.
    #[inline]
    #[must_use]
    pub fn slice(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// Strings of bytes, each somewhere in `bytes`.
#[derive(Debug, Clone, Copy)]
pub struct Strings<'a> {
    /// What they lie in.
    pub bytes: &'a [u8],
    /// Where each lies.
    pub spans: &'a [Span],
}

impl<'a> Strings<'a> {
    /// The string of a row.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> &'a [u8] {
        self.spans[row].slice(self.bytes)
    }
}

/// Bytes that may be written behind a copied string, and are best there to be read.
pub(crate) const PADDING_BYTES: usize = 64;

/// Copies strings. Where the longest is short all are copied as so many bytes as the compiler knows, and what
/// is too much of them is written over by what follows: that takes less time than to copy just a few.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copier<'a> {
    strings: Strings<'a>,
    /// The bytes of the longest.
    longest: usize,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(strings: Strings<'a>) -> Self {
        let longest = strings.spans.iter().fold(0, |longest, span| span.len().max(longest));
        Self { strings, longest }
    }

    /// A copier of only those strings that have no more than `longest` bytes.
    pub(crate) fn with_longest(strings: Strings<'a>, longest: usize) -> Self {
        Self { strings, longest }
    }

    /// Copies the string of a row to the start of `to` and returns its bytes; up to [`PADDING_BYTES`] may change.
    ///
    /// # Panics
    /// If there is not room for it.
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
        match (bytes.get(start..start + BYTES), to.get_mut(..BYTES)) {
            (Some(padded), Some(to)) => to.copy_from_slice(padded),
            _ => to[..span.len()].copy_from_slice(span.slice(bytes)),
        }
    }
}
