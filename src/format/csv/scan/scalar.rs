//! The grammar byte by byte, for every dialect.
//!
//! In addition to the grammar of the parent module:
//!
//! - An escape makes the next byte data, inside quotes, or everywhere if the dialect says so. Outside quotes, it makes both
//!   bytes of a CRLF data.
//! - In a dialect with lone CRs, a CR ends a record only if an LF follows.
//! - A comment starts with the comment prefix where a record could start, and runs to the line end. Quotes and escapes have
//!   no meaning in it.
//! - A delimiter of several bytes is the first match after the start of the field, or after its closing quote.
//! - If the dialect trims, blanks may precede an opening quote.
//! - If blanks delimit fields, those before a record belong to no record, as if they were blank lines, and those at its end
//!   separate nothing. A delimiter is reported at the byte after it, which is the first of the next field.

use super::{BLOCK_BYTES, BlockMasks, Scan, equal, is_blank, load};
use crate::plan::{CommentPrefix, Delimiter, Dialect};

/// The initial value of `recent`: bytes that occur in no delimiter.
pub(super) const LINE_ENDS: u64 = u64::from_ne_bytes([b'\n'; Delimiter::MAX_BYTES]);

/// The grammar state, which decides what the next byte means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrammarState {
    /// At the start of a record.
    Record,
    /// At the start of a later field of a record, or after leading blanks if the dialect trims.
    Field,
    /// In an unquoted field, or in the text after a closing quote.
    Unquoted,
    /// Outside quotes, directly after an escape.
    UnquotedEscape,
    /// Outside quotes, directly after an escaped CR.
    EscapedCr,
    /// Inside quotes.
    Quoted,
    /// Inside quotes, directly after an escape.
    QuotedEscape,
    /// Directly after a quote that closes, unless another quote follows.
    Closed,
    /// In a comment.
    Comment,
    /// After blanks that separate fields if another field follows.
    Blanks,
}

/// The structural meaning of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Data, or a quote or escape other than an opening quote.
    Other,
    /// The last byte of a delimiter, or the byte after one of blanks.
    Delimiter,
    /// A line end outside quotes, a byte of a comment, or a blank before a record.
    End,
    /// The opening quote of a field.
    OpeningQuote,
    /// The opening quote of a field that follows a delimiter of blanks.
    DelimiterAndQuote,
}

/// Scans any dialect one byte at a time.
#[derive(Debug, Clone)]
pub(crate) struct ScalarScanner {
    pub(super) state: GrammarState,
    /// The last bytes that may belong to a delimiter; the latest is in the lowest bits.
    pub(super) recent: u64,
    /// The delimiter, in the layout of `recent`.
    delimiter: u64,
    /// The bits of `recent` to compare with `delimiter`.
    delimiter_mask: u64,
    is_delimited_by_blanks: bool,
    quote: Option<u8>,
    escape: Option<u8>,
    escapes_everywhere: bool,
    has_lone_crs: bool,
    comment: Option<CommentPrefix>,
    trim: bool,
    has_text_after_quote: bool,
}

impl ScalarScanner {
    /// Creates a scanner at the start of a record.
    pub(crate) fn new(dialect: Dialect) -> Self {
        let Dialect { delimiter, quote, escape, comment, trim, .. } = dialect;
        let bytes = delimiter.as_bytes();
        Self {
            state: GrammarState::Record,
            recent: LINE_ENDS,
            delimiter: bytes.iter().fold(0, |all, &byte| all << 8 | u64::from(byte)),
            delimiter_mask: bytes.iter().fold(0, |all, _| all << 8 | 0xff),
            is_delimited_by_blanks: delimiter.is_blanks(),
            quote,
            escape,
            escapes_everywhere: dialect.escapes_everywhere(),
            has_lone_crs: dialect.has_lone_crs(),
            comment,
            trim,
            has_text_after_quote: false,
        }
    }

