//! Rows to a database. A writer sees batches, never parsers.
//!
//! It has two halves: [`Encoder`], pure, of which each worker has one, and [`Writer`], which takes their
//! results one after the other, in the order of the input. Nothing outside this folder knows which one runs.

pub mod direct;
pub mod statements;

use crate::batch::Rows;
use crate::error::{Reason, Result};
use std::sync::atomic::AtomicBool;

/// The serial half.
pub trait Writer {
    /// The parallel half.
    type Encoder: Encoder;

    /// An encoder for one worker.
    fn encoder(&self) -> Self::Encoder;

    /// Appends the rows of the batch that comes next in the input, and what the encoder made of them. Returns those that
    /// the database does not take, if the writer can go on without them.
    ///
    /// # Errors
    /// If the database can not take them. The writer is of no use afterwards.
    fn append(&mut self, rows: &Rows<'_>, encoded: &mut Encoded<Self>) -> Result<Appended>;

    /// Ends the load; only now are the rows all in the database. Returns the SQL that is still to be run there.
    ///
    /// # Errors
    /// If the database can not be completed; [`Kind::Interrupted`] soon after `stop` is set.
    fn finish(self, stop: &AtomicBool) -> Result<Vec<String>>;
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
