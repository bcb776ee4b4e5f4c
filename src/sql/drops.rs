//! DROP TABLE IF EXISTS and DROP VIEW IF EXISTS: what a pipeline replaces.

use super::script::Fragment;
use crate::error::Result;
use sqlparser::ast::{ObjectName, ObjectType, Statement};

/// The objects that a pipeline drops and has not yet created again.
#[derive(Default)]
pub(super) struct Drops<'s>(Vec<(ObjectType, String, Fragment<'s>)>);

impl<'s> Drops<'s> {
    /// Adds a statement.
    ///
    /// # Errors
    /// [`crate::Kind::Sql`] if it does not drop exactly one table or view.
    pub(super) fn add(&mut self, statement: Fragment<'s>) -> Result<()> {
        let name = |name: &ObjectName| match name.0.as_slice() {
            [name] => name.as_ident().map(|name| name.value.clone()),
            [schema, name] => {
                let is_main = schema.as_ident().is_some_and(|name| name.value.eq_ignore_ascii_case("main"));
                name.as_ident().filter(|_| is_main).map(|name| name.value.clone())
            }
            _ => None,
        };
        match statement.parse(|parser| parser.parse_statement())? {
            Statement::Drop { object_type, names, if_exists: true, cascade: false, .. }
                if names.len() == 1 && names.iter().all(|dropped| name(dropped).is_some()) =>
            {
                let name = names.iter().find_map(name).unwrap_or_default();
                self.0.push((object_type, name, statement));
                Ok(())
            }
            _ => Err(statement.error("expected the name of one table or view of the pipeline")),
        }
    }

    /// Returns true if the object of this type and name was dropped, and takes note that it is created again.
    pub(super) fn take(&mut self, object_type: ObjectType, name: &str) -> bool {
        let is_same = |(dropped_type, dropped, _): &(ObjectType, String, _)| {
            *dropped_type == object_type && dropped.eq_ignore_ascii_case(name)
        };
        let count = self.0.len();
        self.0.retain(|dropped| !is_same(dropped));
        self.0.len() < count
    }

    /// Checks that the pipeline has created everything that it drops.
    ///
    /// # Errors
    /// [`crate::Kind::Sql`].
    pub(super) fn check_all_taken(&self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some((_, name, statement)) => {
                let reason =
                    format!("a pipeline drops only what it creates afterwards, which {name:?} is not");
                Err(statement.error(reason))
            }
        }
    }
}
