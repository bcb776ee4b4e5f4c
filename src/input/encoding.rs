//! Character encodings: transcodes text to UTF-8.

mod names;

use super::compression::{ByteStream, MAGIC_BYTES};
use crate::error::{PlanError, Result};
use encoding_rs::{DecoderResult, UTF_8, UTF_16BE, UTF_16LE};
use oem_cp::code_table_type::TableType;
use std::io::{self, Cursor, Read};

/// The encoding of an input's text, if the user has named one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding(Option<Charset>);

/// An encoding other than UTF-8, or UTF-8.
#[derive(Debug, Clone, Copy)]
enum Charset {
    /// An encoding of the Encoding Standard.
    Standard(&'static encoding_rs::Encoding),
    /// A code page of DOS.
    CodePage(&'static TableType),
}

impl Encoding {
    /// The encoding with this label. Without a label, a byte order mark decides.
    ///
    /// # Errors
    /// [`PlanError::UnknownEncoding`].
    pub(super) fn from_label(label: Option<&str>) -> Result<Self> {
        let unknown = |label: &str| PlanError::UnknownEncoding { name: label.to_owned() };
        let find = |label: &str| names::find(label).ok_or_else(|| unknown(label));
        Ok(Self(label.map(find).transpose()?))
    }

    /// The encoding of a text that starts with these bytes, if it is not UTF-8.
    fn detect_other_than_utf8(self, first: &[u8]) -> Option<Charset> {
        let is_utf_16 = |encoding| [UTF_16LE, UTF_16BE].contains(&encoding);
        match (self.0, first) {
            // UTF-32, which is recognized, and refused, as it is.
            (_, [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..]) => None,
            // A byte order mark overrides a label (<https://encoding.spec.whatwg.org/#decode>).
            (_, [0xef, 0xbb, 0xbf, ..]) => None,
            (Some(Charset::Standard(encoding)), [0xff, 0xfe, ..]) if is_utf_16(encoding) => {
                Some(Charset::Standard(UTF_16LE))
            }
            (Some(Charset::Standard(encoding)), [0xfe, 0xff, ..]) if is_utf_16(encoding) => {
                Some(Charset::Standard(UTF_16BE))
            }
            (Some(Charset::Standard(encoding)), _) if encoding == UTF_8 => None,
            (Some(charset), _) => Some(charset),
            (None, [0xff, 0xfe, ..]) => Some(Charset::Standard(UTF_16LE)),
            (None, [0xfe, 0xff, ..]) => Some(Charset::Standard(UTF_16BE)),
            (None, _) => None,
        }
    }

    /// True if a text that starts with these bytes must be transcoded.
    pub(super) fn must_transcode(self, first: &[u8]) -> bool {
        self.detect_other_than_utf8(first).is_some()
    }

    /// Transcodes a text to UTF-8.
    ///
    /// # Errors
    /// If the beginning of the text cannot be read.
    pub(super) fn transcode(self, mut from: ByteStream) -> io::Result<ByteStream> {
        let mut first = Vec::with_capacity(MAGIC_BYTES);
        from.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut first)?;
        let encoding = self.detect_other_than_utf8(&first);
        let from = Cursor::new(first).chain(from);
        Ok(match encoding {
            Some(Charset::Standard(encoding)) => Box::new(Transcoder::new(from, encoding)),
            Some(Charset::CodePage(page)) => Box::new(CodePageReader { from, page, utf8: Cursor::default() }),
            None => Box::new(from),
        })
    }
}

/// A byte that never occurs in UTF-8. It replaces malformed sequences, so that the parser finds, and reports or replaces,
/// them like any invalid UTF-8.
const INVALID: u8 = 0xff;

/// Reads a text in another encoding as UTF-8.
struct Transcoder<R> {
    from: R,
    decoder: encoding_rs::Decoder,
    /// Bytes of the text, and how many of them have been decoded.
    encoded: Vec<u8>,
    decoded_bytes: usize,
    /// True if `encoded` ends the text.
    is_last: bool,
    /// UTF-8, and how much of it has been read.
    utf8: Vec<u8>,
    read_bytes: usize,
    is_done: bool,
}

impl<R: Read> Transcoder<R> {
    const BLOCK_BYTES: usize = 64 << 10;

    fn new(from: R, encoding: &'static encoding_rs::Encoding) -> Self {
        Self {
            from,
            decoder: encoding.new_decoder_with_bom_removal(),
            encoded: Vec::new(),
            decoded_bytes: 0,
            is_last: false,
            utf8: Vec::new(),
            read_bytes: 0,
            is_done: false,
        }
    }

