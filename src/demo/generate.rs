//! The example input: a CSV file of random people.
//!
//! The plain algorithm: draw a first name, a last name and an age for each record, and format the record. The
//! implementation departs from it as follows:
//!
//! 1. All possible records are formatted beforehand, so that each record takes one random number and one copy.
//! 2. Every copy has the same length. The next record overwrites the excess bytes.

use crate::error::{Error, Kind, Result};
use crate::files::paths::{check_not_sidecar, resolve};
use crate::files::staged::StagedFile;
use crate::report::Progress;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const HEADER: &[u8] = b"first_name,last_name,age\n";

const FIRST_NAMES: [&str; 10] =
    ["Tom", "Johnny", "Jim", "Eric", "Amanda", "Grace", "Judy", "Frank", "Sally", "Will"];

const LAST_NAMES: [&str; 10] = [
    "Connor",
    "Henderson",
    "Farley",
    "Henson",
    "Jeffries",
    "Carlin",
    "Anderson",
    "O' Sullivan",
    "Dorothy",
    "McDougal",
];

const AGES: std::ops::RangeInclusive<u32> = 18..=65;

/// Size of one write in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// Length of the longest record in bytes, or more.
const RECORD_BYTES: usize = 24;

/// A record, padded to a fixed length.
struct Record {
    bytes: [u8; RECORD_BYTES],
    length: usize,
}

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// The number of people, who are drawn uniformly.
    pub rows: u64,
    /// The same seed gives the same people; without one, they are random.
    pub seed: Option<u64>,
}

impl Sample {
    fn write(self, file: &mut impl Write, progress: &Progress, stop: &AtomicBool) -> io::Result<()> {
        let rng = self.seed.map_or_else(rand::make_rng, ChaCha8Rng::seed_from_u64);
        write_people(file, self.rows, rng, progress, stop)
    }
}

/// Writes `sample` as CSV to `path`. Returns true if it has replaced a file, which it does only if it `may_replace`.
///
/// The file is staged, and renamed to `path` when it is complete. `progress` counts bytes and rows as they are written. Setting
/// `stop` ends the function early.
///
/// # Errors
/// [`Kind::Io`] if the file cannot be written, [`Kind::Interrupted`] if `stop` was set. `path` is then unchanged.
pub fn create_file(
    path: &Path,
    sample: Sample,
    may_replace: bool,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<bool> {
    let failed = |error| Error::io("create", path, error);
    if path.is_dir() {
        return Err(failed(io::Error::other("it is a directory")));
    }
    let real = resolve(path)?;
    check_not_sidecar(&real, &[])?;
    let old = real.symlink_metadata().ok();
    let staged = match &old {
        Some(old) if !old.is_file() => Err(io::Error::other("it is not a regular file")),
        Some(_) if !may_replace => Err(io::Error::new(io::ErrorKind::AlreadyExists, "it already exists")),
        Some(old) => StagedFile::create_like(&real, old),
        None => StagedFile::create(&real),
    };
    let mut file = staged.map_err(failed)?;
    sample.write(file.writer(), progress, stop).map_err(failed)?;
    if stop.load(Ordering::Relaxed) {
        return Err(Kind::Interrupted.into());
    }
    file.persist(&real, may_replace).map_err(failed)?;
    Ok(old.is_some())
}

/// Writes `sample` as CSV to standard output. A closed pipe is no error: whoever reads it has seen enough.
///
/// # Errors
/// [`Kind::Io`] if it cannot be written, [`Kind::Interrupted`] if `stop` was set.
pub fn print(sample: Sample, progress: &Progress, stop: &AtomicBool) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match sample.write(&mut stdout, progress, stop).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::io("write", Path::new("-"), error)),
        Ok(()) if stop.load(Ordering::Relaxed) => Err(Kind::Interrupted.into()),
        Ok(()) => Ok(()),
    }
}

fn write_people(
    file: &mut impl Write,
    rows: u64,
    mut rng: ChaCha8Rng,
    progress: &Progress,
    stop: &AtomicBool,
) -> io::Result<()> {
    let records = all_records();
    let mut buffer = vec![0; BUFFER_BYTES];
    buffer[..HEADER.len()].copy_from_slice(HEADER);
    let mut used = HEADER.len();
    let mut rows_left = rows;
    while !stop.load(Ordering::Relaxed) {
        let rows_now = rows_left.min(((buffer.len() - used) / RECORD_BYTES) as u64);
        for _ in 0..rows_now {
            let record = &records[rng.random_range(..records.len())];
            buffer[used..used + RECORD_BYTES].copy_from_slice(&record.bytes);
            used += record.length;
        }
        file.write_all(&buffer[..used])?;
        progress.add(used as u64, rows_now);
        rows_left -= rows_now;
        used = 0;
        if rows_left == 0 {
            break;
        }
    }
    Ok(())
}

/// Formats every possible record.
fn all_records() -> Vec<Record> {
    let mut records = Vec::new();
    for first_name in FIRST_NAMES {
        for last_name in LAST_NAMES {
            for age in AGES {
                let text = format!("{first_name},{last_name},{age}\n");
                let mut bytes = [0; RECORD_BYTES];
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                records.push(Record { bytes, length: text.len() });
            }
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(rows: u64, seed: u64) -> Vec<u8> {
        let mut file = Vec::new();
        let rng = ChaCha8Rng::seed_from_u64(seed);
        write_people(&mut file, rows, rng, &Progress::default(), &AtomicBool::new(false)).unwrap();
        file
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(people(1_000, 1), people(1_000, 1));
        assert_ne!(people(1_000, 1), people(1_000, 2));
        assert_eq!(people(0, 1), HEADER);
    }

    #[test]
    fn names_and_ages_are_drawn_uniformly() {
        let rows = 200_000;
        let mut counts = std::collections::BTreeMap::<String, u64>::new();
        let file = people(rows, 3);
        let mut reader = csv::Reader::from_reader(&*file);
        assert_eq!(reader.headers().unwrap(), vec!["first_name", "last_name", "age"]);
        for record in reader.records() {
            let record = record.unwrap();
            let age: u32 = record[2].parse().unwrap();
            assert!(
                FIRST_NAMES.contains(&&record[0]) && LAST_NAMES.contains(&&record[1]) && AGES.contains(&age)
            );
            record.iter().for_each(|field| *counts.entry(field.to_owned()).or_default() += 1);
        }
        let check = |value: &str, expected: u64| {
            let count = counts[value];
            assert!(
                count.abs_diff(expected) < expected / 10,
                "{value}: drawn {count} times, expected about {expected}"
            );
        };
        FIRST_NAMES.iter().chain(&LAST_NAMES).for_each(|name| check(name, rows / 10));
        AGES.for_each(|age| check(&age.to_string(), rows / 48));
        assert_eq!(counts.len(), 10 + 10 + 48);
    }
}
