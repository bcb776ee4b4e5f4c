//! Rewrites expressions for SQLite, and rejects those that a pipeline does not support.
//!
//! Names are quoted as the parser understood them. Functions without arguments that depend on the record, such as
//! `uuid4()`, and the current time become columns of `input`, computed once for each occurrence.

use super::dialect::is_hex_integer;
use super::names::{column_name, field_argument, function_name, hex_integer, record_function};
use super::unsupported::{ROW_BY_ROW, Unsupported};
use crate::eval::functions::is_date_format;
use crate::plan::Expr;
use crate::schema::ddl::quote_name;
use sqlparser::ast::{
    self, DataType, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    Spanned, UnaryOperator, Value, VisitorMut,
};
use sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

/// Aggregate functions, except `min` and `max`, which are aggregates only with one argument.
const AGGREGATES: [&str; 18] = [
    "avg",
    "count",
    "group_concat",
    "string_agg",
    "sum",
    "total",
    "median",
    "percentile",
    "percentile_cont",
    "percentile_disc",
    "json_group_array",
    "json_group_object",
    "jsonb_group_array",
    "jsonb_group_object",
    "array_agg",
    "stddev",
    "variance",
    "first_value",
];

/// Functions whose arguments are cast to TEXT.
const TEXT_FUNCTIONS: [&str; 5] = ["upper", "lower", "slug", "try_date", "hash64"];

/// Rewrites an expression for SQLite.
#[derive(Default)]
pub(super) struct Rewriter {
    /// The columns of `input` that the expression reads, each with its value.
    pub(super) inputs: Vec<(String, Expr)>,
    /// The positions of the columns whose fields are read, whatever the type of the column.
    field_spans: Vec<Span>,
    /// The functions that the expression calls, with their positions.
    pub(super) functions: Vec<(String, Span)>,
}

