//! Files that a load creates.

pub(crate) mod descriptors;
pub(crate) mod growing_file;
pub(crate) mod output;
pub(crate) mod paths;
pub(crate) mod staged;
