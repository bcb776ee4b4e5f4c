//! Signs that the header of an input is not what it seems to be.
//!
//! A false alarm teaches users to ignore warnings, so numbers in a header are no sign where they may be names: the years
//! of a pivot table, or the numbers that some programs give to columns without names.

use super::lines::count_line_ends;
use super::parse::{RecordParser, trim, unquote};
use super::scan::is_blank;
use super::sniff::{RecordShape, Sample, are_prose, candidates};
use crate::batch::Arena;
use crate::error::Warning;
use crate::plan::Dialect;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number of records that a header is compared with.
const COMPARED_RECORDS: usize = 100;

/// A header to be checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderCheck<'a> {
    pub(crate) input: &'a Arc<str>,
    /// The start of the input, after skipped lines.
    pub(crate) sample: Sample<'a>,
    /// Lines of the input before the sample.
    pub(crate) lines_before: u64,
    pub(crate) dialect: Dialect,
    /// True if the delimiter was given, not detected.
    pub(crate) is_delimiter_given: bool,
    pub(crate) header_rows: usize,
    /// The number of columns.
    pub(crate) width: usize,
}

impl HeaderCheck<'_> {
    /// What looks wrong.
    pub(crate) fn warnings(self) -> Vec<Warning> {
        if self.dialect.comment.is_none() && self.sample.bytes().starts_with(b"##fileformat=VCF") {
            return vec![Warning::VariantCallFormat { input: self.input.clone() }];
        }
        let shape = self.other_delimiter().or_else(|| self.short_first_line());
        let data = if self.header_rows == 1 { self.data_in_header() } else { None };
        let is_header = shape.is_none() && data.is_none();
        let padded = || if is_header { self.padded_names() } else { None };
        let blanks = self.blank_before_quote().or_else(padded);
        shape.into_iter().chain(data).chain(blanks).collect()
    }

    fn other_delimiter(self) -> Option<Warning> {
        if !self.is_delimiter_given || self.width != 1 {
            return None;
        }
        let (fitting, fields) = self.sample.fitting_delimiter(self.dialect)?;
        let (input, delimiter) = (self.input.clone(), self.dialect.delimiter);
        Some(Warning::OtherDelimiter { input, delimiter, fitting, fields })
    }

    /// Whether the first line has fewer fields than most others.
    fn short_first_line(self) -> Option<Warning> {
        let Self { dialect, sample, .. } = self;
        if self.header_rows > 1 {
            return None;
        }
        let shapes = sample.shapes(dialect);
        if let Some(rest) = long_records(&shapes, self.width) {
            let input = self.input.clone();
            return Some(
                if rest.iter().all(|shape| shape.fields == self.width + 1 && shape.filled <= self.width) {
                    Warning::TrailingDelimiters { input, delimiter: dialect.delimiter }
                } else {
                    self.short_line_warning(dialect, self.width, rest)
                },
            );
        }
        if let Some(warning) = self.padded_title(&shapes) {
            return Some(warning);
        }
        // Sentences contain the candidates, too.
        const MIN_FIELDS: usize = 3;
        const MIN_RECORDS: usize = 3;
        let candidates = candidates(dialect).filter(|_| self.width == 1 && !self.is_delimiter_given);
        let rated = candidates.filter_map(|dialect| {
            let shapes = sample.shapes(dialect);
            let rest = long_records(&shapes, self.width)?;
            let is_table = rest[0].fields >= MIN_FIELDS || rest.len() > MIN_RECORDS;
            let warning = || self.short_line_warning(dialect, self.width, rest);
            (is_table && !are_prose(rest)).then(|| (rest.len() * rest[0].fields, warning()))
        });
        rated.max_by_key(|(fields, _)| *fields).map(|(_, warning)| warning)
    }

    /// Whether the first line has at most one value before fields that are empty: a spreadsheet saves the cells to the right of a
    /// title, too.
    fn padded_title(self, shapes: &[RecordShape]) -> Option<Warning> {
        const MIN_FIELDS: usize = 3;
        let title = shapes.first().filter(|first| first.filled <= 1 && self.header_rows == 1)?;
        let filled = |shape: &RecordShape| RecordShape { fields: shape.filled, ..*shape };
        let shapes: Vec<_> = shapes.iter().map(filled).collect();
        let rest = long_records(&shapes, MIN_FIELDS - 1)?;
        Some(self.short_line_warning(self.dialect, title.filled, rest))
    }

    fn short_line_warning(self, dialect: Dialect, fields: usize, rest: &[RecordShape]) -> Warning {
        Warning::ShortFirstLine {
            input: self.input.clone(),
            fields,
            common_fields: rest[0].fields,
            delimiter: dialect.delimiter,
            lines: self.lines_before + count_line_ends(&self.sample.bytes()[..rest[0].start]),
        }
    }

    /// Whether a blank before a quote makes the quote, and the delimiters after it, ordinary bytes.
    fn blank_before_quote(self) -> Option<Warning> {
        let (bytes, quote) = (self.sample.bytes(), self.dialect.quote.filter(|_| !self.dialect.trims())?);
        memchr::memchr(quote, bytes)?;
        let starts_with_blank = |field: &[u8]| field.first().copied().is_some_and(is_blank);
        let is_quoted = |field: &[u8]| field.iter().find(|byte| !is_blank(**byte)) == Some(&quote);
        let mut records = RecordParser::new(bytes, self.dialect);
        let mut fields = Vec::new();
        while records.next_into(&mut fields).is_some() {
            for field in fields.drain(..) {
                let text = field.slice(bytes);
                if starts_with_blank(text) && is_quoted(text) {
                    let line = self.lines_before + count_line_ends(&bytes[..field.start as usize]) + 1;
                    return Some(Warning::BlankBeforeQuote { input: self.input.clone(), line });
                }
            }
        }
        None
    }

    /// Whether names of columns have blanks around them, as cells of spreadsheets may have.
    fn padded_names(self) -> Option<Warning> {
        let bytes = self.sample.bytes();
        let mut records = RecordParser::new(bytes, self.dialect);
        let mut fields = Vec::new();
        (0..self.header_rows).try_for_each(|_| records.next_into(&mut fields).map(drop))?;
        let is_padded = |name: &&[u8]| {
            let ends = [name.first(), name.last()];
            ends.into_iter().flatten().any(|byte| is_blank(*byte)) && !name.iter().all(|byte| is_blank(*byte))
        };
        let mut padded = fields.iter().map(|field| field.slice(bytes)).filter(is_padded);
        let name = String::from_utf8_lossy(padded.next().filter(|_| !self.dialect.trims())?).into_owned();
        Some(Warning::PaddedNames { input: self.input.clone(), count: padded.count() + 1, name })
    }

    /// Whether the names in the header are values.
    fn data_in_header(self) -> Option<Warning> {
        let Self { dialect, sample, .. } = self;
        let arena = Arena::default();
        let mut records = RecordParser::new(sample.bytes(), dialect);
        let mut next = || {
            let mut fields = Vec::new();
            records.next_into(&mut fields)?;
            if dialect.trims() {
                trim(sample.bytes(), dialect, &mut fields);
            }
            let fields = fields.iter().map(|field| unquote(field.slice(sample.bytes()), dialect, &arena));
            Some(fields.map(|value| Class::of(value).map(|class| (class, value))).collect::<Vec<_>>())
        };
        let header = next()?;
        let records: Vec<_> = std::iter::from_fn(next).take(COMPARED_RECORDS).collect();
        let is_like_values = |column: usize, class: Class| {
            let mut values = records.iter().filter_map(|record| record.get(column));
            values.all(|value| value.is_some_and(|(other, _)| other == class || other == Class::Empty))
        };
        let classes = header.iter().enumerate();
        let classes =
            classes.filter_map(|(column, field)| field.map(|(class, value)| (column, class, value)));
        let classes = classes.filter(|(_, class, _)| *class != Class::Empty);
        let alike: Vec<_> = classes.filter(|(column, class, _)| is_like_values(*column, *class)).collect();
        let numbers: Vec<_> = alike.iter().filter(|(_, class, _)| *class == Class::Number).collect();
        let numbers: Vec<_> = numbers.iter().map(|(column, _, value)| (*column, number(value))).collect();
        let is_data = |class: Class| class == Class::Date || !may_be_names(&numbers);
        let (_, _, value) = alike.iter().find(|(_, class, _)| is_data(*class))?;
        let name = String::from_utf8_lossy(value).into_owned();
        Some(Warning::HeaderLooksLikeData { input: self.input.clone(), name })
    }
}

