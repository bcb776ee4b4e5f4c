//! A naive parser: slow, and simple enough to be seen to be correct.

use sqload::plan::Dialect;

/// The values of each record, and the offset of a quote that is never closed.
pub(crate) type Parsed = (Vec<Vec<Vec<u8>>>, Option<usize>);

pub(crate) fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Parses the records of `bytes`.
pub(crate) fn records(bytes: &[u8], dialect: Dialect) -> Parsed {
    let (mut records, mut open, mut position) = (Vec::new(), None, 0);
    while position < bytes.len() {
        if is_line_end(bytes[position]) {
            position += 1;
        } else if Some(bytes[position]) == dialect.comment {
            position += bytes[position..].iter().take_while(|byte| !is_line_end(**byte)).count();
        } else {
            let mut record = Vec::new();
            loop {
                let value;
                (value, open) = field(bytes, &mut position, dialect);
                record.push(value);
                if !bytes[position..].starts_with(dialect.delimiter.as_bytes()) {
                    break;
                }
                position += dialect.delimiter.as_bytes().len();
            }
            records.push(record);
        }
    }
    (records, open)
}

/// Parses the field at `position` and moves `position` to its end. Returns the value, and the offset of its quote if that is
/// never closed.
fn field(bytes: &[u8], position: &mut usize, dialect: Dialect) -> (Vec<u8>, Option<usize>) {
    let ends = |position: usize| {
        position == bytes.len()
            || is_line_end(bytes[position])
            || bytes[position..].starts_with(dialect.delimiter.as_bytes())
    };
    while dialect.trim && !ends(*position) && is_blank(&bytes[*position]) {
        *position += 1;
    }
    let mut value = Vec::new();
    if bytes.get(*position).copied() == dialect.quote && !ends(*position) {
        let opening = *position;
        loop {
            *position += 1;
            let Some(&byte) = bytes.get(*position) else {
                *position = bytes.len();
                return (value, Some(opening));
            };
            if Some(byte) == dialect.escape {
                *position += 1;
                value.extend(bytes.get(*position));
            } else if Some(byte) != dialect.quote {
                value.push(byte);
            } else if bytes.get(*position + 1) == Some(&byte) {
                *position += 1;
                value.push(byte);
            } else {
                *position += 1;
                break;
            }
        }
    }
    let quoted = value.len();
    while !ends(*position) {
        value.push(bytes[*position]);
        *position += 1;
    }
    while dialect.trim && value.len() > quoted && value.last().is_some_and(is_blank) {
        value.pop();
    }
    (value, None)
}
