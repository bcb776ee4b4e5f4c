//! Evaluates the plan's expressions: from the fields of a chunk's records to the columns of its rows.
//!
//! The expressions of a table are compiled once into a list of operations. Each operation computes a column of values from
//! the records or from earlier columns. Equal subexpressions share an operation, so they are evaluated once. The interpreter
//! runs the whole list over one chunk at a time: dispatch happens once per chunk and operation, and each operation is a tight
//! loop over rows. Values are allocated in the batch's arena only.
//!
//! Some operations do not handle every value as SQLite does (the text of a REAL, integers of twenty digits). When one meets
//! such a value, it defers: SQLite then evaluates the affected expressions for this chunk. Expressions that are not compiled
//! are always evaluated by SQLite. So all values are SQLite's, whichever evaluator computed them.
//!
//! Each UUID or random expression has its own ChaCha8 stream, addressed by record number (see `random`). Values therefore
//! depend neither on the chunk size nor on the thread.

mod calls;
mod compile;
pub(crate) mod format_strings;
pub(crate) mod functions;
mod interpreter;
mod notation;
mod properties;
mod random;
pub(crate) mod sqlite;
mod texts;
mod typed;

use crate::batch::{Arena, TypeFeedback, Value, Values};
use crate::error::{Reason, Result, excerpt};
use crate::eval::sqlite::{EvalFailure, Session};
use crate::format::Records;
use crate::plan::{Column, EvaluatorChoice, Expr, Function, OnMismatch, SqlExpr, Table, Type};
use crate::types::type_problem;
use compile::{Block, Compiler, Op, OpIndex, TypedOp};
use interpreter::Interpreter;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
#[cfg(feature = "arrow")]
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use typed::Mismatch;

/// The compiled expressions of a table.
#[derive(Debug, Clone)]
pub struct Program {
    columns: Block,
    /// The conditions that a record must meet to become a row. Each block has one output.
    conditions: Vec<Block>,
    column_names: Vec<String>,
    /// The columns that refuse NULL, each with the reason to reject a record.
    not_null: Vec<(usize, Reason)>,
    /// The number of random streams.
    stream_count: usize,
    seed: Seed,
    /// Ends evaluation in SQLite when it is set.
    stop: Arc<AtomicBool>,
}

/// Determines the UUIDs and random values of a load.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Key of the random streams.
    pub key: [u8; 32],
    /// Milliseconds since 1970: the timestamp of every UUIDv7, and the value of `now()`.
    pub unix_millis: u64,
}

impl Seed {
    /// A random key and the current time.
    #[must_use]
    pub fn random() -> Self {
        let since_1970 =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { key: rand::random(), unix_millis: since_1970.as_millis() as u64 }
    }

    /// A key derived from `seed`, and `seed` as the time. Equal seeds give equal values.
    #[must_use]
    pub fn fixed(seed: u64) -> Self {
        let mut key = [0; 32];
        ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut key);
        Self { key, unix_millis: seed }
    }
}

impl Program {
    /// Compiles the expressions of `table` for inputs with this `header`. Errors name `input`.
    ///
    /// # Errors
    /// [`Kind::MissingColumn`](crate::Kind::MissingColumn) or [`Kind::AmbiguousColumn`](crate::Kind::AmbiguousColumn) if
    /// an expression names a field that the header does not contain exactly once; [`Kind::Usage`](crate::Kind::Usage) if
    /// SQLite cannot prepare an expression.
    pub fn compile(table: &Table, header: &[String], input: &Arc<str>, seed: Seed) -> Result<Self> {
        Self::with_conditions(table, (&[], &[]), EvaluatorChoice::Auto, header, input, seed)
    }

