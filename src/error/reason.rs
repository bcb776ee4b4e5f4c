//! Why a record is rejected.

use super::phrases::count;
use super::quoted;
use crate::plan::{Delimiter, Type};
use std::fmt;

/// Why a record is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The record has more or fewer fields than the header.
    #[error(
        "{}, {expected} expected, separated by {}{}",
        count(*found as u64, "field"),
        quoted(*delimiter),
        cause.map_or(String::new(), |cause| format!("; {cause}"))
    )]
    FieldCount {
        /// The number of fields in the header.
        expected: usize,
        /// The number of fields in the record.
        found: usize,
        /// The delimiter.
        delimiter: Delimiter,
        /// What may have caused it.
        cause: Option<FieldCountCause>,
    },
    /// A quote in the record is never closed, so the record extends to the end of the input.
    #[error(
        "a quote that is opened at line {line} is never closed; the record takes in the rest of the input, {} ({})",
        count(*lines, "line"),
        count(*bytes, "byte")
    )]
    UnclosedQuote {
        /// The line of the quote, counted from 1.
        line: u64,
        /// The number of lines of the record.
        lines: u64,
        /// Its size in bytes.
        bytes: u64,
    },
    /// The record ends the data of a PostgreSQL COPY, but records follow it.
    #[error(r"\. ends the data, but records follow")]
    EndOfData,
    /// The record is not valid UTF-8.
    #[error("invalid UTF-8 in field {field}, at byte offset {offset}")]
    InvalidUtf8 {
        /// The number of the field, counted from 1.
        field: usize,
        /// The offset of the first invalid byte from the start of the input.
        offset: u64,
    },
    /// The line is not a JSON object, or has two members with the same name.
    #[error("{message}")]
    InvalidJson {
        /// What is wrong with it.
        message: String,
    },
    /// A JSON object has a member that is not a column.
    #[error("the member {member:?} is not a column, because it does not occur in the first lines")]
    UnknownMember {
        /// Its name.
        member: String,
    },
    /// A value does not have the type of its column.
    #[error("the value {value:?} of column {column:?} {problem}")]
    NotOfType {
        /// The name of the column.
        column: String,
        /// The value, or its first characters if it is long.
        value: String,
        /// The type.
        expected: Type,
        /// Why the value does not have this type, as a predicate.
        problem: String,
    },
    /// The row violates a constraint of the table.
    #[error("{message}")]
    Constraint {
        /// The column, if the constraint has exactly one.
        column: Option<String>,
        /// SQLite's message, which names the constraint.
        message: String,
    },
    /// An expression failed.
    #[error("{}: {message}", column.as_ref().map_or("WHERE".to_owned(), |column| format!("the expression of column {column:?}")))]
    Expression {
        /// The column that the expression computes; `None` for a condition in WHERE.
        column: Option<String>,
        /// The message of the failed function.
        message: String,
    },
}

/// What may have caused a record to have more or fewer fields than the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldCountCause {
    /// A field has text after its closing quote, as in `"say \"hi\", ok"`.
    TextAfterQuote,
    /// The record ends with a CR, while the header ends with an LF. The CR may belong to a field.
    LoneCr,
    /// The record ends with an LF, while the header ends with a CRLF. The LF may belong to a field.
    LoneLf,
}

impl fmt::Display for FieldCountCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TextAfterQuote => "a field has text after its closing quote",
            Self::LoneCr => "the record ends with a CR instead of an LF",
            Self::LoneLf => "the record ends with an LF instead of a CRLF",
        })
    }
}

/// True if this message of SQLite says that two rows have the same key.
pub(crate) fn is_about_duplicate(message: &str) -> bool {
    message.starts_with("UNIQUE ")
}

impl Reason {
    /// A stable identifier for programs, such as `field_count`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::FieldCount { .. } => "field_count",
            Self::UnclosedQuote { .. } => "unclosed_quote",
            Self::EndOfData => "end_of_data",
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::InvalidJson { .. } => "invalid_json",
            Self::UnknownMember { .. } => "unknown_member",
            Self::NotOfType { .. } => "not_of_type",
            Self::Constraint { .. } => "constraint",
            Self::Expression { .. } => "expression",
        }
    }

    /// The column of the table to which the reason applies, if it is a single one.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::NotOfType { column, .. } => Some(column),
            Self::Constraint { column, .. } | Self::Expression { column, .. } => column.as_deref(),
            Self::FieldCount { .. }
            | Self::UnclosedQuote { .. }
            | Self::EndOfData
            | Self::InvalidJson { .. }
            | Self::UnknownMember { .. }
            | Self::InvalidUtf8 { .. } => None,
        }
    }
}
