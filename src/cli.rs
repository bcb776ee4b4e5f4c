//! The command line, and what it asks the library to do. Nothing else knows clap or the names of options.

/// Exit codes, at the end of every help text.
macro_rules! exit_codes {
    () => {
        "Exit codes: 0 all records loaded; 1 failed, database unchanged; 2 usage error; \
        3 loaded, some records rejected; 4 loaded, but possibly not on disk yet; 130 interrupted, database unchanged."
    };
}

mod load;
mod names;
mod options;
mod pipeline;
mod remedy;
mod run;
#[cfg(test)]
mod setters;
mod terminal;

use clap::{Args, Parser, Subcommand};
use load::Load;
use options::Verbosity;
use pipeline::RunPipeline;
pub(crate) use run::{exit_code, run};
use std::path::PathBuf;
pub(crate) use terminal::print_error;

/// Load CSV files into SQLite: fast, all or nothing, without changing a value.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = exit_codes!())]
pub(crate) struct Cli {
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
    #[command(after_help = load::EXAMPLES, mut_arg("on_error", |arg| arg.default_value("abort")))]
    Load(Box<Load>),
    /// Load CSV files as described by a pipeline in SQL.
    ///
    /// A pipeline consists of CREATE TABLE, INSERT INTO ... SELECT ... FROM input [WHERE ...], and any number of
    /// CREATE INDEX, CREATE VIEW and ANALYZE; `input` stands for the CSV files. An existing table of that name is replaced;
    /// everything else in the database is kept.
    #[command(after_help = pipeline::EXAMPLES)]
    RunPipeline(Box<RunPipeline>),
    /// Check a pipeline against its input without loading anything.
    ///
    /// Prints the table, the evaluator of each expression, and the first rows. Equivalent to run-pipeline --dry-run.
    Check(Box<RunPipeline>),
}

#[derive(Debug, Args)]
struct CreateFile {
    /// Number of people.
    #[arg(long, value_name = "N")]
    number_rows: u64,
    /// Write to FILE.
    #[arg(short, long, value_name = "FILE", default_value = "data/people.csv")]
    output: PathBuf,
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
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
