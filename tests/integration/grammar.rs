//! The parser and the splitter on every small input and on random larger ones, compared with the csv crate, and with the
//! naive parser where the csv crate lacks the dialect.

use crate::naive;
use bytes::Bytes;
use proptest::prelude::*;
use sqload::Kind;
use sqload::batch::Arena;
use sqload::batch::Chunk;
use sqload::format::csv::parse::{RecordParser, trim, unquote};
use sqload::format::csv::split::Split;
use sqload::input::Incoming;
use sqload::plan::{CommentPrefix, Delimiter, Dialect, Escapes};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

type Fields = Vec<Vec<u8>>;

const ALPHABET: &[u8; 5] = b"\",\n\ra";
const LONGEST: usize = 8;
const ANY_SIZE: usize = 1 << 20;

fn sqload_records(bytes: &[u8], dialect: Dialect) -> Vec<Fields> {
    let arena = Arena::default();
    let mut records = RecordParser::new(bytes, dialect);
    let mut all = Vec::new();
    let mut fields = Vec::new();
    while records.next_into(&mut fields).is_some() {
        if dialect.trims() {
            trim(bytes, dialect, &mut fields);
        }
        let values = fields.drain(..).map(|field| unquote(field.slice(bytes), dialect, &arena).to_vec());
        all.push(values.collect());
    }
    all
}

fn csv_crate_records(bytes: &[u8], dialect: Dialect) -> Vec<Fields> {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).buffer_capacity(64);
    let mut reader = builder
        .escape(dialect.escape)
        .comment(dialect.comment.map(|comment| comment.as_bytes()[0]))
        .from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut all = Vec::new();
    while reader.read_byte_record(&mut record).expect("reading memory cannot fail") {
        all.push(record.iter().map(<[u8]>::to_vec).collect());
    }
    all
}

fn split(bytes: &[u8], dialect: Dialect, chunk_bytes: usize) -> Split<'_> {
    Split::new("test".into(), bytes, 0, dialect, chunk_bytes, ANY_SIZE)
}

/// The number of line ends in `bytes`; CRLF counts once.
fn lines(bytes: &[u8]) -> u64 {
    let pairs = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
    (bytes.iter().filter(|byte| b"\r\n".contains(byte)).count() - pairs) as u64
}

/// Asserts that the chunks of `bytes` are consecutive, have correct positions, and contain the records `whole`.
fn check_split(bytes: &[u8], dialect: Dialect, whole: &[Fields], chunk_bytes: usize) {
    check_trickle(bytes, dialect, chunk_bytes);
    let mut chunks = Vec::new();
    let mut error = None;
    for chunk in split(bytes, dialect, chunk_bytes) {
        assert!(error.is_none(), "nothing follows an error");
        match chunk {
            Ok(chunk) => chunks.push(chunk),
            Err(last) => error = Some(last),
        }
    }
    if let (_, Some(opening)) = naive::records(bytes, dialect) {
        let error = error.expect("an unclosed quote is an error");
        let records =
            chunks.iter().flat_map(|chunk| sqload_records(chunk.bytes, dialect)).collect::<Vec<_>>();
        assert_eq!(records, whole[..whole.len() - 1], "all records but the last come before the error");
        assert!(matches!(error.kind(), Kind::UnclosedQuote { .. }), "{error}");
        let position = error.position().expect("the error has no position");
        assert_eq!(position.offset, Some(opening as u64));
        assert_eq!(position.line, Some(lines(&bytes[..opening]) + 1));
        return;
    }
    assert!(error.is_none(), "{error:?}");
    let mut record = 0;
    let mut position = 0;
    for (number, chunk) in chunks.iter().enumerate() {
        assert_eq!((chunk.number, chunk.offset), (number as u64, position as u64));
        assert_eq!(chunk.bytes, &bytes[position..position + chunk.bytes.len()]);
        assert_eq!(chunk.first_record, record as u64);
        assert_eq!(chunk.first_line, lines(&bytes[..position]));
        let records = sqload_records(chunk.bytes, dialect);
        assert_eq!(records.len(), chunk.records);
        assert_eq!(records, whole[record..record + chunk.records]);
        assert!(number == 0 || chunk.records > 0, "only an input without records has a chunk without");
        let cut_is_late = |last: usize| chunk.bytes.len() < chunk_bytes + last + 64;
        assert!(number + 1 == chunks.len() || cut_is_late(longest_record(whole)), "cut at the first chance");
        record += chunk.records;
        position += chunk.bytes.len();
    }
    assert_eq!((position, record), (bytes.len(), whole.len()));
}

