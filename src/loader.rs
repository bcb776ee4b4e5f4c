//! The builder: the front door of the library.

mod database;
mod format;
mod input;
mod table;
mod validate;

use crate::engine::sqlite_input::SqliteInput;
use crate::error::{Error, Kind, Result, Warning, with_causes};
use crate::input as inputs;
use crate::load::Conductor;
use crate::plan::{Plan, Synchronous, Table};
use crate::report::{
    ExplainedLoad, Explanation, LoadArguments, Outcome, PageContext, Phrases, Preview, Progress, Report,
    ReportFile, Throughput, other_files,
};
use crate::sql::Pipeline;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use validate::validate;

pub use format::Format;

/// The name of an input that is a stream of record batches.
#[cfg(feature = "arrow")]
const ARROW_STREAM: &str = "arrow stream";

/// Loads CSV files into a table of a SQLite database.
///
/// A loader has a setter for every option of the command line, with the same defaults. [`Loader::new`] corresponds to
/// `sqload load`, and a loader made of a [`Pipeline`] to `sqload run-pipeline`.
///
/// ```no_run
/// # fn main() -> sqload::Result<()> {
/// use sqload::{Loader, plan::IfExists};
///
/// let loader = Loader::new("sales").if_exists(IfExists::Append).primary_key(["id"]).limit(1_000);
/// let report = loader.load("sales.csv.gz", "shop.db")?;
/// println!("{} rows", report.loaded);
/// # Ok(())
/// # }
/// ```
///
/// # Effects on the process
///
/// - Files of more than 128 KiB are mapped into memory. If another program truncates such a file, reading it raises SIGBUS,
///   so the first mapping installs a handler for that signal, which stays installed. The handler turns the signal into
///   [`Kind::InputChanged`], and passes signals with another cause on to the previous handler.
///   [`Loader::map_inputs`] turns this off.
/// - A load raises the soft limit on open files to the hard limit, because each input is an open file.
///   [`Loader::raise_file_limit`] turns this off.
#[derive(Debug, Clone)]
#[must_use = "a loader does nothing until it is told to load"]
pub struct Loader {
    plan: Plan,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    phrases: Phrases,
}

impl From<Plan> for Loader {
    fn from(plan: Plan) -> Self {
        Self { plan, progress: Arc::default(), stop: Arc::default(), phrases: Phrases::default() }
    }
}

impl From<Table> for Loader {
    /// A loader that fills `table`. Rejected records are skipped. An existing table of that name is an error unless the table
    /// says otherwise.
    fn from(table: Table) -> Self {
        Plan::new(table).into()
    }
}

impl From<Pipeline> for Loader {
    /// A loader that runs `pipeline`. Rejected records are skipped.
    fn from(pipeline: Pipeline) -> Self {
        pipeline.into_plan().into()
    }
}

impl Loader {
    /// A loader that creates the table `table` with the columns of the input: named by the header, INTEGER or REAL if that
    /// preserves every value, otherwise TEXT.
    ///
    /// The delimiter is detected. The first rejected record ends the load, and so does an existing table of that name; see
    /// [`Loader::on_error`] and [`Loader::if_exists`].
    pub fn new(table: impl Into<String>) -> Self {
        Plan::with_header_columns(table).into()
    }

    /// The plan that the setters have built so far.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Counters to observe a load from another thread. Each load starts them anew.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// A flag that ends the load with [`Kind::Interrupted`] when it is set.
    pub fn stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Words errors, warnings and notes in a report in HTML with these functions.
    pub fn phrases(mut self, phrases: Phrases) -> Self {
        self.phrases = phrases;
        self
    }

    /// Loads the CSV file `input` into the SQLite database `database`, which is created if it does not exist.
    ///
    /// The load is all or nothing: after an error, or if the process is killed, the database has its old content. After
    /// success every record is a row, or is counted in the report as rejected, filtered or ignored. Other tables of the
    /// database are not changed.
    ///
    /// # Errors
    /// See [`Kind`]. The error does not depend on the number of jobs.
    pub fn load(&self, input: impl AsRef<Path>, database: impl AsRef<Path>) -> Result<Report> {
        self.load_all(&[input.as_ref().to_owned()], database)
    }

