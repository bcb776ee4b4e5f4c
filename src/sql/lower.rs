//! Lowers SQL expressions over the columns of `input` to expressions of a plan.
//!
//! The result holds the text for SQLite, with names quoted as the parser understood them, and the compiled expression if
//! there is an equivalent one.

use super::compile::compile;
use super::names::{RECORD_FUNCTIONS, suggestion};
use super::rewrite::Rewriter;
use super::unsupported::Unsupported;
use crate::eval::sqlite::{InputColumn, Session};
use crate::plan::{Expr, SqlExpr};
use sqlparser::ast::{self, Spanned, VisitMut};
use sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

/// Lowers a scalar SQL expression over the columns of `input`.
///
/// # Errors
/// If the expression reads more than one record, or SQLite rejects it.
pub(crate) fn lower(expr: &ast::Expr) -> Result<Expr, Unsupported> {
    let mut sqlite_expr = expr.clone();
    let mut rewriter = Rewriter::default();
    if let ControlFlow::Break(unsupported) = sqlite_expr.visit(&mut rewriter) {
        return Err(unsupported);
    }
    let (text, inputs) = (sqlite_expr.to_string(), rewriter.inputs);
    let columns = inputs.iter().map(|(name, expr)| InputColumn::new(name, expr));
    let checked = Session::open(&columns.collect::<Vec<_>>()).and_then(|session| {
        session.check(&text).map_err(|message| match message.strip_prefix("no such function: ") {
            Some(name) => {
                let known = session.functions().into_iter().chain(RECORD_FUNCTIONS.map(str::to_owned));
                let suggestion = suggestion(name, &known.collect::<Vec<_>>());
                format!("{message}{suggestion}")
            }
            None => message,
        })
    });
    if let Err(message) = checked {
        // The suggestion may name another function of the expression.
        let error = message.split(" (did you mean").next().unwrap_or_default();
        let span = function_span(error, &rewriter.functions).unwrap_or_else(|| expr.span());
        return Err(Unsupported { reason: message, span });
    }
    Ok(match compile(expr) {
        // A column, a literal or a record function needs no evaluation.
        Some(leaf) if !leaf.is_compound() => leaf,
        compiled => Expr::Sql(SqlExpr { text, inputs, compiled: compiled.map(Box::new) }),
    })
}

