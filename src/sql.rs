//! Pipelines in SQL: a table, and the rows to load into it.
//!
//! ```
//! use sqload::{Loader, sql::Pipeline};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let (input, database) = (dir.path().join("cities.csv"), dir.path().join("cities.db"));
//! std::fs::write(&input, "city,km2\nParis,105\nLost,\n")?;
//! let pipeline = "
//!     CREATE TABLE cities (name TEXT PRIMARY KEY, km2 INTEGER);
//!     INSERT INTO cities SELECT upper(city), try_integer(km2) FROM input;
//!     CREATE INDEX cities_by_size ON cities (km2);
//! ";
//! let report = Loader::from(Pipeline::parse("cities.sql", pipeline)?).load(&input, &database)?;
//! assert_eq!((report.records, report.loaded), (2, 2));
//! # Ok(())
//! # }
//! ```
//!
//! A pipeline consists of an optional `CREATE TABLE input`, which declares types of columns, one CREATE TABLE, one `INSERT INTO ... SELECT ... FROM input [WHERE ...]`, and any number of CREATE
//! INDEX, CREATE VIEW and ANALYZE statements, which run after the rows are loaded. SQLite runs all statements but the INSERT
//! as they are written. When a pipeline is parsed, they first run in an empty in-memory database, which finds their errors.
//!
//! An existing table is an error, unless DROP TABLE IF EXISTS precedes CREATE TABLE, which replaces it, or the statement is
//! CREATE TABLE IF NOT EXISTS, which adds the rows to it.

mod compile;
mod dialect;
mod drops;
mod input_table;
mod lower;
mod memory_database;
mod names;
mod precedence;
mod rewrite;
mod script;
mod select;
mod unsupported;

use crate::error::{Error, Kind, Result};
use crate::plan::{Column, Expr, IfExists, OnConflict, Plan, Select, SelectItem, Table, View};
use crate::schema::select::fill_columns;
use drops::Drops;
use memory_database::{DeclaredColumn, MemoryDatabase, StatementError};
use script::{Fragment, Script};
use select::{Conflict, INPUT, InsertSelect};
use sqlparser::ast::{Ident, ObjectType};
use sqlparser::tokenizer::Span;
use std::path::Path;

/// A pipeline: a plan that is written in SQL.
#[derive(Debug, Clone)]
pub struct Pipeline(Plan);

impl Pipeline {
    /// Parses a pipeline; `name` stands for the text in messages.
    ///
    /// # Errors
    /// [`Kind::Sql`], with the position.
    pub fn parse(name: &str, sql: &str) -> Result<Self> {
        Script::parse(name, sql, |script| {
            let mut builder = PipelineBuilder::default();
            let database = MemoryDatabase::open().map_err(|error| script.whole().error(error.message))?;
            script.statements().try_for_each(|statement| builder.add(statement, &database))?;
            builder.drops.check_all_taken()?;
            match builder {
                PipelineBuilder { table: Some(table), plan: Some(mut plan), input_types, .. } => {
                    plan.input_types.types = input_types.unwrap_or_default();
                    Ok(Self(Plan { table, ..plan }))
                }
                PipelineBuilder { table: None, .. } => Err(script.whole().error("CREATE TABLE is missing")),
                _ => Err(script.error_at_end("INSERT INTO ... SELECT ... FROM input is missing")),
            }
        })
    }

    /// Reads and parses the pipeline in the file at `path`, which is UTF-8 with or without a byte order mark.
    ///
    /// # Errors
    /// [`Kind::Io`] if the file cannot be read; [`Kind::Sql`], with the position.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let sql = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
        Self::parse(&path.display().to_string(), sql.strip_prefix('\u{feff}').unwrap_or(&sql))
    }

    /// The plan, with default settings for everything that SQL does not describe.
    #[must_use]
    pub fn into_plan(self) -> Plan {
        self.0
    }
}

/// Replaces the columns of `plan` by those of a SQL select list; `name` stands for the text in messages.
///
/// A column is named by its alias, else by the column of the input that it is, else by the text of its expression. Its type
/// is that of the column of the input, or that of a CAST. Other expressions have no type, so that values stay unaltered.
///
/// # Errors
/// [`Kind::Sql`], with the position; [`Kind::Usage`] if the columns of the plan do not come from the input
/// ([`Plan::columns`]).
pub fn select(mut plan: Plan, name: &str, list: &str) -> Result<Plan> {
    let Some(columns) = &mut plan.columns else {
        let reason = "a select list requires a plan whose columns come from the input";
        return Err(Kind::Usage(reason.to_owned()).into());
    };
    let selection = Script::parse(name, list, |script| select::select_list(script.whole()))?;
    columns.select_list = selection.items;
    plan.column_refs.extend(selection.column_refs);
    Ok(plan)
}

/// Restricts `plan` further, to records for which a SQL expression is true; `name` stands for the text in messages.
///
/// # Errors
/// [`Kind::Sql`], with the position.
pub fn filter(mut plan: Plan, name: &str, condition: &str) -> Result<Plan> {
    let selection = Script::parse(name, condition, |script| select::where_condition(script.whole()))?;
    plan.conditions.extend(selection.conditions);
    plan.column_refs.extend(selection.column_refs);
    Ok(plan)
}

