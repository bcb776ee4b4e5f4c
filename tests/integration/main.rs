//! All integration tests, in one binary: a module for each subject, and three that they share.
//!
//! Tests that change their process (its allocator, SQLite's test controls) are binaries of their own, beside this folder.

mod common;
mod naive;
mod twin;

mod architecture;
mod atomicity;
mod bad_input;
mod cli;
mod constraints;
mod dialects;
mod direct_writer;
mod dry_run;
mod examples;
mod expressions;
mod functions;
mod grammar;
mod inferred_types;
mod load_inputs;
mod load_tables;
mod loader;
mod options;
mod people_pipeline;
mod ragged_records;
mod regression;
mod rejected_pipelines;
mod round_trip;
mod select_options;
mod sql_pipelines;
mod streams;
mod target_database;
mod twins;
