//! Columns of arrays as columns of values.

use super::scalar::getter;
use super::types::natural_type;
use crate::batch::{
    Arena, MAX_STRINGS_BYTES, Span, Strings, StringsBuilder, Value, Values, copy_text, null_where,
};
use crate::plan::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, ByteArrayType, ByteViewType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_array::{Array, GenericByteArray, GenericByteViewArray, OffsetSizeTrait};
use arrow_schema::DataType;

/// The values of `array` for a column of the type that it has by itself.
pub(crate) fn natural_values<'a>(array: &'a dyn Array, arena: &'a Arena) -> Values<'a> {
    values(array, natural_type(array.data_type()), arena)
}

/// The values of `array` for a column of type `to`: slices of the array where its layout allows it, otherwise in `arena`.
pub(super) fn values<'a>(array: &'a dyn Array, to: Type, arena: &'a Arena) -> Values<'a> {
    use DataType as D;
    if array.data_type() == &D::Null {
        return Values::Constant(Value::Null);
    }
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    // The bytes of other layouts mean nothing where a value is null.
    let is_plain = !matches!(array.data_type(), D::Utf8View | D::BinaryView | D::Dictionary(..));
    if (nulls.is_none() || is_plain)
        && let Some(values) = without_nulls(array, arena)
    {
        return match nulls {
            None => values,
            Some(nulls) => null_where(values, |row| nulls.is_null(row), array.len(), arena),
        };
    }
    let get = getter(array, to, arena);
    let rows = 0..array.len();
    Values::Mixed(match nulls {
        None => arena.list(rows.map(get)),
        Some(nulls) => arena.list(rows.map(|row| if nulls.is_null(row) { Value::Null } else { get(row) })),
    })
}

/// The values of an array of a common type, with any value where it has a null; `None` for other arrays.
fn without_nulls<'a>(array: &'a dyn Array, arena: &'a Arena) -> Option<Values<'a>> {
    use DataType as D;
    Some(match array.data_type() {
        D::Boolean => {
            let values = array.as_boolean();
            Values::Integers(arena.list((0..values.len()).map(|row| values.value(row).into())))
        }
        D::Int8 => integers::<Int8Type>(array, arena),
        D::Int16 => integers::<Int16Type>(array, arena),
        D::Int32 => integers::<Int32Type>(array, arena),
        D::Int64 => Values::Integers(array.as_primitive::<Int64Type>().values()),
        D::UInt8 => integers::<UInt8Type>(array, arena),
        D::UInt16 => integers::<UInt16Type>(array, arena),
        D::UInt32 => integers::<UInt32Type>(array, arena),
        D::Float32 => {
            let reals = array.as_primitive::<Float32Type>().values();
            let has_nan = reals.iter().any(|real| real.is_nan());
            return (!has_nan).then(|| Values::Reals(arena.list(reals.iter().map(|real| f64::from(*real)))));
        }
        D::Float64 => {
            let reals = array.as_primitive::<Float64Type>().values();
            let has_nan = reals.iter().any(|real| real.is_nan());
            return (!has_nan).then_some(Values::Reals(reals));
        }
        D::Utf8 => Values::Texts(strings(array.as_string::<i32>(), arena)?),
        D::LargeUtf8 => Values::Texts(strings(array.as_string::<i64>(), arena)?),
        D::Utf8View => Values::Texts(views(array.as_string_view(), arena)?),
        D::BinaryView => Values::Blobs(views(array.as_binary_view(), arena)?),
        D::Binary => Values::Blobs(strings(array.as_binary::<i32>(), arena)?),
        D::LargeBinary => Values::Blobs(strings(array.as_binary::<i64>(), arena)?),
        D::Dictionary(_, values) if **values == D::Utf8 => Values::Texts(dictionary(array, arena)?),
        _ => return None,
    })
}

fn integers<'a, T: ArrowPrimitiveType<Native: Into<i64>>>(
    array: &'a dyn Array,
    arena: &'a Arena,
) -> Values<'a> {
    let values = array.as_primitive::<T>().values();
    Values::Integers(arena.list(values.iter().map(|integer| (*integer).into())))
}

/// The strings of an array as spans of its bytes; `None` if they extend too far for spans.
fn strings<'a, T: ByteArrayType<Offset = O>, O: OffsetSizeTrait>(
    array: &'a GenericByteArray<T>,
    arena: &'a Arena,
) -> Option<Strings<'a>> {
    let offsets = array.value_offsets();
    let start = offsets.first()?.as_usize();
    let last = offsets.last()?.as_usize() - start;
    u32::try_from(last).ok()?;
    // Bytes behind the last string let it be copied faster.
    let bytes = &array.value_data()[start..];
    let offset = |offset: &O| (offset.as_usize() - start) as u32;
    let spans =
        arena.list(offsets.windows(2).map(|ends| Span { start: offset(&ends[0]), end: offset(&ends[1]) }));
    Some(Strings { bytes, spans })
}

/// The strings of an array of views, which hold short strings themselves; `None` if the strings extend too far for spans.
///
/// Source: Arrow columnar format, "Variable-size Binary View Layout".
fn views<'a, T: ByteViewType + ?Sized>(
    array: &'a GenericByteViewArray<T>,
    arena: &'a Arena,
) -> Option<Strings<'a>> {
    const VIEW_BYTES: usize = size_of::<u128>();
    /// The bytes of a short string follow its length.
    const INLINE_START: usize = size_of::<u32>();
    const MAX_INLINE_BYTES: u32 = 12;
    let views = array.views();
    u32::try_from(views.len() * VIEW_BYTES).ok()?;
    if array.lengths().all(|length| length <= MAX_INLINE_BYTES) {
        let span = |(row, length)| {
            let start = (row * VIEW_BYTES + INLINE_START) as u32;
            Span { start, end: start + length }
        };
        return Some(Strings {
            bytes: views.inner(),
            spans: arena.list(array.lengths().enumerate().map(span)),
        });
    }
    let bytes = array.lengths().map(|length| length as usize).sum();
    if bytes > MAX_STRINGS_BYTES {
        return None;
    }
    let mut strings = StringsBuilder::new(array.len(), bytes, arena);
    for row in 0..array.len() {
        let value: &T::Native = array.value(row);
        strings.push(|to| copy_text(value.as_ref(), to));
    }
    Some(strings.finish())
}

/// The strings of an array with a dictionary, none of which is null.
fn dictionary<'a>(array: &'a dyn Array, arena: &'a Arena) -> Option<Strings<'a>> {
    let dictionary = array.as_any_dictionary();
    if dictionary.values().is_empty() {
        return None;
    }
    let Strings { bytes, spans } = strings(dictionary.values().as_string::<i32>(), arena)?;
    let keys = dictionary.normalized_keys();
    Some(Strings { bytes, spans: arena.list(keys.into_iter().map(|key| spans[key])) })
}
