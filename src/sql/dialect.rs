//! The SQL dialect of SQLite, with corrections to that of the parser.

use sqlparser::ast::{BinaryOperator, DataType, Expr, Ident, Statement, UnaryOperator};
use sqlparser::dialect::{Dialect, Precedence, SQLiteDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, TokenizerError};
use std::any::TypeId;
use std::iter;

type Parsed<T> = Result<T, ParserError>;

/// The SQLite dialect of the parser.
const BASE: SQLiteDialect = SQLiteDialect {};

/// The largest depth of an expression: the default of SQLITE_MAX_EXPR_DEPTH
/// ([Limits In SQLite](https://sqlite.org/limits.html), item 5).
pub(super) const MAX_DEPTH: usize = 1000;

/// Pattern-matching operators other than LIKE, which the base dialect does not parse after NOT.
const MATCH_OPERATORS: [(Keyword, BinaryOperator); 3] = [
    (Keyword::GLOB, BinaryOperator::Glob),
    (Keyword::MATCH, BinaryOperator::Match),
    (Keyword::REGEXP, BinaryOperator::Regexp),
];

/// The [keywords of SQLite](https://sqlite.org/lang_keywords.html), and TRUE and FALSE; sorted.
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

/// Delegates these methods to the base dialect.
macro_rules! delegate_to_base {
    ($($method:ident),+) => {
        $(fn $method(&self) -> bool {
            BASE.$method()
        })+
    };
}

/// The dialect of SQLite.
#[derive(Debug)]
pub(super) struct Sqlite;

impl Dialect for Sqlite {
    fn dialect(&self) -> TypeId {
        TypeId::of::<SQLiteDialect>()
    }

    /// Gives `~` the precedence of the other unary operators.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Parsed<Expr>> {
        if parser.peek_token_ref().token != Token::Tilde {
            return None;
        }
        parser.advance_token();
        let operand = parser.parse_subexpr(self.prec_value(Precedence::MulDivModOp));
        Some(operand.map(|expr| Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: Box::new(expr) }))
    }

    /// Parses the postfix operators `ISNULL`, `NOTNULL` and `NOT NULL`, and `NOT` before `GLOB`, `MATCH` and `REGEXP`.
    ///
    /// The result is in parentheses, because an operator that follows would otherwise be read as part of the right operand
    /// when the expression is printed.
    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, precedence: u8) -> Option<Parsed<Expr>> {
        if left_depth(expr) >= MAX_DEPTH {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        let operand = || Box::new(expr.clone());
        let nested = |expr| Some(Ok(Expr::Nested(Box::new(expr))));
        if is_word(parser, "ISNULL") {
            parser.advance_token();
            return nested(Expr::IsNull(operand()));
        }
        if parser.parse_keyword(Keyword::NOTNULL) || parser.parse_keywords(&[Keyword::NOT, Keyword::NULL]) {
            return nested(Expr::IsNotNull(operand()));
        }
        for (keyword, op) in MATCH_OPERATORS {
            if parser.parse_keywords(&[Keyword::NOT, keyword]) {
                return match parser.parse_subexpr(self.prec_value(Precedence::Eq)) {
                    Ok(right) => {
                        let matches = Expr::BinaryOp { left: operand(), op, right: Box::new(right) };
                        nested(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(matches) })
                    }
                    Err(error) => Some(Err(error)),
                };
            }
        }
        BASE.parse_infix(parser, expr, precedence)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Parsed<u8>> {
        let is_negated_match = matches!(parser.peek_token_ref().token, Token::Word(ref word) if word.keyword == Keyword::NOT)
            && matches!(parser.peek_nth_token_ref(1).token, Token::Word(ref word) if MATCH_OPERATORS.iter().any(|(keyword, _)| *keyword == word.keyword));
        // In SQLite all operators like `=` have the same precedence and associate to the left. `Is` is the lowest precedence
        // that the parser has for one of them.
        if is_word(parser, "ISNULL") || is_negated_match {
            return Some(Ok(self.prec_value(Precedence::Is)));
        }
        BASE.get_next_precedence(parser)
    }

    /// Parses a type name: words, and numbers in parentheses.
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

    /// Reserves words whose syntax errors would otherwise be hidden, because the parser would read them as names.
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        matches!(keyword, Keyword::CASE | Keyword::NOT | Keyword::EXISTS)
    }

    // The other methods delegate to the base dialect.

    delegate_to_base!(
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
        BASE.is_delimited_identifier_start(char)
    }

    fn is_identifier_start(&self, char: char) -> bool {
        BASE.is_identifier_start(char)
    }

    fn is_identifier_part(&self, char: char) -> bool {
        BASE.is_identifier_part(char)
    }

    fn parse_statement(&self, parser: &mut Parser<'_>) -> Option<Parsed<Statement>> {
        BASE.parse_statement(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        BASE.prec_value(precedence)
    }

    fn is_column_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        BASE.is_column_alias(keyword, parser)
    }

    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        BASE.is_table_alias(keyword, parser)
    }

    fn is_table_factor(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        BASE.is_table_factor(keyword, parser)
    }

    fn between_low_bound_precedence(&self) -> u8 {
        BASE.between_low_bound_precedence()
    }
}

