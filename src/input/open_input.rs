//! Open inputs.

use super::bytes::Incoming;
use super::file::FileState;
use super::map::GuardedMap;
use super::spool::Spool;
use crate::error::{Error, Kind, Result};
use rustix::io::Errno;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// The bytes of an input while it is open.
#[derive(Debug)]
pub(crate) struct OpenInput {
    pub(super) name: Arc<str>,
    pub(super) path: PathBuf,
    /// The file that the bytes come from, and its state when it was found; `None` if no other process can change them.
    pub(super) file: Option<(Arc<File>, FileState)>,
    pub(super) content: Content,
}

/// Where the bytes are.
#[derive(Debug)]
pub(super) enum Content {
    /// In memory.
    Read(Vec<u8>),
    Mapped(GuardedMap),
    Spooled(Box<Spool>),
}

impl OpenInput {
    /// An input in memory.
    #[cfg(test)]
    pub(crate) fn of_bytes(name: &str, bytes: Vec<u8>) -> Arc<Self> {
        let content = Content::Read(bytes);
        Arc::new(Self { name: name.into(), path: name.into(), file: None, content })
    }

    /// The name of the input in messages.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The size of the text in bytes; `None` until all of it has been read.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match &self.content {
            Content::Read(bytes) => Some(bytes.len() as u64),
            Content::Mapped(map) => Some(map.len() as u64),
            Content::Spooled(spool) => {
                Some(spool.bytes()).filter(|(_, is_all)| *is_all).map(|(bytes, _)| bytes)
            }
        }
    }

    /// A range of bytes that [`Incoming::wait`] has returned before.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn slice(&self, range: Range<usize>) -> Result<&[u8]> {
        let (bytes, _) = self.wait(range.end)?;
        bytes.get(range).ok_or_else(|| Kind::InputChanged { path: self.path.clone() }.into())
    }

    /// Gives back the memory of bytes that [`OpenInput::slice`] has returned. They stay readable, at the cost of mapping them
    /// again.
    pub(crate) fn release(&self, range: Range<usize>) {
        match &self.content {
            Content::Read(_) => {}
            Content::Mapped(map) => map.release(range),
            Content::Spooled(spool) => spool.release(range),
        }
    }

    /// Checks that all bytes returned so far belong to one state of the file, and could be read.
    ///
    /// # Errors
    /// [`Kind::InputChanged`] or [`Kind::Io`] if not.
    pub(crate) fn check(&self) -> Result<()> {
        let failed = |source| Error::io("read", &self.path, source);
        if let Some((file, state)) = &self.file
            && !state.matches(file).map_err(failed)?
        {
            return Err(Kind::InputChanged { path: self.path.clone() }.into());
        }
        match &self.content {
            Content::Mapped(map) if map.is_torn() => Err(failed(Errno::IO.into())),
            Content::Spooled(spool) => spool.check().map_err(failed),
            _ => Ok(()),
        }
    }
}

impl Incoming for OpenInput {
    fn wait(&self, bytes: usize) -> Result<(&[u8], bool)> {
        match &self.content {
            Content::Read(bytes) => Ok((bytes, true)),
            // SAFETY: the file had this many bytes when it was mapped. Another process may change them at any time: the
            // parser checks every bound and every UTF-8 sequence that it relies on, see the top of `input.rs`.
            Content::Mapped(map) => Ok((unsafe { map.bytes(map.len()) }, true)),
            Content::Spooled(spool) => spool.wait(bytes),
        }
    }
}
