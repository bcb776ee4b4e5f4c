//! A file that is built beside its place and renamed in when it is whole.
//!
//! It is named `.NAME.sqload-XXXXXX` and locked (`flock`) while it is being built; one that is not locked was left by a
//! process that was killed, and whoever builds a file for the same place next removes it.

use std::ffi::OsString;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use tempfile::NamedTempFile;

/// What a new file's mode is before the umask: anybody may read and write it.
const NEW_FILE_MODE: u32 = 0o666;

/// A file that is being built. Dropped before it is put in its place, it is removed.
#[derive(Debug)]
pub(crate) struct StagedFile(NamedTempFile);

impl StagedFile {
    /// A new, locked, empty file for `path`, after removing what was left there by the killed.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        remove_abandoned_files(path);
        loop {
            let file = tempfile::Builder::new()
                .prefix(&prefix(path))
                .permissions(Permissions::from_mode(NEW_FILE_MODE))
                .tempfile_in(directory_of(path))?;
            file.as_file().lock()?;
            // Between its creation and its lock somebody else may have taken it for a leftover.
            if file.as_file().metadata()?.nlink() > 0 {
                return Ok(Self(file));
            }
        }
    }

    /// As [`StagedFile::create`], for the place of an `old` file, with its owner and mode.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn create_like(path: &Path, old: &Metadata) -> io::Result<Self> {
        let Self(file) = Self::create(path)?;
        let metadata = file.as_file().metadata()?;
        if (metadata.uid(), metadata.gid()) != (old.uid(), old.gid()) {
            fchown(file.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
        file.as_file().set_permissions(old.permissions())?;
        Ok(Self(file))
    }

    /// Where it lies until it is in its place.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file, to write to.
    pub(crate) fn writer(&mut self) -> &mut impl Write {
        self.0.as_file_mut()
    }

    /// The file, to read and write at any place.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.0.as_file().try_clone()
    }

    /// Waits until the content is on the disk.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.as_file().sync_all()
    }

    /// Puts the file in its place, where there is a file only if it `replaces` it.
    ///
    /// # Errors
    /// What the operating system says. The place is then as it was.
    pub(crate) fn persist(self, path: &Path, replaces: bool) -> io::Result<()> {
        let placed = if replaces { self.0.persist(path) } else { self.0.persist_noclobber(path) };
        placed.map(drop).map_err(|error| error.error)
    }
}

/// The directory that `path` lies in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// What the names of files built for `path` begin with.
fn prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".sqload-");
    prefix
}

/// Removes what was left beside `path` by the killed. What can not be removed is let lie.
pub(crate) fn remove_abandoned_files(path: &Path) {
    let prefix = prefix(path);
    let Ok(entries) = directory_of(path).read_dir() else { return };
    for entry in entries.flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        // The lock is held until the file is gone, so that nobody takes it for their own meanwhile.
        if file.try_lock().is_ok() {
            tracing::debug!(path = %entry.path().display(), "removing what a killed process left");
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
