//! Fields to values, by the plan's expressions.
//!
//! A table's expressions are compiled once into a list of operations, each of which makes a column of values
//! from columns before it; equal subexpressions share a column and so are evaluated once. A chunk is then one
//! walk down that list: what to do is decided once a chunk, not once a row, and each step is a tight loop.
//! Nothing here allocates but in the batch's arena.
//!
//! Random bits come from one ChaCha8 stream for each UUID expression, read at a place that the record's
//! number gives. So the values are the same however the input was cut and whichever thread met the record.

use crate::batch::{Arena, ArenaVec, Copier, PADDING_BYTES, Span, Strings, Value, Values};
use crate::error::{Kind, Reason, Result};
use crate::numbers::{self, Doubt};
use crate::parse::{has_quotes, plain_bytes, quoted, unquote_to};
use crate::plan::{Dialect, Expr, Otherwise, Table, Type};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

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
    pub fields: &'r [Span],
    /// Fields in each record.
    pub width: usize,
    /// Records of the load before the chunk.
    pub first_record: u64,
    /// For each record, how many of the chunk come before it, those that become no row included.
    pub numbers: &'r [u32],
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
        let has_quotes = has_quotes(records.chunk, records.dialect);
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
                op => self.eval_op(op, records, has_quotes, &made, arena),
            };
            made.push(column);
        }
        (arena.list(self.program.outputs.iter().map(|slot| made[*slot])), misfits)
    }

    fn eval_op<'a>(
        &mut self,
        op: &Op,
        records: Records<'_, 'a>,
        has_quotes: bool,
        made: &[Values<'a>],
        arena: &'a Arena,
    ) -> Values<'a> {
        let rows = records.numbers.len();
        let numbers = records.numbers.iter().map(|number| records.first_record + u64::from(*number));
        match op {
            Op::Constant(Constant::Text(text)) => Values::Constant(Value::Text(arena.copy(text.as_bytes()))),
            Op::Constant(Constant::Integer(integer)) => Values::Constant(Value::Integer(*integer)),
            Op::Field(index) => field(*index, records, has_quotes, arena),
            Op::FieldOrNull(index) => {
                let is_empty = |row: usize| records.fields[row * records.width + *index].len() == 0;
                null_where(field(*index, records, has_quotes, arena), is_empty, rows, arena)
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

/// The values of field `index`.
fn field<'a>(index: usize, records: Records<'_, 'a>, has_quotes: bool, arena: &'a Arena) -> Values<'a> {
    let Records { chunk, dialect, fields, width, .. } = records;
    let spans = arena.list(fields.chunks_exact(width).map(|fields| fields[index]));
    let spans_of_quoted = if has_quotes { &mut *spans } else { &mut [] };
    for span in spans_of_quoted {
        let Some((rest, quote)) = quoted(span.of(chunk), dialect.quote) else { continue };
        let Some(bytes) = plain_bytes(rest, quote) else { return made_field(index, records, arena) };
        span.start += 1;
        span.end = span.start + bytes as u32;
    }
    Values::Texts(Strings { bytes: chunk, spans })
}

/// As [`field`], where quotes inside of quotes make that a value is not a piece of the chunk.
fn made_field<'a>(index: usize, records: Records<'_, 'a>, arena: &'a Arena) -> Values<'a> {
    let Records { chunk, dialect, fields, width, .. } = records;
    let fields = || fields.chunks_exact(width).map(|fields| fields[index]);
    let mut texts = Texts::new(records.numbers.len(), fields().map(Span::len).sum(), arena);
    for span in fields() {
        let raw = span.of(chunk);
        let quoted = quoted(raw, dialect.quote);
        texts.push(|to| match quoted {
            Some((rest, quote)) => unquote_to(rest, quote, to),
            None => copy(raw, to),
        });
    }
    Values::Texts(texts.finish())
}

