//! Throughput over time: samples of the progress of a load, and their chart.

use super::{Phase, Progress, grouped};
use std::fmt::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Time between the first samples.
const FIRST_INTERVAL: Duration = Duration::from_millis(10);

/// When there are this many samples, every other one is dropped, and the interval is doubled.
const MAX_SAMPLES: usize = 256;

/// Samples of the progress of a load, from its start to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Throughput {
    samples: Vec<Sample>,
    interval: Duration,
}

/// The progress at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    /// Since the start.
    seconds: f64,
    rows: u64,
    phase: Phase,
}

impl Default for Throughput {
    fn default() -> Self {
        Self { samples: Vec::new(), interval: FIRST_INTERVAL }
    }
}

impl Throughput {
    /// Runs `work`, and samples its `progress` on another thread.
    pub(crate) fn measure<T>(progress: &Progress, work: impl FnOnce() -> T) -> (T, Self) {
        // The receiver notices when the work is done, because its sender is dropped then.
        let (working, done) = channel::<()>();
        thread::scope(|scope| {
            let sample = move || Self::default().sample(progress, &done);
            // Without a thread for it, there are no samples.
            let sampler = thread::Builder::new().name("throughput".into()).spawn_scoped(scope, sample);
            let result = work();
            drop(working);
            let throughput = sampler.ok().and_then(|sampler| sampler.join().ok());
            (result, throughput.unwrap_or_default())
        })
    }

    /// Takes samples until the work is done.
    fn sample(mut self, progress: &Progress, done: &Receiver<()>) -> Self {
        let started = Instant::now();
        self.samples.push(Sample { seconds: 0.0, rows: 0, phase: Phase::Loading });
        loop {
            let is_done = done.recv_timeout(self.interval) != Err(RecvTimeoutError::Timeout);
            self.add(Sample {
                seconds: started.elapsed().as_secs_f64(),
                rows: progress.rows(),
                phase: progress.phase(),
            });
            if is_done {
                return self;
            }
        }
    }

    fn add(&mut self, sample: Sample) {
        if self.samples.len() >= MAX_SAMPLES {
            let mut number = 0;
            self.samples.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.interval = self.interval.saturating_mul(2);
        }
        self.samples.push(sample);
    }

    /// The chart as SVG; `None` if the load was too short for one.
    pub(super) fn chart(&self) -> Option<String> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let intervals: Vec<_> =
            self.samples.windows(2).map(|pair| Interval::between(pair[0], pair[1])).collect();
        let top = intervals.iter().map(|interval| interval.rows_per_second).fold(0.0, f64::max);
        if intervals.len() < 3 || top == 0.0 {
            return None;
        }
        let chart = Chart { seconds: last.seconds - first.seconds, top };
        let mut svg = String::new();
        // Writing to a String cannot fail.
        let _ = chart.write(&mut svg, &intervals);
        Some(svg)
    }
}

/// The time between two samples.
#[derive(Debug)]
struct Interval {
    start: f64,
    end: f64,
    rows_per_second: f64,
    phase: Phase,
    /// True if the load was started again.
    is_restart: bool,
}

impl Interval {
    fn between(before: Sample, after: Sample) -> Self {
        let seconds = (after.seconds - before.seconds).max(1e-6);
        Self {
            start: before.seconds,
            end: after.seconds,
            rows_per_second: after.rows.saturating_sub(before.rows) as f64 / seconds,
            phase: after.phase,
            is_restart: after.rows < before.rows,
        }
    }

    /// What the load did other than loading.
    fn label(&self) -> Option<&'static str> {
        match self.phase {
            Phase::Loading => self.is_restart.then_some("started again"),
            Phase::SortingKeys => Some("sorting keys"),
            Phase::Writing => Some("writing"),
        }
    }
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 90.0;
const BOTTOM: f64 = 24.0;
const MARGIN: f64 = 14.0;
const MIN_LABEL_WIDTH: f64 = 90.0;

/// The scale of the chart.
#[derive(Debug)]
struct Chart {
    seconds: f64,
    /// The largest number of rows per second.
    top: f64,
}

