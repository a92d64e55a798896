//! Measures the memory of child processes.

use nix::sys::resource::{UsageWho, getrusage};

/// The peak memory, in bytes, of the largest process among the ended descendants that this process and its children
/// have waited for. A server's children are not included.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    // In KiB on Linux.
    u64::try_from(used.max_rss()).ok()?.checked_mul(1024)
}
