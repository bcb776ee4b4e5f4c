//! Inputs of JSON Lines.

use super::csv_input::CsvInput;
use crate::error::FileFormat;
use crate::error::Result;
use crate::format::csv::header::Header;
use crate::format::jsonl::object::members;
use crate::format::recognize::{RECOGNIZED_BYTES, recognize};
use crate::input::{Incoming, Input, OpenInput};
use crate::plan::{Dialect, Plan};
use crate::report::Note;
use crate::schema::names::unique_names;
use std::collections::HashSet;

/// The bytes from the start of an input whose members are its columns.
const SAMPLE_BYTES: usize = 1 << 20;

/// An input of JSON Lines.
#[derive(Debug)]
pub(crate) struct JsonInput {
    /// The input as CSV without a header, whose records are its lines.
    pub(super) lines: CsvInput,
    /// The names of the members that are its columns.
    pub(super) members: Vec<String>,
}

impl JsonInput {
    /// The members that are the columns of an input whose text is `open`; `None` if it is not JSON Lines. They are those in the
    /// first lines, in the order in which they appear, unless the plan names them.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub(super) fn find_members(open: &OpenInput, plan: &Plan) -> Result<Option<Vec<String>>> {
        let (start, _) = open.wait(0, RECOGNIZED_BYTES)?;
        if !matches!(recognize(&start), Some(FileFormat::Json | FileFormat::JsonLines)) {
            return Ok(None);
        }
        let mut wanted_bytes = SAMPLE_BYTES;
        loop {
            let (bytes, is_all) = open.wait(0, wanted_bytes)?;
            let is_all = is_all && bytes.len() <= wanted_bytes;
            let bytes = &bytes[..bytes.len().min(wanted_bytes)];
            let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
            let complete = match text.iter().rposition(|byte| *byte == b'\n') {
                _ if is_all => text,
                Some(end) => &text[..end],
                None if bytes.len() < plan.policies.max_record_bytes => {
                    wanted_bytes = 2 * bytes.len();
                    continue;
                }
                None => return Ok(None),
            };
            let found = members_of_lines(complete);
            let names = &plan.column_names;
            return Ok(found.map(|found| if names.is_empty() { found } else { names.clone() }));
        }
    }

    /// The input with these members.
    pub(super) fn new(input: Input, members: Vec<String>, plan: &Plan) -> Self {
        // No line contains a NUL, so each is a record with one field.
        let dialect = Dialect { delimiter: b'\0'.into(), quote: None, ..Dialect::default() };
        let (names, renamed) =
            if plan.depends_on_header() { unique_names(&members) } else { (members.clone(), Vec::new()) };
        let notes = renamed.into_iter().map(Note::HeaderName).collect();
        Self { lines: CsvInput::new(input, Header::absent(dialect, names, notes)), members }
    }
}

/// The names of the members in lines of JSON, in the order in which they appear; `None` if the first line is no object.
fn members_of_lines(text: &[u8]) -> Option<Vec<String>> {
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    let mut lines =
        text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
    let mut add = |line| {
        members(line, |name, _| {
            if !known.contains(name) {
                known.insert(name.to_owned());
                names.push(name.to_owned());
            }
            Ok(())
        })
    };
    add(lines.next()?).ok()?;
    // A line that is no object is rejected when it is loaded.
    lines.for_each(|line| drop(add(line)));
    Some(names)
}
