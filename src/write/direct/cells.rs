//! Cells, what pages are filled with, and the overflow pages behind those that are too large for one.
//!
//! | cell of | parts | file format |
//! |---|---|---|
//! | a table's leaf | varint payload bytes, varint rowid, payload, overflow page | 2.2 |
//! | a table's interior page | 4 bytes left child, varint rowid | 2.2 |
//! | an index's leaf | varint payload bytes, payload, overflow page | 2.2 |
//! | an index's interior page | 4 bytes left child, then as on a leaf | 2.2 |
//!
//! Of a payload of P bytes on pages of U usable ones, all lies in the cell if P is at most X: U - 35 in a
//! table, (U - 12) * 64 / 255 - 23 in an index. Else, with M = (U - 12) * 32 / 255 - 23 and
//! K = M + (P - M) % (U - 4), the first K bytes if K is at most X, otherwise the first M (file format 2.2, "cell
//! payload overflow pages"). Four bytes with the number of an overflow page follow them there.
//!
//! | overflow page | bytes | file format |
//! |---|---|---|
//! | number of the next, 0 in the last | 4 | 2.3 |
//! | payload | U - 4 | 2.3 |

use super::record::get_varint;
use std::ops::Range;

/// Bytes of a page number.
pub(super) const POINTER_BYTES: usize = 4;

/// Which of the two kinds of b-tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keyed by rowid, rows in the leaves.
    Table,
    /// Keyed by records, in all pages.
    Index,
}

/// How much of a payload lies in its cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    page_bytes: usize,
    /// X: a payload up to this size lies in its cell.
    pub(super) max_local: usize,
    /// M: what of a larger one lies there at least.
    min_local: usize,
}

impl Limits {
    /// All of any payload.
    pub(super) const NONE: Self = Self { page_bytes: 0, max_local: usize::MAX, min_local: 0 };

    pub(super) fn new(kind: Kind, page_bytes: usize) -> Self {
        let max_local = match kind {
            Kind::Table => page_bytes - 35,
            Kind::Index => (page_bytes - 12) * 64 / 255 - 23,
        };
        Self { page_bytes, max_local, min_local: (page_bytes - 12) * 32 / 255 - 23 }
    }

    /// The bytes of a payload that lie in its cell.
    pub(super) fn local(self, payload_bytes: usize) -> usize {
        let Self { page_bytes, max_local, min_local } = self;
        if payload_bytes <= max_local {
            return payload_bytes;
        }
        let best = min_local + (payload_bytes - min_local) % (page_bytes - POINTER_BYTES);
        if best <= max_local { best } else { min_local }
    }
}

/// Cells one behind the other, in the order of their keys, and their overflow pages.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// The cells and, behind them, what is not used yet; it is not given back, since to clear it again takes time.
    buffer: Vec<u8>,
    used: usize,
    /// The bytes of each.
    pub(super) lengths: Vec<u32>,
    /// Whole overflow pages; their numbers are not known yet.
    overflow: Vec<u8>,
    chains: Vec<Chain>,
}

/// The overflow pages of one cell, which follow one another.
#[derive(Debug)]
pub(super) struct Chain {
    /// Where in the cells the number of the first one belongs.
    pub(super) pointer_at: usize,
    /// Their bytes in `overflow`.
    pub(super) pages: Range<usize>,
}

impl Cells {
    /// Room for so many cells of so many bytes in all.
    pub(super) fn with_capacity(cells: usize, bytes: usize) -> Self {
        Self { buffer: vec![0; bytes], lengths: Vec::with_capacity(cells), ..Self::default() }
    }

