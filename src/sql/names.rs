//! Names and literals in expressions.

use super::dialect::is_hex_integer;
use crate::plan::Expr;
use sqlparser::ast::{self, Function, Value};

/// The function `name` if it takes no arguments and depends on the record, such as `record_number()` or `uuid7()`.
pub(super) fn record_function(name: &str) -> Option<Expr> {
    match name {
        "uuid4" => Some(Expr::Uuid4),
        "uuid7" => Some(Expr::Uuid7),
        "random" => Some(Expr::Random),
        "input_name" => Some(Expr::InputName),
        "record_number" => Some(Expr::RecordNumber),
        "line_number" => Some(Expr::LineNumber),
        _ => None,
    }
}

/// Functions of other databases and languages, and those to use instead.
const EQUIVALENTS: [(&str, &str); 24] = [
    ("strptime", "try_date"),
    ("str_to_date", "try_date"),
    ("to_date", "try_date"),
    ("to_timestamp", "try_date"),
    ("parse_date", "try_date"),
    ("date_parse", "try_date"),
    ("date_format", "strftime"),
    ("to_char", "strftime"),
    ("now", "datetime"),
    ("to_number", "try_real"),
    ("float", "try_real"),
    ("int", "try_integer"),
    ("to_integer", "try_integer"),
    ("ucase", "upper"),
    ("lcase", "lower"),
    ("len", "length"),
    ("left", "substr"),
    ("right", "substr"),
    ("mid", "substr"),
    ("nvl", "coalesce"),
    ("isnull", "ifnull"),
    ("strpos", "instr"),
    ("md5", "hash64"),
    ("slugify", "slug"),
];

/// A suggestion for a function that does not exist, to follow a message: the equivalent in SQLite, or one of `known` with a
/// similar name.
pub(super) fn suggestion(name: &str, known: &[String]) -> String {
    // There are many functions, with short names.
    const MIN_SIMILARITY: f64 = 0.85;
    let name = name.to_ascii_lowercase();
    let equivalent = EQUIVALENTS.iter().find(|(other, _)| *other == name);
    equivalent.map_or_else(
        || crate::error::nearest_above(MIN_SIMILARITY, &name, known),
        |(_, equivalent)| format!(" (did you mean {equivalent:?}?)"),
    )
}

/// The names of the functions that depend on the record.
pub(super) const RECORD_FUNCTIONS: [&str; 6] =
    ["uuid4", "uuid7", "random", "input_name", "record_number", "line_number"];

/// The lower-case name of a function; `None` if the name has several parts.
pub(super) fn function_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [part] => part.as_ident().map(|name| name.value.to_ascii_lowercase()),
        _ => None,
    }
}

/// The name of the column of `input` if `expr` is an unqualified column name.
pub(super) fn column_name(expr: &ast::Expr) -> Option<&str> {
    match expr {
        ast::Expr::Identifier(name) => Some(&name.value),
        _ => None,
    }
}

/// The name of the column of `input` if `expr` is only that, possibly in parentheses.
pub(super) fn plain_column(expr: &ast::Expr) -> Option<&str> {
    match expr {
        ast::Expr::Nested(inner) => plain_column(inner),
        expr => column_name(expr),
    }
}

/// The name of the column whose field the function `function` reads, if its argument number `index` is only a column. These
/// functions convert texts, so their values do not depend on the types of columns.
pub(super) fn field_argument<'e>(function: &str, index: usize, argument: &'e ast::Expr) -> Option<&'e str> {
    let reads_field = match function {
        "try_integer" | "try_real" | "try_date" => index == 0,
        "hash64" => true,
        _ => false,
    };
    plain_column(argument).filter(|_| reads_field)
}

/// The value of a hexadecimal integer like `0x1F`, which the parser reads as a BLOB literal like `X'1F'`.
pub(super) fn hex_integer(value: &ast::ValueWithSpan) -> Option<i64> {
    let Value::HexStringLiteral(digits) = &value.value else { return None };
    u64::from_str_radix(digits, 16).ok().filter(|_| is_hex_integer(digits, value.span)).map(u64::cast_signed)
}
