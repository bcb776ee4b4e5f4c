//! The format of inputs.

use std::fmt;

/// The dialect of a CSV input: RFC 4180, with a choice of delimiter, quote, escape and comment bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Separates the fields of a record.
    pub delimiter: Delimiter,
    /// The byte that encloses a field with delimiters, quotes or line ends; `None` means that no byte is special.
    pub quote: Option<u8>,
    /// The byte that escapes a quote, or itself, in a quoted field, and is not part of the value. A doubled quote still
    /// means one quote.
    pub escape: Option<u8>,
    /// A line that starts with this byte where a record would start is a comment.
    pub comment: Option<u8>,
    /// Remove spaces and tabs around fields: before the opening and after the closing quote, or around an unquoted value.
    pub trim: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b','.into(), quote: Some(b'"'), escape: None, comment: None, trim: false }
    }
}

/// A field delimiter of 1 to [`MAX_BYTES`](Self::MAX_BYTES) bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delimiter {
    bytes: [u8; Self::MAX_BYTES],
    len: u8,
}

impl Delimiter {
    /// The largest length of a delimiter, in bytes.
    pub const MAX_BYTES: usize = 8;

    /// Creates a delimiter; `None` if it is empty or longer than [`Delimiter::MAX_BYTES`].
    #[must_use]
    pub fn new(delimiter: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_BYTES];
        bytes.get_mut(..delimiter.len())?.copy_from_slice(delimiter);
        (!delimiter.is_empty()).then_some(Self { bytes, len: delimiter.len() as u8 })
    }

    /// The bytes of the delimiter.
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

/// How inputs are read: what precedes the records, and how many records to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputOptions {
    /// Detect the delimiter (comma, tab, semicolon or pipe) from the first records, or from a first line such as `sep=;`. A
    /// delimiter other than a comma in the dialect is used as it is.
    pub detect_delimiter: bool,
    /// Lines to skip before the header.
    pub skip_lines: u64,
    /// The largest number of records to read; `None` means all.
    pub max_records: Option<u64>,
    /// Number of records in the header. With several, the names of a column are joined with a space. With 0, the columns
    /// are named `column1`, `column2` and so on.
    pub header_rows: usize,
    /// Load inputs as CSV even if their content shows that they are in another format, such as Parquet or JSON.
    pub force: bool,
    /// Map large files into memory instead of copying them to a temporary file. This installs a handler of SIGBUS in the
    /// process.
    pub map: bool,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self {
            detect_delimiter: true,
            skip_lines: 0,
            max_records: None,
            header_rows: 1,
            force: false,
            map: true,
        }
    }
}
