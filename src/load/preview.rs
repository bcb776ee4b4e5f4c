//! Previews a load: tries the first records in memory.

use super::attempt::{ExactColumns, into_error};
use super::choice::choose;
use super::explain::explanation;
use super::fill::FillFailure;
use super::resolve::{ResolvedPlan, SAMPLE_CHUNKS};
use super::tables::{LoadInputs, TablePlan};
use super::{Conductor, record_warnings, total_bytes};
use crate::database::{DryRun, check_path};
use crate::engine::inputs::Inputs;
use crate::engine::output::PipelineFailure;
use crate::engine::pipeline::PipelineRunner;
use crate::engine::record_log::RecordLog;
use crate::engine::rejects::{Rejects, RejectsFrom};
use crate::engine::source::header_warnings;
use crate::engine::timers::StageTimers;
use crate::error::{Error, Kind, Result};
use crate::eval::Seed;
use crate::files::staged::directory_of;
use crate::plan::{Plan, Policies, Table};
use crate::report::{Note, Preview, Progress, ReportColumn};
use crate::write::direct::Schema;
use crate::write::statements::Statements;
use std::sync::Arc;

/// Rows to show.
const MAX_ROWS: u32 = 5;

/// Characters of a value to show.
const MAX_CHARS: u32 = 40;

