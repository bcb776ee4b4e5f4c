//! `sqload-sql`: SQL over CSV, Parquet and JSON Lines into SQLite. DataFusion computes, sqload writes.
//!
//! Other programs that run SQL over files share [`register_files`], [`named_input`] and [`Failure`].

mod arguments;
mod failure;
mod query;
mod rows;
mod tables;

pub use arguments::named_input;
pub use failure::Failure;
pub use tables::register_files;

use arguments::Arguments;
use clap::Parser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The exit code after a signal.
const INTERRUPTED: i32 = 130;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match stop_on_signals().and_then(|stop| query::run(&arguments, stop)) {
        Ok(summary) => {
            if !arguments.quiet {
                eprintln!("{summary}");
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("sqload-sql: {failure}");
            failure.exit_code().into()
        }
    }
}

/// A flag that signals set. A second signal ends the program at once.
fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register_conditional_shutdown(signal, INTERRUPTED, stop.clone())?;
        flag::register(signal, stop.clone())?;
    }
    // Without a handler, SIGXFSZ kills the program. With one, a file beyond the size limit is an error of the write.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(stop)
}
