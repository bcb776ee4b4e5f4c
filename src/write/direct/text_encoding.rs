//! TEXT in the encoding of the database (file format 1.3.13).
//!
//! Fields are UTF-8. In a UTF-16 database they are converted when everything that depends on their content is done; keys are
//! compared afterwards, because BINARY compares the bytes that are stored.

use super::affinity::Converter;
use crate::batch::{Arena, MAX_STRINGS_BYTES, Nullable, StringsBuilder, Value, Values};
use rusqlite::{Connection, Result};

/// How a database stores TEXT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextEncoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl TextEncoding {
    const ALL: [Self; 3] = [Self::Utf8, Self::Utf16Le, Self::Utf16Be];

    /// The encoding of the database of `connection`.
    pub(super) fn read(connection: &Connection) -> Result<Self> {
        let name: String = connection.pragma_query_value(None, "encoding", |row| row.get(0))?;
        let found = Self::ALL.into_iter().find(|encoding| encoding.name() == name);
        found.ok_or(rusqlite::Error::InvalidQuery)
    }

    /// The name in `PRAGMA encoding`.
    fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16le",
            Self::Utf16Be => "UTF-16be",
        }
    }

    /// Opens a database in memory with this encoding.
    pub(super) fn open_in_memory(self) -> Result<Connection> {
        let connection = Connection::open_in_memory()?;
        connection.pragma_update(None, "encoding", self.name())?;
        Ok(connection)
    }

    /// The values of a column as they are stored.
    pub(super) fn encode<'a>(
        self,
        values: Values<'a>,
        rows: usize,
        converter: &mut Converter,
        arena: &'a Arena,
    ) -> Result<Values<'a>> {
        Ok(match values {
            Values::Integers(_) | Values::Reals(_) | Values::Blobs(_) => values,
            Values::Constant(value) => Values::Constant(self.encode_value(value, converter, arena)?),
            Values::Nullable(Nullable { values, is_null }) => {
                self.encode(*values, rows, converter, arena)?.with_nulls(is_null, arena)
            }
            Values::Texts(_) | Values::Mixed(_) => match self.encode_texts(values, rows, arena) {
                Some(texts) => texts,
                None => {
                    let mut encoded = arena.vec(rows);
                    for row in 0..rows {
                        encoded.push(self.encode_value(values.get(row), converter, arena)?);
                    }
                    Values::Mixed(encoded.into_bump_slice())
                }
            },
        })
    }

    /// A column of texts that fit into one buffer; `None` if one is left to SQLite.
    fn encode_texts<'a>(self, values: Values<'a>, rows: usize, arena: &'a Arena) -> Option<Values<'a>> {
        let Values::Texts(texts) = values else { return None };
        let max_bytes = 2 * texts.spans.iter().map(|span| span.len()).sum::<usize>();
        if max_bytes > MAX_STRINGS_BYTES {
            return None;
        }
        let mut encoded = StringsBuilder::new(rows, max_bytes, arena);
        for row in 0..rows {
            let mut is_put = false;
            encoded.push(|to| {
                let written = self.put(texts.get(row), to);
                is_put = written.is_some();
                written.unwrap_or(0)
            });
            if !is_put {
                return None;
            }
        }
        Some(Values::Texts(encoded.finish()))
    }

    fn encode_value<'a>(
        self,
        value: Value<'a>,
        converter: &mut Converter,
        arena: &'a Arena,
    ) -> Result<Value<'a>> {
        let Value::Text(text) = value else { return Ok(value) };
        let to = arena.zeros(2 * text.len());
        match self.put(text, to) {
            Some(written) => Ok(Value::Text(&to[..written])),
            None => converter.encode(text, arena),
        }
    }

    /// Writes a text to the start of `to`. Returns its size, which is at most twice that in UTF-8; `None` for a text that is
    /// left to SQLite, because it is not UTF-8 or has U+FFFE or U+FFFF, which versions of SQLite treat differently.
    fn put(self, text: &[u8], to: &mut [u8]) -> Option<usize> {
        let mut written = 0;
        for (to, unit) in to.chunks_exact_mut(2).zip(std::str::from_utf8(text).ok()?.encode_utf16()) {
            if unit >= 0xfffe {
                return None;
            }
            let [high, low] = unit.to_be_bytes();
            to.copy_from_slice(&if self == Self::Utf16Le { [low, high] } else { [high, low] });
            written += 2;
        }
        Some(written)
    }
}