/// BLOBs of 16 bytes each.
fn uuids<'a>(uuids: impl ExactSizeIterator<Item = [u8; 16]>, arena: &'a Arena) -> Values<'a> {
    let uuids = &*arena.list(uuids);
    let spans = arena.list((0..uuids.len() as u32).map(|row| Span { start: 16 * row, end: 16 * row + 16 }));
    Values::Blobs(Strings { bytes: uuids.as_flattened(), spans })
}

/// Texts that are made one behind the other.
struct Texts<'a> {
    bytes: &'a mut [u8],
    used: usize,
    spans: ArenaVec<'a, Span>,
}

impl<'a> Texts<'a> {
    /// None yet; room for so many, of so many bytes together, which must be fewer than [`MAX_TEXTS_BYTES`].
    fn new(rows: usize, bytes: usize, arena: &'a Arena) -> Self {
        Self { bytes: arena.zeros(bytes + PADDING_BYTES), used: 0, spans: arena.vec(rows) }
    }

    /// Appends the text that `put` writes to the start of what it is given, and whose bytes it returns.
    #[inline(always)]
    fn push(&mut self, put: impl FnOnce(&mut [u8]) -> usize) {
        let start = self.used;
        self.used += put(&mut self.bytes[start..]);
        self.spans.push(Span { start: start as u32, end: self.used as u32 });
    }

    fn finish(self) -> Strings<'a> {
        Strings { bytes: self.bytes, spans: self.spans.into_bump_slice() }
    }
}

/// What the spans of a column can reach.
const MAX_TEXTS_BYTES: usize = u32::MAX as usize - PADDING_BYTES;

/// Copies a text to the start of `to` and returns its bytes.
#[inline]
fn copy(text: &[u8], to: &mut [u8]) -> usize {
    to[..text.len()].copy_from_slice(text);
    text.len()
}

/// ΐ has two bytes and six in upper case; no character grows more.
const MOST_GROWTH: usize = 3;

/// Unicode upper case, character by character (Unicode's full case mapping: `ß` becomes `SS`).
fn upper<'a>(of: Values<'a>, rows: usize, arena: &'a Arena) -> Values<'a> {
    let Some((texts, bytes)) = texts_of(of, rows, MAX_TEXTS_BYTES / MOST_GROWTH, arena) else {
        return values(rows, arena, |row, upper| {
            let mut text = arena.vec(0);
            append_text(of.get(row), &mut text)?;
            let room = arena.zeros(MOST_GROWTH * text.len());
            let bytes = upper_to(&text, room);
            upper.extend_from_slice_copy(&room[..bytes]);
            Some(())
        });
    };
    let copier = Copier::new(texts);
    let mut copies = Texts::new(rows, bytes, arena);
    (0..rows).for_each(|row| copies.push(|to| copier.copy(row, to)));
    let made = &mut copies.bytes[..bytes];
    if made.is_ascii() {
        made.make_ascii_uppercase();
        return Values::Texts(copies.finish());
    }
    // They are read from the copies, not from where they came: that may be a file that somebody else writes to.
    let copies = copies.finish();
    let mut uppers = Texts::new(rows, MOST_GROWTH * bytes, arena);
    (0..rows).for_each(|row| uppers.push(|to| upper_to(copies.get(row), to)));
    Values::Texts(uppers.finish())
}

/// Writes the upper case of a text to the start of `to` and returns its bytes.
#[cold]
fn upper_to(text: &[u8], to: &mut [u8]) -> usize {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let upper = text.chars().flat_map(char::to_uppercase);
    upper.fold(0, |used, upper| used + upper.encode_utf8(&mut to[used..]).len())
}

/// The values with NULL in the rows that are said.
fn null_where<'a>(
    of: Values<'a>,
    is_null: impl Fn(usize) -> bool,
    rows: usize,
    arena: &'a Arena,
) -> Values<'a> {
    if !(0..rows).any(&is_null) {
        return of;
    }
    Values::Mixed(arena.list((0..rows).map(|row| if is_null(row) { Value::Null } else { of.get(row) })))
}

