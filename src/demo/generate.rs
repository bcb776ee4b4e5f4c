//! `create-file`: a CSV file of people, as many as wanted.

use crate::error::{Error, Kind, Result};
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

/// Bytes that go to the file at once.
const BUFFER_BYTES: usize = 1 << 20;

/// No record is longer.
const RECORD_BYTES: usize = 24;

/// A record, filled up so that it can be copied without looking at its length.
struct Record {
    bytes: [u8; RECORD_BYTES],
    length: usize,
}

/// Writes `rows` people, drawn uniformly, to a CSV file at `path`, in place of one that is there.
///
/// The same `seed` gives the same bytes; without one they are random. The file is whole or it is not there:
/// it takes its place when it is complete. `progress` counts what is written, `stop` ends it early.
///
/// # Errors
/// [`Kind::Io`] if the file can not be written, [`Kind::Interrupted`] if `stop` was set.
pub fn create_file(
    path: &Path,
    rows: u64,
    seed: Option<u64>,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<()> {
    let failed = |error| Error::io("create", path, error);
    if path.is_dir() {
        return Err(failed(io::Error::other("it is a directory")));
    }
    let mut file = StagedFile::create(path).map_err(failed)?;
    let rng = seed.map_or_else(rand::make_rng, ChaCha8Rng::seed_from_u64);
    write_people(file.writer(), rows, rng, progress, stop).map_err(failed)?;
    if stop.load(Ordering::Relaxed) {
        return Err(Kind::Interrupted.into());
    }
    file.persist(path, true).map_err(failed)
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
    let mut filled = HEADER.len();
    let mut rows_left = rows;
    while !stop.load(Ordering::Relaxed) {
        let rows_now = rows_left.min(((buffer.len() - filled) / RECORD_BYTES) as u64);
        for _ in 0..rows_now {
            let record = &records[rng.random_range(..records.len())];
            buffer[filled..filled + RECORD_BYTES].copy_from_slice(&record.bytes);
            filled += record.length;
        }
        file.write_all(&buffer[..filled])?;
        progress.add(filled as u64, rows_now);
        rows_left -= rows_now;
        filled = 0;
        if rows_left == 0 {
            break;
        }
    }
    Ok(())
}

/// Every record that there can be: to draw one is to draw an index.
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
    fn every_name_and_age_is_drawn_about_as_often_as_any_other() {
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
        let expect = |value: &str, expected: u64| {
            let count = counts[value];
            assert!(count.abs_diff(expected) < expected / 10, "{value}: {count} times, not about {expected}");
        };
        FIRST_NAMES.iter().chain(&LAST_NAMES).for_each(|name| expect(name, rows / 10));
        AGES.for_each(|age| expect(&age.to_string(), rows / 48));
        assert_eq!(counts.len(), 10 + 10 + 48);
    }
}
