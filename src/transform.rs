//! Fields to values, by the plan's expressions.
//!
//! A table's expressions are compiled once into a list of operations, each of which makes a column of values
//! from columns before it; equal subexpressions share a column and so are evaluated once. A chunk is then one
//! walk down that list: what to do is decided once a chunk, not once a row, and each step is a tight loop.
//! Nothing here allocates but in the batch's arena.
//!
//! Random bits come from one ChaCha8 stream for each UUID expression, read at a place that the record's
//! number gives. So the values are the same however the input was cut and whichever thread met the record.

use crate::batch::{Arena, ArenaVec, Value};
use crate::error::{Kind, Result};
use crate::parse::{Field, raw, unquote};
use crate::plan::{Dialect, Expr, Table};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// Index of an operation, and of the column that it makes.
type Slot = usize;

#[derive(Debug, Clone, PartialEq)]
enum Op {
    Field(usize),
    Constant(Constant),
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
    Text(String),
    Integer(i64),
}

/// The expressions of a table, compiled for one header.
#[derive(Debug, Clone)]
pub struct Program {
    ops: Vec<Op>,
    outputs: Vec<Slot>,
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
        let mut program = Self { ops: Vec::new(), outputs: Vec::new(), streams: 0, seed };
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
            Expr::Text(text) => Op::Constant(Constant::Text(text.clone())),
            Expr::Integer(integer) => Op::Constant(Constant::Integer(*integer)),
            Expr::Upper(of) => Op::Upper(self.add(of, header, input)?),
            Expr::TryInteger(of) => Op::TryInteger(self.add(of, header, input)?),
            Expr::Coalesce(of) => Op::Coalesce(list(of)?),
            Expr::Concat(of) => Op::Concat(list(of)?),
            Expr::Uuid4 => Op::Uuid4(self.add_stream()),
            Expr::Uuid7 => Op::Uuid7(self.add_stream()),
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
        (Some(_), Some(_)) => Err(Kind::AmbiguousColumn { input, name: name.to_owned() }.into()),
        (None, _) => {
            Err(Kind::MissingColumn { input, missing: name.to_owned(), found: header.to_vec() }.into())
        }
    }
}

/// The records of a chunk that are to become rows, cut into fields.
#[derive(Debug, Clone, Copy)]
pub struct Records<'r, 'a> {
    /// The chunk that the fields lie in; UTF-8 wherever a field is read.
    pub chunk: &'a [u8],
    /// How fields are quoted.
    pub dialect: Dialect,
    /// The fields, record after record.
    pub fields: &'r [Field],
    /// Fields in each record.
    pub width: usize,
    /// Records of the load before the chunk.
    pub first_record: u64,
    /// For each record, how many of the chunk come before it, those that become no row included.
    pub numbers: &'r [u32],
}

/// Evaluates a program, chunk by chunk.
#[derive(Debug)]
pub struct Evaluator<'p> {
    program: &'p Program,
    streams: Vec<Stream>,
}

/// The values of one slot, for all rows.
#[derive(Debug, Clone, Copy)]
enum Column<'a> {
    Constant(Value<'a>),
    Values(&'a [Value<'a>]),
}

impl<'a> Column<'a> {
    #[inline]
    fn get(&self, row: usize) -> &Value<'a> {
        match self {
            Self::Constant(value) => value,
            Self::Values(values) => &values[row],
        }
    }
}

