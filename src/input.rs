//! Inputs as bytes. This is the only module that maps memory.
//!
//! An [`Input`] names a source of bytes and knows how it is compressed and encoded; [`Input::open`] returns its bytes as an
//! [`OpenInput`]. Files are open, and compressed files are decompressed, only while their records are read, so a load of many
//! files needs few descriptors and little space.
//!
//! Plain files are mapped as a whole if possible. Other large inputs are in a file that is read part by part: text that arrives
//! or is decoded is spooled to a temporary file, and a file that cannot be mapped is read itself. An input of any size then needs
//! little address space.
//!
//! Another process may change a mapped file while it is read. sqload does not prevent this, but it notices:
//!
//! - *The file is truncated, or cannot be read.* Access to the missing pages raises SIGBUS. [`sigbus`] replaces them by zeros
//!   and marks the mapping; [`OpenInput::check`] returns an error before anything is committed.
//! - *The file is written to.* A write may show in the mapping at any time. Every use of the bytes checks bounds and is sound
//!   for any values, so only the result can be wrong; [`OpenInput::check`] compares the size and times of the file with those
//!   at the start.

mod archive;
#[cfg(feature = "arrow")]
mod arrow_file;
#[cfg(feature = "arrow")]
mod arrow_source;
#[cfg(feature = "arrow")]
mod arrow_stream;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod block_decoder;
mod compression;
mod encoding;
mod file;
#[cfg(feature = "gzip")]
mod gzip;
mod incoming;
mod map;
mod open_input;
#[cfg(feature = "parquet")]
mod parquet;
mod paths;
mod sigbus;
mod spool;
#[cfg(feature = "xz")]
mod xz_streams;
#[cfg(feature = "zstd")]
mod zstd_frames;

use crate::error::{Error, Kind, Result};
pub(crate) use archive::name_list;
#[cfg(feature = "tar")]
pub use archive::tar::{TarMember, tar_members};
use archive::{Archive, Directory};
#[cfg(feature = "arrow")]
pub(crate) use arrow_source::ArrowSource;
#[cfg(feature = "arrow")]
pub(crate) use arrow_stream::ArrowStream;
use compression::{ByteStream, Compression, DecoderOptions};
use encoding::Encoding;
use file::{FileState, Reader, catch_panic, is_stdin, open_file, read_start, temporary_file};
pub use incoming::Incoming;
use map::GuardedMap;
use open_input::Content;
pub(crate) use open_input::OpenInput;
use paths::{MEMBER_SEPARATOR, split_member, suggested_member};
pub(crate) use paths::{expand, file_path, raise_open_file_limit};
use rustix::process::{Resource, getrlimit};
use spool::Spool;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Inputs up to this size are read into memory, which takes less time than mapping or spooling them.
const MAX_READ_BYTES: u64 = 128 << 10;

/// Under a limit on address space, files up to one in this many parts of it are mapped. The rest of the load needs space, too.
const MAX_MAPPED_PART: u64 = 4;

/// A source of records, which can be opened any number of times.
#[derive(Debug)]
pub(crate) struct Input {
    name: Arc<str>,
    source: Arc<Source>,
    origin: Origin,
    /// A small member of an archive that stays open.
    kept: Option<Arc<OpenInput>>,
}

/// The file that an input comes from; all members of an archive share it.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    encoding: Encoding,
    state: FileState,
    /// Whether files may be mapped, which installs a signal handler.
    may_map: bool,
    decoder: DecoderOptions,
    stop: Arc<AtomicBool>,
}

/// Where the bytes of an input come from.
#[derive(Debug)]
enum Origin {
    /// A stream or standard input, which stays open because it cannot be opened again.
    Open(Arc<OpenInput>),
    /// A file that is opened when its turn comes.
    File(Format),
    /// The member with this index in an archive.
    Member { archive: Arc<dyn Archive>, index: usize, file: Option<Arc<File>> },
}

/// The inputs in a file.
#[derive(Debug)]
pub(crate) struct FoundInputs {
    pub(crate) inputs: Vec<Input>,
    /// The names of members of an archive that are no inputs.
    pub(crate) skipped: Vec<String>,
}

