//! Combines the shards of a manifest into one table.

use super::duplicate::with_both;
use super::parallel::{for_each, jobs};
use super::shard_table::ShardTable;
use super::{Manifest, Shard};
use crate::database::open_immutable;
use crate::engine::sqlite_input::SqliteInput;
use crate::error::{Error, Kind, Result};
use crate::files::descriptors::FileId;
use crate::loader::Loader;
use crate::plan::Plan;
use crate::report::Report;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

impl Loader {
    /// Loads the rows of all shards of the manifest at `manifest` into one table of the SQLite database `database`, in the order of
    /// the manifest.
    ///
    /// The sizes and hashes of all shards are checked first. The table has the columns, types, keys and indexes of the shards, and the
    /// values are unchanged. Rowids are assigned anew, unless a column is the INTEGER PRIMARY KEY. The load is all or nothing.
    ///
    /// # Errors
    /// As [`Loader::load`]; [`Kind::Shard`] if a shard is not as the manifest describes it, or its table differs from that of the
    /// first; [`Kind::Constraint`] if two rows have the same key; [`Kind::Usage`] if the loader has settings for inputs or columns.
    pub fn merge_shards(&self, manifest: impl AsRef<Path>, database: impl AsRef<Path>) -> Result<Report> {
        let (path, database) = (manifest.as_ref(), database.as_ref());
        self.load_tables(
            &[path.to_owned()],
            database,
            |stop| self.prepare_merge(path, database, stop),
            with_both,
        )
    }

    /// The plan of a merge, and its inputs.
    fn prepare_merge(
        &self,
        path: &Path,
        database: &Path,
        stop: &Arc<AtomicBool>,
    ) -> Result<(Plan, Vec<SqliteInput>)> {
        let table = &self.plan().table;
        let mut plan = Plan::with_header_columns(table.name.clone());
        plan.table.if_exists = table.if_exists;
        (plan.tuning, plan.report) = (self.plan().tuning.clone(), self.plan().report.clone());
        if plan != *self.plan() {
            let problem = "a merge takes the rows, columns, keys and indexes of the shards as they are";
            return Err(Kind::Usage(problem.to_owned()).into());
        }
        let manifest = Manifest::read(path)?;
        let (path, directory) = &Manifest::locate(path);
        let check = |shard: &Shard| check(shard, directory, &manifest.table, database);
        let tables = for_each(&manifest.shards, jobs(plan.tuning.jobs), stop, check)?;
        check_same(&manifest.shards, &tables, directory)?;
        let schema = tables.first().map_or(&manifest.schema, |table| &table.schema);
        let Some(merged) = ShardTable::renamed(schema, &manifest.table, &table.name, path)? else {
            let problem = "it has neither shards nor a schema, so the columns of the table are not known";
            return Err(Kind::Shard { path: path.to_owned(), problem: problem.to_owned() }.into());
        };
        let (shard_table, names) = (manifest.table.as_str().into(), Arc::new(merged.columns.clone()));
        let select = merged.select(&manifest.table).into();
        let input = |shard: &Shard| {
            let path = directory.join(&shard.path);
            SqliteInput::new(path, (&shard_table, &names, &select), (shard.rows, shard.bytes), stop)
        };
        let inputs = manifest.shards.iter().map(input).collect();
        plan.table = merged.target(&table.name, table.if_exists);
        plan.columns = None;
        Ok((plan, inputs))
    }
}

/// Checks that the shard is as the manifest describes it, and reads the schema of its table.
fn check(shard: &Shard, directory: &Path, table: &str, database: &Path) -> Result<ShardTable> {
    let path = directory.join(&shard.path);
    if let (Some(id), Some(other)) = (FileId::at(&path), FileId::at(database))
        && id == other
    {
        let problem = "it cannot take the rows of all shards, because it is one of them".to_owned();
        return Err(Kind::Shard { path, problem }.into());
    }
    Manifest::verify(directory, shard)?;
    let read = open_immutable(&path).and_then(|connection| ShardTable::read(&connection, table));
    match read.map_err(|source| Error::sqlite("read", &path, source))? {
        Some(found) => Ok(found),
        None => Err(Kind::Shard { path, problem: format!("it has no table {table:?}") }.into()),
    }
}

/// Checks that the tables of all shards have the same schema.
fn check_same(shards: &[Shard], tables: &[ShardTable], directory: &Path) -> Result<()> {
    let mut pairs = shards.iter().zip(tables);
    let Some((first, expected)) = pairs.next() else { return Ok(()) };
    let Some((shard, found)) = pairs.find(|(_, table)| *table != expected) else { return Ok(()) };
    let differs = |(found, expected): &(&String, &String)| found != expected;
    let mut all = found.schema.iter().zip(&expected.schema);
    let what = match all.find(differs) {
        Some((found, expected)) => format!("{found}, not {expected}"),
        None => "it has other indexes".to_owned(),
    };
    let first = directory.join(&first.path);
    let problem = format!("its table differs from that of {}: {what}", first.display());
    Err(Kind::Shard { path: directory.join(&shard.path), problem }.into())
}
