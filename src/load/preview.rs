//! Previews a load: tries the first records in memory.

use super::attempt::{into_error, skips_bad_rows};
use super::choice::{ChosenWriter, choose};
use super::explain::explanation;
use super::resolve::SAMPLE_CHUNKS;
use super::{Conductor, total_bytes};
use crate::database::{DryRun, check_path};
use crate::engine::inputs::Inputs;
use crate::engine::pipeline::PipelineRunner;
use crate::engine::record_log::RecordLog;
use crate::engine::rejects::Rejects;
use crate::engine::timers::StageTimers;
use crate::error::Result;
use crate::eval::Seed;
use crate::files::staged::directory_of;
use crate::plan::{OnError, Plan, Policies};
use crate::report::{Preview, Progress};
use crate::write::statements::Statements;

/// Rows to show.
const MAX_ROWS: u32 = 5;

/// Characters of a value to show.
const MAX_CHARS: u32 = 40;

impl Conductor<'_> {
    /// Loads the first records into memory, and reports what a load would do. Changes nothing, and creates no file.
    pub(crate) fn preview(self) -> Result<Preview> {
        check_path(self.database)?;
        let list = self.open_inputs()?;
        let jobs = self.jobs();
        let resolved = self.resolve(&list, jobs, false)?;
        let Plan { table, tuning, .. } = &resolved.plan;
        // All inputs together are to fit in memory.
        let max_chunks = (SAMPLE_CHUNKS / list.len().max(1)).max(1);
        let inputs = Inputs::new(&list, &resolved.plan, table, Seed::fixed(0))?.with_max_chunks(max_chunks);
        let dry_run = DryRun::open(self.database, table, tuning)?;
        let choice = choose(tuning.writer, table, &dry_run.path, dry_run.in_place_reason.as_deref())?;

        let (progress, timers) = (Progress::default(), StageTimers::default());
        let pipeline = PipelineRunner { jobs, progress: &progress, stop: self.stop, timers: &timers };
        let mut writer = Statements::new(&dry_run.connection, &dry_run.path, table, tuning.batch_rows)?;
        // A preview goes on past records that would end the load, and writes no rejects.
        let policies = Policies::default();
        let mut rejects = Rejects::open(&policies, &list, &mut Vec::new(), false)?;
        let mut log = RecordLog::default();
        let counts = pipeline.run(&inputs, &mut writer, &mut rejects, &mut log);
        rejects.log_first();
        let counts = counts.map_err(into_error)?;
        let choice = match choice {
            ChosenWriter::Direct
                if counts.rejected_by_table + counts.ignored > 0 && skips_bad_rows(self.plan) =>
            {
                ChosenWriter::Statements(Some("rows break a constraint".to_owned()))
            }
            choice => choice,
        };
        let allowed = match self.plan.policies.on_error {
            OnError::Abort => 0,
            OnError::Skip => self.plan.policies.max_errors.unwrap_or(u64::MAX),
        };
        let is_all = inputs.fits_in_chunks(max_chunks)?;
        let unfinished = pipeline.finish(writer, &inputs, &log).map_err(into_error)?;
        let rows = dry_run.rows(table, MAX_ROWS, MAX_CHARS)?;
        let tried_bytes = dry_run.finish_schema(&unfinished)?;
        let estimated_bytes = match (is_all, self.plan.input_options.max_records) {
            (true, _) => Some(tried_bytes),
            (false, Some(most)) => scaled(tried_bytes, most, counts.records),
            (false, None) => total_bytes(&list).and_then(|all| scaled(tried_bytes, all, progress.bytes())),
        };
        let free = rustix::fs::statvfs(directory_of(&dry_run.path));
        Ok(Preview {
            inputs: list.iter().map(|source| (source.name().to_string(), source.header.dialect)).collect(),
            database: self.database.to_owned(),
            table: table.name.clone(),
            notes: resolved.notes,
            table_exists: dry_run.table_exists,
            statements: [dry_run.statements, table.final_statements.clone()].concat(),
            explanation: (!resolved.plan.column_refs.is_empty()).then(|| explanation(&resolved.plan)),
            rows,
            records: counts.records,
            rejected: counts.rejected,
            filtered: counts.filtered,
            skipped: counts.skipped,
            ignored: counts.ignored,
            exceeds_limit: counts.rejected > allowed,
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
