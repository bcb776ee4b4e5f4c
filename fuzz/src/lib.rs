//! Helpers of the fuzz targets: parse bytes with sqload, and with an oracle. The oracle is the `csv` crate, or for
//! dialects that it does not support, the naive implementation of the tests.

#[path = "../../tests/integration/naive.rs"]
mod naive;

use csv::ByteRecord;
use sqload::batch::{Arena, Span};
use sqload::format::csv::parse::{RecordParser, parse_rectangular, trim, unquote};
use sqload::plan::{CommentPrefix, Delimiter, Dialect, Escapes};

/// Decodes the start of `data` as a dialect. Returns the dialect, the options byte, and the bytes that follow.
///
/// The low four bits of the first byte select one of 16 simple dialects. Bits 4, 6 and 7 are left to the target. If
/// bit 5 is 0, the next byte adds a longer delimiter, an escape, comments or trimming. `'0'` selects the default
/// dialect, so that a corpus can be read as text.
pub fn parse_dialect(data: &[u8]) -> Option<(Dialect, u8, &[u8])> {
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
    let delimiter = match (is_set(2), more & 3) {
        (false, _) => plain.delimiter,
        (true, 3) if !is_set(5) => Delimiter::BLANKS,
        (true, which) => {
            Delimiter::new([", ", "||", "§", "|-|"][usize::from(which)].as_bytes()).unwrap_or(plain.delimiter)
        }
    };
    let escapes =
        [Escapes::Quoted, Escapes::Quoted, Escapes::MySql, Escapes::Postgres][usize::from(more >> 6)];
    // With a comment prefix of several bytes if the escapes are those of a database.
    let comment = if escapes == Escapes::Quoted { "#" } else { "#!" };
    let dialect = Dialect {
        delimiter,
        escape: Some(b'\\').filter(|_| is_set(3)),
        escapes,
        comment: CommentPrefix::new(comment.as_bytes()).filter(|_| is_set(4)),
        trim: is_set(5),
        ..plain
    };
    Some((dialect, options, bytes))
}

/// Parses the records of `bytes` one by one with sqload.
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

/// Parses the records of `bytes` with [`parse_rectangular`], with the width of the first record.
pub fn rectangular_records(bytes: &[u8], dialect: Dialect) -> Option<Vec<ByteRecord>> {
    let mut fields = Vec::new();
    RecordParser::new(bytes, dialect).next_into(&mut fields);
    let width = fields.len();
    fields.clear();
    parse_rectangular(bytes, dialect, width, &mut fields)?;
    Some(fields.chunks_mut(width.max(1)).map(|fields| values(bytes, dialect, fields)).collect())
}

fn values(bytes: &[u8], dialect: Dialect, fields: &mut [Span]) -> ByteRecord {
    let arena = Arena::default();
    if dialect.trims() {
        trim(bytes, dialect, fields);
    }
    fields.iter().map(|field| unquote(field.slice(bytes), dialect, &arena)).collect()
}

/// True if sqload detects an input that starts with `bytes` as UTF-16 or as compressed.
pub fn is_encoded_or_compressed(bytes: &[u8]) -> bool {
    let magics: [&[u8]; 6] =
        [b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0"];
    magics.iter().any(|magic| bytes.starts_with(magic))
}

/// True if sqload may take the first line of `bytes` for a line such as `sep=;`.
pub fn names_delimiter(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let bytes = bytes.strip_prefix(b"\"").unwrap_or(bytes);
    bytes.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"sep="))
}

/// Parses the records of `bytes` with the `csv` crate. Uses the naive implementation for dialects with a longer
/// delimiter or blanks, with trimming (the `csv` crate does not trim before quotes), with escapes outside quotes, or with
/// comments (it ends them only at LF).
///
/// The `csv` crate strips a byte order mark, which to sqload's parser is part of the first field. So the function
/// adds one.
pub fn oracle(bytes: &[u8], dialect: Dialect) -> Vec<ByteRecord> {
    let is_plain = dialect.comment.is_none() && !dialect.trims() && !dialect.escapes_everywhere();
    let (&[delimiter], true, Escapes::Quoted) = (dialect.delimiter.as_bytes(), is_plain, dialect.escapes)
    else {
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
    reader.into_byte_records().map(|record| record.expect("reading from memory succeeds")).collect()
}

/// Returns the offset of the quote that is never closed, if there is one.
pub fn unclosed_quote(bytes: &[u8], dialect: Dialect) -> Option<usize> {
    naive::records(bytes, dialect).1
}

/// True if the last record ends the data as PostgreSQL writes it, so that it is not loaded.
pub fn has_end_of_data(bytes: &[u8], dialect: Dialect) -> bool {
    naive::data_records(bytes, dialect).0.len() < naive::records(bytes, dialect).0.len()
}

/// Counts line ends. LF, CRLF and CR each count once.
pub fn count_line_ends(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    text.matches(['\r', '\n']).count() as u64
}
