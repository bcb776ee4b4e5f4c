//! SQL expressions to code that does the same.
//!
//! What an expression is depends on what binds how strongly, on the affinity of what is compared, and on the classes that
//! its values may be of. Where there is no code for it, or a doubt, there is nothing here, and SQLite evaluates it.

use super::names::{column_of, hexadecimal, name_of, of_record};
use super::precedence::{self, EQUALITY, NOT, SIGN, Strength};
use crate::eval::format_strings::{is_supported, parse_printf_piece, parse_strftime_piece};
use crate::plan::{ComparisonAffinity, Expr, Function};
use sqlparser::ast::{
    self, BinaryOperator, CastKind, FunctionArg, FunctionArgExpr, FunctionArguments, InTarget, UnaryOperator,
    Value,
};

/// Storage classes that a value may be of.
type Classes = u8;

const NULL: Classes = 1;
const INTEGER: Classes = 2;
const REAL: Classes = 4;
const TEXT: Classes = 8;
const BLOB: Classes = 16;

/// What [`Expr::Concat`] and [`Expr::Upper`] make of them is what SQLite does.
const PLAIN_TEXT: Classes = NULL | INTEGER | TEXT;
const NUMBER: Classes = NULL | INTEGER | REAL;
const TRUTH: Classes = NULL | INTEGER;

/// What SQLite's documentation calls the affinity of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExprAffinity {
    None,
    Text,
    Numeric,
}

/// An expression and what is known of its values.
#[derive(Debug, Clone)]
struct Compiled {
    expr: Expr,
    classes: Classes,
    affinity: ExprAffinity,
    /// Whether its values depend on more than the record.
    is_volatile: bool,
    /// How many expressions it is made of, with itself.
    size: usize,
}

/// What is twice in another, as `x` is in `x BETWEEN 1 AND 2`, is not larger: where such are nested, they double each time.
const MAX_TWICE: usize = 1_000;

impl Compiled {
    fn new(expr: Expr, classes: Classes) -> Self {
        Self { expr, classes, affinity: ExprAffinity::None, is_volatile: false, size: 1 }
    }

    fn call(function: Function, of: impl IntoIterator<Item = Self>, classes: Classes) -> Self {
        Self::of(of, classes, |of| Expr::Call(function, of))
    }

    fn of(
        of: impl IntoIterator<Item = Self>,
        classes: Classes,
        expr: impl FnOnce(Vec<Expr>) -> Expr,
    ) -> Self {
        let of: Vec<_> = of.into_iter().collect();
        let is_volatile = of.iter().any(|of| of.is_volatile);
        let size = of.iter().map(|of| of.size).sum::<usize>() + 1;
        Self { is_volatile, size, ..Self::new(expr(of.into_iter().map(|of| of.expr).collect()), classes) }
    }

    /// The same, if it is small enough to be part of another more than once.
    fn for_several(self) -> Option<Self> {
        (self.size <= MAX_TWICE).then_some(self)
    }
}

/// The code for an expression; nothing if it is left to SQLite.
pub(super) fn compile(expr: &ast::Expr) -> Option<Expr> {
    let Compiled { expr, is_volatile, .. } = compiled(expr)?;
    // What may be evaluated once more must be the same then.
    (!is_volatile || !has_calls(&expr)).then_some(expr)
}

/// Whether some chunks may be left to SQLite.
fn has_calls(expr: &Expr) -> bool {
    match expr {
        Expr::Call(..) => true,
        Expr::Upper(of) | Expr::TryInteger(of) => has_calls(of),
        Expr::Coalesce(of) | Expr::Concat(of) => of.iter().any(has_calls),
        _ => false,
    }
}

