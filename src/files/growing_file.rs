//! A file that grows at its end: first through the page cache, then past it.
//!
//! The kernel keeps written pages in its cache. Beyond a part of the memory, it waits for the disk, and spends more time on the
//! cache than on the copy. So when a load has written that much, its bytes go to the disk in blocks, past the cache (`O_DIRECT`),
//! while the next blocks are filled. Where this is not possible, or the disk falls behind, they go through the cache.

use super::descriptors::reopen_uncached;
use std::fs::File;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// Bytes of a block: enough for the full speed of a disk.
const BLOCK_BYTES: usize = 1 << 20;

/// The most blocks in memory.
const MAX_BLOCKS: usize = 16;

/// Where blocks begin: at multiples of what every disk and file system asks for.
const ALIGNMENT: u64 = 4096;

/// Bytes that go through the cache after the disk has fallen behind, before blocks go past it again.
const PAUSE_BYTES: u64 = 256 << 20;

/// A file that is open for writing, in two ways.
#[derive(Debug, Clone)]
pub struct WritableFile {
    file: Arc<File>,
    /// The same file for writes past the cache, if it can be opened so.
    uncached: Option<Arc<File>>,
}

impl From<File> for WritableFile {
    fn from(file: File) -> Self {
        let uncached = reopen_uncached(&file).ok().map(Arc::new);
        Self { file: Arc::new(file), uncached }
    }
}

impl WritableFile {
    /// The file, for bytes that exist. Those that were appended are there after [`GrowingFile::flush`].
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

/// Bytes that go through the cache before others go past it: a part of the memory, well before the tenth at which the kernel begins to
/// write its cache to the disk.
pub(crate) fn cached_bytes() -> u64 {
    memory_bytes() / 32
}

#[cfg(target_os = "linux")]
fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(info.mem_unit.into())
}

/// Other systems have no `O_DIRECT`.
#[cfg(not(target_os = "linux"))]
fn memory_bytes() -> u64 {
    u64::MAX
}

/// The growing end of a file.
#[derive(Debug)]
pub(crate) struct GrowingFile {
    file: WritableFile,
    /// Where the next byte goes.
    position: u64,
    /// The position of the file's cursor.
    cursor: u64,
    /// Up to this position, bytes go through the cache.
    cached_until: u64,
    /// The block that is being filled, and the bytes that it has.
    block: Option<(Block, usize)>,
    free: Vec<Block>,
    disk: Option<Disk>,
}

/// The bytes of a block.
#[derive(Debug)]
struct Block {
    memory: Vec<u8>,
    /// Where the bytes begin, so that they are aligned.
    start: usize,
}

impl Block {
    /// An empty block; nothing if there is too little memory.
    fn new() -> Option<Self> {
        let bytes = BLOCK_BYTES + ALIGNMENT as usize;
        let mut memory = Vec::new();
        memory.try_reserve_exact(bytes).ok()?;
        memory.resize(bytes, 0);
        let start = memory.as_ptr().align_offset(ALIGNMENT as usize);
        Some(Self { memory, start })
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..][..BLOCK_BYTES]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..BLOCK_BYTES]
    }
}

/// The thread that writes blocks past the cache.
#[derive(Debug)]
struct Disk {
    blocks: Option<Sender<(u64, Block)>>,
    written: Receiver<WrittenBlock>,
    /// Blocks that were sent and not received yet.
    in_flight: usize,
    thread: Option<JoinHandle<()>>,
}

/// A block, where it belongs, and whether it was written there.
type WrittenBlock = (u64, Block, io::Result<()>);

impl GrowingFile {
    /// Appends to `file` at `position`. The first `cached_bytes` bytes go through the cache.
    pub(crate) fn new(file: WritableFile, position: u64, cached_bytes: u64) -> Self {
        let cached_until = match file.uncached {
            Some(_) => position.saturating_add(cached_bytes),
            None => u64::MAX,
        };
        let (block, free, disk) = Default::default();
        Self { file, position, cursor: u64::MAX, cached_until, block, free, disk }
    }

