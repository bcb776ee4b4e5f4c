//! Read-only inspection of an existing database.

use crate::error::{Error, Kind, PlanError, Result};
use crate::files::descriptors::{FileId, open_without_waiting};
use crate::files::paths;
use crate::plan::{IfExists, Table, View};
use crate::schema::ddl::quote_name;
use crate::schema::table::{ExistingColumn, ExistingIndex, ExistingKeys};
use rusqlite::ffi::SQLITE_READONLY_ROLLBACK;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

/// Opens the database at `path` for reading. Changes nothing, except that it rolls back a hot journal of a killed
/// writer. Waits `busy_timeout` for locks.
pub(super) fn open_to_read(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match has_empty_log(path) {
        // A plain open would create the log and leave it behind.
        true => Connection::open_with_flags(immutable_uri(path), flags | OpenFlags::SQLITE_OPEN_URI)?,
        false => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_timeout(busy_timeout)?;
    match connection.pragma_query_value(None, "schema_version", |_| Ok(())) {
        // A hot journal: only a connection that may write can roll it back, and it does so before it reads.
        Err(error)
            if error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_READONLY_ROLLBACK) =>
        {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(path, flags)?
                .pragma_query_value(None, "schema_version", |_| Ok(()))?;
        }
        // The next statement would wait once more.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => return Err(error),
        // The next statement reports any other error.
        _ => {}
    }
    Ok(connection)
}

/// True if the database at `path` is in WAL mode but has no log file, because no connection is open.
fn has_empty_log(path: &Path) -> bool {
    /// Offset of the read version in the database header, and its value for WAL (file format section 1.3.3).
    const READ_VERSION: (u64, u8) = (19, 2);
    // To close a file drops the locks that another thread of this process has on it.
    if FileId::at(path).is_none_or(FileId::is_open_in_process) {
        return false;
    }
    let mut version = [0];
    let read = open_without_waiting(path).and_then(|file| file.read_exact_at(&mut version, READ_VERSION.0));
    read.is_ok()
        && version[0] == READ_VERSION.1
        && !paths::journals(path).iter().any(|journal| journal.exists())
}

/// A URI that opens the database at `path` as immutable, so that SQLite needs neither locks nor a log.
fn immutable_uri(path: &Path) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let escaped = |byte: &u8| match is_plain(*byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02x}"),
    };
    let path: String = path.as_os_str().as_encoded_bytes().iter().map(escaped).collect();
    format!("file:{path}?immutable=1")
}

/// Checks that `table` would not have more columns than SQLite allows.
///
/// # Errors
/// [`Kind::TooManyColumns`] if it would, [`Kind::Sqlite`] if the database cannot be read.
pub(super) fn check_column_count(connection: &Connection, path: &Path, table: &Table) -> Result<()> {
    let count = || -> rusqlite::Result<(usize, i32)> {
        let count = "SELECT count(*) FROM pragma_table_xinfo(?1)";
        let existing = match table.if_exists.fills_existing() {
            true => connection.query_row(count, [&table.name], |row| row.get::<_, u32>(0))? as usize,
            false => 0,
        };
        let limit = connection.limit(rusqlite::limits::Limit::SQLITE_LIMIT_COLUMN)?;
        Ok((if existing > 0 { existing + table.alterations.len() } else { table.columns.len() }, limit))
    };
    let (found, limit) = count().map_err(|source| Error::sqlite("read", path, source))?;
    match usize::try_from(limit) {
        Ok(limit) if found > limit => Err(Kind::TooManyColumns { found, limit }.into()),
        _ => Ok(()),
    }
}

/// Returns the columns of `table` in the database at `path`, or `None` if the database or the table does not exist.
///
/// # Errors
/// [`Kind::Sqlite`] if the database cannot be read; the errors of [`check_table_name`].
pub(crate) fn existing_columns(
    path: &Path,
    table: &Table,
    busy_timeout: Duration,
) -> Result<Option<Vec<ExistingColumn>>> {
    let path = &paths::resolve(path)?;
    if !path.exists() {
        return Ok(None);
    }
    let connection =
        open_to_read(path, busy_timeout).map_err(|source| Error::sqlite("read", path, source))?;
    check_table_name(&connection, path, table)?;
    let read = || -> rusqlite::Result<Vec<ExistingColumn>> {
        // `hidden` is 1 for hidden columns of virtual tables, 2 and 3 for generated columns. ANY means no conversion
        // in STRICT tables, and NUMERIC affinity in others. A primary key that is the rowid has no index.
        let sql = "SELECT name, iif(type = 'ANY' COLLATE NOCASE AND (SELECT strict FROM pragma_table_list(?1)), '', type), pk,
            pk > 0 AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk'), \"notnull\", hidden > 1,
            (SELECT strict FROM pragma_table_list(?1)) IS 1
            FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid";
        let mut select = connection.prepare(sql)?;
        let column = |row: &rusqlite::Row<'_>| {
            Ok(ExistingColumn {
                name: row.get(0)?,
                declared_type: row.get(1)?,
                primary_key_position: row.get(2)?,
                is_rowid: row.get(3)?,
                is_not_null: row.get(4)?,
                is_generated: row.get(5)?,
                is_strict: row.get(6)?,
            })
        };
        select.query_map([&table.name], column)?.collect()
    };
    let columns = read().map_err(|source| Error::sqlite("read", path, source))?;
    Ok(Some(columns).filter(|columns| !columns.is_empty()))
}

