//! `COPY ... STORED AS SQLITE` for DataFusion: the result of a query as SQLite databases, published at once.
//!
//! ```no_run
//! # async fn copy() -> datafusion::error::Result<()> {
//! use datafusion::prelude::SessionContext;
//!
//! let context = SessionContext::new();
//! sqload_datafusion::register(&context)?;
//! context.sql("COPY (SELECT tenant, sum(amount) AS total FROM sales GROUP BY tenant) TO 'shops/' STORED AS SQLITE
//!     PARTITIONED BY (tenant) OPTIONS (table sales, 'primary key' 'tenant')").await?.collect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The statement becomes two plan nodes above the query, which [`sqload::shards`] does the work of:
//!
//! ```text
//! CommitExec                          one partition: verifies the receipts, places the shards, publishes the manifest
//!   CoalescePartitionsExec            receipts
//!     WriteExec                       each partition: one staged database after the other
//!       SortExec, RepartitionExec     all rows of a key in one partition, next to each other
//!         BucketExec                  only for hash buckets: the bucket of each row
//!           query
//! ```
//!
//! The nodes and [`ShardSpec`] are public, because engines that run plans on several machines encode them.

mod bucket;
mod commit;
mod format;
mod key;
mod open_shard;
mod options;
mod spec;
mod staging;
mod write;

pub use bucket::BucketExec;
pub use commit::CommitExec;
pub use format::SqliteFormatFactory;
pub use spec::{ShardSpec, TableOptions};
pub use write::WriteExec;

use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// The name of the format, as in `STORED AS SQLITE`.
pub const FORMAT: &str = "sqlite";

/// Adds the format to `context`. For a `SessionStateBuilder`, add [`SqliteFormatFactory`] to its file formats.
///
/// # Errors
/// If the context has another format of this name.
pub fn register(context: &SessionContext) -> Result<()> {
    context.state_ref().write().register_file_format(Arc::new(SqliteFormatFactory), false)
}

/// The error of sqload that caused `error`, if there is one.
#[must_use]
pub fn sqload_error(error: &DataFusionError) -> Option<&sqload::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // DataFusion shares errors between partitions.
        if let Some(DataFusionError::Shared(shared)) = error.downcast_ref() {
            return sqload_error(shared);
        }
        cause = error.source();
    }
    None
}

/// The error of a plan node for one of sqload. It is never an `IoError`, which engines would try again elsewhere.
fn external(error: sqload::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
