//! Shards of Arrow record batches.

use crate::arrow::batch;
use crate::common::{TestDir, rows_of};
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, NullArray, RecordBatch,
    RecordBatchIterator, StringArray, UInt64Array,
};
use arrow_schema::ArrowError;
use rusqlite::Connection;
use rusqlite::types::Value::{self, Integer, Null, Text};
use sqload::shards::{Manifest, Receipt, ShardJob};
use sqload::{Kind, Loader, Result};
use std::sync::Arc;

fn job(dir: &TestDir, columns: &[&str]) -> ShardJob {
    ShardJob::new(dir.path("out"), "j", "t").unwrap().by(columns.iter().copied())
}

fn write(job: &ShardJob, batches: Vec<RecordBatch>) -> Result<Vec<Receipt>> {
    let schema = batches[0].schema();
    job.write_grouped(&Loader::new("t"), RecordBatchIterator::new(batches.into_iter().map(Ok), schema), 1)
}

/// The directories of the shards, with the rows of each.
fn shards(dir: &TestDir, manifest: &Manifest) -> Vec<(String, Vec<Vec<Value>>)> {
    let rows = |shard: &sqload::shards::Shard| {
        Manifest::verify(&dir.path("out"), shard).unwrap();
        let connection = Connection::open(dir.path("out").join(&shard.path)).unwrap();
        let rows = rows_of(&connection, "SELECT * FROM t ORDER BY rowid");
        assert_eq!(rows.len() as u64, shard.rows);
        (shard.path.trim_end_matches("data.sqlite").trim_end_matches('/').to_owned(), rows)
    };
    manifest.shards.iter().map(rows).collect()
}

fn is_empty(dir: &TestDir) -> bool {
    std::fs::read_dir(dir.path("out/_staging/j")).is_ok_and(|mut entries| entries.next().is_none())
}

/// Asserts the directories of shards by a column with these values.
#[track_caller]
fn assert_directories(array: ArrayRef, expected: &[&str]) {
    let dir = TestDir::new();
    let job = job(&dir, &["k"]);
    let receipts = write(&job, vec![batch(vec![("k", array)])]).unwrap();
    let directories: Vec<_> = receipts.iter().map(|receipt| receipt.key.directory().unwrap()).collect();
    assert_eq!(directories, expected);
}

#[test]
fn grouped_rows_become_a_shard_for_each_key_wherever_batches_end() {
    let keys = [None, None, Some(""), Some("b"), Some("b"), Some("b"), Some("a/c"), Some("NULL")];
    let number = |row: usize| Integer(row as i64);
    let text = |row: usize| keys[row].map_or(Null, |key| Text(key.to_owned()));
    let rows =
        |rows: std::ops::Range<usize>| rows.map(|row| vec![text(row), number(row)]).collect::<Vec<_>>();
    let expected = [
        ("k=__HIVE_DEFAULT_PARTITION__".to_owned(), rows(0..2)),
        ("k=".to_owned(), rows(2..3)),
        ("k=NULL".to_owned(), rows(7..8)),
        ("k=a%2Fc".to_owned(), rows(6..7)),
        ("k=b".to_owned(), rows(3..6)),
    ];
    let all = batch(vec![
        ("k", Arc::new(StringArray::from(keys.to_vec()))),
        ("n", Arc::new(Int64Array::from_iter_values(0..keys.len() as i64))),
    ]);
    for length in 1..=keys.len() {
        let starts = (0..keys.len()).step_by(length);
        // Batches without rows change nothing.
        let slices = starts.flat_map(|at| [all.slice(at, 0), all.slice(at, length.min(keys.len() - at))]);
        let dir = TestDir::new();
        let job = job(&dir, &["K"]);
        let receipts = write(&job, slices.collect()).unwrap();
        let manifest = job.expected_rows(keys.len() as u64).commit(&receipts).unwrap();
        let expected: Vec<_> =
            expected.iter().map(|(path, rows)| (path.replace('k', "K"), rows.clone())).collect();
        assert_eq!(shards(&dir, &manifest), expected);
    }
}

