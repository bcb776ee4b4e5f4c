//! CSV: bytes to records.

pub mod decode;
pub mod fields;
pub(crate) mod footer;
pub(crate) mod header;
pub(crate) mod lines;
pub mod parse;
pub(crate) mod scan;
pub(crate) mod sniff;
pub mod split;
pub(crate) mod unquote;
