//! The plan node that writes the shards of each partition.

use crate::key::{KeyColumns, KeyTexts};
use crate::open_shard::OpenShard;
use crate::spec::ShardSpec;
use crate::staging::Staging;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use datafusion::arrow::compute::{SortOptions, partition, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::cast::as_uint32_array;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexRequirement, OrderingRequirements, PhysicalExpr,
    PhysicalSortRequirement,
};
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::{StreamExt, stream};
use sqload::Loader;
use sqload::shards::{Receipt, ShardKey};
use std::sync::Arc;
use std::{fmt, iter};

/// The schema of receipts: their JSON.
pub(crate) fn receipt_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("receipt", DataType::Utf8, false)]))
}

/// Writes the rows of each key to a staged database. Its output is the receipts.
///
/// All rows of a key are in one partition, next to each other, so each partition writes one database after the other.
#[derive(Debug)]
pub struct WriteExec {
    input: Arc<dyn ExecutionPlan>,
    spec: ShardSpec,
    /// The order of the query, which the rows of a shard have.
    order: Option<LexRequirement>,
    grouping: Grouping,
    staging: Option<Arc<Staging>>,
    properties: Arc<PlanProperties>,
}

/// How rows are grouped into shards.
#[derive(Debug, Clone)]
enum Grouping {
    /// By the values of columns; without columns, all rows are one shard.
    Columns(KeyColumns),
    /// By the last column, which is a bucket and not part of the table.
    Bucket { column: usize },
}

impl Grouping {
    fn columns(&self) -> &[usize] {
        match self {
            Self::Columns(key) => key.indexes(),
            Self::Bucket { column } => std::slice::from_ref(column),
        }
    }

    /// The keys of the rows with these key columns.
    fn keys(&self, columns: &[ArrayRef]) -> Result<Vec<ShardKey>> {
        match self {
            Self::Columns(key) => {
                let rows = columns.first().map_or(1, |column| column.len());
                let texts: KeyTexts = KeyColumns::texts(columns)?;
                Ok((0..rows).map(|row| key.key(&texts, row)).collect())
            }
            Self::Bucket { .. } => {
                Ok(as_uint32_array(&columns[0])?.values().iter().copied().map(ShardKey::Bucket).collect())
            }
        }
    }
}

impl WriteExec {
    /// Writes the rows of `input` as `spec` says, in any of several processes. If the job has buckets, `input` is a
    /// [`BucketExec`](crate::BucketExec).
    ///
    /// The staging area has to exist; see [`ShardSpec::create_staging`]. When it is gone, the job has ended, and tasks that still run
    /// write no more shards.
    ///
    /// # Errors
    /// If the key of `spec` does not fit `input`.
    pub fn new(input: Arc<dyn ExecutionPlan>, spec: ShardSpec) -> Result<Self> {
        Self::with_staging(input, spec, None, None)
    }

    /// With `staging`, all nodes of the job are in this process.
    pub(crate) fn with_staging(
        input: Arc<dyn ExecutionPlan>,
        spec: ShardSpec,
        order: Option<LexRequirement>,
        staging: Option<Arc<Staging>>,
    ) -> Result<Self> {
        let schema = input.schema();
        let grouping = match spec.job.buckets {
            Some(_) => Grouping::Bucket { column: schema.fields().len() - 1 },
            None => Grouping::Columns(KeyColumns::new(&spec, &schema)?),
        };
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(receipt_schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            input.boundedness(),
        );
        Ok(Self { input, spec, order, grouping, staging, properties: Arc::new(properties) })
    }

    /// What the statement asks for.
    #[must_use]
    pub fn spec(&self) -> &ShardSpec {
        &self.spec
    }

    fn key_expressions(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        let schema = self.input.schema();
        let column = |index: &usize| -> Arc<dyn PhysicalExpr> {
            Arc::new(Column::new(schema.field(*index).name(), *index))
        };
        self.grouping.columns().iter().map(column).collect()
    }
}

impl DisplayAs for WriteExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteExec: table={}, key=[{}]", self.spec.job.table, self.spec.job.columns.join(", "))
    }
}

