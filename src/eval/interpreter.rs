//! Runs the operations of a block over the records of one chunk.

use super::Seed;
use super::calls;
use super::compile::{Block, Constant, Op, OpIndex, TypedOp};
use super::notation::in_sql_notation;
use super::random::{RandomStream, uuid4, uuid7, uuids};
use super::sqlite::{EvalFailure, Session};
use super::texts::{concat, upper};
use super::typed::{Mismatch, integers, parse_typed, try_integers};
use crate::batch::{Arena, ArenaVec, Value, Values, null_where};
use crate::error::Result;
use crate::format::Records;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The state that operations need across chunks.
#[derive(Debug)]
pub(super) struct Interpreter {
    streams: Vec<RandomStream>,
    unix_millis: u64,
}

/// The result of running a block over a chunk.
pub(super) struct EvalState<'a> {
    /// The column of each operation.
    columns: ArenaVec<'a, Values<'a>>,
    /// For each operation, whether its column was deferred to SQLite.
    is_deferred: ArenaVec<'a, bool>,
}

impl<'a> EvalState<'a> {
    /// The columns of the block's outputs. Deferred outputs are evaluated in `session`, which is opened on first use;
    /// `on_failure` is called for each value that SQLite fails to compute, with the index of the output.
    ///
    /// # Errors
    /// As [`Session::open_until`] and [`Session::eval`].
    pub(super) fn outputs(
        &self,
        block: &Block,
        (session, stop): (&mut Option<Session>, &Arc<AtomicBool>),
        row_count: usize,
        arena: &'a Arena,
        mut on_failure: impl FnMut(EvalFailure),
    ) -> Result<&'a [Values<'a>]> {
        let compiled =
            |op: Option<OpIndex>| op.filter(|op| !self.is_deferred[*op]).map(|op| self.columns[op]);
        let columns = arena.list(
            block.outputs.iter().map(|output| compiled(output.op).unwrap_or(Values::Constant(Value::Null))),
        );
        let deferred = block.outputs.iter().enumerate().filter(|(_, output)| compiled(output.op).is_none());
        let (deferred, texts): (Vec<_>, Vec<_>) =
            deferred.map(|(index, output)| (index, output.sql.as_deref().unwrap_or("NULL"))).unzip();
        if deferred.is_empty() {
            return Ok(columns);
        }
        let session = match session {
            Some(session) => session,
            None => session.insert(Session::open_until(&block.input_columns(), stop)?),
        };
        let inputs = block.inputs.iter().map(|(_, op)| self.columns[*op]);
        let on_failure = |failure: EvalFailure| {
            on_failure(EvalFailure { expression: deferred[failure.expression], ..failure });
        };
        let results = session.eval(&texts, inputs, row_count, arena, on_failure)?;
        for (index, values) in deferred.iter().zip(results) {
            columns[*index] = *values;
        }
        Ok(columns)
    }
}

impl Interpreter {
    pub(super) fn new(stream_count: usize, seed: Seed) -> Self {
        let streams = (0..stream_count).map(|id| {
            let mut rng = ChaCha8Rng::from_seed(seed.key);
            rng.set_stream(id as u64);
            RandomStream::new(rng)
        });
        Self { streams: streams.collect(), unix_millis: seed.unix_millis }
    }

