//! A table that is written as CSV and loaded again keeps its values and types, with both writers.

use crate::common::rows_of;
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;
use sqload::Loader;
use sqload::plan::{IfExists, Type, WriterChoice};
use std::num::NonZeroUsize;

/// The text that stands for NULL; no generated value equals it.
const NULL: &str = "\\N";

/// Values of one type.
fn value(column_type: Type) -> BoxedStrategy<Value> {
    match column_type {
        Type::Integer => prop_oneof![
            4 => any::<i64>(),
            2 => -1_000..1_000_i64,
            1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0)],
        ]
        .prop_map(Value::Integer)
        .boxed(),
        // At most 15 significant digits: an integer times a power of ten.
        Type::Real => (-999_999_999_999_999..=999_999_999_999_999_i64, 0..=20_u32, 0..16_u32)
            .prop_map(|(digits, decimals, dropped_digits)| {
                let digits = digits / 10_i64.pow(dropped_digits);
                Value::Real(format!("{digits}e-{decimals}").parse::<f64>().unwrap() + 0.0)
            })
            .boxed(),
        Type::Blob => proptest::collection::vec(any::<u8>(), 1..20).prop_map(Value::Blob).boxed(),
        _ => "([a-z]|[\",;|'\\\\ \t\r\n\0]|007|[^\\x00]){1,12}"
            .prop_filter("NULL", |text| text != NULL)
            .prop_map(Value::Text)
            .boxed(),
    }
}

/// The CSV text of a value; a REAL is written without an exponent.
fn csv_text(value: &Value) -> String {
    match value {
        Value::Null => NULL.to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => real.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(blob) => blob.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Column types, and rows of values of these types, some of which are NULL.
fn table() -> impl Strategy<Value = (Vec<Type>, Vec<Vec<Value>>)> {
    let column_type = prop_oneof![Just(Type::Integer), Just(Type::Real), Just(Type::Text), Just(Type::Blob)];
    proptest::collection::vec(column_type, 1..7).prop_flat_map(|types| {
        let or_null = |column_type: &Type| prop_oneof![5 => value(*column_type), 1 => Just(Value::Null)];
        let row: Vec<_> = types.iter().map(or_null).collect();
        (Just(types), proptest::collection::vec(row, 1..60))
    })
}

fn csv_of(types: &[Type], rows: &[Vec<Value>]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record((0..types.len()).map(|index| format!("c{index}"))).unwrap();
    rows.iter().for_each(|row| writer.write_record(row.iter().map(csv_text)).unwrap());
    writer.into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn a_table_survives_the_round_trip((types, rows) in table(), chunk_bytes in 1..400_usize, jobs in 1..4_usize) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("in.csv"), csv_of(&types, &rows)).unwrap();
        // BLOB columns need an explicit type, and so do columns that contain only NULL.
        let has_values = |index: usize| rows.iter().any(|row| row[index] != Value::Null);
        let given = types.iter().enumerate();
        let given = given.filter(|(index, column_type)| **column_type == Type::Blob || !has_values(*index));
        let given = given.map(|(index, column_type)| (format!("c{index}"), *column_type));
        let given: Vec<_> = given.collect();
        let mut contents = Vec::new();
        for writer in [WriterChoice::Direct, WriterChoice::Statements] {
            let loader = Loader::new("t").delimiter(b',').null(NULL).if_exists(IfExists::Replace);
            let loader =
                given.iter().fold(loader, |loader, (column, to)| loader.column_type(column, *to));
            let size = |number: usize| NonZeroUsize::new(number).unwrap();
            let loader = loader.writer(writer).verify(true);
            let loader = loader.chunk_bytes(size(chunk_bytes)).jobs(size(jobs));
            let report = loader.load(path("in.csv"), path("out.db")).unwrap();
            prop_assert_eq!((report.records, report.loaded), (rows.len() as u64, rows.len() as u64));
            let connection = Connection::open(path("out.db")).unwrap();
            let found = rows_of(&connection, "SELECT * FROM t ORDER BY rowid");
            contents.push((report.columns, found));
        }
        for (declared, found) in &contents {
            for (index, column_type) in types.iter().enumerate() {
                let texts: Vec<_> = rows.iter().map(|row| csv_text(&row[index])).filter(|text| text != NULL).collect();
                // REALs that are all whole numbers, and texts that are all numbers, are inferred as such.
                let (all_whole, all_numbers) = (
                    texts.iter().all(|text| text.parse::<i64>().is_ok()),
                    texts.iter().all(|text| text.parse::<f64>().is_ok()),
                );
                match column_type {
                    Type::Real if has_values(index) && all_whole => continue,
                    Type::Text if has_values(index) && all_numbers => continue,
                    _ => {}
                }
                prop_assert_eq!(declared[index].declaration.as_str(), column_type.as_str());
                let column = |rows: &[Vec<Value>]| rows.iter().map(|row| row[index].clone()).collect::<Vec<_>>();
                prop_assert_eq!(column(found), column(&rows));
            }
        }
        prop_assert_eq!(&contents[0], &contents[1]);
    }
}
