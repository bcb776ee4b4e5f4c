//! `COPY ... STORED AS SQLITE` on a cluster of Ballista: one program for the scheduler, the executors and the client. Experimental.
//!
//! The client plans the statement and sends the physical plan, which Ballista cuts into stages at each shuffle:
//!
//! ```text
//! client      plans, checks, submits, polls ──► manifest.json
//! scheduler   stage 1: scan ─shuffle─► stage 2: sort, WriteExec ─receipts─► stage 3: CommitExec
//! executors   run the tasks of the stages
//! ```
//!
//! Ballista gives a physical plan to its static planner, which is the one that survives the loss of an executor.

mod arguments;
mod client;
mod codec;
mod roles;
mod stages;

pub use arguments::{ExecutorOptions, RunOptions, SchedulerOptions};
pub use client::run;
pub use roles::{executor, scheduler};

use arguments::{Arguments, Role};
use clap::Parser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use sqload::report::grouped_count;
use sqload_sql::Failure;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The exit code after a signal.
const INTERRUPTED: i32 = 130;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    env_logger::init();
    let Arguments { role } = Arguments::parse();
    match start(role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("sqload-ballista: {failure}");
            failure.exit_code().into()
        }
    }
}

fn start(role: Role) -> Result<(), Failure> {
    // Without a handler, SIGXFSZ kills the program. With one, a file beyond the size limit is an error of the write.
    flag::register(SIGXFSZ, Arc::default())?;
    let runtime = tokio::runtime::Runtime::new()?;
    match role {
        Role::Scheduler(options) => runtime.block_on(scheduler(options)),
        Role::Executor(options) => runtime.block_on(executor(options)),
        Role::Run(options) => {
            let stop = Arc::new(AtomicBool::new(false));
            for signal in [SIGINT, SIGTERM, SIGHUP] {
                flag::register_conditional_shutdown(signal, INTERRUPTED, stop.clone())?;
                flag::register(signal, stop.clone())?;
            }
            let manifest = runtime.block_on(run(&options, &stop))?;
            let shards = grouped_count(manifest.shards.len() as u64, "shard");
            println!("{shards}, {}", grouped_count(manifest.rows, "row"));
            Ok(())
        }
    }
}
