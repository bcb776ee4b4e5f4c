//! The built-in pipeline: people with a key, the last name in capitals and an e-mail address.
//!
//! In: `first_name,last_name,age`, in any order, among any others.

use crate::plan::{Expr, Table};
use crate::sql::Pipeline;

/// The pipeline.
pub const SQL: &str = include_str!("../../data/people.sql");

/// The table `people`, its key made by `id`: [`Expr::Uuid7`], which is what the pipeline has, or [`Expr::Uuid4`].
///
/// # Panics
/// Never: a test runs it.
#[must_use]
pub fn table(id: Expr) -> Table {
    let mut table = Pipeline::parse("people.sql", SQL).expect("it is a pipeline").into_plan().table;
    table.columns[0].value = id;
    table
}
