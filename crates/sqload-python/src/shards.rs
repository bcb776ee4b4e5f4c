//! Shards: a job, its receipts and its manifest are JSON.

use crate::{data, errors, interrupt};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sqload::cli::{KeywordLoad, run_for_host};
use sqload::shards::{Receipt, ShardJob};
use std::ffi::OsString;
use std::path::PathBuf;

/// Writes data in Arrow's layout to shards of a job: one for each key. The arguments are those of a load. Returns the receipts.
#[pyfunction]
pub(crate) fn write_shards(
    py: Python<'_>,
    job: &str,
    data: &Bound<'_, PyAny>,
    attempt: u64,
    arguments: Vec<OsString>,
) -> PyResult<String> {
    let job: ShardJob = from_json(job)?;
    let load = KeywordLoad::of_data(arguments).map_err(errors::failure)?;
    let raised = data::Raised::default();
    let reader = data::reader(data, &raised)?;
    let result = interrupt::run(py, move |stop| {
        load.run_with_loader(stop, |loader, _| job.write_grouped(loader, reader, attempt))
    })?;
    // An exception of the data matters more than the error of the load, which follows from it.
    raised.take().map_or(Ok(()), Err)?;
    to_json(&result.map_err(errors::failure)?)
}

/// Publishes the shards of these receipts. Returns the manifest.
#[pyfunction]
pub(crate) fn commit_shards(py: Python<'_>, job: &str, receipts: &str) -> PyResult<String> {
    let (job, receipts): (ShardJob, Vec<Receipt>) = (from_json(job)?, from_json(receipts)?);
    let manifest = py.detach(|| run_for_host(|| job.commit(&receipts))).map_err(errors::failure)?;
    to_json(&manifest)
}

/// Removes the staging area of a job.
#[pyfunction]
pub(crate) fn abort_shards(py: Python<'_>, job: &str) -> PyResult<()> {
    let job: ShardJob = from_json(job)?;
    py.detach(|| run_for_host(|| job.abort())).map_err(errors::failure)
}

/// Removes what dead jobs have left in a directory. Returns the paths of what was removed.
#[pyfunction]
pub(crate) fn clean_shards(py: Python<'_>, directory: PathBuf, live: Vec<String>) -> PyResult<Vec<PathBuf>> {
    py.detach(|| run_for_host(|| ShardJob::clean(&directory, &live))).map_err(errors::failure)
}

fn from_json<'j, T: serde::Deserialize<'j>>(json: &'j str) -> PyResult<T> {
    serde_json::from_str(json).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn to_json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))
}
