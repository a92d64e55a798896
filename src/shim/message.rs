//! What the shim says, always on standard error and always as `rock-wrap: ...`.

use alloc::vec::Vec;

use crate::sys;

/// Writes one line in one write, so that parallel compiles do not mix theirs. Control characters
/// of foreign text become `?`, so that a path cannot steer a terminal.
pub fn say(parts: &[&[u8]]) {
    let mut line = Vec::with_capacity(512);
    line.extend_from_slice(b"rock-wrap: ");
    for part in parts {
        line.extend(part.iter().map(|byte| if *byte < b' ' || *byte == 0x7f { b'?' } else { *byte }));
    }
    line.push(b'\n');
    sys::write_stderr(&line);
}
