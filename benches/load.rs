//! A complete load of a file into a new database.
//!
//! Baseline: the csv crate and one cached one-row INSERT through rusqlite, with the same pragmas, in one transaction.
//! Floor: the bytes of the database, written to a new file in large blocks.

mod shapes;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::{Connection, params};
use sqload::plan::Expr;
use sqload::{Loader, demo::people};
use std::path::Path;

fn load(input: &Path, database: &Path) -> u64 {
    Loader::from(people::table(Expr::Uuid7)).load(input, database).unwrap().loaded
}

fn baseline(input: &Path, database: &Path) -> u64 {
    let _ = std::fs::remove_file(database);
    let connection = Connection::open(database).unwrap();
    connection
        .execute_batch(
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-40000;
             BEGIN; CREATE TABLE people (id BLOB PRIMARY KEY, first_name TEXT, last_name TEXT, age INTEGER, email TEXT)",
        )
        .unwrap();
    let mut insert = connection.prepare("INSERT INTO people VALUES (?, ?, ?, ?, ?)").unwrap();
    let mut reader = csv::Reader::from_path(input).unwrap();
    let mut record = csv::StringRecord::new();
    let mut rows = 0;
    while reader.read_record(&mut record).unwrap() {
        let (first, last, age) = (&record[0], &record[1], record[2].parse::<i64>().unwrap_or(0));
        let random: [u8; 10] = rand::random();
        let id = uuid::Builder::from_unix_timestamp_millis(rows, &random).into_uuid();
        let email = format!("{first}.{last}_{age}@somemail.com");
        insert.execute(params![id.as_bytes(), first, last.to_uppercase(), age, email]).unwrap();
        rows += 1;
    }
    drop(insert);
    connection.execute_batch("COMMIT").unwrap();
    rows
}

/// Number of rows that are equal in both databases, apart from the key.
fn count_equal_rows(left: &Path, right: &Path) -> u64 {
    let connection = Connection::open(left).unwrap();
    connection.execute("ATTACH ? AS other", [right.to_str()]).unwrap();
    let sql = "SELECT count(*) FROM people a JOIN other.people b ON a.rowid = b.rowid
               WHERE (a.first_name, a.last_name, a.age, a.email) IS (b.first_name, b.last_name, b.age, b.email)";
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64
}

fn bench(c: &mut Criterion) {
    let rows = shapes::rows();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (input, database) = (path("people.csv"), path("people.db"));
    let people = sqload::demo::generate::Sample { rows, seed: Some(1) };
    sqload::demo::generate::create_file(&input, people, true, &Default::default(), &false.into()).unwrap();
    assert_eq!(load(&input, &database), rows);
    let bytes = std::fs::read(&database).unwrap();
    assert_eq!(baseline(&input, &path("baseline.db")), rows);
    assert_eq!(count_equal_rows(&database, &path("baseline.db")), rows, "both databases have the same rows");

    let mut group = c.benchmark_group("load");
    group.sample_size(10).throughput(Throughput::Bytes(std::fs::metadata(&input).unwrap().len()));
    // Always into a new database, because removing an old one takes as long as writing it.
    group.bench_function("people", |b| {
        b.iter_batched(
            || std::fs::remove_file(&database),
            |_| load(&input, &database),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("people/baseline", |b| b.iter(|| baseline(&input, &path("baseline.db"))));
    group.bench_function("people/floor", |b| {
        let write = |_| shapes::write_blocks(&path("floor"), &bytes);
        b.iter_batched(|| std::fs::remove_file(path("floor")), write, BatchSize::PerIteration);
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