#[test]
fn keys_of_several_columns_and_of_none() {
    let columns = || -> Vec<(&str, ArrayRef)> {
        vec![
            ("a", Arc::new(Int64Array::from(vec![1, 1, 2, 2]))),
            ("b", Arc::new(StringArray::from(vec![Some("x"), None, None, Some("x")]))),
        ]
    };
    let dir = TestDir::new();
    let by_two = job(&dir, &["b", "a"]);
    let manifest = by_two.commit(&write(&by_two, vec![batch(columns())]).unwrap()).unwrap();
    let paths: Vec<_> = shards(&dir, &manifest).into_iter().map(|(path, _)| path).collect();
    let null = "b=__HIVE_DEFAULT_PARTITION__";
    assert_eq!(paths, [format!("{null}/a=1"), format!("{null}/a=2"), "b=x/a=1".into(), "b=x/a=2".into()]);

    let dir = TestDir::new();
    let by_none = job(&dir, &[]);
    let manifest = by_none.commit(&write(&by_none, vec![batch(columns())]).unwrap()).unwrap();
    assert_eq!((manifest.shards[0].path.as_str(), manifest.rows), ("data.sqlite", 4));

    let empty = batch(columns()).slice(0, 0);
    assert_eq!(write(&by_none, vec![empty.clone()]).unwrap(), []);
    assert_eq!(write(&by_two, vec![empty]).unwrap(), []);
}

#[test]
fn keys_are_the_texts_of_values() {
    assert_directories(Arc::new(BooleanArray::from(vec![Some(true), Some(false)])), &["k=1", "k=0"]);
    assert_directories(Arc::new(Date32Array::from(vec![0, 19_723])), &["k=1970-01-01", "k=2024-01-01"]);
    assert_directories(Arc::new(UInt64Array::from(vec![7])), &["k=7"]);
    assert_directories(Arc::new(NullArray::new(2)), &["k=__HIVE_DEFAULT_PARTITION__"]);
    let dictionary: DictionaryArray<Int8Type> = vec![Some("é"), Some("é"), None].into_iter().collect();
    assert_directories(Arc::new(dictionary), &["k=é", "k=__HIVE_DEFAULT_PARTITION__"]);
}

#[test]
fn rows_that_are_not_grouped_are_an_error_and_leave_no_file() {
    let dir = TestDir::new();
    let job = job(&dir, &["k"]);
    let rows = |keys: &[&str]| batch(vec![("k", Arc::new(StringArray::from(keys.to_vec())) as ArrayRef)]);
    for batches in [vec![rows(&["x", "y", "x"])], vec![rows(&["x"]), rows(&["y", "y"]), rows(&["x"])]] {
        let error = write(&job, batches).unwrap_err();
        assert!(matches!(error.kind(), Kind::NotGrouped { .. }), "{error}");
        assert_eq!(error.to_string(), "the rows of k='x' do not follow each other");
        assert!(is_empty(&dir));
    }
}

#[test]
fn errors_of_the_batches_end_the_shards_and_leave_no_file() {
    let rows = |key: &str| batch(vec![("k", Arc::new(StringArray::from(vec![key])) as ArrayRef)]);
    for good in [vec![], vec![rows("x")], vec![rows("x"), rows("y")]] {
        let dir = TestDir::new();
        let batches = good.into_iter().map(Ok).chain([Err(ArrowError::ComputeError("broken".to_owned()))]);
        let reader = RecordBatchIterator::new(batches.collect::<Vec<_>>(), rows("x").schema());
        let error = job(&dir, &["k"]).write_grouped(&Loader::new("t"), reader, 1).unwrap_err();
        assert!(matches!(error.kind(), Kind::Io { .. }), "{error:?}");
        assert!(!dir.path("out").exists() || is_empty(&dir));
    }
}

#[test]
fn columns_that_cannot_be_keys_are_refused() {
    let dir = TestDir::new();
    let rows = || vec![batch(vec![("k", Arc::new(Float64Array::from(vec![1.5])) as ArrayRef)])];
    let error = write(&job(&dir, &["k"]), rows()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot build shards by \"k\", a column of type Float64: convert it to text first"
    );
    let error = write(&job(&dir, &["x"]), rows()).unwrap_err();
    assert!(matches!(error.kind(), Kind::NoSuchColumn { .. }), "{error}");
    let buckets = job(&dir, &["k"]).buckets(8.try_into().unwrap());
    assert!(matches!(write(&buckets, rows()).unwrap_err().kind(), Kind::Usage(_)));
    assert!(!dir.path("out").exists());
}
