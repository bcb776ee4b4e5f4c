//! The plan node that adds the hash bucket of each row.

use crate::key::KeyColumns;
use crate::spec::ShardSpec;
use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
    SendableRecordBatchStream,
};
use futures::StreamExt;
use sqload::shards::ShardKey;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The name of the column with the bucket, which comes last.
const COLUMN: &str = "__bucket";

/// Adds a column with the bucket of each row, by which [`WriteExec`](crate::WriteExec) groups them.
#[derive(Debug)]
pub struct BucketExec {
    input: Arc<dyn ExecutionPlan>,
    spec: ShardSpec,
    buckets: NonZeroU32,
    key: KeyColumns,
    properties: Arc<PlanProperties>,
}

impl BucketExec {
    /// Adds the buckets of `spec` to the rows of `input`.
    ///
    /// # Errors
    /// If `spec` has no buckets, or its key does not fit `input`.
    pub fn new(input: Arc<dyn ExecutionPlan>, spec: ShardSpec) -> Result<Self> {
        let Some(buckets) = spec.job.buckets else { return internal_err!("the job has no buckets") };
        let key = KeyColumns::new(&spec, &input.schema())?;
        let mut fields = input.schema().fields().to_vec();
        fields.push(Arc::new(Field::new(COLUMN, DataType::UInt32, false)));
        let schema = Arc::new(Schema::new_with_metadata(fields, input.schema().metadata().clone()));
        let mut equivalences = EquivalenceProperties::new(schema);
        if let Some(ordering) = input.output_ordering() {
            equivalences.add_ordering(ordering.clone());
        }
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(partitions),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Ok(Self { input, spec, buckets, key, properties: Arc::new(properties) })
    }

    /// What the statement asks for.
    #[must_use]
    pub fn spec(&self) -> &ShardSpec {
        &self.spec
    }
}

fn add_bucket(
    batch: &RecordBatch,
    schema: SchemaRef,
    key: &KeyColumns,
    buckets: NonZeroU32,
) -> Result<RecordBatch> {
    let columns: Vec<_> = key.indexes().iter().map(|index| batch.column(*index).clone()).collect();
    let texts = KeyColumns::texts(&columns)?;
    let bucket = |row| match ShardKey::hashed(texts.row(row), buckets) {
        ShardKey::Bucket(bucket) => Ok(bucket),
        key => internal_err!("not a bucket: {key}"),
    };
    let numbers: UInt32Array = (0..batch.num_rows()).map(bucket).collect::<Result<Vec<_>>>()?.into();
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(numbers));
    Ok(RecordBatch::try_new(schema, columns)?)
}

impl DisplayAs for BucketExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketExec: {} buckets by {}", self.buckets, self.spec.job.columns.join(", "))
    }
}

impl ExecutionPlan for BucketExec {
    fn name(&self) -> &str {
        "BucketExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.swap_remove(0), self.spec.clone())?))
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
        let (schema, key, buckets) = (self.schema(), self.key.clone(), self.buckets);
        let with_bucket = {
            let schema = schema.clone();
            move |batch: Result<RecordBatch>| add_bucket(&batch?, schema.clone(), &key, buckets)
        };
        let batches = self.input.execute(partition, context)?.map(with_bucket);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}
