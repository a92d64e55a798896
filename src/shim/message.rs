//! The shim's messages, always on standard error and always prefixed with `rock-wrap: `.

use alloc::vec::Vec;

use crate::shared::sys;

/// Writes one line with a single write, so that the lines of parallel compiles do not mix. Control characters
/// become `?`, so that a path cannot control the terminal.
#[cold]
pub fn say(parts: &[&[u8]]) {
    let mut line = Vec::with_capacity(512);
    line.extend_from_slice(b"rock-wrap: ");
    for byte in parts.iter().copied().flatten() {
        line.push(if byte.is_ascii_control() { b'?' } else { *byte });
    }
    line.push(b'\n');
    sys::write_stderr(&line);
}
