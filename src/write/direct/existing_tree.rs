//! Reads trees: those of a table that has rows, and those that are abandoned. Nothing is trusted: a damaged page is an error.

use super::cell_order::CellOrder;
use super::cells::{Cells, MIN_CELL_BYTES, POINTER_BYTES, PayloadLimits, TreeKind};
use super::pages::Pages;
use super::record::{get_varint, is_complete};
use super::tree::{CELL_POINTER_BYTES, HEADER_BYTES, is_leaf_type, page_type};
use crate::error::Result;

/// The largest depth of a tree that SQLite reads (`BTCURSOR_MAX_DEPTH` in its source).
const MAX_DEPTH: usize = 20;

/// Zeros after a page, so that a varint at its end can be read.
const PADDING: usize = 16;

/// A page of a tree.
#[derive(Debug)]
pub(super) struct TreePage {
    pub(super) number: u32,
    /// The page, followed by zeros.
    bytes: Vec<u8>,
    kind: TreeKind,
    limits: PayloadLimits,
}

impl TreePage {
    /// Reads page `number` of a tree.
    ///
    /// # Errors
    /// If it cannot be read, or belongs to no tree of this kind.
    pub(super) fn read(
        number: u32,
        kind: TreeKind,
        limits: PayloadLimits,
        pages: &Pages<'_>,
    ) -> Result<Self> {
        let mut bytes = pages.read(number)?;
        bytes.resize(bytes.len() + PADDING, 0);
        let page = Self { number, bytes, kind, limits };
        let is_of_tree = [0, 1].iter().any(|level| page_type(kind, *level) == page.bytes[0]);
        if is_of_tree { Ok(page) } else { Err(pages.damaged(number)) }
    }

    pub(super) fn is_leaf(&self) -> bool {
        is_leaf_type(self.bytes[0])
    }

    /// The number of cells.
    pub(super) fn len(&self) -> usize {
        self.integer(3)
    }

    fn integer(&self, at: usize) -> usize {
        usize::from(self.bytes[at]) << 8 | usize::from(self.bytes[at + 1])
    }

    /// The bytes before a cell that are no part of its content: those of the child.
    pub(super) fn child_bytes(&self) -> usize {
        if self.is_leaf() { 0 } else { POINTER_BYTES }
    }

    /// The rightmost child of an interior page.
    fn rightmost(&self) -> u32 {
        self.bytes[HEADER_BYTES..].first_chunk().copied().map_or(0, u32::from_be_bytes)
    }

    /// The number of the page below cell `number`, or of the rightmost one after the last cell.
    pub(super) fn child(&self, number: usize, pages: &Pages<'_>) -> Result<u32> {
        match number == self.len() {
            true => Ok(self.rightmost()),
            false => Ok(self.cell(number, pages)?.first_chunk().copied().map_or(0, u32::from_be_bytes)),
        }
    }

    /// Cell `number` as it is on the page, with the number of its child on an interior page.
    pub(super) fn cell(&self, number: usize, pages: &Pages<'_>) -> Result<&[u8]> {
        let damaged = || pages.damaged(self.number);
        let pointers = HEADER_BYTES + self.child_bytes();
        let pointer = pointers + CELL_POINTER_BYTES * number;
        let page_bytes = self.bytes.len() - PADDING;
        if pointer + CELL_POINTER_BYTES > page_bytes {
            return Err(damaged());
        }
        let start = self.integer(pointer);
        let content = self.bytes.get(start + self.child_bytes()..page_bytes + PADDING);
        let content = content.filter(|content| content.len() > PADDING).ok_or_else(damaged)?;
        let (first, read) = get_varint(content);
        let bytes = if self.kind == TreeKind::Table && !self.is_leaf() {
            read
        } else {
            let rowid_bytes = if self.kind == TreeKind::Table { get_varint(&content[read..]).1 } else { 0 };
            let payload_bytes = usize::try_from(first).map_err(|_| damaged())?;
            let local = self.limits.local(payload_bytes);
            read + rowid_bytes + local + if local < payload_bytes { POINTER_BYTES } else { 0 }
        };
        let end = start + if self.is_leaf() { bytes.max(MIN_CELL_BYTES) } else { POINTER_BYTES + bytes };
        if end > page_bytes { Err(damaged()) } else { Ok(&self.bytes[start..end]) }
    }

