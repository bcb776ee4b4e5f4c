//! Builds a tree from cells: on pages at once while they arrive in order, otherwise by sorting them at the end.

use super::cells::{Cells, PayloadLimits, TreeKind};
use super::pages::Pages;
use super::sort::{CellOrder, Sorter};
use super::tree::{ReclaimedPages, Tree};
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs that must arrive in order before pages are built at once.
const TRIAL_RUNS: usize = 16;

/// A tree that is being built.
#[derive(Debug)]
pub(super) struct TreeBuilder {
    order: CellOrder,
    limits: PayloadLimits,
    kind: TreeKind,
    root: u32,
    /// The last cell while no sorter has it.
    last_cell: Vec<u8>,
    /// Pages that were built before a cell arrived out of order.
    reclaimed: ReclaimedPages,
    state: BuildState,
}

#[derive(Debug)]
enum BuildState {
    /// Every run so far arrived in order.
    Ordered(Sorter),
    /// Enough runs arrived in order: their cells are on pages.
    Growing(Tree),
    /// A run arrived out of order.
    Unordered(Sorter),
    /// The cells do not fit in memory: SQLite builds the index.
    Deferred,
}

/// Why a tree cannot be built.
pub(super) enum TreeFailure {
    Error(crate::error::Error),
    /// The rows do not fit in memory.
    TooManyToSort,
    /// Two rows with the same key, given by rowid.
    Duplicate([i64; 2]),
}

impl From<crate::error::Error> for TreeFailure {
    fn from(error: crate::error::Error) -> Self {
        Self::Error(error)
    }
}

impl TreeBuilder {
    pub(super) fn new(kind: TreeKind, root: u32, order: CellOrder, page_bytes: usize) -> Self {
        let limits = PayloadLimits::new(kind, page_bytes);
        let state = BuildState::Ordered(Sorter::new(order.clone()));
        Self { order, limits, kind, root, last_cell: Vec::new(), reclaimed: ReclaimedPages::default(), state }
    }

    /// True if SQLite builds the index.
    pub(super) fn is_deferred(&self) -> bool {
        matches!(self.state, BuildState::Deferred)
    }

    /// Bytes of cells in memory that wait to be sorted.
    pub(super) fn sorted_bytes(&self) -> usize {
        match &self.state {
            BuildState::Ordered(sorter) | BuildState::Unordered(sorter) => sorter.bytes(),
            _ => 0,
        }
    }

    /// The last cell of the chunk before; empty for the first.
    fn last_cell(&self) -> &[u8] {
        match &self.state {
            BuildState::Ordered(sorter) | BuildState::Unordered(sorter) => sorter.last_cell(),
            BuildState::Growing(_) | BuildState::Deferred => &self.last_cell,
        }
    }

    /// Appends the cells of a chunk, which are in order. Cells that wait to be sorted may take `room` bytes.
    pub(super) fn append(
        &mut self,
        cells: &mut Cells,
        pages: &mut Pages,
        room: usize,
    ) -> Result<(), TreeFailure> {
        let Some(first) = cells.iter().next() else { return Ok(()) };
        let last = self.last_cell();
        if !last.is_empty() && self.order.is_duplicate(last, first) {
            return Err(TreeFailure::Duplicate([last, first].map(|cell| self.order.rowid(cell))));
        }
        let is_ordered = last.is_empty() || self.order.compare(last, first).is_lt();
        self.last_cell.clear();
        if matches!(self.state, BuildState::Growing(_) | BuildState::Deferred) {
            self.last_cell.extend_from_slice(cells.last());
        }
        if self.kind == TreeKind::Table {
            pages.write_overflow(cells)?;
        }
        self.state = match std::mem::replace(&mut self.state, BuildState::Deferred) {
            BuildState::Deferred => BuildState::Deferred,
            BuildState::Growing(mut tree) if is_ordered => {
                self.grow(&mut tree, cells, pages)?;
                BuildState::Growing(tree)
            }
            BuildState::Growing(tree) => {
                let mut sorter = Sorter::new(self.order.clone());
                self.reclaimed = tree.reclaim(self.limits, pages, |cells| sorter.push(cells))?;
                sorter.push(cells);
                BuildState::Unordered(sorter)
            }
            BuildState::Ordered(mut sorter) if is_ordered => {
                sorter.push(cells);
                if sorter.runs() < TRIAL_RUNS {
                    BuildState::Ordered(sorter)
                } else {
                    let mut tree = Tree::new(self.kind, self.root);
                    sorter.last_cell().clone_into(&mut self.last_cell);
                    sorter.unsorted(|cells| self.grow(&mut tree, cells, pages))?;
                    BuildState::Growing(tree)
                }
            }
            BuildState::Ordered(mut sorter) | BuildState::Unordered(mut sorter) => {
                sorter.push(cells);
                BuildState::Unordered(sorter)
            }
        };
        match (&self.state, self.kind) {
            _ if self.sorted_bytes() <= room => {}
            (BuildState::Unordered(sorter), TreeKind::Index) => {
                sorter.last_cell().clone_into(&mut self.last_cell);
                self.state = BuildState::Deferred;
            }
            (BuildState::Unordered(_), TreeKind::Table) => return Err(TreeFailure::TooManyToSort),
            _ => {}
        }
        Ok(())
    }

    /// Appends cells that are greater than all before them to pages.
    fn grow(&self, tree: &mut Tree, cells: &mut Cells, pages: &mut Pages) -> Result<(), TreeFailure> {
        let mut local;
        let mut cells = cells;
        if self.kind == TreeKind::Index && cells.has_cell_longer_than(self.limits.max_local) {
            local = cells.with_overflow_pages(self.limits);
            pages.write_overflow(&mut local)?;
            cells = &mut local;
        }
        Ok(tree.push(cells, pages)?)
    }

    pub(super) fn finish(
        mut self,
        pages: &mut Pages,
        pool: impl FnOnce() -> crate::error::Result<rayon::ThreadPool>,
        stop: &AtomicBool,
    ) -> Result<(), TreeFailure> {
        let mut tree = Tree::new(self.kind, self.root);
        pages.free().append(&mut self.reclaimed.pages);
        match std::mem::replace(&mut self.state, BuildState::Deferred) {
            BuildState::Growing(grown) => tree = grown,
            BuildState::Ordered(sorter) => sorter.unsorted(|cells| self.grow(&mut tree, cells, pages))?,
            BuildState::Unordered(sorter) => {
                let pool = pool()?;
                if !self.reclaimed.pages.is_empty() {
                    tree.spread(sorter.cells(), sorter.cell_bytes(), self.reclaimed.interior_pages);
                }
                let take = |cells: &mut Cells| match stop.load(Ordering::Relaxed) {
                    true => Err(TreeFailure::Error(crate::error::Kind::Interrupted.into())),
                    false => self.grow(&mut tree, cells, pages),
                };
                sorter.sorted(&pool, take, TreeFailure::Duplicate)?;
            }
            BuildState::Deferred => return Ok(()),
        }
        Ok(tree.finish(pages)?)
    }
}
