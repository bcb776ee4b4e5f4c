//! The extension module `sqload._sqload`: loads, and the command line, for the Python package.
//!
//! Python passes keywords as arguments of the command line, so that they have the same names, checks and defaults.

mod capsules;
mod data;
mod errors;
mod interrupt;
mod shards;

/// glibc's allocator makes loads slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Loads, and the command line.
#[pyo3::pymodule]
mod _sqload {
    use super::{data, errors, interrupt};
    use pyo3::prelude::*;
    use sqload::cli::{self, KeywordLoad};
    use std::ffi::OsString;

    #[pymodule_export]
    use super::shards::{abort_shards, clean_shards, commit_shards, write_shards};

    /// The version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python gives it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Runs the command line with these arguments, of which the first is its name. Returns the exit code.
    #[pyfunction]
    fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        py.detach(|| cli::main(arguments))
    }

    /// Runs a load with these arguments. Returns its report, in JSON, and its summary.
    #[pyfunction]
    fn load(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<(String, String)> {
        let load = KeywordLoad::new(arguments).map_err(errors::failure)?;
        let result = interrupt::run(py, move |stop| load.run(stop))?;
        result.map(|report| (report.json, report.summary)).map_err(errors::failure)
    }

    /// Writes data in Arrow's layout to a table, with these arguments. Returns the report of the load, in JSON, and its summary.
    #[pyfunction]
    fn write(
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        arguments: Vec<OsString>,
    ) -> PyResult<(String, String)> {
        let load = KeywordLoad::of_data(arguments).map_err(errors::failure)?;
        let raised = data::Raised::default();
        let reader = data::reader(data, &raised)?;
        let result = interrupt::run(py, move |stop| {
            load.run_on_data(stop, |loader, database| loader.load_arrow(reader, database))
        })?;
        // An exception of the data matters more than the error of the load, which follows from it.
        raised.take().map_or(Ok(()), Err)?;
        result.map(|report| (report.json, report.summary)).map_err(errors::failure)
    }
}
