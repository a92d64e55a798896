//! The file operations that the engine performs in the compiler's directory, behind a trait.
//!
//! Owns: the trait [`Fs`], and [`RealFs`], its implementation on one directory descriptor. Every
//! operation takes base names and does not follow a symlink (except [`Fs::resolve`], which only
//! reads). So neither a renamed or exchanged directory nor a planted link can redirect a change. Must
//! never interpret an error: that is up to the caller.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags, RenameFlags, Timestamps};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::support::time::Time;

/// The kind of a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// Anything else: a device, a pipe, a socket.
    Other,
}

/// The metadata of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Its kind.
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Permission bits, with the set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of hard links.
    pub nlink: u64,
    /// Device and inode number.
    pub id: Inode,
}

impl Meta {
    /// Whether `now` is still the same file. The inode is not compared, since a union file system
    /// changes it when a file is first modified, linked or renamed.
    pub(super) fn is_still(&self, now: &Self) -> bool {
        self.kind == now.kind && self.size == now.size && self.mtime == now.mtime
    }
}

/// A device and an inode number on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Inode {
    /// Device.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

/// The attributes of a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attrs {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Time,
}

/// The operations of the engine in one directory. All names are base names.
pub trait Fs {
    /// A file that was just written and may not be on disk yet.
    type Open;

    /// The directory's path as the user gave it. Used only in messages.
    fn path(&self) -> &Path;
    /// The effective user ID.
    fn euid(&self) -> u32;
    /// The directory's own metadata.
    fn dir(&self) -> io::Result<Meta>;
    /// The names in the directory.
    fn list(&self) -> io::Result<Vec<OsString>>;
    /// The entry's own metadata, without following a symlink. `None` if there is no entry.
    fn stat(&self, name: &OsStr) -> io::Result<Option<Meta>>;
    /// The metadata of the target of `name`, which may also be a link's text. `None` if there is none.
    fn resolve(&self, name: &OsStr) -> io::Result<Option<Meta>>;
    /// The target of a symlink, unresolved.
    fn read_link(&self, name: &OsStr) -> io::Result<OsString>;
    /// A regular file's content. `None` if it is not a regular file or longer than `limit`.
    fn read(&self, name: &OsStr, limit: u64) -> io::Result<Option<(Meta, Vec<u8>)>>;

    /// Creates a new file with these bytes and attributes. Fails if the name exists.
    fn create(&self, name: &OsStr, bytes: &[u8], attrs: &Attrs) -> io::Result<Self::Open>;
    /// Flushes the file's content and attributes to disk.
    fn sync(&self, file: &Self::Open) -> io::Result<()>;
    /// Creates a symlink, with `attrs` if it recreates one that had them.
    fn symlink(&self, text: &OsStr, name: &OsStr, attrs: Option<&Attrs>) -> io::Result<()>;
    /// Makes a hard link to `from`, which may be a symlink. Fails if `to` exists.
    fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()>;
    /// Renames, replacing `to`.
    fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()>;
    /// Renames unless `to` exists.
    fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()>;
    /// Exchanges two names atomically.
    fn exchange(&self, one: &OsStr, two: &OsStr) -> io::Result<()>;
    /// Removes a name that is not a directory.
    fn remove(&self, name: &OsStr) -> io::Result<()>;
    /// Flushes all changes of names so far to disk.
    fn sync_dir(&self) -> io::Result<()>;
}

/// [`Fs`] on a real directory.
#[derive(Debug)]
pub struct RealFs {
    dir: File,
    path: PathBuf,
}

impl RealFs {
    /// Opens the directory `path`. Symlinks in the path are followed here and never again.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = sys::open(path, flags, Mode::empty())?;
        Ok(Self {
            dir: File::from(dir),
            path: path.to_owned(),
        })
    }

    /// The directory's descriptor, on which the lock is taken.
    pub(super) fn file(&self) -> &File {
        &self.dir
    }

    fn open_at(&self, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(sys::openat(&self.dir, name, flags, mode)?))
    }

    fn create_at(&self, name: &OsStr) -> io::Result<File> {
        // Nobody else may read or execute it until it is complete and has its final mode.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        self.open_at(name, flags, Mode::RUSR | Mode::WUSR)
    }
}

impl Fs for RealFs {
    type Open = File;

    fn path(&self) -> &Path {
        &self.path
    }

