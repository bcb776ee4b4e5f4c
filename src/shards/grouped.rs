//! Shards of record batches in which the rows of each key follow each other.

use super::{Receipt, ShardJob, ShardKey};
use crate::batch::{Arena, Value, Values, text_of};
use crate::error::{ColumnUse, Error, Kind, Result};
use crate::format::arrow::{declared_type, natural_values};
use crate::loader::Loader;
use crate::plan::Type;
use crate::schema::input_column::DeclaredType;
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

impl ShardJob {
    /// Builds a shard for each key of the rows of `reader`. Rows of a key follow each other, as after a sort by the columns of the
    /// key, in any order of keys. Without such columns, all rows are one shard. Without rows, there are no shards.
    ///
    /// One shard is open at a time. The columns of the key contain texts, integers, booleans, dates or times, and the key is the text
    /// of their values. The table of `loader` must be that of the job. For `attempt`, see [`ShardJob::writer`]. After an error, the
    /// shards that are complete are removed, too.
    ///
    /// # Errors
    /// As [`Loader::load_arrow`]; [`Kind::NotGrouped`] if the rows of a key do not follow each other; [`Kind::NoSuchColumn`];
    /// [`Kind::Usage`] if a column of the key has another type, or the job has buckets.
    pub fn write_grouped(
        &self,
        loader: &Loader,
        reader: impl RecordBatchReader + Send + 'static,
        attempt: u64,
    ) -> Result<Vec<Receipt>> {
        if self.buckets.is_some() {
            return Err(Kind::Usage("rows are grouped by key, and this job has buckets".to_owned()).into());
        }
        let key_columns = key_columns(&reader.schema(), &self.columns)?;
        let (schema, reader) = (reader.schema(), Box::new(reader));
        let groups =
            Groups { reader, names: self.columns.clone(), key_columns, runs: VecDeque::new(), error: None };
        let groups = Arc::new(Mutex::new(groups));
        let mut receipts = Vec::new();
        let result = self.write_groups(loader, &schema, &groups, attempt, &mut receipts);
        if result.is_err() {
            for receipt in &receipts {
                let _ = std::fs::remove_file(self.directory.join(&receipt.staged));
            }
        }
        result.map(|()| receipts)
    }

    fn write_groups(
        &self,
        loader: &Loader,
        schema: &SchemaRef,
        groups: &Arc<Mutex<Groups>>,
        attempt: u64,
        receipts: &mut Vec<Receipt>,
    ) -> Result<()> {
        let mut written = HashSet::new();
        loop {
            let key = lock(groups).next_key()?;
            let Some(key) = key else { return Ok(()) };
            if !written.insert(key.clone()) {
                return Err(Kind::NotGrouped { key: key.to_string() }.into());
            }
            let group = Group { groups: groups.clone(), schema: schema.clone(), key: key.clone() };
            let (receipt, _) = self.writer(key, attempt)?.load_arrow(loader, group)?;
            receipts.push(receipt);
        }
    }
}

/// The positions of the columns of the key.
fn key_columns(schema: &Schema, names: &[String]) -> Result<Vec<usize>> {
    let found = || schema.fields().iter().map(|field| field.name().clone());
    let find = |name: &String| {
        let is_named = |column: &String| column.eq_ignore_ascii_case(name);
        let at = found().position(|column| column == *name).or_else(|| found().position(|it| is_named(&it)));
        let Some(at) = at else {
            let (column, found) = (name.clone(), found().collect());
            return Err(Kind::NoSuchColumn { column_use: ColumnUse::Shards, column, found }.into());
        };
        match declared_type(schema.field(at).data_type()) {
            DeclaredType::Null | DeclaredType::Of(Type::Text | Type::Integer) => Ok(at),
            _ => {
                let data_type = schema.field(at).data_type();
                let message = format!(
                    "cannot build shards by {name:?}, a column of type {data_type}: convert it to text first"
                );
                Err(Kind::Usage(message).into())
            }
        }
    };
    names.iter().map(find).collect()
}

/// Rows by key, in their order.
struct Groups {
    reader: Box<dyn RecordBatchReader + Send>,
    /// The names of the columns of the key.
    names: Vec<String>,
    /// Their positions.
    key_columns: Vec<usize>,
    /// Rows with the same key that follow each other, of the batch that was read last.
    runs: VecDeque<(ShardKey, RecordBatch)>,
    /// Why the batch after these could not be read.
    error: Option<ArrowError>,
}

impl Groups {
    /// The key of the next row, or `None` at the end.
    fn next_key(&mut self) -> Result<Option<ShardKey>> {
        self.fill();
        match self.error.take() {
            Some(ArrowError::ExternalError(error)) => Err(read_error(error)),
            Some(error) => Err(read_error(error)),
            None => Ok(self.runs.front().map(|(key, _)| key.clone())),
        }
    }

    /// The next rows, if they have this key.
    fn take(&mut self, key: &ShardKey) -> Option<std::result::Result<RecordBatch, ArrowError>> {
        self.fill();
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let is_same = self.runs.front().is_some_and(|(next, _)| next == key);
        if is_same { self.runs.pop_front().map(|(_, rows)| Ok(rows)) } else { None }
    }

    /// Reads batches until there are rows.
    fn fill(&mut self) {
        while self.runs.is_empty() && self.error.is_none() {
            match self.reader.next() {
                None => return,
                Some(Ok(batch)) => self.runs = runs(&batch, &self.names, &self.key_columns).into(),
                Some(Err(error)) => self.error = Some(error),
            }
        }
    }
}

fn read_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::io("read", Path::new("arrow stream"), std::io::Error::other(error))
}

/// The runs of rows with the same key.
fn runs(batch: &RecordBatch, names: &[String], key_columns: &[usize]) -> Vec<(ShardKey, RecordBatch)> {
    let arena = Arena::default();
    let values: Vec<Values<'_>> =
        key_columns.iter().map(|column| natural_values(batch.column(*column), &arena)).collect();
    let is_same = |row: usize| values.iter().all(|values| values.get(row) == values.get(row - 1));
    let text = |value: Value<'_>| match value {
        Value::Null => None,
        value => Some(String::from_utf8_lossy(text_of(value, &arena)).into_owned()),
    };
    let key = |row: usize| {
        ShardKey::columns(names.iter().zip(&values).map(|(name, values)| (name, text(values.get(row)))))
    };
    let starts: Vec<_> = (0..batch.num_rows()).filter(|row| *row == 0 || !is_same(*row)).collect();
    let ends = starts.iter().skip(1).copied().chain([batch.num_rows()]);
    let run = |(start, end): (&usize, usize)| (key(*start), batch.slice(*start, end - start));
    starts.iter().zip(ends).map(run).collect()
}

/// The rows with one key.
struct Group {
    groups: Arc<Mutex<Groups>>,
    schema: SchemaRef,
    key: ShardKey,
}

impl Iterator for Group {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        lock(&self.groups).take(&self.key)
    }
}

impl RecordBatchReader for Group {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

fn lock(groups: &Mutex<Groups>) -> MutexGuard<'_, Groups> {
    groups.lock().unwrap_or_else(PoisonError::into_inner)
}
