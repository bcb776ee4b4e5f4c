//! The direct path: finished b-tree pages, written straight to the database file.
//!
//! SQLite creates the empty tables: schema, roots, header. Workers turn rows into cells; the serial half fills
//! pages with them, numbers each page and appends it to the file. Interior pages follow as they fill up; the roots
//! and the page count of the header come last. The result is what SQLite would have written itself, apart from the
//! order of the pages.
//!
//! | what | file format | where |
//! |---|---|---|
//! | varints, records, the order of values | 1.6, 2.1 | `record` |
//! | cells, overflow pages | 2.2, 2.3 | `cells` |
//! | b-tree pages, leaves and interior | 1.6 | `tree`, `existing_tree` |
//! | page numbers, free pages, the lock-byte page, the database header | 1.3 to 1.5 | `pages` |
//! | new and existing files | | `page_file` |
//! | roots, columns | 2.6 | `catalog` |
//! | indexes, WITHOUT ROWID | 2.4, 2.5 | `indexes` |
//! | affinity | SQLite's datatypes 3 | `stored_values`, `affinity` |
//! | UTF-16 | 1.3.13 | `text_encoding` |
//! | collations | SQLite's datatypes 7 | `collation` |
//! | the types of STRICT tables, DEFAULT, AUTOINCREMENT | 2.6.2 | `strict`, `defaults`, `sequence` |
//! | generated columns, CHECK | | `expressions` |
//! | rows with the same keys | | `duplicate_finder`, `key_encoder`, `key_groups`, `unique_keys`, `duplicates`, `replaced`, `kept_columns` |
//! | what is left to statements | | `features` |
//!
//! The sections are those of <https://sqlite.org/fileformat2.html>. All numbers on pages are big-endian.
//!
//! Cells that arrive in key order are put on pages at once. Others are kept in memory and sorted at the end. An index
//! that does not fit in memory is left to SQLite.

mod affinity;
mod builder;
mod catalog;
mod cell_order;
mod cells;
mod collation;
mod defaults;
mod duplicate_finder;
mod duplicates;
mod encode;
mod existing_tree;
mod expressions;
mod features;
mod indexes;
mod kept_columns;
mod key_encoder;
mod key_groups;
mod layout;
mod page_file;
mod pages;
mod record;
mod replaced;
mod rowid_log;
mod sequence;
mod sort;
mod sorted_numbers;
mod stored_values;
mod strict;
mod text_encoding;
mod tree;
mod unique_keys;

pub use catalog::Schema;
pub use duplicate_finder::DuplicateFinder;
pub use duplicates::{Duplicates, OnDuplicate};
pub use encode::{Encoded, Encoder};
pub use key_encoder::{EncodedKeys, KeyEncoder};
pub use page_file::PageFile;
pub use unique_keys::OTHER_VALUES;

pub use crate::files::growing_file::WritableFile;

use crate::batch::Rows;
use crate::error::{Kind, Result};
use crate::plan::Table;
use crate::schema::ddl::quote_name;
use crate::write::{self, Appended, Cause, WriteFailure};
use builder::{TreeBuilder, TreeFailure};
use cell_order::CellOrder;
use cells::TreeKind;
use kept_columns::KeptColumns;
use pages::Pages;
use replaced::Replaced;
use rowid_log::RowidLog;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Writes rows as pages.
#[derive(Debug)]
pub struct Direct<'c> {
    schema: Arc<Schema>,
    pages: Pages<'c>,
    encoder: Encoder,
    /// The records whose rows have the key of another row.
    duplicates: Option<Arc<Duplicates>>,
    /// The rows that were written.
    rows: u64,
    largest_rowid: Option<i64>,
    rowids: RowidLog,
    /// The tree of the table, followed by those of its indexes.
    trees: Vec<TreeBuilder>,
    sorting: Sorting,
}

/// The limits of sorting.
#[derive(Debug, Clone, Copy)]
pub struct Sorting {
    /// Bytes of memory.
    pub max_bytes: usize,
    /// Threads.
    pub jobs: usize,
}

impl Sorting {
    /// The threads.
    fn pool(self) -> Result<rayon::ThreadPool> {
        let jobs = self.jobs;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).thread_name(|_| "sorter".into()).build();
        pool.map_err(|error| Kind::Threads { jobs, source: std::io::Error::other(error) }.into())
    }
}

