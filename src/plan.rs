//! All that is decided before the first byte is parsed. Plain data: nothing here does anything.

mod expr;
mod input;
mod select;

pub use expr::{ComparisonAffinity, EvaluatorChoice, Expr, Function, OnMismatch, SqlExpr};
pub use input::{Delimiter, Dialect, InputOptions};
pub use select::{ColumnRef, Place, Select, SelectItem};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// What to load, how, and what to do about what does not fit.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How the input is written.
    pub dialect: Dialect,
    /// The encoding of its text, by a name of the [Encoding Standard](https://encoding.spec.whatwg.org/#names-and-labels);
    /// `None`: UTF-8, or UTF-16 where there is its byte order mark.
    pub encoding: Option<String>,
    /// What comes before the records.
    pub input_options: InputOptions,
    /// Which fields are NULL.
    pub nulls: Nulls,
    /// The table to make, and where its values come from.
    pub table: Table,
    /// Whether the table's columns are those of the input, found before the load; `table` has none then.
    pub columns: Option<HeaderColumns>,
    /// Only records for which all these are true become rows; each is asked only where those before it are true. The other
    /// records are counted as filtered.
    pub conditions: Vec<Expr>,
    /// What the table's columns are made of, where that can be said only when the columns of the input are known; those of
    /// `table` say nothing of it then.
    pub select: Option<Select>,
    /// Where the SQL that this plan comes from names columns of the input.
    pub column_refs: Vec<ColumnRef>,
    /// What to do with records that do not fit.
    pub policies: Policies,
    /// How the database is written.
    pub tuning: Tuning,
    /// Where the report is written as JSON; `-` is standard output.
    pub report: Option<PathBuf>,
}

impl Plan {
    /// A plan for `table` with every default.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self {
            dialect: Dialect::default(),
            encoding: None,
            input_options: InputOptions::default(),
            nulls: Nulls::default(),
            table,
            columns: None,
            conditions: Vec::new(),
            select: None,
            column_refs: Vec::new(),
            policies: Policies::default(),
            tuning: Tuning::default(),
            report: None,
        }
    }

    /// Whether columns of the table are those that the header names.
    pub(crate) fn depends_on_header(&self) -> bool {
        self.columns.is_some() || self.select.is_some()
    }
}

/// Which fields are NULL, beside those of numeric columns where nothing is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nulls {
    /// Whether fields where nothing is written are.
    pub empty: bool,
    /// Texts that mean NULL.
    pub texts: Vec<String>,
}

/// How the columns of a table are made of those of an input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeaderColumns {
    /// All columns are TEXT; otherwise those that hold nothing but numbers are INTEGER or REAL.
    pub all_text: bool,
    /// Columns whose type is not to be found but is this one. A record with another value is a reject.
    pub types: Vec<(String, Type)>,
    /// The table has the columns of all inputs; those that an input does not have are NULL in its rows. Otherwise inputs with
    /// other columns than the first are an error.
    pub union_by_name: bool,
    /// A further column of this name holds the name of the input that a row comes from.
    pub input_column: Option<String>,
    /// Only these columns are loaded, in this order; none: all of them.
    pub selected: Vec<String>,
    /// Instead of `selected`, what SQL says; none: it says nothing.
    pub select_list: Vec<SelectItem>,
    /// Columns with the names that they get instead of their own.
    pub renamed: Vec<(String, String)>,
    /// Columns that can not be NULL.
    pub not_null: Vec<String>,
    /// The columns of the primary key.
    pub primary_key: Vec<String>,
    /// Columns whose values together are in no two rows.
    pub unique: Vec<Vec<String>>,
    /// Columns to make an index of.
    pub indexes: Vec<Vec<String>>,
    /// A first column of this name is the primary key, and numbers the rows.
    pub auto_id: Option<String>,
    /// Columns that a table which is there does not have are added to it.
    pub add_columns: bool,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// Canonical decimals within 64 bits.
    Integer,
    /// Plain decimals that a 64-bit float gives back.
    Real,
    /// Anything.
    Text,
    /// Pairs of hexadecimal digits, of which each is a byte.
    Blob,
    /// What a column of NUMERIC or INTEGER affinity keeps as it is: numbers, and texts that do not look like one.
    NumericAffinity,
    /// What a column of REAL affinity keeps as it is: REALs, and texts that do not look like a number.
    RealAffinity,
}

