//! The load plan: everything decided before the first byte is parsed, as plain data without behavior.

mod expr;
mod input;
mod select;

pub use expr::{EvaluatorChoice, Expr, Function, OnMismatch, SqlExpr};
pub use input::{CommentPrefix, Delimiter, Dialect, Escapes, InputOptions, Notation};
pub use select::{ColumnRef, Place, Select, SelectItem};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// What to load, how to load it, and what to do with records that do not fit.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The CSV dialect of the input.
    pub dialect: Dialect,
    /// The text encoding of the input: a label of the [Encoding Standard](https://encoding.spec.whatwg.org/#names-and-labels).
    /// `None` means UTF-8, or UTF-16 if the input starts with its byte order mark.
    pub encoding: Option<String>,
    /// What precedes the records, and how many of them are read.
    pub input_options: InputOptions,
    /// The names of the columns, if the inputs have no header.
    pub column_names: Vec<String>,
    /// How numbers are written.
    pub notation: Notation,
    /// Which fields become NULL.
    pub nulls: Nulls,
    /// The types of the columns of the inputs, as far as they are not inferred.
    pub input_types: InputTypes,
    /// The target table, and the expressions that fill its columns.
    pub table: Table,
    /// If present, the columns of the table are derived from the header and the values of the inputs, and `table.columns`
    /// is empty.
    pub columns: Option<HeaderColumns>,
    /// Only records that meet all of these conditions become rows; the others count as filtered. A condition is evaluated
    /// only for records that meet the ones before it.
    pub conditions: Vec<Expr>,
    /// Values that must be of their type in every record, whether or not the record meets the conditions.
    pub(crate) checks: Vec<Expr>,
    /// The values of the table's columns, if they depend on the header of the input (`SELECT *`). They then replace the
    /// expressions in `table.columns`.
    pub select: Option<Select>,
    /// Where the SQL of this plan refers to columns of the input.
    pub column_refs: Vec<ColumnRef>,
    /// What to do with records that cannot be loaded.
    pub policies: Policies,
    /// How the database is written.
    pub tuning: Tuning,
    /// Path of the report: a page of HTML if it ends in `.html`, otherwise JSON; `-` is standard output.
    pub report: Option<PathBuf>,
}

impl Plan {
    /// Creates a plan for `table` with the defaults of a pipeline: rejected records are skipped, the delimiter is detected, and
    /// an existing table of that name is an error.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self {
            dialect: Dialect::default(),
            encoding: None,
            input_options: InputOptions::default(),
            column_names: Vec::new(),
            notation: Notation::default(),
            nulls: Nulls::default(),
            input_types: InputTypes::default(),
            table,
            columns: None,
            conditions: Vec::new(),
            checks: Vec::new(),
            select: None,
            column_refs: Vec::new(),
            policies: Policies::default(),
            tuning: Tuning::default(),
            report: None,
        }
    }

    /// True if the table gets every column of the header.
    pub(crate) fn takes_all_columns(&self) -> bool {
        self.columns.as_ref().is_some_and(|HeaderColumns { selected, excluded, select_list, .. }| {
            selected.is_empty() && excluded.is_empty() && select_list.is_empty()
        })
    }

    /// Creates a plan for a new table with the columns of the inputs. The delimiter is detected, the first rejected record
    /// ends the load, and an existing table of that name is an error.
    #[must_use]
    pub fn with_header_columns(table: impl Into<String>) -> Self {
        let mut plan = Self::new(Table::new(table, Vec::new()));
        plan.columns = Some(HeaderColumns::default());
        plan.policies.on_error = OnError::Abort;
        plan
    }

    /// True if the columns of the table, or their values, depend on the header.
    pub(crate) fn depends_on_header(&self) -> bool {
        self.columns.is_some() || self.select.is_some()
    }
}

/// Which fields become NULL, in addition to empty fields of numeric columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Nulls {
    /// Empty fields become NULL; an empty quoted field (`""`) does not.
    pub empty: bool,
    /// Fields that mean NULL, as they are written: `NA` does not stand for `"NA"`.
    pub texts: Vec<String>,
    /// The same for single columns: the name of the column, and the field.
    pub columns: Vec<(String, String)>,
}

