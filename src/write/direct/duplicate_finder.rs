//! Finds the rows that have the key of another row, or break a constraint alone, in a pass over all records that writes nothing.
//!
//! Workers make an entry of each unique key of each row, as for an index, with the number of the record in place of the rowid.
//! Sorted, rows with the same key are neighbours; where the table has rows, a merge with its entries finds those with an existing
//! key. [`Duplicates`] decides which rows are stored.

use super::builder::{FEW_AMONG_MANY, are_few_among_many};
use super::catalog::{ColumnSource, Schema};
use super::cell_order::CellOrder;
use super::cells::{Cells, PayloadLimits, TreeKind};
use super::duplicates::{self, Duplicates, OnDuplicate};
use super::existing_tree::{last_cell, max_cells};
use super::kept_columns::KeptColumns;
use super::key_encoder::{EncodedKeys, KeyEncoder};
use super::key_groups::{Groups, KeyRun, OldKeys, too_large, unsupported};
use super::pages::{self, Pages};
use super::sort::Sorter;
use super::stored_values::BrokenRow;
use super::unique_keys::{CHOSEN_ROWIDS, UniqueKey, unique_keys};
use super::{PageFile, Sorting};
use crate::batch::Rows;
use crate::error::{Error, Kind, Reason, Result};
use crate::plan::Table;
use crate::write::{self, Appended, WriteFailure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The reason to leave updates to SQLite if a row keeps values of another row of the load.
const KEEPS_FIRST: &str = "rows have the same keys, and ON CONFLICT keeps values of the first one";

/// True if SQLite chooses the rowids of all rows.
fn chooses_rowids(schema: &Schema) -> bool {
    schema.primary_key.is_none() && schema.rowid_column.is_none()
}

/// Finds the rows of a load that have the key of another row.
#[derive(Debug)]
pub struct DuplicateFinder<'f, 'c> {
    found: &'f mut Duplicates,
    table: &'f Table,
    schema: Arc<Schema>,
    keys: Arc<[UniqueKey]>,
    /// The pages of an existing database.
    pages: Option<Pages<'c>>,
    /// One for each key.
    sorters: Vec<Sorter>,
    sorting: Sorting,
    rows: u64,
    /// Whether rows have a rowid, and whether others leave it to SQLite.
    has_rowids: bool,
    lacks_rowids: bool,
    /// For rows that are updated, where SQLite chooses their rowids.
    numbers: RowNumbers,
}

/// Which records became rows.
#[derive(Debug, Default)]
struct RowNumbers {
    chunks: Vec<ChunkRows>,
}

/// The records of a chunk that became rows.
#[derive(Debug)]
struct ChunkRows {
    first_record: u64,
    /// The number of rows before the chunk.
    rows_before: u64,
    /// Unless all records became rows: the numbers of those that did, in the chunk.
    numbers: Option<Box<[u32]>>,
}

impl RowNumbers {
    /// Adds the next chunk, after `rows_before` rows.
    fn push(&mut self, rows: &Rows<'_>, rows_before: u64) {
        let first_record = rows.chunk.first_load_record();
        let numbers = rows.origins.numbers.map(|numbers| numbers[..rows.len].into());
        self.chunks.push(ChunkRows { first_record, rows_before, numbers });
    }

    /// The number of rows before that of `record`.
    fn rows_before(&self, record: u64) -> u64 {
        let after = self.chunks.partition_point(|chunk| chunk.first_record <= record);
        let Some(chunk) = after.checked_sub(1).map(|at| &self.chunks[at]) else { return 0 };
        let in_chunk = record - chunk.first_record;
        let before = |numbers: &[u32]| numbers.partition_point(|number| u64::from(*number) < in_chunk) as u64;
        chunk.rows_before + chunk.numbers.as_deref().map_or(in_chunk, before)
    }
}

impl<'f, 'c> DuplicateFinder<'f, 'c> {
    /// A finder for the rows of `table`, which is empty unless it is in `file`. What it finds goes to `found`.
    ///
    /// # Errors
    /// [`WriteFailure::Unsupported`] if duplicates of this table cannot be found.
    pub fn new(
        schema: Arc<Schema>,
        table: &'f Table,
        file: Option<PageFile<'c>>,
        sorting: Sorting,
        found: &'f mut Duplicates,
    ) -> std::result::Result<Self, WriteFailure> {
        let keys = unique_keys(&schema, table, found.policy()).map_err(unsupported)?;
        let open = |file| Pages::new(file, schema.page_bytes, schema.page_count, pages::LOCK_BYTE);
        let pages = file.map(open).transpose()?;
        let sorters = keys.iter().map(|key| Sorter::new(key.index.order(false))).collect();
        let (rows, has_rowids, lacks_rowids, numbers) = Default::default();
        let keys = keys.into();
        Ok(Self {
            found,
            table,
            schema,
            keys,
            pages,
            sorters,
            sorting,
            rows,
            has_rowids,
            lacks_rowids,
            numbers,
        })
    }

    /// Finds the rows with the same keys, and those with the key of a row that is there.
    fn find(&mut self, stop: &AtomicBool) -> std::result::Result<(), WriteFailure> {
        let max_old = self.max_old()?;
        if are_few_among_many(self.rows, max_old) {
            return Err(unsupported(FEW_AMONG_MANY));
        }
        let pool = self.sorting.pool()?;
        let max_bytes = self.sorting.max_bytes;
        let mut groups = Groups { uses: Vec::new(), owners: Vec::new(), max_bytes };
        let keys = self.keys.clone();
        for (number, (key, sorter)) in (0..).zip(keys.iter().zip(std::mem::take(&mut self.sorters))) {
            let old = self.pages.as_mut().map(|pages| OldKeys::new(key, pages)).transpose()?;
            let mut run = KeyRun {
                order: key.index.order(true),
                keeps_keys: self.found.policy() == OnDuplicate::Update,
                number,
                old,
                last: Vec::new(),
                prefix: 0,
                group: None,
            };
            let take = |cells: &mut Cells| match stop.load(Ordering::Relaxed) {
                true => Err(Error::from(Kind::Interrupted).into()),
                false => run.take(cells, &mut groups, self.pages.as_mut()),
            };
            let impossible =
                |_| Error::from(Kind::Internal("keys that are not unique clash".to_owned())).into();
            sorter.sorted(&pool, take, impossible)?;
        }
        let policy = self.found.policy();
        let may_be_numbered = self.schema.rowid_column.is_some() && self.lacks_rowids;
        if policy.replaces() && may_be_numbered && !groups.uses.is_empty() {
            return Err(unsupported(CHOSEN_ROWIDS));
        }
        let keeps_loaded =
            || KeptColumns::new(&self.schema, self.table).is_some_and(|kept| kept.contain_loaded());
        if policy == OnDuplicate::Update && groups.owners.contains(&None) && keeps_loaded() {
            return Err(unsupported(KEEPS_FIRST));
        }
        self.decide(groups)?;
        match are_few_among_many(self.rows - self.found.left_out(), max_old) {
            true => Err(unsupported(FEW_AMONG_MANY)),
            false => Ok(()),
        }
    }

    /// Decides which of the rows with the same keys are stored.
    fn decide(&mut self, groups: Groups) -> std::result::Result<(), WriteFailure> {
        let reason = |key: &UniqueKey| {
            let columns = self.table.columns.iter().map(|column| &*column.name);
            duplicates::reason(self.schema.duplicate_message(key.number), &self.table.name, columns)
        };
        let reasons = self.keys.iter().map(reason).collect();
        let largest_before = match chooses_rowids(&self.schema) {
            true => self.last_old()?.map(|cell| CellOrder::Rowid.rowid(&cell)),
            false => None,
        };
        let (schema, numbers) = (&self.schema, &self.numbers);
        // For a row that the load itself updates later.
        let chosen_rowid = |record: u64, unnumbered: u64| match chooses_rowids(schema) {
            true => {
                let rows = i64::try_from(numbers.rows_before(record) - unnumbered).ok()?;
                schema.next_rowid(largest_before)?.checked_add(rows)
            }
            false => Some(0),
        };
        match self.found.decide(groups.uses, groups.owners, reasons, chosen_rowid) {
            true => Ok(()),
            false => Err(unsupported("no rowid is left after the largest")),
        }
    }

    /// The last row or entry that the table had before.
    fn last_old(&self) -> Result<Option<Vec<u8>>> {
        let Some(pages) = &self.pages else { return Ok(None) };
        last_cell(self.schema.root, self.kind(), PayloadLimits::new(self.kind(), pages.page_bytes()), pages)
    }

    /// The kind of the tree that has the rows.
    fn kind(&self) -> TreeKind {
        if self.schema.primary_key.is_some() { TreeKind::Index } else { TreeKind::Table }
    }

    /// The most rows that the table may have had before, if that matters to its trees.
    fn max_old(&self) -> Result<u64> {
        let is_continued = self.kind() == TreeKind::Table && self.schema.indexes.is_empty();
        if is_continued && !self.found.policy().replaces() {
            return Ok(0);
        }
        let (Some(pages), Some(last)) = (&self.pages, self.last_old()?) else { return Ok(0) };
        max_cells(self.schema.root, self.kind(), &last, pages)
    }
}

impl write::Writer for DuplicateFinder<'_, '_> {
    type Encoder = KeyEncoder;

    fn encoder(&self) -> KeyEncoder {
        KeyEncoder::new(self.schema.clone(), self.keys.clone(), self.found.rejects_rows())
    }

    fn append(
        &mut self,
        rows: &Rows<'_>,
        encoded: &mut EncodedKeys,
    ) -> std::result::Result<Appended, WriteFailure> {
        if let Some(violation) = encoded.violation.take() {
            return Err(violation.into_failure(self.rows, &self.schema));
        }
        for (record, BrokenRow { message, column, .. }) in encoded.broken.drain(..) {
            let loaded = |column: usize| match self.schema.columns[column].source {
                ColumnSource::Loaded(at) => Some(self.table.columns[at].name.clone()),
                _ => None,
            };
            let columns = self.table.columns.iter().map(|column| &*column.name);
            self.found.reject(record, message, |message| match column {
                Some(column) => Reason::Constraint { column: loaded(column), message },
                None => duplicates::reason(message, &self.table.name, columns),
            });
        }
        self.has_rowids |= encoded.has_rowids;
        self.lacks_rowids |= encoded.lacks_rowids;
        if self.has_rowids && self.lacks_rowids {
            return Err(unsupported(CHOSEN_ROWIDS));
        }
        if self.found.policy() == OnDuplicate::Update && chooses_rowids(&self.schema) {
            self.numbers.push(rows, self.rows);
        }
        self.rows += rows.len as u64;
        self.sorters.iter_mut().zip(&mut encoded.keys).for_each(|(sorter, cells)| sorter.push(cells));
        let sorted_bytes = self.sorters.iter().map(Sorter::bytes).sum::<usize>();
        match sorted_bytes + self.found.rejected_bytes() > self.sorting.max_bytes {
            true => Err(too_large(self.sorting.max_bytes)),
            false => Ok(Appended::default()),
        }
    }

    fn finish(mut self, stop: &AtomicBool) -> std::result::Result<Vec<String>, WriteFailure> {
        self.find(stop)?;
        Ok(Vec::new())
    }
}
