//! What a file's metadata says of its content.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A point in time, as the file system keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time {
    /// Seconds since 1970.
    pub sec: i64,
    /// Nanoseconds beyond that.
    pub nsec: u32,
}

/// A file's metadata, as far as a change of its content shows in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The file system.
    pub dev: u64,
    /// The file's number on it: another one after any replacement by rename.
    pub ino: u64,
    /// In bytes.
    pub size: u64,
    /// When the content was last written, or what somebody has set.
    pub mtime: Time,
    /// When content or metadata were last changed; nobody can set it. Each new hard link moves it.
    pub ctime: Time,
}

impl Stamp {
    /// The stamp of what `path` leads to, links followed.
    ///
    /// # Errors
    /// Those of stat(2).
    pub fn of(path: &Path) -> io::Result<Self> {
        path.metadata().map(|metadata| Self::from(&metadata))
    }

    /// Whether this is the state of the same file with, as far as times can be believed, the same
    /// content: all but the change time.
    #[must_use]
    pub fn has_content_of(&self, other: &Self) -> bool {
        let ctime = other.ctime;
        Self { ctime, ..*self } == *other
    }

    /// Whether the file may change once more without a change of the stamp: file systems take the
    /// time from a clock that ticks every 4 or 10 ms. `now` is from before the file was read.
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

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        // Nanoseconds are below 10^9, by stat(2).
        let time = |sec, nsec: i64| Time {
            sec,
            nsec: u32::try_from(nsec).unwrap_or_default(),
        };
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime: time(metadata.mtime(), metadata.mtime_nsec()),
            ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