    fn euid(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn dir(&self) -> io::Result<Meta> {
        Ok(meta(&sys::fstat(&self.dir)?))
    }

    fn list(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in sys::Dir::read_from(&self.dir)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort();
        Ok(names)
    }

    fn stat(&self, name: &OsStr) -> io::Result<Option<Meta>> {
        match sys::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(meta(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(err) => Err(err.into()),
        }
    }

    fn resolve(&self, name: &OsStr) -> io::Result<Option<Meta>> {
        match sys::statat(&self.dir, name, AtFlags::empty()) {
            Ok(stat) => Ok(Some(meta(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(err) => Err(err.into()),
        }
    }

    fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        let text = sys::readlinkat(&self.dir, name, Vec::new())?;
        Ok(OsString::from_vec(text.into_bytes()))
    }

    fn read(&self, name: &OsStr, limit: u64) -> io::Result<Option<(Meta, Vec<u8>)>> {
        // NONBLOCK, so that opening a pipe does not block.
        let file = match self.open_at(name, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
            Err(err) if Errno::from_io_error(&err) == Some(Errno::LOOP) => return Ok(None),
            other => other?,
        };
        let meta = meta(&sys::fstat(&file)?);
        if meta.kind != EntryKind::File || meta.size > limit {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some((meta, bytes)))
    }

    fn create(&self, name: &OsStr, bytes: &[u8], attrs: &Attrs) -> io::Result<File> {
        let mut file = self.create_at(name)?;
        file.write_all(bytes)?;
        set_owner(&file, attrs, self.euid())?;
        sys::fchmod(&file, Mode::from_raw_mode(attrs.mode))?;
        sys::futimens(&file, &times(attrs.mtime))?;
        Ok(file)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn symlink(&self, text: &OsStr, name: &OsStr, attrs: Option<&Attrs>) -> io::Result<()> {
        sys::symlinkat(text, &self.dir, name)?;
        if let Some(attrs) = attrs {
            let (uid, gid) = ids(attrs);
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            let set = sys::chownat(&self.dir, name, uid, gid, flags);
            tolerate_owner(set, self.euid())?;
            sys::utimensat(&self.dir, name, &times(attrs.mtime), flags)?;
        }
        Ok(())
    }

    fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        // Without a flag, linkat links a symlink itself.
        Ok(sys::linkat(
            &self.dir,
            from,
            &self.dir,
            to,
            AtFlags::empty(),
        )?)
    }

    fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(sys::renameat(&self.dir, from, &self.dir, to)?)
    }

    fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        let flags = RenameFlags::NOREPLACE;
        Ok(sys::renameat_with(&self.dir, from, &self.dir, to, flags)?)
    }

    fn exchange(&self, one: &OsStr, two: &OsStr) -> io::Result<()> {
        let flags = RenameFlags::EXCHANGE;
        Ok(sys::renameat_with(&self.dir, one, &self.dir, two, flags)?)
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(sys::unlinkat(&self.dir, name, AtFlags::empty())?)
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(sys::fsync(&self.dir)?)
    }
}

fn meta(stat: &sys::Stat) -> Meta {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryKind::File,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Directory => EntryKind::Directory,
        _ => EntryKind::Other,
    };
    Meta {
        kind,
        size: stat.st_size.try_into().unwrap_or(0),
        mtime: Time {
            sec: stat.st_mtime,
            nsec: stat.st_mtime_nsec.try_into().unwrap_or(0),
        },
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        nlink: stat.st_nlink,
        id: Inode {
            dev: stat.st_dev,
            ino: stat.st_ino,
        },
    }
}

fn times(mtime: Time) -> Timestamps {
    Timestamps {
        last_access: sys::Timespec {
            tv_sec: 0,
            tv_nsec: sys::UTIME_OMIT,
        },
        last_modification: sys::Timespec {
            tv_sec: mtime.sec,
            tv_nsec: mtime.nsec.into(),
        },
    }
}

fn ids(attrs: &Attrs) -> (Option<sys::Uid>, Option<sys::Gid>) {
    let uid = sys::Uid::from_raw(attrs.uid);
    (Some(uid), Some(sys::Gid::from_raw(attrs.gid)))
}

fn set_owner(file: impl AsFd, attrs: &Attrs, euid: u32) -> io::Result<()> {
    let (uid, gid) = ids(attrs);
    tolerate_owner(sys::fchown(file, uid, gid), euid)
}

/// Only root can change a file's owner. For others the file stays theirs, as with `cp -p`.
fn tolerate_owner(set: rustix::io::Result<()>, euid: u32) -> io::Result<()> {
    match set {
        Err(Errno::PERM) if euid != 0 => Ok(()),
        other => Ok(other?),
    }
}