fn compiled(expr: &ast::Expr) -> Option<Compiled> {
    if let Some(name) = column_of(expr) {
        let field = Compiled::new(Expr::Field(name.to_owned()), TEXT | NULL);
        return Some(Compiled { affinity: ExprAffinity::Text, ..field });
    }
    match expr {
        // As IS TRUE it is another operator.
        ast::Expr::IsDistinctFrom(_, right) | ast::Expr::IsNotDistinctFrom(_, right) if is_boolean(right) => {
            None
        }
        ast::Expr::Nested(of) => compiled(of),
        ast::Expr::Value(value) => literal(value),
        ast::Expr::Function(function) => call(function),
        ast::Expr::BinaryOp { left, op, right } => binary(left, op, right),
        ast::Expr::UnaryOp { op, expr: of } => unary(*op, of),
        ast::Expr::IsNull(of) => postfix(Function::IsNull, of),
        ast::Expr::IsNotNull(of) => postfix(Function::NotNull, of),
        ast::Expr::IsTrue(of) => postfix(Function::IsTrue, of),
        ast::Expr::IsFalse(of) => postfix(Function::IsFalse, of),
        ast::Expr::IsNotTrue(of) => Some(not(postfix(Function::IsTrue, of)?)),
        ast::Expr::IsNotFalse(of) => Some(not(postfix(Function::IsFalse, of)?)),
        ast::Expr::IsDistinctFrom(left, right) => comparison(Function::IsNot, left, right, EQUALITY),
        ast::Expr::IsNotDistinctFrom(left, right) => comparison(Function::Is, left, right, EQUALITY),
        ast::Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
            let (text, pattern) = operands(expr, pattern, EQUALITY)?;
            Some(not_if(*negated, Compiled::call(Function::Like, [text, pattern], TRUTH)))
        }
        ast::Expr::In { expr, target: InTarget::List(list), negated, global: false } if !list.is_empty() => {
            let of = operand(expr, EQUALITY)?;
            let affinity = comparing(of.affinity, ExprAffinity::None);
            let others = list.iter().map(compiled).collect::<Option<Vec<_>>>()?;
            let all = [vec![of], others].concat();
            Some(not_if(*negated, Compiled::call(Function::In(affinity), all, TRUTH)))
        }
        ast::Expr::Between { expr, negated, low, high } => {
            let (of, low) = operands(expr, low, EQUALITY)?;
            let of = of.for_several()?;
            let high = operand(high, EQUALITY + 1)?;
            let low = compare(Function::GreaterOrEqual, of.clone(), low);
            let high = compare(Function::LessOrEqual, of, high);
            Some(not_if(*negated, Compiled::call(Function::And, [low, high], TRUTH)))
        }
        ast::Expr::Case { operand, conditions, else_result, .. } => {
            case(operand.as_deref(), conditions, else_result.as_deref())
        }
        ast::Expr::Cast { kind: CastKind::Cast, expr, data_type, format: None } => {
            cast(compiled(expr)?, &data_type.to_string().to_ascii_uppercase())
        }
        _ => None,
    }
}

fn is_boolean(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(of) => is_boolean(of),
        ast::Expr::Value(value) => matches!(value.value, Value::Boolean(_)),
        _ => false,
    }
}

/// An operand of an operator, if it binds strongly enough to be one.
fn operand(expr: &ast::Expr, least: Strength) -> Option<Compiled> {
    if precedence::of(expr) >= least { compiled(expr) } else { None }
}

/// The operands of an operator that binds so strongly, and from left to right.
fn operands(left: &ast::Expr, right: &ast::Expr, of: Strength) -> Option<(Compiled, Compiled)> {
    Some((operand(left, of)?, operand(right, of + 1)?))
}

fn postfix(function: Function, of: &ast::Expr) -> Option<Compiled> {
    Some(Compiled::call(function, [operand(of, EQUALITY)?], INTEGER))
}

fn not(of: Compiled) -> Compiled {
    Compiled::call(Function::Not, [of], TRUTH)
}

fn not_if(negated: bool, of: Compiled) -> Compiled {
    if negated { not(of) } else { of }
}

