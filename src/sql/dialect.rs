//! SQL as SQLite reads it, where the parser's own idea of that differs.

use sqlparser::ast::{BinaryOperator, DataType, Expr, Ident, Statement, UnaryOperator};
use sqlparser::dialect::{Dialect, Precedence, SQLiteDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, TokenizerError};
use std::any::TypeId;
use std::iter;

type Parsed<T> = Result<T, ParserError>;

const OF_PARSER: SQLiteDialect = SQLiteDialect {};

/// How many expressions may be in each other, as SQLite has it (SQLITE_MAX_EXPR_DEPTH in "Limits In SQLite").
pub(super) const MAX_DEPTH: usize = 1000;

/// The operators that SQLite leaves to a function, and LIKE's kin.
const MATCHES: [(Keyword, BinaryOperator); 3] = [
    (Keyword::GLOB, BinaryOperator::Glob),
    (Keyword::MATCH, BinaryOperator::Match),
    (Keyword::REGEXP, BinaryOperator::Regexp),
];

/// The words that are more than names to SQLite (<https://sqlite.org/lang_keywords.html>), and its names for 1 and 0; sorted.
#[rustfmt::skip]
const KEYWORDS: [&str; 149] = [
    "ABORT", "ACTION", "ADD", "AFTER", "ALL", "ALTER", "ALWAYS", "ANALYZE", "AND", "AS", "ASC", "ATTACH",
    "AUTOINCREMENT", "BEFORE", "BEGIN", "BETWEEN", "BY", "CASCADE", "CASE", "CAST", "CHECK", "COLLATE",
    "COLUMN", "COMMIT", "CONFLICT", "CONSTRAINT", "CREATE", "CROSS", "CURRENT", "CURRENT_DATE",
    "CURRENT_TIME", "CURRENT_TIMESTAMP", "DATABASE", "DEFAULT", "DEFERRABLE", "DEFERRED", "DELETE", "DESC",
    "DETACH", "DISTINCT", "DO", "DROP", "EACH", "ELSE", "END", "ESCAPE", "EXCEPT", "EXCLUDE", "EXCLUSIVE",
    "EXISTS", "EXPLAIN", "FAIL", "FALSE", "FILTER", "FIRST", "FOLLOWING", "FOR", "FOREIGN", "FROM", "FULL",
    "GENERATED", "GLOB", "GROUP", "GROUPS", "HAVING", "IF", "IGNORE", "IMMEDIATE", "IN", "INDEX", "INDEXED",
    "INITIALLY", "INNER", "INSERT", "INSTEAD", "INTERSECT", "INTO", "IS", "ISNULL", "JOIN", "KEY", "LAST",
    "LEFT", "LIKE", "LIMIT", "MATCH", "MATERIALIZED", "NATURAL", "NO", "NOT", "NOTHING", "NOTNULL", "NULL",
    "NULLS", "OF", "OFFSET", "ON", "OR", "ORDER", "OTHERS", "OUTER", "OVER", "PARTITION", "PLAN", "PRAGMA",
    "PRECEDING", "PRIMARY", "QUERY", "RAISE", "RANGE", "RECURSIVE", "REFERENCES", "REGEXP", "REINDEX",
    "RELEASE", "RENAME", "REPLACE", "RESTRICT", "RETURNING", "RIGHT", "ROLLBACK", "ROW", "ROWS", "SAVEPOINT",
    "SELECT", "SET", "TABLE", "TEMP", "TEMPORARY", "THEN", "TIES", "TO", "TRANSACTION", "TRIGGER", "TRUE",
    "UNBOUNDED", "UNION", "UNIQUE", "UPDATE", "USING", "VACUUM", "VALUES", "VIEW", "VIRTUAL", "WHEN", "WHERE",
    "WINDOW", "WITH", "WITHOUT",
];

/// What the parser's dialect answers to these questions.
macro_rules! as_parser {
    ($($question:ident),+) => {
        $(fn $question(&self) -> bool {
            OF_PARSER.$question()
        })+
    };
}

/// SQLite's dialect, mended.
#[derive(Debug)]
pub(super) struct Sqlite;

impl Dialect for Sqlite {
    fn dialect(&self) -> TypeId {
        TypeId::of::<SQLiteDialect>()
    }

