//! SQLite's types: the affinity of declared types, which texts are numbers, and the mathematical functions.

mod affinity;
mod math_functions;
pub(crate) mod notation;
pub(crate) mod numbers;

pub(crate) use affinity::ColumnAffinity;
pub(crate) use math_functions::register_math_functions;
