//! What the fuzz targets share: the records of some bytes, once by sqload and once by its oracle, the `csv` crate, or where
//! that knows less the plain form of the grammar.

#[path = "../../tests/naive/mod.rs"]
mod naive;

use csv::ByteRecord;
use sqload::batch::{Arena, Span};
use sqload::format::csv::parse::{RecordParser, parse_rectangular, trim, unquote};
use sqload::plan::{Delimiter, Dialect};

/// The dialect that `data` begins with, the options beside it, and the bytes behind it.
///
/// One of 16 by the low four bits of the first byte. If its bit 5 is 0, the next byte makes it one of those that have more to
/// them. `'0'` is the usual one, so a corpus can be read.
pub fn dialect(data: &[u8]) -> Option<(Dialect, u8, &[u8])> {
    let (&options, bytes) = data.split_first()?;
    let delimiter = [b',', b'\t', b';', 0][usize::from(options & 3)];
    let quote = [Some(b'"'), Some(b'\''), Some(0), None][usize::from(options >> 2 & 3)];
    let quote = quote.filter(|quote| *quote != delimiter);
    let plain = Dialect { delimiter: delimiter.into(), quote, ..Dialect::default() };
    if options & 0x20 != 0 {
        return Some((plain, options, bytes));
    }
    let (&more, bytes) = bytes.split_first()?;
    let is_set = |bit: u8| more >> bit & 1 != 0;
    let longer = [", ", "||", "§", "aab"][usize::from(more & 3)];
    let dialect = Dialect {
        delimiter: Delimiter::new(longer.as_bytes()).filter(|_| is_set(2)).unwrap_or(plain.delimiter),
        escape: Some(b'\\').filter(|_| is_set(3) && quote.is_some()),
        comment: Some(b'#').filter(|_| is_set(4)),
        trim: is_set(5),
        ..plain
    };
    Some((dialect, options, bytes))
}

/// The records of `bytes` as sqload reads them.
pub fn records(bytes: &[u8], dialect: Dialect) -> Vec<ByteRecord> {
    let mut records = RecordParser::new(bytes, dialect);
    let mut fields = Vec::new();
    let mut list = Vec::new();
    while records.next_into(&mut fields).is_some() {
        list.push(values(bytes, dialect, &mut fields));
        fields.clear();
    }
    list
}

/// Those of `bytes` if all are found to have as many fields as the first of them.
pub fn regular_records(bytes: &[u8], dialect: Dialect) -> Option<Vec<ByteRecord>> {
    let mut fields = Vec::new();
    RecordParser::new(bytes, dialect).next_into(&mut fields);
    let width = fields.len();
    fields.clear();
    parse_rectangular(bytes, dialect, width, &mut fields)?;
    Some(fields.chunks_mut(width.max(1)).map(|fields| values(bytes, dialect, fields)).collect())
}

fn values(bytes: &[u8], dialect: Dialect, fields: &mut [Span]) -> ByteRecord {
    let arena = Arena::default();
    if dialect.trim {
        trim(bytes, fields);
    }
    fields.iter().map(|field| unquote(field.slice(bytes), dialect, &arena)).collect()
}

/// Whether an input that begins like this is taken for UTF-16 or for a compressed one.
pub fn is_no_text(bytes: &[u8]) -> bool {
    let magics: [&[u8]; 6] =
        [b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0"];
    magics.iter().any(|magic| bytes.starts_with(magic))
}

/// The records of `bytes` as the `csv` crate reads them, or the plain form of the grammar what that does not know: it has
/// delimiters of one byte, does not trim before quotes, and ends comments at nothing but LF.
///
/// It takes a byte order mark off, which to sqload's parser is part of the first field: it is given one more.
pub fn oracle(bytes: &[u8], dialect: Dialect) -> Vec<ByteRecord> {
    let (&[delimiter], None, false) = (dialect.delimiter.as_bytes(), dialect.comment, dialect.trim) else {
        return naive::records(bytes, dialect).0.into_iter().map(ByteRecord::from).collect();
    };
    let bytes = ["\u{feff}".as_bytes(), bytes].concat();
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .quote(dialect.quote.unwrap_or_default())
        .quoting(dialect.quote.is_some())
        .escape(dialect.escape)
        .from_reader(&bytes[..]);
    reader.into_byte_records().map(|record| record.expect("memory can be read")).collect()
}

/// Where the quote stands that is never closed, if there is one: then what is appended is not a record of its own.
pub fn open_quote(bytes: &[u8], dialect: Dialect) -> Option<usize> {
    naive::records(bytes, dialect).1
}

/// Line ends in `bytes`: LF, CRLF and CR are one each.
pub fn line_ends(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    text.matches(['\r', '\n']).count() as u64
}
