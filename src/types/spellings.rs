//! The formats of REAL columns: how the numbers of a column are printed so that every text is given back.
//!
//! `3.1` and `3.10` are the same number, so a column that contains both cannot be REAL. In a column of prices, however, every
//! value has two decimals, and `3.10` can be given back. [`Spellings`] summarises how the values of a column are spelled, and
//! [`Spellings::format`] derives the format. Summaries of parts of a column can be merged in any order.

use serde::{Serialize, Serializer};
use std::fmt;

/// How the values of a REAL column are printed so that every text is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RealFormat {
    /// As few digits as possible, without trailing zeros: `0.5`, `12`.
    Shortest,
    /// As few digits as possible, but at least one after the point: `0.5`, `12.0`. SQLite, Python and Java print such texts.
    Repr,
    /// This many digits after the point: `0.50`, `12.00`.
    Fixed(u32),
    /// Some values have an exponent: `1e-05`, `1.0E10`. Every digit is given back, but not the spelling of exponents.
    Scientific,
}

impl fmt::Display for RealFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shortest => f.write_str("shortest"),
            Self::Repr => f.write_str("repr"),
            Self::Fixed(decimals) => write!(f, "fixed({decimals})"),
            Self::Scientific => f.write_str("scientific"),
        }
    }
}

impl Serialize for RealFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How some texts spell numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spellings {
    /// The smallest number of decimals; `u32::MAX` if there are no texts.
    pub(crate) min_decimals: u32,
    /// The largest number of decimals.
    pub(crate) max_decimals: u32,
    /// Whether a text has neither a point nor an exponent, such as `12`.
    pub(crate) has_whole: bool,
    /// Whether a text ends in a point and a single zero, exponent aside.
    pub(crate) has_point_zero: bool,
    /// Whether the decimals of another text end in a zero.
    pub(crate) has_trailing_zero: bool,
    /// Whether a text has an exponent.
    pub(crate) has_exponent: bool,
}

impl Default for Spellings {
    fn default() -> Self {
        Self {
            min_decimals: u32::MAX,
            max_decimals: 0,
            has_whole: false,
            has_point_zero: false,
            has_trailing_zero: false,
            has_exponent: false,
        }
    }
}

impl Spellings {
    /// The spelling of an integer.
    pub(crate) const WHOLE: Self = Self {
        min_decimals: 0,
        max_decimals: 0,
        has_whole: true,
        has_point_zero: false,
        has_trailing_zero: false,
        has_exponent: false,
    };

    /// The spelling of a text with this many digits after the point. `ends_in_zero` tells whether the last digit before the
    /// exponent is a zero.
    #[inline]
    pub(crate) fn of_decimal(decimals: usize, ends_in_zero: bool, has_exponent: bool) -> Self {
        let decimals = u32::try_from(decimals).unwrap_or(u32::MAX - 1);
        Self {
            min_decimals: decimals,
            max_decimals: decimals,
            has_whole: decimals == 0 && !has_exponent,
            has_point_zero: decimals == 1 && ends_in_zero,
            has_trailing_zero: decimals > 1 && ends_in_zero,
            has_exponent,
        }
    }

    /// True if all texts are whole numbers.
    pub(crate) fn is_whole(&self) -> bool {
        Self::WHOLE.includes(self)
    }

    /// True if there are no texts.
    pub(crate) fn is_empty(&self) -> bool {
        self.min_decimals == u32::MAX
    }

    /// True if the texts of `other` add nothing: merging them changes nothing.
    #[inline]
    pub(crate) fn includes(&self, other: &Self) -> bool {
        self.min_decimals <= other.min_decimals
            && self.max_decimals >= other.max_decimals
            && self.has_whole >= other.has_whole
            && self.has_point_zero >= other.has_point_zero
            && self.has_trailing_zero >= other.has_trailing_zero
            && self.has_exponent >= other.has_exponent
    }

    /// Adds the texts of `other`.
    #[inline]
    pub(crate) fn merge(&mut self, other: &Self) {
        self.min_decimals = self.min_decimals.min(other.min_decimals);
        self.max_decimals = self.max_decimals.max(other.max_decimals);
        self.has_whole |= other.has_whole;
        self.has_point_zero |= other.has_point_zero;
        self.has_trailing_zero |= other.has_trailing_zero;
        self.has_exponent |= other.has_exponent;
    }

