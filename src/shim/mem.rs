//! The memory functions that the compiler calls for copies, fills and comparisons.
//!
//! A freestanding executable has no libc to provide them. They are written in assembly, because the optimiser could
//! turn a loop in here into a call of the function itself.

use core::arch::asm;

/// Copies `n` bytes from `src` to `dest`, which must not overlap.
///
/// # Safety
/// As C's `memcpy`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(dest: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        asm!("rep movsb", inout("rcx") n => _, inout("rdi") dest => _, inout("rsi") src => _,
            options(nostack, preserves_flags));
    }
    dest
}

/// Copies `n` bytes from `src` to `dest`, which may overlap.
///
/// # Safety
/// As C's `memmove`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(dest: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    if (dest as usize).wrapping_sub(src as usize) >= n {
        // SAFETY: copying upwards never overwrites a byte of `src` before it is read.
        return unsafe { memcpy(dest, src, n) };
    }
    // SAFETY: `n` is not 0 here, so both last bytes exist; the direction flag is cleared again.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") n => _,
            inout("rdi") dest.add(n - 1) => _, inout("rsi") src.add(n - 1) => _, options(nostack));
    }
    dest
}

/// Sets `n` bytes at `dest` to the low byte of `value`.
///
/// # Safety
/// As C's `memset`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(dest: *mut u8, value: i32, n: usize) -> *mut u8 {
    // SAFETY: the caller vouches for the range.
    unsafe {
        asm!("rep stosb", inout("rcx") n => _, inout("rdi") dest => _, in("al") value as u8,
            options(nostack, preserves_flags));
    }
    dest
}

/// The sign of the first difference between two ranges of `n` bytes, 0 if they are equal.
///
/// # Safety
/// As C's `memcmp`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    let difference: i32;
    // SAFETY: the caller vouches for both ranges; no byte after the first difference is read. `repe cmpsb` would be
    // slower: the ranges compared here differ early, and it is slow to start.
    unsafe {
        asm!("xor {at:e}, {at:e}", "xor {left:e}, {left:e}",
            "2:", "cmp {at}, {n}", "je 3f",
            "movzx {left:e}, byte ptr [{a} + {at}]", "movzx {right:e}, byte ptr [{b} + {at}]",
            "inc {at}", "sub {left:e}, {right:e}", "je 2b",
            "3:",
            at = out(reg) _, left = out(reg) difference, right = out(reg) _,
            a = in(reg) a, b = in(reg) b, n = in(reg) n, options(nostack, readonly));
    }
    difference
}

/// Like [`memcmp`], but only zero or nonzero matters.
///
/// # Safety
/// As C's `bcmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the caller's contract is that of `memcmp`.
    unsafe { memcmp(a, b, n) }
}

/// The length of a NUL-terminated string, for `CStr::from_ptr`.
///
/// # Safety
/// As C's `strlen`.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(s: *const u8) -> usize {
    let end: *const u8;
    // SAFETY: the caller vouches for a NUL at or after `s`; `repne scasb` stops there.
    unsafe {
        asm!("repne scasb", inout("rcx") usize::MAX => _, inout("rdi") s => end, in("al") 0u8,
            options(nostack, readonly));
    }
    end as usize - s as usize - 1
}
