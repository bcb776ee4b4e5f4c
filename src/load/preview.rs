//! Previews a load: tries the first records in memory.

use super::attempt::{into_error, skips_bad_rows};
use super::choice::{ChosenWriter, choose};
use super::explain::explanation;
use super::resolve::SAMPLE_CHUNKS;
use super::{Conductor, total_bytes, warnings};
use crate::database::{DryRun, check_path};
use crate::engine::inputs::{CsvInput, Inputs};
use crate::engine::output::PipelineFailure;
use crate::engine::pipeline::PipelineRunner;
use crate::engine::record_log::RecordLog;
use crate::engine::rejects::Rejects;
use crate::engine::timers::StageTimers;
use crate::error::Result;
use crate::eval::Seed;
use crate::files::staged::directory_of;
use crate::plan::{Plan, Policies};
use crate::report::{Note, Preview, Progress, ReportColumn};
use crate::schema::table;
use crate::write::statements::Statements;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows to show.
const MAX_ROWS: u32 = 5;

/// Characters of a value to show.
const MAX_CHARS: u32 = 40;

impl Conductor<'_> {
    /// Loads the first records into memory, and reports what a load would do. Changes nothing, and creates no file.
    pub(crate) fn preview(self) -> Result<Preview> {
        check_path(self.database, self.inputs)?;
        self.with_inputs(|list| {
            let mut exact_columns = BTreeSet::new();
            loop {
                match self.try_preview(list, &exact_columns) {
                    Err(PipelineFailure::MixedSpellings { mut columns }) => {
                        exact_columns.append(&mut columns);
                    }
                    preview => return preview.map_err(into_error),
                }
            }
        })
    }

    /// As [`Conductor::preview`], with these columns taking only numbers that can be given back one by one.
    fn try_preview(
        self,
        list: &[CsvInput],
        exact_columns: &BTreeSet<usize>,
    ) -> Result<Preview, PipelineFailure> {
        let jobs = self.jobs();
        let mut resolved = self.resolve(list, jobs, false)?;
        table::make_exact(&mut resolved.plan.table, exact_columns);
        let Plan { table, tuning, .. } = &resolved.plan;
        // All inputs together are to fit in memory.
        let max_chunks = (SAMPLE_CHUNKS / list.len().max(1)).max(1);
        let inputs = Inputs::new(list, &resolved.plan, table, Seed::fixed(0))?.with_max_chunks(max_chunks);
        let dry_run = DryRun::open(self.database, table, tuning)?;
        let choice = choose(tuning.writer, table, &dry_run.path, dry_run.in_place_reason.as_deref())?;

        let (progress, timers) = (Progress::default(), StageTimers::default());
        let pipeline = PipelineRunner { jobs, progress: &progress, stop: self.stop, timers: &timers };
        let mut writer = Statements::new(&dry_run.connection, &dry_run.path, table, tuning.batch_rows)?;
        // A preview goes on past records that would end the load, and writes no rejects.
        let policies = Policies { rejects: None, ..self.plan.policies.clone() };
        let mut rejects = Rejects::preview(&policies, list)?;
        let mut log = RecordLog::default();
        let counts = pipeline.run(&inputs, &mut writer, &mut rejects, &mut log);
        if !matches!(counts, Err(PipelineFailure::MixedSpellings { .. })) {
            rejects.log_first();
        }
        let counts = counts?;
        let choice = match choice {
            ChosenWriter::Direct
                if counts.rejected_by_table + counts.ignored > 0 && skips_bad_rows(self.plan) =>
            {
                ChosenWriter::Statements(Some("rows break a constraint".to_owned()))
            }
            choice => choice,
        };
        let max_records = self.plan.input_options.max_records;
        let is_limit_reached = max_records.is_some_and(|most| counts.records >= most);
        let is_all = is_limit_reached || inputs.fits_in_chunks(max_chunks)?;
        // Records that were not tried may be loaded.
        let accepted = if is_all { counts.loaded + counts.ignored } else { 1 };
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
            inputs: list.iter().map(|source| (source.name().to_string(), source.header.dialect)).collect(),
            database: self.database.to_owned(),
            table: table.name.clone(),
            notes: resolved.notes.iter().cloned().chain(Note::real_columns(&columns)).collect(),
            replaced: dry_run.replaced,
            warnings: warnings(list, &counts.oddities),
            table_exists: dry_run.table_exists,
            statements: [dry_run.statements, table.final_statements.clone()].concat(),
            explanation: (!resolved.plan.column_refs.is_empty()).then(|| explanation(&resolved)),
            rows,
            records: counts.records,
            rejected: counts.rejected,
            filtered: counts.filtered,
            skipped: counts.skipped,
            ignored: counts.ignored,
            failure: rejects.failure(accepted).map(Arc::new),
            is_complete: is_all,
            types_may_change: resolved.is_guess && !is_all,
            writer: choice.name(),
            writer_reason: choice.reason(),
            estimated_bytes,
            free_bytes: free.ok().map(|space| space.f_bavail * space.f_frsize),
        })
    }
}

/// Extrapolates `bytes`, measured on `part`, to `all`.
fn scaled(bytes: u64, all: u64, part: u64) -> Option<u64> {
    (part > 0).then(|| (bytes as f64 * (all as f64 / part as f64)) as u64)
}
