//! A restore gives back every attribute.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use crate::install::goal::Goal;
use crate::install::tests::table::Tree;
use crate::install::tests::{LAYOUTS, Layout, SCCACHE, Want, run};

/// Gives each entry its own time, and each file a mode and an extended attribute. Returns `false` if the
/// file system does not support user attributes.
fn mark(tree: &Tree) -> bool {
    let mut attributes = true;
    for (i, name) in (0..).zip(["clang", "clang++", "clang-19"]) {
        let path = tree.path(name);
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.is_file() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
            let value = b"kept \xff";
            match rustix::fs::setxattr(&path, "user.note", value, XattrFlags::empty()) {
                Err(Errno::NOTSUP) => attributes = false,
                other => other.unwrap(),
            }
        }
        let time = |tv_nsec| Timespec {
            tv_sec: 1_234_567_890 + i,
            tv_nsec,
        };
        let times = Timestamps {
            last_access: time(1),
            last_modification: time(987_654_321),
        };
        rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    attributes
}

fn note(path: &Path) -> Option<Vec<u8>> {
    let mut value = vec![0; 64];
    let len = rustix::fs::getxattr(path, "user.note", &mut value[..]).ok()?;
    value.truncate(len);
    Some(value)
}

#[test]
fn a_restore_gives_back_inodes_links_modes_times_and_attributes() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let attributes = mark(&tree);
        let (before, noted) = (tree.listing(), note(&tree.path("clang")));
        tree.install(SCCACHE);
        tree.restore();
        assert_eq!(tree.listing(), before, "{layout:?}");
        assert_eq!(note(&tree.path("clang")), noted);
        if !attributes {
            println!("this file system takes no user attributes: not looked at");
        }
    }
}

#[test]
fn other_names_of_the_compilers_inode_are_never_written_through() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let elsewhere = tempfile::tempdir().unwrap();
        let other = elsewhere.path().join("clang");
        fs::hard_link(tree.path("clang"), &other).unwrap();
        let look = || {
            let meta = fs::symlink_metadata(&other).unwrap();
            let content = fs::read(&other).ok();
            (
                meta.ino(),
                meta.mode(),
                meta.mtime(),
                meta.mtime_nsec(),
                content,
            )
        };
        let before = look();
        tree.install(SCCACHE);
        assert_eq!(look(), before);
        tree.restore();
        assert_eq!(look(), before, "{layout:?}");
    }
}

#[test]
fn a_shim_and_its_stand_in_have_the_compilers_time_and_never_let_others_write() {
    for (given, expected) in [
        (0o755, 0o755),
        (0o777, 0o755),
        (0o6775, 0o755),
        (0o600, 0o711),
    ] {
        let tree = Tree::new(Layout::Symlinks);
        let Goal::Install(mut wants) = tree.layout.install(SCCACHE) else {
            unreachable!("an install is an install");
        };
        let want: &mut Want = &mut wants[0];
        want.mode = given;
        let mtime = want.mtime;
        run(&tree.fs, &Goal::Install(wants)).unwrap();
        for name in ["clang", "clang.9727"] {
            let meta = fs::symlink_metadata(tree.path(name)).unwrap();
            assert!(meta.is_file(), "{name}");
            assert_eq!(meta.mode() & 0o7777, expected, "{name} {given:o}");
            assert_eq!(
                (meta.mtime(), meta.mtime_nsec()),
                (mtime.sec, i64::from(mtime.nsec)),
                "{name}"
            );
        }
    }
}
