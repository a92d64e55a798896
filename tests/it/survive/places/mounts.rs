//! File systems and image layers.

use super::super::report;
use super::super::tree::{Compiler, Tree, clean, ok, stderr};
use super::{assert_refused, there_and_back};
use crate::support::tree::Layout;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the environment of a process that runs a single test.
const ALONE: &str = "ROCK_WRAP_TEST_ALONE";

/// Runs `test`, the body of the test called `name`, in a process with private mounts, which are gone when it ends. If
/// that is not possible, the test is skipped and a line is printed.
///
/// A thread with a mount namespace of its own is not enough. A child that another test starts keeps every file of
/// this test open until it executes its program; until then nothing can be unmounted.
fn with_mounts(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private"]);
        unshare
    };
    let tried = unshare().arg("true").output().unwrap();
    if !tried.status.success() {
        let why = stderr(&tried);
        report!(
            "SKIPPED: {name}: no mounts can be made here ({})",
            why.trim()
        );
        return;
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let output = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("{module}::{name}")])
        .env(ALONE, "1")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

/// Mounts a file system. If that fails, prints a line and returns false.
fn mount(what: &str, args: &[&OsStr]) -> bool {
    let output = clean("mount").args(args).output().unwrap();
    if !output.status.success() {
        report!("SKIPPED: {what}: {}", stderr(&output).trim());
    }
    output.status.success()
}

/// Unmounts a file system that nothing uses any more; retries while it is busy. A restore in another test inspects
/// all running processes, and can hold the file of a program an instant longer than the process itself does.
fn unmount(at: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let output = clean("umount").arg(at).output().unwrap();
        if output.status.success() {
            return;
        }
        let said = stderr(&output);
        let is_busy = said.contains("busy");
        assert!(is_busy && Instant::now() < deadline, "{said}");
        std::thread::yield_now();
    }
}

