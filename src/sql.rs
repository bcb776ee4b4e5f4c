//! Pipelines written in SQL.

pub(crate) mod expression;
