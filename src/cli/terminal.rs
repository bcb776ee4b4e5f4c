//! Progress, messages and signals.

use super::remedy;
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use sqload::report::Progress;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// Time between two updates of the progress bar.
const INTERVAL: Duration = Duration::from_millis(100);

const STYLE: &str = "{bar:30} {bytes}/{total_bytes} {msg} {bytes_per_sec}, {eta} left";

/// The progress of the load that signals may interrupt.
static LOAD: OnceLock<Arc<Progress>> = OnceLock::new();

/// The exit code after a signal.
const INTERRUPTED: i32 = 130;

/// Runs `work` and shows its `progress` on standard error, if that is a terminal and unless `quiet`.
pub(super) fn watch<T>(quiet: bool, progress: &Progress, work: impl FnOnce() -> T) -> T {
    if quiet || !std::io::stderr().is_terminal() {
        return work();
    }
    let style = ProgressStyle::with_template(STYLE).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    // The receiver notices when the work is done, because its sender is dropped then.
    let (working, done) = channel::<()>();
    thread::scope(|scope| {
        let show = || {
            let done = done;
            while done.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let rows = progress.rows();
                let rows_per_second = rows as f64 / bar.elapsed().as_secs_f64();
                bar.set_length(progress.total_bytes());
                bar.set_message(format!("{rows} rows, {rows_per_second:.0} rows/s"));
                bar.set_position(progress.bytes());
            }
            bar.finish_and_clear();
        };
        // Without a thread for it, there is no progress bar.
        let _ = thread::Builder::new().name("progress".into()).spawn_scoped(scope, show);
        let result = work();
        drop(working);
        result
    })
}

/// Sets `stop` on SIGINT, SIGTERM and SIGHUP. A second signal ends the program at once, unless a load is committing; the next
/// load removes what is left behind.
///
/// # Errors
/// If the signal handlers or their thread cannot be installed.
pub(super) fn stop_on_signals(stop: &Arc<AtomicBool>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let stop = stop.clone();
    let wait = move || {
        for _ in signals.forever() {
            let is_committing = || LOAD.get().is_some_and(|progress| progress.is_committing());
            if stop.swap(true, Ordering::SeqCst) && !is_committing() {
                std::process::exit(INTERRUPTED);
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait)?;
    // Without a handler, SIGXFSZ kills the program. With one, a file beyond the size limit is an error of the write.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

/// Lets a load that is committing finish although signals arrive: the exit code then says that the rows are loaded.
pub(super) fn finish_commit_on_signals(progress: Arc<Progress>) {
    let _ = LOAD.set(progress);
}

/// Prints `text` on standard error, unless `quiet`. An unwritable standard error is ignored.
pub(super) fn print_status(quiet: bool, text: &str) {
    if !quiet {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// The number of warnings to print before an error.
const MAX_WARNINGS: usize = 10;

/// Prints an error on standard error, with advice and its causes. Warnings that may explain it precede it.
pub(crate) fn print_error(error: &(dyn Error + 'static)) {
    let own = error.downcast_ref::<sqload::Error>();
    let warnings = own.map_or(Default::default(), sqload::Error::warnings).iter().take(MAX_WARNINGS);
    warnings.for_each(|warning| tracing::warn!("{}", printable(&remedy::phrase_warning(warning))));
    let advice = own.and_then(|error| remedy::for_error(error.kind()));
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
/// If it cannot be written.
pub(super) fn print(text: &str) -> std::io::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
