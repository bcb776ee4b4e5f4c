//! Generated columns and CHECK constraints. SQLite evaluates them, in a database in memory of each worker:
//!
//! ```text
//! CREATE TABLE t (a, b TEXT NOT NULL, c AS (a + 1), CHECK (a > 0));
//! CREATE UNIQUE INDEX sqload_one_row ON t (+1);
//! INSERT INTO t AS kept (rowid, a, b) SELECT 0, column0, 0 FROM input WHERE true
//! ON CONFLICT (+1) DO UPDATE SET a = a WHERE sqload_keep(0, excluded.c)
//! ```
//!
//! `t` is declared as the table of the load, so its columns have the same affinities and collations. `input` is a virtual table
//! with the rows of a chunk. `t` has one row, with which the index lets every other row conflict. SQLite finds this out after it
//! has computed the generated columns of the new row and checked its constraints, and before it stores anything. Then
//! `sqload_keep` takes the generated values, and is false, so that nothing is updated. Without generated columns, the clause is
//! DO NOTHING. Where no expression reads the rowid, rows conflict in their rowid instead, which takes less time.
//!
//! Only columns that expressions read have their values here. Others are NULL or, where this is not allowed, a constant: what
//! a single value must be is checked elsewhere.

use super::affinity::compact_reals;
use super::catalog::{Schema, TableColumn, count, rows};
use super::encode::Violation;
use super::strict::StrictType;
use super::text_encoding::TextEncoding;
use crate::batch::{Arena, ColumnBuffer, SharedInput, Value, Values};
use crate::schema::ddl::{quote_name, quote_names};
use crate::types::{ColumnAffinity, register_math_functions};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Error, ErrorCode, Result};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The key of the index that lets all rows conflict. SQLite does not take a mere number for an expression here.
const CONFLICT_KEY: &str = "+1";

/// What it takes to evaluate the expressions of a table.
#[derive(Debug)]
pub(super) struct TableExpressions {
    encoding: TextEncoding,
    /// The name of the virtual table.
    input: &'static str,
    /// The SQL that creates the table and its index.
    create: String,
    insert: String,
    /// The columns that expressions read, in the order of the virtual table. The rowid may come after them.
    inputs: Vec<usize>,
    /// Whether they read the rowid of a table that has no column for it.
    reads_hidden_rowid: bool,
    rowid_column: Option<usize>,
    generated: Vec<usize>,
}

