//! The order of cells.

use super::collation::KeyOrder;
use super::record::{Fields, big_endian, body_bytes, get_varint};
use crate::batch::Value;
use std::cmp::Ordering;

/// The order of cells.
#[derive(Debug, Clone)]
pub(super) enum CellOrder {
    /// Rows, by rowid.
    Rowid,
    /// Entries of an index, by key and then by rowid.
    Key {
        /// The order of each column of the key.
        keys: Box<[KeyOrder]>,
        /// How many of them must be unique together; 0 if they need not.
        unique_keys: usize,
        /// Whether each cell ends with a rowid, which is not part of the key.
        has_rowid: bool,
    },
}

impl CellOrder {
    /// Compares two complete cells.
    pub(super) fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::Rowid => rowid_of_row(a).cmp(&rowid_of_row(b)),
            Self::Key { keys, has_rowid, .. } => {
                if *has_rowid && let Some(by_rowid) = compare_same_keys(a, b) {
                    return by_rowid;
                }
                let mut keys = keys.iter();
                let by_value = fields(a).zip(fields(b)).map(|(a, b)| match keys.next() {
                    Some(key) => key.compare(&a, &b),
                    // The rowid follows the key.
                    None => a.compare(&b),
                });
                by_value.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }
        }
    }

    /// True if two neighbours violate uniqueness.
    pub(super) fn is_duplicate(&self, a: &[u8], b: &[u8]) -> bool {
        match self {
            Self::Rowid => rowid_of_row(a) == rowid_of_row(b),
            Self::Key { unique_keys: 0, .. } => false,
            Self::Key { keys, unique_keys, .. } => {
                // NULLs are distinct.
                let is_same = |((a, b), key): ((Value<'_>, Value<'_>), &KeyOrder)| {
                    a != Value::Null && key.compare(&a, &b).is_eq()
                };
                fields(a).zip(fields(b)).zip(&keys[..*unique_keys]).all(is_same)
            }
        }
    }

    /// True if the values of the key are the same in two index entries, not only equal.
    pub(super) fn are_keys_identical(&self, a: &[u8], b: &[u8]) -> bool {
        match self {
            Self::Rowid => true,
            Self::Key { keys, .. } => fields(a).zip(fields(b)).take(keys.len()).all(|values| match values {
                (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
                (a, b) => a == b,
            }),
        }
    }

    /// A number that decides the order of two cells unless it is the same for both.
    pub(super) fn prefix(&self, cell: &[u8]) -> u64 {
        match self {
            Self::Rowid => rowid_of_row(cell).cast_unsigned() ^ 1 << 63,
            Self::Key { keys, .. } => keys[0].prefix(&fields(cell).next().unwrap_or(Value::Null)),
        }
    }

    /// The rowid of a cell.
    pub(super) fn rowid(&self, cell: &[u8]) -> i64 {
        match self {
            Self::Rowid => rowid_of_row(cell),
            Self::Key { .. } => match fields(cell).last() {
                Some(Value::Integer(rowid)) => rowid,
                _ => 0,
            },
        }
    }
}

fn rowid_of_row(cell: &[u8]) -> i64 {
    let (_, read) = get_varint(cell);
    get_varint(&cell[read..]).0.cast_signed()
}

/// Compares the rowids at the end of two index entries with the same serial types and key; `None` for others.
fn compare_same_keys(a: &[u8], b: &[u8]) -> Option<Ordering> {
    let [a, b] = [a, b].map(|cell| &cell[get_varint(cell).1..]);
    let (header_bytes, _) = get_varint(a);
    let ((types, a), (other_types, b)) =
        (a.split_at(header_bytes as usize), b.split_at_checked(header_bytes as usize)?);
    if types != other_types {
        return None;
    }
    // The serial type of a rowid takes one byte.
    let rowid_bytes = body_bytes(u64::from(*types.last()?));
    let (a, b) = (a.split_at(a.len() - rowid_bytes), b.split_at(b.len() - rowid_bytes));
    (a.0 == b.0).then(|| big_endian(a.1).cmp(&big_endian(b.1)))
}

#[inline]
fn fields(cell: &[u8]) -> Fields<'_> {
    Fields::new(&cell[get_varint(cell).1..])
}

#[cfg(test)]
mod tests {
    use super::super::collation::Collation;
    use super::super::record::{header_bytes, put_body, put_varint, serial_type};
    use super::*;
    use proptest::prelude::*;

    /// The cell of an index entry.
    fn entry(values: &[Value<'_>]) -> Vec<u8> {
        let (mut header, mut body) = (vec![header_bytes(values.len()) as u8], Vec::new());
        for value in values {
            let (serial_type, bytes) = serial_type(value);
            let mut padded = [0; 64];
            put_body(&mut padded, value, bytes);
            header.push(serial_type as u8);
            body.extend_from_slice(&padded[..bytes]);
        }
        let mut cell = vec![0; 1];
        put_varint(&mut cell, (header.len() + body.len()) as u64);
        [cell, header, body].concat()
    }

    proptest! {
        #[test]
        fn entries_are_in_the_order_of_their_values(
            rows in prop::collection::vec((prop::sample::select(vec!["", "a", "A", "ab", "abcdefgh", "abcdefghi"]), -1..2_i64, prop::sample::select(vec![-300, -1, 0, 1, 2, 127, 128, 70_000])), 2..12),
            is_descending: bool,
        ) {
            let key = |collation, is_descending| KeyOrder { is_descending, collation };
            let keys = [key(Collation::Binary, is_descending), key(Collation::NoCase, false)];
            let order = CellOrder::Key { keys: keys.into(), unique_keys: 0, has_rowid: true };
            for [a, b] in rows.iter().flat_map(|a| rows.iter().map(move |b| [a, b])) {
                let values = |(text, number, rowid): &(&'static str, i64, i64)| {
                    [Value::Text(text.as_bytes()), Value::Integer(*number), Value::Integer(*rowid)]
                };
                let by_text = if is_descending { b.0.cmp(a.0) } else { a.0.cmp(b.0) };
                let expected = by_text.then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2));
                prop_assert_eq!(order.compare(&entry(&values(a)), &entry(&values(b))), expected, "{:?} and {:?}", a, b);
            }
        }
    }
}
