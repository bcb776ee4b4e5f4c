//! Rows to a database. A writer sees batches, never parsers.
//!
//! It has two halves: [`Encoder`], pure, of which each worker has one, and [`Writer`], which takes their
//! results one after the other, in the order of the input. Nothing outside this folder knows which one runs.

pub mod statements;

use crate::batch::Rows;
use crate::error::Result;

/// The serial half.
pub trait Writer {
    /// The parallel half.
    type Encoder: Encoder;

    /// An encoder for one worker.
    fn encoder(&self) -> Self::Encoder;

    /// Appends the rows of the batch that comes next in the input, and what the encoder made of them.
    ///
    /// # Errors
    /// If the database can not take them. The writer is of no use afterwards.
    fn append(&mut self, rows: &Rows<'_>, encoded: &Encoded<Self>) -> Result<()>;

    /// Ends the load; only now are the rows all in the database.
    ///
    /// # Errors
    /// If the database can not be completed.
    fn finish(self) -> Result<()>;
}

/// The parallel half: a pure function of a batch.
pub trait Encoder: Send {
    /// What it makes; handed back to be used again.
    type Encoded: Default + Send;

    /// Puts what the writer needs of `rows` into `encoded`, in place of what is there.
    fn encode(&mut self, rows: &Rows<'_>, encoded: &mut Self::Encoded);
}

/// What the encoder of a writer makes.
pub type Encoded<W> = <<W as Writer>::Encoder as Encoder>::Encoded;

/// `name` as an SQL identifier.
pub(crate) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