/// The values of this type that texts are, empty ones NULL; `misfit` gets the rows of those that are none.
fn typed<'a>(
    of: Values<'a>,
    to: Type,
    rows: usize,
    arena: &'a Arena,
    mut misfit: impl FnMut(usize),
) -> Values<'a> {
    if to == Type::Text {
        return of;
    }
    let number = |text: &[u8]| match to {
        Type::Integer => numbers::integer(text).map(Value::Integer),
        Type::Real => numbers::real(text).map(Value::Real),
        Type::Text => None,
        Type::Blob => blob(text, arena).map(Value::Blob),
        Type::Numeric => {
            numbers::integer(text).map(Value::Integer).or_else(|| numbers::real(text).map(Value::Real))
        }
        Type::Floating => numbers::real(text).map(Value::Real),
    };
    let is_kept = |text: &[u8]| {
        matches!(to, Type::Numeric | Type::Floating) && !Doubt::of(text).is_some_and(Doubt::is_sqlites)
    };
    if let (Type::Integer, Values::Texts(texts)) = (to, of) {
        let mut integers = arena.vec(rows);
        integers.extend(texts.spans.iter().map_while(|span| {
            let is_canonical =
                |short: &i64| *short == 0 && span.len() == 1 || texts.bytes[span.start as usize] != b'0';
            let short = short_integer(texts.bytes, *span).filter(is_canonical);
            short.or_else(|| numbers::integer(span.of(texts.bytes)))
        }));
        if integers.len() == rows {
            return Values::Integers(integers.into_bump_slice());
        }
    }
    let value = |row| match of.get(row) {
        Value::Text(b"") | Value::Null => Value::Null,
        Value::Text(text) => number(text).unwrap_or_else(|| {
            if is_kept(text) {
                return Value::Text(text);
            }
            misfit(row);
            Value::Null
        }),
        other => other,
    };
    Values::Mixed(arena.list((0..rows).map(value)))
}

/// The bytes that pairs of hexadecimal digits are.
fn blob<'a>(text: &[u8], arena: &'a Arena) -> Option<&'a [u8]> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    if !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? * 16 + digit(*low)?) as u8);
    Some(arena.list(pairs.iter().map(|pair| byte(pair).unwrap_or_default())))
}

/// The values as [`try_integer`] reads them.
fn try_integers<'a>(of: Values<'a>, rows: usize, arena: &'a Arena) -> Values<'a> {
    let mut integers = arena.vec(rows);
    if let Values::Texts(texts) = of {
        integers.extend(texts.spans.iter().map_while(|span| {
            short_integer(texts.bytes, *span).or_else(|| try_integer(span.of(texts.bytes)))
        }));
    }
    if integers.len() == rows {
        return Values::Integers(integers.into_bump_slice());
    }
    Values::Mixed(arena.list((0..rows).map(|row| {
        let integer = match of.get(row) {
            Value::Integer(integer) => Some(integer),
            Value::Text(text) => try_integer(text),
            _ => None,
        };
        integer.map_or(Value::Null, Value::Integer)
    })))
}

/// An optional sign, then ASCII digits, within 64 bits.
#[inline]
fn try_integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
}

/// As [`try_integer`], for a text of one to eight digits with something behind it, as nearly all are in practice; nothing for
/// others. All digits are looked at together: the pairs are added up, then the fours, then the eight.
#[inline(always)]
fn short_integer(bytes: &[u8], span: Span) -> Option<i64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let start = span.start as usize;
    let eight = u64::from_le_bytes(bytes.get(start..start + 8)?.try_into().ok()?);
    let bits_behind = 64_u32.checked_sub(8 * span.len() as u32).filter(|bits| *bits < 64)?;
    // Zeros in front, and the last digit in the highest byte.
    let digits = (eight ^ ZEROS) << bits_behind;
    if (digits | (digits.wrapping_add(0x7676_7676_7676_7676))) & HIGH_BITS != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul((10 << 8) + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul((100 << 16) + 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul((10_000 << 32) + 1) >> 32).cast_signed())
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
    let mut integers = arena.vec(rows);
    integers.extend(values.iter().map_while(|value| match value {
        Value::Integer(integer) => Some(*integer),
        _ => None,
    }));
    if integers.len() == rows { Values::Integers(integers.into_bump_slice()) } else { Values::Mixed(values) }
}

