//! Headers: the columns of an input, and the bytes before its records.

use super::header_check::HeaderCheck;
use super::lines::{LineEnd, count_line_ends, count_lines};
use super::split::{MIN_SEARCH_BYTES, Split};
use crate::batch::{Arena, Chunk, Span};
use crate::error::{Kind, Position, Result, Warning, count};
use crate::format::csv::parse::{RecordParser, trim, unquote};
use crate::format::csv::sniff::{MAX_SEPARATOR_LINE_BYTES, SAMPLE_BYTES, Sample, separator_line};
use crate::format::recognize::{RECOGNIZED_BYTES, recognize};
use crate::input::Incoming;
use crate::plan::{Dialect, InputOptions, InvalidUtf8, OnError, Plan};
use crate::report::Note;
use crate::schema::names::unique_names;
use std::ops::Range;
use std::sync::Arc;

/// The UTF-8 byte order mark, which some programs put before the header.
const BYTE_ORDER_MARK: &[u8; 3] = b"\xef\xbb\xbf";

/// The number of columns whose new names are reported.
const MAX_NAME_NOTES: usize = 20;

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
    /// The number of records in the header.
    records: usize,
    /// First record of the header; empty for an input without a header.
    pub(crate) first: Vec<u8>,
    /// How the first record of the input ends.
    pub(crate) line_end: Option<LineEnd>,
    /// Notes about the header for the user.
    pub(crate) notes: Vec<Note>,
    /// What looks wrong about the header.
    pub(crate) warnings: Vec<Warning>,
}

/// The records of a header, as they were read.
#[derive(Debug, Default)]
struct HeaderRecords {
    /// See [`Header::head`].
    head: Vec<u8>,
    names: Vec<String>,
    /// See [`Header::first`].
    first: Vec<u8>,
    /// See [`Header::line_end`].
    line_end: Option<LineEnd>,
    /// The number of records after the header, if there are fewer than are to be skipped there.
    rows_found: Option<u64>,
}

impl Header {
    /// Reads the header of the input `name`, whose bytes are `file`.
    ///
    /// # Errors
    /// As the split; [`Kind::NotCsv`], [`Kind::NoHeader`], [`Kind::HeaderNotUtf8`]; [`Kind::TooManyColumns`] if there are more than
    /// `max_columns`.
    pub(crate) fn read(
        name: &Arc<str>,
        file: &dyn Incoming,
        plan: &Plan,
        max_columns: usize,
    ) -> Result<Self> {
        let (start, _) = file.wait(0, RECOGNIZED_BYTES)?;
        if !plan.input_options.force
            && let Some(format) = recognize(&start)
        {
            return Err(Kind::NotCsv { input: name.clone(), format }.into());
        }
        let marks = mark_bytes(&start) / BYTE_ORDER_MARK.len();
        let marks = (marks > 1).then(|| Warning::ByteOrderMarks { input: name.clone(), marks });
        let (bytes, is_all, lines_before) = at_beginning(name, file, plan, plan.dialect, |split, _| {
            let (bytes, is_all) = (split.rest(), split.is_all());
            let sample = bytes[..bytes.len().min(SAMPLE_BYTES + 1)].to_vec();
            Ok((is_all || sample.len() > SAMPLE_BYTES).then(|| (sample, is_all, split.lines())))
        })?;
        let sample = Sample::new(&bytes, is_all, plan.input_options.header_rows);
        let (dialect, delimiter_note) = choose_delimiter(file, plan, sample)?;
        let is_delimiter_given = delimiter_note.is_none();
        let HeaderRecords { head, names, first, line_end, rows_found } =
            read_header(name, file, plan, dialect, max_columns)?;
        let width = names.len();
        let (names, renamed) =
            if plan.depends_on_header() { unique_names(&names) } else { (names, Vec::new()) };
        let renamed_count = renamed.len();
        let mut notes: Vec<_> = renamed.into_iter().take(MAX_NAME_NOTES).map(Note::HeaderName).collect();
        if renamed_count > MAX_NAME_NOTES {
            let more = count((renamed_count - MAX_NAME_NOTES) as u64, "more column");
            notes.push(Note::HeaderName(format!("{more} could not keep the name from the header")));
        }
        if std::str::from_utf8(&head).is_err() && names.iter().any(|name| name.contains('\u{fffd}')) {
            notes.push(Note::HeaderUtf8Replaced);
        }
        let is_one_column =
            delimiter_note == Some(Note::NoDelimiter) && !sample.may_have_other_delimiter(dialect);
        notes.extend(delimiter_note.filter(|_| width > 0 && !is_one_column));
        let skipped = plan.input_options.skip_rows as u64;
        let skipped_all = rows_found.filter(|records| *records < skipped && width > 0);
        let input = name.clone();
        notes.extend(skipped_all.map(|records| Note::SkippedAll {
            input,
            records,
            skipped,
            is_footer: false,
        }));
        let header_rows = plan.input_options.header_rows;
        let check = HeaderCheck {
            input: name,
            sample,
            lines_before,
            dialect,
            is_delimiter_given,
            header_rows,
            width,
        };
        // A file of rejects is UTF-8. The mark says so even if an encoding is named when it is loaded.
        let mark = if plan.encoding.is_some() { &BYTE_ORDER_MARK[..] } else { b"" };
        let head = [mark, &head].concat();
        let warnings = marks.into_iter().chain(check.warnings()).collect();
        Ok(Self { dialect, head, records: header_rows, first, line_end, names, width, notes, warnings })
    }

