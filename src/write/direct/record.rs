//! Variable-length integers and records: how rows and index entries are encoded.
//!
//! | part of a record | bytes | file format |
//! |---|---|---|
//! | length of the header, itself included | varint | 2.1 |
//! | a serial type for each value | varint each | 2.1 |
//! | the values, one behind the other | as the serial type says | 2.1 |
//!
//! | serial type | bytes | value |
//! |---|---|---|
//! | 0 | 0 | NULL |
//! | 1, 2, 3, 4, 5, 6 | 1, 2, 3, 4, 6, 8 | INTEGER, two's complement, big-endian |
//! | 7 | 8 | REAL, IEEE 754, big-endian |
//! | 8, 9 | 0 | the INTEGERs 0 and 1 (schema format 4) |
//! | N >= 12, even | (N - 12) / 2 | BLOB |
//! | N >= 13, odd | (N - 13) / 2 | TEXT |
//!
//! A varint (file format 1.6, "variable-length integers") is big-endian, seven bits a byte, the high bit
//! set in all but the last; a ninth byte holds eight bits.

use crate::batch::Value;

/// The size of the longest varint.
pub(super) const MAX_VARINT_BYTES: usize = 9;

/// The serial type of a REAL, and its size.
pub(super) const REAL_TYPE: u8 = 7;
pub(super) const REAL_BYTES: usize = 8;

/// The size of `value` as a varint: 1 to 9 bytes.
#[inline]
pub(super) fn varint_bytes(value: u64) -> usize {
    let bits = (value | 1).ilog2() as usize + 1;
    bits.div_ceil(7).min(MAX_VARINT_BYTES)
}

/// Writes `value` as a varint to the start of `to`. Returns its size.
#[inline(always)]
pub(super) fn put_varint(to: &mut [u8], value: u64) -> usize {
    // A byte with seven bits of the value and the continuation bit.
    let more = |shift: u32| (value >> shift) as u8 | 0x80;
    let last = value as u8 & 0x7f;
    // Nearly all are short, and as long as the one before.
    if value < 1 << 7 {
        to[0] = last;
        1
    } else if value < 1 << 14 {
        to[..2].copy_from_slice(&[more(7), last]);
        2
    } else if value < 1 << 21 {
        to[..3].copy_from_slice(&[more(14), more(7), last]);
        3
    } else if value < 1 << 28 {
        to[..4].copy_from_slice(&[more(21), more(14), more(7), last]);
        4
    } else {
        put_long_varint(to, value)
    }
}

