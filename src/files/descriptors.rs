//! Descriptors: which files this process has open, errors that only `close` reports, and leases.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// What identifies a file while it is open: its device and its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl FileId {
    /// The identity of the file at `path`, with symbolic links followed; `None` if it does not exist.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        path.metadata().ok().as_ref().map(Self::from)
    }

    /// True if this process has the file open. False if the system does not tell.
    pub(crate) fn is_open_in_process(self) -> bool {
        !self.descriptors().is_empty()
    }

    /// The descriptors of this process that refer to the file.
    fn descriptors(self) -> Vec<RawFd> {
        let entries = Path::new("/proc/self/fd").read_dir().into_iter().flatten().flatten();
        let is_same = |path: &Path| FileId::at(path) == Some(self);
        entries
            .filter(|entry| is_same(&entry.path()))
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }
}

/// Closes `file`, and reports what [`File`] ignores on drop. Network file systems, quotas and FUSE may report a failed
/// write only here.
///
/// # Errors
/// If `close` fails. The file is closed in any case.
pub(crate) fn close(file: File) -> io::Result<()> {
    // SAFETY: `into_raw_fd` transfers the ownership of the descriptor, so nothing else closes it.
    check(unsafe { libc::close(file.into_raw_fd()) }).map(drop)
}

/// Has the file system report the failed writes that it would report when `file` is closed. The file stays open.
///
/// # Errors
/// If closing a duplicate of the descriptor fails.
pub(crate) fn flush(file: &File) -> io::Result<()> {
    close(file.try_clone()?)
}

/// Like [`flush`], for every descriptor of this process that refers to the file `id`, such as those of SQLite, which
/// ignores the errors of `close`.
///
/// The caller knows that nothing closes these descriptors meanwhile, and that no POSIX lock on the file matters any
/// more: closing a duplicate drops them.
///
/// # Errors
/// If closing a duplicate of a descriptor fails.
pub(crate) fn flush_descriptors(id: FileId) -> io::Result<()> {
    id.descriptors().into_iter().try_for_each(|descriptor| {
        // SAFETY: `fcntl` checks the descriptor; the duplicate belongs to this function, which closes it.
        let duplicate = check(unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) })?;
        // SAFETY: as above.
        check(unsafe { libc::close(duplicate) }).map(drop)
    })
}

/// True if no process has the file at `path` open, this one included: the system then grants a write lease on it. The lease
/// is returned at once.
///
/// A process that opens the file during this call waits until it returns.
///
/// # Errors
/// If the file cannot be opened, or if its file system has no leases.
#[cfg(target_os = "linux")]
pub(crate) fn is_open_nowhere(path: &Path) -> io::Result<bool> {
    /// Not in every version of the `libc` crate.
    const F_SETSIG: libc::c_int = 10;
    let file = open_without_waiting(path)?;
    let set = |command: libc::c_int, value: libc::c_int| {
        // SAFETY: these commands take an integer and touch no memory of this process.
        check(unsafe { libc::fcntl(file.as_raw_fd(), command, value) })
    };
    // Whoever opens the file meanwhile triggers a signal. The default one, SIGIO, would end the process; this one is
    // ignored by default.
    set(F_SETSIG, libc::SIGURG)?;
    match set(libc::F_SETLEASE, libc::F_WRLCK) {
        Ok(_) => set(libc::F_SETLEASE, libc::F_UNLCK).map(|_| true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Other systems have no leases.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_open_nowhere(_: &Path) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opens a regular file to look at it. Does not follow a symbolic link, and does not wait for the writer of a pipe.
///
/// # Errors
/// If the file cannot be opened.
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// Opens `file` once more, for writes that do not go through the page cache. Positions, lengths and memory must be aligned to
/// blocks of the disk.
///
/// # Errors
/// If the file system or the system cannot do this.
#[cfg(target_os = "linux")]
pub(crate) fn reopen_uncached(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path)
}

/// Other systems have no `O_DIRECT`.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reopen_uncached(_: &File) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_open_in_the_process_until_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(FileId::at(&path).is_none());
        let file = File::create(&path).unwrap();
        let id = FileId::at(&path).unwrap();
        assert_eq!(id, FileId::from(&file.metadata().unwrap()));
        assert!(id.is_open_in_process());
        flush(&file).unwrap();
        flush_descriptors(id).unwrap();
        assert!(id.is_open_in_process());
        close(file).unwrap();
        assert!(!id.is_open_in_process());
    }

    #[test]
    fn an_open_file_has_no_lease() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = File::create(&path).unwrap();
        // A file system without leases reports an error.
        assert!(!is_open_nowhere(&path).unwrap_or(false));
        drop(file);
    }
}
