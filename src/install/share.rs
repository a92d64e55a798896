//! Lets build sessions share a wrapped directory. The last session to leave restores it.
//!
//! Owns: the session file, which marks a directory as wrapped for sessions and not permanently. Each
//! session holds a shared `flock` on it, which the kernel releases however the session ends. A file
//! without a lock was left by sessions that were killed, and the next session takes it over. Joining
//! and leaving happen under the directory's lock, so that no session joins during a restore.
//!
//! The file is created before the first shim and removed after the last. So a crash may leave an empty
//! session file, but never a wrapped directory that no session would restore.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::fs::{self as sys, AtFlags, Mode, OFlags};

use crate::install::fs::Fs as _;
use crate::install::{Bin, Error, Locked};
use crate::rocm::names;

/// A session's share in a wrapped directory. It ends when the last descriptor is closed in any process;
/// the guard holds one too.
#[derive(Debug)]
pub struct Share {
    file: File,
}

impl Share {
    /// Takes over a share that was inherited from another process.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { file: fd.into() }
    }

    /// Duplicates the share's descriptor, to pass it to another process.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }
}

/// Who keeps a directory wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// No session: there is no session file. The directory may be wrapped permanently.
    Nobody,
    /// Sessions that have ended without restoring it.
    Abandoned,
    /// Running sessions.
    Sessions,
}

impl Bin {
    fn open_share(&self, flags: OFlags) -> Result<Option<File>, Error> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        match sys::openat(self.fs.file(), names::SESSION, flags, mode) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::Create {
                path: self.share_path(),
                source: errno.into(),
            }),
        }
    }

    fn share_path(&self) -> PathBuf {
        self.fs.path().join(names::SESSION)
    }

    fn lock_error(&self, source: io::Error) -> Error {
        Error::Lock {
            path: self.share_path(),
            source,
        }
    }
}

impl Locked<'_> {
    /// Which sessions keep the directory wrapped.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub fn keeper(&self) -> Result<Keeper, Error> {
        let Some(file) = self.bin.open_share(OFlags::RDONLY)? else {
            return Ok(Keeper::Nobody);
        };
        match file.try_lock() {
            Ok(()) => Ok(Keeper::Abandoned),
            Err(TryLockError::WouldBlock) => Ok(Keeper::Sessions),
            Err(TryLockError::Error(source)) => Err(self.bin.lock_error(source)),
        }
    }

    /// Joins the sessions that keep the directory wrapped, or becomes the first.
    ///
    /// # Errors
    /// The session file cannot be created or locked.
    pub fn join(&self) -> Result<Share, Error> {
        let flags = OFlags::RDONLY | OFlags::CREATE;
        let file = self.bin.open_share(flags)?.ok_or_else(|| {
            // With O_CREAT, ENOENT means that the directory is gone.
            self.bin.lock_error(io::ErrorKind::NotFound.into())
        })?;
        file.lock_shared()
            .map_err(|source| self.bin.lock_error(source))?;
        Ok(Share { file })
    }

    /// Whether `share` is the last one and the directory is still wrapped only for sessions. If so, its
    /// holder must restore the directory and then call [`forget`](Self::forget). If not, the share is
    /// given up.
    ///
    /// # Errors
    /// The session file cannot be inspected or locked.
    pub fn is_last(&self, share: &Share) -> Result<bool, Error> {
        let inspect = |source: io::Error| Error::Inspect {
            path: self.bin.share_path(),
            source,
        };
        let own = share.file.metadata().map_err(inspect)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        match sys::statat(self.bin.fs.file(), names::SESSION, flags) {
            Ok(there) if (there.st_dev, there.st_ino) == (own.dev(), own.ino()) => {}
            // In the meantime the shims were installed permanently, or the directory was restored.
            Ok(_) | Err(rustix::io::Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(inspect(errno.into())),
        }
        match share.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => Err(self.bin.lock_error(source)),
        }
    }

    /// Removes the session file: the directory is now wrapped permanently or not at all. Must be called
    /// after that change has succeeded, so that a failed change leaves the sessions their file.
    ///
    /// # Errors
    /// The file cannot be removed, or the removal cannot be flushed to disk.
    pub fn forget(&self) -> Result<(), Error> {
        let path = || self.bin.share_path();
        let name = OsStr::new(names::SESSION);
        // Checked first, so that a missing file is no error in a read-only directory.
        let there = self.bin.fs.stat(name).map_err(|source| Error::Inspect {
            path: path(),
            source,
        })?;
        match there.map(|_| self.bin.fs.remove(name)) {
            None => Ok(()),
            Some(Err(source)) if source.kind() != io::ErrorKind::NotFound => Err(Error::Remove {
                path: path(),
                source,
            }),
            // If the file came back after a power cut, the next session would take a permanent
            // installation for one that another session left, and restore it.
            Some(_) => self.bin.fs.sync_dir().map_err(|source| Error::SyncDir {
                path: self.bin.fs.path().to_owned(),
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn bin(dir: &Path) -> Bin {
        Bin::open(dir).unwrap()
    }

    fn locked<T>(dir: &Path, act: impl FnOnce(&Locked<'_>) -> T) -> T {
        let bin = bin(dir);
        let locked = bin.lock(Duration::from_secs(10), &mut |_| {}).unwrap();
        act(&locked)
    }

    #[test]
    fn the_last_of_several_is_told_so_and_nobody_before() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let one = locked(dir, |locked| locked.join().unwrap());
        let two = locked(dir, |locked| locked.join().unwrap());
        assert_eq!(
            locked(dir, |locked| locked.keeper().unwrap()),
            Keeper::Sessions
        );
        assert!(!locked(dir, |locked| locked.is_last(&one).unwrap()));
        drop(one);
        assert!(locked(dir, |locked| locked.is_last(&two).unwrap()));
        locked(dir, |locked| locked.forget().unwrap());
        assert_eq!(
            locked(dir, |locked| locked.keeper().unwrap()),
            Keeper::Nobody
        );
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
    }

    #[test]
    fn a_part_lives_in_whoever_holds_a_descriptor_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let one = locked(dir, |locked| locked.join().unwrap());
        let guards = Share::from_fd(one.try_clone().unwrap());
        drop(one);
        assert_eq!(
            locked(dir, |locked| locked.keeper().unwrap()),
            Keeper::Sessions
        );
        assert!(locked(dir, |locked| locked.is_last(&guards).unwrap()));
        drop(guards);
        assert_eq!(
            locked(dir, |locked| locked.keeper().unwrap()),
            Keeper::Abandoned
        );
    }

    #[test]
    fn what_was_installed_for_good_meanwhile_is_nobodys_to_restore() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let share = locked(dir, |locked| locked.join().unwrap());
        locked(dir, |locked| locked.forget().unwrap());
        assert!(!locked(dir, |locked| locked.is_last(&share).unwrap()));
        let _later = locked(dir, |locked| locked.join().unwrap());
        assert!(!locked(dir, |locked| locked.is_last(&share).unwrap()));
    }
}
