//! Fields to values, by the plan's expressions.
//!
//! A table's expressions are compiled once into a list of operations, each of which makes a column of values
//! from columns before it; equal subexpressions share a column and so are evaluated once. A chunk is then one
//! walk down that list: what to do is decided once a chunk, not once a row, and each step is a tight loop.
//! Nothing here allocates but in the batch's arena.
//!
//! An operation of SQL that meets a value of which it is not sure what SQLite makes of it (the text of a REAL, a number
//! of twenty digits) leaves the chunk, and with it the expressions that are made of it, to SQLite: so the values are
//! SQLite's, whoever evaluates. What is not compiled at all always goes there.
//!
//! Random bits come from one ChaCha8 stream for each UUID expression, read at a place that the record's
//! number gives. So the values are the same however the input was cut and whichever thread met the record.

mod calls;
mod compile;
pub(crate) mod format_strings;
pub(crate) mod functions;
mod random;
pub(crate) mod sqlite;
mod texts;
mod typed;

use crate::batch::{Arena, ArenaVec, TypeFeedback, Value, Values, null_where};
use crate::error::{Reason, Result};
use crate::eval::sqlite::{Failure, Session};
use crate::format::Records;
use crate::plan::{Column, EvaluatorChoice, Expr, Function, OnMismatch, SqlExpr, Table, Type};
use compile::{Block, Compiler, Constant, Op, Slot};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use random::{Stream, uuid4, uuid7, uuids};
use std::sync::Arc;
use texts::{concat, upper};
use typed::{Found, integers, try_integers, typed};

/// The expressions of a table, compiled for one header.
#[derive(Debug, Clone)]
pub struct Program {
    columns: Block,
    /// What says which records become rows: the conditions, each with only itself as its output.
    conditions: Vec<Block>,
    /// The names of the columns.
    names: Vec<String>,
    /// The columns that refuse NULL, each with the reason of a reject.
    required: Vec<(usize, Reason)>,
    /// The number of random streams.
    streams: usize,
    seed: Seed,
}

/// What the UUIDs of a load have in common.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Key of the random streams.
    pub key: [u8; 32],
    /// Milliseconds since 1970, the timestamp of every UUIDv7.
    pub unix_millis: u64,
}

impl Seed {
    /// Random, and now.
    #[must_use]
    pub fn random() -> Self {
        let since_1970 =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { key: rand::random(), unix_millis: since_1970.as_millis() as u64 }
    }

    /// Always the same for the same `seed`; the time is that of the number.
    #[must_use]
    pub fn fixed(seed: u64) -> Self {
        let mut key = [0; 32];
        ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut key);
        Self { key, unix_millis: seed }
    }
}

impl Program {
    /// Compiles the expressions of `table` for an input named `input` with this `header`.
    ///
    /// # Errors
    /// [`Kind::MissingColumn`](crate::Kind::MissingColumn) or [`Kind::AmbiguousColumn`](crate::Kind::AmbiguousColumn) if
    /// a field's name is not in the header just once.
    pub fn compile(table: &Table, header: &[String], input: &Arc<str>, seed: Seed) -> Result<Self> {
        Self::with_conditions(table, &[], EvaluatorChoice::Auto, header, input, seed)
    }

    /// As [`Program::compile`], for those records alone for which all `conditions` are true.
    ///
    /// # Errors
    /// As there, and [`Kind::Usage`](crate::Kind::Usage) if SQLite does not understand an expression.
    pub fn with_conditions(
        table: &Table,
        conditions: &[Expr],
        evaluator: EvaluatorChoice,
        header: &[String],
        input: &Arc<str>,
        seed: Seed,
    ) -> Result<Self> {
        let mut compiler = Compiler::new(header, input, evaluator, seed.unix_millis);
        let columns = compiler.block(table.columns.iter().map(|column| &column.value))?;
        let condition = |condition| compiler.block([is_true(condition)].iter());
        let conditions = conditions.iter().map(condition).collect::<Result<_>>()?;
        let names = table.columns.iter().map(|column| column.name.clone()).collect();
        let required = table.columns.iter().enumerate().filter(|(_, column)| column.rejects_null);
        let reason = |(at, Column { name, .. }): (usize, &Column)| {
            let message = format!("NOT NULL constraint failed: {}.{name}", table.name);
            (at, Reason::Constraint { column: Some(name.clone()), message })
        };
        let required = required.map(reason).collect();
        Ok(Self { columns, conditions, names, required, streams: compiler.streams, seed })
    }

