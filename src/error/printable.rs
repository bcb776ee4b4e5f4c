//! Text for a terminal.

use std::fmt::{self, Write};

/// `text` with control characters escaped, so that names from an input cannot control a terminal. Line feeds and tabs stay.
#[must_use]
pub fn printable(text: &str) -> String {
    escaped(text, true)
}

/// The same with line feeds and tabs escaped, too.
pub(crate) fn printable_line(text: &str) -> String {
    escaped(text, false)
}

fn escaped(text: &str, keeps_layout: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    // Writing to a String cannot fail.
    let _ = Printable { output: &mut escaped, keeps_layout }.write_str(text);
    escaped
}

/// Escapes what is written to it as [`printable`] does.
pub(crate) struct Printable<'a, W> {
    output: &'a mut W,
    /// True if line feeds and tabs stay.
    keeps_layout: bool,
}

impl<'a, W: Write> Printable<'a, W> {
    pub(crate) fn new(output: &'a mut W) -> Self {
        Self { output, keeps_layout: true }
    }
}

impl<W: Write> Write for Printable<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_layout = |char| matches!(char, '\n' | '\t');
        let must_escape = |char: char| char.is_control() && !(self.keeps_layout && is_layout(char));
        let mut rest = text;
        while let Some(at) = rest.find(must_escape) {
            let (plain, escaped) = rest.split_at(at);
            self.output.write_str(plain)?;
            let mut chars = escaped.chars();
            chars.next().map_or(Ok(()), |char| write!(self.output, "{}", char.escape_default()))?;
            rest = chars.as_str();
        }
        self.output.write_str(rest)
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
        assert_eq!(printable("\tone\ntwo\u{7f}"), "\tone\ntwo\\u{7f}");
        assert_eq!(printable_line("\tone\ntwo\u{7f}"), "\\tone\\ntwo\\u{7f}");
    }
}
