//! The inputs of a load: opened one after the other, cut into chunks, and the programs that make rows of them.

use super::encoded_batch::OpenChunk;
use super::record_log::{RecordLog, RecordPlace};
use super::worker::Worker;
use crate::batch::{Chunk, RowOrigin, Span};
use crate::error::{Error, Kind, Position, Result, Warning};
use crate::eval::sqlite::column_limit;
use crate::eval::{Program, Seed};
use crate::format::csv::footer::{WithoutFooter, first_records};
use crate::format::csv::header::Header;
use crate::format::csv::lines::position;
use crate::format::csv::parse::RecordParser;
use crate::format::recognize::recognize_zip;
use crate::input::{FoundInputs, Input, OpenInput};
use crate::plan::{ColumnRef, Plan, Table};
use crate::report::Note;
use bytes::Bytes;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

/// A CSV input whose header has been read.
#[derive(Debug)]
pub(crate) struct CsvInput {
    input: Input,
    pub(crate) header: Header,
    /// The number of its records, once it turns out that the footer to skip has more.
    too_few_records: OnceLock<u64>,
}

/// Memory for the texts of small members of an archive, in bytes.
const MAX_KEPT_BYTES: usize = 32 << 20;

impl CsvInput {
    /// Finds the input at `path`, or several if it is an archive, and reads the header of each. A note of the first one names the
    /// members of an archive that are no inputs.
    ///
    /// # Errors
    /// As [`Input::find`] and [`Header::read`]; [`Kind::NotCsv`].
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
        let max_columns = if plan.takes_all_columns() { column_limit()? } else { usize::MAX };
        let mut kept_bytes = 0;
        let with_header = |mut input: Input| {
            let open = input.open()?;
            let header = Header::read(input.name(), &*open, plan, max_columns)?;
            kept_bytes += input.keep(open, MAX_KEPT_BYTES.saturating_sub(kept_bytes));
            Ok(Self { input, header, too_few_records: OnceLock::new() })
        };
        let mut inputs = inputs.into_iter().map(with_header).collect::<Result<Vec<_>>>()?;
        if let Some(first) = inputs.first_mut().filter(|_| !skipped.is_empty()) {
            let archive = path.to_string_lossy().into();
            first.header.notes.insert(0, Note::SkippedMembers { archive, members: skipped });
        }
        Ok(inputs)
    }

    /// An input that is in memory.
    #[cfg(test)]
    pub(crate) fn of_bytes(name: &str, bytes: Vec<u8>, plan: &Plan) -> Self {
        let input = Input::of_bytes(name, bytes);
        let header = Header::read(input.name(), &*input.open().unwrap(), plan, usize::MAX).unwrap();
        Self { input, header, too_few_records: OnceLock::new() }
    }

    /// The name that messages use.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.input.name()
    }

    /// What is known about the input now that it has been read. `skip_footer` records are to be skipped at its end.
    pub(crate) fn late_notes(&self, skip_footer: usize) -> impl Iterator<Item = Note> {
        let garbage = self.input.has_trailing_garbage();
        let garbage =
            garbage.then(|| Note::TrailingGarbage { file: self.input.path().to_string_lossy().into() });
        let skipped_all = self.too_few_records.get().map(|records| Note::SkippedAll {
            input: self.name().clone(),
            records: *records,
            skipped: skip_footer as u64,
            is_footer: true,
        });
        garbage.into_iter().chain(skipped_all)
    }

    /// As [`Input::bytes`].
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.input.bytes()
    }
}

/// What looks wrong about the files and headers of inputs.
pub(crate) fn header_warnings(inputs: &[CsvInput]) -> Vec<Warning> {
    let mut times = HashMap::new();
    for identity in inputs.iter().filter_map(|input| input.input.file_identity()) {
        *times.entry(identity).or_insert(0) += 1;
    }
    let mut warnings = Vec::new();
    for input in inputs {
        let times = input.input.file_identity().and_then(|identity| times.remove(&identity));
        if let Some(times) = times.filter(|times| *times > 1) {
            warnings.push(Warning::SameFile { input: input.name().clone(), times });
        }
    }
    warnings.extend(inputs.iter().flat_map(|input| input.header.warnings.iter().cloned()));
    warnings
}

