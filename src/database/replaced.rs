//! What a load replaces: the rows, indexes and triggers of a table, and the views that read it. Or the rows that it deletes.

use crate::plan::{IfExists, Table};
use crate::report::Replaced;
use crate::schema::ddl::quote_name;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is lost if `table` is created or emptied in this database; `None` if the plan does neither, or there is no such table.
///
/// # Errors
/// If the database cannot be read.
pub(super) fn replaced(connection: &mut Connection, table: &Table) -> rusqlite::Result<Option<Replaced>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    let name = connection.query_row(sql, [&table.name], |row| row.get::<_, String>(0)).optional()?;
    let Some(name) = name else { return Ok(None) };
    match table.if_exists {
        IfExists::Replace => {}
        IfExists::Truncate => {
            let rows = count_rows(connection, &name)?;
            return Ok(Some(Replaced { rows, keeps_table: true, ..Replaced::default() }));
        }
        _ => return Ok(None),
    }
    let names = |kind: &str| -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = ?1 AND tbl_name = ?2 AND sql IS NOT NULL";
        connection.prepare(sql)?.query_map([kind, &name], |row| row.get(0))?.collect()
    };
    let rows = count_rows(connection, &name)?;
    let (indexes, triggers) = (names("index")?, names("trigger")?);
    let mut views = views_that_read(connection, &name)?;
    views.retain(|view| !table.views.iter().any(|created| created.name.eq_ignore_ascii_case(view)));
    Ok(Some(Replaced { rows, indexes, triggers, views, keeps_table: false }))
}

/// Counts rows. This visits every page of the table or of an index, so the file is mapped for it, which takes a seventh of the
/// time of reading.
fn count_rows(connection: &Connection, table: &str) -> rusqlite::Result<u64> {
    connection.pragma_update(None, "mmap_size", i64::MAX)?;
    let sql = format!("SELECT count(*) FROM {}", quote_name(table));
    let rows = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
    connection.pragma_update(None, "mmap_size", 0)?;
    rows.map(i64::cast_unsigned)
}

/// The views that SQLite can prepare and that read `table`.
fn views_that_read(connection: &mut Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut views: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY rowid")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let is_read = Arc::new(AtomicBool::new(false));
    let (seen, table) = (is_read.clone(), table.to_owned());
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if let AuthAction::Read { table_name, .. } = context.action
            && table_name.eq_ignore_ascii_case(&table)
        {
            seen.store(true, Ordering::Relaxed);
        }
        Authorization::Allow
    }))?;
    views.retain(|view| {
        is_read.store(false, Ordering::Relaxed);
        prepare_view(connection, view).is_ok() && is_read.load(Ordering::Relaxed)
    });
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    Ok(views)
}

/// Prepares a query that reads everything in `view`.
pub(super) fn prepare_view(connection: &Connection, view: &str) -> rusqlite::Result<()> {
    connection.prepare(&format!("SELECT * FROM {}", quote_name(view))).map(drop)
}

/// A table whose triggers or foreign keys refer to a table that is replaced.
#[derive(Debug)]
pub(super) struct Referrer {
    pub(super) table: String,
    /// Statements that SQLite can prepare as long as the triggers and keys fit.
    statements: Vec<String>,
}

impl Referrer {
    /// Why a statement cannot be prepared any more; `None` if all can.
    pub(super) fn broken_by(&self, connection: &Connection) -> Option<rusqlite::Error> {
        self.statements.iter().find_map(|sql| connection.prepare(sql).err())
    }
}

/// The other tables that refer to `table`.
///
/// # Errors
/// If the database cannot be read.
pub(super) fn referrers(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Referrer>> {
    let sql = "SELECT tbl_name FROM sqlite_schema
            WHERE type = 'trigger' AND tbl_name <> ?1 COLLATE NOCASE AND instr(lower(sql), lower(?1))
        UNION SELECT s.name FROM sqlite_schema s, pragma_foreign_key_list(s.name) k
            WHERE s.type = 'table' AND s.name <> ?1 COLLATE NOCASE AND k.\"table\" = ?1 COLLATE NOCASE";
    let mut tables = connection.prepare(sql)?;
    let tables = tables.query_map([table], |row| row.get::<_, String>(0))?;
    let referrer = |table: rusqlite::Result<String>| {
        let table = table?;
        let name = quote_name(&table);
        let mut columns = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns = columns.query_map([&table], |row| row.get::<_, String>(0))?;
        let set =
            |column: rusqlite::Result<String>| column.map(|column| format!("{0} = {0}", quote_name(&column)));
        let set = columns.map(set).collect::<rusqlite::Result<Vec<_>>>()?.join(", ");
        let mut statements = vec![
            format!("INSERT INTO {name} DEFAULT VALUES"),
            format!("UPDATE {name} SET {set}"),
            format!("DELETE FROM {name}"),
            format!("PRAGMA foreign_key_check({name})"),
        ];
        statements.retain(|sql| connection.prepare(sql).is_ok());
        Ok(Referrer { table, statements })
    };
    tables.map(referrer).collect()
}
