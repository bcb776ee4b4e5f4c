//! Fields to values, by the plan's expressions.
//!
//! A table's expressions are compiled once into a list of operations, each of which writes one slot from
//! slots before it; equal subexpressions share a slot and so are evaluated once a record. A row is then one
//! walk down that list. Nothing here allocates but in the batch's arena.
//!
//! Random bits come from one ChaCha8 stream for each UUID expression, read at a place that the record's
//! number gives. So the values are the same however the input was cut and whichever thread met the record.

use crate::batch::{Arena, Buffer, Value, Values};
use crate::error::{Kind, Result};
use crate::parse::{Field, raw, unquote};
use crate::plan::{Dialect, Expr, Table};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// Index of an operation, and of the value that it makes.
type Slot = usize;

#[derive(Debug, Clone, PartialEq)]
enum Op {
    Field(usize),
    /// The index of a constant.
    Constant(usize),
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
    constants: Vec<Constant>,
    outputs: Vec<Slot>,
    /// Random words that each stream gives a record.
    stream_words: Vec<u64>,
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
        let mut program = Self {
            ops: Vec::new(),
            constants: Vec::new(),
            outputs: Vec::new(),
            stream_words: Vec::new(),
            seed,
        };
        for column in &table.columns {
            let output = program.add(&column.value, header, input)?;
            program.outputs.push(output);
        }
        Ok(program)
    }

    /// The number of values in a row.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.outputs.len()
    }

    fn add(&mut self, expr: &Expr, header: &[String], input: &Arc<str>) -> Result<Slot> {
        let mut list = |exprs: &[Expr]| -> Result<Box<[Slot]>> {
            exprs.iter().map(|expr| self.add(expr, header, input)).collect()
        };
        let op = match expr {
            Expr::Field(name) => Op::Field(find_column(name, header, input)?),
            Expr::Text(text) => Op::Constant(self.add_constant(Constant::Text(text.clone()))),
            Expr::Integer(integer) => Op::Constant(self.add_constant(Constant::Integer(*integer))),
            Expr::Upper(of) => Op::Upper(self.add(of, header, input)?),
            Expr::TryInteger(of) => Op::TryInteger(self.add(of, header, input)?),
            Expr::Coalesce(of) => Op::Coalesce(list(of)?),
            Expr::Concat(of) => Op::Concat(list(of)?),
            Expr::Uuid4 => Op::Uuid4(self.add_stream(4)),
            Expr::Uuid7 => Op::Uuid7(self.add_stream(1)),
        };
        // Each UUID has a stream of its own, so two of them are never equal and never share a slot.
        Ok(find_or_push(&mut self.ops, op))
    }

    fn add_constant(&mut self, constant: Constant) -> usize {
        find_or_push(&mut self.constants, constant)
    }

    fn add_stream(&mut self, words: u64) -> usize {
        self.stream_words.push(words);
        self.stream_words.len() - 1
    }

    /// An evaluator of these expressions; each worker has its own.
    #[must_use]
    pub fn evaluator(&self) -> Evaluator<'_> {
        let streams = self.stream_words.iter().zip(0..).map(|(&words, id)| {
            let mut rng = ChaCha8Rng::from_seed(self.seed.key);
            rng.set_stream(id);
            Stream { rng, words, next_record: 0 }
        });
        Evaluator { program: self, streams: streams.collect() }
    }
}

/// The index of `item` in `list`, at whose end it is put if it is not there.
fn find_or_push<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
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

/// What the values of a chunk's rows borrow from.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The chunk that the fields lie in; UTF-8 wherever a field is read.
    chunk: &'a [u8],
    arena: &'a Arena,
    dialect: Dialect,
    constants: &'a [Value<'a>],
}

/// Evaluates a program, record by record.
#[derive(Debug)]
pub struct Evaluator<'p> {
    program: &'p Program,
    streams: Vec<Stream>,
}

