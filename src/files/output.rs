//! Files that a load writes beside the database: rejects and the report.

use crate::error::{Error, Kind, Result};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that can be written, but is not touched until it is. A new one that was never written to goes again.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    file: File,
    /// Whether it was not there before, and was never written to.
    is_new: bool,
}

impl OutputFile {
    /// Opens or makes the file at `path`, which must be none of `others`; those may be missing.
    ///
    /// # Errors
    /// [`Kind::Io`] if it can not be written, [`Kind::Usage`] if it is one of the others.
    pub(crate) fn open(path: &Path, others: &[&Path]) -> Result<Self> {
        let failed = |error| Error::io("write", path, error);
        let is_new = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let output = Self { path: path.to_owned(), file, is_new };
        let is_same = |other: &Metadata| (other.dev(), other.ino()) == (metadata.dev(), metadata.ino());
        match others
            .iter()
            .find(|other| metadata.is_file() && other.metadata().is_ok_and(|other| is_same(&other)))
        {
            Some(other) => {
                let message = format!("{} would be written over {}", path.display(), other.display());
                Err(Kind::Usage(message).into())
            }
            None => Ok(output),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, emptied, to write to from its beginning; it stays.
    ///
    /// # Errors
    /// [`Kind::Io`] if it can not be emptied.
    pub(crate) fn truncate(&mut self) -> Result<File> {
        let mut empty = || -> io::Result<File> {
            // Pipes and terminals have no length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
                self.file.rewind()?;
            }
            self.file.try_clone()
        };
        let file = empty().map_err(|error| Error::io("write", &self.path, error));
        self.is_new &= file.is_err();
        file
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
