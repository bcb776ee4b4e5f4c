//! Keys of shards, and the directories that are named after them.

use crate::error::{Kind, Result};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// The name of the directory for NULL, as in Hive.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The largest name of a directory in bytes, on most file systems.
const MAX_NAME_BYTES: usize = 255;

/// What the rows of a shard have in common.
///
/// The order of keys is that of their columns and values, with NULL first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ShardKey {
    /// The values of columns as text. NULL is `None`, and differs from every text. Without columns, all rows are one shard.
    Columns(Vec<(String, Option<String>)>),
    /// The number of a hash bucket; see [`ShardKey::hashed`].
    Bucket(u32),
}

impl ShardKey {
    /// The key of the rows that have these values in these columns.
    pub fn columns<C: Into<String>, V: Into<String>>(
        columns: impl IntoIterator<Item = (C, Option<V>)>,
    ) -> Self {
        Self::Columns(
            columns.into_iter().map(|(column, value)| (column.into(), value.map(V::into))).collect(),
        )
    }

    /// The bucket of the rows whose key columns have these values as text. It depends on nothing else, so all engines agree.
    pub fn hashed<'v>(values: impl IntoIterator<Item = Option<&'v str>>, buckets: NonZeroU32) -> Self {
        let mut hash = Xxh3::new();
        for value in values {
            hash.update(&value.map_or(0, |value| value.len() as u64 + 1).to_le_bytes());
            hash.update(value.unwrap_or_default().as_bytes());
        }
        // The remainder is less than the number of buckets.
        Self::Bucket((hash.digest() % u64::from(buckets.get())) as u32)
    }

    /// The directory of the shard below that of the job, such as `tenant=X/day=2026-01-01` or `bucket=00017`.
    ///
    /// Names are escaped as in Hive: control characters and `"#%'*/:=?\{[]^` are `%` and two hexadecimal digits. The directory of NULL
    /// is `tenant=__HIVE_DEFAULT_PARTITION__`, and that of the text which is spelled like this `tenant=%5F_HIVE_DEFAULT_PARTITION__`.
    ///
    /// # Errors
    /// [`Kind::Shard`] if a name would have more than 255 bytes.
    pub fn directory(&self) -> Result<String> {
        let names = match self {
            Self::Bucket(bucket) => vec![format!("bucket={bucket:05}")],
            Self::Columns(columns) => columns.iter().map(directory_name).collect(),
        };
        match names.iter().find(|name| name.len() > MAX_NAME_BYTES) {
            Some(name) => {
                let problem =
                    format!("its directory would have a name of more than {MAX_NAME_BYTES} bytes: {name:?}");
                Err(Kind::Shard { path: Path::new(&self.to_string()).to_owned(), problem }.into())
            }
            None => Ok(names.join("/")),
        }
    }
}

/// The key for messages: `tenant='X', day=NULL`.
impl std::fmt::Display for ShardKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bucket(bucket) => write!(f, "bucket {bucket}"),
            Self::Columns(columns) if columns.is_empty() => f.write_str("all rows"),
            Self::Columns(columns) => {
                let column = |(column, value): &(String, Option<String>)| match value {
                    Some(value) => format!("{column}='{value}'"),
                    None => format!("{column}=NULL"),
                };
                f.write_str(&columns.iter().map(column).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn directory_name((column, value): &(String, Option<String>)) -> String {
    let value = match value.as_deref() {
        None => NULL.to_owned(),
        Some(NULL) => format!("%5F{}", &NULL[1..]),
        Some(value) => escaped(value),
    };
    format!("{}={value}", escaped(column))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(char) {
            escaped.push_str(&format!("%{:02X}", u32::from(char)));
        } else {
            escaped.push(char);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn directory(value: Option<&str>) -> String {
        ShardKey::columns([("c", value)]).directory().unwrap()
    }

    #[test]
    fn directories_are_escaped_as_in_hive() {
        assert_eq!(directory(Some("a b/c=d%")), "c=a b%2Fc%3Dd%25");
        assert_eq!(directory(Some("../\0\n")), "c=..%2F%00%0A");
        assert_eq!(directory(Some("")), "c=");
        assert_eq!(directory(None), "c=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(directory(Some(NULL)), "c=%5F_HIVE_DEFAULT_PARTITION__");
        let two = ShardKey::columns([("a/b", Some("x")), ("c", None)]);
        assert_eq!(two.directory().unwrap(), "a%2Fb=x/c=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(ShardKey::Bucket(17).directory().unwrap(), "bucket=00017");
        assert_eq!(ShardKey::Columns(Vec::new()).directory().unwrap(), "");
    }

    #[test]
    fn different_values_have_different_directories() {
        let mut values: Vec<_> = (0..=255_u8).map(|byte| char::from(byte).to_string()).collect();
        values.extend(
            ["", "%", "%25", "%2525", "%5F", NULL, "%5F_HIVE_DEFAULT_PARTITION__"].map(str::to_owned),
        );
        let distinct: BTreeSet<_> = values.iter().cloned().collect();
        let directories: BTreeSet<_> =
            distinct.iter().map(|value| directory(Some(value))).chain([directory(None)]).collect();
        assert_eq!(directories.len(), distinct.len() + 1);
    }

    #[test]
    fn a_name_that_is_too_long_is_an_error() {
        assert!(ShardKey::columns([("c", Some("x".repeat(253)))]).directory().is_ok());
        let error = ShardKey::columns([("c", Some("x".repeat(254)))]).directory().unwrap_err();
        assert!(matches!(error.kind(), Kind::Shard { .. }), "{error}");
    }

    #[test]
    fn buckets_depend_on_all_values_and_tell_null_from_text() {
        let buckets = NonZeroU32::new(1 << 30).unwrap();
        let of = |values: &[Option<&str>]| ShardKey::hashed(values.iter().copied(), buckets);
        let keys = [of(&[None]), of(&[Some("")]), of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")])];
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert_eq!(of(&[Some("x")]), of(&[Some("x")]));
    }
}
