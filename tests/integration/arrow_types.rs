//! The types of Arrow, as `docs/arrow.md` lists them: one test for each line of its table that `arrow.rs` does not cover.

use crate::arrow::{assert_column, assert_column_as, text};
use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Decimal256Type, Int32Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalYearMonthType,
};
use arrow_array::{
    ArrayRef, Date32Array, Date64Array, Decimal128Array, Decimal256Array, DurationMillisecondArray,
    FixedSizeListArray, Float64Array, Int32Array, IntervalDayTimeArray, IntervalMonthDayNanoArray,
    IntervalYearMonthArray, LargeListArray, ListArray, RunArray, StringArray, StructArray, Time32SecondArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray,
};
use arrow_schema::{DataType, Field};
use rusqlite::types::Value::{Integer, Null, Real};
use std::sync::Arc;

#[test]
fn decimals_are_exact_text_or_integers_that_always_fit() {
    let decimals = |values: Vec<Option<i128>>, precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap())
    };
    let prices = || decimals(vec![Some(1_250), None, Some(-5)], 10, 2);
    assert_column(prices(), "TEXT", &[text("12.50"), Null, text("-0.05")]);
    assert_column_as("REAL", prices(), &[Real(12.5), Null, Real(-0.05)]);
    assert_column(decimals(vec![Some(42), None], 18, 0), "INTEGER", &[Integer(42), Null]);
    assert_column(decimals(vec![Some(42)], 16, -2), "INTEGER", &[Integer(4_200)]);
    let large = "99999999999999999999999999999999999999";
    assert_column(decimals(vec![large.parse().ok()], 38, 0), "TEXT", &[text(large)]);
    assert_column_as("INTEGER", decimals(vec![Some(i64::MAX.into())], 38, 0), &[Integer(i64::MAX)]);
    let i256 = <Decimal256Type as ArrowPrimitiveType>::Native::from_i128(-123_456);
    let array = Decimal256Array::from(vec![i256]).with_precision_and_scale(50, 10).unwrap();
    assert_column(Arc::new(array), "TEXT", &[text("-0.0000123456")]);
}

#[test]
fn dates_are_text_or_days() {
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![Some(19_753), None, Some(-1)]));
    assert_column(dates.clone(), "TEXT", &[text("2024-01-31"), Null, text("1969-12-31")]);
    assert_column_as("INTEGER", dates.clone(), &[Integer(19_753), Null, Integer(-1)]);
    assert_column_as("REAL", dates, &[Real(1_706_659_200.0), Null, Real(-86_400.0)]);
    assert_column(Arc::new(Date64Array::from(vec![1_706_659_200_000])), "TEXT", &[text("2024-01-31")]);
}

#[test]
fn times_are_text_or_units_since_midnight() {
    let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![66_600_000_000, 1]));
    assert_column(times.clone(), "TEXT", &[text("18:30:00"), text("00:00:00.000001")]);
    assert_column_as("INTEGER", times, &[Integer(66_600_000_000), Integer(1)]);
    assert_column(Arc::new(Time32SecondArray::from(vec![86_399])), "TEXT", &[text("23:59:59")]);
}

#[test]
fn timestamps_are_text_or_units_since_1970() {
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(1_706_725_800), None]));
    assert_column(seconds.clone(), "TEXT", &[text("2024-01-31 18:30:00"), Null]);
    assert_column_as("INTEGER", seconds.clone(), &[Integer(1_706_725_800), Null]);
    assert_column_as("REAL", seconds.clone(), &[Real(1_706_725_800.0), Null]);
    assert_column_as("DATETIME", seconds, &[text("2024-01-31 18:30:00"), Null]);
    let millis: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1_706_725_800_250]));
    assert_column(millis.clone(), "TEXT", &[text("2024-01-31 18:30:00.250")]);
    assert_column_as("REAL", millis, &[Real(1_706_725_800.25)]);
    let nanos = TimestampNanosecondArray::from(vec![1]);
    assert_column(Arc::new(nanos), "TEXT", &[text("1970-01-01 00:00:00.000000001")]);
}