impl Evaluator<'_> {
    /// The columns of the rows that `records` become, made in `arena`.
    pub fn eval<'a>(&mut self, records: Records<'_, 'a>, arena: &'a Arena) -> &'a [&'a [Value<'a>]] {
        let rows = records.numbers.len();
        let mut made = arena.vec(self.program.ops.len());
        for op in &self.program.ops {
            let column = self.eval_op(op, records, &made, arena);
            made.push(column);
        }
        arena.list(self.program.outputs.iter().map(|slot| match made[*slot] {
            Column::Values(values) => values,
            Column::Constant(value) => arena.list((0..rows).map(|_| value)),
        }))
    }

    fn eval_op<'a>(
        &mut self,
        op: &Op,
        records: Records<'_, 'a>,
        made: &[Column<'a>],
        arena: &'a Arena,
    ) -> Column<'a> {
        let Records { chunk, dialect, fields, width, first_record, numbers } = records;
        let rows = numbers.len();
        let number = |number: &u32| first_record + u64::from(*number);
        Column::Values(match op {
            Op::Constant(Constant::Text(text)) => {
                return Column::Constant(Value::Text(arena.copy(text.as_bytes())));
            }
            Op::Constant(Constant::Integer(integer)) => return Column::Constant(Value::Integer(*integer)),
            Op::Field(index) => arena.list(
                fields
                    .chunks_exact(width)
                    .map(|fields| Value::Text(unquote(raw(chunk, fields[*index]), dialect, arena))),
            ),
            Op::Upper(of) => upper(made[*of], rows, arena),
            Op::TryInteger(of) => arena.list((0..rows).map(|row| try_integer(made[*of].get(row)))),
            Op::Coalesce(of) => arena.list((0..rows).map(|row| coalesce(of, made, row))),
            Op::Concat(of) => concat(of, made, rows, arena),
            Op::Uuid4(stream) => {
                let stream = &mut self.streams[*stream];
                let uuid = |record| uuid4(stream.words_of(record));
                arena.list(numbers.iter().map(number).map(uuid).map(|uuid| Value::Blob(arena.copy(&uuid))))
            }
            Op::Uuid7(stream) => {
                let (stream, millis) = (&mut self.streams[*stream], self.program.seed.unix_millis);
                let uuid = |record| uuid7(millis, record, stream.words_of(record));
                arena.list(numbers.iter().map(number).map(uuid).map(|uuid| Value::Blob(arena.copy(&uuid))))
            }
        })
    }
}

/// Unicode upper case, character by character (Unicode's full case mapping: `ß` becomes `SS`).
fn upper<'a>(of: Column<'a>, rows: usize, arena: &'a Arena) -> &'a [Value<'a>] {
    let append = |row: usize, texts: &mut ArenaVec<'_, u8>| {
        let start = texts.len();
        let has_text = append_text(of.get(row), texts);
        if !texts[start..].is_ascii() {
            make_upper(texts, start, arena);
        }
        has_text
    };
    // ASCII is left for one pass over all of it.
    texts(rows, arena, append, <[u8]>::make_ascii_uppercase)
}

/// Puts the text that begins at `start` in upper case.
///
/// It is read from a copy, not from where it came: that may be a file that somebody else can write to.
#[cold]
fn make_upper(texts: &mut ArenaVec<'_, u8>, start: usize, arena: &Arena) {
    let text = std::str::from_utf8(arena.copy(&texts[start..])).unwrap_or_default();
    texts.truncate(start);
    let mut utf8 = [0; 4];
    for upper in text.chars().flat_map(char::to_uppercase) {
        texts.extend_from_slice_copy(upper.encode_utf8(&mut utf8).as_bytes());
    }
}

/// An optional sign, then ASCII digits, within 64 bits.
#[inline]
fn try_integer<'a>(value: &Value<'a>) -> Value<'a> {
    let integer = match value {
        Value::Integer(integer) => Some(*integer),
        Value::Text(text) => {
            short_integer(text).or_else(|| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()))
        }
        _ => None,
    };
    integer.map_or(Value::Null, Value::Integer)
}

/// The number that up to four digits are, as nearly all are in practice, or nothing.
#[inline]
fn short_integer(text: &[u8]) -> Option<i64> {
    let is_short = (1..=4).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    is_short.then(|| text.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

#[inline]
fn coalesce<'a>(of: &[Slot], made: &[Column<'a>], row: usize) -> Value<'a> {
    let mut values = of.iter().map(|slot| made[*slot].get(row));
    *values.find(|value| !matches!(value, Value::Null)).unwrap_or(&Value::Null)
}

/// No number has a longer text.
const LONGEST_NUMBER: usize = 24;

/// A part of every text of a column.
enum Part<'a> {
    /// A short one that is always the same: its bytes and, behind them, others up to a length that the compiler
    /// knows, since to copy these and cut them off again takes less time than to copy a few.
    Short([u8; SHORT_BYTES], usize),
    /// Any other.
    Column(Column<'a>),
}

const SHORT_BYTES: usize = 16;