fn kind_of(path: &Path) -> String {
    let output = ok(clean("stat").args(["-f", "-c", "%T"]).arg(path));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn every_file_system_gives_back_the_exact_tree() {
    let mut ran = vec![];
    for layout in Layout::ALL {
        // The build directory, and the directory for temporary files.
        for base in [
            Path::new(env!("CARGO_TARGET_TMPDIR")),
            &std::env::temp_dir(),
        ] {
            let dir = tempfile::tempdir_in(base).unwrap();
            let tree = Tree::at(&dir.path().join("rocm"), layout, Compiler::Fake);
            there_and_back(&tree, &format!("{layout} in {}", base.display()), true);
            ran.push(kind_of(dir.path()));
        }
        there_and_back(&Tree::fake(layout), "in memory", true);
    }
    ran.sort();
    ran.dedup();
    report!("file systems: {}", ran.join(", "));
}

#[test]
fn every_file_system_that_can_be_mounted_gives_back_the_exact_tree() {
    with_mounts(
        "every_file_system_that_can_be_mounted_gives_back_the_exact_tree",
        || {
            let mut ran = vec![];
            let dir = tempfile::tempdir().unwrap();
            let at = dir.path().join("mounted");
            std::fs::create_dir(&at).unwrap();
            for kind in ["tmpfs", "ramfs"] {
                if mount(
                    kind,
                    &["-t", kind, "none"]
                        .map(OsStr::new)
                        .into_iter()
                        .chain([at.as_ref()])
                        .collect::<Vec<_>>(),
                ) {
                    each_layout(&at, kind);
                    ran.push(format!("{kind} (mounted)"));
                    unmount(&at);
                }
            }
            let made: [(&str, &[&str]); 4] = [
                ("ext4", &["-q"]),
                ("ext2", &["-q"]),
                ("xfs", &["-q"]),
                ("btrfs", &["-q"]),
            ];
            for (kind, options) in made {
                let image = dir.path().join(kind);
                std::fs::File::create(&image)
                    .unwrap()
                    .set_len(400 << 20)
                    .unwrap();
                let make = format!("mkfs.{kind}");
                match clean(&make).args(options).arg(&image).output() {
                    Err(error) => {
                        report!("SKIPPED: {kind}: {make}: {error}");
                        continue;
                    }
                    Ok(output) => assert!(output.status.success(), "{}", stderr(&output)),
                }
                if mount(
                    kind,
                    &["-o".as_ref(), "loop".as_ref(), image.as_ref(), at.as_ref()],
                ) {
                    each_layout(&at, kind);
                    ran.push(format!("{kind} (image)"));
                    unmount(&at);
                }
            }
            report!("file systems: {}", ran.join(", "));
        },
    );
}

/// exFAT has neither symlinks nor hard links, and Linux cannot exchange names on it.
#[test]
fn a_file_system_that_can_neither_exchange_names_nor_link_is_refused_and_unchanged() {
    with_mounts(
        "a_file_system_that_can_neither_exchange_names_nor_link_is_refused_and_unchanged",
        || {
            let dir = tempfile::tempdir().unwrap();
            let (at, image) = (dir.path().join("mounted"), dir.path().join("image"));
            std::fs::create_dir(&at).unwrap();
            let file = std::fs::File::create(&image).unwrap();
            file.set_len(64 << 20).unwrap();
            match clean("mkfs.exfat").arg(&image).output() {
                Err(error) => return report!("SKIPPED: exfat: mkfs.exfat: {error}"),
                Ok(output) => assert!(output.status.success(), "{}", stderr(&output)),
            }
            // The kernel's driver, or the one for FUSE.
            let is_mounted = ["exfat", "exfat-fuse"].into_iter().any(|kind| {
                let options = ["-t", kind, "-o", "loop"].map(OsStr::new);
                let places = [image.as_ref(), at.as_ref()];
                mount(kind, &[&options[..], &places].concat())
            });
            if !is_mounted {
                return;
            }
            let source = Tree::fake(Layout::Regular);
            let root = at.join("rocm");
            ok(clean("cp").arg("-rL").args([source.root(), &root]));
            let tree = source.moved_to(&root);
            let original = tree.manifest();
            let output = tree.rock_wrap(["install"]).output().unwrap();
            assert_refused(&output, &tree, "neither exchange two names nor hard-link");
            assert_eq!(output.status.code(), Some(4));
            original.assert_same(&tree.manifest(), "exfat");
            unmount(&at);
            report!("file systems: exfat (refused)");
        },
    );
}

fn each_layout(at: &Path, what: &str) {
    for layout in Layout::ALL {
        let tree = Tree::at(&at.join(layout.to_string()), layout, Compiler::Fake);
        there_and_back(&tree, &format!("{layout} on {what}"), true);
    }
}

#[test]
fn a_tree_is_wrapped_used_and_restored_in_separate_image_layers() {
    with_mounts(
        "a_tree_is_wrapped_used_and_restored_in_separate_image_layers",
        || {
            for upper in ["tmpfs", "disk"] {
                for options in ["", ",metacopy=on,redirect_dir=on", ",index=on"] {
                    for layout in Layout::ALL {
                        layers(layout, upper, options);
                    }
                }
            }
            report!(
                "file systems: overlayfs (compiler in a lower layer; upper on tmpfs and on disk)"
            );
        },
    );
}

fn layers(layout: Layout, upper: &str, options: &str) {
    let what = format!("{layout} in layers, upper on {upper}{options}");
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    if upper == "tmpfs" {
        ok(clean("mount").args(["-t", "tmpfs", "none"]).arg(base));
    }
    let merged = base.join("merged");
    std::fs::create_dir(&merged).unwrap();
    let mut lower = vec![base.join("0")];
    let tree = Tree::at(&lower[0].join("rocm"), layout, Compiler::Fake);
    let tree = tree.moved_to(&merged.join("rocm"));
    // Runs `step` in a new image layer on top of the previous ones.
    let mut layer = |step: &dyn Fn()| {
        let i = lower.len();
        let (changes, work) = (base.join(i.to_string()), base.join(format!("work-{i}")));
        std::fs::create_dir(&changes).unwrap();
        std::fs::create_dir(&work).unwrap();
        let below: Vec<_> = lower
            .iter()
            .rev()
            .map(|path| path.to_str().unwrap())
            .collect();
        let data = format!(
            "lowerdir={},upperdir={},workdir={}{options}",
            below.join(":"),
            changes.display(),
            work.display()
        );
        ok(clean("mount")
            .args(["-t", "overlay", "none", "-o", &data])
            .arg(&merged));
        step();
        unmount(&merged);
        lower.push(changes);
    };
    let original = std::cell::OnceCell::new();
    layer(&|| {
        original.set(tree.manifest().without_inodes()).unwrap();
        tree.install();
        assert_eq!(tree.state(), "wrapped", "{what}");
        tree.assert_compiles(&what);
    });
    layer(&|| tree.assert_compiles(&what));
    layer(&|| {
        tree.restore();
        original
            .get()
            .unwrap()
            .assert_same(&tree.manifest().without_inodes(), &what);
        tree.assert_compiles(&what);
    });
    layer(&|| there_and_back(&tree, &what, false));
    if upper == "tmpfs" {
        unmount(base);
    }
}

#[test]
fn a_read_only_tree_is_refused_and_keeps_working() {
    with_mounts("a_read_only_tree_is_refused_and_keeps_working", || {
        for layout in Layout::ALL {
            for wrapped in [false, true] {
                let tree = Tree::fake(layout);
                if wrapped {
                    tree.install();
                }
                let before = tree.manifest();
                ok(clean("mount")
                    .arg("--bind")
                    .args([tree.root(), tree.root()]));
                ok(clean("mount")
                    .args(["-o", "remount,bind,ro"])
                    .arg(tree.root()));
                let command = if wrapped { "restore" } else { "install" };
                // Refused again too: the first attempt has left nothing.
                for _ in 0..2 {
                    let output = tree.rock_wrap([command]).output().unwrap();
                    assert_refused(&output, &tree, "read-only");
                }
                tree.assert_compiles(layout);
                unmount(tree.root());
                before.assert_same(&tree.manifest(), layout);
                tree.restore();
            }
        }
        report!("file systems: read-only bind mount");
    });
}

#[test]
fn a_full_disk_refuses_an_install_and_lets_a_restore_through() {
    with_mounts(
        "a_full_disk_refuses_an_install_and_lets_a_restore_through",
        || {
            for kind in ["tmpfs", "ext4"] {
                for layout in Layout::ALL {
                    let dir = tempfile::tempdir().unwrap();
                    let (at, image) = (dir.path().join("mounted"), dir.path().join("image"));
                    std::fs::create_dir(&at).unwrap();
                    if kind == "tmpfs" {
                        ok(clean("mount")
                            .args(["-t", "tmpfs", "-o", "size=8m", "none"])
                            .arg(&at));
                    } else {
                        std::fs::File::create(&image)
                            .unwrap()
                            .set_len(16 << 20)
                            .unwrap();
                        ok(clean("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image));
                        if !mount(
                            kind,
                            &["-o".as_ref(), "loop".as_ref(), image.as_ref(), at.as_ref()],
                        ) {
                            return;
                        }
                    }
                    let tree = Tree::at(&at.join("rocm"), layout, Compiler::Fake);
                    let original = tree.manifest();
                    let filler = at.join("filler");
                    let fill = || {
                        let mut dd = clean("dd");
                        dd.args(["if=/dev/zero", "bs=4k"])
                            .arg(format!("of={}", filler.display()));
                        assert!(
                            !dd.output().unwrap().status.success(),
                            "the file system cannot be filled"
                        );
                    };
                    let what = format!("{layout} on a full {kind}");
                    fill();
                    assert_refused(&tree.rock_wrap(["install"]).output().unwrap(), &tree, "");
                    original.assert_same(&tree.manifest(), &what);
                    std::fs::remove_file(&filler).unwrap();
                    tree.install();
                    fill();
                    tree.assert_compiles(&what);
                    tree.restore();
                    original.assert_same(&tree.manifest(), &what);
                    unmount(&at);
                }
                report!("file systems: a full {kind}");
            }
        },
    );
}

#[test]
fn a_compiler_that_is_a_mount_point_is_refused_and_unchanged() {
    with_mounts(
        "a_compiler_that_is_a_mount_point_is_refused_and_unchanged",
        || {
            for layout in [Layout::Regular, Layout::HardLink] {
                let tree = Tree::fake(layout);
                let other = tree.outside("mounted");
                ok(clean("cp")
                    .arg("-a")
                    .args([tree.path("clang"), other.clone()]));
                ok(clean("mount")
                    .arg("--bind")
                    .arg(&other)
                    .arg(tree.path("clang")));
                let before = tree.manifest();
                let output = tree.rock_wrap(["install"]).output().unwrap();
                assert_refused(&output, &tree, "");
                before.assert_same(&tree.manifest(), layout);
                unmount(&tree.path("clang"));
            }
        },
    );
}
