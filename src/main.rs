//! The command-line program. See the library for how it works.

mod cli;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command, CreateFile, LoadRequest, remedy, terminal};
use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, atomic::AtomicBool};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(Cli::parse()).unwrap_or_else(|error| {
        terminal::print_error(&*error);
        match error.downcast_ref::<sqload::Error>().map(sqload::Error::kind) {
            Some(sqload::Kind::Interrupted) => ExitCode::from(130),
            Some(sqload::Kind::Usage(_) | sqload::Kind::Plan(_)) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    })
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    terminal::stop_on_signals(&stop)?;
    match cli.command {
        None => Ok(Cli::command().print_help().map(|()| ExitCode::SUCCESS)?),
        Some(Command::CreateFile(options)) => create_file(&options, &stop),
        Some(Command::Load(options)) => load(options.request()?, stop),
        Some(Command::RunPipeline(options)) => load(options.request()?, stop),
        Some(Command::Check(options)) => load(options.check()?, stop),
    }
}

fn create_file(options: &CreateFile, stop: &AtomicBool) -> Result<ExitCode, Box<dyn Error>> {
    let CreateFile { number_rows, output, seed, verbosity } = options;
    verbosity.start_diagnostics();
    let progress = sqload::report::Progress::default();
    let create = || sqload::demo::generate::create_file(output, *number_rows, *seed, &progress, stop);
    Ok(terminal::watch(verbosity.quiet, &progress, create).map(|()| ExitCode::SUCCESS)?)
}

fn load(request: LoadRequest<'_>, stop: Arc<AtomicBool>) -> Result<ExitCode, Box<dyn Error>> {
    let LoadRequest { plan, inputs, database, verbosity, task } = request;
    verbosity.start_diagnostics();
    let loader = sqload::Loader::from(plan).stop(stop);
    terminal::finish_commit_on_signals(loader.progress());
    if let Some(message) = task.message(&loader, &inputs, &database)? {
        return Ok(terminal::print(&message).map(|()| ExitCode::SUCCESS)?);
    }
    let report =
        terminal::watch(verbosity.quiet, &loader.progress(), || loader.load_all(&inputs, &database))?;
    terminal::print_status(verbosity.quiet, &report.summary(remedy::phrase_note));
    Ok(ExitCode::from(match report.is_durable {
        Some(false) => 4,
        _ if report.rejected > 0 => 3,
        _ => 0,
    }))
}
