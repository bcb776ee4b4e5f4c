//! Compiles SQL expressions to expressions of a plan with the same values.
//!
//! Only the syntax is translated, with SQLite's precedence of operators. What depends on the types of columns (affinities, and
//! which values the compiled code covers) is decided when the program of an input is compiled, in `crate::eval`. An expression
//! that cannot be compiled is left to SQLite.

use super::names::{column_name, field_argument, function_name, hex_integer, record_function};
use super::precedence::{EQUALITY, NOT, Precedence, UNARY, binary_precedence, precedence};
use crate::eval::format_strings::{is_supported, parse_printf_piece, parse_strftime_piece};
use crate::plan::{Expr, Function};
use sqlparser::ast::{
    self, BinaryOperator, CastKind, FunctionArg, FunctionArgExpr, FunctionArguments, InTarget, UnaryOperator,
    Value,
};

/// A compiled expression with its properties.
#[derive(Debug, Clone)]
struct Compiled {
    expr: Expr,
    /// True if the values depend on more than the record, as those of `random()` do.
    is_volatile: bool,
    /// The number of nodes of the expression tree.
    size: usize,
}

/// The largest size of an expression that is duplicated, like `x` in `x BETWEEN 1 AND 2`. Each level of nesting doubles it.
const MAX_DUPLICATED_SIZE: usize = 1_000;

impl Compiled {
    fn new(expr: Expr) -> Self {
        Self { expr, is_volatile: false, size: 1 }
    }

    fn call(function: Function, arguments: impl IntoIterator<Item = Self>) -> Self {
        Self::combine(arguments, |arguments| Expr::Call(function, arguments))
    }

    fn combine(operands: impl IntoIterator<Item = Self>, build: impl FnOnce(Vec<Expr>) -> Expr) -> Self {
        let operands: Vec<_> = operands.into_iter().collect();
        let is_volatile = operands.iter().any(|operand| operand.is_volatile);
        let size = operands.iter().map(|operand| operand.size).sum::<usize>() + 1;
        let exprs = operands.into_iter().map(|operand| operand.expr).collect();
        Self { expr: build(exprs), is_volatile, size }
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
        return Some(Compiled::new(Expr::Column(name.to_owned())));
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
            Some(negate_if(*negated, Compiled::call(Function::Like, [text, pattern])))
        }
        ast::Expr::In { expr, target: InTarget::List(list), negated, global: false } if !list.is_empty() => {
            let value = operand(expr, EQUALITY)?;
            let list = list.iter().map(compile_expr).collect::<Option<Vec<_>>>()?;
            let arguments = [vec![value], list].concat();
            Some(negate_if(*negated, Compiled::call(Function::In, arguments)))
        }
        ast::Expr::Between { expr, negated, low, high } => {
            let (value, low) = operands(expr, low, EQUALITY)?;
            let value = value.duplicable()?;
            let high = operand(high, EQUALITY + 1)?;
            let low = Compiled::call(Function::GreaterOrEqual, [value.clone(), low]);
            let high = Compiled::call(Function::LessOrEqual, [value, high]);
            Some(negate_if(*negated, Compiled::call(Function::And, [low, high])))
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
    Some(Compiled::call(function, [operand(expr, EQUALITY)?]))
}

fn not(condition: Compiled) -> Compiled {
    Compiled::call(Function::Not, [condition])
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
        (UnaryOperator::Plus, expr) => Some(Compiled::call(Function::UnaryPlus, [operand(expr, UNARY)?])),
        (UnaryOperator::Minus, expr) => {
            let zero = Compiled::new(Expr::Integer(0));
            Some(Compiled::call(Function::Subtract, [zero, operand(expr, UNARY)?]))
        }
        _ => None,
    }
}

fn binary(left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Option<Compiled> {
    let op_precedence = binary_precedence(op);
    let call = |function| {
        let (left, right) = operands(left, right, op_precedence)?;
        Some(Compiled::call(function, [left, right]))
    };
    match op {
        BinaryOperator::Plus => call(Function::Add),
        BinaryOperator::Minus => call(Function::Subtract),
        BinaryOperator::Multiply => call(Function::Multiply),
        BinaryOperator::Divide => call(Function::Divide),
        BinaryOperator::Modulo => call(Function::Remainder),
        BinaryOperator::And => call(Function::And),
        BinaryOperator::Or => call(Function::Or),
        BinaryOperator::Glob => call(Function::Glob),
        BinaryOperator::Eq => comparison(Function::Equal, left, right, op_precedence),
        BinaryOperator::NotEq => comparison(Function::NotEqual, left, right, op_precedence),
        BinaryOperator::Lt => comparison(Function::Less, left, right, op_precedence),
        BinaryOperator::LtEq => comparison(Function::LessOrEqual, left, right, op_precedence),
        BinaryOperator::Gt => comparison(Function::Greater, left, right, op_precedence),
        BinaryOperator::GtEq => comparison(Function::GreaterOrEqual, left, right, op_precedence),
        BinaryOperator::StringConcat => {
            let (left, right) = operands(left, right, op_precedence)?;
            let parts = |expr| match expr {
                Expr::Concat(parts) => parts,
                other => vec![other],
            };
            let concat = |exprs: Vec<Expr>| Expr::Concat(exprs.into_iter().flat_map(parts).collect());
            Some(Compiled::combine([left, right], concat))
        }
        _ => None,
    }
}

fn comparison(
    function: Function,
    left: &ast::Expr,
    right: &ast::Expr,
    op_precedence: Precedence,
) -> Option<Compiled> {
    let (left, right) = operands(left, right, op_precedence)?;
    Some(Compiled::call(function, [left, right]))
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
            Some(base) => Compiled::call(Function::Equal, [base.clone(), condition]),
            None => condition,
        });
        arguments.push(compile_expr(result)?);
    }
    arguments.push(else_result.map_or(Some(Compiled::new(Expr::Null)), compile_expr)?);
    Some(case_call(arguments))
}

