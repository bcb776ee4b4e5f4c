//! The values of any array, one by one.

use super::decimal;
use super::json;
use super::temporal::{Temporal, Zone, interval_text};
use crate::batch::{Arena, Value};
use crate::plan::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalYearMonthType, RunEndIndexType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RunArray};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

/// Returns the value of a row that is not null.
pub(super) type Getter<'a> = Box<dyn Fn(usize) -> Value<'a> + 'a>;

/// Milliseconds of a day.
const MILLIS_PER_DAY: i64 = 24 * 60 * 60 * 1_000;

/// Returns the values of `array` for a column of type `to`, except for nulls. NaN is NULL. A number that is too large for SQLite
/// is the text of that number.
pub(super) fn getter<'a>(array: &'a dyn Array, to: Type, arena: &'a Arena) -> Getter<'a> {
    use DataType as D;
    match array.data_type() {
        D::Null => Box::new(|_| Value::Null),
        D::Boolean => {
            let array = array.as_boolean();
            Box::new(|row| Value::Integer(array.value(row).into()))
        }
        D::Int8 => integers::<Int8Type>(array),
        D::Int16 => integers::<Int16Type>(array),
        D::Int32 => integers::<Int32Type>(array),
        D::Int64 => integers::<Int64Type>(array),
        D::UInt8 => integers::<UInt8Type>(array),
        D::UInt16 => integers::<UInt16Type>(array),
        D::UInt32 => integers::<UInt32Type>(array),
        D::UInt64 => primitive::<UInt64Type>(array, |integer| match i64::try_from(integer) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Text(arena.copy(itoa::Buffer::new().format(integer).as_bytes())),
        }),
        D::Float16 => primitive::<Float16Type>(array, |real| real_or_null(real.to_f64())),
        D::Float32 => primitive::<Float32Type>(array, |real| real_or_null(real.into())),
        D::Float64 => primitive::<Float64Type>(array, real_or_null),
        D::Decimal32(_, scale) => decimals::<Decimal32Type>(array, *scale, to, arena),
        D::Decimal64(_, scale) => decimals::<Decimal64Type>(array, *scale, to, arena),
        D::Decimal128(_, scale) => decimals::<Decimal128Type>(array, *scale, to, arena),
        D::Decimal256(_, scale) => decimals::<Decimal256Type>(array, *scale, to, arena),
        data_type if data_type.is_temporal() => temporal(array, to, arena),
        data_type if data_type.is_nested() => json_texts(array, arena),
        D::Dictionary(..) => dictionary(array, to, arena),
        D::RunEndEncoded(ends, _) => match ends.data_type() {
            D::Int16 => runs::<Int16Type>(array, to, arena),
            D::Int32 => runs::<Int32Type>(array, to, arena),
            _ => runs::<Int64Type>(array, to, arena),
        },
        _ => bytes(array),
    }
}

/// The strings and blobs of an array.
fn bytes(array: &dyn Array) -> Getter<'_> {
    use DataType as D;
    match array.data_type() {
        D::Utf8 => {
            let array = array.as_string::<i32>();
            Box::new(|row| Value::Text(array.value(row).as_bytes()))
        }
        D::LargeUtf8 => {
            let array = array.as_string::<i64>();
            Box::new(|row| Value::Text(array.value(row).as_bytes()))
        }
        D::Utf8View => {
            let array = array.as_string_view();
            Box::new(|row| Value::Text(array.value(row).as_bytes()))
        }
        D::Binary => {
            let array = array.as_binary::<i32>();
            Box::new(|row| Value::Blob(array.value(row)))
        }
        D::LargeBinary => {
            let array = array.as_binary::<i64>();
            Box::new(|row| Value::Blob(array.value(row)))
        }
        D::BinaryView => {
            let array = array.as_binary_view();
            Box::new(|row| Value::Blob(array.value(row)))
        }
        D::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary();
            Box::new(|row| Value::Blob(array.value(row)))
        }
        // A column of such a type is an error before anything is read.
        _ => Box::new(|_| Value::Null),
    }
}

fn real_or_null<'a>(real: f64) -> Value<'a> {
    if real.is_nan() { Value::Null } else { Value::Real(real) }
}

fn primitive<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    value: impl Fn(T::Native) -> Value<'a> + 'a,
) -> Getter<'a> {
    let values = array.as_primitive::<T>().values();
    Box::new(move |row| value(values[row]))
}

fn integers<'a, T: ArrowPrimitiveType<Native: Into<i64>>>(array: &'a dyn Array) -> Getter<'a> {
    primitive::<T>(array, |integer| Value::Integer(integer.into()))
}