    /// What a reject is told whose value in output column `at` is not of its type.
    fn reason(&self, at: usize, of_type: Type) -> Reason {
        let expected = match of_type {
            Type::Integer => "a canonical 64-bit INTEGER",
            Type::Real => "a REAL that gives its digits back",
            Type::NumericAffinity | Type::RealAffinity => "a number that its type would keep as it is",
            Type::Text | Type::Blob => "a BLOB in hexadecimal digits",
        };
        Reason::NotOfType { column: self.names[at].clone(), expected }
    }

    /// Whether the lines of records are to be counted.
    pub(crate) fn counts_lines(&self) -> bool {
        let mut blocks = std::iter::once(&self.columns).chain(&self.conditions);
        blocks.any(|block| block.ops.contains(&Op::LineNumber))
    }

    /// An evaluator of these expressions; each worker has its own.
    #[must_use]
    pub fn evaluator(&self) -> Evaluator<'_> {
        let streams = (0..self.streams).map(|id| {
            let mut rng = ChaCha8Rng::from_seed(self.seed.key);
            rng.set_stream(id as u64);
            Stream { rng, next_record: 0 }
        });
        let walk = Interpreter { streams: streams.collect(), unix_millis: self.seed.unix_millis };
        let conditions = self.conditions.iter().map(|_| None).collect();
        Evaluator { program: self, walk, columns: None, conditions }
    }
}

/// 1 where `condition` is true in the sense of WHERE, 0 or NULL elsewhere.
fn is_true(condition: &Expr) -> Expr {
    let call = |expr: &Expr| match expr {
        // It is 1, 0 or NULL.
        Expr::Call(function, _) if function.is_predicate() => expr.clone(),
        expr => Expr::Call(Function::IsTrue, vec![expr.clone()]),
    };
    Expr::Sql(match condition {
        Expr::Sql(SqlExpr { text, inputs, compiled }) => SqlExpr {
            // As WHERE does, this does not look further than it must.
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

/// Values that are not what they should be.
#[derive(Debug, Default)]
pub struct TypeMismatches {
    /// Where types are guesses.
    pub type_feedback: TypeFeedback,
    /// Rows that are none, each with a reason.
    pub rejects: Vec<(usize, Reason)>,
}

/// Evaluates a program, chunk by chunk.
#[derive(Debug)]
pub struct Evaluator<'p> {
    program: &'p Program,
    walk: Interpreter,
    /// What is left to SQLite, where anything is: of the columns, and of each condition.
    columns: Option<Session>,
    conditions: Vec<Option<Session>>,
}

impl Evaluator<'_> {
    /// See [`Program::counts_lines`].
    pub(crate) fn counts_lines(&self) -> bool {
        self.program.counts_lines()
    }

    /// The columns of the rows that `records` become, made in `arena`, and the values that are not what they should be.
    pub fn eval<'a>(
        &mut self,
        records: &impl Records<'a>,
        arena: &'a Arena,
    ) -> (&'a [Values<'a>], TypeMismatches) {
        let Self { program, walk, columns: session, .. } = self;
        let block = &program.columns;
        let mut mismatches = TypeMismatches::default();
        let found = |slot, to, otherwise, found| {
            let mut columns = (0..block.outputs.len()).filter(|at| block.outputs[*at].slot == Some(slot));
            match (found, otherwise) {
                (Found::Real, _) => mismatches.type_feedback.reals.extend(columns),
                (Found::LongInteger, _) => mismatches.type_feedback.long_integers.extend(columns),
                (Found::Other(row), OnMismatch::Reject) => {
                    let at = columns.next().unwrap_or_default();
                    mismatches.rejects.push((row, program.reason(at, to)));
                }
                (Found::Other(_), OnMismatch::TypeMismatch | OnMismatch::Widen) => {
                    mismatches.type_feedback.wrong = mismatches.type_feedback.wrong.or(columns.next());
                }
            }
        };
        let rows = records.len();
        let made = walk.run(block, records, arena, found);
        let failed = |Failure { row, expression, message }| {
            let column = Some(program.names[expression].clone());
            mismatches.rejects.push((row, Reason::Expression { column, message }));
        };
        let columns = made.outputs(block, session, rows, arena, failed);
        for (at, reason) in &program.required {
            let nulls = (0..rows).filter(|row| columns[*at].get(*row) == Value::Null);
            mismatches.rejects.extend(nulls.map(|row| (row, reason.clone())));
        }
        (columns, mismatches)
    }

    /// How many conditions records have to meet.
    pub(crate) fn conditions(&self) -> usize {
        self.conditions.len()
    }

    /// Which of `records` meet condition `number`, 1 for those and 0 or NULL for others, and those of which that can not be said, with the reason.
    pub(crate) fn meets<'a>(
        &mut self,
        number: usize,
        records: &impl Records<'a>,
        arena: &'a Arena,
    ) -> (Values<'a>, Vec<(usize, Reason)>) {
        let Self { program, walk, conditions, .. } = self;
        let (block, session) = (&program.conditions[number], &mut conditions[number]);
        let mut rejects = Vec::new();
        let made = walk.run(block, records, arena, |_, _, _, _| {});
        let failed = |Failure { row, message, .. }| {
            rejects.push((row, Reason::Expression { column: None, message }));
        };
        let outputs = made.outputs(block, session, records.len(), arena, failed);
        (outputs[0], rejects)
    }
}

