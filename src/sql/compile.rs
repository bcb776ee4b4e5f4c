//! Compiles SQL expressions to expressions of a plan with the same values.
//!
//! The result depends on operator precedence, on the affinity of compared operands, and on the storage classes that values
//! may have. An expression that cannot be compiled, or whose value in SQLite is in doubt, is left to SQLite.

use super::names::{column_name, function_name, hex_integer, record_function};
use super::precedence::{EQUALITY, NOT, Precedence, UNARY, binary_precedence, precedence};
use crate::eval::format_strings::{is_supported, parse_printf_piece, parse_strftime_piece};
use crate::plan::{ComparisonAffinity, Expr, Function};
use sqlparser::ast::{
    self, BinaryOperator, CastKind, FunctionArg, FunctionArgExpr, FunctionArguments, InTarget, UnaryOperator,
    Value,
};

/// A set of storage classes, one bit each.
type Classes = u8;

const NULL: Classes = 1;
const INTEGER: Classes = 2;
const REAL: Classes = 4;
const TEXT: Classes = 8;
const BLOB: Classes = 16;

/// Values that [`Expr::Concat`] and [`Expr::Upper`] convert to text as SQLite does.
const TEXT_CONVERTIBLE: Classes = NULL | INTEGER | TEXT;
const NUMBER: Classes = NULL | INTEGER | REAL;
const BOOLEAN: Classes = NULL | INTEGER;

/// The affinity of an expression ([Datatypes In SQLite](https://sqlite.org/datatype3.html), section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExprAffinity {
    None,
    Text,
    Numeric,
}

/// A compiled expression with the properties of its values.
#[derive(Debug, Clone)]
struct Compiled {
    expr: Expr,
    classes: Classes,
    affinity: ExprAffinity,
    /// True if the values depend on more than the record, as those of `random()` do.
    is_volatile: bool,
    /// The number of nodes of the expression tree.
    size: usize,
}

/// The largest size of an expression that is duplicated, like `x` in `x BETWEEN 1 AND 2`. Each level of nesting doubles it.
const MAX_DUPLICATED_SIZE: usize = 1_000;

impl Compiled {
    fn new(expr: Expr, classes: Classes) -> Self {
        Self { expr, classes, affinity: ExprAffinity::None, is_volatile: false, size: 1 }
    }

    fn call(function: Function, arguments: impl IntoIterator<Item = Self>, classes: Classes) -> Self {
        Self::combine(arguments, classes, |arguments| Expr::Call(function, arguments))
    }

    fn combine(
        operands: impl IntoIterator<Item = Self>,
        classes: Classes,
        build: impl FnOnce(Vec<Expr>) -> Expr,
    ) -> Self {
        let operands: Vec<_> = operands.into_iter().collect();
        let is_volatile = operands.iter().any(|operand| operand.is_volatile);
        let size = operands.iter().map(|operand| operand.size).sum::<usize>() + 1;
        let exprs = operands.into_iter().map(|operand| operand.expr).collect();
        Self { is_volatile, size, ..Self::new(build(exprs), classes) }
    }

    /// The same expression if it is small enough to be used more than once in another.
    fn duplicable(self) -> Option<Self> {
        (self.size <= MAX_DUPLICATED_SIZE).then_some(self)
    }
}

/// Compiles an expression; `None` if it is left to SQLite.
pub(super) fn compile(expr: &ast::Expr) -> Option<Expr> {
    let Compiled { expr, is_volatile, .. } = compile_expr(expr)?;
    // SQLite evaluates the whole expression again if a call does not cover a value, and must get the same values.
    (!is_volatile || !has_calls(&expr)).then_some(expr)
}

/// True if SQLite may have to evaluate the expression for some chunks.
fn has_calls(expr: &Expr) -> bool {
    match expr {
        Expr::Call(..) => true,
        Expr::Upper(expr) | Expr::TryInteger(expr) => has_calls(expr),
        Expr::Coalesce(exprs) | Expr::Concat(exprs) => exprs.iter().any(has_calls),
        _ => false,
    }
}

