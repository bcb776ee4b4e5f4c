//! Files and streams: opens them without blocking, and reads them until a stop.

use super::archive::{self, TAR_HEADER_BYTES};
use super::compression::{Compression, MAGIC_BYTES};
use bytes::Bytes;
use memmap2::MmapMut;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::{Errno, pread, retry_on_intr};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time between two checks of the stop flag.
pub(super) const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// The least number of bytes to read at once from a file that is not mapped.
pub(super) const WINDOW_BYTES: usize = 1 << 20;

/// A larger window is a mapping, which ends when the window is dropped. An allocator may keep memory for a while, and then the window
/// of a large record and the larger one that replaces it take memory at the same time.
const MAX_ALLOCATED_BYTES: usize = 4 << 20;

const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: STOP_INTERVAL.subsec_nanos() as _ };

/// The identity and state of a file. It differs after the file has been written to or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    is_file: bool,
    device_and_inode: (u64, u64),
    pub(super) bytes: u64,
    /// Seconds and nanoseconds of the last change to the content. Programs can set this time.
    modified: (i64, i64),
    /// Seconds and nanoseconds of the last change to the inode. Programs cannot set this time.
    changed: (i64, i64),
}

impl FileState {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            is_file: metadata.is_file(),
            device_and_inode: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The device and the inode of a regular file.
    pub(super) fn file_identity(self) -> Option<(u64, u64)> {
        self.is_file.then_some(self.device_and_inode)
    }

    /// True if `file` is the same file in the same state. Streams have no state, so they always match.
    pub(super) fn matches(self, file: &File) -> io::Result<bool> {
        Ok(!self.is_file || self == Self::of(&file.metadata()?))
    }
}

/// True if `path` stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Opens the file at `path`, or duplicates standard input. Does not wait for a writer if the file is a FIFO.
///
/// # Errors
/// If it cannot be opened or is a directory; soon after a stop, if another program delays the opening.
pub(super) fn open_file(path: &Path, stop: &AtomicBool) -> io::Result<File> {
    let file = if is_stdin(path) {
        File::from(io::stdin().as_fd().try_clone_to_owned()?)
    } else {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        loop {
            match options.open(path) {
                // Another program has a lease on the file, and the kernel has asked for it back.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if stop.load(Ordering::Relaxed) {
                        return Err(stopped());
                    }
                    poll(&mut [], Some(&POLL_INTERVAL)).or_else(ignore_signal)?;
                }
                opened => break opened?,
            }
        }
    };
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    Ok(file)
}

fn ignore_signal(error: Errno) -> io::Result<usize> {
    if error == Errno::INTR { Ok(0) } else { Err(error.into()) }
}

/// The error for a read that a stop ended; the caller reports the stop instead.
fn stopped() -> io::Error {
    io::Error::other("interrupted")
}

/// Reads a file from its current position. Clones share the position. A read that waits for a pipe or a terminal ends soon
/// after a stop.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) file: Arc<File>,
    /// False for regular files, which never make a reader wait.
    may_wait: bool,
    stop: Arc<AtomicBool>,
}

impl Reader {
    pub(super) fn new(file: Arc<File>, stop: Arc<AtomicBool>) -> io::Result<Self> {
        let may_wait = !file.metadata()?.is_file();
        Ok(Self { file, may_wait, stop })
    }

    /// The first bytes of the file, enough to recognize its format and a tar archive, and whether it can be read again from its beginning.
    /// Otherwise these bytes have been consumed.
    pub(super) fn peek(&self) -> io::Result<(Vec<u8>, bool)> {
        // Another program may have read the beginning of standard input, which is then not part of the input.
        if self.may_wait || (&*self.file).stream_position()? > 0 {
            return Ok((read_start(&mut self.clone())?, false));
        }
        let first = read_up_to(&self.file, 0, TAR_HEADER_BYTES)?;
        // Files in /proc have content although their size is 0.
        let can_read_again = first.is_empty() || self.file.metadata()?.len() > 0;
        if !can_read_again {
            (&*self.file).seek_relative(first.len() as i64)?;
        }
        Ok((first, can_read_again))
    }
}