impl TableExpressions {
    /// The expressions of `table`, which may have CHECK constraints; nothing if it has none. `rowid_column` is the rowid. The inner result is an error if SQLite cannot
    /// evaluate them here.
    pub(super) fn read(
        connection: &Connection,
        table: &str,
        columns: &[TableColumn],
        rowid_column: Option<usize>,
        encoding: TextEncoding,
        has_check: bool,
    ) -> Result<Result<Option<Self>>> {
        let generated: Vec<_> = (0..columns.len()).filter(|at| columns[*at].is_generated()).collect();
        if generated.is_empty() && !has_check {
            return Ok(Ok(None));
        }
        let (name, sql): (String, String) = connection.query_row(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            [table],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let has_rowid = count(connection, "pragma_table_list(?1) WHERE NOT wr", &name)? > 0;
        let with_default = "SELECT name FROM pragma_table_xinfo(?1) WHERE dflt_value IS NOT NULL";
        let with_default: Vec<String> = rows(connection, with_default, &name, |row| row.get(0))?;
        let prepare = || {
            let read = columns_read(encoding, &sql, &name)?;
            let is_input = |at: &usize| read.contains(&columns[*at].name) && !columns[*at].is_generated();
            let mut expressions = Self {
                encoding,
                input: if name.eq_ignore_ascii_case("input") { "input_rows" } else { "input" },
                create: sql,
                insert: String::new(),
                inputs: (0..columns.len()).filter(is_input).collect(),
                reads_hidden_rowid: rowid_column.is_none() && read.contains("ROWID"),
                rowid_column,
                generated,
            };
            expressions.prepare_sql(&quote_name(&name), columns, has_rowid, &with_default);
            ExpressionEvaluator::open(&expressions)?.connection.prepare(&expressions.insert)?;
            Ok(Some(expressions))
        };
        Ok(prepare())
    }

    /// True if expressions read the rowid.
    pub(super) fn reads_rowid(&self) -> bool {
        self.reads_hidden_rowid || self.rowid_column.is_some_and(|at| self.inputs.contains(&at))
    }

    /// Chooses what all rows conflict in, and the SQL for it.
    fn prepare_sql(
        &mut self,
        table: &str,
        columns: &[TableColumn],
        has_rowid: bool,
        with_default: &[String],
    ) {
        let is_name = |name: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let rowid_column = self.rowid_column.map(|at| columns[at].name.clone());
        let hidden = ["rowid", "_rowid_", "oid"].into_iter().find(|name| has_rowid && !is_name(name));
        let reads_rowid = self.reads_rowid();
        // A conflict in the rowid is found sooner, but before the types of stored generated columns are checked.
        let is_checked_late = |column: &TableColumn| {
            column.is_generated() && column.is_stored() && column.strict_type.is_some()
        };
        let may_be_rowid = !reads_rowid && !columns.iter().any(is_checked_late);
        let rowid = rowid_column.clone().or(hidden.map(str::to_owned));
        let conflict = match rowid {
            Some(rowid) if may_be_rowid => quote_name(&rowid),
            _ => {
                self.create += &format!("\n; CREATE UNIQUE INDEX sqload_one_row ON {table} ({CONFLICT_KEY})");
                CONFLICT_KEY.to_owned()
            }
        };
        let (mut names, mut values) = (Vec::new(), Vec::new());
        if let (Some(hidden), None) = (hidden, rowid_column) {
            let value = format!("column{}", self.inputs.len());
            names.push(hidden.to_owned());
            values.push(if self.reads_hidden_rowid { value } else { "0".to_owned() });
        }
        for (at, column) in columns.iter().enumerate().filter(|(_, column)| !column.is_generated()) {
            values.push(match self.inputs.iter().position(|input| *input == at) {
                Some(input) => format!("column{input}"),
                None if self.rowid_column == Some(at) => "0".to_owned(),
                // They are NULL anyway.
                None if !column.is_not_null && !with_default.contains(&column.name) => continue,
                None => any_value(column).to_owned(),
            });
            names.push(column.name.clone());
        }
        self.insert = format!(
            "INSERT INTO {table} AS kept ({}) SELECT {} FROM {} WHERE true ON CONFLICT ({conflict}) DO {}",
            quote_names(&names),
            values.join(", "),
            self.input,
            self.action(columns)
        );
    }

    /// What is done about a conflict.
    fn action(&self, columns: &[TableColumn]) -> String {
        if self.generated.is_empty() {
            return "NOTHING".to_owned();
        }
        let keep = |(number, at): (usize, &usize)| {
            let value = format!("excluded.{}", quote_name(&columns[*at].name));
            match self.encoding {
                TextEncoding::Utf8 => format!("sqload_keep({number}, {value})"),
                // As it is stored: a text may not be valid.
                _ => format!(
                    "sqload_keep({number}, iif(typeof({value}) = 'text', CAST({value} AS BLOB), {value}),
                    typeof({value}) = 'text')"
                ),
            }
        };
        let keep: Vec<_> = self.generated.iter().enumerate().map(keep).collect();
        let same = columns.iter().find(|column| !column.is_generated());
        let same = quote_name(same.map_or("", |column| &column.name));
        format!("UPDATE SET {same} = {same} WHERE {}", keep.join(" OR "))
    }
}

/// A value that the constraints on a single value of `column` allow.
fn any_value(column: &TableColumn) -> &'static str {
    match column.strict_type {
        _ if !column.is_not_null => "NULL",
        Some(StrictType::Text) => "''",
        Some(StrictType::Blob) => "x''",
        _ => "0",
    }
}

