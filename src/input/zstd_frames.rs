//! Zstandard (RFC 8878).
//!
//! A file is a sequence of frames, which are independent. `zstd` writes a file as one frame; pzstd, the seekable format and
//! concatenation give files of several. Frames that are small enough to be kept in memory are decompressed on several threads;
//! the first frame, which is often the only one, and large frames are decompressed while they are read.

use super::block_decoder::{BlockDecoder, Decoded};
use super::compression::ByteStream;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use zstd::Decoder;
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_srcSize_wrong;
use zstd::zstd_safe::{DCtx, find_frame_compressed_size, is_error_kind};

/// The most bytes of a frame that are kept in memory, compressed and decompressed. By default pzstd writes frames of 8 MiB.
const MAX_FRAME_BYTES: usize = 8 << 20;

/// The most blocks of frames in memory.
const MAX_PENDING_BLOCKS: usize = 8;

/// Small frames are decompressed together until a block has this many bytes.
const MIN_BLOCK_BYTES: usize = 64 << 10;

/// A file, after bytes of it that have been looked at.
type Rest = Chain<Cursor<Vec<u8>>, BufReader<ByteStream>>;

/// Decompresses a file on several threads.
pub(super) struct ZstdFrames {
    /// The file; `None` inside `frame`.
    from: Option<BufReader<ByteStream>>,
    /// The frame that is decompressed here.
    frame: Option<Decoder<'static, Rest>>,
    /// The next bytes, if they have been read.
    head: Vec<u8>,
    blocks: BlockDecoder,
    /// The decompressed block that is being read.
    block: ByteStream,
}

impl ZstdFrames {
    /// Decompresses `from` on this many threads.
    ///
    /// # Errors
    /// If the decoder cannot allocate its memory.
    pub(super) fn new(from: ByteStream, threads: usize) -> io::Result<Self> {
        let from = BufReader::with_capacity(DCtx::in_size(), from);
        let frame = Decoder::with_buffer(Cursor::default().chain(from))?.single_frame();
        let blocks = BlockDecoder::new(decode_block, threads, MAX_PENDING_BLOCKS.min(2 * threads));
        Ok(Self { from: None, frame: Some(frame), head: Vec::new(), blocks, block: Box::new(io::empty()) })
    }

    /// Reads the next frames as long as they fit into blocks, and has them decompressed.
    fn read_blocks(&mut self) -> io::Result<()> {
        while !self.blocks.is_full() {
            let Some(block) = self.read_block()? else { break };
            self.blocks.push(block)?;
        }
        Ok(())
    }

    /// Reads the next frames. `None` if what follows is not a whole frame, or too large a one, or the end.
    fn read_block(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(from) = &mut self.from else { return Ok(None) };
        let mut bytes = 0;
        while bytes < MIN_BLOCK_BYTES {
            match find_frame_compressed_size(&self.head[bytes..]) {
                Ok(frame_bytes) => bytes += frame_bytes,
                Err(code) if !is_error_kind(code, ZSTD_error_srcSize_wrong) => break,
                Err(_) if self.head.len() - bytes >= MAX_FRAME_BYTES => break,
                Err(_) => {
                    // Each look starts at the beginning of the frame, so the steps grow with it.
                    let step = (self.head.len() - bytes).max(DCtx::in_size());
                    if from.take(step as u64).read_to_end(&mut self.head)? == 0 {
                        break;
                    }
                }
            }
        }
        if bytes == 0 {
            return Ok(None);
        }
        let rest = self.head.split_off(bytes);
        Ok(Some(std::mem::replace(&mut self.head, rest)))
    }

    /// Starts to decompress the next frame on this thread. Returns false at the end of the file.
    fn start_frame(&mut self) -> io::Result<bool> {
        let Some(from) = self.from.take() else { return Ok(false) };
        let mut rest = Cursor::new(std::mem::take(&mut self.head)).chain(from);
        if rest.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.frame = Some(Decoder::with_buffer(rest)?.single_frame());
        Ok(true)
    }
}

impl Read for ZstdFrames {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let bytes = match &mut self.frame {
                Some(frame) => frame.read(to)?,
                None => self.block.read(to)?,
            };
            if bytes > 0 || to.is_empty() {
                return Ok(bytes);
            }
            if let Some(frame) = self.frame.take() {
                let (head, from) = frame.into_inner().into_inner();
                let at = head.position() as usize;
                self.head = head.into_inner().split_off(at);
                self.from = Some(from);
            }
            self.read_blocks()?;
            if let Some(block) = self.blocks.pop() {
                self.block = block?;
            } else if !self.start_frame()? {
                return Ok(0);
            }
        }
    }
}

