//! Python objects as readers of record batches.

use crate::capsules::{batch, stream};
use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyIterator};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) type Reader = Box<dyn RecordBatchReader + Send>;

/// The exception that ended the data, if one did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps the exception, and returns an error to end the load.
    fn keep(&self, error: PyErr) -> ArrowError {
        let message = error.to_string();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        ArrowError::ExternalError(message.into())
    }
}

/// A reader of `data`: of a table or batch, or of the batches of an iterable, one after the other. Exceptions of the iterable
/// go to `raised`.
///
/// # Errors
/// TypeError if `data` is not one of these; ValueError if an iterable is empty, since its columns are then unknown; any exception
/// that an iterable raises instead of its first item.
pub(crate) fn reader(data: &Bound<'_, PyAny>, raised: &Raised) -> PyResult<Reader> {
    if let Some(reader) = table_reader(data)? {
        return Ok(reader);
    }
    // A lazy frame of Polars has items, but none that `iter` could return.
    let is_iterable = data.hasattr("__iter__")?;
    match data.try_iter() {
        Ok(batches) if is_iterable => Ok(Box::new(Batches::new(batches, raised.clone())?)),
        _ => Err(unsupported(data)),
    }
}

fn unsupported(data: &Bound<'_, PyAny>) -> PyErr {
    let name = data.get_type().fully_qualified_name();
    let name = name.map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!(
        "{name} is neither a table nor an iterable of tables: expected an object with __arrow_c_stream__ or \
        __arrow_c_array__, such as a DataFrame of Polars or pandas (2.2 or later), or a table of pyarrow or DuckDB"
    ))
}

/// A reader of an object with one of the two methods of the PyCapsule interface; `None` if it has neither.
fn table_reader(data: &Bound<'_, PyAny>) -> PyResult<Option<Reader>> {
    let invalid = |error: ArrowError| PyTypeError::new_err(format!("the data is not a table: {error}"));
    if data.hasattr("__arrow_c_stream__")? {
        let capsule = with_index(data)?.call_method0("__arrow_c_stream__")?;
        return Ok(Some(Box::new(stream(&capsule)?.map_err(invalid)?)));
    }
    if data.hasattr("__arrow_c_array__")? {
        let capsules = data.call_method0("__arrow_c_array__")?;
        let (schema, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) = capsules.extract()?;
        let batch = batch(&schema, &array)?.map_err(invalid)?;
        let schema = batch.schema();
        return Ok(Some(Box::new(RecordBatchIterator::new([Ok(batch)], schema))));
    }
    Ok(None)
}

/// The data with an index that has a name. pandas exports one that is a range as metadata alone.
fn with_index<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let module = data.get_type().module()?;
    if module.to_cow()?.split('.').next() != Some("pandas") || !data.hasattr("index")? {
        return Ok(data.clone());
    }
    let index = data.getattr("index")?;
    if index.get_type().name()? != "RangeIndex" || index.getattr("name")?.is_none() {
        return Ok(data.clone());
    }
    let keywords = [("preserve_index", true)].into_py_dict(data.py())?;
    data.py().import("pyarrow")?.getattr("Table")?.call_method("from_pandas", (data,), Some(&keywords))
}

/// The batches of all items of an iterator.
struct Batches {
    items: Py<PyIterator>,
    schema: SchemaRef,
    current: Reader,
    raised: Raised,
    is_ended: bool,
}

impl Batches {
    fn new(mut items: Bound<'_, PyIterator>, raised: Raised) -> PyResult<Self> {
        let Some(first) = items.next() else {
            return Err(PyValueError::new_err("there are no batches, so the columns are unknown"));
        };
        let first = first?;
        let current = table_reader(&first)?.ok_or_else(|| unsupported(&first))?;
        Ok(Self { items: items.unbind(), schema: current.schema(), current, raised, is_ended: false })
    }

    /// The reader of the next item, which must have the columns of the first one.
    fn next_item(&self) -> PyResult<Option<Reader>> {
        Python::attach(|py| {
            let Some(item) = self.items.bind(py).clone().next() else { return Ok(None) };
            let item = item?;
            let reader = table_reader(&item)?.ok_or_else(|| unsupported(&item))?;
            match difference(&self.schema, &reader.schema()) {
                None => Ok(Some(reader)),
                Some(difference) => Err(PyValueError::new_err(format!("the batches differ: {difference}"))),
            }
        })
    }
}

/// How the columns of a batch differ from those of the first, if they do.
fn difference(first: &Schema, other: &Schema) -> Option<String> {
    let (expected, found) = (first.fields().len(), other.fields().len());
    if expected != found {
        return Some(format!("they have {expected} and {found} columns"));
    }
    let mut pairs = first.fields().iter().zip(other.fields());
    pairs.find_map(|(expected, found)| {
        let is_same = expected.name() == found.name() && expected.data_type() == found.data_type();
        let describe =
            |field: &arrow_schema::Field| format!("{:?} with type {}", field.name(), field.data_type());
        (!is_same).then(|| {
            format!("the first has a column {}, another has {}", describe(expected), describe(found))
        })
    })
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_ended {
            if let Some(batch) = self.current.next() {
                return Some(batch);
            }
            match self.next_item() {
                Ok(Some(reader)) => self.current = reader,
                Ok(None) => self.is_ended = true,
                Err(error) => {
                    self.is_ended = true;
                    return Some(Err(self.raised.keep(error)));
                }
            }
        }
        None
    }
}

impl RecordBatchReader for Batches {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
