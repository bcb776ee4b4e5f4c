//! Names of columns in options.

/// The names in a comma-separated list. Names with commas are in double quotes; two of them inside mean one.
pub(super) fn names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = Some(list);
    while let Some(list) = rest {
        let name;
        (name, rest) = first_name(list, ',', &[',']);
        names.push(name);
    }
    names
}

/// The name before the first `end` outside of quotes, and the text after it. Names that contain one of the characters
/// `quoted` are in quotes.
pub(super) fn first_name<'t>(text: &'t str, end: char, quoted: &[char]) -> (String, Option<&'t str>) {
    if let Some(after_quote) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut rest = after_quote;
        while let Some((part, after)) = rest.split_once('"') {
            name += part;
            match after.strip_prefix('"') {
                Some(after) => {
                    name.push('"');
                    rest = after;
                }
                // The quotes are part of a name that does not need them.
                None if !name.contains(quoted) => break,
                None if after.is_empty() => return (name, None),
                None => match after.strip_prefix(end) {
                    Some(after) => return (name, Some(after)),
                    None => break,
                },
            }
        }
    }
    match text.split_once(end) {
        Some((name, rest)) => (name.to_owned(), Some(rest)),
        None => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_are_quoted() {
        let cases: [(&str, &[&str]); 8] = [
            ("a,b", &["a", "b"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("c,\"a \"\"b\"\",\"", &["c", "a \"b\","]),
            ("\"\",\"a\"", &["\"\"", "\"a\""]),
            ("a,", &["a", ""]),
            ("\"a,b", &["\"a", "b"]),
            ("\"a\"b,c", &["\"a\"b", "c"]),
            ("a \"b\"", &["a \"b\""]),
        ];
        for (list, expected) in cases {
            assert_eq!(names(list), expected, "{list}");
        }
    }
}
