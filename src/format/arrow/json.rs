//! Values as JSON: lists, structs and maps, and rejected records.
//!
//! Numbers keep all digits. Binary is hexadecimal digits. NaN and infinity, which JSON lacks, are null.

use super::scalar::getter;
use super::types::natural_type;
use crate::batch::{Arena, Value};
use crate::plan::Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, OffsetSizeTrait};
use arrow_schema::DataType;
use std::ops::Range;

/// Appends the JSON of a row.
pub(super) type Pusher<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

/// Appends the rows of `array` as JSON.
pub(super) fn pusher<'a>(array: &'a dyn Array, arena: &'a Arena) -> Pusher<'a> {
    let push = push_valid(array, arena);
    let nulls = array.logical_nulls();
    Box::new(move |row, json| match nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
        true => json.extend_from_slice(b"null"),
        false => push(row, json),
    })
}

/// As [`pusher`], for rows that are not null.
fn push_valid<'a>(array: &'a dyn Array, arena: &'a Arena) -> Pusher<'a> {
    use DataType as D;
    match array.data_type() {
        D::Boolean => {
            let array = array.as_boolean();
            Box::new(|row, json| json.extend_from_slice(if array.value(row) { b"true" } else { b"false" }))
        }
        D::List(_) => list::<i32>(array, arena),
        D::LargeList(_) => list::<i64>(array, arena),
        D::ListView(_) => list_view::<i32>(array, arena),
        D::LargeListView(_) => list_view::<i64>(array, arena),
        D::FixedSizeList(_, size) => {
            let (list, size) = (array.as_fixed_size_list(), usize::try_from(*size).unwrap_or_default());
            items(list.values(), move |row| row * size..(row + 1) * size, arena)
        }
        D::Struct(fields) => {
            let names = fields.iter().map(|field| field.name().as_str());
            object(names.zip(array.as_struct().columns()), arena)
        }
        D::Map(..) => map(array, arena),
        data_type => {
            let is_number = data_type.is_numeric();
            let value = getter(array, natural_type(data_type), arena);
            Box::new(move |row, json| push_value(value(row), is_number, json))
        }
    }
}

fn list<'a, O: OffsetSizeTrait>(array: &'a dyn Array, arena: &'a Arena) -> Pusher<'a> {
    let list = array.as_list::<O>();
    let offsets = list.value_offsets();
    items(list.values(), |row| offsets[row].as_usize()..offsets[row + 1].as_usize(), arena)
}

fn list_view<'a, O: OffsetSizeTrait>(array: &'a dyn Array, arena: &'a Arena) -> Pusher<'a> {
    let list = array.as_list_view::<O>();
    let (offsets, sizes) = (list.value_offsets(), list.value_sizes());
    let range = |row: usize| offsets[row].as_usize()..(offsets[row] + sizes[row]).as_usize();
    items(list.values(), range, arena)
}

/// The lists whose items are these ranges of `values`.
fn items<'a>(
    values: &'a ArrayRef,
    range: impl Fn(usize) -> Range<usize> + 'a,
    arena: &'a Arena,
) -> Pusher<'a> {
    let push = pusher(values, arena);
    Box::new(move |row, json| {
        json.push(b'[');
        push_separated(range(row), json, |at, json| push(at, json));
        json.push(b']');
    })
}

/// Objects with these members.
pub(super) fn object<'a>(
    members: impl Iterator<Item = (&'a str, &'a ArrayRef)>,
    arena: &'a Arena,
) -> Pusher<'a> {
    let member = |(name, array): (&str, &'a ArrayRef)| {
        let mut start = Vec::new();
        push_string(name.as_bytes(), &mut start);
        start.push(b':');
        (start, pusher(array, arena))
    };
    let members: Vec<_> = members.map(member).collect();
    Box::new(move |row, json| {
        json.push(b'{');
        push_separated(&members, json, |(start, push), json| {
            json.extend_from_slice(start);
            push(row, json);
        });
        json.push(b'}');
    })
}

/// Objects whose names are the keys of a map.
fn map<'a>(array: &'a dyn Array, arena: &'a Arena) -> Pusher<'a> {
    let map = array.as_map();
    let key = getter(map.keys(), Type::Text, arena);
    let push = pusher(map.values(), arena);
    let offsets = map.value_offsets();
    Box::new(move |row, json| {
        json.push(b'{');
        let entries = offsets[row] as usize..offsets[row + 1] as usize;
        push_separated(entries, json, |at, json| {
            match key(at) {
                // A name is a string.
                number @ (Value::Integer(_) | Value::Real(_)) => {
                    json.push(b'"');
                    push_value(number, true, json);
                    json.push(b'"');
                }
                other => push_value(other, false, json),
            }
            json.push(b':');
            push(at, json);
        });
        json.push(b'}');
    })
}

/// Appends items, separated by commas.
fn push_separated<T>(items: impl IntoIterator<Item = T>, json: &mut Vec<u8>, push: impl Fn(T, &mut Vec<u8>)) {
    for (number, item) in items.into_iter().enumerate() {
        if number > 0 {
            json.push(b',');
        }
        push(item, json);
    }
}

/// Appends a value. The text of a number has the digits of the number.
fn push_value(value: Value<'_>, is_number: bool, json: &mut Vec<u8>) {
    match value {
        Value::Integer(integer) => json.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes()),
        Value::Real(real) if real.is_finite() => json.extend_from_slice(format!("{real:?}").as_bytes()),
        Value::Null | Value::Real(_) => json.extend_from_slice(b"null"),
        Value::Text(text) if is_number => json.extend_from_slice(text),
        Value::Text(text) => push_string(text, json),
        Value::Blob(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            push_string(digits.as_bytes(), json);
        }
    }
}

fn push_string(text: &[u8], json: &mut Vec<u8>) {
    // A string can always be written to memory.
    let _ = serde_json::to_writer(json, &String::from_utf8_lossy(text));
}
