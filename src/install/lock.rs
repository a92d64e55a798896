//! Allows one install or restore at a time in a directory.
//!
//! Owns: the lock, an exclusive `flock` on the directory itself. It leaves no file behind, and the
//! kernel releases it when its holder ends. Must never be taken by a compile.
//!
//! # Limitations
//! A network file system may refuse to lock a directory that is open for reading. Nothing can be
//! installed there.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::install::error::Error;

/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes the lock on `dir`, waiting up to `limit`. If it is held, `on_wait` is called once with the
/// holder's process ID, if that can be found.
pub(super) fn lock(
    dir: &File,
    path: &Path,
    limit: Duration,
    on_wait: &mut dyn FnMut(Option<u32>),
) -> Result<(), Error> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match dir.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => {
                return Err(Error::Lock {
                    path: path.to_owned(),
                    source,
                });
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if start.elapsed() >= limit {
            return Err(Error::Locked {
                path: path.to_owned(),
                pid: holder(dir),
            });
        }
        if !told {
            told = true;
            on_wait(holder(dir));
        }
        thread::sleep(PAUSE);
    }
}

fn holder(dir: &File) -> Option<u32> {
    let meta = dir.metadata().ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    holder_in(&locks, meta.dev(), meta.ino())
}

/// Parses lines like `1: FLOCK  ADVISORY  WRITE 7692 fe:00:246951 0 EOF`. A waiter's line has `->` after
/// the number.
fn holder_in(locks: &str, dev: u64, ino: u64) -> Option<u32> {
    let major = rustix::fs::major(dev);
    let minor = rustix::fs::minor(dev);
    let exact = format!("{major:02x}:{minor:02x}:{ino}");
    // On btrfs and overlayfs the device in this list differs from that of `stat`. Matching the inode
    // number alone is reliable enough for a message.
    let loose = format!(":{ino}");
    let find = |fits: &dyn Fn(&str) -> bool| {
        locks.lines().find_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let [_, "FLOCK", _, _, pid, file, ..] = words[..] else {
                return None;
            };
            let pid = fits(file).then(|| pid.parse().ok()).flatten()?;
            // A holder in another PID namespace is shown as 0.
            (pid != 0).then_some(pid)
        })
    };
    find(&|file| file == exact).or_else(|| find(&|file| file.ends_with(&loose)))
}
