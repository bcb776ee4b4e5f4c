//! Stands in for zip archives in builds without the feature `zip`. Inputs in that format are errors before they are opened.

use super::compression::ByteStream;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// An archive. This build cannot open any.
#[derive(Debug, Clone)]
pub(super) struct Archive(Infallible);

impl Archive {
    pub(super) fn open(_: Arc<File>) -> io::Result<(Self, Vec<(usize, String)>)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn from_stream(_: impl Read) -> io::Result<(Self, Vec<(usize, String)>)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn file(&self) -> Option<&Arc<File>> {
        match self.0 {}
    }

    pub(super) fn member(&self, _: usize) -> io::Result<ByteStream> {
        match self.0 {}
    }
}
