//! Builds b-trees from the leaves up: cells arrive in key order, and pages are filled completely.
//!
//! | offset on a page | bytes | field | file format |
//! |---|---|---|---|
//! | 0 | 1 | 0x0D table leaf, 0x05 table interior, 0x0A index leaf, 0x02 index interior | 1.6 |
//! | 1 | 2 | first free block: none, 0 | 1.6 |
//! | 3 | 2 | number of cells | 1.6 |
//! | 5 | 2 | where the cells begin; 0 is 65536 | 1.6 |
//! | 7 | 1 | fragmented free bytes: 0 | 1.6 |
//! | 8 | 4 | on interior pages: the rightmost child | 1.6 |
//! | 8 or 12 | 2 each | where each cell begins, in the order of the keys | 1.6 |
//! | | | nothing, then the cells up to the end of the page | 1.6 |
//!
//! On each level a page takes as many cells as fit. The divider between it and the next page goes up a level together
//! with the page number. The divider of a table leaf is a copy of its largest rowid. That of any other page is the
//! next cell, which is then promoted, not copied; the child of a promoted interior cell becomes the rightmost child
//! of the page. No page may be empty, so a page is finished only when the next one is sure to get a cell; at the end
//! the last two pages share the remaining cells.
//!
//! The last page of a level has no divider. If it is also the only one, it is the root, whose number SQLite has
//! chosen.

use super::cells::{Cells, POINTER_BYTES, PayloadLimits, TreeKind, without_padding};
use super::existing_tree::{TreePage, right_spine, whole_cell};
use super::pages::Pages;
use super::record::get_varint;
use crate::error::Result;
use std::borrow::Cow;
use std::ops::Range;

const TABLE_LEAF: u8 = 0x0d;
const TABLE_INTERIOR: u8 = 0x05;
const INDEX_LEAF: u8 = 0x0a;
const INDEX_INTERIOR: u8 = 0x02;

/// Bytes of a leaf before the cell pointers; interior pages have another page number there.
pub(super) const HEADER_BYTES: usize = 8;

/// Bytes of a cell pointer.
pub(super) const CELL_POINTER_BYTES: usize = 2;

/// The type of a page, by its level from the leaves.
pub(super) fn page_type(kind: TreeKind, level: usize) -> u8 {
    match (kind, level) {
        (TreeKind::Table, 0) => TABLE_LEAF,
        (TreeKind::Table, _) => TABLE_INTERIOR,
        (TreeKind::Index, 0) => INDEX_LEAF,
        (TreeKind::Index, _) => INDEX_INTERIOR,
    }
}

/// True for the type of a leaf.
pub(super) fn is_leaf_type(page_type: u8) -> bool {
    matches!(page_type, TABLE_LEAF | INDEX_LEAF)
}

/// A b-tree that grows at its right edge.
#[derive(Debug)]
pub(super) struct Tree {
    kind: TreeKind,
    root: u32,
    /// For each level, starting with the leaves, the cells that are not on a page yet.
    waiting: Vec<Cells>,
    /// The pages built so far.
    pages: Vec<Range<u32>>,
    /// The pages of an existing tree that are built again.
    rebuilt: Vec<u32>,
}

/// A run of cells.
#[derive(Clone, Copy)]
struct CellRun<'c> {
    bytes: &'c [u8],
    lengths: &'c [u32],
}

impl<'c> CellRun<'c> {
    /// The first `cells` cells, which take `bytes` bytes, and the others.
    fn split_at(self, (cells, bytes): (usize, usize)) -> (Self, Self) {
        let (lengths, other_lengths) = self.lengths.split_at(cells);
        let (bytes, other_bytes) = self.bytes.split_at(bytes);
        (CellRun { bytes, lengths }, CellRun { bytes: other_bytes, lengths: other_lengths })
    }

    /// The first cell and the others; `None` if there are none.
    fn split_first(self) -> Option<(Self, Self)> {
        let bytes = *self.lengths.first()? as usize;
        Some(self.split_at((1, bytes)))
    }
}