impl Chart {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - MARGIN) * seconds / self.seconds
    }

    fn y(&self, rows_per_second: f64) -> f64 {
        let base = HEIGHT - BOTTOM;
        base - (base - MARGIN) * rows_per_second / self.top
    }

    fn write(&self, svg: &mut String, intervals: &[Interval]) -> std::fmt::Result {
        let (base, right) = (self.y(0.0), WIDTH - MARGIN);
        writeln!(
            svg,
            r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Rows per second over time">"#
        )?;
        for rate in [0.0, self.top / 2.0, self.top] {
            let (y, label) = (self.y(rate), grouped(rate as u64));
            writeln!(svg, r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/>"#)?;
            writeln!(svg, r#"<text x="{:.1}" y="{:.1}" class="end">{label}</text>"#, LEFT - 8.0, y + 4.0)?;
        }
        for span in intervals.chunk_by(|one, next| one.label() == next.label()) {
            let (Some(first), Some(last)) = (span.first(), span.last()) else { continue };
            let Some(label) = first.label() else { continue };
            let (x, width) = (self.x(first.start), self.x(last.end) - self.x(first.start));
            let height = base - MARGIN;
            writeln!(
                svg,
                r#"<rect x="{x:.1}" y="{MARGIN}" width="{width:.1}" height="{height:.1}"><title>{label}</title></rect>"#
            )?;
            // A narrow one has its label only as the title.
            if width > MIN_LABEL_WIDTH {
                let (x, y) = (x + width / 2.0, MARGIN + height / 2.0);
                writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" class="middle">{label}</text>"#)?;
            }
        }
        let mut line = String::new();
        for Interval { start, end, rows_per_second, .. } in intervals {
            let command = if line.is_empty() { 'M' } else { 'L' };
            let y = self.y(*rows_per_second);
            write!(line, "{command}{:.1} {y:.1}H{:.1}", self.x(*start), self.x(*end))?;
        }
        writeln!(svg, r#"<path class="area" d="{line}V{base:.1}H{LEFT}Z"/>"#)?;
        writeln!(svg, r#"<path class="line" d="{line}"/>"#)?;
        writeln!(svg, r#"<text x="{LEFT}" y="{:.1}">0 s</text>"#, HEIGHT - 6.0)?;
        writeln!(
            svg,
            r#"<text x="{right}" y="{:.1}" class="end">{:.2} s</text>"#,
            HEIGHT - 6.0,
            self.seconds
        )?;
        svg.push_str("</svg>\n");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_samples(samples: impl IntoIterator<Item = (f64, u64, Phase)>) -> Throughput {
        let mut throughput = Throughput::default();
        for (seconds, rows, phase) in samples {
            throughput.add(Sample { seconds, rows, phase });
        }
        throughput
    }

    #[test]
    fn the_number_of_samples_is_bounded_and_the_last_one_is_kept() {
        let throughput = with_samples((0..10_000).map(|number| (number as f64, number * 10, Phase::Loading)));
        assert!(throughput.samples.len() <= MAX_SAMPLES);
        assert!(throughput.interval > FIRST_INTERVAL);
        assert_eq!(throughput.samples.first().unwrap().rows, 0);
        assert_eq!(throughput.samples.last().unwrap().rows, 99_990);
    }

    #[test]
    fn the_chart_is_scaled_to_the_highest_rate() {
        let samples = [(0.0, 0, Phase::Loading), (1.0, 1_000, Phase::Loading), (2.0, 3_000, Phase::Loading)];
        assert_eq!(with_samples(samples).chart(), None, "too few samples");
        let later = [(3.0, 500, Phase::Loading), (4.0, 500, Phase::Writing)];
        let chart = with_samples(samples.into_iter().chain(later)).chart().unwrap();
        for part in [">2 000</text>", ">1 000</text>", ">4.00 s</text>", "started again", "writing"] {
            assert!(chart.contains(part), "{part} is not in {chart}");
        }
        // Half the height for half the rate, then the full height.
        assert!(chart.contains("M90.0 85.0H244.0L244.0 14.0H398.0L398.0 156.0H552.0"), "{chart}");
    }

    #[test]
    fn a_load_without_rows_has_no_chart() {
        assert_eq!(with_samples((0..9).map(|number| (number as f64, 0, Phase::Loading))).chart(), None);
        assert_eq!(Throughput::default().chart(), None);
    }

    #[test]
    fn samples_are_taken_while_the_work_runs() {
        let progress = Progress::default();
        let (result, throughput) = Throughput::measure(&progress, || {
            progress.add(10, 7);
            "done"
        });
        assert_eq!(result, "done");
        let rows: Vec<_> = throughput.samples.iter().map(|sample| sample.rows).collect();
        assert_eq!((rows.first(), rows.last()), (Some(&0), Some(&7)));
    }
}
