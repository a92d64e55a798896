//! A snapshot of a directory tree, to compare it with an earlier one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file, directory or other entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    /// The modification time. For a directory only with [`Look::Changes`], because an entry that is made and removed
    /// changes it.
    mtime: Option<(i64, i64)>,
    /// The change time, with [`Look::Changes`].
    ctime: Option<(i64, i64)>,
    /// Device, inode number and number of hard links, which is 0 for a directory.
    inode: Option<(u64, u64, u64)>,
    link: Option<PathBuf>,
    /// A file's length and, with [`Look::Contents`], its digest.
    content: Option<(u64, Option<blake3::Hash>)>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// How two states of a file are told apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Contents,
    Changes,
}

/// A snapshot of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest(BTreeMap<PathBuf, Entry>);

impl Manifest {
    /// Takes a snapshot of `root` and everything below it, with all that a restore must bring back.
    pub fn of(root: &Path) -> Self {
        Self::with(root, Look::Contents)
    }

    /// Takes a snapshot with change times instead of contents, so that every write is noticed.
    pub fn with_changes(root: &Path) -> Self {
        Self::with(root, Look::Changes)
    }

    fn with(root: &Path, look: Look) -> Self {
        let mut found = BTreeMap::new();
        visit(root, Path::new("."), look, &mut found);
        Self(found)
    }

    /// Drops the inodes. They cannot be the same after a copy of the tree, on a union file system, or if an original
    /// had to be copied.
    pub fn without_inodes(mut self) -> Self {
        self.0.values_mut().for_each(|entry| entry.inode = None);
        self
    }

    /// Drops the inode numbers and keeps the numbers of hard links, to compare two trees that went through the same
    /// steps.
    pub fn without_inode_numbers(mut self) -> Self {
        self.0.values_mut().for_each(|entry| {
            entry.inode = entry.inode.map(|(_, _, names)| (0, 0, names));
        });
        self
    }

    /// Drops the numbers of hard links.
    pub fn without_name_counts(mut self) -> Self {
        self.0.values_mut().for_each(|entry| {
            entry.inode = entry.inode.map(|(device, number, _)| (device, number, 0));
        });
        self
    }

    /// Drops the entries with these names.
    pub fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|path, _| {
            !names
                .iter()
                .any(|name| path.file_name() == Some(name.as_ref()))
        });
        self
    }

    /// Drops the extended attributes.
    pub fn without_xattrs(mut self) -> Self {
        self.0.values_mut().for_each(|entry| entry.xattrs.clear());
        self
    }

    /// Drops the entries that are rock-wrap's.
    pub fn without_ours(mut self) -> Self {
        self.0.retain(|path, _| !is_ours(path));
        self
    }

    /// The names of the entries that are rock-wrap's.
    pub fn ours(&self) -> Vec<OsString> {
        let ours = self.0.keys().filter(|path| is_ours(path));
        ours.filter_map(|path| path.file_name())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// Lists the entries that differ, each before and after.
    pub fn difference(&self, other: &Self) -> String {
        let mut text = String::new();
        let paths = self.0.keys().chain(other.0.keys());
        let paths: std::collections::BTreeSet<_> = paths.collect();
        for path in paths {
            let (before, after) = (self.0.get(path), other.0.get(path));
            if before != after {
                writeln!(
                    text,
                    "{}\n  before {before:?}\n  after  {after:?}",
                    path.display()
                )
                .unwrap();
            }
        }
        text
    }

    /// Checks that `now` is the same. `what` names the tree or the situation in the message.
    #[track_caller]
    pub fn assert_same(&self, now: &Self, what: impl std::fmt::Display) {
        assert!(
            self == now,
            "{what}: the snapshot differs\n{}",
            self.difference(now)
        );
    }
}

fn is_ours(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.as_bytes();
        name.ends_with(b".7625") || name.ends_with(b".9727") || name.starts_with(b".rockwrap-")
    })
}

fn visit(path: &Path, relative: &Path, look: Look, found: &mut BTreeMap<PathBuf, Entry>) {
    let changes = look == Look::Changes;
    let metadata = path.symlink_metadata().unwrap();
    let kind = metadata.file_type();
    let is_dir = kind.is_dir();
    let content = kind.is_file().then(|| {
        let digest = (!changes).then(|| blake3::hash(&std::fs::read(path).unwrap()));
        (metadata.len(), digest)
    });
    let entry = Entry {
        kind: match () {
            () if is_dir => "directory",
            () if kind.is_symlink() => "symlink",
            () if kind.is_file() => "file",
            () => "other",
        },
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        mtime: (changes || !is_dir).then(|| (metadata.mtime(), metadata.mtime_nsec())),
        ctime: changes.then(|| (metadata.ctime(), metadata.ctime_nsec())),
        inode: Some((
            metadata.dev(),
            metadata.ino(),
            if is_dir { 0 } else { metadata.nlink() },
        )),
        link: kind.is_symlink().then(|| path.read_link().unwrap()),
        content,
        xattrs: xattrs(path),
    };
    found.insert(relative.to_owned(), entry);
    if is_dir {
        for entry in path.read_dir().unwrap() {
            let name = entry.unwrap().file_name();
            visit(&path.join(&name), &relative.join(&name), look, found);
        }
    }
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut list = vec![0; 4096];
    // A file system may not support extended attributes.
    let length = rustix::fs::llistxattr(path, &mut list).unwrap_or(0);
    let names = list[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    // overlayfs keeps its own records in these attributes, and they change with every operation.
    let names = names.filter(|name| !name.starts_with(b"trusted.overlay."));
    names
        .map(|name| {
            let mut value = vec![0; 4096];
            let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            value.truncate(length);
            (name.to_vec(), value)
        })
        .collect()
}
