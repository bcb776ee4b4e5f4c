//! Which texts are numbers, and what a declared type does to values.

mod affinity;
mod math_functions;
pub(crate) mod numbers;

pub(crate) use affinity::Affinity;
pub(crate) use math_functions::register_math_functions;
