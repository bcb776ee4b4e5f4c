//! Statements on clusters: in one process, and of several processes that are killed. SQLite computes the same queries as the oracle.

mod cluster;
mod common;
mod losses;
mod statements;
