//! The format of inputs.

use std::fmt;

/// The dialect of a CSV input: RFC 4180, with a choice of delimiter, quote, escape and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Separates the fields of a record.
    pub delimiter: Delimiter,
    /// The byte that encloses a field with delimiters, quotes or line ends; `None` means that no byte is special.
    pub quote: Option<u8>,
    /// The byte that starts an escape. A doubled quote in a quoted field still means one quote.
    pub escape: Option<u8>,
    /// Where escapes have a meaning, and which.
    pub escapes: Escapes,
    /// A line that starts with this text where a record would start is a comment.
    pub comment: Option<CommentPrefix>,
    /// Remove spaces and tabs around fields: before the opening and after the closing quote, or around an unquoted value.
    pub trim: bool,
}

impl Dialect {
    /// True if escapes have a meaning outside quotes, too.
    #[must_use]
    pub fn escapes_everywhere(&self) -> bool {
        self.escape.is_some() && (self.quote.is_none() || self.escapes != Escapes::Quoted)
    }

    /// True if a CR is data unless an LF follows it.
    #[must_use]
    pub fn has_lone_crs(&self) -> bool {
        self.escapes == Escapes::MySql
    }

    /// The record that ends the data, as PostgreSQL writes it: `\.`.
    #[must_use]
    pub fn end_of_data(&self) -> Option<&'static [u8]> {
        let has_end = self.escapes == Escapes::Postgres && self.escape == Some(b'\\');
        (has_end && !self.delimiter.is_blanks()).then_some(br"\.")
    }

    /// True if blanks around fields are not part of them.
    #[must_use]
    pub fn trims(&self) -> bool {
        self.trim || self.delimiter.is_blanks()
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: b','.into(),
            quote: Some(b'"'),
            escape: None,
            escapes: Escapes::Quoted,
            comment: None,
            trim: false,
        }
    }
}

/// Where escapes have a meaning, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Escapes {
    /// In quoted fields, and everywhere in a dialect without quotes: the next byte is data. An escape before the CR of a CRLF
    /// outside quotes applies to both.
    Quoted,
    /// Everywhere, as MySQL writes text (`SELECT ... INTO OUTFILE`): `\0`, `\b`, `\n`, `\r`, `\t` and `\Z` are control
    /// characters; any other byte after an escape is data. A CR is data, too, unless an LF follows it: MySQL writes it as it
    /// is, and escapes every LF.
    MySql,
    /// Everywhere, as PostgreSQL writes text (`COPY`): `\b`, `\f`, `\n`, `\r`, `\t` and `\v` are control characters; up to
    /// three octal digits, and up to two hexadecimal digits after `x`, are a byte; any other byte after an escape is data.
    Postgres,
}

/// A text of 1 to [`Delimiter::MAX_BYTES`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ShortText {
    bytes: [u8; Delimiter::MAX_BYTES],
    len: u8,
}

impl ShortText {
    const fn of_byte(byte: u8) -> Self {
        let mut bytes = [0; Delimiter::MAX_BYTES];
        bytes[0] = byte;
        Self { bytes, len: 1 }
    }

    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; Delimiter::MAX_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        (!text.is_empty()).then_some(Self { bytes, len: text.len() as u8 })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len.into()]
    }
}

/// A field delimiter: 1 to [`MAX_BYTES`](Self::MAX_BYTES) bytes, or a run of blanks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delimiter {
    text: ShortText,
    is_blanks: bool,
}

impl Delimiter {
    /// The largest length of a delimiter, in bytes.
    pub const MAX_BYTES: usize = 8;

    /// A run of spaces and tabs, of any length. Blanks at the start and the end of a record are not delimiters.
    pub const BLANKS: Self = Self { text: ShortText::of_byte(b' '), is_blanks: true };

    /// Creates a delimiter; `None` if it is empty or longer than [`Delimiter::MAX_BYTES`].
    #[must_use]
    pub fn new(delimiter: &[u8]) -> Option<Self> {
        Some(Self { text: ShortText::new(delimiter)?, is_blanks: false })
    }

    /// The bytes of the delimiter; one space for [`Delimiter::BLANKS`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// True for [`Delimiter::BLANKS`].
    #[must_use]
    pub fn is_blanks(&self) -> bool {
        self.is_blanks
    }
}

impl From<u8> for Delimiter {
    fn from(byte: u8) -> Self {
        Self { text: ShortText::of_byte(byte), is_blanks: false }
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_blanks {
            true => f.write_str("blanks"),
            false => write!(f, "\"{}\"", self.as_bytes().escape_ascii()),
        }
    }
}

/// The text that comments start with: 1 to [`Delimiter::MAX_BYTES`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommentPrefix(ShortText);

impl CommentPrefix {
    /// Creates a prefix; `None` if it is empty or longer than [`Delimiter::MAX_BYTES`].
    #[must_use]
    pub fn new(prefix: &[u8]) -> Option<Self> {
        ShortText::new(prefix).map(Self)
    }

    /// The bytes of the prefix.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<u8> for CommentPrefix {
    fn from(byte: u8) -> Self {
        Self(ShortText::of_byte(byte))
    }
}

impl fmt::Debug for CommentPrefix {
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
    /// Records to skip after the header, such as one with units.
    pub skip_rows: usize,
    /// Records to skip at the end of each input, such as one with totals.
    pub skip_footer: usize,
    /// Skip records whose fields are all empty, consist of blanks, or are empty quotes.
    pub skip_empty: bool,
    /// A byte that precedes the name of the first column in the header and does not belong to it.
    pub header_mark: Option<u8>,
    /// The largest number of records to read; `None` means all.
    pub max_records: Option<u64>,
    /// Number of records in the header. With several, the names of a column are joined with a space, and a name above
    /// several columns, with nothing to its right, belongs to all of them. With 0, the columns are named `column1`, `column2`
    /// and so on, or as [`Plan::column_names`](super::Plan::column_names) says.
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
            skip_rows: 0,
            skip_footer: 0,
            skip_empty: false,
            header_mark: None,
            max_records: None,
            header_rows: 1,
            force: false,
            map: true,
        }
    }
}

/// How the inputs write numbers. It matters where a text becomes a number, not in columns of TEXT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notation {
    /// Precedes the fraction.
    pub decimal: char,
    /// May separate groups of three digits of the whole part.
    pub thousands: Option<char>,
}

impl Default for Notation {
    fn default() -> Self {
        Self { decimal: '.', thousands: None }
    }
}
