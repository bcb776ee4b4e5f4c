//! How strongly operators bind in SQLite, from OR to signs (`lang_expr.html`, section 2).
//!
//! SQLite's parser and the one used here do not agree on all of it. So an operand counts as one only where SQLite would
//! take it for one too; where that is not so, SQLite gets the text.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

/// How strongly an operator binds.
pub(super) type Strength = u8;

const OR: Strength = 1;
const AND: Strength = 2;
pub(super) const NOT: Strength = 3;
pub(super) const EQUALITY: Strength = 4;
const ORDER: Strength = 5;
const BITS: Strength = 6;
const SUM: Strength = 7;
const PRODUCT: Strength = 8;
const JOIN: Strength = 9;
const COLLATE: Strength = 10;
pub(super) const SIGN: Strength = 11;
const WHOLE: Strength = 12;

/// How strongly the outermost operator of an expression binds; 0 for what is not known, which is never an operand.
pub(super) fn of(expr: &Expr) -> Strength {
    match expr {
        Expr::BinaryOp { op, .. } => of_binary(op),
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => NOT,
        Expr::UnaryOp { .. } => SIGN,
        Expr::Collate { .. } => COLLATE,
        Expr::Nested(_)
        | Expr::Value(_)
        | Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Function(_)
        | Expr::Case { .. }
        | Expr::Cast { .. } => WHOLE,
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

/// How strongly a binary operator binds; 0 for what is not known.
pub(super) fn of_binary(op: &BinaryOperator) -> Strength {
    match op {
        BinaryOperator::Or => OR,
        BinaryOperator::And => AND,
        BinaryOperator::Eq | BinaryOperator::NotEq | BinaryOperator::Glob => EQUALITY,
        BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq => ORDER,
        BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr => BITS,
        BinaryOperator::Plus | BinaryOperator::Minus => SUM,
        BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Modulo => PRODUCT,
        BinaryOperator::StringConcat => JOIN,
        _ => 0,
    }
}
