//! The library's front door.

use crate::error::{Kind, PlanError, Result};
use crate::input;
use crate::load::Conductor;
use crate::plan::{
    Delimiter, Dialect, HeaderColumns, InvalidUtf8, OnError, Plan, Ragged, Synchronous, Table, WriterChoice,
};
use crate::report::{Explanation, Preview, Progress, Report};
use crate::sql::Pipeline;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Loads CSV files into a table: a builder over a [`Plan`].
///
/// See the [crate's documentation](crate) for an example.
#[derive(Debug, Clone)]
pub struct Loader {
    plan: Plan,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
}

impl From<Plan> for Loader {
    fn from(plan: Plan) -> Self {
        Self { plan, progress: Arc::default(), stop: Arc::default() }
    }
}

impl From<Pipeline> for Loader {
    fn from(pipeline: Pipeline) -> Self {
        pipeline.into_plan().into()
    }
}

impl Loader {
    /// A loader that makes `table`, with every default.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Plan::new(table).into()
    }

    /// A loader that makes a table of this name with the columns of the input: named by the header, and of the type
    /// INTEGER or REAL where that loses nothing, otherwise TEXT.
    #[must_use]
    pub fn of_input(table: impl Into<String>) -> Self {
        let plan = Plan::new(Table::new(table, Vec::new()));
        Plan { columns: Some(HeaderColumns::default()), ..plan }.into()
    }

    /// What stands between fields, a byte or a [`Delimiter`] of several. Default: a comma.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl Into<Delimiter>) -> Self {
        self.plan.dialect.delimiter = delimiter.into();
        self
    }

    /// The byte around quoted fields; `None`: quotes mean nothing. Default: `"`.
    #[must_use]
    pub fn quote(mut self, quote: Option<u8>) -> Self {
        self.plan.dialect.quote = quote;
        self
    }

    /// The byte inside quotes that takes the meaning off the next one. Default: none; `""` stands for a quote in any case.
    #[must_use]
    pub fn escape(mut self, escape: Option<u8>) -> Self {
        self.plan.dialect.escape = escape;
        self
    }

    /// The byte that a line begins with which is no record. Default: none.
    #[must_use]
    pub fn comment(mut self, comment: Option<u8>) -> Self {
        self.plan.dialect.comment = comment;
        self
    }

    /// Whether blanks and tabs around fields are taken off. Default: no.
    #[must_use]
    pub fn trim(mut self, trim: bool) -> Self {
        self.plan.dialect.trim = trim;
        self
    }

    /// Worker threads. Default: as many as the machine has cores.
    #[must_use]
    pub fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.plan.tuning.jobs = Some(jobs);
        self
    }

    /// Bytes of input in a chunk, the unit of work. Default: 64 KiB.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.plan.tuning.chunk_bytes = bytes.get();
        self
    }

    /// How rows get into the database. Default: as pages where that is possible, otherwise through statements.
    #[must_use]
    pub fn writer(mut self, writer: WriterChoice) -> Self {
        self.plan.tuning.writer = writer;
        self
    }

    /// Memory that keys which come in no order may take until they are sorted, in bytes. Default: 1 GiB.
    #[must_use]
    pub fn memory_bytes(mut self, bytes: usize) -> Self {
        self.plan.tuning.memory_bytes = bytes;
        self
    }

    /// When SQLite waits for the disk. Default: never.
    #[must_use]
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.plan.tuning.synchronous = synchronous;
        self
    }

    /// Page size of a new database, in bytes: a power of two from 512 to 65536. Default: SQLite's.
    #[must_use]
    pub fn page_bytes(mut self, bytes: u32) -> Self {
        self.plan.tuning.page_bytes = Some(bytes);
        self
    }

    /// SQLite's page cache, in KiB. Default: 40000.
    #[must_use]
    pub fn cache_kib(mut self, kib: u32) -> Self {
        self.plan.tuning.cache_kib = kib;
        self
    }

    /// Rows that one INSERT statement carries. Default: 50.
    #[must_use]
    pub fn batch_rows(mut self, rows: NonZeroUsize) -> Self {
        self.plan.tuning.batch_rows = rows.get();
        self
    }

    /// Whether to check the finished database before it takes its place. Default: no.
    #[must_use]
    pub fn verify(mut self, verify: bool) -> Self {
        self.plan.tuning.verify = verify;
        self
    }

    /// Whether to VACUUM at the end. Default: no; a fresh load is compact already.
    #[must_use]
    pub fn vacuum(mut self, vacuum: bool) -> Self {
        self.plan.tuning.vacuum = vacuum;
        self
    }

    /// Makes the load repeatable: the same seed gives the same UUIDs. Default: random ones.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.tuning.seed = Some(seed);
        self
    }

    /// What a record that can not be loaded does to the load. Default: it is counted, and the load goes on.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.plan.policies.on_error = on_error;
        self
    }

    /// How many rejects the load may go on with. Default: any number.
    #[must_use]
    pub fn max_errors(mut self, max_errors: u64) -> Self {
        self.plan.policies.max_errors = Some(max_errors);
        self
    }

    /// What becomes of a record with fewer or more fields than the header has. Default: it is a reject.
    #[must_use]
    pub fn ragged(mut self, ragged: Ragged) -> Self {
        self.plan.policies.ragged = ragged;
        self
    }

    /// What becomes of a record that is not UTF-8. Default: it is a reject.
    #[must_use]
    pub fn invalid_utf8(mut self, invalid_utf8: InvalidUtf8) -> Self {
        self.plan.policies.invalid_utf8 = invalid_utf8;
        self
    }

    /// Where to write the records that can not be loaded, as they were read, after the header.
    #[must_use]
    pub fn rejects(mut self, path: impl Into<PathBuf>) -> Self {
        self.plan.policies.rejects = Some(path.into());
        self
    }

    /// The largest record, in bytes. Default: 16 MiB; at most 1 GiB.
    #[must_use]
    pub fn max_record_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.plan.policies.max_record_bytes = bytes.get();
        self
    }

    /// Where to write the report as JSON, too; `-` is standard output.
    #[must_use]
    pub fn report(mut self, path: impl Into<PathBuf>) -> Self {
        self.plan.report = Some(path.into());
        self
    }

    /// Counters to watch the load by, from another thread. They start with the next load.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// A flag that ends the load early, with [`Kind::Interrupted`], when it is set.
    #[must_use]
    pub fn stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Loads the CSV file `input` into the SQLite database `database`, in place of a table of the same name.
    ///
    /// All or nothing: on success every record is a row or was rejected and counted; on an error, or if the
    /// process is killed, the database is what it was before. Everything else in an existing database stays.
    ///
    /// # Errors
    /// See [`Kind`]. The error is the same at any number of jobs.
    pub fn load(&self, input: impl AsRef<Path>, database: impl AsRef<Path>) -> Result<Report> {
        self.load_all(&[input.as_ref().to_owned()], database)
    }

    /// As [`Loader::load`], for several inputs, one after the other, into one table.
    ///
    /// # Errors
    /// As there; if there is no input; [`Kind::HeaderDiffers`].
    pub fn load_all(&self, inputs: &[PathBuf], database: impl AsRef<Path>) -> Result<Report> {
        self.with_load(inputs, database.as_ref(), |load| load.run())
    }

    /// What [`Loader::load_all`] would do. Nothing is changed, and no file is made.
    ///
    /// # Errors
    /// As there, as far as the first records show.
    pub fn preview(&self, inputs: &[PathBuf], database: impl AsRef<Path>) -> Result<Preview> {
        self.with_load(inputs, database.as_ref(), |load| load.preview())
    }

    /// What would evaluate the expressions of a load. Nothing is loaded.
    ///
    /// # Errors
    /// As [`Loader::load_all`], as far as the plan and the headers show.
    pub fn explain(&self, inputs: &[PathBuf], database: impl AsRef<Path>) -> Result<Explanation> {
        self.with_load(inputs, database.as_ref(), |load| load.explain())
    }

    fn with_load<T>(
        &self,
        inputs: &[PathBuf],
        database: &Path,
        run: impl FnOnce(Conductor<'_>) -> Result<T>,
    ) -> Result<T> {
        self.validate()?;
        if inputs.is_empty() {
            return Err(Kind::Usage("there is no input".to_owned()).into());
        }
        let Self { plan, progress, stop } = self;
        let inputs = &input::expand(inputs)?;
        input::raise_open_file_limit();
        run(Conductor { plan, inputs, database, progress, stop })
    }

    fn validate(&self) -> Result<()> {
        const MAX_RECORD_BYTES: usize = 1 << 30;
        // Each byte can become three, and positions in the result must fit in 32 bits.
        const MAX_REPLACED_BYTES: usize = (u32::MAX / 3) as usize;
        let Plan { dialect, table, policies, tuning, .. } = &self.plan;
        let is_page_size = |bytes: u32| bytes.is_power_of_two() && (512..=65536).contains(&bytes);
        check_names(&self.plan)?;
        check_key(&self.plan)?;
        let problem = if let Some(problem) = dialect_problem(dialect) {
            problem
        } else if table.columns.is_empty() && self.plan.columns.is_none() {
            "a table needs at least one column"
        } else if !table.columns.is_empty() && self.plan.columns.is_some() {
            "the columns of a table come either from the plan or from the header"
        } else if tuning.page_bytes.is_some_and(|bytes| !is_page_size(bytes)) {
            "the page size must be a power of two from 512 to 65536"
        } else if tuning.chunk_bytes > MAX_RECORD_BYTES || policies.max_record_bytes > MAX_RECORD_BYTES {
            "chunks and records are limited to 1 GiB"
        } else if policies.invalid_utf8 == InvalidUtf8::Replace
            && tuning.chunk_bytes + policies.max_record_bytes > MAX_REPLACED_BYTES
        {
            "to replace invalid UTF-8, the sizes of a chunk and of the largest record must not exceed 1.3 GiB together"
        } else {
            return Ok(());
        };
        Err(Kind::Usage(problem.to_owned()).into())
    }
}