impl Evaluator<'_> {
    /// Where the rows of `chunk` are made: new values come to lie in `arena`.
    pub fn place<'a>(&self, chunk: &'a [u8], arena: &'a Arena, dialect: Dialect) -> Place<'a> {
        let mut constants = arena.values(self.program.constants.len());
        constants.extend(self.program.constants.iter().map(|constant| match constant {
            Constant::Text(text) => Value::Text(arena.copy(text.as_bytes())),
            Constant::Integer(integer) => Value::Integer(*integer),
        }));
        Place { chunk, arena, dialect, constants: constants.into_bump_slice() }
    }

    /// Appends the row of a record to `row`. `record` is the number of records of the load before it;
    /// `slots` is scratch space.
    #[inline]
    pub fn eval<'a>(
        &mut self,
        place: Place<'a>,
        record: u64,
        fields: &[Field],
        slots: &mut Values<'a>,
        row: &mut Values<'a>,
    ) {
        slots.clear();
        for op in &self.program.ops {
            let value = match op {
                Op::Field(index) => {
                    Value::Text(unquote(raw(place.chunk, fields[*index]), place.dialect, place.arena))
                }
                Op::Constant(index) => place.constants[*index],
                Op::Upper(of) => upper(slots[*of], place.arena),
                Op::TryInteger(of) => try_integer(slots[*of]),
                Op::Coalesce(of) => coalesce(of, slots),
                Op::Concat(of) => concat(of, slots, place.arena),
                Op::Uuid4(stream) => {
                    let random = self.streams[*stream].words_of(record);
                    Value::Blob(place.arena.copy(&uuid4(random)))
                }
                Op::Uuid7(stream) => {
                    let [random, ..] = self.streams[*stream].words_of(record);
                    Value::Blob(place.arena.copy(&uuid7(self.program.seed.unix_millis, record, random)))
                }
            };
            slots.push(value);
        }
        row.extend(self.program.outputs.iter().map(|slot| slots[*slot]));
    }
}

/// Unicode upper case, character by character (Unicode's full case mapping: `ß` becomes `SS`).
#[inline]
fn upper<'a>(value: Value<'a>, arena: &'a Arena) -> Value<'a> {
    let Value::Text(text) = as_text(value, arena) else { return Value::Null };
    let mut result = arena.buffer(text.len());
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_ascii() => {
            let mut utf8 = [0; 4];
            for upper in text.chars().flat_map(char::to_uppercase) {
                result.extend_from_slice(upper.encode_utf8(&mut utf8).as_bytes());
            }
        }
        _ => {
            result.extend_from_slice(text);
            result.make_ascii_uppercase();
        }
    }
    Value::Text(result.into_bump_slice())
}

/// An optional sign, then ASCII digits, within 64 bits.
#[inline]
fn try_integer(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Integer(_) => value,
        Value::Text(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .map_or(Value::Null, Value::Integer),
        _ => Value::Null,
    }
}

fn coalesce<'a>(of: &[Slot], slots: &[Value<'a>]) -> Value<'a> {
    of.iter().map(|slot| slots[*slot]).find(|value| *value != Value::Null).unwrap_or(Value::Null)
}

#[inline]
fn concat<'a>(of: &[Slot], slots: &[Value<'a>], arena: &'a Arena) -> Value<'a> {
    const LONGEST_NUMBER: usize = 32;
    let capacity = of.iter().map(|slot| match slots[*slot] {
        Value::Text(bytes) | Value::Blob(bytes) => bytes.len(),
        Value::Integer(_) | Value::Real(_) => LONGEST_NUMBER,
        Value::Null => 0,
    });
    let mut result = arena.buffer(capacity.sum());
    for slot in of {
        if !append_text(slots[*slot], &mut result) {
            return Value::Null;
        }
    }
    Value::Text(result.into_bump_slice())
}

/// Appends the text form of a value; NULL has none, and is answered with false.
#[inline]
fn append_text(value: Value<'_>, result: &mut Buffer<'_>) -> bool {
    match value {
        Value::Null => return false,
        Value::Text(bytes) | Value::Blob(bytes) => result.extend_from_slice(bytes),
        Value::Integer(integer) => result.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes()),
        Value::Real(real) => result.extend_from_slice(format!("{real:?}").as_bytes()),
    }
    true
}