/// Notes about the headers of inputs, without repetitions.
pub(crate) fn header_notes(inputs: &[CsvInput]) -> Vec<Note> {
    let mut known = HashSet::new();
    let notes = inputs.iter().flat_map(|input| &input.header.notes);
    notes.filter(|note| known.insert(*note)).cloned().collect()
}

/// Gives all inputs the columns of all of them, if `union_by_name`, each spelled as in the first input that has it.
///
/// # Errors
/// [`Kind::HeaderDiffers`] without `union_by_name`, if an input does not have the columns of the first. Case does not matter
/// (of ASCII letters, as in SQLite).
pub(crate) fn unify_columns(inputs: &mut [CsvInput], union_by_name: bool) -> Result<()> {
    let Some((first, others)) = inputs.split_first() else { return Ok(()) };
    if others.iter().all(|input| input.header.names == first.header.names) {
        return Ok(());
    }
    let first_width = first.header.names.len();
    let (first_name, mut all) = (first.name().clone(), first.header.names.clone());
    let mut places: HashMap<_, _> = all.iter().map(|name| name.to_ascii_lowercase()).zip(0..).collect();
    for input in others.iter().filter(|input| input.header.names != first.header.names) {
        let mut is_missing = vec![true; first_width];
        let mut extra = Vec::new();
        for name in &input.header.names {
            let at = *places.entry(name.to_ascii_lowercase()).or_insert(all.len());
            if at == all.len() {
                all.push(name.clone());
            }
            match is_missing.get_mut(at) {
                Some(is_missing) => *is_missing = false,
                None => extra.push(name.clone()),
            }
        }
        let missing = all.iter().zip(is_missing).filter(|(_, is_missing)| *is_missing);
        let missing: Vec<_> = missing.map(|(name, _)| name.clone()).collect();
        if !(union_by_name || missing.is_empty() && extra.is_empty()) {
            let input = input.name().clone();
            return Err(Kind::HeaderDiffers { input, first: first_name, missing, extra }.into());
        }
    }
    for CsvInput { header, .. } in inputs {
        if header.names == all {
            continue;
        }
        let own: Vec<_> = header.names.iter().map(|name| places[&name.to_ascii_lowercase()]).collect();
        let is_own: HashSet<_> = own.iter().copied().collect();
        let absent = (0..all.len()).filter(|at| !is_own.contains(at));
        header.names = own.iter().copied().chain(absent).map(|at| all[at].clone()).collect();
    }
    Ok(())
}

/// The inputs of a load, and the programs that make rows of their records.
#[derive(Debug)]
pub(crate) struct Inputs<'s> {
    pub(crate) list: &'s [CsvInput],
    pub(crate) plan: &'s Plan,
    programs: Vec<Program>,
    /// For each input the number of its program. Inputs with the same header share one.
    program_of_input: Vec<usize>,
    /// At most this many chunks of each input are read.
    max_chunks: usize,
}

impl<'s> Inputs<'s> {
    /// Compiles the programs that make rows of `table`.
    ///
    /// # Errors
    /// As [`Program::with_conditions`]; [`Kind::Sql`] if a column is called as a constant that SQL uses.
    pub(crate) fn new(list: &'s [CsvInput], plan: &'s Plan, table: &Table, seed: Seed) -> Result<Self> {
        for ColumnRef { column, place, .. } in
            plan.column_refs.iter().filter(|mention| mention.is_boolean_literal)
        {
            let mut names = list.iter().flat_map(|input| &input.header.names);
            if names.any(|name| name.eq_ignore_ascii_case(column)) {
                let reason = format!("a column is called {column}: write \"{column}\" for it, or 1 or 0");
                return Err(Kind::Sql { place: place.clone(), reason }.into());
            }
        }
        let (mut programs, mut known, mut program_of_input) = (Vec::new(), HashMap::new(), Vec::new());
        for input in list {
            let names = &input.header.names;
            let number = *known.entry(names).or_insert(programs.len());
            if number == programs.len() {
                let evaluators = plan.tuning.evaluator;
                let conditions = (plan.conditions.as_slice(), plan.checks.as_slice());
                let program =
                    Program::with_conditions(table, conditions, evaluators, names, input.name(), seed);
                let program = program.map_err(|error| error.with_place(&plan.column_refs))?;
                programs.push(program.with_stop(input.input.stop().clone()));
            }
            program_of_input.push(number);
        }
        Ok(Self { list, plan, programs, program_of_input, max_chunks: usize::MAX })
    }

