//! Names and literals in expressions.

use super::dialect::is_number;
use crate::plan::Expr;
use sqlparser::ast::{self, Function, Value};
use sqlparser::tokenizer::Span;

/// Why an expression can not be part of a pipeline, and where it stands.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) span: Span,
}

/// The function of this name that depends on the record and has no arguments.
pub(super) fn of_record(name: &str) -> Option<Expr> {
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

/// The name of a function as SQLite looks it up; nothing if it has several parts.
pub(super) fn name_of(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [part] => part.as_ident().map(|name| name.value.to_ascii_lowercase()),
        _ => None,
    }
}

/// The name of the column of `input` that an expression is, without what it is qualified with.
pub(super) fn column_of(expr: &ast::Expr) -> Option<&str> {
    match expr {
        ast::Expr::Identifier(name) => Some(&name.value),
        _ => None,
    }
}

/// The integer that a token like `0x1F` is, which the parser takes for a BLOB like `X'1F'`.
pub(super) fn hexadecimal(value: &ast::ValueWithSpan) -> Option<i64> {
    let Value::HexStringLiteral(digits) = &value.value else { return None };
    u64::from_str_radix(digits, 16).ok().filter(|_| is_number(digits, value.span)).map(u64::cast_signed)
}
