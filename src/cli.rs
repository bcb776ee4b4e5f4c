//! The command line to plans. Nothing else knows clap.

mod load;
mod options;

use clap::{Args, Parser, Subcommand, ValueEnum};
use load::Load;
use options::LoadOptions;
pub(crate) use options::Talk;
use sqload::plan::{Expr, Head, Plan};
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
    /// Load a CSV file of people into the table `people`, with a key and an e-mail address computed.
    ///
    /// The table is made anew; all else in the database stays as it is. Columns are found by the names in
    /// the header.
    #[command(after_help = EXIT_CODES)]
    RunPipeline(RunPipeline),
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
    pub(crate) talk: Talk,
}

#[derive(Debug, Args)]
pub(crate) struct RunPipeline {
    /// The CSV file.
    #[arg(short, long, value_name = "FILE", default_value = "data/people.csv")]
    input: PathBuf,
    /// The SQLite database.
    #[arg(long, value_name = "FILE", default_value = "data/people.db")]
    database: PathBuf,
    /// How keys are made: v7 sorts by row, v4 is random.
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = Id::V7)]
    id: Id,
    #[command(flatten)]
    options: LoadOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Id {
    V4,
    V7,
}

/// What to load, and where to.
pub(crate) struct Order<'c> {
    pub(crate) plan: Plan,
    pub(crate) inputs: &'c [PathBuf],
    pub(crate) database: &'c Path,
    pub(crate) talk: &'c Talk,
    /// Whether it is only to be said what would be done.
    pub(crate) is_dry_run: bool,
}

impl RunPipeline {
    pub(crate) fn order(&self) -> Order<'_> {
        Order {
            plan: self.plan(),
            inputs: std::slice::from_ref(&self.input),
            database: &self.database,
            talk: &self.options.talk,
            is_dry_run: self.options.dry_run,
        }
    }

    fn plan(&self) -> Plan {
        let id = match self.id {
            Id::V4 => Expr::Uuid4,
            Id::V7 => Expr::Uuid7,
        };
        let head = Head { finds_delimiter: false, ..self.options.dialect.head() };
        Plan { head, ..self.options.plan(sqload::people::table(id)) }
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

    #[test]
    fn every_default_is_the_plans() {
        let cli = Cli::parse_from(["sqload", "run-pipeline"]);
        let Some(Command::RunPipeline(options)) = cli.command else { panic!("another command") };
        let (plan, default) = (options.plan(), Plan::new(sqload::people::table(Expr::Uuid7)));
        assert_eq!(plan.table, default.table);
        assert_eq!((plan.dialect, plan.head), (default.dialect, default.head));
        assert_eq!(plan.policies, default.policies);
        assert_eq!(plan.tuning, default.tuning);
        assert_eq!(plan.report, default.report);
    }
}