    /// The same, with at most `max_chunks` chunks of each input.
    pub(crate) fn with_max_chunks(self, max_chunks: usize) -> Self {
        Self { max_chunks, ..self }
    }

    /// The names of the inputs.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        self.list.iter().map(|input| input.name().clone()).collect()
    }

    /// A worker for an input. It can take the chunks of another if [`Inputs::has_same_worker`].
    pub(super) fn worker(&self, number: usize) -> Worker<'_> {
        let header = &self.list[number].header;
        let program = &self.programs[self.program_of_input[number]];
        Worker::new(program, header.dialect, header.width)
            .with_header(&header.first, header.ends_with_cr)
            .with_policies(&self.plan.policies)
            .with_skip_empty(self.plan.input_options.skip_empty)
    }

    /// Whether the worker of one input can take the chunks of another.
    pub(super) fn has_same_worker(&self, one: usize, other: usize) -> bool {
        let [one_header, other_header] = [one, other].map(|number| &self.list[number].header);
        self.program_of_input[one] == self.program_of_input[other]
            && (one_header.dialect, one_header.width) == (other_header.dialect, other_header.width)
            && (&one_header.first, one_header.ends_with_cr)
                == (&other_header.first, other_header.ends_with_cr)
    }

    /// Cuts one input after the other into chunks, until `take` breaks or the plan wants no more records. Inputs that are
    /// unpacked are opened when it is nearly their turn, at most `ahead` before. Returns the bytes that were read.
    ///
    /// # Errors
    /// As [`Input::open`] and the split; [`Kind::InputChanged`].
    pub(super) fn split(
        &self,
        ahead: usize,
        mut take: impl FnMut(OpenChunk) -> ControlFlow<()>,
    ) -> Result<u64> {
        let mut opened = VecDeque::new();
        let mut unpacked = self.list.iter().enumerate().filter(|(_, input)| input.input.is_decoded());
        let (mut records, mut bytes) = (0, 0);
        for (number, input) in self.list.iter().enumerate() {
            if records >= self.max_records() {
                break;
            }
            while opened.len() <= ahead {
                let Some((number, next)) = unpacked.next() else { break };
                // An error matters only when it is the turn of the input.
                opened.push_back((number, next.input.open()));
            }
            let file = match opened.pop_front() {
                Some((next, file)) if next == number => file?,
                next => {
                    next.into_iter().for_each(|next| opened.push_front(next));
                    input.input.open()?
                }
            };
            let (split_records, split_bytes, flow) = self.split_input(number, &file, records, &mut take)?;
            records += split_records;
            bytes += split_bytes;
            if flow.is_break() {
                break;
            }
        }
        Ok(bytes)
    }

    /// The number of records after which the load ends.
    fn max_records(&self) -> u64 {
        self.plan.input_options.max_records.unwrap_or(u64::MAX)
    }

    /// Cuts an input into chunks. Returns the records and bytes that were read, and how `take` ended.
    fn split_input(
        &self,
        number: usize,
        file: &Arc<OpenInput>,
        records_before: u64,
        take: &mut impl FnMut(OpenChunk) -> ControlFlow<()>,
    ) -> Result<(u64, u64, ControlFlow<()>)> {
        let header = &self.list[number].header;
        let most = self.max_records() - records_before;
        let (mut records, mut chunks) = (0, 0);
        // A truncated file reads as zeros: that it was truncated is the better error.
        let checked = |error| file.check().err().unwrap_or(error);
        let split = header.split(file.name(), &**file, self.plan, records_before).map_err(checked)?;
        let mut bytes = split.offset() as u64;
        let mut flow = ControlFlow::Continue(());
        let take = |chunk: Chunk<'_>, window: &Bytes| {
            let wanted = usize::try_from(most - records).unwrap_or(usize::MAX);
            let chunk = Chunk { input: number, ..first_records(chunk, wanted, header.dialect) };
            records += chunk.records as u64;
            bytes = chunk.offset + chunk.bytes.len() as u64;
            chunks += 1;
            flow = take(OpenChunk::new(file.clone(), chunk, window));
            match records < most && chunks < self.max_chunks {
                true => flow,
                false => ControlFlow::Break(()),
            }
        };
        let split = WithoutFooter::new(split, header.dialect, self.plan.input_options.skip_footer);
        if let Some(records) = split.for_each_chunk(&**file, take).map_err(checked)? {
            let _ = self.list[number].too_few_records.set(records);
        }
        if chunks == 0 {
            file.check()?;
        }
        Ok((records, bytes, flow))
    }

    /// Whether no input has more chunks than this.
    ///
    /// # Errors
    /// As the split.
    pub(crate) fn fits_in_chunks(&self, chunks: usize) -> Result<bool> {
        for input in self.list {
            let file = input.input.open()?;
            let split = input.header.split(file.name(), &*file, self.plan, 0)?;
            let mut count = 0;
            split.for_each_chunk(&*file, |_, _| {
                count += 1;
                if count > chunks { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if count > chunks {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The positions of the records of earlier rows; nothing if the inputs can no longer be read.
    pub(crate) fn positions(&self, rows: &[u64], log: &RecordLog) -> Vec<Position> {
        let positions = rows.iter().map(|row| self.position_of(log.find(*row)?));
        let positions: Option<Vec<_>> = positions.collect();
        positions.unwrap_or_default()
    }

    fn position_of(&self, place: RecordPlace) -> Option<Position> {
        let input = &self.list[place.input];
        let log = |error: &Error| tracing::debug!("{}: cannot find a record again: {error}", input.name());
        let file = input.input.open().inspect_err(log).ok()?;
        let bytes = file.slice(place.bytes()).inspect_err(log).ok()?;
        let chunk = place.chunk(&bytes);
        let mut records = RecordParser::new(&bytes, input.header.dialect);
        let mut ranges = std::iter::from_fn(|| records.next_into(&mut Vec::new()));
        let range = ranges.nth(place.number as usize)?;
        let span = Span { start: range.start as u32, end: range.end as u32 };
        Some(position(input.name(), &chunk, RowOrigin { number: place.number, span }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Column, Expr};

    #[test]
    fn inputs_behind_the_limit_are_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let csv = "a\n1\n2\n3\n";
        let utf16: Vec<u8> = format!("\u{feff}{csv}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        // The second one is decoded, so it is opened ahead of its turn.
        for second in [csv.as_bytes(), &utf16] {
            let paths = ["first.csv", "second.csv"].map(|name| directory.path().join(name));
            std::fs::write(&paths[0], csv).unwrap();
            std::fs::write(&paths[1], second).unwrap();
            let column = Column::new("a", "TEXT", Expr::Field("a".into()));
            let mut plan = Plan::new(Table::new("t", vec![column]));
            let found = paths.iter().map(|path| CsvInput::find(path, &plan, &Arc::default()).unwrap());
            let list: Vec<_> = found.flatten().collect();
            std::fs::remove_file(&paths[1]).unwrap();
            for (limit, is_loaded) in [(1, true), (3, true), (4, false)] {
                plan.input_options.max_records = Some(limit);
                let inputs = Inputs::new(&list, &plan, &plan.table, Seed::fixed(1)).unwrap();
                let mut records = 0;
                let split = inputs.split(2, |chunk| {
                    records += chunk.get().records as u64;
                    ControlFlow::Continue(())
                });
                assert_eq!((split.is_ok(), records), (is_loaded, limit.min(3)));
            }
        }
    }
}
