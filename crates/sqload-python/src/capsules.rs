//! Arrow's C data interface in capsules of Python: streams and arrays of other libraries as record batches.

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatch, RecordBatchOptions, RecordBatchReader, StructArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::Arc;

/// The content of a capsule with this name.
fn pointer<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<NonNull<T>> {
    Ok(capsule.cast::<PyCapsule>()?.pointer_checked(Some(name))?.cast())
}

/// The stream in the capsule that `__arrow_c_stream__` has returned.
pub(crate) fn stream(capsule: &Bound<'_, PyAny>) -> PyResult<Result<Stream, ArrowError>> {
    let stream = pointer::<FFI_ArrowArrayStream>(capsule, c"arrow_array_stream")?;
    // SAFETY: a capsule of this name contains a stream of Arrow's C stream interface. `from_raw` moves it out and marks the
    // original as released, so it is released once. Nobody else uses the capsule, because Python's lock is held.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(stream.as_ptr()) };
    Ok(Stream::new(stream))
}

/// The batch in the capsules that `__arrow_c_array__` has returned.
pub(crate) fn batch(
    schema: &Bound<'_, PyAny>,
    array: &Bound<'_, PyAny>,
) -> PyResult<Result<RecordBatch, ArrowError>> {
    let schema = pointer::<FFI_ArrowSchema>(schema, c"arrow_schema")?;
    let array = pointer::<FFI_ArrowArray>(array, c"arrow_array")?;
    // SAFETY: capsules of these names contain a schema and an array of Arrow's C data interface. `from_raw` moves them out, as
    // above.
    let (schema, array) =
        unsafe { (FFI_ArrowSchema::from_raw(schema.as_ptr()), FFI_ArrowArray::from_raw(array.as_ptr())) };
    let import = || {
        let schema = Arc::new(Schema::try_from(&schema)?);
        // SAFETY: the capsules belong together, so the array has this schema.
        unsafe { import(array, &schema) }
    };
    Ok(import())
}

/// A stream of batches.
pub(crate) struct Stream {
    stream: FFI_ArrowArrayStream,
    schema: SchemaRef,
}

impl Stream {
    fn new(mut stream: FFI_ArrowArrayStream) -> Result<Self, ArrowError> {
        let mut schema = FFI_ArrowSchema::empty();
        let get_schema = stream.get_schema.ok_or_else(|| invalid("it has been read already"))?;
        // SAFETY: the stream is not released, and `schema` is one that the callback may overwrite.
        let code = unsafe { get_schema(&mut stream, &mut schema) };
        match code {
            0 => Ok(Self { schema: Arc::new(Schema::try_from(&schema)?), stream }),
            code => Err(last_error(&mut stream, code)),
        }
    }
}

impl Iterator for Stream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut array = FFI_ArrowArray::empty();
        // SAFETY: the stream is not released, and `array` is one that the callback may overwrite. One thread at a time calls it.
        let code =
            self.stream.get_next.map_or(0, |get_next| unsafe { get_next(&mut self.stream, &mut array) });
        match code {
            0 if array.is_released() => None,
            // SAFETY: the arrays of a stream have its schema.
            0 => Some(unsafe { import(array, &self.schema) }),
            code => Some(Err(last_error(&mut self.stream, code))),
        }
    }
}

impl RecordBatchReader for Stream {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

fn invalid(problem: &str) -> ArrowError {
    ArrowError::CDataInterface(problem.to_owned())
}

/// The error after a callback of the stream has returned `code`.
fn last_error(stream: &mut FFI_ArrowArrayStream, code: i32) -> ArrowError {
    // SAFETY: the stream is not released.
    let message = stream.get_last_error.map(|get_last_error| unsafe { get_last_error(stream) });
    let message = message.filter(|message| !message.is_null());
    // SAFETY: the message ends with NUL, and is valid until the next call.
    let message = message.map(|message| unsafe { CStr::from_ptr(message) });
    match message {
        Some(message) => invalid(&message.to_string_lossy()),
        None => invalid(&std::io::Error::from_raw_os_error(code).to_string()),
    }
}

/// An array of rows as a batch.
///
/// # Safety
/// The array follows Arrow's C data interface and has this schema.
unsafe fn import(mut array: FFI_ArrowArray, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    // SAFETY: as the caller guarantees.
    let data = unsafe {
        drop_null_buffers(&mut array, &DataType::Struct(schema.fields().clone()));
        from_ffi_and_data_type(array, DataType::Struct(schema.fields().clone()))
    }?;
    if data.null_count() > 0 {
        return Err(invalid("a row is null"));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(data.len()));
    RecordBatch::try_new_with_options(schema.clone(), StructArray::from(data).into_parts().1, &options)
}

/// Drops the validity buffer that Polars gives to arrays of type null, which have none; the import would refuse them.
///
/// # Safety
/// The array follows Arrow's C data interface and has this type.
unsafe fn drop_null_buffers(array: &mut FFI_ArrowArray, data_type: &DataType) {
    let fields = match data_type {
        DataType::Null => {
            array.n_buffers = 0;
            return;
        }
        DataType::Dictionary(_, values) => {
            // SAFETY: it points to the values of the dictionary, which belong to the array and have this type.
            if let Some(dictionary) = unsafe { array.dictionary.as_mut() } {
                // SAFETY: as above.
                unsafe { drop_null_buffers(dictionary, values) };
            }
            return;
        }
        other => child_fields(other),
    };
    for (index, field) in fields.iter().enumerate().take(array.n_children.max(0) as usize) {
        // SAFETY: there are `n_children` pointers to children, which belong to the array and have the types of the fields.
        unsafe { drop_null_buffers(&mut **array.children.add(index), field.data_type()) };
    }
}

/// The fields of the children of an array of this type.
fn child_fields(data_type: &DataType) -> Vec<&Arc<Field>> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => vec![field],
        DataType::Struct(fields) => fields.iter().collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field).collect(),
        DataType::RunEndEncoded(run_ends, values) => vec![run_ends, values],
        _ => Vec::new(),
    }
}