/// Decompresses frames. What exceeds the limit is decompressed when it is read.
fn decode_block(block: Vec<u8>) -> Decoded {
    const MOST: usize = MAX_FRAME_BYTES + 1;
    let mut content = Vec::new();
    // A vector that grows leaves memory behind.
    content.try_reserve_exact(MOST.min(32 * block.len()))?;
    let mut frames = Decoder::with_buffer(Cursor::new(block))?;
    frames.by_ref().take(MOST as u64).read_to_end(&mut content)?;
    Ok(match content.len() < MOST {
        true => Box::new(Cursor::new(content)),
        false => Box::new(Cursor::new(content).chain(frames)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn frame(content: &[u8]) -> Vec<u8> {
        zstd::encode_all(content, 1).unwrap()
    }

    /// A frame that tells its size and has no checksum.
    fn sized_frame(content: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(content, 3).unwrap()
    }

    fn skippable_frame(content: &[u8]) -> Vec<u8> {
        [&[0x5e, 0x2a, 0x4d, 0x18], &(content.len() as u32).to_le_bytes()[..], content].concat()
    }

    /// Bytes that can hardly be compressed.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(bytes).collect()
    }

    /// The content up to the end or the first error, and the error.
    fn read(mut from: impl Read) -> (Vec<u8>, Option<String>) {
        let mut content = Vec::new();
        let end = from.read_to_end(&mut content);
        (content, end.err().map(|error| format!("{:?} {error}", error.kind())))
    }

    /// Compares with the decoder for one thread.
    #[track_caller]
    fn assert_same_as_one_thread(file: &[u8]) {
        let expected = read(Decoder::new(file).unwrap());
        for threads in [2, 5] {
            let found = read(ZstdFrames::new(Box::new(Cursor::new(file.to_vec())), threads).unwrap());
            assert_eq!(found.1, expected.1);
            assert!(found.0 == expected.0);
        }
    }

    #[test]
    fn frames_of_all_sizes_are_read_in_order() {
        let large = noise(MAX_FRAME_BYTES + 1);
        let medium = noise(MIN_BLOCK_BYTES + 1);
        let zeros = vec![0; 3 * MAX_FRAME_BYTES];
        let contents: [&[u8]; 8] =
            [b"1", b"", &medium, b"2", &large, &zeros, &zeros[..MAX_FRAME_BYTES], b"3"];
        let mut file = Vec::new();
        for content in contents {
            file.extend(frame(content));
            file.extend(skippable_frame(&noise(100)));
            file.extend(sized_frame(content));
        }
        for number in 0..100_000_u32 {
            file.extend(sized_frame(&number.to_le_bytes()));
        }
        assert_same_as_one_thread(&file);
        assert_same_as_one_thread(&[skippable_frame(b"size"), file].concat());
    }

    #[test]
    fn every_truncation_ends_as_on_one_thread() {
        let parts = [frame(b"a,b\n1,2\n"), skippable_frame(b"x"), sized_frame(b"3,4\n"), frame(&noise(300))];
        let mut file = parts.concat();
        let mut checked = zstd::Encoder::new(Vec::new(), 1).unwrap();
        checked.include_checksum(true).unwrap();
        checked.write_all(b"5,6\n").unwrap();
        file.extend(checked.finish().unwrap());
        for end in 1..=file.len() {
            assert_same_as_one_thread(&file[..end]);
        }
    }

    #[test]
    fn garbage_and_corruption_end_as_on_one_thread() {
        let first = frame(b"first");
        let file = [first.clone(), sized_frame(&noise(200)), frame(b"last")].concat();
        for garbage in
            [&b"\0"[..], b"\0\0\0\0", b"garbage", &[0x28, 0xb5, 0x2f], &[0x28, 0xb5, 0x2f, 0xfd, 0xff]]
        {
            assert_same_as_one_thread(&[&file, garbage].concat());
        }
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 0x5a;
            let expected = read(Decoder::new(&bad[..]).unwrap());
            let found = read(ZstdFrames::new(Box::new(Cursor::new(bad)), 2).unwrap());
            assert_eq!(found.1, expected.1, "byte {at}");
            assert!(expected.0.starts_with(&found.0));
        }
    }

    #[test]
    fn a_large_frame_is_not_kept_in_memory() {
        let mut frames = ZstdFrames::new(Box::new(io::empty()), 2).unwrap();
        frames.frame = None;
        let large = sized_frame(&noise(3 * MAX_FRAME_BYTES));
        frames.from = Some(BufReader::new(Box::new(Cursor::new(large))));
        assert!(frames.read_block().unwrap().is_none());
        assert!(frames.head.len() <= 2 * MAX_FRAME_BYTES);
        assert!(frames.start_frame().unwrap());
    }
}
