//! What a SELECT takes from the input, and positions in SQL text.

use super::Expr;
use std::fmt;
use std::sync::Arc;

/// The SELECT of an `INSERT INTO ... SELECT`, and the columns of the table that its values go to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Select {
    /// The select list.
    pub items: Vec<SelectItem>,
    /// Indexes of the target columns in the table, one for each value after `*` is expanded.
    pub target_columns: Vec<usize>,
    /// Indexes of the columns that get no value and have no default, and so are NULL in a new table.
    pub null_columns: Vec<usize>,
    /// Position of the SELECT.
    pub place: Place,
}

/// An item of a select list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SelectItem {
    /// `*`: all columns of the input, in input order.
    All,
    /// A column of the input.
    Column {
        /// Its name in the table.
        name: String,
        /// Its name in the input.
        column: String,
    },
    /// The value of an expression.
    Value {
        /// The name of its column in the table.
        name: String,
        /// The declared type of its column: that of a CAST, otherwise empty.
        declaration: &'static str,
        /// The expression.
        value: Expr,
    },
}

/// A reference to a column of the input in SQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnRef {
    /// The name of the column, as it is written there.
    pub column: String,
    /// Position of the reference.
    pub place: Place,
    /// True if the name is `true` or `false` and was read as 1 or 0, which is right only if no such column exists.
    pub is_boolean_literal: bool,
    /// True if its value is compared or computed with a number.
    pub is_number: bool,
}

/// A position in SQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The name of the text, usually that of its file.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u64,
    /// The column in characters, counted from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {}, column {}", self.file, self.line, self.column)
    }
}