    /// Advances over the first byte of `rest`. The bytes after it show whether it starts a comment, or a CRLF.
    ///
    /// # Panics
    /// If `rest` is empty.
    #[inline]
    pub(crate) fn advance(&mut self, rest: &[u8]) -> Event {
        let byte = rest[0];
        let is_quote = Some(byte) == self.quote;
        let is_escape = Some(byte) == self.escape;
        let (state, event) = match self.state {
            GrammarState::Quoted if is_quote => (GrammarState::Closed, Event::Other),
            GrammarState::Quoted if is_escape => (GrammarState::QuotedEscape, Event::Other),
            GrammarState::Quoted | GrammarState::QuotedEscape => (GrammarState::Quoted, Event::Other),
            GrammarState::UnquotedEscape if byte == b'\r' => (GrammarState::EscapedCr, Event::Other),
            GrammarState::UnquotedEscape => (GrammarState::Unquoted, Event::Other),
            GrammarState::EscapedCr if byte == b'\n' => (GrammarState::Unquoted, Event::Other),
            _ if self.is_line_end(rest) => (GrammarState::Record, Event::End),
            GrammarState::Comment => (GrammarState::Comment, Event::End),
            GrammarState::Record if self.starts_comment(rest) => (GrammarState::Comment, Event::End),
            state if self.is_delimited_by_blanks && is_blank(byte) => match state {
                GrammarState::Record => (GrammarState::Record, Event::End),
                _ => (GrammarState::Blanks, Event::Other),
            },
            GrammarState::Blanks if is_quote => (GrammarState::Quoted, Event::DelimiterAndQuote),
            GrammarState::Record | GrammarState::Field if is_quote => {
                (GrammarState::Quoted, Event::OpeningQuote)
            }
            GrammarState::Closed if is_quote => (GrammarState::Quoted, Event::Other),
            GrammarState::Blanks if is_escape && self.escapes_everywhere => {
                (GrammarState::UnquotedEscape, Event::Delimiter)
            }
            GrammarState::Blanks => (GrammarState::Unquoted, Event::Delimiter),
            state if is_escape && self.escapes_everywhere => {
                self.has_text_after_quote |= state == GrammarState::Closed;
                (GrammarState::UnquotedEscape, Event::Other)
            }
            state if self.is_delimited_by_blanks => {
                self.has_text_after_quote |= state == GrammarState::Closed;
                (GrammarState::Unquoted, Event::Other)
            }
            state => return self.advance_content(state, byte),
        };
        self.state = state;
        self.recent = LINE_ENDS;
        event
    }

    #[inline]
    fn is_line_end(&self, rest: &[u8]) -> bool {
        rest[0] == b'\n' || rest[0] == b'\r' && (!self.has_lone_crs || rest.get(1) == Some(&b'\n'))
    }

    #[inline]
    fn starts_comment(&self, rest: &[u8]) -> bool {
        self.comment.is_some_and(|comment| rest.starts_with(comment.as_bytes()))
    }

    /// Advances over a byte outside quotes that belongs to a field or a delimiter.
    #[inline]
    fn advance_content(&mut self, state: GrammarState, byte: u8) -> Event {
        self.recent = self.recent << 8 | u64::from(byte);
        if self.recent & self.delimiter_mask == self.delimiter {
            (self.state, self.recent) = (GrammarState::Field, LINE_ENDS);
            return Event::Delimiter;
        }
        self.has_text_after_quote |= state == GrammarState::Closed;
        let is_leading = matches!(state, GrammarState::Record | GrammarState::Field) && self.trim;
        self.state = if is_leading && is_blank(byte) { GrammarState::Field } else { GrammarState::Unquoted };
        Event::Other
    }
}

impl Scan for ScalarScanner {
    fn is_in_quotes(&self) -> bool {
        matches!(self.state, GrammarState::Quoted | GrammarState::QuotedEscape)
    }

    fn is_in_comment(&self) -> bool {
        self.state == GrammarState::Comment
    }

    fn has_text_after_quote(&self) -> bool {
        self.has_text_after_quote
    }

    #[cold]
    #[inline(never)]
    fn scan(&mut self, block: &[u8; BLOCK_BYTES], rest: &[u8]) -> BlockMasks {
        let vectors = load(block);
        let mut masks =
            BlockMasks { lf: equal(&vectors, b'\n'), cr: equal(&vectors, b'\r'), ..BlockMasks::default() };
        for i in 0..BLOCK_BYTES {
            // The padding of the last block is behind the end of the input.
            let from_here = if i < rest.len() { &rest[i..] } else { &block[i..] };
            match self.advance(from_here) {
                Event::Other | Event::OpeningQuote => {}
                Event::Delimiter | Event::DelimiterAndQuote => masks.delimiters |= 1 << i,
                Event::End => masks.ends |= 1 << i,
            }
        }
        masks
    }
}
