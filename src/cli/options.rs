//! The options of both loads.

use super::Task;
use clap::{Args, ValueEnum};
use sqload::plan::{
    Delimiter, Dialect, InputOptions, InvalidUtf8, Nulls, OnError, Plan, Policies, Ragged, Synchronous,
    Tuning, WriterChoice,
};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// More threads than any machine has use for; fewer than it can not start.
const MAX_JOBS: i64 = 1024;

/// The options of both loads.
#[derive(Debug, Args)]
pub(super) struct LoadOptions {
    #[command(flatten)]
    pub(super) dialect: DialectOptions,
    #[command(flatten)]
    errors: ErrorOptions,
    #[command(flatten)]
    database_options: DatabaseOptions,
    /// Only say what would be done, with the first rows as they would be stored: nothing changes, no file is made.
    #[arg(long, help_heading = "Output")]
    dry_run: bool,
    /// Only say what evaluates each expression of SQL: compiled code, or SQLite.
    #[arg(long, conflicts_with = "dry_run", help_heading = "Output")]
    explain: bool,
    /// Write the summary as JSON to FILE; `-` is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,
    #[command(flatten)]
    pub(super) verbosity: Verbosity,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Verbosity {
    /// Say nothing but errors.
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more about what is done and why.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(super) struct DialectOptions {
    /// What separates fields: a character or a few, as in `||`, or `tab` or `\t` [default: for `load` what the first records
    /// show, a comma, tab, semicolon or pipe; else a comma].
    #[arg(short, long, value_name = "TEXT", value_parser = parse_delimiter)]
    delimiter: Option<Delimiter>,
    /// Fields are separated by tabs.
    #[arg(long, conflicts_with = "delimiter")]
    tsv: bool,
    /// What encloses fields that hold delimiters or line ends: one ASCII character, or `none`.
    #[arg(long, value_name = "CHAR", default_value = "\"", value_parser = parse_quote)]
    quote: Quote,
    /// The encoding of the text: utf-16le, windows-1252, shift_jis and so on [default: UTF-8, or UTF-16 where a byte order
    /// mark says so].
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// What takes the meaning off the next character inside quotes, as in "5\" pipe" [default: none; "" is a quote in any
    /// case].
    #[arg(long, value_name = "CHAR", value_parser = parse_char)]
    escape: Option<u8>,
    /// Skip lines that begin with this character where a record would begin [default: none].
    #[arg(long, value_name = "CHAR", value_parser = parse_char)]
    comment: Option<u8>,
    /// Take blanks and tabs off around fields and names; inside quotes they stay.
    #[arg(long)]
    trim: bool,
    /// Make fields where nothing is written NULL; otherwise they are '' but for columns of numbers.
    #[arg(long)]
    empty_null: bool,
    /// Make fields of this text NULL; may be given more than once.
    #[arg(long, value_name = "TEXT")]
    null: Vec<String>,
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
    /// What becomes of a record with fewer or more fields than the header: `reject` it, `pad` a short one with NULL, or `fit`,
    /// which also cuts what is too much off a long one.
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = RaggedName::Reject)]
    ragged: RaggedName,
    /// What becomes of a record that is not valid UTF-8: `reject` it, or `replace` what is wrong by U+FFFD.
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = Utf8Name::Reject)]
    invalid_utf8: Utf8Name,
    /// Write the records that can not be loaded to FILE, as they were read, after the header and what is skipped
    /// before it, and why to FILE.reasons.jsonl; those of inputs with another header to FILE.2 and so on.
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
enum ErrorAction {
    Abort,
    Skip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RaggedName {
    Reject,
    Pad,
    Fit,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Utf8Name {
    Reject,
    Replace,
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

fn parse_delimiter(text: &str) -> Result<Delimiter, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'.into()),
        _ => Delimiter::new(text.as_bytes())
            .ok_or_else(|| format!("a delimiter has 1 to {} bytes", Delimiter::MAX_BYTES)),
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

impl LoadOptions {
    pub(super) fn task(&self) -> Task {
        match (self.dry_run, self.explain) {
            (true, _) => Task::Preview,
            (_, true) => Task::Explain,
            _ => Task::Load,
        }
    }

    /// `plan` with what these options say.
    pub(super) fn plan(&self, plan: Plan) -> Plan {
        Plan {
            dialect: self.dialect.dialect(),
            encoding: self.dialect.encoding.clone(),
            input_options: self.dialect.input_options(),
            nulls: Nulls { empty: self.dialect.empty_null, texts: self.dialect.null.clone() },
            policies: self.errors.policies(&self.dialect),
            tuning: self.database_options.tuning(),
            report: self.report.clone(),
            ..plan
        }
    }
}

impl DialectOptions {
    fn dialect(&self) -> Dialect {
        let default = Dialect::default();
        let delimiter = if self.tsv { b'\t'.into() } else { self.delimiter.unwrap_or(default.delimiter) };
        Dialect {
            delimiter,
            quote: self.quote.0,
            escape: self.escape,
            comment: self.comment,
            trim: self.trim,
        }
    }

    pub(super) fn input_options(&self) -> InputOptions {
        InputOptions {
            detect_delimiter: self.delimiter.is_none() && !self.tsv,
            skip_lines: self.skip_lines,
            ..InputOptions::default()
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
            ragged: match self.ragged {
                RaggedName::Reject => Ragged::Reject,
                RaggedName::Pad => Ragged::Pad,
                RaggedName::Fit => Ragged::Fit,
            },
            invalid_utf8: match self.invalid_utf8 {
                Utf8Name::Reject => InvalidUtf8::Reject,
                Utf8Name::Replace => InvalidUtf8::Replace,
            },
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

impl Verbosity {
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
