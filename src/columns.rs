//! The columns of a table that an input describes itself: names from the header, types from the values.
//!
//! A column is INTEGER or REAL only if that loses nothing (see `crate::numbers`) in any record of the whole
//! input; otherwise it is TEXT. Empty fields say nothing about a type.

pub(crate) mod table;

use crate::batch::{Rows, Value};
use crate::error::{Result, RowKey};
use crate::numbers::{Doubt, MAX_REAL_DIGITS, integer, real};
use crate::plan::Type;
use crate::write::{Appended, Encoder, Writer};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is known of a column's values. Rows are counted from 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    has_values: bool,
    /// Whether the first value looks like a number.
    begins_with_number: bool,
    other_than_integer: Option<u64>,
    other_than_real: Option<u64>,
    /// The first that looks like a number and is none.
    doubt: Option<(u64, Doubt)>,
    /// The first that does not even look like a number.
    word: Option<u64>,
}

impl Seen {
    /// Whether nothing is known, since there are no values.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_values
    }

    /// What the values are.
    pub(crate) fn column_type(&self) -> Type {
        match self {
            Self { word: Some(_), .. } | Self { has_values: false, .. } => Type::Text,
            Self { other_than_integer: None, .. } => Type::Integer,
            Self { other_than_real: None, .. } => Type::Real,
            _ => Type::Text,
        }
    }

    /// Why they are TEXT although they looked like numbers at first, and the row that shows it.
    pub(crate) fn reason(&self) -> Option<(String, RowKey)> {
        if self.column_type() != Type::Text || self.is_empty() {
            return None;
        }
        let (row, reason) = match (self.doubt, self.word) {
            (Some((row, doubt)), word) if word.is_none_or(|word| row < word) => (row, doubt.to_string()),
            (_, Some(row)) => (row, "what is no number".to_owned()),
            // Of a large integer and a fraction the later one decides.
            _ => (
                self.other_than_integer.max(self.other_than_real)?,
                format!("whole numbers of more than {MAX_REAL_DIGITS} digits beside fractions"),
            ),
        };
        self.begins_with_number.then_some((reason, RowKey::Number(row)))
    }

    fn add(&mut self, text: &[u8], row: usize) {
        if text.is_empty() {
            return;
        }
        let row = row as u64;
        let is_integer = integer(text).is_some();
        let is_real = (is_integer && text.len() <= MAX_REAL_DIGITS) || real(text).is_some();
        if !is_integer {
            self.other_than_integer.get_or_insert(row);
        }
        if !is_real {
            self.other_than_real.get_or_insert(row);
        }
        if !is_integer && !is_real {
            match Doubt::of(text) {
                None => self.word = Some(row),
                Some(doubt) => self.doubt = self.doubt.or(Some((row, doubt))),
            }
        }
        if !self.has_values {
            self.has_values = true;
            self.begins_with_number = self.word.is_none();
        }
    }

    /// Takes what was seen in the rows behind so many.
    fn merge(&mut self, other: &Self, rows_before: u64) {
        let behind = |row: u64| rows_before + row;
        if !self.has_values {
            self.begins_with_number = other.begins_with_number;
        }
        self.has_values |= other.has_values;
        self.other_than_integer = self.other_than_integer.or(other.other_than_integer.map(behind));
        self.other_than_real = self.other_than_real.or(other.other_than_real.map(behind));
        self.doubt = self.doubt.or(other.doubt.map(|(row, doubt)| (behind(row), doubt)));
        self.word = self.word.or(other.word.map(behind));
    }
}

/// Looks at rows instead of writing them.
pub(crate) struct Looker<'s> {
    seen: &'s mut [Seen],
    rows: u64,
    /// For each column the first record of the chunk that shows that it is no number, as far as that is known: nobody needs
    /// to look at chunks behind that.
    words: Arc<[AtomicU64]>,
}

impl<'s> Looker<'s> {
    /// Puts what it sees into `seen`, a column each.
    pub(crate) fn new(seen: &'s mut [Seen]) -> Self {
        let words = seen.iter().map(|_| AtomicU64::new(u64::MAX)).collect();
        Self { seen, rows: 0, words }
    }
}

impl Writer for Looker<'_> {
    type Encoder = Look;

    fn encoder(&self) -> Look {
        Look { words: self.words.clone() }
    }

    fn append(&mut self, rows: &Rows<'_>, seen: &mut Vec<Seen>) -> Result<Appended> {
        self.seen.iter_mut().zip(seen).for_each(|(all, seen)| all.merge(seen, self.rows));
        self.rows += rows.len as u64;
        Ok(Appended::default())
    }

    fn finish(self, _: &AtomicBool) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The parallel half of a [`Looker`].
pub(crate) struct Look {
    words: Arc<[AtomicU64]>,
}

impl Encoder for Look {
    type Encoded = Vec<Seen>;

    fn encode(&mut self, rows: &Rows<'_>, seen: &mut Vec<Seen>) {
        seen.clear();
        seen.extend(rows.columns.iter().zip(&*self.words).map(|(values, words)| {
            let mut seen = Seen::default();
            if words.load(Ordering::Relaxed) < rows.first_record {
                return seen;
            }
            for row in 0..rows.len {
                if let Value::Text(text) = values.get(row) {
                    seen.add(text, row);
                }
                if seen.word.is_some() {
                    words.fetch_min(rows.first_record, Ordering::Relaxed);
                    break;
                }
            }
            seen
        }));
    }
}

/// The names of the columns as SQLite wants them, and what was done for that: each one different from the others in more
/// than the case of ASCII letters, and without a NUL, which would end it.
pub(crate) fn names(header: &[String]) -> (Vec<String>, Vec<String>) {
    let mut notes = Vec::new();
    let given: HashSet<_> = header.iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut taken = HashSet::new();
    let mut name = |(at, name): (usize, &String)| {
        let base = if name.is_empty() { format!("column{}", at + 1) } else { name.replace('\0', "_") };
        let mut unique = base.clone();
        let mut number = 2;
        while taken.contains(&unique.to_ascii_lowercase())
            || (unique != *name && given.contains(&unique.to_ascii_lowercase()))
        {
            unique = format!("{base}_{number}");
            number += 1;
        }
        taken.insert(unique.to_ascii_lowercase());
        if unique != *name {
            let was = match name {
                _ if name.is_empty() => "no name".to_owned(),
                _ if name.contains('\0') => format!("the name {name:?}, with a NUL,"),
                _ => format!("the name {name:?} again"),
            };
            notes.push(format!("column {} has {was} in the header: it is {unique:?}", at + 1));
        }
        unique
    };
    let names = header.iter().enumerate().map(&mut name).collect();
    (names, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_unique() {
        let cases: [(&[&str], &[&str]); 7] = [
            (&["a", "b"], &["a", "b"]),
            (&["a", "A", "a"], &["a", "A_2", "a_3"]),
            (&["", "x", ""], &["column1", "x", "column3"]),
            (&["a", "a", "a_2"], &["a", "a_3", "a_2"]),
            (&["", "column1"], &["column1_2", "column1"]),
            (&["é", "É", "É"], &["é", "É", "É_2"]),
            (&["a_b", "a\0b", "\0"], &["a_b", "a_b_2", "_"]),
        ];
        for (header, expected) in cases {
            let header: Vec<_> = header.iter().map(|name| (*name).to_owned()).collect();
            let (names, notes) = names(&header);
            assert_eq!(names, expected);
            assert_eq!(notes.len(), names.iter().zip(&header).filter(|(a, b)| a != b).count());
        }
    }
}
