//! The operations on the compiler's directory that the engine uses: the seam below it.
//!
//! Owns: the trait [`Fs`] and [`RealFs`], its implementation over one directory descriptor. Every
//! operation takes base names and never follows a symlink at the last component (save
//! [`Fs::resolve`], which only looks), so neither a directory that is renamed or swapped nor a
//! planted link can lead a change elsewhere. Must never decide anything: what an error means is
//! for the caller.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags, RenameFlags, Timestamps};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// A point in time, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// Seconds since the epoch.
    pub sec: i64,
    /// Nanoseconds within the second.
    pub nsec: u32,
}

impl Time {
    pub(super) fn now() -> Self {
        // A clock before the epoch is as good as the epoch for what this is used for.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            sec: since.as_secs().try_into().unwrap_or(i64::MAX),
            nsec: since.subsec_nanos(),
        }
    }
}

/// What kind of thing an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// Anything else: a device, a pipe, a socket.
    Other,
}

/// What `stat` says about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Its kind.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of its content.
    pub mtime: Time,
    /// Permission bits, with the set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names that the inode has.
    pub nlink: u64,
    /// Device and inode number.
    pub id: Inode,
}

impl Meta {
    /// Whether `now` is the same thing as before. Not by the inode: a union file system gives a
    /// file another one when it is first changed, linked or renamed.
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

/// The attributes that a new file is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attrs {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change.
    pub mtime: Time,
}

/// One directory, and what the engine does in it. Names are base names.
pub trait Fs {
    /// A file that was just written and is not yet known to be on disk.
    type Open;

    /// The directory as the user named it. For messages only.
    fn path(&self) -> &Path;
    /// The effective user.
    fn euid(&self) -> u32;
    /// The directory itself.
    fn dir(&self) -> io::Result<Meta>;
    /// The names in it.
    fn list(&self) -> io::Result<Vec<OsString>>;
    /// The entry itself, a symlink not followed; `None` where there is none.
    fn stat(&self, name: &OsStr) -> io::Result<Option<Meta>>;
    /// What `name` (here also a link's text) leads to; `None` where it leads nowhere.
    fn resolve(&self, name: &OsStr) -> io::Result<Option<Meta>>;
    /// The text of a symlink.
    fn read_link(&self, name: &OsStr) -> io::Result<OsString>;
    /// A regular file's content; `None` where it is no regular file or longer than `limit`.
    fn read(&self, name: &OsStr, limit: u64) -> io::Result<Option<(Meta, Vec<u8>)>>;

    /// A new file (never an existing one) with these bytes and attributes.
    fn create(&self, name: &OsStr, bytes: &[u8], attrs: &Attrs) -> io::Result<Self::Open>;
    /// Waits until the file's content and attributes are on disk.
    fn sync(&self, file: &Self::Open) -> io::Result<()>;
    /// A new symlink; `attrs` where it stands in for one that had them.
    fn symlink(&self, text: &OsStr, name: &OsStr, attrs: Option<&Attrs>) -> io::Result<()>;
    /// A second name for what stands at `from`, be it a symlink. Never over an existing name.
    fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()>;
    /// Renames over whatever stands at `to`.
    fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()>;
    /// Renames unless something stands at `to`.
    fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()>;
    /// Swaps two names in one instant.
    fn exchange(&self, one: &OsStr, two: &OsStr) -> io::Result<()>;
    /// Removes a name that is no directory.
    fn remove(&self, name: &OsStr) -> io::Result<()>;
    /// Waits until all changes of names so far are on disk.
    fn sync_dir(&self) -> io::Result<()>;
}

/// The real directory.
#[derive(Debug)]
pub struct RealFs {
    dir: File,
    path: PathBuf,
}

impl RealFs {
    /// Opens the directory `path`. A symlink on the way is followed, here and never again.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = sys::open(path, flags, Mode::empty())?;
        Ok(Self {
            dir: File::from(dir),
            path: path.to_owned(),
        })
    }

    /// The directory's descriptor: what the lock is taken on.
    pub(super) fn file(&self) -> &File {
        &self.dir
    }

    fn open_at(&self, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(sys::openat(&self.dir, name, flags, mode)?))
    }

    fn create_at(&self, name: &OsStr) -> io::Result<File> {
        // Nobody else can read or run it until it is complete and has its final mode.
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
        // NONBLOCK: a pipe that was put there must not hold us up.
        let file = match self.open_at(name, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
            Err(err) if Errno::from_io_error(&err) == Some(Errno::LOOP) => return Ok(None),
            other => other?,
        };
        let meta = meta(&sys::fstat(&file)?);
        if meta.kind != Kind::File || meta.size > limit {
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
        // No flag: a symlink is linked as a symlink.
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
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Symlink,
        FileType::Directory => Kind::Directory,
        _ => Kind::Other,
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

/// Only root can give a file away; anybody else keeps it, as `cp -p` does.
fn tolerate_owner(set: rustix::io::Result<()>, euid: u32) -> io::Result<()> {
    match set {
        Err(Errno::PERM) if euid != 0 => Ok(()),
        other => Ok(other?),
    }
}
