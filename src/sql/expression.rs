//! SQL expressions over the columns of `input` to those of a plan.
//!
//! Each is kept as the text that SQLite is given, its names as the parser understood them, and, where there is code that
//! does the same, as that.

use super::compiled;
use crate::evaluate::{InputColumn, Session};
use crate::plan::{Expr, Sql};
use sqlparser::ast::{
    self, DataType, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned, UnaryOperator,
    Value, VisitMut, VisitorMut,
};
use sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

/// Why an expression can not be part of a pipeline, and where it stands.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) span: Span,
}

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

/// What a scalar SQL expression over the columns of `input` is.
///
/// # Errors
/// If it is more than a value of one record, or SQLite does not know it.
pub(crate) fn lower(expr: &ast::Expr) -> Result<Expr, Refused> {
    let mut for_sqlite = expr.clone();
    let mut rewriter = Rewriter::default();
    if let ControlFlow::Break(refused) = for_sqlite.visit(&mut rewriter) {
        return Err(refused);
    }
    let (text, inputs) = (for_sqlite.to_string(), rewriter.inputs);
    let columns = inputs.iter().map(|(name, expr)| {
        let is_text = matches!(expr, Expr::Field(_));
        InputColumn { name: name.clone(), is_text }
    });
    let checked = Session::open(&columns.collect::<Vec<_>>()).and_then(|session| session.check(&text));
    if let Err(message) = checked {
        let span = named_in(&message, &rewriter.functions).unwrap_or_else(|| expr.span());
        return Err(Refused { reason: message, span });
    }
    Ok(match compiled::compile(expr) {
        // It is what it is, and nothing is evaluated.
        Some(leaf) if !leaf.has_parts() => leaf,
        compiled => Expr::Sql(Sql { text, inputs, compiled: compiled.map(Box::new) }),
    })
}

/// Where the function stands that a message is about.
fn named_in(message: &str, functions: &[(String, Span)]) -> Option<Span> {
    let words: Vec<_> = message.split(|char: char| char != '_' && !char.is_alphanumeric()).collect();
    let is_named = |(name, _): &&(String, Span)| words.contains(&name.as_str());
    functions.iter().find(is_named).map(|(_, span)| *span)
}

/// The function of ours that a call is which depends on the record and not on arguments.
pub(super) fn of_record(name: &str, function: &Function) -> Option<Expr> {
    let is_empty = match &function.args {
        FunctionArguments::List(list) => list.args.is_empty() && list.clauses.is_empty(),
        _ => false,
    };
    match name {
        _ if !is_empty => None,
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

/// The name of the column of `input` that an expression is.
pub(super) fn column_of(expr: &ast::Expr) -> Option<&str> {
    match expr {
        ast::Expr::Identifier(name) => Some(&name.value),
        ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, name] if table.value.eq_ignore_ascii_case("input") => Some(&name.value),
            _ => None,
        },
        _ => None,
    }
}

/// The integer that a token like `0x1F` is, which the parser takes for a BLOB like `X'1F'`.
pub(super) fn hexadecimal(value: &ast::ValueWithSpan) -> Option<i64> {
    let Value::HexStringLiteral(digits) = &value.value else { return None };
    let columns = value.span.end.column.checked_sub(value.span.start.column)?;
    let is_integer = columns == digits.len() as u64 + "0x".len() as u64;
    u64::from_str_radix(digits, 16).ok().filter(|_| is_integer).map(u64::cast_signed)
}

