//! SQL text: its statements, their tokens, and the positions of both.

use super::dialect::{MAX_DEPTH, Sqlite, normalize_tokens};
use crate::error::{Error, Kind, Result};
use crate::plan::Place;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

/// Bytes of stack for expressions of twice the depth that SQLite allows. Without optimization, the parser takes up to 40 KB
/// for each level.
const STACK_BYTES: usize = 256 << 20;

/// SQL text with its tokens, and the name that messages use for it.
#[derive(Debug)]
pub(super) struct Script<'s> {
    name: Arc<str>,
    text: &'s str,
    tokens: Vec<TokenWithSpan>,
}

/// A range of tokens of a [`Script`]: a statement, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment<'s> {
    script: &'s Script<'s>,
    tokens: &'s [TokenWithSpan],
}

impl<'s> Script<'s> {
    /// Tokenizes `text` and calls `parse` on a thread whose stack is large enough for deeply nested expressions.
    ///
    /// # Errors
    /// [`Kind::Sql`] if the text cannot be tokenized or the thread cannot be started; the errors of `parse`.
    ///
    /// # Panics
    /// If `parse` panics.
    pub(super) fn parse<T: Send>(
        name: &str,
        text: &'s str,
        parse: impl FnOnce(&Script<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        let script = Self::new(name, text)?;
        let parse = || parse(&script);
        thread::scope(|scope| {
            match thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, parse) {
                Ok(parser) => parser.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(error) => {
                    Err(script.whole().error(format!("cannot start a thread for the SQL parser: {error}")))
                }
            }
        })
    }

    fn new(name: &str, text: &'s str) -> Result<Self> {
        let mut script = Self { name: name.into(), text, tokens: Vec::new() };
        match Tokenizer::new(&Sqlite, text).tokenize_with_location().and_then(normalize_tokens) {
            Ok(tokens) => script.tokens = tokens,
            Err(error) => return Err(script.error(error.location, error.message)),
        }
        Ok(script)
    }

    /// The statements, without empty ones and those that consist of comments.
    pub(super) fn statements(&'s self) -> impl Iterator<Item = Fragment<'s>> {
        let statements = self.tokens.split(|token| token.token == Token::SemiColon);
        statements
            .map(|tokens| Fragment { script: self, tokens })
            .filter(|statement| statement.significant_tokens().next().is_some())
    }

    /// The whole text.
    pub(super) fn whole(&'s self) -> Fragment<'s> {
        Fragment { script: self, tokens: &self.tokens }
    }

    /// An error at the end of the text, where something is missing.
    pub(super) fn error_at_end(&self, reason: &str) -> Error {
        self.error(self.location_of(self.text.trim_end().len()), reason)
    }

    pub(super) fn place(&self, at: Location) -> Place {
        Place { file: self.name.clone(), line: at.line.max(1), column: at.column.max(1) }
    }

    pub(super) fn error(&self, at: Location, reason: impl Into<String>) -> Error {
        Kind::Sql { place: self.place(at), reason: reason.into() }.into()
    }

    /// Converts an error of the parser, which may name its position at the end of the message. Other errors are at `fallback`.
    fn parser_error(&self, error: &ParserError, fallback: Location) -> Error {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => {
                "the expression is too deep: SQLite allows a depth of 1000"
            }
        };
        let parts = message.split_once(" at Line: ").and_then(|(text, at)| {
            let (line, column) = at.split_once(", Column: ")?;
            Some((text, Location::new(line.parse().ok()?, column.parse().ok()?)))
        });
        let (text, at) = parts.unwrap_or((message, fallback));
        // This message shows a token in Rust syntax.
        let is_unknown_operator = text.starts_with("No infix parser for token");
        self.error(at, if is_unknown_operator { "SQLite has no such operator" } else { text })
    }

    /// The byte offset of a location.
    fn offset_of(&self, at: Location) -> usize {
        let lines = self.text.split_inclusive('\n').scan(0, |start, line| {
            *start += line.len();
            Some((*start - line.len(), line))
        });
        let line = usize::try_from(at.line).unwrap_or_default().saturating_sub(1);
        let column = usize::try_from(at.column).unwrap_or_default().saturating_sub(1);
        lines
            .skip(line)
            .map(|(start, line)| {
                start + line.char_indices().nth(column).map_or(line.len(), |(offset, _)| offset)
            })
            .next()
            .unwrap_or(self.text.len())
    }

    /// The location of a byte offset.
    fn location_of(&self, offset: usize) -> Location {
        let start = (0..=offset.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at));
        let before = &self.text[..start.unwrap_or(0)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let lines = before.matches('\n').count() as u64;
        Location::new(lines + 1, before[line_start..].chars().count() as u64 + 1)
    }
}

impl<'s> Fragment<'s> {
    /// The tokens without whitespace and comments.
    fn significant_tokens(self) -> impl Iterator<Item = &'s TokenWithSpan> {
        self.tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
    }

