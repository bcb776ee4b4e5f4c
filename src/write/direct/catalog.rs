//! The schema of a table as SQLite has understood it: tree roots, column affinities, indexes, and whether the direct
//! path supports all of it. SQLite is the authority: nothing here parses SQL.

use super::defaults::{DefaultValue, Defaults};
use super::duplicates::OnDuplicate;
use super::expressions::{self, TableExpressions};
use super::features::{Features, read_features};
use super::indexes::{DeferredIndex, Index, read_indexes, read_primary_key};
use super::kept_columns::find_kept;
use super::sequence::Sequence;
use super::strict::StrictType;
use super::text_encoding::TextEncoding;
use crate::batch::Value;
use crate::error::Error;
use crate::plan::{OnConflict, Table};
use crate::schema::ddl::create_table_sql;
use crate::types::{ColumnAffinity, register_math_functions};
use crate::write::Cause;
use rusqlite::{Connection, Result, Row};
use std::collections::BTreeSet;
use std::path::Path;

/// The parts of a table's schema that its rows depend on.
#[derive(Debug)]
pub struct Schema {
    pub(super) page_bytes: usize,
    pub(super) encoding: TextEncoding,
    /// Pages of the database so far.
    pub(super) page_count: u32,
    pub(super) root: u32,
    /// Its name as it is declared, for messages.
    pub(super) table: String,
    pub(super) columns: Vec<TableColumn>,
    /// The column that is an alias of the rowid (INTEGER PRIMARY KEY).
    pub(super) rowid_column: Option<usize>,
    /// Generated columns and CHECK constraints, if the table has any.
    pub(super) expressions: Option<TableExpressions>,
    /// For AUTOINCREMENT.
    pub(super) sequence: Option<Sequence>,
    /// The primary key of a WITHOUT ROWID table, whose rows are the entries of this tree.
    pub(super) primary_key: Option<Index>,
    pub(super) indexes: Vec<Index>,
    /// The indexes that SQLite builds.
    pub(super) deferred: Vec<DeferredIndex>,
    features: Features,
    /// The size limit of a row in bytes.
    pub(super) max_row_bytes: usize,
}

#[derive(Debug)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) affinity: ColumnAffinity,
    pub(super) is_not_null: bool,
    is_key: bool,
    /// Its type in a STRICT table, except for ANY.
    pub(super) strict_type: Option<StrictType>,
    pub(super) source: ColumnSource,
}

/// Where the values of a column come from.
#[derive(Debug)]
pub(super) enum ColumnSource {
    /// The column of the load with this index.
    Loaded(usize),
    /// The column is not loaded.
    Default(DefaultValue),
    /// The values are computed from others.
    Generated {
        /// Whether rows contain them.
        is_stored: bool,
    },
}

impl TableColumn {
    pub(super) fn is_generated(&self) -> bool {
        matches!(self.source, ColumnSource::Generated { .. })
    }

    /// True if rows contain the values.
    pub(super) fn is_stored(&self) -> bool {
        !matches!(self.source, ColumnSource::Generated { is_stored: false })
    }
}

