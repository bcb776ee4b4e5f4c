//! Output files of a load other than the database: rejects and the report.

use super::descriptors::{self, FileId};
use super::paths::{check_not_sidecar, resolve};
use super::staged::{StagedFile, sync_directory_of};
use crate::error::{Error, Kind, Result};
use rustix::fs::{Access, access};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// A file that is opened early, to find errors before the load. A regular file is staged, so that an existing one stays
/// as it is until the output is complete; pipes, terminals and other devices are written directly.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    /// A file that replaces the one at the path `real`; `None` once it has done so.
    Staged { real: PathBuf, staged: Option<StagedFile> },
    /// A device, a pipe, or a file that another process has opened for this one (`/dev/stdout`).
    Direct(File),
    /// Standard output. It receives the content of this temporary file once it is complete; an attempt that fails leaves nothing there.
    Stdout(File),
}

/// True if `path` stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

impl OutputFile {
    /// Prepares to write the file at `path`; `-` is standard output. It must not be the same file as one of `others`, which need
    /// not exist, nor a journal or write-ahead log of a database.
    ///
    /// # Errors
    /// [`Kind::Io`] if the file cannot be opened for writing, [`Kind::Usage`] if it must not be written.
    pub(crate) fn open(path: &Path, others: &[&Path]) -> Result<Self> {
        let failed = |error| Error::io("write", path, error);
        if is_stdout(path) {
            let destination = Destination::Stdout(tempfile::tempfile().map_err(failed)?);
            return Ok(Self { path: path.to_owned(), destination });
        }
        let metadata = path.metadata().ok();
        let is_regular = metadata.as_ref().is_none_or(Metadata::is_file);
        if is_regular {
            check_not_among(path, metadata.as_ref().map(FileId::from), others)?;
        }
        if !is_regular || is_inherited(path) {
            let file =
                OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?;
            return Ok(Self { path: path.to_owned(), destination: Destination::Direct(file) });
        }
        let real = resolve(path)?;
        let targets: Vec<_> = others.iter().filter_map(|other| resolve(other).ok()).collect();
        check_not_sidecar(&real, &targets)?;
        if metadata.is_some() {
            access(&real, Access::WRITE_OK).map_err(|error| failed(error.into()))?;
        }
        let staged = Some(stage(&real).map_err(failed)?);
        Ok(Self { path: path.to_owned(), destination: Destination::Staged { real, staged } })
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// True if the file is staged; false for standard output, pipes, terminals and other devices.
    pub(crate) fn is_staged(&self) -> bool {
        matches!(self.destination, Destination::Staged { .. })
    }

    /// Returns a handle to write the file from its start. Discards what an earlier handle has written.
    ///
    /// # Errors
    /// [`Kind::Io`] if the file cannot be truncated.
    pub(crate) fn start(&mut self) -> Result<File> {
        let start = |destination: &mut Destination| -> io::Result<File> {
            let mut file = match destination {
                Destination::Staged { real, staged } => {
                    if staged.is_none() {
                        *staged = Some(stage(real)?);
                    }
                    staged.as_ref().map_or(Err(io::ErrorKind::NotFound.into()), StagedFile::file)?
                }
                Destination::Direct(file) | Destination::Stdout(file) => file.try_clone()?,
            };
            // Pipes and terminals cannot be truncated.
            if file.metadata()?.is_file() {
                file.set_len(0)?;
                file.rewind()?;
            }
            Ok(file)
        };
        start(&mut self.destination).map_err(|error| Error::io("write", &self.path, error))
    }

    /// Checks that everything written has reached the file; on disk, if `is_durable`.
    ///
    /// # Errors
    /// [`Kind::Io`] if a write or the sync failed.
    pub(crate) fn complete(&self, is_durable: bool) -> Result<()> {
        let completed = match &self.destination {
            Destination::Staged { staged: Some(staged), .. } => {
                staged.flush().and_then(|()| if is_durable { staged.sync() } else { Ok(()) })
            }
            Destination::Staged { staged: None, .. } => Ok(()),
            Destination::Direct(file) => descriptors::flush(file),
            Destination::Stdout(_) => Ok(()),
        };
        completed.map_err(|error| Error::io("write", &self.path, error))
    }

    /// Removes the file that a staged one would replace. Others stay.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be removed.
    pub(crate) fn remove_old(&self) -> Result<()> {
        let Destination::Staged { real, .. } = &self.destination else { return Ok(()) };
        match std::fs::remove_file(real) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("replace", &self.path, error))
            }
            _ => Ok(()),
        }
    }

    /// Puts a staged file in its place, and prints what is for standard output. Later writes need another
    /// [`OutputFile::start`].
    ///
    /// # Errors
    /// [`Kind::Io`] if the rename or standard output fails, or the sync of the directory if `is_durable`.
    pub(crate) fn publish(&mut self, is_durable: bool) -> Result<()> {
        let published = match &mut self.destination {
            Destination::Staged { real, staged } => {
                let Some(staged) = staged.take() else { return Ok(()) };
                let published = staged.persist(real, true);
                published.and_then(|()| if is_durable { sync_directory_of(real) } else { Ok(()) })
            }
            Destination::Stdout(file) => print(file),
            Destination::Direct(_) => Ok(()),
        };
        published.map_err(|error| Error::io("write", &self.path, error))
    }
}

/// Copies a file to standard output. A closed pipe is no error: whoever reads it has seen enough.
fn print(file: &mut File) -> io::Result<()> {
    let mut stdout = io::stdout();
    let printed = file.rewind().and_then(|()| io::copy(file, &mut stdout)).and_then(|_| stdout.flush());
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// The staged file for the file at the resolved path `real`.
fn stage(real: &Path) -> io::Result<StagedFile> {
    match real.symlink_metadata() {
        Ok(old) => StagedFile::create_like(real, &old),
        Err(_) => StagedFile::create(real),
    }
}

/// Checks that the file at `path`, whose identity is `id` if it exists, is not one of `others`.
fn check_not_among(path: &Path, id: Option<FileId>, others: &[&Path]) -> Result<()> {
    let real = resolve(path).ok();
    let is_same = |other: &Path| match id {
        Some(id) => FileId::at(other) == Some(id),
        None => real.is_some() && resolve(other).ok() == real,
    };
    match others.iter().find(|other| is_same(other)) {
        Some(other) => {
            let other = other.display();
            let message = format!(
                "the output would overwrite {other}, which this load uses: choose another path for it"
            );
            Err(Kind::Usage(message).into())
        }
        None => Ok(()),
    }
}

/// True for the paths of descriptors that the process was started with, such as `/dev/stdout`: the file belongs to whoever
/// opened it, and replacing it by another would not reach them.
fn is_inherited(path: &Path) -> bool {
    ["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/proc"].iter().any(|root| path.starts_with(root))
}