impl Type {
    /// The word for it in CREATE TABLE.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
            Self::NumericAffinity => "NUMERIC",
            Self::RealAffinity => "REAL",
        }
    }
}

/// What becomes of a table of the same name that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfExists {
    /// It stays, and the load fails.
    Fail,
    /// It is dropped, and the new one takes its place.
    Replace,
    /// It is filled further; one that is not there is made.
    Append,
    /// As `Append`, but all its rows go first.
    Truncate,
}

impl IfExists {
    /// Whether rows go into a table that is there.
    pub(crate) fn fills_existing(self) -> bool {
        matches!(self, Self::Append | Self::Truncate)
    }
}

/// The table that is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its name, as it is: quoting is the writer's business.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Table constraints and what else follows the columns in CREATE TABLE. SQL.
    pub constraints: Vec<String>,
    /// Whether it is a STRICT table.
    pub is_strict: bool,
    /// CREATE TABLE as a user has written it, instead of one made of columns and constraints.
    pub sql: Option<String>,
    /// CREATE INDEX statements, run when the rows are there.
    pub indexes: Vec<String>,
    /// Whether it is a WITHOUT ROWID table.
    pub is_without_rowid: bool,
    /// Views that are dropped if they are there, since `after` makes new ones.
    pub views: Vec<String>,
    /// SQL that is run at the end, when rows and indexes are there.
    pub final_statements: Vec<String>,
    /// What becomes of one of the same name.
    pub if_exists: IfExists,
    /// ALTER TABLE statements for one that is there and filled further.
    pub alterations: Vec<String>,
    /// What becomes of a row that meets another with the same key.
    pub on_conflict: OnConflict,
}

/// What becomes of a row whose values are in another row already, in columns where they may be only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConflict {
    /// It can not be loaded, and its record is a reject.
    Reject,
    /// It gives way, and is counted as ignored.
    Ignore,
    /// If it is the primary key, the columns of the other row that are loaded get its values.
    Update,
}

impl Table {
    /// A table without indexes but those that its columns declare, which takes the place of one of the same name.
    pub fn new(name: impl Into<String>, columns: Vec<Column>) -> Self {
        let (constraints, indexes, alterations, views, final_statements) = Default::default();
        Self {
            name: name.into(),
            columns,
            constraints,
            is_strict: false,
            sql: None,
            indexes,
            is_without_rowid: false,
            views,
            final_statements,
            if_exists: IfExists::Replace,
            alterations,
            on_conflict: OnConflict::Reject,
        }
    }
}

/// A column and the expression that its values come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name, as it is: quoting is the writer's business.
    pub name: String,
    /// What follows the name in CREATE TABLE: `TEXT`, `BLOB PRIMARY KEY`. SQL, not quoted.
    pub declaration: String,
    /// Where its values come from.
    pub value: Expr,
    /// Whether a record without a value here is a reject, whatever the table says: to an INTEGER PRIMARY KEY that is NULL SQLite
    /// gives a number, which may be that of a later record.
    pub rejects_null: bool,
}

impl Column {
    /// A column `name declaration` that holds `value`.
    pub fn new(name: impl Into<String>, declaration: impl Into<String>, value: Expr) -> Self {
        Self { name: name.into(), declaration: declaration.into(), value, rejects_null: false }
    }
}