impl Schema {
    /// Reads the schema of `table`, which exists, or returns the reason why the direct path cannot fill it.
    ///
    /// # Errors
    /// The error of SQLite.
    pub fn read(connection: &Connection, table: &Table) -> Result<std::result::Result<Self, String>> {
        let name = table.name.as_str();
        let encoding = TextEncoding::read(connection)?;
        let features =
            match read_features(connection, name, encoding, table.on_conflict == OnConflict::Update)? {
                Ok(features) => features,
                Err(reason) => return Ok(Err(reason)),
            };
        let mut columns = columns(connection, name)?;
        // A primary key without an index is the rowid.
        let is_rowid = count(connection, "pragma_index_list(?1) WHERE origin = 'pk'", name)? == 0;
        let rowid_column = columns.iter().position(|column| column.is_key).filter(|_| is_rowid);
        if let Some(reason) = find_sources(connection, table, &mut columns, rowid_column, encoding)? {
            return Ok(Err(reason));
        }
        let read =
            TableExpressions::read(connection, name, &columns, rowid_column, encoding, features.has_check)?;
        let expressions = match read {
            Ok(expressions) => expressions,
            Err(error) => return Ok(Err(expressions::unsupported(&error))),
        };
        let integer = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let sequence = match features.is_autoincrement {
            true => Some(Sequence::read(connection, name)?),
            false => None,
        };
        let (declared_name, root) = connection.query_row(
            "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let primary_key = read_primary_key(connection, name, root)?;
        let (indexes, deferred) = read_indexes(connection, name, rowid_column, primary_key.is_none())?;
        Ok(Ok(Self {
            page_bytes: integer("page_size")? as usize,
            encoding,
            page_count: integer("page_count")? as u32,
            root,
            table: declared_name,
            columns,
            rowid_column,
            expressions,
            sequence,
            primary_key,
            indexes,
            deferred,
            features,
            max_row_bytes: connection.limit(rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH)? as usize,
        }))
    }

    /// Checks that the direct path can fill `table` in the database of `connection`, where it exists if it `is_filled`, and is
    /// created otherwise; if not, returns the reason. Messages name the database `path`.
    ///
    /// # Errors
    /// [`crate::Kind::Sqlite`] if SQLite cannot create or read the table.
    pub fn check(
        table: &Table,
        connection: &Connection,
        is_filled: bool,
        path: &Path,
    ) -> crate::Result<std::result::Result<(), String>> {
        let read = || match is_filled {
            true => Self::read(connection, table),
            false => {
                let scratch = TextEncoding::read(connection)?.open_in_memory()?;
                register_math_functions(&scratch)?;
                scratch.pragma_update(None, "foreign_keys", false)?;
                scratch.execute_batch(&create_table_sql(table))?;
                table.indexes.iter().try_for_each(|sql| scratch.execute_batch(sql))?;
                Self::read(&scratch, table)
            }
        };
        let read =
            read().map_err(|source| Error::sqlite(format!("make table {:?} in", table.name), path, source));
        let schema = match read? {
            Ok(schema) => schema,
            Err(reason) => return Ok(Err(reason)),
        };
        let reason = match (is_filled, table.on_conflict) {
            (true, OnConflict::Update) => schema.reason_against(OnDuplicate::Update, table),
            _ => None,
        };
        Ok(reason.map_or(Ok(()), |reason| Err(reason.to_owned())))
    }

    /// True if SQLite builds a UNIQUE index.
    pub(super) fn has_deferred_unique(&self) -> bool {
        self.deferred.iter().any(|index| index.is_unique)
    }

    /// Why rows break a constraint: for this `cause` if they can be left out. SQLite ends a load into a table with ON CONFLICT
    /// ROLLBACK.
    pub(super) fn cause(&self, cause: Cause) -> Cause {
        if self.features.rolls_back { Cause::Other } else { cause }
    }

    /// What the table itself does with rows that have the key of another row, by ON CONFLICT IGNORE or REPLACE; nothing if they are an
    /// error.
    #[must_use]
    pub fn on_duplicate(&self) -> Option<OnDuplicate> {
        let has_key = self.rowid_column.is_some() || self.primary_key.is_some();
        let has_key =
            has_key || self.indexes.iter().any(|index| index.is_unique) || self.has_deferred_unique();
        match &self.features {
            Features { ignores_conflicts: true, .. } if has_key => Some(OnDuplicate::Ignore),
            Features { replaces_conflicts: true, .. } if has_key => Some(OnDuplicate::Replace),
            _ => None,
        }
    }

    /// The columns of all unique keys.
    pub(super) fn key_columns(&self) -> BTreeSet<usize> {
        let unique = self.indexes.iter().filter(|index| index.is_unique);
        let keys = self.primary_key.iter().chain(unique).flat_map(|index| index.declared());
        self.rowid_column.into_iter().chain(keys.map(|key| key.column)).collect()
    }

    /// True if a NOT NULL column is not loaded and has no default: rows can only update others.
    fn keeps_not_null(&self) -> bool {
        let is_null = |source: &ColumnSource| matches!(source, ColumnSource::Default(default) if default.get() == Value::Null);
        let mut columns = self.columns.iter().enumerate();
        columns.any(|(at, column)| {
            column.is_not_null && self.rowid_column != Some(at) && is_null(&column.source)
        })
    }

    /// True if all loaded columns are part of the primary key, so that updates change nothing.
    pub(crate) fn loads_only_key(&self) -> bool {
        self.columns.iter().all(|column| column.is_key || !matches!(column.source, ColumnSource::Loaded(_)))
    }

    /// True if the table has a primary key, and all its columns are loaded.
    fn is_primary_key_loaded(&self) -> bool {
        let mut key = self.columns.iter().filter(|column| column.is_key).peekable();
        key.peek().is_some() && key.all(|column| matches!(column.source, ColumnSource::Loaded(_)))
    }

    /// Why the rows of `table`, whose schema this is, cannot update or replace others as `policy` says, if there is a reason.
    pub(super) fn reason_against(&self, policy: OnDuplicate, table: &Table) -> Option<&'static str> {
        let keeps_columns = || find_kept(self, table).contains(&true);
        match policy {
            OnDuplicate::Update
                if table.conflict_clause.as_ref().is_some_and(|clause| clause.assigned().is_none()) =>
            {
                Some("SQLite evaluates ON CONFLICT DO UPDATE")
            }
            // Which is an error.
            OnDuplicate::Update if table.conflict_clause.is_none() && !self.is_primary_key_loaded() => {
                Some("the primary key is not loaded")
            }
            OnDuplicate::Update if self.on_duplicate().is_some() => {
                Some("the table has the clause ON CONFLICT IGNORE or REPLACE")
            }
            OnDuplicate::Update if self.keeps_not_null() => {
                Some("rows that are updated keep values of NOT NULL columns without a default")
            }
            OnDuplicate::Update if self.expressions.is_some() && keeps_columns() => {
                Some("rows that are updated keep values, and the table has expressions")
            }
            OnDuplicate::Update if self.primary_key.is_some() && keeps_columns() => {
                Some("rows of a WITHOUT ROWID table are updated and keep values")
            }
            OnDuplicate::Update | OnDuplicate::Replace
                if self.primary_key.is_some() && !self.indexes.is_empty() =>
            {
                Some("rows of a WITHOUT ROWID table that has indexes are updated or replaced")
            }
            _ => None,
        }
    }

