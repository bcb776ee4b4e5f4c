//! Spools a stream to a temporary file that is mapped while it grows.
//!
//! A thread reads the stream and appends it to the file. Readers see bytes in a mapping of the file as soon as they have been
//! written, so that both work at the same time. The thread stays only a little ahead of its readers: of many inputs, only the
//! beginnings are spooled before their turn comes.
//!
//! The file only grows, and no other process can open it. Bytes that have been written can be read any number of times.

use super::file::{STOP_INTERVAL, catch_panic, temporary_file, temporary_file_error};
use super::map::GuardedMap;
use crate::error::{Error, Kind, Result};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// The size of a write in bytes.
const BLOCK_BYTES: usize = 256 << 10;

/// How far the thread may be ahead of what was asked for.
const MAX_AHEAD_BYTES: u64 = 64 << 20;

/// The size of the first mapping. Each further mapping is twice as large and maps the file from its start, so an input needs
/// about twice its size in address space. A mapping may extend beyond the end of the file; only written bytes are read.
const FIRST_MAP_BYTES: usize = 1 << 20;
const MAX_MAPS: usize = 26;

/// A stream that is being spooled.
#[derive(Debug)]
pub(super) struct Spool {
    /// The path of the input, for error messages.
    path: PathBuf,
    file: Arc<File>,
    maps: [OnceLock<GuardedMap>; MAX_MAPS],
    /// Catch faults of the mappings. No other process can truncate the file, so only a failing disk causes any.
    is_guarded: bool,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

/// What the thread and the readers share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    written_bytes: u64,
    /// The largest number of bytes that a reader has asked for.
    wanted_bytes: u64,
    /// How the thread ended.
    end: Option<std::result::Result<(), (io::ErrorKind, String)>>,
    /// True if the spool was dropped, so that the thread must end.
    is_abandoned: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool {
    /// Starts to spool `from`. Errors name `path`.
    ///
    /// # Errors
    /// If the file cannot be created, or the thread cannot be started.
    pub(super) fn start(
        from: impl Read + Send + 'static,
        path: &Path,
        is_guarded: bool,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let file = Arc::new(temporary_file()?);
        let shared = Arc::<Shared>::default();
        let (to, thread_shared) = (file.clone(), shared.clone());
        let copy = move || {
            let end = catch_panic(|| copy(from, &to, &thread_shared));
            thread_shared.lock().end = Some(end.map_err(|error| (error.kind(), error.to_string())));
            thread_shared.changed.notify_all();
        };
        // The thread is not joined: it may be waiting for a pipe when the spool is dropped.
        thread::Builder::new().name("input".into()).spawn(copy)?;
        Ok(Self { is_guarded, path: path.to_owned(), file, maps: Default::default(), shared, stop })
    }

    /// The number of bytes written so far, and whether they are the whole input.
    pub(super) fn bytes(&self) -> (u64, bool) {
        let state = self.shared.lock();
        (state.written_bytes, state.end.is_some())
    }

    /// Waits until at least `bytes` bytes have been written, or the stream has ended. Returns all bytes that have been
    /// written, and true if they are the whole input.
    ///
    /// # Errors
    /// [`Kind::Io`] if the stream cannot be read or spooled; [`Kind::Interrupted`] soon after a stop.
    pub(super) fn wait(&self, bytes: usize) -> Result<(&[u8], bool)> {
        let failed = |source| Error::io("read", &self.path, source);
        let mut state = self.shared.lock();
        state.wanted_bytes = state.wanted_bytes.max(bytes as u64);
        self.shared.changed.notify_all();
        while state.end.is_none() && state.written_bytes < bytes as u64 && !self.stop.load(Ordering::Relaxed)
        {
            let waited = self.shared.changed.wait_timeout(state, STOP_INTERVAL);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        // A stop may also have ended the thread, with an error that does not matter then.
        if self.stop.load(Ordering::Relaxed) {
            return Err(Kind::Interrupted.into());
        }
        if let Some(Err((kind, message))) = &state.end {
            return Err(failed(io::Error::new(*kind, message.clone())));
        }
        let (written_bytes, is_all) = (state.written_bytes, state.end.is_some());
        drop(state);
        let written_bytes =
            usize::try_from(written_bytes).map_err(|error| failed(io::Error::other(error)))?;
        Ok((self.written(written_bytes).map_err(failed)?, is_all))
    }

    /// The first `bytes` bytes, which have been written.
    fn written(&self, bytes: usize) -> io::Result<&[u8]> {
        let size = |index: usize| FIRST_MAP_BYTES << index;
        let index = (0..MAX_MAPS).find(|index| size(*index) >= bytes);
        let index = index.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let map = match self.maps[index].get() {
            Some(map) => map,
            None => {
                let map = GuardedMap::new(&self.file, size(index), self.is_guarded)?;
                // From now on few bytes are read through the others.
                self.release(0..usize::MAX);
                self.maps[index].get_or_init(|| map)
            }
        };
        // SAFETY: these bytes have been written to the file. It is unnamed, so no other process changes it, and the thread
        // only appends to it. If the device cannot read it back, the bytes become zeros, which is sound for every use.
        Ok(unsafe { map.bytes(bytes) })
    }

    /// Gives back the memory of these bytes, which stay readable.
    pub(super) fn release(&self, bytes: Range<usize>) {
        self.maps.iter().filter_map(OnceLock::get).for_each(|map| map.release(bytes.clone()));
    }

    /// Checks that all bytes returned so far were read from the file.
    ///
    /// # Errors
    /// If some were not, because of an error of the device.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.maps.iter().filter_map(OnceLock::get).any(GuardedMap::is_torn) {
            return Err(temporary_file_error(&Errno::IO.into()));
        }
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.shared.lock().is_abandoned = true;
        self.shared.changed.notify_all();
    }
}

/// Copies `from` to the file until it ends or the spool is dropped. Pauses while it is too far ahead.
fn copy(mut from: impl Read, mut to: &File, shared: &Shared) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let must_pause = |state: &mut State| {
            state.written_bytes > state.wanted_bytes.saturating_add(MAX_AHEAD_BYTES) && !state.is_abandoned
        };
        let state = shared.changed.wait_while(shared.lock(), must_pause);
        if state.unwrap_or_else(PoisonError::into_inner).is_abandoned {
            return Ok(());
        }
        let bytes = match from.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if bytes == 0 {
            return Ok(());
        }
        to.write_all(&block[..bytes]).map_err(|error| temporary_file_error(&error))?;
        shared.lock().written_bytes += bytes as u64;
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Panicking;

    impl Read for Panicking {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("the decoder dies")
        }
    }

    fn spool(from: impl Read + Send + 'static) -> Spool {
        Spool::start(from, Path::new("in.csv"), true, Arc::default()).unwrap()
    }

    #[test]
    fn a_panicking_stream_is_an_error() {
        let first = io::Cursor::new(b"a,b\n".to_vec());
        let error = spool(first.chain(Panicking)).wait(100).unwrap_err();
        assert_eq!(error.to_string(), "cannot read in.csv");
    }

    #[test]
    fn a_page_that_cannot_be_read_is_an_error() {
        let spool = spool(io::Cursor::new(vec![b'a'; 100_000]));
        let (bytes, _) = spool.wait(usize::MAX).unwrap();
        spool.check().unwrap();
        // Pages behind the end of the file fault like pages that the device cannot read.
        spool.file.set_len(0).unwrap();
        assert_eq!(bytes[99_999], 0);
        assert!(spool.check().is_err());
    }
}
