//! The text of SQL: its statements, their tokens, and where each of them stands.

use super::dialect::{MAX_DEPTH, Sqlite, as_sqlite};
use crate::error::{Error, Kind, Result};
use crate::plan::Place;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

/// Bytes of stack for twice as many, each of which takes the parser up to 40 KB where it is built without optimisation.
const STACK: usize = 256 << 20;

/// A text in SQL, and what it is called.
#[derive(Debug)]
pub(super) struct Script<'s> {
    name: Arc<str>,
    text: &'s str,
    tokens: Vec<TokenWithSpan>,
}

/// A statement, or another piece of a [`Script`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'s> {
    script: &'s Script<'s>,
    tokens: &'s [TokenWithSpan],
}

impl<'s> Script<'s> {
    /// What `read` makes of it, on a thread with a stack for expressions that are deep in each other.
    ///
    /// # Errors
    /// [`Kind::Sql`] if it is no sequence of tokens, or there is no such thread; those of `read`.
    pub(super) fn read<T: Send>(
        name: &str,
        text: &'s str,
        read: impl FnOnce(&Script<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        let script = Self::new(name, text)?;
        let read = || read(&script);
        thread::scope(|scope| match thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read) {
            Ok(reading) => reading.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(error) => Err(script.whole().error(format!("there is no thread to read it: {error}"))),
        })
    }

    fn new(name: &str, text: &'s str) -> Result<Self> {
        let mut script = Self { name: name.into(), text, tokens: Vec::new() };
        match Tokenizer::new(&Sqlite, text).tokenize_with_location().and_then(as_sqlite) {
            Ok(tokens) => script.tokens = tokens,
            Err(error) => return Err(script.error(error.location, error.message)),
        }
        Ok(script)
    }

    /// Its statements, those that are only a semicolon or a comment left out.
    pub(super) fn statements(&'s self) -> impl Iterator<Item = Piece<'s>> {
        let pieces = self.tokens.split(|token| token.token == Token::SemiColon);
        pieces.map(|tokens| Piece { script: self, tokens }).filter(|piece| piece.words().next().is_some())
    }

    /// All of it.
    pub(super) fn whole(&'s self) -> Piece<'s> {
        Piece { script: self, tokens: &self.tokens }
    }

    /// What is missing at its end.
    pub(super) fn end(&self, reason: &str) -> Error {
        self.error(self.location(self.text.trim_end().len()), reason)
    }

    pub(super) fn place(&self, at: Location) -> Place {
        Place { file: self.name.clone(), line: at.line.max(1), column: at.column.max(1) }
    }

    pub(super) fn error(&self, at: Location, reason: impl Into<String>) -> Error {
        Kind::Sql { place: self.place(at), reason: reason.into() }.into()
    }

    /// The error of a place that a parser's message names at its end.
    fn parser_error(&self, error: &ParserError, otherwise: Location) -> Error {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => {
                "the expression is too deep: SQLite takes 1000 operators in each other or in a row"
            }
        };
        let parts = message.split_once(" at Line: ").and_then(|(what, at)| {
            let (line, column) = at.split_once(", Column: ")?;
            Some((what, Location::new(line.parse().ok()?, column.parse().ok()?)))
        });
        let (what, at) = parts.unwrap_or((message, otherwise));
        // The parser prints a token as its own code would.
        let is_unknown = what.starts_with("No infix parser for token");
        let what = if is_unknown { "SQLite has no such operator" } else { what };
        self.error(at, what)
    }

    /// How many bytes come before a place.
    fn offset(&self, at: Location) -> usize {
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

    /// The place that so many bytes come before.
    fn location(&self, offset: usize) -> Location {
        let start = (0..=offset.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at));
        let before = &self.text[..start.unwrap_or(0)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let lines = before.matches('\n').count() as u64;
        Location::new(lines + 1, before[line_start..].chars().count() as u64 + 1)
    }
}

impl<'s> Piece<'s> {
    /// Its tokens without blanks and comments.
    fn words(self) -> impl Iterator<Item = &'s TokenWithSpan> {
        self.tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
    }

    /// Its first keywords in upper case, names and signs between them as they are.
    pub(super) fn first_words(self) -> Vec<String> {
        const ENOUGH: usize = 10;
        let word = |token: &TokenWithSpan| match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
            other => other.to_string(),
        };
        self.words().take(ENOUGH).map(word).collect()
    }