impl VisitorMut for Rewriter {
    type Break = Unsupported;

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<Unsupported> {
        ControlFlow::Break(Unsupported { reason: subquery_reason(), span: query.span() })
    }

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Unsupported> {
        let expr = &*expr;
        let unsupported = |reason: String| ControlFlow::Break(Unsupported { reason, span: expr.span() });
        match expr {
            ast::Expr::In { target: ast::InTarget::Table { .. }, .. } => {
                return unsupported(subquery_reason());
            }
            ast::Expr::Value(value) => match &value.value {
                Value::Placeholder(_) => {
                    return unsupported("parameters are not supported in a pipeline".to_owned());
                }
                Value::HexStringLiteral(digits) if hex_integer(value).is_none() => {
                    if is_hex_integer(digits, value.span) {
                        return unsupported(format!(
                            "the hexadecimal integer 0x{digits} has more than 64 bits"
                        ));
                    } else if digits.len() % 2 != 0 {
                        return unsupported(format!(
                            "the BLOB literal X'{digits}' has an odd number of digits"
                        ));
                    }
                }
                _ => {}
            },
            ast::Expr::CompoundIdentifier(_) => return unsupported(format!("no such column: {expr}")),
            ast::Expr::Function(function) => {
                let span = function.span();
                if let Err(reason) = check_function(function) {
                    return ControlFlow::Break(Unsupported { reason, span });
                }
                let name = function_name(function).unwrap_or_default();
                self.field_spans.extend(field_arguments(&name, function).map(Spanned::span));
                self.functions.push((name, span));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> ControlFlow<Unsupported> {
        // The parser prints quotes as they are, without doubling them.
        if let Value::SingleQuotedString(text) = &mut value.value {
            *text = text.replace('\'', "''");
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Unsupported> {
        let column = column_name(expr).map(str::to_owned);
        if let Some(name) = column {
            *expr = match self.field_spans.contains(&expr.span()) {
                true => self.input_column(format!("field {name}"), Expr::Field(name)),
                false => self.input_column(name.clone(), Expr::Column(name)),
            };
            return ControlFlow::Continue(());
        }
        match expr {
            ast::Expr::Value(value) => {
                if let Some(integer) = hex_integer(value) {
                    value.value = Value::Number(integer.to_string(), false);
                    *expr = nested(expr.clone());
                }
            }
            // Two adjacent minus signs would start a comment.
            ast::Expr::UnaryOp { expr: operand, .. } if matches!(**operand, ast::Expr::UnaryOp { .. }) => {
                **operand = nested((**operand).clone());
            }
            ast::Expr::Function(function) => {
                let name = function_name(function).unwrap_or_default();
                if let Some(value) = record_function(&name) {
                    let start = function.span().start;
                    // Each occurrence may have another value, so it gets a column of its own.
                    let column = format!("{name}() at {}:{}", start.line, start.column);
                    *expr = self.input_value(column, value);
                } else if let Some(time_use) = time_use(&name) {
                    self.fix_time(function, time_use);
                } else if TEXT_FUNCTIONS.contains(&name.as_str()) {
                    cast_arguments_to_text(&name, function);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter {
    /// Adds a column to `inputs`, unless it is there already, and returns a reference to it.
    fn input_column(&mut self, mut name: String, expr: Expr) -> ast::Expr {
        loop {
            let same_name = self.inputs.iter().find(|(other, _)| other.eq_ignore_ascii_case(&name));
            let Some((other, value)) = same_name else {
                self.inputs.push((name.clone(), expr));
                break;
            };
            let is_same_column = matches!(
                (value, &expr),
                (Expr::Field(_), Expr::Field(_)) | (Expr::Column(_), Expr::Column(_))
            );
            if *value == expr || is_same_column {
                name.clone_from(other);
                break;
            }
            // A field has the name of a generated column.
            name.push('\'');
        }
        // The parser prints a name without quote style as it is. With one, it guesses which quotes are already doubled.
        ast::Expr::Identifier(Ident::new(quote_name(&name)))
    }

    /// Adds a column for a value that is not a field. The unary plus removes the affinity of the column.
    fn input_value(&mut self, name: String, expr: Expr) -> ast::Expr {
        let column = Box::new(self.input_column(name, expr));
        nested(ast::Expr::UnaryOp { op: UnaryOperator::Plus, expr: column })
    }

    /// Makes a call use the start time of the load as the current time. (In SQLite, the current time is the same throughout
    /// a statement.)
    fn fix_time(&mut self, function: &mut Function, time_use: TimeUse) {
        let mut now =
            || FunctionArg::Unnamed(FunctionArgExpr::Expr(self.input_value("now()".to_owned(), Expr::Now)));
        match (&mut function.args, time_use) {
            (args @ FunctionArguments::None, TimeUse::Keyword(name)) => {
                function.name = vec![Ident::new(name)].into();
                let (duplicate_treatment, clauses) = Default::default();
                let call_args = vec![now()];
                *args = FunctionArguments::List(FunctionArgumentList {
                    duplicate_treatment,
                    args: call_args,
                    clauses,
                });
            }
            (FunctionArguments::List(list), TimeUse::Argument(at)) if list.args.len() == at => {
                list.args.push(now());
            }
            // As the first modifier, this is allowed without a time value, which is then the current time.
            (FunctionArguments::List(list), TimeUse::Argument(at))
                if list.args.get(at).is_some_and(|arg| is_text(arg, &["subsec", "subsecond"])) =>
            {
                list.args.insert(at, now());
            }
            (FunctionArguments::List(list), TimeUse::Argument(at)) => {
                list.args.iter_mut().skip(at).take(1).filter(|arg| is_now(arg)).for_each(|arg| *arg = now());
            }
            (FunctionArguments::List(list), TimeUse::AllArguments) => {
                list.args.iter_mut().filter(|arg| is_now(arg)).for_each(|arg| *arg = now());
            }
            _ => {}
        }
    }
}

/// How a function uses the current time.
#[derive(Debug, Clone, Copy)]
enum TimeUse {
    /// A keyword, equivalent to this function called without arguments.
    Keyword(&'static str),
    /// The argument at this index is a time value; if it is missing, the current time is used.
    Argument(usize),
    /// All arguments are time values.
    AllArguments,
}

/// How the function `name` uses the current time, if it does
/// ([Date And Time Functions](https://sqlite.org/lang_datefunc.html)).
fn time_use(name: &str) -> Option<TimeUse> {
    Some(match name {
        "current_date" => TimeUse::Keyword("date"),
        "current_time" => TimeUse::Keyword("time"),
        "current_timestamp" => TimeUse::Keyword("datetime"),
        "date" | "time" | "datetime" | "julianday" | "unixepoch" => TimeUse::Argument(0),
        "strftime" => TimeUse::Argument(1),
        "timediff" => TimeUse::AllArguments,
        _ => return None,
    })
}

/// The reason against a subquery.
fn subquery_reason() -> String {
    format!("a subquery is not supported in a pipeline: {ROW_BY_ROW}")
}

fn is_now(argument: &FunctionArg) -> bool {
    is_text(argument, &["now"])
}

/// True if an argument is one of these text literals, ignoring ASCII case.
fn is_text(argument: &FunctionArg, texts: &[&str]) -> bool {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { return false };
    let mut expr = expr;
    while let ast::Expr::Nested(inner) = expr {
        expr = inner;
    }
    let ast::Expr::Value(value) = expr else { return false };
    matches!(&value.value, Value::SingleQuotedString(text) if texts.iter().any(|known| text.eq_ignore_ascii_case(known)))
}

fn nested(expr: ast::Expr) -> ast::Expr {
    ast::Expr::Nested(Box::new(expr))
}

/// Checks that a call reads only one record.
fn check_function(function: &Function) -> Result<(), String> {
    let name = function_name(function).ok_or_else(|| format!("no such function: {}", function.name))?;
    let arguments = match &function.args {
        FunctionArguments::None => 0,
        FunctionArguments::Subquery(_) => return Err(subquery_reason()),
        FunctionArguments::List(list) if list.duplicate_treatment.is_some() || !list.clauses.is_empty() => {
            return Err(format!(
                "clauses such as DISTINCT and ORDER BY are not supported in the arguments of {name}()"
            ));
        }
        FunctionArguments::List(list) => list.args.len(),
    };
    let is_aggregate =
        AGGREGATES.contains(&name.as_str()) || matches!(name.as_str(), "min" | "max") && arguments == 1;
    if function.over.is_some() {
        Err(format!("{name}() OVER is a window function: {ROW_BY_ROW}"))
    } else if is_aggregate || function.filter.is_some() || !function.within_group.is_empty() {
        Err(format!("{name}() is an aggregate function: {ROW_BY_ROW}"))
    } else if record_function(&name).is_some() && arguments > 0 {
        Err(format!("wrong number of arguments to function {name}()"))
    } else if let ("try_date", Some(format)) = (name.as_str(), text_argument(function, 1))
        && !is_date_format(format)
    {
        Err(format!(
            "the format {format:?} of try_date() gives no date: it needs directives such as %Y-%m-%d"
        ))
    } else {
        Ok(())
    }
}

/// The argument at `index` of a call, if it is a text literal.
fn text_argument(function: &Function, index: usize) -> Option<&str> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.get(index)? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Value(value))) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The arguments of a call that are columns whose field the function `name` reads.
fn field_arguments<'f>(name: &str, function: &'f Function) -> impl Iterator<Item = &'f ast::Expr> {
    let arguments = match &function.args {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    arguments.iter().enumerate().filter_map(move |(index, argument)| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => field_argument(name, index, expr).map(|_| expr),
        _ => None,
    })
}

/// Casts the arguments of a call that may not be TEXT.
fn cast_arguments_to_text(name: &str, function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    for (index, argument) in list.args.iter_mut().enumerate() {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { continue };
        let is_literal =
            matches!(expr, ast::Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
        if !is_literal && field_argument(name, index, expr).is_none() {
            *expr = ast::Expr::Cast {
                kind: ast::CastKind::Cast,
                expr: Box::new(expr.clone()),
                data_type: DataType::Text,
                format: None,
            };
        }
    }
}