    /// Appends the bytes of all slices.
    ///
    /// # Errors
    /// If these bytes cannot be written, or those of an earlier call.
    pub(crate) fn append(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let taken = match self.block.take() {
                Some((block, used)) => self.fill(block, used, slices)?,
                None if self.position < self.cached_until => self.write_cached(slices)?,
                None if !self.position.is_multiple_of(ALIGNMENT) => {
                    let bytes = (ALIGNMENT - self.position % ALIGNMENT) as usize;
                    let head = &slices[0][..bytes.min(slices[0].len())];
                    self.write_cached(&[IoSlice::new(head)])?
                }
                None => match self.free.pop().or_else(Block::new) {
                    Some(block) => self.fill(block, 0, slices)?,
                    None => {
                        self.cached_until = u64::MAX;
                        0
                    }
                },
            };
            IoSlice::advance_slices(&mut slices, taken);
        }
        Ok(())
    }

    /// Writes bytes of the slices through the cache. Returns how many.
    fn write_cached(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut file = &*self.file.file;
        if self.cursor != self.position {
            file.seek(SeekFrom::Start(self.position))?;
        }
        let written = match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        self.position += written as u64;
        self.cursor = self.position;
        Ok(written)
    }

    /// Copies bytes of the slices to the block behind those that are there, and passes on a full block. Returns how many.
    fn fill(&mut self, mut block: Block, used: usize, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut end = used;
        for slice in slices {
            let part = &slice[..slice.len().min(BLOCK_BYTES - end)];
            block.bytes_mut()[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        }
        match end == BLOCK_BYTES {
            true => self.write_block(block)?,
            false => self.block = Some((block, end)),
        }
        Ok(end - used)
    }

    /// Writes a full block: past the cache if the disk keeps up.
    fn write_block(&mut self, block: Block) -> io::Result<()> {
        let at = self.position;
        self.position += BLOCK_BYTES as u64;
        while let Some(written) = self.disk.as_mut().and_then(Disk::try_receive) {
            self.check(written)?;
        }
        if self.disk.is_none() && self.cached_until != u64::MAX {
            let uncached = self.file.uncached.clone();
            let start = |file: Arc<File>| Disk::start(move |block, at| file.write_all_at(block, at)).ok();
            self.disk = uncached.and_then(start);
        }
        match &mut self.disk {
            Some(disk) if disk.in_flight < MAX_BLOCKS && self.cached_until != u64::MAX => {
                disk.send(at, block)?
            }
            _ => {
                tracing::debug!(at, "the disk does not keep up");
                let pause = if self.disk.is_some() { PAUSE_BYTES } else { u64::MAX };
                self.cached_until = self.cached_until.max(self.position.saturating_add(pause));
                self.file.file.write_all_at(block.bytes(), at)?;
                self.free.push(block);
            }
        }
        Ok(())
    }

    /// Takes back a block. If it could not be written past the cache, no other is; an error is that of the second attempt.
    fn check(&mut self, (at, block, written): WrittenBlock) -> io::Result<()> {
        if let Err(error) = written {
            tracing::debug!(%error, "the database is written through the page cache");
            self.cached_until = u64::MAX;
            self.file.file.write_all_at(block.bytes(), at)?;
        }
        self.free.push(block);
        Ok(())
    }

    /// Writes what is in memory. Afterwards all bytes can be read from the file, and be overwritten there.
    ///
    /// # Errors
    /// If bytes that were appended cannot be written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(written) = self.disk.as_mut().and_then(Disk::receive) {
            self.check(written)?;
        }
        if self.disk.as_ref().is_some_and(|disk| disk.in_flight > 0) {
            return Err(Disk::has_ended());
        }
        if let Some((block, used)) = self.block.take() {
            self.file.file.write_all_at(&block.bytes()[..used], self.position)?;
            self.position += used as u64;
            self.free.push(block);
        }
        Ok(())
    }
}

