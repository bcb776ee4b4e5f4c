//! Arrow record batches as inputs of the library.

use crate::common::{TestDir, query, rows_of};
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray,
    LargeStringArray, NullArray, RecordBatch, RecordBatchIterator, StringArray, StringViewArray, UInt8Array,
    UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::ArrowError;
use rusqlite::Connection;
use rusqlite::types::Value::{self, Blob, Integer, Null, Real, Text};
use sqload::plan::{IfExists, OnConflict, OnError, WriterChoice};
use sqload::report::Report;
use sqload::shards::{Manifest, ShardJob, ShardKey};
use sqload::{Kind, Loader, PlanError};
use std::sync::Arc;

/// A batch with these columns, whose values may all be null.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// A stream of batches with the schema of the first.
fn stream(batches: Vec<RecordBatch>) -> impl arrow_array::RecordBatchReader + Send + 'static {
    let schema = batches[0].schema();
    RecordBatchIterator::new(batches.into_iter().map(Ok), schema)
}

struct Loaded {
    report: Report,
    database: Connection,
    _dir: TestDir,
}

impl Loaded {
    fn rows(&self) -> Vec<Vec<Value>> {
        rows_of(&self.database, "SELECT * FROM t")
    }

    fn sql(&self) -> String {
        query(&self.database, "SELECT sql FROM sqlite_schema WHERE name = 't'")
    }
}

/// Loads batches into the table `t` of a new database.
#[track_caller]
fn load(loader: Loader, batches: Vec<RecordBatch>) -> Loaded {
    try_load(loader, batches).unwrap()
}

fn try_load(loader: Loader, batches: Vec<RecordBatch>) -> sqload::Result<Loaded> {
    let dir = TestDir::new();
    let report = loader.load_arrow(stream(batches), dir.path("x.db"))?;
    let database = dir.open("x.db");
    assert_eq!(query(&database, "PRAGMA integrity_check"), "ok");
    Ok(Loaded { report, database, _dir: dir })
}

pub(crate) fn text(text: &str) -> Value {
    Text(text.to_owned())
}

/// Asserts the type that a column gets and its values, loaded as pages, through statements, and in chunks of one row.
#[track_caller]
pub(crate) fn assert_column(array: ArrayRef, declared: &str, expected: &[Value]) {
    assert_loads(Loader::new("t"), array, declared, expected);
}

/// Asserts the values of a column with a requested type.
#[track_caller]
pub(crate) fn assert_column_as(declared: &str, array: ArrayRef, expected: &[Value]) {
    assert_loads(Loader::new("t").column_type("a", declared), array, declared, expected);
}

#[track_caller]
fn assert_loads(loader: Loader, array: ArrayRef, declared: &str, expected: &[Value]) {
    let expected: Vec<_> = expected.iter().map(|value| vec![value.clone()]).collect();
    for writer in [WriterChoice::Direct, WriterChoice::Statements] {
        for chunk_bytes in [1, 64 << 10] {
            let loader = loader.clone().writer(writer).chunk_bytes(chunk_bytes.try_into().unwrap());
            let loaded = load(loader, vec![batch(vec![("a", array.clone())])]);
            assert_eq!(loaded.sql(), format!("CREATE TABLE \"t\" (\"a\" {declared})"));
            assert_eq!(loaded.rows(), expected, "{}", array.data_type());
            assert_eq!(loaded.report.loaded, expected.len() as u64);
        }
    }
}

#[test]
fn integers_are_integer() {
    let expected = [Integer(-128), Integer(0), Integer(127), Null];
    assert_column(
        Arc::new(Int8Array::from(vec![Some(-128), Some(0), Some(127), None])),
        "INTEGER",
        &expected,
    );
    assert_column(Arc::new(Int8Array::from(vec![-128, 0, 127])), "INTEGER", &expected[..3]);
    let i16s = [Integer(-32_768), Integer(32_767)];
    assert_column(Arc::new(Int16Array::from(vec![i16::MIN, i16::MAX])), "INTEGER", &i16s);
    let i32s = [Integer(i32::MIN.into()), Integer(i32::MAX.into())];
    assert_column(Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX])), "INTEGER", &i32s);
    let i64s = [Integer(i64::MIN), Integer(i64::MAX)];
    assert_column(Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])), "INTEGER", &i64s);
    assert_column(Arc::new(UInt8Array::from(vec![u8::MAX])), "INTEGER", &[Integer(255)]);
    assert_column(Arc::new(UInt16Array::from(vec![u16::MAX])), "INTEGER", &[Integer(65_535)]);
    assert_column(Arc::new(UInt32Array::from(vec![u32::MAX])), "INTEGER", &[Integer(4_294_967_295)]);
    let largest = Arc::new(UInt64Array::from(vec![0, i64::MAX as u64]));
    assert_column(largest, "INTEGER", &[Integer(0), Integer(i64::MAX)]);
}

