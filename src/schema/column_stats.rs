//! Infers the type of a column from its values.

use crate::plan::Type;
use crate::types::numbers::{MAX_REAL_DIGITS, NotANumber, integer, real};

/// Statistics of the values of a column. Row numbers start at 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnStats {
    has_values: bool,
    /// True if the first value looks like a number.
    starts_with_number: bool,
    first_non_integer: Option<u64>,
    first_non_real: Option<u64>,
    /// The first value that looks like a number but would not be given back as one, and why.
    first_noncanonical: Option<(u64, NotANumber)>,
    /// The row of the first value that does not look like a number.
    pub(crate) first_non_number: Option<u64>,
}

impl ColumnStats {
    /// True if the column has no values.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_values
    }

    /// The type that holds every value without loss; TEXT if there are no values.
    pub(crate) fn column_type(&self) -> Type {
        match self {
            Self { first_non_number: Some(_), .. } | Self { has_values: false, .. } => Type::Text,
            Self { first_non_integer: None, .. } => Type::Integer,
            Self { first_non_real: None, .. } => Type::Real,
            _ => Type::Text,
        }
    }

    /// Why they are TEXT although they looked like numbers at first, and the row that shows it.
    pub(crate) fn reason(&self) -> Option<(String, u64)> {
        if self.column_type() != Type::Text || self.is_empty() {
            return None;
        }
        let (row, reason) = match (self.first_noncanonical, self.first_non_number) {
            (Some((row, reason)), first_non_number)
                if first_non_number.is_none_or(|first_non_number| row < first_non_number) =>
            {
                (row, reason.to_string())
            }
            (_, Some(row)) => (row, "a value that is not a number".to_owned()),
            // The column has both large integers and fractions: the row of the later one decides.
            _ => (
                self.first_non_integer.max(self.first_non_real)?,
                format!("integers of more than {MAX_REAL_DIGITS} digits mixed with fractions"),
            ),
        };
        self.starts_with_number.then_some((reason, row))
    }

    /// The rows that a reason can name: each the first of its kind.
    pub(crate) fn first_rows(&self) -> impl Iterator<Item = u64> {
        let first_noncanonical = self.first_noncanonical.map(|(row, _)| row);
        [self.first_non_integer, self.first_non_real, first_noncanonical, self.first_non_number]
            .into_iter()
            .flatten()
    }

    /// Adds the value of a row. Empty values say nothing about the type.
    pub(crate) fn add_value(&mut self, text: &[u8], row: usize) {
        if text.is_empty() {
            return;
        }
        let row = row as u64;
        let is_integer = integer(text).is_some();
        let is_real = (is_integer && text.len() <= MAX_REAL_DIGITS) || real(text).is_some();
        if !is_integer {
            self.first_non_integer.get_or_insert(row);
        }
        if !is_real {
            self.first_non_real.get_or_insert(row);
        }
        if !is_integer && !is_real {
            match NotANumber::reason(text) {
                None => self.first_non_number = Some(row),
                Some(reason) => self.first_noncanonical = self.first_noncanonical.or(Some((row, reason))),
            }
        }
        if !self.has_values {
            self.has_values = true;
            self.starts_with_number = self.first_non_number.is_none();
        }
    }

    /// Adds the statistics of later rows, the first of which has the number `rows_before`.
    pub(crate) fn merge(&mut self, other: &Self, rows_before: u64) {
        let shifted = |row: u64| rows_before + row;
        if !self.has_values {
            self.starts_with_number = other.starts_with_number;
        }
        self.has_values |= other.has_values;
        self.first_non_integer = self.first_non_integer.or(other.first_non_integer.map(shifted));
        self.first_non_real = self.first_non_real.or(other.first_non_real.map(shifted));
        self.first_noncanonical =
            self.first_noncanonical.or(other.first_noncanonical.map(|(row, reason)| (shifted(row), reason)));
        self.first_non_number = self.first_non_number.or(other.first_non_number.map(shifted));
    }
}