    /// The first tokens as text, unquoted words in upper case.
    pub(super) fn leading_words(self) -> Vec<String> {
        const MAX_WORDS: usize = 10;
        let word = |token: &TokenWithSpan| match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
            other => other.to_string(),
        };
        self.significant_tokens().take(MAX_WORDS).map(word).collect()
    }

    pub(super) fn start(self) -> Location {
        self.significant_tokens().next().map_or(Location::new(1, 1), |token| token.span.start)
    }

    fn end(self) -> Location {
        self.significant_tokens().last().map_or(self.start(), |token| token.span.end)
    }

    /// The text of the fragment, as it is written.
    pub(super) fn text(self) -> &'s str {
        &self.script.text[self.script.offset_of(self.start())..self.script.offset_of(self.end())]
    }

    /// The position of the first token with this text, ignoring ASCII case.
    pub(super) fn find_token(self, text: &str) -> Option<Span> {
        let has_text = |token: &&TokenWithSpan| token.token.to_string().eq_ignore_ascii_case(text);
        self.significant_tokens().find(has_text).map(|token| token.span)
    }

    /// The ON CONFLICT clause at the end of an INSERT: its text without WHERE, the condition of its WHERE, and its position.
    /// Returns `None` unless there is exactly one.
    pub(super) fn conflict_clause(self) -> Option<(String, Option<String>, Span)> {
        let is_word = |token: &TokenWithSpan, word: &str| match &token.token {
            Token::Word(found) => found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word),
            _ => false,
        };
        let (mut depth, mut start, mut condition, mut last_on) = (0, None, None, None);
        let mut is_after_set = false;
        for (at, token) in self.tokens.iter().enumerate() {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                Token::Whitespace(_) => continue,
                _ if depth == 0 && is_word(token, "CONFLICT") && last_on.is_some() => {
                    if start.is_some() {
                        return None;
                    }
                    start = last_on;
                }
                // The WHERE before SET belongs to the index.
                _ if depth == 0 && start.is_some() && is_word(token, "SET") => is_after_set = true,
                _ if depth == 0 && is_after_set && is_word(token, "WHERE") => condition = Some(at),
                _ => {}
            }
            last_on = is_word(token, "ON").then_some(at);
        }
        let (start, end) = (start?, condition.unwrap_or(self.tokens.len()));
        let condition = condition.map(|at| self.slice(at + 1..self.tokens.len()).text().to_owned());
        Some((self.slice(start..end).text().to_owned(), condition, self.tokens[start].span))
    }

    /// The fragment of a range of tokens.
    fn slice(self, range: std::ops::Range<usize>) -> Self {
        Self { tokens: &self.tokens[range], ..self }
    }

    /// An error at the start of the fragment.
    pub(super) fn error(self, reason: impl Into<String>) -> Error {
        self.script.error(self.start(), reason)
    }

    /// The error for a statement that a pipeline does not support.
    pub(super) fn unsupported(self, statement: String, reason: &str) -> Error {
        let place = self.script.place(self.start());
        Kind::UnsupportedStatement { place, statement, reason: reason.to_owned() }.into()
    }

    /// An error at `span`, or at the start of the fragment if `span` is empty.
    pub(super) fn error_at(self, span: Span, reason: impl Into<String>) -> Error {
        self.script.error(self.location_or_start(span), reason)
    }

    /// An error at a byte offset from the start of the fragment.
    pub(super) fn error_at_offset(self, offset: usize, reason: impl Into<String>) -> Error {
        let offset = self.script.offset_of(self.start()) + offset;
        self.script.error(self.script.location_of(offset), reason)
    }

    pub(super) fn place(self, span: Span) -> Place {
        self.script.place(self.location_or_start(span))
    }

    fn location_or_start(self, span: Span) -> Location {
        if span.start.line == 0 { self.start() } else { span.start }
    }

    /// Parses the whole fragment.
    ///
    /// # Errors
    /// [`Kind::Sql`] if `parse` fails or leaves tokens.
    pub(super) fn parse<T>(
        self,
        parse: impl FnOnce(&mut Parser<'_>) -> std::result::Result<T, ParserError>,
    ) -> Result<T> {
        // The parser also counts parentheses, which do not add to the depth of an expression in SQLite.
        let parser = Parser::new(&Sqlite).with_recursion_limit(2 * MAX_DEPTH);
        let mut parser = parser.with_tokens_with_locations(self.tokens.to_vec());
        let parsed = parse(&mut parser).map_err(|error| {
            let at = parser.peek_token().span.start;
            self.script.parser_error(&error, if at.line == 0 { self.end() } else { at })
        })?;
        match parser.peek_token() {
            TokenWithSpan { token: Token::EOF, .. } => Ok(parsed),
            other => Err(self.error_at(other.span, format!("{} is not expected here", other.token))),
        }
    }

    /// Parses the whole fragment as a comma-separated list, and returns each item with its fragment.
    ///
    /// # Errors
    /// [`Kind::Sql`] if `item` fails or tokens are left.
    pub(super) fn parse_list<T>(
        self,
        mut item: impl FnMut(&mut Parser<'_>) -> std::result::Result<T, ParserError>,
    ) -> Result<Vec<(T, Self)>> {
        self.parse(|parser| {
            parser.parse_comma_separated(|parser| {
                let start = parser.index();
                Ok((item(parser)?, self.slice(start..parser.index())))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<String> {
        Script::new("x.sql", script)
            .unwrap()
            .statements()
            .map(|statement| statement.text().to_owned())
            .collect()
    }

    #[test]
    fn statements_keep_their_text() {
        let script = "-- é;\r\nCREATE TABLE \"ä;\" (a 'ö' -- ü;\r\n, b);;\n\t/* ; */ SELECT '日;''本', [;], `;`;\r x'00' ;";
        let expected = ["CREATE TABLE \"ä;\" (a 'ö' -- ü;\r\n, b)", "SELECT '日;''本', [;], `;`", "x'00'"];
        assert_eq!(texts(script), expected);
    }

    #[test]
    fn locations_count_lines_and_characters() {
        let text = "é\n ab\r\n日本 x\r";
        let script = Script::new("x.sql", text).unwrap();
        for (offset, _) in text.char_indices() {
            let location = script.location_of(offset);
            assert_eq!(script.offset_of(location), offset, "{location:?}");
        }
        let x = text.find('x').unwrap();
        assert_eq!(script.place(script.location_of(x)).to_string(), "x.sql: line 3, column 4");
        assert_eq!(script.offset_of(Location::new(9, 9)), text.len());
    }

    #[test]
    fn a_blob_literal_may_span_lines() {
        assert_eq!(texts("SELECT x'41\n'a"), ["SELECT x'41\n'a"]);
    }

    #[test]
    fn truncated_and_repeated_text_does_not_panic() {
        let sql = "CREATE TABLE t (\"é\" TEXT);\r\n INSERT INTO t (é) SELECT upper(i.\"a b\") || '日' FROM input i WHERE é > 1e3;
            CREATE INDEX x ON t (é); CREATE VIEW v AS SELECT 1; ANALYZE";
        crate::sql::Pipeline::parse("x.sql", sql).unwrap();
        let bounds: Vec<_> = sql.char_indices().map(|(at, _)| at).chain([sql.len()]).collect();
        for (at, from) in bounds.iter().enumerate() {
            for to in &bounds[at..(at + 4).min(bounds.len())] {
                for text in [
                    &sql[..*from],
                    &[&sql[..*from], &sql[*to..]].concat(),
                    &[&sql[..*to], &sql[*from..]].concat(),
                ] {
                    if let Err(error) = crate::sql::Pipeline::parse("x.sql", text) {
                        let (crate::Kind::Sql { place, .. }
                        | crate::Kind::UnsupportedStatement { place, .. }) = error.kind()
                        else {
                            panic!("{error}")
                        };
                        let lines = text.split('\n').count() as u64;
                        assert!((1..=lines).contains(&place.line), "{text}: {error}");
                    }
                }
            }
        }
    }
}
