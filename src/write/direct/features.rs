//! Features of tables that the direct path does not support, as SQLite reports them: in its schema, and in the program that it
//! compiles for an INSERT.

use super::catalog::count;
use super::expressions;
use super::text_encoding::TextEncoding;
use crate::schema::ddl::quote_name;
use rusqlite::{Connection, Result};

/// The first reason why the direct path cannot fill a table.
pub(super) fn unsupported_feature(
    connection: &Connection,
    table: &str,
    encoding: TextEncoding,
) -> Result<Option<String>> {
    const REASONS: [(&str, &str); 2] = [
        ("sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE", "the table has a trigger"),
        (
            "pragma_index_list(?1) l, pragma_index_xinfo(l.name) x
            WHERE x.key AND x.coll COLLATE NOCASE NOT IN ('BINARY', 'NOCASE', 'RTRIM')",
            "an index has a collation other than BINARY, NOCASE and RTRIM",
        ),
    ];
    for (from, reason) in REASONS {
        if count(connection, from, table)? > 0 {
            return Ok(Some(reason.to_owned()));
        }
    }
    let collated = "pragma_index_list(?1) l, pragma_index_xinfo(l.name) x
        WHERE x.key AND x.coll COLLATE NOCASE <> 'BINARY'";
    if encoding != TextEncoding::Utf8 && count(connection, collated, table)? > 0 {
        let reason = "an index has a collation other than BINARY, and the database is not UTF-8";
        return Ok(Some(reason.to_owned()));
    }
    // The program differs from that of INSERT OR ABORT if a constraint has another conflict clause. It ends in the same way where
    // that is FAIL or ROLLBACK.
    let declared = match insert_program(connection, "INSERT", table) {
        Ok(declared) => without_undoing(declared),
        Err(error) => return Ok(Some(expressions::unsupported(&error))),
    };
    let is_abort = declared == without_undoing(insert_program(connection, "INSERT OR ABORT", table)?);
    Ok(match is_abort || ignores_conflicts(connection, table)? {
        true => None,
        false => Some("the table has the clause ON CONFLICT IGNORE or REPLACE".to_owned()),
    })
}

/// True if the table has CHECK constraints: the program that inserts a row differs when they are ignored.
pub(super) fn has_check(connection: &Connection, table: &str) -> Result<bool> {
    let with = insert_program(connection, "INSERT", table)?;
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    let without = insert_program(connection, "INSERT", table);
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    Ok(with != without?)
}

/// True if the INTEGER PRIMARY KEY is AUTOINCREMENT: the program that inserts a row remembers the largest rowid.
pub(super) fn is_autoincrement(connection: &Connection, table: &str) -> Result<bool> {
    let program = insert_program(connection, "INSERT", table)?;
    Ok(program.iter().any(|(operation, [_, _, remembered, _])| operation == "NewRowid" && *remembered != 0))
}

/// True if all constraints have the clause ON CONFLICT IGNORE, and none is NOT NULL: the program that inserts a row is that of
/// INSERT OR IGNORE. A table without constraints is one of them.
pub(super) fn ignores_conflicts(connection: &Connection, table: &str) -> Result<bool> {
    let declared = insert_program(connection, "INSERT", table)?;
    Ok(declared == insert_program(connection, "INSERT OR IGNORE", table)?
        && count(connection, "pragma_table_info(?1) WHERE \"notnull\"", table)? == 0)
}

/// True if a constraint has the clause ON CONFLICT ROLLBACK: the program that inserts a row may end with a rollback.
pub(super) fn rolls_back(connection: &Connection, table: &str) -> Result<bool> {
    const ROLLBACK: i64 = 1;
    let program = insert_program(connection, "INSERT", table)?;
    Ok(program
        .iter()
        .any(|(operation, [_, undone, ..])| operation.starts_with("Halt") && *undone == ROLLBACK))
}

/// The same program without what is undone when a constraint ends it.
fn without_undoing(mut program: Vec<(String, [i64; 4])>) -> Vec<(String, [i64; 4])> {
    let ends = program.iter_mut().filter(|(operation, _)| operation.starts_with("Halt"));
    ends.for_each(|(_, [_, undone, ..])| *undone = 0);
    program
}

/// The bytecode that inserts a row into `table`: opcodes and operands without texts and comments.
fn insert_program(connection: &Connection, insert: &str, table: &str) -> Result<Vec<(String, [i64; 4])>> {
    let columns = count(connection, "pragma_table_info(?1)", table)?;
    let values = vec!["?"; columns as usize].join(",");
    let sql = format!("EXPLAIN {insert} INTO {} VALUES ({values})", quote_name(table));
    let mut statement = connection.prepare(&sql)?;
    // EXPLAIN returns addr, opcode, p1, p2, p3, p4, p5, comment.
    let operation = |row: &rusqlite::Row<'_>| {
        let name: String = row.get(1)?;
        Ok((name, [row.get(2)?, row.get(3)?, row.get(4)?, row.get(6)?]))
    };
    let nulls = vec![rusqlite::types::Null; columns as usize];
    statement.query_map(rusqlite::params_from_iter(nulls), operation)?.collect()
}
