//! The direct path: `encode` encodes the rows of one chunk, as a worker does; `load` loads a file into a new database, `existing`
//! into one that exists, `upsert` into a table with some of the rows, `nulls` columns with NULLs, and `indexes` into a new database with
//! indexes; `index-sort` sorts and writes an index whose keys arrive in random order.
//!
//! Baseline of `load`: the same load with statements. Floor of `load`: the bytes of the database, written to a new
//! file in large blocks.

mod shapes;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::Connection;
use sqload::batch::{Arena, Rows};
use sqload::engine::worker::Worker;
use sqload::eval::{Program, Seed};
use sqload::plan::{Dialect, Expr, IfExists, OnConflict, Table, WriterChoice};
use sqload::write::direct::{Direct, Encoded, PageFile, Schema, Sorting};
use sqload::write::{Encoder, Writer};
use sqload::{Loader, demo::people};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Creates a writer into a new database at `path`.
fn direct(path: &Path, table: &Table) -> Direct<'static> {
    let _ = std::fs::remove_file(path);
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(&shapes::create_table_sql(table)).unwrap();
    let schema = Schema::read(&connection, table).unwrap().unwrap();
    connection.close().unwrap();
    let file = File::options().read(true).write(true).open(path).unwrap();
    Direct::new(schema, PageFile::new(file, path), Sorting { max_bytes: 1 << 30, jobs: 2 }).unwrap()
}

