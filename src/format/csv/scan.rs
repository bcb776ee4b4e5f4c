//! Bytes to bit masks: where fields and records end, 64 bytes at a time.
//!
//! The grammar (RFC 4180, as the `csv` crate reads it): outside quotes, a quote opens only straight after a
//! delimiter, a line end or the start; inside, any quote closes, and one that follows straight on the
//! closing one opens again, which is how `""` stands for a quote. LF and CR outside quotes end a record.
//! [`Masks::walk`] is that sentence as a loop over bytes, and the fast way must agree with it:
//!
//! 1. Compare 64 bytes at once with each special byte, which gives a mask with a bit a byte.
//! 2. If no byte of the block is a quote, all of it is inside or all of it is outside.
//! 3. Otherwise suppose that every quote opens or closes: then the running parity of the quotes is the inside
//!    of the quoted fields. The supposition is false only if a quote that would open stands where none may
//!    (`a"b`, `"a"b"`); the masks show this too, and such a block is walked.
//!
//! A dialect with more to it than one byte between fields and one around them is walked in all blocks: [`walk`].

mod scalar;

use crate::plan::Dialect;
pub(crate) use scalar::{Step, Walker};
use wide::u8x16;

/// Bytes that one step looks at.
pub(crate) const BLOCK_BYTES: usize = 64;

/// What one block holds: bit i speaks of byte i.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    /// Delimiters outside quotes; of one of several bytes the last.
    pub(crate) delimiters: u64,
    /// LF and CR outside quotes, and every byte of a comment: it is to all others a run of blank lines.
    pub(crate) ends: u64,
    /// Every LF, quoted or not.
    pub(crate) lf: u64,
    /// Every CR, quoted or not.
    pub(crate) cr: u64,
}

/// Makes marks of blocks, one after the other.
pub(crate) trait Scan {
    /// Whether the next byte is inside quotes.
    fn is_inside(&self) -> bool;

    /// Whether the next byte is inside a comment.
    fn is_in_comment(&self) -> bool {
        false
    }

    /// The next 64 bytes.
    fn scan(&mut self, block: &[u8; BLOCK_BYTES]) -> Marks;

    /// As [`Scan::scan`], but for the delimiters.
    fn scan_ends(&mut self, block: &[u8; BLOCK_BYTES]) -> Marks {
        Marks { delimiters: 0, ..self.scan(block) }
    }
}

/// What scans a dialect. It is chosen once, not block by block.
#[derive(Debug, Clone)]
pub(crate) enum Scanner {
    /// A plain one: one byte between fields, one around them, and no more to it.
    Masks(Masks),
    /// Any.
    Walker(Walker),
}

impl Scanner {
    /// A scanner that stands at the start of a record.
    pub(crate) fn new(dialect: Dialect) -> Self {
        match (dialect.delimiter.as_bytes(), dialect) {
            (&[delimiter], Dialect { quote, escape: None, comment: None, trim: false, .. }) => {
                Self::Masks(Masks { delimiter, quote, inside: 0, may_open: 1 })
            }
            _ => Self::Walker(Walker::new(dialect)),
        }
    }

    /// As [`Scan::scan`].
    #[inline]
    pub(crate) fn scan(&mut self, block: &[u8; BLOCK_BYTES]) -> Marks {
        match self {
            Self::Masks(masks) => masks.scan(block),
            Self::Walker(walker) => walker.scan(block),
        }
    }
}

/// The state between two blocks.
#[derive(Debug, Clone)]
pub(crate) struct Masks {
    delimiter: u8,
    quote: Option<u8>,
    /// All ones inside quotes, else all zeros.
    inside: u64,
    /// 1 if a quote in the next byte would open, else 0. Means nothing inside quotes.
    may_open: u64,
}

impl Scan for Masks {
    fn is_inside(&self) -> bool {
        self.inside != 0
    }

    #[inline]
    fn scan(&mut self, block: &[u8; BLOCK_BYTES]) -> Marks {
        let vectors = load(block);
        let lf = equal(&vectors, b'\n');
        let cr = equal(&vectors, b'\r');
        let delimiters = equal(&vectors, self.delimiter);
        let quotes = self.quote.map_or(0, |quote| equal(&vectors, quote));
        let boundaries = delimiters | lf | cr;
        let inside = if quotes == 0 {
            self.may_open = boundaries >> 63;
            self.inside
        } else {
            self.inside_of(block, quotes, boundaries)
        };
        Marks { delimiters: delimiters & !inside, ends: (lf | cr) & !inside, lf, cr }
    }