/// The position of the function that an error message names.
fn function_span(message: &str, functions: &[(String, Span)]) -> Option<Span> {
    let words: Vec<_> = message.split(|char: char| char != '_' && !char.is_alphanumeric()).collect();
    let is_named = |(name, _): &&(String, Span)| words.contains(&name.as_str());
    functions.iter().find(is_named).map(|(_, span)| *span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::script::Script;
    use crate::sql::unsupported::ROW_BY_ROW;

    fn lower_text(sql: &str) -> Result<Expr, Unsupported> {
        let lowered = Script::parse("x.sql", sql, |script| {
            script.whole().parse(|parser| parser.parse_expr()).map(|expr| lower(&expr))
        });
        lowered.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn text(sql: &str) -> String {
        match lower_text(sql) {
            Ok(Expr::Sql(SqlExpr { text, .. })) => text,
            Ok(Expr::Column(name)) => format!("{name:?}"),
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn text_for_sqlite_quotes_names_as_the_parser_understood_them() {
        let cases = [
            ("a", r#""a""#),
            ("[a b] || `c` || D", r#""a b" || "c" || "D""#),
            ("A = a", r#""A" = "A""#),
            ("0x1F + 1", "(31) + 1"),
            ("X'1F' || a", "X'1F' || \"a\""),
            ("- -5", "-(-5)"),
            ("'it''s' || a", "'it''s' || \"a\""),
            ("substr(a, 1, 2)", r#"substr("a", 1, 2)"#),
            ("record_number() + 1", r#"(+"record_number() at 1:1") + 1"#),
            ("upper(a + 1)", r#"upper(CAST("a" + 1 AS TEXT))"#),
            ("lower(a)", r#"lower(CAST("a" AS TEXT))"#),
            ("upper('a')", "upper('a')"),
            ("try_integer(a) + a", r#"try_integer("field a") + "a""#),
            ("try_real((a))", r#"try_real(("field a"))"#),
            ("try_date(a, b)", r#"try_date("field a", CAST("b" AS TEXT))"#),
            ("hash64(a, a || b)", r#"hash64("field a", CAST("a" || "b" AS TEXT))"#),
            ("hash64(a) || [field a]", r#"hash64("field a") || "field a'""#),
            ("date('now', a)", r#"date((+"now()"), "a")"#),
            ("strftime('%Y')", r#"strftime('%Y', (+"now()"))"#),
            ("1 + strftime()", "1 + strftime()"),
            ("unixepoch()", r#"unixepoch((+"now()"))"#),
            ("unixepoch('subsec')", r#"unixepoch((+"now()"), 'subsec')"#),
            ("julianday((('NOW')))", r#"julianday((+"now()"))"#),
            ("a ISNULL || a NOTNULL", r#"(("a" IS NULL) || "a" IS NOT NULL)"#),
            ("a NOT NULL < 1", r#"("a" IS NOT NULL) < 1"#),
            ("a IS NOT NULL < 1", r#""a" IS NOT NULL < 1"#),
            ("a = b NOT GLOB c = d", r#"(NOT "a" = "b" GLOB "c") = "d""#),
            ("~~a / 2", r#"~ (~ "a") / 2"#),
            ("0X1f || 'X1'", "(31) || 'X1'"),
            ("CAST(a AS UNSIGNED BIG INT)", r#"CAST("a" AS UNSIGNED BIG INT)"#),
            ("trim + 1", r#""trim" + 1"#),
            ("date(a, 'now')", r#"date("a", 'now')"#),
            ("'now' || current_date", r#"'now' || date((+"now()"))"#),
            ("datetime() || [now()]", r#"datetime((+"now()")) || "now()'""#),
            ("json_extract(a, '$.x')", r#"json_extract("a", '$.x')"#),
            ("a IS NOT NULL AND NOT b GLOB '*x'", r#""a" IS NOT NULL AND NOT "b" GLOB '*x'"#),
        ];
        for (sql, expected) in cases {
            assert_eq!(text(sql), expected, "{sql}");
        }
    }

    #[test]
    fn expression_depth_is_limited_as_in_sqlite() {
        // Text before and after the nested expression.
        let forms = [
            ("(", ")"),
            ("abs(", ")"),
            ("CASE WHEN 1 THEN ", " END"),
            ("- ", ""),
            ("NOT ", ""),
            ("", " || b"),
            ("", " ISNULL"),
            ("", " IN (1)"),
            ("", " COLLATE NOCASE = 1"),
            ("", " IS NOT NULL"),
            ("", " BETWEEN 1 AND 2"),
            ("", " LIKE 'x'"),
            ("", " IS DISTINCT FROM b"),
            ("", " NOT GLOB b"),
            ("", " -> 'b'"),
            ("(", " OR b)"),
        ];
        for (open, close) in forms {
            let nested = |depth: usize| format!("{}a{}", open.repeat(depth), close.repeat(depth));
            lower_text(&nested(400)).unwrap_or_else(|error| panic!("{open} {close}: {error:?}"));
            let error = Script::parse("x.sql", &nested(3_000), |script| {
                script.whole().parse(|parser| parser.parse_expr())
            });
            let error = error.unwrap_err();
            assert!(error.to_string().contains("too deep"), "{open} {close}: {error}");
        }
    }

    #[test]
    fn unsupported_expressions_are_reported_with_reason_and_position() {
        let row_by_row = |reason: &str| format!("{reason}: {ROW_BY_ROW}");
        let subquery = || row_by_row("a subquery is not supported in a pipeline");
        let cases = [
            ("1 + count(*)", row_by_row("count() is an aggregate function"), 5),
            ("max(a)", row_by_row("max() is an aggregate function"), 1),
            ("a || sum(b) OVER ()", row_by_row("sum() OVER is a window function"), 6),
            ("(SELECT 1)", subquery(), 2),
            ("a IN (SELECT b FROM input)", subquery(), 7),
            ("a IN other", subquery(), 1),
            ("EXISTS (SELECT 1)", subquery(), 9),
            ("a + ?", "parameters are not supported in a pipeline".to_owned(), 5),
            ("other.a", "no such column: other.a".to_owned(), 1),
            ("1 + uuid7(a)", "wrong number of arguments to function uuid7()".to_owned(), 5),
            ("1 + nosuch(a)", "no such function: nosuch".to_owned(), 5),
            (
                "1 + strptime(a, '%Y')",
                "no such function: strptime (did you mean \"try_date\"?)".to_owned(),
                5,
            ),
            ("try_intger(a)", "no such function: try_intger (did you mean \"try_integer\"?)".to_owned(), 1),
            ("uuid_7()", "no such function: uuid_7 (did you mean \"uuid7\"?)".to_owned(), 1),
            (
                "1 + try_date(a, 'YYYY')",
                "the format \"YYYY\" of try_date() gives no date: it needs directives such as %Y-%m-%d"
                    .to_owned(),
                5,
            ),
            ("1 + substr(a)", "wrong number of arguments to function substr()".to_owned(), 5),
            ("1 + instr(a)", "wrong number of arguments to function instr()".to_owned(), 5),
            ("group_concat(a, ',')", row_by_row("group_concat() is an aggregate function"), 1),
            ("1 + row_number()", "misuse of window function row_number()".to_owned(), 5),
        ];
        for (sql, reason, column) in cases {
            let error = lower_text(sql).unwrap_err();
            assert_eq!((error.reason, error.span.start.column), (reason, column), "{sql}");
        }
    }
}
