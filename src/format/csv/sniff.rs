//! Delimiter detection.
//!
//! Each candidate delimiter is tried on a sample from the start of the input. Candidates on which at least nine in
//! ten records agree rank first, then candidates on which all records but one agree. Among these, the candidate that
//! gives the first record the most fields wins.

use crate::format::csv::parse::RecordParser;
use crate::plan::Dialect;

/// The candidates, likeliest first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Maximum size of the sample in bytes.
pub(crate) const SAMPLE_BYTES: usize = 64 << 10;

/// Returns `dialect` with the detected delimiter, or unchanged if no candidate gives more than one field per record.
///
/// `bytes` is the start of the input, or all of it if `is_whole`. The last of `header_rows` header records counts as
/// the first record; 0 means that there is no header.
pub(crate) fn detect_delimiter(
    bytes: &[u8],
    is_whole: bool,
    dialect: Dialect,
    header_rows: usize,
) -> Dialect {
    let is_whole = is_whole && bytes.len() <= SAMPLE_BYTES;
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    let comment = dialect.comment.map(|comment| comment.as_bytes()[0]);
    let others = [dialect.quote, dialect.escape, comment];
    let candidates = DELIMITERS.into_iter().filter(|delimiter| !others.contains(&Some(*delimiter)));
    let candidates = candidates.map(|delimiter| Dialect { delimiter: delimiter.into(), ..dialect });
    let measured = candidates.map(|dialect| (common_width(sample, dialect, is_whole, header_rows), dialect));
    // The first of equal candidates wins.
    let best = measured.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|((_, fields), _)| *fields > 1).map_or(dialect, |(_, best)| best)
}

/// Rates a delimiter; the greater, the better. The number is the number of fields in the first record, or 0 if the
/// records do not agree on it. The flag is true if the number is above 1 and at least nine in ten records have it.
fn common_width(sample: &[u8], dialect: Dialect, is_whole: bool, header_rows: usize) -> (bool, usize) {
    let mut records = RecordParser::new(sample, dialect);
    let mut widths = Vec::new();
    let mut fields = Vec::new();
    while records.next_into(&mut fields).is_some() {
        widths.push(fields.len());
        fields.clear();
    }
    if !is_whole && widths.len() > 1 {
        // The end of the sample may cut the last record.
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

    fn detected(csv: &str, dialect: Dialect) -> Vec<u8> {
        detect_delimiter(csv.as_bytes(), true, dialect, 1).delimiter.as_bytes().to_vec()
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
            ("a;b\n1;2\n3\n4\n", b','),
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
}
