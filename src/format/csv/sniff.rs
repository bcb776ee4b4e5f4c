//! Delimiter detection.
//!
//! Each candidate delimiter is tried on a sample from the start of the input. A candidate that does not occur in the
//! first record is out. Candidates on which at least nine in ten records agree rank first, then candidates on which
//! all records but one agree, then those that occur in any other record. Among the first two the candidate that gives
//! the first record the most fields wins, and a delimiter that is always followed by a blank, as a comma in a sentence
//! is, loses to another one; among the last, the one on which the most records agree wins.

use crate::format::csv::parse::RecordParser;
use crate::plan::{Delimiter, Dialect};

/// The candidates, likeliest first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Maximum size of the sample in bytes.
pub(crate) const SAMPLE_BYTES: usize = 64 << 10;

/// Bytes that a line which names the delimiter can have, with its line end.
pub(crate) const MAX_SEPARATOR_LINE_BYTES: usize = 10;

/// The start of an input, or all of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    bytes: &'a [u8],
    /// True if the sample is the whole input.
    is_whole: bool,
    /// The number of records in the header.
    header_rows: usize,
}

/// A record of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordShape {
    /// The number of fields.
    pub(super) fields: usize,
    /// Bytes of the sample before the record.
    pub(super) start: usize,
    /// The number of fields up to the last one that is not empty.
    pub(super) filled: usize,
    /// True if every field but the first starts with a blank.
    pub(super) is_prose: bool,
}

/// How well a delimiter fits; the greater, the better.
type Rating = (Fit, usize, bool);

/// A delimiter that separates the records.
struct Rated {
    rating: Rating,
    /// True if it gives all records, of which there are several, the same number of fields, and not as in a sentence.
    is_exact: bool,
    dialect: Dialect,
}

/// The candidate that fits best; the first of equal ones.
fn best(rated: &[Rated]) -> Option<&Rated> {
    rated.iter().reduce(|best, next| if next.rating > best.rating { next } else { best })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The delimiter occurs in the first and in another record.
    Ragged,
    /// All records but one have as many fields as the first.
    AllButOne,
    /// At least nine in ten records have as many fields as the first.
    Regular,
}

impl<'a> Sample<'a> {
    /// `bytes` is the start of the input, or all of it if `is_whole`. The last of `header_rows` header records counts as
    /// the first record; 0 means that there is no header.
    pub(crate) fn new(bytes: &'a [u8], is_whole: bool, header_rows: usize) -> Self {
        let is_whole = is_whole && bytes.len() <= SAMPLE_BYTES;
        Self { bytes: &bytes[..bytes.len().min(SAMPLE_BYTES)], is_whole, header_rows }
    }

    /// The bytes of the sample.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Returns `dialect` with the detected delimiter, and another delimiter if both give every record the same number of fields;
    /// `None` if no candidate gives more than one field per record.
    pub(crate) fn detect_delimiter(self, dialect: Dialect) -> Option<(Dialect, Option<Delimiter>)> {
        let rated = self.rated(dialect);
        let best = best(&rated)?;
        let mut others = rated.iter().filter(|other| best.is_exact && other.is_exact);
        let other = others.find(|other| other.dialect != best.dialect);
        Some((best.dialect, other.map(|other| other.dialect.delimiter)))
    }

    /// Returns the delimiter on which nearly all records agree, and the number of fields that it gives the first.
    pub(crate) fn fitting_delimiter(self, dialect: Dialect) -> Option<(Delimiter, usize)> {
        let rated = self.rated(dialect);
        let Rated { rating: (fit, fields, _), dialect, .. } = best(&rated)?;
        (*fit > Fit::Ragged).then_some((dialect.delimiter, *fields))
    }

