//! Whether another process lives in the same container.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::shared::bytes::push_decimal;
use crate::shared::sys;

/// Whether `process` sees the same files and processes as this one. Assumed true if its namespaces may not be
/// inspected.
#[must_use]
pub fn shares_namespaces(process: usize) -> bool {
    let mut number = Vec::new();
    push_decimal(&mut number, process as u64);
    process != 0
        && [&b"/ns/mnt\0"[..], b"/ns/pid\0"].iter().all(|namespace| {
            let of = |process: &[u8]| {
                let path = [b"/proc/", process, namespace].concat();
                let stat = sys::stat(CStr::from_bytes_until_nul(&path).unwrap_or_default());
                stat.ok()
                    .map(|stat| (stat.file_state.dev, stat.file_state.ino))
            };
            of(&number).is_none_or(|theirs| of(b"self") == Some(theirs))
        })
}
