//! Staged files: built next to their destination and renamed into place when complete.
//!
//! A staged file is named `.NAME.sqload-XXXXXX` and is locked with `flock` while it is being built. A staged file
//! that is not locked was left by a process that was killed. The next process that builds a file for the same
//! destination removes it.

use super::descriptors::{self, FileId, open_without_waiting};
use rustix::fs::{CWD, RenameFlags, getxattr, listxattr, renameat_with};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use tempfile::NamedTempFile;

/// Mode of a new file before the umask is applied: readable and writable by all.
const NEW_FILE_MODE: u32 = 0o666;

/// Mode of a file that replaces another until it is complete.
const PRIVATE_FILE_MODE: u32 = 0o600;

/// Random characters at the end of the name of a staged file.
const RANDOM_CHARS: usize = 6;

/// A file that is being built. It is removed on drop unless [`StagedFile::persist`] has renamed it.
#[derive(Debug)]
pub(crate) struct StagedFile {
    file: NamedTempFile,
    /// The permissions to set when the file is complete, unless it has them already.
    permissions: Option<Permissions>,
}

impl StagedFile {
    /// Creates an empty, locked staged file for the new file `path`. Removes abandoned ones first.
    ///
    /// # Errors
    /// If the operating system cannot create or lock the file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Self::create_with_mode(path, NEW_FILE_MODE)
    }

    /// Creates a staged file like [`StagedFile::create`], with the owner and group of the file that it replaces, whose
    /// metadata is `old`. Only its owner can open it until [`StagedFile::persist`] gives it the mode of the old file.
    ///
    /// # Errors
    /// If the operating system cannot create or lock the file, or set its owner.
    pub(crate) fn create_like(path: &Path, old: &Metadata) -> io::Result<Self> {
        let staged = Self::create_with_mode(path, PRIVATE_FILE_MODE)?;
        let file = staged.file.as_file();
        let metadata = file.metadata()?;
        if (metadata.uid(), metadata.gid()) != (old.uid(), old.gid()) {
            fchown(file, Some(old.uid()), Some(old.gid()))?;
        }
        Ok(Self { permissions: Some(old.permissions()), ..staged })
    }

    fn create_with_mode(path: &Path, mode: u32) -> io::Result<Self> {
        remove_abandoned_files(path);
        loop {
            let file = tempfile::Builder::new()
                .prefix(&prefix(path))
                .rand_bytes(RANDOM_CHARS)
                .permissions(Permissions::from_mode(mode))
                .tempfile_in(directory_of(path))?;
            file.as_file().lock()?;
            // Between creation and lock, another process may have removed the file as abandoned.
            if file.as_file().metadata()?.nlink() > 0 {
                return Ok(Self { file, permissions: None });
            }
        }
    }

    /// Path of the staged file.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The file as a writer.
    pub(crate) fn writer(&mut self) -> &mut impl Write {
        self.file.as_file_mut()
    }

    /// Returns another handle to the file.
    ///
    /// # Errors
    /// If the operating system cannot duplicate the handle.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.as_file().try_clone()
    }

    /// Syncs content and metadata to disk (`fsync`).
    ///
    /// # Errors
    /// If the sync fails.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.as_file().sync_all()
    }

    /// Has the file system report failed writes, those through other descriptors of this process included.
    ///
    /// # Errors
    /// If a write failed that was reported as successful before.
    pub(crate) fn flush(&self) -> io::Result<()> {
        descriptors::flush_descriptors(FileId::from(&self.file.as_file().metadata()?))
    }

    /// Gives the file its final permissions, checks that all writes succeeded, and renames it to its destination `path`.
    /// An existing file there is replaced only if `replaces` is true.
    ///
    /// # Errors
    /// If any of this fails, or if the destination exists and `replaces` is false. The destination is then unchanged.
    pub(crate) fn persist(self, path: &Path, replaces: bool) -> io::Result<()> {
        if let Some(permissions) = self.permissions {
            self.file.as_file().set_permissions(permissions)?;
        }
        // The file itself stays open, and so locked, until it has its final name.
        descriptors::flush(self.file.as_file())?;
        let renamed = if replaces { self.file.persist(path) } else { self.file.persist_noclobber(path) };
        renamed.map(drop).map_err(|error| error.error)
    }
}

