//! Inputs as bytes: the only module that maps memory.
//!
//! An [`Input`] names something to read and knows what kind of file it is; [`Input::open`] gives its bytes, an
//! [`OpenInput`]. Compressed and encoded files are unpacked only while they are open, so a load of many of them needs room
//! for a few.
//!
//! A mapped file is a slice that another process can change. sqload relies on two properties, and notices when they do not
//! hold:
//!
//! - *The file is not truncated.* Reading past the new end raises SIGBUS; [`truncation`] turns that into zeros and a
//!   mark on the map, and [`OpenInput::check`] into an error before anything is committed.
//! - *The file is not written to.* A write may show in the map at any time. Every use of the bytes is bounds-checked
//!   and sound for any content, so only the result can be wrong; [`OpenInput::check`] compares size and time of the last
//!   change with those at the start, and rejects that result.

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
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use unpack::{Archive, Encoding, Packing};

/// Time between two checks of the stop flag; less than a second.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// A file up to this size is read: that takes less time than mapping it.
const MAX_READ_BYTES: u64 = 128 << 10;

/// One source of records, which can be opened any number of times.
#[derive(Debug)]
pub(crate) struct Input {
    name: Arc<str>,
    path: PathBuf,
    encoding: Encoding,
    stop: Arc<AtomicBool>,
    state: FileState,
    origin: Origin,
}

/// Where the bytes of an input come from.
#[derive(Debug)]
enum Origin {
    /// An open file: mapped, or a pipe, which cannot be read again.
    Open(Arc<OpenInput>),
    /// A small file.
    Small,
    /// A file that is compressed or not UTF-8.
    Packed(Packing),
    /// A file in a zip archive.
    Member(Archive, usize),
}

