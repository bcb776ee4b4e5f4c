//! Runs the commands.

use super::options::Verbosity;
use super::{Cli, Command, CreateFile, assets, pipeline, remedy, terminal, version};
use sqload::demo::generate::{self, Sample};
use sqload::report::Report;
use sqload::shards::Manifest;
use sqload::{Kind, Loader, report};
use std::error::Error;
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, atomic::AtomicBool};

/// A load with its arguments.
pub(super) struct LoadRequest<'c> {
    /// The loader, or what is wrong with its options.
    pub(super) loader: sqload::Result<Loader>,
    pub(super) inputs: Vec<PathBuf>,
    pub(super) database: PathBuf,
    pub(super) report: Option<&'c Path>,
    /// The file for rejects.
    pub(super) rejects: Option<&'c Path>,
    pub(super) verbosity: &'c Verbosity,
    pub(super) task: Task,
    /// What advice depends on.
    pub(super) given: remedy::Given,
    /// What the user should know before the load.
    pub(super) notice: Option<String>,
}

impl LoadRequest<'_> {
    /// What writes the report of a load that fails before it begins, or that is ended at once.
    pub(super) fn failure_report(
        &self,
    ) -> impl Fn(&sqload::Error) -> sqload::Result<()> + Send + Sync + use<> {
        let (inputs, database) = (self.inputs.clone(), self.database.clone());
        let [report, rejects] = [self.report, self.rejects].map(|path| path.map(Path::to_owned));
        move |error| match &report {
            Some(path) => {
                report::write_failure(path, &inputs, &database, rejects.as_deref(), error, terminal::PHRASES)
            }
            None => Ok(()),
        }
    }
}

/// What to do with a load.
#[derive(Debug, Clone)]
pub(super) enum Task {
    Load,
    /// Builds shards by these columns, or by this many hash buckets of them.
    LoadShards(Vec<String>, Option<NonZeroU32>),
    /// Loads the shards of a manifest, which is the only input.
    Merge,
    Preview,
    Explain,
}

/// Runs a command. Errors are left to the caller.
///
/// # Errors
/// Those of the library, and of standard output.
pub(super) fn run(cli: &Cli, arguments: &[OsString]) -> Result<u8, Box<dyn Error>> {
    if cli.version {
        let version = if cli.verbose { version::verbose_version()? } else { version::VERSION.to_owned() };
        terminal::print(&version)?;
        return Ok(0);
    }
    let stop = Arc::new(AtomicBool::new(false));
    terminal::stop_on_signals(&stop)?;
    match &cli.command {
        None => Ok(super::command(arguments).print_help().map(|()| 0)?),
        Some(Command::CreateFile(options)) => create_file(options, &stop),
        Some(Command::Load(options)) => load(options.request(), stop),
        Some(Command::RunPipeline(options)) => load(options.request(), stop),
        Some(Command::Merge(options)) => load(options.request(), stop),
        Some(Command::Check(options)) => load(options.check(), stop),
        Some(Command::Completions(options)) => Ok(assets::print_completions(options).map(|()| 0)?),
        Some(Command::Man(options)) => Ok(assets::write_man_pages(options).map(|()| 0)?),
    }
}

/// The exit code for an error.
pub(super) fn exit_code(error: &(dyn Error + 'static)) -> u8 {
    error.downcast_ref::<sqload::Error>().map_or(1, sqload::Error::exit_code)
}

fn create_file(options: &CreateFile, stop: &AtomicBool) -> Result<u8, Box<dyn Error>> {
    let CreateFile { number_rows: rows, output, force, seed, verbosity } = options;
    verbosity.start_diagnostics();
    let (sample, progress) = (Sample { rows: *rows, seed: *seed }, report::Progress::default());
    let path = output.as_deref().unwrap_or(Path::new(pipeline::CREATED));
    if path == Path::new("-") {
        generate::print(sample, &progress, stop)?;
        return Ok(0);
    }
    let may_replace = *force || output.is_none();
    let create = || generate::create_file(path, sample, may_replace, &progress, stop);
    let verb = if terminal::watch(verbosity.progress_display(), &progress, create)? {
        "replaced"
    } else {
        "created"
    };
    let (path, rows) = (path.display(), report::grouped_count(*rows, "record"));
    terminal::print_status(verbosity.quiet, &format!("{verb} {path}: {rows}"));
    Ok(0)
}

fn load(request: LoadRequest<'_>, stop: Arc<AtomicBool>) -> Result<u8, Box<dyn Error>> {
    let write = request.failure_report();
    let write_failure = move |error: &sqload::Error| {
        if let Err(error) = write(error) {
            terminal::print_error(&error);
        }
    };
    let LoadRequest { loader, inputs, database, verbosity, task, given, notice, .. } = request;
    remedy::set_given(given);
    verbosity.start_diagnostics();
    notice.iter().for_each(|notice| terminal::print_status(verbosity.quiet, notice));
    let loader = loader.inspect_err(&write_failure)?.stop(stop).phrases(terminal::PHRASES);
    terminal::finish_commit_on_signals(loader.progress(), move || write_failure(&Kind::Interrupted.into()));
    match task {
        Task::Load | Task::LoadShards(..) | Task::Merge => {
            let load = || load_inputs(&loader, &task, &inputs, &database);
            let (report, manifest) = terminal::watch(verbosity.progress_display(), &loader.progress(), load)?;
            if let Some(manifest) = manifest {
                let shards = report::grouped_count(manifest.shards.len() as u64, "shard");
                terminal::print_status(
                    verbosity.quiet,
                    &format!("{shards}, {}", report::grouped_count(manifest.rows, "row")),
                );
            }
            terminal::print_status(
                verbosity.quiet,
                &report.summary(remedy::phrase_note, remedy::phrase_warning),
            );
            if verbosity.is_verbose() {
                terminal::print_status(false, &report.stages_text());
            }
            let advice = remedy::for_report(&report);
            advice.iter().for_each(|advice| terminal::print_status(verbosity.quiet, advice));
            Ok(report.exit_code())
        }
        Task::Preview => {
            let preview = loader.preview(&inputs, &database)?;
            terminal::print(&preview.summary(remedy::phrase_note, remedy::phrase_warning))?;
            preview.load_failure().iter().for_each(|error| terminal::print_error(*error));
            Ok(preview.exit_code())
        }
        Task::Explain => {
            terminal::print(&loader.explain(&inputs, &database)?.to_string())?;
            Ok(0)
        }
    }
}

/// Loads the inputs into a database or, with a manifest as a result, into shards.
pub(super) fn load_inputs(
    loader: &Loader,
    task: &Task,
    inputs: &[PathBuf],
    database: &Path,
) -> sqload::Result<(Report, Option<Manifest>)> {
    match (task, inputs) {
        (Task::LoadShards(columns, buckets), _) => {
            let (report, manifest) = match buckets {
                Some(buckets) => loader.load_bucket_shards(inputs, database, columns, *buckets)?,
                None => loader.load_shards(inputs, database, columns)?,
            };
            Ok((report, Some(manifest)))
        }
        (Task::Merge, [manifest]) => Ok((loader.merge_shards(manifest, database)?, None)),
        _ => Ok((loader.load_all(inputs, database)?, None)),
    }
}
