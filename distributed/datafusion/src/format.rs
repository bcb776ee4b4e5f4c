//! The file format that DataFusion looks up for `STORED AS SQLITE`.

use crate::bucket::BucketExec;
use crate::commit::CommitExec;
use crate::key::KeyColumns;
use crate::options::Options;
use crate::spec::{ShardSpec, plan_error};
use crate::staging::Staging;
use crate::write::WriteExec;
use crate::{FORMAT, external};
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{GetExt, Statistics, not_impl_err};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::physical_plan::{CsvSource, FileScanConfig, FileSinkConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::physical_expr::LexRequirement;
use datafusion::physical_plan::ExecutionPlan;
use sqload::shards::ShardJob;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

/// The format `sqlite`, which writes only.
#[derive(Debug, Default)]
pub struct SqliteFormatFactory;

impl GetExt for SqliteFormatFactory {
    fn get_ext(&self) -> String {
        FORMAT.to_owned()
    }
}

impl FileFormatFactory for SqliteFormatFactory {
    fn create(&self, _: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        Ok(Arc::new(SqliteFormat { options: Options::parse(options)? }))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(SqliteFormat { options: Options::default() })
    }
}

/// The format with the options of a statement.
#[derive(Debug)]
struct SqliteFormat {
    options: Options,
}

impl SqliteFormat {
    fn spec(&self, target: &FileSinkConfig) -> Result<ShardSpec> {
        let Options { table, options, buckets, expected_rows, replace, durable } = self.options.clone();
        let directory = directory(target)?;
        let table = table.unwrap_or_else(|| sqload::table_name(&directory));
        let columns: Vec<_> = target.table_partition_cols.iter().map(|(name, _)| name.clone()).collect();
        if buckets.is_some() && columns.is_empty() {
            let message = "option buckets needs PARTITIONED BY, whose columns decide the bucket of a row";
            return Err(plan_error(message.to_owned()));
        }
        let id = format!("copy-{}", Uuid::new_v4());
        let mut job = ShardJob::new(directory, id, table).map_err(external)?.by(columns).durable(durable);
        job.buckets = buckets;
        job.expected_rows = expected_rows;
        Ok(ShardSpec { job, table: options, replace })
    }
}

/// The directory of a statement.
fn directory(target: &FileSinkConfig) -> Result<PathBuf> {
    let url = &target.original_url;
    if !url.contains("://") {
        return Ok(std::path::absolute(url)?);
    }
    let path = ListingTableUrl::parse(url).ok().and_then(|url| {
        let url: &url::Url = url.as_ref();
        url.to_file_path().ok()
    });
    path.ok_or_else(|| plan_error(format!("shards need a directory that all processes see, not {url:?}")))
}

#[async_trait]
impl FileFormat for SqliteFormat {
    fn get_ext(&self) -> String {
        FORMAT.to_owned()
    }

    fn get_ext_with_compression(&self, _: &FileCompressionType) -> Result<String> {
        Ok(FORMAT.to_owned())
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        None
    }

    async fn infer_schema(
        &self,
        _: &dyn Session,
        _: &Arc<dyn ObjectStore>,
        _: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        not_impl_err!("the format SQLITE is for COPY only; it does not read databases")
    }

    async fn infer_stats(
        &self,
        _: &dyn Session,
        _: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        _: &ObjectMeta,
    ) -> Result<Statistics> {
        Ok(Statistics::new_unknown(&schema))
    }

    async fn create_physical_plan(
        &self,
        _: &dyn Session,
        _: FileScanConfig,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        not_impl_err!("the format SQLITE is for COPY only; it does not read databases")
    }

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        _: &dyn Session,
        target: FileSinkConfig,
        order: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let spec = self.spec(&target)?;
        KeyColumns::new(&spec, &input.schema())?;
        let input: Arc<dyn ExecutionPlan> = match spec.job.buckets {
            Some(_) => Arc::new(BucketExec::new(input, spec.clone())?),
            None => input,
        };
        let staging = Arc::<Staging>::default();
        let write = WriteExec::with_staging(input, spec.clone(), order, Some(staging.clone()))?;
        Ok(Arc::new(CommitExec::with_staging(Arc::new(write), spec, Some(staging))))
    }

    fn file_source(&self, schema: TableSchema) -> Arc<dyn FileSource> {
        // A scan asks for the source before it asks for the plan, which is an error.
        Arc::new(CsvSource::new(schema))
    }
}
