//! Which byte separates the fields of an input, where nobody says it.

use crate::format::csv::parse::RecordParser;
use crate::plan::Dialect;

/// What separates fields, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Bytes at the start of an input that are looked at.
pub(crate) const SAMPLE_BYTES: usize = 64 << 10;

/// The dialect of an input that begins with `bytes`, or that they are the whole of, and of which `header_rows` records are
/// the header: as `dialect` but for the delimiter, which is the one that cuts the first record into the most fields and
/// nearly all others into as many. If there is none, nothing is changed: the file is then of one column, or something
/// is wrong with its records.
pub(crate) fn detect_delimiter(
    bytes: &[u8],
    is_whole: bool,
    dialect: Dialect,
    header_rows: usize,
) -> Dialect {
    let is_whole = is_whole && bytes.len() <= SAMPLE_BYTES;
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    let others = [dialect.quote, dialect.escape, dialect.comment];
    let candidates = DELIMITERS.into_iter().filter(|delimiter| !others.contains(&Some(*delimiter)));
    let candidates = candidates.map(|delimiter| Dialect { delimiter: delimiter.into(), ..dialect });
    let measured = candidates.map(|dialect| (common_width(sample, dialect, is_whole, header_rows), dialect));
    // Of equals the first.
    let best = measured.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|((_, fields), _)| *fields > 1).map_or(dialect, |(_, best)| best)
}

/// The number of fields that the first record, or the last of the header, and all but one of those behind it have, and before
/// that whether nine in ten of them have it, which counts for more; 0 if neither is so.
fn common_width(sample: &[u8], dialect: Dialect, is_whole: bool, header_rows: usize) -> (bool, usize) {
    let mut records = RecordParser::new(sample, dialect);
    let mut widths = Vec::new();
    let mut fields = Vec::new();
    while records.next_into(&mut fields).is_some() {
        widths.push(fields.len());
        fields.clear();
    }
    if !is_whole && widths.len() > 1 {
        // The last one may be cut.
        widths.pop();
    }
    let widths = widths.get(header_rows.saturating_sub(1)..).unwrap_or_default();
    let Some(first) = widths.first() else { return (false, 0) };
    let others = widths.iter().filter(|width| *width != first).count();
    match 10 * others <= widths.len() {
        true => (*first > 1, *first),
        false if others == 1 && widths.len() > 2 => (false, *first),
        false => (false, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(csv: &str, dialect: Dialect) -> Vec<u8> {
        detect_delimiter(csv.as_bytes(), true, dialect, 1).delimiter.as_bytes().to_vec()
    }

    #[test]
    fn all_else_of_the_dialect_counts() {
        let usual = Dialect::default();
        let (escape, comment) = (Some(b'\\'), Some(b'#'));
        let cases = [
            ("# a,b,c\na;b\n#\n1;2\n", Dialect { comment, ..usual }, b';'),
            ("a;b\n\"\\\",,;\";1\n", Dialect { escape, ..usual }, b';'),
            ("a;b\n1; \"2;3\" \n5 ;6\n", Dialect { trim: true, ..usual }, b';'),
            ("|a|;|b|\n|1;|;2\n", Dialect { quote: Some(b'|'), ..usual }, b';'),
        ];
        for (csv, dialect, expected) in cases {
            assert_eq!(found(csv, dialect), [expected], "{csv:?}");
        }
    }

    #[test]
    fn the_delimiter_is_what_all_records_agree_on() {
        let cases = [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2\n3,7;4\n", b';'),
            ("a\tb\tc\n1,5\t2\t3\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("a,b;c,d\n1,2;3,4\n", b','),
            ("a;b,c;d\n1;2,3;4\n", b';'),
            ("\"a,b\";c\n\"1,2\";3\n", b';'),
            // One column, or no agreement: as it was.
            ("a\n1\n2\n", b','),
            ("a\nhello, world\nhello; world\n", b','),
            ("a;b\n3\n", b','),
            ("a;b\n1;2\n3\n4\n", b','),
            // One bad record is no reason for another delimiter, unless that has none.
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
            assert_eq!(found(csv, Dialect::default()), [expected], "{csv:?}");
        }
    }

    #[test]
    fn a_record_that_the_sample_cuts_does_not_count() {
        let csv = "a;b;c\n".repeat(SAMPLE_BYTES);
        assert_eq!(found(&csv, Dialect::default()), b";");
        let one = format!("a;\"{}\"", "x\n".repeat(SAMPLE_BYTES));
        assert_eq!(found(&one, Dialect::default()), b";");
    }
}
