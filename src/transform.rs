//! Fields to values, by the plan's expressions.
//!
//! A table's expressions are compiled once into a list of operations, each of which makes a column of values
//! from columns before it; equal subexpressions share a column and so are evaluated once. A chunk is then one
//! walk down that list: what to do is decided once a chunk, not once a row, and each step is a tight loop.
//! Nothing here allocates but in the batch's arena.
//!
//! Random bits come from one ChaCha8 stream for each UUID expression, read at a place that the record's
//! number gives. So the values are the same however the input was cut and whichever thread met the record.

mod random;
mod texts;
mod typed;

use crate::batch::{Arena, Span, Strings, Value, Values};
use crate::error::{Kind, Reason, Result};
use crate::parse::{of_chunk, plain_bytes, quoted, unquote_to};
use crate::plan::{Dialect, Expr, Otherwise, Table, Type};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use random::{Stream, uuid4, uuid7, uuids};
use std::sync::Arc;
use texts::{Texts, concat, copy, upper};
use typed::{integers, null_where, try_integers, typed};

/// Index of an operation, and of the column that it makes.
type Slot = usize;

#[derive(Debug, Clone, PartialEq)]
enum Op {
    Field(usize),
    Constant(Constant),
    FieldOrNull(usize),
    NullIf(Slot, Box<[Box<[u8]>]>),
    Typed(Slot, Type, Otherwise),
    Upper(Slot),
    TryInteger(Slot),
    Coalesce(Box<[Slot]>),
    Concat(Box<[Slot]>),
    /// The index of its random stream.
    Uuid4(usize),
    /// The index of its random stream.
    Uuid7(usize),
}

/// A value that is the same for every record.
#[derive(Debug, Clone, PartialEq)]
enum Constant {
    Null,
    Text(String),
    Integer(i64),
}

/// The expressions of a table, compiled for one header.
#[derive(Debug, Clone)]
pub struct Program {
    ops: Vec<Op>,
    outputs: Vec<Slot>,
    /// The names of the columns that they are.
    names: Vec<String>,
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
    /// [`Kind::MissingColumn`] or [`Kind::AmbiguousColumn`] if a field's name is not in the header just once.
    pub fn compile(table: &Table, header: &[String], input: &Arc<str>, seed: Seed) -> Result<Self> {
        let names = table.columns.iter().map(|column| column.name.clone()).collect();
        let mut program = Self { ops: Vec::new(), outputs: Vec::new(), names, streams: 0, seed };
        for column in &table.columns {
            let output = program.add(&column.value, header, input)?;
            program.outputs.push(output);
        }
        Ok(program)
    }

    fn add(&mut self, expr: &Expr, header: &[String], input: &Arc<str>) -> Result<Slot> {
        let mut list = |exprs: &[Expr]| -> Result<Box<[Slot]>> {
            exprs.iter().map(|expr| self.add(expr, header, input)).collect()
        };
        let op = match expr {
            Expr::Field(name) => Op::Field(find_column(name, header, input)?),
            Expr::FieldOrNull(name) => Op::FieldOrNull(find_column(name, header, input)?),
            Expr::InputName => Op::Constant(Constant::Text(input.to_string())),
            Expr::NullIf(of, texts) => {
                let texts = texts.iter().map(|text| text.as_bytes().into()).collect();
                Op::NullIf(self.add(of, header, input)?, texts)
            }
            Expr::Typed { of, to, otherwise } => Op::Typed(self.add(of, header, input)?, *to, *otherwise),
            Expr::Null => Op::Constant(Constant::Null),
            Expr::Text(text) => Op::Constant(Constant::Text(text.clone())),
            Expr::Integer(integer) => Op::Constant(Constant::Integer(*integer)),
            Expr::Upper(of) => Op::Upper(self.add(of, header, input)?),
            Expr::TryInteger(of) => Op::TryInteger(self.add(of, header, input)?),
            Expr::Coalesce(of) => Op::Coalesce(list(of)?),
            Expr::Concat(of) => Op::Concat(list(of)?),
            Expr::Uuid4 => Op::Uuid4(self.add_stream()),
            Expr::Uuid7 => Op::Uuid7(self.add_stream()),
            Expr::Sqlite(sql) => {
                return Err(Kind::Usage(format!("{sql} can not be evaluated")).into());
            }
        };
        // Each UUID has a stream of its own, so two of them are never equal and never share a slot.
        if let Some(slot) = self.ops.iter().position(|known| *known == op) {
            return Ok(slot);
        }
        self.ops.push(op);
        Ok(self.ops.len() - 1)
    }

