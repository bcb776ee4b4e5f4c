//! Expressions as SQLite is to be given them, and what they can not be.
//!
//! Names are quoted as the parser understood them. What depends on the record and not on arguments, `uuid4()` or the
//! time, becomes a column of `input`, made once for each place where it stands.

use super::dialect::is_number;
use super::names::{Refused, column_of, hexadecimal, name_of, of_record};
use crate::plan::Expr;
use crate::schema::ddl::quote_name;
use sqlparser::ast::{
    self, DataType, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    Spanned, UnaryOperator, Value, VisitorMut,
};
use sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

/// Functions of several rows.
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

/// Functions that take texts, and are given the text of what is none.
const TEXT_FUNCTIONS: [&str; 4] = ["upper", "lower", "slug", "try_date"];

/// Makes of an expression what SQLite is to be given.
#[derive(Default)]
pub(super) struct Rewriter {
    /// The columns of `input` that the text names, and what is in them.
    pub(super) inputs: Vec<(String, Expr)>,
    /// The functions that it calls, and where.
    pub(super) functions: Vec<(String, Span)>,
}

impl VisitorMut for Rewriter {
    type Break = Refused;

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<Refused> {
        let reason = "a subquery sees more than one record".to_owned();
        ControlFlow::Break(Refused { reason, span: query.span() })
    }

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Refused> {
        let expr = &*expr;
        let refuse =
            |reason: &str| ControlFlow::Break(Refused { reason: reason.to_owned(), span: expr.span() });
        match expr {
            ast::Expr::In { target: ast::InTarget::Table { .. }, .. } => {
                return refuse("a subquery sees more than one record");
            }
            ast::Expr::Value(value) => match &value.value {
                Value::Placeholder(_) => return refuse("there is nothing to put in place of a parameter"),
                Value::HexStringLiteral(digits) if hexadecimal(value).is_none() => {
                    if is_number(digits, value.span) {
                        return refuse("this is no INTEGER of 64 bits");
                    } else if digits.len() % 2 != 0 {
                        return refuse("a BLOB has two digits for each byte");
                    }
                }
                _ => {}
            },
            ast::Expr::CompoundIdentifier(_) => return refuse("nothing of this name is selected from"),
            ast::Expr::Function(function) => {
                let span = function.span();
                if let Err(reason) = check_function(function) {
                    return ControlFlow::Break(Refused { reason, span });
                }
                self.functions.extend(name_of(function).map(|name| (name, span)));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> ControlFlow<Refused> {
        // Those that are doubled are printed as they are.
        if let Value::SingleQuotedString(text) = &mut value.value {
            *text = text.replace('\'', "''");
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Refused> {
        let column = column_of(expr).map(str::to_owned);
        if let Some(name) = column {
            *expr = self.input(name.clone(), Expr::Field(name));
            return ControlFlow::Continue(());
        }
        match expr {
            ast::Expr::Value(value) => {
                if let Some(integer) = hexadecimal(value) {
                    value.value = Value::Number(integer.to_string(), false);
                    *expr = nested(expr.clone());
                }
            }
            // Two signs side by side are a comment.
            ast::Expr::UnaryOp { expr: of, .. } if matches!(**of, ast::Expr::UnaryOp { .. }) => {
                **of = nested((**of).clone());
            }
            ast::Expr::Function(function) => {
                let name = name_of(function).unwrap_or_default();
                if let Some(of_record) = of_record(&name) {
                    let start = function.span().start;
                    // Each one is another, and a name of its own keeps them apart.
                    let place = format!("{name}() at {}:{}", start.line, start.column);
                    *expr = self.value(place, of_record);
                } else if let Some(now) = reads_clock(&name) {
                    self.stop_clock(function, now);
                } else if TEXT_FUNCTIONS.contains(&name.as_str()) {
                    make_texts(function);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter {
    /// A column of `input`.
    fn input(&mut self, mut name: String, expr: Expr) -> ast::Expr {
        loop {
            let known = self.inputs.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
            let Some((known, of)) = known else {
                self.inputs.push((name.clone(), expr));
                break;
            };
            if *of == expr || matches!((of, &expr), (Expr::Field(_), Expr::Field(_))) {
                name.clone_from(known);
                break;
            }
            // A column that is called as what is none.
            name.push('\'');
        }
        // The parser prints what has no quotes as it is, and guesses which quotes in others are doubled already.
        ast::Expr::Identifier(Ident::new(quote_name(&name)))
    }

    /// A value that is not of a column, and so has no affinity: a sign takes that off.
    fn value(&mut self, name: String, expr: Expr) -> ast::Expr {
        let input = Box::new(self.input(name, expr));
        nested(ast::Expr::UnaryOp { op: UnaryOperator::Plus, expr: input })
    }

    /// Makes a call read the time at which the load began: in SQLite it is the same throughout a statement.
    fn stop_clock(&mut self, function: &mut Function, now: Clock) {
        let mut argument =
            || FunctionArg::Unnamed(FunctionArgExpr::Expr(self.value("now()".to_owned(), Expr::Now)));
        match (&mut function.args, now) {
            (args @ FunctionArguments::None, Clock::Keyword(name)) => {
                function.name = vec![Ident::new(name)].into();
                let (duplicate_treatment, clauses) = Default::default();
                let args_of_call = vec![argument()];
                *args = FunctionArguments::List(FunctionArgumentList {
                    duplicate_treatment,
                    args: args_of_call,
                    clauses,
                });
            }
            (FunctionArguments::List(list), Clock::Argument(at)) if list.args.len() == at => {
                list.args.push(argument());
            }
            // Where a time is missing this stands for one.
            (FunctionArguments::List(list), Clock::Argument(at))
                if is_text(&list.args[at.min(list.args.len() - 1)], &["subsec", "subsecond"]) =>
            {
                list.args.insert(at, argument());
            }
            (FunctionArguments::List(list), Clock::Argument(at)) => {
                list.args.iter_mut().skip(at).take(1).filter(|of| is_now(of)).for_each(|of| *of = argument());
            }
            (FunctionArguments::List(list), Clock::Both) => {
                list.args.iter_mut().filter(|of| is_now(of)).for_each(|of| *of = argument());
            }
            _ => {}
        }
    }
}

/// How a function reads the clock.
#[derive(Debug, Clone, Copy)]
enum Clock {
    /// It is a word, and as much as this function.
    Keyword(&'static str),
    /// Its argument with this number is a time, and missing that of the clock.
    Argument(usize),
    /// Its arguments are two times.
    Both,
}

/// How the function of this name reads the clock, if it does.
fn reads_clock(name: &str) -> Option<Clock> {
    Some(match name {
        "current_date" => Clock::Keyword("date"),
        "current_time" => Clock::Keyword("time"),
        "current_timestamp" => Clock::Keyword("datetime"),
        "date" | "time" | "datetime" | "julianday" | "unixepoch" => Clock::Argument(0),
        "strftime" => Clock::Argument(1),
        "timediff" => Clock::Both,
        _ => return None,
    })
}

fn is_now(argument: &FunctionArg) -> bool {
    is_text(argument, &["now"])
}

/// Whether an argument is one of these texts, in any case.
fn is_text(argument: &FunctionArg, texts: &[&str]) -> bool {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { return false };
    let mut expr = expr;
    while let ast::Expr::Nested(of) = expr {
        expr = of;
    }
    let ast::Expr::Value(value) = expr else { return false };
    matches!(&value.value, Value::SingleQuotedString(text) if texts.iter().any(|known| text.eq_ignore_ascii_case(known)))
}

fn nested(expr: ast::Expr) -> ast::Expr {
    ast::Expr::Nested(Box::new(expr))
}

/// Why a call is more than a value of one record.
fn check_function(function: &Function) -> Result<(), String> {
    let name = name_of(function).ok_or("there is no such function")?;
    let arguments = match &function.args {
        FunctionArguments::None => 0,
        FunctionArguments::Subquery(_) => return Err("a subquery sees more than one record".to_owned()),
        FunctionArguments::List(list) if list.duplicate_treatment.is_some() || !list.clauses.is_empty() => {
            return Err(format!("{name}() is called as a function of several rows"));
        }
        FunctionArguments::List(list) => list.args.len(),
    };
    let is_aggregate =
        AGGREGATES.contains(&name.as_str()) || matches!(name.as_str(), "min" | "max") && arguments == 1;
    if function.over.is_some() {
        Err(format!("{name}() OVER is a window function, which sees more than one record"))
    } else if is_aggregate || function.filter.is_some() || !function.within_group.is_empty() {
        Err(format!("{name}() is an aggregate, which sees more than one record"))
    } else if of_record(&name).is_some() && arguments > 0 {
        Err(format!("wrong number of arguments to function {name}()"))
    } else {
        Ok(())
    }
}

/// Makes texts of arguments that may be none.
fn make_texts(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    for argument in &mut list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(of)) = argument else { continue };
        let is_text = match of {
            ast::Expr::Identifier(_) => true,
            ast::Expr::Value(value) => matches!(value.value, Value::SingleQuotedString(_)),
            _ => false,
        };
        if !is_text {
            *of = ast::Expr::Cast {
                kind: ast::CastKind::Cast,
                expr: Box::new(of.clone()),
                data_type: DataType::Text,
                format: None,
            };
        }
    }
}