    pub(super) fn start(self) -> Location {
        self.words().next().map_or(Location::new(1, 1), |token| token.span.start)
    }

    fn end(self) -> Location {
        self.words().last().map_or(self.start(), |token| token.span.end)
    }

    /// Its text, as it is written.
    pub(super) fn text(self) -> &'s str {
        &self.script.text[self.script.offset(self.start())..self.script.offset(self.end())]
    }

    /// Where a word or a sign stands in it.
    pub(super) fn find(self, word: &str) -> Option<Span> {
        let is_it = |token: &&TokenWithSpan| token.token.to_string().eq_ignore_ascii_case(word);
        self.words().find(is_it).map(|token| token.span)
    }

    /// The piece of these tokens.
    fn part(self, range: std::ops::Range<usize>) -> Self {
        Self { tokens: &self.tokens[range], ..self }
    }

    /// What is wrong at its start.
    pub(super) fn error(self, reason: impl Into<String>) -> Error {
        self.script.error(self.start(), reason)
    }

    /// What is wrong at `span`, or at its start if that is nowhere.
    pub(super) fn error_at(self, span: Span, reason: impl Into<String>) -> Error {
        self.script.error(self.known(span), reason)
    }

    /// What is wrong so many bytes behind its start.
    pub(super) fn error_behind(self, bytes: usize, reason: impl Into<String>) -> Error {
        let offset = self.script.offset(self.start()) + bytes;
        self.script.error(self.script.location(offset), reason)
    }

    pub(super) fn place(self, span: Span) -> Place {
        self.script.place(self.known(span))
    }

    fn known(self, span: Span) -> Location {
        if span.start.line == 0 { self.start() } else { span.start }
    }

    /// What `parse` makes of it, all of it.
    ///
    /// # Errors
    /// [`Kind::Sql`].
    pub(super) fn parse<T>(
        self,
        parse: impl FnOnce(&mut Parser<'_>) -> std::result::Result<T, ParserError>,
    ) -> Result<T> {
        // It counts brackets, too, which are no depth to SQLite.
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

    /// As [`Piece::parse`], for a list with commas, each item with the piece that it is.
    ///
    /// # Errors
    /// [`Kind::Sql`].
    pub(super) fn parse_list<T>(
        self,
        mut item: impl FnMut(&mut Parser<'_>) -> std::result::Result<T, ParserError>,
    ) -> Result<Vec<(T, Self)>> {
        self.parse(|parser| {
            parser.parse_comma_separated(|parser| {
                let start = parser.index();
                Ok((item(parser)?, self.part(start..parser.index())))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<String> {
        Script::new("x.sql", script).unwrap().statements().map(|piece| piece.text().to_owned()).collect()
    }

    #[test]
    fn statements_are_as_they_are_written() {
        let script = "-- é;\r\nCREATE TABLE \"ä;\" (a 'ö' -- ü;\r\n, b);;\n\t/* ; */ SELECT '日;''本', [;], `;`;\r x'00' ;";
        let expected = ["CREATE TABLE \"ä;\" (a 'ö' -- ü;\r\n, b)", "SELECT '日;''本', [;], `;`", "x'00'"];
        assert_eq!(texts(script), expected);
    }

    #[test]
    fn places_are_lines_and_characters() {
        let text = "é\n ab\r\n日本 x\r";
        let script = Script::new("x.sql", text).unwrap();
        for (offset, _) in text.char_indices() {
            let location = script.location(offset);
            assert_eq!(script.offset(location), offset, "{location:?}");
        }
        let x = text.find('x').unwrap();
        assert_eq!(script.place(script.location(x)).to_string(), "x.sql: line 3, column 4");
        assert_eq!(script.offset(Location::new(9, 9)), text.len());
    }

    #[test]
    fn a_blob_may_end_on_another_line() {
        assert_eq!(texts("SELECT x'41\n'a"), ["SELECT x'41\n'a"]);
    }

    #[test]
    fn no_text_makes_it_panic() {
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
                        let crate::Kind::Sql { place, .. } = error.kind() else { panic!("{error}") };
                        let lines = text.split('\n').count() as u64;
                        assert!((1..=lines).contains(&place.line), "{text}: {error}");
                    }
                }
            }
        }
    }
}