impl<'c> Direct<'c> {
    /// Fills the table `schema` in `file`, or adds rows behind its last one.
    ///
    /// # Errors
    /// [`crate::Kind::Io`], [`crate::Kind::Sqlite`].
    pub fn new(schema: impl Into<Arc<Schema>>, file: PageFile<'c>, sorting: Sorting) -> Result<Self> {
        Self::with_lock_byte(schema, file, sorting, pages::LOCK_BYTE)
    }

    /// Like [`Direct::new`], with the lock byte at another offset than 2^30 (`SQLITE_TESTCTRL_PENDING_BYTE`).
    ///
    /// # Errors
    /// As [`Direct::new`].
    pub fn with_lock_byte(
        schema: impl Into<Arc<Schema>>,
        file: PageFile<'c>,
        sorting: Sorting,
        lock_byte: u64,
    ) -> Result<Self> {
        let schema = schema.into();
        let pages = Pages::new(file, schema.page_bytes, schema.page_count, lock_byte)?;
        let (kind, order) = match &schema.primary_key {
            None => (TreeKind::Table, CellOrder::Rowid),
            Some(key) => (TreeKind::Index, key.cell_order()),
        };
        let mut trees = vec![TreeBuilder::new(kind, true, schema.root, order, &pages)?];
        for index in &schema.indexes {
            let order = index.cell_order();
            trees.push(TreeBuilder::new(TreeKind::Index, false, index.root, order, &pages)?);
        }
        let has_rowid = schema.primary_key.is_none();
        let largest_rowid = trees[0].last_old_rowid().filter(|_| has_rowid);
        let is_given = schema.rowid_column.is_some();
        let rowids = match has_rowid {
            true => RowidLog::new(is_given, largest_rowid, sorting.max_bytes / 4),
            false => RowidLog::Dropped,
        };
        Ok(Self {
            encoder: Encoder::new(schema.clone(), largest_rowid, Arc::default()),
            rowids,
            schema,
            pages,
            duplicates: None,
            rows: 0,
            largest_rowid,
            trees,
            sorting,
        })
    }

    /// The same for rows of `table` of which these have the key of another row.
    #[must_use]
    pub fn resolving(self, mut duplicates: Duplicates, table: &Table) -> Self {
        let kept = match duplicates.policy() {
            OnDuplicate::Update => KeptColumns::new(&self.schema, table).map(Arc::new),
            _ => None,
        };
        let replaced = match (duplicates.take_replaced(), &self.schema.primary_key) {
            (None, _) => Replaced::Nothing,
            (Some(_), Some(_)) => Replaced::SameKeys,
            (Some(rowids), None) => Replaced::Rows { rowids: Arc::new(rowids), kept: kept.clone() },
        };
        let keeps_keys = |index: usize| {
            let keys = self.schema.indexes[index].keys.iter().map(|key| key.column);
            matches!(replaced, Replaced::Rows { .. })
                && kept.as_ref().is_some_and(|kept| kept.contain_any(keys))
        };
        let trees = self.trees.into_iter().enumerate().map(|(number, tree)| {
            // SQLite reads the keys that are kept.
            let is_deferred = number.checked_sub(1).is_some_and(keeps_keys);
            if is_deferred { tree.deferred() } else { tree.replacing(replaced.clone()) }
        });
        let trees = trees.collect();
        let duplicates = Arc::new(duplicates);
        let encoder = self.encoder.resolving(duplicates.clone());
        Self { encoder, duplicates: Some(duplicates), trees, ..self }
    }

    /// The rows of the load that have these rowids; nothing if they are not known.
    fn rows_of(&self, rowids: &[i64]) -> Vec<u64> {
        match self.duplicates {
            None => self.rowids.rows_of(rowids),
            // Rows that are left out are not in the log.
            Some(_) => Vec::new(),
        }
    }

