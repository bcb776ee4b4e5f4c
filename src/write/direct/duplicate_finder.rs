//! Finds the rows that have the key of another row, or break a constraint alone, in a pass over all records that writes nothing.
//!
//! Workers make an entry of each unique key of each row, as for an index, with the number of the record in place of the rowid.
//! Sorted, rows with the same key are neighbours; where the table has rows, a merge with its entries finds those with an existing
//! key. What becomes of them is decided in [`Duplicates`].

use super::affinity::Converter;
use super::builder::{FEW_AMONG_MANY, are_few_among_many};
use super::catalog::{ColumnSource, Schema};
use super::cell_order::CellOrder;
use super::cells::{Cells, PayloadLimits, TreeKind};
use super::duplicates::{self, Duplicates, KeyUse, OnDuplicate};
use super::encode::{Violation, find_order};
use super::existing_tree::{OldCells, OldRowids, last_cell, max_cells_by_size};
use super::expressions::{ExpressionEvaluator, TableExpressions, evaluate, find_broken};
use super::indexes::Index;
use super::kept_columns::KeptColumns;
use super::layout::{CellSink, NumberedRows};
use super::pages::{self, Pages};
use super::record::{Fields, get_varint};
use super::sort::Sorter;
use super::sorted_numbers::SortedNumbers;
use super::stored_values::{BrokenRow, apply_affinity, encode_texts, rows_that_break_rules};
use super::{PageFile, Sorting};
use crate::batch::{Arena, Rows, Value};
use crate::error::{Error, Kind, Reason, Result};
use crate::plan::Table;
use crate::write::{self, Appended, Cause, WriteFailure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The reason to leave duplicates to SQLite if the values of records change.
pub const OTHER_VALUES: &str =
    "rows have the same keys, and SQLite may compute other values in a second pass";

/// The reason to leave duplicates to SQLite if it chooses rowids that depend on which rows are left out, and that matter: others
/// are given, or an expression reads them.
const CHOSEN_ROWIDS: &str = "rows have the same keys, and SQLite chooses some of the rowids";

/// The reason to leave updates to SQLite if they keep keys that differ from those of the load.
const OTHER_SPELLING: &str = "rows that are updated have another spelling of their key";

/// The reason to leave updates to SQLite if a row keeps values of another row of the load.
const KEEPS_FIRST: &str = "rows have the same keys, and ON CONFLICT keeps values of the first one";

/// True if an expression of the table reads the rowid.
fn reads_rowid(schema: &Schema) -> bool {
    schema.expressions.as_ref().is_some_and(TableExpressions::reads_rowid)
}

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

/// A unique key.
#[derive(Debug)]
struct UniqueKey {
    /// Its number among the indexes of the table; `None` for the rowid, and for the primary key of a WITHOUT ROWID table.
    number: Option<usize>,
    /// True for the rowid.
    is_rowid: bool,
    /// The order of the entries that the table has.
    old_order: CellOrder,
    /// The columns of the key, and the number of a record.
    index: Index,
}

impl UniqueKey {
    fn of_rowids(index: Index) -> Self {
        Self { number: None, is_rowid: true, old_order: CellOrder::Rowid, index }
    }

    fn of_index(number: Option<usize>, index: &Index) -> Self {
        Self { number, is_rowid: false, old_order: index.order(true), index: index.numbered() }
    }
}

/// The unique keys of a table in the order in which SQLite checks them, or why duplicates cannot be found.
fn unique_keys(
    schema: &Schema,
    table: &Table,
    policy: OnDuplicate,
) -> std::result::Result<Vec<UniqueKey>, &'static str> {
    let rowid = schema.rowid_column.map(|column| Index::of_rowids(schema.root, column));
    let rowid = rowid.map(UniqueKey::of_rowids);
    let primary = schema.primary_key.as_ref().map(|index| UniqueKey::of_index(None, index));
    let unique = schema.indexes.iter().enumerate().filter(|(_, index)| index.is_unique);
    let indexes = unique.map(|(number, index)| UniqueKey::of_index(Some(number), index));
    let mut keys: Vec<_> = rowid.into_iter().chain(primary).chain(indexes).collect();
    keys.sort_by_key(|key| key.index.check_rank);
    let has_target = table.conflict_clause.as_ref().is_some_and(|clause| !clause.ignores_all());
    let mut columns =
        keys.iter().flat_map(|key| &key.index.keys).map(|key| &schema.columns[key.column].source);
    let is_repeatable = |source: &ColumnSource| match source {
        ColumnSource::Loaded(at) => table.columns[*at].value.is_repeatable(),
        ColumnSource::Default(_) | ColumnSource::Generated { .. } => true,
    };
    if !columns.all(is_repeatable) {
        Err(OTHER_VALUES)
    } else if schema.rowid_column.is_none() && reads_rowid(schema) {
        Err(CHOSEN_ROWIDS)
    } else if schema.has_deferred_unique() {
        Err("rows have the same keys, and a UNIQUE index is partial or on an expression")
    } else if (has_target || policy == OnDuplicate::Update) && keys.len() != 1 {
        Err("ON CONFLICT names one of several keys")
    } else if let Some(reason) = schema.reason_against(policy, table) {
        Err(reason)
    } else if matches!(policy, OnDuplicate::Ignore | OnDuplicate::Update) && schema.sequence.is_some() {
        Err("ignored rows use up numbers of AUTOINCREMENT")
    } else {
        Ok(keys)
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
        let replaces = matches!(self.found.policy(), OnDuplicate::Update | OnDuplicate::Replace);
        if replaces && !groups.uses.is_empty() && self.schema.rowid_column.is_some() && self.lacks_rowids {
            return Err(unsupported(CHOSEN_ROWIDS));
        }
        let keeps_loaded =
            KeptColumns::new(&self.schema, self.table).is_some_and(|kept| kept.contain_loaded());
        if self.found.policy() == OnDuplicate::Update && keeps_loaded && groups.owners.contains(&None) {
            return Err(unsupported(KEEPS_FIRST));
        }
        self.decide(groups)?;
        match are_few_among_many(self.rows - self.found.left_out(), max_old) {
            true => Err(unsupported(FEW_AMONG_MANY)),
            false => Ok(()),
        }
    }

    /// Decides what becomes of the rows with the same keys.
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
        let kind = if self.schema.primary_key.is_some() { TreeKind::Index } else { TreeKind::Table };
        last_cell(self.schema.root, kind, PayloadLimits::new(kind, pages.page_bytes()), pages)
    }

    /// The most rows that the table may have had before, if that matters to its trees.
    fn max_old(&self) -> Result<u64> {
        let replaces = matches!(self.found.policy(), OnDuplicate::Update | OnDuplicate::Replace);
        let has_rowids = self.schema.primary_key.is_none();
        if has_rowids && self.schema.indexes.is_empty() && !replaces {
            return Ok(0);
        }
        let (Some(pages), Some(last)) = (&self.pages, self.last_old()?) else { return Ok(0) };
        let by_size = max_cells_by_size(&last, pages);
        Ok(match has_rowids {
            true => by_size.min(u64::try_from(CellOrder::Rowid.rowid(&last)).unwrap_or(0)),
            false => by_size,
        })
    }
}