#[cold]
fn put_long_varint(to: &mut [u8], value: u64) -> usize {
    let bytes = varint_bytes(value);
    // A ninth byte has eight bits of the value.
    let (mut rest, last) =
        if bytes == 9 { (value >> 8, value as u8) } else { (value >> 7, value as u8 & 0x7f) };
    to[bytes - 1] = last;
    for byte in to[..bytes - 1].iter_mut().rev() {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    bytes
}

/// The varint at the start of `bytes`, and its size.
///
/// # Panics
/// If `bytes` end before the varint does.
#[inline]
pub(super) fn get_varint(bytes: &[u8]) -> (u64, usize) {
    if let Some(byte @ ..0x80) = bytes.first() {
        return (u64::from(*byte), 1);
    }
    get_long_varint(bytes)
}

fn get_long_varint(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0;
    for (at, byte) in bytes[..bytes.len().min(8)].iter().enumerate() {
        value = value << 7 | u64::from(byte & 0x7f);
        if *byte < 0x80 {
            return (value, at + 1);
        }
    }
    (value << 8 | u64::from(bytes[8]), 9)
}

/// The serial type of a value, and the size of its body.
#[inline(always)]
pub(super) fn serial_type(value: &Value<'_>) -> (u64, usize) {
    match value {
        Value::Text(bytes) | Value::Blob(bytes) => {
            (12 + 2 * bytes.len() as u64 + u64::from(matches!(value, Value::Text(_))), bytes.len())
        }
        Value::Integer(integer) => {
            let serial_type = integer_type(*integer);
            (serial_type.into(), integer_bytes(serial_type))
        }
        Value::Real(_) => (REAL_TYPE.into(), REAL_BYTES),
        Value::Null => (0, 0),
    }
}

/// The serial type of an INTEGER.
#[inline]
pub(super) fn integer_type(integer: i64) -> u8 {
    /// The serial type for each number of bits, not counting the sign.
    const TYPES: [u8; 64] = {
        let mut types = [6; 64];
        let mut bits = 0;
        while bits < 48 {
            types[bits] = if bits < 32 { bits as u8 / 8 + 1 } else { 5 };
            bits += 1;
        }
        types
    };
    if integer == 0 || integer == 1 {
        return 8 + integer as u8;
    }
    let magnitude = (integer ^ (integer >> 63)).cast_unsigned();
    TYPES[(64 - magnitude.leading_zeros() as usize) % 64]
}

/// The size of the body of an INTEGER of this serial type.
#[inline]
pub(super) fn integer_bytes(serial_type: u8) -> usize {
    const BYTES: [u8; 16] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    BYTES[usize::from(serial_type % 16)].into()
}

/// Writes the body of an INTEGER, followed by padding, to the start of `to`.
#[inline]
pub(super) fn put_integer(to: &mut [u8], integer: i64, bytes: usize) {
    // What follows the body is overwritten later.
    to[..8].copy_from_slice(&front(integer, bytes).to_be_bytes());
}

/// The number whose first bytes are the body of an INTEGER of `bytes` bytes.
#[inline]
pub(super) fn front(integer: i64, bytes: usize) -> u64 {
    integer.cast_unsigned().wrapping_shl(64 - 8 * bytes as u32)
}

/// The size of a record header, itself included, whose serial types take `types_bytes`.
#[inline]
pub(super) fn header_bytes(types_bytes: usize) -> usize {
    let mut bytes = types_bytes + 1;
    if bytes < 0x80 {
        return bytes;
    }
    while types_bytes + varint_bytes(bytes as u64) > bytes {
        bytes += 1;
    }
    bytes
}

/// Writes the body of a value to the start of `to`, which has room for eight more bytes.
#[inline]
pub(super) fn put_body(to: &mut [u8], value: &Value<'_>, bytes: usize) {
    match value {
        Value::Null => {}
        Value::Integer(integer) => put_integer(to, *integer, bytes),
        Value::Real(real) => to[..8].copy_from_slice(&real.to_be_bytes()),
        Value::Text(text) | Value::Blob(text) => to[..bytes].copy_from_slice(text),
    }
}

/// Iterates over the values of a record.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    types: &'a [u8],
    body: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads a complete record.
    pub(super) fn new(record: &'a [u8]) -> Self {
        let (header_bytes, read) = get_varint(record);
        let (header, body) = record.split_at(header_bytes as usize);
        Self { types: &header[read..], body }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Value<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Value<'a>> {
        if self.types.is_empty() {
            return None;
        }
        let (serial_type, read) = get_varint(self.types);
        self.types = &self.types[read..];
        let (value, body) = self.body.split_at(body_bytes(serial_type));
        self.body = body;
        Some(match serial_type {
            0 => Value::Null,
            7 => Value::Real(f64::from_bits(big_endian(value) as u64)),
            8 | 9 => Value::Integer(serial_type as i64 - 8),
            1..=6 => Value::Integer(big_endian(value)),
            _ if serial_type % 2 == 0 => Value::Blob(value),
            _ => Value::Text(value),
        })
    }
}

/// The size of the body of a value with this serial type, which is neither 10 nor 11.
#[inline(always)]
pub(super) fn body_bytes(serial_type: u64) -> usize {
    match serial_type {
        0 | 8 | 9 => 0,
        1..=4 => serial_type as usize,
        5 => 6,
        6 | 7 => 8,
        _ => (serial_type as usize - 12) / 2,
    }
}

