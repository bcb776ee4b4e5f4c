//! Survives SIGBUS from a mapped file.
//!
//! Reading a page of a mapping raises SIGBUS if the file no longer has that page, or if the device cannot read it. By default
//! this kills the process. The handler here does the following:
//!
//! 1. If the address lies in a watched mapping, it replaces the rest of that mapping by anonymous memory, which reads as
//!    zeros, and marks the watch as torn. The read then continues, and whoever reads the bytes must check the mark before it
//!    relies on them.
//! 2. Any other SIGBUS gets the action that was in place before this handler was installed.
//!
//! A handler must neither allocate nor lock, so the watched ranges are in a table of fixed size, and a version number per
//! entry replaces a lock: it is odd while the entry changes, and a reader that sees it odd or changed skips the entry. The
//! entry of the mapping that a thread is reading cannot change meanwhile, so its handler always finds it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The number of mappings that one process can watch at the same time.
const MAX_WATCHES: usize = 1 << 14;

/// A watched range of addresses.
struct Slot {
    is_taken: AtomicBool,
    /// Odd while `start` and `end` change.
    version: AtomicU32,
    start: AtomicUsize,
    /// 0 if nothing is watched.
    end: AtomicUsize,
    is_torn: AtomicBool,
}

static SLOTS: [Slot; MAX_WATCHES] = [const {
    Slot {
        is_taken: AtomicBool::new(false),
        version: AtomicU32::new(0),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        is_torn: AtomicBool::new(false),
    }
}; MAX_WATCHES];