#[test]
fn floats_are_real() {
    let reals = [Real(0.1), Real(-0.0), Real(f64::INFINITY), Real(3.0)];
    assert_column(Arc::new(Float64Array::from(vec![0.1, -0.0, f64::INFINITY, 3.0])), "REAL", &reals);
    let singles = Float32Array::from(vec![Some(0.1), None, Some(3.0)]);
    assert_column(Arc::new(singles), "REAL", &[Real(f64::from(0.1_f32)), Null, Real(3.0)]);
    let half = arrow_array::Float16Array::from_iter_values([half(1.5), half(-2.0)]);
    assert_column(Arc::new(half), "REAL", &[Real(1.5), Real(-2.0)]);
}

fn half(value: f32) -> <arrow_array::types::Float16Type as arrow_array::types::ArrowPrimitiveType>::Native {
    <arrow_array::types::Float16Type as arrow_array::types::ArrowPrimitiveType>::Native::from_f32(value)
}

#[test]
fn nan_is_null_and_counted() {
    let array: ArrayRef = Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(1.5), None]));
    assert_column(array.clone(), "REAL", &[Null, Real(1.5), Null]);
    let loaded = load(Loader::new("t"), vec![batch(vec![("a", array)])]);
    assert_eq!(loaded.report.repairs.nan_nulls, 1);
    assert!(loaded.report.to_string().contains("1 NaN stored as NULL"), "{}", loaded.report);
}

#[test]
fn booleans_are_0_and_1() {
    let array = BooleanArray::from(vec![Some(true), None, Some(false)]);
    assert_column(Arc::new(array), "INTEGER", &[Integer(1), Null, Integer(0)]);
    assert_column(Arc::new(BooleanArray::from(vec![true, false])), "INTEGER", &[Integer(1), Integer(0)]);
}

#[test]
fn strings_are_text() {
    let texts = ["", "a", "0042", "Zo\u{eb}", "longer than a view keeps in its sixteen bytes"];
    let expected = texts.map(text);
    assert_column(Arc::new(StringArray::from(texts.to_vec())), "TEXT", &expected);
    assert_column(Arc::new(LargeStringArray::from(texts.to_vec())), "TEXT", &expected);
    assert_column(Arc::new(StringViewArray::from(texts.to_vec())), "TEXT", &expected);
    let short = StringViewArray::from(vec!["", "a", "twelve bytes", "0042"]);
    let expected_short = ["", "a", "twelve bytes", "0042"].map(text);
    assert_column(Arc::new(short.slice(1, 3)), "TEXT", &expected_short[1..]);
    assert_column(Arc::new(short), "TEXT", &expected_short);
    let keys: DictionaryArray<Int8Type> = texts.into_iter().chain(["a"]).collect();
    assert_column(Arc::new(keys), "TEXT", &[&expected[..], &[text("a")]].concat());
    let with_null = vec![Some("a"), None, Some("")];
    let expected = [text("a"), Null, text("")];
    assert_column(Arc::new(StringArray::from(with_null.clone())), "TEXT", &expected);
    assert_column(Arc::new(StringViewArray::from(with_null.clone())), "TEXT", &expected);
    let keys: DictionaryArray<Int32Type> = with_null.into_iter().collect();
    assert_column(Arc::new(keys), "TEXT", &expected);
}

