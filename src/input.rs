//! Inputs as bytes: the only room that maps memory.
//!
//! A mapped file is a slice that somebody else can change. What sqload relies on, and what happens when it
//! does not hold:
//!
//! - *Nobody shortens it.* Reading past the new end raises SIGBUS; [`truncation`] turns that into zeros and a
//!   mark on the map, and [`Input::check`] into an error before anything is committed.
//! - *Nobody writes to it.* A write may show in the map at any time. Every use of the bytes is bounds-checked
//!   and sound for any content, so the load can go wrong only in its result; [`Input::check`] compares size
//!   and time of last change with those at the start and refuses that result.
//!
//! What can not be mapped, or is not plain text, is read by a thread of its own (see `unpack`) into a file without a name,
//! which can: see `spool`.

mod bytes;
mod spool;
mod truncation;
mod unpack;

use crate::error::{Error, Kind, Result};
pub use bytes::Incoming;
use memmap2::{Advice, Mmap};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use spool::Spool;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use unpack::{Encoding, Packing};

/// Between two looks at the stop flag; less than a second.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// A CSV input.
#[derive(Debug)]
pub(crate) struct Input {
    name: Arc<str>,
    path: PathBuf,
    /// What was opened, and what it was like then.
    file: Arc<File>,
    metadata: Metadata,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// An empty file has no map. The watch comes before the map, so that it ends first.
    Mapped(Option<(truncation::Watch, Mmap)>),
    Spooled(Box<Spool>),
}

impl Input {
    /// Opens the file at `path`, which `-` says is standard input, and maps it. A pipe, a compressed file, or one that is
    /// not UTF-8 is read by another thread meanwhile, until soon after `stop` is set. A zip archive has an input for each
    /// file that is in it.
    ///
    /// `encoding` is the name of that of the text (<https://encoding.spec.whatwg.org>); without one it is UTF-8, or the
    /// UTF-16 that a byte order mark says.
    ///
    /// # Errors
    /// [`Kind::Io`] if there is none or if it can not be read; [`Kind::Usage`] if there is no such encoding;
    /// [`Kind::Interrupted`] soon after a stop.
    pub(crate) fn open(path: &Path, encoding: Option<&str>, stop: &Arc<AtomicBool>) -> Result<Vec<Self>> {
        let encoding = Encoding::named(encoding)?;
        let failed = |source| match stop.load(Ordering::Relaxed) {
            true => Kind::Interrupted.into(),
            false => Error::io("read", path, source),
        };
        let file = Arc::new(open(path).map_err(failed)?);
        let shared = Shared { file: file.clone(), stop: stop.clone() };
        let metadata = file.metadata().map_err(failed)?;
        let name = path.to_string_lossy();
        let input = |name: &str, content| Self {
            name: name.into(),
            path: path.to_owned(),
            file: file.clone(),
            metadata: metadata.clone(),
            content,
        };
        let spool = |from: Box<dyn Read + Send>| {
            Spool::start(from, path, stop.clone()).map(|spool| Content::Spooled(spool.into())).map_err(failed)
        };
        let (first, is_mappable) = peek(path, &shared).map_err(failed)?;
        let packing = Packing::of(&first);
        if packing == Packing::Zip {
            let archive = if is_mappable {
                file.try_clone()
            } else {
                unpack::to_file(io::Cursor::new(first).chain(shared))
            };
            let archive = Arc::new(archive.map_err(failed)?);
            let members = unpack::members(&archive).map_err(failed)?;
            let member = |(number, member): (usize, String)| {
                let from = unpack::member(archive.clone(), number).and_then(|from| encoding.decode(from));
                Ok(input(&format!("{name}:{member}"), spool(from.map_err(failed)?)?))
            };
            return members.into_iter().map(member).collect();
        }
        let content = if !is_mappable {
            let from = Box::new(io::Cursor::new(first).chain(shared));
            spool(packing.unpack(from).and_then(|from| encoding.decode(from)).map_err(failed)?)?
        } else if packing == Packing::Plain && !encoding.changes(&first) {
            Content::Mapped(map(&file).map_err(failed)?)
        } else {
            let from = packing.unpack(Box::new(shared));
            spool(from.and_then(|from| encoding.decode(from)).map_err(failed)?)?
        };
        Ok(vec![input(&name, content)])
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The number of bytes that are there, and whether they are all.
    pub(crate) fn bytes(&self) -> (u64, bool) {
        match &self.content {
            Content::Mapped(map) => (map.as_ref().map_or(0, |(_, map)| map.len() as u64), true),
            Content::Spooled(spool) => spool.bytes(),
        }
    }

    /// Whether the bytes read since [`Input::open`] were those of one state of the file.
    ///
    /// # Errors
    /// [`Kind::InputChanged`] if not.
    pub(crate) fn check(&self) -> Result<()> {
        let now = self.file.metadata().map_err(|source| Error::io("read", &self.path, source))?;
        let is_torn = match &self.content {
            Content::Mapped(Some((watch, _))) => watch.is_torn(),
            _ => false,
        };
        let is_same = !now.is_file()
            || now.len() == self.metadata.len() && now.modified().ok() == self.metadata.modified().ok();
        if is_torn || !is_same {
            return Err(Kind::InputChanged { path: self.path.clone() }.into());
        }
        Ok(())
    }
}

impl Incoming for Input {
    fn wait(&self, bytes: usize) -> Result<(&[u8], bool)> {
        match &self.content {
            Content::Mapped(map) => Ok((map.as_ref().map_or(&[], |(_, map)| map), true)),
            Content::Spooled(spool) => spool.wait(bytes),
        }
    }
}

/// Lets the process have as many files open as the system allows, since each input is one.
pub(crate) fn allow_many() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!("the limit on open files is as it was: {error}");
    }
}