impl Disk {
    /// Starts the thread. `write` writes a block to a position.
    fn start(write: impl Fn(&[u8], u64) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (blocks, to_write) = channel::<(u64, Block)>();
        let (sender, written) = channel();
        let work = move || {
            for (at, block) in to_write {
                let result = write(block.bytes(), at);
                if sender.send((at, block, result)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("disk".into()).spawn(work)?;
        Ok(Self { blocks: Some(blocks), written, in_flight: 0, thread: Some(thread) })
    }

    fn send(&mut self, at: u64, block: Block) -> io::Result<()> {
        self.in_flight += 1;
        let sent = self.blocks.as_ref().is_some_and(|blocks| blocks.send((at, block)).is_ok());
        if sent { Ok(()) } else { Err(Self::has_ended()) }
    }

    /// The error if blocks will not come back.
    fn has_ended() -> io::Error {
        io::Error::other("the thread that writes to the disk has ended")
    }

    /// A block that is back, if there is one.
    fn try_receive(&mut self) -> Option<WrittenBlock> {
        let written = self.written.try_recv().ok()?;
        self.in_flight -= 1;
        Some(written)
    }

    /// Waits for the next block; nothing if all are back.
    fn receive(&mut self) -> Option<WrittenBlock> {
        let written = (self.in_flight > 0).then(|| self.written.recv().ok())??;
        self.in_flight -= 1;
        Some(written)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.blocks = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    /// The file at `path`. Writes past the cache go to `uncached`.
    fn open(path: &Path, uncached: Option<File>) -> WritableFile {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        match uncached {
            Some(uncached) => WritableFile { file: Arc::new(file), uncached: Some(Arc::new(uncached)) },
            None => file.into(),
        }
    }

    /// A file at `path` whose blocks are passed to `write`.
    fn growing(path: &Path, write: impl Fn(&[u8], u64) -> io::Result<()> + Send + 'static) -> GrowingFile {
        let read_only = File::open(path.parent().unwrap()).unwrap();
        let mut growing = GrowingFile::new(open(path, Some(read_only)), 0, 0);
        growing.disk = Some(Disk::start(write).unwrap());
        growing
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn a_file_has_the_bytes_that_were_appended(
            start in prop::sample::select(vec![0, 1, 512, 4096, 8192 + 3]),
            cached in prop::sample::select(vec![0_u64, 1, 5000, 1 << 20, u64::MAX]),
            lengths in prop::collection::vec(prop::collection::vec(0..700_000_usize, 0..6), 0..8),
            flushes: [bool; 8],
            fails: bool,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            let mut expected = vec![7; start];
            std::fs::write(&path, &expected).unwrap();
            // A write to a file that is open for reading fails.
            let uncached = fails.then(|| File::open(&path).unwrap());
            let mut growing = GrowingFile::new(open(&path, uncached), start as u64, cached);
            let mut byte = 0;
            for (lengths, flushes) in lengths.iter().zip(flushes) {
                let parts: Vec<Vec<u8>> = lengths
                    .iter()
                    .map(|length| {
                        byte += 1;
                        (0..*length).map(|at| (at / 512) as u8 ^ byte).collect()
                    })
                    .collect();
                let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
                growing.append(&mut slices).unwrap();
                expected.extend(parts.concat());
                if flushes {
                    growing.flush().unwrap();
                    prop_assert!(std::fs::read(&path).unwrap() == expected);
                }
            }
            growing.flush().unwrap();
            prop_assert!(std::fs::read(&path).unwrap() == expected);
        }
    }

    #[test]
    fn a_write_that_fails_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "").unwrap();
        let read_only = || Arc::new(File::open(&path).unwrap());
        let file = WritableFile { file: read_only(), uncached: Some(read_only()) };
        let mut growing = GrowingFile::new(file, 0, 0);
        let bytes = vec![1; 3 * BLOCK_BYTES + 1];
        let appended = growing.append(&mut [IoSlice::new(&bytes)]);
        let flushed = growing.flush();
        assert!(appended.is_err() || flushed.is_err());
    }

    #[test]
    fn a_disk_that_falls_behind_does_not_stop_the_load() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let (go_on, waiting) = channel::<()>();
        let file = File::create(&path).unwrap();
        let write = move |block: &[u8], at| {
            let _ = waiting.recv();
            file.write_all_at(block, at)
        };
        let mut growing = growing(&path, write);
        let bytes: Vec<u8> = (0..40 * BLOCK_BYTES + 9).map(|at| (at >> 16) as u8).collect();
        growing.append(&mut [IoSlice::new(&bytes)]).unwrap();
        let block = |at: usize| at * BLOCK_BYTES..(at + 1) * BLOCK_BYTES;
        let so_far = std::fs::read(&path).unwrap();
        assert!(so_far[block(0)].iter().all(|byte| *byte == 0), "the first block is on its way");
        assert!(so_far[block(39)] == bytes[block(39)], "the last one went through the cache");
        drop(go_on);
        growing.flush().unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
    }

    #[test]
    fn a_thread_that_ends_early_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut growing = growing(&path, |_, _| panic!("the thread ends"));
        let bytes = vec![1; 2 * BLOCK_BYTES];
        let appended = growing.append(&mut [IoSlice::new(&bytes)]);
        assert!(appended.and_then(|()| growing.flush()).is_err());
    }
}