fn compile_expr(expr: &ast::Expr) -> Option<Compiled> {
    if let Some(name) = column_name(expr) {
        let field = Compiled::new(Expr::Field(name.to_owned()), TEXT | NULL);
        return Some(Compiled { affinity: ExprAffinity::Text, ..field });
    }
    match expr {
        // For SQLite `x IS (TRUE)` and `x IS NOT DISTINCT FROM TRUE` are the operator IS TRUE.
        ast::Expr::IsDistinctFrom(_, right) | ast::Expr::IsNotDistinctFrom(_, right) if is_boolean(right) => {
            None
        }
        ast::Expr::Nested(inner) => compile_expr(inner),
        ast::Expr::Value(value) => literal(value),
        ast::Expr::Function(function) => call(function),
        ast::Expr::BinaryOp { left, op, right } => binary(left, op, right),
        ast::Expr::UnaryOp { op, expr } => unary(*op, expr),
        ast::Expr::IsNull(operand) => postfix(Function::IsNull, operand),
        ast::Expr::IsNotNull(operand) => postfix(Function::NotNull, operand),
        ast::Expr::IsTrue(operand) => postfix(Function::IsTrue, operand),
        ast::Expr::IsFalse(operand) => postfix(Function::IsFalse, operand),
        ast::Expr::IsNotTrue(operand) => Some(not(postfix(Function::IsTrue, operand)?)),
        ast::Expr::IsNotFalse(operand) => Some(not(postfix(Function::IsFalse, operand)?)),
        ast::Expr::IsDistinctFrom(left, right) => comparison(Function::IsNot, left, right, EQUALITY),
        ast::Expr::IsNotDistinctFrom(left, right) => comparison(Function::Is, left, right, EQUALITY),
        ast::Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
            let (text, pattern) = operands(expr, pattern, EQUALITY)?;
            Some(negate_if(*negated, Compiled::call(Function::Like, [text, pattern], BOOLEAN)))
        }
        ast::Expr::In { expr, target: InTarget::List(list), negated, global: false } if !list.is_empty() => {
            let value = operand(expr, EQUALITY)?;
            let affinity = comparison_affinity(value.affinity, ExprAffinity::None);
            let list = list.iter().map(compile_expr).collect::<Option<Vec<_>>>()?;
            let arguments = [vec![value], list].concat();
            Some(negate_if(*negated, Compiled::call(Function::In(affinity), arguments, BOOLEAN)))
        }
        ast::Expr::Between { expr, negated, low, high } => {
            let (value, low) = operands(expr, low, EQUALITY)?;
            let value = value.duplicable()?;
            let high = operand(high, EQUALITY + 1)?;
            let low = compare(Function::GreaterOrEqual, value.clone(), low);
            let high = compare(Function::LessOrEqual, value, high);
            Some(negate_if(*negated, Compiled::call(Function::And, [low, high], BOOLEAN)))
        }
        ast::Expr::Case { operand, conditions, else_result, .. } => {
            case(operand.as_deref(), conditions, else_result.as_deref())
        }
        ast::Expr::Cast { kind: CastKind::Cast, expr, data_type, format: None } => {
            cast(compile_expr(expr)?, &data_type.to_string().to_ascii_uppercase())
        }
        _ => None,
    }
}

fn is_boolean(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(inner) => is_boolean(inner),
        ast::Expr::Value(value) => matches!(value.value, Value::Boolean(_)),
        _ => false,
    }
}

/// Compiles an operand, if its precedence is at least `min`.
fn operand(expr: &ast::Expr, min: Precedence) -> Option<Compiled> {
    if precedence(expr) >= min { compile_expr(expr) } else { None }
}

/// Compiles the operands of a left-associative binary operator.
fn operands(left: &ast::Expr, right: &ast::Expr, op_precedence: Precedence) -> Option<(Compiled, Compiled)> {
    Some((operand(left, op_precedence)?, operand(right, op_precedence + 1)?))
}