    /// The rowid of cell `number` of a table.
    fn rowid(&self, number: usize, pages: &Pages<'_>) -> Result<i64> {
        let content = &self.cell(number, pages)?[self.child_bytes()..];
        let read = if self.is_leaf() { get_varint(content).1 } else { 0 };
        Ok(get_varint(&content[read..]).0.cast_signed())
    }

    /// All cells as they are on the page.
    pub(super) fn cells(&self, pages: &Pages<'_>) -> Result<Cells> {
        let mut cells = Cells::default();
        for number in 0..self.len() {
            cells.push(self.cell(number, pages)?);
        }
        Ok(cells)
    }
}

/// The pages of a tree from its root to its last leaf.
///
/// # Errors
/// If they cannot be read.
pub(super) fn right_spine(
    root: u32,
    kind: TreeKind,
    limits: PayloadLimits,
    pages: &Pages<'_>,
) -> Result<Vec<TreePage>> {
    let mut spine = vec![TreePage::read(root, kind, limits, pages)?];
    while let Some(page) = spine.last().filter(|page| !page.is_leaf()) {
        if spine.len() == MAX_DEPTH {
            return Err(pages.damaged(page.number));
        }
        let child = TreePage::read(page.rightmost(), kind, limits, pages)?;
        // The rows of a child come after those before it; those of another table may not.
        if kind == TreeKind::Table
            && let (Some(last), true) = (page.len().checked_sub(1), child.len() > 0)
            && child.rowid(0, pages)? <= page.rowid(last, pages)?
        {
            return Err(pages.damaged(child.number));
        }
        spine.push(child);
    }
    Ok(spine)
}

/// The last cell of a tree with its whole payload; nothing if the tree is empty.
///
/// # Errors
/// If it cannot be read.
pub(super) fn last_cell(
    root: u32,
    kind: TreeKind,
    limits: PayloadLimits,
    pages: &Pages<'_>,
) -> Result<Option<Vec<u8>>> {
    let spine = right_spine(root, kind, limits, pages)?;
    let Some(leaf) = spine.last().filter(|leaf| leaf.len() > 0) else { return Ok(None) };
    let cell = leaf.cell(leaf.len() - 1, pages)?;
    match kind {
        // Only its rowid matters.
        TreeKind::Table => Ok(Some(cell.to_vec())),
        TreeKind::Index => Ok(Some(whole_cell(kind, cell, limits, pages)?.0)),
    }
}

/// The size of what a cell has before its payload, and that of the payload.
fn head_and_payload_bytes(kind: TreeKind, cell: &[u8]) -> (usize, u64) {
    let (payload_bytes, read) = get_varint(cell);
    let rowid_bytes = if kind == TreeKind::Table { get_varint(&cell[read..]).1 } else { 0 };
    (read + rowid_bytes, payload_bytes)
}

/// A row or index entry with its whole payload, and the numbers of its overflow pages.
///
/// # Errors
/// If it cannot be read.
pub(super) fn whole_cell(
    kind: TreeKind,
    cell: &[u8],
    limits: PayloadLimits,
    pages: &Pages<'_>,
) -> Result<(Vec<u8>, Vec<u32>)> {
    let (head_bytes, payload_bytes) = head_and_payload_bytes(kind, cell);
    if payload_bytes > pages.count() * pages.page_bytes() as u64 {
        return Err(pages.damaged_payload());
    }
    let payload_bytes = payload_bytes as usize;
    let local = limits.local(payload_bytes);
    let mut whole = cell[..head_bytes + local].to_vec();
    let mut overflow = Vec::new();
    let mut pointer = cell[head_bytes + local..].first_chunk().copied().unwrap_or_default();
    while whole.len() < head_bytes + payload_bytes {
        let page = u32::from_be_bytes(pointer);
        if page == 0 {
            return Err(pages.damaged_payload());
        }
        overflow.push(page);
        let content = pages.read(page)?;
        let missing = head_bytes + payload_bytes - whole.len();
        whole.extend(content[POINTER_BYTES..].iter().take(missing));
        pointer = content.first_chunk().copied().unwrap_or_default();
    }
    match is_complete(&whole[head_bytes..]) {
        true => Ok((whole, overflow)),
        false => Err(pages.damaged_payload()),
    }
}

