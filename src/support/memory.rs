//! How much memory children took.

use nix::sys::resource::{UsageWho, getrusage};

/// The bytes of memory of the largest process that this one, or what it started, has waited for. A server's children are
/// not among them.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    // In KiB on Linux.
    u64::try_from(used.max_rss()).ok()?.checked_mul(1024)
}