#[test]
fn binary_is_blob() {
    let bytes: Vec<&[u8]> = vec![b"", b"\0\xff", b"longer than a view keeps in its sixteen bytes"];
    let expected: Vec<_> = bytes.iter().map(|bytes| Blob(bytes.to_vec())).collect();
    assert_column(Arc::new(BinaryArray::from(bytes.clone())), "BLOB", &expected);
    assert_column(Arc::new(LargeBinaryArray::from(bytes.clone())), "BLOB", &expected);
    assert_column(Arc::new(BinaryViewArray::from(bytes.clone())), "BLOB", &expected);
    assert_column(Arc::new(BinaryViewArray::from(bytes[..2].to_vec())), "BLOB", &expected[..2]);
    let fixed = FixedSizeBinaryArray::try_from_iter([b"abcd", b"\0\x01\x02\x03"].into_iter()).unwrap();
    assert_column(Arc::new(fixed), "BLOB", &[Blob(b"abcd".to_vec()), Blob(vec![0, 1, 2, 3])]);
}

#[test]
fn nulls_are_null() {
    assert_column(Arc::new(NullArray::new(3)), "TEXT", &[Null, Null, Null]);
}

#[test]
fn an_integer_above_64_bits_is_rejected_or_text() {
    let array: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX, 3]));
    let batches = || vec![batch(vec![("n", array.clone())])];
    let error = try_load(Loader::new("t"), batches()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "arrow stream: record 2: the value \"18446744073709551615\" of column \"n\" would change as an INTEGER (more digits than a number can hold)"
    );
    let position = error.position().unwrap();
    assert_eq!((position.record, position.line, position.offset), (2, None, None));
    let loaded = load(Loader::new("t").on_error(OnError::Skip), batches());
    assert_eq!(loaded.rows(), [[Integer(1)], [Integer(3)]]);
    assert_eq!((loaded.report.records, loaded.report.loaded, loaded.report.rejected), (3, 2, 1));
    let loaded = load(Loader::new("t").column_type("n", "TEXT"), batches());
    assert_eq!(loaded.rows(), [[text("1")], [text("18446744073709551615")], [text("3")]]);
    let loaded = load(Loader::new("t").column_type("n", "REAL"), batches());
    assert_eq!(loaded.rows(), [[Real(1.0)], [Real(18_446_744_073_709_551_615.0)], [Real(3.0)]]);
}

/// `count` rows with an INTEGER, a REAL and a TEXT, in batches of different sizes.
fn numbered(count: i64) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    let mut next = 0;
    for size in [1, 7, 0, 1_000, 50_000].into_iter().cycle() {
        let ids = next..count.min(next + size);
        next = ids.end;
        let texts: StringArray = ids.clone().map(|id| Some(format!("row {id}"))).collect();
        let reals: Float64Array = ids.clone().map(|id| id as f64 / 2.0).collect();
        let ids: Int64Array = ids.collect();
        batches.push(batch(vec![("id", Arc::new(ids)), ("x", Arc::new(reals)), ("name", Arc::new(texts))]));
        if next == count {
            return batches;
        }
    }
    unreachable!()
}

#[test]
fn all_rows_arrive_in_order_at_any_chunk_size_and_number_of_jobs() {
    let expected: Vec<_> =
        (0..20_000).map(|id| vec![Integer(id), Real(id as f64 / 2.0), text(&format!("row {id}"))]).collect();
    for (chunk_bytes, jobs) in [(1_000, 1), (64 << 10, 3), (1 << 20, 2)] {
        let loader = Loader::new("t").chunk_bytes(chunk_bytes.try_into().unwrap());
        let loaded = load(loader.jobs(jobs.try_into().unwrap()), numbered(20_000));
        assert_eq!(loaded.rows(), expected);
    }
    let loaded = load(Loader::new("t").limit(1_003), numbered(20_000));
    assert_eq!(loaded.rows(), expected[..1_003]);
    assert_eq!(loaded.report.records, 1_003);
}

