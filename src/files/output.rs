//! Output files of a load other than the database: rejects and the report.

use crate::error::{Error, Kind, Result};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that is opened early, to find errors before the load, and truncated only when it is written. If it was
/// created and never written, it is removed on drop.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    file: File,
    /// True if [`OutputFile::open`] created the file and it has not been written.
    is_new: bool,
}

impl OutputFile {
    /// Opens or creates the file at `path`. It must not be the same file as one of `others`, which need not exist.
    ///
    /// # Errors
    /// [`Kind::Io`] if the file cannot be opened for writing, [`Kind::Usage`] if it is one of `others`.
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
                let message = format!(
                    "{} would overwrite {}: choose another path for the output",
                    path.display(),
                    other.display()
                );
                Err(Kind::Usage(message).into())
            }
            None => Ok(output),
        }
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Truncates the file and returns a handle to write it. The file is then kept on drop.
    ///
    /// # Errors
    /// [`Kind::Io`] if the file cannot be truncated.
    pub(crate) fn truncate(&mut self) -> Result<File> {
        let mut truncate = || -> io::Result<File> {
            // Pipes and terminals cannot be truncated.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
                self.file.rewind()?;
            }
            self.file.try_clone()
        };
        let file = truncate().map_err(|error| Error::io("write", &self.path, error));
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
