//! SQLite's types: the affinity of declared types, which texts are numbers and how they are spelled, and the mathematical functions.

mod affinity;
mod math_functions;
mod not_a_number;
pub(crate) mod notation;
pub(crate) mod numbers;
mod spellings;

pub(crate) use affinity::{
    COLUMN_CONSTRAINTS, ColumnAffinity, integral, is_strict_type, is_type_name, type_of_declared,
};
pub(crate) use math_functions::register_math_functions;
pub(crate) use not_a_number::{NotANumber, is_like_number, type_problem};
pub use spellings::RealFormat;
pub(crate) use spellings::Spellings;
