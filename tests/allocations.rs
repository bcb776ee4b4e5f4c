//! A load allocates memory when it starts and for each chunk, but never for a record.

use sqload::plan::{Expr, WriterChoice};
use sqload::{Loader, demo::people};
use std::alloc::{GlobalAlloc, Layout, System};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is forwarded unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { System.realloc(memory, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CHUNK_BYTES: usize = 16 << 10;

/// The number of allocations in a load of `chunks` chunks with records of `record_bytes`.
fn allocations(writer: WriterChoice, chunks: usize, record_bytes: usize) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let (input, database) = (directory.path().join("in.csv"), directory.path().join("out.db"));
    let rows = chunks * CHUNK_BYTES / record_bytes;
    let first_name = "x".repeat(record_bytes - ",\"\"\"é\"\"\",42\n".len());
    let csv = format!("{first_name},\"\"\"é\"\"\",42\n").repeat(rows);
    std::fs::write(&input, format!("first_name,last_name,age\n{csv}")).unwrap();
    let number = |number| NonZeroUsize::new(number).unwrap();
    let loader = Loader::from(people::table(Expr::Uuid7)).writer(writer);
    let loader = loader.jobs(number(2)).chunk_bytes(number(CHUNK_BYTES));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let report = loader.load(&input, &database).unwrap();
    assert_eq!(report.loaded, rows as u64);
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

// A single test, so that nothing else allocates at the same time.
#[test]
fn allocations_grow_with_chunks_not_with_records() {
    /// Threads that wait for each other allocate occasionally.
    const NOISE: u64 = 150;
    // The direct writer builds lists of the table and index pages of a chunk.
    for (writer, per_chunk) in [(WriterChoice::Statements, 1), (WriterChoice::Direct, 5)] {
        for record_bytes in [16, 512] {
            let few_chunks = allocations(writer, 200, record_bytes);
            let many_chunks = allocations(writer, 1_000, record_bytes);
            assert!(
                many_chunks < few_chunks + 800 * per_chunk + NOISE,
                "{writer:?}, records of {record_bytes} bytes: {few_chunks} for 200 chunks, {many_chunks} for 1 000"
            );
        }
    }
}