/// The types of the columns of the inputs: of those that are loaded, and of those that SQL expressions use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputTypes {
    /// All columns are TEXT. Otherwise columns that contain only numbers are INTEGER or REAL.
    pub all_text: bool,
    /// Columns with the declared type to use instead of inferring one, such as `INTEGER` or `VARCHAR(10)`. A record with a
    /// value that does not fit is rejected.
    pub types: Vec<(String, String)>,
}

/// How the columns, keys and indexes of a table follow from the columns of the inputs.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct HeaderColumns {
    /// The table gets the columns of all inputs; columns that an input lacks are NULL in its rows. Otherwise an input whose
    /// columns differ from those of the first is an error.
    pub union_by_name: bool,
    /// Each input fills a table of its own, which is named after it. Options that name columns apply to the tables that have
    /// them.
    pub table_per_input: bool,
    /// Name of an additional column that holds the name of the input of each row.
    pub input_column: Option<String>,
    /// The columns to load, in this order. If empty, all columns are loaded.
    pub selected: Vec<String>,
    /// The columns not to load.
    pub excluded: Vec<String>,
    /// The items of an SQL select list. If not empty, they are used instead of `selected`.
    pub select_list: Vec<SelectItem>,
    /// Columns to rename: the name in the header, and the name in the table.
    pub renamed: Vec<(String, String)>,
    /// Columns that are NOT NULL.
    pub not_null: Vec<String>,
    /// The columns of the primary key.
    pub primary_key: Vec<String>,
    /// UNIQUE constraints, each with its columns.
    pub unique: Vec<Vec<String>>,
    /// Indexes to create, each with its columns.
    pub indexes: Vec<Vec<String>>,
    /// Name of an additional first column that is the INTEGER PRIMARY KEY and numbers the rows.
    pub auto_id: Option<String>,
    /// Columns that an existing table lacks are added to it.
    pub add_columns: bool,
}

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// Canonical decimal integers within 64 bits.
    Integer,
    /// Numbers, rounded to the nearest 64-bit float. If the type was inferred, only numbers whose digits it gives back.
    Real,
    /// Any text.
    Text,
    /// Hexadecimal digits, two for each byte.
    Blob,
    /// Values that a column of NUMERIC affinity stores unaltered: numbers that can be given back, and text that SQLite does
    /// not take for a number. Trailing zeros can be given back if the numbers of the whole column have the same decimals.
    NumericAffinity,
    /// As `NumericAffinity`, but without trailing zeros, so that every value can be given back on its own.
    ExactNumeric,
}

impl Type {
    /// The type name to use in CREATE TABLE.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
            Self::NumericAffinity | Self::ExactNumeric => "NUMERIC",
        }
    }
}

/// The type name to use in CREATE TABLE.
impl From<Type> for String {
    fn from(to: Type) -> Self {
        to.as_str().to_owned()
    }
}

/// What to do if the table exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfExists {
    /// Fail; the table stays as it is.
    Fail,
    /// Drop it and create the new table in its place.
    Replace,
    /// Add the rows to it; create it if it does not exist.
    Append,
    /// As `Append`, but delete all existing rows first.
    Truncate,
}

impl IfExists {
    /// True if the rows go into the existing table.
    pub(crate) fn fills_existing(self) -> bool {
        matches!(self, Self::Append | Self::Truncate)
    }
}

/// The target table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Table {
    /// Its name, unquoted.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Table constraints, as SQL that follows the columns in CREATE TABLE.
    pub constraints: Vec<String>,
    /// True for a STRICT table.
    pub is_strict: bool,
    /// The CREATE TABLE statement to run instead of one generated from columns and constraints.
    pub sql: Option<String>,
    /// The place of that statement in a pipeline.
    pub place: Option<Place>,
    /// CREATE INDEX statements, run after the rows are loaded.
    pub indexes: Vec<String>,
    /// True for a WITHOUT ROWID table.
    pub is_without_rowid: bool,
    /// Views that `final_statements` creates. If an existing table is replaced, views of these names are, too.
    pub views: Vec<View>,
    /// Statements to run last, after rows and indexes are loaded.
    pub final_statements: Vec<String>,
    /// What to do if the table exists.
    pub if_exists: IfExists,
    /// ALTER TABLE statements to run on an existing table before rows are added to it.
    pub alterations: Vec<String>,
    /// What to do with a row that violates a uniqueness constraint.
    pub on_conflict: OnConflict,
    /// The ON CONFLICT clause of a pipeline, in place of the one that follows from `on_conflict`.
    pub conflict_clause: Option<ConflictClause>,
}

