//! Decompression. The first bytes of a file tell its compression, not its name.

#[cfg(feature = "gzip")]
use super::gzip::Gunzip;
#[cfg(feature = "xz")]
use super::xz_streams::XzStreams;
#[cfg(feature = "zstd")]
use super::zstd_frames::ZstdFrames;
use rustix::process::{Resource, getrlimit};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;

/// The number of bytes that identify every format and every byte order mark that this module's siblings recognize.
pub(super) const MAGIC_BYTES: usize = 6;

/// The most memory that a decoder takes to use several threads, about.
pub(super) const MAX_DECODER_BYTES: u64 = 256 << 20;

/// Under a limit on address space, decoders take at most one of this many parts of it.
const MAX_DECODER_PART: u64 = 4;

/// A source of bytes that can be moved to another thread.
pub(super) type ByteStream = Box<dyn Read + Send>;

/// How files are decompressed, and what decoders have found.
#[derive(Debug, Clone)]
pub(super) struct DecoderOptions {
    /// The threads that decompress a file whose format allows it.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd", feature = "xz")),
        expect(dead_code, reason = "these formats use threads")
    )]
    pub(super) threads: usize,
    /// Whether other bytes follow the compressed ones. They are ignored.
    pub(super) has_trailing_garbage: Arc<AtomicBool>,
}

impl DecoderOptions {
    /// Decompresses on this many threads, or on one for each core; on one only if there is little address space.
    pub(super) fn new(threads: Option<NonZeroUsize>) -> Self {
        let limit = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
        let may_use_threads = limit / MAX_DECODER_PART >= MAX_DECODER_BYTES;
        let threads = threads.or_else(|| available_parallelism().ok()).filter(|_| may_use_threads);
        Self { threads: threads.map_or(1, usize::from), has_trailing_garbage: Arc::default() }
    }
}

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    Bzip2,
    Xz,
}

impl Compression {
    /// Detects the compression of a file that starts with these bytes.
    pub(super) fn detect(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, with which files of pzstd begin.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }

    /// Decompresses a stream, which may have several concatenated members.
    ///
    /// # Errors
    /// If the decoder cannot allocate its memory.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd", feature = "xz")),
        expect(unused_variables, reason = "these formats have options")
    )]
    pub(super) fn decompress(self, from: ByteStream, options: &DecoderOptions) -> io::Result<ByteStream> {
        if self == Self::None {
            return Ok(from);
        }
        let decompressed: ByteStream = match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => Box::new(Gunzip::new(from, options.threads, options.has_trailing_garbage.clone())),
            #[cfg(feature = "zstd")]
            Self::Zstd if options.threads > 1 => Box::new(ZstdFrames::new(from, options.threads)?),
            #[cfg(feature = "zstd")]
            Self::Zstd => Box::new(zstd::Decoder::new(from)?),
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(from)),
            #[cfg(feature = "xz")]
            Self::Xz if options.threads > 1 => Box::new(XzStreams::new(from, options.threads)?),
            #[cfg(feature = "xz")]
            Self::Xz => Box::new(liblzma::read::XzDecoder::new_multi_decoder(from)),
            // A format without its feature, which `missing_feature` reports.
            _ => from,
        };
        Ok(Box::new(Decompressed(decompressed)))
    }

    /// The Cargo feature without which this build cannot decompress the format, if it is disabled.
    pub(super) fn missing_feature(self) -> Option<&'static str> {
        let (feature, is_enabled) = match self {
            Self::None => return None,
            Self::Gzip => ("gzip", cfg!(feature = "gzip")),
            Self::Zstd => ("zstd", cfg!(feature = "zstd")),
            Self::Bzip2 => ("bzip2", cfg!(feature = "bzip2")),
            Self::Xz => ("xz", cfg!(feature = "xz")),
        };
        (!is_enabled).then_some(feature)
    }
}

/// A decompressed stream. Its errors say what the decoder's words mean.
struct Decompressed(ByteStream);

impl Read for Decompressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.raw_os_error() {
            Some(_) => error,
            None => {
                io::Error::new(error.kind(), format!("the compressed data is damaged or incomplete: {error}"))
            }
        })
    }
}