/// The record of a row, and the numbers of its overflow pages.
///
/// # Errors
/// If it cannot be read.
pub(super) fn row_record(
    cell: &[u8],
    limits: PayloadLimits,
    pages: &Pages<'_>,
) -> Result<(Vec<u8>, Vec<u32>)> {
    let (mut whole, overflow) = whole_cell(TreeKind::Table, cell, limits, pages)?;
    whole.drain(..head_and_payload_bytes(TreeKind::Table, cell).0);
    Ok((whole, overflow))
}

/// About the most cells that the tree at `root` may have: as many of the size of `last`, its last one, as its pages have room for, and
/// no more rows than the last rowid says. 0 if `last` is empty, since the tree then has no last cell.
///
/// # Errors
/// If its root cannot be read.
pub(super) fn max_cells(root: u32, kind: TreeKind, last: &[u8], pages: &Pages<'_>) -> Result<u64> {
    if last.is_empty() {
        return Ok(0);
    }
    let limits = PayloadLimits::new(kind, pages.page_bytes());
    let root = TreePage::read(root, kind, limits, pages)?;
    if root.is_leaf() {
        return Ok(root.len() as u64);
    }
    let child = TreePage::read(root.rightmost(), kind, limits, pages)?;
    let max_pages = if child.is_leaf() { root.len() as u64 + 1 } else { pages.count() };
    // An entry of an index may be on the root.
    let by_size = root.len() as u64 + max_pages * pages.page_bytes() as u64 / last.len() as u64;
    Ok(match kind {
        TreeKind::Table => by_size.min(u64::try_from(CellOrder::Rowid.rowid(last)).unwrap_or(0)),
        TreeKind::Index => by_size,
    })
}

/// Looks up the rowids of a table in ascending order.
#[derive(Debug)]
pub(super) struct OldRowids {
    root: u32,
    limits: PayloadLimits,
    /// The largest of them.
    last: Option<i64>,
    leaf: Option<TreePage>,
}

impl OldRowids {
    /// The rowids of the table with this root.
    ///
    /// # Errors
    /// If its last page cannot be read.
    pub(super) fn new(root: u32, pages: &Pages<'_>) -> Result<Self> {
        let limits = PayloadLimits::new(TreeKind::Table, pages.page_bytes());
        let last = last_cell(root, TreeKind::Table, limits, pages)?;
        let last = last.map(|cell| CellOrder::Rowid.rowid(&cell));
        Ok(Self { root, limits, last, leaf: None })
    }

    /// True if the table has a row with this rowid.
    ///
    /// # Errors
    /// If its pages cannot be read.
    pub(super) fn contain(&mut self, rowid: i64, pages: &Pages<'_>) -> Result<bool> {
        if self.last.is_none_or(|last| rowid > last) {
            return Ok(false);
        }
        if let Some(leaf) = &self.leaf
            && let Some(last) = leaf.len().checked_sub(1)
            && rowid <= leaf.rowid(last, pages)?
        {
            return has_rowid(leaf, rowid, pages);
        }
        let mut page = TreePage::read(self.root, TreeKind::Table, self.limits, pages)?;
        for _ in 0..MAX_DEPTH {
            if page.is_leaf() {
                return has_rowid(self.leaf.insert(page), rowid, pages);
            }
            let child = page.child(first_at_least(&page, rowid, pages)?, pages)?;
            page = TreePage::read(child, TreeKind::Table, self.limits, pages)?;
        }
        Err(pages.damaged(page.number))
    }
}

fn has_rowid(leaf: &TreePage, rowid: i64, pages: &Pages<'_>) -> Result<bool> {
    let at = first_at_least(leaf, rowid, pages)?;
    Ok(at < leaf.len() && leaf.rowid(at, pages)? == rowid)
}

