//! The columns of inputs: their types, and which of their values are NULL.

use super::column_stats::ColumnStats;
use super::names::NameIndex;
use super::table::find;
use crate::error::{ColumnUse, Result};
use crate::plan::{Expr, Nulls, OnMismatch, Type};
use crate::types::type_of_declared;

/// The type that an input declares for a column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "arrow"), expect(dead_code, reason = "CSV declares no types"))]
pub(crate) enum DeclaredType {
    /// Values of this type, and NULLs.
    Of(Type),
    /// NULLs only.
    Null,
    /// A type without a counterpart in SQLite: its name.
    Unsupported(String),
}

/// A column of the input, with the type that it has in the table of a plain load.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InputColumn {
    pub(crate) declared_type: String,
    /// Its value.
    pub(crate) value: Expr,
}

impl InputColumn {
    /// The column `name`, with the type that the statistics of its values show. If the input `has_strings`, strings that look like
    /// numbers are not numbers.
    pub(crate) fn inferred(name: &str, stats: &ColumnStats, has_strings: bool) -> Self {
        let to = stats.column_type();
        let field = match has_strings && to != Type::Text {
            true => Expr::Value(name.to_owned(), to),
            false => Expr::Field(name.to_owned()),
        };
        let value = match to {
            Type::Text if !stats.is_empty() => field,
            _ => Expr::Typed { expr: Box::new(field), to, on_mismatch: OnMismatch::TypeMismatch },
        };
        Self { declared_type: to.as_str().to_owned(), value }
    }

    /// The column `name`, with a declared type that the user requests.
    pub(crate) fn requested(name: &str, declared: &str, is_strict: bool) -> Self {
        let (expr, to) = (Box::new(Expr::Field(name.to_owned())), type_of_declared(declared, is_strict));
        let value = Expr::Typed { expr, to, on_mismatch: OnMismatch::Reject };
        Self { declared_type: declared.to_owned(), value }
    }

    /// The column `name`, all of whose values are TEXT.
    pub(crate) fn text(name: &str) -> Self {
        Self { declared_type: Type::Text.as_str().to_owned(), value: Expr::Field(name.to_owned()) }
    }

    /// The column `name` of an input that declares types, as a column of type `to`.
    pub(crate) fn declared(name: &str, to: Type) -> Self {
        Self { declared_type: to.as_str().to_owned(), value: Self::value(name, to) }
    }

    /// The same as a column that the user declares as `declared`.
    pub(crate) fn redeclared(name: &str, declared: &str, is_strict: bool) -> Self {
        let value = Self::value(name, type_of_declared(declared, is_strict));
        Self { declared_type: declared.to_owned(), value }
    }

    /// The value of the column `name` of an input that declares types, as a value of type `to`.
    pub(crate) fn value(name: &str, to: Type) -> Expr {
        let expr = Box::new(Expr::Value(name.to_owned(), to));
        Expr::Typed { expr, to, on_mismatch: OnMismatch::Reject }
    }
}

/// Applies `nulls` to every value of the input in `expr`.
pub(crate) fn with_nulls(expr: Expr, nulls: &Nulls) -> Expr {
    expr.map_leaves(&|leaf| match leaf {
        Expr::Field(name) => {
            let texts = null_texts(&name, nulls);
            let field = if nulls.empty { Expr::FieldOrNull(name) } else { Expr::Field(name) };
            if texts.is_empty() { field } else { Expr::NullIf(field.into(), texts) }
        }
        Expr::Value(name, to) => {
            let empty = nulls.empty.then(String::new);
            let texts: Vec<_> = null_texts(&name, nulls).into_iter().chain(empty).collect();
            let value = Expr::Value(name, to);
            if texts.is_empty() { value } else { Expr::NullIf(value.into(), texts) }
        }
        leaf => leaf,
    })
}

/// The texts that mean NULL in the column `name`.
fn null_texts(name: &str, nulls: &Nulls) -> Vec<String> {
    let own = nulls.columns.iter().filter(|(column, _)| column.eq_ignore_ascii_case(name));
    nulls.texts.iter().chain(own.map(|(_, text)| text)).cloned().collect()
}

/// Checks that `names` has every column that `nulls` names.
///
/// # Errors
/// [`Kind::NoSuchColumn`].
pub(crate) fn check_nulls(nulls: &Nulls, names: &[String]) -> Result<()> {
    let names = NameIndex::new(names);
    nulls.columns.iter().try_for_each(|(name, _)| find(ColumnUse::Null, name, &names).map(drop))
}
