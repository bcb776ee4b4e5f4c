//! The inputs of a load with their columns, whatever their format.

#[cfg(feature = "arrow")]
use super::arrow_input::ArrowInput;
use super::csv_input::CsvInput;
use super::json_input::JsonInput;
use super::record_log::RecordPlace;
use super::sqlite_input::SqliteInput;
use crate::batch::{Chunk, RowOrigin, Span};
#[cfg(feature = "arrow")]
use crate::error::FileFormat;
use crate::error::{Kind, PlanError, Position, Result, Warning};
use crate::eval::sqlite::column_limit;
use crate::format::csv::lines::position;
use crate::format::recognize::recognize_zip;
#[cfg(feature = "arrow")]
use crate::format::recognize::{RECOGNIZED_BYTES, recognize};
#[cfg(feature = "arrow")]
use crate::input::{ArrowSource, ArrowStream, Incoming};
use crate::input::{FoundInputs, Input};
use crate::plan::{Delimiter, Dialect, InputOptions, InvalidUtf8, Notation, Plan, Policies, Ragged, Type};
use crate::report::Note;
use crate::schema::input_column::DeclaredType;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Memory for the texts of small members of an archive, in bytes.
const MAX_KEPT_BYTES: usize = 32 << 20;

/// An input whose columns are known.
#[derive(Debug)]
pub(crate) enum RecordSource {
    Csv(CsvInput),
    Json(JsonInput),
    Sqlite(SqliteInput),
    #[cfg(feature = "arrow")]
    Arrow(ArrowInput),
}

impl RecordSource {
    /// Finds the input at `path`, or several if it is an archive, and reads the columns of each. A note of the first one names the
    /// members of an archive that are no inputs.
    ///
    /// # Errors
    /// As [`Input::find`] and [`CsvInput::read`]; [`Kind::NotCsv`].
    pub(crate) fn find(path: &Path, plan: &Plan, stop: &Arc<AtomicBool>) -> Result<Vec<Self>> {
        let (encoding, may_map) = (plan.encoding.as_deref(), plan.input_options.map);
        let found = Input::find(path, encoding, may_map, plan.tuning.jobs, stop)?;
        let FoundInputs { inputs, skipped } = found;
        let members = inputs.iter().filter_map(Input::member_name);
        if !plan.input_options.force
            && let Some(format) = recognize_zip(members)
        {
            return Err(Kind::NotCsv { input: path.to_string_lossy().into(), format }.into());
        }
        let max_columns = max_columns(plan)?;
        let mut kept_bytes = 0;
        let with_columns = |mut input: Input| {
            let open = input.open()?;
            #[cfg(feature = "arrow")]
            if !plan.input_options.force
                && let (start, _) = open.wait(0, RECOGNIZED_BYTES)?
                && let Some(FileFormat::Parquet | FileFormat::Arrow) = recognize(&start)
            {
                match ArrowSource::find(input, &open, &start, plan.tuning.jobs)? {
                    Ok(source) => return ArrowInput::new(source, plan, max_columns, stop).map(Self::Arrow),
                    Err(other) => input = other,
                }
            }
            let json_members = match plan.input_options.force {
                true => None,
                false => JsonInput::find_members(&open, plan)?,
            };
            if let Some(members) = json_members {
                return Ok(Self::Json(JsonInput::new(input, members, plan)));
            }
            kept_bytes += input.keep(open.clone(), MAX_KEPT_BYTES.saturating_sub(kept_bytes));
            CsvInput::read(input, &open, plan, max_columns).map(Self::Csv)
        };
        let mut sources = inputs.into_iter().map(with_columns).collect::<Result<Vec<_>>>()?;
        if let Some(notes) = sources.first_mut().filter(|_| !skipped.is_empty()).and_then(Self::notes_mut) {
            let archive = path.to_string_lossy().into();
            notes.insert(0, Note::SkippedMembers { archive, members: skipped });
        }
        Ok(sources)
    }

    /// The input that consists of a stream of record batches.
    ///
    /// # Errors
    /// [`Kind::TooManyColumns`].
    #[cfg(feature = "arrow")]
    pub(crate) fn of_stream(stream: &Arc<ArrowStream>, plan: &Plan, stop: &Arc<AtomicBool>) -> Result<Self> {
        let source = ArrowSource::Stream(stream.clone());
        ArrowInput::new(source, plan, max_columns(plan)?, stop).map(Self::Arrow)
    }

    /// An input of CSV that is in memory.
    #[cfg(test)]
    pub(crate) fn of_bytes(name: &str, bytes: Vec<u8>, plan: &Plan) -> Self {
        let input = Input::of_bytes(name, bytes);
        let open = input.open().unwrap();
        Self::Csv(CsvInput::read(input, &open, plan, usize::MAX).unwrap())
    }

