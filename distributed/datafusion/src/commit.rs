//! The plan node that publishes the shards.

use crate::external;
use crate::spec::ShardSpec;
use crate::staging::Staging;
use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::cast::as_string_array;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{exec_datafusion_err, internal_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{Distribution, EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::{StreamExt, stream};
use sqload::shards::Receipt;
use std::fmt;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The schema of the result: the number of rows.
fn count_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]))
}

/// Collects the receipts of [`WriteExec`](crate::WriteExec), and publishes the shards. Its output is the number of rows.
#[derive(Debug)]
pub struct CommitExec {
    input: Arc<dyn ExecutionPlan>,
    spec: ShardSpec,
    staging: Option<Arc<Staging>>,
    properties: Arc<PlanProperties>,
}

impl CommitExec {
    /// Publishes the shards whose receipts `input` yields. Its partitions may be those of other processes.
    #[must_use]
    pub fn new(input: Arc<dyn ExecutionPlan>, spec: ShardSpec) -> Self {
        Self::with_staging(input, spec, None)
    }

    /// With `staging`, all nodes of the job are in this process.
    pub(crate) fn with_staging(
        input: Arc<dyn ExecutionPlan>,
        spec: ShardSpec,
        staging: Option<Arc<Staging>>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(count_schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            input.boundedness(),
        );
        Self { input, spec, staging, properties: Arc::new(properties) }
    }

    /// What the statement asks for.
    #[must_use]
    pub fn spec(&self) -> &ShardSpec {
        &self.spec
    }
}

impl DisplayAs for CommitExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitExec: directory={}", self.spec.job.directory.display())
    }
}

impl ExecutionPlan for CommitExec {
    fn name(&self) -> &str {
        "CommitExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.input_distribution_requirements().into_per_child()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (spec, staging) = (self.spec.clone(), self.staging.clone());
        Ok(Arc::new(Self::with_staging(children.swap_remove(0), spec, staging)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 || self.input.output_partitioning().partition_count() != 1 {
            return internal_err!("CommitExec has one partition");
        }
        if let Some(staging) = &self.staging {
            staging.own(&self.spec.job);
        }
        let receipts = self.input.execute(0, context)?;
        let commit = commit(self.spec.clone(), receipts, self.staging.clone());
        Ok(Box::pin(RecordBatchStreamAdapter::new(count_schema(), stream::once(commit))))
    }
}

/// Publishes the shards, and returns the number of their rows. `staging` lives as long.
async fn commit(
    spec: ShardSpec,
    mut batches: SendableRecordBatchStream,
    staging: Option<Arc<Staging>>,
) -> Result<RecordBatch> {
    let mut receipts = Vec::new();
    while let Some(batch) = batches.next().await {
        for json in as_string_array(batch?.column(0))?.iter().flatten() {
            let receipt: Receipt = serde_json::from_str(json)
                .map_err(|error| internal_datafusion_err!("not a receipt: {error}: {json}"))?;
            receipts.push(receipt);
        }
    }
    let publish = move || -> Result<u64> {
        let _staging = staging;
        spec.check_directory()?;
        let manifest = spec.job.commit(&receipts).map_err(external)?;
        if spec.replace {
            // The new manifest is in place, so the statement has succeeded.
            let _ = spec.remove_superseded();
        }
        Ok(manifest.rows)
    };
    let rows = spawn_blocking(publish)
        .await
        .map_err(|error| exec_datafusion_err!("the commit has failed: {error}"))??;
    Ok(RecordBatch::try_new(count_schema(), vec![Arc::new(UInt64Array::from(vec![rows]))])?)
}
