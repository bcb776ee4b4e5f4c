//! Vector scanning for every dialect that is not plain: longer delimiters, blanks, escapes, comments, trimming, lone CRs as data.
//!
//! The grammar is that of [`ScalarScanner`]. The implementation departs from the scanner of plain dialects as follows:
//!
//! 1. Every other byte of a run of escapes is escaped. Addition finds the runs of odd length: a carry ripples through a run.
//!    Escapes that apply only inside quotes are first taken to apply everywhere. Outside quotes this hides only quotes that
//!    follow an escape, and those never open a section.
//! 2. A delimiter of several bytes ends where all of its bytes follow each other: the conjunction of one shifted mask per
//!    byte. Matches are taken from left to right if they can overlap.
//! 3. If the dialect trims, a quote may also open after the blanks at the start of a field. A carry ripples through them, too.
//! 4. If blanks delimit fields, the blanks at the start of a record are line ends, and the byte after any other run is a
//!    delimiter, unless it is a line end.
//! 5. If an opening quote stands where none may open, the quotes of the block are visited one by one.
//! 6. A block with what may be the start of a comment is scanned byte by byte.

use super::scalar::{GrammarState, LINE_ENDS};
use super::{
    BLOCK_BYTES, BlockMasks, ScalarScanner, Scan, Vector, contains_any, crs_before_lf, equal, is_blank, load,
    prefix_parity,
};
use crate::plan::{Delimiter, Dialect};

/// Scans any dialect with vector comparisons.
#[derive(Debug, Clone)]
pub(crate) struct GeneralScanner {
    delimiter: DelimiterKind,
    quote: Option<u8>,
    escape: Option<u8>,
    escapes_everywhere: bool,
    has_lone_crs: bool,
    /// The first byte of the prefix of comments.
    comment: Option<u8>,
    trim: bool,
    /// The bytes that [`Scan::scan_ends`] cannot skip.
    special: [u8; 4],
    state: State,
    has_text_after_quote: bool,
    /// Scans the blocks with comments.
    scalar: ScalarScanner,
}

#[derive(Debug, Clone, Copy)]
enum DelimiterKind {
    Byte(u8),
    Blanks,
    Text {
        delimiter: Delimiter,
        /// True if two matches can overlap.
        can_overlap: bool,
    },
}

/// The state between two blocks. A flag is 0 or 1.
#[derive(Debug, Clone, Copy)]
struct State {
    /// All ones inside quotes, otherwise all zeros.
    in_quotes: u64,
    /// 1 if the next byte follows an escape that is not escaped.
    escaped: u64,
    /// 1 if the last byte was an escaped CR.
    escaped_cr: u64,
    /// 1 at the start of a field, or after the blanks there if the dialect trims. Meaningless inside quotes.
    field_start: u64,
    /// 1 directly after a closing quote.
    closed: u64,
    /// 1 at the start of a record.
    record_start: u64,
    /// 1 after blanks that separate fields if another field follows.
    after_blank: u64,
    in_comment: bool,
    /// The last bytes that may belong to a delimiter, as in [`ScalarScanner`].
    recent: u64,
}

impl State {
    fn from_scalar(scalar: &ScalarScanner) -> Self {
        use GrammarState::*;
        let is = |states: &[GrammarState]| u64::from(states.contains(&scalar.state));
        Self {
            in_quotes: 0_u64.wrapping_sub(is(&[Quoted, QuotedEscape])),
            escaped: is(&[QuotedEscape, UnquotedEscape]),
            escaped_cr: is(&[EscapedCr]),
            field_start: is(&[Record, Field, Blanks]),
            closed: is(&[Closed]),
            record_start: is(&[Record]),
            after_blank: is(&[Blanks]),
            in_comment: scalar.state == Comment,
            recent: scalar.recent,
        }
    }