/// The number of the first cell of a table's page whose rowid is at least this one, or the number of cells.
fn first_at_least(page: &TreePage, rowid: i64, pages: &Pages<'_>) -> Result<usize> {
    let (mut low, mut high) = (0, page.len());
    while low < high {
        let middle = low.midpoint(high);
        if page.rowid(middle, pages)? < rowid { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// Passes on the cells of a tree in order, and frees its pages.
#[derive(Debug)]
pub(super) struct OldCells {
    kind: TreeKind,
    order: CellOrder,
    limits: PayloadLimits,
    /// The pages from the root to the current one, each with the number of cells that were passed on.
    path: Vec<(TreePage, usize)>,
    root: u32,
    /// The next cell, if there is one.
    next: OldCell,
    has_next: bool,
    /// The one before it.
    last: OldCell,
}

/// A row or index entry that exists.
#[derive(Debug, Default)]
pub(super) struct OldCell {
    /// As it is on a leaf.
    pub(super) local: Vec<u8>,
    /// For an entry with overflow pages, its whole payload.
    spilled: Option<Vec<u8>>,
    /// See [`CellOrder::prefix`].
    pub(super) prefix: u64,
}

impl OldCell {
    /// An entry with its whole payload, or a row as it is on a leaf.
    pub(super) fn whole(&self) -> &[u8] {
        self.spilled.as_ref().unwrap_or(&self.local)
    }
}

impl OldCells {
    /// Starts with the first cell of the tree with this root.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn new(
        kind: TreeKind,
        root: u32,
        order: CellOrder,
        limits: PayloadLimits,
        pages: &mut Pages<'_>,
    ) -> Result<Self> {
        let (path, next, last) = Default::default();
        let mut cells = Self { kind, order, limits, path, root, next, has_next: false, last };
        cells.descend(root, pages)?;
        cells.advance(pages)?;
        Ok(cells)
    }

    /// The next cell.
    pub(super) fn peek(&self) -> Option<&OldCell> {
        self.has_next.then_some(&self.next)
    }

    /// Goes to the first leaf below page `number`.
    fn descend(&mut self, number: u32, pages: &Pages<'_>) -> Result<()> {
        let mut number = number;
        loop {
            let page = TreePage::read(number, self.kind, self.limits, pages)?;
            if self.path.len() == MAX_DEPTH {
                return Err(pages.damaged(number));
            }
            let is_leaf = page.is_leaf();
            let child = if is_leaf { 0 } else { page.child(0, pages)? };
            self.path.push((page, 0));
            if is_leaf {
                return Ok(());
            }
            number = child;
        }
    }

    /// Goes to the cell after the next one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn advance(&mut self, pages: &mut Pages<'_>) -> Result<()> {
        let is_first = !std::mem::take(&mut self.has_next);
        std::mem::swap(&mut self.last, &mut self.next);
        while let Some((page, passed)) = self.path.last_mut() {
            if *passed == page.len() {
                if page.number != self.root {
                    pages.free().push(page.number);
                }
                self.path.pop();
                continue;
            }
            let local = &page.cell(*passed, pages)?[page.child_bytes()..];
            *passed += 1;
            let child = if page.is_leaf() { None } else { Some(page.child(*passed, pages)?) };
            // The interior pages of a table have no rows.
            if let (TreeKind::Table, Some(child)) = (self.kind, child) {
                self.descend(child, pages)?;
                continue;
            }
            self.next.spilled = match self.kind {
                TreeKind::Table => None,
                TreeKind::Index if is_spilled(self.kind, local, self.limits) => {
                    Some(whole_cell(self.kind, local, self.limits, pages)?.0)
                }
                TreeKind::Index if is_complete(&local[get_varint(local).1..]) => None,
                TreeKind::Index => return Err(pages.damaged_payload()),
            };
            self.next.local.clear();
            self.next.local.extend_from_slice(local);
            if local.len() < MIN_CELL_BYTES {
                self.next.local.resize(MIN_CELL_BYTES, 0);
            }
            self.next.prefix = self.order.prefix(self.next.whole());
            // Where pages meet, a cell shows that its page belongs here.
            if (child.is_some() || *passed == 1)
                && !is_first
                && self.order.compare(self.last.whole(), self.next.whole()).is_ge()
            {
                return Err(pages.damaged(page.number));
            }
            self.has_next = true;
            return child.map_or(Ok(()), |child| self.descend(child, pages));
        }
        Ok(())
    }

    /// Frees the overflow pages of the next cell, which does not become part of another tree.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) fn free_overflow(&self, pages: &mut Pages<'_>) -> Result<()> {
        if is_spilled(self.kind, &self.next.local, self.limits) {
            let (_, mut overflow) = whole_cell(self.kind, &self.next.local, self.limits, pages)?;
            pages.free().append(&mut overflow);
        }
        Ok(())
    }
}

/// True if a cell has overflow pages.
pub(super) fn is_spilled(kind: TreeKind, cell: &[u8], limits: PayloadLimits) -> bool {
    let payload_bytes = head_and_payload_bytes(kind, cell).1 as usize;
    limits.local(payload_bytes) < payload_bytes
}