    /// What an input without a header has instead, whose columns have these names.
    pub(crate) fn absent(dialect: Dialect, names: Vec<String>, notes: Vec<Note>) -> Self {
        let (head, first, warnings) = Default::default();
        let width = names.len();
        Self { dialect, head, records: 0, first, line_end: None, names, width, notes, warnings }
    }

    /// A split of the input `name`, whose bytes are `file`, that starts after the header. `records_before` records of other
    /// inputs precede the first one.
    ///
    /// # Errors
    /// As the split.
    pub(crate) fn split(
        &self,
        name: &Arc<str>,
        file: &dyn Incoming,
        plan: &Plan,
        records_before: u64,
    ) -> Result<Split<'static>> {
        let InputOptions { skip_rows, .. } = plan.input_options;
        at_beginning(name, file, plan, self.dialect, |split, _| {
            let mut split = split.with_records_before(records_before).with_width(self.width);
            if plan.policies.on_error == OnError::Skip {
                split = split.with_max_unclosed_bytes(plan.policies.max_unclosed_bytes);
            }
            let is_complete = skip_records(&mut split, self.records)? && skip_records(&mut split, skip_rows)?;
            Ok(is_complete.then(|| split.suspend()))
        })
    }
}

/// Calls `read` with a split of the first bytes of the input `name`, which starts after the lines to skip, and with these bytes.
/// If it returns `None`, because there are too few, it is called again with more.
fn at_beginning<T>(
    name: &Arc<str>,
    file: &dyn Incoming,
    plan: &Plan,
    dialect: Dialect,
    read: impl Fn(Split<'_>, &[u8]) -> Result<Option<T>>,
) -> Result<T> {
    let (chunk_bytes, max_record_bytes) = (plan.tuning.chunk_bytes, plan.policies.max_record_bytes);
    let mut wanted_bytes = BYTE_ORDER_MARK.len() + MAX_SEPARATOR_LINE_BYTES;
    loop {
        let (bytes, is_all) = file.wait(0, wanted_bytes)?;
        let start = mark_bytes(&bytes);
        let split = Split::new(name.clone(), &[], start as u64, dialect, chunk_bytes, max_record_bytes);
        let separator_lines = u64::from(separator_line(&bytes[start..]).is_some());
        let skipped_lines = plan.input_options.skip_lines.max(separator_lines);
        let split = split.resume(&bytes[start..], is_all).skip_lines(skipped_lines);
        if let Some(split) = split
            && let Some(result) = read(split, &bytes)?
        {
            return Ok(result);
        }
        wanted_bytes = (2 * bytes.len()).max(MIN_SEARCH_BYTES);
    }
}

/// The dialect with the delimiter of the input, and what to tell the user about it, if it was not given.
fn choose_delimiter(file: &dyn Incoming, plan: &Plan, sample: Sample<'_>) -> Result<(Dialect, Option<Note>)> {
    let given = plan.dialect;
    if !plan.input_options.detect_delimiter || given.delimiter != Dialect::default().delimiter {
        return Ok((given, None));
    }
    let (bytes, _) = file.wait(0, BYTE_ORDER_MARK.len() + MAX_SEPARATOR_LINE_BYTES)?;
    let named = separator_line(&bytes[mark_bytes(&bytes)..]);
    Ok(match (named, sample.detect_delimiter(given)) {
        (Some(delimiter), _) => (Dialect { delimiter, ..given }, Some(Note::NamedDelimiter(delimiter))),
        (None, Some((dialect, None))) => (dialect, Some(Note::DetectedDelimiter(dialect.delimiter))),
        (None, Some((dialect, Some(other)))) => {
            (dialect, Some(Note::AmbiguousDelimiter { delimiter: dialect.delimiter, other }))
        }
        (None, None) => (given, Some(Note::NoDelimiter)),
    })
}

/// The length of the byte order mark of an input, or of several.
fn mark_bytes(bytes: &[u8]) -> usize {
    let (marks, _) = bytes.as_chunks();
    BYTE_ORDER_MARK.len() * marks.iter().take_while(|mark| *mark == BYTE_ORDER_MARK).count()
}

/// Skips this many records, or all that the input has. Returns false if they are not there yet.
fn skip_records(split: &mut Split<'_>, records: usize) -> Result<bool> {
    Ok(records == 0 || split.take_header(records)?.is_some() || split.is_all())
}

/// Reads the records of the header. Without a header, the first record determines the number of columns; an input without
/// records then has none.
fn read_header(
    name: &Arc<str>,
    file: &dyn Incoming,
    plan: &Plan,
    dialect: Dialect,
    max_columns: usize,
) -> Result<HeaderRecords> {
    let InputOptions { header_rows, skip_rows, skip_lines, .. } = plan.input_options;
    at_beginning(name, file, plan, dialect, |mut split, bytes| {
        let beginning = split.offset();
        if header_rows == 0 && !skip_records(&mut split, skip_rows)? {
            return Ok(None);
        }
        let (start, end_of_mark) = (split.offset(), mark_bytes(bytes));
        let chunk = match split.take_header(header_rows.max(1))? {
            Some(chunk) => chunk,
            None if !split.is_all() => return Ok(None),
            None if header_rows == 0 => {
                let names = plan.column_names.clone();
                let rows_found = (skip_rows > 0).then(|| count_records(&bytes[beginning..], dialect));
                return Ok(Some(HeaderRecords { names, rows_found, ..HeaderRecords::default() }));
            }
            None => {
                let lines = count_lines(&bytes[end_of_mark..]);
                let skipped_lines = Some((lines, skip_lines)).filter(|_| lines > 0 && lines <= skip_lines);
                return Err(Kind::NoHeader { input: name.clone(), rows: header_rows, skipped_lines }.into());
            }
        };
        if header_rows == 0 && is_end_of_data(chunk.bytes, dialect) && split.take_header(1)?.is_none() {
            let names = plan.column_names.clone();
            return Ok(split.is_all().then(|| HeaderRecords { names, ..HeaderRecords::default() }));
        }
        let parts = HeaderBytes { before: &bytes[end_of_mark..start], chunk, skipped_rows: &[] };
        let header = if header_rows == 0 {
            first_record(&parts, plan, dialect, max_columns)?
        } else {
            let end = split.offset();
            let (skipped_rows, rows_found) = match split.take_header(skip_rows)? {
                None if skip_rows > 0 && !split.is_all() => return Ok(None),
                None if skip_rows > 0 => (&[][..], Some(count_records(&bytes[end..], dialect))),
                None => (&[][..], None),
                Some(_) => (&bytes[end..split.offset()], None),
            };
            let parts = HeaderBytes { skipped_rows, ..parts };
            HeaderRecords { rows_found, ..parse_header(name, &parts, plan, dialect, max_columns)? }
        };
        Ok(Some(header))
    })
}

/// The number of records in `bytes`.
fn count_records(bytes: &[u8], dialect: Dialect) -> u64 {
    let mut records = RecordParser::new(bytes, dialect);
    let mut fields = Vec::new();
    let next = || {
        fields.clear();
        records.next_into(&mut fields)
    };
    std::iter::from_fn(next).count() as u64
}

/// True if the first record of `bytes` ends the data.
fn is_end_of_data(bytes: &[u8], dialect: Dialect) -> bool {
    let range = RecordParser::new(bytes, dialect).next_into(&mut Vec::new());
    range.is_some_and(|range| dialect.end_of_data() == Some(&bytes[range]))
}

/// The parts of the beginning of an input.
#[derive(Clone, Copy)]
struct HeaderBytes<'a> {
    /// The bytes before the chunk, without a byte order mark.
    before: &'a [u8],
    /// The records of the header; without a header, the first record.
    chunk: Chunk<'a>,
    /// The records after the header that are skipped.
    skipped_rows: &'a [u8],
}