    fn grammar_state(&self, escapes_everywhere: bool) -> GrammarState {
        match self {
            Self { in_comment: true, .. } => GrammarState::Comment,
            Self { in_quotes: 1.., escaped: 1, .. } => GrammarState::QuotedEscape,
            Self { in_quotes: 1.., .. } => GrammarState::Quoted,
            Self { escaped: 1, .. } if escapes_everywhere => GrammarState::UnquotedEscape,
            Self { escaped_cr: 1, .. } if escapes_everywhere => GrammarState::EscapedCr,
            Self { record_start: 1, .. } => GrammarState::Record,
            Self { after_blank: 1, .. } => GrammarState::Blanks,
            Self { field_start: 1, .. } => GrammarState::Field,
            Self { closed: 1, .. } => GrammarState::Closed,
            _ => GrammarState::Unquoted,
        }
    }
}

impl GeneralScanner {
    /// Creates a scanner at the start of a record.
    pub(crate) fn new(dialect: Dialect) -> Self {
        let Dialect { delimiter, quote, escape, trim, .. } = dialect;
        let delimiter = match delimiter.as_bytes() {
            _ if delimiter.is_blanks() => DelimiterKind::Blanks,
            [byte] => DelimiterKind::Byte(*byte),
            bytes => {
                let can_overlap = (1..bytes.len()).any(|shift| bytes.starts_with(&bytes[shift..]));
                DelimiterKind::Text { delimiter, can_overlap }
            }
        };
        let scalar = ScalarScanner::new(dialect);
        let comment = dialect.comment.map(|comment| comment.as_bytes()[0]);
        let special = [Some(b'\r'), quote, escape, comment].map(|byte| byte.unwrap_or(b'\r'));
        let escapes_everywhere = dialect.escapes_everywhere();
        let state = State::from_scalar(&scalar);
        Self {
            delimiter,
            quote,
            escape,
            escapes_everywhere,
            has_lone_crs: dialect.has_lone_crs(),
            comment,
            trim,
            special,
            state,
            has_text_after_quote: false,
            scalar,
        }
    }

    /// Scans a block byte by byte.
    #[cold]
    #[inline(never)]
    fn scan_scalar(&mut self, block: &[u8; BLOCK_BYTES], rest: &[u8]) -> BlockMasks {
        self.scalar.state = self.state.grammar_state(self.escapes_everywhere);
        self.scalar.recent = self.state.recent;
        let masks = self.scalar.scan(block, rest);
        self.state = State::from_scalar(&self.scalar);
        self.has_text_after_quote |= self.scalar.has_text_after_quote();
        masks
    }

    /// Returns the mask of the bytes that an escape makes data, if escapes apply to them, and whether the byte after the
    /// block is one.
    #[inline]
    fn escaped_bytes(&self, vectors: &[Vector; 4], lf: u64, cr: u64) -> (u64, u64) {
        let Some(escape) = self.escape else { return (0, 0) };
        let escapes = equal(vectors, escape) & !self.state.escaped;
        let (escaped, escaped_next) = match escapes {
            0 => (self.state.escaped, 0),
            _ => {
                const EVEN_BITS: u64 = 0x5555_5555_5555_5555;
                let follows = escapes << 1 | self.state.escaped;
                let odd_starts = escapes & !EVEN_BITS & !follows;
                let (sum, is_last) = odd_starts.overflowing_add(escapes);
                ((EVEN_BITS ^ sum << 1) & follows, u64::from(is_last))
            }
        };
        let crlf = lf & ((escaped & cr) << 1 | self.state.escaped_cr);
        (escaped | crlf, escaped_next)
    }

    /// Returns the mask of the last bytes of delimiters, quoted or not. No delimiter contains a byte of `literal`.
    #[inline]
    fn delimiters(&self, vectors: &[Vector; 4], literal: u64) -> u64 {
        match &self.delimiter {
            DelimiterKind::Byte(byte) => equal(vectors, *byte) & !literal,
            DelimiterKind::Blanks => (equal(vectors, b' ') | equal(vectors, b'\t')) & !literal,
            DelimiterKind::Text { delimiter, can_overlap } => {
                let bytes = delimiter.as_bytes();
                let mut matches = !0;
                let mut eligible = !literal;
                for (at, byte) in bytes.iter().enumerate() {
                    let shift = bytes.len() - 1 - at;
                    let hits = equal(vectors, *byte) & eligible;
                    matches &= hits << shift | recent_hits(self.state.recent, *byte, shift);
                    // A byte after the first of a match is never escaped, because the byte before it is not an escape.
                    eligible = !0;
                }
                if *can_overlap { leftmost(matches, bytes.len()) } else { matches }
            }
        }
    }

