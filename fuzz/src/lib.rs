//! What the fuzz targets share: the records of some bytes, once by sqload and once by its oracle, the `csv` crate.

use csv::ByteRecord;
use sqload::batch::{Arena, Span};
use sqload::parse::{Records, regular, unquote};
use sqload::plan::Dialect;

/// One of 16 dialects, by the low four bits of `options`. `'0'` is the usual one, so a corpus can be read.
pub fn dialect(options: u8) -> Dialect {
    let delimiter = [b',', b'\t', b';', 0][usize::from(options & 3)];
    let quote = [Some(b'"'), Some(b'\''), Some(0), None][usize::from(options >> 2 & 3)];
    Dialect { delimiter, quote: quote.filter(|quote| *quote != delimiter) }
}

/// The records of `bytes` as sqload reads them.
pub fn records(bytes: &[u8], dialect: Dialect) -> Vec<ByteRecord> {
    let arena = Arena::default();
    let mut records = Records::new(bytes, dialect);
    let mut fields = Vec::new();
    let mut list = Vec::new();
    while records.next_into(&mut fields).is_some() {
        list.push(fields.drain(..).map(|field| unquote(field.of(bytes), dialect, &arena)).collect());
    }
    list
}

/// Those of `bytes` if all are found to have as many fields as the first of them.
pub fn regular_records(bytes: &[u8], dialect: Dialect) -> Option<Vec<ByteRecord>> {
    let arena = Arena::default();
    let mut fields = Vec::new();
    Records::new(bytes, dialect).next_into(&mut fields);
    let width = fields.len();
    fields.clear();
    regular(bytes, dialect, width, &mut fields)?;
    let values =
        |fields: &[Span]| fields.iter().map(|field| unquote(field.of(bytes), dialect, &arena)).collect();
    Some(fields.chunks(width.max(1)).map(values).collect())
}

/// Whether an input that begins like this is taken for UTF-16 or for a compressed one.
pub fn is_no_text(bytes: &[u8]) -> bool {
    let magics: [&[u8]; 6] =
        [b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0"];
    magics.iter().any(|magic| bytes.starts_with(magic))
}

/// The records of `bytes` as the `csv` crate reads them.
///
/// It takes a byte order mark off, which to sqload's parser is part of the first field: it is given one more.
pub fn oracle(bytes: &[u8], dialect: Dialect) -> Vec<ByteRecord> {
    let bytes = ["\u{feff}".as_bytes(), bytes].concat();
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.delimiter)
        .quote(dialect.quote.unwrap_or_default())
        .quoting(dialect.quote.is_some())
        .from_reader(&bytes[..]);
    reader.into_byte_records().map(|record| record.expect("memory can be read")).collect()
}

/// Whether `bytes` end inside quotes: then what is appended is not a record of its own.
pub fn ends_inside_quotes(bytes: &[u8], dialect: Dialect) -> bool {
    oracle(&[bytes, b"\nend"].concat(), dialect).last() != Some(&ByteRecord::from(vec!["end"]))
}

/// Line ends in `bytes`: LF, CRLF and CR are one each.
pub fn line_ends(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    text.matches(['\r', '\n']).count() as u64
}
