//! Inputs that can not be mapped as they are: pipes, compressed files, UTF-16. They are written as text to a temporary
//! file without a name, which then is.

use encoding_rs::{DecoderResult, Encoding, UTF_16BE, UTF_16LE};
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The most bytes by which anything that is seen to here is known.
pub(super) const MAGIC_BYTES: usize = 6;

const BLOCK_BYTES: usize = 1 << 20;

/// How an input is packed, which its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    Bzip2,
    Xz,
}

impl Packing {
    fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }
}

/// The encoding that a byte order mark says, unless it is UTF-8.
fn utf16(first: &[u8]) -> Option<&'static Encoding> {
    match first {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// Whether a file that begins like this can be mapped as it is.
pub(super) fn is_plain(first: &[u8]) -> bool {
    Packing::of(first) == Packing::Plain && utf16(first).is_none()
}

/// Reads `from` to its end, unpacks it, and returns a file with its text in UTF-8; nothing soon after `stop` is set.
///
/// # Errors
/// If it can not be read, unpacked or decoded, or if there is no room for the file.
pub(super) fn spool(from: impl Read, stop: &AtomicBool) -> io::Result<Option<File>> {
    let (first, packed) = peek(from)?;
    let unpacked: Box<dyn Read + '_> = match Packing::of(&first) {
        Packing::Plain => Box::new(packed),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Packing::Zstd => Box::new(zstd::Decoder::new(packed)?),
        Packing::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(packed)),
        Packing::Xz => Box::new(liblzma::read::XzDecoder::new_multi_decoder(packed)),
    };
    let (first, mut text) = peek(unpacked)?;
    let mut file = tempfile::tempfile()?;
    let mut decoding = utf16(&first).map(Decoding::new);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let bytes = match text.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match &mut decoding {
            Some(decoding) => decoding.write(&block[..bytes], bytes == 0, &mut file)?,
            None => file.write_all(&block[..bytes])?,
        }
        if bytes == 0 {
            return Ok(Some(file));
        }
    }
}

/// The first bytes, and all of them.
fn peek(mut from: impl Read) -> io::Result<(Vec<u8>, impl Read)> {
    let mut first = Vec::with_capacity(MAGIC_BYTES);
    from.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut first)?;
    Ok((first.clone(), Cursor::new(first).chain(from)))
}

/// Text in another encoding on its way to UTF-8.
struct Decoding {
    decoder: encoding_rs::Decoder,
    utf8: Vec<u8>,
    /// Bytes that were read before.
    offset: u64,
}

impl Decoding {
    fn new(encoding: &'static Encoding) -> Self {
        // A byte of UTF-16 is at most one and a half of UTF-8.
        Self { decoder: encoding.new_decoder_with_bom_removal(), utf8: vec![0; 2 * BLOCK_BYTES], offset: 0 }
    }

    /// Writes the next bytes, the last ones if it `is_last`.
    fn write(&mut self, mut bytes: &[u8], is_last: bool, to: &mut impl Write) -> io::Result<()> {
        loop {
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.utf8, is_last);
            self.offset += read as u64;
            to.write_all(&self.utf8[..written])?;
            bytes = &bytes[read..];
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let name = self.decoder.encoding().name();
                    let message = format!("it is no valid {name} before byte {}", self.offset);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
    }
}
