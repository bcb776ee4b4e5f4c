//! The heap is asked for memory while a load starts and once for each chunk (the cell that ties rows to their
//! arena), never for a record.

use sqload::plan::{Expr, Plan, Tuning};
use sqload::{Loader, people};
use std::alloc::{GlobalAlloc, Layout, System};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(memory, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CHUNK_BYTES: usize = 16 << 10;

/// Allocations of a load of `chunks` chunks whose records have `record_bytes` bytes each.
fn allocations(chunks: usize, record_bytes: usize) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let (input, database) = (directory.path().join("in.csv"), directory.path().join("out.db"));
    let rows = chunks * CHUNK_BYTES / record_bytes;
    let first_name = "x".repeat(record_bytes - ",\"\"\"é\"\"\",42\n".len());
    let csv = format!("{first_name},\"\"\"é\"\"\",42\n").repeat(rows);
    std::fs::write(&input, format!("first_name,last_name,age\n{csv}")).unwrap();
    let tuning = Tuning { jobs: NonZeroUsize::new(2), chunk_bytes: CHUNK_BYTES, ..Tuning::default() };
    let loader = Loader::from(Plan { tuning, ..Plan::new(people::table(Expr::Uuid7)) });
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let report = loader.load(&input, &database).unwrap();
    assert_eq!(report.loaded, rows as u64);
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

// One test, so that nothing else allocates meanwhile.
#[test]
fn allocations_grow_with_chunks_and_not_with_records() {
    /// Threads that wait for each other allocate now and then.
    const NOISE: u64 = 150;
    let few_records = allocations(200, 512);
    let many_records = allocations(200, 16);
    assert!(many_records < few_records + NOISE, "6 400 records: {few_records}, 204 800: {many_records}");
    let many_chunks = allocations(1_000, 512);
    assert!(many_chunks < few_records + 800 + NOISE, "200 chunks: {few_records}, 1 000: {many_chunks}");
}