/// An input that receives one more byte each time it is read.
#[derive(Debug)]
struct Trickle<'b> {
    bytes: &'b [u8],
    arrived: AtomicUsize,
}

impl Incoming for Trickle<'_> {
    fn wait(&self, offset: usize, _: usize) -> sqload::Result<(Bytes, bool)> {
        let arrived = self.arrived.fetch_add(1, Ordering::Relaxed).clamp(offset, self.bytes.len());
        Ok((Bytes::copy_from_slice(&self.bytes[offset..arrived]), arrived == self.bytes.len()))
    }
}

/// Asserts that the chunks of `bytes` do not depend on when the bytes arrive.
fn check_trickle(bytes: &[u8], dialect: Dialect, chunk_bytes: usize) {
    let trickle = Trickle { bytes, arrived: AtomicUsize::new(0) };
    let mut whole = split(bytes, dialect, chunk_bytes);
    let incoming = split(&[], dialect, chunk_bytes).for_each_chunk(&trickle, |chunk, _| {
        assert_eq!(chunk, whole.next().expect("a chunk too many").unwrap());
        ControlFlow::Continue(())
    });
    let expected = whole.next().map_or(Ok(()), |rest| Err(rest.unwrap_err()));
    assert_eq!(format!("{incoming:?}"), format!("{expected:?}"));
}

/// An upper bound for the size of the longest record, including quotes and line ends.
fn longest_record(records: &[Fields]) -> usize {
    let bytes = |record: &Fields| record.iter().map(|field| 2 * field.len() + 3).sum::<usize>();
    records.iter().map(bytes).max().unwrap_or(0) + 16
}

/// Calls `check` with every string of up to `longest` bytes of `alphabet`.
fn every_string(alphabet: &[u8], longest: usize, mut check: impl FnMut(&[u8])) {
    for length in 0..=longest {
        for mut number in 0..alphabet.len().pow(length as u32) {
            let mut bytes = [0; LONGEST];
            for byte in &mut bytes[..length] {
                *byte = alphabet[number % alphabet.len()];
                number /= alphabet.len();
            }
            check(&bytes[..length]);
        }
    }
}