    /// Returns the mask of the bytes after which the scanner is inside quotes, and the mask of closing quotes. A quote opens a
    /// section where `may_open` is set, and directly after a closing quote.
    #[inline]
    fn quoted_bytes(&self, quotes: u64, may_open: u64) -> (u64, u64) {
        if quotes == 0 {
            return (self.state.in_quotes, 0);
        }
        let quoted = prefix_parity(quotes) ^ self.state.in_quotes;
        let quoted_before = quoted << 1 | self.state.in_quotes & 1;
        let closing = quotes & quoted_before;
        let opening = quotes & !quoted_before;
        let may_open = may_open | self.state.closed;
        if opening & !(may_open | closing << 1) == 0 {
            (quoted, closing)
        } else {
            self.quoted_bytes_one_by_one(quotes, may_open)
        }
    }

    /// As [`GeneralScanner::quoted_bytes`], quote by quote.
    #[cold]
    fn quoted_bytes_one_by_one(&self, mut quotes: u64, mut may_open: u64) -> (u64, u64) {
        let (mut quoted, mut closing) = (self.state.in_quotes, 0);
        while quotes != 0 {
            let quote = quotes & quotes.wrapping_neg();
            quotes ^= quote;
            let from_quote_on = quote.wrapping_neg();
            if quoted & quote != 0 {
                closing |= quote;
                may_open |= quote << 1;
                quoted &= !from_quote_on;
            } else if may_open & quote != 0 {
                quoted |= from_quote_on;
            }
        }
        (quoted, closing)
    }

    /// True if `block` consists of data and LFs, all outside quotes, and leaves no state that depends on more than its last
    /// byte.
    #[inline]
    fn is_simple(&self, block: &[u8; BLOCK_BYTES], vectors: &[Vector; 4]) -> bool {
        let State { in_quotes, escaped, escaped_cr, in_comment, .. } = self.state;
        let last = block[BLOCK_BYTES - 1];
        let is_last_simple = match &self.delimiter {
            DelimiterKind::Byte(byte) => last == *byte || !self.trim || !is_blank(last),
            DelimiterKind::Blanks => false,
            DelimiterKind::Text { delimiter, can_overlap } => {
                !can_overlap && delimiter.as_bytes().last() != Some(&last) && !(self.trim && is_blank(last))
            }
        };
        in_quotes | escaped | escaped_cr == 0
            && !in_comment
            && is_last_simple
            && !contains_any(vectors, self.special)
    }
}

impl Scan for GeneralScanner {
    fn is_in_quotes(&self) -> bool {
        self.state.in_quotes != 0
    }

    fn is_in_comment(&self) -> bool {
        self.state.in_comment
    }

    fn has_text_after_quote(&self) -> bool {
        self.has_text_after_quote
    }

    #[inline(always)]
    fn scan(&mut self, block: &[u8; BLOCK_BYTES], rest: &[u8]) -> BlockMasks {
        let vectors = load(block);
        let (lf, cr) = (equal(&vectors, b'\n'), equal(&vectors, b'\r'));
        let (escaped, escaped_next) = self.escaped_bytes(&vectors, lf, cr);
        let literal = if self.escapes_everywhere { escaped } else { 0 };
        let record_crs = if self.has_lone_crs { crs_before_lf(cr, lf, rest) } else { cr };
        let line_ends = (lf | record_crs) & !literal;
        let delimiters = self.delimiters(&vectors, literal);
        let is_blank_delimiter = matches!(self.delimiter, DelimiterKind::Blanks);
        let boundaries = delimiters | line_ends;
        if let Some(comment) = self.comment {
            let may_start = (lf | cr | if is_blank_delimiter { delimiters } else { 0 }) << 1;
            let may_start = may_start | self.state.record_start;
            if self.state.in_comment || equal(&vectors, comment) & may_start != 0 {
                return self.scan_scalar(block, rest);
            }
        }
        let mut field_starts = boundaries << 1 | self.state.field_start;
        let mut field_start = boundaries >> 63;
        if self.trim {
            let blanks = (equal(&vectors, b' ') | equal(&vectors, b'\t')) & !literal & !delimiters;
            let (sum, is_last) = blanks.overflowing_add(blanks & field_starts);
            field_starts |= sum & !blanks;
            field_start |= u64::from(is_last);
        }
        let quotes = self.quote.map_or(0, |quote| equal(&vectors, quote)) & !escaped;
        let (quoted, closing) = self.quoted_bytes(quotes, field_starts);
        self.has_text_after_quote |= (closing << 1 | self.state.closed) & !(boundaries | quotes) != 0;
        let masks = BlockMasks { delimiters: delimiters & !quoted, ends: line_ends & !quoted, lf, cr };
        let (masks, after_blank) = match is_blank_delimiter {
            true => self.after_blanks(masks),
            false => (masks, 0),
        };
        self.state = State {
            in_quotes: 0_u64.wrapping_sub(quoted >> 63),
            escaped: escaped_next,
            escaped_cr: (escaped & cr) >> 63,
            field_start,
            closed: closing >> 63,
            record_start: masks.ends >> 63,
            after_blank,
            in_comment: false,
            recent: self.recent(block, delimiters | literal),
        };
        masks
    }

