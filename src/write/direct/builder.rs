//! Builds a tree from cells: on pages at once while they arrive in order, otherwise by sorting them at the end.
//!
//! A tree with rows or entries is continued where all new cells come after them, and none of them is replaced. Otherwise they are
//! merged with the new ones into a new tree.

use super::cell_order::CellOrder;
use super::cells::{Cells, PayloadLimits, TreeKind};
use super::existing_tree::{OldCell, OldCells, is_spilled, last_cell, max_cells, row_record};
use super::kept_columns::KeptColumns;
use super::pages::Pages;
use super::replaced::Replaced;
use super::sort::Sorter;
use super::tree::Tree;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs that must arrive in order before pages are built at once.
const TRIAL_RUNS: usize = 16;

/// True if SQLite inserts `new` entries among `old` ones faster than an index is built anew.
pub(super) fn are_few_among_many(new: u64, old: u64) -> bool {
    /// SQLite inserts an entry in about the time in which this many are merged.
    const MERGED_PER_INSERTED: u64 = 20;
    new.saturating_mul(MERGED_PER_INSERTED) < old
}

/// The reason to leave rows to SQLite if [`are_few_among_many`].
pub(super) const FEW_AMONG_MANY: &str = "few rows go into a table with many rows and indexes";

/// Bytes of merged entries that are put on pages at once.
const MERGED_BYTES: usize = 256 << 10;

/// A tree that is being built.
#[derive(Debug)]
pub(super) struct TreeBuilder {
    order: CellOrder,
    limits: PayloadLimits,
    kind: TreeKind,
    /// True for a tree of rows, which SQLite cannot build anew.
    has_rows: bool,
    root: u32,
    /// The last cell that the tree had before; empty if it had none.
    last_old: Vec<u8>,
    /// The cells that it had before and that are left out.
    replaced: Replaced,
    /// The last cell while no sorter has it.
    last_cell: Vec<u8>,
    /// Pages that were built before a cell arrived out of order.
    reclaimed: Vec<u32>,
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
    /// An existing row and a new one with the same key, given by rowid.
    DuplicateOfExisting {
        existing: i64,
        new: i64,
    },
    /// SQLite is faster: few entries go among many.
    FewAmongMany,
    /// The value of a column that an update keeps is not known here.
    UnknownValue,
}

impl From<crate::error::Error> for TreeFailure {
    fn from(error: crate::error::Error) -> Self {
        Self::Error(error)
    }
}

impl TreeBuilder {
    /// Starts to fill the tree at `root`, or to continue it. It `has_rows`, or is an index.
    ///
    /// # Errors
    /// If its last pages cannot be read.
    pub(super) fn new(
        kind: TreeKind,
        has_rows: bool,
        root: u32,
        order: CellOrder,
        pages: &Pages<'_>,
    ) -> crate::error::Result<Self> {
        let limits = PayloadLimits::new(kind, pages.page_bytes());
        let last_old = last_cell(root, kind, limits, pages)?.unwrap_or_default();
        let state = BuildState::Ordered(Sorter::new(order.clone()));
        let (last_cell, reclaimed) = Default::default();
        let replaced = Replaced::Nothing;
        Ok(Self { order, limits, kind, has_rows, root, last_old, replaced, last_cell, reclaimed, state })
    }

    /// The same without these cells that the tree had before. New cells come in the place of some or all of them.
    pub(super) fn replacing(self, replaced: Replaced) -> Self {
        Self { replaced, ..self }
    }

    /// An index that SQLite builds anew.
    pub(super) fn deferred(self) -> Self {
        Self { state: BuildState::Deferred, ..self }
    }

