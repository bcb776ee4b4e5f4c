//! The command-line program. The library does the work.

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(&cli::parse()).unwrap_or_else(|error| {
        cli::print_error(&*error);
        cli::exit_code(&*error)
    })
}