/// Returns the indexes and properties of `table` in the database at `path`, where it exists.
///
/// # Errors
/// [`Kind::Sqlite`] if the database cannot be read.
pub(crate) fn existing_keys(path: &Path, table: &Table, busy_timeout: Duration) -> Result<ExistingKeys> {
    let path = &paths::resolve(path)?;
    let read = || -> rusqlite::Result<ExistingKeys> {
        let connection = open_to_read(path, busy_timeout)?;
        let sql = "SELECT wr, strict FROM pragma_table_list(?1) WHERE schema = 'main'";
        let (is_without_rowid, is_strict) =
            connection.query_row(sql, [&table.name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let sql = "SELECT list.name, list.\"unique\", coalesce(info.name, '')
            FROM pragma_index_list(?1) AS list, pragma_index_info(list.name) AS info
            WHERE NOT partial ORDER BY list.seq, info.seqno";
        let mut select = connection.prepare(sql)?;
        let mut indexes: Vec<(String, ExistingIndex)> = Vec::new();
        let mut rows = select.query([&table.name])?;
        while let Some(row) = rows.next()? {
            let (name, column): (String, String) = (row.get(0)?, row.get(2)?);
            match indexes.last_mut() {
                Some((last, index)) if *last == name => index.columns.push(column),
                _ => indexes.push((name, ExistingIndex { columns: vec![column], is_unique: row.get(1)? })),
            }
        }
        let indexes = indexes.into_iter().map(|(_, index)| index).collect();
        Ok(ExistingKeys { indexes, is_strict, is_without_rowid })
    };
    read().map_err(|source| Error::sqlite("read", path, source))
}

/// Returns those of `columns` that have numbers in the first rows of `table` in the database at `path`, where it exists.
///
/// # Errors
/// [`Kind::Sqlite`] if the database cannot be read.
pub(crate) fn columns_with_numbers(
    path: &Path,
    table: &Table,
    columns: &[&str],
    busy_timeout: Duration,
) -> Result<Vec<String>> {
    const ROWS: u32 = 100;
    let path = &paths::resolve(path)?;
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = open_to_read(path, busy_timeout)?;
        let mut with_numbers = Vec::new();
        for column in columns {
            let (name, table) = (quote_name(column), quote_name(&table.name));
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM (SELECT {name} AS value FROM main.{table} LIMIT {ROWS})
                WHERE typeof(value) IN ('integer', 'real'))"
            );
            if connection.query_row(&sql, [], |row| row.get(0))? {
                with_numbers.push((*column).to_owned());
            }
        }
        Ok(with_numbers)
    };
    read().map_err(|source| Error::sqlite("read", path, source))
}

/// Returns the names of all objects in the database at `path`, except `tables` and their indexes and triggers. Empty if
/// the database does not exist.
///
/// # Errors
/// [`Kind::Sqlite`] if the database cannot be read.
pub(crate) fn existing_names(path: &Path, tables: &[String], busy_timeout: Duration) -> Result<Vec<String>> {
    let path = &paths::resolve(path)?;
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = open_to_read(path, busy_timeout)?;
        let mut objects = connection.prepare("SELECT tbl_name, name FROM sqlite_schema")?;
        let objects =
            objects.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let objects = objects.collect::<rusqlite::Result<Vec<_>>>()?;
        let is_other = |table: &String| !tables.iter().any(|excluded| excluded.eq_ignore_ascii_case(table));
        Ok(objects.into_iter().filter(|(table, _)| is_other(table)).map(|(_, name)| name).collect())
    };
    read().map_err(|source| Error::sqlite("read", path, source))
}

