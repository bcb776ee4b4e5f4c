//! The grammar byte by byte, for every dialect.
//!
//! What the masks know not of: inside quotes, an escape takes the meaning off the next byte; a comment runs from the byte
//! that begins it, where a record would begin, to the line end, whatever is in it; a delimiter of several bytes is the
//! first that is found from the start of the field, or from a closing quote on; blanks that are trimmed
//! may stand before an opening quote.

use super::{BLOCK_BYTES, Marks, Scan, equal, load};
use crate::plan::{Delimiter, Dialect};

/// The byte that fills up what has been seen of a delimiter. No delimiter has it.
const LINE_ENDS: u64 = u64::from_ne_bytes([b'\n'; Delimiter::MAX_BYTES]);

/// Where the walk stands: what the next byte can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a record.
    Record,
    /// At the start of another field; or behind blanks there, if these are trimmed.
    Field,
    /// In an unquoted field, or in what follows a closing quote.
    Unquoted,
    /// Inside quotes.
    Quoted,
    /// Inside quotes, straight after an escape.
    Escaped,
    /// Straight after a quote that closed, unless another one follows.
    Closed,
    /// In a comment.
    Comment,
}

/// What a byte turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing that matters to others.
    Other,
    /// The last byte of a delimiter.
    Delimiter,
    /// A line end that ends a record, or part of a comment.
    End,
    /// The opening quote of a field.
    Opening,
}

/// Walks over bytes.
#[derive(Debug, Clone)]
pub(crate) struct Walker {
    state: State,
    /// The last bytes of the field that may belong to a delimiter, the very last in the lowest bits.
    recent: u64,
    /// The delimiter in the same form, and where its bytes are in it.
    delimiter: u64,
    delimiter_mask: u64,
    quote: Option<u8>,
    escape: Option<u8>,
    comment: Option<u8>,
    trim: bool,
}

impl Walker {
    /// A walker that stands at the start of a record.
    pub(crate) fn new(dialect: Dialect) -> Self {
        let Dialect { delimiter, quote, escape, comment, trim } = dialect;
        let bytes = delimiter.as_bytes();
        Self {
            state: State::Record,
            recent: LINE_ENDS,
            delimiter: bytes.iter().fold(0, |all, &byte| all << 8 | u64::from(byte)),
            delimiter_mask: bytes.iter().fold(0, |all, _| all << 8 | 0xff),
            quote,
            escape,
            comment,
            trim,
        }
    }

    /// The next byte.
    #[inline]
    pub(crate) fn step(&mut self, byte: u8) -> Step {
        let is_quote = Some(byte) == self.quote;
        let (state, step) = match self.state {
            State::Quoted if is_quote => (State::Closed, Step::Other),
            State::Quoted if Some(byte) == self.escape => (State::Escaped, Step::Other),
            State::Quoted | State::Escaped => (State::Quoted, Step::Other),
            _ if matches!(byte, b'\n' | b'\r') => (State::Record, Step::End),
            State::Comment => (State::Comment, Step::End),
            State::Record if Some(byte) == self.comment => (State::Comment, Step::End),
            State::Record | State::Field if is_quote => (State::Quoted, Step::Opening),
            State::Closed if is_quote => (State::Quoted, Step::Other),
            before => return self.content(before, byte),
        };
        self.state = state;
        self.recent = LINE_ENDS;
        step
    }

    /// The next byte, outside quotes and of a field or a delimiter.
    #[inline]
    fn content(&mut self, before: State, byte: u8) -> Step {
        self.recent = self.recent << 8 | u64::from(byte);
        if self.recent & self.delimiter_mask == self.delimiter {
            (self.state, self.recent) = (State::Field, LINE_ENDS);
            return Step::Delimiter;
        }
        let is_before = matches!(before, State::Record | State::Field) && self.trim;
        self.state = if is_before && matches!(byte, b' ' | b'\t') { State::Field } else { State::Unquoted };
        Step::Other
    }
}

impl Scan for Walker {
    fn is_inside(&self) -> bool {
        matches!(self.state, State::Quoted | State::Escaped)
    }

    fn is_in_comment(&self) -> bool {
        self.state == State::Comment
    }

    #[cold]
    #[inline(never)]
    fn scan(&mut self, block: &[u8; BLOCK_BYTES]) -> Marks {
        let vectors = load(block);
        let mut marks = Marks { lf: equal(&vectors, b'\n'), cr: equal(&vectors, b'\r'), ..Marks::default() };
        for (i, &byte) in block.iter().enumerate() {
            match self.step(byte) {
                Step::Other | Step::Opening => {}
                Step::Delimiter => marks.delimiters |= 1 << i,
                Step::End => marks.ends |= 1 << i,
            }
        }
        marks
    }
}