    /// True if the first record has a character that may be a delimiter, which a name of letters, digits and `_` does not have.
    pub(crate) fn may_have_other_delimiter(self, dialect: Dialect) -> bool {
        let shapes = self.shapes(dialect);
        let mut starts = self.counted_shapes(&shapes).iter().map(|shape| shape.start);
        let start = starts.next().unwrap_or(self.bytes.len());
        let record = self.bytes[start..starts.next().unwrap_or(self.bytes.len())].trim_ascii();
        let is_part_of_name = |byte: &u8| {
            !byte.is_ascii() || byte.is_ascii_alphanumeric() || *byte == b'_' || Some(*byte) == dialect.quote
        };
        !record.iter().all(is_part_of_name)
    }

    /// The candidates that separate the records.
    fn rated(self, dialect: Dialect) -> Vec<Rated> {
        let rated = candidates(dialect).filter_map(|dialect| {
            let shapes = self.shapes(dialect);
            let shapes = self.counted_shapes(&shapes);
            let rating = rate(shapes)?;
            let is_alike = |shape: &RecordShape| shape.fields == shapes[0].fields;
            let is_exact = shapes.len() > 1 && shapes.iter().all(is_alike) && !are_prose(shapes);
            Some(Rated { rating, is_exact, dialect })
        });
        rated.collect()
    }

    /// The shapes of the records, without a record that the end of the sample may have cut.
    pub(super) fn shapes(self, dialect: Dialect) -> Vec<RecordShape> {
        let mut records = RecordParser::new(self.bytes, dialect);
        let (mut shapes, mut fields) = (Vec::new(), Vec::new());
        while let Some(range) = records.next_into(&mut fields) {
            shapes.push(RecordShape {
                fields: fields.len(),
                start: range.start,
                filled: fields.iter().rposition(|field| field.len() > 0).map_or(0, |last| last + 1),
                is_prose: fields[1..].iter().all(|field| field.slice(self.bytes).starts_with(b" ")),
            });
            fields.clear();
        }
        if !self.is_whole && shapes.len() > 1 {
            shapes.pop();
        }
        shapes
    }

    /// The shapes from the last header record on.
    pub(super) fn counted_shapes(self, shapes: &[RecordShape]) -> &[RecordShape] {
        shapes.get(self.header_rows.saturating_sub(1)..).unwrap_or_default()
    }
}

/// `dialect` with each candidate delimiter.
pub(super) fn candidates(dialect: Dialect) -> impl Iterator<Item = Dialect> {
    let comment = dialect.comment.map(|comment| comment.as_bytes()[0]);
    let others = [dialect.quote, dialect.escape, comment];
    let candidates = DELIMITERS.into_iter().filter(move |delimiter| !others.contains(&Some(*delimiter)));
    candidates.map(move |delimiter| Dialect { delimiter: delimiter.into(), ..dialect })
}

/// True if every delimiter is followed by a blank, as in a sentence.
pub(super) fn are_prose(shapes: &[RecordShape]) -> bool {
    shapes.iter().all(|shape| shape.is_prose)
}

/// Rates a delimiter by the records that it gives; `None` if it does not separate them.
fn rate(shapes: &[RecordShape]) -> Option<Rating> {
    let first = shapes.first().filter(|shape| shape.fields > 1)?.fields;
    let others = shapes.iter().filter(|shape| shape.fields != first).count();
    if 10 * others <= shapes.len() {
        Some((Fit::Regular, first, !are_prose(shapes)))
    } else if others == 1 && shapes.len() > 2 {
        Some((Fit::AllButOne, first, !are_prose(shapes)))
    } else {
        let is_repeated = shapes[1..].iter().any(|shape| shape.fields > 1);
        is_repeated.then_some((Fit::Ragged, shapes.len() - others, !are_prose(shapes)))
    }
}

