//! `load`, and its options for the table and its columns.

use super::keywords;
use super::names::{first_name, names};
use super::options::{LoadOptions, set};
use super::remedy::Given;
use super::run::{LoadRequest, Task};
use clap::Args;
use sqload::plan::{IfExists, OnConflict};
use sqload::{Kind, Loader, sql, table_name};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = concat!(
    "\
Examples:
  sqload load sales.csv sales.db                     into table sales of a new database
  sqload load sales.csv shop.db -t orders --replace  replace table orders, keep everything else
  sqload load --tsv sales.tsv sales.db               tab-separated fields
  sqload load sales.csv sales.db --all-text          every column as TEXT
  sqload load sales.csv sales.db --on-error skip --rejects bad.csv

",
    exit_codes!()
);

#[derive(Debug, Args)]
pub(super) struct Load {
    /// Files of CSV or JSON Lines with the same columns (unless --table-per-input is given), patterns such as 'sales-*.csv', or `-` for standard
    /// input. The last path is the SQLite database, which is created if it does not exist.
    ///
    /// Files compressed with gzip, zstd, bzip2 or xz, and zip and tar archives, are recognized by their content. Each file in
    /// an archive is an input; 'archive.zip//stops.txt' or 'archive.zip//*.txt' selects some.
    // One list, since clap cannot tell where a list ends and DATABASE begins if options are between them.
    #[arg(value_name = "INPUT", required = true)]
    paths: Vec<PathBuf>,
    /// Name of the table [default: the name of the first input without extensions].
    #[arg(short, long, value_name = "NAME", help_heading = "Table")]
    table: Option<String>,
    /// Replace an existing table.
    #[arg(long, conflicts_with_all = ["append", "truncate"], help_heading = "Table")]
    replace: bool,
    /// Add rows to an existing table, matching columns by name.
    #[arg(long, group = "fill", conflicts_with = "truncate", help_heading = "Table")]
    append: bool,
    /// Delete all rows of an existing table before adding rows, matching columns by name.
    #[arg(long, group = "fill", help_heading = "Table")]
    truncate: bool,
    /// Read only the first N records.
    #[arg(long, value_name = "N", help_heading = "Input")]
    limit: Option<u64>,
    /// The input has no header; name the columns column1, column2 and so on.
    #[arg(long, conflicts_with = "header_rows", help_heading = "Input")]
    no_headers: bool,
    /// The first N records are the header; join the names of a column with a space. A name above several columns applies
    /// to all of them [default: 1].
    #[arg(long, value_name = "N", conflicts_with = "names", help_heading = "Input")]
    header_rows: Option<usize>,
    /// Load the columns of all inputs; columns that an input lacks are NULL [default: different columns are an error].
    #[arg(long, help_heading = "Columns")]
    union_by_name: bool,
    /// Load each input into a table of its own, named after it. Options that name columns apply to the tables that have them.
    #[arg(
        long,
        conflicts_with_all = ["table", "columns", "select", "condition", "union_by_name", "explain"],
        help_heading = "Table"
    )]
    table_per_input: bool,
    /// Add a column that names the input of each row.
    #[arg(long, value_name = "NAME", help_heading = "Columns")]
    file_column: Option<String>,
    /// Load only these columns, in this order. In lists of columns, put names that contain a comma in double quotes.
    #[arg(long, value_name = "COLS", help_heading = "Columns")]
    columns: Vec<String>,
    /// Load all columns except these.
    #[arg(long, value_name = "COLS", conflicts_with_all = ["columns", "select"], help_heading = "Columns")]
    exclude: Vec<String>,
    /// Compute the columns with a SQL select list: 'id, upper(name) AS name, price * 1.19 AS gross'. Columns of the input
    /// keep their inferred types, a CAST has its own type, and all other values are stored unchanged.
    #[arg(long, value_name = "LIST", conflicts_with_all = ["columns", "rename"], help_heading = "Columns")]
    select: Option<String>,
    /// Load only records for which a SQL expression is true: "price > 10 AND name LIKE 'A%'".
    #[arg(long = "where", value_name = "CONDITION", allow_hyphen_values = true, help_heading = "Columns")]
    condition: Option<String>,
    /// Rename a column; may be repeated.
    #[arg(long, value_name = "OLD=NEW", value_parser = parse_rename, help_heading = "Columns")]
    rename: Vec<(String, String)>,
    /// Columns of the primary key.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    pk: Vec<String>,
    /// Number the rows in a first column, the primary key. Without NAME it is called `id`; the option must then come after the files.
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        default_missing_value = "id",
        conflicts_with = "pk",
        help_heading = "Table"
    )]
    auto_id: Option<String>,
    /// Declare columns NOT NULL.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    not_null: Vec<String>,
    /// Add a UNIQUE constraint on these columns; may be repeated.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    unique: Vec<String>,
    /// Create an index on these columns after the rows are loaded; may be repeated.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    index: Vec<String>,
    /// Create a STRICT table.
    #[arg(long, help_heading = "Table")]
    strict: bool,
    /// Create a WITHOUT ROWID table; requires --pk.
    #[arg(long, requires = "pk", help_heading = "Table")]
    without_rowid: bool,
    /// With --append or --truncate, add columns that the table lacks.
    #[arg(long, requires = "fill", help_heading = "Table")]
    add_columns: bool,
    /// Ignore and count rows whose key exists [default: reject them].
    #[arg(long, conflicts_with = "upsert", help_heading = "Table")]
    ignore: bool,
    /// Update the existing row if the primary key exists.
    #[arg(long, help_heading = "Table")]
    upsert: bool,
    /// Build one database for each value of these columns instead of one database, and publish them with a manifest. All paths
    /// are then inputs. Requires --into.
    #[arg(
        long,
        value_name = "COLS",
        requires = "into",
        conflicts_with_all = ["append", "truncate", "table_per_input", "dry_run", "explain"],
        help_heading = "Shards"
    )]
    shards_by: Vec<String>,
    /// The directory of the shards: COL=VALUE/data.sqlite for each value, and manifest.json. With --replace, a manifest that exists
    /// is replaced.
    #[arg(long, value_name = "DIR", requires = "shards_by", help_heading = "Shards")]
    into: Option<PathBuf>,
    /// Build at most N databases, bucket=NUMBER/data.sqlite, by the hash of the columns of --shards-by.
    #[arg(long, value_name = "N", requires = "shards_by", help_heading = "Shards")]
    shards: Option<NonZeroU32>,
    #[command(flatten)]
    options: LoadOptions,
}

