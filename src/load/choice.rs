//! Which writer takes the rows of a load.

use crate::error::{Error, Kind, Result};
use crate::plan::{Table, WriterChoice};
use crate::schema::ddl::create_table_sql;
use crate::types::register_math_functions;
use crate::write::direct::Schema;
use rusqlite::Connection;
use std::path::Path;

/// The writer for a load.
#[derive(Debug)]
pub(crate) enum Choice {
    Direct,
    /// Through statements, for this reason if it was not asked for.
    Statements(Option<String>),
}

impl Choice {
    /// What the writer is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Statements(_) => "statements",
        }
    }

    /// Why it is not another.
    pub(crate) fn reason(self) -> Option<String> {
        match self {
            Self::Direct => None,
            Self::Statements(reason) => reason,
        }
    }
}

/// Chooses a writer for `table`, which is to be made in `database`, a new one or one that `is_new` says is not.
///
/// # Errors
/// [`Kind::Sqlite`] if SQLite can not make such a table; [`Kind::DirectRefused`].
pub(crate) fn choose(choice: WriterChoice, table: &Table, database: &Path, is_new: bool) -> Result<Choice> {
    if choice == WriterChoice::Statements {
        return Ok(Choice::Statements(None));
    }
    let refusal = || -> rusqlite::Result<Option<String>> {
        if !is_new {
            return Ok(Some("the database has other content".to_owned()));
        }
        let trial = Connection::open_in_memory()?;
        register_math_functions(&trial)?;
        trial.execute_batch(&create_table_sql(table))?;
        table.indexes.iter().try_for_each(|sql| trial.execute_batch(sql))?;
        Ok(Schema::read(&trial, table)?.err())
    };
    let made = |source| Error::sqlite(format!("make table {:?} in", table.name), database, source);
    match refusal().map_err(made)? {
        None => Ok(Choice::Direct),
        Some(reason) if choice == WriterChoice::Auto => Ok(Choice::Statements(Some(reason))),
        Some(reason) => Err(Kind::DirectRefused { reason }.into()),
    }
}