fn as_text<'a>(value: Value<'a>, arena: &'a Arena) -> Value<'a> {
    if let Value::Text(_) | Value::Null = value {
        return value;
    }
    let mut text = arena.buffer(0);
    append_text(value, &mut text);
    Value::Text(text.into_bump_slice())
}

/// RFC 9562 section 5.4.
fn uuid4(random: [u32; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(random) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes()
}

/// RFC 9562 section 5.7, with the counter of section 6.2, method 1, at its full 42 bits: 48 bits of
/// milliseconds, 12 + 30 bits of record number, 32 random bits. Records past 2^42 carry into the time.
fn uuid7(unix_millis: u64, record: u64, random: u32) -> [u8; 16] {
    let millis = unix_millis + (record >> 42);
    let (high, low) = ((record >> 30) as u16 & 0xfff, record as u32 & 0x3fff_ffff);
    let mut counter_and_random = [0; 10];
    counter_and_random[..2].copy_from_slice(&high.to_be_bytes());
    counter_and_random[2..6].copy_from_slice(&low.to_be_bytes());
    counter_and_random[6..].copy_from_slice(&random.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis, &counter_and_random).into_uuid().into_bytes()
}

/// The random words of one UUID expression.
#[derive(Debug)]
struct Stream {
    rng: ChaCha8Rng,
    /// Words that a record has.
    words: u64,
    /// The record that the generator stands at.
    next_record: u64,
}

impl Stream {
    /// The words of a record; those past the number that it has are 0.
    #[inline]
    fn words_of(&mut self, record: u64) -> [u32; 4] {
        if record != self.next_record {
            self.rng.set_word_pos(u128::from(record) * u128::from(self.words));
        }
        self.next_record = record + 1;
        let mut words = [0; 4];
        for word in &mut words[..self.words as usize] {
            *word = self.rng.next_u32();
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(value: Value<'_>) -> String {
        let Value::Text(text) = value else { panic!("{value:?} is no text") };
        String::from_utf8(text.to_vec()).unwrap()
    }

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
            assert_eq!(try_integer(Value::Text(text.as_bytes())), expected, "{text:?}");
        }
    }

    #[test]
    fn upper_is_what_the_standard_library_says() {
        let arena = Arena::default();
        for text in ["", "abc", "O' Sullivan", "straße", "ŉ", "ﬃ", "éàü", "ǆ", "日本", "ΐ", "a\0b"]
        {
            assert_eq!(text_of(upper(Value::Text(text.as_bytes()), &arena)), text.to_uppercase());
        }
        assert_eq!(upper(Value::Null, &arena), Value::Null);
        assert_eq!(text_of(upper(Value::Integer(-7), &arena)), "-7");
    }

    #[test]
    fn concat_is_null_if_any_part_is() {
        let arena = Arena::default();
        let slots = [Value::Text(b"a"), Value::Integer(i64::MIN), Value::Null, Value::Text(b"")];
        assert_eq!(text_of(concat(&[0, 1, 3], &slots, &arena)), "a-9223372036854775808");
        assert_eq!(concat(&[0, 2], &slots, &arena), Value::Null);
    }

    #[test]
    fn uuid7_is_valid_and_sorted_by_record() {
        let near = |at: u64| at - 2..at + 3;
        let records = near(2).chain(near(1 << 30)).chain(near(1 << 32)).chain(near(1 << 42));
        let mut last = [0; 16];
        for record in records {
            let bytes = uuid7(1_700_000_000_000, record, !record as u32);
            let uuid = uuid::Uuid::from_bytes(bytes);
            assert_eq!(uuid.get_version(), Some(uuid::Version::SortRand));
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
            assert!(bytes > last, "record {record}");
            last = bytes;
        }
    }

    #[test]
    fn random_words_depend_on_the_record_alone() {
        let mut stream = Stream { rng: ChaCha8Rng::from_seed([7; 32]), words: 3, next_record: 0 };
        let in_order: Vec<_> = (0..100).map(|record| stream.words_of(record)).collect();
        for record in [99, 5, 6, 50, 0] {
            assert_eq!(stream.words_of(record), in_order[record as usize]);
        }
    }
}
