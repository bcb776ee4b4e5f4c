//! Features of tables that the direct path does not support, as SQLite reports them: in its schema, and in the program that it
//! compiles for an INSERT.

use super::catalog::count;
use super::expressions;
use super::text_encoding::TextEncoding;
use crate::schema::ddl::quote_name;
use rusqlite::{Connection, Result};

/// What a table has beyond its columns and indexes, as the program tells that SQLite compiles for an INSERT.
#[derive(Debug)]
pub(super) struct Features {
    /// CHECK constraints: the program differs when they are ignored.
    pub(super) has_check: bool,
    /// An INTEGER PRIMARY KEY that is AUTOINCREMENT: the program remembers the largest rowid.
    pub(super) is_autoincrement: bool,
    /// All constraints have the clause ON CONFLICT IGNORE, and none is NOT NULL: the program is that of INSERT OR IGNORE. Also
    /// true without constraints.
    pub(super) ignores_conflicts: bool,
    /// All constraints have the clause ON CONFLICT REPLACE, and none is NOT NULL: the program is that of INSERT OR REPLACE. Also true
    /// without constraints.
    pub(super) replaces_conflicts: bool,
    /// A constraint has the clause ON CONFLICT ROLLBACK: the program may end with a rollback.
    pub(super) rolls_back: bool,
}

/// The bytecode of a statement: opcodes and operands without texts and comments.
type Program = Vec<(String, [i64; 4])>;

/// The features of a table, or the first reason why the direct path cannot fill it. `updates` is true if rows may be updated.
pub(super) fn read_features(
    connection: &Connection,
    table: &str,
    encoding: TextEncoding,
    updates: bool,
) -> Result<std::result::Result<Features, String>> {
    if let Some(reason) = unsupported_feature(connection, table, encoding)? {
        return Ok(Err(reason.to_owned()));
    }
    let program = |insert| insert_program(connection, insert, table);
    let declared = match program("INSERT") {
        Ok(declared) => declared,
        Err(error) => return Ok(Err(expressions::unsupported(&error))),
    };
    if runs_trigger(&declared) || updates && runs_trigger(&update_program(connection, table)?) {
        return Ok(Err("the load fires a trigger of the table".to_owned()));
    }
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    let unchecked = program("INSERT");
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    let not_null = count(connection, "pragma_table_info(?1) WHERE \"notnull\"", table)?;
    let features = Features {
        has_check: declared != unchecked?,
        is_autoincrement: declared.iter().any(|(name, operands)| name == "NewRowid" && operands[2] != 0),
        ignores_conflicts: declared == program("INSERT OR IGNORE")? && not_null == 0,
        replaces_conflicts: declared == program("INSERT OR REPLACE")? && not_null == 0,
        rolls_back: declared
            .iter()
            .any(|(name, operands)| name.starts_with("Halt") && operands[1] == ROLLBACK),
    };
    // The program differs from that of INSERT OR ABORT if a constraint has another conflict clause. It ends in the same way where
    // that is FAIL or ROLLBACK.
    let is_abort = without_undoing(declared) == without_undoing(program("INSERT OR ABORT")?);
    Ok(match is_abort || features.ignores_conflicts || features.replaces_conflicts {
        true => Ok(features),
        false => Err("the table has the clause ON CONFLICT IGNORE or REPLACE".to_owned()),
    })
}

/// What the opcode Halt undoes where a constraint has the clause ON CONFLICT ROLLBACK.
const ROLLBACK: i64 = 1;

/// The first reason in the schema why the direct path cannot fill a table.
fn unsupported_feature(
    connection: &Connection,
    table: &str,
    encoding: TextEncoding,
) -> Result<Option<&'static str>> {
    const REASONS: [(&str, &str); 2] = [
        (
            "pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE AND type = 'virtual'",
            "the table is virtual",
        ),
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
    let is_collated = encoding != TextEncoding::Utf8 && count(connection, collated, table)? > 0;
    Ok(is_collated.then_some("an index has a collation other than BINARY, and the database is not UTF-8"))
}

/// The same program without what is undone when a constraint ends it.
fn without_undoing(mut program: Program) -> Program {
    let ends = program.iter_mut().filter(|(operation, _)| operation.starts_with("Halt"));
    ends.for_each(|(_, [_, undone, ..])| *undone = 0);
    program
}

/// True if a trigger is a part of the program.
fn runs_trigger(program: &Program) -> bool {
    program.iter().any(|(operation, _)| operation == "Program")
}

/// The bytecode that inserts a row into `table`.
fn insert_program(connection: &Connection, insert: &str, table: &str) -> Result<Program> {
    let columns = count(connection, "pragma_table_info(?1)", table)?;
    let values = vec!["?"; columns as usize].join(",");
    explain(connection, &format!("{insert} INTO {} VALUES ({values})", quote_name(table)))
}

/// The bytecode that updates all columns of `table`.
fn update_program(connection: &Connection, table: &str) -> Result<Program> {
    let mut names = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = names.query_map([table], |row| row.get::<_, String>(0))?;
    let set = |name: Result<String>| Ok(format!("{} = ?", quote_name(&name?)));
    let set = names.map(set).collect::<Result<Vec<_>>>()?.join(", ");
    explain(connection, &format!("UPDATE {} SET {set}", quote_name(table)))
}

/// The bytecode of a statement.
fn explain(connection: &Connection, sql: &str) -> Result<Program> {
    let mut statement = connection.prepare(&format!("EXPLAIN {sql}"))?;
    // EXPLAIN returns addr, opcode, p1, p2, p3, p4, p5, comment.
    let operation = |row: &rusqlite::Row<'_>| {
        let name: String = row.get(1)?;
        Ok((name, [row.get(2)?, row.get(3)?, row.get(4)?, row.get(6)?]))
    };
    // The parameters are NULL.
    statement.raw_query().mapped(operation).collect()
}