/// Checks the names of the table and its columns, except for those that come from a header.
fn check_names(Plan { table, columns, .. }: &Plan) -> Result<()> {
    let new_names = columns.iter().flat_map(|columns| {
        let renamed = columns.renamed.iter().map(|(_, new)| new);
        renamed.chain(&columns.auto_id).chain(&columns.input_column)
    });
    let has_empty = new_names.clone().any(String::is_empty);
    let columns = table.columns.iter().map(|column| &column.name);
    let mut names = std::iter::once(&table.name).chain(columns).chain(new_names);
    if table.name.is_empty() {
        Err(PlanError::NoTableName.into())
    } else if table.name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_")) {
        Err(PlanError::ReservedTableName { table: table.name.clone() }.into())
    } else if has_empty {
        Err(Kind::Usage("a column needs a name".to_owned()).into())
    } else if let Some(name) = names.find(|name| name.contains('\0')) {
        Err(Kind::Usage(format!("a name cannot contain a NUL character: {name:?}")).into())
    } else {
        Ok(())
    }
}

/// Checks that the primary keys that the plan asks for do not contradict each other.
fn check_key(Plan { table, columns, .. }: &Plan) -> Result<()> {
    let Some(HeaderColumns { auto_id, primary_key, .. }) = columns else { return Ok(()) };
    if table.is_without_rowid && primary_key.is_empty() {
        Err(PlanError::WithoutRowidNeedsKey.into())
    } else if auto_id.is_some() && !primary_key.is_empty() {
        Err(PlanError::TwoPrimaryKeys.into())
    } else {
        Ok(())
    }
}

/// What is wrong with a dialect, if anything is.
fn dialect_problem(dialect: &Dialect) -> Option<&'static str> {
    let Dialect { delimiter, quote, escape, comment, trim } = dialect;
    let delimiter = delimiter.as_bytes();
    let others: Vec<_> = [quote, escape, comment].into_iter().flatten().copied().collect();
    let is_used_twice =
        |byte: &u8| delimiter.contains(byte) || others.iter().filter(|other| *other == byte).count() > 1;
    if delimiter.iter().chain(&others).any(|byte| matches!(byte, b'\n' | b'\r')) {
        Some("the delimiter, quote, escape and comment must not contain a line end")
    } else if others.iter().any(is_used_twice) {
        Some("the delimiter, quote, escape and comment must differ")
    } else if std::str::from_utf8(delimiter).is_err() || !others.is_ascii() {
        Some("the delimiter must be UTF-8, and the quote, escape and comment must be ASCII")
    } else if escape.is_some() && quote.is_none() {
        Some("an escape has a meaning only inside quotes, and there is no quote")
    } else if *trim && matches!(quote, Some(b' ' | b'\t')) {
        Some("a space or tab cannot be the quote if fields are trimmed")
    } else {
        None
    }
}
