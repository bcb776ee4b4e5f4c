//! The inputs of a load: opened one after the other, cut into chunks, and the programs that make rows of them.

#[cfg(feature = "arrow")]
use super::arrow_input::ArrowInput;
use super::csv_input::CsvInput;
use super::encoded_batch::OpenChunk;
use super::input_worker::InputWorker;
use super::json_input::JsonInput;
use super::record_log::RecordLog;
use super::source::RecordSource;
use super::sqlite_input::{SqliteInput, SqliteReader};
use super::worker::Worker;
use crate::batch::Chunk;
use crate::error::{Kind, Position, Result};
use crate::eval::{Program, Seed};
#[cfg(feature = "arrow")]
use crate::format::arrow::rows::ArrowRows;
use crate::format::csv::footer::{WithoutFooter, first_records};
use crate::input::OpenInput;
use crate::plan::{ColumnRef, Plan, Table};
use bytes::Bytes;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Gives all inputs the columns of all of them, if `union_by_name`, each spelled as in the first input that has it.
///
/// # Errors
/// [`Kind::HeaderDiffers`] without `union_by_name`, if an input does not have the columns of the first. Case does not matter
/// (of ASCII letters, as in SQLite).
pub(crate) fn unify_columns(inputs: &mut [RecordSource], union_by_name: bool) -> Result<()> {
    let Some((first, others)) = inputs.split_first() else { return Ok(()) };
    if others.iter().all(|input| input.names() == first.names()) {
        return Ok(());
    }
    let first_width = first.names().len();
    let (first_name, mut all) = (first.name().clone(), first.names().to_vec());
    let mut places: HashMap<_, _> = all.iter().map(|name| name.to_ascii_lowercase()).zip(0..).collect();
    for input in others.iter().filter(|input| input.names() != first.names()) {
        let mut is_missing = vec![true; first_width];
        let mut extra = Vec::new();
        for name in input.names() {
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
    for input in inputs {
        if input.names() == all {
            continue;
        }
        let own: Vec<_> = input.names().iter().map(|name| places[&name.to_ascii_lowercase()]).collect();
        let is_own: HashSet<_> = own.iter().copied().collect();
        let absent = (0..all.len()).filter(|at| !is_own.contains(at));
        input.set_names(own.iter().copied().chain(absent).map(|at| all[at].clone()).collect());
    }
    Ok(())
}

/// The inputs of a load, and the programs that make rows of their records.
#[derive(Debug)]
pub(crate) struct Inputs<'s> {
    pub(crate) list: &'s [RecordSource],
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
    pub(crate) fn new(list: &'s [RecordSource], plan: &'s Plan, table: &Table, seed: Seed) -> Result<Self> {
        for ColumnRef { column, place, .. } in
            plan.column_refs.iter().filter(|mention| mention.is_boolean_literal)
        {
            let mut names = list.iter().flat_map(RecordSource::names);
            if names.any(|name| name.eq_ignore_ascii_case(column)) {
                let reason = format!("a column is called {column}: write \"{column}\" for it, or 1 or 0");
                return Err(Kind::Sql { place: place.clone(), reason }.into());
            }
        }
        let (mut programs, mut known, mut program_of_input) = (Vec::new(), HashMap::new(), Vec::new());
        for input in list {
            let names = input.names();
            let number = *known.entry(names).or_insert(programs.len());
            if number == programs.len() {
                let evaluators = plan.tuning.evaluator;
                let conditions = (plan.conditions.as_slice(), plan.checks.as_slice());
                let program =
                    Program::with_conditions(table, conditions, evaluators, names, input.name(), seed);
                let program = program.map_err(|error| error.with_place(&plan.column_refs))?;
                if program.counts_lines() && input.declares_types() {
                    let message = format!("line_number(): {} has no lines", input.name());
                    return Err(Kind::Usage(message).into());
                }
                programs.push(program.with_stop(input.stop().clone()));
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
    pub(super) fn worker(&self, number: usize) -> InputWorker<'_> {
        let program = &self.programs[self.program_of_input[number]];
        match &self.list[number] {
            RecordSource::Csv(CsvInput { header, .. }) => InputWorker::Csv(Box::new(
                Worker::new(program, header.dialect, header.width)
                    .with_header(&header.first, header.line_end)
                    .with_policies(&self.plan.policies)
                    .with_skip_empty(self.plan.input_options.skip_empty),
            )),
            RecordSource::Json(JsonInput { lines: CsvInput { header, .. }, members }) => {
                InputWorker::Json(Box::new(Worker::of_json(program, header.dialect, members)))
            }
            RecordSource::Sqlite(_) => InputWorker::Typed(Box::new(Worker::of_typed(program))),
            #[cfg(feature = "arrow")]
            RecordSource::Arrow(_) => InputWorker::Typed(Box::new(Worker::of_typed(program))),
        }
    }

    /// Whether the worker of one input can take the chunks of another.
    pub(super) fn has_same_worker(&self, one: usize, other: usize) -> bool {
        let has_same_format = match [one, other].map(|number| &self.list[number]) {
            [RecordSource::Csv(one), RecordSource::Csv(other)] => one.has_same_format(other),
            [RecordSource::Json(one), RecordSource::Json(other)] => one.members == other.members,
            [RecordSource::Sqlite(_), RecordSource::Sqlite(_)] => true,
            #[cfg(feature = "arrow")]
            [RecordSource::Arrow(_), RecordSource::Arrow(_)] => true,
            _ => false,
        };
        self.program_of_input[one] == self.program_of_input[other] && has_same_format
    }

    /// Cuts one input after the other into chunks, until `take` breaks or the plan wants no more records. Inputs that are
    /// unpacked, and tables, are opened when it is nearly their turn, at most `ahead` before. Returns the bytes that were read.
    ///
    /// # Errors
    /// As [`Input::open`] and the split; [`Kind::InputChanged`].
    pub(super) fn split(
        &self,
        ahead: usize,
        mut take: impl FnMut(OpenChunk) -> ControlFlow<()>,
    ) -> Result<u64> {
        let mut opened = VecDeque::new();
        let mut unpacked = self.list.iter().enumerate().filter_map(|(number, source)| match source {
            RecordSource::Csv(csv) | RecordSource::Json(JsonInput { lines: csv, .. }) => {
                csv.input.is_decoded().then_some((number, csv))
            }
            RecordSource::Sqlite(_) => None,
            #[cfg(feature = "arrow")]
            RecordSource::Arrow(_) => None,
        });
        let mut tables = self.start_tables(ahead);
        let (mut records, mut bytes) = (0, 0);
        for (number, source) in self.list.iter().enumerate() {
            if records >= self.max_records() {
                break;
            }
            while opened.len() <= ahead {
                let Some((number, next)) = unpacked.next() else { break };
                // An error matters only when it is the turn of the input.
                opened.push_back((number, next.input.open()));
            }
            let (split_records, split_bytes, flow) = match source {
                RecordSource::Csv(csv) | RecordSource::Json(JsonInput { lines: csv, .. }) => {
                    let file = match opened.pop_front() {
                        Some((next, file)) if next == number => file?,
                        next => {
                            next.into_iter().for_each(|next| opened.push_front(next));
                            csv.input.open()?
                        }
                    };
                    self.split_csv((number, csv), &file, records, &mut take)?
                }
                RecordSource::Sqlite(table) => {
                    let Some(reader) = tables.next() else { break };
                    let (split_records, flow) = self.split_table((number, reader?), records, &mut take)?;
                    (split_records, table.bytes(), flow)
                }
                #[cfg(feature = "arrow")]
                RecordSource::Arrow(arrow) => {
                    let (split_records, flow) = self.split_arrow((number, arrow), records, &mut take)?;
                    (split_records, arrow.source.bytes().unwrap_or_default(), flow)
                }
            };
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

    /// Cuts a CSV input into chunks. Returns the records and bytes that were read, and how `take` ended.
    fn split_csv(
        &self,
        (number, CsvInput { header, too_few_records, .. }): (usize, &CsvInput),
        file: &Arc<OpenInput>,
        records_before: u64,
        take: &mut impl FnMut(OpenChunk) -> ControlFlow<()>,
    ) -> Result<(u64, u64, ControlFlow<()>)> {
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
            let _ = too_few_records.set(records);
        }
        if chunks == 0 {
            file.check()?;
        }
        Ok((records, bytes, flow))
    }

    /// The readers of all tables in order, which are started this many before their turn.
    fn start_tables(&self, ahead: usize) -> impl Iterator<Item = Result<SqliteReader>> {
        let mut tables = self.list.iter().filter_map(|source| match source {
            RecordSource::Sqlite(table) => Some(table),
            _ => None,
        });
        let mut started = VecDeque::new();
        std::iter::from_fn(move || {
            while started.len() <= ahead {
                let Some(table) = tables.next() else { break };
                started.push_back(SqliteInput::start(table, self.plan.tuning.chunk_bytes));
            }
            started.pop_front()
        })
    }

    /// Passes on the chunks of a table. Returns the records that were read, and how `take` ended.
    fn split_table(
        &self,
        (number, reader): (usize, SqliteReader),
        records_before: u64,
        take: &mut impl FnMut(OpenChunk) -> ControlFlow<()>,
    ) -> Result<(u64, ControlFlow<()>)> {
        let (mut records, mut flow) = (0, ControlFlow::Continue(()));
        reader.split((number, records_before), |chunk, rows| {
            records += chunk.records as u64;
            flow = take(OpenChunk::of_rows(chunk, rows));
            flow
        })?;
        Ok((records, flow))
    }

    /// Cuts record batches into chunks. Returns the records that were read, and how `take` ended.
    #[cfg(feature = "arrow")]
    fn split_arrow(
        &self,
        (number, arrow): (usize, &ArrowInput),
        records_before: u64,
        take: &mut impl FnMut(OpenChunk) -> ControlFlow<()>,
    ) -> Result<(u64, ControlFlow<()>)> {
        let most = self.max_records() - records_before;
        let (mut records, mut chunks, mut flow) = (0, 0, ControlFlow::Continue(()));
        arrow.split((number, records_before), (self.plan, &self.columns_read(number)), |chunk, batch| {
            let wanted = usize::try_from(most - records).unwrap_or(usize::MAX).min(chunk.records);
            records += wanted as u64;
            chunks += 1;
            let rows = ArrowRows { batch: batch.slice(0, wanted) };
            flow = take(OpenChunk::of_rows(Chunk { records: wanted, ..chunk }, rows));
            match records < most && chunks < self.max_chunks {
                true => flow,
                false => ControlFlow::Break(()),
            }
        })?;
        Ok((records, flow))
    }

    /// The columns of an input that are read: those that values are computed from, or all if rejected records are kept.
    #[cfg(feature = "arrow")]
    fn columns_read(&self, number: usize) -> Vec<usize> {
        let width = self.list[number].width();
        let used = self.programs[self.program_of_input[number]].columns_read();
        let keeps_rejects = self.plan.policies.rejects.is_some();
        (0..width).filter(|at| keeps_rejects || used.contains(at)).collect()
    }

    /// Whether no input has more chunks than this.
    ///
    /// # Errors
    /// As the split.
    pub(crate) fn fits_in_chunks(&self, chunks: usize) -> Result<bool> {
        for source in self.list {
            let mut count = 0;
            let mut take = || {
                count += 1;
                if count > chunks { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            match source {
                RecordSource::Csv(csv) | RecordSource::Json(JsonInput { lines: csv, .. }) => {
                    let CsvInput { input, header, .. } = csv;
                    let file = input.open()?;
                    let split = header.split(file.name(), &*file, self.plan, 0)?;
                    split.for_each_chunk(&*file, |_, _| take())?;
                }
                // No types are inferred from them.
                RecordSource::Sqlite(_) => {}
                #[cfg(feature = "arrow")]
                RecordSource::Arrow(arrow) => arrow.split((0, 0), (self.plan, &[]), |_, _| take())?,
            }
            if count > chunks {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The positions of the records of earlier rows; nothing if the inputs can no longer be read.
    pub(crate) fn positions(&self, rows: &[u64], log: &RecordLog) -> Vec<Position> {
        let positions = rows.iter().map(|row| {
            let place = log.find(*row)?;
            self.list[place.input].position_of(place)
        });
        let positions: Option<Vec<_>> = positions.collect();
        positions.unwrap_or_default()
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
            let found = paths.iter().map(|path| RecordSource::find(path, &plan, &Arc::default()).unwrap());
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
