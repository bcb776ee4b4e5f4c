//! Refuses plans that Ballista might not run exactly once.

use ballista_core::JobId;
use ballista_scheduler::planner::{DefaultDistributedPlanner, DistributedPlanner};
use datafusion::config::ConfigOptions;
use datafusion::physical_plan::ExecutionPlan;
use sqload_datafusion::{CommitExec, WriteExec};
use sqload_sql::Failure;
use std::sync::Arc;

/// Refuses a plan with more than one shuffle below the write: when an executor is lost, Ballista 55 can run a stage twice and deliver
/// the rows of both runs. With one shuffle, both runs end in shards, of which the commit takes one for each key.
pub(crate) fn check(plan: &Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<(), Failure> {
    let stages = DefaultDistributedPlanner::new()
        .plan_query_stages(&JobId::from("check".to_owned()), plan.clone(), config)
        .map_err(|error| Failure::Other(error.to_string()))?;
    let is_below = |children: Vec<&Arc<dyn ExecutionPlan>>| !children.into_iter().any(contains_write);
    match stages.iter().filter(|stage| is_below(stage.children())).count() {
        0 | 1 => Ok(()),
        shuffles => Err(Failure::Other(format!(
            "the query needs {shuffles} shuffles before its rows are written, but only 1 is safe if an executor is lost; write an intermediate result to Parquet first, or group by the columns of PARTITIONED BY only"
        ))),
    }
}

fn contains_write(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<WriteExec>() || plan.is::<CommitExec>() || plan.children().into_iter().any(contains_write)
}
