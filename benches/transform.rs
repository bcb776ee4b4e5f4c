//! Transformation: chunks to rows, which includes parsing and evaluation.
//!
//! Baseline: the csv crate, and the same values computed with `String` and `format!`. Floor: one pass over the bytes
//! (counting LF with memchr).

mod shapes;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sqload::batch::{Arena, Value};
use sqload::demo::people;
use sqload::engine::worker::Worker;
use sqload::eval::{Program, Seed};
use sqload::plan::{Dialect, Expr, Table};
use std::hint::black_box;

/// Returns a table that copies `fields` fields unchanged, and its header.
fn copied(fields: usize) -> (Table, Vec<String>) {
    let header: Vec<_> = (0..fields).map(|i| format!("c{i}")).collect();
    let column = |name: &String| sqload::plan::Column::new(name, "TEXT", Expr::Field(name.clone()));
    (Table::new("copy", header.iter().map(column).collect()), header)
}

/// Computes the values of the people pipeline, except the key, in straightforward code.
fn baseline(csv: &[u8]) -> Vec<(String, String, i64, String)> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv);
    let mut record = csv::StringRecord::new();
    let mut people = Vec::new();
    while reader.read_record(&mut record).expect("valid CSV") {
        let (first, last, age) = (&record[0], &record[1], record[2].parse().unwrap_or(0));
        let email = format!("{first}.{last}_{age}@somemail.com");
        people.push((first.to_owned(), last.to_uppercase(), age, email));
    }
    people
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("transform");
    let people_header = ["first_name", "last_name", "age"].map(String::from).to_vec();
    for shape in shapes::shapes(shapes::CHUNK_BYTES) {
        let (table, header) = copied(shape.fields);
        let mut cases = vec![(shape.name.to_owned(), table, header)];
        if shape.name == "short" {
            cases.push(("people".to_owned(), people::table(Expr::Uuid7), people_header.clone()));
            cases.push(("people/v4".to_owned(), people::table(Expr::Uuid4), people_header.clone()));
        }
        let chunk = shapes::chunks(&shape.csv)[0];
        group.throughput(Throughput::Bytes(chunk.bytes.len() as u64));
        for (name, table, header) in cases {
            let program = Program::compile(&table, &header, &"bench".into(), Seed::fixed(1)).unwrap();
            let mut worker = Worker::new(&program, Dialect::default(), header.len());
            let mut arena = Arena::default();
            let rows = worker.rows(chunk, &arena).unwrap();
            assert_eq!((rows.len, rows.rejects.len()), (chunk.records, 0));
            if name == "people" {
                let people = baseline(chunk.bytes);
                assert_eq!(rows.columns[4].get(0), Value::Text(b"Tom0.Connor_18@somemail.com"));
                assert_eq!((people.len(), people[0].3.as_str()), (rows.len, "Tom0.Connor_18@somemail.com"));
                group
                    .bench_function("people/baseline", |b| b.iter(|| baseline(black_box(chunk.bytes)).len()));
                group.bench_function("people/floor", |b| {
                    b.iter(|| memchr::memchr_iter(b'\n', black_box(chunk.bytes)).count());
                });
            }
            group.bench_function(name, |b| {
                b.iter(|| {
                    arena.reset();
                    worker.rows(black_box(chunk), &arena).unwrap().len
                });
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
