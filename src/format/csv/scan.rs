//! Structural scanning: finds delimiters and line ends, 64 bytes at a time, and returns them as bit masks.
//!
//! The grammar is RFC 4180 as the `csv` crate reads it. Outside quotes, a quote opens a quoted section only directly
//! after a delimiter, a line end or the start of the input; anywhere else it is data. Inside quotes, every quote
//! closes the section. A quote directly after the closing quote opens it again, which is how `""` stands for one
//! quote. An LF or CR outside quotes ends a record.
//!
//! `PlainScanner::quoted_bytes_scalar` is this grammar as a loop over bytes. The fast implementation departs from it
//! as follows:
//!
//! 1. It compares 64 bytes at once with each special byte, which gives one mask per special byte, one bit per input
//!    byte.
//! 2. If a block contains no quote, either all of its bytes are quoted or none are.
//! 3. Otherwise it assumes that every quote opens or closes a section, so that the prefix parity of the quote mask is
//!    the mask of quoted bytes. The assumption fails only if an opening quote stands where none may open (`a"b`,
//!    `"a"b"`). The masks reveal that case, and the block is scanned byte by byte.
//!
//! [`GeneralScanner`] scans every other dialect: longer delimiters, blanks, escapes, comments, trimming, lone CRs as data. [`ScalarScanner`] is
//! the grammar of those as a loop over bytes.

mod general;
mod scalar;

use crate::plan::{Delimiter, Dialect};
pub(crate) use general::GeneralScanner;
pub(crate) use scalar::{Event, ScalarScanner};
use wide::u8x16;

use u8x16 as Vector;

/// Bytes per block.
pub(crate) const BLOCK_BYTES: usize = 64;

/// The bytes behind a block that may decide what the last byte of the block means.
pub(crate) const LOOKAHEAD_BYTES: usize = Delimiter::MAX_BYTES;

/// The structure of one block. Bit i describes byte i.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BlockMasks {
    /// Delimiters outside quotes. For a delimiter of several bytes, its last byte; for a run of blanks, the byte after it.
    pub(crate) delimiters: u64,
    /// LF and CR outside quotes, every byte of a comment, so that it looks like a run of blank lines, and the blanks
    /// before a record if blanks delimit fields.
    pub(crate) ends: u64,
    /// Every LF, quoted or not.
    pub(crate) lf: u64,
    /// Every CR, quoted or not.
    pub(crate) cr: u64,
}

/// Scans consecutive blocks of an input.
pub(crate) trait Scan {
    /// True if the next byte is inside quotes.
    fn is_in_quotes(&self) -> bool;

    /// True if the next byte is inside a comment.
    fn is_in_comment(&self) -> bool {
        false
    }

    /// True if [`Scan::scan`] has seen a closing quote before something other than a delimiter or a line end.
    fn has_text_after_quote(&self) -> bool;

    /// Scans the next block. `rest` is the input from there on, as in [`first_block`], including at least
    /// [`LOOKAHEAD_BYTES`] bytes behind the block if the input has them.
    fn scan(&mut self, block: &[u8; BLOCK_BYTES], rest: &[u8]) -> BlockMasks;

    /// Scans the next block like [`Scan::scan`], but leaves `delimiters` empty.
    fn scan_ends(&mut self, block: &[u8; BLOCK_BYTES], rest: &[u8]) -> BlockMasks {
        BlockMasks { delimiters: 0, ..self.scan(block, rest) }
    }
}

/// The fastest scanner for a dialect.
#[derive(Debug, Clone)]
pub(crate) enum Scanner {
    /// For dialects with a one-byte delimiter, and nothing else.
    Quoteless(QuotelessScanner),
    /// For dialects with a one-byte delimiter and a quote, and nothing else.
    Plain(PlainScanner),
    /// For all dialects.
    General(GeneralScanner),
}

impl Scanner {
    /// Creates a scanner at the start of a record.
    pub(crate) fn new(dialect: Dialect) -> Self {
        match (dialect.delimiter.as_bytes(), dialect) {
            (&[delimiter], Dialect { quote, escape: None, comment: None, trim: false, .. })
                if !dialect.delimiter.is_blanks() && !dialect.has_lone_crs() =>
            {
                match quote {
                    None => Self::Quoteless(QuotelessScanner { delimiter }),
                    Some(quote) => Self::Plain(PlainScanner::new(delimiter, quote)),
                }
            }
            _ => Self::General(GeneralScanner::new(dialect)),
        }
    }

