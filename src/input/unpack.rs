//! What is packed, unpacked; what is in another encoding, in UTF-8. What it is, its first bytes tell.

use crate::error::{PlanError, Result};
use encoding_rs::{DecoderResult, UTF_8, UTF_16BE, UTF_16LE};
use self_cell::{MutBorrow, self_cell};
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use zip::ZipArchive;
use zip::read::ZipFile;

/// The most bytes by which anything that is seen to here is known.
pub(super) const MAGIC_BYTES: usize = 6;

/// Where bytes come from, for another thread.
pub(super) type Bytes = Box<dyn Read + Send>;

/// How an input is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    Bzip2,
    Xz,
    /// APPNOTE.TXT 4.3.7; 4.3.16 if it is empty.
    Zip,
}

impl Packing {
    /// How a file is packed that begins like this.
    pub(super) fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            _ => Self::Plain,
        }
    }

    /// What is packed in `from`. A zip archive is not unpacked like this.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(super) fn unpack(self, from: Bytes) -> io::Result<Bytes> {
        Ok(match self {
            Self::Plain | Self::Zip => from,
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(from)),
            Self::Zstd => Box::new(zstd::Decoder::new(from)?),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(from)),
            Self::Xz => Box::new(liblzma::read::XzDecoder::new_multi_decoder(from)),
        })
    }
}

/// A file without a name.
///
/// # Errors
/// If it can not be made, with the directory.
pub(super) fn nameless_file() -> io::Result<File> {
    tempfile::tempfile().map_err(|error| {
        let directory = std::env::temp_dir();
        io::Error::new(
            error.kind(),
            format!("no file can be made in {} (TMPDIR): {error}", directory.display()),
        )
    })
}

/// Reads `from` to its end into a file without a name.
///
/// # Errors
/// If it can not be read or written.
pub(super) fn to_file(mut from: impl Read) -> io::Result<File> {
    let mut file = nameless_file()?;
    io::copy(&mut from, &mut file)?;
    Ok(file)
}

/// A zip archive. Its directory is read once, and shared by the clones.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    file: Arc<File>,
    zip: ZipArchive<Positioned>,
}

impl Archive {
    /// Reads the directory of an archive. Returns the number and the name of each file in it, without those that macOS adds.
    ///
    /// # Errors
    /// If it cannot be read, or has no files.
    pub(super) fn open(file: Arc<File>) -> io::Result<(Self, Vec<(usize, String)>)> {
        let mut zip = ZipArchive::new(Positioned { file: file.clone(), at: 0 })?;
        if entries(&file)?.is_some_and(|entries| entries != zip.len()) {
            return Err(io::Error::other("two files in the archive have the same name"));
        }
        let mut members = Vec::new();
        for number in 0..zip.len() {
            let member = zip.by_index_raw(number)?;
            let name = member.name()?.into_owned();
            if member.is_file() && !name.starts_with("__MACOSX/") {
                members.push((number, name));
            }
        }
        if members.is_empty() {
            return Err(io::Error::other("there is no file in the archive"));
        }
        Ok((Self { file, zip }, members))
    }

    /// The archive itself.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The content of file `number`.
    ///
    /// # Errors
    /// If it cannot be read, or is encrypted.
    pub(super) fn member(&self, number: usize) -> io::Result<Bytes> {
        let zip = MutBorrow::new(self.zip.clone());
        Ok(Box::new(Member::try_new(zip, |zip| zip.borrow_mut().by_index(number))?))
    }
}

/// The number of files in a zip archive as its end says (APPNOTE.TXT 4.3.16); nothing if that is in a larger record (4.3.14).
/// Of two files with the same name `ZipArchive` knows but the last.
fn entries(archive: &File) -> io::Result<Option<usize>> {
    const SIGNATURE: &[u8] = b"PK\x05\x06";
    const RECORD_BYTES: u64 = 22;
    let length = archive.metadata()?.len();
    let mut end = vec![0; length.min(RECORD_BYTES + u64::from(u16::MAX)) as usize];
    let start = length - end.len() as u64;
    archive.read_exact_at(&mut end, start)?;
    let record = end.windows(SIGNATURE.len()).rposition(|bytes| bytes == SIGNATURE).map(|at| &end[at..]);
    let entries = record.and_then(|record| Some(u16::from_le_bytes(record.get(10..12)?.try_into().ok()?)));
    Ok(entries.filter(|entries| *entries != u16::MAX).map(usize::from))
}

