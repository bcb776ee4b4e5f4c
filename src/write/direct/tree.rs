//! B-trees, built from the leaves up: cells come in the order of their keys, pages are filled to the brim.
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
//! On each level a page takes as many cells as fit. What divides it from the next goes up a level with the
//! page's number: of a table's leaf a copy of its largest rowid; of the others the next cell, which then is not in a
//! page of its level: of an interior one the page keeps the child as its rightmost. No page may be empty, so a
//! page is not closed before the next is sure to get a cell; at the end the last two share what there is.
//!
//! A level's last page has no divider. If it is also the level's only one it is the root, whose number SQLite chose.

use super::cells::{Cells, Kind, Limits, POINTER_BYTES};
use super::pages::Pages;
use super::record::get_varint;
use crate::error::Result;
use std::ops::Range;

const TABLE_LEAF: u8 = 0x0d;
const TABLE_INTERIOR: u8 = 0x05;
const INDEX_LEAF: u8 = 0x0a;
const INDEX_INTERIOR: u8 = 0x02;

/// Bytes of a page before the cell pointers, on leaves; interior pages have a page number more.
const HEADER_BYTES: usize = 8;

/// Bytes of a cell pointer.
const CELL_POINTER_BYTES: usize = 2;

/// A b-tree that grows at its right edge.
#[derive(Debug)]
pub(super) struct Tree {
    kind: Kind,
    root: u32,
    /// For each level, the leaves' first, the cells that are in no page yet.
    waiting: Vec<Cells>,
    /// The pages made so far.
    pages: Vec<Range<u32>>,
    /// What is still to come, where it has to fill all pages that are free.
    to_come: Option<ToCome>,
}

#[derive(Debug)]
struct ToCome {
    /// Bytes of cells with their cell pointers.
    bytes: usize,
    /// Interior pages, about.
    interior_pages: usize,
}

/// The pages of a tree that was given up, which may be used again.
#[derive(Debug, Default)]
pub(super) struct ReclaimedPages {
    pub(super) pages: Vec<u32>,
    /// How many of them were interior pages.
    pub(super) interior_pages: usize,
}

/// Cells one behind the other.
#[derive(Clone, Copy)]
struct Run<'c> {
    bytes: &'c [u8],
    lengths: &'c [u32],
}

impl<'c> Run<'c> {
    /// The first `cells`, which take `bytes`, and the others.
    fn split_at(self, (cells, bytes): (usize, usize)) -> (Self, Self) {
        let (lengths, other_lengths) = self.lengths.split_at(cells);
        let (bytes, other_bytes) = self.bytes.split_at(bytes);
        (Run { bytes, lengths }, Run { bytes: other_bytes, lengths: other_lengths })
    }

    /// The first cell, if there is one, and the others.
    fn split_first(self) -> Option<(Self, Self)> {
        let bytes = *self.lengths.first()? as usize;
        Some(self.split_at((1, bytes)))
    }
}

impl Tree {
    /// An empty tree whose root will be page `root`.
    pub(super) fn new(kind: Kind, root: u32) -> Self {
        Self { kind, root, waiting: vec![Cells::default()], pages: Vec::new(), to_come: None }
    }

    /// Makes it use all pages that are free for what will come, so many cells of so many bytes.
    pub(super) fn spread(&mut self, cells: usize, bytes: usize, interior_pages: usize) {
        self.to_come = Some(ToCome { bytes: bytes + CELL_POINTER_BYTES * cells, interior_pages });
    }

    /// Appends cells, all greater than those before; their overflow pages are written.
    ///
    /// # Errors
    /// If they can not be written.
    pub(super) fn push(&mut self, cells: &Cells, pages: &mut Pages) -> Result<()> {
        let whole = Run { bytes: cells.bytes(), lengths: &cells.lengths };
        let mut run = whole;
        let mut waiting = std::mem::take(&mut self.waiting[0]);
        // What is left of former cells is completed one by one.
        while let (false, Some((cell, rest))) = (waiting.lengths.is_empty(), run.split_first()) {
            waiting.extend(cell.bytes, cell.lengths);
            let all = Run { bytes: waiting.bytes(), lengths: &waiting.lengths };
            if self.close(0, all, None, pages)?.is_some() {
                // What is left of them is this one cell, and it begins the next page.
                waiting.clear();
            } else {
                run = rest;
            }
        }
        if waiting.lengths.is_empty() {
            while let Some(rest) = self.close(0, run, Some(whole.bytes.len() - run.bytes.len()), pages)? {
                run = rest;
            }
        }
        waiting.extend(run.bytes, run.lengths);
        self.waiting[0] = waiting;
        pages.write(whole.bytes)
    }