/// Builds a [`Function::Case`] from pairs of a condition and its value, and the value of ELSE.
fn case_call(arguments: Vec<Compiled>) -> Compiled {
    Compiled::call(Function::Case, arguments)
}

/// Casts to the type `name`, whose affinity follows the rules for declared types
/// ([Datatypes In SQLite](https://sqlite.org/datatype3.html), section 3.1).
fn cast(operand: Compiled, name: &str) -> Option<Compiled> {
    let has = |part: &str| name.contains(part);
    let function = if has("INT") {
        Function::CastInteger
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Function::CastText
    } else if !has("BLOB") && (has("REAL") || has("FLOA") || has("DOUB")) {
        Function::CastReal
    } else {
        return None;
    };
    Some(Compiled::call(function, [operand]))
}

fn literal(value: &ast::ValueWithSpan) -> Option<Compiled> {
    match &value.value {
        Value::SingleQuotedString(text) => Some(Compiled::new(Expr::Text(text.clone()))),
        Value::Number(digits, false) => number(digits),
        Value::Null => Some(Compiled::new(Expr::Null)),
        Value::Boolean(is_true) => Some(Compiled::new(Expr::Integer((*is_true).into()))),
        Value::HexStringLiteral(_) => Some(Compiled::new(Expr::Integer(hex_integer(value)?))),
        _ => None,
    }
}

/// Compiles a decimal number.
fn number(digits: &str) -> Option<Compiled> {
    if let Ok(integer) = digits.parse() {
        return Some(Compiled::new(Expr::Integer(integer)));
    }
    // SQLite and Rust convert short decimals to the same double.
    let is_short = digits.len() <= 15 && !digits.contains(['e', 'E', '_']) && digits.contains('.');
    let real = digits.parse().ok().filter(|real| is_short && *real != 0.0)?;
    Some(Compiled::new(Expr::Real(real)))
}

fn call(function: &ast::Function) -> Option<Compiled> {
    let name = function_name(function)?;
    if let Some(expr) = record_function(&name) {
        let is_volatile = matches!(expr, Expr::Uuid4 | Expr::Uuid7 | Expr::Random);
        return Some(Compiled { is_volatile, ..Compiled::new(expr) });
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
    let argument = |(index, expr): (usize, &ast::Expr)| match field_argument(name, index, expr) {
        Some(field) => Some(Compiled::new(Expr::Field(field.to_owned()))),
        None if name == "hash64" => Some(Compiled::call(Function::CastText, [compile_expr(expr)?])),
        None => compile_expr(expr),
    };
    let mut arguments = arguments.enumerate().map(argument).collect::<Option<Vec<_>>>()?;
    let has_format =
        |is_supported: fn(&str) -> bool| matches!(&arguments[0].expr, Expr::Text(text) if is_supported(text));
    let only = |mut exprs: Vec<Expr>| Box::new(exprs.remove(0));
    let function = match (name, arguments.len()) {
        ("upper", 1) => return Some(Compiled::combine(arguments, |exprs| Expr::Upper(only(exprs)))),
        ("try_integer", 1) => {
            return Some(Compiled::combine(arguments, |exprs| Expr::TryInteger(only(exprs))));
        }
        ("coalesce", 2..) | ("ifnull", 2) => return Some(Compiled::combine(arguments, Expr::Coalesce)),
        ("iif" | "if", 2..) => {
            if arguments.len() % 2 == 0 {
                arguments.push(Compiled::new(Expr::Null));
            }
            return Some(case_call(arguments));
        }
        ("nullif", 2) => Function::NullIf,
        ("lower", 1) => Function::Lower,
        ("trim", 1 | 2) => Function::Trim,
        ("ltrim", 1 | 2) => Function::TrimStart,
        ("rtrim", 1 | 2) => Function::TrimEnd,
        ("substr" | "substring", 2 | 3) => Function::Substr,
        ("replace", 3) => Function::Replace,
        ("instr", 2) => Function::Instr,
        ("length", 1) => Function::Length,
        ("abs", 1) => Function::Abs,
        ("round", 1) => Function::Round,
        ("min", 2..) => Function::Min,
        ("max", 2..) => Function::Max,
        ("hex", 1) => Function::Hex,
        ("typeof", 1) => Function::TypeOf,
        ("try_real", 1) => Function::TryReal,
        ("try_date", 2) => Function::TryDate,
        ("date", 1) => Function::Date,
        ("time", 1) => Function::Time,
        ("datetime", 1) => Function::DateTime,
        ("strftime", 2) if has_format(|text| is_supported(text, parse_strftime_piece)) => Function::StrfTime,
        ("printf" | "format", 1..) if has_format(|text| is_supported(text, parse_printf_piece)) => {
            Function::Printf
        }
        ("hash64", _) => Function::Hash64,
        ("slug", 1) => Function::Slug,
        _ => return None,
    };
    Some(Compiled::call(function, arguments))
}
