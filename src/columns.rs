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
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of a column's values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    has_values: bool,
    has_other_than_integer: bool,
    has_other_than_real: bool,
    /// Whether there is one that does not even look like a number.
    has_words: bool,
    /// The first that looks like a number and is none, and the rows before it.
    doubt: Option<(u64, Doubt)>,
}

impl Seen {
    /// Whether nothing is known, since there are no values.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_values && !self.has_words
    }

    /// What the values are.
    pub(crate) fn column_type(&self) -> Type {
        match self {
            Self { has_words: true, .. } | Self { has_values: false, .. } => Type::Text,
            Self { has_other_than_integer: false, .. } => Type::Integer,
            Self { has_other_than_real: false, .. } => Type::Real,
            _ => Type::Text,
        }
    }

    /// Why they are TEXT although all look like numbers, and the row that shows it.
    pub(crate) fn reason(&self) -> Option<(String, Option<RowKey>)> {
        if self.column_type() != Type::Text || self.has_words || self.is_empty() {
            return None;
        }
        Some(match self.doubt {
            Some((row, doubt)) => (doubt.to_string(), Some(RowKey::Number(row))),
            None => (format!("whole numbers of more than {MAX_REAL_DIGITS} digits beside fractions"), None),
        })
    }

    fn add(&mut self, text: &[u8], row: usize) {
        if text.is_empty() {
            return;
        }
        self.has_values = true;
        let is_integer = integer(text).is_some();
        let is_real = (is_integer && text.len() <= MAX_REAL_DIGITS) || real(text).is_some();
        self.has_other_than_integer |= !is_integer;
        self.has_other_than_real |= !is_real;
        if !is_integer && !is_real {
            match Doubt::of(text) {
                None => self.has_words = true,
                Some(doubt) => self.doubt = self.doubt.or(Some((row as u64, doubt))),
            }
        }
    }

    /// Takes what was seen in the rows behind so many.
    fn merge(&mut self, other: &Self, rows_before: u64) {
        self.has_values |= other.has_values;
        self.has_other_than_integer |= other.has_other_than_integer;
        self.has_other_than_real |= other.has_other_than_real;
        self.has_words |= other.has_words;
        self.doubt = self.doubt.or(other.doubt.map(|(row, doubt)| (rows_before + row, doubt)));
    }
}

/// Looks at rows instead of writing them.
pub(crate) struct Looker<'s> {
    seen: &'s mut [Seen],
    rows: u64,
    /// Columns that are known to be no numbers, which nobody needs to look at any more.
    words: Arc<[AtomicBool]>,
}

impl<'s> Looker<'s> {
    /// Puts what it sees into `seen`, a column each.
    pub(crate) fn new(seen: &'s mut [Seen]) -> Self {
        let words = seen.iter().map(|_| AtomicBool::new(false)).collect();
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
    words: Arc<[AtomicBool]>,
}

impl Encoder for Look {
    type Encoded = Vec<Seen>;

    fn encode(&mut self, rows: &Rows<'_>, seen: &mut Vec<Seen>) {
        seen.clear();
        seen.extend(rows.columns.iter().zip(&*self.words).map(|(values, is_words)| {
            let mut seen = Seen { has_words: is_words.load(Ordering::Relaxed), ..Seen::default() };
            for row in 0..rows.len {
                if seen.has_words {
                    is_words.store(true, Ordering::Relaxed);
                    break;
                }
                if let Value::Text(text) = values.get(row) {
                    seen.add(text, row);
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