    fn add_stream(&mut self) -> usize {
        self.streams += 1;
        self.streams - 1
    }

    /// What a reject is told whose value in output column `at` is not of its type.
    pub(crate) fn reason(&self, at: usize) -> Reason {
        let expected = match &self.ops[self.outputs[at]] {
            Op::Typed(_, Type::Integer, _) => "a canonical 64-bit INTEGER",
            Op::Typed(_, Type::Real, _) => "a REAL that gives its digits back",
            Op::Typed(_, Type::Numeric | Type::Floating, _) => "a number that its type would keep as it is",
            _ => "a BLOB in hexadecimal digits",
        };
        Reason::NotOfType { column: self.names[at].clone(), expected }
    }

    /// An evaluator of these expressions; each worker has its own.
    #[must_use]
    pub fn evaluator(&self) -> Evaluator<'_> {
        let streams = (0..self.streams).map(|id| {
            let mut rng = ChaCha8Rng::from_seed(self.seed.key);
            rng.set_stream(id as u64);
            Stream { rng, next_record: 0 }
        });
        Evaluator { program: self, streams: streams.collect() }
    }
}

fn find_column(name: &str, header: &[String], input: &Arc<str>) -> Result<usize> {
    let mut found = header.iter().enumerate().filter(|(_, column)| *column == name);
    let input = input.clone();
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some(_), Some(_)) => Err(Kind::AmbiguousColumn { place: None, input, name: name.to_owned() }.into()),
        (None, _) => {
            Err(Kind::MissingColumn { place: None, input, missing: name.to_owned(), found: header.to_vec() }
                .into())
        }
    }
}

/// The records of a chunk that are to become rows, cut into fields.
#[derive(Debug, Clone, Copy)]
pub struct Records<'r, 'a> {
    /// What the fields lie in, the chunk or what it was mended to; UTF-8 wherever a field is read.
    pub chunk: &'a [u8],
    /// How fields are quoted.
    pub dialect: Dialect,
    /// The fields, record after record; empty where one is missing.
    pub fields: &'r [Span],
    /// Fields in each record.
    pub width: usize,
    /// Records of the load before the chunk.
    pub first_record: u64,
    /// For each record, how many of the chunk come before it, those that become no row included.
    pub numbers: &'r [u32],
    /// The numbers, in order, of the records that lack fields, each with how many it has.
    pub short: &'r [(u32, u32)],
}

/// Values that are not of the types that they should have.
#[derive(Debug, Default)]
pub struct Misfits {
    /// The first column whose type was a guess, which does not hold.
    pub guess: Option<usize>,
    /// Rows that are none for that, each with the column.
    pub rejects: Vec<(usize, usize)>,
}

/// Evaluates a program, chunk by chunk.
#[derive(Debug)]
pub struct Evaluator<'p> {
    program: &'p Program,
    streams: Vec<Stream>,
}

