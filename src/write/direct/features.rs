//! Features of tables that the direct path does not support, as SQLite reports them: in its schema, and in the program that it
//! compiles for an INSERT.

use super::catalog::count;
use super::text_encoding::TextEncoding;
use crate::schema::ddl::quote_name;
use rusqlite::{Connection, Result};

/// The first reason why the direct path cannot fill a table.
pub(super) fn unsupported_feature(
    connection: &Connection,
    table: &str,
    encoding: TextEncoding,
) -> Result<Option<&'static str>> {
    const REASONS: [(&str, &str); 4] = [
        ("pragma_table_list(?1) WHERE wr", "the table is WITHOUT ROWID"),
        ("sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE", "the table has a trigger"),
        ("pragma_table_xinfo(?1) WHERE hidden", "the table has a generated column"),
        (
            "pragma_index_list(?1) l, pragma_index_xinfo(l.name) x
            WHERE x.key AND x.coll COLLATE NOCASE NOT IN ('BINARY', 'NOCASE', 'RTRIM')",
            "an index has a collation other than BINARY, NOCASE and RTRIM",
        ),
    ];
    for (from, reason) in REASONS {
        if count(connection, from, table)? > 0 {
            return Ok(Some(reason));
        }
    }
    let collated = "pragma_index_list(?1) l, pragma_index_xinfo(l.name) x
        WHERE x.key AND x.coll COLLATE NOCASE <> 'BINARY'";
    if encoding != TextEncoding::Utf8 && count(connection, collated, table)? > 0 {
        return Ok(Some("an index has a collation other than BINARY, and the database is not UTF-8"));
    }
    Ok(if has_check(connection, table)? {
        Some("the table has a CHECK constraint")
    } else if has_conflict_clause(connection, table)? && !ignores_conflicts(connection, table)? {
        Some("the table has an ON CONFLICT clause")
    } else {
        None
    })
}

/// True if the table has CHECK constraints: the program that inserts a row differs when they are ignored.
fn has_check(connection: &Connection, table: &str) -> Result<bool> {
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

/// True if a constraint has an ON CONFLICT clause: the program that inserts a row differs from that of INSERT OR
/// ABORT.
fn has_conflict_clause(connection: &Connection, table: &str) -> Result<bool> {
    let declared = insert_program(connection, "INSERT", table)?;
    Ok(declared != insert_program(connection, "INSERT OR ABORT", table)?)
}

/// True if all constraints have the clause ON CONFLICT IGNORE, and none is NOT NULL: the program that inserts a row is that of
/// INSERT OR IGNORE. A table without constraints is one of them.
pub(super) fn ignores_conflicts(connection: &Connection, table: &str) -> Result<bool> {
    let declared = insert_program(connection, "INSERT", table)?;
    Ok(declared == insert_program(connection, "INSERT OR IGNORE", table)?
        && count(connection, "pragma_table_info(?1) WHERE \"notnull\"", table)? == 0)
}

/// The bytecode that inserts a row into `table`: opcodes and operands without texts and comments.
fn insert_program(connection: &Connection, insert: &str, table: &str) -> Result<Vec<(String, [i64; 4])>> {
    let columns = count(connection, "pragma_table_info(?1)", table)?;
    let values = vec!["?"; columns as usize].join(",");
    let sql = format!("EXPLAIN {insert} INTO {} VALUES ({values})", quote_name(table));
    let mut statement = connection.prepare(&sql)?;
    // EXPLAIN returns addr, opcode, p1, p2, p3, p4, p5, comment.
    let operation =
        |row: &rusqlite::Row<'_>| Ok((row.get(1)?, [row.get(2)?, row.get(3)?, row.get(4)?, row.get(6)?]));
    let nulls = vec![rusqlite::types::Null; columns as usize];
    statement.query_map(rusqlite::params_from_iter(nulls), operation)?.collect()
}