    /// The name that messages use.
    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => csv.input.name(),
            Self::Sqlite(table) => &table.name,
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => arrow.source.name(),
        }
    }

    /// The names of the columns, followed by those that only other inputs of the load have.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => &csv.header.names,
            Self::Sqlite(table) => &table.names,
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => &arrow.names,
        }
    }

    /// Sets the names of the columns.
    pub(super) fn set_names(&mut self, names: Vec<String>) {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => csv.header.names = names,
            Self::Sqlite(table) => table.names = Arc::new(names),
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => arrow.names = names,
        }
    }

    /// The number of columns of this input; 0 if it is empty.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => csv.header.width,
            Self::Sqlite(table) => table.width,
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => arrow.types.len(),
        }
    }

    /// Notes about the columns for the user.
    pub(crate) fn notes(&self) -> &[Note] {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => &csv.header.notes,
            Self::Sqlite(_) => &[],
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => &arrow.notes,
        }
    }

    /// As [`RecordSource::notes`], to be changed.
    fn notes_mut(&mut self) -> Option<&mut Vec<Note>> {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => Some(&mut csv.header.notes),
            Self::Sqlite(_) => None,
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => Some(&mut arrow.notes),
        }
    }

    /// Takes the notes that are about the members of an archive.
    pub(crate) fn take_notes_about_members(&mut self) -> Vec<Note> {
        let is_about_members = |note: &mut Note| matches!(note, Note::SkippedMembers { .. });
        self.notes_mut().map_or(Vec::new(), |notes| notes.extract_if(.., is_about_members).collect())
    }

    /// What looks wrong about the header.
    fn warnings(&self) -> &[Warning] {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => &csv.header.warnings,
            Self::Sqlite(_) => &[],
            #[cfg(feature = "arrow")]
            Self::Arrow(_) => &[],
        }
    }

    /// Whether the input declares the types of its columns.
    pub(crate) fn declares_types(&self) -> bool {
        match self {
            Self::Csv(_) | Self::Json(_) => false,
            Self::Sqlite(_) => true,
            #[cfg(feature = "arrow")]
            Self::Arrow(_) => true,
        }
    }

    /// The type that the input declares for the column at this index.
    fn declared_type(&self, column: usize) -> DeclaredType {
        match self {
            Self::Csv(_) | Self::Json(_) => {
                let _ = column;
                DeclaredType::Of(Type::Text)
            }
            // Each value has a type of its own.
            Self::Sqlite(_) => DeclaredType::Of(Type::Blob),
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => arrow.types[column].clone(),
        }
    }

    /// The dialect; `None` if the input is not CSV.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        match self {
            Self::Csv(csv) => Some(csv.header.dialect),
            #[cfg(feature = "arrow")]
            Self::Arrow(_) => None,
            Self::Json(_) | Self::Sqlite(_) => None,
        }
    }

    /// The bytes before the records, which rejected records need, too.
    pub(super) fn head(&self) -> &[u8] {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => &csv.header.head,
            Self::Sqlite(_) => &[],
            #[cfg(feature = "arrow")]
            Self::Arrow(_) => &[],
        }
    }

    /// What is known about the input now that it has been read. `skip_footer` records are to be skipped at its end.
    pub(crate) fn late_notes(&self, skip_footer: usize) -> Vec<Note> {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => {
                csv.late_notes(skip_footer).collect()
            }
            Self::Sqlite(_) => Vec::new(),
            #[cfg(feature = "arrow")]
            Self::Arrow(_) => Vec::new(),
        }
    }

    /// The size of the text of the input in bytes; `None` until it is known, and if there is no text.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => csv.input.bytes(),
            // Progress is counted in bytes of text.
            Self::Sqlite(_) => None,
            #[cfg(feature = "arrow")]
            Self::Arrow(_) => None,
        }
    }

    /// The flag that ends the load when it is set.
    pub(super) fn stop(&self) -> &Arc<AtomicBool> {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => csv.input.stop(),
            Self::Sqlite(table) => &table.stop,
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => &arrow.stop,
        }
    }

    /// Identifies the file of the input, and the member if it is an archive; `None` for streams.
    fn file_identity(&self) -> Option<(u64, u64, Option<&str>)> {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => csv.input.file_identity(),
            Self::Sqlite(_) => None,
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => arrow.source.input()?.file_identity(),
        }
    }

    /// False if the records have been read and cannot be read again.
    pub(crate) fn can_be_read(&self) -> bool {
        match self {
            Self::Csv(_) | Self::Json(_) | Self::Sqlite(_) => true,
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => arrow.source.can_be_read(),
        }
    }

    /// The position of a record of `chunk`.
    pub(super) fn position(&self, chunk: &Chunk<'_>, record: RowOrigin) -> Position {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => {
                position(csv.input.name(), chunk, record)
            }
            Self::Sqlite(table) => table.position(chunk, record),
            #[cfg(feature = "arrow")]
            Self::Arrow(arrow) => arrow.position(chunk, record),
        }
    }

    /// The position of a record of an earlier chunk; `None` if the input can no longer be read.
    pub(super) fn position_of(&self, place: RecordPlace) -> Option<Position> {
        match self {
            Self::Csv(csv) | Self::Json(JsonInput { lines: csv, .. }) => csv.position_of(place),
            typed => {
                let span = Span { start: 0, end: 0 };
                Some(typed.position(&place.chunk(&[]), RowOrigin { number: place.number, span }))
            }
        }
    }

    /// The line and the offset of a record behind this many line ends and bytes, if the input has lines.
    pub(super) fn line_and_offset(&self, line_ends: u64, offset: u64) -> Option<(u64, u64)> {
        match self {
            Self::Csv(_) | Self::Json(_) => Some((line_ends + 1, offset)),
            Self::Sqlite(_) => None,
            #[cfg(feature = "arrow")]
            Self::Arrow(_) => None,
        }
    }
}

