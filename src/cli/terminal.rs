//! Progress, messages and signals.

use super::remedy;
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use sqload::printable;
use sqload::report::{Phase, Phrases, Progress, grouped_count};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two updates of the progress bar.
const INTERVAL: Duration = Duration::from_millis(100);

/// Time between two lines of progress.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// How to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProgressDisplay {
    None,
    /// One line that is overwritten.
    Bar,
    /// Line after line.
    Lines,
}

/// True if standard error is a terminal that understands control sequences.
pub(super) fn is_smart() -> bool {
    std::io::stderr().is_terminal() && !is_dumb()
}

/// True unless the environment asks for no color (<https://no-color.org>) or the terminal has none.
pub(super) fn allows_color() -> bool {
    let is_disabled = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_disabled && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The load that signals may interrupt.
static LOAD: OnceLock<InterruptibleLoad> = OnceLock::new();

/// Progress of a load, and the action to take before a signal ends the program at once.
struct InterruptibleLoad {
    progress: Arc<Progress>,
    before_exit: Box<dyn Fn() + Send + Sync>,
}

/// The exit code after a signal.
const INTERRUPTED: i32 = 130;

/// Runs `work` and shows its `progress` on standard error.
pub(super) fn watch<T>(display: ProgressDisplay, progress: &Progress, work: impl FnOnce() -> T) -> T {
    if display == ProgressDisplay::None {
        return work();
    }
    // The receiver notices when the work is done, because its sender is dropped then.
    let (working, done) = channel::<()>();
    thread::scope(|scope| {
        // Without a thread for it, progress is not shown.
        let show = move || match display {
            ProgressDisplay::Bar => show_bar(progress, &done),
            _ => show_lines(progress, &done),
        };
        let _ = thread::Builder::new().name("progress".into()).spawn_scoped(scope, show);
        let result = work();
        drop(working);
        result
    })
}

fn show_bar(progress: &Progress, done: &Receiver<()>) {
    // The last part takes the rest of the width of the terminal, and no more.
    let style =
        |template| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let (known, unknown) = (style("{bar:20} {wide_msg}"), style("{spinner} {wide_msg}"));
    let bar = ProgressBar::new(0);
    while done.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let has_size = progress.total_bytes() > 0 && progress.phase() == Phase::Loading;
        bar.set_style(if has_size { known.clone() } else { unknown.clone() });
        bar.set_length(progress.total_bytes());
        bar.set_position(progress.bytes());
        bar.set_message(describe(progress, bar.elapsed()));
        bar.tick();
    }
    bar.finish_and_clear();
}

fn show_lines(progress: &Progress, done: &Receiver<()>) {
    let started = Instant::now();
    while done.recv_timeout(LINE_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        print_status(false, &describe(progress, started.elapsed()));
    }
}

/// The progress after this time, in words. What matters most comes first, since a narrow terminal cuts the rest.
fn describe(progress: &Progress, elapsed: Duration) -> String {
    let (bytes, total, rows) = (progress.bytes() as f64, progress.total_bytes() as f64, progress.rows());
    let seconds = elapsed.as_secs_f64();
    match progress.phase() {
        Phase::SortingKeys => return format!("sorting keys, {seconds:.0} s"),
        Phase::Writing => return format!("writing, {seconds:.0} s"),
        _ => {}
    }
    let megabytes = |bytes: f64| format!("{:.1}", bytes / 1e6);
    let read = match total > 0.0 {
        true => format!("{:.0} %, {} of {} MB", 100.0 * bytes / total, megabytes(bytes), megabytes(total)),
        false => format!("{} MB", megabytes(bytes)),
    };
    let rows_per_second = rows as f64 / seconds;
    let left = match total > 0.0 && bytes > 0.0 {
        true => format!(", {:.0} s left", seconds * (total - bytes).max(0.0) / bytes),
        false => String::new(),
    };
    format!("{read}{left}, {} ({rows_per_second:.0}/s)", grouped_count(rows, "row"))
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
            let is_committing = || LOAD.get().is_some_and(|load| load.progress.is_committing());
            if stop.swap(true, Ordering::SeqCst) && !is_committing() {
                LOAD.get().iter().for_each(|load| (load.before_exit)());
                std::process::exit(INTERRUPTED);
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait)?;
    // Without a handler, SIGXFSZ kills the program. With one, a file beyond the size limit is an error of the write.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

/// Lets a load that is committing finish although signals arrive: the exit code then says that the rows are loaded. Calls
/// `before_exit` before a signal ends the program at once.
pub(super) fn finish_commit_on_signals(
    progress: Arc<Progress>,
    before_exit: impl Fn() + Send + Sync + 'static,
) {
    let _ = LOAD.set(InterruptibleLoad { progress, before_exit: Box::new(before_exit) });
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
pub(super) fn print_error(error: &(dyn Error + 'static)) {
    let own = error.downcast_ref::<sqload::Error>();
    let warnings = own.map_or(Default::default(), sqload::Error::warnings).iter().take(MAX_WARNINGS);
    warnings.for_each(|warning| tracing::warn!("{}", printable(&remedy::phrase_warning(warning))));
    print_status(false, &format!("sqload: {}", describe_error(error)));
}

/// How reports in HTML word errors, warnings and notes: as the terminal.
pub(super) const PHRASES: Phrases = Phrases {
    error: |error| describe_error(error),
    warning: remedy::phrase_warning,
    note: remedy::phrase_note,
};

/// An error with advice and its causes.
pub(super) fn describe_error(error: &(dyn Error + 'static)) -> String {
    let own = error.downcast_ref::<sqload::Error>();
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
    lines.join("\n  because: ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_without_a_known_size_has_no_percentage() {
        let text = describe(&Progress::default(), Duration::from_secs(1));
        assert_eq!(text, "0.0 MB, 0 rows (0/s)");
    }
}