/// The statements of a pipeline that have been read so far.
#[derive(Default)]
struct PipelineBuilder<'s> {
    drops: Drops<'s>,
    /// The declared types of columns of the input, if there is a CREATE TABLE input.
    input_types: Option<Vec<(String, String)>>,
    table: Option<Table>,
    /// The columns of `table`.
    columns: Vec<DeclaredColumn>,
    /// The plan of the INSERT, without its table.
    plan: Option<Plan>,
}

enum StatementKind {
    Drop,
    CreateTable,
    Insert,
    CreateIndex,
    CreateView,
    Analyze,
}

impl<'s> PipelineBuilder<'s> {
    fn add(&mut self, statement: Fragment<'s>, database: &MemoryDatabase) -> Result<()> {
        let error = |StatementError { message, offset }| statement.error_at_offset(offset, message);
        let execute = || -> Result<String> {
            database.execute(statement.text()).map_err(error)?;
            Ok(statement.text().to_owned())
        };
        let words = statement.leading_words();
        let has_if_not_exists = words.get(2).is_some_and(|word| word == "IF");
        match (
            statement_kind(&words).map_err(|(name, reason)| statement.unsupported(name, reason))?,
            &mut self.table,
        ) {
            (StatementKind::Drop, _) => self.drops.add(statement)?,
            (StatementKind::CreateTable, None) => {
                let sql = execute()?;
                let name = database.last_created("table").map_err(error)?;
                if name.eq_ignore_ascii_case(INPUT) {
                    if self.input_types.is_some() {
                        return Err(statement.error("a pipeline has only one CREATE TABLE input"));
                    }
                    self.input_types = Some(input_table::declared_types(statement, database)?);
                    return Ok(());
                }
                self.columns = database.columns(&name).map_err(error)?;
                self.add_table(statement, name, sql, has_if_not_exists);
            }
            (StatementKind::CreateTable, Some(_)) => {
                return Err(statement.error("a pipeline has only one CREATE TABLE"));
            }
            (_, None) if self.input_types.is_some() => {
                let reason =
                    "CREATE TABLE is missing: the one of input only declares the types of its columns";
                return Err(statement.error(reason));
            }
            (_, None) => return Err(statement.error("a pipeline begins with CREATE TABLE")),
            (StatementKind::Insert, Some(_)) if self.plan.is_some() => {
                return Err(statement.error("a pipeline has only one INSERT: use a separate load for each"));
            }
            (StatementKind::Insert, Some(table)) => {
                let mut insert = select::insert(statement)?;
                set_conflict_clause(table, insert.conflict.take(), statement, database)?;
                self.plan = Some(plan_insert(table, &self.columns, insert, statement)?);
            }
            (_, Some(_)) if self.plan.is_none() => {
                let reason = "this statement must follow INSERT INTO ... SELECT ... FROM input";
                return Err(statement.error(reason));
            }
            // Without IF NOT EXISTS as SQLite stores it, to compare it with that of an existing object.
            (StatementKind::CreateIndex, Some(table)) => {
                let sql = execute()?;
                let stored = database.last_created_sql("index").map_err(error)?;
                table.indexes.push(if words.iter().any(|word| word == "IF") { sql } else { stored });
            }
            (StatementKind::CreateView, Some(table)) => {
                let sql = execute()?;
                let name = database.last_created("view").map_err(error)?;
                let is_replaced = self.drops.take(ObjectType::View, &name);
                if has_if_not_exists && !is_replaced {
                    table.final_statements.push(sql);
                } else {
                    let sql = database.last_created_sql("view").map_err(error)?;
                    table.final_statements.push(sql.clone());
                    table.views.push(View { name, sql, is_replaced });
                }
            }
            (StatementKind::Analyze, Some(table)) => table.final_statements.push(execute()?),
        }
        Ok(())
    }

    /// Adds the table that `statement` creates.
    fn add_table(&mut self, statement: Fragment<'s>, name: String, sql: String, has_if_not_exists: bool) {
        let column = |column: &DeclaredColumn| {
            Column::new(&column.name, &column.declared_type, Expr::Text(String::new()))
        };
        let is_dropped = self.drops.take(ObjectType::Table, &name);
        self.table = Some(Table {
            sql: Some(sql),
            place: Some(statement.place(Span::empty())),
            if_exists: match (is_dropped, has_if_not_exists) {
                (true, _) => IfExists::Replace,
                (false, true) => IfExists::Append,
                (false, false) => IfExists::Fail,
            },
            ..Table::new(name, self.columns.iter().map(column).collect())
        });
    }
}

/// Gives `table` the ON CONFLICT clause of its INSERT.
///
/// # Errors
/// [`Kind::Sql`] if SQLite does not accept the clause for this table.
fn set_conflict_clause(
    table: &mut Table,
    conflict: Option<Conflict>,
    statement: Fragment<'_>,
    database: &MemoryDatabase,
) -> Result<()> {
    let Some(Conflict { updates, clause, span }) = conflict else { return Ok(()) };
    let checked = database.check_conflict_clause(&table.name, &clause);
    checked.map_err(|error| statement.error_at(span, error.message))?;
    table.on_conflict = if updates { OnConflict::Update } else { OnConflict::Ignore };
    table.conflict_clause = Some(clause);
    Ok(())
}

