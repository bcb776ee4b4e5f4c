//! The schema of a table as SQLite has understood it: tree roots, column affinities, indexes, and whether the direct
//! path supports all of it. SQLite is the authority: nothing here parses SQL.

use super::collation::{Collation, KeyOrder};
use super::defaults::{DefaultValue, Defaults};
use super::features::{ignores_conflicts, is_autoincrement, unsupported_feature};
use super::sequence::Sequence;
use super::strict::StrictType;
use super::text_encoding::TextEncoding;
use crate::error::Error;
use crate::plan::{OnConflict, Table};
use crate::schema::ddl::create_table_sql;
use crate::types::{ColumnAffinity, register_math_functions};
use rusqlite::{Connection, Result, Row};
use std::path::Path;

/// The parts of a table's schema that its rows depend on.
#[derive(Debug)]
pub struct Schema {
    pub(super) page_bytes: usize,
    pub(super) encoding: TextEncoding,
    /// Pages of the database so far.
    pub(super) page_count: u32,
    pub(super) root: u32,
    pub(super) table: String,
    pub(super) columns: Vec<TableColumn>,
    /// The column that is an alias of the rowid (INTEGER PRIMARY KEY).
    pub(super) rowid_column: Option<usize>,
    /// For AUTOINCREMENT.
    pub(super) sequence: Option<Sequence>,
    pub(super) indexes: Vec<Index>,
    /// Names of the indexes that SQLite builds.
    pub(super) deferred: Vec<String>,
    /// True if one of them is UNIQUE.
    pub(super) has_deferred_unique: bool,
    /// True if the table itself ignores rows with the key of another row.
    ignores_duplicates: bool,
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
}

#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) root: u32,
    pub(super) is_unique: bool,
    pub(super) keys: Vec<KeyColumn>,
    /// SQLite checks indexes in the order of these numbers.
    pub(super) check_rank: i64,
}

/// A column of an index key. The rowid follows the last one.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyColumn {
    /// The index of the column in the table.
    pub(super) column: usize,
    pub(super) order: KeyOrder,
}

impl Schema {
    /// Reads the schema of `table`, which exists, or returns the reason why the direct path cannot fill it.
    ///
    /// # Errors
    /// The error of SQLite.
    pub fn read(connection: &Connection, table: &Table) -> Result<std::result::Result<Self, String>> {
        let name = table.name.as_str();
        let encoding = TextEncoding::read(connection)?;
        if let Some(reason) = unsupported_feature(connection, name, encoding)? {
            return Ok(Err(reason.to_owned()));
        }
        let mut columns = columns(connection, name)?;
        // A primary key without an index is the rowid.
        let is_rowid = count(connection, "pragma_index_list(?1) WHERE origin = 'pk'", name)? == 0;
        let rowid_column = columns.iter().position(|column| column.is_key).filter(|_| is_rowid);
        if let Some(reason) = find_sources(connection, table, &mut columns, rowid_column, encoding)? {
            return Ok(Err(reason));
        }
        let integer = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let sequence = match is_autoincrement(connection, name)? {
            true => Some(Sequence::read(connection, name)?),
            false => None,
        };
        let mut schema = Self {
            page_bytes: integer("page_size")? as usize,
            encoding,
            page_count: integer("page_count")? as u32,
            root: connection.query_row(
                "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
                [name],
                |row| row.get(0),
            )?,
            table: name.to_owned(),
            columns,
            rowid_column,
            sequence,
            indexes: Vec::new(),
            deferred: Vec::new(),
            has_deferred_unique: false,
            ignores_duplicates: ignores_conflicts(connection, name)?,
            max_row_bytes: connection.limit(rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH)? as usize,
        };
        schema.read_indexes(connection)?;
        Ok(Ok(schema))
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
        if is_filled && table.on_conflict == OnConflict::Update {
            return Ok(Err("the table may have rows with the same keys".to_owned()));
        }
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
        Ok(read?.map(drop))
    }

    fn read_indexes(&mut self, connection: &Connection) -> Result<()> {
        const INDEXES: &str =
            "SELECT l.name, s.rootpage, l.\"unique\", l.partial, l.seq FROM pragma_index_list(?1) l
            JOIN sqlite_schema s ON s.name = l.name AND s.type = 'index' ORDER BY s.rootpage";
        const KEYS: &str = "SELECT cid, \"desc\", coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno";
        let index = |row: &Row<'_>| {
            let name: String = row.get(0)?;
            Ok((name, row.get(1)?, row.get(2)?, row.get::<_, bool>(3)?, row.get(4)?))
        };
        for (name, root, is_unique, is_partial, check_rank) in rows(connection, INDEXES, &self.table, index)?
        {
            let key = |row: &Row<'_>| {
                // Others are refused before.
                let collation = Collation::from_name(&row.get::<_, String>(2)?).unwrap_or(Collation::Binary);
                Ok((row.get::<_, i64>(0)?, KeyOrder { is_descending: row.get(1)?, collation }))
            };
            let keys = rows(connection, KEYS, &name, key)?;
            let key = |(column, order)| match (usize::try_from(column), self.rowid_column) {
                (Ok(column), _) => Some(KeyColumn { column, order }),
                // -1 is the rowid, -2 an expression.
                (Err(_), Some(column_of_rowid)) if column == -1 => {
                    Some(KeyColumn { column: column_of_rowid, order })
                }
                _ => None,
            };
            match keys.into_iter().map(key).collect() {
                Some(keys) if !is_partial => {
                    self.indexes.push(Index { name, root, is_unique, keys, check_rank });
                }
                _ => {
                    self.has_deferred_unique |= is_unique;
                    self.deferred.push(name);
                }
            }
        }
        Ok(())
    }

    /// True if the table itself ignores rows with the key of another row, by ON CONFLICT IGNORE.
    #[must_use]
    pub fn ignores_duplicates(&self) -> bool {
        let has_key = self.rowid_column.is_some() || self.indexes.iter().any(|index| index.is_unique);
        self.ignores_duplicates && (has_key || self.has_deferred_unique)
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
        let columns = match (index, self.rowid_column) {
            (Some(index), _) => {
                let keys = self.indexes[index].keys.iter();
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
            source: ColumnSource::Default(DefaultValue::NULL),
        })
    };
    rows(connection, "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1)", table, column)
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
    let mut has_source = vec![false; columns.len()];
    for (at, loaded) in table.columns.iter().enumerate() {
        let Some(of_table) = columns.iter().position(|column| column.name.eq_ignore_ascii_case(&loaded.name))
        else {
            return Ok(Some(format!("the table has no column {:?}", loaded.name)));
        };
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
    let sql = "SELECT dflt_value FROM pragma_table_info(?1)";
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

fn rows<T>(
    connection: &Connection,
    sql: &str,
    argument: &str,
    row: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare(sql)?.query_map([argument], row)?.collect()
}
