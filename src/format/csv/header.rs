//! Headers: the columns of an input, and the bytes before its records.

use super::lines::count_line_ends;
use super::split::Split;
use crate::batch::{Arena, Chunk, Span};
use crate::error::{Error, Kind, Position, Result};
use crate::format::csv::parse::{RecordParser, trim, unquote};
use crate::format::csv::sniff::{SAMPLE_BYTES, detect_delimiter};
use crate::input::Incoming;
use crate::plan::{Dialect, InputOptions, InvalidUtf8, Plan};
use crate::report::Note;
use crate::schema::names::unique_names;
use std::sync::Arc;

/// The UTF-8 byte order mark, which some programs put before the header.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The header of a CSV input.
#[derive(Debug)]
pub(crate) struct Header {
    /// The dialect, with the detected delimiter.
    pub(crate) dialect: Dialect,
    /// The bytes before the records: skipped lines and the header, without the last line end.
    pub(crate) head: Vec<u8>,
    /// The names of the columns, followed by those that only other inputs of the load have.
    pub(crate) names: Vec<String>,
    /// The number of columns of this input; 0 if it is empty.
    pub(crate) width: usize,
    /// Notes about the header for the user.
    pub(crate) notes: Vec<Note>,
}

impl Header {
    /// Reads the header of the input `name`, whose bytes are `file`.
    ///
    /// # Errors
    /// As the split; [`Kind::NoHeader`], [`Kind::HeaderNotUtf8`]; [`Kind::TooManyColumns`] if there are more than
    /// `max_columns`.
    pub(crate) fn read(
        name: &Arc<str>,
        file: &dyn Incoming,
        plan: &Plan,
        max_columns: usize,
    ) -> Result<Self> {
        let mut dialect = plan.dialect;
        if plan.input_options.detect_delimiter {
            let (bytes, is_all) = split(name, file, plan, dialect)?.peek(SAMPLE_BYTES)?;
            dialect = detect_delimiter(bytes, is_all, dialect, plan.input_options.header_rows);
        }
        let (head, names) = read_header(name, file, plan, dialect, max_columns)?;
        let (names, renamed) =
            if plan.depends_on_header() { unique_names(&names) } else { (names, Vec::new()) };
        let mut notes: Vec<_> = renamed.into_iter().map(Note::HeaderName).collect();
        if std::str::from_utf8(&head).is_err() && names.iter().any(|name| name.contains('\u{fffd}')) {
            notes.push(Note::HeaderUtf8Replaced);
        }
        if dialect != plan.dialect {
            notes.push(Note::DetectedDelimiter(dialect.delimiter));
        }
        let width = names.len();
        // A file of rejects is UTF-8. The mark says so even if an encoding is named when it is loaded.
        let mark = if plan.encoding.is_some() { BYTE_ORDER_MARK } else { b"" };
        let head = [mark, &head].concat();
        Ok(Self { dialect, head, names, width, notes })
    }

    /// The chunks of the records of the input `name`, whose bytes are `file`. `records_before` records of other inputs
    /// precede them.
    ///
    /// # Errors
    /// As the split.
    pub(crate) fn split<'f>(
        &self,
        name: &Arc<str>,
        file: &'f dyn Incoming,
        plan: &Plan,
        records_before: u64,
    ) -> Result<Split<'f>> {
        let mut split = split(name, file, plan, self.dialect)?.with_records_before(records_before);
        split.take_header(plan.input_options.header_rows)?;
        split.take_header(plan.input_options.skip_rows)?;
        Ok(split)
    }
}

/// The chunks of an input, with the header in the first.
fn split<'f>(name: &Arc<str>, file: &'f dyn Incoming, plan: &Plan, dialect: Dialect) -> Result<Split<'f>> {
    let (bytes, _) = file.wait(BYTE_ORDER_MARK.len())?;
    let mark_bytes = mark_bytes(bytes);
    let split = Split::new(
        name.clone(),
        &bytes[mark_bytes..],
        mark_bytes as u64,
        dialect,
        plan.tuning.chunk_bytes,
        plan.policies.max_record_bytes,
    );
    split.with_incoming(file).skip_lines(plan.input_options.skip_lines)
}

