//! CSV data of several shapes, the same in every run, and helpers that the benchmarks share.

#![allow(dead_code, reason = "each benchmark is a crate and uses only some of the helpers")]

use sqload::batch::Chunk;
use sqload::format::csv::split::Split;
use sqload::plan::{Column, Dialect, Table};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Size of a chunk in bytes, as in a load.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// A CSV file without a header.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) csv: String,
    pub(crate) records: usize,
    pub(crate) fields: usize,
}

/// Creates all shapes, each of at least `bytes` bytes.
pub(crate) fn shapes(bytes: usize) -> Vec<Shape> {
    vec![
        shape("short", bytes, |n| format!("Tom{},Connor,{}\n", n % 7, 18 + n % 48)),
        shape("quoted", bytes, |n| format!("\"Tom{}\",\"O' Sullivan\",\"{}\"\n", n % 7, 18 + n % 48)),
        shape("newlines", bytes, |n| {
            format!("{n},\"first line\nsecond, and \"\"last\"\" line\",{}\n", n % 48)
        }),
        shape("wide", bytes, |n| (0..40).fold(String::new(), |row, i| format!("{row}{},", n * i)) + "end\n"),
        shape("long", bytes, |n| format!("{n},{},{}\n", "lorem ipsum ".repeat(150), "x".repeat(n % 1000))),
    ]
}

fn shape(name: &'static str, bytes: usize, record: impl Fn(usize) -> String) -> Shape {
    let mut csv = String::with_capacity(bytes + 4096);
    let mut records = 0;
    while csv.len() < bytes {
        csv.write_str(&record(records)).expect("writing to a string succeeds");
        records += 1;
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    let fields = reader.records().next().expect("not empty").expect("valid CSV").len();
    Shape { name, csv, records, fields }
}

/// Counts records and fields of `csv` with the csv crate: the baseline of `split` and `parse`.
pub(crate) fn count_by_csv_crate(csv: &[u8]) -> (usize, usize) {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv);
    let mut record = csv::ByteRecord::new();
    let mut counts = (0, 0);
    while reader.read_byte_record(&mut record).expect("valid CSV") {
        counts = (counts.0 + 1, counts.1 + record.len());
    }
    counts
}

/// Returns the chunks of `csv`.
pub(crate) fn chunks(csv: &str) -> Vec<Chunk<'_>> {
    split(csv).map(|chunk| chunk.expect("valid CSV")).collect()
}

/// Splits `csv` as a load does.
pub(crate) fn split(csv: &str) -> Split<'_> {
    Split::new("bench".into(), csv.as_bytes(), 0, Dialect::default(), CHUNK_BYTES, 16 << 20)
}

/// Number of rows to load. `SQLOAD_BENCH_ROWS=2500000` sets it to that of the README.
pub(crate) fn rows() -> u64 {
    std::env::var("SQLOAD_BENCH_ROWS").map_or(200_000, |rows| rows.parse().expect("a number of rows"))
}

/// Returns the CREATE TABLE statement of a table whose names need no quotes.
pub(crate) fn create_table_sql(table: &Table) -> String {
    let column = |column: &Column| format!("{} {}", column.name, column.declaration);
    let columns: Vec<_> = table.columns.iter().map(column).collect();
    format!("CREATE TABLE {} ({})", table.name, columns.join(","))
}

/// Writes `bytes` to a new file in large blocks: the floor of a load.
pub(crate) fn write_blocks(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::File::create(path).unwrap();
    bytes.chunks(1 << 20).for_each(|block| file.write_all(block).unwrap());
}
