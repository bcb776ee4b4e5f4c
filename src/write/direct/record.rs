//! Varints and records (file format sections 1.6 and 2.1).
//!
//! A varint is big-endian, seven bits a byte, the high bit set on all but the last; a ninth byte gives all of
//! its eight bits. A record is a header and a body:
//!
//! | part | bytes | content |
//! |---|---|---|
//! | header size | varint | bytes of the header, this varint included |
//! | serial types | a varint each | one for each value, in the order of the columns |
//! | body | as the types say | the values |
//!
//! | serial type | bytes | value |
//! |---|---|---|
//! | 0 | 0 | NULL |
//! | 1 to 6 | 1, 2, 3, 4, 6, 8 | a big-endian two's-complement INTEGER, in the shortest form that holds it |
//! | 7 | 8 | a big-endian IEEE 754 REAL |
//! | 8, 9 | 0 | the INTEGER 0, 1 (schema format 4) |
//! | N >= 12, even | (N - 12) / 2 | a BLOB |
//! | N >= 13, odd | (N - 13) / 2 | a TEXT |

use crate::batch::Value;

/// Appends `value` as a varint.
#[inline]
pub(super) fn push_varint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value as u8);
        return;
    }
    let mut bytes = [0; 9];
    let start = fill_varint(&mut bytes, value);
    out.extend_from_slice(&bytes[start..]);
}

/// Puts a varint of two bytes or more at the end of `bytes` and returns where it starts.
fn fill_varint(bytes: &mut [u8; 9], value: u64) -> usize {
    let mut rest = value;
    let mut at = 8;
    if value >> 56 != 0 {
        bytes[8] = value as u8;
        rest = value >> 8;
        for byte in bytes[..8].iter_mut().rev() {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        return 0;
    }
    bytes[8] = rest as u8 & 0x7f;
    rest >>= 7;
    while rest != 0 {
        at -= 1;
        bytes[at] = rest as u8 | 0x80;
        rest >>= 7;
    }
    at
}

/// Bytes of `value` as a varint.
#[inline]
pub(super) fn varint_bytes(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7).min(9)
}

/// Serial type and bytes of an INTEGER.
#[inline]
fn integer_type(integer: i64) -> (u8, usize) {
    match integer {
        0 => (8, 0),
        1 => (9, 0),
        -0x80..=0x7f => (1, 1),
        -0x8000..=0x7fff => (2, 2),
        -0x80_0000..=0x7f_ffff => (3, 3),
        -0x8000_0000..=0x7fff_ffff => (4, 4),
        -0x8000_0000_0000..=0x7fff_ffff_ffff => (5, 6),
        _ => (6, 8),
    }
}

/// Serial type of a value.
#[inline]
pub(super) fn serial_type(value: &Value<'_>) -> u64 {
    match value {
        Value::Null => 0,
        Value::Integer(integer) => u64::from(integer_type(*integer).0),
        Value::Real(real) if real.is_nan() => 0,
        Value::Real(_) => 7,
        Value::Blob(bytes) => bytes.len() as u64 * 2 + 12,
        Value::Text(bytes) => bytes.len() as u64 * 2 + 13,
    }
}

/// Appends the bytes of a value.
#[inline]
pub(super) fn push_body(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null => {}
        Value::Integer(integer) => {
            let (_, bytes) = integer_type(*integer);
            out.extend_from_slice(&integer.to_be_bytes()[8 - bytes..]);
        }
        Value::Real(real) if real.is_nan() => {}
        Value::Real(real) => out.extend_from_slice(&real.to_be_bytes()),
        Value::Blob(bytes) | Value::Text(bytes) => out.extend_from_slice(bytes),
    }
}

/// Bytes that a serial type stands for (section 2.1).
#[inline]
pub(super) fn body_bytes(serial_type: u64) -> usize {
    const INTEGERS: [u8; 12] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0];
    match INTEGERS.get(serial_type as usize) {
        Some(bytes) => usize::from(*bytes),
        None => (serial_type as usize - 12) / 2,
    }
}

/// Appends the record of `values`.
#[inline]
pub(super) fn push_record<'v, 'a: 'v>(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = &'v Value<'a>> + Clone,
) {
    let types_bytes: usize = values.clone().map(|value| varint_bytes(serial_type(value))).sum();
    push_varint(out, header_bytes(types_bytes) as u64);
    values.clone().for_each(|value| push_varint(out, serial_type(value)));
    values.for_each(|value| push_body(out, value));
}

/// Bytes of a header whose serial types take `types_bytes`: the varint counts itself.
#[inline]
pub(super) fn header_bytes(types_bytes: usize) -> usize {
    let guess = types_bytes + 1;
    if guess < 0x80 { guess } else { types_bytes + varint_bytes((types_bytes + varint_bytes(guess as u64)) as u64) }
}

/// A varint at the start of `bytes`, and its length.
#[cfg(test)]
pub(super) fn read_varint(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return (value << 8 | u64::from(*byte), 9);
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return (value, at + 1);
        }
    }
    panic!("a varint that does not end");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn varints_are_read_back_and_as_short_as_can_be() {
        let edges = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, !0 << bit]);
        for value in edges {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            assert_eq!(read_varint(&bytes), (value, bytes.len()), "{value:#x}");
            assert_eq!(varint_bytes(value), bytes.len(), "{value:#x}");
        }
        assert_eq!(varint_bytes(127), 1);
        assert_eq!(varint_bytes(128), 2);
        assert_eq!(varint_bytes(u64::MAX), 9);
    }

    proptest! {
        #[test]
        fn random_varints_are_read_back(value: u64, shift in 0..64u32) {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value >> shift);
            prop_assert_eq!(read_varint(&bytes), (value >> shift, bytes.len()));
            prop_assert_eq!(varint_bytes(value >> shift), bytes.len());
        }
    }

    #[test]
    fn a_header_counts_itself() {
        for types_bytes in (0..300).chain(16_300..16_400) {
            let bytes = header_bytes(types_bytes);
            assert_eq!(bytes, types_bytes + varint_bytes(bytes as u64));
        }
    }
}
