//! Text for a terminal.

use std::fmt::{self, Write};

/// Writes text with control characters escaped, so that names from an input cannot control a terminal. Line feeds and
/// tabs stay.
pub(crate) struct Printable<'a, W>(&'a mut W);

impl<'a, W: Write> Printable<'a, W> {
    pub(crate) fn new(output: &'a mut W) -> Self {
        Self(output)
    }
}

impl<W: Write> Write for Printable<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let must_escape = |char: char| char.is_control() && !matches!(char, '\n' | '\t');
        let mut rest = text;
        while let Some(at) = rest.find(must_escape) {
            let (plain, escaped) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut chars = escaped.chars();
            chars.next().map_or(Ok(()), |char| write!(self.0, "{}", char.escape_default()))?;
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Name(&'static str);

    impl fmt::Display for Name {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(Printable::new(f), "<{}>", self.0)
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(Name("a\u{1b}[31mé\u{9b}2J\r\u{7}").to_string(), "<a\\u{1b}[31mé\\u{9b}2J\\r\\u{7}>");
        assert_eq!(Name("one\ntwo").to_string(), "<one\ntwo>");
    }
}