impl Conductor<'_> {
    /// Loads the first records into memory, and reports what a load would do. Changes nothing, and creates no file.
    pub(crate) fn preview(self) -> Result<Preview> {
        check_path(self.database, self.inputs)?;
        self.with_inputs(|inputs| {
            let mut exact_columns = ExactColumns::new();
            loop {
                match self.try_preview(inputs, &exact_columns) {
                    Err(FillFailure { table, failure: PipelineFailure::MixedSpellings { mut columns } }) => {
                        exact_columns.entry(table).or_default().append(&mut columns);
                    }
                    preview => return preview.map_err(|failure| into_error(failure.failure)),
                }
            }
        })
    }

    /// As [`Conductor::preview`], with these columns taking only numbers that can be given back one by one.
    fn try_preview(self, inputs: &LoadInputs, exact_columns: &ExactColumns) -> Result<Preview, FillFailure> {
        let resolved = self.resolve_exact(inputs, false, exact_columns)?;
        let all: Vec<_> = resolved.iter().map(|resolved| &resolved.plan.table).collect();
        // A preview goes on past records that would end the load, and writes no rejects.
        let policies = Policies { rejects: None, ..self.plan.policies.clone() };
        let mut rejects = Rejects::preview(&policies, &inputs.list)?;
        let (mut previews, mut accepted) = (Vec::new(), 0);
        for (number, (table, resolved)) in inputs.tables.iter().zip(&resolved).enumerate() {
            let preview = self.preview_table((inputs, table), resolved, &all, &mut rejects);
            if !matches!(preview, Ok(_) | Err(PipelineFailure::MixedSpellings { .. })) {
                rejects.log_first();
            }
            let mut preview = preview.map_err(|failure| FillFailure { table: number, failure })?;
            // Records that were not tried may be loaded.
            accepted += if preview.is_complete { accepted_records(&preview) } else { 1 };
            let is_last = number + 1 == inputs.tables.len();
            preview.failure = rejects.failure(if is_last { accepted } else { 1 }).map(Arc::new);
            previews.push(preview);
        }
        rejects.log_first();
        self.progress.set_first_rejects(rejects.take_first());
        let mut previews = previews.into_iter();
        let Some(mut first) = previews.next() else {
            return Err(Error::from(Kind::Internal("the load has no table".to_owned())).into());
        };
        first.notes.splice(0..0, self.late_notes(inputs).into_iter().chain(inputs.notes.iter().cloned()));
        first.warnings.splice(0..0, header_warnings(&inputs.list));
        Ok(Preview { other_tables: previews.collect(), ..first })
    }

    /// The preview of a table, which is one of `tables`, those that the load fills.
    fn preview_table(
        self,
        (load, table_plan): (&LoadInputs, &TablePlan),
        resolved: &ResolvedPlan,
        tables: &[&Table],
        rejects: &mut Rejects<'_>,
    ) -> Result<Preview, PipelineFailure> {
        let (jobs, list) = (self.jobs(), load.of_table(table_plan));
        let Plan { table, tuning, .. } = &resolved.plan;
        // All inputs together are to fit in memory.
        let max_chunks = (SAMPLE_CHUNKS / list.len().max(1)).max(1);
        let inputs = Inputs::new(list, &resolved.plan, table, Seed::fixed(0))?.with_max_chunks(max_chunks);
        let dry_run = DryRun::open(self.database, table, tables, tuning)?;
        let choice = choose(tuning.writer, dry_run.statements_reason, || {
            Schema::check(table, &dry_run.connection, dry_run.table_exists, &dry_run.path)
        })?;

        let (progress, timers) = (Progress::default(), StageTimers::default());
        let pipeline = PipelineRunner { jobs, progress: &progress, stop: self.stop, timers: &timers };
        let mut writer = Statements::new(&dry_run.connection, &dry_run.path, table, tuning.batch_rows)?;
        let mut rejects = RejectsFrom { rejects, first_input: table_plan.inputs.start };
        let mut log = RecordLog::default();
        let counts = pipeline.run(&inputs, &mut writer, &mut rejects, &mut log)?;
        let max_records = self.plan.input_options.max_records;
        let is_limit_reached = max_records.is_some_and(|most| counts.records >= most);
        let is_all = is_limit_reached || inputs.fits_in_chunks(max_chunks)?;
        let unfinished = pipeline.finish(writer, &inputs, &log)?;
        let rows = dry_run.rows(table, MAX_ROWS, MAX_CHARS)?;
        let tried_bytes = dry_run.finish_schema(&unfinished)?;
        let estimated_bytes = match (is_all, max_records) {
            (true, _) => Some(tried_bytes),
            (false, Some(most)) => scaled(tried_bytes, most, counts.records),
            (false, None) => total_bytes(list).and_then(|all| scaled(tried_bytes, all, progress.bytes())),
        };
        let columns = ReportColumn::list(&table.columns, &counts.type_feedback);
        let free = rustix::fs::statvfs(directory_of(&dry_run.path));
        Ok(Preview {
            inputs: list.iter().map(|source| (source.name().to_string(), source.dialect())).collect(),
            database: self.database.to_owned(),
            table: table.name.clone(),
            notes: resolved.notes.iter().cloned().chain(Note::number_formats(&columns)).collect(),
            replaced: dry_run.replaced,
            warnings: record_warnings(list, &counts.oddities),
            table_exists: dry_run.table_exists,
            statements: [dry_run.statements, table.final_statements.clone()].concat(),
            explanation: (!resolved.plan.column_refs.is_empty()).then(|| explanation(resolved)),
            rows,
            records: counts.records,
            rejected: counts.rejected,
            filtered: counts.filtered,
            skipped: counts.skipped,
            ignored: counts.ignored,
            failure: None,
            is_complete: is_all,
            types_may_change: resolved.is_guess && !is_all,
            writer: choice.name(),
            writer_reason: choice.reason(),
            estimated_bytes,
            other_tables: Vec::new(),
            free_bytes: free.ok().map(|space| space.f_bavail * space.f_frsize),
        })
    }
}

/// The tried records that would be loaded or ignored.
fn accepted_records(preview: &Preview) -> u64 {
    preview.records - preview.rejected - preview.filtered - preview.skipped
}

/// Extrapolates `bytes`, measured on `part`, to `all`.
fn scaled(bytes: u64, all: u64, part: u64) -> Option<u64> {
    (part > 0).then(|| (bytes as f64 * (all as f64 / part as f64)) as u64)
}