impl Slot {
    /// Changes the range. Only the owner of the slot may call this.
    fn set(&self, start: usize, end: usize) {
        self.version.fetch_add(1, Ordering::Acquire);
        fence(Ordering::Release);
        self.start.store(start, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The end of the range if `address` lies in it.
    fn end_around(&self, address: usize) -> Option<usize> {
        let version = self.version.load(Ordering::Acquire);
        let (start, end) = (self.start.load(Ordering::Relaxed), self.end.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let is_stable = version.is_multiple_of(2) && version == self.version.load(Ordering::Relaxed);
        (is_stable && (start..end).contains(&address)).then_some(end)
    }
}

/// The page size in bytes, and the action for SIGBUS before the handler was installed.
static INSTALLED: OnceLock<(usize, libc::sigaction)> = OnceLock::new();

/// Watches a range of addresses until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    slot: usize,
}

impl Watch {
    /// Watches `bytes` bytes from `start`.
    ///
    /// # Errors
    /// If [`MAX_WATCHES`] ranges are watched already, or the handler cannot be installed.
    ///
    /// # Safety
    /// The range must be one mapping that begins at `start` and outlives the watch. Its bytes may become zeros at any time,
    /// so nothing may rely on their values.
    pub(super) unsafe fn new(start: *const u8, bytes: usize) -> io::Result<Self> {
        install()?;
        let is_free = |slot: &Slot| {
            !slot.is_taken.load(Ordering::Relaxed) && !slot.is_taken.swap(true, Ordering::Acquire)
        };
        let slot = SLOTS.iter().position(is_free).ok_or_else(|| io::Error::other("too many mapped files"))?;
        SLOTS[slot].is_torn.store(false, Ordering::Relaxed);
        SLOTS[slot].set(start.addr(), start.addr() + bytes);
        Ok(Self { slot })
    }

    /// True if a part of the range was replaced by zeros.
    pub(super) fn is_torn(&self) -> bool {
        SLOTS[self.slot].is_torn.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        SLOTS[self.slot].set(0, 0);
        SLOTS[self.slot].is_taken.store(false, Ordering::Release);
    }
}

/// A handler with and without SA_SIGINFO.
type InfoHandler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
type PlainHandler = extern "C" fn(libc::c_int);

/// Installs the handler, once per process.
fn install() -> io::Result<()> {
    static LOCK: Mutex<()> = Mutex::new(());
    let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    if INSTALLED.get().is_some() {
        return Ok(());
    }
    let mut action = no_action();
    let handler: InfoHandler = on_sigbus;
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    let mut previous = no_action();
    // SAFETY: sysconf reads a constant of the system.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    // SAFETY: without a new action the call only fills `previous`, which is a valid destination.
    if unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut previous) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // The handler needs these, so they are set before it can run.
    INSTALLED.get_or_init(|| (page_bytes, previous));
    // SAFETY: `action` is complete, and its handler only uses atomics and system calls, as a signal handler must.
    match unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn no_action() -> libc::sigaction {
    // SAFETY: a sigaction consists of integers and a nullable function pointer, for which zeros are valid.
    unsafe { std::mem::zeroed() }
}

extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some((page_bytes, previous)) = INSTALLED.get() else { return };
    // SAFETY: the kernel passes a valid siginfo to a handler that was installed with SA_SIGINFO.
    let code = unsafe { (*info).si_code };
    // A positive code means a fault; only then is there an address.
    if code > 0 {
        // SAFETY: as above, and the kernel fills in the address of a fault.
        let address = unsafe { (*info).si_addr() }.addr();
        let hit = SLOTS.iter().find_map(|slot| Some((slot, slot.end_around(address)?)));
        if let Some((slot, end)) = hit {
            let page = address - address % page_bytes;
            // SAFETY: `page..end` is the rest of a watched mapping, which is alive because this thread is reading it.
            if unsafe { replace_with_zeros(page, end - page) } {
                slot.is_torn.store(true, Ordering::Release);
                return;
            }
        }
    }
    // SAFETY: the arguments are those of this handler, and the system reported `previous` as the action for this signal.
    unsafe { forward(previous, signal, info, context) };
}

/// Replaces `bytes` bytes of address space from `page` by anonymous memory. Returns false if that fails.
///
/// # Safety
/// `page` must be the start of a page, and the range must belong to a mapping whose bytes may become zeros at any time.
unsafe fn replace_with_zeros(page: usize, bytes: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: the caller vouches for the range.
    let replaced = unsafe { libc::mmap(page as *mut libc::c_void, bytes, libc::PROT_READ, flags, -1, 0) };
    replaced != libc::MAP_FAILED
}

/// Does what `previous` says.
///
/// # Safety
/// `previous` must be a valid action for `signal`, and the other arguments those that the kernel passed to a handler.
unsafe fn forward(
    previous: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the caller vouches for `info`.
    let is_fault = unsafe { (*info).si_code } > 0;
    match previous.sa_sigaction {
        libc::SIG_IGN if !is_fault => return,
        // SAFETY: `previous` is a valid action.
        libc::SIG_DFL | libc::SIG_IGN => unsafe {
            libc::sigaction(signal, previous, std::ptr::null_mut());
        },
        // SAFETY: the flags tell the type of the handler in the action.
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => unsafe {
            std::mem::transmute::<usize, InfoHandler>(handler)(signal, info, context);
        },
        // SAFETY: as above.
        handler => unsafe { std::mem::transmute::<usize, PlainHandler>(handler)(signal) },
    }
    // If the default action is in place now, as after the handler of Rust's runtime, it is to take effect. A fault repeats
    // when the handler returns, but a signal that was sent does not; sent again, it stays blocked until then.
    let mut current = no_action();
    // SAFETY: the first call only fills `current`, and a signal handler may make both.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), &raw mut current);
        if !is_fault && current.sa_sigaction == libc::SIG_DFL {
            libc::raise(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CALLS: Mutex<Vec<(libc::c_int, usize, usize)>> = Mutex::new(Vec::new());

    extern "C" fn with_info(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        CALLS.lock().unwrap().push((signal, info.addr(), context.addr()));
    }

    extern "C" fn without_info(signal: libc::c_int) {
        CALLS.lock().unwrap().push((signal, 0, 0));
    }

    #[test]
    fn other_faults_get_the_previous_handler_and_its_arguments() {
        install().unwrap();
        // SAFETY: zeros are a valid siginfo.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        info.si_code = 2;
        let info = &raw mut info;
        let context = std::ptr::without_provenance_mut(0x1234);
        let with_info: InfoHandler = with_info;
        let without_info: PlainHandler = without_info;
        let mut previous = no_action();
        for (handler, flags) in
            [(with_info as *const () as usize, libc::SA_SIGINFO), (without_info as *const () as usize, 0)]
        {
            (previous.sa_sigaction, previous.sa_flags) = (handler, flags);
            // SAFETY: the actions are valid, and their handlers do not read `info`.
            unsafe { forward(&previous, libc::SIGBUS, info, context) };
        }
        let expected = [(libc::SIGBUS, info.addr(), 0x1234), (libc::SIGBUS, 0, 0)];
        assert_eq!(*CALLS.lock().unwrap(), expected);

        // A signal that is sent is ignored if it was ignored before.
        // SAFETY: `info` is valid.
        unsafe { (*info).si_code = 0 };
        previous.sa_sigaction = libc::SIG_IGN;
        // SAFETY: as above.
        unsafe { forward(&previous, libc::SIGBUS, info, context) };

        let mut current = no_action();
        // SAFETY: the call only fills `current`.
        unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut current) };
        let own: InfoHandler = on_sigbus;
        assert_eq!(current.sa_sigaction, own as *const () as usize, "the handler stays installed");
    }

    #[test]
    fn a_slot_is_found_by_every_address_in_its_range() {
        let slot = &Slot {
            is_taken: AtomicBool::new(true),
            version: AtomicU32::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            is_torn: AtomicBool::new(false),
        };
        slot.set(4096, 8192);
        let found = [0, 4095, 4096, 8191, 8192].map(|address| slot.end_around(address));
        assert_eq!(found, [None, None, Some(8192), Some(8192), None]);
        slot.version.fetch_add(1, Ordering::Relaxed);
        assert_eq!(slot.end_around(4096), None, "the range is changing");
    }
}
