//! The people example.

pub mod generate;
pub mod people;