fn postfix(function: Function, expr: &ast::Expr) -> Option<Compiled> {
    Some(Compiled::call(function, [operand(expr, EQUALITY)?], INTEGER))
}

fn not(condition: Compiled) -> Compiled {
    Compiled::call(Function::Not, [condition], BOOLEAN)
}

fn negate_if(negated: bool, condition: Compiled) -> Compiled {
    if negated { not(condition) } else { condition }
}

fn unary(op: UnaryOperator, expr: &ast::Expr) -> Option<Compiled> {
    match (op, expr) {
        // The sign is part of the number: 9223372036854775808 is not an INTEGER, but -9223372036854775808 is.
        (UnaryOperator::Minus, ast::Expr::Value(value)) if matches!(value.value, Value::Number(..)) => {
            let Value::Number(digits, false) = &value.value else { return None };
            number(&format!("-{digits}"))
        }
        (UnaryOperator::Not, expr) => Some(not(operand(expr, NOT)?)),
        (UnaryOperator::Plus, expr) => {
            Some(Compiled { affinity: ExprAffinity::None, ..operand(expr, UNARY)? })
        }
        (UnaryOperator::Minus, expr) => {
            let zero = Compiled::new(Expr::Integer(0), INTEGER);
            Some(Compiled::call(Function::Subtract, [zero, operand(expr, UNARY)?], NUMBER))
        }
        _ => None,
    }
}