/// What a file contains.
enum FileContent {
    /// An archive, and its file; `None` if it is a temporary copy, which no other process can change.
    Archive(Directory, Option<Arc<File>>),
    /// A text that can be read once, decompressed.
    Stream(ByteStream),
    /// A text that can be read again.
    File,
    /// A format that requires this Cargo feature.
    Disabled(&'static str),
}

/// What must be done to get UTF-8 text.
#[derive(Debug, Clone, Copy)]
struct Format {
    compression: Compression,
    must_transcode: bool,
}

impl Format {
    /// True if the bytes of the file are the text.
    fn is_plain(self) -> bool {
        self.compression == Compression::None && !self.must_transcode
    }
}

impl Input {
    /// Finds the input at `path`, where `-` is standard input. An archive has an input for each member that `path` selects
    /// (`archive.zip//pattern`), or else for each file in it. A stream is read by a thread from now on, until soon after a stop.
    ///
    /// `encoding` is a label of the Encoding Standard (<https://encoding.spec.whatwg.org>). Without one the text is UTF-8, or
    /// UTF-16 if it starts with its byte order mark. Without `may_map` files are read instead of mapped, and no signal handler
    /// is installed. Compressed files are decompressed on this many `threads` if their format allows it; `None` means one for each
    /// core.
    ///
    /// # Errors
    /// [`Kind::Io`] if the input cannot be read; `PlanError::UnknownEncoding`; [`Kind::Interrupted`] soon after
    /// a stop; [`Kind::FormatDisabled`] if this build cannot decompress it.
    pub(crate) fn find(
        path: &Path,
        encoding: Option<&str>,
        may_map: bool,
        threads: Option<NonZeroUsize>,
        stop: &Arc<AtomicBool>,
    ) -> Result<FoundInputs> {
        let encoding = Encoding::from_label(encoding)?;
        let (file_path, selection) = match split_member(path) {
            Some((archive, selection)) => (archive, Some(selection)),
            None => (path, None),
        };
        let failed = |error| read_error(path, stop, error);
        let suggest = |error: io::Error| match suggested_member(path) {
            Some(member) => {
                let hint = format!("{error}; a member of an archive is written {}", member.display());
                failed(io::Error::new(error.kind(), hint))
            }
            None => failed(error),
        };
        let file = open_file(file_path, stop).map_err(suggest)?;
        let state = FileState::of(&file.metadata().map_err(failed)?);
        let decoder = DecoderOptions::new(threads);
        let (path_of_file, stop_flag) = (file_path.to_owned(), stop.clone());
        let source = Source { path: path_of_file, encoding, state, may_map, decoder, stop: stop_flag };
        let reader = Reader::new(Arc::new(file), stop.clone()).map_err(failed)?;
        let (first, can_read_again) = reader.peek().map_err(failed)?;
        let compression = Compression::detect(&first);
        let disabled = |feature| Err(Kind::FormatDisabled { path: file_path.to_owned(), feature }.into());
        if let Some(feature) = compression.missing_feature() {
            return disabled(feature);
        }
        let format = Format { compression, must_transcode: encoding.must_transcode(&first) };
        let file = reader.file.clone();
        let inspect = || FileContent::inspect(reader, first, can_read_again, (compression, &source.decoder));
        match catch_panic(inspect).map_err(failed)? {
            FileContent::Disabled(feature) => disabled(feature),
            FileContent::Archive(directory, file) => {
                Self::members(source, &directory, file, selection).map_err(failed)
            }
            _ if selection.is_some() => Err(failed(io::Error::other("the file is not an archive"))),
            FileContent::File if !is_stdin(path) => Ok(Self::only(source, Origin::File(format))),
            FileContent::File => {
                let content = source.read(&file, format).map_err(failed)?;
                Ok(Self::opened(source, file, content))
            }
            FileContent::Stream(text) => {
                let text = catch_panic(|| encoding.transcode(text));
                let content = text.and_then(|text| source.spool(text)).map_err(failed)?;
                Ok(Self::opened(source, file, content))
            }
        }
    }

    /// The members of an archive that are selected.
    fn members(
        source: Source,
        directory: &Directory,
        file: Option<Arc<File>>,
        selection: Option<&str>,
    ) -> io::Result<FoundInputs> {
        let (members, skipped) = directory.select(selection)?;
        let source = Arc::new(source);
        let input = |member: archive::Member| Self {
            name: format!("{}//{}", source.path.display(), member.name).into(),
            source: source.clone(),
            origin: Origin::Member {
                archive: directory.archive.clone(),
                index: member.index,
                file: file.clone(),
            },
            kept: None,
        };
        Ok(FoundInputs { inputs: members.into_iter().map(input).collect(), skipped })
    }

