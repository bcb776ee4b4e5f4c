//! Inputs as bytes: the only file that maps memory.
//!
//! A mapped file is a slice that somebody else can change. What sqload relies on, and what happens when it
//! does not hold:
//!
//! - *Nobody shortens it.* Reading past the new end raises SIGBUS; [`truncation`] turns that into zeros and a
//!   mark on the map, and [`Input::check`] into an error before anything is committed.
//! - *Nobody writes to it.* A write may show in the map at any time. Every use of the bytes is bounds-checked
//!   and sound for any content, so the load can go wrong only in its result; [`Input::check`] compares size
//!   and time of last change with those at the start and refuses that result.

//!
//! What can not be mapped, or is not plain text, is first written to a file that can: see `stream`.

mod stream;
mod truncation;

use crate::error::{Error, Kind, Result};
use memmap2::{Advice, Mmap};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A CSV input, mapped.
#[derive(Debug)]
pub(crate) struct Input {
    name: Arc<str>,
    path: PathBuf,
    file: File,
    metadata: Metadata,
    /// Declared before the map: the watch ends first. An empty file has neither.
    watch: Option<truncation::Watch>,
    map: Option<Mmap>,
}

impl Input {
    /// Maps the file at `path`; `-` is standard input. A pipe or a compressed file is read to its end first.
    ///
    /// # Errors
    /// [`Kind::Io`] if there is none or if it can not be read; [`Kind::Interrupted`] soon after `stop` is set.
    pub(crate) fn open(path: &Path, stop: &AtomicBool) -> Result<Self> {
        let failed = |source| Error::io("read", path, source);
        let (file, is_mappable) = open(path).map_err(failed)?;
        let file = match is_mappable {
            true => file,
            false => {
                stream::spool(file, stop).map_err(failed)?.ok_or_else(|| Error::from(Kind::Interrupted))?
            }
        };
        let metadata = file.metadata().map_err(failed)?;
        let name = path.to_string_lossy().into();
        let mut input = Self { name, path: path.to_owned(), file, metadata, watch: None, map: None };
        if input.metadata.len() > 0 {
            // SAFETY: the map is read only through shared slices whose every use is sound for any bytes, and
            // is watched for truncation before it is read; see the top of this file.
            let map = unsafe { Mmap::map(&input.file) }.map_err(failed)?;
            map.advise(Advice::Sequential).map_err(failed)?;
            input.watch = Some(truncation::Watch::new(&map).map_err(failed)?);
            input.map = Some(map);
        }
        Ok(input)
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    /// Whether the bytes read since [`Input::open`] were those of one state of the file.
    ///
    /// # Errors
    /// [`Kind::InputChanged`] if not.
    pub(crate) fn check(&self) -> Result<()> {
        let now = self.file.metadata().map_err(|source| Error::io("read", &self.path, source))?;
        let is_torn = self.watch.as_ref().is_some_and(truncation::Watch::is_torn);
        let is_same =
            now.len() == self.metadata.len() && now.modified().ok() == self.metadata.modified().ok();
        if is_torn || !is_same {
            return Err(Kind::InputChanged { path: self.path.clone() }.into());
        }
        Ok(())
    }
}

/// Opens `path` and finds out whether it can be mapped as it is.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let is_standard_input = path == Path::new("-");
    let mut file = match is_standard_input {
        true => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        false => File::open(path)?,
    };
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    // Somebody may have read the beginning of standard input, which then is none of the input.
    if !metadata.is_file() || (is_standard_input && io::Seek::stream_position(&mut file)? > 0) {
        return Ok((file, false));
    }
    let mut first = [0; stream::MAGIC_BYTES];
    let bytes = file.read_at(&mut first, 0)?;
    Ok((file, stream::is_plain(&first[..bytes])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn open_file(path: &Path) -> Input {
        Input::open(path, &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn truncation_under_the_map_is_an_error_and_no_signal() {
        let file = file_of(&[b'a'; 100_000]);
        let other = file_of(&[b'b'; 100_000]);
        let (input, other) = (open_file(file.path()), open_file(other.path()));
        file.as_file().set_len(5_000).unwrap();
        assert_eq!(input.bytes()[4_000], b'a');
        assert_eq!(input.bytes()[99_999], 0, "past the end there are zeros");
        assert!(matches!(input.check().unwrap_err().kind(), Kind::InputChanged { .. }));
        assert!(other.bytes().iter().all(|&byte| byte == b'b'));
        other.check().unwrap();
    }

    #[test]
    fn writing_while_reading_is_noticed() {
        let mut file = file_of(b"a,b\n");
        let input = open_file(file.path());
        input.check().unwrap();
        file.write_all(b"1,2\n").unwrap();
        assert!(matches!(input.check().unwrap_err().kind(), Kind::InputChanged { .. }));
    }
}