/// All parts as text, one after the other; NULL if any is NULL.
fn concat<'a>(of: &[Slot], made: &[Values<'a>], rows: usize, arena: &'a Arena) -> Values<'a> {
    const SHORT_BYTES: usize = 16;
    /// Texts, each followed by one that is always the same.
    struct Part<'a> {
        texts: Copier<'a>,
        /// Its bytes with others behind them; a longer one is a part of its own.
        behind: [u8; SHORT_BYTES],
        behind_bytes: usize,
        /// Which text is a row's: that of its number, or always the first.
        row_mask: usize,
    }
    let general = || {
        let append = |row: usize, text: &mut ArenaVec<'a, u8>| {
            of.iter().try_for_each(|slot| append_text(made[*slot].get(row), text))
        };
        values(rows, arena, append)
    };
    let mut parts = arena.vec(of.len());
    let mut bytes = 0;
    for slot in of {
        let room = MAX_TEXTS_BYTES.saturating_sub(bytes);
        let is_constant = matches!(made[*slot], Values::Constant(_));
        let part_rows = if is_constant { 1 } else { rows };
        let Some((texts, part_bytes)) = texts_of(made[*slot], part_rows, room, arena) else {
            return general();
        };
        match parts.last_mut() {
            Some(Part { behind, behind_bytes: free @ 0, .. }) if is_constant && part_bytes <= SHORT_BYTES => {
                *behind = std::array::from_fn(|at| texts.bytes[at]);
                *free = part_bytes;
            }
            _ => parts.push(Part {
                texts: Copier::new(texts),
                behind: [0; SHORT_BYTES],
                behind_bytes: 0,
                row_mask: if is_constant { 0 } else { !0 },
            }),
        }
        bytes += if is_constant { rows * part_bytes } else { part_bytes };
    }
    if bytes > MAX_TEXTS_BYTES {
        return general();
    }
    let mut texts = Texts::new(rows, bytes, arena);
    for row in 0..rows {
        texts.push(|mut to| {
            let room = to.len();
            for part in &parts {
                let bytes = part.texts.copy(row & part.row_mask, to);
                to = &mut to[bytes..];
                match to.first_chunk_mut() {
                    Some(to) => *to = part.behind,
                    None => to[..part.behind_bytes].copy_from_slice(&part.behind[..part.behind_bytes]),
                }
                to = &mut to[part.behind_bytes..];
            }
            room - to.len()
        });
    }
    Values::Texts(texts.finish())
}

/// The text form of the values of so many rows, and their bytes; nothing if a value may have none, or if they have more
/// than `max_bytes`.
fn texts_of<'a>(
    of: Values<'a>,
    rows: usize,
    max_bytes: usize,
    arena: &'a Arena,
) -> Option<(Strings<'a>, usize)> {
    let texts = match of {
        Values::Texts(strings) | Values::Blobs(strings) => strings,
        Values::Integers(integers) => integer_texts(integers, max_bytes, arena)?,
        Values::Mixed(_) | Values::Constant(Value::Null) => return None,
        Values::Constant(value) => {
            let mut text = arena.vec(0);
            append_text(value, &mut text)?;
            let span = Span { start: 0, end: u32::try_from(text.len()).ok()? };
            text.extend_from_slice_copy(&[0; PADDING_BYTES]);
            Strings { bytes: text.into_bump_slice(), spans: arena.list(std::iter::repeat_n(span, rows)) }
        }
    };
    let bytes = texts.spans.iter().map(|span| span.len()).sum();
    (bytes <= max_bytes).then_some((texts, bytes))
}