    /// A file with one input.
    fn only(source: Source, origin: Origin) -> FoundInputs {
        let name = source.path.to_string_lossy().into();
        let input = Self { name, source: Arc::new(source), origin, kept: None };
        FoundInputs { inputs: vec![input], skipped: Vec::new() }
    }

    /// An input that stays open.
    fn opened(source: Source, file: Arc<File>, content: Content) -> FoundInputs {
        let (name, path) = (source.path.to_string_lossy().into(), source.path.clone());
        let open = OpenInput { name, path, file: Some((file, source.state)), content };
        Self::only(source, Origin::Open(Arc::new(open)))
    }

    /// Returns the bytes of the input. A thread decompresses or transcodes large inputs; it ends when the result is dropped.
    ///
    /// # Errors
    /// As [`Input::find`], and [`Kind::InputChanged`] if the file is not the one that was found, or has changed.
    pub(crate) fn open(&self) -> Result<Arc<OpenInput>> {
        let Source { path, state, stop, .. } = &*self.source;
        let failed = |error| read_error(path, stop, error);
        if stop.load(Ordering::Relaxed) {
            return Err(Kind::Interrupted.into());
        }
        if let Some(kept) = &self.kept {
            return Ok(kept.clone());
        }
        let (file, content) = match &self.origin {
            Origin::Open(open) => return Ok(open.clone()),
            Origin::File(format) => {
                let file = Arc::new(open_file(path, stop).map_err(failed)?);
                // Before it is mapped: a directory or a FIFO may have taken its place.
                if !state.matches(&file).map_err(failed)? {
                    return Err(Kind::InputChanged { path: path.clone() }.into());
                }
                let content = self.source.read(&file, *format).map_err(failed)?;
                (Some(file), content)
            }
            Origin::Member { archive, index, file } => {
                let text = catch_panic(|| archive.open(*index));
                let text = text.and_then(|text| self.source.to_text(text, Compression::None));
                let content = text.and_then(|text| self.source.read_or_spool(text, 0)).map_err(failed)?;
                (file.clone(), content)
            }
        };
        let (name, path) = (self.name.clone(), path.clone());
        let mut open = OpenInput { name, path, file: file.map(|file| (file, *state)), content };
        if matches!(open.content, Content::Read(_)) {
            // Later changes do not matter, so the file can be closed.
            open.check()?;
            open.file = None;
        }
        Ok(Arc::new(open))
    }

    /// Keeps the text of a member of an archive, which has just been opened, if its memory is within `max_bytes`, so that it is not
    /// unpacked again. Returns the size of this memory.
    pub(crate) fn keep(&mut self, open: Arc<OpenInput>, max_bytes: usize) -> usize {
        /// More than an open input takes beside its text and its path.
        const OVERHEAD_BYTES: usize = 200;
        let Content::Read(text) = &open.content else { return 0 };
        let bytes = text.len() + open.path.as_os_str().len() + OVERHEAD_BYTES;
        if bytes > max_bytes || !matches!(self.origin, Origin::Member { .. }) {
            return 0;
        }
        self.kept = Some(open);
        bytes
    }

    /// An input in memory.
    #[cfg(test)]
    pub(crate) fn of_bytes(name: &str, bytes: Vec<u8>) -> Self {
        let state = FileState::of(&std::fs::metadata("/").unwrap());
        let encoding = Encoding::from_label(None).unwrap();
        let (decoder, stop) = (DecoderOptions::new(None), Arc::default());
        let source = Source { path: PathBuf::new(), encoding, state, may_map: true, decoder, stop };
        let origin = Origin::Open(OpenInput::of_bytes(name, bytes));
        Self { name: name.into(), source: Arc::new(source), origin, kept: None }
    }

    /// The name of the input in messages: the path, and for a member of an archive its name after two slashes.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The name of a member of an archive in that archive; `None` for other inputs.
    pub(crate) fn member_name(&self) -> Option<&str> {
        let is_member = matches!(self.origin, Origin::Member { .. });
        let prefix_bytes = self.source.path.to_string_lossy().len() + MEMBER_SEPARATOR.len();
        self.name.get(prefix_bytes..).filter(|_| is_member)
    }

    /// Identifies the file of the input, and the member if it is an archive; `None` for streams.
    pub(crate) fn file_identity(&self) -> Option<(u64, u64, Option<&str>)> {
        let (device, inode) = self.source.state.file_identity()?;
        Some((device, inode, self.member_name()))
    }

