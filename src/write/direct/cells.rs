//! Cells, the content of b-tree pages, and the overflow pages of large ones.
//!
//! | cell of | parts | file format |
//! |---|---|---|
//! | a table's leaf | varint payload bytes, varint rowid, payload, overflow page | 2.2 |
//! | a table's interior page | 4 bytes left child, varint rowid | 2.2 |
//! | an index's leaf | varint payload bytes, payload, overflow page | 2.2 |
//! | an index's interior page | 4 bytes left child, then as on a leaf | 2.2 |
//!
//! With U usable bytes on a page, a payload of P bytes is stored in the cell if P is at most X, which is `U - 35` in a
//! table and `(U - 12) * 64 / 255 - 23` in an index. Otherwise, with M = `(U - 12) * 32 / 255 - 23` and
//! K = `M + (P - M) % (U - 4)`, the cell has the first K bytes if K is at most X, else the first M, followed by the
//! number of the first overflow page (file format 2.2, "cell payload overflow pages").
//!
//! | overflow page | bytes | file format |
//! |---|---|---|
//! | number of the next, 0 in the last | 4 | 2.3 |
//! | payload | U - 4 | 2.3 |

use super::record::get_varint;
use crate::batch::PADDING_BYTES;
use std::ops::Range;

/// Buffers up to this size are kept for the next cells.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// A shorter cell is padded on a leaf: entries of one column can be shorter, in a WITHOUT ROWID table and its indexes.
pub(super) const MIN_CELL_BYTES: usize = 4;

/// The cell of a leaf without padding, as it is on interior pages. An entry that is padded has a varint of one byte.
pub(super) fn without_padding(cell: &[u8]) -> &[u8] {
    match cell {
        [payload_bytes, _, _, _] => &cell[..MIN_CELL_BYTES.min(1 + usize::from(*payload_bytes))],
        _ => cell,
    }
}

/// Bytes of a page number.
pub(super) const POINTER_BYTES: usize = 4;

/// The kind of a b-tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TreeKind {
    /// Keyed by rowid, with rows in the leaves.
    Table,
    /// Keyed by records, on all pages.
    Index,
}

/// How many bytes of a payload are stored in its cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct PayloadLimits {
    page_bytes: usize,
    /// X: a payload of up to this size is stored in the cell.
    pub(super) max_local: usize,
    /// M: at least this much of a larger one is stored there.
    min_local: usize,
}

impl PayloadLimits {
    /// No limit: every payload is stored in its cell.
    pub(super) const NONE: Self = Self { page_bytes: 0, max_local: usize::MAX, min_local: 0 };

    pub(super) fn new(kind: TreeKind, page_bytes: usize) -> Self {
        let max_local = match kind {
            TreeKind::Table => page_bytes - 35,
            TreeKind::Index => (page_bytes - 12) * 64 / 255 - 23,
        };
        Self { page_bytes, max_local, min_local: (page_bytes - 12) * 32 / 255 - 23 }
    }

    /// The number of bytes of a payload that are stored in its cell.
    pub(super) fn local(self, payload_bytes: usize) -> usize {
        let Self { page_bytes, max_local, min_local } = self;
        if payload_bytes <= max_local {
            return payload_bytes;
        }
        let best = min_local + (payload_bytes - min_local) % (page_bytes - POINTER_BYTES);
        if best <= max_local { best } else { min_local }
    }
}

/// A run of cells in key order, and their overflow pages.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// The cells, followed by unused bytes. It never shrinks, because clearing it again takes time.
    buffer: Vec<u8>,
    used: usize,
    /// The length of each cell in bytes.
    pub(super) lengths: Vec<u32>,
    /// Overflow pages, whose numbers are not known yet.
    overflow: Vec<u8>,
    chains: Vec<Chain>,
}

/// The overflow pages of one cell, in order.
#[derive(Debug)]
pub(super) struct Chain {
    /// The offset in the cells of the number of the first page.
    pub(super) pointer_at: usize,
    /// The bytes of the pages in `overflow`.
    pub(super) pages: Range<usize>,
}

impl Cells {
    /// An empty run with room for `cells` cells of `bytes` bytes in total.
    pub(super) fn with_capacity(cells: usize, bytes: usize) -> Self {
        Self { buffer: vec![0; bytes], lengths: Vec::with_capacity(cells), ..Self::default() }
    }