/// Returns the SQL of all indexes and views in the database at `path`, as SQLite stores it. Empty if the database does not
/// exist.
///
/// # Errors
/// [`Kind::Sqlite`] if the database cannot be read.
pub(crate) fn existing_sql(path: &Path, busy_timeout: Duration) -> Result<HashSet<String>> {
    let path = &paths::resolve(path)?;
    if !path.exists() {
        return Ok(HashSet::new());
    }
    let read = || -> rusqlite::Result<HashSet<String>> {
        let sql = "SELECT sql FROM sqlite_schema WHERE type IN ('index', 'view') AND sql IS NOT NULL";
        open_to_read(path, busy_timeout)?.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|source| Error::sqlite("read", path, source))
}

/// Checks that the name of `table` is free, or that the table may be filled or replaced; and the same for its views.
///
/// # Errors
/// [`Kind::ViewExists`];
/// [`PlanError::TargetIsView`] if a view has this name, [`Kind::TableExists`] if a table has it and the plan expects none,
/// [`Kind::Sqlite`] if the database cannot be read.
pub(super) fn check_table_name(connection: &Connection, path: &Path, table: &Table) -> Result<()> {
    let sql = "SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
    let kind = connection.query_row(sql, [&table.name], |row| row.get::<_, String>(0)).optional();
    match (kind.map_err(|source| Error::sqlite("read", path, source))?.as_deref(), table.if_exists) {
        (Some("view"), _) => {
            Err(PlanError::TargetIsView { path: path.to_owned(), name: table.name.clone() }.into())
        }
        (Some(_), IfExists::Fail) => {
            let (path, place) = (path.to_owned(), table.place.clone());
            Err(Kind::TableExists { path, table: table.name.clone(), place }.into())
        }
        _ => check_view_names(connection, path, table),
    }
}

/// Checks that the views of `table` do not exist, unless they are to be replaced.
fn check_view_names(connection: &Connection, path: &Path, table: &Table) -> Result<()> {
    let exists = |view: &View| {
        let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE";
        connection.query_row(sql, [&view.name], |row| row.get::<_, bool>(0))
    };
    for view in &table.views {
        if table.if_exists != IfExists::Replace
            && !view.is_replaced
            && exists(view).map_err(|source| Error::sqlite("read", path, source))?
        {
            return Err(Kind::ViewExists { path: path.to_owned(), view: view.name.clone() }.into());
        }
    }
    Ok(())
}

/// True if the load adds rows to a table that exists.
///
/// # Errors
/// If the database cannot be read.
pub(super) fn keeps_rows(connection: &Connection, table: &Table) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    Ok(table.if_exists.fills_existing()
        && connection.query_row(sql, [&table.name], |row| row.get::<_, bool>(0))?)
}

/// Returns the page size in bytes of the database at `path` if a new file can replace it: if it contains nothing but
/// `tables` and their views, and has no other property that a new file would lose.
///
/// # Errors
/// [`Kind::Sqlite`] if the database cannot be read.
pub(super) fn replaceable_page_bytes(
    connection: &Connection,
    path: &Path,
    metadata: &Metadata,
    tables: &[&Table],
) -> Result<Option<u32>> {
    let is_empty = metadata.len() == 0;
    let check = || -> rusqlite::Result<Option<u32>> {
        let integer = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let text = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, String>(0));
        let mut objects = connection.prepare("SELECT type, tbl_name FROM sqlite_schema")?;
        let is_other = |(kind, name): (String, String)| match kind.as_str() {
            // The statistics tables do not count.
            "table" | "index" => {
                let is_replaced = tables.iter().any(|table| name.eq_ignore_ascii_case(&table.name));
                !(is_replaced || name.starts_with("sqlite_stat"))
            }
            "view" => {
                let mut views = tables.iter().flat_map(|table| &table.views);
                !views.any(|view| view.name.eq_ignore_ascii_case(&name))
            }
            _ => true,
        };
        let objects = objects.query_map([], |row| Ok(is_other((row.get(0)?, row.get(1)?))))?;
        let has_other_content = objects.collect::<rusqlite::Result<Vec<_>>>()?.contains(&true);
        let has_default_settings = (is_empty || text("journal_mode")? == "delete")
            && text("encoding")? == "UTF-8"
            && integer("auto_vacuum")? == 0
            && integer("user_version")? == 0
            && integer("application_id")? == 0;
        let has_one_name = metadata.nlink() == 1;
        let has_journal = paths::journals(path).iter().any(|journal| journal.exists());
        let can_be_replaced = !has_other_content && has_default_settings && has_one_name && !has_journal;
        Ok(u32::try_from(integer("page_size")?).ok().filter(|_| can_be_replaced))
    };
    check().map_err(|source| Error::sqlite("read", path, source))
}
