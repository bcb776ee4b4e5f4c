//! Measures how long each stage of a load is at work.

use crate::report::Stages;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Adds up the time that a stage is at work, on any number of threads.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    nanos: AtomicU64,
}

impl Stopwatch {
    /// Runs `work` and adds the time that it takes.
    pub(crate) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.nanos.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }

    /// Starts measuring; stops when the result is dropped.
    pub(crate) fn start(&self) -> Clock<'_> {
        Clock { stopwatch: self, started: Some(Instant::now()) }
    }

    /// Seconds so far.
    pub(crate) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64()
    }
}

/// A stopwatch that runs and can be paused.
pub(crate) struct Clock<'s> {
    stopwatch: &'s Stopwatch,
    started: Option<Instant>,
}

impl Clock<'_> {
    pub(crate) fn pause(&mut self) {
        if let Some(started) = self.started.take() {
            self.stopwatch.nanos.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn resume(&mut self) {
        self.started = Some(Instant::now());
    }
}

impl Drop for Clock<'_> {
    fn drop(&mut self) {
        self.pause();
    }
}

/// The stopwatches of all stages.
#[derive(Default)]
pub(crate) struct StageTimers {
    pub(super) split: Stopwatch,
    pub(super) parse: Stopwatch,
    pub(super) write: Stopwatch,
    pub(crate) finish: Stopwatch,
}

impl StageTimers {
    pub(crate) fn read(&self) -> Stages {
        Stages {
            split_seconds: self.split.seconds(),
            parse_seconds: self.parse.seconds(),
            write_seconds: self.write.seconds(),
            finish_seconds: self.finish.seconds(),
        }
    }
}