/// # Errors
/// [`Kind::TooManyColumns`] if there are more than `max_columns`.
fn check_count(found: usize, max_columns: usize) -> Result<()> {
    match found > max_columns {
        true => Err(Kind::TooManyColumns { found, limit: max_columns }.into()),
        false => Ok(()),
    }
}

/// The columns of an input without a header.
fn first_record(
    parts: &HeaderBytes<'_>,
    plan: &Plan,
    dialect: Dialect,
    max_columns: usize,
) -> Result<HeaderRecords> {
    let HeaderBytes { before, chunk, .. } = parts;
    let mut fields = Vec::new();
    let range = RecordParser::new(chunk.bytes, dialect).next_into(&mut fields);
    check_count(fields.len().max(plan.column_names.len()), max_columns)?;
    let names = match plan.column_names.as_slice() {
        [] => (1..=fields.len()).map(|number| format!("column{number}")).collect(),
        names => names.to_vec(),
    };
    let head = before.strip_suffix(b"\n").unwrap_or(before);
    Ok(HeaderRecords {
        head: head.strip_suffix(b"\r").unwrap_or(head).to_vec(),
        names,
        first: Vec::new(),
        line_end: LineEnd::at(chunk.bytes, range.map_or(0, |range| range.end)),
        rows_found: None,
    })
}

