//! Gzip (RFC 1952), as gunzip reads it.
//!
//! A file is a sequence of members. What follows the last one and is not a member is ignored; unless it is zeros, it is reported.
//!
//! The blocks of bgzip (section 4.1 of the SAM specification) are members of at most 64 KiB that tell their size in an extra field,
//! so that they can be decompressed on several threads.

use super::block_decoder::{BlockDecoder, Decoded};
use super::compression::ByteStream;
use flate2::bufread::GzDecoder;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The bytes of a block up to its size. No member is smaller.
const HEAD_BYTES: usize = 18;

/// A file, after bytes of it that have been looked at.
type Rest = Chain<Cursor<Vec<u8>>, BufReader<ByteStream>>;

/// Decompresses a file.
pub(super) struct Gunzip {
    /// The file; `None` inside `member` and after the end.
    from: Option<BufReader<ByteStream>>,
    /// The member that is decompressed here.
    member: Option<GzDecoder<Rest>>,
    /// The first bytes of the next member, if they have been read.
    head: Vec<u8>,
    blocks: BlockDecoder,
    /// The decompressed block that is being read.
    block: ByteStream,
    has_trailing_garbage: Arc<AtomicBool>,
}

impl Gunzip {
    /// Decompresses `from` on this many threads as far as the file allows. Sets `has_trailing_garbage` if something follows the
    /// last member.
    pub(super) fn new(from: ByteStream, threads: usize, has_trailing_garbage: Arc<AtomicBool>) -> Self {
        Self {
            from: Some(BufReader::new(from)),
            member: None,
            head: Vec::new(),
            blocks: BlockDecoder::new(decode_block, threads, usize::MAX),
            block: Box::new(io::empty()),
            has_trailing_garbage,
        }
    }

    /// Reads the next members as long as they are blocks, and has them decompressed. Then `head` starts with the bytes that
    /// follow, or is empty at the end of the file.
    fn read_blocks(&mut self) -> io::Result<()> {
        let Some(from) = &mut self.from else { return Ok(()) };
        while !self.blocks.is_full() {
            if self.head.is_empty() {
                from.take(HEAD_BYTES as u64).read_to_end(&mut self.head)?;
            }
            let Some(bytes) = block_bytes(&self.head) else { break };
            let mut block = std::mem::take(&mut self.head);
            from.take((bytes - block.len()) as u64).read_to_end(&mut block)?;
            if block.len() < bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.blocks.push(block)?;
        }
        Ok(())
    }

    /// Starts the next member, which is not a block. Returns false at the end of the file.
    fn start_member(&mut self) -> io::Result<bool> {
        let Some(mut from) = self.from.take() else { return Ok(false) };
        let head = std::mem::take(&mut self.head);
        if head.starts_with(&[0x1f, 0x8b]) {
            self.member = Some(GzDecoder::new(Cursor::new(head).chain(from)));
            return Ok(true);
        }
        let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        let mut rest = head;
        while !rest.is_empty() {
            if !is_zero(&rest) {
                self.has_trailing_garbage.store(true, Ordering::Relaxed);
                break;
            }
            rest.clear();
            from.by_ref().take(1 << 16).read_to_end(&mut rest)?;
        }
        Ok(false)
    }
}

impl Read for Gunzip {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let bytes = match &mut self.member {
                Some(member) => member.read(to)?,
                None => self.block.read(to)?,
            };
            if bytes > 0 || to.is_empty() {
                return Ok(bytes);
            }
            if let Some(member) = self.member.take() {
                let (_, from) = member.into_inner().into_inner();
                self.from = Some(from);
            }
            self.read_blocks()?;
            if let Some(block) = self.blocks.pop() {
                self.block = block?;
            } else if !self.start_member()? {
                return Ok(0);
            }
        }
    }
}

