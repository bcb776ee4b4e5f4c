//! DDL statements, and the quoting of names and texts.

use crate::plan::{Column, Table};

/// The CREATE TABLE statement of `table`.
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

/// Statements that replace the stored declaration of an existing table by that of `table`, without changing its rows.
///
/// This is valid only if the stored values are valid under both declarations. That is so for an INTEGER column that becomes
/// REAL, because SQLite stores a REAL without a fraction as an integer on disk
/// ([Database File Format](https://sqlite.org/fileformat2.html), section 2.3).
pub(crate) fn update_declaration_sql(table: &Table) -> String {
    format!(
        "PRAGMA writable_schema = ON;
        UPDATE main.sqlite_schema SET sql = {} WHERE type = 'table' AND name = {} COLLATE NOCASE;
        PRAGMA writable_schema = RESET",
        quote_text(&create_table_sql(table)),
        quote_text(&table.name)
    )
}

/// The definition of `column` in CREATE TABLE.
pub(crate) fn column_sql(column: &Column) -> String {
    format!("{} {}", quote_name(&column.name), column.declaration)
}

/// Quotes `text` as a SQL string literal.
pub(crate) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Quotes `names` as SQL identifiers, separated by commas.
pub(crate) fn quote_names<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    names.into_iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(", ")
}

/// Quotes `name` as a SQL identifier.
pub(crate) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
