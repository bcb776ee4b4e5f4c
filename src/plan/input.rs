//! How inputs are written.

use std::fmt;

/// How a CSV input is written (RFC 4180, with all that it fixes free).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between two fields.
    pub delimiter: Delimiter,
    /// The byte around a field that holds delimiters, quotes or line ends; `None`: quotes mean nothing.
    pub quote: Option<u8>,
    /// The byte inside quotes that takes the meaning off the next one, a quote or itself, and is no part of the value.
    /// Two quotes still stand for one.
    pub escape: Option<u8>,
    /// The byte that makes a line, which begins with it where a record would, a comment.
    pub comment: Option<u8>,
    /// Whether blanks and tabs around a field are no part of it: those before an opening quote and behind a closing one,
    /// or around an unquoted value.
    pub trim: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b','.into(), quote: Some(b'"'), escape: None, comment: None, trim: false }
    }
}

/// What stands between two fields: a byte, or a few.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Delimiter {
    bytes: [u8; Self::MAX_BYTES],
    len: u8,
}

impl Delimiter {
    /// No delimiter has more bytes.
    pub const MAX_BYTES: usize = 8;

    /// The delimiter of these bytes; nothing if there are none, or more than [`Delimiter::MAX_BYTES`].
    #[must_use]
    pub fn new(delimiter: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_BYTES];
        bytes.get_mut(..delimiter.len())?.copy_from_slice(delimiter);
        (!delimiter.is_empty()).then_some(Self { bytes, len: delimiter.len() as u8 })
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len.into()]
    }
}

impl From<u8> for Delimiter {
    fn from(byte: u8) -> Self {
        let mut bytes = [0; Self::MAX_BYTES];
        bytes[0] = byte;
        Self { bytes, len: 1 }
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// What comes before the records of an input, and what is learnt from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputOptions {
    /// Whether the delimiter is the one that the first records agree on: a comma, a tab, a semicolon or a pipe.
    pub detect_delimiter: bool,
    /// Lines before the header that are no part of the CSV.
    pub skip_lines: u64,
    /// Only so many records are read.
    pub max_records: Option<u64>,
    /// Records that the header is made of. The names of a column are joined with a blank. 0: there is none, and the
    /// columns are `column1` and so on.
    pub header_rows: usize,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self { detect_delimiter: false, skip_lines: 0, max_records: None, header_rows: 1 }
    }
}
