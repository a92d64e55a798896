//! Reads the metadata that shows whether a file's content changed.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags, Stat, open, stat, statat};
use serde::{Deserialize, Serialize};

use crate::support::time::Time;

/// The metadata of a file that shows a change of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The file system's device number.
    pub dev: u64,
    /// The inode number; a replacement by rename changes it.
    pub ino: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time: the last write, or a time that somebody set.
    pub mtime: Time,
    /// Change time: the last change of content or metadata. Nobody can set it. A new hard link
    /// updates it.
    pub ctime: Time,
}

impl Stamp {
    /// The stamp of `path`, with links followed.
    ///
    /// # Errors
    /// Those of stat(2).
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&stat(path)?))
    }

    /// Whether all but the change time is equal: the same file and, as far as modification times
    /// can be trusted, the same content.
    #[must_use]
    pub fn has_content_of(&self, other: &Self) -> bool {
        let ctime = other.ctime;
        Self { ctime, ..*self } == *other
    }

    /// Whether the file may change again without a change of its stamp: file systems take the time
    /// from a clock that ticks every 4 or 10 ms. `now` is a time before the file was read.
    #[must_use]
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        const TICKS: Duration = Duration::from_millis(50);
        let settled = now
            .checked_sub(TICKS)
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            .unwrap_or_default();
        let settled = Time {
            sec: settled.as_secs().cast_signed(),
            nsec: settled.subsec_nanos(),
        };
        self.ctime >= settled
    }
}

/// Takes the stamps of many files. A file in the same directory as the previous one is looked up
/// from there, which takes half as long as a look-up from the root.
#[derive(Default)]
pub struct Stamps {
    dir: Option<(Vec<u8>, OwnedFd)>,
}

impl Stamps {
    /// The same as [`Stamp::of`].
    ///
    /// # Errors
    /// Those of stat(2), and of open(2) for the directory.
    pub fn of(&mut self, path: &Path) -> io::Result<Stamp> {
        // Path components would take longer than the system call.
        let bytes = path.as_os_str().as_bytes();
        let parts = memchr::memrchr(b'/', bytes).map(|slash| bytes.split_at(slash + 1));
        let Some((parent, name)) = parts.filter(|(_, name)| !name.is_empty()) else {
            return Stamp::of(path);
        };
        let dir = match self.dir.take() {
            Some(known) if known.0 == parent => known,
            _ => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                (parent.to_owned(), open(parent, flags, Mode::empty())?)
            }
        };
        let (_, dir) = self.dir.insert(dir);
        Ok(Stamp::from(&statat(dir, name, AtFlags::empty())?))
    }
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Self {
        // Nanoseconds are below 10^9 (stat(2)).
        let time = |sec, nsec: u64| Time {
            sec,
            nsec: u32::try_from(nsec).unwrap_or_default(),
        };
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: stat.st_size.cast_unsigned(),
            mtime: time(stat.st_mtime, stat.st_mtime_nsec),
            ctime: time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::testing::Fixture;

    #[test]
    fn stamps_taken_from_a_directory_are_those_of_the_paths() {
        let dir = Fixture::new();
        for file in ["a/one", "a/two", "b/one"] {
            dir.write(file, file.as_bytes());
        }
        std::os::unix::fs::symlink("../b/one", dir.path().join("a/link")).unwrap();
        let mut stamps = Stamps::default();
        let of_path = |path: &Path| Stamp::of(path).ok();
        for name in [
            "a/one", "a/two", "b/one", "a/link", "a/none", "a/one/x", "c/x", "a", "a/", "a/..",
            "b/one",
        ] {
            let path = dir.path().join(name);
            assert_eq!(stamps.of(&path).ok(), of_path(&path), "{name}");
        }
        for name in ["/", "Cargo.toml"] {
            let path = Path::new(name);
            assert_eq!(stamps.of(path).ok(), of_path(path), "{name}");
        }
    }
}