/// Integers in digits.
fn integer_texts<'a>(integers: &[i64], max_bytes: usize, arena: &'a Arena) -> Option<Strings<'a>> {
    /// i64::MIN has so many.
    const MOST_DIGITS: usize = 20;
    let bytes = MOST_DIGITS * integers.len();
    if bytes > max_bytes {
        return None;
    }
    let mut texts = Texts::new(integers.len(), bytes, arena);
    for integer in integers {
        texts.push(|to| match (integer, to.first_chunk_mut()) {
            (10..100, Some(to)) => {
                *to = [b'0' + (integer / 10) as u8, b'0' + (integer % 10) as u8];
                2
            }
            _ => copy(itoa::Buffer::new().format(*integer).as_bytes(), to),
        });
    }
    Some(texts.finish())
}

/// The general form of a column of texts: `append` appends each, or answers with nothing if it is NULL.
fn values<'a>(
    rows: usize,
    arena: &'a Arena,
    append: impl Fn(usize, &mut ArenaVec<'a, u8>) -> Option<()>,
) -> Values<'a> {
    let value = |row| {
        let mut text = arena.vec(0);
        append(row, &mut text).map_or(Value::Null, |()| Value::Text(text.into_bump_slice()))
    };
    Values::Mixed(arena.list((0..rows).map(value)))
}

