//! Any bytes as a log file: it ends, in bounded memory, with even accounts and rows that give the records back.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use keytrail_events::FileDecoder;

/// What a file may unpack to here.
const MAX_FILE_BYTES: usize = 1 << 18;
/// What decoding may hold at a time: several copies of the file and of what was unpacked, and a directory's entries.
const MAX_HELD_BYTES: usize = 32 << 20;

/// The system's allocator with a count of the bytes that are held.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all of it is the system's allocator; counting beside it allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(held, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    keytrail_fuzz::decoded(&mut FileDecoder::with_max_file_bytes(MAX_FILE_BYTES), bytes);
    let held = MOST.load(Relaxed) - before;
    assert!(held < MAX_HELD_BYTES, "held {held} bytes");
});
