//! The options that `load` and `run-pipeline` share.

use super::keywords;
use super::names::{first_name, names};
use super::run::Task;
use super::sizes::{parse_duration, parse_size};
use super::terminal::{self, ProgressDisplay};
use super::types::{TypeList, parse_types};
use clap::{ArgAction, Args, ValueEnum};
use sqload::plan::{
    CommentPrefix, Delimiter, InvalidUtf8, OnError, Ragged, Synchronous, Tuning, WriterChoice,
};
use sqload::{Format, Kind, Loader};
use std::collections::HashMap;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// More threads than any machine has use for, but few enough to start.
const MAX_JOBS: i64 = 1024;

/// The options that `load` and `run-pipeline` share.
#[derive(Debug, Args)]
pub(super) struct LoadOptions {
    #[command(flatten)]
    input: InputOptions,
    #[command(flatten)]
    errors: ErrorOptions,
    #[command(flatten)]
    database: DatabaseOptions,
    /// Try the first records in memory and print what a load would do, without changing any file.
    #[arg(long, help_heading = "Output")]
    dry_run: bool,
    /// Print which SQL expressions are compiled, and which SQLite evaluates, instead of loading.
    #[arg(long, conflicts_with = "dry_run", help_heading = "Output")]
    explain: bool,
    /// Write a report to FILE: an HTML page if its name ends in .html, otherwise JSON. `-` is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) report: Option<PathBuf>,
    #[command(flatten)]
    pub(super) verbosity: Verbosity,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Verbosity {
    /// Print nothing but errors.
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Print the time of each stage and diagnostics; repeat for more detail.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    /// Colors in messages; `auto` uses them on a terminal, unless NO_COLOR is set or TERM is dumb.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Choice::Auto)]
    color: Choice,
    /// Progress on standard error; `auto` shows it on a terminal, `always` also prints lines to a file or a pipe.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Choice::Auto)]
    progress: Choice,
}

/// When to do something that suits a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
struct InputOptions {
    /// Set the options that a file format needs. An option that is also given by itself overrides the format. `mysql`
    /// (OUTFILE), `postgres` (COPY) and `hive` have no header.
    #[arg(long, value_enum, value_name = "NAME")]
    format: Option<FormatName>,
    /// Field delimiter: up to 8 bytes, `tab`, an escape such as `\t` or `\x01`, or `blanks` for runs of spaces and tabs
    /// [default: detect comma, tab, semicolon or pipe].
    #[arg(short, long, value_name = "TEXT", value_parser = parse_delimiter)]
    delimiter: Option<Delimiter>,
    /// Use tabs as the field delimiter.
    #[arg(long, conflicts_with = "delimiter")]
    tsv: bool,
    /// Quote character for fields with delimiters or line ends; `none` disables quoting [default: "].
    #[arg(long, value_name = "CHAR", value_parser = parse_quote)]
    quote: Option<Quote>,
    /// Text encoding, such as utf-16le, latin-1, cp850 or shift_jis [default: UTF-8, or UTF-16 with a byte order mark].
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// Escape character inside quotes, as in "5\" pipe", or everywhere if there are no quotes [default: none]. A doubled quote
    /// always means one quote.
    #[arg(long, value_name = "CHAR", value_parser = parse_char)]
    escape: Option<u8>,
    /// Skip lines that start with this text [default: none].
    #[arg(long, value_name = "TEXT", value_parser = parse_comment)]
    comment: Option<CommentPrefix>,
    /// Remove spaces and tabs around fields and column names, but not inside quotes.
    #[arg(long)]
    trim: bool,
    /// Load empty fields as NULL [default: as '', except in numeric columns].
    #[arg(long)]
    empty_null: bool,
    /// Load fields that read TEXT as NULL, in one column or in all; may be repeated. Quotes count: NA does not match "NA".
    /// Write `=TEXT` if TEXT contains `=`.
    #[arg(long, value_name = "[COL=]TEXT")]
    null: Vec<String>,
    /// Decimal mark of numbers [default: a point].
    #[arg(long, value_name = "CHAR", value_parser = parse_mark)]
    decimal: Option<char>,
    /// Separator between groups of three digits of numbers [default: none].
    #[arg(long, value_name = "CHAR", value_parser = parse_mark)]
    thousands: Option<char>,
    /// The input has no header; its columns have these names.
    #[arg(long, value_name = "COLS")]
    names: Vec<String>,
    /// Declare the types of columns: 'a=REAL,b=VARCHAR(10)'. Any type name of SQLite is accepted. REAL takes every number,
    /// rounded; INTEGER takes canonical integers; DATE, NUMERIC and the like keep text; BLOB takes hexadecimal digits. Records
    /// with other values are rejected.
    #[arg(long = "type", value_name = "COL=TYPE,...", value_parser = parse_types)]
    types: Vec<TypeList>,
    /// Make all columns TEXT.
    #[arg(long)]
    all_text: bool,
    /// Skip N lines before the header.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_lines: u64,
    /// Load inputs as CSV even if their content shows another format, such as Parquet, Excel or JSON.
    #[arg(long)]
    force: bool,
    /// Skip N records after the header, such as units.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_rows: usize,
    /// Skip N records at the end of each input, such as totals.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_footer: usize,
    /// Skip records in which every field is empty or blank.
    #[arg(long)]
    skip_empty: bool,
    /// Maximum size of a record; a larger one is an error.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = parse_record_size)]
    max_record_size: NonZeroUsize,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Bad records")]
struct ErrorOptions {
    /// Skip records that cannot be loaded, or abort at the first one and change nothing [default: `load` aborts, or skips with
    /// --max-errors; `run-pipeline` skips].
    #[arg(long, value_enum, value_name = "ACTION")]
    on_error: Option<ErrorAction>,
    /// Skip at most N records that cannot be loaded; fail and change nothing if there are more.
    #[arg(long, value_name = "N")]
    max_errors: Option<u64>,
    /// Records with too few or too many fields: `reject` both, `pad` short ones with NULL, or `fit` (also drop the extra
    /// fields of long ones).
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = RaggedName::Reject)]
    ragged: RaggedName,
    /// Records with invalid UTF-8: `reject` them, or `replace` invalid bytes with U+FFFD.
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = Utf8Name::Reject)]
    invalid_utf8: Utf8Name,
    /// Write the header and the rejected records, unchanged, to FILE, and the reasons to FILE.reasons.jsonl. Records of inputs
    /// with another header go to FILE.2 and so on. `-` is standard output, without the reasons.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Database")]
