//! The chunks of any bytes, each parsed on its own, contain the records of the whole input, with correct positions.
#![no_main]

use csv::ByteRecord;
use sqload::format::csv::parse::RecordParser;
use sqload::format::csv::split::Split;
use sqload::plan::Dialect;
use sqload::{Error, Kind};
use sqload_fuzz::{count_line_ends, oracle, parse_dialect, records, unclosed_quote};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((dialect, options, [chunk_bytes, bytes @ ..])) = parse_dialect(data) else { return };
    let chunk_bytes = usize::from(*chunk_bytes).max(1);
    let expected = oracle(bytes, dialect);
    let max_record_bytes = if options & 0x80 != 0 { 100 } else { 1 << 30 };
    let mut split = Split::new("input".into(), bytes, 0, dialect, chunk_bytes, max_record_bytes);
    let has_header = options & 0x40 != 0 && !expected.is_empty();
    let header = if has_header { split.take_header(1) } else { Ok(None) };
    let header = header.map_or_else(|error| vec![Err(error)], |rows| rows.into_iter().map(Ok).collect());
    let headers = usize::from(has_header);

    let (mut offset, mut found, mut error, mut is_short) = (0, Vec::new(), None, false);
    for (index, chunk) in header.into_iter().chain(split).enumerate() {
        assert!(error.is_none(), "no chunk follows an error");
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(failed) => {
                error = Some(failed);
                continue;
            }
        };
        assert!(!is_short, "only the last chunk is shorter than requested");
        assert_eq!(chunk.number, index.saturating_sub(headers) as u64);
        assert_eq!(chunk.offset, offset as u64);
        assert_eq!(chunk.first_record, found.len().saturating_sub(headers) as u64);
        assert_eq!(chunk.first_line, count_line_ends(&bytes[..offset]));
        assert_eq!(chunk.bytes, &bytes[offset..][..chunk.bytes.len()]);
        let in_chunk = records(chunk.bytes, dialect);
        assert_eq!(chunk.records, in_chunk.len());

        // The chunk ends with the record that reaches the requested size.
        let requested_bytes = if index < headers { 1 } else { chunk_bytes };
        is_short = chunk.bytes.len() < requested_bytes;
        let prefix = &chunk.bytes[..requested_bytes.min(chunk.bytes.len())];
        assert!(chunk.records <= records(prefix, dialect).len().max(1));
        offset += chunk.bytes.len();
        found.extend(in_chunk);
    }
    let longest = longest_record(bytes, dialect);
    match error {
        Some(_) if longest > max_record_bytes => assert!(expected.starts_with(&found)),
        Some(error) => {
            assert_eq!(found, expected[..expected.len() - 1], "the complete records come before the error");
            check_error(&error, bytes, dialect, &expected, headers);
        }
        None => {
            assert!(
                unclosed_quote(bytes, dialect).is_none() && longest < max_record_bytes.saturating_add(2 * 64)
            );
            assert_eq!((offset, found), (bytes.len(), expected));
        }
    }
});

/// Length of the longest record in bytes, without its line end.
fn longest_record(bytes: &[u8], dialect: Dialect) -> usize {
    let mut records = RecordParser::new(bytes, dialect);
    let ranges = std::iter::from_fn(|| records.next_into(&mut Vec::new()));
    ranges.map(|range| range.len()).max().unwrap_or_default()
}

/// Checks that the error points to the opening quote of the last field, which is not closed.
fn check_error(error: &Error, bytes: &[u8], dialect: Dialect, expected: &[ByteRecord], headers: usize) {
    let Kind::UnclosedQuote { position, searched_bytes, .. } = error.kind() else { panic!("{error}") };
    let offset = position.offset.expect("CSV has offsets") as usize;
    assert_eq!(unclosed_quote(bytes, dialect), Some(offset));
    let (before, field) = bytes.split_at(offset);
    assert_eq!(field.first().copied(), dialect.quote);
    assert_eq!(oracle(field, dialect).iter().map(ByteRecord::len).collect::<Vec<_>>(), [1]);
    assert_eq!(position.line, Some(count_line_ends(before) + 1));
    assert_eq!(position.record, (expected.len() - headers) as u64);
    let searched = &bytes[bytes.len() - *searched_bytes as usize..];
    assert_eq!(oracle(searched, dialect), expected[expected.len() - 1..]);
}
