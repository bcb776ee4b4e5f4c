//! What is known about the values of an expression before they are computed: storage classes and affinity.

use super::compile::{Constant, Op};
use crate::plan::{Expr, Function, SqlExpr, Type};
use crate::types::ColumnAffinity;

/// A set of storage classes, one bit each.
pub(super) type Classes = u8;

const NULL: Classes = 1;
const INTEGER: Classes = 2;
const REAL: Classes = 4;
const TEXT: Classes = 8;
const BLOB: Classes = 16;

/// Values that [`Op::Concat`] and [`Op::Upper`] convert to text as SQLite does.
const TEXT_CONVERTIBLE: Classes = NULL | INTEGER | TEXT;
const BOOLEAN: Classes = NULL | INTEGER;

/// The affinity of an expression ([Datatypes In SQLite](https://sqlite.org/datatype3.html), section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExprAffinity {
    None,
    Text,
    Numeric,
}

/// How two values are converted before a comparison
/// ([Datatypes In SQLite](https://sqlite.org/datatype3.html), section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ComparisonAffinity {
    /// No conversion.
    None,
    /// A number that is compared with a text is converted to text.
    Text,
    /// A text that looks like a number is converted to one.
    Numeric,
}

impl ComparisonAffinity {
    /// The conversion before operands with these affinities are compared by `function` (`sqlite3CompareAffinity`).
    pub(super) fn of_call(function: Function, operands: &[ExprAffinity]) -> Self {
        use ExprAffinity as A;
        match (function, operands) {
            // The affinities of the items do not matter.
            (Function::In, [value, ..]) => match value {
                A::Numeric => Self::Numeric,
                A::Text => Self::Text,
                A::None => Self::None,
            },
            (
                Function::Equal
                | Function::NotEqual
                | Function::Less
                | Function::LessOrEqual
                | Function::Greater
                | Function::GreaterOrEqual
                | Function::Is
                | Function::IsNot,
                [left, right],
            ) => match (left, right) {
                (A::Numeric, _) | (_, A::Numeric) => Self::Numeric,
                (A::Text, A::Text) | (A::None, A::None) => Self::None,
                (A::Text, A::None) | (A::None, A::Text) => Self::Text,
            },
            _ => Self::None,
        }
    }
}

/// The affinity of the column of SQLite's table `input` that holds the values of `expr`.
pub(super) fn column_affinity(expr: &Expr) -> ColumnAffinity {
    match expr {
        Expr::Field(_) | Expr::Column(_) | Expr::FieldOrNull(_) | Expr::NullIf(..) => ColumnAffinity::Text,
        Expr::InSqlNotation { expr, .. } => column_affinity(expr),
        Expr::Value(_, to) | Expr::Typed { to, .. } => match to {
            Type::Integer => ColumnAffinity::Integer,
            Type::Real => ColumnAffinity::Real,
            Type::NumericAffinity | Type::ExactNumeric => ColumnAffinity::Numeric,
            Type::Text => ColumnAffinity::Text,
            Type::Blob => ColumnAffinity::Blob,
        },
        _ => ColumnAffinity::Blob,
    }
}

/// The affinity of a compiled expression.
pub(super) fn expr_affinity(expr: &Expr) -> ExprAffinity {
    match expr {
        Expr::Call(Function::CastInteger | Function::CastReal, _) => ExprAffinity::Numeric,
        Expr::Call(Function::CastText, _) => ExprAffinity::Text,
        Expr::Sql(SqlExpr { compiled: Some(compiled), .. }) => expr_affinity(compiled),
        expr => match column_affinity(expr) {
            ColumnAffinity::Blob => ExprAffinity::None,
            ColumnAffinity::Text => ExprAffinity::Text,
            ColumnAffinity::Numeric | ColumnAffinity::Integer | ColumnAffinity::Real => ExprAffinity::Numeric,
        },
    }
}

/// The storage classes that the values of an operation may have, from those of its operands; `None` if the operation does not
/// convert such operands as SQLite does.
pub(super) fn classes(op: &Op, operands: &[Classes]) -> Option<Classes> {
    let all = operands.iter().fold(0, |all, operand| all | operand);
    let first = operands.first().copied().unwrap_or_default();
    Some(match op {
        // A column that the input lacks is NULL.
        Op::Field(_) | Op::FieldOrNull(_) => TEXT | NULL,
        Op::Value(..) => NULL | INTEGER | REAL | TEXT | BLOB,
        Op::InputName => TEXT,
        Op::Constant(Constant::Null) => NULL,
        Op::Constant(Constant::Integer(_)) | Op::RecordNumber | Op::LineNumber | Op::Random(_) => INTEGER,
        Op::Constant(Constant::Real(_)) => REAL,
        Op::Constant(Constant::Text(_)) => TEXT,
        Op::Constant(Constant::Blob(_)) | Op::Uuid4(_) | Op::Uuid7(_) => BLOB,
        Op::NullIf(..) => first | NULL,
        Op::InSqlNotation(..) => first,
        Op::Typed(_, to, _) => {
            NULL | match to {
                // An INTEGER that may widen can be a REAL.
                Type::Integer => INTEGER | REAL,
                Type::Real => REAL,
                Type::Text => TEXT,
                Type::Blob => BLOB,
                Type::NumericAffinity | Type::ExactNumeric => INTEGER | REAL | TEXT,
            }
        }
        Op::Upper(_) | Op::Concat(_) if all & !TEXT_CONVERTIBLE != 0 => return None,
        Op::Upper(_) | Op::Concat(_) => TEXT | all & NULL,
        Op::TryInteger(_) => INTEGER | NULL,
        Op::Coalesce(_) if operands.iter().any(|operand| operand & NULL == 0) => all & !NULL,
        Op::Coalesce(_) => all,
        Op::Call(function, _, _) => call_classes(*function, operands),
    })
}

/// As [`classes`], for a call.
fn call_classes(function: Function, operands: &[Classes]) -> Classes {
    use Function as F;
    let all = operands.iter().fold(0, |all, operand| all | operand);
    let (first, null) = (operands.first().copied().unwrap_or_default(), all & NULL);
    match function {
        function if function.is_predicate() => BOOLEAN,
        F::UnaryPlus => first,
        F::Add | F::Subtract | F::Multiply | F::Divide | F::Remainder => NULL | INTEGER | REAL,
        F::Case => {
            let values = operands.iter().skip(1).step_by(2).chain(operands.last());
            values.fold(0, |classes, value| classes | value)
        }
        F::CastText | F::Lower | F::Trim | F::TrimStart | F::TrimEnd | F::Substr | F::Slug => TEXT | null,
        F::CastInteger | F::Instr | F::Length => INTEGER | null,
        F::CastReal | F::Round => REAL | null,
        F::Abs => INTEGER | REAL | null,
        F::NullIf => first | NULL,
        F::Replace | F::Min | F::Max => all,
        F::Hex | F::TypeOf => TEXT,
        F::TryReal => REAL | NULL,
        F::TryDate | F::Date | F::Time | F::DateTime | F::StrfTime | F::Printf => TEXT | NULL,
        F::Hash64 => INTEGER,
        _ => NULL | INTEGER | REAL | TEXT | BLOB,
    }
}
