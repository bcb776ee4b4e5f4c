//! The order of keys: collations (Datatypes in SQLite, section 7) and DESC.
//!
//! | collation | how TEXT is compared |
//! |---|---|
//! | BINARY | byte by byte |
//! | NOCASE | byte by byte up to the first NUL, with A to Z as a to z; then by length |
//! | RTRIM | as BINARY, without the spaces at the end |

use super::record::prefix;
use crate::batch::Value;
use std::cmp::Ordering;

/// How TEXT is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collation {
    Binary,
    NoCase,
    Rtrim,
}

impl Collation {
    /// The collation of this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let all = [("BINARY", Self::Binary), ("NOCASE", Self::NoCase), ("RTRIM", Self::Rtrim)];
        all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, collation)| collation)
    }
}

/// The order of the values of one column of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyOrder {
    pub(super) is_descending: bool,
    pub(super) collation: Collation,
}

impl KeyOrder {
    /// True for the order of [`Value::compare`].
    pub(super) fn is_plain(self) -> bool {
        !self.is_descending && self.collation == Collation::Binary
    }

    /// Compares two values.
    #[inline]
    pub(super) fn compare(self, a: &Value<'_>, b: &Value<'_>) -> Ordering {
        let order = match self.collation {
            Collation::Binary => a.compare(b),
            collation => compare_collated(collation, a, b),
        };
        if self.is_descending { order.reverse() } else { order }
    }

    /// The first 64 bits of the position of a value in this order. A smaller value never has a larger prefix.
    #[inline(always)]
    pub(super) fn prefix(self, value: &Value<'_>) -> u64 {
        match (self.collation, value) {
            (Collation::NoCase | Collation::Rtrim, Value::Text(text)) => self.collated_prefix(text),
            _ => prefix(value, self.is_descending),
        }
    }

    /// The prefix of a text in this collation.
    fn collated_prefix(self, text: &[u8]) -> u64 {
        let mut folded = [0; size_of::<u64>()];
        let text = match self.collation {
            Collation::Binary => text,
            Collation::NoCase => {
                let bytes = text.iter().take_while(|byte| **byte != 0);
                folded.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte.to_ascii_lowercase());
                &folded[..]
            }
            Collation::Rtrim => trimmed(text),
        };
        prefix(&Value::Text(text), self.is_descending)
    }
}

fn compare_collated(collation: Collation, a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (collation, a, b) {
        (Collation::NoCase, Value::Text(a), Value::Text(b)) => compare_folded(a, b),
        (Collation::Rtrim, Value::Text(a), Value::Text(b)) => trimmed(a).cmp(trimmed(b)),
        _ => a.compare(b),
    }
}

/// Compares as `nocaseCollatingFunc` in SQLite, which stops at NUL.
fn compare_folded(a: &[u8], b: &[u8]) -> Ordering {
    let folded = a.iter().zip(b).map(|(a, b)| (a.to_ascii_lowercase(), b.to_ascii_lowercase()));
    let decisive = folded.into_iter().find(|(a, b)| a != b || *a == 0);
    decisive.map_or(Ordering::Equal, |(a, b)| a.cmp(&b)).then(a.len().cmp(&b.len()))
}

fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn texts_are_in_the_order_of_sqlite() {
        let texts: [&[u8]; 24] = [
            b"",
            b" ",
            b"  ",
            b"a",
            b"A",
            b"a ",
            b"A  ",
            b" a",
            b"ab",
            b"aB",
            b"AC",
            b"a\0b",
            b"A\0C",
            b"a\0",
            b"a\0bc",
            b"a\x01",
            b"[",
            b"_",
            b"`",
            b"\xc3\x89",
            b"\xc3\xa9",
            b"abcdefghi",
            b"ABCDEFGHJ",
            b"abcdefgh ",
        ];
        let values: Vec<_> = texts
            .iter()
            .flat_map(|text| [Value::Text(text), Value::Blob(text)])
            .chain([Value::Null])
            .collect();
        let connection = Connection::open_in_memory().unwrap();
        for (name, collation) in [("NOCASE", Collation::NoCase), ("RTRIM", Collation::Rtrim)] {
            assert_eq!(Collation::from_name(&name.to_lowercase()), Some(collation));
            let sql = format!("SELECT (?1 > ?2 COLLATE {name}) - (?1 < ?2 COLLATE {name})");
            let mut compare = connection.prepare(&sql).unwrap();
            for [a, b] in values.iter().flat_map(|a| values.iter().map(move |b| [a, b])) {
                if a.class_rank() != b.class_rank() || *a == Value::Null {
                    continue;
                }
                let order: i32 =
                    compare.query_row([a, b].map(|value| value.to_sqlite()), |row| row.get(0)).unwrap();
                for is_descending in [false, true] {
                    let key = KeyOrder { is_descending, collation };
                    let expected = if is_descending { 0.cmp(&order) } else { order.cmp(&0) };
                    assert_eq!(key.compare(a, b), expected, "{a:?} and {b:?} by {name}");
                    let by_prefix = key.prefix(a).cmp(&key.prefix(b));
                    assert!(
                        by_prefix.is_eq() || by_prefix == expected,
                        "the prefixes of {a:?} and {b:?} by {name}"
                    );
                }
            }
        }
    }
}