/// The length of the byte order mark of an input.
fn mark_bytes(bytes: &[u8]) -> usize {
    if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// Returns the bytes before the records, without the last line end, and the names of the columns. Without a header, the first
/// record determines the number of columns; an input without records then has none.
fn read_header(
    name: &Arc<str>,
    file: &dyn Incoming,
    plan: &Plan,
    dialect: Dialect,
    max_columns: usize,
) -> Result<(Vec<u8>, Vec<String>)> {
    let check_count = |found| match found > max_columns {
        true => Err(Error::from(Kind::TooManyColumns { found, limit: max_columns })),
        false => Ok(()),
    };
    let InputOptions { header_rows, skip_rows, header_mark, .. } = plan.input_options;
    let mut split = split(name, file, plan, dialect)?;
    if header_rows == 0 {
        split.take_header(skip_rows)?;
    }
    let skipped = split.offset();
    let chunk = split.take_header(header_rows.max(1))?;
    let Some(chunk) = chunk else {
        return match header_rows {
            0 => Ok((Vec::new(), plan.column_names.clone())),
            rows => Err(Kind::NoHeader { input: name.clone(), rows }.into()),
        };
    };
    let (bytes, _) = file.wait(skipped)?;
    let before = &bytes[mark_bytes(bytes)..skipped];
    if header_rows == 0 {
        let mut fields = Vec::new();
        RecordParser::new(chunk.bytes, dialect).next_into(&mut fields);
        let names = match plan.column_names.as_slice() {
            [] => (1..=fields.len()).map(|number| format!("column{number}")).collect(),
            names => names.to_vec(),
        };
        check_count(names.len())?;
        let head = before.strip_suffix(b"\n").unwrap_or(before);
        return Ok((head.strip_suffix(b"\r").unwrap_or(head).to_vec(), names));
    }
    let (rows, end) = header_parts(name, &chunk, dialect, plan.policies.invalid_utf8)?;
    rows.iter().try_for_each(|row| check_count(row.len()))?;
    let mut names = joined_names(&rows);
    if let Some((mark, first)) = header_mark.zip(names.first_mut())
        && first.starts_with(char::from(mark))
    {
        first.remove(0);
    }
    // The rows that are skipped precede the records, too.
    let skipped_rows = split.take_header(skip_rows)?.map(|chunk| chunk.bytes);
    let mut head = match skipped_rows {
        Some(rows) => [before, chunk.bytes, rows].concat(),
        None => [before, &chunk.bytes[..end]].concat(),
    };
    while skipped_rows.is_some() && matches!(head.last(), Some(b'\n' | b'\r')) {
        head.pop();
    }
    Ok((head, names))
}

/// The values of the records in a header, and the end of the last of them in `chunk`.
fn header_parts(
    name: &Arc<str>,
    chunk: &Chunk<'_>,
    dialect: Dialect,
    invalid_utf8: InvalidUtf8,
) -> Result<(Vec<Vec<String>>, usize)> {
    let arena = Arena::default();
    let mut records = RecordParser::new(chunk.bytes, dialect);
    let (mut fields, mut rows, mut end) = (Vec::new(), Vec::new(), 0);
    while let Some(range) = records.next_into(&mut fields) {
        if dialect.trims() {
            trim(chunk.bytes, dialect, &mut fields);
        }
        let value = |field: &Span| unquote(field.slice(chunk.bytes), dialect, &arena);
        let invalid = match std::str::from_utf8(&chunk.bytes[range.clone()]) {
            Err(error) => Some(range.start + error.valid_up_to()),
            // Escapes may stand for any bytes.
            Ok(_) => {
                let is_invalid = |field: &&Span| std::str::from_utf8(value(field)).is_err();
                fields.iter().find(is_invalid).map(|field| field.start as usize)
            }
        };
        if let (Some(at), InvalidUtf8::Reject) = (invalid, invalid_utf8) {
            let input = name.clone();
            let line = chunk.first_line + count_line_ends(&chunk.bytes[..at]) + 1;
            let position = Position { input, record: 0, line, offset: chunk.offset + at as u64 };
            return Err(Kind::HeaderNotUtf8 { position }.into());
        }
        rows.push(fields.iter().map(|field| String::from_utf8_lossy(value(field)).into_owned()).collect());
        fields.clear();
        end = range.end;
    }
    Ok((rows, end))
}

/// The names of the columns, from the rows of the header: the parts of each column, joined with a space.
///
/// A part stands for the columns to its right, too, as a merged cell of a spreadsheet does: as far as their fields in its row
/// are empty, they have no part in a row above, and they have one in a row below.
fn joined_names(rows: &[Vec<String>]) -> Vec<String> {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let part = |row: usize, column: usize| rows[row].get(column).map_or("", String::as_str);
    let mut names = vec![String::new(); width];
    for row in 0..rows.len() {
        let mut merged = "";
        for (column, name) in names.iter_mut().enumerate() {
            let has_part_below = (row + 1..rows.len()).any(|below| !part(below, column).is_empty());
            let has_part_above = (0..row).any(|above| !part(above, column).is_empty());
            let own = part(row, column);
            let is_missing = column >= rows[row].len();
            if !own.is_empty() || is_missing || has_part_above || !has_part_below {
                merged = if has_part_below { own } else { "" };
            }
            let text = if own.is_empty() { merged } else { own };
            if !name.is_empty() && !text.is_empty() {
                name.push(' ');
            }
            name.push_str(text);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_stands_for_the_columns_that_it_is_merged_with() {
        let cases: [(&[&str], &[&str]); 8] = [
            (
                &["Region,2019,,2020,", ",Sales,Cost,Sales,Cost"],
                &["Region", "2019 Sales", "2019 Cost", "2020 Sales", "2020 Cost"],
            ),
            (&["date,temp", "iso,degC"], &["date iso", "temp degC"]),
            (&[",,2019,", "id,name,a,b"], &["id", "name", "2019 a", "2019 b"]),
            (&["2019,,Total", "a,b,"], &["2019 a", "2019 b", "Total"]),
            (&["id,,x", ",a,b"], &["id", "a", "x b"]),
            (&["A,,B,", "x,,,", "1,2,3,4"], &["A x 1", "A x 2", "B 3", "B 4"]),
            (&["a,,", "b"], &["a b", "", ""]),
            (&["a", "b,c"], &["a b", "c"]),
        ];
        for (rows, expected) in cases {
            let rows: Vec<Vec<_>> =
                rows.iter().map(|row| row.split(',').map(str::to_owned).collect()).collect();
            assert_eq!(joined_names(&rows), expected);
        }
    }
}
