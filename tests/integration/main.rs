//! The integration tests: one module per subject, and the modules `common`, `faults`, `naive` and `twin` that they share.
//!
//! Tests that change the state of their process, such as its allocator, are separate binaries next to this directory.

mod common;
mod faults;
mod naive;
mod twin;

mod architecture;
mod archives;
#[cfg(feature = "arrow")]
mod arrow;
#[cfg(feature = "arrow")]
mod arrow_shards;
#[cfg(feature = "arrow")]
mod arrow_types;
mod atomicity;
mod bad_input;
mod cli;
mod constraints;
mod daily_work;
mod dialects;
mod direct_writer;
mod documentation;
mod dry_run;
mod duplicates;
mod durability;
mod examples;
mod expressions;
mod failure_reports;
mod formats;
mod functions;
mod grammar;
mod html_reports;
mod in_place;
mod inferred_types;
mod inputs;
mod json_lines;
mod large_fields;
mod load_inputs;
mod load_tables;
mod loader;
mod merge;

mod number_formats;
mod options;
mod other_formats;
mod packaging;
#[cfg(feature = "parquet")]
mod parquet;
mod people_pipeline;
mod races;
mod ragged_records;
mod regression;
mod rejected_pipelines;
mod replacing;
mod round_trip;
mod row_identity;
mod select_options;
mod shards;
mod signals;
mod sql_pipelines;
mod streams;
mod table_expressions;
mod table_per_input;
mod target_database;
mod terminal;
mod twins;
mod typed_sql;
mod warnings;
mod without_rowid;
