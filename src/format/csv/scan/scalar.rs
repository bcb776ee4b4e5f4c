//! The grammar byte by byte, for every dialect.
//!
//! In addition to the grammar of the parent module:
//!
//! - Inside quotes, an escape makes the next byte literal.
//! - A comment starts with the comment byte where a record could start, and runs to the line end. Quotes have no
//!   meaning in it.
//! - A delimiter of several bytes is the first match after the start of the field, or after its closing quote.
//! - If the dialect trims, blanks may precede an opening quote.

use super::{BLOCK_BYTES, BlockMasks, Scan, equal, load};
use crate::plan::{Delimiter, Dialect};

/// The initial value of `recent`: bytes that occur in no delimiter.
const LINE_ENDS: u64 = u64::from_ne_bytes([b'\n'; Delimiter::MAX_BYTES]);

/// The grammar state, which decides what the next byte means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GrammarState {
    /// At the start of a record.
    Record,
    /// At the start of a later field of a record, or after leading blanks if the dialect trims.
    Field,
    /// In an unquoted field, or in the text after a closing quote.
    Unquoted,
    /// Inside quotes.
    Quoted,
    /// Inside quotes, directly after an escape.
    Escaped,
    /// Directly after a quote that closes, unless another quote follows.
    Closed,
    /// In a comment.
    Comment,
}

/// The structural meaning of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Data, or a quote or escape other than an opening quote.
    Other,
    /// The last byte of a delimiter.
    Delimiter,
    /// A line end outside quotes, or a byte of a comment.
    End,
    /// The opening quote of a field.
    OpeningQuote,
}

/// Scans any dialect one byte at a time.
#[derive(Debug, Clone)]
pub(crate) struct ScalarScanner {
    state: GrammarState,
    /// The last bytes that may belong to a delimiter; the latest is in the lowest bits.
    recent: u64,
    /// The delimiter, in the layout of `recent`.
    delimiter: u64,
    /// The bits of `recent` to compare with `delimiter`.
    delimiter_mask: u64,
    quote: Option<u8>,
    escape: Option<u8>,
    comment: Option<u8>,
    trim: bool,
    has_text_after_quote: bool,
}

impl ScalarScanner {
    /// Creates a scanner at the start of a record.
    pub(crate) fn new(dialect: Dialect) -> Self {
        let Dialect { delimiter, quote, escape, comment, trim } = dialect;
        let bytes = delimiter.as_bytes();
        Self {
            state: GrammarState::Record,
            recent: LINE_ENDS,
            delimiter: bytes.iter().fold(0, |all, &byte| all << 8 | u64::from(byte)),
            delimiter_mask: bytes.iter().fold(0, |all, _| all << 8 | 0xff),
            quote,
            escape,
            comment,
            trim,
            has_text_after_quote: false,
        }
    }

    /// Advances over the next byte.
    #[inline]
    pub(crate) fn advance(&mut self, byte: u8) -> Event {
        let is_quote = Some(byte) == self.quote;
        let (state, event) = match self.state {
            GrammarState::Quoted if is_quote => (GrammarState::Closed, Event::Other),
            GrammarState::Quoted if Some(byte) == self.escape => (GrammarState::Escaped, Event::Other),
            GrammarState::Quoted | GrammarState::Escaped => (GrammarState::Quoted, Event::Other),
            _ if matches!(byte, b'\n' | b'\r') => (GrammarState::Record, Event::End),
            GrammarState::Comment => (GrammarState::Comment, Event::End),
            GrammarState::Record if Some(byte) == self.comment => (GrammarState::Comment, Event::End),
            GrammarState::Record | GrammarState::Field if is_quote => {
                (GrammarState::Quoted, Event::OpeningQuote)
            }
            GrammarState::Closed if is_quote => (GrammarState::Quoted, Event::Other),
            state => return self.advance_content(state, byte),
        };
        self.state = state;
        self.recent = LINE_ENDS;
        event
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
        self.state = if is_leading && matches!(byte, b' ' | b'\t') {
            GrammarState::Field
        } else {
            GrammarState::Unquoted
        };
        Event::Other
    }
}

impl Scan for ScalarScanner {
    fn is_in_quotes(&self) -> bool {
        matches!(self.state, GrammarState::Quoted | GrammarState::Escaped)
    }

    fn is_in_comment(&self) -> bool {
        self.state == GrammarState::Comment
    }

    fn has_text_after_quote(&self) -> bool {
        self.has_text_after_quote
    }

    #[cold]
    #[inline(never)]
    fn scan(&mut self, block: &[u8; BLOCK_BYTES]) -> BlockMasks {
        let vectors = load(block);
        let mut masks =
            BlockMasks { lf: equal(&vectors, b'\n'), cr: equal(&vectors, b'\r'), ..BlockMasks::default() };
        for (i, &byte) in block.iter().enumerate() {
            match self.advance(byte) {
                Event::Other | Event::OpeningQuote => {}
                Event::Delimiter => masks.delimiters |= 1 << i,
                Event::End => masks.ends |= 1 << i,
            }
        }
        masks
    }
}
