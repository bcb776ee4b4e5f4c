//! Files that a load creates.

pub(crate) mod output;
pub(crate) mod staged;
