//! Loads that signals interrupt.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Time between two looks for signals.
const INTERVAL: Duration = Duration::from_millis(20);

/// Runs a load on a thread of its own, without the global interpreter lock, while this thread handles signals. If a handler raises
/// an exception, as that of SIGINT does, sets the flag that stops the load, and waits for its end.
///
/// # Errors
/// The exception of the handler; RuntimeError if the load panics, or if there is no thread for it.
pub(crate) fn run<T: Send + 'static, E: Send + 'static>(
    py: Python<'_>,
    load: impl FnOnce(Arc<AtomicBool>) -> Result<T, E> + Send + 'static,
) -> PyResult<Result<T, E>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, mut receiver) = channel();
    let work = {
        let stop = stop.clone();
        // The receiver waits for the result.
        move || drop(sender.send(load(stop)))
    };
    let thread = thread::Builder::new().name("sqload".into()).spawn(work)?;
    let mut raised: Option<PyErr> = None;
    let result = loop {
        let receiver = &mut receiver;
        match py.detach(move || receiver.recv_timeout(INTERVAL)) {
            Ok(result) => break result,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err(
                    "internal error: the load panicked; please report this bug",
                ));
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Err(error) = py.check_signals() {
                    stop.store(true, Ordering::SeqCst);
                    raised = Some(error);
                }
            }
        }
    };
    // The load has released its files when its thread has ended.
    let _ = py.detach(|| thread.join());
    match raised {
        None => Ok(result),
        Some(error) => {
            if result.is_ok() {
                // Python 3.10 has no notes.
                let note = "the load was complete before it could be interrupted";
                let _ = error.value(py).call_method1("add_note", (note,));
            }
            Err(error)
        }
    }
}
