//! What an error number says about a file system.

use std::io;

use rustix::io::Errno;

/// Errors that say "this file system cannot", for an exchange of names. EINVAL is what the kernel
/// answers for flags that a file system does not take.
pub(super) fn no_exchange(err: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(err),
        Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP)
    )
}

/// The same for hard links. EPERM: no hard links here (FAT), or not to somebody else's file
/// (`fs.protected_hardlinks`). EXDEV: a union file system that keeps the name on another layer, or
/// a file that was mounted over the name; then the rename fails too and nothing was changed.
pub(super) fn no_link(err: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(err),
        Some(Errno::PERM | Errno::MLINK | Errno::NOTSUP | Errno::NOSYS | Errno::XDEV)
    )
}

pub(super) fn is_full(err: &io::Error) -> bool {
    matches!(Errno::from_io_error(err), Some(Errno::NOSPC | Errno::DQUOT))
}

pub(super) fn missing_right(err: &io::Error) -> &'static str {
    match Errno::from_io_error(err) {
        Some(Errno::ROFS) => "it is mounted read-only",
        Some(Errno::ACCESS) => "this user has no right to write and search the directory",
        Some(Errno::PERM) => "the directory is immutable, or this user lacks the privilege",
        Some(Errno::NOSPC) => "the file system is full",
        Some(Errno::DQUOT) => "the quota of this user is used up",
        _ => "a file could not be made and removed there",
    }
}