pub(super) struct DatabaseOptions {
    /// Number of worker threads [default: one per core].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_JOBS))]
    jobs: Option<u16>,
    /// Write rows as finished pages (`direct`) or with INSERT (`statements`); `auto` uses pages where possible.
    #[arg(long, value_enum, value_name = "WRITER", default_value_t = WriterName::Auto)]
    writer: WriterName,
    /// Memory for sorting keys in the direct writer; SQLite sorts keys that need more.
    /// A number without a suffix is in MiB.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = |text: &str| parse_size(text, 1 << 20))]
    memory: u64,
    /// When to wait for the disk. With `off`, a power failure can lose the load; a crash of the program cannot.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Off)]
    synchronous: When,
    /// Page size of a new database, a power of two from 512 to 65536 [default: SQLite's, 4096].
    #[arg(long, value_name = "SIZE", value_parser = parse_page_size)]
    page_size: Option<u32>,
    /// Size of SQLite's page cache. A number without a suffix is in KiB.
    #[arg(long, value_name = "SIZE", default_value = "40000", value_parser = parse_cache_kib)]
    cache_size: u32,
    /// How long to wait for a database that another program has locked, in seconds or with a suffix (500ms, 1m).
    #[arg(long, value_name = "TIME", default_value = "5", value_parser = parse_duration)]
    busy_timeout: Duration,
    /// Number of rows per INSERT statement.
    #[arg(long, value_name = "N", default_value_t = non_zero(Tuning::default().batch_rows))]
    batch_rows: NonZeroUsize,
    /// Check the integrity and the row count of the database before the load takes effect.
    #[arg(long)]
    verify: bool,
    /// Run ANALYZE on the table at the end.
    #[arg(long)]
    analyze: bool,
    /// Run VACUUM at the end; a new database does not need it.
    #[arg(long)]
    vacuum: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    Csv,
    Tsv,
    Excel,
    Mysql,
    Postgres,
    Hive,
    Vcf,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Csv => Self::Csv,
            FormatName::Tsv => Self::Tsv,
            FormatName::Excel => Self::Excel,
            FormatName::Mysql => Self::MySql,
            FormatName::Postgres => Self::Postgres,
            FormatName::Hive => Self::Hive,
            FormatName::Vcf => Self::Vcf,
        }
    }
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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

