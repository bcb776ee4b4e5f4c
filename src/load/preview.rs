//! A load that is only tried: what it would do, said before it is done.

use super::choice::{Choice, choose};
use super::explain::explanation;
use crate::database::Trial;
use crate::engine::pipeline::Pipeline;
use crate::engine::rejects::Rejects;
use crate::engine::sources::Sources;
use crate::engine::timers::StageTimers;
use crate::error::Result;
use crate::eval::Seed;
use crate::files::staged::directory_of;
use crate::load::{Load, SAMPLE_CHUNKS, skips_bad_rows, total_bytes};
use crate::plan::{OnError, Plan, Policies};
use crate::report::{Preview, Progress};
use crate::write::statements::Statements;

/// Rows that are shown.
const MAX_ROWS: u32 = 5;

/// Characters of a value that are shown.
const MAX_CHARS: u32 = 40;

impl Load<'_> {
    /// Tries the first records in memory, and says what a load would do. Nothing is changed, and no file is made.
    pub(crate) fn preview(self) -> Result<Preview> {
        let list = self.open_inputs()?;
        let jobs = self.jobs();
        let resolved = self.resolve(&list, jobs, false)?;
        let Plan { table, tuning, .. } = &resolved.plan;
        let sources = Sources::new(&list, &resolved.plan, table, Seed::fixed(0))?;
        let trial = Trial::open(self.database, table, tuning)?;
        let choice = choose(tuning.writer, table, &trial.path, trial.is_new)?;

        // All inputs together are to fit in memory.
        let max_chunks = (SAMPLE_CHUNKS / list.len().max(1)).max(1);
        let (progress, clocks) = (Progress::default(), StageTimers::default());
        let pipeline = Pipeline { jobs, progress: &progress, stop: self.stop, clocks: &clocks };
        let mut writer = Statements::new(&trial.connection, &trial.path, table, tuning.batch_rows)?;
        // It goes on past records that a load may end for, and keeps none.
        let policies = Policies::default();
        let mut rejects = Rejects::open(&policies, &list, &mut Vec::new())?;
        let counts = sources.run(pipeline, &mut writer, max_chunks, Some(&mut rejects));
        rejects.say();
        let counts = counts?;
        let choice = match choice {
            Choice::Direct if counts.refused + counts.ignored > 0 && skips_bad_rows(self.plan) => {
                Choice::Statements(Some("rows break a constraint".to_owned()))
            }
            choice => choice,
        };
        let allowed = match self.plan.policies.on_error {
            OnError::Abort => 0,
            OnError::Skip => self.plan.policies.max_errors.unwrap_or(u64::MAX),
        };
        let is_all = sources.fits_in_chunks(max_chunks)?;
        let unfinished = pipeline.finish(writer)?;
        let rows = trial.rows(table, MAX_ROWS, MAX_CHARS)?;
        let tried_bytes = trial.finish(&unfinished)?;
        let estimated_bytes = match (is_all, self.plan.input_options.max_records) {
            (true, _) => Some(tried_bytes),
            (false, Some(most)) => scaled(tried_bytes, most, counts.records),
            (false, None) => total_bytes(&list).and_then(|all| scaled(tried_bytes, all, progress.bytes())),
        };
        let free = rustix::fs::statvfs(directory_of(&trial.path));
        Ok(Preview {
            inputs: list.iter().map(|source| (source.name().to_string(), source.dialect)).collect(),
            database: self.database.to_owned(),
            table: table.name.clone(),
            notes: resolved.notes,
            is_there: trial.is_there,
            statements: [trial.statements, table.final_statements.clone()].concat(),
            explanation: (!resolved.plan.column_refs.is_empty()).then(|| explanation(&resolved.plan)),
            rows,
            records: counts.records,
            rejected: counts.rejected,
            filtered: counts.filtered,
            ignored: counts.ignored,
            exceeds_limit: counts.rejected > allowed,
            is_all,
            types_may_change: resolved.is_guess && !is_all,
            writer: choice.name(),
            writer_reason: choice.reason(),
            estimated_bytes,
            free_bytes: free.ok().map(|space| space.f_bavail * space.f_frsize),
        })
    }
}

/// What `bytes` come to if there are so many of what only a part was seen of.
fn scaled(bytes: u64, all: u64, part: u64) -> Option<u64> {
    (part > 0).then(|| (bytes as f64 * (all as f64 / part as f64)) as u64)
}
