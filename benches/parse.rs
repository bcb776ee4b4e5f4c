//! Parsing: chunks to fields.
//!
//! Baseline: the csv crate. Floor: one pass over the bytes (counting LF with memchr).

mod shapes;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sqload::batch::Span;
use sqload::format::csv::parse::{RecordParser, parse_rectangular};
use sqload::plan::Dialect;
use std::hint::black_box;

/// Counts records and fields with [`RecordParser`].
fn parse(csv: &[u8]) -> (usize, usize) {
    let mut fields = Vec::new();
    let mut records = RecordParser::new(csv, Dialect::default());
    let mut counts = (0, 0);
    while records.next_into(&mut fields).is_some() {
        counts = (counts.0 + 1, counts.1 + fields.len());
        fields.clear();
    }
    counts
}

/// Counts records and fields with [`parse_rectangular`].
fn parse_all(csv: &[u8], width: usize, fields: &mut Vec<Span>) -> (usize, usize) {
    fields.clear();
    let rectangle =
        parse_rectangular(csv, Dialect::default(), width, fields).expect("records of equal width");
    (rectangle.records, fields.len())
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for shape in shapes::shapes(shapes::CHUNK_BYTES) {
        let csv = shape.csv.as_bytes();
        assert_eq!(parse(csv), (shape.records, shape.records * shape.fields));
        assert_eq!(parse(csv), shapes::count_by_csv_crate(csv));
        group.throughput(Throughput::Bytes(csv.len() as u64));
        group.bench_function(shape.name, |b| b.iter(|| parse(black_box(csv))));
        let mut fields = Vec::new();
        assert_eq!(parse_all(csv, shape.fields, &mut fields), parse(csv));
        group.bench_function(format!("{}/rectangular", shape.name), |b| {
            b.iter(|| parse_all(black_box(csv), shape.fields, &mut fields));
        });
        group.bench_function(format!("{}/baseline", shape.name), |b| {
            b.iter(|| shapes::count_by_csv_crate(black_box(csv)))
        });
        group.bench_function(format!("{}/floor", shape.name), |b| {
            b.iter(|| memchr::memchr_iter(b'\n', black_box(csv)).count());
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