fn too_large(max_bytes: usize) -> WriteFailure {
    unsupported(format!("rows have the same keys, and sorting all keys takes more than {max_bytes} bytes"))
}

fn unsupported(reason: impl Into<String>) -> WriteFailure {
    WriteFailure::Unsupported { reason: reason.into() }
}

/// The rows with the same keys.
struct Groups {
    uses: Vec<KeyUse>,
    /// For each group, the rowid of the row that was there before with its key.
    owners: Vec<Option<i64>>,
    max_bytes: usize,
}

/// The sorted entries of a key, as they pass by.
struct KeyRun {
    order: CellOrder,
    /// Whether rows that are updated keep their keys.
    keeps_keys: bool,
    /// The number of the key.
    number: u32,
    old: Option<OldKeys>,
    /// The entry before, and its prefix.
    last: Vec<u8>,
    prefix: u64,
    /// Its group, if it has one.
    group: Option<u32>,
}

impl KeyRun {
    fn take(
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
enum OldKeys {
    Rowids(OldRowids),
    Entries(OldCells),
}

impl OldKeys {
    fn new(key: &UniqueKey, pages: &mut Pages<'_>) -> Result<Self> {
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

impl write::Writer for DuplicateFinder<'_, '_> {
    type Encoder = KeyEncoder;

    fn encoder(&self) -> KeyEncoder {
        let converter = Converter::new(self.schema.encoding);
        let (evaluator, arena, order) = Default::default();
        let (schema, keys) = (self.schema.clone(), self.keys.clone());
        let (rejects_rows, kept_arena) = (self.found.rejects_rows(), Arena::default());
        KeyEncoder { schema, keys, rejects_rows, converter, evaluator, arena, kept_arena, order }
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

/// The record of a row.
fn record_of(rows: &Rows<'_>, row: usize) -> u64 {
    let in_chunk = rows.origins.numbers.map_or(row as u64, |numbers| u64::from(numbers[row]));
    rows.chunk.first_load_record() + in_chunk
}

/// Encodes the unique keys of rows.
#[derive(Debug)]
pub struct KeyEncoder {
    schema: Arc<Schema>,
    keys: Arc<[UniqueKey]>,
    /// Whether rows that break a constraint alone are left out.
    rejects_rows: bool,
    converter: Converter,
    evaluator: Option<ExpressionEvaluator>,
    arena: Arena,
    /// For the rows of a chunk that are not left out.
    kept_arena: Arena,
    order: SortedNumbers,
}

/// The entries of a chunk for each unique key, in order.
#[derive(Debug, Default)]
pub struct EncodedKeys {
    keys: Vec<Cells>,
    has_rowids: bool,
    lacks_rowids: bool,
    /// The records whose rows break a constraint alone, in order.
    broken: Vec<(u64, BrokenRow)>,
    violation: Option<Violation>,
}

impl KeyEncoder {
    /// Encodes the rows that break no constraint alone, after `violation` has shown that others are among them.
    #[cold]
    fn encode_others(
        &mut self,
        violation: Violation,
        rows: &Rows<'_>,
        encoded: &mut EncodedKeys,
    ) -> std::result::Result<(), Violation> {
        let broken = self.find_broken(rows)?;
        if broken.is_empty() {
            return Err(violation);
        }
        let mut arena = std::mem::take(&mut self.kept_arena);
        let (others, numbers) = duplicates::without(rows, broken.iter().map(|broken| broken.row), &arena);
        let result = self.try_encode(&others, |row| record_of(rows, numbers[row]), encoded);
        encoded.broken.extend(broken.into_iter().map(|broken| (record_of(rows, broken.row), broken)));
        arena.reset();
        self.kept_arena = arena;
        result
    }

    /// All rows that break a constraint alone, in order.
    fn find_broken(&mut self, rows: &Rows<'_>) -> std::result::Result<Vec<BrokenRow>, Violation> {
        let Self { schema, converter, evaluator, arena, kept_arena, .. } = self;
        arena.reset();
        let (columns, _) = apply_affinity(rows, schema, converter, arena)?;
        let mut broken = rows_that_break_rules(rows, schema, columns);
        let (_, others) = duplicates::without(rows, broken.iter().map(|broken| broken.row), kept_arena);
        let columns: Vec<_> = columns.iter().map(|values| values.select(others, arena)).collect();
        let rowid = |row: usize| match schema.rowid_column.map(|column| columns[column].get(row)) {
            Some(Value::Integer(rowid)) => rowid,
            _ => 0,
        };
        let rowids: Vec<_> = (0..others.len()).map(rowid).collect();
        let by_expression = find_broken(schema, evaluator, &columns, &rowids)?;
        let broken_row = |(row, message): (usize, _)| BrokenRow { row: others[row], message, column: None };
        broken.extend(by_expression.into_iter().map(broken_row));
        broken.sort_unstable_by_key(|broken| broken.row);
        kept_arena.reset();
        Ok(broken)
    }

    /// Encodes rows. `record` returns the record of a row.
    fn try_encode(
        &mut self,
        rows: &Rows<'_>,
        record: impl Fn(usize) -> u64,
        encoded: &mut EncodedKeys,
    ) -> std::result::Result<(), Violation> {
        let Self { schema, keys, converter, evaluator, arena, order, .. } = self;
        arena.reset();
        let (columns, broken_rule) = apply_affinity(rows, schema, converter, arena)?;
        broken_rule.map_or(Ok(()), Err)?;
        let rowids = arena.zeros(rows.len);
        if let Some(column) = schema.rowid_column {
            for (row, rowid) in rowids.iter_mut().enumerate() {
                match columns[column].get(row) {
                    Value::Integer(given) => (*rowid, encoded.has_rowids) = (given, true),
                    Value::Null => encoded.lacks_rowids = true,
                    _ => encoded.has_rowids = true,
                }
            }
            if encoded.lacks_rowids && reads_rowid(schema) {
                return Err(Violation::left_to_sqlite(0, CHOSEN_ROWIDS));
            }
        }
        // Before it looks for keys, as SQLite does.
        evaluate(schema, evaluator, columns, rowids, arena)?;
        encode_texts(columns, schema, rows.len, converter, arena)?;
        let records = arena.list((0..rows.len).map(|row| record(row).cast_signed()));
        encoded.keys.resize_with(keys.len(), Cells::default);
        for (UniqueKey { index, .. }, cells) in keys.iter().zip(&mut encoded.keys) {
            // Rows with the same key are found later.
            let _ = find_order(index, columns, records, order);
            let entries = index.values(columns, records);
            let sink = CellSink { kind: TreeKind::Index, limits: PayloadLimits::NONE, cells };
            let put = sink.put(&entries, NumberedRows { rowids: records, order }, usize::MAX, arena);
            put.map_err(|row| Violation::new(row, "the row is too large for SQLite"))?;
        }
        Ok(())
    }
}

impl write::Encoder for KeyEncoder {
    type Encoded = EncodedKeys;

    fn encode(&mut self, rows: &Rows<'_>, encoded: &mut EncodedKeys) {
        let clear = |encoded: &mut EncodedKeys| (encoded.has_rowids, encoded.lacks_rowids) = (false, false);
        clear(encoded);
        let mut result = self.try_encode(rows, |row| record_of(rows, row), encoded);
        if let Err(violation) = result {
            let is_of_row = violation.cause == Cause::Row && !violation.is_left_to_sqlite;
            clear(encoded);
            result = match self.rejects_rows && is_of_row {
                true => self.encode_others(violation, rows, encoded),
                false => Err(violation),
            };
        }
        encoded.violation = result.err();
    }
}
