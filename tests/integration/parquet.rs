//! Parquet and Arrow files on the command line.

use crate::arrow::{batch, text};
use crate::common::{TestDir, rows_of};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rusqlite::types::Value::{Integer, Null, Real};
use std::io::Write;
use std::sync::Arc;

/// Rows `ids` of a table that compresses well.
fn sales(ids: std::ops::Range<i64>) -> RecordBatch {
    let prices: Float64Array = ids.clone().map(|id| (id % 7 != 0).then_some(id as f64 / 4.0)).collect();
    let names: StringArray = ids.clone().map(|id| Some(format!("item {}", id % 10))).collect();
    let times: TimestampMicrosecondArray = ids.clone().map(|id| Some(id * 1_000_000)).collect();
    let ids: Int64Array = ids.collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(ids)),
        ("name", Arc::new(names)),
        ("price", Arc::new(prices)),
        ("at", Arc::new(times)),
    ];
    batch(columns)
}

fn parquet(batches: &[RecordBatch], compression: Compression, group_rows: usize) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(group_rows));
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batches[0].schema(), Some(properties.build())).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
    bytes
}

fn arrow_file(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn arrow_stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// The rows that `sales` makes, as SQLite stores them.
fn expected(ids: std::ops::Range<i64>) -> Vec<Vec<rusqlite::types::Value>> {
    let row = |id: i64| {
        let price = if id % 7 == 0 { Null } else { Real(id as f64 / 4.0) };
        let at = format!("1970-01-01 {:02}:{:02}:{:02}", id / 3_600, id / 60 % 60, id % 60);
        vec![Integer(id), text(&format!("item {}", id % 10)), price, text(&at)]
    };
    ids.map(row).collect()
}

#[track_caller]
fn assert_sales(dir: &TestDir, database: &str, table: &str, ids: std::ops::Range<i64>) {
    assert_eq!(rows_of(&dir.open(database), &format!("SELECT * FROM {table}")), expected(ids));
}

#[test]
fn parquet_files_are_loaded_in_order_whatever_their_compression_and_row_groups() {
    let dir = TestDir::new();
    let batches = [sales(0..5_000), sales(5_000..20_000)];
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(Default::default()),
        Compression::GZIP(Default::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(Default::default()),
    ];
    for (number, compression) in compressions.into_iter().enumerate() {
        dir.write("sales.parquet", parquet(&batches, compression, [700, 100_000][number / 2 % 2]));
        let jobs = ["1", "3"][number % 2];
        let options = ["load", "sales.parquet", "x.db", "--replace", "-j", jobs, "--verify"];
        let outcome = dir.run(&options).expect_code(0);
        assert!(outcome.stderr.contains("20 000"), "{}", outcome.stderr);
        assert_sales(&dir, "x.db", "sales", 0..20_000);
    }
}

#[test]
fn arrow_files_and_streams_are_loaded() {
    let dir = TestDir::new();
    let batches = [sales(0..5_000), sales(5_000..9_000)];
    let compressed = |compression| arrow_file(&batches, Some(compression));
    let files = [
        arrow_file(&batches, None),
        compressed(CompressionType::LZ4_FRAME),
        compressed(CompressionType::ZSTD),
        arrow_stream(&batches),
    ];
    for file in files {
        dir.write("sales.arrow", file);
        dir.run(&["load", "sales.arrow", "x.db", "--replace"]).expect_code(0);
        assert_sales(&dir, "x.db", "sales", 0..9_000);
        dir.run(&["load", "sales.arrow", "x.db", "--replace", "--columns", "at,id"]).expect_code(0);
        let rows = rows_of(&dir.open("x.db"), "SELECT * FROM sales WHERE id = 61");
        assert_eq!(rows, [[text("1970-01-01 00:01:01"), Integer(61)]]);
    }
}

#[test]
fn a_parquet_file_may_come_through_a_pipe_or_from_an_archive() {
    let dir = TestDir::new();
    let file = parquet(&[sales(0..50_000)], Compression::UNCOMPRESSED, 10_000);
    dir.write("sales.parquet", &file);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file).unwrap();
    dir.write("sales.parquet.gz", gzip.finish().unwrap());
    dir.run(&["load", "sales.parquet.gz", "gz.db"]).expect_code(0);
    assert_sales(&dir, "gz.db", "sales", 0..50_000);
    let mut shell = std::process::Command::new("sh");
    let script = format!("cat sales.parquet | {} load - pipe.db -t sales", env!("CARGO_BIN_EXE_sqload"));
    assert!(shell.args(["-c", &script]).current_dir(dir.path("")).status().unwrap().success());
    assert_sales(&dir, "pipe.db", "sales", 0..50_000);
}

#[test]
fn only_the_columns_that_are_used_matter_and_sql_computes_with_them() {
    let dir = TestDir::new();
    dir.write("sales.parquet", parquet(&[sales(0..5_000)], Compression::SNAPPY, 1_000));
    let select = "id, price * 2 AS double, typeof(at) AS t";
    let options =
        ["load", "sales.parquet", "x.db", "--select", select, "--where", "price > 1248.9 AND id <> 4997"];
    dir.run(&options).expect_code(0);
    let rows = rows_of(&dir.open("x.db"), "SELECT * FROM sales");
    let row = |id: i64| vec![Integer(id), Real(id as f64 / 2.0), text("text")];
    assert_eq!(rows, [row(4_996), row(4_999)]);
    dir.write(
        "p.sql",
        "CREATE TABLE s (id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO s SELECT id, upper(name) || record_number() FROM input WHERE id < 2;",
    );
    dir.run(&["run-pipeline", "p.sql", "-i", "sales.parquet", "--database", "p.db"]).expect_code(0);
    let rows = rows_of(&dir.open("p.db"), "SELECT * FROM s");
    assert_eq!(rows, [[Integer(0), text("ITEM 01")], [Integer(1), text("ITEM 12")]]);
}

