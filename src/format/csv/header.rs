//! Headers: the columns of an input, and the bytes before its records.

use super::header_check::HeaderCheck;
use super::lines::count_line_ends;
use super::split::Split;
use crate::batch::Arena;
use crate::error::{Error, Kind, Position, Result, Warning};
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
            && let Some(format) = recognize(file.wait(RECOGNIZED_BYTES)?.0)
        {
            return Err(Kind::NotCsv { input: name.clone(), format }.into());
        }
        let mut start = split(name, file, plan, plan.dialect)?;
        let lines_before = start.lines();
        let (bytes, is_all) = start.peek(SAMPLE_BYTES)?;
        let sample = Sample::new(bytes, is_all, plan.input_options.header_rows);
        let (dialect, delimiter_note) = choose_delimiter(file, plan, sample)?;
        let is_delimiter_given = delimiter_note.is_none();
        let HeaderRecords { head, names, first, ends_with_cr } =
            read_header(name, file, plan, dialect, max_columns)?;
        let width = names.len();
        let (names, renamed) =
            if plan.depends_on_header() { unique_names(&names) } else { (names, Vec::new()) };
        let mut notes: Vec<_> = renamed.into_iter().map(Note::HeaderName).collect();
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
        if plan.policies.on_error == OnError::Skip {
            split = split.with_max_unclosed_bytes(plan.policies.max_unclosed_bytes);
        }
        split.take_header(plan.input_options.header_rows)?;
        Ok(split)
    }
}

/// The chunks of an input, with the header in the first.
fn split<'f>(name: &Arc<str>, file: &'f dyn Incoming, plan: &Plan, dialect: Dialect) -> Result<Split<'f>> {
    let (bytes, _) = file.wait(BYTE_ORDER_MARK.len() + MAX_SEPARATOR_LINE_BYTES)?;
    let mark_bytes = mark_bytes(bytes);
    let separator_lines = u64::from(separator_line(&bytes[mark_bytes..]).is_some());
    let split = Split::new(
        name.clone(),
        &bytes[mark_bytes..],
        mark_bytes as u64,
        dialect,
        plan.tuning.chunk_bytes,
        plan.policies.max_record_bytes,
    );
    split.with_incoming(file).skip_lines(plan.input_options.skip_lines.max(separator_lines))
}

/// The dialect with the delimiter of the input, and what to tell the user about it, if it was not given.
fn choose_delimiter(file: &dyn Incoming, plan: &Plan, sample: Sample<'_>) -> Result<(Dialect, Option<Note>)> {
    let given = plan.dialect;
    if !plan.input_options.detect_delimiter || given.delimiter != Dialect::default().delimiter {
        return Ok((given, None));
    }
    let (bytes, _) = file.wait(BYTE_ORDER_MARK.len() + MAX_SEPARATOR_LINE_BYTES)?;
    let named = separator_line(&bytes[mark_bytes(bytes)..]);
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
    let check_count = |found| match found > max_columns {
        true => Err(Error::from(Kind::TooManyColumns { found, limit: max_columns })),
        false => Ok(()),
    };
    let rows = plan.input_options.header_rows;
    let mut split = split(name, file, plan, dialect)?;
    let skipped = split.offset();
    let chunk = split.take_header(rows.max(1))?;
    let Some(chunk) = chunk else {
        return match rows {
            0 => Ok(HeaderRecords::default()),
            rows => Err(Kind::NoHeader { input: name.clone(), rows }.into()),
        };
    };
    let (bytes, _) = file.wait(skipped)?;
    let before = &bytes[mark_bytes(bytes)..skipped];
    let mut fields = Vec::new();
    let mut records = RecordParser::new(chunk.bytes, dialect);
    if rows == 0 {
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
