//! Pipelines written in SQL: which table to make, and what of the CSV goes into it.
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
//! A pipeline is one CREATE TABLE, one `INSERT INTO ... SELECT ... FROM input [WHERE ...]`, and then any number of CREATE
//! INDEX, CREATE VIEW and ANALYZE, which run when the rows are there. SQLite is the authority on all but the INSERT:
//! it runs these statements as they are written, first in an empty database in memory, to see that they are sound.

mod compile;
mod dialect;
mod lower;
mod names;
mod precedence;
mod rewrite;
mod scratch;
mod script;
mod select;

use crate::error::{Error, Kind, Result};
use crate::plan::{Column, Expr, IfExists, Plan, Select, SelectItem, Table};
use crate::schema::select::fill_columns;
use scratch::{Declared, Refusal, Scratch};
use script::{Piece, Script};
use select::{INPUT, Rows};
use std::path::Path;

/// A pipeline: a plan that comes from SQL.
#[derive(Debug, Clone)]
pub struct Pipeline(Plan);

impl Pipeline {
    /// The pipeline that `sql` is; `name` is what messages call it.
    ///
    /// # Errors
    /// [`Kind::Sql`], with the place.
    pub fn parse(name: &str, sql: &str) -> Result<Self> {
        Script::read(name, sql, |script| {
            let mut draft = Draft::default();
            let scratch = Scratch::new().map_err(|refusal| script.whole().error(refusal.message))?;
            script.statements().try_for_each(|statement| draft.add(statement, &scratch))?;
            match draft {
                Draft { table: Some(table), rows: Some(plan), .. } => Ok(Self(Plan { table, ..plan })),
                Draft { table: None, .. } => Err(script.whole().error("CREATE TABLE is missing")),
                _ => Err(script.end("INSERT INTO ... SELECT ... FROM input is missing")),
            }
        })
    }

    /// The pipeline in the file at `path`.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::Sql`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let sql = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
        Self::parse(&path.display().to_string(), sql.strip_prefix('\u{feff}').unwrap_or(&sql))
    }

    /// The plan, all else as by default.
    #[must_use]
    pub fn into_plan(self) -> Plan {
        self.0
    }
}

/// `plan`, whose columns are those of the input, with columns of what this list of SQL expressions yields instead, as after
/// SELECT. A column is called as its alias, or as the column of the input that it is, or as its expression is written.
/// It has the type that a column of the input has; that of a CAST; or else none, so that no value is changed.
///
/// # Errors
/// [`Kind::Sql`]; [`Kind::Usage`] if the plan has columns of its own.
pub fn select(mut plan: Plan, list: &str) -> Result<Plan> {
    let Some(columns) = &mut plan.columns else {
        return Err(Kind::Usage("a list of columns is for tables that the input describes".to_owned()).into());
    };
    let selection = Script::read("--select", list, |script| select::list(script.whole()))?;
    columns.select_list = selection.items;
    plan.column_refs.extend(selection.column_refs);
    Ok(plan)
}

/// `plan` for those records only for which this SQL expression is true.
///
/// # Errors
/// [`Kind::Sql`].
pub fn filter(mut plan: Plan, condition: &str) -> Result<Plan> {
    let selection = Script::read("--where", condition, |script| select::condition(script.whole()))?;
    plan.conditions = selection.conditions;
    plan.column_refs.extend(selection.column_refs);
    Ok(plan)
}

/// A pipeline as far as it has been read.
#[derive(Default)]
struct Draft {
    table: Option<Table>,
    columns: Vec<Declared>,
    rows: Option<Plan>,
}

/// What a statement does.
enum Statement {
    Table,
    Insert,
    Index,
    View,
    Analyze,
}

impl Draft {
    fn add(&mut self, statement: Piece<'_>, scratch: &Scratch) -> Result<()> {
        let refused = |Refusal { message, offset }| statement.error_behind(offset, message);
        let sql = || statement.text().to_owned();
        let words = statement.first_words();
        match (kind(&words).map_err(|reason| statement.error(reason))?, &mut self.table) {
            (Statement::Table, None) => {
                scratch.run(statement.text()).map_err(refused)?;
                let name = scratch.last("table").map_err(refused)?;
                if name.eq_ignore_ascii_case(INPUT) {
                    return Err(statement.error("the table can not be called input, as the CSV is"));
                }
                self.columns = scratch.columns(&name).map_err(refused)?;
                let column = |column: &Declared| {
                    Column::new(&column.name, &column.declaration, Expr::Text(String::new()))
                };
                let keeps = words.get(2).is_some_and(|word| word == "IF");
                self.table = Some(Table {
                    sql: Some(sql()),
                    if_exists: if keeps { IfExists::Append } else { IfExists::Replace },
                    ..Table::new(name, self.columns.iter().map(column).collect())
                });
            }
            (Statement::Table, Some(_)) => return Err(statement.error("a pipeline makes one table")),
            (_, None) => return Err(statement.error("a pipeline begins with CREATE TABLE")),
            (Statement::Insert, Some(_)) if self.rows.is_some() => {
                return Err(statement.error("a pipeline has one INSERT: a UNION of several is several loads"));
            }
            (Statement::Insert, Some(table)) => {
                let rows = select::insert(statement)?;
                self.rows = Some(fill(table, &self.columns, rows, statement)?);
            }
            (_, Some(_)) if self.rows.is_none() => {
                return Err(statement.error("this comes behind INSERT INTO ... SELECT ... FROM input"));
            }
            (Statement::Index, Some(table)) => {
                scratch.run(statement.text()).map_err(refused)?;
                table.indexes.push(sql());
            }
            (Statement::View, Some(table)) => {
                scratch.run(statement.text()).map_err(refused)?;
                if words.get(2).is_none_or(|word| word != "IF") {
                    table.views.push(scratch.last("view").map_err(refused)?);
                }
                table.final_statements.push(sql());
            }
            (Statement::Analyze, Some(table)) => {
                scratch.run(statement.text()).map_err(refused)?;
                table.final_statements.push(sql());
            }
        }
        Ok(())
    }
}

