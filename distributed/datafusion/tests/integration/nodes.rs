//! The plan nodes as engines of several processes use them.

use crate::common::{Twin, checked_manifest, files};
use datafusion::arrow::array::StringArray;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect};
use sqload::shards::Receipt;
use sqload_datafusion::{CommitExec, ShardSpec, WriteExec};
use std::sync::Arc;

/// The spec of a statement, and the plan of its query.
async fn plan(twin: &Twin) -> (ShardSpec, Arc<dyn ExecutionPlan>) {
    let query = "SELECT 'x' AS c, 1 AS n";
    let copy =
        format!("COPY ({query}) TO '{}' STORED AS SQLITE PARTITIONED BY (c)", twin.path("out").display());
    let plan = twin.context.sql(&copy).await.unwrap().create_physical_plan().await.unwrap();
    let spec = plan.downcast_ref::<CommitExec>().unwrap().spec().clone();
    (spec, twin.context.sql(query).await.unwrap().create_physical_plan().await.unwrap())
}

/// Writes shards as the task with this id.
async fn write(spec: &ShardSpec, query: &Arc<dyn ExecutionPlan>, task_id: &str) -> Result<Vec<Receipt>> {
    let context = Arc::new(TaskContext::default().with_task_id(task_id.to_owned()));
    let batches = collect(Arc::new(WriteExec::new(query.clone(), spec.clone())?), context).await?;
    let receipts = batches.iter().flat_map(|batch| {
        let receipts = batch.column(0).as_any().downcast_ref::<StringArray>().unwrap();
        receipts.iter().map(|json| serde_json::from_str(json.unwrap()).unwrap()).collect::<Vec<_>>()
    });
    Ok(receipts.collect())
}

#[tokio::test]
async fn later_attempts_of_stages_and_tasks_have_larger_numbers() {
    let twin = Twin::new(2);
    let (spec, query) = plan(&twin).await;
    spec.create_staging().unwrap();
    let mut receipts = Vec::new();
    for id in ["another engine", "TID job/2.0/7.0", "TID job/2.0/7.1", "TID job/2.1/7.0", "TID job/2.10/7.2"]
    {
        receipts.extend(write(&spec, &query, id).await.unwrap());
    }
    let attempts: Vec<_> = receipts.iter().map(|receipt| receipt.attempt).collect();
    assert_eq!(attempts, [1, 1, 2, (1 << 32) + 1, (10 << 32) + 3]);
    let manifest = spec.job.commit(&receipts).unwrap();
    assert_eq!(manifest.shards[0].hash, receipts[4].hash);
    assert_eq!(checked_manifest(&twin.path("out")), manifest);
}

#[tokio::test]
async fn a_task_of_a_job_that_has_ended_writes_nothing() {
    let twin = Twin::new(2);
    let (spec, query) = plan(&twin).await;
    spec.create_staging().unwrap();
    spec.job.abort().unwrap();
    let error = write(&spec, &query, "TID job/2.0/7.0").await.unwrap_err().to_string();
    assert!(error.contains("has ended"), "{error}");
    assert!(files(&twin.path("out")).is_empty());
}
