//! A tree while its cells come in: paged at once as long as they come in order, else kept and sorted.

use super::cells::{Cells, Kind, Limits};
use super::pages::Pages;
use super::sort::{CellOrder, Sorter};
use super::tree::{ReclaimedPages, Tree};
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs that must have come in order before it is believed that all will.
const TRIAL_RUNS: usize = 16;

/// A tree that is being built.
#[derive(Debug)]
pub(super) struct TreeBuilder {
    order: CellOrder,
    limits: Limits,
    kind: Kind,
    root: u32,
    last_cell: Vec<u8>,
    /// Pages that this tree had before it was given up.
    reclaimed: ReclaimedPages,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Every run so far came in order.
    Ordered(Sorter),
    /// So did as many that pages are made of them at once.
    Growing(Tree),
    /// Not all of them.
    Unordered(Sorter),
    /// There were too many: it is left to SQLite.
    DeferToSqlite,
}

/// Why a tree can not be built.
pub(super) enum Failure {
    Error(crate::error::Error),
    /// Rows that do not fit in memory.
    TooManyToSort,
    /// Two rows of which there can be only one.
    Duplicate([i64; 2]),
}

impl From<crate::error::Error> for Failure {
    fn from(error: crate::error::Error) -> Self {
        Self::Error(error)
    }
}

impl TreeBuilder {
    pub(super) fn new(kind: Kind, root: u32, order: CellOrder, page_bytes: usize) -> Self {
        let limits = Limits::new(kind, page_bytes);
        let state = State::Ordered(Sorter::new(order.clone()));
        Self { order, limits, kind, root, last_cell: Vec::new(), reclaimed: ReclaimedPages::default(), state }
    }

    /// Whether it is left to SQLite.
    pub(super) fn is_deferred(&self) -> bool {
        matches!(self.state, State::DeferToSqlite)
    }

    /// Bytes of memory that wait to be sorted.
    pub(super) fn sorted_bytes(&self) -> usize {
        match &self.state {
            State::Ordered(sorter) | State::Unordered(sorter) => sorter.bytes(),
            _ => 0,
        }
    }

    /// Takes the cells of a chunk, which are in order; all that wait to be sorted may take `room` bytes.
    pub(super) fn append(
        &mut self,
        cells: &mut Cells,
        pages: &mut Pages,
        room: usize,
    ) -> Result<(), Failure> {
        let Some(first) = cells.iter().next() else { return Ok(()) };
        let is_first = self.last_cell.is_empty();
        if !is_first && self.order.is_duplicate(&self.last_cell, first) {
            return Err(Failure::Duplicate([&self.last_cell, first].map(|cell| self.order.rowid(cell))));
        }
        let is_ordered = is_first || self.order.compare(&self.last_cell, first).is_lt();
        self.last_cell.clear();
        self.last_cell.extend_from_slice(cells.last());
        if self.kind == Kind::Table {
            pages.write_overflow(cells)?;
        }
        self.state = match std::mem::replace(&mut self.state, State::DeferToSqlite) {
            State::DeferToSqlite => State::DeferToSqlite,
            State::Growing(mut tree) if is_ordered => {
                self.grow(&mut tree, cells, pages)?;
                State::Growing(tree)
            }
            State::Growing(tree) => {
                let mut sorter = Sorter::new(self.order.clone());
                self.reclaimed = tree.reclaim(self.limits, pages, |cells| sorter.push(cells))?;
                sorter.push(cells);
                State::Unordered(sorter)
            }
            State::Ordered(mut sorter) if is_ordered => {
                sorter.push(cells);
                if sorter.runs() < TRIAL_RUNS {
                    State::Ordered(sorter)
                } else {
                    let mut tree = Tree::new(self.kind, self.root);
                    sorter.unsorted(|cells| self.grow(&mut tree, cells, pages))?;
                    State::Growing(tree)
                }
            }
            State::Ordered(mut sorter) | State::Unordered(mut sorter) => {
                sorter.push(cells);
                State::Unordered(sorter)
            }
        };
        match (&self.state, self.kind) {
            _ if self.sorted_bytes() <= room => {}
            (State::Unordered(_), Kind::Index) => self.state = State::DeferToSqlite,
            (State::Unordered(_), Kind::Table) => return Err(Failure::TooManyToSort),
            _ => {}
        }
        Ok(())
    }

    /// Appends cells that are greater than all before.
    fn grow(&self, tree: &mut Tree, cells: &mut Cells, pages: &mut Pages) -> Result<(), Failure> {
        let mut local;
        let mut cells = cells;
        if self.kind == Kind::Index && cells.has_longer(self.limits.max_local) {
            local = cells.localized(self.limits);
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
    ) -> Result<(), Failure> {
        let mut tree = Tree::new(self.kind, self.root);
        pages.free().append(&mut self.reclaimed.pages);
        match std::mem::replace(&mut self.state, State::DeferToSqlite) {
            State::Growing(grown) => tree = grown,
            State::Ordered(sorter) => sorter.unsorted(|cells| self.grow(&mut tree, cells, pages))?,
            State::Unordered(sorter) => {
                let pool = pool()?;
                if !self.reclaimed.pages.is_empty() {
                    tree.spread(sorter.cells(), sorter.cell_bytes(), self.reclaimed.interior_pages);
                }
                let take = |cells: &mut Cells| match stop.load(Ordering::Relaxed) {
                    true => Err(Failure::Error(crate::error::Kind::Interrupted.into())),
                    false => self.grow(&mut tree, cells, pages),
                };
                sorter.sorted(&pool, take, Failure::Duplicate)?;
            }
            State::DeferToSqlite => return Ok(()),
        }
        Ok(tree.finish(pages)?)
    }
}
