//! Rows to a database. A writer sees batches, never parsers.
//!
//! It has two halves: [`Encoder`], pure, of which each worker has one, and [`Writer`], which takes their
//! results one after the other, in the order of the input. Nothing outside this folder knows which one runs.

pub mod direct;
mod scratch;
pub mod statements;

use crate::batch::Rows;
use crate::ddl::create_table_sql;
use crate::error::{Error, Kind, Reason, Result};
use crate::plan::{Table, WriterChoice};
use direct::Schema;
use rusqlite::Connection;
pub(crate) use scratch::{Declared, Refusal, Scratch};
use std::path::Path;
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

/// The writer for a load.
#[derive(Debug)]
pub(crate) enum Choice {
    Direct,
    /// Through statements, for this reason if it was not asked for.
    Statements(Option<String>),
}

impl Choice {
    /// What the writer is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Statements(_) => "statements",
        }
    }

    /// Why it is not another.
    pub(crate) fn reason(self) -> Option<String> {
        match self {
            Self::Direct => None,
            Self::Statements(reason) => reason,
        }
    }
}

/// Chooses a writer for `table`, which is to be made in `database`, a new one or one that `is_new` says is not.
///
/// # Errors
/// [`Kind::Sqlite`] if SQLite can not make such a table; [`Kind::DirectRefused`].
pub(crate) fn choose(choice: WriterChoice, table: &Table, database: &Path, is_new: bool) -> Result<Choice> {
    if choice == WriterChoice::Statements {
        return Ok(Choice::Statements(None));
    }
    let refusal = || -> rusqlite::Result<Option<String>> {
        if !is_new {
            return Ok(Some("the database has other content".to_owned()));
        }
        let trial = Connection::open_in_memory()?;
        trial.execute_batch(&create_table_sql(table))?;
        table.indexes.iter().try_for_each(|sql| trial.execute_batch(sql))?;
        Ok(Schema::read(&trial, table)?.err())
    };
    let made = |source| Error::sqlite(format!("make table {:?} in", table.name), database, source);
    match refusal().map_err(made)? {
        None => Ok(Choice::Direct),
        Some(reason) if choice == WriterChoice::Auto => Ok(Choice::Statements(Some(reason))),
        Some(reason) => Err(Kind::DirectRefused { reason }.into()),
    }
}