    /// The rowid that SQLite assigns to a row after `largest`, the largest so far; `None` if none is left.
    pub(super) fn next_rowid(&self, largest: Option<i64>) -> Option<i64> {
        let next = largest.map_or(Some(1), |largest| largest.checked_add(1))?;
        match &self.sequence {
            None => Some(next),
            Some(sequence) => sequence.largest.checked_add(1).map(|unused| unused.max(next)),
        }
    }

    /// The message of SQLite for two rows with the same key in an index or, for `None`, with the same rowid.
    pub(super) fn duplicate_message(&self, index: Option<usize>) -> String {
        let name = |column: usize| format!("{}.{}", self.table, self.columns[column].name);
        let index = index.map_or(self.primary_key.as_ref(), |index| Some(&self.indexes[index]));
        let columns = match (index, self.rowid_column) {
            (Some(index), _) => {
                let keys = index.declared().iter();
                keys.map(|key| name(key.column)).collect::<Vec<_>>().join(", ")
            }
            (None, Some(column)) => name(column),
            (None, None) => format!("{}.rowid", self.table),
        };
        format!("UNIQUE constraint failed: {columns}")
    }
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<TableColumn>> {
    let is_strict = count(connection, "pragma_table_list(?1) WHERE strict", table)? > 0;
    let column = |row: &Row<'_>| {
        let declared: String = row.get(1)?;
        let strict_type = is_strict.then(|| StrictType::from_declared(&declared));
        let affinity = match strict_type {
            // ANY, which is no type of other tables.
            Some(None) => ColumnAffinity::Blob,
            _ => ColumnAffinity::from_declared_type(&declared),
        };
        Ok(TableColumn {
            name: row.get(0)?,
            affinity,
            is_not_null: row.get(2)?,
            is_key: row.get(3)?,
            strict_type: strict_type.flatten(),
            source: match row.get(4)? {
                // `hidden` is 2 for virtual columns, and 3 for stored ones.
                0 => ColumnSource::Default(DefaultValue::NULL),
                hidden => ColumnSource::Generated { is_stored: hidden == 3 },
            },
        })
    };
    rows(connection, "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1)", table, column)
}

/// Finds out where the columns of the table have their values from. `rowid_column` is the rowid. Returns the reason why the
/// direct path cannot fill the table, if there is one.
fn find_sources(
    connection: &Connection,
    table: &Table,
    columns: &mut [TableColumn],
    rowid_column: Option<usize>,
    encoding: TextEncoding,
) -> Result<Option<String>> {
    let mut has_source: Vec<_> = columns.iter().map(TableColumn::is_generated).collect();
    for (at, loaded) in table.columns.iter().enumerate() {
        let Some(of_table) = columns.iter().position(|column| column.name.eq_ignore_ascii_case(&loaded.name))
        else {
            return Ok(Some(format!("the table has no column {:?}", loaded.name)));
        };
        if columns[of_table].is_generated() {
            return Ok(Some(format!("the column {:?} is generated", loaded.name)));
        }
        columns[of_table].source = ColumnSource::Loaded(at);
        has_source[of_table] = true;
    }
    if let Some(rowid) = rowid_column {
        // SQLite ignores its default.
        has_source[rowid] = true;
    }
    if has_source.iter().all(|has_source| *has_source) {
        return Ok(None);
    }
    let defaults = Defaults::new(encoding)?;
    let sql = "SELECT dflt_value FROM pragma_table_xinfo(?1)";
    let declared = rows(connection, sql, &table.name, |row| row.get::<_, Option<String>>(0))?;
    for ((column, sql), _) in columns.iter_mut().zip(declared).zip(has_source).filter(|(_, has)| !has) {
        let Some(sql) = sql else { continue };
        match defaults.value(&sql, column.affinity)? {
            Some(value) => column.source = ColumnSource::Default(value),
            None => {
                return Ok(Some(format!("the default of the column {:?} is not constant", column.name)));
            }
        }
    }
    Ok(None)
}

pub(super) fn count(connection: &Connection, from: &str, argument: &str) -> Result<i64> {
    connection.query_row(&format!("SELECT count(*), ?1 FROM {from}"), [argument], |row| row.get(0))
}

pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    argument: &str,
    row: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare(sql)?.query_map([argument], row)?.collect()
}
