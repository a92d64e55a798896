//! Memory that is handed out and never taken back: the process is replaced within microseconds.
//!
//! It lies on the stack, which every process has, beside the frames. Variables of the executable's own
//! would need a segment: a C wrapper with a page of them takes 1.014 times what it takes without, and
//! 1.006 with this instead. So the shim has no variables; what others would keep in one is kept here, and
//! found by the register that leads to a thread's own data elsewhere.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::asm;

use crate::shared::sys;

const ARCH_PRCTL: usize = 158;
const ARCH_SET_FS: usize = 0x1002;

/// Bytes on the stack. clang needs some 40 KB of stack itself.
pub const LEN: usize = 16 * 1024;

/// What is asked of the kernel at least, beyond [`LEN`].
const CHUNK: usize = 1024 * 1024;

/// What the shim has for variables.
#[repr(C)]
struct HeapState {
    /// Its own address: the register can be read from, and not itself be read.
    this: *mut Self,
    next: usize,
    end: usize,
    kept: *const (),
}

fn state() -> *mut HeapState {
    let state;
    // SAFETY: `open` came first; nothing else sets the register.
    unsafe { asm!("mov {}, fs:[0]", out(reg) state, options(nostack, pure, readonly)) };
    state
}

/// Makes everything here usable.
///
/// # Safety
/// Comes first. `start` begins [`LEN`] bytes, aligned as the stack is, that nothing else uses as long as
/// the process lives.
pub unsafe fn open(start: *mut u8) {
    let this = start.cast::<HeapState>();
    let end = start as usize + LEN;
    // SAFETY: there is room, which nobody else knows; and nobody else uses the register.
    unsafe {
        let next = this.add(1) as usize;
        this.write(HeapState {
            this,
            next,
            end,
            kept: core::ptr::null(),
        });
        // Cannot fail for an address of this process.
        let _ = sys::syscall(ARCH_PRCTL, [ARCH_SET_FS, this as usize, 0, 0, 0, 0]);
    }
}

/// Keeps a pointer for whoever asks by [`kept`].
pub fn keep(pointer: *const ()) {
    // SAFETY: one thread, and nobody holds a reference.
    unsafe { (*state()).kept = pointer }
}

/// The pointer that was [kept](keep) last, or null.
pub fn kept() -> *const () {
    // SAFETY: as above.
    unsafe { (*state()).kept }
}

/// A bump allocator for one thread.
pub struct Heap;

// SAFETY: every block lies in memory that nothing else uses, and is never handed out again.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference into the state outlives this call.
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

    /// Grows the newest block where it stands, so that a list which grows is not copied each time.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *state() };
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