/// What a statement that begins with these words does, or why it is not part of a pipeline.
fn kind(words: &[String]) -> std::result::Result<Statement, String> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let reason = match words.as_slice() {
        ["CREATE", "TABLE", rest @ ..] => {
            let rest = rest.strip_prefix(&["IF", "NOT", "EXISTS"]).unwrap_or(rest);
            if matches!(rest, [_, "AS", ..] | [_, ".", _, "AS", ..]) {
                "the table of a pipeline is declared with its columns; the rows come from INSERT INTO ... SELECT ... FROM input"
            } else {
                return Ok(Statement::Table);
            }
        }
        ["INSERT", ..] => return Ok(Statement::Insert),
        ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX", ..] => return Ok(Statement::Index),
        ["CREATE", "VIEW", ..] => return Ok(Statement::View),
        ["ANALYZE", ..] => return Ok(Statement::Analyze),
        ["CREATE", "TEMP" | "TEMPORARY", ..] => "what is temporary would be gone with the load",
        ["DROP", ..] => {
            "the table and the views that a pipeline makes take the place of those of the same name anyway"
        }
        ["PRAGMA", ..] => "options say how the database is written: --page-size, --cache-size, --synchronous",
        ["ATTACH" | "DETACH", ..] => "a pipeline fills one database, which --database names",
        ["BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE", ..] => {
            "the whole pipeline is one transaction already"
        }
        ["VACUUM", ..] => "--vacuum does that",
        ["EXPLAIN", ..] => "--explain says how a pipeline runs",
        ["SELECT" | "VALUES" | "WITH", ..] => {
            "the rows go into the table by INSERT INTO ... SELECT ... FROM input"
        }
        ["REPLACE", ..] => "a row that breaks a constraint ends the load, or is a reject",
        _ => {
            "it has CREATE TABLE, INSERT INTO ... SELECT ... FROM input, CREATE INDEX, CREATE VIEW and ANALYZE"
        }
    };
    let ends = |word: &&str| !matches!(*word, "CREATE" | "TEMP" | "TEMPORARY" | "VIRTUAL");
    let name_words = 1 + words.iter().position(ends).unwrap_or_default();
    let name = words[..name_words].join(" ");
    Err(format!("{name} is not part of a pipeline: {reason}"))
}

/// Gives the columns of `table` the values that an INSERT says, if they are known.
fn fill(table: &mut Table, columns: &[Declared], rows: Rows, statement: Piece<'_>) -> Result<Plan> {
    if !rows.table.value.eq_ignore_ascii_case(&table.name) {
        let reason = format!("the pipeline makes the table {}, and this one is another", table.name);
        return Err(statement.error_at(rows.table.span, reason));
    }
    let names: Vec<_> = table.columns.iter().map(|column| column.name.clone()).collect();
    let mut target_columns = Vec::new();
    for column in &rows.columns {
        let found = names.iter().position(|name| name.eq_ignore_ascii_case(&column.value));
        let problem = match found {
            None => {
                let nearest = crate::error::nearest(&column.value, &names);
                format!(
                    "the table {} has no column {:?} that can be filled{nearest}",
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
        return Err(statement.error_at(column.span, problem));
    }
    if rows.columns.is_empty() {
        target_columns = (0..names.len()).collect();
    }
    // Of a table that may be there already only SQLite knows what is in a column that is not filled.
    let may_be_there = table.if_exists == IfExists::Append;
    let is_null = |at: &usize| !(target_columns.contains(at) || columns[*at].has_default || may_be_there);
    let null_columns = (0..names.len()).filter(is_null).collect();
    let select =
        Select { items: rows.items, target_columns, null_columns, place: statement.place(rows.span) };
    let (conditions, column_refs) = (rows.conditions, rows.column_refs);
    let mut plan = Plan { conditions, column_refs, ..Plan::new(Table::new("", Vec::new())) };
    if select.items.contains(&SelectItem::All) {
        plan.select = Some(select);
    } else {
        table.columns = fill_columns(&select, table, &[])?;
    }
    Ok(plan)
}
