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
mod random;
pub(crate) mod sqlite;
mod texts;
mod typed;

use crate::batch::{Arena, TypeFeedback, Value, Values};
use crate::error::{Reason, Result};
use crate::eval::sqlite::{EvalFailure, Session};
use crate::format::Records;
use crate::plan::{Column, EvaluatorChoice, Expr, Function, OnMismatch, SqlExpr, Table, Type};
use compile::{Block, Compiler, Op};
use interpreter::Interpreter;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
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
        Self::with_conditions(table, &[], EvaluatorChoice::Auto, header, input, seed)
    }

    /// Like [`Program::compile`], with conditions that records must meet to become rows.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn with_conditions(
        table: &Table,
        conditions: &[Expr],
        evaluator: EvaluatorChoice,
        header: &[String],
        input: &Arc<str>,
        seed: Seed,
    ) -> Result<Self> {
        let mut compiler = Compiler::new(header, input, evaluator, seed.unix_millis);
        let columns = compiler.compile(table.columns.iter().map(|column| &column.value))?;
        let condition = |condition| compiler.compile([is_true(condition)].iter());
        let conditions = conditions.iter().map(condition).collect::<Result<_>>()?;
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

    /// The reason to reject a record whose value in this column is not of `expected_type`.
    fn not_of_type(&self, column: usize, expected_type: Type) -> Reason {
        let expected = match expected_type {
            Type::Integer => "a canonical 64-bit INTEGER",
            Type::Real => "a decimal number that a REAL preserves",
            Type::NumericAffinity | Type::RealAffinity => "a number that the column stores unchanged",
            Type::Text | Type::Blob => "a BLOB in pairs of hexadecimal digits",
        };
        Reason::NotOfType { column: self.column_names[column].clone(), expected }
    }

    /// True if an expression needs the line numbers of records.
    pub(crate) fn counts_lines(&self) -> bool {
        let mut blocks = std::iter::once(&self.columns).chain(&self.conditions);
        blocks.any(|block| block.ops.contains(&Op::LineNumber))
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
        let on_mismatch = |op, expected_type, otherwise, mismatch| {
            let mut columns = (0..block.outputs.len()).filter(|index| block.outputs[*index].op == Some(op));
            match (mismatch, otherwise) {
                (Mismatch::Real, _) => mismatches.type_feedback.real_columns.extend(columns),
                (Mismatch::LongInteger, _) => mismatches.type_feedback.long_integer_columns.extend(columns),
                (Mismatch::NotOfType { row }, OnMismatch::Reject) => {
                    let column = columns.next().unwrap_or_default();
                    mismatches.rejects.push((row, program.not_of_type(column, expected_type)));
                }
                (Mismatch::NotOfType { .. }, OnMismatch::TypeMismatch | OnMismatch::Widen) => {
                    mismatches.type_feedback.mismatched =
                        mismatches.type_feedback.mismatched.or(columns.next());
                }
            }
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
    /// rows for which the evaluation fails, with the reason.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub(crate) fn eval_condition<'a>(
        &mut self,
        condition: usize,
        records: &impl Records<'a>,
        arena: &'a Arena,
    ) -> Result<(Values<'a>, Vec<(usize, Reason)>)> {
        let (block, session) = (&self.program.conditions[condition], &mut self.condition_sessions[condition]);
        let mut rejects = Vec::new();
        let state = self.interpreter.run(block, records, arena, |_, _, _, _| {});
        let on_failure = |EvalFailure { row, message, .. }| {
            rejects.push((row, Reason::Expression { column: None, message }));
        };
        let session = (session, &self.program.stop);
        let outputs = state.outputs(block, session, records.len(), arena, on_failure)?;
        Ok((outputs[0], rejects))
    }
}