    /// Loads the record batches of `reader` into the SQLite database `database`. Messages call the input `arrow stream`.
    ///
    /// The columns have the types of the batches; `docs/arrow.md` lists them. The batches are read once. If the load may have to
    /// start again, because its table has keys, indexes or rows, they are copied to a temporary file while they are read.
    ///
    /// # Errors
    /// As [`Loader::load`]; [`Kind::Plan`] if a setting is only for CSV, or a column has a type without a counterpart in SQLite.
    #[cfg(feature = "arrow")]
    pub fn load_arrow(
        &self,
        reader: impl arrow_array::RecordBatchReader + Send + 'static,
        database: impl AsRef<Path>,
    ) -> Result<Report> {
        let stream = Arc::new(inputs::ArrowStream::new(ARROW_STREAM, Box::new(reader)));
        let (inputs, database) = ([PathBuf::from(ARROW_STREAM)], database.as_ref());
        let run = || {
            validate(&self.plan)?;
            Conductor { arrow_stream: Some(&stream), ..self.conductor(&inputs, database) }.run()
        };
        self.with_report(&inputs, database, run, write_after_load)
    }

    /// Loads several inputs, in this order, into one table. An input may be a pattern such as `sales-*.csv`, or `-` for
    /// standard input.
    ///
    /// # Errors
    /// As [`Loader::load`]; [`Kind::Usage`] if there is no input; [`Kind::HeaderDiffers`].
    pub fn load_all(&self, inputs: &[PathBuf], database: impl AsRef<Path>) -> Result<Report> {
        let database = database.as_ref();
        let run = || self.with_load(inputs, database, |load| load.run());
        self.with_report(inputs, database, run, write_after_load)
    }

    /// Loads `inputs` into the database `staged`, whose table must have the `columns`, and then calls `finish` with the report and the
    /// stop flag. The report names `destination` as the database, and is written when `finish` has succeeded.
    pub(crate) fn load_and(
        &self,
        inputs: &[PathBuf],
        (staged, columns): (&Path, &[String]),
        destination: &Path,
        finish: impl FnOnce(&mut Report, &Arc<AtomicBool>) -> Result<()>,
    ) -> Result<Report> {
        let run = || {
            let mut report =
                self.with_load(inputs, staged, |load| Conductor { shard_columns: columns, ..load }.run())?;
            self.progress.set_committing(false);
            report.database = destination.to_owned();
            finish(&mut report, &self.stop)?;
            Ok(report)
        };
        self.with_report(inputs, destination, run, write_after_load)
    }

    /// Loads the rows of tables as `prepare` says, which gets the stop flag and returns the plan and the tables. `explain` may
    /// improve an error. The report names these `inputs`.
    pub(crate) fn load_tables(
        &self,
        inputs: &[PathBuf],
        database: &Path,
        prepare: impl FnOnce(&Arc<AtomicBool>) -> Result<(Plan, Vec<SqliteInput>)>,
        explain: impl FnOnce(Error, &Plan, &[SqliteInput]) -> Error,
    ) -> Result<Report> {
        let run = || {
            let (plan, tables) = prepare(&self.stop)?;
            validate(&plan)?;
            let load = Conductor { plan: &plan, tables: Some(&tables), ..self.conductor(inputs, database) };
            load.run().map_err(|error| explain(error, &plan, &tables))
        };
        self.with_report(inputs, database, run, write_after_load)
    }

    /// Tries the first records in memory, and reports what [`Loader::load_all`] would do. Changes no file.
    ///
    /// # Errors
    /// As [`Loader::load_all`], as far as the first records show.
    pub fn preview(&self, inputs: &[PathBuf], database: impl AsRef<Path>) -> Result<Preview> {
        let database = database.as_ref();
        let run = || self.with_load(inputs, database, |load| load.preview());
        self.with_report(inputs, database, run, |preview, file, context| {
            file.write(&preview.outcome(), context)
        })
    }