impl<'a> Part<'a> {
    fn new(column: Column<'a>) -> Self {
        match column {
            Column::Constant(Value::Text(text)) if text.len() <= SHORT_BYTES => {
                let mut bytes = [0; SHORT_BYTES];
                bytes[..text.len()].copy_from_slice(text);
                Self::Short(bytes, text.len())
            }
            column => Self::Column(column),
        }
    }

    /// Appends it, or answers with false if it is NULL.
    #[inline(always)]
    fn append(&self, row: usize, texts: &mut ArenaVec<'_, u8>) -> bool {
        match self {
            Self::Short(bytes, length) => {
                append_short(bytes, *length, texts);
                true
            }
            Self::Column(column) => append_text(column.get(row), texts),
        }
    }
}

/// Appends the first `length` of `bytes`.
#[inline(always)]
fn append_short<const BYTES: usize>(bytes: &[u8; BYTES], length: usize, texts: &mut ArenaVec<'_, u8>) {
    let start = texts.len();
    texts.extend_from_slice_copy(bytes);
    texts.truncate(start + length);
}

/// All parts as text, one after the other; NULL if any is NULL.
fn concat<'a>(of: &[Slot], made: &[Column<'a>], rows: usize, arena: &'a Arena) -> &'a [Value<'a>] {
    let parts = arena.list(of.iter().map(|slot| Part::new(made[*slot])));
    let append = |row: usize, texts: &mut ArenaVec<'_, u8>| parts.iter().all(|part| part.append(row, texts));
    texts(rows, arena, append, |_| ())
}

/// A column of texts, of which `append` appends each, or answers with false if it is NULL; `finish` sees all.
///
/// They are made one behind the other and cut apart at the end: one growing list is cheaper than many.
#[inline(always)]
fn texts<'a>(
    rows: usize,
    arena: &'a Arena,
    append: impl Fn(usize, &mut ArenaVec<'a, u8>) -> bool,
    finish: impl Fn(&mut [u8]),
) -> &'a [Value<'a>] {
    let mut ends = arena.vec::<Option<usize>>(rows);
    let mut texts = arena.vec(rows * LONGEST_NUMBER);
    for row in 0..rows {
        let start = texts.len();
        let has_text = append(row, &mut texts);
        if !has_text {
            texts.truncate(start);
        }
        ends.push(has_text.then_some(texts.len()));
    }
    finish(&mut texts);
    let mut texts = texts.into_bump_slice();
    let mut cut = 0;
    arena.list(ends.into_iter().map(|end| {
        let Some(end) = end else { return Value::Null };
        let (text, rest) = texts.split_at(end - cut);
        (texts, cut) = (rest, end);
        Value::Text(text)
    }))
}

/// Appends the text form of a value; NULL has none, and is answered with false. Texts, the many, are inlined.
#[inline(always)]
fn append_text(value: &Value<'_>, result: &mut ArenaVec<'_, u8>) -> bool {
    if let Value::Text(bytes) | Value::Blob(bytes) = value {
        result.extend_from_slice_copy(bytes);
        return true;
    }
    append_number(value, result)
}

#[inline]
fn append_number(value: &Value<'_>, result: &mut ArenaVec<'_, u8>) -> bool {
    match value {
        Value::Integer(integer @ 10..100) => {
            append_short(&[b'0' + (integer / 10) as u8, b'0' + (integer % 10) as u8], 2, result);
        }
        Value::Integer(integer) => {
            result.extend_from_slice_copy(itoa::Buffer::new().format(*integer).as_bytes());
        }
        // The shortest text that gives the number back; no expression makes a REAL yet.
        Value::Real(real) => result.extend_from_slice_copy(format!("{real:?}").as_bytes()),
        _ => return false,
    }
    true
}

/// RFC 9562 section 5.4.
#[inline]
fn uuid4(random: [u32; 4]) -> [u8; 16] {
    let random = random.iter().fold(0, |bits, word| bits << 32 | u128::from(*word));
    uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid().into_bytes()
}