impl Read for Reader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while !self.stop.load(Ordering::Relaxed) {
            if self.may_wait {
                let mut file = [PollFd::new(&self.file, PollFlags::IN)];
                if poll(&mut file, Some(&POLL_INTERVAL)).or_else(ignore_signal)? == 0 {
                    continue;
                }
            }
            match (&*self.file).read(to) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                read => return read,
            }
        }
        Err(stopped())
    }
}

/// Reads the first bytes of a stream, enough to recognize its format and a tar archive. Does not wait for more than a line,
/// which the header of a tar archive does not contain.
pub(super) fn read_start(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(TAR_HEADER_BYTES);
    from.take(MAGIC_BYTES as u64).read_to_end(&mut first)?;
    let is_text = Compression::detect(&first) == Compression::None && archive::detect(&first).is_none();
    while is_text && first.len() < TAR_HEADER_BYTES && !first.contains(&b'\n') {
        let at = first.len();
        first.resize(TAR_HEADER_BYTES, 0);
        let read = from.read(&mut first[at..]);
        first.truncate(at + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => break,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
    Ok(first)
}

/// Reads `bytes` bytes of a file from `offset` on, or fewer if it ends before.
pub(super) fn read_window(file: &File, offset: u64, bytes: usize) -> io::Result<Bytes> {
    if bytes <= MAX_ALLOCATED_BYTES {
        return Ok(read_up_to(file, offset, bytes)?.into());
    }
    let mut window = MmapMut::map_anon(bytes)?;
    let mut filled = 0;
    while filled < bytes {
        match retry_on_intr(|| pread(file, &mut window[filled..], offset + filled as u64))? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(Bytes::from_owner(window).slice(..filled))
}

fn read_up_to(file: &File, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut window = Vec::new();
    window.try_reserve_exact(bytes)?;
    while window.len() < bytes {
        let at = offset + window.len() as u64;
        match retry_on_intr(|| pread(file, spare_capacity(&mut window), at))? {
            0 => break,
            _ => window.truncate(bytes),
        }
    }
    Ok(window)
}

/// Creates an unnamed temporary file, which disappears when it is closed.
///
/// # Errors
/// If the file cannot be created. The message names the directory.
pub(super) fn temporary_file() -> io::Result<File> {
    tempfile::tempfile().map_err(|error| temporary_file_error(&error))
}

/// Adds the directory of temporary files to an error.
pub(super) fn temporary_file_error(error: &io::Error) -> io::Error {
    let directory = std::env::temp_dir();
    io::Error::new(error.kind(), format!("temporary file in {} (TMPDIR): {error}", directory.display()))
}

/// Calls `read`, and turns a panic into an error: a defect in a decoder must not end the program.
pub(super) fn catch_panic<T>(read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(io::Error::other("the decoder panicked; please report this")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(file: impl Into<std::os::fd::OwnedFd>, stop: bool) -> Reader {
        let file = Arc::new(File::from(file.into()));
        Reader::new(file, Arc::new(AtomicBool::new(stop))).unwrap()
    }

    #[test]
    fn peeking_collects_short_reads() {
        let (from, mut to) = io::pipe().unwrap();
        let writer = std::thread::spawn(move || {
            for byte in *b"PK\x03\x04rest" {
                io::Write::write_all(&mut to, &[byte]).unwrap();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let reader = reader(from, false);
        let (first, can_read_again) = reader.peek().unwrap();
        assert_eq!((first.as_slice(), can_read_again), (&b"PK\x03\x04re"[..], false));
        writer.join().unwrap();
    }

    #[test]
    fn a_stopped_reader_does_not_wait() {
        let (from, _to) = io::pipe().unwrap();
        reader(from, true).read(&mut [0]).unwrap_err();
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = catch_panic(|| -> io::Result<()> { panic!("the decoder dies") }).unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    }
}
