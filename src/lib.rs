//! sqload loads CSV files into SQLite: fast, all or nothing, without changing a value.
//!
//! # Load a file
//!
//! ```
//! # fn main() -> sqload::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let (input, database) = (dir.path().join("cities.csv"), dir.path().join("cities.db"));
//! # std::fs::write(&input, "city;people\nParis;2102650\n\"Washington, D.C.\";678972\n").unwrap();
//! # let (input, database) = (&input, &database);
//! use sqload::Loader;
//! let report = Loader::new("cities").load(input, database)?;
//! println!("{} rows", report.loaded);
//! # assert_eq!((report.records, report.loaded, report.rejected), (2, 2, 0));
//! # Ok(())
//! # }
//! ```
//!
//! The columns of the new table are those of the header. A column is INTEGER or REAL if that preserves every value, otherwise
//! TEXT. [`Loader`] has a setter for everything else: the format of the input, the table and its keys, bad records, and
//! how the database is written.
//!
//! # Compute columns with SQL
//!
//! A [pipeline](sql) describes the table, and how its rows follow from the records of the input:
//!
//! ```
//! # fn main() -> sqload::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let (input, database) = (dir.path().join("cities.csv"), dir.path().join("cities.db"));
//! # std::fs::write(&input, "city,people\nParis,2102650\nLost,\n").unwrap();
//! # let (input, database) = (&input, &database);
//! use sqload::{Loader, sql::Pipeline};
//!
//! let pipeline = "
//!     CREATE TABLE cities (name TEXT PRIMARY KEY, people INTEGER);
//!     INSERT INTO cities SELECT upper(city), try_integer(people) FROM input WHERE people <> '';
//!     CREATE INDEX cities_by_size ON cities (people);
//! ";
//! let report = Loader::from(Pipeline::parse("cities.sql", pipeline)?).load(input, database)?;
//! assert_eq!((report.loaded, report.filtered), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # Build a plan by hand
//!
//! Both loaders above are a [`Plan`](plan::Plan), which is plain data:
//!
//! ```
//! # fn main() -> sqload::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let (input, database) = (dir.path().join("cities.csv"), dir.path().join("cities.db"));
//! # std::fs::write(&input, "city,people\nParis,2102650\n").unwrap();
//! # let (input, database) = (&input, &database);
//! use sqload::plan::{Column, Expr, Plan, Table};
//! use sqload::Loader;
//!
//! let city = Column::new("city", "TEXT NOT NULL", Expr::Field("city".into()));
//! let people = Expr::TryInteger(Box::new(Expr::Field("people".into())));
//! let people = Column::new("people", "INTEGER", people);
//! let mut plan = Plan::new(Table::new("cities", vec![city, people]));
//! plan.tuning.verify = true;
//! let report = Loader::from(plan).load(input, database)?;
//! assert_eq!(report.loaded, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Cargo features
//!
//! `cli` is for the program, and the library does not need it. `gzip`, `zstd`, `bzip2`, `xz`, `zip` and `tar` read inputs in these
//! formats; an input whose format is switched off is an error. These features are on by default. `arrow` adds
//! [`Loader::load_arrow`](https://docs.rs/sqload), and `parquet` inputs that are Parquet files.
//!
//! # How it works
//!
//! ```text
//! input ──► split ──► [ parse ► evaluate ► encode ] × workers ──► reorder ──► write
//!  mmap     leader      one chunk each, no allocation               chunk      one writer
//!           thread      per record, one arena per chunk             order
//! ```
//!
//! The modules, in the order of the data:
//!
//! | module | contents |
//! |---|---|
//! | `cli` | command line to loader, terminal output; keywords for host programs (feature `cli`) |
//! | [`shards`] | many databases that several processes build, published by one commit |
//! | [`Loader`] | the builder |
//! | `demo` | the people example |
//! | `load` | conducts a load: resolves the plan, infers types, chooses a writer, attempts and retries, previews |
//! | `engine` | leader, workers, writer thread, reorder buffer, rejects |
//! | [`sql`] | SQL text to plan |
//! | `eval` | compiled expressions over a batch, and the same expressions inside SQLite |
//! | `format` | bytes to records: CSV, JSON Lines and Arrow arrays |
//! | `write` | the writers: INSERT statements, and finished pages |
//! | `database` | the target: inspection, locks, transaction, commit |
//! | [`report`] | progress, and the report of a load |
//! | `batch` | rows of a chunk, column by column, in an arena |
//! | `input` | bytes of inputs: map, read, decompress |
//! | `schema` | column names, declarations, column statistics |
//! | `files` | staged files and outputs |
//! | `types` | affinities, and which texts are numbers |
//! | [`Error`] | the error type |
//! | [`plan`] | what to load, as plain data |

// The command line names the library as other programs do.
#[cfg(feature = "cli")]
extern crate self as sqload;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod error;
#[doc(hidden)]
#[allow(rustdoc::private_intra_doc_links, reason = "public only for benches and fuzz targets")]
pub mod input;
mod loader;
pub mod plan;
pub mod report;
pub mod shards;
pub mod sql;

#[doc(hidden)]
pub mod batch;
mod database;
#[doc(hidden)]
pub mod demo;
#[doc(hidden)]
pub mod engine;
#[doc(hidden)]
pub mod eval;
mod files;
#[doc(hidden)]
pub mod format;
mod load;
mod schema;
mod types;
#[doc(hidden)]
pub mod write;

pub use database::SqliteBuild;
#[doc(hidden)]
pub use error::printable;
pub use error::{
    ColumnUse, Error, FieldCountCause, FileFormat, Kind, Oddity, PlanError, Position, Reason, Result,
    SqliteError, Warning,
};
pub use loader::{Format, Loader};
pub use schema::table_per_input::table_name;

/// The Rust code in README and in the book.
#[cfg(doctest)]
#[allow(
    rustdoc::invalid_codeblock_attributes,
    reason = "other blocks have attributes for tests/integration/documentation.rs"
)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/recipes.md")]
struct Documentation;