self_cell!(
    /// A file of a zip archive with the archive.
    struct Member {
        owner: MutBorrow<ZipArchive<Positioned>>,
        #[not_covariant]
        dependent: OpenMember,
    }
);

type OpenMember<'z> = ZipFile<'z, Positioned>;

impl Read for Member {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.with_dependent_mut(|_, member| member.read(to))
    }
}

/// A file that is read from a place of one's own.
#[derive(Debug, Clone)]
struct Positioned {
    file: Arc<File>,
    at: u64,
}

impl Read for Positioned {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read_at(to, self.at)?;
        self.at += bytes as u64;
        Ok(bytes)
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// The encoding of an input's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding(Option<&'static encoding_rs::Encoding>);

impl Encoding {
    /// The one of this name, or the one that a byte order mark says.
    ///
    /// # Errors
    /// [`PlanError::UnknownEncoding`].
    pub(super) fn named(name: Option<&str>) -> Result<Self> {
        let unknown = |name: &str| PlanError::UnknownEncoding { name: name.to_owned() };
        let find = |name: &str| {
            encoding_rs::Encoding::for_label_no_replacement(name.as_bytes()).ok_or_else(|| unknown(name))
        };
        Ok(Self(name.map(find).transpose()?))
    }

    /// The encoding of text that begins like this, if it is another than UTF-8.
    fn other_than_utf8(self, first: &[u8]) -> Option<&'static encoding_rs::Encoding> {
        match (self.0, first) {
            // Its mark says more than a name (<https://encoding.spec.whatwg.org/#decode>).
            (_, [0xef, 0xbb, 0xbf, ..]) => None,
            (Some(encoding), _) => Some(encoding).filter(|encoding| *encoding != UTF_8),
            (None, [0xff, 0xfe, ..]) => Some(UTF_16LE),
            (None, [0xfe, 0xff, ..]) => Some(UTF_16BE),
            (None, _) => None,
        }
    }

    /// Whether text that begins like this is other bytes in UTF-8.
    pub(super) fn changes(self, first: &[u8]) -> bool {
        self.other_than_utf8(first).is_some()
    }

    /// The text that `from` is, in UTF-8.
    ///
    /// # Errors
    /// If its beginning can not be read.
    pub(super) fn decode(self, mut from: Bytes) -> io::Result<Bytes> {
        let mut first = Vec::with_capacity(MAGIC_BYTES);
        from.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut first)?;
        let encoding = self.other_than_utf8(&first);
        let from = Cursor::new(first).chain(from);
        Ok(match encoding {
            Some(encoding) => Box::new(Decoded::new(from, encoding)),
            None => Box::new(from),
        })
    }
}

/// A byte that no UTF-8 has, for what is no text in an encoding: who reads the records says where, or mends it.
const INVALID: u8 = 0xff;

/// Text in another encoding, read as UTF-8.
struct Decoded<R> {
    from: R,
    decoder: encoding_rs::Decoder,
    /// What was read and is still to be decoded.
    block: Vec<u8>,
    decoded: usize,
    /// Whether nothing is left to be read, and to be decoded.
    is_last: bool,
    is_done: bool,
}

impl<R: Read> Decoded<R> {
    fn new(from: R, encoding: &'static encoding_rs::Encoding) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        Self { from, decoder, block: Vec::new(), decoded: 0, is_last: false, is_done: false }
    }

    fn read_block(&mut self) -> io::Result<()> {
        const BLOCK_BYTES: usize = 64 << 10;
        self.block.resize(BLOCK_BYTES, 0);
        let bytes = self.from.read(&mut self.block)?;
        self.block.truncate(bytes);
        self.decoded = 0;
        self.is_last = bytes == 0;
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while !self.is_done {
            if self.decoded == self.block.len() && !self.is_last {
                self.read_block()?;
            }
            let rest = &self.block[self.decoded..];
            // A place is left for what is no text.
            let room = to.len().saturating_sub(1);
            let (result, read, mut written) =
                self.decoder.decode_to_utf8_without_replacement(rest, &mut to[..room], self.is_last);
            self.decoded += read;
            if let DecoderResult::Malformed(..) = result {
                to[written] = INVALID;
                written += 1;
            }
            self.is_done = self.is_last && result == DecoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}
