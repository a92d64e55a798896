//! Classification of errors by their errno.

use std::io;

use rustix::io::Errno;

/// Whether the file system does not support the flags of `renameat2`. The kernel returns EINVAL for
/// a flag that a file system does not know.
pub(super) fn no_exchange(err: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(err),
        Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP)
    )
}

/// Whether the file cannot be hard-linked. EPERM: the file system has no hard links (FAT), or the file
/// belongs to another user (`fs.protected_hardlinks`). EXDEV: the file is on another layer of a union
/// file system, or another file is mounted over it.
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
