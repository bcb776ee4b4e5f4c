//! Writes rows to a database. A writer sees batches, never parsers.
//!
//! A writer has two halves: [`Encoder`], pure, one for each worker, and [`Writer`], which takes their results in
//! input order. Nothing outside this folder and the conductor knows which writer runs.

pub mod direct;
pub mod statements;

use crate::batch::{Rows, Value};
use crate::error::{Error, Reason, count, excerpt};
use std::sync::atomic::AtomicBool;

/// The serial half.
pub trait Writer {
    /// The parallel half.
    type Encoder: Encoder;

    /// Whether a failure may name rows of earlier batches.
    const NAMES_EARLIER_ROWS: bool = false;

    /// An encoder for one worker.
    fn encoder(&self) -> Self::Encoder;

    /// Appends the rows of the next batch, which the encoder has encoded. Returns the rows that the database rejects,
    /// if the writer can go on without them.
    ///
    /// # Errors
    /// If the rows cannot be written. The writer must not be used afterwards.
    fn append(&mut self, rows: &Rows<'_>, encoded: &mut Encoded<Self>) -> Result<Appended, WriteFailure>;

    /// Writes what is still in memory. Returns the SQL that completes the database.
    ///
    /// # Errors
    /// If the database cannot be completed; [`Kind::Interrupted`](crate::Kind::Interrupted) soon after `stop` is set.
    fn finish(self, stop: &AtomicBool) -> Result<Vec<String>, WriteFailure>;
}

/// The parallel half: a pure function of a batch.
pub trait Encoder: Send {
    /// The encoded rows of a batch. The memory is reused.
    type Encoded: Default + Send;

    /// Encodes `rows` into `encoded`, and replaces its content.
    fn encode(&mut self, rows: &Rows<'_>, encoded: &mut Self::Encoded);
}

/// The rows of a batch that were not inserted.
#[derive(Debug, Default)]
pub struct Appended {
    /// The rows that the table rejected, in order, with reasons.
    pub rejected: Vec<(usize, Reason)>,
    /// The number of rows that were dropped because their key exists.
    pub ignored: u64,
    /// The number of rows that updated the row with their key.
    pub updated: u64,
}

/// The encoded rows of a writer.
pub type Encoded<W> = <<W as Writer>::Encoder as Encoder>::Encoded;

/// Why rows break a constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Two rows have the same key, and the direct path can go on with one of them.
    SameKey,
    /// A row breaks it alone, and the direct path can go on without the row.
    Row,
    /// Another cause, or an unknown one.
    Other,
}

/// Why a writer cannot go on.
#[derive(Debug)]
pub enum WriteFailure {
    /// The load fails.
    Error(Error),
    /// Rows break a constraint of the table.
    Constraint {
        /// The constraint, in the words of SQLite.
        message: String,
        /// What the direct path knows about it.
        cause: Cause,
        /// The rows, each as the number of rows of the load before it, in order. The last one is the row that the table did
        /// not take. Empty if SQLite does not tell which it is.
        rows: Vec<u64>,
    },
    /// The direct path cannot take these rows.
    Unsupported {
        /// The reason.
        reason: String,
    },
}

impl From<Error> for WriteFailure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The column of `table` that a message of SQLite names, one of `columns`: `NOT NULL constraint failed: t.a`, `cannot store TEXT
/// value in INTEGER column t.a`.
fn column_of<'c>(message: &str, table: &str, mut columns: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let (_, place) = message.split_once(" failed: ").or_else(|| message.split_once(" column "))?;
    let column = place.get(table.len()..)?.strip_prefix('.')?;
    let is_same_table = place[..table.len()].eq_ignore_ascii_case(table);
    columns.find(|name| is_same_table && *name == column)
}

/// The message for a value that is not the integer that a rowid must be. SQLite's own names no column.
fn rowid_mismatch(table: &str, column: &str, value: Value<'_>) -> String {
    format!("datatype mismatch: the INTEGER PRIMARY KEY {table}.{column} cannot be {}", described(value))
}

/// A value for a message.
fn described(value: Value<'_>) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => format!("{:?}", excerpt(text)),
        Value::Blob(blob) => format!("a BLOB of {}", count(blob.len() as u64, "byte")),
    }
}