/// What is made of a chunk so far.
struct EvalState<'a> {
    /// The column of each operation.
    columns: ArenaVec<'a, Values<'a>>,
    /// Whether it is left to SQLite.
    is_deferred: ArenaVec<'a, bool>,
}

impl<'a> EvalState<'a> {
    /// The columns of the outputs; `failed` is told of each value that SQLite can not make, with the number of the output.
    fn outputs(
        &self,
        block: &Block,
        session: &mut Option<Session>,
        rows: usize,
        arena: &'a Arena,
        mut failed: impl FnMut(Failure),
    ) -> &'a [Values<'a>] {
        let compiled =
            |slot: Option<Slot>| slot.filter(|slot| !self.is_deferred[*slot]).map(|slot| self.columns[slot]);
        let columns = arena.list(
            block.outputs.iter().map(|output| compiled(output.slot).unwrap_or(Values::Constant(Value::Null))),
        );
        let left = block.outputs.iter().enumerate().filter(|(_, output)| compiled(output.slot).is_none());
        let (left, texts): (Vec<_>, Vec<_>) =
            left.map(|(at, output)| (at, output.text.as_deref().unwrap_or("NULL"))).unzip();
        if left.is_empty() {
            return columns;
        }
        // The texts have been checked, so what fails here is the machine.
        let session = session.get_or_insert_with(|| Session::open(&block.columns()).expect("SQLite opens"));
        let inputs = block.inputs.iter().map(|(_, slot)| self.columns[*slot]);
        let failed = |failure: Failure| failed(Failure { expression: left[failure.expression], ..failure });
        let made = session.eval(&texts, inputs, rows, arena, failed).expect("SQLite evaluates");
        for (at, values) in left.iter().zip(made) {
            columns[*at] = *values;
        }
        columns
    }
}

/// What is needed to walk down the operations of a block.
#[derive(Debug)]
struct Interpreter {
    streams: Vec<Stream>,
    unix_millis: u64,
}