/// The records from the first on that has as many fields as most of them, if these are more than `width`.
fn long_records(shapes: &[RecordShape], width: usize) -> Option<&[RecordShape]> {
    const MIN_RECORDS: usize = 2;
    let rest = shapes.get(1..)?;
    let mut counts = BTreeMap::new();
    rest.iter().for_each(|shape| *counts.entry(shape.fields).or_insert(0) += 1);
    let (fields, count) = counts.into_iter().max_by_key(|(fields, count)| (*count, *fields))?;
    let first = rest.iter().position(|shape| shape.fields == fields)?;
    let rest = &rest[first..];
    (fields > width && count >= MIN_RECORDS && 10 * count >= 8 * rest.len()).then_some(rest)
}

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Empty,
    Number,
    /// A date, a time, or another text of digits in at least three groups.
    Date,
}

impl Class {
    /// The class of a text that does not look like a name.
    fn of(text: &[u8]) -> Option<Self> {
        let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
        let is_separator = |byte: &u8| matches!(byte, b'-' | b'/' | b'.' | b':' | b' ' | b'T' | b'Z');
        let separators = text.iter().filter(|byte| is_separator(byte)).count();
        if text.is_empty() {
            Some(Self::Empty)
        } else if number(text).is_some() {
            Some(Self::Number)
        } else if digits >= 5 && separators >= 2 && digits + separators == text.len() {
            Some(Self::Date)
        } else {
            None
        }
    }
}

