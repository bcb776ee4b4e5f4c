//! The grammar in its plainest form: slices in, slices of what is left out. Slow, and right to look at.

use sqload::plan::Dialect;

/// The values of each record, and where the quote stands that is never closed.
pub(crate) type Naive = (Vec<Vec<Vec<u8>>>, Option<usize>);

pub(crate) fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The records of `bytes`.
pub(crate) fn records(bytes: &[u8], dialect: Dialect) -> Naive {
    let (mut records, mut open, mut at) = (Vec::new(), None, 0);
    while at < bytes.len() {
        if is_line_end(bytes[at]) {
            at += 1;
        } else if Some(bytes[at]) == dialect.comment {
            at += bytes[at..].iter().take_while(|byte| !is_line_end(**byte)).count();
        } else {
            let mut record = Vec::new();
            loop {
                let value;
                (value, open) = field(bytes, &mut at, dialect);
                record.push(value);
                if !bytes[at..].starts_with(dialect.delimiter.as_bytes()) {
                    break;
                }
                at += dialect.delimiter.as_bytes().len();
            }
            records.push(record);
        }
    }
    (records, open)
}

/// The field that begins at `at`, which is moved to its end, and where its quote stands if that is not closed.
fn field(bytes: &[u8], at: &mut usize, dialect: Dialect) -> (Vec<u8>, Option<usize>) {
    let ends = |at: usize| {
        at == bytes.len() || is_line_end(bytes[at]) || bytes[at..].starts_with(dialect.delimiter.as_bytes())
    };
    while dialect.trim && !ends(*at) && is_blank(&bytes[*at]) {
        *at += 1;
    }
    let mut value = Vec::new();
    if bytes.get(*at).copied() == dialect.quote && !ends(*at) {
        let opening = *at;
        loop {
            *at += 1;
            let Some(&byte) = bytes.get(*at) else {
                *at = bytes.len();
                return (value, Some(opening));
            };
            if Some(byte) == dialect.escape {
                *at += 1;
                value.extend(bytes.get(*at));
            } else if Some(byte) != dialect.quote {
                value.push(byte);
            } else if bytes.get(*at + 1) == Some(&byte) {
                *at += 1;
                value.push(byte);
            } else {
                *at += 1;
                break;
            }
        }
    }
    let quoted = value.len();
    while !ends(*at) {
        value.push(bytes[*at]);
        *at += 1;
    }
    while dialect.trim && value.len() > quoted && value.last().is_some_and(is_blank) {
        value.pop();
    }
    (value, None)
}