    /// `~` binds as strongly as the other signs.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Parsed<Expr>> {
        if parser.peek_token_ref().token != Token::Tilde {
            return None;
        }
        parser.advance_token();
        let of = parser.parse_subexpr(self.prec_value(Precedence::MulDivModOp));
        Some(of.map(|of| Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: Box::new(of) }))
    }

    /// `ISNULL`, `NOTNULL` and `NOT NULL` stand behind what they ask of, and what follows them does not belong to the NULL
    /// as it would in `IS NULL`: so they are in brackets. `NOT` stands before `GLOB`, `MATCH` and `REGEXP`, too.
    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, precedence: u8) -> Option<Parsed<Expr>> {
        if left_depth(expr) >= MAX_DEPTH {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        let of = || Box::new(expr.clone());
        let nested = |expr| Some(Ok(Expr::Nested(Box::new(expr))));
        if is_word(parser, "ISNULL") {
            parser.advance_token();
            return nested(Expr::IsNull(of()));
        }
        if parser.parse_keyword(Keyword::NOTNULL) || parser.parse_keywords(&[Keyword::NOT, Keyword::NULL]) {
            return nested(Expr::IsNotNull(of()));
        }
        for (keyword, op) in MATCHES {
            if parser.parse_keywords(&[Keyword::NOT, keyword]) {
                return match parser.parse_subexpr(self.prec_value(Precedence::Eq)) {
                    Ok(right) => {
                        let matches = Expr::BinaryOp { left: of(), op, right: Box::new(right) };
                        nested(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(matches) })
                    }
                    Err(error) => Some(Err(error)),
                };
            }
        }
        OF_PARSER.parse_infix(parser, expr, precedence)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Parsed<u8>> {
        let is_negated_match = matches!(parser.peek_token_ref().token, Token::Word(ref word) if word.keyword == Keyword::NOT)
            && matches!(parser.peek_nth_token_ref(1).token, Token::Word(ref word) if MATCHES.iter().any(|(keyword, _)| *keyword == word.keyword));
        // All operators like `=` bind as strongly as each other, and the first of them first: this is the least strength
        // that the parser has for one.
        if is_word(parser, "ISNULL") || is_negated_match {
            return Some(Ok(self.prec_value(Precedence::Is)));
        }
        OF_PARSER.get_next_precedence(parser)
    }

    /// Words, and up to two numbers in brackets.
    fn parse_data_type(&self, parser: &mut Parser<'_>) -> Option<Parsed<DataType>> {
        let mut words: Vec<String> = Vec::new();
        while let Token::Word(_) | Token::SingleQuotedString(_) = parser.peek_token_ref().token {
            words.push(parser.next_token().token.to_string());
        }
        if words.is_empty() {
            return None;
        }
        let mut name = words.join(" ");
        if parser.consume_token(&Token::LParen) {
            let number = |parser: &mut Parser<'_>| -> Parsed<String> {
                let sign = match parser.consume_token(&Token::Minus) {
                    true => "-",
                    false if parser.consume_token(&Token::Plus) => "+",
                    false => "",
                };
                Ok(format!("{sign}{}", parser.parse_number_value()?))
            };
            let numbers = parser.parse_comma_separated(number);
            match numbers.and_then(|numbers| parser.expect_token(&Token::RParen).map(|_| numbers)) {
                Ok(numbers) => name += &format!("({})", numbers.join(", ")),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(DataType::Custom(vec![Ident::new(name)].into(), Vec::new())))
    }

    /// What is wrong behind these words is said as it is; they are no names for which something else is wrong.
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        matches!(keyword, Keyword::CASE | Keyword::NOT | Keyword::EXISTS)
    }

    // The rest is the parser's.

    as_parser!(
        supports_filter_during_aggregation,
        supports_in_empty_list,
        supports_limit_comma,
        supports_dollar_placeholder,
        supports_notnull_operator,
        supports_is_operator,
        supports_comma_separated_trim,
        supports_numeric_literal_underscores,
        supports_double_eq_assignment,
        supports_string_literal_column_names,
        supports_cast_empty_data_type_to_unspecified,
        supports_national_string_literal,
        supports_parens_around_table_factor,
        supports_unterminated_block_comments,
        supports_over_keyword_as_column_alias,
        supports_indexed_by,
        supports_comma_join_constraint,
        supports_aggregate_order_by_with_empty_args,
        supports_bitwise_shift_operators,
        supports_in_table_expression
    );

    fn is_delimited_identifier_start(&self, char: char) -> bool {
        OF_PARSER.is_delimited_identifier_start(char)
    }

    fn is_identifier_start(&self, char: char) -> bool {
        OF_PARSER.is_identifier_start(char)
    }

    fn is_identifier_part(&self, char: char) -> bool {
        OF_PARSER.is_identifier_part(char)
    }

    fn parse_statement(&self, parser: &mut Parser<'_>) -> Option<Parsed<Statement>> {
        OF_PARSER.parse_statement(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        OF_PARSER.prec_value(precedence)
    }

    fn is_column_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        OF_PARSER.is_column_alias(keyword, parser)
    }

    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        OF_PARSER.is_table_alias(keyword, parser)
    }

    fn is_table_factor(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        OF_PARSER.is_table_factor(keyword, parser)
    }

    fn between_low_bound_precedence(&self) -> u8 {
        OF_PARSER.between_low_bound_precedence()
    }
}

