//! CSV: bytes to records.

pub mod decode;
pub mod fields;
pub(crate) mod footer;
pub(crate) mod header;
mod header_check;
pub(crate) mod lines;
mod oddities;
pub mod parse;
pub(crate) mod scan;
pub(crate) mod sniff;
pub mod split;
pub(crate) mod unquote;