/// The paths that patterns among `paths` stand for, in the order of their names; any other path is itself. What is there is
/// no pattern.
///
/// # Errors
/// [`Kind::Usage`] if nothing is there that a pattern stands for.
pub(crate) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut expanded = Vec::new();
    for path in paths {
        let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']) && !path.exists());
        let Some(pattern) = pattern else {
            expanded.push(path.clone());
            continue;
        };
        let found = glob::glob(pattern).map_err(|error| Kind::Usage(format!("{pattern}: {error}")))?;
        let before = expanded.len();
        for path in found {
            let path =
                path.map_err(|error| Error::io("read", error.path(), io::Error::other(error.to_string())))?;
            expanded.push(path);
        }
        if expanded.len() == before {
            return Err(Kind::Usage(format!("{pattern}: no file has such a name")).into());
        }
    }
    Ok(expanded)
}

/// A file that several read from where the last of them stopped. To wait for more of a pipe ends soon after a stop.
#[derive(Clone)]
struct Shared {
    file: Arc<File>,
    stop: Arc<AtomicBool>,
}

impl Read for Shared {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let interval = Timespec { tv_sec: 0, tv_nsec: STOP_INTERVAL.subsec_nanos().into() };
        while !self.stop.load(Ordering::Relaxed) {
            match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&interval)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return (&*self.file).read(to),
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("interrupted"))
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = match path == Path::new("-") {
        true => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        false => File::open(path)?,
    };
    match file.metadata()?.is_dir() {
        true => Err(io::Error::other("it is a directory")),
        false => Ok(file),
    }
}

/// The first bytes of a file, which those who read it further do not see again unless it can be mapped.
fn peek(path: &Path, shared: &Shared) -> io::Result<(Vec<u8>, bool)> {
    let mut file = &*shared.file;
    let mut first = vec![0; unpack::MAGIC_BYTES];
    // Somebody may have read the beginning of standard input, which then is none of the input.
    let is_mappable = file.metadata()?.is_file() && (path != Path::new("-") || file.stream_position()? == 0);
    if is_mappable {
        let bytes = file.read_at(&mut first, 0)?;
        first.truncate(bytes);
    } else {
        first.clear();
        shared.clone().take(unpack::MAGIC_BYTES as u64).read_to_end(&mut first)?;
    }
    Ok((first, is_mappable))
}

/// Maps a file, unless it is empty.
fn map(file: &File) -> io::Result<Option<(truncation::Watch, Mmap)>> {
    if file.metadata()?.len() == 0 {
        return Ok(None);
    }
    // SAFETY: the map is read only through shared slices whose every use is sound for any bytes, and is watched for
    // truncation before it is read; see the top of this file.
    let map = unsafe { Mmap::map(file) }?;
    map.advise(Advice::Sequential)?;
    Ok(Some((truncation::Watch::new(&map)?, map)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn open_file(path: &Path) -> Input {
        Input::open(path, None, &Arc::default()).unwrap().pop().unwrap()
    }

    fn bytes(input: &Input) -> &[u8] {
        input.wait(0).unwrap().0
    }

    #[test]
    fn truncation_under_the_map_is_an_error_and_no_signal() {
        let file = file_of(&[b'a'; 100_000]);
        let other = file_of(&[b'b'; 100_000]);
        let (input, other) = (open_file(file.path()), open_file(other.path()));
        file.as_file().set_len(5_000).unwrap();
        assert_eq!(bytes(&input)[4_000], b'a');
        assert_eq!(bytes(&input)[99_999], 0, "past the end there are zeros");
        assert!(matches!(input.check().unwrap_err().kind(), Kind::InputChanged { .. }));
        assert!(bytes(&other).iter().all(|&byte| byte == b'b'));
        other.check().unwrap();
    }

    #[test]
    fn writing_while_reading_is_noticed() {
        let mut file = file_of(b"a,b\n");
        let input = open_file(file.path());
        input.check().unwrap();
        file.write_all(b"1,2\n").unwrap();
        assert!(matches!(input.check().unwrap_err().kind(), Kind::InputChanged { .. }));
    }

    #[test]
    fn a_pattern_is_the_files_of_such_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "c.txt", "[x].csv"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| -> Result<Vec<String>> {
            let paths = expand(&[directory.path().join(pattern)])?;
            Ok(paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
        };
        assert_eq!(names("*.csv").unwrap(), ["[x].csv", "a.csv", "b.csv"]);
        assert_eq!(names("?.*").unwrap(), ["a.csv", "b.csv", "c.txt"]);
        assert_eq!(names("[x].csv").unwrap(), ["[x].csv"], "a file that is there is no pattern");
        assert_eq!(names("d.csv").unwrap(), ["d.csv"], "what is missing is said when it is opened");
        assert!(matches!(names("*.tsv").unwrap_err().kind(), Kind::Usage(_)));
    }
}