/// The value of a text of digits, with at most a sign, a point and an exponent.
fn number(text: &[u8]) -> Option<f64> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let is_number = text.iter().all(is_part) && text.iter().any(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// True if these numbers in a header, each with its column, may be names: years, numbers in sequence, or at least three
/// neighbours that ascend, such as quantiles.
fn may_be_names(numbers: &[(usize, Option<f64>)]) -> bool {
    const YEARS: std::ops::Range<f64> = 1500.0..2500.0;
    let values: Vec<_> = numbers.iter().filter_map(|(_, value)| *value).collect();
    let are_years = values.iter().all(|value| YEARS.contains(value) && value.fract() == 0.0);
    let are_neighbours = numbers.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0);
    let is_ascending = values.is_sorted_by(|a, b| a < b);
    match values.as_slice() {
        [] => true,
        [_] => are_years && numbers[0].0 > 0,
        [a, b] => are_neighbours && (are_years || (a - b).abs() == 1.0),
        _ => are_neighbours && (are_years || is_ascending),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The warnings about an input with a header, whose delimiter is detected.
    fn warnings(csv: &str) -> Vec<Warning> {
        let sample = Sample::new(csv.as_bytes(), true, 1);
        let dialect =
            sample.detect_delimiter(Dialect::default()).map_or_else(Dialect::default, |(dialect, _)| dialect);
        let width = sample.shapes(dialect).first().map_or(0, |shape| shape.fields);
        let check = HeaderCheck {
            input: &"in".into(),
            sample,
            lines_before: 0,
            dialect,
            is_delimiter_given: false,
            header_rows: 1,
            width,
        };
        check.warnings()
    }

    #[test]
    fn a_header_of_values_is_noticed() {
        let cases = [
            ("1,Ann,3.5\n2,Bob,4.5\n3,Cy,5.5\n", "1"),
            ("Ann,7,5\nBob,6,6\n", "7"),
            ("Ann,30\nBob,41\n", "30"),
            ("5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n", "5.1"),
            ("2024-01-01,x\n2024-01-02,y\n", "2024-01-01"),
            ("10.0.0.1 GET\n", ""),
            ("3\n1\n4\n", "3"),
            ("\"1\",\"a\"\n\"2\",\"b\"\n", "1"),
            ("1,Ann\n,Bob\n3,Cy\n", "1"),
        ];
        for (csv, name) in cases {
            let expected = Warning::HeaderLooksLikeData { input: "in".into(), name: name.to_owned() };
            let expected = if name.is_empty() { Vec::new() } else { vec![expected] };
            assert_eq!(warnings(csv), expected, "{csv:?}");
        }
    }

    #[test]
    fn names_that_are_numbers_are_no_data() {
        let cases = [
            "Region,2019,2020\nNorth,1,2\nSouth,3,4\n",
            "Region,2021\nNorth,1\n",
            "Region,2020,2019,2018\nNorth,1,2,3\n",
            "0,1,2\n5,6,7\n8,9,10\n",
            ",0,1\n0,5,6\n1,8,9\n",
            "name,0.25,0.5,0.75\nx,1,2,3\n",
            "id,350.1,350.9,351.6\n1,0.1,0.2,0.3\n",
            "State,Lat,1/22/20,1/23/20\nx,33.5,0,1\n",
            "1st,2nd\n1,2\n",
            "id,value\n1,2\n",
            "1,2\nx,y\n",
            "a,b\n",
            "2024-01-01,x\nMonday,y\n",
        ];
        for csv in cases {
            assert_eq!(warnings(csv), [], "{csv:?}");
        }
    }

    #[test]
    fn a_title_before_the_header_is_noticed() {
        let short = |fields, common_fields, delimiter: u8, lines| {
            let (input, delimiter) = ("in".into(), delimiter.into());
            vec![Warning::ShortFirstLine { input, fields, common_fields, delimiter, lines }]
        };
        let account = "Account report\nFrom: 2024-01-01, to: 2024-02-01\n\nDate;Text;Amount\n01.01.2024;\"Rent; flat\";-500,00\n02.01.2024;Food;-20,10\n";
        assert_eq!(warnings(account), short(1, 3, b';', 3));
        assert_eq!(warnings("Report, 2024\na,b,c\n1,2,3\n4,5,6\n"), short(2, 3, b',', 1));
        assert_eq!(warnings("x,y\nr1,1,2\nr2,3,4\n"), short(2, 3, b',', 1));
        // As a spreadsheet saves it.
        assert_eq!(warnings("Sales 2024;;\n;;\nid;name;sum\n1;Ann;2,5\n2;Bob;3,5\n"), short(1, 3, b';', 2));
        assert_eq!(warnings(",,,\na,b,c,\n1,2,3,\n4,5,6,\n"), short(0, 3, b',', 1));
    }

    #[test]
    fn text_with_punctuation_has_no_title() {
        let cases = [
            "text\nHello, world\nFoo, bar, baz\n",
            "text\nHello; world\nFoo; bar\n",
            "a,b\n1,2\n3,4\n",
            "a,b\n1\n2\n",
            "a\n1\n2\n",
            "a,b,c\n1,2\n3,4\n",
            "id,,\n1,,\n2,,x\n",
            ",,c\n1,2,3\n4,5,6\n",
            "a,\n1,2\n3,4\n",
        ];
        for csv in cases {
            assert_eq!(warnings(csv), [], "{csv:?}");
        }
    }

    #[test]
    fn delimiters_at_the_end_of_records_are_noticed() {
        let expected = Warning::TrailingDelimiters { input: "in".into(), delimiter: b','.into() };
        assert_eq!(warnings("a,b\n1,2,\n3,4,\n"), [expected]);
    }
}
