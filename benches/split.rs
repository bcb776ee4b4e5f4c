//! Splitting: bytes to chunks.
//!
//! Baseline: the csv crate, which finds a record boundary only by parsing everything before it. Floor: one pass over
//! the bytes (counting LF with memchr).

mod shapes;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn split(c: &mut Criterion) {
    let mut group = c.benchmark_group("split");
    for shape in shapes::shapes(4 << 20) {
        let records: usize = shapes::split(&shape.csv).map(|chunk| chunk.unwrap().records).sum();
        assert_eq!(records, shape.records);
        group.throughput(Throughput::Bytes(shape.csv.len() as u64));
        group.bench_function(shape.name, |b| b.iter(|| shapes::split(black_box(&shape.csv)).count()));
        group.bench_function(format!("{}/baseline", shape.name), |b| {
            b.iter(|| shapes::count_by_csv_crate(black_box(shape.csv.as_bytes())));
        });
        group.bench_function(format!("{}/floor", shape.name), |b| {
            b.iter(|| memchr::memchr_iter(b'\n', black_box(shape.csv.as_bytes())).count());
        });
    }
}

criterion_group!(benches, split);
criterion_main!(benches);
