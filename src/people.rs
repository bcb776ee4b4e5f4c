//! The built-in pipeline, as data: people with a key, the last name in capitals and an e-mail address.
//!
//! In: `first_name,last_name,age`, in any order, among any others.

use crate::plan::{Column, Expr, Table};

/// The table `people`, its key made by `id`: [`Expr::Uuid7`] or [`Expr::Uuid4`].
#[must_use]
pub fn table(id: Expr) -> Table {
    let field = |name: &str| Expr::Field(name.to_owned());
    let text = |text: &str| Expr::Text(text.to_owned());
    let age = || Expr::Coalesce(vec![Expr::TryInteger(Box::new(field("age"))), Expr::Integer(0)]);
    let email = Expr::Concat(vec![
        field("first_name"),
        text("."),
        field("last_name"),
        text("_"),
        age(),
        text("@somemail.com"),
    ]);
    Table::new(
        "people",
        vec![
            Column::new("id", "BLOB PRIMARY KEY", id),
            Column::new("first_name", "TEXT", field("first_name")),
            Column::new("last_name", "TEXT", Expr::Upper(Box::new(field("last_name")))),
            Column::new("age", "INTEGER", age()),
            Column::new("email", "TEXT", email),
        ],
    )
}
