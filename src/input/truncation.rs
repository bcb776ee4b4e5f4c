//! Survives the truncation of a mapped file.
//!
//! Reading a page of a map that lies past the end of its file raises SIGBUS, whose default is death. Here it
//! is handled: if the address lies in a watched map, the rest of that map is replaced by anonymous memory,
//! which reads as zeros, the map is marked as torn, and the read goes on. Any other SIGBUS is left to whoever
//! handled it before.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Maps that can be watched at the same time, in the whole process. The handler can not allocate or lock, so
/// their places are fixed.
const MAX_WATCHED: usize = 1 << 16;

struct Slot {
    is_taken: AtomicBool,
    start: AtomicUsize,
    /// 0 while nothing is watched.
    end: AtomicUsize,
    is_torn: AtomicBool,
}

static SLOTS: [Slot; MAX_WATCHED] = [const {
    Slot {
        is_taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        is_torn: AtomicBool::new(false),
    }
}; MAX_WATCHED];

/// The page size in bytes and the action that was there before ours.
static INSTALLED: OnceLock<(usize, libc::sigaction)> = OnceLock::new();

/// Watches one map for as long as it lives.
#[derive(Debug)]
pub(super) struct Watch {
    slot: usize,
}

impl Watch {
    /// Watches `map`, which must not be unmapped before the watch is dropped.
    ///
    /// # Errors
    /// If [`MAX_WATCHED`] maps are watched already, or the handler can not be installed.
    pub(super) fn new(map: &[u8]) -> io::Result<Self> {
        install()?;
        let is_free = |slot: &Slot| !slot.is_taken.swap(true, Ordering::AcqRel);
        let slot = SLOTS.iter().position(is_free).ok_or_else(|| io::Error::other("too many open inputs"))?;
        let start = map.as_ptr().addr();
        SLOTS[slot].is_torn.store(false, Ordering::Relaxed);
        SLOTS[slot].start.store(start, Ordering::Relaxed);
        SLOTS[slot].end.store(start + map.len(), Ordering::Release);
        Ok(Self { slot })
    }

    /// Whether something was read that is no longer in the file.
    pub(super) fn is_torn(&self) -> bool {
        SLOTS[self.slot].is_torn.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        SLOTS[self.slot].end.store(0, Ordering::Release);
        SLOTS[self.slot].is_taken.store(false, Ordering::Release);
    }
}

/// Installs the handler, once in a process.
fn install() -> io::Result<()> {
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if INSTALLED.get().is_some() {
        return Ok(());
    }
    // SAFETY: a sigaction is plain integers and a nullable function pointer, for which zeros are valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_sigbus;
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: as above.
    let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: sysconf reads a constant of the system.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    // SAFETY: with no new action the call only fills `previous`, which is a valid place for it.
    if unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut previous) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Before the handler can run, what it reads is there.
    INSTALLED.get_or_init(|| (page_bytes, previous));
    // SAFETY: `action` is whole, and its handler does only what a signal handler may: it reads and writes
    // atomics and makes system calls.
    match unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_sigbus(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let Some((page_bytes, previous)) = INSTALLED.get() else { return };
    // SAFETY: the kernel hands a valid siginfo to a handler with SA_SIGINFO, and SIGBUS fills in the address.
    let address = unsafe { (*info).si_addr() }.addr();
    let is_hit = |slot: &&Slot| {
        let end = slot.end.load(Ordering::Acquire);
        (slot.start.load(Ordering::Relaxed)..end).contains(&address)
    };
    if let Some(slot) = SLOTS.iter().find(is_hit) {
        let page = address - address % page_bytes;
        let length = slot.end.load(Ordering::Acquire) - page;
        // SAFETY: from `page` to its end the range belongs to a map that is alive, since a watch never
        // outlives its map, and whose content nothing relies on; replacing it takes no memory from anyone.
        let replaced = unsafe {
            libc::mmap(
                page as *mut libc::c_void,
                length,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        if replaced != libc::MAP_FAILED {
            slot.is_torn.store(true, Ordering::Release);
            return;
        }
    }
    // Not ours: on return the instruction faults again, and the one before us decides.
    // SAFETY: `previous` is what the system itself reported as the action for this signal.
    unsafe { libc::sigaction(libc::SIGBUS, previous, std::ptr::null_mut()) };
}
