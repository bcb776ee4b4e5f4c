//! CSV of several shapes, the same at every run, and what all benches need to read it.

// Each bench is a crate of its own and uses its share of this.
#![allow(dead_code, reason = "shared by benches that each use a part")]

use sqload::batch::Chunk;
use sqload::format::csv::split::Split;
use sqload::plan::{Column, Dialect, Table};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Bytes in a chunk, as in a load.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// A CSV file without a header.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) csv: String,
    pub(crate) records: usize,
    pub(crate) fields: usize,
}

/// All shapes, each of about `bytes` bytes.
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
        csv.write_str(&record(records)).expect("a string takes all");
        records += 1;
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    let fields = reader.records().next().expect("not empty").expect("valid CSV").len();
    Shape { name, csv, records, fields }
}

/// Records and fields of `csv`, counted by the csv crate: the baseline of split and parse.
pub(crate) fn count_by_csv_crate(csv: &[u8]) -> (usize, usize) {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv);
    let mut record = csv::ByteRecord::new();
    let mut counts = (0, 0);
    while reader.read_byte_record(&mut record).expect("valid CSV") {
        counts = (counts.0 + 1, counts.1 + record.len());
    }
    counts
}

/// The chunks of `csv`.
pub(crate) fn chunks(csv: &str) -> Vec<Chunk<'_>> {
    split(csv).map(|chunk| chunk.expect("valid CSV")).collect()
}

/// `csv` split as in a load.
pub(crate) fn split(csv: &str) -> Split<'_> {
    Split::new("bench".into(), csv.as_bytes(), 0, Dialect::default(), CHUNK_BYTES, 16 << 20)
}

/// People to load; `SQLOAD_BENCH_ROWS=2500000` for as many as the README speaks of.
pub(crate) fn rows() -> u64 {
    std::env::var("SQLOAD_BENCH_ROWS").map_or(200_000, |rows| rows.parse().expect("a number of rows"))
}

/// CREATE TABLE for a table whose names need no quotes.
pub(crate) fn create_table_sql(table: &Table) -> String {
    let column = |column: &Column| format!("{} {}", column.name, column.declaration);
    let columns: Vec<_> = table.columns.iter().map(column).collect();
    format!("CREATE TABLE {} ({})", table.name, columns.join(","))
}

/// The floor of a load: the bytes of the database written to a new file in large blocks.
pub(crate) fn write_plainly(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::File::create(path).unwrap();
    bytes.chunks(1 << 20).for_each(|block| file.write_all(block).unwrap());
}