/// An ON CONFLICT clause.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConflictClause {
    /// The clause without WHERE: `ON CONFLICT (id) DO UPDATE SET a = excluded.a`.
    pub sql: String,
    /// The condition of its WHERE.
    pub condition: Option<String>,
    /// If it is DO UPDATE, and does nothing but set columns to their values in the new row: these columns.
    pub assigned: Option<Vec<String>>,
}

impl ConflictClause {
    /// The columns that are set to their values in the new row, if nothing else is done; `None` if it is for SQLite to evaluate.
    pub(crate) fn assigned(&self) -> Option<&[String]> {
        self.assigned.as_deref().filter(|_| self.condition.is_none())
    }

    /// True if rows are ignored whichever key they have in common with others.
    pub(crate) fn ignores_all(&self) -> bool {
        let words = ["ON", "CONFLICT", "DO", "NOTHING"];
        self.sql.split_whitespace().map(str::to_ascii_uppercase).eq(words)
    }
}

/// A view that a load creates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct View {
    /// Its name, unquoted.
    pub name: String,
    /// The CREATE VIEW statement.
    pub sql: String,
    /// True if it replaces an existing view of this name even if the table is not replaced.
    pub is_replaced: bool,
}

/// What to do with a row that violates a PRIMARY KEY or UNIQUE constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConflict {
    /// Reject its record.
    Reject,
    /// Keep the existing row, and count the new one as ignored.
    Ignore,
    /// If the primary key conflicts, update the loaded columns of the existing row.
    Update,
}

impl Table {
    /// Creates a table that has only the indexes that its columns declare. An existing table of the same name is an error.
    pub fn new(name: impl Into<String>, columns: Vec<Column>) -> Self {
        let (constraints, indexes, alterations, views, final_statements) = Default::default();
        Self {
            name: name.into(),
            columns,
            constraints,
            is_strict: false,
            sql: None,
            place: None,
            indexes,
            is_without_rowid: false,
            views,
            final_statements,
            if_exists: IfExists::Fail,
            alterations,
            on_conflict: OnConflict::Reject,
            conflict_clause: None,
        }
    }
}

/// A column of the target table, and the expression that computes its values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// Its name, unquoted.
    pub name: String,
    /// The SQL that follows the name in CREATE TABLE, such as `TEXT` or `BLOB PRIMARY KEY`.
    pub declaration: String,
    /// The expression that computes its values.
    pub value: Expr,
    /// Reject records whose value here is NULL, even if the table allows NULL. SQLite replaces a NULL in an INTEGER PRIMARY
    /// KEY by a number, which may be the key of a later record.
    pub rejects_null: bool,
    /// True if an INSERT does not name the column and its declaration has no default, so that it is NULL in a new table. In a
    /// table that exists it has the default of that table.
    pub is_unassigned: bool,
}

impl Column {
    /// Creates a column `name declaration` with the values of `value`.
    pub fn new(name: impl Into<String>, declaration: impl Into<String>, value: Expr) -> Self {
        Self {
            name: name.into(),
            declaration: declaration.into(),
            value,
            rejects_null: false,
            is_unassigned: false,
        }
    }
}

