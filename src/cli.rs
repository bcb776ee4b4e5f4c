//! The command line, and what it asks the library to do. Nothing else knows clap or the names of options.

/// Exit codes, at the end of every help text.
macro_rules! exit_codes {
    () => {
        "Exit codes: 0 all records loaded; 1 failed, database unchanged; 2 usage error; \
        3 loaded, some records rejected; 4 loaded, but possibly not on disk yet; 130 interrupted, database unchanged."
    };
}

mod assets;
mod load;
mod names;
mod options;
mod pipeline;
mod remedy;
mod run;
#[cfg(test)]
mod setters;
mod sizes;
mod terminal;
mod types;
mod version;

use assets::{Completions, WriteMan};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};
use load::Load;
use options::Verbosity;
use pipeline::RunPipeline;
pub(crate) use run::{exit_code, run};
use std::path::PathBuf;
pub(crate) use terminal::print_error;

/// Load CSV files into SQLite: fast, all or nothing, without changing a value.
#[derive(Debug, Parser)]
#[command(version, disable_version_flag = true, max_term_width = 100, after_help = exit_codes!())]
pub(crate) struct Cli {
    /// Print the version.
    #[arg(short = 'V', long)]
    version: bool,
    /// With --version: also print the features of this build, and the version and compile options of SQLite.
    #[arg(short, long, requires = "version")]
    verbose: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Generate a CSV file of people.
    CreateFile(CreateFile),
    /// Load CSV files into a table with the columns of their header.
    ///
    /// Columns that contain only numbers are INTEGER or REAL, if that preserves every value. All others are TEXT, so 007
    /// stays 007.
    #[command(after_help = load::EXAMPLES)]
    Load(Box<Load>),
    /// Load CSV files as described by a pipeline in SQL.
    ///
    /// A pipeline consists of CREATE TABLE, INSERT INTO ... SELECT ... FROM input [WHERE ...] [ON CONFLICT ...], and any
    /// number of CREATE INDEX, CREATE VIEW and ANALYZE; `input` stands for the CSV files. An existing table of that name is
    /// an error, unless DROP TABLE IF EXISTS precedes CREATE TABLE; everything else in the database is kept.
    #[command(after_help = pipeline::EXAMPLES)]
    RunPipeline(Box<RunPipeline>),
    /// Check a pipeline against its input without loading anything.
    ///
    /// Prints the table, the evaluator of each expression, and the first rows. Equivalent to run-pipeline --dry-run; exits
    /// as the load would.
    Check(Box<RunPipeline>),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example: sqload completions bash > ~/.local/share/bash-completion/completions/sqload"
    )]
    Completions(Completions),
    /// Write man pages, one for each command.
    #[command(after_help = "Example: sqload man --output ~/.local/share/man/man1")]
    Man(WriteMan),
}

/// The parsed arguments of the program. Ends the program if they are wrong, or if they ask for help.
pub(crate) fn parse() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| with_missing_database(error).exit())
}

/// The error for one path after `load`, which clap takes for the database.
fn with_missing_database(error: clap::Error) -> clap::Error {
    let is_missing = |missing: &ContextValue| matches!(missing, ContextValue::Strings(names) if names.iter().eq(["<INPUT>..."]));
    if error.kind() != ErrorKind::MissingRequiredArgument
        || !error.get(ContextKind::InvalidArg).is_some_and(is_missing)
    {
        return error;
    }
    let message = "the database is missing: sqload load <INPUT>... <DATABASE>\n\nIf --auto-id precedes the files, write --auto-id=NAME.";
    let mut command = Cli::command();
    // The usage of a subcommand names the program only after this.
    command.build();
    match command.find_subcommand_mut("load") {
        Some(load) => load.error(ErrorKind::MissingRequiredArgument, message),
        None => error,
    }
}

#[derive(Debug, Args)]
struct CreateFile {
    /// Number of people.
    #[arg(long, value_name = "N")]
    number_rows: u64,
    /// Write to FILE, which must not exist; `-` is standard output [default: data/people.csv, which is replaced].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace FILE if it exists.
    #[arg(long)]
    force: bool,
    /// Generate the same file for the same seed [default: a random seed].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    verbosity: Verbosity,
}

// clap checks its definitions here rather than at every start.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
