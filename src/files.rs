//! Files that a load makes.

pub(crate) mod output;
pub(crate) mod staged;