/// A quote character or none. It is a type of its own because clap treats an `Option` as an optional argument.
#[derive(Debug, Clone, Copy)]
struct Quote(Option<u8>);

fn non_zero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("this default is not zero")
}

fn parse_record_size(text: &str) -> Result<NonZeroUsize, String> {
    let bytes = usize::try_from(parse_size(text, 1)?).ok().and_then(NonZeroUsize::new);
    bytes.ok_or_else(|| "expected a size of at least 1 byte".to_owned())
}

fn parse_page_size(text: &str) -> Result<u32, String> {
    u32::try_from(parse_size(text, 1)?).map_err(|_| "expected a power of two from 512 to 65536".to_owned())
}

fn parse_cache_kib(text: &str) -> Result<u32, String> {
    u32::try_from(parse_size(text, 1 << 10)? >> 10).map_err(|_| "this size is too large".to_owned())
}

fn parse_delimiter(text: &str) -> Result<Delimiter, String> {
    let bytes = match text {
        "blanks" | "whitespace" => return Ok(Delimiter::BLANKS),
        "tab" => b"\t".to_vec(),
        text => unescape(text)?,
    };
    Delimiter::new(&bytes).ok_or_else(|| format!("expected 1 to {} bytes", Delimiter::MAX_BYTES))
}

fn parse_comment(text: &str) -> Result<CommentPrefix, String> {
    CommentPrefix::new(text.as_bytes()).ok_or_else(|| format!("expected 1 to {} bytes", Delimiter::MAX_BYTES))
}

fn parse_quote(text: &str) -> Result<Quote, String> {
    if text == "none" { Ok(Quote(None)) } else { parse_char(text).map(|byte| Quote(Some(byte))) }
}

fn parse_char(text: &str) -> Result<u8, String> {
    match unescape(text)?.as_slice() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err("expected one ASCII character".to_owned()),
    }
}

/// A decimal mark or a thousands separator.
fn parse_mark(text: &str) -> Result<char, String> {
    text.parse().map_err(|_| "expected one character, such as a comma".to_owned())
}

/// Replaces the escapes `\t`, `\\`, `\0`, `\xHH` and `\OOO` (octal). A backslash alone stands for itself.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    if text == "\\" {
        return Ok(vec![b'\\']);
    }
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    while let Some(part) = parts.next() {
        let number = |digits: Option<&str>, radix| u8::from_str_radix(digits?, radix).ok();
        let octal = part.get(..3).filter(|digits| digits.bytes().all(|digit| matches!(digit, b'0'..=b'7')));
        let (byte, length) = match part.as_bytes() {
            [b't', ..] => (Some(b'\t'), 1),
            // Two backslashes leave nothing between them.
            [] => {
                bytes.push(b'\\');
                bytes.extend(parts.next().ok_or("a backslash at the end must be written as \\\\")?.bytes());
                continue;
            }
            [b'x', ..] => (number(part.get(1..3), 16), 3),
            _ if octal.is_some() => (number(octal, 8), 3),
            [b'0', ..] => (Some(0), 1),
            _ => (None, 0),
        };
        let unknown =
            || format!("unknown escape \\{part}: use \\t, \\\\, \\0 or \\xHH with two hexadecimal digits");
        bytes.push(byte.ok_or_else(unknown)?);
        bytes.extend(part[length..].bytes());
    }
    Ok(bytes)
}

