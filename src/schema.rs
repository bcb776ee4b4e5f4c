//! Tables: column names, column types and DDL.

pub(crate) mod column_stats;
pub(crate) mod ddl;
pub(crate) mod input_column;
pub(crate) mod names;
pub(crate) mod select;
pub(crate) mod table;
pub(crate) mod table_per_input;