/// The largest number of columns of an input.
fn max_columns(plan: &Plan) -> Result<usize> {
    if plan.takes_all_columns() { column_limit() } else { Ok(usize::MAX) }
}

/// True if strings in an input may look like numbers without being numbers.
pub(crate) fn distinguishes_strings(inputs: &[RecordSource]) -> bool {
    inputs.iter().any(|input| matches!(input, RecordSource::Json(_)))
}

/// What looks wrong about the files and headers of inputs.
pub(crate) fn header_warnings(inputs: &[RecordSource]) -> Vec<Warning> {
    let mut times = HashMap::new();
    for identity in inputs.iter().filter_map(RecordSource::file_identity) {
        *times.entry(identity).or_insert(0) += 1;
    }
    let mut warnings = Vec::new();
    for input in inputs {
        let times = input.file_identity().and_then(|identity| times.remove(&identity));
        if let Some(times) = times.filter(|times| *times > 1) {
            warnings.push(Warning::SameFile { input: input.name().clone(), times });
        }
    }
    warnings.extend(inputs.iter().flat_map(|input| input.warnings().iter().cloned()));
    warnings
}

/// Notes about the columns of inputs, without repetitions.
pub(crate) fn header_notes(inputs: &[RecordSource]) -> Vec<Note> {
    let mut known = HashSet::new();
    let notes = inputs.iter().flat_map(RecordSource::notes);
    notes.filter(|note| known.insert(*note)).cloned().collect()
}

/// The type that inputs declare for the column `name`. If `may_differ`, that of the first input counts.
///
/// # Errors
/// [`PlanError::UnsupportedType`]; [`PlanError::TypesDiffer`] if the inputs declare several types.
pub(crate) fn declared_type(inputs: &[RecordSource], name: &str, may_differ: bool) -> Result<Type> {
    let mut found: Option<(&RecordSource, Type)> = None;
    for input in inputs {
        let own = &input.names()[..input.width()];
        let Some(at) = own.iter().position(|own| own.eq_ignore_ascii_case(name)) else { continue };
        let (input_name, column) = (input.name().clone(), own[at].clone());
        let to = match input.declared_type(at) {
            DeclaredType::Null => continue,
            DeclaredType::Of(to) => to,
            DeclaredType::Unsupported(name) => {
                return Err(PlanError::UnsupportedType { input: input_name, column, found: name }.into());
            }
        };
        match found {
            Some((first, other)) if other != to && !may_differ => {
                let (first, types) = (first.name().clone(), [other, to]);
                return Err(PlanError::TypesDiffer { input: input_name, first, column, types }.into());
            }
            _ => found = found.or(Some((input, to))),
        }
    }
    Ok(found.map_or(Type::Text, |(_, to)| to))
}

/// Checks that a plan for an input that is not CSV has no setting that is only for CSV.
///
/// # Errors
/// [`PlanError::OnlyForCsv`].
pub(crate) fn check_settings(plan: &Plan, source: &RecordSource) -> Result<()> {
    let Plan { dialect, encoding, input_options, column_names, notation, policies, .. } = plan;
    let Dialect { delimiter, quote, escape, escapes: _, comment, trim } = dialect;
    let InputOptions {
        detect_delimiter, skip_lines, skip_rows, skip_footer, skip_empty, header_mark, ..
    } = input_options;
    let (name, is_binary) = (source.name(), source.declares_types());
    let default = Dialect::default();
    let Policies { ragged, invalid_utf8, .. } = policies;
    let settings = [
        (!detect_delimiter || *delimiter != Delimiter::from(b','), "a delimiter"),
        (*quote != default.quote, "a quote character"),
        (escape.is_some(), "an escape character"),
        (comment.is_some(), "a prefix of comments"),
        (*trim, "removing blanks around fields"),
        (encoding.is_some() && is_binary, "a text encoding"),
        (*skip_lines > 0, "skipping lines"),
        (!column_names.is_empty() && is_binary, "naming the columns"),
        (input_options.header_rows != 1 && column_names.is_empty(), "the number of header records"),
        (header_mark.is_some(), "a mark of the header"),
        (*skip_rows > 0, "skipping records after the header"),
        (*skip_footer > 0, "skipping records at the end"),
        (*skip_empty, "skipping empty records"),
        (*notation != Notation::default(), "a notation of numbers"),
        (*ragged != Ragged::Reject, "a policy for records with missing fields"),
        (*invalid_utf8 != InvalidUtf8::Reject, "a policy for invalid UTF-8"),
    ];
    match settings.into_iter().find(|(is_set, _)| *is_set) {
        Some((_, setting)) => Err(PlanError::OnlyForCsv { input: name.clone(), setting }.into()),
        None => Ok(()),
    }
}
