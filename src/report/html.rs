//! A page of HTML under construction: elements whose texts are escaped.

use crate::error::Printable;
use std::fmt::{self, Display, Write};

/// A page. Its methods escape all texts; [`Page::markup`] is for markup that contains no text of the user.
///
/// The page is well-formed XML, too, loads nothing, and runs no script.
#[derive(Debug)]
pub(crate) struct Page {
    html: String,
}

const STYLE: &str = include_str!("page.css");

/// Names of inputs and values cannot make a browser load or run anything, even if one was not escaped.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

impl Page {
    pub(super) fn new(title: &str) -> Self {
        let mut page = Self { html: String::new() };
        page.markup("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
        page.markup(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n"));
        page.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
        page.element("title", title);
        page.markup(&format!("<style>\n{STYLE}</style>\n</head>\n<body>\n"));
        page
    }

    /// The finished page.
    pub(super) fn finish(mut self) -> String {
        self.markup("</body>\n</html>\n");
        self.html
    }

    /// Adds markup as it is.
    pub(super) fn markup(&mut self, markup: &str) {
        self.html.push_str(markup);
    }

    /// Adds a text.
    fn text(&mut self, text: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(Printable::new(&mut Escape(&mut self.html)), "{text}");
    }

    /// Adds an element that contains a text. Its `tag` may have attributes.
    pub(super) fn element(&mut self, tag: &str, text: impl Display) {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.markup(&format!("<{tag}>"));
        self.text(text);
        self.markup(&format!("</{name}>\n"));
    }

    pub(super) fn heading(&mut self, text: impl Display) {
        self.element("h2", text);
    }

    /// Adds a list under a heading; nothing if there are no items.
    pub(super) fn list(&mut self, heading: &str, items: impl IntoIterator<Item = String>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.heading(heading);
            self.markup("<ul>\n");
            items.for_each(|item| self.element("li", item));
            self.markup("</ul>\n");
        }
    }

    /// Adds a table. Those columns whose heading ends in `#` are numbers.
    pub(super) fn table<const N: usize>(
        &mut self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        let is_number = headings.map(|heading| heading.ends_with('#'));
        let tags = is_number.map(|is_number| if is_number { "td class=\"number\"" } else { "td" });
        self.markup("<div class=\"table\"><table>\n<thead><tr>\n");
        for (heading, is_number) in headings.iter().zip(is_number) {
            let tag = if is_number { "th class=\"number\"" } else { "th" };
            self.element(tag, heading.trim_end_matches('#'));
        }
        self.markup("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.markup("<tr>\n");
            row.iter().zip(tags).for_each(|(cell, tag)| self.element(tag, cell));
            self.markup("</tr>\n");
        }
        self.markup("</tbody></table></div>\n");
    }
}

/// Escapes what is written to it, for the text of an element.
struct Escape<'a>(&'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            match char {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Not allowed in XML.
                '\u{fffe}' | '\u{ffff}' => self.0.push(char::REPLACEMENT_CHARACTER),
                char => self.0.push(char),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let mut page = Page { html: String::new() };
        page.element("p class=\"a\"", "<script>\"a\" & 'b'\u{1b}\u{ffff}</script>\né");
        assert_eq!(
            page.html,
            "<p class=\"a\">&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;\\u{1b}\u{fffd}&lt;/script&gt;\né</p>\n"
        );
    }
}