/// The names of the columns that expressions in `sql`, which creates `table`, read: SQLite asks whether they may.
fn columns_read(encoding: TextEncoding, sql: &str, table: &str) -> Result<BTreeSet<String>> {
    let mut scratch = open(encoding)?;
    let read = Arc::new(Mutex::new(BTreeSet::new()));
    let (names, table) = (read.clone(), table.to_owned());
    scratch.authorizer(Some(move |context: AuthContext<'_>| {
        if let AuthAction::Read { table_name, column_name } = context.action
            && table_name == table
        {
            lock(&names).insert(column_name.to_owned());
        }
        Authorization::Allow
    }))?;
    scratch.execute_batch(sql)?;
    let names = lock(&read).clone();
    Ok(names)
}

fn open(encoding: TextEncoding) -> Result<Connection> {
    let connection = encoding.open_in_memory()?;
    register_math_functions(&connection)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    Ok(connection)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Evaluates the expressions of a table. Each worker has its own.
#[derive(Debug)]
pub(super) struct ExpressionEvaluator {
    connection: Connection,
    input: SharedInput,
    /// The values of the generated columns.
    kept: Arc<Mutex<Vec<ColumnBuffer>>>,
    /// Whether the table has the row with which all others conflict.
    has_row: bool,
}

impl ExpressionEvaluator {
    /// Opens a database with the table.
    ///
    /// # Errors
    /// The error of SQLite.
    pub(super) fn open(expressions: &TableExpressions) -> Result<Self> {
        let TableExpressions { encoding, inputs, generated, .. } = expressions;
        let connection = open(*encoding)?;
        let width = inputs.len() + usize::from(expressions.reads_hidden_rowid);
        let input = SharedInput::new(&(0..width).map(|at| format!("column{at}")).collect::<Vec<_>>())?;
        input.register(&connection, expressions.input)?;
        let mut buffers = Vec::new();
        buffers.resize_with(generated.len(), ColumnBuffer::default);
        let kept = Arc::new(Mutex::new(buffers));
        let buffers = kept.clone();
        connection.create_scalar_function("sqload_keep", -1, FunctionFlags::SQLITE_UTF8, move |call| {
            keep(call, &mut lock(&buffers));
            Ok(false)
        })?;
        connection.execute_batch(&expressions.create)?;
        Ok(Self { connection, input, kept, has_row: false })
    }

    /// Computes the generated columns of the rows with these rowids, and checks their constraints.
    fn evaluate<'a>(
        &mut self,
        expressions: &TableExpressions,
        columns: &mut [Values<'a>],
        rowids: &[i64],
        arena: &'a Arena,
    ) -> std::result::Result<(), Violation> {
        let rows = rowids.len();
        self.fill(expressions, columns, rowids);
        let first = if self.has_row { Ok(()) } else { self.insert(expressions, 0..1) };
        lock(&self.kept).iter_mut().for_each(ColumnBuffer::clear);
        first.and_then(|()| self.insert(expressions, 0..rows)).map_err(|error| self.violation(&error))?;
        self.has_row = true;
        for (at, values) in expressions.generated.iter().zip(lock(&self.kept).iter()) {
            columns[*at] = values.to_values(arena);
        }
        Ok(())
    }

    /// All rows whose constraints are broken or whose generated columns cannot be computed, in order, each with the message.
    fn find_broken(
        &mut self,
        expressions: &TableExpressions,
        columns: &[Values<'_>],
        rowids: &[i64],
    ) -> std::result::Result<Vec<(usize, String)>, Violation> {
        self.fill(expressions, columns, rowids);
        let (mut broken, mut next) = (Vec::new(), 0);
        while next < rowids.len() {
            let had_row = self.has_row;
            match self.insert(expressions, next..if had_row { rowids.len() } else { next + 1 }) {
                Ok(()) if had_row => break,
                Ok(()) => self.has_row = true,
                Err(error) => {
                    let violation = self.violation(&error);
                    if violation.is_left_to_sqlite {
                        return Err(violation);
                    }
                    next = violation.rows[0] + 1;
                    broken.push((violation.rows[0], violation.message));
                }
            }
        }
        Ok(broken)
    }

    /// Passes rows with these rowids to SQLite.
    fn fill(&mut self, expressions: &TableExpressions, columns: &[Values<'_>], rowids: &[i64]) {
        let (rows, rowids) = (rowids.len(), Values::Integers(rowids));
        let input = |at: &usize| if expressions.rowid_column == Some(*at) { rowids } else { columns[*at] };
        let mut inputs: Vec<_> = expressions.inputs.iter().map(input).collect();
        if expressions.reads_hidden_rowid {
            inputs.push(rowids);
        }
        self.input.fill(inputs.into_iter(), rows);
    }

    /// Inserts a range of rows.
    fn insert(&self, expressions: &TableExpressions, rows: Range<usize>) -> Result<()> {
        self.input.set_range(rows);
        self.connection.prepare_cached(&expressions.insert)?.execute([]).map(drop)
    }

    /// What the failure of the current row means.
    #[cold]
    fn violation(&self, error: &Error) -> Violation {
        use ErrorCode::{ConstraintViolation, TooBig, TypeMismatch, Unknown};
        let row = self.input.current_row();
        match error {
            // A function that fails is `Unknown`.
            Error::SqliteFailure(failure, Some(message))
                if matches!(failure.code, ConstraintViolation | TooBig | TypeMismatch | Unknown) =>
            {
                Violation::new(row, message)
            }
            error => left_to_sqlite(row, error),
        }
    }
}

fn left_to_sqlite(row: usize, error: &Error) -> Violation {
    Violation::left_to_sqlite(row, unsupported(error))
}

/// The reason for statements if SQLite cannot evaluate the expressions of a table in a database of its own.
pub(super) fn unsupported(error: &Error) -> String {
    let message = match error {
        Error::SqliteFailure(_, Some(message)) | Error::SqlInputError { msg: message, .. } => message.clone(),
        error => error.to_string(),
    };
    format!("an expression of the table cannot be evaluated: {message}")
}

/// Computes the generated columns of the first rows, those with these rowids, and checks their constraints. Values are as the
/// table stores them, but their texts are UTF-8, except those of generated columns.
pub(super) fn evaluate<'a>(
    schema: &Schema,
    evaluator: &mut Option<ExpressionEvaluator>,
    columns: &mut [Values<'a>],
    rowids: &[i64],
    arena: &'a Arena,
) -> std::result::Result<(), Violation> {
    let (Some(expressions), false) = (&schema.expressions, rowids.is_empty()) else { return Ok(()) };
    let evaluator = opened(evaluator, expressions)?;
    evaluator.evaluate(expressions, columns, rowids, arena)?;
    for at in &expressions.generated {
        if schema.columns[*at].affinity == ColumnAffinity::Real {
            columns[*at] = compact_reals(columns[*at], rowids.len(), arena);
        }
    }
    Ok(())
}

/// All of the first rows, those with these rowids, that break a constraint, as [`evaluate`] finds the first one.
pub(super) fn find_broken(
    schema: &Schema,
    evaluator: &mut Option<ExpressionEvaluator>,
    columns: &[Values<'_>],
    rowids: &[i64],
) -> std::result::Result<Vec<(usize, String)>, Violation> {
    match &schema.expressions {
        Some(expressions) => opened(evaluator, expressions)?.find_broken(expressions, columns, rowids),
        None => Ok(Vec::new()),
    }
}

/// The evaluator, which is opened when it is needed first.
fn opened<'e>(
    evaluator: &'e mut Option<ExpressionEvaluator>,
    expressions: &TableExpressions,
) -> std::result::Result<&'e mut ExpressionEvaluator, Violation> {
    match evaluator {
        Some(evaluator) => Ok(evaluator),
        none => {
            let opened = ExpressionEvaluator::open(expressions);
            Ok(none.insert(opened.map_err(|error| left_to_sqlite(0, &error))?))
        }
    }
}

/// Adds a value to its buffer.
fn keep(call: &Context<'_>, buffers: &mut [ColumnBuffer]) {
    let value = |at| if at < call.len() { Value::from_sqlite(call.get_raw(at)) } else { Value::Null };
    let Value::Integer(number) = value(0) else { return };
    let kept = match (value(1), value(2)) {
        (Value::Blob(text), Value::Integer(1)) => Value::Text(text),
        (value, _) => value,
    };
    if let Some(buffer) = usize::try_from(number).ok().and_then(|number| buffers.get_mut(number)) {
        buffer.push(kept);
    }
}
