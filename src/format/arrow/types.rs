//! The SQLite types of Arrow types.

use crate::plan::Type;
use crate::schema::input_column::DeclaredType;
use arrow_schema::DataType;

/// The largest number of decimal digits that always fit into 64 bits.
const MAX_INTEGER_DIGITS: i16 = 18;

/// The type of a column that holds values of this Arrow type.
pub(crate) fn declared_type(data_type: &DataType) -> DeclaredType {
    use DataType as D;
    match data_type {
        D::Null => DeclaredType::Null,
        D::Dictionary(_, values) => declared_type(values),
        D::RunEndEncoded(_, values) => declared_type(values.data_type()),
        data_type if is_supported(data_type) => DeclaredType::Of(natural_type(data_type)),
        data_type => DeclaredType::Unsupported(data_type.to_string()),
    }
}

/// The type of values of this Arrow type.
pub(super) fn natural_type(data_type: &DataType) -> Type {
    use DataType as D;
    match data_type {
        data_type if data_type.is_integer() => Type::Integer,
        D::Boolean | D::Duration(_) => Type::Integer,
        D::Float16 | D::Float32 | D::Float64 => Type::Real,
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => Type::Blob,
        D::Decimal32(precision, scale)
        | D::Decimal64(precision, scale)
        | D::Decimal128(precision, scale)
        | D::Decimal256(precision, scale)
            if *scale <= 0 && i16::from(*precision) - i16::from(*scale) <= MAX_INTEGER_DIGITS =>
        {
            Type::Integer
        }
        D::Dictionary(_, values) => natural_type(values),
        D::RunEndEncoded(_, values) => natural_type(values.data_type()),
        _ => Type::Text,
    }
}

/// True if the values have a counterpart in SQLite.
fn is_supported(data_type: &DataType) -> bool {
    use DataType as D;
    match data_type {
        D::Union(..) => false,
        D::List(field)
        | D::LargeList(field)
        | D::ListView(field)
        | D::LargeListView(field)
        | D::FixedSizeList(field, _)
        | D::Map(field, _)
        | D::RunEndEncoded(_, field) => is_supported(field.data_type()),
        D::Struct(fields) => fields.iter().all(|field| is_supported(field.data_type())),
        D::Dictionary(_, values) => is_supported(values),
        _ => true,
    }
}