impl Tree {
    /// An empty tree with its root on page `root`.
    pub(super) fn new(kind: TreeKind, root: u32) -> Self {
        Self { kind, root, waiting: vec![Cells::default()], pages: Vec::new(), rebuilt: Vec::new() }
    }

    /// A tree with rows or entries, to be continued behind the last one.
    ///
    /// # Errors
    /// If its pages cannot be read.
    pub(super) fn resume(
        kind: TreeKind,
        root: u32,
        limits: PayloadLimits,
        pages: &Pages<'_>,
    ) -> Result<Self> {
        let spine = right_spine(root, kind, limits, pages)?;
        // The cells of each page wait for more, and the page is built again.
        let waiting = spine.iter().rev().map(|page| page.cells(pages)).collect::<Result<_>>()?;
        let rebuilt = spine[1..].iter().map(|page| page.number).collect();
        Ok(Self { waiting, rebuilt, ..Self::new(kind, root) })
    }

    /// Appends cells that are greater than all before them, and whose overflow pages are written.
    ///
    /// # Errors
    /// If a page cannot be written.
    pub(super) fn push(&mut self, cells: &Cells, pages: &mut Pages<'_>) -> Result<()> {
        let whole = CellRun { bytes: cells.bytes(), lengths: &cells.lengths };
        let mut run = whole;
        let mut waiting = std::mem::take(&mut self.waiting[0]);
        // Adds cells to those that wait until they fill a page.
        while let (false, Some((cell, rest))) = (waiting.lengths.is_empty(), run.split_first()) {
            waiting.extend(cell.bytes, cell.lengths.iter().copied());
            let all = CellRun { bytes: waiting.bytes(), lengths: &waiting.lengths };
            if self.finish_page(0, all, None, pages)?.is_some() {
                // Only the cell that was added last is left: it starts the next page.
                waiting.clear();
            } else {
                run = rest;
            }
        }
        if waiting.lengths.is_empty() {
            while let Some(rest) =
                self.finish_page(0, run, Some(whole.bytes.len() - run.bytes.len()), pages)?
            {
                run = rest;
            }
        }
        waiting.extend(run.bytes, run.lengths.iter().copied());
        self.waiting[0] = waiting;
        pages.write(whole.bytes)
    }

