//! `run-pipeline` and `check`.

use super::keywords;
use super::options::LoadOptions;
use super::remedy::Given;
use super::run::{LoadRequest, Task};
use clap::{Args, ValueEnum};
use sqload::plan::IfExists;
use sqload::{Kind, Loader};
use sqload::{demo::people, sql::Pipeline};
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = concat!(
    "\
Examples:
  sqload run-pipeline               built-in pipeline: data/people.csv, or the sample -> table people in data/people.db
  sqload run-pipeline orders.sql    orders.csv -> orders.db, as described in orders.sql
  sqload run-pipeline orders.sql -i jan.csv -i feb.csv.gz --database shop.db

",
    exit_codes!()
);

/// The path of the built-in pipeline in the repository.
const BUILT_IN: &str = "data/people.sql";

/// The file that `create-file` writes, and that the built-in pipeline loads.
pub(super) const CREATED: &str = "data/people.csv";

/// What the built-in pipeline loads while that file does not exist.
const SAMPLE: &str = "data/sample/people.csv";

#[derive(Debug, Args)]
pub(super) struct RunPipeline {
    /// Pipeline in SQL [default: the built-in data/people.sql].
    #[arg(value_name = "PIPELINE.sql")]
    pipeline: Option<PathBuf>,
    /// CSV file, pattern, or `-` for standard input; may be repeated [default: the path of the pipeline, ending in .csv].
    #[arg(short, long, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// SQLite database [default: the path of the pipeline, ending in .db].
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Version of the UUIDs that the built-in pipeline uses as keys: v7 sorts in row order, v4 is random.
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = Id::V7, conflicts_with = "pipeline")]
    id: Id,
    /// Replace an existing table.
    #[arg(long, conflicts_with = "append")]
    replace: bool,
    /// Add rows to an existing table.
    #[arg(long)]
    append: bool,
    #[command(flatten)]
    options: LoadOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Id {
    V4,
    V7,
}

impl RunPipeline {
    pub(super) fn request(&self) -> LoadRequest<'_> {
        let path = self.pipeline.as_deref().unwrap_or(Path::new(BUILT_IN));
        let (inputs, notice) = match self.input.as_slice() {
            [] => default_input(path),
            inputs => (inputs.to_vec(), None),
        };
        let database = self.database.clone().unwrap_or_else(|| path.with_extension("db"));
        let given = Given { is_pipeline: true, is_direct: self.options.is_direct(), ..Given::NOTHING };
        LoadRequest {
            loader: self.loader(),
            inputs,
            database,
            report: self.options.report.as_deref(),
            rejects: self.options.rejects(),
            verbosity: &self.options.verbosity,
            task: self.options.task(),
            given,
            notice,
        }
    }

    /// The request of `check`.
    pub(super) fn check(&self) -> LoadRequest<'_> {
        LoadRequest { task: Task::Preview, ..self.request() }
    }

    pub(super) fn loader(&self) -> sqload::Result<Loader> {
        self.check_default_input()?;
        let pipeline = match (&self.pipeline, self.id) {
            (Some(path), _) if path.extension().is_some_and(|extension| extension == "csv") => {
                let advice = keywords::reword("name CSV files with --input, or use load");
                let problem = format!("{} is not a pipeline in SQL; {advice}", path.display());
                return Err(Kind::Usage(problem).into());
            }
            (Some(path), _) => Pipeline::read(path)?,
            (None, Id::V7) => Pipeline::parse(BUILT_IN, people::SQL)?,
            (None, Id::V4) => Pipeline::parse(BUILT_IN, &people::SQL.replace("uuid7()", "uuid4()"))?,
        };
        let loader = self.options.apply(Loader::from(pipeline))?;
        Ok(match self {
            Self { replace: true, .. } => loader.if_exists(IfExists::Replace),
            Self { append: true, .. } => loader.if_exists(IfExists::Append),
            _ => loader,
        })
    }

    /// # Errors
    /// If nothing is given, and what the built-in pipeline would load does not exist.
    fn check_default_input(&self) -> sqload::Result<()> {
        let is_default = self.pipeline.is_none() && self.input.is_empty();
        if !is_default || [CREATED, SAMPLE].iter().any(|path| Path::new(path).exists()) {
            return Ok(());
        }
        let problem = format!(
            "no pipeline is named, and {CREATED}, the input of the built-in one, does not exist; \
            name a pipeline, or create that file with create-file"
        );
        Err(Kind::Usage(problem).into())
    }
}

/// The input of the pipeline at `path` if none is given, and a notice if it is the sample.
fn default_input(path: &Path) -> (Vec<PathBuf>, Option<String>) {
    let input = path.with_extension("csv");
    if input == Path::new(CREATED) && !input.exists() && Path::new(SAMPLE).exists() {
        let notice = format!("{CREATED} does not exist (create-file creates it): loading {SAMPLE} instead");
        return (vec![SAMPLE.into()], Some(notice));
    }
    (vec![input], None)
}