    /// Scans the next block; see [`Scan::scan`].
    #[inline]
    pub(crate) fn scan(&mut self, block: &[u8; BLOCK_BYTES], rest: &[u8]) -> BlockMasks {
        match self {
            Self::Quoteless(scanner) => scanner.scan(block, rest),
            Self::Plain(scanner) => scanner.scan(block, rest),
            Self::General(scanner) => scanner.scan(block, rest),
        }
    }

    /// See [`Scan::has_text_after_quote`].
    pub(crate) fn has_text_after_quote(&self) -> bool {
        match self {
            Self::Quoteless(_) => false,
            Self::Plain(scanner) => scanner.has_text_after_quote(),
            Self::General(scanner) => scanner.has_text_after_quote(),
        }
    }
}

/// Scans a dialect without quotes, which needs no state.
#[derive(Debug, Clone)]
pub(crate) struct QuotelessScanner {
    delimiter: u8,
}

impl Scan for QuotelessScanner {
    fn is_in_quotes(&self) -> bool {
        false
    }

    fn has_text_after_quote(&self) -> bool {
        false
    }

    #[inline(always)]
    fn scan(&mut self, block: &[u8; BLOCK_BYTES], rest: &[u8]) -> BlockMasks {
        BlockMasks { delimiters: equal(&load(block), self.delimiter), ..self.scan_ends(block, rest) }
    }

    #[inline(always)]
    fn scan_ends(&mut self, block: &[u8; BLOCK_BYTES], _: &[u8]) -> BlockMasks {
        let vectors = load(block);
        let (lf, cr) = (equal(&vectors, b'\n'), equal(&vectors, b'\r'));
        BlockMasks { delimiters: 0, ends: lf | cr, lf, cr }
    }
}

/// Scans a plain dialect with vector comparisons. The fields are the state between two blocks.
#[derive(Debug, Clone)]
pub(crate) struct PlainScanner {
    delimiter: u8,
    quote: u8,
    /// All ones inside quotes, otherwise all zeros.
    in_quotes: u64,
    /// 1 if a quote in the next byte would open a section, otherwise 0. Meaningless inside quotes.
    may_open: u64,
    /// 1 if the last byte was a closing quote, otherwise 0.
    after_closing: u64,
    /// Not 0 if text after a closing quote has been seen.
    text_after_quote: u64,
}

impl Scan for PlainScanner {
    fn is_in_quotes(&self) -> bool {
        self.in_quotes != 0
    }

    fn has_text_after_quote(&self) -> bool {
        self.text_after_quote != 0
    }

    #[inline(always)]
    fn scan(&mut self, block: &[u8; BLOCK_BYTES], _: &[u8]) -> BlockMasks {
        let vectors = load(block);
        let lf = equal(&vectors, b'\n');
        let cr = equal(&vectors, b'\r');
        let delimiters = equal(&vectors, self.delimiter);
        let quotes = equal(&vectors, self.quote);
        let boundaries = delimiters | lf | cr;
        let quoted = if quotes == 0 {
            self.text_after_quote |= self.after_closing & !boundaries;
            self.after_closing = 0;
            self.may_open = boundaries >> 63;
            self.in_quotes
        } else {
            self.quoted_bytes(block, quotes, boundaries)
        };
        BlockMasks { delimiters: delimiters & !quoted, ends: (lf | cr) & !quoted, lf, cr }
    }

    /// Compares with the delimiter only if the block contains a quote or CR, or starts inside quotes.
    #[inline(always)]
    fn scan_ends(&mut self, block: &[u8; BLOCK_BYTES], rest: &[u8]) -> BlockMasks {
        let vectors = load(block);
        let lf = equal(&vectors, b'\n');
        if self.in_quotes == 0 && !contains_either(&vectors, b'\r', self.quote) {
            let last = block[BLOCK_BYTES - 1];
            self.may_open = u64::from(last == self.delimiter || last == b'\n');
            return BlockMasks { delimiters: 0, ends: lf, lf, cr: 0 };
        }
        BlockMasks { delimiters: 0, ..self.scan(block, rest) }
    }
}

impl PlainScanner {
    /// A scanner at the start of a record.
    fn new(delimiter: u8, quote: u8) -> Self {
        Self { delimiter, quote, in_quotes: 0, may_open: 1, after_closing: 0, text_after_quote: 0 }
    }

    /// Returns the mask of the bytes after which the scanner is inside quotes, and updates the state for the next
    /// block.
    #[inline]
    fn quoted_bytes(&mut self, block: &[u8; BLOCK_BYTES], quotes: u64, boundaries: u64) -> u64 {
        let quoted = prefix_parity(quotes) ^ self.in_quotes;
        let quoted_before = quoted << 1 | self.in_quotes & 1;
        let closing = quotes & quoted_before;
        let opening = quotes & !quoted_before;
        let may_open = boundaries | closing;
        if opening & !(may_open << 1 | self.may_open) != 0 {
            return self.quoted_bytes_scalar(block);
        }
        self.text_after_quote |= (closing << 1 | self.after_closing) & !(boundaries | quotes);
        self.after_closing = closing >> 63;
        self.in_quotes = 0u64.wrapping_sub(quoted >> 63);
        self.may_open = may_open >> 63;
        quoted
    }

