//! Infers the type of a column from its values.

use crate::error::excerpt;
use crate::plan::Type;
use crate::types::numbers::{MAX_REAL_DIGITS, integer, real};
use crate::types::{NotANumber, Spellings};

/// A value that shows something about its column. Row numbers start at 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) row: u64,
    /// The value, or its first characters if it is long.
    pub(crate) text: Box<str>,
}

/// Statistics of the values of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ColumnStats {
    has_values: bool,
    /// True if the first value looks like a number.
    starts_with_number: bool,
    /// How the REALs are spelled.
    spellings: Spellings,
    first_non_integer: Option<Example>,
    first_non_real: Option<Example>,
    /// The first value that looks like a number but would not be given back as one, and why.
    first_noncanonical: Option<(Example, NotANumber)>,
    /// The first value that does not look like a number.
    first_non_number: Option<Example>,
    /// The first REAL, and the number of its decimals.
    first_real: Option<(Example, u32)>,
    /// The first REAL with another number of decimals, and this number.
    first_other_decimals: Option<(Example, u32)>,
    first_whole: Option<Example>,
    /// The first REAL that ends in `.0`, exponent aside.
    first_point_zero: Option<(Example, u32)>,
    /// The first other REAL whose decimals end in a zero, and their number.
    first_trailing_zero: Option<(Example, u32)>,
    first_exponent: Option<Example>,
}

/// Why a column is TEXT although its first value looks like a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TextReason {
    pub(crate) reason: String,
    /// The values that show it: one, or two that contradict each other, in input order.
    pub(crate) examples: Vec<Example>,
}

