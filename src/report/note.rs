//! Decisions of a load that the user should know of.

use crate::error::quoted;
use crate::plan::Delimiter;
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// A decision of a load that the user should know of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Note {
    /// A column could not keep its name from the header: what is wrong with that name, and the name it got.
    HeaderName(String),
    /// Invalid UTF-8 in the header was replaced with U+FFFD.
    HeaderUtf8Replaced,
    /// The delimiter was detected in the first records.
    DetectedDelimiter(Delimiter),
    /// The first line of the input names the delimiter, as in `sep=;`.
    NamedDelimiter(Delimiter),
    /// No delimiter was detected, so records have one field.
    NoDelimiter,
    /// A column starts with numbers, but its type is TEXT.
    TextColumn {
        /// The column.
        column: String,
        /// Why it cannot be INTEGER or REAL.
        reason: String,
        /// The line of the first value that shows it, counted from 1.
        line: Option<u64>,
        /// The input of that value, if the load has several inputs.
        input: Option<Arc<str>>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderName(change) => f.write_str(change),
            Self::HeaderUtf8Replaced => f.write_str("invalid UTF-8 in the header was replaced with U+FFFD"),
            Self::DetectedDelimiter(delimiter) => {
                write!(f, "fields are separated by {}", quoted(*delimiter))
            }
            Self::NamedDelimiter(delimiter) => {
                write!(f, "fields are separated by {}, as the first line says", quoted(*delimiter))
            }
            Self::NoDelimiter => f.write_str("no delimiter was found, so each record is a single field"),
            Self::TextColumn { column, reason, line, input } => {
                write!(f, "{column}: TEXT, {reason}")?;
                line.iter().try_for_each(|line| write!(f, " at line {line}"))?;
                input.iter().try_for_each(|input| write!(f, " of {input}"))
            }
        }
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