/// The header of an input that has one.
fn parse_header(
    name: &Arc<str>,
    parts: &HeaderBytes<'_>,
    plan: &Plan,
    dialect: Dialect,
    max_columns: usize,
) -> Result<HeaderRecords> {
    let HeaderBytes { before, chunk, skipped_rows } = parts;
    let HeaderRows { rows, first, end } =
        header_rows(name, chunk, dialect, plan.policies.invalid_utf8, max_columns)?;
    let mut names = joined_names(&rows);
    if let Some((mark, first)) = plan.input_options.header_mark.zip(names.first_mut())
        && first.starts_with(char::from(mark))
    {
        first.remove(0);
    }
    // The rows that are skipped precede the records, too.
    let mut head = match skipped_rows {
        [] => [before, &chunk.bytes[..end]].concat(),
        rows => [before, chunk.bytes, rows].concat(),
    };
    while !skipped_rows.is_empty() && matches!(head.last(), Some(b'\n' | b'\r')) {
        head.pop();
    }
    let line_end = LineEnd::at(chunk.bytes, first.end);
    Ok(HeaderRecords { head, names, line_end, first: chunk.bytes[first].to_vec(), rows_found: None })
}

/// The records of a header.
struct HeaderRows {
    /// The values of each.
    rows: Vec<Vec<String>>,
    /// The first of them, in the chunk.
    first: Range<usize>,
    /// The end of the last of them.
    end: usize,
}

/// The records of the header `chunk`.
fn header_rows(
    name: &Arc<str>,
    chunk: &Chunk<'_>,
    dialect: Dialect,
    invalid_utf8: InvalidUtf8,
    max_columns: usize,
) -> Result<HeaderRows> {
    let arena = Arena::default();
    let mut records = RecordParser::new(chunk.bytes, dialect);
    let (mut fields, mut rows, mut first, mut end) = (Vec::new(), Vec::new(), None, 0);
    while let Some(range) = records.next_into(&mut fields) {
        check_count(fields.len(), max_columns)?;
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
            let line = Some(chunk.first_line + count_line_ends(&chunk.bytes[..at]) + 1);
            let position = Position { input, record: 0, line, offset: Some(chunk.offset + at as u64) };
            return Err(Kind::HeaderNotUtf8 { position }.into());
        }
        rows.push(fields.iter().map(|field| String::from_utf8_lossy(value(field)).into_owned()).collect());
        fields.clear();
        end = range.end;
        first.get_or_insert(range);
    }
    Ok(HeaderRows { rows, first: first.unwrap_or(0..0), end })
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
    use crate::plan::{Column, Expr, Table};
    use bytes::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// An input that receives one more byte each time it is read.
    #[derive(Debug)]
    struct Trickle(&'static [u8], AtomicUsize);

    impl Incoming for Trickle {
        fn wait(&self, offset: usize, _: usize) -> Result<(Bytes, bool)> {
            let arrived = self.1.fetch_add(1, Ordering::Relaxed).clamp(offset, self.0.len());
            Ok((Bytes::from_static(&self.0[offset..arrived]), arrived == self.0.len()))
        }
    }

    #[test]
    fn a_header_may_arrive_byte_by_byte() {
        let csv = "\u{feff}skipped\r\na;\"b\n\"\nc;d\n1;2\n3;4\n".as_bytes();
        let column = Column::new("x", "TEXT", Expr::RecordNumber);
        let mut plan = Plan::new(Table::new("t", vec![column]));
        plan.input_options.skip_lines = 1;
        plan.input_options.detect_delimiter = true;
        let cases = [
            ((1, 0), ["a", "b\n"], 19),
            ((2, 0), ["a c", "b\n d"], 23),
            ((0, 0), ["column1", "column2"], 12),
            ((1, 2), ["a", "b\n"], 27),
            ((1, 9), ["a", "b\n"], 31),
            ((0, 1), ["column1", "column2"], 19),
        ];
        for ((rows, skipped_rows), names, first_record) in cases {
            plan.input_options.header_rows = rows;
            plan.input_options.skip_rows = skipped_rows;
            let name: Arc<str> = "in".into();
            let header = Header::read(&name, &Trickle(csv, AtomicUsize::new(0)), &plan, 2).unwrap();
            assert_eq!(header.names, names);
            let split = header.split(&name, &Trickle(csv, AtomicUsize::new(0)), &plan, 0).unwrap();
            assert_eq!(split.offset(), first_record);
        }
    }

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