/// The kind of a statement that begins with these words; its name and a reason if it is not supported.
fn statement_kind(words: &[String]) -> std::result::Result<StatementKind, (String, &'static str)> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let reason = match words.as_slice() {
        ["CREATE", "TABLE", rest @ ..] => {
            let rest = rest.strip_prefix(&["IF", "NOT", "EXISTS"]).unwrap_or(rest);
            if !matches!(rest, [_, "AS", ..] | [_, ".", _, "AS", ..]) {
                return Ok(StatementKind::CreateTable);
            }
            let reason = "declare the columns, and load the rows with INSERT INTO ... SELECT ... FROM input";
            return Err(("CREATE TABLE ... AS".to_owned(), reason));
        }
        ["INSERT", ..] => return Ok(StatementKind::Insert),
        ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX", ..] => return Ok(StatementKind::CreateIndex),
        ["CREATE", "VIEW", ..] => return Ok(StatementKind::CreateView),
        ["ANALYZE", ..] => return Ok(StatementKind::Analyze),
        ["DROP", "TABLE" | "VIEW", "IF", "EXISTS", ..] => return Ok(StatementKind::Drop),
        ["CREATE", "TEMP" | "TEMPORARY", ..] => "temporary objects would be dropped at the end of the load",
        ["DROP", ..] => {
            "only DROP TABLE IF EXISTS and DROP VIEW IF EXISTS, for what the pipeline creates afterwards"
        }
        ["PRAGMA", ..] => "the load has settings for how the database is written",
        ["ATTACH" | "DETACH", ..] => "a pipeline fills one database, which is an argument of the load",
        ["BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE", ..] => {
            "the whole pipeline is one transaction"
        }
        ["VACUUM", ..] => "it is a setting of the load",
        ["EXPLAIN", ..] => "the load can explain its expressions",
        ["SELECT" | "VALUES" | "WITH", ..] => "load the rows with INSERT INTO ... SELECT ... FROM input",
        ["REPLACE", ..] => "a row that violates a constraint ends the load or is rejected",
        _ => {
            "its statements are DROP TABLE IF EXISTS, CREATE TABLE, INSERT INTO ... SELECT ... FROM input, CREATE INDEX, CREATE VIEW and ANALYZE"
        }
    };
    let ends_name = |word: &&str| !matches!(*word, "CREATE" | "TEMP" | "TEMPORARY" | "VIRTUAL");
    let name_words = 1 + words.iter().position(ends_name).unwrap_or_default();
    Err((words[..name_words].join(" "), reason))
}

/// Makes the plan of an INSERT. If the values do not depend on the header of the input, they are assigned to `table`.
fn plan_insert(
    table: &mut Table,
    declared_columns: &[DeclaredColumn],
    insert: InsertSelect,
    statement: Fragment<'_>,
) -> Result<Plan> {
    let InsertSelect { table: target, columns, selection, span, conflict: _ } = insert;
    if !target.value.eq_ignore_ascii_case(&table.name) {
        let reason = format!("the table of the pipeline is {:?}, not {:?}", table.name, target.value);
        return Err(statement.error_at(target.span, reason));
    }
    let target_columns = target_columns(table, &columns, statement)?;
    let is_null = |at: &usize| !(target_columns.contains(at) || declared_columns[*at].has_default);
    let null_columns = (0..table.columns.len()).filter(is_null).collect();
    let select =
        Select { items: selection.items, target_columns, null_columns, place: statement.place(span) };
    let (conditions, column_refs) = (selection.conditions, selection.column_refs);
    let mut plan = Plan { conditions, column_refs, ..Plan::new(Table::new("", Vec::new())) };
    if select.items.contains(&SelectItem::All) {
        plan.select = Some(select);
    } else {
        table.columns = fill_columns(&select, table, &[])?;
    }
    Ok(plan)
}

/// Indexes of the columns of `table` that an INSERT names; all columns if it names none.
fn target_columns(table: &Table, columns: &[Ident], statement: Fragment<'_>) -> Result<Vec<usize>> {
    let names: Vec<_> = table.columns.iter().map(|column| column.name.clone()).collect();
    if columns.is_empty() {
        return Ok((0..names.len()).collect());
    }
    let mut target_columns = Vec::new();
    for column in columns {
        let reason = match names.iter().position(|name| name.eq_ignore_ascii_case(&column.value)) {
            None => {
                let nearest = crate::error::nearest(&column.value, &names);
                format!(
                    "the table {:?} has no column {:?} that accepts values{nearest}",
                    table.name, column.value
                )
            }
            Some(at) if target_columns.contains(&at) => {
                format!("the column {:?} is named twice", column.value)
            }
            Some(at) => {
                target_columns.push(at);
                continue;
            }
        };
        return Err(statement.error_at(column.span, reason));
    }
    Ok(target_columns)
}