/// What to do with records that do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// What a reject does to the load.
    pub on_error: OnError,
    /// With [`OnError::Skip`], how many rejects are too many; `None`: there is no such number.
    pub max_errors: Option<u64>,
    /// What becomes of a record with fewer or more fields than the header has.
    pub ragged: Ragged,
    /// What becomes of a record that is not UTF-8.
    pub invalid_utf8: InvalidUtf8,
    /// Where rejected records are written as they were read, behind all that comes before the records; those of inputs with
    /// another header at `….2` and so on. Beside it, at `….reasons.jsonl`, stands why each one is there.
    pub rejects: Option<PathBuf>,
    /// The largest record, in bytes. A larger one is an error and not a full memory.
    pub max_record_bytes: usize,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            on_error: OnError::Skip,
            max_errors: None,
            ragged: Ragged::Reject,
            invalid_utf8: InvalidUtf8::Reject,
            rejects: None,
            max_record_bytes: 16 << 20,
        }
    }
}

/// What a reject does to the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnError {
    /// The first one ends it, and nothing changes.
    Abort,
    /// It is counted and reported, and the load goes on.
    Skip,
}

/// What becomes of a record with fewer or more fields than the header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ragged {
    /// It is a reject.
    Reject,
    /// One with fewer has NULL in those that are missing, one with more is a reject.
    Pad,
    /// One with fewer has NULL in those that are missing, one with more loses those.
    Fit,
}

/// What becomes of a record that is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidUtf8 {
    /// It is a reject.
    Reject,
    /// U+FFFD takes the place of what is wrong, as in [`String::from_utf8_lossy`].
    Replace,
}

/// How the database is written. None of it changes what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Worker threads that parse and transform; `None`: as many as the machine has cores.
    pub jobs: Option<NonZeroUsize>,
    /// Bytes of input in a chunk, the unit of work. A chunk ends with the record that passes this size.
    pub chunk_bytes: usize,
    /// How rows get into the database.
    pub writer: WriterChoice,
    /// Bytes of memory that keys which come in no order may take until they are sorted.
    pub memory_bytes: usize,
    /// `PRAGMA synchronous`.
    pub synchronous: Synchronous,
    /// Page size in bytes of a new database, a power of two from 512 to 65536; `None`: SQLite's default.
    pub page_bytes: Option<u32>,
    /// SQLite's page cache in KiB.
    pub cache_kib: u32,
    /// Rows that one INSERT statement carries. Fewer where a row's columns times this passes SQLite's limit.
    pub batch_rows: usize,
    /// Check the finished database (`PRAGMA integrity_check`, row count) before it takes its place.
    pub verify: bool,
    /// ANALYZE at the end.
    pub analyze: bool,
    /// VACUUM at the end. A fresh load is compact already: this is for tables replaced in an old database.
    pub vacuum: bool,
    /// Seed of the random parts of UUIDs, and their timestamp, for repeatable loads; `None`: random, and now.
    pub seed: Option<u64>,
    /// What evaluates expressions of SQL.
    pub evaluator: EvaluatorChoice,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            jobs: None,
            chunk_bytes: 64 << 10,
            writer: WriterChoice::Auto,
            memory_bytes: 1 << 30,
            synchronous: Synchronous::Off,
            page_bytes: None,
            cache_kib: 40_000,
            batch_rows: 50,
            verify: false,
            analyze: false,
            vacuum: false,
            seed: None,
            evaluator: EvaluatorChoice::Auto,
        }
    }
}

/// How rows get into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriterChoice {
    /// As pages where that is possible, otherwise through statements.
    Auto,
    /// Through SQLite's INSERT.
    Statements,
    /// As finished pages, into a new database; an error where that is not possible.
    Direct,
}

/// When SQLite waits for the disk (`PRAGMA synchronous`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Synchronous {
    /// Never. A power cut, not a crash of the program, can lose the load.
    Off,
    /// At the most critical moments.
    Normal,
    /// Before the load reports success, file and directory are on the disk.
    Full,
    /// As `Full`; in an existing database the journal's directory too.
    Extra,
}

impl Synchronous {
    /// The word that the pragma and the command line use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Normal => "normal",
            Self::Full => "full",
            Self::Extra => "extra",
        }
    }
}