    /// The grammar byte by byte: the plain form of [`PlainScanner::quoted_bytes`], and its fallback.
    #[cold]
    fn quoted_bytes_scalar(&mut self, block: &[u8; BLOCK_BYTES]) -> u64 {
        let mut mask = 0;
        for (i, &byte) in block.iter().enumerate() {
            let is_quote = byte == self.quote;
            let is_boundary = byte == self.delimiter || byte == b'\n' || byte == b'\r';
            self.text_after_quote |= self.after_closing & u64::from(!is_quote && !is_boundary);
            self.after_closing = 0;
            if self.in_quotes != 0 {
                if is_quote {
                    self.in_quotes = 0;
                    (self.may_open, self.after_closing) = (1, 1);
                }
            } else if is_quote && self.may_open != 0 {
                self.in_quotes = !0;
            } else {
                self.may_open = u64::from(is_boundary);
            }
            mask |= (self.in_quotes & 1) << i;
        }
        mask
    }
}

/// Returns the first block of `bytes` and the mask of the block's bytes that belong to `bytes`.
///
/// If `bytes` is shorter than a block, the block is a copy in `buffer`, padded with LF, which no dialect uses as a
/// quote.
#[inline]
pub(crate) fn first_block<'a>(
    bytes: &'a [u8],
    buffer: &'a mut [u8; BLOCK_BYTES],
) -> (&'a [u8; BLOCK_BYTES], u64) {
    match bytes.first_chunk() {
        Some(block) => (block, !0),
        None => {
            buffer.fill(b'\n');
            buffer[..bytes.len()].copy_from_slice(bytes);
            (buffer, low_bits(bytes.len()))
        }
    }
}

/// The CRs of a block that an LF follows. `rest` is the input from the block on.
#[inline]
fn crs_before_lf(cr: u64, lf: u64, rest: &[u8]) -> u64 {
    let is_data = if rest.len() < BLOCK_BYTES { low_bits(rest.len()) } else { !0 };
    let is_next_lf = u64::from(rest.get(BLOCK_BYTES) == Some(&b'\n'));
    cr & ((lf & is_data) >> 1 | is_next_lf << 63)
}

#[inline]
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Returns a mask of the `count` lowest bits. `count` must be below 64.
#[inline]
pub(crate) fn low_bits(count: usize) -> u64 {
    (1 << count) - 1
}

/// Bit i of the result is the parity of bits 0 to i of `bits`.
#[inline]
fn prefix_parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[inline]
fn load(block: &[u8; BLOCK_BYTES]) -> [u8x16; 4] {
    let (vectors, _) = block.as_chunks::<16>();
    std::array::from_fn(|i| u8x16::new(vectors[i]))
}

/// Bit i of the result is set if byte i equals `byte`.
#[inline]
fn equal(vectors: &[u8x16; 4], byte: u8) -> u64 {
    let needle = u8x16::splat(byte);
    let mask = |i: usize| u64::from(vectors[i].simd_eq(needle).to_bitmask());
    mask(0) | mask(1) << 16 | mask(2) << 32 | mask(3) << 48
}

/// True if any byte equals `first` or `second`. Cheaper than two masks.
#[inline]
fn contains_either(vectors: &[u8x16; 4], first: u8, second: u8) -> bool {
    let (first, second) = (u8x16::splat(first), u8x16::splat(second));
    let hits = vectors.map(|vector| vector.simd_eq(first) | vector.simd_eq(second));
    (hits[0] | hits[1] | hits[2] | hits[3]).any()
}