    /// Like [`Program::compile`], with conditions that records must meet to become rows, and values that must be of their type
    /// in every record, whether or not it meets the conditions.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn with_conditions(
        table: &Table,
        (conditions, checks): (&[Expr], &[Expr]),
        evaluator: EvaluatorChoice,
        header: &[String],
        input: &Arc<str>,
        seed: Seed,
    ) -> Result<Self> {
        let mut compiler = Compiler::new(header, input, evaluator, seed.unix_millis);
        let mut columns = compiler.compile(table.columns.iter().map(|column| &column.value))?;
        let condition = |condition| compiler.compile([is_true(condition)].iter());
        let mut conditions: Vec<_> = conditions.iter().map(condition).collect::<Result<_>>()?;
        let outputs: Vec<_> = columns.outputs.iter().map(|output| output.op).enumerate().collect();
        for (index, op) in outputs.into_iter().filter_map(|(index, op)| Some((index, op?))) {
            columns.feedback_columns_mut(op).push(index);
        }
        if let Some(first) = conditions.first_mut() {
            let inferred = table.columns.iter().enumerate().filter(|(_, column)| is_inferred(&column.value));
            for (index, column) in inferred {
                let op = compiler.add_value(&column.value, first)?;
                first.feedback_columns_mut(op).push(index);
            }
        }
        // The first block that runs sees all records.
        let first = conditions.first_mut().unwrap_or(&mut columns);
        for (check, index) in checks.iter().zip(table.columns.len()..) {
            let op = compiler.add_value(check, first)?;
            let columns = first.feedback_columns_mut(op);
            if columns.is_empty() {
                columns.push(index);
            }
        }
        let column_names = table.columns.iter().map(|column| column.name.clone()).collect();
        let not_null = table.columns.iter().enumerate().filter(|(_, column)| column.rejects_null);
        let reason = |(index, Column { name, .. }): (usize, &Column)| {
            let message = format!("NOT NULL constraint failed: {}.{name}", table.name);
            (index, Reason::Constraint { column: Some(name.clone()), message })
        };
        let not_null = not_null.map(reason).collect();
        let (stream_count, stop) = (compiler.stream_count, Arc::default());
        Ok(Self { columns, conditions, column_names, not_null, stream_count, seed, stop })
    }

    /// Sets the flag that ends evaluation in SQLite. Default: one that is never set.
    #[must_use]
    pub(crate) fn with_stop(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// Adds what a mismatch of an operation says about the columns of the table that have its values.
    fn add_mismatch(
        &self,
        block: &Block,
        mismatches: &mut TypeMismatches,
        (op, TypedOp { column, to, on_mismatch }): (OpIndex, TypedOp<'_>),
        mismatch: Mismatch<'_>,
    ) {
        let TypeMismatches { type_feedback, rejects } = mismatches;
        let columns = block.feedback_columns(op);
        match (mismatch, on_mismatch) {
            (Mismatch::Real, _) => type_feedback.real_columns.extend(columns),
            (Mismatch::LongInteger, _) => type_feedback.long_integer_columns.extend(columns),
            (Mismatch::Rounded(count), _) => {
                for column in columns {
                    *type_feedback.rounded.entry(*column).or_default() += count;
                }
            }
            (Mismatch::Spelled(spellings), _) => {
                let is_numeric = to == Type::NumericAffinity;
                for column in columns {
                    type_feedback.add_spellings(*column, is_numeric, &spellings);
                }
            }
            (Mismatch::NotOfType { row, text, written }, OnMismatch::Reject) => {
                let of_table = columns.first().and_then(|index| self.column_names.get(*index));
                let column = if column.is_empty() { of_table.map_or(column, String::as_str) } else { column };
                rejects.push((row, not_of_type(column, to, (text, written))));
            }
            (Mismatch::NotOfType { .. }, OnMismatch::TypeMismatch | OnMismatch::Widen) => {
                type_feedback.is_mismatched = true;
            }
        }
    }

    /// True if an expression needs the line numbers of records.
    pub(crate) fn counts_lines(&self) -> bool {
        let mut blocks = std::iter::once(&self.columns).chain(&self.conditions);
        blocks.any(|block| block.ops.contains(&Op::LineNumber))
    }

    /// The columns of the header that values are computed from.
    #[cfg(feature = "arrow")]
    pub(crate) fn columns_read(&self) -> BTreeSet<usize> {
        let blocks = std::iter::once(&self.columns).chain(&self.conditions);
        blocks.flat_map(|block| &block.ops).filter_map(Op::column_read).collect()
    }

    /// Creates an evaluator of these expressions. Each worker needs its own.
    #[must_use]
    pub fn evaluator(&self) -> Evaluator<'_> {
        Evaluator {
            program: self,
            interpreter: Interpreter::new(self.stream_count, self.seed),
            columns_session: None,
            condition_sessions: self.conditions.iter().map(|_| None).collect(),
        }
    }
}

/// True if the type of a value was inferred, so that a mismatch is evidence against it.
fn is_inferred(value: &Expr) -> bool {
    matches!(value, Expr::Typed { on_mismatch: OnMismatch::TypeMismatch | OnMismatch::Widen, .. })
}

/// The reason to reject a record whose `value` in this column, `written` like this, is not of `expected_type`.
fn not_of_type(column: &str, expected_type: Type, (value, written): (&[u8], &[u8])) -> Reason {
    let problem = match expected_type {
        Type::Blob => "is not a BLOB in pairs of hexadecimal digits".to_owned(),
        to => type_problem(value, to),
    };
    Reason::NotOfType { column: column.to_owned(), value: excerpt(written), expected: expected_type, problem }
}

