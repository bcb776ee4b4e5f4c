//! sqload loads CSV into SQLite: fast, all or nothing, every value as it was.
//!
//! ```text
//! input ──► split ──► [ parse ► transform ► encode ] x workers ──► order ──► write
//!  mmap     leader     one chunk each, no allocation                in chunk   one writer
//!           thread     per record, arena per chunk                  order
//! ```
//!
//! A [`plan::Plan`] says what to do, a [`Loader`] does it and returns a [`report::Report`]:
//!
//! ```
//! use sqload::plan::{Column, Expr, Table};
//! use sqload::Loader;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let (input, database) = (dir.path().join("cities.csv"), dir.path().join("cities.db"));
//! std::fs::write(&input, "city,people\nParis,2102650\n\"Washington, D.C.\",678972\n")?;
//!
//! let city = Expr::Field("city".into());
//! let people = Expr::TryInteger(Box::new(Expr::Field("people".into())));
//! let columns = vec![Column::new("city", "TEXT NOT NULL", city), Column::new("people", "INTEGER", people)];
//! let table = Table::new("cities", columns);
//! let report = Loader::new(table).verify(true).load(&input, &database)?;
//! assert_eq!((report.records, report.loaded, report.rejected), (2, 2, 0));
//! # Ok(())
//! # }
//! ```

mod error;
#[doc(hidden)]
pub mod input;
mod loader;
pub mod plan;
pub mod report;
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

pub use error::{ColumnUse, Error, Kind, PlanError, Position, Reason, Result, SqliteError};
pub use loader::Loader;
