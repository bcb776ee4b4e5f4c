//! The command line, and what it asks the library to do. Nothing else knows clap or the names of options.

/// Exit codes, at the end of every help text.
macro_rules! exit_codes {
    () => {
        "Exit codes: 0 all records loaded; 1 failed, database unchanged; 2 usage error; \
        3 loaded, some records rejected; 4 loaded, but possibly not on disk yet; 130 interrupted, database unchanged."
    };
}

mod assets;
mod keywords;
mod load;
mod merge;
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
use clap::error::ErrorKind;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
pub use keywords::{KeywordLoad, LoadFailure, LoadReport, run_for_host};
use load::Load;
use merge::Merge;
use options::Verbosity;
use pipeline::RunPipeline;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

/// Load CSV files into SQLite: fast, all or nothing, without changing a value.
#[derive(Debug, Parser)]
#[command(version, disable_version_flag = true, max_term_width = 100, after_help = exit_codes!())]
struct Cli {
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
    #[command(after_help = load::EXAMPLES, override_usage = "sqload load [OPTIONS] <INPUT>... <DATABASE>")]
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
    /// Combine shards into one database.
    ///
    /// Loads the rows of all shards of a manifest into one table with their columns, types, keys and indexes. The sizes and hashes of
    /// the shards are checked first. Two rows with the same key are an error.
    #[command(after_help = merge::EXAMPLES)]
    Merge(Box<Merge>),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example: sqload completions bash > ~/.local/share/bash-completion/completions/sqload"
    )]
    Completions(Completions),
    /// Write man pages, one for each command.
    #[command(after_help = "Example: sqload man --output ~/.local/share/man/man1")]
    Man(WriteMan),
}

/// Runs the program with these arguments, of which the first is its name. Returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let exit_code = match parse(&arguments) {
        Ok(cli) => run::run(&cli, &arguments).unwrap_or_else(|error| {
            terminal::print_error(&*error);
            run::exit_code(&*error)
        }),
        Err(error) => {
            // An unwritable standard error is ignored.
            let _ = error.print();
            u8::try_from(error.exit_code()).unwrap_or(1)
        }
    };
    // Rust flushes it at the end of its own programs only.
    let _ = std::io::stdout().flush();
    exit_code
}

/// The parsed arguments of the program.
///
/// # Errors
/// If they are wrong, or if they ask for help.
fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = command(arguments).try_get_matches_from(arguments)?;
    match Cli::from_arg_matches(&matches)? {
        Cli { command: Some(Command::Load(load)), .. } if load.lacks_database() => {
            Err(missing_database(arguments, load.has_auto_id()))
        }
        cli => Ok(cli),
    }
}

/// The definition of the command line, in the colors that the arguments ask for.
fn command(arguments: &[OsString]) -> clap::Command {
    Cli::command().color(requested_color(arguments.iter().skip(1).cloned()))
}

/// The value of `--color` among these arguments. It also applies to help and to errors in other arguments.
fn requested_color(arguments: impl Iterator<Item = OsString>) -> ColorChoice {
    let arguments: Vec<_> = arguments.take_while(|argument| argument != "--").collect();
    let value = |at: usize| match arguments[at].to_str()? {
        "--color" => arguments.get(at + 1)?.to_str(),
        argument => argument.strip_prefix("--color="),
    };
    match (0..arguments.len()).find_map(value) {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        // clap would color in spite of TERM=dumb where CI or CLICOLOR is set.
        _ if !terminal::allows_color() => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// The error for only one path after `load`. `--auto-id` may have taken the other one as its value.
fn missing_database(arguments: &[OsString], has_auto_id: bool) -> clap::Error {
    let advice = if has_auto_id { "\n\nIf --auto-id precedes the files, write --auto-id=NAME." } else { "" };
    let message = format!("the database is missing: sqload load <INPUT>... <DATABASE>{advice}");
    let mut command = command(arguments);
    // The usage of a subcommand names the program only after this.
    command.build();
    let load = command.find_subcommand_mut("load");
    load.unwrap_or(&mut Cli::command()).error(ErrorKind::MissingRequiredArgument, message)
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

    #[test]
    fn color_is_found_among_other_arguments() {
        let default = requested_color(std::iter::empty());
        for (arguments, expected) in [
            (&["load", "--color", "always", "--nonsense"][..], ColorChoice::Always),
            (&["--color=never", "--help"], ColorChoice::Never),
            (&["load", "--color"], default),
            (&["load", "--color", "auto"], default),
            (&["load", "--", "--color=never"], default),
        ] {
            assert_eq!(requested_color(arguments.iter().map(OsString::from)), expected, "{arguments:?}");
        }
    }
}
