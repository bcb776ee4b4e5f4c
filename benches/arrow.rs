//! Loads of record batches in memory, compared with loads of the same rows from a CSV file.

mod shapes;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::Connection;
use sqload::Loader;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// The rows of a batch.
const BATCH_ROWS: usize = 64 << 10;

fn load_csv(input: &Path, database: &Path) -> u64 {
    Loader::new("t").load(input, database).unwrap().loaded
}

fn load_arrow(batches: &[RecordBatch], database: &Path) -> u64 {
    let batches: Vec<_> = batches.iter().cloned().map(Ok).collect();
    let schema = batches[0].as_ref().map(RecordBatch::schema).unwrap();
    Loader::new("t").load_arrow(RecordBatchIterator::new(batches, schema), database).unwrap().loaded
}

/// First name, last name and age, in a CSV file and in batches.
fn people(rows: u64, csv: &Path) -> Vec<RecordBatch> {
    let sample = sqload::demo::generate::Sample { rows, seed: Some(1) };
    sqload::demo::generate::create_file(csv, sample, true, &Default::default(), &false.into()).unwrap();
    let records: Vec<_> = csv::Reader::from_path(csv).unwrap().into_records().map(Result::unwrap).collect();
    let batch = |records: &[csv::StringRecord]| {
        let names = |column| -> ArrayRef {
            Arc::new(records.iter().map(|record| Some(&record[column])).collect::<StringArray>())
        };
        let ages: Int64Array = records.iter().map(|record| record[2].parse::<i64>().ok()).collect();
        let columns =
            [("first_name", names(0)), ("last_name", names(1)), ("age", Arc::new(ages) as ArrayRef)];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    records.chunks(BATCH_ROWS).map(batch).collect()
}

/// 40 columns of numbers, in a CSV file and in batches.
fn numbers(rows: u64, csv: &Path) -> Vec<RecordBatch> {
    const COLUMNS: u64 = 40;
    let number = |row: u64, column: u64| (row * 7_919 + column * 104_729) % 1_000_003;
    let names: Vec<_> = (0..COLUMNS).map(|column| format!("c{column}")).collect();
    let mut text = names.join(",") + "\n";
    for row in 0..rows {
        for column in 0..COLUMNS {
            let number = number(row, column);
            match column % 2 {
                0 => write!(text, "{number}").unwrap(),
                _ => write!(text, "{}.{:02}", number / 100, number % 99 + 1).unwrap(),
            }
            text.push(if column + 1 == COLUMNS { '\n' } else { ',' });
        }
    }
    std::fs::write(csv, &text).unwrap();
    let array = |column: u64, rows: std::ops::Range<u64>| -> ArrayRef {
        let numbers = rows.map(|row| number(row, column));
        let real = |number: u64| format!("{}.{:02}", number / 100, number % 99 + 1).parse::<f64>().unwrap();
        match column % 2 {
            0 => Arc::new(numbers.map(|number| number as i64).collect::<Int64Array>()),
            _ => Arc::new(numbers.map(real).collect::<Float64Array>()),
        }
    };
    let starts = (0..rows).step_by(BATCH_ROWS);
    let batch = |start: u64| {
        let rows = start..rows.min(start + BATCH_ROWS as u64);
        let columns = names.iter().zip(0..).map(|(name, column)| (name, array(column, rows.clone())));
        RecordBatch::try_from_iter(columns).unwrap()
    };
    starts.map(batch).collect()
}

/// Asserts that both databases have the same rows.
fn assert_equal(left: &Path, right: &Path) {
    let connection = Connection::open(left).unwrap();
    connection.execute("ATTACH ? AS other", [right.to_str()]).unwrap();
    let sql = "SELECT count(*) FROM (SELECT rowid, * FROM t EXCEPT SELECT rowid, * FROM other.t)";
    assert_eq!(connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

fn bench_shape(
    group: &mut BenchmarkGroup<'_, WallTime>,
    shape: &str,
    rows: u64,
    make: impl Fn(u64, &Path) -> Vec<RecordBatch>,
) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (csv, csv_database, database) = (path("t.csv"), path("csv.db"), path("arrow.db"));
    let batches = make(rows, &csv);
    assert_eq!((load_csv(&csv, &csv_database), load_arrow(&batches, &database)), (rows, rows));
    assert_equal(&database, &csv_database);
    group.throughput(Throughput::Elements(rows));
    group.bench_function(format!("{shape}/csv"), |b| {
        let new = || std::fs::remove_file(&csv_database);
        b.iter_batched(new, |_| load_csv(&csv, &csv_database), BatchSize::PerIteration);
    });
    group.bench_function(format!("{shape}/arrow"), |b| {
        let new = || std::fs::remove_file(&database);
        b.iter_batched(new, |_| load_arrow(&batches, &database), BatchSize::PerIteration);
    });
}

fn bench(c: &mut Criterion) {
    let rows = shapes::rows();
    let mut group = c.benchmark_group("arrow");
    group.sample_size(10);
    bench_shape(&mut group, "people", rows, people);
    bench_shape(&mut group, "numbers", (rows / 12).max(1), numbers);
}

criterion_group!(benches, bench);
criterion_main!(benches);
