//! Explains which code evaluates each expression of a plan.

use super::resolve::ResolvedPlan;
use crate::database::check_path;
use crate::engine::inputs::Inputs;
use crate::error::{Kind, Result};
use crate::eval::Seed;
use crate::load::Conductor;
use crate::plan::{Column, Expr, SqlExpr};
use crate::report::{Evaluation, Explanation};
use crate::schema::ddl::quote_text;

impl Conductor<'_> {
    /// Reports which code would evaluate each expression. Loads nothing.
    pub(crate) fn explain(self) -> Result<Explanation> {
        check_path(self.database, self.inputs)?;
        self.with_inputs(|inputs| {
            let resolved = self.resolve_all(inputs, self.jobs(), false)?;
            let [resolved] = resolved.as_slice() else {
                return Err(Kind::Usage("only a load into one table can be explained".to_owned()).into());
            };
            // Checks that all columns exist.
            Inputs::new(&inputs.list, &resolved.plan, &resolved.plan.table, Seed::fixed(0))?;
            Ok(explanation(resolved))
        })
    }
}

/// Which code evaluates each expression of a plan, and the types of the columns that the expressions use.
pub(super) fn explanation(ResolvedPlan { plan, used_columns, .. }: &ResolvedPlan) -> Explanation {
    let evaluation = |expr: &Expr| Evaluation { text: text(expr), evaluator: expr.evaluator() };
    let value = |column: &Column| (column.name.clone(), evaluation(&column.value));
    Explanation {
        conditions: plan.conditions.iter().map(evaluation).collect(),
        values: plan.table.columns.iter().map(value).collect(),
        column_types: used_columns.clone(),
    }
}

/// An expression as it is written in SQL, or nearly so.
fn text(expr: &Expr) -> String {
    match expr {
        Expr::Sql(SqlExpr { text, .. }) => text.clone(),
        Expr::Field(name) | Expr::Column(name) | Expr::FieldOrNull(name) | Expr::Value(name, _) => {
            name.clone()
        }
        Expr::NullIf(of, _) | Expr::InSqlNotation { expr: of, .. } => text(of),
        Expr::Typed { expr, to, .. } => format!("{} as {}", text(expr), to.as_str()),
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