    /// Builds a page of the first cells of `run` if they fill it, and returns the others.
    fn finish_page<'c>(
        &mut self,
        level: usize,
        run: CellRun<'c>,
        lies_at: Option<usize>,
        pages: &mut Pages<'_>,
    ) -> Result<Option<CellRun<'c>>> {
        // A cell must remain after the divider.
        let left = if self.is_table_leaf(level) { 1 } else { 2 };
        let fitting = self.fitting(level, run.lengths, pages);
        if run.lengths.len() < fitting.0 + left {
            return Ok(None);
        }
        self.finish_page_at(level, run, fitting, lies_at, pages).map(Some)
    }

    /// Builds a page of the first `count` cells of `run`, and returns those after the divider.
    fn finish_page_at<'c>(
        &mut self,
        level: usize,
        run: CellRun<'c>,
        count: (usize, usize),
        lies_at: Option<usize>,
        pages: &mut Pages<'_>,
    ) -> Result<CellRun<'c>> {
        let (content, rest) = run.split_at(count);
        let (divider, rest) = match rest.split_first() {
            Some((cell, rest)) if level > 0 => (cell.bytes, rest),
            Some((cell, rest)) if self.kind == TreeKind::Index => (without_padding(cell.bytes), rest),
            _ => (last_rowid(content), rest),
        };
        let (child, divider) = divider.split_at(if level == 0 { 0 } else { POINTER_BYTES });
        let page = self.append(level, content, lies_at, child, pages)?;
        self.push_divider(level + 1, page, divider, pages)?;
        Ok(rest)
    }

    /// Appends a page with these cells and, for an interior page, this rightmost child.
    fn append(
        &mut self,
        level: usize,
        content: CellRun<'_>,
        lies_at: Option<usize>,
        rightmost: &[u8],
        pages: &mut Pages<'_>,
    ) -> Result<u32> {
        let page_bytes = pages.page_bytes();
        let head =
            |to: &mut Vec<u8>| put_head(to, page_type(self.kind, level), rightmost, content, page_bytes);
        let number = match lies_at {
            Some(at) => pages.append(at..at + content.bytes.len(), head)?,
            None => pages.append(0..0, |to| {
                head(to);
                to.extend_from_slice(content.bytes);
            })?,
        };
        match self.pages.last_mut().filter(|pages| pages.end == number) {
            Some(pages) => pages.end += 1,
            None => self.pages.push(number..number + 1),
        }
        Ok(number)
    }

    /// Adds a page as a child to `level`, with the divider between it and the next one.
    fn push_divider(&mut self, level: usize, page: u32, divider: &[u8], pages: &mut Pages<'_>) -> Result<()> {
        if level == self.waiting.len() {
            self.waiting.push(Cells::default());
        }
        let mut waiting = std::mem::take(&mut self.waiting[level]);
        waiting.push_joined(&page.to_be_bytes(), divider);
        let all = CellRun { bytes: waiting.bytes(), lengths: &waiting.lengths };
        if let Some(rest) = self.finish_page(level, all, None, pages)? {
            let mut left = Cells::default();
            left.extend(rest.bytes, rest.lengths.iter().copied());
            waiting = left;
        }
        self.waiting[level] = waiting;
        Ok(())
    }

    /// Builds the last page of each level, and the root.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn finish(mut self, pages: &mut Pages<'_>) -> Result<()> {
        let mut last_page = Vec::new();
        for level in 0.. {
            let waiting = std::mem::take(&mut self.waiting[level]);
            let mut run = CellRun { bytes: waiting.bytes(), lengths: &waiting.lengths };
            while let Some(rest) = self.finish_page(level, run, None, pages)? {
                run = rest;
            }
            let (cells, bytes) = self.fitting(level, run.lengths, pages);
            if cells < run.lengths.len() {
                // One cell too many: the one before it becomes the divider.
                let fewer = (cells - 1, bytes - run.lengths[cells - 1] as usize);
                run = self.finish_page_at(level, run, fewer, None, pages)?;
            }
            if level + 1 == self.waiting.len() {
                let mut root = Vec::with_capacity(pages.page_bytes());
                put_head(&mut root, page_type(self.kind, level), &last_page, run, pages.page_bytes());
                root.extend_from_slice(run.bytes);
                pages.write(&[])?;
                pages.free().append(&mut self.rebuilt);
                return pages.replace(self.root, &root);
            }
            last_page = self.append(level, run, None, &last_page, pages)?.to_be_bytes().to_vec();
        }
        Ok(())
    }

    /// Abandons the tree: passes on all its cells in sorted parts, and returns its pages. Index entries get their whole payload
    /// back, rows stay as they are. A tree that was continued is as it was before, and its own cells, before those that are new,
    /// are not passed on.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub(super) fn reclaim(
        self,
        limits: PayloadLimits,
        pages: &mut Pages<'_>,
        is_new: impl Fn(&[u8]) -> bool,
        mut take: impl FnMut(&mut Cells),
    ) -> Result<Vec<u32>> {
        const PART_BYTES: usize = 1 << 20;
        pages.make_readable()?;
        let mut leaves = Cells::default();
        let mut reclaimed = Vec::new();
        for number in self.pages.iter().cloned().flatten() {
            let page = TreePage::read(number, self.kind, limits, pages)?;
            reclaimed.push(number);
            let mut interior = Cells::default();
            let cells = if page.is_leaf() { &mut leaves } else { &mut interior };
            for number in 0..page.len() {
                let content = &page.cell(number, pages)?[page.child_bytes()..];
                reclaimed.extend(self.extract(content, page.is_leaf(), limits, pages, &is_new, cells)?);
            }
            if leaves.bytes().len() > PART_BYTES {
                take(&mut leaves);
                leaves.clear();
            }
            take(&mut interior);
        }
        take(&mut leaves);
        for (level, waiting) in self.waiting.iter().enumerate() {
            let mut cells = Cells::default();
            let child_bytes = if level == 0 { 0 } else { POINTER_BYTES };
            for cell in waiting.iter() {
                let content = &cell[child_bytes..];
                reclaimed.extend(self.extract(content, level == 0, limits, pages, &is_new, &mut cells)?);
            }
            take(&mut cells);
        }
        Ok(reclaimed)
    }

    /// Appends the content of a cell to `cells`, if it is new. Returns the pages that it does not need there.
    fn extract(
        &self,
        content: &[u8],
        is_leaf: bool,
        limits: PayloadLimits,
        pages: &Pages<'_>,
        is_new: impl Fn(&[u8]) -> bool,
        cells: &mut Cells,
    ) -> Result<Vec<u32>> {
        let (whole, overflow) = match self.kind {
            TreeKind::Table if is_leaf => (Cow::Borrowed(content), Vec::new()),
            TreeKind::Table => return Ok(Vec::new()),
            TreeKind::Index => {
                let (whole, overflow) = whole_cell(self.kind, content, limits, pages)?;
                (Cow::Owned(whole), overflow)
            }
        };
        // The cells after a new one are new.
        if cells.lengths.is_empty() && !is_new(&whole) {
            return Ok(Vec::new());
        }
        cells.push_padded(&whole);
        Ok(overflow)
    }

    fn is_table_leaf(&self, level: usize) -> bool {
        level == 0 && self.kind == TreeKind::Table
    }

    /// The number of cells that fit on a page, and their size.
    fn fitting(&self, level: usize, lengths: &[u32], pages: &mut Pages<'_>) -> (usize, usize) {
        let header_bytes = if level == 0 { HEADER_BYTES } else { HEADER_BYTES + POINTER_BYTES };
        let mut room = pages.page_bytes() - header_bytes;
        let (mut cells, mut bytes) = (0, 0);
        // Adding up eight at a time is faster than checking each.
        for group in lengths.chunks_exact(8) {
            let group_bytes = group.iter().sum::<u32>() as usize;
            let Some(less) = room.checked_sub(group_bytes + 8 * CELL_POINTER_BYTES) else { break };
            (room, cells, bytes) = (less, cells + 8, bytes + group_bytes);
        }
        for length in lengths[cells..].iter().map(|length| *length as usize) {
            let Some(less) = room.checked_sub(length + CELL_POINTER_BYTES) else { break };
            (room, cells, bytes) = (less, cells + 1, bytes + length);
        }
        (cells, bytes)
    }
}

/// The encoded rowid of the last cell of a table leaf.
fn last_rowid<'c>(content: CellRun<'c>) -> &'c [u8] {
    let length = content.lengths.last().map_or(0, |length| *length as usize);
    let cell = &content.bytes[content.bytes.len() - length..];
    let (_, payload_read) = get_varint(cell);
    let (_, read) = get_varint(&cell[payload_read..]);
    &cell[payload_read..payload_read + read]
}

/// Appends the part of a page before its cells.
fn put_head(to: &mut Vec<u8>, page_type: u8, rightmost: &[u8], content: CellRun<'_>, page_bytes: usize) {
    let start = to.len();
    let mut cell_at = page_bytes - content.bytes.len();
    to.extend_from_slice(&[page_type, 0, 0]);
    to.extend_from_slice(&(content.lengths.len() as u16).to_be_bytes());
    to.extend_from_slice(&(cell_at as u16).to_be_bytes());
    to.push(0);
    to.extend_from_slice(rightmost);
    to.extend(content.lengths.iter().flat_map(|length| {
        let pointer = (cell_at as u16).to_be_bytes();
        cell_at += *length as usize;
        pointer
    }));
    to.resize(start + page_bytes - content.bytes.len(), 0);
}
