//! The command line.

use clap::Parser;
use sqload::plan::IfExists;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  sqload-sql \"SELECT city, sum(amount) AS total FROM 'sales.csv' GROUP BY city\" totals.db
  sqload-sql --input s=sales.csv --input c=cities.parquet 'SELECT * FROM s JOIN c USING (city)' shop.db -t sales
  sqload-sql \"COPY (SELECT * FROM 'sales-*.csv') TO 'shops/' STORED AS SQLITE PARTITIONED BY (tenant)\"

Exit codes: 0 done; 1 failed, database unchanged; 2 usage error; 130 interrupted, database unchanged.";

/// Run SQL over CSV, Parquet and JSON Lines files, and write the result to SQLite.
///
/// The rows of a SELECT become a table. COPY ... STORED AS SQLITE writes shards: one database for each key. A table in SQL is the
/// path of a file in quotes, or a name that --input gives to a file.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A SELECT or COPY statement.
    pub(crate) sql: String,
    /// The database for the rows of a SELECT.
    pub(crate) database: Option<PathBuf>,
    /// Give a file a name in SQL. The path may be a pattern such as `sales-*.csv`.
    #[arg(long = "input", value_name = "NAME=PATH", value_parser = named_input)]
    pub(crate) inputs: Vec<(String, String)>,
    /// The table [default: the name of the database].
    #[arg(short, long, value_name = "NAME", requires = "database")]
    pub(crate) table: Option<String>,
    /// Add the rows to the table if it exists.
    #[arg(long, requires = "database", conflicts_with = "replace")]
    append: bool,
    /// Replace the table if it exists.
    #[arg(long, requires = "database")]
    replace: bool,
    /// The columns of the primary key of a new table.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "database")]
    pub(crate) pk: Vec<String>,
    /// Create an index on these columns. May be repeated.
    #[arg(long, value_name = "COLUMNS", requires = "database")]
    pub(crate) index: Vec<String>,
    /// Read all columns of CSV files as text.
    #[arg(long)]
    pub(crate) text: bool,
    /// The number of threads [default: one for each core].
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Print errors only.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl Arguments {
    /// What to do with an existing table.
    pub(crate) fn if_exists(&self) -> IfExists {
        match (self.append, self.replace) {
            (true, _) => IfExists::Append,
            (_, true) => IfExists::Replace,
            _ => IfExists::Fail,
        }
    }
}

/// The name and the path of `NAME=PATH`.
///
/// # Errors
/// If one of them is missing.
pub fn named_input(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.to_owned())),
        _ => Err("expected NAME=PATH".to_owned()),
    }
}
