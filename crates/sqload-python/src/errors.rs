//! Errors of loads as exceptions.

use pyo3::PyErr;
use sqload::cli::LoadFailure;

mod imported {
    pyo3::import_exception!(sqload, Error);
}

/// The exception for a load that failed.
pub(crate) fn failure(LoadFailure { error, message, warnings }: LoadFailure) -> PyErr {
    let position = error
        .position()
        .map(|position| (position.input.to_string(), position.record, position.line, position.offset));
    let reason =
        error.reason().map(|reason| (reason.name(), reason.to_string(), reason.column().map(str::to_owned)));
    imported::Error::new_err((message, error.kind().name(), position, reason, warnings))
}