    /// The flag that ends all reads when it is set.
    pub(crate) fn stop(&self) -> &Arc<AtomicBool> {
        &self.source.stop
    }

    /// The path of the file that the input comes from.
    pub(crate) fn path(&self) -> &Path {
        &self.source.path
    }

    /// True if bytes of the file that follow the compressed ones have been ignored.
    pub(crate) fn has_trailing_garbage(&self) -> bool {
        self.source.decoder.has_trailing_garbage.load(Ordering::Relaxed)
    }

    /// True if opening the input starts a decoder, so that it should be opened ahead of its turn.
    pub(crate) fn is_decoded(&self) -> bool {
        match &self.origin {
            _ if self.kept.is_some() => false,
            Origin::Open(_) => false,
            Origin::File(format) => !format.is_plain(),
            Origin::Member { .. } => true,
        }
    }

    /// The size of the text in bytes; `None` if it is not known before the text has been read.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match &self.origin {
            Origin::Open(open) => open.bytes(),
            Origin::File(format) if format.is_plain() => Some(self.source.state.bytes),
            Origin::File(_) | Origin::Member { .. } => None,
        }
    }
}

impl FileContent {
    /// Inspects a file that starts with the bytes `first`. They have been consumed unless the file can be read again.
    fn inspect(
        reader: Reader,
        first: Vec<u8>,
        can_read_again: bool,
        (compression, decoder): (Compression, &DecoderOptions),
    ) -> io::Result<Self> {
        let file = reader.file.clone();
        if can_read_again && compression == Compression::None {
            return match archive::detect(&first) {
                Some(format) => Self::archive(file.clone(), format, Some(file)),
                None => Ok(Self::File),
            };
        }
        let packed: ByteStream = match can_read_again {
            true => Box::new(reader),
            false => Box::new(io::Cursor::new(first).chain(reader)),
        };
        let mut text = compression.decompress(packed, decoder)?;
        let first = match read_start(&mut text) {
            // The error shows again when the file is read.
            Err(_) if can_read_again => Vec::new(),
            first => first?,
        };
        match archive::detect(&first) {
            Some(format) if format.missing_feature().is_none() => {
                let mut copy = temporary_file()?;
                io::copy(&mut io::Cursor::new(first).chain(text), &mut copy)?;
                Self::archive(Arc::new(copy), format, None)
            }
            Some(format) => Self::archive(file, format, None),
            None if can_read_again => (&*file).rewind().map(|()| Self::File),
            None => Ok(Self::Stream(Box::new(io::Cursor::new(first).chain(text)))),
        }
    }

    fn archive(
        archive: Arc<File>,
        format: archive::ArchiveFormat,
        file: Option<Arc<File>>,
    ) -> io::Result<Self> {
        match format.missing_feature() {
            Some(feature) => Ok(Self::Disabled(feature)),
            None => Ok(Self::Archive(Directory::read(archive, format)?, file)),
        }
    }
}

impl Source {
    /// Reads, maps or spools a regular file.
    fn read(&self, file: &Arc<File>, format: Format) -> io::Result<Content> {
        let reader = Reader::new(file.clone(), self.stop.clone())?;
        if !format.is_plain() {
            return self.read_or_spool(self.to_text(Box::new(reader), format.compression)?, self.state.bytes);
        }
        if self.state.bytes <= MAX_READ_BYTES {
            return self.read_or_spool(Box::new(reader), self.state.bytes);
        }
        match map(file, self.may_map) {
            Ok(map) => Ok(Content::mapped(map)),
            // Some file systems cannot map files, and there may be too little address space.
            Err(error) => {
                tracing::debug!("{}: cannot map the file, so it is read: {error}", self.path.display());
                Ok(Content::Unmapped(file.clone()))
            }
        }
    }

    /// Decompresses `from` and transcodes it to UTF-8.
    fn to_text(&self, from: ByteStream, compression: Compression) -> io::Result<ByteStream> {
        catch_panic(|| self.encoding.transcode(compression.decompress(from, &self.decoder)?))
    }