impl Input {
    /// The input at `path`, where `-` is standard input. A zip archive has an input for each file in it. A pipe is read by a
    /// thread of its own from now on, until soon after `stop` is set.
    ///
    /// `encoding` is a label of the Encoding Standard (<https://encoding.spec.whatwg.org>); without one the text is UTF-8, or
    /// UTF-16 if it begins with its byte order mark.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read; `PlanError::UnknownEncoding`; [`Kind::Interrupted`] soon after a
    /// stop.
    pub(crate) fn find(path: &Path, encoding: Option<&str>, stop: &Arc<AtomicBool>) -> Result<Vec<Self>> {
        let encoding = Encoding::named(encoding)?;
        let failed = |source| read_error(path, stop, source);
        let file = open_file(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let reader = Reader { file: Arc::new(file), stop: stop.clone() };
        let name: Arc<str> = path.to_string_lossy().into();
        let state = FileState::of(&metadata);
        let input = |name, origin| {
            let (path, stop) = (path.to_owned(), stop.clone());
            Self { name, path, encoding, stop, state, origin }
        };
        let open = |content| {
            let (name, path) = (name.clone(), path.to_owned());
            let open = OpenInput { name, path, file: Some((reader.file.clone(), state)), content };
            Ok(vec![input(open.name.clone(), Origin::Open(Arc::new(open)))])
        };
        let (first, is_mappable) = peek(path, &reader).map_err(failed)?;
        let packing = Packing::of(&first);
        if packing == Packing::Zip {
            let archive = match is_mappable {
                true => reader.file.clone(),
                false => Arc::new(unpack::to_file(io::Cursor::new(first).chain(reader)).map_err(failed)?),
            };
            let (archive, members) = Archive::open(archive).map_err(failed)?;
            let member = |(number, member): (usize, String)| {
                input(format!("{name}:{member}").into(), Origin::Member(archive.clone(), number))
            };
            return Ok(members.into_iter().map(member).collect());
        }
        let is_plain = packing == Packing::Plain && !encoding.changes(&first);
        match (is_mappable, is_plain) {
            (false, _) => {
                let from = packing.unpack(Box::new(io::Cursor::new(first).chain(reader.clone())));
                let from = from.and_then(|from| encoding.decode(from)).map_err(failed)?;
                open(Content::Spooled(Spool::start(from, path, stop.clone()).map_err(failed)?.into()))
            }
            // Only a path can be opened again.
            (true, true) if metadata.len() <= MAX_READ_BYTES && path != Path::new("-") => {
                Ok(vec![input(name, Origin::Small)])
            }
            (true, true) => match map(&reader.file) {
                Ok(map) => open(Content::Mapped(map)),
                // Some file systems cannot map files, and there may be no room in the address space.
                Err(error) => {
                    tracing::debug!("{}: reading instead of mapping: {error}", path.display());
                    let spool = Spool::start(reader.clone(), path, stop.clone());
                    open(Content::Spooled(spool.map_err(failed)?.into()))
                }
            },
            (true, false) if path != Path::new("-") => Ok(vec![input(name, Origin::Packed(packing))]),
            (true, false) => {
                let from = packing.unpack(Box::new(reader.clone()));
                let from = from.and_then(|from| encoding.decode(from)).map_err(failed)?;
                open(Content::Spooled(Spool::start(from, path, stop.clone()).map_err(failed)?.into()))
            }
        }
    }

    /// The bytes of the input. Those of a compressed or encoded file are unpacked by a thread of its own, which ends when
    /// the result is dropped.
    ///
    /// # Errors
    /// As [`Input::find`], and [`Kind::InputChanged`] if it is not the file that was found.
    pub(crate) fn open(&self) -> Result<Arc<OpenInput>> {
        let failed = |source| read_error(&self.path, &self.stop, source);
        let unpacked = |from: io::Result<unpack::Bytes>| -> Result<Content> {
            let from = from.and_then(|from| self.encoding.decode(from)).map_err(failed)?;
            let spool = Spool::start(from, &self.path, self.stop.clone()).map_err(failed)?;
            Ok(Content::Spooled(spool.into()))
        };
        let (file, content) = match &self.origin {
            Origin::Open(open) => return Ok(open.clone()),
            Origin::Small => {
                let file = Arc::new(self.open_again()?);
                let content = Content::Read(read_small(&file).map_err(failed)?);
                (file, content)
            }
            Origin::Packed(packing) => {
                let file = Arc::new(self.open_again()?);
                let reader = Reader { file: file.clone(), stop: self.stop.clone() };
                (file, unpacked(packing.unpack(Box::new(reader)))?)
            }
            Origin::Member(archive, number) => (archive.file().clone(), unpacked(archive.member(*number))?),
        };
        let (name, path) = (self.name.clone(), self.path.clone());
        // An archive that came through a pipe is a file of our own.
        let file =
            FileState::of(&file.metadata().map_err(failed)?).is(self.state).then_some((file, self.state));
        Ok(Arc::new(OpenInput { name, path, file, content }))
    }

    fn open_again(&self) -> Result<File> {
        let failed = |source| read_error(&self.path, &self.stop, source);
        let file = open_file(&self.path).map_err(failed)?;
        match FileState::of(&file.metadata().map_err(failed)?).is(self.state) {
            true => Ok(file),
            false => Err(Kind::InputChanged { path: self.path.clone() }.into()),
        }
    }

    /// An input that is in memory.
    #[cfg(test)]
    pub(crate) fn of_bytes(name: &str, bytes: Vec<u8>) -> Self {
        let state = FileState::of(&std::fs::metadata("/").unwrap());
        let (name, origin) = (name.into(), Origin::Open(OpenInput::of_bytes(name, bytes)));
        let (path, encoding) = (PathBuf::new(), Encoding::named(None).unwrap());
        Self { name, path, encoding, stop: Arc::default(), state, origin }
    }

    /// The name that messages use: the path, and for a member of an archive its name behind a colon.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether it is unpacked into a temporary file while it is open.
    pub(crate) fn is_unpacked(&self) -> bool {
        matches!(self.origin, Origin::Packed(_) | Origin::Member(..))
    }

    /// The size in bytes of the text; `None` if that is not known before all of it has been read.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match &self.origin {
            Origin::Open(open) => open.bytes(),
            Origin::Small => Some(self.state.bytes),
            Origin::Packed(_) | Origin::Member(..) => None,
        }
    }
}

/// The bytes of an input while it is open.
#[derive(Debug)]
pub(crate) struct OpenInput {
    name: Arc<str>,
    path: PathBuf,
    /// The file, if somebody else may change it, and its state when it was found.
    file: Option<(Arc<File>, FileState)>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Read(Vec<u8>),
    /// An empty file has no map. The watch comes before the map, so that it ends first.
    Mapped(Option<(truncation::Watch, Mmap)>),
    Spooled(Box<Spool>),
}

impl OpenInput {
    /// An input that is in memory.
    #[cfg(test)]
    pub(crate) fn of_bytes(name: &str, bytes: Vec<u8>) -> Arc<Self> {
        let content = Content::Read(bytes);
        Arc::new(Self { name: name.into(), path: name.into(), file: None, content })
    }

