//! The example pipeline: people with a key, the last name in upper case, and an e-mail address.
//!
//! The input has the columns `first_name`, `last_name` and `age`, in any order, and may have others.

use crate::plan::{Expr, Table};
use crate::sql::Pipeline;

/// The pipeline, as SQL.
pub const SQL: &str = include_str!("../../data/people.sql");

/// Returns the table `people` with keys made by `id`: [`Expr::Uuid7`], as in [`SQL`], or [`Expr::Uuid4`].
///
/// # Panics
/// Never: [`SQL`] is a valid pipeline.
#[must_use]
pub fn table(id: Expr) -> Table {
    let mut table = Pipeline::parse("people.sql", SQL).expect("a valid pipeline").into_plan().table;
    table.columns[0].value = id;
    table
}