    /// Turns the failure of a tree into that of the writer.
    fn failure(&self, number: usize, failure: TreeFailure) -> WriteFailure {
        match failure {
            TreeFailure::Error(error) => error.into(),
            TreeFailure::TooManyToSort => {
                let max_bytes = self.sorting.max_bytes;
                let key =
                    if self.schema.primary_key.is_none() { "INTEGER PRIMARY KEY" } else { "PRIMARY KEY" };
                let reason = format!(
                    "the rows are not in the order of their {key}, and sorting them takes more than {max_bytes} bytes"
                );
                WriteFailure::Unsupported { reason }
            }
            TreeFailure::Duplicate(rowids) => WriteFailure::Constraint {
                message: self.schema.duplicate_message(number.checked_sub(1)),
                cause: self.schema.cause(Cause::SameKey),
                rows: self.rows_of(&rowids),
            },
            TreeFailure::DuplicateOfExisting { existing, new } => {
                let message = self.schema.duplicate_message(number.checked_sub(1));
                let cause = self.schema.cause(Cause::SameKey);
                if self.schema.primary_key.is_some() {
                    return WriteFailure::Constraint { message, cause, rows: Vec::new() };
                }
                let message = format!("{message} (the row with rowid {existing} has this key)");
                WriteFailure::Constraint { message, cause, rows: self.rows_of(&[new]) }
            }
            TreeFailure::UnknownValue => WriteFailure::Unsupported {
                reason: "rows that are updated keep values of columns that were added to the table"
                    .to_owned(),
            },
            TreeFailure::FewAmongMany => {
                WriteFailure::Unsupported { reason: builder::FEW_AMONG_MANY.to_owned() }
            }
        }
    }

    /// Appends the cells of a chunk to all trees.
    fn grow(&mut self, encoded: &mut Encoded) -> Result<(), WriteFailure> {
        let cells = std::iter::once(&mut encoded.table).chain(&mut encoded.indexes);
        for (number, cells) in cells.enumerate() {
            let others = self.trees.iter().enumerate().filter(|(other, _)| *other != number);
            let taken: usize = others.map(|(_, tree)| tree.sorted_bytes()).sum();
            let room = self.sorting.max_bytes.saturating_sub(taken);
            let grown = self.trees[number].append(cells, &mut self.pages, room);
            grown.map_err(|failure| self.failure(number, failure))?;
        }
        Ok(())
    }
}

impl write::Writer for Direct<'_> {
    type Encoder = Encoder;

    const NAMES_EARLIER_ROWS: bool = true;

    fn encoder(&self) -> Encoder {
        self.encoder.for_another_thread()
    }

    fn append(&mut self, rows: &Rows<'_>, encoded: &mut Encoded) -> Result<Appended, WriteFailure> {
        if encoded.assumption_matters && encoded.assumed_rowid != self.largest_rowid {
            self.encoder.encode_after(self.largest_rowid, rows, encoded);
        }
        if let Some(violation) = encoded.violation.take() {
            let failure = violation.into_failure(self.rows, &self.schema);
            return Err(match (failure, &self.duplicates) {
                // Rows that are left out are not counted.
                (WriteFailure::Constraint { message, cause, .. }, Some(_)) => {
                    WriteFailure::Constraint { message, cause, rows: Vec::new() }
                }
                (failure, _) => failure,
            });
        }
        self.rowids.push(&encoded.rowids);
        self.grow(encoded)?;
        self.largest_rowid = self.largest_rowid.max(encoded.largest_rowid);
        self.rows += encoded.rowids.len() as u64;
        Ok(self.duplicates.as_ref().map_or_else(Appended::default, |found| found.appended(&encoded.fates)))
    }

    fn finish(mut self, stop: &AtomicBool) -> Result<Vec<String>, WriteFailure> {
        let sorting = self.sorting;
        let pool = || sorting.pool();
        let max_old = self.trees[0].max_old(&self.pages)?;
        // SQLite builds these indexes anew.
        if !self.schema.deferred.is_empty() && builder::are_few_among_many(self.rows, max_old) {
            return Err(self.failure(0, TreeFailure::FewAmongMany));
        }
        let mut deferred: Vec<_> = self.schema.deferred.iter().map(|index| index.name.clone()).collect();
        for (number, tree) in std::mem::take(&mut self.trees).into_iter().enumerate() {
            if let (true, Some(index)) = (tree.is_deferred(), number.checked_sub(1)) {
                deferred.push(self.schema.indexes[index].name.clone());
            }
            tree.finish(&mut self.pages, pool, max_old, stop)
                .map_err(|failure| self.failure(number, failure))?;
        }
        self.pages.finish()?;
        let sequence = self.schema.sequence.as_ref();
        let update = sequence
            .and_then(|sequence| sequence.update_sql(&self.schema.table, self.rows, self.largest_rowid));
        let reindex = deferred.iter().map(|name| format!("REINDEX main.{}", quote_name(name)));
        Ok(reindex.chain(update).collect())
    }
}
