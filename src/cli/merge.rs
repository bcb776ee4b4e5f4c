//! `merge`.

use super::options::{DatabaseOptions, Verbosity, set};
use super::remedy::Given;
use super::run::{LoadRequest, Task};
use clap::Args;
use sqload::Loader;
use sqload::plan::IfExists;
use sqload::shards::Manifest;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = concat!(
    "\
Examples:
  sqload merge shops/manifest.json shops.db               into the table that the shards have
  sqload merge shops/manifest.json all.db -t s --replace  replace table s, keep everything else

",
    exit_codes!()
);

#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The manifest of the shards, or their directory.
    manifest: PathBuf,
    /// SQLite database, which is created if it does not exist.
    database: PathBuf,
    /// Name of the table [default: that of the shards].
    #[arg(short, long, value_name = "NAME", help_heading = "Table")]
    table: Option<String>,
    /// Replace an existing table.
    #[arg(long, conflicts_with_all = ["append", "truncate"], help_heading = "Table")]
    replace: bool,
    /// Add rows to an existing table, matching columns by name.
    #[arg(long, conflicts_with = "truncate", help_heading = "Table")]
    append: bool,
    /// Delete all rows of an existing table before adding rows, matching columns by name.
    #[arg(long, help_heading = "Table")]
    truncate: bool,
    #[command(flatten)]
    options: DatabaseOptions,
    /// Write a report to FILE: an HTML page if its name ends in .html, otherwise JSON. `-` is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,
    #[command(flatten)]
    verbosity: Verbosity,
}

impl Merge {
    pub(super) fn request(&self) -> LoadRequest<'_> {
        LoadRequest {
            loader: self.loader(),
            inputs: vec![self.manifest.clone()],
            database: self.database.clone(),
            report: self.report.as_deref(),
            rejects: None,
            verbosity: &self.verbosity,
            task: Task::Merge,
            given: Given { is_merge: true, is_direct: self.options.is_direct(), ..Given::NOTHING },
            notice: None,
        }
    }

    pub(super) fn loader(&self) -> sqload::Result<Loader> {
        let table = match &self.table {
            Some(table) => table.clone(),
            None => Manifest::read(&self.manifest)?.table,
        };
        let loader = set(self.options.apply(Loader::new(table)), self.report.as_ref(), Loader::report);
        Ok(loader.if_exists(match self {
            Self { replace: true, .. } => IfExists::Replace,
            Self { append: true, .. } => IfExists::Append,
            Self { truncate: true, .. } => IfExists::Truncate,
            _ => IfExists::Fail,
        }))
    }
}
