//! Runs the statement.

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::rows::{QueryError, Rows, take};
use crate::tables::register_files;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::cast::as_uint64_array;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use sqload::Loader;
use sqload::report::grouped_count;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::sleep;

/// How often a waiting statement looks for a signal.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Where the rows go.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    /// A table of this database.
    Database(&'a Path),
    /// The shards of a COPY statement.
    Shards,
}

impl<'a> Target<'a> {
    /// The target of a statement and the database that was given.
    fn new(statement: &Statement, database: Option<&'a Path>) -> Result<Self, Failure> {
        let usage = |message: &str| Err(Failure::Usage(message.to_owned()));
        match (statement, database) {
            (Statement::CopyTo(copy), None) => match &copy.stored_as {
                Some(format) if format.eq_ignore_ascii_case(sqload_datafusion::FORMAT) => Ok(Self::Shards),
                _ => usage("COPY needs STORED AS SQLITE"),
            },
            (Statement::CopyTo(_), Some(_)) => usage("COPY names its directory; leave out the database"),
            (Statement::Statement(statement), database)
                if matches!(**statement, ast::Statement::Query(_)) =>
            {
                match database {
                    Some(database) => Ok(Self::Database(database)),
                    None => usage("name the database for the rows of SELECT after the statement"),
                }
            }
            _ => usage("expected a SELECT or COPY statement"),
        }
    }
}

/// Runs the statement. Returns what to tell the user.
pub(crate) fn run(arguments: &Arguments, stop: Arc<AtomicBool>) -> Result<String, Failure> {
    let runtime = Runtime::new()?;
    let context = SessionContext::new_with_config(config(arguments));
    sqload_datafusion::register(&context)?;
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(&arguments.sql, &dialect)?;
    let target = Target::new(&statement, arguments.database.as_deref())?;
    let frame = runtime.block_on(async {
        register_files(&context, &statement, &arguments.inputs, arguments.text).await?;
        let plan = context.state().statement_to_plan(statement).await?;
        Ok::<_, Failure>(DataFrame::new(context.state(), plan))
    })?;
    match target {
        Target::Database(database) => load(&runtime, frame, database, arguments, stop),
        Target::Shards => runtime.block_on(copy(frame, &stop)),
    }
}

fn config(arguments: &Arguments) -> SessionConfig {
    // Names are those of the header, without quotes, too.
    let config = SessionConfig::new().set_bool("datafusion.sql_parser.enable_ident_normalization", false);
    match arguments.jobs {
        Some(jobs) => config.with_target_partitions(jobs.get()),
        None => config,
    }
}

/// Loads the rows of a query into a table.
fn load(
    runtime: &Runtime,
    frame: DataFrame,
    database: &Path,
    arguments: &Arguments,
    stop: Arc<AtomicBool>,
) -> Result<String, Failure> {
    let batches = runtime.block_on(frame.execute_stream())?;
    let table = arguments.table.clone().unwrap_or_else(|| sqload::table_name(database));
    let mut loader = Loader::new(table).if_exists(arguments.if_exists()).stop(stop.clone());
    if let Some(jobs) = arguments.jobs {
        loader = loader.jobs(jobs);
    }
    if !arguments.pk.is_empty() {
        loader = loader.primary_key(&arguments.pk);
    }
    for columns in &arguments.index {
        loader = loader.index(columns.split(',').map(str::trim));
    }
    let error = QueryError::default();
    let rows = Rows { batches, runtime: runtime.handle().clone(), stop: stop.clone(), error: error.clone() };
    match loader.load_arrow(rows, database) {
        Ok(report) => Ok(report.to_string()),
        Err(_) if stop.load(Ordering::Relaxed) => Err(Failure::Interrupted),
        Err(failed) => Err(take(&error).map_or_else(|| failed.into(), Failure::from)),
    }
}

/// Runs a COPY statement, which ends early if a signal arrives.
async fn copy(frame: DataFrame, stop: &AtomicBool) -> Result<String, Failure> {
    let interrupted = async {
        while !stop.load(Ordering::Relaxed) {
            sleep(CHECK_INTERVAL).await;
        }
    };
    let batches: Vec<RecordBatch> = tokio::select! {
        batches = frame.collect() => batches?,
        () = interrupted => return Err(Failure::Interrupted),
    };
    let counts =
        batches.iter().map(|batch| Ok(as_uint64_array(batch.column(0))?.values().iter().sum::<u64>()));
    let rows = counts.sum::<Result<u64, Failure>>()?;
    Ok(grouped_count(rows, "row"))
}
