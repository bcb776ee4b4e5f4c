//! Which code evaluates the expressions of a load.

use crate::error::Printable;
use std::fmt::{self, Write};

/// The expressions of a load, and which code evaluates them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The conditions that a record must meet, in the order of their evaluation.
    pub conditions: Vec<Evaluation>,
    /// The columns of the table and the expressions of their values.
    pub values: Vec<(String, Evaluation)>,
    /// The columns of the inputs that expressions use, and their declared types in SQL.
    pub column_types: Vec<(String, String)>,
}

/// An expression, and which code evaluates it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The text of the expression.
    pub text: String,
    /// `compiled` code or `SQLite`.
    pub evaluator: &'static str,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Printable::new(f);
        let words = std::iter::once("WHERE").chain(std::iter::repeat("AND"));
        let conditions = words.zip(&self.conditions);
        let values = self.values.iter().map(|(name, value)| (name.as_str(), value));
        let lines: Vec<_> = conditions.chain(values).collect();
        let names = lines
            .iter()
            .map(|(name, _)| *name)
            .chain(self.column_types.iter().map(|(name, _)| name.as_str()));
        let width = names.map(|name| name.chars().count()).max().unwrap_or_default();
        let lines = lines.iter().map(|(name, Evaluation { text, evaluator })| {
            let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
            format!("{evaluator:8}  {name:width$}  {text}")
        });
        let types = self.column_types.iter();
        let types = types.map(|(name, column_type)| format!("column    {name:width$}  {}", column_type));
        let lines = lines.chain(types);
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}