/// True if [`Fields`] can read this record, which may be damaged.
pub(super) fn is_complete(record: &[u8]) -> bool {
    let varint = |bytes: &[u8]| {
        let read = bytes.iter().take(8).position(|byte| *byte < 0x80).map_or(9, |last| last + 1);
        (read <= bytes.len()).then(|| get_varint(bytes))
    };
    let Some((header_bytes, read)) = varint(record) else { return false };
    let parts = usize::try_from(header_bytes).ok().and_then(|bytes| record.split_at_checked(bytes));
    let Some((header, body)) = parts else { return false };
    let Some(mut types) = header.get(read..) else { return false };
    let mut bytes = 0_usize;
    while !types.is_empty() {
        let (serial_type, read) = match varint(types) {
            None | Some((10 | 11, _)) => return false,
            Some(varint) => varint,
        };
        types = &types[read..];
        bytes = bytes.saturating_add(body_bytes(serial_type));
    }
    bytes <= body.len()
}

/// A big-endian two's complement integer of as many bytes as INTEGERs have.
#[inline(always)]
pub(super) fn big_endian(bytes: &[u8]) -> i64 {
    match *bytes {
        [a] => i8::from_be_bytes([a]).into(),
        [a, b] => i16::from_be_bytes([a, b]).into(),
        [a, b, c] => (i32::from_be_bytes([a, b, c, 0]) >> 8).into(),
        [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f] => i64::from_be_bytes([a, b, c, d, e, f, 0, 0]) >> 16,
        [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// The first 64 bits of the position of a value in the order of all values. A smaller value never has a larger
/// prefix.
#[inline(always)]
pub(super) fn prefix(value: &Value<'_>, is_descending: bool) -> u64 {
    const RANK_BITS: u32 = 2;
    let bits = match value {
        Value::Null => 0,
        Value::Integer(integer) => ordered_bits(*integer as f64),
        Value::Real(real) => ordered_bits(*real),
        Value::Text(bytes) | Value::Blob(bytes) => match bytes.first_chunk() {
            Some(first) => u64::from_be_bytes(*first),
            None => bytes.iter().rev().fold(0, |bits, byte| bits >> 8 | u64::from(*byte) << 56),
        },
    };
    let prefix = u64::from(value.class_rank()) << (64 - RANK_BITS) | bits >> RANK_BITS;
    if is_descending { !prefix } else { prefix }
}

/// Maps numbers to bits in the same order; both zeros are equal.
fn ordered_bits(real: f64) -> u64 {
    let bits = (real + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// Numbers around every power of two.
    fn numbers() -> impl Iterator<Item = u64> {
        (0..64).flat_map(|power| (0..4).map(move |more| (1_u64 << power).wrapping_add(more).wrapping_sub(2)))
    }

    #[test]
    fn varints_are_read_as_they_were_written() {
        for number in numbers() {
            let mut bytes = [0xaa; 10];
            let written = put_varint(&mut bytes, number);
            assert_eq!(written, varint_bytes(number));
            assert_eq!(get_varint(&bytes), (number, written));
            assert_eq!(bytes[written], 0xaa, "nothing behind it is touched");
        }
    }

    #[test]
    fn varints_are_those_of_the_file_format() {
        let cases: [(u64, &[u8]); 6] = [
            (0x7f, &[0x7f]),
            (0x80, &[0x81, 0x00]),
            (0x3fff, &[0xff, 0x7f]),
            (0x4000, &[0x81, 0x80, 0x00]),
            (u64::MAX >> 8, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            (u64::MAX, &[0xff; 9]),
        ];
        for (number, expected) in cases {
            let mut bytes = [0; 9];
            let written = put_varint(&mut bytes, number);
            assert_eq!(&bytes[..written], expected, "{number:#x}");
        }
    }

    #[test]
    fn integers_take_the_fewest_bytes_that_hold_them() {
        for number in numbers().flat_map(|number| [number as i64, (number as i64).wrapping_neg()]) {
            let (serial_type, bytes) = serial_type(&Value::Integer(number));
            let fits = |bytes: u32| {
                bytes == 8 || (-(1_i64 << (8 * bytes - 1))..1 << (8 * bytes - 1)).contains(&number)
            };
            let expected = match number {
                0 | 1 => (8 + number as u64, 0),
                _ => (1..).zip([1, 2, 3, 4, 6, 8]).find(|(_, bytes)| fits(*bytes)).unwrap(),
            };
            assert_eq!((serial_type, bytes as u32), expected, "{number}");
            let mut body = [0; 16];
            put_body(&mut body, &Value::Integer(number), bytes);
            let record = [&[2, serial_type as u8], &body[..bytes]].concat();
            assert_eq!(Fields::new(&record).collect::<Vec<_>>(), [Value::Integer(number)]);
        }
    }

    #[test]
    fn records_that_end_too_early_are_not_complete() {
        // A text of two bytes, a blob of 70 bytes with a serial type of two bytes, and an integer of six.
        let record = [&[5, 17, 0x81, 0x18, 5], &[b'x'; 78][..]].concat();
        assert!(is_complete(&record));
        assert_eq!(Fields::new(&record).count(), 3);
        assert!((0..record.len()).all(|bytes| !is_complete(&record[..bytes])));
        let damaged: [&[u8]; 6] = [&[0], &[2, 10], &[2, 11], &[2, 0x81, 1], &[0xff; 8], &[0xff; 12]];
        assert!(damaged.iter().all(|record| !is_complete(record)));
    }

    #[test]
    fn a_header_counts_itself() {
        for types_bytes in [1, 100, 125, 126, 127, 128, 16_380, 16_381, 16_382, 16_383, 40_000] {
            let bytes = header_bytes(types_bytes);
            assert_eq!(bytes, types_bytes + varint_bytes(bytes as u64));
        }
    }

    #[test]
    fn values_are_in_the_order_of_sqlite() {
        let reals =
            [0.0, -0.0, 0.5, -0.5, 1.0, 1e18, -1e18, 9.3e18, -9.3e18, 9_007_199_254_740_993.0, f64::INFINITY];
        let numbers = numbers().map(|number| Value::Integer(number as i64)).chain(reals.map(Value::Real));
        let texts: [&[u8]; 7] = [b"", b"a", b"ab", b"b", b"abcdefgh", b"abcdefghi", b"\xc3\xa9"];
        let bytes = texts.iter().flat_map(|text| [Value::Text(text), Value::Blob(text)]);
        let values: Vec<_> = numbers.chain(bytes).chain([Value::Null, Value::Blob(&[0; 16])]).collect();

        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE v (x, at)").unwrap();
        for (at, value) in values.iter().enumerate() {
            let at = Value::Integer(at as i64);
            connection.execute("INSERT INTO v VALUES (?, ?)", [*value, at].map(Value::to_sqlite)).unwrap();
        }
        // Equal values have the same rank.
        let sql = "SELECT at, rank() OVER (ORDER BY x) FROM v";
        let mut ranks = vec![0; values.len()];
        let mut select = connection.prepare(sql).unwrap();
        let rows = select.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap();
        rows.map(Result::unwrap).for_each(|(at, rank)| ranks[at as usize] = rank);
        for (a, a_rank) in values.iter().zip(&ranks) {
            for (b, b_rank) in values.iter().zip(&ranks) {
                assert_eq!(a.compare(b), a_rank.cmp(b_rank), "{a:?} and {b:?}");
                let order = prefix(a, false).cmp(&prefix(b, false));
                assert!(order.is_eq() || order == a.compare(b), "the prefixes of {a:?} and {b:?}");
                assert_eq!(prefix(a, true).cmp(&prefix(b, true)), order.reverse());
            }
        }
    }
}
