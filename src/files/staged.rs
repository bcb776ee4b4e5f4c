//! Staged files: built next to their destination and renamed into place when complete.
//!
//! A staged file is named `.NAME.sqload-XXXXXX` and is locked with `flock` while it is being built. A staged file
//! that is not locked was left by a process that was killed. The next process that builds a file for the same
//! destination removes it.

use std::ffi::OsString;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use tempfile::NamedTempFile;

/// Mode of a new file before the umask is applied: readable and writable by all.
const NEW_FILE_MODE: u32 = 0o666;

/// A file that is being built. It is removed on drop unless [`StagedFile::persist`] has renamed it.
#[derive(Debug)]
pub(crate) struct StagedFile(NamedTempFile);

impl StagedFile {
    /// Creates an empty, locked staged file for the destination `path`. Removes abandoned ones first.
    ///
    /// # Errors
    /// If the operating system cannot create or lock the file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        remove_abandoned_files(path);
        loop {
            let file = tempfile::Builder::new()
                .prefix(&prefix(path))
                .permissions(Permissions::from_mode(NEW_FILE_MODE))
                .tempfile_in(directory_of(path))?;
            file.as_file().lock()?;
            // Between creation and lock, another process may have removed the file as abandoned.
            if file.as_file().metadata()?.nlink() > 0 {
                return Ok(Self(file));
            }
        }
    }

    /// Creates a staged file like [`StagedFile::create`], with the owner, group and mode of the file that it
    /// replaces, whose metadata is `old`.
    ///
    /// # Errors
    /// If the operating system cannot create or lock the file, or set its owner or mode.
    pub(crate) fn create_like(path: &Path, old: &Metadata) -> io::Result<Self> {
        let Self(file) = Self::create(path)?;
        let metadata = file.as_file().metadata()?;
        if (metadata.uid(), metadata.gid()) != (old.uid(), old.gid()) {
            fchown(file.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
        file.as_file().set_permissions(old.permissions())?;
        Ok(Self(file))
    }

    /// Path of the staged file.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file as a writer.
    pub(crate) fn writer(&mut self) -> &mut impl Write {
        self.0.as_file_mut()
    }

    /// Returns another handle to the file.
    ///
    /// # Errors
    /// If the operating system cannot duplicate the handle.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.0.as_file().try_clone()
    }

    /// Syncs content and metadata to disk (`fsync`).
    ///
    /// # Errors
    /// If the sync fails.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.as_file().sync_all()
    }

    /// Renames the file to its destination `path`. An existing file there is replaced only if `replaces` is true.
    ///
    /// # Errors
    /// If the rename fails, or if the destination exists and `replaces` is false. The destination is then unchanged.
    pub(crate) fn persist(self, path: &Path, replaces: bool) -> io::Result<()> {
        let renamed = if replaces { self.0.persist(path) } else { self.0.persist_noclobber(path) };
        renamed.map(drop).map_err(|error| error.error)
    }
}

/// The directory that contains `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Prefix of the names of staged files for the destination `path`.
fn prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".sqload-");
    prefix
}

/// Removes staged files for the destination `path` that a killed process left. Ignores errors.
pub(crate) fn remove_abandoned_files(path: &Path) {
    let prefix = prefix(path);
    let Ok(entries) = directory_of(path).read_dir() else { return };
    for entry in entries.flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        // Hold the lock until the file is removed, so that no other process can start to use it.
        if file.try_lock().is_ok() {
            tracing::debug!(path = %entry.path().display(), "removing a staged file that a killed process left");
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
