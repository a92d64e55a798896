//! Finds the directory or file that denies a user access to a path. "Permission denied" does not
//! say which component of the path it is.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::ErrorKind::PermissionDenied;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::{fmt, fs};

/// The kernel's limit on symbolic links in one look-up.
const MAX_LINKS: usize = 40;

/// The component of a path that this user cannot access.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    path: PathBuf,
    /// Whether it is a directory that cannot be entered; otherwise it cannot be read.
    on_the_way: bool,
    owner: u32,
    mode: u32,
}

/// What keeps this user from reading the absolute path `path`; `None` if nothing does.
#[must_use]
pub fn closed(path: &Path) -> Option<Closed> {
    let mut rest: VecDeque<OsString> = names(path).collect();
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let is_link = match fs::symlink_metadata(&next) {
            Ok(metadata) => metadata.is_symlink(),
            Err(error) if error.kind() == PermissionDenied => return Closed::at(at, true),
            Err(_) => return None,
        };
        if !is_link {
            at = next;
            continue;
        }
        links += 1;
        let target = fs::read_link(&next).ok().filter(|_| links <= MAX_LINKS)?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for name in names(&target).rev() {
            rest.push_front(name);
        }
    }
    let read = if at.is_dir() {
        fs::read_dir(&at).map(drop)
    } else {
        fs::File::open(&at).map(drop)
    };
    match read {
        Err(error) if error.kind() == PermissionDenied => Closed::at(at, false),
        _ => None,
    }
}

/// The names in a path, including `..`.
fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    let named = |part| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components()
        .filter(move |part| named(*part))
        .map(|part| part.as_os_str().to_owned())
}

impl Closed {
    fn at(path: PathBuf, on_the_way: bool) -> Option<Self> {
        let metadata = fs::metadata(&path).ok()?;
        Some(Self {
            path,
            on_the_way,
            owner: metadata.uid(),
            mode: metadata.mode() & 0o7777,
        })
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, mode, .. } = self;
        let path = self.path.display();
        let user = rustix::process::geteuid();
        let (what, right) = match self.on_the_way {
            true => ("enter", "x"),
            false => ("read", "r"),
        };
        write!(
            f,
            "user {user} cannot {what} {path} (owner {owner}, mode {mode:03o}); run it as that owner or \
             as root, or open it to others with `chmod a+{right} {path}`"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_is_not_closed_whatever_links_lead_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("../file", at("sub/link")).unwrap();
        std::os::unix::fs::symlink(at("sub"), at("dir")).unwrap();
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        for name in ["file", "dir/link", "sub", "missing", "loop"] {
            assert_eq!(closed(&at(name)), None, "{name}");
        }
    }
}
