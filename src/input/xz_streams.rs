//! The .xz format (<https://tukaani.org/xz/xz-file-format.txt>).
//!
//! A file is a sequence of streams of blocks, with zeros between streams. Blocks that tell their sizes, as `xz -T` and pixz write
//! them, are decompressed on several threads as long as there is memory for it, and others while they are read. liblzma does this
//! for one stream; the next one is up to the caller.

use super::compression::{ByteStream, MAX_DECODER_BYTES};
use liblzma::bufread::XzDecoder;
use liblzma::stream::{Error, MtStreamBuilder, Stream};
use std::io::{self, BufRead, BufReader, Read};

/// More threads do not find work within the memory that they may take.
const MAX_THREADS: usize = 64;

/// Decompresses a file on several threads.
pub(super) struct XzStreams {
    /// The file; `None` inside `stream`.
    from: Option<BufReader<ByteStream>>,
    /// The stream that is decompressed.
    stream: Option<XzDecoder<BufReader<ByteStream>>>,
    is_first: bool,
    threads: usize,
}

impl XzStreams {
    /// Decompresses `from` on this many threads.
    ///
    /// # Errors
    /// If the decoder cannot allocate its memory.
    pub(super) fn new(from: ByteStream, threads: usize) -> io::Result<Self> {
        let stream = Some(XzDecoder::new_stream(BufReader::new(from), decoder(threads)?));
        Ok(Self { from: None, stream, is_first: true, threads })
    }

    /// Starts the next stream. Returns false at the end of the file.
    fn start_stream(&mut self) -> io::Result<bool> {
        let Some(mut from) = self.from.take() else { return Ok(false) };
        let is_end = skip_padding(&mut from)?;
        self.is_first = false;
        if !is_end {
            self.stream = Some(XzDecoder::new_stream(from, decoder(self.threads)?));
        }
        Ok(!is_end)
    }

    /// liblzma says of what follows a stream that it is corrupt, not that it is of another format.
    fn later_error(&self, error: io::Error) -> io::Error {
        let source = error.get_ref().and_then(|source| source.downcast_ref::<Error>());
        match source {
            Some(Error::Format) if !self.is_first => Error::Data.into(),
            _ => error,
        }
    }
}

impl Read for XzStreams {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(stream) = &mut self.stream {
                let bytes = stream.read(to).map_err(|error| self.later_error(error))?;
                if bytes > 0 || to.is_empty() {
                    return Ok(bytes);
                }
            }
            if let Some(stream) = self.stream.take() {
                self.from = Some(stream.into_inner());
            }
            if !self.start_stream()? {
                return Ok(0);
            }
        }
    }
}

/// A decoder for one stream.
fn decoder(threads: usize) -> Result<Stream, Error> {
    MtStreamBuilder::new()
        .threads(threads.min(MAX_THREADS) as u32)
        .memlimit_threading(MAX_DECODER_BYTES)
        // A single block may need more. It is then decompressed without threads, as in a file of one block.
        .memlimit_stop(u64::MAX)
        .decoder()
}

/// Skips zeros, and returns true at the end of the file.
///
/// # Errors
/// If their number is not a multiple of four.
fn skip_padding(from: &mut impl BufRead) -> io::Result<bool> {
    let mut padding_bytes = 0;
    loop {
        let next = from.fill_buf()?;
        let zeros = next.iter().take_while(|byte| **byte == 0).count();
        let (is_end, is_padding) = (next.is_empty(), zeros == next.len());
        from.consume(zeros);
        padding_bytes += zeros;
        if is_end || !is_padding {
            return if padding_bytes % 4 == 0 { Ok(is_end) } else { Err(Error::Data.into()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use liblzma::bufread::XzEncoder;
    use liblzma::stream::Check;
    use std::io::Cursor;

    /// A stream with blocks of this size, which they tell.
    fn stream_of_blocks(content: &[u8], block_bytes: u64) -> Vec<u8> {
        let mut builder = MtStreamBuilder::new();
        builder.preset(0).check(Check::Crc64).threads(2).block_size(block_bytes);
        let mut stream = Vec::new();
        XzEncoder::new_stream(content, builder.encoder().unwrap()).read_to_end(&mut stream).unwrap();
        stream
    }

    /// A stream with one block.
    fn stream(content: &[u8]) -> Vec<u8> {
        let mut stream = Vec::new();
        XzEncoder::new(content, 0).read_to_end(&mut stream).unwrap();
        stream
    }

    fn numbers(count: u32) -> Vec<u8> {
        (0..count).flat_map(|number| number.wrapping_mul(number).to_string().into_bytes()).collect()
    }

    fn read(mut from: impl Read) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        let end = from.read_to_end(&mut content);
        end.map(|_| content).map_err(|error| format!("{:?} {error}", error.kind()))
    }

    /// Compares with the decoder for one thread.
    #[track_caller]
    fn assert_same_as_one_thread(file: &[u8]) -> Result<Vec<u8>, String> {
        let expected = read(XzDecoder::new_multi_decoder(file));
        for threads in [2, 5] {
            let found = read(XzStreams::new(Box::new(Cursor::new(file.to_vec())), threads).unwrap());
            assert!(found == expected, "{:?} {:?}", found.err(), expected.err());
        }
        expected
    }

    #[test]
    fn streams_and_blocks_are_read_in_order() {
        let content = numbers(300_000);
        let (front, back) = content.split_at(content.len() / 3);
        for padding in [&[][..], &[0; 4], &[0; 20_000]] {
            let parts = [&stream_of_blocks(front, 100_000), padding, &stream(b"+"), padding];
            let file = [&parts.concat(), &stream_of_blocks(back, 1 << 20)[..], padding].concat();
            let found = assert_same_as_one_thread(&file).unwrap();
            assert!(found == [front, b"+", back].concat());
        }
        assert_eq!(assert_same_as_one_thread(&stream(b"")).unwrap(), b"");
    }

    #[test]
    fn every_truncation_ends_as_on_one_thread() {
        let file =
            [stream_of_blocks(&numbers(100), 200), vec![0; 8], stream(b"a,b\n1,2\n"), vec![0; 8]].concat();
        for end in 1..=file.len() {
            let _ = assert_same_as_one_thread(&file[..end]);
        }
    }

    #[test]
    fn garbage_and_corruption_end_as_on_one_thread() {
        let file = [stream_of_blocks(&numbers(100), 200), stream(b"a,b\n1,2\n")].concat();
        for garbage in
            [&b"\0"[..], b"garbage", b"other garbage", b"\0\0\0\0other garbage", b"\0\0other garbage"]
        {
            assert_same_as_one_thread(&[&file, garbage].concat()).unwrap_err();
        }
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 0x5a;
            let _ = assert_same_as_one_thread(&bad);
        }
    }
}