#[test]
fn keys_and_indexes_work_as_for_csv() {
    let loader = || Loader::new("t").primary_key(["id"]).index(["name"]);
    let loaded = load(loader(), numbered(3_000));
    let names = query(&loaded.database, "SELECT count(*) FROM t WHERE name = 'row 2999' AND id = 2999");
    assert_eq!(names, "1");
    let twice = || [numbered(10), numbered(12)].concat();
    let error = try_load(loader(), twice()).err().unwrap();
    let message = "arrow stream: record 1 and arrow stream: record 11: UNIQUE constraint failed: t.id";
    assert_eq!(error.to_string(), message);
    let loaded = load(loader().on_error(OnError::Skip), twice());
    assert_eq!((loaded.report.loaded, loaded.report.rejected), (12, 10));
    let loaded = load(loader().on_conflict(OnConflict::Ignore), twice());
    assert_eq!((loaded.report.loaded, loaded.report.ignored), (12, 10));
    let loaded = load(loader().on_conflict(OnConflict::Update), twice());
    assert_eq!((loaded.report.loaded, loaded.report.updated, loaded.rows().len()), (22, 10, 12));
}

#[test]
fn rows_are_added_to_a_table_that_exists() {
    let dir = TestDir::new();
    dir.open("x.db")
        .execute_batch("CREATE TABLE t (name TEXT, id TEXT, x INTEGER, other); INSERT INTO t (id) VALUES (7)")
        .unwrap();
    let loader = Loader::new("t").if_exists(IfExists::Append);
    loader.load_arrow(stream(numbered(3)), dir.path("x.db")).unwrap();
    let rows = rows_of(&dir.open("x.db"), "SELECT * FROM t");
    let row = |id: i64, x| vec![text(&format!("row {id}")), text(&id.to_string()), x, Null];
    let first = vec![Null, text("7"), Null, Null];
    assert_eq!(rows, [first, row(0, Integer(0)), row(1, Real(0.5)), row(2, Integer(1))]);
}

#[test]
fn rejected_rows_are_written_as_json() {
    let dir = TestDir::new();
    let mut loader = Loader::new("t").on_error(OnError::Skip).rejects(dir.path("bad.jsonl"));
    loader = loader.not_null(["name"]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("name", Arc::new(StringArray::from(vec![Some("a"), None, Some("c\"")]))),
        ("n", Arc::new(UInt64Array::from(vec![1, 2, u64::MAX]))),
        ("x", Arc::new(Float64Array::from(vec![1.5, f64::NAN, 3.0]))),
        ("b", Arc::new(BinaryArray::from(vec![&b"\x01\xff"[..]; 3]))),
    ];
    let report = loader.load_arrow(stream(vec![batch(columns)]), dir.path("x.db")).unwrap();
    assert_eq!((report.loaded, report.rejected), (1, 2));
    let rejects = String::from_utf8(dir.read("bad.jsonl")).unwrap();
    let expected = "{\"id\":2,\"name\":null,\"n\":2,\"x\":null,\"b\":\"01ff\"}\n\
        {\"id\":3,\"name\":\"c\\\"\",\"n\":18446744073709551615,\"x\":3.0,\"b\":\"01ff\"}\n";
    assert_eq!(rejects, expected);
    let reasons = dir.reasons("bad.jsonl");
    assert_eq!(reasons[0]["record"], 2);
    assert!(reasons[0]["line"].is_null() && reasons[0]["offset"].is_null());
    assert_eq!(reasons[1]["column"], "n");
}

#[test]
fn sql_sees_the_types_of_the_columns() {
    use sqload::sql;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(10)]))),
        ("price", Arc::new(Float64Array::from(vec![0.5, 10.0, 9.5]))),
        ("code", Arc::new(StringArray::from(vec!["007", "10", "9"]))),
        ("data", Arc::new(BinaryArray::from(vec![&b"a"[..]; 3]))),
    ];
    let list = "typeof(id) AS a, price * 2 AS b, code || '!' AS c, code > 5 AS d, typeof(data) AS e, id + 1 AS f, \
        upper(code) AS g, substr(data, 1, 1) AS h";
    let plan = sql::select(Loader::new("t").plan().clone(), "test", list).unwrap();
    let plan = sql::filter(plan, "test", "price > 9").unwrap();
    let loaded = load(Loader::from(plan), vec![batch(columns)]);
    let blob = || Blob(b"a".to_vec());
    let second =
        vec![text("null"), Real(20.0), text("10!"), Integer(0), text("blob"), Null, text("10"), blob()];
    let third = vec![
        text("integer"),
        Real(19.0),
        text("9!"),
        Integer(1),
        text("blob"),
        Integer(11),
        text("9"),
        blob(),
    ];
    assert_eq!(loaded.rows(), [second, third]);
    assert_eq!(loaded.report.filtered, 1);
}

