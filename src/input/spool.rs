//! Spools a stream to a temporary file that is read while it grows.
//!
//! A thread reads the stream and appends it to the file. Readers can read bytes as soon as they have been written, so that both
//! work at the same time. The thread stays only a little ahead of its readers: of many inputs, only the
//! beginnings are spooled before their turn comes.
//!
//! The file only grows, and no other process can open it. Bytes that have been written can be read any number of times.

use super::file::{
    STOP_INTERVAL, WINDOW_BYTES, catch_panic, read_window, temporary_file, temporary_file_error,
};
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The size of a write in bytes.
const BLOCK_BYTES: usize = 256 << 10;

/// How far the thread may be ahead of what was asked for.
const MAX_AHEAD_BYTES: u64 = 64 << 20;

/// A stream that is being spooled.
#[derive(Debug)]
pub(super) struct Spool {
    /// The path of the input, for error messages.
    path: PathBuf,
    file: Arc<File>,
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
        Ok(Self { path: path.to_owned(), file, shared, stop })
    }

    /// The number of bytes written so far, and whether they are the whole input.
    pub(super) fn bytes(&self) -> (u64, bool) {
        let state = self.shared.lock();
        (state.written_bytes, state.end.is_some())
    }

    /// As [`Incoming::wait`](super::Incoming::wait).
    ///
    /// # Errors
    /// [`Kind::Io`] if the stream cannot be read or spooled; [`Kind::Interrupted`] soon after a stop.
    pub(super) fn wait(&self, offset: usize, bytes: usize) -> Result<(Bytes, bool)> {
        let failed = |source| Error::io("read", &self.path, source);
        let (offset, bytes) = (offset as u64, bytes as u64);
        let mut state = self.shared.lock();
        state.wanted_bytes = state.wanted_bytes.max(offset + bytes);
        self.shared.changed.notify_all();
        let stop = &self.stop;
        while state.end.is_none() && state.written_bytes < offset + bytes && !stop.load(Ordering::Relaxed) {
            let waited = self.shared.changed.wait_timeout(state, STOP_INTERVAL);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        // A stop may also have ended the thread, with an error that does not matter then.
        if stop.load(Ordering::Relaxed) {
            return Err(Kind::Interrupted.into());
        }
        if let Some(Err((kind, message))) = &state.end {
            return Err(failed(io::Error::new(*kind, message.clone())));
        }
        let (written_bytes, is_complete) = (state.written_bytes, state.end.is_some());
        drop(state);
        let there = written_bytes.saturating_sub(offset);
        let bytes = there.min(bytes.max(WINDOW_BYTES as u64));
        Ok((self.read(offset, bytes as usize).map_err(failed)?, is_complete && bytes == there))
    }

    /// Bytes that have been written.
    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        let window = read_window(&self.file, offset, bytes).map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory => error,
            _ => temporary_file_error(&error),
        })?;
        match window.len() == bytes {
            true => Ok(window),
            false => Err(temporary_file_error(&io::ErrorKind::UnexpectedEof.into())),
        }
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
        Spool::start(from, Path::new("in.csv"), Arc::default()).unwrap()
    }

    #[test]
    fn a_panicking_stream_is_an_error() {
        let first = io::Cursor::new(b"a,b\n".to_vec());
        let error = spool(first.chain(Panicking)).wait(0, 100).unwrap_err();
        assert_eq!(error.to_string(), "cannot read in.csv");
    }

    #[test]
    fn bytes_that_cannot_be_read_back_are_an_error() {
        let spool = spool(io::Cursor::new(vec![b'a'; 100_000]));
        let (bytes, is_all) = spool.wait(10, 100_000).unwrap();
        assert_eq!((bytes, is_all), (vec![b'a'; 99_990].into(), true));
        spool.file.set_len(50_000).unwrap();
        assert!(spool.wait(10, 100_000).is_err());
    }

    #[test]
    fn a_window_is_a_part_of_the_bytes() {
        let all: Vec<_> = (0..3 * WINDOW_BYTES).map(|at| (at % 251) as u8).collect();
        let spool = spool(io::Cursor::new(all.clone()));
        spool.wait(0, all.len() + 1).unwrap();
        for (offset, bytes, expected_end) in
            [(0, 1, WINDOW_BYTES), (5, 2 * WINDOW_BYTES, 5 + 2 * WINDOW_BYTES), (all.len() - 1, 1, all.len())]
        {
            let (window, is_all) = spool.wait(offset, bytes).unwrap();
            assert!(window == all[offset..expected_end]);
            assert_eq!(is_all, expected_end == all.len());
        }
    }
}