    /// The last rowid that the tree had before.
    pub(super) fn last_old_rowid(&self) -> Option<i64> {
        (!self.last_old.is_empty()).then(|| self.order.rowid(&self.last_old))
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
        pages: &mut Pages<'_>,
        room: usize,
    ) -> Result<(), TreeFailure> {
        let Some(first) = cells.iter().next() else { return Ok(()) };
        let last = self.last_cell();
        if !last.is_empty() && self.order.is_duplicate(last, first) {
            return Err(TreeFailure::Duplicate([last, first].map(|cell| self.order.rowid(cell))));
        }
        let is_ordered = last.is_empty() || self.order.compare(last, first).is_lt();
        self.last_cell.clear();
        if !matches!(self.state, BuildState::Ordered(_) | BuildState::Unordered(_)) {
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
                let is_new = |cell: &[u8]| self.is_after_old(cell);
                self.reclaimed = tree.reclaim(self.limits, pages, is_new, |cells| sorter.push(cells))?;
                sorter.push(cells);
                BuildState::Unordered(sorter)
            }
            BuildState::Ordered(mut sorter) if is_ordered => {
                sorter.push(cells);
                if sorter.runs() < TRIAL_RUNS {
                    BuildState::Ordered(sorter)
                } else if !self.is_after_old(sorter.first_cell()) {
                    BuildState::Unordered(sorter)
                } else {
                    let mut tree = self.tree(pages)?;
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
        match (&self.state, self.has_rows) {
            _ if self.sorted_bytes() <= room => {}
            (BuildState::Unordered(sorter), false) => {
                sorter.last_cell().clone_into(&mut self.last_cell);
                self.state = BuildState::Deferred;
            }
            (BuildState::Unordered(_), true) => return Err(TreeFailure::TooManyToSort),
            _ => {}
        }
        Ok(())
    }

    /// Appends cells that are greater than all before them to pages.
    fn grow(&self, tree: &mut Tree, cells: &mut Cells, pages: &mut Pages<'_>) -> Result<(), TreeFailure> {
        let mut local;
        let mut cells = cells;
        if self.kind == TreeKind::Index && cells.has_cell_longer_than(self.limits.max_local) {
            local = cells.with_overflow_pages(self.limits);
            pages.write_overflow(&mut local)?;
            cells = &mut local;
        }
        Ok(tree.push(cells, pages)?)
    }

    /// True if cells that start with this one come after all that the tree had before, so that it is continued.
    fn is_after_old(&self, cell: &[u8]) -> bool {
        self.last_old.is_empty()
            || self.replaced.is_nothing()
                && self.order.compare(&self.last_old, cell).is_lt()
                && !self.order.is_duplicate(&self.last_old, cell)
    }

    /// About the most cells that the tree may have had before.
    ///
    /// # Errors
    /// If its root cannot be read.
    pub(super) fn max_old(&self, pages: &Pages<'_>) -> crate::error::Result<u64> {
        max_cells(self.root, self.kind, &self.last_old, pages)
    }

    /// True if this cell of the tree is left out.
    fn is_replaced(&self, old: &OldCell) -> bool {
        matches!(&self.replaced, Replaced::Rows { rowids, .. } if rowids.contains(self.order.rowid(old.whole())))
    }

    /// The tree, to grow behind what it had before.
    fn tree(&self, pages: &Pages<'_>) -> crate::error::Result<Tree> {
        match self.last_old.is_empty() {
            true => Ok(Tree::new(self.kind, self.root)),
            false => Tree::resume(self.kind, self.root, self.limits, pages),
        }
    }

    /// Builds what is left of the tree. The table had at most `max_old` rows before.
    ///
    /// # Errors
    /// If it cannot be built.
    pub(super) fn finish(
        mut self,
        pages: &mut Pages<'_>,
        pool: impl FnOnce() -> crate::error::Result<rayon::ThreadPool>,
        max_old: u64,
        stop: &AtomicBool,
    ) -> Result<(), TreeFailure> {
        pages.free().append(&mut self.reclaimed);
        let tree = match std::mem::replace(&mut self.state, BuildState::Deferred) {
            BuildState::Deferred => return Ok(()),
            BuildState::Growing(tree) => tree,
            BuildState::Ordered(sorter) | BuildState::Unordered(sorter) if sorter.cells() == 0 => {
                return Ok(());
            }
            BuildState::Ordered(sorter) if self.is_after_old(sorter.first_cell()) => {
                let mut tree = self.tree(pages)?;
                sorter.unsorted(|cells| self.grow(&mut tree, cells, pages))?;
                tree
            }
            BuildState::Ordered(sorter) | BuildState::Unordered(sorter) => {
                let is_merged = !self.is_after_old(sorter.least_cell());
                let max_old = max_old.min(self.max_old(pages)?);
                if is_merged
                    && self.replaced.is_nothing()
                    && are_few_among_many(sorter.cells() as u64, max_old)
                {
                    return Err(TreeFailure::FewAmongMany);
                }
                self.sorted(sorter, is_merged, pages, &pool()?, stop)?
            }
        };
        Ok(tree.finish(pages)?)
    }

    /// Sorts all cells and puts them on pages: among those that the tree had before if they are merged, otherwise after them.
    fn sorted(
        &self,
        sorter: Sorter,
        is_merged: bool,
        pages: &mut Pages<'_>,
        pool: &rayon::ThreadPool,
        stop: &AtomicBool,
    ) -> Result<Tree, TreeFailure> {
        let mut old = match is_merged {
            true => Some(OldCells::new(self.kind, self.root, self.order.clone(), self.limits, pages)?),
            false => None,
        };
        let mut tree = if is_merged { Tree::new(self.kind, self.root) } else { self.tree(pages)? };
        let take = |cells: &mut Cells| match (&mut old, stop.load(Ordering::Relaxed)) {
            (_, true) => Err(TreeFailure::Error(crate::error::Kind::Interrupted.into())),
            (None, false) => self.grow(&mut tree, cells, pages),
            (Some(old), false) => self.merge(old, &mut tree, cells, pages),
        };
        sorter.sorted(pool, take, TreeFailure::Duplicate)?;
        if let Some(mut old) = old {
            let mut cells = Cells::default();
            while old.peek().is_some() {
                self.keep_old(&mut old, &mut cells, pages)?;
                if cells.bytes().len() > MERGED_BYTES {
                    tree.push(&cells, pages)?;
                    cells.clear();
                }
            }
            tree.push(&cells, pages)?;
        }
        Ok(tree)
    }

    /// Appends new cells and the old ones before them.
    fn merge(
        &self,
        old: &mut OldCells,
        tree: &mut Tree,
        cells: &mut Cells,
        pages: &mut Pages<'_>,
    ) -> Result<(), TreeFailure> {
        // The overflow pages of rows are written when they arrive.
        let with_overflow = match self.kind {
            TreeKind::Index => {
                let mut local = cells.with_overflow_pages(self.limits);
                pages.write_overflow(&mut local)?;
                Some(local)
            }
            TreeKind::Table => None,
        };
        let local = with_overflow.as_ref().unwrap_or(cells);
        let mut merged = Cells::default();
        for (whole, local) in cells.iter().zip(local.iter()) {
            let prefix = self.order.prefix(whole);
            let mut updated = None;
            while let Some(entry) = old.peek().filter(|entry| entry.prefix <= prefix) {
                if entry.prefix == prefix {
                    if self.order.is_duplicate(entry.whole(), whole) && !self.is_replaced(entry) {
                        if let Replaced::SameKeys = self.replaced {
                            old.free_overflow(pages)?;
                            old.advance(pages)?;
                            break;
                        }
                        let [existing, new] = [entry.whole(), whole].map(|cell| self.order.rowid(cell));
                        return Err(TreeFailure::DuplicateOfExisting { existing, new });
                    }
                    if self.order.compare(entry.whole(), whole).is_gt() {
                        break;
                    }
                }
                if let (TreeKind::Table, Replaced::Rows { kept: Some(kept), .. }) =
                    (self.kind, &self.replaced)
                    && entry.prefix == prefix
                {
                    updated = Some(self.update(&entry.local, local, kept, pages)?);
                }
                self.keep_old(old, &mut merged, pages)?;
            }
            merged.push(updated.as_ref().map_or(local, Cells::last));
            if merged.bytes().len() > MERGED_BYTES {
                tree.push(&merged, pages)?;
                merged.clear();
            }
        }
        Ok(tree.push(&merged, pages)?)
    }

    /// The cell of a row that updates the row `old`.
    fn update(
        &self,
        old: &[u8],
        new: &[u8],
        kept: &KeptColumns,
        pages: &mut Pages<'_>,
    ) -> Result<Cells, TreeFailure> {
        if is_spilled(self.kind, new, self.limits) {
            pages.make_readable()?;
        }
        let (new_record, mut overflow) = row_record(new, self.limits, pages)?;
        // The next row may be written to these pages.
        pages.free().append(&mut overflow);
        let (old_record, _) = row_record(old, self.limits, pages)?;
        let updated = kept.update(self.order.rowid(new), &old_record, &new_record, self.limits);
        let mut updated = updated.ok_or(TreeFailure::UnknownValue)?;
        pages.write_overflow(&mut updated)?;
        Ok(updated)
    }

    /// Appends the next of the old cells to `merged`, unless it is replaced, and goes to the one after it.
    fn keep_old(
        &self,
        old: &mut OldCells,
        merged: &mut Cells,
        pages: &mut Pages<'_>,
    ) -> crate::error::Result<()> {
        match old.peek() {
            Some(cell) if self.is_replaced(cell) => old.free_overflow(pages)?,
            Some(cell) => merged.push(&cell.local),
            None => {}
        }
        old.advance(pages)
    }
}