/// True if any byte equals one of `needles`.
#[inline]
fn contains_any(vectors: &[u8x16; 4], needles: [u8; 4]) -> bool {
    let needles = needles.map(u8x16::splat);
    let hits = |vector: u8x16| needles.map(|needle| vector.simd_eq(needle));
    let hits = vectors.map(|vector| hits(vector).into_iter().fold(u8x16::ZERO, |all, hit| all | hit));
    (hits[0] | hits[1] | hits[2] | hits[3]).any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CommentPrefix, Escapes};
    use proptest::prelude::*;

    fn block() -> impl Strategy<Value = [u8; BLOCK_BYTES]> {
        let byte = prop_oneof![4 => Just(b'"'), 2 => Just(b','), 1 => Just(b'\n'), 1 => Just(b'\r'), 4 => any::<u8>()];
        let sparse = prop_oneof![1 => Just(b'"'), 4 => Just(b','), 1 => Just(b'\n'), 20 => Just(b'a')];
        prop_oneof![proptest::array::uniform(byte), proptest::array::uniform(sparse)]
    }

    /// A dialect with every feature by chance.
    fn dialect() -> impl Strategy<Value = Dialect> {
        let delimiters = prop::sample::select(vec![",", " ", "||", ", ", "aba", "|,|", "12345678"]);
        let delimiter = delimiters.prop_map(|text| Delimiter::new(text.as_bytes()).unwrap());
        let delimiter = prop_oneof![4 => delimiter, 1 => Just(Delimiter::BLANKS)];
        let optional = |byte| prop::option::of(Just(byte));
        let escapes = prop::sample::select(vec![Escapes::Quoted, Escapes::MySql]);
        let comment = prop::sample::select(vec![None, CommentPrefix::new(b"#"), CommentPrefix::new(b"#a#")]);
        (delimiter, optional(b'"'), optional(b'\\'), escapes, comment, any::<bool>()).prop_map(
            |(delimiter, quote, escape, escapes, comment, trim)| Dialect {
                delimiter,
                quote,
                escape,
                escapes,
                comment,
                trim,
            },
        )
    }

    /// Bytes that are special in some dialect; in `dense` parts most are.
    fn special_bytes() -> impl Strategy<Value = Vec<u8>> {
        let dense =
            prop::collection::vec(prop::sample::select(b"\",|\n\r\\# \ta12345678b".as_slice()), 0..80);
        let sparse = prop::collection::vec(
            prop_oneof![30 => Just(b'x'), 1 => prop::sample::select(b"\",|\n\r\\# ".as_slice())],
            0..200,
        );
        let run = (prop::sample::select(b"\\ |\"\n#,".as_slice()), 0..130_usize)
            .prop_map(|(byte, count)| vec![byte; count]);
        let text =
            prop::sample::select(vec!["12345678", "\\\r\n", "\n#a#", "\", \"", "|,|,|", "ababa", "\\\""]);
        let text = text.prop_map(|text| text.as_bytes().to_vec());
        let part = prop_oneof![2 => dense, 2 => sparse, 1 => run, 4 => text];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn general_and_scalar_scanners_agree(dialect in dialect(), bytes in special_bytes()) {
            let mut scalar = ScalarScanner::new(dialect);
            let mut general = GeneralScanner::new(dialect);
            let mut ends_scanner = GeneralScanner::new(dialect);
            let mut buffer = [0; BLOCK_BYTES];
            for at in (0..bytes.len()).step_by(BLOCK_BYTES) {
                let (block, valid) = first_block(&bytes[at..], &mut buffer);
                let only_valid = |masks: BlockMasks| {
                    let BlockMasks { delimiters, ends, lf, cr } = masks;
                    [delimiters & valid, ends & valid, lf, cr]
                };
                let rest = &bytes[at..];
                let expected = scalar.scan(block, rest);
                prop_assert_eq!(only_valid(general.scan(block, rest)), only_valid(expected), "block at {}", at);
                prop_assert_eq!(general.has_text_after_quote(), scalar.has_text_after_quote());
                let expected = BlockMasks { delimiters: 0, ..expected };
                prop_assert_eq!(only_valid(ends_scanner.scan_ends(block, rest)), only_valid(expected), "block at {}", at);
                for scanner in [&general, &ends_scanner] {
                    prop_assert_eq!(scanner.is_in_quotes(), scalar.is_in_quotes());
                    prop_assert_eq!(scanner.is_in_comment(), scalar.is_in_comment());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn plain_and_scalar_scanners_agree(blocks in proptest::collection::vec(block(), 1..6), quote in prop::option::of(Just(b'"'))) {
            let dialect = Dialect { quote, ..Dialect::default() };
            let mut scalar = ScalarScanner::new(dialect);
            let mut scanner = Scanner::new(dialect);
            let mut ends_scanner = Scanner::new(dialect);
            for block in &blocks {
                let expected = scalar.scan(block, block);
                prop_assert_eq!(scanner.scan(block, block), expected);
                prop_assert_eq!(scanner.has_text_after_quote(), scalar.has_text_after_quote());
                let ends = match &mut ends_scanner {
                    Scanner::Quoteless(scanner) => scanner.scan_ends(block, block),
                    Scanner::Plain(scanner) => scanner.scan_ends(block, block),
                    Scanner::General(_) => panic!("the dialect is plain"),
                };
                prop_assert_eq!(ends, BlockMasks { delimiters: 0, ..expected });
            }
        }
    }
}
