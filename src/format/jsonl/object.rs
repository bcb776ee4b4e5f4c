//! The members of one JSON object, as they are written.

use crate::error::Reason;
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Calls `take` with the name of each member of the object `text`, and with its value as it is written. Stops when `take` returns
/// an error.
///
/// # Errors
/// What is wrong with the text, or the error of `take`.
pub(crate) fn members<'t>(
    text: &'t [u8],
    take: impl FnMut(&str, &'t str) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut failure = None;
    let members = Members { take, failure: &mut failure };
    let read = deserializer.deserialize_map(members).and_then(|()| deserializer.end());
    match (failure, read) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => {
            let message = error.to_string();
            let place = format!(" at line 1 column {}", error.column());
            let what = message.strip_suffix(&place).unwrap_or(&message);
            let message = format!("not a JSON object: {what} at byte {}", error.column());
            Err(Reason::InvalidJson { message })
        }
    }
}

struct Members<'f, F> {
    take: F,
    /// The error of `take`.
    failure: &'f mut Option<Reason>,
}

impl<'t, F: FnMut(&str, &'t str) -> Result<(), Reason>> Visitor<'t> for Members<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let value: &'t RawValue = map.next_value()?;
            if let Err(failure) = (self.take)(&name, value.get()) {
                self.failure.get_or_insert(failure);
            }
        }
        Ok(())
    }
}

/// The name of a member, borrowed if it has no escapes.
struct Name<'t>(Cow<'t, str>);

impl<'t> serde::Deserialize<'t> for Name<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'t> Visitor<'t> for NameVisitor {
            type Value = Name<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'t str) -> Result<Name<'t>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'t>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, &str)>, String> {
        let mut found = Vec::new();
        members(text.as_bytes(), |name, value| {
            found.push((name.to_owned(), value));
            Ok(())
        })
        .map_err(|reason| reason.to_string())?;
        Ok(found)
    }

    #[test]
    fn values_are_as_they_are_written() {
        let expected = [("a", "1.50"), ("b\n", "\"x\\ty\""), ("c", "{\"d\": [1, 2]}"), ("e", "null")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(
            parse(r#" {"a": 1.50, "b\n": "x\ty", "c" : {"d": [1, 2]} ,"e":null} "#).unwrap(),
            expected
        );
        assert_eq!(parse("{}").unwrap(), []);
    }

    #[test]
    fn other_texts_are_errors() {
        for text in ["", "[1]", "1", "{\"a\":1", "{\"a\":1} x", "{\"a\":nope}", "{a:1}", "{\"a\":\"\u{1}\"}"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("not a JSON object: "), "{text}: {error}");
        }
    }
}