impl Evaluator<'_> {
    /// See [`Program::reason`].
    pub(crate) fn reason(&self, at: usize) -> Reason {
        self.program.reason(at)
    }

    /// The columns of the rows that `records` become, made in `arena`, and the values that are not of their types.
    pub fn eval<'a>(&mut self, records: Records<'_, 'a>, arena: &'a Arena) -> (&'a [Values<'a>], Misfits) {
        let mut made = arena.vec(self.program.ops.len());
        let records = Records { dialect: of_chunk(records.chunk, records.dialect), ..records };
        let mut misfits = Misfits::default();
        for (slot, op) in self.program.ops.iter().enumerate() {
            let column = match op {
                Op::Typed(of, to, otherwise) => {
                    let at =
                        self.program.outputs.iter().position(|output| *output == slot).unwrap_or_default();
                    let found = |row| match otherwise {
                        Otherwise::Misfit => misfits.guess = misfits.guess.or(Some(at)),
                        Otherwise::Reject => misfits.rejects.push((row, at)),
                    };
                    typed(made[*of], *to, records.numbers.len(), arena, found)
                }
                op => self.eval_op(op, records, &made, arena),
            };
            made.push(column);
        }
        (arena.list(self.program.outputs.iter().map(|slot| made[*slot])), misfits)
    }

    fn eval_op<'a>(
        &mut self,
        op: &Op,
        records: Records<'_, 'a>,
        made: &[Values<'a>],
        arena: &'a Arena,
    ) -> Values<'a> {
        let rows = records.numbers.len();
        let numbers = records.numbers.iter().map(|number| records.first_record + u64::from(*number));
        match op {
            Op::Constant(Constant::Null) => Values::Constant(Value::Null),
            Op::Constant(Constant::Text(text)) => Values::Constant(Value::Text(arena.copy(text.as_bytes()))),
            Op::Constant(Constant::Integer(integer)) => Values::Constant(Value::Integer(*integer)),
            // Other inputs have such a column.
            Op::Field(index) | Op::FieldOrNull(index) if *index >= records.width => {
                Values::Constant(Value::Null)
            }
            Op::Field(index) => null_if_missing(field(*index, records, arena), *index, records, arena),
            Op::FieldOrNull(index) => {
                let is_empty = |row: usize| records.fields[row * records.width + *index].len() == 0;
                null_where(field(*index, records, arena), is_empty, rows, arena)
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
            Op::Uuid4(stream) => {
                let stream = &mut self.streams[*stream];
                uuids(numbers.map(|record| uuid4(stream.words_of(record))), arena)
            }
            Op::Uuid7(stream) => {
                let (stream, millis) = (&mut self.streams[*stream], self.program.seed.unix_millis);
                uuids(numbers.map(|record| uuid7(millis, record, stream.words_of(record))), arena)
            }
        }
    }
}

/// The values of field `index`. The dialect is as [`of_chunk`] says.
fn field<'a>(index: usize, records: Records<'_, 'a>, arena: &'a Arena) -> Values<'a> {
    let Records { chunk, dialect, fields, width, .. } = records;
    if dialect.escape.is_some() {
        return made_field(index, records, arena);
    }
    let spans = arena.list(fields.chunks_exact(width).map(|fields| fields[index]));
    let spans_of_quoted = if dialect.quote.is_some() { &mut *spans } else { &mut [] };
    for span in spans_of_quoted {
        let Some((rest, quote)) = quoted(span.of(chunk), dialect.quote) else { continue };
        let Some(bytes) = plain_bytes(rest, quote) else { return made_field(index, records, arena) };
        span.start += 1;
        span.end = span.start + bytes as u32;
    }
    Values::Texts(Strings { bytes: chunk, spans })
}

/// The values of field `index`, NULL in the records that lack it.
fn null_if_missing<'a>(
    of: Values<'a>,
    index: usize,
    records: Records<'_, 'a>,
    arena: &'a Arena,
) -> Values<'a> {
    let Records { numbers, short, .. } = records;
    if short.is_empty() {
        return of;
    }
    let is_missing = |row: usize| {
        let found = short.binary_search_by_key(&numbers[row], |(number, _)| *number);
        found.is_ok_and(|at| short[at].1 as usize <= index)
    };
    null_where(of, is_missing, numbers.len(), arena)
}

/// As [`field`], where quotes or escapes inside of quotes make that a value is not a piece of the chunk.
fn made_field<'a>(index: usize, records: Records<'_, 'a>, arena: &'a Arena) -> Values<'a> {
    let Records { chunk, dialect, fields, width, .. } = records;
    let fields = || fields.chunks_exact(width).map(|fields| fields[index]);
    let mut texts = Texts::new(records.numbers.len(), fields().map(Span::len).sum(), arena);
    for span in fields() {
        let raw = span.of(chunk);
        let quoted = quoted(raw, dialect.quote);
        texts.push(|to| match quoted {
            Some((rest, quote)) => unquote_to(rest, quote, dialect.escape, to),
            None => copy(raw, to),
        });
    }
    Values::Texts(texts.finish())
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