#[test]
fn declared_types_convert_without_altering_values() {
    let columns = || -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("i", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
            ("r", Arc::new(Float64Array::from(vec![Some(3.0), Some(1e300)]))),
            ("s", Arc::new(StringArray::from(vec![Some("42"), Some("7")]))),
            ("b", Arc::new(BinaryArray::from(vec![&b"a\x01"[..], b"b"]))),
        ]
    };
    let loader = Loader::new("t").column_type("s", "INTEGER").column_type("i", "TEXT");
    let loaded = load(loader.column_type("r", "TEXT").column_type("b", "TEXT"), vec![batch(columns())]);
    let first = [text("9223372036854775807"), text("3.0"), Integer(42), text("a\x01")];
    assert_eq!(loaded.rows(), [first, [Null, text("1e300"), Integer(7), text("b")]]);
    let loaded = load(Loader::new("t").all_text(true), vec![batch(columns())]);
    let first = [text("9223372036854775807"), text("3.0"), text("42"), text("a\x01")];
    assert_eq!(loaded.rows(), [first, [Null, text("1e300"), text("7"), text("b")]]);
    let error = try_load(Loader::new("t").column_type("r", "INTEGER"), vec![batch(columns())]).err().unwrap();
    assert_eq!(
        error.to_string(),
        "arrow stream: record 2: the value \"1e300\" of column \"r\" would change as an INTEGER (an exponent without a sign)"
    );
    let loaded = load(Loader::new("t").null("42").null_in("s", "7").columns(["s"]), vec![batch(columns())]);
    assert_eq!(loaded.rows(), [[Null], [Null]]);
}

#[test]
fn settings_for_csv_are_errors() {
    let loaders = [
        (Loader::new("t").delimiter(b';'), "a delimiter"),
        (Loader::new("t").quote(None), "a quote character"),
        (Loader::new("t").skip_rows(1), "skipping records after the header"),
        (Loader::new("t").encoding("latin-1"), "a text encoding"),
        (Loader::new("t").header_rows(0), "the number of header records"),
        (Loader::new("t").decimal(','), "a notation of numbers"),
    ];
    for (loader, setting) in loaders {
        let error = try_load(loader, numbered(1)).err().unwrap();
        let expected = format!("arrow stream is not CSV, so {setting} has no meaning for it");
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error.kind(), Kind::Plan(PlanError::OnlyForCsv { .. })));
    }
}

#[test]
fn the_error_of_a_stream_ends_the_load() {
    let dir = TestDir::new();
    let first = numbered(5).remove(0);
    let schema = first.schema();
    let broken = [Ok(first), Err(ArrowError::ExternalError("the source is gone".into()))];
    let reader = RecordBatchIterator::new(broken, schema);
    let error = Loader::new("t").load_arrow(reader, dir.path("x.db")).unwrap_err();
    assert_eq!(format!("{error:?}"), "cannot read arrow stream: the source is gone");
    assert!(dir.file_names().is_empty());
}

#[test]
fn names_are_made_unique() {
    let array = || -> ArrayRef { Arc::new(Int64Array::from(vec![1])) };
    let schema = arrow_schema::Schema::new(vec![
        arrow_schema::Field::new("a", arrow_schema::DataType::Int64, false),
        arrow_schema::Field::new("A", arrow_schema::DataType::Int64, false),
        arrow_schema::Field::new("", arrow_schema::DataType::Int64, false),
    ]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array(), array(), array()]).unwrap();
    let loaded = load(Loader::new("t"), vec![batch]);
    let names = rows_of(&loaded.database, "SELECT name FROM pragma_table_info('t')");
    assert_eq!(names.len(), 3);
    assert_eq!(loaded.rows(), [[Integer(1), Integer(1), Integer(1)]]);
    assert_eq!(loaded.report.notes.len(), 2);
}

