//! Decompresses independent blocks of a file on several threads.

use super::compression::ByteStream;
use super::file::catch_panic;
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Blocks on their way for each thread.
const BLOCKS_PER_THREAD: usize = 4;

/// Decompresses a block. What the stream returns need not have been decompressed before.
pub(super) type Decode = fn(Vec<u8>) -> Decoded;

pub(super) type Decoded = io::Result<ByteStream>;

/// Decompresses blocks, and returns them in order. Without threads it does so on its own.
pub(super) struct BlockDecoder {
    decode: Decode,
    threads: usize,
    /// The most blocks on their way, and how many there may be now. A reader may want only the first bytes.
    max_pending: usize,
    pending_limit: usize,
    /// Blocks to be decompressed, once the threads have been started.
    work: Option<Sender<(Vec<u8>, SyncSender<Decoded>)>>,
    pending: VecDeque<Receiver<Decoded>>,
}

impl BlockDecoder {
    /// Starts no thread yet. One thread is the caller's.
    pub(super) fn new(decode: Decode, threads: usize, max_pending: usize) -> Self {
        let max_pending = if threads > 1 { max_pending.min(BLOCKS_PER_THREAD * threads) } else { 1 };
        Self { decode, threads, max_pending, pending_limit: 1, work: None, pending: VecDeque::new() }
    }

    /// True if blocks should be taken before more are added.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= self.pending_limit
    }

    /// Adds a block.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub(super) fn push(&mut self, block: Vec<u8>) -> io::Result<()> {
        let (sender, receiver) = sync_channel(1);
        self.pending.push_back(receiver);
        if self.threads <= 1 {
            // The receiver is there, and the channel has room.
            let _ = sender.send((self.decode)(block));
            return Ok(());
        }
        if self.work.is_none() {
            self.work = Some(self.start()?);
        }
        if let Some(work) = &self.work {
            // Without a thread that takes it, the block is reported when it is its turn.
            let _ = work.send((block, sender));
        }
        Ok(())
    }

    /// Decompresses the next block; `None` at the end.
    pub(super) fn pop(&mut self) -> Option<Decoded> {
        let decoded = self.pending.pop_front()?.recv();
        self.pending_limit = self.max_pending.min(2 * self.pending_limit);
        Some(decoded.unwrap_or_else(|_| Err(io::Error::other("a thread ended early"))))
    }

    /// Starts the threads. They end when the sender is dropped.
    fn start(&self) -> io::Result<Sender<(Vec<u8>, SyncSender<Decoded>)>> {
        let (sender, work) = channel::<(Vec<u8>, SyncSender<Decoded>)>();
        let work = Arc::new(Mutex::new(work));
        for _ in 0..self.threads {
            let (work, decode) = (work.clone(), self.decode);
            let decode_all = move || {
                loop {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((block, decoded)) = next else { return };
                    // The reader may be gone.
                    let _ = decoded.send(catch_panic(|| decode(block)));
                }
            };
            thread::Builder::new().name("decompress".into()).spawn(decode_all)?;
        }
        Ok(sender)
    }
}