/// Applies a setter to the value of an option, if the option was given.
pub(super) fn set<T>(loader: Loader, value: Option<T>, setter: impl FnOnce(Loader, T) -> Loader) -> Loader {
    match value {
        Some(value) => setter(loader, value),
        None => loader,
    }
}

impl LoadOptions {
    /// True for `--writer direct`.
    pub(super) fn is_direct(&self) -> bool {
        self.database.is_direct()
    }

    pub(super) fn task(&self) -> Task {
        match (self.dry_run, self.explain) {
            (true, _) => Task::Preview,
            (_, true) => Task::Explain,
            _ => Task::Load,
        }
    }

    /// The file for rejects.
    pub(super) fn rejects(&self) -> Option<&Path> {
        self.errors.rejects.as_deref()
    }

    /// Applies these options to a loader.
    ///
    /// # Errors
    /// [`Kind::Usage`] if `--type` gives a column two types.
    pub(super) fn apply(&self, loader: Loader) -> sqload::Result<Loader> {
        self.input.check_types()?;
        let loader = self.database.apply(self.errors.apply(self.input.apply(loader)));
        Ok(set(loader, self.report.as_ref(), Loader::report))
    }
}

impl InputOptions {
    /// Checks that no column has two types.
    fn check_types(&self) -> sqload::Result<()> {
        let mut types: HashMap<_, &str> = HashMap::new();
        for (column, declared) in self.types.iter().flat_map(|TypeList(types)| types) {
            let first = *types.entry(column.to_ascii_lowercase()).or_insert(declared);
            if !first.eq_ignore_ascii_case(declared) {
                let option = keywords::name("--type");
                let message =
                    format!("{option} gives the column {column:?} two types, {first} and {declared}");
                return Err(Kind::Usage(message).into());
            }
        }
        Ok(())
    }

    fn apply(&self, loader: Loader) -> Loader {
        let delimiter = if self.tsv { Some(b'\t'.into()) } else { self.delimiter };
        let loader = set(loader, self.format.map(Format::from), Loader::format);
        let loader = set(loader, delimiter, Loader::delimiter);
        let loader = set(loader, self.quote, |loader, Quote(quote)| loader.quote(quote));
        let loader = set(loader, self.escape, |loader, escape| loader.escape(Some(escape)));
        let loader = set(loader, self.comment, |loader, comment| loader.comment(Some(comment)));
        let loader = set(loader, self.encoding.as_ref(), Loader::encoding);
        let loader = set(loader, self.decimal, Loader::decimal);
        let loader = set(loader, self.thousands, |loader, separator| loader.thousands(Some(separator)));
        let loader = set(loader, self.skip_empty.then_some(true), Loader::skip_empty);
        let names: Vec<_> = self.names.iter().flat_map(|list| names(list)).collect();
        let loader = set(loader, (!names.is_empty()).then_some(names), Loader::column_names);
        let null = |loader: Loader, text: &String| match first_name(text, '=', &['=']) {
            (text, None) => loader.null(text),
            (column, Some(text)) if column.is_empty() => loader.null(text),
            (column, Some(text)) => loader.null_in(column, text),
        };
        let loader = self.null.iter().fold(loader, null);
        let types = self.types.iter().flat_map(|TypeList(types)| types);
        let loader = types.fold(loader, |loader, (column, declared)| loader.column_type(column, declared));
        loader
            .trim(self.trim)
            .empty_null(self.empty_null)
            .all_text(self.all_text)
            .skip_lines(self.skip_lines)
            .skip_rows(self.skip_rows)
            .skip_footer(self.skip_footer)
            .force(self.force)
            .max_record_bytes(self.max_record_size)
    }
}

