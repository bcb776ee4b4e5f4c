//! Headers: the columns of an input, and the bytes before its records.

use super::header_check::HeaderCheck;
use super::lines::count_line_ends;
use super::split::{MIN_SEARCH_BYTES, Split};
use crate::batch::{Arena, Chunk};
use crate::error::{Error, Kind, Position, Result, Warning, count};
use crate::format::csv::parse::{RecordParser, trim, unquote};
use crate::format::csv::sniff::{MAX_SEPARATOR_LINE_BYTES, SAMPLE_BYTES, Sample, separator_line};
use crate::format::recognize::{RECOGNIZED_BYTES, recognize};
use crate::input::Incoming;
use crate::plan::{Dialect, InvalidUtf8, OnError, Plan};
use crate::report::Note;
use crate::schema::names::unique_names;
use std::borrow::Cow;
use std::sync::Arc;

/// The UTF-8 byte order mark, which some programs put before the header.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
    /// The first record of the header; empty if there is no header.
    pub(crate) first: Vec<u8>,
    /// True if the first record of the input ends with a CR that no LF follows.
    pub(crate) ends_with_cr: bool,
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
    /// See [`Header::ends_with_cr`].
    ends_with_cr: bool,
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
        if !plan.input_options.force
            && let Some(format) = recognize(&file.wait(0, RECOGNIZED_BYTES)?.0)
        {
            return Err(Kind::NotCsv { input: name.clone(), format }.into());
        }
        let (bytes, is_all, lines_before) = at_beginning(name, file, plan, plan.dialect, |split, _| {
            let (bytes, is_all) = (split.rest(), split.is_all());
            let sample = bytes[..bytes.len().min(SAMPLE_BYTES + 1)].to_vec();
            Ok((is_all || sample.len() > SAMPLE_BYTES).then(|| (sample, is_all, split.lines())))
        })?;
        let sample = Sample::new(&bytes, is_all, plan.input_options.header_rows);
        let (dialect, delimiter_note) = choose_delimiter(file, plan, sample)?;
        let is_delimiter_given = delimiter_note.is_none();
        let HeaderRecords { head, names, first, ends_with_cr } =
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
        notes.extend(delimiter_note.filter(|_| width > 0));
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
        let mark = if plan.encoding.is_some() { BYTE_ORDER_MARK } else { b"" };
        let head = [mark, &head].concat();
        Ok(Self { dialect, head, first, ends_with_cr, names, width, notes, warnings: check.warnings() })
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
        let rows = plan.input_options.header_rows;
        at_beginning(name, file, plan, self.dialect, |split, _| {
            let mut split = split.with_records_before(records_before);
            if plan.policies.on_error == OnError::Skip {
                split = split.with_max_unclosed_bytes(plan.policies.max_unclosed_bytes);
            }
            let is_complete = split.take_header(rows)?.is_some() || rows == 0 || split.is_all();
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
        (None, Some(dialect)) => (dialect, Some(Note::DetectedDelimiter(dialect.delimiter))),
        (None, None) => (given, Some(Note::NoDelimiter)),
    })
}

/// The length of the byte order mark of an input.
fn mark_bytes(bytes: &[u8]) -> usize {
    if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
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
    let rows = plan.input_options.header_rows;
    at_beginning(name, file, plan, dialect, |mut split, bytes| {
        let before = &bytes[mark_bytes(bytes)..split.offset()];
        match split.take_header(rows.max(1))? {
            Some(chunk) => parse_header(name, before, &chunk, plan, dialect, max_columns).map(Some),
            None if !split.is_all() => Ok(None),
            None if rows == 0 => Ok(Some(HeaderRecords::default())),
            None => Err(Kind::NoHeader { input: name.clone(), rows }.into()),
        }
    })
}

/// The same for the header `chunk`, with the bytes `before` it.
fn parse_header(
    name: &Arc<str>,
    before: &[u8],
    chunk: &Chunk<'_>,
    plan: &Plan,
    dialect: Dialect,
    max_columns: usize,
) -> Result<HeaderRecords> {
    let check_count = |found| match found > max_columns {
        true => Err(Error::from(Kind::TooManyColumns { found, limit: max_columns })),
        false => Ok(()),
    };
    let mut fields = Vec::new();
    let mut records = RecordParser::new(chunk.bytes, dialect);
    if plan.input_options.header_rows == 0 {
        let end = records.next_into(&mut fields).map_or(0, |range| range.end);
        check_count(fields.len())?;
        let names = (1..=fields.len()).map(|number| format!("column{number}")).collect();
        let head = before.strip_suffix(b"\n").unwrap_or(before);
        let head = head.strip_suffix(b"\r").unwrap_or(head).to_vec();
        return Ok(HeaderRecords {
            head,
            names,
            first: Vec::new(),
            ends_with_cr: ends_with_cr(chunk.bytes, end),
        });
    }
    let arena = Arena::default();
    let (mut names, mut end) = (Vec::new(), 0);
    let mut first = None;
    while let Some(range) = records.next_into(&mut fields) {
        first.get_or_insert(range.clone());
        check_count(fields.len())?;
        if dialect.trim {
            trim(chunk.bytes, &mut fields);
        }
        if plan.policies.invalid_utf8 == InvalidUtf8::Reject
            && let Err(error) = std::str::from_utf8(&chunk.bytes[range.clone()])
        {
            let (input, at) = (name.clone(), range.start + error.valid_up_to());
            let line = chunk.first_line + count_line_ends(&chunk.bytes[..at]) + 1;
            let position = Position { input, record: 0, line, offset: chunk.offset + at as u64 };
            return Err(Kind::HeaderNotUtf8 { position }.into());
        }
        let parts = fields.drain(..).map(|field| unquote(field.slice(chunk.bytes), dialect, &arena));
        add_names(&mut names, parts.map(String::from_utf8_lossy));
        end = range.end;
    }
    let first = first.unwrap_or(0..0);
    Ok(HeaderRecords {
        head: [before, &chunk.bytes[..end]].concat(),
        names,
        ends_with_cr: ends_with_cr(chunk.bytes, first.end),
        first: chunk.bytes[first].to_vec(),
    })
}

/// True if there is a CR at `end`, and no LF after it.
fn ends_with_cr(bytes: &[u8], end: usize) -> bool {
    bytes.get(end) == Some(&b'\r') && bytes.get(end + 1) != Some(&b'\n')
}

/// Appends the fields of a further header row to the names.
fn add_names<'a>(names: &mut Vec<String>, parts: impl Iterator<Item = Cow<'a, str>>) {
    for (at, part) in parts.enumerate() {
        match names.get_mut(at) {
            None => names.push(part.into_owned()),
            Some(_) if part.is_empty() => {}
            Some(name) if name.is_empty() => *name = part.into_owned(),
            Some(name) => *name = format!("{name} {part}"),
        }
    }
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
        for (rows, names, first_record) in
            [(1, ["a", "b\n"], 19), (2, ["a c", "b\n d"], 23), (0, ["column1", "column2"], 12)]
        {
            plan.input_options.header_rows = rows;
            let name: Arc<str> = "in".into();
            let header = Header::read(&name, &Trickle(csv, AtomicUsize::new(0)), &plan, 2).unwrap();
            assert_eq!(header.names, names);
            let split = header.split(&name, &Trickle(csv, AtomicUsize::new(0)), &plan, 0).unwrap();
            assert_eq!(split.offset(), first_record);
        }
    }
}
