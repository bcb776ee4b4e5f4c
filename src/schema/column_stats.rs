//! What the values of a column show of its type.

use crate::plan::Type;
use crate::types::numbers::{MAX_REAL_DIGITS, NotANumber, integer, real};

/// What is known of a column's values. Rows are counted from 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnStats {
    has_values: bool,
    /// Whether the first value looks like a number.
    begins_with_number: bool,
    other_than_integer: Option<u64>,
    other_than_real: Option<u64>,
    /// The first that looks like a number and is none.
    not_a_number: Option<(u64, NotANumber)>,
    /// The first that does not even look like a number.
    pub(crate) first_non_number: Option<u64>,
}

impl ColumnStats {
    /// Whether nothing is known, since there are no values.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_values
    }

    /// What the values are.
    pub(crate) fn column_type(&self) -> Type {
        match self {
            Self { first_non_number: Some(_), .. } | Self { has_values: false, .. } => Type::Text,
            Self { other_than_integer: None, .. } => Type::Integer,
            Self { other_than_real: None, .. } => Type::Real,
            _ => Type::Text,
        }
    }

    /// Why they are TEXT although they looked like numbers at first, and the row that shows it.
    pub(crate) fn reason(&self) -> Option<(String, u64)> {
        if self.column_type() != Type::Text || self.is_empty() {
            return None;
        }
        let (row, reason) = match (self.not_a_number, self.first_non_number) {
            (Some((row, not_a_number)), first_non_number)
                if first_non_number.is_none_or(|first_non_number| row < first_non_number) =>
            {
                (row, not_a_number.to_string())
            }
            (_, Some(row)) => (row, "what is no number".to_owned()),
            // Of a large integer and a fraction the later one decides.
            _ => (
                self.other_than_integer.max(self.other_than_real)?,
                format!("whole numbers of more than {MAX_REAL_DIGITS} digits beside fractions"),
            ),
        };
        self.begins_with_number.then_some((reason, row))
    }

    /// The rows that a reason can name: each the first of its kind.
    pub(crate) fn first_rows(&self) -> impl Iterator<Item = u64> {
        let not_a_number = self.not_a_number.map(|(row, _)| row);
        [self.other_than_integer, self.other_than_real, not_a_number, self.first_non_number]
            .into_iter()
            .flatten()
    }

    pub(crate) fn add(&mut self, text: &[u8], row: usize) {
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
            match NotANumber::reason(text) {
                None => self.first_non_number = Some(row),
                Some(not_a_number) => self.not_a_number = self.not_a_number.or(Some((row, not_a_number))),
            }
        }
        if !self.has_values {
            self.has_values = true;
            self.begins_with_number = self.first_non_number.is_none();
        }
    }

    /// Takes what was seen in the rows behind so many.
    pub(crate) fn merge(&mut self, other: &Self, rows_before: u64) {
        let behind = |row: u64| rows_before + row;
        if !self.has_values {
            self.begins_with_number = other.begins_with_number;
        }
        self.has_values |= other.has_values;
        self.other_than_integer = self.other_than_integer.or(other.other_than_integer.map(behind));
        self.other_than_real = self.other_than_real.or(other.other_than_real.map(behind));
        self.not_a_number =
            self.not_a_number.or(other.not_a_number.map(|(row, not_a_number)| (behind(row), not_a_number)));
        self.first_non_number = self.first_non_number.or(other.first_non_number.map(behind));
    }
}