    #[inline(always)]
    fn scan_ends(&mut self, block: &[u8; BLOCK_BYTES], rest: &[u8]) -> BlockMasks {
        let vectors = load(block);
        if !self.is_simple(block, &vectors) {
            return BlockMasks { delimiters: 0, ..self.scan(block, rest) };
        }
        let lf = equal(&vectors, b'\n');
        let last = block[BLOCK_BYTES - 1];
        let is_delimiter = matches!(self.delimiter, DelimiterKind::Byte(byte) if byte == last);
        self.state = State {
            field_start: u64::from(last == b'\n' || is_delimiter),
            closed: 0,
            record_start: lf >> 63,
            after_blank: 0,
            recent: self.recent(block, 0),
            ..self.state
        };
        BlockMasks { delimiters: 0, ends: lf, lf, cr: 0 }
    }
}

impl GeneralScanner {
    /// Turns masks whose delimiters are all blanks outside quotes into those that the dialect means, and returns whether the
    /// block ends with blanks that separate fields.
    #[inline]
    fn after_blanks(&self, masks: BlockMasks) -> (BlockMasks, u64) {
        let blanks = masks.delimiters;
        let leading_starts = blanks & (masks.ends << 1 | self.state.record_start);
        let leading = blanks & !blanks.wrapping_add(leading_starts);
        let separating = blanks & !leading;
        let delimiters = (separating << 1 | self.state.after_blank) & !blanks & !masks.ends;
        (BlockMasks { delimiters, ends: masks.ends | leading, ..masks }, separating >> 63)
    }

    /// The last bytes of the block that may belong to a delimiter which continues after it. No byte up to the last one of
    /// `used` does.
    #[inline]
    fn recent(&self, block: &[u8; BLOCK_BYTES], used: u64) -> u64 {
        if !matches!(self.delimiter, DelimiterKind::Text { .. }) {
            return LINE_ENDS;
        }
        let last = u64::from_be_bytes(*block.last_chunk().expect("a block is longer"));
        match used.leading_zeros() {
            free @ ..8 => {
                let kept = (1 << (8 * free)) - 1;
                last & kept | LINE_ENDS & !kept
            }
            _ => last,
        }
    }
}

/// The hits of `byte` among the `count` latest bytes of `recent`, as the lowest bits of a mask.
#[inline]
fn recent_hits(recent: u64, byte: u8, count: usize) -> u64 {
    let hit = |at: usize| u64::from((recent >> (8 * (count - 1 - at))) as u8 == byte) << at;
    (0..count).fold(0, |hits, at| hits | hit(at))
}

/// The matches that remain if each, from the left, rules out those that overlap it. A bit is the last byte of a match, whose
/// length is `bytes`.
#[inline]
fn leftmost(mut matches: u64, bytes: usize) -> u64 {
    let mut kept = 0;
    while matches != 0 {
        let at = matches.trailing_zeros();
        kept |= 1 << at;
        matches &= (!0_u64).checked_shl(at + bytes as u32).unwrap_or(0);
    }
    kept
}
