//! The command line to plans. Nothing else knows clap.

mod load;
mod options;
mod pipeline;
pub(crate) mod remedy;
pub(crate) mod terminal;

use clap::{Args, Parser, Subcommand};
use load::Load;
pub(crate) use options::Verbosity;
use pipeline::RunPipeline;
use sqload::{Loader, plan::Plan};
use std::path::{Path, PathBuf};

/// Load CSV into SQLite: fast, all or nothing, every value as it was.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXIT_CODES: &str = "\
Exit codes: 0 all loaded; 1 failed, database as it was; 2 usage; 3 loaded, some records rejected; \
130 interrupted, database as it was.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a CSV file of people to load.
    CreateFile(CreateFile),
    /// Load a CSV file into a table of its own, with the columns that its header names.
    ///
    /// A column that holds nothing but numbers is INTEGER or REAL, if that loses nothing in any record; all others
    /// are TEXT, so that 007 stays 007.
    #[command(after_help = load::EXAMPLES, mut_arg("on_error", |arg| arg.default_value("abort")))]
    Load(Box<Load>),
    /// Load CSV files as a pipeline in SQL says: into which table, and what of each record goes there.
    ///
    /// A pipeline is CREATE TABLE, INSERT INTO ... SELECT ... FROM input [WHERE ...], and then any number of CREATE INDEX,
    /// CREATE VIEW and ANALYZE; `input` is the CSV. A table that is there is made anew; all else in the database stays as
    /// it is.
    #[command(after_help = pipeline::EXAMPLES)]
    RunPipeline(Box<RunPipeline>),
    /// Check a pipeline against the header of its input: say which table it makes, what evaluates each expression, and
    /// what the first rows are. Nothing is loaded.
    ///
    /// The options are those of run-pipeline, and this is what it says with --dry-run.
    Check(Box<RunPipeline>),
}

#[derive(Debug, Args)]
pub(crate) struct CreateFile {
    /// How many people.
    #[arg(long, value_name = "N")]
    pub(crate) number_rows: u64,
    /// Where to write them.
    #[arg(short, long, value_name = "FILE", default_value = "data/people.csv")]
    pub(crate) output: PathBuf,
    /// Draw them from this seed: the same seed, the same file.
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
}

/// What to load, and where to.
pub(crate) struct LoadRequest<'c> {
    pub(crate) plan: Plan,
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) database: PathBuf,
    pub(crate) verbosity: &'c Verbosity,
    pub(crate) task: Task,
}

/// What to do with an order.
pub(crate) enum Task {
    Load,
    /// Say what would be done.
    Preview,
    /// Say what would evaluate which expression.
    Explain,
}

impl Task {
    /// What is said instead of loading.
    pub(crate) fn message(
        &self,
        loader: &Loader,
        inputs: &[PathBuf],
        database: &Path,
    ) -> sqload::Result<Option<String>> {
        Ok(match self {
            Self::Load => None,
            Self::Preview => Some(loader.preview(inputs, database)?.summary(remedy::phrase_note)),
            Self::Explain => Some(loader.explain(inputs, database)?.to_string()),
        })
    }
}

// Derived checks of clap's own run once here rather than at each start.
#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