/// An expression whose value is 1 if WHERE accepts `condition`, and 0 or NULL if not.
fn is_true(condition: &Expr) -> Expr {
    let call = |expr: &Expr| match expr {
        // The value is 1, 0 or NULL already.
        Expr::Call(function, _) if function.is_predicate() => expr.clone(),
        expr => Expr::Call(Function::IsTrue, vec![expr.clone()]),
    };
    Expr::Sql(match condition {
        Expr::Sql(SqlExpr { text, inputs, compiled }) => SqlExpr {
            // CASE WHEN short-circuits as WHERE does.
            text: format!("CASE WHEN {text} THEN 1 ELSE 0 END"),
            inputs: inputs.clone(),
            compiled: compiled.as_deref().map(call).map(Box::new),
        },
        value => SqlExpr {
            text: "value IS TRUE".to_owned(),
            inputs: vec![("value".to_owned(), value.clone())],
            compiled: Some(Box::new(call(value))),
        },
    })
}

/// The values of a chunk that are not of their column's type.
#[derive(Debug, Default)]
pub struct TypeMismatches {
    /// Columns whose inferred type is wrong.
    pub type_feedback: TypeFeedback,
    /// Records to reject, by row, with the reason.
    pub rejects: Vec<(usize, Reason)>,
}

/// Evaluates a [`Program`], one chunk at a time.
#[derive(Debug)]
pub struct Evaluator<'p> {
    program: &'p Program,
    interpreter: Interpreter,
    /// Evaluates what the columns defer to SQLite; opened on first use.
    columns_session: Option<Session>,
    /// The same for each condition.
    condition_sessions: Vec<Option<Session>>,
}

impl Evaluator<'_> {
    /// See [`Program::counts_lines`].
    pub(crate) fn counts_lines(&self) -> bool {
        self.program.counts_lines()
    }

    /// Computes the columns of the rows that `records` become, in `arena`, and collects type mismatches.
    ///
    /// # Errors
    /// [`Kind::Interrupted`](crate::Kind::Interrupted) after a stop; [`Kind::Sqlite`](crate::Kind::Sqlite) if SQLite runs out
    /// of memory.
    pub fn eval<'a>(
        &mut self,
        records: &impl Records<'a>,
        arena: &'a Arena,
    ) -> Result<(&'a [Values<'a>], TypeMismatches)> {
        let Self { program, interpreter, columns_session: session, .. } = self;
        let block = &program.columns;
        let mut mismatches = TypeMismatches::default();
        let on_mismatch = |op, typed: TypedOp<'_>, mismatch: Mismatch<'_>| {
            program.add_mismatch(block, &mut mismatches, (op, typed), mismatch);
        };
        let row_count = records.len();
        let state = interpreter.run(block, records, arena, on_mismatch);
        let on_failure = |EvalFailure { row, expression, message }| {
            let column = Some(program.column_names[expression].clone());
            mismatches.rejects.push((row, Reason::Expression { column, message }));
        };
        let columns = state.outputs(block, (session, &program.stop), row_count, arena, on_failure)?;
        for (column, reason) in &program.not_null {
            let nulls = (0..row_count).filter(|row| columns[*column].get(*row) == Value::Null);
            mismatches.rejects.extend(nulls.map(|row| (row, reason.clone())));
        }
        Ok((columns, mismatches))
    }

    /// The number of conditions that records must meet.
    pub(crate) fn condition_count(&self) -> usize {
        self.condition_sessions.len()
    }

    /// Evaluates a condition, by its number: 1 for the records that meet it, 0 or NULL for the others. Also returns the
    /// rows for which the evaluation fails, with the reason, and the values that are not of their type.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub(crate) fn eval_condition<'a>(
        &mut self,
        condition: usize,
        records: &impl Records<'a>,
        arena: &'a Arena,
    ) -> Result<(Values<'a>, TypeMismatches)> {
        let program = self.program;
        let (block, session) = (&program.conditions[condition], &mut self.condition_sessions[condition]);
        let mut mismatches = TypeMismatches::default();
        let on_mismatch = |op, typed: TypedOp<'_>, mismatch: Mismatch<'_>| {
            program.add_mismatch(block, &mut mismatches, (op, typed), mismatch);
        };
        let state = self.interpreter.run(block, records, arena, on_mismatch);
        let on_failure = |EvalFailure { row, message, .. }| {
            mismatches.rejects.push((row, Reason::Expression { column: None, message }));
        };
        let session = (session, &program.stop);
        let outputs = state.outputs(block, session, records.len(), arena, on_failure)?;
        Ok((outputs[0], mismatches))
    }
}
