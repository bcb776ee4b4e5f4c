//! What is at the database's place already: looked at, and left as it is.

use crate::error::{Error, Kind, Result};
use crate::plan::{IfExists, Table};
use crate::schema::table::ExistingColumn;
use rusqlite::ffi::SQLITE_READONLY_ROLLBACK;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Opens the database at `path` for somebody who changes nothing, but for what a killed writer has left half done.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match has_empty_log(path) {
        // Otherwise the log would be made, and left there.
        true => Connection::open_with_flags(immutable_uri(path), flags | OpenFlags::SQLITE_OPEN_URI)?,
        false => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    match connection.pragma_query_value(None, "schema_version", |_| Ok(())) {
        // Whoever may write takes that back before he reads.
        Err(error)
            if error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_READONLY_ROLLBACK) =>
        {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(path, flags)?
                .pragma_query_value(None, "schema_version", |_| Ok(()))?;
        }
        // Other errors come again where they can be said.
        _ => {}
    }
    Ok(connection)
}

/// Whether the database at `path` has a write-ahead log, but no file for that, since nobody has it open.
fn has_empty_log(path: &Path) -> bool {
    /// "WAL", in the read version of the header (file format 1.3.3).
    const READ_VERSION: (u64, u8) = (19, 2);
    let mut version = [0];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut version, READ_VERSION.0));
    read.is_ok() && version[0] == READ_VERSION.1 && !journals_of(path).iter().any(|journal| journal.exists())
}

/// The database at `path` as one that nobody changes.
fn immutable_uri(path: &Path) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let escaped = |byte: &u8| match is_plain(*byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02x}"),
    };
    let path: String = path.as_os_str().as_encoded_bytes().iter().map(escaped).collect();
    format!("file:{path}?immutable=1")
}

/// # Errors
/// [`Kind::TooManyColumns`] if `table` would have more columns than SQLite allows.
pub(super) fn refuse_too_many_columns(connection: &Connection, path: &Path, table: &Table) -> Result<()> {
    let count = || -> rusqlite::Result<(usize, i32)> {
        let count = "SELECT count(*) FROM pragma_table_xinfo(?1)";
        let known = match table.if_exists.fills_existing() {
            true => connection.query_row(count, [&table.name], |row| row.get::<_, u32>(0))? as usize,
            false => 0,
        };
        let limit = connection.limit(rusqlite::limits::Limit::SQLITE_LIMIT_COLUMN)?;
        Ok((if known > 0 { known + table.alterations.len() } else { table.columns.len() }, limit))
    };
    let (found, limit) = count().map_err(|source| Error::sqlite("read", path, source))?;
    match usize::try_from(limit) {
        Ok(limit) if found > limit => Err(Kind::TooManyColumns { found, limit }.into()),
        _ => Ok(()),
    }
}

/// The columns of `table` in the database at `path`; nothing if there is no such table.
///
/// # Errors
/// [`Kind::Sqlite`] if the database can not be read; as [`refuse_name`].
pub(crate) fn existing_columns(path: &Path, table: &Table) -> Result<Option<Vec<ExistingColumn>>> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = open_to_read(path).map_err(|source| Error::sqlite("read", path, source))?;
    refuse_name(&connection, path, table)?;
    let read = || -> rusqlite::Result<Vec<ExistingColumn>> {
        // Generated columns are hidden in ways 2 and 3; ANY is no type at all in STRICT tables, and NUMERIC in others. A key that
        // is the rowid has no index.
        let sql = "SELECT name, iif(type = 'ANY' COLLATE NOCASE AND (SELECT strict FROM pragma_table_list(?1)), '', type), pk,
            pk > 0 AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk'), \"notnull\", hidden > 1
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
            })
        };
        select.query_map([&table.name], column)?.collect()
    };
    let columns = read().map_err(|source| Error::sqlite("read", path, source))?;
    Ok(Some(columns).filter(|columns| !columns.is_empty()))
}

/// The names of all that is in the database at `path`, but for `table` and what belongs to it.
///
/// # Errors
/// [`Kind::Sqlite`] if the database can not be read.
pub(crate) fn existing_names(path: &Path, table: &Table) -> Result<Vec<String>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = || -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT name FROM sqlite_schema WHERE tbl_name <> ?1 COLLATE NOCASE";
        open_to_read(path)?.prepare(sql)?.query_map([&table.name], |row| row.get(0))?.collect()
    };
    read().map_err(|source| Error::sqlite("read", path, source))
}

/// # Errors
/// [`Kind::TableExists`] if there is a table, or a view, called as `table`, and none is to be there; [`Kind::Usage`] if it is
/// to be replaced or filled, and is a view.
pub(super) fn refuse_name(connection: &Connection, path: &Path, table: &Table) -> Result<()> {
    let sql = "SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
    let kind = connection.query_row(sql, [&table.name], |row| row.get::<_, String>(0)).optional();
    match (kind.map_err(|source| Error::sqlite("read", path, source))?.as_deref(), table.if_exists) {
        (Some(_), IfExists::Fail) => {
            Err(Kind::TableExists { path: path.to_owned(), table: table.name.clone() }.into())
        }
        (Some("view"), _) => {
            let (path, name) = (path.display(), &table.name);
            Err(Kind::Usage(format!(
                "{path}: {name:?} is a view, and rows go into tables: choose another name with --table"
            ))
            .into())
        }
        _ => Ok(()),
    }
}

/// If the database at `path` holds nothing but `table` and its views, and nothing else that a new file would lack: its page
/// size in bytes.
pub(super) fn replaceable_page_bytes(
    connection: &Connection,
    path: &Path,
    metadata: &Metadata,
    table: &Table,
) -> Result<Option<u32>> {
    let check = || -> rusqlite::Result<Option<u32>> {
        let integer = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let text = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, String>(0));
        let mut objects = connection.prepare("SELECT type, tbl_name FROM sqlite_schema")?;
        let is_other = |(kind, name): (String, String)| match kind.as_str() {
            // Statistics of a table go with it.
            "table" | "index" => !(name.eq_ignore_ascii_case(&table.name) || name.starts_with("sqlite_stat")),
            "view" => !table.views.iter().any(|view| view.eq_ignore_ascii_case(&name)),
            _ => true,
        };
        let objects = objects.query_map([], |row| Ok(is_other((row.get(0)?, row.get(1)?))))?;
        let has_others = objects.collect::<rusqlite::Result<Vec<_>>>()?.contains(&true);
        let is_plain = !has_others
            && metadata.nlink() == 1
            && text("journal_mode")? == "delete"
            && text("encoding")? == "UTF-8"
            && integer("auto_vacuum")? == 0
            && integer("user_version")? == 0
            && integer("application_id")? == 0
            && !journals_of(path).iter().any(|journal| journal.exists());
        if is_plain { integer("page_size").map(|bytes| u32::try_from(bytes).ok()) } else { Ok(None) }
    };
    check().map_err(|source| Error::sqlite("read", path, source))
}

/// Where a rollback journal and a write-ahead log of the database at `path` would lie.
pub(super) fn journals_of(path: &Path) -> [PathBuf; 2] {
    ["-journal", "-wal"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}