/// Makes of an expression what SQLite is to be given.
#[derive(Default)]
struct Rewriter {
    inputs: Vec<(String, Expr)>,
    functions: Vec<(String, Span)>,
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
                Value::HexStringLiteral(digits) if digits.len() % 2 != 0 && hexadecimal(value).is_none() => {
                    return refuse("a BLOB has two digits for each byte");
                }
                _ => {}
            },
            ast::Expr::CompoundIdentifier(_) if column_of(expr).is_none() => {
                return refuse("there is no table but input");
            }
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
                if let Some(of_record) = of_record(&name, function) {
                    let start = function.span().start;
                    // Each one is another, and a name of its own keeps them apart.
                    let place = format!("{name}() at {}:{}", start.line, start.column);
                    let input = self.input(place, of_record);
                    // A sign takes the affinity of a column off.
                    let plus = ast::Expr::UnaryOp { op: UnaryOperator::Plus, expr: Box::new(input) };
                    *expr = nested(plus);
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
    fn input(&mut self, name: String, expr: Expr) -> ast::Expr {
        let known = self.inputs.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        let ident = Ident::with_quote('"', known.map_or(&name, |(known, _)| known));
        if known.is_none() {
            self.inputs.push((name, expr));
        }
        ast::Expr::Identifier(ident)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::dialect::SQLiteDialect;
    use sqlparser::parser::Parser;

    fn lowered(sql: &str) -> Result<Expr, Refused> {
        let mut parser = Parser::new(&SQLiteDialect {}).try_with_sql(sql).unwrap();
        lower(&parser.parse_expr().unwrap_or_else(|error| panic!("{sql}: {error}")))
    }

    fn text(sql: &str) -> String {
        match lowered(sql) {
            Ok(Expr::Sql(Sql { text, .. })) => text,
            Ok(Expr::Field(name)) => format!("{name:?}"),
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn sqlite_is_given_the_names_that_were_understood() {
        let cases = [
            ("a", r#""a""#),
            ("[a b] || `c` || input.D", r#""a b" || "c" || "D""#),
            ("A = a", r#""A" = "A""#),
            ("0x1F + 1", "(31) + 1"),
            ("X'1F' || a", "X'1F' || \"a\""),
            ("- -5", "-(-5)"),
            ("'it''s' || a", "'it''s' || \"a\""),
            ("substr(a, 1, 2)", r#"SUBSTR("a", 1, 2)"#),
            ("record_number() + 1", r#"(+"record_number() at 1:1") + 1"#),
            ("upper(a + 1)", r#"upper(CAST("a" + 1 AS TEXT))"#),
            ("lower(a)", r#"lower("a")"#),
            ("json_extract(a, '$.x')", r#"json_extract("a", '$.x')"#),
            ("a IS NOT NULL AND NOT b GLOB '*x'", r#""a" IS NOT NULL AND NOT "b" GLOB '*x'"#),
        ];
        for (sql, expected) in cases {
            assert_eq!(text(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_sees_more_than_a_record_is_refused_with_its_place() {
        let cases = [
            ("1 + count(*)", "count() is an aggregate, which sees more than one record", 5),
            ("max(a)", "max() is an aggregate, which sees more than one record", 1),
            ("a || sum(b) OVER ()", "sum() OVER is a window function, which sees more than one record", 6),
            ("(SELECT 1)", "a subquery sees more than one record", 2),
            ("a IN (SELECT b FROM input)", "a subquery sees more than one record", 7),
            ("a IN other", "a subquery sees more than one record", 1),
            ("EXISTS (SELECT 1)", "a subquery sees more than one record", 9),
            ("a + ?", "there is nothing to put in place of a parameter", 5),
            ("other.a", "there is no table but input", 1),
            ("1 + nosuch(a)", "no such function: nosuch", 5),
            ("1 + substr(a)", "wrong number of arguments to function SUBSTR()", 1),
            ("1 + instr(a)", "wrong number of arguments to function instr()", 5),
            ("group_concat(a, ',')", "group_concat() is an aggregate, which sees more than one record", 1),
            ("1 + row_number()", "misuse of window function row_number()", 5),
        ];
        for (sql, reason, column) in cases {
            let refused = lowered(sql).unwrap_err();
            assert_eq!((refused.reason.as_str(), refused.span.start.column), (reason, column), "{sql}");
        }
    }
}
