//! Which expression of a plan is evaluated by what.

use crate::ddl::quote_text;
use crate::error::Result;
use crate::load::Load;
use crate::plan::{Expr, Plan, Sql};
use crate::sources::Sources;
use crate::transform::Seed;
use std::fmt;

/// What the rows of a load are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What must be true of a record that becomes a row, in this order, before there are any values.
    pub conditions: Vec<Evaluation>,
    /// The columns that are filled, and what they are filled with.
    pub values: Vec<(String, Evaluation)>,
}

/// An expression, and what evaluates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// Its text.
    pub text: String,
    /// `compiled` code, or `SQLite`.
    pub evaluator: &'static str,
}

impl Load<'_> {
    /// Says what would evaluate the expressions. Nothing is loaded.
    pub(crate) fn explain(self) -> Result<Explanation> {
        let list = self.open_inputs()?;
        let described = self.describe(&list, self.jobs(), false)?;
        // All columns that are named are there.
        Sources::new(&list, &described.plan, &described.plan.table, Seed::fixed(0))?;
        Ok(Explanation::of(&described.plan))
    }
}

impl Explanation {
    pub(crate) fn of(plan: &Plan) -> Self {
        let values = plan.table.columns.iter().map(|column| (column.name.clone(), (&column.value).into()));
        Self { conditions: plan.conditions.iter().map(Evaluation::from).collect(), values: values.collect() }
    }
}

impl From<&Expr> for Evaluation {
    fn from(expr: &Expr) -> Self {
        Self { text: text(expr), evaluator: expr.evaluator() }
    }
}

/// An expression as it is written in SQL, or nearly so.
fn text(expr: &Expr) -> String {
    match expr {
        Expr::Sql(Sql { text, .. }) => text.clone(),
        Expr::Field(name) | Expr::FieldOrNull(name) => name.clone(),
        Expr::NullIf(of, _) => text(of),
        Expr::Typed { of, to, .. } => format!("{} as {}", text(of), to.as_str()),
        Expr::InputName => "input_name()".to_owned(),
        Expr::RecordNumber => "record_number()".to_owned(),
        Expr::Now => "current_timestamp".to_owned(),
        Expr::LineNumber => "line_number()".to_owned(),
        Expr::Uuid4 => "uuid4()".to_owned(),
        Expr::Uuid7 => "uuid7()".to_owned(),
        Expr::Random => "random()".to_owned(),
        Expr::Text(text) => quote_text(text),
        Expr::Integer(integer) => integer.to_string(),
        Expr::Real(real) => format!("{real:?}"),
        Expr::Null => "NULL".to_owned(),
        other => format!("{other:?}"),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = std::iter::once("WHERE").chain(std::iter::repeat("AND"));
        let conditions = words.zip(&self.conditions);
        let values = self.values.iter().map(|(name, value)| (name.as_str(), value));
        let lines: Vec<_> = conditions.chain(values).collect();
        let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        let lines = lines.iter().map(|(name, Evaluation { text, evaluator })| {
            let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
            format!("{evaluator:8}  {name:width$}  {text}")
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}