/// Renames `from` to `to`, which must not exist.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if it does, or another error of the operating system.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems only have links.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            std::fs::hard_link(from, to).and_then(|()| std::fs::remove_file(from))
        }
        renamed => renamed.map_err(io::Error::from),
    }
}

/// The directory that contains `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Syncs the directory that contains `path`, so that the names in it are on disk.
///
/// # Errors
/// If the directory cannot be opened or synced.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

/// True if the file at `path` has the same extended attributes as `other`, access control lists included.
///
/// # Errors
/// If the attributes cannot be read.
pub(crate) fn has_attributes_of(path: &Path, other: &Path) -> io::Result<bool> {
    Ok(attributes(path)? == attributes(other)?)
}

fn attributes(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    /// The limit of Linux for a list of names and for a value.
    const MAX_BYTES: usize = 1 << 16;
    let mut buffer = vec![0; MAX_BYTES];
    let bytes = match listxattr(path, &mut buffer[..]) {
        Err(Errno::NOTSUP) => 0,
        listed => listed?,
    };
    let names: Vec<_> = buffer[..bytes]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    let mut attributes = BTreeMap::new();
    for name in names {
        let bytes = getxattr(path, OsStr::from_bytes(&name), &mut buffer[..])?;
        attributes.insert(name, buffer[..bytes].to_vec());
    }
    Ok(attributes)
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
    let is_staged = |name: &OsStr| {
        let random = name.as_bytes().strip_prefix(prefix.as_bytes());
        random.is_some_and(|random| {
            random.len() == RANDOM_CHARS && random.iter().all(u8::is_ascii_alphanumeric)
        })
    };
    for entry in entries.flatten().filter(|entry| is_staged(&entry.file_name())) {
        if let Some(abandoned) = lock_abandoned(&entry.path()) {
            tracing::debug!(path = %entry.path().display(), "removing a staged file that a killed process left");
            let _ = std::fs::remove_file(entry.path());
            drop(abandoned);
        }
    }
}

/// Opens and locks the staged file at `path` if no other process has locked it. While it is locked, no other process starts to
/// use it.
fn lock_abandoned(path: &Path) -> Option<File> {
    // A link could lead to a database, whose POSIX locks are dropped when any descriptor of it is closed.
    let is_plain = |metadata: &Metadata| metadata.is_file() && metadata.nlink() == 1;
    let found = path.symlink_metadata().ok().filter(is_plain)?;
    if FileId::from(&found).is_open_in_process() {
        return None;
    }
    let file = open_without_waiting(path).ok()?;
    let is_same = file.metadata().is_ok_and(|metadata| is_plain(&metadata));
    (is_same && file.try_lock().is_ok()).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_that_replaces_another_is_private_until_it_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        std::fs::write(&path, "old").unwrap();
        for bits in [0o600, 0o640, 0o666] {
            std::fs::set_permissions(&path, Permissions::from_mode(bits)).unwrap();
            let staged = StagedFile::create_like(&path, &path.metadata().unwrap()).unwrap();
            assert_eq!(mode(staged.path()), 0o600);
            staged.persist(&path, true).unwrap();
            assert_eq!(mode(&path), bits);
        }
    }

    #[test]
    fn only_regular_files_with_the_exact_name_are_abandoned_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("t.db"), "database").unwrap();
        std::fs::write(path(".t.db.sqload-a1B2c3"), "abandoned").unwrap();
        let kept = [".t.db.sqload-notes.txt", ".t.db.sqload-", ".t.db.sqload-abc-ef", ".u.db.sqload-a1B2c3"];
        kept.iter().for_each(|name| std::fs::write(path(name), "kept").unwrap());
        std::os::unix::fs::symlink("t.db", path(".t.db.sqload-symlnk")).unwrap();
        std::fs::hard_link(path("t.db"), path(".t.db.sqload-hlink1")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path(".t.db.sqload-fifo01"), 0o600.into()).unwrap();
        remove_abandoned_files(&path("t.db"));
        assert!(!path(".t.db.sqload-a1B2c3").exists());
        let links = [".t.db.sqload-symlnk", ".t.db.sqload-hlink1", ".t.db.sqload-fifo01"];
        for name in kept.iter().chain(&links) {
            assert!(path(name).symlink_metadata().is_ok(), "{name} was removed");
        }
    }
}
