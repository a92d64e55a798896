//! Copying and reading directories.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The entries below a directory, by relative path.
pub type Listing = BTreeMap<PathBuf, Entry>;

/// A directory entry.
#[derive(Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Dir,
    /// A symlink and its target.
    Link(PathBuf),
    /// A regular file: mode and content.
    File(u32, Vec<u8>),
}

/// Everything below `dir`, directories before what is in them.
pub fn list(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.clone());
        if path.is_dir() && !path.is_symlink() {
            found.extend(list(&path));
        }
    }
    found
}

/// Reads everything below `dir`.
pub fn read(dir: &Path) -> Listing {
    let read_one = |path: PathBuf| {
        let metadata = path.symlink_metadata().unwrap();
        let entry = if metadata.is_dir() {
            Entry::Dir
        } else if metadata.is_symlink() {
            Entry::Link(std::fs::read_link(&path).unwrap())
        } else {
            Entry::File(metadata.permissions().mode(), std::fs::read(&path).unwrap())
        };
        (path.strip_prefix(dir).unwrap().to_owned(), entry)
    };
    list(dir).into_iter().map(read_one).collect()
}

/// Replaces `to` by a copy of `from`. Hard links would change the ctime of each file, and ccache would take the file
/// for one that changes during the compile.
pub fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    std::fs::create_dir_all(to).unwrap();
    for path in list(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        if path.is_dir() {
            std::fs::create_dir(target).unwrap();
        } else {
            std::fs::copy(&path, &target).unwrap();
            let time = path.metadata().unwrap().modified().unwrap();
            let target = std::fs::File::open(&target).unwrap();
            target.set_modified(time).unwrap();
        }
    }
}
