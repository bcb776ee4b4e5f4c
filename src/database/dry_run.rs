//! Dry runs: a load into a database in memory, which shows the table and some of its rows.

use super::in_place::unsupported_reason;
use super::inspect::{check_column_count, check_table_name, open_to_read, replaceable_page_bytes};
use super::open::{check_no_stray_journal, check_open_nowhere, resolve_path};
use super::replaced::replaced;
use crate::error::{Error, Result};
use crate::plan::{Table, Tuning};
use crate::report::Replaced;
use crate::schema::ddl::{create_table_sql, quote_name};
use crate::types::register_math_functions;
use rusqlite::{Connection, OptionalExtension};
use std::path::{Path, PathBuf};

/// A database in memory that contains the table as the load would create it, and facts about the real database.
#[derive(Debug)]
pub(crate) struct DryRun {
    /// Path of the real database, with symbolic links resolved.
    pub(crate) path: PathBuf,
    /// Why the direct path cannot write to the database; `None` if it can.
    pub(crate) statements_reason: Option<&'static str>,
    /// What the load would replace or delete.
    pub(crate) replaced: Option<Replaced>,
    /// True if the table exists and the load would add to it.
    pub(crate) table_exists: bool,
    /// The SQL that creates the table and its indexes. For an existing table: the SQL that created them, then the
    /// alterations.
    pub(crate) statements: Vec<String>,
    /// The database in memory, in a transaction.
    pub(crate) connection: Connection,
}

impl DryRun {
    /// Creates `table` in memory as the load would create it, or as it exists, in the database at `path`. It is one of
    /// `tables`, those that the load fills.
    ///
    /// # Errors
    /// The same as [`super::Target::open`], except for errors that show only when the database is locked.
    pub(crate) fn open(path: &Path, table: &Table, tables: &[&Table], tuning: &Tuning) -> Result<Self> {
        let path = resolve_path(path)?;
        let failed = |source| Error::sqlite(format!("create table {:?} in", table.name), &path, source);
        let mut existing = match path.symlink_metadata() {
            Err(_) => {
                check_no_stray_journal(&path)?;
                None
            }
            Ok(metadata) => {
                let open_nowhere = check_open_nowhere(&path);
                let existing = open_to_read(&path, tuning.busy_timeout)
                    .map_err(|source| Error::sqlite("read", &path, source))?;
                Some((existing, metadata, open_nowhere))
            }
        };
        let (mut statements_reason, mut schema, mut page_bytes) = (None, Vec::new(), tuning.page_bytes);
        let (mut replaced_content, mut encoding) = (None, "UTF-8".to_owned());
        if let Some((existing, metadata, open_nowhere)) = &mut existing {
            check_table_name(existing, &path, table)?;
            replaced_content = replaced(existing, table).map_err(failed)?;
            if table.if_exists.fills_existing() {
                schema = existing_schema(existing, table).map_err(failed)?;
            }
            let replaceable = match schema.is_empty() && *open_nowhere {
                true => replaceable_page_bytes(existing, &path, metadata, tables)?,
                false => None,
            };
            let pragma = |row: &rusqlite::Row<'_>| row.get(0);
            let existing_page_bytes =
                existing.pragma_query_value(None, "page_size", pragma).map_err(failed)?;
            match replaceable {
                Some(replaceable) => page_bytes = page_bytes.or(Some(replaceable)),
                None => {
                    page_bytes = Some(existing_page_bytes);
                    encoding =
                        existing.pragma_query_value(None, "encoding", |row| row.get(0)).map_err(failed)?;
                    statements_reason = unsupported_reason(existing, &path).map_err(failed)?;
                }
            }
        }
        let table_exists = !schema.is_empty();
        schema.extend(if table_exists { table.alterations.clone() } else { vec![create_table_sql(table)] });
        let open_in_memory = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_in_memory()?;
            register_math_functions(&connection)?;
            connection.pragma_update(None, "encoding", &encoding)?;
            page_bytes.map_or(Ok(()), |bytes| connection.pragma_update(None, "page_size", bytes))?;
            connection.pragma_update(None, "foreign_keys", false)?;
            Ok(connection)
        };
        let connection = open_in_memory().map_err(failed)?;
        check_column_count(existing.as_ref().map_or(&connection, |(existing, ..)| existing), &path, table)?;
        schema.iter().try_for_each(|sql| connection.execute_batch(sql)).map_err(failed)?;
        connection.execute_batch("BEGIN").map_err(failed)?;
        // A load creates the indexes after the rows.
        schema.extend(if table_exists { Vec::new() } else { table.indexes.clone() });
        Ok(Self {
            path,
            statements_reason,
            replaced: replaced_content,
            table_exists,
            statements: schema,
            connection,
        })
    }

    /// Returns the column names, then the first `max_rows` rows. Each value is an SQL literal, truncated after
    /// `max_chars` characters.
    ///
    /// # Errors
    /// [`crate::Kind::Sqlite`].
    pub(crate) fn rows(&self, table: &Table, max_rows: u32, max_chars: u32) -> Result<Vec<Vec<String>>> {
        let read = || -> rusqlite::Result<Vec<Vec<String>>> {
            let name = quote_name(&table.name);
            let select = self.connection.prepare(&format!("SELECT * FROM {name}"))?;
            let names: Vec<_> = select.column_names().map(str::to_owned).collect();
            let literal = |column: &String| format!("substr(quote({}), 1, {max_chars})", quote_name(column));
            let literals = names.iter().map(literal).collect::<Vec<_>>().join(", ");
            let sql = format!("SELECT {literals} FROM {name} LIMIT {max_rows}");
            let mut select = self.connection.prepare(&sql)?;
            // TEXT in a database need not be valid UTF-8.
            let cell = |row: &rusqlite::Row<'_>, column| {
                Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
            };
            let row = |row: &rusqlite::Row<'_>| (0..names.len()).map(|column| cell(row, column)).collect();
            let rows = select.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(std::iter::once(names.clone()).chain(rows).collect())
        };
        read().map_err(|source| Error::sqlite("read", &self.path, source))
    }

    /// Runs the `unfinished` statements of the schema, and returns the size of the database in bytes.
    ///
    /// # Errors
    /// [`crate::Kind::Sqlite`].
    pub(crate) fn finish_schema(&self, unfinished: &[String]) -> Result<u64> {
        let run = || -> rusqlite::Result<i64> {
            unfinished.iter().try_for_each(|sql| self.connection.execute_batch(sql))?;
            let number =
                |pragma: &str| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
            Ok(number("page_count")? * number("page_size")?)
        };
        let bytes = run().map_err(|source| Error::sqlite("finish the schema of", &self.path, source))?;
        Ok(bytes.cast_unsigned())
    }
}

/// The SQL of an existing table and its indexes. Empty if the table does not exist.
fn existing_schema(connection: &Connection, table: &Table) -> rusqlite::Result<Vec<String>> {
    let name_sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    let Some(name) =
        connection.query_row(name_sql, [&table.name], |row| row.get::<_, String>(0)).optional()?
    else {
        return Ok(Vec::new());
    };
    let sql =
        "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 AND type IN ('table', 'index') AND sql IS NOT NULL
        ORDER BY type = 'index'";
    connection.prepare(sql)?.query_map([name], |row| row.get(0))?.collect()
}
