//! SQL expressions over the columns of `input` to those of a plan.

use crate::plan::Expr;
use sqlparser::ast::{self, BinaryOperator, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned, Value};
use sqlparser::tokenizer::Span;

/// Why an expression can not be part of a pipeline, and where it stands.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) span: Span,
}

/// What a scalar SQL expression over the columns of `input` is.
pub(crate) fn lower(expr: &ast::Expr) -> Result<Expr, Refused> {
    let boxed = |expr: &ast::Expr| lower(expr).map(Box::new);
    match expr {
        ast::Expr::Identifier(name) => Ok(Expr::Field(name.value.clone())),
        ast::Expr::Nested(of) => lower(of),
        ast::Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Ok(Expr::Text(text.clone())),
            Value::Number(digits, _) if digits.parse::<i64>().is_ok() => {
                Ok(Expr::Integer(digits.parse().unwrap_or_default()))
            }
            _ => Ok(Expr::Sqlite(expr.to_string())),
        },
        ast::Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
            let parts = |expr| match expr {
                Expr::Concat(parts) => parts,
                other => vec![other],
            };
            Ok(Expr::Concat([parts(lower(left)?), parts(lower(right)?)].concat()))
        }
        ast::Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let FunctionArguments::List(list) = &function.args else {
                return Err(Refused { reason: "it is no call".to_owned(), span: expr.span() });
            };
            let arguments: Vec<_> = list
                .args
                .iter()
                .filter_map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                    _ => None,
                })
                .collect();
            match (name.as_str(), arguments.as_slice()) {
                ("upper", [of]) => Ok(Expr::Upper(boxed(of)?)),
                ("try_integer", [of]) => Ok(Expr::TryInteger(boxed(of)?)),
                ("coalesce", of) => {
                    Ok(Expr::Coalesce(of.iter().map(|of| lower(of)).collect::<Result<_, _>>()?))
                }
                ("uuid4", []) => Ok(Expr::Uuid4),
                ("uuid7", []) => Ok(Expr::Uuid7),
                _ => Ok(Expr::Sqlite(expr.to_string())),
            }
        }
        _ => Ok(Expr::Sqlite(expr.to_string())),
    }
}