/// What to do with records that cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policies {
    /// Whether a reject ends the load.
    pub on_error: OnError,
    /// With [`OnError::Skip`], the largest number of rejects allowed; `None` means no limit.
    pub max_errors: Option<u64>,
    /// What to do with a record that has fewer or more fields than the header.
    pub ragged: Ragged,
    /// What to do with a record that is not valid UTF-8.
    pub invalid_utf8: InvalidUtf8,
    /// Path of the file for rejected records, which are written byte for byte, after the header and everything else that
    /// precedes the records. Rejects of inputs with another header go to `<path>.2` and so on; the reasons go to
    /// `<path>.reasons.jsonl`.
    pub rejects: Option<PathBuf>,
    /// With [`OnError::Skip`], the largest record with a quote that is never closed that is rejected, in bytes. Such a record
    /// takes in the rest of the input; a larger one ends the load.
    pub max_unclosed_bytes: u64,
    /// The largest record allowed, in bytes. A larger record is an error, which bounds memory.
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
            max_unclosed_bytes: 64 << 10,
            max_record_bytes: 16 << 20,
        }
    }
}

/// Whether a reject ends the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnError {
    /// The first reject ends the load, and the database stays unchanged.
    Abort,
    /// Rejects are counted and reported, and the load continues.
    Skip,
}

/// What to do with a record that has fewer or more fields than the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ragged {
    /// Reject it.
    Reject,
    /// Missing fields become NULL; a record with extra fields is rejected.
    Pad,
    /// Missing fields become NULL; extra fields are dropped.
    Fit,
}

/// What to do with a record that is not valid UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidUtf8 {
    /// Reject it.
    Reject,
    /// Replace invalid sequences with U+FFFD, as [`String::from_utf8_lossy`] does.
    Replace,
}

/// How the database is written. Except for `seed`, no setting changes the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tuning {
    /// Worker threads that parse, evaluate and encode; `None` means one for each core.
    pub jobs: Option<NonZeroUsize>,
    /// Bytes of input in a chunk, the unit of work. A chunk ends with the record that reaches this size, or a multiple of it if
    /// records have more than 256 fields.
    pub chunk_bytes: usize,
    /// How rows are written to the database.
    pub writer: WriterChoice,
    /// Bytes of memory for sorting keys that do not come in order.
    pub memory_bytes: usize,
    /// `PRAGMA synchronous`.
    pub synchronous: Synchronous,
    /// Page size of a new database in bytes, a power of two from 512 to 65536; `None` means SQLite's default.
    pub page_bytes: Option<u32>,
    /// Size of SQLite's page cache in KiB.
    pub cache_kib: u32,
    /// How long to wait for a database that another program has locked.
    pub busy_timeout: Duration,
    /// Rows for each INSERT statement; fewer if their values exceed SQLite's limit of parameters.
    pub batch_rows: usize,
    /// Check the finished database (`PRAGMA integrity_check`, row count) before it is committed or renamed into place.
    pub verify: bool,
    /// Run ANALYZE after the load.
    pub analyze: bool,
    /// Run VACUUM after the load. A new database is already compact; use this when a table of an existing database is
    /// replaced.
    pub vacuum: bool,
    /// Seed for random values and for the timestamp of UUIDs, for repeatable loads. `None` means a random seed and the
    /// current time.
    pub seed: Option<u64>,
    /// How SQL expressions are evaluated.
    pub evaluator: EvaluatorChoice,
    /// Raise the limit on open files of the process to the maximum that the system allows.
    pub raise_file_limit: bool,
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
            busy_timeout: Duration::from_secs(5),
            batch_rows: 50,
            verify: false,
            analyze: false,
            vacuum: false,
            seed: None,
            evaluator: EvaluatorChoice::Auto,
            raise_file_limit: true,
        }
    }
}

/// How rows are written to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriterChoice {
    /// The direct path where possible, otherwise statements.
    Auto,
    /// The statement path: INSERT statements, run by SQLite.
    Statements,
    /// The direct path: finished pages, written into a new database. An error where this is not possible.
    Direct,
}

/// When SQLite waits for data to reach the disk (`PRAGMA synchronous`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Synchronous {
    /// Never. A power failure, but not a crash of the program, can lose the load.
    Off,
    /// At the most critical moments.
    Normal,
    /// File and directory are synced before the load reports success.
    Full,
    /// As `Full`; for an existing database, the directory of the journal is synced, too.
    Extra,
}

impl Synchronous {
    /// The value for `PRAGMA synchronous`, in lower case.
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