#[test]
fn a_stream_without_rows_makes_an_empty_table() {
    let array: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
    let loaded = load(Loader::new("t"), vec![batch(vec![("a", array)])]);
    assert_eq!(loaded.sql(), "CREATE TABLE \"t\" (\"a\" INTEGER)");
    assert!(loaded.rows().is_empty());
}

#[test]
fn types_without_a_counterpart_are_errors_unless_left_out() {
    let mut union = arrow_array::builder::UnionBuilder::new_dense();
    union.append::<arrow_array::types::Int64Type>("i", 1).unwrap();
    let union = union.build().unwrap();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("a", Arc::new(Int64Array::from(vec![5]))), ("u", Arc::new(union))];
    let dir = TestDir::new();
    let error =
        Loader::new("t").load_arrow(stream(vec![batch(columns.clone())]), dir.path("x.db")).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("arrow stream: the column \"u\" has the type Union("), "{message}");
    assert!(dir.file_names().is_empty());
    let loaded = load(Loader::new("t").exclude(["u"]), vec![batch(columns)]);
    assert_eq!(loaded.rows(), [[Integer(5)]]);
}

#[test]
fn a_stream_is_copied_only_if_the_load_may_start_again() {
    // Numbers with different trailing zeros in a column of numbers make a load start again.
    let numbers: ArrayRef = Arc::new(StringArray::from(vec!["1.5", "1.50", "x"]));
    let loader = Loader::new("t").on_error(OnError::Skip).column_type("a", "DECIMAL");
    let loaded = load(loader, vec![batch(vec![("a", numbers.clone())]), batch(vec![("a", numbers)])]);
    assert_eq!(loaded.rows(), [[Real(1.5)], [text("x")], [Real(1.5)], [text("x")]]);
    assert_eq!(loaded.report.rejected, 2);
}

#[test]
fn shards_are_built_of_record_batches_and_merged() {
    let dir = TestDir::new();
    let job = ShardJob::new(dir.path("out"), "j", "t").unwrap().by(["c"]).expected_rows(5);
    let loader = Loader::new("t").index(["n"]);
    let build = |value: Option<&str>, attempt: u64, numbers: &[i64]| {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![value; numbers.len()]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
        let writer = job.writer(ShardKey::columns([("c", value)]), attempt).unwrap();
        let batches = stream(vec![batch(vec![("c", texts), ("n", numbers)])]);
        let (receipt, report) = writer.load_arrow(&loader, batches).unwrap();
        assert_eq!((receipt.rows, report.writer), (report.loaded, "direct"));
        receipt
    };
    let receipts = [build(Some("x"), 1, &[9; 9]), build(None, 1, &[4, 5]), build(Some("x"), 2, &[1, 2, 3])];
    let manifest = job.commit(&receipts).unwrap();
    manifest.shards.iter().for_each(|shard| Manifest::verify(&dir.path("out"), shard).unwrap());
    Loader::new("t").merge_shards(dir.path("out"), dir.path("all.db")).unwrap();
    let text = |text: &str| Text(text.to_owned());
    let expected = [[Null, Integer(4)], [Null, Integer(5)]].into_iter();
    let expected = expected.chain([1, 2, 3].map(|n| [text("x"), Integer(n)]));
    assert_eq!(rows_of(&dir.open("all.db"), "SELECT c, n FROM t NOT INDEXED"), expected.collect::<Vec<_>>());
}

#[test]
fn a_shard_whose_stream_fails_leaves_no_file() {
    let dir = TestDir::new();
    let job = ShardJob::new(dir.path("out"), "j", "t").unwrap();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = batch(vec![("n", numbers)]);
    let schema = batch.schema();
    let failing = RecordBatchIterator::new([Ok(batch), Err(ArrowError::ComputeError("lost".into()))], schema);
    let writer = job.writer(ShardKey::Columns(Vec::new()), 1).unwrap();
    let error = writer.load_arrow(&Loader::new("t"), failing).unwrap_err();
    assert!(matches!(error.kind(), Kind::Io { .. }), "{error}");
    assert_eq!(dir.path("out/_staging/j").read_dir().unwrap().count(), 0);
}
