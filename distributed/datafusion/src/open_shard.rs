//! One shard under construction: a blocking task that a bounded channel feeds.

use crate::external;
use crate::staging::Staging;
use datafusion::arrow::array::{RecordBatch, RecordBatchReader};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use sqload::Loader;
use sqload::shards::{Receipt, ShardJob, ShardKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// The number of batches that wait for the writer.
const WAITING_BATCHES: usize = 2;

/// A shard whose rows are arriving. When it is dropped, its writer stops and removes its file.
#[derive(Debug)]
pub(crate) struct OpenShard {
    key: ShardKey,
    /// `None` ends the rows. If the channel just closes, rows are missing.
    batches: mpsc::Sender<Option<RecordBatch>>,
    receipt: JoinHandle<sqload::Result<Receipt>>,
    stop: Arc<AtomicBool>,
}

impl OpenShard {
    /// Starts the writer of the shard `key`. It keeps `staging` until it has stopped.
    pub(crate) fn start(
        job: &ShardJob,
        loader: &Loader,
        schema: SchemaRef,
        key: ShardKey,
        attempt: u64,
        staging: Option<Arc<Staging>>,
    ) -> Result<Self> {
        let writer = job.writer(key.clone(), attempt).map_err(external)?;
        let (batches, receiver) = mpsc::channel(WAITING_BATCHES);
        let stop = Arc::new(AtomicBool::new(false));
        let loader = loader.clone().stop(stop.clone());
        let rows = Rows { schema, receiver, is_complete: false };
        let receipt = spawn_blocking(move || {
            let receipt = writer.load_arrow(&loader, rows).map(|(receipt, _)| receipt);
            drop(staging);
            receipt
        });
        Ok(Self { key, batches, receipt, stop })
    }

    pub(crate) fn key(&self) -> &ShardKey {
        &self.key
    }

    /// Hands a batch to the writer, and waits while it is busy.
    pub(crate) async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        match self.batches.send(Some(batch)).await {
            Ok(()) => Ok(()),
            // The writer has ended early, and says why.
            Err(_) => self.receipt().await.map(drop),
        }
    }

    /// Ends the rows, and waits for the receipt.
    pub(crate) async fn finish(mut self) -> Result<Receipt> {
        // If the writer has ended early, it says why.
        let _ = self.batches.send(None).await;
        self.receipt().await
    }

    async fn receipt(&mut self) -> Result<Receipt> {
        match (&mut self.receipt).await {
            Ok(receipt) => receipt.map_err(external),
            Err(error) => Err(exec_datafusion_err!("the writer of {} has failed: {error}", self.key)),
        }
    }
}

impl Drop for OpenShard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The batches of a channel, for the blocking task.
struct Rows {
    schema: SchemaRef,
    receiver: mpsc::Receiver<Option<RecordBatch>>,
    is_complete: bool,
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_complete {
            return None;
        }
        match self.receiver.blocking_recv() {
            Some(Some(batch)) => Some(Ok(batch)),
            Some(None) => {
                self.is_complete = true;
                None
            }
            None => Some(Err(ArrowError::ExternalError("the query was cancelled".into()))),
        }
    }
}

impl RecordBatchReader for Rows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
