//! `run-pipeline`.

use super::{LoadRequest, Task, options::LoadOptions};
use clap::{Args, ValueEnum};
use sqload::plan::{InputOptions, Plan};
use sqload::{demo::people, sql::Pipeline};
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  sqload run-pipeline                          the built-in one: data/people.csv -> data/people.db, table people
  sqload run-pipeline orders.sql               orders.csv -> orders.db, as orders.sql says
  sqload run-pipeline orders.sql -i jan.csv -i feb.csv.gz --database shop.db

Exit codes: 0 all loaded; 1 failed, database as it was; 2 usage; 3 loaded, some records rejected; \
130 interrupted, database as it was.";

/// Where the built-in pipeline lies in the sources.
const BUILT_IN: &str = "data/people.sql";

#[derive(Debug, Args)]
pub(crate) struct RunPipeline {
    /// The pipeline [default: the built-in data/people.sql].
    #[arg(value_name = "PIPELINE.sql")]
    pipeline: Option<PathBuf>,
    /// A CSV file, a pattern, or `-`; may be given more than once [default: the pipeline's name, ending in .csv].
    #[arg(short, long, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// The SQLite database [default: the pipeline's name, ending in .db].
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// How the built-in pipeline makes keys: v7 sorts by row, v4 is random.
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = Id::V7, conflicts_with = "pipeline")]
    id: Id,
    #[command(flatten)]
    options: LoadOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Id {
    V4,
    V7,
}

impl RunPipeline {
    pub(crate) fn request(&self) -> sqload::Result<LoadRequest<'_>> {
        let path = self.pipeline.as_deref().unwrap_or(Path::new(BUILT_IN));
        let inputs = match self.input.as_slice() {
            [] => vec![path.with_extension("csv")],
            inputs => inputs.to_vec(),
        };
        let database = self.database.clone().unwrap_or_else(|| path.with_extension("db"));
        let (verbosity, task) = (&self.options.verbosity, self.options.task());
        Ok(LoadRequest { plan: self.plan()?, inputs, database, verbosity, task })
    }

    /// The order of `check`.
    pub(crate) fn check(&self) -> sqload::Result<LoadRequest<'_>> {
        Ok(LoadRequest { task: Task::Preview, ..self.request()? })
    }

    fn plan(&self) -> sqload::Result<Plan> {
        let pipeline = match (&self.pipeline, self.id) {
            (Some(path), _) => Pipeline::read(path)?,
            (None, Id::V7) => Pipeline::parse(BUILT_IN, people::SQL)?,
            (None, Id::V4) => Pipeline::parse(BUILT_IN, &people::SQL.replace("uuid7()", "uuid4()"))?,
        };
        let plan = self.options.plan(pipeline.into_plan());
        Ok(Plan { input_options: InputOptions { detect_delimiter: false, ..plan.input_options }, ..plan })
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use sqload::demo::people;
    use sqload::plan::{Expr, Plan};

    #[test]
    fn every_default_is_the_plans() {
        let cli = Cli::parse_from(["sqload", "run-pipeline"]);
        let Some(Command::RunPipeline(options)) = cli.command else { panic!("another command") };
        let (plan, default) = (options.plan().unwrap(), Plan::new(people::table(Expr::Uuid7)));
        assert_eq!(plan.table, default.table);
        assert_eq!((plan.dialect, plan.input_options), (default.dialect, default.input_options));
        assert_eq!(plan.policies, default.policies);
        assert_eq!(plan.tuning, default.tuning);
        assert_eq!(plan.report, default.report);
    }
}