    /// Reports which code would evaluate the expressions of the load. Loads nothing.
    ///
    /// # Errors
    /// As [`Loader::load_all`], as far as the plan and the headers show.
    pub fn explain(&self, inputs: &[PathBuf], database: impl AsRef<Path>) -> Result<Explanation> {
        let database = database.as_ref();
        let run = || self.with_load(inputs, database, |load| load.explain());
        self.with_report(inputs, database, run, |explanation, file, context| {
            let arguments = LoadArguments::new(inputs, database);
            let explained = ExplainedLoad { arguments, explanation };
            file.write(&Outcome::success("explained", 0, explained), context)
        })
    }

    /// Runs a load and writes its report, also if it fails.
    fn with_report<T>(
        &self,
        inputs: &[PathBuf],
        database: &Path,
        run: impl FnOnce() -> Result<T>,
        write: impl FnOnce(&mut T, ReportFile, &PageContext<'_>) -> Result<()>,
    ) -> Result<T> {
        let file = self.open_report(inputs, database)?;
        let (result, throughput) = match &file {
            Some(file) if file.is_page() => Throughput::measure(&self.progress, run),
            _ => (run(), Throughput::default()),
        };
        let (plan, progress) = (Some(&self.plan), Some(&*self.progress));
        let context = PageContext { phrases: self.phrases, plan, progress, throughput };
        match (result, file) {
            (result, None) => result,
            (Ok(mut done), Some(file)) => write(&mut done, file, &context).map(|()| done),
            (Err(error), Some(file)) => {
                let outcome = Outcome::failure(&error, LoadArguments::new(inputs, database));
                if let Err(error) = file.write(&outcome, &context) {
                    tracing::error!("the report could not be written: {}", with_causes(&error));
                }
                Err(error)
            }
        }
    }

    /// The file for the report, which may be no other file of the load.
    fn open_report(&self, inputs: &[PathBuf], database: &Path) -> Result<Option<ReportFile>> {
        let Plan { report, policies, tuning, .. } = &self.plan;
        let Some(path) = report else { return Ok(None) };
        let others = other_files(inputs, database, policies.rejects.as_deref());
        let file = ReportFile::open(path, &others, tuning.synchronous >= Synchronous::Full)?;
        file.remove_old()?;
        Ok(Some(file))
    }

    fn with_load<T>(
        &self,
        inputs: &[PathBuf],
        database: &Path,
        run: impl FnOnce(Conductor<'_>) -> Result<T>,
    ) -> Result<T> {
        let Self { plan, .. } = self;
        validate(plan)?;
        if inputs.is_empty() {
            return Err(Kind::Usage("no input was given".to_owned()).into());
        }
        let inputs = &inputs::expand(inputs)?;
        if plan.tuning.raise_file_limit {
            inputs::raise_open_file_limit();
        }
        run(self.conductor(inputs, database))
    }

    fn conductor<'l>(&'l self, inputs: &'l [PathBuf], database: &'l Path) -> Conductor<'l> {
        let Self { plan, progress, stop, .. } = self;
        Conductor {
            plan,
            inputs,
            database,
            progress,
            stop,
            shard_columns: &[],
            tables: None,
            #[cfg(feature = "arrow")]
            arrow_stream: None,
        }
    }
}

/// Writes the report of a load that has happened.
fn write_after_load(report: &mut Report, file: ReportFile, context: &PageContext<'_>) -> Result<()> {
    // An error would say that the load had not happened.
    if let Err(error) = file.write(&report.outcome(), context) {
        let error = with_causes(&error);
        let warning = format!("the rows are loaded, but the report could not be written: {error}");
        tracing::error!("{warning}");
        report.warnings.push(Warning::AfterCommit(warning));
    }
    Ok(())
}