    /// Simplest format that gives back all texts; `None` if no format does.
    pub(crate) fn format(&self) -> Option<RealFormat> {
        match self {
            Self { has_exponent: true, has_trailing_zero, .. } => {
                (!has_trailing_zero).then_some(RealFormat::Scientific)
            }
            Self { has_point_zero: false, has_trailing_zero: false, .. } => Some(RealFormat::Shortest),
            Self { has_whole: false, has_trailing_zero: false, .. } => Some(RealFormat::Repr),
            _ => (self.min_decimals == self.max_decimals).then_some(RealFormat::Fixed(self.min_decimals)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::numbers::real;
    use proptest::prelude::*;

    fn spellings<'t>(texts: impl IntoIterator<Item = &'t str>) -> Spellings {
        let mut spellings = Spellings::default();
        texts.into_iter().for_each(|text| spellings.merge(&real(text.as_bytes()).unwrap().spelling));
        spellings
    }

    /// Prints a number in a format, other than `scientific`.
    fn print(value: f64, format: RealFormat) -> String {
        let shortest = value.to_string();
        let decimals = shortest.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let with_zeros = |to: usize| {
            let point = if decimals == 0 { "." } else { "" };
            format!("{shortest}{point}{}", "0".repeat(to - decimals))
        };
        match format {
            RealFormat::Repr if decimals == 0 => with_zeros(1),
            RealFormat::Fixed(n) => with_zeros(n as usize),
            _ => shortest,
        }
    }

    #[test]
    fn columns_have_formats() {
        use RealFormat::{Fixed, Repr, Scientific, Shortest};
        let cases: [(&[&str], Option<RealFormat>); 18] = [
            (&["1.5", "12", "0.25"], Some(Shortest)),
            (&["1.5", "2.5"], Some(Shortest)),
            (&["1.5", "12.0"], Some(Repr)),
            (&["1.0"], Some(Repr)),
            (&["1.50", "12.00", "0.25"], Some(Fixed(2))),
            (&["0.250"], Some(Fixed(3))),
            (&["1e-05", "12", "1.0", "0.25"], Some(Scientific)),
            (&["1.0E10", "1.5"], Some(Scientific)),
            (&["3.1", "3.10"], None),
            (&["3.10", "3.1"], None),
            (&["12", "1.0"], None),
            (&["12", "1.50"], None),
            (&["12", "1.0", "1.50"], None),
            (&["1.10", "1.100"], None),
            (&["1.50", "1e-05"], None),
            (&["1.50e+00"], None),
            (&["1.5", "1.0", "2.00"], None),
            (&["10", "20", "0.5"], Some(Shortest)),
        ];
        for (texts, expected) in cases {
            assert_eq!(spellings(texts.iter().copied()).format(), expected, "{texts:?}");
        }
    }

    proptest! {
        #[test]
        fn a_format_gives_back_every_text(
            texts in proptest::collection::vec("-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,2})?([eE]-[0-9])?", 1..5),
            kind in 0..4,
        ) {
            // Half of the columns are alike enough to have a format.
            let text = |text: String| match kind {
                0 => format!("{}.00", text.split(['.', 'e', 'E']).next().unwrap()),
                1 => text.split(['e', 'E']).next().unwrap().to_owned(),
                _ => text,
            };
            let texts: Vec<_> = texts.into_iter().map(text).filter(|text| real(text.as_bytes()).is_some()).collect();
            let spellings = spellings(texts.iter().map(String::as_str));
            let value = |text: &String| real(text.as_bytes()).unwrap().value;
            let digits = |text: &str| text.split(['e', 'E']).next().unwrap().replace(['-', '.'], "").trim_matches('0').to_owned();
            let gives_back = |format| texts.iter().all(|text| print(value(text), format) == *text);
            match spellings.format() {
                Some(RealFormat::Scientific) => {
                    let is_kept = |text: &String| digits(&format!("{:e}", value(text))) == digits(text);
                    prop_assert!(texts.iter().all(is_kept), "{:?}", texts);
                }
                Some(format) => prop_assert!(gives_back(format), "{:?} {}", texts, format),
                None => {
                    prop_assert!(!gives_back(RealFormat::Shortest) && !gives_back(RealFormat::Repr), "{:?}", texts);
                }
            }
        }

        #[test]
        fn spellings_merge_in_any_order(texts in proptest::collection::vec("[1-9](\\.[0-9]{1,3})?", 0..6), at in 0..6_usize) {
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            let at = at.min(texts.len());
            let (mut first, mut second) = (spellings(texts[..at].iter().copied()), spellings(texts[at..].iter().copied()));
            let (before, after) = (first, second);
            first.merge(&after);
            second.merge(&before);
            prop_assert_eq!(first, second);
            prop_assert_eq!(first, spellings(texts));
        }
    }
}
