//! Setters for the table and its columns.

use super::Loader;
use crate::error::Result;
use crate::plan::{HeaderColumns, IfExists, OnConflict};
use crate::sql;

/// Columns that come from the inputs. These setters are for loaders made with [`Loader::new`].
impl Loader {
    /// The columns to load, in this order. Default: all.
    pub fn columns<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.header_columns().selected = strings(names);
        self
    }

    /// Columns that are not loaded. Default: none.
    pub fn exclude<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.header_columns().excluded.extend(strings(names));
        self
    }

    /// Computes the columns of the table with a SQL select list, as in `id, upper(name) AS name`.
    ///
    /// # Errors
    /// [`Kind::Sql`](crate::Kind::Sql), with the place; [`Kind::Usage`](crate::Kind::Usage) if the columns of the plan do not
    /// come from the input.
    pub fn select(self, list: &str) -> Result<Self> {
        Ok(Self { plan: sql::select(self.plan, "SELECT", list)?, ..self })
    }

    /// Renames a column.
    pub fn rename(mut self, old: impl Into<String>, new: impl Into<String>) -> Self {
        self.header_columns().renamed.push((old.into(), new.into()));
        self
    }

    /// Whether the table gets the columns of all inputs; columns that an input lacks are NULL in its rows. Default: false, so
    /// that inputs with different columns are an error.
    pub fn union_by_name(mut self, union: bool) -> Self {
        self.header_columns().union_by_name = union;
        self
    }

    /// Whether each input is loaded into a table of its own, named after the input ([`table_name`](crate::table_name)) instead
    /// of the name given to [`Loader::new`]. Types, NULLs of single columns, excluded and renamed columns, keys, constraints and
    /// indexes apply to the tables that have the columns; that no table has them is an error. Default: false.
    pub fn table_per_input(mut self, table_per_input: bool) -> Self {
        self.header_columns().table_per_input = table_per_input;
        self
    }

    /// Adds a column with the name of the input that a row comes from.
    pub fn file_column(mut self, name: impl Into<String>) -> Self {
        self.header_columns().input_column = Some(name.into());
        self
    }

    /// Adds a first column that numbers the rows and is the INTEGER PRIMARY KEY.
    pub fn auto_id(mut self, name: impl Into<String>) -> Self {
        self.header_columns().auto_id = Some(name.into());
        self
    }

    /// The columns of the primary key.
    pub fn primary_key<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.header_columns().primary_key = strings(columns);
        self
    }

    /// Declares columns NOT NULL.
    pub fn not_null<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.header_columns().not_null.extend(strings(columns));
        self
    }

    /// Adds a UNIQUE constraint on columns.
    pub fn unique<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.header_columns().unique.push(strings(columns));
        self
    }

    /// Creates an index on columns after the rows are loaded.
    pub fn index<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.header_columns().indexes.push(strings(columns));
        self
    }

    /// Whether columns that an existing table lacks are added to it. Default: false, so that they are an error.
    pub fn add_columns(mut self, add: bool) -> Self {
        self.header_columns().add_columns = add;
        self
    }

    fn header_columns(&mut self) -> &mut HeaderColumns {
        self.plan.columns.get_or_insert_default()
    }
}

/// Rows and the table.
impl Loader {
    /// Loads only records for which a SQL expression is true, as in `price > 10`. Several filters must all be true.
    ///
    /// # Errors
    /// [`Kind::Sql`](crate::Kind::Sql), with the place.
    pub fn filter(self, condition: &str) -> Result<Self> {
        Ok(Self { plan: sql::filter(self.plan, "WHERE", condition)?, ..self })
    }

    /// What to do if the table exists. Default: [`IfExists::Fail`], unless a pipeline says otherwise.
    pub fn if_exists(mut self, if_exists: IfExists) -> Self {
        self.plan.table.if_exists = if_exists;
        self
    }

    /// What to do with a row whose key exists. Default: [`OnConflict::Reject`].
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.plan.table.on_conflict = on_conflict;
        self
    }

    /// Whether a new table is STRICT. Default: false.
    pub fn strict(mut self, strict: bool) -> Self {
        self.plan.table.is_strict = strict;
        self
    }

    /// Whether a new table is WITHOUT ROWID, which requires a primary key. Default: false.
    pub fn without_rowid(mut self, without_rowid: bool) -> Self {
        self.plan.table.is_without_rowid = without_rowid;
        self
    }
}

fn strings<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}
