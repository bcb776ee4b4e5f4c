//! An input whose header has been read: all that a load knows of it before it reads the records.

use crate::batch::{Arena, Span};
use crate::columns;
use crate::dialect::{SAMPLE_BYTES, with_delimiter};
use crate::error::{Kind, Result};
use crate::input::Input;
use crate::parse::{Records, trim, unquote};
use crate::plan::{Dialect, Plan};
use crate::split::{Incoming, Split};
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
    /// The header, as it is written.
    pub(crate) header: Vec<u8>,
    /// The names of the columns.
    pub(crate) names: Vec<String>,
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
        if plan.head.finds_delimiter {
            let (bytes, is_all) = split(&file, plan, dialect)?.rest(SAMPLE_BYTES)?;
            dialect = with_delimiter(bytes, is_all, dialect);
        }
        let (header, names) = read_header(&file, plan, dialect)?;
        let (names, mut notes) =
            if plan.columns.is_some() { columns::names(&names) } else { (names, Vec::new()) };
        if dialect != plan.dialect {
            let delimiter = dialect.delimiter.as_bytes().escape_ascii();
            notes.push(format!("fields are separated by '{delimiter}'; if not so, say --delimiter"));
        }
        Ok(Self { file, dialect, header, names, notes })
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
        if !plan.head.has_no_names {
            split.take_header()?;
        }
        Ok(split)
    }

    /// Whether what was read is one state of the file.
    ///
    /// # Errors
    /// [`Kind::InputChanged`] if not.
    pub(crate) fn check(&self) -> Result<()> {
        self.file.check()
    }

    /// Whether it has the columns of `first`, in any order.
    ///
    /// # Errors
    /// [`Kind::HeaderDiffers`] if not.
    pub(crate) fn check_columns(&self, first: &Self) -> Result<()> {
        let lacks = |a: &Self, b: &Self| {
            b.names.iter().filter(|name| !a.names.contains(name)).cloned().collect::<Vec<_>>()
        };
        let (missing, extra) = (lacks(self, first), lacks(first, self));
        if missing.is_empty() && extra.is_empty() {
            return Ok(());
        }
        let (input, first) = (self.name().clone(), first.name().clone());
        Err(Kind::HeaderDiffers { input, first, missing, extra }.into())
    }
}

/// The chunks of an input, the header in the first.
fn split<'f>(file: &'f Input, plan: &Plan, dialect: Dialect) -> Result<Split<'f>> {
    let (bytes, _) = file.wait(BYTE_ORDER_MARK.len())?;
    let mark_bytes = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let split = Split::new(
        file.name().clone(),
        &bytes[mark_bytes..],
        mark_bytes as u64,
        dialect,
        plan.tuning.chunk_bytes,
        plan.policies.max_record_bytes,
    );
    split.of(file).skip_lines(plan.head.skipped_lines)
}

/// The header as it is written, which may be nothing, and the names of the columns.
fn read_header(file: &Input, plan: &Plan, dialect: Dialect) -> Result<(Vec<u8>, Vec<String>)> {
    let chunk = split(file, plan, dialect)?.take_header()?;
    let chunk = chunk.ok_or_else(|| Kind::NoHeader { input: file.name().clone() })?;
    let mut fields = Vec::new();
    let range = Records::new(chunk.bytes, dialect).next_into(&mut fields);
    let range = range.ok_or_else(|| Kind::Internal("a header without a record".to_owned()))?;
    if plan.head.has_no_names {
        return Ok((Vec::new(), (1..=fields.len()).map(|number| format!("column{number}")).collect()));
    }
    if dialect.trims {
        trim(chunk.bytes, &mut fields);
    }
    let arena = Arena::default();
    let name =
        |field: &Span| String::from_utf8_lossy(unquote(field.of(chunk.bytes), dialect, &arena)).into_owned();
    Ok((chunk.bytes[range].to_vec(), fields.iter().map(name).collect()))
}
