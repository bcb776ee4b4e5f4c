//! Inputs that are tables of SQLite databases which no program changes.

use crate::batch::{Chunk, RowOrigin, Value};
use crate::database::open_immutable;
use crate::error::{Error, Kind, Position, Result, count};
use crate::format::sqlite::SqliteRows;
use crate::format::typed_rows::TypedRows;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Chunks have at most this many rows.
const MAX_CHUNK_ROWS: usize = 16 << 10;

/// The chunks of an input that are read ahead.
const AHEAD_CHUNKS: usize = 8;

/// A table whose rows are records.
#[derive(Debug, Clone)]
pub(crate) struct SqliteInput {
    /// Path of the database.
    pub(crate) path: PathBuf,
    pub(crate) name: Arc<str>,
    /// The names of its columns, followed by those that only other inputs of the load have.
    pub(super) names: Arc<Vec<String>>,
    pub(super) width: usize,
    /// The table, and what selects the values of these columns from it.
    table: Arc<str>,
    select: Arc<str>,
    /// The number of rows that the table must have.
    rows: u64,
    bytes: u64,
    pub(super) stop: Arc<AtomicBool>,
}

impl SqliteInput {
    /// The rows of `table` that `select` selects in the database at `path`, which has `bytes` bytes: values of the columns `names`.
    /// They must be `rows` rows.
    pub(crate) fn new(
        path: PathBuf,
        (table, names, select): (&Arc<str>, &Arc<Vec<String>>, &Arc<str>),
        (rows, bytes): (u64, u64),
        stop: &Arc<AtomicBool>,
    ) -> Self {
        let (table, names, select, stop) = (table.clone(), names.clone(), select.clone(), stop.clone());
        Self {
            name: path.to_string_lossy().into(),
            width: names.len(),
            path,
            table,
            names,
            select,
            rows,
            bytes,
            stop,
        }
    }

    /// The name of the table.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The size of the database.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The position of a record of `chunk`.
    pub(super) fn position(&self, chunk: &Chunk<'_>, record: RowOrigin) -> Position {
        let record = chunk.first_record + u64::from(record.number) + 1;
        Position { input: self.name.clone(), record, line: None, offset: None }
    }

    /// Starts to read the rows, on a thread of its own, in chunks of about this size.
    ///
    /// # Errors
    /// [`Kind::Threads`].
    pub(super) fn start(&self, chunk_bytes: usize) -> Result<SqliteReader> {
        let (sender, chunks) = sync_channel(AHEAD_CHUNKS);
        let input = self.clone();
        let read = move || {
            if let Err(error) = input.read(chunk_bytes, &sender) {
                // The leader may have ended.
                let _ = sender.send(Err(Error::sqlite("read", &input.path, error)));
            }
        };
        let started = thread::Builder::new().name("reader".into()).spawn(read);
        started.map_err(|source| Kind::Threads { jobs: 1, source })?;
        Ok(SqliteReader { chunks, rows: self.rows, path: self.path.clone() })
    }

    fn read(&self, chunk_bytes: usize, to: &SyncSender<Result<SqliteRows>>) -> rusqlite::Result<()> {
        let connection = open_immutable(&self.path)?;
        let mut statement = connection.prepare(&self.select)?;
        let mut cursor = statement.query([])?;
        let mut rows = SqliteRows::new(self.width);
        while let Some(row) = cursor.next()? {
            rows.push(|at| row.get_ref(at).map(Value::from_sqlite))?;
            if rows.bytes() >= chunk_bytes || rows.len() == MAX_CHUNK_ROWS {
                let full = std::mem::replace(&mut rows, SqliteRows::new(self.width));
                if self.stop.load(Ordering::Relaxed) || to.send(Ok(full)).is_err() {
                    return Ok(());
                }
            }
        }
        if rows.len() > 0 {
            let _ = to.send(Ok(rows));
        }
        Ok(())
    }
}

/// Receives the rows of an input.
#[derive(Debug)]
pub(super) struct SqliteReader {
    chunks: Receiver<Result<SqliteRows>>,
    rows: u64,
    path: PathBuf,
}

impl SqliteReader {
    /// Passes on the chunks of the input with this number, until `take` breaks.
    ///
    /// # Errors
    /// [`Kind::Sqlite`]; [`Kind::Shard`] if the table does not have as many rows as it must.
    pub(super) fn split(
        self,
        (number, records_before_input): (usize, u64),
        mut take: impl FnMut(Chunk<'static>, SqliteRows) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut chunk = Chunk { input: number, records_before_input, ..Chunk::default() };
        for rows in self.chunks {
            let rows = rows?;
            chunk.records = rows.len();
            if take(chunk, rows).is_break() {
                return Ok(());
            }
            chunk.number += 1;
            chunk.first_record += chunk.records as u64;
        }
        match chunk.first_record {
            found if found == self.rows => Ok(()),
            found => {
                let problem = format!("it has {}, expected {}", count(found, "row"), count(self.rows, "row"));
                Err(Kind::Shard { path: self.path, problem }.into())
            }
        }
    }
}
