//! Operator precedence in SQLite ([SQL Language Expressions](https://sqlite.org/lang_expr.html), section 2).
//!
//! The parser does not agree with SQLite about every operator. An expression is compiled only if SQLite would parse its
//! operands in the same way; SQLite evaluates the text of all others.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

/// Precedence of an operator; a larger number binds more tightly.
pub(super) type Precedence = u8;

const OR: Precedence = 1;
const AND: Precedence = 2;
pub(super) const NOT: Precedence = 3;
pub(super) const EQUALITY: Precedence = 4;
const RELATIONAL: Precedence = 5;
const BITWISE: Precedence = 6;
const ADDITIVE: Precedence = 7;
const MULTIPLICATIVE: Precedence = 8;
const CONCAT: Precedence = 9;
const COLLATE: Precedence = 10;
pub(super) const UNARY: Precedence = 11;
/// Of expressions without an outer operator, such as literals and calls.
const PRIMARY: Precedence = 12;

/// Precedence of the outermost operator of an expression; 0 if it is unknown, so that the expression is never an operand.
pub(super) fn precedence(expr: &Expr) -> Precedence {
    match expr {
        Expr::BinaryOp { op, .. } => binary_precedence(op),
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => NOT,
        Expr::UnaryOp { .. } => UNARY,
        Expr::Collate { .. } => COLLATE,
        Expr::Nested(_)
        | Expr::Value(_)
        | Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Function(_)
        | Expr::Case { .. }
        | Expr::Cast { .. } => PRIMARY,
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::Like { .. }
        | Expr::In { .. }
        | Expr::Between { .. } => EQUALITY,
        _ => 0,
    }
}

/// Precedence of a binary operator; 0 if it is unknown.
pub(super) fn binary_precedence(op: &BinaryOperator) -> Precedence {
    match op {
        BinaryOperator::Or => OR,
        BinaryOperator::And => AND,
        BinaryOperator::Eq | BinaryOperator::NotEq | BinaryOperator::Glob => EQUALITY,
        BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq => RELATIONAL,
        BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr => BITWISE,
        BinaryOperator::Plus | BinaryOperator::Minus => ADDITIVE,
        BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Modulo => MULTIPLICATIVE,
        BinaryOperator::StringConcat => CONCAT,
        _ => 0,
    }
}