    /// The cells in `bytes`, of these lengths.
    pub(super) fn of_bytes(bytes: Vec<u8>, lengths: Vec<u32>) -> Self {
        Self { used: bytes.len(), buffer: bytes, lengths, ..Self::default() }
    }

    /// Returns the bytes of all cells: a copy, or the buffer itself if it is too large to be reused.
    pub(super) fn keep_bytes(&mut self) -> Vec<u8> {
        if self.buffer.len() <= MAX_KEPT_BYTES {
            return self.bytes().to_vec();
        }
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.truncate(std::mem::take(&mut self.used));
        self.lengths.clear();
        bytes
    }

    /// The bytes of all cells.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.used]
    }

    /// Removes all cells, and keeps the memory unless a large value needed it.
    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.lengths.clear();
        if self.buffer.len() > MAX_KEPT_BYTES {
            self.buffer = Vec::new();
        }
        self.clear_overflow();
    }

    /// Removes the overflow pages, which have been written.
    pub(super) fn clear_overflow(&mut self) {
        self.overflow.clear();
        self.overflow.shrink_to(MAX_KEPT_BYTES);
        self.chains.clear();
    }

    /// Room for a cell of up to `bytes` bytes after the others, to be filled before [`Cells::finish_cell`].
    #[inline]
    pub(super) fn room(&mut self, bytes: usize) -> &mut [u8] {
        const LARGE_BYTES: usize = 1 << 20;
        let end = self.used + bytes;
        if end > self.buffer.len() {
            // Twice as much would be a waste for a large cell, which may be the only one.
            let spare = end.min(LARGE_BYTES).max(self.used / 4);
            self.buffer.resize(end + spare, 0);
        }
        &mut self.buffer[self.used..end]
    }

    /// Appends `count` cells without overflow pages. `put` writes them to the start of a buffer of at least `bytes`
    /// bytes, sets the length of each, and returns the total.
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

    /// Appends complete cells.
    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8], lengths: impl IntoIterator<Item = u32>) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.used += bytes.len();
        self.lengths.extend(lengths);
    }

    /// Appends a complete cell.
    #[inline]
    pub(super) fn push(&mut self, cell: &[u8]) {
        self.extend(cell, [cell.len() as u32]);
    }

    /// Appends a complete cell of a leaf, with padding if it is short.
    #[inline]
    pub(super) fn push_padded(&mut self, cell: &[u8]) {
        self.push_joined(cell, &[0; MIN_CELL_BYTES][cell.len().min(MIN_CELL_BYTES)..]);
    }

    /// Pads short cells. There are no overflow pages.
    pub(super) fn pad_short(&mut self) {
        if self.lengths.iter().any(|length| (*length as usize) < MIN_CELL_BYTES) {
            let short = std::mem::take(self);
            short.iter().for_each(|cell| self.push_padded(cell));
        }
    }

    /// Appends a complete cell in two parts.
    #[inline]
    pub(super) fn push_joined(&mut self, front: &[u8], back: &[u8]) {
        let bytes = front.len() + back.len();
        let (to_front, to_back) = self.room(bytes).split_at_mut(front.len());
        to_front.copy_from_slice(front);
        to_back.copy_from_slice(back);
        self.used += bytes;
        self.lengths.push(bytes as u32);
    }

    /// Iterates over the cells.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes();
        self.lengths.iter().map(move |length| {
            let (cell, after) = rest.split_at(*length as usize);
            rest = after;
            cell
        })
    }

    /// Where each cell begins.
    pub(super) fn starts(&self) -> impl Iterator<Item = usize> {
        let mut end = 0;
        self.lengths.iter().map(move |length| {
            let start = end;
            end += *length as usize;
            start
        })
    }

    /// Cell `number`, which begins at `start`.
    #[inline]
    pub(super) fn cell(&self, start: usize, number: usize) -> &[u8] {
        &self.buffer[start..start + self.lengths[number] as usize]
    }

    /// Appends cell `number` of others, which begins at `start` there.
    #[inline]
    pub(super) fn push_from(&mut self, others: &Self, start: usize, number: usize) {
        let bytes = others.lengths[number] as usize;
        // A copy of a constant number of bytes is faster. What follows the cell is overwritten later.
        let is_copied = match bytes {
            0..=32 => self.push_padded_copy::<32>(others, start),
            33..=PADDING_BYTES => self.push_padded_copy::<PADDING_BYTES>(others, start),
            _ => false,
        };
        match is_copied {
            true => self.finish_cell(bytes),
            false => self.push(others.cell(start, number)),
        }
    }

    /// Copies `BYTES` bytes behind the last cell; returns whether there is room for them, and they are there.
    #[inline(always)]
    fn push_padded_copy<const BYTES: usize>(&mut self, others: &Self, start: usize) -> bool {
        let from = others.buffer.get(start..).and_then(<[u8]>::first_chunk::<BYTES>);
        let to = self.buffer.get_mut(self.used..).and_then(<[u8]>::first_chunk_mut::<BYTES>);
        let (Some(from), Some(to)) = (from, to) else { return false };
        *to = *from;
        true
    }

    /// The last cell; empty if there is none.
    pub(super) fn last(&self) -> &[u8] {
        let bytes = self.lengths.last().map_or(0, |bytes| *bytes as usize);
        &self.bytes()[self.used - bytes..]
    }

    /// True if a cell is longer than `bytes`.
    pub(super) fn has_cell_longer_than(&self, bytes: usize) -> bool {
        self.lengths.iter().any(|length| *length as usize > bytes)
    }

    /// The same index entries, with the excess of large payloads moved to overflow pages.
    pub(super) fn with_overflow_pages(&self, limits: PayloadLimits) -> Self {
        let mut local = Self::default();
        for cell in self.iter() {
            let (head, payload) = cell.split_at(get_varint(cell).1);
            if payload.len() > limits.max_local {
                local.push_spilled(head, payload.len(), limits, |to| to.put(payload));
            } else {
                local.push(cell);
            }
        }
        local
    }

    /// Turns the first `bytes` bytes of the room into a cell.
    #[inline]
    pub(super) fn finish_cell(&mut self, bytes: usize) {
        self.used += bytes;
        self.lengths.push(bytes as u32);
    }

    /// Appends a cell that starts with `head`. `put` writes its payload, which is too large to be stored in the cell.
    #[cold]
    pub(super) fn push_spilled(
        &mut self,
        head: &[u8],
        payload_bytes: usize,
        limits: PayloadLimits,
        put: impl FnOnce(&mut SpilledPayload<'_>),
    ) {
        let local_bytes = limits.local(payload_bytes);
        let first = self.overflow.len();
        let pages = (payload_bytes - local_bytes).div_ceil(limits.page_bytes - POINTER_BYTES);
        let end = first + pages * limits.page_bytes;
        let mut overflow = std::mem::take(&mut self.overflow);
        overflow.reserve(end - first);
        let start = self.used;
        let pointer_at = start + head.len() + local_bytes;
        let cell = self.room(head.len() + local_bytes + POINTER_BYTES);
        let (cell_head, payload) = cell.split_at_mut(head.len());
        cell_head.copy_from_slice(head);
        let local = &mut payload[..local_bytes];
        put(&mut SpilledPayload { local, overflow: &mut overflow, limits, page_left: 0 });
        overflow.resize(end, 0);
        self.overflow = overflow;
        self.chains.push(Chain { pointer_at, pages: first..end });
        self.finish_cell(pointer_at + POINTER_BYTES - start);
    }

    /// The cells, the overflow pages, and which pages belong to which cell.
    pub(super) fn overflow(&mut self) -> (&mut [u8], &mut [u8], &[Chain]) {
        (&mut self.buffer[..self.used], &mut self.overflow, &self.chains)
    }
}

/// A payload that is written to its cell and, beyond what the cell stores, to overflow pages.
pub(super) struct SpilledPayload<'c> {
    /// What is left of the place in the cell.
    local: &'c mut [u8],
    overflow: &'c mut Vec<u8>,
    /// What is left of the last overflow page.
    page_left: usize,
    limits: PayloadLimits,
}

impl SpilledPayload<'_> {
    /// Appends `bytes` to the payload.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let (local, mut excess) = bytes.split_at(bytes.len().min(self.local.len()));
        if let Some(place) = self.local.split_off_mut(..local.len()) {
            place.copy_from_slice(local);
        }
        while !excess.is_empty() {
            if self.page_left == 0 {
                self.overflow.extend_from_slice(&[0; POINTER_BYTES]);
                self.page_left = self.limits.page_bytes - POINTER_BYTES;
            }
            let (now, later) = excess.split_at(excess.len().min(self.page_left));
            self.overflow.extend_from_slice(now);
            self.page_left -= now.len();
            excess = later;
        }
    }
}