impl Interpreter {
    /// Runs all operations; `mismatch` is told of values that are not of their type, with the operation.
    fn run<'a>(
        &mut self,
        block: &Block,
        records: &impl Records<'a>,
        arena: &'a Arena,
        mut mismatch: impl FnMut(Slot, Type, OnMismatch, Found),
    ) -> EvalState<'a> {
        let rows = records.len();
        let mut made =
            EvalState { columns: arena.vec(block.ops.len()), is_deferred: arena.vec(block.ops.len()) };
        for (slot, op) in block.ops.iter().enumerate() {
            let is_deferred = op.reads().iter().any(|slot| made.is_deferred[*slot]);
            let column = match op {
                _ if is_deferred => None,
                Op::Typed(of, to, otherwise) => {
                    let found = |found| mismatch(slot, *to, *otherwise, found);
                    Some(typed(made.columns[*of], (*to, *otherwise), rows, arena, found))
                }
                Op::Call(function, of) => calls::call(*function, of, &made.columns, rows, arena),
                op => Some(self.eval_op(op, records, &made.columns, arena)),
            };
            made.is_deferred.push(column.is_none());
            made.columns.push(column.unwrap_or(Values::Constant(Value::Null)));
        }
        made
    }

    fn eval_op<'a>(
        &mut self,
        op: &Op,
        records: &impl Records<'a>,
        made: &[Values<'a>],
        arena: &'a Arena,
    ) -> Values<'a> {
        let rows = records.len();
        let numbers = records.load_records();
        match op {
            Op::Constant(constant) => Values::Constant(match constant {
                Constant::Null => Value::Null,
                Constant::Integer(integer) => Value::Integer(*integer),
                Constant::Real(real) => Value::Real(f64::from_bits(*real)),
                Constant::Text(text) => Value::Text(arena.copy(text.as_bytes())),
                Constant::Blob(blob) => Value::Blob(arena.copy(blob)),
            }),
            Op::Field(index) => records.field(*index, arena),
            Op::FieldOrNull(index) => records.field_or_null(*index, arena),
            Op::RecordNumber => {
                Values::Integers(arena.list(records.input_records().map(|number| number as i64 + 1)))
            }
            Op::LineNumber => {
                Values::Integers(arena.list(records.lines().iter().map(|line| *line as i64 + 1)))
            }
            Op::NullIf(of, texts) => {
                let is_null = |row| match made[*of].get(row) {
                    Value::Text(text) => texts.iter().any(|null| **null == *text),
                    _ => false,
                };
                null_where(made[*of], is_null, rows, arena)
            }
            Op::Typed(of, ..) => made[*of],
            Op::Upper(of) => upper(made[*of], rows, arena),
            Op::TryInteger(of) => try_integers(made[*of], rows, arena),
            Op::Coalesce(of) => coalesce(of, made, rows, arena),
            Op::Concat(of) => concat(of, made, rows, arena),
            Op::Call(..) => Values::Constant(Value::Null),
            Op::Uuid4(stream) => {
                let stream = &mut self.streams[*stream];
                uuids(numbers.map(|record| uuid4(stream.words_of(record))), arena)
            }
            Op::Uuid7(stream) => {
                let (stream, millis) = (&mut self.streams[*stream], self.unix_millis);
                uuids(numbers.map(|record| uuid7(millis, record, stream.words_of(record))), arena)
            }
            Op::Random(stream) => {
                let stream = &mut self.streams[*stream];
                let integer = |[high, low]: [u32; 2]| (u64::from(high) << 32 | u64::from(low)).cast_signed();
                Values::Integers(arena.list(numbers.map(|record| integer(stream.words_of(record)))))
            }
        }
    }
}

fn coalesce<'a>(of: &[Slot], made: &[Values<'a>], rows: usize, arena: &'a Arena) -> Values<'a> {
    match of.first().map(|slot| made[*slot]) {
        None | Some(Values::Mixed(_) | Values::Constant(Value::Null)) => {}
        Some(never_null) => return never_null,
    }
    let value = |row: usize| {
        let mut values = of.iter().map(|slot| made[*slot].get(row));
        values.find(|value| !matches!(value, Value::Null)).unwrap_or(Value::Null)
    };
    let values = &*arena.list((0..rows).map(value));
    let integer = |value: &Value<'_>| match value {
        Value::Integer(integer) => Some(*integer),
        _ => None,
    };
    integers(values.iter().map(integer), arena).unwrap_or(Values::Mixed(values))
}
