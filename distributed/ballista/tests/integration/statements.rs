//! Statements on clusters that lose nothing.

use crate::cluster::{Cluster, assert_nothing, free_port, wait_for_port, wait_until};
use crate::common::Inputs;
use sqload::shards::Manifest;
use sqload_ballista::{ExecutorOptions, RunOptions, SchedulerOptions, executor, run, scheduler};
use sqload_sql::Failure;
use std::sync::atomic::AtomicBool;

/// Runs a statement on a cluster in this process.
async fn run_here(inputs: &Inputs, sql: &str) -> Result<Manifest, Failure> {
    let (port, data_port, control_port) = (free_port(), free_port(), free_port());
    let bind = "127.0.0.1".to_owned();
    tokio::spawn(scheduler(SchedulerOptions { bind: bind.clone(), port, executor_timeout: 10 }));
    wait_for_port(port);
    tokio::spawn(executor(ExecutorOptions {
        scheduler: bind.clone(),
        scheduler_port: port,
        bind: bind.clone(),
        host: None,
        port: data_port,
        control_port,
        slots: Some(2),
        work_dir: inputs.dir.path().join("work"),
        heartbeat: 1,
    }));
    let options = RunOptions {
        sql: sql.to_owned(),
        inputs: vec![inputs.named()],
        text: false,
        scheduler: bind,
        scheduler_port: port,
        partitions: 4,
        timeout: 100,
    };
    run(&options, &AtomicBool::new(false)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_in_one_process_gives_the_rows_of_sqlite() {
    let inputs = Inputs::new(5000, 20);
    let copy =
        inputs.copy("SELECT * FROM sales", "PARTITIONED BY (tenant) OPTIONS (table sales, primary_key id)");
    let manifest = run_here(&inputs, &copy).await.unwrap();
    assert_eq!(manifest, inputs.assert_complete("SELECT * FROM sales"));
    assert_eq!(manifest.shards.len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_shard_have_the_order_of_the_query() {
    let inputs = Inputs::new(3000, 5);
    let query = "SELECT tenant, id, amount FROM sales ORDER BY amount DESC, id";
    let manifest = run_here(&inputs, &inputs.copy(query, "PARTITIONED BY (tenant)")).await.unwrap();
    inputs.assert_complete(query);
    for shard in &manifest.shards {
        let database = rusqlite::Connection::open(inputs.out().join(&shard.path)).unwrap();
        let stored = crate::common::rows(&database, "SELECT * FROM out ORDER BY rowid");
        assert_eq!(stored, crate::common::rows(&database, "SELECT * FROM out ORDER BY amount DESC, id"));
    }
}

#[test]
fn both_executors_write() {
    let (cluster, inputs) = (Cluster::start(), Inputs::new(20_000, 400));
    let query = "SELECT tenant, count(*) AS sales, sum(amount) AS amount FROM sales GROUP BY tenant";
    for (query, rest) in [
        (query, "PARTITIONED BY (tenant) OPTIONS (table totals)"),
        ("SELECT * FROM sales", "PARTITIONED BY (tenant) OPTIONS (table sales, index id, replace true)"),
        ("SELECT * FROM sales", "PARTITIONED BY (id) OPTIONS (table sales, buckets 30, replace true)"),
    ] {
        let client = cluster.run(&inputs, &inputs.copy(query, rest), &[]);
        let mut wrote = [false; 2];
        // The third job has few shards, so it may end before both were seen.
        if rest.contains("index") {
            wait_until("both executors", || {
                wrote
                    .iter_mut()
                    .zip(&cluster.executors)
                    .for_each(|(wrote, executor)| *wrote |= executor.is_writing());
                wrote == [true; 2]
            });
        }
        let (status, text) = client.wait();
        assert!(status.success(), "{text}");
        inputs.assert_complete(query);
    }
}

#[test]
fn one_database_zero_rows_and_errors() {
    let (cluster, inputs) = (Cluster::start(), Inputs::new(2000, 20));
    let whole = "SELECT * FROM sales";
    let divided = inputs.copy("SELECT id / (amount - amount) AS x FROM sales", "");
    let text = cluster.fail(&inputs, &divided, &[]);
    assert!(text.contains("DivideByZero"), "{text}");
    let duplicates = inputs.copy(whole, "PARTITIONED BY (tenant) OPTIONS (primary_key tenant)");
    let text = cluster.fail(&inputs, &duplicates, &[]);
    assert!(text.contains("UNIQUE"), "{text}");
    let text = cluster.fail(&inputs, &inputs.copy(whole, "OPTIONS (expected_rows 7)"), &[]);
    assert!(text.contains("expected 7 rows"), "{text}");
    let two_shuffles =
        inputs.copy("SELECT amount, count(*) AS n FROM sales GROUP BY amount", "PARTITIONED BY (n)");
    let text = cluster.fail(&inputs, &two_shuffles, &[]);
    assert!(text.contains("the query needs 2 shuffles"), "{text}");
    let join = "SELECT a.id, b.tenant FROM sales AS a JOIN sales AS b ON a.id = b.amount";
    let text = cluster.fail(&inputs, &inputs.copy(join, "PARTITIONED BY (tenant)"), &[]);
    assert!(text.contains("shuffles before its rows are written"), "{text}");

    cluster.succeed(&inputs, &inputs.copy(whole, ""), &[]);
    assert_eq!(inputs.assert_complete(whole).shards[0].path, "data.sqlite");
    let none = "SELECT * FROM sales WHERE id < 0";
    cluster.succeed(&inputs, &inputs.copy(none, "PARTITIONED BY (tenant) OPTIONS (replace true)"), &[]);
    assert!(inputs.assert_complete(none).shards.is_empty());
}

#[test]
fn an_interrupted_client_ends_its_job() {
    let (cluster, inputs) = (Cluster::start(), Inputs::new(20_000, 2000));
    let client = cluster.run(&inputs, &inputs.copy("SELECT * FROM sales", "PARTITIONED BY (tenant)"), &[]);
    wait_until("a write", || cluster.executors.iter().any(|executor| executor.is_writing()));
    client.interrupt();
    let (status, text) = client.wait();
    assert_eq!((status.code(), text.as_str()), (Some(130), "sqload-ballista: interrupted\n"));
    assert_nothing(&inputs.out());
}