impl ColumnStats {
    /// True if the column has no values.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_values
    }

    /// True if a value does not look like a number.
    pub(crate) fn has_non_number(&self) -> bool {
        self.first_non_number.is_some()
    }

    /// The type that holds every value without loss; TEXT if there are no values.
    pub(crate) fn column_type(&self) -> Type {
        match self {
            Self { first_non_number: Some(_), .. } | Self { has_values: false, .. } => Type::Text,
            Self { first_non_integer: None, .. } => Type::Integer,
            Self { first_non_real: None, .. } if self.spellings.format().is_some() => Type::Real,
            _ => Type::Text,
        }
    }

    /// Why they are TEXT although they looked like numbers at first.
    pub(crate) fn text_reason(&self) -> Option<TextReason> {
        if self.column_type() != Type::Text || !self.starts_with_number {
            return None;
        }
        let row = |example: &Option<Example>| example.as_ref().map_or(u64::MAX, |example| example.row);
        let (reason, mut examples) = match (&self.first_noncanonical, &self.first_non_number) {
            (Some((example, reason)), non_number) if example.row < row(non_number) => {
                (reason.to_string(), vec![example.clone()])
            }
            (_, Some(example)) => ("a value that is not a number".to_owned(), vec![example.clone()]),
            _ if self.first_non_real.is_some() => {
                let reason = "a fraction, and an integer with more digits than a REAL can hold".to_owned();
                (
                    reason,
                    [&self.first_non_real, &self.first_non_integer].into_iter().flatten().cloned().collect(),
                )
            }
            _ => self.spelling_reason()?,
        };
        examples.sort_by_key(|example| example.row);
        Some(TextReason { reason, examples })
    }

    /// Why there is no format of REAL that gives back all values, all of which are REALs.
    fn spelling_reason(&self) -> Option<(String, Vec<Example>)> {
        let trailing_zero = self.first_trailing_zero.as_ref();
        if let (Some((zero, _)), Some(exponent)) = (trailing_zero, &self.first_exponent) {
            let mut examples = vec![zero.clone(), exponent.clone()];
            examples.dedup();
            return Some(("a trailing zero and an exponent".to_owned(), examples));
        }
        // Without a trailing zero, there are a value that ends in `.0` and a whole number.
        let (zero, decimals) = trailing_zero.or(self.first_point_zero.as_ref())?;
        let differs = |other: &&(Example, u32)| other.1 != *decimals;
        let others = self.first_real.iter().chain(&self.first_other_decimals);
        let other = match trailing_zero {
            Some(_) => others.filter(differs).map(|(example, _)| example).next(),
            None => self.first_whole.as_ref(),
        };
        Some(("a trailing zero would be lost".to_owned(), vec![zero.clone(), other?.clone()]))
    }

    /// The rows that a reason can name: each the first of its kind.
    pub(crate) fn example_rows(&self) -> impl Iterator<Item = u64> {
        let reals =
            [&self.first_real, &self.first_other_decimals, &self.first_point_zero, &self.first_trailing_zero];
        let reals = reals.into_iter().flatten().map(|(example, _)| example);
        let others = [
            &self.first_non_integer,
            &self.first_non_real,
            &self.first_non_number,
            &self.first_whole,
            &self.first_exponent,
        ];
        let noncanonical = self.first_noncanonical.iter().map(|(example, _)| example);
        others.into_iter().flatten().chain(reals).chain(noncanonical).map(|example| example.row)
    }

    /// Adds a string of a row, which is not a number even if it looks like one.
    pub(crate) fn add_string(&mut self, text: &[u8], row: usize) {
        self.has_values = true;
        self.first_non_number.get_or_insert_with(|| Example { row: row as u64, text: excerpt(text).into() });
    }

    /// Adds the value of a row. Empty values say nothing about the type.
    pub(crate) fn add_value(&mut self, text: &[u8], row: usize) {
        self.add_value_of(text, text, row);
    }

    /// Adds the value of a row whose field is `written`, which is not in the notation of SQL.
    pub(crate) fn add_value_of(&mut self, written: &[u8], text: &[u8], row: usize) {
        if text.is_empty() {
            return;
        }
        let example = || Example { row: row as u64, text: excerpt(written).into() };
        let is_integer = integer(text).is_some();
        let spelling = match is_integer && text.len() <= MAX_REAL_DIGITS {
            true => Some(Spellings::WHOLE),
            false => real(text).map(|real| real.spelling),
        };
        if !is_integer {
            self.first_non_integer.get_or_insert_with(example);
        }
        match spelling {
            Some(spelling) => self.add_real(&spelling, example),
            None => {
                self.first_non_real.get_or_insert_with(example);
            }
        }
        if !is_integer && spelling.is_none() {
            match NotANumber::reason(text) {
                None => {
                    self.first_non_number.get_or_insert_with(example);
                }
                Some(reason) => {
                    self.first_noncanonical.get_or_insert_with(|| (example(), reason));
                }
            }
        }
        if !self.has_values {
            self.has_values = true;
            self.starts_with_number = self.first_non_number.is_none();
        }
    }

    /// Adds a REAL that is spelled like this.
    #[inline]
    fn add_real(&mut self, spelling: &Spellings, example: impl Fn() -> Example) {
        // Then it is not the first value of any kind, and its number of decimals is not new either.
        if self.spellings.includes(spelling) {
            return;
        }
        self.spellings.merge(spelling);
        let decimals = spelling.min_decimals;
        let with_decimals = || (example(), decimals);
        let (_, first_decimals) = *self.first_real.get_or_insert_with(with_decimals);
        if decimals != first_decimals {
            self.first_other_decimals.get_or_insert_with(with_decimals);
        }
        if spelling.has_whole {
            self.first_whole.get_or_insert_with(&example);
        }
        if spelling.has_point_zero {
            self.first_point_zero.get_or_insert_with(with_decimals);
        }
        if spelling.has_trailing_zero {
            self.first_trailing_zero.get_or_insert_with(with_decimals);
        }
        if spelling.has_exponent {
            self.first_exponent.get_or_insert_with(&example);
        }
    }

    /// Adds the statistics of later rows, the first of which has the number `rows_before`. Merging is associative.
    pub(crate) fn merge(&mut self, other: &Self, rows_before: u64) {
        let shifted =
            |example: &Example| Example { row: rows_before + example.row, text: example.text.clone() };
        let add = |first: &mut Option<Example>, later: &Option<Example>| {
            if first.is_none() {
                *first = later.as_ref().map(shifted);
            }
        };
        let add_real = |first: &mut Option<(Example, u32)>, later: Option<&(Example, u32)>| {
            if first.is_none() {
                *first = later.map(|(example, decimals)| (shifted(example), *decimals));
            }
        };
        if !self.has_values {
            self.starts_with_number = other.starts_with_number;
        }
        self.has_values |= other.has_values;
        self.spellings.merge(&other.spellings);
        add(&mut self.first_non_integer, &other.first_non_integer);
        add(&mut self.first_non_real, &other.first_non_real);
        add(&mut self.first_non_number, &other.first_non_number);
        add(&mut self.first_whole, &other.first_whole);
        add(&mut self.first_exponent, &other.first_exponent);
        add_real(&mut self.first_point_zero, other.first_point_zero.as_ref());
        add_real(&mut self.first_trailing_zero, other.first_trailing_zero.as_ref());
        add_real(&mut self.first_real, other.first_real.as_ref());
        let first_decimals = self.first_real.as_ref().map(|(_, decimals)| *decimals);
        let mut reals = other.first_real.iter().chain(&other.first_other_decimals);
        add_real(
            &mut self.first_other_decimals,
            reals.find(|(_, decimals)| Some(*decimals) != first_decimals),
        );
        if let (None, Some((example, reason))) = (&self.first_noncanonical, &other.first_noncanonical) {
            self.first_noncanonical = Some((shifted(example), *reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stats<'t>(texts: impl IntoIterator<Item = &'t str>) -> ColumnStats {
        let mut stats = ColumnStats::default();
        texts.into_iter().enumerate().for_each(|(row, text)| stats.add_value(text.as_bytes(), row));
        stats
    }

    #[test]
    fn a_reason_names_the_values_that_contradict_each_other() {
        let cases: [(&[&str], Option<&str>); 13] = [
            (&["3.9", "", "3.10"], Some("3.9@0 3.10@2 a trailing zero would be lost")),
            (&["3.10", "3.10", "3.1"], Some("3.10@0 3.1@2 a trailing zero would be lost")),
            (&["3.1", "2.0", "1.50"], Some("3.1@0 1.50@2 a trailing zero would be lost")),
            (&["0.5", "12", "1.0"], Some("12@1 1.0@2 a trailing zero would be lost")),
            (&["1e-05", "1.50"], Some("1e-05@0 1.50@1 a trailing zero and an exponent")),
            (&["1.50e+00", "1.5"], Some("1.50e+00@0 a trailing zero and an exponent")),
            (&["1", "007", "x"], Some("007@1 a leading zero")),
            (&["1", "x", "007"], Some("x@1 a value that is not a number")),
            (
                &["9007199254740993", "1.5"],
                Some(
                    "9007199254740993@0 1.5@1 a fraction, and an integer with more digits than a REAL can hold",
                ),
            ),
            (&["1.5", "1e400"], Some("1e400@1 an exponent without a sign")),
            (&["x", "1"], None),
            (&["1.5", "2.0"], None),
            (&["", ""], None),
        ];
        for (texts, expected) in cases {
            let reason = stats(texts.iter().copied()).text_reason().map(|TextReason { reason, examples }| {
                let examples = examples.iter().map(|Example { row, text }| format!("{text}@{row} "));
                examples.collect::<String>() + &reason
            });
            assert_eq!(reason.as_deref(), expected, "{texts:?}");
        }
    }

    proptest! {
        #[test]
        fn statistics_merge_associatively(
            texts in proptest::collection::vec("|[0-2](\\.[05]{1,2})?|00|x|1e-5|9007199254740993", 0..8),
            mut cuts in (0..8_usize, 0..8_usize),
        ) {
            cuts = (cuts.0.min(texts.len()), cuts.1.min(texts.len()));
            let (a, b) = (cuts.0.min(cuts.1), cuts.0.max(cuts.1));
            let part = |range: std::ops::Range<usize>| stats(texts[range].iter().map(String::as_str));
            let mut from_left = part(0..a);
            from_left.merge(&part(a..b), a as u64);
            from_left.merge(&part(b..texts.len()), b as u64);
            let mut right = part(a..b);
            right.merge(&part(b..texts.len()), (b - a) as u64);
            let mut from_right = part(0..a);
            from_right.merge(&right, a as u64);
            prop_assert_eq!(&from_left, &from_right);
            prop_assert_eq!(&from_left, &part(0..texts.len()));
        }
    }
}
