//! Open inputs.

use super::file::{FileState, WINDOW_BYTES, read_window};
use super::incoming::Incoming;
use super::map::GuardedMap;
use super::spool::Spool;
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
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
    Read(Bytes),
    Mapped(Arc<GuardedMap>, Bytes),
    Spooled(Box<Spool>),
    /// In this file, which is read part by part.
    Unmapped(Arc<File>),
}

impl Content {
    pub(super) fn mapped(map: GuardedMap) -> Self {
        let map = Arc::new(map);
        Self::Mapped(map.clone(), Bytes::from_owner(MappedBytes(map)))
    }
}

/// The bytes of a mapped file.
struct MappedBytes(Arc<GuardedMap>);

impl AsRef<[u8]> for MappedBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the file had this many bytes when it was mapped. Another process may change them at any time: the parser
        // checks every bound and every UTF-8 sequence that it relies on, see the top of `input.rs`.
        unsafe { self.0.bytes(self.0.len()) }
    }
}

impl OpenInput {
    /// An input in memory.
    #[cfg(test)]
    pub(crate) fn of_bytes(name: &str, bytes: Vec<u8>) -> Arc<Self> {
        let content = Content::Read(bytes.into());
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
            Content::Mapped(map, _) => Some(map.len() as u64),
            Content::Unmapped(_) => self.file.as_ref().map(|(_, state)| state.bytes),
            Content::Spooled(spool) => {
                Some(spool.bytes()).filter(|(_, is_all)| *is_all).map(|(bytes, _)| bytes)
            }
        }
    }

    /// Waits until all bytes have arrived, and returns their number.
    ///
    /// # Errors
    /// As [`Incoming::wait`].
    #[cfg(feature = "arrow")]
    pub(super) fn wait_for_all(&self) -> Result<u64> {
        const BEYOND_THE_END: usize = usize::MAX >> 2;
        self.wait(BEYOND_THE_END, 1)?;
        Ok(self.bytes().unwrap_or_default())
    }

    /// A range of bytes that [`Incoming::wait`] has returned before.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn slice(&self, range: Range<usize>) -> Result<Bytes> {
        let (mut bytes, _) = self.wait(range.start, range.len())?;
        if bytes.len() < range.len() {
            return Err(Kind::InputChanged { path: self.path.clone() }.into());
        }
        bytes.truncate(range.len());
        Ok(bytes)
    }

    /// Gives back the memory of bytes that [`OpenInput::slice`] has returned. They stay readable, at the cost of mapping them
    /// again.
    pub(crate) fn release(&self, range: Range<usize>) {
        if let Content::Mapped(map, _) = &self.content {
            map.release(range);
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
            Content::Mapped(map, _) if map.is_torn() => Err(failed(Errno::IO.into())),
            _ => Ok(()),
        }
    }
}

impl Incoming for OpenInput {
    fn wait(&self, offset: usize, bytes: usize) -> Result<(Bytes, bool)> {
        match &self.content {
            Content::Read(all) | Content::Mapped(_, all) => Ok((all.slice(offset.min(all.len())..), true)),
            Content::Spooled(spool) => spool.wait(offset, bytes),
            Content::Unmapped(file) => {
                let bytes = bytes.max(WINDOW_BYTES);
                let window = read_window(file, offset as u64, bytes);
                let window = window.map_err(|error| Error::io("read", &self.path, error))?;
                let is_all = window.len() < bytes;
                Ok((window.into(), is_all))
            }
        }
    }
}
