//! The command line to plans. Nothing else knows clap.

use clap::{Args, Parser, Subcommand, ValueEnum};
use sqload::plan::{
    Dialect, Existing, Expr, Head, HeaderColumns, OnError, Plan, Policies, Synchronous, Table, Tuning, Type,
    WriterChoice,
};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Load CSV into SQLite: fast, all or nothing, every value as it was.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// More threads than any machine has use for; fewer than it can not start.
const MAX_JOBS: i64 = 1024;

const EXIT_CODES: &str = "\
Exit codes: 0 all loaded; 1 failed, database as it was; 2 usage; 3 loaded, some records rejected; \
130 interrupted, database as it was.";

const LOAD_EXAMPLES: &str = "\
Examples:
  sqload load sales.csv sales.db                     table sales in a new database
  sqload load sales.csv shop.db -t orders --replace  in place of the table orders, all else stays
  sqload load --tsv sales.tsv sales.db               fields separated by tabs
  sqload load sales.csv sales.db --all-text          every value as it is written
  sqload load sales.csv sales.db --on-error skip --rejects bad.csv

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
    #[command(after_help = LOAD_EXAMPLES, mut_arg("on_error", |arg| arg.default_value("abort")))]
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
pub(crate) struct Load {
    /// CSV files, one or more, whose columns have the same names.
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// The SQLite database; it is made if it is not there.
    #[arg(value_name = "DATABASE")]
    database: PathBuf,
    /// The table [default: the first input's name without its endings].
    #[arg(short, long, value_name = "NAME", help_heading = "Table")]
    table: Option<String>,
    /// Put the new table in the place of one of the same name.
    #[arg(long, conflicts_with_all = ["append", "truncate"], help_heading = "Table")]
    replace: bool,
    /// Add the rows to those that the table has; columns are matched by name.
    #[arg(long, conflicts_with = "truncate", help_heading = "Table")]
    append: bool,
    /// Remove the rows that the table has, then fill it; columns are matched by name.
    #[arg(long, help_heading = "Table")]
    truncate: bool,
    /// Read only the first N records.
    #[arg(long, value_name = "N", help_heading = "Input")]
    limit: Option<u64>,
    /// There is no header: name the columns column1, column2 and so on.
    #[arg(long, help_heading = "Input")]
    no_headers: bool,
    /// Add a column with the name of the input that a row comes from.
    #[arg(long, value_name = "NAME", help_heading = "Columns")]
    file_column: Option<String>,
    /// Load these columns only, in this order.
    #[arg(long, value_name = "COLS", value_delimiter = ',', help_heading = "Columns")]
    columns: Vec<String>,
    /// Give a column another name.
    #[arg(long, value_name = "OLD=NEW", value_parser = parse_rename, help_heading = "Columns")]
    rename: Vec<(String, String)>,
    /// Give a column a type: INTEGER, REAL, TEXT, or BLOB for hexadecimal digits. A record with another value can not
    /// be loaded.
    #[arg(long = "type", value_name = "COL=TYPE", value_parser = parse_type, help_heading = "Columns")]
    types: Vec<(String, Type)>,
    /// Make all columns TEXT.
    #[arg(long, help_heading = "Columns")]
    all_text: bool,
    /// Make fields where nothing is written NULL in TEXT columns too, where they are '' otherwise.
    #[arg(long, help_heading = "Columns")]
    empty_null: bool,
    /// Make this text NULL; may be given more than once.
    #[arg(long, value_name = "TEXT", help_heading = "Columns")]
    null: Vec<String>,
    /// The primary key.
    #[arg(long, value_name = "COLS", value_delimiter = ',', help_heading = "Table")]
    pk: Vec<String>,
    /// Columns that can not be NULL.
    #[arg(long, value_name = "COLS", value_delimiter = ',', help_heading = "Table")]
    not_null: Vec<String>,
    /// Columns whose values together are in no two rows; may be given more than once.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    unique: Vec<String>,
    /// Make an index of these columns when the rows are there; may be given more than once.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    index: Vec<String>,
    /// Make a STRICT table.
    #[arg(long, help_heading = "Table")]
    strict: bool,
    #[command(flatten)]
    options: LoadOptions,
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

/// The options of both loads.
#[derive(Debug, Args)]
struct LoadOptions {
    #[command(flatten)]
    dialect: DialectOptions,
    #[command(flatten)]
    errors: ErrorOptions,
    #[command(flatten)]
    database_options: DatabaseOptions,
    /// Write the summary as JSON to FILE; `-` is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) talk: Talk,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Talk {
    /// Say nothing but errors.
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more about what is done and why.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
struct DialectOptions {
    /// What separates fields: one ASCII character, `tab` or `\t` [default: for `load` what the first records show, a comma,
    /// tab, semicolon or pipe; else a comma].
    #[arg(short, long, value_name = "CHAR", value_parser = parse_delimiter)]
    delimiter: Option<u8>,
    /// Fields are separated by tabs.
    #[arg(long, conflicts_with = "delimiter")]
    tsv: bool,
    /// What encloses fields that hold delimiters or line ends: one ASCII character, or `none`.
    #[arg(long, value_name = "CHAR", default_value = "\"", value_parser = parse_quote)]
    quote: Quote,
    /// Skip so many lines before the header.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_lines: u64,
    /// The largest record; a larger one is an error.
    #[arg(long, value_name = "BYTES", default_value_t = Policies::default().max_record_bytes)]
    max_record_size: usize,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Bad records")]
struct ErrorOptions {
    /// What a record that can not be loaded does: `skip` it and go on, or `abort` with nothing changed.
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = ErrorAction::Skip)]
    on_error: ErrorAction,
    /// Fail, with nothing changed, if more records than this can not be loaded.
    #[arg(long, value_name = "N")]
    max_errors: Option<u64>,
    /// Write the records that can not be loaded to FILE, as they were read, after the header, and why to
    /// FILE.reasons.jsonl.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Database")]
struct DatabaseOptions {
    /// Worker threads that parse and transform [default: one a core].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_JOBS))]
    jobs: Option<u16>,
    /// How rows get into the database: `direct` as finished pages, new databases only; `statements` through
    /// INSERT; `auto` as pages where that is possible.
    #[arg(long, value_enum, value_name = "WRITER", default_value_t = WriterName::Auto)]
    writer: WriterName,
    /// Memory that `direct` may sort keys in; what needs more is sorted by SQLite.
    #[arg(long, value_name = "MIB", default_value_t = Tuning::default().memory_bytes >> 20)]
    memory: usize,
    /// When to wait for the disk. With `off` a power cut, not a crash, can lose the load.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Off)]
    synchronous: When,
    /// Page size of a new database: a power of two from 512 to 65536 [default: SQLite's, 4096].
    #[arg(long, value_name = "BYTES")]
    page_size: Option<u32>,
    /// SQLite's page cache.
    #[arg(long, value_name = "KIB", default_value_t = Tuning::default().cache_kib)]
    cache_size: u32,
    /// Rows in one INSERT statement.
    #[arg(long, value_name = "N", default_value_t = default_batch_rows())]
    batch_rows: NonZeroUsize,
    /// Check the finished database (integrity and row count) before it takes its place.
    #[arg(long)]
    verify: bool,
    /// ANALYZE the table at the end, for the query planner.
    #[arg(long)]
    analyze: bool,
    /// VACUUM at the end. Not needed for a new database: a fresh load is compact.
    #[arg(long)]
    vacuum: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Id {
    V4,
    V7,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ErrorAction {
    Abort,
    Skip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum WriterName {
    Auto,
    Statements,
    Direct,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum When {
    Off,
    Normal,
    Full,
    Extra,
}

/// A quote or none; a type of its own, since clap takes an `Option` for an option left out.
#[derive(Debug, Clone, Copy)]
struct Quote(Option<u8>);

fn default_batch_rows() -> NonZeroUsize {
    NonZeroUsize::new(Tuning::default().batch_rows).expect("the default is no zero")
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        _ => parse_char(text),
    }
}

fn parse_quote(text: &str) -> Result<Quote, String> {
    if text == "none" { Ok(Quote(None)) } else { parse_char(text).map(|byte| Quote(Some(byte))) }
}

fn parse_char(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err("one ASCII character was expected".to_owned()),
    }
}

/// What to load, and where to.
pub(crate) struct Order<'c> {
    pub(crate) plan: Plan,
    pub(crate) inputs: &'c [PathBuf],
    pub(crate) database: &'c Path,
    pub(crate) talk: &'c Talk,
}

impl Load {
    fn columns(&self) -> HeaderColumns {
        let lists = |lists: &[String]| -> Vec<Vec<String>> {
            lists.iter().map(|list| list.split(',').map(str::to_owned).collect()).collect()
        };
        HeaderColumns {
            all_text: self.all_text,
            types: self.types.clone(),
            empty_is_null: self.empty_null,
            nulls: self.null.clone(),
            input_column: self.file_column.clone(),
            selected: self.columns.clone(),
            renamed: self.rename.clone(),
            not_null: self.not_null.clone(),
            primary_key: self.pk.clone(),
            unique: lists(&self.unique),
            indexes: lists(&self.index),
        }
    }