impl ExecutionPlan for WriteExec {
    fn name(&self) -> &str {
        "WriteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.input_distribution_requirements().into_per_child()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let keys = self.key_expressions();
        InputDistributionRequirements::new(vec![match keys.is_empty() {
            true => Distribution::SinglePartition,
            false => Distribution::KeyPartitioned(keys),
        }])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let options = SortOptions { descending: false, nulls_first: true };
        let keys = self.key_expressions().into_iter();
        let keys = keys.map(|key| PhysicalSortRequirement::new(key, Some(options)));
        let order = self.order.iter().flatten().cloned();
        vec![LexRequirement::new(keys.chain(order)).map(OrderingRequirements::new)]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (spec, order, staging) = (self.spec.clone(), self.order.clone(), self.staging.clone());
        Ok(Arc::new(Self::with_staging(children.swap_remove(0), spec, order, staging)?))
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
        let concurrent = self.input.output_partitioning().partition_count();
        let shards = PartitionWriter {
            loader: self.spec.loader(concurrent),
            spec: self.spec.clone(),
            schema: table_schema(&self.input.schema(), &self.grouping),
            grouping: self.grouping.clone(),
            attempt: attempt(context.task_id().as_deref()),
            staging: self.staging.clone(),
            open: None,
            receipts: Vec::new(),
        };
        let rows = self.input.execute(partition, context)?;
        let receipts = stream::once(shards.write(rows));
        Ok(Box::pin(RecordBatchStreamAdapter::new(receipt_schema(), receipts)))
    }
}

/// The columns of the table.
fn table_schema(schema: &SchemaRef, grouping: &Grouping) -> SchemaRef {
    let fields = match grouping {
        Grouping::Columns(_) => schema.fields().clone(),
        Grouping::Bucket { column } => schema.fields()[..*column].into(),
    };
    Arc::new(Schema::new(fields))
}

/// The number of an attempt. The id of a task of Ballista is `TID job/stage.attempt/partition.attempt`; elsewhere, nothing is tried
/// again. Receipts of one attempt that differ are an error, so an id of another form is not taken for success.
fn attempt(task_id: Option<&str>) -> u64 {
    let number = |part: &str| part.rsplit_once('.')?.1.parse::<u32>().ok();
    let attempts = task_id.and_then(|id| {
        let mut parts = id.rsplit('/');
        let (task, stage) = (number(parts.next()?)?, number(parts.next()?)?);
        Some(u64::from(stage) << 32 | u64::from(task))
    });
    attempts.unwrap_or(0) + 1
}

/// Writes the shards of one partition, one after the other.
struct PartitionWriter {
    spec: ShardSpec,
    loader: Loader,
    schema: SchemaRef,
    grouping: Grouping,
    attempt: u64,
    staging: Option<Arc<Staging>>,
    open: Option<OpenShard>,
    receipts: Vec<Receipt>,
}

impl PartitionWriter {
    /// Writes all rows. Returns the receipts.
    async fn write(mut self, mut rows: SendableRecordBatchStream) -> Result<RecordBatch> {
        self.spec.check_directory()?;
        if self.grouping.columns().is_empty() {
            // A table without rows, too, is one shard.
            self.switch_to(ShardKey::Columns(Vec::new())).await?;
        }
        while let Some(batch) = rows.next().await {
            self.push(&batch?).await?;
        }
        self.close().await?;
        let json = |receipt: &Receipt| {
            serde_json::to_string(receipt).map_err(|error| {
                datafusion::common::internal_datafusion_err!("the receipt cannot be encoded: {error}")
            })
        };
        let receipts = self.receipts.iter().map(json).collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(receipt_schema(), vec![Arc::new(StringArray::from(receipts))])?)
    }

    /// Hands the rows of each key in a batch to the shard of the key.
    async fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let columns: Vec<_> =
            self.grouping.columns().iter().map(|index| batch.column(*index).clone()).collect();
        let ranges = match columns.is_empty() {
            true => iter::once(0..batch.num_rows()).collect(),
            false => partition(&columns)?.ranges(),
        };
        let starts = UInt32Array::from_iter_values(ranges.iter().map(|range| range.start as u32));
        let firsts =
            columns.iter().map(|column| Ok(take(column, &starts, None)?)).collect::<Result<Vec<_>>>()?;
        let keys = self.grouping.keys(&firsts)?;
        let table = RecordBatch::try_new(
            self.schema.clone(),
            batch.columns()[..self.schema.fields().len()].to_vec(),
        )?;
        for (range, key) in ranges.into_iter().zip(keys) {
            let shard = self.switch_to(key).await?;
            shard.push(table.slice(range.start, range.len())).await?;
        }
        Ok(())
    }

    /// The shard of a key. Closes the one of another key.
    async fn switch_to(&mut self, key: ShardKey) -> Result<&mut OpenShard> {
        let shard = match self.open.take() {
            Some(open) if *open.key() == key => open,
            other => {
                self.open = other;
                self.close().await?;
                if self.staging.is_none() {
                    self.spec.check_staging()?;
                }
                let (schema, staging) = (self.schema.clone(), self.staging.clone());
                OpenShard::start(&self.spec.job, &self.loader, schema, key, self.attempt, staging)?
            }
        };
        Ok(self.open.insert(shard))
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(shard) = self.open.take() {
            self.receipts.push(shard.finish().await?);
        }
        Ok(())
    }
}
