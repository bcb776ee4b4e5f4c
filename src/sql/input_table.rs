//! `CREATE TABLE input (...)`, which declares the types of columns of the input and creates nothing.

use super::memory_database::{DeclaredColumn, MemoryDatabase, StatementError};
use super::script::Fragment;
use super::select::INPUT;
use crate::error::Result;
use crate::types::COLUMN_CONSTRAINTS;

/// The words that begin a constraint or an option of a table.
const TABLE_OPTIONS: [&str; 3] = ["FOREIGN", "STRICT", "WITHOUT"];

/// The columns with a type in `statement`, which `database` has run, and their types. Drops the table.
///
/// # Errors
/// [`Kind::Sql`](crate::Kind::Sql) if the statement has more than names and types.
pub(super) fn declared_types(
    statement: Fragment<'_>,
    database: &MemoryDatabase,
) -> Result<Vec<(String, String)>> {
    let error = |StatementError { message, offset }| statement.error_at_offset(offset, message);
    let mut words = COLUMN_CONSTRAINTS.iter().chain(&TABLE_OPTIONS);
    if let Some(span) = words.find_map(|word| statement.find_token(word)) {
        let reason = "CREATE TABLE input declares only the names and types of columns";
        return Err(statement.error_at(span, reason));
    }
    let declared = database.columns(INPUT).map_err(error)?;
    database.execute("DROP TABLE input").map_err(error)?;
    let typed = declared.into_iter().filter(|column| !column.declared_type.is_empty());
    Ok(typed.map(|DeclaredColumn { name, declared_type, .. }| (name, declared_type)).collect())
}