    /// Runs all operations of a block. `on_mismatch` is called for values that are not of their type, with the operation
    /// and its type.
    pub(super) fn run<'a>(
        &mut self,
        block: &Block,
        records: &impl Records<'a>,
        arena: &'a Arena,
        mut on_mismatch: impl FnMut(OpIndex, TypedOp<'_>, Mismatch<'a>),
    ) -> EvalState<'a> {
        let row_count = records.len();
        let mut state =
            EvalState { columns: arena.vec(block.ops.len()), is_deferred: arena.vec(block.ops.len()) };
        for (index, op) in block.ops.iter().enumerate() {
            let is_deferred = op.operands().iter().any(|operand| state.is_deferred[*operand]);
            let column = match op {
                _ if is_deferred => None,
                Op::Typed(texts, to, otherwise) => {
                    let typed =
                        TypedOp { column: block.column_name(*texts), to: *to, on_mismatch: *otherwise };
                    let fields = match &block.ops[*texts] {
                        Op::InSqlNotation(operand, ..) => Some(state.columns[*operand]),
                        _ => None,
                    };
                    let on_mismatch = |mismatch| on_mismatch(index, typed, as_written(mismatch, fields));
                    let texts = state.columns[*texts];
                    Some(parse_typed(texts, (*to, *otherwise), row_count, arena, on_mismatch))
                }
                Op::Call(function, affinity, arguments) => {
                    calls::call((*function, *affinity), arguments, &state.columns, row_count, arena)
                }
                op => Some(self.eval_op(op, records, &state.columns, arena)),
            };
            state.is_deferred.push(column.is_none());
            state.columns.push(column.unwrap_or(Values::Constant(Value::Null)));
        }
        state
    }

    /// Computes the column of an operation that never defers, from the `columns` before it.
    fn eval_op<'a>(
        &mut self,
        op: &Op,
        records: &impl Records<'a>,
        columns: &[Values<'a>],
        arena: &'a Arena,
    ) -> Values<'a> {
        let row_count = records.len();
        let load_records = records.load_records();
        match op {
            Op::Constant(constant) => Values::Constant(match constant {
                Constant::Null => Value::Null,
                Constant::Integer(integer) => Value::Integer(*integer),
                Constant::Real(bits) => Value::Real(f64::from_bits(*bits)),
                Constant::Text(text) => Value::Text(arena.copy(text.as_bytes())),
                Constant::Blob(blob) => Value::Blob(arena.copy(blob)),
            }),
            Op::Field(index) => records.field(*index, arena),
            Op::FieldOrNull(index) => records.field_or_null(*index, arena),
            Op::Value(index, to) => records.value(*index, *to, arena),
            Op::InputName => Values::Constant(Value::Text(arena.copy(records.input_name().as_bytes()))),
            Op::RecordNumber => {
                Values::Integers(arena.list(records.input_records().map(|number| number as i64 + 1)))
            }
            Op::LineNumber => {
                Values::Integers(arena.list(records.lines().iter().map(|line| *line as i64 + 1)))
            }
            Op::InSqlNotation(operand, notation, keeps_text) => {
                in_sql_notation(columns[*operand], (*notation, *keeps_text), row_count, arena)
            }
            Op::NullIf(operand, texts, column) => {
                let is_one = |text: &[u8]| texts.iter().any(|null| **null == *text);
                let is_value_one =
                    |row| matches!(columns[*operand].get(row), Value::Text(text) if is_one(text));
                let is_null = |row| match column.and_then(|column| records.written(column, row)) {
                    Some(written) => is_one(written),
                    None => is_value_one(row),
                };
                null_where(columns[*operand], is_null, row_count, arena)
            }
            Op::Upper(operand) => upper(columns[*operand], row_count, arena),
            Op::TryInteger(operand) => try_integers(columns[*operand], row_count, arena),
            Op::Coalesce(operands) => coalesce(operands, columns, row_count, arena),
            Op::Concat(operands) => concat(operands, columns, row_count, arena),
            Op::Typed(..) | Op::Call(..) => unreachable!("run() evaluates these"),
            Op::Uuid4(stream) => {
                let stream = &mut self.streams[*stream];
                uuids(load_records.map(|record| uuid4(stream.words_of(record))), arena)
            }
            Op::Uuid7(stream) => {
                let (stream, millis) = (&mut self.streams[*stream], self.unix_millis);
                uuids(load_records.map(|record| uuid7(millis, record, stream.words_of(record))), arena)
            }
            Op::Random(stream) => {
                let stream = &mut self.streams[*stream];
                let integer = |[high, low]: [u32; 2]| (u64::from(high) << 32 | u64::from(low)).cast_signed();
                Values::Integers(arena.list(load_records.map(|record| integer(stream.words_of(record)))))
            }
        }
    }
}

/// The mismatch with the text in `fields`, if the text that is not of its type was made from them.
fn as_written<'a>(mismatch: Mismatch<'a>, fields: Option<Values<'a>>) -> Mismatch<'a> {
    match (mismatch, fields) {
        (Mismatch::NotOfType { row, text, .. }, Some(fields))
            if let Value::Text(written) = fields.get(row) =>
        {
            Mismatch::NotOfType { row, text, written }
        }
        (mismatch, _) => mismatch,
    }
}

/// For each row, the first operand that is not NULL.
fn coalesce<'a>(
    operands: &[OpIndex],
    columns: &[Values<'a>],
    row_count: usize,
    arena: &'a Arena,
) -> Values<'a> {
    match operands.first().map(|operand| columns[*operand]) {
        None | Some(Values::Nullable(_) | Values::Mixed(_) | Values::Constant(Value::Null)) => {}
        Some(never_null) => return never_null,
    }
    let value = |row: usize| {
        let mut values = operands.iter().map(|operand| columns[*operand].get(row));
        values.find(|value| !matches!(value, Value::Null)).unwrap_or(Value::Null)
    };
    let values = &*arena.list((0..row_count).map(value));
    let integer = |value: &Value<'_>| match value {
        Value::Integer(integer) => Some(*integer),
        _ => None,
    };
    integers(values.iter().map(integer), arena).unwrap_or(Values::Mixed(values))
}