    /// Replaces `encoded`, which has been decoded, by the next block.
    fn read_block(&mut self) -> io::Result<()> {
        self.encoded.resize(Self::BLOCK_BYTES, 0);
        let bytes = self.from.read(&mut self.encoded)?;
        self.encoded.truncate(bytes);
        self.decoded_bytes = 0;
        self.is_last = bytes == 0;
        Ok(())
    }

    /// Replaces `utf8`, which has been read, by the next part of the text; by nothing at the end.
    fn decode_block(&mut self) -> io::Result<()> {
        self.read_bytes = 0;
        self.utf8.clear();
        while !self.is_done && self.utf8.is_empty() {
            if self.decoded_bytes == self.encoded.len() && !self.is_last {
                self.read_block()?;
            }
            self.utf8.resize(Self::BLOCK_BYTES + 1, 0);
            // One byte is reserved for a malformed sequence.
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
                &self.encoded[self.decoded_bytes..],
                &mut self.utf8[..Self::BLOCK_BYTES],
                self.is_last,
            );
            self.decoded_bytes += read;
            self.utf8.truncate(written);
            if let DecoderResult::Malformed(..) = result {
                self.utf8.push(INVALID);
            }
            self.is_done = self.is_last && result == DecoderResult::InputEmpty;
        }
        Ok(())
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.read_bytes == self.utf8.len() {
            self.decode_block()?;
        }
        let rest = &self.utf8[self.read_bytes..];
        let bytes = rest.len().min(to.len());
        to[..bytes].copy_from_slice(&rest[..bytes]);
        self.read_bytes += bytes;
        Ok(bytes)
    }
}

/// Reads a text in a code page as UTF-8.
struct CodePageReader<R> {
    from: R,
    page: &'static TableType,
    /// The part of the text that was read last, as UTF-8.
    utf8: Cursor<Vec<u8>>,
}

impl<R: Read> Read for CodePageReader<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.utf8.position() == self.utf8.get_ref().len() as u64 {
            let mut encoded = [0; 16 << 10];
            let bytes = self.from.read(&mut encoded)?;
            self.utf8.set_position(0);
            let utf8 = self.utf8.get_mut();
            utf8.clear();
            for byte in &encoded[..bytes] {
                match self.page.decode_char_checked(*byte) {
                    Some(char) => utf8.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                    None => utf8.push(INVALID),
                }
            }
        }
        self.utf8.read(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_page_is_transcoded_byte_by_byte() {
        let text = "\u{e9}\u{2502}x".repeat(20_000);
        let encoded = [0x82, 0xb3, b'x'].repeat(20_000);
        let encoding = Encoding::from_label(Some("IBM437")).unwrap();
        let mut utf8 = Vec::new();
        encoding.transcode(Box::new(Cursor::new(encoded))).unwrap().read_to_end(&mut utf8).unwrap();
        assert!(utf8 == text.as_bytes());
        // This code page does not define the byte.
        let encoding = Encoding::from_label(Some("cp857")).unwrap();
        let mut utf8 = Vec::new();
        encoding.transcode(Box::new(Cursor::new(b"a\xe7b"))).unwrap().read_to_end(&mut utf8).unwrap();
        assert_eq!(utf8, [b'a', INVALID, b'b']);
    }

    #[test]
    fn a_byte_order_mark_decides_between_the_orders_of_utf_16() {
        for (label, bytes) in
            [("utf-16", b"\xfe\xff\0a"), ("utf-16le", b"\xfe\xff\0a"), ("UTF16", b"\xff\xfea\0")]
        {
            let encoding = Encoding::from_label(Some(label)).unwrap();
            let mut utf8 = Vec::new();
            encoding.transcode(Box::new(Cursor::new(bytes))).unwrap().read_to_end(&mut utf8).unwrap();
            assert_eq!(utf8, b"a", "{label}");
        }
    }

    #[test]
    fn buffers_of_any_size_get_the_same_text() {
        let text = "a,€\n1,𝄞\n".repeat(20_000);
        let mut encoded: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        // A lone surrogate.
        encoded.extend(0xd800_u16.to_le_bytes());
        let expected = [text.as_bytes(), &[INVALID]].concat();
        for buffer_bytes in [1, 2, 3, 4, 7, 100_000] {
            let encoding = Encoding::from_label(Some("utf-16le")).unwrap();
            let mut from = encoding.transcode(Box::new(Cursor::new(encoded.clone()))).unwrap();
            let (mut utf8, mut buffer) = (Vec::new(), vec![0; buffer_bytes]);
            loop {
                match from.read(&mut buffer).unwrap() {
                    0 => break,
                    bytes => utf8.extend_from_slice(&buffer[..bytes]),
                }
            }
            assert!(utf8 == expected, "buffer of {buffer_bytes} bytes");
        }
    }
}