impl ErrorOptions {
    fn apply(&self, loader: Loader) -> Loader {
        let loader = set(loader, self.max_errors, Loader::max_errors);
        let loader = set(loader, self.rejects.as_ref(), Loader::rejects);
        let on_error = self.on_error.map(|action| match action {
            ErrorAction::Abort => OnError::Abort,
            ErrorAction::Skip => OnError::Skip,
        });
        set(loader, on_error, Loader::on_error)
            .ragged(match self.ragged {
                RaggedName::Reject => Ragged::Reject,
                RaggedName::Pad => Ragged::Pad,
                RaggedName::Fit => Ragged::Fit,
            })
            .invalid_utf8(match self.invalid_utf8 {
                Utf8Name::Reject => InvalidUtf8::Reject,
                Utf8Name::Replace => InvalidUtf8::Replace,
            })
    }
}

impl DatabaseOptions {
    /// True for `--writer direct`.
    pub(super) fn is_direct(&self) -> bool {
        self.writer == WriterName::Direct
    }

    /// Applies these options to a loader.
    pub(super) fn apply(&self, loader: Loader) -> Loader {
        let loader =
            set(loader, self.jobs.and_then(NonZeroU16::new), |loader, jobs| loader.jobs(jobs.into()));
        let loader = set(loader, self.page_size, Loader::page_bytes);
        loader
            .writer(match self.writer {
                WriterName::Auto => WriterChoice::Auto,
                WriterName::Statements => WriterChoice::Statements,
                WriterName::Direct => WriterChoice::Direct,
            })
            .memory_bytes(usize::try_from(self.memory).unwrap_or(usize::MAX))
            .synchronous(match self.synchronous {
                When::Off => Synchronous::Off,
                When::Normal => Synchronous::Normal,
                When::Full => Synchronous::Full,
                When::Extra => Synchronous::Extra,
            })
            .cache_kib(self.cache_size)
            .busy_timeout(self.busy_timeout)
            .batch_rows(self.batch_rows)
            .verify(self.verify)
            .analyze(self.analyze)
            .vacuum(self.vacuum)
    }
}

impl Verbosity {
    /// True if the user wants diagnostics.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    /// How to show the progress of a load.
    pub(super) fn progress_display(&self) -> ProgressDisplay {
        match (self.quiet, self.progress) {
            (false, Choice::Auto | Choice::Always) if terminal::is_smart() => ProgressDisplay::Bar,
            (false, Choice::Always) => ProgressDisplay::Lines,
            _ => ProgressDisplay::None,
        }
    }

    /// Sends diagnostics to standard error, in the requested detail.
    pub(super) fn start_diagnostics(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => tracing::Level::ERROR,
            (_, 0) => tracing::Level::WARN,
            (_, 1) => tracing::Level::DEBUG,
            _ => tracing::Level::TRACE,
        };
        let is_colored = match self.color {
            Choice::Always => true,
            Choice::Never => false,
            Choice::Auto => terminal::is_smart() && terminal::allows_color(),
        };
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .with_ansi(is_colored)
            .with_target(false)
            .without_time()
            .init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_bytes() {
        let cases: [(&str, &[u8]); 12] = [
            (",", b","),
            ("||", b"||"),
            ("tab", b"\t"),
            ("\\t", b"\t"),
            ("\\x01", b"\x01"),
            ("\\x7C\\x7c", b"||"),
            ("\\001", b"\x01"),
            ("\\0", b"\0"),
            ("\\", b"\\"),
            ("\\\\", b"\\"),
            ("\\\\t", b"\\t"),
            ("a\\tb", b"a\tb"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_delimiter(text).unwrap().as_bytes(), expected, "{text}");
        }
        for text in ["", "\\q", "\\x1", "\\xzz", "a\\", "\\777", "\\é", "123456789"] {
            assert!(parse_delimiter(text).is_err(), "{text}");
        }
        assert_eq!(parse_char("\\x01"), Ok(1));
        assert!(parse_char("\\t,").is_err());
    }
}