/// The depth of an expression along its left operands, which the recursion limit of the parser does not cover.
fn left_depth(expr: &Expr) -> usize {
    fn left(expr: &Expr) -> Option<&Expr> {
        match expr {
            Expr::BinaryOp { left: operand, .. }
            | Expr::UnaryOp { expr: operand, .. }
            | Expr::Nested(operand)
            | Expr::Collate { expr: operand, .. }
            | Expr::In { expr: operand, .. }
            | Expr::Between { expr: operand, .. }
            | Expr::Like { expr: operand, .. }
            | Expr::JsonAccess { value: operand, .. }
            | Expr::IsNull(operand)
            | Expr::IsNotNull(operand)
            | Expr::IsTrue(operand)
            | Expr::IsNotTrue(operand)
            | Expr::IsFalse(operand)
            | Expr::IsNotFalse(operand)
            | Expr::IsDistinctFrom(operand, _)
            | Expr::IsNotDistinctFrom(operand, _) => Some(&**operand),
            _ => None,
        }
    }
    iter::successors(Some(expr), |expr| left(expr)).filter(|expr| !matches!(expr, Expr::Nested(_))).count()
}

/// True if the next token is this word, unquoted.
fn is_word(parser: &Parser<'_>, expected: &str) -> bool {
    matches!(&parser.peek_token_ref().token,
        Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

/// Corrects the tokens of the parser to those of SQLite: `0X1F` is a number like `0x1F`, a word cannot directly follow a
/// number, and words that are not keywords of SQLite are names.
///
/// # Errors
/// If a token is not valid in SQLite, such as `1x`, `1L` or `::`.
pub(super) fn normalize_tokens(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    let mut all: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for mut token in tokens {
        let last = all.last_mut().filter(|last| last.span.end == token.span.start);
        match (last, &mut token.token) {
            (Some(TokenWithSpan { token: Token::HexStringLiteral(digits), span }), Token::Word(word))
                if word.quote_style.is_none() && is_hex_integer(digits, *span) =>
            {
                return Err(unrecognized_token(&format!("0x{digits}{word}"), span.start));
            }
            (Some(TokenWithSpan { token: last @ Token::Number(..), span }), Token::Word(word))
                if word.quote_style.is_none() =>
            {
                let is_hex = *last == Token::Number("0".to_owned(), false)
                    && word.value.len() > 1
                    && word.value[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
                match word.value.strip_prefix('X').filter(|_| is_hex) {
                    Some(digits) => *last = Token::HexStringLiteral(digits.to_owned()),
                    None => return Err(unrecognized_token(&format!("{last}{word}"), span.start)),
                }
                span.end = token.span.end;
                continue;
            }
            (_, Token::DoubleColon) => return Err(unrecognized_token("::", token.span.start)),
            (_, Token::Number(digits, true)) => {
                return Err(unrecognized_token(&format!("{digits}L"), token.span.start));
            }
            (_, Token::HexStringLiteral(digits))
                if digits.is_empty() && is_hex_integer(digits, token.span) =>
            {
                return Err(unrecognized_token("0x", token.span.start));
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

/// True if a token that the parser reads as a BLOB literal, like `X'1F'`, is a hexadecimal integer, like `0x1F`. The two have
/// different lengths.
pub(super) fn is_hex_integer(digits: &str, span: Span) -> bool {
    span.end.column.saturating_sub(span.start.column) == (digits.len() + "0x".len()) as u64
}

fn unrecognized_token(token: &str, location: Location) -> TokenizerError {
    TokenizerError { message: format!("unrecognized token: {token:?}"), location }
}