/// Appends the text form of a value; NULL has none.
fn append_text(value: Value<'_>, result: &mut ArenaVec<'_, u8>) -> Option<()> {
    match value {
        Value::Null => return None,
        Value::Text(bytes) | Value::Blob(bytes) => result.extend_from_slice_copy(bytes),
        Value::Integer(integer) => {
            result.extend_from_slice_copy(itoa::Buffer::new().format(integer).as_bytes());
        }
        // The shortest text that gives the number back; no expression makes a REAL yet.
        Value::Real(real) => result.extend_from_slice_copy(format!("{real:?}").as_bytes()),
    }
    Some(())
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
        let cases: [(&str, Option<i64>); 18] = [
            ("42", Some(42)),
            ("042", Some(42)),
            ("12345678", Some(12_345_678)),
            ("123456789", Some(123_456_789)),
            ("00000000", Some(0)),
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
            ("12345:78", None),
            ("\u{663}", None),
        ];
        let arena = Arena::default();
        for (text, expected) in cases {
            let expected = expected.map_or(Value::Null, Value::Integer);
            // With more behind it and without.
            for texts in [&[text, "1234567890"][..], &[text]] {
                let integers = try_integers(made(texts, &arena), texts.len(), &arena);
                assert_eq!(integers.get(0), expected, "{text:?}");
            }
            let at_the_end = Span { start: 0, end: text.len() as u32 };
            let texts = Strings { bytes: text.as_bytes(), spans: &[at_the_end] };
            assert_eq!(try_integers(Values::Texts(texts), 1, &arena).get(0), expected, "{text:?}");
        }
    }

    #[test]
    fn integers_of_up_to_eight_digits_are_read_at_once() {
        let text = |number: u64| format!("{number}rest of it");
        for number in (0..=8).flat_map(|power| [10_u64.pow(power), 10_u64.pow(power) - 1]).chain([12_345_670])
        {
            let (text, digits) = (text(number), number.to_string().len() as u32);
            let read = short_integer(text.as_bytes(), Span { start: 0, end: digits });
            assert_eq!(read, (digits <= 8).then_some(number as i64), "{number}");
            assert_eq!(short_integer(text.as_bytes(), Span { start: 0, end: digits + 1 }), None);
            for at in 0..digits as usize {
                // Every byte that is no digit is seen, in every place.
                for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                    let mut text = text.clone().into_bytes();
                    text[at] = byte;
                    assert_eq!(short_integer(&text, Span { start: 0, end: digits }), None);
                }
            }
        }
    }

    fn all<'a>(values: Values<'a>, rows: usize) -> Vec<Value<'a>> {
        (0..rows).map(|row| values.get(row)).collect()
    }

    /// Texts as a made column has them.
    fn made<'a>(texts: &[&str], arena: &'a Arena) -> Values<'a> {
        let mut made = Texts::new(texts.len(), texts.concat().len(), arena);
        texts.iter().for_each(|text| made.push(|to| copy(text.as_bytes(), to)));
        Values::Texts(made.finish())
    }

    #[test]
    fn upper_is_what_the_standard_library_says() {
        let arena = Arena::default();
        for text in ["", "abc", "O' Sullivan", "straße", "ŉ", "ﬃ", "éàü", "ǆ", "日本", "ΐ", "a\0b"]
        {
            let texts = ["a", text, "zz"];
            let uppers = texts.map(str::to_uppercase);
            let [a, upper_text, zz] = uppers.each_ref().map(|text| Value::Text(text.as_bytes()));
            assert_eq!(all(upper(made(&texts, &arena), 3, &arena), 3), [a, upper_text, zz]);
            let mixed = [Value::Text(b"a"), Value::Text(text.as_bytes()), Value::Null, Value::Integer(-7)];
            let expected = [a, upper_text, Value::Null, Value::Text(b"-7")];
            assert_eq!(all(upper(Values::Mixed(&mixed), 4, &arena), 4), expected);
        }
    }

    #[test]
    fn no_character_grows_more_in_upper_case_than_there_is_room() {
        let growth =
            |lower: char| lower.to_uppercase().map(char::len_utf8).sum::<usize>().div_ceil(lower.len_utf8());
        assert_eq!((char::MIN..=char::MAX).map(growth).max(), Some(MOST_GROWTH));
    }

    #[test]
    fn concat_is_null_if_any_part_is() {
        let arena = Arena::default();
        let constants = [Value::Text(b"a"), Value::Integer(i64::MIN), Value::Null, Value::Text(b"")];
        let parts = constants.map(Values::Constant);
        let texts = concat(&[0, 1, 3], &parts, 2, &arena);
        assert_eq!(all(texts, 2), [Value::Text(b"a-9223372036854775808"); 2]);
        assert_eq!(all(concat(&[0, 2], &parts, 1, &arena), 1), [Value::Null]);
        let some = [Value::Text(b"b"), Value::Null, Value::Integer(7)];
        let parts = [Values::Constant(Value::Text(b"a")), Values::Mixed(&some)];
        let expected = [Value::Text(b"ab"), Value::Null, Value::Text(b"a7")];
        assert_eq!(all(concat(&[0, 1], &parts, 3, &arena), 3), expected);
    }

    #[test]
    fn texts_of_any_length_are_joined() {
        let arena = Arena::default();
        // Around the numbers of bytes that are copied at once.
        for longest in [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200] {
            let long = "x".repeat(longest);
            let parts = [
                made(&["é", &long, ""], &arena),
                Values::Constant(Value::Text(b"-")),
                Values::Integers(&[-3, 42, i64::MIN]),
                made(&["", "end", &long], &arena),
            ];
            let expected = ["é--3".to_owned(), format!("{long}-42end"), format!("-{}{long}", i64::MIN)];
            let expected = expected.each_ref().map(|text| Value::Text(text.as_bytes()));
            assert_eq!(all(concat(&[0, 1, 2, 3], &parts, 3, &arena), 3), expected, "{longest}");
        }
    }

    #[test]
    fn texts_too_long_for_spans_have_another_form() {
        let arena = Arena::default();
        let texts = made(&["abc", "de"], &arena);
        assert!(texts_of(texts, 2, 5, &arena).is_some_and(|(_, bytes)| bytes == 5));
        assert!(texts_of(texts, 2, 4, &arena).is_none());
        assert!(texts_of(Values::Integers(&[1]), 1, 0, &arena).is_none());
        assert!(texts_of(Values::Constant(Value::Text(b"abc")), 2, 5, &arena).is_none());
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
