//! Groups of rows with the same key: neighbours among sorted entries, and rows that the table has already.

use super::cell_order::CellOrder;
use super::cells::{Cells, PayloadLimits, TreeKind};
use super::duplicates::KeyUse;
use super::existing_tree::{OldCells, OldRowids};
use super::pages::Pages;
use super::record::{Fields, get_varint};
use super::unique_keys::UniqueKey;
use crate::batch::Value;
use crate::error::Result;
use crate::write::WriteFailure;

/// The reason to leave updates to SQLite if they keep keys that differ from those of the load.
const OTHER_SPELLING: &str = "rows that are updated have another spelling of their key";

/// The rows with the same keys.
pub(super) struct Groups {
    pub(super) uses: Vec<KeyUse>,
    /// For each group, the rowid of the row that was there before with its key.
    pub(super) owners: Vec<Option<i64>>,
    pub(super) max_bytes: usize,
}

/// The sorted entries of a key, as they pass by.
pub(super) struct KeyRun {
    pub(super) order: CellOrder,
    /// Whether rows that are updated keep their keys.
    pub(super) keeps_keys: bool,
    /// The number of the key.
    pub(super) number: u32,
    pub(super) old: Option<OldKeys>,
    /// The entry before, and its prefix.
    pub(super) last: Vec<u8>,
    pub(super) prefix: u64,
    /// Its group, if it has one.
    pub(super) group: Option<u32>,
}

impl KeyRun {
    pub(super) fn take(
        &mut self,
        cells: &Cells,
        groups: &mut Groups,
        mut pages: Option<&mut Pages<'_>>,
    ) -> std::result::Result<(), WriteFailure> {
        for cell in cells.iter() {
            let prefix = self.order.prefix(cell);
            let is_same =
                prefix == self.prefix && !self.last.is_empty() && self.order.is_duplicate(&self.last, cell);
            if is_same && self.group.is_none() {
                self.group = Some(groups.start(None));
                self.join(groups, &self.last);
            }
            let is_other_spelling =
                |cell: &[u8], other: &[u8]| self.keeps_keys && !self.order.are_keys_identical(cell, other);
            if is_same && is_other_spelling(&self.last, cell) {
                return Err(unsupported(OTHER_SPELLING));
            }
            if !is_same {
                let owner = match (&mut self.old, &mut pages) {
                    (Some(old), Some(pages)) => old.find(cell, prefix, &self.order, pages)?,
                    _ => None,
                };
                if let (Some(_), Some(OldKeys::Entries(entries))) = (owner, &self.old)
                    && entries.peek().is_some_and(|entry| is_other_spelling(entry.whole(), cell))
                {
                    return Err(unsupported(OTHER_SPELLING));
                }
                self.group = owner.map(|owner| groups.start(Some(owner)));
            }
            self.join(groups, cell);
            self.last.clear();
            self.last.extend_from_slice(cell);
            self.prefix = prefix;
        }
        match size_of_val(&*groups.uses) > groups.max_bytes {
            true => Err(too_large(groups.max_bytes)),
            false => Ok(()),
        }
    }

    /// Adds an entry to the group, if there is one.
    fn join(&self, groups: &mut Groups, cell: &[u8]) {
        if let Some(group) = self.group {
            let record = self.order.rowid(cell).cast_unsigned();
            groups.uses.push(KeyUse { record, key: self.number, group });
        }
    }
}

impl Groups {
    /// Starts a group, and returns its number.
    fn start(&mut self, owner: Option<i64>) -> u32 {
        self.owners.push(owner);
        self.owners.len() as u32 - 1
    }
}

/// The keys of existing rows, looked up in ascending order.
pub(super) enum OldKeys {
    Rowids(OldRowids),
    Entries(OldCells),
}

impl OldKeys {
    pub(super) fn new(key: &UniqueKey, pages: &mut Pages<'_>) -> Result<Self> {
        if key.is_rowid {
            return OldRowids::new(key.index.root, pages).map(Self::Rowids);
        }
        let limits = PayloadLimits::new(TreeKind::Index, pages.page_bytes());
        let order = key.old_order.clone();
        OldCells::new(TreeKind::Index, key.index.root, order, limits, pages).map(Self::Entries)
    }

    /// The rowid of the row that has the key of `cell`, if there is one.
    fn find(
        &mut self,
        cell: &[u8],
        prefix: u64,
        order: &CellOrder,
        pages: &mut Pages<'_>,
    ) -> Result<Option<i64>> {
        match self {
            Self::Rowids(rowids) => match Fields::new(&cell[get_varint(cell).1..]).next() {
                Some(Value::Integer(rowid)) => Ok(rowids.contain(rowid, pages)?.then_some(rowid)),
                _ => Ok(None),
            },
            Self::Entries(entries) => {
                while let Some(entry) = entries.peek().filter(|entry| entry.prefix <= prefix) {
                    if entry.prefix == prefix {
                        if order.is_duplicate(entry.whole(), cell) {
                            return Ok(Some(order.rowid(entry.whole())));
                        }
                        if order.compare(entry.whole(), cell).is_gt() {
                            return Ok(None);
                        }
                    }
                    entries.advance(pages)?;
                }
                Ok(None)
            }
        }
    }
}

pub(super) fn too_large(max_bytes: usize) -> WriteFailure {
    unsupported(format!("rows have the same keys, and sorting all keys takes more than {max_bytes} bytes"))
}

pub(super) fn unsupported(reason: impl Into<String>) -> WriteFailure {
    WriteFailure::Unsupported { reason: reason.into() }
}
