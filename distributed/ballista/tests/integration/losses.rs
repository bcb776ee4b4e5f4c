//! Processes that are killed while shards are written. The result is complete and exact, or the client fails with a message.

use crate::cluster::{Cluster, assert_nothing, wait_until};
use crate::common::Inputs;

/// Runs a statement, and kills an executor while it writes.
fn kill_an_executor(options: &[&str]) {
    let (mut cluster, inputs) = (Cluster::start(), Inputs::new(20_000, 1000));
    let query = "SELECT * FROM sales";
    // Ballista does not always notice that it cannot go on.
    let options = [options, &["--timeout", "60"]].concat();
    let client = cluster.run(&inputs, &inputs.copy(query, "PARTITIONED BY (tenant)"), &options);
    let mut victim = None;
    wait_until("a write", || {
        victim = cluster.executors.iter().position(|executor| executor.is_writing());
        victim.is_some()
    });
    cluster.executors[victim.unwrap()].kill();
    let (status, text) = client.wait();
    if status.success() {
        assert_eq!(inputs.assert_complete(query).shards.len(), 1001);
    } else {
        assert!(text.starts_with("sqload-ballista: ") && status.code() == Some(1), "{text}");
        println!("{text}");
        assert_nothing(&inputs.out());
    }
}

#[test]
fn an_executor_is_killed_with_a_shuffle_below_the_write() {
    kill_an_executor(&[]);
}

#[test]
fn an_executor_is_killed_without_a_shuffle_below_the_write() {
    kill_an_executor(&["--partitions", "1"]);
}

#[test]
fn all_executors_are_killed() {
    let (mut cluster, inputs) = (Cluster::start(), Inputs::new(20_000, 1000));
    let client = cluster.run(&inputs, &inputs.copy("SELECT * FROM sales", "PARTITIONED BY (tenant)"), &[]);
    wait_until("a write", || cluster.executors.iter().any(|executor| executor.is_writing()));
    cluster.executors.iter_mut().for_each(|executor| executor.kill());
    let (status, text) = client.wait();
    assert_eq!(status.code(), Some(1), "{text}");
    assert_nothing(&inputs.out());
}

#[test]
fn the_scheduler_is_killed() {
    let (mut cluster, inputs) = (Cluster::start(), Inputs::new(20_000, 2000));
    let client = cluster.run(&inputs, &inputs.copy("SELECT * FROM sales", "PARTITIONED BY (tenant)"), &[]);
    wait_until("a write", || cluster.executors.iter().any(|executor| executor.is_writing()));
    cluster.scheduler.kill();
    let (status, text) = client.wait();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("the scheduler at 127.0.0.1:"), "{text}");
    assert_nothing(&inputs.out());
}

#[test]
fn the_disk_of_one_executor_is_full() {
    let (cluster, inputs) = (Cluster::with_file_limit(Some(1400)), Inputs::new(40_000, 2));
    let query = "SELECT * FROM sales";
    // These indexes make a shard larger than the data that is shuffled.
    let rest =
        "PARTITIONED BY (tenant) OPTIONS (index 'id; amount; amount, id; tenant, id; tenant, amount, id')";
    let (status, text) = cluster.run(&inputs, &inputs.copy(query, rest), &[]).wait();
    if status.success() {
        inputs.assert_complete(query);
    } else {
        assert!(text.starts_with("sqload-ballista: ") && status.code() == Some(1), "{text}");
        println!("{text}");
        assert_nothing(&inputs.out());
    }
}

/// Each executor is killed once while shards get their final names, so the one that commits is among them.
#[test]
fn the_executor_that_commits_is_killed() {
    for victim in 0..2 {
        let (mut cluster, inputs) = (Cluster::start(), Inputs::new(20_000, 1000));
        let query = "SELECT * FROM sales";
        let client = cluster.run(&inputs, &inputs.copy(query, "PARTITIONED BY (tenant)"), &[]);
        let first = inputs.out().join("tenant=__HIVE_DEFAULT_PARTITION__/data.sqlite");
        wait_until("the commit", || first.exists());
        cluster.executors[victim].kill();
        let (status, text) = client.wait();
        if status.success() {
            inputs.assert_rows(query);
        } else {
            assert!(text.starts_with("sqload-ballista: ") && status.code() == Some(1), "{text}");
            println!("{text}");
            assert!(!inputs.out().join("manifest.json").exists());
        }
    }
}