fn binary(left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Option<Compiled> {
    let op_precedence = binary_precedence(op);
    let call = |function, classes| {
        let (left, right) = operands(left, right, op_precedence)?;
        Some(Compiled::call(function, [left, right], classes))
    };
    match op {
        BinaryOperator::Plus => call(Function::Add, NUMBER),
        BinaryOperator::Minus => call(Function::Subtract, NUMBER),
        BinaryOperator::Multiply => call(Function::Multiply, NUMBER),
        BinaryOperator::Divide => call(Function::Divide, NUMBER),
        BinaryOperator::Modulo => call(Function::Remainder, NUMBER),
        BinaryOperator::And => call(Function::And, BOOLEAN),
        BinaryOperator::Or => call(Function::Or, BOOLEAN),
        BinaryOperator::Glob => call(Function::Glob, BOOLEAN),
        BinaryOperator::Eq => comparison(Function::Equal, left, right, op_precedence),
        BinaryOperator::NotEq => comparison(Function::NotEqual, left, right, op_precedence),
        BinaryOperator::Lt => comparison(Function::Less, left, right, op_precedence),
        BinaryOperator::LtEq => comparison(Function::LessOrEqual, left, right, op_precedence),
        BinaryOperator::Gt => comparison(Function::Greater, left, right, op_precedence),
        BinaryOperator::GtEq => comparison(Function::GreaterOrEqual, left, right, op_precedence),
        BinaryOperator::StringConcat => {
            let (left, right) = operands(left, right, op_precedence)?;
            let classes = left.classes | right.classes;
            if classes & !TEXT_CONVERTIBLE != 0 {
                return None;
            }
            let parts = |expr| match expr {
                Expr::Concat(parts) => parts,
                other => vec![other],
            };
            let concat = |exprs: Vec<Expr>| Expr::Concat(exprs.into_iter().flat_map(parts).collect());
            Some(Compiled::combine([left, right], TEXT | classes & NULL, concat))
        }
        _ => None,
    }
}

fn comparison(
    function: impl FnOnce(ComparisonAffinity) -> Function,
    left: &ast::Expr,
    right: &ast::Expr,
    op_precedence: Precedence,
) -> Option<Compiled> {
    let (left, right) = operands(left, right, op_precedence)?;
    Some(compare(function, left, right))
}

fn compare(
    function: impl FnOnce(ComparisonAffinity) -> Function,
    left: Compiled,
    right: Compiled,
) -> Compiled {
    let affinity = comparison_affinity(left.affinity, right.affinity);
    Compiled::call(function(affinity), [left, right], BOOLEAN)
}

/// The conversion before two operands with these affinities are compared (`sqlite3CompareAffinity`).
fn comparison_affinity(left: ExprAffinity, right: ExprAffinity) -> ComparisonAffinity {
    match (left, right) {
        (ExprAffinity::Numeric, _) | (_, ExprAffinity::Numeric) => ComparisonAffinity::Numeric,
        (ExprAffinity::Text, ExprAffinity::Text) | (ExprAffinity::None, ExprAffinity::None) => {
            ComparisonAffinity::None
        }
        (ExprAffinity::Text, ExprAffinity::None) | (ExprAffinity::None, ExprAffinity::Text) => {
            ComparisonAffinity::Text
        }
    }
}

fn case(
    base: Option<&ast::Expr>,
    conditions: &[ast::CaseWhen],
    else_result: Option<&ast::Expr>,
) -> Option<Compiled> {
    let base = match base {
        Some(base) => Some(compile_expr(base)?.duplicable()?),
        None => None,
    };
    let mut arguments = Vec::new();
    for ast::CaseWhen { condition, result } in conditions {
        let condition = compile_expr(condition)?;
        arguments.push(match &base {
            Some(base) => compare(Function::Equal, base.clone(), condition),
            None => condition,
        });
        arguments.push(compile_expr(result)?);
    }
    arguments.push(else_result.map_or(Some(Compiled::new(Expr::Null, NULL)), compile_expr)?);
    Some(case_call(arguments))
}

/// Builds a [`Function::Case`] from pairs of a condition and its value, and the value of ELSE.
fn case_call(arguments: Vec<Compiled>) -> Compiled {
    let values = arguments.iter().skip(1).step_by(2).chain(arguments.last());
    let classes = values.fold(0, |classes, value| classes | value.classes);
    Compiled::call(Function::Case, arguments, classes)
}

/// Casts to the type `name`, whose affinity follows the rules for declared types
/// ([Datatypes In SQLite](https://sqlite.org/datatype3.html), section 3.1).
fn cast(operand: Compiled, name: &str) -> Option<Compiled> {
    let has = |part: &str| name.contains(part);
    let (function, class, affinity) = if has("INT") {
        (Function::CastInteger, INTEGER, ExprAffinity::Numeric)
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        (Function::CastText, TEXT, ExprAffinity::Text)
    } else if !has("BLOB") && (has("REAL") || has("FLOA") || has("DOUB")) {
        (Function::CastReal, REAL, ExprAffinity::Numeric)
    } else {
        return None;
    };
    let classes = class | operand.classes & NULL;
    Some(Compiled { affinity, ..Compiled::call(function, [operand], classes) })
}

fn literal(value: &ast::ValueWithSpan) -> Option<Compiled> {
    match &value.value {
        Value::SingleQuotedString(text) => Some(Compiled::new(Expr::Text(text.clone()), TEXT)),
        Value::Number(digits, false) => number(digits),
        Value::Null => Some(Compiled::new(Expr::Null, NULL)),
        Value::Boolean(is_true) => Some(Compiled::new(Expr::Integer((*is_true).into()), INTEGER)),
        Value::HexStringLiteral(_) => Some(Compiled::new(Expr::Integer(hex_integer(value)?), INTEGER)),
        _ => None,
    }
}

/// Compiles a decimal number.
fn number(digits: &str) -> Option<Compiled> {
    if let Ok(integer) = digits.parse() {
        return Some(Compiled::new(Expr::Integer(integer), INTEGER));
    }
    // SQLite and Rust convert short decimals to the same double.
    let is_short = digits.len() <= 15 && !digits.contains(['e', 'E', '_']) && digits.contains('.');
    let real = digits.parse().ok().filter(|real| is_short && *real != 0.0)?;
    Some(Compiled::new(Expr::Real(real), REAL))
}

fn call(function: &ast::Function) -> Option<Compiled> {
    let name = function_name(function)?;
    if let Some(expr) = record_function(&name) {
        let is_volatile = matches!(expr, Expr::Uuid4 | Expr::Uuid7 | Expr::Random);
        let classes = match expr {
            Expr::Uuid4 | Expr::Uuid7 => BLOB,
            Expr::InputName => TEXT,
            _ => INTEGER,
        };
        return Some(Compiled { is_volatile, ..Compiled::new(expr, classes) });
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    compile_call(&name, arguments.collect::<Option<Vec<_>>>()?.into_iter())
}

/// Compiles a call of the function `name`.
fn compile_call<'e>(name: &str, arguments: impl Iterator<Item = &'e ast::Expr>) -> Option<Compiled> {
    let mut arguments = arguments.map(compile_expr).collect::<Option<Vec<_>>>()?;
    let all = arguments.iter().fold(0, |all, argument| all | argument.classes);
    let null = all & NULL;
    let has_format =
        |is_supported: fn(&str) -> bool| matches!(&arguments[0].expr, Expr::Text(text) if is_supported(text));
    let (function, classes) = match (name, arguments.len()) {
        ("upper", 1) if all & !TEXT_CONVERTIBLE == 0 => {
            return Some(Compiled::combine(arguments, TEXT | null, |mut exprs| {
                Expr::Upper(Box::new(exprs.remove(0)))
            }));
        }
        ("try_integer", 1) => {
            return Some(Compiled::combine(arguments, INTEGER | NULL, |mut exprs| {
                Expr::TryInteger(Box::new(exprs.remove(0)))
            }));
        }
        ("coalesce", 2..) | ("ifnull", 2) => {
            let never_null = arguments.iter().any(|argument| argument.classes & NULL == 0);
            let classes = if never_null { all & !NULL } else { all };
            return Some(Compiled::combine(arguments, classes, Expr::Coalesce));
        }
        ("iif" | "if", 2..) => {
            if arguments.len() % 2 == 0 {
                arguments.push(Compiled::new(Expr::Null, NULL));
            }
            return Some(case_call(arguments));
        }
        ("nullif", 2) => (Function::NullIf, arguments[0].classes | NULL),
        ("lower", 1) => (Function::Lower, TEXT | null),
        ("trim", 1 | 2) => (Function::Trim, TEXT | null),
        ("ltrim", 1 | 2) => (Function::TrimStart, TEXT | null),
        ("rtrim", 1 | 2) => (Function::TrimEnd, TEXT | null),
        ("substr" | "substring", 2 | 3) => (Function::Substr, TEXT | null),
        ("replace", 3) => (Function::Replace, all),
        ("instr", 2) => (Function::Instr, INTEGER | null),
        ("length", 1) => (Function::Length, INTEGER | null),
        ("abs", 1) => (Function::Abs, INTEGER | REAL | null),
        ("round", 1) => (Function::Round, REAL | null),
        ("min", 2..) => (Function::Min, all),
        ("max", 2..) => (Function::Max, all),
        ("hex", 1) => (Function::Hex, TEXT),
        ("typeof", 1) => (Function::TypeOf, TEXT),
        ("try_real", 1) => (Function::TryReal, REAL | NULL),
        ("try_date", 2) => (Function::TryDate, TEXT | NULL),
        ("date", 1) => (Function::Date, TEXT | NULL),
        ("time", 1) => (Function::Time, TEXT | NULL),
        ("datetime", 1) => (Function::DateTime, TEXT | NULL),
        ("strftime", 2) if has_format(|text| is_supported(text, parse_strftime_piece)) => {
            (Function::StrfTime, TEXT | NULL)
        }
        ("printf" | "format", 1..) if has_format(|text| is_supported(text, parse_printf_piece)) => {
            (Function::Printf, TEXT | NULL)
        }
        ("hash64", _) => (Function::Hash64, INTEGER),
        ("slug", 1) => (Function::Slug, TEXT | null),
        _ => return None,
    };
    Some(Compiled::call(function, arguments, classes))
}