#[test]
fn timestamps_with_a_time_zone_are_in_utc() {
    for zone in ["UTC", "+05:30", "Europe/Berlin"] {
        let array = TimestampMicrosecondArray::from(vec![1_706_725_800_000_000]).with_timezone(zone);
        assert_column(Arc::new(array), "TEXT", &[text("2024-01-31 18:30:00+00:00")]);
    }
}

#[test]
fn durations_are_units_or_iso_8601_text() {
    let durations: ArrayRef = Arc::new(DurationMillisecondArray::from(vec![Some(90_500), None]));
    assert_column(durations.clone(), "INTEGER", &[Integer(90_500), Null]);
    assert_column_as("REAL", durations.clone(), &[Real(90.5), Null]);
    assert_column_as("TEXT", durations, &[text("PT90.500S"), Null]);
}

#[test]
fn intervals_are_iso_8601_text() {
    let months = IntervalYearMonthArray::from(vec![IntervalYearMonthType::make_value(1, 2)]);
    assert_column(Arc::new(months), "TEXT", &[text("P14M")]);
    let days = IntervalDayTimeArray::from(vec![IntervalDayTimeType::make_value(3, 4_500)]);
    assert_column(Arc::new(days), "TEXT", &[text("P3DT4.500S")]);
    let all = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNanoType::make_value(1, 2, 3)]);
    assert_column(Arc::new(all), "TEXT", &[text("P1M2DT0.000000003S")]);
}

#[test]
fn lists_are_json() {
    let lists = || vec![Some(vec![Some(1), None, Some(3)]), None, Some(vec![])];
    let expected = [text("[1,null,3]"), Null, text("[]")];
    assert_column(Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists())), "TEXT", &expected);
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists());
    assert_column(Arc::new(large), "TEXT", &expected);
    let pairs = vec![Some(vec![Some(1), Some(2)]), None];
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(pairs, 2);
    assert_column(Arc::new(fixed), "TEXT", &[text("[1,2]"), Null]);
}

#[test]
fn structs_are_json() {
    let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
    let members: Vec<(Arc<Field>, ArrayRef)> = vec![
        (field("a \"b\"", DataType::Utf8), Arc::new(StringArray::from(vec![Some("x\ny"), None]))),
        (field("x", DataType::Float64), Arc::new(Float64Array::from(vec![0.5, f64::NAN]))),
        (field("day", DataType::Date32), Arc::new(Date32Array::from(vec![0, 1]))),
    ];
    let first = text(r#"{"a \"b\"":"x\ny","x":0.5,"day":"1970-01-01"}"#);
    let second = text(r#"{"a \"b\"":null,"x":null,"day":"1970-01-02"}"#);
    assert_column(Arc::new(StructArray::from(members)), "TEXT", &[first, second]);
}

#[test]
fn maps_are_json() {
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    maps.keys().append_value("a");
    maps.values().append_value(1);
    maps.keys().append_value("b");
    maps.values().append_null();
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    maps.append(true).unwrap();
    assert_column(Arc::new(maps.finish()), "TEXT", &[text(r#"{"a":1,"b":null}"#), Null, text("{}")]);
    let mut numbers = MapBuilder::new(None, Int32Builder::new(), Int32Builder::new());
    numbers.keys().append_value(7);
    numbers.values().append_value(1);
    numbers.append(true).unwrap();
    assert_column(Arc::new(numbers.finish()), "TEXT", &[text(r#"{"7":1}"#)]);
}

#[test]
fn runs_are_their_values() {
    let (ends, values) =
        (Int32Array::from(vec![2, 3, 5]), StringArray::from(vec![Some("a"), None, Some("b")]));
    let runs = RunArray::<Int32Type>::try_new(&ends, &values).unwrap();
    assert_column(Arc::new(runs), "TEXT", &[text("a"), text("a"), Null, text("b"), text("b")]);
}
