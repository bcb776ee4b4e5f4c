//! Chunks to rows: parsing and the expressions of the people pipeline, as a worker does them.

mod shapes;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sqload::batch::{Arena, Value};
use sqload::people;
use sqload::plan::{Dialect, Expr, Table};
use sqload::transform::{Program, Seed};
use sqload::work::Worker;
use std::hint::black_box;

/// A table that takes `fields` fields as they are.
fn copied(fields: usize) -> (Table, Vec<String>) {
    let header: Vec<_> = (0..fields).map(|i| format!("c{i}")).collect();
    let column = |name: &String| sqload::plan::Column::new(name, "TEXT", Expr::Field(name.clone()));
    (Table { name: "copy".into(), columns: header.iter().map(column).collect() }, header)
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
            let rows = worker.rows(chunk, &arena);
            assert_eq!((rows.len(), rows.rejects.len()), (chunk.records, 0));
            if name == "people" {
                assert_eq!(rows.columns[4][0], Value::Text(b"Tom0.Connor_18@somemail.com"));
            }
            group.bench_function(name, |b| {
                b.iter(|| {
                    arena.reset();
                    worker.rows(black_box(chunk), &arena).len()
                });
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