    pub(crate) fn order(&self) -> Order<'_> {
        Order { plan: self.plan(), inputs: &self.inputs, database: &self.database, talk: &self.options.talk }
    }

    fn plan(&self) -> Plan {
        let table = Table {
            existing: match self {
                Self { replace: true, .. } => Existing::Replace,
                Self { append: true, .. } => Existing::Append,
                Self { truncate: true, .. } => Existing::Truncate,
                _ => Existing::Refuse,
            },
            is_strict: self.strict,
            ..Table::new(self.table.clone().unwrap_or_else(|| table_name(&self.inputs)), Vec::new())
        };
        let head =
            Head { has_no_names: self.no_headers, max_records: self.limit, ..self.options.dialect.head() };
        Plan { head, columns: Some(self.columns()), ..self.options.plan(table) }
    }
}

fn parse_rename(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(_, new)| !new.is_empty());
    parts.map(|(old, new)| (old.to_owned(), new.to_owned())).ok_or_else(|| "OLD=NEW was expected".to_owned())
}

fn parse_type(text: &str) -> Result<(String, Type), String> {
    let (column, name) = text.rsplit_once('=').ok_or("COL=TYPE was expected")?;
    let types = [Type::Integer, Type::Real, Type::Text, Type::Blob];
    let found = types.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name));
    let found = found.ok_or("the types are INTEGER, REAL, TEXT and BLOB")?;
    Ok((column.to_owned(), found))
}

