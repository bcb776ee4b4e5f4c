//! The scheduler and the executors.

use crate::arguments::{ExecutorOptions, SchedulerOptions};
use crate::codec::NodeCodec;
use ballista_core::error::BallistaError;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use sqload_sql::Failure;
use std::sync::Arc;

/// How long an executor waits for the scheduler when it starts.
const CONNECT_SECONDS: u16 = 60;

/// Runs the scheduler until the process ends.
///
/// # Errors
/// If the address is taken or wrong.
pub async fn scheduler(options: SchedulerOptions) -> Result<(), Failure> {
    let SchedulerOptions { bind, port, executor_timeout } = options;
    let address = format!("{bind}:{port}");
    let socket = address.parse().map_err(|error| Failure::Usage(format!("{address}: {error}")))?;
    let config = SchedulerConfig {
        external_host: bind.clone(),
        bind_host: bind,
        bind_port: port,
        executor_timeout_seconds: executor_timeout,
        // A loss is noticed within a third of the time more.
        expire_dead_executor_interval_seconds: (executor_timeout / 3).max(1),
        no_executors_grace_period_seconds: executor_timeout,
        override_physical_codec: Some(Arc::new(NodeCodec::default())),
        ..SchedulerConfig::default()
    };
    let cluster = BallistaCluster::new_from_config(&config).await.map_err(failed)?;
    start_server(cluster, socket, Arc::new(config)).await.map_err(failed)
}

/// Runs an executor until the process ends.
///
/// # Errors
/// If the scheduler cannot be reached, or an address is taken or wrong.
pub async fn executor(options: ExecutorOptions) -> Result<(), Failure> {
    let ExecutorOptions { bind, host, work_dir, slots, .. } = options;
    std::fs::create_dir_all(&work_dir)?;
    let config = ExecutorProcessConfig {
        external_host: host.or_else(|| Some(bind.clone())),
        bind_host: bind,
        port: options.port,
        grpc_port: options.control_port,
        scheduler_host: options.scheduler,
        scheduler_port: options.scheduler_port,
        scheduler_connect_timeout_seconds: CONNECT_SECONDS,
        // Zero stands for all cores.
        vcores: slots.unwrap_or(0),
        work_dir: Some(work_dir.to_string_lossy().into_owned()),
        executor_heartbeat_interval_seconds: options.heartbeat,
        override_physical_codec: Some(Arc::new(NodeCodec::default())),
        ..ExecutorProcessConfig::default()
    };
    start_executor_process(Arc::new(config)).await.map_err(failed)
}

fn failed(error: BallistaError) -> Failure {
    Failure::Other(error.to_string())
}