fn unary(op: UnaryOperator, of: &ast::Expr) -> Option<Compiled> {
    match (op, of) {
        // The least integer has no counterpart.
        (UnaryOperator::Minus, ast::Expr::Value(value)) if matches!(value.value, Value::Number(..)) => {
            let Value::Number(digits, false) = &value.value else { return None };
            number(&format!("-{digits}"))
        }
        (UnaryOperator::Not, of) => Some(not(operand(of, NOT)?)),
        (UnaryOperator::Plus, of) => Some(Compiled { affinity: ExprAffinity::None, ..operand(of, SIGN)? }),
        (UnaryOperator::Minus, of) => {
            let zero = Compiled::new(Expr::Integer(0), INTEGER);
            Some(Compiled::call(Function::Subtract, [zero, operand(of, SIGN)?], NUMBER))
        }
        _ => None,
    }
}

fn binary(left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Option<Compiled> {
    let strength = precedence::of_binary(op);
    let call = |function, classes| {
        let (left, right) = operands(left, right, strength)?;
        Some(Compiled::call(function, [left, right], classes))
    };
    match op {
        BinaryOperator::Plus => call(Function::Add, NUMBER),
        BinaryOperator::Minus => call(Function::Subtract, NUMBER),
        BinaryOperator::Multiply => call(Function::Multiply, NUMBER),
        BinaryOperator::Divide => call(Function::Divide, NUMBER),
        BinaryOperator::Modulo => call(Function::Remainder, NUMBER),
        BinaryOperator::And => call(Function::And, TRUTH),
        BinaryOperator::Or => call(Function::Or, TRUTH),
        BinaryOperator::Glob => call(Function::Glob, TRUTH),
        BinaryOperator::Eq => comparison(Function::Equal, left, right, strength),
        BinaryOperator::NotEq => comparison(Function::NotEqual, left, right, strength),
        BinaryOperator::Lt => comparison(Function::Less, left, right, strength),
        BinaryOperator::LtEq => comparison(Function::LessOrEqual, left, right, strength),
        BinaryOperator::Gt => comparison(Function::Greater, left, right, strength),
        BinaryOperator::GtEq => comparison(Function::GreaterOrEqual, left, right, strength),
        BinaryOperator::StringConcat => {
            let (left, right) = operands(left, right, strength)?;
            let classes = left.classes | right.classes;
            if classes & !PLAIN_TEXT != 0 {
                return None;
            }
            let parts = |expr| match expr {
                Expr::Concat(parts) => parts,
                other => vec![other],
            };
            let join = |of: Vec<Expr>| Expr::Concat(of.into_iter().flat_map(parts).collect());
            Some(Compiled::of([left, right], TEXT | classes & NULL, join))
        }
        _ => None,
    }
}

fn comparison(
    function: impl FnOnce(ComparisonAffinity) -> Function,
    left: &ast::Expr,
    right: &ast::Expr,
    strength: Strength,
) -> Option<Compiled> {
    let (left, right) = operands(left, right, strength)?;
    Some(compare(function, left, right))
}

fn compare(
    function: impl FnOnce(ComparisonAffinity) -> Function,
    left: Compiled,
    right: Compiled,
) -> Compiled {
    let affinity = comparing(left.affinity, right.affinity);
    Compiled::call(function(affinity), [left, right], TRUTH)
}

/// What becomes of two values of these affinities before they are compared (`sqlite3CompareAffinity`).
fn comparing(left: ExprAffinity, right: ExprAffinity) -> ComparisonAffinity {
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
    of: Option<&ast::Expr>,
    conditions: &[ast::CaseWhen],
    otherwise: Option<&ast::Expr>,
) -> Option<Compiled> {
    let of = match of {
        Some(of) => Some(compiled(of)?.for_several()?),
        None => None,
    };
    let mut arguments = Vec::new();
    for ast::CaseWhen { condition, result } in conditions {
        let condition = compiled(condition)?;
        arguments.push(match &of {
            Some(of) => compare(Function::Equal, of.clone(), condition),
            None => condition,
        });
        arguments.push(compiled(result)?);
    }
    arguments.push(otherwise.map_or(Some(Compiled::new(Expr::Null, NULL)), compiled)?);
    Some(choice(arguments))
}

/// Conditions, each with its value, and the value if none is true.
fn choice(arguments: Vec<Compiled>) -> Compiled {
    let values = arguments.iter().skip(1).step_by(2).chain(arguments.last());
    let classes = values.fold(0, |classes, value| classes | value.classes);
    Compiled::call(Function::Case, arguments, classes)
}

/// A value as one of the type with this name, by the rules for the affinity of a column.
fn cast(of: Compiled, name: &str) -> Option<Compiled> {
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
    let classes = class | of.classes & NULL;
    Some(Compiled { affinity, ..Compiled::call(function, [of], classes) })
}

fn literal(value: &ast::ValueWithSpan) -> Option<Compiled> {
    match &value.value {
        Value::SingleQuotedString(text) => Some(Compiled::new(Expr::Text(text.clone()), TEXT)),
        Value::Number(digits, false) => number(digits),
        Value::Null => Some(Compiled::new(Expr::Null, NULL)),
        Value::Boolean(is_true) => Some(Compiled::new(Expr::Integer((*is_true).into()), INTEGER)),
        Value::HexStringLiteral(_) => Some(Compiled::new(Expr::Integer(hexadecimal(value)?), INTEGER)),
        _ => None,
    }
}

/// A number as it is written.
fn number(digits: &str) -> Option<Compiled> {
    if let Ok(integer) = digits.parse() {
        return Some(Compiled::new(Expr::Integer(integer), INTEGER));
    }
    // These the two parsers of decimals can not read as different numbers.
    let is_short = digits.len() <= 15 && !digits.contains(['e', 'E', '_']) && digits.contains('.');
    let real = digits.parse().ok().filter(|real| is_short && *real != 0.0)?;
    Some(Compiled::new(Expr::Real(real), REAL))
}

fn call(function: &ast::Function) -> Option<Compiled> {
    let name = name_of(function)?;
    if let Some(expr) = of_record(&name) {
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
    apply(&name, arguments.collect::<Option<Vec<_>>>()?.into_iter())
}

/// A call of a function of these arguments.
fn apply<'e>(name: &str, arguments: impl Iterator<Item = &'e ast::Expr>) -> Option<Compiled> {
    let mut of = arguments.map(compiled).collect::<Option<Vec<_>>>()?;
    let all = of.iter().fold(0, |all, of| all | of.classes);
    let null = all & NULL;
    let has_format = |is_known: fn(&str) -> bool| matches!(&of[0].expr, Expr::Text(text) if is_known(text));
    let (function, classes) = match (name, of.len()) {
        ("upper", 1) if all & !PLAIN_TEXT == 0 => {
            return Some(Compiled::of(of, TEXT | null, |mut of| Expr::Upper(Box::new(of.remove(0)))));
        }
        ("try_integer", 1) => {
            return Some(Compiled::of(of, INTEGER | NULL, |mut of| Expr::TryInteger(Box::new(of.remove(0)))));
        }
        ("coalesce", 2..) | ("ifnull", 2) => {
            let never_null = of.iter().any(|of| of.classes & NULL == 0);
            let classes = if never_null { all & !NULL } else { all };
            return Some(Compiled::of(of, classes, Expr::Coalesce));
        }
        ("iif" | "if", 2..) => {
            if of.len() % 2 == 0 {
                of.push(Compiled::new(Expr::Null, NULL));
            }
            return Some(choice(of));
        }
        ("nullif", 2) => (Function::NullIf, of[0].classes | NULL),
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
    Some(Compiled::call(function, of, classes))
}
