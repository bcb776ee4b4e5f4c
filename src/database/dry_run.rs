//! A load into memory, to see what would come of it: the table, and some of its rows.

use super::inspect::{open_to_read, refuse_name, refuse_too_many_columns, replaceable_page_bytes};
use super::{real_path, refuse_stray_journals};
use crate::error::{Error, Result};
use crate::plan::{Table, Tuning};
use crate::schema::ddl::{create_table_sql, quote_name};
use rusqlite::{Connection, OptionalExtension};
use std::path::{Path, PathBuf};

/// A database in memory with the table as it would be, and what is known of the place of the real one.
#[derive(Debug)]
pub(crate) struct Trial {
    /// The database's place, without symbolic links.
    pub(crate) path: PathBuf,
    /// Whether a new file would be made.
    pub(crate) is_new: bool,
    /// Whether the table is there already.
    pub(crate) is_there: bool,
    /// The SQL that makes the table and its indexes, or has made them, and what changes one that is there.
    pub(crate) statements: Vec<String>,
    pub(crate) connection: Connection,
}

impl Trial {
    /// Makes `table` in memory as it would be made in, or is in, the database at `path`.
    ///
    /// # Errors
    /// As [`super::Target::open`]; what can only be known by locking the database is not.
    pub(crate) fn open(path: &Path, table: &Table, tuning: &Tuning) -> Result<Self> {
        let path = real_path(path)?;
        let failed = |source| Error::sqlite(format!("make table {:?} in", table.name), &path, source);
        let known = match path.symlink_metadata() {
            Err(_) => {
                refuse_stray_journals(&path)?;
                None
            }
            Ok(metadata) => {
                Some((open_to_read(&path).map_err(|source| Error::sqlite("read", &path, source))?, metadata))
            }
        };
        let (mut is_new, mut schema, mut page_bytes) = (true, Vec::new(), tuning.page_bytes);
        if let Some((known, metadata)) = &known {
            refuse_name(known, &path, table)?;
            let replaceable = if table.if_exists.fills_existing() {
                schema = schema_of(known, table).map_err(failed)?;
                None
            } else {
                replaceable_page_bytes(known, &path, metadata, table)?
            };
            is_new = replaceable.is_some();
            let pragma = |row: &rusqlite::Row<'_>| row.get(0);
            let own = known.pragma_query_value(None, "page_size", pragma).map_err(failed)?;
            page_bytes = if is_new { page_bytes.or(replaceable) } else { Some(own) };
        }
        let is_there = !schema.is_empty();
        schema.extend(if is_there { table.alterations.clone() } else { vec![create_table_sql(table)] });
        let make = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_in_memory()?;
            page_bytes.map_or(Ok(()), |bytes| connection.pragma_update(None, "page_size", bytes))?;
            connection.pragma_update(None, "foreign_keys", false)?;
            Ok(connection)
        };
        let connection = make().map_err(failed)?;
        refuse_too_many_columns(known.as_ref().map_or(&connection, |(known, _)| known), &path, table)?;
        schema.iter().try_for_each(|sql| connection.execute_batch(sql)).map_err(failed)?;
        connection.execute_batch("BEGIN").map_err(failed)?;
        // The rows come before these.
        schema.extend(if is_there { Vec::new() } else { table.indexes.clone() });
        Ok(Self { path, is_new, is_there, statements: schema, connection })
    }

    /// The names of the columns, and the first `max_rows` rows, each value as SQL writes it; of a long one no more than
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
            // A text may be none in UTF-8.
            let cell = |row: &rusqlite::Row<'_>, column| {
                Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
            };
            let row = |row: &rusqlite::Row<'_>| (0..names.len()).map(|column| cell(row, column)).collect();
            let rows = select.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(std::iter::once(names.clone()).chain(rows).collect())
        };
        read().map_err(|source| Error::sqlite("read", &self.path, source))
    }

    /// Completes the table, and says how many bytes the database has.
    ///
    /// # Errors
    /// [`crate::Kind::Sqlite`].
    pub(crate) fn finish(&self, unfinished: &[String]) -> Result<u64> {
        let finish = || -> rusqlite::Result<i64> {
            unfinished.iter().try_for_each(|sql| self.connection.execute_batch(sql))?;
            let number =
                |pragma: &str| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
            Ok(number("page_count")? * number("page_size")?)
        };
        let bytes = finish().map_err(|source| Error::sqlite("complete", &self.path, source))?;
        Ok(bytes.cast_unsigned())
    }
}

/// The SQL of a table that is there and of its indexes; nothing if it is not there.
fn schema_of(connection: &Connection, table: &Table) -> rusqlite::Result<Vec<String>> {
    let known = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    let Some(name) = connection.query_row(known, [&table.name], |row| row.get::<_, String>(0)).optional()?
    else {
        return Ok(Vec::new());
    };
    let sql =
        "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 AND type IN ('table', 'index') AND sql IS NOT NULL
        ORDER BY type = 'index'";
    connection.prepare(sql)?.query_map([name], |row| row.get(0))?.collect()
}
