//! What comes in from elsewhere, in a file without a name that is mapped while it grows.
//!
//! A thread reads and writes it to the file; whoever waits for bytes gets them out of a map as soon as they are there, so
//! that both are at work at the same time. The thread stays not much ahead of what is asked for, so of many inputs only
//! the beginnings are read before it is their turn.
//!
//! The file only grows, and nobody else knows it: what has been written can be read as often as it takes.

use super::STOP_INTERVAL;
use super::unpack::nameless_file;
use crate::error::{Error, Kind, Result};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// Bytes that are written at once.
const BLOCK_BYTES: usize = 256 << 10;

/// Bytes that are read ahead of what was asked for.
const AHEAD_BYTES: u64 = 64 << 20;

/// The first map covers this many bytes, each further one twice as many as the one before. A map may extend beyond the end
/// of its file; only what has been written is read.
const FIRST_MAP_BYTES: usize = 1 << 20;
const MAPS: usize = 26;

/// An input that is being read.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    file: File,
    maps: [OnceLock<MmapRaw>; MAPS],
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    written: u64,
    wanted: u64,
    /// How it ended.
    end: Option<std::result::Result<(), (io::ErrorKind, String)>>,
    /// Nobody is there any more to read it.
    is_left: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool {
    /// Starts to read `from`, which came from `path`.
    ///
    /// # Errors
    /// If there can be no such file, or no thread.
    pub(super) fn start(
        from: impl Read + Send + 'static,
        path: &Path,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let file = nameless_file()?;
        let shared = Arc::<Shared>::default();
        let (to, of_thread) = (file.try_clone()?, shared.clone());
        let read = move || {
            let end = copy(from, to, &of_thread);
            of_thread.lock().end = Some(end.map_err(|error| (error.kind(), error.to_string())));
            of_thread.changed.notify_all();
        };
        // It may be waiting for a pipe when nobody needs it any more, so nobody waits for it.
        thread::Builder::new().name("input".into()).spawn(read)?;
        Ok(Self { path: path.to_owned(), file, maps: Default::default(), shared, stop })
    }

    /// The number of bytes that are there, and whether they are all.
    pub(super) fn bytes(&self) -> (u64, bool) {
        let state = self.shared.lock();
        (state.written, state.end.is_some())
    }

    /// All bytes that are there, at least so many unless there are fewer, and whether they are all.
    ///
    /// # Errors
    /// [`Kind::Io`] if it can not be read, unpacked, decoded or written to the file; [`Kind::Interrupted`] soon after a stop.
    pub(super) fn wait(&self, bytes: usize) -> Result<(&[u8], bool)> {
        let failed = |source| Error::io("read", &self.path, source);
        let mut state = self.shared.lock();
        state.wanted = state.wanted.max(bytes as u64);
        self.shared.changed.notify_all();
        while state.end.is_none() && state.written < bytes as u64 && !self.stop.load(Ordering::Relaxed) {
            let waited = self.shared.changed.wait_timeout(state, STOP_INTERVAL);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        // What is read from may have ended for that.
        if self.stop.load(Ordering::Relaxed) {
            return Err(Kind::Interrupted.into());
        }
        if let Some(Err((kind, message))) = &state.end {
            return Err(failed(io::Error::new(*kind, message.clone())));
        }
        let (written, is_all) = (state.written, state.end.is_some());
        drop(state);
        let written = usize::try_from(written).map_err(|error| failed(io::Error::other(error)))?;
        Ok((self.written(written).map_err(failed)?, is_all))
    }

    /// The first `bytes` bytes, which have been written.
    fn written(&self, bytes: usize) -> io::Result<&[u8]> {
        let size = |number: usize| FIRST_MAP_BYTES << number;
        let number = (0..MAPS).find(|number| size(*number) >= bytes);
        let number = number.ok_or_else(|| io::Error::other("it is larger than can be mapped"))?;
        let map = match self.maps[number].get() {
            Some(map) => map,
            None => {
                let map = MmapOptions::new().len(size(number)).map_raw_read_only(&self.file)?;
                self.maps[number].get_or_init(|| map)
            }
        };
        // SAFETY: the map is alive as long as `self`, and covers at least `bytes` bytes. They have been written to the file,
        // which no other process knows and whose thread only appends to it, so they do not change.
        Ok(unsafe { std::slice::from_raw_parts(map.as_ptr(), bytes) })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.shared.lock().is_left = true;
        self.shared.changed.notify_all();
    }
}

/// Copies all of `from` to the file, as far ahead of what is wanted as it may be.
fn copy(mut from: impl Read, mut to: File, shared: &Shared) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let is_far_ahead = |state: &mut State| state.written > state.wanted + AHEAD_BYTES && !state.is_left;
        let state = shared.changed.wait_while(shared.lock(), is_far_ahead);
        if state.unwrap_or_else(PoisonError::into_inner).is_left {
            return Ok(());
        }
        let bytes = match from.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if bytes == 0 {
            return Ok(());
        }
        to.write_all(&block[..bytes]).map_err(|error| {
            let place = std::env::temp_dir();
            io::Error::new(error.kind(), format!("a temporary file in {} (TMPDIR): {error}", place.display()))
        })?;
        shared.lock().written += bytes as u64;
        shared.changed.notify_all();
    }
}