/// The delimiter that the first line of an input names, as in `sep=;`. Excel writes and reads such a line.
pub(crate) fn separator_line(bytes: &[u8]) -> Option<Delimiter> {
    let bytes = &bytes[..bytes.len().min(MAX_SEPARATOR_LINE_BYTES)];
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, delimiter) = line.split_at_checked(b"sep=".len())?;
    match delimiter {
        _ if !name.eq_ignore_ascii_case(b"sep=") => None,
        [b'"'] => None,
        [byte] => Some((*byte).into()),
        b"\\t" => Some(b'\t'.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(csv: &str, dialect: Dialect) -> Vec<u8> {
        let detected = Sample::new(csv.as_bytes(), true, 1).detect_delimiter(dialect);
        detected.map_or(dialect, |(dialect, _)| dialect).delimiter.as_bytes().to_vec()
    }

    #[test]
    fn detection_honors_quote_escape_comment_and_trim() {
        let usual = Dialect::default();
        let (escape, comment) = (Some(b'\\'), Some(b'#'.into()));
        let cases = [
            ("# a,b,c\na;b\n#\n1;2\n", Dialect { comment, ..usual }, b';'),
            ("a;b\n\"\\\",,;\";1\n", Dialect { escape, ..usual }, b';'),
            ("a;b\n1; \"2;3\" \n5 ;6\n", Dialect { trim: true, ..usual }, b';'),
            ("|a|;|b|\n|1;|;2\n", Dialect { quote: Some(b'|'), ..usual }, b';'),
        ];
        for (csv, dialect, expected) in cases {
            assert_eq!(detected(csv, dialect), [expected], "{csv:?}");
        }
    }

    #[test]
    fn records_agree_on_the_delimiter() {
        let cases = [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2\n3,7;4\n", b';'),
            ("a\tb\tc\n1,5\t2\t3\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("a,b;c,d\n1,2;3,4\n", b','),
            ("a;b,c;d\n1;2,3;4\n", b';'),
            ("\"a,b\";c\n\"1,2\";3\n", b';'),
            // One column, or no agreement: unchanged.
            ("a\n1\n2\n", b','),
            ("a\nhello, world\nhello; world\n", b','),
            ("a;b\n3\n", b','),
            // A delimiter that occurs is better than a comma that does not, or only in values.
            ("a;b\n1;2\n3\n4\n", b';'),
            ("\"x\";\"y\"\n\"1\";\n\"4\";\"5\";\"6\"\n\"8\"\n", b';'),
            ("a\tb\tc\n1\t2\n3\t4\t5\t6\n7\n", b'\t'),
            ("a;b\n1,5;2;x\n3,7\n", b';'),
            // Commas in sentences.
            ("id;name, first\n1;Smith, John\n2;Doe, Jane\n", b';'),
            ("a, b\n1, 2\n", b','),
            // One bad record does not rule a candidate out, but one without bad records wins.
            ("a;b\n1;2\n3\n", b';'),
            ("a\tb\n1\t2\n3\n4\t5\n", b'\t'),
            ("a;b,c;d\n1;2,3;4\n1,2\n", b','),
            ("a;b\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n3\n", b';'),
            ("text\nx\n\n", b','),
            ("", b','),
            ("a,b", b','),
            ("a;b", b';'),
        ];
        for (csv, expected) in cases {
            assert_eq!(detected(csv, Dialect::default()), [expected], "{csv:?}");
        }
    }

    #[test]
    fn a_record_cut_by_the_sample_is_ignored() {
        let csv = "a;b;c\n".repeat(SAMPLE_BYTES);
        assert_eq!(detected(&csv, Dialect::default()), b";");
        let one = format!("a;\"{}\"", "x\n".repeat(SAMPLE_BYTES));
        assert_eq!(detected(&one, Dialect::default()), b";");
    }

    #[test]
    fn a_first_line_names_the_delimiter() {
        let cases = [
            ("sep=;\r\na;b\n", Some(b';')),
            ("SEP=,\n", Some(b',')),
            ("\"sep=|\"\n", Some(b'|')),
            ("sep=\t\na\tb", Some(b'\t')),
            ("sep=\\t\n", Some(b'\t')),
            ("sep=;", Some(b';')),
            ("sep=", None),
            ("sep=\n;", None),
            ("sep=;;\n", None),
            ("sep=\"\n", None),
            ("separator=;\n", None),
            ("se", None),
            ("", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(separator_line(bytes.as_bytes()), expected.map(Delimiter::from), "{bytes:?}");
        }
    }
}
