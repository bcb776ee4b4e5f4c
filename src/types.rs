//! Which texts are numbers, and what a declared type does to values.

mod affinity;
pub(crate) mod numbers;

pub(crate) use affinity::Affinity;