    /// The cells, one behind the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.used]
    }

    /// Forgets all cells and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.lengths.clear();
        self.overflow.clear();
        self.chains.clear();
    }

    /// Room for a cell of up to `bytes` bytes behind the others, to be written before [`Cells::close`].
    #[inline]
    pub(super) fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.used + bytes;
        if end > self.buffer.len() {
            self.buffer.resize(2 * end, 0);
        }
        &mut self.buffer[self.used..end]
    }

    /// Appends `count` cells, none of which overflows, that `put` writes to the start of room for `bytes`. It also sets
    /// the length of each, and returns the bytes of all.
    pub(super) fn append_short(
        &mut self,
        count: usize,
        bytes: usize,
        put: impl FnOnce(&mut [u8], &mut [u32]) -> usize,
    ) {
        self.room(bytes);
        let first = self.lengths.len();
        self.lengths.resize(first + count, 0);
        self.used += put(&mut self.buffer[self.used..], &mut self.lengths[first..]);
    }

    /// Appends cells that are whole.
    pub(super) fn extend(&mut self, bytes: &[u8], lengths: &[u32]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.used += bytes.len();
        self.lengths.extend_from_slice(lengths);
    }

    /// Appends a cell that is whole.
    pub(super) fn push(&mut self, cell: &[u8]) {
        self.extend(cell, &[cell.len() as u32]);
    }

    /// Appends a whole cell of two parts.
    pub(super) fn push_joined(&mut self, front: &[u8], back: &[u8]) {
        let bytes = front.len() + back.len();
        let (to_front, to_back) = self.room(bytes).split_at_mut(front.len());
        to_front.copy_from_slice(front);
        to_back.copy_from_slice(back);
        self.used += bytes;
        self.lengths.push(bytes as u32);
    }

    /// The cells, one by one.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes();
        self.lengths.iter().map(move |length| {
            let (cell, after) = rest.split_at(*length as usize);
            rest = after;
            cell
        })
    }

    /// The last cell; nothing if there is none.
    pub(super) fn last(&self) -> &[u8] {
        let bytes = self.lengths.last().map_or(0, |bytes| *bytes as usize);
        &self.bytes()[self.used - bytes..]
    }

    /// Whether a cell has more bytes than this.
    pub(super) fn has_longer(&self, bytes: usize) -> bool {
        self.lengths.iter().any(|length| *length as usize > bytes)
    }

    /// The same entries of an index, with what does not belong in the cells moved to overflow pages.
    pub(super) fn localized(&self, limits: Limits) -> Self {
        let mut local = Self::default();
        for cell in self.iter() {
            local.room(cell.len()).copy_from_slice(cell);
            local.close(cell.len(), get_varint(cell).1, limits);
        }
        local
    }

    /// Makes the first `bytes` bytes of the room behind the cells a cell; its payload begins `payload` bytes into it.
    #[inline]
    pub(super) fn close(&mut self, bytes: usize, payload: usize, limits: Limits) {
        let bytes =
            if bytes - payload > limits.max_local { self.spill(bytes, payload, limits) } else { bytes };
        self.used += bytes;
        self.lengths.push(bytes as u32);
    }

    /// Moves to overflow pages what does not belong in the cell; returns the bytes that it has then.
    #[cold]
    fn spill(&mut self, bytes: usize, payload: usize, limits: Limits) -> usize {
        let pointer = payload + limits.local(bytes - payload);
        let cell = &mut self.buffer[self.used..self.used + bytes];
        let first = self.overflow.len();
        for part in cell[pointer..].chunks(limits.page_bytes - POINTER_BYTES) {
            self.overflow.extend_from_slice(&[0; POINTER_BYTES]);
            self.overflow.extend_from_slice(part);
        }
        let pages = (self.overflow.len() - first).div_ceil(limits.page_bytes);
        self.overflow.resize(first + pages * limits.page_bytes, 0);
        self.chains.push(Chain { pointer_at: self.used + pointer, pages: first..self.overflow.len() });
        // There is room: what was moved is longer.
        pointer + POINTER_BYTES
    }

    /// The parts that overflow pages are written from: the cells, these pages, and where they belong.
    pub(super) fn overflow(&mut self) -> (&mut [u8], &mut [u8], &[Chain]) {
        (&mut self.buffer[..self.used], &mut self.overflow, &self.chains)
    }
}
