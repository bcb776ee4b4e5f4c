//! Why a record is a reject.

/// Why one record could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The record has more or fewer fields than the header.
    #[error("{found} fields where the header has {expected}")]
    FieldCount {
        /// Fields in the header.
        expected: usize,
        /// Fields in the record.
        found: usize,
    },
    /// The record is not valid UTF-8.
    #[error("invalid UTF-8 in field {field}, at byte offset {offset}")]
    InvalidUtf8 {
        /// The number of the field, counted from 1.
        field: usize,
        /// Offset of the first invalid byte from the start of the input.
        offset: u64,
    },
    /// A value is not of the type that its column was given.
    #[error("the value of column {column:?} is not {expected}")]
    NotOfType {
        /// The name of the column.
        column: String,
        /// The type.
        expected: &'static str,
    },
    /// The row breaks a constraint of the table.
    #[error("{message}")]
    Constraint {
        /// The name of the column, if it is of one alone.
        column: Option<String>,
        /// Which constraint, in the words of SQLite.
        message: String,
    },
    /// An expression has no value.
    #[error("{}: {message}", column.as_ref().map_or("WHERE".to_owned(), |column| format!("the expression of column {column:?}")))]
    Expression {
        /// The name of the column whose expression it is; none if it is the filter.
        column: Option<String>,
        /// What the function says.
        message: String,
    },
}

impl Reason {
    /// What kind of reason it is, as one word for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::FieldCount { .. } => "field_count",
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::NotOfType { .. } => "not_of_type",
            Self::Constraint { .. } => "constraint",
            Self::Expression { .. } => "expression",
        }
    }

    /// What helps, as part of a message.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::FieldCount { .. } => " or its --delimiter, take such records with --ragged pad or fit",
            Self::InvalidUtf8 { .. } => ", name its --encoding, mend it with --invalid-utf8 replace",
            Self::NotOfType { .. } | Self::Constraint { .. } | Self::Expression { .. } => "",
        }
    }

    /// The column that is to blame, if it is one of the table.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::NotOfType { column, .. } => Some(column),
            Self::Constraint { column, .. } | Self::Expression { column, .. } => column.as_deref(),
            Self::FieldCount { .. } | Self::InvalidUtf8 { .. } => None,
        }
    }
}