    /// Reads a text, which probably has `bytes` bytes or more, into memory if it is small, and spools it otherwise.
    fn read_or_spool(&self, mut text: ByteStream, bytes: u64) -> io::Result<Content> {
        let mut first = Vec::new();
        // The buffer of a file that has not changed never grows.
        first.reserve_exact(bytes.min(MAX_READ_BYTES) as usize + 1);
        catch_panic(|| text.by_ref().take(MAX_READ_BYTES + 1).read_to_end(&mut first))?;
        first.shrink_to_fit();
        match first.len() as u64 <= MAX_READ_BYTES {
            true => Ok(Content::Read(first.into())),
            false => self.spool(Box::new(io::Cursor::new(first).chain(text))),
        }
    }

    fn spool(&self, text: ByteStream) -> io::Result<Content> {
        Ok(Content::Spooled(Spool::start(text, &self.path, self.stop.clone())?.into()))
    }
}

fn map(file: &File, may_map: bool) -> io::Result<GuardedMap> {
    if !may_map {
        return Err(io::Error::other("the plan does not allow it"));
    }
    let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let limit = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
    if bytes as u64 > limit / MAX_MAPPED_PART {
        return Err(io::Error::other("it would take much of the limit on address space"));
    }
    let map = GuardedMap::new(file, bytes, true)?;
    map.advise_sequential()?;
    Ok(map)
}

/// The error for a failed read; after a stop, that is why it failed.
fn read_error(path: &Path, stop: &AtomicBool, source: io::Error) -> Error {
    match stop.load(Ordering::Relaxed) {
        true => Kind::Interrupted.into(),
        false => Error::io("read", path, source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn open(path: &Path) -> Arc<OpenInput> {
        Input::find(path, None, true, None, &Arc::default()).unwrap().inputs.pop().unwrap().open().unwrap()
    }

    fn bytes(input: &OpenInput) -> Bytes {
        input.wait(0, 0).unwrap().0
    }

    #[track_caller]
    fn assert_changed(error: &Error) {
        assert!(matches!(error.kind(), Kind::InputChanged { .. }), "{error}");
    }

    #[test]
    fn truncation_of_a_mapped_file_is_an_error_not_a_signal() {
        let file = file_of(&[b'a'; 200_000]);
        let other = file_of(&[b'b'; 200_000]);
        let (input, other) = (open(file.path()), open(other.path()));
        file.as_file().set_len(5_000).unwrap();
        assert_eq!(bytes(&input)[4_000], b'a');
        assert_eq!(bytes(&input)[199_999], 0, "there are zeros behind the end");
        assert_changed(&input.check().unwrap_err());
        assert!(bytes(&other).iter().all(|&byte| byte == b'b'));
        other.check().unwrap();
    }

    #[test]
    fn a_mapped_page_that_cannot_be_read_is_a_read_error() {
        let file = file_of(&[b'a'; 4_096]);
        let state = FileState::of(&file.as_file().metadata().unwrap());
        // Pages behind the end of the file fault like pages that the device cannot read.
        let content = Content::mapped(GuardedMap::new(file.as_file(), 8_192, true).unwrap());
        let file = Some((Arc::new(file.reopen().unwrap()), state));
        let input = OpenInput { name: "in".into(), path: "in".into(), file, content };
        input.check().unwrap();
        assert_eq!(bytes(&input)[5_000], 0);
        let error = input.check().unwrap_err();
        assert!(matches!(error.kind(), Kind::Io { action: "read", .. }), "{error}");
    }

    #[test]
    fn an_input_that_changes_while_it_is_read_is_an_error() {
        let mut file = file_of(&[b'a'; 200_000]);
        let input = open(file.path());
        input.check().unwrap();
        file.write_all(b"1,2\n").unwrap();
        assert_changed(&input.check().unwrap_err());
    }

    #[test]
    fn an_overwritten_input_is_noticed_although_size_and_time_are_restored() {
        for size in [100, 200_000] {
            let file = file_of(&vec![b'a'; size]);
            let input =
                Input::find(file.path(), None, true, None, &Arc::default()).unwrap().inputs.pop().unwrap();
            let open = input.open().unwrap();
            let modified = file.as_file().metadata().unwrap().modified().unwrap();
            // The clock of the file system may have a resolution of several milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(30));
            std::fs::write(file.path(), vec![b'b'; size]).unwrap();
            file.as_file().set_modified(modified).unwrap();
            assert_changed(&input.open().unwrap_err());
            match size {
                100 => assert_eq!(bytes(&open), [b'a'; 100][..], "a small file is read at once"),
                _ => assert_changed(&open.check().unwrap_err()),
            }
        }
    }
}
