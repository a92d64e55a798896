//! An allocator that never frees memory: the process is replaced within microseconds.
//!
//! Its memory is on the stack, which every process has, next to the frames. Variables in the executable would need
//! a segment: a C wrapper with one page of them takes 1.014 times as long as one without, and 1.006 times with this
//! allocator. The shim therefore has no variables. State that would otherwise be in a variable is kept here, and is
//! found through the register that other programs use for thread-local data.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::asm;

use crate::shared::sys;

const ARCH_PRCTL: usize = 158;
const ARCH_SET_FS: usize = 0x1002;

/// Bytes reserved on the stack. clang needs some 40 KB of stack itself.
pub const LEN: usize = 16 * 1024;

/// The minimum request to the kernel once [`LEN`] is used up.
const CHUNK: usize = 1024 * 1024;

/// The state that replaces variables.
#[repr(C)]
struct HeapState {
    /// Its own address: the register can be used to address memory, but cannot be read itself.
    this: *mut Self,
    next: usize,
    end: usize,
    kept: *const (),
}

fn state() -> *mut HeapState {
    let state;
    // SAFETY: `open` ran first, and nothing else sets the register.
    unsafe { asm!("mov {}, fs:[0]", out(reg) state, options(nostack, pure, readonly)) };
    state
}

/// Initialises this module.
///
/// # Safety
/// Must be called first. `start` points to [`LEN`] bytes, aligned like the stack, that nothing else uses for the
/// lifetime of the process.
pub unsafe fn open(start: *mut u8) {
    let this = start.cast::<HeapState>();
    let end = start as usize + LEN;
    // SAFETY: there is room, which nothing else refers to, and nothing else uses the register.
    unsafe {
        let next = this.add(1) as usize;
        this.write(HeapState {
            this,
            next,
            end,
            kept: core::ptr::null(),
        });
        // Cannot fail for an address in this process.
        let _ = sys::syscall(ARCH_PRCTL, [ARCH_SET_FS, this as usize, 0, 0, 0, 0]);
    }
}

/// Stores a pointer for [`kept`].
pub fn keep(pointer: *const ()) {
    // SAFETY: there is one thread, and nothing holds a reference.
    unsafe { (*state()).kept = pointer }
}

/// The pointer that was [kept](keep) last, or null.
pub fn kept() -> *const () {
    // SAFETY: as above.
    unsafe { (*state()).kept }
}

/// A bump allocator for one thread.
pub struct Heap;

// SAFETY: every block is in memory that nothing else uses, and is never handed out again.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: there is one thread, and no reference into the state outlives this call.
        let state = unsafe { &mut *state() };
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

    /// Grows the newest block in place, so that a growing list is not copied each time.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *state() };
        let start = block as usize;
        if start + layout.size() == state.next && size <= state.end - start {
            state.next = start + size;
            return block;
        }
        // SAFETY: the caller's layout is valid, and so is this one with the same alignment.
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