#[test]
fn each_input_may_fill_a_table_of_its_own() {
    let dir = TestDir::new();
    dir.write("a.parquet", parquet(&[sales(0..10)], Compression::SNAPPY, 1_000));
    dir.write("b.arrow", arrow_file(&[sales(10..30)], None));
    dir.write("c.csv", "id;n\n1;2\n");
    let options = ["load", "a.parquet", "b.arrow", "c.csv", "x.db", "--table-per-input", "-d", ";"];
    dir.run(&options).expect_code(0);
    assert_sales(&dir, "x.db", "a", 0..10);
    assert_sales(&dir, "x.db", "b", 10..30);
    assert_eq!(rows_of(&dir.open("x.db"), "SELECT * FROM c"), [[Integer(1), Integer(2)]]);
    dir.run(&["load", "a.parquet", "b.arrow", "y.db", "-t", "all_sales"]).expect_code(0);
    assert_sales(&dir, "y.db", "all_sales", 0..30);
    let outcome = dir.run(&["load", "a.parquet", "c.csv", "z.db"]).expect_code(2);
    outcome
        .assert_single_message(&["c.csv and a.parquet cannot be loaded into one table", "--table-per-input"]);
}

#[test]
fn types_that_differ_between_files_are_an_error_unless_declared() {
    let dir = TestDir::new();
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let reals: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
    let nulls: ArrayRef = Arc::new(arrow_array::NullArray::new(1));
    for (name, array) in [("a.parquet", ints), ("b.parquet", reals), ("c.parquet", nulls)] {
        dir.write(name, parquet(&[batch(vec![("x", array)])], Compression::SNAPPY, 1_000));
    }
    let outcome = dir.run(&["load", "a.parquet", "b.parquet", "x.db"]).expect_code(2);
    outcome.assert_single_message(&[
        "the column \"x\" is INTEGER in a.parquet and REAL in b.parquet; declare its type with --type",
    ]);
    dir.run(&["load", "a.parquet", "b.parquet", "c.parquet", "x.db", "--type", "x=REAL"]).expect_code(0);
    assert_eq!(rows_of(&dir.open("x.db"), "SELECT * FROM a"), [[Real(1.0)], [Real(1.5)], [Null]]);
    dir.run(&["load", "c.parquet", "b.parquet", "y.db"]).expect_code(0);
    assert_eq!(rows_of(&dir.open("y.db"), "SELECT * FROM c"), [[Null], [Real(1.5)]]);
}

#[test]
fn options_for_csv_and_broken_files_are_clear_errors() {
    let dir = TestDir::new();
    let file = parquet(&[sales(0..5_000)], Compression::SNAPPY, 1_000);
    dir.write("sales.parquet", &file);
    let outcome = dir.run(&["load", "sales.parquet", "x.db", "--skip-lines", "1"]).expect_code(2);
    outcome.assert_single_message(&["sales.parquet is not CSV, so skipping lines has no meaning for it"]);
    dir.write("cut.parquet", &file[..file.len() / 2]);
    dir.run(&["load", "cut.parquet", "x.db"])
        .expect_code(1)
        .assert_single_message(&["cannot read cut.parquet"]);
    for start in (4..file.len() - 8).step_by(file.len() / 40) {
        let mut broken = file.clone();
        broken[start..start + 4].copy_from_slice(b"\xff\x00\xff\x7f");
        dir.write("broken.parquet", &broken);
        let outcome = dir.run(&["load", "broken.parquet", "x.db"]);
        assert!(matches!(outcome.code, Some(0 | 1)), "{}: {}", start, outcome.stderr);
        let _ = std::fs::remove_file(dir.path("x.db"));
    }
    let mut arrow = arrow_file(&[sales(0..100)], None);
    arrow.truncate(arrow.len() / 2);
    dir.write("cut.arrow", &arrow);
    dir.run(&["load", "cut.arrow", "x.db"]).expect_code(1).assert_single_message(&["cannot read cut.arrow"]);
}

#[test]
fn a_preview_shows_the_first_rows() {
    let dir = TestDir::new();
    dir.write("sales.parquet", parquet(&[sales(0..50_000)], Compression::SNAPPY, 10_000));
    let outcome = dir.run(&["load", "sales.parquet", "x.db", "--dry-run"]).expect_code(0);
    assert!(outcome.stdout.contains("\"price\" REAL"), "{}", outcome.stdout);
    assert_eq!(dir.file_names(), ["sales.parquet"]);
}

#[test]
fn rejected_rows_have_all_columns() {
    let dir = TestDir::new();
    dir.write("sales.parquet", parquet(&[sales(0..3)], Compression::SNAPPY, 1_000));
    let options = ["load", "sales.parquet", "x.db", "--not-null", "price", "--columns", "id,price"];
    let rejects = ["--on-error", "skip", "--rejects", "bad.jsonl"];
    dir.run(&[&options[..], &rejects].concat()).expect_code(3);
    let expected = "{\"id\":0,\"name\":\"item 0\",\"price\":null,\"at\":\"1970-01-01 00:00:00\"}\n";
    assert_eq!(String::from_utf8(dir.read("bad.jsonl")).unwrap(), expected);
}
