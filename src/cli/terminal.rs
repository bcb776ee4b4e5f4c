//! What a person sees.

use super::remedy;
use indicatif::{ProgressBar, ProgressStyle};
use sqload::report::Progress;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// Between two looks at the counters.
const INTERVAL: Duration = Duration::from_millis(100);

const STYLE: &str = "{bar:30} {bytes}/{total_bytes} {msg} {bytes_per_sec}, {eta} left";

/// The load that signals may interrupt.
static LOAD: OnceLock<Arc<Progress>> = OnceLock::new();

/// Does `work`, and meanwhile shows its `progress` on standard error, if that is a terminal and unless `quiet`.
pub(crate) fn watch<T>(quiet: bool, progress: &Progress, work: impl FnOnce() -> T) -> T {
    if quiet || !std::io::stderr().is_terminal() {
        return work();
    }
    let style = ProgressStyle::with_template(STYLE).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    let (work_goes_on, work_ended) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            let ended = work_ended;
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let rows = progress.rows();
                let rows_per_second = rows as f64 / bar.elapsed().as_secs_f64();
                bar.set_length(progress.total_bytes());
                bar.set_message(format!("{rows} rows, {rows_per_second:.0} rows/s"));
                bar.set_position(progress.bytes());
            }
            bar.finish_and_clear();
        });
        let result = work();
        drop(work_goes_on);
        result
    })
}

/// Sets `stop` when the user interrupts the program, or the system ends it.
///
/// # Errors
/// What the operating system says.
pub(crate) fn stop_on_signals(stop: &Arc<AtomicBool>) -> Result<(), Box<dyn Error>> {
    let on_signal = stop.clone();
    // A second signal does not wait, except for a commit; what is left behind then is removed by the next load.
    ctrlc::set_handler(move || {
        let is_committing = || LOAD.get().is_some_and(|progress| progress.is_committing());
        if on_signal.swap(true, Ordering::SeqCst) && !is_committing() {
            std::process::exit(130)
        }
    })?;
    // Not to be ended by it is all: what is too large for the limit on files is an error of the write.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
    Ok(())
}

/// Has signals wait for the end of a load that commits: the exit code then says that the rows are loaded.
pub(crate) fn finish_commit_on_signals(progress: Arc<Progress>) {
    let _ = LOAD.set(progress);
}

/// Says `text` on standard error, if that is there, unless `quiet`.
pub(crate) fn print_status(quiet: bool, text: &str) {
    if !quiet {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Prints an error on standard error, with advice and its causes.
pub(crate) fn print_error(error: &(dyn Error + 'static)) {
    let advice = error.downcast_ref::<sqload::Error>().and_then(|error| remedy::for_error(error.kind()));
    let advice = advice.map_or(String::new(), |advice| format!("; {advice}"));
    let causes = std::iter::successors(error.source(), |&error| error.source());
    let mut lines = vec![printable(&format!("{error}{advice}"))];
    for cause in causes.map(|cause| printable(&cause.to_string())) {
        // The cause of an error of SQLite repeats it, with an error code.
        let is_repeated = lines.len() > 1 && cause.starts_with("Error code ");
        if !is_repeated {
            lines.push(cause);
        }
    }
    print_status(false, &format!("sqload: {}", lines.join("\n  because: ")));
}

/// `text` with control characters escaped, so that names from an input cannot control a terminal.
fn printable(text: &str) -> String {
    let escaped = |char: char| match char.is_control() && !matches!(char, '\n' | '\t') {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Prints `text` on standard output. A reader that closes the pipe early has seen enough.
///
/// # Errors
/// What the operating system says.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