fn decimals<'a, T: ArrowPrimitiveType<Native: ToString>>(
    array: &'a dyn Array,
    scale: i8,
    to: Type,
    arena: &'a Arena,
) -> Getter<'a> {
    primitive::<T>(array, move |mantissa| decimal::value(&mantissa.to_string(), scale, to, arena))
}

/// Dates, times, durations and intervals.
fn temporal<'a>(array: &'a dyn Array, to: Type, arena: &'a Arena) -> Getter<'a> {
    use DataType as D;
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    match array.data_type() {
        D::Date32 => units::<Date32Type>(array, Temporal::Date, to, arena),
        D::Date64 => primitive::<Date64Type>(array, move |millis| match millis % MILLIS_PER_DAY {
            0 => Temporal::Date.value(millis / MILLIS_PER_DAY, to, arena),
            _ => Temporal::Timestamp(Millisecond, Zone::None).value(millis, to, arena),
        }),
        D::Time32(Second) => units::<Time32SecondType>(array, Temporal::Time(Second), to, arena),
        D::Time32(_) => units::<Time32MillisecondType>(array, Temporal::Time(Millisecond), to, arena),
        D::Time64(Microsecond) => {
            units::<Time64MicrosecondType>(array, Temporal::Time(Microsecond), to, arena)
        }
        D::Time64(_) => units::<Time64NanosecondType>(array, Temporal::Time(Nanosecond), to, arena),
        D::Timestamp(unit, zone) => {
            let zone = if zone.is_some() { Zone::Utc } else { Zone::None };
            let timestamp = Temporal::Timestamp(*unit, zone);
            match unit {
                Second => units::<TimestampSecondType>(array, timestamp, to, arena),
                Millisecond => units::<TimestampMillisecondType>(array, timestamp, to, arena),
                Microsecond => units::<TimestampMicrosecondType>(array, timestamp, to, arena),
                Nanosecond => units::<TimestampNanosecondType>(array, timestamp, to, arena),
            }
        }
        D::Duration(unit) => {
            let duration = Temporal::Duration(*unit);
            match unit {
                Second => units::<DurationSecondType>(array, duration, to, arena),
                Millisecond => units::<DurationMillisecondType>(array, duration, to, arena),
                Microsecond => units::<DurationMicrosecondType>(array, duration, to, arena),
                Nanosecond => units::<DurationNanosecondType>(array, duration, to, arena),
            }
        }
        D::Interval(IntervalUnit::YearMonth) => primitive::<IntervalYearMonthType>(array, |months| {
            Value::Text(interval_text(months, 0, 0, arena))
        }),
        D::Interval(IntervalUnit::DayTime) => primitive::<IntervalDayTimeType>(array, |interval| {
            let nanos = i64::from(interval.milliseconds) * 1_000_000;
            Value::Text(interval_text(0, interval.days, nanos, arena))
        }),
        _ => primitive::<IntervalMonthDayNanoType>(array, |interval| {
            Value::Text(interval_text(interval.months, interval.days, interval.nanoseconds, arena))
        }),
    }
}

fn units<'a, T: ArrowPrimitiveType<Native: Into<i64>>>(
    array: &'a dyn Array,
    temporal: Temporal,
    to: Type,
    arena: &'a Arena,
) -> Getter<'a> {
    primitive::<T>(array, move |units| temporal.value(units.into(), to, arena))
}

/// Lists, structs and maps.
fn json_texts<'a>(array: &'a dyn Array, arena: &'a Arena) -> Getter<'a> {
    let push = json::pusher(array, arena);
    Box::new(move |row| {
        let mut text = Vec::new();
        push(row, &mut text);
        Value::Text(arena.copy(&text))
    })
}

fn dictionary<'a>(array: &'a dyn Array, to: Type, arena: &'a Arena) -> Getter<'a> {
    let dictionary = array.as_any_dictionary();
    if dictionary.values().is_empty() {
        return Box::new(|_| Value::Null);
    }
    let (keys, values) = (dictionary.normalized_keys(), dictionary.values());
    let value = getter(values, to, arena);
    Box::new(move |row| if values.is_null(keys[row]) { Value::Null } else { value(keys[row]) })
}

fn runs<'a, T: RunEndIndexType>(array: &'a dyn Array, to: Type, arena: &'a Arena) -> Getter<'a> {
    let Some(runs) = array.as_any().downcast_ref::<RunArray<T>>() else { return Box::new(|_| Value::Null) };
    let values = runs.values();
    let value = getter(values, to, arena);
    Box::new(move |row| {
        let at = runs.get_physical_index(row);
        if values.is_null(at) { Value::Null } else { value(at) }
    })
}