#[test]
fn every_small_input_parses_like_the_csv_crate() {
    let mut count = 0;
    let dialect = Dialect::default();
    every_string(ALPHABET, LONGEST, |bytes| {
        assert_eq!(
            sqload_records(bytes, dialect),
            csv_crate_records(bytes, dialect),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
        count += 1;
    });
    assert_eq!(count, (5usize.pow(9) - 1) / 4);
}

#[test]
fn every_small_input_with_escapes_and_comments_parses_like_the_csv_crate() {
    let (escape, comment) = (Some(b'\\'), Some(b'#'.into()));
    for (alphabet, longest, escape, comment) in
        [("\",\n\ra\\", 7, escape, None), ("\",\n\ra#", 7, None, comment), ("\",\na\\#", 6, escape, comment)]
    {
        let dialect = Dialect { escape, comment, ..Dialect::default() };
        every_string(alphabet.as_bytes(), longest, |bytes| {
            let mut read = sqload_records(bytes, dialect);
            let (expected, open) = naive::records(bytes, dialect);
            assert_eq!(read, expected, "{:?}", String::from_utf8_lossy(bytes));
            // In the csv crate only LF ends a comment, and an unterminated comment is a record with an empty field. Otherwise it
            // treats LF and CR alike.
            let mut bytes = bytes.to_vec();
            if comment.is_some() {
                let values = read.iter_mut().flatten().flatten();
                values.chain(&mut bytes).filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
                bytes.extend(open.is_none().then_some(b'\n'));
            }
            assert_eq!(read, csv_crate_records(&bytes, dialect), "{:?}", String::from_utf8_lossy(&bytes));
        });
    }
}

/// Dialects that the csv crate does not support, each with an alphabet of its special characters.
fn other_dialects() -> Vec<(Dialect, &'static [u8])> {
    let usual = Dialect::default();
    let with =
        |delimiter: &str| Dialect { delimiter: Delimiter::new(delimiter.as_bytes()).unwrap(), ..usual };
    let (escape, comment) = (Some(b'\\'), Some(b'#'.into()));
    vec![
        (with("||"), b"\"|\n\ra"),
        (with("aab"), b"\"\nab"),
        (with("§"), b"\"\n\xc2\xa7a"),
        (with(", "), b"\", \na"),
        (Dialect { trim: true, ..usual }, b"\", \ta\n"),
        (Dialect { trim: true, ..with(" |") }, b"\"| a\n"),
        (Dialect { escape, comment, trim: true, ..with("||") }, b"\"|\\# \n"),
        (Dialect { escape, comment, quote: Some(b'\''), ..with("::") }, b"':\\#\ra"),
        (Dialect { comment: CommentPrefix::new(b"##"), ..usual }, b"\"#,\na"),
        (Dialect { comment: CommentPrefix::new(b"#a#"), escape, ..usual }, b"\"#\\\na"),
        (Dialect { delimiter: Delimiter::BLANKS, ..usual }, b"\" \t\na"),
        (Dialect { delimiter: Delimiter::BLANKS, comment, ..usual }, b"\" #\ra"),
        (Dialect { delimiter: Delimiter::BLANKS, escape, quote: None, ..usual }, b" \\\n\ra"),
        (Dialect { delimiter: Delimiter::BLANKS, escape, escapes: Escapes::MySql, ..usual }, b"\" \\\na"),
        (Dialect { escape, quote: None, ..usual }, b",\\\n\ra"),
        (Dialect { escape, quote: None, trim: true, ..usual }, b", \\\na"),
        (Dialect { escape, quote: None, comment, ..usual }, b",\\\n#\r"),
        (Dialect { escape, quote: None, ..with("||") }, b"|\\\n\ra"),
        (Dialect { escape, escapes: Escapes::MySql, ..usual }, b"\",\\\nn"),
        (Dialect { escape, escapes: Escapes::MySql, trim: true, ..usual }, b"\" \\,\r\n"),
        (Dialect { escape, escapes: Escapes::Postgres, quote: None, ..usual }, b",\\\nx1"),
        (Dialect { escape, escapes: Escapes::Postgres, ..with("|-|") }, b"\"|-\\\n7"),
    ]
}

#[test]
fn every_small_input_of_other_dialects_parses_like_the_naive_parser() {
    for (dialect, alphabet) in other_dialects() {
        let check = |bytes: &[u8]| {
            let (mut expected, open) = naive::records(bytes, dialect);
            let mut read = sqload_records(bytes, dialect);
            assert_eq!(read.len(), expected.len(), "{dialect:?} {}", bytes.escape_ascii());
            // A record that ends inside quotes is an error; its values are undefined.
            if open.is_some() {
                (_, _) = (read.pop(), expected.pop());
            }
            assert_eq!(read, expected, "{dialect:?} {}", bytes.escape_ascii());
        };
        every_string(alphabet, if alphabet.len() > 5 { 6 } else { 7 }, check);
        // The same inputs across a block boundary.
        for before in 60..64 {
            let mut input = b"\n".repeat(before);
            every_string(alphabet, 5, |bytes| {
                input.truncate(before);
                input.extend_from_slice(bytes);
                check(&input);
            });
        }
    }
}

#[test]
fn every_small_input_parses_the_same_across_a_block_boundary() {
    let prefixes = ["a", "\n", "\"a", "\"a\"\"", "a\"", "\"a\"a"];
    let dialect = Dialect::default();
    for (prefix, before) in prefixes.iter().flat_map(|prefix| (58..64).map(move |before| (prefix, before))) {
        let mut input = b"\n".repeat(before - prefix.len());
        input.extend_from_slice(prefix.as_bytes());
        every_string(ALPHABET, 5, |bytes| {
            input.truncate(before);
            input.extend_from_slice(bytes);
            assert_eq!(
                sqload_records(&input, dialect),
                csv_crate_records(&input, dialect),
                "{:?}",
                String::from_utf8_lossy(&input)
            );
        });
    }
}

#[test]
fn every_split_of_every_small_input_preserves_the_records() {
    let dialect = Dialect::default();
    every_string(ALPHABET, LONGEST, |bytes| {
        let whole = csv_crate_records(bytes, dialect);
        (1..=bytes.len()).for_each(|chunk_bytes| check_split(bytes, dialect, &whole, chunk_bytes));
    });
}

#[test]
fn every_split_of_every_small_input_of_other_dialects_preserves_the_records() {
    for (dialect, alphabet) in other_dialects() {
        every_string(alphabet, if alphabet.len() > 5 { 5 } else { 6 }, |bytes| {
            let (whole, _) = naive::records(bytes, dialect);
            (1..=bytes.len()).for_each(|chunk_bytes| check_split(bytes, dialect, &whole, chunk_bytes));
        });
    }
}

fn csv_like(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let common = prop_oneof![
        6 => prop::sample::select(&ALPHABET[..]).prop_map(|byte| vec![byte]),
        2 => "[a-zé\u{0}]{0,40}".prop_map(String::into_bytes),
        2 => "\"[a-z,\n\r]{0,40}\"[,\n]".prop_map(String::into_bytes),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(common, 0..longest).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn random_inputs_parse_like_the_csv_crate(bytes in csv_like(200)) {
        prop_assert_eq!(sqload_records(&bytes, Dialect::default()), csv_crate_records(&bytes, Dialect::default()));
    }

    #[test]
    fn random_splits_preserve_the_records(bytes in csv_like(200), chunk_bytes in 1..1000usize) {
        let dialect = Dialect::default();
        check_split(&bytes, dialect, &csv_crate_records(&bytes, dialect), chunk_bytes);
    }

    #[test]
    fn a_multi_byte_delimiter_parses_like_a_single_byte(bytes in csv_like(200), chunk_bytes in 1..1000usize) {
        let text = String::from_utf8_lossy(&bytes);
        let dialect = Dialect { delimiter: Delimiter::new("§|".as_bytes()).unwrap(), ..Dialect::default() };
        let longer = text.replace(',', "§|");
        let back = |value: &Vec<u8>| String::from_utf8_lossy(value).replace("§|", ",").into_bytes();
        let whole = sqload_records(longer.as_bytes(), dialect);
        let values: Vec<Fields> = whole.iter().map(|record| record.iter().map(back).collect()).collect();
        prop_assert_eq!(values, csv_crate_records(text.as_bytes(), Dialect::default()));
        check_split(longer.as_bytes(), dialect, &whole, chunk_bytes);
    }
}

#[test]
fn takes_a_header_after_blank_lines() {
    let mut split = split(b"\r\n\n\"a\nb\",c\r\n\r\n1,2\n3,4", Dialect::default(), ANY_SIZE);
    let header = split.take_header(1).unwrap().unwrap();
    assert_eq!(sqload_records(header.bytes, Dialect::default()), [[b"a\nb".to_vec(), b"c".to_vec()]]);
    let chunk = split.next().unwrap().unwrap();
    let expected = Chunk {
        input: 0,
        records_before_input: 0,
        number: 0,
        bytes: b"1,2\n3,4",
        offset: 14,
        first_record: 0,
        records: 2,
        first_line: 5,
        is_unclosed: false,
    };
    assert_eq!(chunk, expected);
    assert!(split.next().is_none());
}

#[test]
fn takes_a_header_of_several_records() {
    let bytes = b"a,b\n\n\"c\nd\",e\r\n1,2\n";
    let mut whole = split(bytes, Dialect::default(), ANY_SIZE);
    let header = whole.take_header(2).unwrap().unwrap();
    assert_eq!((header.records, header.bytes, header.offset), (2, &bytes[..14], 0));
    let chunk = whole.next().unwrap().unwrap();
    assert_eq!((chunk.number, chunk.first_record, chunk.first_line, chunk.records), (0, 0, 4, 1));
    assert!(split(bytes, Dialect::default(), 1).take_header(4).unwrap().is_none());
    assert!(split(bytes, Dialect::default(), 1).take_header(0).unwrap().is_none());
}

#[test]
fn an_input_without_records_has_no_header() {
    for bytes in ["", "\n", "\r\n\r\n"] {
        assert!(
            split(bytes.as_bytes(), Dialect::default(), 1).take_header(1).unwrap().is_none(),
            "{bytes:?}"
        );
    }
}

#[test]
fn the_search_for_a_record_end_is_bounded() {
    let too_large = [b"a,b\n".as_slice(), &[b'x'; 5_000], b"\n"].concat();
    let error =
        Split::new("in".into(), &too_large, 0, Dialect::default(), 1, 1_000).last().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "in: line 2 (record 2, byte 4): the record is larger than 1000 bytes");
    let swallowed = [b"a,b\nc,\"d\n".as_slice(), &b"e,f\n".repeat(2_000)].concat();
    let error =
        Split::new("in".into(), &swallowed, 0, Dialect::default(), 1, 1_000).last().unwrap().unwrap_err();
    let position = error.position().unwrap();
    assert_eq!((position.record, position.line, position.offset), (2, Some(2), Some(6)));
    assert!(matches!(error.kind(), Kind::UnclosedQuote { searched_bytes: 1_000..1_200, .. }), "{error:?}");
}

#[test]
fn the_search_for_a_record_end_is_bounded_with_comments_and_escapes() {
    let dialect = Dialect { escape: Some(b'\\'), comment: Some(b'#'.into()), ..Dialect::default() };
    let comment = [b"#\"".as_slice(), &b"x".repeat(5_000), b"\n"].concat();
    let swallowed = [b"a,b\nc,\"d\\\"\n".as_slice(), &b"#e,f\n".repeat(2_000)].concat();
    let bytes = [comment.as_slice(), &swallowed].concat();
    let mut split = Split::new("in".into(), &bytes, 0, dialect, 1, 1_000);
    let first = split.next().unwrap().unwrap();
    assert_eq!((first.records, first.bytes), (1, &bytes[..comment.len() + 4]));
    let error = split.next().unwrap().unwrap_err();
    let position = error.position().unwrap();
    assert_eq!(
        (position.record, position.line, position.offset),
        (2, Some(3), Some(comment.len() as u64 + 6))
    );
    assert!(matches!(error.kind(), Kind::UnclosedQuote { searched_bytes: 1_000..1_200, .. }), "{error:?}");
    let too_large = [comment.as_slice(), &b"x".repeat(5_000), b"\n"].concat();
    let error = Split::new("in".into(), &too_large, 0, dialect, 1, 1_000).last().unwrap().unwrap_err();
    assert!(
        matches!(error.kind(), Kind::RecordTooLarge { position, .. } if position.line == Some(2)),
        "{error:?}"
    );
}

#[test]
fn blank_lines_do_not_count_towards_the_record_size() {
    let bytes = [b"\n".repeat(5_000), b"a,b".to_vec(), b"\r\n".repeat(5_000), b"c\n".to_vec()].concat();
    let chunks: Vec<_> =
        Split::new("in".into(), &bytes, 0, Dialect::default(), 1, 100).map(Result::unwrap).collect();
    assert_eq!(chunks.iter().map(|chunk| chunk.records).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn the_quote_may_be_a_nul_byte() {
    let dialect = Dialect { quote: Some(0), ..Dialect::default() };
    for (bytes, is_whole) in [("a,\0b,c\0", true), ("a,b", true), ("a,\0b", false)] {
        let chunks = Split::new("in".into(), bytes.as_bytes(), 0, dialect, ANY_SIZE, ANY_SIZE);
        assert_eq!(chunks.map(|chunk| chunk.is_ok()).collect::<Vec<_>>(), [is_whole], "{bytes:?}");
    }
}

#[test]
fn a_header_may_be_followed_by_more_bytes() {
    let bytes = b"a,b\n\"c\n\",d\n1,2\n";
    for (rows, needed) in [(1, 5), (2, 12)] {
        let mut whole = split(bytes, Dialect::default(), 1);
        let header = whole.take_header(rows).unwrap();
        for there in 0..bytes.len() {
            let mut part = split(&[], Dialect::default(), 1).resume(&bytes[..there], false);
            assert_eq!(part.take_header(rows).unwrap(), header.filter(|_| there >= needed), "{there}");
        }
    }
}

#[test]
fn lines_are_skipped_when_they_are_complete() {
    let split = |bytes, is_all| split(&[], Dialect::default(), 1).resume(bytes, is_all).skip_lines(2);
    for (bytes, offset) in [("a\nb\nc", Some(4)), ("a\r\nb\r\nc", Some(6)), ("a\nb", None), ("a\nb\r", None)]
    {
        assert_eq!(split(bytes.as_bytes(), false).map(|split| split.offset()), offset, "{bytes:?}");
    }
    assert_eq!(split(b"a\nb\r", true).unwrap().offset(), 4);
}
