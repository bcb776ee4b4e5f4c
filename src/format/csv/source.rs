//! An input whose header has been read: all that a load knows of it before it reads the records.

use super::lines::count_line_ends;
use super::split::Split;
use crate::batch::Arena;
use crate::error::{Kind, Position, Result};
use crate::format::csv::parse::{Records, trim, unquote};
use crate::format::csv::sniff::{SAMPLE_BYTES, with_delimiter};
use crate::input::Incoming;
use crate::input::Input;
use crate::plan::{Dialect, InvalidUtf8, Plan};
use crate::schema::names::unique_names;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The UTF-8 byte order mark, which some programs put before the header.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// An input and its columns.
#[derive(Debug)]
pub(crate) struct Source {
    file: Input,
    /// How it is written.
    pub(crate) dialect: Dialect,
    /// All that comes before the records, as it is written: the header, and what is skipped.
    pub(crate) head: Vec<u8>,
    /// The names of the columns, and behind them of those that other inputs of the load have in addition.
    pub(crate) names: Vec<String>,
    /// The number of its own columns.
    pub(crate) width: usize,
    /// What was done to make them different from each other.
    pub(crate) notes: Vec<String>,
}

impl Source {
    /// Opens the input at `path`, or the inputs if there are several in it, and reads the header of each.
    ///
    /// # Errors
    /// As [`Input::open`], as those of the split, or [`Kind::NoHeader`].
    pub(crate) fn open(path: &Path, plan: &Plan, stop: &Arc<AtomicBool>) -> Result<Vec<Self>> {
        let files = Input::open(path, plan.encoding.as_deref(), stop)?;
        files.into_iter().map(|file| Self::new(file, plan)).collect()
    }

    fn new(file: Input, plan: &Plan) -> Result<Self> {
        let mut dialect = plan.dialect;
        if plan.input_options.detect_delimiter {
            let (bytes, is_all) = split(&file, plan, dialect)?.rest(SAMPLE_BYTES)?;
            dialect = with_delimiter(bytes, is_all, dialect, plan.input_options.header_rows);
        }
        let (head, names) = read_header(&file, plan, dialect)?;
        let (names, mut notes) =
            if plan.depends_on_header() { unique_names(&names) } else { (names, Vec::new()) };
        if std::str::from_utf8(&head).is_err() && names.iter().any(|name| name.contains('\u{fffd}')) {
            notes.push(
                "the header is not UTF-8: what is wrong in it is U+FFFD (--invalid-utf8 replace)".to_owned(),
            );
        }
        if dialect != plan.dialect {
            let delimiter = dialect.delimiter.as_bytes().escape_ascii();
            notes.push(format!("fields are separated by '{delimiter}'; if not so, say --delimiter"));
        }
        let width = names.len();
        // Rejects are kept in UTF-8, and so say that they are, whatever encoding is named when they are loaded.
        let mark = if plan.encoding.is_some() { BYTE_ORDER_MARK } else { b"" };
        let head = [mark, &head].concat();
        Ok(Self { file, dialect, head, names, width, notes })
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.file.name()
    }

    /// Its size, header and all, as far as it is there, and whether it is.
    pub(crate) fn bytes(&self) -> (u64, bool) {
        self.file.bytes()
    }

    /// The chunks of its records, which follow so many of other inputs.
    ///
    /// # Errors
    /// As those of the split.
    pub(crate) fn split(&self, plan: &Plan, records_before: u64) -> Result<Split<'_>> {
        let mut split = split(&self.file, plan, self.dialect)?.after(records_before);
        split.take_header(plan.input_options.header_rows)?;
        Ok(split)
    }

    /// Whether what was read is one state of the file.
    ///
    /// # Errors
    /// [`Kind::InputChanged`] if not.
    pub(crate) fn check(&self) -> Result<()> {
        self.file.check()
    }
}

/// The chunks of an input, the header in the first.
fn split<'f>(file: &'f Input, plan: &Plan, dialect: Dialect) -> Result<Split<'f>> {
    let (bytes, _) = file.wait(BYTE_ORDER_MARK.len())?;
    let mark_bytes = mark_bytes(bytes);
    let split = Split::new(
        file.name().clone(),
        &bytes[mark_bytes..],
        mark_bytes as u64,
        dialect,
        plan.tuning.chunk_bytes,
        plan.policies.max_record_bytes,
    );
    split.of(file).skip_lines(plan.input_options.skip_lines)
}

/// How many bytes of an input are its byte order mark.
fn mark_bytes(bytes: &[u8]) -> usize {
    if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// All that comes before the records, as it is written, without the last line end, and the names of the columns; none if it
/// is the first record that would say how many there are, and there is none.
fn read_header(file: &Input, plan: &Plan, dialect: Dialect) -> Result<(Vec<u8>, Vec<String>)> {
    let rows = plan.input_options.header_rows;
    let mut split = split(file, plan, dialect)?;
    let skipped = split.offset();
    let chunk = split.take_header(rows.max(1))?;
    let Some(chunk) = chunk else {
        return match rows {
            0 => Ok((Vec::new(), Vec::new())),
            rows => Err(Kind::NoHeader { input: file.name().clone(), rows }.into()),
        };
    };
    let (bytes, _) = file.wait(skipped)?;
    let before = &bytes[mark_bytes(bytes)..skipped];
    let mut fields = Vec::new();
    let mut records = Records::new(chunk.bytes, dialect);
    if rows == 0 {
        records.next_into(&mut fields);
        let names = (1..=fields.len()).map(|number| format!("column{number}")).collect();
        let head = before.strip_suffix(b"\n").unwrap_or(before);
        return Ok((head.strip_suffix(b"\r").unwrap_or(head).to_vec(), names));
    }
    let arena = Arena::default();
    let (mut names, mut end) = (Vec::new(), 0);
    while let Some(range) = records.next_into(&mut fields) {
        if dialect.trim {
            trim(chunk.bytes, &mut fields);
        }
        if plan.policies.invalid_utf8 == InvalidUtf8::Reject
            && let Err(error) = std::str::from_utf8(&chunk.bytes[range.clone()])
        {
            let (input, at) = (file.name().clone(), range.start + error.valid_up_to());
            let line = chunk.first_line + count_line_ends(&chunk.bytes[..at]) + 1;
            let position = Position { input, record: 0, line, offset: chunk.offset + at as u64 };
            return Err(Kind::HeaderNotUtf8 { position }.into());
        }
        let parts = fields.drain(..).map(|field| unquote(field.of(chunk.bytes), dialect, &arena));
        add_names(&mut names, parts.map(String::from_utf8_lossy));
        end = range.end;
    }
    Ok(([before, &chunk.bytes[..end]].concat(), names))
}

/// Joins each name with what another row of the header adds to it, if it does.
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