impl Load {
    pub(super) fn request(&self) -> LoadRequest<'_> {
        let (inputs, database) = match (&self.into, self.paths.split_last()) {
            (Some(directory), _) => (self.paths.clone(), directory.clone()),
            (None, Some((database, inputs))) => (inputs.to_vec(), database.clone()),
            (None, None) => Default::default(),
        };
        LoadRequest {
            loader: self.loader(),
            inputs,
            database,
            report: self.options.report.as_deref(),
            rejects: self.options.rejects(),
            verbosity: &self.options.verbosity,
            task: match self.shards_by.as_slice() {
                [] => self.options.task(),
                lists => Task::LoadShards(lists.iter().flat_map(|list| names(list)).collect(), self.shards),
            },
            given: Given {
                is_pipeline: false,
                is_merge: false,
                has_table_per_input: self.table_per_input,
                describes_one_table: self.table.is_some()
                    || !self.columns.is_empty()
                    || self.select.is_some()
                    || self.condition.is_some(),
                has_select: self.select.is_some(),
                is_direct: self.options.is_direct(),
            },
            notice: None,
        }
    }

    /// True if there are no inputs before the last path.
    pub(super) fn lacks_database(&self) -> bool {
        self.paths.len() < 2 && self.into.is_none()
    }

    pub(super) fn has_auto_id(&self) -> bool {
        self.auto_id.is_some()
    }

    pub(super) fn loader(&self) -> sqload::Result<Loader> {
        let default_name = || table_name(self.paths.first().map_or(Path::new("-"), PathBuf::as_path));
        let table = self.table.clone().unwrap_or_else(default_name);
        let loader = self.options.apply(Loader::new(table))?;
        let header_rows = if self.no_headers { Some(0) } else { self.header_rows };
        let loader = set(set(loader, self.limit, Loader::limit), header_rows, Loader::header_rows);
        self.check_auto_id()?;
        self.apply_sql(self.apply_columns(self.apply_table(loader)))
    }

    /// Checks that `--auto-id` has not taken a file for a name.
    fn check_auto_id(&self) -> sqload::Result<()> {
        match &self.auto_id {
            Some(name) if Path::new(name).is_file() && !keywords::is_host() => Err(Kind::Usage(format!(
                "--auto-id took {name:?} for the name of the column, but that is a file: put --auto-id after the files, or write --auto-id=NAME"
            ))
            .into()),
            _ => Ok(()),
        }
    }

    fn apply_table(&self, loader: Loader) -> Loader {
        let loader = set(loader, self.auto_id.as_ref(), Loader::auto_id);
        let loader = self.unique.iter().fold(loader, |loader, list| loader.unique(names(list)));
        let loader = self.index.iter().fold(loader, |loader, list| loader.index(names(list)));
        loader
            .if_exists(match self {
                Self { replace: true, .. } => IfExists::Replace,
                Self { append: true, .. } => IfExists::Append,
                Self { truncate: true, .. } => IfExists::Truncate,
                _ => IfExists::Fail,
            })
            .on_conflict(match self {
                Self { ignore: true, .. } => OnConflict::Ignore,
                Self { upsert: true, .. } => OnConflict::Update,
                _ => OnConflict::Reject,
            })
            .primary_key(self.pk.iter().flat_map(|list| names(list)))
            .not_null(self.not_null.iter().flat_map(|list| names(list)))
            .strict(self.strict)
            .without_rowid(self.without_rowid)
            .add_columns(self.add_columns)
    }

    fn apply_columns(&self, loader: Loader) -> Loader {
        let loader = set(loader, self.file_column.as_ref(), Loader::file_column);
        let loader = self.rename.iter().fold(loader, |loader, (old, new)| loader.rename(old, new));
        loader
            .exclude(self.exclude.iter().flat_map(|list| names(list)))
            .columns(self.columns.iter().flat_map(|list| names(list)))
            .union_by_name(self.union_by_name)
            .table_per_input(self.table_per_input)
    }

    /// Applies the options in SQL. They are parsed here, so that errors name the option.
    fn apply_sql(&self, loader: Loader) -> sqload::Result<Loader> {
        let mut plan = loader.plan().clone();
        if let Some(list) = &self.select {
            plan = sql::select(plan, &keywords::name("--select"), list)?;
        }
        if let Some(condition) = &self.condition {
            plan = sql::filter(plan, &keywords::name("--where"), condition)?;
        }
        Ok(Loader::from(plan))
    }
}

fn parse_rename(text: &str) -> Result<(String, String), String> {
    match first_name(text, '=', &['=']) {
        (old, Some(new)) if !new.is_empty() => Ok((old, new.to_owned())),
        _ => Err("expected OLD=NEW".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_column_may_contain_an_equals_sign() {
        assert_eq!(parse_rename("\"a=b\"=c"), Ok(("a=b".to_owned(), "c".to_owned())));
        assert_eq!(parse_rename("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(parse_rename("\"a=b\"").is_err() && parse_rename("a=").is_err());
    }
}
