//! What SQL selects from an input, and where it says so.

use super::Expr;
use std::fmt;
use std::sync::Arc;

/// What goes into the columns of a table that is there to be filled.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// The values.
    pub items: Vec<SelectItem>,
    /// The columns that they go to, by number: one for each value when all are known.
    pub target_columns: Vec<usize>,
    /// Columns that get none and have no default, so that they are NULL.
    pub null_columns: Vec<usize>,
    /// Where that is said.
    pub place: Place,
}

/// A value, or some, that columns are made of.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SelectItem {
    /// All columns of the input, in its order.
    All,
    /// A column of the input.
    Column {
        /// What it is called in the table.
        name: String,
        /// What it is called in the input.
        column: String,
    },
    /// What an expression yields.
    Value {
        /// What its column is called.
        name: String,
        /// The type of its column: what a CAST says, otherwise none.
        declaration: &'static str,
        /// The expression.
        value: Expr,
    },
}

/// A place where SQL names a column of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRef {
    /// The column, as it is named there.
    pub column: String,
    /// The place.
    pub place: Place,
    /// Whether it is `true` or `false` and was taken for 1 or 0, which it is only where there is no such column.
    pub is_boolean_literal: bool,
}

/// A place in a text of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, or the option that gives the text.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u64,
    /// The character in it, counted from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {}, column {}", self.file, self.line, self.column)
    }
}