    /// The name that messages use.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The size in bytes of the text; `None` if not all of it has been read.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match &self.content {
            Content::Read(bytes) => Some(bytes.len() as u64),
            Content::Mapped(map) => Some(map.as_ref().map_or(0, |(_, map)| map.len() as u64)),
            Content::Spooled(spool) => {
                Some(spool.bytes()).filter(|(_, is_all)| *is_all).map(|(bytes, _)| bytes)
            }
        }
    }

    /// These bytes, which [`Incoming::wait`] has returned before.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn slice(&self, range: Range<usize>) -> Result<&[u8]> {
        let (bytes, _) = self.wait(range.end)?;
        bytes.get(range).ok_or_else(|| Kind::InputChanged { path: self.path.clone() }.into())
    }

    /// Checks that the bytes read so far are those of one state of the file.
    ///
    /// # Errors
    /// [`Kind::InputChanged`] if not.
    pub(crate) fn check(&self) -> Result<()> {
        let Some((file, state)) = &self.file else { return Ok(()) };
        let now = file.metadata().map_err(|source| Error::io("read", &self.path, source))?;
        let is_torn = match &self.content {
            Content::Mapped(Some((watch, _))) => watch.is_torn(),
            _ => false,
        };
        if is_torn || now.is_file() && !FileState::of(&now).is(*state) {
            return Err(Kind::InputChanged { path: self.path.clone() }.into());
        }
        Ok(())
    }
}

impl Incoming for OpenInput {
    fn wait(&self, bytes: usize) -> Result<(&[u8], bool)> {
        match &self.content {
            Content::Read(bytes) => Ok((bytes, true)),
            Content::Mapped(map) => Ok((map.as_ref().map_or(&[], |(_, map)| map), true)),
            Content::Spooled(spool) => spool.wait(bytes),
        }
    }
}

/// What changes when a file is written to or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    is_file: bool,
    device_and_inode: (u64, u64),
    bytes: u64,
    /// Seconds and nanoseconds of the last change of the content, and of the inode: a program can set the former.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    fn of(metadata: &Metadata) -> Self {
        Self {
            is_file: metadata.is_file(),
            device_and_inode: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether it is the same state of the same file. Pipes have none.
    fn is(self, other: Self) -> bool {
        !self.is_file || self == other
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

/// A file that is read from where the last reader stopped. Waiting for more of a pipe ends soon after a stop.
#[derive(Clone)]
struct Reader {
    file: Arc<File>,
    stop: Arc<AtomicBool>,
}

impl Read for Reader {
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

fn read_error(path: &Path, stop: &AtomicBool, source: io::Error) -> Error {
    match stop.load(Ordering::Relaxed) {
        true => Kind::Interrupted.into(),
        false => Error::io("read", path, source),
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let file = match path == Path::new("-") {
        true => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        false => File::open(path)?,
    };
    match file.metadata()?.is_dir() {
        true => Err(io::Error::other("it is a directory")),
        false => Ok(file),
    }
}

/// The first bytes of a file, and whether it can be mapped; if not, they will not be read again.
fn peek(path: &Path, reader: &Reader) -> io::Result<(Vec<u8>, bool)> {
    let mut file = &*reader.file;
    let mut first = vec![0; unpack::MAGIC_BYTES];
    // Another program may have read the beginning of standard input, which is then not part of the input.
    let is_mappable = file.metadata()?.is_file() && (path != Path::new("-") || file.stream_position()? == 0);
    if is_mappable {
        read_at_most(file, &mut first)?;
        // Some files have content although their size is 0, as those in /proc.
        if !(first.is_empty() || file.metadata()?.len() > 0) {
            file.seek_relative(first.len() as i64)?;
            return Ok((first, false));
        }
    } else {
        first.clear();
        reader.clone().take(unpack::MAGIC_BYTES as u64).read_to_end(&mut first)?;
    }
    Ok((first, is_mappable))
}

/// Fills `bytes` with the beginning of a file, and cuts it if the file has fewer.
fn read_at_most(file: &File, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(())
}

/// Reads a small file.
fn read_small(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(file.metadata()?.len() as usize + 1);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
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

    fn open(path: &Path) -> Arc<OpenInput> {
        Input::find(path, None, &Arc::default()).unwrap().pop().unwrap().open().unwrap()
    }

    fn bytes(input: &OpenInput) -> &[u8] {
        input.wait(0).unwrap().0
    }

    #[test]
    fn truncation_under_the_map_is_an_error_and_no_signal() {
        let file = file_of(&[b'a'; 200_000]);
        let other = file_of(&[b'b'; 200_000]);
        let (input, other) = (open(file.path()), open(other.path()));
        file.as_file().set_len(5_000).unwrap();
        assert_eq!(bytes(&input)[4_000], b'a');
        assert_eq!(bytes(&input)[199_999], 0, "past the end there are zeros");
        assert!(matches!(input.check().unwrap_err().kind(), Kind::InputChanged { .. }));
        assert!(bytes(&other).iter().all(|&byte| byte == b'b'));
        other.check().unwrap();
    }

    #[test]
    fn writing_while_reading_is_noticed() {
        let mut file = file_of(b"a,b\n");
        let input = open(file.path());
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