/// Calls `then` with the rows of `csv`, chunk by chunk, as a load produces them.
fn with_rows<T>(csv: &str, table: &Table, then: impl FnOnce(&[Rows<'_>]) -> T) -> T {
    let header = ["first_name", "last_name", "age"].map(String::from);
    let program = Program::compile(table, &header, &"bench".into(), Seed::fixed(1)).unwrap();
    let (_, records) = csv.split_once('\n').expect("a header");
    let chunks = shapes::chunks(records);
    let arenas: Vec<_> = chunks.iter().map(|_| Arena::default()).collect();
    let mut worker = Worker::new(&program, Dialect::default(), header.len());
    let rows: Vec<_> =
        chunks.iter().zip(&arenas).map(|(chunk, arena)| worker.rows(*chunk, arena).unwrap()).collect();
    then(&rows)
}

/// Creates a file of people in `directory` and returns its path.
fn create_csv(directory: &Path, rows: u64) -> PathBuf {
    let path = directory.join("people.csv");
    let people = sqload::demo::generate::Sample { rows, seed: Some(1) };
    sqload::demo::generate::create_file(&path, people, true, &Default::default(), &false.into()).unwrap();
    path
}

/// Creates a writer and appends `rows` to it.
fn filled(path: &Path, table: &Table, rows: &[Rows<'_>]) -> Direct<'static> {
    let mut writer = direct(path, table);
    let (mut encoder, mut encoded) = (writer.encoder(), Encoded::default());
    for rows in rows {
        encoder.encode(rows, &mut encoded);
        writer.append(rows, &mut encoded).unwrap();
    }
    writer
}

/// Writes `rows` into a new database and returns the number of rows in it.
fn write(path: &Path, table: &Table, rows: &[Rows<'_>]) -> u64 {
    assert!(filled(path, table, rows).finish(&false.into()).unwrap().is_empty());
    count(path)
}

/// Checks the integrity of the database and returns the number of rows.
fn count(path: &Path) -> u64 {
    let connection = Connection::open(path).unwrap();
    let check = connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(check.unwrap(), "ok");
    connection.query_row("SELECT count(*) FROM people", [], |row| row.get::<_, i64>(0)).unwrap() as u64
}

fn bench_encode(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("people.db");
    let mut group = c.benchmark_group("direct/encode");
    let csv = std::fs::read_to_string(create_csv(directory.path(), 20_000)).unwrap();
    for (name, id) in [("people", Expr::Uuid7), ("people-v4", Expr::Uuid4)] {
        let table = people::table(id);
        with_rows(&csv, &table, |rows| {
            let count: u64 = rows.iter().map(|rows| rows.len as u64).sum();
            assert_eq!(write(&path, &table, rows), count);
            group.throughput(Throughput::Elements(rows[0].len as u64));
            let (mut encoder, mut encoded) = (direct(&path, &table).encoder(), Encoded::default());
            group.bench_function(name, |b| b.iter(|| encoder.encode(&rows[0], &mut encoded)));
        });
    }
}

/// A whole load. `SQLOAD_BENCH_ROWS=2500000` sets the number of rows to that of the README.
fn bench_load(c: &mut Criterion) {
    let rows = shapes::rows();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let input = create_csv(directory.path(), rows);
    let mut group = c.benchmark_group("direct/load");
    group.sample_size(10).throughput(Throughput::Elements(rows));
    for (name, id) in [("people", Expr::Uuid7), ("people-v4", Expr::Uuid4)] {
        let loader = Loader::from(people::table(id)).writer(WriterChoice::Direct);
        let load = || loader.load(&input, path(name)).unwrap().loaded;
        assert_eq!((load(), count(&path(name))), (rows, rows));
        group.bench_function(name, |b| {
            b.iter_batched(|| std::fs::remove_file(path(name)), |_| load(), BatchSize::PerIteration);
        });
    }
    let loader = Loader::from(people::table(Expr::Uuid7)).writer(WriterChoice::Statements);
    let load = || loader.load(&input, path("statements")).unwrap().loaded;
    assert_eq!(load(), rows);
    group.bench_function("people/baseline", |b| {
        b.iter_batched(|| std::fs::remove_file(path("statements")), |_| load(), BatchSize::PerIteration);
    });
    let bytes = std::fs::read(path("people")).unwrap();
    group.bench_function("people/floor", |b| {
        let write = |_| shapes::write_blocks(&path("floor"), &bytes);
        b.iter_batched(|| std::fs::remove_file(path("floor")), write, BatchSize::PerIteration);
    });
}

/// Whole loads into a database that exists, through pages and through statements: a new table next to another one, in rollback and
/// in WAL mode, and as many rows behind those of the table.
fn bench_existing(c: &mut Criterion) {
    let rows = shapes::rows();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let input = create_csv(directory.path(), rows);
    let table = || people::table(Expr::Uuid7);
    let mut group = c.benchmark_group("direct/existing");
    group.sample_size(10).throughput(Throughput::Elements(rows));
    for (name, settings, has_rows) in
        [("table", "", false), ("wal", "PRAGMA journal_mode = WAL", false), ("append", "", true)]
    {
        let base = path(&format!("{name}.db"));
        let connection = Connection::open(&base).unwrap();
        connection.execute_batch(&format!("{settings}; CREATE TABLE other (a)")).unwrap();
        connection.close().unwrap();
        if has_rows {
            Loader::from(table()).load(&input, &base).unwrap();
        }
        let target = path("target.db");
        let prepare = || std::fs::copy(&base, &target).unwrap();
        for (suffix, writer) in [("", WriterChoice::Direct), ("/statements", WriterChoice::Statements)] {
            let loader = Loader::from(table()).if_exists(IfExists::Append).writer(writer);
            let load = |_| loader.load(&input, &target).unwrap().loaded;
            assert_eq!(load(prepare()), rows);
            assert_eq!(count(&target), rows * if has_rows { 2 } else { 1 });
            group.bench_function(format!("{name}{suffix}"), |b| {
                b.iter_batched(prepare, load, BatchSize::PerIteration);
            });
        }
    }
}

/// Upserts through pages and through statements, in random order: as many rows as the table has, half of which it has already. A
/// number or a text is the key.
fn bench_upsert(c: &mut Criterion) {
    let rows = shapes::rows();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let people = std::fs::read_to_string(create_csv(directory.path(), rows)).unwrap();
    let mut group = c.benchmark_group("direct/upsert");
    group.sample_size(10).throughput(Throughput::Elements(rows));
    for (name, key) in [
        ("number", (|id| id.to_string()) as fn(u64) -> String),
        ("text", |id| format!("{:016x}", id.wrapping_mul(0x5851_f42d_4c95_7f2d))),
    ] {
        let write = |input: &str, id: &dyn Fn(u64) -> u64| {
            let mut lines = people.lines();
            let header = lines.next().unwrap();
            let rows = (0..).zip(lines).map(|(row, line)| format!("{},{line}\n", key(id(row))));
            std::fs::write(path(input), format!("id,{header}\n{}", rows.collect::<String>())).unwrap();
        };
        write("old.csv", &|row| row);
        // A prime, so that all are different.
        write("new.csv", &|row| rows / 2 + row * 123_457 % rows);
        let loader = Loader::new("people").primary_key(["id"]);
        loader.load(path("old.csv"), path("base.db")).unwrap();
        let target = path("target.db");
        let prepare = || std::fs::copy(path("base.db"), &target).unwrap();
        for (suffix, writer) in [("", WriterChoice::Direct), ("/statements", WriterChoice::Statements)] {
            let loader =
                loader.clone().if_exists(IfExists::Append).on_conflict(OnConflict::Update).writer(writer);
            let load = |_| loader.load(path("new.csv"), &target).unwrap();
            prepare();
            assert_eq!((load(0).updated, count(&target)), (rows - rows / 2, rows + rows / 2));
            group.bench_function(format!("{name}{suffix}"), |b| {
                b.iter_batched(prepare, load, BatchSize::PerIteration);
            });
        }
        std::fs::remove_file(path("base.db")).unwrap();
    }
}

/// A CSV file with 40 columns of random numbers of 24 bits, each written by `field`.
fn numbers(rows: u64, field: impl Fn(u64) -> String) -> String {
    let mut number = 1_u64;
    let mut next_field = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        field(number >> 40)
    };
    let mut csv = (0..40).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
    for _ in 0..rows {
        csv += "\n";
        csv += &(0..40).map(|_| next_field()).collect::<Vec<_>>().join(",");
    }
    csv
}

/// Whole loads of 40 columns of numbers: INTEGERs, the same with 5 % NULLs, REALs, the same with 1 % whole numbers, which SQLite stores
/// as INTEGERs, and TEXTs with 5 % NULLs.
fn bench_nulls(c: &mut Criterion) {
    let rows = shapes::rows();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let real = |number: u64| format!("{}.{:02}", number / 100, number % 99 + 1);
    let or = |is_other: bool, other: &str, field: String| if is_other { other.to_owned() } else { field };
    let loader = || Loader::new("people");
    let mut group = c.benchmark_group("direct/nulls");
    group.sample_size(10).throughput(Throughput::Elements(rows));
    for (name, loader, csv) in [
        ("integers", loader(), numbers(rows, |number| number.to_string())),
        (
            "integers-and-nulls",
            loader(),
            numbers(rows, |number| or(number % 20 == 0, "", number.to_string())),
        ),
        ("reals", loader(), numbers(rows, real)),
        (
            "reals-and-whole-reals",
            loader(),
            numbers(rows, |number| or(number % 100 == 0, "7.00", real(number))),
        ),
        ("texts", loader(), numbers(rows, |number| format!("x{number}"))),
        (
            "texts-and-nulls",
            loader().null("NA"),
            numbers(rows, |number| or(number % 20 == 0, "NA", format!("x{number}"))),
        ),
    ] {
        std::fs::write(path("numbers.csv"), csv).unwrap();
        let load = || loader.load(path("numbers.csv"), path("target.db")).unwrap().loaded;
        let _ = std::fs::remove_file(path("target.db"));
        assert_eq!((load(), count(&path("target.db"))), (rows, rows));
        group.bench_function(name, |b| {
            b.iter_batched(|| std::fs::remove_file(path("target.db")), |_| load(), BatchSize::PerIteration);
        });
    }
}

/// Whole loads through pages and through statements: 40 columns of numbers with five indexes, and people with an index on their names,
/// of which many are the same.
fn bench_indexes(c: &mut Criterion) {
    let rows = shapes::rows();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("numbers.csv"), numbers(rows, |number| number.to_string())).unwrap();
    let people = create_csv(directory.path(), rows);
    let with_indexes = |loader: Loader, columns: &[&str]| {
        columns.iter().fold(loader, |loader, column| loader.index([*column]))
    };
    let mut group = c.benchmark_group("direct/indexes");
    group.sample_size(10).throughput(Throughput::Elements(rows));
    for (name, input, columns) in [
        ("numbers", path("numbers.csv"), &["c0", "c1", "c2", "c3", "c4"][..]),
        ("names", people, &["last_name"]),
    ] {
        for (suffix, writer) in [("", WriterChoice::Direct), ("/statements", WriterChoice::Statements)] {
            let loader = with_indexes(Loader::new("people"), columns).writer(writer);
            let load = || loader.load(&input, path("target.db")).unwrap().loaded;
            let _ = std::fs::remove_file(path("target.db"));
            assert_eq!((load(), count(&path("target.db"))), (rows, rows));
            group.bench_function(format!("{name}{suffix}"), |b| {
                b.iter_batched(
                    || std::fs::remove_file(path("target.db")),
                    |_| load(),
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

/// The end of a load whose keys arrive in random order: sorting and writing the index.
fn bench_index_sort(c: &mut Criterion) {
    let rows = 200_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("people.db");
    let csv = std::fs::read_to_string(create_csv(directory.path(), rows)).unwrap();
    let table = people::table(Expr::Uuid4);
    let mut group = c.benchmark_group("direct/index-sort");
    group.sample_size(10).throughput(Throughput::Elements(rows));
    with_rows(&csv, &table, |chunks| {
        assert_eq!(write(&path, &table, chunks), rows);
        group.bench_function("people-v4", |b| {
            b.iter_batched(
                || filled(&path, &table, chunks),
                |writer| writer.finish(&false.into()).unwrap(),
                BatchSize::PerIteration,
            );
        });
    });
}

criterion_group!(
    benches,
    bench_encode,
    bench_load,
    bench_existing,
    bench_upsert,
    bench_nulls,
    bench_indexes,
    bench_index_sort
);
criterion_main!(benches);
