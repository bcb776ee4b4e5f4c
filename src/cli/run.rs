//! Runs the commands.

use super::options::Verbosity;
use super::{Cli, Command, CreateFile, remedy, terminal};
use clap::CommandFactory;
use sqload::{Kind, Loader};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, atomic::AtomicBool};

/// A load with its arguments.
pub(super) struct LoadRequest<'c> {
    pub(super) loader: Loader,
    pub(super) inputs: Vec<PathBuf>,
    pub(super) database: PathBuf,
    pub(super) verbosity: &'c Verbosity,
    pub(super) task: Task,
}

/// What to do with a load.
#[derive(Debug, Clone, Copy)]
pub(super) enum Task {
    Load,
    Preview,
    Explain,
}

/// Runs a command. Errors are left to the caller.
///
/// # Errors
/// Those of the library, and of standard output.
pub(crate) fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    terminal::stop_on_signals(&stop)?;
    match &cli.command {
        None => Ok(Cli::command().print_help().map(|()| ExitCode::SUCCESS)?),
        Some(Command::CreateFile(options)) => create_file(options, &stop),
        Some(Command::Load(options)) => load(options.request()?, stop),
        Some(Command::RunPipeline(options)) => load(options.request()?, stop),
        Some(Command::Check(options)) => load(options.check()?, stop),
    }
}

/// The exit code for an error.
pub(crate) fn exit_code(error: &(dyn Error + 'static)) -> ExitCode {
    match error.downcast_ref::<sqload::Error>().map(sqload::Error::kind) {
        Some(Kind::Interrupted) => ExitCode::from(130),
        Some(Kind::Usage(_) | Kind::Plan(_)) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
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
    let LoadRequest { loader, inputs, database, verbosity, task } = request;
    verbosity.start_diagnostics();
    let loader = loader.stop(stop);
    terminal::finish_commit_on_signals(loader.progress());
    let text = match task {
        Task::Load => {
            let load = || loader.load_all(&inputs, &database);
            let report = terminal::watch(verbosity.quiet, &loader.progress(), load)?;
            terminal::print_status(
                verbosity.quiet,
                &report.summary(remedy::phrase_note, remedy::phrase_warning),
            );
            return Ok(ExitCode::from(match report.is_durable {
                Some(false) => 4,
                _ if report.rejected > 0 => 3,
                _ => 0,
            }));
        }
        Task::Preview => {
            loader.preview(&inputs, &database)?.summary(remedy::phrase_note, remedy::phrase_warning)
        }
        Task::Explain => loader.explain(&inputs, &database)?.to_string(),
    };
    Ok(terminal::print(&text).map(|()| ExitCode::SUCCESS)?)
}
