//! The statement path: rows to a database in memory.
//!
//! Baseline: one cached one-row INSERT through rusqlite. Floor: the same statements with constant rows of the same
//! shape.

mod shapes;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};
use sqload::batch::{Arena, Rows, Value, Values};
use sqload::demo::people;
use sqload::engine::worker::Worker;
use sqload::eval::{Program, Seed};
use sqload::plan::{Dialect, Expr, Table};
use sqload::write::Writer;
use sqload::write::statements::Statements;
use std::path::Path;

/// A function that writes rows into a database.
type Write<'w> = &'w dyn Fn(&Connection, &Rows<'_>);

/// Creates a database in memory with an empty table.
fn database(table: &Table) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&format!("BEGIN; {}", shapes::create_table_sql(table))).unwrap();
    connection
}

fn append(connection: &Connection, table: &Table, rows: &Rows<'_>) {
    let mut writer = Statements::new(connection, Path::new("bench"), table, 50).unwrap();
    writer.append(rows, &mut ()).unwrap();
}

fn baseline(connection: &Connection, rows: &Rows<'_>) {
    let mut insert = connection.prepare("INSERT INTO people VALUES (?, ?, ?, ?, ?)").unwrap();
    for row in 0..rows.len {
        let values = rows.columns.iter().map(|column| match column.get(row) {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(integer),
            Value::Real(real) => ValueRef::Real(real),
            Value::Text(text) => ValueRef::Text(text),
            Value::Blob(blob) => ValueRef::Blob(blob),
        });
        insert.execute(params_from_iter(values.map(ToSqlOutput::Borrowed))).unwrap();
    }
}

fn count(connection: &Connection, table: &Table) -> usize {
    connection
        .query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get::<_, i64>(0))
        .unwrap() as usize
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("write");
    let shape = &shapes::shapes(shapes::CHUNK_BYTES)[0];
    let chunk = shapes::chunks(&shape.csv)[0];
    let table = people::table(Expr::Uuid7);
    let header = ["first_name", "last_name", "age"].map(String::from);
    let program = Program::compile(&table, &header, &"bench".into(), Seed::fixed(1)).unwrap();
    let arena = Arena::default();
    let rows = Worker::new(&program, Dialect::default(), header.len()).rows(chunk, &arena).unwrap();

    // The first row, repeated. Its key is NULL, because keys must differ.
    let mut constants: Vec<_> = rows.columns.iter().map(|column| Values::Constant(column.get(0))).collect();
    constants[0] = Values::Constant(Value::Null);
    let constant = Rows { columns: &constants, ..rows.clone() };

    group.throughput(Throughput::Elements(rows.len as u64));
    let statements = |connection: &Connection, rows: &Rows<'_>| append(connection, &table, rows);
    let cases: [(&str, Write<'_>, &Rows<'_>); 3] = [
        ("people", &statements, &rows),
        ("people/baseline", &baseline, &rows),
        ("people/floor", &statements, &constant),
    ];
    for (name, write, rows) in cases {
        let connection = database(&table);
        write(&connection, rows);
        assert_eq!(count(&connection, &table), chunk.records);
        group.bench_function(name, |b| {
            let write = |connection: Connection| {
                write(&connection, rows);
                connection
            };
            b.iter_batched(|| database(&table), write, BatchSize::PerIteration);
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
