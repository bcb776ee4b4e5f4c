//! The SQL that declares tables, and names and texts in SQL.

use crate::plan::{Column, Table};

/// CREATE TABLE for `table`.
pub(crate) fn create_table_sql(table: &Table) -> String {
    if let Some(sql) = &table.sql {
        return sql.clone();
    }
    let columns = table.columns.iter().map(column_sql);
    let parts = columns.chain(table.constraints.iter().cloned()).collect::<Vec<_>>().join(", ");
    let options = match (table.is_strict, table.is_without_rowid) {
        (false, false) => "",
        (true, false) => " STRICT",
        (false, true) => " WITHOUT ROWID",
        (true, true) => " STRICT, WITHOUT ROWID",
    };
    format!("CREATE TABLE {} ({parts}){options}", quote_name(&table.name))
}

/// What makes the declaration of a table that is there that of `table`, the types of whose columns differ from it without
/// a difference to the values that there are. An INTEGER in a column that is REAL now is one that SQLite has stored as an
/// INTEGER since that takes less room (file format, 2.3).
pub(crate) fn declare_again_sql(table: &Table) -> String {
    format!(
        "PRAGMA writable_schema = ON;
        UPDATE main.sqlite_schema SET sql = {} WHERE type = 'table' AND name = {} COLLATE NOCASE;
        PRAGMA writable_schema = RESET",
        quote_text(&create_table_sql(table)),
        quote_text(&table.name)
    )
}

/// `column` in CREATE TABLE.
pub(crate) fn column_sql(column: &Column) -> String {
    format!("{} {}", quote_name(&column.name), column.declaration)
}

/// `text` as an SQL literal.
pub(crate) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `names` as SQL identifiers, with commas between them.
pub(crate) fn quote_names<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    names.into_iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(", ")
}

/// `name` as an SQL identifier.
pub(crate) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