/// RFC 9562 section 5.7, with the counter of section 6.2, method 1, at its full 42 bits: 48 bits of
/// milliseconds, the version, 12 bits of record number, the variant, 30 bits of record number, 32 random
/// bits. Records past 2^42 carry into the time.
#[inline]
fn uuid7(unix_millis: u64, record: u64, [random]: [u32; 1]) -> [u8; 16] {
    let millis = unix_millis + (record >> 42);
    let high = millis << 16 | 7 << 12 | record >> 30 & 0xfff;
    let low = 0b10 << 62 | (record & 0x3fff_ffff) << 32 | u64::from(random);
    uuid::Uuid::from_u64_pair(high, low).into_bytes()
}

/// The random words of one UUID expression, the same number for each record.
#[derive(Debug)]
struct Stream {
    rng: ChaCha8Rng,
    /// The record whose words are next.
    next_record: u64,
}

impl Stream {
    /// The words of a record.
    #[inline]
    fn words_of<const WORDS: usize>(&mut self, record: u64) -> [u32; WORDS] {
        if record != self.next_record {
            self.rng.set_word_pos(u128::from(record) * WORDS as u128);
        }
        self.next_record = record + 1;
        std::array::from_fn(|_| self.rng.next_u32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_a_sign_and_digits_within_64_bits() {
        let cases: [(&str, Option<i64>); 14] = [
            ("42", Some(42)),
            ("042", Some(42)),
            ("+5", Some(5)),
            ("-5", Some(-5)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            (" 42", None),
            ("42 ", None),
            ("4x", None),
            ("", None),
            ("+", None),
            ("1_000", None),
            ("\u{663}", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map_or(Value::Null, Value::Integer);
            assert_eq!(try_integer(&Value::Text(text.as_bytes())), expected, "{text:?}");
        }
    }

    #[test]
    fn upper_is_what_the_standard_library_says() {
        let arena = Arena::default();
        for text in ["", "abc", "O' Sullivan", "straße", "ŉ", "ﬃ", "éàü", "ǆ", "日本", "ΐ", "a\0b"]
        {
            let values = [Value::Text(b"a"), Value::Text(text.as_bytes()), Value::Null, Value::Integer(-7)];
            let upper = upper(Column::Values(&values), values.len(), &arena);
            let expected = text.to_uppercase();
            let expected =
                [Value::Text(b"A"), Value::Text(expected.as_bytes()), Value::Null, Value::Text(b"-7")];
            assert_eq!(upper, expected);
        }
    }

    #[test]
    fn concat_is_null_if_any_part_is() {
        let arena = Arena::default();
        let values = [Value::Text(b"a"), Value::Integer(i64::MIN), Value::Null, Value::Text(b"")];
        let made = values.map(Column::Constant);
        let texts = concat(&[0, 1, 3], &made, 2, &arena);
        assert_eq!(texts, [Value::Text(b"a-9223372036854775808"); 2]);
        assert_eq!(concat(&[0, 2], &made, 1, &arena), [Value::Null]);
        let some = arena.list([Value::Text(b"b"), Value::Null, Value::Integer(7)].into_iter());
        let made = [Column::Constant(Value::Text(b"a")), Column::Values(some)];
        let expected = [Value::Text(b"ab"), Value::Null, Value::Text(b"a7")];
        assert_eq!(concat(&[0, 1], &made, 3, &arena), expected);
    }

    #[test]
    fn uuid7_is_valid_and_sorted_by_record() {
        let near = |at: u64| at - 2..at + 3;
        let records = near(2).chain(near(1 << 30)).chain(near(1 << 32)).chain(near(1 << 42));
        let mut last = [0; 16];
        for record in records {
            let bytes = uuid7(1_700_000_000_000, record, [!record as u32]);
            let uuid = uuid::Uuid::from_bytes(bytes);
            assert_eq!(uuid.get_version(), Some(uuid::Version::SortRand));
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
            assert!(bytes > last, "record {record}");
            last = bytes;
        }
    }

    #[test]
    fn random_words_depend_on_the_record_alone() {
        let mut stream = Stream { rng: ChaCha8Rng::from_seed([7; 32]), next_record: 0 };
        let in_order: Vec<[u32; 3]> = (0..100).map(|record| stream.words_of(record)).collect();
        for record in [99, 5, 6, 50, 0] {
            assert_eq!(stream.words_of(record), in_order[record as usize]);
        }
    }
}
