//! A naive parser: slow, and simple enough to be seen to be correct.

use sqload::plan::{Dialect, Escapes};

/// The values of a record.
type Record = Vec<Vec<u8>>;

/// The values of each record, and the offset of a quote that is never closed.
pub(crate) type Parsed = (Vec<Record>, Option<usize>);

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// True if a line end of `dialect` is at `position`, apart from escapes and quotes.
fn is_end_at(bytes: &[u8], position: usize, dialect: Dialect) -> bool {
    let is_data = dialect.escapes == Escapes::MySql
        && bytes[position] == b'\r'
        && bytes.get(position + 1) != Some(&b'\n');
    is_line_end(bytes[position]) && !is_data
}

/// The length of the delimiter at the start of `bytes`; 0 if there is none.
fn delimiter_len(bytes: &[u8], dialect: Dialect) -> usize {
    let delimiter = dialect.delimiter.as_bytes();
    if dialect.delimiter.is_blanks() {
        bytes.iter().take_while(|byte| is_blank(byte)).count()
    } else if bytes.starts_with(delimiter) {
        delimiter.len()
    } else {
        0
    }
}

/// Parses the records of `bytes`.
pub(crate) fn records(bytes: &[u8], dialect: Dialect) -> Parsed {
    let (records, open) = records_with_bytes(bytes, dialect);
    (records.into_iter().map(|(record, _)| record).collect(), open)
}

/// The same, without a last record that ends the data as PostgreSQL writes it. Others like it have no fields: they are wrong.
pub(crate) fn data_records(bytes: &[u8], dialect: Dialect) -> Parsed {
    let (mut records, open) = records_with_bytes(bytes, dialect);
    let has_end = dialect.escapes == Escapes::Postgres && dialect.escape == Some(b'\\');
    let ends = |bytes: &[u8]| has_end && !dialect.delimiter.is_blanks() && bytes == br"\.";
    records.pop_if(|(_, bytes)| ends(bytes));
    let fields = |(record, bytes)| if ends(bytes) { Vec::new() } else { record };
    (records.into_iter().map(fields).collect(), open)
}

/// The values and the bytes of each record, and the offset of a quote that is never closed.
fn records_with_bytes(bytes: &[u8], dialect: Dialect) -> (Vec<(Record, &[u8])>, Option<usize>) {
    let (mut records, mut open, mut position) = (Vec::new(), None, 0);
    let starts_comment =
        |bytes: &[u8]| dialect.comment.is_some_and(|prefix| bytes.starts_with(prefix.as_bytes()));
    while position < bytes.len() {
        if is_end_at(bytes, position, dialect) || dialect.delimiter.is_blanks() && is_blank(&bytes[position])
        {
            position += 1;
        } else if starts_comment(&bytes[position..]) {
            while position < bytes.len() && !is_end_at(bytes, position, dialect) {
                position += 1;
            }
        } else {
            let (mut record, start) = (Vec::new(), position);
            loop {
                let value;
                (value, open) = field(bytes, &mut position, dialect);
                record.push(value);
                let delimiter = delimiter_len(&bytes[position..], dialect);
                position += delimiter;
                // Blanks at the end of a record are not a delimiter.
                let at_end = || position == bytes.len() || is_end_at(bytes, position, dialect);
                if delimiter == 0 || dialect.delimiter.is_blanks() && at_end() {
                    break;
                }
            }
            records.push((record, &bytes[start..position]));
        }
    }
    (records, open)
}

/// Parses the field at `position` and moves `position` to its end. Returns the value, and the offset of its quote if that is
/// never closed.
fn field(bytes: &[u8], position: &mut usize, dialect: Dialect) -> (Vec<u8>, Option<usize>) {
    let ends = |position: usize| {
        position == bytes.len()
            || is_end_at(bytes, position, dialect)
            || delimiter_len(&bytes[position..], dialect) > 0
    };
    while dialect.trim && !ends(*position) && is_blank(&bytes[*position]) {
        *position += 1;
    }
    let mut value = Vec::new();
    if bytes.get(*position).copied() == dialect.quote && !ends(*position) {
        let opening = *position;
        *position += 1;
        loop {
            let Some(&byte) = bytes.get(*position) else { return (value, Some(opening)) };
            if Some(byte) == dialect.escape && *position + 1 == bytes.len() {
                *position += 1;
            } else if Some(byte) == dialect.escape {
                escaped(bytes, position, dialect, &mut value);
            } else if Some(byte) != dialect.quote {
                *position += 1;
                value.push(byte);
            } else if bytes.get(*position + 1) == Some(&byte) {
                *position += 2;
                value.push(byte);
            } else {
                *position += 1;
                break;
            }
        }
    }
    // Blanks up to here are inside quotes or escaped.
    let mut fixed = value.len();
    while !ends(*position) {
        if Some(bytes[*position]) == dialect.escape && dialect.escapes_everywhere() {
            let is_cr = bytes.get(*position + 1) == Some(&b'\r');
            escaped(bytes, position, dialect, &mut value);
            if is_cr && bytes.get(*position) == Some(&b'\n') {
                value.push(b'\n');
                *position += 1;
            }
            fixed = value.len();
        } else {
            value.push(bytes[*position]);
            *position += 1;
        }
    }
    while dialect.trim && value.len() > fixed && value.last().is_some_and(is_blank) {
        value.pop();
    }
    (value, None)
}

/// Appends what the escape at `position` stands for to `value`, and moves `position` behind it. An escape at the end of the
/// input stands for itself.
fn escaped(bytes: &[u8], position: &mut usize, dialect: Dialect, value: &mut Vec<u8>) {
    let escape = bytes[*position];
    let Some(&byte) = bytes.get(*position + 1) else {
        *position += 1;
        value.push(escape);
        return;
    };
    *position += 2;
    let digits = |position: usize, most: usize, radix: u32| {
        let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
        bytes[position..].iter().take(most).take_while(is_digit).count()
    };
    let control = match (dialect.escapes, byte) {
        (Escapes::MySql, b'0') => Some(0),
        (Escapes::MySql, b'Z') => Some(26),
        (Escapes::Postgres, b'v') => Some(11),
        (Escapes::Postgres, b'f') => Some(12),
        (Escapes::MySql | Escapes::Postgres, b'b') => Some(8),
        (Escapes::MySql | Escapes::Postgres, b't') => Some(9),
        (Escapes::MySql | Escapes::Postgres, b'n') => Some(10),
        (Escapes::MySql | Escapes::Postgres, b'r') => Some(13),
        (Escapes::Postgres, b'0'..=b'7') => {
            let start = *position - 1;
            let count = digits(start, 3, 8);
            *position = start + count;
            Some(number(&bytes[start..*position], 8))
        }
        (Escapes::Postgres, b'x') if digits(*position, 2, 16) > 0 => {
            let start = *position;
            *position += digits(start, 2, 16);
            Some(number(&bytes[start..*position], 16))
        }
        _ => None,
    };
    value.push(control.unwrap_or(byte));
}

/// The lowest byte of a number.
fn number(digits: &[u8], radix: u32) -> u8 {
    let digit = |byte: &u8| char::from(*byte).to_digit(radix).unwrap();
    digits.iter().fold(0, |number, byte| number * radix + digit(byte)) as u8
}