/// The size of the bgzip block with this head, if it is one. Its extra field has one subfield, BC, with the size less one.
fn block_bytes(head: &[u8]) -> Option<usize> {
    const EXTRA_FIELD: u8 = 4;
    match *head.get(..HEAD_BYTES)? {
        [0x1f, 0x8b, 8, EXTRA_FIELD, _, _, _, _, _, _, 6, 0, b'B', b'C', 2, 0, low, high] => {
            Some(usize::from(u16::from_le_bytes([low, high])) + 1).filter(|bytes| *bytes > HEAD_BYTES)
        }
        _ => None,
    }
}

/// Decompresses a block.
fn decode_block(block: Vec<u8>) -> Decoded {
    const MAX_BYTES: usize = 1 << 16;
    let mut content = Vec::with_capacity(MAX_BYTES);
    let mut decoder = GzDecoder::new(&block[..]);
    decoder.by_ref().take(MAX_BYTES as u64 + 1).read_to_end(&mut content)?;
    match content.len() > MAX_BYTES || !decoder.into_inner().is_empty() {
        true => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "a bgzip block has another size than it says"))
        }
        false => Ok(Box::new(Cursor::new(content))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn member(content: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(content).unwrap();
        gzip.finish().unwrap()
    }

    /// A bgzip block.
    fn block(content: &[u8]) -> Vec<u8> {
        let extra = [b'B', b'C', 2, 0, 0, 0];
        let gzip = flate2::GzBuilder::new().extra(extra);
        let mut gzip = gzip.write(Vec::new(), flate2::Compression::fast());
        gzip.write_all(content).unwrap();
        let mut block = gzip.finish().unwrap();
        let size = (block.len() as u16 - 1).to_le_bytes();
        block[16..18].copy_from_slice(&size);
        block
    }

    fn read(file: &[u8], threads: usize) -> io::Result<(Vec<u8>, bool)> {
        let has_garbage = Arc::<AtomicBool>::default();
        let mut content = Vec::new();
        let from = Box::new(Cursor::new(file.to_vec()));
        Gunzip::new(from, threads, has_garbage.clone()).read_to_end(&mut content)?;
        Ok((content, has_garbage.load(Ordering::Relaxed)))
    }

    #[test]
    fn members_and_blocks_are_read_in_order() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
        let mut file = Vec::new();
        for (number, part) in content.chunks(60_000).enumerate() {
            file.extend(if number % 17 == 16 { member(part) } else { block(part) });
        }
        file.extend(block(b""));
        for threads in [1, 2, 5] {
            let (found, has_garbage) = read(&file, threads).unwrap();
            assert!(found == content && !has_garbage);
            for cut in [1, 20, 30, 50_000] {
                read(&file[..file.len() - cut], threads).unwrap_err();
            }
        }
        assert!(block_bytes(&block(b"a")).is_some() && block_bytes(&member(b"a")).is_none());
    }

    #[test]
    fn what_follows_the_last_member_is_ignored() {
        let cases: [(&[u8], bool); 7] = [
            (b"", false),
            (b"\0", false),
            (&[0; 200_000], false),
            (b"JUNK", true),
            (b"\0\0JUNK", true),
            (&[[0; 100_000].as_slice(), b"a"].concat(), true),
            (b"\x1f", true),
        ];
        for make in [member, block] {
            for (rest, has_garbage) in cases {
                let file = [make(b"a,b\n"), rest.to_vec()].concat();
                assert_eq!(read(&file, 2).unwrap(), (b"a,b\n".to_vec(), has_garbage));
            }
            // The start of another member is not garbage.
            read(&[make(b"a,b\n"), b"\x1f\x8b\x08".to_vec()].concat(), 2).unwrap_err();
        }
    }

    #[test]
    fn corrupt_blocks_are_errors() {
        let content: Vec<u8> = (0..1_000_u32).map(|at| ((at * at) >> 5) as u8).collect();
        let good = block(&content);
        for at in 18..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            assert!(read(&bad, 2).is_err(), "byte {at}");
        }
        let mut long = good.clone();
        long.insert(30, 0);
        let size = (long.len() as u16 - 1).to_le_bytes();
        long[16..18].copy_from_slice(&size);
        read(&long, 2).unwrap_err();
    }
}
