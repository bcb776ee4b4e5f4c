//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Build SQLite shards on a cluster of Ballista. Experimental.
///
/// All processes need to see the inputs and the directory of the shards under the same paths, and need to be of the same version.
/// Connections are not encrypted and not authenticated, so use a trusted network only.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) role: Role,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Schedule the tasks of jobs.
    Scheduler(SchedulerOptions),
    /// Run tasks.
    Executor(ExecutorOptions),
    /// Submit a COPY ... STORED AS SQLITE statement, and wait for its end.
    Run(RunOptions),
}

/// Options of the scheduler.
#[derive(Debug, Clone, Args)]
pub struct SchedulerOptions {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub bind: String,
    /// The port to listen on.
    #[arg(long, default_value_t = 50050)]
    pub port: u16,
    /// An executor that has been silent for this long is lost. At least three times the heartbeat of executors.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub executor_timeout: u64,
}

/// Options of an executor.
#[derive(Debug, Clone, Args)]
pub struct ExecutorOptions {
    /// The host of the scheduler.
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    pub scheduler: String,
    /// The port of the scheduler.
    #[arg(long, value_name = "PORT", default_value_t = 50050)]
    pub scheduler_port: u16,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub bind: String,
    /// The host under which other processes reach this executor [default: the address].
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The port for data.
    #[arg(long, default_value_t = 50051)]
    pub port: u16,
    /// The port for control.
    #[arg(long, value_name = "PORT", default_value_t = 50052)]
    pub control_port: u16,
    /// The number of tasks at the same time [default: one for each core].
    #[arg(long, value_name = "N")]
    pub slots: Option<usize>,
    /// The directory for shuffled data.
    #[arg(long, value_name = "DIR")]
    pub work_dir: PathBuf,
    /// How often the executor tells the scheduler that it is alive.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub heartbeat: u64,
}

/// Options of the client.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// A COPY ... STORED AS SQLITE statement. A table is the path of a file in quotes, or a name that --input gives to a file.
    pub sql: String,
    /// Give a file a name in SQL. The path may be a pattern such as `sales-*.csv`.
    #[arg(long = "input", value_name = "NAME=PATH", value_parser = sqload_sql::named_input)]
    pub inputs: Vec<(String, String)>,
    /// Read all columns of CSV files as text.
    #[arg(long)]
    pub text: bool,
    /// The host of the scheduler.
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    pub scheduler: String,
    /// The port of the scheduler.
    #[arg(long, value_name = "PORT", default_value_t = 50050)]
    pub scheduler_port: u16,
    /// The number of partitions of a shuffle, and so of tasks that write.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub partitions: usize,
    /// Cancel the job if it takes longer.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub timeout: u64,
}
