//! JSON Lines: one object on each line. Its members are the fields of a record, by name.

pub(crate) mod decode;
pub(crate) mod object;
