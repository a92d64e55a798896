//! Memory that is handed out and never taken back: the process is replaced within microseconds.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

use crate::sys;

/// Served from zero pages of the executable itself, which cost nothing until they are touched.
const FIRST: usize = 64 * 1024;

/// What is asked of the kernel at least, beyond [`FIRST`].
const CHUNK: usize = 1024 * 1024;

struct State {
    next: usize,
    end: usize,
}

/// A bump allocator for one thread. In this order, so that the state and the first blocks share a page.
#[repr(C)]
pub struct Heap {
    state: UnsafeCell<State>,
    first: UnsafeCell<[u8; FIRST]>,
}

impl Heap {
    /// An allocator that has handed out nothing.
    pub const fn new() -> Self {
        Self {
            first: UnsafeCell::new([0; FIRST]),
            state: UnsafeCell::new(State { next: 0, end: 0 }),
        }
    }
}

// SAFETY: the shim never starts a thread.
unsafe impl Sync for Heap {}

// SAFETY: every block lies in memory that nothing else uses, and is never handed out again.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference into the cell outlives this call.
        let state = unsafe { &mut *self.state.get() };
        if state.end == 0 {
            state.next = self.first.get() as usize;
            state.end = state.next + FIRST;
        }
        let mut start = state.next.next_multiple_of(layout.align());
        if layout.size() > state.end.saturating_sub(start) {
            let len = layout.size().next_multiple_of(4096).max(CHUNK);
            let fresh = sys::map(len);
            if fresh.is_null() {
                return fresh;
            }
            start = fresh as usize;
            state.end = start + len;
        }
        state.next = start + layout.size();
        start as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    /// Grows the newest block where it stands, so that a list which grows is not copied each time.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *self.state.get() };
        let start = block as usize;
        if start + layout.size() == state.next && size <= state.end - start {
            state.next = start + size;
            return block;
        }
        // SAFETY: the caller's layout is valid, and so is this one of the same alignment.
        unsafe {
            let fresh = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !fresh.is_null() {
                let len = layout.size().min(size);
                core::ptr::copy_nonoverlapping(block, fresh, len);
            }
            fresh
        }
    }
}
