//! SQL expressions over the columns of `input` to those of a plan.
//!
//! Each is kept as the text that SQLite is given, its names as the parser understood them, and, where there is code that
//! does the same, as that.

use super::compile::compile;
use super::names::Refused;
use super::rewrite::Rewriter;
use crate::eval::sqlite::{InputColumn, Session};
use crate::plan::{Expr, SqlExpr};
use sqlparser::ast::{self, Spanned, VisitMut};
use sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

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
    Ok(match compile(expr) {
        // It is what it is, and nothing is evaluated.
        Some(leaf) if !leaf.is_compound() => leaf,
        compiled => Expr::Sql(SqlExpr { text, inputs, compiled: compiled.map(Box::new) }),
    })
}

/// Where the function stands that a message is about.
fn named_in(message: &str, functions: &[(String, Span)]) -> Option<Span> {
    let words: Vec<_> = message.split(|char: char| char != '_' && !char.is_alphanumeric()).collect();
    let is_named = |(name, _): &&(String, Span)| words.contains(&name.as_str());
    functions.iter().find(is_named).map(|(_, span)| *span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::script::Script;

    fn lowered(sql: &str) -> Result<Expr, Refused> {
        let lowered = Script::read("x.sql", sql, |script| {
            script.whole().parse(|parser| parser.parse_expr()).map(|expr| lower(&expr))
        });
        lowered.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn text(sql: &str) -> String {
        match lowered(sql) {
            Ok(Expr::Sql(SqlExpr { text, .. })) => text,
            Ok(Expr::Field(name)) => format!("{name:?}"),
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn sqlite_is_given_the_names_that_were_understood() {
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
            ("lower(a)", r#"lower("a")"#),
            ("date('now', a)", r#"date((+"now()"), "a")"#),
            ("strftime('%Y')", r#"strftime('%Y', (+"now()"))"#),
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
    fn what_is_in_each_other_may_be_as_deep_as_sqlite_has_it() {
        // What stands before, behind and between them.
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
            lowered(&nested(400)).unwrap_or_else(|refused| panic!("{open} {close}: {refused:?}"));
            let error = Script::read("x.sql", &nested(3_000), |script| {
                script.whole().parse(|parser| parser.parse_expr())
            });
            let error = error.unwrap_err();
            assert!(error.to_string().contains("too deep"), "{open} {close}: {error}");
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
            ("other.a", "nothing of this name is selected from", 1),
            ("1 + uuid7(a)", "wrong number of arguments to function uuid7()", 5),
            ("1 + nosuch(a)", "no such function: nosuch", 5),
            ("1 + substr(a)", "wrong number of arguments to function substr()", 5),
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