    /// Makes a page of the first cells of `run`, if they fill it, and returns the others.
    fn close<'c>(
        &mut self,
        level: usize,
        run: Run<'c>,
        lies_at: Option<usize>,
        pages: &mut Pages,
    ) -> Result<Option<Run<'c>>> {
        // After the divider there must be something left.
        let left = if self.is_table_leaf(level) { 1 } else { 2 };
        let fitting = self.fitting(level, run.lengths, pages);
        if run.lengths.len() < fitting.0 + left {
            return Ok(None);
        }
        self.close_at(level, run, fitting, lies_at, pages).map(Some)
    }

    /// Makes a page of the first cells of `run`, as many as `count` says, and returns those behind the divider.
    fn close_at<'c>(
        &mut self,
        level: usize,
        run: Run<'c>,
        count: (usize, usize),
        lies_at: Option<usize>,
        pages: &mut Pages,
    ) -> Result<Run<'c>> {
        let (content, rest) = run.split_at(count);
        let (divider, rest) = match rest.split_first() {
            Some((cell, rest)) if !self.is_table_leaf(level) => (cell.bytes, rest),
            _ => (last_rowid(content), rest),
        };
        let (child, divider) = divider.split_at(if level == 0 { 0 } else { POINTER_BYTES });
        let page = self.append(level, content, lies_at, child, pages)?;
        self.push_divider(level + 1, page, divider, pages)?;
        if let Some(ToCome { bytes, interior_pages }) = &mut self.to_come {
            if level == 0 {
                let cells = run.lengths.len() - rest.lengths.len();
                *bytes =
                    bytes.saturating_sub(run.bytes.len() - rest.bytes.len() + CELL_POINTER_BYTES * cells);
            } else {
                *interior_pages = interior_pages.saturating_sub(1);
            }
        }
        Ok(rest)
    }

    /// Appends a page with these cells and, on an interior page, this rightmost child.
    fn append(
        &mut self,
        level: usize,
        content: Run<'_>,
        lies_at: Option<usize>,
        rightmost: &[u8],
        pages: &mut Pages,
    ) -> Result<u32> {
        let page_bytes = pages.page_bytes();
        let head = |to: &mut Vec<u8>| put_head(to, self.page_type(level), rightmost, content, page_bytes);
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

    /// Hangs a page below `level`, which gets the divider between it and the next.
    fn push_divider(&mut self, level: usize, page: u32, divider: &[u8], pages: &mut Pages) -> Result<()> {
        if level == self.waiting.len() {
            self.waiting.push(Cells::default());
        }
        let mut waiting = std::mem::take(&mut self.waiting[level]);
        waiting.push_joined(&page.to_be_bytes(), divider);
        let all = Run { bytes: waiting.bytes(), lengths: &waiting.lengths };
        if let Some(rest) = self.close(level, all, None, pages)? {
            let mut left = Cells::default();
            left.extend(rest.bytes, rest.lengths);
            waiting = left;
        }
        self.waiting[level] = waiting;
        Ok(())
    }

    /// Makes the last page of each level, and the root.
    ///
    /// # Errors
    /// If they can not be written.
    pub(super) fn finish(mut self, pages: &mut Pages) -> Result<()> {
        let mut last_page = Vec::new();
        if let Some(to_come) = &mut self.to_come {
            to_come.interior_pages = self.waiting.len().saturating_sub(2);
        }
        for level in 0.. {
            let waiting = std::mem::take(&mut self.waiting[level]);
            let mut run = Run { bytes: waiting.bytes(), lengths: &waiting.lengths };
            while let Some(rest) = self.close(level, run, None, pages)? {
                run = rest;
            }
            let (cells, bytes) = self.fitting(level, run.lengths, pages);
            if cells < run.lengths.len() {
                // There is just one too many: the one before it becomes the divider.
                let fewer = (cells - 1, bytes - run.lengths[cells - 1] as usize);
                run = self.close_at(level, run, fewer, None, pages)?;
            }
            if level + 1 == self.waiting.len() {
                let mut root = Vec::with_capacity(pages.page_bytes());
                put_head(&mut root, self.page_type(level), &last_page, run, pages.page_bytes());
                root.extend_from_slice(run.bytes);
                pages.write(&[])?;
                return pages.replace(self.root, &root);
            }
            last_page = self.append(level, run, None, &last_page, pages)?.to_be_bytes().to_vec();
        }
        Ok(())
    }

    /// Gives up: hands on all cells, in sorted parts. Entries of an index are whole again, rows stay as they are.
    ///
    /// # Errors
    /// If the pages can not be read.
    pub(super) fn reclaim(
        self,
        limits: Limits,
        pages: &Pages,
        mut take: impl FnMut(&Cells),
    ) -> Result<ReclaimedPages> {
        const PART_BYTES: usize = 1 << 20;
        let mut leaves = Cells::default();
        let mut reclaimed = ReclaimedPages::default();
        for number in self.pages.iter().cloned().flatten() {
            let page = pages.read(number)?;
            let is_leaf = page[0] == self.page_type(0);
            reclaimed.interior_pages += usize::from(!is_leaf);
            reclaimed.pages.push(number);
            let mut interior = Cells::default();
            let cells = if is_leaf { &mut leaves } else { &mut interior };
            for cell in cells_of(&page) {
                self.extract_cells(cell, is_leaf, limits, pages, cells, &mut reclaimed)?;
            }
            if leaves.bytes().len() > PART_BYTES {
                take(&leaves);
                leaves.clear();
            }
            take(&interior);
        }
        take(&leaves);
        for (level, waiting) in self.waiting.iter().enumerate() {
            let mut cells = Cells::default();
            for cell in waiting.iter() {
                self.extract_cells(cell, level == 0, limits, pages, &mut cells, &mut reclaimed)?;
            }
            take(&cells);
        }
        Ok(reclaimed)
    }

    /// Appends what a cell of a page, which may go on behind it, holds of the tree's content.
    fn extract_cells(
        &self,
        cell: &[u8],
        is_leaf: bool,
        limits: Limits,
        pages: &Pages,
        cells: &mut Cells,
        reclaimed: &mut ReclaimedPages,
    ) -> Result<()> {
        let start = if is_leaf { 0 } else { POINTER_BYTES };
        let cell = &cell[start..];
        match self.kind {
            Kind::Table if is_leaf => {
                let (payload_bytes, read) = get_varint(cell);
                let (_, rowid_read) = get_varint(&cell[read..]);
                let local = limits.local(payload_bytes as usize);
                let pointer_bytes = if local < payload_bytes as usize { POINTER_BYTES } else { 0 };
                cells.push(&cell[..read + rowid_read + local + pointer_bytes]);
            }
            Kind::Table => {}
            Kind::Index => {
                let (payload_bytes, read) = get_varint(cell);
                let local = limits.local(payload_bytes as usize);
                let mut whole = cell[..read + local].to_vec();
                let mut pointer = cell[read + local..].first_chunk().copied().unwrap_or_default();
                while whole.len() < read + payload_bytes as usize {
                    let page = u32::from_be_bytes(pointer);
                    let content = pages.read(page)?;
                    reclaimed.pages.push(page);
                    let missing = read + payload_bytes as usize - whole.len();
                    whole.extend(content[POINTER_BYTES..].iter().take(missing));
                    pointer = content.first_chunk().copied().unwrap_or_default();
                }
                cells.push(&whole);
            }
        }
        Ok(())
    }

    fn is_table_leaf(&self, level: usize) -> bool {
        level == 0 && self.kind == Kind::Table
    }

    fn page_type(&self, level: usize) -> u8 {
        match (self.kind, level) {
            (Kind::Table, 0) => TABLE_LEAF,
            (Kind::Table, _) => TABLE_INTERIOR,
            (Kind::Index, 0) => INDEX_LEAF,
            (Kind::Index, _) => INDEX_INTERIOR,
        }
    }

    /// How many of the first cells fit on a page, and their bytes.
    fn fitting(&self, level: usize, lengths: &[u32], pages: &mut Pages) -> (usize, usize) {
        let header_bytes = if level == 0 { HEADER_BYTES } else { HEADER_BYTES + POINTER_BYTES };
        let mut room = pages.page_bytes() - header_bytes;
        if let (0, Some(to_come), free @ 1..) = (level, &self.to_come, pages.free().len()) {
            // Two cells and a divider are the least with which a page can do.
            let least = lengths.iter().take(3).map(|length| *length as usize + CELL_POINTER_BYTES).sum();
            let leaves = free.saturating_sub(to_come.interior_pages).max(1);
            room = room.min((to_come.bytes / leaves).max(least));
        }
        let (mut cells, mut bytes) = (0, 0);
        // Eight at a time, since to add them up is quicker than to look at each.
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

/// The rowid of the last cell of a table's leaf, as it stands there.
fn last_rowid<'c>(content: Run<'c>) -> &'c [u8] {
    let length = content.lengths.last().map_or(0, |length| *length as usize);
    let cell = &content.bytes[content.bytes.len() - length..];
    let (_, payload_read) = get_varint(cell);
    let (_, read) = get_varint(&cell[payload_read..]);
    &cell[payload_read..payload_read + read]
}

/// Appends what precedes the cells on a page.
fn put_head(to: &mut Vec<u8>, page_type: u8, rightmost: &[u8], content: Run<'_>, page_bytes: usize) {
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

/// The cells of a page, each with what follows it.
fn cells_of(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_leaf = matches!(page[0], TABLE_LEAF | INDEX_LEAF);
    let pointers = HEADER_BYTES + if is_leaf { 0 } else { POINTER_BYTES };
    let number = |at: usize| usize::from(page[at]) << 8 | usize::from(page[at + 1]);
    (0..number(3)).map(move |cell| &page[number(pointers + CELL_POINTER_BYTES * cell)..])
}
