//! What the shim says, always on standard error and always as `rock-wrap: ...`.

use alloc::vec::Vec;

use crate::shared::sys;

/// Writes one line in one write, so that parallel compiles do not mix theirs. Control characters
/// of foreign text become `?`, so that a path cannot steer a terminal.
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
