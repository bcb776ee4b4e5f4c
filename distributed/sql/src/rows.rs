//! The rows of a query for a thread that may block.

use datafusion::arrow::array::{RecordBatch, RecordBatchReader};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How often a waiting reader looks for a signal.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The error that has ended a query.
pub(crate) type QueryError = Arc<Mutex<Option<DataFusionError>>>;

/// Takes the error that has ended the query.
pub(crate) fn take(error: &QueryError) -> Option<DataFusionError> {
    error.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The batches of a query.
pub(crate) struct Rows {
    pub(crate) batches: SendableRecordBatchStream,
    pub(crate) runtime: Handle,
    pub(crate) stop: Arc<AtomicBool>,
    /// Set when the query fails, since the error of the load only quotes it.
    pub(crate) error: QueryError,
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Some(Err(ArrowError::ExternalError("interrupted".into())));
            }
            let next = async { timeout(CHECK_INTERVAL, self.batches.next()).await };
            match self.runtime.block_on(next) {
                Ok(Some(Err(error))) => {
                    let message = error.to_string();
                    *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return Some(Err(ArrowError::ExternalError(message.into())));
                }
                Ok(batch) => return batch.map(|batch| batch.map_err(ArrowError::from)),
                // No batch yet.
                Err(_) => {}
            }
        }
    }
}

impl RecordBatchReader for Rows {
    fn schema(&self) -> SchemaRef {
        self.batches.schema()
    }
}
