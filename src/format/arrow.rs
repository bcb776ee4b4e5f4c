//! Arrow arrays as records: the values of a record batch as SQLite's values.
//!
//! A value is a slice of the array where the layout allows it: 64-bit integers, floats without NaN, strings and binary, each
//! without nulls. Other columns are converted in one pass.

mod decimal;
mod json;
pub(crate) mod rows;
mod scalar;
mod temporal;
mod types;
mod values;

pub(crate) use types::declared_type;
pub(crate) use values::natural_values;