/// What a table is called that is made of these inputs: as the first, without the ending, and without that of a compressed
/// file before it.
fn table_name(inputs: &[PathBuf]) -> String {
    let first = inputs.first().map_or(Path::new("-"), PathBuf::as_path);
    if first == Path::new("-") {
        return "stdin".to_owned();
    }
    let name = Path::new(first.file_name().unwrap_or_default());
    let is_compressed = name.extension().is_some_and(|ending| {
        ["gz", "zst", "bz2", "xz", "zip"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    });
    let name = if is_compressed { name.with_extension("") } else { name.to_owned() };
    name.file_stem().map_or("input".into(), |stem| stem.to_string_lossy()).into_owned()
}

impl RunPipeline {
    pub(crate) fn order(&self) -> Order<'_> {
        Order {
            plan: self.plan(),
            inputs: std::slice::from_ref(&self.input),
            database: &self.database,
            talk: &self.options.talk,
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

impl LoadOptions {
    fn plan(&self, table: Table) -> Plan {
        Plan {
            dialect: self.dialect.dialect(),
            head: self.dialect.head(),
            table,
            columns: None,
            policies: self.errors.policies(&self.dialect),
            tuning: self.database_options.tuning(),
            report: self.report.clone(),
        }
    }
}

impl DialectOptions {
    fn dialect(&self) -> Dialect {
        let default = Dialect::default();
        let delimiter = if self.tsv { b'\t' } else { self.delimiter.unwrap_or(default.delimiter) };
        Dialect { delimiter, quote: self.quote.0 }
    }

    fn head(&self) -> Head {
        Head {
            finds_delimiter: self.delimiter.is_none() && !self.tsv,
            skipped_lines: self.skip_lines,
            max_records: None,
            has_no_names: false,
        }
    }
}

impl ErrorOptions {
    fn policies(&self, dialect: &DialectOptions) -> Policies {
        Policies {
            on_error: match self.on_error {
                ErrorAction::Abort => OnError::Abort,
                ErrorAction::Skip => OnError::Skip,
            },
            max_errors: self.max_errors,
            rejects: self.rejects.clone(),
            max_record_bytes: dialect.max_record_size,
        }
    }
}

impl DatabaseOptions {
    fn tuning(&self) -> Tuning {
        Tuning {
            jobs: self.jobs.and_then(|jobs| NonZeroUsize::new(jobs.into())),
            writer: match self.writer {
                WriterName::Auto => WriterChoice::Auto,
                WriterName::Statements => WriterChoice::Statements,
                WriterName::Direct => WriterChoice::Direct,
            },
            memory_bytes: self.memory.saturating_mul(1 << 20),
            synchronous: match self.synchronous {
                When::Off => Synchronous::Off,
                When::Normal => Synchronous::Normal,
                When::Full => Synchronous::Full,
                When::Extra => Synchronous::Extra,
            },
            page_bytes: self.page_size,
            cache_kib: self.cache_size,
            batch_rows: self.batch_rows.get(),
            verify: self.verify,
            analyze: self.analyze,
            vacuum: self.vacuum,
            ..Tuning::default()
        }
    }
}

impl Talk {
    /// Sends diagnostics to standard error, as many as wanted.
    pub(crate) fn start_diagnostics(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => tracing::Level::ERROR,
            (_, true) => tracing::Level::DEBUG,
            _ => tracing::Level::WARN,
        };
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .with_ansi(is_terminal)
            .with_target(false)
            .without_time()
            .init();
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
    fn a_table_is_called_as_its_input() {
        let cases = [
            ("data/sales.csv", "sales"),
            ("sales.2024.csv", "sales.2024"),
            ("sales.csv.gz", "sales"),
            ("sales.CSV.ZST", "sales"),
            ("sales", "sales"),
            (".hidden", ".hidden"),
            ("-", "stdin"),
        ];
        for (input, expected) in cases {
            assert_eq!(table_name(&[input.into()]), expected);
        }
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