/// How deep an expression is on its left side, as a long row of operators is: there the parser does not count.
fn left_depth(expr: &Expr) -> usize {
    fn left(expr: &Expr) -> Option<&Expr> {
        match expr {
            Expr::BinaryOp { left: of, .. }
            | Expr::UnaryOp { expr: of, .. }
            | Expr::Nested(of)
            | Expr::Collate { expr: of, .. }
            | Expr::In { expr: of, .. }
            | Expr::Between { expr: of, .. }
            | Expr::Like { expr: of, .. }
            | Expr::JsonAccess { value: of, .. }
            | Expr::IsNull(of)
            | Expr::IsNotNull(of)
            | Expr::IsTrue(of)
            | Expr::IsNotTrue(of)
            | Expr::IsFalse(of)
            | Expr::IsNotFalse(of)
            | Expr::IsDistinctFrom(of, _)
            | Expr::IsNotDistinctFrom(of, _) => Some(&**of),
            _ => None,
        }
    }
    iter::successors(Some(expr), |expr| left(expr)).filter(|expr| !matches!(expr, Expr::Nested(_))).count()
}

/// Whether the next token is this word, not quoted.
fn is_word(parser: &Parser<'_>, expected: &str) -> bool {
    matches!(&parser.peek_token_ref().token,
        Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

/// The tokens as SQLite has them: `0X1F` is one of them as `0x1F` is, a number ends where no word begins, and words that it has
/// no keyword for are names, whatever they are in other kinds of SQL.
///
/// # Errors
/// If a number does not end.
pub(super) fn as_sqlite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    let mut all: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for mut token in tokens {
        let last = all.last_mut().filter(|last| last.span.end == token.span.start);
        match (last, &mut token.token) {
            (Some(TokenWithSpan { token: Token::HexStringLiteral(digits), span }), Token::Word(word))
                if word.quote_style.is_none() && is_number(digits, *span) =>
            {
                return Err(unknown(&format!("0x{digits}{word}"), span.start));
            }
            (Some(TokenWithSpan { token: last @ Token::Number(..), span }), Token::Word(word))
                if word.quote_style.is_none() =>
            {
                let is_hex = *last == Token::Number("0".to_owned(), false)
                    && word.value.len() > 1
                    && word.value[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
                match word.value.strip_prefix('X').filter(|_| is_hex) {
                    Some(digits) => *last = Token::HexStringLiteral(digits.to_owned()),
                    None => return Err(unknown(&format!("{last}{word}"), span.start)),
                }
                span.end = token.span.end;
                continue;
            }
            (_, Token::DoubleColon) => return Err(unknown("::", token.span.start)),
            (_, Token::Number(digits, true)) => return Err(unknown(&format!("{digits}L"), token.span.start)),
            (_, Token::HexStringLiteral(digits)) if digits.is_empty() && is_number(digits, token.span) => {
                return Err(unknown("0x", token.span.start));
            }
            (_, Token::Word(word)) if word.quote_style.is_none() => {
                let upper = word.value.to_ascii_uppercase();
                if KEYWORDS.binary_search(&upper.as_str()).is_err() {
                    word.keyword = Keyword::NoKeyword;
                }
            }
            _ => {}
        }
        all.push(token);
    }
    Ok(all)
}

/// Whether what the parser takes for a BLOB of these digits, like `X'1F'`, is a number, like `0x1F`.
pub(super) fn is_number(digits: &str, span: Span) -> bool {
    span.end.column.saturating_sub(span.start.column) == (digits.len() + "0x".len()) as u64
}

fn unknown(token: &str, location: Location) -> TokenizerError {
    TokenizerError { message: format!("unrecognized token: {token:?}"), location }
}
