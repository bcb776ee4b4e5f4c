//! Statements that fail or are cancelled.

use crate::common::{Twin, checked_manifest, files};
use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::exec_err;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream::{self, StreamExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Waits until a condition holds.
async fn wait_until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited for a minute");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Some batches of one key after the other, and then nothing more, or an error.
#[derive(Debug)]
struct Source {
    schema: SchemaRef,
    fails: bool,
}

impl PartitionStream for Source {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = self.schema.clone();
        let batch = move |n: i64| {
            let text = StringArray::from(vec![format!("k{}", n / 5); 50]);
            let numbers = Int64Array::from(vec![n; 50]);
            Ok(RecordBatch::try_new(schema.clone(), vec![Arc::new(text), Arc::new(numbers)])?)
        };
        let rows = stream::iter(0..23).map(batch);
        let end = match self.fails {
            true => stream::iter([exec_err!("the source has failed")]).boxed(),
            false => stream::pending().boxed(),
        };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows.chain(end)))
    }
}

/// A table that is sorted, so that shards are written while its rows arrive.
fn register_source(twin: &Twin, fails: bool) {
    let schema = Arc::new(Schema::new(vec![
        Field::new("c", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ]));
    let source = Source { schema: schema.clone(), fails };
    let order = datafusion::prelude::col("c").sort(true, true);
    let table = StreamingTable::try_new(schema, vec![Arc::new(source)]).unwrap().with_sort_order(vec![order]);
    twin.context.register_table("source", Arc::new(table)).unwrap();
}

fn staged(out: &Path) -> usize {
    files(&out.join("_staging"))
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "sqlite"))
        .count()
}

#[tokio::test]
async fn a_query_that_fails_leaves_the_old_manifest_and_its_shards() {
    for partitions in [1, 4] {
        let twin = Twin::new(partitions);
        twin.copy("SELECT 'k0' AS c, 1 AS n", "PARTITIONED BY (c)").await.unwrap();
        let (before, manifest) = (files(&twin.path("out")), checked_manifest(&twin.path("out")));
        register_source(&twin, true);
        let copy = twin.copy("SELECT * FROM source", "PARTITIONED BY (c) OPTIONS (replace true)");
        let error = copy.await.unwrap_err().to_string();
        assert!(error.contains("the source has failed"), "{error}");
        wait_until(|| files(&twin.path("out")) == before).await;
        assert_eq!(checked_manifest(&twin.path("out")), manifest);
    }
}

#[tokio::test]
async fn a_cancelled_statement_removes_its_staged_files() {
    let twin = Twin::new(1);
    register_source(&twin, false);
    let out = twin.path("out");
    let mut copy = Box::pin(twin.copy("SELECT * FROM source", "PARTITIONED BY (c)"));
    // The source has no end, so the statement has none.
    tokio::select! {
        _ = &mut copy => unreachable!(),
        () = wait_until(|| staged(&out) >= 4) => {}
    }
    drop(copy);
    wait_until(|| files(&out).is_empty() && !out.join("_staging").exists()).await;
}

#[tokio::test]
async fn an_error_of_a_writer_is_that_of_the_statement() {
    let twin = Twin::new(4);
    let query = "SELECT * FROM (VALUES ('a', 1), ('b', 2), ('b', 2), ('c', 3)) AS t(c, n)";
    let error = twin.copy(query, "PARTITIONED BY (c) OPTIONS (primary_key n)").await.unwrap_err();
    let cause = sqload_datafusion::sqload_error(&error).unwrap();
    assert!(matches!(cause.kind(), sqload::Kind::Constraint { .. }), "{cause:?}");
    wait_until(|| files(&twin.path("out")).is_empty()).await;
    let error = twin.copy("SELECT 9223372036854775808 AS n", "").await.unwrap_err().to_string();
    assert!(error.contains("9223372036854775808"), "{error}");
}

#[tokio::test]
async fn a_statement_that_is_explained_writes_nothing() {
    let twin = Twin::new(4);
    let explained = twin
        .run("EXPLAIN COPY (SELECT * FROM (VALUES (1), (2)) AS t(c)) TO '{dir}/out/' STORED AS SQLITE PARTITIONED BY (c) OPTIONS (buckets 3)")
        .await
        .unwrap();
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&explained).unwrap().to_string();
    for node in
        ["CommitExec: directory=", "WriteExec: table=out, key=[c]", "BucketExec: 3 buckets by c", "SortExec"]
    {
        assert!(text.contains(node), "{text}");
    }
    assert!(!twin.path("out").exists());
}
