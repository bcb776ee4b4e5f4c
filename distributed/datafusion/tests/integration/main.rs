//! Queries whose results become databases. SQLite computes the same queries as the oracle.

mod buckets;
mod common;
mod failures;
mod keys;
mod nodes;
mod options;
mod queries;
