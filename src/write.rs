//! Rows to a database. A writer sees batches, never parsers.
//!
//! It has two halves: [`Encoder`], pure, of which each worker has one, and [`Writer`], which takes their
//! results one after the other, in the order of the input. Nothing outside this folder knows which one runs.

pub mod direct;
pub mod statements;

use crate::batch::Rows;
use crate::error::{Error, Reason};
use std::sync::atomic::AtomicBool;

/// The serial half.
pub trait Writer {
    /// The parallel half.
    type Encoder: Encoder;

    /// Whether a failure may name rows of earlier batches.
    const NAMES_EARLIER_ROWS: bool = false;

    /// An encoder for one worker.
    fn encoder(&self) -> Self::Encoder;

    /// Appends the rows of the batch that comes next in the input, and what the encoder made of them. Returns those that
    /// the database does not take, if the writer can go on without them.
    ///
    /// # Errors
    /// If the database cannot take them. The writer is of no use afterwards.
    fn append(&mut self, rows: &Rows<'_>, encoded: &mut Encoded<Self>) -> Result<Appended, WriteFailure>;

    /// Ends the load; only now are the rows all in the database. Returns the SQL that is still to be run there.
    ///
    /// # Errors
    /// If the database cannot be completed; [`Kind::Interrupted`](crate::Kind::Interrupted) soon after `stop` is set.
    fn finish(self, stop: &AtomicBool) -> Result<Vec<String>, WriteFailure>;
}

/// The parallel half: a pure function of a batch.
pub trait Encoder: Send {
    /// What it makes; handed back to be used again.
    type Encoded: Default + Send;

    /// Puts what the writer needs of `rows` into `encoded`, in place of what is there.
    fn encode(&mut self, rows: &Rows<'_>, encoded: &mut Self::Encoded);
}

/// What became of the rows of a batch.
#[derive(Debug, Default)]
pub struct Appended {
    /// The rows that were refused, in order, and why.
    pub refused: Vec<(usize, Reason)>,
    /// How many gave way to rows with their key.
    pub ignored: u64,
}

/// What the encoder of a writer makes.
pub type Encoded<W> = <<W as Writer>::Encoder as Encoder>::Encoded;

/// Why a writer cannot go on.
#[derive(Debug)]
pub enum WriteFailure {
    /// The load fails.
    Error(Error),
    /// Rows break a constraint of the table.
    Constraint {
        /// The constraint, in the words of SQLite.
        message: String,
        /// The rows, each as the number of rows of the load before it, in order. The last one is the row that the table did
        /// not take. Empty if SQLite does not tell which it is.
        rows: Vec<u64>,
    },
    /// The rows are not in the order of their keys, and sorting them takes too much memory.
    TooManyToSort {
        /// The limit.
        max_bytes: usize,
    },
}

impl From<Error> for WriteFailure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}