    /// It looks for delimiters only where there are quotes.
    #[inline]
    fn scan_ends(&mut self, block: &[u8; BLOCK_BYTES]) -> Marks {
        let vectors = load(block);
        let lf = equal(&vectors, b'\n');
        let quote = self.quote.unwrap_or(b'\r');
        if self.inside == 0 && !contains(&vectors, b'\r', quote) {
            let last = block[BLOCK_BYTES - 1];
            self.may_open = u64::from(last == self.delimiter || last == b'\n');
            return Marks { delimiters: 0, ends: lf, lf, cr: 0 };
        }
        Marks { delimiters: 0, ..self.scan(block) }
    }
}

impl Masks {
    /// The bytes after which one is inside quotes; keeps the state for the next block.
    #[inline]
    fn inside_of(&mut self, block: &[u8; BLOCK_BYTES], quotes: u64, boundaries: u64) -> u64 {
        let inside = parity(quotes) ^ self.inside;
        let inside_before = inside << 1 | self.inside & 1;
        let closing = quotes & inside_before;
        let opening = quotes & !inside_before;
        let may_open = boundaries | closing;
        if opening & !(may_open << 1 | self.may_open) != 0 {
            return self.walk(block);
        }
        self.inside = 0u64.wrapping_sub(inside >> 63);
        self.may_open = may_open >> 63;
        inside
    }

    /// The grammar byte by byte: the plain form of [`Masks::inside_of`], and its way out.
    #[cold]
    fn walk(&mut self, block: &[u8; BLOCK_BYTES]) -> u64 {
        let mut mask = 0;
        for (i, &byte) in block.iter().enumerate() {
            let is_quote = Some(byte) == self.quote;
            if self.inside != 0 {
                if is_quote {
                    self.inside = 0;
                    self.may_open = 1;
                }
            } else if is_quote && self.may_open != 0 {
                self.inside = !0;
            } else {
                self.may_open = u64::from(byte == self.delimiter || byte == b'\n' || byte == b'\r');
            }
            mask |= (self.inside & 1) << i;
        }
        mask
    }
}

/// The block that begins `rest`, and the mask of its bytes. A shorter `rest` is filled up in `filled`, with a
/// byte that no dialect has for a quote.
#[inline]
pub(crate) fn block_of<'a>(
    rest: &'a [u8],
    filled: &'a mut [u8; BLOCK_BYTES],
) -> (&'a [u8; BLOCK_BYTES], u64) {
    match rest.first_chunk() {
        Some(block) => (block, !0),
        None => {
            filled.fill(b'\n');
            filled[..rest.len()].copy_from_slice(rest);
            (filled, low_bits(rest.len()))
        }
    }
}

/// The `count` lowest bits, for `count` below 64.
#[inline]
pub(crate) fn low_bits(count: usize) -> u64 {
    (1 << count) - 1
}

/// Bit i is the parity of bits 0 to i of `bits`.
#[inline]
fn parity(mut bits: u64) -> u64 {
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

/// Bit i is set where byte i is `byte`.
#[inline]
fn equal(vectors: &[u8x16; 4], byte: u8) -> u64 {
    let wanted = u8x16::splat(byte);
    let mask = |i: usize| u64::from(vectors[i].simd_eq(wanted).to_bitmask());
    mask(0) | mask(1) << 16 | mask(2) << 32 | mask(3) << 48
}

/// Whether any byte is `one` or `other`; cheaper than to ask which.
#[inline]
fn contains(vectors: &[u8x16; 4], one: u8, other: u8) -> bool {
    let (one, other) = (u8x16::splat(one), u8x16::splat(other));
    let hits = vectors.map(|vector| vector.simd_eq(one) | vector.simd_eq(other));
    (hits[0] | hits[1] | hits[2] | hits[3]).any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block() -> impl Strategy<Value = [u8; BLOCK_BYTES]> {
        let byte = prop_oneof![4 => Just(b'"'), 2 => Just(b','), 1 => Just(b'\n'), 1 => Just(b'\r'), 4 => any::<u8>()];
        let sparse = prop_oneof![1 => Just(b'"'), 4 => Just(b','), 1 => Just(b'\n'), 20 => Just(b'a')];
        prop_oneof![proptest::array::uniform(byte), proptest::array::uniform(sparse)]
    }

    proptest! {
        #[test]
        fn masks_equal_the_walk(blocks in proptest::collection::vec(block(), 1..6), quote in prop::option::of(Just(b'"'))) {
            let dialect = Dialect { quote, ..Dialect::default() };
            let mut walker = Walker::new(dialect);
            let mut scanner = Scanner::new(dialect);
            let mut ends_scanner = Scanner::new(dialect);
            for block in &blocks {
                let expected = walker.scan(block);
                prop_assert_eq!(scanner.scan(block), expected);
                let Scanner::Masks(masks) = &mut ends_scanner else { panic!("a plain dialect is not walked") };
                prop_assert_eq!(masks.scan_ends(block), Marks { delimiters: 0, ..expected });
            }
        }
    }
}
